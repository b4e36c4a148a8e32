//! Runs as files in a `.flow` folder: an append-only facts file a run, its output beside it, plans by their hash.
//!
//! ```text
//! .flow/.gitignore              keeps all of it out of git
//! .flow/runs/ID.facts           the facts of a run, a line each; a lock on the file is ownership
//!     …/ID.facts.gz             the same of a run that was archived
//! .flow/runs/ID.requests        a pipe to the process that works on a run, once that has taken a moment
//! .flow/logs/ID/NODE.TRY.log    what a try printed, from its first byte on; with `.gz` once it was archived
//! .flow/plans/HASH.json         the plans that runs follow
//! .flow/signing.key             the key by which the ends of records are signed, if there is one
//! .flow/secrets.key             the key by which records tell secrets apart that runs were given, once one was
//! .flow/heads                   a line each time a run begins (`RUN begun`), flow ends its work on one (`RUN FACTS HASH`: the end of
//!                               the record then, and its signature), or one is removed (`RUN removed TIME`)
//! ```
//!
//! Names in these paths are ids, numbers and hashes, never a user's words. A line is written by one call; what a crash
//! or a full disk leaves of a write without its line's end is cut when the run is next taken over, and skipped by readers.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType};

use super::heads::Heads;
use super::request::Request;
use super::{Changes, Error, Head, Journal, Kind, Store, packed, signature, whole_lines};
use crate::model::id::RunId;
use crate::model::time::Timestamp;

/// The store of a `.flow` folder.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    key: PathBuf,
}

