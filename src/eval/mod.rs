//! What a name stands for: vars, params, the environment, secrets and built-in names, for a task, as it is read.
//!
//! All of it is lazy: what nothing reads is never evaluated, and costs nothing. It works on the plan alone and knows the
//! world only as [`Outside`]; it refuses to know processes, the record and the terminal. What is evaluated for one
//! command is one `frame::Frame`; what was printed by a command for a value is remembered for the whole run.

mod builtin;
pub mod dotenv;
mod environment;
mod frame;
pub mod outside;
mod typed;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use self::frame::Frame;
pub use self::frame::{Origin, Shown};
use self::outside::{Command, NoOutput, Outside};
use crate::expr::{self, Problem, Script, Value};
use crate::model::language::{Place, Text};
use crate::model::plan::{Plan, Work};

/// Evaluates what the commands of one plan read.
#[derive(Debug)]
pub struct Evaluator {
    plan: Arc<Plan>,
    /// The environment that flow has.
    inherited: BTreeMap<String, Vec<u8>>,
    outside: Box<dyn Outside>,
    run: RunNames,
    outputs: Mutex<HashMap<OutputKey, Result<Vec<u8>, NoOutput>>>,
    dotenvs: Mutex<HashMap<PathBuf, Dotenv>>,
}

type OutputKey = (String, PathBuf, Vec<(String, Vec<u8>)>);
type Dotenv = Result<Arc<Vec<(String, Vec<u8>)>>, Problem>;

/// What `run.…` is.
#[derive(Clone, Debug, Default)]
pub struct RunNames {
    /// `run.id`; empty when there is no run, as in a dry run.
    pub id: String,
    /// `run.started_at`, RFC 3339 in UTC.
    pub started_at: String,
}

/// A command with nothing left to evaluate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// For the shell.
    pub command: String,
    /// For people: data in single quotes where the shell gets a variable, secrets hidden.
    pub shown: String,
    /// The folder it runs in.
    pub dir: PathBuf,
    /// Variables beyond the inherited environment.
    pub env: Vec<(String, Vec<u8>)>,
    /// Values with white space that stand as one word where several may have been meant.
    pub several_words: Vec<String>,
}

impl Evaluator {
    /// For a plan, with the environment that commands inherit.
    pub fn new(
        plan: Arc<Plan>,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        outside: Box<dyn Outside>,
        run: RunNames,
    ) -> Self {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_vec()))
        };
        Self {
            plan,
            inherited: inherited.into_iter().filter_map(text).collect(),
            outside,
            run,
            outputs: Mutex::default(),
            dotenvs: Mutex::default(),
        }
    }

    /// The command of a shell step in its scope.
    pub fn command(self: &Arc<Self>, work: &Work) -> Result<Rendered, Problem> {
        let Work::Shell {
            command,
            context,
            place,
        } = work;
        let context = &self.plan.contexts[*context as usize];
        let Some(scope) = context.scope else {
            let env = context.env.iter();
            return Ok(Rendered {
                command: command.clone(),
                shown: command.clone(),
                dir: context.dir.clone(),
                env: env
                    .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                    .collect(),
                several_words: Vec::new(),
            });
        };
        let frame = Frame::of_scope(self, scope);
        let text = Text {
            text: command.clone(),
            place: *place,
        };
        let (dir, mut env) = (frame.dir()?, frame.environment()?);
        let script = frame.script(&text)?;
        for secret in &script.secrets {
            self.outside.hide(secret);
        }
        env.extend(script.env.iter().cloned());
        Ok(Rendered {
            shown: shown(&script),
            several_words: script
                .several_words
                .iter()
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect(),
            command: script.text,
            dir,
            env,
        })
    }

    /// Every var, param and environment variable of a scope with what it is and where it came from.
    pub fn show(self: &Arc<Self>, scope: u32) -> Vec<Shown> {
        Frame::of_scope(self, scope).show()
    }

    /// A text in a scope, as `confirm` and messages are.
    pub fn text(self: &Arc<Self>, scope: u32, text: &Text) -> Result<Value, Problem> {
        Frame::of_scope(self, scope).text(text)
    }

    /// What is wrong, for people: secrets are hidden.
    pub fn told(&self, problem: &Problem) -> String {
        let help = problem.help.as_ref();
        let help = help.map_or(String::new(), |help| format!("; {help}"));
        self.outside.hidden(&format!("{}{help}", problem.message))
    }

    /// A text without what must never be seen.
    pub fn hidden(&self, text: &str) -> String {
        self.outside.hidden(text)
    }

    /// Nothing more is wanted: commands that run for a value are ended.
    pub fn stop(&self) {
        self.outside.stop();
    }

    fn output(&self, command: &Command<'_>) -> Result<Vec<u8>, NoOutput> {
        let env = command.script.env.iter().chain(command.env).cloned();
        let key = (
            command.script.text.clone(),
            command.dir.to_owned(),
            env.collect(),
        );
        let known = |this: &Self| {
            let outputs = this.outputs.lock().unwrap_or_else(PoisonError::into_inner);
            outputs.get(&key).cloned()
        };
        if let Some(output) = known(self) {
            return output;
        }
        let output = self.outside.output(command);
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.entry(key).or_insert(output).clone()
    }

    /// `web/Workflowfile.yml:3:5`, relative to the folder of the root file where that is possible.
    fn place(&self, place: Place) -> String {
        let files = &self.plan.surroundings.files;
        let path = files
            .get(place.file as usize)
            .map_or(&self.plan.file, |file| &file.path);
        let root = self.plan.file.parent();
        let shown = root
            .and_then(|root| path.strip_prefix(root).ok())
            .unwrap_or(path);
        format!("{}:{}:{}", shown.display(), place.line, place.column)
    }
}

/// A value for people.
pub fn written(value: &Value) -> String {
    match value {
        Value::None => String::new(),
        Value::List(items) => items.iter().map(written).collect::<Vec<_>>().join(" "),
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries: Vec<String> = entries
                .map(|(name, value)| format!("{name}: {}", written(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Names(_) => "…".to_owned(),
        value => typed::bytes(value).map_or_else(
            |_| String::new(),
            |(bytes, _)| String::from_utf8_lossy(&bytes).into_owned(),
        ),
    }
}

/// The script as a person would type it.
fn shown(script: &Script) -> String {
    let mut text = script.text.clone();
    // The longer names first: FLOW_D1 is the beginning of FLOW_D12.
    for (name, value) in script.env.iter().rev() {
        let hidden = script.secrets.contains(value);
        let value = if hidden {
            "***".to_owned()
        } else {
            format!(
                "'{}'",
                String::from_utf8_lossy(value).replace('\'', "'\\''")
            )
        };
        for reference in [
            format!("'\"${{{name}}}\"'"),
            format!("\"${{{name}}}\""),
            format!("${{{name}}}"),
        ] {
            text = text.replace(&reference, &value);
        }
    }
    text
}

/// What is wrong with a value, told where the value is read.
fn inside(what: &str, place: &str, problem: &Problem) -> Problem {
    Problem {
        code: problem.code,
        message: format!("{} (in {what}, {place})", problem.message),
        span: None,
        help: problem.help.clone(),
    }
}

/// A problem without a place in a template.
fn problem(code: &'static str, message: impl Into<String>, help: Option<String>) -> Problem {
    expr::Problem {
        code,
        message: message.into(),
        span: None,
        help,
    }
}
