//! The rule book: which fact may follow which state.
//!
//! `decide` and `settle` say what happens next, this says what may happen at all, in other words on purpose: every fact
//! is checked against it in debug builds and in the simulation, and whoever reads a log from outside can do the same.

use std::collections::HashSet;

use super::fact::{Fact, Outcome};
use super::state::{Class, RunStage, RunState, Stage};
use crate::model::id::NodeId;
use crate::model::plan::{Kind, Need, On};

/// No loop has more items.
const ITEMS_MAX: u32 = 1_000_000;

/// Whether `fact` may follow `state`; the error is the rule that it breaks.
pub fn check(state: &RunState, fact: &Fact) -> Result<(), &'static str> {
    if let Some(node) = largest(fact)
        && node.index() >= state.node_count()
    {
        return Err("there is no such node");
    }
    match fact {
        Fact::RunCreated { .. } => rule(state.seq() == 0, "a run is created once, first of all"),
        Fact::RunStarted {} => rule(
            state.stage() == RunStage::Pending && state.seq() == 1,
            "a run starts once",
        ),
        Fact::NoteAdded { .. } | Fact::Unknown => Ok(()),
        _ if !matches!(state.stage(), RunStage::Running | RunStage::Paused) => {
            Err("only a run that goes on has more facts than notes")
        }
        Fact::RunPaused {} => rule(state.running().len() == 0, "a run that works is not paused"),
        Fact::RunResumed {} | Fact::ValueKept { .. } | Fact::ProcessStarted { node: None, .. } => {
            Ok(())
        }
        Fact::ProcessStarted {
            node: Some(node),
            attempt,
            ..
        } => rule(
            state.running().any(|running| running == *node)
                && *attempt == Some(state.node(*node).attempt),
            "a process is started for a try that goes on",
        ),
        Fact::RunFinished { .. } => finish_run(state),
        Fact::CancelRequested { node, .. } => node.map_or(Ok(()), |node| cancel(state, node)),
        Fact::TaskBlocked { nodes, cause } => nodes
            .iter()
            .try_for_each(|node| block(state, *node, *cause)),
        Fact::TaskUpToDate {
            nodes,
            from: Some(_),
        } => nodes
            .iter()
            .try_for_each(|node| at(state, *node, &[Stage::Asking])),
        Fact::TaskUpToDate { nodes, from: None } => {
            let mut before = HashSet::new();
            nodes.iter().try_for_each(|node| {
                rule(
                    may_be_up_to_date(state, *node, &before) && before.insert(*node),
                    "a task is up to date when it is asked about, or with all that it needs",
                )
            })
        }
        Fact::TaskSkipped { node, .. } => {
            at(state, *node, &[Stage::Asking, Stage::Refused, Stage::Idle])
        }
        Fact::TaskExpanded { node, items, names } => {
            at(state, *node, &[Stage::Asking])?;
            rule(
                names.is_empty() || names.len() == *items as usize,
                "each item has a name, or none has",
            )?;
            rule(
                matches!(state.spec(*node).kind, Kind::Loop { .. }),
                "only loops have items",
            )?;
            rule(*items <= ITEMS_MAX, "no loop has so many items")
        }
        Fact::TaskFinished { node, outcome, .. } => finish(state, *node, *outcome),
        Fact::AttemptStarted { node, attempt } => start(state, *node, *attempt),
        Fact::AttemptFinished {
            node,
            attempt,
            outcome,
            again,
            ..
        } => end_attempt(state, *node, *attempt, *outcome, *again),
        Fact::RetryScheduled { node, .. } => at(state, *node, &[Stage::Tried]),
        Fact::GateOpened { node } => at(state, *node, &[Stage::Gate]),
        Fact::GateDecided { node, .. } => at(state, *node, &[Stage::Deciding]),
        Fact::LockAcquired {
            node: Some(node), ..
        } => at(state, *node, &[Stage::Locking]),
        Fact::LockAcquired { node: None, .. } => {
            rule(state.lacks_locks(), "a run takes the locks that it lacks")
        }
        Fact::LockReleased { node: None, by, .. } => {
            rule(by.is_some(), "a run gives its locks back with its end")
        }
        Fact::LockReleased {
            node: Some(node),
            by,
            ..
        } => {
            let node = state.node(*node);
            rule(
                node.locked && (by.is_some() || node.outcome().is_some()),
                "locks are given back once, at the end",
            )
        }
        Fact::TimerSet { node, .. } => at(state, *node, &[Stage::Ready, Stage::Locking]),
        Fact::TimerFired { node } => {
            rule(
                state.node(*node).until.is_some(),
                "only a timer that was set can fire",
            )?;
            at(state, *node, &[Stage::Active, Stage::Backoff])
        }
        Fact::ChildStarted { node, .. } => {
            rule(
                !state.lacks_locks(),
                "nothing starts before the run has its locks",
            )?;
            let (task, _) = state.task_of(*node);
            let tidies = state.class_of(*node) == Class::Handler;
            not_held_back(state, task, tidies)?;
            child(state, *node, Stage::Ready)
        }
        Fact::ChildFinished { node, .. } => child(state, *node, Stage::Active),
        Fact::ValueSet { node, .. } => at(state, *node, &[Stage::Asking]),
    }
}

