//! Which of the files that a pattern of `generates` matches a task has made.
//!
//! Two tasks may make files in one folder, so a pattern says where a task makes files, and not which of those that are there are
//! its own. A task claims what its patterns match when it has succeeded, but for files of others that were there before and are
//! as they were. What it has made new of a file that another task claimed is its own from then on; when both ran at the same
//! time nobody can say who made it, and both claim it.
//!
//! A task is up to date as long as what it claims is there as it was; what else is in its folders is not its own.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::io;

use super::sets::{self, Digest, Set, SetFile};
use super::stat::Stat;
use super::table::{self, Key, KeyHasher, State, Table};
use super::{Begun, Incremental, Made, Row, list_key, lock, row_of};

/// What there was when a task began.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The files of each of its patterns; none for those that are names.
    sets: Vec<Set>,
    /// What it had claimed.
    claimed: HashSet<Vec<u8>>,
    /// The table, by which others are known that ran at the same time.
    table: Option<State>,
}

/// What a task claims that has succeeded.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The patterns that it makes, each with the hash of what it claims of them.
    pub(super) outputs: Vec<(Key, Digest)>,
    /// The files.
    pub(super) files: Vec<SetFile>,
    /// It is known of each file that this task has made it, and no other.
    pub(super) sure: bool,
    /// What is to be written down for it, apart from its own row.
    pub(super) rows: Vec<(Key, Vec<u8>)>,
}

/// The tasks that claim files, by the hash of the path. It may name one that does not any more.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// The table that it is of.
    of: Option<State>,
    tasks: HashMap<u64, Vec<Key>, BuildHasherDefault<KeyHasher>>,
}

/// What becomes of the claims of others: of each the paths with what they hold now, none where they are given up.
type Given = HashMap<Key, HashMap<Vec<u8>, Option<SetFile>>>;

impl Owners {
    fn add(&mut self, table: &Table, task: Key, row: &[u8]) {
        let Ok(row) = postcard::from_bytes::<Row>(row) else {
            return;
        };
        for (_, digest) in &row.outputs {
            for file in list(table, digest).into_iter().flat_map(|set| set.files) {
                let tasks = self.tasks.entry(hash(&file.path)).or_default();
                if !tasks.contains(&task) {
                    tasks.push(task);
                }
            }
        }
    }
}

impl Incremental {
    /// What there is before a task begins, for one that makes more than files that it names.
    pub(super) fn before(&self, table: &Table, begun: &Begun) -> Before {
        let sets = begun.outputs.iter().map(|pattern| {
            let key = sets::key(pattern, &self.root);
            match pattern.is_of_one() {
                true => Set::default(),
                false => self.set(table, key),
            }
        });
        Before {
            sets: sets.collect(),
            claimed: claimed(table, begun.key).collect(),
            table: table.state(),
        }
    }

    /// What a task claims of what there is now.
    pub(super) fn claim(&self, table: &Table, begun: &Begun, made: &Made) -> Claims {
        let mut claims = Claims {
            sure: true,
            ..Claims::default()
        };
        let mut given = Given::new();
        for (number, (key, digest)) in made.outputs.iter().enumerate() {
            let set = self.set(table, *key);
            let pattern = &begun.outputs[number];
            if pattern.is_of_one() {
                claims.outputs.push((*key, *digest));
                claims.sure &= set.digest == *digest;
                claims.add(set.files);
                continue;
            }
            let own = self.own(table, begun, number, set, &mut claims.sure, &mut given);
            let own = Set::of(own);
            claims.outputs.push((*key, own.digest));
            let list = list_key(&own.digest);
            if table.get(list).is_none() {
                claims.rows.push((list, own.to_row()));
            }
            claims.add(own.files);
        }
        for (task, files) in given {
            claims.rows.extend(without(table, task, &files));
        }
        claims
    }

    /// The files of a pattern that are the task's own; what others lose of theirs is added to `given`.
    fn own(
        &self,
        table: &Table,
        begun: &Begun,
        number: usize,
        set: Set,
        sure: &mut bool,
        given: &mut Given,
    ) -> Vec<SetFile> {
        let nothing = Before::default();
        let before = begun.before.as_deref().unwrap_or(&nothing);
        let known = before.sets.get(number);
        let known: HashMap<&[u8], &SetFile> = known
            .iter()
            .flat_map(|set| &set.files)
            .map(|file| (&file.path[..], file))
            .collect();
        let there: HashSet<&[u8]> = set.files.iter().map(|file| &file.path[..]).collect();
        let gone = before
            .claimed
            .iter()
            .filter(|path| known.contains_key(&path[..]) && !there.contains(&path[..]));
        for path in gone {
            for other in self.others(table, begun.key, path) {
                if !before.is_beside(table, other) {
                    given.entry(other).or_default().insert(path.clone(), None);
                }
            }
        }
        let mut own = Vec::with_capacity(set.files.len());
        for file in &set.files {
            let others = self.others(table, begun.key, &file.path);
            let is_as_before = known
                .get(&file.path[..])
                .is_some_and(|before| before.is_same(file));
            if is_as_before && !others.is_empty() {
                continue;
            }
            *sure &= !is_as_before || before.claimed.contains(&file.path);
            for other in others {
                let beside = before.is_beside(table, other);
                *sure &= !beside;
                let now = beside.then(|| file.clone());
                given
                    .entry(other)
                    .or_default()
                    .insert(file.path.clone(), now);
            }
            own.push(file.clone());
        }
        own
    }

