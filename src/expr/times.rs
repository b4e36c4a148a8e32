//! Durations and dates as texts, for the filters `duration` and `date`.
//!
//! It reads no clock.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

/// The units that a duration is written in, and their seconds.
const UNITS: [(&str, f64); 7] = [
    ("w", 604_800.0),
    ("d", 86_400.0),
    ("h", 3_600.0),
    ("min", 60.0),
    ("m", 60.0),
    ("ms", 0.001),
    ("s", 1.0),
];

/// The seconds of `1h 30m`, `90s`, `1.5d`, `250ms`; a number alone is none.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..letters])?;
        sum += number * unit;
        rest = rest[letters..].trim_start();
    }
    Some(sum)
}

/// A duration as people write it: `1h 30m`, `2.5s`.
pub(super) fn written(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` ends at the largest number"
    )]
    let milliseconds = (seconds.abs() * 1_000.0).round() as u64;
    let mut left = milliseconds / 1_000;
    let mut words = Vec::new();
    for (name, size) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if left >= size {
            words.push(format!("{}{name}", left / size));
            left %= size;
        }
    }
    let rest = milliseconds % 1_000;
    if rest > 0 {
        let fraction = format!("{rest:03}");
        words.push(format!("{left}.{}s", fraction.trim_end_matches('0')));
    } else if left > 0 || words.is_empty() {
        words.push(format!("{left}s"));
    }
    format!("{sign}{}", words.join(" "))
}

/// What a date is made from.
pub(super) enum When {
    /// Seconds since 1970, and nanoseconds.
    Seconds(i64, i32),
    /// A text such as `2026-11-21T07:28:49Z` or `2026-11-21`.
    Text(String),
}

/// A point in time, written by strftime's letters, in a time zone (UTC when none is named).
pub(super) fn date(
    when: &When,
    format: Option<&str>,
    zone: Option<&str>,
) -> Result<String, String> {
    let zone = match zone {
        None => TimeZone::UTC,
        Some("local") => TimeZone::system(),
        Some(name) => TimeZone::get(name).map_err(|_| format!("there is no time zone `{name}`"))?,
    };
    let instant = match when {
        When::Seconds(seconds, nanoseconds) => Timestamp::new(*seconds, *nanoseconds)
            .map_err(|_| "this is no time that a calendar has".to_owned())?,
        When::Text(text) => instant(text.trim(), &zone)?,
    };
    let zoned = instant.to_zoned(zone);
    jiff::fmt::strtime::format(format.unwrap_or("%Y-%m-%d"), &zoned)
        .map_err(|error| format!("the format is wrong: {error}"))
}

fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let civil: Result<civil::DateTime, _> = text.parse();
    civil
        .and_then(|civil| zone.to_timestamp(civil))
        .map_err(|_| "it is no date such as `2026-11-21` or `2026-11-21T07:28:49Z`".to_owned())
}
