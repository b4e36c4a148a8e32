//! `flow serve`: all triggers of a project, run by themselves.
//!
//! ```text
//!  clock, changed files, signals ─► scheduler (pure) ─► journal (first!) ─► a process of flow for each run
//!                                        ▲                                        │
//!                                        └──────────────── how it ended ◄─────────┘
//! ```
//!
//! One thread waits for whatever comes first; nothing wakes it in between. Each run is a process of its own, which owns its record
//! and ends in its own time, so nothing that becomes of this one harms it. What was fired is in the journal before anything is
//! started, and a run is begun once ([`crate::record::submit`]): after a crash what is open is looked at, and gone on with.

mod api;
mod bounded;
mod health;
mod manager;
mod runs;
mod timer;
mod token;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::health::Health;
use self::manager::Manager;
use self::runs::{Came, Runs};
use self::timer::Timer;
use crate::engine::clock::Clock;
use crate::incremental::{Globs, Print};
use crate::model::language::Trigger;
use crate::model::time::Timestamp;
use crate::report::log::{Level, Log};
use crate::store::files::Files;
use crate::trigger::cron::Wrong;
use crate::trigger::fact::{End, Fact, Fire, Record, Skip};
use crate::trigger::journal::{self, Journal, Reader, Running, Server};
use crate::trigger::scheduler::Scheduler;
use crate::watch::{Interest, News, Time, Wanted, Watch};

/// What a server needs.
#[derive(Debug)]
pub struct Settings {
    /// The program flow.
    pub program: PathBuf,
    /// The options that name the project to it.
    pub place: Vec<OsString>,
    /// The folder of the project.
    pub folder: PathBuf,
    /// The folder for what flow keeps.
    pub state: PathBuf,
    /// The records of runs.
    pub store: Files,
    /// Where its API listens.
    pub listen: SocketAddr,
    /// How many runs there are at once.
    pub max_parallel: usize,
    /// How long runs have to end when it is told to stop.
    pub grace: Duration,
    /// The socket of systemd's manager, and how often it wants to hear from us.
    pub manager: (Option<OsString>, Option<Duration>),
    /// Whether it was called at a terminal, with which it goes.
    pub terminal: bool,
    /// Where it says what it does.
    pub log: Log,
    /// Random bits.
    pub random: u64,
}

/// What a project says of triggers.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The triggers.
    pub triggers: Vec<Trigger>,
    /// The files that some of them watch, by their names.
    pub interests: Vec<(String, Interest)>,
    /// The files that say all this.
    pub definition: Vec<PathBuf>,
    /// What they held when they were read.
    pub before: HashMap<PathBuf, Print>,
}

