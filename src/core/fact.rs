//! What can happen to a run.
//!
//! These are the lines of a facts file and of `--output json`, so they are a file format: fields are added and never
//! renamed or reused, and a kind that a reader does not know folds to nothing. Output bytes are never in a fact; the
//! fact that ends an attempt names the file they are in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::id::{NodeId, RunId};
use crate::model::time::Timestamp;

/// A fact with its number in the run and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counted from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// The trigger that started a run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggered {
    /// Its name.
    pub name: String,
    /// The number of the fire, counted over the project: a fire is one run and no more.
    pub fire: u64,
    /// The time that it is for; `None` when it was no time that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// When it was decided.
    pub fired_at: Timestamp,
    /// A file that has changed, when that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
}

/// What a run was given, by its names: a text, a list of texts where a name was given several times, and `{"secret": HASH}` for
/// what has a secret in it.
pub type Given = BTreeMap<String, serde_json::Value>;

/// What a Workflowfile says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its name; that of its folder where it has none.
    pub name: String,
    /// Its folder.
    pub dir: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// What else it says, for people and other programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
    /// The same of the tasks that were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, BTreeMap<String, String>>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The run exists; always the first fact.
    RunCreated {
        /// Its id.
        run: RunId,
        /// The hash of the plan that it follows.
        plan: String,
        /// The Workflowfile.
        file: String,
        /// The tasks that were asked for.
        asked: Vec<String>,
        /// The version of flow that created it.
        flow: String,
        /// The run that started it, when a task of that one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<RunId>,
        /// The run that it tries once more, and takes over from what was done there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_of: Option<RunId>,
        /// The trigger that started it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trigger: Option<Triggered>,
        /// What was given beside the names of tasks.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        given: Given,
        /// What the file says of itself; none in the records of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<Box<Project>>,
    },
    /// Work begins.
    RunStarted {},
    /// Only open gates are left to wait for.
    RunPaused {},
    /// It goes on after a pause or an interruption.
    RunResumed {},
    /// The run, or one node of it, is to stop.
    CancelRequested {
        /// The node; `None` for the whole run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// Why.
        why: Why,
        /// The second time of asking: what runs is killed and nothing is tidied up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        now: bool,
        /// Who asked, when it was a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nothing more will happen but notes and a rollback; without open gates.
    RunFinished {
        /// How.
        status: RunEnd,
    },
    /// A condition said that it need not run.
    TaskSkipped {
        /// The node.
        node: NodeId,
        /// Which condition, and what it saw.
        reason: String,
    },
    /// Nothing that could change their results has changed, or they were done in a run that this one takes over from.
    TaskUpToDate {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// That run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<RunId>,
    },
    /// Something that they need has failed; they will not run.
    TaskBlocked {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// What failed.
        cause: NodeId,
    },
    /// A loop knows its items.
    TaskExpanded {
        /// The loop.
        node: NodeId,
        /// How many.
        items: u32,
        /// What people call each of them, in order; none in the records of older versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<String>,
    },
    /// A node that is more than one command has ended.
    TaskFinished {
        /// The node.
        node: NodeId,
        /// How.
        outcome: Outcome,
        /// Why, where the facts before do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A command is about to start; written before it does.
    AttemptStarted {
        /// The node.
        node: NodeId,
        /// Which try this is, counted from 1 over the whole run.
        attempt: u32,
    },
    /// A process was started for a try, or for an answer; written as soon as it is known. By this it is found again after flow
    /// has died, whatever it has made of its environment. The fold makes nothing of it.
    ProcessStarted {
        /// The node; none where it was started for an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// Which try.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// Which process.
        #[serde(flatten)]
        process: Process,
    },
    /// A try has ended.
    AttemptFinished {
        /// The node.
        node: NodeId,
        /// Which try.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// It will be tried again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
        /// What is known of the process.
        #[serde(flatten)]
        exit: Exit,
    },
    /// The next try waits for its time.
    RetryScheduled {
        /// The node.
        node: NodeId,
        /// When.
        until: Timestamp,
    },
    /// Somebody is asked to agree.
    GateOpened {
        /// The node that waits for it.
        node: NodeId,
    },
    /// Somebody, or the time, decided.
    GateDecided {
        /// The node that waited.
        node: NodeId,
        /// What.
        decision: Decision,
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A node holds all its locks; without a node, the run holds its own, and again those of what was under way.
    LockAcquired {
        /// The node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// Their names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<String>,
    },
    /// It has given them back, or somebody has taken one from it.
    LockReleased {
        /// The node; `None` for a lock of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// The lock that was taken from it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Who took it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A wait begins.
    TimerSet {
        /// The node that waits.
        node: NodeId,
        /// Until when.
        until: Timestamp,
    },
    /// A wait, a delay or a timeout is over.
    TimerFired {
        /// The node.
        node: NodeId,
    },
    /// A run of its own was begun for a node.
    ChildStarted {
        /// The node.
        node: NodeId,
        /// The run.
        run: RunId,
    },
    /// That run has ended.
    ChildFinished {
        /// The node.
        node: NodeId,
        /// How.
        outcome: Outcome,
    },
    /// Something from outside the file was evaluated.
    ValueSet {
        /// For which node.
        node: NodeId,
        /// What came of it.
        value: Value,
    },
    /// Something that was evaluated serves again when the run is resumed. The fold makes nothing of it.
    ValueKept {
        /// The node that it belongs to, if it belongs to one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// What it is: `items`, `result`, `printed …`.
        name: String,
        /// What came of it, as `eval` writes values down.
        value: serde_json::Value,
    },
    /// Somebody had something to say.
    NoteAdded {
        /// What.
        text: String,
        /// Who.
        by: String,
        /// Which fact it is about, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<u64>,
    },
    /// A kind from a later version of flow. It is kept and folds to nothing.
    #[serde(other)]
    Unknown,
}

/// The kinds of facts, as they are written.
pub const KINDS: [&str; 26] = [
    "run_created",
    "run_started",
    "run_paused",
    "run_resumed",
    "cancel_requested",
    "run_finished",
    "task_skipped",
    "task_up_to_date",
    "task_blocked",
    "task_expanded",
    "task_finished",
    "attempt_started",
    "process_started",
    "attempt_finished",
    "retry_scheduled",
    "gate_opened",
    "gate_decided",
    "lock_acquired",
    "lock_released",
    "timer_set",
    "timer_fired",
    "child_started",
    "child_finished",
    "value_set",
    "value_kept",
    "note_added",
];

impl Fact {
    /// The one node that it is about, if there is one.
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::CancelRequested { node, .. }
            | Self::ValueKept { node, .. }
            | Self::ProcessStarted { node, .. }
            | Self::LockAcquired { node, .. }
            | Self::LockReleased { node, .. } => *node,
            Self::TaskSkipped { node, .. }
            | Self::TaskExpanded { node, .. }
            | Self::TaskFinished { node, .. }
            | Self::AttemptStarted { node, .. }
            | Self::AttemptFinished { node, .. }
            | Self::RetryScheduled { node, .. }
            | Self::GateOpened { node }
            | Self::GateDecided { node, .. }
            | Self::TimerSet { node, .. }
            | Self::TimerFired { node }
            | Self::ChildStarted { node, .. }
            | Self::ChildFinished { node, .. }
            | Self::ValueSet { node, .. } => Some(*node),
            Self::TaskUpToDate { .. }
            | Self::TaskBlocked { .. }
            | Self::RunCreated { .. }
            | Self::RunStarted {}
            | Self::RunPaused {}
            | Self::RunResumed {}
            | Self::RunFinished { .. }
            | Self::NoteAdded { .. }
            | Self::Unknown => None,
        }
    }
}

/// A process that leads a group of its own, whose number is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// The number of its session.
    pub session: i32,
    /// The number of the flow that started it.
    pub flow: i32,
    /// A time at which it was there, in milliseconds since the machine was started: whoever has its number and began later is
    /// another one.
    pub alive_ms: u64,
    /// Which start of the machine that is (`/proc/sys/kernel/random/boot_id`, random(4)); empty where that can't be known.
    pub boot: String,
}

