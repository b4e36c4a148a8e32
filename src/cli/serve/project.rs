//! What a project says of triggers, read and checked: each of them has a task that can be planned with its values.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::context::{self, Context};
use super::super::{Exit, Trouble};
use super::super::{run, watch};
use crate::diagnostic::visible;
use crate::disk::layout::TRIGGERS;
use crate::engine::outside::World;
use crate::engine::watched;
use crate::eval::Evaluator;
use crate::exec::mask::Secrets;
use crate::file::compiled::Models;
use crate::file::schedules::{self, Schedules};
use crate::incremental::Globs;
use crate::model::language::{When, Workflow};
use crate::model::plan::Plan;
use crate::plan::Request;
use crate::report::failure::shown_path;
use crate::serve::Project;
use crate::watch::Interest;

/// All triggers of the file and of the folder beside it.
pub(in crate::cli) fn triggers(context: &Context) -> Result<Schedules, Trouble> {
    let workflow = context.workflow()?;
    let folder = workflow.files[0].dir.join(schedules::FOLDER);
    schedules::load(workflow, shown_path(&folder).as_ref()).map_err(|errors| Trouble {
        exit: Exit::Wrong,
        words: errors.render(context::colour_wanted(true)),
    })
}

/// What a server needs to know of it.
pub(super) fn load(context: &Context) -> Result<Project, Trouble> {
    // Asked before it is read: what changes in between is seen.
    let before = watch::prints(&[context.path()?]);
    let workflow = context.workflow()?;
    let definition = watch::definition(workflow);
    let triggers = triggers(context)?.triggers;
    let mut interests = Vec::new();
    let mut planned = HashSet::new();
    for (path, trigger) in &triggers {
        let is_watch = matches!(trigger.when, When::Watch { .. });
        if !planned.insert((&trigger.run, &trigger.values)) && !is_watch {
            continue;
        }
        let plan = plan(
            context,
            workflow,
            &trigger.name,
            &trigger.run,
            &trigger.values,
        )?;
        if let When::Watch { patterns, .. } = &trigger.when {
            // Those of schedules/ are told from the folder of the Workflowfile.
            let file = workflow.files.iter().find(|file| file.path == *path);
            let folder = &file.unwrap_or(&workflow.files[0]).dir;
            let interest = Interest {
                reads: Globs::read(folder, patterns),
                makes: makes(plan, &trigger.name)?,
            };
            interests.push((trigger.name.clone(), interest));
        }
    }
    if let Some(models) = last_good(context)? {
        models.write_to(LAST_GOOD, workflow);
    }
    Ok(Project {
        triggers: triggers.into_iter().map(|(_, trigger)| trigger).collect(),
        interests,
        definition,
        before,
    })
}

/// Where the model of the file is that a server uses: runs follow it as long as the file can't be used.
pub(super) fn last_good(context: &Context) -> Result<Option<Models>, Trouble> {
    let folder = context.state()?.below(TRIGGERS);
    Ok(context.user().key().map(|key| Models { folder, key }))
}

/// The name of that model.
pub(super) const LAST_GOOD: &str = "model";

/// What the tasks of a plan make, which is no reason to run them again.
fn makes(plan: Plan, trigger: &str) -> Result<Globs, Trouble> {
    let plan = Arc::new(plan);
    let world = Box::new(World::at_rest(Secrets::default()));
    let evaluator = Evaluator::new(Arc::clone(&plan), std::env::vars_os(), world);
    let watched = watched::watched(&plan, &evaluator, None);
    let watched = watched.map_err(|words| of_trigger(trigger, &Trouble::call(words, "")))?;
    let makes = watched.into_iter().map(|one| one.interest.makes);
    Ok(makes.fold(Globs::default(), Globs::and))
}

/// The plan of what a trigger starts.
pub(super) fn plan(
    context: &Context,
    workflow: &Workflow,
    trigger: &str,
    task: &str,
    values: &[(String, String)],
) -> Result<Plan, Trouble> {
    let index = workflow.find(task).ok_or_else(|| {
        let what =
            format!("the trigger {trigger:?} runs the task {task:?}, which is no more there");
        Trouble::call(what, "`flow list` shows all tasks")
    })?;
    let request = Request {
        tasks: vec![index],
        values: values.to_vec(),
        called_in: context
            .path()?
            .parent()
            .map(std::path::Path::to_path_buf)
            .unwrap_or_default(),
        ..Request::default()
    };
    let plan = run::plan(workflow, &request).map_err(|trouble| of_trigger(trigger, &trouble))?;
    if !plan.confirms.is_empty() {
        let what = format!(
            "the trigger {trigger:?} runs a task with 'confirm', and nobody will be there to answer"
        );
        return Err(Trouble::call(
            what,
            "take out 'confirm', or let it run another task",
        ));
    }
    Ok(plan)
}

/// The same, with the trigger that it is about.
fn of_trigger(trigger: &str, trouble: &Trouble) -> Trouble {
    let words = &trouble.words;
    let words = words.strip_prefix("error: ").unwrap_or(words);
    Trouble {
        exit: trouble.exit,
        words: format!("error: the trigger {}: {words}", visible(trigger)),
    }
}
