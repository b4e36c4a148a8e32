//! What is written and synced when, by the calls that the kernel sees (the table in docs/record.md). Needs strace(1).

pub mod support;

use std::time::{Duration, Instant};

use support::Space;

/// A call that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// A try that begins was written to the record.
    Began,
    /// Facts were written, of which none says so.
    Facts,
    Synced,
    /// A command was executed.
    Command,
    /// It was said that a run begins.
    Begun,
    /// The record was made.
    Made,
    /// The end of the record was kept apart.
    Head,
}

/// The calls of a run of the task `all`, after it has run once; `None` without strace.
fn calls(workflow: &str) -> Option<Vec<Call>> {
    let space = Space::with(workflow);
    assert_eq!(space.run(&["-q", "all"]).code, 0);
    traced(&space)
}

fn traced(space: &Space) -> Option<Vec<Call>> {
    let mut strace = space.command("strace");
    strace.args([
        "-f",
        "-qq",
        "-s",
        "100000",
        "-e",
        "trace=write,fdatasync,execve,openat,openat2",
        "-o",
        "trace",
    ]);
    strace.args([env!("CARGO_BIN_EXE_flow"), "-q", "all"]);
    let ended = match strace.stdout(std::process::Stdio::piped()).spawn() {
        Ok(strace) => space.finish(strace),
        Err(_) => {
            support::skipped("the order of calls, because there is no strace");
            return None;
        }
    };
    let Some(trace) = space.read("trace").filter(|trace| trace.contains("execve")) else {
        support::skipped("the order of calls, because strace may not trace here");
        return None;
    };
    assert_eq!(ended.code, 0, "{}", ended.err());
    let call = |line: &str| {
        // What another thread does in between stands before the end of a call.
        let done = !line.contains("ENOENT") && !line.contains("<unfinished");
        let facts = line.contains("write(") && line.contains("{\\\"seq\\\":");
        Some(match line {
            _ if !done => return None,
            // Which process it is need not survive a power cut.
            _ if facts && kinds(line) == ["process_started"] => return None,
            _ if facts && line.contains("attempt_started") => Call::Began,
            _ if facts => Call::Facts,
            _ if line.contains("write(") && is_head(line) => Call::Head,
            _ if line.contains("write(") && line.contains(" begun\\n") => Call::Begun,
            _ if line.contains(".facts\"") && line.contains("O_EXCL") => Call::Made,
            _ if line.contains("fdatasync") => Call::Synced,
            _ if line.contains("execve") => Call::Command,
            _ => return None,
        })
    };
    // The helper of a run that has to be safe does its own things.
    let helper = trace.lines().find(|line| line.contains("flow-keeper"));
    let helper = helper.and_then(|line| line.split(' ').next());
    let is_flows = |line: &&str| helper != line.split(' ').next();
    let calls: Vec<Call> = trace.lines().filter(is_flows).filter_map(call).collect();
    // The first command is flow itself.
    assert_eq!(calls[0], Call::Command, "{trace}");
    Some(calls[1..].to_vec())
}

/// The kinds of the facts in a call.
fn kinds(line: &str) -> Vec<&str> {
    let texts = line.split("\\\"kind\\\":\\\"").skip(1);
    texts.filter_map(|text| text.split('\\').next()).collect()
}

/// `write(5, "6fc3v6986g 12 5778…\n", 80)`
fn is_head(line: &str) -> bool {
    let text = line.split('"').nth(1).unwrap_or_default();
    let words: Vec<&str> = text.trim_end_matches("\\n").split(' ').collect();
    matches!(words[..], [_, count, hash] if count.parse::<u64>().is_ok() && hash.len() == 64)
}

const THREE: &str = "tasks: {all: {run: ['true', 'true', 'true']}}\n";

