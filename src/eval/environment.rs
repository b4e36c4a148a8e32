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

    fn has_secrets(&self) -> bool {
        self.environment.frame.has_secrets()
    }

    fn is_secret(&self, number: &str) -> bool {
        self.environment.frame.is_secret(number)
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
    let of_file = |dotenv: &Dotenv| {
        let found = dotenv.set.iter().find(|(known, _)| known == name)?;
        Some((dotenv.file.clone(), found.1.clone()))
    };
    Ok(all_dotenvs(frame)?.iter().rev().find_map(of_file))
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
            super::frame::CYCLE | super::frame::TOO_DEEP => problem,
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
        Ok(Value::code(&*text.text))
    }
}

/// A dotenv file that has been read.
struct Dotenv {
    file: Text,
    set: Arc<Vec<(String, Vec<u8>)>>,
}

/// All dotenv files that a frame sees, the weaker ones first: those of the including files, of its file, of its task; of several
/// in a list the last one is the strongest. What is not there sets nothing.
fn all_dotenvs(frame: &Frame) -> Result<Vec<Dotenv>, Problem> {
    let mut above = vec![frame.clone()];
    while let Some(parent) = above.last().and_then(parent) {
        above.push(parent);
    }
    let (mut all, mut paths) = (Vec::new(), Vec::new());
    for frame in above.iter().rev() {
        for file in dotenvs(frame) {
            all.push(read(frame, file, &mut paths, &all)?);
        }
    }
    Ok(all)
}

/// The dotenv files of a frame alone.
fn dotenvs(frame: &Frame) -> impl Iterator<Item = &Text> {
    let of_task = frame.scope().map_or(&[][..], |scope| &scope.dotenv);
    let all = frame.file().dotenv.iter().chain(of_task);
    all.filter(|file| !(frame.names_dotenv() && file.is_template()))
}

/// Reads a dotenv file, whose values may read those of the weaker ones; `paths` are those of all so far.
fn read(
    frame: &Frame,
    file: &Text,
    paths: &mut Vec<PathBuf>,
    weaker: &[Dotenv],
) -> Result<Dotenv, Problem> {
    let evaluator = frame.evaluator();
    let at = |problem: Problem| inside("'dotenv'", &evaluator.place(file.place), &problem);
    paths.push(dotenv_path(frame, file).map_err(at)?);
    let known = lock(&evaluator.dotenvs).get(paths).cloned();
    let set = match known {
        Some(known) => known,
        None => {
            let path = paths.last().expect("it was just added");
            let parsed = parse(frame, path, weaker).map_err(at).map(Arc::new);
            let mut files = lock(&evaluator.dotenvs);
            files.entry(paths.clone()).or_insert(parsed).clone()
        }
    }?;
    Ok(Dotenv {
        file: file.clone(),
        set,
    })
}

fn dotenv_path(frame: &Frame, file: &Text) -> Result<PathBuf, Problem> {
    let dir = &frame.file().dir;
    if !file.is_template() {
        return Ok(dir.join(&*file.text));
    }
    let path = frame.once(Key::Dotenv(file.place), || {
        expr::text(&file.text, &frame.naming_dotenv())
    })?;
    Ok(dir.join(typed::path(&path)?))
}

fn parse(
    frame: &Frame,
    path: &std::path::Path,
    weaker: &[Dotenv],
) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let (shown, evaluator) = (path.display(), frame.evaluator());
    let text = evaluator.outside.read(path).map_err(|error| {
        problem(
            "cannot-read",
            format!("{shown} can't be read: {error}"),
            None,
        )
    })?;
    let inherited = |name: &str| evaluator.inherited.get(name).cloned();
    let of_weaker = |name: &str| {
        let in_file = |dotenv: &Dotenv| {
            let found = dotenv.set.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        weaker.iter().rev().find_map(in_file)
    };
    let text = text.unwrap_or_default();
    let set = dotenv::parse(&text, &inherited, &of_weaker).map_err(|wrong| {
        problem(
            "dotenv",
            format!("{shown}:{}: {}", wrong.line, wrong.message),
            Some(wrong.help),
        )
    })?;
    for (_, value) in set.iter().filter(|(name, _)| evaluator.is_secret(name)) {
        evaluator.outside.hide(value);
    }
    Ok(set)
}

/// The names that are set beyond what flow itself inherited.
fn names(frame: &Frame) -> Result<BTreeSet<String>, Problem> {
    let mut names = BTreeSet::new();
    let mut at = Some(frame.clone());
    while let Some(frame) = at {
        for (_, variables) in levels(&frame) {
            names.extend(variables.iter().map(|variable| variable.name.clone()));
        }
        at = parent(&frame);
    }
    let inherited = &frame.evaluator().inherited;
    for dotenv in all_dotenvs(frame)? {
        let of_file = dotenv.set.iter().map(|(name, _)| name);
        names.extend(
            of_file
                .filter(|name| !inherited.contains_key(*name))
                .cloned(),
        );
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
            place: Some(file.text.to_string()),
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
    // The stronger ones come later.
    for dotenv in all_dotenvs(frame)? {
        for (name, value) in dotenv.set.iter() {
            if evaluator.inherited.contains_key(name) {
                let lost = (dotenv.file.clone(), evaluator.data(value.clone()));
                beaten.insert(name.clone(), lost);
            }
        }
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
    (Origin::Dotenv, file.map(|(file, _)| file.text.into()))
}
