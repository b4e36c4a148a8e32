//! Reading the params of a task: typed arguments with defaults.

use super::keys::Scope;
use super::raw::Owner;
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::{Data, Param, ParamKind};

const KINDS: [(&str, ParamKind); 6] = [
    ("string", ParamKind::String),
    ("int", ParamKind::Int),
    ("float", ParamKind::Float),
    ("bool", ParamKind::Bool),
    ("list", ParamKind::List),
    ("path", ParamKind::Path),
];

impl Reader<'_, '_> {
    /// `params`
    pub(super) fn params(&mut self, at: At, owner: &Owner) -> Vec<Param> {
        let help = "write each param as 'name: string', or with 'type', 'default' and 'desc'";
        let entries = self.entries(at, "'params' is a map from names to types", help);
        entries
            .iter()
            .filter_map(|entry| self.param(entry, owner))
            .collect()
    }

    fn param(&mut self, entry: &Entry, owner: &Owner) -> Option<Param> {
        let mut param = Param {
            name: self.var_name(entry, "a param")?,
            place: self.place(entry.key),
            desc: None,
            kind: ParamKind::String,
            default: None,
            required: false,
            allowed: Vec::new(),
            pattern: None,
        };
        let before = self.found.len();
        let (mut default_at, mut required) = (None, None);
        match self.walk.open(entry.value) {
            Value::Map(entries) => {
                for one in &entries {
                    self.param_field(&mut param, one, owner);
                    match self.name(one) {
                        "default" => default_at = Some(one.value),
                        "required" => required = Some(param.required),
                        _ => {}
                    }
                }
            }
            Value::Nothing => return None,
            Value::Scalar(_) if self.is_null(entry.value) => {}
            // What is no type was meant as a default, as in other tools.
            _ => match self.kind(entry.value) {
                Some(kind) => param.kind = kind,
                None => return Some(param),
            },
        }
        if self.found.len() > before {
            return Some(param);
        }
        if let Some(at) = default_at {
            self.check_default(&mut param, at);
        }
        param.required = required.unwrap_or(param.default.is_none());
        Some(param)
    }

    fn param_field(&mut self, param: &mut Param, entry: &Entry, owner: &Owner) {
        let value = entry.value;
        match self.name(entry) {
            "type" => param.kind = self.kind(value).unwrap_or_default(),
            "default" => param.default = self.data(value, owner),
            "required" => param.required = self.boolean(value, "'required'").unwrap_or_default(),
            "enum" => {
                let items = self.one_or_many(value);
                param.allowed = items
                    .into_iter()
                    .filter_map(|item| self.allowed(item, owner))
                    .collect();
            }
            "pattern" => param.pattern = self.pattern(value),
            "desc" => param.desc = self.desc(value),
            _ => {
                self.unknown_key(Scope::Param, entry);
            }
        }
    }

    /// A value that a param may have, which is written out: it is held against what is given before anything runs.
    fn allowed(&mut self, at: At, owner: &Owner) -> Option<Data> {
        let value = self.data(at, owner)?;
        if !has_template(&value) {
            return Some(value);
        }
        let help = "write the values out; several params share them by an anchor: 'enum: &names [a, b]', then 'enum: *names'";
        self.template_refused(at, "'enum'", help);
        None
    }

