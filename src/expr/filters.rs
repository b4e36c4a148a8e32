//! The filters: ours, and how minijinja's are called.
//!
//! What a filter makes of a text is data as soon as any text it was given is data. Only `code` makes code of data, and
//! filters that hand a value on as it is (`default`, `first`, `last`, `list`, `join`) leave its pieces as they are.

use sha2::{Digest, Sha256};

use super::eval::{Evaluator, attribute};
use super::filter_docs::FILTERS;
use super::fuel::{Fuel, TEXT_BYTES_MAX};
use super::jinja::{self, Arguments};
use super::text::{Data, Origin, Part, Text, Written, quoted};
use super::{Problem, Value, glob, ops, times, versions};

/// Widths and counts that a filter of minijinja may be given.
const NUMBER_MAX: i64 = 1_000;
/// How large a regular expression may become, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Whether there is such a filter.
pub(super) fn exists(name: &str) -> bool {
    FILTERS.iter().any(|doc| doc.name == name)
}

/// Applies a filter; the value before the `|` is the first argument.
pub(super) fn apply(
    name: &str,
    given: Arguments,
    walk: &mut Evaluator<'_>,
) -> Result<Value, Problem> {
    if !exists(name) {
        return Err(super::check::unknown_filter(name));
    }
    let folder = walk.folder();
    let bared = &mut walk.bared;
    let call = Call {
        name,
        given,
        fuel: &mut walk.fuel,
    };
    match name {
        "code" => call.code(bared),
        "glob" => call.glob(folder.as_deref()),
        _ => call.made(),
    }
}

/// One use of a filter.
struct Call<'c> {
    name: &'c str,
    given: Arguments,
    fuel: &'c mut Fuel,
}

