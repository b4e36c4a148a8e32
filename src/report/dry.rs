//! The plan of a run, for people: what would run, in an order in which it could.

use super::failure::shown_path;
use super::style::{visible, visible_lines};
use crate::model::plan::{Context, Kind, Plan, Work};

/// Each task with its commands; a folder and an environment only where they are not the file's own.
pub fn plan(plan: &Plan) -> String {
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
        for child in plan.node(id).children() {
            if let Kind::Work(Work::Shell {
                command, context, ..
            }) = &plan.node(*child).kind
            {
                text.push_str(&step(plan, command, &plan.contexts[*context as usize]));
            }
        }
    }
    text
}

fn step(plan: &Plan, command: &str, context: &Context) -> String {
    let mut lines = Vec::new();
    if Some(context.dir.as_path()) != plan.file.parent() {
        lines.push(format!("  # in {}", visible(&shown_path(&context.dir))));
    }
    for (name, value) in &context.env {
        lines.push(format!("  # {}={}", visible(name), visible(value)));
    }
    lines.extend(
        visible_lines(command.trim_end())
            .lines()
            .map(|line| format!("  {line}")),
    );
    lines.join("\n") + "\n"
}
