//! The locks of a plan: what each task has to have while it runs, and what the run has from its start to its end.
//!
//! A task takes its locks and those of all tasks that it calls together, so that nobody waits for one lock while holding
//! another; and a lock that any task of the file holds for the whole run is taken at the start by every run that needs it, for
//! the same reason.

use std::collections::HashSet;

use super::nodes::micros;
use crate::model::id::NodeId;
use crate::model::language::{Lock, LockHold, Setting, Workflow};
use crate::model::plan::{LockName, Locks, Node};

/// The names of locks that some task holds for the whole run.
pub(super) fn of_runs(workflow: &Workflow) -> HashSet<&str> {
    let locks = workflow.tasks.iter().flat_map(|task| &task.rules().locks);
    let of_runs = locks.filter(|lock| lock.hold == LockHold::Run && !lock.name.is_template());
    of_runs.map(|lock| &*lock.name.text).collect()
}

/// Whether the run holds a lock.
pub(super) fn is_of_run(lock: &Lock, of_runs: &HashSet<&str>) -> bool {
    lock.hold == LockHold::Run || of_runs.contains(&*lock.name.text)
}

/// What a task needs for itself, at a node and in a scope, and what the tasks need that it calls.
pub(super) fn of_task(
    locks: &[Lock],
    at: NodeId,
    scope: impl FnOnce() -> u32,
    beneath: &[Node],
) -> Option<Locks> {
    let scope = if locks.iter().any(|lock| lock.name.is_template()) {
        scope()
    } else {
        0
    };
    let mut all = None;
    for lock in locks {
        add(&mut all, one(lock, at, scope), wait_micros(lock));
    }
    for called in beneath
        .iter()
        .filter_map(|node| node.rules().locks.as_ref())
    {
        for name in &called.names {
            add(&mut all, name.clone(), called.wait_micros);
        }
    }
    all
}

/// A lock as it stands at a node.
pub(super) fn one(lock: &Lock, at: NodeId, scope: u32) -> LockName {
    LockName {
        text: lock.name.clone(),
        slots: lock.slots,
        scope: lock.name.is_template().then_some((at, scope)),
    }
}

/// How long it is waited for.
pub(super) fn wait_micros(lock: &Lock) -> Option<u64> {
    match &lock.wait {
        Some(Setting::Fixed(span)) => Some(micros(*span)),
        Some(Setting::Template(_)) | None => None,
    }
}

/// One more, unless it is there already; they are waited for as long as for the most impatient of them.
pub(super) fn add(all: &mut Option<Locks>, name: LockName, wait_micros: Option<u64>) {
    let all = all.get_or_insert_with(|| Locks {
        names: Vec::new(),
        wait_micros: None,
    });
    let same = |known: &LockName| (&known.text.text, known.scope) == (&name.text.text, name.scope);
    if !all.names.iter().any(same) {
        all.names.push(name);
    }
    all.wait_micros = all.wait_micros.into_iter().chain(wait_micros).min();
}
