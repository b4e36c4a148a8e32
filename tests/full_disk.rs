//! Who sends what flow says to a disk that is full is told that a part of it is missing, whatever was asked for.

pub mod support;

use std::fs::File;
use std::process::{Command, Stdio};

use support::Space;

const WORK: &str = "
vars: {v: 1}
tasks:
  dump: {desc: it prints, run: seq 10000}
  two: {depends_on: [a, b]}
  a: echo {{ v }}
  b: echo b
  err: 'seq 10 >&2'
triggers: {nightly: {cron: '0 2 * * *', run: a}}
";

/// Calls that print on stdout.
const CALLS: [&[&str]; 28] = [
    &["dump"],
    &["-q", "dump"],
    &["--output", "group", "two"],
    &["--output", "prefix", "two"],
    &["--output", "stream", "two"],
    &["--json", "two"],
    &["-n", "two"],
    &["list"],
    &["list", "--status", "--json"],
    &["status"],
    &["status", "--json"],
    &["status", "-f", "latest"],
    &["logs"],
    &["history"],
    &["history", "--json"],
    &["events"],
    &["events", "--snapshots", "--json"],
    &["stats"],
    &["verify", "--all"],
    &["doctor"],
    &["doctor", "--tools"],
    &["graph", "two"],
    &["vars", "a"],
    &["why", "dump"],
    &["schedule"],
    &["schema"],
    &["help", "dump"],
    &["--version"],
];

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .expect("this system has one")
        .into()
}

fn ended(space: &Space, args: &[&str], set: impl Fn(&mut Command)) -> support::Ended {
    let mut command = space.flow(args);
    set(&mut command);
    space.finish(command.spawn().expect("flow starts"))
}

#[test]
fn what_is_missing_is_said() {
    let space = Space::with(WORK);
    assert_eq!(space.run(&["-q", "two"]).code, 0);
    for call in CALLS {
        assert_eq!(space.run(call).code, 0, "{call:?}");
        let ended = ended(&space, call, |command| _ = command.stdout(full()));
        assert_eq!(ended.code, 1, "{call:?}: {}", ended.err());
        assert!(
            ended.err().contains("could not write"),
            "{call:?}: {}",
            ended.err()
        );
    }
    // What failed for a reason of its own says that.
    let wrong = ended(&space, &["nobody"], |command| _ = command.stderr(full()));
    assert_eq!(wrong.code, 2);
    for call in [&["err"], &["a"]] {
        let ended = ended(&space, call, |command| _ = command.stderr(full()));
        assert_eq!(ended.code, 1, "{call:?}");
    }
    // Nothing of it is missing in the record.
    assert_eq!(
        space
            .run(&["logs", "latest:dump", "dump"])
            .out()
            .lines()
            .count(),
        10_000
    );
    assert_eq!(space.run(&["verify", "--all"]).code, 0);
}

#[test]
fn a_reader_that_has_gone_wants_no_more() {
    let space = Space::with(WORK);
    assert_eq!(space.run(&["-q", "two"]).code, 0);
    for call in CALLS {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let writer = std::sync::Mutex::new(Some(writer));
        let ended = ended(&space, call, |command| {
            let writer = writer.lock().expect("no panic").take().expect("asked once");
            command.stdout(writer);
        });
        assert_eq!(ended.code, 0, "{call:?}: {}", ended.err());
    }
}
