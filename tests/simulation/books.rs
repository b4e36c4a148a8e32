//! Books of a run that are kept from its facts alone, never from the state: times, people, locks, stops, limits.
//!
//! They say again, in other words, what the rules of a plan promise, so that a core that keeps its state consistent but
//! forgets a rule is found out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flow::core::RunState;
use flow::core::action::{Action, Signal};
use flow::core::fact::{Decision, Exit, Fact, Outcome, Record, RunEnd, Why};
use flow::core::state::Stage;
use flow::model::id::NodeId;
use flow::model::plan::{Gate, Kind, Node, On, OnFailure, OnLost, OnReject, Plan, WaitFor};
use flow::model::time::Timestamp;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    outcome: Outcome,
    now: bool,
}

pub(crate) struct Books {
    plan: Arc<Plan>,
    /// Of the whole run, and of nodes.
    stop: Option<Stop>,
    verdict: Option<RunEnd>,
    /// A task has failed.
    failed: bool,
    /// What it is made of has changed: nothing new begins.
    outdated: bool,
    /// The tasks of which something has begun.
    worked: BTreeSet<String>,
    blocked: BTreeSet<NodeId>,
    /// It waits for locks before anything goes on.
    unlocked: bool,
    nodes: BTreeMap<String, Entry>,
}

/// What is known of one node in this round.
#[derive(Default)]
struct Entry {
    stop: Option<Stop>,
    /// Something of it has begun and it has not ended.
    live: bool,
    /// When its try began, or the run was last taken up.
    began: Option<Timestamp>,
    /// The end of its wait, or of waiting for its locks.
    timer: Option<Timestamp>,
    backoff: Option<Timestamp>,
    /// Its tries that have failed and count.
    tries: u32,
    exit_code: Option<i32>,
    opened: Option<Timestamp>,
    agreed: BTreeSet<String>,
    passed: bool,
    refused: Option<OnReject>,
    locked: bool,
    doubtful: bool,
    /// Of a loop.
    items: u32,
    /// How its steps ended: its handlers have their turn.
    ending: Option<Outcome>,
    /// How its children ended, and whether that counts as success.
    ends: Vec<(Outcome, bool)>,
}

/// Where a node stands, as `t1[0]/2/finally`.
pub(crate) fn place(state: &RunState, node: NodeId) -> String {
    let address = state.numbered(node);
    let steps = address.step.split('.').filter(|step| !step.is_empty());
    let steps = steps.map(|step| format!("/{step}")).collect::<String>();
    format!("{}{}{}", address.task, address.items, steps)
}

fn above(place: &str) -> Option<&str> {
    place.rfind(['/', '[']).map(|end| &place[..end])
}

fn is_handler(place: &str) -> bool {
    ["/finally", "/on_failure", "/on_success"]
        .iter()
        .any(|name| place.ends_with(name))
}

fn after(at: Timestamp, micros: u64) -> Timestamp {
    at.plus(Duration::from_micros(micros))
}

