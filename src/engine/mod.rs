//! The loop: wait for something to happen, let the core decide, write it down, show it, do it.
//!
//! ```text
//!      ┌──────────────────────────────────────────────────────────┐
//!      ▼                                                          │
//!  inbox.wait ─► inputs ─► core::turn ─► journal ─► observers ─► act
//!  (one poll)              (pure)        (first!)                (start, stop)
//! ```
//!
//! One thread, one poll. The engine keeps no state of the run but the core's; what it has to do follows from that state
//! by [`crate::core::action::actions`], so taking a run up is the same as going on with it.

pub mod clock;
pub mod inbox;
pub mod signals;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal as Number;

use self::clock::Clock;
use self::inbox::{Inbox, WaitError};
use crate::core::action::{Action, Signal as HowToStop, actions};
use crate::core::fact::{Fact, Record, RunEnd, Why};
use crate::core::observer::{Observer, Seen, Signal};
use crate::core::state::RunStage;
use crate::core::{Input, RunState, turn};
use crate::exec::runner::{GRACE, Runner, Stop};
use crate::exec::shell::Programs;
use crate::exec::{Event, Job, family};
use crate::model::id::{NodeId, RunId};
use crate::model::plan::{Kind, Plan, Work};
use crate::store::line::Chain;
use crate::store::{self, Journal};

/// What an engine needs to run a plan.
pub struct Engine<'a> {
    /// The id of the run.
    pub run: RunId,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The hash of the plan, by which the store knows it.
    pub plan_hash: String,
    /// The run that started this one, when a task of it did.
    pub parent: Option<RunId>,
    /// Who runs it, for the facts that a person is the cause of.
    pub actor: String,
    /// How many commands may run at the same time.
    pub slots: usize,
    /// The right to write the record.
    pub journal: Box<dyn Journal>,
    /// Where programs are.
    pub programs: Programs,
    /// Where signals arrive.
    pub inbox: Inbox,
    /// The time.
    pub clock: Clock,
    /// Those who watch.
    pub observers: Vec<Box<dyn Observer + 'a>>,
}

/// How the engine came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The run is over.
    Finished(RunEnd),
    /// It waits for a decision.
    Paused,
    /// A signal ended it; it can be resumed.
    Interrupted(i32),
}

/// Why the engine could not go on.
#[derive(Debug)]
pub enum Error {
    /// The record can't be kept.
    Store(store::Error),
    /// Output can't be kept.
    Output(std::io::Error),
    /// The system refused to wait for events.
    Wait(std::io::Error),
    /// The plan asks for something that this version can't do.
    Unsupported(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Output(error) => write!(f, "could not keep the output of a task: {error}"),
            Self::Wait(error) => write!(f, "could not wait for the tasks: {error}"),
            Self::Unsupported(what) => write!(f, "this version of flow has no {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl Engine<'_> {
    /// Runs the plan to its end. Whatever the end, nothing that it started is alive afterwards.
    pub fn run(self) -> Result<Ending, Error> {
        family::adopt_orphans();
        let state = RunState::new(Arc::clone(&self.plan));
        let chain = Chain::new(&self.run);
        let logs = self.journal.logs().map(Arc::from);
        let runner = Runner::new(self.programs);
        let (start, parent) = (self.plan_hash, self.parent);
        let mut going = Going {
            run: self.run,
            actor: self.actor,
            slots: self.slots,
            logs,
            journal: self.journal,
            inbox: self.inbox,
            clock: self.clock,
            observers: self.observers,
            signal: None,
            chain,
            runner,
            state,
            lines: String::new(),
        };
        let run = going.run.clone();
        let ended = going.go(Input::Start {
            run,
            plan: start,
            parent,
        });
        if ended.is_err() {
            going.runner.kill_all();
        }
        going.end_family(ended.is_err());
        let ending = ended?;
        going.journal.sync().map_err(Error::Store)?;
        for observer in &mut going.observers {
            observer.end(&going.state);
        }
        Ok(ending)
    }
}

struct Going<'a> {
    run: RunId,
    actor: String,
    slots: usize,
    logs: Option<Arc<Path>>,
    journal: Box<dyn Journal>,
    inbox: Inbox,
    clock: Clock,
    observers: Vec<Box<dyn Observer + 'a>>,
    /// The first signal that flow got.
    signal: Option<i32>,
    chain: Chain,
    runner: Runner,
    state: RunState,
    lines: String,
}

impl Going<'_> {
    fn go(&mut self, first: Input) -> Result<Ending, Error> {
        let mut inputs = self.turn(vec![first])?;
        // The first commands run now. Syncing the young file beside them leaves less to wait for at the end.
        self.journal.sync().map_err(Error::Store)?;
        loop {
            inputs = self.turn(inputs)?;
            if inputs.is_empty() {
                if let Some(ending) = self.ending() {
                    return Ok(ending);
                }
                inputs = self.wait()?;
            }
        }
    }

