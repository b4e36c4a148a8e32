//! Working on the runs of fires: each is a process of flow, begun once, and taken up again when it was interrupted.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Settings;
use super::said::Said;
use crate::disk::How;
use crate::engine::clock::Clock;
use crate::model::id::RunId;
use crate::record;
use crate::record::submit::{self, First};
use crate::report::log::Log;
use crate::store::files::Files;
use crate::store::{Kind, Store};
use crate::trigger::fact::{End, Fire};
use crate::trigger::journal::Journal;

/// How often it is looked whether a run of another process has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How often a run is taken up that is interrupted again and again, and how long is waited in between, at first.
const TRIES_MAX: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long after it could not be a run is asked to end once more.
const CANCEL_AGAIN: Duration = Duration::from_secs(1);

/// How much is kept of what the process of a run said that could not begin, in bytes.
const SAID_MAX: u64 = 8 << 10;

/// What a process of flow says by its exit code when the call or the file is wrong.
const WRONG: i32 = 2;
/// And when the record can't be kept.
const UNRECORDED: i32 = 5;

/// What became of the work on a run.
pub(super) enum Came {
    /// The run is over, or there will be none.
    Ended {
        fire: u64,
        run: RunId,
        end: End,
        error: Option<String>,
    },
    /// It is not over, and nobody works on it any more.
    Left { fire: u64 },
    /// Somebody was asked to end a run.
    Cancelled,
}

/// The processes of runs.
#[derive(Clone)]
pub(super) struct Runs {
    program: PathBuf,
    place: Vec<OsString>,
    folder: PathBuf,
    store: Files,
    journal: Journal,
    log: Log,
    shared: Arc<Mutex<Shared>>,
    /// Whether nothing more is taken up.
    stopping: watch::Sender<bool>,
}

#[derive(Default)]
struct Shared {
    /// The processes that work on fires.
    processes: HashMap<u64, u32>,
    /// Those that were asked to end.
    cancelled: HashSet<u64>,
    /// When what runs is interrupted.
    deadline: Option<Instant>,
}

/// How a run stands.
enum Stands {
    Ended(End),
    /// Somebody works on it.
    Owned,
    /// It has a record and is not over.
    Interrupted,
    /// It has not begun.
    Nothing,
    /// It had begun, and there is no record of it any more.
    Gone,
}

/// Why it can't be seen how a run stands, and whether that is so for good.
struct Unseen(String, bool);

impl From<crate::store::Error> for Unseen {
    fn from(error: crate::store::Error) -> Self {
        Self(error.to_string(), error.kind == Kind::Damaged)
    }
}

