//! What has come of steps and tasks: `steps.NAME.…`, `tasks.NAME.…`, `outputs.…`, and the items of loops.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::frame::Frame;
use super::{problem, typed};
use crate::expr::{Names, Problem, Value};
use crate::model::id::NodeId;
use crate::model::plan::{Kind, Plan, STDOUT_BYTES_MAX};
use crate::model::stream::Stream;

/// Names with values, in order.
pub type Outputs = Vec<(String, Value)>;

/// How something ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// `succeeded`, `failed`, `skipped` …
    pub status: &'static str,
    /// The exit code, if a process had one.
    pub exit_code: Option<i32>,
    /// From its first step to its end.
    pub duration: Duration,
}

/// All that is known, by node.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// The nodes of the plan whose results may be read; the others are not kept.
    read: HashSet<NodeId>,
    of_node: Mutex<HashMap<NodeId, Result>>,
}

/// What was printed on one stream, as far as somebody reads it.
#[derive(Clone, Debug, Default)]
pub(super) struct Printed {
    pub(super) bytes: Vec<u8>,
    /// It has a secret in it.
    pub(super) secret: bool,
}

/// What a command has handed on, and printed for others to read.
#[derive(Clone, Copy, Debug)]
pub struct HandedOn<'a> {
    /// What it wrote to its file.
    pub outputs: &'a [(String, Vec<u8>)],
    /// What it printed on each stream, where that is read.
    pub printed: [Option<&'a [u8]>; 2],
}

impl<'a> HandedOn<'a> {
    /// Whether nothing is to be remembered of it.
    pub fn is_nothing(&self) -> bool {
        self.outputs.is_empty() && self.printed.iter().all(Option::is_none)
    }

    /// What it printed, by stream, where that is read.
    pub(super) fn printed(self) -> impl Iterator<Item = (Stream, &'a [u8])> {
        let all = Stream::ALL.into_iter().zip(self.printed);
        all.filter_map(|(stream, bytes)| Some((stream, bytes?)))
    }
}

#[derive(Clone, Debug, Default)]
struct Result {
    ended: Option<Ended>,
    /// What it printed, by [`Stream`].
    printed: [Printed; 2],
    outputs: Outputs,
    /// The run was resumed, and a secret that it had handed on is not known any more.
    left_out: bool,
    /// Of a loop: what each item brings into scope, and the nodes of the items once there are any.
    items: Option<Arc<Vec<Outputs>>>,
    instances: Vec<NodeId>,
}

