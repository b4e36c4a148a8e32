//! The results of tasks and the cache: by what they are found, what is restored, what is kept.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::cache::{self, Restored};
use super::claims;
use super::sets::{self, Digest};
use super::table::Key;
use super::walk::{self, Pattern};
use super::{Begun, Done, Incremental};

impl Incremental {
    /// By what the results of a task are found in the cache, when it reads these files.
    fn result_key(&self, begun: &Begun, inputs: &[(Pattern, Key, Digest)]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &[u8]| {
            hasher
                .update(&(text.len() as u64).to_le_bytes())
                .update(text);
        };
        add(b"flow results 2");
        add(std::env::consts::OS.as_bytes());
        add(std::env::consts::ARCH.as_bytes());
        for part in &begun.parts {
            add(&[part.kind as u8]);
            add(part.name.as_bytes());
            add(&part.hash);
        }
        for (_, key, digest) in inputs {
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
    /// Files that it made the last time and does not make of this go. Where there are others that its patterns match, and that no
    /// other task has made, nothing is restored: nobody knows whose they are.
    ///
    /// # Errors
    ///
    /// When the table can't be written.
    pub fn restore(&self, begun: &mut Begun) -> io::Result<Option<Restored>> {
        let Some(cache) = &self.cache else {
            return Ok(None);
        };
        for inputs in self.inputs_of_results(begun, cache) {
            let key = self.result_key(begun, &inputs);
            let Some(paths) = cache::paths(cache, &key, begun.is_read) else {
                continue;
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
            begun.inputs = inputs;
            match self.made(begun) {
                // What can't be written down is restored again the next time.
                Ok(made) => drop(self.done(begun, &made, restored.values.clone())),
                Err(_) => return Ok(None),
            }
            return Ok(Some(restored));
        }
        Ok(None)
    }

    /// What a task may have read when results of it were kept: what it says, with each list of files that its commands have named.
    fn inputs_of_results(
        &self,
        begun: &Begun,
        cache: &dyn cache::Store,
    ) -> Vec<Vec<(Pattern, Key, Digest)>> {
        if begun.depfile.is_none() {
            return vec![begun.inputs.clone()];
        }
        let said = &begun.inputs[..begun.said];
        let lists = cache::named(cache, &self.result_key(begun, said));
        let with = |list: Vec<String>| {
            let paths = list
                .iter()
                .map(|path| walk::meant(path.as_bytes(), &self.root));
            let found = self.looked_at(&paths.collect::<Vec<_>>());
            [said, &found].concat()
        };
        lists.into_iter().rev().map(with).collect()
    }

    /// Which files a task made the last time, as they still are, that are not among these; `None` when there are others.
    fn made_before(&self, begun: &Begun, among: &HashSet<&[u8]>) -> Option<Vec<Vec<u8>>> {
        let table = self.table();
        let before: HashSet<(Vec<u8>, [u8; 32])> = claims::claimed_files(&table, begun.key)
            .map(|file| (file.path, file.content))
            .collect();
        let mut gone = Vec::new();
        for pattern in begun.outputs.iter().filter(|pattern| !pattern.is_of_one()) {
            for file in self.set(&table, sets::key(pattern, &self.root)).files {
                if among.contains(&file.path[..]) {
                    continue;
                }
                if before.contains(&(file.path.clone(), file.content)) {
                    gone.push(file.path);
                } else if self.others(&table, begun.key, &file.path).is_empty() {
                    return None;
                }
            }
        }
        Some(gone)
    }

    /// Keeps what a task has made in the cache, with what it printed and handed on; `refuse` says which files must not get
    /// there. Says whether it did: not where others may have made some of it.
    ///
    /// # Errors
    ///
    /// When the cache can't be written.
    pub fn keep_results(
        &self,
        begun: &Begun,
        done: &Done,
        output: Option<&[u8]>,
        values: Option<&[u8]>,
        refuse: Option<&dyn Fn(&Path) -> bool>,
    ) -> io::Result<bool> {
        let (Some(cache), true) = (&self.cache, done.sure) else {
            return Ok(false);
        };
        let folders = self.folders_of(begun, done);
        let files: Vec<cache::MadeFile<'_>> = done
            .files
            .iter()
            .map(|file| cache::MadeFile {
                path: &file.path,
                content: &file.content,
            })
            .collect();
        let key = self.result_key(begun, &done.inputs);
        let results = cache::Results {
            files: &files,
            folders: &folders,
            output,
            values,
        };
        let kept = cache::keep(cache, &key, &self.root, &results, refuse)?;
        if kept && begun.depfile.is_some() {
            let said = self.result_key(begun, &done.inputs[..begun.said]);
            let named: Option<Vec<String>> = done.inputs[begun.said..]
                .iter()
                .map(|(pattern, ..)| {
                    String::from_utf8(walk::kept(&pattern.named(), &self.root)).ok()
                })
                .collect();
            if let Some(named) = named {
                cache::add_named(cache, &said, named)?;
            }
        }
        Ok(kept)
    }

    /// The folders that are part of what a task has made: those that its patterns reach, as far as they hold something of it.
    fn folders_of(&self, begun: &Begun, done: &Done) -> Vec<Vec<u8>> {
        let mut folders: BTreeSet<Vec<u8>> = BTreeSet::new();
        for pattern in &begun.outputs {
            let start = match pattern.is_name() {
                true if !pattern.names_folder() => continue,
                true => pattern.named(),
                false => pattern.shape().start().to_owned(),
            };
            for file in &done.files {
                let path = walk::meant(&file.path, &self.root);
                let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|path| path.is_dir());
                let own = is_folder.then_some(path.as_path());
                let above = path.ancestors().skip(1).chain(own);
                let within = above.filter(|folder| {
                    folder.starts_with(&start)
                        && **folder != *pattern.folder
                        && **folder != self.root
                });
                folders.extend(within.map(|folder| walk::kept(folder, &self.root)));
            }
        }
        folders.into_iter().collect()
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
