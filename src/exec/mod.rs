//! Running commands: how one is started, followed, stopped, and what becomes of its output.
//!
//! It knows processes, pipes and files. It knows no plan, no state of a run, no store and no terminal: it is handed a
//! [`Job`] and tells what comes of it as [`Event`]s.

pub mod dispositions;
pub mod family;
pub mod forms;
pub mod handed_on;
pub mod jobserver;
pub mod keeper;
pub mod mask;
pub mod output;
pub mod process;
pub mod remains;
pub mod room;
pub mod runner;
pub mod shell;
pub mod spawn;
pub mod stops;
pub mod terminal;

use std::path::PathBuf;

use self::handed_on::Handover;
use crate::core::fact::Exit;
use crate::core::observer::Stream;
use crate::disk::Folder;
use crate::model::id::NodeId;
use crate::model::plan::Program;

/// What a command is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandId {
    /// A step.
    Step(NodeId),
    /// An answer: what it prints, or how it ends. By a number that no other one of the process has.
    Question(u64),
}

impl From<NodeId> for CommandId {
    fn from(node: NodeId) -> Self {
        Self::Step(node)
    }
}

/// One try of a command, with all that is needed to make it.
#[derive(Debug)]
pub struct Job {
    /// What it is for; the events name it.
    pub id: CommandId,
    /// Which try it is.
    pub attempt: u32,
    /// What is started.
    pub program: Program,
    /// The folder to run in.
    pub dir: PathBuf,
    /// Variables beyond the inherited environment.
    pub env: Vec<(String, Vec<u8>)>,
    /// The folder for its output, when that is kept.
    pub logs: Option<Folder>,
    /// Where it may write values for later steps, if there are any.
    pub handover: Option<Handover>,
    /// Inherited variables that it does not get.
    pub without: &'static [&'static str],
    /// What it prints on these streams is read by somebody.
    pub keeps: WhichStreams,
    /// It reads flow's own stdin.
    pub stdin: bool,
    /// It has flow's own stdin and these of flow's own streams; `None` for an empty stdin and pipes.
    pub own_streams: Option<WhichStreams>,
}

impl Job {
    /// Whether what it starts is to go on after its run.
    pub fn is_to_leave(&self) -> bool {
        self.env.iter().any(|(name, _)| name == family::TO_LEAVE)
    }
}

/// Streams of a command: which of flow's own it writes to by itself, so that nobody reads along; which are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WhichStreams {
    /// Its stdout.
    pub stdout: bool,
    /// Its stderr.
    pub stderr: bool,
}

/// Something that happened to a job.
#[derive(Debug)]
pub enum Event {
    /// It printed something.
    Output {
        /// The node of the job.
        node: NodeId,
        /// Where it printed.
        stream: Stream,
        /// What.
        bytes: Vec<u8>,
    },
    /// It has ended, and all its output is here.
    Ended {
        /// The node of the job.
        node: NodeId,
        /// Which try.
        attempt: u32,
        /// How.
        exit: Exit,
        /// What it hands on.
        result: Handed,
    },
    /// A command that was run for an answer has ended.
    Answered {
        /// The number of the question.
        question: u64,
        /// What came of it.
        said: Said,
    },
}

/// What came of a command that was run for an answer. It may have secrets in it.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// How it ended.
    pub exit: Exit,
    /// What it printed on stdout: at most [`crate::model::plan::STDOUT_BYTES_MAX`] and a byte, after which it was killed.
    pub stdout: Vec<u8>,
    /// The end of what it printed on stderr.
    pub stderr: Vec<u8>,
}

/// What a command hands on to later steps. It may have secrets in it.
#[derive(Debug, Default)]
pub struct Handed {
    /// Names with their values.
    pub outputs: Vec<(String, Vec<u8>)>,
    /// What it printed on stdout, where that is read: at most [`crate::model::plan::STDOUT_BYTES_MAX`] and a byte.
    pub stdout: Option<Vec<u8>>,
    /// The same of stderr.
    pub stderr: Option<Vec<u8>>,
}
