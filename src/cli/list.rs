//! `flow list`

use serde_json::json;

use super::args::ListArgs;
use super::context::Context;
use super::{Exit, Trouble};
use crate::model::language::{Task, Workflow};
use crate::report::table;

/// Lists the tasks.
pub(super) fn list(context: &Context, args: &ListArgs) -> Result<Exit, Trouble> {
    let workflow = context.workflow()?;
    let text = if args.json {
        as_json(workflow, args.all)
    } else {
        as_table(workflow, args.all)
    };
    super::show(&text)
}

/// Those that people are to call: none that is internal, and where any has a description those that have one.
fn listed(workflow: &Workflow, all: bool) -> impl Iterator<Item = &Task> {
    let tasks = &workflow.tasks;
    let described = tasks
        .iter()
        .any(|task| task.desc.is_some() && !task.internal);
    let wanted = move |task: &&Task| all || !task.internal && (task.desc.is_some() || !described);
    tasks.iter().filter(wanted)
}

fn as_table(workflow: &Workflow, all: bool) -> String {
    let row = |task: &Task| {
        let names = task.aliases.iter().map(String::as_str);
        let names: Vec<&str> = std::iter::once(task.name.as_str()).chain(names).collect();
        vec![names.join(", "), first_line(task)]
    };
    let mut text = table::aligned(listed(workflow, all).map(row));
    let more = workflow.tasks.iter().filter(|task| !task.internal).count()
        - listed(workflow, false).count();
    if more > 0 && !all {
        let more = if more == 1 {
            "1 more has".to_owned()
        } else {
            format!("{more} more have")
        };
        text.push_str(&format!("\n{more} no description: flow list --all\n"));
    }
    text
}

fn first_line(task: &Task) -> String {
    task.desc
        .as_deref()
        .and_then(|desc| desc.lines().next())
        .unwrap_or_default()
        .to_owned()
}

fn as_json(workflow: &Workflow, all: bool) -> String {
    let task = |task: &Task| {
        let needs = task.depends_on.iter();
        let needs: Vec<&str> = needs
            .map(|need| workflow.tasks[need.task].name.as_str())
            .collect();
        let params: Vec<&str> = task
            .params
            .iter()
            .map(|param| param.name.as_str())
            .collect();
        let file = &workflow.file_of(task).path;
        json!({
            "name": task.name, "aliases": task.aliases, "desc": task.desc, "depends_on": needs, "params": params,
            "internal": task.internal, "file": file, "line": task.place.line,
        })
    };
    let tasks: Vec<_> = workflow
        .tasks
        .iter()
        .filter(|task| all || !task.internal)
        .map(task)
        .collect();
    let file = &workflow.files[0].path;
    format!(
        "{}\n",
        json!({"file": file, "name": workflow.name, "desc": workflow.desc, "tasks": tasks})
    )
}
