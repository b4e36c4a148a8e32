//! The run of a fire, which `flow serve` starts in a process of its own.

use std::sync::Arc;

use super::super::context::Context;
use super::super::needed::Work;
use super::super::run::RunArgs;
use super::super::running::{Fired, Manner, Running};
use super::super::runs::unreadable;
use super::super::verb::names_that_win;
use super::super::{Exit, Trouble};
use super::project;
use crate::engine::clock::Clock;
use crate::model::id::RunId;
use crate::report::{Again, screen};
use crate::trigger::fact::{Fact, Fire, Record};
use crate::trigger::journal::Journal;

/// Begins the run of a fire that is not over and runs it to its end. One that has begun already is none of ours.
pub(in crate::cli) fn fire(
    context: &Context,
    args: &RunArgs,
    number: u64,
) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let journal = Journal::of(&context.state()?);
    let state = journal.state().map_err(|error| unreadable(&error))?;
    let Some(fire) = state.open.get(&number) else {
        let _ = screen::print("", &format!("fire {number} is over, or there was none\n"));
        return Ok(Exit::Done);
    };
    let mut fire = fire.clone();
    let good;
    let workflow = match context.workflow() {
        Ok(workflow) => workflow,
        // The file has a mistake at the moment: what the server uses is what it said before.
        Err(trouble) => {
            let models = project::last_good(context)?;
            let last = models.and_then(|models| models.written(project::LAST_GOOD));
            good = last.ok_or(trouble)?;
            &good
        }
    };
    let plan = project::plan(context, workflow, &fire.trigger, &fire.task, &fire.values)?;
    let work = Work::of(context, Arc::new(plan), None, args)?;
    let running = loop {
        match Running::fire(&store, &work.plan, &fire)? {
            Fired::New(running) => break running,
            Fired::Begun => return Ok(Exit::Done),
            Fired::Taken => rename(&journal, &mut fire)?,
        }
    };
    // It is a run now, also when this can't be written: its record says which fire it is.
    let _ = journal.add(&[now(Fact::Begun { fire: number })]);
    let manner = Manner {
        jobs: args.jobs,
        explain: false,
        again: Again::Task {
            call: format!("flow {}", context.options),
            verbs: names_that_win().collect(),
        },
        first_failure: None,
    };
    running.go_on(context, &args.show, manner, &work)
}

/// Another id for a fire whose id another run has, written down before it is used.
fn rename(journal: &Journal, fire: &mut Fire) -> Result<(), Trouble> {
    fire.run = RunId::new(Clock::of_day());
    let renamed = Fact::Renamed {
        fire: fire.fire,
        run: fire.run.clone(),
    };
    journal
        .add(&[now(renamed)])
        .map_err(|error| unreadable(&error))
}

fn now(fact: Fact) -> Record {
    Record {
        at: Clock::of_day(),
        fact,
    }
}
