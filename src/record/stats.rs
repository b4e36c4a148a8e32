//! How often tasks and steps ran, how they ended, and how long they took, over many runs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Recorded, spans};
use crate::core::RunState;
use crate::core::fact::{Outcome, RunEnd};
use crate::core::state::RunStage;
use crate::model::id::NodeId;
use crate::model::time::Timestamp;
use crate::store::{Error, Kind, Store};

/// What is known of the runs since a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// How many runs ended how.
    pub completed: usize,
    /// A task failed.
    pub failed: usize,
    /// Somebody cancelled them.
    pub cancelled: usize,
    /// They go on, or can go on.
    pub open: usize,
    /// They can't be read.
    pub damaged: usize,
    /// By task, or by task and step; those that took most time in all first.
    pub rows: Vec<Numbers>,
}

/// The numbers of a task, or of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// The task.
    pub task: String,
    /// The step of it; empty for the task itself.
    pub step: String,
    /// How often it worked and came to an end.
    pub runs: usize,
    /// How often that was a good one.
    pub succeeded: usize,
    /// How often there was nothing to do: skipped, up to date.
    pub spared: usize,
    /// How many tries there were beyond the first ones.
    pub retries: usize,
    /// How long each took, the shortest first.
    pub times: Vec<Duration>,
}

impl Numbers {
    /// All of the time.
    pub fn total(&self) -> Duration {
        self.times.iter().sum()
    }

    /// The mean; zero where nothing ran.
    pub fn mean(&self) -> Duration {
        let count = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        self.total().checked_div(count).unwrap_or_default()
    }

    /// The time that so many of a hundred took at most, by the nearest rank; zero where nothing ran.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.times.len() * percent).div_ceil(100).max(1);
        self.times.get(rank - 1).copied().unwrap_or_default()
    }
}

/// The numbers of all runs that began since then; of steps too, when they are asked for.
///
/// # Errors
///
/// When the store can't be read. A run that is damaged is counted as such.
pub fn of(store: &dyn Store, since: Timestamp, steps: bool) -> Result<Stats, Error> {
    let mut stats = Stats::default();
    let mut rows: BTreeMap<(String, String), Numbers> = BTreeMap::new();
    for run in store.runs()? {
        // They are in the order in which they began; an id knows that to the second.
        let began = run.began().map(|began| began.plus(Duration::from_secs(1)));
        if began.is_some_and(|began| began < since) {
            break;
        }
        let recorded = match Recorded::read(store, &run) {
            Ok(recorded) => recorded,
            // One that was killed before it wrote anything.
            Err(error) if error.kind == Kind::Missing => {
                stats.open += 1;
                continue;
            }
            Err(error) if error.kind == Kind::Damaged => {
                stats.damaged += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        if recorded.began_at() < since {
            continue;
        }
        let state = recorded.state();
        match state.stage() {
            RunStage::Finished(RunEnd::Completed) => stats.completed += 1,
            RunStage::Finished(RunEnd::Failed) => stats.failed += 1,
            RunStage::Finished(RunEnd::Cancelled) => stats.cancelled += 1,
            _ => stats.open += 1,
        }
        count(&recorded, &state, steps, &mut rows);
    }
    stats.rows = rows.into_values().collect();
    for row in &mut stats.rows {
        row.times.sort_unstable();
    }
    stats.rows.sort_by_key(|row| std::cmp::Reverse(row.total()));
    Ok(stats)
}

fn count(
    recorded: &Recorded,
    state: &RunState,
    steps: bool,
    rows: &mut BTreeMap<(String, String), Numbers>,
) {
    let spans = spans::of(&recorded.records, state);
    let nodes = (0..state.node_count()).map(|index| NodeId(u32::try_from(index).unwrap_or(0)));
    for id in nodes {
        let (is_task, is_step) = (state.parent(id).is_none(), state.spec(id).is_leaf());
        let Some(outcome) = state.node(id).outcome() else {
            continue;
        };
        if !(is_task && state.spec(id).task.is_some() || steps && is_step) {
            continue;
        }
        let address = state.address(id);
        let key = (address.task.to_owned(), address.step.clone());
        let row = rows.entry(key).or_insert_with_key(|(task, step)| Numbers {
            task: task.clone(),
            step: step.clone(),
            ..Numbers::default()
        });
        let Some(span) = spans.get(&id) else {
            row.spared += usize::from(matches!(outcome, Outcome::Skipped | Outcome::UpToDate));
            continue;
        };
        row.runs += 1;
        row.succeeded += usize::from(outcome == Outcome::Succeeded);
        row.times.push(span.length());
        // What was lost or interrupted was no failure of its own.
        let node = state.node(id);
        let tries = node.attempt.saturating_sub(node.uncounted);
        row.retries += tries.saturating_sub(1) as usize;
    }
}
