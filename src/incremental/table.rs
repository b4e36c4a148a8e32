//! The table of fingerprints: one file, to whose end rows are written; the last row of a key counts.
//!
//! ```text
//! header   magic and version · how many bytes of the file are whole
//! row      length · kind and key · payload · checksum
//! ```
//!
//! A row is there once the header says so, which is written after it, so a process that dies in the midst leaves nothing
//! behind. Several processes write in turns, under a lock on the file. A row that was damaged is as if it were not there, and
//! so is a table of another version. When most of the file is old rows, or lists that no row refers to any more, it is written
//! anew and replaced in one step.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::disk::layout::FINGERPRINTS;
use crate::disk::{Folder, How};

/// Changed whenever the meaning of a row changes.
const MAGIC: &[u8; 8] = b"flowfp3\n";
const HEADER_BYTES: usize = 16;
/// Length, kind and key; and the checksum at the end.
const ROW_BYTES: usize = 4 + KEY_BYTES + 8;
const KEY_BYTES: usize = 17;

/// The table is written anew when more than this many bytes, and more than half of it, are old rows.
const WASTE_BYTES_MAX: u64 = 1024 * 1024;

/// A table that is larger than this is none, in bytes.
const BYTES_MAX: u64 = 4 << 30;

/// The kinds of rows: what a task was made of, what the files of a pattern are, what they once were.
pub(super) const TASK: u8 = b't';
pub(super) const SET: u8 = b's';
pub(super) const LIST: u8 = b'l';

/// What a row is about: its kind, and the hash of what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) [u8; KEY_BYTES]);

impl Key {
    /// Of this kind, by the beginning of a hash.
    pub(super) fn new(kind: u8, hash: &blake3::Hash) -> Self {
        let mut key = [kind; KEY_BYTES];
        key[1..].copy_from_slice(&hash.as_bytes()[..KEY_BYTES - 1]);
        Self(key)
    }

    fn kind(&self) -> u8 {
        self.0[0]
    }

    /// Whether it is of this kind.
    pub(super) fn is_of(&self, kind: u8) -> bool {
        self.kind() == kind
    }

    /// Of nothing.
    pub(super) const ZERO: Self = Self([0; KEY_BYTES]);
}

/// Keys are hashes already.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(Ok(first)) = bytes.get(..8).map(TryInto::try_into) {
            self.0 ^= u64::from_le_bytes(first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

/// Which table it is, and how much of it there is: another one after every row that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    inode: u64,
    whole: u64,
}

impl State {
    /// Of the table at this path as it is now.
    pub(super) fn at(state: &Folder) -> Option<Self> {
        Self::of(&state.open(FINGERPRINTS, How::Read).ok()?)
    }

    fn of(file: &File) -> Option<Self> {
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).ok()?;
        let whole = u64_at(&header[8..]);
        let inode = file.metadata().ok()?.ino();
        header.starts_with(MAGIC).then_some(Self { inode, whole })
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.inode.to_le_bytes());
        bytes[8..].copy_from_slice(&self.whole.to_le_bytes());
        bytes
    }
}

/// The table as it was when it was last looked at.
#[derive(Debug)]
pub(super) struct Table {
    /// The state of the project.
    folder: Folder,
    file: Option<File>,
    bytes: Vec<u8>,
    rows: HashMap<Key, (usize, usize), BuildHasherDefault<KeyHasher>>,
    /// How many bytes of it are rows that count, and how many of these are sets, and lists of what sets once were.
    live: u64,
    sets: u64,
    lists: u64,
    /// What it was when it was opened.
    opened: Option<State>,
    /// Others have written to it since.
    shared: bool,
}

impl Table {
    /// The table at this path; one that is not there, or can't be read, is empty.
    pub(super) fn open(folder: Folder) -> Self {
        let mut table = Self {
            folder,
            file: None,
            bytes: Vec::new(),
            rows: HashMap::default(),
            live: 0,
            sets: 0,
            lists: 0,
            opened: None,
            shared: false,
        };
        table.refresh();
        table.opened = table.state();
        table.shared = false;
        table
    }

    /// What it is now, when nobody else has written to it since it was opened, and what it was then.
    pub(super) fn since_opened(&self) -> Option<(State, State)> {
        (!self.shared).then_some((self.opened?, self.state()?))
    }