fn rule(holds: bool, rule: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(rule) }
}

/// Whether a task may be told up to date, after these: when it is asked about, or has not begun and all that it needs has ended
/// as it wants.
pub(super) fn may_be_up_to_date(state: &RunState, id: NodeId, before: &HashSet<NodeId>) -> bool {
    let node = state.node(id);
    if node.stage == Stage::Asking {
        return state.stopped(id).is_none();
    }
    let task = state
        .plan
        .nodes
        .get(id.index())
        .and_then(|node| node.task.as_deref());
    let wanted = state.task_state(id).is_some_and(|task| task.wanted) && state.stop().is_none();
    let ended = |need: &Need| {
        let outcome = state.node(need.task).outcome();
        let ok = outcome.is_some_and(|outcome| state.counts_as_ok(need.task, outcome));
        let success = ok || before.contains(&need.task);
        need.on != On::Failure && success
    };
    let passed = |other: &NodeId| before.contains(other) || !state.is_awaited(*other);
    let handed = state.task_state(id).map_or(&[][..], |task| &task.handed);
    node.stage == Stage::Idle
        && wanted
        && handed.iter().all(ended)
        && task.is_some_and(|task| task.needs.iter().all(ended) && task.after.iter().all(passed))
}

fn largest(fact: &Fact) -> Option<NodeId> {
    match fact {
        Fact::TaskUpToDate { nodes, .. } => nodes.iter().max().copied(),
        Fact::TaskBlocked { nodes, cause } => nodes.iter().chain([cause]).max().copied(),
        _ => fact.node(),
    }
}

fn at(state: &RunState, node: NodeId, stages: &[Stage]) -> Result<(), &'static str> {
    rule(
        stages.contains(&state.node(node).stage),
        "the node is at a stage that this does not follow",
    )
}

fn child(state: &RunState, node: NodeId, stage: Stage) -> Result<(), &'static str> {
    rule(
        state.spec(node).kind == Kind::Child,
        "only child runs are begun and followed",
    )?;
    at(state, node, &[stage])
}

fn finish_run(state: &RunState) -> Result<(), &'static str> {
    rule(
        state.running().len() == 0,
        "a run does not finish while something runs",
    )?;
    rule(
        state.views.aside.is_empty(),
        "a run does not finish while a wait or a child run goes on",
    )?;
    let begun = |node: &super::state::NodeState| {
        node.parent.is_none() && node.begun && node.outcome().is_none()
    };
    rule(
        !state.nodes.iter().any(begun),
        "a run does not finish before what it has begun",
    )?;
    rule(
        !state.nodes.iter().any(|node| node.locked),
        "a run does not finish while it holds locks",
    )
}

fn cancel(state: &RunState, node: NodeId) -> Result<(), &'static str> {
    let node = state.node(node);
    rule(
        node.begun && node.outcome().is_none(),
        "only what has begun and not ended can be stopped",
    )?;
    rule(node.stop.is_none(), "a node is told to stop once")
}

fn block(state: &RunState, node: NodeId, cause: NodeId) -> Result<(), &'static str> {
    at(state, node, &[Stage::Idle])?;
    rule(
        state.plan.node(node).task.is_some(),
        "only tasks are blocked",
    )?;
    let cause_ok = state
        .node(cause)
        .outcome()
        .is_none_or(|outcome| state.counts_as_ok(cause, outcome));
    rule(!cause_ok, "a task is blocked by one that failed")
}

