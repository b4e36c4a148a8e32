//! Which run is meant, and in what state it is.

use super::context::Context;
use super::{Exit, Trouble};
use crate::core::RunState;
use crate::core::fact::RunEnd;
use crate::core::state::RunStage;
use crate::engine::clock::Clock;
use crate::index::{Filter, Index, Row, Status};
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::record::{self, Recorded};
use crate::report::screen;
use crate::store::files::Files;
use crate::store::{self, Kind, Store};
use crate::suggest::Suggest;

/// The run that a word means: an id or the beginning of one, `latest`, `latest:TASK`.
pub(super) fn find(context: &Context, store: &Files, word: &str) -> Result<RunId, Trouble> {
    // A whole id needs no list.
    if let Some(run) = RunId::parse(word).filter(|run| store.is_owned(run).is_ok()) {
        return Ok(run);
    }
    let index = any_index(context, store)?;
    let page = |filter: &Filter| index.page(filter, PAGE).map_err(|error| unread(&error));
    if let Some(task) = word.strip_prefix("latest:") {
        let of_task = Filter {
            task: Some(task.to_owned()),
            ..Filter::default()
        };
        return newest(store, of_task, page)?.ok_or_else(|| {
            let tasks = index.tasks().unwrap_or_default();
            let near = Suggest::new().nearest(task, tasks.iter().map(String::as_str));
            let help = near.map_or_else(
                || "`flow history` lists the runs".to_owned(),
                |near| format!("did you mean latest:{near}?"),
            );
            Trouble::call(format!("no run of the task {task:?} is recorded"), help)
        });
    }
    let Some(latest) = newest(store, Filter::default(), page)? else {
        return Err(Trouble::call("no runs are recorded here yet", ""));
    };
    if word == "latest" {
        return Ok(latest);
    }
    let meant = index.with_beginning(word, PAGE);
    let meant = meant.map_err(|error| unread(&error))?;
    match &meant[..] {
        [run] => Ok(run.clone()),
        [] => Err(Trouble::call(
            format!("there is no run {word:?}"),
            "`flow history` lists the runs; `latest` and `latest:TASK` are names too",
        )),
        _ => {
            let names: Vec<&str> = meant.iter().take(5).map(RunId::as_str).collect();
            let more = if meant.len() == PAGE { "at least " } else { "" };
            let what = format!("{word:?} is the beginning of {more}{} runs", meant.len());
            Err(Trouble::call(
                what,
                format!("write more of it: {}", names.join(", ")),
            ))
        }
    }
}

/// So many rows are asked for at a time.
const PAGE: usize = 100;

/// The newest run that fits and that there is: one in which nothing was done leaves no record.
fn newest(
    store: &Files,
    mut filter: Filter,
    page: impl Fn(&Filter) -> Result<Vec<Row>, Trouble>,
) -> Result<Option<RunId>, Trouble> {
    loop {
        let rows = page(&filter)?;
        let there = rows.iter().find(|row| store.is_owned(&row.run).is_ok());
        if let Some(row) = there {
            return Ok(Some(row.run.clone()));
        }
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        filter.before = Some(last.run.clone());
    }
}

/// The index over all runs, made of the records when it is damaged: what is asked is about one run, and they say it too.
fn any_index(context: &Context, store: &Files) -> Result<Index, Trouble> {
    match open(context, store)? {
        Err(error) if error.kind == Kind::Damaged => {
            let now = Clock::system().now();
            Index::in_memory(store, now, &mut told).map_err(|error| unread(&error))
        }
        index => index.map_err(|error| unread(&error)),
    }
}

/// The newest run that was interrupted, if there is one.
pub(super) fn newest_interrupted(
    context: &Context,
    store: &Files,
) -> Result<Option<RunId>, Trouble> {
    let index = any_index(context, store)?;
    let mut filter = Filter {
        status: Some(Status::Open),
        ..Filter::default()
    };
    loop {
        let rows = index.page(&filter, PAGE).map_err(|error| unread(&error))?;
        for Row { run, .. } in &rows {
            let interrupted = is_interrupted(store, run).map_err(|error| unread(&error))?;
            if interrupted {
                return Ok(Some(run.clone()));
            }
        }
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        filter.before = Some(last.run.clone());
    }
}

