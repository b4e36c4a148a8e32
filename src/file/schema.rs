//! The JSON Schema of a Workflowfile (draft 2020-12), made from the table of keys, for editors and other programs.
//!
//! It says what a schema can say: which keys there are, and what their values look like. That names are there, that
//! expressions can be read, and that nothing goes in a circle, only `flow validate` can say.

use serde_json::{Map, Value, json};

use super::keys::{self, KEYS, Scope, Shape};

/// The names of tasks: parts between colons.
const TASK_NAME: &str = r"^[\p{L}\p{N}_][\p{L}\p{N}_./-]*(:[\p{L}\p{N}_][\p{L}\p{N}_./-]*)*$";
const VAR_NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// The schema of the files that this version reads.
pub fn schema() -> Value {
    let mut defs = Map::new();
    for (name, scope) in SCOPES {
        defs.insert(name.to_owned(), object(scope));
    }
    defs.insert(
        "text".to_owned(),
        json!({"type": ["string", "number", "boolean"]}),
    );
    defs.insert(
        "texts".to_owned(),
        one_or_many(&json!({"$ref": "#/$defs/text"})),
    );
    defs.insert("step".to_owned(), step());
    defs.insert(
        "steps".to_owned(),
        one_or_many(&json!({"$ref": "#/$defs/step"})),
    );
    defs.insert("vars".to_owned(), vars());
    defs.insert("env".to_owned(), env());
    let mut file = object(Scope::File);
    file["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    file["title"] = json!("Workflowfile");
    file["description"] = json!("The tasks of a project, run by flow");
    file["required"] = json!(["tasks"]);
    file["patternProperties"] = json!({r"^(x-|\.)": true});
    file["$defs"] = Value::Object(defs);
    file
}

/// The kinds of maps that have a definition of their own.
const SCOPES: [(&str, Scope); 6] = [
    ("task", Scope::Task),
    ("param", Scope::Param),
    ("include", Scope::Include),
    ("secret", Scope::Secret),
    ("profile", Scope::Profile),
    ("defaults", Scope::Defaults),
];

/// A map with the keys of a scope and no others.
fn object(scope: Scope) -> Value {
    let mut properties = Map::new();
    for key in KEYS
        .iter()
        .filter(|key| key.scope == scope && keys::is_built(key))
    {
        let mut property = key.shape.map_or(json!({}), of_shape);
        property["description"] = json!(key.meaning);
        properties.insert(key.name.to_owned(), property);
    }
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    match scope {
        // It does something, or stands for others.
        Scope::Task => {
            object["anyOf"] = json!([{"required": ["run"]}, {"required": ["depends_on"]}])
        }
        Scope::Include => object["required"] = json!(["file"]),
        Scope::Secret => {
            object["minProperties"] = json!(1);
            object["maxProperties"] = json!(1);
        }
        _ => {}
    }
    object
}

fn of_shape(shape: Shape) -> Value {
    match shape {
        Shape::Version => json!({"const": 1}),
        Shape::Text => json!({"$ref": "#/$defs/text"}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::Texts => json!({"$ref": "#/$defs/texts"}),
        // No templates: what depends on what is known before anything runs.
        Shape::Names => {
            one_or_many(&json!({"type": ["string", "number"], "pattern": r"^[^\s{}]+$"}))
        }
        Shape::Steps => json!({"$ref": "#/$defs/steps"}),
        Shape::Vars => json!({"$ref": "#/$defs/vars"}),
        Shape::Env => json!({"$ref": "#/$defs/env"}),
        Shape::Any => json!({}),
        Shape::Object(scope) => json!({"$ref": format!("#/$defs/{}", name_of(scope))}),
        Shape::Map(scope) => map(scope),
    }
}

fn name_of(scope: Scope) -> &'static str {
    let named = SCOPES.iter().find(|(_, known)| *known == scope);
    named.map_or("task", |(name, _)| name)
}

/// Names with maps of a scope; each may have a short form.
fn map(scope: Scope) -> Value {
    let whole = json!({"$ref": format!("#/$defs/{}", name_of(scope))});
    let item = match scope {
        Scope::Task => json!({"anyOf": [{"$ref": "#/$defs/step"}, whole]}),
        Scope::Include => json!({"anyOf": [{"$ref": "#/$defs/text"}, whole]}),
        Scope::Param => {
            let kind = keys::find(Scope::Param, "type").and_then(|key| key.shape);
            json!({"anyOf": [kind.map_or(json!({}), of_shape), {"type": "null"}, whole]})
        }
        _ => whole,
    };
    let names = match scope {
        Scope::Task => TASK_NAME,
        Scope::Include => r"^[\p{L}\p{N}_][\p{L}\p{N}_./-]*$",
        Scope::Profile => "",
        _ => VAR_NAME,
    };
    let mut map = json!({"type": "object", "additionalProperties": item});
    if !names.is_empty() {
        map["propertyNames"] = json!({"pattern": names});
    }
    if scope == Scope::Task {
        map["minProperties"] = json!(1);
    }
    map
}

fn one_or_many(item: &Value) -> Value {
    json!({"anyOf": [item, {"type": "array", "items": item}]})
}

/// A command; `true` and `false` are two.
fn step() -> Value {
    json!({"type": ["string", "boolean"], "pattern": r"\S"})
}

fn vars() -> Value {
    let alone = |key: &str| json!({"if": {"type": "object", "required": [key]}, "then": {"maxProperties": 1, "properties": {key: {"$ref": "#/$defs/text"}}}});
    json!({
        "type": "object",
        "propertyNames": {"pattern": VAR_NAME},
        "additionalProperties": {"allOf": [alone("sh"), alone("ref")]},
    })
}

fn env() -> Value {
    json!({
        "type": "object",
        "propertyNames": {"pattern": "^[^=]+$"},
        "additionalProperties": {"$ref": "#/$defs/text"},
    })
}
