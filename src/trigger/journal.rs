//! The journal of triggers: a file that facts are added to, one JSON object a line.
//!
//! ```text
//! .flow/triggers/journal        the facts
//! .flow/triggers/server         who runs the triggers: a lock on it, and in it the process and the address
//! .flow/triggers/model          what the file said when it could last be used
//! .flow/triggers/said/FIRE      what the process of a run said that could not begin
//! ```
//!
//! Several processes add to it, each line by one write under a lock on the file. Fires are on the disk before anything is done about
//! them. Now and then it is made shorter: what follows from the facts so far becomes the first line of a new file.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Record, State};
use crate::disk::layout::TRIGGERS;
use crate::disk::{self, Folder, How};
use crate::model::time::Timestamp;

/// A journal that is shorter than this need not be made shorter, in bytes.
pub const SHORT: u64 = 4 << 20;

/// No journal is as long as this, in bytes.
const BYTES_MAX: u64 = 1 << 30;
/// Nor what the server says of itself.
const SERVER_BYTES_MAX: u64 = 64 << 10;

/// The names of the files.
const JOURNAL: &str = "journal";
const SERVER: &str = "server";

/// Somebody may only be looking whether there is a server, and what a server that was killed was just about to start has its files
/// for a moment: so long it is tried to become the server.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS_MAX: u32 = 50;

/// The journal of a project.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: Folder,
}

/// Why it can't be read or written.
#[derive(Debug)]
pub struct Error {
    doing: &'static str,
    path: PathBuf,
    cause: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "could not {} {}: {}",
            self.doing,
            self.path.display(),
            self.cause
        )
    }
}

impl std::error::Error for Error {}

/// The lines of a journal, read as they come.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    inode: u64,
    offset: u64,
}

/// Who runs the triggers of a project; given up when this is dropped or the process dies.
#[derive(Debug)]
pub struct Server {
    file: File,
    folder: Folder,
}

/// What is known of the process that runs the triggers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its id.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// The address of its API.
    pub address: String,
}

impl Journal {
    /// In this folder of flow's own data.
    pub fn of(state: &Folder) -> Self {
        Self {
            folder: state.below(TRIGGERS),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path_of(JOURNAL)
    }

    /// The folder of what the processes of fires say, each in a file with the number of the fire.
    pub fn said(&self) -> Folder {
        self.folder.below("said")
    }

    /// Sees to it that its folders are there.
    ///
    /// # Errors
    ///
    /// When they can't be made.
    pub fn make_folders(&self) -> Result<(), Error> {
        let said = self.said();
        said.make()
            .map_err(|cause| error("make the folder", said.path(), cause))
    }

    /// All facts, and what follows from them; without a journal none.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn state(&self) -> Result<State, Error> {
        let mut reader = Reader::of(self);
        let mut state = State::default();
        for record in reader.more()? {
            state.apply(&record);
        }
        Ok(state)
    }

