//! The loop: what comes first, what follows from it, what is written down, and what is done then.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::files::{Files, Heard};
use super::health::Health;
use super::ledger::Ledger;
use super::manager::Manager;
use super::runs::{Came, Runs};
use super::said::Said;
use super::signals::{Asked, Signals};
use super::timer::Timer;
use super::{Error, Project, Settings};
use crate::engine::clock::Clock;
use crate::model::time::Timestamp;
use crate::report::level::Level;
use crate::trigger::fact::{Fact, Fire, Record};
use crate::trigger::journal::{Journal, Running, Server};
use crate::trigger::scheduler::Scheduler;

/// How long it takes until what could not be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(2);

/// How far the clock may be from what it should be before it was set.
const CLOCK_SET: Duration = Duration::from_secs(1);

/// How often a file that can't be used is read again.
const RELOAD_AGAIN: Duration = Duration::from_secs(5);

/// A change of files waits at most so many times as long as they must be quiet.
const DEBOUNCES_MAX: u32 = 10;

/// What wakes the loop.
enum Event {
    Time,
    Came(Came),
    Heard(Heard),
    Asked(Asked),
    Again,
}

/// Who decides.
pub(super) struct Desk {
    settings: Settings,
    scheduler: Scheduler,
    ledger: Ledger,
    /// Whether it was said that the ledger can't be written.
    complained: bool,
    runs: Runs,
    works: JoinSet<Came>,
    timer: Timer,
    files: Files,
    /// Triggers whose files have changed: a file, since when, and until when they must be quiet.
    changed: BTreeMap<String, (String, Instant, Instant)>,
    /// When a file that can't be used is looked at again: what is wrong may stand in another one.
    reload_at: Option<Instant>,
    /// What was last said to be wrong with it.
    wrong: Option<String>,
    /// The clock on the wall, when it was last looked at.
    clock: (Instant, Timestamp),
    manager: Manager,
    health: Health,
    /// That we are the one who runs the triggers, until this is dropped.
    server: Server,
    /// The folder of flow's own data was removed, and so another server may begin beside this one.
    lost: bool,
    stopping: bool,
}

impl Desk {
    /// For whoever has become the server of a project, at this address.
    pub(super) fn new(
        settings: Settings,
        journal: Journal,
        mut server: Server,
        address: SocketAddr,
    ) -> Result<Self, Error> {
        let (since, pid) = (Clock::of_day(), std::process::id());
        let running = Running {
            pid,
            since,
            address: address.to_string(),
        };
        server
            .is(&running)
            .map_err(|error| Error::System("say who runs the triggers", error))?;
        let runs = Runs::new(&settings, &journal);
        let (ledger, state) = Ledger::open(journal, since, settings.random)?;
        let machine = jiff::tz::TimeZone::system();
        let timer = Timer::new().map_err(|error| Error::System("make a timer", error))?;
        let (socket, every) = settings.manager.clone();
        Ok(Self {
            scheduler: Scheduler::new(state, machine),
            ledger,
            complained: false,
            runs,
            works: JoinSet::new(),
            timer,
            files: Files::new(),
            changed: BTreeMap::new(),
            reload_at: None,
            wrong: None,
            clock: (Instant::now(), since),
            manager: Manager::new(socket, every),
            health: Health::new(pid, since),
            server,
            lost: false,
            stopping: false,
            settings,
        })
    }

    /// How it stands, for others.
    pub(super) fn health(&self) -> Health {
        self.health.clone()
    }

    /// What the project says from now on.
    pub(super) fn set(&mut self, project: Project) -> Result<(), Error> {
        let now = Clock::of_day();
        let facts = self
            .scheduler
            .set(project.triggers.clone(), now)
            .map_err(Error::Times)?;
        self.record(facts);
        self.health.triggers(self.scheduler.enabled_and_paused());
        if let Err(error) = self.files.watch(&project, &self.settings.folder) {
            let words = format!("{error}; a change of the file is seen after SIGHUP");
            self.say(Level::Error, "watch_failed", &words, &[]);
        }
        Ok(())
    }

    fn say(&self, level: Level, event: &str, words: &str, fields: &[(&str, String)]) {
        let log = &self.settings.log;
        log.say(Clock::of_day(), level, event, words, fields);
    }

    fn tell(&self, said: &Said) {
        self.say(said.level, said.event, &said.words, &said.fields);
    }

