//! Reading one task: its name, its steps, what it depends on and what it sees.
//!
//! It knows the keys that this version builds; all others are refused by the table in `keys`. Names of other tasks are
//! resolved in `names`, when all files have been read.

use super::keys::{self, Scope};
use super::raw::{Owner, RawNeed, RawTask, Written};
use super::syntax::quoted;
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::{Platform, Step, Task, Text};

const WORK: &str =
    "write 'run:' with a command, or 'depends_on:' with the tasks that it stands for";
const COMMAND: &str = "a command is a text";

/// The names of systems, as `os` and `arch` have them in expressions.
const SYSTEMS: [&str; 8] = [
    "linux", "macos", "windows", "freebsd", "netbsd", "openbsd", "android", "illumos",
];
const PROCESSORS: [&str; 8] = [
    "x86_64",
    "aarch64",
    "x86",
    "arm",
    "riscv64",
    "powerpc64",
    "s390x",
    "loongarch64",
];

impl<'w> Reader<'w, '_> {
    /// A task, or as much of it as could be read when something about it was reported.
    pub(super) fn task(&mut self, entry: &Entry, number: usize) -> RawTask {
        let name = self.name(entry);
        self.check_name(entry.key, name);
        let mut raw = RawTask {
            task: Box::new(Task {
                name: name.to_owned(),
                place: self.place(entry.key),
                ..Task::default()
            }),
            written: Written {
                name_span: self.span(entry.key),
                alias_spans: Vec::new(),
                needs: Vec::new(),
            },
        };
        let owner = Owner::Task(number);
        match self.walk.open(entry.value) {
            Value::Map(entries) if !entries.is_empty() => {
                self.fields(&mut raw, entry, &entries, &owner)
            }
            Value::Scalar(_) if !self.is_null(entry.value) => {
                raw.task.steps.extend(self.step(entry.value, &owner))
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
        raw
    }

    fn fields(&mut self, raw: &mut RawTask, entry: &Entry, entries: &[Entry], owner: &Owner) {
        let before = self.found.len();
        let mut works = false;
        for field in entries {
            self.field(raw, field, owner);
            works |= matches!(self.name(field), "run" | "depends_on");
        }
        // A key that was refused may well have been the work.
        if !works && self.found.len() == before {
            self.no_work(entry);
        }
    }

    fn field(&mut self, raw: &mut RawTask, field: &Entry, owner: &Owner) {
        let (value, task) = (field.value, &mut raw.task);
        match self.name(field) {
            "run" => task.steps = self.steps(value, owner),
            "depends_on" => raw.written.needs = self.depends_on(value),
            "desc" => task.desc = self.desc(value),
            "dir" => task.dir = self.dir(value, owner),
            "env" => task.env = self.env(value, owner),
            "vars" => task.vars = self.vars(value, owner),
            "params" => task.params = self.params(value, owner),
            "dotenv" => task.dotenv = self.dotenv(value, owner),
            "internal" => task.internal = self.boolean(value, "'internal'").unwrap_or_default(),
            "platforms" => task.platforms = self.platforms(value),
            "aliases" => (task.aliases, raw.written.alias_spans) = self.aliases(value),
            _ => {
                self.unknown_key(Scope::Task, field);
            }
        }
    }

    fn aliases(&mut self, at: At) -> (Vec<String>, Vec<std::ops::Range<usize>>) {
        let items = self.one_or_many(at);
        let alias = |item| {
            let name = self.text(
                item,
                "'aliases' has names",
                "write a name, or a list of names",
            )?;
            self.check_name(item, name);
            Some((name.to_owned(), self.span(item)))
        };
        items.into_iter().filter_map(alias).unzip()
    }

    fn platforms(&mut self, at: At) -> Vec<Platform> {
        let items = self.one_or_many(at);
        items
            .into_iter()
            .filter_map(|item| self.platform(item))
            .collect()
    }

    /// `linux`, `aarch64`, or `linux/aarch64`.
    fn platform(&mut self, at: At) -> Option<Platform> {
        let text = self.text(
            at,
            "'platforms' has names of systems",
            "write linux, macos, windows, or linux/aarch64",
        )?;
        let mut platform = Platform {
            os: None,
            arch: None,
        };
        for part in text.split('/') {
            let (slot, known) = match part {
                "amd64" | "x64" => (&mut platform.arch, Some("x86_64")),
                "arm64" => (&mut platform.arch, Some("aarch64")),
                "darwin" => (&mut platform.os, Some("macos")),
                _ if SYSTEMS.contains(&part) => (&mut platform.os, Some(part)),
                _ if PROCESSORS.contains(&part) => (&mut platform.arch, Some(part)),
                _ => (&mut platform.os, None),
            };
            let Some(known) = known.filter(|_| slot.is_none()) else {
                self.unknown_platform(at, part);
                return None;
            };
            *slot = Some(known.to_owned());
        }
        Some(platform)
    }

    fn unknown_platform(&mut self, at: At, part: &str) {
        let near = self
            .suggest
            .nearest(part, SYSTEMS.into_iter().chain(PROCESSORS));
        let help = match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!(
                "write one of {}, or with a processor: linux/aarch64",
                SYSTEMS.join(", ")
            ),
        };
        let message = format!("'{part}' is no system that tasks can be for");
        self.report(at, Diagnostic::error("platform", message).help(help));
    }

    fn no_work(&mut self, entry: &Entry) {
        let message = format!("the task '{}' does nothing", self.name(entry));
        self.report(entry.key, Diagnostic::error("no-work", message).help(WORK));
    }

    pub(super) fn check_name(&mut self, at: At, name: &str) {
        let Some((from, why)) = wrong_name(name) else {
            return;
        };
        let help = "letters, digits, '_', '-', '.' and '/', with ':' between namespaces; \
                    each part begins with a letter, a digit or '_'";
        let diagnostic = Diagnostic::error(
            "task-name",
            format!("'{name}' can't be the name of a task: {why}"),
        );
        let start = self.locate(at, from);
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

    fn steps(&mut self, at: At, owner: &Owner) -> Vec<Step> {
        match self.walk.open(at) {
            Value::List(items) => items
                .into_iter()
                .filter_map(|item| self.step(item, owner))
                .collect(),
            _ => self.step(at, owner).into_iter().collect(),
        }
    }

    fn step(&mut self, at: At, owner: &Owner) -> Option<Step> {
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
            _ => self.command(at, owner),
        }
    }

    /// `true` and `false` are commands too.
    fn is_number(&self, at: At) -> bool {
        matches!(
            self.tree().resolve(at.node),
            Resolved::Int(_) | Resolved::Float(_)
        )
    }

    fn command(&mut self, at: At, owner: &Owner) -> Option<Step> {
        let command = self.script(
            at,
            owner,
            COMMAND,
            "write the command here, such as 'cargo test'",
        )?;
        if command.text.trim().is_empty() {
            let diagnostic = Diagnostic::error("empty-command", "this command is empty");
            self.report(at, diagnostic.help("write a command, or remove it"));
            return None;
        }
        self.unspaced_dash(at, &command.text);
        Some(Step::command(command))
    }

    /// `-cargo test` in a place where a list was meant: no program begins with a dash.
    fn unspaced_dash(&mut self, at: At, command: &str) {
        let mut letters = command.chars();
        if letters.next() == Some('-') && letters.next().is_some_and(char::is_alphabetic) {
            let message = "this command begins with '-': in a list a space stands after it";
            let help = format!("write '- {}'", first_line(&command[1..]));
            self.report(at, Diagnostic::error("unspaced-dash", message).help(help));
        }
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

    fn depends_on(&mut self, at: At) -> Vec<RawNeed> {
        let items = self.one_or_many(at);
        items
            .into_iter()
            .filter_map(|item| self.need(item))
            .collect()
    }

    fn need(&mut self, at: At) -> Option<RawNeed> {
        if let Value::Map(_) = self.walk.open(at) {
            let message = "a map in 'depends_on' is not in this version of flow";
            let diagnostic = Diagnostic::error("not-in-this-version", message);
            self.report(at, diagnostic.help("write the names of the tasks"));
            return None;
        }
        let name = self.text(
            at,
            "'depends_on' has names of tasks",
            "write a name, or a list of names",
        )?;
        if name.contains("{{") {
            let message = "the names in 'depends_on' are no templates: the graph is known before anything runs";
            let diagnostic = Diagnostic::error("template-in-name", message);
            self.report(at, diagnostic.help("write the names of the tasks"));
            return None;
        }
        Some(RawNeed {
            name: name.to_owned(),
            span: self.span(at),
            place: self.place(at),
        })
    }

    fn dir(&mut self, at: At, owner: &Owner) -> Option<Text> {
        let help = "write a folder, relative to this file";
        let dir = self.template(at, owner, "'dir' is a folder", help)?;
        if dir.text.is_empty() {
            self.report(
                at,
                Diagnostic::error("empty-dir", "'dir' is empty")
                    .help(format!("{help}; '.' is its own")),
            );
            return None;
        }
        Some(dir)
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

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
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
