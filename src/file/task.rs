//! Reading one task: its name, its steps, what it depends on and where it runs.
//!
//! It knows the keys that this version builds; all others are refused by the table in `keys`.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::keys::{self, Scope};
use super::syntax::quoted;
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::workflow::{Step, Task, TaskIndex};

/// The names of all tasks of the file.
pub(super) struct Names<'w> {
    in_order: Vec<&'w str>,
    numbers: HashMap<&'w str, TaskIndex>,
}

impl<'w> Names<'w> {
    pub(super) fn new(in_order: Vec<&'w str>) -> Self {
        let numbers = in_order
            .iter()
            .enumerate()
            .map(|(number, name)| (*name, number))
            .collect();
        Self { in_order, numbers }
    }
}

const WORK: &str =
    "write 'run:' with a command, or 'depends_on:' with the tasks that it stands for";
const COMMAND: &str = "a command is a text";

impl<'w> Reader<'w, '_> {
    /// A task, or as much of it as could be read when something about it was reported.
    pub(super) fn task(&mut self, entry: &Entry, names: &Names<'w>) -> Task {
        let name = self.name(entry);
        self.check_name(entry.key, name);
        let mut task = Task {
            name: name.to_owned(),
            place: self.place(entry.key),
            desc: None,
            depends_on: Vec::new(),
            dir: self.root.to_path_buf(),
            env: Vec::new(),
            steps: Vec::new(),
        };
        match self.walk.open(entry.value) {
            Value::Map(entries) if !entries.is_empty() => {
                self.fields(&mut task, entry, &entries, names)
            }
            Value::Scalar(_) if !self.is_null(entry.value) => {
                task.steps.extend(self.step(entry.value))
            }
            Value::List(_) => {
                self.wrong_type(
                    entry.value,
                    "a task is a command or a map",
                    "write 'run:' above the list",
                );
            }
            Value::Nothing => {}
            _ => self.no_work(entry),
        }
        task
    }

    fn fields(&mut self, task: &mut Task, entry: &Entry, entries: &[Entry], names: &Names<'w>) {
        let before = self.found.len();
        let mut works = false;
        for field in entries {
            let value = field.value;
            match self.name(field) {
                "run" => task.steps = self.steps(value),
                "depends_on" => task.depends_on = self.depends_on(value, names),
                "desc" => task.desc = self.desc(value),
                "dir" => task.dir = self.dir(value).unwrap_or_default(),
                "env" => task.env = self.env(value),
                _ => {
                    self.unknown_key(Scope::Task, field);
                }
            }
            works |= matches!(self.name(field), "run" | "depends_on");
        }
        // A key that was refused may well have been the work.
        if !works && self.found.len() == before {
            self.no_work(entry);
        }
    }

    fn no_work(&mut self, entry: &Entry) {
        let message = format!("the task '{}' does nothing", self.name(entry));
        self.report(entry.key, Diagnostic::error("no-work", message).help(WORK));
    }

    fn check_name(&mut self, at: At, name: &str) {
        let Some((from, why)) = wrong_name(name) else {
            return;
        };
        let help = "letters, digits, '_', '-', '.' and '/', with ':' between namespaces; \
                    each part begins with a letter, a digit or '_'";
        let diagnostic = Diagnostic::error(
            "task-name",
            format!("'{name}' can't be the name of a task: {why}"),
        );
        let start = super::locate::locate(self.tree(), at.node, from);
        let span = self.tree().span(self.tree().target(at.node));
        let span = if name.is_empty() {
            span
        } else {
            start..start + name[from..].chars().next().map_or(1, char::len_utf8)
        };
        self.report_part(
            self.walk.follow(at),
            span,
            diagnostic.help(format!("a name has {help}")),
        );
    }

    /// The help of the file or of a task.
    pub(super) fn desc(&mut self, at: At) -> Option<String> {
        self.literal(
            at,
            "'desc' is a text",
            "write what it is for, or remove the key",
        )
        .map(str::to_owned)
    }

    fn steps(&mut self, at: At) -> Vec<Step> {
        match self.walk.open(at) {
            Value::List(items) => items
                .into_iter()
                .filter_map(|item| self.step(item))
                .collect(),
            _ => self.step(at).into_iter().collect(),
        }
    }

    fn step(&mut self, at: At) -> Option<Step> {
        match self.walk.open(at) {
            Value::Map(entries) => {
                self.refuse_step(at, &entries);
                None
            }
            Value::Scalar(scalar) if self.is_number(at) => {
                let help = format!(
                    "put quotes around it if that is a command: {}",
                    quoted(&scalar.text)
                );
                self.wrong_type(at, COMMAND, &help);
                None
            }
            _ => self.command(at),
        }
    }

    /// `true` and `false` are commands too.
    fn is_number(&self, at: At) -> bool {
        matches!(
            self.tree().resolve(at.node),
            Resolved::Int(_) | Resolved::Float(_)
        )
    }

    fn command(&mut self, at: At) -> Option<Step> {
        let command = self.literal(at, COMMAND, "write the command here, such as 'cargo test'")?;
        if command.trim().is_empty() {
            let diagnostic = Diagnostic::error("empty-command", "this command is empty");
            self.report(at, diagnostic.help("write a command, or remove it"));
            return None;
        }
        Some(Step {
            command: command.to_owned(),
            place: self.place(at),
        })
    }

    /// A step that is a map: meant as one, or a command with `: ` in it.
    fn refuse_step(&mut self, at: At, entries: &[Entry]) {
        let known = entries
            .iter()
            .find(|entry| keys::find(Scope::Step, self.name(entry)).is_some());
        if let Some(entry) = known {
            let message = "a step that is a map is not in this version of flow";
            let help = "write the command itself: a step is a text";
            self.report(
                entry.key,
                Diagnostic::error("not-in-this-version", message).help(help),
            );
            return;
        }
        match entries {
            [] => self.wrong_type(at, COMMAND, "write the command here, such as 'cargo test'"),
            [only] if keys::translate(Scope::Step, self.name(only)).is_none() => {
                self.unquoted_colon(at)
            }
            [only, ..] => {
                let diagnostic =
                    Diagnostic::error("unknown-key", format!("unknown key '{}'", self.name(only)));
                self.report(
                    only.key,
                    diagnostic.help("write the command itself: a step is a text"),
                );
            }
        }
    }

    fn unquoted_colon(&mut self, at: At) {
        let span = self.tree().span(self.walk.follow(at).node);
        let written = self.tree().text().get(span).unwrap_or_default();
        let first = written.lines().next().unwrap_or_default().trim_end();
        let help = format!("put quotes around the whole command: {}", quoted(first));
        let message = "this step is a map, not a command, because of the ': ' in it";
        self.report(at, Diagnostic::error("unquoted-colon", message).help(help));
    }

    fn depends_on(&mut self, at: At, names: &Names<'w>) -> Vec<TaskIndex> {
        let mut seen = HashSet::new();
        let items = self.one_or_many(at);
        let found = items
            .into_iter()
            .filter_map(|item| self.dependency(item, names));
        found.filter(|task| seen.insert(*task)).collect()
    }

    fn dependency(&mut self, at: At, names: &Names<'w>) -> Option<TaskIndex> {
        if let Value::Map(_) = self.walk.open(at) {
            self.not_in_depends_on(at, "a map");
            return None;
        }
        let name = self.text(
            at,
            "'depends_on' has names of tasks",
            "write a name, or a list of names",
        )?;
        if let Some(index) = names.numbers.get(name) {
            return Some(*index);
        }
        match name.contains('*') {
            true => self.not_in_depends_on(at, "a glob"),
            false => self.unknown_task(at, name, names),
        }
        None
    }

    fn not_in_depends_on(&mut self, at: At, what: &str) {
        let message = format!("{what} in 'depends_on' is not in this version of flow");
        self.report(
            at,
            Diagnostic::error("not-in-this-version", message).help("write the names of the tasks"),
        );
    }

    fn unknown_task(&mut self, at: At, name: &str, names: &Names<'w>) {
        let diagnostic = Diagnostic::error("unknown-task", format!("there is no task '{name}'"));
        let nearest = self.suggest.nearest(name, names.in_order.iter().copied());
        let help = nearest.map_or_else(
            || "write the name of a task of this file".into(),
            |near| format!("did you mean '{near}'?"),
        );
        self.report(at, diagnostic.help(help));
    }

    fn dir(&mut self, at: At) -> Option<PathBuf> {
        let help = "write a folder, relative to this file";
        let dir = self.literal(at, "'dir' is a folder", help)?;
        if dir.is_empty() {
            self.report(
                at,
                Diagnostic::error("empty-dir", "'dir' is empty")
                    .help(format!("{help}; '.' is its own")),
            );
            return None;
        }
        Some(super::absolute(&self.root.join(dir)))
    }

    fn env(&mut self, at: At) -> Vec<(String, String)> {
        match self.walk.open(at) {
            Value::Map(entries) => entries
                .iter()
                .filter_map(|entry| self.variable(entry))
                .collect(),
            Value::Nothing => Vec::new(),
            _ => {
                self.wrong_type(
                    at,
                    "'env' is a map of names and values",
                    "write each variable as 'NAME: value'",
                );
                Vec::new()
            }
        }
    }

    fn variable(&mut self, entry: &Entry) -> Option<(String, String)> {
        let name = self.name(entry);
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("'{name}' can't be the name of an environment variable");
            let help = "a name is not empty and has no '=' and no NUL";
            self.report(entry.key, Diagnostic::error("env-name", message).help(help));
            return None;
        }
        let help = format!("write '{name}: \"\"' for an empty one");
        let help = if self.is_null(entry.value) {
            &help
        } else {
            "write a text, a number, true or false"
        };
        let value = self.literal(entry.value, "an environment variable has one value", help)?;
        Some((name.to_owned(), value.to_owned()))
    }
}

/// What is wrong with the name of a task, and where in it.
fn wrong_name(name: &str) -> Option<(usize, String)> {
    if name.is_empty() {
        return Some((0, "it is empty".into()));
    }
    let mut first = true;
    for (at, c) in name.char_indices() {
        match c {
            '_' => first = false,
            c if c.is_alphanumeric() => first = false,
            '-' | '.' | '/' if !first => {}
            ':' if !first && at + 1 < name.len() => first = true,
            ':' => return Some((at, "a ':' stands between two parts".into())),
            '-' | '.' | '/' => {
                return Some((at, format!("it, or a part of it, begins with '{c}'")));
            }
            ' ' => return Some((at, "it has a space".into())),
            _ => return Some((at, format!("it has '{c}'"))),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::file::keys::{KEYS, Part, Scope};

    #[test]
    fn the_table_and_the_reader_agree() {
        let core = KEYS
            .iter()
            .filter(|key| key.scope == Scope::Task && key.part == Part::Core);
        let names: Vec<&str> = core.map(|key| key.name).collect();
        assert_eq!(names, ["desc", "run", "depends_on", "dir", "env"]);
    }
}
