//! Which records are kept: all that can still go on, the newest, and those in which something happened not long ago.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::core::fact::Fact;
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::store::{Error, Kind, Store, line};

/// What is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Runs that have ended, in which nothing has happened for so long.
    pub older_than: Duration,
    /// The newest so many runs are kept, whatever their age.
    pub keep: usize,
}

/// What holds where nobody says otherwise: three months, and a hundred runs.
pub const DEFAULT: Policy = Policy {
    older_than: Duration::from_secs(90 * 24 * 60 * 60),
    keep: 100,
};

/// How often old runs are removed without being asked for.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The runs, the newest first.
    pub runs: Vec<RunId>,
    /// How many are left.
    pub left: usize,
    /// How much room that makes, in bytes.
    pub bytes: u64,
}

/// Removes what a policy does not keep, at this time (`wall` is the same as the system has it for files); with `dry` it only says what that would be.
///
/// # Errors
///
/// When a record can't be looked at or removed. What can't be read is never removed.
pub fn prune(
    store: &dyn Store,
    policy: Policy,
    now: Timestamp,
    wall: SystemTime,
    dry: bool,
) -> Result<Pruned, Error> {
    let mut pruned = Pruned::default();
    let mut left = Vec::new();
    for (number, run) in store.runs()?.into_iter().enumerate() {
        // Nothing has happened in a run before it began, so most need not be looked at.
        let young = run
            .began()
            .is_some_and(|began| now.since(began) < policy.older_than);
        if number >= policy.keep && !young && is_old(store, &run, policy, now)? {
            pruned.bytes += if dry { 0 } else { store.remove(&run)? };
            pruned.runs.push(run);
        } else {
            left.push(run);
        }
    }
    pruned.left = left.len();
    if !dry && !pruned.runs.is_empty() {
        let mut plans = HashSet::new();
        for run in &left {
            match plan_of(store, run) {
                Ok(plan) => plans.extend(plan),
                // Which plan it has can't be known, so all are kept.
                Err(error) if error.kind == Kind::Damaged => return Ok(pruned),
                Err(error) => return Err(error),
            }
        }
        store.keep_plans(&plans, wall)?;
    }
    Ok(pruned)
}

/// Packs the runs that have ended and in which nothing has happened for so long; these, and how many bytes they had and have.
/// With `dry` it only says which these are.
///
/// # Errors
///
/// When a record can't be looked at or packed.
pub fn archive(
    store: &dyn Store,
    older_than: Duration,
    now: Timestamp,
    dry: bool,
) -> Result<(Vec<RunId>, u64, u64), Error> {
    let policy = Policy {
        older_than,
        keep: 0,
    };
    let (mut runs, mut before, mut after) = (Vec::new(), 0, 0);
    for run in store.runs()? {
        if store.is_archived(&run) || !is_old(store, &run, policy, now)? {
            continue;
        }
        if !dry && let Some((had, has)) = store.archive(&run)? {
            (before, after) = (before + had, after + has);
        }
        runs.push(run);
    }
    Ok((runs, before, after))
}

/// Whether a run has ended long ago. One that can go on is kept for ever, and so is one that nobody can read.
fn is_old(store: &dyn Store, run: &RunId, policy: Policy, now: Timestamp) -> Result<bool, Error> {
    let edges = match store.edges(run) {
        Err(error) if error.kind == Kind::Damaged => return Ok(false),
        edges => edges?,
    };
    let last = edges.and_then(|(_, last)| line::parse(&last));
    // A note is something that has happened.
    let old = last.is_some_and(|last| now.since(last.at) >= policy.older_than);
    Ok(old && super::end(store, run)?.is_some() && !store.is_owned(run)?)
}

/// The hash of the plan of a run, as far as it can be read.
fn plan_of(store: &dyn Store, run: &RunId) -> Result<Option<String>, Error> {
    let first = store.edges(run)?.and_then(|(first, _)| line::parse(&first));
    Ok(first.and_then(|first| match first.fact {
        Fact::RunCreated { plan, .. } => Some(plan),
        _ => None,
    }))
}

/// The same by the default policy, once a day.
///
/// # Errors
///
/// As for [`prune`].
pub fn if_due(store: &dyn Store, now: Timestamp, wall: SystemTime) -> Result<(), Error> {
    if store.is_pruning_due(wall, EVERY)? {
        prune(store, DEFAULT, now, wall, false)?;
    }
    Ok(())
}
