//! A piece of text at the foot of a terminal that is drawn again and again in its place.

use std::io;

use rustix::termios::tcgetwinsize;

use super::screen;
use crate::diagnostic::width;

/// What is taken of a terminal that does not say how large it is: columns, lines.
const SIZE: (usize, usize) = (80, 24);

/// What was drawn last.
#[derive(Debug, Default)]
pub struct Frame {
    lines: usize,
    columns: usize,
}

impl Frame {
    /// How many lines can be drawn, so that all of them stay on the screen.
    pub fn room() -> usize {
        size().1.saturating_sub(1)
    }

    /// Draws these lines in the place of those before, each cut to one line of the screen; above them stays what is `said` now.
    /// Whether there is still somebody who sees it.
    pub fn draw(&mut self, said: &str, lines: &[String]) -> io::Result<bool> {
        let (columns, _) = size();
        let mut text = self.erased(columns);
        text.push_str(said);
        let room = Self::room();
        for line in lines.iter().take(room) {
            text.push_str(&fitting(line, columns));
            text.push('\n');
        }
        (self.lines, self.columns) = (lines.len().min(room), columns);
        screen::print_data(text.as_bytes())
    }

    /// What takes away what was drawn. When the screen has become narrower its lines stand on more lines than they were.
    fn erased(&self, columns: usize) -> String {
        match self.lines {
            0 => String::new(),
            _ if columns < self.columns => "\x1b[H\x1b[2J".to_owned(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }
}

/// Columns and lines of the terminal on stdout.
fn size() -> (usize, usize) {
    let size = tcgetwinsize(rustix::stdio::stdout()).ok();
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    size.filter(|(columns, lines)| *columns > 0 && *lines > 0)
        .unwrap_or(SIZE)
}

/// The beginning of a line that fits into so many columns. Escape sequences, which take none, stay whole.
fn fitting(line: &str, columns: usize) -> String {
    let mut text = String::new();
    let (mut taken, mut rest) = (0, line);
    while let Some(first) = rest.chars().next() {
        if let Some(length) = sequence(rest) {
            text.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        let end = first.len_utf8();
        let own = width(&rest[..end]);
        if taken + own > columns {
            // What comes after it may be the end of a colour.
            rest = rest.find('\x1b').map_or("", |from| &rest[from..]);
            continue;
        }
        taken += own;
        text.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    text
}

/// How long the escape sequence is that a text begins with: those of colours, which are all that flow writes.
fn sequence(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\x1b[")?;
    let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
    Some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_columns_and_colours_end() {
        assert_eq!(fitting("abcdef", 3), "abc");
        assert_eq!(fitting("テスト", 5), "テス");
        assert_eq!(fitting("\x1b[31mabc\x1b[0m", 2), "\x1b[31mab\x1b[0m");
        assert_eq!(fitting("ab\x1b[1mcd\x1b[0me", 4), "ab\x1b[1mcd\x1b[0m");
    }

    #[test]
    fn what_was_drawn_is_erased() {
        let frame = |lines, columns| Frame { lines, columns };
        assert_eq!(frame(0, 80).erased(80), "");
        assert_eq!(frame(3, 80).erased(100), "\x1b[3A\x1b[J");
        assert_eq!(frame(3, 80).erased(40), "\x1b[H\x1b[2J");
    }
}
