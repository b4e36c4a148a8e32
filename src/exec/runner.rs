//! The commands that one thread looks after: started, read from, reported when they have ended.
//!
//! It has no thread and no clock of its own: whoever owns it polls what [`Runner::fds`] names and calls
//! [`Runner::read`] and [`Runner::reap`]; times are handed in. Which of its commands were told to stop is known to
//! [`Stops`], because that is decided elsewhere. What it hands on and what it keeps of their output has no secrets in it.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::handed_on::Handover;
use super::mask::{Mask, Secrets};
use super::output::Capture;
use super::process::{Group, Process, signal_group};
use super::shell::Programs;
use super::stops::{Stop, Stops};
use super::{CommandId, Event, Handed, Job, Said};
use crate::core::fact::Exit;
use crate::core::observer::Stream;
use crate::model::plan::STDOUT_BYTES_MAX;

/// How long output is waited for after a process has ended while something else holds its pipe.
const DRAIN: Duration = Duration::from_millis(500);

/// How often a stopped group is looked at whose leader has ended before the rest of it.
const LINGER: Duration = Duration::from_millis(5);

/// How much is read from a pipe at a time, in bytes: little at first, as most commands say little, then all that a pipe holds.
const READ_BYTES_FIRST: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

/// The commands that one thread looks after.
#[derive(Debug)]
pub struct Runner {
    programs: Programs,
    secrets: Secrets,
    running: Vec<Running>,
    buffer: Vec<u8>,
}

/// How often a stream is read at a time of which nothing is told: more than a pipe holds, and not for ever.
const READS_MAX: u32 = 32;

/// How much of the end of its stderr is kept of a command that is run for an answer, in bytes.
const STDERR_BYTES_MAX: usize = 4 * 1024;

#[derive(Debug)]
struct Running {
    id: CommandId,
    attempt: u32,
    process: Process,
    /// What hides the secrets in each of its streams.
    masks: [Mask; 2],
    capture: Capture,
    handover: Option<Handover>,
    /// What it printed on stdout and on stderr, where that is read.
    kept: [Option<Vec<u8>>; 2],
    exit: Option<Exit>,
    /// Why some of what it printed is missing.
    unread: Option<String>,
    /// When it is looked at again after its end: its output may still come, or its group linger.
    again_at: Option<Instant>,
    /// When its output is not waited for any more.
    drained_at: Option<Instant>,
}

/// One of the things to poll: which command, and which of its streams; `None` for its end.
pub type Place = (usize, Option<usize>);

/// The output of a command could not be kept.
#[derive(Debug)]
pub struct CaptureError(pub std::io::Error);

/// A command was started, or has ended because it could not be.
#[derive(Debug)]
pub enum Started {
    /// It runs.
    Running(Process),
    /// It has ended.
    Failed(Event),
}

impl Runner {
    /// A runner without commands, whose output these secrets are masked in.
    pub fn new(programs: Programs, secrets: Secrets) -> Self {
        Self {
            programs,
            secrets,
            running: Vec::new(),
            buffer: vec![0; READ_BYTES_FIRST],
        }
    }

    /// Starts a command.
    pub fn start(&mut self, job: &Job) -> Started {
        match Process::start(job, &mut self.programs) {
            Ok(process) => Started::Running(process),
            Err(error) => {
                let why = why_not_started(job, &error);
                let exit = Exit {
                    error: Some(self.secrets.masked(&why)),
                    ..Exit::default()
                };
                Started::Failed(ended(job.id, job.attempt, exit, Handed::default()))
            }
        }
    }

    /// Looks after a command that was started.
    pub fn add(&mut self, job: Job, process: Process) {
        let (id, attempt) = (job.id, job.attempt);
        let capture = match id {
            CommandId::Step(node) => Capture::new(job.logs, format!("{node}.{attempt}.log")),
            CommandId::Question(_) => Capture::new(None, String::new()),
        };
        let masks = [(); 2].map(|()| Mask::new(self.secrets.clone()));
        let (again_at, drained_at) = (None, None);
        self.running.push(Running {
            handover: job.handover,
            kept: [job.keeps.stdout, job.keeps.stderr].map(|kept| kept.then(Vec::new)),
            id,
            attempt,
            process,
            masks,
            capture,
            exit: None,
            unread: None,
            again_at,
            drained_at,
        });
    }

