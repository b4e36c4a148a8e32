//! What evaluating needs of the world: files, commands, the environment. Handed in, so that a dry run can refuse.

use std::path::Path;

use crate::expr::Script;

/// The world, as far as values come from it.
pub trait Outside: std::fmt::Debug + Send + Sync {
    /// The content of a file; `None` when there is none.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String>;

    /// What a command for the shell prints, without the newlines at its end. The same one, in the same folder and environment,
    /// runs once, whoever asks.
    fn output(&self, command: &Command<'_>) -> Result<Vec<u8>, NoOutput>;

    /// What a command for the shell answers: yes when it succeeds.
    fn holds(&self, command: &Command<'_>) -> Result<Holds, NoOutput>;

    /// Whether nothing runs, now or ever: what only a run can tell stands for itself.
    fn rests(&self) -> bool;

    /// How many processors there are for this process.
    fn cpus(&self) -> usize;

    /// This value must never be seen.
    fn hide(&self, secret: &[u8]);

    /// A text without what must never be seen.
    fn hidden(&self, text: &str) -> String;

    /// Ends the commands that run, and starts no more.
    fn stop(&self);
}

/// A command whose output is a value.
#[derive(Debug)]
pub struct Command<'a> {
    /// The script with the variables that its data is in.
    pub script: &'a Script,
    /// The folder it runs in.
    pub dir: &'a Path,
    /// Its environment beyond the inherited one.
    pub env: &'a [(String, Vec<u8>)],
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It succeeded.
    Yes,
    /// It failed, and has said this on stderr. One that could not be run has not answered.
    No(String),
}

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoOutput {
    /// Nothing is run here; the value stands for itself as `$(…)`.
    NotNow,
    /// It failed; why, as a part of a sentence: `it failed with exit code 3: …`.
    Failed(String),
    /// It was stopped before it had ended; why, as a part of a sentence. Who asks again may get an answer.
    Stopped(String),
}

/// No world at all: for values that are what they are whatever the world is.
#[derive(Debug)]
pub(super) struct Nowhere;

impl Outside for Nowhere {
    fn read(&self, _: &Path) -> Result<Option<Vec<u8>>, String> {
        Err("nothing can be read yet".to_owned())
    }

    fn output(&self, _: &Command<'_>) -> Result<Vec<u8>, NoOutput> {
        Err(NoOutput::Failed("nothing is run yet".to_owned()))
    }

    fn holds(&self, _: &Command<'_>) -> Result<Holds, NoOutput> {
        Err(NoOutput::Failed("nothing is run yet".to_owned()))
    }

    fn rests(&self) -> bool {
        false
    }

    fn cpus(&self) -> usize {
        1
    }

    fn hide(&self, _: &[u8]) {}

    fn hidden(&self, text: &str) -> String {
        text.to_owned()
    }

    fn stop(&self) {}
}
