//! What starts runs by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value::Place;

/// An entry of `triggers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name, with the namespace of its file before it.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// What it is for.
    pub desc: Option<String>,
    /// What starts it.
    pub when: When,
    /// The task that it runs, by its name.
    pub run: String,
    /// The values that the task gets.
    pub values: Vec<(String, String)>,
    /// What happens when it is time and the run before has not ended.
    pub overlap: Overlap,
    /// What happens with times at which nobody was there.
    pub catch_up: CatchUp,
    /// Up to how much later than its times it starts; for one trigger of a project it is always the same.
    pub jitter: Duration,
    /// Whether it starts anything.
    pub enabled: bool,
}

/// What starts a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// Times as in cron(5).
    Cron {
        /// The expression, which has been checked.
        expression: String,
        /// The name of the time zone; `None` for the machine's.
        zone: Option<String>,
    },
    /// Again and again after this long, counted from 1970-01-01 (UTC).
    Every(Duration),
    /// Once.
    At {
        /// The time, which has been checked: with an offset, or by the clock on the wall.
        time: String,
        /// The name of the time zone; `None` for the machine's.
        zone: Option<String>,
    },
    /// Changes of files.
    Watch {
        /// Patterns of files, relative to the folder of the file; with `!` those that are none of them.
        patterns: Vec<String>,
        /// How long they must be quiet.
        debounce: Duration,
    },
}

/// What happens when it is time and the run before has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Nothing; that is recorded.
    #[default]
    Skip,
    /// It starts when the other has ended.
    Queue,
    /// The other is cancelled, then it starts.
    Cancel,
    /// It starts beside the other.
    Allow,
}

/// What happens with times at which nobody was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Nothing.
    None,
    /// The last of them is made up for.
    #[default]
    Last,
    /// All of them are.
    All,
}