    /// All facts that there are.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn records(&self) -> Result<Vec<Record>, Error> {
        Reader::of(self).more()
    }

    /// Adds facts. When it returns they survive whatever happens to flow; a fire survives the machine, too.
    ///
    /// # Errors
    ///
    /// When they can't be written; then none of them is there.
    pub fn add(&self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let path = self.path();
        let mut file = self.locked()?;
        let trouble = |cause| error("write", &path, cause);
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record).map_err(|cause| trouble(cause.into()))?;
            lines.push(b'\n');
        }
        let end = cut_torn_end(&mut file).map_err(trouble)?;
        let syncs = |record: &Record| matches!(record.fact, Fact::Fired(_) | Fact::State(_));
        let written = file.write_all(&lines).and_then(|()| {
            if records.iter().any(syncs) {
                file.sync_data()
            } else {
                Ok(())
            }
        });
        written.map_err(|cause| {
            // Half of them would be worse than none.
            let _ = file.set_len(end);
            trouble(cause)
        })
    }

    /// Makes it shorter if it has become as long as this; how long it is then.
    ///
    /// # Errors
    ///
    /// When it can't be; then it is as it was.
    pub fn shorten(&self, now: Timestamp, long: u64) -> Result<Option<u64>, Error> {
        let path = self.path();
        let trouble = |cause| error("shorten", &path, cause);
        if self.folder.seen(JOURNAL).map_or(0, |seen| seen.size) < long {
            return Ok(None);
        }
        let file = self.locked()?;
        let mut state = State::default();
        for record in Reader::of(self).more()? {
            state.apply(&record);
        }
        let first = Record {
            at: now,
            fact: Fact::State(Box::new(state)),
        };
        let mut line = serde_json::to_vec(&first).map_err(|cause| trouble(cause.into()))?;
        line.push(b'\n');
        let write = |new: &mut File| new.write_all(&line).and_then(|()| new.sync_all());
        let written = self
            .folder
            .replace_with(JOURNAL, write)
            .and_then(|()| self.folder.sync());
        drop(file);
        written.map_err(trouble)?;
        Ok(Some(line.len() as u64))
    }

    /// The file, which nobody else writes to as long as this is open.
    fn locked(&self) -> Result<File, Error> {
        let path = self.path();
        loop {
            let file = match self.folder.open(JOURNAL, How::Make) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                    self.make_folders()?;
                    self.folder.open(JOURNAL, How::Make)
                }
                file => file,
            };
            let file = file.map_err(|cause| error("open", &path, cause))?;
            let trouble = |cause| error("lock", &path, cause);
            file.lock().map_err(trouble)?;
            // It may have been made shorter while it was waited for.
            let inode = file.metadata().map_err(trouble)?.ino();
            if self
                .folder
                .seen(JOURNAL)
                .is_ok_and(|now| now.inode == inode)
            {
                return Ok(file);
            }
        }
    }

    /// Becomes the one that runs the triggers.
    ///
    /// # Errors
    ///
    /// The other one, when there is one; or why it can't be told.
    pub fn serve(&self) -> Result<Result<Server, Option<Running>>, Error> {
        self.make_folders()?;
        let path = self.folder.path_of(SERVER);
        let trouble = |cause| error("lock", &path, cause);
        let file = self.folder.open(SERVER, How::Make).map_err(trouble)?;
        for _ in 0..LOOKS_MAX {
            match file.try_lock() {
                Ok(()) => {
                    let folder = self.folder.clone();
                    let server = Server { file, folder };
                    // The folder may have been removed, and made again, in between.
                    return if server.is_at_its_path() {
                        Ok(Ok(server))
                    } else {
                        self.serve()
                    };
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
                Err(TryLockError::Error(cause)) => return Err(trouble(cause)),
            }
        }
        Ok(Err(self.server()?))
    }

    /// The one that runs the triggers, if there is one.
    ///
    /// # Errors
    ///
    /// When that can't be told.
    pub fn server(&self) -> Result<Option<Running>, Error> {
        let path = self.folder.path_of(SERVER);
        let trouble = |cause| error("read", &path, cause);
        let file = match self.folder.open(SERVER, How::Read) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(trouble(cause)),
        };
        match file.try_lock_shared() {
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(cause)) => return Err(trouble(cause)),
        }
        let text = disk::whole(&file, SERVER_BYTES_MAX).map_err(trouble)?;
        // One that has only just begun has not said who it is.
        Ok(serde_json::from_slice(&text).ok())
    }
}

impl Server {
    /// Whether what is locked is what others who want to be the server find at its path.
    pub fn is_at_its_path(&self) -> bool {
        let there = self.folder.seen(SERVER);
        let ours = self.file.metadata();
        ours.is_ok_and(|ours| there.is_ok_and(|there| there.inode == ours.ino()))
    }

    /// Says who it is.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn is(&mut self, running: &Running) -> io::Result<()> {
        let text = serde_json::to_string(running)?;
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())
    }
}

impl Reader {
    /// From the beginning on.
    pub fn of(journal: &Journal) -> Self {
        Self {
            journal: journal.clone(),
            inode: 0,
            offset: 0,
        }
    }

    /// The facts that have come since; all of them anew, beginning with a state, when the journal was made shorter.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn more(&mut self) -> Result<Vec<Record>, Error> {
        let path = self.journal.path();
        let trouble = |cause| error("read", &path, cause);
        let mut file = match self.journal.folder.open(JOURNAL, How::Read) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(trouble(cause)),
        };
        let inode = file.metadata().map_err(trouble)?.ino();
        if inode != self.inode {
            (self.inode, self.offset) = (inode, 0);
        }
        file.seek(SeekFrom::Start(self.offset)).map_err(trouble)?;
        let left = file
            .metadata()
            .map_err(trouble)?
            .len()
            .saturating_sub(self.offset);
        if left > BYTES_MAX {
            let what = format!("it has {left} bytes, and flow makes it shorter long before");
            return Err(trouble(io::Error::other(what)));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(trouble)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.offset += whole as u64;
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).map_err(|cause| trouble(cause.into())))
            .collect()
    }
}

/// Cuts what a full disk or a crash has left of a line; where the whole ones end.
fn cut_torn_end(file: &mut File) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0))?;
    let (mut whole, mut block) = (end, [0; 4096]);
    while whole > 0 {
        let from = whole.saturating_sub(block.len() as u64);
        let length = usize::try_from(whole - from).unwrap_or(block.len());
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut block[..length])?;
        if let Some(at) = block[..length].iter().rposition(|byte| *byte == b'\n') {
            whole = from + at as u64 + 1;
            break;
        }
        whole = from;
    }
    if whole < end {
        file.set_len(whole)?;
    }
    file.seek(SeekFrom::End(0))?;
    Ok(whole)
}

fn error(doing: &'static str, path: &Path, cause: io::Error) -> Error {
    Error {
        doing,
        path: path.to_owned(),
        cause,
    }
}
