//! Whether the names that expressions read are there, for the text that reads them, and no var reads itself.
//!
//! What a name comes to is found out when a task runs; that it exists, and what may be read from where, is known now.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};

use super::includes::Node;
use super::raw::{Owner, Read};
use super::values::used_here;
use crate::diagnostic::Diagnostic;
use crate::model::language::builtin::{BUILT_IN, RESULT, has_result};
use crate::model::language::task::{as_identifier, relative};
use crate::model::language::{BuiltIn, File, Profile, Task, Workflow};
use crate::model::listed::listed;
use crate::suggest::Suggest;

/// Names that later versions have.
const LATER: [&str; 1] = ["trigger"];

/// Names that loops declare unless they name their item, and where.
const ONLY_IN: [(&str, &str); 2] = [
    ("item", "in a task or a step with 'for'"),
    ("index", "in a task or a step with 'for'"),
];

/// Names of other tools, and how it is said here.
const OF_OTHER_TOOLS: [(&str, &str); 16] = [
    (
        "github",
        "write git.branch, git.tag or git.sha; what a CI sets is read as env.GITHUB_REF",
    ),
    (
        "matrix",
        "each axis is a name of its own: write os, not matrix.os",
    ),
    ("inputs", "a param is read by its name alone"),
    ("params", "a param is read by its name alone"),
    ("vars", "a var is read by its name alone"),
    ("var", "a var is read by its name alone"),
    ("needs", "write tasks.NAME.outputs.X"),
    ("jobs", "write tasks.NAME.outputs.X"),
    ("runner", "write os or arch"),
    ("ansible_facts", "write os, arch or cpus"),
    ("CLI_ARGS", "write args"),
    ("USER_WORKING_DIR", "write run.cwd"),
    ("TASKFILE_DIR", "write file.dir"),
    ("ROOT_DIR", "write file.dir, or declare a var"),
    ("ITEM", "write item, in a task or a step with 'for'"),
    (
        "EXIT_CODE",
        "write error.exit_code, in 'on_failure' and 'finally'",
    ),
];

/// How many tasks are looked at to see who has surely run before whom; beyond that it is found out when it is read.
const LOOKS_MAX: usize = 20_000_000;

/// Reports every name that isn't there.
pub(super) fn check(nodes: &mut [Node], workflow: &Workflow) {
    let mut suggest = Suggest::new();
    let first_tasks = first_tasks(nodes.len(), workflow);
    for (number, node) in nodes.iter_mut().enumerate() {
        let seen = Seen::of(workflow, number, first_tasks[number]);
        let reads = std::mem::take(&mut node.raw.reads);
        let mut reported = HashSet::new();
        for read in &reads {
            if let Some(wrong) = seen.wrong(read, &mut suggest)
                && reported.insert(read.span.start)
            {
                let wrong = wrong.at(read.span.clone(), "");
                node.raw.found.push(used_here(wrong, read.used.clone()));
            }
        }
        for name in unread(&workflow.files[number], &reads) {
            let message = format!(
                "nothing in this file reads '{}', which 'with' hands over",
                name.name
            );
            let near = suggest.nearest(
                &name.name,
                workflow.files[number]
                    .vars
                    .iter()
                    .map(|var| var.name.as_str()),
            );
            let help = near.map_or_else(
                || "remove it from 'with'".to_owned(),
                |near| format!("did you mean '{near}'?"),
            );
            // It is told where the tasks begin that could read it.
            let at = node.raw.source.text.find("tasks").unwrap_or_default();
            let warning = Diagnostic::warning("unread-with", message).help(help);
            node.raw.found.push(warning.at(at..at + 5, ""));
        }
        for circle in circles(&workflow.files[number], &reads) {
            node.raw.found.push(circle);
        }
    }
}

/// The number of the first task of each file.
pub(super) fn first_tasks(files: usize, workflow: &Workflow) -> Vec<usize> {
    let mut next = 0;
    let mut of_file = |number: usize| {
        let first = next;
        let own = |task: &&Task| task.place.file as usize == number;
        next += workflow.tasks[first..].iter().take_while(own).count();
        first
    };
    (0..files).map(&mut of_file).collect()
}

