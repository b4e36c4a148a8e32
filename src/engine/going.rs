//! A run that goes on: the core's state, the record, those who watch, and what is under way for it.
//!
//! There is one of these for a run, behind a lock, and whichever thread has news of a command takes a turn with it.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::Signal as Number;

use super::clock::Clock;
use super::{Ending, Error};
use crate::core::action::{Action, Signal as HowToStop, actions};
use crate::core::fact::{Exit, Fact, Record, RunEnd, Why};
use crate::core::observer::{Observer, Seen, Signal};
use crate::core::state::RunStage;
use crate::core::{Input, RunState, turn};
use crate::eval::Evaluator;
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
    pub(super) evaluator: Arc<Evaluator>,
    /// What is to be answered and nobody has taken yet: the node and the round.
    pub(super) questions: VecDeque<(NodeId, u32)>,
    /// The questions that were ever taken up.
    pub(super) asked: HashSet<(NodeId, u32)>,
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
                Action::Ask { node, round } => {
                    if self.asked.insert((node, round)) {
                        self.questions.push_back((node, round));
                    }
                }
                Action::Lock { .. } => return Err(Error::Unsupported("locks")),
                Action::Approve { .. } => return Err(Error::Unsupported("approvals")),
                Action::NameChild { .. } | Action::FollowChild { .. } => {
                    return Err(Error::Unsupported("child runs"));
                }
            }
        }
        Ok(())
    }

    /// All that is needed to start a command; when its text has no value, its end.
    pub(super) fn job(&mut self, node: NodeId, attempt: u32) -> Result<Result<Job, Event>, Error> {
        let plan = Arc::clone(self.state.plan());
        let Kind::Work(work @ Work::Shell { context, .. }) = &self.state.spec(node).kind else {
            return Err(Error::Unsupported("steps of this kind"));
        };
        let rendered = match self.evaluator.command(work) {
            Ok(rendered) => rendered,
            Err(problem) => {
                let error = Some(self.evaluator.told(&problem));
                let exit = Exit {
                    error,
                    ..Exit::default()
                };
                return Ok(Err(Event::Ended {
                    node,
                    attempt,
                    exit,
                }));
            }
        };
        if plan.contexts[*context as usize].scope.is_some() {
            self.notice(&Signal::Command {
                node,
                text: &rendered.shown,
                several_words: &rendered.several_words,
            });
        }
        let address = self.state.address(node);
        let mut env = rendered.env;
        let mut add = |name: &str, value: String| env.push((name.to_owned(), value.into_bytes()));
        add("FLOW_RUN_ID", self.run.to_string());
        add("FLOW_TASK", format!("{}{}", address.task, address.items));
        add("FLOW_ATTEMPT", attempt.to_string());
        Ok(Ok(Job {
            node,
            attempt,
            command: rendered.command,
            dir: rendered.dir,
            env,
            logs: self.logs.clone(),
        }))
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
