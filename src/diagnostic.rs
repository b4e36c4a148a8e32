//! What is wrong with a file, said to the person who wrote it: a sentence, the place underlined, and what to write
//! instead.
//!
//! It knows texts and byte ranges; it refuses to know what a Workflowfile is, and it never prints: rendering gives a
//! `String`. Nothing that comes from a file can move the cursor or reorder the line it is shown in (see [`visible`]).

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::ops::Range;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::listed::grouped;

/// A text with the name it is shown under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The path as the user knows it.
    pub name: String,
    /// What the file holds; the spans of labels are bytes of this text.
    pub text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file can't be used.
    Error,
    /// The file can be used, but probably means something else than its author thinks.
    Warning,
}

/// A place in a source, with what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The bytes it covers; an empty one marks a position.
    pub span: Range<usize>,
    /// Stands behind the underline; may be empty.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of the kind of mistake, such as `unknown-key`.
    pub code: &'static str,
    /// What happened, as a sentence without a full stop.
    pub message: String,
    /// Where; the first is the main place. Without any, only the file is named.
    pub labels: Vec<Label>,
    /// What to write instead; may have several lines.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            help: None,
        }
    }

    /// A warning without a place yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// With one more place; the first one given is the main one.
    #[must_use]
    pub fn at(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// With what to write instead.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    fn first_byte(&self) -> usize {
        self.labels.first().map_or(0, |label| label.span.start)
    }
}

/// How many diagnostics are kept: nobody reads more, and a hostile file could make millions.
pub const KEPT_MAX: usize = 1_000;

/// How many of them are shown to people.
const SHOWN_MAX: usize = 50;

/// Diagnostics of one source as they are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    kept: Vec<Diagnostic>,
    /// How many there are beyond those that are kept: errors and warnings.
    more: [usize; 2],
}

impl Found {
    /// Adds one, unless there are too many.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let is_warning = |one: &Diagnostic| one.severity == Severity::Warning;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(diagnostic);
            return;
        }
        self.more[usize::from(is_warning(&diagnostic))] += 1;
        // An error must not be lost behind warnings: it decides whether the file can be used.
        let place = self.kept.iter().rposition(is_warning);
        if let Some(place) = place.filter(|_| !is_warning(&diagnostic)) {
            self.kept[place] = diagnostic;
            self.more[0] -= 1;
            self.more[1] += 1;
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Those that are kept, in the order they were found.
    pub fn kept(&self) -> &[Diagnostic] {
        &self.kept
    }
}

/// All that is wrong with one file, or with several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    files: Vec<(Source, Found)>,
}

impl Diagnostics {
    /// What was found in this source, which may be nothing.
    pub fn new(source: Source, found: Found) -> Self {
        Self {
            files: vec![(source, found)],
        }
    }

    /// A single thing that is wrong with this source.
    pub fn one(source: Source, diagnostic: Diagnostic) -> Self {
        let mut found = Found::default();
        found.push(diagnostic);
        Self::new(source, found)
    }

    /// Adds what was found in other sources.
    pub fn append(&mut self, mut other: Self) {
        self.files.append(&mut other.files);
    }

    /// Adds something about the source with this number.
    pub fn push(&mut self, source: usize, diagnostic: Diagnostic) {
        if let Some((_, found)) = self.files.get_mut(source) {
            found.push(diagnostic);
        }
    }

    /// Whether anything is wrong that keeps a file from being used.
    pub fn has_errors(&self) -> bool {
        self.iter().any(|(_, one)| one.severity == Severity::Error)
    }

    /// Whether nothing at all was found.
    pub fn is_empty(&self) -> bool {
        self.files.iter().all(|(_, found)| found.is_empty())
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.files.iter().map(|(_, found)| found.len()).sum()
    }

