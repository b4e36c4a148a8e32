//! What systemd's manager is told: that we are ready, that we stop, that we are alive (sd_notify(3)). Without one, nothing.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub(super) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    every: Option<Duration>,
    next: Instant,
}

impl Manager {
    /// At this socket; it wants to hear from us at least so often.
    pub(super) fn new(socket: Option<OsString>, every: Option<Duration>) -> Self {
        let socket = socket.and_then(|name| {
            let bytes = name.as_bytes();
            let address = match bytes.strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&name),
            };
            Some((UnixDatagram::unbound().ok()?, address.ok()?))
        });
        Self {
            every: every.filter(|_| socket.is_some()).map(|every| every / 2),
            socket,
            next: Instant::now(),
        }
    }

    pub(super) fn ready(&self) {
        self.send("READY=1");
    }

    pub(super) fn reloading(&self) {
        // The manager wants to know since when, by the clock that it uses itself.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Waits until it is time to say that we are alive, and says it; for ever when nobody wants to know.
    pub(super) async fn beat(&mut self) {
        let Some(every) = self.every else {
            return std::future::pending().await;
        };
        sleep_until(self.next).await;
        self.next = Instant::now() + every;
        self.send("WATCHDOG=1");
    }

    fn send(&self, words: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that is gone needs to know nothing.
            let _ = socket.send_to_addr(words.as_bytes(), address);
        }
    }
}
