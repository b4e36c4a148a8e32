//! Which run is meant, and in what state it is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::context::{self, Context, STATE};
use super::{Exit, Trouble};
use crate::core::RunState;
use crate::core::fact::RunEnd;
use crate::core::state::RunStage;
use crate::engine::clock::Clock;
use crate::exec::room;
use crate::index::{Filter, Index, Row, Status};
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::record::{self, Recorded, whole};
use crate::report::failure::shown_path;
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
    if word.is_empty() {
        return Err(Trouble::call(
            "an empty word names no run",
            "write its id or how that begins, `latest`, or `latest:TASK`; `flow history` lists the runs",
        ));
    }
    let Some(latest) = newest(store, Filter::default(), page)? else {
        return Err(none_there(store, word)?
            .unwrap_or_else(|| Trouble::call("no runs are recorded here yet", "")));
    };
    if word == "latest" {
        return Ok(latest);
    }
    let meant = index.with_beginning(word, PAGE);
    let meant = meant.map_err(|error| unread(&error))?;
    match &meant[..] {
        [run] => Ok(run.clone()),
        [] => Err(none_there(store, word)?.unwrap_or_else(|| {
            Trouble::call(
                format!("there is no run {word:?}"),
                "`flow history` lists the runs; `latest` and `latest:TASK` are names too",
            )
        })),
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

/// A run of this name was removed.
fn none_there(store: &Files, word: &str) -> Result<Option<Trouble>, Trouble> {
    let removed = store.removed().map_err(|error| unread(&error))?;
    let meant = |(run, _): &&(RunId, Option<Timestamp>)| run.as_str().starts_with(word);
    Ok(removed.iter().rev().find(meant).map(|(run, at)| {
        let at = at.map_or_else(String::new, |at| format!(" on {}", at.local()));
        Trouble::call(
            format!("run {run} was removed by flow{at}"),
            "runs that ended long ago are removed once a day, or by `flow prune`; `flow history` lists those that are left",
        )
    }))
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
        let is_missing = |error: &store::Error| error.kind == Kind::Missing;
        let there = rows
            .iter()
            .find(|row| !store.is_owned(&row.run).as_ref().is_err_and(is_missing));
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

/// The runs that somebody works on at the moment, the oldest first.
pub(super) fn running(context: &Context, store: &Files) -> Result<Vec<RunId>, Trouble> {
    let index = any_index(context, store)?;
    let filter = Filter {
        status: Some(Status::Open),
        ..Filter::default()
    };
    let rows = index.page(&filter, usize::MAX);
    let rows = rows.map_err(|error| unread(&error))?;
    let runs = rows.into_iter().map(|row| row.run).rev();
    Ok(runs
        .filter(|run| store.is_owned(run).unwrap_or(false))
        .collect())
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
    let now = Clock::system().now();
    Ok(match context.doubt()? {
        Some(_) => Index::in_memory(store, now, &mut told),
        None => Index::open(&context.state()?, store, now, &mut told),
    })
}

/// The index can't be read.
pub(super) fn unindexed(error: &store::Error) -> Trouble {
    let help = match error.kind {
        Kind::Damaged => "  help: `flow doctor` rebuilds the index from the records\n",
        _ => "",
    };
    Trouble {
        exit: Exit::Record,
        words: format!("error: {error}\n{help}"),
    }
}

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
    let lines = whole::read(store, run).map_err(|error| unread(&error))?;
    with_plan(store, run, lines)
}

/// The run that has these lines.
pub(super) fn with_plan(
    store: &dyn Store,
    run: &RunId,
    lines: whole::Lines,
) -> Result<Recorded, Trouble> {
    if lines.records.is_empty() {
        return Err(Trouble::call(
            format!("run {run} ended before anything of it was recorded"),
            "run its tasks once more; nothing of them had begun",
        ));
    }
    Recorded::of(store, run, lines, |_| None).map_err(|error| unread(&error))
}

/// A record that can't be read.
pub(super) fn unread(error: &store::Error) -> Trouble {
    Trouble {
        exit: Exit::Record,
        words: format!("error: {error}\n{}", help(error)),
    }
}

/// Records that are not what was written were met, and left alone.
pub(super) fn check_damaged(runs: &[RunId]) -> Result<(), Trouble> {
    let Some(run) = runs.first() else {
        return Ok(());
    };
    let more = match runs.len() {
        1 => format!("the record of run {run} is"),
        many => format!("the records of run {run} and {} more are", many - 1),
    };
    Err(Trouble {
        exit: Exit::Record,
        words: format!(
            "error: {more} not what was written\n  help: nothing of it was changed; `flow verify {run}` says what is wrong\n"
        ),
    })
}

/// The same of what is no record, and lies beside them.
pub(super) fn unreadable(error: &impl std::fmt::Display) -> Trouble {
    Trouble {
        exit: Exit::Record,
        words: format!("error: {error}\n"),
    }
}

/// What can be done about it, as a line of its own, where anything can.
pub(super) fn help(error: &store::Error) -> String {
    let help = match (&error.path, error.kind) {
        (Some(path), _) if error.is_denied() => of_another(path),
        (_, Kind::Damaged) => {
            Some("nothing of it was changed; `flow verify --all` looks at all records".to_owned())
        }
        _ => error.cause().and_then(room::help).map(str::to_owned),
    };
    help.map_or_else(String::new, |help| format!("  help: {help}\n"))
}

/// The same of all runs there are.
pub(super) fn say_all_denied(context: &Context, store: &Files) -> Result<(), Trouble> {
    let index = any_index(context, store)?;
    let denied = index.with_status(Status::Denied, Timestamp::from_micros(0));
    let denied = denied.map_err(|error| unread(&error))?;
    say_denied(store, &denied.iter().collect::<Vec<_>>());
    Ok(())
}

/// Says which runs somebody else has made here, who lets nobody read them.
pub(super) fn say_denied(store: &Files, runs: &[&RunId]) {
    let Some(run) = runs.first() else {
        return;
    };
    let count = match runs.len() {
        1 => format!("run {run} can't be read"),
        many => format!("run {run} and {} more can't be read", many - 1),
    };
    let help = of_another(&store.path_of(run)).unwrap_or_default();
    // Nobody may want to know.
    let _ = screen::print("", &format!("note: {count}\n  help: {help}\n"));
}

/// Whose a file of `.flow` is that we may not use, and how it becomes ours.
pub(super) fn of_another(path: &Path) -> Option<String> {
    let folder = path.ancestors().find(|folder| folder.ends_with(STATE))?;
    let own = rustix::process::geteuid().as_raw();
    let below = path.ancestors().take_while(|at| at.starts_with(folder));
    let mut owners = below.filter_map(|at| Some(fs::metadata(at).ok()?.uid()));
    let shown = shown_path(folder);
    let other = owners.find(|owner| *owner != own);
    Some(match other {
        Some(other) => format!(
            "{shown} has files of {}, who ran flow here; they become yours by: sudo chown -R {} {shown}",
            context::user(other),
            context::user(own),
        ),
        None => format!("your own files there forbid it: chmod -R u+rwX {shown}"),
    })
}
