//! From what was written or given to values: types, code and data.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::problem;
use crate::expr::{Part, Problem, Text, Value};
use crate::model::language::{Data, Param, ParamKind};

/// A text that the author wrote.
pub(super) fn code(text: &str) -> Value {
    Value::Text(Text {
        parts: vec![Part::Code(text.to_owned())],
    })
}

/// A text from anywhere else.
pub(super) fn data(bytes: Vec<u8>, secret: bool) -> Value {
    Value::Text(Text {
        parts: vec![Part::Data { bytes, secret }],
    })
}

/// What was given from outside: its texts are data and no templates; `data` makes such a text.
pub(super) fn given(value: &Data, data: &impl Fn(Vec<u8>) -> Value) -> Value {
    match value {
        Data::Null => Value::None,
        Data::Bool(value) => Value::Bool(*value),
        Data::Int(value) => Value::Int(*value),
        Data::Float(value) => Value::Float(*value),
        Data::Text(text) => data(text.text.clone().into_bytes()),
        Data::List(items) => Value::List(items.iter().map(|item| given(item, data)).collect()),
        Data::Map(entries) => {
            let entries = entries.iter();
            Value::Map(
                entries
                    .map(|(name, value)| (name.clone(), given(value, data)))
                    .collect(),
            )
        }
    }
}

/// The bytes of a value that is to be one text, with whether it is secret.
pub(super) fn bytes(value: &Value) -> Result<(Vec<u8>, bool), Problem> {
    let mut secret = false;
    let printed = match value {
        Value::Text(text) => {
            let mut all = Vec::new();
            for part in &text.parts {
                match part {
                    Part::Code(text) => all.extend_from_slice(text.as_bytes()),
                    Part::Data { bytes, secret: own } => {
                        all.extend_from_slice(bytes);
                        secret |= own;
                    }
                }
            }
            all
        }
        Value::Bool(value) => value.to_string().into_bytes(),
        Value::Int(value) => value.to_string().into_bytes(),
        Value::Float(value) => value.to_string().into_bytes(),
        Value::List(items) => {
            let mut all = Vec::new();
            for (place, item) in items.iter().enumerate() {
                let (bytes, own) = bytes(item)?;
                if place > 0 {
                    all.push(b' ');
                }
                all.extend(bytes);
                secret |= own;
            }
            all
        }
        Value::None => return Err(no_text("nothing", "give it a value, or use `default`")),
        Value::Map(_) | Value::Names(_) => {
            return Err(no_text("a map", "read one member of it, as in map.name"));
        }
    };
    Ok((printed, secret))
}

fn no_text(what: &str, help: &str) -> Problem {
    problem(
        "not-a-text",
        format!("{what} can't be written as text"),
        Some(help.to_owned()),
    )
}

/// A value as a path.
pub(super) fn path(value: &Value) -> Result<PathBuf, Problem> {
    Ok(PathBuf::from(OsString::from_vec(bytes(value)?.0)))
}

/// A param's value as its type.
pub(super) fn as_param(value: Value, param: &Param, called_in: &Path) -> Result<Value, Problem> {
    let text = match (&value, param.kind) {
        (Value::Text(_), _) => String::from_utf8_lossy(&bytes(&value)?.0).into_owned(),
        (Value::Int(_), ParamKind::Int | ParamKind::Float)
        | (Value::Float(_), ParamKind::Float)
        | (Value::Bool(_), ParamKind::Bool)
        | (Value::List(_), ParamKind::List) => return Ok(value),
        _ => return Err(wrong(param, "")),
    };
    let parsed = match param.kind {
        ParamKind::String => Some(value),
        ParamKind::Path => Some(absolute(value, called_in)?),
        ParamKind::Int => text.trim().parse().ok().map(Value::Int),
        ParamKind::Float => text.trim().parse().ok().map(Value::Float),
        ParamKind::Bool => text.trim().parse().ok().map(Value::Bool),
        ParamKind::List => Some(Value::List(vec![value])),
    };
    parsed.ok_or_else(|| wrong(param, &text))
}

fn absolute(value: Value, called_in: &Path) -> Result<Value, Problem> {
    let path = path(&value)?;
    if path.is_absolute() {
        return Ok(value);
    }
    let (_, secret) = bytes(&value)?;
    let joined = called_in.join(path).into_os_string().into_vec();
    Ok(match value {
        Value::Text(Text { parts }) if matches!(&parts[..], [Part::Code(_)]) => {
            code(&String::from_utf8_lossy(&joined))
        }
        _ => data(joined, secret),
    })
}

fn wrong(param: &Param, text: &str) -> Problem {
    let kind = kind_name(param.kind);
    let shown = if text.is_empty() {
        "its value".to_owned()
    } else {
        format!("'{text}'")
    };
    problem(
        "wrong-param",
        format!("the param '{}' is {kind}, and {shown} is not", param.name),
        None,
    )
}

/// What a type is called in a sentence.
fn kind_name(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::String => "a text",
        ParamKind::Int => "a whole number",
        ParamKind::Float => "a number",
        ParamKind::Bool => "true or false",
        ParamKind::List => "a list",
        ParamKind::Path => "a path",
    }
}
