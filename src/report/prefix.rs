//! Each line with the name of its task before it.

use std::collections::BTreeMap;

use super::screen::Screen;
use super::style::Style;
use super::{Output, Source};
use crate::core::observer::Stream;
use crate::diagnostic::width as columns;
use crate::model::plan::Plan;

/// The widest column of names, in characters; longer names push their lines to the right.
const NAME_WIDTH_MAX: usize = 20;

/// A line that is longer than this is passed on in pieces, each with the name, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Each line with the name of its task.
#[derive(Debug)]
pub struct Prefixed {
    style: Style,
    width: usize,
    /// The lines that have been begun, by command and stream.
    begun: BTreeMap<(u32, bool), Vec<u8>>,
}

impl Prefixed {
    /// For the tasks of a plan.
    pub fn new(plan: &Plan, style: Style) -> Self {
        let width = plan
            .tasks()
            .map(|(_, task)| columns(&task.name))
            .max()
            .unwrap_or(0);
        Self {
            style,
            width: width.min(NAME_WIDTH_MAX),
            begun: BTreeMap::new(),
        }
    }

    fn prefix(&self, from: &Source<'_>) -> String {
        let gap = self.width.saturating_sub(columns(&from.name));
        let name = format!("{}{:gap$} |", from.name, "");
        format!("{} ", self.style.name(from.task, &name))
    }

    fn lines(&self, screen: &mut Screen, from: &Source<'_>, stream: Stream, whole: &[u8]) {
        let prefix = self.prefix(from);
        let mut text = Vec::with_capacity(whole.len() + 64);
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            text.extend_from_slice(prefix.as_bytes());
            text.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                text.push(b'\n');
            }
        }
        screen.write(stream, &text);
    }
}

impl Output for Prefixed {
    fn say(&mut self, screen: &mut Screen, from: &Source<'_>, words: &str) {
        self.lines(screen, from, Stream::Stderr, words.as_bytes());
    }

    fn print(&mut self, screen: &mut Screen, from: &Source<'_>, stream: Stream, bytes: &[u8]) {
        let begun = self
            .begun
            .entry((from.node, stream == Stream::Stderr))
            .or_default();
        begun.extend_from_slice(bytes);
        let end = begun
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let end = if begun.len() - end > LINE_BYTES_MAX {
            begun.len()
        } else {
            end
        };
        if end > 0 {
            let rest = begun.split_off(end);
            let whole = std::mem::replace(begun, rest);
            self.lines(screen, from, stream, &whole);
        }
    }

    fn command_ended(&mut self, screen: &mut Screen, from: &Source<'_>) {
        for (stderr, stream) in [(false, Stream::Stdout), (true, Stream::Stderr)] {
            if let Some(rest) = self
                .begun
                .remove(&(from.node, stderr))
                .filter(|rest| !rest.is_empty())
            {
                self.lines(screen, from, stream, &rest);
            }
        }
    }

    fn make_room(&mut self, _: &mut Screen, _: &Source<'_>) {}

    fn task_ended(&mut self, _: &mut Screen, _: &Source<'_>) {}
}
