//! `flow resume`: goes on with a run whose process is gone.

use std::fs;
use std::time::UNIX_EPOCH;

use super::args::ResumeArgs;
use super::context::{self, Context};
use super::needed::Work;
use super::running::{Manner, Running, exit_of, unrecorded};
use super::runs::{self, unread};
use super::{Exit, Trouble};
use crate::core::fact::Fact;
use crate::core::state::RunStage;
use crate::engine::Ending;
use crate::engine::clock::Clock;
use crate::engine::past::{self, Past};
use crate::model::id::RunId;
use crate::model::plan::Plan;
use crate::model::time::Timestamp;
use crate::record::Recorded;
use crate::report::failure::shown_path;
use crate::report::{Again, screen};
use crate::store::files::Files;
use crate::store::{Kind, Store, line};

/// Goes on with a run.
pub(super) fn resume(context: &Context, args: &ResumeArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let run = match &args.run {
        Some(word) => runs::find(&store, word)?,
        None => newest_interrupted(&store)?,
    };
    if let Some(ended) = ended(&store, &run)? {
        return Ok(ended);
    }
    let journal = store.open(&run).map_err(|error| match error.kind {
        Kind::Owned => Trouble::call(
            format!("run {run} is going on in another process"),
            "it can be resumed when that process is gone",
        ),
        _ => unrecorded(&error),
    })?;
    // Now that nobody else writes, what is there is all there is.
    if let Some(ended) = ended(&store, &run)? {
        return Ok(ended);
    }
    let recorded = runs::read(&store, &run)?;
    let plan_hash = recorded.plan_hash().to_owned();
    let clock = Clock::system();
    end_left(&run, &clock)?;
    if !args.show.quiet {
        tell(&recorded);
    }
    let Recorded {
        plan,
        records,
        chain,
        ..
    } = recorded;
    let work = Work::taken_up(context, plan)?;
    let running = Running {
        run,
        plan_hash,
        journal,
        clock,
        past: Some(Past { records, chain }),
    };
    let manner = Manner {
        jobs: args.jobs,
        explain: false,
        again: Again::Task(format!("flow {}", context.options)),
    };
    let done = running.go_on(context, &args.show, manner, &work);
    // A process that ends need not take a large plan to pieces.
    std::mem::forget(work);
    done
}

/// How a run has ended, which is said; a finished run is final.
fn ended(store: &Files, run: &RunId) -> Result<Option<Exit>, Trouble> {
    let edges = store.edges(run).map_err(|error| unread(&error))?;
    let last = edges.and_then(|(_, last)| line::parse(&last));
    let Some((at, Fact::RunFinished { status })) = last.map(|last| (last.at, last.fact)) else {
        return Ok(None);
    };
    let words = format!(
        "run {run} {} at {}; there is nothing to go on with\n",
        match runs::end_word(status) {
            "cancelled" => "was cancelled",
            word => word,
        },
        at.local()
    );
    let _ = screen::print("", &words);
    Ok(Some(exit_of(Ending::Finished(status))))
}

fn newest_interrupted(store: &Files) -> Result<RunId, Trouble> {
    for run in store.runs().map_err(|error| unread(&error))? {
        let last = store.edges(&run).map_err(|error| unread(&error))?;
        let last = last.and_then(|(_, last)| line::parse(&last));
        let open = last.is_some_and(|last| !matches!(last.fact, Fact::RunFinished { .. }));
        if open && !store.is_owned(&run).map_err(|error| unread(&error))? {
            return Ok(run);
        }
    }
    Err(Trouble::call(
        "no run was interrupted",
        "`flow history` lists the runs",
    ))
}

/// Nothing of the run may be going on when it is gone on with.
fn end_left(run: &RunId, clock: &Clock) -> Result<(), Trouble> {
    let ended = past::end_left(run, || clock.instant()).map_err(|past::Undying(left)| {
        let what = format!(
            "{} (process {}), which the task {} had started, can't be ended",
            left.program,
            left.pid.as_raw_nonzero(),
            left.task
        );
        Trouble::call(what, "end it, and resume the run then")
    })?;
    for left in ended {
        let words = format!(
            "ended {}, which {} had left running\n",
            left.program, left.task
        );
        let _ = screen::print("", &words);
    }
    Ok(())
}

/// What is gone on with, and whether that is still what the file says.
fn tell(recorded: &Recorded) {
    let (state, plan, run) = (recorded.state(), &recorded.plan, &recorded.run);
    let tasks = plan.tasks().count();
    let over = |id| state.node(id).outcome().is_some();
    let done = plan.tasks().filter(|(id, _)| over(*id)).count();
    let mut words = match state.stage() {
        RunStage::Pending => format!("run {run} had not begun\n"),
        _ => format!("going on with run {run}: {done} of {tasks} tasks have ended\n"),
    };
    if was_changed(plan, recorded.began_at()) {
        let file = shown_path(&plan.file);
        words.push_str(&format!(
            "note: {file} was changed since; this run follows it as it was\n"
        ));
    }
    let _ = screen::print("", &context::style().dim(&words));
}

/// Whether the file was written after the run began, as far as its time tells.
fn was_changed(plan: &Plan, began: Timestamp) -> bool {
    let modified = fs::metadata(&plan.file).and_then(|file| file.modified());
    let since = modified
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let micros = since.and_then(|since| i64::try_from(since.as_micros()).ok());
    micros.is_some_and(|micros| micros > began.as_micros())
}
