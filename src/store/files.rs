//! Runs as files in a `.flow` folder: an append-only facts file a run, its output beside it, plans by their hash.
//!
//! What lies where says [`crate::disk::layout`].
//!
//! Names in these paths are ids, numbers and hashes, never a user's words. A line is written by one call; what a crash
//! or a full disk leaves of a write without its line's end is cut when the run is next taken over, and skipped by readers.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io::{BufReader, Cursor, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::heads::Heads;
use super::request::Request;
use super::{Changes, Error, Head, Journal, Kind, Store, bounded, packed, signature, whole_lines};
use crate::disk::key::KeyFile;
use crate::disk::layout::{GITIGNORE, LOGS, PLANS, PRUNED, RUNS, SIGNING_KEY, TRASH};
use crate::disk::{Folder, How};
use crate::model::id::RunId;
use crate::model::time::Timestamp;

/// The store of a `.flow` folder.
#[derive(Clone, Debug)]
pub struct Files {
    root: Folder,
    runs: Folder,
    logs: Folder,
    plans: Folder,
    key: KeyFile,
}

impl Files {
    /// The store in this folder; it is made when something is first written.
    pub fn new(root: impl Into<Folder>) -> Self {
        let root = root.into();
        Self {
            runs: root.below(RUNS),
            logs: root.below(LOGS),
            plans: root.below(PLANS),
            key: KeyFile::Own(root.clone(), SIGNING_KEY),
            root,
        }
    }

    /// The same, with the key in this file.
    #[must_use]
    pub fn signed_with(self, key: PathBuf) -> Self {
        let key = KeyFile::Named(key);
        Self { key, ..self }
    }

    /// Its folder.
    pub fn root(&self) -> &Folder {
        &self.root
    }

    /// Where the key is that records are signed with, if there is one.
    pub fn signing_key(&self) -> &KeyFile {
        &self.key
    }

    /// Where the record of a run is, packed or not.
    pub fn path_of(&self, run: &RunId) -> PathBuf {
        let facts = facts(run);
        match self.is_archived(run) {
            true => self.runs.path_of(&packed::beside(&facts)),
            false => self.runs.path_of(&facts),
        }
    }

    /// The folder of the output of all runs.
    pub fn logs(&self) -> &Folder {
        &self.logs
    }

    fn heads_list(&self) -> Heads {
        Heads::of(self.root.clone())
    }

    /// Sees to it that its folders are there.
    ///
    /// # Errors
    ///
    /// When they can't be made.
    pub fn make_folders(&self) -> Result<(), Error> {
        for folder in [&self.runs, &self.plans, &self.logs] {
            folder
                .make()
                .map_err(|error| Error::io("make the folder", folder.path(), error))?;
        }
        let written = match self.root.open(GITIGNORE, How::New) {
            Ok(mut file) => file.write_all(b"*\n"),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        };
        written.map_err(|error| Error::io("write", &self.root.path_of(GITIGNORE), error))
    }

    fn own(&self, run: &RunId, file: File) -> Result<FileJournal, Error> {
        for _ in 0..LOOKS_MAX {
            match file.try_lock() {
                Ok(()) => return Ok(self.journal(run, file)),
                Err(TryLockError::WouldBlock) if is_only_looked_at(&file) => {
                    std::thread::sleep(LOOK)
                }
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => {
                    return Err(Error::io("lock the record", &self.facts(run), error));
                }
            }
        }
        Err(Error::new(Kind::Owned, format!("take over run {run}")))
    }

    /// Takes a record that is there. One that was replaced while it was waited for is not the one that was opened.
    fn take(&self, run: &RunId) -> Result<FileJournal, Error> {
        loop {
            let journal = self.own(run, self.existing(run, How::Append)?)?;
            if journal.is_at_its_path()? {
                return Ok(journal);
            }
        }
    }

