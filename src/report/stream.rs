//! Output as it comes.
//!
//! One task alone has the screen to itself, byte for byte. Of several, one has it at a time, for as long as it is in the
//! midst of a line; whole lines of the others wait until then. So no line is ever made of two.

use std::collections::BTreeMap;

use super::screen::Screen;
use super::{Output, Source};
use crate::core::observer::Stream;

/// How much of the others may wait for one unfinished line, in bytes, before that line is broken off.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// Output as it comes.
#[derive(Debug)]
pub struct Streamed {
    several: bool,
    /// The command that is in the midst of a line, and where.
    holder: Option<(u32, Stream)>,
    /// What waits: whole lines in order, and of each command and stream the line that it has begun.
    lines: Vec<(Stream, Vec<u8>)>,
    begun: BTreeMap<(u32, bool), Vec<u8>>,
    waiting: usize,
}

impl Streamed {
    /// For a run of one task, or of several.
    pub fn new(several: bool) -> Self {
        Self {
            several,
            holder: None,
            lines: Vec::new(),
            begun: BTreeMap::new(),
            waiting: 0,
        }
    }

    fn take(&mut self, screen: &mut Screen, node: u32, stream: Stream, bytes: &[u8]) {
        let key = (node, stream == Stream::Stderr);
        if self.holder.is_none_or(|holder| holder == (node, stream)) {
            let mut text = self.begun.remove(&key).unwrap_or_default();
            self.waiting -= text.len();
            text.extend_from_slice(bytes);
            screen.write(stream, &text);
            let whole = text.ends_with(b"\n");
            self.holder = (!whole).then_some((node, stream));
            if whole {
                self.flush(screen);
            }
            return;
        }
        self.waiting += bytes.len();
        let begun = self.begun.entry(key).or_default();
        begun.extend_from_slice(bytes);
        if let Some(end) = begun.iter().rposition(|byte| *byte == b'\n') {
            let rest = begun.split_off(end + 1);
            let whole = std::mem::replace(begun, rest);
            self.lines.push((stream, whole));
        }
        if self.waiting > WAITING_BYTES_MAX {
            self.end_line(screen);
        }
    }

    /// The line on the screen is over, finished or not.
    fn end_line(&mut self, screen: &mut Screen) {
        if let Some((_, stream)) = self.holder.take() {
            screen.write(stream, b"\n");
        }
        self.flush(screen);
    }

    fn flush(&mut self, screen: &mut Screen) {
        for (stream, bytes) in self.lines.drain(..) {
            self.waiting -= bytes.len();
            screen.write(stream, &bytes);
        }
    }
}

impl Output for Streamed {
    fn say(&mut self, screen: &mut Screen, from: &Source<'_>, words: &str) {
        let words = if self.several {
            format!("[{}] {words}\n", from.name)
        } else {
            format!("{words}\n")
        };
        match self.holder {
            Some(holder) if holder.0 != from.node => {
                self.waiting += words.len();
                self.lines.push((Stream::Stderr, words.into_bytes()));
            }
            _ => {
                self.end_line(screen);
                screen.write(Stream::Stderr, words.as_bytes());
            }
        }
    }

    fn print(&mut self, screen: &mut Screen, from: &Source<'_>, stream: Stream, bytes: &[u8]) {
        if self.several && !bytes.is_empty() {
            self.take(screen, from.node, stream, bytes)
        } else {
            screen.write(stream, bytes)
        }
    }

    fn command_ended(&mut self, screen: &mut Screen, from: &Source<'_>) {
        if self.holder.is_some_and(|(node, _)| node == from.node) {
            self.end_line(screen);
        }
        for (stderr, stream) in [(false, Stream::Stdout), (true, Stream::Stderr)] {
            if let Some(mut rest) = self
                .begun
                .remove(&(from.node, stderr))
                .filter(|rest| !rest.is_empty())
            {
                rest.push(b'\n');
                self.waiting += 1;
                self.lines.push((stream, rest));
            }
        }
        if self.holder.is_none() {
            self.flush(screen);
        }
    }

    fn make_room(&mut self, screen: &mut Screen, _: &Source<'_>) {
        self.end_line(screen);
    }

    fn task_ended(&mut self, _: &mut Screen, _: &Source<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random chunks of numbered lines from several commands: every line arrives whole, once, in the order of its command.
    #[test]
    fn no_line_is_made_of_two() {
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut screen, written) = Screen::memory();
            let mut output = Streamed::new(true);
            let mut left: Vec<Vec<u8>> = (0..4).map(|node| text(node, &mut rng)).collect();
            while left.iter().any(|text| !text.is_empty()) {
                let node = rng.usize(0..4);
                let source = Source {
                    task: 0,
                    name: "t".into(),
                    node: u32::try_from(node).expect("few"),
                };
                let count = rng.usize(0..=left[node].len().min(40));
                let chunk: Vec<u8> = left[node].drain(..count).collect();
                let stream = if node.is_multiple_of(2) {
                    Stream::Stdout
                } else {
                    Stream::Stderr
                };
                output.print(&mut screen, &source, stream, &chunk);
                if left[node].is_empty() {
                    output.command_ended(&mut screen, &source);
                }
            }
            let all: Vec<u8> = written
                .lock()
                .expect("one thread")
                .iter()
                .flat_map(|(_, bytes)| bytes.clone())
                .collect();
            let all = String::from_utf8(all).expect("only ASCII was written");
            for node in 0..4 {
                let own: Vec<&str> = all
                    .lines()
                    .filter(|line| line.starts_with(&format!("{node}:")))
                    .collect();
                assert!(
                    all.lines().all(|line| line.matches(':').count() == 1),
                    "a line is made of two: {all}"
                );
                let numbers: Vec<String> = (0..own.len())
                    .map(|number| format!("{node}:{number}"))
                    .collect();
                assert_eq!(own, numbers);
            }
        }
    }

    fn text(node: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
        let lines: Vec<String> = (0..rng.usize(1..30))
            .map(|line| format!("{node}:{line}"))
            .collect();
        let end = if rng.bool() { "\n" } else { "" };
        (lines.join("\n") + end).into_bytes()
    }
}
