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
mod desk;
mod files;
mod health;
mod ledger;
mod manager;
mod runs;
mod said;
mod signals;
mod timer;
mod token;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;

use self::desk::Desk;
use self::signals::Signals;
use crate::disk::Folder;
use crate::incremental::Print;
use crate::model::language::Trigger;
use crate::report::log::Log;
use crate::store::files::Files;
use crate::trigger::cron::Wrong;
use crate::trigger::journal::{self, Journal, Running};
use crate::watch::Interest;

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
    pub state: Folder,
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
    /// The folder of flow's own data was removed, or another one is in its place.
    Lost(PathBuf),
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
            Self::Lost(path) => write!(
                f,
                "{} was removed while this server used it: another server may begin beside it",
                path.display()
            ),
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
        let api = api::serve(listener, address, token, desk.health());
        let api = tokio::spawn(api);
        desk.set(project)?;
        desk.say_hello(address);
        let ended = desk.go_on(signals, load).await;
        api.abort();
        ended
    })
}
