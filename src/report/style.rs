//! Colours, and text that can't do anything to a terminal.

use std::borrow::Cow;

pub use crate::diagnostic::visible;

/// Whether to use colours, and the few that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether there are colours at all.
    pub colour: bool,
}

impl Style {
    /// For what failed.
    pub fn bad(self, text: &str) -> Cow<'_, str> {
        self.paint("1;31", text)
    }

    /// For what went well.
    pub fn good(self, text: &str) -> Cow<'_, str> {
        self.paint("32", text)
    }

    /// For what is less important.
    pub fn dim(self, text: &str) -> Cow<'_, str> {
        self.paint("2", text)
    }

    /// For names: one of six colours that are legible on light and dark.
    pub fn name(self, number: u32, text: &str) -> Cow<'_, str> {
        let code = ["36", "35", "34", "33", "32", "31"][(number % 6) as usize];
        self.paint(code, text)
    }

    fn paint<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        if self.colour {
            Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// The most characters of a line that are shown of what may be endless, such as a command with the names of all files.
const LINE_CHARS_MAX: usize = 1000;

/// Visible text of one line, cut where it is longer than anybody reads.
pub fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LINE_CHARS_MAX) {
        None => visible(text),
        Some((end, _)) => {
            let more = text[end..].chars().count();
            Cow::Owned(format!(
                "{}… (and {more} more characters)",
                visible(&text[..end])
            ))
        }
    }
}

/// The same for text of several lines, whose ends stay.
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.lines().map(cut).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_endless_is_cut_line_by_line() {
        let text = format!(
            "{}\n{}ä{}",
            "a".repeat(1000),
            "b".repeat(999),
            "c".repeat(5000)
        );
        let shown = visible_lines(&text);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "a".repeat(1000));
        assert_eq!(
            lines[1],
            format!("{}ä… (and 5000 more characters)", "b".repeat(999))
        );
    }

    #[test]
    fn without_colour_there_are_no_codes() {
        assert_eq!(Style { colour: false }.bad("x"), "x");
        assert_eq!(Style { colour: true }.bad("x"), "\x1b[1;31mx\x1b[0m");
    }
}
