//! How many files can be open, which is how many commands can run at a time, and what to say when there are too many.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// What flow itself has open in a run, beside what a command needs.
const OWN: u64 = 24;

/// What a command needs: its end, two pipes, its log, what it hands on; and a thread to look after it.
const EACH: u64 = 9;

/// What a command needs that is run for an answer.
const EACH_QUESTION: u64 = 5;

/// So many commands can run at the same time, at least one; `asks` when others run for answers beside them.
pub fn commands_at_once(asks: bool) -> usize {
    let Some(most) = getrlimit(Resource::Nofile).current else {
        return usize::MAX;
    };
    let each = EACH + if asks { EACH_QUESTION } else { 0 };
    let count = most.saturating_sub(OWN) / each;
    usize::try_from(count).unwrap_or(usize::MAX).max(1)
}

/// What helps against an error of the system; nothing where flow knows nothing.
pub fn help(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE) => Some("a larger `ulimit -n` or a smaller -j helps"),
        _ => None,
    }
}

/// An error in words, with the way out where there are too many open files.
pub fn told(error: &io::Error) -> String {
    match help(error) {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    }
}
