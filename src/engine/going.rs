//! A run that goes on: the core's state, the record, those who watch, and what is under way for it.
//!
//! There is one of these for a run, behind a lock, and whichever thread has news of a command takes a turn with it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::Signal as Number;

use super::IsCancelled;
use super::asked::{self, Asked};
use super::clock::Clock;
use super::desk::Desk;
use super::incremental::{Freshness, Who};
use super::locking::Locking;
use super::questions::{Notice, Query};
use super::{Caller, Ending, Error};
use crate::core::action::{Action, Signal as HowToStop, actions};
use crate::core::carried::Carried;
use crate::core::fact::{Exit, Fact, Outcome, Record, RunEnd, Why};
use crate::core::observer::{Observer, Seen, Signal, Stream};
use crate::core::state::{RunStage, Stage};
use crate::core::{Input, RunState};
use crate::disk::Folder;
use crate::eval::here::{Failure, Here, Level};
use crate::eval::kept::Kept;
use crate::eval::results::{Ended, HandedOn};
use crate::eval::{self, Evaluator};
use crate::exec::family;
use crate::exec::handed_on::Handover;
use crate::exec::jobserver::Jobserver;
use crate::exec::keeper::Keeper;
use crate::exec::stops::{Stop, Stops};
use crate::exec::terminal;
use crate::exec::{CommandId, Event, Handed, Job, WhichStreams};
use crate::incremental::Reason;
use crate::model::id::{NodeId, RunId};
use crate::model::plan::Kind;
use crate::store::Journal;
use crate::store::line::Chain;
use crate::store::request::Request;

/// More output than this is not kept for the runs in which a task is restored, in bytes.
const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// A run that goes on.
pub(super) struct Going<'a> {
    pub(super) run: RunId,
    pub(super) actor: String,
    pub(super) slots: usize,
    /// The jobserver that its commands keep to, if there is one.
    pub(super) jobserver: Option<Jobserver>,
    pub(super) logs: Option<Folder>,
    /// The helper that ends what is left when flow is gone.
    pub(super) keeper: Option<Keeper>,
    /// Which of flow's streams are a terminal that a command may have to itself.
    pub(super) own_streams: WhichStreams,
    pub(super) journal: Box<dyn Journal>,
    pub(super) clock: Clock,
    pub(super) observers: Vec<Box<dyn Observer + 'a>>,
    /// Who has something to say while it goes on.
    pub(super) caller: Option<Box<dyn Caller + 'a>>,
    /// The run whose task started this one, and what tells whether it was cancelled.
    pub(super) parent: Option<(RunId, IsCancelled<'a>)>,
    /// From when on other processes can ask something, and then when orphans are looked for the next time.
    pub(super) listen_at: Option<Instant>,
    /// When this process began to work on the run.
    pub(super) began: Instant,
    /// It has begun to hear other processes.
    pub(super) listens: bool,
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
    /// What is to be answered and nobody has taken yet.
    pub(super) questions: VecDeque<Query>,
    /// The questions that were ever taken up, and when.
    pub(super) asked_since: HashMap<Query, Instant>,
    /// The commands that run for answers.
    pub(super) asked: Asked,
    /// Where they are handed in.
    pub(super) desk: Arc<Desk>,
    /// The questions that are to be asked again, and when.
    pub(super) again: BTreeSet<(Instant, Query)>,
    /// What it takes over from another run.
    pub(super) carried: Option<Arc<Carried>>,
    /// The locks that it holds, where any are wanted.
    pub(super) locking: Option<Arc<Locking>>,
    /// Whether tasks have to run, where any may not have to.
    pub(super) freshness: Option<Arc<Freshness>>,
    /// Whether it is said why each task runs.
    pub(super) explain: bool,
    /// Something was restored from the cache.
    pub(super) restored: bool,
    /// What commands hand on, until it is known that they are not tried again.
    pub(super) handed: HashMap<NodeId, Handed>,
    /// The same from before the run was taken up, as it was written down.
    pub(super) recalled: HashMap<NodeId, serde_json::Value>,
}

