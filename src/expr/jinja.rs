//! All that is asked of minijinja: the syntax tree of a template, and its filters and tests, one call at a time.
//!
//! Evaluating is ours (see [`super::eval`]), because minijinja's values can't say which part of a text is code. What goes
//! through one of its filters is a text like any other, and comes back as data as soon as anything that went in was.

use std::ops::Range;
use std::sync::OnceLock;

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{self, Span, Token};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value as Theirs, ValueKind};
use minijinja::{Environment, Error};

use super::fuel::Fuel;
use super::text::Origin;
use super::value::{DEPTH_MAX, too_deep};
use super::{Problem, Value};

/// The longest template, in bytes.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// The most words and signs in one expression: trees are walked, and dropped, by recursion.
const TOKENS_MAX: usize = 2_000;
/// The most signs before one operand, and the most `elif` in a template: the parser recurses for these without a limit.
const PREFIXES_MAX: usize = 32;
const ELIFS_MAX: usize = 100;

/// Filters of minijinja that are not ours to offer: they would say that data is code, or show what is inside.
const REMOVED_FILTERS: [&str; 4] = ["safe", "e", "escape", "pprint"];
const REMOVED_TESTS: [&str; 2] = ["safe", "escaped"];

/// The environment with the filters and tests that are kept.
fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut made = Environment::new();
        REMOVED_FILTERS
            .iter()
            .for_each(|name| made.remove_filter(name));
        REMOVED_TESTS.iter().for_each(|name| made.remove_test(name));
        made
    })
}

/// The syntax: comments begin with a byte that no template has, so `{#` is text.
fn syntax() -> SyntaxConfig {
    static SYNTAX: OnceLock<SyntaxConfig> = OnceLock::new();
    SYNTAX
        .get_or_init(|| {
            SyntaxConfig::builder()
                .comment_delimiters("{\0#", "#\0}")
                .keep_trailing_newline(true)
                .build()
                .expect("the delimiters differ from each other")
        })
        .clone()
}

/// The tree of a template.
pub(super) fn parse(source: &str) -> Result<Stmt<'_>, Problem> {
    limited(source, false)?;
    machinery::parse(source, "", syntax()).map_err(|error| syntax_error(source, &error))
}

/// The tree of a bare expression.
pub(super) fn parse_expression(source: &str) -> Result<Expr<'_>, Problem> {
    limited(source, true)?;
    // The parser takes a character that begins no token, as in `a && b`, for the end of the expression.
    let mut tokens = machinery::tokenize(source, true, syntax());
    if let Some(error) = tokens.find_map(Result::err) {
        return Err(syntax_error(source, &error));
    }
    machinery::parse_expr(source).map_err(|error| syntax_error(source, &error))
}

/// What has to hold so that neither the parser nor a walk can run out of stack.
fn limited(source: &str, in_expression: bool) -> Result<(), Problem> {
    if let Some(at) = source.find('\0') {
        let problem = Problem::new("syntax", "a template can't have a NUL byte");
        return Err(problem.at(at..at + 1));
    }
    if source.len() > SOURCE_BYTES_MAX {
        let most = SOURCE_BYTES_MAX >> 20;
        let message = format!("this text with `{{{{ }}}}` is longer than {most} MiB");
        return Err(Problem::new("too-large", message).help("put it in a file of its own"));
    }
    if source.len() > PREFIXES_MAX {
        count_tokens(source, in_expression)?;
    }
    Ok(())
}

fn count_tokens(source: &str, in_expression: bool) -> Result<(), Problem> {
    let (mut tokens, mut prefixes, mut elifs) = (0, 0, 0);
    for token in machinery::tokenize(source, in_expression, syntax()) {
        let Ok((token, span)) = token else {
            return Ok(()); // the parser will find it too, and says it better
        };
        let prefix = matches!(token, Token::Minus | Token::Ident("not"));
        prefixes = if prefix { prefixes + 1 } else { 0 };
        elifs += usize::from(matches!(token, Token::Ident("elif")));
        tokens = match token {
            Token::TemplateData(_) => 0,
            Token::VariableStart | Token::BlockStart => 0,
            _ => tokens + 1,
        };
        if tokens > TOKENS_MAX || prefixes > PREFIXES_MAX || elifs > ELIFS_MAX {
            let problem = Problem::new("too-large", "this expression is too long");
            return Err(problem
                .at(range(span))
                .help("compute it in a step, or in several vars"));
        }
    }
    Ok(())
}

