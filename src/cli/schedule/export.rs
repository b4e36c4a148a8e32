//! `flow schedule --export`: for those who would rather have the system start what is due.

use super::super::context::Context;
use super::super::running::unrecorded;
use super::super::serve::project::triggers;
use super::super::{Exit, Trouble, show};
use super::ExportArg;
use super::chosen;
use crate::engine::clock::Clock;
use crate::trigger::export::{self, Lossy, Surroundings};

/// Prints units or lines; nothing when one of the triggers would mean something else there.
pub(super) fn export(
    context: &Context,
    target: ExportArg,
    names: &[String],
) -> Result<Exit, Trouble> {
    let all = triggers(context)?.triggers;
    let chosen = chosen(&all, names, |(_, trigger)| trigger)?;
    let program = std::env::current_exe();
    let program = program
        .map_err(|error| Trouble::call(format!("can't tell where flow itself is: {error}"), ""))?;
    let file = context.path()?;
    let surroundings = Surroundings {
        program: program.to_string_lossy().into_owned(),
        file: file.to_string_lossy().into_owned(),
        folder: file
            .parent()
            .map(|folder| folder.to_string_lossy().into_owned())
            .unwrap_or_default(),
        machine: jiff::tz::TimeZone::system(),
        now: Clock::of_day(),
    };
    let (mut text, mut refused) = (String::new(), String::new());
    for (_, trigger) in chosen.into_iter().filter(|(_, trigger)| trigger.enabled) {
        let exported = match target {
            ExportArg::Systemd => export::systemd(trigger, &surroundings),
            ExportArg::Crontab => export::crontab(trigger, &surroundings),
        };
        match exported {
            Ok(exported) => text.push_str(&exported),
            Err(Lossy { what, help }) => {
                let words = Trouble::call(format!("the trigger {:?}: {what}", trigger.name), help);
                refused.push_str(&words.words);
            }
        }
    }
    if refused.is_empty() {
        if target == ExportArg::Crontab {
            // The lines have their locks in there.
            let made = context.store()?.make_folders();
            made.map_err(|error| unrecorded(&error))?;
        }
        return show(&text);
    }
    refused.push_str("nothing was exported; name the triggers that are to be: flow schedule --export … TRIGGER\n");
    Err(Trouble {
        exit: Exit::Wrong,
        words: refused,
    })
}
