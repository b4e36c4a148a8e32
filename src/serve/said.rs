//! What the server says of what happens.

use crate::core::fact::RunEnd;
use crate::model::id::RunId;
use crate::report::level::Level;
use crate::trigger::fact::{End, Fact, Fire, Record, Skip};

/// Something to say: how grave it is, a word for programs, a sentence for people, and what else programs want to know.
pub(super) struct Said {
    pub(super) level: Level,
    pub(super) event: &'static str,
    pub(super) words: String,
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Said {
    fn new(level: Level, event: &'static str, words: String) -> Self {
        Self {
            level,
            event,
            words,
            fields: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }

    /// Of a fact; nothing where it says nothing to people, or where there is more to be said of it.
    pub(super) fn of(record: &Record) -> Option<Self> {
        Some(match &record.fact {
            Fact::Fired(fire) => Self::fired(fire),
            Fact::Skipped {
                trigger,
                scheduled,
                why,
            } => {
                let because = match why {
                    Skip::Overlap => "the previous run is still active",
                    Skip::QueueFull => "too many runs are waiting",
                };
                let at = scheduled.local();
                let words = format!("{trigger}: skipped {at}, because {because}");
                Self::new(Level::Warning, "skipped", words)
                    .with("trigger", trigger)
                    .with("scheduled_at", scheduled)
            }
            Fact::Missed {
                trigger,
                until,
                count,
            } => {
                let count = match count {
                    None => "more times than are counted".to_owned(),
                    Some(1) => "a time".to_owned(),
                    Some(count) => format!("{count} times"),
                };
                let words = format!("{trigger}: missed {count} until {}", until.local());
                Self::new(Level::Warning, "missed", words)
                    .with("trigger", trigger)
                    .with("scheduled_at", until)
            }
            Fact::Paused { trigger, by } => {
                let words = format!("{trigger}: paused by {by}");
                Self::new(Level::Info, "paused", words).with("trigger", trigger)
            }
            Fact::Resumed { trigger, by } => {
                let words = format!("{trigger}: resumed by {by}");
                Self::new(Level::Info, "resumed", words).with("trigger", trigger)
            }
            Fact::ClockSetBack { triggers } => {
                let words = format!(
                    "the clock was set back; {} start again",
                    triggers.join(", ")
                );
                Self::new(Level::Warning, "clock_set_back", words)
            }
            Fact::ClockSetRight { triggers } => {
                let words = format!("the clock was set right; {} go on", triggers.join(", "));
                Self::new(Level::Warning, "clock_set_right", words)
            }
            Fact::State(_)
            | Fact::Known { .. }
            | Fact::Renamed { .. }
            | Fact::Begun { .. }
            | Fact::Ended { .. }
            | Fact::Unknown => return None,
        })
    }

    fn fired(fire: &Fire) -> Self {
        let for_what = match (&fire.scheduled, &fire.changed) {
            (Some(at), _) => format!(" for {}", at.local()),
            (None, Some(path)) => format!(", because {path} changed"),
            (None, None) => String::new(),
        };
        let Fire {
            trigger, run, task, ..
        } = fire;
        let words = format!("{trigger}: run {run} of {task}{for_what}");
        let said = Self::new(Level::Info, "fired", words)
            .with("trigger", trigger)
            .with("run", run)
            .with("task", task);
        match &fire.scheduled {
            Some(at) => said.with("scheduled_at", at),
            None => said,
        }
    }

    /// Of a run that can't go on for now.
    pub(super) fn delayed(trigger: &str, run: &RunId, why: &str) -> Self {
        let why = why
            .lines()
            .find(|line| line.starts_with("error"))
            .unwrap_or(why);
        let words = format!(
            "{trigger}: run {run} waits, because flow said: {}",
            why.trim_end()
        );
        Self::new(Level::Warning, "delayed", words)
            .with("trigger", trigger)
            .with("run", run)
    }

    /// Of the end of a fire.
    pub(super) fn ended(trigger: &str, run: &RunId, end: End, error: Option<&str>) -> Self {
        let error = error.unwrap_or_default().trim_end();
        let (level, words) = match end {
            End::Completed => (Level::Info, format!("run {run} completed")),
            End::Cancelled => (Level::Warning, format!("run {run} was cancelled")),
            End::Failed => (Level::Error, format!("run {run} failed; flow logs {run}")),
            End::Refused => (Level::Error, format!("no run could begin\n{error}")),
            End::GivenUp if error.is_empty() => {
                let words = "was interrupted again and again, and is given up; flow resume";
                (Level::Error, format!("run {run} {words} {run}"))
            }
            End::GivenUp => (Level::Error, format!("run {run} is given up: {error}")),
        };
        Self::new(level, "ended", format!("{trigger}: {words}"))
            .with("trigger", trigger)
            .with("run", run)
            .with("status", end.word())
    }
}

impl From<RunEnd> for End {
    fn from(end: RunEnd) -> Self {
        match end {
            RunEnd::Completed => Self::Completed,
            RunEnd::Failed => Self::Failed,
            RunEnd::Cancelled => Self::Cancelled,
        }
    }
}
