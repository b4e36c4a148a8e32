//! All descendants of this process: nobody of a run survives it.
//!
//! A process that leaves its group and its session is still found: flow asks the kernel to be given the orphans of its
//! descendants (`prctl(2)`, PR_SET_CHILD_SUBREAPER), so whoever outlives the task that started it becomes a child of
//! flow. Where there is no such call, only process groups are ended.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, wait, waitid,
};

use crate::core::fact::LeftRunning;
use crate::model::id::{NodeId, RunId};

/// Whether this process had children of its own before it ran anything, as after `job & exec flow`.
static STRANGERS: AtomicBool = AtomicBool::new(false);

fn has_strangers() -> bool {
    STRANGERS.load(Ordering::Relaxed)
}

/// From now on orphans of our descendants are our children.
pub fn adopt_orphans() {
    STRANGERS.store(any_children(), Ordering::Relaxed);
    #[cfg(target_os = "linux")]
    // Without it only process groups are ended, which is what other systems have.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Whether all orphans there are come to us, as they do in a container that runs nothing else.
pub fn is_first_process() -> bool {
    rustix::process::getpid().is_init()
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

/// Children that are no commands of a step, and that whoever started them waits for.
static OTHERS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The children that are waited for by whoever started them; none is started by others as long as this is held.
pub fn others() -> MutexGuard<'static, Vec<Pid>> {
    OTHERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the zombies among the orphans that were given to us, while others of our children go on. The first process of a
/// container and whoever takes in orphans have to, or those fill the table of processes.
///
/// `is_command` tells the commands of steps, whose ends are asked for elsewhere; none may be starting.
pub fn reap_orphans(is_command: impl Fn(Pid) -> bool) {
    let others = others();
    while let Some(pid) = next_zombie() {
        if is_command(pid) || others.contains(&pid) {
            // Whoever waits for it comes soon; what is behind it is seen the next time.
            return;
        }
        let _ = waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
    }
}

/// A child that has ended, which stays one that has.
#[expect(
    unsafe_code,
    reason = "rustix does not tell which child waitid(2) has found"
)]
fn next_zombie() -> Option<Pid> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `found` is a valid struct that waitid only writes; with WNOHANG and nobody found its process id stays zero.
    let pid = unsafe {
        let mut found: libc::siginfo_t = std::mem::zeroed();
        let result = libc::waitid(libc::P_ALL, 0, &raw mut found, flags);
        (result == 0).then(|| found.si_pid())
    };
    Pid::from_raw(pid?)
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
    let ours = pids().filter(|pid| parent(*pid) == Some(own));
    ours.filter_map(|pid| left(Pid::from_raw(pid)?, run))
        .collect()
}

/// Those of our descendants that are alive, of this run and not known yet, the youngest first.
///
/// Where the system says who the children of a process are (`/proc/PID/task/TID/children`, proc(5)), this looks at nobody else, so
/// that it is done sooner than a program that has just started can start the next.
pub fn new_descendants(run: &RunId, known: &HashSet<Pid>) -> Vec<Left> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let (mut all, mut next) = (vec![own], 0);
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        all.extend(children_of(pid));
    }
    let young = all.into_iter().skip(1).rev();
    let new = young
        .filter_map(Pid::from_raw)
        .filter(|pid| !known.contains(pid) && is_alive(pid.as_raw_nonzero().get()));
    new.filter_map(|pid| left(pid, run)).collect()
}

