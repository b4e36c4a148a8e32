//! What a task is made of, as hashes: its steps as they are written, the values that they read, its environment, and what its
//! steps come to with all of that. Also which files it says it reads and makes.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::here::Here;
use super::outside::{Command, Holds, NoOutput};
use super::{Evaluator, inside, problem, typed};
use crate::expr::{self, Names, Problem, Script, Value};
use crate::model::id::NodeId;
use crate::model::language::{BuiltIn, Reads, Text};
use crate::model::plan::{Incremental, Kind, Node, Program, Work};

/// What a task is made of, beside files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The files that it reads and makes.
    pub files: Files,
    /// All else.
    pub parts: Vec<Part>,
    /// A secret is among it.
    pub is_secret: bool,
}

/// Something that a task is made of, and that is no file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// What it is called.
    pub name: String,
    /// A hash of it; of a secret only its first byte.
    pub hash: [u8; 32],
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PartKind {
    /// A value that it reads.
    Value,
    /// An environment variable that is declared for it.
    Env,
    /// Its steps as they are written.
    Steps,
    /// Its steps with all values in them.
    Rendered,
}

/// The folder of a task and its patterns of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The folder that they are relative to.
    pub folder: PathBuf,
    /// What it reads; `None` when it does not say.
    pub sources: Option<Vec<String>>,
    /// What it reads if it is there.
    pub optional_sources: Vec<String>,
    /// Where its commands name what else they have read.
    pub depfile: Option<String>,
    /// What it makes.
    pub generates: Vec<String>,
    /// What else it is run for in a watch.
    pub watch: Vec<String>,
}

impl Evaluator {
    /// What a task is made of whose node of the plan is `spec`, and that is here.
    ///
    /// # Errors
    ///
    /// When its patterns or its folder have no value.
    pub fn recipe(self: &Arc<Self>, spec: NodeId, here: &Here) -> Result<Recipe, Problem> {
        let node = self.plan.node(spec);
        let Some(incremental) = &node.incremental else {
            return Ok(Recipe::default());
        };
        let files = self.files_of(incremental, here)?;
        let mut parts = Parts::default();
        let mut steps = blake3::Hasher::new();
        let mut rendered = blake3::Hasher::new();
        let end = self.plan.subtree_end(spec);
        for at in spec.index() + 1..end.index() {
            let leaf = &self.plan.nodes[at];
            structure(&mut steps, leaf, spec);
            match &leaf.kind {
                Kind::Work(work) => {
                    let here = here.below(&self.plan, spec, NodeId::at(at));
                    self.work(work, &here, &mut parts, &mut rendered);
                }
                _ => self.asked(
                    leaf,
                    &here.below(&self.plan, spec, NodeId::at(at)),
                    &mut parts,
                ),
            }
        }
        parts.0.insert(
            (PartKind::Steps, String::new()),
            *steps.finalize().as_bytes(),
        );
        if rendered.count() > 0 {
            parts.0.insert(
                (PartKind::Rendered, String::new()),
                *rendered.finalize().as_bytes(),
            );
        }
        let part = |((kind, name), hash)| Part { kind, name, hash };
        Ok(Recipe {
            files,
            is_secret: parts.1,
            parts: parts.0.into_iter().map(part).collect(),
        })
    }

    /// The folder and the patterns of the files that a task makes, which another one needs.
    ///
    /// # Errors
    ///
    /// When they have no value outside of the task.
    pub fn makes(
        self: &Arc<Self>,
        spec: NodeId,
        here: &Here,
    ) -> Result<(PathBuf, Vec<String>), Problem> {
        let Some(incremental) = &self.plan.node(spec).incremental else {
            return Ok((PathBuf::new(), Vec::new()));
        };
        self.made_by(incremental.context, &incremental.generates, here)
    }

    /// The folder and the patterns of files that are made in this context.
    ///
    /// # Errors
    ///
    /// When they have no value outside of the task.
    pub fn made_in(
        self: &Arc<Self>,
        context: u32,
        generates: &[Text],
    ) -> Result<(PathBuf, Vec<String>), Problem> {
        self.made_by(context, generates, &Here::default())
    }