fn finish(state: &RunState, id: NodeId, outcome: Outcome) -> Result<(), &'static str> {
    let node = state.node(id);
    rule(
        !matches!(node.stage, Stage::Idle | Stage::Done(_)),
        "only what is under way ends, and once",
    )?;
    rule(
        node.children.live == 0,
        "a node does not end before its children",
    )?;
    let works =
        node.stage == Stage::Active && matches!(state.spec(id).kind, Kind::Work(_) | Kind::Child);
    rule(!works, "work ends when its process does")?;
    let composite =
        matches!(node.stage, Stage::Active | Stage::Ending(_)) && !state.spec(id).is_leaf();
    rule(
        composite || !outcome.is_ok(),
        "only a node that was active can have succeeded",
    )
}

fn start(state: &RunState, id: NodeId, attempt: u32) -> Result<(), &'static str> {
    let node = state.node(id);
    rule(
        state.stage() == RunStage::Running,
        "work starts in a run that goes on",
    )?;
    rule(
        matches!(state.spec(id).kind, Kind::Work(_)),
        "only work is started",
    )?;
    rule(node.stage == Stage::Ready, "only what is ready starts")?;
    rule(
        attempt == node.attempt + 1,
        "attempts are counted without gaps",
    )?;
    rule(
        attempt - node.uncounted <= state.rules(id).retry.attempts,
        "nothing is tried more often than it may be",
    )?;
    rule(
        state.stopped(id).is_none(),
        "nothing starts that is to stop",
    )?;
    rule(
        !state.lacks_locks(),
        "nothing starts before the run has its locks",
    )?;
    rule(
        !state.rules(id).interactive || state.at_terminal().is_none(),
        "one command at a time has the terminal",
    )?;
    let (mut at, mut tidies) = (id, false);
    while let Some(parent) = state.node(at).parent {
        let above = state.node(parent);
        let handler = matches!(above.stage, Stage::Ending(_)) && above.children.handler == Some(at);
        tidies |= handler;
        rule(
            handler || above.stage == Stage::Active,
            "a step starts while its task is active",
        )?;
        rule(
            state.rules(parent).locks.is_none() || above.locked,
            "a step starts while its task holds its locks",
        )?;
        at = parent;
    }
    needs_met(state, at)?;
    not_held_back(state, at, tidies)
}

fn not_held_back(state: &RunState, task: NodeId, tidies: bool) -> Result<(), &'static str> {
    let holds_back = state.halted
        && !tidies
        && !state.node(task).worked
        && !state.task_state(task).is_some_and(|task| task.exempt);
    rule(
        !holds_back,
        "after a failure no task starts that does not wait for it",
    )
}

fn needs_met(state: &RunState, task: NodeId) -> Result<(), &'static str> {
    let needs = state
        .plan
        .node(task)
        .task
        .as_deref()
        .map_or(&[][..], |task| &task.needs);
    let handed = state.task_state(task).map_or(&[][..], |task| &task.handed);
    needs.iter().chain(handed).try_for_each(|need| {
        let Some(outcome) = state.node(need.task).outcome() else {
            return Err("a task starts after all that it needs has ended");
        };
        let ok = state.counts_as_ok(need.task, outcome);
        rule(
            need.on == On::Done || ok == (need.on == On::Success),
            "a task starts when its needs ended as it wants",
        )
    })
}

fn end_attempt(
    state: &RunState,
    id: NodeId,
    attempt: u32,
    outcome: Outcome,
    again: bool,
) -> Result<(), &'static str> {
    let node = state.node(id);
    let active = node.stage == Stage::Active;
    if state.spec(id).is_leaf() {
        rule(active, "only an attempt that goes on can end")?;
        return rule(attempt == node.attempt, "an attempt ends once");
    }
    let between = matches!(node.stage, Stage::Tried | Stage::Backoff)
        && matches!(outcome, Outcome::Cancelled | Outcome::Interrupted);
    rule(active || between, "only what is being tried ends its tries")?;
    rule(
        attempt == node.attempt + u32::from(active),
        "attempts are counted without gaps",
    )?;
    let interrupted = outcome == Outcome::Interrupted;
    rule(
        interrupted || node.children.live == 0,
        "an attempt ends after its steps",
    )?;
    rule(
        !again || attempt - node.uncounted < state.rules(id).retry.attempts,
        "nothing is tried more often than it may be",
    )
}
