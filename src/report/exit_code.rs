//! The exit code of the command by which a run failed, for those who want it as flow's own.

use std::sync::{Arc, OnceLock};

use super::line::matters;
use crate::core::RunState;
use crate::core::fact::{Exit, Fact, Outcome};
use crate::core::observer::{Observer, Seen, Signal};
use crate::model::id::NodeId;

/// What `timeout(1)` ends with when the time of its command was over.
const TIMED_OUT: u8 = 124;

/// What is known once the run has ended.
#[derive(Clone, Debug, Default)]
pub struct FirstFailure(Arc<OnceLock<u8>>);

impl FirstFailure {
    /// Watches a run for it.
    pub fn observer(&self) -> Box<dyn Observer> {
        Box::new(Watching {
            failed: Vec::new(),
            found: Arc::clone(&self.0),
        })
    }

    /// The exit code of the first command that failed and made the run fail, as a shell has it; `None` when it was no command.
    pub fn code(&self) -> Option<u8> {
        self.0.get().copied()
    }
}

struct Watching {
    /// What failed, in this order, with the exit code of a command.
    failed: Vec<(NodeId, Option<u8>)>,
    found: Arc<OnceLock<u8>>,
}

impl Watching {
    fn failed(&mut self, node: NodeId, code: Option<u8>) {
        // Of what is tried several times the last try counts.
        self.failed.retain(|(known, _)| *known != node);
        self.failed.push((node, code));
    }
}

impl Observer for Watching {
    fn see(&mut self, seen: &Seen<'_>) {
        match &seen.record.fact {
            Fact::AttemptFinished {
                node,
                outcome,
                exit,
                ..
            } if outcome.is_failure() && seen.state.spec(*node).is_leaf() => {
                self.failed(*node, code(*outcome, exit));
            }
            Fact::TaskFinished { node, outcome, .. } if *outcome == Outcome::TimedOut => {
                self.failed(*node, Some(TIMED_OUT));
            }
            Fact::TaskFinished {
                node,
                outcome,
                reason: Some(_),
            } if outcome.is_failure() => self.failed(*node, None),
            _ => {}
        }
    }

    fn notice(&mut self, _: &RunState, _: &Signal<'_>) {}

    fn end(&mut self, state: &RunState) {
        let first = self.failed.iter().find(|(node, _)| matters(state, *node));
        if let Some(code) = first.and_then(|(_, code)| *code) {
            // It ends once.
            let _ = self.found.set(code);
        }
    }
}

/// The exit code of a process, 128 and more for a signal; that of `timeout(1)` when its time was over.
fn code(outcome: Outcome, exit: &Exit) -> Option<u8> {
    let number = match (outcome, exit.exit_code, exit.signal) {
        (Outcome::TimedOut, _, _) => return Some(TIMED_OUT),
        (_, Some(code), _) => code,
        (_, None, Some(signal)) => 128 + signal,
        _ => return None,
    };
    u8::try_from(number).ok().filter(|code| *code != 0)
}
