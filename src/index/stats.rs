//! How often tasks and steps ran, how they ended, and how long they took, over many runs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Index, Status};
use crate::core::fact::{Outcome, RunEnd};
use crate::model::time::Timestamp;
use crate::record::summary::Work;
use crate::store::Error;

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
    /// They are not what was written.
    pub damaged: usize,
    /// They belong to somebody else, who lets nobody read them.
    pub denied: usize,
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
/// When the index can't be read.
pub fn of(index: &Index, since: Timestamp, steps: bool) -> Result<Stats, Error> {
    let mut stats = Stats::default();
    for (status, count) in index.counts(since)? {
        let counted = match status {
            Status::Ended(RunEnd::Completed) => &mut stats.completed,
            Status::Ended(RunEnd::Failed) => &mut stats.failed,
            Status::Ended(RunEnd::Cancelled) => &mut stats.cancelled,
            Status::Open => &mut stats.open,
            Status::Damaged => &mut stats.damaged,
            Status::Denied => &mut stats.denied,
            Status::Begun => continue,
        };
        *counted += count;
    }
    let mut rows: BTreeMap<(String, String), Numbers> = BTreeMap::new();
    index.work(since, steps, |work| count(work, &mut rows))?;
    stats.rows = rows.into_values().collect();
    for row in &mut stats.rows {
        row.times.sort_unstable();
    }
    stats.rows.sort_by_key(|row| std::cmp::Reverse(row.total()));
    Ok(stats)
}

fn count(work: Work, rows: &mut BTreeMap<(String, String), Numbers>) {
    let key = (work.task, work.step);
    let row = rows.entry(key).or_insert_with_key(|(task, step)| Numbers {
        task: task.clone(),
        step: step.clone(),
        ..Numbers::default()
    });
    let Some(micros) = work.micros else {
        let spared = matches!(work.outcome, Outcome::Skipped | Outcome::UpToDate);
        row.spared += usize::from(spared);
        return;
    };
    row.runs += 1;
    row.succeeded += usize::from(work.outcome == Outcome::Succeeded);
    row.times.push(Duration::from_micros(micros));
    row.retries += work.retries as usize;
}
