//! Values while an expression is evaluated: shared instead of copied, and texts that remember for each piece whether it
//! is code, data or a secret.
//!
//! It turns them into the values of [`super::value`] and back, and knows no syntax and no filter.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::value::{DEPTH_MAX, TEXT_BYTES_MAX, Text, float, not_written, too_deep};
use super::{Names, Part, Problem, Value};
use crate::model::language::number::{self, Number};

/// What one evaluation may do: steps, values and every 64 bytes of text cost one.
const FUEL: u64 = 4_000_000;

/// What is left of the limit on work.
#[derive(Debug)]
pub(super) struct Fuel {
    left: u64,
}

impl Default for Fuel {
    fn default() -> Self {
        Self { left: FUEL }
    }
}

impl Fuel {
    /// Takes some; an error when there is no more.
    pub(super) fn take(&mut self, units: usize) -> Result<(), Problem> {
        let left = u64::try_from(units)
            .ok()
            .and_then(|units| self.left.checked_sub(units));
        self.left = left.ok_or_else(|| {
            Problem::new("too-much-work", "this takes too many steps to evaluate")
                .help("compute it in a step, and read what the step puts out")
        })?;
        Ok(())
    }

    /// Takes what a text of so many bytes costs, which also limits it.
    pub(super) fn text(&mut self, bytes: usize) -> Result<(), Problem> {
        if bytes > TEXT_BYTES_MAX {
            let most = TEXT_BYTES_MAX >> 20;
            return Err(Problem::new(
                "too-large",
                format!("this makes a text of more than {most} MiB"),
            )
            .help("write it to a file in a step, and pass on the name of the file"));
        }
        self.take(1 + bytes / 64)
    }
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Val {
    /// There is no such name or member; says so when it is used.
    Undefined(Box<Problem>),
    /// Nothing.
    None,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A number with how it is written; see [`Val::counted`].
    Number(Rc<str>),
    /// A text.
    Text(Rc<Vec<Piece>>),
    /// A list.
    List(Rc<Vec<Val>>),
    /// A map.
    Map(Rc<Vec<(String, Val)>>),
    /// Members that are looked up when they are read.
    Names(Arc<dyn Names>),
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// From the file.
    Code(String),
    /// From anywhere else.
    Data(Data),
}

/// A piece that is data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Data {
    pub(super) bytes: Vec<u8>,
    pub(super) secret: bool,
    /// `| quote`: to be put in single quotes wherever it does not stand bare in a command.
    pub(super) quote: bool,
}

/// Where a value comes from, as far as a text made from it is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) data: bool,
    pub(super) secret: bool,
}

impl Origin {
    /// From anywhere but the file.
    pub(super) const DATA: Self = Self {
        data: true,
        secret: false,
    };

    /// Of what is made from both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            data: self.data || other.data,
            secret: self.secret || other.secret,
        }
    }
}

impl Data {
    /// The bytes, in single quotes when that was asked for.
    pub(super) fn written(&self) -> Vec<u8> {
        if self.quote {
            quoted(&self.bytes)
        } else {
            self.bytes.clone()
        }
    }
}

/// Bytes as one word in single quotes, as POSIX shells read them, and fish too: a backslash stands outside, since fish takes it for one
/// that quotes.
pub(super) fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut word = vec![b'\''];
    for &byte in bytes {
        match byte {
            b'\'' => word.extend_from_slice(br"'\''"),
            b'\\' => word.extend_from_slice(br"'\\'"),
            other => word.push(other),
        }
    }
    word.push(b'\'');
    word
}

impl Val {
    /// A text from the file.
    pub(super) fn code(text: impl Into<String>) -> Self {
        Self::Text(Rc::new(vec![Piece::Code(text.into())]))
    }

