//! Where runs are recorded: the trait, and what can go wrong.
//!
//! A store keeps lines; [`mod@line`] says what is in one. It knows no plan, no engine and no terminal, and hands out nothing of
//! how it stores. There is one writer for a run, its owner; everybody may read.

mod bounded;
pub mod files;
mod heads;
pub mod line;
pub mod memory;
mod packed;

pub mod request;
pub mod signature;
pub mod tell_apart;

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use self::request::Request;
use crate::core::fact::Fact;
use crate::disk::Folder;
use crate::model::id::RunId;
use crate::model::time::Timestamp;

/// A place where runs are recorded.
pub trait Store {
    /// A new run, owned by the caller; [`Kind::Exists`] when there is one of that id.
    fn create(&self, run: &RunId) -> Result<Box<dyn Journal>, Error>;

    /// Takes a run over whose owner is gone; [`Kind::Owned`] when it is not. What its last write left unfinished is still
    /// there: only who has read the lines before it can tell whether it is that ([`Journal::cut`]).
    fn open(&self, run: &RunId) -> Result<Box<dyn Journal>, Error>;

    /// All that is stored of a run, with what its last write left unfinished, without owning it.
    fn bytes(&self, run: &RunId) -> Result<Vec<u8>, Error>;

    /// The whole lines of a run, without owning it.
    fn read(&self, run: &RunId) -> Result<String, Error> {
        let mut bytes = self.bytes(run)?;
        bytes.truncate(whole_lines(&bytes));
        let damaged = |_| {
            Error::new(
                Kind::Damaged,
                format!("read the record of run {run} as text"),
            )
        };
        String::from_utf8(bytes).map_err(damaged)
    }

    /// The first and the last whole line of a run, without reading what lies between; `None` before the first.
    fn edges(&self, run: &RunId) -> Result<Option<(String, String)>, Error>;

    /// Whether somebody owns the run at the moment.
    fn is_owned(&self, run: &RunId) -> Result<bool, Error>;

    /// All runs, the newest first.
    fn runs(&self) -> Result<Vec<RunId>, Error>;

    /// Sees to it that what a run needs at its end is there: a key that it is to be signed with.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The runs in which something has happened since the list of them was last read, by the cursor that it came with.
    fn changes(&self, _cursor: Option<&str>) -> Result<Changes, Error> {
        Ok(Changes {
            runs: self.runs()?,
            all: true,
            cursor: String::new(),
        })
    }

    /// Keeps the text of a plan under its hash, once.
    fn put_plan(&self, hash: &str, text: &[u8]) -> Result<(), Error>;

    /// Returns once a plan is on the disk and can be found there, as can the records that have been created: for a run that is to
    /// survive a power cut.
    fn sync_plan(&self, _hash: &str) -> Result<(), Error> {
        Ok(())
    }

    /// The text of a plan.
    fn plan(&self, hash: &str) -> Result<Vec<u8>, Error>;

    /// Removes a run with its output, which is written down beside the heads with the time; how much room that makes, in bytes.
    /// [`Kind::Owned`] when somebody is working on it, or packs it.
    fn remove(&self, run: &RunId, at: Timestamp) -> Result<u64, Error>;

    /// Removes a run as [`Self::remove`] does, so that it can be brought back for a while.
    fn set_aside(&self, run: &RunId, at: Timestamp) -> Result<u64, Error> {
        self.remove(run, at)
    }

    /// Removes for good what was set aside so long ago, and brings back what was set aside at a time that has not come yet: the clock
    /// was ahead. Whether anything was removed for good.
    fn empty_trash(&self, _now: Timestamp, _after: Duration) -> Result<bool, Error> {
        Ok(false)
    }

    /// The runs that were removed, and when, as far as that was written down.
    fn removed(&self) -> Result<Vec<(RunId, Option<Timestamp>)>, Error>;

    /// What changes when the record of a run does, without reading it; `None` where there is none, or it can't be told.
    fn stamp(&self, _run: &RunId) -> Option<String> {
        None
    }

    /// Removes all plans but these, unless somebody has just put one down; none as long as runs are set aside, which may need them.
    fn keep_plans(&self, hashes: &HashSet<String>, now: SystemTime) -> Result<(), Error>;

    /// Whether old runs are to be looked for, because that was not done for so long; it counts as done then.
    /// Never, for a store that ends with its process.
    fn is_pruning_due(&self, _now: SystemTime, _every: Duration) -> Result<bool, Error> {
        Ok(false)
    }

    /// The folder with the output of a run's attempts; `None` where it is not kept.
    fn logs_of(&self, _run: &RunId) -> Option<Folder> {
        None
    }

    /// What a file of a run's output holds from a position on; `None` when there is none of that name.
    fn log(&self, _run: &RunId, _file: &str, _from: u64) -> Result<Option<Box<dyn Read>>, Error> {
        Ok(None)
    }

    /// Whether a run is packed.
    fn is_archived(&self, _run: &RunId) -> bool {
        false
    }