impl Call<'_> {
    fn made(self) -> Result<Value, Problem> {
        match self.name {
            "default" | "d" => self.default(),
            "quote" => self.quote(),
            "first" => self.end(|items| items.first().cloned()),
            "last" => self.end(|items| items.last().cloned()),
            "list" => self.list(),
            "join" => self.join(),
            "map" => self.map(),
            "replace" => self.replace(),
            "basename" => self.text_of(|path| basename(path).to_owned()),
            "dirname" => self.text_of(|path| dirname(path).to_owned()),
            "ext" => self.text_of(|path| ext(path).to_owned()),
            "relative_to" => self.relative_to(),
            "from_json" => self.parsed(|text| {
                serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))
            }),
            "from_yaml" => self.parsed(|text| {
                serde_yaml::from_str(text).map_err(|error| format!("this is not YAML: {error}"))
            }),
            "sha256" => self.sha256(),
            "duration" => self.duration(),
            "date" => self.date(),
            "regex_match" => self.regex_match(),
            "regex_replace" => self.regex_replace(),
            "version_compare" => self.version_compare(),
            _ => self.theirs(),
        }
    }

    fn problem(&self, message: impl std::fmt::Display) -> Problem {
        Problem::new(
            "filter",
            format!("the filter `{}` fails: {message}", self.name),
        )
    }

    fn value(&self) -> Result<Value, Problem> {
        self.argument(0, "value")?
            .ok_or_else(|| self.problem("it needs a value"))
    }

    /// An argument by place or by name.
    fn argument(&self, at: usize, name: &str) -> Result<Option<Value>, Problem> {
        if let Some(value) = self.given.by_place.get(at) {
            return Ok(Some(value.clone()));
        }
        let named = self.given.by_name.iter().find(|(known, _)| known == name);
        Ok(named.map(|(_, value)| value.clone()))
    }

    /// A value as the text that it is written as.
    fn written(&mut self, value: &Value) -> Result<Vec<u8>, Problem> {
        let mut written = Written::default();
        value.print_into(&mut written, self.fuel)?;
        Ok(written.text().bytes())
    }

    fn string(&mut self, value: &Value) -> Result<String, Problem> {
        String::from_utf8(self.written(value)?).map_err(|_| self.problem("the text is not UTF-8"))
    }

    fn subject(&mut self) -> Result<String, Problem> {
        let value = self.value()?;
        self.string(&value)
    }

    fn text_argument(&mut self, at: usize, name: &str) -> Result<Option<String>, Problem> {
        match self.argument(at, name)? {
            Some(value) => self.string(&value).map(Some),
            None => Ok(None),
        }
    }

    fn needed(&mut self, at: usize, name: &str) -> Result<String, Problem> {
        let found = self.text_argument(at, name)?;
        found.ok_or_else(|| self.problem(format!("it needs an argument, the {name}")))
    }

    /// What it makes, from where the arguments are from.
    fn text(&mut self, text: impl Into<Vec<u8>>) -> Result<Value, Problem> {
        let text = text.into();
        self.fuel.text(text.len())?;
        Ok(Value::made(text, self.given.origin(self.fuel)?))
    }

    fn text_of(mut self, change: impl Fn(&str) -> String) -> Result<Value, Problem> {
        let changed = change(&self.subject()?);
        self.text(changed)
    }

    fn default(self) -> Result<Value, Problem> {
        let value = self.value()?;
        let otherwise = self.argument(1, "default_value")?;
        let otherwise = otherwise.unwrap_or_else(|| Value::code(""));
        let also_false = match self.argument(2, "boolean")? {
            Some(yes) => yes.is_true()?,
            None => false,
        };
        let none = match &value {
            Value::Undefined(_) => true,
            other => also_false && !other.is_true()?,
        };
        Ok(if none { otherwise } else { value })
    }

    fn quote(mut self) -> Result<Value, Problem> {
        match self.value()? {
            Value::List(items) => {
                let items = items.iter().map(|item| self.quoted(item));
                Ok(Value::list(items.collect::<Result<_, _>>()?))
            }
            value => self.quoted(&value),
        }
    }

    fn quoted(&mut self, value: &Value) -> Result<Value, Problem> {
        let origin = value.origin(self.fuel)?;
        let bytes = self.written(value)?;
        if !origin.data {
            return self.text(quoted(&bytes));
        }
        let secret = origin.secret;
        let quote = true;
        let data = Data {
            bytes,
            secret,
            quote,
        };
        Ok(Value::Text(Text::from_iter([Part::Data(data)])))
    }

    fn code(mut self, bared: &mut Vec<Vec<u8>>) -> Result<Value, Problem> {
        match self.value()? {
            Value::List(items) => {
                let items = items.iter().map(|item| self.bare(item, bared));
                Ok(Value::list(items.collect::<Result<_, _>>()?))
            }
            value => self.bare(&value, bared),
        }
    }

    fn bare(&mut self, value: &Value, bared: &mut Vec<Vec<u8>>) -> Result<Value, Problem> {
        let secret = value.origin(self.fuel)?.secret;
        let text = self.string(value)?;
        if text.contains('\0') {
            return Err(self.problem("code can't have a NUL byte"));
        }
        if secret {
            bared.push(text.clone().into_bytes());
        }
        Ok(Value::code(text))
    }

    fn end(mut self, choose: impl Fn(&[Value]) -> Option<Value>) -> Result<Value, Problem> {
        match self.value()? {
            Value::List(items) => Ok(choose(&items).unwrap_or_else(|| {
                Value::Undefined(Box::new(Problem::new("unknown-name", "the list is empty")))
            })),
            _ => self.theirs_of(),
        }
    }

    fn list(mut self) -> Result<Value, Problem> {
        match self.value()? {
            list @ Value::List(_) => Ok(list),
            _ => self.theirs_of(),
        }
    }

    fn join(mut self) -> Result<Value, Problem> {
        let items = ops::items(self.value()?)?;
        let between = self
            .argument(1, "joiner")?
            .unwrap_or_else(|| Value::code(""));
        let mut joined = Written::default();
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                between.print_into(&mut joined, self.fuel)?;
            }
            item.print_into(&mut joined, self.fuel)?;
        }
        let joined = joined.text();
        match self.given.origin(self.fuel)?.data {
            false => Ok(Value::Text(joined)),
            true => self.text(joined.bytes()), // one text, so one word
        }
    }

    /// `map('upper')`, `map(attribute='name', default=…)`.
    fn map(mut self) -> Result<Value, Problem> {
        let items = ops::items(self.value()?)?;
        let member = self.text_argument(usize::MAX, "attribute")?;
        if let Some(path) = member {
            let otherwise = self.argument(usize::MAX, "default")?;
            return self.members(&items, &path, otherwise.as_ref());
        }
        let name = self.needed(1, "filter")?;
        if !exists(&name) {
            return Err(super::check::unknown_filter(&name));
        }
        if matches!(name.as_str(), "code" | "glob" | "map") {
            return Err(self.problem(format!("`{name}` is used by itself, not through `map`")));
        }
        let mut made = Vec::new();
        for item in items {
            let mut by_place = vec![item];
            by_place.extend(self.given.by_place.iter().skip(2).cloned());
            let by_name = self.given.by_name.clone();
            let given = Arguments { by_place, by_name };
            let name = &name;
            let fuel = &mut *self.fuel;
            made.push(Call { name, given, fuel }.made()?);
        }
        Ok(Value::list(made))
    }

    fn members(
        &mut self,
        items: &[Value],
        path: &str,
        otherwise: Option<&Value>,
    ) -> Result<Value, Problem> {
        let mut made = Vec::new();
        for item in items {
            let mut value = item.clone();
            for name in path.split('.') {
                value = attribute(&value, name, self.fuel)?;
            }
            made.push(match (value, otherwise) {
                (Value::Undefined(_), Some(otherwise)) => otherwise.clone(),
                (value, _) => value.defined()?,
            });
        }
        Ok(Value::list(made))
    }

    fn replace(mut self) -> Result<Value, Problem> {
        let (text, from, to) = (
            self.subject()?,
            self.needed(1, "old")?,
            self.needed(2, "new")?,
        );
        let times = match from.is_empty() {
            true => text.len() + 1,
            false => text.matches(&from).count(),
        };
        self.fuel
            .text(text.len().saturating_add(times.saturating_mul(to.len())))?;
        self.text(text.replace(&from, &to))
    }

    fn relative_to(mut self) -> Result<Value, Problem> {
        let (path, base) = (self.subject()?, self.needed(1, "folder")?);
        let Some(relative) = relative_to(&path, &base) else {
            return Err(self.problem("one path is absolute and the other is not"));
        };
        self.text(relative)
    }

    fn parsed(
        mut self,
        parse: impl Fn(&str) -> Result<serde_json::Value, String>,
    ) -> Result<Value, Problem> {
        let text = self.subject()?;
        self.fuel.take(text.len() / 4)?;
        let parsed = parse(&text).map_err(|why| self.problem(why))?;
        let origin = self.given.origin(self.fuel)?;
        from_json(parsed, origin).map_err(|why| self.problem(why))
    }

    fn sha256(mut self) -> Result<Value, Problem> {
        let value = self.value()?;
        let bytes = self.written(&value)?;
        let hash = Sha256::digest(&bytes);
        let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.text(text)
    }

    fn glob(mut self, folder: Option<&std::path::Path>) -> Result<Value, Problem> {
        let value = self.value()?;
        let pattern = match &value {
            // What comes from outside is no pattern.
            Value::Text(text) => String::from_utf8(text.pattern())
                .map_err(|_| self.problem("a pattern is UTF-8 text"))?,
            other => self.string(other)?,
        };
        let Some(folder) = folder else {
            return Err(self.problem("there is no folder to look in here"));
        };
        let found = glob::paths(folder, &pattern).map_err(|why| self.problem(why))?;
        self.fuel.take(found.len())?;
        let data = |path| Value::made(path, Origin::DATA);
        Ok(Value::list(found.into_iter().map(data).collect()))
    }

    fn duration(mut self) -> Result<Value, Problem> {
        match self.value()? {
            #[expect(
                clippy::cast_precision_loss,
                reason = "durations are shorter than that"
            )]
            Value::Int(seconds) => self.text(times::written(seconds as f64)),
            Value::Float(seconds) => self.text(times::written(seconds)),
            value => {
                let text = self.string(&value)?;
                let seconds = times::seconds(&text);
                let seconds = seconds.ok_or_else(|| {
                    self.problem("it is no duration such as `90s`, `1h 30m`, `1.5d`")
                })?;
                Ok(whole_if_possible(seconds))
            }
        }
    }

    fn date(mut self) -> Result<Value, Problem> {
        let format = self.text_argument(1, "format")?;
        let zone = self.text_argument(2, "tz")?;
        let when = match self.value()? {
            Value::Int(seconds) => times::When::Seconds(seconds, 0),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "`as` ends at the largest number"
            )]
            Value::Float(seconds) => {
                times::When::Seconds(seconds.floor() as i64, (seconds.fract() * 1e9) as i32)
            }
            value => times::When::Text(self.string(&value)?),
        };
        let made = times::date(&when, format.as_deref(), zone.as_deref());
        let made = made.map_err(|why| self.problem(why))?;
        self.text(made)
    }

    fn regex(&mut self) -> Result<regex_lite::Regex, Problem> {
        let pattern = self.needed(1, "pattern")?;
        let built = regex_lite::RegexBuilder::new(&pattern)
            .size_limit(REGEX_BYTES_MAX)
            .build();
        self.fuel.take(1_000)?;
        built.map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or("it is too large").to_owned();
            self.problem(format!(
                "the pattern is wrong: {}",
                last.trim_start_matches("error: ")
            ))
        })
    }

    fn regex_match(mut self) -> Result<Value, Problem> {
        let (text, regex) = (self.subject()?, self.regex()?);
        self.fuel.text(text.len())?;
        Ok(Value::Bool(regex.is_match(&text)))
    }

    fn regex_replace(mut self) -> Result<Value, Problem> {
        let (text, regex) = (self.subject()?, self.regex()?);
        let to = self.needed(2, "replacement")?;
        let (mut made, mut last) = (String::new(), 0);
        for found in regex.captures_iter(&text) {
            let Some(whole) = found.get(0) else {
                continue; // there always is one
            };
            made.push_str(&text[last..whole.start()]);
            found.expand(&to, &mut made);
            last = whole.end();
            self.fuel.take(1)?;
            if made.len() > TEXT_BYTES_MAX {
                self.fuel.text(made.len())?;
            }
        }
        made.push_str(&text[last..]);
        self.text(made)
    }

    fn version_compare(mut self) -> Result<Value, Problem> {
        let (version, other) = (self.subject()?, self.needed(1, "version")?);
        let op = self.text_argument(2, "operator")?;
        let other = other.trim();
        let (op, other) = match op {
            Some(op) => (op, other),
            None => {
                let rest = other.trim_start_matches(['<', '>', '=', '!']);
                let op = &other[..other.len() - rest.len()];
                (op.to_owned(), rest)
            }
        };
        let order = versions::compare(&version, other);
        Ok(Value::Bool(match op.as_str() {
            "" => return Ok(Value::Int(order as i64)),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            ">=" => order.is_ge(),
            "=" | "==" => order.is_eq(),
            "!=" => order.is_ne(),
            other => return Err(self.problem(format!("`{other}` compares nothing"))),
        }))
    }

    fn theirs(mut self) -> Result<Value, Problem> {
        self.theirs_of()
    }

    /// One of minijinja's, unless what it is asked for could be too large.
    fn theirs_of(&mut self) -> Result<Value, Problem> {
        let values = self.given.by_place.iter().skip(1);
        let named = self.given.by_name.iter().map(|(_, value)| value);
        let numbers = values.chain(named).filter_map(|value| match value {
            Value::Int(number) => Some(*number),
            _ => None,
        });
        let most = match self.name {
            "tojson" => 16,
            "indent" | "batch" | "slice" => NUMBER_MAX,
            "round" => 30,
            _ => i64::MAX,
        };
        if numbers.into_iter().any(|number| number > most) {
            return Err(self.problem(format!("{most} is the largest number it takes")));
        }
        match self.name {
            "indent" => self.indented()?,
            "format" => self.formatted()?,
            "sort" | "unique" | "groupby" | "dictsort" => self.fuel.take(100)?,
            _ => {}
        }
        self.as_text();
        jinja::filter(self.name, &self.given, self.fuel)
    }

    /// For all but those that count, a number is the text that it is written as.
    fn as_text(&mut self) {
        let counts = ["abs", "bool", "float", "int", "round", "tojson"];
        if let Some(value) = self.given.by_place.first_mut()
            && let Value::Number(written) = value
            && !counts.contains(&self.name)
        {
            *value = Value::code(written.to_string());
        }
    }

    fn indented(&mut self) -> Result<(), Problem> {
        let text = self.subject()?;
        let lines = text.split('\n').count();
        let width = match self.argument(1, "width")? {
            Some(Value::Int(width)) => usize::try_from(width).unwrap_or(0),
            _ => 4,
        };
        self.fuel.text(text.len() + lines.saturating_mul(width))
    }

    /// `%99999999d` would be a text of that length.
    fn formatted(&mut self) -> Result<(), Problem> {
        let text = self.subject()?;
        let digits = text
            .as_bytes()
            .windows(5)
            .any(|five| five.iter().all(u8::is_ascii_digit));
        if digits || text.contains('*') {
            return Err(self.problem("a width is written as digits, four at most"));
        }
        Ok(())
    }
}

