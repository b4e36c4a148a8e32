//! `flow TASK…`

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use std::time::Duration;

use clap::Args;

use super::args::{ShowArgs, limit};
use super::context::{Context, quoted};
use super::needed::{self, Notes, Work};
use super::running::{Manner, Running};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::engine::outside::World;
use crate::eval::Evaluator;
use crate::eval::items::NO_SUCH_ITEM;
use crate::exec::mask::Secrets;
use crate::model::id::NodeId;
use crate::model::language::{Task, TaskIndex, Workflow};
use crate::model::listed::{joined, listed};
use crate::model::plan::{About, OnFailure, Plan, as_typed_in_line};
use crate::plan::{self, Cycle, Faults, Refused, Request, Wrong};
use crate::report::exit_code::FirstFailure;
use crate::report::failure::{folder_from_here, shown_path};
use crate::report::level::Level;
use crate::report::{self, Again};
use crate::report::{screen, summary};
use crate::store::memory::Nothing;
use crate::suggest::Suggest;

/// Run tasks and their dependencies; same as `flow TASK`
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Tasks to run [default: the task `default`]; NAME=VALUE sets a var or a param
    #[arg(value_name = "TASK | NAME=VALUE")]
    pub(super) tasks: Vec<String>,
    /// Run at most N commands at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// Run the named tasks in parallel, not one after another
    #[arg(short, long)]
    pub(super) parallel: bool,
    /// After a failure, still run every task that does not depend on it
    #[arg(short, long)]
    pub(super) keep_going: bool,
    /// After a failure, also stop the tasks that are running
    #[arg(long, conflicts_with = "keep_going")]
    pub(super) fail_fast: bool,
    /// Run only the named tasks, not their dependencies
    #[arg(long)]
    pub(super) only: bool,
    /// Run the named tasks even if they are up to date
    #[arg(long)]
    pub(super) force: bool,
    /// Run the named tasks and all their dependencies even if they are up to date
    #[arg(long)]
    pub(super) force_all: bool,
    /// Do not restore outputs from the cache
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Explain why each task runs
    #[arg(long)]
    pub(super) explain: bool,
    /// Stop the run after this time (e.g. 10m) and mark it failed
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub(super) timeout: Option<Duration>,
    /// Exit with the exit code of the first command that failed, not with 1
    #[arg(short = 'x', long)]
    pub(super) exit_code: bool,
    /// Answer yes to all confirmations
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Use the vars and the environment of this profile
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Run again when a source changes, like `flow watch`
    #[arg(short, long, conflicts_with = "dry_run")]
    pub(super) watch: bool,
    /// Show what would run, in order, without running it
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// Do not record this run
    #[arg(long)]
    pub(super) no_record: bool,
    /// The fire of a trigger to start; used by `flow serve`
    #[arg(long, value_name = "NUMBER", hide = true, conflicts_with_all = ["tasks", "watch", "dry_run", "no_record", "args"])]
    pub(super) fire: Option<u64>,
    #[command(flatten)]
    pub(super) show: ShowArgs,
    /// Arguments for the named tasks, which read them as {{ args }}
    #[arg(last = true, value_name = "ARGS")]
    pub(super) args: Vec<OsString>,
}

impl Verb for RunArgs {
    const NAME: &'static str = "run";
    const YIELDS: bool = false;

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        run(context, self, false)
    }
}

