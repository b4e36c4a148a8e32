//! What follows from the state as it stands, a fact at a time.
//!
//! An input only settles the one node that it speaks of. Whether that ends the group around it, opens the task after
//! it, closes a gate or ends the run is found here, by looking again at the nodes that the last facts touched.

use std::time::Duration;

use super::decide::tries_left;
use super::fact::{Decision, Exit, Fact, Outcome, RunEnd, Why};
use super::state::{Class, RunStage, RunState, Stage, Stop};
use crate::model::id::NodeId;
use crate::model::plan::{Kind, On, OnFailure, OnReject, WaitFor};
use crate::model::time::{Timestamp, human};

/// The next fact that follows, if one does.
///
/// It takes `state` mutably only to forget which nodes it has already looked at.
pub fn next(state: &mut RunState, now: Timestamp) -> Option<Fact> {
    if !goes_on(state) {
        return None;
    }
    timer(state, now).or_else(|| next_but_timers(state, now))
}

/// The same without those that follow because a time has come.
pub fn next_but_timers(state: &mut RunState, now: Timestamp) -> Option<Fact> {
    if !goes_on(state) {
        return None;
    }
    waiting(state, now)
        .or_else(|| reviewed(state, now))
        .or_else(|| of_the_run(state))
}

fn goes_on(state: &RunState) -> bool {
    matches!(state.stage(), RunStage::Running | RunStage::Paused)
}

fn timer(state: &RunState, now: Timestamp) -> Option<Fact> {
    if state.deadline().is_some_and(|at| at <= now) {
        return Some(Fact::CancelRequested {
            node: None,
            why: Why::Timeout,
            now: false,
            by: None,
            reason: None,
        });
    }
    let (at, node) = *state.timers.first()?;
    if at > now {
        return None;
    }
    Some(match state.node(node).stage {
        Stage::Deciding => {
            let approves = state
                .rules(node)
                .gate
                .as_ref()
                .is_some_and(|gate| gate.timeout_approves);
            let decision = if approves {
                Decision::Approved
            } else {
                Decision::Rejected
            };
            Fact::GateDecided {
                node,
                decision,
                by: None,
            }
        }
        Stage::Locking => {
            let waited = state.rules(node).locks.as_ref();
            let waited = waited.and_then(|locks| locks.wait_micros).unwrap_or(0);
            let waited = human(Duration::from_micros(waited));
            failed(node, &format!("it waited {waited} for its locks"))
        }
        _ => Fact::TimerFired { node },
    })
}

fn failed(node: NodeId, reason: &str) -> Fact {
    Fact::TaskFinished {
        node,
        outcome: Outcome::Failed,
        reason: Some(reason.to_owned()),
    }
}

fn waiting(state: &RunState, now: Timestamp) -> Option<Fact> {
    if let Some(node) = state.first_open(&state.views.gate) {
        return Some(Fact::GateOpened { node });
    }
    if let Some((_, node)) = state.views.tried.first() {
        let counted = state.node(*node).attempt - state.node(*node).uncounted;
        return Some(Fact::RetryScheduled {
            node: *node,
            until: now
                .plus(state.rules(*node).retry.delay(counted))
                .plus(jitter(state, *node, counted)),
        });
    }
    let open = state
        .views
        .free
        .iter()
        .take_while(|(class, _)| Some(*class) <= state.open_class());
    let mut waits = open.filter_map(|(_, node)| match state.spec(*node).kind {
        Kind::Wait { micros } => Some((*node, micros)),
        _ => None,
    });
    let (node, micros) = waits.next()?;
    Some(Fact::TimerSet {
        node,
        until: now.plus(Duration::from_micros(micros)),
    })
}

/// The random part of a delay: the same for every fold of a run, another one in each run, for each node and try.
fn jitter(state: &RunState, node: NodeId, tries: u32) -> Duration {
    let most = state.rules(node).retry.jitter_micros;
    if most == 0 {
        return Duration::ZERO;
    }
    let mut mixed = state.seed() ^ (u64::from(node.0) << 32) ^ u64::from(tries);
    // The finaliser of splitmix64.
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    Duration::from_micros(mixed % most.saturating_add(1).max(1))
}