    fn made_by(
        self: &Arc<Self>,
        context: u32,
        generates: &[Text],
        here: &Here,
    ) -> Result<(PathBuf, Vec<String>), Problem> {
        let only = Incremental {
            generates: generates.to_vec(),
            context,
            ..Incremental::default()
        };
        let files = self.files_of(&only, here)?;
        Ok((files.folder, files.generates))
    }

    /// The folder and the patterns of a task. A pattern that has no value before the task runs, as one that reads an item of
    /// its loop, stands for all that is in the folder which it begins with.
    ///
    /// # Errors
    ///
    /// When its folder has no value.
    pub fn watched(
        self: &Arc<Self>,
        incremental: &Incremental,
        here: &Here,
    ) -> Result<Files, Problem> {
        self.files_of(incremental, here).or_else(|problem| {
            let one = |text: &Text| Incremental {
                sources: Some(vec![text.clone()]),
                context: incremental.context,
                ..Incremental::default()
            };
            let texts = |texts: &[Text]| -> Vec<String> {
                let mut all = Vec::new();
                for text in texts {
                    match self.files_of(&one(text), here) {
                        Ok(files) => all.extend(files.sources.into_iter().flatten()),
                        Err(_) => all.extend(widened(&text.text)),
                    }
                }
                all
            };
            let of_none = Incremental {
                context: incremental.context,
                ..Incremental::default()
            };
            let folder = self.files_of(&of_none, here).map_err(|_| problem)?.folder;
            Ok(Files {
                folder,
                depfile: incremental
                    .depfile
                    .as_ref()
                    .map(|text| text.text.to_string()),
                sources: incremental.sources.as_deref().map(texts),
                optional_sources: texts(&incremental.optional_sources),
                generates: texts(&incremental.generates),
                watch: texts(&incremental.watch),
            })
        })
    }

    /// The folder and the patterns of a task.
    fn files_of(
        self: &Arc<Self>,
        incremental: &Incremental,
        here: &Here,
    ) -> Result<Files, Problem> {
        let context = &self.plan.contexts[incremental.context as usize];
        let Some(scope) = context.scope else {
            let texts =
                |texts: &Vec<Text>| texts.iter().map(|text| text.text.to_string()).collect();
            let depfile = incremental.depfile.as_ref();
            return Ok(Files {
                folder: context.dir.clone(),
                sources: incremental.sources.as_ref().map(texts),
                optional_sources: texts(&incremental.optional_sources),
                depfile: depfile.map(|text| text.text.to_string()),
                generates: texts(&incremental.generates),
                watch: texts(&incremental.watch),
            });
        };
        let frame = Frame::of_scope(self, scope, here.clone());
        let texts = |texts: &Vec<Text>, what: &str| -> Result<Vec<String>, Problem> {
            let mut all = Vec::new();
            for text in texts {
                let wrong = |problem: Problem| inside(what, &self.place(text.place), &problem);
                let values = match frame.text(text).map_err(wrong)? {
                    Value::List(items) => items.to_vec(),
                    value => vec![value],
                };
                for value in values {
                    all.push(typed::pattern(&value).map_err(wrong)?);
                }
            }
            Ok(all)
        };
        let sources = incremental.sources.as_ref();
        let sources = sources
            .map(|sources| texts(sources, "'sources'"))
            .transpose()?;
        let depfile = |text: &Text| {
            let wrong = |problem| inside("'depfile'", &self.place(text.place), &problem);
            let value = frame.text(text).map_err(wrong)?;
            let path = typed::path(&value).map_err(wrong)?.into_os_string();
            path.into_string()
                .map_err(|_| wrong(problem("not-utf8", "a path is not UTF-8", None)))
        };
        Ok(Files {
            sources,
            optional_sources: texts(&incremental.optional_sources, "'sources'")?,
            depfile: incremental.depfile.as_ref().map(depfile).transpose()?,
            generates: texts(&incremental.generates, "'generates'")?,
            watch: texts(&incremental.watch, "'watch'")?,
            folder: frame.dir()?,
        })
    }

