//! What the world should be doing now: derived from the state, never stored.
//!
//! Because it follows from the state and not from a transition, taking up a run after a crash is the same as going on
//! with it: fold, look at this list, do what is not being done.

use std::collections::BTreeSet;

use super::fact::Outcome;
use super::state::{Class, RunStage, RunState, Stop};
use crate::model::id::NodeId;
use crate::model::plan::Kind;

/// One thing that the world should be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This try should be running.
    Run {
        /// The node.
        node: NodeId,
        /// Which try.
        attempt: u32,
    },
    /// This try should be stopping.
    Stop {
        /// The node.
        node: NodeId,
        /// Which try.
        attempt: u32,
        /// The signal to begin with.
        signal: Signal,
    },
    /// Its question should be answered.
    Ask {
        /// The node.
        node: NodeId,
        /// The round to name with the answer.
        round: u32,
    },
    /// Its locks should be taken.
    Lock {
        /// The node.
        node: NodeId,
        /// The round to name with them.
        round: u32,
    },
    /// The locks of the run should be taken, and those of what was under way when it was taken up.
    LockRun,
    /// Somebody should be asked to agree.
    Approve {
        /// The node.
        node: NodeId,
    },
    /// A run of its own should be named for it.
    NameChild {
        /// The node.
        node: NodeId,
    },
    /// That run should be going on, or stopping.
    FollowChild {
        /// The node.
        node: NodeId,
        /// Whether it should stop.
        stop: bool,
    },
}

/// How a process is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// With this signal, then SIGKILL after the grace time.
    Number(i32),
    /// With SIGTERM, then SIGKILL after the grace time.
    Terminate,
    /// With SIGKILL at once.
    Kill,
}

impl Signal {
    /// How what runs is told that it is to stop.
    pub fn of(stop: Stop) -> Self {
        match stop.signal {
            _ if stop.now => Self::Kill,
            Some(number) if stop.outcome == Outcome::Interrupted => Self::Number(number),
            _ => Self::Terminate,
        }
    }
}

/// All that the world should be doing.
pub fn actions(state: &RunState) -> Vec<Action> {
    if matches!(state.stage(), RunStage::Finished(_) | RunStage::Pending) {
        return Vec::new();
    }
    let mut list: Vec<Action> = state.running().map(|node| work(state, node)).collect();
    let views = &state.views;
    if state.lacks_locks() && state.stop().is_none_or(|stop| !stop.now) {
        list.push(Action::LockRun);
    }
    list.extend(open(state, &views.asking).map(|node| Action::Ask {
        node,
        round: state.node(node).round,
    }));
    list.extend(open(state, &views.locking).map(|node| Action::Lock {
        node,
        round: state.node(node).round,
    }));
    list.extend(open(state, &views.deciding).map(|node| Action::Approve { node }));
    let is_child = |node: &NodeId| state.spec(*node).kind == Kind::Child;
    list.extend(
        open(state, &views.free)
            .filter(is_child)
            .map(|node| Action::NameChild { node }),
    );
    let children = views.aside.iter().map(|(_, node)| *node).filter(is_child);
    list.extend(children.map(|node| Action::FollowChild {
        node,
        stop: state.stopped(node).is_some(),
    }));
    list
}

fn open<'a>(
    state: &'a RunState,
    view: &'a BTreeSet<(Class, NodeId)>,
) -> impl Iterator<Item = NodeId> + 'a {
    view.iter()
        .take_while(|(class, _)| Some(*class) <= state.open_class())
        .map(|(_, node)| *node)
}

fn work(state: &RunState, node: NodeId) -> Action {
    let attempt = state.node(node).attempt;
    match state.stopped(node) {
        None => Action::Run { node, attempt },
        Some(stop) => Action::Stop {
            node,
            attempt,
            signal: Signal::of(stop),
        },
    }
}
