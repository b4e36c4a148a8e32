//! Whether a record is what was written: every line, the plan, the order of facts, the output, the end.
//!
//! The chain shows that no line was changed, removed from the midst, added or moved. That lines are missing at the end shows by the
//! head, which is kept apart from the record. Whoever can rewrite all of it can rewrite the heads too; against that helps a
//! copy of the last hash elsewhere, which `verify` prints.

use std::io::Read;

use super::Recorded;
use crate::core::fact::{Fact, Log};
use crate::core::state::RunStage;
use crate::model::id::RunId;
use crate::store::line::Chain;
use crate::store::signature::PublicKey;
use crate::store::{Error, Head, Kind, Store};

/// A record in which everything fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// How many facts there are.
    pub facts: u64,
    /// How many files with output.
    pub logs: usize,
    /// The hash of the last line, in hex.
    pub head: String,
    /// The run has ended.
    pub is_over: bool,
    /// Its end is signed.
    pub is_signed: bool,
}

/// Looks at a run; `heads` are those that were kept of it. The error names the first thing that does not fit.
///
/// With `key` all signatures must be by its owner; where `signed` one is demanded of a run that has ended.
pub fn run(
    store: &dyn Store,
    run: &RunId,
    heads: &[Head],
    key: Option<&PublicKey>,
    signed: bool,
) -> Result<Sound, Error> {
    let recorded = match Recorded::read_with(store, run, heads, |_| None) {
        // It was killed before it could write anything.
        Err(error) if error.kind == Kind::Missing && is_empty(store, run) && heads.is_empty() => {
            return Ok(Sound {
                facts: 0,
                logs: 0,
                head: Chain::new(run).to_string(),
                is_over: false,
                is_signed: false,
            });
        }
        read => read?,
    };
    let damaged = |what: String| Error::new(Kind::Damaged, format!("trust run {run}: {what}"));
    check_numbers(&recorded).map_err(damaged)?;
    let state = recorded.state();
    let is_over = matches!(state.stage(), RunStage::Finished(_));
    let is_signed = check_signatures(&recorded, heads, key).map_err(damaged)?;
    if signed && is_over && !is_signed {
        return Err(damaged("its end is not signed".to_owned()));
    }
    let mut logs = 0;
    for record in &recorded.records {
        if let Fact::AttemptFinished { exit, .. } = &record.fact
            && let Some(log) = exit.log.as_ref().filter(|log| !log.file.is_empty())
        {
            check_log(store, run, log)?;
            logs += 1;
        }
    }
    Ok(Sound {
        facts: state.seq(),
        logs,
        head: recorded.chain.to_string(),
        is_over,
        is_signed,
    })
}

/// What came of looking at a run, unless others have removed it in the meantime: then it is nothing, and nothing is wrong with it.
///
/// # Errors
///
/// What was wrong with one that is there.
pub fn unless_removed<T>(
    store: &dyn Store,
    run: &RunId,
    found: Result<T, Error>,
) -> Result<Option<T>, Error> {
    let Err(error) = found else {
        return found.map(Some);
    };
    // That it is removed is said first, then its record goes, and then its output.
    let is_gone = error.kind == Kind::Missing || store.stamp(run).is_none();
    if is_gone && store.removed()?.iter().any(|(one, _)| one == run) {
        return Ok(None);
    }
    Err(error)
}

fn is_empty(store: &dyn Store, run: &RunId) -> bool {
    store.read(run).is_ok_and(|lines| lines.is_empty())
}

/// Whether the facts have numbers without gaps and are this run's; that they follow the rules was seen when they were read.
fn check_numbers(recorded: &Recorded) -> Result<(), String> {
    let mut before = 0;
    for record in &recorded.records {
        let seq = record.seq;
        if seq != before + 1 {
            return Err(format!("fact {seq} follows fact {before}"));
        }
        before = seq;
        if let Fact::RunCreated { run, .. } = &record.fact
            && *run != recorded.run
        {
            return Err(format!("it is the record of run {run}"));
        }
    }
    Ok(())
}

/// Whether the last head is signed; the error is a signature that is none of the key's owner.
fn check_signatures(
    recorded: &Recorded,
    heads: &[Head],
    key: Option<&PublicKey>,
) -> Result<bool, String> {
    let signed = heads.iter().filter(|head| head.signature.is_some());
    if let Some(key) = key
        && let Some(head) = signed.clone().find(|head| !key.has_signed(head))
    {
        return Err(format!(
            "the signature of its first {} facts is not by this key",
            head.seq
        ));
    }
    let all = recorded.records.len() as u64;
    Ok(signed.clone().any(|head| head.seq == all))
}

/// How much of a file is read at once, in bytes.
const PIECE_BYTES: usize = 1 << 20;

fn check_log(store: &dyn Store, run: &RunId, log: &Log) -> Result<(), Error> {
    let path = store.logs_of(run).map(|folder| folder.path_of(&log.file));
    let wrong = |what: &str| Error {
        path: path.clone(),
        ..Error::new(
            Kind::Damaged,
            format!("trust the output of run {run}, {what}"),
        )
    };
    // Names in a record are numbers; whatever else stands there was not written by flow.
    if log.file.contains('/') {
        return Err(wrong("which lies elsewhere"));
    }
    let Some(file) = store.log(run, &log.file, 0)? else {
        return Err(wrong("which is not there"));
    };
    // One that has become endless is not read to its end.
    let mut file = file.take(log.bytes.saturating_add(1));
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut size = 0;
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&piece[..count]);
                size += count as u64;
            }
            Err(_) => return Err(wrong("which was changed")),
        }
    }
    if size != log.bytes || hasher.finalize().to_hex().as_str() != log.hash {
        return Err(wrong("which was changed"));
    }
    Ok(())
}
