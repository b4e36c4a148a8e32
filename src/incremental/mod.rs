//! Whether a task has to run: what it was made of the last time, against what is there now.
//!
//! A task is described by a [`Task`]: parts that are hashes already (its commands, its variables), patterns of files that it
//! reads, and patterns of files that it makes. What it was made of is a row of the `table`, written when it has succeeded and
//! taken out when it begins. The files of each pattern are a set (`sets`) with one hash, shared by all tasks with that pattern,
//! and known without reading a file whose `stat` has not changed.
//!
//! It refuses to know what a plan, a template and a run are, and what the time is.

mod beneath;
mod cache;
mod claims;
mod depfile;
mod gitignore;
mod globs;
mod local;
mod note;
mod reason;
mod results;
mod sets;
mod stat;
mod table;
mod task;
mod walk;

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use self::cache::Restored;
use self::claims::{Before, Owners};
pub use self::gitignore::{User, of_user};
pub use self::globs::{Globs, Ground};
use self::local::Local;
pub use self::local::Size;
pub use self::note::{Call, Note};
pub use self::reason::{Change, How, Reason};
use self::sets::{Digest, Looked, Set};
pub use self::stat::Print;
use self::table::{Key, KeyHasher, Table};
pub use self::task::Task;
use self::walk::{Pattern, Tree};
use crate::disk::{Folder, trust};
use crate::eval::recipe::Part;

/// Below this many patterns one thread looks at all of them.
const ALONE_MAX: usize = 128;

/// Whether a task has to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing has changed; the values that it handed on.
    UpToDate(Option<Vec<u8>>),
    /// It has to.
    Stale(Reason),
}

/// What a task was made of when it was last looked at; handed back when it has succeeded.
#[derive(Clone, Debug)]
pub struct Begun {
    key: Key,
    parts: Vec<Part>,
    /// What it says that it reads, then what its commands named the last time.
    inputs: Vec<(Pattern, Key, Digest)>,
    /// How many of these it says.
    said: usize,
    outputs: Vec<Pattern>,
    /// Where its commands name what else they have read, and the folder that they mean: the last of the outputs.
    depfile: Option<(PathBuf, PathBuf)>,
    /// What there was when it began; `None` as long as it has not.
    before: Option<Arc<Before>>,
    /// The time when it began, in nanoseconds since 1970, and how often commands had ended by then.
    at: i128,
    generation: u64,
    /// Others read values of it.
    is_read: bool,
}

/// What a task has made.
#[derive(Clone, Debug, Default)]
pub struct Made {
    outputs: Vec<(Key, Digest)>,
    /// The files that its commands have named.
    found: Vec<PathBuf>,
    /// What it was made of is there as it was when it began.
    pub settled: bool,
}

/// What was written down of a task that has succeeded.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// What it has read.
    inputs: Vec<(Pattern, Key, Digest)>,
    files: Vec<sets::SetFile>,
    /// It is known that the task, and no other, has made these files.
    sure: bool,
}

/// A task by its patterns.
struct About {
    key: Key,
    inputs: Vec<Pattern>,
    /// How many of them it says.
    said: usize,
    outputs: Vec<Pattern>,
    row: Option<Row>,
}

/// The row of a task.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    parts: Vec<Part>,
    inputs: Vec<([u8; 17], Digest)>,
    outputs: Vec<([u8; 17], Digest)>,
    values: Option<Vec<u8>>,
    /// The files that its commands named, which stand at the end of the inputs.
    found: Vec<Vec<u8>>,
    /// It has begun since, and has not succeeded.
    unfinished: bool,
}

/// What came of looking at a task.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Whether it has to run.
    pub verdict: Verdict,
    /// What it was made of at that moment.
    pub begun: Begun,
    /// The patterns of its sources that match nothing.
    pub unmatched: Vec<String>,
}

/// All that is known of the tasks of one project.
pub struct Incremental {
    root: PathBuf,
    now: Box<dyn Fn() -> i128 + Send + Sync>,
    table: RwLock<Table>,
    seen: Mutex<Seen>,
    /// Rows that are not in the table yet: what was found of files. Where there is one, it counts, and not that of the table.
    found: Mutex<Rows>,
    /// Who claims which files.
    owners: Mutex<Owners>,
    threads: usize,
    cache: Option<Local>,
}

