//! The names that one task sees, strongest first, each evaluated when it is first read.
//!
//! Strongest first: what was given for it, its profile's vars, its own params and vars, what the include hands over, the
//! file's vars, then the built-in names. A frame serves one command and is thrown away; nothing of it is shared.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::here::Here;
use super::items::INDEX;
use super::outside::{Command, NoOutput};
use super::{Evaluator, builtin, environment, inside, lock, problem, results, typed};
use crate::expr::{self, Names, Problem, Script, Value};
use crate::model::language::{Data, File, Items, Place, Text, Var, VarValue};
use crate::model::plan::Scope;

/// The names of a task, or of a file for what it hands to those it includes.
#[derive(Clone, Debug)]
pub(super) struct Frame(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    evaluator: Arc<Evaluator>,
    /// The scope of the task; `None` for the names of a file alone.
    scope: Option<u32>,
    file: u32,
    here: Here,
    /// It serves to name a dotenv file.
    names_dotenv: bool,
    known: Mutex<HashMap<Key, Value>>,
    /// What is being evaluated, the outermost first.
    open: Mutex<Vec<Key>>,
}

/// How deep values read one another in this thread, over all frames: the stack has an end.
struct Depth;

/// Deeper than this is an error.
const DEPTH_MAX: u32 = 200;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

impl Depth {
    fn more(key: &Key) -> Result<Self, Problem> {
        let depth = DEPTH.get();
        if depth >= DEPTH_MAX {
            return Err(problem(
                TOO_DEEP,
                format!(
                    "values read one another more than {DEPTH_MAX} deep, the last is '{}'",
                    key.shown()
                ),
                Some("put some of them together".to_owned()),
            ));
        }
        DEPTH.set(depth + 1);
        Ok(Self)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// What can be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A name.
    Name(String),
    /// An environment variable, from this level out.
    Env(String, usize),
    /// The name of the dotenv file that stands here.
    Dotenv(Place),
    /// The folder.
    Dir,
}

impl Key {
    fn shown(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Env(name, _) => format!("env.{name}"),
            Self::Dotenv(_) => "dotenv".to_owned(),
            Self::Dir => "dir".to_owned(),
        }
    }
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `NAME=VALUE` on the command line.
    CommandLine,
    /// The chosen profile.
    Profile,
    /// A param of the task, its default.
    Param,
    /// The task, or a step of it.
    Task,
    /// What the include hands over.
    With,
    /// The file.
    File,
    /// flow's own environment.
    Inherited,
    /// A dotenv file.
    Dotenv,
}

/// A value for people.
#[derive(Clone, Debug)]
pub struct Shown {
    /// `NAME`, or `env.NAME`.
    pub name: String,
    /// What it is; what is wrong with it.
    pub value: Result<Value, Problem>,
    /// Where it came from.
    pub origin: Origin,
    /// Where that stands, if it stands in a file: `Workflowfile.yml:3:5`.
    pub place: Option<String>,
    /// A stronger one counts, which is shown before it.
    pub lost: bool,
}

