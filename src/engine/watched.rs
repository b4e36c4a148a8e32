//! Which files the tasks of a plan are watched for.

use std::collections::HashSet;
use std::sync::Arc;

use crate::eval::Evaluator;
use crate::incremental::Globs;
use crate::model::id::NodeId;
use crate::model::plan::Plan;
use crate::watch::Interest;

/// A task and the files that it, or what it calls, is run for when they change.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The name of the task in the plan.
    pub task: String,
    /// The files.
    pub interest: Interest,
}

/// The tasks of a plan that say for which files they are run; what others make is known by them too.
///
/// # Errors
///
/// When the folder of one has no value; why, in words.
pub fn watched(plan: &Plan, evaluator: &Arc<Evaluator>) -> Result<Vec<Watched>, String> {
    let mut all = Vec::new();
    for (index, node) in plan.nodes.iter().enumerate() {
        let Some(incremental) = node.incremental.as_deref() else {
            continue;
        };
        let files = evaluator
            .watched(incremental)
            .map_err(|problem| evaluator.told(&problem))?;
        let sources = files.sources.unwrap_or_default();
        let reads = Globs::read(&files.folder, &sources);
        all.push(Watched {
            task: task_of(plan, NodeId::at(index)),
            interest: Interest {
                reads: reads.and(Globs::read(&files.folder, &files.watch)),
                makes: Globs::made(&files.folder, &files.generates),
            },
        });
    }
    Ok(all)
}

/// The name of the task that a node is a part of.
fn task_of(plan: &Plan, id: NodeId) -> String {
    let mut at = id;
    while let Some(parent) = plan.node(at).parent {
        at = parent;
    }
    let task = plan.node(at).task.as_deref();
    task.map_or_else(String::new, |task| task.name.clone())
}

/// Tasks of a plan with all that need them, by their names.
pub fn with_dependents(plan: &Plan, tasks: impl IntoIterator<Item = String>) -> HashSet<String> {
    let mut all: HashSet<String> = tasks.into_iter().collect();
    // Each task stands behind those that it needs.
    for (_, task) in plan.tasks() {
        let name = |need: NodeId| {
            let need = plan.node(need).task.as_deref();
            need.is_some_and(|need| all.contains(&need.name))
        };
        if task.needs.iter().any(|need| name(need.task)) {
            all.insert(task.name.clone());
        }
    }
    all
}