impl Runs {
    pub(super) fn new(settings: &Settings, journal: &Journal) -> Self {
        Self {
            program: settings.program.clone(),
            place: settings.place.clone(),
            folder: settings.folder.clone(),
            store: settings.store.clone(),
            journal: journal.clone(),
            log: settings.log,
            shared: Arc::default(),
            stopping: watch::channel(false).0,
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is taken up; what runs is interrupted after this time.
    pub(super) fn stop(&self, grace: Duration) {
        self.shared().deadline = Some(Instant::now() + grace);
        self.stopping.send_replace(true);
    }

    /// When what runs is to be interrupted.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.shared().deadline
    }

    /// Interrupts what runs: it ends its commands, and can be resumed.
    pub(super) fn interrupt(&self) {
        let mut shared = self.shared();
        shared.deadline = None;
        for process in shared.processes.values() {
            let pid = i32::try_from(*process).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                // One that has just ended needs no signal.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    }

    /// Ends a run because a later one takes its place.
    pub(super) fn cancel(&self, fire: &Fire, works: &mut JoinSet<Came>) {
        if !self.shared().cancelled.insert(fire.fire) {
            return;
        }
        let mut command = self.command();
        let why = "its trigger has fired again";
        command.args(["@cancel", fire.run.as_str(), "--reason", why]);
        command.stderr(Stdio::null());
        let (runs, number) = (self.clone(), fire.fire);
        works.spawn(async move {
            let done = command.status().await;
            if !done.is_ok_and(|status| status.success()) {
                // It has not begun yet, or has just ended: whoever finds it open still asks again.
                runs.rest(CANCEL_AGAIN).await;
                runs.shared().cancelled.remove(&number);
            }
            Came::Cancelled
        });
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.place)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // What Ctrl-C asks of us is not asked of it.
            .process_group(0);
        for name in [
            "FLOW_RUN_ID",
            "FLOW_PID",
            "FLOW_TASK",
            "FLOW_ATTEMPT",
            "FLOW_OUTPUT",
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Sees to it that the run of a fire comes to its end.
    pub(super) fn work_on(&self, fire: Fire) -> impl Future<Output = Came> + Send + 'static {
        let runs = self.clone();
        async move {
            let number = fire.fire;
            let came = runs.work(fire).await;
            runs.shared().cancelled.remove(&number);
            came
        }
    }

    async fn work(&self, mut fire: Fire) -> Came {
        let number = fire.fire;
        let ended = |fire: &Fire, end, error| Came::Ended {
            fire: number,
            run: fire.run.clone(),
            end,
            error,
        };
        let (mut tries, mut pause, mut rest) = (0, FIRST_PAUSE, false);
        loop {
            let stands = match self.look(&mut fire) {
                Ok(stands) => stands,
                Err(Unseen(error, true)) => return ended(&fire, End::GivenUp, Some(error)),
                // No more files, a disk that does not answer: that may pass.
                Err(Unseen(_, false)) if !*self.stopping.borrow() => {
                    self.rest(LOOK_AGAIN * 8).await;
                    continue;
                }
                Err(Unseen(..)) => return Came::Left { fire: number },
            };
            let resumes = matches!(stands, Stands::Interrupted);
            match stands {
                Stands::Ended(end) => return ended(&fire, end, None),
                Stands::Gone => {
                    let why = "its record was removed before anybody saw how it ended";
                    return ended(&fire, End::GivenUp, Some(why.to_owned()));
                }
                Stands::Owned if *self.stopping.borrow() => return Came::Left { fire: number },
                Stands::Owned => {
                    self.rest(LOOK_AGAIN).await;
                    continue;
                }
                _ if *self.stopping.borrow() => return Came::Left { fire: number },
                Stands::Interrupted | Stands::Nothing => {}
            }
            if rest {
                self.rest(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                rest = false;
                continue;
            }
            if tries >= TRIES_MAX {
                return ended(&fire, End::GivenUp, None);
            }
            (tries, rest) = (tries + 1, true);
            let (code, said) = match self.run(&fire, resumes).await {
                Ok(done) => done,
                Err(error) => (None, error.to_string()),
            };
            let has_record = !matches!(self.look(&mut fire), Ok(Stands::Nothing));
            if !has_record && code == Some(WRONG) {
                return ended(&fire, End::Refused, Some(said));
            }
            match code {
                // A full disk, no more processes: it waits for better times.
                Some(UNRECORDED) => {
                    tries = 0;
                    self.say_delayed(&fire, &said);
                }
                None if !has_record => {
                    tries = 0;
                    self.say_delayed(&fire, &said);
                }
                _ if has_record => {}
                None => {}
                Some(_) if tries >= TRIES_MAX => return ended(&fire, End::Refused, Some(said)),
                Some(_) => {}
            }
        }
    }

    /// Says that a run waits until something that is in its way has passed.
    fn say_delayed(&self, fire: &Fire, said: &str) {
        let said = Said::delayed(&fire.trigger, &fire.run, said);
        let Said {
            level,
            event,
            words,
            fields,
        } = &said;
        self.log.say(Clock::of_day(), *level, event, words, fields);
    }

    /// Waits, but not when it is told to stop.
    async fn rest(&self, pause: Duration) {
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            () = sleep(pause) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    /// A process for it; its exit code, and what it said.
    async fn run(&self, fire: &Fire, resumes: bool) -> std::io::Result<(Option<i32>, String)> {
        let (folder, name) = (self.journal.said(), fire.fire.to_string());
        // What the process of a server before this one has said stands in it.
        let mut said = match folder.open_made(&name, How::New) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                folder.open(&name, How::Append)?
            }
            opened => opened?,
        };
        let mut command = self.command();
        if resumes {
            command.args(["@resume", fire.run.as_str(), "--quiet", "--output", "group"]);
        } else {
            let number = fire.fire.to_string();
            command.args(["run", "--fire", &number, "--quiet", "--output", "group"]);
        }
        let mut child = command.stderr(said.try_clone()?).spawn()?;
        if let Some(pid) = child.id() {
            self.shared().processes.insert(fire.fire, pid);
        }
        let status = child.wait().await;
        self.shared().processes.remove(&fire.fire);
        let length = said.metadata().map_or(0, |meta| meta.len());
        let mut words = Vec::new();
        said.seek(SeekFrom::Start(length.saturating_sub(SAID_MAX)))?;
        said.read_to_end(&mut words)?;
        // Nobody reads it any more.
        let _ = folder.remove(&name);
        Ok((status?.code(), String::from_utf8_lossy(&words).into_owned()))
    }

    /// How the run of a fire stands. An id that was another's has been changed, which the journal says.
    fn look(&self, fire: &mut Fire) -> Result<Stands, Unseen> {
        for _ in 0..2 {
            match submit::triggered(&self.store, &fire.run) {
                Ok(First::Trigger(trigger))
                    if trigger.fire == fire.fire && trigger.name == fire.trigger =>
                {
                    return Ok(self.of_record(&fire.run)?);
                }
                Ok(First::Nothing) => {
                    let owned = self.store.is_owned(&fire.run)?;
                    return Ok(if owned {
                        Stands::Owned
                    } else {
                        Stands::Nothing
                    });
                }
                Err(error) if error.kind == Kind::Missing && fire.begun => return Ok(Stands::Gone),
                Err(error) if error.kind == Kind::Missing => return Ok(Stands::Nothing),
                Ok(First::Trigger(_) | First::Other) => {}
                Err(error) => return Err(error.into()),
            }
            let state = self.journal.state();
            let state = state.map_err(|error| Unseen(error.to_string(), false))?;
            match state.open.get(&fire.fire) {
                Some(now) if now.run != fire.run => fire.run = now.run.clone(),
                _ => return Ok(Stands::Nothing),
            }
        }
        Ok(Stands::Nothing)
    }

    /// How the run of a fire has ended, if it has.
    pub(super) fn ended(&self, fire: &Fire) -> Option<End> {
        match self.look(&mut fire.clone()) {
            Ok(Stands::Ended(end)) => Some(end),
            _ => None,
        }
    }

    fn of_record(&self, run: &RunId) -> Result<Stands, crate::store::Error> {
        // Asked first: what its owner has written then is there when it is read.
        let owned = self.store.is_owned(run)?;
        let end = record::end(&self.store, run)?;
        Ok(match end.map(|(_, end)| end) {
            _ if owned => Stands::Owned,
            Some(end) => Stands::Ended(end.into()),
            None => Stands::Interrupted,
        })
    }
}
