//! Which files have changed, of those that somebody is interested in.
//!
//! ```text
//!  the system ─ eyes ─► what was said of which path ─ settle ─► look: is its content another one? ─► told
//! ```
//!
//! Only folders are watched, those that the patterns reach and git does not ignore, each without what is in its folders; what
//! appears in one that is new is looked for. A change is another content: a file that was only touched has not changed. When more
//! happens than the system can tell, all files are looked at; where it can't tell at all, they are looked at every so often.
//!
//! It refuses to know what a task, a plan and a run are, and what the time is.

mod eyes;
mod links;
mod settle;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};

use self::eyes::{Blind, Eyes, Heard};
use self::links::Links;
use self::settle::{Said, Settling};
use crate::incremental::{Globs, Ground, Print};

/// How often files are looked at where the system does not tell of changes.
pub const POLLED_EVERY: Duration = Duration::from_millis(500);

/// How long folders that appear wait for more.
const FOLDERS: Duration = Duration::from_millis(1);

/// How long git is taken to be at work, in nanoseconds.
const GIT_NANOS_MAX: i128 = 60_000_000_000;

/// Which files matter to one who is interested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The files that it is told of.
    pub reads: Globs,
    /// The files of which nobody is told, because it makes them.
    pub makes: Globs,
}

/// What is watched.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The folder of the project.
    pub root: PathBuf,
    /// Who is interested in what, by their numbers.
    pub interests: Vec<Interest>,
    /// Files that say what is watched, and how.
    pub definition: Vec<PathBuf>,
    /// How often to look, for those who don't want to rely on the system.
    pub poll: Option<Duration>,
}

/// The time, as those have it who may look at a clock.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// Now, for deadlines.
    pub instant: fn() -> Instant,
    /// Now, as files have it: nanoseconds since 1970.
    pub of_files: fn() -> i128,
}

/// What has become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It has another content.
    Changed,
    /// It is gone.
    Removed,
}

/// A file that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// How.
    pub how: How,
    /// The numbers of those who are interested; none for a file of the definition.
    pub interests: Vec<usize>,
    /// When it was seen.
    pub at: Instant,
}

/// What those are told who watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// These files have changed.
    Changed(Vec<Change>),
    /// From now on files are looked at every so often, for this reason.
    Polls(String),
}

/// Why nothing can be watched.
#[derive(Debug)]
pub struct Error(notify::Error);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't watch folders: {}", self.0)
    }
}

impl std::error::Error for Error {}