/// Why something was asked to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// flow got this signal; the run stays resumable.
    Signal(i32),
    /// Somebody cancelled the run.
    Cancelled,
    /// A task failed and the run was to stop then.
    Failure,
    /// A gate was rejected.
    Rejected,
    /// The run took longer than it may.
    Timeout,
    /// What it is made of has changed: nothing more begins, and what is made of that stops; the next run makes it anew.
    Outdated,
    /// The group's outcome is settled without the children that still run.
    Decided(Outcome),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// All that was asked for succeeded.
    Completed,
    /// A task failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// How a node, or one try of it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should.
    Succeeded,
    /// It did not have to run.
    Skipped,
    /// Its results were there already.
    UpToDate,
    /// With an error.
    Failed,
    /// It took too long and was stopped.
    TimedOut,
    /// It was under way when flow died.
    Lost,
    /// It was stopped for another's sake.
    Cancelled,
    /// It was stopped by a signal to flow, and begins again at resume.
    Interrupted,
    /// Something that it needs failed.
    Blocked,
}

impl Outcome {
    /// Whether what waits for success may begin.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped | Self::UpToDate)
    }

    /// Whether it is an error of its own, as opposed to a consequence of something else.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Lost)
    }

    /// The word that people see.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Skipped => "skipped",
            Self::UpToDate => "up to date",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Blocked => "blocked",
        }
    }
}

/// What was decided at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on.
    Approved,
    /// Don't.
    Rejected,
    /// Nobody decided; what waited for it is not needed any more.
    Closed,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Go on.
    Go,
    /// This branch.
    Branch(u32),
}

/// What is known of a process that ended, and of what it printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    /// Its exit code, when it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why it could not be started, or what went wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it printed; none when it printed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// The processes that it left running, as it was told to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftRunning>,
}

/// A process that goes on after the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftRunning {
    /// Its process id.
    pub pid: i32,
    /// The name of its program.
    pub program: String,
}

impl Exit {
    /// A process that ended with this code.
    pub fn code(code: i32) -> Self {
        Self {
            exit_code: Some(code),
            ..Self::default()
        }
    }

    /// Whether it ended as programs do that have done their work.
    pub fn is_ok(&self) -> bool {
        self.exit_code == Some(0) && self.error.is_none()
    }
}

/// The output of an attempt on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Its file's name in the folder of the run's logs; empty when the run keeps none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of its content, in hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// Its last lines, with invalid UTF-8 replaced.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}
