//! Times as cron(5) writes them: `0 2 * * *`.
//!
//! The five fields are brought into the form of the crate `cron`, whose weekdays, steps and two day fields mean something else
//! (docs/decisions/0012), and asked for local times, which know nothing of a zone. What a clock change does to these is said here,
//! as in cron(8): a job at fixed times that fall into the gap runs right after it, one at a time that comes twice runs at the first
//! of the two; a job whose minute or hour begins with `*` follows the time that passes.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use chrono::{DateTime as ChronoTime, Utc};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A cron expression.
#[derive(Clone, Debug)]
pub struct Cron {
    written: String,
    fields: [Field; 5],
    /// One schedule of local times, or two either of which counts.
    schedules: Vec<cron::Schedule>,
}

/// A field of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As it was written.
    pub written: String,
    /// The values that match, in order. Weekdays are 0 (Sunday) to 6.
    pub values: Vec<u8>,
}

impl Field {
    /// Whether it begins with `*`, which is what cron(5) looks at where it tells restricted fields from others.
    pub fn is_wild(&self) -> bool {
        self.written.starts_with('*')
    }

    /// Whether every value matches.
    pub fn is_every(&self) -> bool {
        self.written == "*" || self.written == "*/1"
    }
}

/// Why a text is no cron expression, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

impl Wrong {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: help.into(),
        }
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.help)
    }
}

impl std::error::Error for Wrong {}

/// What a field stands for.
struct Kind {
    name: &'static str,
    least: u8,
    most: u8,
    /// Names of its values, from `least` on.
    names: &'static [&'static str],
}

/// The minute of an expression.
pub const MINUTE: usize = 0;
/// The hour.
pub const HOUR: usize = 1;
/// The day of the month.
pub const DAY: usize = 2;
/// The month.
pub const MONTH: usize = 3;
/// The day of the week.
pub const WEEKDAY: usize = 4;

