//! When it is time to look at a path that something was said of, and to tell what was found.
//!
//! A save is several events: an editor moves the file away, makes it anew, writes, closes, sets its mode. What is certainly whole
//! (closed after writing, moved there) is looked at at once; what may be in the midst of a save (made, written, gone) a little
//! later, unless it becomes whole before. Then a change of one file is told almost at once, and changes of several (a save of all
//! files, a checkout) when no more have come for a while. Nothing here looks at a file or a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long what is gone or was made may take to be there again, or to be written.
const MOVED: Duration = Duration::from_millis(3);

/// How long a file may be open between two writes before it is looked at as it is.
const WRITTEN: Duration = Duration::from_millis(10);

/// How long a change of one file waits for a second one.
const ALONE: Duration = Duration::from_millis(1);

/// How long several changes wait for more: so many times as long as they have ever let wait, but at least and at most this long.
const GAPS: u32 = 4;
const SHORTEST: Duration = Duration::from_millis(3);
const LONGEST: Duration = Duration::from_millis(30);

/// How many files are a few.
const FEW_MAX: usize = 20;

/// How long after changes were told others are taken for more of the same, which wait for more at least so long, as many do.
const SAME: Duration = Duration::from_millis(50);
const MORE: Duration = Duration::from_millis(12);

/// How long a writer that never ends can keep its changes from being told.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was said of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is as somebody wanted it to be.
    Whole,
    /// It was made, or is gone.
    Moved,
    /// It is being written.
    Written,
    /// Something else about it, as its mode.
    Touched,
}

impl Said {
    const fn wait(self) -> Duration {
        match self {
            Self::Whole | Self::Touched => Duration::ZERO,
            Self::Moved => MOVED,
            Self::Written => WRITTEN,
        }
    }
}

/// The paths that are to be looked at, and when what was found is told.
#[derive(Debug, Default)]
pub(super) struct Settling {
    due: BTreeMap<PathBuf, Instant>,
    /// The paths that something was said of since changes were last told.
    active: BTreeSet<PathBuf>,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    /// The longest time between two of them.
    gap: Duration,
    told_at: Option<Instant>,
    held_until: Option<Instant>,
    /// Something was found that is to be told.
    found: bool,
}

impl Settling {
    /// Something was said of a path.
    pub(super) fn said(&mut self, path: &Path, said: Said, now: Instant) {
        let at = now + said.wait();
        let due = self.due.entry(path.to_owned()).or_insert(at);
        *due = match said {
            Said::Whole => at,
            Said::Moved | Said::Written => at.max(*due),
            Said::Touched => *due,
        };
        let before = self.active.len();
        self.active.insert(path.to_owned());
        if self.active.len() > before {
            let last = self.last_at.replace(now).unwrap_or(now);
            self.gap = self.gap.max(now.saturating_duration_since(last));
        }
        self.first_at.get_or_insert(now);
    }

