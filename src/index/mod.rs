//! The index over all runs: what is listed, searched and counted without reading every record.
//!
//! It is a cache in SQLite (`.flow/index.sqlite`), and the records are the truth. Whoever reads it first brings it up to date, by
//! the list of runs in which something happened that the store keeps; a plain run never opens it. One process at a time has
//! it, by a lock on a file beside it, so nobody ever meets a locked database. When it is lost it is made anew; when it is
//! damaged that is an error, and `flow doctor` makes it anew. Where nothing can be written it is made in memory.

mod rows;
pub mod stats;

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use self::rows::OpenRun;
pub use self::rows::{Filter, Row, Status};
use crate::core::fact::Fact;
use crate::disk::layout::INDEX;
use crate::disk::{Folder, How};
use crate::model::id::RunId;
use crate::model::plan::Plan;
use crate::model::time::Timestamp;
use crate::record::Recorded;
use crate::record::summary::Summary;
use crate::record::whole;
use crate::store::{Error, Head, Kind, Store};

/// An index that is up to date, and nobody else's as long as this lives.
#[derive(Debug)]
pub struct Index {
    database: Connection,
    path: PathBuf,
    lock: Option<File>,
}

/// The version of the tables, as `PRAGMA user_version`.
const VERSION: i64 = 3;
/// What tells our files from other databases, as `PRAGMA application_id`: "flow".
const APPLICATION: i64 = 0x666c_6f77;
/// So many runs are written in one transaction.
const BATCH: usize = 1000;
/// Somebody else who looks into the file, as with the `sqlite3` shell, is waited for so long.
const BUSY: Duration = Duration::from_secs(10);
/// For so long a run may have begun without having a record.
const BEGINS: Duration = Duration::from_secs(60);

/// What is told while it is brought up to date: how many runs are left to look at.
pub type Progress<'p> = &'p mut dyn FnMut(usize);

impl Index {
    /// The index in the state of a project, up to date with the store at this time.
    ///
    /// # Errors
    ///
    /// [`Kind::Damaged`] when it is not what was written; when the store can't be read.
    pub fn open(
        state: &Folder,
        store: &dyn Store,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Self, Error> {
        let path = &state.path_of(INDEX);
        let mut index = match Self::in_file(state) {
            Ok(index) => index,
            // Nothing can be written here, or there is nothing yet: what is asked is answered all the same.
            Err(error) if error.kind == Kind::Io => Self::nowhere(path)?,
            Err(error) => return Err(error),
        };
        match index.catch_up(store, now, progress) {
            Err(error) if error.kind == Kind::Io && index.is_in_file() => {
                index = Self::nowhere(path)?;
                index.catch_up(store, now, progress)?;
            }
            caught_up => caught_up?,
        }
        Ok(index)
    }

    /// The same in memory alone, whatever the file is like.
    ///
    /// # Errors
    ///
    /// When the store can't be read.
    pub fn in_memory(
        store: &dyn Store,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Self, Error> {
        let mut index = Self::nowhere(Path::new("memory"))?;
        index.catch_up(store, now, progress)?;
        Ok(index)
    }

    /// Makes it anew from the records, whatever was there.
    ///
    /// # Errors
    ///
    /// When it can't be written or the store can't be read.
    pub fn rebuild(
        state: &Folder,
        store: &dyn Store,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Self, Error> {
        let lock = lock(state)?;
        for file in files() {
            match state.remove(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io("remove", &state.path_of(&file), error));
                }
                _ => {}
            }
        }
        drop(lock);
        let mut index = Self::in_file(state)?;
        index.catch_up(store, now, progress)?;
        Ok(index)
    }

    /// Whether it is damaged, and how; nothing is brought up to date.
    ///
    /// # Errors
    ///
    /// When it can't be looked at.
    pub fn check(state: &Folder) -> Result<(), Error> {
        if !Self::exists(state) {
            return Ok(());
        }
        let index = Self::in_file(state)?;
        let found: String = index
            .database
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|error| index.trouble("look at", error))?;
        if found == "ok" {
            return Ok(());
        }
        Err(Error {
            path: Some(state.path_of(INDEX)),
            ..Error::new(Kind::Damaged, format!("trust the index ({found})"))
        })
    }

    /// Whether there is one.
    pub fn exists(state: &Folder) -> bool {
        state.seen(INDEX).is_ok()
    }

