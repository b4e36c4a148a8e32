//! What a run will do: a value that can be stored, hashed and pinned.
//!
//! A plan is an arena of numbered [`Node`]s. A task, a group of steps, a loop and a single command are all nodes and
//! go through the same life (see `core::state`); what sets them apart is data here. Tasks are the nodes without a
//! parent; edges between tasks are their `needs`. A node's children come after it, and the nodes of a subtree stand
//! together, so that a loop's body can be instantiated by copying a range.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::NodeId;
use super::language::{
    Check, Condition, Data, EnvVar, Expr, File, Items, Param, Place, Profile, Reads, Text, Var,
};

/// What one run will do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The Workflowfile that it was made from.
    pub file: PathBuf,
    /// What the file says of itself and of the tasks that were asked for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub project: Project,
    /// The tasks that were asked for by name, in that order.
    pub asked: Vec<NodeId>,
    /// They run one after another, each with what it needs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_order: bool,
    /// What a failure means for the rest of the run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_failure: OnFailure,
    /// The longest that the run may take, in microseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_micros: Option<u64>,
    /// Folders and environments of commands, shared by those that have the same.
    pub contexts: Vec<Context>,
    /// What names mean, for commands of which anything is to be evaluated; shared too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scopes: Vec<Scope>,
    /// Whose results can be read, for the scopes that read any.
    #[serde(default, skip_serializing_if = "is_default")]
    pub results: Vec<Results>,
    /// What the scopes stand in; empty when there are none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub surroundings: Surroundings,
    /// What is asked before anything runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub confirms: Vec<Confirm>,
    /// Each fact of the run is on the disk before what depends on it happens; otherwise only the last one is, and all of them
    /// survive the death of the process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub durable: bool,
    /// Locks that the run holds from its start to its end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub locks: Option<Locks>,
    /// What was said beside the names of tasks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub given: Given,
    /// How many tasks it leaves out because they are up to date.
    #[serde(default, skip_serializing_if = "is_default")]
    pub up_to_date: u32,
    /// All nodes; [`NodeId`] is the index.
    pub nodes: Vec<Node>,
}

/// What a file says of itself, for people and other programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Project {
    /// Its `name`.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// Its `desc`.
    #[serde(skip_serializing_if = "is_default")]
    pub desc: Option<String>,
    /// Its `meta`.
    #[serde(skip_serializing_if = "is_default")]
    pub meta: Vec<(String, String)>,
    /// The `meta` of the tasks that were asked for, where they have one.
    #[serde(skip_serializing_if = "is_default")]
    pub tasks: Vec<(String, Vec<(String, String)>)>,
}

/// What was said when a run was asked for, beside the names of tasks: what a plan of another file for the same needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Given {
    /// `NAME=VALUE`, in that order.
    #[serde(skip_serializing_if = "is_default")]
    pub values: Vec<(String, String)>,
    /// What followed `--`.
    #[serde(skip_serializing_if = "is_default")]
    pub args: Vec<String>,
    /// The profile.
    #[serde(skip_serializing_if = "is_default")]
    pub profile: Option<String>,
    /// The tasks alone, without what they need.
    #[serde(skip_serializing_if = "is_default")]
    pub only: bool,
}

/// The tasks that were asked for, by their turns: one turn begins when all of the turn before has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// The tasks asked for, in each turn.
    pub asked: Vec<Vec<NodeId>>,
    /// The turn of each task, where there is more than one.
    of: HashMap<NodeId, usize>,
}

impl Turns {
    /// The turn that a task is part of, counted from 0: the first one of which something needs it.
    pub fn of(&self, task: NodeId) -> usize {
        self.of.get(&task).copied().unwrap_or(0)
    }

    /// Makes one turn of all from the first to the last.
    fn merge(&mut self, first: usize, last: usize) {
        let merged: Vec<Vec<NodeId>> = self.asked.drain(first..=last).collect();
        self.asked.insert(first, merged.concat());
        for turn in self.of.values_mut().filter(|turn| **turn > first) {
            *turn = if *turn <= last {
                first
            } else {
                *turn - (last - first)
            };
        }
    }
}

/// A question to whoever starts the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirm {
    /// The task that asks.
    pub task: String,
    /// The number of the scope that the question is read in.
    pub scope: u32,
    /// The question.
    pub text: Text,
}

