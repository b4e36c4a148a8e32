//! One run of one command: how long it took and how much memory it had at its peak.
//!
//! The peak is the kernel's own accounting, handed out with the exit status by `wait4(2)`: exact, and free of charge
//! for what is measured. Polling `/proc` would miss the end, and a wrapper such as `time` would add itself to the time.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A run that takes longer than this is stuck.
const LIMIT: Timespec = Timespec {
    tv_sec: 300,
    tv_nsec: 0,
};

/// What one run took.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// From before the spawn until the exit was seen.
    pub(crate) time: Duration,
    /// The peak of the largest single process: the runner's, or that of one process it waited for.
    peak_kib: u64,
}

impl Run {
    /// The time in milliseconds.
    pub(crate) fn millis(&self) -> f64 {
        self.time.as_secs_f64() * 1000.0
    }

    /// The peak in megabytes of 1,000,000 bytes.
    pub(crate) fn peak_mb(&self) -> f64 {
        self.peak_kib as f64 * 1024.0 / 1e6
    }
}

/// Why a run gives no figures.
pub(crate) enum Failure {
    /// The system refused to start or to watch it.
    System(io::Error),
    /// It ended without success.
    Exit(ExitStatus),
    /// It did not end in time and was killed.
    Stuck,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Runs the command once, to its end.
pub(crate) fn run_once(command: &mut Command) -> Result<Run, Failure> {
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let ended = ends_in_time(&child);
    if !matches!(ended, Ok(true)) {
        child.kill()?;
    }
    let (status, peak_kib) = reap(&child)?;
    let time = begin.elapsed();
    match (ended?, status.success()) {
        (false, _) => Err(Failure::Stuck),
        (true, false) => Err(Failure::Exit(status)),
        (true, true) => Ok(Run { time, peak_kib }),
    }
}

/// Sleeps until the child has exited; false when it took too long.
fn ends_in_time(child: &Child) -> io::Result<bool> {
    let pid = Pid::from_child(child);
    let exit = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        match poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&LIMIT)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits for the child's end; its status, and the peak of its resident memory in KiB.
///
/// std and rustix wait without the kernel's accounting, so this is the one call into libc.
#[expect(
    unsafe_code,
    reason = "only wait4 tells the peak of exactly this child"
)]
fn reap(child: &Child) -> io::Result<(ExitStatus, u64)> {
    let pid = libc::pid_t::try_from(child.id()).expect("a process id came from a pid_t");
    loop {
        let mut status = 0;
        // SAFETY: a `rusage` is only integers, for which zeros are valid, and both pointers live during the call.
        let (reaped, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::wait4(pid, &raw mut status, 0, &raw mut usage), usage)
        };
        if reaped == pid {
            return Ok((
                ExitStatus::from_raw(status),
                u64::try_from(usage.ru_maxrss).unwrap_or(0),
            ));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The failure in one line. A command that failed is run once more to hear what it says.
pub(crate) fn explain(failure: &Failure, command: &mut Command) -> String {
    match failure {
        Failure::System(error) => error.to_string(),
        Failure::Stuck => format!("did not end within {} s", LIMIT.tv_sec),
        Failure::Exit(status) => match first_words(command) {
            Some(words) => format!("{status}: {words}"),
            None => status.to_string(),
        },
    }
}

fn first_words(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::piped()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(str::to_owned)
}
