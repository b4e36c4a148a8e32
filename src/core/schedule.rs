//! Which of the ready work gets a slot.
//!
//! What tidies up comes first, then the next steps of tasks that have begun, then new tasks, each in the order of the
//! plan. Waits, gates, locks and child runs take no slot. One command at a time has the terminal; what has no need of it
//! runs beside it.

use super::fact::Fact;
use super::state::{RunStage, RunState};
use crate::model::id::NodeId;

/// The next start that `slots` processes at the same time allow.
pub fn next_start(state: &RunState, slots: usize) -> Option<Fact> {
    if state.stage() != RunStage::Running || state.running().len() >= slots {
        return None;
    }
    let mut next = state.first_open(&state.views.ready);
    if let Some(wants) = state.first_open(&state.views.for_terminal)
        && state.at_terminal().is_none()
    {
        let first = |node: &NodeId| (state.class_of(*node), *node);
        next = next.into_iter().chain([wants]).min_by_key(first);
    }
    let node = next?;
    Some(Fact::AttemptStarted {
        node,
        attempt: state.node(node).attempt + 1,
    })
}
