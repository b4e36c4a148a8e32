//! The names that are always there: `env`, `secrets`, `args`, `run`, `git`, `os` and the like. A name of the file wins over
//! each of them; `flow.NAME` always means these.

use std::sync::Arc;

use super::environment::{self, Environment};
use super::frame::Frame;
use super::outside::{Command, NoOutput};
use super::results::{self, Named, Of};
use super::{Evaluator, inside, problem, typed};
use crate::expr::{Names, Problem, Script, Value};
use crate::model::language::builtin::BUILT_IN;
use crate::model::language::{BuiltIn, SecretFrom};

/// The value of a built-in name.
pub(super) fn value(frame: &Frame, name: &str) -> Result<Option<Value>, Problem> {
    let Some(known) = BuiltIn::of(name) else {
        return Ok(None);
    };
    if frame.evaluator().closed && !matches!(known, BuiltIn::Os | BuiltIn::Arch | BuiltIn::Flow) {
        let message = format!("'{name}' is not known before anything runs");
        return Err(problem("not-now", message, None));
    }
    let results = |of| {
        let frame = frame.clone();
        Value::Names(Arc::new(Named { frame, of }))
    };
    Ok(Some(match known {
        BuiltIn::Steps => results(Of::Steps),
        BuiltIn::Tasks => results(Of::Tasks),
        BuiltIn::Outputs => results::own_outputs(frame),
        BuiltIn::Error => error(frame),
        BuiltIn::Env => Value::Names(Arc::new(Environment::of(frame))),
        BuiltIn::Secrets => Value::Names(Arc::new(Secrets(frame.clone()))),
        BuiltIn::Git => Value::Names(Arc::new(Git(frame.clone()))),
        BuiltIn::Flow => Value::Names(Arc::new(Always(frame.clone()))),
        BuiltIn::Args => args(frame),
        BuiltIn::Run => run(frame),
        BuiltIn::Os => Value::code(std::env::consts::OS),
        BuiltIn::Arch => Value::code(std::env::consts::ARCH),
        BuiltIn::Cpus => Value::Int(i64::try_from(frame.evaluator().outside.cpus()).unwrap_or(1)),
        BuiltIn::File => file(frame),
        BuiltIn::Project => project(frame),
    }))
}

/// What all of them are called.
pub(super) fn names() -> impl Iterator<Item = String> {
    BUILT_IN.iter().map(|row| row.name.to_owned())
}

/// A map of texts that are data.
fn texts<'t>(members: impl IntoIterator<Item = (&'static str, &'t str)>) -> Value {
    let member = |(name, value): (&str, &str)| (name.to_owned(), Value::data(value));
    Value::map(members.into_iter().map(member).collect())
}

/// What went wrong, in a handler; nothing when nothing did.
fn error(frame: &Frame) -> Value {
    if frame.evaluator().outside.rests() {
        return results::all_later("error");
    }
    let Some(error) = frame.here().error() else {
        return Value::None;
    };
    Value::map(vec![
        ("message".to_owned(), Value::data(&error.message[..])),
        (
            "exit_code".to_owned(),
            error
                .exit_code
                .map_or(Value::None, |code| Value::Int(i64::from(code))),
        ),
        ("task".to_owned(), Value::data(&error.task[..])),
        ("step".to_owned(), Value::data(&error.step[..])),
    ])
}

fn args(frame: &Frame) -> Value {
    let named = frame.scope().is_some_and(|scope| scope.named);
    let args = &frame.evaluator().plan.surroundings.args;
    let args = args.iter().filter(|_| named);
    Value::list(
        args.map(|arg| frame.evaluator().data(arg.clone().into_bytes()))
            .collect(),
    )
}

fn run(frame: &Frame) -> Value {
    let evaluator = frame.evaluator();
    let names = evaluator.run();
    texts([
        ("id", &names.id[..]),
        ("started_at", &names.started_at),
        (
            "cwd",
            &evaluator.plan.surroundings.called_in.to_string_lossy(),
        ),
        ("trigger", &names.trigger),
        ("scheduled_at", &names.scheduled_at),
    ])
}

/// What the root file says of itself, wherever it is read.
fn project(frame: &Frame) -> Value {
    let plan = &frame.evaluator().plan;
    let text = |text: &str| Value::data(text);
    let meta = plan.project.meta.iter();
    let meta = meta.map(|(name, value)| (name.clone(), text(value)));
    let members = [
        ("name", text(&plan.project_name())),
        (
            "desc",
            plan.project.desc.as_deref().map_or(Value::None, text),
        ),
        ("dir", text(&plan.project_dir().to_string_lossy())),
        ("meta", Value::map(meta.collect())),
    ];
    Value::map(members.map(|(name, value)| (name.to_owned(), value)).into())
}

fn file(frame: &Frame) -> Value {
    let file = frame.file();
    let dir = file.path.parent().unwrap_or(&file.dir);
    texts([
        ("path", &file.path.to_string_lossy()[..]),
        ("dir", &dir.to_string_lossy()),
    ])
}

/// `flow.NAME`
#[derive(Debug)]
struct Always(Frame);

impl Names for Always {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        value(&self.0, name)
    }

    fn known(&self) -> Vec<String> {
        names().collect()
    }
}

/// `secrets.NAME`
#[derive(Debug)]
struct Secrets(Frame);

