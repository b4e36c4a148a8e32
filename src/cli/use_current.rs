//! `flow resume --use-current`: a run that was interrupted goes on with the file as it is now.
//!
//! A record follows one plan, so the rest is a new run, linked to the old one, which ends with that. What was done stays done; a
//! task that has not ended goes on where it was when the file still says the same of it, and begins anew otherwise.

use std::sync::Arc;

use super::context::{self, Context};
use super::resume::ResumeArgs;
use super::resume::TakenRun;
use super::running::{Manner, Running, unrecorded};
use super::{Exit, Trouble, retry, run};
use crate::core::carried::Carried;
use crate::core::state::RunStage;
use crate::core::{Input, Record, RunState, turn};
use crate::engine::past::Past;
use crate::model::id::NodeId;
use crate::model::plan::{Kind, OnLost, Plan};
use crate::plan::{self, Request};
use crate::record;
use crate::report::level::Level;
use crate::report::screen;
use crate::store::files::Files;

/// Goes on with a run that was taken up, with the file as it is now.
pub(super) fn go_on(
    context: &Context,
    args: &ResumeArgs,
    store: &Files,
    taken: TakenRun,
) -> Result<Exit, Trouble> {
    let old = taken.running;
    let Some(past) = &old.past else {
        return Err(Trouble::call("nothing of this run is known", ""));
    };
    let state = RunState::fold(Arc::clone(&taken.plan), &past.records);
    if let Some(node) = state
        .running()
        .find(|node| state.rules(*node).on_lost == OnLost::Fail)
    {
        let task = state.task_of(node).1.to_owned();
        let what = format!(
            "a step of '{task}' was under way that must not be made again ('on_lost: fail')"
        );
        return Err(Trouble::call(
            what,
            format!("flow resume {} goes on with the file as it was", old.run),
        ));
    }
    let new = planned(context, &taken.plan)?;
    let carried = carried(&old, past, &state, &new)?;
    let values = retry::values(&past.records);
    let new = Arc::new(new.with_questions());
    let begun = Running::begin(store, &new)?;
    let words = format!(
        "run {} goes on as run {}, with the file as it is now\n",
        old.run, begun.run
    );
    end(old, state, &begun)?;
    if args.go_on.show.says(Level::Info) {
        let _ = screen::print("", &context::style().dim(&words));
    }
    let manner = Manner::of_taken_up(context, args.go_on.jobs).with_exit_code(args.go_on.exit_code);
    begun.take_over((carried, values), context, &args.go_on.show, manner, new)
}

/// The plan of the file as it is now, for what was asked for then.
fn planned(context: &Context, old: &Plan) -> Result<Plan, Trouble> {
    let workflow = context.workflow()?;
    let mut tasks = Vec::new();
    for name in old.asked_names() {
        tasks.push(
            workflow
                .find(name)
                .ok_or_else(|| gone(name, "was asked for"))?,
        );
    }
    let request = Request {
        tasks,
        in_order: old.in_order,
        on_failure: old.on_failure,
        profile: old.given.profile.clone(),
        values: old.given.values.clone(),
        args: old.given.args.clone(),
        called_in: context.called_in()?,
        only: old.given.only,
        timeout: old.timeout_micros.map(std::time::Duration::from_micros),
        ..Request::default()
    };
    plan::plan(workflow, &request).map_err(|refused| run::trouble(workflow, &refused))
}

fn gone(name: &str, why: &str) -> Trouble {
    Trouble::call(
        format!("the task '{name}', which {why}, is not in the file any more"),
        "without --use-current the run goes on with the file as it was",
    )
}

/// What is taken over.
fn carried(old: &Running, past: &Past, state: &RunState, new: &Plan) -> Result<Carried, Trouble> {
    let (mut carried, left) = Carried::of_interrupted(&old.run, state, &past.records);
    for (id, task) in state.plan().tasks() {
        let now = new.tasks().find(|(_, other)| other.name == task.name);
        let same = now.is_some_and(|(now, _)| outline(new, now) == outline(state.plan(), id));
        match (left.contains(&id), now) {
            (false, None) => return Err(gone(&task.name, "has ended")),
            // What has ended has ended, whatever the file says of it now.
            (false, Some(_)) if !same => carried.take_as_a_whole(state, &past.records, id),
            (true, _) if !same => carried.forget(&task.name),
            _ => {}
        }
    }
    Ok(carried)
}

/// What a task does, as far as it matters for going on in its midst.
fn outline(plan: &Plan, task: NodeId) -> Vec<String> {
    let end = plan.subtree_end(task);
    let nodes = plan.nodes[task.index()..end.index()].iter();
    let part = |node: &crate::model::plan::Node| {
        let what = match &node.kind {
            Kind::Work(work) => work.written().into_owned(),
            Kind::Group(group) => format!("group of {} {:?}", group.children.len(), group.wait_for),
            Kind::Loop { .. } => "loop".to_owned(),
            Kind::Choice { children } => format!("choice of {}", children.len()),
            Kind::Wait { micros } => format!("wait {micros}"),
            Kind::Check => "check".to_owned(),
            Kind::Child => "run".to_owned(),
        };
        format!("{} {what}", node.step)
    };
    nodes.map(part).collect()
}

/// The old run ends here: nothing of it is going on, and what is left to do another run does.
fn end(old: Running, mut state: RunState, new: &Running) -> Result<(), Trouble> {
    let cancel = || Input::Cancel {
        by: Some(context::person()),
        reason: Some(format!("it goes on as run {}, with another file", new.run)),
    };
    let lost: Vec<Input> = state
        .running()
        .map(|node| Input::Lost {
            node,
            attempt: state.node(node).attempt,
        })
        .collect();
    let mut inputs = vec![Input::Resume];
    inputs.extend(lost);
    // The second one tidies nothing up: the new run does that.
    inputs.extend([cancel(), cancel()]);
    let records: Vec<Record> = turn(&mut state, inputs, 1, old.clock.now());
    debug_assert!(matches!(state.stage(), RunStage::Finished(_)), "it is over");
    let mut journal = old.journal;
    let Some(Past { mut chain, .. }) = old.past else {
        return Ok(());
    };
    let by = context::person();
    record::add(
        &mut *journal,
        &old.run,
        &mut chain,
        &records,
        &by,
        Some(&state),
    )
    .map_err(|error| unrecorded(&error))
}