/// Runs tasks. A bare call asks for the list where there is no `default`.
pub(super) fn run(context: &Context, args: &RunArgs, bare: bool) -> Result<Exit, Trouble> {
    if args.watch {
        return super::watch::watch(context, args, None);
    }
    if let Some(fire) = args.fire {
        return super::serve::fire::fire(context, args, fire);
    }
    let notes = Notes::of(context, args)?;
    let note = notes.as_ref().and_then(Notes::read);
    if let Some(note) = note.as_ref().filter(|note| note.is_quiet()) {
        return Ok(nothing_to_do(args, note.up_to_date()));
    }
    let reading = notes
        .as_ref()
        .filter(|_| note.is_some())
        .map(|notes| notes.read_on(context));
    let workflow = context.workflow()?;
    let Some(mut request) = request(context, workflow, args)? else {
        let listed = super::list::list(context, &super::list::ListArgs::default())?;
        return if bare {
            Ok(listed)
        } else {
            Err(nothing_named(args))
        };
    };
    let note = note.filter(|note| {
        // What runs before one may undo what it is made of: then it is asked about when its turn comes.
        let stale = || needed::noted(workflow, &request, note);
        request.stale = (!request.in_order).then(stale).flatten();
        request.stale.is_some()
    });
    let plan = plan(workflow, &request)?;
    if args.dry_run {
        return super::show(&super::dry::text(context, workflow, plan)?);
    }
    let mut work = Work::of(context, Arc::new(plan), reading, args)?;
    if notes.is_some() && note.is_none() {
        work.leave_out_the_rest(workflow, request)?;
    }
    if work.ahead.is_all && args.show.mode() != report::Mode::Json {
        work.keep(workflow, notes.as_ref(), note.as_ref());
        let done = nothing_to_do(args, work.up_to_date());
        // A process that ends need not take a large plan to pieces.
        std::mem::forget(work);
        return Ok(done);
    }
    if !args.yes && !work.plan.confirms.is_empty() && !super::confirm::all(&work.plan)? {
        return Ok(Exit::Cancelled);
    }
    super::dotenvs::say(workflow, &work.plan, &args.show);
    let (running, manner) = begin(context, args, &work)?;
    let done = running.go_on(context, &args.show, manner, &work)?;
    if done == Exit::Done {
        work.keep(workflow, notes.as_ref(), note.as_ref());
    }
    std::mem::forget(work);
    Ok(done)
}

/// A new run, and how it is gone on with.
pub(super) fn begin(
    context: &Context,
    args: &RunArgs,
    work: &Work,
) -> Result<(Running, Manner), Trouble> {
    if work.plan.durable && !args.no_record {
        // It is refused where it could not be recorded.
        context.store()?;
    }
    let recorded = !args.no_record && context.records()?;
    if recorded && args.show.says(Level::Info) {
        context.tell_of_own_record()?;
    }
    let running = if !recorded {
        Running::begin(&Nothing, &work.plan)?
    } else {
        Running::begin(&context.store()?, &work.plan)?
    };
    let manner = Manner {
        jobs: args.jobs,
        explain: args.explain,
        again: again(context, args, |text| work.values.evaluator.hidden(text))?,
        first_failure: args.exit_code.then(FirstFailure::default),
    };
    Ok((running, manner))
}

/// What is asked for; `None` when nothing is and there is no `default`.
pub(super) fn request(
    context: &Context,
    workflow: &Workflow,
    args: &RunArgs,
) -> Result<Option<Request>, Trouble> {
    let words = words(&args.tasks);
    let Some(tasks) = wanted(workflow, &words.tasks)? else {
        return Ok(None);
    };
    Ok(Some(Request {
        in_order: tasks.len() > 1 && !args.parallel,
        tasks,
        on_failure: match (args.keep_going, args.fail_fast) {
            (true, _) => OnFailure::KeepGoing,
            (_, true) => OnFailure::Stop,
            _ => OnFailure::Finish,
        },
        profile: args.profile.clone(),
        values: words.values,
        args: texts(&args.args)?,
        called_in: context.called_in()?,
        only: args.only,
        timeout: args.timeout,
        force: args.force,
        force_all: args.force_all,
        watch: false,
        stale: None,
    }))
}

/// The plan of it.
pub(super) fn plan(workflow: &Workflow, request: &Request) -> Result<Plan, Trouble> {
    let plan = plan::plan(workflow, request).map_err(|refused| trouble(workflow, &refused))?;
    let plan = with_items_that_are_there(plan)?;
    match plan.readers_of_stdin()[..] {
        [first, second, ..] => Err(Trouble::call(
            format!("two tasks of this run read stdin: {first:?} and {second:?}"),
            "stdin can be read once: run one of them by itself, or let it read a file",
        )),
        _ => Ok(plan),
    }
}