/// What a failed task means for the rest of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// What runs may finish, nothing new starts.
    #[default]
    Finish,
    /// All that does not depend on it still runs.
    KeepGoing,
    /// What runs is stopped too.
    Stop,
}

/// The folder and the environment of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Context {
    /// The folder it runs in, absolute.
    pub dir: PathBuf,
    /// Variables set beyond the inherited environment.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<(String, String)>,
    /// The number of the scope in which the command, its folder and its environment are to be evaluated; `None` when they
    /// are what they are, and then `dir` and `env` are all there is to know.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope: Option<u32>,
}

/// What names mean to one task, or to one step of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// The task's name, for messages.
    pub task: String,
    /// The number of its file in [`Surroundings::files`].
    pub file: u32,
    /// What was set for it on the command line: data, never a template.
    #[serde(skip_serializing_if = "is_default")]
    pub given: Vec<(String, Data)>,
    /// The item of the dependency whose values are read in it: constants.
    #[serde(skip_serializing_if = "is_default")]
    pub item: Vec<(String, Data)>,
    /// Its params.
    #[serde(skip_serializing_if = "is_default")]
    pub params: Vec<Param>,
    /// Its vars, those of the step first.
    #[serde(skip_serializing_if = "is_default")]
    pub vars: Vec<Var>,
    /// Its environment variables by level: those of the step, those of the task.
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<Vec<EnvVar>>,
    /// Its dotenv files.
    #[serde(skip_serializing_if = "is_default")]
    pub dotenv: Vec<Text>,
    /// The folder it runs in; `None` for that of its file.
    #[serde(skip_serializing_if = "is_default")]
    pub dir: Option<Text>,
    /// It was named on the command line, so that `args` are its.
    #[serde(skip_serializing_if = "is_default")]
    pub named: bool,
    /// What it was called with, by a task that depends on it or by a step.
    #[serde(skip_serializing_if = "is_default")]
    pub call: Option<Called>,
    /// The loops that it is in, the innermost first.
    #[serde(skip_serializing_if = "is_default")]
    pub loops: Vec<NodeId>,
    /// The number of what it can read of steps and tasks that have ended, in [`Plan::results`].
    #[serde(skip_serializing_if = "is_default")]
    pub results: Option<u32>,
}

/// What a task was called with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// The number of the scope that the values are read in.
    pub scope: u32,
    /// The values.
    pub vars: Vec<Var>,
}

/// Whose results can be read, by the names they have there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Results {
    /// `steps.NAME`: steps of the same task.
    #[serde(skip_serializing_if = "is_default")]
    pub steps: Vec<(String, NodeId)>,
    /// `tasks.NAME`: tasks that have run before, and those that were called.
    #[serde(skip_serializing_if = "is_default")]
    pub tasks: Vec<(String, NodeId)>,
    /// What they print on stderr may be read, too.
    #[serde(skip_serializing_if = "is_default")]
    pub stderr: bool,
}

/// What all scopes of a plan share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Surroundings {
    /// The root file and those it includes.
    pub files: Vec<File>,
    /// The profile that was chosen.
    #[serde(skip_serializing_if = "is_default")]
    pub profile: Option<Profile>,
    /// What was set for the vars of the root file on the command line: data, never a template.
    #[serde(skip_serializing_if = "is_default")]
    pub given: Vec<(String, Data)>,
    /// What followed `--`.
    #[serde(skip_serializing_if = "is_default")]
    pub args: Vec<String>,
    /// The folder that flow was called in.
    #[serde(skip_serializing_if = "is_default")]
    pub called_in: PathBuf,
}

/// One node: a task, a group of steps, a loop, a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The node that it belongs to; a task of the graph has none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parent: Option<NodeId>,
    /// Its place among the steps of its parent, counted from 1; 0 for a task, a handler and the body of a loop.
    #[serde(default, skip_serializing_if = "is_default")]
    pub step: u32,
    /// The name of the step, where it has one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<Box<str>>,
    /// What it does.
    pub kind: Kind,
    /// What makes it a task of the graph.
    #[serde(default, skip_serializing_if = "is_default")]
    pub task: Option<Box<Task>>,
    /// Conditions, gate, locks, retry and the like; none for most nodes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rules: Option<Box<Rules>>,
    /// What is asked before it begins, where its rules say that something is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ask: Option<Box<Ask>>,
    /// The name of the task that it is a call of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub called: Option<Box<str>>,
    /// By what it is told whether it has to run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub incremental: Option<Box<Incremental>>,
}

