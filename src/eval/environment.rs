//! The environment of a task: which variable is what, level by level.
//!
//! Strongest first: the step, the task, the profile, the file, what is inherited, the task's dotenv, the file's dotenv. What
//! an included file inherits is the environment of the file that includes it. `env.X` in a value of one level means
//! the next level out, so that `PATH: ./bin:{{ env.PATH }}` is no cycle.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::frame::{Frame, Key, Origin, Shown};
use super::{dotenv, inside, problem, typed};
use crate::expr::{self, Names, Problem, Value};
use crate::model::language::{EnvVar, Text};

/// The level that sees nothing but what flow inherited: where the environment itself comes from.
const BESIDE: usize = usize::MAX;

/// `env` as it is seen from a level.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    frame: Frame,
    level: usize,
}

impl Environment {
    /// All of it.
    pub(super) fn of(frame: &Frame) -> Self {
        Self {
            frame: frame.clone(),
            level: 0,
        }
    }
}

impl Names for Environment {
    /// An unset variable is the empty text, as in a shell.
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        let value = value(&self.frame, name, self.level)?;
        Ok(Some(
            value.unwrap_or_else(|| typed::data(Vec::new(), false)),
        ))
    }

    fn known(&self) -> Vec<String> {
        self.frame.evaluator().inherited.keys().cloned().collect()
    }
}

/// The names of a frame as a value of one level of its environment sees them.
#[derive(Debug)]
struct Seen<'a> {
    frame: &'a Frame,
    level: usize,
}

impl Names for Seen<'_> {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        if name == "env" {
            let (frame, level) = (self.frame.clone(), self.level);
            return Ok(Some(Value::Names(Arc::new(Environment { frame, level }))));
        }
        self.frame.get(name)
    }

    fn known(&self) -> Vec<String> {
        self.frame.known()
    }
}

/// The variables that stand in the file, level by level.
fn levels(frame: &Frame) -> Vec<(Origin, &[EnvVar])> {
    let own = frame.scope().into_iter().flat_map(|scope| &scope.env);
    let mut levels: Vec<(Origin, &[EnvVar])> = own.map(|env| (Origin::Task, &env[..])).collect();
    let profile = &frame.evaluator().plan.surroundings.profile;
    if let Some(profile) = profile.as_ref().filter(|_| frame.file_index() == 0) {
        levels.push((Origin::Profile, &profile.env));
    }
    levels.push((Origin::File, &frame.file().env));
    levels
}

/// The value of a variable from this level out; `None` when it is unset.
fn value(frame: &Frame, name: &str, from: usize) -> Result<Option<Value>, Problem> {
    for (level, (_, variables)) in levels(frame).into_iter().enumerate().skip(from) {
        if let Some(variable) = variables.iter().find(|variable| variable.name == name) {
            return evaluated(frame, variable, level).map(Some);
        }
    }
    if let Some(inherited) = inherited(frame, name)? {
        return Ok(Some(inherited));
    }
    if from == BESIDE {
        return Ok(None);
    }
    for (_, file) in dotenvs(frame) {
        if let Some((_, value)) = read(frame, file)?.iter().find(|(known, _)| known == name) {
            return Ok(Some(typed::data(value.clone(), false)));
        }
    }
    Ok(None)
}

fn inherited(frame: &Frame, name: &str) -> Result<Option<Value>, Problem> {
    match frame.file().parent {
        Some(parent) => value(&Frame::of_file(frame.evaluator(), parent), name, 0),
        None => {
            let value = frame.evaluator().inherited.get(name);
            Ok(value.map(|value| typed::data(value.clone(), false)))
        }
    }
}

fn evaluated(frame: &Frame, variable: &EnvVar, level: usize) -> Result<Value, Problem> {
    frame.once(Key::Env(variable.name.clone(), level), || {
        let seen = Seen {
            frame,
            level: level + 1,
        };
        let value = of_text(&seen, &variable.value).and_then(|value| {
            let (bytes, secret) = typed::bytes(&value)?;
            if bytes.contains(&0) {
                return Err(problem(
                    "nul-character",
                    "it has a NUL, which no variable can hold",
                    None,
                ));
            }
            if secret {
                frame.evaluator().outside.hide(&bytes);
            }
            Ok(typed::data(bytes, secret))
        });
        value.map_err(|problem| match problem.code {
            super::frame::CYCLE => problem,
            _ => {
                let place = frame.evaluator().place(variable.place);
                inside(&format!("the variable {}", variable.name), &place, &problem)
            }
        })
    })
}

fn of_text(names: &dyn Names, text: &Text) -> Result<Value, Problem> {
    if text.is_template() {
        expr::text(&text.text, names)
    } else {
        Ok(typed::code(&text.text))
    }
}