/// Who asks for an item by its value is told at once that there is none, where the items are known before the run.
pub(super) fn with_items_that_are_there(plan: Plan) -> Result<Plan, Trouble> {
    let picks = |id: &NodeId| {
        let ask = plan.node(*id).ask.as_deref();
        ask.is_some_and(|ask| matches!(&ask.about, About::Items { only, .. } if !only.is_empty()))
    };
    let picked: Vec<NodeId> = plan.asked.iter().copied().filter(picks).collect();
    if picked.is_empty() {
        return Ok(plan);
    }
    let plan = Arc::new(plan);
    let world = Box::new(World::without_commands(Secrets::default()));
    let evaluator = Evaluator::new(Arc::clone(&plan), std::env::vars_os(), world);
    for id in picked {
        match evaluator.expand(id) {
            Err(problem) if problem.code == NO_SUCH_ITEM => {
                let help = problem.help.unwrap_or_default();
                let what = evaluator.hidden(&problem.message);
                return Err(Trouble::call(what, evaluator.hidden(&help)));
            }
            // What is not known yet is told in the run.
            Err(_) | Ok(_) => {}
        }
    }
    drop(evaluator);
    Ok(Arc::unwrap_or_clone(plan))
}

/// A list that nobody asked for is no success.
fn nothing_named(args: &RunArgs) -> Trouble {
    let words: Vec<String> = args.tasks.iter().map(|word| typed(word)).collect();
    let help = match (words.is_empty(), args.args.is_empty()) {
        (false, _) => format!("name a task beside it: flow TASK {}", words.join(" ")),
        (true, false) => {
            "what follows -- are arguments for tasks that are named before it: flow TASK -- ARGS"
                .to_owned()
        }
        (true, true) => "name a task: flow TASK".to_owned(),
    };
    Trouble::call("no task is named, and the file has no task 'default'", help)
}

fn nothing_to_do(args: &RunArgs, tasks: usize) -> Exit {
    if args.show.says(Level::Info) {
        // That there is nobody to read it is no error.
        let _ = screen::print("", &format!("{}\n", summary::nothing_to_do(tasks, 0)));
    }
    let named = words(&args.tasks).tasks;
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    super::stdin::say_unread_by(
        if named.is_empty() {
            &["default"]
        } else {
            &named
        },
        &args.show,
    );
    Exit::Done
}

/// What was typed: names of tasks, and `NAME=VALUE`.
pub(super) struct Words {
    pub(super) tasks: Vec<String>,
    pub(super) values: Vec<(String, String)>,
}

/// Tells names of tasks, which have no `=`, from values.
pub(super) fn words(typed: &[String]) -> Words {
    let mut words = Words {
        tasks: Vec::new(),
        values: Vec::new(),
    };
    for word in typed {
        match word.split_once('=') {
            Some((name, value)) => words.values.push((name.to_owned(), value.to_owned())),
            None => words.tasks.push(word.clone()),
        }
    }
    words
}

fn texts(args: &[OsString]) -> Result<Vec<String>, Trouble> {
    let text = |arg: &OsString| {
        arg.to_str().map(str::to_owned).ok_or_else(|| {
            // The record is JSON, which has no way to say other bytes.
            let what = format!("the argument {arg:?} is not UTF-8");
            Trouble::call(what, "pass it by a file, or by the environment")
        })
    };
    args.iter().map(text).collect()
}

/// The tasks that were named; `default` without names; `None` when there is no such task.
fn wanted(workflow: &Workflow, names: &[String]) -> Result<Option<Vec<TaskIndex>>, Trouble> {
    if names.is_empty() {
        return Ok(workflow.find("default").map(|task| vec![task]));
    }
    let mut tasks: Vec<TaskIndex> = Vec::with_capacity(names.len());
    for name in names {
        let task = find(workflow, name)?;
        if let Some(before) = tasks.iter().position(|known| *known == task) {
            return Err(named_twice(&names[before], name));
        }
        tasks.push(task);
    }
    Ok(Some(tasks))
}

