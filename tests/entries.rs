//! What lies in `.flow` and in the cache may be anything: links to elsewhere, pipes, devices, folders, somebody's file, endless zeros.
//! Whatever it is, nothing outside changes, nobody waits for it, and nobody reads it into memory.

pub mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use support::{Ended, Space, skipped};

const WORKFLOW: &str = r#"
defaults: {cache: true}
secrets: {pin: {env: PIN}}
tasks:
  build: {sources: src, generates: out, run: "cp src out; echo built"}
  fails: "echo failing; exit 3"
  locked: {locks: [db], run: "echo locked"}
  given: {params: {to: {}}, run: "echo {{ to }} {{ secrets.pin }} > /dev/null"}
triggers:
  never: {cron: "0 0 1 1 *", run: build, enabled: false}
"#;

/// What is put in the place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    LinkToFile,
    LinkToFolder,
    LinkToNothing,
    Pipe,
    Device,
    Folder,
    Text,
    Zeros,
    Nothing,
}

const OTHERS: [Other; 9] = [
    Other::LinkToFile,
    Other::LinkToFolder,
    Other::LinkToNothing,
    Other::Pipe,
    Other::Device,
    Other::Folder,
    Other::Text,
    Other::Zeros,
    Other::Nothing,
];

/// What is called, one after the other: those that look, those that work, those that remove.
const VERBS: &[&[&str]] = &[
    &["list", "--status"],
    &["why", "build"],
    &["-n", "build"],
    &["validate"],
    &["history"],
    &["stats"],
    &["status", "latest"],
    &["events", "latest"],
    &["logs", "latest"],
    &["locks"],
    &["schedule"],
    &["verify", "--all"],
    &["doctor"],
    &["build"],
    &["-q", "locked"],
    &["-q", "given", "to=x"],
    &["resume", "latest:build"],
    &["retry", "latest:fails"],
    &["cancel", "latest"],
    &["serve", "--port", "0"],
    &["archive", "--older-than", "0s"],
    &["prune", "--older-than", "0s", "--keep", "0"],
    &["prune", "--cache", "--max-size", "0"],
];

/// A project in which everything is there that flow keeps, and a copy of what it keeps.
fn project() -> Space {
    let space = Space::with(WORKFLOW);
    space.write("src", "one\n");
    let large = "# of 64 KiB and more, so that its model is kept\n".repeat(1600);
    space.write("Workflowfile.yml", &format!("{WORKFLOW}{large}"));
    for (args, code) in [
        (&["build"][..], 0),
        (&["build"], 0),
        (&["fails"], 1),
        (&["-q", "locked"], 0),
        (&["-q", "given", "to=s3cret"], 0),
        (&["archive", "latest:locked"], 0),
        (&["history"], 0),
        (&["verify", "--new-key"], 0),
        (&["-q", "build", "--force"], 0),
    ] {
        let ended = call(&space, args);
        assert_eq!(ended.code, code, "{args:?}: {}", ended.err());
    }
    // A server leaves its journal, its token and the model that it follows.
    let ended = call(&space, &["serve", "--port", "0"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    fs::rename(space.state(), saved(&space)).expect("it is ours");
    fs::rename(own(&space), saved_own(&space)).expect("it is ours");
    outside(&space);
    space
}

/// Calls flow with little memory. A server is asked to stop as soon as it listens.
fn call(space: &Space, args: &[&str]) -> Ended {
    let script = if args[0] == "serve" {
        "ulimit -v 2000000; rm -f ../told; flow \"$@\" 2> ../told & server=$!\n\
         while kill -0 $server 2> /dev/null && ! grep -q http:// ../told; do :; done\n\
         kill -TERM $server 2> /dev/null; wait $server; code=$?; cat ../told >&2; exit $code"
    } else {
        "ulimit -v 2000000; exec flow \"$@\""
    };
    let mut command = space.command("sh");
    command.args(["-c", script, "sh"]).args(args);
    command.env("PIN", "hunter2-hunter2");
    space.finish(command.spawn().expect("there is a shell"))
}

fn saved(space: &Space) -> PathBuf {
    space.work().join("../saved")
}

/// What belongs to the user: the cache.
fn own(space: &Space) -> PathBuf {
    space.home().join(".cache/flow")
}

fn saved_own(space: &Space) -> PathBuf {
    space.work().join("../saved-own")
}

fn outside_of(space: &Space) -> PathBuf {
    space.work().join("../outside")
}

fn outside(space: &Space) {
    let folder = outside_of(space);
    fs::create_dir_all(folder.join("folder/6fc3v6986g")).expect("it is ours");
    for name in [
        "victim",
        "folder/victim",
        "folder/6fc3v6986g/1.1.log",
        "folder/abcd.json",
        "folder/abcd.model",
    ] {
        fs::write(folder.join(name), "a line of somebody's\n").expect("it is ours");
    }
}

/// Each file of a folder with all that a change of it would change.
fn world(folder: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let stat = fs::symlink_metadata(&path).expect("it is there");
        let mut content = Vec::new();
        if stat.is_dir() {
            let entries = fs::read_dir(&path).expect("it is ours");
            left.extend(entries.map(|entry| entry.expect("it is ours").path()));
        } else {
            content = fs::read(&path).expect("it is ours");
        }
        let changed = (stat.mtime(), stat.mtime_nsec());
        found.insert(
            path,
            (stat.mode(), stat.ino(), changed.0, changed.1, content),
        );
    }
    found
}

/// All that is below a folder, from there on, in order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("it is ours");
            left.extend(entries.map(|entry| entry.expect("it is ours").path()));
        }
        found.push(path.strip_prefix(folder).expect("it is below").to_owned());
    }
    found.sort();
    found
}

