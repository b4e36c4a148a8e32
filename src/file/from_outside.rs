//! Text from outside where it can't be text: what is certain to come from outside the file is refused before anything
//! runs; what only may come from there is looked at when the command is made.

use std::collections::{HashMap, HashSet};

use super::expressions::first_tasks;
use super::includes::Node;
use super::raw::{Owner, Placed, Read};
use super::values::used_here;
use crate::diagnostic::Diagnostic;
use crate::model::language::{Data, Param, ParamKind, Task, Var, VarValue, Workflow};

/// Built-in names whose text is from outside.
const FROM_OUTSIDE: [&str; 4] = ["env", "secrets", "args", "git"];

/// Names by the var, of a task or of the file, that they are read for.
type Flowing<'a> = HashMap<(&'a Owner, &'a str), Vec<&'a str>>;

/// Reports values that can't stand where they do, and params that would be several words by their default alone.
pub(super) fn check(nodes: &mut [Node], workflow: &Workflow) {
    let first_tasks = first_tasks(nodes.len(), workflow);
    for (number, node) in nodes.iter_mut().enumerate() {
        let vars = &workflow.files[number].vars;
        let names = Names {
            workflow,
            file: number,
            first_task: first_tasks[number],
            reads: flowing(&node.raw.reads),
            of_file: vars.iter().map(|var| (var.name.as_str(), var)).collect(),
        };
        let mut found = Vec::new();
        let mut several: HashSet<&str> = HashSet::new();
        for placed in &node.raw.placed {
            let refused = names.refused(placed);
            found.extend(refused.map(|one| used_here(one, placed.used.clone())));
            if let Some((param, diagnostic)) = names.several_words(placed)
                && several.insert(param)
            {
                found.push(diagnostic);
            }
        }
        found.into_iter().for_each(|one| node.raw.found.push(one));
    }
}

/// The names that the texts of one file see.
struct Names<'a> {
    workflow: &'a Workflow,
    file: usize,
    first_task: usize,
    reads: Flowing<'a>,
    /// The vars of the file.
    of_file: HashMap<&'a str, &'a Var>,
}

/// What a name is.
enum Named<'a> {
    Param(&'a Param),
    /// Of the task, or of the file.
    Var(&'a Var, bool),
    BuiltIn,
}

impl<'a> Names<'a> {
    fn refused(&self, placed: &Placed) -> Option<Diagnostic> {
        let refused = placed.refused.as_ref()?;
        let mut names = placed.names.iter();
        names.find(|name| self.is_from_outside(name, &placed.owner))?;
        Some(refused.clone().at(placed.span.clone(), ""))
    }

    fn several_words(&self, placed: &Placed) -> Option<(&'a str, Diagnostic)> {
        let [name] = placed.names.as_slice() else {
            return None;
        };
        let Named::Param(param) = self.named(name, &placed.owner)? else {
            return None;
        };
        let Some(Data::Text(default)) = &param.default else {
            return None;
        };
        let several = default.text.split_whitespace().nth(1).is_some();
        let text = matches!(param.kind, ParamKind::String | ParamKind::Path);
        if !placed.bare || !several || !text || default.is_template() {
            return None;
        }
        let message =
            format!("'{name}' is several words by its default, and one word when it is given");
        let diagnostic = Diagnostic::warning("several-words", message);
        let help = "several words from outside are a list: declare it with 'type: list'";
        Some((
            &param.name,
            diagnostic.at(placed.span.clone(), "").help(help),
        ))
    }

    fn task(&self, owner: &Owner) -> Option<&'a Task> {
        match owner {
            Owner::Task(number) => self.workflow.tasks.get(self.first_task + number),
            Owner::File | Owner::With | Owner::Profile => None,
        }
    }

    fn named(&self, name: &str, owner: &Owner) -> Option<Named<'a>> {
        let var_of = |vars: &'a [Var]| vars.iter().find(|var| var.name == name);
        if let Some(task) = self.task(owner) {
            if let Some(var) = var_of(&task.vars) {
                return Some(Named::Var(var, true));
            }
            if let Some(param) = task.params.iter().find(|param| param.name == name) {
                return Some(Named::Param(param));
            }
        }
        let file = &self.workflow.files[self.file];
        if var_of(&file.with).is_some() {
            return None; // it is the including file's
        }
        match self.of_file.get(name) {
            Some(var) => Some(Named::Var(var, false)),
            None if FROM_OUTSIDE.contains(&name) => Some(Named::BuiltIn),
            None => None,
        }
    }

    /// Whether text from outside the file is certain to be part of this value.
    fn is_from_outside(&self, name: &str, owner: &Owner) -> bool {
        let mut seen: HashSet<(&Owner, &str)> = HashSet::new();
        let mut left: Vec<(&str, &Owner)> = vec![(name, owner)];
        while let Some((name, owner)) = left.pop() {
            match self.named(name, owner) {
                None => {}
                Some(Named::BuiltIn) => return true,
                Some(Named::Param(param)) => match param.kind {
                    ParamKind::String | ParamKind::Path | ParamKind::List | ParamKind::Map => {
                        return true;
                    }
                    ParamKind::Int | ParamKind::Float | ParamKind::Bool => {}
                },
                Some(Named::Var(var, of_task)) => {
                    if matches!(var.value, VarValue::Sh(_)) {
                        return true;
                    }
                    let owner = if of_task { owner } else { &Owner::File };
                    if seen.insert((owner, name)) {
                        let read = self.reads.get(&(owner, name)).into_iter().flatten();
                        left.extend(read.map(|name| (*name, owner)));
                    }
                }
            }
        }
        false
    }
}

/// The names that flow into each var.
fn flowing(reads: &[Read]) -> Flowing<'_> {
    let mut flowing = Flowing::new();
    for read in reads.iter().filter(|read| read.flows) {
        if let (Some(var), Some(name)) = (&read.var, read.path.first()) {
            let into = flowing.entry((&read.owner, var)).or_default();
            into.push(name);
        }
    }
    flowing
}
