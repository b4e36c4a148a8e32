//! The loop: wait for something to happen, let the core decide, write it down, show it, do it.
//!
//! ```text
//!      ┌──────────────────────────────────────────────────────────┐
//!      ▼                                                          │
//!  inbox.wait ─► inputs ─► core::turn ─► journal ─► observers ─► act
//!  (one poll)              (pure)        (first!)                (start, stop)
//! ```
//!
//! `going` is the turn, `crew` the loop around it, [`inbox`] the poll. One thread runs the loop; when commands run beside one
//! another, so do threads, each with the same loop and taking turns behind one lock. The engine keeps no state of the run
//! but the core's; what it has to do follows from that state by [`crate::core::action::actions`], so taking a run up is the
//! same as going on with it.

mod alone;
mod asked;
pub mod clock;
mod crew;
pub mod desk;
mod going;
pub mod inbox;
pub mod incremental;
pub mod locking;
pub mod outside;
pub mod past;
mod questions;
pub mod signals;
mod tokens;
pub mod watched;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal as Number};

use self::asked::Asked;
use self::clock::Clock;
use self::crew::Crew;
use self::desk::Desk;
use self::going::Going;
use self::inbox::Inbox;
use self::incremental::Freshness;
use self::locking::Locking;
use self::past::Past;
use crate::core::carried::Carried;
use crate::core::fact::{Given, RunEnd, Triggered};
use crate::core::observer::{Observer, Signal};
use crate::core::{Input, RunState};
use crate::eval::Evaluator;
use crate::eval::kept::Kept;
use crate::exec::WhichStreams;
use crate::exec::family;
use crate::exec::jobserver::Jobserver;
use crate::exec::keeper::Keeper;
use crate::exec::mask::Secrets;
use crate::exec::room;
use crate::exec::runner::Runner;
use crate::exec::shell::Programs;
use crate::exec::stops::{GRACE, Stops};
use crate::model::id::{NodeId, RunId};
use crate::model::plan::Plan;
use crate::store::line::Chain;
use crate::store::request::Request;
use crate::store::{self, Journal};

/// What an engine needs to run a plan.
pub struct Engine<'a> {
    /// The id of the run.
    pub run: RunId,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The hash of the plan, by which the store knows it.
    pub plan_hash: String,
    /// The run that started this one, when a task of it did.
    pub parent: Option<RunId>,
    /// Whether that one was cancelled, for a run that is told to end.
    pub is_parent_cancelled: IsCancelled<'a>,
    /// The run that it tries once more.
    pub retry_of: Option<RunId>,
    /// What a new run was given, as its first fact says it.
    pub given: Given,
    /// The trigger that started it.
    pub trigger: Option<Triggered>,
    /// Who runs it, for the facts that a person is the cause of.
    pub actor: String,
    /// How many commands may run at the same time.
    pub slots: usize,
    /// The right to write the record.
    pub journal: Box<dyn Journal>,
    /// What evaluates what the plan leaves open.
    pub evaluator: Arc<Evaluator>,
    /// Where it hands in commands that run for its answers.
    pub desk: Arc<Desk>,
    /// Where programs are.
    pub programs: Programs,
    /// What is masked in all output; it may grow while the run goes on.
    pub secrets: Secrets,
    /// The jobserver that its commands have to keep to, if there is one.
    pub jobserver: Option<Jobserver>,
    /// What is started as the helper that ends what is left when flow is gone, of runs that have to be safe ([`crate::exec::keeper`]).
    pub keeper: Option<PathBuf>,
    /// How many threads may take part.
    pub threads: usize,
    /// Where signals arrive, and whoever rings is heard.
    pub inbox: &'a mut Inbox,
    /// Who rings there, if anybody does.
    pub caller: Option<Box<dyn Caller + 'a>>,
    /// Which of flow's streams are a terminal that a command may have to itself.
    pub own_streams: WhichStreams,
    /// Whether tasks have to run, where any may not have to.
    pub freshness: Option<Arc<Freshness>>,
    /// The locks of the project, where the plan wants any.
    pub locking: Option<Arc<Locking>>,
    /// The tasks that are up to date, as far as that is known.
    pub up_to_date: Vec<NodeId>,
    /// Whether it is said why each task runs.
    pub explain: bool,
    /// The time.
    pub clock: Clock,
    /// Those who watch.
    pub observers: Vec<Box<dyn Observer + 'a>>,
    /// What it takes over from the run that it tries once more, and the values of that run.
    pub taken_over: Option<(Carried, Vec<Kept>)>,
    /// What happened before, in a run that is taken up.
    pub past: Option<Past>,
    /// What is asked of the run as soon as it goes on.
    pub request: Option<Request>,
}