/// Files that are watched until this is dropped.
#[derive(Debug)]
pub struct Watch {
    messages: Sender<Message>,
    thread: Option<JoinHandle<()>>,
    files: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Message {
    Heard(Heard),
    Stop,
}

impl Watch {
    /// Begins to watch. What the files of all patterns held until now is `known` (which may have files that don't matter); `tell` is told of
    /// whatever changes from then on, by a thread of its own, and of files of the definition that are not as they are known.
    ///
    /// # Errors
    ///
    /// When the system can't watch, for another reason than a limit: then files are looked at every so often.
    pub fn begin(
        wanted: Wanted,
        known: impl FnOnce(&Globs) -> HashMap<PathBuf, Print>,
        time: Time,
        tell: impl FnMut(News) + Send + 'static,
    ) -> Result<Self, Error> {
        let (messages, heard) = mpsc::channel();
        let sender = messages.clone();
        let git = wanted.root.ancestors().map(|above| above.join(".git"));
        let git_lock = git.into_iter().find(|git| git.is_dir());
        let git_lock = git_lock.map(|git| git.join("index.lock"));
        let reads = all_of(&wanted.interests);
        let definition = Globs::named(&wanted.definition);
        let mut lookout = Lookout {
            all: reads.clone().and(definition.clone()),
            reads,
            definition,
            ground: Ground::new(&wanted.root),
            polls: wanted.poll,
            wanted,
            known: BTreeMap::new(),
            files: Arc::default(),
            links: Links::default(),
            eyes: None,
            settling: Settling::default(),
            changes: BTreeMap::new(),
            new_folders: BTreeSet::new(),
            folders_at: None,
            rescan: false,
            git_lock,
            time,
            tell: Box::new(tell),
        };
        if lookout.polls.is_none() {
            // A lookout that has gone needs to hear nothing.
            lookout.open_eyes(move |heard| drop(sender.send(Message::Heard(heard))))?;
        }
        // What changes from here on is told, so what was known before it is no more than what is found now.
        let known = known(&lookout.reads);
        lookout.learn(known);
        for path in lookout.wanted.definition.clone() {
            lookout.look_at(&path);
        }
        lookout.follow_links();
        let files = Arc::clone(&lookout.files);
        let thread = std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || lookout.run(&heard))
            .map_err(|error| Error(notify::Error::io(error)))?;
        Ok(Self {
            messages,
            thread: Some(thread),
            files,
        })
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.files.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // One that has ended needs not be told to.
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn all_of(interests: &[Interest]) -> Globs {
    let reads = interests.iter().map(|interest| interest.reads.clone());
    reads.fold(Globs::default(), Globs::and)
}

/// Who looks at what is heard of.
struct Lookout {
    wanted: Wanted,
    /// What all of those read who are interested.
    reads: Globs,
    definition: Globs,
    /// Both.
    all: Globs,
    ground: Ground,
    known: BTreeMap<PathBuf, Print>,
    /// How many of them there are, the definition apart.
    files: Arc<AtomicUsize>,
    /// The links that lead to what is watched.
    links: Links,
    eyes: Option<Eyes>,
    polls: Option<Duration>,
    settling: Settling,
    changes: BTreeMap<PathBuf, Change>,
    /// Folders that were made, moved or removed, and when it is looked what is in them.
    new_folders: BTreeSet<PathBuf>,
    folders_at: Option<Instant>,
    /// All files are to be looked at.
    rescan: bool,
    /// The file that is there while git changes others.
    git_lock: Option<PathBuf>,
    time: Time,
    tell: Box<dyn FnMut(News) + Send>,
}

impl Lookout {
    fn now(&self) -> Instant {
        (self.time.instant)()
    }

    fn open_eyes(&mut self, hear: impl Fn(Heard) + Send + 'static) -> Result<(), Error> {
        let opened = Eyes::open(hear).and_then(|mut eyes| {
            eyes.set(&self.folders())?;
            Ok(eyes)
        });
        match opened {
            Ok(eyes) => self.eyes = Some(eyes),
            Err(Blind::Other(error)) => return Err(Error(error)),
            Err(limit) => self.poll(&limit),
        }
        Ok(())
    }

    /// From now on files are looked at every so often, because the system can't tell.
    fn poll(&mut self, why: &Blind) {
        self.eyes = None;
        self.polls = Some(POLLED_EVERY);
        (self.tell)(News::Polls(why.to_string()));
    }

    /// The folders that are to be watched.
    fn folders(&self) -> BTreeSet<PathBuf> {
        self.ground.folders(&self.all)
    }

    /// Looks at what is there and not known, and forgets what does not matter.
    fn learn(&mut self, mut known: HashMap<PathBuf, Print>) {
        let files = self.files();
        let now = (self.time.of_files)();
        for path in files {
            let print = known.remove(&path).or_else(|| Print::of(&path, None, now));
            self.known.extend(print.map(|print| (path, print)));
        }
        self.count();
    }

    fn count(&self) {
        let definition = self.wanted.definition.iter();
        let others = definition.filter(|path| self.known.contains_key(*path));
        let files = self.known.len() - others.count();
        self.files.store(files, Ordering::Relaxed);
    }

    /// The files that matter.
    fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = self.ground.files(&self.reads);
        files.retain(|path| !self.is_made(path));
        files.extend(self.ground.files(&self.definition));
        files
    }

    fn is_made(&self, path: &Path) -> bool {
        let mut interests = self.wanted.interests.iter();
        interests.any(|interest| self.ground.matches(&interest.makes, path))
    }

