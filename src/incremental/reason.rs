//! Why a task has to run, for people and programs.

use std::collections::HashMap;
use std::fmt;

use crate::eval::recipe::{Part, PartKind};

/// Why a task has to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It says nothing of what it reads.
    Always,
    /// It was asked for.
    Forced,
    /// It reads flow's stdin.
    Stdin,
    /// One of the commands of `status` failed, and said this on stderr.
    Status(String),
    /// Nothing is known of it.
    New,
    /// It was begun and has not succeeded.
    Unfinished,
    /// Its steps are others.
    Steps,
    /// Its steps are the same, and what becomes of them with all values is not.
    Rendered,
    /// A value that it reads.
    Value(String),
    /// An environment variable.
    Env(String),
    /// Which files it reads or makes.
    Patterns,
    /// A file that it reads.
    Source(Change),
    /// A file that it makes.
    Output(Change),
    /// One item of its loop, and how many more.
    Item {
        /// Its name.
        item: String,
        /// Why it has to run.
        why: Box<Reason>,
        /// How many more items have to run.
        more: usize,
    },
    /// A file that it names among its sources is not there.
    Missing(String),
    /// What its commands read was not named by them.
    NoDepfile(String),
    /// Its values are read by another, and were not kept.
    Values,
}

/// What has become of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first such file, from the root of the project.
    pub path: String,
    /// What has happened to it.
    pub how: How,
    /// How many more there are.
    pub more: usize,
}

/// What has happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It holds something else.
    Changed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => write!(f, "it has no 'sources' and no 'status', so it always runs"),
            Self::Forced => write!(f, "that was asked for (--force)"),
            Self::Stdin => write!(f, "it reads stdin, so it always runs"),
            Self::Status(said) if said.is_empty() => {
                write!(f, "a command of its 'status' failed")
            }
            Self::Status(said) => write!(f, "a command of its 'status' failed: {said}"),
            Self::New => write!(f, "it has never succeeded here"),
            Self::Unfinished => write!(f, "it did not succeed the last time"),
            Self::Steps => write!(f, "its steps have changed"),
            Self::Rendered => write!(f, "its commands expand differently"),
            Self::Value(name) => write!(f, "the value of {name} has changed"),
            Self::Env(name) => write!(f, "the environment variable {name} has changed"),
            Self::Patterns => write!(
                f,
                "its 'sources' or 'generates', or those of what it needs, have changed"
            ),
            Self::Source(change) => write!(f, "its source {change}"),
            Self::Output(change) => write!(f, "its output {change}"),
            Self::Item { item, why, more } => {
                write!(f, "of {item} ")?;
                why.fmt(f)?;
                match more {
                    0 => Ok(()),
                    1 => write!(f, ", and 1 more item would run"),
                    more => write!(f, ", and {more} more items would run"),
                }
            }
            Self::Missing(name) => write!(f, "its source {name} is not there"),
            Self::NoDepfile(name) => write!(f, "its depfile {name} is not there"),
            Self::Values => write!(f, "another task reads values of it, which were not kept"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Added => "is new",
            How::Removed => "is not there any more",
            How::Changed => "has changed",
        };
        write!(f, "{} {how}", self.path)?;
        match self.more {
            0 => Ok(()),
            1 => write!(f, ", and 1 more file"),
            more => write!(f, ", and {more} more files"),
        }
    }
}

/// Which part is another one: a value before the text that it stands in.
pub(super) fn other_part(before: &[Part], now: &[Part]) -> Reason {
    let known: HashMap<(PartKind, &str), &[u8; 32]> = before
        .iter()
        .map(|part| ((part.kind, &part.name[..]), &part.hash))
        .collect();
    let there: HashMap<(PartKind, &str), &[u8; 32]> = now
        .iter()
        .map(|part| ((part.kind, &part.name[..]), &part.hash))
        .collect();
    let mut others: Vec<(PartKind, &str)> = known
        .keys()
        .chain(there.keys())
        .filter(|part| known.get(*part) != there.get(*part))
        .copied()
        .collect();
    others.sort_unstable();
    let steps = others.iter().find(|(kind, _)| *kind == PartKind::Steps);
    // A value that is read for the first time is read by another text.
    let both = |part: &&(PartKind, &str)| known.contains_key(*part) && there.contains_key(*part);
    match others.iter().find(both).or(steps).or(others.first()) {
        Some((PartKind::Value, name)) => Reason::Value((*name).to_owned()),
        Some((PartKind::Env, name)) => Reason::Env((*name).to_owned()),
        Some((PartKind::Steps, _)) | None => Reason::Steps,
        Some((PartKind::Rendered, _)) => Reason::Rendered,
    }
}