    /// What it was when it was last looked at.
    pub(super) fn state(&self) -> Option<State> {
        let inode = self.file.as_ref()?.metadata().ok()?.ino();
        let whole = self.bytes.len() as u64;
        Some(State { inode, whole })
    }

    /// The payload of a row.
    pub(super) fn get(&self, key: Key) -> Option<&[u8]> {
        let (start, end) = *self.rows.get(&key)?;
        let row = self.bytes.get(start..end)?;
        let (body, sum) = row.split_at(row.len().checked_sub(8)?);
        (checksum(body) == u64_at(sum)).then(|| &body[4 + KEY_BYTES..])
    }

    /// The rows of a kind.
    pub(super) fn of_kind(&self, kind: u8) -> impl Iterator<Item = (Key, &[u8])> {
        let keys = self.rows.keys().filter(move |key| key.is_of(kind));
        keys.filter_map(|key| Some((*key, self.get(*key)?)))
    }

    /// Whether a row was written since the table was in this state, or may have been.
    pub(super) fn is_written_since(&self, key: Key, before: State) -> bool {
        let same = self.state().is_some_and(|now| now.inode == before.inode);
        let at = self.rows.get(&key);
        !same || at.is_some_and(|(start, _)| *start as u64 >= before.whole)
    }

    /// Takes in what others have written since.
    pub(super) fn refresh(&mut self) {
        let Ok(seen) = self.folder.seen(FINGERPRINTS) else {
            self.shared = true;
            return self.forget();
        };
        let own = self.file.as_ref().and_then(|file| file.metadata().ok());
        let same = own.is_some_and(|own| own.ino() == seen.inode);
        if !same {
            self.shared = true;
            self.forget();
            let open = |how| self.folder.open(FINGERPRINTS, how);
            self.file = open(How::Write).or_else(|_| open(How::Read)).ok();
        }
        let whole = self.whole();
        self.shared |= whole != Some(self.bytes.len() as u64);
        if whole.is_none_or(|whole| whole < self.bytes.len() as u64) {
            self.clear();
        }
        if let (Some(file), Some(whole)) = (&self.file, whole) {
            let from = self.bytes.len();
            self.bytes.resize(usize::try_from(whole).unwrap_or(from), 0);
            if file
                .read_exact_at(&mut self.bytes[from..], from as u64)
                .is_err()
            {
                self.bytes.truncate(from);
            }
            self.index(from.max(HEADER_BYTES));
        }
    }

    fn forget(&mut self) {
        self.file = None;
        self.clear();
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        (self.live, self.sets, self.lists) = (0, 0, 0);
    }

    /// How many bytes of the file are whole; `None` when it is no table of this version.
    fn whole(&self) -> Option<u64> {
        let mut header = [0; HEADER_BYTES];
        let file = self.file.as_ref()?;
        file.read_exact_at(&mut header, 0).ok()?;
        let whole = u64_at(&header[8..]);
        let length = file.metadata().ok()?.len();
        let fits = (HEADER_BYTES as u64..=length.min(BYTES_MAX)).contains(&whole);
        (header.starts_with(MAGIC) && fits).then_some(whole)
    }

    fn index(&mut self, from: usize) {
        let mut at = from;
        if at == HEADER_BYTES {
            // A row of two files is rather small.
            self.rows.reserve(self.bytes.len() / 160);
        }
        while let Some(length) = self.bytes.get(at..at + 4) {
            let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
            let Some(row) = self
                .bytes
                .get(at..at + length)
                .filter(|row| row.len() >= ROW_BYTES)
            else {
                break;
            };
            let key = Key(row[4..4 + KEY_BYTES]
                .try_into()
                .expect("it has the length of a key"));
            let before = self.rows.insert(key, (at, at + length));
            let before = before.map_or(0, |(start, end)| (end - start) as u64);
            let grown = |bytes: u64| bytes + length as u64 - before;
            self.live = grown(self.live);
            match key.kind() {
                SET => self.sets = grown(self.sets),
                LIST => self.lists = grown(self.lists),
                _ => {}
            }
            at += length;
        }
        // Behind a row whose length was damaged nothing can be read; the next row is written over it.
        self.bytes.truncate(at.max(from));
    }

