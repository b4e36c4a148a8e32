//! `flow serve`: what is to run by itself runs.

pub(super) mod fire;
pub(super) mod project;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use self::project::load;
use clap::{Args, ValueEnum};

use super::args;
use super::args::{LevelArg, duration};
use super::context::{self, Context};
use super::needed::cores;
use super::verb::Verb;
use super::{Exit, Trouble, running};
use crate::report::log::Log;
use crate::serve::{self, Error, Settings};

/// Run all triggers until stopped
///
/// It runs the triggers in the Workflowfile and in schedules/, each run in its own process, and reloads the files when they
/// change. SIGTERM and Ctrl-C stop it. Without a terminal, SIGHUP reloads the files.
#[derive(Debug, Args)]
pub(in crate::cli) struct ServeArgs {
    /// API address; on addresses other than localhost, clients need the token in .flow/token
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8008")]
    pub(in crate::cli) listen: SocketAddr,
    /// API port; 0 picks a free port and prints it
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) port: Option<u16>,
    /// Run at most N runs at the same time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) max_parallel: Option<u16>,
    /// Time for runs to end on shutdown; runs that take longer are interrupted, and resumed at the next start
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(in crate::cli) grace: Duration,
    /// The log format on stderr
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(in crate::cli) log: LogArg,
    /// How much to log [env: FLOW_LOG] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(in crate::cli) log_level: Option<LevelArg>,
}

/// The form of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogArg {
    /// Lines for people
    Text,
    /// JSON lines
    Json,
}

impl Verb for ServeArgs {
    const NAME: &'static str = "serve";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        serve(context, self)
    }
}

/// Runs the triggers of a project until a signal ends that.
pub(super) fn serve(context: &Context, args: &ServeArgs) -> Result<Exit, Trouble> {
    context::check_zone()?;
    let path = context.path()?;
    let store = context.store()?;
    let project = load(context)?;
    let folder = path.parent().map(std::path::Path::to_path_buf);
    let made = store.make_folders();
    made.map_err(|error| running::unrecorded(&error))?;
    let program = std::env::current_exe()
        .map_err(|error| Trouble::call(format!("can't tell where flow itself is: {error}"), ""))?;
    let mut listen: SocketAddr = args.listen;
    if let Some(port) = args.port {
        listen.set_port(port);
    }
    let settings = Settings {
        program,
        place: vec!["-f".into(), path.into_os_string()],
        folder: folder.unwrap_or_default(),
        state: context.state()?,
        store,
        listen,
        max_parallel: args.max_parallel.map_or_else(cores, usize::from),
        grace: args.grace,
        manager: (std::env::var_os("NOTIFY_SOCKET"), watchdog()),
        terminal: std::io::stdin().is_terminal() || std::io::stderr().is_terminal(),
        log: Log {
            json: args.log == LogArg::Json,
            level: args::level(args.log_level),
            style: context::style(),
        },
        random: running::random(),
    };
    let again = || {
        let context = context.anew();
        load(&context).map_err(|trouble| trouble.words)
    };
    match serve::serve(settings, project, again) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(trouble(&error)),
    }
}

/// How often systemd wants to hear from this process, if it does (sd_watchdog_enabled(3)).
fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let own = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC")
        .filter(|_| own)
        .map(Duration::from_micros)
}

fn trouble(error: &Error) -> Trouble {
    let (exit, help) = match error {
        Error::Another(_) => (
            Exit::Wrong,
            "one is enough; it sees changes of the file by itself",
        ),
        Error::Address(..) => (
            Exit::Wrong,
            "--port 0 takes a free port, --listen another address",
        ),
        Error::Times(_) | Error::System(..) => (Exit::Wrong, ""),
        Error::Journal(_) => (Exit::Record, ""),
        Error::Lost(_) => (
            Exit::Record,
            "start it again; what it had recorded is gone with the folder",
        ),
    };
    Trouble {
        exit,
        ..Trouble::call(error.to_string(), help)
    }
}
