//! The lines of a record, trusted: each follows the one before it, none is missing that a head speaks of, and what stands behind
//! the last can be what a crash left of a write.
//!
//! Everybody who reads or takes a record comes through here, so there is one place that says what of a record may ever be cut.

use crate::core::fact::{Fact, Record, RunEnd};
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::store::line::{self, Chain};
use crate::store::{Error, Head, Journal, Kind, Store, whole_lines};

/// The whole lines of a record.
#[derive(Debug)]
pub struct Lines {
    /// As they are stored.
    pub text: String,
    /// What they say.
    pub records: Vec<Record>,
    /// The end of their chain.
    pub chain: Chain,
    /// Behind them stands a line that a crash has left unfinished.
    pub is_torn: bool,
}

/// The lines of a run.
///
/// # Errors
///
/// When there is no such run, and [`Kind::Damaged`] when they are not what was written.
pub fn read(store: &dyn Store, run: &RunId) -> Result<Lines, Error> {
    // Asked first: a head is kept after the lines that it speaks of.
    let heads = store.heads_of(run)?;
    read_with(store, run, &heads)
}

/// The same for who has the heads that were kept of it.
///
/// # Errors
///
/// As for [`read`].
pub fn read_with(store: &dyn Store, run: &RunId, heads: &[Head]) -> Result<Lines, Error> {
    let mut bytes = store.bytes(run)?;
    let damaged = |what: String| Error::new(Kind::Damaged, format!("trust run {run}: {what}"));
    let tail = bytes.split_off(whole_lines(&bytes));
    let not_text = |_| damaged("its record is no text".to_owned());
    let text = String::from_utf8(bytes).map_err(not_text)?;
    let mut chain = Chain::new(run);
    let records = chain.open(&text)?;
    let next = records.last().map_or(1, |record| record.seq + 1);
    if !tail.is_empty() && !chain.may_be_torn(&tail, next) {
        let count = records.len();
        let what = format!("what stands behind fact {count} was not written by flow");
        return Err(damaged(what));
    }
    let lines = Lines {
        text,
        records,
        chain,
        is_torn: !tail.is_empty(),
    };
    lines.go_on_from(heads).map_err(damaged)?;
    Ok(lines)
}

/// Takes a run whose owner is gone. Of its record only a line is cut that a crash has left unfinished; when anything else is
/// wrong with it, it stays as it is.
///
/// # Errors
///
/// As for [`read`], and [`Kind::Owned`] when it has an owner.
pub fn take(store: &dyn Store, run: &RunId) -> Result<(Box<dyn Journal>, Lines), Error> {
    if store.is_archived(run) {
        // It would be unpacked before it is ours.
        read(store, run)?;
    }
    let mut journal = store.open(run)?;
    let lines = read(store, run)?;
    if lines.is_torn {
        journal.cut(lines.text.len() as u64)?;
    }
    Ok((journal, lines))
}

/// The last fact of a run, read without those before it; `None` when there is none yet.
///
/// # Errors
///
/// When there is no such run, and [`Kind::Damaged`] when it ends in something else.
pub fn last(store: &dyn Store, run: &RunId) -> Result<Option<Record>, Error> {
    let damaged = || {
        let doing = format!("trust run {run}: it does not end in a fact");
        Error::new(Kind::Damaged, doing)
    };
    match store.edges(run)? {
        Some((_, last)) => line::parse(&last).map(Some).ok_or_else(damaged),
        None => Ok(read(store, run)?.records.pop()),
    }
}

/// How a run has ended, when this fact is its end.
pub(super) fn end_in(record: &Record) -> Option<(Timestamp, RunEnd)> {
    match record.fact {
        Fact::RunFinished { status } => Some((record.at, status)),
        _ => None,
    }
}

impl Lines {
    /// How the run has ended, and when; `None` as long as it has not.
    pub fn end(&self) -> Option<(Timestamp, RunEnd)> {
        self.records.iter().rev().find_map(end_in)
    }

    /// Whether they go on from each head that was kept of them.
    fn go_on_from(&self, heads: &[Head]) -> Result<(), String> {
        let mut hashes = Vec::new();
        if !heads.is_empty() {
            hashes.extend(self.text.lines().map(line::hash));
        }
        for head in heads {
            let place = usize::try_from(head.seq).unwrap_or(usize::MAX);
            match place.checked_sub(1).and_then(|place| hashes.get(place)) {
                Some(hash) if *hash == Some(head.hash.as_str()) => {}
                Some(_) => {
                    return Err(format!(
                        "fact {} differs from the one recorded when the run ended",
                        head.seq
                    ));
                }
                None => {
                    let facts = self.records.len();
                    return Err(format!("it had {} facts and has {facts}", head.seq));
                }
            }
        }
        Ok(())
    }
}
