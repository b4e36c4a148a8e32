//! Writing triggers into `schedules/`, and removing them. What people wrote there stays as it is: lines are changed, not files.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::context::{self, Context};
use super::super::run::{find, words};
use super::super::serve::project::triggers;
use super::super::{Exit, Trouble};
use super::lines::{self, Line, plain, quoted};
use super::unknown;
use super::{CatchUpArg, OverlapArg, ScheduleArgs};
use crate::diagnostic::Diagnostics;
use crate::engine::clock::Clock;
use crate::file::schedules::{self, Changed};
use crate::model::language::{TaskIndex, Trigger, When, Workflow};
use crate::model::time::{Timestamp, parse_span};
use crate::report::failure::shown_path;
use crate::report::screen;
use crate::trigger::journal::Journal;
use crate::trigger::times::{self, Times};
use crate::trigger::{check_name, words as in_words};

/// Writes a trigger: a new file, or new lines in the file that has it.
pub(super) fn write(context: &Context, args: &ScheduleArgs) -> Result<Exit, Trouble> {
    let typed = words(&args.words);
    let [task] = &typed.tasks[..] else {
        let what = match typed.tasks.len() {
            0 => "no task is named that is to run".to_owned(),
            count => format!("{count} tasks are named, and a trigger runs one"),
        };
        return Err(Trouble::call(
            what,
            "write: flow schedule --cron \"0 2 * * *\" TASK",
        ));
    };
    let workflow = context.workflow()?;
    let index = find(workflow, task)?;
    let name = args.name.clone();
    let name = name.unwrap_or_else(|| task.replace([':', '/'], "-"));
    check_name(&name).map_err(|wrong| Trouble::call(wrong.what, wrong.help))?;
    let lines = lines_of(args, task, &typed.values);
    let root = workflow.files[0].dir.clone();
    let all = triggers(context)?.triggers;
    let known = all.iter().find(|(_, trigger)| trigger.name == name);
    let (path, text) = match known {
        Some((path, trigger)) => {
            let text = of_schedules(&root, path, trigger)?;
            let edited = lines::edit(&text, trigger, &lines);
            (path.clone(), edited.ok_or_else(|| by_hand(path, trigger))?)
        }
        None => {
            let path = root.join(schedules::FOLDER).join(format!("{name}.yml"));
            if path.exists() {
                let shown = shown_path(&path);
                let what = format!("{shown} is there already, and has no trigger {name:?}");
                let help = "give the trigger another name with --name";
                return Err(Trouble::call(what, help));
            }
            (path, lines::new(&name, &lines))
        }
    };
    let changed = Changed {
        path: &path,
        text: Some(&text),
    };
    let after = check(context, &changed)?;
    let others = |all: &[(PathBuf, Trigger)]| -> Vec<Trigger> {
        let others = all.iter().filter(|(_, trigger)| trigger.name != name);
        others.map(|(_, trigger)| without_place(trigger)).collect()
    };
    let mut now = after.iter().map(|(_, trigger)| trigger);
    let now = now.find(|trigger| trigger.name == name);
    let is_wanted = wanted(workflow, args, index);
    let Some(now) = now.filter(|now| is_wanted(now) && others(&all) == others(&after)) else {
        let nothing = || Trouble::call("what would be written would say something else", "");
        return Err(known.map_or_else(nothing, |(path, trigger)| by_hand(path, trigger)));
    };
    not_in_vain(now)?;
    put(&path, &text)?;
    say(context, &path, now, known.is_some())
}

/// Removes a trigger, and its file if there is no other in it.
pub(super) fn remove(context: &Context, name: &str) -> Result<Exit, Trouble> {
    let root = context.workflow()?.files[0].dir.clone();
    let all = triggers(context)?.triggers;
    let found = all.iter().find(|(_, trigger)| trigger.name == name);
    let (path, trigger) =
        found.ok_or_else(|| unknown(name, all.iter().map(|(_, one)| one.name.as_str())))?;
    let text = of_schedules(&root, path, trigger)?;
    let others = all.iter().filter(|(other, _)| other == path).count() > 1;
    let text = if others {
        let without = lines::remove(&text, trigger);
        Some(without.ok_or_else(|| by_hand(path, trigger))?)
    } else {
        None
    };
    let changed = Changed {
        path,
        text: text.as_deref(),
    };
    let after = check(context, &changed)?;
    let is_gone = after.iter().all(|(_, other)| other.name != name) && after.len() + 1 == all.len();
    if !is_gone {
        return Err(by_hand(path, trigger));
    }
    let shown = shown_path(path);
    let words = match &text {
        Some(text) => {
            put(path, text)?;
            format!("removed {name} from {shown}\n")
        }
        None => {
            fs::remove_file(path).map_err(|error| unwritten("remove", path, &error))?;
            format!("removed {shown}\n")
        }
    };
    let _ = screen::print("", &words);
    Ok(Exit::Done)
}

