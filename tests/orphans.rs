//! Orphans that flow takes in end while its run goes on: no zombie of theirs stays, also where flow is the first process of a
//! container (P7).

pub mod support;

use rustix::process::Signal;
use support::processes::signal;
use support::{Space, wait_for};

/// Counts the zombies among the children of a process, as a command for the shell.
const ZOMBIES: &str = r#"zombies() {
  for stat in /proc/[0-9]*/stat; do cat "$stat"; done 2>/dev/null | sed 's/.*) //' | grep -c "^Z $1 "
}
"#;

/// Makes five orphans that end at once.
const ORPHANS: &str = "for i in 1 2 3 4 5; do (sh -c 'echo x >> ended' &) ; done\n";

#[test]
fn they_are_reaped_while_a_command_goes_on() {
    let ended = "until [ \"$(grep -c x ended)\" = 5 ]; do sleep 0.01; done";
    let reaped = "until [ \"$(zombies $PPID)\" = 0 ]; do sleep 0.01; done";
    let script = format!("{ZOMBIES}rm -f ended\n{ORPHANS}{ended}\n{reaped}\ntouch done\n");
    let space = Space::with(&format!(
        "tasks: {{make: {{sources: [x], run: {}}}}}\n",
        quoted(&script)
    ));
    space.write("x", "");
    let ended = space.run(&["make"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out(), ended.err());
    // In a watch again and again; its first run is one more.
    space.write("x", "more");
    std::fs::remove_file(space.work().join("done")).expect("it is there");
    let watch = space.start(&["watch", "make"]);
    for round in 0..3 {
        wait_for("the end of the task", || space.has("done"));
        let _ = std::fs::remove_file(space.work().join("done"));
        space.write("x", &format!("{round}"));
    }
    signal(
        i32::try_from(watch.id()).expect("it is small"),
        Signal::TERM,
    );
    space.finish(watch);
    space.assert_nobody_left();
}

#[test]
fn the_next_step_finds_no_zombies() {
    let workflow = format!(
        "tasks:\n  make:\n    run:\n      - {}\n      - {}\n",
        quoted(&format!(
            "{ORPHANS}until [ \"$(grep -c x ended)\" = 5 ]; do sleep 0.01; done"
        )),
        quoted(&format!("{ZOMBIES}test \"$(zombies $PPID)\" = 0")),
    );
    let space = Space::with(&workflow);
    let ended = space.run(&["make"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out(), ended.err());
}

#[test]
fn as_the_first_process_it_reaps_as_it_goes() {
    let ended = "until [ \"$(grep -c x ended)\" = 5 ]; do sleep 0.01; done";
    let reaped = "until [ \"$(zombies 1)\" = 0 ]; do sleep 0.01; done";
    let script = format!("{ZOMBIES}test $PPID = 1\n{ORPHANS}{ended}\n{reaped}");
    let space = Space::with(&format!("tasks: {{make: {{run: {}}}}}\n", quoted(&script)));
    let inside = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
    ];
    let mut probe = space.command("unshare");
    probe.args(inside).arg("true");
    if !probe.status().is_ok_and(|status| status.success()) {
        support::skipped(
            "flow as the first process, because this system lets nobody make a container",
        );
        return;
    }
    let mut flow = space.command("unshare");
    flow.args(inside).args([env!("CARGO_BIN_EXE_flow"), "make"]);
    let ended = space.finish(flow.spawn().expect("there is unshare"));
    assert_eq!(ended.code, 0, "{}{}", ended.out(), ended.err());
    // Its own group is one of outside, which has no number here; who is left behind has one.
    let left = "tasks: {left: 'setsid sleep 600 & until [ -n \"$(pgrep sleep)\" ]; do sleep 0.01; done; echo well'}\n";
    let left = left.replace("$(pgrep sleep)", "$(grep -ls sleep /proc/[0-9]*/comm)");
    space.write("Workflowfile.yml", &left);
    let mut flow = space.command("unshare");
    flow.args(inside).args([env!("CARGO_BIN_EXE_flow"), "left"]);
    let ended = space.finish(flow.spawn().expect("there is unshare"));
    assert_eq!(ended.code, 0, "{}{}", ended.out(), ended.err());
    assert_eq!(ended.out(), "well\n");
    assert!(
        ended.err().contains("which left left running"),
        "{}",
        ended.err()
    );
}

/// A script as YAML.
fn quoted(script: &str) -> String {
    format!("{script:?}")
}
