//! Which of the ready work gets a slot.
//!
//! What tidies up comes first, then the next steps of tasks that have begun, then new tasks, each in the order of the
//! plan. Waits, gates, locks and child runs take no slot.

use super::fact::Fact;
use super::state::{RunStage, RunState};

/// The next start that `slots` processes at the same time allow.
pub fn next_start(state: &RunState, slots: usize) -> Option<Fact> {
    if state.stage() != RunStage::Running || state.running().len() >= slots {
        return None;
    }
    let node = state.first_open(&state.views.ready)?;
    Some(Fact::AttemptStarted {
        node,
        attempt: state.node(node).attempt + 1,
    })
}
