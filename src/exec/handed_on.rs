//! What a command hands on to later steps: the lines that it wrote to `$FLOW_OUTPUT`.
//!
//! `NAME=VALUE`, or `NAME<<END`, lines, and `END` alone, as GitHub's `GITHUB_OUTPUT` has it. In `NAME = VALUE` both are trimmed. Of a name that is written twice the
//! last value counts.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use crate::disk::{Folder, How};

/// What is wrong with most lines.
const NO_VALUE: &str =
    "is not NAME=VALUE; a value of several lines is NAME<<END, the lines, and END alone";

/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// Where a command writes what it hands on.
#[derive(Debug)]
pub enum Handover {
    /// A file, made by the first command that writes to it, in a folder that is there.
    File(Folder, String),
    /// A file in memory, for a run that keeps nothing on disk.
    Memory(File),
}

impl Handover {
    /// A file in memory.
    pub fn in_memory() -> io::Result<Self> {
        let file = rustix::fs::memfd_create(c"flow-output", rustix::fs::MemfdFlags::CLOEXEC)?;
        Ok(Self::Memory(file.into()))
    }

    /// The path that a command opens it by.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::File(folder, name) => folder.path_of(name),
            Self::Memory(file) => {
                format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
            }
        }
    }

    /// The names and values in it; what is wrong with it, as a sentence. A file on disk is removed.
    pub fn take(self) -> Result<Vec<(String, Vec<u8>)>, String> {
        let unreadable = |error| format!("what it wrote to $FLOW_OUTPUT can't be read: {error}");
        match self {
            Self::Memory(mut file) => {
                file.rewind().map_err(unreadable)?;
                read(&mut file)
            }
            Self::File(folder, name) => match folder.open(&name, How::Read) {
                Ok(mut file) => {
                    let values = read(&mut file);
                    // It may be a folder by now; then it goes with the folder that it is in.
                    let _ = folder.remove(&name);
                    values
                }
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(unreadable(error)),
            },
        }
    }
}

fn read(file: &mut File) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut bytes = Vec::new();
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("what it wrote to $FLOW_OUTPUT can't be read: {error}"))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(
            "it wrote more than 1 MiB to $FLOW_OUTPUT; write it to a file, and hand on its name"
                .to_owned(),
        );
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    if bytes.contains(&0) {
        return Err("it wrote a NUL to $FLOW_OUTPUT, which no value can hold".to_owned());
    }
    let mut values: Vec<(String, Vec<u8>)> = Vec::new();
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |what: &str| {
            format!(
                "line {} of what it wrote to $FLOW_OUTPUT {what}",
                number + 1
            )
        };
        let end = line
            .iter()
            .position(|byte| matches!(byte, b'=' | b'<'))
            .ok_or_else(|| wrong(NO_VALUE))?;
        let name = name(&line[..end])
            .ok_or_else(|| wrong("has no name of letters, digits and '_' before the '='"))?;
        let value = match &line[end..] {
            // Who puts a space before the sign means none behind it either.
            [b'=', value @ ..] if line[..end].ends_with(b" ") => value.trim_ascii().to_vec(),
            [b'=', value @ ..] => value.to_vec(),
            [b'<', b'<', mark @ ..] if !mark.trim_ascii().is_empty() => {
                let mark = mark.trim_ascii();
                let mut value: Vec<&[u8]> = Vec::new();
                loop {
                    match lines.next() {
                        Some((_, line)) if line == mark => break,
                        Some((_, line)) => value.push(line),
                        None => {
                            let mark = String::from_utf8_lossy(mark);
                            return Err(wrong(&format!(
                                "begins a value that has no end: a line with '{mark}' alone ends it"
                            )));
                        }
                    }
                }
                value.join(&b'\n')
            }
            _ => return Err(wrong(NO_VALUE)),
        };
        values.retain(|(known, _)| *known != name);
        values.push((name, value));
    }
    Ok(values)
}

fn name(bytes: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(bytes).ok()?.trim();
    let first = name.chars().next()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    ((first.is_ascii_alphabetic() || first == '_') && name.chars().all(fits))
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let values = parse(text.as_bytes())?;
        let text = |(name, value)| (name, String::from_utf8(value).expect("text"));
        Ok(values.into_iter().map(text).collect())
    }

    #[test]
    fn lines_are_values() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let text = "a=1\nb = two words \n\nc=x=y\nd<<END\none\n\n two\nEND\r\na=2\ne=";
        let expected = vec![
            pair("b", "two words"),
            pair("c", "x=y"),
            pair("d", "one\n\n two"),
            pair("a", "2"),
            pair("e", ""),
        ];
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn what_is_no_value_is_named() {
        for text in [
            "word",
            "=x",
            "1a=x",
            "a b=x",
            "a<<END\nx",
            "a<<\nx",
            "a<b",
            "\u{e9}=1",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(read("ok=1\nbroken\n").is_err_and(|why| why.starts_with("line 2 ")));
    }
}