    /// Writes rows. They survive the death of this process once this returns. Says whether nobody else has written since the last
    /// look.
    pub(super) fn put(&mut self, rows: &[(Key, Vec<u8>)]) -> io::Result<bool> {
        let mut text = Vec::new();
        rows.iter()
            .for_each(|(key, payload)| add_row(&mut text, *key, payload));
        self.make()?;
        let before = self.state();
        self.locked(|table| {
            let alone = table.state() == before;
            let end = table.bytes.len() as u64;
            let file = table.file.as_ref().expect("it was just made");
            file.write_all_at(&text, end)?;
            file.write_all_at(&(end + text.len() as u64).to_le_bytes(), 8)?;
            let from = table.bytes.len();
            table.bytes.extend_from_slice(&text);
            table.index(from);
            Ok(alone)
        })
    }

    /// Writes it anew without the old rows, if they are most of it. Of lists those are kept that rows of tasks refer to.
    pub(super) fn tidy(&mut self, refers_to: impl Fn(&[u8]) -> Vec<Key>) -> io::Result<()> {
        let wasteful = |table: &Self| {
            let waste = (table.bytes.len() as u64).saturating_sub(table.live);
            // A list is what one of the sets was when a task last ran, so there is about one for each.
            let lists = table.lists.saturating_sub(2 * table.sets);
            waste > WASTE_BYTES_MAX && waste > table.live || lists > WASTE_BYTES_MAX
        };
        if !wasteful(self) {
            return Ok(());
        }
        let mut written = None;
        self.locked(|table| {
            if !wasteful(table) {
                return Ok(());
            }
            let mut text = header(0);
            let tasks = table.rows.keys().filter(|key| key.kind() == TASK);
            let wanted: HashSet<Key> = tasks
                .filter_map(|key| table.get(*key))
                .flat_map(&refers_to)
                .collect();
            let rows = table.rows.iter();
            let counts = |key: &Key| key.kind() != LIST || wanted.contains(key);
            let rows = rows.filter(|(key, _)| counts(key));
            let mut places: Vec<_> = rows.map(|(_, place)| *place).collect();
            places.sort_unstable();
            for (start, end) in places {
                text.extend_from_slice(&table.bytes[start..end]);
            }
            let whole = text.len() as u64;
            text[8..HEADER_BYTES].copy_from_slice(&whole.to_le_bytes());
            written = Some((text.len(), table.shared));
            table.folder.replace(FINGERPRINTS, &text)
        })?;
        self.refresh();
        if let Some((length, shared)) = written {
            self.shared = shared || self.bytes.len() != length;
        }
        Ok(())
    }

    /// Sees to it that there is a file of this version.
    fn make(&mut self) -> io::Result<()> {
        if self.file.is_some() && self.whole().is_some() {
            return Ok(());
        }
        let file = self.folder.open(FINGERPRINTS, How::Make)?;
        file.lock()?;
        self.file = Some(file);
        if self.whole().is_none() {
            let file = self.file.as_ref().expect("it was just opened");
            file.set_len(0)?;
            file.write_all_at(&header(HEADER_BYTES as u64), 0)?;
        }
        if let Some(file) = &self.file {
            file.unlock()?;
        }
        self.clear();
        self.refresh();
        Ok(())
    }

    /// Does something while nobody else writes, with all that others have written.
    fn locked<T>(&mut self, act: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let lock = loop {
            let Some(file) = &self.file else {
                return Err(io::ErrorKind::NotFound.into());
            };
            let lock = file.try_clone()?;
            lock.lock()?;
            let inode = lock.metadata()?.ino();
            self.refresh();
            let own = self.file.as_ref().and_then(|file| file.metadata().ok());
            if own.is_some_and(|own| own.ino() == inode) {
                break lock;
            }
            // It was replaced in between.
            lock.unlock()?;
            self.make()?;
        };
        let result = act(self);
        lock.unlock()?;
        result
    }
}

fn header(whole: u64) -> Vec<u8> {
    [&MAGIC[..], &whole.to_le_bytes()].concat()
}

fn add_row(text: &mut Vec<u8>, key: Key, payload: &[u8]) {
    let start = text.len();
    let length = u32::try_from(ROW_BYTES + payload.len()).unwrap_or(u32::MAX);
    text.extend_from_slice(&length.to_le_bytes());
    text.extend_from_slice(&key.0);
    text.extend_from_slice(payload);
    let sum = checksum(&text[start..]);
    text.extend_from_slice(&sum.to_le_bytes());
}

