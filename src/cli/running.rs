//! Running a plan, new or taken up: the record, the engine, and those who watch.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::IsTerminal;
use std::sync::Arc;

use super::args::ShowArgs;
use super::context::{self, Context};
use super::needed::{Values, Work, cores};
use super::runs;
use super::{Exit, Trouble};
use crate::core::Record;
use crate::core::carried::Carried;
use crate::core::fact::{Fact, Given, RunEnd, Triggered, Why};
use crate::disk::layout::{LOCKS, LOGS};
use crate::engine;
use crate::engine::clock::Clock;
use crate::engine::inbox::{Inbox, Signals};
use crate::engine::locking::Locking;
use crate::engine::past::Past;
use crate::engine::{Caller, Ending, Engine};
use crate::eval::kept::Kept;
use crate::eval::{Evaluator, RunNames};
use crate::exec::WhichStreams;
use crate::exec::jobserver::{Found, Jobserver};
use crate::exec::room;
use crate::exec::shell::Programs;
use crate::lock::Locks;
use crate::model::id::RunId;
use crate::model::plan::{Kind as PlanKind, Node, Plan};
use crate::plan;
use crate::record::given;
use crate::record::submit::{self, Pinned, Submitted};
use crate::record::{prune, whole};
use crate::report::exit_code::FirstFailure;
use crate::report::failure::shown_path;
use crate::report::level::Level;
use crate::report::{self, Again, Settings, screen};
use crate::store::files::Files;
use crate::store::request::Request;
use crate::store::tell_apart::TellApart;
use crate::store::{self, Journal, Store};
use crate::trigger::fact::Fire;

/// How a run is gone on with, beyond what its plan says.
#[derive(Debug)]
pub(super) struct Manner {
    /// How many commands may run at the same time, where that was said.
    pub(super) jobs: Option<u16>,
    /// Whether it is said why each task runs.
    pub(super) explain: bool,
    /// The command that runs something again.
    pub(super) again: Again,
    /// What notes the exit code of the first command that fails, where flow is to end with it.
    pub(super) first_failure: Option<FirstFailure>,
}

impl Manner {
    /// For a run that is taken up.
    pub(super) fn of_taken_up(context: &Context, jobs: Option<u16>) -> Self {
        Self {
            jobs,
            explain: false,
            again: Again::Task {
                call: format!("flow {}", context.options),
                verbs: super::verb::names_that_win().collect(),
            },
            first_failure: None,
        }
    }

    /// With flow's exit code being that of the first command that fails, if that is asked for.
    pub(super) fn with_exit_code(self, wanted: bool) -> Self {
        Self {
            first_failure: wanted.then(FirstFailure::default),
            ..self
        }
    }
}

/// A run whose record is ours.
pub(super) struct Running {
    pub(super) run: RunId,
    pub(super) plan_hash: String,
    pub(super) journal: Box<dyn Journal>,
    pub(super) clock: Clock,
    /// What happened before, in one that is taken up.
    pub(super) past: Option<Past>,
    /// What is asked of it at once.
    pub(super) request: Option<Request>,
    /// The trigger that starts it.
    pub(super) trigger: Option<Triggered>,
    /// What it takes over from a run that it tries once more.
    pub(super) taken_over: Option<(Carried, Vec<Kept>)>,
}

/// What became of a fire that was to begin.
pub(super) enum Fired {
    /// It begins here.
    New(Box<Running>),
    /// It has begun already, or begins elsewhere.
    Begun,
    /// Its id is that of another run.
    Taken,
}

impl Running {
    /// A new one.
    pub(super) fn begin(store: &dyn Store, plan: &Plan) -> Result<Self, Trouble> {
        let clock = Clock::system();
        let (plan_hash, text) = plan::pin(plan);
        let pinned = Pinned {
            hash: &plan_hash,
            text: &text,
            durable: plan.durable,
        };
        let (run, journal) =
            submit::new(store, pinned, clock.now()).map_err(|error| unrecorded(&error))?;
        drop(text);
        Ok(Self::of(run, plan_hash, journal, clock))
    }