/// Removes what was not used for longest from the cache in a folder, until the rest is at most this large, in bytes.
///
/// # Errors
///
/// When it can't be read or written.
pub fn prune_cache(
    folder: &Folder,
    key: trust::Key,
    bytes_max: u64,
    now: SystemTime,
) -> io::Result<Size> {
    Local::new(folder.clone(), key).prune(bytes_max, now)
}

/// What a call was decided by the last time, held against the files that are there now; `None` when nothing can be told by that.
///
/// `call` is where that would have been written down, `state` that of the project at `root`.
pub fn noted(
    call: &Call,
    root: &Path,
    state: &Folder,
    threads: impl FnOnce() -> usize,
    now: &(dyn Fn() -> i128 + Sync),
) -> Option<Note> {
    Note::read(call, root, state, threads, now)
}

/// A task of a call in which files alone decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// What it is made of; without sources it only stands for what it needs.
    pub task: Task,
    /// The numbers of the tasks that it needs, which stand before it.
    pub needs: Vec<u32>,
    /// It is not up to date, or something that it needs is not.
    pub stale: bool,
}

/// What has been looked at since a command last ended.
struct Seen {
    tree: Arc<Tree>,
    sets: Digests,
    /// How often it was begun anew.
    generation: u64,
}

type Digests = HashMap<Key, Digest, BuildHasherDefault<KeyHasher>>;
type Rows = HashMap<Key, Vec<u8>, BuildHasherDefault<KeyHasher>>;

impl fmt::Debug for Incremental {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incremental")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Incremental {
    /// For the project at `root`, with its table at `table`; `now` is the time in nanoseconds since 1970, and this many threads
    /// may look at files.
    pub fn open(
        root: PathBuf,
        state: Folder,
        now: impl Fn() -> i128 + Send + Sync + 'static,
        threads: usize,
    ) -> Self {
        Self {
            seen: Mutex::new(Seen {
                tree: Arc::new(Tree::new(&root)),
                sets: HashMap::default(),
                generation: 0,
            }),
            root,
            now: Box::new(now),
            table: RwLock::new(Table::open(state)),
            found: Mutex::default(),
            owners: Mutex::default(),
            threads,
            cache: None,
        }
    }

    /// With the cache in this folder, whose entries are sealed with this key.
    pub fn with_cache(self, folder: Folder, key: trust::Key) -> Self {
        Self {
            cache: Some(Local::new(folder, key)),
            ..self
        }
    }

    /// A command has ended: what was seen of files may not be so any more.
    pub fn changed(&self) {
        let mut seen = lock(&self.seen);
        seen.sets.clear();
        seen.tree = Arc::new(Tree::new(&self.root));
        seen.generation += 1;
    }

    /// Takes in what other processes have written to the table.
    pub fn refresh(&self) {
        self.table_mut().refresh();
        self.changed();
    }

