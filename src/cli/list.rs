//! `flow list`

use std::collections::{HashMap, HashSet};

use serde_json::json;

use clap::Args;

use super::context::Context;
use super::needed;
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::engine::incremental::Told;
use crate::incremental::Reason;
use crate::model::id::NodeId;
use crate::model::language::{Task, TaskIndex, Workflow};
use crate::plan::Request;
use crate::plan::identity::Identities;
use crate::report::style::visible;
use crate::report::table;

/// List the tasks of the file
#[derive(Debug, Default, Args)]
pub(super) struct ListArgs {
    /// List all tasks: also hidden and internal ones, and those without a description
    #[arg(short, long)]
    pub(super) all: bool,
    /// Show whether each task would run, and why
    #[arg(long)]
    pub(super) status: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Verb for ListArgs {
    const NAME: &'static str = "list";
    const YIELDS: bool = false;

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        list(context, self)
    }
}

/// Lists the tasks.
pub(super) fn list(context: &Context, args: &ListArgs) -> Result<Exit, Trouble> {
    let workflow = context.workflow()?;
    let status = match args.status {
        true => Some(statuses(context, workflow, args.all)?),
        false => None,
    };
    let text = if args.json {
        as_json(workflow, args.all, status.as_ref())
    } else {
        as_table(workflow, args.all, status.as_ref())
    };
    super::show(&text)
}

/// Those that people are to call: none that is internal or hidden, and where any has a description those that have one.
fn listed(workflow: &Workflow, all: bool) -> impl Iterator<Item = &Task> {
    let tasks = &workflow.tasks;
    let described = tasks
        .iter()
        .any(|task| task.desc.is_some() && is_open(task));
    let wanted = move |task: &&Task| all || is_open(task) && (task.desc.is_some() || !described);
    tasks.iter().filter(wanted)
}

/// Whether people are to know of it.
const fn is_open(task: &Task) -> bool {
    !task.internal && !task.hidden
}

fn as_table(workflow: &Workflow, all: bool, status: Option<&Statuses>) -> String {
    let row = |task: &Task| {
        let names = task.aliases.iter().map(String::as_str);
        let names: Vec<&str> = std::iter::once(task.name.as_str()).chain(names).collect();
        let mut row = vec![names.join(", ")];
        if let Some(status) = status {
            let told = status.get(&task.name);
            row.push(told.map_or_else(String::new, words));
        }
        row.push(first_line(task));
        row
    };
    let mut tasks: Vec<&Task> = listed(workflow, all).collect();
    let groups = by_group(&mut tasks);
    let table = table::aligned(tasks.iter().map(|task| row(task)));
    let mut text = match groups.is_empty() {
        true => table,
        false => with_headings(&table, &groups),
    };
    // Without --all those are left out that people may call and that have no description where others have one.
    let left_out = |task: &&Task| is_open(task) && task.desc.is_none();
    let more = match tasks.iter().any(|task| task.desc.is_some()) {
        true if !all => workflow.tasks.iter().filter(left_out).count(),
        _ => 0,
    };
    if more > 0 {
        let more = if more == 1 {
            "1 more has".to_owned()
        } else {
            format!("{more} more have")
        };
        text.push_str(&format!("\n{more} no description: flow list --all\n"));
    }
    text
}

/// A table with the names of groups above the first line of each.
fn with_headings(table: &str, groups: &[(usize, &str)]) -> String {
    let mut text = String::new();
    for (number, line) in table.lines().enumerate() {
        if let Some((_, group)) = groups.iter().find(|(first, _)| *first == number) {
            text.push_str(&format!("\n{}:\n", visible(group)));
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Puts tasks of one group beside one another, those of none first; the number of the first task of each group.
fn by_group<'w>(tasks: &mut [&'w Task]) -> Vec<(usize, &'w str)> {
    let mut names: Vec<&str> = Vec::new();
    for group in tasks
        .iter()
        .filter_map(|task| task.rules().group.as_deref())
    {
        if !names.contains(&group) {
            names.push(group);
        }
    }
    if names.is_empty() {
        return Vec::new();
    }
    let rank = |task: &Task| {
        let group = task.rules().group.as_deref();
        names
            .iter()
            .position(|name| Some(*name) == group)
            .map_or(0, |rank| rank + 1)
    };
    tasks.sort_by_key(|task| rank(task));
    let first = |name: &&'w str| {
        tasks
            .iter()
            .position(|task| task.rules().group.as_deref() == Some(name))
    };
    names
        .iter()
        .filter_map(|name| Some((first(name)?, *name)))
        .collect()
}

