//! Results of tasks by what they were made of: files with their modes and links, what was printed, values.
//!
//! An entry names its files by their SHA-256, as caches over the network do (the layout is that of Bazel's HTTP protocol: entries
//! under `ac`, contents under `cas`), so that another store than the local one can be put behind [`Store`]. Whatever an entry says,
//! nothing is written outside of the project, and what does not have its hash is not taken.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::beneath;
use super::stat::as_made;
use crate::model::hex;

/// The SHA-256 of a content.
pub(super) type Sha = [u8; 32];

/// Where entries and contents are.
pub(super) trait Store: Send + Sync {
    /// The entry of this key, if it is what was put there.
    fn entry(&self, key: &[u8; 32]) -> io::Result<Option<Vec<u8>>>;

    /// Keeps an entry, all of whose contents are there.
    fn put_entry(&self, key: &[u8; 32], entry: &[u8]) -> io::Result<()>;

    /// An entry, or a content that it names, is of no use.
    fn remove_entry(&self, key: &[u8; 32], contents: &[Sha]);

    /// A content, to be read; nothing is said of whether it has its hash.
    fn content(&self, sha: &Sha) -> io::Result<Option<File>>;

    /// Keeps a content.
    fn put_content(&self, sha: &Sha, content: Content<'_>) -> io::Result<()>;
}

/// A content that is to be kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'c> {
    /// What this file holds, from its beginning.
    File(&'c File),
    /// This.
    Bytes(&'c [u8]),
}

/// The results of a task.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    version: u32,
    files: Vec<EntryFile>,
    /// Folders with their permissions, each behind those that it is in: their paths from the root of the project.
    folders: Vec<(String, u32)>,
    /// What was printed, if that was kept.
    output: Option<String>,
    /// The values that it handed on.
    values: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryFile {
    /// From the root of the project, as hex where it is not UTF-8.
    path: String,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// A content with its permissions.
    File { sha256: String, mode: u32 },
    /// What a link says.
    Link(String),
}

const VERSION: u32 = 2;

/// How many lists of files are kept that the commands of a task have named.
const NAMED_MAX: usize = 8;

/// The results of a task as they come out of the cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// What it printed; empty when that was not kept.
    pub output: Vec<u8>,
    /// The values that it handed on.
    pub values: Option<Vec<u8>>,
    /// How many files were restored.
    pub files: usize,
}

/// The paths of an entry, from the root of the project; `None` when there is none that can be used. One that was made when nobody read
/// the values of the task is none where somebody does.
pub(super) fn paths(store: &dyn Store, key: &[u8; 32], with_values: bool) -> Option<Vec<String>> {
    let entry = read(store, key).filter(|entry| !with_values || entry.values.is_some())?;
    Some(entry.files.into_iter().map(|file| file.path).collect())
}

fn read(store: &dyn Store, key: &[u8; 32]) -> Option<Entry> {
    let text = store.entry(key).ok()??;
    let entry = serde_json::from_slice::<Entry>(&text).ok();
    let entry = entry.filter(|entry| {
        entry.version == VERSION
            && entry
                .files
                .iter()
                .all(|file| beneath::is_inside(&file.path))
            && entry
                .folders
                .iter()
                .all(|(path, _)| beneath::is_inside(path))
    });
    if entry.is_none() {
        store.remove_entry(key, &[]);
    }
    entry
}

/// Restores the results of a key into the project at `root`: all of them or none. `None` is a miss.
pub(super) fn restore(store: &dyn Store, key: &[u8; 32], root: &Path) -> Option<Restored> {
    let entry = read(store, key)?;
    let mut drafts = beneath::Drafts::new(root).ok()?;
    let mut damaged = Vec::new();
    for file in &entry.files {
        let drafted = match &file.what {
            What::Link(target) => drafts.link(&file.path, target).is_ok(),
            What::File { sha256, mode } => {
                let sha = hex::decode_exactly(sha256)?;
                match store.content(&sha) {
                    Ok(Some(content)) => match drafts.file(&file.path, &content, *mode) {
                        Ok(own) if own == sha => true,
                        Ok(_) => {
                            damaged.push(sha);
                            false
                        }
                        // The project can't be written there.
                        Err(_) => return None,
                    },
                    _ => false,
                }
            }
        };
        if !drafted {
            store.remove_entry(key, &damaged);
            return None;
        }
    }
    let output = match &entry.output {
        None => Vec::new(),
        Some(sha) => {
            let sha = hex::decode_exactly(sha)?;
            let mut text = Vec::new();
            let whole = store
                .content(&sha)
                .ok()
                .flatten()
                .and_then(|mut file| file.read_to_end(&mut text).ok());
            if whole.is_none() || Sha::from(Sha256::digest(&text)) != sha {
                store.remove_entry(key, &[sha]);
                return None;
            }
            text
        }
    };
    let values = entry.values.as_deref().map(hex::decode);
    if values.as_ref().is_some_and(Option::is_none) {
        store.remove_entry(key, &[]);
        return None;
    }
    let files = entry.files.len();
    drafts.keep().ok()?;
    // The innermost first: one that can't be written any more has all that is in it.
    for (path, mode) in entry.folders.iter().rev() {
        beneath::make_folder(root, path, *mode).ok()?;
    }
    Some(Restored {
        output,
        values: values.flatten(),
        files,
    })
}

/// A file that a task has made, by its path from the root of the project, and what it was seen to hold.
pub(super) struct MadeFile<'m> {
    pub(super) path: &'m [u8],
    pub(super) content: &'m [u8; 32],
}

