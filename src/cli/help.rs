//! `flow help TASK`

use clap::Args;

use super::args;
use super::context::Context;
use super::verb::{self, Verb};
use super::{Exit, Trouble, run};
use crate::model::language::{Data, Param, ParamKind, Task, Workflow};
use crate::report::failure::shown_path;
use crate::report::table;

/// Show this help, or the help of a task
#[derive(Debug, Args)]
pub(super) struct HelpArgs {
    /// The task [default: the help of flow itself]
    #[arg(value_name = "TASK")]
    pub(super) task: Option<String>,
}

impl Verb for HelpArgs {
    const NAME: &'static str = "help";
    const YIELDS: bool = false;

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        help(context, self)
    }
}

/// Says what a task is for, or how flow is used.
pub(super) fn help(context: &Context, help: &HelpArgs) -> Result<Exit, Trouble> {
    let Some(name) = &help.task else {
        return super::show(&args::help());
    };
    let workflow = context.workflow()?;
    if workflow.find(name).is_none() && verb::names().any(|verb| verb == name) {
        let what = format!("{name:?} is a verb, and no task");
        return Err(Trouble::call(what, format!("write: flow {name} --help")));
    }
    let task = &workflow.tasks[run::find(workflow, name)?];
    super::show(&page(workflow, task))
}

fn page(workflow: &Workflow, task: &Task) -> String {
    let mut text = format!("{}\n", usage(task));
    let mut part = |head: &str, body: String| {
        if !body.trim().is_empty() {
            text.push_str(&format!("\n{head}{}\n", body.trim_end()));
        }
    };
    part("", task.desc.clone().unwrap_or_default());
    part("Params:\n", table::aligned(task.params.iter().map(row)));
    part("Steps:\n", steps(task));
    let meta = task.rules().meta.iter();
    let meta = meta.map(|(name, text)| vec![format!("  {name}"), text.clone()]);
    part("Meta:\n", table::aligned(meta));
    part("Also called ", task.aliases.join(", "));
    let needs = task.depends_on.iter();
    let needs: Vec<&str> = needs
        .map(|need| workflow.tasks[need.task].name.as_str())
        .collect();
    part("Runs after ", needs.join(", "));
    let after = task.rules().after.iter();
    let after: Vec<&str> = after
        .map(|other| workflow.tasks[*other].name.as_str())
        .collect();
    part(
        "When they are part of the run, it waits for ",
        after.join(", "),
    );
    let file = shown_path(&workflow.file_of(task).path);
    part(
        "",
        format!("{file}:{}:{}", task.place.line, task.place.column),
    );
    text
}

/// The steps that say what they are for.
fn steps(task: &Task) -> String {
    let mut rows = Vec::new();
    task.each_step(&mut |step| {
        if let Some(desc) = step.rules.as_ref().and_then(|rules| rules.desc.as_ref()) {
            let name = step.name().unwrap_or_default();
            rows.push(match name.is_empty() {
                true => vec![format!("  {desc}")],
                false => vec![format!("  {name}"), desc.clone()],
            });
        }
    });
    table::aligned(rows)
}

fn usage(task: &Task) -> String {
    let mut words = vec![format!("Usage: flow {}", task.name)];
    for param in &task.params {
        let word = format!("{}={}", param.name, kind(param));
        words.push(if !param.required {
            format!("[{word}]")
        } else {
            word
        });
    }
    words.join(" ")
}

fn kind(param: &Param) -> String {
    if !param.allowed.is_empty() {
        let allowed: Vec<String> = param.allowed.iter().map(written).collect();
        return allowed.join("|");
    }
    match param.kind {
        ParamKind::String => "TEXT",
        ParamKind::Int => "INTEGER",
        ParamKind::Float => "NUMBER",
        ParamKind::Bool => "true|false",
        ParamKind::List => "ITEM",
        ParamKind::Map => "JSON",
        ParamKind::Path => "PATH",
    }
    .to_owned()
}

fn row(param: &Param) -> Vec<String> {
    let default = match &param.default {
        Some(default) => format!("[default: {}]", written(default)),
        None if param.required => "[required]".to_owned(),
        None => "[optional]".to_owned(),
    };
    let desc = param.desc.clone().unwrap_or_default();
    vec![
        format!("  {}={}", param.name, kind(param)),
        format!("{desc} {default}").trim().to_owned(),
    ]
}

/// A value as it is written.
pub(super) fn written(value: &Data) -> String {
    match value {
        Data::Null => "nothing".to_owned(),
        Data::Bool(value) => value.to_string(),
        Data::Int(_) | Data::Float(_) | Data::Number(_) => value.written(),
        Data::Text(text) if text.text.is_empty() => "''".to_owned(),
        Data::Text(text) => text.text.to_string(),
        Data::List(items) => {
            let items: Vec<String> = items.iter().map(written).collect();
            format!("[{}]", items.join(", "))
        }
        Data::Map(entries) => {
            let entries = entries.iter();
            let entries: Vec<String> = entries
                .map(|(name, value)| format!("{name}: {}", written(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}
