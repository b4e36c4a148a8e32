//! What came with a project from somebody else can be looked at, and nothing of it runs or counts, until its user says so.

pub mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::{Ended, Space, wait_for};

const WORK: &str = "
defaults: {cache: true}
tasks:
  build: {sources: src, generates: out, run: 'cp src out; echo ran >> ran'}
  wait: 'echo waits > waits; test -e go || exec sleep 600; echo planted > planted'
  durable: {durable: true, run: 'echo durable'}
triggers:
  t: {cron: '0 0 1 1 *', run: build}
";

/// A project of somebody else with a run that was killed, handed on with its `.flow`.
fn handed_on() -> (Space, Space) {
    let theirs = Space::with(WORK);
    theirs.write("src", "one\n");
    assert_eq!(theirs.run(&["-q", "build"]).code, 0);
    let mut child = theirs.start(&["-q", "wait"]);
    wait_for("it to wait", || theirs.has("waits"));
    child.kill().expect("it runs");
    child.wait().expect("it is ours");
    assert_eq!(theirs.run(&["history"]).code, 0);
    let space = Space::new();
    copy(&theirs, &space);
    for name in ["go", "waits"] {
        space.write(name, "");
        theirs.write(name, "");
    }
    (theirs, space)
}

fn copy(from: &Space, to: &Space) {
    let mut cp = to.command("cp");
    cp.arg("-r").arg(from.work().join(".")).arg(to.work());
    assert!(cp.status().expect("there is cp").success());
}

fn with(space: &Space, set: impl FnOnce(&mut Command), args: &[&str]) -> Ended {
    let mut flow = space.flow(args);
    set(&mut flow);
    space.finish(flow.spawn().expect("flow starts"))
}

fn ran(space: &Space) -> usize {
    space.read("ran").unwrap_or_default().lines().count()
}

#[test]
fn nothing_of_it_runs_and_all_can_be_read() {
    let (theirs, space) = handed_on();
    let before = fs::read(space.state().join("heads")).expect("it is there");
    for args in [
        &["resume"][..],
        &["resume", "latest"],
        &["retry", "latest:build"],
        &["run", "--fire", "1"],
        &["serve", "--port", "0"],
        &["cancel"],
        &["prune", "--older-than", "0s"],
        &["archive", "--older-than", "0s"],
        &["verify", "--new-key"],
        &["durable"],
    ] {
        let ended = space.run(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.err());
        let words = ended.err();
        let said = words.contains(".flow is not believed: it was not made by you on this machine");
        assert!(
            said && words.contains("flow doctor --adopt"),
            "{args:?}: {words}"
        );
    }
    for args in [
        &["history"][..],
        &["status", "latest"],
        &["events", "latest:build"],
        &["logs", "latest:build"],
        &["stats"],
        &["verify", "--all"],
    ] {
        let ended = space.run(args);
        assert_eq!((ended.code, ended.err().as_str()), (0, ""), "{args:?}");
        assert!(args[0] == "logs" || !ended.out().is_empty(), "{args:?}");
    }
    let doctor = space.run(&["doctor"]);
    assert_eq!(doctor.code, 5, "{}", doctor.err());
    assert!(doctor.out().contains("not believed"), "{}", doctor.out());
    assert!(!space.has("planted") && !theirs.has("planted"));
    assert_eq!(
        fs::read(space.state().join("heads")).expect("it is there"),
        before,
        "nothing is written"
    );
}

/// Tasks run as ever, and what they were made of is known the next time; nothing of that is believed or written in the folder.
#[test]
fn work_goes_on_beside_it() {
    let (_theirs, space) = handed_on();
    // What it says was built was built elsewhere.
    for (round, runs) in [(1, 2), (2, 2)] {
        let ended = space.run(&["build"]);
        assert_eq!(ended.code, 0, "{}", ended.err());
        assert_eq!(ran(&space), runs, "{round}");
        let warned = ended.err().contains("this run is not recorded");
        assert_eq!(warned, round == 1, "{}", ended.err());
    }
    assert_eq!(
        space.run(&["-q", "--no-record", "build", "--force"]).err(),
        ""
    );
    let runs = fs::read_dir(space.state().join("runs")).expect("it is there");
    assert_eq!(
        runs.filter(|run| run
            .as_ref()
            .is_ok_and(|run| run.path().extension().is_some_and(|end| end == "facts")))
            .count(),
        2
    );
}

