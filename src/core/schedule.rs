//! Which of the ready work gets a slot.
//!
//! What tidies up comes first, then the next steps of tasks that have begun, then new tasks, each in the order of the
//! plan. Waits, gates, locks and child runs take no slot. One command at a time has the terminal; what has no need of it
//! runs beside it.
//!
//! One at a time means in the order of the plan: what is ready waits for an answer about what stands before it, or the
//! order would be a matter of which answer came first.

use super::fact::Fact;
use super::state::{RunStage, RunState};
use crate::model::id::NodeId;
use crate::model::plan::About;

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
    if slots == 1 && is_asked_before(state, node) {
        return None;
    }
    Some(Fact::AttemptStarted {
        node,
        attempt: state.node(node).attempt + 1,
    })
}

/// Whether something that stands before a node may still turn out to be ready. What waits for the world is no such thing.
fn is_asked_before(state: &RunState, node: NodeId) -> bool {
    let place = (state.class_of(node), node);
    let asked = state.views.asking.range(..place);
    asked.map(|(_, id)| state.spec(*id)).any(|spec| {
        let about = spec.ask.as_ref().map(|ask| &ask.about);
        !matches!(about, Some(About::Until { .. }))
    })
}
