//! What files a call of flow was decided by: their stat, and which tasks they belong to.
//!
//! While all of them are as they were, and no task has begun or succeeded since, the same call has nothing to do, and neither the
//! Workflowfile nor the table need be read. Of a file that is not, the note tells whose it is, so that all other tasks need not
//! be looked at. It is for calls in which nothing but files decides.
//!
//! ```text
//! header   magic and version · checksum of the rest · the table it was made with
//! tasks    name · whether it has files · the tasks that it needs, which stand before it
//! parts    how long each is; threads take them in turns
//! part     entries
//! entry    length · key of the pattern · kind · what there was · the tasks it belongs to
//! ```
//!
//! What there was is a path with its stat; a path that is not there; or a pattern with its paths and their stats. A file whose
//! stat tells nothing, as it is too young or a link, has the hash of what it holds instead.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::AtFlags;

use super::sets::{Set, SetFile};
use super::stat::{self, Kind, STAT_BYTES, Stat};
use super::table::{Key, State, checksum};
use super::walk::{Pattern, Tree, kept, meant};
use crate::disk::Folder;

const MAGIC: &[u8; 8] = b"flowqt3\n";
/// How many entries are in a part.
const PART_ENTRIES: usize = 2048;
/// Files that have to be read each time are no more than this, in bytes.
const READ_BYTES_MAX: u64 = 1 << 20;
/// A note that is larger than this is none, in bytes.
const BYTES_MAX: u64 = 1 << 30;
/// How many notes are kept, each of one call.
const NOTES_MAX: usize = 64;
/// Where more tasks than this part of all may have to run, the note is of no use.
const STALE_PART: usize = 4;
/// Unless they are so few.
const STALE_MIN: usize = 64;

const FILE: u8 = 1;
const NOTHING: u8 = 2;
const PATTERN: u8 = 3;
/// Beside the kind: it has a file that is read.
const READ: u8 = 0x80;

/// A call of flow, by where it is noted what it was decided by.
#[derive(Clone, Debug)]
pub struct Call {
    /// The folder of notes.
    pub notes: Folder,
    /// The name of its note.
    pub name: String,
}

/// A task in a note.
#[derive(Debug)]
pub(super) struct Noted<'t> {
    pub(super) name: &'t str,
    pub(super) has_files: bool,
    /// The numbers of the tasks that it needs, all of them smaller than its own.
    pub(super) needs: &'t [u32],
}

/// A note that is being written.
#[derive(Debug, Default)]
pub(super) struct Draft {
    tasks: Vec<u8>,
    parts: Vec<Vec<u8>>,
    entries: usize,
    /// How much has to be read each time, in bytes.
    read: u64,
}

