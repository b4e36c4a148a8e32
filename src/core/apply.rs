//! The fold: what a fact makes of the state.
//!
//! It only assigns. It decides nothing, knows no time but the fact's own, and cannot fail; facts of a kind that is not
//! known change nothing but the count.

use super::fact::{Decision, Fact, Outcome, Record, RunEnd, Value, Why};
use super::legal;
use super::state::{RunStage, RunState, Stage, Stop};
use crate::model::id::NodeId;
use crate::model::plan::{Kind, OnLost, OnReject};
use crate::model::time::Timestamp;

impl RunState {
    /// The state after all these facts.
    pub fn fold<'a>(
        plan: std::sync::Arc<crate::model::plan::Plan>,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Self {
        let mut state = Self::new(plan);
        for record in records {
            state.apply(record);
        }
        state
    }

    /// The same of facts that somebody else may have written.
    ///
    /// # Errors
    ///
    /// The number of the first fact that breaks a rule, and the rule.
    pub fn try_fold<'a>(
        plan: std::sync::Arc<crate::model::plan::Plan>,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<Self, (u64, &'static str)> {
        let mut state = Self::new(plan);
        for record in records {
            legal::check(&state, &record.fact).map_err(|rule| (record.seq, rule))?;
            state.apply(record);
        }
        Ok(state)
    }

    /// One more fact has happened.
    pub fn apply(&mut self, record: &Record) {
        self.seq = record.seq;
        let at = record.at;
        match &record.fact {
            Fact::RunCreated { run, trigger, .. } => {
                self.seed = seed(run.as_str());
                self.trigger.clone_from(trigger);
            }
            Fact::ValueKept { .. }
            | Fact::ProcessStarted { .. }
            | Fact::NoteAdded { .. }
            | Fact::Unknown => {}
            Fact::RunStarted {} => self.run_started(at),
            Fact::RunPaused {} => self.stage = RunStage::Paused,
            Fact::RunResumed {} => self.run_resumed(at),
            Fact::CancelRequested { node, why, now, .. } => self.cancel_requested(*node, why, *now),
            Fact::RunFinished { status } => {
                self.stage = RunStage::Finished(*status);
                self.finished_at = Some(at);
            }
            Fact::TaskSkipped { node, reason } => {
                self.finish(*node, Outcome::Skipped, Some(reason.clone()))
            }
            Fact::TaskUpToDate { nodes, from } => {
                let outcome = match from {
                    Some(_) => Outcome::Succeeded,
                    None => Outcome::UpToDate,
                };
                nodes
                    .iter()
                    .for_each(|node| self.finish(*node, outcome, None));
            }
            Fact::TaskBlocked { nodes, .. } => nodes
                .iter()
                .for_each(|node| self.finish(*node, Outcome::Blocked, None)),
            Fact::TaskExpanded { node, items, names } => {
                self.expand(*node, *items);
                self.item_names.insert(*node, names.as_slice().into());
                self.after_asking(*node);
            }
            Fact::TaskFinished {
                node,
                outcome,
                reason,
            } => self.finish(*node, *outcome, reason.clone()),
            Fact::AttemptStarted { node, attempt } => self.attempt_started(*node, *attempt, at),
            Fact::AttemptFinished {
                node,
                attempt,
                outcome,
                again,
                exit,
            } => {
                self.node_mut(*node).exit_code = exit.exit_code.or(self.node(*node).exit_code);
                self.attempt_finished(*node, *attempt, *outcome, *again);
            }
            Fact::RetryScheduled { node, until } => {
                self.reset_children(*node);
                self.node_mut(*node).began_at = None;
                self.set_stage(*node, Stage::Backoff);
                self.set_timer(*node, Some(*until));
            }
            Fact::GateOpened { node } => self.gate_opened(*node, at),
            Fact::GateDecided { node, decision, by } => {
                self.gate_decided(*node, *decision, by.as_deref())
            }
            Fact::LockAcquired {
                node: Some(node), ..
            } => {
                self.begin(*node);
                self.node_mut(*node).locked = true;
                self.set_timer(*node, None);
                self.open(*node);
            }
            Fact::LockAcquired { node: None, .. } => self.run_locked(at),
            // What was taken from it does not stop it, and it gives back what is left.
            Fact::LockReleased { by: Some(_), .. } | Fact::LockReleased { node: None, .. } => {}
            Fact::LockReleased {
                node: Some(node), ..
            } => self.node_mut(*node).locked = false,
            Fact::TimerSet { node, until } => {
                if self.node(*node).stage == Stage::Ready {
                    self.work(*node, at);
                    self.set_stage(*node, Stage::Active);
                }
                self.set_timer(*node, Some(*until));
            }
            Fact::TimerFired { node } => self.timer_fired(*node),
            Fact::ChildStarted { node, .. } => {
                self.work(*node, at);
                self.set_stage(*node, Stage::Active);
            }
            Fact::ChildFinished { node, outcome } => self.finish(*node, *outcome, None),
            Fact::ValueSet { node, value } => self.value_set(*node, *value),
        }
    }