/// Why it could not begin, or go on.
#[derive(Debug)]
pub enum Error {
    /// Another one runs the triggers of this project.
    Another(Option<Running>),
    /// The address is taken, or can't be had.
    Address(SocketAddr, io::Error),
    /// The journal can't be read or written.
    Journal(journal::Error),
    /// The times of a trigger can't be read.
    Times(Wrong),
    /// The system refused something else.
    System(&'static str, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Another(Some(other)) => {
                write!(
                    f,
                    "process {} runs the triggers of this project already",
                    other.pid
                )
            }
            Self::Another(None) => {
                f.write_str("another process runs the triggers of this project already")
            }
            Self::Address(address, error) => write!(f, "can't listen on {address}: {error}"),
            Self::Journal(error) => error.fmt(f),
            Self::Times(wrong) => wrong.fmt(f),
            Self::System(doing, error) => write!(f, "could not {doing}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<journal::Error> for Error {
    fn from(error: journal::Error) -> Self {
        Self::Journal(error)
    }
}

/// How what could not be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(2);

/// How far the clock may be from what it should be before it was set.
const CLOCK_SET: Duration = Duration::from_secs(1);

/// How long it takes at most until a change that was seen is told.
const SETTLED: Duration = Duration::from_secs(3);

/// How often a file that can't be used is read again.
const RELOAD_AGAIN: Duration = Duration::from_secs(5);

/// A change of files waits at most so many times as long as they must be quiet.
const DEBOUNCES_MAX: u32 = 10;

/// Runs the triggers of a project until a signal ends that. `load` reads what the project says, or says what is wrong with it.
///
/// # Errors
///
/// When it can't begin.
pub fn serve(
    settings: Settings,
    project: Project,
    load: impl FnMut() -> Result<Project, String>,
) -> Result<(), Error> {
    let system = |doing| move |error| Error::System(doing, error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("begin"))?;
    runtime.block_on(async {
        let journal = Journal::of(&settings.state);
        let server = journal.serve()?.map_err(Error::Another)?;
        // Before anybody is told whom to signal.
        let signals = Signals::catch(settings.terminal)?;
        let listener = TcpListener::bind(settings.listen)
            .await
            .map_err(|error| Error::Address(settings.listen, error))?;
        let address = listener.local_addr().map_err(system("listen"))?;
        let token = token::of(&settings.state).map_err(system("make the token"))?;
        let mut desk = Desk::new(settings, journal, server, address)?;
        let api = api::serve(listener, address, token, desk.health.clone());
        let api = tokio::spawn(api);
        desk.set(project)?;
        desk.say_hello(address);
        desk.go_on(signals, load).await;
        api.abort();
        Ok(())
    })
}

/// What wakes the loop.
enum Event {
    Time,
    Came(Came),
    Heard(Heard),
    Look,
    Reload,
    Stop,
    Again,
}

/// What is heard of files.
enum Heard {
    Changed {
        /// One of them says what the project is.
        definition: bool,
        /// Those that triggers watch, with the triggers.
        watched: Vec<(String, PathBuf)>,
    },
    /// From now on files are looked at every so often, for this reason.
    Polls(String),
}

impl Heard {
    /// Interests are of the triggers of these names; further ones are of what says what the project is.
    fn of(news: News, names: &[String]) -> Self {
        let changes = match news {
            News::Changed(changes) => changes,
            News::Polls(why) => return Self::Polls(why),
        };
        let (mut definition, mut watched) = (false, Vec::new());
        for change in changes {
            definition |= change.interests.is_empty();
            for number in change.interests {
                match names.get(number) {
                    Some(name) => watched.push((name.clone(), change.path.clone())),
                    None => definition = true,
                }
            }
        }
        Self::Changed {
            definition,
            watched,
        }
    }
}

/// Who decides.
struct Desk {
    settings: Settings,
    scheduler: Scheduler,
    journal: Journal,
    reader: Reader,
    /// What we have written and not read back.
    own: VecDeque<Record>,
    /// What could not be written yet. As long as there is any nothing is begun.
    unwritten: Vec<Record>,
    runs: Runs,
    works: JoinSet<Came>,
    timer: Timer,
    /// Which files are watched, until this is dropped.
    watch: Option<(String, Watch)>,
    /// The files that were watched before, until what was seen of them is told.
    retired: Option<(Watch, Instant)>,
    /// When a file that can't be used is looked at again: what is wrong may stand in another one.
    reload_at: Option<Instant>,
    /// What was last said to be wrong with it.
    wrong: Option<String>,
    /// The clock on the wall, when it was last looked at.
    clock: (Instant, Timestamp),
    /// How long the journal may become, in bytes.
    long: u64,
    heard: (UnboundedSender<Heard>, UnboundedReceiver<Heard>),
    /// Triggers whose files have changed: a file, since when, and until when they must be quiet.
    changed: BTreeMap<String, (String, Instant, Instant)>,
    manager: Manager,
    health: Health,
    /// That we are the one who runs the triggers, until this is dropped.
    _server: Server,
    stopping: bool,
}

struct Signals {
    term: Signal,
    int: Signal,
    /// The terminal is gone, where there was one; else the files are to be read again.
    hup: Signal,
    /// Something was written to the journal.
    usr1: Signal,
    terminal: bool,
}

impl Signals {
    fn catch(terminal: bool) -> Result<Self, Error> {
        let caught = |kind| signal(kind).map_err(|error| Error::System("catch signals", error));
        Ok(Self {
            term: caught(SignalKind::terminate())?,
            int: caught(SignalKind::interrupt())?,
            hup: caught(SignalKind::hangup())?,
            usr1: caught(SignalKind::user_defined1())?,
            terminal,
        })
    }
}

impl Desk {
    fn new(
        settings: Settings,
        journal: Journal,
        mut server: Server,
        address: SocketAddr,
    ) -> Result<Self, Error> {
        let since = Clock::of_day();
        let pid = std::process::id();
        let running = Running {
            pid,
            since,
            address: address.to_string(),
        };
        server
            .is(&running)
            .map_err(|error| Error::System("say who runs the triggers", error))?;
        let mut reader = Reader::of(&journal);
        let mut records = reader.more()?;
        if records.is_empty() {
            let first = Record {
                at: since,
                fact: Fact::State(Box::new(crate::trigger::fact::State {
                    seed: settings.random,
                    ..Default::default()
                })),
            };
            journal.add(std::slice::from_ref(&first))?;
            records = reader.more()?;
        }
        let state = crate::trigger::fact::State::fold(&records);
        let machine = jiff::tz::TimeZone::system();
        let timer = Timer::new().map_err(|error| Error::System("make a timer", error))?;
        let (socket, every) = settings.manager.clone();
        Ok(Self {
            scheduler: Scheduler::new(state, machine, settings.random),
            reader,
            own: VecDeque::new(),
            unwritten: Vec::new(),
            runs: Runs::new(&settings, &journal),
            works: JoinSet::new(),
            timer,
            watch: None,
            retired: None,
            reload_at: None,
            wrong: None,
            clock: (Instant::now(), since),
            long: journal::SHORT,
            heard: unbounded_channel(),
            changed: BTreeMap::new(),
            manager: Manager::new(socket, every),
            health: Health::new(pid, since),
            _server: server,
            stopping: false,
            journal,
            settings,
        })
    }

