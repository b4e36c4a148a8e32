//! What a compiler names that it has read: the prerequisites of a rule in the syntax of make, as `gcc -MMD -MF FILE` writes it.
//!
//! The syntax is that of make(1) as far as compilers write it: a line goes on behind a backslash at its end, `\ ` and `\#` are a
//! space and a `#` of a name, `$$` is a `$`. Rules without prerequisites (`-MP`) say nothing.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::disk;

/// A larger one is none, in bytes.
const BYTES_MAX: u64 = 16 << 20;

/// The files that a depfile names, relative to `folder` where they are not absolute, each once; `None` when there is no such file.
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
pub(super) fn read(path: &Path, folder: &Path) -> Result<Option<Vec<PathBuf>>, String> {
    match disk::read_regular(path, BYTES_MAX) {
        Ok(text) => {
            let mut files = Vec::new();
            for name in prerequisites(&text)? {
                let file = crate::model::path::clean(&folder.join(OsString::from_vec(name)));
                if !files.contains(&file) {
                    files.push(file);
                }
            }
            Ok(Some(files))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The names behind the colons of all rules.
fn prerequisites(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut names = Vec::new();
    for (number, rule) in rules(text) {
        let words = words(&rule);
        let colon = words.iter().position(|word| word.ends_rule);
        let Some(colon) = colon else {
            if words.is_empty() {
                continue;
            }
            return Err(format!("line {number} is no rule of make: it has no colon"));
        };
        names.extend(words.into_iter().skip(colon + 1).map(|word| word.name));
    }
    names.retain(|name| !name.is_empty());
    Ok(names)
}

/// The lines with those that go on behind them, and the number of the first.
fn rules(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut rules: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
        let more = backslashes % 2 == 1;
        let own = if more { &line[..line.len() - 1] } else { line };
        match rules.last_mut().filter(|_| goes_on) {
            Some((_, rule)) => {
                rule.push(b' ');
                rule.extend_from_slice(own);
            }
            None => rules.push((number, own.to_vec())),
        }
        goes_on = more;
    }
    rules
}

struct Word {
    name: Vec<u8>,
    /// A colon that separates follows it.
    ends_rule: bool,
}

fn words(rule: &[u8]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut name: Vec<u8> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = rule.get(at) {
        let next = rule.get(at + 1).copied();
        match (byte, next) {
            (b'\\', Some(escaped @ (b' ' | b'#' | b'\t' | b':'))) => {
                name.push(escaped);
                at += 1;
            }
            (b'$', Some(b'$')) => {
                name.push(b'$');
                at += 1;
            }
            (b'#', _) if name.is_empty() => break,
            (b' ' | b'\t', _) if !name.is_empty() => words.push(Word {
                name: std::mem::take(&mut name),
                ends_rule: false,
            }),
            (b' ' | b'\t', _) => {}
            // One within a name, as that of a drive, is part of it.
            (b':', None | Some(b' ' | b'\t')) => match words.last_mut() {
                Some(last) if name.is_empty() => last.ends_rule = true,
                _ => words.push(Word {
                    name: std::mem::take(&mut name),
                    ends_rule: true,
                }),
            },
            _ => name.push(byte),
        }
        at += 1;
    }
    if !name.is_empty() {
        words.push(Word {
            name,
            ends_rule: false,
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_compilers_are_read() {
        for (text, names) in [
            ("a.o: a.c a.h\n", "a.c|a.h"),
            ("a.o: a.c \\\n  a.h \\\n b.h\n", "a.c|a.h|b.h"),
            ("a.o: a.c \\\r\n  a.h\r\n", "a.c|a.h"),
            ("a.o b.o : a.c\n\na.h:\n\nb.h:\n", "a.c"),
            (
                "a.o: with\\ space.h cost$$.h num\\#.h\n",
                "with space.h|cost$.h|num#.h",
            ),
            ("a.o:\n", ""),
            ("a.o: a\\b.c", "a\\b.c"),
            ("a.o: c:/x/y.h", "c:/x/y.h"),
            ("# written by hand\na.o: a.c", "a.c"),
            ("", ""),
            ("a.o: a.c\nb.o: b.c\n", "a.c|b.c"),
        ] {
            let found = prerequisites(text.as_bytes()).expect("it is a rule");
            let found: Vec<String> = found
                .into_iter()
                .map(|name| String::from_utf8(name).expect("ASCII"))
                .collect();
            assert_eq!(found.join("|"), names, "{text:?}");
        }
        assert!(prerequisites(b"no rule at all\n").is_err());
    }
}
