//! What a Workflowfile and its includes mean, once they have been read and checked.
//!
//! Names are resolved, defaults are applied and shorthands are gone: there is no "not filled in yet" here, and nothing of
//! YAML. What can only be known while a run goes on stays as it was written: a [`Text`] that may be a template, an
//! [`Expr`]. What the author wrote, with its spans, stays in `file`; what a name stands for at a given moment is `eval`'s.

pub mod builtin;
pub mod json;
pub mod number;
pub mod param;
pub mod rules;
pub mod step;
pub mod task;
mod texts;
pub mod trigger;
pub mod value;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::builtin::BuiltIn;
pub use self::param::Misfit;
pub use self::rules::{
    Approval, ApprovalFallback, Check, Condition, Lock, LockHold, OnReject, Retry, Rollback,
    Service, Setting,
};
pub use self::step::{Action, Axis, Call, Items, Loop, Step, StepRules, Wait, WaitFor};
pub use self::task::{
    Dependency, Elsewhere, On, OnLost, OutputMode, Param, ParamKind, Platform, Task, TaskIndex,
    TaskRules, Unusable,
};
pub use self::trigger::{CatchUp, Overlap, Trigger, When};
pub use self::value::{Data, EnvVar, Expr, Place, Reads, Secret, SecretFrom, Text, Var, VarValue};

/// The number of a file in [`Workflow::files`]; 0 is the root file.
pub type FileIndex = u32;

/// A checked Workflowfile with all that it includes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// The file that was read first, then the included ones in the order they were met.
    pub files: Vec<File>,
    /// The root file's `name`.
    pub name: Option<String>,
    /// The root file's `desc`.
    pub desc: Option<String>,
    /// The root file's `meta`.
    pub meta: Vec<(String, String)>,
    /// The root file's profiles, in the order written.
    pub profiles: Vec<Profile>,
    /// All tasks, those of the root file first, each file's in its order.
    pub tasks: Vec<Task>,
    /// All triggers, those of the root file first, each file's in its order.
    pub triggers: Vec<Trigger>,
    /// The optional includes whose files are not there.
    pub absent: Vec<Absent>,
}

/// An optional include whose file is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// What the names of its tasks would begin with, without the last `:`; empty for those of the root file.
    pub namespace: String,
    /// Its tasks would stand among those of the file that includes it, so which names are its own is not known.
    pub flatten: bool,
    /// The name of the include.
    pub name: String,
    /// The file, as it is written.
    pub file: String,
}

/// One file: what holds for all its tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// The path, absolute.
    pub path: PathBuf,
    /// The folder that its tasks run in and that paths in it are relative to, absolute: its own, unless its include says otherwise.
    pub dir: PathBuf,
    /// What the names of its tasks begin with, without the last `:`; empty for the root file.
    pub namespace: String,
    /// The file that includes it; `None` for the root file.
    pub parent: Option<FileIndex>,
    /// What its include hands over; the values are read in the parent's scope.
    pub with: Vec<Var>,
    /// Its vars.
    pub vars: Vec<Var>,
    /// Its environment variables.
    pub env: Vec<EnvVar>,
    /// Its dotenv files, relative to `dir`; of several the last that sets a name counts.
    pub dotenv: Vec<Text>,
    /// Its secrets.
    pub secrets: Vec<Secret>,
}

/// A named set of vars and environment variables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// Its vars.
    pub vars: Vec<Var>,
    /// Its environment variables.
    pub env: Vec<EnvVar>,
}

impl Workflow {
    /// The number of the task with this name or alias; `web` is also `web:default`.
    pub fn find(&self, name: &str) -> Option<TaskIndex> {
        let called = |wanted: &str| self.tasks.iter().position(|task| task.name == wanted);
        let alias = || {
            let has = |task: &Task| task.aliases.iter().any(|alias| alias == name);
            self.tasks.iter().position(has)
        };
        called(name)
            .or_else(alias)
            .or_else(|| called(&format!("{name}:default")))
    }

    /// The optional include that would have a task of this name, if its file were there.
    pub fn absent(&self, name: &str) -> Option<&Absent> {
        self.absent.iter().find(|absent| absent.has(name))
    }

    /// The file that a task stands in.
    pub fn file_of(&self, task: &Task) -> &File {
        &self.files[task.place.file as usize]
    }
}

impl Absent {
    /// Whether a task of this name would be one of its tasks.
    pub fn has(&self, name: &str) -> bool {
        if self.namespace.is_empty() {
            return self.flatten;
        }
        let rest = name.strip_prefix(self.namespace.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}