impl Draft {
    /// For these tasks.
    pub(super) fn of<'t>(tasks: impl ExactSizeIterator<Item = Noted<'t>>) -> Self {
        let mut text = Vec::new();
        add_count(&mut text, tasks.len());
        for task in tasks {
            add_count(&mut text, task.name.len());
            text.extend_from_slice(task.name.as_bytes());
            text.push(u8::from(task.has_files));
            add_numbers(&mut text, task.needs);
        }
        Self {
            tasks: text,
            ..Self::default()
        }
    }

    /// Adds a file that belongs to no task.
    pub(super) fn file(&mut self, path: &Path, root: &Path, now: i128) -> io::Result<()> {
        let seen = stat::read(path, now)?;
        let file = SetFile {
            path: kept(path, root),
            stat: seen.stat,
            content: seen.content,
        };
        let mut entry = vec![FILE];
        self.add_file(&mut entry, &file, root);
        self.add(Key::ZERO, &entry, &[]);
        Ok(())
    }

    /// Adds a pattern with all that it matches.
    pub(super) fn pattern(
        &mut self,
        key: Key,
        pattern: &Pattern,
        set: &Set,
        root: &Path,
        of: &[u32],
    ) {
        let mut entry = Vec::new();
        match &set.files[..] {
            [file]
                if pattern.is_name()
                    && !pattern.named().is_dir()
                    && file.path == kept(&pattern.named(), root) =>
            {
                entry.push(FILE);
                self.add_file(&mut entry, file, root);
            }
            [] if pattern.is_of_one() => {
                entry.push(NOTHING);
                add_path(&mut entry, &kept(&pattern.named(), root));
            }
            files => {
                entry.push(PATTERN);
                add_path(&mut entry, &kept(&pattern.folder, root));
                add_path(&mut entry, pattern.text.as_bytes());
                add_count(&mut entry, pattern.without.len());
                for text in pattern.without.iter() {
                    add_path(&mut entry, text.as_bytes());
                }
                entry.push(u8::from(pattern.ignores) | u8::from(pattern.empty) << 1);
                add_count(&mut entry, files.len());
                for file in files {
                    self.add_file(&mut entry, file, root);
                }
                self.entries += files.len();
            }
        }
        self.add(key, &entry, of);
    }

    fn add_file(&mut self, entry: &mut Vec<u8>, file: &SetFile, root: &Path) {
        add_path(entry, &file.path);
        entry.extend_from_slice(&file.stat.to_bytes());
        if file.stat == Stat::NONE {
            entry[0] |= READ;
            entry.extend_from_slice(&file.content);
            let size = fs::metadata(meant(&file.path, root)).map_or(0, |file| file.len());
            self.read = self.read.saturating_add(size);
        }
    }

    fn add(&mut self, key: Key, entry: &[u8], of: &[u32]) {
        let part = self.part();
        let length = key.0.len() + entry.len() + (1 + of.len()) * 4;
        add_count(part, length);
        part.extend_from_slice(&key.0);
        part.extend_from_slice(entry);
        // At the end, where they can be found without what stands before.
        for number in of {
            part.extend_from_slice(&number.to_le_bytes());
        }
        add_count(part, of.len());
    }

    /// Adds an entry as it is, with its length.
    fn copy(&mut self, entry: &[u8]) {
        self.part().extend_from_slice(entry);
    }

    /// Adds an entry with files that had to be read, with their stat where it tells something by now.
    fn settle(&mut self, old: &Entry<'_>, of: &[u32], root: &Path, now: i128) {
        let mut reader = Reader(old.what);
        let mut entry = Vec::with_capacity(old.what.len());
        let Some(files) = reader.until_files(&mut entry) else {
            return self.copy(old.whole);
        };
        for _ in 0..files {
            let (Some(path), Some(stat)) = (reader.path(), reader.chunk()) else {
                return self.copy(old.whole);
            };
            let mut file = SetFile {
                path: path.to_bytes().to_vec(),
                stat: Stat::from_bytes(stat),
                content: [0; 32],
            };
            if file.stat == Stat::NONE {
                let Some(content) = reader.chunk() else {
                    return self.copy(old.whole);
                };
                file.content = *content;
                let seen = stat::read(&meant(&file.path, root), now);
                if let Some(seen) = seen.ok().filter(|seen| seen.content == *content) {
                    file.stat = seen.stat;
                }
            }
            self.add_file(&mut entry, &file, root);
        }
        self.add(old.key, &entry, of);
    }

    fn part(&mut self) -> &mut Vec<u8> {
        if self.entries.is_multiple_of(PART_ENTRIES) || self.entries > PART_ENTRIES {
            self.parts.push(Vec::new());
            self.entries = 0;
        }
        self.entries += 1;
        self.parts.last_mut().expect("one was just added")
    }

    /// Writes it in one step; where it would take long to read what it is about, there is none.
    pub(super) fn write(&self, call: &Call, table: State) -> io::Result<()> {
        if self.read > READ_BYTES_MAX {
            return Ok(());
        }
        let size: usize = self.parts.iter().map(Vec::len).sum();
        let mut whole = Vec::with_capacity(size + self.tasks.len() + self.parts.len() * 4 + 64);
        whole.extend_from_slice(MAGIC);
        whole.extend_from_slice(&[0; 8]);
        whole.extend_from_slice(&table.to_bytes());
        whole.extend_from_slice(&self.tasks);
        add_count(&mut whole, self.parts.len());
        for part in &self.parts {
            add_count(&mut whole, part.len());
        }
        for part in &self.parts {
            whole.extend_from_slice(part);
        }
        let sum = checksum(&whole[16..]);
        whole[8..16].copy_from_slice(&sum.to_le_bytes());
        let Call { notes, name } = call;
        if notes.seen(name).is_err() {
            notes.make()?;
            make_room(notes);
        }
        // To replace a file that was just written would have some file systems write it out at once; whoever looks in between finds
        // no note.
        let _ = notes.remove(name);
        notes.replace(name, &whole)
    }
}

