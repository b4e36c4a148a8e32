//! Results that come from the cache: the right ones or none, and nothing outside of the project.

pub mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::space::files_below;
use support::{Ended, Space};

const WORKFLOW: &str = r#"
defaults: {cache: true}
tasks:
  build:
    sources: "src/*"
    generates: ["out/**", bin]
    run: |
      echo built >> ran
      rm -rf out bin; mkdir -p out/deep; cat src/* > out/all; cp src/a out/deep/a; chmod 755 out/deep/a; ln -s out/all bin
      echo "printed $(cat src/a)"
"#;

fn project() -> Space {
    let space = Space::with(WORKFLOW);
    fs::create_dir(space.work().join("src")).expect("the folder is ours");
    space.write("src/a", "one\n");
    space
}

fn results(space: &Space) -> PathBuf {
    space.home().join(".cache/flow/results")
}

/// Runs the task; whether its commands ran.
fn build(space: &Space) -> (Ended, bool) {
    let before = space.read("ran").unwrap_or_default();
    let ended = space.run(&["build"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    (ended, space.read("ran").unwrap_or_default() != before)
}

fn forget(space: &Space) {
    for name in ["out", ".flow"] {
        fs::remove_dir_all(space.work().join(name)).expect("it is ours");
    }
    fs::remove_file(space.work().join("bin")).expect("it is ours");
}

fn is_built(space: &Space) {
    use std::os::unix::fs::PermissionsExt;
    let text = space.read("src/a").expect("it is there");
    assert_eq!(space.read("out/all"), Some(text.clone()));
    assert_eq!(space.read("out/deep/a"), Some(text));
    let mode = fs::metadata(space.work().join("out/deep/a"))
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    let link = fs::read_link(space.work().join("bin")).expect("it is a link");
    assert_eq!(link, Path::new("out/all"));
}

#[test]
fn what_was_made_before_is_restored_with_what_it_printed() {
    let space = project();
    assert!(build(&space).1);
    space.write("src/a", "two\n");
    assert!(build(&space).1, "that is new");
    space.write("src/a", "one\n");
    let (ended, ran) = build(&space);
    assert!(!ran, "it was made before");
    is_built(&space);
    assert_eq!(ended.out(), "printed one\n");
    assert!(
        ended.err().contains("restored from the cache"),
        "{}",
        ended.err()
    );
    assert!(!build(&space).1, "and is up to date");
    forget(&space);
    assert!(!build(&space).1, "another checkout finds it too");
    is_built(&space);
    forget(&space);
    let ended = space.run(&["--no-cache", "build"]);
    assert!(!ended.err().contains("restored"), "{}", ended.err());
    is_built(&space);
}

#[test]
fn a_file_of_somebody_else_is_not_removed() {
    let space = project();
    build(&space);
    space.write("src/b", "");
    build(&space);
    fs::remove_file(space.work().join("src/b")).expect("it is ours");
    space.write("out/mine", "precious\n");
    let (_, ran) = build(&space);
    assert!(
        ran,
        "nobody knows whose out/mine is, so the task itself has to say"
    );
}

#[test]
fn a_damaged_entry_is_a_miss() {
    let space = project();
    build(&space);
    let whole: Vec<(PathBuf, Vec<u8>)> = files_below(&results(&space))
        .into_iter()
        .map(|name| results(&space).join(name))
        .map(|path| (path.clone(), fs::read(&path).expect("it is there")))
        // What is empty is a lock.
        .filter(|(_, text)| !text.is_empty())
        .collect();
    assert!(
        whole.len() >= 3,
        "an entry, contents, what was printed: {}",
        whole.len()
    );
    for (path, text) in &whole {
        let flipped = |at: usize| {
            let mut text = text.clone();
            text[at] ^= 1;
            text
        };
        let mut damaged = vec![
            Vec::new(),
            text[..text.len() / 2].to_vec(),
            [text, &b"x"[..]].concat(),
        ];
        damaged.extend((0..text.len()).step_by(7).map(flipped));
        for damage in damaged {
            fs::write(path, &damage).expect("it is ours");
            forget(&space);
            let (ended, ran) = build(&space);
            assert!(ran, "{} is a miss", path.display());
            is_built(&space);
            assert_eq!(ended.out(), "printed one\n", "{}", path.display());
            for (path, text) in &whole {
                fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
                fs::write(path, text).expect("it is ours");
            }
        }
    }
}

#[test]
fn an_entry_can_write_nothing_elsewhere() {
    let space = project();
    build(&space);
    let entry = files_below(&results(&space).join("ac"))
        .pop()
        .expect("there is one");
    let entry = results(&space).join("ac").join(entry);
    let text = fs::read_to_string(&entry).expect("it is text");
    let victim = space.home().join("victim");
    fs::write(&victim, "whole").expect("it is ours");
    for path in [
        "../home/victim",
        victim.to_str().expect("it is ASCII"),
        "out/../../home/victim",
        ".git/hooks/x",
        ".flow/x",
        "up/home/victim",
    ] {
        let (_, json) = text.split_once('\n').expect("a hash stands before it");
        let json = json.replace("out/all", path);
        let text = format!("{}\n{json}", blake3::hash(json.as_bytes()));
        fs::write(&entry, text).expect("it is ours");
        forget(&space);
        let _ = std::os::unix::fs::symlink("..", space.work().join("up"));
        let (_, ran) = build(&space);
        assert!(ran, "{path} is a miss");
        assert_eq!(fs::read_to_string(&victim).expect("it is there"), "whole");
        assert!(!space.has(".git/hooks/x") && !space.has(".flow/x"));
    }
}

#[test]
fn secrets_do_not_get_there() {
    let space = Space::with(
        r#"
secrets: {TOKEN: {env: TOKEN}}
defaults: {cache: true}
tasks:
  reads:
    sources: src
    generates: out/reads
    run: "mkdir -p out; echo {{ secrets.TOKEN }} > out/reads"
  steals:
    depends_on: [reads]
    sources: src
    generates: out/steals
    run: "cp out/reads out/steals; cat out/steals"
"#,
    );
    space.write("src", "");
    let mut flow = space.flow(&["steals"]);
    flow.env("TOKEN", "s3cr3t-t0k3n");
    let ended = space.finish(flow.spawn().expect("flow starts"));
    assert_eq!(ended.code, 0, "{}", ended.err());
    for name in files_below(&space.home()) {
        let text = fs::read(space.home().join(&name)).expect("it is there");
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains("s3cr3t"), "{}", name.display());
    }
    let table = fs::read(space.state().join("fingerprints")).expect("it is there");
    assert!(!String::from_utf8_lossy(&table).contains("s3cr3t"));
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let space = project();
    for text in ["one\n", "two\n", "three\n", "one\n"] {
        space.write("src/a", text);
        build(&space);
    }
    let old =
        |days: u64| std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
    for name in files_below(&results(&space)) {
        let path = results(&space).join(&name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let file = fs::File::options()
            .append(true)
            .open(&path)
            .expect("it is ours");
        // The contents are all older than the entries.
        let days = if text.contains("\"version\"") { 2 } else { 3 };
        file.set_modified(old(days)).expect("it is ours");
    }
    forget(&space);
    assert!(!build(&space).1, "used now");
    let ended = space.run(&["prune", "--cache", "--max-size", "700B"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    assert!(
        ended.out().contains("in 2 sets of results"),
        "{}",
        ended.out()
    );
    forget(&space);
    assert!(!build(&space).1, "it was used last");
    is_built(&space);
    space.write("src/a", "two\n");
    assert!(build(&space).1, "that is gone");
    let ended = space.run(&["prune", "--cache", "--max-size", "0"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    assert!(files_below(&results(&space).join("ac")).is_empty());
    assert!(files_below(&results(&space).join("cas")).is_empty());
    for wrong in ["many", "5", "5XB", "-1B"] {
        assert_eq!(
            space.run(&["prune", "--cache", "--max-size", wrong]).code,
            2,
            "{wrong}"
        );
    }
}

#[test]
fn a_result_that_was_kept_without_values_is_none_for_whoever_reads_them() {
    let space = Space::with(
        "
defaults: {cache: true}
tasks:
  make:
    sources: [x]
    generates: out
    run: [{name: say, run: 'echo made >> count; cp x out; echo said'}]
    outputs: {said: steps.say.stdout}
  use: {depends_on: [make], run: 'echo {{ tasks.make.outputs.said }}'}
",
    );
    space.write("x", "1");
    assert_eq!(space.run(&["-q", "make"]).code, 0);
    // Nobody has read what it hands on, so that is not known.
    let used = space.run(&["-q", "use"]);
    assert_eq!(
        (used.code, used.out().ends_with("said\n")),
        (0, true),
        "{}",
        used.err()
    );
    assert_eq!(space.read("count").as_deref(), Some("made\nmade\n"));
    std::fs::remove_dir_all(space.state()).expect("it is ours");
    std::fs::remove_file(space.work().join("out")).expect("it is there");
    let used = space.run(&["-q", "use"]);
    assert_eq!(
        (used.code, used.out().ends_with("said\n")),
        (0, true),
        "{}",
        used.err()
    );
    assert_eq!(
        space.read("count").as_deref(),
        Some("made\nmade\n"),
        "now it is"
    );
}

#[test]
fn without_consent_nothing_is_restored() {
    let space = Space::with(&WORKFLOW.replace("defaults: {cache: true}\n", ""));
    fs::create_dir(space.work().join("src")).expect("the folder is ours");
    space.write("src/a", "one\n");
    for _ in 0..3 {
        assert!(build(&space).1, "what is gone is made again");
        fs::remove_dir_all(space.work().join("out")).expect("it is ours");
    }
    assert!(
        files_below(&results(&space)).is_empty(),
        "nothing is kept without consent"
    );
}

/// The results of one task have nothing of another, whose files lie in the same folder.
#[test]
fn an_entry_holds_what_its_task_made() {
    let space = Space::with(
        r#"
defaults: {cache: true}
tasks:
  js: {sources: a, generates: ["dist/**"], run: "echo js >> ran; mkdir -p dist; cp a dist/a.js"}
  types: {sources: b, generates: ["dist/**"], run: "echo types >> ran; mkdir -p dist; cp b dist/a.d.ts"}
  all: {depends_on: [js, types]}
"#,
    );
    let ran = || space.read("ran").unwrap_or_default();
    let holds = |name: &str, text: &str| {
        assert_eq!(
            space.read(&format!("dist/{name}")).as_deref(),
            Some(text),
            "{name}: {}",
            ran()
        );
    };
    for (file, text) in [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2")] {
        if space.read("a").is_none() {
            space.write("b", "1");
        }
        space.write(file, text);
        let _ = fs::remove_file(space.work().join("ran"));
        assert_eq!(space.run(&["-q", "-j", "1", "all"]).code, 0);
        let _ = fs::remove_file(space.work().join("ran"));
        assert_eq!(space.run(&["-q", "all"]).code, 0);
        assert_eq!(
            ran(),
            "",
            "what one has made is no reason for the other to run"
        );
    }
    for _ in 0..2 {
        fs::remove_dir_all(space.work().join("dist")).expect("it is ours");
        assert_eq!(space.run(&["-q", "all"]).code, 0);
        holds("a.js", "2");
        holds("a.d.ts", "2");
    }
    space.write("a", "1");
    fs::remove_dir_all(space.work().join("dist")).expect("it is ours");
    assert_eq!(space.run(&["-q", "all"]).code, 0);
    holds("a.js", "1");
    holds("a.d.ts", "2");
}

#[test]
fn folders_come_back_as_they_were() {
    use std::os::unix::fs::PermissionsExt;
    let space = Space::with(
        r#"
tasks:
  make:
    sources: a
    generates: [out, "more/**"]
    cache: true
    run: "echo made >> ran; mkdir -p out/empty out/private/deep more/none; cp a out/private/deep; chmod 700 out/private; chmod 500 out/private/deep"
"#,
    );
    space.write("a", "1");
    let mode = |name: &str| {
        let metadata = fs::metadata(space.work().join(name)).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    let names = ["out/empty", "out/private", "out/private/deep", "more/none"];
    assert_eq!(space.run(&["-q", "make"]).code, 0);
    let before: Vec<u32> = names.iter().map(|name| mode(name)).collect();
    assert_eq!((before[1], before[2]), (0o700, 0o500));
    for _ in 0..2 {
        for name in ["out", "more"] {
            let command = format!("chmod -R u+w {name}; rm -rf {name}");
            let removed = space.command("sh").args(["-c", &command]).status();
            assert!(removed.is_ok_and(|status| status.success()));
        }
        assert_eq!(space.run(&["-q", "make"]).code, 0);
        let after: Vec<u32> = names.iter().map(|name| mode(name)).collect();
        assert_eq!(after, before);
    }
    assert_eq!(space.read("ran").as_deref(), Some("made\n"), "restored");
    fs::remove_dir(space.work().join("out/empty")).expect("it is ours");
    let why = space.run(&["why", "make"]);
    assert!(
        why.out().contains("out/empty"),
        "an empty folder is an output: {}",
        why.out()
    );
}

/// What a compiler has read is part of what its results are found by, in a copy of the project too.
#[test]
fn results_are_found_by_what_a_depfile_names() {
    let space = Space::with(
        r#"
tasks:
  make:
    sources: a
    depfile: out.d
    generates: out
    cache: true
    run: "echo made >> ran; cat a h > out; echo 'out: a h' > out.d"
"#,
    );
    space.write("a", "1");
    let ran = || space.read("ran").unwrap_or_default().lines().count();
    let forget = |names: &[&str]| {
        for name in names {
            let path = space.work().join(name);
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
    };
    for (text, times) in [("1", 1), ("2", 2), ("1", 2), ("2", 2), ("3", 3), ("1", 3)] {
        space.write("h", text);
        assert_eq!(space.run(&["-q", "make"]).code, 0);
        assert_eq!(
            (space.read("out"), ran()),
            (Some(format!("1{text}")), times),
            "h is {text}"
        );
    }
    forget(&[".flow", "out", "out.d"]);
    assert_eq!(space.run(&["-q", "make"]).code, 0);
    assert_eq!(
        (space.read("out").as_deref(), ran()),
        (Some("11"), 3),
        "a copy of the project"
    );
    space.write("h", "4");
    forget(&[".flow", "out", "out.d"]);
    assert_eq!(space.run(&["-q", "make"]).code, 0);
    assert_eq!(
        (space.read("out").as_deref(), ran()),
        (Some("14"), 4),
        "nothing old is restored"
    );
}
