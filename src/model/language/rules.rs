//! What may be said of a task or a step beyond what it does: conditions, retries, locks, approvals and the like.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::step::Step;
use super::value::{Expr, Place, Text};

/// A value that is known, or a template that gives it when its time comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting<T> {
    /// This.
    Fixed(T),
    /// What this comes to.
    Template(Text),
}

/// Something that holds or doesn't.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// An expression that gives a bool.
    Expr(Expr),
    /// A command that succeeds.
    Sh(Text),
}

impl Condition {
    /// As it stands in the file, on one line.
    pub fn written(&self) -> String {
        let words: Vec<&str> = self.text().split_whitespace().collect();
        words.join(" ")
    }

    /// Its text, whichever it is.
    pub const fn as_text(&self) -> &Text {
        match self {
            Self::Expr(Expr(text)) | Self::Sh(text) => text,
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.as_text().text
    }

    /// Where it stands.
    pub const fn place(&self) -> Place {
        self.as_text().place
    }
}

/// A condition that must hold, with what to say when it doesn't.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The condition.
    pub condition: Condition,
    /// What to say.
    pub message: Option<Text>,
}

/// How often and when something is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// The tries in all, at least one.
    pub attempts: Setting<u32>,
    /// The wait before the second try; `None` for none.
    pub delay: Option<Setting<Duration>>,
    /// How the delay grows.
    pub backoff: Backoff,
    /// The longest wait.
    pub delay_max: Option<Setting<Duration>>,
    /// Waits vary by up to this much more.
    pub jitter: Option<Setting<Duration>>,
    /// Only these exit codes are tried again; empty for all.
    pub on_exit_codes: Vec<i32>,
}

/// How the delay between tries grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Backoff {
    /// It doesn't.
    #[default]
    Fixed,
    /// By the first delay with each try.
    Linear,
    /// Multiplied by this with each try; `exponential` is 2. At least 1.
    Factor(f64),
}

/// A lock that is held while a task runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name.
    pub name: Text,
    /// How many may hold it at once.
    pub slots: u32,
    /// How long to wait for it; `None` for ever.
    pub wait: Option<Setting<Duration>>,
    /// How long it is held.
    pub hold: LockHold,
}

/// What is wrong with the name of a lock, if anything is.
pub fn wrong_lock_name(name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        Some("a lock has a name")
    } else if name.len() > LOCK_NAME_BYTES_MAX || name.chars().any(char::is_control) {
        Some("the name of a lock is one line of at most 200 bytes")
    } else {
        None
    }
}

const LOCK_NAME_BYTES_MAX: usize = 200;

/// How long a lock is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockHold {
    /// While the task runs.
    #[default]
    Task,
    /// From the start of the run to its end.
    Run,
}

/// Somebody must agree before a task runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Where it stands.
    pub place: Place,
    /// What is asked.
    pub message: Option<Text>,
    /// Who may answer; empty for everybody.
    pub approvers: Vec<Text>,
    /// How many must agree.
    pub count: u32,
    /// How risky it is, in the author's words.
    pub risk: Option<Text>,
    /// When nobody needs to be asked.
    pub auto_approve_if: Option<Expr>,
    /// How long to wait.
    pub timeout: Option<Setting<Duration>>,
    /// The answer when nobody answers.
    pub on_timeout: ApprovalFallback,
    /// What a rejection does.
    pub on_reject: OnReject,
}

/// The answer when nobody answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApprovalFallback {
    /// No.
    #[default]
    Reject,
    /// Yes.
    Approve,
}

/// What a rejection does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnReject {
    /// The run is cancelled.
    #[default]
    Cancel,
    /// The task fails.
    Fail,
    /// The task is skipped.
    Skip,
    /// What was done is undone.
    Rollback,
}

/// What undoes a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollback {
    /// The steps.
    pub steps: Vec<Step>,
    /// What starts it without being asked: `true` alone is `failure` and `cancel`; else `verify`, `health_check`,
    /// `monitor` or names of tasks.
    pub automatic: Vec<String>,
}

/// A process that goes on running for others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// When others may use it; `None` as soon as it has started.
    pub ready: Option<Ready>,
    /// Whether it is started again when it ends.
    pub restart: bool,
    /// The signal that stops it; `None` for SIGTERM.
    pub stop_signal: Option<String>,
    /// How long it has to stop.
    pub stop_timeout: Option<Setting<Duration>>,
}

/// When a service can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// How that is found out.
    pub probe: Probe,
    /// The time between looks.
    pub interval: Option<Setting<Duration>>,
    /// How long it has to become ready; `None` for 60 s.
    pub timeout: Option<Setting<Duration>>,
}

/// How it is found out whether a service can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// This address answers.
    Http(Text),
    /// This port takes connections.
    Port(Setting<u32>),
    /// This text, a regular expression, is in its output.
    Log(String),
    /// This command succeeds.
    Sh(Text),
}
