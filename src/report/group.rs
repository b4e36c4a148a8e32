//! All of a task together, when it has ended.

use std::collections::BTreeMap;

use super::screen::Screen;
use super::spool::Spool;
use super::{Output, Source};
use crate::core::observer::Stream;

/// All of a task together.
#[derive(Debug, Default)]
pub struct Grouped {
    tasks: BTreeMap<u32, Spool>,
    /// Whether the last thing that waits of a task is an unfinished line.
    open_lines: BTreeMap<u32, Stream>,
}

impl Grouped {
    /// Nothing waits yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn add(&mut self, task: u32, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.tasks.entry(task).or_default().add(stream, bytes);
        if bytes.ends_with(b"\n") {
            self.open_lines.remove(&task);
        } else {
            self.open_lines.insert(task, stream);
        }
    }

    fn end_line(&mut self, task: u32) {
        if let Some(stream) = self.open_lines.get(&task).copied() {
            self.add(task, stream, b"\n");
        }
    }
}

impl Output for Grouped {
    fn say(&mut self, _: &mut Screen, from: &Source<'_>, words: &str) {
        self.end_line(from.task);
        self.add(
            from.task,
            Stream::Stderr,
            format!("[{}] {words}\n", from.name).as_bytes(),
        );
    }

    fn print(&mut self, _: &mut Screen, from: &Source<'_>, stream: Stream, bytes: &[u8]) {
        self.add(from.task, stream, bytes);
    }

    fn command_ended(&mut self, _: &mut Screen, from: &Source<'_>) {
        self.end_line(from.task);
    }

    fn make_room(&mut self, screen: &mut Screen, from: &Source<'_>) {
        self.task_ended(screen, from);
    }

    fn task_ended(&mut self, screen: &mut Screen, from: &Source<'_>) {
        self.open_lines.remove(&from.task);
        if let Some(spool) = self.tasks.remove(&from.task) {
            spool.show(screen);
        }
    }
}
