//! One input becomes facts: what came in from the world, and what that means by the rules.
//!
//! Every input about a node names the try or the round that it speaks of. One that speaks of another than the current is
//! late, from an engine that died or for a question that is not asked any more, and becomes nothing.

use std::collections::HashSet;

use super::fact::{
    Decision, Exit, Fact, Given, Outcome, Process, Project, RunEnd, Triggered, Value, Why,
};
use super::state::{RunStage, RunState, Stage};
use crate::model::id::{NodeId, RunId};
use crate::model::plan::{Kind, OnLost, Plan};

/// Something from outside that may change a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The run begins.
    Start {
        /// Its id.
        run: RunId,
        /// The hash of its plan.
        plan: String,
        /// The run that started it.
        parent: Option<RunId>,
        /// The run that it tries once more.
        retry_of: Option<RunId>,
        /// The trigger that started it.
        trigger: Option<Triggered>,
        /// What it was given, as the fact says it.
        given: Given,
    },
    /// These tasks have nothing to do, as is known before anything runs; each comes after those that it needs.
    UpToDate {
        /// The tasks.
        nodes: Vec<NodeId>,
    },
    /// Another process takes it up.
    Resume,
    /// Something was evaluated that is to serve again when the run is resumed.
    Keep {
        /// The node that it belongs to.
        node: Option<NodeId>,
        /// What it is.
        name: String,
        /// What came of it.
        value: serde_json::Value,
    },
    /// Time has passed. Every turn looks at the timers, so this says nothing else.
    Tick,
    /// A process was started for a try, or without one for an answer.
    Begun {
        /// The node and the try.
        of: Option<(NodeId, u32)>,
        /// The process.
        process: Process,
    },
    /// The process of a try has ended, or could not be started.
    Exited {
        /// The node.
        node: NodeId,
        /// The try.
        attempt: u32,
        /// How.
        exit: Exit,
    },
    /// The process of a try is gone and nobody saw how.
    Lost {
        /// The node.
        node: NodeId,
        /// The try.
        attempt: u32,
    },
    /// A question was answered.
    Answered {
        /// The node.
        node: NodeId,
        /// The round in which it was asked.
        round: u32,
        /// The answer.
        answer: Answer,
    },
    /// All locks of a node were taken for it.
    Locked {
        /// The node.
        node: NodeId,
        /// The round in which they were asked for.
        round: u32,
        /// Their names.
        names: Vec<String>,
    },
    /// The locks of a node can't be taken.
    Unlockable {
        /// The node.
        node: NodeId,
        /// The round in which they were asked for.
        round: u32,
        /// Why not.
        reason: String,
    },
    /// The locks of the run were taken, and those of what was under way when it was taken up.
    RunLocked {
        /// Their names.
        names: Vec<String>,
    },
    /// The locks of the run can't be taken.
    RunUnlockable {
        /// Why not.
        reason: String,
    },
    /// Somebody has something to say.
    Note {
        /// What.
        text: String,
        /// Who.
        by: String,
        /// The fact that it is about.
        event: Option<u64>,
    },
    /// Somebody takes a lock from whoever holds it.
    Release {
        /// The node that holds it; `None` for the run.
        node: Option<NodeId>,
        /// The lock.
        name: String,
        /// Who takes it.
        by: String,
    },
    /// Somebody decided at a gate.
    Decided {
        /// The node.
        node: NodeId,
        /// Whether it may go on.
        approve: bool,
        /// Who.
        by: String,
    },
    /// A child run is about to begin.
    ChildNamed {
        /// The node.
        node: NodeId,
        /// The run.
        run: RunId,
    },
    /// A child run has ended.
    ChildEnded {
        /// The node.
        node: NodeId,
        /// How.
        status: RunEnd,
    },
    /// Somebody wants the run to stop.
    Cancel {
        /// Who.
        by: Option<String>,
        /// Why, in their words.
        reason: Option<String>,
    },
    /// What these tasks are made of has changed while the run goes on.
    Outdated {
        /// The tasks; those that need them are concerned too.
        tasks: Vec<NodeId>,
        /// What has changed, as a sentence.
        what: String,
    },
    /// flow got a signal.
    Interrupt {
        /// Its number.
        signal: i32,
    },
}