/// What a name is defined as.
enum Defined<'a> {
    /// By a loop.
    Item(Value),
    /// By what called the task, in this scope.
    Called(&'a Var, u32),
    Given(&'a Data),
    Param(&'a crate::model::language::Param),
    Var(&'a Var, Origin),
}

impl Frame {
    pub(super) fn of_scope(evaluator: &Arc<Evaluator>, scope: u32, here: Here) -> Self {
        let file = evaluator.plan.scopes[scope as usize].file;
        Self::new(evaluator, Some(scope), file, here)
    }

    /// The names of a file by itself.
    pub(super) fn of_file(evaluator: &Arc<Evaluator>, file: u32) -> Self {
        Self::new(evaluator, None, file, Here::default())
    }

    fn new(evaluator: &Arc<Evaluator>, scope: Option<u32>, file: u32, here: Here) -> Self {
        Self(Arc::new(Inner {
            evaluator: Arc::clone(evaluator),
            scope,
            file,
            here,
            names_dotenv: false,
            known: Mutex::default(),
            open: Mutex::default(),
        }))
    }

    /// The same names for the name of a dotenv file, which sees no dotenv file whose name is a template. What is evaluated
    /// for it serves nothing else: with all dotenv files read it may be something else.
    pub(super) fn naming_dotenv(&self) -> Self {
        Self(Arc::new(Inner {
            evaluator: Arc::clone(&self.0.evaluator),
            scope: self.0.scope,
            file: self.0.file,
            here: self.0.here.clone(),
            names_dotenv: true,
            known: Mutex::default(),
            open: Mutex::default(),
        }))
    }

    /// Whether it serves to name a dotenv file.
    pub(super) fn names_dotenv(&self) -> bool {
        self.0.names_dotenv
    }

    pub(super) fn evaluator(&self) -> &Arc<Evaluator> {
        &self.0.evaluator
    }

    pub(super) fn scope(&self) -> Option<&Scope> {
        let scope = self.0.scope?;
        self.0.evaluator.plan.scopes.get(scope as usize)
    }

    /// Where in the run this is.
    pub(super) fn here(&self) -> &Here {
        &self.0.here
    }

    /// The frame of what called the task.
    fn caller(&self, scope: u32) -> Self {
        let evaluator = &self.0.evaluator;
        Self::of_scope(evaluator, scope, self.0.here.caller(&evaluator.plan))
    }

    /// What a loop around this brings into scope.
    fn of_loops(&self, name: &str) -> Option<Value> {
        let evaluator = &self.0.evaluator;
        for looped in &self.scope()?.loops {
            let Some(crate::model::plan::About::Items {
                items, name: own, ..
            }) = evaluator
                .plan
                .node(*looped)
                .ask
                .as_ref()
                .map(|ask| &ask.about)
            else {
                continue;
            };
            let found = self.0.here.item(*looped);
            let axis = match items {
                Items::Matrix { axes, include, .. } => {
                    let more = include.iter().flatten().map(|(name, _)| name);
                    axes.iter()
                        .map(|(name, _)| name)
                        .chain(more)
                        .any(|axis| axis == name)
                }
                _ => own == name,
            };
            match found {
                None if axis || name == INDEX => {
                    return evaluator.outside.rests().then(|| results::later(name));
                }
                Some((node, index)) if name == INDEX => {
                    let item = evaluator.results.item(node, index).unwrap_or_default();
                    let given = item.into_iter().find(|(known, _)| known == name);
                    let own = || Value::Int(i64::from(index));
                    return Some(given.map_or_else(own, |(_, value)| value));
                }
                Some((node, index)) if axis => {
                    let names = evaluator.results.item(node, index)?;
                    let value = names.into_iter().find(|(known, _)| known == name);
                    return Some(value.map_or(Value::None, |(_, value)| value));
                }
                _ => {}
            }
        }
        None
    }

    pub(super) fn file(&self) -> &File {
        &self.0.evaluator.plan.surroundings.files[self.0.file as usize]
    }

    pub(super) fn file_index(&self) -> u32 {
        self.0.file
    }

    /// Evaluates once; what reads itself on the way is a cycle.
    pub(super) fn once(
        &self,
        key: Key,
        evaluate: impl FnOnce() -> Result<Value, Problem>,
    ) -> Result<Value, Problem> {
        if let Some(value) = lock(&self.0.known).get(&key) {
            return Ok(value.clone());
        }
        let _depth = Depth::more(&key)?;
        self.enter(&key)?;
        let value = evaluate();
        lock(&self.0.open).pop();
        let value = value?;
        lock(&self.0.known).insert(key, value.clone());
        Ok(value)
    }

    fn enter(&self, key: &Key) -> Result<(), Problem> {
        let mut open = lock(&self.0.open);
        if let Some(from) = open.iter().position(|open| open == key) {
            let mut path: Vec<String> = open[from..].iter().map(Key::shown).collect();
            path.push(key.shown());
            return Err(problem(
                CYCLE,
                format!("values read one another: {}", path.join(" -> ")),
                Some(if path.len() == 2 {
                    format!(
                        "a name always means the strongest value of it, so '{}' reads itself; give one of them another name",
                        path[0]
                    )
                } else {
                    "take one of them out of the circle".to_owned()
                }),
            ));
        }
        open.push(key.clone());
        Ok(())
    }

    fn defined(&self, name: &str) -> Option<Defined<'_>> {
        let surroundings = &self.0.evaluator.plan.surroundings;
        let is_root = self.0.file == 0;
        let scope = self.scope();
        if let Some(item) = self.of_loops(name) {
            return Some(Defined::Item(item));
        }
        let item = scope.map_or(&[][..], |scope| &scope.item);
        if let Some((_, data)) = item.iter().find(|(known, _)| known == name) {
            return Some(Defined::Item(typed::written(data)));
        }
        if let Some(call) = scope.and_then(|scope| scope.call.as_ref())
            && let Some(var) = find(&call.vars, name)
        {
            return Some(Defined::Called(var, call.scope));
        }
        let given = scope.map_or(&[][..], |scope| &scope.given);
        let of_root = if is_root {
            &surroundings.given[..]
        } else {
            &[]
        };
        if let Some((_, data)) = given.iter().chain(of_root).find(|(given, _)| given == name) {
            // A param is read as its type, which the planner has seen to.
            return Some(Defined::Given(data));
        }
        let profile = surroundings.profile.as_ref().filter(|_| is_root);
        let in_profile = profile.and_then(|profile| find(&profile.vars, name));
        let in_task = || find(&scope?.vars, name).map(|var| Defined::Var(var, Origin::Task));
        let param = || {
            let param = scope?.params.iter().find(|param| param.name == name)?;
            Some(Defined::Param(param))
        };
        let with = || find(&self.file().with, name).map(|var| Defined::Var(var, Origin::With));
        let in_file = || find(&self.file().vars, name).map(|var| Defined::Var(var, Origin::File));
        in_profile
            .map(|var| Defined::Var(var, Origin::Profile))
            .or_else(in_task)
            .or_else(param)
            .or_else(with)
            .or_else(in_file)
    }

    fn value_of(&self, name: &str, defined: &Defined<'_>) -> Result<Value, Problem> {
        match defined {
            Defined::Item(value) => Ok(value.clone()),
            Defined::Called(var, scope) => self.caller(*scope).var(var),
            Defined::Given(data) => {
                let evaluator = &self.0.evaluator;
                Ok(typed::given(data, &|bytes| evaluator.data(bytes)))
            }
            Defined::Param(param) => self.param(param),
            Defined::Var(var, Origin::With) => {
                let parent = self.file().parent.unwrap_or(0);
                Frame::of_file(&self.0.evaluator, parent).var(var)
            }
            Defined::Var(var, _) => self.var(var),
        }
        .and_then(|value| match defined {
            // Its default has been read as its type.
            Defined::Param(_) => Ok(value),
            _ => self.of_param(name, value),
        })
        .map_err(|problem| match problem.code {
            CYCLE | NOT_NOW | TOO_DEEP => problem,
            _ => inside(&format!("'{name}'"), &self.place_of(defined), &problem),
        })
    }

    fn place_of(&self, defined: &Defined<'_>) -> String {
        let place = match defined {
            Defined::Given(_) => return "the command line".to_owned(),
            Defined::Item(_) => return "the loop".to_owned(),
            Defined::Called(var, _) => var.place,
            Defined::Param(param) => param.place,
            Defined::Var(var, _) => var.place,
        };
        self.0.evaluator.place(place)
    }

    fn param(&self, param: &crate::model::language::Param) -> Result<Value, Problem> {
        let Some(default) = &param.default else {
            if !param.required {
                return Ok(Value::None);
            }
            return Err(problem(
                "missing-param",
                format!("the param '{}' was not given", param.name),
                Some(format!("call it with {}=VALUE", param.name)),
            ));
        };
        typed::as_param(
            self.data(default)?,
            param,
            &self.0.evaluator.plan.surroundings.called_in,
        )
    }

    /// What a name stands for that is a param too: of its type, whatever has given it the value.
    fn of_param(&self, name: &str, value: Value) -> Result<Value, Problem> {
        let params = self.scope().map_or(&[][..], |scope| &scope.params);
        match params.iter().find(|param| param.name == name) {
            Some(param) => {
                typed::as_param(value, param, &self.0.evaluator.plan.surroundings.called_in)
            }
            None => Ok(value),
        }
    }

    pub(super) fn var(&self, var: &Var) -> Result<Value, Problem> {
        match &var.value {
            VarValue::Data(data) => self.data(data),
            VarValue::Ref(expression) => expr::expression(&expression.text, self),
            VarValue::Sh(command) => self.output(command),
        }
    }

    /// A value with its templates evaluated.
    pub(super) fn data(&self, data: &Data) -> Result<Value, Problem> {
        Ok(match data {
            Data::Null => Value::None,
            Data::Bool(value) => Value::Bool(*value),
            Data::Int(value) => Value::Int(*value),
            Data::Float(value) => Value::Float(*value),
            Data::Number(written) => Value::Number(written.as_str().into()),
            Data::Text(text) => self.text(text)?,
            Data::List(items) => {
                let items = items.iter().map(|item| self.data(item));
                Value::list(items.collect::<Result<_, _>>()?)
            }
            Data::Map(entries) => {
                let entry = |(name, value): &(String, Data)| Ok((name.clone(), self.data(value)?));
                Value::map_of_code(entries.iter().map(entry).collect::<Result<_, Problem>>()?)
            }
        })
    }

    pub(super) fn text(&self, text: &Text) -> Result<Value, Problem> {
        if !text.is_template() {
            return Ok(Value::code(&*text.text));
        }
        expr::text(&text.text, self)
    }

    /// A command with its data placed; one that is no template is what it is.
    pub(super) fn script(&self, text: &Text) -> Result<Script, Problem> {
        if !text.is_template() {
            return Ok(Script {
                text: text.text.to_string(),
                ..Script::default()
            });
        }
        expr::command(&text.text, self)
    }

    /// The same for the command of a step, whose shell is handed positional parameters too.
    pub(super) fn step(&self, text: &Text) -> Result<Script, Problem> {
        if text.is_template() {
            expr::command_with_args(&text.text, self)
        } else {
            self.script(text)
        }
    }

    /// What a command prints: data.
    pub(super) fn output(&self, text: &Text) -> Result<Value, Problem> {
        let script = self.script(text)?;
        let (dir, env) = (self.dir()?, self.environment_beside()?);
        let command = Command {
            script: &script,
            dir: &dir,
            env: &env,
        };
        let secret = !script.secrets.is_empty();
        match self.0.evaluator.output(&command) {
            Ok(bytes) if secret => Ok(typed::data(bytes, secret)),
            Ok(bytes) => Ok(self.0.evaluator.data(bytes)),
            // Stands for itself where nothing is run.
            Err(NoOutput::NotNow) => Ok(Value::code(format!("$({})", text.text.trim()))),
            Err(NoOutput::Failed(why) | NoOutput::Stopped(why)) => Err(problem(
                "command-failed",
                format!(
                    "the command `{}` has no value: {why}",
                    first_line(&text.text)
                ),
                None,
            )),
        }
    }

    /// The folder that commands run in.
    pub(super) fn dir(&self) -> Result<PathBuf, Problem> {
        let own = &self.file().dir;
        let Some(dir) = self.scope().and_then(|scope| scope.dir.as_ref()) else {
            return Ok(own.clone());
        };
        let place =
            |problem: Problem| inside("'dir'", &self.0.evaluator.place(dir.place), &problem);
        let value = self.text(dir).map_err(place)?;
        let path = typed::path(&value).map_err(place)?;
        if path.as_os_str().is_empty() {
            let help = Some("'.' is the folder of the file".to_owned());
            return Err(place(problem("empty-dir", "the folder is empty", help)));
        }
        Ok(own.join(path))
    }

    /// The environment of commands, beyond what flow itself has.
    pub(super) fn environment(&self) -> Result<Vec<(String, Vec<u8>)>, Problem> {
        environment::own(self, false)
    }

    /// The same for a command whose output is a value: without those variables that are made from that value.
    fn environment_beside(&self) -> Result<Vec<(String, Vec<u8>)>, Problem> {
        environment::own(self, true)
    }

    /// All that is defined, for people.
    pub(super) fn show(&self) -> Vec<Shown> {
        let mut names: Vec<String> = self
            .known()
            .into_iter()
            .filter(|name| self.defined(name).is_some())
            .collect();
        names.dedup();
        let vars = names.into_iter().filter_map(|name| {
            let defined = self.defined(&name)?;
            let (origin, place) = match defined {
                Defined::Given(_) => (Origin::CommandLine, None),
                Defined::Item(_) => (Origin::Task, None),
                Defined::Called(var, _) => (Origin::Task, Some(var.place)),
                Defined::Param(param) => (Origin::Param, Some(param.place)),
                Defined::Var(var, origin) => (origin, Some(var.place)),
            };
            let value = self.named(&name).map(|value| value.unwrap_or(Value::None));
            let place = place.map(|place| self.0.evaluator.place(place));
            Some(Shown {
                name,
                value,
                origin,
                place,
                lost: false,
            })
        });
        let mut shown: Vec<Shown> = vars.collect();
        shown.extend(environment::show(self));
        shown
    }

    fn named(&self, name: &str) -> Result<Option<Value>, Problem> {
        let Some(defined) = self.defined(name) else {
            return builtin::value(self, name);
        };
        self.once(Key::Name(name.to_owned()), || self.value_of(name, &defined))
            .map(Some)
    }
}

impl Names for Frame {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        self.named(name)
    }

    fn known(&self) -> Vec<String> {
        let surroundings = &self.0.evaluator.plan.surroundings;
        let mut names: Vec<String> = Vec::new();
        let mut add = |vars: &[Var]| names.extend(vars.iter().map(|var| var.name.clone()));
        if let Some(scope) = self.scope() {
            add(&scope.vars);
        }
        if let Some(profile) = surroundings.profile.as_ref().filter(|_| self.0.file == 0) {
            add(&profile.vars);
        }
        add(&self.file().with);
        add(&self.file().vars);
        let params = self.scope().into_iter().flat_map(|scope| &scope.params);
        names.extend(params.map(|param| param.name.clone()));
        names.sort_unstable();
        names.dedup();
        names.extend(builtin::names());
        names
    }

    /// None while the folder itself is being evaluated.
    fn folder(&self) -> Option<PathBuf> {
        self.enter(&Key::Dir).ok()?;
        let dir = self.dir();
        lock(&self.0.open).pop();
        dir.ok()
    }

    fn has_secrets(&self) -> bool {
        self.0.evaluator.has_secrets()
    }

    fn is_secret(&self, number: &str) -> bool {
        self.0.evaluator.has_secret(number.as_bytes())
    }

    fn bared(&self, secret: &[u8]) {
        self.0.evaluator.outside.hide(secret);
    }
}

pub(super) const CYCLE: &str = "value-cycle";
const NOT_NOW: &str = "not-now";
pub(super) const TOO_DEEP: &str = "value-depth";

fn find<'a>(vars: &'a [Var], name: &str) -> Option<&'a Var> {
    vars.iter().find(|var| var.name == name)
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}
