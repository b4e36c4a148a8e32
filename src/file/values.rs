//! Reading single values of the tree: texts, lists of texts, keys that are not known.
//!
//! [`Reader`] carries what every reader needs. What a task or a file is made of stands in the files beside this one.

use std::ops::Range;

use super::keys::{self, Key, Scope};
use super::locate::Locator;
use super::raw::{Defaults, Owner, Placed, RawNeed, Read};
use super::tree::{At, Entry, NodeId, Resolved, Tree, Value, Walk};
use crate::diagnostic::{Diagnostic, Found, Lines, Severity};
use crate::expr::{self, Checked, Problem, Use};
use crate::model::language::{FileIndex, Place, Reads, Text};
use crate::suggest::Suggest;

/// What the readers share: the way through the tree, and what was found wrong on it.
pub(super) struct Reader<'w, 't> {
    pub(super) walk: Walk<'w, 't>,
    pub(super) lines: &'w Lines<'t>,
    pub(super) locator: Locator,
    /// The number of the file.
    pub(super) file: FileIndex,
    pub(super) suggest: Suggest,
    /// The var that is being read.
    pub(super) var: Option<String>,
    /// Names that only hold where is being read: of loops, of a step's vars, `error` in handlers.
    pub(super) locals: Vec<String>,
    /// What holds for the tasks of the file that don't say otherwise.
    pub(super) defaults: Defaults,
    /// The shell of the task that is being read.
    pub(super) shell_of_task: Option<Text>,
    /// The params and vars of the task that is being read.
    pub(super) names_of_task: Vec<String>,
    /// The environment variables that the file and the task set.
    pub(super) env_of_file: Vec<String>,
    pub(super) env_of_task: Vec<String>,
    /// The tasks that the steps of the task call.
    pub(super) calls: Vec<RawNeed>,
    /// Where the locks of the task stand that is being read.
    pub(super) lock_spans: Vec<Range<usize>>,
    /// The names that expressions read.
    pub(super) reads: Vec<Read>,
    /// Values in commands that have something to be said about.
    pub(super) placed: Vec<Placed>,
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
        Place {
            file: self.file,
            line,
            column,
        }
    }

    /// The bytes of a value.
    pub(super) fn span(&self, at: At) -> Range<usize> {
        self.tree().span(self.walk.follow(at).node)
    }

    /// Where the alias or the merge key stands that leads to a value.
    pub(super) fn used(&self, at: At) -> Option<Range<usize>> {
        let alias = self.walk.follow(at).alias?;
        Some(self.tree().span(alias))
    }

    /// Reports something about a value; where an alias led there, that is shown too.
    pub(super) fn report(&mut self, at: At, diagnostic: Diagnostic) {
        let at = self.walk.follow(at);
        self.report_part(at, self.tree().span(at.node), diagnostic);
    }

    /// Reports something about a part of a value.
    pub(super) fn report_part(&mut self, at: At, span: Range<usize>, diagnostic: Diagnostic) {
        let here = diagnostic.at(span, "");
        self.found.push(used_here(here, self.used(at)));
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

    /// A text that is used as it is written, such as a description; braces in it stand between `{% raw %}` and `{% endraw %}`.
    pub(super) fn literal(&mut self, at: At, wanted: &str, help: &str) -> Option<String> {
        let text = self.text(at, wanted, help)?;
        let plain = without_raw(text);
        if plain.is_none() {
            let key = wanted.split(" is ").next().unwrap_or(wanted);
            let help = "write the text itself; braces that are meant as text stand between {% raw %} and {% endraw %}";
            self.template_refused(at, key, help);
        }
        plain
    }

    /// Reports a template where none is evaluated.
    pub(super) fn template_refused(&mut self, at: At, what: &str, help: &str) {
        let message =
            format!("no template is evaluated in {what}: it is known before anything runs");
        self.report(at, Diagnostic::error("template-here", message).help(help));
    }

    /// A text that may be a template.
    pub(super) fn template(
        &mut self,
        at: At,
        owner: &Owner,
        wanted: &str,
        help: &str,
    ) -> Option<Text> {
        let text = self.text(at, wanted, help)?;
        self.checked(at, text, owner, false)
    }

    /// A script for the shell, which may be a template.
    pub(super) fn script(
        &mut self,
        at: At,
        owner: &Owner,
        wanted: &str,
        help: &str,
    ) -> Option<Text> {
        let text = self.text(at, wanted, help)?;
        self.checked(at, text, owner, true)
    }

    /// A text whose expressions have been looked at.
    pub(super) fn checked(
        &mut self,
        at: At,
        text: &str,
        owner: &Owner,
        script: bool,
    ) -> Option<Text> {
        let mut text = Text::plain(text, self.place(at));
        if text.is_template() {
            let usage = if script { Use::Command } else { Use::Other };
            let checked = expr::check_template(&text.text, usage);
            self.found_in(at, &checked, owner);
            text.reads = reads(&checked);
        }
        Some(text)
    }

    /// What was found in the expressions of a value.
    pub(super) fn found_in(&mut self, at: At, checked: &Checked, owner: &Owner) {
        let target = self.walk.follow(at);
        let problems = checked.problems.iter();
        let warnings = checked.warnings.iter();
        let all = problems
            .map(|problem| (Severity::Error, problem))
            .chain(warnings.map(|problem| (Severity::Warning, problem)));
        for (severity, problem) in all {
            let mut diagnostic = of_problem(problem);
            diagnostic.severity = severity;
            match &problem.span {
                Some(span) => self.report_part(target, self.located(at, span), diagnostic),
                None => self.report(at, diagnostic),
            }
        }
        for name in &checked.names {
            if name
                .path
                .first()
                .is_some_and(|name| self.locals.contains(name))
            {
                continue;
            }
            self.reads.push(Read {
                path: name.path.clone(),
                span: self.located(at, &name.span),
                used: self.used(at),
                owner: owner.clone(),
                var: self.var.clone(),
                flows: name.flows,
            });
        }
        for placed in &checked.placed {
            let reads = placed.reads.iter();
            let names = reads.filter_map(|read| Some(from_the_file(&read.path)?.to_owned()));
            let names = names.filter(|name| !self.locals.contains(name));
            self.placed.push(Placed {
                span: self.located(at, &placed.span),
                used: self.used(at),
                owner: owner.clone(),
                names: names.collect(),
                refused: placed.refused.as_ref().map(of_problem),
                bare: placed.bare,
            });
        }
    }

    /// The bytes of the file that a part of a value stands on.
    pub(super) fn located(&self, at: At, span: &Range<usize>) -> Range<usize> {
        let start = self.locate(at, span.start);
        let end = self.locate(at, span.end.saturating_sub(1).max(span.start)) + 1;
        let end = crate::diagnostic::floor(self.tree().text(), end.max(start + 1));
        start..end.max(start)
    }

    pub(super) fn locate(&self, at: At, byte: usize) -> usize {
        self.locator.locate(self.tree(), at.node, byte)
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
        let foreign = keys::foreign(scope, name);
        let ours = match foreign {
            Some(word) => keys::find(scope, word.ours),
            None => self.nearest_key(scope, name),
        };
        let help = match foreign.map(|word| word.write) {
            Some(write) if !write.is_empty() => write.to_owned(),
            _ => ours.map_or_else(|| all_keys(scope), written),
        };
        let diagnostic = Diagnostic::error("unknown-key", format!("unknown key '{name}'"));
        self.report(entry.key, diagnostic.help(help));
        ours
    }

    pub(super) fn nearest_key(&mut self, scope: Scope, name: &str) -> Option<&'static Key> {
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

/// The names that were read.
pub(super) fn reads(checked: &Checked) -> Reads {
    checked.names.iter().map(|name| name.path.clone()).collect()
}

/// Shows also where an alias or a merge key brings the place in.
pub(super) fn used_here(diagnostic: Diagnostic, used: Option<Range<usize>>) -> Diagnostic {
    match used {
        Some(used) => diagnostic.at(used, "used here"),
        None => diagnostic,
    }
}

fn of_problem(problem: &Problem) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(problem.code, problem.message.clone());
    diagnostic.help = problem.help.clone();
    diagnostic
}

