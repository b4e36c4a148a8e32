//! The cache of one user on one machine, for all checkouts of all projects.
//!
//! Entries and contents are files that are written beside their places and renamed, so that no reader ever sees half of one. An
//! entry is touched when it is used; when the cache has grown beyond its size, those that were not used for longest go, and then
//! the contents that no entry names.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::beneath;
use super::cache::{Content, Sha, Store};
use crate::model::hex;

/// Contents younger than this are never removed: their entry may be about to be written.
const GRACE: Duration = Duration::from_secs(600);

/// The cache in a folder.
#[derive(Clone, Debug)]
pub(super) struct Local {
    root: PathBuf,
}

/// What is in a cache, and what was taken out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// How many entries there are.
    pub entries: usize,
    /// How large all of it is, in bytes.
    pub bytes: u64,
    /// How many entries were removed.
    pub entries_removed: usize,
    /// How many bytes were removed.
    pub bytes_removed: u64,
}

impl Local {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn path(&self, kind: &str, hash: &[u8; 32]) -> PathBuf {
        let name = hex::encode(hash);
        self.root.join(kind).join(&name[..2]).join(name)
    }

    fn write(&self, path: &Path, content: Content<'_>) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = folder.join(format!(".{name}.{}.draft", unique()));
        let written = File::create_new(&draft)
            .and_then(|mut file| match content {
                Content::Bytes(text) => file.write_all(text),
                Content::File(from) => beneath::copy(from, &mut file).map(drop),
            })
            .and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // It may not have been made at all.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Removes what was not used for longest until the rest is at most this large, in bytes.
    pub(super) fn prune(&self, bytes_max: u64, now: SystemTime) -> io::Result<Size> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join("prune"))?;
        lock.lock()?;
        let mut entries: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        for (path, metadata) in files(&self.root.join("ac")) {
            entries.push((metadata.modified()?, path, metadata.len()));
        }
        entries.sort_unstable_by(|one, other| other.cmp(one));
        let mut size = Size::default();
        let mut named: HashSet<String> = HashSet::new();
        for (_, path, length) in entries {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let own: HashSet<String> = names(&text)
                .filter(|name| !named.contains(*name))
                .map(str::to_owned)
                .collect();
            let contents = own.iter().filter_map(|name| {
                fs::metadata(self.root.join("cas").join(&name[..2]).join(name)).ok()
            });
            let cost = length + contents.map(|metadata| metadata.len()).sum::<u64>();
            if size.bytes + cost <= bytes_max {
                size.bytes += cost;
                size.entries += 1;
                named.extend(own);
            } else if fs::remove_file(&path).is_ok() {
                size.entries_removed += 1;
                size.bytes_removed += length;
            }
        }
        for (path, metadata) in files(&self.root.join("cas")) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let young = now
                .duration_since(metadata.modified()?)
                .is_ok_and(|age| age < GRACE);
            if named.contains(&name) || young && bytes_max > 0 {
                continue;
            }
            if fs::remove_file(&path).is_ok() {
                size.bytes_removed += metadata.len();
            }
        }
        lock.set_modified(now)?;
        Ok(size)
    }

    /// When it was last looked after; `None` when never.
    pub(super) fn pruned_at(&self) -> Option<SystemTime> {
        fs::metadata(self.root.join("prune")).ok()?.modified().ok()
    }
}

impl Store for Local {
    fn entry(&self, key: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
        let path = self.path("ac", key);
        match fs::read(&path) {
            Ok(text) => {
                // Used now. In a folder that can't be written it just grows old.
                let _ = File::options()
                    .append(true)
                    .open(&path)
                    .and_then(|file| touch(&file));
                Ok(Some(text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put_entry(&self, key: &[u8; 32], entry: &[u8]) -> io::Result<()> {
        self.write(&self.path("ac", key), Content::Bytes(entry))
    }

    fn remove_entry(&self, key: &[u8; 32], contents: &[Sha]) {
        // Somebody else may have removed them.
        let _ = fs::remove_file(self.path("ac", key));
        for sha in contents {
            let _ = fs::remove_file(self.path("cas", sha));
        }
    }

    fn content(&self, sha: &Sha) -> io::Result<Option<File>> {
        match File::open(self.path("cas", sha)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put_content(&self, sha: &Sha, content: Content<'_>) -> io::Result<()> {
        let path = self.path("cas", sha);
        if let Ok(file) = File::options().append(true).open(&path) {
            // Young again, so that nobody removes it before its entry is there.
            return touch(&file);
        }
        self.write(&path, content)
    }
}

/// It was used at this moment.
fn touch(file: &File) -> io::Result<()> {
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    let times = rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// The contents that an entry names: all words of 64 hexadecimal digits.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('"')
        .filter(|word| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// All files two folders deep, without drafts.
fn files(folder: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let within = entries(folder).flat_map(|entry| entries(&entry.path()).collect::<Vec<_>>());
    let whole = within.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    whole
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .collect()
}

fn unique() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{}.{number}", std::process::id())
}
