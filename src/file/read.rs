//! Reading the top of a file: its version, its name, what holds for all its tasks, and the map of its tasks.
//!
//! Every reader goes on after an error; that nothing wrong leaves is decided once, where all errors are known.

use std::ops::Range;
use std::path::Path;

use super::keys::{self, Scope};
use super::locate::Locator;
use super::raw::{Defaults, Include, Owner, Raw, RawTask};
use super::tree::{ALIASED_MAX, At, Entry, Resolved, Tree, Value, Walk};
use super::values::Reader;
use super::yaml;
use crate::diagnostic::{Diagnostic, Found, Lines, Source};
use crate::model::language::FileIndex;
use crate::suggest::Suggest;

/// How many tasks a file has at most.
const TASKS_MAX: usize = 100_000;

const EXAMPLE: &str = "write tasks, such as\ntasks:\n  build: cargo build\n  test:\n    depends_on: build\n    run: cargo test";

/// What a file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A Workflowfile: all there is.
    All,
    /// One of `schedules/`: triggers.
    Triggers,
}

/// What a text means by itself, with all that was found wrong with it. `path` is absolute and is not looked at.
pub(super) fn read(source: Source, path: &Path, file: FileIndex) -> Raw {
    read_as(Holds::All, source, path, file)
}

/// The same of a file that may hold less.
pub(super) fn read_as(holds: Holds, source: Source, path: &Path, file: FileIndex) -> Raw {
    let mut raw = nothing(Source::default(), path);
    let (tree, found) = yaml::parse(&source.text);
    let lines = Lines::new(&source.text);
    let mut reader = Reader {
        locator: Locator::default(),
        walk: Walk::new(&tree),
        lines: &lines,
        file,
        suggest: Suggest::new(),
        var: None,
        locals: Vec::new(),
        defaults: Defaults::default(),
        shell_of_task: None,
        names_of_task: Vec::new(),
        env_of_file: Vec::new(),
        env_of_task: Vec::new(),
        calls: Vec::new(),
        lock_spans: Vec::new(),
        reads: Vec::new(),
        placed: Vec::new(),
        found,
    };
    match tree.root() {
        Some(top) if holds == Holds::All => reader.file(top, &mut raw),
        Some(top) => reader.schedule_file(top, &mut raw),
        None => reader.nothing_to_read(),
    }
    reader.too_many_aliases(&tree);
    raw.found = reader.found;
    raw.reads = reader.reads;
    raw.placed = reader.placed;
    drop(tree);
    raw.source = source;
    raw
}

/// A file of which nothing has been read.
pub(super) fn nothing(source: Source, path: &Path) -> Raw {
    Raw {
        source,
        found: Found::default(),
        path: path.to_path_buf(),
        dir: path.parent().unwrap_or(path).to_path_buf(),
        name: None,
        desc: None,
        meta: Vec::new(),
        vars: Vec::new(),
        env: Vec::new(),
        dotenv: Vec::new(),
        secrets: Vec::new(),
        profiles: Vec::new(),
        includes: Vec::new(),
        tasks: Vec::new(),
        triggers: Vec::new(),
        reads: Vec::new(),
        placed: Vec::new(),
    }
}

impl Reader<'_, '_> {
    fn nothing_to_read(&mut self) {
        if self.found.is_empty() {
            self.found.push(
                Diagnostic::error("empty-file", "the file is empty")
                    .at(0..0, "")
                    .help(EXAMPLE),
            );
        }
    }

    fn too_many_aliases(&mut self, tree: &Tree) {
        let Some(alias) = self.walk.stopped() else {
            return;
        };
        let message =
            format!("more than {ALIASED_MAX} values are reached through aliases and merge keys");
        let help = "write the values out, or share smaller ones";
        self.found.push(
            Diagnostic::error("too-many-aliases", message)
                .at(tree.span(alias), "")
                .help(help),
        );
    }

    fn file(&mut self, at: At, raw: &mut Raw) {
        let entries = match self.walk.open(at) {
            Value::Map(entries) => entries,
            Value::Nothing => return,
            Value::Scalar(_) if self.is_null(at) => {
                self.report(
                    at,
                    Diagnostic::error("empty-file", "the file has no content").help(EXAMPLE),
                );
                return;
            }
            _ => {
                self.wrong_type(at, "a Workflowfile is a map", EXAMPLE);
                return;
            }
        };
        let mut tasks = None;
        let mut misspelt = false;
        for entry in &entries {
            match self.name(entry) {
                "tasks" => tasks = Some(*entry),
                free if keys::is_free(free) => {}
                _ => misspelt |= self.top(entry, raw),
            }
        }
        let env = raw.env.iter();
        self.env_of_file = env.map(|variable| variable.name.clone()).collect();
        match tasks {
            Some(entry) => raw.tasks = self.tasks_of(&entry),
            None if misspelt || !raw.includes.is_empty() => {}
            None => self.no_tasks(at, "the file has no 'tasks'"),
        }
    }