#[test]
fn a_command_starts_after_its_fact_is_written() {
    let Some(calls) = calls(THREE) else {
        return;
    };
    assert_eq!(
        calls[..2],
        [Call::Begun, Call::Made],
        "no moment loses a run: {calls:?}"
    );
    let (mut began, mut started) = (0, 0);
    for call in &calls {
        began += i32::from(*call == Call::Began);
        started += i32::from(*call == Call::Command);
        assert!(started <= began, "{calls:?}");
    }
    assert_eq!((began, started), (3, 3));
    let last = calls
        .iter()
        .rposition(|call| matches!(call, Call::Facts | Call::Began));
    let end = &calls[last.expect("there are facts") + 1..];
    assert_eq!(end.last(), Some(&Call::Head), "{calls:?}");
}

#[test]
fn a_run_of_some_length_is_synced_at_its_end_and_a_brief_one_is_not() {
    let long = THREE.replace("'true', 'true'", "'true', sleep 0.06");
    let Some(calls) = calls(&long) else {
        return;
    };
    assert_eq!(
        calls[calls.len() - 2..],
        [Call::Synced, Call::Head],
        "{calls:?}"
    );
    let space = Space::with(THREE);
    let since = Instant::now();
    let calls = traced(&space).expect("it worked before");
    // On a machine that is busy no run is brief.
    if since.elapsed() < Duration::from_millis(50) {
        assert!(!calls.contains(&Call::Synced), "{calls:?}");
    }
}

#[test]
fn with_durable_nothing_starts_before_all_facts_are_on_the_disk() {
    all_is_synced("durable: true");
}

#[test]
fn so_it_is_with_a_lock() {
    all_is_synced("locks: [a]");
}

fn all_is_synced(key: &str) {
    let Some(calls) = calls(&THREE.replace("{run", &format!("{{{key}, run"))) else {
        return;
    };
    let mut unsynced = false;
    for call in &calls {
        match call {
            Call::Began | Call::Facts => unsynced = true,
            Call::Synced => unsynced = false,
            Call::Command | Call::Head => assert!(!unsynced, "{calls:?}"),
            Call::Begun | Call::Made => {}
        }
    }
    assert_eq!(
        calls.iter().filter(|call| **call == Call::Command).count(),
        3
    );
}

/// What a durable run needs after a power cut is on the disk before its first fact is.
#[test]
fn the_plan_is_synced_before_the_first_fact() {
    let space = Space::with("tasks: {kept: {durable: true, run: 'true'}, plain: 'true'}\n");
    let synced = |task: &str| -> Option<Vec<String>> {
        let mut command = space.command("strace");
        command.args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-o", "calls"]);
        command.args([env!("CARGO_BIN_EXE_flow"), "-q", task]);
        let ended = space.finish(command.spawn().ok()?);
        if ended.code != 0 {
            return None;
        }
        let calls = space.read("calls").expect("it writes them down");
        // `PID fsync(3</a/path>) = 0`
        let path = |line: &str| Some(line.split_once('<')?.1.split_once('>')?.0.to_owned());
        Some(
            calls
                .lines()
                // What another process does in between stands before the end of a call.
                .filter(|line| line.ends_with("= 0") || line.ends_with("<unfinished ...>"))
                .filter_map(path)
                .filter(|path| path.starts_with('/'))
                .collect(),
        )
    };
    if space.command("strace").arg("-V").output().is_err() || synced("plain").is_none() {
        support::skipped("what is synced when, because strace can't be used here");
        return;
    }
    let state = space.state().display().to_string();
    let calls = synced("kept").expect("it worked before");
    let first = |so: &dyn Fn(&str) -> bool| calls.iter().position(|path| so(path));
    let fact = first(&|path| path.ends_with(".facts")).expect("facts are synced");
    let plans = format!("{state}/plans");
    let plan = first(&|path| path.starts_with(&plans) && path.ends_with(".json"));
    assert!(plan.is_some_and(|at| at < fact), "the plan: {calls:#?}");
    // A name is on the disk when its folder is.
    for folder in [plans.clone(), format!("{state}/runs"), state] {
        let at = first(&|path| path == folder);
        assert!(at.is_some_and(|at| at < fact), "{folder}: {calls:#?}");
    }
    // A run that is not durable pays for none of it.
    let calls = synced("plain").expect("it worked before");
    assert!(
        calls.iter().all(|path| path.ends_with(".facts")),
        "{calls:#?}"
    );
}