impl Books {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            stop: None,
            verdict: None,
            failed: false,
            outdated: false,
            worked: BTreeSet::new(),
            blocked: BTreeSet::new(),
            unlocked: false,
            nodes: BTreeMap::new(),
        }
    }

    fn entry(&mut self, place: &str) -> &mut Entry {
        self.nodes.entry(place.to_owned()).or_default()
    }

    fn own_stop(&self, place: &str) -> Option<Stop> {
        self.nodes.get(place)?.stop
    }

    /// What stops a node: the nearest that was told to, but a handler does not stop with the node that it belongs to.
    pub(crate) fn stopped(&self, place: &str) -> Option<Stop> {
        self.stopped_beyond(place, true)
    }

    fn stopped_beyond(&self, place: &str, itself: bool) -> Option<Stop> {
        if let Some(stop) = self.stop.filter(|stop| stop.now) {
            return Some(stop);
        }
        let (mut at, mut own) = (place, itself);
        loop {
            if let Some(stop) = self.own_stop(at).filter(|_| own) {
                return Some(stop);
            }
            if is_handler(at) {
                return None;
            }
            let Some(parent) = above(at) else {
                return self.stop;
            };
            (at, own) = (parent, true);
        }
    }

    /// A node and those that it is part of, with their nodes of the plan.
    fn chain(&self, place: &str, spec: NodeId) -> Vec<(String, Node)> {
        let mut chain = Vec::new();
        let (mut place, mut spec) = (Some(place), Some(spec));
        while let (Some(at), Some(id)) = (place, spec) {
            let node = self.plan.node(id).clone();
            (place, spec) = (above(at), node.parent);
            chain.push((at.to_owned(), node));
        }
        chain
    }

    fn forget_below(&mut self, place: &str) {
        let below = |key: &String| {
            let rest = key.strip_prefix(place);
            rest.is_some_and(|rest| rest.starts_with(['/', '[']))
        };
        self.nodes.retain(|key, _| !below(key));
    }

    /// Whether the whole run was told to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_some() || self.outdated
    }

    /// What the world is asked to do fits what was told to stop.
    pub(crate) fn check_action(&self, state: &RunState, action: &Action) {
        let node = match action {
            Action::Run { node, .. } | Action::Stop { node, .. } => node,
            Action::Ask { node, .. } | Action::Lock { node, .. } => node,
            Action::Approve { node } | Action::NameChild { node } => node,
            Action::FollowChild { node, .. } => node,
            Action::LockRun => return,
        };
        let stop = self.stopped(&place(state, *node));
        match action {
            Action::Stop { signal, .. } => {
                let stop = stop.expect("something is to stop that nobody told to");
                let fits = match signal {
                    Signal::Kill => stop.now,
                    Signal::Number(_) => !stop.now && stop.outcome == Outcome::Interrupted,
                    Signal::Terminate => !stop.now && stop.outcome != Outcome::Interrupted,
                };
                assert!(fits, "the wrong signal: {signal:?} for {stop:?}");
            }
            Action::FollowChild { stop: told, .. } => {
                assert_eq!(*told, stop.is_some(), "a child run is not told to stop");
            }
            _ => assert!(stop.is_none(), "{action:?} of what was told to stop"),
        }
    }

    /// One more fact; `state` is asked for names only, and once whether a gate is still open.
    pub(crate) fn note(&mut self, state: &RunState, record: &Record) {
        let at = record.at;
        match &record.fact {
            Fact::RunStarted {} => self.unlocked = state.lacks_locks(),
            Fact::RunResumed {} => {
                self.resumed(at);
                self.unlocked = state.lacks_locks();
            }
            Fact::LockAcquired { node: None, .. } => {
                assert!(std::mem::take(&mut self.unlocked), "it lacks no locks");
                for entry in self.nodes.values_mut() {
                    entry.began = entry.began.map(|_| at);
                }
            }
            Fact::CancelRequested {
                node: None,
                why,
                now,
                ..
            } if *why == Why::Outdated => {
                assert!(
                    self.stop.is_none() && !self.outdated && !now,
                    "it is outdated once"
                );
                self.outdated = true;
                self.verdict = self.verdict.or(Some(RunEnd::Cancelled));
            }
            Fact::CancelRequested {
                node: None,
                why,
                now,
                ..
            } => self.run_told_to_stop(why, *now),
            Fact::RunFinished { status } => {
                let expected = self.verdict.unwrap_or(if self.failed {
                    RunEnd::Failed
                } else {
                    RunEnd::Completed
                });
                assert_eq!(*status, expected, "the run ended otherwise");
                let open = self.nodes.values().any(|entry| entry.opened.is_some());
                assert!(!open, "a run finished with an open gate");
            }
            Fact::TaskBlocked { nodes, cause } => self.are_blocked(nodes, *cause),
            Fact::TaskUpToDate { nodes, .. } => {
                for node in nodes {
                    let id = state.node(*node).spec;
                    self.ended(&place(state, *node), id, Outcome::UpToDate);
                }
            }
            fact => {
                if let Some(node) = fact.node() {
                    let spec = state.node(node).spec;
                    self.note_node(state, node, &place(state, node), spec, fact, at);
                }
            }
        }
    }

    fn note_node(
        &mut self,
        state: &RunState,
        node: NodeId,
        place: &str,
        id: NodeId,
        fact: &Fact,
        at: Timestamp,
    ) {
        let spec = self.plan.node(id).clone();
        let rules = spec.rules();
        match fact {
            Fact::CancelRequested { why, .. } => {
                let outcome = match why {
                    Why::Decided(outcome) => {
                        let expected = self.comes_to(place, &spec);
                        assert_eq!(Some(*outcome), expected, "a group came to something else");
                        assert!(self.is_decided(place, &spec), "a group ends undecided");
                        *outcome
                    }
                    Why::Outdated => {
                        assert!(self.outdated, "a task is outdated in a run that is");
                        Outcome::Cancelled
                    }
                    _ => Outcome::Cancelled,
                };
                self.entry(place).stop = Some(Stop {
                    outcome,
                    now: false,
                });
            }
            Fact::AttemptStarted { .. } | Fact::ChildStarted { .. } => {
                let stopping = self.plan.on_failure == OnFailure::Stop && self.failed;
                assert!(!stopping || self.stop.is_some(), "a failure stops the run");
                self.begins(place, id, at);
            }
            Fact::AttemptFinished {
                outcome,
                again,
                exit,
                ..
            } => self.try_ended(place, id, (*outcome, *again), exit, at),
            Fact::RetryScheduled { until, .. } => {
                self.forget_below(place);
                let entry = self.entry(place);
                entry.tries += 1;
                entry.ends.clear();
                let earliest = at.plus(rules.retry.delay(entry.tries));
                let latest = earliest.plus(Duration::from_micros(rules.retry.jitter_micros));
                assert!(
                    (earliest..=latest).contains(until),
                    "the wrong delay before the next try"
                );
                (entry.began, entry.backoff) = (None, Some(*until));
            }
            Fact::GateOpened { .. } => {
                self.is_live(place, id);
                let entry = self.entry(place);
                (entry.opened, entry.passed) = (Some(at), false);
                entry.agreed.clear();
            }
            Fact::GateDecided { decision, by, .. } => {
                let entry = self.entry(place);
                entry.decided(rules.gate.as_ref(), *decision, by.as_deref(), at);
                let open = state.node(node).stage == Stage::Deciding;
                assert_eq!(open, entry.opened.is_some(), "a gate is open or it is not");
            }
            Fact::LockAcquired { .. } => {
                assert!(self.stopped(place).is_none(), "locks of what is to stop");
                self.is_live(place, id);
                let limited = rules.locks.as_ref().and_then(|locks| locks.wait_micros);
                let limited = limited.filter(|micros| *micros > 0);
                let entry = self.entry(place);
                entry.locked = true;
                let until = entry.timer.take();
                assert!(
                    limited.is_none() || until.is_some_and(|until| at <= until),
                    "it waited too long for its locks"
                );
            }
            Fact::TaskExpanded { items, .. } => self.entry(place).items = *items,
            Fact::LockReleased { .. } => {
                let held = std::mem::take(&mut self.entry(place).locked);
                assert!(held, "a lock was given back twice");
            }
            Fact::TimerSet { until, .. } => {
                let micros = match spec.kind {
                    Kind::Wait { micros } => {
                        self.begins(place, id, at);
                        Some(micros)
                    }
                    _ => rules.locks.as_ref().and_then(|locks| locks.wait_micros),
                };
                let expected = micros.map(|micros| after(at, micros));
                assert_eq!(Some(*until), expected, "a timer was set wrongly");
                self.entry(place).timer = Some(*until);
            }
            Fact::TimerFired { .. } => self.fired(place, id, at),
            Fact::ValueSet { .. } if spec.kind == Kind::Check => {
                self.ended(place, id, Outcome::Succeeded);
            }
            Fact::ChildFinished { outcome, .. } => self.ended(place, id, *outcome),
            Fact::TaskFinished {
                outcome, reason, ..
            } => {
                if let Some(stop) = self.own_stop(place) {
                    assert_eq!(*outcome, stop.outcome, "what was stopped ended otherwise");
                }
                if reason
                    .as_ref()
                    .is_some_and(|reason| reason.ends_with("for its locks"))
                {
                    let until = self.entry(place).timer;
                    assert!(until.is_some_and(|until| at >= until), "it did not wait");
                }
                if !spec.is_leaf() && reason.is_none() && self.entry(place).ending.is_none() {
                    self.steps_ended(place, &spec, *outcome, at);
                }
                match self.entry(place).refused {
                    None => {}
                    Some(_) if *outcome == Outcome::Cancelled => {}
                    refused => assert_eq!(refused, Some(OnReject::Fail), "a refusal came to this"),
                }
                self.ended(place, id, *outcome);
            }
            Fact::TaskSkipped { .. } => {
                let refused = self.entry(place).refused;
                assert!(
                    refused.is_none_or(|refused| refused == OnReject::Skip),
                    "a refusal skips"
                );
                self.ended(place, id, Outcome::Skipped);
            }
            _ => {}
        }
    }

    fn resumed(&mut self, at: Timestamp) {
        let interrupted = self
            .stop
            .is_some_and(|stop| stop.outcome == Outcome::Interrupted);
        self.stop = self.stop.filter(|_| !interrupted);
        let mut again = Vec::new();
        for (place, entry) in &mut self.nodes {
            entry.began = entry.began.map(|_| at);
            if entry.ending == Some(Outcome::Interrupted) {
                entry.ending = None;
                again.push(format!("{place}/finally"));
            }
        }
        for finally in again {
            self.forget_below(&finally);
            self.nodes.remove(&finally);
        }
    }

    fn run_told_to_stop(&mut self, why: &Why, now: bool) {
        let (outcome, verdict) = match why {
            Why::Signal(_) => (Outcome::Interrupted, None),
            Why::Failure | Why::Timeout => (Outcome::Cancelled, Some(RunEnd::Failed)),
            _ => (Outcome::Cancelled, Some(RunEnd::Cancelled)),
        };
        let before = self.stop;
        let signalled = before.is_some_and(|stop| stop.outcome == Outcome::Interrupted);
        let insists = before.is_some_and(|stop| stop.now || !(signalled && *why == Why::Cancelled));
        assert_eq!(now, insists, "the second time of asking insists");
        self.verdict = self.verdict.or(verdict);
        let cancelled = before.is_some() && !signalled;
        self.stop = Some(Stop {
            outcome: if cancelled {
                Outcome::Cancelled
            } else {
                outcome
            },
            now,
        });
    }

    fn are_blocked(&mut self, nodes: &[NodeId], cause: NodeId) {
        // A task whose turn comes late, or whose early condition is answered late, is wanted, and so blocked, late.
        let late = self.plan.in_order || self.plan.tasks().any(|(_, task)| task.ask_first);
        assert!(
            late || !self.blocked.contains(&cause),
            "all that a failure blocks is blocked with it"
        );
        self.blocked.extend(nodes);
        for node in nodes {
            let broken = |need: &NodeId| *need == cause || self.blocked.contains(need);
            assert!(
                self.may_need(*node).iter().any(broken),
                "a task is blocked by what it does not need"
            );
        }
    }

    /// What must succeed before a task: what it needs, and what those hand on to it that are skipped.
    fn may_need(&self, id: NodeId) -> BTreeSet<NodeId> {
        let (mut found, mut left) = (BTreeSet::new(), vec![id]);
        while let Some(at) = left.pop() {
            let task = self.plan.node(at).task.as_ref().expect("a task");
            for need in task.needs.iter().filter(|need| need.on == On::Success) {
                let node = self.plan.node(need.task);
                let hands_on = node.task.as_ref().is_some_and(|task| task.hands_on);
                let passes = hands_on || node.is_leaf() || node.children().is_empty();
                if found.insert(need.task) && passes {
                    left.push(need.task);
                }
            }
        }
        found
    }

    fn is_live(&mut self, place: &str, id: NodeId) {
        for (at, node) in self.chain(place, id) {
            self.entry(&at).live = true;
            let Some(group) = node.group() else {
                continue;
            };
            let live = self.nodes.iter().filter(|(child, entry)| {
                entry.live && !is_handler(child) && above(child) == Some(at.as_str())
            });
            assert!(
                group
                    .parallel_max
                    .is_none_or(|max| live.count() <= max as usize),
                "more steps at the same time than may be"
            );
        }
    }

    /// A step starts.
    fn begins(&mut self, place: &str, id: NodeId, now: Timestamp) {
        assert!(self.stopped(place).is_none(), "it starts after its stop");
        assert!(!self.unlocked, "it starts before the run has its locks");
        self.is_live(place, id);
        let task = place.split(['/', '[']).next().unwrap_or(place);
        let new = self.worked.insert(task.to_owned());
        // What waits for a failure begins all the same, and what tidies up.
        let handler = ["on_success", "on_failure", "finally"];
        let tidies = place.split(['/', '[']).any(|part| handler.contains(&part));
        let outdated = self.outdated && !self.failed && !tidies;
        assert!(
            !(new && outdated),
            "a task begins in a run that is outdated: {place}"
        );
        for (at, node) in self.chain(place, id) {
            let handled = above(&at).and_then(|parent| self.nodes[parent].ending);
            let entry = self.entry(&at);
            let rules = node.rules();
            assert!(entry.locked || rules.locks.is_none(), "it starts unlocked");
            assert!(entry.passed || rules.gate.is_none(), "its gate is shut");
            assert!(entry.backoff.is_none(), "it starts before its time");
            assert!(!entry.doubtful, "it starts in doubt");
            entry.began.get_or_insert(now);
            match at.rsplit('/').next() {
                Some("on_failure") => assert!(
                    handled.is_some_and(Outcome::is_failure),
                    "on_failure without one"
                ),
                Some("on_success") => {
                    assert_eq!(handled, Some(Outcome::Succeeded), "on_success without one");
                }
                Some("finally") => assert!(handled.is_some(), "finally before the end"),
                _ => {}
            }
        }
    }

    fn in_time(&self, place: &str, spec: &Node, at: Timestamp) {
        let began = self.nodes.get(place).and_then(|entry| entry.began);
        if let (Some(began), Some(micros)) = (began, spec.rules().timeout_micros)
            && self.stopped(place).is_none()
            && !self.unlocked
        {
            assert!(at <= after(began, micros), "it worked beyond its timeout");
        }
    }

    fn try_ended(
        &mut self,
        place: &str,
        id: NodeId,
        (outcome, again): (Outcome, bool),
        exit: &Exit,
        at: Timestamp,
    ) {
        let spec = self.plan.node(id).clone();
        let (leaf, rules) = (spec.is_leaf(), spec.rules());
        self.in_time(place, &spec, at);
        let own = self.own_stop(place);
        let above = self.stopped_beyond(place, false);
        if exit.exit_code.is_some() {
            self.entry(place).exit_code = exit.exit_code;
        }
        if let Some(stop) = own {
            assert_eq!(outcome, stop.outcome, "what was stopped ended otherwise");
        } else if leaf {
            let expected = match above {
                _ if exit.exit_code == Some(0) => Outcome::Succeeded,
                Some(stop) if stop.outcome == Outcome::Interrupted => Outcome::Interrupted,
                Some(_) => Outcome::Cancelled,
                None if *exit == Exit::default() => Outcome::Lost,
                None => Outcome::Failed,
            };
            assert_eq!(outcome, expected, "a try ended otherwise");
        } else if outcome != Outcome::Interrupted {
            self.steps_ended(place, &spec, outcome, at);
        }
        let (codes, entry) = (&rules.retry.on_exit_codes, self.entry(place));
        let gone = leaf && *exit == Exit::default();
        let known = entry.exit_code.filter(|_| !gone);
        let fits = known.is_none_or(|code| codes.is_empty() || codes.contains(&code));
        let expected = match outcome {
            Outcome::Lost => rules.on_lost != OnLost::Fail,
            Outcome::Interrupted => leaf,
            _ => {
                let left = entry.tries + 1 < rules.retry.attempts;
                outcome.is_failure() && above.is_none() && fits && left
            }
        };
        assert_eq!(again, expected, "the next try: {outcome:?}");
        entry.doubtful = outcome == Outcome::Lost && again && rules.on_lost == OnLost::Ask;
        entry.stop = None;
        if leaf || outcome != Outcome::Interrupted {
            entry.began = None;
        }
        match (leaf, again) {
            (true, false) => self.ended(place, id, outcome),
            (false, false) => {
                let entry = self.entry(place);
                (entry.ending, entry.backoff) = (Some(outcome), None);
            }
            _ => {}
        }
    }

    /// What the ends of its children amount to.
    fn comes_to(&self, place: &str, spec: &Node) -> Option<Outcome> {
        let ends = &self.nodes.get(place)?.ends;
        let (ok, failed) = (Some(Outcome::Succeeded), Some(Outcome::Failed));
        let won = |(end, _): &(Outcome, bool)| end.is_ok() && *end != Outcome::Skipped;
        match spec.group()?.wait_for {
            WaitFor::All if ends.iter().all(|(_, good)| *good) => ok,
            WaitFor::All => failed,
            WaitFor::Any if ends.iter().any(won) => ok,
            WaitFor::Any if ends.is_empty() || ends.iter().any(|(_, good)| *good) => ok,
            WaitFor::Any => failed,
            WaitFor::First => {
                let first = ends.iter().find(|(end, _)| *end != Outcome::Skipped);
                if first.is_none_or(|(_, good)| *good) {
                    ok
                } else {
                    failed
                }
            }
        }
    }

    /// Whether one of its children has settled what a group comes to.
    fn is_decided(&self, place: &str, spec: &Node) -> bool {
        let Some((entry, group)) = self.nodes.get(place).zip(spec.group()) else {
            return false;
        };
        entry.ends.iter().any(|(end, good)| match group.wait_for {
            WaitFor::All => !good && group.stop_on_failure,
            WaitFor::Any => end.is_ok() && *end != Outcome::Skipped,
            WaitFor::First => *end != Outcome::Skipped,
        })
    }

    /// The steps of a composite node are through.
    fn steps_ended(&mut self, place: &str, spec: &Node, outcome: Outcome, at: Timestamp) {
        self.in_time(place, spec, at);
        let stopped = self.stopped(place);
        self.entry(place);
        if stopped.is_none() {
            let expected = self.comes_to(place, spec);
            assert!(
                Some(outcome) == expected || outcome == Outcome::Cancelled,
                "a group came to {outcome:?}, not {expected:?}"
            );
            let entry = self.entry(place);
            let count = match &spec.kind {
                Kind::Loop { .. } => entry.items as usize,
                Kind::Choice { .. } => 1,
                _ => spec.children().len(),
            };
            let all = entry.ends.len() == count;
            assert!(
                all || outcome == Outcome::Cancelled || self.is_decided(place, spec),
                "a group ends undecided"
            );
        }
    }

    fn ended(&mut self, place: &str, id: NodeId, outcome: Outcome) {
        self.forget_below(place);
        let spec = self.plan.node(id).clone();
        let good = outcome.is_ok() || outcome.is_failure() && spec.rules().ignore_error;
        let before = self.nodes.remove(place).unwrap_or_default();
        let entry = self.entry(place);
        (entry.locked, entry.exit_code) = (before.locked, before.exit_code);
        match above(place) {
            Some(parent) if !is_handler(place) => {
                let code = before.exit_code;
                let parent = self.entry(parent);
                parent.ends.push((outcome, good));
                parent.exit_code = if good { parent.exit_code } else { code };
            }
            Some(_) => {}
            None => self.failed |= outcome.is_failure() && !good,
        }
    }

    fn fired(&mut self, place: &str, id: NodeId, at: Timestamp) {
        let spec = self.plan.node(id).clone();
        let stop = self.stopped(place);
        let entry = self.entry(place);
        let (until, harmless) = match (entry.backoff.take(), &spec.kind) {
            (Some(until), _) => (Some(until), true),
            (None, Kind::Wait { .. }) => (entry.timer, true),
            (None, _) => {
                entry.stop = Some(Stop {
                    outcome: Outcome::TimedOut,
                    now: false,
                });
                let limit = spec.rules().timeout_micros;
                (
                    entry
                        .began
                        .zip(limit)
                        .map(|(began, limit)| after(began, limit)),
                    false,
                )
            }
        };
        assert!(
            until.is_some_and(|until| at >= until),
            "a timer fired early"
        );
        assert!(
            stop.is_none_or(|stop| harmless && stop.outcome == Outcome::Interrupted),
            "a timer fired of what was told to stop"
        );
        if matches!(spec.kind, Kind::Wait { .. }) {
            self.ended(place, id, Outcome::Succeeded);
        }
    }
}