    fn in_file(state: &Folder) -> Result<Self, Error> {
        let lock = lock(state)?;
        // SQLite opens them by their paths: nothing else may lie there.
        for name in files() {
            if state.seen(&name).is_ok_and(|seen| !seen.is_file) {
                return Err(Error {
                    path: Some(state.path_of(&name)),
                    ..Error::new(Kind::Damaged, "use the index: this is no file")
                });
            }
        }
        let path = &state.path_of(INDEX);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(path, flags)
            .map_err(|error| trouble(path, "open", error))?;
        let index = Self {
            database,
            path: path.to_owned(),
            lock: Some(lock),
        };
        index
            .prepare()
            .map_err(|error| index.trouble("read", error))?;
        index.migrate()?;
        Ok(index)
    }

    fn nowhere(path: &Path) -> Result<Self, Error> {
        let database =
            Connection::open_in_memory().map_err(|error| trouble(path, "make", error))?;
        let index = Self {
            database,
            path: path.to_owned(),
            lock: None,
        };
        index.migrate()?;
        Ok(index)
    }

    /// What the index says otherwise of a run than its record, if anything is; nothing of one that can still go on.
    ///
    /// # Errors
    ///
    /// When the index can't be read.
    pub fn is_wrong(&self, store: &dyn Store, run: &RunId) -> Result<Option<&'static str>, Error> {
        let Some(row) = self.row(run)? else {
            return Ok(Some("is not in it"));
        };
        if matches!(row.status, Status::Open | Status::Begun | Status::Denied) {
            return Ok(None);
        }
        let Ok(recorded) = Recorded::read(store, run) else {
            let damaged = row.status == Status::Damaged;
            return Ok((!damaged).then_some("can't be read, and has ended in it"));
        };
        let summary = Summary::of(&recorded, &recorded.state());
        let same = self.summary(run, &row)? == Some(summary);
        Ok((!same).then_some("is another one in it"))
    }

    const fn is_in_file(&self) -> bool {
        self.lock.is_some()
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.database.busy_timeout(BUSY)?;
        // It can be made anew, so it is synced when SQLite needs it for order, and no more.
        self.database.execute_batch(
            "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
        )
    }

    /// Brings the tables to this version. An index of another one is made anew: there is nothing in it that the records don't have.
    fn migrate(&self) -> Result<(), Error> {
        let read = |name: &str| -> rusqlite::Result<i64> {
            let sql = format!("PRAGMA {name}");
            self.database.query_row(&sql, [], |row| row.get(0))
        };
        let migrate = || {
            let (application, version) = (read("application_id")?, read("user_version")?);
            let tables: i64 =
                self.database
                    .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if (application, version) == (APPLICATION, VERSION) {
                return Ok(true);
            }
            if application != APPLICATION && tables > 0 {
                return Ok(false);
            }
            self.drop_tables()?;
            let made = format!(
                "BEGIN IMMEDIATE; {} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;",
                include_str!("schema.sql")
            );
            self.database.execute_batch(&made)?;
            Ok(true)
        };
        match migrate() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error {
                path: Some(self.path.clone()),
                ..Error::new(Kind::Damaged, "trust the index, which is something else")
            }),
            Err(error) => Err(self.trouble("prepare", error)),
        }
    }

    fn drop_tables(&self) -> rusqlite::Result<()> {
        let mut names = self.database.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )?;
        let names: Vec<String> = names
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for name in names {
            let name = name.replace('"', "\"\"");
            self.database
                .execute_batch(&format!("DROP TABLE \"{name}\""))?;
        }
        Ok(())
    }

    /// Looks at all runs in which something has happened since the last time.
    fn catch_up(
        &mut self,
        store: &dyn Store,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<(), Error> {
        let cursor = self.cursor()?;
        let mut changes = store.changes(cursor.as_deref())?;
        let open = self.open_runs()?;
        let mut looked_at: Vec<RunId> = if changes.all {
            self.forget_all()?;
            changes.runs.reverse();
            changes.runs
        } else {
            // One that was open may have been ended by a process that was killed before it could say so.
            let moved = open.iter().filter(|open| has_moved(store, open, now));
            let mut runs: Vec<RunId> = moved.map(|open| open.run.clone()).collect();
            runs.extend(changes.runs);
            runs
        };
        looked_at.dedup();
        if looked_at.is_empty() && cursor.as_ref() == Some(&changes.cursor) {
            return Ok(());
        }
        self.look_at(store, &looked_at, now, progress)?;
        self.write(&[], Some(&changes.cursor))
    }

    /// Looks once more at those of these runs whose records were touched without a word in the list of changes, which flow never
    /// does; whether there were any.
    ///
    /// # Errors
    ///
    /// When the index or the store can't be read.
    pub fn look_again(
        &mut self,
        store: &dyn Store,
        rows: &[(RunId, String)],
        now: Timestamp,
    ) -> Result<bool, Error> {
        let touched = rows.iter().filter(|(run, stamp)| {
            let there = store.stamp(run);
            there.is_some_and(|there| there != *stamp)
        });
        let touched: Vec<RunId> = touched.map(|(run, _)| run.clone()).collect();
        self.look_at(store, &touched, now, &mut |_| {})?;
        Ok(!touched.is_empty())
    }

    fn look_at(
        &mut self,
        store: &dyn Store,
        runs: &[RunId],
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<(), Error> {
        let mut looker = Looker {
            store,
            now,
            plans: Plans::default(),
            heads: None,
        };
        if runs.len() > HEADS_ONE_BY_ONE {
            looker.read_heads()?;
        }
        let mut left = runs.len();
        for batch in runs.chunks(BATCH) {
            progress(left);
            left -= batch.len();
            let looks: Vec<Look<'_>> = batch
                .iter()
                .map(|run| looker.look(run))
                .collect::<Result<_, Error>>()?;
            self.write(&looks, None)?;
        }
        Ok(())
    }

    fn write(&mut self, looks: &[Look<'_>], cursor: Option<&str>) -> Result<(), Error> {
        let path = self.path.clone();
        let mut write = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = self.database.transaction_with_behavior(behavior)?;
            for look in looks {
                // What it was asked for is known still.
                if let Found::Unread(status @ (Status::Damaged | Status::Denied)) = look.found
                    && rows::set_unread(&transaction, look.run, &look.stamp, status)?
                {
                    continue;
                }
                rows::forget(&transaction, look.run)?;
                match &look.found {
                    Found::Gone => {}
                    Found::Unread(status) => {
                        rows::insert_unread(&transaction, look.run, &look.stamp, *status)?;
                    }
                    Found::Summary(summary) => rows::insert(&transaction, &look.stamp, summary)?,
                }
            }
            if let Some(cursor) = cursor {
                transaction.execute("DELETE FROM cursor", [])?;
                transaction.execute("INSERT INTO cursor VALUES (?1)", [cursor])?;
            }
            transaction.commit()
        };
        write().map_err(|error| trouble(&path, "write", error))
    }

    fn trouble(&self, doing: &str, error: rusqlite::Error) -> Error {
        trouble(&self.path, doing, error)
    }
}

/// What came of looking at a run.
struct Look<'r> {
    run: &'r RunId,
    /// Its stamp, taken before it was read.
    stamp: String,
    found: Found,
}

