//! A task: its name, what it needs, its scope, its steps and the rules that hold for it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rules::{Approval, Check, Condition, Lock, Retry, Rollback, Service, Setting};
use super::step::{Action, Call, Loop, Step};
use super::value::{Data, EnvVar, Expr, Place, Text, Var};

/// The number of a task in [`super::Workflow::tasks`].
pub type TaskIndex = usize;

/// A named list of steps with dependencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its whole name, such as `web:build`; unique.
    pub name: String,
    /// Where its name stands; `place.file` is the file it belongs to.
    pub place: Place,
    /// What it is for; the first line is shown in lists.
    pub desc: Option<String>,
    /// Other whole names of it.
    pub aliases: Vec<String>,
    /// It can't be called from the command line and is not listed.
    pub internal: bool,
    /// It is not listed; it can be called all the same.
    pub hidden: bool,
    /// Where it runs; empty for everywhere. Elsewhere it is skipped.
    pub platforms: Vec<Platform>,
    /// What must have happened before it begins, each once, in the order written; globs are expanded.
    pub depends_on: Vec<Dependency>,
    /// Its typed arguments.
    pub params: Vec<Param>,
    /// Its vars.
    pub vars: Vec<Var>,
    /// Its environment variables.
    pub env: Vec<EnvVar>,
    /// Its dotenv files, relative to the folder of its file.
    pub dotenv: Vec<Text>,
    /// The folder its steps run in, relative to that of its file.
    pub dir: Option<Text>,
    /// What it does; empty for a task that only stands for its dependencies.
    pub steps: Vec<Step>,
    /// What holds for it beyond that; few tasks have any.
    pub rules: Option<Box<TaskRules>>,
    /// Why it can't run as the files are.
    pub unusable: Option<Box<Unusable>>,
}

/// Why a task can't run, although the file it stands in can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// What it needs and can't have, as a sentence.
    pub why: String,
    /// What to do about it, unless it can run elsewhere.
    pub help: String,
    /// Where it can run.
    pub elsewhere: Option<Elsewhere>,
}

/// Where a task can run that can't run here: it needs what stands in a file that includes this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The folder of that file, absolute.
    pub folder: PathBuf,
    /// What the names of the tasks begin with there.
    pub namespace: String,
}

/// What is said of a task beyond what it is and does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskRules {
    /// The heading that it is listed below.
    pub group: Option<String>,
    /// What else is said of it, for people and other programs.
    pub meta: Vec<(String, String)>,
    /// The tasks that it comes after when they are part of the run, each once; globs are expanded.
    pub after: Vec<TaskIndex>,
    /// The shell; `None` for `sh -e`.
    pub shell: Option<Text>,
    /// When false it is skipped.
    pub condition: Option<Condition>,
    /// One instance an item.
    pub each: Option<Loop>,
    /// When one does not hold it fails before its steps.
    pub preconditions: Vec<Check>,
    /// The files it reads, as globs; `None` when it does not say.
    pub sources: Option<Vec<Text>>,
    /// Files it reads that need not be there; where there are any, `sources` is said too.
    pub optional_sources: Vec<Text>,
    /// The files it makes, as globs.
    pub generates: Vec<Text>,
    /// Commands that all succeed when there is nothing to do.
    pub status: Vec<Text>,
    /// The file in which its commands name what else they have read: a rule in make's syntax.
    pub depfile: Option<Text>,
    /// Whether what it generates may come from the cache; `None` where that is not said.
    pub cache: Option<bool>,
    /// The longest one attempt may take.
    pub timeout: Option<Setting<Duration>>,
    /// How often and when it is tried again.
    pub retry: Option<Retry>,
    /// A failure counts as success for what follows.
    pub ignore_error: bool,
    /// What resume does with a step in flight when flow died.
    pub on_lost: OnLost,
    /// What it holds while it runs.
    pub locks: Vec<Lock>,
    /// Who must agree before it runs.
    pub approval: Option<Approval>,
    /// Asked before anything of the plan runs.
    pub confirm: Option<Text>,
    /// Checks after the steps.
    pub verify: Vec<Check>,
    /// Runs after success.
    pub on_success: Vec<Step>,
    /// Runs after failure.
    pub on_failure: Vec<Step>,
    /// Runs whenever a step began, last.
    pub finally: Vec<Step>,
    /// What undoes it.
    pub rollback: Option<Rollback>,
    /// What others read of it.
    pub outputs: Vec<(String, Expr)>,
    /// It goes on running for those that need it.
    pub service: Option<Service>,
    /// Each fact is synced.
    pub durable: bool,
    /// More files for watch mode, as globs.
    pub watch: Vec<Text>,
    /// It has the terminal to itself.
    pub interactive: bool,
    /// Its commands read flow's stdin, one after another.
    pub stdin: bool,
    /// Its commands are not shown.
    pub silent: bool,
    /// What is shown, once, in the place of its commands.
    pub label: Option<Text>,
    /// How its output is shown.
    pub output: Option<OutputMode>,
}

