//! Files of `NAME=value` lines, as `.env` files are: read as data, by rules that are written here and nowhere else.
//!
//! It knows one text, and a way to look up what else is set. It refuses to know where the text lies and what a shell would
//! do with it: nothing is executed, in no kind of quotes. `` `id` `` and `$(id)` stay as they are, because data is not code;
//! `$NAME` and `${NAME}` are expanded (`expansion`), but not in single quotes.
//!
//! ```text
//! # a comment                    blank lines and lines of `#` are skipped
//! export NAME=value              `export` says nothing; spaces around `=` don't matter
//! DATA=${HOME}/data              a variable that flow inherited, or that is set above
//! URL=http://x/#top  # comment   to the end of the line, trimmed; `#` begins a comment after a space
//! KEY='as it is, also $X and \n, over several lines'
//! TEXT="with \n \t \r \" \\ \$, over several lines"
//! ```
//!
//! Another backslash in double quotes stays as it is, and so do quotes inside of an unquoted value. A line may end with
//! CRLF, which counts as a newline in quotes too; a byte order mark at the beginning is skipped. What is set again wins.
//! The messages never show a value: it may be a secret.

use std::collections::HashMap;

use super::expansion::{self, BYTES_MAX, Wrong};

/// What can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Looks up a name; `None` when it is unset.
pub type Lookup<'l> = dyn Fn(&str) -> Option<Vec<u8>> + 'l;

/// The variables of a file, each once, in the order in which they are first set. A name in a value is what was inherited, else
/// what is set above, else what a weaker file sets.
pub fn parse(
    text: &[u8],
    inherited: &Lookup<'_>,
    weaker: &Lookup<'_>,
) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let text = decoded(text)?.replace("\r\n", "\n");
    let mut reader = Reader {
        rest: text.strip_prefix('\u{feff}').unwrap_or(&text),
        line: 1,
    };
    let mut variables: Vec<(String, Vec<u8>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut size = 0;
    while let Some(Line { name, raw, line }) = reader.variable()? {
        let known = |name: &str| {
            let above = || {
                variables
                    .get(*places.get(name)?)
                    .map(|(_, value)| value.clone())
            };
            inherited(name).or_else(above).or_else(|| weaker(name))
        };
        let value = raw.value(&known).and_then(|value: Vec<u8>| {
            size += value.len();
            if size > BYTES_MAX {
                Err(expansion::too_large())
            } else {
                Ok(value)
            }
        });
        let value = value.map_err(|wrong| Problem {
            line,
            message: format!("the value of {name}: {}", wrong.message),
            help: wrong.help.to_owned(),
        })?;
        let place = *places.entry(name).or_insert(variables.len());
        match variables.get_mut(place) {
            Some(variable) => variable.1 = value,
            None => variables.push((name.to_owned(), value)),
        }
    }
    Ok(variables)
}

/// A variable as it was written.
struct Line<'a> {
    name: &'a str,
    raw: Raw<'a>,
    /// Where it begins.
    line: usize,
}

/// A value as it was written, without its quotes.
struct Raw<'a> {
    text: &'a str,
    quote: Option<char>,
}

impl Raw<'_> {
    fn value(&self, lookup: &Lookup<'_>) -> Result<Vec<u8>, Wrong> {
        match self.quote {
            Some('\'') => Ok(self.text.as_bytes().to_vec()),
            quote => expansion::expanded(self.text, quote.is_some(), lookup),
        }
    }
}

/// The text, if it is one that an environment can hold.
fn decoded(text: &[u8]) -> Result<&str, Problem> {
    let problem = |at: usize, message: &str, help: &str| Problem {
        line: 1 + text[..at].iter().filter(|byte| **byte == b'\n').count(),
        message: message.to_owned(),
        help: help.to_owned(),
    };
    if let Some(at) = text.iter().position(|byte| *byte == 0) {
        let help = "no variable can hold one; write it in base64, for example";
        return Err(problem(at, "there is a NUL byte", help));
    }
    std::str::from_utf8(text).map_err(|error| {
        let help = "save the file as UTF-8";
        problem(error.valid_up_to(), "this is not UTF-8", help)
    })
}

