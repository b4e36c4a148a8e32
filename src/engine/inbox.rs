//! One poll for everything that a thread waits for: signals, a knock, the ends of commands, their output, a deadline.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::exec::runner::{Place, Runner};
use crate::exec::{dispositions, family};
use crate::store::request::Request;

/// The signals that end a run, each of which is passed on as it is.
pub(super) const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// Signals that end a process which does nothing about them, and that somebody may send all the same: a timer or a limit that was set
/// before flow was started, a mistaken `kill -USR1`. They end a run too.
const RARE: [i32; 8] = [
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGXCPU,
    libc::SIGIO,
    libc::SIGPWR,
];

/// The signals by which a shell suspends flow and lets it go on, and by which a child says that it was stopped or has ended.
const JOB_CONTROL: [Signal; 3] = [Signal::TSTP, Signal::CONT, Signal::CHILD];

/// Where signals to flow arrive, as bytes on pipes.
#[derive(Debug)]
pub struct Signals(Vec<(i32, PipeReader)>);

/// The rare one that came last, and is passed on as SIGTERM.
static RARE_CAME: AtomicI32 = AtomicI32::new(0);

impl Signals {
    /// Begins to catch those that end a run, and with a terminal those of job control. What flow was started to ignore (as by
    /// `nohup`) stays ignored.
    pub fn catch(terminal: bool) -> io::Result<Self> {
        super::alone::signals_are_waited_for();
        let mut caught = Self(Vec::new());
        // The first process of a container is told of orphans that have ended by the last of them.
        let more = terminal || family::is_first_process();
        for signal in ENDING
            .into_iter()
            .chain(JOB_CONTROL.into_iter().filter(|_| more))
        {
            caught.add(signal)?;
        }
        for signal in RARE
            .into_iter()
            .filter(|signal| !dispositions::is_ignored(*signal))
        {
            pass_on_as_term(signal)?;
        }
        Ok(caught)
    }

    /// Catches one more, once, unless it is ignored.
    fn add(&mut self, signal: Signal) -> io::Result<()> {
        let number = signal.as_raw();
        let caught = self.0.iter().any(|(known, _)| *known == number);
        if !caught && !dispositions::is_ignored(number) {
            let (reader, writer) = io::pipe()?;
            rustix::io::ioctl_fionbio(&reader, true)?;
            signal_hook::low_level::pipe::register(number, writer)?;
            self.0.push((number, reader));
        }
        Ok(())
    }

    /// The signals that came, by which of the pipes can be read.
    fn read(&mut self, readable: &[bool]) -> Vec<i32> {
        let mut came = Vec::new();
        for ((number, pipe), readable) in self.0.iter_mut().zip(readable) {
            let count = if *readable { drain(pipe) } else { 0 };
            let rare = match Signal::from_named_raw(*number) {
                Some(Signal::TERM) if count > 0 => RARE_CAME.swap(0, Ordering::SeqCst),
                _ => 0,
            };
            let number = if rare == 0 { *number } else { rare };
            // How often it was asked to end counts; the others say that there is something to look at.
            let count = if Inbox::ends_a_run(number) {
                count
            } else {
                count.min(1)
            };
            came.extend(std::iter::repeat_n(number, count));
        }
        came
    }
}

/// A rare signal is a SIGTERM of which it is known what it was: no pipe of its own, and nothing more to wait for.
#[expect(
    unsafe_code,
    reason = "what a signal runs must be safe to run in its handler"
)]
fn pass_on_as_term(signal: i32) -> io::Result<()> {
    // SAFETY: storing to an atomic and raise(3) are safe in a handler (signal-safety(7)), and neither can panic.
    unsafe {
        signal_hook::low_level::register(signal, move || {
            RARE_CAME.store(signal, Ordering::SeqCst);
            libc::raise(libc::SIGTERM);
        })?;
    }
    Ok(())
}

/// What a thread waits with.
#[derive(Debug)]
pub struct Inbox {
    signals: Signals,
    /// Another thread has something for this one.
    knock: Option<PipeReader>,
    /// Other processes ask something.
    requests: Option<File>,
    /// Somebody else in this process has something for whoever waits here.
    bell: Option<PipeReader>,
}

/// What there is to look at after a wait.
#[derive(Debug, Default)]
pub struct Ready {
    /// Signals to flow that came, in the order of their kinds; each that ends a run as often as it came.
    pub signals: Vec<i32>,
    /// What can be read of the commands.
    pub places: Vec<Place>,
    /// What other processes ask.
    pub requests: Vec<Request>,
    /// Somebody has rung.
    pub rung: bool,
}

/// Makes a waiting thread look.
#[derive(Clone, Debug)]
pub struct Knocker(Arc<PipeWriter>);

/// How often it is knocked before it is given up: who is not woken waits for ever.
const KNOCKS_MAX: u32 = 1_000;

