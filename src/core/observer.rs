//! Those who watch a run: reporters, exporters, dashboards.
//!
//! They see every fact together with the state that it made, so they need no books of their own, and they may neither
//! fail nor stop the engine.

use super::fact::Record;
use super::state::RunState;
use crate::model::id::NodeId;
pub use crate::model::stream::Stream;

/// A fact that has been recorded and applied.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The fact.
    pub record: &'a Record,
    /// Its line in the log, without the line's end.
    pub line: &'a str,
    /// The state after the turn that it is part of.
    pub state: &'a RunState,
}

/// Something that is seen once and never stored as a fact.
#[derive(Clone, Copy, Debug)]
pub enum Signal<'a> {
    /// A try printed something.
    Output {
        /// The node.
        node: NodeId,
        /// On its stdout or its stderr.
        stream: Stream,
        /// What.
        bytes: &'a [u8],
    },
    /// A command starts whose text was evaluated, or that has a label; comes after the fact that says so.
    Command {
        /// The node.
        node: NodeId,
        /// The command for people, with secrets hidden.
        text: &'a str,
        /// What is shown in its place.
        label: Option<&'a str>,
        /// Values with white space that stand in it as one word each.
        several_words: &'a [String],
    },
    /// A task has to run, and why.
    Runs {
        /// The node.
        node: NodeId,
        /// Why, as a sentence.
        why: &'a str,
    },
    /// Patterns of a task's sources match nothing, though it runs.
    Unmatched {
        /// The node.
        node: NodeId,
        /// The patterns.
        patterns: &'a [String],
    },
    /// A task, or the run, waits for another flow.
    Waits {
        /// The node; `None` for the run.
        node: Option<NodeId>,
        /// For what.
        what: &'a str,
    },
    /// A task need not run: what it makes was restored from the cache.
    Restored {
        /// The node.
        node: NodeId,
        /// What it printed when it was made.
        output: &'a [u8],
    },
    /// A process that outlived its task was ended with the run.
    LeftBehind {
        /// The name of its program.
        program: &'a str,
        /// The task that it came from, as far as its environment says.
        task: &'a str,
    },
}

/// Someone who watches a run.
pub trait Observer: Send {
    /// A fact was recorded.
    fn see(&mut self, seen: &Seen<'_>);

    /// Something passing happened.
    fn notice(&mut self, state: &RunState, signal: &Signal<'_>);

    /// Nothing more will come.
    fn end(&mut self, state: &RunState);
}