    /// The right to a record in whichever form it is, for one who removes it; it ends when this is dropped.
    fn hold(&self, run: &RunId) -> Result<Held, Error> {
        match self.take(run) {
            Err(error) if error.kind == Kind::Missing => {}
            taken => return Ok(Held::Plain(Box::new(taken?))),
        }
        // Whoever unpacks it holds the packed file.
        let name = packed::beside(&facts(run));
        let path = self.runs.path_of(&name);
        let file = packed::existing(&self.runs, &name)
            .map_err(|error| Error::io("open the record", &path, error))?
            .ok_or_else(|| Error::new(Kind::Missing, format!("find run {run}")))?;
        match file.try_lock() {
            Ok(()) if !self.is_plain(run) => Ok(Held::Packed(file)),
            Ok(()) | Err(TryLockError::WouldBlock) => {
                Err(Error::new(Kind::Owned, format!("remove run {run}")))
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock the record", &path, error)),
        }
    }

    /// All of a record, packed or not.
    fn stored(&self, run: &RunId) -> Result<(Vec<u8>, PathBuf), Error> {
        let name = facts(run);
        let path = self.runs.path_of(&name);
        let trouble = |error| Error::io("read the record", &path, error);
        let opened = |name: &str| packed::existing(&self.runs, name).map_err(trouble);
        let beside = packed::beside(&name);
        let plain = match opened(&name)? {
            Some(file) => Some(file),
            None => match opened(&beside)? {
                Some(file) => {
                    let size = file.metadata().map_err(trouble)?.len();
                    let unpacked = flate2::read::GzDecoder::new(BufReader::new(file));
                    let bytes = bounded::read(unpacked, Some(size));
                    let path = self.runs.path_of(&beside);
                    let bytes = bytes.map_err(|error| broken(error, &path, "unpack the record"))?;
                    return Ok((bytes, path));
                }
                // It may have been unpacked in between.
                None => opened(&name)?,
            },
        };
        let file = plain.ok_or_else(|| Error::new(Kind::Missing, format!("find run {run}")))?;
        let bytes = bounded::read(file, None);
        let bytes = bytes.map_err(|error| broken(error, &path, "read the record"))?;
        Ok((bytes, path))
    }

    /// Removes a run, or moves it to a folder; how much room it took, in bytes.
    fn take_away(&self, run: &RunId, at: Timestamp, trash: Option<&Folder>) -> Result<u64, Error> {
        // Nobody goes on with it or packs it in between.
        let _ours = self.hold(run)?;
        // Said first: a record that is gone for no reason is what `verify` tells of.
        self.heads_list().remove(run, at)?;
        let done = |done: std::io::Result<()>, path: PathBuf| match done {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove", &path, error))
            }
            _ => Ok(()),
        };
        let mut size = 0;
        let facts = facts(run);
        for name in [packed::beside(&facts), facts] {
            size += self.runs.seen(&name).map_or(0, |file| file.size);
            let removed = match trash {
                Some(trash) => self.runs.move_to(&name, trash),
                None => self.runs.remove(&name),
            };
            done(removed, self.runs.path_of(&name))?;
        }
        let logs = self.logs.below(run.as_str());
        let names = logs.names().unwrap_or_default();
        let sizes = names
            .iter()
            .filter_map(|name| Some(logs.seen(name).ok()?.size));
        let size = size + sizes.sum::<u64>();
        let removed = match trash {
            Some(trash) => self.logs.move_to(run.as_str(), trash),
            None => self.logs.remove_all(run.as_str()),
        };
        done(removed, logs.path().to_owned())?;
        Ok(size)
    }

    /// Puts the runs in a folder of the trash back in their places.
    fn bring_back(&self, trash: &Folder) -> Result<(), Error> {
        let trouble = |error| Error::io("bring back runs from", trash.path(), error);
        for name in trash.names().map_err(trouble)? {
            let record = name.strip_suffix(".gz").unwrap_or(&name);
            let record = record.strip_suffix(".facts").and_then(RunId::parse);
            let Some(run) = record else { continue };
            // Its output first: as long as its record is not there, it is to be brought back still.
            for (name, folder) in [(run.as_str(), &self.logs), (&name, &self.runs)] {
                match trash.move_to(name, folder) {
                    Err(error)
                        if !matches!(
                            error.kind(),
                            ErrorKind::NotFound | ErrorKind::AlreadyExists
                        ) =>
                    {
                        return Err(trouble(error));
                    }
                    _ => {}
                }
            }
            self.heads_list().restore(&run)?;
        }
        Ok(())
    }

    fn facts(&self, run: &RunId) -> PathBuf {
        self.runs.path_of(&facts(run))
    }