impl Files {
    /// The store in this folder; it is made when something is first written.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let key = root.join(SIGNING_KEY);
        Self { root, key }
    }

    /// The same, with the key in this file.
    #[must_use]
    pub fn signed_with(self, key: PathBuf) -> Self {
        Self { key, ..self }
    }

    /// Its folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the key is that records are signed with, if there is one.
    pub fn signing_key(&self) -> &Path {
        &self.key
    }

    fn facts(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(format!("{run}.facts"))
    }

    /// Where the record of a run is, packed or not.
    pub fn path_of(&self, run: &RunId) -> PathBuf {
        let facts = self.facts(run);
        match self.is_archived(run) {
            true => packed::beside(&facts),
            false => facts,
        }
    }

    /// The folder of the output of all runs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    fn plan_path(&self, hash: &str) -> PathBuf {
        self.root.join("plans").join(format!("{hash}.json"))
    }

    fn requests(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(format!("{run}.requests"))
    }

    fn heads_list(&self) -> Heads {
        Heads::of(&self.root)
    }

    /// Sees to it that its folders are there.
    ///
    /// # Errors
    ///
    /// When they can't be made.
    pub fn make_folders(&self) -> Result<(), Error> {
        for name in ["runs", "plans", "logs"] {
            private_folder(&self.root.join(name))?;
        }
        let ignore = self.root.join(".gitignore");
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&ignore)
        {
            Ok(mut file) => file
                .write_all(b"*\n")
                .map_err(|error| Error::io("write", &ignore, error)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Error::io("write", &ignore, error)),
        }
    }

    fn create_file(&self, path: &Path) -> std::io::Result<File> {
        OpenOptions::new()
            .append(true)
            .read(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    fn own(&self, run: &RunId, file: File, path: PathBuf) -> Result<FileJournal, Error> {
        for _ in 0..LOOKS_MAX {
            match file.try_lock() {
                Ok(()) => return Ok(self.journal(run, file, path)),
                Err(TryLockError::WouldBlock) if is_only_looked_at(&file) => {
                    std::thread::sleep(LOOK)
                }
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => {
                    return Err(Error::io("lock the record", &path, error));
                }
            }
        }
        Err(Error::new(Kind::Owned, format!("take over run {run}")))
    }

    /// Takes a record that is there. One that was replaced while it was waited for is not the one that was opened.
    fn take(&self, run: &RunId) -> Result<FileJournal, Error> {
        loop {
            let (file, path) = self.existing(run, true)?;
            let journal = self.own(run, file, path)?;
            let trouble = |error| Error::io("look at", &journal.path, error);
            let inode = journal.file.metadata().map_err(trouble)?.ino();
            if fs::metadata(&journal.path).is_ok_and(|now| now.ino() == inode) {
                return Ok(journal);
            }
        }
    }

    /// The right to a record in whichever form it is, for one who removes it; it ends when this is dropped.
    fn hold(&self, run: &RunId) -> Result<Held, Error> {
        match self.take(run) {
            Err(error) if error.kind == Kind::Missing => {}
            taken => return taken.map(Held::Plain),
        }
        // Whoever unpacks it holds the packed file.
        let facts = self.facts(run);
        let path = packed::beside(&facts);
        let file = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(Kind::Missing, format!("find run {run}")),
            _ => Error::io("open the record", &path, error),
        })?;
        match file.try_lock() {
            Ok(()) if !facts.exists() => Ok(Held::Packed(file)),
            Ok(()) | Err(TryLockError::WouldBlock) => {
                Err(Error::new(Kind::Owned, format!("remove run {run}")))
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock the record", &path, error)),
        }
    }

    /// All of a record, packed or not.
    fn stored(&self, run: &RunId) -> Result<(Vec<u8>, PathBuf), Error> {
        let path = self.facts(run);
        let trouble = |error| Error::io("read the record", &path, error);
        let Some(mut file) = packed::open(&path, 0).map_err(trouble)? else {
            return Err(Error::new(Kind::Missing, format!("find run {run}")));
        };
        let mut bytes = Vec::new();
        match file.read_to_end(&mut bytes) {
            Ok(_) => Ok((bytes, path)),
            // What was packed is whole, or was changed.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof
                ) =>
            {
                Err(Error {
                    path: Some(packed::beside(&path)),
                    cause: Some(error),
                    ..Error::new(Kind::Damaged, "unpack the record")
                })
            }
            Err(error) => Err(trouble(error)),
        }
    }

    fn is_packed(&self, run: &RunId) -> bool {
        packed::beside(&self.facts(run)).exists()
    }

    fn journal(&self, run: &RunId, file: File, path: PathBuf) -> FileJournal {
        let logs = self.root.join("logs").join(run.as_str());
        let heads = self.heads_list();
        FileJournal {
            file,
            path,
            logs,
            heads,
            key: self.key.clone(),
            requests: self.requests(run),
            listens: false,
        }
    }

    fn existing(&self, run: &RunId, write: bool) -> Result<(File, PathBuf), Error> {
        let path = self.facts(run);
        match OpenOptions::new().read(true).append(write).open(&path) {
            Ok(file) => Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Error::new(Kind::Missing, format!("find run {run}")))
            }
            Err(error) => Err(Error::io("open the record", &path, error)),
        }
    }

    fn write_plan(&self, path: &Path, text: &[u8]) -> std::io::Result<()> {
        let draft = self.root.join("plans").join(draft_name());
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // The error to tell is the first one.
            let _ = fs::remove_file(&draft);
        }
        written
    }
}

impl Store for Files {
    fn create(&self, run: &RunId) -> Result<Box<dyn Journal>, Error> {
        let path = self.facts(run);
        // Said before it is there: whoever follows the list misses no run, however soon it is killed.
        if !self.heads_list().begun(run)? {
            self.make_folders()?;
            self.heads_list().begun(run)?;
        }
        let mut made = self.create_file(&path);
        if made
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            self.make_folders()?;
            made = self.create_file(&path);
        }
        match made {
            Ok(file) => {
                let journal = self.own(run, file, path)?;
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
            Err(error) => Err(Error::io("begin a record", &path, error)),
        }
    }

    fn open(&self, run: &RunId) -> Result<Box<dyn Journal>, Error> {
        let path = self.facts(run);
        packed::unpack(&path).map_err(|error| Error::io("unpack the record", &path, error))?;
        let journal = self.take(run)?;
        // The pipe of a dead process, if it has left one.
        let _ = fs::remove_file(&journal.requests);
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
        let trouble = |path: &Path, error| Error::io("read the record", path, error);
        match self.existing(run, false) {
            Ok((mut file, path)) => edges(&mut file).map_err(|error| trouble(&path, error)),
            Err(error) if error.kind == Kind::Missing => {
                let (bytes, path) = self.stored(run)?;
                edges(&mut Cursor::new(bytes)).map_err(|error| trouble(&path, error))
            }
            Err(error) => Err(error),
        }
    }

