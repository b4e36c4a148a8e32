//! Triggers for those who would rather have the system start them: lines for crontab(5), units for systemd.timer(5).
//!
//! What would mean something else there is refused, with what to change: neither knows all of what a trigger can say.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::cron::{Cron, DAY, Field, HOUR, MINUTE, MONTH, WEEKDAY};
use super::times::{self, Times};
use crate::model::language::{CatchUp, Overlap, Trigger, When};
use crate::model::plan::as_typed;
use crate::model::time::Timestamp;

/// What exported triggers need to know.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The program flow.
    pub program: String,
    /// The Workflowfile.
    pub file: String,
    /// Its folder.
    pub folder: String,
    /// The time zone of this machine.
    pub machine: TimeZone,
    /// Now.
    pub now: Timestamp,
}

/// Why a trigger can't be exported, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lossy {
    /// What would be lost.
    pub what: String,
    /// What to do.
    pub help: String,
}

fn lossy(what: impl Into<String>, help: impl Into<String>) -> Lossy {
    Lossy {
        what: what.into(),
        help: help.into(),
    }
}

/// How far it is looked whether a time falls into a clock change.
const YEARS: i64 = 10;

/// What ends a line for whoever reads crontabs and units.
const ENDS_LINE: [char; 3] = ['\n', '\r', '\0'];

const SERVE: &str = "let `flow serve` run it";

/// The line of a crontab.
///
/// # Errors
///
/// When cron would do something else.
pub fn crontab(trigger: &Trigger, around: &Surroundings) -> Result<String, Lossy> {
    let times = match &trigger.when {
        When::Cron {
            zone: Some(zone), ..
        } if around.machine.iana_name() != Some(zone) => {
            return Err(lossy(
                format!("not every cron knows time zones, and {zone} is not that of this machine"),
                "leave 'timezone' out, or let `flow serve` run it",
            ));
        }
        When::Cron { expression, .. } => expression.clone(),
        When::Every(every) => minutes(*every).ok_or_else(|| {
            let help = "write minutes by which an hour can be divided, or let `flow serve` run it";
            lossy("cron has no such interval", help)
        })?,
        When::At { .. } => return Err(lossy("cron has no single times", SERVE)),
        When::Watch { .. } => return Err(lossy("cron does not watch files", SERVE)),
    };
    if trigger.catch_up != CatchUp::None {
        let help = "write 'catch_up: none' if that is all right, or let `flow serve` run it";
        return Err(lossy(
            "cron makes up for no time at which the machine was off",
            help,
        ));
    }
    if !trigger.jitter.is_zero() {
        return Err(lossy(
            "cron knows no jitter",
            "leave 'jitter' out, or let `flow serve` run it",
        ));
    }
    let value = |name: &str, text: &str| format!("{name}={}", as_typed(text));
    let call = call(trigger, around, as_typed, value);
    // The lock is held as long as the run is going on; flock(1) is part of util-linux.
    let lock = as_typed(&format!(
        "{}/.flow/{}.cron-lock",
        around.folder, trigger.name
    ));
    let call = match trigger.overlap {
        Overlap::Skip => format!("flock -n {lock} {call}"),
        Overlap::Queue => format!("flock {lock} {call}"),
        Overlap::Allow => call,
        Overlap::Cancel => return Err(lossy("cron can't cancel the run before", SERVE)),
    };
    if call.contains(ENDS_LINE) {
        let what = "a line of a crontab can't hold the line break in one of its values or paths";
        return Err(lossy(what, SERVE));
    }
    // A percent sign would end the command (crontab(5)).
    Ok(format!(
        "# {}\n{times} {}\n",
        trigger.name,
        call.replace('%', "\\%")
    ))
}

/// The expression of an interval that divides an hour.
fn minutes(every: Duration) -> Option<String> {
    let minutes = every.as_secs() / 60;
    let whole = every.as_secs().is_multiple_of(60) && every.subsec_nanos() == 0 && minutes > 0;
    match minutes {
        1 if whole => Some("* * * * *".to_owned()),
        60 if whole => Some("0 * * * *".to_owned()),
        2..60 if whole && 60 % minutes == 0 => Some(format!("*/{minutes} * * * *")),
        _ => None,
    }
}

