//! What a Workflowfile means, once it has been read and checked.
//!
//! Names are resolved, defaults are applied and shorthands are gone: there is no "not filled in yet" here. What the
//! author wrote, with its spans, stays in `file`.

use std::path::PathBuf;

/// A checked Workflowfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// The file it was read from, as an absolute path.
    pub file: PathBuf,
    /// The folder of the file, which relative `dir`s are relative to.
    pub root: PathBuf,
    /// The file's `name`, when it has one.
    pub name: Option<String>,
    /// The file's `desc`, when it has one.
    pub desc: Option<String>,
    /// Its tasks in the order of the file.
    pub tasks: Vec<Task>,
}

/// The number of a task in [`Workflow::tasks`].
pub type TaskIndex = usize;

/// A named list of steps with dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its name, unique in the file.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// What it is for; the first line is shown in lists.
    pub desc: Option<String>,
    /// The tasks that must have succeeded before it begins, each once, in the order written.
    pub depends_on: Vec<TaskIndex>,
    /// The folder that its steps run in, as an absolute path.
    pub dir: PathBuf,
    /// Environment variables of its steps beyond the inherited ones, in the order written.
    pub env: Vec<(String, String)>,
    /// What it does, one after another; empty for a task that only stands for its dependencies.
    pub steps: Vec<Step>,
}

/// One command of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The command or script, as the shell reads it.
    pub command: String,
    /// Where it stands.
    pub place: Place,
}

/// A place in the Workflowfile, both counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Workflow {
    /// The number of the task with this name.
    pub fn find(&self, name: &str) -> Option<TaskIndex> {
        self.tasks.iter().position(|task| task.name == name)
    }
}
