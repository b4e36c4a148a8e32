//! What a trigger says, in words.

use std::time::Duration;

use super::cron::{Cron, DAY, Field, HOUR, MINUTE, MONTH, WEEKDAY};
use crate::model::language::When;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// How many times of a day are told one by one.
const TIMES_MAX: usize = 4;

/// When it is time.
pub fn of(when: &When) -> String {
    let zoned = |words: String, zone: &Option<String>| match zone {
        Some(zone) => format!("{words} ({zone})"),
        None => words,
    };
    match when {
        When::Cron { expression, zone } => match expression.parse() {
            Ok(cron) => zoned(of_cron(&cron), zone),
            // Reading the file has told that it can't be read.
            Err(_) => zoned(expression.clone(), zone),
        },
        When::Every(every) => format!("every {}", span(*every)),
        When::At { time, zone } => zoned(format!("once, at {time}"), zone),
        When::Watch { patterns, .. } => format!("when {} changes", patterns.join(" ")),
    }
}

/// The same of an expression.
pub fn of_cron(cron: &Cron) -> String {
    let fields = cron.fields();
    let (times, is_of_day) = times(&fields[MINUTE], &fields[HOUR]);
    let days = days(cron);
    let months = months(&fields[MONTH]);
    let mut words = times;
    match days {
        Some(days) => {
            words.push(' ');
            words.push_str(&days);
        }
        None if is_of_day => words.push_str(" every day"),
        None => {}
    }
    if let Some(months) = months {
        words.push_str(&format!(" in {months}"));
    }
    words
}

/// The times of a day, and whether they are few enough to be told.
fn times(minute: &Field, hour: &Field) -> (String, bool) {
    let every_hour = hour.values.len() == 24;
    if minute.values.len() * hour.values.len() <= TIMES_MAX {
        let mut times = Vec::new();
        for hour in &hour.values {
            times.extend(minute.values.iter().map(|minute| clock(*hour, *minute)));
        }
        return (format!("at {}", list(&times, "and")), true);
    }
    let minutes = match (step(&minute.values, 60), minute.values.len()) {
        (_, 60) => "every minute".to_owned(),
        (Some(step), _) => format!("every {step} minutes"),
        (None, 1) if every_hour && minute.values[0] == 0 => {
            return ("every hour".to_owned(), false);
        }
        (None, 1) => format!("at minute {}", minute.values[0]),
        (None, _) => format!("at minutes {}", numbers(&minute.values)),
    };
    if every_hour {
        let of = if minutes.starts_with("at") {
            " of every hour"
        } else {
            ""
        };
        return (format!("{minutes}{of}"), false);
    }
    if let (Some(step), [0]) = (step(&hour.values, 24), &minute.values[..]) {
        return (format!("every {step} hours, from 00:00 on"), false);
    }
    if let (Some((first, last)), true) = (range(&hour.values), minutes.starts_with("every")) {
        let end = clock(last, *minute.values.last().unwrap_or(&59));
        return (
            format!("{minutes} from {} to {end}", clock(first, minute.values[0])),
            false,
        );
    }
    let hours = match range(&hour.values) {
        Some((first, last)) => format!("the hours {first} to {last}"),
        None if hour.values.len() == 1 => format!("the hour {}", hour.values[0]),
        None => format!("the hours {}", numbers(&hour.values)),
    };
    (format!("{minutes} of {hours}"), false)
}

/// The days; `None` for all.
fn days(cron: &Cron) -> Option<String> {
    let (day, weekday) = (&cron.fields()[DAY], &cron.fields()[WEEKDAY]);
    let of_month = (!day.is_every()).then(|| of_month(day));
    let of_week = (weekday.values.len() < 7).then(|| of_week(weekday));
    match (of_month, of_week) {
        (None, None) => None,
        (Some(one), None) if !cron.is_either_day() => Some(format!("on {one}")),
        // `1 * 0-6`: each day is one of the week.
        (Some(_), None) => Some("every day".to_owned()),
        (None, Some(one)) => Some(format!("on {one}")),
        (Some(day), Some(week)) if cron.is_either_day() => {
            Some(format!("on {day}, and also on {week}"))
        }
        (Some(day), Some(week)) => Some(format!("on {week} if it is {day}")),
    }
}

fn of_month(day: &Field) -> String {
    if let Some((first, last)) = range(&day.values) {
        return format!("the {} to the {}", ordinal(first), ordinal(last));
    }
    let days: Vec<String> = day.values.iter().map(|day| ordinal(*day)).collect();
    format!("the {}", list(&days, "and"))
}

