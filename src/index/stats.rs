//! How often runs, tasks and steps ran, how they ended, and how long they took, over many runs.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use rusqlite::params;

use super::{Index, Status, rows};
use crate::core::fact::{Given, Outcome, RunEnd};
use crate::model::time::Timestamp;
use crate::record::summary::Work;
use crate::store::Error;

/// A step is looked at as a bottleneck when it ran so often.
const BOTTLENECK_RUNS_MIN: usize = 5;

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
    /// By what was asked for, of runs that have ended as wholes; those that took most time in all first.
    pub asked: Vec<Asked>,
    /// By task, or by task and step; those that took most time in all first.
    pub rows: Vec<Numbers>,
    /// The steps that hold people up, those that do it most often first.
    pub bottlenecks: Vec<Bottleneck>,
}

/// What is to be counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct By {
    /// Steps, too.
    pub steps: bool,
    /// What was given, so that each set of values has rows of its own.
    pub vars: bool,
}

/// The numbers of the runs that were asked for the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The tasks, in the order asked for.
    pub tasks: Vec<String>,
    /// What was given beside them, where that is told apart.
    pub given: Given,
    /// How the runs ended, and how long they took from their beginning to their end.
    pub counts: Counts,
}

/// The numbers of a task, or of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// The task.
    pub task: String,
    /// The step of it; empty for the task itself.
    pub step: String,
    /// What was given to its runs, where that is told apart.
    pub given: Given,
    /// How often it worked and came to an end, how that was, and how long it took.
    pub counts: Counts,
    /// How often there was nothing to do: skipped, up to date.
    pub spared: usize,
    /// How many tries there were beyond the first ones.
    pub retries: usize,
}

/// How often something ran, how often well, and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often it ran and came to an end.
    pub runs: usize,
    /// How often that was a good one.
    pub completed: usize,
    /// How long each took, the shortest first.
    pub times: Vec<Duration>,
}

/// A step of five runs or more of which a tenth failed, or a fifth was tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bottleneck {
    /// The task.
    pub task: String,
    /// The step of it; empty where it is the task as a whole that fails or is tried again.
    pub step: String,
    /// How often it ran.
    pub runs: usize,
    /// How often it failed.
    pub failed: usize,
    /// How often it was tried more than once.
    pub retried: usize,
}

impl Counts {
    fn add(&mut self, micros: u64, good: bool) {
        self.runs += 1;
        self.completed += usize::from(good);
        self.times.push(Duration::from_micros(micros));
    }

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

impl Bottleneck {
    fn holds_up(&self) -> bool {
        self.runs >= BOTTLENECK_RUNS_MIN
            && (self.failed * 10 >= self.runs || self.retried * 5 >= self.runs)
    }
}

/// The numbers of all runs that began since then.
///
/// # Errors
///
/// When the index can't be read.
pub fn of(index: &Index, since: Timestamp, by: By) -> Result<Stats, Error> {
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
    stats.asked = asked(index, since, by)?;
    stats.rows = numbers(index, since, by)?;
    stats.bottlenecks = index.slow_steps(since)?;
    stats.bottlenecks.retain(Bottleneck::holds_up);
    // Of a task with steps it is the step, where it is one.
    let steps = stats.bottlenecks.iter().filter(|one| !one.step.is_empty());
    let by_step: HashSet<String> = steps.map(|one| one.task.clone()).collect();
    stats
        .bottlenecks
        .retain(|one| !one.step.is_empty() || !by_step.contains(&one.task));
    let trouble = |one: &Bottleneck| (one.failed + one.retried) * 1000 / one.runs;
    stats
        .bottlenecks
        .sort_by_key(|one| std::cmp::Reverse(trouble(one)));
    Ok(stats)
}

/// By what was asked for. The values are told by their text, in which each set has one form.
fn asked(index: &Index, since: Timestamp, by: By) -> Result<Vec<Asked>, Error> {
    let mut rows: BTreeMap<(String, String), Counts> = BTreeMap::new();
    index.ended(since, |end, asked, given, micros| {
        let key = (asked, if by.vars { given } else { String::new() });
        let good = end == Status::Ended(RunEnd::Completed);
        rows.entry(key).or_default().add(micros, good);
    })?;
    let row = |((tasks, given), mut counts): ((String, String), Counts)| {
        counts.times.sort_unstable();
        Asked {
            tasks: serde_json::from_str(&tasks).unwrap_or_default(),
            given: given_of(&given),
            counts,
        }
    };
    let mut rows: Vec<Asked> = rows.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.counts.total()));
    Ok(rows)
}

