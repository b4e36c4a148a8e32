//! The end of a run in a line.

use super::Settings;
use crate::core::RunState;
use crate::core::fact::{Outcome, RunEnd};
use crate::core::state::{RunStage, Stage};
use crate::model::id::NodeId;
use crate::model::listed::grouped;
use crate::model::plan::Kind;
use crate::model::time::human_fine;

/// `3 tasks in 1.2s`, or `1 failed, 2 blocked, 4 succeeded in 1.2s`.
pub fn summary(state: &RunState, settings: &Settings) -> String {
    let counts = counts(state);
    let took = match (state.started_at(), state.finished_at()) {
        (Some(from), Some(to)) => format!(" in {}", human_fine(to.since(from))),
        _ => String::new(),
    };
    let (all, good) = (
        counts.iter().map(|(_, count)| count).sum::<usize>(),
        of(&counts, "succeeded"),
    );
    if state.stage() == RunStage::Finished(RunEnd::Completed) && good == all {
        let tasks = if all == 1 { "task" } else { "tasks" };
        let commands = match commands(state) {
            same if same <= all => String::new(),
            more => format!(" ({} commands)", grouped(more)),
        };
        return settings
            .style
            .good(&format!("{all} {tasks} succeeded{commands}{took}"))
            .into_owned();
    }
    let completed = state.stage() == RunStage::Finished(RunEnd::Completed);
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        // What a skipped task would have needed was not missed by anybody.
        .filter(|(word, _)| !(completed && *word == "not started"))
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let head = match state.stage() {
        RunStage::Finished(RunEnd::Completed) => settings.style.good("completed").into_owned(),
        RunStage::Finished(RunEnd::Failed) => settings.style.bad("failed").into_owned(),
        RunStage::Finished(RunEnd::Cancelled) => settings.style.bad("cancelled").into_owned(),
        RunStage::Paused => "paused".to_owned(),
        _ => settings.style.bad("interrupted").into_owned(),
    };
    format!("{head}: {}{took}", parts.join(", "))
}

/// How many commands ran.
fn commands(state: &RunState) -> usize {
    let ids = state.plan().tasks().flat_map(|(id, _)| state.subtree(id));
    let worked =
        |id: &NodeId| matches!(state.spec(*id).kind, Kind::Work(_)) && state.node(*id).worked;
    ids.filter(worked).count()
}

/// What to say of a run in which nothing had to be run; of its tasks so many were restored from the cache.
pub fn nothing_to_do(tasks: usize, restored: usize) -> String {
    match (tasks, restored) {
        (1, 0) => "nothing to do: the task is up to date".to_owned(),
        (1, _) => "nothing to run: the task was restored from the cache".to_owned(),
        (_, 0) => format!("nothing to do: {tasks} tasks are up to date"),
        _ => format!(
            "nothing to run: of {tasks} tasks that are up to date {restored} came from the cache"
        ),
    }
}

/// How many tasks were up to date in a run in which nothing else was to do.
pub fn all_up_to_date(state: &RunState) -> Option<usize> {
    let completed = state.stage() == RunStage::Finished(RunEnd::Completed);
    let worked = || state.plan().tasks().any(|(id, _)| state.node(id).worked);
    let counts = counts(state);
    let loops = state
        .plan()
        .tasks()
        .filter(|(id, _)| is_fresh_loop(state, *id))
        .count();
    let fresh = of(&counts, Outcome::UpToDate.word()) + loops;
    let skipped = of(&counts, Outcome::Skipped.word());
    (completed && fresh > 0 && skipped == 0 && !worked()).then_some(fresh)
}

/// Whether a task is a loop with items, each of which is up to date.
fn is_fresh_loop(state: &RunState, id: NodeId) -> bool {
    let items = match &state.spec(id).kind {
        Kind::Loop { .. } => state.instances(id),
        _ => return false,
    };
    let fresh = |item: &NodeId| state.node(*item).outcome() == Some(Outcome::UpToDate);
    !items.is_empty() && items.iter().all(fresh)
}

/// The tasks that are loops without an item, when there was nothing else to do.
pub fn empty_loops(state: &RunState) -> Vec<&str> {
    let mut names = Vec::new();
    for (id, task) in state.plan().tasks() {
        let is_loop = matches!(state.spec(id).kind, Kind::Loop { .. });
        let succeeded = state.node(id).outcome() == Some(Outcome::Succeeded);
        if !is_loop || !succeeded || !state.instances(id).is_empty() {
            return Vec::new();
        }
        names.push(task.name.as_str());
    }
    names
}

fn of(counts: &[(&'static str, usize)], word: &str) -> usize {
    counts
        .iter()
        .find(|(known, _)| *known == word)
        .map_or(0, |(_, count)| *count)
}

/// How many tasks ended how, the worst first.
fn counts(state: &RunState) -> Vec<(&'static str, usize)> {
    const WORDS: [&str; 10] = [
        "failed",
        "timed out",
        "lost",
        "blocked",
        "interrupted",
        "cancelled",
        "not started",
        "succeeded",
        "up to date",
        "skipped",
    ];
    let mut counts: Vec<(&'static str, usize)> = WORDS.map(|word| (word, 0)).to_vec();
    if let Some(fresh) = counts
        .iter_mut()
        .find(|(word, _)| *word == Outcome::UpToDate.word())
    {
        fresh.1 = state.plan().up_to_date as usize;
    }
    for (id, _) in state.plan().tasks() {
        let word = word(state.node(id).stage, state.node(id).worked);
        if let Some(entry) = counts.iter_mut().find(|(known, _)| *known == word) {
            entry.1 += 1;
        }
    }
    counts
}

const fn word(stage: Stage, worked: bool) -> &'static str {
    match stage {
        Stage::Done(outcome) | Stage::Ending(outcome) => outcome.word(),
        _ if worked => Outcome::Interrupted.word(),
        _ => "not started",
    }
}
