//! The journal as the server keeps it: what could not be written yet, and what others have written.

use std::collections::VecDeque;

use crate::model::time::Timestamp;
use crate::trigger::fact::{Fact, Record, State};
use crate::trigger::journal::{Error, Journal, Reader, SHORT};

/// The journal, of which all is known that was written.
pub(super) struct Ledger {
    journal: Journal,
    reader: Reader,
    /// What we have written and not read back.
    own: VecDeque<Record>,
    /// What could not be written yet. As long as there is any nothing may be done about it.
    unwritten: Vec<Record>,
    /// How long it may become, in bytes.
    long: u64,
}

impl Ledger {
    /// What follows from all that was written; a new journal begins with random bits.
    pub(super) fn open(
        journal: Journal,
        now: Timestamp,
        seed: u64,
    ) -> Result<(Self, State), Error> {
        let mut reader = Reader::of(&journal);
        let mut records = reader.more()?;
        if records.is_empty() {
            let state = State {
                seed,
                ..State::default()
            };
            let fact = Fact::State(Box::new(state));
            journal.add(&[Record { at: now, fact }])?;
            records = reader.more()?;
        }
        let ledger = Self {
            journal,
            reader,
            own: VecDeque::new(),
            unwritten: Vec::new(),
            long: SHORT,
        };
        Ok((ledger, State::fold(&records)))
    }

    /// Adds facts, which are written at the next [`Self::write`].
    pub(super) fn add(&mut self, facts: Vec<Record>) {
        self.unwritten.extend(facts);
    }

    /// Whether all is written.
    pub(super) fn is_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Writes what is not written; whether there was anything.
    pub(super) fn write(&mut self) -> Result<bool, Error> {
        if self.unwritten.is_empty() {
            return Ok(false);
        }
        self.journal.add(&self.unwritten)?;
        self.own.extend(self.unwritten.drain(..));
        Ok(true)
    }

    /// What others have written since it was last asked.
    pub(super) fn hear(&mut self) -> Result<Vec<Record>, Error> {
        let mut others = Vec::new();
        for record in self.reader.more()? {
            if self.own.front() == Some(&record) {
                self.own.pop_front();
            } else {
                others.push(record);
            }
        }
        Ok(others)
    }

    /// Makes it shorter when it has become long; whether it is another file now, whose first line is the state.
    pub(super) fn shorten(&mut self, now: Timestamp) -> Result<bool, Error> {
        if !self.is_written() {
            return Ok(false);
        }
        let Some(length) = self.journal.shorten(now, self.long)? else {
            return Ok(false);
        };
        self.long = SHORT.max(length * 2);
        self.own.clear();
        self.reader = Reader::of(&self.journal);
        Ok(true)
    }
}