/// Whether a run was cancelled, by its record.
pub type IsCancelled<'a> = Box<dyn Fn(&RunId) -> bool + Send + 'a>;

/// Somebody in this process who has something to say to a run while it goes on.
pub trait Caller: Send {
    /// What there is to say, after the bell of the inbox was rung.
    fn inputs(&mut self) -> Vec<Input>;
}

/// How the engine came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The run is over.
    Finished(RunEnd),
    /// It waits for a decision.
    Paused,
    /// A signal ended it; it can be resumed.
    Interrupted(i32),
}

/// Why the engine could not go on.
#[derive(Debug)]
pub enum Error {
    /// The record can't be kept.
    Store(store::Error),
    /// Output can't be kept.
    Output(std::io::Error),
    /// The system refused to wait for events.
    Wait(std::io::Error),
    /// A belief of the program was wrong; what it was has been printed.
    Panicked,
    /// The plan asks for something that this version can't do.
    Unsupported(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Output(error) => {
                let error = room::told(error);
                write!(f, "could not keep the output of a task: {error}")
            }
            Self::Wait(error) => write!(f, "could not wait for the tasks: {}", room::told(error)),
            Self::Panicked => write!(f, "flow itself has a bug"),
            Self::Unsupported(what) => write!(f, "this version of flow has no {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl Engine<'_> {
    /// Runs the plan to its end. Whatever the end, nothing that it started is alive afterwards.
    pub fn run(self) -> Result<Ending, Error> {
        family::adopt_orphans();
        let jobserver = self.jobserver;
        let inherited = jobserver.as_ref().map_or(&[][..], Jobserver::inherited);
        signals::keep_descriptors(inherited);
        let start = Input::Start {
            run: self.run.clone(),
            plan: self.plan_hash,
            parent: self.parent.clone(),
            retry_of: self.retry_of,
            trigger: self.trigger,
            given: self.given,
        };
        let up_to_date = Input::UpToDate {
            nodes: self.up_to_date,
        };
        let mut going = Going {
            chain: Chain::new(&self.run),
            state: RunState::new(Arc::clone(&self.plan)),
            logs: self.journal.logs().cloned(),
            run: self.run,
            actor: self.actor,
            slots: self.slots,
            jobserver,
            keeper: None,
            journal: self.journal,
            clock: self.clock,
            observers: self.observers,
            signal: None,
            began: self.clock.instant(),
            listen_at: Some(self.clock.instant() + LISTEN_AFTER),
            listens: false,
            lines: String::new(),
            stops: Stops::default(),
            own_streams: self.own_streams,
            waiting: Vec::new(),
            evaluator: self.evaluator,
            questions: VecDeque::new(),
            asked_since: HashMap::new(),
            asked: Asked::default(),
            desk: self.desk,
            again: BTreeSet::new(),
            handed: HashMap::new(),
            freshness: self.freshness,
            carried: None,
            locking: self.locking,
            explain: self.explain,
            restored: false,
            recalled: HashMap::new(),
            caller: self.caller,
            parent: self.parent.map(|run| (run, self.is_parent_cancelled)),
        };
        let mut first = match self.past {
            None => {
                let kept = self
                    .taken_over
                    .map(|(carried, values)| going.take_over(carried, values));
                let start = std::iter::once(start);
                start
                    .chain(kept.into_iter().flatten())
                    .chain([up_to_date])
                    .collect()
            }
            Some(past) => {
                going.take_up(past);
                past::first(&going.state, start)
            }
        };
        if going.keeps_to_disk()
            && let (Some(program), Some(logs)) = (self.keeper, &going.logs)
        {
            let folder = logs.above().map(|(folder, _)| folder);
            let started = folder.map(|all| Keeper::start(&program, &going.run, all.path()));
            // Without it a run is as safe as all others.
            going.keeper = started.and_then(Result::ok);
        }
        first.extend(self.request.and_then(|request| going.requested(request)));
        let inbox = self.inbox;
        let crew = Crew::new(
            going,
            self.programs.clone(),
            self.secrets.clone(),
            self.threads.min(self.slots),
        );
        let (mut going, ended) = crew.run(inbox, first);
        if let Some(freshness) = &going.freshness {
            // What could not be kept is found out again the next time.
            let _ = freshness.keep();
        }
        if let Some(keeper) = going.keeper.take() {
            keeper.dismiss();
        }
        let signal = end_family(
            &mut going,
            inbox,
            &Runner::new(self.programs, self.secrets),
            ended.is_err(),
        );
        inbox.end_run();
        let ending = match (ended?, signal) {
            // It came too late.
            (ending @ Ending::Finished(RunEnd::Completed), _) | (ending, None) => ending,
            (_, Some(signal)) => Ending::Interrupted(signal),
        };
        let kept = if going.did_nothing() {
            going.journal.discard()
        } else {
            let head = going.chain.head(&going.run, going.state.seq());
            let brief = going.clock.instant() < going.began + SYNCED_AFTER;
            let synced = match brief && !going.keeps_to_disk() {
                true => Ok(()),
                false => going.journal.sync(),
            };
            synced.and_then(|()| going.journal.keep_head(&head))
        };
        kept.map_err(Error::Store)?;
        for observer in &mut going.observers {
            observer.end(&going.state);
        }
        Ok(ending)
    }
}

/// When other processes can reach a run: a shorter one has nothing to do with them, and does not pay for it.
const LISTEN_AFTER: Duration = Duration::from_millis(100);

/// A run that is shorter and keeps nothing to disk is left to the kernel, which writes it within half a minute: a sync would take it
/// about as long as all the rest.
const SYNCED_AFTER: Duration = Duration::from_millis(50);

/// How long killed processes are waited for.
const GAVE_UP: Duration = Duration::from_secs(2);

/// How long after the grace time those are followed who start one another.
const GAVE_UP_AT_LAST: Duration = Duration::from_secs(30);

/// How often those are looked at that nobody tells us of.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// After so many looks that have found somebody new, those who start one another are followed down to the last of them.
const CHASED_AFTER: u32 = 3;

/// How often they are then looked for before anybody else is heard.
const CHASES_MAX: u32 = 200;

/// How often it is looked for children that the system says there are and does not show, before they are given up.
const LOOKS_MAX: u32 = 50;

/// Signals those who start one another and end, each before it has started the next: nobody is waited for in between, and nobody
/// else looked at.
fn chase(going: &Going<'_>, told: &mut HashSet<Pid>, signal: Number) {
    for _ in 0..CHASES_MAX {
        let new = family::new_descendants(&going.run, told);
        if new.is_empty() {
            return;
        }
        for left in new {
            family::signal(&left, signal);
            told.insert(left.pid);
        }
    }
}

/// Ends whoever of our descendants is still there: asked first, killed when the grace time is over or on a signal, the first
/// of which is returned. Who starts another and ends is followed until nobody is left.
fn end_family(
    going: &mut Going<'_>,
    inbox: &mut Inbox,
    nobody: &Runner,
    mut kill: bool,
) -> Option<i32> {
    let deadline = going.clock.instant() + GRACE;
    let mut give_up = deadline + GAVE_UP;
    let (mut told, mut named, mut looks, mut signal) = (HashSet::new(), HashSet::new(), 0, None);
    let mut chases = 0;
    while family::any_children() && going.clock.instant() < give_up && looks < LOOKS_MAX {
        let now = going.clock.instant();
        let left = family::children(&going.run);
        // Who stays on purpose is a child like any other.
        let more = if family::leaves_any() {
            LOOKS_MAX / 4
        } else {
            1
        };
        looks = if left.is_empty() { looks + more } else { 0 };
        let first = told.is_empty();
        kill |= now >= deadline;
        let mut again_at = now + LOOK_AGAIN;
        let before = told.len();
        let ends = if kill { Number::KILL } else { Number::TERM };
        for left in left {
            let new = told.insert(left.pid);
            if new {
                // It may have started the next by now.
                again_at = now;
                give_up = give_up.max(now + GAVE_UP).min(deadline + GAVE_UP_AT_LAST);
                if named.insert((left.program.clone(), left.task.clone())) || first {
                    going.notice(&Signal::LeftBehind {
                        program: &left.program,
                        task: &left.task,
                    });
                }
            }
            if new || kill {
                family::signal(&left, ends);
            }
        }
        chases += u32::from(told.len() > before);
        if chases > CHASED_AFTER {
            chase(going, &mut told, ends);
        }
        match inbox.wait(nobody, Some(again_at)) {
            Ok(ready) => {
                let ending = |signal: &&i32| Inbox::ends_a_run(**signal);
                signal = signal.or(ready.signals.iter().find(ending).copied());
            }
            // There is nobody left to tell; the deadline ends the loop.
            Err(_) => kill = true,
        }
        kill |= signal.is_some();
    }
    signal
}
