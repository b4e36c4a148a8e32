//! Steps that leave processes running: not where a task holds locks, whose holders nobody would be any more.

use super::includes::Node;
use super::raw::Written;
use crate::diagnostic::Diagnostic;
use crate::model::language::Task;

/// Reports tasks that hold locks, of their own or of tasks that they call, while a step of theirs leaves processes running.
pub(super) fn check(tasks: &[Task], raws: &[(usize, Written)], nodes: &mut [Node]) {
    let leaves = |task: &Task| {
        let mut leaves = false;
        task.each_step(&mut |step| {
            leaves |= step.rules.as_ref().is_some_and(|rules| rules.leave_running);
        });
        leaves
    };
    let leaving = with_callers(tasks, leaves);
    if !leaving.contains(&true) {
        return;
    }
    let locking = with_callers(tasks, |task| !task.rules().locks.is_empty());
    for (index, (number, raw)) in raws.iter().enumerate() {
        let calls_one = |of: &[bool]| {
            let mut calls = false;
            tasks[index].each_call(&mut |call| calls |= of[call.task]);
            calls
        };
        // What a called task does wrong by itself is said there.
        let both = |of: usize| leaving[of] && locking[of];
        let mut below = false;
        tasks[index].each_call(&mut |call| below |= both(call.task));
        if !both(index) || below && calls_one(&leaving) {
            continue;
        }
        let message = format!(
            "the task '{}' holds locks, and a step leaves processes running",
            tasks[index].name
        );
        let help = "a lock is given back at the end of its task, when they still run: start them in a task without locks";
        let found = Diagnostic::error("leave-running", message).help(help);
        let found = found.at(raw.name_span.clone(), "");
        nodes[*number].raw.found.push(found);
    }
}

/// For each task whether it is such a one or calls one.
fn with_callers(tasks: &[Task], is: impl Fn(&Task) -> bool) -> Vec<bool> {
    let mut known: Vec<bool> = tasks.iter().map(is).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (index, task) in tasks.iter().enumerate() {
            let mut calls = false;
            task.each_call(&mut |call| calls |= known[call.task]);
            changed |= calls && !known[index];
            known[index] |= calls;
        }
    }
    known
}
