//! Values as they are written down: for runs in which a task is up to date, and for a run that is resumed.
//!
//! They are JSON. `null`, `true`, numbers and lists stand for themselves, and a text for data. `{"code": …}` is a text from the file,
//! `{"parts": […]}` one of both, `{"hex": …}` bytes that are no text, `{"map": [[name, value], …]}` a map,
//! `{"map_of_code": …}` one whose names are from the file, `{"float": …}` a number
//! that JSON has no way to say, `{"number": …}` one that keeps how it is written. Secrets are not written down: `{"secret": true}` stands for one.

use serde_json::{Value as Json, json};

use super::results::Outputs;
use super::typed;
use crate::expr::{Part, Text, Value};
use crate::model::hex;

/// Something that serves again when the run is resumed.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The node that it belongs to.
    pub node: Option<crate::model::id::NodeId>,
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: Json,
}

/// Whether a secret had to be left out.
pub(super) fn has_secret(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().any(has_secret),
        Json::Object(members) => members
            .iter()
            .any(|(name, value)| name == "secret" || has_secret(value)),
        _ => false,
    }
}

/// What is to be written down, with `{"secret": true}` in the place of each text and number that is one.
pub(super) fn without(json: Json, is_secret: &dyn Fn(&str) -> bool) -> Json {
    match json {
        Json::String(text) if is_secret(&text) => secret(),
        Json::Number(number) if is_secret(&number.to_string()) => secret(),
        Json::Array(items) => items
            .into_iter()
            .map(|item| without(item, is_secret))
            .collect(),
        Json::Object(members) => {
            let kept = |(name, value)| (name, without(value, is_secret));
            let members: serde_json::Map<String, Json> = members.into_iter().map(kept).collect();
            // `{"code": …}` and the like are one value.
            match members.values().any(|value| *value == secret()) && members.len() == 1 {
                true => secret(),
                false => Json::Object(members),
            }
        }
        other => other,
    }
}

/// A value that was written down, as programs write it; a secret is hidden.
pub fn plain(kept: &Json) -> Json {
    let text = |part: &Json| match plain(part) {
        Json::String(text) => text,
        other => other.to_string(),
    };
    match kept {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(members) => match members.iter().next() {
            Some((name, value)) => match (name.as_str(), value) {
                ("code" | "float", value) => value.clone(),
                ("hex", Json::String(digits)) => {
                    let bytes = hex::decode(digits).unwrap_or_default();
                    json!(String::from_utf8_lossy(&bytes))
                }
                ("parts", Json::Array(parts)) => json!(parts.iter().map(text).collect::<String>()),
                ("map" | "map_of_code", Json::Array(entries)) => {
                    let entry =
                        |entry: &Json| Some((entry[0].as_str()?.to_owned(), plain(&entry[1])));
                    Json::Object(entries.iter().filter_map(entry).collect())
                }
                ("secret", _) => json!("***"),
                _ => Json::Null,
            },
            None => Json::Null,
        },
        other => other.clone(),
    }
}

pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::None | Value::Names(_) | Value::Undefined(_) => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) if value.is_finite() => json!(value),
        Value::Float(value) => json!({ "float": value.to_string() }),
        Value::Number(written) => json!({ "number": &**written }),
        Value::Text(text) => match &text.parts[..] {
            [] => json!({"code": ""}),
            [part] => of_part(part),
            parts => json!({ "parts": parts.iter().map(of_part).collect::<Vec<_>>() }),
        },
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(members) if members.has_names_of_code() => {
            json!({ "map_of_code": of_outputs(members) })
        }
        Value::Map(members) => json!({ "map": of_outputs(members) }),
    }
}

fn of_part(part: &Part) -> Json {
    match part {
        Part::Code(code) => json!({ "code": code }),
        Part::Data(data) if data.secret => secret(),
        Part::Data(data) => of_bytes(&data.bytes),
    }
}

pub(super) fn secret() -> Json {
    json!({"secret": true})
}

