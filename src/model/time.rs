//! Instants and their text.
//!
//! Knows no clock: the time is always handed in. Durations are [`std::time::Duration`].

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in UTC, in microseconds since 1970-01-01; its text is RFC 3339 with six digits of fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant this many microseconds after 1970-01-01 (UTC).
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 (UTC).
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant `span` later; the last representable one if that is too far away.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(span))
    }

    /// The time from `earlier` to here; zero when `earlier` is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The time for people, in the zone of this machine: `2026-11-21 02:00:00`.
    pub fn local(self) -> String {
        self.civil()
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    /// The same in another zone, with its offset.
    pub fn in_zone(self, zone: &jiff::tz::TimeZone) -> String {
        let there = self.civil().to_zoned(zone.clone());
        there.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// The same as the day and the time with milliseconds.
    pub fn local_precise(self) -> (String, String) {
        let local = self.civil().to_zoned(jiff::tz::TimeZone::system());
        let text = |format| local.strftime(format).to_string();
        (text("%Y-%m-%d"), text("%H:%M:%S%.3f"))
    }

    /// A moment as people write it: RFC 3339; a date with or without a time, or a time of today, in the zone of this machine; a
    /// duration for so long ago.
    pub fn read(text: &str, now: Self) -> Option<Self> {
        let text = text.trim();
        if let Ok(at) = text.parse() {
            return Some(at);
        }
        if let Some(ago) = parse_span(text) {
            let ago = i64::try_from(ago.as_micros()).ok()?;
            return Some(Self(now.0.saturating_sub(ago)));
        }
        let zone = jiff::tz::TimeZone::system();
        let today = now.civil().to_zoned(zone.clone()).date();
        let civil = text.parse::<jiff::civil::DateTime>().or_else(|_| {
            text.parse::<jiff::civil::Time>()
                .map(|time| today.to_datetime(time))
        });
        let at = civil.ok()?.to_zoned(zone).ok()?.timestamp();
        Some(Self(at.as_microsecond()))
    }

    fn civil(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.civil())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A duration as people read it: `0.42s`, `12.3s`, `4m05s`, `2h03m`.
pub fn human(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{:.2}s", span.as_secs_f64()),
        10..60 => format!("{:.1}s", span.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// The same in a sentence, where it need not align with others: less than a second in milliseconds.
pub fn human_fine(span: Duration) -> String {
    if span >= Duration::from_secs(1) {
        return human(span);
    }
    // What took less than a millisecond was not nothing.
    match span.as_millis().max(u128::from(!span.is_zero())) {
        0 => "0s".to_owned(),
        millis => format!("{millis}ms"),
    }
}

/// The units that a duration is written in, with their microseconds; the longer names of two that begin alike first.
const UNITS: [(&str, u64); 7] = [
    ("ms", 1_000),
    ("us", 1),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
];

/// The duration of `500ms`, `5s`, `1h30m`, `1.5h`: numbers, each with its unit. Microseconds are the finest.
pub fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut micros: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &after[..letters])?;
        micros = micros.checked_add(scaled(number, *unit)?)?;
        rest = after[letters..].trim_start();
    }
    Some(Duration::from_micros(micros))
}

/// A decimal number of units, in microseconds; what is finer is cut off.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let (mut part, mut place) = (0, unit);
    for byte in fraction.bytes() {
        place /= 10;
        part += u64::from(byte - b'0') * place;
    }
    whole.checked_mul(unit)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_as_people_write_them() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        let read = |text| Timestamp::read(text, now);
        assert_eq!(
            read("2026-11-20T01:02:03Z")
                .map(|at| at.to_string())
                .as_deref(),
            Some("2026-11-20T01:02:03.000000Z")
        );
        assert_eq!(
            read("90s").map(|at| now.since(at)),
            Some(Duration::from_secs(90))
        );
        for text in [
            "2026-11-20 01:02",
            "2026-11-20 01:02:03",
            "2026-11-20",
            "11:30",
        ] {
            let at = read(text).map(Timestamp::local).unwrap_or_default();
            assert!(at.contains(text), "{text}: {at}");
        }
        for text in ["", "yesterday", "25:00", "2026-13-01"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    use super::*;

    #[test]
    fn text_goes_both_ways() {
        let time = Timestamp::from_micros(1_795_226_400_000_042);
        assert_eq!(time.to_string(), "2026-11-21T02:00:00.000042Z");
        assert_eq!(
            time.to_string().parse::<Timestamp>().expect("own text"),
            time
        );
        assert_eq!(
            Timestamp::from_micros(0).to_string(),
            "1970-01-01T00:00:00.000000Z"
        );
    }

    #[test]
    fn spans_have_units() {
        let micros = |text| parse_span(text).map(|span| span.as_micros());
        assert_eq!(micros("500ms"), Some(500_000));
        assert_eq!(micros("5s"), Some(5_000_000));
        assert_eq!(micros("1h30m"), Some(5_400_000_000));
        assert_eq!(micros("1h 30m"), Some(5_400_000_000));
        assert_eq!(micros("1.5h"), Some(5_400_000_000));
        assert_eq!(micros("2d"), Some(172_800_000_000));
        assert_eq!(micros("0.25s"), Some(250_000));
        for wrong in [
            "",
            "5",
            "s",
            "5 parsecs",
            "-5s",
            "1.s",
            ".5s",
            "1..5s",
            "5s5",
            "99999999999999w",
            "1e3s",
        ] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_for_people() {
        let texts: Vec<String> = [0.004, 0.42, 12.34, 245.0, 7384.0]
            .into_iter()
            .map(|seconds| human(Duration::from_secs_f64(seconds)))
            .collect();
        assert_eq!(texts, ["0.00s", "0.42s", "12.3s", "4m05s", "2h03m"]);
    }
}
