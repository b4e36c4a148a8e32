//! The folders that the system is asked to tell about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKindMask, ModifyKind, RenameMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::settle::Said;

/// What the system tells, for those who look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Of a path.
    Path(PathBuf, Said),
    /// A folder was made, moved or removed.
    Folder(PathBuf),
    /// So much has happened that not all was told.
    Overflow,
}

/// Why folders can't be watched.
#[derive(Debug)]
pub(super) enum Blind {
    /// The system allows no more of it; which limit, and how many were wanted.
    Limit(&'static str, usize),
    /// Something else.
    Other(notify::Error),
}

impl fmt::Display for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(name, 0 | 1) => write!(f, "the system's limit {name} is reached"),
            Self::Limit(name, wanted) => write!(
                f,
                "the system's limit {name} is reached, and {wanted} folders are to be watched"
            ),
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// The folders that are watched, none of them with what is in its folders.
pub(super) struct Eyes {
    watcher: RecommendedWatcher,
    /// Each with its device and inode: one that was made anew is another one.
    folders: BTreeMap<PathBuf, (u64, u64)>,
}

impl Eyes {
    pub(super) fn open(hear: impl Fn(Heard) + Send + 'static) -> Result<Self, Blind> {
        // Who only reads a file tells nothing: else whoever looks at one would wake himself.
        let kinds = EventKindMask::CORE | EventKindMask::ACCESS_CLOSE;
        let config = Config::default()
            .with_event_kinds(kinds)
            .with_follow_symlinks(false);
        let handler = move |event: notify::Result<Event>| match event {
            Ok(event) => classify(&event).into_iter().for_each(&hear),
            Err(_) => hear(Heard::Overflow),
        };
        let watcher =
            RecommendedWatcher::new(handler, config).map_err(|error| match error.kind {
                notify::ErrorKind::Io(io) if io.raw_os_error() == Some(libc::EMFILE) => {
                    Blind::Limit("fs.inotify.max_user_instances", 1)
                }
                kind => Blind::Other(notify::Error::new(kind)),
            })?;
        Ok(Self {
            watcher,
            folders: BTreeMap::new(),
        })
    }

    /// Watches these folders and no others.
    pub(super) fn set(&mut self, wanted: &BTreeSet<PathBuf>) -> Result<(), Blind> {
        let gone: Vec<PathBuf> = self
            .folders
            .iter()
            .filter(|(path, id)| !wanted.contains(*path) || identity(path) != Some(**id))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.folders.remove(&path);
            // The system forgets those that are gone by itself.
            let _ = self.watcher.unwatch(&path);
        }
        self.add(wanted)
    }

    /// Watches these folders too.
    pub(super) fn add(&mut self, wanted: &BTreeSet<PathBuf>) -> Result<(), Blind> {
        for path in wanted {
            if self.folders.contains_key(path) {
                continue;
            }
            // What is removed meanwhile is told by the folder above.
            let Some(id) = identity(path) else { continue };
            match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                Err(error) => match error.kind {
                    notify::ErrorKind::MaxFilesWatch => {
                        let wanted = wanted.len();
                        return Err(Blind::Limit("fs.inotify.max_user_watches", wanted));
                    }
                    notify::ErrorKind::PathNotFound => continue,
                    // What flow may not read has no files that it could see.
                    notify::ErrorKind::Io(io)
                        if io.kind() == std::io::ErrorKind::PermissionDenied =>
                    {
                        continue;
                    }
                    kind => return Err(Blind::Other(notify::Error::new(kind))),
                },
            }
            self.folders.insert(path.clone(), id);
        }
        Ok(())
    }

    /// Watches those of these folders that are not watched, whatever they are called there: the system knows one by one name.
    pub(super) fn add_others(&mut self, wanted: &BTreeSet<PathBuf>) -> Result<(), Blind> {
        let others = wanted.iter().filter(|path| {
            let id = identity(path);
            !self.folders.values().any(|known| Some(*known) == id)
        });
        let others = others.cloned().collect();
        self.add(&others)
    }

    /// A folder was made, moved or removed: whatever was watched there is watched no more, also where another one has taken
    /// its place and its number.
    pub(super) fn forget(&mut self, folder: &Path) {
        let from = (Bound::Included(folder), Bound::Unbounded);
        let beneath = self.folders.range::<Path, _>(from);
        let beneath = beneath.take_while(|(path, _)| path.starts_with(folder));
        let gone: Vec<PathBuf> = beneath.map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.folders.remove(&path);
            let _ = self.watcher.unwatch(&path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    metadata.is_dir().then(|| (metadata.dev(), metadata.ino()))
}

/// What an event says of which paths.
fn classify(event: &Event) -> Vec<Heard> {
    if event.need_rescan() {
        return vec![Heard::Overflow];
    }
    let said = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Said::Whole,
        // Both of its halves are told alone too.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            return Vec::new();
        }
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Said::Whole,
        EventKind::Modify(ModifyKind::Data(_)) => Said::Written,
        EventKind::Modify(ModifyKind::Metadata(_)) => Said::Touched,
        _ => Said::Moved,
    };
    let folder = |path: &PathBuf| match event.kind {
        EventKind::Create(CreateKind::Folder)
        | EventKind::Remove(notify::event::RemoveKind::Folder) => true,
        EventKind::Modify(ModifyKind::Name(_)) => path.is_dir(),
        _ => false,
    };
    let heard = |path: &PathBuf| {
        if folder(path) {
            Heard::Folder(path.clone())
        } else {
            Heard::Path(path.clone(), said)
        }
    };
    event.paths.iter().map(heard).collect()
}