pub(super) fn of_bytes(bytes: &[u8]) -> Json {
    match str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => {
            json!({ "hex": hex::encode(bytes) })
        }
    }
}

/// Names with values, in order.
pub(super) fn of_outputs(outputs: &[(String, Value)]) -> Json {
    outputs
        .iter()
        .map(|(name, value)| json!([name, to_json(value)]))
        .collect()
}

/// The value that is written so; `None` for what nobody has written, and for a secret.
pub(super) fn from_json(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Float(number.as_f64()?),
        },
        Json::String(text) => typed::data(text.clone().into_bytes(), false),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect::<Option<_>>()?),
        Json::Object(members) => {
            let (name, value) = members.iter().next()?;
            match name.as_str() {
                "float" => Value::Float(value.as_str()?.parse().ok()?),
                "number" => Value::Number(value.as_str()?.into()),
                "map" => Value::map(to_outputs(value)?),
                "map_of_code" => Value::map_of_code(to_outputs(value)?),
                "parts" => {
                    let parts = value.as_array()?.iter().map(to_part);
                    Value::Text(parts.collect::<Option<Text>>()?)
                }
                _ => Value::Text(Text::from_iter([to_part(json)?])),
            }
        }
    })
}

fn to_part(json: &Json) -> Option<Part> {
    if let Some(code) = json.get("code") {
        return Some(Part::Code(code.as_str()?.to_owned()));
    }
    Some(Part::data(to_bytes(json)?, false))
}

pub(super) fn to_bytes(json: &Json) -> Option<Vec<u8>> {
    if let Some(text) = json.as_str() {
        return Some(text.as_bytes().to_vec());
    }
    hex::decode(json.get("hex")?.as_str()?)
}

pub(super) fn to_outputs(json: &Json) -> Option<Outputs> {
    let member = |pair: &Json| {
        let name = pair.get(0)?.as_str()?.to_owned();
        Some((name, from_json(pair.get(1)?)?))
    };
    json.as_array()?.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(rng: &mut fastrand::Rng, depth: u32) -> Value {
        let bytes = |rng: &mut fastrand::Rng| -> Vec<u8> {
            (0..rng.usize(0..6)).map(|_| rng.u8(..)).collect()
        };
        let part = |rng: &mut fastrand::Rng| match rng.bool() {
            true => Part::Code("{\"x\" é".repeat(rng.usize(0..2))),
            false => Part::data(bytes(rng), false),
        };
        match rng.u8(0..if depth == 0 { 7 } else { 9 }) {
            0 => Value::None,
            1 => Value::Bool(rng.bool()),
            2 => Value::Int(rng.i64(..)),
            3 => Value::Float([0.5, 3.0, -1e300, f64::INFINITY][rng.usize(0..4)]),
            4 | 5 => Value::Text((0..rng.usize(1..4)).map(|_| part(rng)).collect()),
            6 => Value::Number("3.10".into()),
            7 => Value::list(
                (0..rng.usize(0..3))
                    .map(|_| random(rng, depth - 1))
                    .collect(),
            ),
            _ => [Value::map, Value::map_of_code][rng.usize(0..2)](
                (0..rng.usize(0..3))
                    .map(|number| (format!("m{number}"), random(rng, depth - 1)))
                    .collect(),
            ),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..5000 {
            let value = random(&mut rng, 3);
            let text = to_json(&value).to_string();
            let json: Json = serde_json::from_str(&text).expect("it is JSON");
            assert!(!has_secret(&json), "{text}");
            let read = from_json(&json).expect("it can be read");
            assert_eq!(format!("{value:?}"), format!("{read:?}"), "{text}");
        }
    }

    #[test]
    fn a_secret_is_not_written_down() {
        let value = Value::list(vec![typed::data(b"hush".to_vec(), true)]);
        let json = to_json(&value);
        assert!(!json.to_string().contains("hush") && has_secret(&json));
        assert!(from_json(&json).is_none());
    }
}
