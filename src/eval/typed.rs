//! From what was written or given to values: types, code and data.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::problem;
use crate::expr::{Members, Part, Problem, Text, Value};
use crate::model::language::{Data, Misfit, Param, ParamKind, number};

/// A text from anywhere else.
pub(super) fn data(bytes: Vec<u8>, secret: bool) -> Value {
    Value::Text(Text::from_iter([Part::data(bytes, secret)]))
}

/// What was given from outside: its texts are data and no templates; `data` makes such a text.
pub(super) fn given(value: &Data, data: &impl Fn(Vec<u8>) -> Value) -> Value {
    converted(value, data, &Value::map)
}

/// What stands in the file and is no template.
pub(super) fn written(value: &Data) -> Value {
    let code = |bytes: Vec<u8>| Value::code(String::from_utf8_lossy(&bytes));
    converted(value, &code, &Value::map_of_code)
}

fn converted(
    value: &Data,
    text: &impl Fn(Vec<u8>) -> Value,
    map: &impl Fn(Members) -> Value,
) -> Value {
    match value {
        Data::Null => Value::None,
        Data::Bool(value) => Value::Bool(*value),
        Data::Int(value) => Value::Int(*value),
        Data::Float(value) => Value::Float(*value),
        Data::Number(written) => Value::Number(written.as_str().into()),
        Data::Text(of) => text(of.text.as_bytes().to_vec()),
        Data::List(items) => {
            let items = items.iter().map(|item| converted(item, text, map));
            Value::list(items.collect())
        }
        Data::Map(entries) => {
            let entry =
                |(name, value): &(String, Data)| (name.clone(), converted(value, text, map));
            map(entries.iter().map(entry).collect())
        }
    }
}

/// A value as bytes that tell it from all others, also one that is no text, such as a map.
pub(super) fn encoded(value: &Value) -> Vec<u8> {
    let mut all = Vec::new();
    encode(value, &mut all);
    all
}

fn encode(value: &Value, all: &mut Vec<u8>) {
    let mut add = |kind: u8, bytes: &[u8]| {
        all.push(kind);
        all.extend((bytes.len() as u64).to_le_bytes());
        all.extend_from_slice(bytes);
    };
    match value {
        Value::None => add(b'0', b""),
        Value::Bool(value) => add(b'b', &[u8::from(*value)]),
        Value::Int(_) | Value::Float(_) | Value::Number(_) => {
            add(b'n', &value.bytes().unwrap_or_default());
        }
        Value::Text(text) => add(b't', &text.bytes()),
        Value::List(items) => {
            add(b'l', &(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| encode(item, all));
        }
        Value::Map(members) => {
            add(b'm', &(members.len() as u64).to_le_bytes());
            for (name, value) in members.iter() {
                all.extend((name.len() as u64).to_le_bytes());
                all.extend_from_slice(name.as_bytes());
                encode(value, all);
            }
        }
        Value::Names(_) | Value::Undefined(_) => add(b'?', b""),
    }
}

/// The bytes of a value that is to be one text, with whether it is secret.
pub(super) fn bytes(value: &Value) -> Result<(Vec<u8>, bool), Problem> {
    let mut secret = false;
    let printed = match value {
        Value::Text(text) => {
            let mut all = Vec::new();
            for part in text.parts.iter() {
                match part {
                    Part::Code(text) => all.extend_from_slice(text.as_bytes()),
                    Part::Data(data) => {
                        all.extend_from_slice(&data.bytes);
                        secret |= data.secret;
                    }
                }
            }
            all
        }
        Value::Bool(value) => value.to_string().into_bytes(),
        Value::Int(_) | Value::Float(_) | Value::Number(_) => value.bytes()?,
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
        Value::Undefined(problem) => return Err((**problem).clone()),
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

/// A value as a pattern of files, in which what comes from outside stands for itself.
pub(super) fn pattern(value: &Value) -> Result<String, Problem> {
    let bytes = match value {
        Value::Text(text) => text.pattern(),
        other => bytes(other)?.0,
    };
    String::from_utf8(bytes).map_err(|_| problem("not-utf8", "a pattern is not UTF-8", None))
}

/// A value as a path.
pub(super) fn path(value: &Value) -> Result<PathBuf, Problem> {
    Ok(PathBuf::from(OsString::from_vec(bytes(value)?.0)))
}

/// A param's value as its type, which it may have: wherever it comes from.
pub(super) fn as_param(value: Value, param: &Param, called_in: &Path) -> Result<Value, Problem> {
    let value = of_kind(value, param)?;
    let items = match &value {
        Value::List(items) => &items[..],
        one => std::slice::from_ref(one),
    };
    if !param.allowed.is_empty() || param.pattern.is_some() {
        let texts: Vec<String> = items.iter().map(text).collect::<Result<_, _>>()?;
        let check = param.check(texts.iter().map(String::as_str));
        check.map_err(|misfit| wrong(param, misfit))?;
    }
    match param.kind {
        ParamKind::Path => absolute(value, called_in),
        _ => Ok(value),
    }
}

fn of_kind(value: Value, param: &Param) -> Result<Value, Problem> {
    let kind = param.kind;
    let other = |shown: &str| wrong(param, param.other_type(shown));
    Ok(match (&value, kind) {
        (Value::Text(_), ParamKind::String | ParamKind::Path)
        | (Value::Int(_), ParamKind::Int | ParamKind::Float)
        | (Value::Float(_) | Value::Number(_), ParamKind::Float)
        | (Value::Bool(_), ParamKind::Bool)
        | (Value::List(_), ParamKind::List)
        | (Value::Map(_), ParamKind::Map) => value,
        (Value::Number(written), ParamKind::Int) if number::is_whole(written) => value,
        (
            Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Number(_) | Value::Bool(_),
            ParamKind::List,
        ) => Value::list(vec![value]),
        (
            Value::Int(_) | Value::Float(_) | Value::Number(_) | Value::Bool(_),
            ParamKind::String | ParamKind::Path,
        ) => Value::code(text(&value)?),
        (Value::Text(_), _) => {
            let text = text(&value)?;
            let read = kind
                .of_text(&text)
                .ok_or_else(|| other(&format!("{text:?}")))?;
            given(&read, &|bytes| data(bytes, false))
        }
        (Value::Undefined(problem), _) => return Err((**problem).clone()),
        (Value::List(_) | Value::Map(_) | Value::None | Value::Names(_), _) => {
            return Err(other(value.kind()));
        }
        _ => return Err(other(&format!("{:?}", text(&value)?))),
    })
}

fn text(value: &Value) -> Result<String, Problem> {
    Ok(String::from_utf8_lossy(&bytes(value)?.0).into_owned())
}

fn absolute(value: Value, called_in: &Path) -> Result<Value, Problem> {
    let path = path(&value)?;
    if path.is_absolute() {
        return Ok(value);
    }
    let (_, secret) = bytes(&value)?;
    let joined = called_in.join(path).into_os_string().into_vec();
    Ok(match value {
        Value::Text(text) if matches!(&text.parts[..], [Part::Code(_)]) => {
            Value::code(String::from_utf8_lossy(&joined))
        }
        _ => data(joined, secret),
    })
}

fn wrong(param: &Param, misfit: Misfit) -> Problem {
    let message = format!("the param '{}': {}", param.name, misfit.what);
    problem(
        "wrong-param",
        message,
        Some(misfit.help).filter(|help| !help.is_empty()),
    )
}
