//! Reading what names stand for: vars, environment variables, dotenv files, secrets, profiles.

use super::keys::Scope;
use super::raw::Owner;
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::number;
use crate::model::language::{
    Data, EnvVar, Expr, Profile, Secret, SecretFrom, Text, Var, VarValue,
};

impl<'w> Reader<'w, '_> {
    /// The entries of a map that must be one.
    pub(super) fn entries(&mut self, at: At, wanted: &str, help: &str) -> Vec<Entry> {
        match self.walk.open(at) {
            Value::Map(entries) => entries,
            Value::Nothing => Vec::new(),
            _ => {
                self.wrong_type(at, wanted, help);
                Vec::new()
            }
        }
    }

    /// A map of vars.
    pub(super) fn vars(&mut self, at: At, owner: &Owner) -> Vec<Var> {
        let entries = self.entries(
            at,
            "'vars' is a map of names and values",
            "write each var as 'name: value'",
        );
        entries
            .iter()
            .filter_map(|entry| self.var(entry, owner))
            .collect()
    }

    /// What another task is called with: the values are read where they stand, so each may read a var of its own name.
    pub(super) fn arguments(&mut self, at: At, owner: &Owner) -> Vec<Var> {
        let help = "write each as 'name: value'";
        let entries = self.entries(at, "'vars' is a map of names and values", help);
        let argument = |entry: &Entry| {
            let name = self.var_name(entry, "a var")?;
            let place = self.place(entry.key);
            let value = self.var_value(entry.value, owner)?;
            Some(Var { name, place, value })
        };
        entries.iter().filter_map(argument).collect()
    }

    fn var(&mut self, entry: &Entry, owner: &Owner) -> Option<Var> {
        let name = self.var_name(entry, "a var")?;
        self.var = Some(name.clone());
        let value = self.var_value(entry.value, owner);
        self.var = None;
        Some(Var {
            place: self.place(entry.key),
            name,
            value: value?,
        })
    }

    /// A name that expressions can read.
    pub(super) fn var_name(&mut self, entry: &Entry, what: &str) -> Option<String> {
        let name = self.name(entry);
        if is_var_name(name) {
            return Some(name.to_owned());
        }
        let message = format!("'{name}' can't be the name of {what}");
        let better: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let help = if is_var_name(&better) && better != name {
            format!("write '{better}': letters, digits and '_'")
        } else {
            "a name has letters, digits and '_', and does not begin with a digit".to_owned()
        };
        self.report(entry.key, Diagnostic::error("var-name", message).help(help));
        None
    }

    fn var_value(&mut self, at: At, owner: &Owner) -> Option<VarValue> {
        let Value::Map(entries) = self.walk.open(at) else {
            return self.data(at, owner).map(VarValue::Data);
        };
        let special = entries
            .iter()
            .find(|entry| matches!(self.name(entry), "sh" | "ref"));
        let Some(special) = special.copied() else {
            return self.data(at, owner).map(VarValue::Data);
        };
        if let Some(other) = entries.iter().find(|entry| entry.key != special.key) {
            let message = format!("a var is made from '{}' alone", self.name(&special));
            let help =
                "remove one of them; for a map with a key of that name, write it with a 'ref'";
            self.report(
                other.key,
                Diagnostic::error("two-values", message).help(help),
            );
            return None;
        }
        if self.name(&special) == "sh" {
            let command = self.script(
                special.value,
                owner,
                "'sh' is a command",
                "write a command whose output is the value",
            )?;
            return Some(VarValue::Sh(command));
        }
        self.expression(special.value, owner, "'ref' is an expression")
            .map(VarValue::Ref)
    }

    /// A value of any type.
    pub(super) fn data(&mut self, at: At, owner: &Owner) -> Option<Data> {
        Some(match self.walk.open(at) {
            Value::Nothing => return None,
            Value::List(items) => {
                let items = items.into_iter().map(|item| self.data(item, owner));
                Data::List(items.collect::<Option<_>>()?)
            }
            Value::Map(entries) => {
                let entry = |entry: &Entry| {
                    self.plain_key(entry)?;
                    Some((self.name(entry).to_owned(), self.data(entry.value, owner)?))
                };
                Data::Map(entries.iter().map(entry).collect::<Option<_>>()?)
            }
            Value::Scalar(scalar) => match self.tree().resolve(at.node) {
                Resolved::Null => Data::Null,
                Resolved::Bool(value) => Data::Bool(value),
                Resolved::Int(_) => Data::number(&scalar.text),
                Resolved::Float(value) => self.float(at, &scalar.text, value)?,
                Resolved::Str => Data::Text(self.checked(at, &scalar.text, owner, false)?),
            },
        })
    }

    /// A key in which nothing is evaluated; a template in one is reported.
    pub(super) fn plain_key(&mut self, entry: &Entry) -> Option<()> {
        let name = self.name(entry);
        if !name.contains("{{") && !name.contains("{%") {
            return Some(());
        }
        let message = "a key is no template";
        let help = "write the key itself, or make the map in an expression: {ref: …}";
        self.report(
            entry.key,
            Diagnostic::error("template-here", message).help(help),
        );
        None
    }

    fn float(&mut self, at: At, text: &str, value: f64) -> Option<Data> {
        if value.is_finite() || number::is_number(text) {
            return Some(Data::number(text));
        }
        let message = "a number is finite, but this is not";
        self.report(
            at,
            Diagnostic::error("not-finite", message).help("put quotes around it if it is a text"),
        );
        None
    }

    /// A map of environment variables.
    pub(super) fn env(&mut self, at: At, owner: &Owner) -> Vec<EnvVar> {
        let help = "write each variable as 'NAME: value'";
        let entries = self.entries(at, "'env' is a map of names and values", help);
        entries
            .iter()
            .filter_map(|entry| self.variable(entry, owner))
            .collect()
    }

    fn variable(&mut self, entry: &Entry, owner: &Owner) -> Option<EnvVar> {
        let name = self.name(entry);
        self.plain_key(entry)?;
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("'{name}' can't be the name of an environment variable");
            let help = "a name is not empty and has no '=' and no NUL";
            self.report(entry.key, Diagnostic::error("env-name", message).help(help));
            return None;
        }
        let help = format!("write '{name}: \"\"' for an empty one");
        let help = if self.is_null(entry.value) {
            &help
        } else {
            "write a text, a number, true or false"
        };
        let value = self.template(
            entry.value,
            owner,
            "an environment variable has one value",
            help,
        )?;
        self.no_shell(entry, &value.text);
        Some(EnvVar {
            name: name.to_owned(),
            place: self.place(entry.key),
            value,
        })
    }

    /// `$NAME` in a value of `env` was meant for a shell, and none reads it.
    fn no_shell(&mut self, entry: &Entry, text: &str) {
        let Some((at, name)) = shell_variable(text) else {
            return;
        };
        let message = format!("no shell reads this: '${name}' stays as it is");
        let warning =
            Diagnostic::warning("no-shell", message).help(format!("write {{{{ env.{name} }}}}"));
        let start = self.locate(entry.value, at);
        let target = self.walk.follow(entry.value);
        self.report_part(target, start..start + 1, warning);
    }

    /// `dotenv`: a file or a list of them.
    pub(super) fn dotenv(&mut self, at: At, owner: &Owner) -> Vec<Text> {
        let items = self.one_or_many(at);
        let file = |item| {
            self.template(
                item,
                owner,
                "'dotenv' has names of files",
                "write a file, or a list of files",
            )
        };
        items.into_iter().filter_map(file).collect()
    }

    /// `secrets`
    pub(super) fn secrets(&mut self, at: At) -> Vec<Secret> {
        let help = "write each secret as 'NAME: {env: VARIABLE}'";
        let entries = self.entries(at, "'secrets' is a map", help);
        entries
            .iter()
            .filter_map(|entry| self.secret(entry))
            .collect()
    }

    fn secret(&mut self, entry: &Entry) -> Option<Secret> {
        let name = self.var_name(entry, "a secret")?;
        let help = "write where it comes from: {env: VARIABLE}, {file: PATH} or {sh: COMMAND}";
        let Value::Map(entries) = self.walk.open(entry.value) else {
            let message = format!("the value of the secret '{name}' can't stand in the file");
            self.report(
                entry.value,
                Diagnostic::error("plain-secret", message).help(help),
            );
            return None;
        };
        let mut from = None;
        for one in &entries {
            let value = match self.name(one) {
                "env" => self
                    .literal(one.value, "'env' is the name of a variable", "write a name")
                    .map(SecretFrom::Env),
                "file" => self
                    .template(one.value, &Owner::File, "'file' is a path", "write a path")
                    .map(SecretFrom::File),
                "sh" => self
                    .script(
                        one.value,
                        &Owner::File,
                        "'sh' is a command",
                        "write a command",
                    )
                    .map(SecretFrom::Sh),
                _ => {
                    self.unknown_key(Scope::Secret, one);
                    continue;
                }
            };
            if from.is_some() {
                let message = format!("the secret '{name}' comes from one place");
                self.report(
                    one.key,
                    Diagnostic::error("two-values", message).help("remove one of them"),
                );
            }
            from = from.or(value);
        }
        if entries.is_empty() {
            self.report(
                entry.value,
                Diagnostic::error(
                    "no-secret",
                    format!("the secret '{name}' comes from nowhere"),
                )
                .help(help),
            );
        }
        Some(Secret {
            place: self.place(entry.key),
            name,
            from: from?,
        })
    }

    /// `profiles`
    pub(super) fn profiles(&mut self, at: At) -> Vec<Profile> {
        let help = "write each profile as 'NAME: {vars: …, env: …}'";
        let entries = self.entries(at, "'profiles' is a map", help);
        entries.iter().map(|entry| self.profile(entry)).collect()
    }

    fn profile(&mut self, entry: &Entry) -> Profile {
        self.plain_key(entry);
        let mut profile = Profile {
            name: self.name(entry).to_owned(),
            place: self.place(entry.key),
            vars: Vec::new(),
            env: Vec::new(),
        };
        let help = "write 'vars' and 'env' in it";
        for one in self.entries(entry.value, "a profile is a map", help) {
            match self.name(&one) {
                "vars" => profile.vars = self.vars(one.value, &Owner::Profile),
                "env" => profile.env = self.env(one.value, &Owner::Profile),
                _ => {
                    self.unknown_key(Scope::Profile, &one);
                }
            }
        }
        profile
    }

    /// An expression, bare or in one `{{ }}`.
    pub(super) fn expression(&mut self, at: At, owner: &Owner, wanted: &str) -> Option<Expr> {
        let text = self.text(at, wanted, "write an expression, such as 'name | upper'")?;
        let checked = crate::expr::check_expression(text);
        self.found_in(at, &checked, owner);
        Some(Expr(Text {
            text: text.into(),
            place: self.place(at),
            reads: super::values::reads(&checked),
        }))
    }
}

/// The first `$NAME` or `${NAME` that stands outside of `{{ }}`, and where.
fn shell_variable(text: &str) -> Option<(usize, &str)> {
    for (at, _) in text.match_indices('$') {
        let rest = text[at + 1..].trim_start_matches('{');
        let letters = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let name = &rest[..letters.count()];
        let before = &text[..at];
        let within = before.matches("{{").count() > before.matches("}}").count();
        if is_var_name(name) && !within {
            return Some((at, name));
        }
    }
    None
}

/// `[A-Za-z_][A-Za-z0-9_]*`
pub(super) fn is_var_name(name: &str) -> bool {
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
