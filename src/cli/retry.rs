//! `flow retry`: a new run that takes over what was done in one that has ended, and begins at what failed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use clap::Args;

use super::args::GoOnArgs;
use super::context::{self, Context};
use super::running::{Manner, Running};
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::core::carried::{self, Carried};
use crate::core::fact::{Fact, RunEnd};
use crate::core::state::RunStage;
use crate::core::{Record, RunState};
use crate::engine::clock::Clock;
use crate::engine::inbox::{Inbox, Signals};
use crate::eval::kept::Kept;
use crate::exec::mask::Secrets;
use crate::exec::runner::Runner;
use crate::exec::shell::Programs;
use crate::model::id::{NodeId, RunId};
use crate::model::time::human;
use crate::record::Recorded;
use crate::report::level::Level;
use crate::report::{Mode, screen};
use crate::store::Store;
use crate::store::files::Files;
use crate::suggest::Suggest;

/// Run the failed part of a run again
///
/// A new run reuses the finished work and starts at what failed.
#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// Start at this task or step, even if it succeeded
    #[arg(long, value_name = "TASK[/STEP]")]
    pub(super) from: Option<String>,
    /// Try at most N times, waiting 2s, 4s, 8s … between tries
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_retries: u32,
    #[command(flatten)]
    pub(super) go_on: GoOnArgs,
}

impl Verb for RetryArgs {
    const NAME: &'static str = "retry";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        retry(context, self)
    }
}

/// The wait before the second try; it doubles with each further one.
const DELAY: Duration = Duration::from_secs(2);
const DELAY_MAX: Duration = Duration::from_secs(5 * 60);

/// Tries a run once more.
pub(super) fn retry(context: &Context, args: &RetryArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let mut run = runs::find(context, &store, args.run.as_deref().unwrap_or("latest"))?;
    let (mut tries, mut from) = (1, args.from.as_deref());
    loop {
        let (exit, next) = match once(context, &store, &run, from, args)? {
            Tried::Nothing => return Ok(Exit::Done),
            Tried::Run(exit, next) => (exit, next),
        };
        if !matches!(exit, Exit::TaskFailed | Exit::Command(_)) || tries >= args.max_retries {
            return Ok(exit);
        }
        let delay = DELAY
            .saturating_mul(1 << (tries - 1).min(20))
            .min(DELAY_MAX);
        if args.go_on.show.mode() == Mode::Json {
            super::show(&as_json(&store, &next, tries + 1, args.max_retries, delay)?)?;
        } else {
            let words = format!("run {next} failed; it is tried again in {}\n", human(delay));
            say(args, &words);
        }
        if let Some(signal) = wait(delay)? {
            return Ok(Exit::Signal(signal));
        }
        (run, from) = (next, None);
        tries += 1;
    }
}

/// What programs read before a wait: which run failed, by which task, and which try follows when.
fn as_json(
    store: &Files,
    run: &RunId,
    attempt: u32,
    max: u32,
    delay: Duration,
) -> Result<String, Trouble> {
    let recorded = runs::read(store, run)?;
    let state = recorded.state();
    let failed = |id: &NodeId| {
        let outcome = state.node(*id).outcome();
        outcome.is_some_and(|outcome| outcome.is_failure() && !state.counts_as_ok(*id, outcome))
    };
    let mut tasks = recorded.plan.tasks().filter(|(id, _)| failed(id));
    let line = json!({
        "run": run,
        "retry_of": recorded.retry_of(),
        "task": tasks.next().map(|(_, task)| task.name.as_str()),
        "retry_attempt": attempt,
        "max_retries": max,
        "backoff_delay": delay.as_secs_f64(),
        "status": "retrying",
    });
    Ok(format!("{line}\n"))
}

/// What came of a try.
enum Tried {
    /// There was nothing to do, which was said.
    Nothing,
    /// A new run.
    Run(Exit, RunId),
}

