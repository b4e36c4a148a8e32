//! That nothing had to be done, for one call of flow: the files that this was seen by, with the stat of each.
//!
//! While all of them are as they were, and no task has begun or succeeded since, the same call has nothing to do, and neither the
//! Workflowfile nor the table need be read. It is for calls in which nothing but files decides.
//!
//! ```text
//! header   magic and version · checksum of the rest · the table it was seen with · how many tasks
//! parts    how long each is; threads take them in turns
//! part     entries: a path with its stat; a path that is not there; a pattern with its paths and their stats
//! ```

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::AtFlags;

use super::sets::Set;
use super::stat::{Kind, STAT_BYTES, Stat};
use super::table::{State, checksum, replace};
use super::walk::{Pattern, Tree, kept};

const MAGIC: &[u8; 8] = b"flowqt1\n";
/// How many entries are in a part.
const PART_ENTRIES: usize = 4096;

const FILE: u8 = 1;
const NOTHING: u8 = 2;
const PATTERN: u8 = 3;

/// What a call was seen to be quiet by, as it is written.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    parts: Vec<Vec<u8>>,
    entries: usize,
}

impl Quiet {
    /// Adds a file; whether it can be told by its stat that it has not changed.
    pub(super) fn file(&mut self, path: &[u8], stat: Stat) -> bool {
        let part = self.part();
        part.push(FILE);
        add_path(part, path);
        part.extend_from_slice(&stat.to_bytes());
        stat != Stat::NONE
    }

    /// Adds a pattern with all that it matches.
    pub(super) fn pattern(&mut self, pattern: &Pattern, set: &Set, root: &Path) -> bool {
        let files = &set.files[..];
        match files {
            [file] if pattern.is_name() && file.path == kept(&pattern.named(), root) => {
                return self.file(&file.path, file.stat);
            }
            [] if pattern.is_name() && !pattern.named().is_dir() => {
                let part = self.part();
                part.push(NOTHING);
                add_path(part, &kept(&pattern.named(), root));
                return true;
            }
            _ => {}
        }
        let part = self.part();
        part.push(PATTERN);
        add_path(part, &kept(&pattern.folder, root));
        add_path(part, pattern.text.as_bytes());
        add_count(part, pattern.without.len());
        pattern
            .without
            .iter()
            .for_each(|text| add_path(part, text.as_bytes()));
        part.push(u8::from(pattern.ignores));
        add_count(part, files.len());
        for file in files {
            add_path(part, &file.path);
            part.extend_from_slice(&file.stat.to_bytes());
        }
        self.entries += files.len();
        files.iter().all(|file| file.stat != Stat::NONE)
    }

    fn part(&mut self) -> &mut Vec<u8> {
        if self.entries.is_multiple_of(PART_ENTRIES) || self.entries > PART_ENTRIES {
            self.parts.push(Vec::new());
            self.entries = 0;
        }
        self.entries += 1;
        self.parts.last_mut().expect("one was just added")
    }

    /// Writes it in one step.
    pub(super) fn write(&self, path: &Path, table: State, tasks: u32) -> io::Result<()> {
        let mut text = table.to_bytes().to_vec();
        text.extend_from_slice(&tasks.to_le_bytes());
        add_count(&mut text, self.parts.len());
        self.parts
            .iter()
            .for_each(|part| add_count(&mut text, part.len()));
        self.parts
            .iter()
            .for_each(|part| text.extend_from_slice(part));
        let whole = [&MAGIC[..], &checksum(&text).to_le_bytes(), &text].concat();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        replace(path, &whole)
    }
}

fn add_path(part: &mut Vec<u8>, path: &[u8]) {
    add_count(part, path.len());
    part.extend_from_slice(path);
    part.push(0);
}