    fn run_started(&mut self, at: Timestamp) {
        self.stage = RunStage::Running;
        self.started_at = Some(at);
        self.goes_on_since = Some(at);
        self.lacks_locks = self.plan.locks.is_some();
        self.next_turn();
    }

    fn run_resumed(&mut self, at: Timestamp) {
        self.stage = RunStage::Running;
        self.goes_on_since = Some(at);
        if self.is_interrupted() {
            self.stop = None;
        }
        self.lacks_locks = self.plan.locks.is_some() || self.holders().next().is_some();
        for index in 0..self.nodes.len() {
            let id = NodeId::at(index);
            match self.node(id).stage {
                Stage::Done(_) => continue,
                Stage::Ending(Outcome::Interrupted) => self.back_from_interruption(id),
                _ => {}
            }
            self.restart_timeout(id, at);
            self.review.insert(id);
        }
        self.look_along_the_line();
    }

    /// It has the locks that it needs to go on.
    fn run_locked(&mut self, at: Timestamp) {
        self.lacks_locks = false;
        self.goes_on_since = Some(at);
        for index in 0..self.nodes.len() {
            let id = NodeId::at(index);
            if !matches!(self.node(id).stage, Stage::Done(_)) {
                self.restart_timeout(id, at);
                self.review.insert(id);
            }
        }
    }

    /// The time in which nothing ran does not count, nor does the one in which it waits for its locks.
    fn restart_timeout(&mut self, id: NodeId, at: Timestamp) {
        let node = self.node(id);
        let timed =
            node.stage == Stage::Active && node.began_at.is_some() && self.stopped(id).is_none();
        if let (true, Some(micros)) = (timed, self.rules(id).timeout_micros) {
            let until = at.plus(std::time::Duration::from_micros(micros));
            self.set_timer(id, (!self.lacks_locks).then_some(until));
        }
    }

    /// Its `finally` has run; now its steps go on, and it will run again.
    fn back_from_interruption(&mut self, id: NodeId) {
        if let Some(finally) = self.handler(id, self.rules(id).handlers.finally) {
            if self.node(finally).begun && self.node(finally).outcome().is_none() {
                self.node_mut(id).children.live -= 1;
            }
            self.reset_children(finally);
            self.reset(finally);
        }
        self.node_mut(id).children.handler = None;
        self.set_stage(id, Stage::Active);
        self.enter_next(id);
    }

    fn cancel_requested(&mut self, node: Option<NodeId>, why: &Why, now: bool) {
        let (outcome, signal, verdict) = match why {
            Why::Signal(signal) => (Outcome::Interrupted, Some(*signal), None),
            Why::Cancelled | Why::Rejected | Why::Outdated => {
                (Outcome::Cancelled, None, Some(RunEnd::Cancelled))
            }
            Why::Failure | Why::Timeout => (Outcome::Cancelled, None, Some(RunEnd::Failed)),
            Why::Decided(outcome) => (*outcome, None, None),
        };
        let stop = Stop {
            outcome,
            signal,
            now,
        };
        match node {
            Some(node) => self.stop_node(node, stop),
            None if *why == Why::Outdated => {
                self.verdict = self.verdict.or(verdict);
                self.outdated = true;
                self.halt();
            }
            None => {
                self.verdict = self.verdict.or(verdict);
                self.stop_run(stop);
            }
        }
    }

    fn stop_node(&mut self, id: NodeId, stop: Stop) {
        self.node_mut(id).stop = Some(stop);
        self.withdraw_stopped(id);
        for node in self.under_way(id) {
            self.still(node);
        }
    }

    /// A cancel is final: a signal that comes later does not make the run resumable again.
    fn stop_run(&mut self, stop: Stop) {
        let cancelled = self
            .stop
            .is_some_and(|before| before.outcome == Outcome::Cancelled);
        let outcome = if cancelled {
            Outcome::Cancelled
        } else {
            stop.outcome
        };
        self.stop = Some(Stop { outcome, ..stop });
        self.look_along_the_line();
        for index in 0..self.nodes.len() {
            if !matches!(self.nodes[index].stage, Stage::Done(_) | Stage::Idle) {
                self.still(NodeId::at(index));
            }
        }
    }