    fn is_plain(&self, run: &RunId) -> bool {
        self.runs.seen(&facts(run)).is_ok()
    }

    fn is_packed(&self, run: &RunId) -> bool {
        self.runs.seen(&packed::beside(&facts(run))).is_ok()
    }

    fn journal(&self, run: &RunId, file: File) -> FileJournal {
        FileJournal {
            file,
            run: run.clone(),
            runs: self.runs.clone(),
            logs: self.logs.below(run.as_str()),
            heads: self.heads_list(),
            key: self.key.clone(),
            listens: false,
        }
    }

    fn existing(&self, run: &RunId, how: How) -> Result<File, Error> {
        let name = facts(run);
        self.runs
            .open(&name, how)
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::new(Kind::Missing, format!("find run {run}")),
                _ => Error::io("open the record", &self.runs.path_of(&name), error),
            })
    }
}

/// The name of the record of a run.
fn facts(run: &RunId) -> String {
    format!("{run}.facts")
}

/// The name of the pipe to the process that works on a run.
fn requests(run: &RunId) -> String {
    format!("{run}.requests")
}

/// The name of the file with a plan; a hash comes from records, and is nothing but digits.
fn plan_file(hash: &str) -> Option<String> {
    let is_hash = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| format!("{hash}.json"))
}

/// Trouble with a record, which may be due to what is in it.
fn broken(error: std::io::Error, path: &std::path::Path, doing: &str) -> Error {
    let of_content = matches!(
        error.kind(),
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof
    );
    if !of_content {
        return Error::io(doing, path, error);
    }
    Error {
        path: Some(path.to_owned()),
        cause: Some(error),
        ..Error::new(Kind::Damaged, doing)
    }
}

