//! Values as they are written: data, texts that may be templates, expressions, and where they stand.

use serde::{Deserialize, Serialize};

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

/// A text, which is a template if it has `{{` or `{%`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Text {
    /// As it was written, after YAML's own escapes.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Text {
    /// Whether there is anything to evaluate in it.
    pub fn is_template(&self) -> bool {
        self.text.contains("{{") || self.text.contains("{%")
    }
}

/// An expression, without the braces that may stand around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Expr {
    /// As it was written.
    pub text: String,
    /// Where it stands.
    pub place: Place,
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
