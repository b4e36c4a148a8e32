//! Who is alive of what a test started, told by a variable that all of them inherit.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::space::wait_for;

/// The variable that marks all processes of a test.
pub const MARK: &str = "CASE_MARK";

/// A living process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Its process id.
    pub pid: i32,
    /// The name of its program.
    pub program: String,
}

/// The living processes with this mark; zombies have no environment any more.
pub fn marked(mark: &str) -> Vec<Alive> {
    let entry = format!("{MARK}={mark}").into_bytes();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|process| process.file_name().to_str()?.parse::<i32>().ok());
    let has_mark = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry)
    };
    pids.filter(has_mark).map(alive).collect()
}

fn alive(pid: i32) -> Alive {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Alive {
        pid,
        program: name.trim().to_owned(),
    }
}

/// Whether a process of this id is alive and no zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .map(|(_, fields)| fields.trim_start().chars().next());
    state.flatten().is_some_and(|state| !"ZX".contains(state))
}

/// Kills all processes with this mark, until there are none.
pub fn kill_marked(mark: &str) {
    wait_for("all marked processes to be gone", || {
        let left = marked(mark);
        for one in &left {
            signal(one.pid, Signal::KILL);
        }
        left.is_empty()
    });
}

/// Sends a signal to a process, which may have ended in the meantime.
pub fn signal(pid: i32, signal: Signal) {
    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, signal));
}