const KINDS: [Kind; 5] = [
    Kind {
        name: "minute",
        least: 0,
        most: 59,
        names: &[],
    },
    Kind {
        name: "hour",
        least: 0,
        most: 23,
        names: &[],
    },
    Kind {
        name: "day of the month",
        least: 1,
        most: 31,
        names: &[],
    },
    Kind {
        name: "month",
        least: 1,
        most: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Kind {
        name: "day of the week",
        least: 0,
        most: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

/// Names for whole expressions.
const NICKNAMES: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The most days that a month has, by its number.
const DAYS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A clock change of this length or more is a correction: what would have been in it is not made up for (cron(8)).
const CORRECTION: SignedDuration = SignedDuration::from_hours(3);

impl FromStr for Cron {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let written = text.trim();
        if let Some((name, rest)) = written.split_once('=')
            && matches!(name, "CRON_TZ" | "TZ")
        {
            let zone = rest.split_ascii_whitespace().next().unwrap_or_default();
            return Err(Wrong::new(
                format!("{name}= is no part of the five fields"),
                format!("give the time zone by itself: timezone: {zone}"),
            ));
        }
        let expression = if written.starts_with('@') {
            nickname(written)?
        } else {
            written
        };
        let words: Vec<&str> = expression.split_ascii_whitespace().collect();
        let Ok(words) = <[&str; 5]>::try_from(words.as_slice()) else {
            return Err(wrong_number_of_fields(words.len()));
        };
        let mut fields = Vec::with_capacity(5);
        for (kind, word) in KINDS.iter().zip(words) {
            fields.push(Field {
                written: word.to_owned(),
                values: values(kind, word)?,
            });
        }
        let fields = <[Field; 5]>::try_from(fields).unwrap_or_else(|_| unreachable!("five words"));
        if !may_be(&fields) {
            return Err(Wrong::new(
                format!("{written:?} never comes: no such month has such a day"),
                "30 and 31 are in no February, 31 is not in April, June, September and November",
            ));
        }
        Ok(Self {
            schedules: schedules(&fields),
            written: written.to_owned(),
            fields,
        })
    }
}

impl Display for Cron {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Cron {
    /// Minute, hour, day of the month, month, day of the week.
    pub fn fields(&self) -> &[Field; 5] {
        &self.fields
    }

    /// Whether both day fields are restricted, so that a day counts that matches either.
    pub fn is_either_day(&self) -> bool {
        !self.fields[DAY].is_wild() && !self.fields[WEEKDAY].is_wild()
    }

    /// Whether it follows the time that passes across a clock change, and not the clock on the wall.
    pub fn is_elapsed(&self) -> bool {
        self.fields[MINUTE].is_wild() || self.fields[HOUR].is_wild()
    }

    /// The first time after this one; `None` when there is none in the next four hundred years, after which the calendar repeats.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.is_elapsed() {
            self.next_elapsed(after, zone)
        } else {
            self.next_fixed(after, zone)
        }
    }

    /// Each local time is an instant: of two the first, and of none the end of the gap.
    fn next_fixed(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // That may be the end of a gap with times in it, which are before it on the clock.
        let mut local = zone.to_datetime(after);
        loop {
            local = self.next_local(local)?;
            let ambiguous = zone.to_ambiguous_timestamp(local);
            let instant = match ambiguous.offset() {
                AmbiguousOffset::Gap { before, after } => {
                    let gap = after.duration_until(before).abs();
                    if gap >= CORRECTION {
                        continue;
                    }
                    // Read by the time of after it, the local time is before it.
                    let early = after.to_timestamp(local).ok()?;
                    zone.following(early).next()?.timestamp()
                }
                AmbiguousOffset::Unambiguous { offset }
                | AmbiguousOffset::Fold { before: offset, .. } => {
                    offset.to_timestamp(local).ok()?
                }
            };
            if instant > after {
                return Some(instant);
            }
        }
    }

    /// Each stretch between two clock changes has its own local times.
    fn next_elapsed(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut after = after;
        loop {
            let offset = zone.to_offset(after);
            let next = self.next_local(offset.to_datetime(after));
            let next = next.and_then(|local| offset.to_timestamp(local).ok());
            let change = zone.following(after).next();
            let change = change.map(|change| change.timestamp());
            match (next, change) {
                (Some(next), Some(change)) if next >= change => {
                    // The change itself may be a time, by the clock that holds from then on.
                    let at = zone.to_datetime(change);
                    let before = at.checked_sub(SignedDuration::from_nanos(1)).ok()?;
                    if self.next_local(before) == Some(at) {
                        return Some(change);
                    }
                    after = change;
                }
                (next, _) => return next,
            }
        }
    }

    /// The first local time after this one.
    fn next_local(&self, after: DateTime) -> Option<DateTime> {
        if let Some(next) = self.next_known(after) {
            return Some(next);
        }
        // From the end of the crate's years on, each is looked up as one before it that has the same days.
        let after = after.max(end_of(KNOWN_UNTIL));
        for year in after.year()..=after.year().saturating_add(CALENDAR_YEARS) {
            let twin = twin(year);
            let from = match year == after.year() {
                true => after.with().year(twin).build().ok()?,
                false => end_of(twin - 1),
            };
            let next = self.next_known(from).filter(|next| next.year() == twin);
            if let Some(next) = next {
                return next.with().year(year).build().ok();
            }
        }
        None
    }

    /// The same, as far as the crate goes.
    fn next_known(&self, after: DateTime) -> Option<DateTime> {
        let disguised = TimeZone::UTC.to_timestamp(after).ok()?;
        let subsecond = u32::try_from(disguised.subsec_nanosecond().max(0)).unwrap_or(0);
        let second = disguised.as_second() - i64::from(disguised.subsec_nanosecond() < 0);
        let from: ChronoTime<Utc> = ChronoTime::from_timestamp(second, subsecond)?;
        let next = |schedule: &cron::Schedule| schedule.after(&from).next();
        let next = self.schedules.iter().filter_map(next).min()?;
        let next = Timestamp::from_second(next.timestamp()).ok()?;
        Some(TimeZone::UTC.to_datetime(next))
    }
}

/// The last year that the crate `cron` knows.
const KNOWN_UNTIL: i16 = 2100;
/// After so many years the calendar repeats.
const CALENDAR_YEARS: i16 = 400;

/// The last moment of a year.
const fn end_of(year: i16) -> DateTime {
    DateTime::constant(year, 12, 31, 23, 59, 59, 999_999_999)
}

/// A year that the crate knows, with the same days of the week and the same length.
fn twin(year: i16) -> i16 {
    let shape = |year: i16| {
        let first = DateTime::constant(year, 1, 1, 0, 0, 0, 0);
        (first.weekday(), first.in_leap_year())
    };
    let wanted = shape(year);
    // Any 28 of them have every shape.
    (2001..2001 + 28)
        .find(|known| shape(*known) == wanted)
        .unwrap_or(2001)
}

fn nickname(written: &str) -> Result<&'static str, Wrong> {
    let known = NICKNAMES.iter().find(|(name, _)| *name == written);
    if let Some((_, expression)) = known {
        return Ok(expression);
    }
    if written == "@reboot" {
        return Err(Wrong::new(
            "\"@reboot\" is not a time",
            "let what starts the machine run the task: a systemd unit, or a line in crontab",
        ));
    }
    let names: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
    Err(Wrong::new(
        format!("there is no {written:?}"),
        format!("there are: {}", names.join(", ")),
    ))
}

fn wrong_number_of_fields(count: usize) -> Wrong {
    let help = match count {
        6 | 7 => {
            "cron(5) has no seconds and no years: leave them out; finer than a minute is `every: 10s`"
        }
        _ => "write minute, hour, day of the month, month and day of the week: 0 2 * * *",
    };
    let s = if count == 1 { "" } else { "s" };
    Wrong::new(format!("it has {count} field{s}, not five"), help)
}