impl Going<'_> {
    /// Decides, writes, shows, and does what can be done at once; starts are left in `waiting`.
    pub(super) fn turn(&mut self, mut inputs: Vec<Input>) -> Result<(), Error> {
        let kept = self.evaluator.take_kept();
        if !kept.is_empty() {
            // It is written down before anything that depends on it.
            let keep = |Kept { node, name, value }| Input::Keep { node, name, value };
            let begins = matches!(inputs.first(), Some(Input::Start { .. } | Input::Resume));
            let at = usize::from(begins);
            inputs.splice(at..at, kept.into_iter().map(keep));
        }
        let locked = |input: &&Input| matches!(input, Input::Locked { .. });
        let locked: Vec<Input> = inputs.iter().filter(locked).cloned().collect();
        if let Some(keeper) = &mut self.keeper {
            for input in &inputs {
                if let Input::Begun { process, .. } = input {
                    keeper.tell(process);
                }
            }
        }
        let records = self.decide(inputs);
        if !records.is_empty() {
            let ends = self.seal(&records);
            self.journal.append(&self.lines).map_err(Error::Store)?;
            // A power cut ends processes too, so who they are need not survive it.
            let lasts = |record: &Record| !matches!(record.fact, Fact::ProcessStarted { .. });
            if self.keeps_to_disk() && records.iter().any(lasts) {
                self.journal.sync().map_err(Error::Store)?;
            }
            self.show(&records, &ends);
            self.remember(&records);
            self.keep_fresh(&records);
        }
        self.give_back(&locked, &records);
        self.act()?;
        self.mind_asked(self.clock.instant());
        self.mind_tokens();
        Ok(())
    }

    /// Whether a power cut must not take anything of it.
    pub(super) fn keeps_to_disk(&self) -> bool {
        self.state.plan().durable || self.state.trigger().is_some()
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
                    let rules = self.state.rules(node);
                    self.stops.insert(node, attempt, rules.interactive);
                    // Commands may have to run for its values, which nobody must wait for here.
                    if rules.ask && !self.asked.prepared.remove(&(node, attempt)) {
                        self.questions.push_back(Query::Prepare { node, attempt });
                    } else {
                        self.waiting.push((node, attempt));
                    }
                }
                Action::Run { .. } => {}
                Action::Stop { node, signal, .. } => self.stops.stop(node, how(signal), now),
                Action::Ask { node, round } => self.ask(Query::Begin { node, round }, now),
                Action::Lock { node, round } => self.ask(Query::Locks { node, round }, now),
                Action::LockRun => self.ask(Query::RunLocks, now),
                Action::Approve { .. } => return Err(Error::Unsupported("approvals")),
                Action::NameChild { .. } | Action::FollowChild { .. } => {
                    return Err(Error::Unsupported("child runs"));
                }
            }
        }
        while let Some((at, query)) = self.again.first().copied()
            && at <= now
        {
            self.again.pop_first();
            self.questions.push_back(query);
        }
        Ok(())
    }

    /// Something is to be answered, if nobody has taken it up yet.
    fn ask(&mut self, query: Query, now: Instant) {
        if let Entry::Vacant(entry) = self.asked_since.entry(query) {
            entry.insert(now);
            self.questions.push_back(query);
        }
    }

    /// What is told of a task about to begin: why it runs, to those who asked for that; that it was restored.
    pub(super) fn tell(&mut self, node: Option<NodeId>, notice: &Notice) {
        if let (Notice::Runs(_, unmatched), Some(node)) = (notice, node)
            && !unmatched.is_empty()
        {
            let patterns = &unmatched[..];
            self.notice(&Signal::Unmatched { node, patterns });
        }
        match (notice, node) {
            (Notice::Runs(why, _), Some(node)) if self.explain => {
                let why = why.to_string();
                self.notice(&Signal::Runs { node, why: &why });
            }
            (Notice::Waits(what), node) => self.notice(&Signal::Waits { node, what }),
            // What its command said is no part of its output, and is not kept.
            (Notice::Runs(Reason::Status(said), _), Some(node)) if !said.is_empty() => {
                let bytes = format!("{said}\n").into_bytes();
                self.notice(&Signal::Output {
                    node,
                    stream: Stream::Stderr,
                    bytes: &bytes,
                });
            }
            (Notice::Runs(..), _) | (Notice::Restored(_), None) => {}
            (Notice::Restored(restored), Some(node)) => {
                self.restored = true;
                let output = &restored.output[..];
                self.notice(&Signal::Restored { node, output });
            }
        }
    }

    /// What all commands of a task have printed, as it was kept.
    fn output_of(&self, id: NodeId) -> Option<Vec<u8>> {
        let logs = self.logs.as_ref()?;
        let mut output = Vec::new();
        for node in self.state.subtree(id) {
            let attempt = self.state.node(node).attempt;
            if !self.state.spec(node).is_leaf() || attempt == 0 {
                continue;
            }
            match logs.read(&format!("{node}.{attempt}.log"), OUTPUT_BYTES_MAX as u64) {
                Ok(text) => output.extend(text),
                // It printed nothing.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
        }
        (output.len() <= OUTPUT_BYTES_MAX).then_some(output)
    }

    pub(super) fn files_may_have_changed(&self) {
        if let Some(freshness) = &self.freshness {
            freshness.changed();
        }
    }

    /// Tasks that have succeeded are up to date from now on.
    fn keep_fresh(&self, records: &[Record]) {
        let Some(freshness) = &self.freshness else {
            return;
        };
        for record in records {
            if let Some(node) = record.fact.node()
                && let Some(outcome) = self.state.node(node).outcome()
            {
                let spec = self.state.node(node).spec;
                let succeeded = outcome == Outcome::Succeeded;
                let wants = succeeded && freshness.wants_output(node);
                let output = wants.then(|| self.output_of(node)).flatten();
                // What could not be kept, in a folder that can't be written, runs again the next time.
                let _ = freshness.ended(node, spec, succeeded, output.as_deref());
            }
        }
    }

    /// Who a node is to those who know whether it has to run.
    pub(super) fn who(&self, id: NodeId) -> Who {
        let mut parts = Vec::new();
        let mut at = Some(id);
        while let Some(node) = at {
            let spec = self.state.spec(node);
            if let (Some(index), Some(looped)) =
                (self.state.item_index(node), self.state.parent(node))
            {
                parts.push(format!("[{}]", self.evaluator.item_name(looped, index)));
            }
            if let Some(called) = &spec.called {
                parts.push(format!(" {}:{called}", spec.step));
            } else if let Some(task) = &spec.task {
                parts.push(task.identity(&self.state.plan().file));
            }
            at = self.state.parent(node);
        }
        parts.reverse();
        Who {
            id,
            spec: self.state.node(id).spec,
            name: parts.concat(),
        }
    }

    /// What may be read of steps and tasks that have ended, or begin again.
    pub(super) fn remember(&mut self, records: &[Record]) {
        if self.state.plan().results.is_empty() {
            self.handed.clear();
            return;
        }
        for record in records {
            match &record.fact {
                Fact::AttemptFinished { node, again, .. } if self.state.spec(*node).is_leaf() => {
                    let handed = self.handed.remove(node);
                    if let Some(handed) = handed.filter(|_| !again) {
                        let here = self.here(*node);
                        self.evaluator.handed_on(&here, &handed_on(&handed));
                    }
                    if let Some(value) = self.recalled.remove(node).filter(|_| !again) {
                        let here = self.here(*node);
                        self.evaluator.recall_result(&here, &value);
                    }
                    self.ended(*node, record);
                }
                Fact::AttemptFinished {
                    node, again: true, ..
                } => self.evaluator.forget(self.state.subtree(*node).into_iter()),
                Fact::TaskExpanded { node, .. } => {
                    if self.evaluator.keeps(self.state.node(*node).spec) {
                        self.evaluator.expanded(*node, self.state.instances(*node));
                    }
                }
                Fact::TaskUpToDate { nodes, .. } | Fact::TaskBlocked { nodes, .. } => {
                    for node in nodes {
                        if let Some(value) = self.recalled.remove(node) {
                            let here = self.here(*node);
                            self.evaluator.recall_result(&here, &value);
                        }
                        self.ended(*node, record);
                    }
                }
                fact => {
                    if let Some(node) = fact.node() {
                        self.ended(node, record);
                    }
                }
            }
        }
    }

    fn ended(&self, id: NodeId, record: &Record) {
        let node = self.state.node(id);
        let Some(mut outcome) = node.outcome().filter(|_| self.evaluator.keeps(node.spec)) else {
            return;
        };
        // Of a call counts what became of the task.
        let spec = self.state.spec(id);
        if let (Some(_), [child]) = (&spec.called, spec.children()) {
            let child = NodeId(child.0 + (id.0 - node.spec.0));
            let skipped = self.state.node(child).outcome() == Some(Outcome::Skipped);
            if outcome == Outcome::Succeeded && skipped {
                outcome = Outcome::Skipped;
            }
        }
        let ended = Ended {
            status: status(outcome),
            exit_code: match outcome {
                Outcome::Succeeded => Some(0),
                _ => node.exit_code,
            },
            duration: node
                .began_at
                .map(|began| record.at.since(began))
                .unwrap_or_default(),
        };
        self.evaluator.ended(id, ended);
    }

    /// Where a node is, for what is evaluated there.
    pub(super) fn here(&self, id: NodeId) -> Here {
        let mut levels = Vec::new();
        let mut errors = Vec::new();
        let mut at = Some(id);
        while let Some(id) = at {
            let node = self.state.node(id);
            let parent = self.state.parent(id);
            levels.push(Level {
                id,
                spec: node.spec,
                index: self.state.item_index(id),
            });
            if let Some(parent) = parent {
                let handlers = &self.state.rules(parent).handlers;
                let spec = Some(node.spec);
                if handlers.on_failure == spec || handlers.finally == spec {
                    let error = self.failure(parent);
                    errors.extend(error.map(|error| (levels.len() - 1, error)));
                }
            }
            at = parent;
        }
        Here::new(levels, errors)
    }

    /// The task that a node belongs to: the one that was called, where one was.
    pub(super) fn task_name(&self, id: NodeId) -> String {
        let mut at = Some(id);
        while let Some(id) = at {
            if let Some(called) = &self.state.spec(id).called {
                return called.to_string();
            }
            at = self.state.parent(id);
        }
        let address = self.state.address(id);
        format!("{}{}", address.task, address.items)
    }

    /// What went wrong in a node whose handlers run.
    fn failure(&self, id: NodeId) -> Option<Failure> {
        let Stage::Ending(outcome) = self.state.node(id).stage else {
            return None;
        };
        if outcome.is_ok() {
            return None;
        }
        let at = self.state.failed_below(id);
        let (node, address) = (self.state.node(at), self.state.address(at));
        let code = node.exit_code.or(self.state.node(id).exit_code);
        let message = match (&node.reason, code) {
            (Some(reason), _) => reason.clone(),
            (None, Some(code)) if outcome == Outcome::Failed => format!("exit code {code}"),
            _ => outcome.word().to_owned(),
        };
        Some(Failure {
            message,
            exit_code: code,
            task: self.task_name(at),
            step: address.step,
        })
    }

    /// All that is needed to start a command; when its text has no value, its end.
    pub(super) fn job(&mut self, node: NodeId, attempt: u32) -> Result<Result<Job, Event>, Error> {
        let plan = Arc::clone(self.state.plan());
        let Kind::Work(work) = &plan.node(self.state.node(node).spec).kind else {
            return Err(Error::Unsupported("steps of this kind"));
        };
        let evaluated = plan.contexts[work.context() as usize].scope.is_some();
        let label = self.state.rules(node).label.clone();
        let here = if evaluated || label.is_some() {
            self.here(node)
        } else {
            Here::default()
        };
        let not_started = |error: String| {
            let exit = Exit {
                error: Some(error),
                ..Exit::default()
            };
            Ok(Err(Event::Ended {
                node,
                attempt,
                exit,
                result: Handed::default(),
            }))
        };
        if evaluated && self.stops.was_told(node) {
            return not_started("it was stopped before it began".to_owned());
        }
        let rendered = match self.evaluator.command(work, &here) {
            Ok(rendered) => rendered,
            Err(problem) => return not_started(self.evaluator.told(&problem)),
        };
        let label = label.map(|label| match label.text.is_template() {
            true => self
                .evaluator
                .text(label.scope, &label.text, &here)
                .map(|text| self.evaluator.hidden(&eval::written(&text))),
            false => Ok(label.text.text.to_string()),
        });
        let label = match label.transpose() {
            Ok(label) => label,
            Err(problem) => return not_started(self.evaluator.told(&problem)),
        };
        if evaluated || label.is_some() {
            self.notice(&Signal::Command {
                node,
                text: &rendered.shown,
                label: label.as_deref(),
                several_words: &rendered.several_words,
            });
        }
        if let Some(freshness) = &self.freshness {
            freshness.starts(std::iter::successors(Some(node), |node| {
                self.state.parent(*node)
            }));
        }
        let handover = self.handover(node, attempt)?;
        let task = self.task_name(node);
        let mut env = rendered.env;
        let mut add = |name: &str, value: Vec<u8>| env.push((name.to_owned(), value));
        let leaves_running = self.state.rules(node).leave_running;
        if leaves_running {
            // By this it is known from what has to end with the run.
            let mark = family::mark_to_leave(&self.run, node, attempt);
            add(family::TO_LEAVE, mark.into_bytes());
        } else {
            add("FLOW_RUN_ID", self.run.to_string().into_bytes());
            add(family::FLOW_PID, family::flow_pid());
        }
        if let Some(trigger) = self.state.trigger() {
            add("FLOW_TRIGGER", trigger.name.clone().into_bytes());
            if let Some(at) = trigger.scheduled_at {
                add("FLOW_SCHEDULED_AT", at.to_string().into_bytes());
            }
        }
        add("FLOW_TASK", task.into_bytes());
        add("FLOW_ATTEMPT", attempt.to_string().into_bytes());
        add("FLOW_OUTPUT", handover.path().into_os_string().into_vec());
        let rules = self.state.rules(node);
        let (interactive, stdin) = (rules.interactive, rules.stdin);
        let keeps = WhichStreams {
            stdout: rules.keeps_stdout,
            stderr: rules.keeps_stderr,
        };
        Ok(Ok(Job {
            id: node.into(),
            attempt,
            program: rendered.program,
            dir: rendered.dir,
            env,
            logs: self.logs.clone(),
            handover: Some(handover),
            without: if leaves_running {
                &["FLOW_RUN_ID", family::FLOW_PID]
            } else {
                &[]
            },
            keeps,
            stdin,
            own_streams: interactive.then_some(WhichStreams {
                stdout: self.own_streams.stdout && !keeps.stdout,
                stderr: self.own_streams.stderr && !keeps.stderr,
            }),
        }))
    }

    /// What a try may write values to: a file beside the logs of the run, in a folder that is there.
    fn handover(&self, node: NodeId, attempt: u32) -> Result<Handover, Error> {
        match self.logs.as_ref().and_then(Folder::above) {
            Some((folder, run)) => {
                let name = format!("{run}.{node}.{attempt}.out");
                Ok(Handover::File(folder, name))
            }
            None => Handover::in_memory().map_err(Error::Output),
        }
    }

    /// Ctrl-C goes to the command that has the terminal and to nobody else. One that died of it was to be ended with all the
    /// rest, as for a shell.
    pub(super) fn interrupted_at_terminal(&self, event: &Event) -> Option<i32> {
        let (id, exit, stopped) = match event {
            Event::Ended { node, exit, .. } => {
                let stopped = self.state.stopped(*node).is_some();
                (CommandId::Step(*node), exit, stopped)
            }
            Event::Answered { question, said } => {
                (CommandId::Question(*question), &said.exit, false)
            }
            Event::Output { .. } => return None,
        };
        let alone = self.signal.is_none() && !stopped;
        let interrupted = |signal: &i32| *signal == Number::INT.as_raw();
        exit.signal
            .filter(interrupted)
            .filter(|_| alone && self.stops.had_terminal(id))
    }

    /// What another process asks of the run.
    pub(super) fn requested(&self, request: Request) -> Option<Input> {
        match request {
            Request::Cancel { by, reason } => Some(Input::Cancel {
                by: Some(by),
                reason,
            }),
            Request::Annotate { text, by, event } => Some(Input::Note { text, by, event }),
            Request::Release { name, by } => {
                let node = self.locking.as_ref()?.holder(&name)?;
                Some(Input::Release { node, name, by })
            }
        }
    }

    /// What a signal to flow amounts to.
    pub(super) fn signalled(&mut self, number: i32) -> Option<Input> {
        match Number::from_named_raw(number) {
            Some(Number::TSTP) => {
                self.stops.suspend();
                super::signals::suspend();
                self.stops.resume();
                None
            }
            Some(Number::CONT) => {
                self.stops.resume_all();
                None
            }
            Some(Number::CHILD) => {
                self.stops.reap_orphans();
                if self.stops.look_for_stopped() {
                    // Flow is told too, and suspended with it.
                    terminal::suspend_own_group();
                }
                None
            }
            Some(Number::TERM) if self.ends_with_parent() => {
                let (run, _) = self.parent.as_ref()?;
                let reason = Some(format!("run {run}, which had started it, was cancelled"));
                Some(Input::Cancel { by: None, reason })
            }
            _ => {
                self.signal.get_or_insert(number);
                Some(Input::Interrupt { signal: number })
            }
        }
    }

    /// Whether the run whose task started this one was cancelled, which is final for both.
    fn ends_with_parent(&self) -> bool {
        let parent = self.parent.as_ref();
        self.signal.is_none() && parent.is_some_and(|(run, is_cancelled)| is_cancelled(run))
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
                mut exit,
                result,
            } => {
                if self.state.rules(node).leave_running {
                    exit.left = family::left_running(&self.run, node, attempt);
                }
                let handed = handed_on(&result);
                if !handed.is_nothing() {
                    if !self.state.plan().results.is_empty() {
                        self.evaluator.keep_result(node, &handed);
                    }
                    self.handed.insert(node, result);
                }
                Some(Input::Exited {
                    node,
                    attempt,
                    exit,
                })
            }
            Event::Answered { question, said } => {
                self.answered(question, &said);
                if let Some(logs) = &self.logs {
                    asked::forget_handed_on(logs);
                }
                None
            }
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
        let again = self.again.first().map(|(at, _)| *at);
        let asked = self.asked_deadline();
        [
            timer,
            again,
            asked,
            self.stops.next_deadline(),
            self.listen_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether the run is over and no command of it was ever started: such a run is not kept.
    pub(super) fn did_nothing(&self) -> bool {
        let completed = RunStage::Finished(RunEnd::Completed);
        let worked = |task| self.state.node(task).worked;
        self.state.stage() == completed
            && !self.restored
            // Each time of a trigger has its run.
            && self.state.trigger().is_none()
            && !self.state.plan().tasks().any(|(task, _)| worked(task))
    }

    /// How the run ended, if nothing more will happen.
    pub(super) fn ending(&self) -> Option<Ending> {
        if !self.state.is_quiet() || !self.stops.is_empty() {
            return None;
        }
        Some(match (self.state.stage(), self.signal) {
            // It came too late.
            (RunStage::Finished(RunEnd::Completed), _) => Ending::Finished(RunEnd::Completed),
            (_, Some(signal)) => Ending::Interrupted(signal),
            (RunStage::Finished(end), None) => Ending::Finished(end),
            _ => Ending::Paused,
        })
    }
}

/// What a command has handed on.
fn handed_on(handed: &Handed) -> HandedOn<'_> {
    HandedOn {
        outputs: &handed.outputs,
        printed: [handed.stdout.as_deref(), handed.stderr.as_deref()],
    }
}

