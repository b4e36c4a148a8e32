//! What flow asks git runs nothing that a repository names.

pub mod support;

use flow::model::language::BuiltIn;
use flow::model::language::builtin::{BUILT_IN, RESULT, Row};
use support::Space;

fn git(space: &Space, args: &[&str]) -> bool {
    let mut command = space.command("git");
    command.args([
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "core.fsmonitor=false",
    ]);
    command.args(args);
    command.output().is_ok_and(|output| output.status.success())
}

/// The table of names is what a run offers: each member of it can be read.
#[test]
fn every_built_in_name_is_there() {
    let of = |is_error: bool| {
        let rows = BUILT_IN
            .iter()
            .filter(move |row| (row.is == BuiltIn::Error) == is_error);
        let member = |row: &Row| {
            let name = row.name;
            let members: Vec<String> = row
                .members
                .iter()
                .map(|(member, _)| format!("{name}.{member}"))
                .collect();
            members
        };
        rows.flat_map(member).collect::<Vec<_>>().join(", ")
    };
    let results: Vec<String> = RESULT
        .iter()
        .map(|(member, _)| format!("tasks.first.{member}"))
        .collect();
    let space = Space::with(&format!(
        "tasks:\n  first: {{for: [a], run: 'true'}}\n  read:\n    depends_on: first\n    run: |\n      echo {{{{ [{}, {}, os, arch, cpus, \
         args] | tojson }}}}\n  fail:\n    run: exit 3\n    on_failure: 'echo {{{{ [{}] | tojson }}}}'\n",
        of(false),
        results.join(", "),
        of(true),
    ));
    if !git(&space, &["init", "-q", "."]) {
        support::skipped("what git offers, because there is no git");
        return;
    }
    assert!(git(&space, &["add", "."]) && git(&space, &["commit", "-q", "-m", "first"]));
    let ended = space.run(&["-q", "read"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    let values: Vec<serde_json::Value> =
        serde_json::from_str(&ended.out()).expect("the list is JSON");
    assert_eq!(
        values.len(),
        of(false).split(", ").count() + RESULT.len() + 4
    );
    let ended = space.run(&["-q", "fail"]);
    assert!(
        ended.out().contains("3, \"fail\""),
        "{}{}",
        ended.out(),
        ended.err()
    );
}

#[test]
fn a_repository_has_nothing_run() {
    let space = Space::with(
        "tasks: {t: 'echo {{ git.dirty }} {{ git.branch }} {{ git.short_sha | length > 3 }} [{{ git.tag }}]'}\n",
    );
    let git = |args: &[&str]| git(&space, args);
    if !git(&["--version"]) {
        support::skipped("what git is asked, because there is no git");
        return;
    }
    assert!(git(&["init", "-q", "-b", "main", "."]));
    assert!(git(&["add", "Workflowfile.yml"]) && git(&["commit", "-q", "-m", "first"]));
    let hostile = format!("touch {}/ran; false", space.home().display());
    assert!(git(&["config", "core.fsmonitor", &hostile]));
    let ended = space.run(&["-q", "t"]);
    assert_eq!(
        (ended.code, ended.out().as_str()),
        (0, "false main true []\n"),
        "{}",
        ended.err()
    );
    space.write("new", "");
    assert!(space.run(&["-q", "t"]).out().starts_with("true "));
    assert!(!space.home().join("ran").exists(), "its monitor ran");
    // A bare repository that came along within another says nothing.
    let bare = space.work().join("bare");
    assert!(git(&["init", "-q", "--bare", "bare"]));
    std::fs::write(
        bare.join("Workflowfile.yml"),
        "tasks: {t: 'echo {{ git.sha }}'}\n",
    )
    .expect("it is ours");
    let ended = space.run(&["-C", "bare", "-q", "t"]);
    assert_eq!(ended.code, 1, "{}", ended.out());
    assert!(
        ended.err().contains("git.sha is not known"),
        "{}",
        ended.err()
    );
}

/// What git's files are in a folder that somebody else has packed: nobody waits for a pipe, and nobody reads a device to its end.
#[test]
fn files_of_git_that_are_no_files_are_none() {
    let places = [
        ".git",
        ".git/config",
        ".git/info/exclude",
        ".gitignore",
        "src/.gitignore",
    ];
    for place in places {
        for device in [false, true] {
            let space = Space::with("tasks: {t: {sources: 'src/**', run: echo done}}\n");
            std::fs::create_dir(space.work().join("src")).expect("it is ours");
            space.write("src/a", "");
            let path = space.work().join(place);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is ours");
            let made = match device {
                true => std::os::unix::fs::symlink("/dev/zero", &path).is_ok(),
                false => space
                    .command("mkfifo")
                    .arg(&path)
                    .status()
                    .is_ok_and(|status| status.success()),
            };
            assert!(made, "{place}");
            let script = "ulimit -v 2000000; exec flow -q t";
            let mut command = space.command("sh");
            command.args(["-c", script]);
            let ended = space.finish(command.spawn().expect("there is a shell"));
            assert_eq!((ended.code, ended.out().as_str()), (0, "done\n"), "{place}");
        }
    }
}