impl Store {
    /// For a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut read = HashSet::new();
        let named = plan
            .results
            .iter()
            .flat_map(|results| results.steps.iter().chain(&results.tasks));
        for (_, id) in named {
            read.insert(*id);
            // What runs for each item of a loop, whether the loop is the node itself or what it calls.
            let child = plan.node(*id).children().first();
            for id in [Some(id), child].into_iter().flatten() {
                if let Kind::Loop { body, .. } = &plan.node(*id).kind {
                    read.insert(*id);
                    read.insert(*body);
                }
            }
        }
        Self {
            read,
            of_node: Mutex::default(),
        }
    }

    /// Whether anybody may read what comes of this node of the plan.
    pub(super) fn keeps(&self, spec: NodeId) -> bool {
        self.read.contains(&spec)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Result>> {
        self.of_node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ended(&self, node: NodeId, ended: Ended) {
        self.lock().entry(node).or_default().ended = Some(ended);
    }

    pub(super) fn printed(&self, nodes: &[NodeId], stream: Stream, bytes: &[u8], secret: bool) {
        let mut all = self.lock();
        for node in nodes {
            let printed = &mut all.entry(*node).or_default().printed[stream as usize];
            printed.bytes.extend_from_slice(bytes);
            printed.secret |= secret;
        }
    }

    /// Of what these nodes handed on something is not known any more.
    pub(super) fn left_out(&self, nodes: &[NodeId]) {
        let mut all = self.lock();
        for node in nodes {
            all.entry(*node).or_default().left_out = true;
        }
    }

    pub(super) fn handed_on(&self, nodes: &[NodeId], outputs: &[(String, Value)]) {
        let mut all = self.lock();
        for node in nodes {
            let known = &mut all.entry(*node).or_default().outputs;
            for (name, value) in outputs {
                known.retain(|(other, _)| other != name);
                known.push((name.clone(), value.clone()));
            }
        }
    }

    /// What a node printed, and what it handed on.
    pub(super) fn values(&self, node: NodeId) -> ([Printed; 2], Outputs) {
        let result = self.get(node).unwrap_or_default();
        (result.printed, result.outputs)
    }

    /// How many items a loop has, where that is known.
    pub(super) fn count(&self, node: NodeId) -> Option<usize> {
        Some(self.lock().get(&node)?.items.as_ref()?.len())
    }

    pub(super) fn items(&self, node: NodeId, items: Vec<Outputs>) {
        self.lock().entry(node).or_default().items = Some(Arc::new(items));
    }

    pub(super) fn expanded(&self, node: NodeId, instances: Vec<NodeId>) {
        self.lock().entry(node).or_default().instances = instances;
    }

    /// What these nodes came to in an earlier try does not count.
    pub(super) fn forget(&self, nodes: impl Iterator<Item = NodeId>) {
        let mut all = self.lock();
        for node in nodes {
            all.remove(&node);
        }
    }

    pub(super) fn item(&self, node: NodeId, index: u32) -> Option<Outputs> {
        let items = self.lock().get(&node)?.items.clone()?;
        items.get(index as usize).cloned()
    }

    pub(super) fn all_items(&self, node: NodeId) -> Arc<Vec<Outputs>> {
        let known = self
            .lock()
            .get(&node)
            .and_then(|result| result.items.clone());
        known.unwrap_or_default()
    }

    fn get(&self, node: NodeId) -> Option<Result> {
        self.lock().get(&node).cloned()
    }
}

/// `steps` or `tasks`.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) frame: Frame,
    pub(super) of: Of,
}

/// Whose results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Steps,
    Tasks,
}

impl Of {
    const fn word(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Tasks => "tasks",
        }
    }
}

impl Named {
    fn list(&self) -> &[(String, NodeId)] {
        let results = self.frame.scope().and_then(|scope| scope.results);
        let results =
            results.and_then(|number| self.frame.evaluator().plan.results.get(number as usize));
        results.map_or(&[], |results| match self.of {
            Of::Steps => &results.steps,
            Of::Tasks => &results.tasks,
        })
    }
}

impl Names for Named {
    fn get(&self, name: &str) -> std::result::Result<Option<Value>, Problem> {
        let wanted = crate::model::language::task::as_identifier(name);
        let path = format!("{}.{name}", self.of.word());
        let frame = &self.frame;
        if frame.evaluator().outside.rests() {
            return Ok(Some(Value::Names(Arc::new(Later(path, 1)))));
        }
        let found: Vec<(NodeId, NodeId)> = self
            .list()
            .iter()
            .filter(|(known, _)| *known == wanted)
            .map(|(_, spec)| (frame.here().instance(&frame.evaluator().plan, *spec), *spec))
            .collect();
        // Of several calls of one task the last one that has ended counts.
        let results = &frame.evaluator().results;
        let ended = found.iter().rev().find_map(|(id, spec)| {
            let result = results.get(*id)?;
            result.ended.is_some().then_some(((*id, *spec), result))
        });
        match ended {
            Some((id, result)) => of_result(frame, &path, id, &result).map(Some),
            None if found.is_empty() => Ok(None),
            None => {
                let help = "read it in a later step, or depend on it".to_owned();
                Err(problem(
                    "not-yet",
                    format!("{path} has not ended here"),
                    Some(help),
                ))
            }
        }
    }

    fn known(&self) -> Vec<String> {
        self.list().iter().map(|(name, _)| name.clone()).collect()
    }
}

