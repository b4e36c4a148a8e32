//! When each task of a run was at work, and how often it was tried.

use std::collections::HashMap;
use std::time::Duration;

use crate::core::RunState;
use crate::core::fact::{Fact, Record};
use crate::model::id::NodeId;
use crate::model::time::Timestamp;

/// The time of a node, from its first command to its last fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When its first command began.
    pub from: Timestamp,
    /// When something was last said of it.
    pub to: Timestamp,
    /// How many tries of commands there were in it.
    pub tries: u32,
}

impl Span {
    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// The spans of all nodes that worked, and of all that they are part of; `state` is the one that the facts made.
pub fn of(records: &[Record], state: &RunState) -> HashMap<NodeId, Span> {
    let mut spans: HashMap<NodeId, Span> = HashMap::new();
    for record in records {
        let Some(node) = record.fact.node() else {
            continue;
        };
        let starts = matches!(record.fact, Fact::AttemptStarted { .. });
        let mut at = Some(node);
        while let Some(id) = at {
            if starts {
                let span = spans.entry(id).or_insert(Span {
                    from: record.at,
                    to: record.at,
                    tries: 0,
                });
                span.tries += 1;
            }
            if let Some(span) = spans.get_mut(&id) {
                span.to = record.at;
            }
            at = state.parent(id);
        }
    }
    spans
}
