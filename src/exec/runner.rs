//! The jobs that run: started, read from, stopped step by step, reported when they have ended.
//!
//! It has no thread and no clock of its own: whoever owns it polls the pipes that [`Runner::fds`] names and calls
//! [`Runner::read`], [`Runner::reap`] and [`Runner::tick`]; times are handed in.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::output::Capture;
use super::process::{Group, Process};
use super::shell::Programs;
use super::{Event, Job};
use crate::core::fact::Exit;
use crate::core::observer::Stream;
use crate::model::id::NodeId;

/// How long a process has between being told to stop and being killed.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long output is waited for after a process has ended while something else holds its pipe.
const DRAIN: Duration = Duration::from_millis(500);

/// How much is read from a pipe at a time, in bytes: little at first, as most commands say little, then all that a pipe holds.
const READ_BYTES_FIRST: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

/// How a job is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// With this signal, and with SIGKILL after the grace time.
    Ask(Signal),
    /// With SIGKILL at once.
    Kill,
}

/// The jobs that run.
#[derive(Debug)]
pub struct Runner {
    programs: Programs,
    running: Vec<Running>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Running {
    node: NodeId,
    attempt: u32,
    process: Process,
    capture: Capture,
    exit: Option<Exit>,
    /// It was told to stop: when it is killed, unless it was.
    stop: Option<Option<Instant>>,
    /// When its output is not waited for any more.
    drained_at: Option<Instant>,
}

/// The output of a job could not be kept.
#[derive(Debug)]
pub struct CaptureError(pub std::io::Error);

impl Runner {
    /// A runner without jobs.
    pub fn new(programs: Programs) -> Self {
        Self {
            programs,
            running: Vec::new(),
            buffer: vec![0; READ_BYTES_FIRST],
        }
    }

    /// Starts a job. One that can't be started has ended with an error; that is returned.
    pub fn start(&mut self, job: &Job) -> Option<Event> {
        let (node, attempt) = (job.node, job.attempt);
        match Process::start(job, &mut self.programs) {
            Ok(process) => {
                let capture = Capture::new(job.logs.clone(), format!("{node}.{attempt}.log"));
                let running = Running {
                    node,
                    attempt,
                    process,
                    capture,
                    exit: None,
                    stop: None,
                    drained_at: None,
                };
                self.running.push(running);
                None
            }
            Err(error) => {
                let exit = Exit {
                    error: Some(why_not_started(job, &error)),
                    ..Exit::default()
                };
                Some(Event::Ended {
                    node,
                    attempt,
                    exit,
                })
            }
        }
    }

    /// Whether this try is among those that run.
    pub fn has(&self, node: NodeId, attempt: u32) -> bool {
        self.running
            .iter()
            .any(|running| (running.node, running.attempt) == (node, attempt))
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Tells a job to stop; again only when it is to be killed.
    pub fn stop(&mut self, node: NodeId, stop: Stop, now: Instant) {
        let Some(running) = self.running.iter_mut().find(|running| running.node == node) else {
            return;
        };
        match (stop, running.stop) {
            (Stop::Ask(signal), None) => {
                running.process.signal(signal);
                running.stop = Some(Some(now + GRACE));
            }
            (Stop::Kill, None | Some(Some(_))) => running.kill(),
            _ => {}
        }
    }

    /// Kills everything at once.
    pub fn kill_all(&mut self) {
        self.running.iter_mut().for_each(Running::kill);
    }

    /// The pipes to poll for reading, with the place to name to [`Runner::read`].
    pub fn fds(&self) -> impl Iterator<Item = ((usize, usize), BorrowedFd<'_>)> {
        self.running.iter().enumerate().flat_map(|(job, running)| {
            let pipes = running.process.pipes.iter().enumerate();
            pipes.filter_map(move |(stream, pipe)| Some(((job, stream), pipe.as_ref()?.as_fd())))
        })
    }

    /// Reads once from a pipe that has something to say.
    pub fn read(&mut self, (job, stream): (usize, usize)) -> Result<Option<Event>, CaptureError> {
        let Some(running) = self.running.get_mut(job) else {
            return Ok(None);
        };
        running.read(stream, &mut self.buffer)
    }

    /// Looks which processes have ended; those whose output is complete are reported, with what was left to read.
    pub fn reap(&mut self, now: Instant, events: &mut Vec<Event>) -> Result<(), CaptureError> {
        let mut index = 0;
        while let Some(running) = self.running.get_mut(index) {
            if running.exit.is_none() {
                running.exit = running.process.ended();
                if running.exit.is_some() {
                    running.process.close_writers();
                }
            }
            if running.exit.is_some() {
                running.drain(&mut self.buffer, now, events)?;
            }
            if running.is_over(now) {
                events.push(self.running.remove(index).finish());
            } else {
                index += 1;
            }
        }
        Ok(())
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        for running in &mut self.running {
            if running
                .stop
                .flatten()
                .is_some_and(|deadline| deadline <= now)
            {
                running.kill();
            }
        }
    }

    /// When [`Runner::tick`] or [`Runner::reap`] has something to do, whatever else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.running
            .iter()
            .flat_map(|running| [running.stop.flatten(), running.drained_at])
            .flatten()
            .min()
    }
}

/// Whatever ends flow, a panic too: nothing that it started stays.
impl Drop for Runner {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl Running {
    fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.stop = Some(None);
    }