/// What can be said of tasks, by name.
type Statuses = HashMap<String, Told>;

/// Whether the listed tasks would run. One that needs a value on the command line is not asked about.
fn statuses(context: &Context, workflow: &Workflow, all: bool) -> Result<Statuses, Trouble> {
    let asked = listed(workflow, all)
        .filter(|task| task.unusable.is_none() && !task.params.iter().any(|param| param.required));
    let names: HashSet<&str> = asked.map(|task| task.name.as_str()).collect();
    let tasks = workflow.tasks.iter().enumerate();
    let request = Request {
        tasks: tasks
            .filter(|(_, task)| names.contains(task.name.as_str()))
            .map(|(index, _)| index)
            .collect(),
        called_in: context.called_in()?,
        ..Request::default()
    };
    let (plan, told) = needed::tell(context, workflow, &request)?;
    let named =
        |(id, told): (NodeId, Told)| Some((plan.node(id).task.as_ref()?.name.clone(), told));
    let told: Statuses = told.into_iter().filter_map(named).collect();
    // One that is reached by several ways is in the plan once.
    let identities = Identities::of(workflow);
    let one = |(index, task): (TaskIndex, &Task)| {
        let first = &workflow.tasks[identities.first(index)].name;
        Some((task.name.clone(), told.get(first)?.clone()))
    };
    Ok(workflow.tasks.iter().enumerate().filter_map(one).collect())
}

fn words(told: &Told) -> String {
    match told {
        Told::UpToDate => "up to date".to_owned(),
        Told::Runs(Reason::Always) => "always runs".to_owned(),
        Told::Runs(reason) => format!("would run: {reason}"),
        Told::Unknown(why) => format!("not known: {why}"),
        Told::Nothing => String::new(),
    }
}

fn first_line(task: &Task) -> String {
    task.desc
        .as_deref()
        .and_then(|desc| desc.lines().next())
        .unwrap_or_default()
        .to_owned()
}

fn as_json(workflow: &Workflow, all: bool, status: Option<&Statuses>) -> String {
    let task = |task: &Task| {
        let needs = task.depends_on.iter();
        let needs: Vec<&str> = needs
            .map(|need| workflow.tasks[need.task].name.as_str())
            .collect();
        let after = task.rules().after.iter();
        let after: Vec<&str> = after
            .map(|other| workflow.tasks[*other].name.as_str())
            .collect();
        let params: Vec<&str> = task
            .params
            .iter()
            .map(|param| param.name.as_str())
            .collect();
        let file = &workflow.file_of(task).path;
        let mut object = json!({
            "name": task.name, "aliases": task.aliases, "desc": task.desc, "depends_on": needs, "after": after, "params": params,
            "internal": task.internal, "hidden": task.hidden, "group": task.rules().group, "meta": object(&task.rules().meta),
            "unusable": task.unusable.as_ref().map(|unusable| &unusable.why), "file": file, "line": task.place.line,
        });
        if let Some(told) = status.and_then(|status| status.get(&task.name)) {
            object["up_to_date"] = match told {
                Told::UpToDate => json!(true),
                Told::Runs(_) => json!(false),
                Told::Unknown(_) | Told::Nothing => json!(null),
            };
            object["because"] = match told {
                Told::Runs(reason) => json!(reason.to_string()),
                Told::Unknown(why) => json!(why),
                Told::UpToDate | Told::Nothing => json!(null),
            };
        }
        object
    };
    let tasks: Vec<_> = workflow
        .tasks
        .iter()
        .filter(|task| all || is_open(task))
        .map(task)
        .collect();
    let file = &workflow.files[0].path;
    format!(
        "{}\n",
        json!({
            "file": file, "name": workflow.name, "desc": workflow.desc, "meta": object(&workflow.meta), "tasks": tasks
        })
    )
}

/// Names with texts.
fn object(entries: &[(String, String)]) -> serde_json::Map<String, serde_json::Value> {
    let entry = |(name, text): &(String, String)| (name.clone(), text.clone().into());
    entries.iter().map(entry).collect()
}
