//! flow is killed, files are cut short, many start at once: the record holds (R2, R6, R7).

pub mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::time::Duration;

use fastrand::Rng;
use flow::core::fact::RunEnd;
use flow::core::state::RunStage;
use flow::model::id::RunId;
use flow::record::whole;
use flow::store::files::Files;
use flow::store::{Kind, Store};
use rustix::process::Signal;
use serde_json::Value;
use support::processes::{kill_marked, signal};
use support::{Ended, Record, Space, wait_for};

/// How often flow is killed.
const KILLS: u64 = 100;

/// Several tasks of several steps that print something, some with children of their own.
const BUSY: &str = "
tasks:
  one: {run: [echo 1, echo 2 >&2, echo 3]}
  two: {run: 'sleep 0.01 & echo two; wait'}
  three: {depends_on: [one], run: [sleep 0.005, 'printf three']}
  four: {depends_on: [one, two], run: [echo four, 'true']}
  five: {depends_on: [three], run: 'setsid sleep 0.02 & echo five'}
  all: {depends_on: [four, five], run: [echo all]}
  next: echo next
";

#[test]
fn a_killed_flow_leaves_a_sound_record() {
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                let space = Space::with(BUSY);
                for seed in (0..KILLS).filter(|seed| seed % 2 == half) {
                    kill_once(&space, seed);
                }
            });
        }
    });
}

fn kill_once(space: &Space, seed: u64) {
    let before = statuses(space).len();
    let shown = run_and_kill(space, &mut Rng::with_seed(seed));
    kill_marked(space.mark());
    let runs = Files::new(space.state())
        .runs()
        .expect("the store can be read");
    assert!(runs.len() <= before + 1, "seed {seed}: one run, one record");
    let killed = runs.first().filter(|_| runs.len() > before);
    let status = killed.map(|run| {
        let stored = fs::read(facts_file(space, run)).expect("the record is there");
        assert!(
            stored.starts_with(&shown),
            "seed {seed}: what was shown is kept"
        );
        status_of_killed(space, run)
    });
    assert!(
        shown.is_empty() || killed.is_some(),
        "seed {seed}: facts without a record"
    );
    let next = space.run(&["-q", "next"]);
    assert_eq!(
        (next.code, next.out().as_str()),
        (0, "next\n"),
        "seed {seed}: {}",
        next.err()
    );
    let after = statuses(space);
    let listed = killed.map(|run| after[run.as_str()].as_str());
    assert_eq!(listed, status, "seed {seed}");
}

/// Runs it for a random number of facts, or for a random time; returns what it has shown by then.
fn run_and_kill(space: &Space, rng: &mut Rng) -> Vec<u8> {
    let mut flow = space.start(&["--output", "json", "-j3", "all"]);
    let mut stdout = BufReader::new(flow.stdout.take().expect("it has a pipe"));
    let mut shown = Vec::new();
    if rng.bool() {
        for _ in 0..rng.usize(0..45) {
            stdout
                .read_until(b'\n', &mut shown)
                .expect("the pipe can be read");
        }
    } else {
        std::thread::sleep(Duration::from_micros(rng.u64(0..60_000)));
    }
    kill(&mut flow);
    stdout
        .read_to_end(&mut shown)
        .expect("the pipe can be read");
    shown
}

fn kill(flow: &mut Child) {
    flow.kill().expect("it is ours");
    flow.wait().expect("it was killed");
}

/// What the history has to say of a run that was killed; its chain holds once the torn tail is cut.
fn status_of_killed(space: &Space, run: &RunId) -> &'static str {
    take_over(space, run);
    let stored = fs::read(facts_file(space, run)).expect("the record is there");
    if stored.is_empty() {
        return "interrupted";
    }
    assert!(stored.ends_with(b"\n"), "the torn tail is cut");
    let record = Record::read(&space.state(), run).unwrap_or_else(|wrong| panic!("{run}: {wrong}"));
    match record.state.stage() {
        RunStage::Finished(RunEnd::Completed) => "completed",
        RunStage::Finished(end) => panic!("{run} ended as {end:?}"),
        _ => "interrupted",
    }
}

