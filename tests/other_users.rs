//! A run that another user has made, as by `sudo flow`: what can be read is shown, and it is said whose the rest is.

pub mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use flow::store::Store;
use flow::store::files::Files;
use support::{Ended, Space};

/// A user who is not root.
const NOBODY: u32 = 65_534;

/// Calls flow as the user whose folder it is.
fn call(space: &Space, args: &[&str]) -> Ended {
    let owner = fs::metadata(space.work()).expect("it is there").uid();
    let mut command = space.command("flow");
    command.args(args);
    if rustix::process::geteuid().as_raw() != owner {
        command.uid(owner).gid(owner);
    }
    command.output().expect("it starts").into()
}

/// All of a folder becomes a user's.
fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).expect("root may");
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if !entry.path().is_symlink() {
            give(&entry.path(), user);
        }
    }
}

#[test]
fn what_another_user_has_run_hides_nothing_else() {
    let space = Space::with("tasks:\n  mine: 'echo mine'\n  theirs: 'echo theirs'\n");
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        // The folders that the tests are built in may be closed to others.
        let program = space.work().join("../bin/flow");
        fs::remove_file(&program).expect("it is ours");
        fs::copy(env!("CARGO_BIN_EXE_flow"), &program).expect("there is room");
        let root = space.work().join("..");
        give(&root.canonicalize().expect("it is there"), NOBODY);
    }
    assert_eq!(call(&space, &["-q", "mine"]).code, 0);
    // Root makes the second one; without root, it is made unreadable.
    let mut theirs = space.flow(&["-q", "theirs"]);
    theirs.env("SUDO_UID", NOBODY.to_string());
    let ended = space.finish(theirs.spawn().expect("flow starts"));
    assert_eq!((ended.code, ended.err().as_str()), (0, ""));
    let runs = Files::new(space.state()).runs().expect("they can be read");
    let theirs = space.state().join(format!("runs/{}.facts", runs[0]));
    if !is_root {
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o000)).expect("it is ours");
    }
    let way_out = if is_root {
        "has files of root, who ran flow here; they become yours by: sudo chown -R "
    } else {
        "chmod -R u+rwX"
    };
    for round in 0..2 {
        for verb in [&["history"][..], &["stats"]] {
            let ended = call(&space, verb);
            assert_eq!(ended.code, 0, "{round} {verb:?}: {}", ended.err());
            assert!(
                ended.out().contains("mine"),
                "{round} {verb:?}: {}",
                ended.out()
            );
            assert!(
                ended.err().contains(way_out),
                "{round} {verb:?}: {}",
                ended.err()
            );
            assert!(
                ended.err().contains(runs[0].as_str()),
                "{verb:?}: {}",
                ended.err()
            );
        }
        let doctor = call(&space, &["doctor"]);
        assert!(
            doctor.out().contains("1 of 2 are sound"),
            "{}",
            doctor.out()
        );
        assert!(doctor.out().contains(way_out), "{}", doctor.out());
        for word in [runs[1].as_str(), "latest:mine"] {
            assert_eq!(call(&space, &["status", word]).code, 0, "{word}");
        }
        for word in [runs[0].as_str(), "latest"] {
            let ended = call(&space, &["status", word]);
            assert_eq!(ended.code, 5, "{word}: {}", ended.err());
            assert!(ended.err().contains(way_out), "{word}: {}", ended.err());
        }
        let resume = call(&space, &["resume"]);
        assert_eq!(resume.code, 2, "{}", resume.err());
        assert!(resume.err().contains(way_out), "{}", resume.err());
        let pruned = call(&space, &["prune", "--older-than", "0s", "--keep", "2"]);
        assert_eq!(pruned.code, 0, "{}", pruned.err());
    }
    // What is theirs is in nobody's way.
    assert_eq!(call(&space, &["-q", "mine"]).code, 0);
    assert_eq!(call(&space, &["status", "latest"]).code, 0);
}