/// What the texts of one file see.
struct Seen<'a> {
    workflow: &'a Workflow,
    file: &'a File,
    profiles: &'a [Profile],
    first_task: usize,
    of_file: HashSet<&'a str>,
    /// The names that tasks and profiles declare for themselves.
    of_tasks: OnceCell<HashSet<&'a str>>,
    /// The names of the task that was asked for last.
    of_last: RefCell<Option<(Owner, HashSet<&'a str>)>>,
    looks_left: Cell<usize>,
}

impl<'a> Seen<'a> {
    fn of(workflow: &'a Workflow, number: usize, first_task: usize) -> Self {
        let file = &workflow.files[number];
        let profiles = if number == 0 {
            &workflow.profiles[..]
        } else {
            &[]
        };
        let vars = file.vars.iter().chain(&file.with);
        let vars = vars.chain(profiles.iter().flat_map(|profile| &profile.vars));
        Self {
            workflow,
            file,
            profiles,
            first_task,
            of_file: vars.map(|var| var.name.as_str()).collect(),
            of_tasks: OnceCell::new(),
            of_last: RefCell::new(None),
            looks_left: Cell::new(LOOKS_MAX),
        }
    }

    /// What is wrong with reading this name, if anything is.
    fn wrong(&self, read: &Read, suggest: &mut Suggest) -> Option<Diagnostic> {
        let name = read.path.first()?;
        if self.of_file.contains(name.as_str()) || self.is_of_owner(&read.owner, name) {
            return None;
        }
        let path = if name == "flow" && read.path.len() > 1 {
            &read.path[1..]
        } else {
            &read.path[..]
        };
        let name = path.first()?;
        let built_in = BuiltIn::row(name);
        if built_in.is_some_and(|row| matches!(row.is, BuiltIn::Steps | BuiltIn::Tasks)) {
            return self.wrong_result(name, path, &read.owner, suggest);
        }
        if let Some(row) = built_in.filter(|row| row.only_in.is_none()) {
            let member = path.get(1)?;
            let members: Vec<&str> = row.members.iter().map(|(member, _)| *member).collect();
            return self.wrong_member(name, &members, member, suggest);
        }
        let only_in = ONLY_IN.iter().find(|(known, _)| known == name);
        let only_in = only_in.map(|(_, place)| *place);
        if let Some(place) = built_in.and_then(|row| row.only_in).or(only_in) {
            let message = format!("there is no '{name}' here");
            let help = format!("it is there {place}; or declare a var of that name");
            return Some(Diagnostic::error("unknown-name", message).help(help));
        }
        if LATER.contains(&name.as_str()) {
            let message = format!("'{name}' is not in this version of flow");
            return Some(
                Diagnostic::error("not-in-this-version", message)
                    .help("declare a var of that name, or remove it"),
            );
        }
        if let Some((_, help)) = OF_OTHER_TOOLS.iter().find(|(known, _)| known == name) {
            let message = format!("there is no name '{name}' here");
            return Some(Diagnostic::error("unknown-name", message).help(*help));
        }
        let tasks = self.of_task(&read.owner);
        let built_in = BUILT_IN.iter().filter(|row| row.only_in.is_none());
        let built_in = built_in.map(|row| row.name);
        let near = suggest.nearest(
            name,
            tasks.chain(self.of_file.iter().copied()).chain(built_in),
        );
        let help = match near {
            Some(near) => format!("did you mean '{near}'?"),
            None if self.is_of_another_task(name) => {
                "params and vars of a task are seen by that task alone".to_owned()
            }
            None => {
                format!("declare it in 'vars', or read the environment variable as 'env.{name}'")
            }
        };
        Some(
            Diagnostic::error("unknown-name", format!("there is no name '{name}' here")).help(help),
        )
    }

    fn wrong_member(
        &self,
        name: &str,
        members: &[&str],
        member: &str,
        suggest: &mut Suggest,
    ) -> Option<Diagnostic> {
        let secrets: Vec<&str> = self
            .file
            .secrets
            .iter()
            .map(|secret| secret.name.as_str())
            .collect();
        let members = if name == "secrets" {
            &secrets[..]
        } else {
            members
        };
        if members.contains(&member) || members.is_empty() && name != "secrets" {
            return None;
        }
        let help = match suggest.nearest(member, members.iter().copied()) {
            Some(near) => format!("did you mean '{name}.{near}'?"),
            None if name == "secrets" => {
                format!("declare it: 'secrets: {{{member}: {{env: {member}}}}}'")
            }
            None => {
                let members = members.iter().map(|member| format!("{name}.{member}"));
                format!("there are: {}", listed(members))
            }
        };
        Some(Diagnostic::error("unknown-name", format!("there is no '{name}.{member}'")).help(help))
    }

