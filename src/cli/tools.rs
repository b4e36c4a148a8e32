//! `flow doctor --tools`: which programs the steps of the file begin with, and where they are.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::Context;
use super::{Exit, Trouble};
use crate::exec::shell::Programs;
use crate::expr;
use crate::model::language::step::{has_interpreter, is_posix};
use crate::model::language::{Action, Step, Task, Text, Workflow};
use crate::model::listed::listed;
use crate::plan;
use crate::report::failure::shown_path;
use crate::report::table;

/// A program: its name, and for one with a `/` in it the folder that it is looked for in.
type Key = (String, Option<PathBuf>);

/// A program, where it is, and the tasks whose steps begin with it.
struct Tool<'w> {
    name: String,
    at: Option<PathBuf>,
    /// It is a file of the project, which a task may have to make first.
    own: bool,
    tasks: Vec<&'w str>,
}

/// Shows the programs; one that is not there makes it a failure.
pub(super) fn tools(context: &Context, json: bool) -> Result<Exit, Trouble> {
    let workflow = context.workflow()?;
    let mut programs = Programs::of_this_process();
    let mut tools: Vec<Tool<'_>> = Vec::new();
    for ((name, dir), tasks) in of_file(workflow) {
        let folder = dir.as_deref().unwrap_or(Path::new("/"));
        tools.push(Tool {
            at: programs.find(OsStr::new(&name), folder, None),
            own: dir.is_some() && !Path::new(&name).is_absolute(),
            name,
            tasks,
        });
    }
    let shown = super::show(&if json {
        tools.iter().map(as_json).collect()
    } else {
        let head = ["PROGRAM", "WHERE", "TASKS"].map(str::to_owned).to_vec();
        table::aligned(std::iter::once(head).chain(tools.iter().map(row)))
    })?;
    let missing = tools.iter().any(|tool| tool.at.is_none() && !tool.own);
    Ok(if missing { Exit::TaskFailed } else { shown })
}

fn row(tool: &Tool<'_>) -> Vec<String> {
    let at = match &tool.at {
        Some(at) => shown_path(at),
        None if tool.own => "not there yet".to_owned(),
        None => "not found".to_owned(),
    };
    let tasks = listed(tool.tasks.iter().copied());
    vec![tool.name.clone(), at, tasks]
}

fn as_json(tool: &Tool<'_>) -> String {
    let line = json!({"program": tool.name, "path": tool.at, "tasks": tool.tasks});
    format!("{line}\n")
}

/// The programs of all tasks that can run here, with the tasks that begin with each.
fn of_file(workflow: &Workflow) -> BTreeMap<Key, Vec<&str>> {
    let mut all: BTreeMap<Key, Vec<&str>> = BTreeMap::new();
    for task in &workflow.tasks {
        if plan::elsewhere(task).is_some() {
            continue;
        }
        task.each_step(&mut |step| {
            for name in of_step(task, step) {
                let dir = name.contains('/').then(|| dir_of(workflow, task, step));
                let tasks = all.entry((name, dir)).or_default();
                if tasks.last() != Some(&task.name.as_str()) {
                    tasks.push(&task.name);
                }
            }
        });
    }
    all
}

/// The programs that a step begins with, as far as that is known without running anything.
fn of_step(task: &Task, step: &Step) -> Vec<String> {
    let first = |text: &Text| {
        let word = text.text.split_whitespace().next().unwrap_or_default();
        let is_known = !word.is_empty() && !word.contains(['{', '}']);
        is_known.then(|| word.to_owned())
    };
    match &step.action {
        Action::Argv(words) => words.first().and_then(first).into_iter().collect(),
        Action::Run(script) => {
            let own = step.rules.as_ref().and_then(|rules| rules.shell.as_ref());
            let shell = own.or(task.rules().shell.as_ref());
            let interpreted = own.is_none() && has_interpreter(&script.text);
            if interpreted {
                return interpreter(&script.text).into_iter().collect();
            }
            let is_read = shell.is_none_or(|shell| is_posix(&shell.text));
            let mut programs: Vec<String> = shell.and_then(first).into_iter().collect();
            if is_read {
                programs.extend(expr::programs(&script.text));
            }
            programs
        }
        _ => Vec::new(),
    }
}

/// The program in the first line of a script: that behind `env`, too.
fn interpreter(script: &str) -> Option<String> {
    let line = script.lines().next()?.strip_prefix("#!")?;
    let mut words = line.split_whitespace();
    let first = words.next()?;
    if first.rsplit('/').next() != Some("env") {
        return Some(first.to_owned());
    }
    let mut rest = words.filter(|word| !word.starts_with('-') && !word.contains('='));
    rest.next().or(Some(first)).map(str::to_owned)
}

/// The folder that a step runs in, as far as it is known: that of its file otherwise.
fn dir_of(workflow: &Workflow, task: &Task, step: &Step) -> PathBuf {
    let file = &workflow.file_of(task).dir;
    let dir = step.dir().or(task.dir.as_ref());
    match dir.filter(|dir| !dir.is_template()) {
        Some(dir) => file.join(Path::new(&*dir.text)),
        None => file.clone(),
    }
}
