//! Why each part of a run ended as it did, in words, where its own facts do not say it.

use std::collections::HashMap;

use crate::core::RunState;
use crate::core::fact::{Fact, Outcome, Record, Why};
use crate::model::id::NodeId;

/// The causes of all nodes that have one; `state` is the one that the facts made.
pub fn of(records: &[Record], state: &RunState) -> HashMap<NodeId, String> {
    let mut found = Found {
        state,
        causes: HashMap::new(),
        stops: HashMap::new(),
        run: None,
    };
    for record in records {
        found.hear(&record.fact);
    }
    found.stopped();
    found.causes
}

struct Found<'s> {
    state: &'s RunState,
    causes: HashMap<NodeId, String>,
    /// Why single nodes were told to stop.
    stops: HashMap<NodeId, String>,
    /// Why the whole run was.
    run: Option<String>,
}

impl Found<'_> {
    fn hear(&mut self, fact: &Fact) {
        match fact {
            Fact::TaskBlocked { nodes, cause } => {
                let word = self.state.node(*cause).outcome().map(Outcome::word);
                let task = self.state.address(*cause).task;
                let cause = format!("{task} {}", word.unwrap_or("has not ended"));
                let blocked = nodes.iter().map(|node| (*node, cause.clone()));
                self.causes.extend(blocked);
            }
            Fact::CancelRequested {
                node,
                why,
                by,
                reason,
                ..
            } => {
                let words = words(why, by.as_deref(), reason.as_deref());
                match node {
                    Some(node) => {
                        self.stops.insert(*node, words);
                    }
                    None => self.run = Some(words),
                }
            }
            Fact::AttemptFinished {
                node,
                again: false,
                outcome,
                exit,
                ..
            } if self.state.spec(*node).is_leaf() => {
                let said = exit.error.clone();
                let code = exit.exit_code.map(|code| format!("exit code {code}"));
                self.failed(*node, *outcome, said.or(code));
            }
            Fact::TaskFinished {
                node,
                outcome,
                reason,
            } => self.failed(*node, *outcome, reason.clone()),
            _ => {}
        }
    }

    /// What made something fail is the cause of all that it is part of, and that has failed, too: the first of them.
    fn failed(&mut self, node: NodeId, outcome: Outcome, words: Option<String>) {
        if !outcome.is_failure() || self.state.counts_as_ok(node, outcome) {
            return;
        }
        let own = match outcome {
            Outcome::TimedOut => Some("its timeout had passed".to_owned()),
            _ => words.clone(),
        };
        if let Some(own) = own {
            self.causes.entry(node).or_insert(own);
        }
        let address = self.state.address(node);
        if !self.state.spec(node).is_leaf() {
            return;
        }
        let step = match address.step.as_str() {
            "" => String::new(),
            step => format!("step {step}{}: ", address.items),
        };
        let words = match outcome {
            Outcome::Failed => words.unwrap_or_else(|| outcome.word().to_owned()),
            outcome => outcome.word().to_owned(),
        };
        let cause = format!("{step}{words}");
        let mut at = self.state.parent(node);
        while let Some(id) = at {
            let failed = self.state.node(id).outcome() == Some(Outcome::Failed);
            if failed {
                self.causes.entry(id).or_insert_with(|| cause.clone());
            }
            at = self.state.parent(id);
        }
    }

    /// What was told to stop has its cause above it.
    fn stopped(&mut self) {
        for id in (0..self.state.node_count()).map(NodeId::at) {
            let outcome = self.state.node(id).outcome();
            if matches!(outcome, Some(Outcome::Cancelled | Outcome::Interrupted))
                && let Some(cause) = self.above(id)
            {
                self.causes.insert(id, cause);
            }
        }
    }

    fn above(&self, id: NodeId) -> Option<String> {
        let mut at = Some(id);
        while let Some(node) = at {
            if let Some(stop) = self.stops.get(&node) {
                return Some(stop.clone());
            }
            if self.state.node(node).outcome() == Some(Outcome::TimedOut) {
                let address = self.state.address(node);
                return Some(match address.step.as_str() {
                    "" => format!("the timeout of {} had passed", address.task),
                    step => format!("the timeout of step {step} had passed"),
                });
            }
            at = self.state.parent(node);
        }
        self.run.clone()
    }
}

/// Why something was told to stop.
fn words(why: &Why, by: Option<&str>, reason: Option<&str>) -> String {
    let words = match why {
        Why::Signal(number) => match number {
            1 => "flow got SIGHUP".to_owned(),
            2 => "flow got SIGINT".to_owned(),
            15 => "flow got SIGTERM".to_owned(),
            number => format!("flow got the signal {number}"),
        },
        Why::Cancelled => match by {
            Some(by) => format!("cancelled by {by}"),
            None => "the run was cancelled".to_owned(),
        },
        Why::Failure => "another task failed".to_owned(),
        Why::Rejected => "its approval was rejected".to_owned(),
        Why::Timeout => "the timeout of the run had passed".to_owned(),
        Why::Outdated => "what it is made of changed".to_owned(),
        Why::Decided(outcome) if outcome.is_failure() => "a step beside it failed".to_owned(),
        Why::Decided(_) => "a step beside it was first".to_owned(),
    };
    match reason {
        Some(reason) => format!("{words}: {reason}"),
        None => words,
    }
}
