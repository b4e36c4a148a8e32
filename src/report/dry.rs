//! The plan of a run, for people: what would run, in an order in which it could.

use std::path::PathBuf;
use std::time::Duration;

use super::failure::shown_path;
use super::style::{cut, visible, visible_lines};
use crate::model::id::NodeId;
use crate::model::language::Items;
use crate::model::listed::listed;
use crate::model::plan::{About, Kind, Plan, Task, WaitFor, Work};
use crate::model::time::human;

/// A command as it would be started, as far as that is known.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its text for people.
    pub command: String,
    /// The folder it would run in.
    pub dir: PathBuf,
    /// Variables beyond the inherited environment.
    pub env: Vec<(String, String)>,
}

/// What is known before a run.
pub trait Known {
    /// Where something stands: in which item of which loop.
    type Place;

    /// What a task is for.
    fn desc(&self, task: &Task) -> Option<String>;

    /// What somebody is asked before any of it runs.
    fn asks(&self, task: &Task) -> Option<String>;

    /// Whether a task would not run as things are.
    fn is_up_to_date(&self, task: NodeId) -> bool;

    /// The items of a loop; `None` where only the run can tell them, and in the items of another loop.
    fn items(&self, looped: NodeId, place: Option<&Self::Place>) -> Option<Vec<Item<Self::Place>>>;

    /// What a command would be, or why that can't be told.
    fn step(&self, node: NodeId, work: &Work, place: Option<&Self::Place>) -> Result<Step, String>;
}

/// An item of a loop.
#[derive(Debug)]
pub struct Item<P> {
    /// What people call it.
    pub name: String,
    /// Where what is done for it stands.
    pub place: P,
    /// It would not run as things are.
    pub up_to_date: bool,
}

/// Each task with its commands; a folder and an environment only where they are not the file's own.
pub fn plan(plan: &Plan, known: &impl Known) -> String {
    let mut text = String::new();
    for (id, task) in plan.tasks() {
        text.push_str(&task.name);
        let needs: Vec<String> = task
            .needs
            .iter()
            .filter_map(|need| Some(plan.node(need.task).task.as_ref()?.name.clone()))
            .collect();
        if !needs.is_empty() {
            text.push_str(&format!("  (after {})", listed(needs)));
        }
        if known.is_up_to_date(id) {
            text.push_str("  # up to date\n");
            continue;
        }
        text.push('\n');
        if let Some(desc) = known.desc(task) {
            text.push_str(&note(1, &visible(&desc)));
        }
        if let Some(question) = known.asks(task) {
            text.push_str(&note(1, &format!("asks: {}", visible(&question))));
        }
        if plan.node(id).rules().ignore_error {
            text.push_str(&note(1, "may fail"));
        }
        if let Some(reason) = &task.elsewhere {
            text.push_str(&format!("  # skipped: {}\n", visible(reason)));
            continue;
        }
        let shown = Shown { plan, known };
        let first = task.first.as_ref();
        let first = first.map_or(String::new(), |ask| questions(&ask.about, 1));
        text.push_str(&first);
        let depth = if first.is_empty() { 1 } else { 2 };
        shown.node(id, None, depth, &mut text);
    }
    text
}

/// How a plan is shown.
struct Shown<'a, K> {
    plan: &'a Plan,
    known: &'a K,
}