    /// How many commands of steps it looks after.
    pub fn steps(&self) -> usize {
        let steps = |running: &&Running| matches!(running.id, CommandId::Step(_));
        self.running.iter().filter(steps).count()
    }

    /// Whether it has nothing to look after.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// What to poll for reading.
    pub fn fds(&self) -> impl Iterator<Item = (Place, BorrowedFd<'_>)> {
        self.running.iter().enumerate().flat_map(|(job, running)| {
            let end = running
                .exit
                .is_none()
                .then(|| ((job, None), running.process.end.as_fd()));
            let pipes = running.process.pipes.iter().enumerate();
            let pipes = pipes.filter_map(move |(stream, pipe)| {
                Some(((job, Some(stream)), pipe.as_ref()?.as_fd()))
            });
            end.into_iter().chain(pipes)
        })
    }

    /// Reads once from what has something to say.
    pub fn read(&mut self, (job, stream): Place) -> Result<Option<Event>, CaptureError> {
        match (self.running.get_mut(job), stream) {
            (Some(running), Some(stream)) => running.read(stream, &mut self.buffer),
            _ => Ok(None),
        }
    }

    /// Looks which commands have ended; those that are over with all that belongs to them are reported.
    pub fn reap(
        &mut self,
        now: Instant,
        stops: &mut Stops,
        events: &mut Vec<Event>,
    ) -> Result<(), CaptureError> {
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
            if running.says_too_much() {
                stops.stop(running.id, Stop::Kill, now);
            }
            if running.is_over(now, stops) {
                let mut running = self.running.remove(index);
                stops.remove(running.id);
                running.say_the_rest(events)?;
                events.push(running.finish());
            } else {
                index += 1;
            }
        }
        Ok(())
    }

    /// When [`Runner::reap`] has something to do, whatever else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.running
            .iter()
            .filter_map(|running| running.again_at)
            .min()
    }
}

/// Whatever ends flow, a panic too: nothing that it started stays.
impl Drop for Runner {
    fn drop(&mut self) {
        for running in &self.running {
            signal_group(running.process.pid, Signal::KILL);
        }
    }
}

