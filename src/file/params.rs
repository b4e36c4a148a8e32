//! Reading the params of a task: typed arguments with defaults.

use super::keys::Scope;
use super::raw::Owner;
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::{Data, Param, ParamKind};

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
        if !value.is_template() {
            return Some(value);
        }
        let help = "write the values out; several params share them by an anchor: 'enum: &names [a, b]', then 'enum: *names'";
        self.template_refused(at, "'enum'", help);
        None
    }

    fn kind(&mut self, at: At) -> Option<ParamKind> {
        let help = "write string, int, float, bool, list, map or path";
        let name = self.text(at, "the type of a param is a word", help)?;
        let found = ParamKind::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind);
        if found.is_none() {
            let near = self.suggest.nearest(
                name,
                ParamKind::ALL.iter().map(|(name, _)| *name).chain([
                    "integer", "boolean", "number", "str", "array", "object", "dict",
                ]),
            );
            let near = near.map(|near| match near {
                "integer" => "int",
                "boolean" => "bool",
                "number" => "float",
                "str" => "string",
                "array" => "list",
                "object" | "dict" => "map",
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
        match param.read(&default) {
            Ok(read) => param.default = Some(read),
            Err(misfit) => {
                let message = format!("the default of '{}': {}", param.name, misfit.what);
                let diagnostic = Diagnostic::error("param-default", message);
                self.report(at, diagnostic.help(misfit.help));
            }
        }
    }
}
