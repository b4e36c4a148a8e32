//! The plan of a run, for people: what would run, in an order in which it could.

use std::path::PathBuf;
use std::time::Duration;

use super::failure::shown_path;
use super::style::{cut, visible, visible_lines};
use crate::model::id::NodeId;
use crate::model::language::Items;
use crate::model::listed::listed;
use crate::model::plan::{About, Kind, Plan, WaitFor, Work};
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

/// Each task with its commands; a folder and an environment only where they are not the file's own. `step` says what a
/// command would be, or why that can't be told.
pub fn plan(plan: &Plan, step: impl Fn(&Work) -> Result<Step, String>) -> String {
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
        text.push('\n');
        if let Some(reason) = &task.elsewhere {
            text.push_str(&format!("  # skipped: {}\n", visible(reason)));
            continue;
        }
        let shown = Shown { plan, step: &step };
        let first = task.first.as_ref();
        let first = first.map_or(String::new(), |ask| questions(&ask.about, 1));
        text.push_str(&first);
        shown.node(id, if first.is_empty() { 1 } else { 2 }, &mut text);
    }
    text
}

/// How a plan is shown.
struct Shown<'a> {
    plan: &'a Plan,
    step: &'a dyn Fn(&Work) -> Result<Step, String>,
}

impl Shown<'_> {
    /// A node and what it is made of, so deep.
    fn node(&self, id: NodeId, at: usize, text: &mut String) {
        let node = self.plan.node(id);
        let mut depth = at;
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
            Kind::Work(work) => text.push_str(&shown(self.plan, (self.step)(work), depth)),
            Kind::Wait { micros: 0 } => {}
            Kind::Wait { micros } => {
                let span = human(Duration::from_micros(*micros));
                text.push_str(&note(depth, &format!("wait {span}")));
            }
            Kind::Loop { body, .. } => self.node(*body, depth, text),
            Kind::Choice { children } => {
                for (number, child) in children.iter().enumerate() {
                    if number == 1 {
                        text.push_str(&note(at, "else:"));
                    }
                    self.node(*child, depth, text);
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
                    self.node(*child, depth, text);
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
                self.node(handler, at + 1, text);
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