fn reviewed(state: &mut RunState, now: Timestamp) -> Option<Fact> {
    while let Some(node) = state.review.pop_first() {
        if let Some(fact) = look(state, node, now) {
            state.review.insert(node);
            return Some(fact);
        }
    }
    None
}

fn look(state: &RunState, id: NodeId, now: Timestamp) -> Option<Fact> {
    let stop = state.stopped(id);
    match state.node(id).stage {
        Stage::Done(_) => state.node(id).locked.then_some(Fact::LockReleased {
            node: Some(id),
            name: None,
            by: None,
        }),
        Stage::Idle => needs_ended(state, id),
        Stage::Ending(outcome) => ended(state, id, outcome, stop),
        _ => match stop {
            Some(stop) if stop.outcome == Outcome::Interrupted && state.node(id).stop.is_none() => {
                if is_left_alone(state, id) {
                    None
                } else {
                    settled(state, id).or_else(|| interrupted(state, id, stop))
                }
            }
            Some(_) => wound_down(state, id),
            None => held_up(state, id)
                .or_else(|| settled(state, id))
                .or_else(|| lock_timer(state, id, now)),
        },
    }
}

/// A task whose needs did not end as it wants never begins.
fn needs_ended(state: &RunState, id: NodeId) -> Option<Fact> {
    let task = state
        .task_state(id)
        .filter(|task| task.wanted && state.stop.is_none())?;
    if let Some(cause) = task.broken_by {
        return Some(Fact::TaskBlocked {
            nodes: blocked_with(state, id),
            cause,
        });
    }
    let need = task.unmet_by?;
    let reason = format!(
        "it waits for {} to fail, which it did not",
        state.address(need).task
    );
    Some(Fact::TaskSkipped { node: id, reason })
}

/// The task itself and all that need it, directly or not.
fn blocked_with(state: &RunState, id: NodeId) -> Vec<NodeId> {
    let mut nodes = vec![id];
    let mut seen = std::collections::BTreeSet::from([id]);
    let mut next = 0;
    while let Some(at) = nodes.get(next).copied() {
        next += 1;
        let heirs = state.task_state(at).map_or(&[][..], |task| &task.heirs);
        for dependent in state.dependents.of_task(at).iter().chain(heirs) {
            let (task, needs_success) = (dependent.task, dependent.on == On::Success);
            let waits = state.node(task).stage == Stage::Idle
                && state.task_state(task).is_some_and(|task| task.wanted);
            if needs_success && waits && seen.insert(task) {
                nodes.push(task);
            }
        }
    }
    nodes
}

/// Its handlers are through.
fn ended(state: &RunState, id: NodeId, outcome: Outcome, stop: Option<Stop>) -> Option<Fact> {
    let children = &state.node(id).children;
    let killed = stop.is_some_and(|stop| stop.now && stop.outcome != Outcome::Interrupted)
        && children.live == 0;
    if children.handler.is_some() && !killed {
        return None;
    }
    match (outcome, stop) {
        (Outcome::Interrupted, Some(stop)) if stop.outcome == Outcome::Interrupted => None,
        (Outcome::Interrupted, _) if children.live > 0 => None,
        (Outcome::Interrupted, _) => Some(finished(id, Outcome::Cancelled)),
        (outcome, _) => Some(finished(id, outcome)),
    }
}

fn finished(node: NodeId, outcome: Outcome) -> Fact {
    Fact::TaskFinished {
        node,
        outcome,
        reason: None,
    }
}

/// What was begun before a failure without a step of it having run goes no further, and gates close.
fn held_up(state: &RunState, id: NodeId) -> Option<Fact> {
    let node = state.node(id);
    if node.stage == Stage::Refused {
        return refused(state, id);
    }
    if !state.halted || state.class_of(id) == Class::Handler || is_exempt(state, id) {
        return None;
    }
    if node.parent.is_none() && node.begun && !node.worked {
        return Some(Fact::CancelRequested {
            node: Some(id),
            why: Why::Failure,
            now: false,
            by: None,
            reason: None,
        });
    }
    (node.stage == Stage::Deciding).then_some(Fact::GateDecided {
        node: id,
        decision: Decision::Closed,
        by: None,
    })
}

fn is_exempt(state: &RunState, id: NodeId) -> bool {
    let mut at = id;
    while let Some(parent) = state.node(at).parent {
        at = parent;
    }
    state.task_state(at).is_some_and(|task| task.exempt)
}

