//! The only place that reads the clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::model::time::Timestamp;
use crate::watch::Time;

/// The time of one process: the wall clock at its start and the monotonic clock from then on.
///
/// So a wall clock that is set forward or back in the midst of a run changes no delay, no timeout and no order of facts.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// The time for those who watch files.
    pub const FOR_FILES: Time = Time {
        instant: Instant::now,
        of_files: Self::of_files,
    };

    /// A clock that is set by the wall clock.
    pub fn system() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Self {
            started: Instant::now(),
            started_at: Timestamp::from_micros(micros),
        }
    }

    /// Now, for facts.
    pub fn now(&self) -> Timestamp {
        self.started_at.plus(self.started.elapsed())
    }

    /// The system's own idea of now, which may jump, as files have it: nanoseconds since 1970.
    pub fn of_files() -> i128 {
        let since = Self::wall().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| {
            i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
        })
    }

    /// The same to the microsecond, for times of day.
    pub fn of_day() -> Timestamp {
        let micros = i64::try_from(Self::of_files() / 1_000).unwrap_or(i64::MAX);
        Timestamp::from_micros(micros)
    }

    /// The same as the system has it.
    pub fn wall() -> std::time::SystemTime {
        std::time::SystemTime::now()
    }

    /// Now, for deadlines.
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Milliseconds since the machine was started, as the system says it of processes (`proc_pid_stat(5)`).
    pub fn since_boot_ms() -> u64 {
        let time = clock_gettime(ClockId::Boottime);
        let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
        seconds * 1_000 + nanos / 1_000_000
    }

    /// How long it is until `at`; zero when it has come.
    pub fn until(&self, at: Timestamp) -> Duration {
        at.since(self.now())
    }
}
