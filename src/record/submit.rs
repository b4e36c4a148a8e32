//! The door that every run comes in by: its plan is kept, it gets an id, and the right to write its record.
//!
//! Whoever submits says either that any id will do, as `flow run` does, or which one it has to be. Of several who submit with the
//! same id, at whatever moments and in whatever processes, one begins a run: the record is a file that is created once.

use super::whole;
use crate::core::fact::{Fact, Triggered};
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::store::{Error, Journal, Kind, Store, line};

/// What became of a submission with an id of its own.
pub enum Submitted {
    /// It is a run, and nobody else writes its record.
    New(Box<dyn Journal>),
    /// It was one already.
    Begun,
    /// The id is that of another run.
    OfAnother,
}

/// The plan that a run is to follow.
#[derive(Clone, Copy, Debug)]
pub struct Pinned<'p> {
    /// Its hash, by which it is found.
    pub hash: &'p str,
    /// Its text.
    pub text: &'p [u8],
    /// It has to be on the disk before the run begins, as the facts of the run have to.
    pub durable: bool,
}

/// A new run that may have any id.
///
/// # Errors
///
/// When it can't be recorded.
pub fn new(
    store: &dyn Store,
    plan: Pinned<'_>,
    now: Timestamp,
) -> Result<(RunId, Box<dyn Journal>), Error> {
    keep(store, plan)?;
    let mut run = RunId::new(now);
    loop {
        match store.create(&run) {
            Ok(journal) => return Ok((run, created(store, plan, journal)?)),
            Err(error) if error.kind == Kind::Exists => run = run.next(),
            Err(error) => return Err(error),
        }
    }
}

/// The run with this id, which is begun once; `is_it` tells by what a run says of its trigger whether it is that one.
///
/// # Errors
///
/// When it can't be recorded, or when what is there can't be read.
pub fn once(
    store: &dyn Store,
    plan: Pinned<'_>,
    run: &RunId,
    is_it: impl Fn(&Triggered) -> bool,
) -> Result<Submitted, Error> {
    keep(store, plan)?;
    match store.create(run) {
        Ok(journal) => return Ok(Submitted::New(created(store, plan, journal)?)),
        Err(error) if error.kind == Kind::Exists => {}
        // Between creating it and owning it somebody else has taken it, who begins it.
        Err(error) if error.kind == Kind::Owned => return Ok(Submitted::Begun),
        Err(error) => return Err(error),
    }
    match triggered(store, run)? {
        First::Trigger(trigger) if is_it(&trigger) => Ok(Submitted::Begun),
        First::Trigger(_) | First::Other => Ok(Submitted::OfAnother),
        // Whoever created it died, or is just about to write its first fact.
        First::Nothing => match whole::take(store, run) {
            Ok((journal, lines)) if lines.records.is_empty() => {
                Ok(Submitted::New(created(store, plan, journal)?))
            }
            Ok(_) => once(store, plan, run, is_it),
            Err(error) if error.kind == Kind::Owned => Ok(Submitted::Begun),
            Err(error) => Err(error),
        },
    }
}

/// What the first fact of a record says.
#[derive(Debug)]
pub enum First {
    /// This trigger started the run.
    Trigger(Box<Triggered>),
    /// No trigger did.
    Other,
    /// There is none.
    Nothing,
}

/// Which trigger started a run, by its first fact.
///
/// # Errors
///
/// When there is no such run, and when its record can't be read.
pub fn triggered(store: &dyn Store, run: &RunId) -> Result<First, Error> {
    let Some((first, _)) = store.edges(run)? else {
        return Ok(First::Nothing);
    };
    let Some(first) = line::parse(&first) else {
        let doing = format!("trust run {run}: its first line is no fact");
        return Err(Error::new(Kind::Damaged, doing));
    };
    Ok(match first.fact {
        Fact::RunCreated {
            trigger: Some(trigger),
            ..
        } => First::Trigger(Box::new(trigger)),
        _ => First::Other,
    })
}

fn keep(store: &dyn Store, plan: Pinned<'_>) -> Result<(), Error> {
    store.check()?;
    store.put_plan(plan.hash, plan.text)
}

/// The record is there, and nothing is written in it yet.
fn created(
    store: &dyn Store,
    plan: Pinned<'_>,
    journal: Box<dyn Journal>,
) -> Result<Box<dyn Journal>, Error> {
    if plan.durable {
        store.sync_plan(plan.hash)?;
    }
    Ok(journal)
}
