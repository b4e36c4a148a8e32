//! `flow history`: reads the record plainly, run by run.

use serde_json::json;

use super::args::HistoryArgs;
use super::context::Context;
use super::runs::{self, unread};
use super::{Exit, Trouble};
use crate::core::fact::Fact;
use crate::model::id::RunId;
use crate::model::time::{Timestamp, human};
use crate::report::{screen, table};
use crate::store::{Store, line};

/// What the list says of a run.
struct Entry {
    run: RunId,
    status: &'static str,
    asked: Vec<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// Lists the recorded runs.
pub(super) fn history(context: &Context, args: &HistoryArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let found = store.runs().map_err(|error| unread(&error))?;
    if found.is_empty() && !args.json {
        // Whoever closed stderr does not want to know.
        let _ = screen::print("", "no runs are recorded here yet\n");
        return Ok(Exit::Done);
    }
    let since = args.since.as_deref().map(runs::time).transpose()?;
    let wanted = |entry: &Entry| {
        args.status
            .as_deref()
            .is_none_or(|status| entry.status == status)
            && args
                .task
                .as_ref()
                .is_none_or(|task| entry.asked.contains(task))
    };
    let mut entries = Vec::new();
    for run in found {
        if entries.len() == args.limit {
            break;
        }
        let entry = entry(&store, run).map_err(|error| unread(&error))?;
        // They are in the order in which they began.
        if since.is_some_and(|since| entry.from.is_some_and(|from| from < since)) {
            break;
        }
        if wanted(&entry) {
            entries.push(entry);
        }
    }
    let text = if args.json {
        entries.iter().map(as_json).collect()
    } else {
        as_table(&entries)
    };
    let shown = super::show(&text)?;
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
    Ok(shown)
}

/// What is said of a record that can't be read.
const DAMAGED: &str = "damaged";

fn entry(store: &dyn Store, run: RunId) -> Result<Entry, crate::store::Error> {
    let unknown = Entry {
        run: run.clone(),
        status: DAMAGED,
        asked: Vec::new(),
        from: None,
        to: None,
    };
    let Some((first, last)) = store.edges(&run)? else {
        let status = if store.is_owned(&run)? {
            "running"
        } else {
            "interrupted"
        };
        return Ok(Entry { status, ..unknown });
    };
    let (Some(first), Some(last)) = (line::parse(&first), line::parse(&last)) else {
        return Ok(unknown);
    };
    let Fact::RunCreated { asked, .. } = first.fact else {
        return Ok(unknown);
    };
    let status = match last.fact {
        Fact::RunFinished { status } => runs::end_word(status),
        _ if store.is_owned(&run)? => "running",
        Fact::RunPaused {} => "paused",
        _ => "interrupted",
    };
    Ok(Entry {
        run,
        status,
        asked,
        from: Some(first.at),
        to: Some(last.at),
    })
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
            entry.asked.join(" "),
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
        "run": entry.run, "status": entry.status, "tasks": entry.asked,
        "started_at": entry.from, "last_fact_at": entry.to, "seconds": seconds,
    });
    format!("{value}\n")
}