/// By what a task is told whether it has to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Incremental {
    /// The files that it reads, as patterns; `None` when it does not say.
    #[serde(skip_serializing_if = "is_default")]
    pub sources: Option<Vec<Text>>,
    /// Files that it reads and that need not be there, as patterns.
    #[serde(skip_serializing_if = "is_default")]
    pub optional_sources: Vec<Text>,
    /// The file in which its commands name what else they have read.
    #[serde(skip_serializing_if = "is_default")]
    pub depfile: Option<Text>,
    /// The files that it makes, as patterns.
    #[serde(skip_serializing_if = "is_default")]
    pub generates: Vec<Text>,
    /// Commands that all succeed when there is nothing to do.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Vec<Text>,
    /// More files that it is run for when they change, as patterns; in a run that is one of a watch.
    #[serde(skip_serializing_if = "is_default")]
    pub watch: Vec<Text>,
    /// The number of its folder and environment in [`Plan::contexts`].
    pub context: u32,
    /// A command may have to run to know any of that, or what its steps come to.
    #[serde(skip_serializing_if = "is_default")]
    pub slow: bool,
    /// What it makes may come from the cache, and is kept there.
    #[serde(skip_serializing_if = "is_default")]
    pub cached: bool,
    /// It is run whatever has changed, because that was asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub forced: bool,
    /// Its commands read flow's stdin, so it is run each time.
    #[serde(skip_serializing_if = "is_default")]
    pub stdin: bool,
}

/// A question that is answered before a node begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The number of the scope that its texts are read in.
    pub scope: u32,
    /// What is asked.
    pub about: About,
}

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Whether it is to run at all, and may.
    Begin {
        /// When false it is skipped.
        condition: Option<Condition>,
        /// When one does not hold it fails.
        preconditions: Vec<Check>,
    },
    /// Which of two branches: the first when it holds.
    Branch(Condition),
    /// What the items are, and the name that each has.
    Items {
        /// The items.
        items: Items,
        /// The name of the item in scope.
        name: String,
        /// Only the items that have these values were asked for.
        #[serde(default, skip_serializing_if = "is_default")]
        only: Vec<(String, String)>,
    },
    /// Whether a check holds.
    Verify(Check),
    /// Whether the files are there that it was to make; where that is said.
    Made(Place),
    /// What these outputs come to.
    Set(Vec<(String, Data)>),
    /// What the outputs of the task come to.
    Outputs(Vec<(String, Expr)>),
    /// Whether what is waited for has come, asked again and again.
    Until {
        /// What is waited for.
        condition: Condition,
        /// The time between looks, in microseconds.
        interval_micros: u64,
        /// It fails after so many microseconds.
        #[serde(default, skip_serializing_if = "is_default")]
        timeout_micros: Option<u64>,
    },
}

impl About {
    /// Calls `visit` with each text that is evaluated to answer it.
    pub fn each_text<'a>(&'a self, visit: &mut dyn FnMut(&'a Text)) {
        match self {
            Self::Begin {
                condition,
                preconditions,
            } => {
                let checks = preconditions.iter().map(|check| &check.condition);
                let all = condition.iter().chain(checks);
                all.for_each(|condition| visit(condition.as_text()));
            }
            Self::Branch(condition) | Self::Until { condition, .. } => visit(condition.as_text()),
            Self::Verify(check) => visit(check.condition.as_text()),
            Self::Set(outputs) => outputs.iter().for_each(|(_, value)| value.each_text(visit)),
            Self::Outputs(outputs) => outputs.iter().for_each(|(_, value)| visit(value)),
            Self::Items { items, .. } => items.each_text(visit),
            Self::Made(_) => {}
        }
    }

    /// Where it stands in the file, where that is one place.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Begin {
                condition: Some(condition),
                ..
            }
            | Self::Branch(condition)
            | Self::Until { condition, .. } => Some(condition.place()),
            Self::Begin { preconditions, .. } => {
                preconditions.first().map(|check| check.condition.place())
            }
            Self::Verify(check) => Some(check.condition.place()),
            Self::Outputs(outputs) => outputs.first().map(|(_, value)| value.place),
            Self::Items {
                items: Items::In(expression),
                ..
            } => Some(expression.place),
            Self::Made(place) => Some(*place),
            Self::Items { .. } | Self::Set(_) => None,
        }
    }
}

