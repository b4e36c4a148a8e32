//! The files that the server watches: what says what the project is, and what triggers are about.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::Project;
use crate::engine::clock::Clock;
use crate::incremental::Globs;
use crate::watch::{Error, Interest, News, Wanted, Watch};

/// How long it takes at most until a change that was seen is told.
const SETTLED: Duration = Duration::from_secs(3);

/// What is heard of files.
#[derive(Debug)]
pub(super) enum Heard {
    /// Some have changed.
    Changed {
        /// One of them says what the project is.
        definition: bool,
        /// Those that triggers watch, with the triggers.
        watched: Vec<(String, PathBuf)>,
    },
    /// From now on files are looked at every so often, for this reason.
    Polls(String),
}

impl Heard {
    /// Interests are of the triggers of these names; further ones are of what says what the project is.
    fn of(news: News, names: &[String]) -> Self {
        let changes = match news {
            News::Changed(changes) => changes,
            News::Polls(why) => return Self::Polls(why),
        };
        let (mut definition, mut watched) = (false, Vec::new());
        for change in changes {
            definition |= change.interests.is_empty();
            for number in change.interests {
                match names.get(number) {
                    Some(name) => watched.push((name.clone(), change.path.clone())),
                    None => definition = true,
                }
            }
        }
        Self::Changed {
            definition,
            watched,
        }
    }
}

/// What is watched.
pub(super) struct Files {
    /// Which files, and the watch, until it is dropped.
    watch: Option<(String, Watch)>,
    /// The one before, until what it has seen is told.
    retired: Option<(Watch, Instant)>,
    sender: UnboundedSender<Heard>,
    heard: UnboundedReceiver<Heard>,
}

impl Files {
    /// None so far.
    pub(super) fn new() -> Self {
        let (sender, heard) = unbounded_channel();
        Self {
            watch: None,
            retired: None,
            sender,
            heard,
        }
    }

    /// Those that the project in this folder names, unless they are watched already.
    pub(super) fn watch(&mut self, project: &Project, folder: &Path) -> Result<(), Error> {
        let what = format!("{:?} {:?}", project.interests, project.definition);
        if self.watch.as_ref().is_some_and(|(known, _)| *known == what) {
            return Ok(());
        }
        let interests = project.interests.iter();
        let (names, mut interests): (Vec<String>, Vec<Interest>) = interests.cloned().unzip();
        let schedules = ["schedules/*.yml".to_owned(), "schedules/*.yaml".to_owned()];
        interests.push(Interest {
            reads: Globs::read(folder, &schedules),
            makes: Globs::default(),
        });
        let wanted = Wanted {
            root: folder.to_owned(),
            interests,
            definition: project.definition.clone(),
            poll: None,
        };
        let (sender, before) = (self.sender.clone(), project.before.clone());
        let tell = move |news| drop(sender.send(Heard::of(news, &names)));
        let watch = Watch::begin(wanted, |_| before, Clock::FOR_FILES, tell)?;
        // The one before ends only when it has told what it has seen; what both tell is one change.
        let before = self.watch.replace((what, watch));
        self.retired = before.map(|(_, watch)| (watch, Instant::now() + SETTLED));
        Ok(())
    }

    /// When there is something to tidy up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retired.as_ref().map(|(_, until)| *until)
    }

    /// Lets go of what has told all that it has seen.
    pub(super) fn tidy(&mut self) {
        let retired = self.retired.take();
        self.retired = retired.filter(|(_, until)| *until > Instant::now());
    }

    /// Waits for a change.
    pub(super) async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            // There is a sender as long as this is there.
            None => std::future::pending().await,
        }
    }
}