    /// The sources, in the order they were added.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().map(|(source, _)| source)
    }

    /// All with the source each is about: source by source, by place within each.
    pub fn iter(&self) -> impl Iterator<Item = (&Source, &Diagnostic)> {
        self.files
            .iter()
            .flat_map(|(source, found)| by_place(found).into_iter().map(move |one| (source, one)))
    }

    /// All of them as text for a person, with colours when asked.
    pub fn render(&self, color: bool) -> String {
        let mut page = Page {
            out: String::new(),
            color,
        };
        let errors = self.counts()[0].min(SHOWN_MAX);
        let mut room = [errors, SHOWN_MAX - errors];
        let mut shown = 0;
        for (source, found) in self.files.iter().filter(|(_, found)| !found.is_empty()) {
            let lines = Lines::new(&source.text);
            for diagnostic in by_place(found) {
                let room = &mut room[usize::from(diagnostic.severity == Severity::Warning)];
                if *room > 0 {
                    *room -= 1;
                    shown += 1;
                    page.separate();
                    page.diagnostic(&source.name, &lines, diagnostic);
                }
            }
        }
        let left = self.counts().iter().sum::<usize>() - shown;
        if left > 0 {
            page.separate();
            page.out.push_str(&format!("and {} more\n", grouped(left)));
        }
        if self.len() > 1 {
            page.separate();
            page.out.push_str(&self.summary());
        }
        page.out
    }

    /// All of them for programs: a JSON object a line, with lines and columns counted from 1.
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        for (source, found) in &self.files {
            let lines = Lines::new(&source.text);
            for diagnostic in by_place(found) {
                text.push_str(&as_json(&source.name, &lines, diagnostic).to_string());
                text.push('\n');
            }
        }
        text
    }

    /// How many errors and warnings there are, also of those that are not kept.
    fn counts(&self) -> [usize; 2] {
        let mut counts = [0, 0];
        for (_, found) in &self.files {
            let warnings = found.kept.iter();
            let warnings = warnings
                .filter(|one| one.severity == Severity::Warning)
                .count();
            counts[0] += found.len() - warnings + found.more[0];
            counts[1] += warnings + found.more[1];
        }
        counts
    }

    /// The last line, such as `2 errors`.
    fn summary(&self) -> String {
        let [errors, warnings] = self.counts();
        let counted = [(errors, "error"), (warnings, "warning")];
        let parts: Vec<String> = counted
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| count(*n, word))
            .collect();
        format!("{}\n", parts.join(", "))
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

fn as_json(name: &str, lines: &Lines<'_>, diagnostic: &Diagnostic) -> serde_json::Value {
    let place = |label: &Label| {
        let ((line, column), (end_line, end_column)) =
            (lines.place(label.span.start), lines.place(label.span.end));
        serde_json::json!({
            "line": line, "column": column, "end_line": end_line, "end_column": end_column, "text": label.text,
        })
    };
    serde_json::json!({
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": diagnostic.code,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "file": name,
        "places": diagnostic.labels.iter().map(place).collect::<Vec<_>>(),
    })
}

fn by_place(found: &Found) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = found.kept.iter().collect();
    sorted.sort_by_key(|one| one.first_byte());
    sorted
}

fn count(n: usize, word: &str) -> String {
    format!("{} {word}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Where the lines of a text begin, so that a byte has a line and a column at once, whatever the length of the line.
pub struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// The number of characters before each block of `BLOCK` bytes, and in all; empty when each byte is one.
    characters: Vec<usize>,
}

const BLOCK: usize = 128;

impl<'t> Lines<'t> {
    /// Looks at the whole text once. A line ends as YAML has it: with LF, CR LF or CR.
    pub fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let ends = |i: &usize| {
            bytes[*i] == b'\n' || (bytes[*i] == b'\r' && bytes.get(i + 1) != Some(&b'\n'))
        };
        let starts = std::iter::once(0)
            .chain((0..bytes.len()).filter(ends).map(|i| i + 1))
            .collect();
        let mut characters = Vec::new();
        if !text.is_ascii() {
            let mut before = 0;
            characters.push(before);
            for block in bytes.chunks(BLOCK) {
                before += characters_in(block);
                characters.push(before);
            }
        }
        Self {
            text,
            starts,
            characters,
        }
    }

    /// The line and the column of a byte, both from 1; the column counts characters.
    pub fn place(&self, byte: usize) -> (u32, u32) {
        let byte = byte.min(self.text.len());
        let line = self.number(byte);
        let column = self.characters_before(byte) - self.characters_before(self.starts[line]);
        (saturated(line + 1), saturated(column + 1))
    }

    /// The byte at a line and a column, both from 1; the last one for a place outside.
    pub fn byte(&self, line: u32, column: u32) -> usize {
        let line = (line as usize).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(self.text.len());
        let mut letters = self.text[start..].char_indices();
        let letter = letters.nth((column as usize).saturating_sub(1));
        letter.map_or(self.text.len(), |(byte, _)| start + byte)
    }

    /// The bytes of the line that this byte is in, without its end.
    fn around(&self, byte: usize) -> Range<usize> {
        let line = self.number(byte);
        let start = self.starts[line];
        let end = self
            .starts
            .get(line + 1)
            .copied()
            .unwrap_or(self.text.len());
        start..start + self.text[start..end].trim_end_matches(['\n', '\r']).len()
    }

    fn number(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte) - 1
    }

    fn characters_before(&self, byte: usize) -> usize {
        if self.characters.is_empty() {
            return byte;
        }
        let block = byte / BLOCK;
        self.characters[block] + characters_in(&self.text.as_bytes()[block * BLOCK..byte])
    }
}