fn u64_at(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// Against accidents, not against people: the words of the text, each mixed in (the step of FxHash).
pub(super) fn checksum(text: &[u8]) -> u64 {
    let step =
        |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = text.as_chunks::<8>();
    let sum = words.iter().fold(text.len() as u64, |sum, word| {
        step(sum, u64::from_le_bytes(*word))
    });
    rest.iter()
        .fold(sum, |sum, byte| step(sum, u64::from(*byte)))
}

/// For people who look at the path in a message.
impl Table {
    /// Where it is.
    pub(super) fn path(&self) -> std::path::PathBuf {
        self.folder.path_of(FINGERPRINTS)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn key(number: u32) -> Key {
        Key::new(b't', &blake3::hash(&number.to_le_bytes()))
    }

    #[test]
    fn the_last_row_counts_for_all_who_look() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FINGERPRINTS);
        let folder = Folder::from(folder.path());
        let mut rng = fastrand::Rng::with_seed(7);
        let mut tables = [Table::open(folder.clone()), Table::open(folder.clone())];
        let mut expected = HashMap::new();
        for round in 0..3000_u32 {
            let (number, size) = (rng.u32(0..40), rng.usize(0..3000));
            let payload = vec![u8::try_from(round % 251).expect("small"); size];
            let table = &mut tables[rng.usize(0..2)];
            table
                .put(&[(key(number), payload.clone())])
                .expect("it is written");
            expected.insert(number, payload);
            if rng.u8(0..20) == 0 {
                table.tidy(|_| Vec::new()).expect("it is written anew");
            }
            if rng.u8(0..10) == 0 {
                let other = &mut tables[rng.usize(0..2)];
                other.refresh();
                for (number, payload) in &expected {
                    assert_eq!(other.get(key(*number)), Some(&payload[..]), "round {round}");
                }
            }
        }
        let length = fs::metadata(&path).expect("it is there").len();
        assert!(length < 4 * 1024 * 1024, "old rows go: {length}");
    }

    /// Each change of what a task reads leaves a list behind, of which only the last one is of use.
    #[test]
    fn lists_that_nobody_refers_to_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FINGERPRINTS);
        let folder = Folder::from(folder.path());
        let mut table = Table::open(folder.clone());
        let of = |kind: u8, number: u32| Key::new(kind, &blake3::hash(&number.to_le_bytes()));
        let refers_to = |row: &[u8]| vec![Key(row.try_into().expect("a key"))];
        for round in 0..200 {
            let list = of(LIST, round);
            let rows = [
                (of(SET, 0), vec![1; 50_000]),
                (list, vec![2; 50_000]),
                (of(TASK, 0), list.0.to_vec()),
            ];
            table.put(&rows).expect("it is written");
            table.tidy(refers_to).expect("it is written anew");
            assert!(table.get(list).is_some(), "round {round}");
        }
        assert_eq!(table.rows.len(), Table::open(folder.clone()).rows.len());
        let length = fs::metadata(&path).expect("it is there").len();
        assert!(length < 3 * WASTE_BYTES_MAX, "old lists go: {length}");
    }

    #[test]
    fn cut_or_damaged_it_has_the_right_rows_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FINGERPRINTS);
        let folder = Folder::from(folder.path());
        let mut table = Table::open(folder.clone());
        for number in 0..4 {
            table
                .put(&[(key(number), format!("row {number}").into_bytes())])
                .expect("it is written");
        }
        let whole = fs::read(&path).expect("it is there");
        let check = |text: &[u8], what: &str| {
            fs::write(&path, text).expect("it is written");
            let mut table = Table::open(folder.clone());
            for number in 0..4 {
                let row = table.get(key(number)).map(<[u8]>::to_vec);
                let right = format!("row {number}").into_bytes();
                assert!(row.is_none_or(|row| row == right), "{what}");
            }
            table
                .put(&[(key(9), b"new".to_vec())])
                .expect("it can be written");
            assert_eq!(
                Table::open(folder.clone()).get(key(9)),
                Some(&b"new"[..]),
                "{what}"
            );
        };
        for length in 0..whole.len() {
            check(&whole[..length], &format!("cut at {length}"));
        }
        for at in 0..whole.len() {
            let mut text = whole.clone();
            text[at] ^= 0x20;
            check(&text, &format!("another byte at {at}"));
        }
    }
}
