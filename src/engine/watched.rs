//! Which files the tasks of a plan are watched for.

use std::sync::Arc;

use crate::eval::Evaluator;
use crate::eval::here::Here;
use crate::incremental::{Globs, Incremental};
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
pub fn watched(
    plan: &Plan,
    evaluator: &Arc<Evaluator>,
    known: Option<&Incremental>,
) -> Result<Vec<Watched>, String> {
    let mut all = Vec::new();
    for (index, node) in plan.nodes.iter().enumerate() {
        let Some(incremental) = node.incremental.as_deref() else {
            continue;
        };
        let id = NodeId::at(index);
        let mut interest = Interest::default();
        let looped = plan.loop_of(id);
        for (item, here) in places(evaluator, plan, id, looped) {
            let files = evaluator
                .watched(incremental, &here)
                .map_err(|problem| evaluator.told(&problem))?;
            let sources = files.sources.unwrap_or_default();
            let sources = [sources, files.optional_sources].concat();
            let reads = Globs::read(&files.folder, &sources);
            let reads = reads.and(Globs::read(&files.folder, &files.watch));
            interest.reads = std::mem::take(&mut interest.reads).and(reads);
            if let (Some(known), true) = (known, files.depfile.is_some()) {
                let identity = identity(plan, plan.root_of(id), item.as_deref());
                let named = Globs::named(&known.named(&identity));
                interest.reads = std::mem::take(&mut interest.reads).and(named);
            }
            let makes = Globs::made(&files.folder, &files.generates);
            interest.makes = std::mem::take(&mut interest.makes).and(makes);
        }
        // A file that is new is another item.
        let items = looped.map(|looped| evaluator.looped_files(looped));
        if let Some(Ok(Some((folder, patterns)))) = items {
            let items = Globs::read(&folder, &patterns);
            interest.reads = std::mem::take(&mut interest.reads).and(items);
        }
        all.push(Watched {
            task: plan.root_of(id),
            interest,
        });
    }
    Ok(all)
}

/// What tells a task of the graph, or an item of it, from all others.
fn identity(plan: &Plan, task: NodeId, item: Option<&str>) -> String {
    let planned = plan.node(task).task.as_deref();
    let own = planned.map_or_else(String::new, |task| task.identity(&plan.file));
    match item {
        Some(item) => format!("{own}[{item}]"),
        None => own,
    }
}

/// Where a node of the plan will be: in each item of its loop, as far as these are known.
fn places(
    evaluator: &Arc<Evaluator>,
    plan: &Plan,
    id: NodeId,
    looped: Option<NodeId>,
) -> Vec<(Option<String>, Here)> {
    let items = looped.map(|looped| (looped, evaluator.expand(looped)));
    match items {
        Some((looped, Ok(items))) => {
            let body = plan.node(looped).children();
            let body = body.first().copied().unwrap_or(id);
            let below = |here: &Here| match body == id {
                true => here.clone(),
                false => here.below(plan, body, id),
            };
            let name = |index| Some(evaluator.item_name(looped, index));
            let named = |(index, here)| (name(index), below(here));
            (0..).zip(&items).map(named).collect()
        }
        _ => vec![(None, Here::default())],
    }
}
