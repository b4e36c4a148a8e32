//! Signals that the server knows.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Error;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To stop.
    Stop,
    /// To read the files again.
    Reload,
    /// To look what others have written to the journal.
    Look,
}

/// Those that are caught.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
    quit: Signal,
    /// The terminal is gone, where there was one; else the files are to be read again.
    hup: Signal,
    usr1: Signal,
    terminal: bool,
}

impl Signals {
    /// From now on.
    pub(super) fn catch(terminal: bool) -> Result<Self, Error> {
        let caught = |kind| signal(kind).map_err(|error| Error::System("catch signals", error));
        Ok(Self {
            term: caught(SignalKind::terminate())?,
            int: caught(SignalKind::interrupt())?,
            quit: caught(SignalKind::quit())?,
            hup: caught(SignalKind::hangup())?,
            usr1: caught(SignalKind::user_defined1())?,
            terminal,
        })
    }

    /// Waits for one.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::Stop,
            _ = self.int.recv() => Asked::Stop,
            _ = self.quit.recv() => Asked::Stop,
            _ = self.hup.recv() => if self.terminal { Asked::Stop } else { Asked::Reload },
            _ = self.usr1.recv() => Asked::Look,
        }
    }
}
