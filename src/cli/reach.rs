//! Reaching the process that works on a run.

use std::time::{Duration, Instant};

use super::Trouble;
use crate::engine::clock::Clock;
use crate::model::id::RunId;
use crate::store::request::{Request, WORDS_MAX};
use crate::store::{Error, Kind, Store};

/// How long it takes at most until a run that has just begun can be reached.
const REACHED_AFTER: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The words of a person must fit into a request; `what` says what they are.
pub(super) fn check_words<'w>(
    words: impl IntoIterator<Item = &'w String>,
    what: &str,
) -> Result<(), Trouble> {
    if words.into_iter().any(|words| words.len() > WORDS_MAX) {
        let what = format!("{what} have at most {WORDS_MAX} bytes");
        return Err(Trouble::call(what, "say it in fewer words"));
    }
    Ok(())
}

/// Somebody who wants to reach a run, from now on.
pub(super) struct Reach {
    clock: Clock,
    until: Instant,
}

impl Reach {
    /// From now on.
    pub(super) fn new() -> Self {
        let clock = Clock::system();
        Self {
            clock,
            until: clock.instant() + REACHED_AFTER,
        }
    }

    /// Asks the process of a run; `false`, after a moment, while it may yet be reached: it has just begun, or is just ending.
    ///
    /// # Errors
    ///
    /// [`Kind::Missing`] when it can't be reached.
    pub(super) fn send(
        &self,
        store: &dyn Store,
        run: &RunId,
        request: &Request,
    ) -> Result<bool, Error> {
        match store.send(run, request) {
            Ok(()) => Ok(true),
            Err(error) if error.kind == Kind::Missing && self.clock.instant() < self.until => {
                std::thread::sleep(LOOK_AGAIN);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
