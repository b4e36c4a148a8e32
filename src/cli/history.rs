//! `flow history`: the recorded runs, by the index over them.

use serde_json::json;

use clap::Args;

use super::context::Context;
use super::runs::{self, unindexed, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::core::fact::{Fact, Given};
use crate::engine::clock::Clock;
use crate::index::{Filter, Index, Row, Status};
use crate::model::id::RunId;
use crate::model::time::{Timestamp, human};
use crate::record::{self, given, whole};
use crate::report::{screen, table};
use crate::store::files::Files;
use crate::store::{self, Kind, Store};

/// List recorded runs, newest first
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Only runs with this status
    #[arg(long, value_name = "STATUS", value_parser = ["completed", "failed", "cancelled", "interrupted", "running", "paused"])]
    pub(super) status: Option<String>,
    /// Only runs of this task
    #[arg(long, value_name = "TASK")]
    pub(super) task: Option<String>,
    /// Only runs that started after this time, or within this age (2h = the last two hours)
    #[arg(long, value_name = "MOMENT")]
    pub(super) since: Option<String>,
    /// Only runs that contain this text in a name, a reason, an error, the last lines of a failure or a note
    #[arg(long, value_name = "TEXT")]
    pub(super) text: Option<String>,
    /// Only runs that started before this run
    #[arg(long, value_name = "RUN")]
    pub(super) before: Option<String>,
    /// Show at most N runs
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
    /// Print JSON lines
    #[arg(long)]
    pub(super) json: bool,
}

impl Verb for HistoryArgs {
    const NAME: &'static str = "history";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        history(context, self)
    }
}

