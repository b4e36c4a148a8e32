//! `flow schedule`: what runs by itself, when, and how that went; and changing it.

mod change;
mod export;
mod lines;
mod list;

use super::args::ScheduleArgs;
use super::context::{self, Context};
use super::runs::unreadable;
use super::serve::project::triggers;
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::model::language::Trigger;
use crate::report::screen;
use crate::suggest::Suggest;
use crate::trigger::fact::{Fact, Record};
use crate::trigger::journal::Journal;

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