/// What was not read yet.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// The next variable, and the end of its line.
    fn variable(&mut self) -> Result<Option<Line<'a>>, Problem> {
        while !self.rest.is_empty() {
            let line = first_line(self.rest).trim();
            if line.is_empty() || line.starts_with('#') {
                self.end_line();
                continue;
            }
            let (line, name) = (self.line, self.name()?);
            let raw = self.value(name)?;
            return Ok(Some(Line { name, raw, line }));
        }
        Ok(None)
    }

    /// What stands before the `=`, which is read too.
    fn name(&mut self) -> Result<&'a str, Problem> {
        let line = first_line(self.rest);
        let Some((before, _)) = line.split_once('=') else {
            return Err(self.no_variable(line.trim()));
        };
        let name = without_export(before.trim());
        if !is_name(name) {
            return Err(self.no_name(name));
        }
        self.skip(before.len() + 1);
        Ok(name)
    }

    fn value(&mut self, name: &str) -> Result<Raw<'a>, Problem> {
        let line = first_line(self.rest);
        let blank = line.len() - line.trim_start().len();
        let quote = line[blank..].chars().next();
        let Some(quote) = quote.filter(|quote| matches!(quote, '\'' | '"')) else {
            let text = unquoted(line);
            self.end_line();
            return Ok(Raw { text, quote: None });
        };
        let opened = self.line;
        self.skip(blank + 1);
        let Some(length) = quoted(self.rest, quote) else {
            return Err(unclosed(name, quote, opened));
        };
        let text = &self.rest[..length];
        self.skip(length + 1);
        self.nothing_more(name, quote)?;
        let quote = Some(quote);
        Ok(Raw { text, quote })
    }

    /// After a closing quote comes a comment at most.
    fn nothing_more(&mut self, name: &str, quote: char) -> Result<(), Problem> {
        let after = first_line(self.rest).trim();
        if !after.is_empty() && !after.starts_with('#') {
            let help = if quote == '"' {
                "write a quote inside of the value as \\\""
            } else {
                "a value in single quotes can't have one inside; write it in double quotes"
            };
            let message = format!("after the closing quote of {name} there is more text");
            return Err(self.problem(message, help));
        }
        self.end_line();
        Ok(())
    }

    fn end_line(&mut self) {
        let length = first_line(self.rest).len();
        self.skip((length + 1).min(self.rest.len()));
    }

    /// Goes on; the place must be between characters.
    fn skip(&mut self, length: usize) {
        let (before, after) = self.rest.split_at(length);
        self.line += before.matches('\n').count();
        self.rest = after;
    }

    fn problem(&self, message: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem {
            line: self.line,
            message: message.into(),
            help: help.into(),
        }
    }

    /// The line is not shown, not even as a name: it may be the second one of a secret that somebody forgot to quote.
    fn no_variable(&self, line: &str) -> Problem {
        if is_name(without_export(line)) {
            let help = "write NAME=value, or NAME= for an empty value; a value of several lines is written in quotes";
            return self.problem("there is no `=`", help);
        }
        if line.split_once(':').is_some_and(|(name, _)| is_name(name)) {
            return self.problem("there is a `:` and no `=`", "write NAME=value");
        }
        let help = "write NAME=value; a value of several lines is written in quotes";
        self.problem("this is no variable", help)
    }

    fn no_name(&self, name: &str) -> Problem {
        if name.is_empty() {
            return self.problem("there is no name before the `=`", "write NAME=value");
        }
        let help = "a name has letters, digits and `_` and begins with no digit; a value of several lines is written in quotes";
        self.problem("what stands before the `=` is no name", help)
    }
}

fn unclosed(name: &str, quote: char, line: usize) -> Problem {
    Problem {
        line,
        message: format!("the quote that begins {name} is never closed"),
        help: format!("end the value with {quote}"),
    }
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or(text)
}

/// The name alone; a variable may have the name `export`.
fn without_export(text: &str) -> &str {
    let name = text.strip_prefix("export").unwrap_or(text);
    let name = name.strip_prefix([' ', '\t']).map(str::trim);
    name.unwrap_or(text)
}

fn is_name(text: &str) -> bool {
    let word = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    word && text.starts_with(|first: char| !first.is_ascii_digit())
}

/// To the end of the line or a comment; it has no quotes, escapes or anything else that means something.
fn unquoted(line: &str) -> &str {
    let comment = line
        .match_indices('#')
        .find(|(at, _)| line[..*at].ends_with([' ', '\t']));
    comment.map_or(line, |(at, _)| &line[..at]).trim()
}

