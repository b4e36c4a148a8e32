//! A recorded run, as anybody can read it: its facts, its plan, the state at any moment, what its commands printed.
//!
//! All of it follows from the store; nothing here is written. State is the one fold of `core`, so what is shown of a run that is
//! over, of one that goes on and of one as it was last Tuesday is the same function of more or fewer facts.

pub mod causes;
pub mod given;
pub mod items;
pub mod prune;
pub mod spans;
pub mod submit;
pub mod summary;
pub mod verify;
pub mod whole;

use std::sync::Arc;

use crate::core::RunState;
use crate::core::fact::{Fact, Given, Log, Record, RunEnd, Triggered};
use crate::model::id::{NodeId, RunId};
use crate::model::plan::Plan;
use crate::model::time::Timestamp;
use crate::store::line::Chain;
use crate::store::{Error, Head, Journal, Kind, Store};

/// A recorded run.
#[derive(Debug)]
pub struct Recorded {
    /// Its id.
    pub run: RunId,
    /// Its lines, as they are stored.
    pub lines: String,
    /// What they say.
    pub records: Vec<Record>,
    /// The end of the chain of lines.
    pub chain: Chain,
    /// The plan that it follows.
    pub plan: Arc<Plan>,
    state: RunState,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After this fact, by its number.
    Fact(u64),
    /// At this time.
    Time(Timestamp),
}

/// What a try of a command printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The command.
    pub node: NodeId,
    /// Which try.
    pub attempt: u32,
    /// Where it is; `None` for a try that has not ended, whose output has no fact yet.
    pub log: Option<Log>,
}

impl Recorded {
    /// Reads a run.
    ///
    /// # Errors
    ///
    /// When there is none, when nothing of it was recorded ([`Kind::Missing`]), and when a line or the plan is not as it was
    /// written ([`Kind::Damaged`]).
    pub fn read(store: &dyn Store, run: &RunId) -> Result<Self, Error> {
        let heads = store.heads_of(run)?;
        Self::read_with(store, run, &heads, |_| None)
    }

    /// The same for who reads many: with the heads of this one; `known` has plans by their hashes.
    ///
    /// # Errors
    ///
    /// As for [`Self::read`].
    pub fn read_with(
        store: &dyn Store,
        run: &RunId,
        heads: &[Head],
        known: impl FnOnce(&str) -> Option<Arc<Plan>>,
    ) -> Result<Self, Error> {
        let lines = whole::read_with(store, run, heads)?;
        Self::of(store, run, lines, known)
    }

    /// The run that has these lines.
    ///
    /// # Errors
    ///
    /// As for [`Self::read`].
    pub fn of(
        store: &dyn Store,
        run: &RunId,
        lines: whole::Lines,
        known: impl FnOnce(&str) -> Option<Arc<Plan>>,
    ) -> Result<Self, Error> {
        let whole::Lines {
            text: lines,
            records,
            chain,
            ..
        } = lines;
        let hash = match records.first().map(|record| &record.fact) {
            Some(Fact::RunCreated { plan, .. }) => plan,
            Some(_) => {
                let doing = format!("read run {run}: its first fact does not create it");
                return Err(Error::new(Kind::Damaged, doing));
            }
            None => {
                let doing = format!("find out what run {run} was to do");
                return Err(Error::new(Kind::Missing, doing));
            }
        };
        let plan = match known(hash) {
            Some(plan) => plan,
            None => Arc::new(pinned(store, hash)?),
        };
        let state = RunState::try_fold(Arc::clone(&plan), &records).map_err(|(seq, rule)| {
            let doing = format!("trust run {run}: fact {seq}: {rule}");
            Error::new(Kind::Damaged, doing)
        })?;
        Ok(Self {
            run: run.clone(),
            plan,
            lines,
            records,
            chain,
            state,
        })
    }

    /// The state after all facts.
    pub fn state(&self) -> RunState {
        self.state.clone()
    }

    /// The facts up to a moment.
    pub fn until(&self, moment: Moment) -> &[Record] {
        let before = |record: &Record| match moment {
            Moment::Fact(seq) => record.seq <= seq,
            Moment::Time(at) => record.at <= at,
        };
        &self.records[..self.records.partition_point(before)]
    }

