//! The environment of a task: which variable is what, level by level.
//!
//! Strongest first: the step, the task, the profile, the file, what flow inherited, the task's dotenv, the file's dotenv.
//! The `env` of a file holds for the files that it includes as if they had inherited it, and so does its dotenv, as the
//! weakest of all.
//!
//! In a value of one level `env.X` is the sibling of that level. In its own value a name is the one further out, so that
//! `PATH: ./bin:{{ env.PATH }}` is no cycle.
//!
//! The name of a dotenv file may be a template. While it is evaluated, the dotenv files with such names are left out:
//! what a file is called can't depend on what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::frame::{Frame, Key, Origin, Shown};
use super::{builtin, dotenv, inside, lock, problem, typed};
use crate::expr::{self, Names, Problem, Value};
use crate::model::language::{EnvVar, Text};

/// `env`, as a command sees it or as a value of one of its levels does.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    frame: Frame,
    /// The level and the name of the variable whose value reads it; `None` for a command.
    within: Option<(usize, String)>,
}

impl Environment {
    /// All of it.
    pub(super) fn of(frame: &Frame) -> Self {
        Self {
            frame: frame.clone(),
            within: None,
        }
    }
}

impl Names for Environment {
    /// An unset variable is the empty text, as in a shell.
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        let from = match &self.within {
            Some((level, own)) if own == name => level + 1,
            Some((level, _)) => *level,
            None => 0,
        };
        let value = value(&self.frame, name, from)?;
        Ok(Some(
            value.unwrap_or_else(|| typed::data(Vec::new(), false)),
        ))
    }

    fn known(&self) -> Vec<String> {
        self.frame.evaluator().inherited.keys().cloned().collect()
    }
}

/// The names of a frame as the value of a variable sees them.
#[derive(Clone, Debug)]
struct Seen {
    environment: Environment,
    /// Whether the names of the file are left out: `flow.…`.
    always: bool,
}