    /// A step or a task whose result can't be read here.
    fn wrong_result(
        &self,
        of: &str,
        path: &[String],
        owner: &Owner,
        suggest: &mut Suggest,
    ) -> Option<Diagnostic> {
        let (wanted, member) = (path.get(1)?, path.get(2));
        if let Some(member) = member.filter(|member| !has_result(member)) {
            let message = format!("there is no '{of}.{wanted}.{member}'");
            let known = RESULT.iter().map(|(known, _)| *known);
            let help = match suggest.nearest(member, known.clone()) {
                Some(near) => format!("did you mean '{of}.{wanted}.{near}'?"),
                None => format!(
                    "there are: {}; what it handed on is in 'outputs'",
                    known.collect::<Vec<_>>().join(", ")
                ),
            };
            return Some(Diagnostic::error("unknown-name", message).help(help));
        }
        let Owner::Task(number) = owner else {
            return None;
        };
        let task = self.workflow.tasks.get(self.first_task + number)?;
        if of == "steps" {
            return self.wrong_step(wanted, task, suggest);
        }
        if task.unusable.is_some() {
            // It may be a task of the file that is not there, and nothing of this one runs.
            return None;
        }
        let identifier = as_identifier(wanted);
        let of_file =
            |known: &Task| as_identifier(relative(&known.name, &self.file.namespace)) == identifier;
        if self.reaches(task, of_file) {
            return None;
        }
        let known = self.workflow.tasks.iter().find(|known| of_file(known));
        let message = match known {
            Some(known) => format!("'{}' may not have run before '{}'", known.name, task.name),
            None => format!("there is no task '{wanted}'"),
        };
        let help = match known {
            Some(known) => format!(
                "write 'depends_on: {}', or call it in an earlier step",
                known.name
            ),
            None => {
                let names = task
                    .depends_on
                    .iter()
                    .map(|need| self.workflow.tasks[need.task].name.as_str());
                match suggest.nearest(wanted, names) {
                    Some(near) => format!("did you mean 'tasks.{}'?", as_identifier(near)),
                    None => "name a task that this one depends on or calls".to_owned(),
                }
            }
        };
        Some(Diagnostic::error("unknown-name", message).help(help))
    }

    fn wrong_step(&self, wanted: &str, task: &Task, suggest: &mut Suggest) -> Option<Diagnostic> {
        let mut names: Vec<&str> = Vec::new();
        task.each_step(&mut |step| names.extend(step.name()));
        let identifier = as_identifier(wanted);
        if names.iter().any(|name| as_identifier(name) == identifier) {
            return None;
        }
        let message = format!("there is no step '{wanted}' in the task '{}'", task.name);
        let help = match suggest.nearest(wanted, names.into_iter()) {
            Some(near) => format!("did you mean 'steps.{}'?", as_identifier(near)),
            None => format!("give the step a name: {{name: {wanted}, run: …}}"),
        };
        Some(Diagnostic::error("unknown-name", message).help(help))
    }

    /// Whether such a task has surely run when the last steps of `task` do: what it needs and calls, and so on.
    fn reaches(&self, task: &'a Task, wanted: impl Fn(&Task) -> bool) -> bool {
        let mut seen: HashSet<usize> = HashSet::new();
        let mut left: Vec<&Task> = vec![task];
        while let Some(task) = left.pop() {
            let mut next: Vec<usize> = task.depends_on.iter().map(|need| need.task).collect();
            task.each_call(&mut |call| next.push(call.task));
            for index in next {
                let Some(looks) = self.looks_left.get().checked_sub(1) else {
                    return true;
                };
                self.looks_left.set(looks);
                if wanted(&self.workflow.tasks[index]) {
                    return true;
                }
                if seen.insert(index) {
                    left.push(&self.workflow.tasks[index]);
                }
            }
        }
        false
    }

