//! `flow graph`

use super::args::{GraphArgs, GraphFormat};
use super::context::Context;
use super::{Exit, Trouble, run};
use crate::model::language::TaskIndex;
use crate::report::graph::{self, Graph};

/// Shows which task waits for which.
pub(super) fn graph(context: &Context, args: &GraphArgs) -> Result<Exit, Trouble> {
    let workflow = context.workflow()?;
    let named = args.tasks.iter();
    let named = named.map(|name| {
        workflow
            .find(name)
            .map_or_else(|| run::find(workflow, name), Ok)
    });
    let named: Vec<TaskIndex> = named.collect::<Result<_, _>>()?;
    let graph = Graph::new(workflow, &named);
    super::show(&match args.format {
        GraphFormat::Text => graph::as_text(&graph),
        GraphFormat::Dot => graph::as_dot(&graph),
        GraphFormat::Mermaid => graph::as_mermaid(&graph),
        GraphFormat::Json => graph::as_json(&graph),
    })
}
