//! Values as expressions see them, and which parts of a text are code.

use std::sync::Arc;

use super::Problem;

/// A value in an expression.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing. Writing it out is an error.
    None,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A number with how it is written, where that is not how flow writes it; to be counted with only where it is exact.
    Number(String),
    /// A text.
    Text(Text),
    /// A list.
    List(Vec<Value>),
    /// A map, in order.
    Map(Vec<(String, Value)>),
    /// A map whose members are looked up when they are read: `env`, `secrets`, `tasks`.
    Names(Arc<dyn Names>),
    /// A value that can't be had, and why: an error as soon as it is read.
    Unreadable(Box<Problem>),
}

/// A text in parts, each of which is code or data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// In order; no two neighbours are both code.
    pub parts: Vec<Part>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// From a file that the author wrote.
    Code(String),
    /// From anywhere else; may be any bytes but NUL.
    Data {
        /// The bytes.
        bytes: Vec<u8>,
        /// It is a secret, or made from one.
        secret: bool,
    },
}

/// Names that are looked up when they are read.
pub trait Names: std::fmt::Debug + Send + Sync {
    /// The value of this name; `None` when there is no such name.
    fn get(&self, name: &str) -> Result<Option<Value>, Problem>;

    /// The names there are, as far as they are known, for "did you mean".
    fn known(&self) -> Vec<String>;

    /// The folder that the filter `glob` looks in; none where it can't be used.
    fn folder(&self) -> Option<std::path::PathBuf> {
        None
    }

    /// Whether there are secrets at all.
    fn has_secrets(&self) -> bool {
        false
    }

    /// Whether a number, as it is written, was made from a secret.
    fn is_secret(&self, number: &str) -> bool {
        let _ = number;
        false
    }

    /// A secret, or what was made from one, has become what no longer says so: code by `| code`, a number, the name of a member. It
    /// has to be masked still.
    fn bared(&self, secret: &[u8]) {
        let _ = secret;
    }
}

/// The largest text that an expression may make, in bytes.
pub const TEXT_BYTES_MAX: usize = 8 << 20;
/// How deep lists and maps may stand in each other.
pub(super) const DEPTH_MAX: usize = 64;

impl Text {
    /// Code as a text.
    pub fn code(text: impl Into<String>) -> Self {
        let mut made = Self::default();
        made.push(Part::Code(text.into()));
        made
    }

    /// Data as a text.
    pub fn data(bytes: impl Into<Vec<u8>>) -> Self {
        let (bytes, secret) = (bytes.into(), false);
        Self {
            parts: vec![Part::Data { bytes, secret }],
        }
    }

    /// A secret as a text.
    pub fn secret(bytes: impl Into<Vec<u8>>) -> Self {
        let (bytes, secret) = (bytes.into(), true);
        Self {
            parts: vec![Part::Data { bytes, secret }],
        }
    }

    /// Adds a part at the end; code after code is one part, and no code is none.
    pub fn push(&mut self, part: Part) {
        match (self.parts.last_mut(), part) {
            (_, Part::Code(more)) if more.is_empty() => {}
            (Some(Part::Code(before)), Part::Code(more)) => before.push_str(&more),
            (_, part) => self.parts.push(part),
        }
    }

    /// The bytes of all parts.
    pub fn bytes(&self) -> Vec<u8> {
        self.parts.iter().flat_map(Part::bytes).copied().collect()
    }

    /// All parts as a pattern of files, in which only code can be special: data stands for itself.
    pub fn pattern(&self) -> Vec<u8> {
        let part = |part: &Part| match part {
            Part::Code(text) => text.as_bytes().to_vec(),
            Part::Data { bytes, .. } => super::glob::literal(bytes),
        };
        self.parts.iter().flat_map(part).collect()
    }

    /// All parts as one string; an error when that is no UTF-8.
    pub fn string(&self) -> Result<String, Problem> {
        String::from_utf8(self.bytes()).map_err(|_| {
            Problem::new("not-utf8", "this value is not UTF-8 text")
                .help("such bytes can only be passed on to a command, by `env` or in its text")
        })
    }

