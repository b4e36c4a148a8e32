//! The pure core: what happened, what state that makes, and what follows from it.
//!
//! - [`fact`]: what can happen to a run, in the past tense. A run *is* its list of facts.
//! - [`state`] and `apply`: the fold. [`RunState::apply`] only assigns; it decides nothing and cannot fail.
//! - [`decide`]: one input (an exit, an answer, a decision, a cancel) becomes facts.
//! - [`settle`]: what follows from the state as it stands, a fact at a time, until nothing does.
//! - [`schedule`]: which of the ready work gets a slot.
//! - [`carried`]: what a new run takes over from one that has ended.
//! - [`action`]: what the world should be doing now, derived from the state and never stored.
//! - [`legal`]: the rule book: which fact may follow which state.
//! - [`observer`]: what those are shown who watch.
//!
//! No clock, no I/O, no randomness: the time comes with each call. Everyone else (engine, reporters, history) sees a
//! run through the facts and this one fold.

pub mod action;
mod apply;
pub mod carried;
pub mod decide;
pub mod fact;
pub mod legal;
pub mod observer;
pub mod schedule;
pub mod settle;
pub mod state;
mod tree;

pub use action::Action;
pub use decide::Input;
pub use fact::{Fact, Record};
pub use observer::{Observer, Seen, Signal, Stream};
pub use state::RunState;

use crate::model::time::Timestamp;

/// One turn of a run: the inputs that have come in, all that follows from them, and the starts that slots allow.
///
/// The facts are applied to `state` as they arise and are returned in order; they must be written to the log before
/// anything that [`action::actions`] asks for is done.
pub fn turn(state: &mut RunState, inputs: Vec<Input>, slots: usize, now: Timestamp) -> Vec<Record> {
    let mut turn = Turn {
        state,
        now,
        records: Vec::new(),
    };
    // A run that is taken up goes on from now: what was due while nobody was there, as a timeout, begins anew.
    if inputs.first() != Some(&Input::Resume) {
        turn.settle();
    }
    for input in inputs {
        for fact in decide::decide(turn.state, &input) {
            turn.emit(fact);
        }
        turn.settle();
    }
    while let Some(fact) = schedule::next_start(turn.state, slots) {
        turn.emit(fact);
        // What has just been started is not there yet: a time that is over for it, such as a timeout of nothing, is over in the next
        // turn.
        while let Some(fact) = settle::next_but_timers(turn.state, turn.now) {
            turn.emit(fact);
        }
    }
    turn.records
}

struct Turn<'a> {
    state: &'a mut RunState,
    now: Timestamp,
    records: Vec<Record>,
}

impl Turn<'_> {
    fn settle(&mut self) {
        while let Some(fact) = settle::next(self.state, self.now) {
            self.emit(fact);
        }
    }

    fn emit(&mut self, fact: Fact) {
        debug_assert_eq!(
            legal::check(self.state, &fact),
            Ok(()),
            "an illegal fact was decided: {fact:?}"
        );
        let record = Record {
            seq: self.state.seq() + 1,
            at: self.now,
            fact,
        };
        self.state.apply(&record);
        self.records.push(record);
    }
}