/// What one node came to; `id` is the node and the node of the plan that it is an instance of.
fn of_result(
    frame: &Frame,
    path: &str,
    id: (NodeId, NodeId),
    result: &Result,
) -> std::result::Result<Value, Problem> {
    let Some(ended) = &result.ended else {
        return Ok(Value::None);
    };
    if result.left_out {
        let help =
            "secrets are not written down, so a resumed run does not know it; run the task again";
        return Err(problem(
            "left-out",
            format!("what {path} has handed on had a secret in it"),
            Some(help.to_owned()),
        ));
    }
    let mut members = vec![
        ("status".to_owned(), Value::code(ended.status)),
        (
            "exit_code".to_owned(),
            ended
                .exit_code
                .map_or(Value::None, |code| Value::Int(i64::from(code))),
        ),
        (
            "duration".to_owned(),
            Value::Float(ended.duration.as_secs_f64()),
        ),
        ("stdout".to_owned(), printed(path, result, Stream::Stdout)),
        ("stderr".to_owned(), printed(path, result, Stream::Stderr)),
        ("outputs".to_owned(), Value::map(result.outputs.clone())),
    ];
    let results = &frame.evaluator().results;
    let looped = looped(frame, id, result);
    if let Some((items, instances)) = looped {
        let mut runs = Vec::new();
        for (names, id) in items.iter().zip(&instances) {
            let run = results.get(*id).unwrap_or_default();
            let mut run = match of_result(frame, path, (*id, *id), &run)? {
                Value::Map(members) => members.to_vec(),
                _ => vec![("status".to_owned(), Value::code("blocked"))],
            };
            let item = match names.as_slice() {
                [(_, value)] => value.clone(),
                several => Value::map(several.to_vec()),
            };
            run.push(("item".to_owned(), item));
            run.push(("vars".to_owned(), Value::map(names.clone())));
            runs.push(Value::map(run));
        }
        members.push(("runs".to_owned(), Value::list(runs)));
    }
    Ok(Value::map(members))
}

/// The items and the instances of a loop, or of the loop that a called task is.
fn looped(
    frame: &Frame,
    (id, spec): (NodeId, NodeId),
    result: &Result,
) -> Option<(Arc<Vec<Outputs>>, Vec<NodeId>)> {
    if let Some(items) = &result.items {
        return Some((Arc::clone(items), result.instances.clone()));
    }
    let node = frame.evaluator().plan.nodes.get(spec.index())?;
    let child = node.children().first().filter(|_| node.called.is_some())?;
    let child = NodeId(child.0 + (id.0 - spec.0));
    let result = frame.evaluator().results.get(child)?;
    Some((result.items?, result.instances))
}

fn printed(path: &str, result: &Result, stream: Stream) -> Value {
    let printed = &result.printed[stream as usize];
    let unreadable = |code, why: &str| {
        let what = format!("what {path} printed on {} {why}", stream.word());
        let help = "write it to a file, and hand on its name".to_owned();
        Value::Undefined(Box::new(problem(code, what, Some(help))))
    };
    let mut bytes = &printed.bytes[..];
    if bytes.len() > STDOUT_BYTES_MAX {
        return unreadable("too-long", "is more than 1 MiB");
    }
    if let [rest @ .., b'\n'] = bytes {
        bytes = rest.strip_suffix(b"\r").unwrap_or(rest);
    }
    if bytes.contains(&0) {
        return unreadable("nul-character", "has a NUL");
    }
    typed::data(bytes.to_vec(), printed.secret)
}

/// What is not known before anything runs stands for itself: `{{ steps.a.outputs.b }}`.
#[derive(Debug)]
struct Later(String, u32);

impl Names for Later {
    fn get(&self, name: &str) -> std::result::Result<Option<Value>, Problem> {
        let path = format!("{}.{name}", self.0);
        Ok(Some(match (self.1, name) {
            (1, "outputs") => Value::Names(Arc::new(Self(path, 2))),
            _ => later(&path),
        }))
    }

    fn known(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A value that stands for itself where nothing runs.
pub(super) fn later(path: &str) -> Value {
    Value::code(format!("{{{{ {path} }}}}"))
}

/// A map whose members all stand for themselves.
pub(super) fn all_later(path: &str) -> Value {
    Value::Names(Arc::new(Later(path.to_owned(), 2)))
}

/// `outputs`: those of the task so far.
pub(super) fn own_outputs(frame: &Frame) -> Value {
    if frame.evaluator().outside.rests() {
        return all_later("outputs");
    }
    let task = frame.here().task(&frame.evaluator().plan);
    let result = task.and_then(|task| frame.evaluator().results.get(task));
    Value::map(result.map(|result| result.outputs).unwrap_or_default())
}
