//! `flow resume`: goes on with a run whose process is gone.

use std::fs;

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use clap::Args;

use super::args::GoOnArgs;
use super::context::{self, Context};
use super::needed::Work;
use super::running::{Manner, Running, exit_of};
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble, use_current};
use crate::core::state::RunStage;
use crate::engine::Ending;
use crate::engine::clock::Clock;
use crate::engine::past::{self, Past};
use crate::model::id::RunId;
use crate::model::plan::Plan;
use crate::model::time::Timestamp;
use crate::record::items::Items;
use crate::record::{Recorded, whole};
use crate::report::failure::shown_path;
use crate::report::level::Level;
use crate::report::screen;
use crate::report::style::harmless;
use crate::store::Kind;
use crate::store::files::Files;

/// Continue an interrupted run
///
/// The run goes on with the Workflowfile as it was when the run started, unless --use-current is given.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: the newest interrupted run]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// Continue with the current Workflowfile, as a new run that reuses the finished work
    #[arg(long)]
    pub(super) use_current: bool,
    #[command(flatten)]
    pub(super) go_on: GoOnArgs,
}

impl Verb for ResumeArgs {
    const NAME: &'static str = "resume";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        resume(context, self)
    }
}

/// Goes on with a run.
pub(super) fn resume(context: &Context, args: &ResumeArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let run = match &args.run {
        Some(word) => runs::find(context, &store, word)?,
        None => match runs::newest_interrupted(context, &store)? {
            Some(run) => run,
            None => {
                runs::say_all_denied(context, &store)?;
                return Err(Trouble::call(
                    "no run was interrupted",
                    "`flow history` lists the runs",
                ));
            }
        },
    };
    let taken = match take(&store, &run, GO_ON)? {
        Taken::Ours(taken) => taken,
        Taken::Ended(exit) => return Ok(exit),
        Taken::Owned => {
            return Err(Trouble::call(
                format!("run {run} is going on in another process"),
                "it can be resumed when that process is gone",
            ));
        }
    };
    if args.use_current {
        return use_current::go_on(context, args, &store, *taken);
    }
    if args.go_on.show.says(Level::Info) {
        let words = harmless(&taken.words, false);
        let _ = screen::print("", &context::style().dim(&words));
    }
    let (work, running) = (Work::taken_up(context, taken.plan)?, taken.running);
    let manner = Manner::of_taken_up(context, args.go_on.jobs).with_exit_code(args.go_on.exit_code);
    let done = running.go_on(context, &args.go_on.show, manner, &work);
    // A process that ends need not take a large plan to pieces.
    std::mem::forget(work);
    done
}

/// What nothing is left to do of a run that has ended.
const GO_ON: &str = "go on with";

/// A run that was taken up, if it could be.
pub(super) enum Taken {
    /// It goes on here.
    Ours(Box<TakenRun>),
    /// It has ended, which was said.
    Ended(Exit),
    /// Another process works on it.
    Owned,
}

/// A run whose record is ours, and of which nothing goes on any more.
pub(super) struct TakenRun {
    pub(super) running: Running,
    pub(super) plan: Arc<Plan>,
    /// What is to be said of it.
    words: String,
}

/// Takes a run up.
pub(super) fn take(store: &Files, run: &RunId, what_for: &str) -> Result<Taken, Trouble> {
    if let Some(exit) = ended(store, run, what_for)? {
        return Ok(Taken::Ended(exit));
    }
    let (journal, lines) = match whole::take(store, run) {
        Ok(taken) => taken,
        Err(error) if error.kind == Kind::Owned => return Ok(Taken::Owned),
        Err(error) => return Err(unread(&error)),
    };
    // Now that nobody else writes, what is there is all there is.
    if let Some(exit) = ended(store, run, what_for)? {
        return Ok(Taken::Ended(exit));
    }
    let recorded = runs::with_plan(store, run, lines)?;
    let clock = Clock::system();
    end_left(run, store, &clock)?;
    let words = words(&recorded);
    let running = Running {
        run: recorded.run.clone(),
        plan_hash: recorded.plan_hash().to_owned(),
        journal,
        clock,
        past: Some(Past {
            records: recorded.records,
            chain: recorded.chain,
        }),
        request: None,
        trigger: None,
        taken_over: None,
    };
    Ok(Taken::Ours(Box::new(TakenRun {
        running,
        plan: recorded.plan,
        words,
    })))
}

/// How a run has ended, which is said; a finished run is final.
pub(super) fn ended(store: &Files, run: &RunId, what_for: &str) -> Result<Option<Exit>, Trouble> {
    // All of it is looked at: what is wrong in its midst is no end.
    let lines = whole::read(store, run).map_err(|error| unread(&error))?;
    let Some((at, status)) = lines.end() else {
        return Ok(None);
    };
    let words = format!(
        "run {run} {} at {}; there is nothing to {what_for}\n",
        match runs::end_word(status) {
            "cancelled" => "was cancelled",
            word => word,
        },
        at.local()
    );
    let _ = screen::print("", &words);
    Ok(Some(exit_of(Ending::Finished(status))))
}

/// Nothing of the run may be going on when it is gone on with.
fn end_left(run: &RunId, store: &Files, clock: &Clock) -> Result<(), Trouble> {
    let ended = past::end_left(run, store, || clock.instant()).map_err(|past::Undying(left)| {
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
fn words(recorded: &Recorded) -> String {
    let (state, plan, run) = (recorded.state(), &recorded.plan, &recorded.run);
    let tasks = plan.tasks().count();
    let over = |id| state.node(id).outcome().is_some();
    let done = plan.tasks().filter(|(id, _)| over(*id)).count();
    let items = match Items::of_run(&state) {
        Items { all: 0, .. } => String::new(),
        Items { ended, all } => format!("and {ended} of {all} items "),
    };
    let mut words = match state.stage() {
        RunStage::Pending => format!("run {run} had not begun\n"),
        _ => format!("going on with run {run}: {done} of {tasks} tasks {items}have ended\n"),
    };
    if was_changed(plan, recorded.began_at()) {
        let file = shown_path(&plan.file);
        words.push_str(&format!(
            "note: {file} was changed since; this run follows it as it was (--use-current takes the new one)\n"
        ));
    }
    words
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
