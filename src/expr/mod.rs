//! Expressions: `{{ … }}` and `{% … %}` in minijinja's language, strict, and the rule that what is written in the file is
//! code and every other value is data, which the shell never parses.
//!
//! The way of a template: `jinja` parses it, `check` says what it reads and what is wrong with it, `eval` walks it
//! with the `filters` and operators (`ops`) over values (`value`) whose texts know which of their parts are code (`text`), and for a
//! command `placing` puts the data into the script as the `shell` will read it.
//!
//! It knows values and names; it refuses to know what a Workflowfile is, where a value comes from, and what is run.

mod check;
mod eval;
mod filter_docs;
mod filters;
mod fuel;
mod glob;
mod holders;
mod jinja;
mod ops;
mod outline;
mod placing;
mod positional;
mod programs;
mod reparse;
mod shell;
mod text;
mod times;
pub mod value;
mod versions;

use std::ops::Range;

use minijinja::machinery::ast::{Expr, Stmt};

pub use self::check::{Checked, NameUse, Placed};
use self::eval::Evaluator;
pub use self::filter_docs::{FILTERS, FilterDoc};
pub use self::glob::literal;
use self::placing::Lists;
pub use self::programs::programs;
pub use self::text::{Data, Part, Text};
pub use self::value::{Map, Members, Names, Value};
use crate::suggest::Suggest;

/// What is wrong with a template or an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable name of the kind of mistake, such as `unknown-name`.
    pub code: &'static str,
    /// What happened, as a sentence without a full stop.
    pub message: String,
    /// The bytes of the template it is about, where that is known.
    pub span: Option<Range<usize>>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Problem {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span: None,
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// At this place, unless a nearer one is known.
    fn or_at(mut self, span: Range<usize>) -> Self {
        self.span.get_or_insert(span);
        self
    }
}

/// A command for a POSIX shell, with what is data beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The script; data is read from variables.
    pub text: String,
    /// The variables, each with its value.
    pub env: Vec<(String, Vec<u8>)>,
    /// The positional parameters; a long list stands in the script as `"$@"`.
    pub args: Vec<Vec<u8>>,
    /// Values among them that are secrets, or made from one.
    pub secrets: Vec<Vec<u8>>,
    /// Values with white space that stand as one word.
    pub several_words: Vec<Vec<u8>>,
}

/// What becomes of the text that a template makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A POSIX shell runs it.
    Command,
    /// Anything else.
    Other,
}

/// The value of a text with templates. One `{{ … }}` that is the whole text keeps its type.
pub fn text(source: &str, names: &dyn Names) -> Result<Value, Problem> {
    let tree = jinja::parse(source)?;
    let mut walk = Evaluator::new(names);
    let value = match whole(&tree) {
        Some(expr) => walk.value(expr)?,
        None => Value::Text(walk.template(&tree)?.text()),
    };
    walk.told();
    value.finished(&mut walk.fuel)
}

/// The value of an expression, bare or in one `{{ … }}`.
pub fn expression(source: &str, names: &dyn Names) -> Result<Value, Problem> {
    if braced(source) {
        return text(source.trim(), names);
    }
    let tree = jinja::parse_expression(source)?;
    let mut walk = Evaluator::new(names);
    let value = walk.value(&tree)?;
    walk.told();
    value.finished(&mut walk.fuel)
}

/// The command that a text with templates is, for a POSIX shell.
pub fn command(source: &str, names: &dyn Names) -> Result<Script, Problem> {
    let tree = jinja::parse(source)?;
    let mut walk = Evaluator::new(names);
    let pieces = walk.template(&tree)?;
    walk.told();
    placing::script(&pieces, Lists::InVariables)
}

/// The same for a shell that is handed positional parameters too, which are what long lists become.
pub fn command_with_args(source: &str, names: &dyn Names) -> Result<Script, Problem> {
    let tree = jinja::parse(source)?;
    let mut walk = Evaluator::new(names);
    let pieces = walk.template(&tree)?;
    walk.told();
    placing::script(&pieces, Lists::AsArgs)
}

/// The files below a folder that match a pattern, as the filter `glob` has them; else what is wrong, as a sentence.
pub fn files(folder: &std::path::Path, pattern: &str) -> Result<Vec<Vec<u8>>, String> {
    glob::paths(folder, pattern)
}

/// What can be said about a text with templates before it is evaluated.
pub fn check_template(source: &str, usage: Use) -> Checked {
    match jinja::parse(source) {
        Ok(tree) if usage == Use::Command => outline::command(&tree),
        Ok(tree) => check::template(&tree),
        Err(problem) => unreadable(problem),
    }
}

/// What can be said about an expression, bare or in one `{{ … }}`, before it is evaluated.
pub fn check_expression(source: &str) -> Checked {
    if braced(source) {
        return check_template(source, Use::Other);
    }
    match jinja::parse_expression(source) {
        Ok(tree) => check::expression(&tree),
        Err(problem) => unreadable(problem),
    }
}

/// What is wrong with a pattern of files, if anything is.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    glob::closed(pattern)
}

fn unreadable(problem: Problem) -> Checked {
    Checked {
        problems: vec![problem],
        ..Checked::default()
    }
}

/// Whether an expression is written in braces.
fn braced(source: &str) -> bool {
    source.trim_start().starts_with("{{") && source.trim_end().ends_with("}}")
}

/// The expression that is the whole of a template.
fn whole<'t, 's>(tree: &'t Stmt<'s>) -> Option<&'t Expr<'s>> {
    match tree {
        Stmt::Template(template) => match template.children.as_slice() {
            [Stmt::EmitExpr(emit)] => Some(&emit.expr),
            _ => None,
        },
        _ => None,
    }
}

/// The nearest of these names, for "did you mean".
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    Suggest::new().nearest(name, names)
}