/// Removes the oldest notes when there are too many: of calls that nobody makes any more.
fn make_room(folder: &Folder) {
    let dated = |name: String| Some((folder.seen(&name).ok()?.modified, name));
    let names = folder.names().unwrap_or_default();
    let mut notes: Vec<_> = names.into_iter().filter_map(dated).collect();
    notes.sort();
    let surplus = (notes.len() + 1).saturating_sub(NOTES_MAX);
    for (_, name) in notes.iter().take(surplus) {
        // Somebody else may have removed it.
        let _ = folder.remove(name);
    }
}

/// Whether a note is of use when so many of so many tasks may have to run.
pub(super) const fn is_of_use(stale: usize, tasks: usize) -> bool {
    stale <= STALE_MIN || stale <= tasks / STALE_PART
}

fn add_path(text: &mut Vec<u8>, path: &[u8]) {
    add_count(text, path.len());
    text.extend_from_slice(path);
    text.push(0);
}

fn add_count(text: &mut Vec<u8>, count: usize) {
    text.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn add_numbers(text: &mut Vec<u8>, numbers: &[u32]) {
    add_count(text, numbers.len());
    for number in numbers {
        text.extend_from_slice(&number.to_le_bytes());
    }
}

/// A note, with what of it is not as it was.
#[derive(Debug)]
pub struct Note {
    text: Vec<u8>,
    table: State,
    /// Where in the text its tasks are, from their count on.
    tasks: usize,
    /// Where each part is.
    parts: Vec<(usize, usize)>,
    /// Of each task whether it may have to run.
    stale: Vec<bool>,
    /// Of each whether it has files.
    has_files: Vec<bool>,
}

impl Note {
    /// The note at this path, held against what is there now; `None` when it says nothing.
    pub(super) fn read(
        call: &Call,
        root: &Path,
        state: &Folder,
        threads: impl FnOnce() -> usize,
        now: &(dyn Fn() -> i128 + Sync),
    ) -> Option<Self> {
        let text = call.notes.read(&call.name, BYTES_MAX).ok()?;
        let (magic, rest) = text.split_first_chunk::<8>()?;
        let (sum, rest) = rest.split_first_chunk::<8>()?;
        if magic != MAGIC || checksum(rest) != u64::from_le_bytes(*sum) {
            return None;
        }
        let table = State::at(state)?;
        let mut reader = Reader(rest);
        if table.to_bytes() != *reader.chunk()? {
            return None;
        }
        let tasks = text.len() - reader.0.len();
        let (mut needs, mut has_files) = (Vec::new(), Vec::new());
        for _ in 0..reader.count()? {
            let name = reader.count()?;
            reader.bytes(name)?;
            has_files.push(reader.byte()? == 1);
            needs.push(reader.numbers()?);
        }
        let lengths: Option<Vec<usize>> = (0..reader.count()?).map(|_| reader.count()).collect();
        let mut parts = Vec::new();
        for length in lengths? {
            let start = text.len() - reader.0.len();
            reader.bytes(length)?;
            parts.push((start, start + length));
        }
        let place = Place {
            folder: File::open(root).ok()?,
            root,
            tree: Tree::new(root),
            now,
            changed: Mutex::new(vec![false; has_files.len()]),
            count: AtomicUsize::new(0),
            tasks: has_files.len(),
        };
        let look = |first: usize, step: usize| {
            let own = parts.iter().skip(first).step_by(step);
            own.map(|(start, end)| place.look(&text[*start..*end]))
                .collect::<Option<()>>()
        };
        let threads = threads().min(parts.len()).max(1);
        let looked = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .map(|first| scope.spawn(move || look(first, threads)))
                .collect();
            let own = look(0, threads);
            let others: Option<()> = others
                .into_iter()
                .map(|other| other.join().expect("looking at files does not panic"))
                .collect();
            own.and(others)
        });
        looked?;
        let mut stale = place
            .changed
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        for (number, needs) in needs.iter().enumerate() {
            let mut needs = needs.iter().map(|need| u32::from_le_bytes(*need) as usize);
            let dirty = needs.any(|need| stale.get(need).copied().unwrap_or(true));
            stale[number] |= dirty;
        }
        Some(Self {
            table,
            tasks,
            parts,
            stale,
            has_files,
            text,
        })
    }

    /// Whether nothing has changed.
    pub fn is_quiet(&self) -> bool {
        !self.stale.contains(&true)
    }

    /// How many tasks are up to date that have files.
    pub fn up_to_date(&self) -> usize {
        let tasks = self.stale.iter().zip(&self.has_files);
        tasks.filter(|(stale, files)| !**stale && **files).count()
    }

    /// The names of the tasks that may have to run, and of those that need one of them.
    pub fn stale(&self) -> impl Iterator<Item = &str> {
        let mut reader = Reader(&self.text[self.tasks..]);
        let count = reader.count().unwrap_or(0);
        let names = (0..count).map(move |number| {
            let length = reader.count()?;
            let name = str::from_utf8(reader.bytes(length)?).ok()?;
            reader.byte()?;
            reader.numbers()?;
            self.stale[number].then_some(name)
        });
        names.flatten()
    }

    /// The table that it was made with.
    pub(super) const fn table(&self) -> State {
        self.table
    }

    /// Writes it anew: with these sets of the patterns of all tasks that may have had to run, the rest as it was.
    pub(super) fn renew(
        &self,
        call: &Call,
        root: &Path,
        table: State,
        sets: &HashMap<Key, (Pattern, Set)>,
        now: i128,
    ) -> io::Result<()> {
        let first = self.parts.first().map_or(self.text.len(), |part| part.0);
        let heads = (1 + self.parts.len()) * 4;
        let mut draft = Draft {
            tasks: self.text[self.tasks..first - heads].to_vec(),
            ..Draft::default()
        };
        for (start, end) in &self.parts {
            let mut left = Reader(&self.text[*start..*end]);
            while let Some(entry) = left.entry() {
                let owners: Vec<u32> = entry.owners().collect();
                if !owners.iter().any(|owner| self.stale[*owner as usize]) {
                    match entry.what.first().is_some_and(|kind| kind & READ != 0) {
                        true => draft.settle(&entry, &owners, root, now),
                        false => draft.copy(entry.whole),
                    }
                } else if let Some((pattern, set)) = sets.get(&entry.key) {
                    draft.pattern(entry.key, pattern, set, root, &owners);
                } else {
                    return Ok(());
                }
            }
        }
        draft.write(call, table)
    }
}

