//! What a run was given beside the names of tasks, as its first fact says it: `{NAME: VALUE}`, for people and for searching.

use serde_json::{Value, json};

use crate::core::fact::Given;
use crate::model::plan::as_typed_in_line;

/// How it is recorded that these were given; `secret` has the hash of what has a secret in it.
///
/// # Errors
///
/// Those of `secret`.
pub fn of<E>(
    values: &[(String, String)],
    secret: impl Fn(&str) -> Result<Option<String>, E>,
) -> Result<Given, E> {
    let mut given = Given::new();
    for (name, text) in values {
        let value = match secret(text)? {
            Some(hash) => json!({"secret": hash}),
            None => json!(text),
        };
        match given.get_mut(name) {
            None => drop(given.insert(name.clone(), value)),
            Some(Value::Array(several)) => several.push(value),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    Ok(given)
}

/// `NAME=VALUE`, as it would be typed; of a secret `NAME=***` and the beginning of its hash.
pub fn words(given: &Given) -> Vec<String> {
    let mut words = Vec::new();
    for (name, value) in given {
        let values = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        words.extend(values.iter().map(|value| format!("{name}={}", word(value))));
    }
    words
}

/// What was asked for as it would be typed: `deploy to=prod`.
pub fn call(tasks: &str, given: &Given) -> String {
    let words = std::iter::once(tasks.to_owned()).chain(words(given));
    words.collect::<Vec<_>>().join(" ")
}

fn word(value: &Value) -> String {
    match (value.as_str(), value["secret"].as_str()) {
        (Some(text), _) => as_typed_in_line(text),
        (None, Some(hash)) => format!("***{}", hash.get(..4).unwrap_or(hash)),
        // What a later version says in a way of its own.
        (None, None) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_said_as_they_were_typed() {
        let values = [
            ("to", "prod"),
            ("list", "a"),
            ("token", "s3cret"),
            ("list", "b c"),
            ("list", "s3cret"),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secret = |text: &str| -> Result<_, ()> {
            Ok((text == "s3cret").then(|| "0123456789abcdef".to_owned()))
        };
        let given = of(&values, secret).expect("nothing fails");
        assert_eq!(
            json!(given),
            json!({
                "to": "prod", "token": {"secret": "0123456789abcdef"},
                "list": ["a", "b c", {"secret": "0123456789abcdef"}],
            })
        );
        assert_eq!(
            words(&given),
            [
                "list=a",
                "list='b c'",
                "list=***0123",
                "to=prod",
                "token=***0123"
            ]
        );
    }
}
