//! Reading the top of the file: its version, its name, and the map of its tasks.
//!
//! Every reader goes on after an error; that nothing wrong leaves is decided once, where all errors are known.

use std::path::Path;

use super::keys::{self, Scope};
use super::task::Names;
use super::tree::{ALIASED_MAX, At, Entry, Resolved, Tree, Value, Walk};
use super::values::Reader;
use super::yaml;
use crate::diagnostic::{Diagnostic, Found, Lines};
use crate::model::workflow::{Task, Workflow};
use crate::suggest::Suggest;

const EXAMPLE: &str = "write tasks, such as\ntasks:\n  build: cargo build\n  test:\n    depends_on: build\n    run: cargo test";

/// What the text means, and all that was found wrong with it. `file` is absolute and is not looked at.
pub(super) fn read(text: &str, file: &Path) -> (Option<Workflow>, Found) {
    let (tree, found) = yaml::parse(text);
    let lines = Lines::new(text);
    let root = file.parent().unwrap_or(file);
    let mut reader = Reader {
        walk: Walk::new(&tree),
        lines: &lines,
        root,
        suggest: Suggest::new(),
        found,
    };
    let workflow = match tree.root() {
        Some(top) => reader.file(top, file),
        None => {
            reader.nothing_to_read();
            None
        }
    };
    reader.too_many_aliases(&tree);
    (workflow, reader.found)
}

/// The keys of the file that this version reads.
#[derive(Default)]
struct Top<'w> {
    name: Option<&'w str>,
    desc: Option<String>,
    tasks: Option<Entry>,
    /// Whether there is a key that was meant as `tasks`.
    misspelt: bool,
}

impl<'w> Reader<'w, '_> {
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

    fn file(&mut self, at: At, file: &Path) -> Option<Workflow> {
        let entries = match self.walk.open(at) {
            Value::Map(entries) => entries,
            Value::Nothing => return None,
            Value::Scalar(_) if self.is_null(at) => {
                self.report(
                    at,
                    Diagnostic::error("empty-file", "the file has no content").help(EXAMPLE),
                );
                return None;
            }
            _ => {
                self.wrong_type(at, "a Workflowfile is a map", EXAMPLE);
                return None;
            }
        };
        let top = self.top(&entries);
        let tasks = self.tasks_of(at, &top);
        Some(Workflow {
            file: file.to_path_buf(),
            root: self.root.to_path_buf(),
            name: top.name.map(str::to_owned),
            desc: top.desc,
            tasks,
        })
    }

    fn top(&mut self, entries: &[Entry]) -> Top<'w> {
        let mut top = Top::default();
        for entry in entries {
            match self.name(entry) {
                "version" => self.version(entry.value),
                "name" => {
                    top.name = self.text(
                        entry.value,
                        "'name' is a text",
                        "write a name, or remove the key",
                    )
                }
                "desc" => top.desc = self.desc(entry.value),
                "tasks" => top.tasks = Some(*entry),
                free if keys::is_free(free) => {}
                _ => {
                    top.misspelt |= self
                        .unknown_key(Scope::File, entry)
                        .is_some_and(|ours| ours.name == "tasks")
                }
            }
        }
        top
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

    fn tasks_of(&mut self, top: At, found: &Top) -> Vec<Task> {
        let Some(entry) = found.tasks else {
            if !found.misspelt {
                self.no_tasks(top, "the file has no 'tasks'");
            }
            return Vec::new();
        };
        match self.walk.open(entry.value) {
            Value::Map(entries) if !entries.is_empty() => self.tasks(&entries),
            Value::Nothing => Vec::new(),
            Value::Map(_) => self.no_tasks(entry.key, "there is no task below 'tasks'"),
            Value::Scalar(_) if self.is_null(entry.value) => {
                self.no_tasks(entry.key, "there is no task below 'tasks'")
            }
            _ => {
                self.wrong_type(entry.value, "'tasks' is a map from names to tasks", EXAMPLE);
                Vec::new()
            }
        }
    }

    fn no_tasks(&mut self, at: At, message: &str) -> Vec<Task> {
        self.report(at, Diagnostic::error("no-tasks", message).help(EXAMPLE));
        Vec::new()
    }

    fn tasks(&mut self, entries: &[Entry]) -> Vec<Task> {
        let names = Names::new(entries.iter().map(|entry| self.name(entry)).collect());
        entries
            .iter()
            .map(|entry| self.task(entry, &names))
            .collect()
    }
}
