//! Whatever is done to a record, no verb changes it; only a line that a crash has left unfinished is ever cut.

pub mod support;

use std::fs;
use std::path::PathBuf;

use flow::model::id::RunId;
use flow::record::whole;
use flow::store::files::Files;
use flow::store::{Error, Kind, Store};
use support::Space;

const WORK: &str = "
tasks:
  one: 'echo one'
  bad: {depends_on: [one], run: ['echo two', 'exit 3']}
";

/// A run in a folder of its own, with the file of its record.
struct Recorded {
    space: Space,
    run: RunId,
    path: PathBuf,
    bytes: Vec<u8>,
}

fn recorded() -> Recorded {
    let space = Space::with(WORK);
    assert_eq!(space.run(&["-q", "bad"]).code, 1);
    let runs = Files::new(space.state()).runs().expect("it can be read");
    let run = runs.first().expect("it was recorded").clone();
    let path = space.state().join(format!("runs/{run}.facts"));
    let bytes = fs::read(&path).expect("it is there");
    Recorded {
        space,
        run,
        path,
        bytes,
    }
}

/// What can happen to a file, at a place in it.
fn damages(bytes: &[u8], at: usize) -> Vec<(&'static str, Vec<u8>)> {
    let (before, behind) = bytes.split_at(at);
    let join = |parts: &[&[u8]]| parts.concat();
    let hole = vec![0; behind.len()];
    let line_end = behind.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let mut other = bytes.to_vec();
    other[at] ^= 0x01;
    let all = [
        ("a cut", before.to_vec()),
        ("NULs to the end", join(&[before, &hole])),
        ("NULs in its midst", join(&[before, &[0; 16], behind])),
        (
            "garbage in its midst",
            join(&[before, b"rub\nbish", behind]),
        ),
        ("garbage to the end", join(&[before, b"rubbish \xff\xfe"])),
        (
            "the rest of a line is gone",
            join(&[before, &behind[line_end..]]),
        ),
        (
            "the rest of a line and its end are gone",
            join(&[before, &behind[line_end + 1..]]),
        ),
        ("another byte", other),
        ("what stands before it is gone", behind.to_vec()),
        ("the rest twice", join(&[bytes, behind])),
    ];
    // All kinds at all places would take long: two at each, the others in turn.
    let in_turn = |(number, _): &(usize, _)| *number < 2 || number % 4 == at % 4;
    let chosen = all.into_iter().enumerate().filter(in_turn);
    chosen.map(|(_, damage)| damage).collect()
}

/// Takes it, and lets it go. Between its birth and its `exec` a process that a test beside starts has all locks of this one.
fn take(store: &Files, run: &RunId) -> Result<(), Error> {
    loop {
        match whole::take(store, run) {
            Err(error) if error.kind == Kind::Owned => std::thread::yield_now(),
            taken => return taken.map(|_| ()),
        }
    }
}

/// The record that its head speaks of is whole, or nobody touches it.
#[test]
fn a_record_with_a_head_is_never_cut() {
    let Recorded {
        space,
        run,
        path,
        bytes,
    } = recorded();
    let store = Files::new(space.state());
    for at in 0..bytes.len() {
        for (what, damaged) in damages(&bytes, at) {
            if damaged == bytes {
                continue;
            }
            fs::write(&path, &damaged).expect("it is ours");
            // Behind the record that the head speaks of a line may have begun.
            let whole = damaged.starts_with(&bytes) && damaged.len() > bytes.len();
            for _ in 0..2 {
                let kind = take(&store, &run).map_err(|error| error.kind);
                assert!(whole || kind == Err(Kind::Damaged), "{what} at {at}");
                let there = fs::read(&path).expect("it is there");
                assert!(there == damaged, "{what} at {at}: it was changed");
            }
        }
    }
    fs::write(&path, &bytes).expect("it is ours");
    assert!(take(&store, &run).is_ok());
}