fn add_count(part: &mut Vec<u8>, count: usize) {
    part.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

/// Whether all is as it was when this was written; how many tasks there are then.
pub(super) fn holds(path: &Path, root: &Path, table: Option<State>, threads: usize) -> Option<u32> {
    let text = fs::read(path).ok()?;
    let (magic, rest) = text.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    if magic != MAGIC || checksum(rest) != u64::from_le_bytes(*sum) {
        return None;
    }
    let mut reader = Reader(rest);
    if table.map(State::to_bytes) != Some(*reader.chunk()?) {
        return None;
    }
    let tasks = u32::from_le_bytes(*reader.chunk()?);
    let lengths: Option<Vec<usize>> = (0..reader.count()?).map(|_| reader.count()).collect();
    let parts: Option<Vec<&[u8]>> = lengths?
        .into_iter()
        .map(|length| reader.bytes(length))
        .collect();
    let parts = parts?;
    let place = Place {
        folder: File::open(root).ok()?,
        root,
        tree: Tree::new(root),
    };
    let changed = AtomicBool::new(false);
    let look = |first: usize, step: usize| {
        for part in parts.iter().skip(first).step_by(step) {
            if changed.load(Ordering::Relaxed) || place.is_same(part).is_none() {
                changed.store(true, Ordering::Relaxed);
                return;
            }
        }
    };
    let threads = threads.min(parts.len()).max(1);
    std::thread::scope(|scope| {
        for first in 1..threads {
            scope.spawn(move || look(first, threads));
        }
        look(0, threads);
    });
    (!changed.into_inner()).then_some(tasks)
}

struct Place<'r> {
    folder: File,
    root: &'r Path,
    tree: Tree,
}

impl Place<'_> {
    /// Nothing when something is not as it was.
    fn is_same(&self, part: &[u8]) -> Option<()> {
        let mut reader = Reader(part);
        while let Some(kind) = reader.byte() {
            let same = match kind {
                FILE => {
                    let path = reader.path()?;
                    let known = Stat::from_bytes(reader.chunk::<STAT_BYTES>()?);
                    self.stat(path).is_some_and(|stat| {
                        matches!(Kind::of(&stat), Kind::File | Kind::Link)
                            && Stat::of(&stat) == known
                    })
                }
                NOTHING => self.stat(reader.path()?).is_none(),
                PATTERN => self.finds(&mut reader)?,
                _ => false,
            };
            if !same {
                return None;
            }
        }
        Some(())
    }

    fn stat(&self, path: &CStr) -> Option<rustix::fs::Stat> {
        rustix::fs::statat(&self.folder, path, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    fn finds(&self, reader: &mut Reader<'_>) -> Option<bool> {
        let folder = super::walk::meant(reader.path()?.to_bytes(), self.root);
        let text = reader.path()?.to_str().ok()?.to_owned();
        let without: Option<Vec<String>> = (0..reader.count()?)
            .map(|_| Some(reader.path()?.to_str().ok()?.to_owned()))
            .collect();
        let pattern = Pattern {
            folder: Arc::from(folder),
            text,
            without: without?.into(),
            ignores: reader.byte()? == 1,
        };
        let found = self.tree.find(&pattern);
        if reader.count()? != found.len() {
            return Some(false);
        }
        for file in found {
            let path = reader.path()?.to_bytes();
            let known = Stat::from_bytes(reader.chunk::<STAT_BYTES>()?);
            let own = file.path.strip_prefix(self.root).unwrap_or(&file.path);
            if own.as_os_str().as_bytes() != path || file.stat != known {
                return Some(false);
            }
        }
        Some(true)
    }
}

struct Reader<'t>(&'t [u8]);

impl<'t> Reader<'t> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn chunk<const N: usize>(&mut self) -> Option<&'t [u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(chunk)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(*self.chunk()?)).ok()
    }

    fn bytes(&mut self, count: usize) -> Option<&'t [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn path(&mut self) -> Option<&'t CStr> {
        let length = self.count()?;
        CStr::from_bytes_with_nul(self.bytes(length + 1)?).ok()
    }
}
