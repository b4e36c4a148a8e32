//! The commands that are under way, and which of them were told to stop: the one place that signals them.
//!
//! A command is told once, gets its grace time, and is killed then, or at once when that is asked for. Its process id is
//! only ever used while it is in this book, which it leaves in the same step in which it is reaped, so no signal can
//! reach a process that got the same id later.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::process::signal_group;
use crate::model::id::NodeId;

/// How long a process has between being told to stop and being killed.
pub const GRACE: Duration = Duration::from_secs(10);

/// How a command is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// With this signal, and with SIGKILL after the grace time.
    Ask(Signal),
    /// With SIGKILL at once.
    Kill,
}

/// The commands that are under way.
#[derive(Debug, Default)]
pub struct Stops(HashMap<NodeId, Entry>);

#[derive(Debug)]
struct Entry {
    attempt: u32,
    /// Its process, once it has one.
    pid: Option<Pid>,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// With this signal; killed at this time.
    Asked(Signal, Instant),
    Killed,
}

impl Stops {
    /// Whether this try is under way.
    pub fn has(&self, node: NodeId, attempt: u32) -> bool {
        self.0
            .get(&node)
            .is_some_and(|entry| entry.attempt == attempt)
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A try is about to be started.
    pub fn insert(&mut self, node: NodeId, attempt: u32) {
        self.0.insert(
            node,
            Entry {
                attempt,
                pid: None,
                told: Told::Nothing,
            },
        );
    }

    /// It has a process now, which is told what was missed in between.
    pub fn started(&mut self, node: NodeId, pid: Pid) {
        let Some(entry) = self.0.get_mut(&node) else {
            return;
        };
        entry.pid = Some(pid);
        match entry.told {
            Told::Nothing => {}
            Told::Asked(signal, _) => signal_group(pid, signal),
            Told::Killed => signal_group(pid, Signal::KILL),
        }
    }

    /// It is over.
    pub fn remove(&mut self, node: NodeId) {
        self.0.remove(&node);
    }

    /// Whether it was told to stop.
    pub fn was_told(&self, node: NodeId) -> bool {
        self.0
            .get(&node)
            .is_some_and(|entry| entry.told != Told::Nothing)
    }

    /// Tells a command to stop, the first time it is asked for, and kills it when that is asked for.
    pub fn stop(&mut self, node: NodeId, stop: Stop, now: Instant) {
        let Some(entry) = self.0.get_mut(&node) else {
            return;
        };
        match (stop, entry.told) {
            (Stop::Ask(signal), Told::Nothing) => {
                entry.tell(signal, Told::Asked(signal, now + GRACE))
            }
            (Stop::Kill, Told::Nothing | Told::Asked(..)) => entry.tell(Signal::KILL, Told::Killed),
            _ => {}
        }
    }

    /// Kills those whose grace time is over.
    pub fn tick(&mut self, now: Instant) {
        for entry in self.0.values_mut() {
            if matches!(entry.told, Told::Asked(_, deadline) if deadline <= now) {
                entry.tell(Signal::KILL, Told::Killed);
            }
        }
    }

    /// Kills all of them.
    pub fn kill_all(&mut self) {
        for entry in self.0.values_mut() {
            entry.tell(Signal::KILL, Told::Killed);
        }
    }

    /// When the next grace time is over.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadline = |entry: &Entry| match entry.told {
            Told::Asked(_, deadline) => Some(deadline),
            Told::Nothing | Told::Killed => None,
        };
        self.0.values().filter_map(deadline).min()
    }
}

impl Entry {
    fn tell(&mut self, signal: Signal, told: Told) {
        self.told = told;
        if let Some(pid) = self.pid {
            signal_group(pid, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    use super::*;

    const NODE: NodeId = NodeId(7);

    /// A process that ignores SIGTERM, once it has said so.
    fn stubborn() -> Child {
        let script = "trap '' TERM; echo ready; while :; do sleep 60; done";
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .process_group(0)
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("there is a shell");
        let mut said = [0; 6];
        let stdout = child.stdout.as_mut().expect("it is piped");
        std::io::Read::read_exact(stdout, &mut said).expect("it says that it is ready");
        child
    }

    #[test]
    fn what_ignores_its_signal_is_killed_when_its_time_is_over() {
        let mut child = stubborn();
        let (mut stops, now) = (Stops::default(), Instant::now());
        stops.insert(NODE, 1);
        stops.started(NODE, Pid::from_child(&child));
        stops.stop(NODE, Stop::Ask(Signal::TERM), now);
        assert_eq!(stops.next_deadline(), Some(now + GRACE));
        stops.tick(now + GRACE - Duration::from_millis(1));
        assert!(
            child.try_wait().expect("it is our child").is_none(),
            "it was killed too early"
        );
        stops.tick(now + GRACE);
        assert_eq!(stops.next_deadline(), None);
        let status = child.wait().expect("it is our child");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn what_starts_after_it_was_told_to_stop_is_told_at_once() {
        let (mut stops, now) = (Stops::default(), Instant::now());
        stops.insert(NODE, 1);
        stops.stop(NODE, Stop::Ask(Signal::TERM), now);
        stops.stop(NODE, Stop::Kill, now);
        let mut child = stubborn();
        stops.started(NODE, Pid::from_child(&child));
        let status = child.wait().expect("it is our child");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }
}
