//! What to say about text that is not YAML: the slips that people make, each with what to write instead.
//!
//! It looks at the text around the place, as a colleague would; it knows neither the parser nor the tree.

use std::ops::Range;

use crate::diagnostic::Diagnostic;

/// A kind of syntax error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slip {
    /// A tab where the indentation should be.
    Tab,
    /// `: ` inside an unquoted text, or a key below a value.
    Colon,
    /// A character that can't begin a value.
    Character(char),
    /// A quote that is never closed.
    OpenQuote,
    /// Text behind a closing quote.
    AfterQuote,
    /// A bracket that is never closed.
    OpenBracket(char),
    /// A bracket closed by another.
    WrongBracket(char, char),
    /// A closing bracket without an opening one.
    StrayBracket,
    /// Something that does not fit between brackets.
    InBrackets,
    /// A line below an open quote that is not indented.
    QuoteGoesOn,
    /// A line that is indented like nothing before it.
    Indentation,
    /// A line in a map without a colon.
    NoColon,
    /// A list that begins on the line of its key.
    Dash,
    /// An unknown escape in double quotes.
    Escape,
    /// A line such as `%YAML 1.1`.
    Directive,
    /// Too many collections inside each other.
    Depth,
    /// Anything else, in the words of the parser.
    Other(String),
}

/// The diagnostic for a slip that was noticed at this byte.
pub(super) fn explain(text: &str, byte: usize, slip: Slip) -> Diagnostic {
    if let Some(braces) = template_value(text, byte) {
        return unquoted_braces(text, braces);
    }
    if let Some(found) = unquoted_condition(text, byte) {
        return found;
    }
    let (message, place, help) = match slip {
        Slip::Tab => return tab(text, byte),
        Slip::Colon => return colon(text, byte),
        Slip::Character(c) => return character(text, byte, c),
        Slip::Depth => return too_deep(byte..byte),
        Slip::QuoteGoesOn => return quote_goes_on(text, byte),
        Slip::OpenQuote => (
            "this quote is never closed",
            one(text, byte),
            "close it at the end of the text".into(),
        ),
        Slip::AfterQuote => (
            "text stands behind the closing quote",
            rest(text, byte),
            quote_all(text, byte),
        ),
        Slip::OpenBracket(c) => (
            "this bracket is never closed",
            one(text, byte),
            format!("add the '{}'", closing(c)),
        ),
        Slip::WrongBracket(open, close) => {
            let help = format!(
                "close '{open}' with '{}', not with '{close}'",
                closing(open)
            );
            (
                "this bracket is closed by another kind",
                one(text, byte),
                help,
            )
        }
        Slip::StrayBracket => (
            "this bracket closes nothing",
            one(text, byte),
            "remove it, or quote the value".into(),
        ),
        Slip::InBrackets => (
            "this does not fit between the brackets",
            rest(text, byte),
            IN_BRACKETS.into(),
        ),
        Slip::Indentation => (
            "this does not fit the lines before it",
            rest(text, byte),
            INDENTATION.into(),
        ),
        Slip::NoColon => (
            "a line of a map needs a ':'",
            rest(text, byte),
            NO_COLON.into(),
        ),
        Slip::Dash => (
            "a list can't begin on the line of its key",
            one(text, byte),
            DASH.into(),
        ),
        Slip::Escape => (
            "this is no escape in double quotes",
            wrong_escape(text, byte),
            ESCAPE.into(),
        ),
        Slip::Directive => (
            "a line that begins with '%' is not read here",
            rest(text, byte),
            "remove it".into(),
        ),
        Slip::Other(words) => {
            return Diagnostic::error("yaml-syntax", format!("this is not YAML: {words}"))
                .at(rest(text, byte), "")
                .help("look for a bracket, a quote or a comma that is missing, or one too many");
        }
    };
    Diagnostic::error("yaml-syntax", message)
        .at(place, "")
        .help(help)
}

const IN_BRACKETS: &str = "close the bracket before this, or put a ',' between two items";
const INDENTATION: &str =
    "begin the line in the same column as the keys or '-' that it belongs with";
const NO_COLON: &str = "write 'key: value', or indent it as part of the value above";
const DASH: &str = "put each '-' on a line of its own below the key, or write '[a, b]'";
const ESCAPE: &str = r"write '\\' for a backslash, or use single quotes";