    /// Whether all commands of `status` say that there is nothing to do; `None` when they do, else what the one said that does not.
    ///
    /// # Errors
    ///
    /// When one of them has no value, or can't be run.
    pub fn status(
        self: &Arc<Self>,
        incremental: &Incremental,
        here: &Here,
    ) -> Result<Option<String>, Problem> {
        let context = &self.plan.contexts[incremental.context as usize];
        let frame = context
            .scope
            .map(|scope| Frame::of_scope(self, scope, here.clone()));
        for text in &incremental.status {
            let (script, dir, env) = match &frame {
                Some(frame) => (frame.script(text)?, frame.dir()?, frame.environment()?),
                None => {
                    let script = Script {
                        text: text.text.to_string(),
                        ..Script::default()
                    };
                    let env = context.env.iter();
                    let env = env.map(|(name, value)| (name.clone(), value.clone().into_bytes()));
                    (script, context.dir.clone(), env.collect())
                }
            };
            let command = Command {
                script: &script,
                dir: &dir,
                env: &env,
            };
            match self.outside.holds(&command) {
                Ok(Holds::Yes) => {}
                Ok(Holds::No(said)) => return Ok(Some(self.hidden(&said))),
                Err(NoOutput::NotNow) => return Ok(Some(String::new())),
                Err(NoOutput::Failed(why) | NoOutput::Stopped(why)) => {
                    let what = format!("the command `{}`: {why}", text.text.trim());
                    return Err(problem("command-failed", what, None));
                }
            }
        }
        Ok(None)
    }

    /// A command: the values that it reads, its environment, and what becomes of it if all of that is known yet.
    fn work(
        self: &Arc<Self>,
        work: &Work,
        here: &Here,
        parts: &mut Parts,
        rendered: &mut blake3::Hasher,
    ) {
        let context = &self.plan.contexts[work.context() as usize];
        let Some(scope) = context.scope else {
            for (name, value) in &context.env {
                parts.add(PartKind::Env, name, value.as_bytes(), false);
            }
            // The folder stands in no text.
            let root = self.plan.file.parent().unwrap_or(&context.dir);
            let dir = context.dir.strip_prefix(root).unwrap_or(&context.dir);
            if !dir.as_os_str().is_empty() {
                add(rendered, dir.as_os_str().as_bytes());
            }
            return;
        };
        let frame = Frame::of_scope(self, scope, here.clone());
        let env = frame.environment().unwrap_or_default();
        for (name, value) in &env {
            parts.add(PartKind::Env, name, value, self.has_secret(value));
        }
        match work {
            Work::Shell { reads, .. } => frame.reads(reads, parts),
            Work::Argv { args, .. } => args.iter().for_each(|arg| frame.reads(&arg.reads, parts)),
        }
        let Ok(command) = self.command(work, here) else {
            return;
        };
        match &command.program {
            Program::Script { text, shell, args } => {
                add(rendered, shell.as_deref().unwrap_or_default().as_bytes());
                add(rendered, text.as_bytes());
                args.iter().for_each(|arg| add(rendered, arg));
            }
            Program::File(text) => add(rendered, text.as_bytes()),
            Program::Direct(words) => words.iter().for_each(|word| add(rendered, word)),
        }
        let root = self.plan.file.parent().unwrap_or(&command.dir);
        add(
            rendered,
            command
                .dir
                .strip_prefix(root)
                .unwrap_or(&command.dir)
                .as_os_str()
                .as_bytes(),
        );
        for (name, value) in &command.env {
            add(rendered, name.as_bytes());
            add(rendered, value);
        }
    }

    /// What is asked before something begins reads values too.
    fn asked(self: &Arc<Self>, node: &Node, here: &Here, parts: &mut Parts) {
        let Some(ask) = &node.ask else { return };
        let mut frame = None;
        ask.about.each_text(&mut |text| {
            let frame = frame.get_or_insert_with(|| Frame::of_scope(self, ask.scope, here.clone()));
            frame.reads(&text.reads, parts);
        });
    }
}

