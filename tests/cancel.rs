//! A run is cancelled from another process, or after its own has died (R16).

pub mod support;

use std::time::Duration;

use fastrand::Rng;
use flow::core::fact::{Fact, RunEnd};
use flow::core::state::RunStage;
use rustix::process::Signal;
use support::processes::signal;
use support::{Space, wait_for};

const LONG: &str = "
tasks:
  long: {run: ['echo begin >> log', 'setsid sleep 600 & sleep 600'], finally: echo finally >> log}
  after: {depends_on: [long], run: echo after >> log}
";

fn begun(space: &Space) {
    wait_for("the step to begin", || space.has("log"));
}

/// The record says that it was cancelled, by whom and why; `finally` has run once and nobody is left.
fn assert_cancelled(space: &Space, by: &str, reason: &str) {
    let records = space.records();
    let record = records.last().expect("there is a run");
    assert_eq!(record.state.stage(), RunStage::Finished(RunEnd::Cancelled));
    let told = record.facts.iter().any(|entry| {
        matches!(&entry.fact, Fact::CancelRequested { by: Some(who), reason: Some(why), .. }
            if who == by && why == reason)
    });
    assert!(told, "{:#?}", record.lines);
    assert_eq!(space.read("log").as_deref(), Some("begin\nfinally\n"));
    space.assert_nobody_left();
}

#[test]
fn a_run_in_another_process_is_ended() {
    let space = Space::with(LONG);
    let flow = space.start(&["after"]);
    begun(&space);
    let args = ["cancel", "--by", "ada", "--reason", "wrong branch"];
    let cancel = space.run(&args);
    assert_eq!(cancel.code, 0, "{}", cancel.err());
    assert!(cancel.err().contains("was cancelled"), "{}", cancel.err());
    let ended = space.finish(flow);
    assert_eq!(ended.code, 4, "{}", ended.err());
    assert!(
        ended.err().contains("cancelled by ada: wrong branch"),
        "{}",
        ended.err()
    );
    assert_cancelled(&space, "ada", "wrong branch");
    let again = space.run(&["cancel"]);
    assert_eq!(again.code, 2);
    assert!(again.err().contains("nothing to cancel"), "{}", again.err());
    let resumed = space.run(&["resume", "latest"]);
    assert_eq!(resumed.code, 4, "{}", resumed.err());
}

#[test]
fn a_run_whose_process_has_died_is_ended_here() {
    let space = Space::with(LONG);
    let mut flow = space.start(&["after"]);
    begun(&space);
    signal(
        i32::try_from(flow.id()).expect("a process id"),
        Signal::KILL,
    );
    flow.wait().expect("it is ours");
    let cancel = space.run(&["cancel", "latest:after", "--by", "ada", "--reason", "dead"]);
    assert_eq!(cancel.code, 0, "{}", cancel.err());
    assert_cancelled(&space, "ada", "dead");
    let left = std::fs::read_dir(space.state().join("runs"))
        .expect("it is there")
        .count();
    assert_eq!(left, 1, "only the record is left");
}

/// What a run does when it is cancelled: waits for a time, for the next try, for a question, for a command of a value.
#[test]
fn whatever_a_run_waits_for_it_ends() {
    for (what, task) in [
        ("a wait", "{run: [echo begin >> log, {wait: 10m}]}"),
        (
            "a condition",
            "{run: [echo begin >> log, {wait: {until: {sh: 'false'}}}]}",
        ),
        (
            "the next try",
            "{retry: {attempts: 3, delay: 10m}, run: 'echo begin >> log; false'}",
        ),
        (
            "a value",
            "{vars: {v: {sh: 'echo begin >> log; sleep 600'}}, run: 'echo {{ v }}'}",
        ),
        (
            "a question",
            "{if: {sh: 'echo begin >> log; sleep 600'}, run: echo x}",
        ),
    ] {
        let space = Space::with(&format!("tasks: {{long: {task}}}\n"));
        let flow = space.start(&["long"]);
        begun(&space);
        let cancel = space.run(&["cancel"]);
        assert_eq!(cancel.code, 0, "{what}: {}", cancel.err());
        assert_eq!(space.finish(flow).code, 4, "{what}");
        assert_eq!(space.read("log").as_deref(), Some("begin\n"), "{what}");
        space.assert_nobody_left();
    }
}

#[test]
fn at_whatever_moment_it_is_asked_it_ends_one_way_or_the_other() {
    let space = Space::with("tasks: {short: {run: [sleep 0.02, sleep 0.02, sleep 0.1]}}\n");
    let mut rng = Rng::with_seed(5);
    for round in 0..support::rounds(25) {
        let flow = space.start(&["-q", "short"]);
        std::thread::sleep(Duration::from_micros(rng.u64(0..160_000)));
        let cancel = space.run(&["cancel"]);
        let code = space.finish(flow).code;
        let Some(last) = space.records().into_iter().next_back() else {
            assert_eq!((cancel.code, code), (2, 0), "{round}: {}", cancel.err());
            continue;
        };
        let end = match last.state.stage() {
            RunStage::Finished(end) => end,
            other => panic!("{round}: {other:?}"),
        };
        // The run before this one may be meant, which has ended.
        let expected = match end {
            RunEnd::Completed => (2, 0),
            _ => (0, 4),
        };
        assert_eq!((cancel.code, code), expected, "{round}: {}", cancel.err());
    }
    space.assert_nobody_left();
}

/// A flow that a task has started ends as the run that it belongs to: cancelled, and not to be taken up again.
#[test]
fn the_run_of_a_flow_below_is_cancelled_too() {
    let space = Space::with(
        "
tasks:
  outer: flow middle
  middle: flow inner
  inner: {run: ['touch began', 'sleep 600'], finally: echo tidied >> log}
",
    );
    let child = space.start(&["-q", "outer"]);
    wait_for("the innermost command", || space.has("began"));
    let cancelled = space.run(&["cancel", "latest:outer", "--reason", "wrong"]);
    assert_eq!(cancelled.code, 0, "{}", cancelled.err());
    assert_eq!(space.finish(child).code, 4);
    let history = space.run(&["history", "--json"]).out();
    assert_eq!(history.lines().count(), 3, "{history}");
    assert_eq!(
        history.matches("\"status\":\"cancelled\"").count(),
        3,
        "{history}"
    );
    assert_eq!(space.read("log").as_deref(), Some("tidied\n"));
    assert_eq!(space.run(&["resume"]).code, 2, "nothing was interrupted");
    space.assert_nobody_left();
}

/// A signal is no cancel: what it ends can go on.
#[test]
fn the_run_of_a_flow_below_is_interrupted_with_its_parent() {
    let space =
        Space::with("tasks:\n  outer: flow inner\n  inner: {run: [touch began, sleep 600]}\n");
    let child = space.start(&["-q", "outer"]);
    wait_for("the innermost command", || space.has("began"));
    let pid = i32::try_from(child.id()).expect("a process id");
    support::processes::signal(pid, rustix::process::Signal::TERM);
    assert_eq!(space.finish(child).code, 143);
    let history = space.run(&["history", "--json"]).out();
    assert_eq!(
        history.matches("\"status\":\"interrupted\"").count(),
        2,
        "{history}"
    );
}
