//! What `flow validate` says of patterns of files: sources that are not there, and tasks that make files in each other's places.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Lines};
use crate::file::Loaded;
use crate::incremental::{Globs, Ground};
use crate::model::language::{Task, TaskIndex, Text, Workflow};
use crate::model::path::clean;

/// More pairs of tasks are not looked at.
const PAIRS_MAX: usize = 2_000_000;

/// Adds what there is to warn of. Patterns that are to be evaluated are known in a run only.
pub(super) fn warn(loaded: &mut Loaded) {
    let mut found = unmatched(&loaded.workflow);
    found.extend(shared(&loaded.workflow));
    found.extend(super::dotenvs::warnings(&loaded.workflow));
    let sources: Vec<_> = loaded.warnings.sources().cloned().collect();
    let lines: Vec<Lines<'_>> = sources
        .iter()
        .map(|source| Lines::new(&source.text))
        .collect();
    for (place, length, warning) in found {
        let file = place.file as usize;
        let Some(lines) = lines.get(file) else {
            continue;
        };
        let start = lines.byte(place.line, place.column);
        loaded
            .warnings
            .push(file, warning.at(start..start + length, ""));
    }
}

/// A warning with its place and how long what it is about is, in bytes.
type Found = (crate::model::language::Place, usize, Diagnostic);

/// The folder that the patterns of a task are relative to, where it is known.
fn folder(workflow: &Workflow, task: &Task) -> Option<PathBuf> {
    let file = workflow.file_of(task);
    match &task.dir {
        Some(dir) if dir.is_template() => None,
        Some(dir) => Some(clean(&file.dir.join(&*dir.text))),
        None => Some(file.dir.clone()),
    }
}

fn fixed(texts: &[Text]) -> Vec<String> {
    let fixed = texts.iter().filter(|text| !text.is_template());
    fixed.map(|text| text.text.to_string()).collect()
}

/// The sources that match nothing, and that no task makes.
fn unmatched(workflow: &Workflow) -> Vec<Found> {
    let Some(root) = workflow.files.first() else {
        return Vec::new();
    };
    let ground = Ground::new(&root.dir);
    let mut made: Option<Vec<Globs>> = None;
    let mut found = Vec::new();
    for task in &workflow.tasks {
        let Some(sources) = &task.rules().sources else {
            continue;
        };
        let Some(folder) = folder(workflow, task) else {
            continue;
        };
        let without: Vec<String> = fixed(sources)
            .into_iter()
            .filter(|text| text.starts_with('!'))
            .collect();
        for text in sources {
            if text.is_template() || text.text.starts_with('!') {
                continue;
            }
            let own = std::slice::from_ref(text);
            let texts = [fixed(own), without.clone()].concat();
            let globs = Globs::read(&folder, &texts);
            if ground.has_files(&globs) {
                continue;
            }
            let made = made.get_or_insert_with(|| all_made(workflow));
            // What is generated is there once that has been done.
            if made.iter().any(|made| made.meet(&globs)) {
                continue;
            }
            let pattern = &text.text;
            let warning = match globs.are_names() {
                true => Diagnostic::warning(
                    "no-such-source",
                    format!("there is no file '{pattern}': the task fails when it comes up"),
                )
                .help(format!(
                    "if it may be missing, write {{optional: {pattern}}}"
                )),
                false => Diagnostic::warning(
                    "no-match",
                    format!("the pattern '{pattern}' matches no file"),
                )
                .help("check how it is spelled; patterns are relative to the folder of the task"),
            };
            found.push((text.place, text.text.len(), warning));
        }
    }
    found
}

fn all_made(workflow: &Workflow) -> Vec<Globs> {
    let made = |task: &Task| {
        let generates = fixed(&task.rules().generates);
        let whole = generates.len() == task.rules().generates.len();
        match folder(workflow, task) {
            Some(folder) if whole => Globs::made(&folder, &generates),
            // Anything may be among what is evaluated.
            _ => Globs::made(&workflow.file_of(task).dir, &["**".to_owned()]),
        }
    };
    let tasks = workflow.tasks.iter();
    let tasks = tasks.filter(|task| !task.rules().generates.is_empty());
    tasks.map(made).collect()
}

/// Tasks whose patterns match the same files, though neither comes after the other.
fn shared(workflow: &Workflow) -> Vec<Found> {
    let mut makers: Vec<(TaskIndex, Globs)> = Vec::new();
    for (index, task) in workflow.tasks.iter().enumerate() {
        let generates = fixed(&task.rules().generates);
        if let Some(folder) = folder(workflow, task).filter(|_| !generates.is_empty()) {
            makers.push((index, Globs::made(&folder, &generates)));
        }
    }
    if makers.len().saturating_mul(makers.len()) > PAIRS_MAX {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (at, (index, globs)) in makers.iter().enumerate() {
        let Some((other, _)) = makers[..at]
            .iter()
            .find(|(other, of_other)| globs.meet(of_other) && !in_order(workflow, *index, *other))
        else {
            continue;
        };
        let (task, other) = (&workflow.tasks[*index], &workflow.tasks[*other]);
        if task.place == other.place {
            continue;
        }
        let place = task.rules().generates[0].place;
        let message = format!(
            "'{}' and '{}' generate files in the same places, and neither depends on the other",
            other.name, task.name
        );
        let help = "what one makes is known by file, but when both run at once nobody can say who made what: give each a folder or a pattern of its own";
        let warning = Diagnostic::warning("shared-output", message).help(help);
        found.push((place, task.rules().generates[0].text.len(), warning));
    }
    found
}

/// Whether one of two tasks comes after the other.
fn in_order(workflow: &Workflow, one: TaskIndex, other: TaskIndex) -> bool {
    let needs = |from: TaskIndex, to: TaskIndex| {
        let (mut left, mut seen) = (vec![from], HashSet::new());
        while let Some(index) = left.pop() {
            if index == to {
                return true;
            }
            if seen.insert(index) {
                let task = &workflow.tasks[index];
                left.extend(task.depends_on.iter().map(|need| need.task));
                left.extend(&task.rules().after);
                task.each_call(&mut |call| left.push(call.task));
            }
        }
        false
    };
    needs(one, other) || needs(other, one)
}
