//! Dotenv files that are named and not there. Any may be missing; a name that looks misspelt, or a list of which no file is there, is
//! said all the same.

use std::collections::HashSet;
use std::path::Path;

use super::args::ShowArgs;
use crate::diagnostic::Diagnostic;
use crate::model::language::{Place, Text, Workflow};
use crate::model::plan::Plan;
use crate::report::level::Level;
use crate::report::screen;
use crate::report::style::visible;
use crate::suggest::Suggest;

/// A dotenv file that is not there.
struct Missing<'w> {
    text: &'w Text,
    /// A file that may have been meant.
    near: Option<String>,
}

impl Missing<'_> {
    fn words(&self) -> String {
        format!("the dotenv file {} is not there", self.text.text)
    }

    fn help(&self) -> String {
        match &self.near {
            Some(near) => format!("did you mean {near}?"),
            None => {
                "its variables are not set; remove it from 'dotenv' if nobody needs it".to_owned()
            }
        }
    }
}

/// The warnings of `flow validate`, each with its place and how long what it is about is, in bytes. Where nothing is like it, the
/// file may be one that is only there on some machines.
pub(super) fn warnings(workflow: &Workflow) -> Vec<(Place, usize, Diagnostic)> {
    let warning = |one: Missing<'_>| {
        let warning = Diagnostic::warning("no-such-dotenv", one.words()).help(one.help());
        (one.text.place, one.text.text.len(), warning)
    };
    let all = missing(workflow, |_| true).into_iter();
    all.filter(|one| one.near.is_some()).map(warning).collect()
}

/// Says before a run what of its tasks and files is missing.
pub(super) fn say(workflow: &Workflow, plan: &Plan, show: &ShowArgs) {
    let any = workflow.files.iter().any(|file| !file.dotenv.is_empty())
        || workflow.tasks.iter().any(|task| !task.dotenv.is_empty());
    if !show.says(Level::Warning) || !any {
        return;
    }
    let places: HashSet<Place> = plan.tasks().map(|(_, task)| task.place).collect();
    for one in missing(workflow, |place| places.contains(&place)) {
        let words = format!("warning: {}; {}", one.words(), one.help());
        // That there is nobody to read it is no error.
        let _ = screen::print("", &format!("{}\n", visible(&words)));
    }
}

fn missing(workflow: &Workflow, runs: impl Fn(Place) -> bool) -> Vec<Missing<'_>> {
    let files = workflow.files.iter();
    let of_files = files.map(|file| (&file.dir, &file.dotenv[..]));
    let tasks = workflow.tasks.iter().filter(|task| !task.dotenv.is_empty());
    let tasks = tasks.filter(|task| runs(task.place));
    let of_tasks = tasks.map(|task| (&workflow.file_of(task).dir, &task.dotenv[..]));
    let mut all: Vec<Missing<'_>> = Vec::new();
    for (dir, list) in of_files.chain(of_tasks) {
        for one in of_list(dir, list) {
            if !all.iter().any(|known| known.text.text == one.text.text) {
                all.push(one);
            }
        }
    }
    all
}

fn of_list<'w>(dir: &Path, list: &'w [Text]) -> Vec<Missing<'w>> {
    let is_there = |text: &&Text| text.is_template() || dir.join(&*text.text).exists();
    let any = list.iter().any(|text| is_there(&text));
    let gone = list.iter().filter(|text| !is_there(text));
    let missing = gone.map(|text| Missing {
        text,
        near: near(dir, &text.text, list),
    });
    missing.filter(|one| !any || one.near.is_some()).collect()
}

/// A file beside a path whose name is like that of the path, and that the list does not name anyway.
fn near(dir: &Path, path: &str, list: &[Text]) -> Option<String> {
    let path = Path::new(path);
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = std::fs::read_dir(dir.join(folder)).ok()?;
    let names = beside.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let shown = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let names: Vec<String> = names
        .filter(|name| name.contains("env") && !list.iter().any(|text| *text.text == *shown(name)))
        .collect();
    let near = Suggest::new().nearest(name, names.iter().map(String::as_str))?;
    Some(shown(near))
}