    fn ending(&self) -> Option<Ending> {
        if !self.state.is_quiet() || !self.runner.is_empty() {
            return None;
        }
        Some(match (self.state.stage(), self.signal) {
            (_, Some(signal)) => Ending::Interrupted(signal),
            (RunStage::Finished(end), None) => Ending::Finished(end),
            _ => Ending::Paused,
        })
    }

    /// Decides, writes, shows and acts; what acting brings at once is returned.
    fn turn(&mut self, inputs: Vec<Input>) -> Result<Vec<Input>, Error> {
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

    fn act(&mut self) -> Result<Vec<Input>, Error> {
        let mut inputs = Vec::new();
        for action in actions(&self.state) {
            match action {
                Action::Run { node, attempt } if !self.runner.has(node, attempt) => {
                    let job = self.job(node, attempt)?;
                    inputs.extend(self.runner.start(&job).and_then(|event| self.input(event)));
                }
                Action::Run { .. } => {}
                Action::Stop { node, signal, .. } => {
                    self.runner.stop(node, how(signal), self.clock.instant())
                }
                Action::Ask { .. } => return Err(Error::Unsupported("conditions")),
                Action::Lock { .. } => return Err(Error::Unsupported("locks")),
                Action::Approve { .. } => return Err(Error::Unsupported("approvals")),
                Action::NameChild { .. } | Action::FollowChild { .. } => {
                    return Err(Error::Unsupported("child runs"));
                }
            }
        }
        Ok(inputs)
    }

    fn job(&self, node: NodeId, attempt: u32) -> Result<Job, Error> {
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

    fn wait(&mut self) -> Result<Vec<Input>, Error> {
        let mail = self.mail(None)?;
        let mut inputs = vec![Input::Tick];
        for signal in mail.signals {
            self.signal.get_or_insert(signal);
            inputs.push(Input::Interrupt { signal });
        }
        inputs.extend(
            mail.events
                .into_iter()
                .filter_map(|event| self.input(event)),
        );
        Ok(inputs)
    }

    fn mail(&mut self, at_latest: Option<Instant>) -> Result<inbox::Mail, Error> {
        let now = self.clock.instant();
        let timer = self.state.next_timer().map(|at| now + self.clock.until(at));
        let deadline = [timer, self.runner.next_deadline(), at_latest]
            .into_iter()
            .flatten()
            .min();
        self.inbox
            .wait(&mut self.runner, deadline, now)
            .map_err(|error| match error {
                WaitError::Poll(error) => Error::Wait(error),
                WaitError::Capture(error) => Error::Output(error.0),
            })
    }

    /// Output is shown at once and forgotten; the end of a job is an input.
    fn input(&mut self, event: Event) -> Option<Input> {
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

    fn notice(&mut self, signal: &Signal<'_>) {
        for observer in &mut self.observers {
            observer.notice(&self.state, signal);
        }
    }

    /// Ends whoever of our descendants is still there: asked first, killed when the grace time is over or on a second signal.
    fn end_family(&mut self, mut kill: bool) {
        let deadline = self.clock.instant() + GRACE;
        let mut told = HashSet::new();
        while family::any_children() && self.clock.instant() < deadline + GAVE_UP {
            let left = family::children(&self.run);
            if left.is_empty() {
                return;
            }
            kill |= self.clock.instant() >= deadline;
            for left in left {
                if told.insert(left.pid) {
                    self.notice(&Signal::LeftBehind {
                        program: &left.program,
                        task: &left.task,
                    });
                    family::signal(&left, if kill { Number::KILL } else { Number::TERM });
                } else if kill {
                    family::signal(&left, Number::KILL);
                }
            }
            let pause = if kill { KILL_AGAIN } else { GRACE };
            let at_latest = self.clock.instant() + pause;
            // When waiting fails there is nobody left to tell; the deadline ends the loop.
            kill |= self
                .mail(Some(at_latest.min(deadline + GAVE_UP)))
                .map_or(true, |mail| !mail.signals.is_empty());
        }
    }
}

/// How long killed processes are waited for.
const GAVE_UP: Duration = Duration::from_secs(2);

/// How often they are killed again, in case that they have had children in between.
const KILL_AGAIN: Duration = Duration::from_millis(20);

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
