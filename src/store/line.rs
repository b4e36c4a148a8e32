//! A line of a facts file: one fact as JSON, chained to the line before it.
//!
//! ```json
//! {"seq":3,"at":"2026-11-21T02:00:00.000042Z","actor":"flow","kind":"attempt_started","node":1,"attempt":1,
//!  "task":"build","step":"1","hash":"…"}
//! ```
//!
//! (on one line). `node` is the number in the run's plan; `task` and `step` say the same in words, for readers without the plan. `hash` is
//! BLAKE3 over the hash before it and the bytes of the line up to `,"hash"`; before the first line stands the hash of the
//! run's id. So a line that was changed, removed, added or moved is noticed, by whoever knows the last hash.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Error, Kind};
use crate::core::fact::{Fact, Record};
use crate::core::state::Address;
use crate::model::id::RunId;
use crate::model::time::Timestamp;

const DOMAIN: &str = "flow facts 1 ";
const HASH_KEY: &str = ",\"hash\":\"";

/// The end of a chain of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain(blake3::Hash);

impl Chain {
    /// The chain of a run that has no facts yet.
    pub fn new(run: &RunId) -> Self {
        Self(blake3::hash(format!("{DOMAIN}{run}").as_bytes()))
    }

    /// Adds the line of a fact, with its end, to `lines`.
    pub fn seal(
        &mut self,
        record: &Record,
        actor: &str,
        address: Option<&Address<'_>>,
        lines: &mut String,
    ) {
        let start = lines.len();
        let fact =
            serde_json::to_string(&record.fact).expect("a fact has only text, numbers and lists");
        let inner = &fact[1..fact.len() - 1];
        lines.push_str(&format!(
            "{{\"seq\":{},\"at\":\"{}\",\"actor\":",
            record.seq, record.at
        ));
        push_text(lines, actor);
        lines.push(',');
        lines.push_str(inner);
        if let Some(address) = address {
            lines.push_str(",\"task\":");
            push_text(lines, &format!("{}{}", address.task, address.items));
            if !address.step.is_empty() {
                lines.push_str(",\"step\":");
                push_text(lines, &address.step);
            }
        }
        self.extend(&lines.as_bytes()[start..]);
        lines.push_str(HASH_KEY);
        lines.push_str(&self.0.to_hex());
        lines.push_str("\"}\n");
    }

    /// The head of the chain after so many facts.
    pub fn head(&self, run: &RunId, seq: u64) -> super::Head {
        super::Head {
            run: run.clone(),
            seq,
            hash: self.to_string(),
            signature: None,
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(bytes);
        self.0 = hasher.finalize();
    }

    /// Reads lines that follow this chain, to their end. The error names the line, counted from 1, that does not fit.
    pub fn open(&mut self, lines: &str) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for (index, line) in lines.split_terminator('\n').enumerate() {
            let record = self.read(line).map_err(|what| {
                Error::new(
                    Kind::Damaged,
                    format!("trust line {} of the record: {what}", index + 1),
                )
            })?;
            records.push(record);
        }
        Ok(records)
    }

    /// Whether these bytes, which have no line's end, can be what is left of a write of the line that comes next.
    ///
    /// A line is written by one call, so what a crash or a full disk leaves of it is how it begins. All else was put there by
    /// somebody, or by a disk that fails.
    pub fn may_be_torn(&self, tail: &[u8], seq: u64) -> bool {
        let start = format!("{{\"seq\":{seq},\"at\":\"");
        let common = start.len().min(tail.len());
        if tail[..common] != start.as_bytes()[..common] {
            return false;
        }
        match (
            std::str::from_utf8(tail),
            serde_json::from_slice::<IgnoredAny>(tail),
        ) {
            // The last character may be torn, too.
            (Err(error), _) if error.error_len().is_some() => false,
            (_, Err(error)) => error.is_eof(),
            // Nothing but the line's end is missing.
            (Ok(line), Ok(_)) => self.clone().read(line).is_ok(),
            (Err(_), Ok(_)) => false,
        }
    }

    fn read(&mut self, line: &str) -> Result<Record, String> {
        let parsed: Parsed =
            serde_json::from_str(line).map_err(|error| format!("it is no fact: {error}"))?;
        let end = line.rfind(HASH_KEY).ok_or("it has no hash")?;
        self.extend(&line.as_bytes()[..end]);
        // To the letter: whatever else stands behind the hash is not covered by it.
        if line[end..] != format!("{HASH_KEY}{}\"}}", self.0.to_hex()) {
            return Err("it was changed, or one before it was".to_owned());
        }
        Ok(Record {
            seq: parsed.seq,
            at: parsed.at,
            fact: parsed.fact,
        })
    }
}

/// The last hash, in hex.
impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

/// The hash in a line, in hex, without looking whether it is right.
pub fn hash(line: &str) -> Option<&str> {
    let hash = &line[line.rfind(HASH_KEY)? + HASH_KEY.len()..];
    hash.strip_suffix("\"}")
}

fn push_text(lines: &mut String, text: &str) {
    let plain = text
        .bytes()
        .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\');
    if plain {
        lines.push('"');
        lines.push_str(text);
        lines.push('"');
    } else {
        lines.push_str(&serde_json::to_string(text).expect("text becomes JSON"));
    }
}

#[derive(Deserialize)]
struct Parsed {
    seq: u64,
    at: Timestamp,
    #[serde(flatten)]
    fact: Fact,
}

/// Reads one line for what it says, without looking at its chain.
pub fn parse(line: &str) -> Option<Record> {
    let parsed: Parsed = serde_json::from_str(line).ok()?;
    Some(Record {
        seq: parsed.seq,
        at: parsed.at,
        fact: parsed.fact,
    })
}
