//! When it is time: what triggers say of it, as instants.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::cron::{Cron, Wrong};
use crate::model::language::When;
use crate::model::time::Timestamp;

/// The least time between two starts.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The times of a trigger.
#[derive(Clone, Debug)]
pub enum Times {
    /// Those of an expression, in a zone.
    Cron(Box<Cron>, TimeZone),
    /// Each multiple of this since 1970.
    Every(Duration),
    /// This one.
    At(Timestamp),
    /// None: something else starts it.
    Never,
}

impl Times {
    /// The times of a trigger, by the zone of this machine where it names none.
    ///
    /// # Errors
    ///
    /// When they can't be read, which reading the file has told.
    pub fn of(when: &When, machine: &TimeZone) -> Result<Self, Wrong> {
        let zone_of = |name: &Option<String>| match name {
            Some(name) => zone(name),
            None => Ok(machine.clone()),
        };
        Ok(match when {
            When::Cron { expression, zone } => {
                Self::Cron(Box::new(expression.parse()?), zone_of(zone)?)
            }
            When::Every(every) => {
                interval(*every)?;
                Self::Every(*every)
            }
            When::At { time, zone } => Self::At(instant(time, &zone_of(zone)?)?),
            When::Watch { .. } => Self::Never,
        })
    }

    /// The first time after this one.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron, zone) => {
                let from = jiff::Timestamp::from_microsecond(after.as_micros()).ok()?;
                let next = cron.next_after(from, zone)?;
                Some(Timestamp::from_micros(next.as_microsecond()))
            }
            Self::Every(every) => {
                let every = micros(*every);
                let next = after.as_micros().div_euclid(every).checked_add(1)?;
                next.checked_mul(every).map(Timestamp::from_micros)
            }
            Self::At(at) => (*at > after).then_some(*at),
            Self::Never => None,
        }
    }

    /// The last times, at most so many, that are after `after` and not after `until`, in order; and whether that is all of them.
    pub fn last(&self, after: Timestamp, until: Timestamp, most: usize) -> (Vec<Timestamp>, bool) {
        let mut span = Duration::from_secs(60);
        loop {
            let back = Timestamp::from_micros(until.as_micros().saturating_sub(micros(span)));
            let (from, whole) = if back <= after {
                (after, true)
            } else {
                (back, false)
            };
            let mut found = Vec::new();
            let mut at = from;
            while let Some(next) = self.next_after(at).filter(|next| *next <= until) {
                found.push(next);
                at = next;
            }
            let surplus = found.len().saturating_sub(most);
            if whole || surplus > 0 {
                found.drain(..surplus);
                return (found, whole && surplus == 0);
            }
            span = span.saturating_mul(4);
        }
    }

    /// Whether they follow the time that passes, and not the clock on the wall.
    pub fn is_elapsed(&self) -> bool {
        match self {
            Self::Cron(cron, _) => cron.is_elapsed(),
            Self::Every(_) => true,
            Self::At(_) | Self::Never => false,
        }
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX).max(1)
}

/// A time of a trigger as its author reads it: in the zone that it names, with the offset; else in the machine's.
pub fn shown(at: Timestamp, when: &When) -> String {
    let name = match when {
        When::Cron { zone, .. } | When::At { zone, .. } => zone.as_deref(),
        When::Every(_) | When::Watch { .. } => None,
    };
    match name.map(zone) {
        Some(Ok(zone)) => at.in_zone(&zone),
        _ => at.local(),
    }
}

/// Whether something can be started so often.
///
/// # Errors
///
/// When it can't.
pub fn interval(every: Duration) -> Result<(), Wrong> {
    if every >= INTERVAL_MIN {
        return Ok(());
    }
    Err(Wrong {
        what: "'every' is less than a second".to_owned(),
        help: "write 1s or more; what runs more often is a program of its own".to_owned(),
    })
}

/// The zone of this name in the tz database.
///
/// # Errors
///
/// When there is none.
pub fn zone(name: &str) -> Result<TimeZone, Wrong> {
    if name.is_empty() || name.eq_ignore_ascii_case("local") {
        return Err(unknown_zone(name));
    }
    TimeZone::get(name).map_err(|_| unknown_zone(name))
}

fn unknown_zone(name: &str) -> Wrong {
    let known = jiff::tz::db().available();
    let known: Vec<String> = known.map(|name| name.as_str().to_owned()).collect();
    // `berlin` is enough to find `Europe/Berlin`.
    let wanted = name.to_ascii_lowercase().replace(' ', "_");
    let city = |known: &&String| {
        let known = known.to_ascii_lowercase();
        !wanted.is_empty() && known.rsplit('/').next() == Some(wanted.as_str())
    };
    let near = known.iter().find(city).cloned();
    let help = match near {
        Some(near) => format!("did you mean {near}?"),
        None => "write a name of the tz database, such as Europe/Berlin, America/New_York or UTC"
            .to_owned(),
    };
    Wrong {
        what: format!("there is no time zone '{name}'"),
        help,
    }
}

/// A time as people write it: with its offset, or by the clock on the wall in a zone.
///
/// # Errors
///
/// When it is none, or when the clock on the wall never shows it.
pub fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, Wrong> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_micros(at.as_microsecond()));
    }
    let help = "write 2026-12-24 18:00, or with an offset 2026-12-24T18:00:00+01:00";
    let wrong = |what: String| Wrong {
        what,
        help: help.to_owned(),
    };
    let local: DateTime = text
        .parse()
        .map_err(|_| wrong(format!("'{text}' is no time")))?;
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return Err(wrong(format!(
            "the clock never shows {local}: it is set forward then"
        )));
    }
    let at = ambiguous
        .earlier()
        .map_err(|_| wrong(format!("'{text}' is no time")))?;
    Ok(Timestamp::from_micros(at.as_microsecond()))
}
