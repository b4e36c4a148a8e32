//! What can happen to triggers, and the state that follows from it.
//!
//! These are the lines of the journal, so they are a file format: fields are added and never renamed or reused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::fact::Triggered;
use crate::model::id::RunId;
use crate::model::time::Timestamp;

/// A fact with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// What there was before: the first line of a journal that was made shorter, or a new one's.
    State(Box<State>),
    /// These triggers are seen for the first time, or as others than before; their times count from here on.
    Known {
        /// By their names, what tells their times from others.
        triggers: BTreeMap<String, String>,
    },
    /// A run is to begin.
    Fired(Box<Fire>),
    /// It was time and nothing began.
    Skipped {
        /// The trigger.
        trigger: String,
        /// The time.
        scheduled: Timestamp,
        /// Why.
        why: Skip,
    },
    /// Times at which nobody was there, and that are not made up for.
    Missed {
        /// The trigger.
        trigger: String,
        /// The last of them.
        until: Timestamp,
        /// How many; more than could be counted without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
    },
    /// The id of a run was taken; it gets this one.
    Renamed {
        /// The fire.
        fire: u64,
        /// The new id.
        run: RunId,
    },
    /// The run has a record.
    Begun {
        /// The fire.
        fire: u64,
    },
    /// The run is over, or there will be none.
    Ended {
        /// The fire.
        fire: u64,
        /// How.
        end: End,
        /// Why there was no run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A trigger starts nothing until it is resumed.
    Paused {
        /// The trigger.
        trigger: String,
        /// Who paused it.
        by: String,
    },
    /// A trigger that was paused counts again, from here on.
    Resumed {
        /// The trigger.
        trigger: String,
        /// Who resumed it.
        by: String,
    },
    /// The clock was set back: these triggers count from here on.
    ClockSetBack {
        /// The triggers.
        triggers: Vec<String>,
    },
    /// A clock that was set back was set forward again, past what had been dealt with: these triggers count from there.
    ClockSetRight {
        /// The triggers.
        triggers: Vec<String>,
    },
    /// A fact of a later version.
    #[serde(other)]
    Unknown,
}

/// A run that a trigger starts: all that is needed to begin it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fire {
    /// Its number, counted from 1 over the project.
    pub fire: u64,
    /// The trigger.
    pub trigger: String,
    /// The id of the run.
    pub run: RunId,
    /// The time that it is for; `None` when it was no time that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Timestamp>,
    /// When it was decided.
    pub fired_at: Timestamp,
    /// The task.
    pub task: String,
    /// The values that it gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(String, String)>,
    /// A file that has changed, when that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    /// It may begin while others of its trigger are not over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside_others: bool,
    /// The run has a record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
}

impl From<&Fire> for Triggered {
    fn from(fire: &Fire) -> Self {
        Self {
            name: fire.trigger.clone(),
            fire: fire.fire,
            scheduled_at: fire.scheduled,
            fired_at: fire.fired_at,
            changed: fire.changed.clone(),
        }
    }
}

/// Why nothing began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// The run before was not over.
    Overlap,
    /// Too many wait already.
    QueueFull,
}

/// How a fire ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The run completed.
    Completed,
    /// The run failed.
    Failed,
    /// The run was cancelled, or was not begun because a later one takes its place.
    Cancelled,
    /// The run could not begin: the file has no such task, or a value is wrong.
    Refused,
    /// The run is interrupted and was given up after several tries.
    GivenUp,
}

impl End {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::GivenUp => "interrupted",
        }
    }
}

/// All that follows from the facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What spreads the jitter of this project's triggers.
    pub seed: u64,
    /// How many fires there were.
    pub fires: u64,
    /// What is known of triggers.
    pub triggers: BTreeMap<String, Known>,
    /// The fires that are not over.
    #[serde(with = "list")]
    pub open: BTreeMap<u64, Fire>,
}