/// An open quote above a line that is not indented, or above the end.
fn quote_goes_on(text: &str, byte: usize) -> Diagnostic {
    let before = &text.as_bytes()[..byte];
    let opens = |i: &usize| {
        matches!(before[*i], b'"' | b'\'')
            && matches!(before[*i - 1], b' ' | b'[' | b'{' | b',' | b'\n')
    };
    let quote = (1..before.len()).rev().find(opens).unwrap_or(byte);
    let found =
        Diagnostic::error("yaml-syntax", "this quote is never closed").at(one(text, quote), "");
    match rest(text, byte) {
        place if place.is_empty() => found.help("close it at the end of the text"),
        place => found.at(place, "so the text goes on here").help(
            "close it at the end of the text; if the text is meant to go on, indent its lines",
        ),
    }
}

/// The first escape from here on that YAML doesn't have.
fn wrong_escape(text: &str, byte: usize) -> Range<usize> {
    let mut at = byte;
    while let Some(found) = text[at..].find('\\') {
        at += found;
        match text[at + 1..].chars().next() {
            Some(c) if !"0abt\tnvfre \"/\\N_LPxuU\n\r".contains(c) => {
                return at..at + 1 + c.len_utf8();
            }
            c => at += 1 + c.map_or(0, char::len_utf8),
        }
    }
    rest(text, byte)
}

/// `{{ … }}` that stands unquoted where a value begins.
pub(super) fn unquoted_braces(text: &str, span: Range<usize>) -> Diagnostic {
    let message = "YAML takes '{' at the start of a value for the start of a map";
    // In brackets the value ends with its braces, else with its line.
    let in_brackets = text[line(text, span.start).start..span.start].contains(['[', '{']);
    let value = if in_brackets {
        span.clone()
    } else {
        rest(text, span.start)
    };
    let help = match text.get(value).unwrap_or_default().trim_end() {
        value if value.contains('\n') => "put quotes around the whole value".into(),
        value => format!("put quotes around the whole value: {}", quoted(value)),
    };
    Diagnostic::error("unquoted-braces", message)
        .at(span, "")
        .help(help)
}

/// `if: [ "$X" = true ]`, which is a list with text behind a quote.
fn unquoted_condition(text: &str, byte: usize) -> Option<Diagnostic> {
    let line = line(text, byte);
    let begins = |key: &str| {
        let at = text[line.start..byte].rfind(key)?;
        Some(line.start + at + key.len() - 1)
    };
    let start = begins("if: [").or_else(|| begins("until: ["))?;
    let inner = text[start..line.end].trim_start_matches('[').len();
    let open = text[start..line.end].len() - inner;
    let close = "]".repeat(open);
    let end = start + text[start..line.end].find(&close)? + open;
    let slip = super::conditions::of_another_tool(&text[start..end])?;
    Some(
        Diagnostic::error("foreign-condition", slip.message)
            .at(start..end, "")
            .help(slip.help),
    )
}

/// More collections inside each other than anybody means.
pub(super) fn too_deep(place: Range<usize>) -> Diagnostic {
    let message = format!(
        "more than {} lists and maps stand inside each other",
        super::yaml::DEPTH_MAX
    );
    Diagnostic::error("too-deep", message)
        .at(place, "")
        .help("nothing in a Workflowfile is nested that deep")
}

/// A text as a YAML scalar in quotes.
pub(super) fn quoted(value: &str) -> String {
    if value.contains(['"', '\\']) {
        format!("'{}'", value.replace('\'', "''"))
    } else {
        format!("\"{value}\"")
    }
}

/// The first unquoted value on the line of this byte that begins with `{{` or `{%`.
fn template_value(text: &str, byte: usize) -> Option<Range<usize>> {
    let line = line(text, byte);
    let (start, written) = (line.start, &text[line.clone()]);
    let ends = [": ", "- ", "[", ", "]
        .into_iter()
        .flat_map(|before| written.match_indices(before));
    let values = ends.map(|(at, before)| start + at + before.len());
    let first = values.filter(|at| braces(&text[*at..line.end])).min()?;
    let first = line.end - text[first..line.end].trim_start().len();
    let unquoted = !text[start..first].contains(['"', '\'']);
    (unquoted && first <= byte).then(|| first..first + braces_length(&text[first..line.end]))
}

fn braces(value: &str) -> bool {
    let value = value.trim_start_matches(' ');
    value.starts_with("{{") || value.starts_with("{%")
}

fn braces_length(value: &str) -> usize {
    let end = if value.starts_with("{{") { "}}" } else { "%}" };
    value.find(end).map_or(value.len(), |at| at + end.len())
}

