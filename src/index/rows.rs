//! The tables of the index: what is written for a run, and what can be asked.

use std::str::FromStr;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};

use super::{Index, trouble};
use crate::core::fact::{Given, Outcome, RunEnd};
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::record::summary::{Summary, Work};
use crate::store::Error;

/// A run as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The run.
    pub run: RunId,
    /// How it stands.
    pub status: Status,
    /// When it was created, as far as that is known.
    pub began: Option<Timestamp>,
    /// When it ended, or had last done something when it was looked at.
    pub last: Option<Timestamp>,
    /// How many facts it had.
    pub seq: u64,
    /// The hash of the last of them.
    pub hash: String,
    /// The tasks that were asked for.
    pub asked: Vec<String>,
    /// What was given beside them.
    pub given: Given,
    /// The stamp of its record when it was looked at.
    pub stamp: String,
}

/// A run that had not ended when it was looked at.
pub(super) struct OpenRun {
    /// Its id.
    pub(super) run: RunId,
    /// How many facts it had.
    pub(super) seq: u64,
    /// Whether it had a record.
    pub(super) status: Status,
}

/// How a run stands, as far as that does not change by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has ended.
    Ended(RunEnd),
    /// It goes on, or can go on.
    Open,
    /// It has been announced, and has no record yet.
    Begun,
    /// Its record is not what was written.
    Damaged,
    /// Its record belongs to somebody else, who lets nobody read it.
    Denied,
}

/// Which runs are wanted; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// How they stand.
    pub status: Option<Status>,
    /// They were asked for this task.
    pub task: Option<String>,
    /// They began then or later.
    pub since: Option<Timestamp>,
    /// This stands somewhere in what they can be found by; big and small letters (of ASCII) are the same.
    pub text: Option<String>,
    /// They began before this one.
    pub before: Option<RunId>,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ended(RunEnd::Completed) => "completed",
            Self::Ended(RunEnd::Failed) => "failed",
            Self::Ended(RunEnd::Cancelled) => "cancelled",
            Self::Open => "open",
            Self::Begun => "begun",
            Self::Damaged => "damaged",
            Self::Denied => "unreadable",
        }
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let ends = [RunEnd::Completed, RunEnd::Failed, RunEnd::Cancelled].map(Self::Ended);
        let others = [Self::Open, Self::Begun, Self::Damaged, Self::Denied];
        let mut all = ends.into_iter().chain(others);
        all.find(|status| status.word() == word).ok_or(())
    }
}

/// Takes a run out.
pub(super) fn forget(transaction: &Transaction<'_>, run: &RunId) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM runs WHERE id = ?1",
        "DELETE FROM asked WHERE run = ?1",
        "DELETE FROM work WHERE run = ?1",
    ] {
        transaction.prepare_cached(sql)?.execute([run.as_str()])?;
    }
    Ok(())
}

const INSERT: &str = "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// A run that was known and can't be read any more; `false` when it was not known.
pub(super) fn set_unread(
    transaction: &Transaction<'_>,
    run: &RunId,
    stamp: &str,
    status: Status,
) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM work WHERE run = ?1";
    transaction.prepare_cached(sql)?.execute([run.as_str()])?;
    let sql = "UPDATE runs SET status = ?2, stamp = ?3 WHERE id = ?1";
    let row = params![run.as_str(), status.word(), stamp];
    Ok(transaction.prepare_cached(sql)?.execute(row)? > 0)
}

/// A run of which nothing is known but how it stands.
pub(super) fn insert_unread(
    transaction: &Transaction<'_>,
    run: &RunId,
    stamp: &str,
    status: Status,
) -> rusqlite::Result<()> {
    let began = run.began().map(Timestamp::as_micros);
    let none = rusqlite::types::Null;
    let row = params![
        run.as_str(),
        status.word(),
        began,
        none,
        0,
        "",
        "",
        "[]",
        "{}",
        "",
        stamp
    ];
    transaction.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

/// A run with all that is known of it.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    stamp: &str,
    summary: &Summary,
) -> rusqlite::Result<()> {
    let run = summary.run.as_str();
    let status = summary.end.map_or(Status::Open, Status::Ended);
    let asked = serde_json::to_string(&summary.asked).unwrap_or_default();
    transaction.prepare_cached(INSERT)?.execute(params![
        run,
        status.word(),
        summary.began.as_micros(),
        summary.last.as_micros(),
        i64::try_from(summary.seq).unwrap_or(i64::MAX),
        summary.hash,
        summary.plan,
        asked,
        serde_json::to_string(&summary.given).unwrap_or_default(),
        summary.words.join("\u{1f}"),
        stamp,
    ])?;
    let mut asks = transaction.prepare_cached("INSERT OR IGNORE INTO asked VALUES (?1, ?2)")?;
    for task in &summary.asked {
        asks.execute([task.as_str(), run])?;
    }
    let sql = "INSERT INTO work VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut works = transaction.prepare_cached(sql)?;
    for (number, work) in (0_i64..).zip(&summary.work) {
        let micros = work
            .micros
            .map(|micros| i64::try_from(micros).unwrap_or(i64::MAX));
        let outcome = outcome_word(work.outcome);
        works.execute(params![
            run,
            number,
            work.task,
            work.step,
            outcome,
            micros,
            work.retries
        ])?;
    }
    Ok(())
}