/// What a task of the graph has beyond other nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its name in the file.
    pub name: String,
    /// What tells it from all other tasks of the project, whatever it is called; empty for tasks of the root file, whose names do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub identity: String,
    /// Where it stands in the file.
    pub place: Place,
    /// It can't be called by its name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub internal: bool,
    /// What must have happened before it begins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub needs: Vec<Need>,
    /// The tasks that it comes after when they are part of the run, however they end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: Vec<NodeId>,
    /// A condition is asked before its needs are run for its sake; beside what its rules ask afterwards.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ask_first: bool,
    /// When it is skipped by the condition that is asked first, those that wait for it and do something themselves need in its
    /// place what it needs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hands_on: bool,
    /// Why it has nothing to do on this system: the answer to the question asked first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub elsewhere: Option<String>,
    /// The condition that is asked first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub first: Option<Box<Ask>>,
    /// What the tasks make that it needs and that are left out of this run: their contexts and their patterns.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left_out: Vec<(u32, Vec<Text>)>,
}

impl Task {
    /// What tells it from all other tasks of the project; `root` is the file that the plan was made from.
    pub fn identity(&self, root: &Path) -> String {
        if self.identity.is_empty() {
            let file = root.file_name().unwrap_or_default().display();
            return format!("{file}:{}", self.name);
        }
        self.identity.clone()
    }
}

/// One thing that must have happened before a task begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Need {
    /// The task.
    pub task: NodeId,
    /// How it must have ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on: On,
}

/// How a needed task must have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Succeeded, skipped, up to date, or failed with its error ignored.
    #[default]
    Success,
    /// In any other way.
    Failure,
    /// In any way.
    Done,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Children in order or at the same time.
    Group(Group),
    /// One of its children, by the answer to its question.
    Choice {
        /// The branches.
        children: Vec<NodeId>,
    },
    /// Its body once for each item, by the answer to its question.
    Loop {
        /// The subtree to instantiate; it never runs itself.
        body: NodeId,
        /// How the instances run.
        group: Group,
    },
    /// Work for an executor.
    Work(Work),
    /// Nothing, for a while.
    Wait {
        /// How long, in microseconds.
        micros: u64,
    },
    /// A question that must be answered with yes.
    Check,
    /// A run of its own.
    Child,
}

/// How the children of a group run and what they amount to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The children, in order; empty for a loop, whose children are made when it is expanded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub children: Vec<NodeId>,
    /// How many may be under way at the same time; `None` for all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parallel_max: Option<u32>,
    /// When the group has ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wait_for: WaitFor,
    /// A failing child ends the group at once.
    pub stop_on_failure: bool,
}

impl Group {
    /// Children one after another, until one fails.
    pub fn sequence(children: Vec<NodeId>) -> Self {
        Self {
            children,
            parallel_max: Some(1),
            wait_for: WaitFor::All,
            stop_on_failure: true,
        }
    }
}

/// When a group has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// When every child has; all must succeed.
    #[default]
    All,
    /// When one has succeeded; it fails when all failed.
    Any,
    /// When one has ended, in whatever way.
    First,
}

/// Work for an executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A command or script for the shell.
    Shell {
        /// Its text.
        command: String,
        /// What it reads.
        #[serde(default, skip_serializing_if = "is_default")]
        reads: Reads,
        /// The number of its folder and environment in [`Plan::contexts`].
        context: u32,
        /// Where it stands in the file.
        place: Place,
        /// The shell with its options; `None` for `sh -e`.
        #[serde(default, skip_serializing_if = "is_default")]
        shell: Option<Box<str>>,
    },
    /// A program and its arguments, without a shell.
    Argv {
        /// The program and its arguments.
        args: Vec<Text>,
        /// As for a command.
        context: u32,
        /// Where it stands in the file.
        place: Place,
    },
}

impl Work {
    /// The number of its folder and environment in [`Plan::contexts`].
    pub const fn context(&self) -> u32 {
        match self {
            Self::Shell { context, .. } | Self::Argv { context, .. } => *context,
        }
    }