/// The children of a process, of all its threads; none where the system does not say.
fn children_of(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let mut children = Vec::new();
    for list in lists {
        children.extend(
            list.split_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    children
}

/// Processes of this run that are alive and whose flow is gone; never this one or one that it descends from. `logs` is the folder
/// of the output of all runs of the project: in another project (a copy of this one, or by chance) a run may have the same id.
pub(super) fn marked(run: &RunId, logs: &Path) -> Vec<Left> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let logs = logs.canonicalize().ok();
    let here = |environ: &[u8]| {
        let output = variable(environ, OUTPUT);
        let folder = Path::new(&output).parent();
        // Of a run without a record it is in memory.
        output.starts_with("/proc/")
            || folder.and_then(|folder| folder.canonicalize().ok()) == logs && logs.is_some()
    };
    let marked = pids().filter(|pid| {
        let environ = environ(*pid);
        *pid != own
            && variable(&environ, RUN) == run.as_str()
            && here(&environ)
            && is_alive(*pid)
            && !has_flow(*pid, &environ)
    });
    marked
        .filter(|pid| !is_ancestor(*pid))
        .filter_map(|pid| left(Pid::from_raw(pid)?, run))
        .collect()
}

/// The variables of the environment by which a process of a run is known.
const RUN: &[u8] = b"FLOW_RUN_ID=";
const TASK: &[u8] = b"FLOW_TASK=";
const OUTPUT: &[u8] = b"FLOW_OUTPUT=";

/// The variable that tells a command which process is its flow. A run that is taken up has another one than before.
pub const FLOW_PID: &str = "FLOW_PID";

/// The value of that variable.
pub fn flow_pid() -> Vec<u8> {
    std::process::id().to_string().into_bytes()
}

/// Whether the flow that started a process with this environment still has it.
fn has_flow(pid: i32, environ: &[u8]) -> bool {
    let flow = variable(environ, format!("{FLOW_PID}=").as_bytes()).parse();
    flow.is_ok_and(|flow| descends_from(pid, flow))
}

/// The variable by which what a step leaves running on purpose is known from what has to end with its run.
pub const TO_LEAVE: &str = "FLOW_LEFT_RUNNING_BY";

/// The runs of this process that leave something running.
static LEAVING: Mutex<Vec<RunId>> = Mutex::new(Vec::new());

/// The value of that variable for a try of a step.
pub fn mark_to_leave(run: &RunId, node: NodeId, attempt: u32) -> String {
    let mut leaving = LEAVING.lock().unwrap_or_else(PoisonError::into_inner);
    if !leaving.contains(run) {
        leaving.push(run.clone());
    }
    mark(run, node, attempt)
}

fn mark(run: &RunId, node: NodeId, attempt: u32) -> String {
    format!("{run}/{node}.{attempt}")
}

/// The processes that a try of a step has left running on purpose.
pub fn left_running(run: &RunId, node: NodeId, attempt: u32) -> Vec<LeftRunning> {
    let mark = mark(run, node, attempt);
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let ours = pids().filter(|pid| parent(*pid) == Some(own) && to_leave(&environ(*pid)) == mark);
    ours.map(|pid| LeftRunning {
        pid,
        program: program(pid),
    })
    .collect()
}

fn to_leave(environ: &[u8]) -> String {
    variable(environ, format!("{TO_LEAVE}=").as_bytes())
}

/// Whether a process with this environment goes on after the runs of this process.
fn is_to_stay(environ: &[u8]) -> bool {
    let leaving = LEAVING.lock().unwrap_or_else(PoisonError::into_inner);
    let mark = to_leave(environ);
    leaving
        .iter()
        .any(|run| mark.split('/').next() == Some(run.as_str()))
}

/// Whether a run of this process leaves anything running.
pub fn leaves_any() -> bool {
    !LEAVING
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_empty()
}

/// The name of the program of a process.
fn program(pid: i32) -> String {
    let program = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&program).trim().to_owned()
}

/// All processes there are.
pub(super) fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The environment that a process was started with; empty when that can't be read.
fn environ(pid: i32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}

/// The value of a variable, whose name is given with the equals sign; empty when there is none.
fn variable(environ: &[u8], name: &[u8]) -> String {
    let value = environ
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name));
    value
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}

/// The parent of a process that is not a zombie; the fields of `proc_pid_stat(5)`.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.next()?.parse().ok())?
}

/// Whether there is a process of this number that has not ended.
pub fn is_alive(pid: i32) -> bool {
    parent(pid).is_some()
}

/// Whether a process is one that this one descends from.
pub fn is_ancestor(pid: i32) -> bool {
    descends_from(rustix::process::getpid().as_raw_nonzero().get(), pid)
}

/// Whether a process comes from another, by those that are alive between them.
fn descends_from(pid: i32, other: i32) -> bool {
    let mut at = pid;
    // The first process has no parent, and nothing descends from itself.
    while let Some(above) = parent(at).filter(|above| *above > 0) {
        if above == other {
            return true;
        }
        at = above;
    }
    false
}

/// A process that is of a run, of the task that its environment says, or else this one.
pub(super) fn found(pid: Pid, task: &str) -> Left {
    let number = pid.as_raw_nonzero().get();
    let named = variable(&environ(number), TASK);
    Left {
        pid,
        program: program(number),
        task: if named.is_empty() {
            task.to_owned()
        } else {
            named
        },
    }
}

/// Whether a run has left a process running on purpose.
pub(super) fn is_left_by(pid: i32, run: &RunId) -> bool {
    to_leave(&environ(pid)).split('/').next() == Some(run.as_str())
}

/// What is known of a child; `None` for one that flow did not start, as far as that can be told.
fn left(pid: Pid, run: &RunId) -> Option<Left> {
    let environ = environ(pid.as_raw_nonzero().get());
    let ours = !has_strangers() || variable(&environ, RUN) == run.as_str();
    (ours && !is_to_stay(&environ)).then(|| Left {
        pid,
        program: program(pid.as_raw_nonzero().get()),
        task: variable(&environ, TASK),
    })
}

/// The process group of flow; none where it can't be named, as for the first process of a container whose group is that of somebody
/// outside.
pub fn own_group() -> Option<Pid> {
    group_of(None)
}

/// The process group of a process, or of flow itself.
#[expect(
    unsafe_code,
    reason = "the safe interface takes it for granted that a group has a number here"
)]
fn group_of(pid: Option<Pid>) -> Option<Pid> {
    // SAFETY: getpgid(2) takes a number and returns one.
    let group = unsafe { libc::getpgid(Pid::as_raw(pid)) };
    (group > 0).then(|| Pid::from_raw(group)).flatten()
}

/// Sends a signal to one process and to its group, so that it reaches what is being started there at the moment.
pub fn signal(left: &Left, signal: Signal) {
    let group = group_of(Some(left.pid));
    if let Some(group) = group.filter(|group| Some(*group) != own_group() && !has_strangers()) {
        let _ = kill_process_group(group, signal);
    }
    // It may have ended since it was seen.
    let _ = kill_process(left.pid, signal);
    if signal != Signal::KILL {
        let _ = kill_process(left.pid, Signal::CONT);
    }
}