/// Takes a run over, which cuts its torn tail. A process that dies still has its files for a moment.
fn take_over(space: &Space, run: &RunId) {
    let store = Files::new(space.state());
    wait_for("the lock of a killed run", || match store.open(run) {
        Ok(_) => true,
        Err(error) if error.kind == Kind::Owned => false,
        Err(error) => panic!("{error}"),
    });
}

fn facts_file(space: &Space, run: &RunId) -> std::path::PathBuf {
    space.state().join(format!("runs/{run}.facts"))
}

/// The status of each run, as the history has it.
fn statuses(space: &Space) -> BTreeMap<String, String> {
    let history = space.run(&["history", "--json", "-n", "100000"]);
    assert_eq!(history.code, 0, "{}", history.err());
    assert_eq!(history.err(), "");
    let entry = |line: &str| {
        let entry: Value = serde_json::from_str(line).expect("each line is JSON");
        let text = |key: &str| entry[key].as_str().expect("it is text").to_owned();
        (text("run"), text("status"))
    };
    history.out().lines().map(entry).collect()
}

/// R6: a run whose flow is gone is seen as such at once, also while what it started lives on.
#[test]
fn a_killed_run_is_interrupted_although_its_tasks_live() {
    let space =
        Space::with("tasks: {task: 'touch ready; while :; do sleep 1; done', next: echo next}");
    let mut flow = space.start(&["task"]);
    wait_for("the task to start", || space.has("ready"));
    assert_eq!(only_status(&space), "running");
    kill(&mut flow);
    assert_eq!(only_status(&space), "interrupted");
    assert_eq!(space.run(&["next"]).code, 0);
}

fn only_status(space: &Space) -> String {
    let all = statuses(space);
    assert_eq!(all.len(), 1);
    all.into_values().next().expect("there is one")
}

/// A run that is stopped and goes on has lost nothing.
#[test]
fn a_stopped_flow_goes_on() {
    let space = Space::with(BUSY);
    let flow = space.start(&["-q", "-j2", "all"]);
    let pid = i32::try_from(flow.id()).expect("process ids are small");
    wait_for("a record", || space.has(".flow/runs"));
    signal(pid, Signal::STOP);
    assert_eq!(space.run(&["next"]).code, 0);
    signal(pid, Signal::CONT);
    assert_eq!(space.finish(flow).code, 0);
    assert_eq!(space.records().len(), 2);
}

/// A record that was cut anywhere is read as far as its lines are whole, and mended by cutting what is left.
#[test]
fn a_record_cut_anywhere_can_be_read() {
    let space = Space::with("tasks: {a: echo a, b: {depends_on: [a], run: 'exit 1'}}");
    assert_eq!(space.run(&["-q", "b"]).code, 1);
    let run = space.record().run;
    let recorded = fs::read_to_string(facts_file(&space, &run)).expect("it was recorded");
    let id = |length: usize| RunId::parse(&format!("{length:010}")).expect("digits are an id");
    let whole = |length: usize| sealed_anew(&recorded, &run, &id(length));
    for length in 0..=recorded.len() {
        fs::write(facts_file(&space, &id(length)), &whole(length)[..length])
            .expect("there is room");
    }
    // They were put there behind flow's back.
    let doctor = space.run(&["doctor", "--rebuild"]);
    assert!(
        doctor.out().contains("rebuilt from the records"),
        "{}",
        doctor.err()
    );
    let listed = statuses(&space);
    assert_eq!(listed.len(), recorded.len() + 2);
    for length in 0..=recorded.len() {
        let whole = whole(length);
        let is_whole = length == whole.len();
        let status = if is_whole { "failed" } else { "interrupted" };
        assert_eq!(listed[id(length).as_str()], status, "cut at {length}");
        drop(whole::take(&Files::new(space.state()), &id(length)).expect("it can be taken over"));
        let mended = fs::read(facts_file(&space, &id(length))).expect("it is there");
        let end = whole[..length].rfind('\n').map_or(0, |end| end + 1);
        assert_eq!(mended, &whole.as_bytes()[..end], "cut at {length}");
    }
}

