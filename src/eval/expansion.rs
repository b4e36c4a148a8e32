//! `$NAME` and `${NAME}` in a value of a dotenv file, as dotenvx and Compose expand them.
//!
//! It knows one value and a way to look names up; it refuses to know where they come from. Nothing is executed: `$(id)` and
//! `` `id` `` stay as they are, and what a name stands for is not looked at again.
//!
//! ```text
//! $NAME ${NAME}                  what NAME is; nothing when it is unset
//! ${NAME:-text} ${NAME-text}     `text` when it is unset or empty; only when it is unset
//! ${NAME:+text} ${NAME+text}     `text` when it is set and not empty; when it is set
//! ${NAME:?text} ${NAME?text}     an error when it is unset or empty; when it is unset
//! \$ $$                          a dollar sign
//! ```

use super::dotenv::Lookup;

/// How deep defaults may stand in each other.
const DEPTH_MAX: usize = 16;
/// How large the values of a file may become, in bytes.
pub(super) const BYTES_MAX: usize = 10_000_000;

/// What can't be expanded, without any value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong, as the end of a sentence about the value.
    pub(super) message: String,
    /// What to write instead.
    pub(super) help: &'static str,
}

/// The value of a text; `double` when it stands in double quotes, where escapes mean something.
pub(super) fn expanded(text: &str, double: bool, lookup: &Lookup<'_>) -> Result<Vec<u8>, Wrong> {
    let mut expansion = Expansion {
        rest: text,
        double,
        lookup,
        depth: 0,
        unused: 0,
    };
    expansion.read_to(None)
}

struct Expansion<'t, 'l> {
    /// What was not read yet.
    rest: &'t str,
    double: bool,
    lookup: &'l Lookup<'l>,
    depth: usize,
    /// In how many defaults it is that are not needed.
    unused: usize,
}

impl<'t> Expansion<'t, '_> {
    /// To the end of the text, or to this letter, which is read too.
    fn read_to(&mut self, end: Option<char>) -> Result<Vec<u8>, Wrong> {
        let mut value = Vec::new();
        while let Some(letter) = self.next() {
            match letter {
                letter if Some(letter) == end => return Ok(value),
                '\\' => self.escape(&mut value),
                '$' => self.dollar(&mut value)?,
                letter => push(&mut value, letter),
            }
            if value.len() > BYTES_MAX {
                return Err(too_large());
            }
        }
        match end {
            None => Ok(value),
            Some(_) => Err(Wrong {
                message: "a `${` in it is never closed".to_owned(),
                help: LITERAL,
            }),
        }
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    /// After a backslash. Outside of quotes it means something before a dollar sign alone.
    fn escape(&mut self, value: &mut Vec<u8>) {
        match self.rest.chars().next() {
            Some(letter) if letter == '$' || self.double => {
                self.next();
                match letter {
                    'n' => value.push(b'\n'),
                    't' => value.push(b'\t'),
                    'r' => value.push(b'\r'),
                    '"' | '\\' | '$' => push(value, letter),
                    _ => {
                        value.push(b'\\');
                        push(value, letter);
                    }
                }
            }
            _ => value.push(b'\\'),
        }
    }

    /// After a dollar sign.
    fn dollar(&mut self, value: &mut Vec<u8>) -> Result<(), Wrong> {
        if let Some(rest) = self.rest.strip_prefix('$') {
            self.rest = rest;
            value.push(b'$');
        } else if let Some(rest) = self.rest.strip_prefix('{') {
            self.rest = rest;
            let inside = self.braced()?;
            value.extend(inside);
        } else {
            match self.name() {
                Some(name) => value.extend((self.lookup)(name).unwrap_or_default()),
                None => value.push(b'$'),
            }
        }
        Ok(())
    }

    /// After `${`.
    fn braced(&mut self) -> Result<Vec<u8>, Wrong> {
        let Some(name) = self.name() else {
            return Err(unreadable());
        };
        let found = (self.lookup)(name);
        if let Some(rest) = self.rest.strip_prefix('}') {
            self.rest = rest;
            return Ok(found.unwrap_or_default());
        }
        let (rest, or_empty) = match self.rest.strip_prefix(':') {
            Some(rest) => (rest, true),
            None => (self.rest, false),
        };
        self.rest = rest;
        let is_there = found
            .as_ref()
            .is_some_and(|found| !(or_empty && found.is_empty()));
        let operator = self.next();
        if !matches!(operator, Some('-' | '+' | '?')) {
            return Err(unreadable());
        }
        let needed = is_there == (operator == Some('+'));
        self.unused += usize::from(!needed);
        let text = self.inner()?;
        self.unused -= usize::from(!needed);
        match (operator, is_there) {
            (Some('?'), false) if self.unused == 0 => Err(Wrong {
                message: format!("it needs {name}, which is not set"),
                help: "set that in the environment, or in a line above",
            }),
            (Some('+'), true) | (Some('-'), false) => Ok(text),
            (Some('+'), false) => Ok(Vec::new()),
            _ => Ok(found.unwrap_or_default()),
        }
    }

    /// The text of a default, to the brace that closes it.
    fn inner(&mut self) -> Result<Vec<u8>, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Wrong {
                message: format!("defaults stand in each other more than {DEPTH_MAX} deep"),
                help: "give the inner ones names of their own",
            });
        }
        let text = self.read_to(Some('}'));
        self.depth -= 1;
        text
    }

    fn name(&mut self) -> Option<&'t str> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let bytes = self.rest.bytes();
        let length = bytes.take_while(|byte| word(*byte)).count();
        let (name, rest) = self.rest.split_at(length);
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        self.rest = rest;
        Some(name)
    }
}