    /// Where it stands in the file.
    pub const fn place(&self) -> Place {
        match self {
            Self::Shell { place, .. } | Self::Argv { place, .. } => *place,
        }
    }

    /// As it was written, for people.
    pub fn written(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Shell { command, .. } => command.as_str().into(),
            Self::Argv { args, .. } => {
                let words: Vec<String> = args.iter().map(|arg| as_typed(&arg.text)).collect();
                words.join(" ").into()
            }
        }
    }
}

/// How much of what a command prints can be read by others, in bytes.
pub const STDOUT_BYTES_MAX: usize = 1024 * 1024;

/// A word as one would type it in a shell.
pub fn as_typed(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if word == "***" || !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The same where it has to stay one line, for shells that know `$'…'`.
pub fn as_typed_in_line(word: &str) -> String {
    if !word.contains(char::is_control) {
        return as_typed(word);
    }
    let mut text = "$'".to_owned();
    for letter in word.chars() {
        match letter {
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            '\'' | '\\' => text.extend(['\\', letter]),
            _ if letter.is_ascii_control() => {
                text.push_str(&format!("\\{:03o}", u32::from(letter)))
            }
            _ => text.push(letter),
        }
    }
    text + "'"
}

/// What a step starts, with nothing left to evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A script for a shell or an interpreter.
    Script {
        /// The shell with its options; `None` for `sh -e`.
        shell: Option<String>,
        /// The script.
        text: String,
        /// Its positional parameters.
        args: Vec<Vec<u8>>,
    },
    /// A script that says in its first line which program runs it.
    File(String),
    /// A program and its arguments, the program first.
    Direct(Vec<Vec<u8>>),
}

/// What may be said of any node beyond what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Something must be evaluated before it begins: a condition, whether it is up to date, its items, its branch.
    #[serde(skip_serializing_if = "is_default")]
    pub ask: bool,
    /// Somebody must agree before it begins.
    #[serde(skip_serializing_if = "is_default")]
    pub gate: Option<Gate>,
    /// Locks that it holds while it runs.
    #[serde(skip_serializing_if = "is_default")]
    pub locks: Option<Locks>,
    /// How often and when it is tried again.
    #[serde(skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// The longest that one try may take, in microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout_micros: Option<u64>,
    /// A failure is recorded and counts as success for what follows.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_error: bool,
    /// What happens with a try that was under way when flow died.
    #[serde(skip_serializing_if = "is_default")]
    pub on_lost: OnLost,
    /// What runs after the last try.
    #[serde(skip_serializing_if = "is_default")]
    pub handlers: Handlers,
    /// Its command is not shown.
    #[serde(skip_serializing_if = "is_default")]
    pub silent: bool,
    /// What is shown in the place of its command.
    #[serde(skip_serializing_if = "is_default")]
    pub label: Option<Box<Label>>,
    /// It has the terminal to itself.
    #[serde(skip_serializing_if = "is_default")]
    pub interactive: bool,
    /// Processes that it leaves behind go on after the run.
    #[serde(skip_serializing_if = "is_default")]
    pub leave_running: bool,
    /// It reads flow's stdin.
    #[serde(skip_serializing_if = "is_default")]
    pub stdin: bool,
    /// What it prints on stdout is read by somebody.
    #[serde(skip_serializing_if = "is_default")]
    pub keeps_stdout: bool,
    /// The same of stderr.
    #[serde(skip_serializing_if = "is_default")]
    pub keeps_stderr: bool,
}

/// What is shown in the place of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The words.
    pub text: Text,
    /// The number of the scope that they are read in, where they are a template.
    pub scope: u32,
}

/// Somebody must agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// How many different people must agree.
    pub count: u32,
    /// After this many microseconds it is decided without them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_micros: Option<u64>,
    /// What the timeout decides: `true` approves.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_approves: bool,
    /// What a rejection does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_reject: OnReject,
}

/// What a rejected gate does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// The run is cancelled.
    #[default]
    Cancel,
    /// The node fails.
    Fail,
    /// The node is skipped.
    Skip,
}

/// Locks that a node holds while it runs, taken together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locks {
    /// Which.
    pub names: Vec<LockName>,
    /// It fails after waiting for this many microseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wait_micros: Option<u64>,
}

