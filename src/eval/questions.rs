//! What is asked before a node begins: conditions, items of loops, checks, outputs.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::frame::Frame;
use super::here::Here;
use super::outside::{Command, Holds, NoOutput};
use super::results::Outputs;
use super::{Evaluator, items, problem, typed};
use crate::expr::{self, Problem, Value};
use crate::model::id::NodeId;
use crate::model::language::{Axis, Check, Condition, Data, Items, Setting, Text};
use crate::model::plan::{About, Ask, Kind};

/// How many items a loop may have.
pub const ITEMS_MAX: usize = 100_000;

/// What comes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Go,
    /// This branch, counted from 0.
    Branch(u32),
    /// These are the items, by their names.
    Items(Vec<String>),
    /// It need not run, for this reason.
    Skip(String),
    /// It must not run, for this reason.
    Fail(String),
    /// What is waited for has not come; what its command said of that.
    NotYet(String),
}

impl Evaluator {
    /// Answers a question about the node that is here.
    pub fn answer(self: &Arc<Self>, ask: &Ask, here: &Here, branches: usize) -> Answer {
        let frame = Frame::of_scope(self, ask.scope, here.clone());
        let answer = match &ask.about {
            About::Begin {
                condition,
                preconditions,
            } => self.begin(&frame, condition.as_ref(), preconditions),
            About::Branch(condition) => frame.holds(condition).map(|holds| match holds {
                Holds::Yes => Answer::Branch(0),
                Holds::No(_) if branches > 1 => Answer::Branch(1),
                Holds::No(said) => Answer::Skip(self.is_false(condition, &said)),
            }),
            About::Items { items, name, only } => frame.items(items, name, only).map(|items| {
                let names = items::names(&items, |text| self.hidden(text));
                if let Some(node) = here.node() {
                    let kept = items
                        .iter()
                        .map(|item| super::kept::of_outputs(item))
                        .collect();
                    self.keep(Some(node), super::ITEMS, kept);
                    self.results.items(node, items);
                }
                Answer::Items(names)
            }),
            About::Verify(check) => frame
                .check(check)
                .map(|wrong| wrong.map_or(Answer::Go, Answer::Fail)),
            About::Set(outputs) => frame.set(outputs).map(|outputs| {
                let kept = super::kept::of_outputs(&outputs);
                self.keep(here.node(), super::SET, kept);
                self.results
                    .handed_on(&here.up_to_task(&self.plan), &outputs);
                Answer::Go
            }),
            About::Outputs(outputs) => outputs
                .iter()
                .try_for_each(|(name, expression)| {
                    // One may read those before it.
                    let value = expr::expression(&expression.text, &frame).map_err(|problem| {
                        super::inside(
                            &format!("'outputs.{name}'"),
                            &self.place(expression.place),
                            &problem,
                        )
                    })?;
                    let nodes: Vec<_> = here.task(&self.plan).into_iter().collect();
                    let output = vec![(name.clone(), value)];
                    let kept = super::kept::of_outputs(&output);
                    self.keep(here.node(), super::OUTPUTS, kept);
                    self.results.handed_on(&nodes, &output);
                    Ok(())
                })
                .map(|()| Answer::Go),
            // Asked of those who know files.
            About::Made(_) => Ok(Answer::Go),
            About::Until { condition, .. } => frame.holds(condition).map(|holds| match holds {
                Holds::Yes => Answer::Go,
                Holds::No(said) => Answer::NotYet(self.hidden(&said)),
            }),
        };
        match answer {
            Ok(Answer::Fail(why)) => Answer::Fail(self.hidden(&why)),
            Ok(answer) => answer,
            Err(problem) => Answer::Fail(self.told(&problem)),
        }
    }