/// The bytes that a span means.
pub(super) fn range(span: Span) -> Range<usize> {
    let (start, end) = (span.start_offset as usize, span.end_offset as usize);
    start..end.max(start)
}

fn syntax_error(source: &str, error: &Error) -> Problem {
    let detail = error.detail().unwrap_or("this is not an expression");
    let mut problem = Problem::new("syntax", told(detail));
    let end = source.len();
    problem.span = error
        .range()
        .map(|at| whole_letters(source, at.start.min(end)..at.end.min(end)))
        .or_else(|| line(source, error.line()?));
    problem.help(
        "`{{ … }}` and `{% … %}` are flow's; text with such braces of its own goes in `{% raw %}…{% endraw %}`",
    )
}

/// What is wrong, in words that say what is missing.
fn told(detail: &str) -> String {
    let words = match detail {
        "unexpected end of variable block" => "something is missing before `}}`",
        "unexpected end of string" => "a quote is not closed before `}}`",
        "unexpected end of block" => "something is missing before `%}`",
        detail if detail.starts_with("unexpected end of input, expected end of block") => {
            "a `{% … %}` is not closed by its `{% end… %}`"
        }
        detail if detail.starts_with("unexpected end of input") => "`{{` or `{%` is never closed",
        detail => detail,
    };
    words.to_owned()
}

/// A range widened to whole letters.
fn whole_letters(source: &str, mut at: Range<usize>) -> Range<usize> {
    while !source.is_char_boundary(at.start) {
        at.start -= 1;
    }
    while !source.is_char_boundary(at.end) {
        at.end += 1;
    }
    at
}

/// The bytes of a line, from 1.
fn line(source: &str, number: usize) -> Option<Range<usize>> {
    let line = source.split('\n').nth(number.checked_sub(1)?)?;
    let start = line.as_ptr() as usize - source.as_ptr() as usize;
    Some(start..start + line.len())
}

/// The tests that are kept.
pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// The arguments of a filter or a test.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// By place; the value before the `|` is the first.
    pub(super) by_place: Vec<Value>,
    /// By name.
    pub(super) by_name: Vec<(String, Value)>,
}

impl Arguments {
    /// Where the texts in all of them come from.
    pub(super) fn origin(&self, fuel: &mut Fuel) -> Result<Origin, Problem> {
        let named = self.by_name.iter().map(|(_, value)| value);
        let mut origin = Origin::default();
        for value in self.by_place.iter().chain(named) {
            origin = origin.and(value.origin(fuel)?);
        }
        Ok(origin)
    }

    fn theirs(&self, fuel: &mut Fuel) -> Result<Vec<Theirs>, Problem> {
        let mut all = Vec::new();
        for value in &self.by_place {
            all.push(theirs(value, fuel, 0)?);
        }
        if !self.by_name.is_empty() {
            let mut named = Vec::new();
            for (name, value) in &self.by_name {
                named.push((name.as_str(), theirs(value, fuel, 0)?));
            }
            all.push(Kwargs::from_iter(named).into());
        }
        Ok(all)
    }
}

/// Applies one of minijinja's filters.
pub(super) fn filter(name: &str, given: &Arguments, fuel: &mut Fuel) -> Result<Value, Problem> {
    let origin = given.origin(fuel)?;
    let arguments = given.theirs(fuel)?;
    let made = environment()
        .empty_state()
        .apply_filter(name, &arguments)
        .map_err(|error| failed("filter", name, &error))?;
    ours(&made, origin, fuel, 0)
}

/// Asks one of the tests.
pub(super) fn test(name: &str, given: &Arguments, fuel: &mut Fuel) -> Result<bool, Problem> {
    let arguments = given.theirs(fuel)?;
    environment()
        .empty_state()
        .perform_test(name, &arguments)
        .map_err(|error| failed("test", name, &error))
}

fn failed(what: &str, name: &str, error: &Error) -> Problem {
    let why = error.detail().map_or_else(
        || error.kind().to_string(),
        |detail| detail.trim_end_matches('.').to_owned(),
    );
    Problem::new("filter", format!("the {what} `{name}` fails: {why}"))
}

