//! All of a task together: the first that has something to say is shown as it goes on, the others when they have ended.

use std::collections::{BTreeMap, VecDeque};

use super::screen::Screen;
use super::spool::Spool;
use super::{Output, Source};
use crate::core::observer::Stream;

/// All of a task together.
#[derive(Debug, Default)]
pub struct Grouped {
    /// The task that is shown as it goes on, and the line that it has begun.
    live: Option<u32>,
    begun: Option<(Stream, Vec<u8>)>,
    /// What waits, by task.
    tasks: BTreeMap<u32, Spool>,
    /// Whether the last thing that waits of a task is an unfinished line.
    open_lines: BTreeMap<u32, Stream>,
    /// Tasks that have ended and wait for the one that is shown.
    ended: VecDeque<u32>,
}

impl Grouped {
    /// Nothing waits yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn add(&mut self, screen: &mut Screen, task: u32, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.live.is_none() {
            self.live = Some(task);
            self.open_lines.remove(&task);
            if let Some(spool) = self.tasks.remove(&task) {
                spool.show(screen);
            }
        }
        if self.live == Some(task) {
            return self.show(screen, stream, bytes);
        }
        self.tasks.entry(task).or_default().add(stream, bytes);
        if bytes.ends_with(b"\n") {
            self.open_lines.remove(&task);
        } else {
            self.open_lines.insert(task, stream);
        }
    }

    /// Shows whole lines: nobody else's words may come into the midst of one.
    fn show(&mut self, screen: &mut Screen, stream: Stream, bytes: &[u8]) {
        let (of, mut line) = self.begun.take().unwrap_or((stream, Vec::new()));
        if of != stream {
            screen.write(of, &line);
            line.clear();
        }
        line.extend_from_slice(bytes);
        let end = line
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let end = if line.len() - end > LINE_BYTES_MAX {
            line.len()
        } else {
            end
        };
        let rest = line.split_off(end);
        screen.write(stream, &line);
        if !rest.is_empty() {
            self.begun = Some((stream, rest));
        }
    }

    fn end_line(&mut self, screen: &mut Screen, task: u32) {
        if self.live == Some(task) {
            if let Some((stream, mut line)) = self.begun.take() {
                line.push(b'\n');
                screen.write(stream, &line);
            }
        } else if let Some(stream) = self.open_lines.get(&task).copied() {
            self.add(screen, task, stream, b"\n");
        }
    }

    fn show_ended(&mut self, screen: &mut Screen, task: u32) {
        self.open_lines.remove(&task);
        if let Some(spool) = self.tasks.remove(&task) {
            spool.show(screen);
        }
    }
}

/// How long a line may become before it is shown all the same, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

impl Output for Grouped {
    fn say(&mut self, screen: &mut Screen, from: &Source<'_>, words: &str) {
        self.end_line(screen, from.task);
        let line = format!("[{}] {words}\n", from.name);
        self.add(screen, from.task, Stream::Stderr, line.as_bytes());
    }

    fn announce(&mut self, screen: &mut Screen, from: &Source<'_>, words: &str) {
        screen.say(&format!("[{}] {words}", from.name));
    }

    fn print(&mut self, screen: &mut Screen, from: &Source<'_>, stream: Stream, bytes: &[u8]) {
        self.add(screen, from.task, stream, bytes);
    }

    fn command_ended(&mut self, screen: &mut Screen, from: &Source<'_>) {
        self.end_line(screen, from.task);
    }

    fn make_room(&mut self, screen: &mut Screen, from: &Source<'_>) {
        self.end_line(screen, from.task);
        self.show_ended(screen, from.task);
    }

    fn task_ended(&mut self, screen: &mut Screen, from: &Source<'_>) {
        match self.live {
            Some(live) if live == from.task => {
                self.end_line(screen, live);
                self.live = None;
                while let Some(task) = self.ended.pop_front() {
                    self.show_ended(screen, task);
                }
            }
            None => self.show_ended(screen, from.task),
            Some(_) if self.tasks.contains_key(&from.task) => self.ended.push_back(from.task),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(task: u32) -> Source<'static> {
        Source {
            task,
            name: "t".into(),
            node: task,
        }
    }

    #[test]
    fn the_first_is_shown_as_it_goes_on_and_the_others_when_it_has_ended() {
        let (mut screen, written) = Screen::memory();
        let mut output = Grouped::new();
        let text = || {
            let written = written.lock().expect("one thread");
            let bytes = written
                .iter()
                .flat_map(|(_, bytes)| bytes.clone())
                .collect();
            String::from_utf8(bytes).expect("only ASCII was written")
        };
        let mut print = |output: &mut Grouped, task, bytes: &[u8]| {
            output.print(&mut screen, &source(task), Stream::Stdout, bytes);
        };
        print(&mut output, 1, b"a\nb");
        print(&mut output, 2, b"x\n");
        print(&mut output, 3, b"y");
        assert_eq!(text(), "a\n");
        output.task_ended(&mut screen, &source(3));
        output.announce(&mut screen, &source(2), "waits");
        assert_eq!(text(), "a\n[t] waits\n");
        output.print(&mut screen, &source(1), Stream::Stdout, b"c\n");
        output.task_ended(&mut screen, &source(1));
        assert_eq!(text(), "a\n[t] waits\nbc\ny\n");
        output.print(&mut screen, &source(2), Stream::Stdout, b"z\n");
        assert_eq!(text(), "a\n[t] waits\nbc\ny\nx\nz\n");
        output.task_ended(&mut screen, &source(2));
    }
}
