//! Puts values into a script: each becomes a reference to a variable, written so that it is text where it stands.
//!
//! It knows how a script is read ([`super::shell`]) and which programs read their arguments again ([`super::reparse`]);
//! it runs nothing.

use std::collections::{HashMap, HashSet};

use super::positional::{self, Item};
use super::shell::{self, How, Why};
use super::text::{Part, Written};
use super::{Problem, Script, reparse};

/// The most bytes of one value in a command: Linux takes strings of 128 KiB with their names.
const VALUE_BYTES_MAX: usize = (128 << 10) - 64;
/// The most bytes of a script, which is one argument of its shell.
const SCRIPT_BYTES_MAX: usize = (128 << 10) - 1;
/// How many values with white space are told of.
const SEVERAL_WORDS_MAX: usize = 5;
/// The most bytes of all values of a command; arguments and environment have 2 MiB together, as a rule.
const VALUES_BYTES_MAX: usize = 1 << 20;

/// How the items of a long list get into a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lists {
    /// Each in a variable of its own.
    InVariables,
    /// As positional parameters, where the script leaves these alone.
    AsArgs,
}

/// How a value stands in a script.
#[derive(Debug)]
pub(super) struct Place {
    /// Why no text can stand there.
    pub(super) refused: Option<Problem>,
    /// It is a word or part of one, outside quotes.
    pub(super) bare: bool,
    spot: shell::Spot,
}

/// The places of the values of a script, in which a NUL stands for each; `quoted` says which went through `| quote`.
pub(super) fn places(script: &[u8], quoted: &[bool]) -> Vec<Place> {
    let scan = shell::scan(script);
    let mut places: Vec<Place> = scan
        .spots
        .iter()
        .map(|spot| Place {
            refused: match spot.how {
                How::Refused(why) => Some(refusal(why)),
                _ => None,
            },
            bare: spot.how == How::Bare,
            spot: *spot,
        })
        .collect();
    for (number, problem) in reparse::refused(&scan, quoted) {
        places[number].refused.get_or_insert(problem);
    }
    places
}

/// The script of a command with its values beside it.
pub(super) fn script(pieces: &Written, lists: Lists) -> Result<Script, Problem> {
    let mut outline = Vec::new();
    let mut quoted = Vec::new();
    for (piece, from) in pieces.all.iter().zip(&pieces.from) {
        match piece {
            Part::Code(text) if text.contains('\0') => {
                let problem = Problem::new("nul-character", "no command can hold a NUL character");
                return Err(problem.at(from.clone()));
            }
            Part::Code(text) => outline.extend_from_slice(text.as_bytes()),
            Part::Data(data) => {
                outline.push(0);
                quoted.push(data.quote);
            }
        }
    }
    let mut made = Made::default();
    if quoted.is_empty() {
        made.text = outline;
        return made.script();
    }
    let places = places(&outline, &quoted);
    let spots: Vec<shell::Spot> = places.iter().map(|place| place.spot).collect();
    let lists = match lists {
        Lists::AsArgs => positional::lists(&outline, pieces, &spots),
        Lists::InVariables => None,
    };
    let part = |number| lists.as_ref().and_then(|lists| lists.part(number));
    let mut at = places.into_iter().zip(spots);
    for (number, (piece, from)) in pieces.all.iter().zip(&pieces.from).enumerate() {
        match piece {
            Part::Code(_) if part(number).is_some() => {}
            Part::Code(text) => made.text.extend_from_slice(text.as_bytes()),
            Part::Data(data) => {
                let Some((place, spot)) = at.next() else {
                    break; // there is a place for each value
                };
                if let Some(problem) = place.refused {
                    return Err(problem.at(from.clone()));
                }
                if let Some(part) = part(number) {
                    let put = made.argument(&data.bytes, part);
                    put.map_err(|problem| problem.at(from.clone()))?;
                    continue;
                }
                let bytes = match spot.how {
                    How::Bare => data.bytes.clone(),
                    _ => data.written(),
                };
                let put = made.value(bytes, data.secret, spot);
                put.map_err(|problem| problem.at(from.clone()))?;
            }
        }
    }
    made.script()
}

#[derive(Default)]
struct Made {
    text: Vec<u8>,
    env: Vec<(String, Vec<u8>)>,
    names: HashMap<Vec<u8>, usize>,
    bytes: usize,
    args: Vec<Vec<u8>>,
    secrets: Vec<Vec<u8>>,
    hidden: HashSet<Vec<u8>>,
    several_words: Vec<Vec<u8>>,
}

impl Made {
    /// An item of a long list; `"$@"` stands for all of them.
    fn argument(&mut self, bytes: &[u8], part: Item) -> Result<(), Problem> {
        if matches!(part, Item::First { .. }) {
            self.text.extend_from_slice(positional::ALL);
        }
        let (Item::First { new } | Item::Later { new }) = part;
        if new {
            check(bytes)?;
            self.note_words(bytes);
            self.args.push(bytes.to_vec());
        }
        Ok(())
    }

