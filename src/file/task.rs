//! Reading one task: its name, its steps, what it depends on and what it sees.
//!
//! It knows the keys that this version builds; all others are refused by the table in `keys`. Names of other tasks are
//! resolved in `names`, when all files have been read.

use super::keys::Scope;
use super::raw::{Defaults, Owner, RawNeed, RawTask, Written};
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::{Expr, Items, Loop, On, OnLost, Platform, Task, Text};

/// The keys that go to the rules of a task.
const RULES: [&str; 24] = [
    "if",
    "preconditions",
    "verify",
    "timeout",
    "retry",
    "ignore_error",
    "silent",
    "label",
    "interactive",
    "stdin",
    "on_lost",
    "durable",
    "locks",
    "sources",
    "depfile",
    "generates",
    "watch",
    "status",
    "cache",
    "confirm",
    "outputs",
    "on_success",
    "on_failure",
    "finally",
];

const WORK: &str =
    "write 'run:' with a command, or 'depends_on:' with the tasks that it stands for";

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
                after: Vec::new(),
                calls: Vec::new(),
                lock_spans: Vec::new(),
            },
        };
        let owner = Owner::Task(number);
        self.shell_of_task = self.defaults.shell.clone();
        self.names_of_task.clear();
        self.env_of_task.clear();
        let Defaults {
            interactive,
            on_lost,
            ..
        } = self.defaults;
        if interactive || on_lost != OnLost::default() {
            // The task may say otherwise.
            let rules = raw.task.rules.get_or_insert_default();
            (rules.interactive, rules.on_lost) = (interactive, on_lost);
        }
        match self.walk.open(entry.value) {
            Value::Map(entries) if !entries.is_empty() => {
                self.fields(&mut raw, entry, &entries, &owner)
            }
            Value::Scalar(_) if !self.is_null(entry.value) => {
                raw.task.steps.extend(self.step(entry.value, &owner))
            }
            Value::List(items) if !items.is_empty() => {
                raw.task.steps = self.steps(entry.value, &owner);
            }
            Value::Nothing => {}
            _ => self.no_work(entry),
        }
        raw.written.calls = std::mem::take(&mut self.calls);
        raw.written.lock_spans = std::mem::take(&mut self.lock_spans);
        self.check_required(entry, &raw.task);
        self.defaults_of(&mut raw.task);
        raw
    }

    /// Warns of a task with steps that lacks a key which `defaults.require` asks for.
    fn check_required(&mut self, entry: &Entry, task: &Task) {
        if self.defaults.require.is_empty() || task.steps.is_empty() {
            return;
        }
        let written: Vec<&str> = match self.walk.open(entry.value) {
            Value::Map(fields) => fields.iter().map(|field| self.name(field)).collect(),
            _ => Vec::new(),
        };
        let required = self.defaults.require.iter();
        let lacks = required.filter(|key| !written.contains(key));
        for key in lacks.copied().collect::<Vec<_>>() {
            let message = format!(
                "the task '{}' has no '{key}', which 'defaults' requires",
                task.name
            );
            let help = format!("write '{key}', or take it out of 'require'");
            self.report(
                entry.key,
                Diagnostic::warning("required-key", message).help(help),
            );
        }
    }

    /// What the file says for all tasks.
    fn defaults_of(&self, task: &mut Task) {
        let defaults = &self.defaults;
        if let (Some(cache), Some(rules)) = (defaults.cache, task.rules.as_deref_mut())
            && !rules.generates.is_empty()
        {
            rules.cache.get_or_insert(cache);
        }
        if defaults.shell.is_none() && defaults.timeout.is_none() && defaults.retry.is_none() {
            return;
        }
        let rules = task.rules.get_or_insert_default();
        rules.shell = rules.shell.take().or_else(|| defaults.shell.clone());
        rules.timeout = rules.timeout.take().or_else(|| defaults.timeout.clone());
        rules.retry = rules.retry.take().or_else(|| defaults.retry.clone());
    }

    fn fields(&mut self, raw: &mut RawTask, entry: &Entry, entries: &[Entry], owner: &Owner) {
        let before = self.found.len();
        let mut works = false;
        self.ahead(&mut raw.task, entries, owner);
        for field in entries {
            self.field(raw, field, owner);
            works |= matches!(self.name(field), "run" | "depends_on");
        }
        // A key that was refused may well have been the work.
        if !works && self.found.len() == before {
            self.no_work(entry);
        }
        self.locals.clear();
    }

    /// What decides how the rest is read, wherever it stands: the names of a loop, the shell.
    fn ahead(&mut self, task: &mut Task, entries: &[Entry], owner: &Owner) {
        for field in entries {
            match self.name(field) {
                "for" => {
                    let each = self.each(field.value, owner);
                    self.locals = each
                        .iter()
                        .flat_map(crate::model::language::Loop::names)
                        .collect();
                    task.rules.get_or_insert_default().each = each;
                }
                "shell" => {
                    self.shell_of_task = self.shell(field.value);
                    task.rules.get_or_insert_default().shell = self.shell_of_task.clone();
                }
                "params" | "vars" => {
                    let names = self.names_of(field.value);
                    self.names_of_task.extend(names);
                }
                "env" => self.env_of_task = self.names_of(field.value),
                _ => {}
            }
        }
    }

    fn field(&mut self, raw: &mut RawTask, field: &Entry, owner: &Owner) {
        let (value, task) = (field.value, &mut raw.task);
        match self.name(field) {
            "run" => task.steps = self.steps(value, owner),
            "depends_on" => raw.written.needs = self.depends_on(value, owner),
            "after" => {
                let items = self.one_or_many(value);
                let names = items
                    .into_iter()
                    .filter_map(|item| self.task_name(item, "'after' has names of tasks"));
                raw.written.after = names.collect();
            }
            "desc" => task.desc = self.desc(value),
            "dir" => task.dir = self.dir(value, owner),
            "env" => task.env = self.env(value, owner),
            "vars" => task.vars = self.vars(value, owner),
            "params" => task.params = self.params(value, owner),
            "dotenv" => task.dotenv = self.dotenv(value, owner),
            "internal" => task.internal = self.boolean(value, "'internal'").unwrap_or_default(),
            "hidden" => task.hidden = self.boolean(value, "'hidden'").unwrap_or_default(),
            "meta" => task.rules.get_or_insert_default().meta = self.meta(value),
            "group" => {
                let help = "write the heading that it is listed below";
                let group = self.literal(value, "'group' is a text", help);
                task.rules.get_or_insert_default().group = group;
            }
            "platforms" => task.platforms = self.platforms(value),
            "aliases" => (task.aliases, raw.written.alias_spans) = self.aliases(value),
            "for" | "shell" => {}
            _ => self.rule(task, field, owner),
        }
    }

    /// A key that few tasks have.
    fn rule(&mut self, task: &mut Task, field: &Entry, owner: &Owner) {
        let (name, value) = (self.name(field), field.value);
        if !RULES.contains(&name) {
            self.unknown_key(Scope::Task, field);
            return;
        }
        let rules = task.rules.get_or_insert_default();
        match name {
            "if" => rules.condition = self.condition(value, owner, "'if'"),
            "preconditions" => rules.preconditions = self.checks(value, owner, "'preconditions'"),
            "verify" => rules.verify = self.checks(value, owner, "'verify'"),
            "timeout" => rules.timeout = self.limit(value, "'timeout'"),
            "retry" => rules.retry = self.retry(value),
            "ignore_error" => {
                rules.ignore_error = self.boolean(value, "'ignore_error'").unwrap_or_default()
            }
            "silent" => rules.silent = self.boolean(value, "'silent'").unwrap_or_default(),
            "label" => rules.label = self.label(value, owner),
            "sources" => {
                let (sources, optional) = self.sources(value, owner);
                (rules.sources, rules.optional_sources) = (Some(sources), optional);
            }
            "depfile" => rules.depfile = self.depfile(value, owner),
            "generates" => rules.generates = self.patterns(value, owner, "generates"),
            "watch" => rules.watch = self.patterns(value, owner, "watch"),
            "status" => {
                let help = "write a command, or a list of them";
                let items = self.one_or_many(value);
                let commands = items
                    .into_iter()
                    .filter_map(|item| self.script(item, owner, "'status' is a command", help));
                rules.status = commands.collect();
            }
            "cache" => rules.cache = self.boolean(value, "'cache'"),
            "interactive" => {
                rules.interactive = self.boolean(value, "'interactive'").unwrap_or_default();
            }
            "stdin" => rules.stdin = self.boolean(value, "'stdin'").unwrap_or_default(),
            "on_lost" => rules.on_lost = self.on_lost(value).unwrap_or_default(),
            "durable" => rules.durable = self.boolean(value, "'durable'").unwrap_or_default(),
            "locks" => rules.locks = self.locks(value, owner),
            "confirm" => {
                let help = "write the question, such as 'Deploy to production?'";
                rules.confirm = self.template(value, owner, "'confirm' is a question", help);
            }
            "outputs" => rules.outputs = self.outputs(value, owner),
            "on_success" => rules.on_success = self.steps(value, owner),
            handler => {
                self.locals.push("error".to_owned());
                let steps = self.steps(value, owner);
                self.locals.retain(|name| name != "error");
                match handler {
                    "on_failure" => rules.on_failure = steps,
                    _ => rules.finally = steps,
                }
            }
        }
    }

    /// `sources`: patterns of files, and maps with such that need not be there.
    fn sources(&mut self, at: At, owner: &Owner) -> (Vec<Text>, Vec<Text>) {
        let (mut sources, mut optional) = (Vec::new(), Vec::new());
        for item in self.one_or_many(at) {
            let Value::Map(entries) = self.walk.open(item) else {
                sources.extend(self.files(item, owner, "sources"));
                continue;
            };
            for entry in &entries {
                match self.name(entry) {
                    "optional" => optional.extend(self.patterns(entry.value, owner, "optional")),
                    _ => {
                        self.unknown_key(Scope::Source, entry);
                    }
                }
            }
        }
        (sources, optional)
    }

    /// `generates` and the like: patterns of files.
    pub(super) fn patterns(&mut self, at: At, owner: &Owner, what: &str) -> Vec<Text> {
        let items = self.one_or_many(at);
        let pattern = |item| self.files(item, owner, what);
        items.into_iter().filter_map(pattern).collect()
    }

    fn files(&mut self, at: At, owner: &Owner, what: &str) -> Option<Text> {
        let help = "write a file or a pattern such as 'src/**/*.c', or a list of them";
        let wanted = format!("'{what}' has patterns of files");
        if let Resolved::Bool(_) = self.tree().resolve(self.walk.follow(at).node) {
            let help = match what {
                "watch" => "write patterns of further files, or call 'flow watch TASK'",
                _ => help,
            };
            self.wrong_type(at, &wanted, help);
            return None;
        }
        let text = self.template(at, owner, &wanted, help)?;
        if !text.is_template()
            && let Err(wrong) = check_pattern(&text.text, what == "generates")
        {
            let message = format!("'{}' is no pattern of files: {wrong}", text.text);
            self.report(at, Diagnostic::error("pattern", message).help(help));
            return None;
        }
        Some(text)
    }

    /// `depfile`: the path of one file.
    fn depfile(&mut self, at: At, owner: &Owner) -> Option<Text> {
        let help = "write the file that the commands name: gcc -MMD -MF obj/main.d …";
        self.template(at, owner, "'depfile' is a path", help)
    }

    /// `outputs`: names and expressions.
    fn outputs(&mut self, at: At, owner: &Owner) -> Vec<(String, Expr)> {
        let help = "write each output as 'name: expression'";
        let entries = self.entries(at, "'outputs' is a map of names and expressions", help);
        let output = |entry: &Entry| {
            let name = self.var_name(entry, "an output")?;
            let value = self.expression(entry.value, owner, "an output is an expression")?;
            Some((name, value))
        };
        entries.iter().filter_map(output).collect()
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
    }

    fn depends_on(&mut self, at: At, owner: &Owner) -> Vec<RawNeed> {
        // A loop's names don't hold here: what a task needs has happened once, before its items are known.
        let locals = std::mem::take(&mut self.locals);
        let items = self.one_or_many(at);
        let needs = items.into_iter().filter_map(|item| self.need(item, owner));
        let needs = needs.collect();
        self.locals = locals;
        needs
    }

    fn need(&mut self, at: At, owner: &Owner) -> Option<RawNeed> {
        const NAMES: &str = "'depends_on' has names of tasks";
        let Value::Map(entries) = self.walk.open(at) else {
            return self.task_name(at, NAMES);
        };
        let (mut need, mut on, mut vars) = (None, On::Success, Vec::new());
        let before = self.found.len();
        let each = entries.iter().find(|entry| self.name(entry) == "for");
        let each = each.and_then(|entry| self.each_known(entry.value, owner));
        let depth = self.locals.len();
        self.locals.extend(each.iter().flat_map(Loop::values));
        for entry in &entries {
            match self.name(entry) {
                "task" => need = self.task_name(entry.value, NAMES),
                "vars" => vars = self.arguments(entry.value, owner),
                "on" => on = self.on(entry.value).unwrap_or_default(),
                // It brings names into scope and was read first.
                "for" => {}
                _ => {
                    self.unknown_key(Scope::Dependency, entry);
                }
            }
        }
        if need.is_none() && self.found.len() == before {
            let help = "write {task: name, vars: {…}, on: success}";
            self.wrong_type(at, "a dependency names its task", help);
        }
        self.locals.truncate(depth);
        Some(RawNeed {
            on,
            vars,
            each,
            ..need?
        })
    }

    /// `for` of a dependency, whose items are known when a run is planned; they are there at the same time, in no order.
    fn each_known(&mut self, at: At, owner: &Owner) -> Option<Loop> {
        let each = self.each(at, owner)?;
        let what = match &each.items {
            Items::Glob(_) => "what files there are",
            Items::Sh(_) => "what a command prints",
            _ => return Some(each),
        };
        let message =
            format!("the items of a dependency are known before the run, and {what} is not");
        let help = "write a list, or let a task with 'for' call the other one: run: [{task: NAME, vars: {…}}]";
        self.report(
            at,
            Diagnostic::error("items-of-dependency", message).help(help),
        );
        None
    }

    fn on(&mut self, at: At) -> Option<On> {
        let help = "write success, failure or done";
        match self.text(at, "'on' is a word", help)? {
            "success" => Some(On::Success),
            "failure" => Some(On::Failure),
            "done" => Some(On::Done),
            other => {
                let message = format!("'on' is success, failure or done, but this is '{other}'");
                self.report(at, Diagnostic::error("on", message).help(help));
                None
            }
        }
    }

    pub(super) fn dir(&mut self, at: At, owner: &Owner) -> Option<Text> {
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

/// What is wrong with a pattern of files; what a task makes is in the project.
fn check_pattern(text: &str, made: bool) -> Result<(), String> {
    let pattern = text.strip_prefix('!').unwrap_or(text);
    if pattern.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if made && (pattern.starts_with('/') || pattern.split('/').any(|part| part == "..")) {
        return Err("what a task makes is in its folder or below".to_owned());
    }
    crate::expr::check_pattern(pattern)
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
