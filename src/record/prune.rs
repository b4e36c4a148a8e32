//! Which records are kept: all that can still go on, the newest, and those in which something happened not long ago.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use super::{verify, whole};
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
    /// Runs whose records are not what was written: they stay.
    pub damaged: Vec<RunId>,
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
    if !dry {
        store.empty_trash(now, Duration::ZERO)?;
    }
    let removes = |run: &RunId| match dry {
        true => Ok(0),
        false => store.remove(run, now),
    };
    let pruned = without_old(store, policy, now, usize::MAX, removes)?;
    if !dry && !pruned.runs.is_empty() {
        keep_plans(store, wall)?;
    }
    Ok(pruned)
}

/// Removes what a policy does not keep, at most so many runs, in this way.
fn without_old(
    store: &dyn Store,
    policy: Policy,
    now: Timestamp,
    most: usize,
    removes: impl Fn(&RunId) -> Result<u64, Error>,
) -> Result<Pruned, Error> {
    let mut pruned = Pruned::default();
    let mut left = Vec::new();
    for (number, run) in store.runs()?.into_iter().enumerate() {
        // Nothing has happened in a run before it began, so most need not be looked at.
        let young = run
            .began()
            .is_some_and(|began| now.since(began) < policy.older_than);
        if number < policy.keep || young || pruned.runs.len() == most {
            left.push(run);
            continue;
        }
        let removed = match state_of(store, &run, policy, now)? {
            State::Old => of_others(removes(&run))?,
            State::Damaged => {
                pruned.damaged.push(run.clone());
                None
            }
            State::Kept => None,
            State::Gone => continue,
        };
        match removed {
            Some(bytes) => {
                pruned.bytes += bytes;
                pruned.runs.push(run);
            }
            None => left.push(run),
        }
    }
    pruned.left = left.len();
    Ok(pruned)
}

/// Removes the plans that no run names any more.
fn keep_plans(store: &dyn Store, wall: SystemTime) -> Result<(), Error> {
    let mut plans = HashSet::new();
    for run in &store.runs()? {
        match plan_of(store, run) {
            Ok(plan) => plans.extend(plan),
            // Which plan it has can't be known, so all are kept.
            Err(error) if error.kind == Kind::Damaged || error.is_denied() => return Ok(()),
            Err(error) if error.kind == Kind::Missing => {}
            Err(error) => return Err(error),
        }
    }
    store.keep_plans(&plans, wall)
}

/// What was packed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// The runs, the newest first.
    pub runs: Vec<RunId>,
    /// Runs whose records are not what was written: they stay.
    pub damaged: Vec<RunId>,
    /// How many bytes they had.
    pub before: u64,
    /// How many they have.
    pub after: u64,
}

/// Packs the runs that have ended and in which nothing has happened for so long. With `dry` it only says which these are.
///
/// # Errors
///
/// When a record can't be looked at or packed.
pub fn archive(
    store: &dyn Store,
    older_than: Duration,
    now: Timestamp,
    dry: bool,
) -> Result<Packed, Error> {
    let policy = Policy {
        older_than,
        keep: 0,
    };
    let mut packed = Packed::default();
    for run in store.runs()? {
        if store.is_archived(&run) {
            continue;
        }
        match state_of(store, &run, policy, now)? {
            State::Old if dry => packed.runs.push(run),
            State::Old => {
                // What is packed is what was written: the plain files are gone afterwards.
                let sound = verify::run(store, &run, &[], None, false);
                match verify::unless_removed(store, &run, sound) {
                    Ok(Some(_)) => {}
                    Ok(None) => continue,
                    Err(error) if error.kind == Kind::Damaged => {
                        packed.damaged.push(run);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                if let Some(sizes) = of_others(store.archive(&run))? {
                    let (before, after) = sizes.unwrap_or_default();
                    packed.before += before;
                    packed.after += after;
                    packed.runs.push(run);
                }
            }
            State::Damaged => packed.damaged.push(run),
            State::Kept | State::Gone => {}
        }
    }
    Ok(packed)
}

/// What came of it, unless somebody else has the run at the moment or has removed it.
fn of_others<T>(done: Result<T, Error>) -> Result<Option<T>, Error> {
    match done {
        Err(error) if matches!(error.kind, Kind::Owned | Kind::Missing) => Ok(None),
        done => done.map(Some),
    }
}

/// What a run is to somebody who tidies up.
enum State {
    /// It has ended long ago, and is what was written.
    Old,
    /// It can go on, or something happened in it not long ago.
    Kept,
    /// It is not what was written.
    Damaged,
    /// Somebody else has removed it.
    Gone,
}

/// Whether a run has ended long ago. One that can go on is kept for ever, and so is one that nobody can read.
fn state_of(
    store: &dyn Store,
    run: &RunId,
    policy: Policy,
    now: Timestamp,
) -> Result<State, Error> {
    let old = || {
        let last = whole::last(store, run)?;
        // A note is something that has happened.
        let old = last.is_some_and(|last| now.since(last.at) >= policy.older_than);
        if !old || store.is_owned(run)? {
            return Ok::<bool, Error>(false);
        }
        // What can't be brought back is looked at in whole before.
        Ok(whole::read(store, run)?.end().is_some())
    };
    match verify::unless_removed(store, run, old()) {
        Ok(Some(true)) => Ok(State::Old),
        Ok(Some(false)) => Ok(State::Kept),
        Ok(None) => Ok(State::Gone),
        Err(error) if error.kind == Kind::Damaged => Ok(State::Damaged),
        Err(error) if error.kind == Kind::Missing => Ok(State::Gone),
        // It belongs to somebody else, who can remove it.
        Err(error) if error.is_denied() => Ok(State::Kept),
        Err(error) => Err(error),
    }
}

/// The hash of the plan of a run, as far as it can be read.
fn plan_of(store: &dyn Store, run: &RunId) -> Result<Option<String>, Error> {
    let Some((first, _)) = store.edges(run)? else {
        // Nothing of it was recorded, or its first line is no line.
        return whole::read(store, run).map(|_| None);
    };
    match line::parse(&first).map(|first| first.fact) {
        Some(Fact::RunCreated { plan, .. }) => Ok(Some(plan)),
        _ => Err(Error::new(
            Kind::Damaged,
            format!("read the plan of run {run}"),
        )),
    }
}

/// The same by the default policy, once a day, at the end of a run that began at this time.
///
/// Nobody has asked for it, and the clock may be wrong. So the age of a run counts from the newest run before this one, and on by what this
/// one took; only so many runs go at a time; and they are set aside until the next time, when those are brought back for which
/// the clock was ahead.
///
/// # Errors
///
/// As for [`prune`].
pub fn if_due(
    store: &dyn Store,
    run: &RunId,
    began: Timestamp,
    now: Timestamp,
    wall: SystemTime,
) -> Result<(), Error> {
    if !store.is_pruning_due(wall, EVERY)? {
        return Ok(());
    }
    if store.empty_trash(now, EVERY)? {
        keep_plans(store, wall)?;
    }
    let before = store.runs()?.into_iter().find(|other| other != run);
    let before = before.map(|before| whole::last(store, &before)).transpose();
    // Without one there is nothing to remove; of one that can't be read nothing is known.
    let Ok(Some(Some(before))) = before else {
        return Ok(());
    };
    let by_record = before.at.plus(now.since(began));
    without_old(store, DEFAULT, now.min(by_record), RUNS_MAX, |run| {
        store.set_aside(run, now)
    })?;
    Ok(())
}

/// No more runs are removed at a time without being asked for.
const RUNS_MAX: usize = 1000;