/// Whether a run has begun, has not ended, and is nobody's.
fn is_interrupted(store: &Files, run: &RunId) -> Result<bool, store::Error> {
    match store.edges(run) {
        // Nothing was done in it, so nothing is left of it.
        Err(error) if error.kind == Kind::Missing => Ok(false),
        edges => {
            Ok(edges?.is_some() && record::end(store, run)?.is_none() && !store.is_owned(run)?)
        }
    }
}

/// The index over all runs.
pub(super) fn index(context: &Context, store: &Files) -> Result<Index, Trouble> {
    open(context, store)?.map_err(|error| unindexed(&error))
}

fn open(context: &Context, store: &Files) -> Result<Result<Index, store::Error>, Trouble> {
    let path = context.state()?.join(INDEX);
    let now = Clock::system().now();
    Ok(Index::open(&path, store, now, &mut told))
}

/// The index can't be read.
pub(super) fn unindexed(error: &store::Error) -> Trouble {
    let help = match error.kind {
        Kind::Damaged => {
            "  help: `flow doctor` makes the index anew; it is a cache of the records, which are not touched\n"
        }
        _ => "",
    };
    Trouble {
        exit: Exit::Record,
        words: format!("error: {error}\n{help}"),
    }
}

/// The name of the index in the folder of flow's own data.
pub(super) const INDEX: &str = "index.sqlite";

/// Whoever has to wait for the index is told why, once.
pub(super) fn told(left: usize) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if left >= MANY {
        ONCE.call_once(|| {
            // Whoever closed stderr does not want to know.
            let _ = screen::print("", &format!("making the index over {left} runs\n"));
        });
    }
}

/// So many records take a second or more to look at.
const MANY: usize = 20_000;

/// The word for the state that a run is in; whether somebody owns it is only asked when that matters.
pub(super) fn status(
    state: &RunState,
    is_owned: impl FnOnce() -> Result<bool, store::Error>,
) -> Result<&'static str, store::Error> {
    Ok(match state.stage() {
        RunStage::Finished(end) => end_word(end),
        _ if is_owned()? => "running",
        RunStage::Paused => "paused",
        RunStage::Pending | RunStage::Running => "interrupted",
    })
}

/// The word for how a run has ended.
pub(super) const fn end_word(end: RunEnd) -> &'static str {
    match end {
        RunEnd::Completed => "completed",
        RunEnd::Failed => "failed",
        RunEnd::Cancelled => "cancelled",
    }
}

/// A time as people write it.
pub(super) fn time(text: &str) -> Result<Timestamp, Trouble> {
    Timestamp::read(text, Clock::system().now()).ok_or_else(|| {
        Trouble::call(
            format!("{text:?} is no moment"),
            "write 2026-11-21T02:00:00Z, '2026-11-21 02:00' in local time, 02:00 of today, 10m for ten minutes ago, or after --at the number of a fact",
        )
    })
}

/// A run with all that is recorded of it.
pub(super) fn read(store: &dyn Store, run: &RunId) -> Result<Recorded, Trouble> {
    Recorded::read(store, run).map_err(|error| match error.kind {
        Kind::Missing if store.read(run).is_ok_and(|lines| lines.is_empty()) => Trouble::call(
            format!("run {run} ended before anything of it was recorded"),
            "run its tasks anew; nothing of them had begun",
        ),
        _ => unread(&error),
    })
}

/// A record that can't be read.
pub(super) fn unread(error: &impl std::fmt::Display) -> Trouble {
    Trouble {
        exit: Exit::Record,
        words: format!("error: {error}\n"),
    }
}
