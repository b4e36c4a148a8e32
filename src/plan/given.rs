//! `NAME=VALUE` on the command line: whose name it is, and the value as its type.
//!
//! It sets the name in the root file's vars and in every task of the run that declares it. A value is data: it is read
//! as the type that the name has, never as a template.

use super::Refused;
use crate::model::language::{Data, Param, ParamKind, Place, Task, Text, Var, VarValue, Workflow};
use crate::model::listed::listed;

/// The names and their values, in the order given; a name that is repeated makes a list.
pub(super) type Values = [(String, String)];

/// The type that a name has.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Param(&'a Param),
    Var(&'a Var),
}

/// The values that are set for the vars of the root file.
pub(super) fn of_root(
    workflow: &Workflow,
    values: &Values,
) -> Result<Vec<(String, Data)>, Refused> {
    let vars = workflow.files.first().map_or(&[][..], |file| &file.vars);
    read(values, |name| {
        vars.iter().find(|var| var.name == name).map(Kind::Var)
    })
}

/// The values that are set for a task.
pub(super) fn of_task(task: &Task, values: &Values) -> Result<Vec<(String, Data)>, Refused> {
    read(values, |name| {
        let param = task.params.iter().find(|param| param.name == name);
        let var = task.vars.iter().find(|var| var.name == name);
        param.map(Kind::Param).or(var.map(Kind::Var))
    })
}

fn read<'a>(
    values: &Values,
    kind_of: impl Fn(&str) -> Option<Kind<'a>>,
) -> Result<Vec<(String, Data)>, Refused> {
    let mut read: Vec<(String, Data)> = Vec::new();
    for (name, _) in values {
        if read.iter().any(|(known, _)| known == name) {
            continue;
        }
        if let Some(kind) = kind_of(name) {
            let all = values.iter().filter(|(other, _)| other == name);
            let texts: Vec<&str> = all.map(|(_, text)| text.as_str()).collect();
            read.push((name.clone(), typed(name, kind, &texts)?));
        }
    }
    Ok(read)
}

fn typed(name: &str, kind: Kind<'_>, texts: &[&str]) -> Result<Data, Refused> {
    let wanted = match kind {
        Kind::Param(param) => param.kind,
        Kind::Var(var) => kind_in_file(&var.value),
    };
    let value = match (wanted, texts) {
        (ParamKind::List, [text]) => from_json(text).unwrap_or_else(|| vec_of(&[*text])),
        (ParamKind::List, texts) => vec_of(texts),
        (_, [text]) => one(wanted, text).ok_or_else(|| wrong(name, wanted, text, kind))?,
        (_, texts) => {
            return Err(Refused::Value {
                name: name.to_owned(),
                what: format!("it is given {} times, and is no list", texts.len()),
                help: "give it once, or make its type a list".to_owned(),
            });
        }
    };
    match kind {
        Kind::Param(param) => checked(param, value, texts),
        Kind::Var(_) => Ok(value),
    }
}

/// A var keeps the type it has in the file; what is only known later is a text.
const fn kind_in_file(value: &VarValue) -> ParamKind {
    match value {
        VarValue::Data(Data::Int(_)) => ParamKind::Int,
        VarValue::Data(Data::Float(_)) => ParamKind::Float,
        VarValue::Data(Data::Bool(_)) => ParamKind::Bool,
        VarValue::Data(Data::List(_)) => ParamKind::List,
        _ => ParamKind::String,
    }
}

fn one(kind: ParamKind, text: &str) -> Option<Data> {
    Some(match kind {
        ParamKind::Int => Data::Int(text.parse().ok()?),
        ParamKind::Float => Data::Float(text.parse().ok().filter(|value: &f64| value.is_finite())?),
        ParamKind::Bool => Data::Bool(text.parse().ok()?),
        ParamKind::String | ParamKind::Path => plain(text),
        ParamKind::List => vec_of(&[text]),
    })
}

fn plain(text: &str) -> Data {
    Data::Text(Text {
        text: text.to_owned(),
        place: Place::default(),
    })
}

fn vec_of(texts: &[&str]) -> Data {
    Data::List(texts.iter().map(|text| plain(text)).collect())
}

fn from_json(text: &str) -> Option<Data> {
    let list: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    Some(Data::List(list.iter().map(data).collect()))
}

fn data(value: &serde_json::Value) -> Data {
    match value {
        serde_json::Value::Null => Data::Null,
        serde_json::Value::Bool(value) => Data::Bool(*value),
        serde_json::Value::Number(value) => match value.as_i64() {
            Some(value) => Data::Int(value),
            None => Data::Float(value.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => plain(text),
        serde_json::Value::Array(items) => Data::List(items.iter().map(data).collect()),
        serde_json::Value::Object(entries) => {
            let entries = entries.iter();
            Data::Map(
                entries
                    .map(|(name, value)| (name.clone(), data(value)))
                    .collect(),
            )
        }
    }
}

fn wrong(name: &str, wanted: ParamKind, text: &str, kind: Kind<'_>) -> Refused {
    let allowed = match kind {
        Kind::Param(param) => &param.allowed[..],
        Kind::Var(_) => &[],
    };
    let (what, example) = match wanted {
        ParamKind::Int => ("a whole number", "8080"),
        ParamKind::Float => ("a number", "0.5"),
        ParamKind::Bool => ("true or false", "true"),
        _ => ("a text", "text"),
    };
    Refused::Value {
        name: name.to_owned(),
        what: format!("it is {what}, and {text:?} is not"),
        help: match allowed {
            [] => format!("write {name}={example}"),
            all => format!("write one of {}", listed(all.iter().map(text_of))),
        },
    }
}

fn checked(param: &Param, value: Data, texts: &[&str]) -> Result<Data, Refused> {
    let items = match &value {
        Data::List(items) => &items[..],
        one => std::slice::from_ref(one),
    };
    if !param.allowed.is_empty()
        && let Some(other) = items
            .iter()
            .find(|item| !param.allowed.iter().any(|allowed| same(allowed, item)))
    {
        let allowed: Vec<String> = param.allowed.iter().map(text_of).collect();
        return Err(Refused::Value {
            name: param.name.clone(),
            what: format!("{:?} is none of the values it may have", text_of(other)),
            help: format!("write one of {}", listed(allowed)),
        });
    }
    if let Some(pattern) = &param.pattern
        && let Some(other) = texts.iter().find(|text| !matches_whole(pattern, text))
    {
        return Err(Refused::Value {
            name: param.name.clone(),
            what: format!("{other:?} does not match {pattern}"),
            help: param.desc.clone().unwrap_or_default(),
        });
    }
    Ok(value)
}

fn same(one: &Data, other: &Data) -> bool {
    text_of(one) == text_of(other)
}

/// A value as it is written.
pub(super) fn text_of(value: &Data) -> String {
    match value {
        Data::Null => String::new(),
        Data::Bool(value) => value.to_string(),
        Data::Int(value) => value.to_string(),
        Data::Float(value) => value.to_string(),
        Data::Text(text) => text.text.clone(),
        Data::List(items) => items.iter().map(text_of).collect::<Vec<_>>().join(" "),
        Data::Map(_) => "a map".to_owned(),
    }
}

fn matches_whole(pattern: &str, text: &str) -> bool {
    regex_lite::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(text))
}
