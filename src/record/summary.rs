//! A run in a few lines: what is shown of it in a list, searched for, and counted over many runs.

use super::{Recorded, given, spans};
use crate::core::RunState;
use crate::core::fact::{Fact, Given, Outcome, RunEnd};
use crate::core::state::RunStage;
use crate::model::id::{NodeId, RunId};
use crate::model::time::Timestamp;

/// A run in a few lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub run: RunId,
    /// How it has ended, if it has.
    pub end: Option<RunEnd>,
    /// When it was created.
    pub began: Timestamp,
    /// When it ended, or last did something.
    pub last: Timestamp,
    /// How many facts it has.
    pub seq: u64,
    /// The hash of the last one, in hex.
    pub hash: String,
    /// The tasks that were asked for.
    pub asked: Vec<String>,
    /// What was given beside them.
    pub given: Given,
    /// The hash of its plan.
    pub plan: String,
    /// What it can be found by: names, reasons, errors, notes.
    pub words: Vec<String>,
    /// What ran in it, or need not.
    pub work: Vec<Work>,
}

/// A task or a step of a run that came to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The task.
    pub task: String,
    /// The step of it; empty for the task itself.
    pub step: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, in microseconds; `None` for what did not run.
    pub micros: Option<u64>,
    /// How many tries there were beyond the first one.
    pub retries: u32,
}

impl Summary {
    /// The summary of a run; `state` is the one that its facts make.
    pub fn of(recorded: &Recorded, state: &RunState) -> Self {
        let last = recorded.records.last();
        let last = last.map_or(recorded.began_at(), |record| record.at);
        Self {
            run: recorded.run.clone(),
            end: match state.stage() {
                RunStage::Finished(end) => Some(end),
                _ => None,
            },
            began: recorded.began_at(),
            last: state.finished_at().unwrap_or(last),
            seq: state.seq(),
            hash: recorded.chain.to_string(),
            asked: recorded.asked().to_vec(),
            given: recorded.given().clone(),
            plan: recorded.plan_hash().to_owned(),
            words: words(recorded, state),
            work: work(recorded, state),
        }
    }
}

/// What a run can be found by. Secrets are hidden in facts already.
fn words(recorded: &Recorded, state: &RunState) -> Vec<String> {
    let mut words: Vec<String> = recorded.asked().to_vec();
    words.extend(given::words(recorded.given()));
    for record in &recorded.records {
        match &record.fact {
            Fact::CancelRequested { by, reason, .. } => {
                words.extend(by.iter().chain(reason).cloned());
            }
            Fact::NoteAdded { text, by, .. } => words.extend([text.clone(), by.clone()]),
            Fact::LockAcquired { names, .. } => words.extend(names.iter().cloned()),
            Fact::TaskFinished {
                node,
                outcome,
                reason,
            } if outcome.is_failure() => {
                words.push(state.address(*node).task.to_owned());
                words.extend(reason.clone());
            }
            Fact::AttemptFinished {
                node,
                outcome,
                exit,
                ..
            } if outcome.is_failure() => {
                words.push(state.address(*node).task.to_owned());
                words.extend(exit.error.clone());
                words.extend(exit.log.as_ref().map(|log| log.tail.clone()));
            }
            _ => {}
        }
    }
    // They are kept one behind another, with this between them.
    words
        .iter_mut()
        .for_each(|word| word.retain(|c| c != '\u{1f}'));
    words.retain(|word| !word.is_empty());
    words.sort_unstable();
    words.dedup();
    words
}

fn work(recorded: &Recorded, state: &RunState) -> Vec<Work> {
    let spans = spans::of(&recorded.records, state);
    let nodes = (0..state.node_count()).map(NodeId::at);
    let mut all = Vec::new();
    for id in nodes {
        let is_task = state.parent(id).is_none() && state.spec(id).task.is_some();
        let Some(outcome) = state.node(id).outcome() else {
            continue;
        };
        if !is_task && !state.spec(id).is_leaf() {
            continue;
        }
        let (address, span) = (state.address(id), spans.get(&id));
        // Of steps only those that ran are of interest.
        if !is_task && span.is_none() {
            continue;
        }
        // What was lost or interrupted was no failure of its own.
        let node = state.node(id);
        let tries = node.attempt.saturating_sub(node.uncounted);
        let micros = |span: &spans::Span| u64::try_from(span.length().as_micros());
        all.push(Work {
            task: address.task.to_owned(),
            step: address.step.clone(),
            outcome,
            micros: span.map(|span| micros(span).unwrap_or(u64::MAX)),
            retries: if span.is_some() {
                tries.saturating_sub(1)
            } else {
                0
            },
        });
    }
    all
}
