//! Stores without a disk: one in memory, for tests, and one that keeps nothing, for `--no-record`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::{Error, Head, Journal, Kind, Store};
use crate::disk::Folder;
use crate::model::id::RunId;
use crate::model::time::Timestamp;

/// A store in memory; a clone is another handle on the same data.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    runs: BTreeMap<RunId, String>,
    owned: BTreeSet<RunId>,
    plans: BTreeMap<String, Vec<u8>>,
    heads: Vec<Head>,
    removed: Vec<(RunId, Option<Timestamp>)>,
}

impl Memory {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self, run: &RunId) -> Box<dyn Journal> {
        self.content().owned.insert(run.clone());
        Box::new(MemoryJournal {
            store: self.clone(),
            run: run.clone(),
        })
    }
}

impl Store for Memory {
    fn create(&self, run: &RunId) -> Result<Box<dyn Journal>, Error> {
        if self.content().runs.contains_key(run) {
            return Err(Error::new(Kind::Exists, format!("create run {run}")));
        }
        self.content().runs.insert(run.clone(), String::new());
        Ok(self.own(run))
    }

    fn open(&self, run: &RunId) -> Result<Box<dyn Journal>, Error> {
        self.read(run)?;
        if self.is_owned(run)? {
            return Err(Error::new(Kind::Owned, format!("take over run {run}")));
        }
        Ok(self.own(run))
    }

    fn bytes(&self, run: &RunId) -> Result<Vec<u8>, Error> {
        let missing = || Error::new(Kind::Missing, format!("find run {run}"));
        let content = self.content();
        let lines = content.runs.get(run).ok_or_else(missing)?;
        Ok(lines.clone().into_bytes())
    }

    fn edges(&self, run: &RunId) -> Result<Option<(String, String)>, Error> {
        let lines = self.read(run)?;
        let edges = lines.lines().next().zip(lines.lines().next_back());
        Ok(edges.map(|(first, last)| (first.to_owned(), last.to_owned())))
    }

    fn is_owned(&self, run: &RunId) -> Result<bool, Error> {
        self.read(run)?;
        Ok(self.content().owned.contains(run))
    }

    fn runs(&self) -> Result<Vec<RunId>, Error> {
        Ok(self.content().runs.keys().rev().cloned().collect())
    }

    fn put_plan(&self, hash: &str, text: &[u8]) -> Result<(), Error> {
        self.content()
            .plans
            .insert(hash.to_owned(), text.to_owned());
        Ok(())
    }

    fn plan(&self, hash: &str) -> Result<Vec<u8>, Error> {
        let missing = || Error::new(Kind::Missing, format!("find plan {hash}"));
        self.content().plans.get(hash).cloned().ok_or_else(missing)
    }

    fn remove(&self, run: &RunId, at: Timestamp) -> Result<u64, Error> {
        let lines = self.read(run)?;
        if self.is_owned(run)? {
            return Err(Error::new(Kind::Owned, format!("remove run {run}")));
        }
        let mut content = self.content();
        content.runs.remove(run);
        content.removed.push((run.clone(), Some(at)));
        content.heads.retain(|head| head.run != *run);
        Ok(lines.len() as u64)
    }

    fn removed(&self) -> Result<Vec<(RunId, Option<Timestamp>)>, Error> {
        Ok(self.content().removed.clone())
    }

    fn keep_plans(&self, hashes: &HashSet<String>, _: SystemTime) -> Result<(), Error> {
        self.content().plans.retain(|hash, _| hashes.contains(hash));
        Ok(())
    }

    fn heads(&self) -> Result<Vec<Head>, Error> {
        Ok(self.content().heads.clone())
    }
}

struct MemoryJournal {
    store: Memory,
    run: RunId,
}

impl Journal for MemoryJournal {
    fn append(&mut self, lines: &str) -> Result<(), Error> {
        self.store
            .content()
            .runs
            .entry(self.run.clone())
            .or_default()
            .push_str(lines);
        Ok(())
    }

    fn cut(&mut self, size: u64) -> Result<(), Error> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if let Some(lines) = self.store.content().runs.get_mut(&self.run) {
            lines.truncate(size);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn keep_head(&mut self, head: &Head) -> Result<(), Error> {
        self.store.content().heads.push(head.clone());
        Ok(())
    }

    fn discard(&mut self) -> Result<(), Error> {
        self.store.content().runs.remove(&self.run);
        Ok(())
    }

    fn logs(&self) -> Option<&Folder> {
        None
    }
}

impl Drop for MemoryJournal {
    fn drop(&mut self) {
        self.store.content().owned.remove(&self.run);
    }
}

/// A store that keeps nothing: every run is new, and gone at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Store for Nothing {
    fn create(&self, _: &RunId) -> Result<Box<dyn Journal>, Error> {
        Ok(Box::new(Self))
    }

    fn open(&self, run: &RunId) -> Result<Box<dyn Journal>, Error> {
        Err(Error::new(Kind::Missing, format!("find run {run}")))
    }

    fn bytes(&self, run: &RunId) -> Result<Vec<u8>, Error> {
        Err(Error::new(Kind::Missing, format!("find run {run}")))
    }

    fn edges(&self, run: &RunId) -> Result<Option<(String, String)>, Error> {
        Err(Error::new(Kind::Missing, format!("find run {run}")))
    }

    fn is_owned(&self, run: &RunId) -> Result<bool, Error> {
        Err(Error::new(Kind::Missing, format!("find run {run}")))
    }

    fn runs(&self) -> Result<Vec<RunId>, Error> {
        Ok(Vec::new())
    }

    fn put_plan(&self, _: &str, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn remove(&self, run: &RunId, _: Timestamp) -> Result<u64, Error> {
        Err(Error::new(Kind::Missing, format!("find run {run}")))
    }

    fn removed(&self) -> Result<Vec<(RunId, Option<Timestamp>)>, Error> {
        Ok(Vec::new())
    }

    fn keep_plans(&self, _: &HashSet<String>, _: SystemTime) -> Result<(), Error> {
        Ok(())
    }

    fn heads(&self) -> Result<Vec<Head>, Error> {
        Ok(Vec::new())
    }

    fn plan(&self, hash: &str) -> Result<Vec<u8>, Error> {
        Err(Error::new(Kind::Missing, format!("find plan {hash}")))
    }
}

impl Journal for Nothing {
    fn append(&mut self, _: &str) -> Result<(), Error> {
        Ok(())
    }

    fn cut(&mut self, _: u64) -> Result<(), Error> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn keep_head(&mut self, _: &Head) -> Result<(), Error> {
        Ok(())
    }

    fn discard(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn logs(&self) -> Option<&Folder> {
        None
    }
}