    fn is_owned(&self, run: &RunId) -> Result<bool, Error> {
        let (file, path) = match self.existing(run, false) {
            // Nobody works on what was archived.
            Err(error) if error.kind == Kind::Missing && self.is_packed(run) => return Ok(false),
            existing => existing?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(Error::io("look at the lock of", &path, error)),
        }
    }

    fn runs(&self) -> Result<Vec<RunId>, Error> {
        let folder = self.root.join("runs");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &folder, error)),
        };
        let id = |name: &std::ffi::OsStr| {
            let name = name.to_str()?;
            RunId::parse(
                name.strip_suffix(".gz")
                    .unwrap_or(name)
                    .strip_suffix(".facts")?,
            )
        };
        let mut runs: Vec<RunId> = entries
            .filter_map(|entry| id(&entry.ok()?.file_name()))
            .collect();
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
        let path = self.plan_path(hash);
        // It is in use from now on, whoever looks for plans that are not.
        let now = rustix::fs::Timestamps {
            last_access: NOW,
            last_modification: NOW,
        };
        if rustix::fs::utimensat(CWD, &path, &now, rustix::fs::AtFlags::empty()).is_ok() {
            return Ok(());
        }
        let mut written = self.write_plan(&path, text);
        if written
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            self.make_folders()?;
            written = self.write_plan(&path, text);
        }
        written.map_err(|error| Error::io("keep the plan", &path, error))
    }

    fn sync_plan(&self, hash: &str) -> Result<(), Error> {
        let path = self.plan_path(hash);
        let synced = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        // A name is on the disk when its folder is; the folders may be new, too.
        let runs = self.root.join("runs");
        let folders = [
            path.parent(),
            Some(&runs),
            Some(&self.root),
            self.root.parent(),
        ];
        let all = std::iter::once(&*path).chain(folders.into_iter().flatten());
        for path in all {
            match synced(path) {
                // Who may not read the folder above has not made anything in it.
                Err(error)
                    if error.kind() == ErrorKind::PermissionDenied
                        && !path.starts_with(&self.root) => {}
                synced => synced.map_err(|error| Error::io("sync the plan", path, error))?,
            }
        }
        Ok(())
    }

    fn remove(&self, run: &RunId, at: Timestamp) -> Result<u64, Error> {
        // Nobody goes on with it or packs it in between.
        let _ours = self.hold(run)?;
        // Said first: a record that is gone for no reason is what `verify` tells of.
        self.heads_list().remove(run, at)?;
        let mut size = 0;
        let facts = self.facts(run);
        for path in [packed::beside(&facts), facts] {
            size += fs::metadata(&path).map_or(0, |file| file.len());
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path, error));
                }
                _ => {}
            }
        }
        let logs = self.root.join("logs").join(run.as_str());
        let files = fs::read_dir(&logs).into_iter().flatten().flatten();
        let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
        let size = size + sizes.sum::<u64>();
        match fs::remove_dir_all(&logs) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove", &logs, error))
            }
            _ => Ok(size),
        }
    }

    fn removed(&self) -> Result<Vec<(RunId, Option<Timestamp>)>, Error> {
        self.heads_list().removed()
    }

    fn heads_of(&self, run: &RunId) -> Result<Vec<Head>, Error> {
        self.heads_list().of_run(run)
    }

    fn stamp(&self, run: &RunId) -> Option<String> {
        let facts = self.facts(run);
        let file = fs::metadata(&facts).or_else(|_| fs::metadata(packed::beside(&facts)));
        let file = file.ok()?;
        Some(format!(
            "{} {}.{}",
            file.len(),
            file.ctime(),
            file.ctime_nsec()
        ))
    }

    fn keep_plans(&self, hashes: &HashSet<String>, now: SystemTime) -> Result<(), Error> {
        let folder = self.root.join("plans");
        let trouble = |error| Error::io("read", &folder, error);
        for entry in fs::read_dir(&folder).map_err(trouble)?.flatten() {
            let name = entry.file_name();
            let hash = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let modified = entry.metadata().and_then(|file| file.modified());
            let idle =
                modified.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > PLAN_IDLE));
            if idle && !hash.is_some_and(|hash| hashes.contains(hash)) {
                // Somebody else may have removed it.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn is_pruning_due(&self, now: SystemTime, every: Duration) -> Result<bool, Error> {
        let path = self.root.join("pruned");
        let last = fs::metadata(&path).and_then(|file| file.modified());
        // A clock that was set back makes it wait a day, and not for ever.
        let due = last.map_or(true, |last| {
            now.duration_since(last).map_or(true, |age| age >= every)
        });
        if due {
            fs::write(&path, "").map_err(|error| Error::io("write", &path, error))?;
        }
        Ok(due)
    }

    fn logs_of(&self, run: &RunId) -> Option<PathBuf> {
        Some(self.root.join("logs").join(run.as_str()))
    }

    fn log(&self, run: &RunId, file: &str, from: u64) -> Result<Option<Box<dyn Read>>, Error> {
        let path = self.root.join("logs").join(run.as_str()).join(file);
        packed::open(&path, from).map_err(|error| Error::io("read", &path, error))
    }

    fn is_archived(&self, run: &RunId) -> bool {
        !self.facts(run).exists() && self.is_packed(run)
    }

    fn archive(&self, run: &RunId) -> Result<Option<(u64, u64)>, Error> {
        let facts = self.facts(run);
        let trouble = |path: &Path, error| Error::io("archive", path, error);
        if self.is_archived(run) {
            return Ok(None);
        }
        let journal = self.take(run)?;
        let (mut before, mut after) = (0, 0);
        let mut pack = |path: &Path| -> Result<(), Error> {
            let (had, has) = packed::pack(path).map_err(|error| trouble(path, error))?;
            (before, after) = (before + had, after + has);
            Ok(())
        };
        for entry in fs::read_dir(&journal.logs).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "log") {
                pack(&path)?;
            }
        }
        // The record last: as long as it is plain, there may be something left to do.
        pack(&facts)?;
        Ok(Some((before, after)))
    }

    fn send(&self, run: &RunId, request: &Request) -> Result<(), Error> {
        let path = self.requests(run);
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(NONBLOCK);
        let sent = options.open(&path).and_then(|mut pipe| {
            // Whatever else lies there, nothing is written to it.
            let is_pipe = std::os::unix::fs::FileTypeExt::is_fifo(&pipe.metadata()?.file_type());
            let line = request.line();
            if is_pipe {
                pipe.write_all(line.as_bytes())
            } else {
                Err(ErrorKind::NotFound.into())
            }
        });
        sent.map_err(|error| match error.raw_os_error() {
            // Nobody has opened the other end.
            Some(libc::ENXIO | libc::ENOENT | libc::EPIPE) | None => {
                Error::new(Kind::Missing, format!("reach the process of run {run}"))
            }
            _ => Error::io("write to", &path, error),
        })
    }

    fn heads(&self) -> Result<Vec<Head>, Error> {
        self.heads_list().all()
    }

    fn plan(&self, hash: &str) -> Result<Vec<u8>, Error> {
        let path = self.plan_path(hash);
        fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(Kind::Missing, format!("find plan {hash}")),
            _ => Error::io("read the plan", &path, error),
        })
    }
}

