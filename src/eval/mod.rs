//! What a name stands for: vars, params, the environment, secrets and built-in names, for a task, as it is read.
//!
//! All of it is lazy: what nothing reads is never evaluated, and costs nothing. It works on the plan alone and knows the
//! world only as [`Outside`]; it refuses to know processes, the record and the terminal. What is evaluated for one
//! command is one `frame::Frame`; what was printed by a command for a value is remembered for the whole run.

mod builtin;
pub mod dotenv;
mod environment;
mod expansion;
mod frame;
pub mod here;
pub mod items;
pub mod kept;
pub mod outside;
pub mod questions;
pub mod recipe;
pub mod results;
mod typed;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value as Json, json};

use self::frame::Frame;
pub use self::frame::{Origin, Shown};
use self::here::Here;
use self::kept::Kept;
use self::outside::{Command, NoOutput, Nowhere, Outside};
use self::results::HandedOn;
use self::results::{Ended, Store};
use crate::expr::{self, Part, Problem, Script, Value};
use crate::model::id::NodeId;
use crate::model::language::step::{has_interpreter, is_posix};
use crate::model::language::{Data, Loop, Place, SecretFrom, Text, Var};
use crate::model::plan::{Plan, Program, Scope, Surroundings, Work, as_typed};
use crate::model::stream::Stream;

/// Evaluates what the commands of one plan read.
#[derive(Debug)]
pub struct Evaluator {
    plan: Arc<Plan>,
    /// The environment that flow has.
    inherited: BTreeMap<String, Vec<u8>>,
    outside: Box<dyn Outside>,
    run: OnceLock<RunNames>,
    /// The commands whose output has been written down, by their hashes.
    written: Mutex<HashSet<String>>,
    /// By the path, and those of the weaker files that its values may read.
    dotenvs: Mutex<HashMap<Vec<PathBuf>, Dotenv>>,
    results: Store,
    /// What serves again when the run is resumed, and has not been written down yet.
    kept: Mutex<Vec<Kept>>,
    /// What commands printed for values before the run was resumed, by the hash of the command.
    recalled: Mutex<HashMap<String, Vec<u8>>>,
    /// Only what the files say has a value: no environment, no arguments, nothing of a run.
    closed: bool,
}

type Dotenv = Result<Arc<Vec<(String, Vec<u8>)>>, Problem>;

/// What `run.…` is.
#[derive(Clone, Debug, Default)]
pub struct RunNames {
    /// `run.id`; empty when there is no run, as in a dry run.
    pub id: String,
    /// `run.started_at`, RFC 3339 in UTC.
    pub started_at: String,
    /// `run.trigger`, the name of the trigger that started it; empty without one.
    pub trigger: String,
    /// `run.scheduled_at`, the time that it is for, RFC 3339 in UTC; empty where it was no time that started it.
    pub scheduled_at: String,
}

