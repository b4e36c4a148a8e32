//! What a task handed on, as it is kept for the runs in which it is up to date.

use serde::{Deserialize, Serialize};

use super::results::Outputs;
use crate::expr::{Part, Text, Value};

/// What a task handed on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// What it printed on stdout.
    pub(super) stdout: Vec<u8>,
    outputs: Vec<(String, KeptValue)>,
}

#[derive(Debug, Serialize, Deserialize)]
enum KeptValue {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Its parts, each with whether it is code.
    Text(Vec<(bool, Vec<u8>)>),
    List(Vec<KeptValue>),
    Map(Vec<(String, KeptValue)>),
}

impl Kept {
    /// `None` when there is a secret in it, which is not written down.
    pub(super) fn of(stdout: &[u8], outputs: &Outputs) -> Option<Self> {
        let outputs = outputs
            .iter()
            .map(|(name, value)| Some((name.clone(), KeptValue::of(value)?)));
        Some(Self {
            stdout: stdout.to_vec(),
            outputs: outputs.collect::<Option<_>>()?,
        })
    }

    pub(super) fn outputs(&self) -> Outputs {
        self.outputs
            .iter()
            .map(|(name, value)| (name.clone(), value.value()))
            .collect()
    }
}

impl KeptValue {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::None => Self::None,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Text(text) => {
                let part = |part: &Part| match part {
                    Part::Code(text) => Some((true, text.clone().into_bytes())),
                    Part::Data {
                        bytes,
                        secret: false,
                    } => Some((false, bytes.clone())),
                    Part::Data { secret: true, .. } => None,
                };
                Self::Text(text.parts.iter().map(part).collect::<Option<_>>()?)
            }
            Value::List(items) => Self::List(items.iter().map(Self::of).collect::<Option<_>>()?),
            Value::Map(members) => {
                let member =
                    |(name, value): &(String, Value)| Some((name.clone(), Self::of(value)?));
                Self::Map(members.iter().map(member).collect::<Option<_>>()?)
            }
            Value::Names(_) => return None,
        })
    }

    fn value(&self) -> Value {
        match self {
            Self::None => Value::None,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Text(parts) => {
                let part = |(code, bytes): &(bool, Vec<u8>)| match (
                    code,
                    String::from_utf8(bytes.clone()),
                ) {
                    (true, Ok(text)) => Part::Code(text),
                    _ => Part::Data {
                        bytes: bytes.clone(),
                        secret: false,
                    },
                };
                Value::Text(Text {
                    parts: parts.iter().map(part).collect(),
                })
            }
            Self::List(items) => Value::List(items.iter().map(Self::value).collect()),
            Self::Map(members) => Value::Map(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), value.value()))
                    .collect(),
            ),
        }
    }
}