impl Frame {
    /// The values that a text reads.
    fn reads(&self, reads: &Reads, parts: &mut Parts) {
        for (root, members) in reads.names() {
            let name = [&[root.to_owned()], members].concat().join(".");
            // Another value in each run would make it run each time.
            let is_of_this_run = BuiltIn::of(root).is_some_and(BuiltIn::is_of_this_run);
            if is_of_this_run || parts.0.contains_key(&(PartKind::Value, name.clone())) {
                continue;
            }
            let Ok(Some(value)) = self.member(root, members) else {
                continue;
            };
            let (bytes, secret) = typed::bytes(&value).unwrap_or_else(|_| {
                let secret = value.has_secret();
                (typed::encoded(&value), secret)
            });
            parts.add(PartKind::Value, &name, &bytes, secret);
        }
    }

    /// The value at a path, as far as it goes by names.
    fn member(&self, root: &str, members: &[String]) -> Result<Option<Value>, Problem> {
        let mut value = self.get(root)?;
        for name in members {
            value = match value {
                Some(Value::Names(names)) => names.get(name)?,
                Some(Value::Map(members)) => members
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.clone()),
                // A method or an index: the whole of it counts.
                other => return Ok(other),
            };
        }
        Ok(value)
    }
}

/// Parts by what they are; what is added twice under one name counts twice.
#[derive(Default)]
struct Parts(BTreeMap<(PartKind, String), [u8; 32]>, bool);

impl Parts {
    fn add(&mut self, kind: PartKind, name: &str, value: &[u8], secret: bool) {
        let hash = blake3::hash(value);
        let mut hash = *hash.as_bytes();
        if secret {
            hash[1..].fill(0);
            self.1 = true;
        }
        let known = self.0.entry((kind, name.to_owned())).or_insert(hash);
        if *known != hash {
            *known = *blake3::hash(&[*known, hash].concat()).as_bytes();
        }
    }
}

fn add(hasher: &mut blake3::Hasher, text: &[u8]) {
    hasher
        .update(&(text.len() as u64).to_le_bytes())
        .update(text);
}

/// A node as it is written, without where it stands.
fn structure(hasher: &mut blake3::Hasher, node: &Node, of: NodeId) {
    let parent = node.parent.map_or(0, |parent| parent.0 - of.0);
    hasher
        .update(&parent.to_le_bytes())
        .update(&node.step.to_le_bytes());
    match &node.kind {
        Kind::Work(Work::Shell { command, shell, .. }) => {
            hasher.update(b"shell");
            add(hasher, shell.as_deref().unwrap_or_default().as_bytes());
            add(hasher, command.as_bytes());
        }
        Kind::Work(Work::Argv { args, .. }) => {
            hasher.update(b"argv");
            args.iter().for_each(|arg| add(hasher, arg.text.as_bytes()));
        }
        Kind::Wait { .. } => drop(hasher.update(b"wait")),
        Kind::Choice { .. } => drop(hasher.update(b"choice")),
        Kind::Loop { group, .. } | Kind::Group(group) => {
            hasher.update(b"group");
            add(
                hasher,
                &serde_json::to_vec(&(group.parallel_max, group.wait_for)).unwrap_or_default(),
            );
        }
        Kind::Check => drop(hasher.update(b"check")),
        Kind::Child => drop(hasher.update(b"child")),
    }
    if let Some(called) = &node.called {
        add(hasher, called.as_bytes());
    }
    if let Some(ask) = &node.ask {
        ask.about
            .each_text(&mut |text| add(hasher, text.text.as_bytes()));
    }
}

/// The pattern of exactly the file of this name.
pub fn name_as_pattern(name: &str) -> String {
    String::from_utf8_lossy(&expr::literal(name.as_bytes())).into_owned()
}

/// A pattern for all that a template of one can come to; none where it takes something out.
fn widened(template: &str) -> Option<String> {
    let code = template.find("{{").or_else(|| template.find("{%"));
    let fixed = &template[..code.unwrap_or(template.len())];
    let folder = &fixed[..fixed.rfind('/').map_or(0, |slash| slash + 1)];
    (!template.starts_with('!')).then(|| format!("{folder}**"))
}