/// Where the files are that a note is about.
struct Place<'r> {
    folder: File,
    root: &'r Path,
    tree: Tree,
    now: &'r (dyn Fn() -> i128 + Sync),
    /// Of each task whether a file of it is not as it was.
    changed: Mutex<Vec<bool>>,
    count: AtomicUsize,
    tasks: usize,
}

impl Place<'_> {
    /// Nothing when it can't be told whose files have changed, or when it is no use.
    fn look(&self, part: &[u8]) -> Option<()> {
        let mut left = Reader(part);
        while !left.0.is_empty() {
            let entry = left.entry()?;
            if self.is_same(&mut Reader(entry.what))? {
                continue;
            }
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            let mut owners = entry.owners().peekable();
            owners.peek()?;
            for owner in owners {
                *changed.get_mut(owner as usize)? = true;
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            if !is_of_use(self.count.load(Ordering::Relaxed), self.tasks) {
                return None;
            }
        }
        Some(())
    }

    fn is_same(&self, reader: &mut Reader<'_>) -> Option<bool> {
        match reader.byte()? & !READ {
            FILE => {
                let path = reader.path()?;
                let stat = self.stat(path);
                let file = |stat: &rustix::fs::Stat| {
                    matches!(Kind::of(stat), Kind::File | Kind::Link).then(|| Stat::of(stat))
                };
                let path = || meant(path.to_bytes(), self.root);
                self.is_seen(reader, path, stat.as_ref().and_then(file))
            }
            NOTHING => Some(self.stat(reader.path()?).is_none()),
            PATTERN => self.finds(reader),
            _ => None,
        }
    }

    fn stat(&self, path: &CStr) -> Option<rustix::fs::Stat> {
        rustix::fs::statat(&self.folder, path, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// Whether a file with this stat is as it was.
    fn is_seen<P: AsRef<Path>>(
        &self,
        reader: &mut Reader<'_>,
        path: impl FnOnce() -> P,
        stat: Option<Stat>,
    ) -> Option<bool> {
        let known = Stat::from_bytes(reader.chunk::<STAT_BYTES>()?);
        if known != Stat::NONE {
            return Some(stat == Some(known));
        }
        let content = reader.chunk::<32>()?;
        let now = stat.and_then(|_| stat::read(path().as_ref(), (self.now)()).ok());
        Some(now.is_some_and(|now| now.content == *content))
    }

    fn finds(&self, reader: &mut Reader<'_>) -> Option<bool> {
        let folder = meant(reader.path()?.to_bytes(), self.root);
        let text = reader.path()?.to_str().ok()?.to_owned();
        let without: Option<Vec<String>> = (0..reader.count()?)
            .map(|_| Some(reader.path()?.to_str().ok()?.to_owned()))
            .collect();
        let flags = reader.byte()?;
        let pattern = Pattern {
            folder: Arc::from(folder),
            text,
            without: without?.into(),
            ignores: flags & 1 != 0,
            empty: flags & 2 != 0,
        };
        let found = self.tree.find(&pattern);
        if reader.count()? != found.len() {
            return Some(false);
        }
        for file in found {
            let path = reader.path()?.to_bytes();
            let own = file.path.strip_prefix(self.root).unwrap_or(&file.path);
            let same = own.as_os_str().as_bytes() == path;
            if !same || !self.is_seen(reader, || &file.path, Some(file.stat))? {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// An entry of a note.
struct Entry<'t> {
    whole: &'t [u8],
    key: Key,
    /// Its kind and what there was; its owners follow.
    what: &'t [u8],
}

impl Entry<'_> {
    /// The tasks it belongs to. They stand at the end, so that what there was need not be read for it.
    fn owners(&self) -> impl Iterator<Item = u32> {
        let numbers = self.what.rchunks_exact(4);
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        let mut numbers = numbers.map(number);
        let count = numbers.next().unwrap_or(0);
        numbers.take(count as usize)
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

    fn numbers(&mut self) -> Option<&'t [[u8; 4]]> {
        let count = self.count()?;
        let (numbers, _) = self.bytes(count.checked_mul(4)?)?.as_chunks();
        Some(numbers)
    }

    fn path(&mut self) -> Option<&'t CStr> {
        let length = self.count()?;
        CStr::from_bytes_with_nul(self.bytes(length + 1)?).ok()
    }

    /// Copies what stands before the files of an entry; how many there are.
    fn until_files(&mut self, to: &mut Vec<u8>) -> Option<usize> {
        let start = self.0;
        let kind = self.byte()? & !READ;
        let count = match kind {
            FILE => 1,
            PATTERN => {
                self.path()?;
                self.path()?;
                for _ in 0..self.count()? {
                    self.path()?;
                }
                self.byte()?;
                self.count()?
            }
            _ => return None,
        };
        to.extend_from_slice(&start[..start.len() - self.0.len()]);
        to[0] = kind;
        Some(count)
    }

    fn entry(&mut self) -> Option<Entry<'t>> {
        let start = self.0;
        let length = self.count()?;
        let mut entry = Reader(self.bytes(length)?);
        Some(Entry {
            whole: &start[..4 + length],
            key: Key(*entry.chunk()?),
            what: entry.0,
        })
    }
}