/// An answer to a node's question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Go,
    /// Take this branch.
    Branch(u32),
    /// These are its items, by the names that people know them by.
    Items(Vec<String>),
    /// It need not run, for this reason.
    Skip(String),
    /// Nothing has changed since its results were made.
    UpToDate,
    /// It was done in this run, from which this one takes it over.
    TakenOver(RunId),
    /// It must not run, for this reason.
    Fail(String),
    /// Answering took longer than its time, or that of what it is part of; in words.
    TimedOut(String),
}

/// The facts that an input amounts to.
pub fn decide(state: &RunState, input: &Input) -> Vec<Fact> {
    let ended = matches!(state.stage(), RunStage::Finished(_));
    match input {
        _ if ended => Vec::new(),
        Input::Start { .. } => start(state, input),
        Input::UpToDate { nodes } => up_to_date(state, nodes).into_iter().collect(),
        Input::Resume if state.stage() == RunStage::Running => vec![Fact::RunResumed {}],
        Input::Resume | Input::Tick => Vec::new(),
        Input::Keep { node, name, value } if state.stage() != RunStage::Pending => {
            vec![Fact::ValueKept {
                node: *node,
                name: name.clone(),
                value: value.clone(),
            }]
        }
        Input::Begun { of, process }
            if of.is_none_or(|(node, attempt)| is_current(state, node, attempt)) =>
        {
            vec![Fact::ProcessStarted {
                node: of.map(|(node, _)| node),
                attempt: of.map(|(_, attempt)| attempt),
                process: process.clone(),
            }]
        }
        Input::Exited {
            node,
            attempt,
            exit,
        } if is_current(state, *node, *attempt) => {
            vec![exited(state, *node, *attempt, exit)]
        }
        Input::Lost { node, attempt } if is_current(state, *node, *attempt) => {
            vec![lost(state, *node, *attempt)]
        }
        Input::Answered {
            node,
            round,
            answer,
        } if is_asked(state, *node, *round, Stage::Asking) => {
            answered(state, *node, answer).into_iter().collect()
        }
        Input::Locked { node, round, names } if is_asked(state, *node, *round, Stage::Locking) => {
            vec![locked(Some(*node), names)]
        }
        Input::Unlockable {
            node,
            round,
            reason,
        } if is_asked(state, *node, *round, Stage::Locking) => vec![Fact::TaskFinished {
            node: *node,
            outcome: Outcome::Failed,
            reason: Some(reason.clone()),
        }],
        Input::RunLocked { names } if state.lacks_locks() => vec![locked(None, names)],
        // What would tidy up can't have them either.
        Input::RunUnlockable { reason } if state.lacks_locks() => vec![Fact::CancelRequested {
            node: None,
            why: Why::Failure,
            now: true,
            by: None,
            reason: Some(reason.clone()),
        }],
        Input::Note { text, by, event } if state.stage() != RunStage::Pending => {
            vec![Fact::NoteAdded {
                text: text.clone(),
                by: by.clone(),
                // A fact that has not happened yet is none to speak of.
                event: event.filter(|event| *event > 0 && *event <= state.seq()),
            }]
        }
        Input::Release { node, name, by } if holds(state, *node) => vec![Fact::LockReleased {
            node: *node,
            name: Some(name.clone()),
            by: Some(by.clone()),
        }],
        Input::Decided { node, approve, by } => {
            decided(state, *node, *approve, by).into_iter().collect()
        }
        Input::ChildNamed { node, run } if is_free(state, *node) => {
            vec![Fact::ChildStarted {
                node: *node,
                run: run.clone(),
            }]
        }
        Input::ChildEnded { node, status } if is_child(state, *node) => {
            vec![child_ended(state, *node, *status)]
        }
        Input::Cancel { by, reason } => cancel(state, Why::Cancelled, by.clone(), reason.clone()),
        Input::Outdated { tasks, what } => outdated(state, tasks, what),
        Input::Interrupt { signal } => cancel(state, Why::Signal(*signal), None, None),
        _ => Vec::new(),
    }
}

fn start(state: &RunState, input: &Input) -> Vec<Fact> {
    let Input::Start {
        run,
        plan,
        parent,
        retry_of,
        trigger,
        given,
    } = input
    else {
        return Vec::new();
    };
    if state.stage() != RunStage::Pending {
        return Vec::new();
    }
    let created = Fact::RunCreated {
        run: run.clone(),
        plan: plan.clone(),
        file: state.plan().file.to_string_lossy().into_owned(),
        asked: state
            .plan()
            .asked_names()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        flow: env!("CARGO_PKG_VERSION").to_owned(),
        parent: parent.clone(),
        retry_of: retry_of.clone(),
        trigger: trigger.clone(),
        given: given.clone(),
        project: Some(Box::new(project(state.plan()))),
    };
    // One that died between the two is begun once more.
    let begun = state.seq() > 0;
    let created = (!begun).then_some(created);
    created.into_iter().chain([Fact::RunStarted {}]).collect()
}