    /// Whether the task itself declares this name; the reads of a task come one after another.
    fn is_of_owner(&self, owner: &Owner, name: &str) -> bool {
        let mut last = self.of_last.borrow_mut();
        if last.as_ref().is_none_or(|(known, _)| known != owner) {
            *last = Some((owner.clone(), self.of_task(owner).collect()));
        }
        last.as_ref().is_some_and(|(_, names)| names.contains(name))
    }

    fn of_task(&self, owner: &Owner) -> impl Iterator<Item = &'a str> {
        let task = match owner {
            Owner::Task(number) => self.workflow.tasks.get(self.first_task + number),
            Owner::File | Owner::With | Owner::Profile => None,
        };
        task.into_iter().flat_map(|task| {
            let params = task.params.iter().map(|param| param.name.as_str());
            params.chain(task.vars.iter().map(|var| var.name.as_str()))
        })
    }

    fn is_of_another_task(&self, name: &str) -> bool {
        let of_tasks = || {
            let tasks = self.workflow.tasks.iter().flat_map(|task| {
                let params = task.params.iter().map(|param| param.name.as_str());
                params.chain(task.vars.iter().map(|var| var.name.as_str()))
            });
            let profiles = self.profiles.iter().flat_map(|profile| &profile.vars);
            tasks.chain(profiles.map(|var| var.name.as_str())).collect()
        };
        self.of_tasks.get_or_init(of_tasks).contains(name)
    }
}

/// The circles among the vars of a file, each reported once, at the first var of it.
fn circles(file: &File, reads: &[Read]) -> Vec<Diagnostic> {
    let names: HashSet<&str> = file.vars.iter().map(|var| var.name.as_str()).collect();
    let mut edges: HashMap<&str, Vec<&Read>> = HashMap::new();
    for read in reads.iter().filter(|read| read.owner == Owner::File) {
        if let (Some(var), Some(name)) = (&read.var, read.path.first())
            && names.contains(name.as_str())
            && names.contains(var.as_str())
        {
            edges.entry(var).or_default().push(read);
        }
    }
    let mut done: HashSet<&str> = HashSet::new();
    let mut found = Vec::new();
    for var in &file.vars {
        follow(&var.name, &edges, &mut done, &mut found);
    }
    found
}

/// Depth first, without recursion: the path holds each var with how many of its reads have been followed.
fn follow<'a>(
    from: &'a str,
    edges: &HashMap<&str, Vec<&'a Read>>,
    done: &mut HashSet<&'a str>,
    found: &mut Vec<Diagnostic>,
) {
    let mut path: Vec<(&str, usize)> = vec![(from, 0)];
    while let Some((var, next)) = path.last_mut() {
        let read = edges.get(*var).and_then(|reads| reads.get(*next));
        *next += 1;
        let var = *var;
        let Some(read) = read else {
            path.pop();
            done.insert(var);
            continue;
        };
        let name = read.path[0].as_str();
        if done.contains(name) {
            continue;
        }
        match path.iter().position(|(open, _)| *open == name) {
            None => path.push((name, 0)),
            Some(start) => {
                let mut names: Vec<&str> = path[start..].iter().map(|(name, _)| *name).collect();
                names.push(name);
                found.push(circle(&names, read));
                // One circle a var is enough to begin with.
                done.insert(var);
                path.pop();
            }
        }
    }
}

/// How many names of a circle are told.
const NAMES_MAX: usize = 20;

fn circle(names: &[&str], read: &Read) -> Diagnostic {
    let shown: Vec<&str> = names.iter().copied().take(NAMES_MAX).collect();
    let more = if names.len() > NAMES_MAX {
        " -> …"
    } else {
        ""
    };
    let message = format!("values read one another: {}{more}", shown.join(" -> "));
    let help = if names.len() == 2 {
        "a name always means the strongest value of that name; give one of them another name"
    } else {
        "take one of them out of the circle"
    };
    Diagnostic::error("value-cycle", message)
        .at(read.span.clone(), "")
        .help(help)
}

/// What an include hands over and neither a var nor a text of the file takes.
fn unread<'f>(file: &'f File, reads: &[Read]) -> Vec<&'f crate::model::language::Var> {
    let read = |name: &String| {
        let of = |read: &Read| match read.path.first().map(String::as_str) {
            Some("flow") => false,
            first => first == Some(name),
        };
        reads.iter().any(of)
    };
    file.with.iter().filter(|var| !read(&var.name)).collect()
}