    fn kind(&mut self, at: At) -> Option<ParamKind> {
        let help = "write string, int, float, bool, list or path";
        let name = self.text(at, "the type of a param is a word", help)?;
        let found = KINDS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind);
        if found.is_none() {
            let near = self.suggest.nearest(
                name,
                KINDS
                    .iter()
                    .map(|(name, _)| *name)
                    .chain(["integer", "boolean", "number", "str", "array"]),
            );
            let near = near.map(|near| match near {
                "integer" => "int",
                "boolean" => "bool",
                "number" => "float",
                "str" => "string",
                "array" => "list",
                near => near,
            });
            let help = near.map_or(help.to_owned(), |near| {
                format!("did you mean '{near}'? {help}")
            });
            let help = format!("{help}; a default stands in a map: {{default: {name}}}");
            let message = format!("'{name}' is no type of a param");
            self.report(at, Diagnostic::error("param-type", message).help(help));
        }
        found
    }

    fn pattern(&mut self, at: At) -> Option<String> {
        let pattern = self.text(
            at,
            "'pattern' is a regular expression",
            "write one, such as '[0-9]+'",
        )?;
        if pattern.contains("{{") || pattern.contains("{%") {
            let help = "write the regular expression itself";
            self.template_refused(at, "'pattern'", help);
            return None;
        }
        if let Err(error) = regex_lite::Regex::new(pattern) {
            let why = error.to_string();
            let why = why
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            let message = format!("this is no regular expression: {why}");
            self.report(
                at,
                Diagnostic::error("pattern", message)
                    .help("the syntax is that of https://docs.rs/regex"),
            );
            return None;
        }
        Some(pattern.to_owned())
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, at: At, what: &str) -> Option<bool> {
        match (self.walk.open(at), self.tree().resolve(at.node)) {
            (Value::Nothing, _) => None,
            (Value::Scalar(_), Resolved::Bool(value)) => Some(value),
            _ => {
                self.wrong_type(
                    at,
                    &format!("{what} is true or false"),
                    "write true or false, without quotes",
                );
                None
            }
        }
    }

    fn check_default(&mut self, param: &mut Param, at: At) {
        if param.required {
            let message = format!(
                "the param '{}' is required, so its default is never used",
                param.name
            );
            self.report(
                at,
                Diagnostic::error("required-default", message)
                    .help("remove 'required' or 'default'"),
            );
            return;
        }
        let Some(default) = param.default.clone() else {
            return;
        };
        let Some(fitting) = fitting(param.kind, &default) else {
            let message = format!("the default of '{}' does not fit its type", param.name);
            let help = format!(
                "a param of type {} takes {}",
                name_of(param.kind),
                example(param.kind)
            );
            self.report(at, Diagnostic::error("param-default", message).help(help));
            return;
        };
        if !param.allowed.is_empty()
            && !is_template(&fitting)
            && !param.allowed.iter().any(|one| same(one, &fitting))
        {
            let message = format!(
                "the default of '{}' is none of the values it may have",
                param.name
            );
            self.report(
                at,
                Diagnostic::error("param-default", message)
                    .help("add it to 'enum', or write one of those"),
            );
        }
        param.default = Some(fitting);
    }
}

fn has_template(data: &Data) -> bool {
    match data {
        Data::Text(text) => text.is_template(),
        Data::List(items) => items.iter().any(has_template),
        Data::Map(entries) => entries.iter().any(|(_, value)| has_template(value)),
        _ => false,
    }
}

fn is_template(data: &Data) -> bool {
    matches!(data, Data::Text(text) if text.is_template())
}

/// Whether two values are the same, wherever they stand.
fn same(one: &Data, other: &Data) -> bool {
    match (one, other) {
        (Data::Text(one), Data::Text(other)) => one.text == other.text,
        (Data::Text(text), Data::Int(number)) | (Data::Int(number), Data::Text(text)) => {
            text.text == number.to_string()
        }
        (one, other) => one == other,
    }
}

/// The value as it is for a param of this type.
fn fitting(kind: ParamKind, value: &Data) -> Option<Data> {
    Some(match (kind, value) {
        (_, value) if is_template(value) => value.clone(),
        (ParamKind::Int, Data::Int(_))
        | (ParamKind::Float, Data::Float(_))
        | (ParamKind::Bool, Data::Bool(_))
        | (ParamKind::List, Data::List(_))
        | (
            ParamKind::String | ParamKind::Path,
            Data::Text(_) | Data::Int(_) | Data::Float(_) | Data::Bool(_),
        ) => value.clone(),
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number that was written as a whole one"
        )]
        (ParamKind::Float, Data::Int(value)) => Data::Float(*value as f64),
        (ParamKind::List, Data::Text(_) | Data::Int(_) | Data::Float(_) | Data::Bool(_)) => {
            Data::List(vec![value.clone()])
        }
        _ => return None,
    })
}

fn name_of(kind: ParamKind) -> &'static str {
    KINDS
        .iter()
        .find(|(_, known)| *known == kind)
        .map_or("", |(name, _)| name)
}

const fn example(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::String => "a text",
        ParamKind::Int => "a whole number, such as 8080",
        ParamKind::Float => "a number, such as 0.5",
        ParamKind::Bool => "true or false",
        ParamKind::List => "a list, such as [a, b]",
        ParamKind::Path => "a path",
    }
}