/// A lock as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockName {
    /// Its name.
    pub text: Text,
    /// How many may hold it at once.
    pub slots: u32,
    /// What its name is evaluated in: the node it stands at and the number of the scope; `None` for a name that is no template.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope: Option<(NodeId, u32)>,
}

/// How often and when a node is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The tries in all, at least one.
    pub attempts: u32,
    /// Microseconds before the second try.
    pub delay_micros: u64,
    /// What the delay is multiplied with after each further try, in thousandths.
    pub factor_permille: u64,
    /// What is added to the delay after each further try, in microseconds.
    pub step_micros: u64,
    /// The longest delay, in microseconds.
    pub delay_max_micros: u64,
    /// A delay is longer by up to this many microseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub jitter_micros: u64,
    /// Only these exit codes are tried again; empty for all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_exit_codes: Vec<i32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 1,
            delay_micros: 0,
            factor_permille: 1000,
            step_micros: 0,
            delay_max_micros: u64::MAX,
            jitter_micros: 0,
            on_exit_codes: Vec::new(),
        }
    }
}

impl Retry {
    /// The wait after try `tries` (counted from 1) failed.
    pub fn delay(&self, tries: u32) -> Duration {
        let mut delay = self.delay_micros;
        for _ in 1..tries.min(128) {
            let grown = u128::from(delay) * u128::from(self.factor_permille) / 1000;
            delay = u64::try_from(grown)
                .unwrap_or(u64::MAX)
                .saturating_add(self.step_micros);
        }
        Duration::from_micros(delay.min(self.delay_max_micros))
    }
}

/// What happens with a try that was under way when flow died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// It is made again; the lost one does not count.
    #[default]
    Retry,
    /// It has failed.
    Fail,
    /// Somebody decides, as at a gate.
    Ask,
}

/// What runs after the last try of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handlers {
    /// After success.
    #[serde(skip_serializing_if = "is_default")]
    pub on_success: Option<NodeId>,
    /// After failure.
    #[serde(skip_serializing_if = "is_default")]
    pub on_failure: Option<NodeId>,
    /// Whenever a step began, last, also after a cancel.
    #[serde(skip_serializing_if = "is_default")]
    pub finally: Option<NodeId>,
}

impl Handlers {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Plan {
    /// The same plan in which every node is asked about before it begins, so that what is known of one can be taken for it.
    #[must_use]
    pub fn with_questions(&self) -> Self {
        let mut plan = self.clone();
        for node in &mut plan.nodes {
            if !matches!(node.kind, Kind::Check) {
                node.rules.get_or_insert_default().ask = true;
            }
        }
        plan
    }