    /// Who is interested in a path; `None` when nobody is.
    fn interested(&self, path: &Path) -> Option<Vec<usize>> {
        if self.ground.matches(&self.definition, path) {
            return Some(Vec::new());
        }
        let interests = self.wanted.interests.iter().enumerate();
        let interested: Vec<usize> = interests
            .filter(|(_, interest)| self.ground.matches(&interest.reads, path))
            .map(|(number, _)| number)
            .collect();
        (!interested.is_empty() && !self.is_made(path)).then_some(interested)
    }

    fn run(mut self, heard: &Receiver<Message>) {
        let mut next = None;
        loop {
            let message = match (next.take(), self.deadline()) {
                (Some(message), _) => Ok(message),
                (None, None) => heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
                (None, Some(at)) => heard.recv_timeout(at.saturating_duration_since(self.now())),
            };
            match message {
                Ok(Message::Heard(heard)) => self.hear(heard),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if self.polls.is_some() => {
                    self.rescan |= self.settling.deadline().is_none();
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            while let Ok(message) = heard.try_recv() {
                match message {
                    Message::Heard(heard) => self.hear(heard),
                    Message::Stop => return,
                }
            }
            self.look();
            // Looking may take a while, and what was said meanwhile belongs to it.
            next = heard.try_recv().ok();
            if next.is_none() {
                self.tell();
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let polls = self.polls.map(|every| self.now() + every);
        let settled = self.settling.deadline();
        [settled, self.folders_at, polls]
            .into_iter()
            .flatten()
            .min()
    }

    fn hear(&mut self, heard: Heard) {
        let now = self.now();
        match heard {
            Heard::Overflow => {
                // Which folders were made anew was not told either.
                self.forget(&PathBuf::from("/"));
                self.rescan = true;
            }
            Heard::Folder(path) | Heard::Path(path, _) if self.is_link(&path) => {
                self.rescan = true;
            }
            Heard::Folder(path) => {
                self.folder(path, now);
            }
            Heard::Path(path, said) => {
                if path.file_name().is_some_and(|name| name == ".gitignore") {
                    // What it ignores now is nobody's business, what it ignored may be somebody's.
                    self.rescan = true;
                }
                // The folder of a file that is gone, or another one that is not told of as a folder.
                let was_folder = said == Said::Moved && self.is_folder_of_known(&path);
                if was_folder {
                    self.folder(path, now);
                } else if self.interested(&path).is_some() {
                    self.settling.said(&path, said, now);
                }
            }
        }
    }

    /// Whether a path is a link that leads to what is watched; whatever was watched behind it is watched no more.
    fn is_link(&mut self, path: &Path) -> bool {
        let through = self.links.led_through(path);
        through.iter().for_each(|path| self.forget(path));
        !through.is_empty()
    }

    /// Something has happened to a folder.
    fn folder(&mut self, folder: PathBuf, now: Instant) {
        self.forget(&folder);
        // What is above it is looked into with it.
        let above = folder
            .ancestors()
            .any(|above| self.new_folders.contains(above));
        if !above {
            self.new_folders.insert(folder);
        }
        self.folders_at.get_or_insert(now + FOLDERS);
    }

    fn forget(&mut self, folder: &Path) {
        if let Some(eyes) = &mut self.eyes {
            eyes.forget(folder);
        }
    }

    fn is_folder_of_known(&self, path: &Path) -> bool {
        // What is in a folder stands right behind it.
        let from = (Bound::Included(path), Bound::Unbounded);
        let mut beneath = self.known.range::<Path, _>(from);
        beneath
            .next()
            .is_some_and(|(known, _)| known != path && known.starts_with(path))
    }

    /// Looks at what it is time for.
    fn look(&mut self) {
        let now = self.now();
        if std::mem::take(&mut self.rescan) {
            self.new_folders.clear();
            self.folders_at = None;
            self.look_everywhere();
        } else if self.folders_at.is_some_and(|at| at <= now) {
            self.folders_at = None;
            let folders = std::mem::take(&mut self.new_folders);
            self.look_into(&folders);
        }
        for path in self.settling.take_due(now) {
            self.look_at(&path);
        }
    }

    /// Tells what has changed, if it is time for that.
    fn tell(&mut self) {
        let now = self.now();
        if self.settling.has_found() && self.git_is_at_work() {
            self.settling.hold(now);
        }
        if self.settling.is_time(now) {
            self.count();
            let changes = std::mem::take(&mut self.changes);
            // What was changed and changed back has not changed; nobody is told of nothing.
            if !changes.is_empty() {
                (self.tell)(News::Changed(changes.into_values().collect()));
            }
        }
    }

    /// Whether git is in the midst of changing files: then it holds the lock of its index.
    fn git_is_at_work(&self) -> bool {
        let Some(lock) = &self.git_lock else {
            return false;
        };
        let since = std::fs::metadata(lock).and_then(|lock| lock.modified());
        let nanos = since.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        // One that was left behind by a git that died is old.
        nanos.is_some_and(|nanos| {
            let nanos = i128::try_from(nanos.as_nanos()).unwrap_or(0);
            (self.time.of_files)() - nanos < GIT_NANOS_MAX
        })
    }

    /// All files that there are and that there were.
    fn look_everywhere(&mut self) {
        self.ground = Ground::new(&self.wanted.root);
        self.watch_folders();
        let mut paths = self.files();
        paths.extend(self.known.keys().cloned());
        paths.iter().for_each(|path| self.look_at(path));
    }

    /// What is in folders now that were made, moved or removed.
    fn look_into(&mut self, folders: &BTreeSet<PathBuf>) {
        for folder in folders {
            let (there, mut files) = self.ground.look_beneath(&self.all, folder);
            if let Some(Err(why)) = self.eyes.as_mut().map(|eyes| eyes.add(&there)) {
                self.poll(&why);
            }
            // What is made while it is looked is told, now that the folders are watched.
            files.extend(self.ground.look_beneath(&self.all, folder).1);
            let from = (Bound::Included(&**folder), Bound::Unbounded);
            let known = self.known.range::<Path, _>(from).map(|(path, _)| path);
            files.extend(known.take_while(|path| path.starts_with(folder)).cloned());
            files.iter().for_each(|path| self.look_at(path));
            let paths = there.iter().chain(&files).map(PathBuf::as_path);
            self.links.add(paths);
        }
        self.watch_links();
    }

    fn watch_folders(&mut self) {
        let folders = self.folders();
        if let Some(Err(why)) = self.eyes.as_mut().map(|eyes| eyes.set(&folders)) {
            self.poll(&why);
        }
        self.follow_links();
    }

    /// Finds the links that lead to what is watched, and watches them.
    fn follow_links(&mut self) {
        if self.eyes.is_none() {
            // All files are looked at anyway.
            return;
        }
        let folders = self.folders();
        let paths = folders.iter().chain(self.known.keys());
        self.links.add(paths.map(PathBuf::as_path));
        self.watch_links();
    }

    fn watch_links(&mut self) {
        let folders = self.links.folders();
        if let Some(Err(why)) = self.eyes.as_mut().map(|eyes| eyes.add_others(folders)) {
            self.poll(&why);
        }
    }

    /// Whether a file holds another thing than before.
    fn look_at(&mut self, path: &Path) {
        let interested = self.interested(path);
        let known = self.known.get(path);
        let print = interested
            .as_ref()
            .and_then(|_| Print::of(path, known, (self.time.of_files)()));
        let how = match (known, &print) {
            (None, None) => return,
            (None, Some(_)) => How::Added,
            (Some(_), None) => How::Removed,
            (Some(known), Some(print)) if known.is_same(print) => {
                self.known.insert(path.to_owned(), *print);
                return;
            }
            (Some(_), Some(_)) => How::Changed,
        };
        match print {
            Some(print) => _ = self.known.insert(path.to_owned(), print),
            None => _ = self.known.remove(path),
        }
        // What nobody is interested in any more, as it is ignored now, is not told.
        let Some(interests) = interested else { return };
        let change = Change {
            path: path.to_owned(),
            how,
            interests,
            at: self.now(),
        };
        self.settling.found(change.at);
        self.changes.insert(path.to_owned(), change);
    }
}