/// What is to be written, a line for each key.
fn lines_of(args: &ScheduleArgs, task: &str, values: &[(String, String)]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |key, value: Option<String>| lines.extend(value.map(|value| (key, value)));
    add("cron", args.cron.as_deref().map(quoted));
    add("every", args.every.as_deref().map(plain));
    add("at", args.at.as_deref().map(quoted));
    add("timezone", args.timezone.as_deref().map(plain));
    add("run", Some(plain(task)));
    let values: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{name}: {}", quoted(value)))
        .collect();
    add(
        "vars",
        (!values.is_empty()).then(|| format!("{{{}}}", values.join(", "))),
    );
    let overlap = args.overlap.map(|overlap| match overlap {
        OverlapArg::Skip => "skip",
        OverlapArg::Queue => "queue",
        OverlapArg::Cancel => "cancel",
        OverlapArg::Allow => "allow",
    });
    add("overlap", overlap.map(str::to_owned));
    let catch_up = args.catch_up.map(|catch_up| match catch_up {
        CatchUpArg::None => "none",
        CatchUpArg::Last => "last",
        CatchUpArg::All => "all",
    });
    add("catch_up", catch_up.map(str::to_owned));
    add("jitter", args.jitter.as_deref().map(plain));
    lines
}

/// The text of a file of `schedules/`; what stands elsewhere is changed where it stands.
fn of_schedules(root: &Path, path: &Path, trigger: &Trigger) -> Result<String, Trouble> {
    if path.parent() != Some(&root.join(schedules::FOLDER)) {
        let what = format!(
            "the trigger {:?} stands in {}",
            trigger.name,
            super::list::place(path, trigger)
        );
        return Err(Trouble::call(
            what,
            "change it there, or give the new one another name with --name",
        ));
    }
    fs::read_to_string(path).map_err(|error| unwritten("read", path, &error))
}

/// What the folder says with a file changed, checked as always.
fn check(context: &Context, changed: &Changed<'_>) -> Result<Vec<(PathBuf, Trigger)>, Trouble> {
    let workflow = context.workflow()?;
    let folder = workflow.files[0].dir.join(schedules::FOLDER);
    let shown = shown_path(&folder);
    let refused = |errors: Diagnostics| Trouble {
        exit: Exit::Wrong,
        words: format!(
            "{}nothing was written\n",
            errors.render(context::colour_wanted(true))
        ),
    };
    let loaded = schedules::load_changed(workflow, shown.as_ref(), Some(changed));
    loaded.map(|all| all.triggers).map_err(refused)
}

fn without_place(trigger: &Trigger) -> Trigger {
    Trigger {
        place: Default::default(),
        ..trigger.clone()
    }
}

/// What was asked for, as it is read from a file.
fn wanted(workflow: &Workflow, args: &ScheduleArgs, task: TaskIndex) -> impl Fn(&Trigger) -> bool {
    let (cron, at) = (args.cron.clone(), args.at.clone());
    let every = args.every.as_deref().and_then(parse_span);
    let task = workflow.tasks[task].name.clone();
    let is = |asked: &Option<String>, read: &String| asked.as_deref().map(str::trim) == Some(read);
    move |trigger| {
        let when = match &trigger.when {
            When::Cron { expression, .. } => is(&cron, expression),
            When::Every(span) => every == Some(*span),
            When::At { time, .. } => is(&at, time),
            When::Watch { .. } => false,
        };
        when && trigger.run == task
    }
}

/// One time that has passed would never come.
fn not_in_vain(trigger: &Trigger) -> Result<(), Trouble> {
    let machine = jiff::tz::TimeZone::system();
    let times = Times::of(&trigger.when, &machine);
    let times = times.map_err(|wrong| Trouble::call(wrong.what, wrong.help))?;
    let now = Clock::of_day();
    if times.next_after(now).is_none() {
        let what = format!("that has passed: it is {} now", now.local());
        return Err(Trouble::call(
            what,
            "write a time to come; nothing was written",
        ));
    }
    Ok(())
}

/// Writes a file so that it is there whole or as before. A link is followed, and who may read it stays as it was.
fn put(path: &Path, text: &str) -> Result<(), Trouble> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    let draft = folder.join(format!(".{}.draft", std::process::id()));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = fs::File::create(&draft)?;
        if let Ok(before) = fs::metadata(path) {
            file.set_permissions(before.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| {
        // It may not have been made at all.
        let _ = fs::remove_file(&draft);
        unwritten("write", path, &error)
    })
}

fn unwritten(doing: &str, path: &Path, error: &io::Error) -> Trouble {
    let what = format!("could not {doing} {}: {error}", shown_path(path));
    Trouble::call(what, "nothing was changed")
}

fn by_hand(path: &Path, trigger: &Trigger) -> Trouble {
    let place = super::list::place(path, trigger);
    let what = format!(
        "the trigger {:?} at {place} is not written a key a line, so flow does not change it",
        trigger.name
    );
    Trouble::call(
        what,
        "change it by hand; `flow schedule` shows what it says then",
    )
}

/// What was done, when it starts next, and who will see to it.
fn say(context: &Context, path: &Path, trigger: &Trigger, changed: bool) -> Result<Exit, Trouble> {
    let machine = jiff::tz::TimeZone::system();
    let now: Timestamp = Clock::of_day();
    let next = Times::of(&trigger.when, &machine).ok();
    let next = next.and_then(|times| times.next_after(now));
    let next = next
        .map(|next| format!(", next at {}", times::shown(next, &trigger.when)))
        .unwrap_or_default();
    let done = if changed { "changed" } else { "wrote" };
    let words = format!(
        "{done} {}: {} runs {}{next}\n",
        shown_path(path),
        trigger.run,
        in_words::of(&trigger.when),
    );
    let _ = screen::print("", &words);
    let server = Journal::of(&context.state()?).server();
    if !matches!(server, Ok(Some(_))) {
        let words = "no `flow serve` is running: it starts what is due, as long as it runs\n";
        let _ = screen::print("", &context::style().dim(words));
    }
    Ok(Exit::Done)
}
