//! Names of runs and of the nodes of a plan.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The digits of a run id: no `i`, `l`, `o` and `u`, so that it can be read aloud (Crockford's base 32).
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Run ids count from here: 2020-01-01T00:00:00Z, in microseconds since 1970.
const EPOCH_MICROS: i64 = 1_577_836_800_000_000;

/// The name of a run: ten characters that sort by the time of its start.
///
/// Six give the second since 2020 (enough until 2054), two the fraction of it in steps of about a millisecond,
/// two are random. Two runs that still get the same name are told apart by the store, which never creates one twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// The id of a run that starts now, with some random bits.
    pub fn new(now: Timestamp, random: u16) -> Self {
        let micros = u64::try_from(now.as_micros().saturating_sub(EPOCH_MICROS)).unwrap_or(0);
        let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000 * 1024 / 1_000_000);
        let number = (seconds & 0x3fff_ffff) << 20 | fraction << 10 | u64::from(random & 0x3ff);
        let text = (0..10).rev().map(|place| {
            let digit = number >> (5 * place) & 31;
            char::from(DIGITS[usize::try_from(digit).expect("five bits fit")])
        });
        Self(text.collect())
    }

    /// The id with this text, if it can be one: one to forty of the digits that ids have.
    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            (1..=40).contains(&text.len()) && text.bytes().all(|byte| DIGITS.contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    /// When the run began, to the second, by its id; `None` for one that was not made by [`Self::new`].
    pub fn began(&self) -> Option<Timestamp> {
        let digits = self.0.as_bytes();
        let value = |digit: &u8| DIGITS.iter().position(|known| known == digit);
        let seconds = digits.get(..6).filter(|_| digits.len() == 10)?;
        let seconds = seconds.iter().try_fold(0, |sum, digit| {
            Some(sum * 32 + i64::try_from(value(digit)?).ok()?)
        })?;
        Some(Timestamp::from_micros(EPOCH_MICROS + seconds * 1_000_000))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The number of a node: its place in the plan, or beyond the plan for what a loop was expanded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The node with this index.
    ///
    /// # Panics
    /// When a plan has more than four thousand million nodes, which the limits of files rule out.
    pub fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("a plan has fewer nodes than u32 counts"))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time() {
        let at = |micros| RunId::new(Timestamp::from_micros(EPOCH_MICROS + micros), 1023);
        assert_eq!(at(0).as_str(), "00000000zz");
        assert!(
            at(0) < at(2_000)
                && at(2_000) < at(1_000_000)
                && at(1_000_000) < at(i64::from(u32::MAX))
        );
        assert!(RunId::parse(at(77_000_000).as_str()).is_some());
        assert!(RunId::parse("../etc").is_none() && RunId::parse("").is_none());
    }
}