/// The file with the key of a project.
const SIGNING_KEY: &str = "signing.key";
/// How long a plan is kept that no run names: that long a run may take from putting it down to its first fact.
const PLAN_IDLE: Duration = Duration::from_secs(60 * 60);
/// The moment of the call (utimensat(2)).
const NOW: rustix::fs::Timespec = rustix::fs::Timespec {
    tv_sec: 0,
    tv_nsec: rustix::fs::UTIME_NOW,
};

/// Opening a pipe waits for nobody.
const NONBLOCK: i32 = libc::O_NONBLOCK;

/// Whoever looks whether a run is owned holds a shared lock for a moment; that long an owner waits, and so often.
const LOOK: std::time::Duration = std::time::Duration::from_millis(1);
const LOOKS_MAX: u32 = 1000;

/// Whether a lock that is in the way is none of an owner's.
fn is_only_looked_at(file: &File) -> bool {
    file.try_lock_shared().is_ok() && file.unlock().is_ok()
}

fn private_folder(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::io("make the folder", path, error))
}

/// A name that no other thread or process uses.
pub(super) fn draft_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        ".{}.{}.draft",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn edges<F: Read + Seek>(file: &mut F) -> std::io::Result<Option<(String, String)>> {
    let mut first = Vec::new();
    BufReader::new(&mut *file).read_until(b'\n', &mut first)?;
    if first.pop() != Some(b'\n') {
        return Ok(None);
    }
    let first = String::from_utf8_lossy(&first).into_owned();
    let last = last_line(file)?;
    Ok(Some((first, last)))
}