/// The text without the marks of its raw parts; `None` when there is a template outside of them.
fn without_raw(text: &str) -> Option<String> {
    const MARKS: [(&str, &str); 2] = [
        ("{% raw %}", "{% endraw %}"),
        ("{%- raw -%}", "{%- endraw -%}"),
    ];
    let live = |text: &str| text.contains("{{") || text.contains("{%");
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((start, open, close)) = MARKS
        .iter()
        .filter_map(|(open, close)| Some((rest.find(open)?, *open, *close)))
        .min()
    {
        let (before, inside) = (&rest[..start], &rest[start + open.len()..]);
        let (raw, after) = inside.split_once(close)?;
        if live(before) {
            return None;
        }
        plain.push_str(before);
        plain.push_str(raw);
        rest = after;
    }
    plain.push_str(rest);
    (!live(rest)).then_some(plain)
}

/// The name that is read, `flow.` left out.
fn from_the_file(path: &[String]) -> Option<&str> {
    let path = match path {
        [flow, rest @ ..] if flow == "flow" && !rest.is_empty() => rest,
        path => path,
    };
    path.first().map(String::as_str)
}

fn written(key: &Key) -> String {
    match keys::is_built(key) {
        true => format!("write '{}'", key.name),
        false => format!(
            "write '{}', which this version of flow does not have yet",
            key.name
        ),
    }
}

fn all_keys(scope: Scope) -> String {
    let core = keys::KEYS
        .iter()
        .filter(|key| key.scope == scope && keys::is_built(key));
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
