//! Names of tasks that stand in a file which is not there now: of an optional include that is missing, and of the file that
//! includes this one when this one is used alone.
//!
//! A task that needs such a name can't run, and says why; the rest of the file can be used.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::includes::{Nodes, bytes_of};
use super::names::whole;
use super::{find, text};
use crate::diagnostic::Source;
use crate::model::language::{Absent, Elsewhere, Unusable};

/// What is not there.
pub(super) struct Missing {
    /// The optional includes whose files are not there, with the places they were looked for at.
    absent: Vec<(PathBuf, Absent)>,
    /// The root file.
    root: PathBuf,
    /// Once it has been looked for.
    above: Option<Option<Above>>,
}

/// A file further up that includes the root file.
pub(super) struct Above {
    pub(super) file: PathBuf,
    folder: PathBuf,
    /// How many folders it is up.
    steps: usize,
    /// What the names of the root file's tasks begin with there.
    namespace: String,
    /// The names of its tasks, whole.
    tasks: HashSet<String>,
    /// All files that it is made of.
    files: Vec<PathBuf>,
}

impl Missing {
    pub(super) fn new(absent: Vec<(PathBuf, Absent)>, root: PathBuf) -> Self {
        Self {
            absent,
            root,
            above: None,
        }
    }

    /// The optional includes that are not there.
    pub(super) fn absent(&self) -> impl Iterator<Item = &Absent> {
        self.absent.iter().map(|(_, absent)| absent)
    }

    /// The files that were looked for, and those that were looked at.
    pub(super) fn files(self) -> impl Iterator<Item = PathBuf> {
        let above = self.above.flatten().into_iter();
        let absent = self.absent.into_iter().map(|(path, _)| path);
        absent.chain(above.flat_map(|above| above.files))
    }

    /// Whether a glob could match names of an include that is not there.
    pub(super) fn could_match(&self, pattern: &str) -> bool {
        self.absent().any(|absent| {
            absent.flatten || {
                let mut parts = pattern.split(':');
                absent.namespace.split(':').all(|name| {
                    parts.next().is_some_and(|part| {
                        part.contains("**")
                            || super::names::matches(part.as_bytes(), name.as_bytes())
                    })
                })
            }
        })
    }

    /// Why a task can't run that needs a name which stands nowhere; `None` when the name is just wrong.
    ///
    /// `written` is the name as it stands in the file, `wanted` the whole name that it means.
    pub(super) fn reason(&mut self, task: &str, written: &str, wanted: &str) -> Option<Unusable> {
        if let Some(absent) = self.absent().find(|absent| absent.has(wanted)) {
            let Absent { name, file, .. } = absent;
            return Some(Unusable {
                why: format!(
                    "'{task}' needs '{written}', and the file of the include '{name}' is not there"
                ),
                help: format!("the include is optional: bring {file}, or run what does without it"),
                elsewhere: None,
            });
        }
        let of_root = written.strip_prefix(':')?;
        let root = &self.root;
        let above = self.above.get_or_insert_with(|| Above::of(root)).as_ref()?;
        let there = |name: &str| above.tasks.contains(name);
        if !there(of_root) && !there(&format!("{of_root}:default")) {
            return None;
        }
        let task_there = whole(&above.namespace, task);
        let up = vec![".."; above.steps].join("/");
        Some(Unusable {
            why: format!(
                "'{task}' needs '{written}', a task of the file in {up} that includes this one"
            ),
            help: format!("write: flow -C {up} {task_there}"),
            elsewhere: Some(Elsewhere {
                folder: above.folder.clone(),
                namespace: above.namespace.clone(),
            }),
        })
    }
}

impl Above {
    /// The nearest file above this one that includes it.
    pub(super) fn of(root: &Path) -> Option<Self> {
        let folders = root.parent()?.ancestors().enumerate().skip(1);
        folders
            .filter_map(|(steps, folder)| Some((steps, find::in_folder(folder)?)))
            .find_map(|(steps, path)| Self::that_includes(root, steps, &path))
    }

    pub(super) fn that_includes(root: &Path, steps: usize, path: &Path) -> Option<Self> {
        let text = text::decode(bytes_of(path).ok()?).ok()?;
        let name = path.display().to_string();
        let nodes = Nodes::read(Source { name, text }, path);
        let own = nodes.list.iter().find(|node| node.raw.path == root)?;
        let namespace = own.namespace.clone();
        let mut tasks = HashSet::new();
        for node in &nodes.list {
            for task in &node.raw.tasks {
                let names = task.task.aliases.iter().chain([&task.task.name]);
                tasks.extend(names.map(|name| whole(&node.namespace, name)));
            }
        }
        Some(Self {
            file: path.to_path_buf(),
            folder: path.parent()?.to_path_buf(),
            steps,
            namespace,
            tasks,
            files: nodes.list.into_iter().map(|node| node.raw.path).collect(),
        })
    }
}
