//! What other processes ask of the one that works on a run.

use serde::{Deserialize, Serialize};

/// A request. As JSON on one line it is short enough to be written in one piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// End the run.
    Cancel {
        /// Who asks.
        by: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Note something in the record.
    Annotate {
        /// What.
        text: String,
        /// Who asks.
        by: String,
        /// The fact that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<u64>,
    },
    /// Give a lock away.
    Release {
        /// Its name.
        name: String,
        /// Who asks.
        by: String,
    },
}

/// How long the words of a person may be, in bytes: a request goes through a pipe in one piece (`PIPE_BUF` of POSIX).
pub const WORDS_MAX: usize = 300;

impl Request {
    /// As a line, with its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("a request has only text") + "\n"
    }

    /// The requests in these lines; what is none, as from a later version, is left out.
    pub fn read(lines: &str) -> impl Iterator<Item = Self> {
        lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
    }
}