/// The last line with an end, found from the back.
fn last_line<F: Read + Seek>(file: &mut F) -> std::io::Result<String> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut window = 4096;
    loop {
        let from = size.saturating_sub(window);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        bytes.truncate(whole_lines(&bytes).saturating_sub(1));
        let start = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map(|end| end + 1);
        if let Some(start) = start.or((from == 0).then_some(0)) {
            return Ok(String::from_utf8_lossy(&bytes[start..]).into_owned());
        }
        window *= 4;
    }
}

/// A record that nobody else works on, as long as this lives.
#[expect(dead_code, reason = "what it holds is the lock")]
enum Held {
    Plain(FileJournal),
    Packed(File),
}

struct FileJournal {
    file: File,
    path: PathBuf,
    logs: PathBuf,
    heads: Heads,
    key: PathBuf,
    requests: PathBuf,
    /// There is a pipe at `requests`, which is ours.
    listens: bool,
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        if self.listens {
            // What is left of it is removed by whoever listens next.
            let _ = fs::remove_file(&self.requests);
        }
    }
}

impl FileJournal {
    /// Whether nothing has been written to the record, and it is the one at its path.
    fn is_as_created(&self) -> Result<bool, Error> {
        let ours = self
            .file
            .metadata()
            .map_err(|error| Error::io("look at", &self.path, error))?;
        let there = fs::metadata(&self.path);
        Ok(ours.len() == 0 && there.is_ok_and(|there| there.ino() == ours.ino()))
    }
}

impl Journal for FileJournal {
    fn append(&mut self, lines: &str) -> Result<(), Error> {
        self.file
            .write_all(lines.as_bytes())
            .map_err(|error| Error::io("write the record", &self.path, error))
    }

    fn cut(&mut self, size: u64) -> Result<(), Error> {
        self.file
            .set_len(size)
            .map_err(|error| Error::io("mend the record", &self.path, error))
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.file
            .sync_data()
            .map_err(|error| Error::io("sync the record", &self.path, error))
    }

    fn logs(&self) -> Option<&Path> {
        Some(&self.logs)
    }

    fn listen(&mut self) -> Result<Option<File>, Error> {
        let trouble = |error| Error::io("make a pipe at", &self.requests, error);
        // One that a dead process has left is as good, but who knows what else it is.
        let _ = fs::remove_file(&self.requests);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(CWD, &self.requests, FileType::Fifo, mode, 0)
            .map_err(|error| trouble(error.into()))?;
        self.listens = true;
        // Open for writing too, so that it does not end when the first who asks is gone.
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(NONBLOCK);
        options.open(&self.requests).map(Some).map_err(trouble)
    }

    fn keep_head(&mut self, head: &Head) -> Result<(), Error> {
        // A task may have removed the folder: nothing of the run is left then.
        let trouble = |error| Error::io("look at", &self.path, error);
        let inode = self.file.metadata().map_err(trouble)?.ino();
        if !fs::metadata(&self.path).is_ok_and(|there| there.ino() == inode) {
            let doing = format!(
                "keep the record of run {}: it is gone; something has removed it while the run went on",
                head.run
            );
            return Err(Error {
                path: Some(self.path.clone()),
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
        fs::remove_file(&self.path).map_err(|error| Error::io("drop the record", &self.path, error))
    }
}
