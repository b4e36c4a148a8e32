//! The files of one pattern: which there are, what they hold, and one hash for all of that.
//!
//! What a file held is known from the table as long as its stat is the same; only what may have changed is read.

use std::collections::HashMap;
use std::path::Path;

use super::stat::{self, Content, STAT_BYTES, Stat};
use super::table::Key;
use super::walk::{Pattern, Tree, kept, meant};

/// A hash of which files there are and what they hold.
pub(super) type Digest = [u8; 32];

/// The files of a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) digest: Digest,
    pub(super) files: Vec<SetFile>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetFile {
    /// From the root of the project, where it is below it.
    pub(super) path: Vec<u8>,
    pub(super) stat: Stat,
    pub(super) content: Content,
}

/// The key of a pattern's row.
pub(super) fn key(pattern: &Pattern, root: &Path) -> Key {
    let mut hasher = blake3::Hasher::new();
    let folder = kept(&pattern.folder, root);
    for text in [&folder[..], pattern.text.as_bytes()] {
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text);
    }
    for text in pattern.without.iter() {
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes());
    }
    hasher.update(&[u8::from(pattern.ignores) | u8::from(pattern.empty) << 1]);
    Key::new(super::table::SET, &hasher.finalize())
}

/// What came of looking.
#[derive(Debug)]
pub(super) enum Looked {
    /// All is as the row says, whose hash this is.
    Same(Digest),
    /// This is what is there now.
    Changed(Set),
}

impl Looked {
    pub(super) const fn digest(&self) -> &Digest {
        match self {
            Self::Same(digest) => digest,
            Self::Changed(set) => &set.digest,
        }
    }
}

/// Looks at the files of a pattern, with what the table knows of them; `now` is nanoseconds since 1970.
pub(super) fn look(
    pattern: &Pattern,
    tree: &Tree,
    root: &Path,
    row: Option<&[u8]>,
    now: &dyn Fn() -> i128,
) -> Looked {
    let found = tree.find(pattern);
    if let Some(row) = row
        && let Some((digest, mut known)) = header(row)
    {
        let same = |(path, stat, _): (&[u8], Stat, Content), found: &super::walk::Found| {
            stat == found.stat
                && path
                    == found
                        .path
                        .strip_prefix(root)
                        .unwrap_or(&found.path)
                        .as_os_str()
                        .as_encoded_bytes()
        };
        if found
            .iter()
            .all(|found| known.next().is_some_and(|known| same(known, found)))
            && known.next().is_none()
        {
            return Looked::Same(digest);
        }
    }
    let known: HashMap<&[u8], (Stat, Content)> = row
        .and_then(header)
        .map(|(_, files)| {
            files
                .map(|(path, stat, content)| (path, (stat, content)))
                .collect()
        })
        .unwrap_or_default();
    let read = if pattern.empty {
        stat::read_made
    } else {
        stat::read
    };
    let mut files = Vec::with_capacity(found.len());
    for found in found {
        let path = kept(&found.path, root);
        let (stat, content) = match known.get(&path[..]) {
            Some((stat, content)) if *stat == found.stat => (*stat, *content),
            _ => match read(&found.path, now()) {
                Ok(seen) => (seen.stat, seen.content),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                // Nobody can say what is in it, so it is another thing each time.
                Err(_) => (Stat::NONE, *blake3::hash(&now().to_le_bytes()).as_bytes()),
            },
        };
        files.push(SetFile {
            path,
            stat,
            content,
        });
    }
    let set = Set::of(files);
    // What has to be read each time, as links have, was read in vain.
    match row.and_then(Set::from_row) {
        Some(known) if known == set => Looked::Same(set.digest),
        _ => Looked::Changed(set),
    }
}

fn digest(files: &[SetFile]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(&(file.path.len() as u64).to_le_bytes());
        hasher.update(&file.path);
        hasher.update(&file.content);
    }
    *hasher.finalize().as_bytes()
}

impl Set {
    /// Of these files.
    pub(super) fn of(files: Vec<SetFile>) -> Self {
        Self {
            digest: digest(&files),
            files,
        }
    }

    /// Its row: the hash, then each file.
    pub(super) fn to_row(&self) -> Vec<u8> {
        let mut row = self.digest.to_vec();
        for file in &self.files {
            row.extend_from_slice(&u16::try_from(file.path.len()).unwrap_or(0).to_le_bytes());
            row.extend_from_slice(&file.path);
            row.extend_from_slice(&file.stat.to_bytes());
            row.extend_from_slice(&file.content);
        }
        row
    }

    /// The set that a row is of.
    pub(super) fn from_row(row: &[u8]) -> Option<Self> {
        let (digest, files) = header(row)?;
        let file = |(path, stat, content): (&[u8], Stat, Content)| SetFile {
            path: path.to_vec(),
            stat,
            content,
        };
        Some(Self {
            digest,
            files: files.map(file).collect(),
        })
    }

    /// Its files by path.
    pub(super) fn by_path(&self) -> HashMap<&[u8], &Content> {
        self.files
            .iter()
            .map(|file| (&file.path[..], &file.content))
            .collect()
    }
}

fn header(row: &[u8]) -> Option<(Digest, Files<'_>)> {
    let (digest, rest) = row.split_first_chunk::<32>()?;
    Some((*digest, Files(rest)))
}

/// The files in a row.
struct Files<'r>(&'r [u8]);

impl<'r> Iterator for Files<'r> {
    type Item = (&'r [u8], Stat, Content);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (path, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (stat, rest) = rest.split_first_chunk::<STAT_BYTES>()?;
        let (content, rest) = rest.split_first_chunk::<32>()?;
        self.0 = rest;
        Some((path, Stat::from_bytes(stat), *content))
    }
}

/// How a path is told to people: from the root of the project.
pub(super) fn shown(path: &[u8], root: &Path) -> String {
    let path = meant(path, root);
    path.strip_prefix(root)
        .unwrap_or(&path)
        .display()
        .to_string()
}

/// The hash where there are no files.
pub(super) fn nothing() -> Digest {
    digest(&[])
}