fn refused(state: &RunState, id: NodeId) -> Option<Fact> {
    let on_reject = state
        .rules(id)
        .gate
        .as_ref()
        .map_or(OnReject::Fail, |gate| gate.on_reject);
    let halted = state.halted && !is_exempt(state, id);
    match on_reject {
        _ if state.node(id).doubtful => {
            Some(failed(id, "it was not to be tried again after it was lost"))
        }
        _ if halted => Some(finished(id, Outcome::Cancelled)),
        // The run is cancelled first; a handler, which that does not stop, ends here.
        OnReject::Cancel => state.stop.map(|_| finished(id, Outcome::Cancelled)),
        OnReject::Fail => Some(failed(id, "its approval was rejected")),
        OnReject::Skip => Some(Fact::TaskSkipped {
            node: id,
            reason: "its approval was rejected".to_owned(),
        }),
    }
}

/// A composite node that is active, and whose children decide what it comes to.
fn settled(state: &RunState, id: NodeId) -> Option<Fact> {
    let node = state.node(id);
    let (Stage::Active, Some(group)) = (node.stage, state.spec(id).group()) else {
        return None;
    };
    let (children, count) = (&node.children, state.child_count(id)?);
    let all_done = children.done == count;
    let failed = children.done > children.ok;
    let outcome = match group.wait_for {
        WaitFor::All if failed && (group.stop_on_failure || all_done) => Outcome::Failed,
        WaitFor::Any if children.won > 0 => Outcome::Succeeded,
        WaitFor::Any if all_done && count > 0 && children.ok == 0 => Outcome::Failed,
        WaitFor::First if children.first_ok == Some(true) => Outcome::Succeeded,
        WaitFor::First if children.first_ok == Some(false) => Outcome::Failed,
        _ if all_done => Outcome::Succeeded,
        _ => return None,
    };
    if children.live > 0 {
        return Some(Fact::CancelRequested {
            node: Some(id),
            why: Why::Decided(outcome),
            now: false,
            by: None,
            reason: None,
        });
    }
    Some(end_of_try(state, id, outcome))
}

/// The last of a composite node's children has ended; what comes next?
fn end_of_try(state: &RunState, id: NodeId, outcome: Outcome) -> Fact {
    let rules = state.rules(id);
    let attempt = state.node(id).attempt + u32::from(state.node(id).stage == Stage::Active);
    if rules.retry.attempts <= 1 && rules.handlers.is_empty() {
        return finished(id, outcome);
    }
    let codes = &rules.retry.on_exit_codes;
    let code_fits = state
        .node(id)
        .exit_code
        .is_none_or(|code| codes.is_empty() || codes.contains(&code));
    let above = state.stopped_from_above(id);
    let again =
        outcome.is_failure() && above.is_none() && code_fits && tries_left(state, id, attempt);
    Fact::AttemptFinished {
        node: id,
        attempt,
        outcome,
        again,
        exit: Exit::default(),
    }
}

/// A node that is told to stop for good ends as soon as nothing of it runs.
fn wound_down(state: &RunState, id: NodeId) -> Option<Fact> {
    let node = state.node(id);
    if !node.begun || node.children.live > 0 {
        return None;
    }
    let outcome = node.stop.map_or(Outcome::Cancelled, |own| own.outcome);
    match (node.stage, &state.spec(id).kind) {
        (Stage::Deciding, _) => Some(Fact::GateDecided {
            node: id,
            decision: Decision::Closed,
            by: None,
        }),
        (Stage::Active, Kind::Work(_) | Kind::Child) => None,
        (
            Stage::Active | Stage::Tried | Stage::Backoff,
            Kind::Group(_) | Kind::Loop { .. } | Kind::Choice { .. },
        ) if node.worked => Some(end_of_try(state, id, outcome)),
        _ => Some(finished(id, outcome)),
    }
}

/// After a signal nothing ends that could be resumed, but what must be tidied up is, the inner before the outer.
fn interrupted(state: &RunState, id: NodeId, stop: Stop) -> Option<Fact> {
    if !tidies(state, id)
        || stop.now
        || state.lacks_locks
        || state
            .under_way(id)
            .into_iter()
            .skip(1)
            .any(|below| is_busy(state, below))
    {
        return None;
    }
    // Between two tries no further one has begun.
    let begun = u32::from(state.node(id).stage == Stage::Active);
    let (attempt, exit) = (state.node(id).attempt + begun, Exit::default());
    Some(Fact::AttemptFinished {
        node: id,
        attempt,
        outcome: Outcome::Interrupted,
        again: false,
        exit,
    })
}

