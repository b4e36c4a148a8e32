//! The results of tasks and the cache: by what they are found, what is restored, what is kept.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::cache::{self, Restored};
use super::sets::{self, Set};
use super::walk;
use super::{Begun, Incremental, Made, Row, list_key};

impl Incremental {
    /// By what the results of a task are found in the cache.
    fn result_key(&self, begun: &Begun) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &[u8]| {
            hasher
                .update(&(text.len() as u64).to_le_bytes())
                .update(text);
        };
        add(b"flow results 1");
        add(std::env::consts::OS.as_bytes());
        add(std::env::consts::ARCH.as_bytes());
        for part in &begun.parts {
            add(&[part.kind as u8]);
            add(part.name.as_bytes());
            add(&part.hash);
        }
        for (_, key, digest) in &begun.inputs {
            add(&key.0);
            add(digest);
        }
        for pattern in &begun.outputs {
            add(&sets::key(pattern, &self.root).0);
        }
        *hasher.finalize().as_bytes()
    }

    /// Restores what a task makes of all this, if that is in the cache; it is up to date then.
    ///
    /// Files that it made the last time and does not make of this go. Where there are others that its patterns match, nothing is
    /// restored: nobody knows whose they are.
    ///
    /// # Errors
    ///
    /// When the table can't be written.
    pub fn restore(&self, begun: &Begun) -> io::Result<Option<Restored>> {
        let Some(cache) = &self.cache else {
            return Ok(None);
        };
        let key = self.result_key(begun);
        let Some(paths) = cache::paths(cache, &key, begun.is_read) else {
            return Ok(None);
        };
        let paths: HashSet<&[u8]> = paths.iter().map(String::as_bytes).collect();
        let Some(gone) = self.made_before(begun, &paths) else {
            return Ok(None);
        };
        self.begin(begun)?;
        let Some(restored) = cache::restore(cache, &key, &self.root) else {
            return Ok(None);
        };
        for path in gone {
            // What is not there any more need not go.
            let _ = std::fs::remove_file(walk::meant(&path, &self.root));
        }
        match self.made(begun) {
            // What can't be written down is restored again the next time.
            Ok(made) => drop(self.done(begun, &made, restored.values.clone())),
            Err(_) => return Ok(None),
        }
        Ok(Some(restored))
    }

    /// Which files a task made the last time, as they still are, that are not among these; `None` when there are others.
    fn made_before(&self, begun: &Begun, among: &HashSet<&[u8]>) -> Option<Vec<Vec<u8>>> {
        let table = self.table();
        let row = table
            .get(begun.key)
            .and_then(|row| postcard::from_bytes::<Row>(row).ok());
        let mut before: HashSet<(Vec<u8>, [u8; 32])> = HashSet::new();
        for (_, digest) in row.iter().flat_map(|row| &row.outputs) {
            let list = table.get(list_key(digest)).and_then(Set::from_row);
            before.extend(
                list.into_iter()
                    .flat_map(|set| set.files)
                    .map(|file| (file.path, file.content)),
            );
        }
        let mut gone = Vec::new();
        for pattern in begun
            .outputs
            .iter()
            .filter(|pattern| !pattern.is_name() || pattern.named().is_dir())
        {
            for file in self.set(&table, sets::key(pattern, &self.root)).files {
                if among.contains(&file.path[..]) {
                    continue;
                }
                if !before.contains(&(file.path.clone(), file.content)) {
                    return None;
                }
                gone.push(file.path);
            }
        }
        Some(gone)
    }

    /// Keeps what a task has made in the cache, with what it printed and handed on; `refuse` says which files must not get
    /// there. Says whether it did.
    ///
    /// # Errors
    ///
    /// When the cache can't be written.
    pub fn keep_results(
        &self,
        begun: &Begun,
        made: &Made,
        output: Option<&[u8]>,
        values: Option<&[u8]>,
        refuse: Option<&dyn Fn(&Path) -> bool>,
    ) -> io::Result<bool> {
        let (Some(cache), true) = (&self.cache, made.settled) else {
            return Ok(false);
        };
        let sets: Vec<Set> = {
            let table = self.table();
            made.outputs
                .iter()
                .map(|(key, _)| self.set(&table, *key))
                .collect()
        };
        let fits = sets
            .iter()
            .zip(&made.outputs)
            .all(|(set, (_, digest))| set.digest == *digest);
        if !fits {
            return Ok(false);
        }
        let mut files: Vec<cache::MadeFile<'_>> = Vec::new();
        for file in sets.iter().flat_map(|set| &set.files) {
            if !files.iter().any(|known| known.path == &file.path[..]) {
                files.push(cache::MadeFile {
                    path: &file.path,
                    content: &file.content,
                });
            }
        }
        cache::keep(
            cache,
            &self.result_key(begun),
            &self.root,
            &files,
            output,
            values,
            refuse,
        )
    }

    /// Removes what was not used for longest from the cache, until the rest is at most this large, in bytes; only if it was last
    /// done longer ago than `every`.
    ///
    /// # Errors
    ///
    /// When the cache can't be read or written.
    pub fn prune(&self, bytes_max: u64, now: SystemTime, every: Duration) -> io::Result<()> {
        let Some(cache) = &self.cache else {
            return Ok(());
        };
        let recent = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age < every);
        if cache.pruned_at().is_some_and(recent) {
            return Ok(());
        }
        cache.prune(bytes_max, now).map(drop)
    }
}