fn tab(text: &str, byte: usize) -> Diagnostic {
    let place = tabs_after(text, byte).unwrap_or_else(|| one(text, byte));
    let message = "YAML does not allow tabs as indentation";
    Diagnostic::error("tab-indentation", message)
        .at(place, "")
        .help("indent with spaces, in a block of text too")
}

/// The tabs in the indentation of the first such line from here on.
fn tabs_after(text: &str, byte: usize) -> Option<Range<usize>> {
    let mut start = line(text, byte).start;
    for one in text[start..].split_inclusive(['\n', '\r']) {
        let indentation = one.len() - one.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = one[..indentation].find('\t')
            && !one.trim().is_empty()
        {
            return Some(start + tab..start + indentation);
        }
        start += one.len();
    }
    None
}

fn colon(text: &str, byte: usize) -> Diagnostic {
    let line = line(text, byte);
    let start = value_start(&text[line.start..byte]).map(|at| line.start + at);
    let Some(start) = start else {
        let message = "the value above goes on in this line, so there can't be a key in it";
        let help =
            "remove that value, or begin this line in the column of the keys it belongs with";
        return Diagnostic::error("yaml-syntax", message)
            .at(rest(text, line.start), "")
            .help(help);
    };
    let value = &text[rest(text, start)];
    Diagnostic::error(
        "unquoted-colon",
        "': ' in an unquoted text makes YAML read a key",
    )
    .at(one(text, byte), "")
    .help(format!(
        "put quotes around the whole value: {}",
        quoted(value)
    ))
}

/// Where the value begins on a line: behind its first `: `, or else behind its dashes.
fn value_start(before: &str) -> Option<usize> {
    let text = before.trim_start_matches([' ', '-']);
    let dashes = before.len() - text.len();
    let after_key = text.find(": ").map(|at| dashes + at + 2);
    // In `- echo a: b: c` the text before the first colon has a space, so it is no key.
    let no_key = after_key.is_some_and(|at| before[dashes..at - 2].contains(' '));
    match after_key {
        Some(at) if !no_key => Some(at + before[at..].len() - before[at..].trim_start().len()),
        _ if before[..dashes].contains('-') => Some(dashes),
        after => after,
    }
}

fn character(text: &str, byte: usize, c: char) -> Diagnostic {
    let at = text[byte..].find(c).map_or(byte, |at| byte + at);
    if c.is_control() {
        let message = format!(
            "the file contains the control character {}",
            c.escape_unicode()
        );
        return Diagnostic::error("control-character", message)
            .at(at..at + c.len_utf8(), "")
            .help("remove it");
    }
    let value = text[rest(text, at)].trim_end();
    let help = match c {
        // make's word for not showing a command.
        '@' => format!(
            "commands are shown unless the task has 'silent: true'; write {}",
            quoted(value.trim_start_matches(['@', '-']))
        ),
        '`' if value.len() > 2 && value.ends_with('`') => {
            format!(
                "for the output of a command write {{sh: {}}}",
                value.trim_matches('`')
            )
        }
        _ => format!("put quotes around the whole value: {}", quoted(value)),
    };
    Diagnostic::error(
        "yaml-syntax",
        format!("an unquoted value can't begin with '{c}'"),
    )
    .at(one(text, at), "")
    .help(help)
}

fn quote_all(text: &str, byte: usize) -> String {
    let line = line(text, byte);
    match value_start(&text[line.start..byte]) {
        Some(at) => format!(
            "put quotes around the whole value: {}",
            quoted(&text[rest(text, line.start + at)])
        ),
        None => "put quotes around the whole value, or write it below '|'".into(),
    }
}

fn closing(open: char) -> char {
    if open == '[' { ']' } else { '}' }
}

fn line(text: &str, byte: usize) -> Range<usize> {
    let start = text[..byte].rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let end = text[byte..]
        .find(['\n', '\r'])
        .map_or(text.len(), |at| byte + at);
    start..end
}

/// The character at a byte.
fn one(text: &str, byte: usize) -> Range<usize> {
    byte..byte + text[byte..].chars().next().map_or(0, char::len_utf8)
}

/// From a byte to the end of its line, without the space around it and without a comment.
fn rest(text: &str, byte: usize) -> Range<usize> {
    let part = &text[byte..line(text, byte).end];
    let part = part.find(" #").map_or(part, |at| &part[..at]);
    let start = byte + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}