fn numbers(index: &Index, since: Timestamp, by: By) -> Result<Vec<Numbers>, Error> {
    let mut rows: BTreeMap<(String, String, String), Numbers> = BTreeMap::new();
    index.work(since, by.steps, |work, given| {
        let given = if by.vars { given } else { String::new() };
        count(work, given, &mut rows);
    })?;
    let row = |((.., given), mut row): ((String, String, String), Numbers)| {
        row.counts.times.sort_unstable();
        row.given = given_of(&given);
        row
    };
    let mut rows: Vec<Numbers> = rows.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.counts.total()));
    Ok(rows)
}

fn count(work: Work, given: String, rows: &mut BTreeMap<(String, String, String), Numbers>) {
    let key = (work.task, work.step, given);
    let row = rows
        .entry(key)
        .or_insert_with_key(|(task, step, _)| Numbers {
            task: task.clone(),
            step: step.clone(),
            ..Numbers::default()
        });
    let Some(micros) = work.micros else {
        let spared = matches!(work.outcome, Outcome::Skipped | Outcome::UpToDate);
        row.spared += usize::from(spared);
        return;
    };
    row.counts.add(micros, work.outcome == Outcome::Succeeded);
    row.retries += work.retries as usize;
}

fn given_of(text: &str) -> Given {
    serde_json::from_str(text).unwrap_or_default()
}

impl Index {
    /// What ran in the runs that began since then, or need not, with what they were given; steps too, when they are asked for.
    fn work(
        &self,
        since: Timestamp,
        steps: bool,
        mut each: impl FnMut(Work, String),
    ) -> Result<(), Error> {
        let mut read = || {
            let sql =
                "SELECT task, step, outcome, micros, retries, given FROM work JOIN runs ON id = run
                WHERE began >= ?1 AND (?2 OR step = '')";
            let mut all = self.database.prepare(sql)?;
            let mut rows = all.query(params![since.as_micros(), steps])?;
            while let Some(row) = rows.next()? {
                each(rows::work_of(row)?, row.get(5)?);
            }
            Ok(())
        };
        read().map_err(|error| self.trouble("read", error))
    }

    /// How many runs that began since then stand how.
    fn counts(&self, since: Timestamp) -> Result<Vec<(Status, usize)>, Error> {
        let read = || {
            let sql = "SELECT status, count(*) FROM runs WHERE began >= ?1 GROUP BY status";
            let mut counts = self.database.prepare(sql)?;
            let rows = counts.query_map([since.as_micros()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, usize>(1)?))
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let rows = read().map_err(|error| self.trouble("read", error))?;
        let status = |(word, count): (String, usize)| Some((word.parse().ok()?, count));
        Ok(rows.into_iter().filter_map(status).collect())
    }

    /// The runs that began since then and have ended: how, for what, given what, and how many microseconds they took.
    fn ended(
        &self,
        since: Timestamp,
        mut each: impl FnMut(Status, String, String, u64),
    ) -> Result<(), Error> {
        let ends = [RunEnd::Completed, RunEnd::Failed, RunEnd::Cancelled].map(Status::Ended);
        let [completed, failed, cancelled] = ends.map(Status::word);
        let mut read = || {
            let sql = "SELECT status, asked, given, max(last - began, 0) FROM runs
                WHERE began >= ?1 AND status IN (?2, ?3, ?4) AND last IS NOT NULL";
            let mut all = self.database.prepare(sql)?;
            let mut rows = all.query(params![since.as_micros(), completed, failed, cancelled])?;
            while let Some(row) = rows.next()? {
                let status: String = row.get(0)?;
                let status = status.parse().unwrap_or(Status::Damaged);
                each(status, row.get(1)?, row.get(2)?, row.get(3)?);
            }
            Ok(())
        };
        read().map_err(|error| self.trouble("read", error))
    }

    /// How often the commands of runs that began since then ran, failed and were tried again.
    fn slow_steps(&self, since: Timestamp) -> Result<Vec<Bottleneck>, Error> {
        let read = || {
            let sql = "SELECT task, step, count(*), sum(outcome IN ('failed', 'timed_out', 'lost')), sum(retries > 0)
                FROM work JOIN runs ON id = run WHERE began >= ?1 AND micros IS NOT NULL
                GROUP BY task, step HAVING count(*) >= ?2 ORDER BY task, step";
            let mut all = self.database.prepare(sql)?;
            let rows = all.query_map(params![since.as_micros(), BOTTLENECK_RUNS_MIN], |row| {
                Ok(Bottleneck {
                    task: row.get(0)?,
                    step: row.get(1)?,
                    runs: row.get(2)?,
                    failed: row.get(3)?,
                    retried: row.get(4)?,
                })
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error| self.trouble("read", error))
    }
}