impl Store for Files {
    fn create(&self, run: &RunId) -> Result<Box<dyn Journal>, Error> {
        let name = facts(run);
        // Said before it is there: whoever follows the list misses no run, however soon it is killed.
        if !self.heads_list().begun(run)? {
            self.make_folders()?;
            self.heads_list().begun(run)?;
        }
        let mut made = self.runs.open(&name, How::New);
        if made
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            self.make_folders()?;
            made = self.runs.open(&name, How::New);
        }
        match made {
            Ok(file) => {
                let journal = self.own(run, file)?;
                // Between the two, somebody else may have taken it over, and have ended.
                if journal.is_as_created()? {
                    Ok(Box::new(journal))
                } else {
                    Err(Error::new(Kind::Exists, format!("create run {run}")))
                }
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(Error::new(Kind::Exists, format!("create run {run}")))
            }
            Err(error) => Err(Error::io("begin a record", &self.facts(run), error)),
        }
    }

    fn open(&self, run: &RunId) -> Result<Box<dyn Journal>, Error> {
        packed::unpack(&self.runs, &facts(run))
            .map_err(|error| broken(error, &self.facts(run), "unpack the record"))?;
        let journal = self.take(run)?;
        // The pipe of a dead process, if it has left one.
        let _ = self.runs.remove(&requests(run));
        Ok(Box::new(journal))
    }

    fn bytes(&self, run: &RunId) -> Result<Vec<u8>, Error> {
        self.stored(run).map(|(bytes, _)| bytes)
    }

    fn read(&self, run: &RunId) -> Result<String, Error> {
        let (mut bytes, path) = self.stored(run)?;
        bytes.truncate(whole_lines(&bytes));
        String::from_utf8(bytes).map_err(|_| Error {
            path: Some(path),
            ..Error::new(Kind::Damaged, "read the record as text")
        })
    }

    fn edges(&self, run: &RunId) -> Result<Option<(String, String)>, Error> {
        let doing = "read the record";
        match self.existing(run, How::Read) {
            Ok(mut file) => {
                edges(&mut file).map_err(|error| broken(error, &self.facts(run), doing))
            }
            Err(error) if error.kind == Kind::Missing => {
                let (bytes, path) = self.stored(run)?;
                edges(&mut Cursor::new(bytes)).map_err(|error| broken(error, &path, doing))
            }
            Err(error) => Err(error),
        }
    }

    fn is_owned(&self, run: &RunId) -> Result<bool, Error> {
        let file = match self.existing(run, How::Read) {
            // Nobody works on what was archived.
            Err(error) if error.kind == Kind::Missing && self.is_packed(run) => return Ok(false),
            existing => existing?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => {
                Err(Error::io("look at the lock of", &self.facts(run), error))
            }
        }
    }

    fn runs(&self) -> Result<Vec<RunId>, Error> {
        let names = self.runs.names();
        let names = names.map_err(|error| Error::io("read", self.runs.path(), error))?;
        let id = |name: &String| {
            RunId::parse(
                name.strip_suffix(".gz")
                    .unwrap_or(name)
                    .strip_suffix(".facts")?,
            )
        };
        let mut runs: Vec<RunId> = names.iter().filter_map(id).collect();
        runs.sort_unstable_by(|one, other| other.cmp(one));
        // One that is just being packed is there twice.
        runs.dedup();
        Ok(runs)
    }

    fn check(&self) -> Result<(), Error> {
        signature::key(&self.key).map(drop)
    }

    fn changes(&self, cursor: Option<&str>) -> Result<Changes, Error> {
        self.heads_list().changes(cursor, || self.runs())
    }

    fn put_plan(&self, hash: &str, text: &[u8]) -> Result<(), Error> {
        let name = plan_file(hash).ok_or_else(|| no_hash(hash))?;
        // It is in use from now on, whoever looks for plans that are not.
        if self.plans.touch(&name).is_ok() {
            return Ok(());
        }
        let mut written = self.plans.replace(&name, text);
        if written
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            self.make_folders()?;
            written = self.plans.replace(&name, text);
        }
        written.map_err(|error| Error::io("keep the plan", &self.plans.path_of(&name), error))
    }

    fn sync_plan(&self, hash: &str) -> Result<(), Error> {
        let name = plan_file(hash).ok_or_else(|| no_hash(hash))?;
        let plan = self.plans.path_of(&name);
        let synced = self.plans.open(&name, How::Read);
        synced
            .and_then(|file| file.sync_all())
            .map_err(|error| Error::io("sync the plan", &plan, error))?;
        // A name is on the disk when its folder is; the folders may be new, too.
        for folder in [&self.plans, &self.runs, &self.root] {
            folder
                .sync()
                .map_err(|error| Error::io("sync the plan", folder.path(), error))?;
        }
        let synced = self.root.sync_above();
        synced.map_err(|error| Error::io("sync the plan", self.root.path(), error))
    }

    fn remove(&self, run: &RunId, at: Timestamp) -> Result<u64, Error> {
        self.take_away(run, at, None)
    }

    fn set_aside(&self, run: &RunId, at: Timestamp) -> Result<u64, Error> {
        let seconds = at.as_micros().div_euclid(1_000_000).max(0);
        let trash = self.root.below(TRASH).below(&seconds.to_string());
        trash
            .make()
            .map_err(|error| Error::io("make the folder", trash.path(), error))?;
        self.take_away(run, at, Some(&trash))
    }

    fn empty_trash(&self, now: Timestamp, after: Duration) -> Result<bool, Error> {
        let mut emptied = false;
        let trash = self.root.below(TRASH);
        let trouble = |doing, error| Error::io(doing, trash.path(), error);
        for name in trash.names().map_err(|error| trouble("read", error))? {
            let seconds = name
                .parse::<i64>()
                .ok()
                .and_then(|seconds| seconds.checked_mul(1_000_000));
            let Some(at) = seconds.map(Timestamp::from_micros) else {
                continue;
            };
            if at > now {
                self.bring_back(&trash.below(&name))?;
            } else if now.since(at) < after {
                continue;
            } else {
                emptied = true;
            }
            match trash.remove_all(&name) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(trouble("empty", error));
                }
                _ => {}
            }
        }
        Ok(emptied)
    }

    fn removed(&self) -> Result<Vec<(RunId, Option<Timestamp>)>, Error> {
        self.heads_list().removed()
    }

    fn heads_of(&self, run: &RunId) -> Result<Vec<Head>, Error> {
        self.heads_list().of_run(run)
    }

    fn stamp(&self, run: &RunId) -> Option<String> {
        let facts = facts(run);
        let file = self.runs.seen(&facts);
        let file = file.or_else(|_| self.runs.seen(&packed::beside(&facts)));
        let file = file.ok()?;
        let (seconds, nanoseconds) = file.changed;
        Some(format!("{} {seconds}.{nanoseconds}", file.size))
    }

    fn keep_plans(&self, hashes: &HashSet<String>, now: SystemTime) -> Result<(), Error> {
        let trash = self.root.below(TRASH).names();
        if !trash.is_ok_and(|names| names.is_empty()) {
            return Ok(());
        }
        let names = self.plans.names();
        let names = names.map_err(|error| Error::io("read", self.plans.path(), error))?;
        for name in names {
            let hash = name.strip_suffix(".json");
            let is_idle = || {
                let seen = self.plans.seen(&name);
                seen.is_ok_and(|seen| seen.age(now).is_some_and(|age| age > PLAN_IDLE))
            };
            if !hash.is_some_and(|hash| hashes.contains(hash)) && is_idle() {
                // Somebody else may have removed it.
                let _ = self.plans.remove(&name);
            }
        }
        Ok(())
    }

    fn is_pruning_due(&self, now: SystemTime, every: Duration) -> Result<bool, Error> {
        let last = self.root.seen(PRUNED);
        // A clock that was set back makes it wait a day, and not for ever.
        let due = last.map_or(true, |last| last.age(now).is_none_or(|age| age >= every));
        if due {
            let written = self.root.replace(PRUNED, b"");
            written.map_err(|error| Error::io("write", &self.root.path_of(PRUNED), error))?;
        }
        Ok(due)
    }

    fn logs_of(&self, run: &RunId) -> Option<Folder> {
        Some(self.logs.below(run.as_str()))
    }

    fn log(&self, run: &RunId, file: &str, from: u64) -> Result<Option<Box<dyn Read>>, Error> {
        let logs = self.logs.below(run.as_str());
        let opened = packed::open(&logs, file, from);
        opened.map_err(|error| Error::io("read", &logs.path_of(file), error))
    }

    fn is_archived(&self, run: &RunId) -> bool {
        !self.is_plain(run) && self.is_packed(run)
    }

    fn archive(&self, run: &RunId) -> Result<Option<(u64, u64)>, Error> {
        if self.is_archived(run) {
            return Ok(None);
        }
        let journal = self.take(run)?;
        let (mut before, mut after) = (0, 0);
        let mut pack = |folder: &Folder, name: &str| -> Result<(), Error> {
            let (had, has) = packed::pack(folder, name)
                .map_err(|error| Error::io("archive", &folder.path_of(name), error))?;
            (before, after) = (before + had, after + has);
            Ok(())
        };
        let names = journal.logs.names();
        let names = names.map_err(|error| Error::io("read", journal.logs.path(), error))?;
        for name in names.iter().filter(|name| name.ends_with(".log")) {
            pack(&journal.logs, name)?;
        }
        // The record last: as long as it is plain, there may be something left to do.
        pack(&self.runs, &facts(run))?;
        Ok(Some((before, after)))
    }

    fn send(&self, run: &RunId, request: &Request) -> Result<(), Error> {
        let name = requests(run);
        // Whatever else lies there, nothing is written to it.
        let pipe = self.runs.open_pipe(&name, false);
        let sent = pipe.and_then(|mut pipe| pipe.write_all(request.line().as_bytes()));
        sent.map_err(|error| match error.kind() {
            // Nobody has opened the other end.
            ErrorKind::PermissionDenied | ErrorKind::StorageFull => {
                Error::io("write to", &self.runs.path_of(&name), error)
            }
            _ => Error::new(Kind::Missing, format!("reach the process of run {run}")),
        })
    }

    fn heads(&self) -> Result<Vec<Head>, Error> {
        self.heads_list().all()
    }

    fn plan(&self, hash: &str) -> Result<Vec<u8>, Error> {
        let name = plan_file(hash).ok_or_else(|| no_hash(hash))?;
        let read = self.plans.read(&name, PLAN_BYTES_MAX);
        read.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(Kind::Missing, format!("find plan {hash}")),
            _ => Error::io("read the plan", &self.plans.path_of(&name), error),
        })
    }
}