    /// The one of a fire of a trigger.
    pub(super) fn fire(store: &dyn Store, plan: &Plan, fire: &Fire) -> Result<Fired, Trouble> {
        let clock = Clock::system();
        let (plan_hash, text) = plan::pin(plan);
        let pinned = Pinned {
            hash: &plan_hash,
            text: &text,
            durable: true,
        };
        let submitted = submit::once(store, pinned, &fire.run, |trigger| {
            trigger.fire == fire.fire && trigger.name == fire.trigger
        });
        drop(text);
        match submitted.map_err(|error| unrecorded(&error))? {
            Submitted::New(journal) => Ok(Fired::New(Box::new(Self {
                trigger: Some(fire.into()),
                ..Self::of(fire.run.clone(), plan_hash, journal, clock)
            }))),
            Submitted::Begun => Ok(Fired::Begun),
            Submitted::OfAnother => Ok(Fired::Taken),
        }
    }

    fn of(run: RunId, plan_hash: String, journal: Box<dyn Journal>, clock: Clock) -> Self {
        Self {
            run,
            plan_hash,
            journal,
            clock,
            past: None,
            request: None,
            trigger: None,
            taken_over: None,
        }
    }

    /// With this asked of it at once.
    pub(super) fn with(self, request: Request) -> Self {
        Self {
            request: Some(request),
            ..self
        }
    }

    /// Runs a new run to its end that takes over from another.
    pub(super) fn take_over(
        self,
        taken_over: (Carried, Vec<Kept>),
        context: &Context,
        show: &ShowArgs,
        manner: Manner,
        plan: Arc<Plan>,
    ) -> Result<Exit, Trouble> {
        let running = Self {
            taken_over: Some(taken_over),
            ..self
        };
        let work = Work::taken_up(context, plan)?;
        let exit = running.go_on(context, show, manner, &work)?;
        // A process that ends need not take a large plan to pieces.
        std::mem::forget(work);
        Ok(exit)
    }

    /// Runs it to its end.
    pub(super) fn go_on(
        self,
        context: &Context,
        show: &ShowArgs,
        manner: Manner,
        work: &Work,
    ) -> Result<Exit, Trouble> {
        let mut inbox = inbox()?;
        let first_failure = manner.first_failure.clone();
        let ending = self.go_on_hearing(context, show, manner, work, &mut inbox, None)?;
        super::stdin::say_unread(&work.plan, show);
        let code = first_failure.and_then(|first| first.code());
        Ok(match (exit_of(ending), code) {
            (Exit::TaskFailed, Some(code)) => Exit::Command(code),
            (exit, _) => exit,
        })
    }

