//! The plan of a run, for people: what would run, in an order in which it could.

use std::path::PathBuf;

use super::failure::shown_path;
use super::style::{visible, visible_lines};
use crate::model::plan::{Kind, Plan, Work};

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
            text.push_str(&format!("  (after {})", needs.join(", ")));
        }
        text.push('\n');
        if let Some(reason) = &task.elsewhere {
            text.push_str(&format!("  # skipped: {}\n", visible(reason)));
            continue;
        }
        for child in plan.node(id).children() {
            if let Kind::Work(work) = &plan.node(*child).kind {
                text.push_str(&shown(plan, step(work)));
            }
        }
    }
    text
}

fn shown(plan: &Plan, step: Result<Step, String>) -> String {
    let step = match step {
        Ok(step) => step,
        Err(why) => return format!("  # would fail: {}\n", visible(&why)),
    };
    let mut lines = Vec::new();
    if Some(step.dir.as_path()) != plan.file.parent() {
        lines.push(format!("  # in {}", visible(&shown_path(&step.dir))));
    }
    for (name, value) in &step.env {
        lines.push(format!("  # {}={}", visible(name), visible(value)));
    }
    lines.extend(
        visible_lines(step.command.trim_end())
            .lines()
            .map(|line| format!("  {line}")),
    );
    lines.join("\n") + "\n"
}
