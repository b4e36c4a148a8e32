//! What evaluating needs of the world: files, commands, the environment. Handed in, so that a dry run can refuse.

use std::path::Path;

use crate::expr::Script;

/// The world, as far as values come from it.
pub trait Outside: std::fmt::Debug + Send + Sync {
    /// The content of a file; `None` when there is none.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String>;

    /// What a command for the shell prints, without the newlines at its end.
    fn output(&self, command: &Command<'_>) -> Result<Vec<u8>, NoOutput>;

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

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoOutput {
    /// Nothing is run here; the value stands for itself as `$(…)`.
    NotNow,
    /// It failed; why, as a part of a sentence: `it failed with exit code 3: …`.
    Failed(String),
}