/// The start of the character that this byte is in; the end of the text for a byte beyond it.
pub fn floor(text: &str, byte: usize) -> usize {
    // A character has four bytes at most.
    let near = byte.saturating_sub(3)..=byte;
    near.rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

fn characters_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
}

fn saturated(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The text as it may be shown: control characters, and those that reorder or hide text, become escapes.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_unsafe(c) || c == '\t') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| if c == '\t' { "\\t".into() } else { shown(c) })
            .collect(),
    )
}

/// A text of ours, which may hold a name from the file: visible, and not endless.
fn sentence(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SENTENCE_CHARACTERS_MAX) {
        None => visible(text),
        Some((end, _)) => Cow::Owned(format!("{}…", visible(&text[..end]))),
    }
}

/// The longest message, label or line of help that is printed.
const SENTENCE_CHARACTERS_MAX: usize = 400;

/// One character as it is shown in a quoted line.
fn shown(c: char) -> Cow<'static, str> {
    match c {
        '\t' => Cow::Borrowed("    "),
        '\n' => Cow::Borrowed("\\n"),
        '\r' => Cow::Borrowed("\\r"),
        _ if is_unsafe(c) => Cow::Owned(c.escape_unicode().to_string()),
        _ => Cow::Owned(c.into()),
    }
}

/// Whether a character could change the terminal, or hide or reorder text.
pub fn is_unsafe(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    bidi || (c.is_control() && c != '\t')
        || matches!(c, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// How many columns of a terminal a character takes as it is shown.
fn columns(c: char) -> usize {
    match c {
        ' '..='~' => 1,
        '\t' => 4,
        _ if is_unsafe(c) => shown(c).len(),
        _ => c.width().unwrap_or(0),
    }
}

/// How many columns of a terminal a text of one line takes as it is shown.
pub fn width(text: &str) -> usize {
    // Most text is such.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.len();
    }
    if text.chars().any(|c| c == '\t' || is_unsafe(c)) {
        text.chars().map(columns).sum()
    } else {
        UnicodeWidthStr::width(text)
    }
}

/// The part of a line that is shown, and where the underline goes.
#[derive(PartialEq)]
struct Window {
    text: String,
    indent: usize,
    width: usize,
}

/// The longest part of a line that is shown, and how much of it stands before the underlined part.
const COLUMNS_MAX: usize = 100;
const COLUMNS_BEFORE_MAX: usize = 30;

impl Window {
    /// Shows `line` around its bytes `span`, which lie on character boundaries.
    fn new(line: &str, span: Range<usize>) -> Self {
        let whole = line.len() <= COLUMNS_MAX * 4 && width(line) <= COLUMNS_MAX;
        let start = if whole {
            0
        } else {
            span.start - fitting(line[..span.start].chars().rev(), COLUMNS_BEFORE_MAX)
        };
        let end = if whole {
            line.len()
        } else {
            start + fitting(line[start..].chars(), COLUMNS_MAX)
        };
        let mark = |cut: bool| if cut { "…" } else { "" };
        let middle: String = line[start..end].chars().map(shown).collect();
        Self {
            text: format!("{}{middle}{}", mark(start > 0), mark(end < line.len())),
            indent: usize::from(start > 0) + width(&line[start..span.start]),
            width: width(&line[span.start..span.end.clamp(span.start, end.max(span.start))]).max(1),
        }
    }
}

/// How many bytes of these characters fit into so many columns.
fn fitting(characters: impl Iterator<Item = char>, room: usize) -> usize {
    let mut used = 0;
    let fits = |c: &char| {
        used += columns(*c);
        used <= room
    };
    // Characters without a width of their own can be stacked for ever.
    characters
        .take_while(fits)
        .take(room * 4)
        .map(char::len_utf8)
        .sum()
}

/// A label with its place worked out.
struct Spot<'d> {
    line: u32,
    main: bool,
    text: &'d str,
    window: Window,
}

