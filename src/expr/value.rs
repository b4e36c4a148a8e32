//! Values of expressions: the same while an expression is evaluated, and before and after it. Lists, maps and texts are shared by
//! their copies.

use std::ops::Deref;
use std::sync::Arc;

use super::Problem;
use super::fuel::Fuel;
use super::text::{Origin, Part, Text, Written};
use crate::model::language::number::{self, Number};

/// A value in an expression.
#[derive(Clone, Debug)]
pub enum Value {
    /// A value that can't be had, and why: there is no such name or member, or it is not known yet. An error when it is used.
    Undefined(Box<Problem>),
    /// Nothing. Writing it out is an error.
    None,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A number with how it is written, where that is not how flow writes it; to be counted with only where it is exact.
    Number(Arc<str>),
    /// A text.
    Text(Text),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map, in order.
    Map(Arc<Map>),
    /// A map whose members are looked up when they are read: `env`, `secrets`, `tasks`.
    Names(Arc<dyn Names>),
}

/// The members of a map, in order.
pub type Members = Vec<(String, Value)>;

/// A map, which knows where its names come from as a text does of its parts: they may become texts too.
#[derive(Clone, Debug)]
pub struct Map {
    members: Members,
    names: Origin,
}

impl Map {
    /// The name of a member as a value.
    pub fn name(&self, name: &str) -> Value {
        Value::made(name.as_bytes().to_vec(), self.names)
    }

    /// Whether its names stand in a file that the author wrote.
    pub const fn has_names_of_code(&self) -> bool {
        !self.names.data
    }
}

impl Deref for Map {
    type Target = [(String, Value)];

    fn deref(&self) -> &Self::Target {
        &self.members
    }
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

/// How deep lists and maps may stand in each other.
pub(super) const DEPTH_MAX: usize = 64;

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

    /// A list.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Arc::new(items))
    }

    /// A map whose names are data.
    pub fn map(members: Members) -> Self {
        Self::map_named(members, Origin::DATA)
    }

    /// A map whose names stand in a file that the author wrote.
    pub fn map_of_code(members: Members) -> Self {
        Self::map_named(members, Origin::default())
    }

    /// A map whose names are of this origin.
    pub(super) fn map_named(members: Members, names: Origin) -> Self {
        Self::Map(Arc::new(Map { members, names }))
    }

    /// A text made from values of this origin.
    pub(super) fn made(bytes: Vec<u8>, origin: Origin) -> Self {
        match (origin.data, origin.secret) {
            (true, true) => Self::secret(bytes),
            (true, false) => Self::data(bytes),
            (false, _) => String::from_utf8(bytes)
                .map_or_else(|error| Self::data(error.into_bytes()), Self::code),
        }
    }

    /// What it is, with an article: `a text`.
    pub fn kind(&self) -> &'static str {
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

    /// The value as it is written out: numbers as in YAML, the items of a list with spaces between; nothing and a map
    /// can't be.
    pub fn print(&self) -> Result<Text, Problem> {
        let mut written = Written::default();
        self.print_into(&mut written, &mut Fuel::default())?;
        Ok(written.text())
    }

    /// The bytes of the value as it is written out.
    pub fn bytes(&self) -> Result<Vec<u8>, Problem> {
        Ok(self.print()?.bytes())
    }

    /// The value as it is written out, as a string; an error when that is no UTF-8.
    pub fn string(&self) -> Result<String, Problem> {
        self.print()?.string()
    }

    /// Whether a secret, or what was made from one, is in it.
    pub fn has_secret(&self) -> bool {
        match self {
            Self::Text(text) => text.parts.iter().any(
                |part| matches!(part, Part::Data(data) if data.secret && !data.bytes.is_empty()),
            ),
            Self::List(items) => items.iter().any(Self::has_secret),
            Self::Map(members) => {
                members.names.secret || members.iter().any(|(_, member)| member.has_secret())
            }
            _ => false,
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
            Self::Text(text) => text.len() > 0,
            Self::List(items) => !items.is_empty(),
            Self::Map(members) => !members.is_empty(),
            Self::Names(_) => true,
        })
    }

    /// The text of a text, as bytes.
    pub(super) fn text_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.bytes()),
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
            Self::Text(text) => origin = text.origin(),
            Self::List(items) => {
                for item in items.iter() {
                    origin = origin.and(item.origin_at(fuel, depth + 1)?);
                }
            }
            Self::Map(members) => {
                origin = members.names.and(Origin::DATA);
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

    /// Adds the value as it is written out.
    pub(super) fn print_into(&self, out: &mut Written, fuel: &mut Fuel) -> Result<(), Problem> {
        self.print_at(out, fuel, 0)
    }

    fn print_at(&self, out: &mut Written, fuel: &mut Fuel, depth: usize) -> Result<(), Problem> {
        match self {
            Self::Undefined(problem) => return Err((**problem).clone()),
            Self::None | Self::Map(_) | Self::Names(_) => return Err(not_written(self.kind())),
            Self::Bool(yes) => out.push(Part::Code(yes.to_string()), fuel)?,
            Self::Int(number) => out.push(Part::Code(number.to_string()), fuel)?,
            Self::Float(number) => out.push(Part::Code(float(*number)), fuel)?,
            Self::Number(written) => out.push(Part::Code(written.to_string()), fuel)?,
            Self::Text(text) => {
                for part in text.parts.iter() {
                    out.push(part.clone(), fuel)?;
                }
            }
            Self::List(_) if depth == DEPTH_MAX => return Err(too_deep()),
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(Part::Code(" ".to_owned()), fuel)?;
                    }
                    item.print_at(out, fuel, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// As a value that leaves the expression: nothing in it is undefined, and what `| quote` asked for is done.
    pub(super) fn finished(self, fuel: &mut Fuel) -> Result<Self, Problem> {
        match self.asks_quotes(fuel, 0)? {
            true => Ok(self.quoted()),
            false => Ok(self),
        }
    }

    fn asks_quotes(&self, fuel: &mut Fuel, depth: usize) -> Result<bool, Problem> {
        fuel.take(1)?;
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let mut asks = false;
        match self {
            Self::Undefined(problem) => return Err((**problem).clone()),
            Self::Text(text) => {
                fuel.text(text.len())?;
                asks = text.asks_quotes();
            }
            Self::List(items) => {
                for item in items.iter() {
                    asks |= item.asks_quotes(fuel, depth + 1)?;
                }
            }
            Self::Map(members) => {
                for (_, member) in members.iter() {
                    asks |= member.asks_quotes(fuel, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(asks)
    }

    fn quoted(&self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.quoted()),
            Self::List(items) => Self::list(items.iter().map(Self::quoted).collect()),
            Self::Map(members) => {
                let member = |(name, member): &(String, Self)| (name.clone(), member.quoted());
                Self::map_named(members.iter().map(member).collect(), members.names)
            }
            other => other.clone(),
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
