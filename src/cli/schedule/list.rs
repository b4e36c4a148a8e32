//! The list of triggers: when each starts next, what it runs, and how it went the last time.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::context::{self, Context};
use super::super::runs::unreadable;
use super::super::serve::project::triggers;
use super::super::{Exit, Trouble, show};
use super::ScheduleArgs;
use super::chosen;
use crate::engine::clock::Clock;
use crate::model::language::{Trigger, When};
use crate::model::time::Timestamp;
use crate::report::failure::shown_path;
use crate::report::style::visible;
use crate::report::{screen, table};
use crate::trigger::fact::{Known, State};
use crate::trigger::journal::{Journal, Running};
use crate::trigger::scheduler;
use crate::trigger::times::{self, Times};
use crate::trigger::words;

/// How many times are shown at most.
const NEXT_MAX: usize = 10_000;

/// A trigger with what is known of it.
struct Row<'t> {
    path: &'t Path,
    trigger: &'t Trigger,
    times: Times,
    known: Option<&'t Known>,
    offset: Duration,
    running: usize,
}

pub(super) fn list(context: &Context, args: &ScheduleArgs) -> Result<Exit, Trouble> {
    let all = triggers(context)?.triggers;
    let journal = Journal::of(&context.state()?);
    let state = journal.state().map_err(|error| unreadable(&error))?;
    let server = journal.server().map_err(|error| unreadable(&error))?;
    let machine = jiff::tz::TimeZone::system();
    let mut rows = Vec::new();
    for (path, trigger) in chosen(&all, &args.words, |(_, trigger)| trigger)? {
        let times = Times::of(&trigger.when, &machine);
        let times = times.map_err(|wrong| Trouble::call(wrong.what, wrong.help))?;
        let open = state
            .open
            .values()
            .filter(|fire| fire.trigger == trigger.name);
        rows.push(Row {
            path,
            trigger,
            times,
            known: state.triggers.get(&trigger.name),
            offset: scheduler::offset(trigger, state.seed),
            running: open.count(),
        });
    }
    let now = Clock::of_day();
    if let Some(count) = args.next {
        let from = match &args.from {
            Some(text) => moment(text, now)?,
            None => now,
        };
        return next(&rows, count.min(NEXT_MAX), from, args.json);
    }
    if args.json {
        let lines = rows.iter().map(|row| format!("{}\n", row.as_json(now)));
        return show(&lines.collect::<String>());
    }
    if rows.is_empty() {
        let words = "nothing runs by itself here\n  help: flow schedule --cron \"0 2 * * *\" TASK lets a task run at two every night\n";
        let _ = screen::print("", words);
        return Ok(Exit::Done);
    }
    show(&as_table(&rows, now))?;
    let words = footer(&rows, &state, server.as_ref(), now);
    let _ = screen::print("", &context::style().dim(&words));
    Ok(Exit::Done)
}

/// A moment from which times are shown.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Trouble> {
    // A span before now is what it means elsewhere; here the future is looked at.
    Timestamp::read(text, now).ok_or_else(|| {
        Trouble::call(
            format!("{text:?} is no moment"),
            "write 2026-12-24, '2026-12-24 18:00' in local time, or 2026-12-24T17:00:00Z",
        )
    })
}

