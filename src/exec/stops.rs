//! The commands that are under way, which of them were told to stop, and which has the terminal: the one place that signals
//! them.
//!
//! A command is told once, gets its grace time, and is killed then, or at once when that is asked for. Its process id is
//! only ever used while it is in this book, which it leaves in the same step in which it is reaped, so no signal can
//! reach a process that got the same id later.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::process::signal_group;
use super::terminal::{self, Terminal};
use super::{CommandId, family};
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
pub struct Stops {
    entries: HashMap<CommandId, Entry>,
    terminal: Terminal,
    /// A child was stopped or ended while a command was starting: it may have been that one, whose process was not known.
    look_again: bool,
    /// Zombies were to be ended while a command was starting: it may have been one of them, whose process was not known.
    reap_again: bool,
    /// The last command that has given the terminal back.
    had_terminal: Option<CommandId>,
}

#[derive(Debug)]
struct Entry {
    attempt: u32,
    /// It is to have the terminal.
    wants_terminal: bool,
    /// It has been stopped, and is to go on later.
    stopped: bool,
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
        self.entries
            .get(&node.into())
            .is_some_and(|entry| entry.attempt == attempt)
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A try is about to be started.
    pub fn insert(&mut self, id: impl Into<CommandId>, attempt: u32, wants_terminal: bool) {
        self.entries.insert(
            id.into(),
            Entry {
                attempt,
                wants_terminal,
                stopped: false,
                pid: None,
                told: Told::Nothing,
            },
        );
    }

    /// It has a process now, which is told what was missed in between.
    pub fn started(&mut self, id: impl Into<CommandId>, pid: Pid) {
        let Some(entry) = self.entries.get_mut(&id.into()) else {
            return;
        };
        entry.pid = Some(pid);
        if entry.wants_terminal && self.terminal.lend(pid) {
            // It may have wanted it before it had it, and been stopped for that.
            terminal::resume(pid);
        }
        match entry.told {
            Told::Nothing => {}
            Told::Asked(signal, _) => signal_group(pid, signal),
            Told::Killed => signal_group(pid, Signal::KILL),
        }
        if self.look_again && self.look_for_stopped() {
            terminal::suspend_own_group();
        }
        if self.reap_again {
            self.reap_orphans();
        }
    }

    /// It is over.
    pub fn remove(&mut self, id: impl Into<CommandId>) {
        let id = id.into();
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        if entry.pid.is_some_and(|pid| self.terminal.is_lent_to(pid)) {
            self.had_terminal = Some(id);
            self.terminal.take_back();
            self.lend();
        }
    }

    /// Ends the zombies that nobody waits for.
    pub fn reap_orphans(&mut self) {
        let entries = || self.entries.values();
        self.reap_again = !entries().all(|entry| entry.pid.is_some());
        if !self.reap_again {
            family::reap_orphans(|pid| entries().any(|entry| entry.pid == Some(pid)));
        }
    }

    /// Whether a command that has just ended had the terminal until then.
    pub fn had_terminal(&self, id: impl Into<CommandId>) -> bool {
        self.had_terminal == Some(id.into())
    }

    /// Looks which commands have been stopped. One that was stopped because it wants the terminal gets it, sooner or later.
    /// Says whether flow is to be suspended: Ctrl-Z has suspended the one that has the terminal, or flow is in the background
    /// and has none to lend.
    pub fn look_for_stopped(&mut self) -> bool {
        let mut suspended = false;
        self.look_again = self.entries.values().any(|entry| entry.pid.is_none());
        for entry in self.entries.values_mut() {
            let Some(pid) = entry.pid else { continue };
            match terminal::was_stopped(pid) {
                Some(Signal::TTIN | Signal::TTOU) => entry.wants_terminal = true,
                Some(_) => suspended |= self.terminal.is_lent_to(pid),
                None => continue,
            }
            entry.stopped = true;
        }
        self.lend();
        let waits = |entry: &Entry| entry.stopped && entry.wants_terminal;
        suspended || self.entries.values().any(waits) && self.terminal.is_elsewhere()
    }

    /// Lends the terminal to the first command that was stopped because it wants it.
    fn lend(&mut self) {
        let waits = |entry: &&mut Entry| entry.stopped && entry.wants_terminal;
        let waiting = self.entries.values_mut().filter(waits);
        let first = waiting.filter_map(|entry| Some((entry.pid?, entry)));
        if let Some((pid, entry)) = first.min_by_key(|(pid, _)| pid.as_raw_nonzero())
            && self.terminal.lend(pid)
        {
            entry.stopped = false;
            terminal::resume(pid);
        }
    }

    /// Suspends all of them, and takes the terminal back.
    pub fn suspend(&mut self) {
        for entry in self.entries.values_mut() {
            if let Some(pid) = entry.pid {
                terminal::suspend(pid);
                entry.stopped = true;
            }
        }
        self.terminal.take_back();
    }

    /// Lets all of them go on but those that want the terminal, the first of which gets it if it is there to be lent.
    pub fn resume(&mut self) {
        let lends = self.terminal.exists();
        let waits = |entry: &Entry| entry.wants_terminal && lends;
        let others = self.entries.values_mut().filter(|entry| !waits(entry));
        others.for_each(Entry::resume);
        self.lend();
    }

    /// The same for a flow that was told to go on: in the background those that want the terminal may go on too, until they
    /// really ask for it.
    pub fn resume_all(&mut self) {
        self.resume();
        self.entries.values_mut().for_each(Entry::resume);
    }

    /// Whether it was told to stop.
    pub fn was_told(&self, id: impl Into<CommandId>) -> bool {
        self.entries
            .get(&id.into())
            .is_some_and(|entry| entry.told != Told::Nothing)
    }

    /// Tells a command to stop, the first time it is asked for, and kills it when that is asked for.
    pub fn stop(&mut self, id: impl Into<CommandId>, stop: Stop, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id.into()) else {
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
        for entry in self.entries.values_mut() {
            if matches!(entry.told, Told::Asked(_, deadline) if deadline <= now) {
                entry.tell(Signal::KILL, Told::Killed);
            }
        }
    }

    /// All that is under way.
    pub fn ids(&self) -> Vec<CommandId> {
        self.entries.keys().copied().collect()
    }

    /// Kills all of them.
    pub fn kill_all(&mut self) {
        for entry in self.entries.values_mut() {
            entry.tell(Signal::KILL, Told::Killed);
        }
    }

    /// When the next grace time is over.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadline = |entry: &Entry| match entry.told {
            Told::Asked(_, deadline) => Some(deadline),
            Told::Nothing | Told::Killed => None,
        };
        self.entries.values().filter_map(deadline).min()
    }
}

impl Entry {
    fn resume(&mut self) {
        if let Some(pid) = self.pid.filter(|_| self.stopped) {
            terminal::resume(pid);
            self.stopped = false;
        }
    }

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
        stops.insert(NODE, 1, false);
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
        stops.insert(NODE, 1, false);
        stops.stop(NODE, Stop::Ask(Signal::TERM), now);
        stops.stop(NODE, Stop::Kill, now);
        let mut child = stubborn();
        stops.started(NODE, Pid::from_child(&child));
        let status = child.wait().expect("it is our child");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }
}
