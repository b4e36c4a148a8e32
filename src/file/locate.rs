//! From a byte of a scalar's value back to the byte of the file that it came from.
//!
//! YAML folds lines, cuts indentation and decodes escapes, so the two differ. The written and the decoded text are
//! walked side by side; the decoded one decides where the rules leave a choice (how a folded block keeps its line ends,
//! what was cut from its end), so this file need not know all the rules, and answers the start of the scalar when the
//! two don't agree. It knows scalars only.

use std::cell::Cell;

use super::tree::{NodeId, Style, Tree};

/// Answers for one byte after another of the scalars of one tree, and goes on from the last answer where it can.
#[derive(Default)]
pub(super) struct Locator {
    /// The scalar, and how far it has been walked: a byte of what is written and the one that it was decoded to.
    last: Cell<Option<(NodeId, usize, usize)>>,
}

impl Locator {
    /// As `locate`; the tree is the same in each call.
    pub(super) fn locate(&self, tree: &Tree, id: NodeId, byte: usize) -> usize {
        let id = tree.target(id);
        let Some((mut aligned, start)) = Aligned::new(tree, id) else {
            return tree.span(id).start;
        };
        if let Some((last, at, done)) = self.last.get()
            && last == id
            && done <= byte
        {
            (aligned.at, aligned.done) = (at, done);
        }
        let found = aligned.find(byte);
        self.last.set(Some((id, aligned.at, aligned.done)));
        found.map_or(tree.span(id).start, |at| start + at)
    }
}

/// The byte of the file that this byte of a scalar's decoded text came from.
///
/// Of an escape it is the backslash, of a folded line end the line end. For a node that is no scalar, and where the texts
/// can't be aligned, it is the start of the node.
pub fn locate(tree: &Tree, id: NodeId, byte: usize) -> usize {
    Locator::default().locate(tree, id, byte)
}

/// How many characters stand before this byte on its line; in front of a block they are spaces.
fn column(text: &str, byte: usize) -> usize {
    text[..byte].len() - text[..byte].rfind(['\n', '\r']).map_or(0, |at| at + 1)
}

/// The start of the first of the blank lines above this byte, which are part of a block too.
fn above(text: &str, byte: usize) -> usize {
    let mut start = byte - column(text, byte);
    while start > 0 {
        let before = &text[..start];
        let before = before.strip_suffix('\n').unwrap_or(before);
        let end = before.strip_suffix('\r').unwrap_or(before).len();
        let line = end - column(text, end);
        if !text[line..end].trim_matches(' ').is_empty() {
            break;
        }
        start = line;
    }
    start
}

/// The two texts, and how far each has been walked.
struct Aligned<'t> {
    written: &'t str,
    decoded: &'t str,
    style: Style,
    indent: usize,
    at: usize,
    done: usize,
}

/// One or more bytes of the decoded text, and where each came from.
enum Step {
    /// A character that stands as it is, with its length.
    Same(usize),
    /// A character that was written in so many bytes and decoded to so many.
    Escape(usize, usize),
    /// Line ends of which these became a character of one byte each, and the bytes they were written in.
    Breaks(Vec<usize>, usize),
}

impl<'t> Aligned<'t> {
    /// The texts of a scalar, not yet walked, and the byte of the file where what is written begins.
    fn new(tree: &'t Tree, id: NodeId) -> Option<(Aligned<'t>, usize)> {
        let span = tree.span(id);
        let scalar = tree.scalar(id)?;
        let whole = tree.text();
        let (start, end, indent) = match scalar.style {
            Style::Plain => (span.start, span.end, 0),
            Style::Single | Style::Double => (
                span.start + 1,
                span.end.saturating_sub(1).max(span.start + 1),
                0,
            ),
            Style::Literal | Style::Folded => {
                let indent = column(whole, span.start);
                (above(whole, span.start), span.end, indent)
            }
        };
        let mut aligned = Aligned {
            written: whole.get(start..end)?,
            decoded: &scalar.text,
            style: scalar.style,
            indent,
            at: 0,
            done: 0,
        };
        aligned.at = aligned.indentation_at(0); // of a block; it is not part of the value
        Some((aligned, start))
    }