    /// The node with this number.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The tasks of the graph with their numbers.
    pub fn tasks(&self) -> impl Iterator<Item = (NodeId, &Task)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(index, node)| Some((NodeId::at(index), node.task.as_deref()?)))
    }

    /// The folder of the root file.
    pub fn project_dir(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// What the root file is called: by its `name`, else by its folder.
    pub fn project_name(&self) -> Cow<'_, str> {
        match &self.project.name {
            Some(name) => name.into(),
            None => self
                .project_dir()
                .file_name()
                .unwrap_or_default()
                .to_string_lossy(),
        }
    }

    /// The names of the tasks that were asked for.
    pub fn asked_names(&self) -> Vec<&str> {
        let tasks = self
            .asked
            .iter()
            .filter_map(|id| self.node(*id).task.as_deref());
        tasks.map(|task| task.name.as_str()).collect()
    }

    /// The names of the tasks that read stdin, by a command of their own or of a task that they call.
    pub fn readers_of_stdin(&self) -> Vec<&str> {
        let nodes = self.nodes.iter().enumerate();
        let reads = nodes.filter(|(_, node)| node.rules().stdin);
        let mut roots: Vec<NodeId> = reads
            .map(|(index, _)| self.root_of(NodeId::at(index)))
            .collect();
        roots.dedup();
        let task = |id: NodeId| self.node(id).task.as_deref();
        roots
            .into_iter()
            .filter_map(|id| Some(task(id)?.name.as_str()))
            .collect()
    }

    /// Which of the tasks that were asked for wait for which.
    ///
    /// Where one is to come after something of a later turn ('after'), the two are one turn: the file is stronger than the call.
    pub fn turns(&self) -> Turns {
        if !self.in_order || self.asked.len() < 2 {
            return Turns {
                asked: vec![self.asked.clone()],
                of: HashMap::new(),
            };
        }
        let mut turns = Turns::default();
        for (turn, asked) in self.asked.iter().enumerate() {
            turns.asked.push(vec![*asked]);
            let mut left = vec![*asked];
            while let Some(id) = left.pop() {
                if let Entry::Vacant(entry) = turns.of.entry(id) {
                    entry.insert(turn);
                    let task = self.node(id).task.as_deref();
                    left.extend(
                        task.into_iter()
                            .flat_map(|task| &task.needs)
                            .map(|need| need.task),
                    );
                }
            }
        }
        for (id, task) in self.tasks() {
            // What nobody needs but a handler has no turn.
            let Some(first) = turns.of.get(&id).copied() else {
                continue;
            };
            let last = task.after.iter().map(|before| turns.of(*before)).max();
            if let Some(last) = last.filter(|last| *last > first) {
                turns.merge(first, last);
            }
        }
        turns
    }

    /// The task of the graph that a node is a part of.
    pub fn root_of(&self, id: NodeId) -> NodeId {
        let mut at = id;
        while let Some(parent) = self.node(at).parent {
            at = parent;
        }
        at
    }

    /// The loop that a node is in; none where it is in no loop, or in several.
    pub fn loop_of(&self, id: NodeId) -> Option<NodeId> {
        let parents = std::iter::successors(self.node(id).parent, |id| self.node(*id).parent);
        let mut loops = parents.filter(|id| matches!(self.node(*id).kind, Kind::Loop { .. }));
        loops.next().filter(|_| loops.next().is_none())
    }

    /// The number of the node after the last one of this node's subtree.
    pub fn subtree_end(&self, id: NodeId) -> NodeId {
        let mut end = id.index() + 1;
        while self
            .nodes
            .get(end)
            .is_some_and(|node| node.parent.is_some_and(|parent| parent >= id))
        {
            end += 1;
        }
        NodeId::at(end)
    }
}

/// Whether what a plan says hangs together: a plan that was read may have been written by somebody else.
impl Plan {
    /// Sees to it that each number in it is that of something, and that its nodes are trees.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub fn check(&self) -> Result<(), String> {
        let is_node = |id: &NodeId| id.index() < self.nodes.len();
        let is_task = |id: &NodeId| is_node(id) && self.node(*id).task.is_some();
        let in_all = |number: u32, all: usize| (number as usize) < all;
        for (index, node) in self.nodes.iter().enumerate() {
            let id = NodeId::at(index);
            let wrong = |what: &str| Err(format!("node {index} {what}"));
            // Each stands behind what it belongs to, so nothing goes in circles.
            if node.parent.is_some_and(|parent| parent >= id) {
                return wrong("stands before what it belongs to");
            }
            let body = match &node.kind {
                Kind::Loop { body, .. } => Some(body),
                _ => None,
            };
            let Handlers {
                on_success,
                on_failure,
                finally,
            } = &node.rules().handlers;
            let handlers = [on_success, on_failure, finally].into_iter().flatten();
            let mut own = node.children().iter().chain(body).chain(handlers);
            if !own.all(|child| is_node(child) && self.node(*child).parent == Some(id)) {
                return wrong("has children that are not its own");
            }
            if let Kind::Work(work) = &node.kind
                && !in_all(work.context(), self.contexts.len())
            {
                return wrong("has no context");
            }
            if let Some(task) = &node.task {
                let needs = task.needs.iter().map(|need| &need.task);
                if !needs.chain(&task.after).all(is_task) {
                    return wrong("needs what is no task");
                }
            }
        }
        if !self.asked.iter().all(is_task) {
            return Err("what was asked for is no task".to_owned());
        }
        let scopes = self.scopes.iter();
        // Each is called from one that stands before it, so nothing goes in circles here either.
        let is_before = |(index, scope): (usize, &Scope)| {
            let call = scope.call.as_ref();
            call.is_none_or(|call| in_all(call.scope, index))
        };
        if !scopes.clone().enumerate().all(is_before) {
            return Err("a call has no scope".to_owned());
        }
        let files = self.surroundings.files.len();
        if !scopes.clone().all(|scope| in_all(scope.file, files)) {
            return Err("a scope has no file".to_owned());
        }
        let nodes = self.nodes.iter();
        let asks = nodes.clone().flat_map(|node| {
            let first = node.task.as_ref().and_then(|task| task.first.as_ref());
            node.ask.iter().chain(first).map(|ask| ask.scope)
        });
        let labels = nodes
            .clone()
            .filter_map(|node| Some(node.rules().label.as_ref()?.scope));
        let contexts = self.contexts.iter().filter_map(|context| context.scope);
        let confirms = self.confirms.iter().map(|confirm| confirm.scope);
        let mut used = asks.chain(labels).chain(contexts).chain(confirms);
        // Where nothing is evaluated there are none.
        if !used.all(|number| in_all(number, self.scopes.len().max(1))) {
            return Err("something is read in no scope".to_owned());
        }
        let own = nodes
            .clone()
            .filter_map(|node| Some(node.incremental.as_ref()?.context));
        let left_out = nodes.filter_map(|node| node.task.as_ref());
        let left_out = left_out.flat_map(|task| task.left_out.iter().map(|(context, _)| *context));
        if !own
            .chain(left_out)
            .all(|number| in_all(number, self.contexts.len()))
        {
            return Err("files are named in no context".to_owned());
        }
        let loops = scopes.clone().flat_map(|scope| &scope.loops);
        let results = self.results.iter();
        let read = results.flat_map(|results| results.steps.iter().chain(&results.tasks));
        if !loops.chain(read.map(|(_, id)| id)).all(is_node) {
            return Err("a scope names no node".to_owned());
        }
        let mut results = scopes.filter_map(|scope| scope.results);
        if !results.all(|number| in_all(number, self.results.len())) {
            return Err("a scope has no results".to_owned());
        }
        Ok(())
    }
}