/// The command line of a run, with each word and each value as whoever reads it wants them.
fn call(
    trigger: &Trigger,
    around: &Surroundings,
    word: impl Fn(&str) -> String,
    value: impl Fn(&str, &str) -> String,
) -> String {
    let run = [word(&around.program), "-f".to_owned(), word(&around.file)];
    let task = ["run".to_owned(), word(&trigger.run)];
    let values = trigger.values.iter().map(|(name, text)| value(name, text));
    let words: Vec<String> = run.into_iter().chain(task).chain(values).collect();
    words.join(" ")
}

/// A service and a timer, each below a line that says what its file is called.
///
/// # Errors
///
/// When systemd would do something else.
pub fn systemd(trigger: &Trigger, around: &Surroundings) -> Result<String, Lossy> {
    let calendar = calendar(trigger, around)?;
    if trigger.overlap != Overlap::Skip {
        let help = "write 'overlap: skip', or let `flow serve` run it";
        return Err(lossy(
            "systemd starts nothing while the run before goes on",
            help,
        ));
    }
    let persistent = match trigger.catch_up {
        CatchUp::None => "false",
        CatchUp::Last => "true",
        CatchUp::All => {
            let help = "write 'catch_up: last', or let `flow serve` run it";
            return Err(lossy(
                "systemd makes up for one time of those that were missed",
                help,
            ));
        }
    };
    let mut jitter = String::new();
    if !trigger.jitter.is_zero() {
        let micros = trigger.jitter.as_micros();
        jitter = format!("RandomizedDelaySec={micros}us\nFixedRandomDelay=true\n");
    }
    let name = format!("flow-{}", trigger.name);
    let what = trigger.desc.as_deref();
    let what = what.and_then(|desc| desc.split(ENDS_LINE).next());
    let what = what.unwrap_or(&trigger.run).replace('%', "%%");
    let value = |name: &str, text: &str| unit_word(&format!("{name}={text}"));
    let exec = call(trigger, around, unit_word, value);
    if around.folder.contains(ENDS_LINE) {
        return Err(lossy("a unit can't name a folder with a line break", SERVE));
    }
    let folder = around.folder.replace('%', "%%");
    let calendar: String = calendar
        .iter()
        .map(|one| format!("OnCalendar={one}\n"))
        .collect();
    Ok(format!(
        "# {name}.service\n[Unit]\nDescription={what}\n\n[Service]\nType=oneshot\nWorkingDirectory={folder}\nExecStart={exec}\n\n\
         # {name}.timer\n[Unit]\nDescription={what}\n\n[Timer]\n{calendar}Persistent={persistent}\nAccuracySec=1s\n{jitter}\n[Install]\nWantedBy=timers.target\n\n"
    ))
}

/// A word of `ExecStart`: quoted, with `%` and `$` that mean themselves (systemd.service(5)).
fn unit_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@,+".contains(c);
    let text = text.replace('%', "%%").replace('$', "$$");
    if !text.is_empty() && text.chars().all(|c| plain(c) || c == '%' || c == '$') {
        return text;
    }
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
    )
}

/// The calendar events of systemd.time(7).
fn calendar(trigger: &Trigger, around: &Surroundings) -> Result<Vec<String>, Lossy> {
    match &trigger.when {
        When::Watch { .. } => Err(lossy("systemd's paths know no patterns", SERVE)),
        When::Every(every) => every_calendar(*every).map(|one| vec![one]).ok_or_else(|| {
            let help = "write an interval by which a minute, an hour or a day can be divided, or let `flow serve` run it";
            lossy("systemd has no such interval by the clock", help)
        }),
        When::At { time, zone } => {
            let known = zone.as_deref().and_then(|name| times::zone(name).ok());
            let known = known.unwrap_or_else(|| around.machine.clone());
            let at = times::instant(time, &known).map_err(|wrong| lossy(wrong.what, wrong.help))?;
            let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
            Ok(vec![format!("{} UTC", at.strftime("%Y-%m-%d %H:%M:%S"))])
        }
        When::Cron { expression, zone } => {
            let cron: Cron = expression.parse().map_err(|wrong: super::cron::Wrong| lossy(wrong.what, wrong.help))?;
            let known = zone.as_deref().and_then(|name| times::zone(name).ok());
            let known = known.unwrap_or_else(|| around.machine.clone());
            in_clock_change(&cron, &known, around.now)?;
            let end = zone.as_ref().map(|zone| format!(" {zone}")).unwrap_or_default();
            Ok(cron_calendar(&cron).into_iter().map(|one| format!("{one}{end}")).collect())
        }
    }
}

