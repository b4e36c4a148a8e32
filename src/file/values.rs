//! Reading single values of the tree: texts, lists of texts, keys that are not known.
//!
//! [`Reader`] carries what every reader needs. What a task or a file is made of stands in the files beside this one.

use std::ops::Range;
use std::path::Path;

use super::keys::{self, Key, Part, Scope};
use super::locate::locate;
use super::tree::{At, Entry, NodeId, Resolved, Tree, Value, Walk};
use crate::diagnostic::{Diagnostic, Found, Lines};
use crate::model::workflow::Place;
use crate::suggest::Suggest;

/// What the readers share: the way through the tree, and what was found wrong on it.
pub(super) struct Reader<'w, 't> {
    pub(super) walk: Walk<'w, 't>,
    pub(super) lines: &'w Lines<'t>,
    /// The folder of the file.
    pub(super) root: &'w Path,
    pub(super) suggest: Suggest,
    pub(super) found: Found,
}

impl<'w, 't> Reader<'w, 't> {
    pub(super) fn tree(&self) -> &'w Tree<'t> {
        self.walk.tree()
    }

    /// The text of a key.
    pub(super) fn name(&self, entry: &Entry) -> &'w str {
        self.tree()
            .scalar(entry.key.node)
            .map_or("", |scalar| &scalar.text)
    }

    pub(super) fn place(&self, at: At) -> Place {
        let at = self.walk.follow(at);
        let (line, column) = self.lines.place(self.tree().span(at.node).start);
        Place { line, column }
    }

    /// Reports something about a value; where an alias led there, that is shown too.
    pub(super) fn report(&mut self, at: At, diagnostic: Diagnostic) {
        let at = self.walk.follow(at);
        self.report_part(at, self.tree().span(at.node), diagnostic);
    }

    /// Reports something about a part of a value.
    pub(super) fn report_part(&mut self, at: At, span: Range<usize>, diagnostic: Diagnostic) {
        let here = diagnostic.at(span, "");
        let all = match at.alias {
            Some(alias) => here.at(self.tree().span(alias), "used here"),
            None => here,
        };
        self.found.push(all);
    }

    /// How a value is called in a message.
    pub(super) fn kind_of(&self, at: At) -> String {
        let at = self.walk.follow(at);
        let Some(scalar) = self.tree().scalar(at.node) else {
            return if self.is_list(at.node) {
                "a list".into()
            } else {
                "a map".into()
            };
        };
        match self.tree().resolve(at.node) {
            Resolved::Null if scalar.text.is_empty() => "nothing".into(),
            Resolved::Null => "null".into(),
            Resolved::Bool(_) => format!("'{}', which is a boolean", scalar.text),
            Resolved::Int(_) | Resolved::Float(_) => format!("the number {}", scalar.text),
            Resolved::Str => "a text".into(),
        }
    }

    fn is_list(&self, node: NodeId) -> bool {
        matches!(self.tree().node(node).kind, super::tree::Kind::List(_))
    }

    pub(super) fn is_null(&self, at: At) -> bool {
        self.tree().resolve(at.node) == Resolved::Null
    }

    pub(super) fn wrong_type(&mut self, at: At, wanted: &str, help: &str) {
        let message = format!("{wanted}, but this is {}", self.kind_of(at));
        self.report(at, Diagnostic::error("wrong-type", message).help(help));
    }

    /// A scalar's text as it was written, whatever it would stand for; null and collections are reported.
    pub(super) fn text(&mut self, at: At, wanted: &str, help: &str) -> Option<&'w str> {
        match self.walk.open(at) {
            Value::Scalar(scalar) if !self.is_null(at) => self.without_nul(at, &scalar.text),
            Value::Nothing => None,
            _ => {
                self.wrong_type(at, wanted, help);
                None
            }
        }
    }

    /// The programs that get a text could not take a NUL, which an escape can bring in.
    fn without_nul(&mut self, at: At, text: &'w str) -> Option<&'w str> {
        let Some(byte) = text.find('\0') else {
            return Some(text);
        };
        let message = "no command, folder or variable can hold a NUL character";
        let diagnostic = Diagnostic::error("nul-character", message).help("remove the escape");
        let start = self.locate(at, byte);
        self.report_part(self.walk.follow(at), start..start + 2, diagnostic);
        None
    }

    /// A text that later versions take for a template: what begins an expression is refused at its place.
    pub(super) fn literal(&mut self, at: At, wanted: &str, help: &str) -> Option<&'w str> {
        let text = self.text(at, wanted, help)?;
        let Some(part) = expression(text) else {
            return Some(text);
        };
        let message = "expressions are not in this version of flow";
        let help = "write the value itself; braces of another program can stand in a script that the command calls";
        let mut span = self.locate(at, part.start)..self.locate(at, part.end - 1) + 1;
        if span.start >= span.end {
            span.end = span.start + 2;
        }
        self.report_part(
            self.walk.follow(at),
            span,
            Diagnostic::error("not-in-this-version", message).help(help),
        );
        None
    }

    fn locate(&self, at: At, byte: usize) -> usize {
        locate(self.tree(), at.node, byte)
    }

    /// The values of a list, or the one value that stands in its place.
    pub(super) fn one_or_many(&mut self, at: At) -> Vec<At> {
        match self.walk.open(at) {
            Value::List(items) => items,
            _ => vec![at],
        }
    }

    /// A key that is not read here; says what to write instead.
    pub(super) fn unknown_key(&mut self, scope: Scope, entry: &Entry) -> Option<&'static Key> {
        let name = self.name(entry);
        if let Some(key) = keys::find(scope, name) {
            self.not_yet(entry.key, name, key);
            return None;
        }
        let ours = keys::translate(scope, name);
        let ours = ours.or_else(|| self.nearest_key(scope, name));
        let diagnostic = Diagnostic::error("unknown-key", format!("unknown key '{name}'"));
        self.report(
            entry.key,
            diagnostic.help(ours.map_or_else(|| all_keys(scope), written)),
        );
        ours
    }

    fn nearest_key(&mut self, scope: Scope, name: &str) -> Option<&'static Key> {
        let names = keys::KEYS
            .iter()
            .filter(|key| key.scope == scope)
            .map(|key| key.name);
        self.suggest
            .nearest(name, names)
            .and_then(|name| keys::find(scope, name))
    }

    fn not_yet(&mut self, at: At, name: &str, key: &Key) {
        let message = format!("'{name}' is not in this version of flow");
        let help = format!("remove it for now; it will be: {}", key.meaning);
        self.report(
            at,
            Diagnostic::error("not-in-this-version", message).help(help),
        );
    }
}

fn written(key: &Key) -> String {
    match key.part {
        Part::Core => format!("write '{}'", key.name),
        _ => format!(
            "write '{}', which this version of flow does not have yet",
            key.name
        ),
    }
}

fn all_keys(scope: Scope) -> String {
    let core = keys::KEYS
        .iter()
        .filter(|key| key.scope == scope && key.part == Part::Core);
    let names: Vec<&str> = core.map(|key| key.name).collect();
    let tasks = if scope == Scope::File {
        "; a task stands below 'tasks'"
    } else {
        ""
    };
    format!(
        "the keys that can stand here are: {}{tasks}",
        names.join(", ")
    )
}

/// The first `{{ … }}` or `{% … %}` of a text; `{#` is none.
fn expression(text: &str) -> Option<Range<usize>> {
    let start = ["{{", "{%"]
        .iter()
        .filter_map(|open| text.find(open))
        .min()?;
    let close = if text[start..].starts_with("{{") {
        "}}"
    } else {
        "%}"
    };
    let length = text[start..].find(close).map_or(2, |at| at + 2);
    Some(start..start + length)
}