    /// What the project says from now on.
    fn set(&mut self, project: Project) -> Result<(), Error> {
        let now = Clock::of_day();
        let facts = self
            .scheduler
            .set(project.triggers.clone(), now)
            .map_err(Error::Times)?;
        self.record(facts);
        self.health.triggers(self.scheduler.enabled_and_paused());
        self.watch(&project);
        Ok(())
    }

    /// Watches the files that the project names, unless they are watched already.
    fn watch(&mut self, project: &Project) {
        let what = format!("{:?} {:?}", project.interests, project.definition);
        if self.watch.as_ref().is_some_and(|(known, _)| *known == what) {
            return;
        }
        let (mut interests, mut names) = (Vec::new(), Vec::new());
        for (name, interest) in &project.interests {
            names.push(name.clone());
            interests.push(interest.clone());
        }
        let folder = &self.settings.folder;
        let schedules = ["schedules/*.yml".to_owned(), "schedules/*.yaml".to_owned()];
        interests.push(Interest {
            reads: Globs::read(folder, &schedules),
            makes: Globs::default(),
        });
        let wanted = Wanted {
            root: folder.clone(),
            interests,
            definition: project.definition.clone(),
            poll: None,
        };
        let time = Time {
            instant: || Clock::system().instant(),
            of_files: Clock::of_files,
        };
        let (sender, before) = (self.heard.0.clone(), project.before.clone());
        let tell = move |news| drop(sender.send(Heard::of(news, &names)));
        // The one before ends only when it has told what it has seen; what both tell is one change.
        match Watch::begin(wanted, |_| before, time, tell) {
            Ok(watch) => {
                let before = self.watch.replace((what, watch));
                let until = Instant::now() + SETTLED;
                self.retired = before.map(|(_, watch)| (watch, until));
            }
            Err(error) => {
                let words = format!("{error}; a change of the file is seen after SIGHUP");
                self.say(Level::Error, "watch_failed", &words, &[]);
            }
        }
    }

    fn say(&self, level: Level, event: &str, words: &str, fields: &[(&str, String)]) {
        self.settings
            .log
            .say(Clock::of_day(), level, event, words, fields);
    }