enum Found {
    /// It has no record, or none any more.
    Gone,
    /// There is nothing to be read.
    Unread(Status),
    /// This.
    Summary(Box<Summary>),
}

/// Up to so many runs have their heads looked up one by one, and not in a table of all.
const HEADS_ONE_BY_ONE: usize = 8;

/// Plans that were read a moment ago: most runs of a project follow one of a few.
#[derive(Default)]
struct Plans(HashMap<String, Arc<Plan>>);

/// So many are kept.
const PLANS_MAX: usize = 16;

/// Looks at one run after another.
struct Looker<'s> {
    store: &'s dyn Store,
    now: Timestamp,
    plans: Plans,
    /// The heads of all runs, where many are looked at.
    heads: Option<HashMap<RunId, Vec<Head>>>,
}

impl Looker<'_> {
    fn read_heads(&mut self) -> Result<(), Error> {
        let mut heads: HashMap<RunId, Vec<Head>> = HashMap::new();
        for head in self.store.heads()? {
            heads.entry(head.run.clone()).or_default().push(head);
        }
        self.heads = Some(heads);
        Ok(())
    }

    fn look<'r>(&mut self, run: &'r RunId) -> Result<Look<'r>, Error> {
        let stamp = self.store.stamp(run).unwrap_or_default();
        let found = match self.read(run) {
            Ok(summary) => Found::Summary(Box::new(summary)),
            Err(error) => self.unread(run, error)?,
        };
        Ok(Look { run, stamp, found })
    }

    fn read(&mut self, run: &RunId) -> Result<Summary, Error> {
        let own;
        let heads = match &self.heads {
            Some(heads) => heads.get(run).map_or(&[][..], Vec::as_slice),
            None => {
                own = self.store.heads_of(run)?;
                &own
            }
        };
        let plans = &mut self.plans.0;
        let known = |hash: &str| plans.get(hash).cloned();
        let recorded = Recorded::read_with(self.store, run, heads, known)?;
        if plans.len() >= PLANS_MAX {
            plans.clear();
        }
        let hash = recorded.plan_hash().to_owned();
        plans.insert(hash, Arc::clone(&recorded.plan));
        Ok(Summary::of(&recorded, &recorded.state()))
    }

    /// What is known of a run that can't be read.
    fn unread(&self, run: &RunId, error: Error) -> Result<Found, Error> {
        if error.is_denied() {
            return Ok(Found::Unread(Status::Denied));
        }
        match error.kind {
            Kind::Damaged => Ok(Found::Unread(Status::Damaged)),
            Kind::Missing => match self.store.read(run) {
                // It was killed before it wrote anything, or is about to.
                Ok(lines) if lines.is_empty() => Ok(Found::Unread(Status::Open)),
                // Its record is there, its plan is not.
                Ok(_) => Ok(Found::Unread(Status::Damaged)),
                Err(error) if error.kind == Kind::Missing => self.absent(run),
                Err(error) => Err(error),
            },
            _ => Err(error),
        }
    }

    /// A run without a record: about to have one, or it has none any more.
    fn absent(&self, run: &RunId) -> Result<Found, Error> {
        let young = run
            .began()
            .is_none_or(|began| self.now.since(began) < BEGINS);
        let was_removed = || {
            let removed = self.store.removed()?;
            Ok::<_, Error>(removed.iter().any(|(one, _)| one == run))
        };
        Ok(if young && !was_removed()? {
            Found::Unread(Status::Begun)
        } else {
            Found::Gone
        })
    }
}