    /// The state at a moment.
    pub fn state_at(&self, moment: Moment) -> RunState {
        RunState::fold(Arc::clone(&self.plan), self.until(moment))
    }

    /// When it was created.
    pub fn began_at(&self) -> Timestamp {
        self.records[0].at
    }

    /// The hash of its plan.
    pub fn plan_hash(&self) -> &str {
        match &self.records[0].fact {
            Fact::RunCreated { plan, .. } => plan,
            _ => "",
        }
    }

    /// The trigger that started it.
    pub fn trigger(&self) -> Option<&Triggered> {
        match &self.records[0].fact {
            Fact::RunCreated { trigger, .. } => trigger.as_ref(),
            _ => None,
        }
    }

    /// The tasks that were asked for.
    pub fn asked(&self) -> &[String] {
        match &self.records[0].fact {
            Fact::RunCreated { asked, .. } => asked,
            _ => &[],
        }
    }

    /// What was given beside the names of tasks.
    pub fn given(&self) -> &Given {
        static NOTHING: Given = Given::new();
        match &self.records[0].fact {
            Fact::RunCreated { given, .. } => given,
            _ => &NOTHING,
        }
    }

    /// The run that it tries once more.
    pub fn retry_of(&self) -> Option<&RunId> {
        match &self.records[0].fact {
            Fact::RunCreated { retry_of, .. } => retry_of.as_ref(),
            _ => None,
        }
    }

    /// The tries of commands, in the order in which they began.
    pub fn printed(&self) -> Vec<Printed> {
        let mut all: Vec<Printed> = Vec::new();
        for record in &self.records {
            match &record.fact {
                Fact::AttemptStarted { node, attempt } => all.push(Printed {
                    node: *node,
                    attempt: *attempt,
                    log: None,
                }),
                Fact::AttemptFinished {
                    node,
                    attempt,
                    exit,
                    ..
                } => {
                    let same = |one: &&mut Printed| (one.node, one.attempt) == (*node, *attempt);
                    if let Some(one) = all.iter_mut().rev().find(same) {
                        one.log.clone_from(&exit.log);
                    }
                }
                _ => {}
            }
        }
        all
    }
}

/// How a run has ended, and when; `None` as long as it has not. Mostly nothing but its last line is read for it.
///
/// # Errors
///
/// When there is no such run, and when it can't be read.
pub fn end(store: &dyn Store, run: &RunId) -> Result<Option<(Timestamp, RunEnd)>, Error> {
    let last = whole::last(store, run)?;
    match last {
        // What comes after the end are notes.
        Some(last) if matches!(last.fact, Fact::NoteAdded { .. }) => {
            Ok(whole::read(store, run)?.end())
        }
        last => Ok(last.as_ref().and_then(whole::end_in)),
    }
}

/// Adds facts to a record that nobody else works on, by this person, and keeps its end apart; `state` is the one that they make, for
/// those that are about nodes.
///
/// # Errors
///
/// When they can't be written.
pub fn add(
    journal: &mut dyn Journal,
    run: &RunId,
    chain: &mut Chain,
    records: &[Record],
    by: &str,
    state: Option<&RunState>,
) -> Result<(), Error> {
    let mut lines = String::new();
    for record in records {
        let node = record.fact.node().zip(state);
        let address = node.map(|(node, state)| state.address(node));
        chain.seal(record, by, address.as_ref(), &mut lines);
    }
    journal.append(&lines)?;
    journal.sync()?;
    let seq = records.last().map_or(0, |record| record.seq);
    journal.keep_head(&chain.head(run, seq))
}

/// The plan with this hash.
fn pinned(store: &dyn Store, hash: &str) -> Result<Plan, Error> {
    let text = store.plan(hash)?;
    let damaged = |what: &str| Error::new(Kind::Damaged, format!("trust plan {hash}: {what}"));
    if blake3::hash(&text).to_hex().as_str() != hash {
        return Err(damaged("it was changed"));
    }
    let plan: Plan = serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
    plan.check().map_err(|what| damaged(&what))?;
    Ok(plan)
}