    fn schedule_file(&mut self, at: At, raw: &mut Raw) {
        const EXAMPLE: &str = "write triggers, such as\ntriggers:\n  nightly:\n    cron: \"0 2 * * *\"\n    run: backup";
        let Value::Map(entries) = self.walk.open(at) else {
            return self.wrong_type(at, "a file of schedules is a map", EXAMPLE);
        };
        for entry in &entries {
            match self.name(entry) {
                "triggers" => raw.triggers = self.triggers(entry.value),
                "version" => self.version(entry.value),
                free if keys::is_free(free) => {}
                other => {
                    let message = format!("a file of schedules has no '{other}'");
                    let diagnostic = Diagnostic::error("unknown-key", message);
                    self.report(entry.key, diagnostic.help("it has 'triggers' alone; what else there is stands in the Workflowfile"));
                }
            }
        }
    }

    /// Reads what holds for all tasks; whether the key was meant as `tasks`.
    fn top(&mut self, entry: &Entry, raw: &mut Raw) -> bool {
        let value = entry.value;
        match self.name(entry) {
            "version" => self.version(value),
            "name" => {
                let help = "write a name, or remove the key";
                raw.name = self.literal(value, "'name' is a text", help);
            }
            "desc" => raw.desc = self.desc(value),
            "meta" => raw.meta = self.meta(value),
            "root" => self.root(value, &raw.path),
            "vars" => raw.vars = self.vars(value, &Owner::File),
            "env" => raw.env = self.env(value, &Owner::File),
            "dotenv" => raw.dotenv = self.dotenv(value, &Owner::File),
            "secrets" => raw.secrets = self.secrets(value),
            "profiles" => raw.profiles = self.profiles(value),
            "includes" => raw.includes = self.includes(value),
            "triggers" => raw.triggers = self.triggers(value),
            "defaults" => self.defaults(value),
            _ => {
                let ours = self.unknown_key(Scope::File, entry);
                return ours.is_some_and(|ours| ours.name == "tasks");
            }
        }
        false
    }

    /// `meta`: names with texts, which mean something to people and other programs alone.
    pub(super) fn meta(&mut self, at: At) -> Vec<(String, String)> {
        let help = "write names with texts, such as 'owner: ada'";
        let entries = self.entries(at, "'meta' is a map of texts", help);
        let text = |entry: &Entry| {
            let name = self.var_name(entry, "a text in 'meta'")?;
            let text = self.literal(entry.value, &format!("'{name}' in 'meta' is a text"), help)?;
            Some((name, text))
        };
        entries.iter().filter_map(text).collect()
    }

    fn defaults(&mut self, at: At) {
        let help = "write task keys in it, such as 'timeout: 10m'";
        for entry in self.entries(at, "'defaults' is a map", help) {
            match self.name(&entry) {
                "shell" => self.defaults.shell = self.shell(entry.value),
                "timeout" => self.defaults.timeout = self.limit(entry.value, "'timeout'"),
                "retry" => self.defaults.retry = self.retry(entry.value),
                "cache" => self.defaults.cache = self.boolean(entry.value, "'cache'"),
                "interactive" => {
                    let interactive = self.boolean(entry.value, "'interactive'");
                    self.defaults.interactive = interactive.unwrap_or_default();
                }
                "on_lost" => {
                    self.defaults.on_lost = self.on_lost(entry.value).unwrap_or_default();
                }
                "require" => self.defaults.require = self.required_keys(entry.value),
                _ => {
                    self.unknown_key(Scope::Defaults, &entry);
                }
            }
        }
    }

