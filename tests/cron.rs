//! Cron expressions against the table of `tests/data`, and against a count of every minute of a year.

pub mod support;

use flow::trigger::cron::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use support::every_minute::{ZONES, count, minutes};

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The table says how it was made: by a count of every minute, without a library, and held against four of them.
#[test]
fn every_row_of_the_table() {
    let table: Value = serde_json::from_str(include_str!("data/cron_table.json")).expect("JSON");
    let rows = table["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 58);
    for row in rows {
        let text = |key: &str| {
            row[key]
                .as_str()
                .unwrap_or_else(|| panic!("{row} has a {key}"))
        };
        let cron = text("expr").parse::<Cron>();
        let Some(wanted) = row["next"].as_array() else {
            let wrong = cron.expect_err(text("expr"));
            assert!(!wrong.what.is_empty() && !wrong.help.is_empty(), "{row}");
            continue;
        };
        let cron = cron.unwrap_or_else(|error| panic!("{}: {error}", text("expr")));
        let zone = zone(text("tz"));
        let mut at: Timestamp = text("after").parse().expect("a time");
        for wanted in wanted {
            let wanted: Timestamp = wanted
                .as_str()
                .and_then(|at| at.parse().ok())
                .expect("a time");
            at = cron.next_after(at, &zone).expect("there is a next");
            assert_eq!(at, wanted, "{row}");
        }
    }
}

const EXPRESSIONS: [&str; 10] = [
    "30 2 * * *",
    "0 0 * * *",
    "15,45 0,1,2,3 * * *",
    "*/20 * * * *",
    "30 * * * *",
    "*/7 1-3 * * *",
    "0 */6 1-7 * 1",
    "5 4 29,30,31 */2 *",
    "0 12 */10 3-11 mon-fri",
    "59 23 1 jan,jun 0",
];

#[test]
fn a_year_of_every_minute_in_twelve_zones() {
    for (name, from) in ZONES {
        let zone = zone(name);
        let start: Timestamp = format!("{from}T00:00:00Z").parse().expect("a time");
        let minutes = minutes(start, 366, &zone);
        let end = minutes.last().expect("a year").0;
        for expression in EXPRESSIONS {
            let cron: Cron = expression.parse().expect("it is one");
            let mut found = Vec::new();
            let mut at = start;
            while let Some(next) = cron.next_after(at, &zone).filter(|next| *next <= end) {
                found.push(next);
                at = next;
            }
            let counted = count(expression, &minutes);
            assert!(
                counted.len() > 1 || expression.starts_with("59"),
                "{name} {expression}"
            );
            for (number, (found, counted)) in found.iter().zip(&counted).enumerate() {
                assert_eq!(found, counted, "{name} {expression}, fire {number}");
            }
            assert_eq!(found.len(), counted.len(), "{name} {expression}");
        }
    }
}

/// From wherever it is asked, the answer is the first of the times after that.
#[test]
fn the_next_time_is_the_same_from_wherever_it_is_asked() {
    for (name, from) in ZONES {
        let zone = zone(name);
        let start: Timestamp = format!("{from}T00:00:00Z").parse().expect("a time");
        let mut random = fastrand::Rng::with_seed(7);
        for expression in EXPRESSIONS {
            let cron: Cron = expression.parse().expect("it is one");
            let mut times = Vec::new();
            let mut at = start;
            for _ in 0..3_000 {
                let Some(next) = cron.next_after(at, &zone) else {
                    break;
                };
                times.push(next);
                at = next;
            }
            for _ in 0..300 {
                let span = times[times.len() - 2].duration_since(start).as_millis();
                let span = i64::try_from(span).expect("it fits");
                let at = start + SignedDuration::from_millis(random.i64(0..span));
                let wanted = times[times.partition_point(|time| *time <= at)];
                assert_eq!(
                    cron.next_after(at, &zone),
                    Some(wanted),
                    "{name} {expression} {at}"
                );
            }
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    for (expression, what, help) in [
        ("* * * *", "it has 4 fields, not five", "write minute, hour"),
        ("0 0 12 * * *", "it has 6 fields, not five", "every: 10s"),
        ("", "it has 0 fields, not five", "write minute, hour"),
        ("5/15 * * * *", "a step after a single number", "5-59/15"),
        ("0 22-2 * * *", "runs backwards", "22-23,0-2"),
        ("*/0 * * * *", "is 0", "1 or more"),
        ("0 0 30 2 *", "never comes", "February"),
        ("0 0 31 4,6 *", "never comes", "April"),
        ("0 0 L * *", "is no day of the month", "other programs"),
        ("0 0 * * 5#2", "is no day of the week", "other programs"),
        ("0 0 * * monday", "is no day of the week", "sun, mon"),
        (
            "60 * * * *",
            "60 is not in the range of the minute",
            "0 to 59",
        ),
        ("999999999999 * * * *", "not in the range", "0 to 59"),
        (
            "0 0 , * *",
            "is no day of the month",
            "a number from 1 to 31",
        ),
        ("@reboot", "is not a time", "systemd"),
        ("@fortnightly", "there is no", "@weekly"),
        ("*/99999999999999999999 * * * *", "is no step", "*/5"),
        ("-1 * * * *", "is no minute", "a number from 0 to 59"),
    ] {
        let wrong = expression.parse::<Cron>().expect_err(expression);
        assert!(wrong.what.contains(what), "{expression}: {wrong}");
        assert!(wrong.help.contains(help), "{expression}: {wrong}");
    }
}

/// The calendar goes on after the year 2100, which is where a table of years may end.
#[test]
fn times_go_on_from_one_century_to_the_next() {
    let mut random = fastrand::Rng::with_seed(2100);
    for expression in [
        "0 0 * * *",
        "30 12 29 2 *",
        "0 9 * * mon",
        "15 3 1 1 *",
        "0 0 31 * fri",
        "*/7 1-3 29 2 3",
        "59 23 31 12 *",
    ] {
        let cron: Cron = expression.parse().expect(expression);
        for year in [2099, 2100, 2101, 2103, 2104, 2199, 2200, 2399, 2400, 2800] {
            let (month, day) = (random.i8(1..=12), random.i8(1..=28));
            let from = jiff::civil::date(year, month, day).at(random.i8(0..24), 0, 0, 0);
            let utc = |at: jiff::civil::DateTime| TimeZone::UTC.to_timestamp(at).expect("a time");
            let next = |after: Timestamp| {
                let next = cron.next_after(after, &TimeZone::UTC);
                next.expect("the calendar goes on")
            };
            let after = utc(from);
            let found = next(after);
            assert!(after < found, "{expression} after {after}: {found}");
            // Nothing is passed over: what comes after the moment before it is itself.
            let before = found - jiff::SignedDuration::from_micros(1);
            assert_eq!(next(before), found, "{expression} after {before}");
            // Four hundred years are a whole number of weeks, so the calendar repeats.
            let earlier = |at: Timestamp, years: i16| {
                let at = TimeZone::UTC.to_datetime(at);
                utc(at
                    .with()
                    .year(at.year() - years)
                    .build()
                    .expect("the same day"))
            };
            let years = if year >= 2800 { 800 } else { 400 };
            if year >= 2399 {
                let twin = next(earlier(after, years));
                assert_eq!(twin, earlier(found, years), "{expression} after {after}");
            }
        }
    }
}

/// No text makes it panic, and what is accepted has a next time.
#[test]
fn random_texts() {
    let mut random = fastrand::Rng::with_seed(58);
    let pieces = [
        "*", "/", "-", ",", "0", "5", "7", "12", "31", "60", "mon", "FRI", "feb", "@daily", "é",
        "L", "#",
    ];
    let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
    let mut accepted = 0;
    for _ in 0..100_000 {
        let fields = random.usize(4..7);
        let field = |random: &mut fastrand::Rng| -> String {
            if random.usize(..3) > 0 {
                return "*".to_owned();
            }
            (0..random.usize(1..4))
                .map(|_| pieces[random.usize(..pieces.len())])
                .collect()
        };
        let text: Vec<String> = (0..fields).map(|_| field(&mut random)).collect();
        if let Ok(cron) = text.join(" ").parse::<Cron>() {
            accepted += 1;
            assert!(cron.next_after(now, &TimeZone::UTC).is_some(), "{cron}");
            assert!(!flow::trigger::words::of_cron(&cron).is_empty());
        }
    }
    assert!(accepted > 100, "{accepted}");
}