    /// The byte of what is written; not before what has been walked already.
    fn find(&mut self, byte: usize) -> Option<usize> {
        while self.done <= byte && self.done < self.decoded.len() {
            let here = byte - self.done;
            match self.step()? {
                Step::Same(length) if here < length => return Some(self.at + here),
                Step::Same(length) => self.skip(length, length),
                Step::Escape(_, decoded) if here < decoded => return Some(self.at),
                Step::Escape(written, decoded) => self.skip(written, decoded),
                Step::Breaks(kept, _) if here < kept.len() => return Some(kept[here]),
                Step::Breaks(kept, written) => self.skip(written, kept.len()),
            }
        }
        (byte == self.done).then_some(self.at)
    }

    fn skip(&mut self, written: usize, decoded: usize) {
        self.at += written;
        self.done += decoded;
    }

    /// How much of the indentation that is not part of a block's value stands here.
    fn indentation_at(&self, at: usize) -> usize {
        self.written.as_bytes()[at..]
            .iter()
            .take(self.indent)
            .take_while(|byte| **byte == b' ')
            .count()
    }

    fn step(&self) -> Option<Step> {
        match self.style {
            Style::Literal | Style::Folded => self.block_breaks(),
            _ => self.escape().or_else(|| self.flow_breaks(self.at, true)),
        }
        .or_else(|| self.same())
    }

    fn same(&self) -> Option<Step> {
        let character = self.decoded[self.done..].chars().next()?;
        self.written[self.at..]
            .starts_with(character)
            .then(|| Step::Same(character.len_utf8()))
    }

    fn escape(&self) -> Option<Step> {
        let rest = &self.written[self.at..];
        match self.style {
            Style::Single if rest.starts_with("''") => Some(Step::Escape(2, 1)),
            Style::Double if rest.starts_with('\\') => self.backslash(&rest[1..]),
            _ => None,
        }
    }

    fn backslash(&self, rest: &str) -> Option<Step> {
        if rest.starts_with(['\n', '\r']) {
            return self.flow_breaks(self.at + 1, false);
        }
        let length = match rest.chars().next()? {
            'x' => 4,
            // A pair of surrogates is one character.
            'u' if rest.as_bytes().get(5..7) == Some(b"\\u") && is_surrogate(rest.get(1..5)?) => 12,
            'u' => 6,
            'U' => 10,
            c => 1 + c.len_utf8(),
        };
        let decoded = self.decoded[self.done..].chars().next()?.len_utf8();
        (length <= rest.len() + 1).then_some(Step::Escape(length, decoded))
    }

    /// The line ends from here on with the space around them: one is folded to a space, or to nothing after a backslash;
    /// each further one stays.
    fn flow_breaks(&self, from: usize, first_is_space: bool) -> Option<Step> {
        let rest = &self.written[from..];
        let length = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        let mut breaks: Vec<usize> = breaks(&rest[..length]).map(|at| from + at).collect();
        if breaks.is_empty() {
            return None;
        }
        if breaks.len() > 1 || !first_is_space {
            breaks.remove(0);
        }
        Some(Step::Breaks(breaks, from - self.at + length))
    }

    /// The line ends from here on with the indentation behind each; the decoded text says how many were kept.
    fn block_breaks(&self) -> Option<Step> {
        let mut all = Vec::new();
        let mut at = self.at;
        while let Some(length) = break_length(&self.written[at..]) {
            all.push(at);
            at += length;
            at += self.indentation_at(at);
        }
        let rest = &self.decoded[self.done..];
        let kept = (rest.len() - rest.trim_start_matches('\n').len()).min(all.len());
        match (all.len(), kept) {
            (0, _) => return None,
            (1, 0) if rest.starts_with(' ') => {}
            // Cut at the end: the first ones stay. Folded: the last ones do.
            _ if kept == rest.len() => all.truncate(kept),
            _ => drop(all.drain(..all.len() - kept)),
        }
        Some(Step::Breaks(all, at - self.at))
    }
}

fn is_surrogate(digits: &str) -> bool {
    u32::from_str_radix(digits, 16).is_ok_and(|n| (0xd800..0xdc00).contains(&n))
}

fn break_length(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [b'\r', b'\n', ..] => Some(2),
        [b'\r' | b'\n', ..] => Some(1),
        _ => None,
    }
}

/// Where the line ends of a text begin.
fn breaks(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let begins = |i: &usize| {
        bytes[*i] == b'\r' || (bytes[*i] == b'\n' && (*i == 0 || bytes[i - 1] != b'\r'))
    };
    (0..bytes.len()).filter(begins)
}
