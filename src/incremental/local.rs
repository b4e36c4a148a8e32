//! The cache of one user on one machine, for all checkouts of all projects.
//!
//! Entries and contents are files that are written beside their places and renamed, so that no reader ever sees half of one. An
//! entry is touched when it is used; when the cache has grown beyond its size, those that were not used for longest go, and then
//! the contents that no entry names.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use super::beneath;
use super::cache::{Content, Sha, Store};
use crate::disk::trust::Key;
use crate::disk::{Folder, How, Seen};
use crate::model::hex;

/// Contents younger than this are never removed: their entry may be about to be written.
const GRACE: Duration = Duration::from_secs(600);

/// The cache in a folder.
#[derive(Clone, Debug)]
pub(super) struct Local {
    root: Folder,
    key: Key,
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
    pub(super) fn new(root: Folder, key: Key) -> Self {
        Self { root, key }
    }

    /// The folder and the name of what has this hash.
    fn place(&self, kind: &str, hash: &[u8; 32]) -> (Folder, String) {
        let name = hex::encode(hash);
        (self.root.below(kind).below(&name[..2]), name)
    }

    fn write(&self, kind: &str, hash: &[u8; 32], content: Content<'_>) -> io::Result<()> {
        let (folder, name) = self.place(kind, hash);
        folder.make()?;
        folder.replace_with(&name, |file| match content {
            Content::Bytes(text) => file.write_all(text),
            Content::File(from) => beneath::copy(from, file).map(drop),
        })
    }

    /// What stands before an entry: that it was written here, and for this key.
    fn seal(&self, key: &[u8; 32], entry: &[u8]) -> [u8; 32] {
        self.key.seal(PURPOSE, &[key, entry].concat())
    }

    /// Removes what was not used for longest until the rest is at most this large, in bytes.
    pub(super) fn prune(&self, bytes_max: u64, now: SystemTime) -> io::Result<Size> {
        self.root.make()?;
        let lock = self.root.open(PRUNE, How::Make)?;
        lock.lock()?;
        let mut entries: Vec<(i128, String, Folder, u64)> = Vec::new();
        for (folder, name, seen) in files(&self.root.below(ENTRIES)) {
            entries.push((seen.modified, name, folder, seen.size));
        }
        entries.sort_unstable_by(|one, other| (other.0, &other.1).cmp(&(one.0, &one.1)));
        let mut size = Size::default();
        let mut named: HashSet<String> = HashSet::new();
        let contents = self.root.below(CONTENTS);
        for (_, name, folder, length) in entries {
            let text = folder.read_text(&name, ENTRY_BYTES_MAX).unwrap_or_default();
            let own: HashSet<String> = names(&text)
                .filter(|name| !named.contains(*name))
                .map(str::to_owned)
                .collect();
            let sizes = own
                .iter()
                .filter_map(|name| Some(contents.below(&name[..2]).seen(name).ok()?.size));
            let cost = length + sizes.sum::<u64>();
            if size.bytes + cost <= bytes_max {
                size.bytes += cost;
                size.entries += 1;
                named.extend(own);
            } else if folder.remove(&name).is_ok() {
                size.entries_removed += 1;
                size.bytes_removed += length;
            }
        }
        for (folder, name, seen) in files(&contents) {
            let young = seen.age(now).is_some_and(|age| age < GRACE);
            if named.contains(&name) || young && bytes_max > 0 {
                continue;
            }
            if folder.remove(&name).is_ok() {
                size.bytes_removed += seen.size;
            }
        }
        lock.set_modified(now)?;
        Ok(size)
    }

    /// When it was last looked after; `None` when never.
    pub(super) fn pruned_at(&self) -> Option<SystemTime> {
        self.root.seen(PRUNE).ok()?.written_at()
    }
}

impl Store for Local {
    fn entry(&self, key: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
        let (folder, name) = self.place(ENTRIES, key);
        let mut text = match folder.read(&name, ENTRY_BYTES_MAX) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let sealed = text.split_first_chunk::<SEAL_BYTES>();
        let ours = sealed.is_some_and(|(seal, entry)| {
            let seal = seal
                .strip_suffix(b"\n")
                .and_then(|seal| str::from_utf8(seal).ok());
            let seal = seal.and_then(hex::decode_exactly::<32>);
            seal.is_some_and(|seal| blake3::Hash::from(seal) == self.seal(key, entry))
        });
        if !ours {
            self.remove_entry(key, &[]);
            return Ok(None);
        }
        text.drain(..SEAL_BYTES);
        // Used now. In a folder that can't be written it just grows old.
        let _ = folder.touch(&name);
        Ok(Some(text))
    }

    fn put_entry(&self, key: &[u8; 32], entry: &[u8]) -> io::Result<()> {
        let seal = hex::encode(&self.seal(key, entry));
        let text = [seal.as_bytes(), b"\n", entry].concat();
        self.write(ENTRIES, key, Content::Bytes(&text))
    }

    fn remove_entry(&self, key: &[u8; 32], contents: &[Sha]) {
        let remove = |(folder, name): (Folder, String)| {
            // Somebody else may have removed it.
            let _ = folder.remove(&name);
        };
        remove(self.place(ENTRIES, key));
        for sha in contents {
            remove(self.place(CONTENTS, sha));
        }
    }

    fn content(&self, sha: &Sha) -> io::Result<Option<File>> {
        let (folder, name) = self.place(CONTENTS, sha);
        match folder.open(&name, How::Read) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put_content(&self, sha: &Sha, content: Content<'_>) -> io::Result<()> {
        let (folder, name) = self.place(CONTENTS, sha);
        // Young again, so that nobody removes it before its entry is there.
        if folder.touch(&name).is_ok() {
            return Ok(());
        }
        self.write(CONTENTS, sha, content)
    }
}

/// The contents that an entry names: all words of 64 hexadecimal digits.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('"')
        .filter(|word| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// All files two folders deep, without drafts.
fn files(folder: &Folder) -> Vec<(Folder, String, Seen)> {
    let names = |folder: &Folder| folder.names().unwrap_or_default();
    let within = names(folder).into_iter().flat_map(|name| {
        let own = folder.below(&name);
        let names = names(&own).into_iter();
        names.map(move |name| (own.clone(), name))
    });
    let whole = within.filter(|(_, name)| !name.starts_with('.'));
    let files = whole.filter_map(|(folder, name)| {
        let seen = folder.seen(&name).ok()?;
        seen.is_file.then_some((folder, name, seen))
    });
    files.collect()
}

/// Where entries are, where contents are, and what is locked while old ones are removed.
const ENTRIES: &str = "ac";
const CONTENTS: &str = "cas";
const PRUNE: &str = "prune";
/// An entry is not larger than this, in bytes.
const ENTRY_BYTES_MAX: u64 = 64 << 20;
/// How long a seal is, with the end of its line.
const SEAL_BYTES: usize = 65;
/// What entries are sealed for.
const PURPOSE: &str = "result of a task";