    /// A node that is to stop has no timer any more, unless it is at its own pace: a delay, a handler.
    fn still(&mut self, id: NodeId) {
        let stopped = self.stopped(id);
        let waits = matches!(
            self.node(id).stage,
            Stage::Backoff | Stage::Deciding | Stage::Locking
        ) || matches!(self.spec(id).kind, Kind::Wait { .. });
        if stopped.is_some_and(|stop| stop.outcome != Outcome::Interrupted || !waits) {
            self.set_timer(id, None);
        }
        self.review.insert(id);
    }

    fn attempt_started(&mut self, id: NodeId, attempt: u32, at: Timestamp) {
        self.node_mut(id).attempt = attempt;
        self.node_mut(id).began_at = None;
        self.work(id, at);
        self.set_stage(id, Stage::Active);
    }

    fn attempt_finished(&mut self, id: NodeId, attempt: u32, outcome: Outcome, again: bool) {
        let leaf = self.spec(id).is_leaf();
        self.begin(id);
        self.set_timer(id, None);
        self.node_mut(id).stop = None;
        self.review.insert(id);
        if outcome == Outcome::Interrupted {
            self.review_above(id);
        } else {
            self.node_mut(id).attempt = attempt;
        }
        match (leaf, again) {
            (true, true) if matches!(outcome, Outcome::Lost | Outcome::Interrupted) => {
                self.node_mut(id).uncounted += 1;
                let ask = outcome == Outcome::Lost && self.rules(id).on_lost == OnLost::Ask;
                self.node_mut(id).doubtful = ask;
                self.set_stage(id, if ask { Stage::Gate } else { Stage::Ready });
            }
            (_, true) => self.set_stage(id, Stage::Tried),
            (true, false) => self.finish(id, outcome, None),
            (false, false) => self.end_steps(id, outcome),
        }
    }

    /// The last try of a composite is over: now its handlers have their turn.
    fn end_steps(&mut self, id: NodeId, outcome: Outcome) {
        if outcome != Outcome::Interrupted {
            self.withdraw_children(id);
        }
        self.set_stage(id, Stage::Ending(outcome));
        let handler = self.handlers_after(id, outcome).first().copied();
        self.node_mut(id).children.handler = handler;
        if let Some(handler) = handler {
            self.enter(handler);
        }
    }

    fn gate_opened(&mut self, id: NodeId, at: Timestamp) {
        self.begin(id);
        self.set_stage(id, Stage::Deciding);
        self.review.insert(id);
        let timeout = self
            .rules(id)
            .gate
            .as_ref()
            .and_then(|gate| gate.timeout_micros);
        let doubtful = self.node(id).doubtful;
        let timeout = timeout
            .filter(|_| !doubtful)
            .map(std::time::Duration::from_micros);
        self.set_timer(id, timeout.map(|timeout| at.plus(timeout)));
    }

    fn gate_decided(&mut self, id: NodeId, decision: Decision, by: Option<&str>) {
        self.review.insert(id);
        let rule = self.rules(id).gate.as_ref();
        let (needed, cancels) = rule.map_or((1, false), |gate| {
            (gate.count, gate.on_reject == OnReject::Cancel)
        });
        let doubtful = self.node(id).doubtful;
        if decision != Decision::Approved {
            self.rejected |= decision == Decision::Rejected && cancels && !doubtful;
            self.set_timer(id, None);
            return self.set_stage(id, Stage::Refused);
        }
        self.node_mut(id).approvals.extend(by.map(str::to_owned));
        if doubtful {
            self.node_mut(id).doubtful = false;
            self.set_stage(id, Stage::Ready);
        } else if by.is_none() || self.node(id).approvals.len() >= needed as usize {
            self.set_timer(id, None);
            self.after_gate(id);
        }
    }

    fn timer_fired(&mut self, id: NodeId) {
        self.set_timer(id, None);
        match (self.node(id).stage, &self.spec(id).kind) {
            (Stage::Active, Kind::Wait { .. }) => self.finish(id, Outcome::Succeeded, None),
            (Stage::Active, _) => {
                self.stop_node(
                    id,
                    Stop {
                        outcome: Outcome::TimedOut,
                        signal: None,
                        now: false,
                    },
                );
            }
            (Stage::Backoff, _) => self.open(id),
            _ => {}
        }
    }

    fn value_set(&mut self, id: NodeId, value: Value) {
        if self.asks_first(id) {
            return self.asked_first(id);
        }
        if let Value::Branch(branch) = value {
            self.node_mut(id).children.branch = Some(branch);
        }
        match self.spec(id).kind {
            Kind::Check => self.finish(id, Outcome::Succeeded, None),
            _ => self.after_asking(id),
        }
    }
}

/// FNV-1a of the id: the same for every fold of the run.
fn seed(run: &str) -> u64 {
    run.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