    /// The same for one who goes on after it, and has something to say in between.
    pub(super) fn go_on_hearing(
        self,
        context: &Context,
        show: &ShowArgs,
        manner: Manner,
        work: &Work,
        inbox: &mut Inbox,
        caller: Option<Box<dyn Caller + '_>>,
    ) -> Result<Ending, Trouble> {
        let plan = &work.plan;
        let settings = settings(context, show, manner.again, &self)?;
        if show.says(Level::Debug) && settings.mode != report::Mode::Json {
            // The run matters more than the word of it.
            let _ = screen::print("", &format!("run {}\n", self.run));
        }
        let recorded_in = self.journal.logs().map(|_| context.store()).transpose()?;
        let json = settings.mode == report::Mode::Json;
        let (slots, threads, jobserver) =
            slots_and_threads(manner.jobs, plan, show.says(Level::Warning));
        let Values {
            secrets,
            evaluator,
            desk,
        } = &work.values;
        let began_at = self.past.as_ref().and_then(Past::began_at);
        let of_past = || self.past.as_ref().and_then(Past::trigger);
        let trigger = self.trigger.as_ref().or_else(of_past);
        let scheduled_at = trigger.and_then(|trigger| trigger.scheduled_at);
        evaluator.begin_run(RunNames {
            id: self.run.to_string(),
            started_at: began_at.unwrap_or_else(|| self.clock.now()).to_string(),
            trigger: trigger.map(|one| one.name.clone()).unwrap_or_default(),
            scheduled_at: scheduled_at.map(|at| at.to_string()).unwrap_or_default(),
        });
        let wants_locks = |node: &Node| node.rules().locks.is_some();
        let locking = if plan.nodes.iter().any(wants_locks) {
            let state = context.workplace()?;
            let locks = Locks::new(state.below(LOCKS));
            let runs = Files::new(state);
            let (run, by) = (self.run.clone(), context::person());
            Some(Arc::new(Locking::new(locks, runs, run, by, self.clock)))
        } else {
            None
        };
        let store = context.store().ok();
        let given = match &self.past {
            None => given(plan, evaluator, recorded_in.as_ref())?,
            Some(_) => Given::new(),
        };
        let engine = Engine {
            run: self.run,
            evaluator: Arc::clone(evaluator),
            desk: Arc::clone(desk),
            plan_hash: self.plan_hash,
            parent: std::env::var("FLOW_RUN_ID")
                .ok()
                .and_then(|id| RunId::parse(&id)),
            is_parent_cancelled: Box::new(move |run| is_cancelled(store.as_ref(), run)),
            actor: context::person(),
            slots,
            journal: self.journal,
            programs: Programs::of_this_process(),
            secrets: secrets.clone(),
            jobserver,
            keeper: Some(ITSELF.into()),
            threads,
            inbox,
            caller,
            own_streams: WhichStreams {
                stdout: std::io::stdout().is_terminal() && !json,
                stderr: std::io::stderr().is_terminal(),
            },
            freshness: work.freshness.clone(),
            locking,
            up_to_date: work.ahead.up_to_date.clone(),
            explain: manner.explain,
            clock: self.clock,
            observers: std::iter::once(report::reporter(settings, plan))
                .chain(manner.first_failure.map(|first| first.observer()))
                .collect(),
            given,
            retry_of: self
                .taken_over
                .as_ref()
                .map(|(carried, _)| carried.run.clone()),
            trigger: self.trigger,
            taken_over: self.taken_over,
            past: self.past,
            request: self.request,
            plan: Arc::clone(plan),
        };
        let (run, began) = (engine.run.clone(), self.clock.now());
        let done = engine.run().map_err(|error| stopped(&error));
        if let Some(store) = recorded_in {
            // What could not be removed today is removed another day.
            let _ = prune::if_due(&store, &run, began, self.clock.now(), Clock::wall());
        }
        done
    }
}

/// flow as it runs now, also where another has taken its place meanwhile; `proc_pid_exe(5)`.
const ITSELF: &str = "/proc/self/exe";

/// How it is recorded what a new run was given.
fn given(plan: &Plan, evaluator: &Evaluator, store: Option<&Files>) -> Result<Given, Trouble> {
    let key = || match store {
        Some(store) => TellApart::of(store).map_err(|error| unrecorded(&error)),
        None => TellApart::for_once()
            .map_err(|error| Trouble::call(format!("there are no random bytes: {error}"), "")),
    };
    let hash = |text: &str| match evaluator.hidden(text) == text {
        true => Ok(None),
        false => Ok(Some(key()?.hash(text.as_bytes()))),
    };
    given::of(&plan.given.values, hash)
}

/// Whether somebody has cancelled a run of this project.
fn is_cancelled(store: Option<&Files>, run: &RunId) -> bool {
    let cancels = |record: &Record| {
        matches!(
            record.fact,
            Fact::CancelRequested {
                node: None,
                why: Why::Cancelled,
                ..
            }
        )
    };
    let lines = store.and_then(|store| whole::read(store, run).ok());
    lines.is_some_and(|lines| lines.records.iter().any(cancels))
}