fn theirs(value: &Value, fuel: &mut Fuel, depth: usize) -> Result<Theirs, Problem> {
    fuel.take(1)?;
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    Ok(match value {
        Value::Undefined(problem) => return Err((**problem).clone()),
        Value::None => Theirs::from(()),
        Value::Bool(yes) => Theirs::from(*yes),
        Value::Int(number) => Theirs::from(*number),
        Value::Float(number) => Theirs::from(*number),
        Value::Number(_) => return theirs(&value.counted()?, fuel, depth),
        Value::Text(_) => {
            let bytes = value.text_bytes().unwrap_or_default();
            fuel.text(bytes.len())?;
            String::from_utf8(bytes)
                .map_or_else(|not| Theirs::from_bytes(not.into_bytes()), Theirs::from)
        }
        Value::List(items) => {
            let item = |item| theirs(item, fuel, depth + 1);
            Theirs::from(items.iter().map(item).collect::<Result<Vec<_>, _>>()?)
        }
        Value::Map(members) => {
            let member = |(name, member): &(String, Value)| {
                theirs(member, fuel, depth + 1).map(|member| (name.clone(), member))
            };
            let members: Result<Vec<_>, _> = members.iter().map(member).collect();
            Theirs::from_pairs(members?)
        }
        Value::Names(_) => return Err(by_name()),
    })
}

/// `env | items` would read, and record, all of it.
pub(super) fn by_name() -> Problem {
    Problem::new("by-name", "the members of this can only be read by name")
        .help("write `env.NAME`, `env['NAME']`, or `'NAME' in env`")
}

fn ours(value: &Theirs, origin: Origin, fuel: &mut Fuel, depth: usize) -> Result<Value, Problem> {
    fuel.take(1)?;
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    Ok(match value.kind() {
        ValueKind::Undefined => Value::Undefined(Box::new(Problem::new(
            "unknown-name",
            "there is no such item",
        ))),
        ValueKind::None => Value::None,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => number(value)?,
        ValueKind::String | ValueKind::Bytes => {
            let bytes = value.as_bytes().unwrap_or_default();
            fuel.text(bytes.len())?;
            Value::made(bytes.to_vec(), origin)
        }
        ValueKind::Seq | ValueKind::Iterable => Value::list(sequence(value, origin, fuel, depth)?),
        ValueKind::Map => map(value, origin, fuel, depth)?,
        _ => {
            let text = value.to_string().into_bytes();
            Value::made(text, origin.and(Origin::DATA))
        }
    })
}

fn sequence(
    value: &Theirs,
    origin: Origin,
    fuel: &mut Fuel,
    depth: usize,
) -> Result<Vec<Value>, Problem> {
    let items = value
        .try_iter()
        .map_err(|error| failed("filter", "list", &error))?;
    items
        .map(|item| ours(&item, origin, fuel, depth + 1))
        .collect()
}

fn map(value: &Theirs, origin: Origin, fuel: &mut Fuel, depth: usize) -> Result<Value, Problem> {
    let keys = value
        .try_iter()
        .map_err(|error| failed("filter", "items", &error))?;
    let mut members = Vec::new();
    for key in keys {
        let member = value
            .get_item(&key)
            .map_err(|error| failed("filter", "items", &error))?;
        members.push((key.to_string(), ours(&member, origin, fuel, depth + 1)?));
    }
    Ok(Value::map_named(members, origin.and(Origin::DATA)))
}

fn number(value: &Theirs) -> Result<Value, Problem> {
    if let Some(number) = value.as_i64().filter(|_| value.is_integer()) {
        return Ok(Value::Int(number));
    }
    if value.is_integer() {
        return Err(Problem::new(
            "number",
            "this number is larger than 64 bits can hold",
        ));
    }
    f64::try_from(value.clone())
        .map(Value::Float)
        .map_err(|_| Problem::new("number", "this is no number"))
}

/// A literal of the template: code.
pub(super) fn literal(value: &Theirs, fuel: &mut Fuel) -> Result<Value, Problem> {
    ours(value, Origin::default(), fuel, 0)
}