/// Whether something above it has tidied up already: what is below rests until the run is resumed.
fn is_left_alone(state: &RunState, id: NodeId) -> bool {
    let mut at = id;
    while let Some(parent) = state.node(at).parent {
        if state.node(parent).stage == Stage::Ending(Outcome::Interrupted) {
            return true;
        }
        at = parent;
    }
    false
}

fn tidies(state: &RunState, id: NodeId) -> bool {
    let node = state.node(id);
    let goes_on = matches!(node.stage, Stage::Active | Stage::Tried | Stage::Backoff);
    goes_on && node.worked && state.rules(id).handlers.finally.is_some()
}

fn is_busy(state: &RunState, id: NodeId) -> bool {
    let node = state.node(id);
    let works =
        node.stage == Stage::Active && matches!(state.spec(id).kind, Kind::Work(_) | Kind::Child);
    let winds_down = node.begun
        && node.outcome().is_none()
        && state
            .stopped(id)
            .is_some_and(|stop| stop.outcome != Outcome::Interrupted);
    works
        || winds_down
        || tidies(state, id)
        || matches!(node.stage, Stage::Ending(_)) && node.children.handler.is_some()
}

fn lock_timer(state: &RunState, id: NodeId, now: Timestamp) -> Option<Fact> {
    let node = state.node(id);
    let micros = state
        .rules(id)
        .locks
        .as_ref()
        .and_then(|locks| locks.wait_micros)
        // Who does not wait at all is answered at once.
        .filter(|micros| *micros > 0)?;
    // As long as the run waits for its own, nobody waits for more.
    let waits = node.stage == Stage::Locking && !state.lacks_locks;
    let unset = waits && node.until.is_none();
    unset.then(|| Fact::TimerSet {
        node: id,
        until: now.plus(Duration::from_micros(micros)),
    })
}

fn of_the_run(state: &RunState) -> Option<Fact> {
    let why = if state.rejected {
        Some(Why::Rejected)
    } else if state.failed > 0 && state.plan.on_failure == OnFailure::Stop {
        Some(Why::Failure)
    } else {
        None
    };
    match why {
        Some(why) if state.stop.is_none() => Some(Fact::CancelRequested {
            node: None,
            why,
            now: false,
            by: None,
            reason: None,
        }),
        _ => over(state).or_else(|| pause(state)),
    }
}

fn over(state: &RunState) -> Option<Fact> {
    if state.live > 0 {
        return None;
    }
    let (going, gates) = (
        is_going(state),
        state.first_open(&state.views.deciding).is_some(),
    );
    match state.stop {
        Some(stop) if stop.outcome != Outcome::Interrupted => {}
        // It can be taken up again, if only to be finished.
        Some(_) => return None,
        None if going || gates => return None,
        _ => {}
    }
    let by_itself = if state.failed > 0 {
        RunEnd::Failed
    } else {
        RunEnd::Completed
    };
    Some(Fact::RunFinished {
        status: state.verdict.unwrap_or(by_itself),
    })
}

/// Whether there is anything that may go on.
fn is_going(state: &RunState) -> bool {
    state.lacks_locks && state.stop.is_none() && !all_ended(state)
        || !state.views.work.is_empty()
        || state
            .views
            .going()
            .into_iter()
            .any(|view| state.first_open(view).is_some())
}

fn all_ended(state: &RunState) -> bool {
    let wanted = |id: NodeId| {
        state
            .task_state(id)
            .is_some_and(|task| task.wanted || state.asks_first(id))
    };
    state
        .plan
        .tasks()
        .all(|(id, _)| !wanted(id) || state.node(id).outcome().is_some())
}

fn pause(state: &RunState) -> Option<Fact> {
    let gates = state.first_open(&state.views.deciding).is_some();
    match (state.stage(), is_going(state)) {
        (RunStage::Running, false) if gates && state.stop.is_none() => Some(Fact::RunPaused {}),
        (RunStage::Paused, true) => Some(Fact::RunResumed {}),
        _ => None,
    }
}