#[test]
fn it_is_adopted_by_who_is_asked() {
    let (theirs, space) = handed_on();
    let asked = space.run(&["doctor", "--adopt"]);
    assert_eq!(asked.code, 4, "{}", asked.err());
    assert!(asked.err().contains("--yes"), "{}", asked.err());
    assert_eq!(space.run(&["history"]).code, 0);
    assert_eq!(space.run(&["resume"]).code, 2);
    let adopted = space.run(&["doctor", "--trust", "--yes"]);
    assert_eq!(adopted.code, 0, "{}", adopted.err());
    assert_eq!(space.run(&["doctor"]).code, 0);
    let resumed = space.run(&["-q", "resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    // The plan of the run has the paths of the first.
    assert!(theirs.has("planted"));
    let again = space.run(&["doctor", "--adopt", "--yes"]);
    assert_eq!(again.out(), ".flow is yours\n");
}

/// Whose it is does not depend on where it lies; a copy is another one, as long as the first is there.
#[test]
fn it_may_be_moved_and_a_copy_is_a_copy() {
    let space = Space::with("tasks: {a: echo a}\n");
    assert_eq!(space.run(&["-q", "a"]).err(), "");
    for name in ["first", "second"] {
        fs::create_dir(space.work().join(name)).expect("it is ours");
    }
    for file in ["Workflowfile.yml", ".flow"] {
        fs::rename(
            space.work().join(file),
            space.work().join("first").join(file),
        )
        .expect("it is ours");
    }
    for _ in 0..2 {
        let ended = space.run(&["-C", "first", "-q", "a"]);
        assert_eq!((ended.code, ended.err().as_str()), (0, ""), "moved");
    }
    let mut cp = space.command("cp");
    cp.args(["-r", "first/.", "second"]);
    assert!(cp.status().expect("there is cp").success());
    let ended = space.run(&["-C", "second", "-q", "a"]);
    assert_eq!(ended.code, 0);
    assert!(ended.err().contains("it is a copy of "), "{}", ended.err());
    assert_eq!(space.run(&["-C", "first", "-q", "a"]).err(), "");
    let adopted = space.run(&["-C", "second", "doctor", "--adopt", "-y"]);
    assert_eq!(adopted.code, 0, "{}", adopted.err());
    for folder in ["first", "second"] {
        assert_eq!(space.run(&["-C", folder, "-q", "a"]).err(), "", "{folder}");
    }
    // Reached by a link it is the same one.
    std::os::unix::fs::symlink("first", space.work().join("link")).expect("it is ours");
    assert_eq!(space.run(&["-C", "link", "-q", "a"]).err(), "");
}

/// A key in a file takes the place of a home: who has it has all that was made with it, wherever that is.
#[test]
fn a_key_takes_the_place_of_a_home() {
    let space = Space::with("tasks: {a: echo a}\n");
    space.write("key", "0123456789abcdef0123456789abcdef\n");
    let key = space.work().join("key");
    let no_home = |flow: &mut Command| {
        flow.env_remove("HOME");
    };
    let by_key = |flow: &mut Command| {
        flow.env_remove("HOME").env("FLOW_STATE_KEY", &key);
    };
    let first = with(&space, by_key, &["-q", "a"]);
    assert_eq!((first.code, first.err().as_str()), (0, ""));
    assert_eq!(with(&space, by_key, &["-q", "a"]).err(), "");
    let without = with(&space, no_home, &["-q", "a"]);
    assert_eq!(without.code, 0);
    assert!(
        without.err().contains("FLOW_STATE_KEY"),
        "{}",
        without.err()
    );
    assert_eq!(space.run(&["resume"]).code, 2, "another key");
    // The same on another machine.
    let other = Space::new();
    copy(&space, &other);
    let there = with(&other, by_key, &["-q", "a"]);
    assert_eq!((there.code, there.err().as_str()), (0, ""));
    space.write("key", "short\n");
    for named in [key.as_path(), Path::new("/nowhere"), Path::new("/dev/zero")] {
        let wrong = with(
            &space,
            |flow| {
                flow.env("FLOW_STATE_KEY", named);
            },
            &["-q", "a"],
        );
        assert_eq!(wrong.code, 2, "{}", wrong.err());
        assert!(wrong.err().contains("openssl rand"), "{}", wrong.err());
    }
}

#[test]
fn who_else_may_write_to_it_is_looked_at() {
    let space = Space::with("tasks: {a: echo a}\n");
    assert_eq!(space.run(&["-q", "a"]).err(), "");
    let open = |mode| {
        fs::set_permissions(space.state(), fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    open(0o770);
    let ended = space.run(&["-q", "a"]);
    assert!(
        ended.err().contains("others than its owner may write"),
        "{}",
        ended.err()
    );
    assert_eq!(space.run(&["doctor", "--adopt", "-y"]).code, 0);
    assert_eq!(space.run(&["-q", "a"]).err(), "");
    // One that was made for flow, and is empty, is nobody's but flow's.
    let volume = Space::with("tasks: {a: echo a}\n");
    fs::create_dir(volume.state()).expect("it is ours");
    fs::set_permissions(volume.state(), fs::Permissions::from_mode(0o1777)).expect("it is ours");
    for _ in 0..2 {
        assert_eq!(volume.run(&["-q", "a"]).err(), "");
    }
    assert_eq!(volume.records().len(), 2);
}

/// However many begin in a folder without a `.flow` at the same moment, there is one, and it is theirs.
#[test]
fn many_may_begin_at_once() {
    for round in 0..4 {
        let space = Space::with("tasks: {a: echo a}\n");
        if round % 2 == 1 {
            fs::create_dir(space.state()).expect("it is ours");
        }
        let all: Vec<_> = (0..12).map(|_| space.start(&["-q", "a"])).collect();
        for child in all {
            let ended = space.finish(child);
            assert_eq!((ended.code, ended.err().as_str()), (0, ""), "{round}");
        }
        assert_eq!(space.records().len(), 12, "{round}");
        let left = fs::read_dir(space.work()).expect("it is ours").flatten();
        assert!(
            left.into_iter()
                .all(|one| !one.file_name().to_string_lossy().contains("draft"))
        );
    }
}

/// What the cache says is believed where it was put there by its user: neither the results of somebody else, nor their model.
#[test]
fn the_cache_of_somebody_else_is_none() {
    let theirs = Space::with(WORK);
    theirs.write("src", "one\n");
    assert_eq!(theirs.run(&["-q", "build"]).code, 0);
    let ours = Space::with(WORK);
    ours.write("src", "one\n");
    let into = ours.home().join(".cache");
    let mut cp = ours.command("cp");
    cp.arg("-r").arg(theirs.home().join(".cache")).arg(&into);
    assert!(cp.status().expect("there is cp").success());
    let entries = support::space::files_below(&into);
    assert!(!entries.is_empty());
    assert_eq!(ours.run(&["-q", "build"]).code, 0);
    assert_eq!(ran(&ours), 1, "it was not restored");
    // The user's own is.
    for file in ["out", "ran"] {
        fs::remove_file(ours.work().join(file)).expect("it is there");
    }
    fs::remove_dir_all(ours.state()).expect("it is ours");
    assert_eq!(ours.run(&["-q", "build"]).code, 0);
    assert_eq!(
        (ran(&ours), ours.read("out").as_deref()),
        (0, Some("one\n"))
    );
    // Not where others may write to it.
    fs::remove_file(ours.work().join("out")).expect("it is there");
    fs::set_permissions(into.join("flow"), fs::Permissions::from_mode(0o777)).expect("it is ours");
    fs::remove_dir_all(ours.state()).expect("it is ours");
    assert_eq!(ours.run(&["-q", "build"]).code, 0);
    assert_eq!(ran(&ours), 1);
}