fn once(
    context: &Context,
    store: &Files,
    run: &RunId,
    from: Option<&str>,
    args: &RetryArgs,
) -> Result<Tried, Trouble> {
    let recorded = runs::read(store, run)?;
    let state = recorded.state();
    match state.stage() {
        RunStage::Finished(RunEnd::Completed) if from.is_none() => {
            say(
                args,
                &format!("run {run} completed; --from TASK starts it again from there\n"),
            );
            return Ok(Tried::Nothing);
        }
        RunStage::Finished(_) => {}
        _ if store.is_owned(run).map_err(|error| unread(&error))? => {
            let what = format!("run {run} is going on");
            return Err(Trouble::call(what, format!("flow cancel {run} ends it")));
        }
        _ => {
            let what = format!("run {run} was interrupted, and can go on");
            return Err(Trouble::call(what, format!("flow resume {run}")));
        }
    }
    if let Some(from) = from {
        check(&recorded, &state, from)?;
    }
    let (carried, left) = Carried::of(run, &state, &recorded.records, from);
    say(args, &words(&recorded, &left));
    let plan = Arc::new(recorded.plan.with_questions());
    let begun = Running::begin(store, &plan)?;
    let next = begun.run.clone();
    let taken_over = (carried, values(&recorded.records));
    let manner = Manner::of_taken_up(context, args.go_on.jobs).with_exit_code(args.go_on.exit_code);
    let exit = begun.take_over(taken_over, context, &args.go_on.show, manner, plan)?;
    Ok(Tried::Run(exit, next))
}

fn say(args: &RetryArgs, words: &str) {
    if args.go_on.show.says(Level::Info) {
        let _ = screen::print("", &context::style().dim(words));
    }
}

/// The values that belong to no node: what commands printed whose output is a value.
pub(super) fn values(records: &[Record]) -> Vec<Kept> {
    let kept = records.iter().filter_map(|record| match &record.fact {
        Fact::ValueKept {
            node: None,
            name,
            value,
        } => Some(Kept {
            node: None,
            name: name.clone(),
            value: value.clone(),
        }),
        _ => None,
    });
    kept.filter(|kept| kept.name.starts_with(crate::eval::PRINTED))
        .collect()
}

/// The task to begin with must be one of the run.
fn check(recorded: &Recorded, state: &RunState, from: &str) -> Result<(), Trouble> {
    if carried::has_task(state, from) {
        return Ok(());
    }
    let tasks = recorded.plan.tasks().map(|(_, task)| task.name.as_str());
    let help = match Suggest::new().nearest(from, tasks) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("`flow status {}` lists its tasks", recorded.run),
    };
    let what = match from.rsplit_once('/') {
        Some((task, step)) if carried::has_task(state, task) => {
            format!(
                "the task {task} of run {} has no step {step:?}",
                recorded.run
            )
        }
        _ => format!("run {} has no task {from:?}", recorded.run),
    };
    Err(Trouble::call(what, help))
}

/// What is left to do.
fn words(recorded: &Recorded, left: &[NodeId]) -> String {
    let (run, all) = (&recorded.run, recorded.plan.tasks().count());
    let names: Vec<&str> = recorded
        .plan
        .tasks()
        .filter(|(id, _)| left.contains(id))
        .map(|(_, task)| task.name.as_str())
        .collect();
    let names = match names.len() {
        0..=5 => names.join(", "),
        many => format!("{many} tasks"),
    };
    let done = all - left.len();
    format!("run {run} once more: {done} of {all} tasks are done; to do: {names}\n")
}

/// Waits, or hears a signal.
fn wait(delay: Duration) -> Result<Option<i32>, Trouble> {
    let trouble = |error| Trouble::call(format!("can't wait: {error}"), "");
    let mut inbox = Inbox::new(Signals::catch(false).map_err(trouble)?);
    let nobody = Runner::new(Programs::new(Vec::new()), Secrets::default());
    let clock = Clock::system();
    let until = clock.instant() + delay;
    while clock.instant() < until {
        let ready = inbox.wait(&nobody, Some(until)).map_err(trouble)?;
        if let Some(signal) = ready.signals.first() {
            return Ok(Some(*signal));
        }
    }
    Ok(None)
}