/// Where signals arrive from now on.
pub(super) fn inbox() -> Result<Inbox, Trouble> {
    let terminal = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
    Signals::catch(terminal)
        .map(Inbox::new)
        .map_err(|error| Trouble::call(format!("can't catch signals: {}", room::told(&error)), ""))
}

/// Random bits, as much as ids need.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn settings(
    context: &Context,
    show: &ShowArgs,
    again: Again,
    running: &Running,
) -> Result<Settings, Trouble> {
    let run = &running.run;
    let recorded = running.journal.logs().is_some();
    let logs = || {
        context
            .state()
            .map(|state| shown_path(state.below(LOGS).below(run.as_str()).path()))
    };
    Ok(Settings {
        mode: show.mode(),
        level: show.level(),
        style: context::style(),
        terminal: std::io::stdout().is_terminal() && std::io::stderr().is_terminal(),
        again,
        logs: recorded.then(logs).transpose()?.unwrap_or_default(),
        resume: recorded.then(|| format!("flow {}resume {run}", context.options)),
    })
}

/// How many commands may run at the same time, and how many threads are worth having for them; the jobserver that they keep to.
/// Counting the cores is not free; one command alone needs no count.
fn slots_and_threads(
    jobs: Option<u16>,
    plan: &Plan,
    warns: bool,
) -> (usize, usize, Option<Jobserver>) {
    let found = Found::of_this_process();
    let jobs = jobs.map(usize::from);
    let jobs = match &found {
        Found::None => jobs,
        // The tokens say how many there are.
        Found::Client(jobserver) => jobs.or(Some(jobserver.jobs())),
        Found::Unreachable => {
            let jobs = jobs.unwrap_or(1);
            let words = format!(
                "warning: jobserver unavailable: using -j{jobs}; put '+' before the line of the makefile that calls flow\n"
            );
            if warns {
                // The run matters more than the word of it.
                let _ = screen::print("", &words);
            }
            Some(jobs)
        }
    };
    let jobserver = match found {
        Found::Client(jobserver) => Some(jobserver),
        Found::None | Found::Unreachable => None,
    };
    let mut leaves = plan.nodes.iter().filter(|node| node.is_leaf());
    let loops = |node: &Node| matches!(node.kind, PlanKind::Loop { .. });
    if leaves.nth(1).is_none() && !plan.nodes.iter().any(loops) {
        return (1, 1, jobserver);
    }
    let cores = cores();
    let wanted = jobs.unwrap_or(cores);
    let slots = wanted.min(room::commands_at_once(
        plan.nodes.iter().any(|node| node.rules().ask),
    ));
    if slots < wanted && jobs.is_some() && warns {
        let words = format!(
            "warning: `ulimit -n` allows {slots} commands at a time: a larger one allows -j{wanted}\n"
        );
        // The run matters more than the word of it.
        let _ = screen::print("", &words);
    }
    (slots, slots.min(cores), jobserver)
}

pub(super) fn exit_of(ending: Ending) -> Exit {
    match ending {
        Ending::Finished(RunEnd::Completed) => Exit::Done,
        Ending::Finished(RunEnd::Failed) => Exit::TaskFailed,
        Ending::Finished(RunEnd::Cancelled) => Exit::Cancelled,
        Ending::Paused => Exit::Paused,
        Ending::Interrupted(signal) => Exit::Signal(signal),
    }
}

pub(super) fn unrecorded(error: &store::Error) -> Trouble {
    let help = "  help: --no-record runs without a record\n";
    Trouble {
        exit: Exit::Record,
        words: format!("error: {error}\n{}{help}", runs::help(error)),
    }
}

fn stopped(error: &engine::Error) -> Trouble {
    let exit = if matches!(error, engine::Error::Unsupported(_)) {
        Exit::Wrong
    } else {
        Exit::Record
    };
    let help = match error {
        engine::Error::Store(error) => runs::help(error),
        _ => String::new(),
    };
    Trouble {
        exit,
        words: format!("error: {error}\n{help}  all that was running was stopped\n"),
    }
}