    /// The paths whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<PathBuf> {
        let (due, later) = std::mem::take(&mut self.due)
            .into_iter()
            .partition(|(_, at)| *at <= now);
        self.due = later;
        let due: BTreeMap<PathBuf, Instant> = due;
        due.into_keys().collect()
    }

    /// Something of what was looked at has changed.
    pub(super) fn found(&mut self, now: Instant) {
        self.found = true;
        self.first_at.get_or_insert(now);
        self.last_at.get_or_insert(now);
    }

    /// Whether there is something to tell.
    pub(super) fn has_found(&self) -> bool {
        self.found
    }

    /// Who changes them is known to be in the midst of it.
    pub(super) fn hold(&mut self, now: Instant) {
        self.held_until = Some(now + SHORTEST);
    }

    /// Whether what was found is to be told now; it has been told then.
    pub(super) fn is_time(&mut self, now: Instant) -> bool {
        if self.found && self.tell_at().is_some_and(|at| at <= now) {
            let due = std::mem::take(&mut self.due);
            *self = Self {
                due,
                told_at: Some(now),
                ..Self::default()
            };
            return true;
        }
        if !self.found && self.due.is_empty() {
            // What was said came to nothing.
            self.active.clear();
            (self.first_at, self.last_at) = (None, None);
            self.gap = Duration::ZERO;
        }
        false
    }

    fn tell_at(&self) -> Option<Instant> {
        let (first, last) = (self.first_at?, self.last_at?);
        let again = self.told_at.is_some_and(|told| first < told + SAME);
        let several = (self.gap * GAPS).clamp(SHORTEST, LONGEST);
        let wait = match self.active.len() {
            // Who was waited for has come to an end.
            2.. if self.held_until.is_some() => SHORTEST,
            FEW_MAX.. => several.max(MORE),
            _ if again => several.max(MORE),
            0 | 1 => ALONE,
            _ => several,
        };
        // What is about to be looked at belongs to it.
        let due = self.due.values().max().copied().unwrap_or(last);
        let at = (last + wait).max(due).min(first + PATIENCE);
        Some(self.held_until.map_or(at, |held| at.max(held)))
    }

    /// When there is something to do, if nothing more is said.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let told = self.tell_at().filter(|_| self.found);
        self.due
            .values()
            .min()
            .copied()
            .into_iter()
            .chain(told)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says things at times in milliseconds, looks whenever it is due, where every look finds a change, and returns when
    /// it was told and what had been looked at by then.
    fn told(said: &[(f64, &str, Said)]) -> Vec<(f64, usize)> {
        let start = Instant::now();
        let at = |millis: f64| start + Duration::from_secs_f64(millis / 1e3);
        let (mut settling, mut looks, mut all) = (Settling::default(), 0, Vec::new());
        let mut events = said.iter().peekable();
        loop {
            let event = events.peek().map(|(millis, ..)| at(*millis));
            let Some(now) = event.into_iter().chain(settling.deadline()).min() else {
                return all;
            };
            while let Some((_, path, said)) = events.next_if(|(millis, ..)| at(*millis) <= now) {
                settling.said(Path::new(path), *said, now);
            }
            for _ in settling.take_due(now) {
                looks += 1;
                settling.found(now);
            }
            if settling.is_time(now) {
                let millis = now.duration_since(start).as_secs_f64() * 1e3;
                all.push(((millis * 10.0).round() / 10.0, std::mem::take(&mut looks)));
            }
        }
    }

    #[test]
    fn one_save_is_told_at_once() {
        assert_eq!(told(&[(0.0, "a", Said::Whole)]), [(1.0, 1)]);
        // The mode is set after it.
        let with_mode = [(0.0, "a", Said::Whole), (0.2, "a", Said::Touched)];
        assert_eq!(told(&with_mode), [(1.0, 2)]);
    }

    #[test]
    fn a_save_by_moving_away_is_one_change() {
        let save = [
            (0.0, "a", Said::Moved),
            (0.3, "a", Said::Moved),
            (0.6, "a", Said::Written),
            (0.8, "a", Said::Whole),
        ];
        assert_eq!(told(&save), [(1.0, 1)]);
    }

    #[test]
    fn what_is_gone_is_told_soon() {
        assert_eq!(told(&[(0.0, "a", Said::Moved)]), [(3.0, 1)]);
    }

    #[test]
    fn a_file_that_is_written_for_long_is_told_when_it_is_whole() {
        let mut save: Vec<_> = (0..50)
            .map(|n| (f64::from(n) * 4.0, "a", Said::Written))
            .collect();
        save.push((200.0, "a", Said::Whole));
        assert_eq!(told(&save), [(200.0, 1)]);
    }

    #[test]
    fn a_checkout_is_told_once() {
        let names: Vec<String> = (0..5000).map(|n| format!("{n}")).collect();
        let checkout: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(n, name)| (n as f64 / 10.0, &name[..], Said::Whole))
            .collect();
        let told = told(&checkout);
        assert_eq!(told, [(511.9, 5000)]);
    }

    #[test]
    fn a_writer_that_never_ends_is_heard_now_and_then() {
        let names: Vec<String> = (0..500).map(|n| format!("{n}")).collect();
        let writer: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(n, name)| (n as f64 * 10.0, &name[..], Said::Whole))
            .collect();
        assert_eq!(told(&writer).len(), 4);
    }

    #[test]
    fn two_saves_are_two_changes() {
        assert_eq!(
            told(&[(0.0, "a", Said::Whole), (100.0, "a", Said::Whole)]),
            [(1.0, 1), (101.0, 1)]
        );
    }
}
