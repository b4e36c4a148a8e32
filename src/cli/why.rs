//! `flow why`: whether a task would run, and why.

use serde_json::json;

use clap::Args;

use super::args::OfTaskArgs;
use super::context::Context;
use super::verb::Verb;
use super::{Exit, Trouble};
use super::{needed, run};
use crate::engine::incremental::Told;
use crate::model::id::NodeId;
use crate::model::plan::Plan;
use crate::plan::Request;

/// Explain whether a task would run, and why
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    #[command(flatten)]
    of: OfTaskArgs,
}

impl Verb for WhyArgs {
    const NAME: &'static str = "why";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        why(context, &self.of)
    }
}

/// Says in a sentence whether a task would run, and why; below it the same of those that it needs and that would.
pub(super) fn why(context: &Context, args: &OfTaskArgs) -> Result<Exit, Trouble> {
    let workflow = context.workflow()?;
    let words = run::words(&args.words);
    let [name] = &words.tasks[..] else {
        return Err(Trouble::call(
            "a question is about one task",
            "write: flow why TASK",
        ));
    };
    let request = Request {
        tasks: vec![run::find(workflow, name)?],
        profile: args.profile.clone(),
        values: words.values,
        called_in: context.called_in()?,
        ..Request::default()
    };
    let (plan, told) = needed::tell(context, workflow, &request)?;
    let Some(asked) = plan.asked.first() else {
        return Ok(Exit::Done);
    };
    let own = find(&told, *asked);
    let needs: Vec<&(NodeId, Told)> = told
        .iter()
        .filter(|(id, told)| id != asked && matches!(told, Told::Runs(_) | Told::Unknown(_)))
        .collect();
    super::show(&if args.json {
        as_json(&plan, *asked, own, &needs)
    } else {
        as_text(&plan, *asked, own, &needs)
    })
}

fn find(told: &[(NodeId, Told)], id: NodeId) -> &Told {
    told.iter()
        .find(|(known, _)| *known == id)
        .map_or(&Told::Nothing, |(_, told)| told)
}

fn name(plan: &Plan, id: NodeId) -> &str {
    let task = plan.node(id).task.as_deref();
    task.map_or("", |task| &task.name)
}

fn as_text(plan: &Plan, asked: NodeId, own: &Told, needs: &[&(NodeId, Told)]) -> String {
    let task = name(plan, asked);
    let mut text = match own {
        Told::UpToDate if needs.is_empty() => format!("{task} is up to date\n"),
        Told::UpToDate => {
            format!("{task} is up to date, but depends on tasks that would run:\n")
        }
        Told::Runs(reason) => format!("{task} would run because {reason}\n"),
        Told::Unknown(why) => format!("whether {task} would run is not known: {why}\n"),
        Told::Nothing if needs.is_empty() => {
            format!("{task} has no steps, and all that it needs is up to date\n")
        }
        Told::Nothing => format!("{task} has no steps of its own; of those that it needs:\n"),
    };
    for (id, told) in needs {
        let need = name(plan, *id);
        text.push_str(&match told {
            Told::Unknown(why) => format!("  whether {need} would run is not known: {why}\n"),
            Told::Runs(reason) => format!("  {need} would run because {reason}\n"),
            Told::UpToDate | Told::Nothing => String::new(),
        });
    }
    text
}

fn as_json(plan: &Plan, asked: NodeId, own: &Told, needs: &[&(NodeId, Told)]) -> String {
    let one = |id: NodeId, told: &Told| {
        let (runs, reason) = match told {
            Told::UpToDate | Told::Nothing => (Some(false), None),
            Told::Runs(reason) => (Some(true), Some(reason.to_string())),
            Told::Unknown(why) => (None, Some(why.clone())),
        };
        json!({"task": name(plan, id), "runs": runs, "because": reason})
    };
    let mut all = one(asked, own);
    let needs: Vec<_> = needs.iter().map(|(id, told)| one(*id, told)).collect();
    all["needs"] = json!(needs);
    format!("{all}\n")
}
