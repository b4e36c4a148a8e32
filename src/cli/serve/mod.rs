//! `flow serve`: what is to run by itself runs.

pub(super) mod fire;
pub(super) mod project;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use self::project::load;
use super::args::{self, LogArg, ServeArgs};
use super::context::{self, Context};
use super::needed::cores;
use super::{Exit, Trouble, running};
use crate::report::log::Log;
use crate::serve::{self, Error, Settings};

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