/// The record of a run as if it were another's.
fn sealed_anew(lines: &str, run: &RunId, other: &RunId) -> String {
    let mut hash = blake3::hash(format!("flow facts 1 {other}").as_bytes());
    let mut sealed = String::new();
    for line in lines.lines() {
        let end = line.rfind(",\"hash\"").expect("it has a hash");
        let line = line[..end].replace(run.as_str(), other.as_str());
        let mut hasher = blake3::Hasher::new();
        hasher.update(hash.as_bytes()).update(line.as_bytes());
        hash = hasher.finalize();
        sealed.push_str(&format!("{line},\"hash\":\"{}\"}}\n", hash.to_hex()));
    }
    sealed
}

/// The history of a folder in which one record is cut: shown, whatever the cut.
#[test]
fn the_history_never_fails() {
    let space = Space::with("tasks: {a: echo a}");
    assert_eq!(space.run(&["-q", "a"]).code, 0);
    let file = facts_file(&space, &space.record().run);
    let whole = fs::read(&file).expect("it was recorded");
    // What a crash cuts has no end that was noted.
    fs::remove_file(space.state().join("heads")).expect("it ended");
    for length in (0..whole.len()).step_by(29) {
        fs::write(&file, &whole[..length]).expect("there is room");
        let Ended {
            code,
            stderr,
            stdout,
        } = space.run(&["history"]);
        assert_eq!((code, stderr.as_slice()), (0, &b""[..]), "cut at {length}");
        assert!(
            String::from_utf8_lossy(&stdout).contains("interrupted"),
            "cut at {length}"
        );
    }
}

/// R7: the first use of a folder, twenty times at once.
#[test]
fn many_runs_at_once_keep_apart() {
    let space = Space::with(BUSY);
    let flows: Vec<Child> = (0..20)
        .map(|_| space.start(&["-q", "-j2", "all"]))
        .collect();
    for flow in flows {
        let ended = space.finish(flow);
        assert_eq!(ended.code, 0, "{}", ended.err());
    }
    let records = space.records();
    let ids: BTreeSet<&str> = records.iter().map(|record| record.run.as_str()).collect();
    assert_eq!((records.len(), ids.len()), (20, 20));
    assert!(
        records
            .iter()
            .all(|record| record.says("run_finished completed"))
    );
    assert_eq!(statuses(&space).len(), 20);
    let plans = fs::read_dir(space.state().join("plans")).expect("plans are kept");
    assert_eq!(plans.count(), 1, "the same plan is kept once, and no draft");
}

/// R22: with all slots busy and several flows at it, each step of each run is executed once.
#[test]
fn no_step_runs_twice() {
    let step = |task: usize, step: usize| format!("echo {task}.{step} >> ran.$FLOW_RUN_ID");
    let task = |task: usize| {
        format!(
            "  t{task}: {{run: [{}, {}, {}]}}\n",
            step(task, 1),
            step(task, 2),
            step(task, 3)
        )
    };
    let tasks: String = (0..20).map(task).collect();
    let needs: Vec<String> = (0..20).map(|task| format!("t{task}")).collect();
    let workflow = format!(
        "tasks:\n{tasks}  all: {{depends_on: [{}]}}\n",
        needs.join(", ")
    );
    for _ in 0..4 {
        assert_each_step_ran_once(&Space::with(&workflow), 60);
    }
}

/// Twelve flows at once in one folder; each step of theirs appends a line to a file.
fn assert_each_step_ran_once(space: &Space, count: usize) {
    let flows: Vec<Child> = (0..12)
        .map(|_| space.start(&["-q", "-j3", "all"]))
        .collect();
    for flow in flows {
        let ended = space.finish(flow);
        assert_eq!(ended.code, 0, "{}", ended.err());
    }
    for record in space.records() {
        let ran = space
            .read(&format!("ran.{}", record.run))
            .unwrap_or_default();
        let mut steps: Vec<&str> = ran.lines().collect();
        steps.sort_unstable();
        let all = steps.len();
        steps.dedup();
        assert_eq!(
            (all, steps.len()),
            (count, count),
            "run {}: steps, and different ones",
            record.run
        );
    }
}