    /// The other tasks that claim a file.
    pub(super) fn others(&self, table: &Table, own: Key, path: &[u8]) -> Vec<Key> {
        let mut owners = lock(&self.owners);
        if owners.of.is_none() || owners.of != table.state() {
            *owners = Owners {
                of: table.state(),
                ..Owners::default()
            };
            for (task, row) in table.of_kind(table::TASK) {
                owners.add(table, task, row);
            }
        }
        let tasks = owners.tasks.get(&hash(path)).into_iter().flatten();
        let claims = |task: &&Key| **task != own && claimed(table, **task).any(|own| own == path);
        tasks.filter(claims).copied().collect()
    }

    /// Writes rows; who claims which file is known afterwards as it was before.
    pub(super) fn put(&self, table: &mut Table, rows: &[(Key, Vec<u8>)]) -> io::Result<()> {
        let mut owners = lock(&self.owners);
        let current = owners.of.is_some() && owners.of == table.state();
        let alone = table.put(rows)?;
        owners.of = table.state().filter(|_| current && alone);
        if owners.of.is_some() {
            for (task, row) in rows.iter().filter(|(key, _)| key.is_of(table::TASK)) {
                owners.add(table, *task, row);
            }
        }
        Ok(())
    }

    /// Whether all that a task claimed of a pattern is there as it was, by the hash of that and the key of the pattern.
    pub(super) fn holds(&self, table: &Table, before: &Digest, key: Key) -> bool {
        let Some(claimed) = list(table, before) else {
            return false;
        };
        let now = self.set(table, key);
        let now = now.by_path();
        claimed
            .files
            .iter()
            .all(|file| now.get(&file.path[..]) == Some(&&file.content))
    }
}

impl Before {
    /// The table as it was.
    pub(super) const fn table(&self) -> Option<State> {
        self.table
    }

    /// Whether another task has ended since: it ran beside this one, or may have.
    fn is_beside(&self, table: &Table, other: Key) -> bool {
        self.table
            .is_none_or(|before| table.is_written_since(other, before))
    }
}

impl Claims {
    fn add(&mut self, files: Vec<SetFile>) {
        for file in files {
            if !self.files.iter().any(|known| known.path == file.path) {
                self.files.push(file);
            }
        }
    }
}

impl SetFile {
    /// Whether it is as another look at the same path has seen it. A stat that tells nothing is like any other.
    fn is_same(&self, other: &Self) -> bool {
        let tells = self.stat != Stat::NONE && other.stat != Stat::NONE;
        self.content == other.content && (!tells || self.stat == other.stat)
    }
}

/// The paths that a task claims.
fn claimed(table: &Table, task: Key) -> impl Iterator<Item = Vec<u8>> {
    claimed_files(table, task).map(|file| file.path)
}

/// The files that a task claims, as it left them.
pub(super) fn claimed_files(table: &Table, task: Key) -> impl Iterator<Item = SetFile> {
    row_of(table, task)
        .into_iter()
        .flat_map(|row| row.outputs)
        .filter_map(|(_, digest)| list(table, &digest))
        .flat_map(|set| set.files)
}

/// The row of a task with other claims, and the lists that it needs.
fn without(
    table: &Table,
    task: Key,
    given: &HashMap<Vec<u8>, Option<SetFile>>,
) -> Vec<(Key, Vec<u8>)> {
    let Some(mut row) = row_of(table, task) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for (_, digest) in &mut row.outputs {
        let Some(known) = list(table, digest) else {
            continue;
        };
        let file = |file: SetFile| match given.get(&file.path) {
            Some(now) => now.clone(),
            None => Some(file),
        };
        let set = Set::of(known.files.into_iter().filter_map(file).collect());
        *digest = set.digest;
        rows.push((list_key(&set.digest), set.to_row()));
    }
    // What can't be written down stays as it was.
    rows.extend(postcard::to_stdvec(&row).ok().map(|row| (task, row)));
    rows
}

/// What a set was that had this hash.
fn list(table: &Table, digest: &Digest) -> Option<Set> {
    table.get(list_key(digest)).and_then(Set::from_row)
}

fn hash(path: &[u8]) -> u64 {
    let hash = blake3::hash(path);
    let (first, _) = hash
        .as_bytes()
        .split_first_chunk()
        .expect("it has 32 bytes");
    u64::from_le_bytes(*first)
}