impl<K: Known> Shown<'_, K> {
    /// A loop whose items are known: what is done for each.
    fn items(&self, body: NodeId, items: Vec<Item<K::Place>>, depth: usize, text: &mut String) {
        if items.is_empty() {
            text.push_str(&note(depth, "there are no items"));
        }
        for item in items {
            let name = visible(&item.name);
            if item.up_to_date {
                text.push_str(&note(depth, &format!("{name}: up to date")));
            } else {
                text.push_str(&note(depth, &format!("{name}:")));
                self.node(body, Some(&item.place), depth + 1, text);
            }
        }
    }

    /// A node and what it is made of, so deep.
    fn node(&self, id: NodeId, place: Option<&K::Place>, at: usize, text: &mut String) {
        let node = self.plan.node(id);
        let mut depth = at;
        if let Kind::Loop { body, .. } = &node.kind
            && let Some(items) = self.known.items(id, place)
        {
            return self.items(*body, items, depth, text);
        }
        if let Some(ask) = &node.ask {
            let about = questions(&ask.about, at);
            depth += usize::from(about.ends_with(":\n"));
            text.push_str(&about);
        }
        if let Some(called) = &node.called {
            text.push_str(&note(depth, &format!("the task {}:", visible(called))));
            depth += 1;
        }
        match &node.kind {
            Kind::Work(work) => {
                text.push_str(&shown(self.plan, self.known.step(id, work, place), depth))
            }
            Kind::Wait { micros: 0 } => {}
            Kind::Wait { micros } => {
                let span = human(Duration::from_micros(*micros));
                text.push_str(&note(depth, &format!("wait {span}")));
            }
            Kind::Loop { body, .. } => self.node(*body, place, depth, text),
            Kind::Choice { children } => {
                for (number, child) in children.iter().enumerate() {
                    if number == 1 {
                        text.push_str(&note(at, "else:"));
                    }
                    self.node(*child, place, depth, text);
                }
            }
            Kind::Group(group) => {
                if group.parallel_max != Some(1) {
                    let until = match group.wait_for {
                        WaitFor::All => "",
                        WaitFor::Any => ", until one succeeds",
                        WaitFor::First => ", until one ends",
                    };
                    text.push_str(&note(depth, &format!("at the same time{until}:")));
                    depth += 1;
                }
                for child in &group.children {
                    self.node(*child, place, depth, text);
                }
            }
            Kind::Check | Kind::Child => {}
        }
        let handlers = &node.rules().handlers;
        let handlers = [
            ("on success:", handlers.on_success),
            ("on failure:", handlers.on_failure),
            ("finally:", handlers.finally),
        ];
        for (name, handler) in handlers {
            if let Some(handler) = handler {
                text.push_str(&note(at, name));
                self.node(handler, place, at + 1, text);
            }
        }
    }
}

fn note(depth: usize, words: &str) -> String {
    format!("{}# {words}\n", "  ".repeat(depth))
}

/// What is asked before a node.
fn questions(about: &About, depth: usize) -> String {
    let names = |names: Vec<&str>| visible(&listed(names)).into_owned();
    match about {
        About::Begin {
            condition,
            preconditions,
        } => {
            let condition = condition
                .iter()
                .map(|one| format!("if {}:", visible(&one.written())));
            let checks = preconditions.iter();
            let checks =
                checks.map(|one| format!("only when {}", visible(&one.condition.written())));
            // The condition last: what follows stands below it.
            checks
                .chain(condition)
                .map(|words| note(depth, &words))
                .collect()
        }
        About::Branch(condition) => note(depth, &format!("if {}:", visible(&condition.written()))),
        About::Items { items, name, .. } => {
            let name = match items {
                Items::Matrix { axes, .. } => axes
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
                _ => name.clone(),
            };
            note(depth, &format!("for each {}:", visible(&name)))
        }
        About::Made(_) => String::new(),
        About::Verify(check) => note(
            depth,
            &format!("verify {}", visible(&check.condition.written())),
        ),
        About::Set(outputs) => note(
            depth,
            &format!(
                "set {}",
                names(outputs.iter().map(|(name, _)| name.as_str()).collect())
            ),
        ),
        About::Outputs(outputs) => note(
            depth,
            &format!(
                "outputs {}",
                names(outputs.iter().map(|(name, _)| name.as_str()).collect())
            ),
        ),
        About::Until { condition, .. } => note(
            depth,
            &format!("wait until {}", visible(&condition.written())),
        ),
    }
}

fn shown(plan: &Plan, step: Result<Step, String>, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let step = match step {
        Ok(step) => step,
        Err(why) => return note(depth, &format!("would fail: {}", cut(&why))),
    };
    let mut lines = Vec::new();
    if Some(step.dir.as_path()) != plan.file.parent() {
        lines.push(format!("{indent}# in {}", visible(&shown_path(&step.dir))));
    }
    for (name, value) in &step.env {
        lines.push(format!("{indent}# {}={}", visible(name), cut(value)));
    }
    lines.extend(
        visible_lines(step.command.trim_end())
            .lines()
            .map(|line| format!("{indent}{line}")),
    );
    lines.join("\n") + "\n"
}