fn next(rows: &[Row<'_>], count: usize, from: Timestamp, json: bool) -> Result<Exit, Trouble> {
    let mut found: Vec<(Timestamp, &str, &When)> = Vec::new();
    for row in rows {
        let mut at = from;
        for _ in 0..count {
            let Some(next) = row.times.next_after(at) else {
                break;
            };
            found.push((next, &row.trigger.name, &row.trigger.when));
            at = next;
        }
    }
    found.sort_by_key(|(at, name, _)| (*at, *name));
    let line = |(at, name, _): &(Timestamp, &str, &When)| {
        if json {
            format!("{}\n", json!({"trigger": name, "at": at}))
        } else {
            String::new()
        }
    };
    if json {
        return show(&found.iter().map(line).collect::<String>());
    }
    let row = |(at, name, when): &(Timestamp, &str, &When)| {
        let shown = times::shown(*at, when);
        let day = shown[..10]
            .parse::<jiff::civil::Date>()
            .map(|day| day.strftime("%a").to_string());
        vec![day.unwrap_or_default(), shown, visible(name).into_owned()]
    };
    show(&table::aligned(found.iter().map(row)))
}

impl Row<'_> {
    fn paused(&self) -> Option<&str> {
        let (by, _) = self.known?.paused.as_ref()?;
        Some(by)
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.trigger.enabled || self.paused().is_some() {
            return None;
        }
        let micros = i64::try_from(self.offset.as_micros()).unwrap_or(0);
        let from = Timestamp::from_micros(now.as_micros() - micros);
        // What was started ahead of its time, by a clock that was set back, is not started again.
        let from = self.known.map_or(from, |known| from.max(known.cursor));
        Some(self.times.next_after(from)?.plus(self.offset))
    }

    /// Whether a time has passed that will be made up for as soon as somebody runs the triggers.
    fn is_overdue(&self, now: Timestamp) -> bool {
        let same = |known: &&Known| {
            known.definition == scheduler::definition(self.trigger) && known.paused.is_none()
        };
        let known = self.known.filter(same);
        let next = known.and_then(|known| self.times.next_after(known.cursor));
        next.is_some_and(|next| next.plus(self.offset) <= now)
            && self.trigger.catch_up != crate::model::language::CatchUp::None
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let next = self.next(now);
        let (when, left) = match next {
            _ if !self.trigger.enabled => ("not enabled".to_owned(), String::new()),
            _ if self.paused().is_some() => ("paused".to_owned(), String::new()),
            Some(next) => {
                let shown = times::shown(next, &self.trigger.when);
                // Without the seconds, which are none.
                let shown = match self.trigger.when {
                    When::Every(_) => shown,
                    _ => format!("{}{}", &shown[..16], &shown[19..]),
                };
                (shown, short(next.since(now)))
            }
            None if matches!(self.trigger.when, When::Watch { .. }) => {
                ("on a change".to_owned(), String::new())
            }
            None => ("never again".to_owned(), String::new()),
        };
        let last = self.known.and_then(|known| known.last.as_ref());
        let last = match last {
            _ if self.running > 0 => "running".to_owned(),
            Some(last) => format!("{} {} ago", last.end.word(), short(now.since(last.at))),
            None => "-".to_owned(),
        };
        vec![
            self.trigger.name.clone(),
            when,
            left,
            self.trigger.run.clone(),
            last,
        ]
    }

    fn as_json(&self, now: Timestamp) -> Value {
        let trigger = self.trigger;
        let last = self.known.and_then(|known| known.last.as_ref());
        let last = last.map(|last| {
            json!({
                "run": last.run, "scheduled_at": last.scheduled, "at": last.at,
                "status": last.end.word(), "error": last.error,
            })
        });
        let values: serde_json::Map<String, Value> = trigger
            .values
            .iter()
            .map(|(name, value)| (name.clone(), Value::String(value.clone())))
            .collect();
        json!({
            "name": trigger.name,
            "desc": trigger.desc,
            "file": self.path,
            "line": trigger.place.line,
            "when": words::of(&trigger.when),
            "task": trigger.run,
            "values": values,
            "overlap": trigger.overlap,
            "catch_up": trigger.catch_up,
            "jitter_seconds": trigger.jitter.as_secs_f64(),
            "enabled": trigger.enabled,
            "paused_by": self.paused(),
            "next_at": self.next(now),
            "open_runs": self.running,
            "left_out": self.known.map_or(0, |known| known.left_out),
            "last": last,
        })
    }
}

fn as_table(rows: &[Row<'_>], now: Timestamp) -> String {
    let head = ["TRIGGER", "NEXT", "IN", "TASK", "LAST"]
        .map(str::to_owned)
        .to_vec();
    let cells = rows.iter().map(|row| row.cells(now));
    let aligned = table::aligned(std::iter::once(head).chain(cells));
    let style = context::style_of_stdout();
    let mut lines = aligned.lines();
    let mut text = format!("{}\n", lines.next().unwrap_or_default());
    for (line, row) in lines.zip(rows) {
        text.push_str(&format!("{line}\n"));
        let mut words = format!("  {}", visible(&words::of(&row.trigger.when)));
        if let Some(desc) = row
            .trigger
            .desc
            .as_deref()
            .and_then(|desc| desc.lines().next())
        {
            words = format!("{words}: {}", visible(desc));
        }
        if let Some(left_out) = row
            .known
            .map(|known| known.left_out)
            .filter(|count| *count > 0)
        {
            words.push_str(&format!("; {left_out} left out since"));
        }
        text.push_str(&format!("{}\n", style.dim(&words)));
    }
    text
}

fn footer(rows: &[Row<'_>], state: &State, server: Option<&Running>, now: Timestamp) -> String {
    let mut text = String::new();
    match server {
        Some(server) => {
            let since = server.since.local();
            text.push_str(&format!(
                "run by process {} since {since}, http://{}\n",
                server.pid, server.address
            ));
        }
        None => {
            text.push_str("no `flow serve` is running: nothing of this starts by itself\n");
            let overdue = rows.iter().filter(|row| row.is_overdue(now));
            let names: Vec<&str> = overdue.map(|row| row.trigger.name.as_str()).collect();
            if !names.is_empty() {
                text.push_str(&format!(
                    "made up for as soon as one does: {}\n",
                    names.join(", ")
                ));
            }
        }
    }
    for row in rows {
        let last = row.known.and_then(|known| known.last.as_ref());
        if let Some((last, error)) = last.and_then(|last| Some((last, last.error.as_ref()?))) {
            let at = last.at.local();
            let name = visible(&row.trigger.name);
            text.push_str(&format!(
                "{name} could not begin at {at}:\n{}\n",
                crate::report::style::visible_lines(error)
            ));
        }
    }
    let waiting = state.open.len();
    if server.is_none() && waiting > 0 {
        text.push_str(&format!(
            "{waiting} not over: gone on with as soon as one does\n"
        ));
    }
    text
}

/// A span in its two largest units.
fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// The name of a file as it is shown.
pub(super) fn place(path: &Path, trigger: &Trigger) -> String {
    format!("{}:{}", shown_path(path), trigger.place.line)
}