/// How an end is called where it is read.
const fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "completed",
        Outcome::Skipped => "skipped",
        Outcome::UpToDate => "up_to_date",
        Outcome::Failed | Outcome::TimedOut | Outcome::Lost => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::Interrupted => "interrupted",
        Outcome::Blocked => "blocked",
    }
}

pub(super) fn how(signal: HowToStop) -> Stop {
    match signal {
        HowToStop::Kill => Stop::Kill,
        HowToStop::Terminate => Stop::Ask(Number::TERM),
        HowToStop::Number(libc::SIGINT) => Stop::Ask(Number::INT),
        HowToStop::Number(libc::SIGHUP) => Stop::Ask(Number::HUP),
        // The others mean something else to many programs: SIGQUIT asks for a core dump, SIGUSR1 for a word on how it goes.
        HowToStop::Number(_) => Stop::Ask(Number::TERM),
    }
}

/// Who a fact is put down to: the person for what a person asks, flow for what follows from it.
fn actor<'a>(person: &'a str, fact: &'a Fact) -> &'a str {
    match fact {
        Fact::CancelRequested { by: Some(by), .. }
        | Fact::NoteAdded { by, .. }
        | Fact::LockReleased { by: Some(by), .. } => by,
        Fact::RunCreated { .. }
        | Fact::CancelRequested {
            why: Why::Signal(_) | Why::Cancelled,
            ..
        } => person,
        _ => "flow",
    }
}