    fn table_mut(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether tasks have to run, each as if it alone were asked about.
    pub fn check(&self, tasks: &[Task]) -> Vec<Checked> {
        let all: Vec<About> = {
            let table = self.table();
            tasks.iter().map(|task| self.about(&table, task)).collect()
        };
        let patterns: Vec<&Pattern> = all
            .iter()
            .flat_map(|about| about.inputs.iter().chain(&about.outputs))
            .collect();
        let generation = lock(&self.seen).generation;
        let mut looked = self.look(&patterns).into_iter();
        let table = self.table();
        let mut checked = Vec::with_capacity(tasks.len());
        for (task, about) in tasks.iter().zip(all) {
            let with = |(pattern, (key, digest)): (Pattern, (Key, Digest))| (pattern, key, digest);
            let inputs = about.inputs.into_iter().zip(&mut looked).map(with);
            let begun = Begun {
                key: about.key,
                parts: task.parts.clone(),
                inputs: inputs.collect(),
                said: about.said,
                outputs: about.outputs,
                depfile: task.depfile_path().map(|path| (path, task.folder.clone())),
                before: None,
                at: (self.now)(),
                generation,
                is_read: task.is_read,
            };
            let made: Vec<_> = looked.by_ref().take(begun.outputs.len()).collect();
            let own = task.own().len();
            let verdict = match (&about.row, missing(&begun.inputs[..own])) {
                _ if task.sources.is_none() => Verdict::Stale(Reason::Always),
                (_, Some(missing)) => Verdict::Stale(Reason::Missing(missing)),
                (Some(row), _) if row.unfinished => Verdict::Stale(Reason::Unfinished),
                (None, _) => Verdict::Stale(Reason::New),
                (Some(row), _) => match self.difference(&table, task, row, &begun, &made) {
                    Some(why) => Verdict::Stale(why),
                    None => Verdict::UpToDate(row.values.clone()),
                },
            };
            let nothing = sets::nothing();
            let unmatched = begun.inputs[..own]
                .iter()
                .filter(|(pattern, _, digest)| !pattern.is_name() && *digest == nothing);
            checked.push(Checked {
                verdict,
                unmatched: unmatched
                    .map(|(pattern, ..)| pattern.text.clone())
                    .collect(),
                begun,
            });
        }
        checked
    }

    /// A task by its patterns: those that it says, then the files that its commands named the last time.
    fn about(&self, table: &Table, task: &Task) -> About {
        let key = task_key(&task.identity);
        let row = row_of(table, key);
        let mut inputs = task.inputs();
        let said = inputs.len();
        if task.depfile.is_some() {
            let found = row.iter().flat_map(|row| &row.found);
            inputs
                .extend(found.filter_map(|path| Pattern::of_file(&walk::meant(path, &self.root))));
        }
        About {
            key,
            inputs,
            said,
            outputs: task.outputs(),
            row,
        }
    }

    /// What the files of these patterns hold.
    pub fn prints(&self, globs: &Globs) -> HashMap<PathBuf, Print> {
        let seen = Arc::clone(&lock(&self.seen).tree);
        let wanted: Vec<(Key, &Pattern)> = globs
            .patterns
            .iter()
            .map(|pattern| (sets::key(pattern, &self.root), pattern))
            .collect();
        let looked = self.look_at(&wanted, &seen);
        let table = self.table();
        let mut prints = HashMap::new();
        for ((key, _), looked) in wanted.iter().zip(looked) {
            let set = match looked {
                Looked::Changed(set) => set,
                Looked::Same(_) => self.set(&table, *key),
            };
            for file in set.files {
                let print = Print {
                    stat: file.stat,
                    content: file.content,
                };
                prints.insert(walk::meant(&file.path, &self.root), print);
            }
        }
        prints
    }

    /// What there is of these patterns: the key and the hash of each.
    fn look(&self, patterns: &[&Pattern]) -> Vec<(Key, Digest)> {
        let keys: Vec<Key> = patterns
            .iter()
            .map(|pattern| sets::key(pattern, &self.root))
            .collect();
        let mut wanted: Vec<(Key, &Pattern)> = Vec::new();
        // What has been seen already; a command that ends in the meantime makes others forget it.
        let mut known: Digests = HashMap::default();
        let (tree, generation) = {
            let seen = lock(&self.seen);
            for (key, pattern) in keys.iter().zip(patterns) {
                if known.contains_key(key) {
                    continue;
                }
                let digest = seen.sets.get(key).copied();
                if digest.is_none() {
                    wanted.push((*key, pattern));
                }
                known.insert(*key, digest.unwrap_or_default());
            }
            (Arc::clone(&seen.tree), seen.generation)
        };
        let looked = self.look_at(&wanted, &tree);
        let mut seen = lock(&self.seen);
        let mut found = lock(&self.found);
        for ((key, _), looked) in wanted.into_iter().zip(looked) {
            known.insert(key, *looked.digest());
            if seen.generation == generation {
                seen.sets.insert(key, *looked.digest());
            }
            if let Looked::Changed(set) = looked {
                found.insert(key, set.to_row());
            }
        }
        keys.iter().map(|key| (*key, known[key])).collect()
    }

    fn look_at(&self, wanted: &[(Key, &Pattern)], tree: &Tree) -> Vec<Looked> {
        let table = self.table();
        let found: Rows = {
            let found = lock(&self.found);
            let own = |(key, _): &(Key, &Pattern)| Some((*key, found.get(key)?.clone()));
            wanted.iter().filter_map(own).collect()
        };
        let look = |(key, pattern): &(Key, &Pattern)| {
            let row = found.get(key).map(Vec::as_slice);
            let row = row.or_else(|| table.get(*key));
            sets::look(pattern, tree, &self.root, row, &*self.now)
        };
        if wanted.len() <= ALONE_MAX || self.threads < 2 {
            return wanted.iter().map(look).collect();
        }
        let share = wanted.len().div_ceil(self.threads);
        std::thread::scope(|scope| {
            let look = &look;
            let shares: Vec<_> = wanted
                .chunks(share)
                .map(|share| scope.spawn(move || share.iter().map(look).collect::<Vec<_>>()))
                .collect();
            let ended = |share: std::thread::ScopedJoinHandle<'_, Vec<Looked>>| share.join();
            shares
                .into_iter()
                .flat_map(|share| ended(share).expect("looking at files does not panic"))
                .collect()
        })
    }

    /// The first thing that is not as it was.
    fn difference(
        &self,
        table: &Table,
        task: &Task,
        row: &Row,
        begun: &Begun,
        made: &[(Key, Digest)],
    ) -> Option<Reason> {
        let (inputs, outputs) = (&begun.inputs, &begun.outputs);
        if row.parts != task.parts {
            return Some(reason::other_part(&row.parts, &task.parts));
        }
        let same_patterns = row.inputs.len() == inputs.len()
            && row.outputs.len() == made.len()
            && row
                .inputs
                .iter()
                .zip(inputs)
                .all(|((known, _), (_, key, _))| *known == key.0)
            && row
                .outputs
                .iter()
                .zip(made)
                .all(|((known, _), (key, _))| *known == key.0);
        if !same_patterns {
            return Some(Reason::Patterns);
        }
        for ((_, before), (pattern, key, digest)) in row.inputs.iter().zip(inputs) {
            if before != digest {
                return Some(Reason::Source(
                    self.change(table, pattern, *key, before, true),
                ));
            }
        }
        for (((_, before), (key, digest)), pattern) in row.outputs.iter().zip(made).zip(outputs) {
            if before != digest && !self.holds(table, before, *key) {
                let change = self.change(table, pattern, *key, before, false);
                return Some(Reason::Output(change));
            }
        }
        let depfile = task.depfile.as_ref().zip(made.last());
        if let Some((depfile, _)) = depfile.filter(|(_, made)| made.1 == sets::nothing()) {
            return Some(Reason::NoDepfile(depfile.clone()));
        }
        (task.is_read && row.values.is_none()).then_some(Reason::Values)
    }

    /// Which file of a pattern is not as it was; whether one that is new counts.
    fn change(
        &self,
        table: &Table,
        pattern: &Pattern,
        key: Key,
        before: &Digest,
        new_counts: bool,
    ) -> Change {
        let now = self.set(table, key);
        let known = table.get(list_key(before)).and_then(Set::from_row);
        let Some(before) = known else {
            // Of a pattern that is a name there is no list.
            let how = match (*before == sets::nothing(), now.files.is_empty()) {
                (true, _) => How::Added,
                (_, true) => How::Removed,
                _ => How::Changed,
            };
            return Change {
                path: sets::shown(&walk::kept(&pattern.named(), &self.root), &self.root),
                how,
                more: 0,
            };
        };
        let (old, new) = (before.by_path(), now.by_path());
        let mut changes: Vec<(&[u8], How)> = Vec::new();
        for (path, content) in &new {
            match old.get(path) {
                None if !new_counts => {}
                None => changes.push((path, How::Added)),
                Some(known) if known != content => changes.push((path, How::Changed)),
                Some(_) => {}
            }
        }
        changes.extend(
            old.keys()
                .filter(|path| !new.contains_key(*path))
                .map(|path| (*path, How::Removed)),
        );
        changes.sort_unstable_by_key(|(path, _)| *path);
        let (path, how) = changes.first().copied().unwrap_or((b"?", How::Changed));
        Change {
            path: sets::shown(path, &self.root),
            how,
            more: changes.len().saturating_sub(1),
        }
    }

    /// The files that the commands of a task have named when it last succeeded.
    pub fn named(&self, identity: &str) -> Vec<PathBuf> {
        let row = row_of(&self.table(), task_key(identity));
        let found = row.into_iter().flat_map(|row| row.found);
        found.map(|path| walk::meant(&path, &self.root)).collect()
    }

    /// A task begins: until it has succeeded, it is not up to date.
    ///
    /// # Errors
    ///
    /// When the table can't be written.
    pub fn begin(&self, begun: &mut Begun) -> io::Result<()> {
        let mut table = self.table_mut();
        begun.before = Some(Arc::new(self.before(&table, begun)));
        let Some(row) = row_of(&table, begun.key).filter(|row| !row.unfinished) else {
            return Ok(());
        };
        // It keeps its claims, so that nobody else takes its files for their own.
        let row = Row {
            unfinished: true,
            ..row
        };
        let row = postcard::to_stdvec(&row).map_err(io::Error::other)?;
        self.put(&mut table, &[(begun.key, row)])
    }

    /// The first command of a task that has begun starts: if others have ended since, what there was before it is looked at again.
    pub fn starts(&self, begun: &mut Begun) {
        let generation = lock(&self.seen).generation;
        let asked = begun.before.as_ref().and_then(|before| before.table());
        let same = begun.generation == generation && asked == self.table().state();
        if same || begun.outputs.iter().all(Pattern::is_of_one) {
            return;
        }
        self.look(&begun.outputs.iter().collect::<Vec<_>>());
        let table = self.table();
        begun.before = Some(Arc::new(self.before(&table, begun)));
    }

    /// What a task has made, whose steps have ended.
    ///
    /// # Errors
    ///
    /// Why it has not done its work: a pattern of its `generates` that matches nothing, a depfile that is none.
    pub fn made(&self, begun: &Begun) -> Result<Made, String> {
        self.changed();
        let said = || begun.inputs.iter().take(begun.said);
        let patterns = said().map(|(pattern, ..)| pattern);
        let patterns: Vec<&Pattern> = patterns.chain(&begun.outputs).collect();
        let looked = self.look(&patterns);
        let (inputs, outputs) = looked.split_at(begun.said);
        let generates = begun.outputs.len() - usize::from(begun.depfile.is_some());
        let nothing = sets::nothing();
        if let Some((pattern, _)) = begun.outputs[..generates]
            .iter()
            .zip(outputs)
            .find(|(_, (_, digest))| *digest == nothing)
        {
            let pattern = &pattern.text;
            return Err(format!(
                "it was to make {pattern}, and there is no such file ('generates')"
            ));
        }
        let found = self.named_by_depfile(begun)?;
        let before = said().map(|(_, _, digest)| digest);
        let settled = before.eq(inputs.iter().map(|(_, digest)| digest))
            && found.iter().all(|path| self.is_settled(begun, path));
        Ok(Made {
            outputs: outputs.to_vec(),
            found,
            settled,
        })
    }

    /// What the commands of a task have named, but for what it makes itself.
    fn named_by_depfile(&self, begun: &Begun) -> Result<Vec<PathBuf>, String> {
        let Some((path, folder)) = &begun.depfile else {
            return Ok(Vec::new());
        };
        let found = depfile::read(path, folder).map_err(|why| {
            let path = path.strip_prefix(&self.root).unwrap_or(path);
            format!("its depfile {}: {why}", path.display())
        })?;
        let tree = Tree::new(&self.root);
        let shapes: Vec<_> = begun.outputs.iter().map(Pattern::shape).collect();
        let is_own = |path: &PathBuf| shapes.iter().any(|shape| tree.matches(shape, path));
        let mut found = found.unwrap_or_default();
        found.retain(|path| !is_own(path));
        Ok(found)
    }

    /// Whether a file that the commands of a task have named is as they have read it.
    fn is_settled(&self, begun: &Begun, path: &Path) -> bool {
        let known = begun.inputs.iter().skip(begun.said);
        let mut known = known.filter(|(pattern, ..)| pattern.named() == path);
        let Some(pattern) = Pattern::of_file(path) else {
            return true;
        };
        match (known.next(), &self.look(&[&pattern])[..]) {
            (Some((_, _, before)), [(_, now)]) => before == now,
            _ => stat::look(path).is_none_or(|(_, stat)| !stat.is_after(begun.at)),
        }
    }

    /// A task has succeeded, and made this; `values` is what it handed on.
    ///
    /// # Errors
    ///
    /// When the table can't be written.
    pub fn done(&self, begun: &Begun, made: &Made, values: Option<Vec<u8>>) -> io::Result<Done> {
        if !made.settled {
            return Ok(Done::default());
        }
        let inputs = [&begun.inputs[..begun.said], &self.looked_at(&made.found)].concat();
        let mut table = self.table_mut();
        let claims = self.claim(&table, begun, made);
        let row = Row {
            parts: begun.parts.clone(),
            inputs: inputs
                .iter()
                .map(|(_, key, digest)| (key.0, *digest))
                .collect(),
            outputs: claims
                .outputs
                .iter()
                .map(|(key, digest)| (key.0, *digest))
                .collect(),
            values,
            found: made
                .found
                .iter()
                .map(|path| walk::kept(path, &self.root))
                .collect(),
            unfinished: false,
        };
        let row = postcard::to_stdvec(&row).map_err(io::Error::other)?;
        let found = std::mem::take(&mut *lock(&self.found));
        // What the files of each pattern were, to tell later which of them is another one.
        let mut lists: Vec<(Key, Vec<u8>)> = claims.rows;
        for (pattern, key, digest) in begun.inputs.iter().take(begun.said) {
            let (key, list) = (*key, list_key(digest));
            if pattern.is_of_one() || table.get(list).is_some() {
                continue;
            }
            let set = found.get(&key).map(Vec::as_slice);
            let set = set.or_else(|| table.get(key)).map(<[u8]>::to_vec);
            lists.extend(set.map(|set| (list, set)));
        }
        let mut rows: Vec<(Key, Vec<u8>)> = found.into_iter().collect();
        rows.append(&mut lists);
        rows.push((begun.key, row));
        self.put(&mut table, &rows)?;
        Ok(Done {
            inputs,
            files: claims.files,
            sure: claims.sure,
        })
    }

    /// Files by their paths, as they are.
    fn looked_at(&self, paths: &[PathBuf]) -> Vec<(Pattern, Key, Digest)> {
        let patterns = paths.iter().filter_map(|path| Pattern::of_file(path));
        let patterns: Vec<Pattern> = patterns.collect();
        let looked = self.look(&patterns.iter().collect::<Vec<_>>());
        let with = |(pattern, (key, digest))| (pattern, key, digest);
        patterns.into_iter().zip(looked).map(with).collect()
    }

    /// What was last seen of a pattern.
    fn set(&self, table: &Table, key: Key) -> Set {
        self.known_set(table, key).unwrap_or(Set {
            digest: [0; 32],
            files: Vec::new(),
        })
    }

    fn known_set(&self, table: &Table, key: Key) -> Option<Set> {
        match lock(&self.found).get(&key) {
            Some(row) => Set::from_row(row),
            None => table.get(key).and_then(Set::from_row),
        }
    }

    /// Keeps what was found of files, so that they need not be read again, and tidies the table up.
    ///
    /// # Errors
    ///
    /// When the table can't be written.
    pub fn keep(&self) -> io::Result<()> {
        let found = std::mem::take(&mut *lock(&self.found));
        let rows: Vec<(Key, Vec<u8>)> = found.into_iter().collect();
        let mut table = self.table_mut();
        if !rows.is_empty() {
            self.put(&mut table, &rows)?;
        }
        table.tidy(lists_of)
    }

    /// By what a call was decided, whose tasks are all up to date by now: the next time this is told by the files alone, those that
    /// the tasks are described in among them. Nothing is written down when a task is not up to date after all, or when another
    /// flow has run tasks in the meantime.
    ///
    /// # Errors
    ///
    /// When it can't be written down.
    pub fn keep_note(
        &self,
        call: &Call,
        described_in: &[PathBuf],
        tasks: &[Described],
    ) -> io::Result<()> {
        let stale = tasks.iter().filter(|described| described.stale);
        let stale: Vec<Task> = stale.map(|described| described.task.clone()).collect();
        if !note::is_of_use(stale.len(), tasks.len()) || !self.are_up_to_date(&stale) {
            return Ok(());
        }
        let table = self.table();
        let Some((_, state)) = table.since_opened() else {
            return Ok(());
        };
        let mut draft = note::Draft::of(tasks.iter().map(|described| note::Noted {
            name: &described.task.name,
            has_files: described.task.sources.is_some(),
            needs: &described.needs,
        }));
        for path in described_in {
            draft.file(path, &self.root, (self.now)())?;
        }
        let mut patterns: Vec<(Key, Pattern, Vec<u32>)> = Vec::new();
        let mut places: HashMap<Key, usize, BuildHasherDefault<KeyHasher>> = HashMap::default();
        for (number, described) in (0..).zip(tasks) {
            let about = self.about(&table, &described.task);
            for pattern in about.inputs.into_iter().chain(about.outputs) {
                let key = sets::key(&pattern, &self.root);
                let place = *places.entry(key).or_insert_with(|| {
                    patterns.push((key, pattern, Vec::new()));
                    patterns.len() - 1
                });
                patterns[place].2.push(number);
            }
        }
        for (key, pattern, of) in &patterns {
            // With the stat by which it was seen, not that of a moment later.
            let Some(set) = self.known_set(&table, *key) else {
                return Ok(());
            };
            draft.pattern(*key, pattern, &set, &self.root, of);
        }
        draft.write(call, state)
    }

    /// The same where a note has told that only some tasks may have to run, which are these.
    ///
    /// # Errors
    ///
    /// When it can't be written down.
    pub fn renew_note(&self, call: &Call, note: &Note, stale: &[Task]) -> io::Result<()> {
        if !self.are_up_to_date(stale) {
            return Ok(());
        }
        let table = self.table();
        let Some((_, state)) = table
            .since_opened()
            .filter(|(opened, _)| *opened == note.table())
        else {
            return Ok(());
        };
        let mut sets = HashMap::new();
        for task in stale {
            let about = self.about(&table, task);
            for pattern in about.inputs.into_iter().chain(about.outputs) {
                let key = sets::key(&pattern, &self.root);
                let Some(set) = self.known_set(&table, key) else {
                    return Ok(());
                };
                sets.insert(key, (pattern, set));
            }
        }
        note.renew(call, &self.root, state, &sets, (self.now)())
    }

    fn are_up_to_date(&self, tasks: &[Task]) -> bool {
        let stand_for_others = tasks.iter().map(|task| task.sources.is_none());
        let fresh = |checked: &Checked| matches!(checked.verdict, Verdict::UpToDate(_));
        let fresh = self.check(tasks).iter().map(fresh).collect::<Vec<_>>();
        stand_for_others
            .zip(fresh)
            .all(|(nothing, fresh)| nothing || fresh)
    }

    /// Where the table is, for messages.
    pub fn path(&self) -> PathBuf {
        self.table().path()
    }
}

/// The name among these sources that is not there.
fn missing(sources: &[(Pattern, Key, Digest)]) -> Option<String> {
    let nothing = sets::nothing();
    let mut missing = sources.iter().filter(|(pattern, _, digest)| {
        pattern.is_name() && *digest == nothing && !pattern.names_folder()
    });
    missing
        .next()
        .map(|(pattern, ..)| walk::literal(&pattern.text))
}

fn row_of(table: &Table, task: Key) -> Option<Row> {
    let row = table.get(task)?;
    postcard::from_bytes(row).ok()
}

fn task_key(identity: &str) -> Key {
    Key::new(table::TASK, &blake3::hash(identity.as_bytes()))
}

fn list_key(digest: &Digest) -> Key {
    Key::new(table::LIST, &blake3::Hash::from_bytes(*digest))
}

/// The lists that the row of a task refers to.
fn lists_of(row: &[u8]) -> Vec<Key> {
    let Ok(row) = postcard::from_bytes::<Row>(row) else {
        return Vec::new();
    };
    let patterns = row.inputs.iter().chain(&row.outputs);
    patterns.map(|(_, digest)| list_key(digest)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