/// The values of a field: a list of numbers, names, ranges and `*`, the last two with a step if need be.
fn values(kind: &Kind, word: &str) -> Result<Vec<u8>, Wrong> {
    let mut values = Vec::new();
    for part in word.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (first, last) = if range == "*" {
            // A day of the week is there twice: 0 and 7.
            (kind.least, if kind.most == 7 { 6 } else { kind.most })
        } else if let Some((first, last)) = range.split_once('-') {
            (value(kind, first, part)?, last_value(kind, last, part)?)
        } else if step.is_some() {
            return Err(Wrong::new(
                format!(
                    "{part:?} in the {} has a step after a single number",
                    kind.name
                ),
                format!(
                    "write the range: {range}-{}/{}",
                    kind.most,
                    step.unwrap_or("1")
                ),
            ));
        } else {
            let one = value(kind, range, part)?;
            (one, one)
        };
        if first > last {
            return Err(Wrong::new(
                format!("the range {range:?} in the {} runs backwards", kind.name),
                format!("write two: {first}-{},{}-{last}", kind.most, kind.least),
            ));
        }
        let step = step.map_or(Ok(1), |step| step_of(kind, step, part))?;
        values.extend((first..=last).step_by(step));
    }
    if kind.most == 7 {
        values.iter_mut().for_each(|value| *value %= 7);
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

fn step_of(kind: &Kind, step: &str, part: &str) -> Result<usize, Wrong> {
    match step.parse::<u16>() {
        Ok(0) => Err(Wrong::new(
            format!("the step of {part:?} in the {} is 0", kind.name),
            "a step is 1 or more",
        )),
        Ok(step) if step.to_string().len() <= 5 => Ok(usize::from(step)),
        _ => Err(Wrong::new(
            format!("{step:?} in the {} is no step", kind.name),
            "a step is a whole number: */5",
        )),
    }
}

/// The end of a range. Sunday by its name ends a week there.
fn last_value(kind: &Kind, text: &str, part: &str) -> Result<u8, Wrong> {
    if kind.most == 7 && text.eq_ignore_ascii_case("sun") {
        return Ok(7);
    }
    value(kind, text, part)
}

fn value(kind: &Kind, text: &str, part: &str) -> Result<u8, Wrong> {
    let named = kind
        .names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text));
    if let Some(at) = named {
        return Ok(kind.least + u8::try_from(at).unwrap_or(0));
    }
    let Kind { least, most, .. } = kind;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<u8>() {
            Ok(number) if (*least..=*most).contains(&number) => Ok(number),
            _ => Err(Wrong::new(
                format!("{text} is not in the range of the {}", kind.name),
                format!("it goes from {least} to {most}"),
            )),
        };
    }
    let help = if matches!(text, "L" | "W" | "?") || text.contains(['#', 'L', 'W', '?']) {
        "`L`, `W`, `#` and `?` are of other programs; cron(5) has numbers, names, lists, ranges, steps and `*`".to_owned()
    } else if kind.names.is_empty() {
        format!(
            "write a number from {least} to {most}, a list 1,2, a range 1-5, a step */5, or `*`"
        )
    } else {
        format!(
            "write a number from {least} to {most}, or a name: {}",
            kind.names.join(", ")
        )
    };
    let within = if part == text {
        String::new()
    } else {
        format!(" in {part:?}")
    };
    Err(Wrong::new(
        format!("{text:?}{within} is no {}", kind.name),
        help,
    ))
}

/// Whether there is ever such a day.
fn may_be(fields: &[Field; 5]) -> bool {
    // Either day field would do, and each week has each weekday.
    if !fields[DAY].is_wild() && !fields[WEEKDAY].is_wild() {
        return true;
    }
    let first = fields[DAY].values[0];
    let days = fields[MONTH].values.iter();
    days.map(|month| DAYS[usize::from(month - 1)])
        .any(|days| first <= days)
}

/// The same in the form of the crate, whose weeks begin with 1 and whose two day fields must both match.
fn schedules(fields: &[Field; 5]) -> Vec<cron::Schedule> {
    let list = |values: &[u8], add: u8| {
        let values: Vec<String> = values
            .iter()
            .map(|value| (value + add).to_string())
            .collect();
        values.join(",")
    };
    let [minute, hour, day, month, weekday] = fields;
    let schedule = |day: &str, weekday: &str| {
        let text = format!(
            "0 {} {} {day} {} {weekday}",
            list(&minute.values, 0),
            list(&hour.values, 0),
            list(&month.values, 0)
        );
        text.parse::<cron::Schedule>()
            .unwrap_or_else(|error| unreachable!("{text}: {error}"))
    };
    let days = list(&day.values, 0);
    let weekdays = list(&weekday.values, 1);
    if day.is_wild() || weekday.is_wild() {
        vec![schedule(&days, &weekdays)]
    } else {
        vec![schedule(&days, "*"), schedule("*", &weekdays)]
    }
}
