//! What has come in for a watch, from the lookout and the keyboard, and who reads it while a run goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keys::Key;
use crate::core::Input;
use crate::engine::Caller;
use crate::engine::inbox::Knocker;
use crate::model::id::NodeId;
use crate::model::plan::Plan;
use crate::watch::{Change, News};

/// Where it comes in.
#[derive(Clone, Debug)]
pub(super) struct Mail(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    letters: Mutex<Letters>,
    bell: Knocker,
}

/// What has come in and was not taken.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// Files that have changed, each with its last change.
    pub(super) changes: BTreeMap<PathBuf, Change>,
    /// Keys that were pressed.
    pub(super) keys: Vec<Key>,
    /// Why files are looked at every so often.
    pub(super) polls: Option<String>,
    /// The run that goes on has been told of the changes, and of so many keys.
    told: bool,
    told_keys: usize,
    /// Files that runs write themselves, it seems: no run is stopped for them.
    suspects: BTreeSet<PathBuf>,
}

impl Letters {
    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.keys.is_empty() && self.polls.is_none()
    }
}

impl Mail {
    /// With a bell for whoever waits for it.
    pub(super) fn new(bell: Knocker) -> Self {
        Self(Arc::new(Shared {
            letters: Mutex::default(),
            bell,
        }))
    }

    /// The lookout has news.
    pub(super) fn news(&self, news: News) {
        let mut letters = self.letters();
        match news {
            News::Changed(changes) => {
                letters.told = false;
                letters
                    .changes
                    .extend(changes.into_iter().map(|one| (one.path.clone(), one)));
            }
            News::Polls(why) => letters.polls = Some(why),
        }
        drop(letters);
        self.0.bell.knock();
    }

    /// A key was pressed.
    pub(super) fn key(&self, key: Key) {
        self.letters().keys.push(key);
        self.0.bell.knock();
    }

    /// All that there is.
    pub(super) fn take(&self) -> Letters {
        let mut letters = self.letters();
        let suspects = letters.suspects.clone();
        let next = Letters {
            suspects,
            ..Letters::default()
        };
        std::mem::replace(&mut letters, next)
    }

    /// From now on no run is stopped for changes of these files.
    pub(super) fn suspect(&self, files: BTreeSet<PathBuf>) {
        self.letters().suspects = files;
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.0
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a run that goes on what has come in: that it is made of what is no more, or that it is to end. What has come in stays.
#[derive(Debug)]
pub(super) struct DuringRun {
    pub(super) mail: Mail,
    pub(super) plan: Arc<Plan>,
    /// The tasks that are interested in files, by their numbers.
    pub(super) interested: Arc<[NodeId]>,
    /// The folder that paths are told from.
    pub(super) root: PathBuf,
}

impl Caller for DuringRun {
    fn inputs(&mut self) -> Vec<Input> {
        let mut letters = self.mail.letters();
        let mut inputs = Vec::new();
        let ends = |key: &&Key| matches!(key, Key::Quit | Key::Again);
        let keys = letters.keys[letters.told_keys..].iter().filter(ends);
        // The second one insists.
        inputs.extend(keys.map(|_| Input::Cancel {
            by: None,
            reason: None,
        }));
        letters.told_keys = letters.keys.len();
        let suspects = &letters.suspects;
        let matter = |change: &&Change| !suspects.contains(&change.path);
        let changes: Vec<&Change> = letters.changes.values().filter(matter).collect();
        if !letters.told && !changes.is_empty() {
            inputs.push(Input::Outdated {
                tasks: self.affected(&changes),
                what: sentence(changes.iter().copied(), &self.root),
            });
        }
        letters.told = true;
        inputs
    }
}

impl DuringRun {
    /// The tasks that changes concern; all of them where they are of the definition.
    fn affected(&self, changes: &[&Change]) -> Vec<NodeId> {
        if changes.iter().any(|change| change.interests.is_empty()) {
            return self.plan.tasks().map(|(id, _)| id).collect();
        }
        let interests = changes.iter().flat_map(|change| &change.interests);
        let interested = interests.filter_map(|number| self.interested.get(*number));
        interested.copied().collect()
    }
}

/// `src/main.rs has changed`, or `src/main.rs and 3 more files have changed`.
pub(super) fn sentence<'c>(changes: impl Iterator<Item = &'c Change>, root: &Path) -> String {
    use crate::watch::How;
    let mut changes = changes.peekable();
    let Some(first) = changes.next() else {
        return "nothing has changed".to_owned();
    };
    let path = first.path.strip_prefix(root).unwrap_or(&first.path);
    let path = path.display();
    let others = changes.count();
    match (others, first.how) {
        (0, How::Added) => format!("{path} is new"),
        (0, How::Changed) => format!("{path} has changed"),
        (0, How::Removed) => format!("{path} is gone"),
        (1, _) => format!("{path} and one more file have changed"),
        (others, _) => format!("{path} and {others} more files have changed"),
    }
}
