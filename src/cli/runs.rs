//! Which run is meant, and in what state it is.

use super::{Exit, Trouble};
use crate::core::RunState;
use crate::core::fact::{Fact, RunEnd};
use crate::core::state::RunStage;
use crate::engine::clock::Clock;
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::record::Recorded;
use crate::store::{self, Kind, Store, line};
use crate::suggest::Suggest;

/// The run that a word means: an id or the beginning of one, `latest`, `latest:TASK`.
pub(super) fn find(store: &dyn Store, word: &str) -> Result<RunId, Trouble> {
    let runs = store.runs().map_err(|error| unread(&error))?;
    if runs.is_empty() {
        return Err(Trouble::call("no runs are recorded here yet", ""));
    }
    if word == "latest" {
        return Ok(runs[0].clone());
    }
    if let Some(task) = word.strip_prefix("latest:") {
        let of_task = |run: &&RunId| asked(store, run).iter().any(|asked| asked == task);
        return runs.iter().find(of_task).cloned().ok_or_else(|| {
            let tasks: Vec<String> = runs.iter().flat_map(|run| asked(store, run)).collect();
            let near = Suggest::new().nearest(task, tasks.iter().map(String::as_str));
            let help = near.map_or_else(
                || "`flow history` lists the runs".to_owned(),
                |near| format!("did you mean latest:{near}?"),
            );
            Trouble::call(format!("no run of the task {task:?} is recorded"), help)
        });
    }
    let meant: Vec<&RunId> = runs
        .iter()
        .filter(|run| run.as_str().starts_with(word))
        .collect();
    match meant[..] {
        [run] => Ok(run.clone()),
        [] => Err(Trouble::call(
            format!("there is no run {word:?}"),
            "`flow history` lists the runs; `latest` and `latest:TASK` are names too",
        )),
        _ => {
            let exact = meant.iter().find(|run| run.as_str() == word);
            let several = || {
                let names: Vec<&str> = meant.iter().take(5).map(|run| run.as_str()).collect();
                let what = format!("{word:?} is the beginning of {} runs", meant.len());
                Trouble::call(what, format!("write more of it: {}", names.join(", ")))
            };
            exact.map(|run| (*run).clone()).ok_or_else(several)
        }
    }
}

/// The tasks that a run was asked for.
fn asked(store: &dyn Store, run: &RunId) -> Vec<String> {
    let first = store.edges(run).ok().flatten().map(|(first, _)| first);
    match first
        .and_then(|first| line::parse(&first))
        .map(|record| record.fact)
    {
        Some(Fact::RunCreated { asked, .. }) => asked,
        _ => Vec::new(),
    }
}

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
pub(super) fn unread(error: &store::Error) -> Trouble {
    Trouble {
        exit: Exit::Record,
        words: format!("error: {error}\n"),
    }
}