impl Entry {
    fn decided(
        &mut self,
        rule: Option<&Gate>,
        decision: Decision,
        by: Option<&str>,
        at: Timestamp,
    ) {
        let opened = self.opened.expect("a gate was decided that was not open");
        let rule = rule.filter(|_| !self.doubtful);
        let limit = rule.and_then(|rule| rule.timeout_micros);
        let limit = limit.map(|micros| after(opened, micros));
        match (decision, by) {
            (Decision::Closed, _) => {}
            (_, Some(_)) => assert!(limit.is_none_or(|limit| at <= limit), "decided too late"),
            (_, None) => {
                assert!(limit.is_some_and(|limit| at >= limit), "decided too early");
                let approves = rule.is_some_and(|rule| rule.timeout_approves);
                assert_eq!(
                    approves,
                    decision == Decision::Approved,
                    "the wrong default"
                );
            }
        }
        if decision == Decision::Approved {
            let new = by.is_none_or(|by| self.agreed.insert(by.to_owned()));
            assert!(new, "the same person agreed twice");
            let needed = rule.map_or(1, |rule| rule.count as usize);
            if by.is_some() && self.agreed.len() < needed {
                return;
            }
            // A doubt is about one try, a gate about the node.
            self.passed |= !std::mem::take(&mut self.doubtful);
        } else {
            let on_reject = rule.map_or(OnReject::Fail, |rule| rule.on_reject);
            self.refused = Some(on_reject);
        }
        self.opened = None;
    }
}
