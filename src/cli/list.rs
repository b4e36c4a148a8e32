//! `flow list`

use serde_json::json;

use super::args::ListArgs;
use super::context::Context;
use super::{Exit, Trouble};
use crate::model::workflow::{Task, Workflow};
use crate::report::table;

/// Lists the tasks.
pub(super) fn list(context: &Context, args: &ListArgs) -> Result<Exit, Trouble> {
    let workflow = context.workflow()?;
    let text = if args.json {
        as_json(workflow)
    } else {
        as_table(workflow)
    };
    super::show(&text)
}

fn as_table(workflow: &Workflow) -> String {
    let rows = workflow
        .tasks
        .iter()
        .map(|task| vec![task.name.clone(), first_line(task)]);
    table::aligned(rows)
}

fn first_line(task: &Task) -> String {
    task.desc
        .as_deref()
        .and_then(|desc| desc.lines().next())
        .unwrap_or_default()
        .to_owned()
}

fn as_json(workflow: &Workflow) -> String {
    let task = |task: &Task| {
        let needs: Vec<&str> = task
            .depends_on
            .iter()
            .map(|need| workflow.tasks[*need].name.as_str())
            .collect();
        json!({"name": task.name, "desc": task.desc, "depends_on": needs, "line": task.place.line})
    };
    let tasks: Vec<_> = workflow.tasks.iter().map(task).collect();
    format!(
        "{}\n",
        json!({"file": workflow.file, "name": workflow.name, "desc": workflow.desc, "tasks": tasks})
    )
}
