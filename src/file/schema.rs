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
    defs.insert("condition".to_owned(), condition());
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
const SCOPES: [(&str, Scope); 15] = [
    ("stepMap", Scope::Step),
    ("dependency", Scope::Dependency),
    ("loop", Scope::Loop),
    ("check", Scope::Condition),
    ("retry", Scope::Retry),
    ("wait", Scope::Wait),
    ("source", Scope::Source),
    ("lock", Scope::Lock),
    ("task", Scope::Task),
    ("param", Scope::Param),
    ("include", Scope::Include),
    ("secret", Scope::Secret),
    ("profile", Scope::Profile),
    ("defaults", Scope::Defaults),
    ("trigger", Scope::Trigger),
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
        Scope::Dependency => object["required"] = json!(["task"]),
        Scope::Retry => object["required"] = json!(["attempts"]),
        Scope::Wait => object["required"] = json!(["until"]),
        Scope::Lock => object["required"] = json!(["name"]),
        Scope::Source => object["required"] = json!(["optional"]),
        // One action; `then` and `else` are one.
        Scope::Step => {
            let action = |key: &str| json!({"required": [key]});
            object["oneOf"] = ["run", "argv", "task", "then", "parallel", "wait", "set"]
                .map(action)
                .into();
            object["dependentRequired"] = json!({"then": ["if"], "else": ["then"]});
        }
        Scope::Condition => object["oneOf"] = json!([{"required": ["if"]}, {"required": ["sh"]}]),
        Scope::Loop => {
            let source = |key: &str| json!({"required": [key]});
            object["oneOf"] = ["in", "glob", "sh", "range", "matrix"].map(source).into();
        }
        Scope::Trigger => {
            object["required"] = json!(["run"]);
            let when = |key: &str| json!({"required": [key]});
            object["oneOf"] = ["cron", "every", "at", "watch"].map(when).into();
        }
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
        Shape::Patterns => one_or_many(&json!({"type": ["string", "number"]})),
        // No templates: what depends on what is known before anything runs.
        Shape::Names => one_or_many(&json!({"anyOf": [
            {"type": ["string", "number"], "pattern": r"^[^\s{}]+$"},
            {"$ref": "#/$defs/dependency"},
        ]})),
        Shape::Steps => json!({"$ref": "#/$defs/steps"}),
        Shape::Vars => json!({"$ref": "#/$defs/vars"}),
        Shape::Env => json!({"$ref": "#/$defs/env"}),
        Shape::Meta => {
            json!({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}})
        }
        Shape::Any => json!({}),
        Shape::Words => json!({"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/text"}}),
        Shape::TaskName => json!({"type": ["string", "number"], "pattern": r"^[^\s{}]+$"}),
        Shape::StepList => json!({"type": "array", "items": {"$ref": "#/$defs/step"}}),
        Shape::Condition => json!({"$ref": "#/$defs/condition"}),
        Shape::Expression => json!({"anyOf": [{"$ref": "#/$defs/text"}, {"type": "array"}]}),
        Shape::Checks => {
            one_or_many(&json!({"anyOf": [{"$ref": "#/$defs/text"}, {"$ref": "#/$defs/check"}]}))
        }
        Shape::Sources => {
            one_or_many(&json!({"anyOf": [{"$ref": "#/$defs/text"}, {"$ref": "#/$defs/source"}]}))
        }
        Shape::Locks => {
            one_or_many(&json!({"anyOf": [{"$ref": "#/$defs/text"}, {"$ref": "#/$defs/lock"}]}))
        }
        Shape::Duration => duration(),
        Shape::Count(least) => json!({"type": "integer", "minimum": least}),
        Shape::ExitCodes => one_or_many(&json!({"type": "integer", "minimum": 0, "maximum": 255})),
        Shape::Backoff => {
            json!({"anyOf": [{"enum": ["fixed", "linear", "exponential"]}, {"type": "number", "minimum": 1, "maximum": 1000}]})
        }
        Shape::Parallel => {
            json!({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1}]})
        }
        Shape::Retry => {
            json!({"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/retry"}]})
        }
        Shape::Loop => {
            json!({"anyOf": [{"type": "string", "pattern": r"^\s*\{\{"}, {"type": "array"}, {"$ref": "#/$defs/loop"}]})
        }
        Shape::Wait => json!({"anyOf": [duration(), {"$ref": "#/$defs/wait"}]}),
        Shape::Range => {
            json!({"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": ["integer", "string"]}})
        }
        Shape::Axes => {
            json!({"type": "object", "propertyNames": {"pattern": VAR_NAME}, "additionalProperties": {"type": ["array", "string", "number", "boolean"]}})
        }
        Shape::Combinations => one_or_many(&json!({"type": "object"})),
        Shape::Outputs => {
            json!({"type": "object", "propertyNames": {"pattern": VAR_NAME}, "additionalProperties": {"$ref": "#/$defs/text"}})
        }
        Shape::Datas => json!({"type": "object", "propertyNames": {"pattern": VAR_NAME}}),
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
        Scope::Task => json!({"anyOf": [
            {"type": ["string", "boolean"], "pattern": r"\S"},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}},
            whole,
        ]}),
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
        Scope::Trigger => r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
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

/// A command or a map; `true` and `false` are commands.
fn step() -> Value {
    json!({"anyOf": [
        {"type": ["string", "boolean"], "pattern": r"\S"},
        {"$ref": "#/$defs/stepMap"},
    ]})
}

fn condition() -> Value {
    let command = json!({
        "type": "object",
        "properties": {"sh": {"$ref": "#/$defs/text"}},
        "required": ["sh"],
        "additionalProperties": false,
    });
    json!({"anyOf": [{"$ref": "#/$defs/text"}, command]})
}

fn duration() -> Value {
    json!({"type": "string", "pattern": r"^\s*([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d|w)\s*)+$"})
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
