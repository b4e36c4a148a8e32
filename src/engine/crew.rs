//! The threads that run the loop, one to begin with and one more for each command that can run beside it.
//!
//! Each of them does the same: wait for the commands that it looks after, take a turn with what came in, start what there is
//! to start. The one who has the news of an end takes the next start itself, so nothing is handed from thread to thread
//! while all of them are busy, which is what makes many short commands fast (docs/decisions/0003). The first thread also
//! gets the signals and minds the deadlines. Two locks never: all that is shared is behind the one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::desk;
use super::going::Going;
use super::inbox::{Inbox, Knocker, Ready};
use super::questions::{Outcome, Told};
use super::{Ending, Error};
use rustix::process::Pid;

use crate::core::Input;
use crate::exec::mask::Secrets;
use crate::exec::remains;
use crate::exec::runner::{CaptureError, Runner, Started};
use crate::exec::shell::Programs;
use crate::exec::{CommandId, Event, Job};

/// The stack of a thread that evaluates, in bytes: values read one another, and some run commands on the way. What is not used of
/// it takes no memory.
const STACK_BYTES: usize = 16 << 20;

/// How often it is looked for orphans that have ended while commands go on. They only take a place in the table of processes.
const REAP_EVERY: Duration = Duration::from_millis(500);

/// What the threads share.
pub(super) struct Crew<'a> {
    shared: Mutex<Shared<'a>>,
    programs: Programs,
    secrets: Secrets,
    /// How many threads there may be.
    size: usize,
}

struct Shared<'a> {
    going: Going<'a>,
    /// How to wake each thread, the first one's first.
    knockers: Vec<Option<Knocker>>,
    /// How many commands each thread looks after.
    loads: Vec<usize>,
    /// Until when the first thread waits, if nothing happens.
    minded: Option<Instant>,
    /// It waits for a token of the jobserver too.
    polls_tokens: bool,
    over: Option<Result<Ending, Error>>,
    /// What came of questions, for the first thread.
    answers: Vec<Input>,
    /// What is to be told of tasks.
    notices: Vec<Told>,
    /// How many threads answer questions.
    answering: usize,
}

impl<'a> Crew<'a> {
    /// A crew for a run; `size` threads at most.
    pub(super) fn new(going: Going<'a>, programs: Programs, secrets: Secrets, size: usize) -> Self {
        let shared = Shared {
            going,
            knockers: vec![None],
            loads: vec![0],
            minded: None,
            polls_tokens: false,
            over: None,
            answers: Vec::new(),
            notices: Vec::new(),
            answering: 0,
        };
        Self {
            shared: Mutex::new(shared),
            programs,
            secrets,
            size: size.max(1),
        }
    }

    /// Runs the loop in this thread, and in more as they are needed, until the run is over.
    pub(super) fn run(
        self,
        inbox: &mut Inbox,
        first: Vec<Input>,
    ) -> (Going<'a>, Result<Ending, Error>) {
        thread::scope(|scope| {
            let mut hand = Hand::new(&self, 0, inbox);
            hand.work(scope, first);
        });
        let shared = self
            .shared
            .into_inner()
            .expect("a panic of another thread is passed on by the scope");
        (shared.going, shared.over.unwrap_or(Ok(Ending::Paused)))
    }

