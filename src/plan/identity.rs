//! Which tasks are the same one: of a file that is included by several ways, and sees the same by each of them.
//!
//! A task is its definition, its folder and its values. By what ways it is reached, and so what it is called, makes no difference.

use std::collections::HashMap;
use std::path::Path;

use crate::model::language::task::relative;
use crate::model::language::{Data, EnvVar, File, Place, Text, Var, VarValue, Workflow};
use crate::model::language::{Task, TaskIndex};

/// For each task the first that is the same one.
#[derive(Clone, Debug)]
pub struct Identities {
    first: Vec<TaskIndex>,
}

impl Identities {
    /// Of the tasks of a workflow.
    pub fn of(workflow: &Workflow) -> Self {
        if workflow.files.len() < 2 {
            return Self { first: Vec::new() };
        }
        let files = same_files(&workflow.files);
        let mut known: HashMap<(usize, &str), TaskIndex> = HashMap::new();
        let tasks = workflow.tasks.iter().enumerate();
        let first = tasks.map(|(index, task)| {
            let file = files[task.place.file as usize];
            *known
                .entry((file, own_name(workflow, task)))
                .or_insert(index)
        });
        Self {
            first: first.collect(),
        }
    }

    /// The first task that is the same as this one.
    pub fn first(&self, task: TaskIndex) -> TaskIndex {
        self.first.get(task).copied().unwrap_or(task)
    }
}

/// What tells a task from all other tasks of the project, in whatever file and by whatever way: where it is defined, and what it
/// was given by the include. It stays the same when the project lies elsewhere.
pub(super) fn name(workflow: &Workflow, task: &Task) -> String {
    let file = workflow.file_of(task);
    let root = workflow
        .files
        .first()
        .map_or(Path::new(""), |root| &root.dir);
    let mut name = file
        .path
        .strip_prefix(root)
        .unwrap_or(&file.path)
        .display()
        .to_string();
    let mut at = Some(file);
    while let Some(file) = at {
        if !file.with.is_empty() {
            let with: Vec<_> = file.with.iter().map(without_places).collect();
            let text = serde_json::to_vec(&with).unwrap_or_default();
            name.push_str(&format!(" {}", &blake3::hash(&text).to_hex()[..16]));
        }
        at = file.parent.map(|parent| &workflow.files[parent as usize]);
    }
    format!("{name}:{}", own_name(workflow, task))
}

/// The name that a task has in its file.
fn own_name<'w>(workflow: &Workflow, task: &'w Task) -> &'w str {
    relative(&task.name, &workflow.file_of(task).namespace)
}

/// For each file the first that is the same one and sees the same.
fn same_files(files: &[File]) -> Vec<usize> {
    let mut first: Vec<usize> = Vec::with_capacity(files.len());
    for (number, file) in files.iter().enumerate() {
        let same = (0..number).find(|other| {
            let other = &files[*other];
            other.path == file.path
                && other.dir == file.dir
                && sees_the_same(files, &first, other, file)
        });
        first.push(same.unwrap_or(number));
    }
    first
}

/// Whether two includes of one file hand over the same, and are in the same environment.
fn sees_the_same(files: &[File], first: &[usize], one: &File, other: &File) -> bool {
    let same_parents = || match (one.parent, other.parent) {
        (Some(one), Some(other)) => first[one as usize] == first[other as usize],
        (one, other) => one == other,
    };
    let with = |file: &File| -> Vec<Var> { file.with.iter().map(without_places).collect() };
    let fixed = one.with.iter().all(is_fixed);
    with(one) == with(other)
        && (fixed || same_parents())
        && same_environment(files, one.parent, other.parent)
}

/// Whether what is inherited from one file is what is inherited from another.
fn same_environment(files: &[File], one: Option<u32>, other: Option<u32>) -> bool {
    if one == other {
        return true;
    }
    let (Some(one), Some(other)) = (one, other) else {
        return false;
    };
    let (one, other) = (&files[one as usize], &files[other as usize]);
    let env = |file: &File| -> Vec<(String, Box<str>)> {
        let pair = |variable: &EnvVar| (variable.name.clone(), variable.value.text.clone());
        file.env.iter().map(pair).collect()
    };
    let fixed = !one.env.iter().any(|variable| variable.value.is_template());
    fixed
        && one.dotenv.is_empty()
        && other.dotenv.is_empty()
        && env(one) == env(other)
        && same_environment(files, one.parent, other.parent)
}

/// Whether nothing of a value is to be evaluated.
fn is_fixed(var: &Var) -> bool {
    matches!(&var.value, VarValue::Data(data) if is_plain(data))
}

fn is_plain(data: &Data) -> bool {
    match data {
        Data::Text(text) => !text.is_template(),
        Data::List(items) => items.iter().all(is_plain),
        Data::Map(entries) => entries.iter().all(|(_, value)| is_plain(value)),
        _ => true,
    }
}

/// A value, wherever it stands.
fn without_places(var: &Var) -> Var {
    let mut var = var.clone();
    var.place = Place::default();
    match &mut var.value {
        VarValue::Data(data) => *data = nowhere(data),
        VarValue::Sh(text) => text.place = Place::default(),
        VarValue::Ref(expression) => expression.0.place = Place::default(),
    }
    var
}

fn nowhere(data: &Data) -> Data {
    match data {
        Data::Text(text) => Data::Text(Text {
            place: Place::default(),
            ..text.clone()
        }),
        Data::List(items) => Data::List(items.iter().map(nowhere).collect()),
        Data::Map(entries) => {
            let entry = |(name, value): &(String, Data)| (name.clone(), nowhere(value));
            Data::Map(entries.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}
