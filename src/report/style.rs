//! Colours, and text that can't do anything to a terminal.

use std::borrow::Cow;

use crate::diagnostic::is_unsafe;
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

/// A message of several lines that may have parts of a record or of a file in it: what could change the terminal becomes visible,
/// all but line ends and, with colour, the codes of colours.
pub fn harmless(text: &str, colour: bool) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\t') || !is_unsafe(c);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let code = colour.then(|| colour_code(rest)).flatten();
        let length = code.unwrap_or(c.len_utf8());
        match (code, &rest[..length]) {
            (None, one) if !stays(c) => shown.push_str(&visible(one)),
            (_, kept) => shown.push_str(kept),
        }
        rest = &rest[length..];
    }
    Cow::Owned(shown)
}

/// How long the code of a colour is that a text begins with (ECMA-48, SGR): of those that neither hide text nor look like another place.
fn colour_code(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\x1b[")?;
    let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let is_colour = |code: &str| {
        let code = if code.is_empty() {
            Ok(0)
        } else {
            code.parse::<u8>()
        };
        code.is_ok_and(|code| matches!(code, 0..=4 | 30..=37 | 90..=97))
    };
    let good = codes[end..].starts_with('m') && codes[..end].split(';').all(is_colour);
    good.then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_says_does_nothing_to_the_terminal() {
        let text = "error: \x1b[1;31mred\x1b[0m \x1b]0;title\x07 \x1b[8mhidden \u{9b}2J\r\n\thelp \u{202e}";
        assert_eq!(
            harmless(text, true),
            "error: \x1b[1;31mred\x1b[0m \\u{1b}]0;title\\u{7} \\u{1b}[8mhidden \\u{9b}2J\\r\n\thelp \\u{202e}"
        );
        assert!(!harmless(text, false).contains('\x1b'));
        assert_eq!(harmless("as it is ä\n", false), "as it is ä\n");
    }

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
