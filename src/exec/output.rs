//! What a try prints: counted, hashed, kept on disk from its first byte on, with its last lines at hand.

use std::fs::File;
use std::io::{self, Write};

use crate::core::fact::Log;
use crate::disk::{Folder, How};

/// How much of the end is kept for the tail, in bytes.
const TAIL_BYTES_MAX: usize = 4096;

/// How many lines the tail has at most.
const TAIL_LINES_MAX: usize = 20;

/// The output of one try. Nothing is made on disk before it prints something.
#[derive(Debug)]
pub struct Capture {
    logs: Option<Folder>,
    name: String,
    file: Option<File>,
    bytes: u64,
    hasher: Option<Box<blake3::Hasher>>,
    tail: Vec<u8>,
}

impl Capture {
    /// For the try of this name; `logs` is the folder, when output is kept.
    pub fn new(logs: Option<Folder>, name: String) -> Self {
        Self {
            logs,
            name,
            file: None,
            bytes: 0,
            hasher: None,
            tail: Vec::new(),
        }
    }

    /// It printed this.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.keep_tail(bytes);
        if self.file.is_none()
            && let Some(folder) = &self.logs
        {
            self.file = Some(folder.open_made(&self.name, How::New)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
            self.hasher.get_or_insert_default().update(bytes);
        }
        Ok(())
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES_MAX)..];
        let surplus = (self.tail.len() + bytes.len()).saturating_sub(TAIL_BYTES_MAX);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend_from_slice(bytes);
    }

    /// What is to be recorded of it; `None` when it printed nothing.
    pub fn finish(self) -> Option<Log> {
        let tail = self.tail();
        let hash = self
            .hasher
            .map(|hasher| hasher.finalize().to_hex().to_string())
            .unwrap_or_default();
        let file = if self.file.is_some() {
            self.name
        } else {
            String::new()
        };
        (self.bytes > 0).then_some(Log {
            file,
            bytes: self.bytes,
            hash,
            tail,
        })
    }

    /// The last lines, whole ones unless there is only one.
    fn tail(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let cut = self.bytes > self.tail.len() as u64;
        let mut lines: Vec<&str> = text.lines().collect();
        if cut && lines.len() > 1 {
            lines.remove(0);
        }
        lines.drain(..lines.len().saturating_sub(TAIL_LINES_MAX));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_whole_lines() {
        let mut capture = Capture::new(None, String::new());
        for number in 0..5000 {
            capture
                .add(format!("line {number}\n").as_bytes())
                .expect("no file is written");
        }
        let log = capture.finish().expect("it printed");
        assert_eq!(log.tail.lines().count(), TAIL_LINES_MAX);
        assert!(log.tail.ends_with("line 4999") && log.tail.starts_with("line 4980"));
        assert_eq!((log.file.as_str(), log.hash.as_str()), ("", ""));
    }

    #[test]
    fn silence_leaves_nothing() {
        assert_eq!(Capture::new(None, String::new()).finish(), None);
    }
}