impl Node {
    /// A node with nothing but what it does.
    pub fn plain(parent: Option<NodeId>, kind: Kind) -> Self {
        Self {
            parent,
            step: 0,
            name: None,
            kind,
            task: None,
            rules: None,
            ask: None,
            called: None,
            incremental: None,
        }
    }

    /// The children that the plan gives it; those of a loop are made when it is expanded.
    pub fn children(&self) -> &[NodeId] {
        match &self.kind {
            Kind::Group(group) => &group.children,
            Kind::Choice { children } => children,
            _ => &[],
        }
    }

    /// What is said of it beyond what it does.
    pub fn rules(&self) -> &Rules {
        static NONE: std::sync::LazyLock<Rules> = std::sync::LazyLock::new(Rules::default);
        self.rules.as_deref().unwrap_or(&NONE)
    }

    /// Whether it is worked on rather than made of children.
    pub fn is_leaf(&self) -> bool {
        matches!(
            self.kind,
            Kind::Work(_) | Kind::Wait { .. } | Kind::Check | Kind::Child
        )
    }

    /// How its children run: its own group, that of a loop's instances, or one branch.
    pub fn group(&self) -> Option<&Group> {
        static BRANCH: std::sync::LazyLock<Group> =
            std::sync::LazyLock::new(|| Group::sequence(Vec::new()));
        match &self.kind {
            Kind::Group(group) | Kind::Loop { group, .. } => Some(group),
            Kind::Choice { .. } => Some(&BRANCH),
            _ => None,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_several_lines_is_typed_in_one() {
        assert_eq!(as_typed_in_line("a b"), "'a b'");
        assert_eq!(as_typed_in_line("a\nb'c\\\t\u{1b}"), r"$'a\nb\'c\\\t\033'");
    }

    #[test]
    fn delays_grow_as_asked() {
        let micros = |retry: &Retry, tries| retry.delay(tries).as_micros();
        let fixed = Retry {
            delay_micros: 500,
            ..Retry::default()
        };
        assert_eq!(
            [1, 2, 9].map(|tries| micros(&fixed, tries)),
            [500, 500, 500]
        );
        let linear = Retry {
            delay_micros: 500,
            step_micros: 500,
            ..Retry::default()
        };
        assert_eq!(
            [1, 2, 3].map(|tries| micros(&linear, tries)),
            [500, 1000, 1500]
        );
        let doubling = Retry {
            delay_micros: 2,
            factor_permille: 2000,
            delay_max_micros: 9,
            ..Retry::default()
        };
        assert_eq!(
            [1, 2, 3, 4, 500].map(|tries| micros(&doubling, tries)),
            [2, 4, 8, 9, 9]
        );
    }
}
