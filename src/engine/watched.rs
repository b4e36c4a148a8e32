//! Which files the tasks of a plan are watched for.

use std::sync::Arc;

use crate::eval::Evaluator;
use crate::incremental::Globs;
use crate::model::id::NodeId;
use crate::model::plan::Plan;
use crate::watch::Interest;

/// A task and the files that it, or what it calls, is run for when they change.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The task in the plan.
    pub task: NodeId,
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
            task: plan.root_of(NodeId::at(index)),
            interest: Interest {
                reads: reads.and(Globs::read(&files.folder, &files.watch)),
                makes: Globs::made(&files.folder, &files.generates),
            },
        });
    }
    Ok(all)
}
