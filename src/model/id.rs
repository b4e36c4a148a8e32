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
/// Six give the second since 2020 (enough until 2054), four the fraction of it, so finely that each microsecond has a name of its
/// own. Of two runs of one microsecond the second gets the next name: the store never creates one twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// The id of a run that starts now.
    pub fn new(now: Timestamp) -> Self {
        let micros = u64::try_from(now.as_micros().saturating_sub(EPOCH_MICROS)).unwrap_or(0);
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let fraction = (micros << 20) / 1_000_000;
        let number = (seconds & 0x3fff_ffff) << 20 | fraction;
        let text = (0..10).rev().map(|place| {
            let digit = number >> (5 * place) & 31;
            char::from(DIGITS[usize::try_from(digit).expect("five bits fit")])
        });
        Self(text.collect())
    }

    /// The id behind this one.
    #[must_use]
    pub fn next(&self) -> Self {
        let mut digits = self.0.clone().into_bytes();
        for digit in digits.iter_mut().rev() {
            let place = DIGITS.iter().position(|known| known == digit);
            let next = place.map_or(0, |place| (place + 1) % DIGITS.len());
            *digit = DIGITS[next];
            if next > 0 {
                break;
            }
        }
        Self(digits.into_iter().map(char::from).collect())
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
        let at = |micros| RunId::new(Timestamp::from_micros(EPOCH_MICROS + micros));
        assert_eq!(at(0).as_str(), "0000000000");
        let mut last = at(0);
        // Each microsecond: of a second's beginning and end, and those in between by steps that meet all digits.
        let near = (1..3_000).chain(997_000..1_003_000);
        let far = (1_003_000..2_000_000).step_by(7);
        for micros in near
            .chain(far)
            .chain([i64::from(u32::MAX), i64::from(u32::MAX) + 1])
        {
            if micros == 997_000 {
                last = at(996_999);
            }
            let next = at(micros);
            assert!(last < next, "{micros}: {last} {next}");
            last = next;
        }
        let next = |text: &str| RunId::parse(text).map(|run| run.next().to_string());
        assert_eq!(next("0000000000").as_deref(), Some("0000000001"));
        assert_eq!(next("0000009zzz").as_deref(), Some("000000a000"));
        assert!(RunId::parse(at(77_000_000).as_str()).is_some());
        assert!(RunId::parse("../etc").is_none() && RunId::parse("").is_none());
    }
}
