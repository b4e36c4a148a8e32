//! The list of what happens to runs, one file for all of them: a line when a run begins (`RUN begun`), when flow ends its work on one
//! (`RUN FACTS HASH`, with the signature where there is a key), and when one is removed (`RUN removed TIME`) or brought back
//! (`RUN restored`).
//!
//! It only grows. Whoever has read it goes on from a cursor, which is a position and the line that stands before it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

use super::{Changes, Error, Head, whole_lines};
use crate::disk::layout::HEADS;
use crate::disk::{self, Folder, How};
use crate::model::id::RunId;
use crate::model::time::Timestamp;

/// The list.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    folder: Folder,
}

/// The list is not larger than this, in bytes: some ten million lines.
const BYTES_MAX: u64 = 1 << 30;
/// What stands behind the id of a run that begins.
const BEGUN: &str = " begun";
/// What stands behind the id of a run that was removed.
const REMOVED: &str = "removed";
/// What stands behind the id of one that was brought back.
const RESTORED: &str = " restored";

impl Heads {
    /// The list in this folder.
    pub(super) fn of(folder: Folder) -> Self {
        Self { folder }
    }

    /// A run begins; `false` when there is no such folder yet.
    pub(super) fn begun(&self, run: &RunId) -> Result<bool, Error> {
        match self.add(&format!("{run}{BEGUN}\n")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            added => added
                .map(|()| true)
                .map_err(|error| self.trouble("write", error)),
        }
    }

    /// A run is removed.
    pub(super) fn remove(&self, run: &RunId, at: Timestamp) -> Result<(), Error> {
        let added = self.add(&format!("{run} {REMOVED} {at}\n"));
        added.map_err(|error| self.trouble("write", error))
    }

    /// A run that was removed is back.
    pub(super) fn restore(&self, run: &RunId) -> Result<(), Error> {
        let added = self.add(&format!("{run}{RESTORED}\n"));
        added.map_err(|error| self.trouble("write", error))
    }

    /// The runs that were removed, and when.
    pub(super) fn removed(&self) -> Result<Vec<(RunId, Option<Timestamp>)>, Error> {
        let text = self.text()?;
        let gone = gone(&text);
        let run = |(run, at): (&str, Option<&str>)| {
            let at = at.and_then(|at| at.parse().ok());
            Some((RunId::parse(run)?, at))
        };
        let removed = text.lines().filter_map(removed);
        let removed = removed.filter(|(run, _)| gone.contains(run));
        Ok(removed.filter_map(run).collect())
    }

    /// The ends of the record of one run.
    pub(super) fn of_run(&self, run: &RunId) -> Result<Vec<Head>, Error> {
        let text = self.text()?;
        let own = text.lines().filter(|line| {
            let rest = line.strip_prefix(run.as_str());
            rest.is_some_and(|rest| rest.starts_with(' '))
        });
        let own: Vec<&str> = own.collect();
        if gone(&own.join("\n")).contains(run.as_str()) {
            return Ok(Vec::new());
        }
        Ok(own.into_iter().filter_map(head).collect())
    }

    /// The end of a record.
    pub(super) fn ended(&self, head: &Head) -> Result<(), Error> {
        let signature = head.signature.as_ref();
        let signature = signature.map_or(String::new(), |signature| format!(" {signature}"));
        let line = format!("{} {} {}{signature}\n", head.run, head.seq, head.hash);
        self.add(&line)
            .map_err(|error| self.trouble("write", error))
    }

    /// The ends of the records of all runs that were not removed.
    pub(super) fn all(&self) -> Result<Vec<Head>, Error> {
        let text = self.text()?;
        let gone = gone(&text);
        let heads = text.lines().filter_map(head);
        Ok(heads
            .filter(|head| !gone.contains(head.run.as_str()))
            .collect())
    }