fn no_hash(hash: &str) -> Error {
    Error::new(
        Kind::Damaged,
        format!("find a plan by {hash:?}, which is no hash"),
    )
}

/// No plan is larger, in bytes: some million tasks.
const PLAN_BYTES_MAX: u64 = 1 << 30;
/// How long a plan is kept that no run names: that long a run may take from putting it down to its first fact.
const PLAN_IDLE: Duration = Duration::from_secs(60 * 60);

/// Whoever looks whether a run is owned holds a shared lock for a moment; that long an owner waits, and so often.
const LOOK: std::time::Duration = std::time::Duration::from_millis(1);
const LOOKS_MAX: u32 = 1000;

/// Whether a lock that is in the way is none of an owner's.
fn is_only_looked_at(file: &File) -> bool {
    file.try_lock_shared().is_ok() && file.unlock().is_ok()
}

fn edges<F: Read + Seek>(file: &mut F) -> std::io::Result<Option<(String, String)>> {
    let Some(first) = bounded::first_line(file)? else {
        return Ok(None);
    };
    let last = bounded::last_line(file)?;
    Ok(Some((first, last)))
}

/// A record that nobody else works on, as long as this lives.
#[expect(dead_code, reason = "what it holds is the lock")]
enum Held {
    Plain(Box<FileJournal>),
    Packed(File),
}