    fn say_hello(&mut self, address: SocketAddr) {
        let triggers = self.scheduler.enabled().count();
        let s = if triggers == 1 { "" } else { "s" };
        let folder = self.settings.folder.display();
        let words =
            format!("flow serve: {triggers} trigger{s} of {folder}, http://{address}/health");
        let fields = [
            ("address", address.to_string()),
            ("triggers", triggers.to_string()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        self.say(Level::Info, "listening", &words, &fields);
        let open = self.scheduler.state().open.len();
        if open > 0 {
            let runs = if open == 1 { "run" } else { "runs" };
            let words = format!("{open} {runs} of before to go on with");
            self.say(
                Level::Info,
                "recovering",
                &words,
                &[("runs", open.to_string())],
            );
        }
        self.manager.ready();
    }

    /// Writes facts down, and says them.
    fn record(&mut self, facts: Vec<Record>) {
        facts.iter().for_each(|fact| self.tell(fact));
        self.unwritten.extend(facts);
        self.write();
    }

    fn write(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        match self.journal.add(&self.unwritten) {
            Ok(()) => {
                if self.health.trouble(None) {
                    self.say(
                        Level::Info,
                        "journal_written",
                        "the journal can be written again",
                        &[],
                    );
                }
                self.own.extend(self.unwritten.drain(..));
            }
            Err(error) => {
                let words = format!("{error}; nothing is started until it can be");
                if !self.health.trouble(Some(words.clone())) {
                    self.say(Level::Error, "journal_unwritten", &words, &[]);
                }
            }
        }
    }

    /// What others have written.
    fn hear(&mut self) {
        match self.reader.more() {
            Ok(records) => {
                for record in records {
                    if self.own.front() == Some(&record) {
                        self.own.pop_front();
                    } else {
                        self.scheduler.heard(&record);
                        self.tell(&record);
                        if matches!(record.fact, Fact::Paused { .. } | Fact::Resumed { .. }) {
                            self.health.triggers(self.scheduler.enabled_and_paused());
                        }
                    }
                }
            }
            Err(error) => self.say(Level::Error, "journal_unread", &error.to_string(), &[]),
        }
    }

    fn tell(&self, record: &Record) {
        let at = |at: &Timestamp| ("scheduled_at", at.to_string());
        let named = |name: &String| ("trigger", name.clone());
        match &record.fact {
            Fact::Fired(fire) => {
                let mut fields = vec![
                    named(&fire.trigger),
                    ("run", fire.run.to_string()),
                    ("task", fire.task.clone()),
                ];
                fields.extend(fire.scheduled.as_ref().map(at));
                let for_what = match (&fire.scheduled, &fire.changed) {
                    (Some(at), _) => format!(" for {}", at.local()),
                    (None, Some(path)) => format!(", because {path} changed"),
                    (None, None) => String::new(),
                };
                let words = format!(
                    "{}: run {} of {}{for_what}",
                    fire.trigger, fire.run, fire.task
                );
                self.say(Level::Info, "fired", &words, &fields);
            }
            Fact::Skipped {
                trigger,
                scheduled,
                why,
            } => {
                let because = match why {
                    Skip::Overlap => "the run before is not over",
                    Skip::QueueFull => "too many runs wait already",
                };
                let words = format!(
                    "{trigger}: skipped {}, because {because}",
                    scheduled.local()
                );
                self.say(
                    Level::Warning,
                    "skipped",
                    &words,
                    &[named(trigger), at(scheduled)],
                );
            }
            Fact::Missed {
                trigger,
                until,
                count,
            } => {
                let count =
                    count.map_or(
                        "more times than are counted".to_owned(),
                        |count| match count {
                            1 => "a time".to_owned(),
                            count => format!("{count} times"),
                        },
                    );
                let words = format!("{trigger}: missed {count} until {}", until.local());
                self.say(
                    Level::Warning,
                    "missed",
                    &words,
                    &[named(trigger), at(until)],
                );
            }
            Fact::Paused { trigger, by } => {
                self.say(
                    Level::Info,
                    "paused",
                    &format!("{trigger}: paused by {by}"),
                    &[named(trigger)],
                );
            }
            Fact::Resumed { trigger, by } => {
                self.say(
                    Level::Info,
                    "resumed",
                    &format!("{trigger}: resumed by {by}"),
                    &[named(trigger)],
                );
            }
            Fact::ClockSetRight { triggers } => {
                let words = format!("the clock was set right; {} go on", triggers.join(", "));
                self.say(Level::Warning, "clock_set_right", &words, &[]);
            }
            Fact::ClockSetBack { triggers } => {
                let words = format!("the clock was set back; {} begin anew", triggers.join(", "));
                self.say(Level::Warning, "clock_set_back", &words, &[]);
            }
            Fact::State(_)
            | Fact::Known { .. }
            | Fact::Renamed { .. }
            | Fact::Begun { .. }
            | Fact::Ended { .. }
            | Fact::Unknown => {}
        }
    }

    /// The loop.
    async fn go_on(
        &mut self,
        mut signals: Signals,
        mut load: impl FnMut() -> Result<Project, String>,
    ) {
        self.recover();
        loop {
            self.do_what_is_due();
            if self.stopping && self.works.is_empty() {
                break;
            }
            match self.wait(&mut signals).await {
                // That the clock was set is noticed where it is looked at.
                Event::Time => {}
                Event::Again => {
                    self.write();
                    self.retired = self
                        .retired
                        .take()
                        .filter(|(_, until)| *until > Instant::now());
                    if self.reload_at.is_some_and(|at| at <= Instant::now()) {
                        self.reload(&mut load);
                    }
                }
                Event::Came(came) => self.came(came),
                Event::Heard(Heard::Changed {
                    definition,
                    watched,
                }) => {
                    self.take(watched);
                    if definition {
                        self.reload(&mut load);
                    }
                }
                Event::Heard(Heard::Polls(why)) => self.say(Level::Warning, "polling", &why, &[]),
                Event::Look => self.hear(),
                Event::Reload => self.reload(&mut load),
                Event::Stop => self.stop(),
            }
        }
        self.hear();
        self.say(Level::Info, "stopped", "stopped", &[]);
    }

    fn do_what_is_due(&mut self) {
        let now = Clock::of_day();
        self.notice_clock(now);
        if !self.stopping {
            let facts = self.scheduler.due(now);
            self.record(facts);
            self.fire_changed(now);
        }
        if !self.stopping && self.unwritten.is_empty() {
            for fire in self.scheduler.outdated() {
                if let Some(fire) = self.scheduler.open(fire) {
                    self.runs.cancel(fire, &mut self.works);
                }
            }
            for fire in self.scheduler.begin(self.settings.max_parallel) {
                self.begin(fire);
            }
        }
        if self.unwritten.is_empty()
            && let Ok(Some(length)) = self.journal.shorten(now, self.long)
        {
            // What is in the new file is what we know.
            self.long = journal::SHORT.max(length * 2);
            self.own.clear();
            self.reader = Reader::of(&self.journal);
            self.hear();
        }
        let next = self.scheduler.next_at().filter(|_| !self.stopping);
        if let Err(error) = self.timer.set(next, now) {
            self.say(
                Level::Error,
                "timer",
                &format!("could not set the timer: {error}"),
                &[],
            );
        }
        self.health.set(&mut self.scheduler, self.stopping);
    }

    /// Sees whether the clock was set since it was last looked at; that the machine was asleep looks the same, and does no harm.
    fn notice_clock(&mut self, now: Timestamp) {
        let instant = Instant::now();
        let (then, was) = std::mem::replace(&mut self.clock, (instant, now));
        let expected = was.plus(instant.saturating_duration_since(then));
        if now.since(expected).max(expected.since(now)) >= CLOCK_SET {
            let facts = self.scheduler.clock_changed(now);
            self.record(facts);
        }
    }

    /// Looks at the fires that an earlier server has left, before anything new is decided: what has ended since is not in the way of
    /// what is due.
    fn recover(&mut self) {
        let open: Vec<Fire> = self.scheduler.state().open.values().cloned().collect();
        for fire in open {
            if let Some(end) = self.runs.ended(&fire) {
                let facts = self.scheduler.ended(fire.fire, end, None, Clock::of_day());
                self.record(facts);
            }
        }
        if self.unwritten.is_empty() {
            for fire in self.scheduler.begin(self.settings.max_parallel) {
                self.begin(fire);
            }
        }
    }

    fn begin(&mut self, fire: Fire) {
        self.works.spawn(self.runs.work_on(fire));
    }

    async fn wait(&mut self, signals: &mut Signals) -> Event {
        let again = (!self.unwritten.is_empty()).then(|| Instant::now() + WRITE_AGAIN);
        let quiet = self.changed.values().map(|(_, _, until)| *until).min();
        let retired = self.retired.as_ref().map(|(_, until)| *until);
        let all = [again, quiet, retired, self.reload_at];
        let soon = all.into_iter().flatten().min();
        let grace = self.runs.deadline();
        tokio::select! {
            biased;
            _ = signals.term.recv() => Event::Stop,
            _ = signals.int.recv() => Event::Stop,
            _ = signals.hup.recv() => if signals.terminal { Event::Stop } else { Event::Reload },
            _ = signals.usr1.recv() => Event::Look,
            Some(came) = self.works.join_next() => match came {
                Ok(came) => Event::Came(came),
                // One that panicked has said so; its fire is looked at after the next start.
                Err(_) => Event::Again,
            },
            Some(heard) = self.heard.1.recv() => Event::Heard(heard),
            () = self.timer.wait() => Event::Time,
            () = sleep(soon) => Event::Again,
            () = sleep(grace) => {
                self.runs.interrupt();
                Event::Again
            }
            () = self.manager.beat() => Event::Again,
        }
    }

    /// A run has come to an end, or nobody works on it any more.
    fn came(&mut self, came: Came) {
        self.hear();
        match came {
            Came::Ended {
                fire,
                end,
                error,
                run,
            } => {
                let trigger = self
                    .scheduler
                    .state()
                    .open
                    .get(&fire)
                    .map(|fire| fire.trigger.clone());
                let facts = self
                    .scheduler
                    .ended(fire, end, error.clone(), Clock::of_day());
                self.record(facts);
                let trigger = trigger.unwrap_or_default();
                let fields = [
                    ("trigger", trigger.clone()),
                    ("run", run.to_string()),
                    ("status", end.word().to_owned()),
                ];
                let (level, words) = match (end, error) {
                    (End::Completed, _) => (Level::Info, format!("{trigger}: run {run} completed")),
                    (End::Cancelled, _) => (
                        Level::Warning,
                        format!("{trigger}: run {run} was cancelled"),
                    ),
                    (End::Failed, _) => (
                        Level::Error,
                        format!("{trigger}: run {run} failed; flow logs {run}"),
                    ),
                    (End::Refused, error) => {
                        let error = error.unwrap_or_default();
                        (
                            Level::Error,
                            format!("{trigger}: no run could begin\n{}", error.trim_end()),
                        )
                    }
                    (End::GivenUp, _) => (
                        Level::Error,
                        format!(
                            "{trigger}: run {run} was interrupted again and again, and is given up; flow resume {run}"
                        ),
                    ),
                };
                self.say(level, "ended", &words, &fields);
            }
            Came::Left { fire } => self.scheduler.left(fire),
            Came::Cancelled => {}
        }
    }

    /// Takes in files that triggers watch.
    fn take(&mut self, watched: Vec<(String, PathBuf)>) {
        let now = Instant::now();
        for (name, path) in watched {
            let mut watches = self.scheduler.watches();
            let Some((_, _, debounce)) = watches.find(|(trigger, ..)| trigger.name == name) else {
                continue;
            };
            let path = path.strip_prefix(&self.settings.folder).unwrap_or(&path);
            let path = path.display().to_string();
            let entry = self.changed.entry(name).or_insert((path, now, now));
            entry.2 = (now + debounce).min(entry.1 + debounce * DEBOUNCES_MAX);
        }
    }

    /// The triggers whose files have been quiet for long enough.
    fn fire_changed(&mut self, now: Timestamp) {
        let instant = Instant::now();
        let quiet: Vec<(String, String)> = self
            .changed
            .iter()
            .filter(|(_, (_, _, until))| *until <= instant)
            .map(|(name, (path, ..))| (name.clone(), path.clone()))
            .collect();
        for (name, path) in quiet {
            self.changed.remove(&name);
            let facts = self.scheduler.changed(&name, &path, now);
            self.record(facts);
        }
    }

    fn reload(&mut self, load: &mut impl FnMut() -> Result<Project, String>) {
        if self.stopping {
            return;
        }
        if self.reload_at.is_none() {
            self.manager.reloading();
        }
        let loaded = load();
        let wrong = match loaded {
            Ok(project) => match self.set(project) {
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            },
            Err(words) => Some(words),
        };
        let quietly = self.reload_at.take().is_some() && self.wrong == wrong;
        self.reload_at = wrong.as_ref().map(|_| Instant::now() + RELOAD_AGAIN);
        match &wrong {
            _ if quietly => {}
            None => {
                let triggers = self.scheduler.enabled().count();
                let words = format!("read the file again: {triggers} triggers");
                let fields = [("triggers", triggers.to_string())];
                self.say(Level::Info, "reloaded", &words, &fields);
            }
            Some(words) => {
                let words = words.trim_end();
                let words = format!("the file can't be used, so all stays as it was\n{words}");
                self.say(Level::Error, "reload_failed", &words, &[]);
            }
        }
        self.wrong.clone_from(&wrong);
        self.health.file(wrong);
        self.manager.ready();
    }

    /// Nothing more begins; what runs may end in its time, and at the second call at once.
    fn stop(&mut self) {
        if self.stopping {
            return self.runs.interrupt();
        }
        self.stopping = true;
        self.manager.stopping();
        let (running, _) = self.scheduler.counts();
        let words = if running == 0 {
            "stopping".to_owned()
        } else {
            let grace = crate::trigger::words::span(self.settings.grace);
            let runs = if running == 1 { "run has" } else { "runs have" };
            format!(
                "stopping: {running} {runs} {grace} to end; what does not is interrupted, and resumed at the next start"
            )
        };
        self.say(
            Level::Info,
            "stopping",
            &words,
            &[("runs", running.to_string())],
        );
        self.runs.stop(self.settings.grace);
    }
}

/// Until then; for ever without a time.
async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