impl<'d> Spot<'d> {
    fn new(lines: &Lines, label: &'d Label, main: bool) -> Self {
        let start = floor(lines.text, label.span.start);
        let line = lines.around(start);
        let start = start.min(line.end);
        let text = &lines.text[line.clone()];
        let end = floor(lines.text, label.span.end).clamp(start, line.end);
        let window = Window::new(text, start - line.start..end - line.start);
        Self {
            line: lines.place(start).0,
            main,
            text: &label.text,
            window,
        }
    }
}

/// The text that is being written.
struct Page {
    out: String,
    color: bool,
}

const BOLD: &str = "1";
const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";
const CYAN: &str = "1;36";

impl Page {
    /// The empty line between two diagnostics.
    fn separate(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn diagnostic(&mut self, name: &str, lines: &Lines, diagnostic: &Diagnostic) {
        let mut spots: Vec<Spot> = diagnostic
            .labels
            .iter()
            .enumerate()
            .map(|(i, label)| Spot::new(lines, label, i == 0))
            .collect();
        spots.sort_by_key(|spot| (spot.line, spot.window.indent));
        let gutter = spots.last().map_or(1, |spot| spot.line.to_string().len());
        self.headline(diagnostic);
        self.arrow(gutter, name, lines, diagnostic);
        self.spots(gutter, &spots, diagnostic.severity);
        if let Some(help) = &diagnostic.help {
            self.help(gutter, help);
        }
    }

    fn headline(&mut self, diagnostic: &Diagnostic) {
        let (word, style) = word(diagnostic.severity);
        self.paint(style, &format!("{word}[{}]", diagnostic.code));
        self.paint(BOLD, &format!(": {}", sentence(&diagnostic.message)));
        self.out.push('\n');
    }

    fn arrow(&mut self, gutter: usize, name: &str, lines: &Lines, diagnostic: &Diagnostic) {
        self.space(gutter);
        self.paint(BLUE, "-->");
        self.space(1);
        self.out.push_str(&visible(name));
        if let Some(label) = diagnostic.labels.first() {
            let (line, column) = lines.place(floor(lines.text, label.span.start));
            self.write(format_args!(":{line}:{column}"));
        }
        self.out.push('\n');
    }

    fn spots(&mut self, gutter: usize, spots: &[Spot], severity: Severity) {
        for (i, spot) in spots.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| &spots[i]);
            let repeated =
                before.is_some_and(|b| b.line == spot.line && b.window.text == spot.window.text);
            if before.is_none_or(|b| spot.line > b.line + 1) {
                self.gap(gutter, before.is_some());
            }
            if !repeated {
                self.line(gutter, &spot.line.to_string(), &spot.window.text);
            }
            self.underline(gutter, spot, severity);
        }
    }

    /// The empty line above the first spot, or the dots for lines that are left out.
    fn gap(&mut self, gutter: usize, dots: bool) {
        if dots {
            self.paint(BLUE, "...");
            self.out.push('\n');
        } else {
            self.line(gutter, "", "");
        }
    }

    fn line(&mut self, gutter: usize, number: &str, text: &str) {
        self.paint(BLUE, &format!("{number:>gutter$} |"));
        if !text.is_empty() {
            self.space(1);
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    fn underline(&mut self, gutter: usize, spot: &Spot, severity: Severity) {
        let (sign, style) = if spot.main {
            ("^", word(severity).1)
        } else {
            ("-", BLUE)
        };
        self.paint(BLUE, &format!("{:>gutter$} |", ""));
        self.space(1 + spot.window.indent);
        let gap = if spot.text.is_empty() { "" } else { " " };
        self.paint(
            style,
            &format!(
                "{}{gap}{}",
                sign.repeat(spot.window.width),
                sentence(spot.text)
            ),
        );
        self.out.push('\n');
    }

    fn help(&mut self, gutter: usize, help: &str) {
        for (i, line) in help.lines().enumerate() {
            self.space(gutter + 1);
            if i == 0 {
                self.paint(BLUE, "=");
                self.paint(CYAN, " help:");
            } else {
                self.space(7);
            }
            self.write(format_args!(" {}\n", sentence(line)));
        }
    }

    fn paint(&mut self, style: &str, text: &str) {
        if self.color {
            self.write(format_args!("\x1b[{style}m{text}\x1b[0m"));
        } else {
            self.out.push_str(text);
        }
    }

    fn space(&mut self, n: usize) {
        self.write(format_args!("{:n$}", ""));
    }

    fn write(&mut self, text: fmt::Arguments) {
        self.out
            .write_fmt(text)
            .expect("writing to a String can't fail");
    }
}

fn word(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
    }
}