    /// What has happened since a cursor; where that can't be told, all runs there are.
    pub(super) fn changes(
        &self,
        cursor: Option<&str>,
        all: impl FnOnce() -> Result<Vec<RunId>, Error>,
    ) -> Result<Changes, Error> {
        let mut file = match self.opened() {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Changes {
                    runs: all()?,
                    all: true,
                    cursor: String::new(),
                });
            }
            Err(error) => return Err(self.trouble("read", error)),
        };
        let trouble = |error| self.trouble("read", error);
        if let Some(cursor) = cursor
            && let Some(changes) = changes_since(&mut file, cursor).map_err(trouble)?
        {
            return Ok(changes);
        }
        // Its end is taken before the list: what begins in between is looked at once more.
        let cursor = end_of(&mut file).map_err(trouble)?;
        Ok(Changes {
            runs: all()?,
            all: true,
            cursor,
        })
    }

    fn text(&self) -> Result<String, Error> {
        let whole = |file: File| disk::whole(&file, BYTES_MAX);
        match self.opened().and_then(whole) {
            Ok(text) => Ok(String::from_utf8(text)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(self.trouble("read", error)),
        }
    }

    /// The list, to be read, unless it is larger than it can be.
    fn opened(&self) -> std::io::Result<File> {
        let file = self.folder.open(HEADS, How::Read)?;
        disk::check_size(&file, BYTES_MAX)?;
        Ok(file)
    }

    /// Adds a line, short enough for others who write at the same time to stand before or behind it.
    fn add(&self, line: &str) -> std::io::Result<()> {
        let mut file = self.folder.open(HEADS, How::AppendOrMake)?;
        file.write_all(line.as_bytes())
    }

    fn trouble(&self, doing: &str, error: std::io::Error) -> Error {
        Error::io(doing, &self.folder.path_of(HEADS), error)
    }
}

/// What has changed since a cursor, which is a position in the list and the line before it; `None` when that line does not stand
/// there any more.
fn changes_since(file: &mut File, cursor: &str) -> std::io::Result<Option<Changes>> {
    let Some((offset, before)) = cursor.split_once(' ') else {
        return Ok(None);
    };
    let Ok(offset) = offset.parse::<u64>() else {
        return Ok(None);
    };
    let Some(start) = offset.checked_sub(before.len() as u64 + 1) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    bytes.truncate(whole_lines(&bytes));
    let text = String::from_utf8_lossy(&bytes);
    let Some(more) = text
        .strip_prefix(before)
        .and_then(|rest| rest.strip_prefix('\n'))
    else {
        return Ok(None);
    };
    let runs = more
        .lines()
        .filter_map(|line| RunId::parse(line.split(' ').next()?));
    let last = more.lines().next_back().unwrap_or(before);
    Ok(Some(Changes {
        runs: runs.collect(),
        all: false,
        cursor: format!("{} {last}", start + bytes.len() as u64),
    }))
}

/// The cursor of the end of the list; none as long as it has no line.
fn end_of(file: &mut File) -> std::io::Result<String> {
    let size = file.seek(SeekFrom::End(0))?;
    // Longer than any two lines.
    let from = size.saturating_sub(1024);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(size - from).read_to_end(&mut bytes)?;
    bytes.truncate(whole_lines(&bytes));
    let text = String::from_utf8_lossy(&bytes);
    let cursor = |last| format!("{} {last}", from + bytes.len() as u64);
    Ok(text.lines().next_back().map(cursor).unwrap_or_default())
}

/// The runs that were removed and not brought back since.
fn gone(text: &str) -> HashSet<&str> {
    let mut gone = HashSet::new();
    for line in text.lines() {
        if let Some((run, _)) = removed(line) {
            gone.insert(run);
        } else if let Some(run) = line.strip_suffix(RESTORED) {
            gone.remove(run);
        }
    }
    gone
}

/// The run that a line says was removed, and when; older versions did not write that down.
fn removed(line: &str) -> Option<(&str, Option<&str>)> {
    let (run, rest) = line.split_once(' ')?;
    let at = rest.strip_prefix(REMOVED)?;
    (at.is_empty() || at.starts_with(' ')).then(|| (run, at.strip_prefix(' ')))
}

/// A line of the file with heads; one that a crash has left unfinished is none.
fn head(line: &str) -> Option<Head> {
    let mut words = line.split(' ');
    let head = Head {
        run: RunId::parse(words.next()?)?,
        seq: words.next()?.parse().ok()?,
        hash: words.next()?.to_owned(),
        signature: words.next().map(str::to_owned),
    };
    (head.hash.len() == 64 && words.next().is_none()).then_some(head)
}
