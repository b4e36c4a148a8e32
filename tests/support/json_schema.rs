//! Values against a JSON Schema, by the part of draft 2020-12 that our schemas use.

use serde_json::{Map, Value as Json};

/// What is wrong with a value, by the part of JSON Schema that our schema uses; a keyword beyond that panics.
pub fn wrong(root: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let fits = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" => true,
            "then" | "patternProperties" => true, // with `if`, and with `additionalProperties`
            "additionalProperties" => {
                additional(root, schema, rule, value)?;
                true
            }
            "propertyNames" => {
                for name in value.as_object().into_iter().flat_map(Map::keys) {
                    wrong(root, rule, &Json::from(name.as_str()))?;
                }
                true
            }
            "pattern" => {
                let pattern = rule.as_str().expect("a pattern is text");
                value.as_str().is_none_or(|text| matches(pattern, text))
            }
            "minItems" => value
                .as_array()
                .is_none_or(|all| Some(all.len() as u64) >= rule.as_u64()),
            "maxItems" => value
                .as_array()
                .is_none_or(|all| Some(all.len() as u64) <= rule.as_u64()),
            "dependentRequired" => {
                rule.as_object()
                    .expect("by name")
                    .iter()
                    .all(|(name, needed)| {
                        value.get(name).is_none()
                            || items(needed, |other| field(value, other).is_none()) == 0
                    })
            }
            "minProperties" => size(value).is_none_or(|n| Some(n) >= rule.as_u64()),
            "maxProperties" => size(value).is_none_or(|n| Some(n) <= rule.as_u64()),
            "anyOf" => items(rule, |one| wrong(root, one, value).is_ok()) > 0,
            "allOf" => items(rule, |one| wrong(root, one, value).is_err()) == 0,
            "if" => match (wrong(root, rule, value), schema.get("then")) {
                (Ok(()), Some(then)) => {
                    wrong(root, then, value)?;
                    true
                }
                _ => true,
            },
            "$ref" => {
                let path = rule.as_str().and_then(|path| path.strip_prefix('#'));
                let target = path.and_then(|path| root.pointer(path));
                wrong(root, target.expect("a $ref leads somewhere"), value)?;
                true
            }
            "oneOf" => items(rule, |one| wrong(root, one, value).is_ok()) == 1,
            "not" => wrong(root, rule, value).is_err(),
            "const" => value == rule,
            "enum" => items(rule, |one| one == value) == 1,
            "type" => match rule {
                Json::Array(types) => types
                    .iter()
                    .any(|one| has_type(one.as_str().unwrap_or_default(), value)),
                one => has_type(one.as_str().expect("a type is a word"), value),
            },
            "required" => {
                !value.is_object() || items(rule, |name| field(value, name).is_none()) == 0
            }
            "properties" => {
                for (name, rule) in rule.as_object().expect("properties have names") {
                    if let Some(value) = value.get(name) {
                        wrong(root, rule, value).map_err(|what| format!("{name}: {what}"))?;
                    }
                }
                true
            }
            "items" => value
                .as_array()
                .is_none_or(|values| values.iter().all(|value| wrong(root, rule, value).is_ok())),
            "minimum" => value.as_f64().is_none_or(|n| Some(n) >= rule.as_f64()),
            "maximum" => value.as_f64().is_none_or(|n| Some(n) <= rule.as_f64()),
            "minLength" => length(value).is_none_or(|n| Some(n) >= rule.as_u64()),
            "maxLength" => length(value).is_none_or(|n| Some(n) <= rule.as_u64()),
            other => {
                panic!("the checker doesn't know {other}: add it, or say it with what there is")
            }
        };
        if !fits {
            return Err(format!("{value} breaks {keyword}: {rule}"));
        }
    }
    Ok(())
}

fn items(rule: &Json, fits: impl Fn(&Json) -> bool) -> usize {
    let rules = rule.as_array().expect("a list of rules");
    rules.iter().filter(|one| fits(one)).count()
}

/// The members that neither `properties` nor `patternProperties` know.
fn additional(root: &Json, schema: &Json, rule: &Json, value: &Json) -> Result<(), String> {
    let properties = schema.get("properties").and_then(Json::as_object);
    let patterns = schema.get("patternProperties").and_then(Json::as_object);
    for (name, member) in value.as_object().into_iter().flatten() {
        let by_name = properties.is_some_and(|known| known.contains_key(name));
        let by_pattern =
            patterns.is_some_and(|known| known.keys().any(|pattern| matches(pattern, name)));
        match rule {
            _ if by_name || by_pattern => {}
            Json::Bool(true) => {}
            Json::Bool(false) => return Err(format!("{name} is not known")),
            rule => wrong(root, rule, member).map_err(|what| format!("{name}: {what}"))?,
        }
    }
    Ok(())
}

/// ECMA-262's classes of letters and digits, as far as the pattern engine of the tests has them.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.replace(r"\p{L}\p{N}", r"\w");
    let pattern = regex_lite::Regex::new(&pattern).expect("a pattern of a schema can be read");
    pattern.is_match(text)
}

fn size(value: &Json) -> Option<u64> {
    value.as_object().map(|members| members.len() as u64)
}

fn field<'a>(value: &'a Json, name: &Json) -> Option<&'a Json> {
    value.get(name.as_str().expect("a name is text"))
}

fn length(value: &Json) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn has_type(name: &str, value: &Json) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the checker doesn't know the type {other}"),
    }
}
