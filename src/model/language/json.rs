//! Values written as JSON on the command line: the order of members and how numbers are written are kept.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::value::Data;

/// How deep lists and maps may stand in each other.
const DEPTH_MAX: usize = 64;

/// The value of a text; why it has none.
pub fn read(text: &str) -> Result<Data, String> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    value(raw, 0)
}

fn value(raw: &RawValue, depth: usize) -> Result<Data, String> {
    if depth > DEPTH_MAX {
        return Err(format!(
            "lists and maps stand in each other more than {DEPTH_MAX} deep"
        ));
    }
    let text = raw.get();
    let wrong = |error: serde_json::Error| error.to_string();
    Ok(match text.as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let items = items.into_iter().map(|item| value(item, depth + 1));
            Data::List(items.collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text).map_err(wrong)?;
            let member = |(name, raw): (String, &RawValue)| Ok((name, value(raw, depth + 1)?));
            let members = members.into_iter().map(member);
            Data::Map(members.collect::<Result<_, String>>()?)
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(text).map_err(wrong)?;
            Data::text(&text)
        }
        Some(b't') => Data::Bool(true),
        Some(b'f') => Data::Bool(false),
        Some(b'n') => Data::Null,
        _ => Data::number(text),
    })
}

/// The members of a map, in order.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !names.insert(name.clone()) {
                        return Err(de::Error::custom(format!("{name:?} stands twice")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_numbers_are_kept() {
        let read =
            read(r#" {"b": [3.10, 1, 18446744073709551615, "x\n"], "a": {"c": null, "d": true}} "#);
        let list = vec![
            Data::Number("3.10".to_owned()),
            Data::Int(1),
            Data::Number("18446744073709551615".to_owned()),
            Data::text("x\n"),
        ];
        let inner = vec![
            ("c".to_owned(), Data::Null),
            ("d".to_owned(), Data::Bool(true)),
        ];
        let expected = vec![
            ("b".to_owned(), Data::List(list)),
            ("a".to_owned(), Data::Map(inner)),
        ];
        assert_eq!(read, Ok(Data::Map(expected)));
    }

    #[test]
    fn what_is_broken_is_refused() {
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        for text in [
            "",
            "[",
            "[1,]",
            "{a: 1}",
            "[1] 2",
            "{\"a\": 1, \"a\": 2}",
            "['a']",
            "01",
            &deep,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