impl Names for Seen {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        let frame = &self.environment.frame;
        match name {
            "env" => Ok(Some(Value::Names(Arc::new(self.environment.clone())))),
            "flow" => Ok(Some(Value::Names(Arc::new(Self {
                always: true,
                ..self.clone()
            })))),
            name if self.always => builtin::value(frame, name),
            name => frame.get(name),
        }
    }

    fn known(&self) -> Vec<String> {
        self.environment.frame.known()
    }

    fn folder(&self) -> Option<std::path::PathBuf> {
        self.environment.frame.folder()
    }

    fn bared(&self, secret: &[u8]) {
        self.environment.frame.bared(secret);
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

/// The frame of the file that includes this one.
fn parent(frame: &Frame) -> Option<Frame> {
    let parent = frame.file().parent?;
    Some(Frame::of_file(frame.evaluator(), parent))
}

/// The value of a variable from this level out; `None` when it is unset.
fn value(frame: &Frame, name: &str, from: usize) -> Result<Option<Value>, Problem> {
    let known = match written(frame, name, from)? {
        Some(written) => Some(written),
        None => beyond(frame, name)?,
    };
    Ok(known)
}

/// What `env` in the files says from this level out.
fn written(frame: &Frame, name: &str, from: usize) -> Result<Option<Value>, Problem> {
    for (level, (_, variables)) in levels(frame).into_iter().enumerate().skip(from) {
        if let Some(variable) = variables.iter().find(|variable| variable.name == name) {
            return evaluated(frame, variable, level).map(Some);
        }
    }
    match parent(frame) {
        Some(parent) => written(&parent, name, 0),
        None => Ok(None),
    }
}

/// A variable that flow inherited or that a dotenv file sets: all that is not in `env` of a file.
pub(super) fn beyond(frame: &Frame, name: &str) -> Result<Option<Value>, Problem> {
    let evaluator = frame.evaluator();
    let bytes = match evaluator.inherited.get(name) {
        Some(inherited) => Some(inherited.clone()),
        None => in_dotenv(frame, name)?.map(|(_, value)| value),
    };
    Ok(bytes.map(|bytes| evaluator.data(bytes)))
}

/// What the strongest dotenv file says that sets the variable, and which one that is.
fn in_dotenv(frame: &Frame, name: &str) -> Result<Option<(Text, Vec<u8>)>, Problem> {
    for file in dotenvs(frame) {
        if let Some((_, value)) = read(frame, file)?.iter().find(|(known, _)| known == name) {
            return Ok(Some((file.clone(), value.clone())));
        }
    }
    match parent(frame) {
        Some(parent) => in_dotenv(&parent, name),
        None => Ok(None),
    }
}

fn evaluated(frame: &Frame, variable: &EnvVar, level: usize) -> Result<Value, Problem> {
    frame.once(Key::Env(variable.name.clone(), level), || {
        let seen = Seen {
            environment: Environment {
                frame: frame.clone(),
                within: Some((level, variable.name.clone())),
            },
            always: false,
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

/// The dotenv files of a task and its file, the stronger ones first: of several the last one.
fn dotenvs(frame: &Frame) -> impl Iterator<Item = &Text> {
    let of_task = frame.scope().map_or(&[][..], |scope| &scope.dotenv);
    let of_file = &frame.file().dotenv;
    let all = of_task.iter().rev().chain(of_file.iter().rev());
    all.filter(|file| !(frame.names_dotenv() && file.is_template()))
}

/// What a dotenv file sets; nothing when there is no such file.
fn read(frame: &Frame, file: &Text) -> super::Dotenv {
    let evaluator = frame.evaluator();
    let at = |problem: Problem| inside("'dotenv'", &evaluator.place(file.place), &problem);
    let path = dotenv_path(frame, file).map_err(at)?;
    if let Some(known) = lock(&evaluator.dotenvs).get(&path) {
        return known.clone();
    }
    let parsed = parse(frame, &path).map_err(at).map(Arc::new);
    let mut files = lock(&evaluator.dotenvs);
    files.entry(path).or_insert(parsed).clone()
}

fn dotenv_path(frame: &Frame, file: &Text) -> Result<PathBuf, Problem> {
    let dir = &frame.file().dir;
    if !file.is_template() {
        return Ok(dir.join(&file.text));
    }
    let path = frame.once(Key::Dotenv(file.place), || {
        expr::text(&file.text, &frame.naming_dotenv())
    })?;
    Ok(dir.join(typed::path(&path)?))
}

fn parse(frame: &Frame, path: &std::path::Path) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let (shown, evaluator) = (path.display(), frame.evaluator());
    let text = evaluator.outside.read(path).map_err(|error| {
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
    let set: Vec<(String, Vec<u8>)> = parsed
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    for (_, value) in set.iter().filter(|(name, _)| evaluator.is_secret(name)) {
        evaluator.outside.hide(value);
    }
    Ok(set)
}

/// The names that are set beyond what flow itself inherited.
fn names(frame: &Frame) -> Result<BTreeSet<String>, Problem> {
    let mut names = match parent(frame) {
        Some(parent) => names(&parent)?,
        None => BTreeSet::new(),
    };
    for (_, variables) in levels(frame) {
        names.extend(variables.iter().map(|variable| variable.name.clone()));
    }
    let inherited = &frame.evaluator().inherited;
    let of_files = names_in_dotenv(frame)?.into_iter();
    names.extend(of_files.filter(|name| !inherited.contains_key(name)));
    Ok(names)
}

/// The names that the dotenv files of a frame alone set.
fn names_in_dotenv(frame: &Frame) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    for file in dotenvs(frame) {
        names.extend(read(frame, file)?.iter().map(|(name, _)| name.clone()));
    }
    Ok(names)
}

/// The variables of commands beyond the inherited ones; `beside` leaves out those that can't be known yet because they are
/// made from what is being evaluated.
pub(super) fn own(frame: &Frame, beside: bool) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let mut own = Vec::new();
    for name in names(frame)? {
        match value(frame, &name, 0) {
            Ok(Some(value)) => own.push((name, typed::bytes(&value)?.0)),
            Ok(None) => {}
            Err(problem) if beside && problem.code == super::frame::CYCLE => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(own)
}

/// All variables that the file has a part in, for people; what a dotenv file says that lost to what flow inherited, too.
pub(super) fn show(frame: &Frame) -> Vec<Shown> {
    let all = names(frame).and_then(|names| Ok((names, beaten(frame)?)));
    let (mut names, beaten) = match all {
        Ok(all) => all,
        Err(problem) => {
            return vec![Shown {
                name: "env".to_owned(),
                value: Err(problem),
                origin: Origin::Dotenv,
                place: None,
                lost: false,
            }];
        }
    };
    names.extend(beaten.keys().cloned());
    let shown = |name: String| {
        let (origin, place) = origin(frame, &name);
        let of_dotenv = beaten.get(&name).map(|(file, value)| Shown {
            name: format!("env.{name}"),
            value: Ok(value.clone()),
            origin: Origin::Dotenv,
            place: Some(file.text.clone()),
            lost: true,
        });
        let strongest = Shown {
            value: value(frame, &name, 0).map(|value| value.unwrap_or(Value::None)),
            name: format!("env.{name}"),
            origin,
            place,
            lost: false,
        };
        std::iter::once(strongest).chain(of_dotenv)
    };
    names.into_iter().flat_map(shown).collect()
}

/// What dotenv files say about variables that flow inherited.
fn beaten(frame: &Frame) -> Result<BTreeMap<String, (Text, Value)>, Problem> {
    let evaluator = frame.evaluator();
    let mut beaten = BTreeMap::new();
    let mut at = Some(frame.clone());
    while let Some(frame) = at {
        let names = names_in_dotenv(&frame)?.into_iter();
        for name in names.filter(|name| evaluator.inherited.contains_key(name)) {
            if let Some((file, value)) = in_dotenv(&frame, &name)? {
                beaten.entry(name).or_insert((file, evaluator.data(value)));
            }
        }
        at = parent(&frame);
    }
    Ok(beaten)
}

fn origin(frame: &Frame, name: &str) -> (Origin, Option<String>) {
    let mut at = Some(frame.clone());
    while let Some(frame) = at {
        for (origin, variables) in levels(&frame) {
            if let Some(variable) = variables.iter().find(|variable| variable.name == name) {
                return (origin, Some(frame.evaluator().place(variable.place)));
            }
        }
        at = parent(&frame);
    }
    if frame.evaluator().inherited.contains_key(name) {
        return (Origin::Inherited, None);
    }
    let file = in_dotenv(frame, name).ok().flatten();
    (Origin::Dotenv, file.map(|(file, _)| file.text))
}
