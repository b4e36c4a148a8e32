//! The graph of tasks: which waits for which, as text and for other programs.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::style::visible;
use crate::model::language::{On, Task, TaskIndex, Workflow};

/// Some tasks of a file and all that they depend on.
pub struct Graph<'a> {
    workflow: &'a Workflow,
    /// Those to begin with.
    roots: Vec<TaskIndex>,
    /// All of them, in the order of the file.
    tasks: Vec<TaskIndex>,
}

impl<'a> Graph<'a> {
    /// The named tasks and all that they depend on; without names all tasks, beginning with those that nothing depends on.
    pub fn new(workflow: &'a Workflow, named: &[TaskIndex]) -> Self {
        let all = || (0..workflow.tasks.len()).collect::<Vec<_>>();
        let mut reached: HashSet<TaskIndex> = HashSet::new();
        let mut open: Vec<TaskIndex> = if named.is_empty() {
            all()
        } else {
            named.to_vec()
        };
        while let Some(task) = open.pop() {
            if reached.insert(task) {
                open.extend(workflow.tasks[task].depends_on.iter().map(|need| need.task));
            }
        }
        let tasks: Vec<TaskIndex> = all()
            .into_iter()
            .filter(|task| reached.contains(task))
            .collect();
        let needed: HashSet<TaskIndex> = tasks
            .iter()
            .flat_map(|task| {
                workflow.tasks[*task]
                    .depends_on
                    .iter()
                    .map(|need| need.task)
            })
            .collect();
        let free = || {
            tasks
                .iter()
                .copied()
                .filter(|task| !needed.contains(task))
                .collect::<Vec<_>>()
        };
        let roots = if named.is_empty() {
            free()
        } else {
            named.to_vec()
        };
        // Where all is one circle, all of it is shown.
        let roots = if roots.is_empty() {
            tasks.clone()
        } else {
            roots
        };
        Self {
            workflow,
            roots,
            tasks,
        }
    }

    fn task(&self, index: TaskIndex) -> &'a Task {
        &self.workflow.tasks[index]
    }

    /// The dependencies, then what only comes after something else that is here.
    fn edges(&self) -> impl Iterator<Item = (&'a Task, &'a Task, Edge)> + '_ {
        let here: HashSet<TaskIndex> = self.tasks.iter().copied().collect();
        let needs = self.tasks.iter().flat_map(move |task| {
            let task = self.task(*task);
            let needs = task.depends_on.iter();
            needs.map(move |need| (task, self.task(need.task), Edge::Needs(need.on)))
        });
        let after = self.tasks.iter().flat_map(move |task| {
            let task = self.task(*task);
            let all = task
                .rules()
                .after
                .iter()
                .filter(|before| here.contains(before));
            let all: Vec<TaskIndex> = all.copied().collect();
            let edge = move |before| (task, self.task(before), Edge::After);
            all.into_iter().map(edge)
        });
        needs.chain(after)
    }
}

/// Why a task waits for another.
#[derive(Clone, Copy)]
enum Edge {
    /// It needs it.
    Needs(On),
    /// It comes after it when both are part of a run.
    After,
}

/// A tree for each root. What was shown with its own needs before is shown once more without them.
pub fn as_text(graph: &Graph<'_>) -> String {
    let mut text = String::new();
    let mut shown = HashSet::new();
    for root in &graph.roots {
        // Each with the lines that go on above it, and whether it is the last one of its parent.
        let mut open = vec![(*root, Vec::<bool>::new())];
        while let Some((index, lasts)) = open.pop() {
            let task = graph.task(index);
            let again = !shown.insert(index) && !task.depends_on.is_empty();
            text.push_str(&branches(&lasts));
            text.push_str(&visible(&task.name));
            text.push_str(if again { " …\n" } else { "\n" });
            if again {
                continue;
            }
            let count = task.depends_on.len();
            for (place, need) in task.depends_on.iter().enumerate().rev() {
                let mut lasts = lasts.clone();
                lasts.push(place + 1 == count);
                open.push((need.task, lasts));
            }
        }
    }
    text
}

fn branches(lasts: &[bool]) -> String {
    let Some((last, above)) = lasts.split_last() else {
        return String::new();
    };
    let mut line: String = above
        .iter()
        .map(|last| if *last { "   " } else { "│  " })
        .collect();
    line.push_str(if *last { "└─ " } else { "├─ " });
    line
}

/// For Graphviz: an arrow goes from a task to what it waits for.
pub fn as_dot(graph: &Graph<'_>) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let mut lines = vec!["digraph flow {".to_owned(), "  rankdir=LR;".to_owned()];
    lines.extend(
        graph
            .tasks
            .iter()
            .map(|task| format!("  {};", quoted(&graph.task(*task).name))),
    );
    lines.extend(graph.edges().map(|(task, need, edge)| {
        let label = match edge {
            Edge::Needs(On::Success) => String::new(),
            Edge::Needs(on) => format!(" [label=\"{}\"]", word(on)),
            Edge::After => " [style=dashed]".to_owned(),
        };
        format!("  {} -> {}{label};", quoted(&task.name), quoted(&need.name))
    }));
    lines.push("}".to_owned());
    lines.join("\n") + "\n"
}

/// For Mermaid: an arrow goes from a task to what it waits for.
pub fn as_mermaid(graph: &Graph<'_>) -> String {
    let names = graph.tasks.iter().enumerate();
    let numbers: HashMap<&str, usize> = names
        .map(|(number, index)| (graph.task(*index).name.as_str(), number))
        .collect();
    let number = |task: &Task| numbers.get(task.name.as_str()).copied().unwrap_or(0);
    let mut lines = vec!["flowchart LR".to_owned()];
    let node = |(number, index): (usize, &TaskIndex)| {
        let name = graph.task(*index).name.replace('"', "#quot;");
        format!("  t{number}[\"{name}\"]")
    };
    lines.extend(graph.tasks.iter().enumerate().map(node));
    lines.extend(graph.edges().map(|(task, need, edge)| {
        let arrow = match edge {
            Edge::Needs(On::Success) => "-->".to_owned(),
            Edge::Needs(on) => format!("-->|{}|", word(on)),
            Edge::After => "-.->".to_owned(),
        };
        format!("  t{} {arrow} t{}", number(task), number(need))
    }));
    lines.join("\n") + "\n"
}

/// Tasks and edges.
pub fn as_json(graph: &Graph<'_>) -> String {
    let tasks = graph.tasks.iter().map(|index| graph.task(*index));
    let tasks: Vec<_> = tasks
        .map(|task| json!({"name": task.name, "desc": task.desc, "line": task.place.line}))
        .collect();
    let edges: Vec<_> = graph
        .edges()
        .map(|(task, other, edge)| match edge {
            Edge::Needs(on) => json!({"task": task.name, "needs": other.name, "on": word(on)}),
            Edge::After => json!({"task": task.name, "after": other.name}),
        })
        .collect();
    format!("{}\n", json!({"tasks": tasks, "edges": edges}))
}

const fn word(on: On) -> &'static str {
    match on {
        On::Success => "success",
        On::Failure => "failure",
        On::Done => "done",
    }
}