/// Whether an open run has another row than its record would have now.
fn has_moved(store: &dyn Store, open: &OpenRun, now: Timestamp) -> bool {
    match whole::last(store, &open.run) {
        // A run that goes on has a fact every moment; what matters of it is its end.
        Ok(Some(last)) => {
            open.seq == 0 || last.seq != open.seq && matches!(last.fact, Fact::RunFinished { .. })
        }
        // Its record is there, and was not.
        Ok(None) => open.status == Status::Begun,
        Err(error) if error.kind == Kind::Missing => {
            let began = open.run.began();
            began.is_some_and(|began| now.since(began) >= BEGINS)
        }
        Err(_) => true,
    }
}

/// The right to open the file.
fn lock(state: &Folder) -> Result<File, Error> {
    let path = state.path_of(LOCK);
    let file = state.open(LOCK, How::Make);
    let file = file.map_err(|error| io("open", &path, error))?;
    file.lock().map_err(|error| io("lock", &path, error))?;
    Ok(file)
}

/// What is locked by who has the index.
const LOCK: &str = "index.lock";

/// The file and those that SQLite has beside it.
fn files() -> [String; 4] {
    ["", "-journal", "-wal", "-shm"].map(|end| format!("{INDEX}{end}"))
}

fn io(doing: &str, path: &Path, cause: std::io::Error) -> Error {
    Error {
        path: Some(path.to_owned()),
        cause: Some(cause),
        ..Error::new(Kind::Io, format!("{doing} the index"))
    }
}

fn trouble(path: &Path, doing: &str, error: rusqlite::Error) -> Error {
    let damaged = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) || matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    );
    // A table that is not there was there when the file was made.
    let damaged = damaged || error.sqlite_error_code() == Some(ErrorCode::Unknown);
    let kind = if damaged { Kind::Damaged } else { Kind::Io };
    let cause = std::io::Error::other(error);
    Error {
        path: Some(path.to_owned()),
        cause: Some(cause),
        ..Error::new(kind, format!("{doing} the index"))
    }
}
