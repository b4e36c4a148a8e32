//! Locks that tasks hold across all runs of a project: who has one, since when, and who waits for it.
//!
//! A lock has a file for each of its slots: whoever has that locked holds it, and what it holds says who that is. Somebody in the
//! queue has a file as well, which is locked as long as its process lives.
//!
//! The kernel frees a file when its process is gone, however that came; what such a file still says is who has died with it,
//! so that whoever comes next can end what it has left. Several locks are taken together or not at all, in the order of
//! arrival, so nobody waits for one while holding another and nobody is overtaken for ever. It knows no run and no task but
//! by name, and waits for nothing: whoever wants a lock asks again.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::disk::layout::WAITING;
use crate::disk::{self, Folder, How};
use crate::model::id::{NodeId, RunId};
use crate::model::time::Timestamp;

/// The locks of a project.
#[derive(Clone, Debug)]
pub struct Locks {
    folder: Folder,
}

/// A lock that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// How many may hold it at once.
    pub slots: u32,
}

/// Who wants locks, or holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The run.
    pub run: RunId,
    /// The node of the run that they are for; `None` for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The task, for people; `None` for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The process.
    pub pid: u32,
    /// The person who runs it.
    pub by: String,
}

/// What stands in the file of a lock that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The lock.
    #[serde(flatten)]
    pub lock: Wanted,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// Since when.
    pub since: Timestamp,
}

/// What stands in the file of somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// For what.
    pub locks: Vec<Wanted>,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// Since when.
    pub since: Timestamp,
}

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// The run of a process that died with it; what that has left is to be ended before the lock is relied on.
    pub left_by: Option<RunId>,
    file: File,
}

/// A place in the queue, as long as this lives.
#[derive(Debug)]
pub struct Place {
    folder: Folder,
    name: String,
    _file: File,
}

/// What comes of asking for locks.
#[derive(Debug)]
pub enum Taken {
    /// All of them.
    All(Vec<Held>),
    /// None of them, because of this one.
    None(Busy),
}

/// Why a lock can't be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The lock.
    pub name: String,
    /// Who holds it; nobody when it is free and others have asked before. Of several one.
    pub holder: Option<Holder>,
    /// How many have asked before.
    pub ahead: usize,
}

/// A lock that somebody holds or waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name and slots.
    pub lock: Wanted,
    /// Who holds it, the longest first.
    pub holders: Vec<Holder>,
    /// Who waits, the longest first.
    pub waiters: Vec<Waiter>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Given back in good order: nobody died with it.
        let _ = self.file.set_len(0);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.folder.remove(&self.name);
    }
}

impl Locks {
    /// The locks in this folder; it is made when one is first taken.
    pub fn new(folder: impl Into<Folder>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    fn waiting_folder(&self) -> Folder {
        self.folder.below(WAITING)
    }

    /// Takes all of these locks, or none when one of them can't be had at the moment; of a name as many slots as it stands there.
    ///
    /// # Errors
    ///
    /// When the folder can't be read or written.
    pub fn take(
        &self,
        wanted: &[Wanted],
        who: &Who,
        now: Timestamp,
        place: Option<&Place>,
    ) -> io::Result<Taken> {
        let mut wanted = wanted.to_vec();
        wanted.sort();
        let ahead: Vec<Waiter> = self
            .waiting(place)?
            .into_iter()
            .map(|(_, one)| one)
            .collect();
        let mut all = Vec::with_capacity(wanted.len());
        for lock in &wanted {
            let before = |one: &&Waiter| one.locks.iter().any(|other| other.name == lock.name);
            let ahead = ahead.iter().filter(before).count();
            let slot = if ahead == 0 { self.slot(lock)? } else { None };
            let Some(file) = slot else {
                // What was taken before is given back as it was found.
                all.into_iter().for_each(untouched);
                return Ok(Taken::None(Busy {
                    name: lock.name.clone(),
                    holder: self.holders(lock)?.into_iter().next(),
                    ahead,
                }));
            };
            all.push((lock, file));
        }
        let all: io::Result<Vec<Held>> = all
            .into_iter()
            .map(|(lock, file)| {
                // What says nothing that can be read is nobody's.
                let before = disk::whole(&file, BYTES_MAX).unwrap_or_default();
                let before = serde_json::from_slice::<Holder>(&before).ok();
                let holder = Holder {
                    lock: lock.clone(),
                    who: who.clone(),
                    since: now,
                };
                let text = serde_json::to_vec(&holder)?;
                file.set_len(0)?;
                file.write_all_at(&text, 0)?;
                Ok(Held {
                    name: lock.name.clone(),
                    left_by: before.map(|before| before.who.run),
                    file,
                })
            })
            .collect();
        all.map(Taken::All)
    }

    /// A place at the end of the queue for these locks.
    ///
    /// # Errors
    ///
    /// When the folder can't be written.
    pub fn queue(&self, wanted: &[Wanted], who: &Who, now: Timestamp) -> io::Result<Place> {
        let folder = self.waiting_folder();
        folder.make()?;
        let node = who.node.map_or("run".to_owned(), |node| node.to_string());
        let since = now.as_micros();
        let name = format!("{since:020}.{}.{node}", who.run);
        let draft = format!(".{name}");
        let waiter = Waiter {
            locks: wanted.to_vec(),
            who: who.clone(),
            since: now,
        };
        let file = folder.open(&draft, How::Make)?;
        let text = serde_json::to_vec(&waiter)?;
        // Locked before it can be seen: whoever sees one that is not takes its process for dead.
        file.lock()
            .and_then(|()| file.write_all_at(&text, 0))
            .and_then(|()| folder.rename(&draft, &name))
            .inspect_err(|_| {
                let _ = folder.remove(&draft);
            })?;
        Ok(Place {
            folder,
            name,
            _file: file,
        })
    }

    /// All locks that somebody holds or waits for, by name.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    pub fn list(&self) -> io::Result<Vec<Listed>> {
        let mut all: Vec<Listed> = Vec::new();
        let at = |all: &mut Vec<Listed>, lock: &Wanted| {
            let known = all.iter().position(|one| one.lock.name == lock.name);
            known.unwrap_or_else(|| {
                all.push(Listed {
                    lock: lock.clone(),
                    holders: Vec::new(),
                    waiters: Vec::new(),
                });
                all.len() - 1
            })
        };
        for name in files(&self.folder)? {
            if let Some(holder) = read_locked::<Holder>(&self.folder, &name)? {
                let at = at(&mut all, &holder.lock);
                all[at].holders.push(holder);
            }
        }
        for (_, waiter) in self.waiting(None)? {
            for lock in &waiter.locks {
                let at = at(&mut all, lock);
                all[at].waiters.push(waiter.clone());
            }
        }
        for one in &mut all {
            one.holders.sort_by_key(|holder| holder.since);
        }
        all.sort_by(|one, other| one.lock.cmp(&other.lock));
        Ok(all)
    }