/// A command with nothing left to evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What is started.
    pub program: Program,
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
    /// For a plan, with the environment that commands inherit. From now on the secrets of its files are hidden.
    pub fn new(
        plan: Arc<Plan>,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        outside: Box<dyn Outside>,
    ) -> Arc<Self> {
        let evaluator = Arc::new(Self::closed_or_open(plan, inherited, outside, false));
        builtin::hide_secrets(&evaluator);
        evaluator
    }

    fn closed_or_open(
        plan: Arc<Plan>,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        outside: Box<dyn Outside>,
        closed: bool,
    ) -> Self {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_vec()))
        };
        Self {
            results: Store::of(&plan),
            closed,
            plan,
            inherited: inherited.into_iter().filter_map(text).collect(),
            outside,
            run: OnceLock::new(),
            written: Mutex::default(),
            dotenvs: Mutex::default(),
            kept: Mutex::default(),
            recalled: Mutex::default(),
        }
    }

    /// A run of it begins.
    pub fn begin_run(&self, names: RunNames) {
        // There is one run of a plan.
        let _ = self.run.set(names);
    }

    /// The id of the run; empty as long as there is none.
    pub fn run_id(&self) -> String {
        self.run().id
    }

    fn run(&self) -> RunNames {
        self.run.get().cloned().unwrap_or_default()
    }

    /// What a step starts, for the node that is here.
    pub fn command(self: &Arc<Self>, work: &Work, here: &Here) -> Result<Rendered, Problem> {
        let context = &self.plan.contexts[work.context() as usize];
        let Some(scope) = context.scope else {
            let env = context.env.iter();
            return Ok(Rendered {
                program: as_written(work),
                shown: self.hidden(&work.written()),
                dir: context.dir.clone(),
                env: env
                    .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                    .collect(),
                several_words: Vec::new(),
            });
        };
        let frame = Frame::of_scope(self, scope, here.clone());
        let (dir, mut env) = (frame.dir()?, frame.environment()?);
        let (program, shown, several_words) = match work {
            Work::Shell {
                command,
                place,
                shell,
                ..
            } => {
                let text = Text::plain(command.clone(), *place);
                if shell.is_none() && has_interpreter(command) {
                    let text = foreign(&frame.text(&text)?, "the program in its first line")?;
                    (Program::File(text.clone()), text, Vec::new())
                } else if shell.as_deref().is_none_or(is_posix) {
                    let script = frame.step(&text)?;
                    for secret in &script.secrets {
                        self.outside.hide(secret);
                    }
                    env.extend(script.env.iter().cloned());
                    let several_words = script.several_words.iter();
                    let several_words =
                        several_words.map(|value| String::from_utf8_lossy(value).into_owned());
                    (
                        Program::Script {
                            shell: shell.as_deref().map(str::to_owned),
                            text: script.text.clone(),
                            args: script.args.clone(),
                        },
                        shown(&script),
                        several_words.collect(),
                    )
                } else {
                    let program = shell.as_deref().unwrap_or_default();
                    let program = program.split_whitespace().next().unwrap_or_default();
                    let text = foreign(&frame.text(&text)?, program)?;
                    let shell = shell.as_deref().map(str::to_owned);
                    (
                        Program::Script {
                            shell,
                            text: text.clone(),
                            args: Vec::new(),
                        },
                        text,
                        Vec::new(),
                    )
                }
            }
            Work::Argv { args, .. } => {
                let words = self.words(&frame, args)?;
                let shown = words.iter().map(|(word, secret)| match secret {
                    true => "***".to_owned(),
                    false => as_typed(&String::from_utf8_lossy(word)),
                });
                let shown: Vec<String> = shown.collect();
                let words = words.into_iter().map(|(word, _)| word).collect();
                (Program::Direct(words), shown.join(" "), Vec::new())
            }
        };
        Ok(Rendered {
            program,
            shown: self.hidden(&shown),
            dir,
            env,
            several_words,
        })
    }

    /// The arguments of a program, and which are secret: an element that is one list is several.
    fn words(&self, frame: &Frame, args: &[Text]) -> Result<Vec<(Vec<u8>, bool)>, Problem> {
        let mut words = Vec::new();
        for arg in args {
            let values = match frame.text(arg)? {
                Value::List(items) => items.to_vec(),
                value => vec![value],
            };
            for value in values {
                let (bytes, secret) = typed::bytes(&value)?;
                if secret {
                    self.outside.hide(&bytes);
                }
                words.push((bytes, secret));
            }
        }
        if words.is_empty() {
            return Err(problem("empty-command", "there is no program to run", None));
        }
        Ok(words)
    }

    /// Whether anybody may read what comes of this node of the plan.
    pub fn keeps(&self, spec: NodeId) -> bool {
        self.results.keeps(spec)
    }

    /// A node has ended.
    pub fn ended(&self, node: NodeId, ended: Ended) {
        self.results.ended(node, ended);
    }

    /// A loop has these instances.
    pub fn expanded(&self, node: NodeId, instances: Vec<NodeId>) {
        self.results.expanded(node, instances);
    }

    /// What a command handed on in its file, and printed for others to read.
    pub fn handed_on(&self, here: &Here, handed: &HandedOn<'_>) {
        let value = |bytes: &Vec<u8>| self.data(bytes.clone());
        let outputs: Vec<_> = handed
            .outputs
            .iter()
            .map(|(name, bytes)| (name.clone(), value(bytes)))
            .collect();
        if !outputs.is_empty() {
            self.results
                .handed_on(&here.up_to_task(&self.plan), &outputs);
        }
        for (stream, bytes) in handed.printed() {
            self.results
                .printed(&here.all(), stream, bytes, self.has_secret(bytes));
        }
    }

    /// What a node handed on, to be kept for the runs in which it is up to date; `None` when a secret is part of it.
    pub fn kept_values(&self, node: NodeId) -> Option<Vec<u8>> {
        let (printed, outputs) = self.results.values(node);
        let mut values = json!({"outputs": kept::of_outputs(&outputs)});
        for (stream, one) in Stream::ALL.into_iter().zip(&printed) {
            values[stream.word()] = kept::of_bytes(&one.bytes);
        }
        let values = self.without_secrets(values);
        let secret = printed.iter().any(|one| one.secret) || kept::has_secret(&values);
        (!secret).then(|| values.to_string().into_bytes())
    }

    /// What is to be written down, without what was made from a secret and no longer says so: numbers, names of members.
    fn without_secrets(&self, values: Json) -> Json {
        match self.has_secrets() {
            true => kept::without(values, &|text| self.has_secret(text.as_bytes())),
            false => values,
        }
    }

    /// What tells an item of a loop from the others, for people.
    pub fn item_name(&self, looped: NodeId, index: u32) -> String {
        items::value(&self.results.item(looped, index).unwrap_or_default(), ",")
    }

    /// What people call the items of a loop that is known.
    pub fn item_names(&self, looped: NodeId) -> Vec<String> {
        let items = self.results.all_items(looped);
        items::names(&items, |text| self.hidden(text))
    }

    /// A node is up to date, and has the values that were kept.
    pub fn hand_back(&self, node: NodeId, values: &[u8]) {
        if let Ok(values) = serde_json::from_slice(values) {
            self.restore(&[node], &values);
            self.keep(Some(node), VALUES, values);
        }
    }

    /// What was handed on and printed, as it was kept; where a secret had to be left out of it, that is remembered.
    fn restore(&self, nodes: &[NodeId], values: &Json) {
        let outputs = values.get("outputs").unwrap_or(&Json::Null);
        match kept::to_outputs(outputs) {
            Some(outputs) => self.results.handed_on(nodes, &outputs),
            None if kept::has_secret(outputs) => self.results.left_out(nodes),
            None => {}
        }
        for stream in Stream::ALL {
            let printed = values.get(stream.word()).unwrap_or(&Json::Null);
            match kept::to_bytes(printed) {
                Some(bytes) => self.results.printed(nodes, stream, &bytes, false),
                None if kept::has_secret(printed) => self.results.left_out(nodes),
                None => {}
            }
        }
    }

    /// What came of a question serves again when the run is resumed.
    fn keep(&self, node: Option<NodeId>, name: &str, value: Json) {
        let name = name.to_owned();
        let value = self.without_secrets(value);
        lock(&self.kept).push(Kept { node, name, value });
    }

    /// What is to be written down before anything that depends on it.
    pub fn take_kept(&self) -> Vec<Kept> {
        std::mem::take(&mut *lock(&self.kept))
    }

    /// What a command has handed on, and printed for others to read, is to be written down.
    pub fn keep_result(&self, node: NodeId, handed: &HandedOn<'_>) {
        // What is not there is known without being written down.
        let printed: Vec<_> = handed
            .printed()
            .filter(|(_, bytes)| !bytes.is_empty())
            .collect();
        if handed.outputs.is_empty() && printed.is_empty() {
            return;
        }
        let of = |bytes: &[u8]| match self.has_secret(bytes) {
            true => kept::secret(),
            false => kept::of_bytes(bytes),
        };
        let outputs = handed
            .outputs
            .iter()
            .map(|(name, bytes)| json!([name, of(bytes)]));
        let mut value = json!({"outputs": outputs.collect::<Vec<_>>()});
        for (stream, bytes) in printed {
            value[stream.word()] = of(bytes);
        }
        self.keep(Some(node), RESULT, value);
    }

    /// What a command had handed on and printed before the run was resumed has its effect, now that the command has ended.
    pub fn recall_result(&self, here: &Here, value: &Json) {
        let of_task = json!({"outputs": value.get("outputs")});
        let mut of_all = json!({});
        for stream in Stream::ALL {
            of_all[stream.word()] = value.get(stream.word()).cloned().unwrap_or_default();
        }
        self.restore(&here.up_to_task(&self.plan), &of_task);
        self.restore(&here.all(), &of_all);
    }

    /// What came of a node in another run serves in this one, and is written down anew.
    pub fn take_over(&self, node: NodeId, name: &str, value: &Json, here: &Here) {
        let kept = Kept {
            node: Some(node),
            name: name.to_owned(),
            value: value.clone(),
        };
        if name == RESULT {
            self.recall_result(here, value);
        } else {
            self.recall(&kept, here);
        }
        self.keep(kept.node, name, kept.value);
    }

    /// Something that was written down before the run was resumed, in its turn; `here` is where its node is.
    pub fn recall(&self, kept: &Kept, here: &Here) {
        let value = &kept.value;
        if let Some(hash) = kept.name.strip_prefix(PRINTED) {
            if let Some(bytes) = kept::to_bytes(value) {
                lock(&self.recalled).insert(hash.to_owned(), bytes);
            }
            return;
        }
        let outputs = json!({"outputs": value});
        match (kept.name.as_str(), kept.node) {
            (ITEMS, Some(node)) => {
                let items = value.as_array().into_iter().flatten();
                let items = items.map(|item| kept::to_outputs(item).unwrap_or_default());
                self.results.items(node, items.collect());
            }
            (SET, _) => self.restore(&here.up_to_task(&self.plan), &outputs),
            (OUTPUTS, _) => {
                let nodes: Vec<_> = here.task(&self.plan).into_iter().collect();
                self.restore(&nodes, &outputs);
            }
            (VALUES, Some(node)) => self.restore(&[node], value),
            // Of a later version.
            _ => {}
        }
    }

    /// Whether any of the files declares secrets.
    pub fn has_secrets(&self) -> bool {
        let mut files = self.plan.surroundings.files.iter();
        files.any(|file| !file.secrets.is_empty())
    }

    /// Whether an environment variable is where a secret comes from.
    fn is_secret(&self, variable: &str) -> bool {
        let secrets = self
            .plan
            .surroundings
            .files
            .iter()
            .flat_map(|file| &file.secrets);
        let mut from = secrets.map(|secret| &secret.from);
        from.any(|from| matches!(from, SecretFrom::Env(name) if name == variable))
    }

    /// Whether something has a secret in it.
    pub fn has_secret(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        self.outside.hidden(&text) != text
    }

    /// A text from outside; it is as secret as what is in it.
    fn data(&self, bytes: Vec<u8>) -> Value {
        let secret = self.has_secrets() && self.has_secret(&bytes);
        typed::data(bytes, secret)
    }

    /// These nodes are tried again: what they came to so far does not count.
    pub fn forget(&self, nodes: impl Iterator<Item = NodeId>) {
        self.results.forget(nodes);
    }

    /// Every var, param and environment variable of a scope with what it is and where it came from.
    pub fn show(self: &Arc<Self>, scope: u32) -> Vec<Shown> {
        Frame::of_scope(self, scope, Here::default()).show()
    }

    /// A text in a scope, as `confirm` and messages are.
    pub fn text(self: &Arc<Self>, scope: u32, text: &Text, here: &Here) -> Result<Value, Problem> {
        Frame::of_scope(self, scope, here.clone()).text(text)
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

    /// What a command prints, once in a run; it serves again when the run is resumed.
    fn output(&self, command: &Command<'_>) -> Result<Vec<u8>, NoOutput> {
        // Whoever knows a hash can try values out, so a command with a secret has none.
        let mut env = command.script.env.iter().chain(command.env);
        let secret =
            !command.script.secrets.is_empty() || env.any(|(_, value)| self.has_secret(value));
        if secret {
            return self.outside.output(command);
        }
        let env = command.script.env.iter().chain(command.env);
        let text = (
            &command.script.text,
            command.dir.as_os_str().as_encoded_bytes(),
            env.collect::<Vec<_>>(),
        );
        let text = serde_json::to_vec(&text).unwrap_or_default();
        let hash = blake3::hash(&text).to_hex();
        if let Some(output) = lock(&self.recalled).get(hash.as_str()) {
            return Ok(output.clone());
        }
        let output = self.outside.output(command)?;
        // It is to be written down before anybody can read it, whoever is the first to have it.
        let mut written = lock(&self.written);
        if written.insert(hash.to_string()) && !self.has_secret(&output) {
            self.keep(None, &format!("{PRINTED}{hash}"), kept::of_bytes(&output));
        }
        Ok(output)
    }

    /// The same, of what is never written down and read anew by a run that is resumed.
    fn secret_output(&self, command: &Command<'_>) -> Result<Vec<u8>, NoOutput> {
        self.outside.output(command)
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

/// What a command printed whose output is a value; its hash follows.
pub const PRINTED: &str = "printed ";
/// The items of a loop.
const ITEMS: &str = "items";
/// What a step has set.
const SET: &str = "set";
/// The declared outputs of a task.
const OUTPUTS: &str = "outputs";
/// What a task has handed on that is up to date.
const VALUES: &str = "values";
/// What a command has handed on and printed.
pub const RESULT: &str = "result";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value of a var in which everything is code, so that it is known before anything runs; `None` for any other.
pub fn fixed(surroundings: Surroundings, scopes: &[Scope], scope: u32, var: &Var) -> Option<Data> {
    as_code(&at_planning(surroundings, scopes, scope)?.var(var).ok()?)
}

/// The items of a loop in which everything is code, each with the names that it brings into scope; `None` for any other.
pub fn fixed_items(
    surroundings: Surroundings,
    scopes: &[Scope],
    scope: u32,
    each: &Loop,
) -> Option<Vec<Vec<(String, Data)>>> {
    let frame = at_planning(surroundings, scopes, scope)?;
    let items = frame.all_items(&each.items, &each.name).ok()?;
    let fixed = |(name, value): &(String, Value)| Some((name.clone(), as_code(value)?));
    let items = items.iter().map(|item| item.iter().map(fixed).collect());
    items.collect()
}

/// What a scope sees before anything runs. It is one of `scopes`, which only point to ones before them.
fn at_planning(surroundings: Surroundings, scopes: &[Scope], scope: u32) -> Option<Frame> {
    // What it is called by, and that by, is all it can read.
    let mut chain = vec![scopes.get(scope as usize)?.clone()];
    while let Some(call) = chain.last().and_then(|last| last.call.clone()) {
        chain.push(scopes.get(call.scope as usize)?.clone());
    }
    for (number, scope) in (1..).zip(&mut chain) {
        if let Some(call) = &mut scope.call {
            call.scope = number;
        }
    }
    let plan = Plan {
        scopes: chain,
        surroundings,
        ..Plan::default()
    };
    let evaluator = Evaluator::closed_or_open(Arc::new(plan), [], Box::new(Nowhere), true);
    let evaluator = Arc::new(evaluator);
    Some(Frame::of_scope(&evaluator, 0, Here::default()))
}

/// A text without any data in it.
fn code_of(text: &expr::Text) -> Option<String> {
    let mut all = String::new();
    for part in text.parts.iter() {
        match part {
            Part::Code(code) => all.push_str(code),
            Part::Data(_) => return None,
        }
    }
    Some(all)
}

/// A value that is code as a whole.
fn as_code(value: &Value) -> Option<Data> {
    Some(match value {
        Value::None => Data::Null,
        Value::Bool(value) => Data::Bool(*value),
        Value::Int(value) => Data::Int(*value),
        Value::Float(value) => Data::Float(*value),
        Value::Number(written) => Data::Number(written.to_string()),
        Value::Text(text) => Data::Text(Text::plain(code_of(text)?, Place::default())),
        Value::List(items) => Data::List(items.iter().map(as_code).collect::<Option<_>>()?),
        Value::Map(entries) => {
            if !entries.has_names_of_code() {
                return None;
            }
            let entry = |(name, value): &(String, Value)| Some((name.clone(), as_code(value)?));
            Data::Map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        Value::Names(_) | Value::Undefined(_) => return None,
    })
}

/// A step in which nothing is to be evaluated.
fn as_written(work: &Work) -> Program {
    match work {
        Work::Shell {
            command,
            shell: None,
            ..
        } if has_interpreter(command) => Program::File(command.clone()),
        Work::Shell { command, shell, .. } => Program::Script {
            shell: shell.as_deref().map(str::to_owned),
            text: command.clone(),
            args: Vec::new(),
        },
        Work::Argv { args, .. } => Program::Direct(
            args.iter()
                .map(|arg| arg.text.as_bytes().to_vec())
                .collect(),
        ),
    }
}

/// A script for an interpreter whose quoting is not known: nothing in it may be data.
fn foreign(value: &Value, program: &str) -> Result<String, Problem> {
    let refused = || {
        problem(
            "data-in-foreign-script",
            format!(
                "text from outside can't stand in a script for {program}, which might take it for code"
            ),
            Some("hand it over in 'env', and read the variable in the script".to_owned()),
        )
    };
    match value {
        Value::Text(text) => code_of(text).ok_or_else(refused),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Number(_) => {
            Ok(String::from_utf8_lossy(&typed::bytes(value)?.0).into_owned())
        }
        _ => Err(refused()),
    }
}

/// A value for people; what is secret in it, or was made from a secret, is hidden.
pub fn written(value: &Value) -> String {
    match value {
        Value::None => String::new(),
        Value::Text(text) => {
            let part = |part: &Part| match part {
                Part::Code(code) => code.clone(),
                Part::Data(data) if data.secret => "***".to_owned(),
                Part::Data(data) => String::from_utf8_lossy(&data.bytes).into_owned(),
            };
            text.parts.iter().map(part).collect()
        }
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

/// The script as a person would type it: each value quoted for where it stands.
fn shown(script: &Script) -> String {
    let secrets: HashSet<&[u8]> = script.secrets.iter().map(Vec::as_slice).collect();
    let values: HashMap<&str, &[u8]> = script
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let of = |value: &[u8]| match secrets.contains(value) {
        true => "***".to_owned(),
        false => String::from_utf8_lossy(value).into_owned(),
    };
    let mut text = String::new();
    let mut rest = script.text.as_str();
    while let Some(begin) = rest.find("${") {
        let (before, after) = rest.split_at(begin);
        let end = after.find('}').unwrap_or(after.len() - 1);
        let (name, behind) = (&after[2..end.max(2)], &after[end + 1..]);
        let Some(value) = values.get(name).map(|value| of(value)) else {
            text.push_str(before);
            text.push_str("${");
            rest = &after[2..];
            continue;
        };
        let single = before.strip_suffix("'\"").zip(behind.strip_prefix("\"'"));
        let bare = before.strip_suffix('"').zip(behind.strip_prefix('"'));
        let (before, value, behind) = match (single, bare) {
            (Some((before, behind)), _) => (before, value.replace('\'', "'\\''"), behind),
            (None, Some((before, behind))) => (before, as_typed(&value), behind),
            (None, None) => (before, in_double(&value), behind),
        };
        text.push_str(before);
        text.push_str(&value);
        rest = behind;
    }
    text.push_str(rest);
    if script.args.is_empty() {
        return text;
    }
    let args: Vec<String> = script.args.iter().map(|arg| as_typed(&of(arg))).collect();
    text.replace("\"$@\"", &args.join(" "))
}

/// A value within `"…"`.
fn in_double(value: &str) -> String {
    let mut text = String::new();
    for letter in value.chars() {
        if matches!(letter, '"' | '$' | '`' | '\\') {
            text.push('\\');
        }
        text.push(letter);
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