    fn note_words(&mut self, bytes: &[u8]) {
        let room = self.several_words.len() < SEVERAL_WORDS_MAX;
        let known = || self.several_words.iter().any(|known| known == bytes);
        if room && bytes.iter().any(u8::is_ascii_whitespace) && !known() {
            self.several_words.push(bytes.to_vec());
        }
    }

    fn value(&mut self, bytes: Vec<u8>, secret: bool, spot: shell::Spot) -> Result<(), Problem> {
        check(&bytes)?;
        if secret && !bytes.is_empty() && self.hidden.insert(bytes.clone()) {
            self.secrets.push(bytes.clone());
        }
        if spot.how == How::Bare {
            self.note_words(&bytes);
        }
        let reference = format!("${{{}}}", self.name(bytes)?);
        if spot.dollar && self.text.last() == Some(&b'$') {
            self.text.pop();
            self.text.extend_from_slice(b"\\$");
        }
        let written = match spot.how {
            How::Bare => format!("\"{reference}\""),
            How::Single => format!("'\"{reference}\"'"),
            How::Double | How::Comment | How::Refused(_) => reference,
        };
        self.text.extend_from_slice(written.as_bytes());
        Ok(())
    }

    /// The variable that holds this value.
    fn name(&mut self, bytes: Vec<u8>) -> Result<String, Problem> {
        let next = self.env.len() + 1;
        let number = *self.names.entry(bytes.clone()).or_insert(next);
        let name = format!("FLOW_D{number}");
        if number == next {
            self.bytes += bytes.len();
            if self.bytes > VALUES_BYTES_MAX {
                return Err(too_large("all values in a command can be 1 MiB at most"));
            }
            self.env.push((name.clone(), bytes));
        }
        Ok(name)
    }

    fn script(self) -> Result<Script, Problem> {
        if self.text.len() > SCRIPT_BYTES_MAX && !self.env.is_empty() {
            let what = format!(
                "with its {} values this command is longer than 128 KiB, the most that the system takes",
                self.env.len()
            );
            return Err(too_large(what).help(
                "let one command read the list and do nothing else with '$1', '$@', 'set' or 'shift'; or write the list to a file",
            ));
        }
        let text = String::from_utf8(self.text)
            .map_err(|_| Problem::new("not-utf8", "this command is not UTF-8 text"))?;
        Ok(Script {
            text,
            env: self.env,
            args: self.args,
            secrets: self.secrets,
            several_words: self.several_words,
        })
    }
}

fn too_large(what: impl Into<String>) -> Problem {
    Problem::new("too-large", what).help("write it to a file, and name the file")
}

/// Whether a command can be handed this value.
fn check(bytes: &[u8]) -> Result<(), Problem> {
    if bytes.contains(&0) {
        let what = "this value has a NUL character, which no command can be handed";
        return Err(
            Problem::new("nul-character", what).help("write it to a file, and name the file")
        );
    }
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(too_large("a value in a command can be 128 KiB at most"));
    }
    Ok(())
}

/// Why no value can stand there, and what to write instead.
pub(super) fn refusal(why: Why) -> Problem {
    let (message, help) = match why {
        Why::QuotedHere => (
            "the end word of this here-document is quoted, so nothing in it is replaced",
            "write the end word without quotes (`<<EOF`), or pass the value on by `env`",
        ),
        Why::HereWord => (
            "the end word of a here-document has to be written out",
            "write a word such as EOF",
        ),
        Why::DollarQuote => (
            "no value can stand within `$'…'`",
            "end it before the value: `$'…'\"{{ x }}\"`",
        ),
        Why::Arithmetic => (
            "a text from outside can't stand in arithmetic, where the shell would evaluate it",
            "make a number of it: `{{ x | int }}`",
        ),
        Why::Backquotes => (
            "no value can stand within backquotes",
            "write `$( … )` instead of the backquotes",
        ),
        Why::Braces => (
            "no value can stand within `${…}`",
            "give it to a variable first: `v={{ x }}`, and then `${v…}`",
        ),
        Why::Backslash => (
            "no value can stand after a backslash",
            "remove the backslash, or write two for one",
        ),
        Why::Depth => (
            "too many quotes and substitutions stand in each other here",
            "write the script to a file, and hand the value over as an argument",
        ),
        Why::Descriptor => (
            "the shell may evaluate what stands after `>&` and `<&`",
            "make a number of it: `{{ x | int }}`; for a file write `> {{ x }} 2>&1`",
        ),
        Why::Continued => (
            "a backslash at the end of a line before it makes it unclear how the shell reads this value",
            "end the line without a backslash, or join the lines",
        ),
        Why::Subscript => (
            "a text from outside can't stand in a subscript, where the shell would evaluate it",
            "make a number of it: `{{ x | int }}`",
        ),
    };
    Problem::new("no-place-for-data", message).help(help)
}