fn whole_if_possible(number: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and small"
    )]
    if number.fract() == 0.0 && number.abs() < 1e15 {
        Value::Int(number as i64)
    } else {
        Value::Float(number)
    }
}

fn from_json(value: serde_json::Value, origin: Origin) -> Result<Value, String> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::Null => Value::None,
        Json::Bool(yes) => Value::Bool(yes),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::Float(number),
            (None, None) => return Err(format!("{number} is too large")),
        },
        Json::String(text) => Value::made(text.into_bytes(), origin),
        Json::Array(items) => {
            let items = items.into_iter().map(|item| from_json(item, origin));
            Value::list(items.collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let members = members
                .into_iter()
                .map(|(name, value)| from_json(value, origin).map(|value| (name, value)));
            Value::map_named(members.collect::<Result<_, _>>()?, origin)
        }
    })
}

/// The last part of a path.
fn basename(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((_, last)) => last,
        None if trimmed.is_empty() && !path.is_empty() => "/",
        None => trimmed,
    }
}

/// All but the last part of a path.
fn dirname(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder.trim_end_matches('/'),
        None if path.starts_with('/') => "/",
        None => ".",
    }
}

/// What comes after the last point of the last part.
fn ext(path: &str) -> &str {
    match basename(path).rsplit_once('.') {
        Some((stem, ext)) if !stem.is_empty() => ext,
        _ => "",
    }
}

/// The way from a folder to a path, by their texts alone.
fn relative_to(path: &str, base: &str) -> Option<String> {
    if path.starts_with('/') != base.starts_with('/') {
        return None;
    }
    let (path, base) = (parts(path), parts(base));
    let same = path.iter().zip(&base).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", base.len() - same);
    let way: Vec<&str> = up.chain(path[same..].iter().copied()).collect();
    Some(if way.is_empty() {
        ".".to_owned()
    } else {
        way.join("/")
    })
}

fn parts(path: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts
}
