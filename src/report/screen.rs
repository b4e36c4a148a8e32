//! The two streams that flow writes to, which may be slow, full or gone.
//!
//! A reader that has gone (`flow build | head`) must not stop the run or its cleaning up: what can't be written is
//! dropped, and nothing here fails or panics. That something was lost for another reason, such as a full disk, is remembered
//! ([`lost`]): who calls flow has to know.

use std::sync::Mutex;

use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::spool::Spool;
use crate::core::observer::Stream;

/// Where words and output go.
pub struct Screen {
    target: Target,
    /// What waits as long as somebody else has the terminal.
    held: Option<Spool>,
}

/// What a test's screen was told, piece by piece.
#[cfg(test)]
pub(crate) type Written = std::sync::Arc<std::sync::Mutex<Vec<(Stream, Vec<u8>)>>>;

enum Target {
    Standard {
        gone: [bool; 2],
    },
    #[cfg(test)]
    Memory(Written),
}

impl Screen {
    /// The process's own stdout and stderr.
    pub const fn standard() -> Self {
        Self {
            target: Target::Standard { gone: [false; 2] },
            held: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn memory() -> (Self, Written) {
        let written = Written::default();
        (
            Self {
                target: Target::Memory(std::sync::Arc::clone(&written)),
                held: None,
            },
            written,
        )
    }

    /// From now on all waits: somebody else has the terminal.
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Shows what has waited.
    pub fn release(&mut self) {
        if let Some(held) = self.held.take() {
            held.show(self);
        }
    }

    /// Writes all of it, in one piece where the system allows.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        match &mut self.held {
            Some(held) if !bytes.is_empty() => held.add(stream, bytes),
            _ => self.write_through(stream, bytes),
        }
    }

    /// The same for those that nothing waits for.
    pub fn write_through(&mut self, stream: Stream, bytes: &[u8]) {
        match &mut self.target {
            Target::Standard { gone } => {
                let gone = &mut gone[stream as usize];
                *gone = *gone || write_to(stream, bytes).is_err();
            }
            #[cfg(test)]
            Target::Memory(written) => written
                .lock()
                .expect("one thread")
                .push((stream, bytes.to_vec())),
        }
    }

    /// A line of flow's own words.
    pub fn say(&mut self, words: &str) {
        self.write(Stream::Stderr, format!("{words}\n").as_bytes());
    }
}

/// What has waited is not lost, whatever ends the run.
impl Drop for Screen {
    fn drop(&mut self) {
        self.release();
    }
}

/// What could not be written first, and why.
static LOST: Mutex<Option<(Stream, Errno)>> = Mutex::new(None);

/// Whether something could not be written although there was somebody to read it: where, and why.
pub fn lost() -> Option<(Stream, std::io::Error)> {
    let lost = LOST.lock().ok()?;
    lost.map(|(stream, error)| (stream, error.into()))
}

/// Writes all of it to one of the two.
fn write_to(stream: Stream, bytes: &[u8]) -> Result<(), Errno> {
    let fd = match stream {
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    };
    let written = write_all(fd, bytes);
    if let Err(error) = written
        && !is_gone(fd, error)
        && let Ok(mut lost) = LOST.lock()
    {
        lost.get_or_insert((stream, error));
    }
    written
}

/// Whether the error says that nobody reads any more: a closed pipe, a terminal that has hung up.
fn is_gone(fd: BorrowedFd<'_>, error: Errno) -> bool {
    let is_device = || {
        let kind = rustix::fs::fstat(fd).map(|stat| stat.st_mode);
        kind.is_ok_and(|mode| rustix::fs::FileType::from_raw_mode(mode).is_char_device())
    };
    error == Errno::PIPE || error == Errno::IO && is_device()
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::OUT)];
                poll(&mut fds, None)
                    .map(drop)
                    .or_else(|error| match error {
                        Errno::INTR => Ok(()),
                        other => Err(other),
                    })?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Data for stdout as it is; whether there is still somebody who reads it.
pub fn print_data(bytes: &[u8]) -> std::io::Result<bool> {
    match write_to(Stream::Stdout, bytes) {
        Ok(()) => Ok(true),
        Err(Errno::PIPE) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Data for stdout and words for stderr, from commands that show something and end. A reader that has gone is no error.
pub fn print(stdout: &str, stderr: &str) -> std::io::Result<()> {
    let written = write_to(Stream::Stdout, stdout.as_bytes());
    let written = written.and_then(|()| write_to(Stream::Stderr, stderr.as_bytes()));
    match written {
        Ok(()) | Err(Errno::PIPE) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
