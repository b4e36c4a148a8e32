//! `flow validate`

use clap::Args;

use super::context::{self, Context};
use super::verb::{self, Verb};
use super::{Exit, Trouble};
use crate::diagnostic::{Diagnostic, Diagnostics, Lines};
use crate::engine::clock::Clock;
use crate::file::{Loaded, schedules};
use crate::model::language::{Trigger, When};
use crate::report::failure::shown_path;
use crate::report::style::visible;
use crate::trigger::times::{self, Times};
use crate::trigger::words;

/// Check the Workflowfile and its includes
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Print errors and warnings as JSON lines
    #[arg(long)]
    pub(super) json: bool,
    /// Treat warnings as errors (exit code 2)
    #[arg(long)]
    pub(super) strict: bool,
}

impl Verb for ValidateArgs {
    const NAME: &'static str = "validate";
    const YIELDS: bool = false;

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        validate(context, self)
    }
}

/// Checks the file and all that it includes.
pub(super) fn validate(context: &Context, args: &ValidateArgs) -> Result<Exit, Trouble> {
    let path = context.path()?;
    let mut loaded = crate::file::load_as(&shown_path(&path), &path);
    if let Ok(loaded) = &mut loaded {
        hidden(loaded);
        super::patterns::warn(loaded);
    }
    let (found, workflow) = match &loaded {
        Ok(loaded) => (&loaded.warnings, Some(&loaded.workflow)),
        Err(errors) => (errors, None),
    };
    let exit = if workflow.is_some() && (!args.strict || found.is_empty()) {
        Exit::Done
    } else {
        Exit::Wrong
    };
    let schedules = workflow.map(|workflow| {
        let folder = workflow.files[0].dir.join(schedules::FOLDER);
        schedules::load(workflow, shown_path(&folder).as_ref())
    });
    let (exit, beside) = match &schedules {
        Some(Ok(schedules)) if args.strict && !schedules.warnings.is_empty() => {
            (Exit::Wrong, Some(&schedules.warnings))
        }
        Some(Ok(schedules)) => (exit, Some(&schedules.warnings)),
        Some(Err(errors)) => (Exit::Wrong, Some(errors)),
        None => (exit, None),
    };
    if args.json {
        super::show(&found.to_json())?;
        super::show(&beside.map(Diagnostics::to_json).unwrap_or_default())?;
        return Ok(exit);
    }
    if let Some(Err(errors)) = &schedules {
        let words = format!(
            "{}{}",
            found.render(context::colour_wanted(true)),
            errors.render(context::colour_wanted(true))
        );
        return Err(Trouble { exit, words });
    }
    let Some(workflow) = workflow else {
        let words = found.render(context::colour_wanted(true));
        return Err(Trouble { exit, words });
    };
    super::show(&found.render(context::colour_wanted(false)))?;
    let schedules = schedules.and_then(Result::ok).unwrap_or_default();
    super::show(&schedules.warnings.render(context::colour_wanted(false)))?;
    let triggers = schedules.triggers;
    let (tasks, files) = (workflow.tasks.len(), workflow.files.len());
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let mut text = format!(
        "{}: {}, {} in {}\n",
        shown_path(&path),
        if exit == Exit::Done {
            "good"
        } else {
            "refused by --strict"
        },
        count(tasks, "task"),
        count(files, "file")
    );
    if !triggers.is_empty() {
        context::check_zone()?;
        text.push_str(&format!("{}:\n", count(triggers.len(), "trigger")));
    }
    for (_, trigger) in triggers.iter().take(TRIGGERS_MAX) {
        text.push_str(&explained(trigger));
    }
    super::show(&text)?;
    Ok(exit)
}

/// How many triggers are told in words.
const TRIGGERS_MAX: usize = 100;

/// A trigger in words, with its next times.
fn explained(trigger: &Trigger) -> String {
    let times = Times::of(&trigger.when, &jiff::tz::TimeZone::system());
    let mut next = Vec::new();
    let mut at = Some(Clock::of_day());
    while let Some(after) = at.filter(|_| next.len() < 3) {
        at = times.as_ref().ok().and_then(|of| of.next_after(after));
        next.extend(at.map(|at| times::shown(at, &trigger.when)));
    }
    let (name, task) = (visible(&trigger.name), visible(&trigger.run));
    let words = words::of(&trigger.when);
    let then = match (&trigger.when, next.is_empty()) {
        (When::Watch { .. }, _) => String::new(),
        (_, true) => "; it has passed".to_owned(),
        (_, false) => format!("; next {}", next.join(", ")),
    };
    format!("  {name} runs {task} {}{then}\n", visible(&words))
}

/// Warns of each task that can't be called by its name alone, or that a verb can't be any more.
fn hidden(loaded: &mut Loaded) {
    let sources: Vec<_> = loaded.warnings.sources().cloned().collect();
    let lines: Vec<Lines<'_>> = sources
        .iter()
        .map(|source| Lines::new(&source.text))
        .collect();
    for task in &loaded.workflow.tasks {
        let names = std::iter::once(&task.name).chain(&task.aliases);
        for (name, task_wins) in names.filter_map(|name| Some((name, verb::find(name)?.yields))) {
            let warning = if task_wins {
                Diagnostic::warning(
                    "hides-verb",
                    format!("the task '{name}' hides a verb of that name"),
                )
                .help(format!("`flow @{name}` is the verb"))
            } else {
                Diagnostic::warning(
                    "hidden-task",
                    format!("`flow {name}` is a verb, not this task"),
                )
                .help(format!(
                    "`flow run {name}` is the task; or give it another name"
                ))
            };
            let file = task.place.file as usize;
            let start = lines[file].byte(task.place.line, task.place.column);
            let end = start + task.name.rsplit(':').next().map_or(0, str::len);
            loaded.warnings.push(file, warning.at(start..end, ""));
        }
    }
}