    /// Answers questions as long as there are any.
    fn answer_questions(&self) {
        let _ends = EndsAll(self);
        loop {
            let (question, asker, evaluator, freshness, locking, clock) = {
                let mut shared = self.lock();
                let question = shared.going.next_question();
                let open = shared.over.is_none();
                let Some((question, asker)) = question.filter(|_| open) else {
                    shared.answering -= 1;
                    return;
                };
                (
                    question,
                    asker,
                    Arc::clone(&shared.going.evaluator),
                    shared.going.freshness.clone(),
                    shared.going.locking.clone(),
                    shared.going.clock,
                )
            };
            let (freshness, locking) = (freshness.as_deref(), locking.as_deref());
            let began = clock.instant();
            let outcome = desk::asking(&asker, || {
                question.answer(&evaluator, freshness, locking, &asker, clock)
            });
            let mut shared = self.lock();
            let took = clock.instant().saturating_duration_since(began);
            shared.going.spend(asker.query, took);
            match outcome {
                Outcome::Prepared(node, attempt) => shared.going.waiting.push((node, attempt)),
                Outcome::Answered(answer, why) => {
                    shared.answers.push(answer);
                    shared.notices.extend(why);
                }
                Outcome::Again(at, query, notice) => {
                    shared.going.again.insert((at, query));
                    shared.notices.extend(notice);
                }
            }
            shared.knock(0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared<'a>> {
        self.shared
            .lock()
            .expect("another thread of the engine has panicked")
    }
}

/// One thread of the crew.
struct Hand<'c, 'a, 'i> {
    crew: &'c Crew<'a>,
    _ends: EndsAll<'c, 'a>,
    number: usize,
    inbox: &'i mut Inbox,
    runner: Runner,
    /// What it has taken and not started.
    jobs: Vec<Job>,
    /// What could not be started, and has not been told.
    failed: Vec<(CommandId, Event)>,
    /// What has been started, and is to be written down.
    begun: Vec<Input>,
}

/// A panic of a thread that has this ends the run for everybody, and all that runs.
struct EndsAll<'c, 'a>(&'c Crew<'a>);

impl Drop for EndsAll<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let shared = self.0.shared.lock();
            let mut shared = shared.unwrap_or_else(PoisonError::into_inner);
            shared.end(Err(Error::Panicked));
            // The first one waits for what comes in.
            shared.knock(0);
        }
    }
}