impl Running {
    fn read(&mut self, stream: usize, buffer: &mut Vec<u8>) -> Result<Option<Event>, CaptureError> {
        let mut silent = 0;
        // As long as all of it is held back, what follows decides.
        while let Some(pipe) = &mut self.process.pipes[stream] {
            match pipe.read(buffer) {
                Ok(0) => return self.close(stream),
                Ok(count) => {
                    self.keep(stream, &buffer[..count]);
                    if matches!(self.id, CommandId::Question(_)) {
                        silent += 1;
                        if silent < READS_MAX {
                            continue;
                        }
                        break;
                    }
                    let bytes = self.masks[stream].feed(&buffer[..count]).into_owned();
                    if count == buffer.len() {
                        buffer.resize(READ_BYTES_MAX, 0);
                    }
                    if let Some(event) = self.said(stream, bytes)? {
                        return Ok(Some(event));
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
                {
                    break;
                }
                Err(error) => {
                    self.unread = Some(format!("what it printed could not be read: {error}"));
                    return self.close(stream);
                }
            }
        }
        Ok(None)
    }

    /// Keeps what somebody reads.
    fn keep(&mut self, stream: usize, bytes: &[u8]) {
        let Some(kept) = &mut self.kept[stream] else {
            return;
        };
        if let (1, CommandId::Question(_)) = (stream, self.id) {
            kept.extend_from_slice(bytes);
            let surplus = kept.len().saturating_sub(STDERR_BYTES_MAX);
            kept.drain(..surplus);
            return;
        }
        let room = (STDOUT_BYTES_MAX + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether it prints more than can be an answer.
    fn says_too_much(&self) -> bool {
        let stdout = self.kept[0].as_ref();
        matches!(self.id, CommandId::Question(_))
            && stdout.is_some_and(|stdout| stdout.len() > STDOUT_BYTES_MAX)
    }

    /// The stream is over: what was held back is no secret.
    fn close(&mut self, stream: usize) -> Result<Option<Event>, CaptureError> {
        self.process.pipes[stream] = None;
        let rest = self.masks[stream].flush();
        self.said(stream, rest)
    }

    /// Keeps what it printed, which has no secrets any more, and tells it.
    fn said(&mut self, stream: usize, bytes: Vec<u8>) -> Result<Option<Event>, CaptureError> {
        let CommandId::Step(node) = self.id else {
            return Ok(None);
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        self.capture.add(&bytes).map_err(CaptureError)?;
        Ok(Some(Event::Output {
            node,
            stream: Stream::ALL[stream],
            bytes,
        }))
    }

    /// What was held back of streams that are not waited for any more.
    fn say_the_rest(&mut self, events: &mut Vec<Event>) -> Result<(), CaptureError> {
        for stream in 0..self.process.pipes.len() {
            events.extend(self.close(stream)?);
        }
        Ok(())
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
    fn is_over(&mut self, now: Instant, stops: &Stops) -> bool {
        if self.exit.is_none() {
            return false;
        }
        let silent = self.process.pipes.iter().all(Option::is_none);
        let drained = silent || self.drained_at.is_some_and(|at| at <= now);
        let alone = !stops.was_told(self.id) || self.process.group() == Group::Gone;
        self.again_at = if alone {
            self.drained_at
        } else {
            Some(now + LINGER)
        };
        drained && alone
    }

    fn finish(self) -> Event {
        let mut exit = Exit {
            log: self.capture.finish(),
            ..self.exit.unwrap_or_default()
        };
        if exit.error.is_none() {
            exit.error = self.unread;
        }
        let outputs = self.handover.map(Handover::take).transpose();
        let outputs = outputs.unwrap_or_else(|why| {
            exit.error.get_or_insert(why);
            None
        });
        let [stdout, stderr] = self.kept;
        let result = Handed {
            outputs: outputs.unwrap_or_default(),
            stdout,
            stderr,
        };
        ended(self.id, self.attempt, exit, result)
    }
}

/// What is told of the end of a command.
fn ended(id: CommandId, attempt: u32, exit: Exit, result: Handed) -> Event {
    match id {
        CommandId::Step(node) => Event::Ended {
            node,
            attempt,
            exit,
            result,
        },
        CommandId::Question(question) => Event::Answered {
            question,
            said: Said {
                exit,
                stdout: result.stdout.unwrap_or_default(),
                stderr: result.stderr.unwrap_or_default(),
            },
        },
    }
}

/// The most bytes that arguments and environment can have together: a quarter of the stack (`execve(2)`).
fn arg_max() -> Option<u64> {
    let stack = rustix::process::getrlimit(rustix::process::Resource::Stack);
    Some((stack.current? / 4).clamp(128 << 10, 6 << 20))
}

fn why_not_started(job: &Job, error: &std::io::Error) -> String {
    let dir = job.dir.display();
    match error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error)
    {
        _ if !job.dir.is_dir() => format!("its folder {dir} is not there"),
        Some(rustix::io::Errno::TOOBIG) => {
            let most = arg_max().map_or(String::new(), |most| format!(" (ARG_MAX: {most} bytes)"));
            format!(
                "its arguments and its environment are longer than the system allows{most}; \
                 write the list to a file, or pipe it into `xargs`"
            )
        }
        Some(rustix::io::Errno::AGAIN | rustix::io::Errno::NOMEM) => {
            format!("the system has no room for another process ({error}); a smaller -j needs less")
        }
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            format!(
                "no more files can be open ({error}); a smaller -j or a larger `ulimit -n` helps"
            )
        }
        _ => format!("it could not be started: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::WhichStreams;
    use crate::model::id::NodeId;
    use crate::model::plan::Program;

    const TOKEN: &str = "s3cr3t-t0k3n/with+signs";

    type Printed = Vec<(Stream, Vec<u8>)>;

    /// What a command printed, piece by piece, and how it ended.
    fn run(command: &str, secrets: &Secrets, logs: &std::path::Path) -> (Printed, Exit) {
        let programs = Programs::new(std::env::vars_os().collect());
        let mut runner = Runner::new(programs, secrets.clone());
        let job = Job {
            id: NodeId(7).into(),
            attempt: 1,
            program: Program::Script {
                shell: None,
                text: command.to_owned(),
                args: Vec::new(),
            },
            handover: Some(Handover::File(logs.into(), "handover".to_owned())),
            keeps: WhichStreams::default(),
            stdin: false,
            without: &[],
            own_streams: None,
            dir: logs.to_owned(),
            env: vec![("TOKEN".to_owned(), TOKEN.into())],
            logs: Some(logs.into()),
        };
        match runner.start(&job) {
            Started::Running(process) => runner.add(job, process),
            Started::Failed(event) => panic!("it was not started: {event:?}"),
        }
        let (mut stops, mut printed) = (Stops::default(), Vec::new());
        loop {
            let mut events = Vec::new();
            let places: Vec<Place> = runner.fds().map(|(place, _)| place).collect();
            for place in places {
                events.extend(runner.read(place).expect("output is kept"));
            }
            let reaped = runner.reap(Instant::now(), &mut stops, &mut events);
            reaped.expect("output is kept");
            for event in events {
                match event {
                    Event::Output { stream, bytes, .. } => printed.push((stream, bytes)),
                    Event::Ended { exit, .. } => return (printed, exit),
                    Event::Answered { .. } => panic!("nothing was asked"),
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// All that was printed, or what was in one stream.
    fn text(printed: &Printed, only: Option<Stream>) -> String {
        let wanted = |(stream, _): &&(Stream, Vec<u8>)| only.is_none_or(|only| *stream == only);
        let pieces = printed.iter().filter(wanted);
        let bytes: Vec<u8> = pieces.flat_map(|(_, bytes)| bytes.clone()).collect();
        String::from_utf8(bytes).expect("the tests print ASCII")
    }

    #[test]
    fn neither_log_nor_tail_nor_events_have_a_secret() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let secrets = Secrets::default();
        secrets.add(TOKEN.as_bytes());
        let script = r#"echo "plain $TOKEN."; printf '%s' "$TOKEN" | base64
            printf '%s' "$TOKEN" | od -An -v -tx1 | tr -d ' \n'; echo
            printf 's3cr3t-'; sleep 0.05; printf 't0k3n/with+'; sleep 0.05; printf 'signs|'; printf 's3cr3t-t0'
            printf 'user:%s' "$TOKEN" | base64 >&2"#;
        let (printed, exit) = run(script, &secrets, folder.path());
        let expected = "plain ***.\n***\n***\n***|s3cr3t-t0";
        assert_eq!(text(&printed, Some(Stream::Stdout)), expected);
        // Of base64 with something before it, what stands before stays: `user:` and a few bits.
        assert_eq!(text(&printed, Some(Stream::Stderr)), "dXNlcjp***\n");
        let log = exit.log.expect("it printed");
        let kept = std::fs::read(folder.path().join(&log.file)).expect("there is a log");
        assert_eq!(kept, text(&printed, None).as_bytes());
        assert_eq!(log.bytes, kept.len() as u64);
        assert_eq!(log.hash, blake3::hash(&kept).to_hex().as_str());
        assert_eq!(log.tail, text(&printed, None).trim_end());
    }

    #[test]
    fn silence_is_no_output() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let secrets = Secrets::default();
        secrets.add(TOKEN.as_bytes());
        let (printed, exit) = run("true", &secrets, folder.path());
        assert_eq!((printed, exit.log), (Vec::new(), None));
        let files = std::fs::read_dir(folder.path()).expect("it is there");
        assert_eq!(files.count(), 0);
    }

    #[test]
    fn what_looks_like_a_secret_and_is_none_is_not_lost() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let secrets = Secrets::default();
        secrets.add(&b"ab".repeat(100));
        // A process that outlives the command holds the pipe, so the stream has no end that could be seen.
        let script = "sleep 2 & printf 'abab'; printf 'x'; printf 'ababab'";
        let (printed, exit) = run(script, &secrets, folder.path());
        assert_eq!(text(&printed, None), "ababxababab");
        assert_eq!(exit.log.map(|log| log.bytes), Some(11));
    }

    #[test]
    fn why_a_command_was_not_started_has_no_secret() {
        let secrets = Secrets::default();
        secrets.add(TOKEN.as_bytes());
        let mut runner = Runner::new(Programs::new(Vec::new()), secrets);
        let job = Job {
            id: NodeId(1).into(),
            attempt: 1,
            program: Program::Script {
                shell: None,
                text: "true".to_owned(),
                args: Vec::new(),
            },
            handover: Some(Handover::File(
                std::path::Path::new("/nowhere").into(),
                "handover".to_owned(),
            )),
            keeps: WhichStreams::default(),
            stdin: false,
            without: &[],
            own_streams: None,
            dir: format!("/nowhere/{TOKEN}").into(),
            env: Vec::new(),
            logs: None,
        };
        let Started::Failed(Event::Ended { exit, .. }) = runner.start(&job) else {
            panic!("it has no folder");
        };
        assert_eq!(
            exit.error.as_deref(),
            Some("its folder /nowhere/*** is not there")
        );
    }
}