/// A task runs once in a run, so that the second time would say nothing.
fn named_twice(first: &str, second: &str) -> Trouble {
    let what = if first == second {
        format!("the task {first:?} is named twice")
    } else {
        format!("{first:?} and {second:?} are the same task")
    };
    Trouble::call(
        what,
        "in one run it runs once: name it once, or call flow once more",
    )
}

/// The task of this name; one that is internal can't be named.
pub(super) fn find(workflow: &Workflow, name: &str) -> Result<TaskIndex, Trouble> {
    let file = shown_path(&workflow.files[0].path);
    if let Some(task) = workflow.find(name) {
        if workflow.tasks[task].internal {
            let what = format!("the task {name:?} in {file} is internal");
            return Err(Trouble::call(
                what,
                "it is run by the tasks that depend on it; take out 'internal' to call it",
            ));
        }
        return Ok(task);
    }
    if let Some(absent) = workflow.absent(name).filter(|absent| !absent.flatten) {
        let what = format!("there is no task {name:?} in {file}");
        let help = format!(
            "the include '{}' is optional, and its file {} is not there",
            absent.name, absent.file
        );
        return Err(Trouble::call(what, help));
    }
    let tasks = workflow.tasks.iter().filter(|task| !task.internal);
    let tasks = tasks.flat_map(|task| task.aliases.iter().chain([&task.name]));
    let tasks = tasks.map(String::as_str);
    let names = tasks.chain(super::verb::names().map(|verb| -> &str { verb }));
    let within: Vec<&str> = workflow
        .tasks
        .iter()
        .filter(|task| !task.internal)
        .filter(|task| {
            let rest = task.name.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(':'))
        })
        .map(|task| task.name.as_str())
        .collect();
    let help = match Suggest::new().nearest(name, names) {
        _ if !within.is_empty() => format!("it has no 'default'; there are: {}", listed(within)),
        Some(near) => format!("did you mean {near:?}? `flow list` shows all tasks"),
        None => {
            "`flow list` shows all tasks; values are given as NAME=VALUE, other arguments after --"
                .to_owned()
        }
    };
    Err(Trouble::call(
        format!("there is no task {name:?} in {file}"),
        help,
    ))
}

/// Why there is no plan, for people: a value that was given may be a secret.
pub(super) fn trouble(workflow: &Workflow, refused: &Refused) -> Trouble {
    let mut trouble = refusal(workflow, refused);
    if workflow.files.iter().any(|file| !file.secrets.is_empty()) {
        let plan = Arc::new(plan::of_files(workflow));
        let world = Box::new(World::at_rest(Secrets::default()));
        let evaluator = Evaluator::new(plan, std::env::vars_os(), world);
        trouble.words = evaluator.hidden(&trouble.words);
    }
    trouble
}

fn refusal(workflow: &Workflow, refused: &Refused) -> Trouble {
    match refused {
        Refused::Cycle(cycle) => circular(workflow, cycle),
        Refused::Profile { name, known } => Trouble::call(
            format!("there is no profile {name:?}"),
            one_of(name, known, "the file has no 'profiles'"),
        ),
        Refused::Unknown { name, known } => Trouble::call(
            format!("no task or var is named {name:?}"),
            one_of(
                name,
                known,
                "declare it in the file: 'vars' for all tasks, 'params' for one",
            ),
        ),
        Refused::Values {
            faults,
            asked,
            given,
        } => values(faults, asked, given),
        Refused::Unusable(task) => unusable(&workflow.tasks[*task]),
        Refused::Items { of, needed } => Trouble::call(
            format!(
                "the items for which '{of}' depends on '{needed}' are not known before the run"
            ),
            "a list in 'depends_on' is written out, or made of what is: no command, no environment, no value of the call",
        ),
        Refused::Args => Trouble::call(
            "no task that was named reads the arguments after --",
            "a task reads them as {{ args }}",
        ),
        Refused::TooLarge(what) => Trouble::call(what.clone(), "make it of fewer steps"),
    }
}