    /// Packs a run that has ended, with its output; all that can be asked of it stays as it is. How many bytes it had and has;
    /// `None` when it was packed before, or can't be.
    fn archive(&self, _run: &RunId) -> Result<Option<(u64, u64)>, Error> {
        Ok(None)
    }

    /// Asks something of the process that works on a run; [`Kind::Missing`] when none listens.
    fn send(&self, run: &RunId, _request: &Request) -> Result<(), Error> {
        let doing = format!("reach the process of run {run}");
        Err(Error::new(Kind::Missing, doing))
    }

    /// The heads that were kept, of all runs that were not removed, the oldest first.
    fn heads(&self) -> Result<Vec<Head>, Error>;

    /// Those of one run.
    fn heads_of(&self, run: &RunId) -> Result<Vec<Head>, Error> {
        let mut heads = self.heads()?;
        heads.retain(|head| head.run == *run);
        Ok(heads)
    }
}

/// The length of the whole lines at the beginning of `bytes`.
pub fn whole_lines(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1)
}

/// The facts of a run that say where it ran and which processes it started; none where its record can't be read.
pub fn processes(store: &dyn Store, run: &RunId) -> Vec<Fact> {
    let text = store.read(run).unwrap_or_default();
    let are = |line: &&str| {
        ["\"process_started\"", "\"run_created\""]
            .iter()
            .any(|kind| line.contains(kind))
    };
    let facts = text.lines().filter(are).filter_map(line::parse);
    facts.map(|record| record.fact).collect()
}

/// The end of a record at the end of a process that worked on it, kept apart from the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The run.
    pub run: RunId,
    /// How many facts it had.
    pub seq: u64,
    /// The hash of its last line, in hex.
    pub hash: String,
    /// The signature of these, in hex, where the project has a key.
    pub signature: Option<String>,
}

/// Runs in which something has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The runs, the newest first where these are all; one may stand here more often than once.
    pub runs: Vec<RunId>,
    /// These are all runs there are, because what happened since the cursor can't be told.
    pub all: bool,
    /// What to go on from the next time.
    pub cursor: String,
}

/// The right to write to a run; it ends when this is dropped.
pub trait Journal: Send {
    /// Adds whole lines. They survive the death of the process once this returns; [`Journal::sync`] is for power cuts.
    fn append(&mut self, lines: &str) -> Result<(), Error>;

    /// Cuts what the last write left unfinished: all behind the first so many bytes.
    fn cut(&mut self, size: u64) -> Result<(), Error>;

    /// Returns once all that was added is on the disk.
    fn sync(&mut self) -> Result<(), Error>;

    /// Listens from now on to what others ask; the file can be waited for and read without waiting. `None` when nobody can reach
    /// the run.
    fn listen(&mut self) -> Result<Option<File>, Error> {
        Ok(None)
    }

    /// Keeps the end of the record apart from it.
    fn keep_head(&mut self, head: &Head) -> Result<(), Error>;

    /// The run is not to be kept after all.
    fn discard(&mut self) -> Result<(), Error>;

    /// The folder for the output of the run's attempts; `None` when it is not kept. It may not exist yet.
    fn logs(&self) -> Option<&Folder>;
}

/// Why a store could not do what it was asked for.
#[derive(Debug)]
pub struct Error {
    /// What kind of trouble it is.
    pub kind: Kind,
    /// What was being done, as in "could not {doing}".
    pub doing: String,
    /// The file or folder, when there is one.
    pub path: Option<PathBuf>,
    /// What the system said.
    pub cause: Option<std::io::Error>,
}

/// What kind of trouble a store is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is a run of that id.
    Exists,
    /// Another process owns the run.
    Owned,
    /// There is no such run or plan.
    Missing,
    /// What is stored is not what was written.
    Damaged,
    /// The disk or the system refused.
    Io,
}

impl Error {
    /// An error of this kind, of what was being done.
    pub fn new(kind: Kind, doing: impl Into<String>) -> Self {
        Self {
            kind,
            doing: doing.into(),
            path: None,
            cause: None,
        }
    }

    /// The file belongs to somebody else.
    pub fn is_denied(&self) -> bool {
        let kind = self.cause.as_ref().map(std::io::Error::kind);
        kind == Some(std::io::ErrorKind::PermissionDenied)
    }

    /// What the system said.
    pub fn cause(&self) -> Option<&std::io::Error> {
        self.cause.as_ref()
    }

    fn io(doing: impl Into<String>, path: &Path, cause: std::io::Error) -> Self {
        Self {
            kind: Kind::Io,
            doing: doing.into(),
            path: Some(path.to_owned()),
            cause: Some(cause),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.doing)?;
        if let Some(path) = &self.path {
            write!(f, ": {}", path.display())?;
        }
        match (&self.cause, self.kind) {
            (Some(cause), _) => write!(f, ": {cause}"),
            (None, Kind::Exists) => write!(f, ": it exists already"),
            (None, Kind::Owned) => write!(f, ": another process is working on it"),
            (None, Kind::Missing) => write!(f, ": there is none"),
            (None, Kind::Damaged | Kind::Io) => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