    /// `require`: names of keys that tasks can have.
    fn required_keys(&mut self, at: At) -> Vec<&'static str> {
        let help = "write keys of tasks, such as [desc, verify]";
        let mut required = Vec::new();
        for item in self.one_or_many(at) {
            let Some(name) = self.text(item, "'require' is a key of tasks", help) else {
                continue;
            };
            match keys::find(Scope::Task, name) {
                Some(key) if keys::is_built(key) => required.push(key.name),
                found => {
                    let message = match found {
                        Some(_) => format!("'{name}' is not in this version of flow"),
                        None => format!("'{name}' is no key of a task"),
                    };
                    let near = self.nearest_key(Scope::Task, name);
                    let help = near.filter(|_| found.is_none()).map_or_else(
                        || help.to_owned(),
                        |near| format!("did you mean '{}'?", near.name),
                    );
                    self.report(item, Diagnostic::error("unknown-key", message).help(help));
                }
            }
        }
        required
    }

    fn includes(&mut self, at: At) -> Vec<Include> {
        let help = "write each include as 'name: folder'";
        let entries = self.entries(at, "'includes' is a map from names to files", help);
        entries
            .iter()
            .filter_map(|entry| self.include(entry))
            .collect()
    }

    fn include(&mut self, entry: &Entry) -> Option<Include> {
        let name = self.name(entry);
        self.check_name(entry.key, name);
        if name.contains(':') {
            let message = "the name of an include is one part, without ':'";
            self.report(
                entry.key,
                Diagnostic::error("include-name", message).help("write a name without ':'"),
            );
        }
        let mut include = Include {
            name: name.to_owned(),
            file: String::new(),
            span: self.span(entry.value),
            with: Vec::new(),
            optional: false,
            flatten: false,
            excludes: Vec::new(),
            dir: None,
        };
        let help = "write a file, or a folder with a Workflowfile.yml in it";
        let file = match self.walk.open(entry.value) {
            Value::Map(entries) => {
                let mut file = None;
                for one in &entries {
                    match self.name(one) {
                        "file" => {
                            include.span = self.span(one.value);
                            file = self.literal(one.value, "'file' is a path", help);
                        }
                        "flatten" => {
                            include.flatten =
                                self.boolean(one.value, "'flatten'").unwrap_or_default()
                        }
                        "excludes" => include.excludes = self.excludes(one.value),
                        "dir" => {
                            let help = "write a folder, relative to this file";
                            include.dir = self.literal(one.value, "'dir' is a folder", help);
                        }
                        "with" => include.with = self.vars(one.value, &Owner::With),
                        "optional" => {
                            include.optional =
                                self.boolean(one.value, "'optional'").unwrap_or_default()
                        }
                        _ => {
                            self.unknown_key(Scope::Include, one);
                        }
                    }
                }
                if !entries.iter().any(|one| self.name(one) == "file") {
                    let message = format!("the include '{name}' has no 'file'");
                    self.report(entry.key, Diagnostic::error("no-file", message).help(help));
                }
                file
            }
            _ => self.literal(entry.value, "an include is a path", help),
        };
        include.file = file?;
        Some(include)
    }

    /// Names and globs of tasks that an include leaves out.
    fn excludes(&mut self, at: At) -> Vec<(String, Range<usize>)> {
        let items = self.one_or_many(at);
        let exclude = |item| {
            let help = "write the name of a task of that file, or a glob such as 'test:*'";
            let name = self.literal(item, "'excludes' is a name of a task", help)?;
            Some((name, self.span(item)))
        };
        items.into_iter().filter_map(exclude).collect()
    }

    /// Only the file that is read first has a root: of one that is included, it is the file that was read first.
    fn root(&mut self, at: At, path: &Path) {
        let help = "write the folder of the file that includes this one, such as '..'";
        let Some(root) = self.literal(at, "'root' is a folder", help) else {
            return;
        };
        if self.file == 0
            && let Some((message, help)) = super::root::wrong(path, &root)
        {
            self.report(at, Diagnostic::error("root", message).help(help));
        }
    }

    fn version(&mut self, at: At) {
        if let Value::Nothing = self.walk.open(at) {
            return;
        }
        if self.tree().resolve(at.node) != Resolved::Int(1) {
            let message = "this is not a version of the file format that this flow reads";
            self.report(
                at,
                Diagnostic::error("version", message).help("write 'version: 1', or remove the key"),
            );
        }
    }

    fn tasks_of(&mut self, entry: &Entry) -> Vec<RawTask> {
        match self.walk.open(entry.value) {
            Value::Map(entries) if !entries.is_empty() => {
                if let Some(entry) = entries.get(TASKS_MAX) {
                    let message = format!("a file has {TASKS_MAX} tasks at most");
                    let diagnostic = Diagnostic::error("too-many-tasks", message);
                    self.report(
                        entry.key,
                        diagnostic.help("make one task of many, or include files"),
                    );
                }
                let numbered = entries.iter().take(TASKS_MAX).enumerate();
                return numbered
                    .map(|(number, entry)| self.task(entry, number))
                    .collect();
            }
            Value::Nothing => {}
            Value::Map(_) => self.no_tasks(entry.key, "there is no task below 'tasks'"),
            Value::Scalar(_) if self.is_null(entry.value) => {
                self.no_tasks(entry.key, "there is no task below 'tasks'")
            }
            _ => self.wrong_type(entry.value, "'tasks' is a map from names to tasks", EXAMPLE),
        }
        Vec::new()
    }

    fn no_tasks(&mut self, at: At, message: &str) {
        self.report(at, Diagnostic::error("no-tasks", message).help(EXAMPLE));
    }
}