/// What the file says of itself.
fn project(plan: &Plan) -> Project {
    let map = |entries: &[(String, String)]| entries.iter().cloned().collect();
    let of_task = |(task, meta): &(String, Vec<(String, String)>)| (task.clone(), map(meta));
    Project {
        name: plan.project_name().into_owned(),
        dir: plan.project_dir().to_string_lossy().into_owned(),
        desc: plan.project.desc.clone(),
        meta: map(&plan.project.meta),
        tasks: plan.project.tasks.iter().map(of_task).collect(),
    }
}

/// Those of these tasks that nothing is in the way of, in one fact.
fn up_to_date(state: &RunState, nodes: &[NodeId]) -> Option<Fact> {
    let mut told: Vec<NodeId> = Vec::new();
    let mut set = HashSet::new();
    for node in nodes.iter().filter(|node| known(state, **node)) {
        if super::legal::may_be_up_to_date(state, *node, &set) && set.insert(*node) {
            told.push(*node);
        }
    }
    (!told.is_empty()).then_some(Fact::TaskUpToDate {
        nodes: told,
        from: None,
    })
}

fn known(state: &RunState, node: NodeId) -> bool {
    node.index() < state.node_count()
}

fn is_current(state: &RunState, node: NodeId, attempt: u32) -> bool {
    known(state, node) && {
        let node = state.node(node);
        node.stage == Stage::Active && node.attempt == attempt
    }
}

fn is_asked(state: &RunState, node: NodeId, round: u32, stage: Stage) -> bool {
    known(state, node)
        && (state.node(node).stage, state.node(node).round) == (stage, round)
        && state.stopped(node).is_none()
}

fn locked(node: Option<NodeId>, names: &[String]) -> Fact {
    Fact::LockAcquired {
        node,
        names: names.to_vec(),
    }
}

/// Whether a node, or the run, holds locks at the moment.
fn holds(state: &RunState, node: Option<NodeId>) -> bool {
    let going = !matches!(state.stage(), RunStage::Pending) && !state.lacks_locks();
    going && node.is_none_or(|node| known(state, node) && state.node(node).locked)
}

fn is_child(state: &RunState, node: NodeId) -> bool {
    known(state, node)
        && state.node(node).stage == Stage::Active
        && state.spec(node).kind == Kind::Child
}

fn is_free(state: &RunState, node: NodeId) -> bool {
    let ready = known(state, node) && state.node(node).stage == Stage::Ready;
    // One that was to begin before a failure does not begin after it.
    let ready = ready && Some(state.class_of(node)) <= state.open_class();
    ready && state.spec(node).kind == Kind::Child && state.stopped(node).is_none()
}

fn exited(state: &RunState, node: NodeId, attempt: u32, exit: &Exit) -> Fact {
    let above = state.stopped_from_above(node);
    let own = state.node(node).stop;
    let outcome = match (own, above) {
        (Some(own), _) => own.outcome,
        _ if exit.is_ok() => Outcome::Succeeded,
        (None, Some(stop)) if stop.outcome == Outcome::Interrupted => Outcome::Interrupted,
        (None, Some(_)) => Outcome::Cancelled,
        (None, None) => Outcome::Failed,
    };
    let retry = &state.rules(node).retry;
    let code_fits = exit
        .exit_code
        .is_none_or(|code| retry.on_exit_codes.is_empty() || retry.on_exit_codes.contains(&code));
    let failed_again =
        outcome.is_failure() && above.is_none() && code_fits && tries_left(state, node, attempt);
    let again = outcome == Outcome::Interrupted || failed_again;
    Fact::AttemptFinished {
        node,
        attempt,
        outcome,
        again,
        exit: exit.clone(),
    }
}

fn lost(state: &RunState, node: NodeId, attempt: u32) -> Fact {
    let above = state.stopped_from_above(node).map(|stop| stop.outcome);
    let own = state.node(node).stop.map(|stop| stop.outcome);
    let (outcome, again) = match (own, above) {
        (Some(own), above) => (own, above.is_none() && tries_left(state, node, attempt)),
        (None, Some(Outcome::Interrupted)) => (Outcome::Interrupted, true),
        (None, Some(_)) => (Outcome::Cancelled, false),
        (None, None) => (Outcome::Lost, state.rules(node).on_lost != OnLost::Fail),
    };
    Fact::AttemptFinished {
        node,
        attempt,
        outcome,
        again,
        exit: Exit::default(),
    }
}

