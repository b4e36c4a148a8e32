//! A step: one action with the scope and the rules that hold for it, and loops.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rules::{Condition, Retry, Setting};
use super::task::{OnLost, TaskIndex};
use super::value::{Data, EnvVar, Expr, Place, Text, Var};

/// One step of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// What it does.
    pub action: Action,
    /// What holds for it beyond that; few steps have any.
    pub rules: Option<Box<StepRules>>,
}

/// What is said of a step beyond what it does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepRules {
    /// Its name, read as `steps.NAME`.
    pub name: Option<String>,
    /// What it is for.
    pub desc: Option<String>,
    /// When false it is skipped; not that of a branch.
    pub condition: Option<Condition>,
    /// Once an item.
    pub each: Option<Loop>,
    /// Its vars; those of a `task` step are in its call.
    pub vars: Vec<Var>,
    /// Its environment variables.
    pub env: Vec<EnvVar>,
    /// The folder it runs in, relative to that of the file.
    pub dir: Option<Text>,
    /// The shell; `None` for that of its task.
    pub shell: Option<Text>,
    /// The longest one try may take.
    pub timeout: Option<Setting<Duration>>,
    /// How often and when it is tried again.
    pub retry: Option<Retry>,
    /// A failure counts as success for what follows.
    pub ignore_error: bool,
    /// What resume does with it when it was in flight; `None` for what its task says.
    pub on_lost: Option<OnLost>,
    /// Its command is not shown; `None` for what its task says.
    pub silent: Option<bool>,
    /// What is shown in the place of its command.
    pub label: Option<Text>,
    /// Processes that it leaves behind go on after the run.
    pub leave_running: bool,
}

impl Step {
    /// Its vars.
    pub fn vars(&self) -> &[Var] {
        self.rules.as_ref().map_or(&[], |rules| &rules.vars)
    }

    /// Its environment variables.
    pub fn env(&self) -> &[EnvVar] {
        self.rules.as_ref().map_or(&[], |rules| &rules.env)
    }

    /// The folder it runs in, relative to that of its file; `None` for that of its task.
    pub fn dir(&self) -> Option<&Text> {
        self.rules.as_ref()?.dir.as_ref()
    }

    /// The steps within it.
    pub fn inner(&self) -> impl Iterator<Item = &Self> {
        let (first, second): (&[Self], &[Self]) = match &self.action {
            Action::Branch {
                then, otherwise, ..
            } => (then, otherwise),
            Action::Parallel { steps, .. } => (steps, &[]),
            _ => (&[], &[]),
        };
        first.iter().chain(second)
    }

    /// Itself and every step within it.
    pub fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        self.inner().for_each(|step| step.each(visit));
    }

    /// Every call in it, to change it.
    pub fn each_call_mut(&mut self, visit: &mut dyn FnMut(&mut Call)) {
        match &mut self.action {
            Action::Task(call) => visit(call),
            Action::Branch {
                then, otherwise, ..
            } => {
                then.iter_mut()
                    .chain(otherwise)
                    .for_each(|step| step.each_call_mut(visit));
            }
            Action::Parallel { steps, .. } => {
                steps.iter_mut().for_each(|step| step.each_call_mut(visit))
            }
            _ => {}
        }
    }

    /// Its name, read as `steps.NAME`.
    pub fn name(&self) -> Option<&str> {
        self.rules.as_ref()?.name.as_deref()
    }

    /// A step that is nothing but a command.
    pub fn command(command: Text) -> Self {
        Self {
            place: command.place,
            action: Action::Run(command),
            rules: None,
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// A command or script for the shell.
    Run(Text),
    /// A program with its arguments, at least one element.
    Argv(Vec<Text>),
    /// Another task, now.
    Task(Call),
    /// One of two lists of steps.
    Branch {
        /// Which.
        condition: Condition,
        /// When it holds.
        then: Vec<Step>,
        /// When it doesn't; may be empty.
        otherwise: Vec<Step>,
    },
    /// Steps at the same time.
    Parallel {
        /// The steps.
        steps: Vec<Step>,
        /// When it is over.
        wait_for: WaitFor,
        /// Whether a failure ends the others.
        stop_on_failure: bool,
        /// How many at the same time; `None` for all.
        parallel_max: Option<Setting<u32>>,
    },
    /// Nothing, for a while.
    Wait(Wait),
    /// Outputs of the task.
    Set(Vec<(String, Data)>),
}

/// A call of another task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The task.
    pub task: TaskIndex,
    /// What it is called with; read in the caller's scope.
    pub vars: Vec<Var>,
}

/// When steps that run at the same time are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitFor {
    /// When all are; all must succeed.
    #[default]
    All,
    /// When one has succeeded.
    Any,
    /// When one has ended.
    First,
}

/// A wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Wait {
    /// For so long.
    For(Setting<Duration>),
    /// Until a condition holds.
    Until {
        /// The condition.
        condition: Condition,
        /// The time between looks.
        interval: Option<Setting<Duration>>,
        /// It fails after so long.
        timeout: Option<Setting<Duration>>,
    },
}

/// One instance an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loop {
    /// Where it stands.
    pub place: Place,
    /// The items.
    pub items: Items,
    /// The name of the item in scope: `item` unless `as` says otherwise. The axes of a matrix have names of their own.
    pub name: String,
    /// How many at the same time: `Some(Fixed(1))` one after another, `None` all.
    pub parallel_max: Option<Setting<u32>>,
    /// Whether a failure ends the others: true unless parallel.
    pub stop_on_failure: bool,
}

impl Loop {
    /// The names that it brings into scope.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.values();
        names.push("index".to_owned());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Those of them that are values of an item.
    pub fn values(&self) -> Vec<String> {
        let mut names = Vec::new();
        match &self.items {
            Items::Matrix { axes, include, .. } => {
                names.extend(axes.iter().map(|(name, _)| name.clone()));
                names.extend(include.iter().flatten().map(|(name, _)| name.clone()));
            }
            _ => names.push(self.name.clone()),
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The items of a loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Items {
    /// These.
    List(Vec<Data>),
    /// Those of an expression that gives a list.
    In(Expr),
    /// The files that match.
    Glob(Vec<Text>),
    /// The lines that a command prints.
    Sh(Text),
    /// The numbers from the first to the last, both included.
    Range(Setting<i64>, Setting<i64>),
    /// All combinations of several lists, without some and with some more.
    Matrix {
        /// Each a name in scope with its values.
        axes: Vec<(String, Axis)>,
        /// A combination that has all of one of these is left out.
        exclude: Vec<Vec<(String, Data)>>,
        /// Combinations beyond those.
        include: Vec<Vec<(String, Data)>>,
    },
}

/// The values of one axis of a matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Axis {
    /// These.
    List(Vec<Data>),
    /// Those of an expression that gives a list.
    In(Expr),
}

/// Whether a script says in its first line which program runs it, as an executable file does (`execve(2)`).
pub fn has_interpreter(script: &str) -> bool {
    script.starts_with("#!")
}

/// Whether a shell reads scripts as POSIX says, so that data can be placed in them: `bash -euo pipefail`, `/bin/zsh`.
pub fn is_posix(shell: &str) -> bool {
    let mut words = shell.split_whitespace();
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let applet = name == "busybox"
        && words
            .next()
            .is_some_and(|applet| matches!(applet, "sh" | "ash"));
    applet
        || matches!(
            name,
            "sh" | "dash" | "bash" | "zsh" | "ksh" | "mksh" | "ash"
        )
}