struct FileJournal {
    file: File,
    run: RunId,
    runs: Folder,
    logs: Folder,
    heads: Heads,
    key: KeyFile,
    /// There is a pipe for requests, which is ours.
    listens: bool,
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        if self.listens {
            // What is left of it is removed by whoever listens next.
            let _ = self.runs.remove(&requests(&self.run));
        }
    }
}

impl FileJournal {
    /// Whether nothing has been written to the record, and it is the one at its path.
    fn is_as_created(&self) -> Result<bool, Error> {
        let ours = self.file.metadata();
        let ours = ours.map_err(|error| self.trouble("look at", error))?;
        Ok(ours.len() == 0 && self.is_at_its_path()?)
    }

    fn is_at_its_path(&self) -> Result<bool, Error> {
        let ours = self.file.metadata();
        let ours = ours.map_err(|error| self.trouble("look at", error))?;
        match self.runs.seen(&facts(&self.run)) {
            Ok(there) => Ok(there.inode == ours.ino()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.trouble("look at", error)),
        }
    }

    fn trouble(&self, doing: &str, error: std::io::Error) -> Error {
        Error::io(doing, &self.path(), error)
    }

    fn path(&self) -> PathBuf {
        self.runs.path_of(&facts(&self.run))
    }
}

impl Journal for FileJournal {
    fn append(&mut self, lines: &str) -> Result<(), Error> {
        self.file
            .write_all(lines.as_bytes())
            .map_err(|error| self.trouble("write the record", error))
    }

    fn cut(&mut self, size: u64) -> Result<(), Error> {
        self.file
            .set_len(size)
            .map_err(|error| self.trouble("mend the record", error))
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.file
            .sync_data()
            .map_err(|error| self.trouble("sync the record", error))
    }

    fn logs(&self) -> Option<&Folder> {
        Some(&self.logs)
    }

    fn listen(&mut self) -> Result<Option<File>, Error> {
        let name = requests(&self.run);
        let trouble = |error| Error::io("make a pipe at", &self.runs.path_of(&name), error);
        // One that a dead process has left is as good, but who knows what else it is.
        let _ = self.runs.remove(&name);
        self.runs.make_pipe(&name).map_err(trouble)?;
        // Open for writing too, so that it does not end when the first who asks is gone.
        let pipe = self.runs.open_pipe(&name, true).map_err(trouble)?;
        self.listens = true;
        Ok(Some(pipe))
    }

    fn keep_head(&mut self, head: &Head) -> Result<(), Error> {
        // A task may have removed the folder: nothing of the run is left then.
        if !self.is_at_its_path()? {
            let doing = format!(
                "keep the record of run {}: it is gone; something has removed it while the run went on",
                head.run
            );
            return Err(Error {
                path: Some(self.path()),
                ..Error::new(Kind::Damaged, doing)
            });
        }
        let key = signature::key(&self.key)?;
        let signature = key.map(|key| signature::sign(&key, head));
        self.heads.ended(&Head {
            signature,
            ..head.clone()
        })
    }

    fn discard(&mut self) -> Result<(), Error> {
        let removed = self.runs.remove(&facts(&self.run));
        removed.map_err(|error| self.trouble("drop the record", error))
    }
}
