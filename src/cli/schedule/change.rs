//! Writing triggers into `schedules/`, and removing them. What people wrote there stays as it is: lines are changed, not files.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::args::{CatchUpArg, OverlapArg, ScheduleArgs};
use super::super::context::{self, Context};
use super::super::run::{find, words};
use super::super::serve::project::triggers;
use super::super::{Exit, Trouble};
use super::unknown;
use crate::diagnostic::Diagnostics;
use crate::engine::clock::Clock;
use crate::file::schedules::{self, Changed};
use crate::model::language::Trigger;
use crate::model::time::Timestamp;
use crate::report::failure::shown_path;
use crate::report::screen;
use crate::trigger::journal::Journal;
use crate::trigger::times::Times;
use crate::trigger::{check_name, words as in_words};

/// A line of a trigger: a key and its value, as they are written.
type Line = (&'static str, String);

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
    find(workflow, task)?;
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| task.replace([':', '/'], "-"));
    check_name(&name).map_err(|wrong| Trouble::call(wrong.what, wrong.help))?;
    let lines = lines(args, task, &typed.values);
    let root = workflow.files[0].dir.clone();
    let all = triggers(context)?.triggers;
    let known = all.iter().find(|(_, trigger)| trigger.name == name);
    let (path, text) = match known {
        Some((path, trigger)) => {
            let text = of_schedules(&root, path, trigger)?;
            let edited = edit(&text, trigger, &lines);
            let edited = edited.ok_or_else(|| by_hand(path, trigger))?;
            (path.clone(), edited)
        }
        None => {
            let body: String = lines
                .iter()
                .map(|(key, value)| format!("    {key}: {value}\n"))
                .collect();
            let path = root.join(schedules::FOLDER).join(format!("{name}.yml"));
            if path.exists() {
                let what = format!(
                    "{} is there already, and has no trigger {name:?}",
                    shown_path(&path)
                );
                return Err(Trouble::call(
                    what,
                    "give the trigger another name with --name",
                ));
            }
            (path, format!("triggers:\n  {name}:\n{body}"))
        }
    };
    let changed = Changed {
        path: &path,
        text: Some(&text),
    };
    let after = check(context, &changed)?;
    let Some(now) = after.iter().find(|(_, trigger)| trigger.name == name) else {
        return Err(known.map_or_else(
            || Trouble::call("nothing was written", ""),
            |(path, trigger)| by_hand(path, trigger),
        ));
    };
    let others = |all: &[(PathBuf, Trigger)]| -> Vec<Trigger> {
        let others = all.iter().filter(|(_, trigger)| trigger.name != name);
        others.map(|(_, trigger)| without_place(trigger)).collect()
    };
    if others(&all) != others(&after) || !is_as_asked(&now.1, args, task, &typed.values) {
        return Err(known.map_or_else(
            || Trouble::call("nothing was written", ""),
            |(path, trigger)| by_hand(path, trigger),
        ));
    }
    not_in_vain(&now.1)?;
    put(&path, &text)?;
    say(context, &path, &now.1, known.is_some())
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
        let block = block(&text, trigger).ok_or_else(|| by_hand(path, trigger))?;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        Some(
            [&lines[..block.start], &lines[block.end..]]
                .concat()
                .concat(),
        )
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
fn lines(args: &ScheduleArgs, task: &str, values: &[(String, String)]) -> Vec<Line> {
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

/// A text in double quotes, which YAML reads as JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.trim().to_owned()).to_string()
}

/// A word without quotes where YAML needs none.
fn plain(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(fits);
    let taken = ["true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    let span = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
        && !text.contains(['e', 'E', 'x', 'X', 'o']);
    if (word && !taken) || span {
        text.to_owned()
    } else {
        quoted(text)
    }
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

/// The lines of a trigger in its file, by their numbers; `None` when they are not lines of its own.
fn block(text: &str, trigger: &Trigger) -> Option<std::ops::Range<usize>> {
    let lines: Vec<&str> = text.lines().collect();
    let start = usize::try_from(trigger.place.line).ok()?.checked_sub(1)?;
    let first = lines.get(start)?;
    let key = first.trim_start().trim_matches(['"', '\'']);
    let own = indent(first) + 1 == usize::try_from(trigger.place.column).ok()?;
    let rest = key
        .strip_prefix(&trigger.name)?
        .trim_start_matches(['"', '\'']);
    let rest = rest.strip_prefix(':')?.trim();
    if !own || !(rest.is_empty() || rest.starts_with('#')) {
        return None;
    }
    let deeper = |line: &&str| indent(line) > indent(first);
    let mut end = start + 1;
    for (number, line) in lines.iter().enumerate().skip(start + 1) {
        if line.trim().is_empty() {
            continue;
        }
        if !deeper(line) {
            break;
        }
        end = number + 1;
    }
    Some(start..end)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The text with other lines for a trigger; comments stay where they are.
fn edit(text: &str, trigger: &Trigger, lines: &[Line]) -> Option<String> {
    if text.contains('\r') {
        return None;
    }
    let block = block(text, trigger)?;
    let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
    let inner = (block.start + 1..block.end)
        .map(|number| &all[number])
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
        .map(|line| indent(line))
        .next()?;
    let is_when = |key: &str| matches!(key, "cron" | "every" | "at" | "watch");
    let mut end = block.end;
    for (key, value) in lines {
        let found = (block.start + 1..end).find(|number| {
            let line = &all[*number];
            let written = line.trim_start().split(':').next().unwrap_or_default();
            indent(line) == inner && (written == *key || is_when(written) && is_when(key))
        });
        match found {
            Some(number) => {
                let line = all[number].clone();
                let comment = comment(&line).unwrap_or_default();
                let (_, written) = line.split_once(':')?;
                if written.trim_start().is_empty() || written == comment {
                    // What it says stands in the lines below.
                    return None;
                }
                all[number] = format!("{}{key}: {value}{comment}", " ".repeat(inner));
            }
            None => {
                all.insert(end, format!("{}{key}: {value}", " ".repeat(inner)));
                end += 1;
            }
        }
    }
    let mut text = all.join("\n");
    text.push('\n');
    Some(text)
}

/// The comment at the end of a line, with the space before it.
fn comment(line: &str) -> Option<&str> {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '#' && before.is_whitespace() => {
                let start = line[..at].trim_end().len();
                return Some(&line[start..]);
            }
            None => {}
        }
        before = c;
    }
    None
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

/// Whether what is read from the new text is what was asked for.
fn is_as_asked(
    trigger: &Trigger,
    args: &ScheduleArgs,
    task: &str,
    values: &[(String, String)],
) -> bool {
    use crate::model::language::When;
    let when = match &trigger.when {
        When::Cron { expression, .. } => args.cron.as_deref().map(str::trim) == Some(expression),
        When::Every(every) => {
            let asked = args
                .every
                .as_deref()
                .and_then(crate::model::time::parse_span);
            asked == Some(*every)
        }
        When::At { time, .. } => args.at.as_deref().map(str::trim) == Some(time),
        When::Watch { .. } => false,
    };
    let given = values.is_empty() || trigger.values == values;
    when && given
        && (trigger.run == task
            || trigger.run.starts_with(&format!("{task}:"))
            || !trigger.run.is_empty())
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
        .map(|next| format!(", next at {}", next.local()))
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
