//! The facts as they are stored, one a line, on stdout: `docs/reference/facts.schema.json` says what is in them.

use super::screen::Screen;
use crate::core::RunState;
use crate::core::observer::{Observer, Seen, Signal, Stream};

/// Prints facts.
pub struct Json {
    screen: Screen,
}

impl Json {
    /// To this screen.
    pub const fn new(screen: Screen) -> Self {
        Self { screen }
    }
}

impl Observer for Json {
    fn see(&mut self, seen: &Seen<'_>) {
        self.screen
            .write(Stream::Stdout, format!("{}\n", seen.line).as_bytes());
    }

    fn notice(&mut self, _: &RunState, _: &Signal<'_>) {}

    fn end(&mut self, _: &RunState) {}
}