/// The calendar event of an interval that divides a minute, an hour or a day.
fn every_calendar(every: Duration) -> Option<String> {
    if every.subsec_nanos() != 0 {
        return None;
    }
    match every.as_secs() {
        0 => None,
        seconds if 60 % seconds == 0 => Some(format!("*-*-* *:*:00/{seconds} UTC")),
        seconds if 3_600 % seconds == 0 && seconds % 60 == 0 => {
            Some(format!("*-*-* *:00/{}:00 UTC", seconds / 60))
        }
        seconds if 86_400 % seconds == 0 && seconds % 3_600 == 0 => {
            Some(format!("*-*-* 00/{}:00:00 UTC", seconds / 3_600))
        }
        _ => None,
    }
}

fn cron_calendar(cron: &Cron) -> Vec<String> {
    let fields = cron.fields();
    let list = |field: &Field| {
        if field.is_every() {
            return "*".to_owned();
        }
        let values: Vec<String> = field
            .values
            .iter()
            .map(|value| format!("{value:02}"))
            .collect();
        values.join(",")
    };
    let week: Vec<&str> = fields[WEEKDAY]
        .values
        .iter()
        .map(|day| ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][usize::from(*day)])
        .collect();
    let week = if week.len() == 7 {
        String::new()
    } else {
        format!("{} ", week.join(","))
    };
    let time = format!("{}:{}:00", list(&fields[HOUR]), list(&fields[MINUTE]));
    let month = list(&fields[MONTH]);
    let day = list(&fields[DAY]);
    if cron.is_either_day() {
        vec![
            format!("*-{month}-{day} {time}"),
            format!("{week}*-{month}-* {time}"),
        ]
    } else {
        vec![format!("{week}*-{month}-{day} {time}")]
    }
}

/// What happens to a time in a clock change is not the same everywhere, so none may fall into one.
fn in_clock_change(cron: &Cron, zone: &TimeZone, now: Timestamp) -> Result<(), Lossy> {
    let from = jiff::Timestamp::from_microsecond(now.as_micros()).unwrap_or_default();
    let end = from + jiff::SignedDuration::from_hours(YEARS * 366 * 24);
    let changes: Vec<_> = zone
        .following(from)
        .take_while(|change| change.timestamp() < end)
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    let by_wall = Times::Cron(Box::new(cron.clone()), TimeZone::UTC);
    for change in changes {
        let before = zone.to_offset(change.timestamp() - jiff::SignedDuration::from_secs(1));
        let (one, other) = (
            before.to_datetime(change.timestamp()),
            change.offset().to_datetime(change.timestamp()),
        );
        // The stretch of the clock on the wall that is left out, or comes twice.
        let (first, last) = (one.min(other), one.max(other));
        let disguised = |at: jiff::civil::DateTime| {
            TimeZone::UTC.to_timestamp(at).map(|at| at.as_microsecond())
        };
        let (Ok(first), Ok(last)) = (disguised(first), disguised(last)) else {
            continue;
        };
        let next = by_wall.next_after(Timestamp::from_micros(first - 1));
        if next.is_some_and(|next| next.as_micros() < last) {
            let day = change.offset().to_datetime(change.timestamp()).date();
            return Err(lossy(
                format!(
                    "on {day} the clock is changed, and a time that falls into that is another one for systemd"
                ),
                "write 'timezone: UTC', or another hour, or let `flow serve` run it",
            ));
        }
    }
    Ok(())
}