/// All that is wrong with values, and the call that gives those that are missing.
fn values(faults: &Faults, asked: &[String], given: &[(String, String)]) -> Trouble {
    let wrong = faults.wrong.iter();
    let mut all: Vec<Trouble> = wrong
        .map(|Wrong { name, what, help }| {
            Trouble::call(format!("the value of {name} is wrong: {what}"), help)
        })
        .collect();
    let mut call: Vec<String> = asked.to_vec();
    let given = given.iter();
    call.extend(given.map(|(name, value)| typed(&format!("{name}={value}"))));
    let mut descs = Vec::new();
    for missing in &faults.missing {
        let word = format!("{}=VALUE", missing.param);
        if !call.contains(&word) {
            call.push(word);
        }
        descs.extend(
            missing
                .desc
                .as_ref()
                .map(|desc| match faults.missing.len() {
                    1 => desc.clone(),
                    _ => format!("{}: {desc}", missing.param),
                }),
        );
    }
    if !faults.missing.is_empty() {
        let needs = faults.missing.iter();
        let needs: Vec<String> = needs
            .map(|one| format!("the task {:?} needs a value for {}", one.task, one.param))
            .collect();
        let descs = match &descs[..] {
            [] => String::new(),
            descs => format!(" ({})", descs.join("; ")),
        };
        let help = format!("write: flow {}{descs}", call.join(" "));
        all.push(Trouble::call(needs.join(", "), help));
    }
    Trouble {
        exit: Exit::Wrong,
        words: all.into_iter().map(|one| one.words).collect(),
    }
}

/// A task that needs what is in a file which is not there, or further up.
fn unusable(task: &Task) -> Trouble {
    let name = &task.name;
    let Some(unusable) = &task.unusable else {
        return Trouble::call(format!("the task {name:?} can't run"), "");
    };
    let help = match &unusable.elsewhere {
        Some(there) => {
            let folder = quoted(Path::new(&folder_from_here(&there.folder)));
            format!("write: flow -C {folder} {}:{name}", there.namespace)
        }
        None => unusable.help.clone(),
    };
    let why = match unusable.why.strip_prefix(&format!("'{name}' ")) {
        Some(own) => format!("it {own}"),
        None => unusable.why.clone(),
    };
    Trouble::call(format!("the task {name:?} can't run: {why}"), help)
}

fn one_of(name: &str, known: &[String], none: &str) -> String {
    match Suggest::new().nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => none.to_owned(),
        None => format!("there are: {}", listed(known)),
    }
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
    let place = |task: &&Task| {
        let file = shown_path(&workflow.file_of(task).path);
        let place = task.place;
        format!("{} at {file}:{}:{}", task.name, place.line, place.column)
    };
    let places: Vec<String> = tasks.iter().take(20).map(place).collect();
    let help = format!("take one of these dependencies out: {}", places.join(", "));
    Trouble::call(
        format!("tasks wait for one another: {}", joined(names, " -> ")),
        help,
    )
}

/// How something is run again: a task by its name, and all as it was called where values or arguments were given.
fn again(
    context: &Context,
    args: &RunArgs,
    hidden: impl Fn(&str) -> String,
) -> Result<Again, Trouble> {
    let mut call = format!("flow {}", context.options);
    if let Some(profile) = &args.profile {
        call.push_str(&format!("--profile {} ", as_typed_in_line(profile)));
    }
    let values = args.tasks.iter().any(|word| word.contains('='));
    if !values && args.args.is_empty() {
        let verbs = super::verb::names_that_win().collect();
        return Ok(Again::Task { call, verbs });
    }
    let mut words: Vec<String> = args.tasks.iter().map(|word| typed(word)).collect();
    let first = args.tasks.first();
    if first.is_some_and(|first| super::verb::names_that_win().any(|verb| verb == first)) {
        words.insert(0, "run".to_owned());
    }
    if !args.args.is_empty() {
        words.push("--".to_owned());
        words.extend(texts(&args.args)?.iter().map(|arg| as_typed_in_line(arg)));
    }
    Ok(Again::All(hidden(&format!("{call}{}", words.join(" ")))))
}

/// `NAME=VALUE` with the value quoted where it has to be.
fn typed(word: &str) -> String {
    match word.split_once('=') {
        Some((name, value)) => format!("{name}={}", as_typed_in_line(value)),
        None => as_typed_in_line(word),
    }
}
