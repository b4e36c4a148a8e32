//! A timer by the clock on the wall: it comes at its time also when the machine was asleep, or the clock was set meanwhile.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

use crate::model::time::Timestamp;

/// The timer: timerfd(2), which nothing wakes but its time and a change of the clock.
pub(super) struct Timer {
    descriptor: OwnedFd,
    /// The same for tokio, whose own type for descriptors is not safe; this one reads from any.
    reader: Receiver,
}

/// Far away; a timer that is not armed is not told that the clock was set.
const FAR: i64 = 1 << 40;

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
        Ok(Self {
            reader: Receiver::from_owned_fd_unchecked(timer.try_clone()?)?,
            descriptor: timer,
        })
    }

    /// Sets it to a time, or to none.
    pub(super) fn set(&self, at: Option<Timestamp>, now: Timestamp) -> io::Result<()> {
        // Zero would mean never; what has come already comes at once.
        let micros = at.map(|at| at.max(Timestamp::from_micros(1)).as_micros());
        let value = match micros {
            Some(micros) => Timespec {
                tv_sec: micros.div_euclid(1_000_000),
                tv_nsec: micros.rem_euclid(1_000_000) * 1_000,
            },
            None => Timespec {
                tv_sec: now.as_micros() / 1_000_000 + FAR,
                tv_nsec: 0,
            },
        };
        let spec = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: value,
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        match timerfd_settime(&self.descriptor, flags, &spec) {
            // It was set all the same; whoever sets it looks at the clock and sees that that was set.
            Ok(_) | Err(Errno::CANCELED) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until its time has come, or the clock was set.
    pub(super) async fn wait(&self) {
        loop {
            if self.reader.readable().await.is_err() {
                return std::future::pending().await;
            }
            let mut count = [0; 8];
            match self.reader.try_read(&mut count) {
                Ok(_) => return,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::CANCELED) => return,
                // It was set anew in between.
                Err(_) => {}
            }
        }
    }
}
