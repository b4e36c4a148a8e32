//! `flow graph`

use clap::{Args, ValueEnum};

use super::context::Context;
use super::verb::Verb;
use super::{Exit, Trouble, run};
use crate::model::language::TaskIndex;
use crate::report::graph::{self, Graph};

/// Show the dependency graph
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// Show these tasks and their dependencies [default: all tasks]
    #[arg(value_name = "TASK")]
    pub(super) tasks: Vec<String>,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: GraphFormat,
}

/// The form of a graph.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum GraphFormat {
    /// A tree for each task that nothing depends on
    Text,
    /// For Graphviz
    Dot,
    /// For Mermaid, as in Markdown
    Mermaid,
    /// Tasks and edges
    Json,
}

impl Verb for GraphArgs {
    const NAME: &'static str = "graph";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        graph(context, self)
    }
}

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
