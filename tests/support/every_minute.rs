//! Cron expressions counted minute by minute, without any library for them: what the tests hold flow against.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Zones of both hemispheres, with changes of an hour and of half of one, at midnight and at night, and without any.
pub const ZONES: [(&str, &str); 12] = [
    ("Europe/Berlin", "2026-01-01"),
    ("Europe/London", "2027-01-01"),
    ("Europe/Dublin", "2026-01-01"),
    ("America/New_York", "2026-01-01"),
    ("America/St_Johns", "2010-06-01"),
    ("America/Sao_Paulo", "2018-01-01"),
    ("Africa/Cairo", "2026-01-01"),
    ("Africa/Casablanca", "2026-01-01"),
    ("Asia/Kolkata", "2026-01-01"),
    ("Australia/Lord_Howe", "2026-01-01"),
    ("Pacific/Chatham", "2026-01-01"),
    ("UTC", "2026-01-01"),
];

/// Every minute of so many days, with the time on the wall.
pub fn minutes(start: Timestamp, days: i64, zone: &TimeZone) -> Vec<(Timestamp, DateTime)> {
    let minute = |number: i64| {
        let at = start + SignedDuration::from_mins(number);
        (at, zone.to_datetime(at))
    };
    (0..=days * 24 * 60).map(minute).collect()
}

/// The fields of an expression, read without any library: for each the values that match, and whether it begins with `*`.
fn fields(expression: &str) -> Vec<(Vec<bool>, bool)> {
    const NAMES: [&[&str]; 2] = [
        &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
        &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    ];
    let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    let number = |text: &str, field: usize| -> usize {
        let names = NAMES.get(field.wrapping_sub(3)).copied().unwrap_or(&[]);
        let named = names.iter().position(|name| *name == text);
        named.map_or_else(
            || text.parse().expect("a number"),
            |at| at + usize::from(field == 3),
        )
    };
    let read = |(field, text): (usize, &str)| {
        let (least, most) = ranges[field];
        let mut values = vec![false; most + 1];
        for part in text.split(',') {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (least, most),
                Some((first, last)) => (number(first, field), number(last, field)),
                None => (number(range, field), number(range, field)),
            };
            (first..=last)
                .step_by(step.parse().expect("a step"))
                .for_each(|value| values[value] = true);
        }
        if field == 4 {
            values[0] |= values[7];
        }
        (values, text.starts_with('*'))
    };
    expression.split(' ').enumerate().map(read).collect()
}

/// Every minute of a year, by the rule of cron(8): what a local time is, whether it was there before, what was left out before it.
pub fn count(expression: &str, minutes: &[(Timestamp, DateTime)]) -> Vec<Timestamp> {
    let fields = fields(expression);
    let matches = |at: &DateTime| {
        let is =
            |field: usize, value: i8| fields[field].0[usize::try_from(value).expect("positive")];
        let weekday = at.date().weekday().to_sunday_zero_offset();
        let (day, week) = (is(2, at.day()), is(4, weekday));
        let day = if fields[2].1 || fields[4].1 {
            day && week
        } else {
            day || week
        };
        is(0, at.minute()) && is(1, at.hour()) && is(3, at.month()) && day
    };
    let elapsed = fields[0].1 || fields[1].1;
    let mut latest = minutes[0].1;
    let mut fires = Vec::new();
    for (instant, local) in &minutes[1..] {
        let fires_now = if elapsed {
            matches(local)
        } else {
            let mut skipped = latest;
            let mut any = false;
            while skipped < *local {
                skipped = skipped.saturating_add(SignedDuration::from_mins(1));
                any |= matches(&skipped);
            }
            any
        };
        latest = latest.max(*local);
        if fires_now {
            fires.push(*instant);
        }
    }
    fires
}