impl Knocker {
    /// Knocks; as often as one likes.
    pub fn knock(&self) {
        for _ in 0..KNOCKS_MAX {
            match (&*self.0).write(b"k") {
                // A full pipe has been knocked at enough, and a closed one belongs to a thread that is done.
                Err(error)
                    if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::BrokenPipe) => {}
                _ => return,
            }
        }
    }
}

impl Inbox {
    /// For the thread that gets the signals.
    pub const fn new(signals: Signals) -> Self {
        Self {
            signals,
            knock: None,
            requests: None,
            bell: None,
        }
    }

    /// For another thread.
    pub const fn without_signals() -> Self {
        Self::new(Signals(Vec::new()))
    }

    /// From now on it can be knocked at. One thread alone needs none.
    pub fn knocker(&mut self) -> io::Result<Knocker> {
        let (reader, knocker) = knocker()?;
        self.knock = Some(reader);
        Ok(knocker)
    }

    /// The same for those who are no part of the engine; it outlives a run.
    pub fn bell(&mut self) -> io::Result<Knocker> {
        let (reader, knocker) = knocker()?;
        self.bell = Some(reader);
        Ok(knocker)
    }

    /// A run is over, and with it all that could be heard for its sake.
    pub(super) fn end_run(&mut self) {
        self.knock = None;
        self.requests = None;
    }

    /// From now on other processes can ask something, by this pipe.
    pub fn listen(&mut self, requests: File) {
        self.requests = Some(requests);
    }

    /// Whether a signal is one of those that end a run.
    pub(super) fn ends_a_run(number: i32) -> bool {
        ENDING.iter().any(|signal| signal.as_raw() == number) || RARE.contains(&number)
    }

    /// Waits until something happens or `deadline` has come.
    pub fn wait(&mut self, runner: &Runner, deadline: Option<Instant>) -> io::Result<Ready> {
        self.wait_for_token(runner, deadline, None)
    }

    /// The same, or until there may be a token of a jobserver, which is looked for again then.
    pub(super) fn wait_for_token(
        &mut self,
        runner: &Runner,
        deadline: Option<Instant>,
        tokens: Option<&File>,
    ) -> io::Result<Ready> {
        let pipes = [
            self.knock.is_some(),
            self.bell.is_some(),
            self.requests.is_some(),
        ];
        let pipes = pipes.iter().filter(|is_there| **is_there).count();
        let own = self.signals.0.len() + pipes;
        let (readable, mut ready) = self.poll(runner, deadline, own, tokens)?;
        let signals = self.signals.0.len();
        ready.signals = self.signals.read(&readable[..signals]);
        let mut readable = readable[signals..].iter();
        if let Some(knock) = &mut self.knock
            && readable.next() == Some(&true)
        {
            drain(knock);
        }
        if let Some(bell) = &mut self.bell
            && readable.next() == Some(&true)
        {
            drain(bell);
            ready.rung = true;
        }
        if let Some(requests) = &mut self.requests
            && readable.next() == Some(&true)
        {
            let mut lines = vec![0; 64 * 1024];
            // A reader that finds nothing has waited for nothing.
            let count = requests.read(&mut lines).unwrap_or(0);
            ready.requests = Request::read(&String::from_utf8_lossy(&lines[..count])).collect();
        }
        Ok(ready)
    }

    /// Which of our own pipes can be read, in their order, and what of the commands.
    fn poll(
        &self,
        runner: &Runner,
        deadline: Option<Instant>,
        own: usize,
        tokens: Option<&File>,
    ) -> io::Result<(Vec<bool>, Ready)> {
        let signals = self.signals.0.iter().map(|(_, pipe)| pipe);
        let pipes = signals.chain(&self.knock).chain(&self.bell);
        let pipes = pipes.map(AsFd::as_fd);
        let pipes = pipes.chain(self.requests.iter().map(AsFd::as_fd));
        let mut fds: Vec<PollFd<'_>> = pipes
            .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN))
            .collect();
        let mut places = Vec::new();
        for (place, fd) in runner.fds() {
            places.push(place);
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        fds.extend(tokens.map(|tokens| PollFd::from_borrowed_fd(tokens.as_fd(), PollFlags::IN)));
        let timeout =
            deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
        match poll(&mut fds, timeout.as_ref()) {
            // After an interruption nothing is known; the next poll tells.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let readable: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let places = places
            .into_iter()
            .zip(&readable[own..])
            .filter(|(_, ready)| **ready);
        let ready = Ready {
            signals: Vec::new(),
            requests: Vec::new(),
            rung: false,
            places: places.map(|(place, _)| place).collect(),
        };
        Ok((readable[..own].to_vec(), ready))
    }
}

fn knocker() -> io::Result<(PipeReader, Knocker)> {
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    Ok((reader, Knocker(Arc::new(writer))))
}

/// Empties a pipe and says how many bytes it held.
fn drain(pipe: &mut PipeReader) -> usize {
    let mut bytes = [0; 64];
    let mut count = 0;
    while let Ok(read @ 1..) = pipe.read(&mut bytes) {
        count += read;
        if read < bytes.len() {
            break;
        }
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