impl Names for Secrets {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        let frame = &self.0;
        let Some(secret) = frame
            .file()
            .secrets
            .iter()
            .find(|secret| secret.name == name)
        else {
            return Ok(None);
        };
        let place = frame.evaluator().place(secret.place);
        let bytes = read(frame, &secret.from)
            .map_err(|problem| inside(&format!("the secret '{name}'"), &place, &problem))?;
        frame.evaluator().outside.hide(&bytes);
        Ok(Some(typed::data(bytes, true)))
    }

    fn known(&self) -> Vec<String> {
        let secrets = self.0.file().secrets.iter();
        secrets.map(|secret| secret.name.clone()).collect()
    }
}

fn read(frame: &Frame, from: &SecretFrom) -> Result<Vec<u8>, Problem> {
    let evaluator = frame.evaluator();
    match from {
        SecretFrom::Env(name) => match environment::beyond(frame, name)? {
            Some(value) => Ok(typed::bytes(&value)?.0),
            None => {
                let help = Some(format!("set it: {name}=… flow …"));
                let message = format!("the environment has no {name}");
                Err(problem("no-secret", message, help))
            }
        },
        SecretFrom::File(text) => {
            let path = frame.file().dir.join(typed::path(&frame.text(text)?)?);
            let read = evaluator.outside.read(&path);
            let shown = path.display();
            match read {
                Ok(Some(mut bytes)) => {
                    trim(&mut bytes);
                    Ok(bytes)
                }
                Ok(None) => Err(problem(
                    "no-secret",
                    format!("there is no file {shown}"),
                    None,
                )),
                Err(error) => Err(problem(
                    "no-secret",
                    format!("{shown} can't be read: {error}"),
                    None,
                )),
            }
        }
        SecretFrom::Sh(text) => {
            let script = frame.script(text)?;
            let dir = frame.file().dir.clone();
            let command = Command {
                script: &script,
                dir: &dir,
                env: &[],
            };
            match evaluator.secret_output(&command) {
                Ok(bytes) => Ok(bytes),
                Err(NoOutput::NotNow) => Ok(b"***".to_vec()),
                // What it printed may be a part of the secret.
                Err(NoOutput::Failed(_)) => Err(problem("no-secret", "its command failed", None)),
                Err(NoOutput::Stopped(why)) => {
                    let what = format!("its command was ended: {why}");
                    Err(problem("no-secret", what, None))
                }
            }
        }
    }
}

/// Hides the secrets that are there before anything runs: those of the environment and of files, whether `secrets.…` is read or
/// not, because a command may read them by itself. What can't be read is reported where it is needed.
pub(super) fn hide_secrets(evaluator: &Arc<Evaluator>) {
    for (number, file) in (0..).zip(&evaluator.plan.surroundings.files) {
        for secret in &file.secrets {
            if matches!(secret.from, SecretFrom::Sh(_)) {
                continue;
            }
            let frame = Frame::of_file(evaluator, number);
            if let Ok(bytes) = read(&frame, &secret.from) {
                evaluator.outside.hide(&bytes);
            }
        }
    }
}

fn trim(bytes: &mut Vec<u8>) {
    while bytes
        .last()
        .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
    {
        bytes.pop();
    }
}

/// `git.NAME`, of the repository that the file is in.
#[derive(Debug)]
struct Git(Frame);

/// Git without what a repository could have it run: a monitor of its files (`core.fsmonitor`), and the settings of a bare repository
/// that lies within another (`safe.bareRepository`, git-config(1)).
const ASKING_GIT: &str = "git -c core.fsmonitor=false -c safe.bareRepository=explicit ";

const GIT: [(&str, &str); 5] = [
    ("sha", "git rev-parse HEAD"),
    ("short_sha", "git rev-parse --short HEAD"),
    // Nothing on a detached head, and where no tag is; an error outside of a repository.
    (
        "branch",
        "git rev-parse --git-dir >/dev/null && { git symbolic-ref --short -q HEAD || true; }",
    ),
    (
        "tag",
        "git rev-parse --git-dir >/dev/null && { git describe --tags --exact-match 2>/dev/null || true; }",
    ),
    ("dirty", "git status --porcelain"),
];

impl Names for Git {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        let Some((_, text)) = GIT.iter().find(|(known, _)| *known == name) else {
            return Ok(None);
        };
        let script = Script {
            text: text.replace("git ", ASKING_GIT),
            ..Script::default()
        };
        let dir = &self.0.file().dir;
        let command = Command {
            script: &script,
            dir,
            env: &[],
        };
        match self.0.evaluator().output(&command) {
            Ok(bytes) if name == "dirty" => Ok(Some(Value::Bool(!bytes.is_empty()))),
            Ok(bytes) => Ok(Some(typed::data(bytes, false))),
            Err(NoOutput::NotNow) if name == "dirty" => Ok(Some(Value::Bool(false))),
            Err(NoOutput::NotNow) => Ok(Some(Value::code(format!("$({text})")))),
            Err(NoOutput::Failed(why) | NoOutput::Stopped(why)) => Err(problem(
                "git",
                format!("git.{name} is not known: {why}"),
                Some("it is there in a git repository with a commit".to_owned()),
            )),
        }
    }

    fn known(&self) -> Vec<String> {
        GIT.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}
