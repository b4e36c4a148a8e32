//! A command that is run for an answer where there is no loop: before a run, and for `flow vars`, `flow why` and the like.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use rustix::process::Signal;

use super::inbox::{ENDING, Inbox, Signals};
use crate::exec::dispositions;
use crate::exec::family;
use crate::exec::mask::Secrets;
use crate::exec::room;
use crate::exec::runner::{Runner, Started};
use crate::exec::shell::Programs;
use crate::exec::stops::{Stop, Stops};
use crate::exec::{Event, Job, Said};

/// Whether a signal that ends a run does what it does by itself, because nobody else waits for it.
static BY_ITSELF: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Somebody waits for signals from now on.
pub(super) fn signals_are_waited_for() {
    BY_ITSELF.store(false, Ordering::SeqCst);
}

/// Runs a command to its end. A signal to flow is passed on to it, and then ends flow if that is what it does by itself; the error
/// says why there is no answer.
pub(super) fn run(job: Job, secrets: Secrets) -> Result<Said, String> {
    let waits =
        |error: std::io::Error| format!("its end can't be waited for: {}", room::told(&error));
    let ends_flow = BY_ITSELF.load(Ordering::SeqCst);
    if ends_flow {
        keep_dispositions().map_err(waits)?;
    }
    let signals = Signals::catch(false).map_err(waits)?;
    let mut following = Following {
        inbox: Inbox::new(signals),
        runner: Runner::new(Programs::of_this_process(), secrets),
        stops: Stops::default(),
        signal: None,
    };
    let said = following.run(job);
    if ends_flow {
        BY_ITSELF.store(true, Ordering::SeqCst);
        if let Some(signal) = following.signal {
            // It returns when that signal ends nobody.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }
    match following.signal {
        Some(_) => Err("it was stopped".to_owned()),
        None => said.map_err(waits),
    }
}

/// Signals do what they do by themselves whenever nobody waits for them; said once.
fn keep_dispositions() -> std::io::Result<()> {
    static KEPT: AtomicBool = AtomicBool::new(false);
    if KEPT.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    for signal in ENDING.iter().map(|signal| signal.as_raw()) {
        if !dispositions::is_ignored(signal) {
            let by_itself = Arc::clone(&BY_ITSELF);
            signal_hook::flag::register_conditional_default(signal, by_itself)?;
        }
    }
    Ok(())
}

struct Following {
    inbox: Inbox,
    runner: Runner,
    stops: Stops,
    /// The first signal that came.
    signal: Option<i32>,
}

impl Following {
    fn run(&mut self, job: Job) -> std::io::Result<Said> {
        let id = job.id;
        self.stops.insert(id, job.attempt, false);
        let process = {
            // None of our children is taken for an orphan before it is known whose it is.
            let mut others = family::others();
            match self.runner.start(&job) {
                Started::Failed(Event::Answered { said, .. }) => return Ok(said),
                Started::Failed(_) => return Ok(Said::default()),
                Started::Running(process) => {
                    others.push(process.pid);
                    process
                }
            }
        };
        let pid = process.pid;
        self.stops.started(id, pid);
        self.runner.add(job, process);
        let said = self.follow();
        family::others().retain(|other| *other != pid);
        said
    }

    fn follow(&mut self) -> std::io::Result<Said> {
        loop {
            let deadlines = [self.runner.next_deadline(), self.stops.next_deadline()];
            let deadline = deadlines.into_iter().flatten().min();
            let ready = self.inbox.wait(&self.runner, deadline)?;
            let (now, mut events) = (Instant::now(), Vec::new());
            for signal in ready.signals {
                self.pass_on(signal, now);
            }
            for place in ready.places {
                let read = self.runner.read(place);
                events.extend(read.map_err(|error| error.0)?);
            }
            self.stops.tick(now);
            let reaped = self.runner.reap(now, &mut self.stops, &mut events);
            reaped.map_err(|error| error.0)?;
            for event in events {
                if let Event::Answered { said, .. } = event {
                    return Ok(said);
                }
            }
        }
    }

    /// The first signal asks, the second one insists.
    fn pass_on(&mut self, number: i32, now: Instant) {
        let first = self.signal.is_none();
        self.signal.get_or_insert(number);
        let signal = Signal::from_named_raw(number).unwrap_or(Signal::TERM);
        let stop = if first { Stop::Ask(signal) } else { Stop::Kill };
        for id in self.stops.ids() {
            self.stops.stop(id, stop, now);
        }
    }
}