/// How long the text to the closing quote is; `None` when there is no such quote.
fn quoted(text: &str, quote: char) -> Option<usize> {
    if quote == '\'' {
        return text.find('\'');
    }
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some(at),
            '\\' => drop(letters.next()?),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(name: &str) -> Option<Vec<u8>> {
        (name == "OUTSIDE").then(|| b"out $A".to_vec())
    }

    fn weaker(name: &str) -> Option<Vec<u8>> {
        matches!(name, "OUTSIDE" | "WEAKER").then(|| b"weak".to_vec())
    }

    #[test]
    fn variables_are_read() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("\n  \n# A=1\n \t# B=2", &[]),
            ("A=1", &[("A", "1")]),
            ("A=1\nB=2\n", &[("A", "1"), ("B", "2")]),
            ("\u{feff}A=1\r\n\r\nB=2\r\n", &[("A", "1"), ("B", "2")]),
            (
                "export A=1\nexport\t B=2\nexport=3\nexported=4",
                &[("A", "1"), ("B", "2"), ("export", "3"), ("exported", "4")],
            ),
            ("  A = 1 2  ", &[("A", "1 2")]),
            (
                "A=\nB=  \nC='' \nD=\"\"",
                &[("A", ""), ("B", ""), ("C", ""), ("D", "")],
            ),
            (
                "A=x#y # z\nB=#c\nC= # c\nD=x\t#",
                &[("A", "x#y"), ("B", "#c"), ("C", ""), ("D", "x")],
            ),
            ("A=a=b==", &[("A", "a=b==")]),
            ("A=it's \"so\" \\n", &[("A", "it's \"so\" \\n")]),
            (
                "A='  x # y'# z\nB=\" x # y \" # z",
                &[("A", "  x # y"), ("B", " x # y ")],
            ),
            ("A='\\n\\'", &[("A", "\\n\\")]),
            (r#"A="\n\t\r\"\\\$\x\é""#, &[("A", "\n\t\r\"\\$\\x\\é")]),
            (
                "A='1\n2=2\r\n'\nB=\"1\n#2\n\"\nC=3",
                &[("A", "1\n2=2\n"), ("B", "1\n#2\n"), ("C", "3")],
            ),
            ("A=1\nB=2\nA=3\n", &[("A", "3"), ("B", "2")]),
            ("A=é 😀", &[("A", "é 😀")]),
            // Data is not code: names are looked up, nothing runs.
            (
                "A=$B ${B:-c} $(id) `id` ~ ${OUTSIDE}",
                &[("A", " c $(id) `id` ~ out $A")],
            ),
            (
                "A='$B $(id) ${OUTSIDE}'\nB=\"$A ${A} $(id) `id`\"",
                &[
                    ("A", "$B $(id) ${OUTSIDE}"),
                    ("B", "$B $(id) ${OUTSIDE} $B $(id) ${OUTSIDE} $(id) `id`"),
                ],
            ),
            (
                "A=$WEAKER\nWEAKER=own\nB=$WEAKER",
                &[("A", "weak"), ("WEAKER", "own"), ("B", "own")],
            ),
            // What flow inherited is stronger than the file; only what stands above is known.
            (
                "OUTSIDE=mine\nA=$OUTSIDE\nB=${C:-none}\nC=${C}1\nC=${C}2",
                &[
                    ("OUTSIDE", "mine"),
                    ("A", "out $A"),
                    ("B", "none"),
                    ("C", "12"),
                ],
            ),
        ];
        for (text, expected) in cases {
            let read = parse(text.as_bytes(), &outside, &weaker)
                .unwrap_or_else(|problem| panic!("{text:?}: {problem:?}"));
            let read: Vec<_> = read
                .iter()
                .map(|(name, value)| (&**name, str::from_utf8(value).expect("it is UTF-8")))
                .collect();
            assert_eq!(read, *expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let cases: &[(&[u8], usize, &str, &str)] = &[
            (
                b"A=1\nB\n",
                2,
                "there is no `=`",
                "NAME= for an empty value",
            ),
            (
                b"\n\nexport B",
                3,
                "there is no `=`",
                "NAME= for an empty value",
            ),
            (b"A: 1", 1, "there is a `:` and no `=`", "write NAME=value"),
            (
                b"=1",
                1,
                "there is no name before the `=`",
                "write NAME=value",
            ),
            (
                b"A=\"\n\n\"\nhello world",
                4,
                "this is no variable",
                "in quotes",
            ),
            (
                b"A B=1",
                1,
                "what stands before the `=` is no name",
                "letters, digits and `_`",
            ),
            (
                b"A-B=1",
                1,
                "what stands before the `=` is no name",
                "letters, digits and `_`",
            ),
            (
                b"1A=1",
                1,
                "what stands before the `=` is no name",
                "begins with no digit",
            ),
            (
                b"A=1\nB='x\ny\n",
                2,
                "the quote that begins B is never closed",
                "end the value with '",
            ),
            (
                b"A=\"x\\\"",
                1,
                "the quote that begins A is never closed",
                "end the value with \"",
            ),
            (
                b"A=\"x\\",
                1,
                "the quote that begins A is never closed",
                "end the value with \"",
            ),
            (
                b"A='1\n2' 3",
                2,
                "after the closing quote of A there is more text",
                "double quotes",
            ),
            (
                b"A=\"1\"2\"",
                1,
                "after the closing quote of A there is more text",
                "as \\\"",
            ),
            (
                b"A=1\nB=\xff",
                2,
                "this is not UTF-8",
                "save the file as UTF-8",
            ),
            (
                b"A=1\nB=x${C:?hunter2}",
                2,
                "the value of B: it needs C, which is not set",
                "a line above",
            ),
            (
                b"A=\"\n${C\"",
                1,
                "the value of A: a `${` in it is not followed by NAME}, NAME:-text} or the like",
                "single quotes",
            ),
            (b"A=1\n\nB=\0", 3, "there is a NUL byte", "base64"),
        ];
        for (text, line, message, help) in cases {
            let name = text.escape_ascii();
            let problem = parse(text, &outside, &weaker).expect_err("there is something wrong");
            assert_eq!(
                (problem.line, &*problem.message),
                (*line, *message),
                "{name}"
            );
            assert!(problem.help.contains(help), "{name}: {}", problem.help);
        }
    }

    #[test]
    fn no_message_shows_a_value() {
        let texts = [
            "A='hunter2",
            "A=\"x\"hunter2",
            "A-B=hunter2",
            "A: hunter2",
            "A=x\nhunter2",
            "A=x\nhunter2 z",
            "A=x\nhunter2: z",
            "A=hunter2${",
            "A=${hunter2 ",
            "A=${B:?hunter2}",
        ];
        for text in texts {
            let problem =
                parse(text.as_bytes(), &outside, &weaker).expect_err("there is something wrong");
            assert!(!format!("{problem:?}").contains("hunter2"), "{text:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let letters = b"AB_1${}:-+?=='\"\"\\\\n$# \t\r\n\n:\xc3\xa9\xef\xbb\xbf\xff\0export";
        for seed in 0..20_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            // Mostly without what is refused at once, so that more is reached.
            let most = if seed % 4 == 0 { letters.len() } else { 29 };
            let text: Vec<u8> = (0..random.usize(0..40))
                .map(|_| letters[random.usize(0..most)])
                .collect();
            let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count();
            match parse(&text, &outside, &weaker) {
                Ok(read) => assert!(read.iter().all(|(name, _)| is_name(name)), "seed {seed}"),
                Err(problem) => assert!((1..=lines).contains(&problem.line), "seed {seed}"),
            }
        }
    }

    #[test]
    fn what_is_written_in_quotes_is_what_is_read() {
        let letters = [
            'a', '=', '\'', '"', '\\', 'n', '$', '#', ' ', '\t', '\n', 'é', '😀', '\r',
        ];
        for seed in 0..5_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let value: String = (0..random.usize(0..20))
                .map(|_| letters[random.usize(0..letters.len())])
                .collect();
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let escaped = escaped.replace('$', "\\$");
            let text = format!("A=\"{}\" # c\nB=2", escaped.replace('\r', "\\r"));
            let expected = vec![
                ("A".to_owned(), value.into_bytes()),
                ("B".to_owned(), b"2".to_vec()),
            ];
            assert_eq!(
                parse(text.as_bytes(), &outside, &weaker),
                Ok(expected),
                "seed {seed}: {text:?}"
            );
        }
    }
}
