//! Each call to the system that flow makes in a run fails once: it says so and ends with the right exit code, or goes on and has lost
//! nothing. It never hangs, and no record is wrong afterwards.
//!
//! strace(1) makes the n-th call of a kind fail, for every n that a run has. Calls that can't fail (getpid) and those that the loader and
//! Rust's runtime make before `main` are left out. The n-th call fails in each thread of flow, and in each command and shell that it runs:
//! what fails there is a failure as any.

pub mod support;

use std::collections::BTreeMap;
use std::process::Child;

use support::{Ended, Space};

const WORKFLOW: &str = "
tasks:
  all: {depends_on: [gen, par], run: [cat out, echo end]}
  gen: {sources: [in], generates: [out], run: 'cp in out; echo made'}
  par: {vars: {v: {sh: echo val}}, run: 'echo par {{ v }}'}
";

/// The calls that fail, each with an error that it may have.
const FAIL: [(&str, &str); 22] = [
    ("read", "EIO"),
    ("write", "EIO"),
    ("write", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("openat2", "EMFILE"),
    ("openat", "EMFILE"),
    ("pipe2", "EMFILE"),
    ("ppoll", "ENOMEM"),
    ("waitid", "EINTR"),
    ("pidfd_open", "EMFILE"),
    ("clone3", "EAGAIN"),
    ("flock", "EINTR"),
    ("fdatasync", "EIO"),
    ("fsync", "EIO"),
    ("ftruncate", "EIO"),
    ("lseek", "EIO"),
    ("linkat", "EIO"),
    ("renameat", "EIO"),
    ("unlinkat", "EIO"),
    ("mkdirat", "EIO"),
    ("getdents64", "EIO"),
    ("statx", "EIO"),
];

/// How many calls of one kind fail, one at a time.
const CALLS_MAX: usize = 60;

fn start(space: &Space, options: &[&str]) -> Option<Child> {
    let mut strace = space.command("strace");
    strace.args(["-f", "-qq", "-o", "trace"]).args(options);
    strace.args([env!("CARGO_BIN_EXE_flow"), "-j2", "all"]);
    strace.spawn().ok()
}

fn project() -> Space {
    let space = Space::with(WORKFLOW);
    space.write("in", "hello\n");
    space
}

/// What it printed, line by line; tasks beside one another are in any order.
fn printed(ended: &Ended) -> Vec<String> {
    let mut lines: Vec<String> = ended.out().lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn whatever_call_fails_nothing_is_lost_in_silence() {
    let space = project();
    let Some(child) = start(&space, &[]) else {
        support::skipped("calls that fail, because there is no strace");
        return;
    };
    let good = space.finish(child);
    let trace = space.read("trace").unwrap_or_default();
    if good.code != 0 || !trace.contains("execve") {
        support::skipped("calls that fail, because strace may not trace here");
        return;
    }
    // `PID name(…`: how often each thread makes a call.
    let mut of_threads: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (thread, call) in trace.lines().filter_map(|line| line.split_once(' ')) {
        let name = call.trim_start().split('(').next().unwrap_or_default();
        *of_threads.entry((thread, name)).or_default() += 1;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for ((_, name), number) in of_threads {
        let most = counts.entry(name).or_default();
        *most = number.max(*most);
    }
    let mut tried = 0;
    for (call, error) in FAIL {
        for number in 1..=counts.get(call).copied().unwrap_or(0).min(CALLS_MAX) {
            tried += usize::from(fail(call, error, number, &printed(&good)));
        }
    }
    assert!(tried > 100, "only {tried} calls have failed");
}

/// Whether the call failed within flow.
fn fail(call: &str, error: &str, number: usize, good: &[String]) -> bool {
    let space = project();
    let inject = format!("inject={call}:error={error}:when={number}");
    let child = start(&space, &["-e", &inject]).expect("strace was there before");
    let ended = space.finish(child);
    let err = ended.err();
    let what = || {
        format!(
            "{call} {number} with {error}: exit code {} {err}",
            ended.code
        )
    };
    if err.contains("error while loading shared libraries") {
        return false;
    }
    assert!([0, 1, 2, 5].contains(&ended.code), "{}", what());
    assert!(!err.contains("panicked"), "{}", what());
    match ended.code {
        0 => assert_eq!(printed(&ended), good, "{}", what()),
        _ => assert!(!err.trim().is_empty(), "{}", what()),
    }
    space.assert_nobody_left();
    // What it could record is whole.
    let verified = space.run(&["verify", "--all"]);
    assert_eq!(verified.code, 0, "{}\n{}", what(), verified.err());
    true
}