    /// The places of the items of a loop that is in no other one, as far as they can be known before it is expanded in a run:
    /// not when they are made of results.
    ///
    /// # Errors
    ///
    /// When its items have no value yet.
    pub fn expand(self: &Arc<Self>, looped: NodeId) -> Result<Vec<Here>, Problem> {
        let node = self.plan.node(looped);
        let (Kind::Loop { body, .. }, Some(ask)) = (&node.kind, &node.ask) else {
            return Ok(Vec::new());
        };
        let here = Here::at_rest(&self.plan, looped);
        let count = match (self.results.count(looped), &ask.about) {
            (Some(count), _) => count,
            (None, About::Items { items, name, only }) => {
                let frame = Frame::of_scope(self, ask.scope, here.clone());
                let items = frame.items(items, name, only)?;
                let count = items.len();
                self.results.items(looped, items);
                count
            }
            (None, _) => 0,
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(here.items(&self.plan, *body, count))
    }

    /// The folder and the patterns of files that the items of a loop are made of, where that is how it says them.
    ///
    /// # Errors
    ///
    /// When they have no value before the run.
    pub fn looped_files(
        self: &Arc<Self>,
        looped: NodeId,
    ) -> Result<Option<(PathBuf, Vec<String>)>, Problem> {
        let Some(ask) = &self.plan.node(looped).ask else {
            return Ok(None);
        };
        let About::Items {
            items: Items::Glob(patterns),
            ..
        } = &ask.about
        else {
            return Ok(None);
        };
        let here = Here::at_rest(&self.plan, looped);
        let frame = Frame::of_scope(self, ask.scope, here);
        let pattern = |text: &Text| typed::pattern(&frame.text(text)?);
        let patterns = patterns.iter().map(pattern).collect::<Result<_, _>>()?;
        Ok(Some((frame.dir()?, patterns)))
    }

    fn begin(
        &self,
        frame: &Frame,
        condition: Option<&Condition>,
        preconditions: &[Check],
    ) -> Result<Answer, Problem> {
        if let Some(condition) = condition
            && let Holds::No(said) = frame.holds(condition)?
        {
            return Ok(Answer::Skip(self.is_false(condition, &said)));
        }
        for check in preconditions {
            if let Some(wrong) = frame.check(check)? {
                return Ok(Answer::Fail(wrong));
            }
        }
        Ok(Answer::Go)
    }

    fn is_false(&self, condition: &Condition, said: &str) -> String {
        let written = condition.written();
        self.hidden(&format!(
            "its condition does not hold: {}",
            with_words(&written, said)
        ))
    }
}

impl Frame {
    /// Whether a condition holds.
    fn holds(&self, condition: &Condition) -> Result<Holds, Problem> {
        let place = self.evaluator().place(condition.place());
        let here = |problem: Problem| super::inside("a condition", &place, &problem);
        match condition {
            Condition::Expr(expression) => {
                match expr::expression(&expression.text, self).map_err(here)? {
                    Value::Bool(true) => Ok(Holds::Yes),
                    Value::Bool(false) => Ok(Holds::No(String::new())),
                    other => Err(here(not_bool(&other))),
                }
            }
            Condition::Sh(text) => self.asked(text).map_err(here),
        }
    }

    fn asked(&self, text: &Text) -> Result<Holds, Problem> {
        let script = self.script(text)?;
        let (dir, env) = (self.dir()?, self.environment()?);
        let command = Command {
            script: &script,
            dir: &dir,
            env: &env,
        };
        match self.evaluator().outside.holds(&command) {
            Ok(holds) => Ok(holds),
            Err(NoOutput::NotNow) => Ok(Holds::Yes),
            Err(NoOutput::Failed(why) | NoOutput::Stopped(why)) => Err(problem(
                "command-failed",
                format!("the command `{}`: {why}", text.text.trim()),
                None,
            )),
        }
    }

    /// What to say of a check that does not hold.
    fn check(&self, check: &Check) -> Result<Option<String>, Problem> {
        let Holds::No(said) = self.holds(&check.condition)? else {
            return Ok(None);
        };
        let Some(message) = &check.message else {
            let kind = match check.condition {
                Condition::Expr(_) => "this does not hold",
                Condition::Sh(_) => "this command failed",
            };
            let written = check.condition.written();
            return Ok(Some(format!("{kind}: {}", with_words(&written, &said))));
        };
        let (bytes, _) = typed::bytes(&self.text(message)?)?;
        Ok(Some(with_words(&String::from_utf8_lossy(&bytes), &said)))
    }