    fn read(&mut self, stream: usize, buffer: &mut Vec<u8>) -> Result<Option<Event>, CaptureError> {
        let Some(pipe) = &mut self.process.pipes[stream] else {
            return Ok(None);
        };
        match pipe.read(buffer) {
            Ok(0) => self.process.pipes[stream] = None,
            Ok(count) => {
                self.capture.add(&buffer[..count]).map_err(CaptureError)?;
                let bytes = buffer[..count].to_vec();
                if count == buffer.len() {
                    buffer.resize(READ_BYTES_MAX, 0);
                }
                return Ok(Some(Event::Output {
                    node: self.node,
                    stream: STREAMS[stream],
                    bytes,
                }));
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.process.pipes[stream] = None,
        }
        Ok(None)
    }

    /// Reads what a process that has ended left in its pipes.
    fn drain(
        &mut self,
        buffer: &mut Vec<u8>,
        now: Instant,
        events: &mut Vec<Event>,
    ) -> Result<(), CaptureError> {
        for stream in 0..self.process.pipes.len() {
            while let Some(event) = self.read(stream, buffer)? {
                events.push(event);
            }
        }
        if self.process.pipes.iter().any(Option::is_some) {
            self.drained_at.get_or_insert(now + DRAIN);
        }
        Ok(())
    }

    /// Whether it has ended with all that is to be waited for: its output, and, when it was stopped, its whole group.
    fn is_over(&self, now: Instant) -> bool {
        let silent = self.process.pipes.iter().all(Option::is_none);
        let drained = silent || self.drained_at.is_some_and(|at| at <= now);
        let alone = self.stop.is_none() || self.process.group() == Group::Gone;
        self.exit.is_some() && drained && alone
    }

    fn finish(self) -> Event {
        let exit = Exit {
            log: self.capture.finish(),
            ..self.exit.unwrap_or_default()
        };
        Event::Ended {
            node: self.node,
            attempt: self.attempt,
            exit,
        }
    }
}

fn why_not_started(job: &Job, error: &std::io::Error) -> String {
    let dir = job.dir.display();
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        _ if !job.dir.is_dir() => format!("its folder {dir} is not there"),
        Some(rustix::io::Errno::TOOBIG) => {
            "the command and its environment are longer than the system allows; write the data to a file".to_owned()
        }
        Some(rustix::io::Errno::AGAIN | rustix::io::Errno::NOMEM) => {
            format!("the system has no room for another process ({error}); a smaller -j needs less")
        }
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            format!("no more files can be open ({error}); a smaller -j or a larger `ulimit -n` helps")
        }
        _ => format!("it could not be started: {error}"),
    }
}