/// The dotenv files, the stronger ones first.
fn dotenvs(frame: &Frame) -> Vec<(Origin, &Text)> {
    let own = frame.scope().into_iter().flat_map(|scope| &scope.dotenv);
    let all = own.chain(&frame.file().dotenv);
    all.map(|file| (Origin::Dotenv, file)).collect()
}

/// What a dotenv file sets; nothing when there is no such file.
fn read(frame: &Frame, file: &Text) -> super::Dotenv {
    let evaluator = frame.evaluator();
    // The environment is not known yet where it comes from.
    let seen = Seen {
        frame,
        level: BESIDE,
    };
    let at = |problem: Problem| inside("'dotenv'", &evaluator.place(file.place), &problem);
    let path = of_text(&seen, file)
        .and_then(|value| typed::path(&value))
        .map_err(at)?;
    let path = frame.file().dir.join(path);
    let known = |path| {
        let files = evaluator.dotenvs.lock();
        files
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(path)
            .cloned()
    };
    if let Some(known) = known(&path) {
        return known;
    }
    let parsed = parse(frame, &path).map_err(at).map(Arc::new);
    let mut files = evaluator
        .dotenvs
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    files.entry(path).or_insert(parsed).clone()
}

fn parse(frame: &Frame, path: &std::path::Path) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let shown = path.display();
    let text = frame.evaluator().outside.read(path).map_err(|error| {
        problem(
            "cannot-read",
            format!("{shown} can't be read: {error}"),
            None,
        )
    })?;
    let parsed = dotenv::parse(&text.unwrap_or_default()).map_err(|wrong| {
        problem(
            "dotenv",
            format!("{shown}:{}: {}", wrong.line, wrong.message),
            Some(wrong.help),
        )
    })?;
    Ok(parsed
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect())
}

/// The names that are set beyond what flow itself inherited.
fn names(frame: &Frame) -> Result<BTreeMap<String, ()>, Problem> {
    let mut names = match frame.file().parent {
        Some(parent) => names(&Frame::of_file(frame.evaluator(), parent))?,
        None => BTreeMap::new(),
    };
    for (_, variables) in levels(frame) {
        names.extend(variables.iter().map(|variable| (variable.name.clone(), ())));
    }
    for (_, file) in dotenvs(frame) {
        let set = read(frame, file)?;
        let unset = set
            .iter()
            .filter(|(name, _)| !frame.evaluator().inherited.contains_key(name));
        names.extend(unset.map(|(name, _)| (name.clone(), ())));
    }
    Ok(names)
}

/// The variables of commands beyond the inherited ones; `beside` leaves out those that can't be known yet because they are
/// made from what is being evaluated.
pub(super) fn own(frame: &Frame, beside: bool) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let mut own = Vec::new();
    for name in names(frame)?.into_keys() {
        match value(frame, &name, 0) {
            Ok(Some(value)) => own.push((name, typed::bytes(&value)?.0)),
            Ok(None) => {}
            Err(problem) if beside && problem.code == super::frame::CYCLE => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(own)
}

/// All variables that the file has a part in, for people.
pub(super) fn show(frame: &Frame) -> Vec<Shown> {
    let names = match names(frame) {
        Ok(names) => names,
        Err(problem) => {
            return vec![Shown {
                name: "env".to_owned(),
                value: Err(problem),
                origin: Origin::Dotenv,
                place: None,
            }];
        }
    };
    let shown = |name: String| {
        let (origin, place) = origin(frame, &name);
        Shown {
            value: value(frame, &name, 0).map(|value| value.unwrap_or(Value::None)),
            name: format!("env.{name}"),
            origin,
            place,
        }
    };
    names.into_keys().map(shown).collect()
}

fn origin(frame: &Frame, name: &str) -> (Origin, Option<String>) {
    for (origin, variables) in levels(frame) {
        if let Some(variable) = variables.iter().find(|variable| variable.name == name) {
            return (origin, Some(frame.evaluator().place(variable.place)));
        }
    }
    if let Some(parent) = frame.file().parent {
        return origin_of_parent(frame, parent, name);
    }
    if frame.evaluator().inherited.contains_key(name) {
        return (Origin::Inherited, None);
    }
    let holds = |file: &&Text| {
        read(frame, file).is_ok_and(|set| set.iter().any(|(known, _)| known == name))
    };
    let file = dotenvs(frame).into_iter().map(|(_, file)| file).find(holds);
    (Origin::Dotenv, file.map(|file| file.text.clone()))
}

fn origin_of_parent(frame: &Frame, parent: u32, name: &str) -> (Origin, Option<String>) {
    origin(&Frame::of_file(frame.evaluator(), parent), name)
}
