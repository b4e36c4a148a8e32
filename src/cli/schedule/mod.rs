//! `flow schedule`: what runs by itself, when, and how that went; and changing it.

mod change;
mod export;
mod lines;
mod list;

use clap::{Args, ValueEnum};

use super::context::{self, Context};
use super::runs::unreadable;
use super::serve::project::triggers;
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::model::language::Trigger;
use crate::report::screen;
use crate::suggest::Suggest;
use crate::trigger::fact::{Fact, Record};
use crate::trigger::journal::Journal;

/// List and edit triggers
///
/// Without options it lists all triggers in the Workflowfile and in schedules/. With --cron, --every or --at it adds a trigger to
/// schedules/. `flow serve` runs the triggers.
#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleArgs {
    /// With --cron, --every or --at: the task and its NAME=VALUE; otherwise: the triggers to list
    #[arg(value_name = "TASK | NAME=VALUE | TRIGGER")]
    pub(in crate::cli) words: Vec<String>,
    /// Run the task at these times, as in cron(5), e.g. "0 2 * * *" for two o'clock every night
    #[arg(long, value_name = "EXPRESSION", group = "when")]
    pub(in crate::cli) cron: Option<String>,
    /// Run the task at this interval, e.g. 10s or 1h30m
    #[arg(long, value_name = "DURATION", group = "when")]
    pub(in crate::cli) every: Option<String>,
    /// Run the task once at this time, e.g. "2026-12-24 18:00"
    #[arg(long, value_name = "TIME", group = "when")]
    pub(in crate::cli) at: Option<String>,
    /// The name of the trigger [default: the name of the task]
    #[arg(long, value_name = "NAME", requires = "when")]
    pub(in crate::cli) name: Option<String>,
    /// The time zone, e.g. Europe/Berlin [default: the zone of the machine that runs `flow serve`]
    #[arg(long, value_name = "ZONE", requires = "when")]
    pub(in crate::cli) timezone: Option<String>,
    /// What to do if the previous run is still active [default: skip]
    #[arg(long, value_name = "WHAT", requires = "when")]
    pub(in crate::cli) overlap: Option<OverlapArg>,
    /// What to do about times missed while no `flow serve` was running [default: last]
    #[arg(long, value_name = "WHICH", requires = "when")]
    pub(in crate::cli) catch_up: Option<CatchUpArg>,
    /// Delay each start by a random time up to this, to spread the load
    #[arg(long, value_name = "DURATION", requires = "when")]
    pub(in crate::cli) jitter: Option<String>,
    /// Show the next N times of each trigger
    #[arg(long, value_name = "N", conflicts_with = "when")]
    pub(in crate::cli) next: Option<usize>,
    /// Show the times after this moment, e.g. 2026-12-24 or "2026-12-24 18:00" [default: now]
    #[arg(long, value_name = "MOMENT", requires = "next")]
    pub(in crate::cli) from: Option<String>,
    /// Remove a trigger from schedules/
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) remove: Option<String>,
    /// Pause a trigger until it is resumed
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) pause: Option<String>,
    /// Resume a paused trigger
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) resume: Option<String>,
    /// Print the configuration for systemd or cron to start the triggers instead of `flow serve`
    #[arg(long, value_name = "FOR", conflicts_with_all = ["when", "next", "change"])]
    pub(in crate::cli) export: Option<ExportArg>,
    /// Print JSON lines
    #[arg(long, conflicts_with_all = ["when", "change", "export"])]
    pub(in crate::cli) json: bool,
}

/// What happens when the run before has not ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum OverlapArg {
    /// Skip the new run, and record that
    Skip,
    /// Start the new run when the previous one has ended
    Queue,
    /// Cancel the previous run, then start the new one
    Cancel,
    /// Run both at the same time
    Allow,
}

/// What happens with times at which nobody was there.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum CatchUpArg {
    /// Skip missed times
    None,
    /// Run once for the last missed time
    Last,
    /// Run once for each missed time, at most 1000
    All,
}

/// What starts the triggers instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportArg {
    /// systemd units: a service and a timer for each trigger
    Systemd,
    /// Lines for crontab
    Crontab,
}

impl Verb for ScheduleArgs {
    const NAME: &'static str = "schedule";
    const YIELDS: bool = false;

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        schedule(context, self)
    }
}

/// Lists the triggers, or changes one.
pub(super) fn schedule(context: &Context, args: &ScheduleArgs) -> Result<Exit, Trouble> {
    if args.cron.is_some() || args.every.is_some() || args.at.is_some() {
        return change::write(context, args);
    }
    context::check_zone()?;
    if let Some(name) = &args.remove {
        return change::remove(context, name);
    }
    if let Some(name) = &args.pause {
        return pause(context, name, true);
    }
    if let Some(name) = &args.resume {
        return pause(context, name, false);
    }
    if let Some(target) = args.export {
        return export::export(context, target, &args.words);
    }
    list::list(context, args)
}

/// Those of the triggers that are named; all without names.
fn chosen<'t, T>(
    all: &'t [T],
    names: &[String],
    of: impl Fn(&T) -> &Trigger,
) -> Result<Vec<&'t T>, Trouble> {
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let find = |name: &String| {
        let found = all.iter().find(|one| of(one).name == *name);
        found.ok_or_else(|| unknown(name, all.iter().map(|one| of(one).name.as_str())))
    };
    names.iter().map(find).collect()
}

fn unknown<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Trouble {
    let help = match Suggest::new().nearest(name, names) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "`flow schedule` lists the triggers; --cron, --every and --at make one".to_owned(),
    };
    Trouble::call(format!("there is no trigger {name:?}"), help)
}

/// Pauses a trigger, or resumes it. A server that is running is told at once.
fn pause(context: &Context, name: &str, pause: bool) -> Result<Exit, Trouble> {
    let all = triggers(context)?.triggers;
    let names = [name.to_owned()];
    chosen(&all, &names, |(_, trigger)| trigger)?;
    let journal = Journal::of(&context.state()?);
    let state = journal.state().map_err(|error| unreadable(&error))?;
    let known = state.triggers.get(name);
    let is_paused = known.is_some_and(|known| known.paused.is_some());
    if is_paused != pause {
        let (trigger, by) = (name.to_owned(), context::person());
        let fact = if pause {
            Fact::Paused { trigger, by }
        } else {
            Fact::Resumed { trigger, by }
        };
        let at = Clock::of_day();
        let made = context.store()?.make_folders();
        made.map_err(|error| super::running::unrecorded(&error))?;
        let added = journal.add(&[Record { at, fact }]);
        added.map_err(|error| unreadable(&error))?;
        tell_server(&journal);
    }
    let words = match (pause, is_paused) {
        (true, false) => {
            format!("{name} is paused; `flow schedule --resume {name}` resumes it\n")
        }
        (true, true) => format!("{name} is paused already\n"),
        (false, true) => format!("{name} is active again\n"),
        (false, false) => format!("{name} is not paused\n"),
    };
    let _ = screen::print("", &words);
    Ok(Exit::Done)
}

/// Lets a server that is running look again.
fn tell_server(journal: &Journal) {
    let pid = journal.server().ok().flatten().map(|server| server.pid);
    let pid = pid.and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        // One that has just ended reads it when it begins again.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::USR1);
    }
}