impl TaskRules {
    /// Whether it is said by what it is told whether it has to run.
    pub fn is_incremental(&self) -> bool {
        self.sources.is_some() || !self.status.is_empty()
    }
}

impl Task {
    /// What is said of it beyond what it is and does.
    pub fn rules(&self) -> &TaskRules {
        static NONE: std::sync::LazyLock<TaskRules> = std::sync::LazyLock::new(TaskRules::default);
        self.rules.as_deref().unwrap_or(&NONE)
    }

    /// Its lists of steps: its work, then what its handlers do.
    pub fn step_lists(&self) -> impl Iterator<Item = &[Step]> {
        let rules = self.rules.as_deref();
        let handlers = rules.map(|rules| [&rules.on_success, &rules.on_failure, &rules.finally]);
        let handlers = handlers.into_iter().flatten().map(|steps| &steps[..]);
        std::iter::once(&self.steps[..]).chain(handlers)
    }

    /// Every step of it, those within others and those of its handlers too.
    pub fn each_step<'a>(&'a self, visit: &mut dyn FnMut(&'a Step)) {
        for steps in self.step_lists() {
            steps.iter().for_each(|step| step.each(visit));
        }
    }

    /// Every call of another task.
    pub fn each_call<'a>(&'a self, visit: &mut dyn FnMut(&'a Call)) {
        self.each_step(&mut |step| {
            if let Action::Task(call) = &step.action {
                visit(call);
            }
        });
    }

    /// Every call of another task in its own steps, and in none of its handlers.
    pub fn each_call_of_steps<'a>(&'a self, visit: &mut dyn FnMut(&'a Call)) {
        for step in &self.steps {
            step.each(&mut |step| {
                if let Action::Task(call) = &step.action {
                    visit(call);
                }
            });
        }
    }

    /// Every call of another task, to change it.
    pub fn each_call_mut(&mut self, visit: &mut dyn FnMut(&mut Call)) {
        let rules = self.rules.as_deref_mut();
        let handlers = rules.map(|rules| {
            [
                &mut rules.on_success,
                &mut rules.on_failure,
                &mut rules.finally,
            ]
        });
        let lists = std::iter::once(&mut self.steps).chain(handlers.into_iter().flatten());
        for step in lists.flatten() {
            step.each_call_mut(visit);
        }
    }
}

/// A name as it stands in expressions: what can't be part of a name there is `_`.
pub fn as_identifier(name: &str) -> String {
    let fits = |c: char| if c.is_alphanumeric() { c } else { '_' };
    name.chars().map(fits).collect()
}

/// The name of a task as a file of this namespace calls it.
pub fn relative<'n>(name: &'n str, namespace: &str) -> &'n str {
    let rest = name.strip_prefix(namespace);
    let rest = rest.and_then(|rest| rest.strip_prefix(':'));
    rest.filter(|_| !namespace.is_empty()).unwrap_or(name)
}

/// What must have happened before a task begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dependency {
    /// The task.
    pub task: TaskIndex,
    /// Where it was asked for.
    pub place: Place,
    /// How it must have ended.
    pub on: On,
    /// What it is called with; read in the scope of the task that depends on it.
    pub vars: Vec<Var>,
    /// It is one dependency for each of these items, whose names `vars` can read.
    pub each: Option<Loop>,
}

/// How a dependency must have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum On {
    /// In a way that counts as success.
    #[default]
    Success,
    /// In a failure.
    Failure,
    /// In any way.
    Done,
}

/// What resume does with a step that was in flight when flow died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnLost {
    /// It runs again.
    #[default]
    Retry,
    /// It has failed.
    Fail,
    /// Somebody decides.
    Ask,
}

/// How a task's output is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputMode {
    /// As it comes.
    Stream,
    /// Each line with the task's name.
    Prefix,
    /// All together when it has ended.
    Group,
    /// In the order of the plan.
    KeepOrder,
    /// Only when it failed.
    Errors,
}

/// A system that a task is for: an operating system, an architecture or both (`linux/x86_64`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As `os` in expressions: `linux`, `macos`, `windows`, `freebsd` …
    pub os: Option<String>,
    /// As `arch` in expressions: `x86_64`, `aarch64` …
    pub arch: Option<String>,
}

/// A typed argument of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// What it is for.
    pub desc: Option<String>,
    /// Its type.
    pub kind: ParamKind,
    /// Its value when none is given, of its type unless it is a template.
    pub default: Option<Data>,
    /// It must be given.
    pub required: bool,
    /// The values it may have; empty for all of its type.
    pub allowed: Vec<Data>,
    /// A regular expression that its text must match as a whole.
    pub pattern: Option<String>,
}

/// The type of a param.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParamKind {
    /// A text.
    #[default]
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A list of values.
    List,
    /// A map of values.
    Map,
    /// A path, made absolute from the folder that flow was called in.
    Path,
}