    fn set(&self, outputs: &[(String, Data)]) -> Result<Outputs, Problem> {
        outputs
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.data(value)?)))
            .collect()
    }

    /// The items of a loop, or those that were asked for: for each the names that it brings into scope.
    fn items(
        &self,
        items: &Items,
        name: &str,
        asked: &[(String, String)],
    ) -> Result<Vec<Outputs>, Problem> {
        items::only(self.all_items(items, name)?, asked)
    }

    pub(super) fn all_items(&self, items: &Items, name: &str) -> Result<Vec<Outputs>, Problem> {
        let values = match items {
            Items::List(items) => self.list(items)?,
            Items::In(expression) => {
                self.list_of(&expression.text, &self.evaluator().place(expression.place))?
            }
            Items::Glob(patterns) => self.files(patterns)?,
            Items::Sh(text) => self.lines(text)?,
            Items::Range(first, last) => {
                let (first, last) = (self.number(first)?, self.number(last)?);
                let count = last.saturating_sub(first).saturating_add(1);
                if usize::try_from(count).is_ok_and(|count| count > ITEMS_MAX) {
                    return Err(too_many());
                }
                (first..=last).map(Value::Int).collect()
            }
            Items::Matrix {
                axes,
                exclude,
                include,
            } => return self.matrix(axes, exclude, include),
        };
        if values.len() > ITEMS_MAX {
            return Err(too_many());
        }
        Ok(values
            .into_iter()
            .map(|value| vec![(name.to_owned(), value)])
            .collect())
    }

    fn list(&self, items: &[Data]) -> Result<Vec<Value>, Problem> {
        items.iter().map(|item| self.data(item)).collect()
    }

    fn list_of(&self, expression: &str, place: &str) -> Result<Vec<Value>, Problem> {
        let here = |problem: Problem| super::inside("'for'", place, &problem);
        match expr::expression(expression, self).map_err(here)? {
            Value::List(items) => Ok(items.to_vec()),
            Value::Map(entries) => Ok(entries
                .iter()
                .map(|(key, value)| {
                    Value::map_of_code(vec![
                        ("key".to_owned(), entries.name(key)),
                        ("value".to_owned(), value.clone()),
                    ])
                })
                .collect()),
            _ => {
                let help = Some("make a list of it: `text | lines`, `text | split`".to_owned());
                Err(here(problem(
                    "not-a-list",
                    "the items of a loop are a list, and this is none",
                    help,
                )))
            }
        }
    }

    fn number(&self, setting: &Setting<i64>) -> Result<i64, Problem> {
        let text = match setting {
            Setting::Fixed(value) => return Ok(*value),
            Setting::Template(text) => text,
        };
        match self.text(text)? {
            Value::Int(value) => Ok(value),
            other => {
                let text = String::from_utf8_lossy(&typed::bytes(&other)?.0).into_owned();
                let wrong = || {
                    problem(
                        "not-a-number",
                        format!("a range has whole numbers, and '{text}' is none"),
                        None,
                    )
                };
                text.trim().parse().map_err(|_| wrong())
            }
        }
    }

    /// The lines that a command prints.
    fn lines(&self, text: &Text) -> Result<Vec<Value>, Problem> {
        let output = self.output(text)?;
        let (bytes, secret) = typed::bytes(&output)?;
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        let line =
            |line: &[u8]| typed::data(line.strip_suffix(b"\r").unwrap_or(line).to_vec(), secret);
        Ok(lines.map(line).collect())
    }

    /// The files that match, relative to the folder of the task, each once.
    fn files(&self, patterns: &[Text]) -> Result<Vec<Value>, Problem> {
        let folder = self.dir()?;
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        for pattern in patterns {
            let text = typed::pattern(&self.text(pattern)?)?;
            let files = expr::files(&folder, &text).map_err(|why| {
                let place = self.evaluator().place(pattern.place);
                super::inside("'glob'", &place, &problem("glob", why, None))
            })?;
            found.extend(files.into_iter().filter(|file| seen.insert(file.clone())));
        }
        Ok(found
            .into_iter()
            .map(|file| self.evaluator().data(file))
            .collect())
    }

    /// All combinations, the last axis fastest, without the excluded ones and with those that are added.
    fn matrix(
        &self,
        axes: &[(String, Axis)],
        exclude: &[Vec<(String, Data)>],
        include: &[Vec<(String, Data)>],
    ) -> Result<Vec<Outputs>, Problem> {
        let mut all: Vec<Outputs> = if axes.is_empty() {
            Vec::new()
        } else {
            vec![Vec::new()]
        };
        for (name, axis) in axes {
            let values = match axis {
                Axis::List(items) => self.list(items)?,
                Axis::In(expression) => {
                    self.list_of(&expression.text, &self.evaluator().place(expression.place))?
                }
            };
            if all.len().saturating_mul(values.len()) > ITEMS_MAX {
                return Err(too_many());
            }
            let longer = |one: &Outputs| {
                values
                    .iter()
                    .map(|value| [&one[..], &[(name.clone(), value.clone())]].concat())
                    .collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        for less in exclude {
            let less = self.set(less)?;
            all.retain(|one| {
                !less.iter().all(|(name, value)| {
                    one.iter()
                        .any(|(known, own)| known == name && same(own, value))
                })
            });
        }
        for more in include {
            all.push(self.set(more)?);
        }
        Ok(all)
    }
}

/// A remark with what a command has said on stderr.
pub fn with_words(what: &str, said: &str) -> String {
    match said {
        "" => what.to_owned(),
        said => format!("{}; it said: {said}", what.trim_end()),
    }
}

fn same(one: &Value, other: &Value) -> bool {
    match (typed::bytes(one), typed::bytes(other)) {
        (Ok(one), Ok(other)) => one.0 == other.0,
        _ => false,
    }
}

fn too_many() -> Problem {
    problem(
        "too-many-items",
        format!("a loop has at most {ITEMS_MAX} items"),
        None,
    )
}

fn not_bool(value: &Value) -> Problem {
    let (what, help) = match value {
        Value::None => ("nothing", "compare it: `x is none`"),
        Value::Int(_) | Value::Float(_) | Value::Number(_) => ("a number", "compare it: `x > 0`"),
        Value::Text(_) => (
            "a text",
            "compare it: `x != ''`, `x == 'true'`; a param can have 'type: bool'",
        ),
        Value::List(_) => ("a list", "compare it: `x | length > 0`"),
        _ => ("a map", "compare a member of it"),
    };
    problem(
        "not-a-bool",
        format!("a condition is true or false, and this is {what}"),
        Some(help.to_owned()),
    )
}
