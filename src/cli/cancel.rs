//! `flow cancel`: ends a run, in whichever process it goes on, or of which the process is gone.

use std::time::Duration;

use clap::Args;

use super::args::ShowArgs;
use super::context::{self, Context};
use super::needed::Work;
use super::reach::{self, Reach};
use super::resume::{self, Taken};
use super::running::Manner;
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::core::fact::RunEnd;
use crate::engine::clock::Clock;
use crate::model::id::RunId;
use crate::record;
use crate::report::screen;
use crate::store::Store;
use crate::store::files::Files;
use crate::store::request::Request;

/// Cancel a run, whichever process executes it
///
/// flow stops the commands of the run and runs its `finally` steps. A cancelled run can't be resumed.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Who cancels it [default: you]
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

impl Verb for CancelArgs {
    const NAME: &'static str = "cancel";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        cancel(context, self)
    }
}

/// How long a run is waited for that was asked to end: its commands have their grace time, and so have those that outlive them.
const WAITED: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Ends a run.
pub(super) fn cancel(context: &Context, args: &CancelArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let run = runs::find(context, &store, args.run.as_deref().unwrap_or("latest"))?;
    let by = args.by.clone().unwrap_or_else(context::person);
    reach::check_words([&by].into_iter().chain(&args.reason), "names and reasons")?;
    let request = Request::Cancel {
        by,
        reason: args.reason.clone(),
    };
    let reach = Reach::new();
    loop {
        match resume::take(&store, &run, "cancel")? {
            Taken::Ours(taken) => return end_here(context, args, *taken, request),
            Taken::Ended(_) => return Ok(Exit::Wrong),
            Taken::Owned => {}
        }
        let sent = reach.send(&store, &run, &request);
        if sent.map_err(|error| unread(&error))? {
            return wait(&store, &run, &Clock::system());
        }
    }
}

/// A run without a process: what it has left is ended, its `finally` steps run, and it is cancelled.
fn end_here(
    context: &Context,
    args: &CancelArgs,
    taken: resume::TakenRun,
    request: Request,
) -> Result<Exit, Trouble> {
    let (work, running) = (Work::taken_up(context, taken.plan)?, taken.running);
    let running = running.with(request);
    let manner = Manner::of_taken_up(context, None);
    match running.go_on(context, &args.show, manner, &work)? {
        // That is what was asked for.
        Exit::Cancelled => Ok(Exit::Done),
        other => Ok(other),
    }
}

/// Waits until a run that was asked to end has ended.
fn wait(store: &Files, run: &RunId, clock: &Clock) -> Result<Exit, Trouble> {
    let until = clock.instant() + WAITED;
    loop {
        let owned = store.is_owned(run).map_err(|error| unread(&error))?;
        let end = record::end(store, run).map_err(|error| unread(&error))?;
        let end = end.map(|(_, status)| status);
        let (words, exit) = match end {
            _ if owned && clock.instant() < until => {
                std::thread::sleep(LOOK_AGAIN);
                continue;
            }
            Some(RunEnd::Cancelled) => ("was cancelled", Exit::Done),
            Some(RunEnd::Completed) => ("had completed before it could be cancelled", Exit::Wrong),
            Some(RunEnd::Failed) => ("had failed before it could be cancelled", Exit::Wrong),
            None if owned => ("was asked to stop but is still running", Exit::TaskFailed),
            None => ("was interrupted before it could be cancelled", Exit::Wrong),
        };
        let _ = screen::print("", &format!("run {run} {words}\n"));
        return Ok(exit);
    }
}