    /// Says that it is there.
    pub(super) fn say_hello(&mut self, address: SocketAddr) {
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
        for said in facts.iter().filter_map(Said::of) {
            self.tell(&said);
        }
        self.ledger.add(facts);
        self.write();
    }

    fn write(&mut self) {
        let written = self.ledger.write();
        let complained = std::mem::replace(&mut self.complained, written.is_err());
        match written {
            Ok(_) if complained => {
                let words = "the journal can be written again";
                self.say(Level::Info, "journal_written", words, &[]);
                self.health.trouble(None);
            }
            Ok(_) => {}
            Err(error) => {
                let words = format!("{error}; nothing is started until it can be");
                if !complained {
                    self.say(Level::Error, "journal_unwritten", &words, &[]);
                }
                self.health.trouble(Some(words));
            }
        }
    }

    /// Takes in what others have written.
    fn hear(&mut self) {
        let records = match self.ledger.hear() {
            Ok(records) => records,
            Err(error) => {
                return self.say(Level::Error, "journal_unread", &error.to_string(), &[]);
            }
        };
        for record in records {
            self.scheduler.heard(&record);
            if let Some(said) = Said::of(&record) {
                self.tell(&said);
            }
            if matches!(record.fact, Fact::Paused { .. } | Fact::Resumed { .. }) {
                self.health.triggers(self.scheduler.enabled_and_paused());
            }
        }
    }

    /// The loop.
    pub(super) async fn go_on(
        &mut self,
        mut signals: Signals,
        mut load: impl FnMut() -> Result<Project, String>,
    ) -> Result<(), Error> {
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
                    self.files.tidy();
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
                Event::Asked(Asked::Look) => self.hear(),
                Event::Asked(Asked::Reload) => self.reload(&mut load),
                Event::Asked(Asked::Stop) => self.stop(),
            }
        }
        if self.lost {
            return Err(Error::Lost(self.settings.state.path().to_owned()));
        }
        self.hear();
        self.say(Level::Info, "stopped", "stopped", &[]);
        Ok(())
    }

    fn do_what_is_due(&mut self) {
        let now = Clock::of_day();
        self.notice_clock(now);
        if !self.lost && !self.server.is_at_its_path() {
            self.lost = true;
            if !self.stopping {
                self.stop();
            }
        }
        if !self.stopping {
            let facts = self.scheduler.due(now);
            self.record(facts);
            self.fire_changed(now);
        }
        if !self.stopping && self.ledger.is_written() {
            for fire in self.scheduler.outdated() {
                if let Some(fire) = self.scheduler.open(fire) {
                    self.runs.cancel(fire, &mut self.works);
                }
            }
            for fire in self.scheduler.begin(self.settings.max_parallel) {
                self.begin(fire);
            }
        }
        // Where it can't be made shorter it stays as long as it is.
        if let Ok(true) = self.ledger.shorten(now) {
            self.hear();
        }
        let next = self.scheduler.next_at().filter(|_| !self.stopping);
        if let Err(error) = self.timer.set(next, now) {
            let words = format!("could not set the timer: {error}");
            self.say(Level::Error, "timer", &words, &[]);
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
        if self.ledger.is_written() {
            for fire in self.scheduler.begin(self.settings.max_parallel) {
                self.begin(fire);
            }
        }
    }

    fn begin(&mut self, fire: Fire) {
        self.works.spawn(self.runs.work_on(fire));
    }

    async fn wait(&mut self, signals: &mut Signals) -> Event {
        let again = (!self.ledger.is_written()).then(|| Instant::now() + WRITE_AGAIN);
        let quiet = self.changed.values().map(|(_, _, until)| *until).min();
        let all = [again, quiet, self.files.deadline(), self.reload_at];
        let soon = all.into_iter().flatten().min();
        let grace = self.runs.deadline();
        tokio::select! {
            biased;
            asked = signals.next() => Event::Asked(asked),
            Some(came) = self.works.join_next() => match came {
                Ok(came) => Event::Came(came),
                // One that panicked has said so; its fire is looked at after the next start.
                Err(_) => Event::Again,
            },
            heard = self.files.next() => Event::Heard(heard),
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
                let open = self.scheduler.open(fire);
                let trigger = open.map(|fire| fire.trigger.clone()).unwrap_or_default();
                let said = Said::ended(&trigger, &run, end, error.as_deref());
                let facts = self.scheduler.ended(fire, end, error, Clock::of_day());
                self.record(facts);
                self.tell(&said);
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
