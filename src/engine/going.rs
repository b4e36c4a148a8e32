//! A run that goes on: the core's state, the record, those who watch, and what is under way for it.
//!
//! There is one of these for a run, behind a lock, and whichever thread has news of a command takes a turn with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::Signal as Number;

use super::clock::Clock;
use super::{Ending, Error};
use crate::core::action::{Action, Signal as HowToStop, actions};
use crate::core::fact::{Fact, Record, RunEnd, Why};
use crate::core::observer::{Observer, Seen, Signal};
use crate::core::state::RunStage;
use crate::core::{Input, RunState, turn};
use crate::exec::stops::{Stop, Stops};
use crate::exec::{Event, Job};
use crate::model::id::{NodeId, RunId};
use crate::model::plan::{Kind, Work};
use crate::store::Journal;
use crate::store::line::Chain;

/// A run that goes on.
pub(super) struct Going<'a> {
    pub(super) run: RunId,
    pub(super) actor: String,
    pub(super) slots: usize,
    pub(super) logs: Option<Arc<Path>>,
    pub(super) journal: Box<dyn Journal>,
    pub(super) clock: Clock,
    pub(super) observers: Vec<Box<dyn Observer + 'a>>,
    /// The first signal that flow got.
    pub(super) signal: Option<i32>,
    pub(super) chain: Chain,
    pub(super) state: RunState,
    pub(super) lines: String,
    /// The commands that are under way, in any thread.
    pub(super) stops: Stops,
    /// What is to be started and nobody has taken yet.
    pub(super) waiting: Vec<(NodeId, u32)>,
}

impl Going<'_> {
    /// Decides, writes, shows, and does what can be done at once; starts are left in `waiting`.
    pub(super) fn turn(&mut self, inputs: Vec<Input>) -> Result<(), Error> {
        let records = turn(&mut self.state, inputs, self.slots, self.clock.now());
        if !records.is_empty() {
            let ends = self.seal(&records);
            self.journal.append(&self.lines).map_err(Error::Store)?;
            self.show(&records, &ends);
        }
        self.act()
    }

    /// Makes the lines of these facts; returns where each of them ends.
    fn seal(&mut self, records: &[Record]) -> Vec<usize> {
        self.lines.clear();
        let mut ends = Vec::with_capacity(records.len());
        for record in records {
            let address = record.fact.node().map(|node| self.state.address(node));
            self.chain.seal(
                record,
                actor(&self.actor, &record.fact),
                address.as_ref(),
                &mut self.lines,
            );
            ends.push(self.lines.len());
        }
        ends
    }

    fn show(&mut self, records: &[Record], ends: &[usize]) {
        let mut start = 0;
        for (record, end) in records.iter().zip(ends) {
            let seen = Seen {
                record,
                line: &self.lines[start..end - 1],
                state: &self.state,
            };
            start = *end;
            for observer in &mut self.observers {
                observer.see(&seen);
            }
        }
    }

    fn act(&mut self) -> Result<(), Error> {
        let now = self.clock.instant();
        for action in actions(&self.state) {
            match action {
                Action::Run { node, attempt } if !self.stops.has(node, attempt) => {
                    self.stops.insert(node, attempt);
                    self.waiting.push((node, attempt));
                }
                Action::Run { .. } => {}
                Action::Stop { node, signal, .. } => self.stops.stop(node, how(signal), now),
                Action::Ask { .. } => return Err(Error::Unsupported("conditions")),
                Action::Lock { .. } => return Err(Error::Unsupported("locks")),
                Action::Approve { .. } => return Err(Error::Unsupported("approvals")),
                Action::NameChild { .. } | Action::FollowChild { .. } => {
                    return Err(Error::Unsupported("child runs"));
                }
            }
        }
        Ok(())
    }

    /// All that is needed to start a command.
    pub(super) fn job(&self, node: NodeId, attempt: u32) -> Result<Job, Error> {
        let Kind::Work(Work::Shell {
            command, context, ..
        }) = &self.state.spec(node).kind
        else {
            return Err(Error::Unsupported("steps of this kind"));
        };
        let context = &self.state.plan().contexts[*context as usize];
        let address = self.state.address(node);
        let mut env = context.env.clone();
        env.push(("FLOW_RUN_ID".to_owned(), self.run.to_string()));
        env.push((
            "FLOW_TASK".to_owned(),
            format!("{}{}", address.task, address.items),
        ));
        env.push(("FLOW_ATTEMPT".to_owned(), attempt.to_string()));
        let (command, dir, logs) = (command.clone(), context.dir.clone(), self.logs.clone());
        Ok(Job {
            node,
            attempt,
            command,
            dir,
            env,
            logs,
        })
    }

    /// Output is shown at once and forgotten; the end of a command is an input.
    pub(super) fn input(&mut self, event: Event) -> Option<Input> {
        match event {
            Event::Output {
                node,
                stream,
                bytes,
            } => {
                self.notice(&Signal::Output {
                    node,
                    stream,
                    bytes: &bytes,
                });
                None
            }
            Event::Ended {
                node,
                attempt,
                exit,
            } => Some(Input::Exited {
                node,
                attempt,
                exit,
            }),
        }
    }

    pub(super) fn notice(&mut self, signal: &Signal<'_>) {
        for observer in &mut self.observers {
            observer.notice(&self.state, signal);
        }
    }

    /// When something is due, whatever happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let timer = self
            .state
            .next_timer()
            .map(|at| self.clock.instant() + self.clock.until(at));
        [timer, self.stops.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether the run is over and no command of it was ever started: such a run is not kept.
    pub(super) fn did_nothing(&self) -> bool {
        let completed = RunStage::Finished(RunEnd::Completed);
        let worked = |task| self.state.node(task).worked;
        self.state.stage() == completed && !self.state.plan().tasks().any(|(task, _)| worked(task))
    }

    /// How the run ended, if nothing more will happen.
    pub(super) fn ending(&self) -> Option<Ending> {
        if !self.state.is_quiet() || !self.stops.is_empty() {
            return None;
        }
        Some(match (self.state.stage(), self.signal) {
            (_, Some(signal)) => Ending::Interrupted(signal),
            (RunStage::Finished(end), None) => Ending::Finished(end),
            _ => Ending::Paused,
        })
    }
}

fn how(signal: HowToStop) -> Stop {
    match signal {
        HowToStop::Kill => Stop::Kill,
        HowToStop::Terminate => Stop::Ask(Number::TERM),
        HowToStop::Number(number) => {
            Stop::Ask(Number::from_named_raw(number).unwrap_or(Number::TERM))
        }
    }
}

/// Who a fact is put down to: the person for what a person asks, flow for what follows from it.
fn actor<'a>(person: &'a str, fact: &Fact) -> &'a str {
    match fact {
        Fact::RunCreated { .. }
        | Fact::CancelRequested {
            why: Why::Signal(_) | Why::Cancelled,
            ..
        } => person,
        _ => "flow",
    }
}