/// What the list says of a run.
struct Entry {
    run: RunId,
    status: &'static str,
    asked: Vec<String>,
    given: Given,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// Lists the recorded runs.
pub(super) fn history(context: &Context, args: &HistoryArgs) -> Result<Exit, Trouble> {
    let store = context.history()?;
    let before = args.before.as_deref();
    let mut filter = Filter {
        // What is open changes by itself; the rest is known.
        status: args
            .status
            .as_deref()
            .map(|status| status.parse().unwrap_or(Status::Open)),
        task: args.task.clone(),
        since: args.since.as_deref().map(runs::time).transpose()?,
        text: args.text.clone(),
        before: before
            .map(|word| runs::find(context, &store, word))
            .transpose()?,
    };
    let mut index = runs::index(context, &store)?;
    let (entries, more) = entries(&mut index, &store, &mut filter, args)?;
    drop(index);
    if entries.is_empty() && args.limit > 0 && !args.json {
        let any = args.status.is_some() || filter != Filter::default();
        let words = if any {
            "no such run is recorded\n"
        } else {
            "no runs are recorded here yet\n"
        };
        // Whoever closed stderr does not want to know.
        let _ = screen::print("", words);
        return Ok(Exit::Done);
    }
    let text = if args.json {
        entries.iter().map(as_json).collect()
    } else {
        as_table(&entries)
    };
    let shown = super::show(&text)?;
    if let Some(last) = entries.last().filter(|_| more && !args.json) {
        let _ = screen::print("", &format!("older ones: --before {}\n", last.run));
    }
    let damaged = entries
        .iter()
        .filter(|entry| entry.status == DAMAGED)
        .count();
    if damaged > 0 {
        let words = format!("error: {damaged} of these records can't be read\n");
        return Err(Trouble {
            exit: Exit::Record,
            words,
        });
    }
    let denied = entries.iter().filter(|entry| entry.status == UNREADABLE);
    let denied: Vec<&RunId> = denied.map(|entry| &entry.run).collect();
    runs::say_denied(&store, &denied);
    Ok(shown)
}

/// So many rows are asked for at a time.
const PAGE: usize = 200;

/// The entries that are wanted, and whether there are more.
fn entries(
    index: &mut Index,
    store: &Files,
    filter: &mut Filter,
    args: &HistoryArgs,
) -> Result<(Vec<Entry>, bool), Trouble> {
    let mut entries = Vec::new();
    loop {
        let page = PAGE.min(args.limit.saturating_add(1));
        let rows = page_of(index, store, filter, page).map_err(|error| unindexed(&error))?;
        for row in &rows {
            let entry = match entry(store, row) {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                Err(error) => unread_entry(row, &error)?,
            };
            let wanted = args.status.as_deref();
            if wanted.is_some_and(|status| entry.status != status) {
                continue;
            }
            if entries.len() == args.limit {
                return Ok((entries, true));
            }
            entries.push(entry);
        }
        match rows.last() {
            Some(last) if rows.len() == page => filter.before = Some(last.run.clone()),
            _ => return Ok((entries, false)),
        }
    }
}

/// A page of rows that are what their records say.
fn page_of(
    index: &mut Index,
    store: &Files,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Row>, store::Error> {
    let rows = index.page(filter, limit)?;
    let known = |row: &&Row| row.status != Status::Open;
    let stamps = rows.iter().filter(known);
    let stamps: Vec<_> = stamps
        .map(|row| (row.run.clone(), row.stamp.clone()))
        .collect();
    if index.look_again(store, &stamps, Clock::system().now())? {
        return index.page(filter, limit);
    }
    Ok(rows)
}

/// What is said of a record that can't be read.
const DAMAGED: &str = "damaged";
/// What is said of a record that belongs to somebody else.
const UNREADABLE: &str = "unreadable";

/// What is said of a run of which the record can't be read: the others are listed all the same.
fn unread_entry(row: &Row, error: &store::Error) -> Result<Entry, Trouble> {
    let status = match error.kind {
        Kind::Damaged => DAMAGED,
        _ if error.is_denied() => UNREADABLE,
        _ => return Err(unread(error)),
    };
    Ok(Entry {
        run: row.run.clone(),
        status,
        asked: row.asked.clone(),
        given: row.given.clone(),
        from: row.began,
        to: None,
    })
}

/// What is said of a run; nothing of one that has left no record, as nothing was done in it.
fn entry(store: &dyn Store, row: &Row) -> Result<Option<Entry>, store::Error> {
    let entry = |status, to| Entry {
        run: row.run.clone(),
        status,
        asked: row.asked.clone(),
        given: row.given.clone(),
        from: row.began,
        to,
    };
    let seen = match row.status {
        Status::Ended(end) => entry(runs::end_word(end), row.last),
        Status::Begun => return Ok(None),
        Status::Damaged => Entry {
            from: None,
            ..entry(DAMAGED, None)
        },
        Status::Denied => entry(UNREADABLE, None),
        Status::Open => {
            let owned = match store.is_owned(&row.run) {
                Err(error) if error.kind == Kind::Missing => return Ok(None),
                owned => owned?,
            };
            let last = whole::last(store, &row.run)?;
            let end = record::end(store, &row.run)?;
            let status = match last.as_ref().map(|last| &last.fact) {
                _ if end.is_some() => end.map_or("", |(_, end)| runs::end_word(end)),
                _ if owned => "running",
                Some(Fact::RunPaused {}) => "paused",
                _ => "interrupted",
            };
            let last = last.map(|last| last.at);
            Entry {
                from: row.began.filter(|_| last.is_some()),
                ..entry(status, last)
            }
        }
    };
    Ok(Some(seen))
}

fn as_table(entries: &[Entry]) -> String {
    let head = ["RUN", "STARTED", "STATUS", "TOOK", "TASKS"]
        .map(str::to_owned)
        .to_vec();
    let rows = entries.iter().map(|entry| {
        let started = entry.from.map(Timestamp::local).unwrap_or_default();
        let took = entry
            .from
            .zip(entry.to)
            .map(|(from, to)| human(to.since(from)))
            .unwrap_or_default();
        vec![
            entry.run.to_string(),
            started,
            entry.status.to_owned(),
            took,
            given::call(&entry.asked.join(" "), &entry.given),
        ]
    });
    table::aligned(std::iter::once(head).chain(rows))
}

fn as_json(entry: &Entry) -> String {
    let seconds = entry
        .from
        .zip(entry.to)
        .map(|(from, to)| to.since(from).as_secs_f64());
    let value = json!({
        "run": entry.run, "status": entry.status, "tasks": entry.asked, "given": entry.given,
        "started_at": entry.from, "last_fact_at": entry.to, "seconds": seconds,
    });
    format!("{value}\n")
}
