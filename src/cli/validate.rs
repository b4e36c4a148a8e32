//! `flow validate`

use super::args::{self, ValidateArgs};
use super::context::{self, Context};
use super::{Exit, Trouble};
use crate::diagnostic::{Diagnostic, Lines};
use crate::file::Loaded;
use crate::report::failure::shown_path;

/// Checks the file and all that it includes.
pub(super) fn validate(context: &Context, args: &ValidateArgs) -> Result<Exit, Trouble> {
    let path = context.path()?;
    let mut loaded = crate::file::load_as(&shown_path(&path), &path);
    if let Ok(loaded) = &mut loaded {
        hidden(loaded);
    }
    let (found, workflow) = match &loaded {
        Ok(loaded) => (&loaded.warnings, Some(&loaded.workflow)),
        Err(errors) => (errors, None),
    };
    let exit = if workflow.is_some() {
        Exit::Done
    } else {
        Exit::Wrong
    };
    if args.json {
        super::show(&found.to_json())?;
        return Ok(exit);
    }
    let Some(workflow) = workflow else {
        let words = found.render(context::colour_wanted(true));
        return Err(Trouble { exit, words });
    };
    super::show(&found.render(context::colour_wanted(false)))?;
    let (tasks, files) = (workflow.tasks.len(), workflow.files.len());
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    super::show(&format!(
        "{}: good, {} in {}\n",
        shown_path(&path),
        count(tasks, "task"),
        count(files, "file")
    ))
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
        for (name, task_wins) in names.filter_map(|name| Some((name, args::is_hidden(name)?))) {
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
