//! One poll for everything that can happen: signals, the ends of processes, their output, the next deadline.

use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::exec::Event;
use crate::exec::runner::{CaptureError, Runner};

/// The signals that end a run, each of which is passed on as it is.
const ENDING: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// Where signals arrive, as bytes on pipes.
#[derive(Debug)]
pub struct Inbox {
    /// A child has ended.
    child: PipeReader,
    /// flow itself got a signal; with its number.
    ending: Vec<(i32, PipeReader)>,
}

/// What came in.
#[derive(Debug, Default)]
pub struct Mail {
    /// Signals to flow, in the order of their kinds.
    pub signals: Vec<i32>,
    /// What happened to jobs.
    pub events: Vec<Event>,
}

impl Inbox {
    /// Begins to catch signals. Those that flow was started to ignore (as by `nohup`) stay ignored.
    pub fn open() -> io::Result<Self> {
        let mut ending = Vec::new();
        for signal in ENDING {
            let number = signal.as_raw();
            if !super::signals::is_ignored(number) {
                ending.push((number, catch(number)?));
            }
        }
        Ok(Self {
            child: catch(Signal::CHILD.as_raw())?,
            ending,
        })
    }

    /// Waits until something happens or `deadline` has come, and gathers it.
    pub fn wait(
        &mut self,
        runner: &mut Runner,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Mail, WaitError> {
        let (readable, places) = self.poll(runner, deadline, now)?;
        let mut mail = Mail::default();
        for (place, ready) in readable[self.ending.len() + 1..].iter().enumerate() {
            if *ready {
                mail.events
                    .extend(runner.read(places[place]).map_err(WaitError::Capture)?);
            }
        }
        for ((number, pipe), ready) in self.ending.iter_mut().zip(&readable) {
            for _ in 0..if *ready { drain(pipe) } else { 0 } {
                mail.signals.push(*number);
            }
        }
        if readable[self.ending.len()] {
            drain(&mut self.child);
        }
        let now = Instant::now();
        runner.tick(now);
        runner
            .reap(now, &mut mail.events)
            .map_err(WaitError::Capture)?;
        Ok(mail)
    }

    /// Which pipes can be read: those of signals, the one of children, then those of the runner, which are named.
    fn poll(
        &self,
        runner: &Runner,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<(Vec<bool>, Vec<Place>), WaitError> {
        let mut fds: Vec<PollFd<'_>> = self
            .ending
            .iter()
            .map(|(_, pipe)| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN))
            .collect();
        fds.push(PollFd::from_borrowed_fd(self.child.as_fd(), PollFlags::IN));
        let mut places = Vec::new();
        for (place, fd) in runner.fds() {
            places.push(place);
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        let timeout = deadline.map(|deadline| timespec(deadline.saturating_duration_since(now)));
        let interrupted = match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => false,
            Err(rustix::io::Errno::INTR) => true,
            Err(error) => return Err(WaitError::Poll(error.into())),
        };
        let mut readable: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if interrupted {
            // A signal came, and its byte is in one of the pipes: looking there now saves another poll.
            readable[..=self.ending.len()].fill(true);
        }
        Ok((readable, places))
    }
}

type Place = (usize, usize);

/// Why waiting failed.
#[derive(Debug)]
pub enum WaitError {
    /// The system refused to wait.
    Poll(io::Error),
    /// Output could not be kept.
    Capture(CaptureError),
}

/// From now on a byte comes out of the pipe for each signal of this kind.
fn catch(signal: i32) -> io::Result<PipeReader> {
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    signal_hook::low_level::pipe::register(signal, writer)?;
    Ok(reader)
}

/// Empties a pipe and says how many bytes it held.
fn drain(pipe: &mut PipeReader) -> usize {
    let mut bytes = [0; 64];
    let mut count = 0;
    while let Ok(read @ 1..) = pipe.read(&mut bytes) {
        count += read;
    }
    count
}

/// Rounded up to a millisecond, so that a deadline has passed when its poll returns.
fn timespec(span: Duration) -> Timespec {
    let span = span.saturating_add(Duration::from_micros(999));
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    }
}