    /// A text made from values of this origin.
    pub(super) fn made(bytes: Vec<u8>, origin: Origin) -> Self {
        let secret = origin.secret;
        let data = |bytes| {
            let quote = false;
            Piece::Data(Data {
                bytes,
                secret,
                quote,
            })
        };
        let piece = match origin.data {
            true => data(bytes),
            false => String::from_utf8(bytes).map_or_else(|e| data(e.into_bytes()), Piece::Code),
        };
        Self::Text(Rc::new(vec![piece]))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    /// What it is, with an article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "undefined",
            Self::None => "none",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Names(_) => "a map",
        }
    }

    /// The value itself, or why there is none.
    pub(super) fn defined(self) -> Result<Self, Problem> {
        match self {
            Self::Undefined(problem) => Err(*problem),
            other => Ok(other),
        }
    }

    /// A number to count with; any other value is itself.
    pub(super) fn counted(&self) -> Result<Self, Problem> {
        let Self::Number(written) = self else {
            return Ok(self.clone());
        };
        match number::exact(written) {
            Some(Number::Int(number)) => Ok(Self::Int(number)),
            Some(Number::Float(number)) => Ok(Self::Float(number)),
            None => Err(Problem::new(
                "number",
                format!("{written} has more digits than a number of 64 bits can hold exactly"),
            )
            .help("it can be used as text; put quotes around it if it is one")),
        }
    }

    /// As `if`, `and`, `or` and `not` in a template see it.
    pub(super) fn is_true(&self) -> Result<bool, Problem> {
        Ok(match self {
            Self::Undefined(problem) => return Err((**problem).clone()),
            Self::None => false,
            Self::Bool(yes) => *yes,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Number(_) => return self.counted()?.is_true(),
            Self::Text(pieces) => pieces.iter().any(|piece| !piece.bytes().is_empty()),
            Self::List(items) => !items.is_empty(),
            Self::Map(members) => !members.is_empty(),
            Self::Names(_) => true,
        })
    }

    /// The text of a text, as bytes.
    pub(super) fn text_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(pieces) => Some(pieces.iter().flat_map(Piece::written).collect()),
            _ => None,
        }
    }

    /// A number as it is written.
    pub(super) fn number(&self) -> Option<String> {
        match self {
            Self::Int(number) => Some(number.to_string()),
            Self::Float(number) => Some(float(*number)),
            Self::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Where the texts in it come from.
    pub(super) fn origin(&self, fuel: &mut Fuel) -> Result<Origin, Problem> {
        self.origin_at(fuel, 0)
    }

    fn origin_at(&self, fuel: &mut Fuel, depth: usize) -> Result<Origin, Problem> {
        fuel.take(1)?;
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let mut origin = Origin::default();
        match self {
            Self::Text(pieces) => {
                for piece in pieces.iter() {
                    origin = origin.and(piece.origin());
                }
            }
            Self::List(items) => {
                for item in items.iter() {
                    origin = origin.and(item.origin_at(fuel, depth + 1)?);
                }
            }
            Self::Map(members) => {
                origin = Origin::DATA; // its keys may be from anywhere
                for (_, member) in members.iter() {
                    origin = origin.and(member.origin_at(fuel, depth + 1)?);
                }
            }
            Self::Names(_) => origin = Origin::DATA,
            Self::Undefined(_)
            | Self::None
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Number(_) => {}
        }
        Ok(origin)
    }

    /// Adds the pieces of the value as it is written out.
    pub(super) fn print(&self, out: &mut Pieces, fuel: &mut Fuel) -> Result<(), Problem> {
        self.print_at(out, fuel, 0)
    }

    fn print_at(&self, out: &mut Pieces, fuel: &mut Fuel, depth: usize) -> Result<(), Problem> {
        match self {
            Self::Undefined(problem) => return Err((**problem).clone()),
            Self::None | Self::Map(_) | Self::Names(_) => return Err(not_written(self.kind())),
            Self::Bool(yes) => out.push(Piece::Code(yes.to_string()), fuel)?,
            Self::Int(number) => out.push(Piece::Code(number.to_string()), fuel)?,
            Self::Float(number) => out.push(Piece::Code(float(*number)), fuel)?,
            Self::Number(written) => out.push(Piece::Code(written.to_string()), fuel)?,
            Self::Text(pieces) => {
                for piece in pieces.iter() {
                    out.push(piece.clone(), fuel)?;
                }
            }
            Self::List(_) if depth == DEPTH_MAX => return Err(too_deep()),
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(Piece::Code(" ".to_owned()), fuel)?;
                    }
                    item.print_at(out, fuel, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// From a value of the scope.
    pub(super) fn from_value(value: Value, fuel: &mut Fuel, depth: usize) -> Result<Self, Problem> {
        fuel.take(1)?;
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        Ok(match value {
            Value::None => Self::None,
            Value::Bool(yes) => Self::Bool(yes),
            Value::Int(number) => Self::Int(number),
            Value::Float(number) => Self::Float(number),
            Value::Number(written) => Self::Number(written.into()),
            Value::Text(text) => {
                let pieces: Vec<Piece> = text.parts.into_iter().map(Piece::from_part).collect();
                fuel.text(pieces.iter().map(|piece| piece.bytes().len()).sum())?;
                Self::Text(Rc::new(pieces))
            }
            Value::List(items) => {
                let item = |item| Self::from_value(item, fuel, depth + 1);
                Self::list(items.into_iter().map(item).collect::<Result<_, _>>()?)
            }
            Value::Map(members) => {
                let member = |(name, member)| {
                    Self::from_value(member, fuel, depth + 1).map(|member| (name, member))
                };
                let members: Result<_, _> = members.into_iter().map(member).collect();
                Self::Map(Rc::new(members?))
            }
            Value::Names(names) => Self::Names(names),
            Value::Unreadable(problem) => Self::Undefined(problem),
        })
    }

    /// As a value that leaves the expression.
    pub(super) fn into_value(self, fuel: &mut Fuel, depth: usize) -> Result<Value, Problem> {
        fuel.take(1)?;
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        Ok(match self {
            Self::Undefined(problem) => return Err(*problem),
            Self::None => Value::None,
            Self::Bool(yes) => Value::Bool(yes),
            Self::Int(number) => Value::Int(number),
            Self::Float(number) => Value::Float(number),
            Self::Number(written) => Value::Number(written.to_string()),
            Self::Text(pieces) => {
                fuel.text(pieces.iter().map(|piece| piece.bytes().len()).sum())?;
                let mut text = Text::default();
                pieces.iter().for_each(|piece| text.push(piece.part()));
                Value::Text(text)
            }
            Self::List(items) => {
                let item = |item: &Self| item.clone().into_value(fuel, depth + 1);
                Value::List(items.iter().map(item).collect::<Result<_, _>>()?)
            }
            Self::Map(members) => {
                let member = |(name, member): &(String, Self)| {
                    let member = member.clone().into_value(fuel, depth + 1);
                    member.map(|member| (name.clone(), member))
                };
                Value::Map(members.iter().map(member).collect::<Result<_, _>>()?)
            }
            Self::Names(names) => Value::Names(names),
        })
    }
}

impl Piece {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Code(text) => text.as_bytes(),
            Self::Data(data) => &data.bytes,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Code(_) => Origin::default(),
            Self::Data(data) => Origin {
                data: true,
                secret: data.secret,
            },
        }
    }

    fn written(&self) -> Vec<u8> {
        match self {
            Self::Code(text) => text.clone().into_bytes(),
            Self::Data(data) => data.written(),
        }
    }

    fn from_part(part: Part) -> Self {
        match part {
            Part::Code(text) => Self::Code(text),
            Part::Data { bytes, secret } => Self::Data(Data {
                bytes,
                secret,
                quote: false,
            }),
        }
    }

    fn part(&self) -> Part {
        match self {
            Self::Code(text) => Part::Code(text.clone()),
            Self::Data(data) => Part::Data {
                bytes: data.written(),
                secret: data.secret,
            },
        }
    }
}

/// Pieces as they are written out, limited.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) all: Vec<Piece>,
    /// For each piece of `all`, the bytes of the template that it was made by.
    pub(super) from: Vec<Range<usize>>,
    /// The bytes of the template that are being written out.
    pub(super) place: Range<usize>,
    bytes: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Piece, fuel: &mut Fuel) -> Result<(), Problem> {
        let more = piece.bytes().len();
        self.bytes += more;
        if self.bytes > TEXT_BYTES_MAX {
            fuel.text(self.bytes)?;
        }
        fuel.text(more)?;
        match (self.all.last_mut(), piece) {
            (_, Piece::Code(text)) if text.is_empty() => {}
            (Some(Piece::Code(before)), Piece::Code(text)) => before.push_str(&text),
            (_, piece) => {
                self.all.push(piece);
                self.from.push(self.place.clone());
            }
        }
        Ok(())
    }
}