impl<'c, 'a: 'c> Hand<'c, 'a, '_> {
    fn new<'i>(crew: &'c Crew<'a>, number: usize, inbox: &'i mut Inbox) -> Hand<'c, 'a, 'i> {
        Hand {
            crew,
            _ends: EndsAll(crew),
            number,
            inbox,
            runner: Runner::new(crew.programs.clone(), crew.secrets.clone()),
            jobs: Vec::new(),
            failed: Vec::new(),
            begun: Vec::new(),
        }
    }

    fn work<'s>(&mut self, scope: &'s Scope<'s, '_>, first: Vec<Input>)
    where
        'c: 's,
    {
        let mut ready = Ready::default();
        let mut inputs = first;
        loop {
            let mut grown = false;
            let jobs = {
                let mut shared = self.crew.lock();
                if shared.over.is_none() {
                    grown = self.listen(&mut shared.going);
                    self.take_in(&mut shared, ready, &mut inputs);
                    self.turn(&mut shared, std::mem::take(&mut inputs), scope);
                }
                if shared.over.is_some() {
                    return;
                }
                std::mem::take(&mut self.jobs)
            };
            self.start(jobs);
            if grown {
                // Syncing the young file beside the commands leaves less to wait for at the end.
                self.sync();
            }
            ready = if self.failed.is_empty() && self.begun.is_empty() {
                self.wait()
            } else {
                Ready::default()
            };
        }
    }

    /// The first thread hears what other processes ask, once it is time for that; then it says so, once.
    fn listen(&mut self, going: &mut Going<'a>) -> bool {
        let due = going
            .listen_at
            .is_some_and(|at| at <= going.clock.instant());
        if self.number == 0 && due {
            // A signal for each child that ends would cost each command more than it costs to look every so often.
            going.listen_at = Some(going.clock.instant() + REAP_EVERY);
            going.stops.reap_orphans();
            if std::mem::replace(&mut going.listens, true) {
                return false;
            }
            // Where there can be no pipe nobody can reach the run.
            if let Ok(Some(requests)) = going.journal.listen() {
                self.inbox.listen(requests);
            }
            return true;
        }
        false
    }

    /// Takes a turn, and what there is to start; the rest is for others, who are woken or begin.
    fn turn<'s>(&mut self, shared: &mut Shared<'a>, inputs: Vec<Input>, scope: &'s Scope<'s, '_>)
    where
        'c: 's,
    {
        if shared.over.is_some() {
            return;
        }
        for (node, notice) in std::mem::take(&mut shared.notices) {
            shared.going.tell(node, &notice);
        }
        let turned = shared.going.turn(inputs);
        if let Err(error) = turned.and_then(|()| self.take(shared)) {
            shared.end(Err(error));
        } else if let Some(ending) = shared.going.ending() {
            shared.end(Ok(ending));
        } else {
            shared.loads[self.number] = self.load();
            self.share(shared, scope);
            self.answer(shared, scope);
            self.mind(shared);
        }
    }

    /// How many commands one thread should look after.
    fn fair(&self, shared: &Shared<'a>) -> usize {
        shared.going.slots.div_ceil(self.crew.size)
    }

    /// How many commands of steps it looks after; what runs for answers takes nobody's place.
    fn load(&self) -> usize {
        let steps = |job: &&Job| matches!(job.id, CommandId::Step(_));
        self.runner.steps() + self.jobs.iter().filter(steps).count()
    }

    /// As much of what is waiting as this thread should have.
    fn take(&mut self, shared: &mut Shared<'a>) -> Result<(), Error> {
        let room = self.fair(shared).saturating_sub(self.load());
        let count = room.min(shared.going.waiting.len());
        let taken: Vec<_> = shared.going.waiting.drain(..count).collect();
        for (node, attempt) in taken {
            match shared.going.job(node, attempt)? {
                Ok(job) => self.jobs.push(job),
                Err(ended) => self.failed.push((node.into(), ended)),
            }
        }
        if self.number == 0 {
            self.jobs.extend(shared.going.take_orders());
        }
        Ok(())
    }

    /// Sees to it that somebody takes what is still waiting: a thread that has nothing, a new one, one that has room.
    fn share<'s>(&mut self, shared: &mut Shared<'a>, scope: &'s Scope<'s, '_>)
    where
        'c: 's,
    {
        if shared.going.waiting.is_empty() {
            return;
        }
        let others = (0..shared.loads.len()).filter(|number| *number != self.number);
        let least = others.min_by_key(|number| shared.loads[*number]);
        let hire = shared.loads.len() < self.crew.size
            && least.is_none_or(|number| shared.loads[number] > 0);
        if hire && self.hire(shared, scope) {
            return;
        }
        if let Some(number) = least.filter(|number| shared.loads[*number] < self.fair(shared)) {
            shared.knock(number);
        }
    }

    /// Sees to it that questions are answered, by threads of their own: an answer may take as long as a command.
    fn answer<'s>(&mut self, shared: &mut Shared<'a>, scope: &'s Scope<'s, '_>)
    where
        'c: 's,
    {
        let crew = self.crew;
        while shared.answering < shared.going.questions.len().min(shared.going.slots) {
            self.can_be_knocked_at(shared);
            // The first thread runs the commands of those who answer.
            if let Some(knocker) = &shared.knockers[0] {
                shared.going.desk.open(knocker.clone());
            }
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            let hired = thread.spawn_scoped(scope, move || crew.answer_questions());
            if hired.is_err() {
                break;
            }
            shared.answering += 1;
        }
    }

    fn can_be_knocked_at(&mut self, shared: &mut Shared<'a>) {
        if self.number == 0 && shared.knockers[0].is_none() {
            shared.knockers[0] = self.inbox.knocker().ok();
        }
    }

    /// The first thread minds the deadlines; it is told of one that comes before what it waits for.
    fn mind(&self, shared: &mut Shared<'a>) {
        let deadline = shared.going.deadline();
        if self.number == 0 {
            shared.minded = deadline;
        } else if deadline.is_some_and(|at| shared.minded.is_none_or(|minded| at < minded))
            || !shared.polls_tokens && shared.going.wanted_tokens().is_some()
        {
            shared.knock(0);
        }
    }

    /// Another thread for what is waiting; whether there is one. When there can't be, those that there are get to it.
    fn hire<'s>(&mut self, shared: &mut Shared<'a>, scope: &'s Scope<'s, '_>) -> bool
    where
        'c: 's,
    {
        self.can_be_knocked_at(shared);
        let (crew, number) = (self.crew, shared.knockers.len());
        let mut inbox = Inbox::without_signals();
        let Ok(knocker) = inbox.knocker() else {
            return false;
        };
        let hired = thread::Builder::new().spawn_scoped(scope, move || {
            Hand::new(crew, number, &mut inbox).work(scope, Vec::new());
        });
        if hired.is_ok() {
            shared.knockers.push(Some(knocker));
            shared.loads.push(0);
        }
        hired.is_ok()
    }

    /// Starts commands. One that could not be started has ended, which is told at the next turn.
    fn start(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            match self.runner.start(&job) {
                Started::Running(process) => {
                    self.crew.lock().going.stops.started(job.id, process.pid);
                    self.begun.extend(begun(&job, process.pid));
                    self.runner.add(job, process);
                }
                Started::Failed(event) => self.failed.push((job.id, event)),
            }
        }
    }

    fn sync(&self) {
        let mut shared = self.crew.lock();
        if let Err(error) = shared.going.journal.sync() {
            shared.end(Err(Error::Store(error)));
        }
    }

    /// Waits for something to happen.
    fn wait(&mut self) -> Ready {
        let (minded, tokens) = if self.number == 0 {
            let mut shared = self.crew.lock();
            let tokens = shared.going.wanted_tokens();
            shared.polls_tokens = tokens.is_some();
            (shared.minded, tokens)
        } else {
            (None, None)
        };
        let deadline = [minded, self.runner.next_deadline()]
            .into_iter()
            .flatten()
            .min();
        self.inbox
            .wait_for_token(&self.runner, deadline, tokens.as_deref())
            .unwrap_or_else(|error| {
                self.crew.lock().end(Err(Error::Wait(error)));
                Ready::default()
            })
    }

    /// Makes inputs of what has happened. A command leaves the book of those under way here, and the turn that says how
    /// it ended follows before anybody else gets the lock; in between it would look as if it had never been started.
    fn take_in(&mut self, shared: &mut Shared<'a>, ready: Ready, inputs: &mut Vec<Input>) {
        if let Err(error) = self.gather(&mut shared.going, ready, &mut shared.answers, inputs) {
            shared.end(Err(Error::Output(error.0)));
        }
    }

    fn gather(
        &mut self,
        going: &mut Going<'a>,
        ready: Ready,
        answers: &mut Vec<Input>,
        inputs: &mut Vec<Input>,
    ) -> Result<(), CaptureError> {
        let mut events: Vec<Event> = Vec::new();
        for place in ready.places {
            events.extend(self.runner.read(place)?);
        }
        let now = going.clock.instant();
        going.stops.tick(now);
        self.runner.reap(now, &mut going.stops, &mut events)?;
        if events
            .iter()
            .any(|event| matches!(event, Event::Answered { .. }))
        {
            going.stops.reap_orphans();
        }
        if events
            .iter()
            .any(|event| matches!(event, Event::Ended { .. }))
        {
            going.stops.reap_orphans();
            going.files_may_have_changed();
        }
        for (id, event) in self.failed.drain(..) {
            going.stops.remove(id);
            events.push(event);
        }
        // Before anything else of them: what has started is written down before its end is.
        inputs.splice(0..0, self.begun.drain(..));
        if inputs.is_empty() {
            inputs.push(Input::Tick);
        }
        if self.number == 0 {
            inputs.append(answers);
        }
        for signal in ready.signals {
            inputs.extend(going.signalled(signal));
        }
        if let Some(caller) = going.caller.as_mut().filter(|_| ready.rung) {
            inputs.extend(caller.inputs());
        }
        for request in ready.requests {
            inputs.extend(going.requested(request));
        }
        for event in events {
            let interrupted = going.interrupted_at_terminal(&event);
            inputs.extend(interrupted.and_then(|signal| going.signalled(signal)));
            inputs.extend(going.input(event));
        }
        Ok(())
    }
}

/// What the record says of a process that was started; nothing of one that is to outlive its run.
fn begun(job: &Job, pid: Pid) -> Option<Input> {
    if job.is_to_leave() {
        return None;
    }
    let of = match job.id {
        CommandId::Step(node) => Some((node, job.attempt)),
        CommandId::Question(_) => None,
    };
    let process = remains::described(pid, Clock::since_boot_ms());
    Some(Input::Begun { of, process })
}

impl Shared<'_> {
    /// The run is over for this process; everybody is told.
    fn end(&mut self, how: Result<Ending, Error>) {
        if how.is_err() {
            self.going.stops.kill_all();
        }
        self.going.evaluator.stop();
        // Nobody follows their commands any more.
        self.going.asked.give_up();
        self.over.get_or_insert(how);
        for number in 0..self.knockers.len() {
            self.knock(number);
        }
    }

    fn knock(&mut self, number: usize) {
        if let Some(knocker) = &self.knockers[number] {
            knocker.knock();
        }
    }
}