/// What there is to keep of a task.
pub(super) struct Results<'m> {
    pub(super) files: &'m [MadeFile<'m>],
    /// Folders with something of it in them, or nothing at all, each behind those that it is in.
    pub(super) folders: &'m [Vec<u8>],
    pub(super) output: Option<&'m [u8]>,
    pub(super) values: Option<&'m [u8]>,
}

/// The lists of files that commands have named which were made of what has this key, the newest last.
pub(super) fn named(store: &dyn Store, key: &[u8; 32]) -> Vec<Vec<String>> {
    let text = store.entry(key).ok().flatten().unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Adds a list of files that commands have named.
pub(super) fn add_named(store: &dyn Store, key: &[u8; 32], list: Vec<String>) -> io::Result<()> {
    let mut lists = named(store, key);
    lists.retain(|known| *known != list);
    lists.push(list);
    let old = lists.len().saturating_sub(NAMED_MAX);
    lists.drain(..old);
    let text = serde_json::to_vec(&lists).map_err(io::Error::other)?;
    store.put_entry(key, &text)
}

/// Keeps the results of a task. Says whether it did: not when a file is not what it was seen to be, when it can't be named, or
/// when `refuse` does not want its content.
pub(super) fn keep(
    store: &dyn Store,
    key: &[u8; 32],
    root: &Path,
    results: &Results<'_>,
    refuse: Option<&dyn Fn(&Path) -> bool>,
) -> io::Result<bool> {
    let mut kept = Vec::with_capacity(results.files.len());
    let mut folders = Vec::with_capacity(results.folders.len());
    for folder in results.folders {
        let path = str::from_utf8(folder)
            .ok()
            .filter(|path| beneath::is_inside(path));
        let metadata = path.map(|path| std::fs::symlink_metadata(root.join(path)));
        match (path, metadata.transpose()?) {
            (Some(path), Some(metadata)) if metadata.is_dir() => {
                folders.push((path.to_owned(), metadata.permissions().mode() & 0o777));
            }
            // A link to a folder is not what would be restored.
            _ => return Ok(false),
        }
    }
    for file in results.files {
        let Ok(path) = std::str::from_utf8(file.path) else {
            return Ok(false);
        };
        if !beneath::is_inside(path) {
            return Ok(false);
        }
        let full = root.join(path);
        let metadata = std::fs::symlink_metadata(&full)?;
        if metadata.is_dir() {
            // One that is empty is among the folders.
            continue;
        }
        if metadata.is_symlink() {
            let target = std::fs::read_link(&full)?;
            let Some(target) = target.to_str() else {
                return Ok(false);
            };
            kept.push(EntryFile {
                path: path.to_owned(),
                what: What::Link(target.to_owned()),
            });
            continue;
        }
        let mut content = File::open(&full)?;
        let (own, sha) = hashes(&mut content)?;
        let known = [own, as_made(own, metadata.permissions().mode())];
        if !known.contains(file.content) || refuse.is_some_and(|refuse| refuse(&full)) {
            return Ok(false);
        }
        store.put_content(&sha, Content::File(&content))?;
        kept.push(EntryFile {
            path: path.to_owned(),
            what: What::File {
                sha256: hex::encode(&sha),
                mode: metadata.permissions().mode() & 0o777,
            },
        });
    }
    let output = match results.output.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let sha = Sha::from(Sha256::digest(text));
            store.put_content(&sha, Content::Bytes(text))?;
            Some(hex::encode(&sha))
        }
    };
    let entry = Entry {
        version: VERSION,
        files: kept,
        folders,
        output,
        values: results.values.map(hex::encode),
    };
    let text = serde_json::to_vec(&entry).map_err(io::Error::other)?;
    store.put_entry(key, &text)?;
    Ok(true)
}

/// What a file holds, by BLAKE3 and by SHA-256.
fn hashes(file: &mut File) -> io::Result<([u8; 32], Sha)> {
    let (mut own, mut sha) = (blake3::Hasher::new(), Sha256::new());
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((*own.finalize().as_bytes(), sha.finalize().into())),
            Ok(count) => {
                own.update(&buffer[..count]);
                sha.update(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