pub(super) fn work_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Work> {
    let outcome: String = row.get(2)?;
    let outcome = serde_json::from_value(outcome.into()).unwrap_or(Outcome::Failed);
    Ok(Work {
        task: row.get(0)?,
        step: row.get(1)?,
        outcome,
        micros: row.get(3)?,
        retries: row.get(4)?,
    })
}

/// As it stands in facts.
fn outcome_word(outcome: Outcome) -> String {
    let value = serde_json::to_value(outcome).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

impl Index {
    /// How far it is, as the store has said.
    pub(super) fn cursor(&self) -> Result<Option<String>, Error> {
        let sql = "SELECT text FROM cursor";
        let cursor = self
            .database
            .query_row(sql, [], |row| row.get(0))
            .optional();
        cursor.map_err(|error| self.trouble("read", error))
    }

    /// The runs that had not ended when they were looked at.
    pub(super) fn open_runs(&self) -> Result<Vec<OpenRun>, Error> {
        let sql = "SELECT id, seq, status FROM runs WHERE status IN ('open', 'begun')";
        let read = || {
            let mut open = self.database.prepare_cached(sql)?;
            let rows = open.query_map([], |row| {
                let (id, seq, status): (String, u64, String) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(RunId::parse(&id).map(|run| OpenRun {
                    run,
                    seq,
                    status: status.parse().unwrap_or(Status::Open),
                }))
            })?;
            rows.filter_map(Result::transpose)
                .collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error| self.trouble("read", error))
    }

    /// The runs that began since then and stand so, the newest first.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn with_status(&self, status: Status, since: Timestamp) -> Result<Vec<RunId>, Error> {
        let filter = Filter {
            status: Some(status),
            since: Some(since),
            ..Filter::default()
        };
        let rows = self.page(&filter, usize::MAX)?;
        Ok(rows.into_iter().map(|row| row.run).collect())
    }

    /// The runs that began since then and have ended, each with the stamp of its record when it was looked at.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn stamps(&self, since: Timestamp) -> Result<Vec<(RunId, String)>, Error> {
        let sql =
            "SELECT id, stamp FROM runs WHERE began >= ?1 AND status NOT IN ('begun', 'open')";
        let read = || {
            let mut all = self.database.prepare_cached(sql)?;
            let rows = all.query_map([since.as_micros()], |row| {
                let id: String = row.get(0)?;
                Ok(RunId::parse(&id).zip(row.get(1)?))
            })?;
            rows.filter_map(Result::transpose)
                .collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error| self.trouble("read", error))
    }

    /// Nothing is known of any run any more.
    pub(super) fn forget_all(&self) -> Result<(), Error> {
        let sql = "DELETE FROM runs; DELETE FROM asked; DELETE FROM work; DELETE FROM cursor;";
        self.database
            .execute_batch(sql)
            .map_err(|error| self.trouble("write", error))
    }

    /// The newest runs that fit, at most so many.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn page(&self, filter: &Filter, limit: usize) -> Result<Vec<Row>, Error> {
        let mut conditions: Vec<&str> = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        let mut add = |condition: &'static str, value: Value| {
            conditions.push(condition);
            values.push(value);
        };
        match filter.status {
            Some(status) => add("status = ?", Value::from(status.word().to_owned())),
            // What has no record was never there, as long as it has none.
            None => add("status <> ?", Value::from(Status::Begun.word().to_owned())),
        }
        // The runs of a task are found by the task, in their order.
        let (from, id) = match &filter.task {
            Some(_) => ("asked CROSS JOIN runs ON id = run", "run"),
            None => ("runs", "id"),
        };
        if let Some(task) = &filter.task {
            add("task = ?", Value::from(task.clone()));
        }
        if let Some(since) = filter.since {
            add("began >= ?", Value::from(since.as_micros()));
        }
        if let Some(text) = &filter.text {
            add("words LIKE ? ESCAPE '\\'", Value::from(like(text)));
        }
        if let Some(before) = &filter.before {
            let sql = if id == "run" { "run < ?" } else { "id < ?" };
            add(sql, Value::from(before.to_string()));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", conditions.join(" AND "))
        };
        values.push(Value::from(i64::try_from(limit).unwrap_or(i64::MAX)));
        let sql = format!(
            "SELECT id, status, began, last, seq, hash, asked, given, stamp FROM {from} {filter} ORDER BY {id} DESC LIMIT ?"
        );
        self.rows(&sql, values)
    }

    /// The row of a run.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn row(&self, run: &RunId) -> Result<Option<Row>, Error> {
        let sql =
            "SELECT id, status, began, last, seq, hash, asked, given, stamp FROM runs WHERE id = ?";
        let mut rows = self.rows(sql, vec![Value::from(run.to_string())])?;
        Ok(rows.pop())
    }

    /// How many runs there are.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn count(&self) -> Result<usize, Error> {
        let sql = "SELECT count(*) FROM runs WHERE status <> 'begun'";
        let count = self.database.query_row(sql, [], |row| row.get(0));
        count.map_err(|error| self.trouble("read", error))
    }

    /// All that is known of a run, as it was put in; `None` when that makes no sense.
    pub(super) fn summary(&self, run: &RunId, row: &Row) -> Result<Option<Summary>, Error> {
        let read = || {
            let sql = "SELECT plan, words, given FROM runs WHERE id = ?1";
            let (plan, words, given): (String, String, String) =
                self.database.query_row(sql, [run.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            let sql = "SELECT task FROM asked WHERE run = ?1 ORDER BY task";
            let mut asked = self.database.prepare_cached(sql)?;
            let asked: Vec<String> = asked
                .query_map([run.as_str()], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let sql = "SELECT task, step, outcome, micros, retries FROM work WHERE run = ?1 ORDER BY number";
            let mut work = self.database.prepare_cached(sql)?;
            let work: Vec<Work> = work
                .query_map([run.as_str()], work_of)?
                .collect::<Result<_, _>>()?;
            Ok((plan, words, given, asked, work))
        };
        let (plan, words, given, mut asked, work) =
            read().map_err(|error| self.trouble("read", error))?;
        let mut expected = row.asked.clone();
        expected.sort_unstable();
        expected.dedup();
        asked.sort_unstable();
        let whole =
            asked == expected && serde_json::to_string(&row.given).is_ok_and(|text| text == given);
        let (Status::Ended(end), Some(began), Some(last), true) =
            (row.status, row.began, row.last, whole)
        else {
            return Ok(None);
        };
        Ok(Some(Summary {
            run: run.clone(),
            end: Some(end),
            began,
            last,
            seq: row.seq,
            hash: row.hash.clone(),
            asked: row.asked.clone(),
            given: row.given.clone(),
            plan,
            words: words
                .split('\u{1f}')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            work,
        }))
    }

    /// The runs whose ids begin so, the oldest first, at most so many.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn with_beginning(&self, beginning: &str, limit: usize) -> Result<Vec<RunId>, Error> {
        // All digits of ids come before this one.
        let sql = "SELECT id, status, began, last, seq, hash, asked, given, stamp FROM runs WHERE id >= ? AND id < ? AND status <> 'begun' ORDER BY id LIMIT ?";
        let values = vec![
            Value::from(beginning.to_owned()),
            Value::from(format!("{beginning}\u{7f}")),
            Value::from(i64::try_from(limit).unwrap_or(i64::MAX)),
        ];
        let rows = self.rows(sql, values)?;
        Ok(rows.into_iter().map(|row| row.run).collect())
    }

    /// The tasks that runs were asked for, each once.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn tasks(&self) -> Result<Vec<String>, Error> {
        let read = || {
            let sql = "SELECT DISTINCT task FROM asked";
            let mut tasks = self.database.prepare(sql)?;
            tasks
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()
        };
        read().map_err(|error| self.trouble("read", error))
    }

    fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        let read = || {
            let mut rows = self.database.prepare_cached(sql)?;
            let rows = rows.query_map(params_from_iter(values), |row| {
                let (id, word): (String, String) = (row.get(0)?, row.get(1)?);
                let (asked, given): (String, String) = (row.get(6)?, row.get(7)?);
                let (began, last): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
                let (seq, hash) = (row.get(4)?, row.get(5)?);
                // An id that is none is nobody's.
                Ok(RunId::parse(&id).map(|run| Row {
                    run,
                    status: word.parse().unwrap_or(Status::Damaged),
                    began: began.map(Timestamp::from_micros),
                    last: last.map(Timestamp::from_micros),
                    seq,
                    hash,
                    asked: serde_json::from_str(&asked).unwrap_or_default(),
                    given: serde_json::from_str(&given).unwrap_or_default(),
                    stamp: row.get(8).unwrap_or_default(),
                }))
            })?;
            rows.filter_map(Result::transpose)
                .collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error| trouble(&self.path, "read", error))
    }
}

/// A pattern that finds a text anywhere, whatever it has in it.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