/// Of a run whose flow was killed there is no head: how far it came is what the record says. Only how a line begins is cut.
#[test]
fn without_a_head_only_the_beginning_of_a_line_is_cut() {
    let Recorded {
        space,
        run,
        path,
        bytes,
    } = recorded();
    fs::remove_file(space.state().join("heads")).expect("it is ours");
    let store = Files::new(space.state());
    for at in 0..bytes.len() {
        for (what, damaged) in damages(&bytes, at) {
            fs::write(&path, &damaged).expect("it is ours");
            let taken = take(&store, &run);
            let there = fs::read(&path).expect("it is there");
            let is_torn = bytes.starts_with(&damaged);
            let lines = damaged.iter().rposition(|byte| *byte == b'\n');
            let whole = &damaged[..lines.map_or(0, |end| end + 1)];
            match taken {
                Ok(()) if is_torn => assert!(there == whole, "{what} at {at}"),
                Ok(()) => panic!("{what} at {at}: it was taken"),
                Err(_) if is_torn => panic!("{what} at {at}: what is torn is cut"),
                Err(error) => {
                    assert_eq!(error.kind, Kind::Damaged, "{what} at {at}");
                    assert!(there == damaged, "{what} at {at}: it was changed");
                }
            }
        }
    }
}

/// Each verb that reads or takes a record, twice, at the front door.
#[test]
fn no_verb_changes_a_damaged_record() {
    let Recorded {
        space,
        run,
        path,
        bytes,
    } = recorded();
    assert_eq!(space.run(&["history"]).code, 0);
    let run = run.as_str();
    let verbs: [&[&str]; 16] = [
        &["resume", run],
        &["cancel", run],
        &["annotate", run, "--comment", "x"],
        &["retry", run],
        &["status", run],
        &["status", "latest"],
        &["status", "latest:bad"],
        &["logs", run],
        &["events", run],
        &["history"],
        &["stats"],
        &["prune", "--older-than", "0s", "--keep", "0"],
        &["archive", run],
        &["archive", "--older-than", "0s"],
        &["verify", run],
        &["doctor"],
    ];
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let middle = lines.len() / 2;
    let less = [lines[..middle].concat(), lines[middle + 1..].concat()].concat();
    let kinds = [
        ("emptied", Vec::new()),
        ("NULs", vec![0; bytes.len()]),
        ("garbage", b"rubbish".to_vec()),
        ("garbage with a line's end", b"rubbish\n".to_vec()),
        ("cut in its midst", bytes[..bytes.len() / 2].to_vec()),
        ("cut behind a line", lines[..middle].concat()),
        ("a line is gone", less),
        ("NULs behind it", [bytes.as_slice(), &[0; 64]].concat()),
    ];
    for (what, damaged) in kinds {
        for verb in verbs {
            fs::write(&path, &damaged).expect("it is ours");
            for _ in 0..2 {
                let ended = space.run(verb);
                assert_eq!(
                    ended.code,
                    5,
                    "{what}: {verb:?}\n{}{}",
                    ended.out(),
                    ended.err()
                );
                assert!(
                    !ended.err().is_empty() || verb[0] == "doctor",
                    "{what}: {verb:?}"
                );
                let there = fs::read(&path).expect("it is there");
                assert!(there == damaged, "{what}: {verb:?} changed it");
            }
        }
        // A bare one takes up what was interrupted, which this is not.
        let ended = space.run(&["resume"]);
        assert_eq!(ended.code, 2, "{what}: {}", ended.err());
        assert!(fs::read(&path).expect("it is there") == damaged, "{what}");
    }
    fs::write(&path, &bytes).expect("it is ours");
    assert_eq!(space.run(&["verify", run]).code, 0);
    assert_eq!(space.run(&["annotate", run, "--comment", "x"]).code, 0);
    assert_eq!(space.run(&["history"]).code, 0);
}

/// The same of one that was packed.
#[test]
fn a_damaged_packed_record_stays_packed() {
    let Recorded {
        space, run, path, ..
    } = recorded();
    let run = run.as_str();
    assert_eq!(space.run(&["archive", run]).code, 0);
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let bytes = fs::read(&packed).expect("it was packed");
    let mut other = bytes.clone();
    let place = other.len() / 2;
    other[place] ^= 0x01;
    let kinds = [
        vec![0; bytes.len()],
        bytes[..bytes.len() / 2].to_vec(),
        other,
        Vec::new(),
    ];
    for damaged in kinds {
        fs::write(&packed, &damaged).expect("it is ours");
        for verb in [
            &["annotate", run, "--comment", "x"][..],
            &["resume", run],
            &["status", run],
            &["retry", run],
            &["history"],
        ] {
            let ended = space.run(verb);
            assert_eq!(ended.code, 5, "{verb:?}: {}{}", ended.out(), ended.err());
            assert!(
                fs::read(&packed).is_ok_and(|there| there == damaged),
                "{verb:?}"
            );
            assert!(!path.exists(), "{verb:?}");
        }
    }
}
