//! Values as they are written: data, texts that may be templates, expressions, and where they stand.
//!
//! A template is parsed once, when the file is read. What it reads stands beside it from then on, so that nobody searches its text for
//! names.

use std::ops::Deref;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::FileIndex;

/// A place in one of the files, line and column counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: FileIndex,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// The names that a text reads from outside, each with the members read from it as far as they are constants:
/// `["tasks", "build", "outputs"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reads(Option<Box<Paths>>);

/// Behind a pointer, because most texts read nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
struct Paths(Vec<Vec<String>>);

impl Reads {
    /// Each name, with its members.
    pub fn names(&self) -> impl Iterator<Item = (&str, &[String])> {
        let paths = self.0.iter().flat_map(|paths| &paths.0);
        paths.filter_map(|path| {
            let (name, members) = path.split_first()?;
            Some((name.as_str(), members))
        })
    }

    /// Whether such a name, with such members, is among them.
    pub fn any(&self, is_it: impl Fn(&str, &[String]) -> bool) -> bool {
        self.names().any(|(name, members)| is_it(name, members))
    }
}

impl FromIterator<Vec<String>> for Reads {
    fn from_iter<I: IntoIterator<Item = Vec<String>>>(paths: I) -> Self {
        let mut all: Vec<Vec<String>> = paths.into_iter().collect();
        all.sort();
        all.dedup();
        Self((!all.is_empty()).then(|| Box::new(Paths(all))))
    }
}

/// A text, which is a template if it has `{{` or `{%`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    /// As it was written, after YAML's own escapes.
    pub text: Box<str>,
    /// Where it stands.
    pub place: Place,
    /// What it reads; nothing where it is no template.
    pub reads: Reads,
}

impl Text {
    /// One that reads nothing.
    pub fn plain(text: impl Into<Box<str>>, place: Place) -> Self {
        Self {
            text: text.into(),
            place,
            reads: Reads::default(),
        }
    }

    /// Whether there is anything to evaluate in it.
    pub fn is_template(&self) -> bool {
        self.text.contains("{{") || self.text.contains("{%")
    }
}

/// An expression, without the braces that may stand around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expr(pub Text);

impl Deref for Expr {
    type Target = Text;

    fn deref(&self) -> &Text {
        &self.0
    }
}

/// A text as it is stored. Plans are JSON and have many texts that read nothing, so `reads` is left out there; the kept model has
/// no names of fields and always has it.
#[derive(Deserialize)]
struct Stored {
    text: Box<str>,
    place: Place,
    #[serde(default)]
    reads: Reads,
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let has_reads = !serializer.is_human_readable() || self.reads.0.is_some();
        let mut stored = serializer.serialize_struct("Stored", 2 + usize::from(has_reads))?;
        stored.serialize_field("text", &self.text)?;
        stored.serialize_field("place", &self.place)?;
        if has_reads {
            stored.serialize_field("reads", &self.reads)?;
        }
        stored.end()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { text, place, reads } = Stored::deserialize(deserializer)?;
        Ok(Self { text, place, reads })
    }
}

/// A value of any YAML type; the texts in it may be templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Data {
    /// `null`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A number that is written in another way than flow writes it, or that is larger or has more digits than it can count
    /// with: as it was written.
    Number(String),
    /// A text.
    Text(Text),
    /// A list.
    List(Vec<Data>),
    /// A map, in the order written.
    Map(Vec<(String, Data)>),
}

/// A variable of the file's own; not exported to commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Var {
    /// Its name: `[A-Za-z_][A-Za-z0-9_]*`.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// What it is.
    pub value: VarValue,
}

/// What a var is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum VarValue {
    /// A value, which keeps its type.
    Data(Data),
    /// The output of a command, without the newlines at its end.
    Sh(Text),
    /// The value of an expression.
    Ref(Expr),
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnvVar {
    /// Its name: not empty, without `=` and NUL.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// Its value; numbers, `true` and `false` as they were written.
    pub value: Text,
}

/// A value that must never be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name, read as `secrets.NAME`.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// Where it comes from.
    pub from: SecretFrom,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretFrom {
    /// An environment variable.
    Env(String),
    /// A file, relative to the file's folder; without the newline at its end.
    File(Text),
    /// The output of a command, without the newlines at its end.
    Sh(Text),
}
