//! Locks hold across processes and runs, are free again whoever dies, and never lock anybody in (R12).

pub mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Child;

use flow::core::fact::Fact;
use rustix::process::Signal;
use serde_json::Value;
use support::effort::rounds;
use support::processes::signal;
use support::space::files_below;
use support::{Space, wait_for};

/// A step that says when it is not alone: it makes a folder, which only one can at a time.
const ALONE: &str =
    "mkdir alone || echo two at once >> wrong; sleep 0.01; rmdir alone; echo x >> done";

fn kill(flow: &mut Child) {
    let pid = i32::try_from(flow.id()).expect("a process id");
    signal(pid, Signal::KILL);
    flow.wait().expect("it is ours");
}

fn lines(space: &Space, name: &str) -> usize {
    space.read(name).map_or(0, |text| text.lines().count())
}

/// What `flow locks --json` says: of each lock its name, how many hold it and how many wait.
fn listed(space: &Space) -> Vec<(String, usize, usize)> {
    let listed = space.run(&["locks", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.err());
    let out = listed.out();
    let values = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    let lock = |value: Value| {
        let name = value["name"].as_str().expect("a name").to_owned();
        (name, count(&value["holders"]), count(&value["waiters"]))
    };
    values.map(lock).collect()
}

#[test]
fn twenty_flows_have_it_one_at_a_time() {
    let space = Space::with(&format!(
        "tasks:\n  one:\n    locks: db\n    run: {ALONE}\n"
    ));
    let flows: Vec<Child> = (0..20).map(|_| space.start(&["one"])).collect();
    for flow in flows {
        let ended = space.finish(flow);
        assert_eq!(ended.code, 0, "{}", ended.err());
    }
    assert_eq!(space.read("wrong"), None);
    assert_eq!(lines(&space, "done"), 20);
    assert_eq!(space.records().len(), 20);
    assert_eq!(listed(&space), []);
}

#[test]
fn tasks_of_one_run_have_it_one_at_a_time_too() {
    let space = Space::with(&format!(
        "tasks:
  many: {{for: {{range: [1, 20], parallel: true}}, locks: db, run: '{ALONE}'}}
  calls: {{locks: db, run: [{{parallel: [{{task: one}}, {{task: one}}, {{task: one}}]}}, {{task: one}}]}}
  one: {{locks: db, run: '{ALONE}'}}
"
    ));
    let ended = space.run(&["-j8", "-p", "many", "calls"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    assert_eq!(space.read("wrong"), None);
    assert_eq!(lines(&space, "done"), 24);
}

#[test]
fn as_many_as_it_has_slots() {
    let space = Space::with(
        "tasks:
  one:
    locks: [{name: pool, slots: 3}]
    run: echo b >> log; sleep 0.03; echo e >> log
",
    );
    let flows: Vec<Child> = (0..9).map(|_| space.start(&["one"])).collect();
    for flow in flows {
        assert_eq!(space.finish(flow).code, 0);
    }
    let (mut now, mut most) = (0, 0);
    for line in space.read("log").expect("it ran").lines() {
        now += if line == "b" { 1 } else { -1 };
        most = most.max(now);
    }
    assert!(most <= 3, "{most} at once");
}

/// Whoever wants several has them together, so that the order in which they stand does not matter.
#[test]
fn nobody_is_locked_in() {
    let space = Space::with(&format!(
        "tasks:
  ab: {{locks: [a, b], run: '{ALONE}'}}
  ba: {{locks: [b, a], run: '{ALONE}'}}
  calls: {{locks: b, run: [{{task: ab}}, {{task: a}}]}}
  a: {{locks: a, run: 'echo x >> done'}}
  of-run: {{locks: [{{name: whole, hold: run}}, a], run: 'echo x >> done'}}
  other-run: {{locks: [{{name: a, hold: run}}], depends_on: [of-run], run: 'echo x >> done'}}
"
    ));
    for _ in 0..rounds(5) {
        let tasks = ["ab", "ba", "calls", "of-run", "other-run", "ba", "ab"];
        let flows: Vec<Child> = tasks.iter().map(|task| space.start(&[task])).collect();
        for flow in flows {
            let ended = space.finish(flow);
            assert_eq!(ended.code, 0, "{}", ended.err());
        }
    }
    assert_eq!(space.read("wrong"), None);
}

/// The command of a flow that was killed still runs: it is ended before the lock is anybody's again.
#[test]
fn a_lock_of_the_dead_is_taken_over() {
    let space = Space::with(
        "tasks:
  first: {locks: db, run: 'echo $$ > pid; trap \"\" HUP; sleep 600 & wait'}
  second: {locks: db, run: 'if grep -q \"^State:.[RSD]\" /proc/$(cat pid)/status 2> /dev/null; then echo alive >> wrong; fi; echo x >> done'}
",
    );
    let mut first = space.start(&["first"]);
    wait_for("the first to begin", || lines(&space, "pid") == 1);
    let mut second = space.start(&["second"]);
    let mut told = String::new();
    let mut words = BufReader::new(second.stderr.take().expect("a pipe"));
    words.read_line(&mut told).expect("it says that it waits");
    assert!(
        told.contains("waits: the lock 'db', which 'first' of run"),
        "{told}"
    );
    assert_eq!(listed(&space), [("db".to_owned(), 1, 1)]);
    kill(&mut first);
    let ended = space.finish(second);
    assert_eq!(ended.code, 0, "{}", ended.err());
    assert_eq!((space.read("wrong"), lines(&space, "done")), (None, 1));
    space.assert_nobody_left();
}

/// A run that is taken up has its locks again before anything goes on; until then it waits.
#[test]
fn a_resumed_run_takes_its_locks_again() {
    let space = Space::with(
        "tasks:
  first: {locks: db, timeout: 60s, run: ['echo one >> done', 'test -e go || { touch began; sleep 600; }', 'echo two >> done']}
  second: {locks: db, run: 'echo second >> done; touch there; while [ ! -e go ]; do sleep 0.01; done'}
",
    );
    let mut first = space.start(&["first"]);
    wait_for("the first to begin", || space.has("began"));
    kill(&mut first);
    let second = space.start(&["second"]);
    wait_for("the second to have it", || space.has("there"));
    let resumed = space.start(&["resume", "latest:first"]);
    wait_for("the first to wait", || {
        listed(&space) == [("db".to_owned(), 1, 1)]
    });
    space.write("go", "");
    assert_eq!(space.finish(second).code, 0);
    let resumed = space.finish(resumed);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert_eq!(space.read("done").as_deref(), Some("one\nsecond\ntwo\n"));
    let record = &space.records();
    let first = record
        .iter()
        .find(|record| record.count("lock_acquired") == 2);
    assert!(first.is_some(), "{record:#?}");
}

/// Each of them has a slot of its own again.
#[test]
fn a_resumed_run_takes_as_many_slots_as_it_had() {
    let space = Space::with(
        "tasks:
  many:
    for: {in: [a, b], parallel: true}
    locks: [{name: pool, slots: 3}]
    run: if test -e killed; then touch again.{{ item }}; while test ! -e go; do sleep 0.01; done; else touch began.{{ item }}; sleep 600; fi
",
    );
    let mut flow = space.start(&["-j2", "many"]);
    let both = |what: &str| space.has(&format!("{what}.a")) && space.has(&format!("{what}.b"));
    wait_for("both to begin", || both("began"));
    kill(&mut flow);
    space.write("killed", "");
    let resumed = space.start(&["resume", "-j2"]);
    wait_for("both to begin again", || both("again"));
    assert_eq!(listed(&space), [("pool".to_owned(), 2, 0)]);
    space.write("go", "");
    let resumed = space.finish(resumed);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert_eq!(listed(&space), []);
}

#[test]
fn a_run_that_waits_ends_at_once_when_it_is_cancelled_or_interrupted() {
    let space = Space::with(
        "tasks:
  first: {locks: db, run: 'touch began; sleep 600'}
  second: {locks: db, run: 'echo x >> done', finally: 'echo x >> done'}
  whole: {locks: [{name: db, hold: run}], run: 'echo x >> done'}
",
    );
    for other in ["second", "whole"] {
        // The lock of `first` is one of runs too: `whole` holds it for all of its run.
        let first = space.start(&["first"]);
        wait_for("the first to begin", || space.has("began"));
        for how in ["cancel", "signal"] {
            let second = space.start(&[other]);
            wait_for("the second to wait", || {
                listed(&space) == [("db".to_owned(), 1, 1)]
            });
            let code = if how == "cancel" {
                let run = format!("latest:{other}");
                assert_eq!(space.run(&["cancel", &run]).code, 0);
                4
            } else {
                let pid = i32::try_from(second.id()).expect("a process id");
                signal(pid, Signal::INT);
                130
            };
            let ended = space.finish(second);
            assert_eq!(ended.code, code, "{}", ended.err());
            wait_for("nobody to wait", || {
                listed(&space) == [("db".to_owned(), 1, 0)]
            });
        }
        assert_eq!(space.run(&["cancel", "latest:first"]).code, 0);
        assert_eq!(space.finish(first).code, 4);
        std::fs::remove_file(space.work().join("began")).expect("it is there");
    }
    assert_eq!(space.read("done"), None);
}

#[test]
fn a_lock_can_be_taken_by_hand_and_the_record_says_so() {
    let space = Space::with(
        "tasks:
  first: {locks: [db, other], run: 'touch began; while [ ! -e go ]; do sleep 0.01; done'}
  second: {locks: db, run: touch go}
",
    );
    let first = space.start(&["first"]);
    wait_for("the first to begin", || space.has("began"));
    let released = space.run(&["locks", "--release", "db", "--by", "ada"]);
    assert_eq!(released.code, 0, "{}", released.err());
    assert_eq!(listed(&space), [("other".to_owned(), 1, 0)]);
    assert_eq!(space.run(&["second"]).code, 0);
    assert_eq!(space.finish(first).code, 0);
    let records = space.records();
    let told = records
        .iter()
        .flat_map(|record| &record.facts)
        .any(|entry| {
            matches!(&entry.fact, Fact::LockReleased { name: Some(name), by: Some(by), .. }
            if name == "db" && by == "ada")
        });
    assert!(told);
    let again = space.run(&["locks", "--release", "db"]);
    assert_eq!(again.code, 2);
    assert!(
        again.err().contains("nobody holds the lock \"db\""),
        "{}",
        again.err()
    );
    assert_eq!(space.run(&["verify", "--all"]).code, 0);
}

/// What holds a lock is killed at any moment; whoever comes next has it, and nobody ever has it beside another.
#[test]
fn killed_at_any_moment_it_is_free_again() {
    let space = Space::with(
        "tasks:
  one: {locks: [a, {name: b, hold: run}], run: 'mkdir alone || echo two at once >> wrong; sleep 0.02; rmdir alone'}
  last: {locks: [a, b], run: 'rmdir alone 2> /dev/null || true; echo x >> done'}
",
    );
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..rounds(15) {
        let mut flow = space.start(&["one"]);
        std::thread::sleep(std::time::Duration::from_micros(rng.u64(0..40_000)));
        kill(&mut flow);
        let last = space.run(&["last"]);
        assert_eq!(last.code, 0, "{}", last.err());
    }
    assert_eq!(space.read("wrong"), None);
    space.assert_nobody_left();
}

/// The name of a lock is written down and shown to others, so one with a secret in it is refused, however it came there.
#[test]
fn a_lock_has_no_secret_in_its_name() {
    let space = Space::with(
        "
secrets: {S: {env: MY_S}, T: {sh: echo hunter2}}
tasks:
  a: {locks: ['x-{{ secrets.S }}'], run: echo ran}
  b: {locks: ['x-{{ secrets.T | upper }}'], run: echo ran}
  c: {vars: {n: 'y-{{ secrets.S }}'}, locks: [{name: '{{ n }}', hold: run}], run: echo ran}
  d: {depends_on: [a], run: echo ran}
  e: {run: [{task: c}]}
",
    );
    for task in ["a", "b", "c", "d", "e"] {
        let child = space.flow(&[task]).env("MY_S", "topsecret99").spawn();
        let ended = space.finish(child.expect("it starts"));
        assert_eq!(ended.code, 1, "{task}: {}", ended.err());
        assert!(!ended.out().contains("ran"), "{task}");
        assert!(
            ended.err().contains("this one has a secret in it"),
            "{task}: {}",
            ended.err()
        );
    }
    for file in files_below(&space.state()) {
        let text = fs::read(space.state().join(&file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains("topsecret99"), "{}", file.display());
    }
}
