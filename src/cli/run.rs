//! `flow TASK…`

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::IsTerminal;
use std::sync::Arc;

use super::args::RunArgs;
use super::context::{self, Context};
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::engine::inbox::Signals;
use crate::engine::{Ending, Engine};
use crate::exec::shell::Programs;
use crate::model::id::RunId;
use crate::model::plan::{OnFailure, Plan};
use crate::model::workflow::{TaskIndex, Workflow};
use crate::plan::{self, Cycle, Request};
use crate::report::failure::shown_path;
use crate::report::screen;
use crate::report::{self, Settings};
use crate::store::memory::Nothing;
use crate::store::{self, Journal, Kind, Store};
use crate::suggest::Suggest;
use crate::{core::fact::RunEnd, engine};

/// Runs tasks.
pub(super) fn run(context: &Context, args: &RunArgs) -> Result<Exit, Trouble> {
    if let Some(first) = args.args.first() {
        let what = format!(
            "arguments for tasks ({:?} after --) are not in this version",
            first.to_string_lossy()
        );
        return Err(Trouble::call(
            what,
            "pass them by the environment: NAME=value flow TASK",
        ));
    }
    let workflow = context.workflow()?;
    let Some(tasks) = wanted(workflow, &args.tasks)? else {
        return super::list::list(context, &super::args::ListArgs { json: false });
    };
    let on_failure = if args.keep_going {
        OnFailure::KeepGoing
    } else {
        OnFailure::Finish
    };
    let plan = plan::plan(workflow, &Request { tasks, on_failure })
        .map_err(|cycle| circular(workflow, &cycle))?;
    if args.dry_run {
        let shown = report::dry::plan(&plan);
        return super::show(&shown);
    }
    execute(context, args, plan)
}

/// The tasks that were named; `default` without names; `None` when there is no such task.
fn wanted(workflow: &Workflow, names: &[String]) -> Result<Option<Vec<TaskIndex>>, Trouble> {
    if names.is_empty() {
        return Ok(workflow.find("default").map(|task| vec![task]));
    }
    names
        .iter()
        .map(|name| find(workflow, name))
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

fn find(workflow: &Workflow, name: &str) -> Result<TaskIndex, Trouble> {
    if let Some(task) = workflow.find(name) {
        return Ok(task);
    }
    let file = shown_path(&workflow.file);
    if name.contains('=') {
        let what = format!("setting variables ({name:?}) is not in this version");
        return Err(Trouble::call(
            what,
            "pass it by the environment: NAME=value flow TASK",
        ));
    }
    let tasks = workflow.tasks.iter().map(|task| task.name.as_str());
    let names = tasks.chain(super::args::verb_names().map(|verb| -> &str { verb }));
    let help = match Suggest::new().nearest(name, names) {
        Some(near) => format!("did you mean {near:?}? `flow list` shows all tasks"),
        None => "`flow list` shows all tasks".to_owned(),
    };
    Err(Trouble::call(
        format!("there is no task {name:?} in {file}"),
        help,
    ))
}

fn circular(workflow: &Workflow, cycle: &Cycle) -> Trouble {
    let tasks: Vec<_> = cycle
        .0
        .iter()
        .map(|index| &workflow.tasks[*index])
        .collect();
    let first = tasks.first().map_or("", |task| &task.name);
    let mut names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    names.push(first);
    let file = shown_path(&workflow.file);
    let places: Vec<String> = tasks
        .iter()
        .take(20)
        .map(|task| {
            format!(
                "{} at {file}:{}:{}",
                task.name, task.place.line, task.place.column
            )
        })
        .collect();
    let help = format!("take one of these dependencies out: {}", places.join(", "));
    Trouble::call(
        format!("tasks wait for one another: {}", names.join(" -> ")),
        help,
    )
}

fn execute(context: &Context, args: &RunArgs, plan: Plan) -> Result<Exit, Trouble> {
    let clock = Clock::system();
    let (plan_hash, text) = plan::pin(&plan);
    let store: Box<dyn Store> = if args.no_record {
        Box::new(Nothing)
    } else {
        Box::new(context.store()?)
    };
    store
        .put_plan(&plan_hash, &text)
        .map_err(|error| unrecorded(&error))?;
    drop(text);
    let (run, journal) = begin(&*store, &clock)?;
    let settings = settings(context, args, &run, &*journal)?;
    if args.verbose && !matches!(settings.mode, report::Mode::Json) {
        // The run matters more than the word of it.
        let _ = screen::print("", &format!("run {run}\n"));
    }
    let plan = Arc::new(plan);
    let (slots, threads) = slots_and_threads(args, &plan);
    let engine = Engine {
        run,
        plan_hash,
        parent: std::env::var("FLOW_RUN_ID")
            .ok()
            .and_then(|id| RunId::parse(&id)),
        actor: context::person(),
        slots,
        journal,
        programs: Programs::new(std::env::vars_os().collect()),
        threads,
        signals: Signals::catch()
            .map_err(|error| Trouble::call(format!("can't catch signals: {error}"), ""))?,
        clock,
        observers: vec![report::reporter(settings, &plan)],
        plan,
    };
    engine.run().map(exit_of).map_err(|error| stopped(&error))
}

/// A new run with an id that no other has.
fn begin(store: &dyn Store, clock: &Clock) -> Result<(RunId, Box<dyn Journal>), Trouble> {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let run = RunId::new(clock.now(), u16::try_from(random & 0xffff).unwrap_or(0));
        match store.create(&run) {
            Ok(journal) => return Ok((run, journal)),
            Err(error) if error.kind == Kind::Exists => {}
            Err(error) => return Err(unrecorded(&error)),
        }
    }
}

fn settings(
    context: &Context,
    args: &RunArgs,
    run: &RunId,
    journal: &dyn Journal,
) -> Result<Settings, Trouble> {
    let logs = match journal.logs() {
        Some(_) => shown_path(&context.state()?.join("logs").join(run.as_str())),
        None => String::new(),
    };
    Ok(Settings {
        mode: args.output.into(),
        quiet: args.quiet,
        verbose: args.verbose,
        style: context::style(),
        terminal: std::io::stdout().is_terminal() && std::io::stderr().is_terminal(),
        again: format!("flow {}", context.options),
        logs,
    })
}

/// How many commands may run at the same time, and how many threads are worth having for them. Counting the cores is
/// not free; one command alone needs no count.
fn slots_and_threads(args: &RunArgs, plan: &Plan) -> (usize, usize) {
    if plan
        .nodes
        .iter()
        .filter(|node| node.is_leaf())
        .nth(1)
        .is_none()
    {
        return (1, 1);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let slots = args.jobs.map_or(cores, usize::from);
    (slots, slots.min(cores))
}

fn exit_of(ending: Ending) -> Exit {
    match ending {
        Ending::Finished(RunEnd::Completed) => Exit::Done,
        Ending::Finished(RunEnd::Failed) => Exit::TaskFailed,
        Ending::Finished(RunEnd::Cancelled) => Exit::Cancelled,
        Ending::Paused => Exit::Paused,
        Ending::Interrupted(signal) => Exit::Signal(signal),
    }
}

fn unrecorded(error: &store::Error) -> Trouble {
    let help = "  help: --no-record runs without a record\n";
    Trouble {
        exit: Exit::Record,
        words: format!("error: {error}\n{help}"),
    }
}

fn stopped(error: &engine::Error) -> Trouble {
    let exit = if matches!(error, engine::Error::Unsupported(_)) {
        Exit::Wrong
    } else {
        Exit::Record
    };
    Trouble {
        exit,
        words: format!("error: {error}\n  all that was running was stopped\n"),
    }
}