/// As it was saved.
fn restore(space: &Space) {
    let user = space.home().join(".local/state/flow");
    for (from, to) in [
        (saved(space), space.state()),
        (saved_own(space), own(space)),
        (space.work().join("../saved-user"), user),
    ] {
        if !from.exists() {
            continue;
        }
        match fs::symlink_metadata(&to) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&to).expect("it is ours"),
            Ok(_) => fs::remove_file(&to).expect("it is ours"),
            Err(_) => {}
        }
        copy(&from, &to);
    }
}

fn copy(from: &Path, to: &Path) {
    let stat = fs::symlink_metadata(from).expect("it is there");
    if stat.is_dir() {
        fs::create_dir_all(to).expect("it is ours");
        for entry in fs::read_dir(from).expect("it is ours") {
            let entry = entry.expect("it is ours");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if stat.is_file() {
        fs::copy(from, to).expect("it is ours");
    }
    fs::set_permissions(to, stat.permissions()).expect("it is ours");
}

/// Puts something else in the place of what is there; whether this could be done.
fn replace(space: &Space, path: &Path, other: Other) -> bool {
    let is_folder = path.is_dir();
    if is_folder {
        if other == Other::Folder {
            return false;
        }
        fs::remove_dir_all(path).expect("it is ours");
    } else {
        fs::remove_file(path).expect("it is ours");
    }
    let outside = outside_of(space);
    match other {
        Other::LinkToFile => symlink(outside.join("victim"), path).expect("it is ours"),
        Other::LinkToFolder => symlink(outside.join("folder"), path).expect("it is ours"),
        Other::LinkToNothing => symlink(outside.join("new"), path).expect("it is ours"),
        Other::Pipe => mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).expect("it is ours"),
        Other::Device => {
            // /dev/zero, which only root may make.
            let zero = rustix::fs::makedev(1, 5);
            return mknodat(CWD, path, FileType::CharacterDevice, Mode::RWXU, zero).is_ok();
        }
        Other::Folder => {
            fs::create_dir(path).expect("it is ours");
            fs::write(path.join("in it"), "").expect("it is ours");
        }
        Other::Text => fs::write(path, "something else\n").expect("it is ours"),
        Other::Zeros => {
            let file = fs::File::create(path).expect("it is ours");
            file.set_len(3 << 30).expect("it takes no room");
        }
        Other::Nothing => {}
    }
    true
}

/// Entries that behave the same are tried once: of several runs, plans and results one each.
fn kind(entry: &Path) -> String {
    let text = entry.to_string_lossy();
    let is_name = |part: &str| part.len() > 8 && part.chars().any(|c| c.is_ascii_digit());
    let parts = text.split('/').map(|part| match part.rsplit_once('.') {
        Some((name, end)) if is_name(name) => format!("NAME.{end}"),
        None if is_name(part) => "NAME".to_owned(),
        _ if part.len() == 2 => "XX".to_owned(),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Tries everything in the place of everything below a folder, which is saved elsewhere.
fn each(space: &Space, from: &Path, to: &Path, verbs: &[&[&str]]) {
    let before = world(&outside_of(space));
    let mut kinds: BTreeMap<String, PathBuf> = BTreeMap::new();
    for entry in entries(from) {
        kinds.entry(kind(&entry)).or_insert(entry);
    }
    assert!(kinds.len() > 3, "{kinds:?}");
    let mut devices = true;
    for (kind, entry) in kinds {
        for other in OTHERS {
            restore(space);
            let path = if entry.as_os_str().is_empty() {
                to.to_owned()
            } else {
                to.join(&entry)
            };
            if !replace(space, &path, other) {
                devices &= other != Other::Device;
                continue;
            }
            for verb in verbs {
                let ended = call(space, verb);
                let what = format!("{} as {other:?}: {verb:?}", to.join(&kind).display());
                assert!(ended.code < 100, "{what}: {} {}", ended.code, ended.err());
                assert!(!ended.err().contains("panicked"), "{what}: {}", ended.err());
            }
            assert_eq!(world(&outside_of(space)), before, "{kind} as {other:?}");
        }
    }
    if !devices {
        skipped("devices in the place of files, which only root can make");
    }
}

#[test]
fn whatever_lies_in_the_state_changes_nothing_outside() {
    let space = project();
    each(&space, &saved(&space), &space.state(), VERBS);
}

#[test]
fn whatever_lies_in_the_cache_changes_nothing_outside() {
    let verbs = |verb: &&&[&str]| {
        ["list", "-n", "validate", "build", "serve"].contains(&verb[0]) || verb.contains(&"--cache")
    };
    let verbs: Vec<&[&str]> = VERBS.iter().filter(verbs).copied().collect();
    let space = project();
    each(&space, &saved_own(&space), &own(&space), &verbs);
}

#[test]
fn whatever_lies_in_the_folder_of_the_user_changes_nothing_outside() {
    let verbs =
        |verb: &&&[&str]| ["list", "history", "validate", "build", "doctor"].contains(&verb[0]);
    let verbs: Vec<&[&str]> = VERBS.iter().filter(verbs).copied().collect();
    let space = project();
    let (own, saved) = (
        space.home().join(".local/state/flow"),
        space.work().join("../saved-user"),
    );
    copy(&own, &saved);
    each(&space, &saved, &own, &verbs);
}