    /// A free slot of a lock, which is ours now.
    fn slot(&self, lock: &Wanted) -> io::Result<Option<File>> {
        for slot in 0..lock.slots {
            let name = file_name(&lock.name, slot);
            let file = self.folder.open_made(&name, How::Make)?;
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Who holds a lock, the longest first.
    fn holders(&self, lock: &Wanted) -> io::Result<Vec<Holder>> {
        let mut holders = Vec::new();
        for slot in 0..lock.slots {
            let name = file_name(&lock.name, slot);
            holders.extend(read_locked::<Holder>(&self.folder, &name)?);
        }
        holders.sort_by_key(|holder| holder.since);
        Ok(holders)
    }

    /// Who waits before a place, or at all, the longest first; of those whose process is gone nothing is left.
    fn waiting(&self, before: Option<&Place>) -> io::Result<Vec<(String, Waiter)>> {
        let folder = self.waiting_folder();
        let mut all = files(&folder)?;
        all.sort_unstable();
        let ahead = all
            .into_iter()
            .take_while(|name| before.is_none_or(|place| *name < place.name));
        let mut waiters = Vec::new();
        for name in ahead {
            match read_locked::<Waiter>(&folder, &name)? {
                Some(waiter) => waiters.push((name, waiter)),
                None => {
                    let _ = folder.remove(&name);
                }
            }
        }
        Ok(waiters)
    }
}

/// The name of the file of a slot.
fn file_name(lock: &str, slot: u32) -> String {
    format!("{}.{slot}", blake3::hash(lock.as_bytes()).to_hex())
}

/// Gives a file back that was not written to.
fn untouched((_, file): (&Wanted, File)) {
    drop(file);
}

/// What a file says that a living process has locked; `None` when there is none.
fn read_locked<T: for<'a> Deserialize<'a>>(folder: &Folder, name: &str) -> io::Result<Option<T>> {
    let file = match folder.open(name, How::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let text = disk::whole(&file, BYTES_MAX)?;
    // One that is just being taken does not say yet whose it is.
    Ok(serde_json::from_slice(&text).ok())
}

/// The names of the files of a folder, without drafts; none when there is no such folder.
fn files(folder: &Folder) -> io::Result<Vec<String>> {
    let mut names = folder.names()?;
    names.retain(|name| !name.starts_with('.') && folder.seen(name).is_ok_and(|seen| seen.is_file));
    Ok(names)
}

/// What is written in such a file is not longer, in bytes.
const BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn who(run: &str) -> Who {
        Who {
            run: RunId::parse(run).expect("an id"),
            node: None,
            task: None,
            pid: std::process::id(),
            by: "ann".to_owned(),
        }
    }

    fn named(name: &str, slots: u32) -> Wanted {
        Wanted {
            name: name.to_owned(),
            slots,
        }
    }

    /// Another test may be starting a process, which has all files for the moment until its `exec`.
    fn taken(take: impl Fn() -> io::Result<Taken>) -> Vec<Held> {
        for _ in 0..1000 {
            match take().expect("works") {
                Taken::All(held) => return held,
                Taken::None(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
        }
        panic!("it can't be taken");
    }

    fn busy(taken: Taken) -> Busy {
        match taken {
            Taken::None(busy) => busy,
            Taken::All(_) => panic!("it was to be taken"),
        }
    }

    const NOW: Timestamp = Timestamp::from_micros(0);

    #[test]
    fn all_or_none_are_taken_and_the_holder_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let locks = Locks::new(folder.path().join("locks"));
        let (a, b) = (named("a", 1), named("b", 1));
        let first = taken(|| locks.take(std::slice::from_ref(&b), &who("r1"), NOW, None));
        let refused = busy(
            locks
                .take(&[b.clone(), a.clone()], &who("r2"), NOW, None)
                .expect("works"),
        );
        assert_eq!(refused.name, "b");
        assert_eq!(refused.holder.map(|holder| holder.who), Some(who("r1")));
        // Nothing of the attempt is left.
        let second = taken(|| locks.take(std::slice::from_ref(&a), &who("r3"), NOW, None));
        assert!(
            second
                .iter()
                .chain(&first)
                .all(|held| held.left_by.is_none())
        );
        drop(first);
        taken(|| locks.take(std::slice::from_ref(&b), &who("r2"), NOW, None));
    }

    #[test]
    fn as_many_hold_one_as_it_has_slots() {
        let folder = tempfile::tempdir().expect("a folder");
        let locks = Locks::new(folder.path());
        let lock = [named("pool", 3)];
        let twice = [named("pool", 3), named("pool", 3)];
        let both = taken(|| locks.take(&twice, &who("r0"), NOW, None));
        assert_eq!(both.len(), 2);
        busy(locks.take(&twice, &who("r4"), NOW, None).expect("works"));
        drop(both);
        let held: Vec<_> = ["r1", "r2", "r3"]
            .map(|run| taken(|| locks.take(&lock, &who(run), NOW, None)))
            .into();
        busy(locks.take(&lock, &who("r4"), NOW, None).expect("works"));
        let listed = locks.list().expect("works");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].holders.len(), 3);
        drop(held);
        assert_eq!(locks.list().expect("works"), []);
    }

    #[test]
    fn nobody_is_overtaken() {
        let folder = tempfile::tempdir().expect("a folder");
        let locks = Locks::new(folder.path());
        let (a, b) = (named("a", 1), named("b", 1));
        let held = taken(|| locks.take(std::slice::from_ref(&a), &who("r1"), NOW, None));
        let both = [a.clone(), b.clone()];
        let first = locks.queue(&both, &who("r2"), NOW).expect("works");
        let later = NOW.plus(std::time::Duration::from_micros(5));
        let second = locks
            .queue(std::slice::from_ref(&b), &who("r3"), later)
            .expect("works");
        // It is free, but somebody has asked before.
        let refused = busy(
            locks
                .take(std::slice::from_ref(&b), &who("r3"), NOW, Some(&second))
                .expect("works"),
        );
        assert_eq!((refused.holder, refused.ahead), (None, 1));
        let refused = busy(
            locks
                .take(std::slice::from_ref(&b), &who("r4"), NOW, None)
                .expect("works"),
        );
        assert_eq!(refused.ahead, 2);
        let waiting: Vec<_> = locks.list().expect("works")[1]
            .waiters
            .iter()
            .map(|waiter| waiter.who.run.to_string())
            .collect();
        assert_eq!(waiting, ["r2", "r3"]);
        drop(held);
        let both = taken(|| locks.take(&both, &who("r2"), NOW, Some(&first)));
        drop((first, both));
        taken(|| locks.take(std::slice::from_ref(&b), &who("r3"), NOW, Some(&second)));
    }

    #[test]
    fn what_the_dead_leave_is_free_and_says_whose_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let locks = Locks::new(folder.path());
        let lock = named("a", 1);
        let held = taken(|| locks.take(std::slice::from_ref(&lock), &who("dead"), NOW, None));
        let name = file_name("a", 0);
        let text = locks.folder.read(&name, BYTES_MAX).expect("it is there");
        drop(held);
        std::fs::write(locks.folder.path_of(&name), text).expect("can be written");
        let place = locks.waiting_folder();
        place.make().expect("can be made");
        let dead = place.path_of("00000000000000000000.dead.run");
        std::fs::write(dead, "{").expect("can be written");
        let held = taken(|| locks.take(std::slice::from_ref(&lock), &who("r1"), NOW, None));
        assert_eq!(held[0].left_by.as_ref().map(RunId::as_str), Some("dead"));
        assert_eq!(files(&place).expect("works"), Vec::<String>::new());
    }
}