/// What is known of a trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What tells its times from others.
    pub definition: String,
    /// All its times up to this one are dealt with.
    pub cursor: Timestamp,
    /// How far they were dealt with before the clock was set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// Who paused it, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<(String, Timestamp)>,
    /// The run that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Last>,
    /// How many times were skipped or missed since a run ended.
    #[serde(default)]
    pub left_out: u64,
}

/// The run of a trigger that ended last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// The run.
    pub run: RunId,
    /// The time that it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Timestamp>,
    /// When that was seen.
    pub at: Timestamp,
    /// How.
    pub end: End,
    /// Why there was no run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl State {
    /// The state after one more fact.
    pub fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.fact {
            Fact::State(state) => *self = (**state).clone(),
            Fact::Known { triggers } => {
                for (name, definition) in triggers {
                    let known = self.triggers.entry(name.clone()).or_default();
                    known.definition.clone_from(definition);
                    (known.cursor, known.before) = (at, None);
                }
            }
            Fact::Fired(fire) => {
                self.fires = self.fires.max(fire.fire);
                if let Some(scheduled) = fire.scheduled {
                    self.deal_with(&fire.trigger, scheduled);
                }
                self.open.insert(fire.fire, (**fire).clone());
            }
            Fact::Skipped {
                trigger, scheduled, ..
            } => {
                self.deal_with(trigger, *scheduled);
                self.leave_out(trigger, 1);
            }
            Fact::Missed {
                trigger,
                until,
                count,
            } => {
                self.deal_with(trigger, *until);
                self.leave_out(trigger, count.unwrap_or(1));
            }
            Fact::Renamed { fire, run } => {
                if let Some(open) = self.open.get_mut(fire) {
                    open.run = run.clone();
                }
            }
            Fact::Begun { fire } => {
                if let Some(open) = self.open.get_mut(fire) {
                    open.begun = true;
                }
            }
            Fact::Ended { fire, end, error } => {
                // Of two who say so the first is right.
                if let Some(fire) = self.open.remove(fire) {
                    let known = self.triggers.entry(fire.trigger).or_default();
                    known.left_out = 0;
                    known.last = Some(Last {
                        run: fire.run,
                        scheduled: fire.scheduled,
                        at,
                        end: *end,
                        error: error.clone(),
                    });
                }
            }
            Fact::Paused { trigger, by } => {
                self.triggers.entry(trigger.clone()).or_default().paused = Some((by.clone(), at));
            }
            Fact::Resumed { trigger, .. } => {
                let known = self.triggers.entry(trigger.clone()).or_default();
                known.paused = None;
                known.cursor = known.cursor.max(at);
            }
            Fact::ClockSetBack { triggers } => {
                for name in triggers {
                    let known = self.triggers.entry(name.clone()).or_default();
                    known.before = Some(known.before.unwrap_or_default().max(known.cursor));
                    known.cursor = at;
                }
            }
            Fact::ClockSetRight { triggers } => {
                for name in triggers {
                    let known = self.triggers.entry(name.clone()).or_default();
                    let before = known.before.take().unwrap_or_default();
                    known.cursor = known.cursor.max(before);
                }
            }
            Fact::Unknown => {}
        }
    }

    /// The state after all facts.
    pub fn fold<'r>(records: impl IntoIterator<Item = &'r Record>) -> Self {
        let mut state = Self::default();
        records.into_iter().for_each(|record| state.apply(record));
        state
    }

    fn deal_with(&mut self, trigger: &str, scheduled: Timestamp) {
        let known = self.triggers.entry(trigger.to_owned()).or_default();
        known.cursor = known.cursor.max(scheduled);
    }

    fn leave_out(&mut self, trigger: &str, count: u64) {
        let known = self.triggers.entry(trigger.to_owned()).or_default();
        known.left_out = known.left_out.saturating_add(count);
    }
}

/// Fires as a list: their numbers are in them.
mod list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Fire;

    pub(super) fn serialize<S: Serializer>(
        fires: &BTreeMap<u64, Fire>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(fires.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u64, Fire>, D::Error> {
        let fires = Vec::<Fire>::deserialize(deserializer)?;
        Ok(fires.into_iter().map(|fire| (fire.fire, fire)).collect())
    }
}
