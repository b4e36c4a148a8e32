//! All descendants of this process: nobody of a run survives it.
//!
//! A process that leaves its group and its session is still found: flow asks the kernel to be given the orphans of its
//! descendants (`prctl(2)`, PR_SET_CHILD_SUBREAPER), so whoever outlives the task that started it becomes a child of
//! flow. Where there is no such call, only process groups are ended.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use crate::model::id::RunId;

/// Whether this process had children of its own before it ran anything, as after `job & exec flow`.
static STRANGERS: AtomicBool = AtomicBool::new(false);

/// From now on orphans of our descendants are our children.
pub fn adopt_orphans() {
    STRANGERS.store(any_children(), Ordering::Relaxed);
    #[cfg(target_os = "linux")]
    // Without it only process groups are ended, which is what other systems have.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// A descendant that outlived its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its process id.
    pub pid: Pid,
    /// The name of its program.
    pub program: String,
    /// The task that it came from, from its environment; empty when that can't be read.
    pub task: String,
}

/// Whether we have children of any kind. Zombies are ended on the way.
pub fn any_children() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Our children that are alive and of this run.
pub fn children(run: &RunId) -> Vec<Left> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let ours = pids.filter(|pid| parent(*pid) == Some(own));
    ours.filter_map(|pid| left(Pid::from_raw(pid)?, run))
        .collect()
}

/// The parent of a process that is not a zombie; the fields of `proc_pid_stat(5)`.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.next()?.parse().ok())?
}

/// What is known of a child; `None` for one that flow did not start, as far as that can be told.
fn left(pid: Pid, run: &RunId) -> Option<Left> {
    let read = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let environ = read("environ");
    let value = |prefix: &[u8]| {
        let value = environ
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(prefix));
        value
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .unwrap_or_default()
    };
    let ours = !STRANGERS.load(Ordering::Relaxed) || value(b"FLOW_RUN_ID=") == run.as_str();
    let program = String::from_utf8_lossy(&read("comm")).trim().to_owned();
    ours.then(|| Left {
        pid,
        program,
        task: value(b"FLOW_TASK="),
    })
}

/// Sends a signal to one process.
pub fn signal(left: &Left, signal: Signal) {
    // It may have ended since it was seen.
    let _ = kill_process(left.pid, signal);
    if signal != Signal::KILL {
        let _ = kill_process(left.pid, Signal::CONT);
    }
}
