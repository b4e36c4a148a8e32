//! A packed run is what it was: every verb says the same of it, and nothing is lost at any moment of packing.

pub mod support;

use std::fs;

use rustix::process::Signal;
use support::Space;
use support::effort::rounds;
use support::processes::signal;
use support::space::files_below;

const WORK: &str = "
tasks:
  long: {run: ['seq 1 20000', 'echo to stderr >&2', 'exit 3']}
  good: echo good
";

/// What the verbs say of a run.
fn said(space: &Space, run: &str) -> Vec<(i32, String)> {
    let calls: [&[&str]; 8] = [
        &["status", run],
        &["status", run, "--json"],
        &["status", run, "--at", "4"],
        &["logs", run],
        &["logs", run, "long"],
        &["events", run, "--json"],
        &["verify", run],
        &["history", "--json"],
    ];
    calls
        .iter()
        .map(|args| {
            let ended = space.run(args);
            (ended.code, ended.out())
        })
        .collect()
}

fn recorded() -> (Space, String) {
    let space = Space::with(WORK);
    assert_eq!(space.run(&["-q", "long"]).code, 1);
    let run = space.record().run.to_string();
    (space, run)
}

#[test]
fn every_verb_says_the_same_of_it() {
    let (space, run) = recorded();
    let before = said(&space, &run);
    assert!(before.iter().all(|(code, _)| *code == 0), "{before:?}");
    let dry = space.run(&["archive", "--older-than", "0s", "-n"]);
    assert!(dry.out().contains("1 run would be packed"), "{}", dry.out());
    let archived = space.run(&["archive", &run]);
    assert_eq!(archived.code, 0, "{}", archived.err());
    assert!(
        archived.out().starts_with("packed 1 run, "),
        "{}",
        archived.out()
    );
    let plain = |path: &std::path::PathBuf| {
        let name = path.to_string_lossy().into_owned();
        name.ends_with(".log") || name.ends_with(".facts") || name.contains("draft")
    };
    assert!(!files_below(&space.state()).iter().any(plain));
    assert_eq!(said(&space, &run), before);
    // Once more there is nothing to do; it can be retried, noted, removed.
    assert_eq!(space.run(&["archive", &run]).out(), "packed 0 runs\n");
    assert_eq!(space.run(&["doctor"]).code, 0);
    assert_eq!(space.run(&["retry", &run]).code, 1);
    assert_eq!(
        space
            .run(&["annotate", &run, "--comment", "unpacked for it"])
            .code,
        0
    );
    let status = space.run(&["status", &run]);
    assert!(status.out().contains("unpacked for it"), "{}", status.out());
    assert_eq!(space.run(&["archive", "--older-than", "0s"]).code, 0);
    assert_eq!(space.run(&["verify", "--all"]).code, 0);
    let pruned = space.run(&["prune", "--older-than", "0s", "--keep", "0"]);
    assert_eq!(pruned.code, 0, "{}", pruned.err());
    assert_eq!(space.run(&["history"]).out(), "");
    assert_eq!(space.run(&["verify", "--all"]).code, 0);
}

#[test]
fn what_can_go_on_is_not_packed() {
    let space = Space::with("tasks: {slow: 'touch began; sleep 600'}\n");
    let flow = space.start(&["slow"]);
    support::wait_for("it to begin", || space.has("began"));
    let refused = space.run(&["archive", "latest"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err().contains("has not ended"), "{}", refused.err());
    assert_eq!(
        space.run(&["archive", "--older-than", "0s"]).out(),
        "packed 0 runs\n"
    );
    assert_eq!(space.run(&["cancel"]).code, 0);
    space.finish(flow);
}

#[test]
fn killed_while_it_packs_nothing_is_lost() {
    let (space, run) = recorded();
    let before = said(&space, &run);
    let mut rng = fastrand::Rng::with_seed(2);
    for _ in 0..rounds(20) {
        let mut packs = space.start(&["archive", &run]);
        std::thread::sleep(std::time::Duration::from_micros(rng.u64(0..12_000)));
        let pid = i32::try_from(packs.id()).expect("a process id");
        signal(pid, Signal::KILL);
        packs.wait().expect("it is ours");
        assert_eq!(said(&space, &run), before);
        if rng.bool() {
            // A note makes it plain again.
            assert_eq!(space.run(&["annotate", &run, "--comment", "x"]).code, 0);
            return killed_while_it_packs(&space, &run);
        }
    }
}

fn killed_while_it_packs(space: &Space, run: &str) {
    assert_eq!(space.run(&["archive", run]).code, 0);
    assert_eq!(space.run(&["verify", "--all"]).code, 0);
}

#[test]
fn what_is_changed_in_it_is_found() {
    let (space, run) = recorded();
    assert_eq!(space.run(&["archive", &run]).code, 0);
    let packed: Vec<_> = files_below(&space.state())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
        .collect();
    assert_eq!(packed.len(), 3, "{packed:?}");
    for path in packed {
        let path = space.state().join(path);
        let whole = fs::read(&path).expect("it is there");
        for at in (0..whole.len()).step_by(whole.len() / rounds(12).max(1) + 1) {
            for (what, bytes) in [
                ("cut", whole[..at].to_vec()),
                ("changed", {
                    let mut bytes = whole.clone();
                    bytes[at] ^= 0x55;
                    bytes
                }),
            ] {
                fs::write(&path, &bytes).expect("it can be written");
                let verified = space.run(&["verify", &run]);
                // Bytes of the header say when and where it was packed, which is nothing of the run's.
                let harmless = what == "changed" && (3..10).contains(&at);
                let code = if harmless { verified.code } else { 5 };
                assert_eq!(verified.code, code, "{}: {what} at {at}", path.display());
            }
        }
        fs::write(&path, &whole).expect("it can be written");
        assert_eq!(space.run(&["verify", &run]).code, 0);
    }
}