fn of_week(weekday: &Field) -> String {
    let name = |day: &u8| WEEKDAYS[usize::from(*day)].to_owned();
    // A week begins with Monday, so that Saturday and Sunday stand side by side.
    let mut days: Vec<u8> = weekday.values.iter().map(|day| (day + 6) % 7).collect();
    days.sort_unstable();
    let week = |day: u8| name(&((day + 1) % 7));
    if let Some((first, last)) = range(&days) {
        return format!("{} to {}", week(first), week(last));
    }
    let days: Vec<String> = days.into_iter().map(week).collect();
    list(&days, "and")
}

fn months(month: &Field) -> Option<String> {
    if month.values.len() == 12 {
        return None;
    }
    let name = |month: u8| MONTHS[usize::from(month - 1)].to_owned();
    if let Some((first, last)) = range(&month.values) {
        return Some(format!("{} to {}", name(first), name(last)));
    }
    let months: Vec<String> = month.values.iter().map(|month| name(*month)).collect();
    Some(list(&months, "and"))
}

/// The first and the last of three or more values without a gap.
fn range(values: &[u8]) -> Option<(u8, u8)> {
    let (first, last) = (*values.first()?, *values.last()?);
    let whole = values.len() > 2 && usize::from(last - first) + 1 == values.len();
    whole.then_some((first, last))
}

/// The step of values that go round evenly.
fn step(values: &[u8], round: u8) -> Option<u8> {
    let step = *values.get(1)?;
    let even = round.is_multiple_of(step) && values.len() == usize::from(round / step);
    let each = values
        .iter()
        .zip(0_u8..)
        .all(|(value, number)| *value == number * step);
    (even && each && step > 1).then_some(step)
}

fn clock(hour: u8, minute: u8) -> String {
    format!("{hour:02}:{minute:02}")
}

fn ordinal(number: u8) -> String {
    let end = match (number % 10, number / 10) {
        (_, 1) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

fn numbers(values: &[u8]) -> String {
    let values: Vec<String> = values.iter().map(u8::to_string).collect();
    list(&values, "and")
}

fn list(items: &[String], word: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// A span as it would be written, in the largest units that fit.
pub fn span(span: Duration) -> String {
    const UNITS: [(&str, u64); 5] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1), ("ms", 0)];
    let (mut rest, mut words) = (span.as_secs(), String::new());
    for (name, seconds) in UNITS {
        let count = match seconds {
            0 => u64::from(span.subsec_millis()),
            seconds => {
                let count = rest / seconds;
                rest %= seconds;
                count
            }
        };
        if count > 0 {
            words.push_str(&format!("{count}{name}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_in_words() {
        for (expression, words) in [
            ("* * * * *", "every minute"),
            ("*/5 * * * *", "every 5 minutes"),
            (
                "*/7 * * * *",
                "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour",
            ),
            ("0 * * * *", "every hour"),
            ("5 * * * *", "at minute 5 of every hour"),
            ("0 2 * * *", "at 02:00 every day"),
            ("30 6,18 * * *", "at 06:30 and 18:30 every day"),
            ("0 9 * * 1-5", "at 09:00 on Monday to Friday"),
            ("0 9 * * 6,0", "at 09:00 on Saturday and Sunday"),
            ("0 9 * * fri-sun", "at 09:00 on Friday to Sunday"),
            ("0 0 1,15 * *", "at 00:00 on the 1st and 15th"),
            ("0 0 13 * 5", "at 00:00 on the 13th, and also on Friday"),
            ("0 0 */100 * 1", "at 00:00 on Monday if it is the 1st"),
            ("0 0 1-7 * *", "at 00:00 on the 1st to the 7th"),
            ("*/10 9-17 * * *", "every 10 minutes from 09:00 to 17:50"),
            ("0 */3 * * *", "every 3 hours, from 00:00 on"),
            (
                "15 */3 * * *",
                "at minute 15 of the hours 0, 3, 6, 9, 12, 15, 18 and 21",
            ),
            (
                "0 0 1 */3 *",
                "at 00:00 on the 1st in January, April, July and October",
            ),
            ("0 8 * jun-aug *", "at 08:00 every day in June to August"),
            ("@yearly", "at 00:00 on the 1st in January"),
            ("@weekly", "at 00:00 on Sunday"),
            ("0 0 22 * 0-6", "at 00:00 every day"),
        ] {
            let cron: Cron = expression.parse().expect("it is one");
            assert_eq!(of_cron(&cron), words, "{expression}");
        }
    }

    #[test]
    fn spans_as_they_are_written() {
        for text in ["1s", "10s", "1m30s", "1h", "2d", "1d12h", "1s500ms"] {
            let read = crate::model::time::parse_span(text).expect("a span");
            assert_eq!(span(read), text);
        }
    }
}