/// Whether a node may be tried again after its try number `attempt`.
pub(super) fn tries_left(state: &RunState, node: NodeId, attempt: u32) -> bool {
    attempt - state.node(node).uncounted < state.rules(node).retry.attempts
}

fn answered(state: &RunState, node: NodeId, answer: &Answer) -> Option<Fact> {
    let kind = &state.spec(node).kind;
    Some(match answer {
        Answer::Go => Fact::ValueSet {
            node,
            value: Value::Go,
        },
        Answer::Branch(branch) if matches!(kind, Kind::Choice { .. }) => Fact::ValueSet {
            node,
            value: Value::Branch(*branch),
        },
        Answer::Items(names) if matches!(kind, Kind::Loop { .. }) => Fact::TaskExpanded {
            node,
            items: u32::try_from(names.len()).unwrap_or(u32::MAX),
            names: names.clone(),
        },
        Answer::Skip(reason) => Fact::TaskSkipped {
            node,
            reason: reason.clone(),
        },
        Answer::UpToDate => Fact::TaskUpToDate {
            nodes: vec![node],
            from: None,
        },
        Answer::TakenOver(run) => Fact::TaskUpToDate {
            nodes: vec![node],
            from: Some(run.clone()),
        },
        Answer::Fail(reason) => Fact::TaskFinished {
            node,
            outcome: Outcome::Failed,
            reason: Some(reason.clone()),
        },
        Answer::TimedOut(reason) => Fact::TaskFinished {
            node,
            outcome: Outcome::TimedOut,
            reason: Some(reason.clone()),
        },
        Answer::Branch(_) | Answer::Items(_) => return None,
    })
}

fn decided(state: &RunState, node: NodeId, approve: bool, by: &str) -> Option<Fact> {
    let waits = known(state, node) && state.node(node).stage == Stage::Deciding;
    let said_so = waits && approve && state.node(node).approvals.iter().any(|name| name == by);
    let decision = if approve {
        Decision::Approved
    } else {
        Decision::Rejected
    };
    (waits && !said_so).then(|| Fact::GateDecided {
        node,
        decision,
        by: Some(by.to_owned()),
    })
}

fn child_ended(state: &RunState, node: NodeId, status: RunEnd) -> Fact {
    let outcome = match (status, state.stopped(node)) {
        (RunEnd::Completed, _) => Outcome::Succeeded,
        (_, Some(_)) | (RunEnd::Cancelled, None) => Outcome::Cancelled,
        (RunEnd::Failed, None) => Outcome::Failed,
    };
    Fact::ChildFinished { node, outcome }
}

/// The first time asks, the second one insists.
fn cancel(state: &RunState, why: Why, by: Option<String>, reason: Option<String>) -> Vec<Fact> {
    let going = matches!(state.stage(), RunStage::Running | RunStage::Paused);
    let insisted = state.stop().is_some_and(|stop| stop.now);
    let cancels_interrupted = state.is_interrupted() && why == Why::Cancelled;
    if !going || insisted && !cancels_interrupted {
        return Vec::new();
    }
    let now = state.stop().is_some() && !cancels_interrupted || insisted;
    vec![Fact::CancelRequested {
        node: None,
        why,
        now,
        by,
        reason,
    }]
}

/// Nothing new begins, and those of these tasks stop that are under way, with all that need them.
fn outdated(state: &RunState, tasks: &[NodeId], what: &str) -> Vec<Fact> {
    let going = matches!(state.stage(), RunStage::Running | RunStage::Paused);
    if !going || state.stop().is_some() {
        return Vec::new();
    }
    let request = |node: Option<NodeId>| Fact::CancelRequested {
        node,
        why: Why::Outdated,
        now: false,
        by: None,
        reason: Some(what.to_owned()),
    };
    let whole = (!state.is_outdated()).then(|| request(None));
    let concerned = state.with_dependents(tasks);
    let stops = concerned.into_iter().filter(|id| {
        let node = state.node(*id);
        // What has only to tidy up is not stopped in that.
        let ends = matches!(node.stage, Stage::Ending(_) | Stage::Done(_));
        node.begun && !ends && node.stop.is_none()
    });
    whole
        .into_iter()
        .chain(stops.map(|id| request(Some(id))))
        .collect()
}