/// How a text is kept as it is.
const LITERAL: &str = "a value in single quotes is not expanded, and \\$ is a dollar sign";

fn unreadable() -> Wrong {
    Wrong {
        message: "a `${` in it is not followed by NAME}, NAME:-text} or the like".to_owned(),
        help: LITERAL,
    }
}

pub(super) fn too_large() -> Wrong {
    Wrong {
        message: format!("with its names expanded it has more than {BYTES_MAX} bytes"),
        help: "a name that stands for itself many times grows fast",
    }
}

fn push(value: &mut Vec<u8>, letter: char) {
    value.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<Vec<u8>> {
        match name {
            "A" => Some(b"a$B".to_vec()),
            "E" => Some(Vec::new()),
            _ => None,
        }
    }

    #[test]
    fn names_stand_for_what_they_are() {
        let cases = [
            ("$A/${A}$", "a$B/a$B$"),
            ("$A_ $N-$E.", " -."),
            (
                "${N:-x y}${N-z}${E:-e}[${E-e}]${A:-n}${A-n}",
                "x yze[]a$Ba$B",
            ),
            ("[${N:+x}${N+x}${E:+x}]${E+y}${A:+y}${A+y}", "[]yyy"),
            ("${A:?no}${E?no}${A:-${N:?no}}", "a$Ba$B"),
            ("${N:-${M:-$A}}}", "a$B}"),
            (
                "$(id) `id` $1 ${N:-$(id)} $$A $",
                "$(id) `id` $1 $(id) $A $",
            ),
            (r"\$A \${A} \A \", r"$A ${A} \A \"),
        ];
        for (text, expected) in cases {
            let value = expanded(text, false, &lookup).expect("it can be expanded");
            assert_eq!(String::from_utf8_lossy(&value), expected, "{text}");
        }
        let escapes = expanded(r#"\n\"\\$A\é\$A"#, true, &lookup).expect("it can be expanded");
        assert_eq!(String::from_utf8_lossy(&escapes), "\n\"\\a$B\\é$A");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in [
            "${", "${A", "${A:-x", "${1}", "${A.b}", "${A:}", "${A@Q}", "${N:?}",
        ] {
            assert!(expanded(text, false, &lookup).is_err(), "{text}");
        }
        assert!(expanded(&"${N:-".repeat(100_000), false, &lookup).is_err());
        let large = |_: &str| Some(vec![b'x'; BYTES_MAX / 2]);
        assert!(expanded("$A$A$A", false, &large).is_err());
    }
}