    /// Whether all of it is code.
    pub fn is_code(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Code(_)))
    }

    fn secrets_into(&self, found: &mut Vec<Vec<u8>>) {
        for part in &self.parts {
            match part {
                Part::Data {
                    bytes,
                    secret: true,
                } if !bytes.is_empty() => found.push(bytes.clone()),
                _ => {}
            }
        }
    }
}

impl Part {
    /// The bytes of this part.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Code(text) => text.as_bytes(),
            Self::Data { bytes, .. } => bytes,
        }
    }
}

impl Value {
    /// A text that is code.
    pub fn code(text: impl Into<String>) -> Self {
        Self::Text(Text::code(text))
    }

    /// A text that is data.
    pub fn data(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Text(Text::data(bytes))
    }

    /// A text that is a secret.
    pub fn secret(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Text(Text::secret(bytes))
    }

    /// What it is, with an article: `a text`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Names(_) => "a map",
            Self::Unreadable(_) => "undefined",
        }
    }

    /// The value as it is written out: numbers as in YAML, the items of a list with spaces between; nothing and a map
    /// can't be.
    pub fn print(&self) -> Result<Text, Problem> {
        let mut text = Text::default();
        self.print_into(&mut text, 0)?;
        Ok(text)
    }

    /// The bytes of the value as it is written out.
    pub fn bytes(&self) -> Result<Vec<u8>, Problem> {
        Ok(self.print()?.bytes())
    }

    /// The value as it is written out, as a string; an error when that is no UTF-8.
    pub fn string(&self) -> Result<String, Problem> {
        self.print()?.string()
    }

    /// Every secret, and everything made from one, that is in it.
    pub fn secrets(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        self.secrets_into(&mut found);
        found
    }

    fn print_into(&self, text: &mut Text, depth: usize) -> Result<(), Problem> {
        match self {
            Self::Unreadable(problem) => return Err((**problem).clone()),
            Self::None | Self::Map(_) | Self::Names(_) => return Err(not_written(self.kind())),
            Self::Bool(yes) => text.push(Part::Code(yes.to_string())),
            Self::Int(number) => text.push(Part::Code(number.to_string())),
            Self::Float(number) => text.push(Part::Code(float(*number))),
            Self::Number(written) => text.push(Part::Code(written.clone())),
            Self::Text(parts) => parts.parts.iter().for_each(|part| text.push(part.clone())),
            Self::List(_) if depth == DEPTH_MAX => return Err(too_deep()),
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        text.push(Part::Code(" ".to_owned()));
                    }
                    item.print_into(text, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn secrets_into(&self, found: &mut Vec<Vec<u8>>) {
        match self {
            Self::Text(text) => text.secrets_into(found),
            Self::List(items) => items.iter().for_each(|item| item.secrets_into(found)),
            Self::Map(members) => members
                .iter()
                .for_each(|(_, member)| member.secrets_into(found)),
            Self::None
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Number(_)
            | Self::Names(_)
            | Self::Unreadable(_) => {}
        }
    }
}

/// A number as YAML writes it: `1.0`, `2.5`, `.inf`.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        ".nan".to_owned()
    } else if number.is_infinite() {
        let sign = if number > 0.0 { "" } else { "-" };
        format!("{sign}.inf")
    } else {
        format!("{number:?}")
    }
}

pub(super) fn not_written(kind: &str) -> Problem {
    let problem = Problem::new("not-a-text", format!("{kind} can't be written as text"));
    problem.help(if kind == "none" {
        "say what to write instead: `{{ x | default('…', true) }}`, or test it with `is none`"
    } else {
        "write a member of it (`x.name`), or all of it with `| tojson`"
    })
}

pub(super) fn too_deep() -> Problem {
    Problem::new(
        "too-large",
        format!("lists and maps stand in each other more than {DEPTH_MAX} deep"),
    )
}
