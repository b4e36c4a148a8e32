//! How far the loops of a run have come.

use crate::core::RunState;
use crate::model::id::NodeId;
use crate::model::plan::Kind;

/// The items of loops: how many have ended, and how many there are as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// They have ended.
    pub ended: usize,
    /// There are so many.
    pub all: usize,
}

impl Items {
    /// Those of a task, its steps included.
    pub fn of(state: &RunState, task: NodeId) -> Self {
        let mut items = Self::default();
        for id in state.subtree(task) {
            if !matches!(state.spec(id).kind, Kind::Loop { .. }) {
                continue;
            }
            for item in state.instances(id) {
                items.all += 1;
                items.ended += usize::from(state.node(item).outcome().is_some());
            }
        }
        items
    }

    /// Those of a whole run.
    pub fn of_run(state: &RunState) -> Self {
        let tasks = state.plan().tasks().map(|(id, _)| Self::of(state, id));
        tasks.fold(Self::default(), |sum, items| Self {
            ended: sum.ended + items.ended,
            all: sum.all + items.all,
        })
    }
}
