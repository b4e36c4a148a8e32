//! `flow vars TASK`

use std::sync::Arc;

use serde_json::json;

use clap::Args;

use super::args::OfTaskArgs;
use super::context::Context;
use super::verb::Verb;
use super::{Exit, Trouble, run};
use crate::engine::outside::World;
use crate::eval::{self, Evaluator, Origin, Shown};
use crate::exec::mask::Secrets;
use crate::plan::{self, Request};
use crate::report::table;

/// Show the values of a task and where they come from
#[derive(Debug, Args)]
pub(super) struct VarsArgs {
    #[command(flatten)]
    of: OfTaskArgs,
}

impl Verb for VarsArgs {
    const NAME: &'static str = "vars";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        vars(context, &self.of)
    }
}

/// Shows each value of a task and where it came from.
pub(super) fn vars(context: &Context, args: &OfTaskArgs) -> Result<Exit, Trouble> {
    let workflow = context.workflow()?;
    let words = run::words(&args.words);
    let [name] = &words.tasks[..] else {
        return Err(Trouble::call(
            "values are those of one task",
            "write: flow vars TASK",
        ));
    };
    let task = workflow
        .find(name)
        .map_or_else(|| run::find(workflow, name), Ok)?;
    let request = Request {
        tasks: vec![task],
        profile: args.profile.clone(),
        values: words.values,
        called_in: context.called_in()?,
        ..Request::default()
    };
    let plan = plan::of_one_scope(workflow, &request)
        .map_err(|refused| run::trouble(workflow, &refused))?;
    let evaluator = Evaluator::new(
        Arc::new(plan),
        std::env::vars_os(),
        Box::new(World::new(Arc::default(), Secrets::default())),
    );
    let shown = evaluator.show(0);
    let text = if args.json {
        as_json(&evaluator, &shown)
    } else {
        as_table(&evaluator, &shown)
    };
    super::show(&text)?;
    let wrong = shown.iter().any(|shown| shown.value.is_err());
    Ok(if wrong { Exit::Wrong } else { Exit::Done })
}

/// What a value came to, or what is wrong with it; secrets are hidden.
fn value(evaluator: &Evaluator, shown: &Shown) -> Result<String, String> {
    match &shown.value {
        Ok(value) => Ok(evaluator.hidden(&eval::written(value))),
        Err(problem) => Err(evaluator.told(problem)),
    }
}

fn as_table(evaluator: &Evaluator, shown: &[Shown]) -> String {
    let row = |shown: &Shown| {
        let value = value(evaluator, shown).unwrap_or_else(|why| format!("error: {why}"));
        let value = value.lines().next().unwrap_or_default().to_owned();
        vec![shown.name.clone(), value, from(shown)]
    };
    table::aligned(shown.iter().map(row))
}

fn from(shown: &Shown) -> String {
    let origin = origin(shown.origin);
    let from = match &shown.place {
        Some(place) => format!("{origin}, {place}"),
        None => origin.to_owned(),
    };
    match shown.lost {
        true => format!("{from}; not used, the inherited one is stronger"),
        false => from,
    }
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::CommandLine => "command line",
        Origin::Profile => "profile",
        Origin::Param => "default of the param",
        Origin::Task => "task",
        Origin::With => "with of the include",
        Origin::File => "file",
        Origin::Inherited => "inherited",
        Origin::Dotenv => "dotenv",
    }
}

fn as_json(evaluator: &Evaluator, shown: &[Shown]) -> String {
    let one = |shown: &Shown| {
        let (value, error) = match value(evaluator, shown) {
            Ok(value) => (Some(value), None),
            Err(why) => (None, Some(why)),
        };
        json!({"name": shown.name, "value": value, "error": error, "from": origin(shown.origin), "place": shown.place, "used": !shown.lost})
    };
    let all: Vec<_> = shown.iter().map(one).collect();
    format!("{}\n", json!(all))
}
