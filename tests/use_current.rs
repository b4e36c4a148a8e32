//! `flow resume --use-current`: what was done stays done, and the rest is as the file says now.

pub mod support;

use flow::core::fact::{Fact, RunEnd};
use flow::core::state::RunStage;
use rustix::process::Signal;
use support::processes::signal;
use support::{Space, wait_for};

const BEFORE: &str = "
vars: {who: nobody, once: {sh: 'echo once >> evaluated; date +%N'}}
tasks:
  build: echo build {{ once }} >> log
  test:
    depends_on: [build]
    run:
      - name: first
        run: echo one >> log; echo value=7 >> $FLOW_OUTPUT
      - 'if test ! -e go; then touch began; sleep 600; fi; echo two {{ steps.first.outputs.value }} >> log'
  deploy: {depends_on: [test], run: exit 3}
";

/// A run of `deploy who=ada` that was killed in the midst of `test`.
fn killed() -> Space {
    let space = Space::with(BEFORE);
    let mut flow = space.start(&["-q", "deploy", "who=ada"]);
    wait_for("the second step", || space.has("began"));
    let pid = i32::try_from(flow.id()).expect("a process id");
    signal(pid, Signal::KILL);
    flow.wait().expect("it is ours");
    space.write("go", "");
    space
}

fn change(space: &Space, from: &str, to: &str) {
    let text = space.read("Workflowfile.yml").expect("it is there");
    assert!(text.contains(from), "{from}");
    space.write("Workflowfile.yml", &text.replace(from, to));
}

#[test]
fn what_was_done_stays_done_and_the_rest_is_as_the_file_says() {
    let space = killed();
    change(
        &space,
        "run: exit 3",
        "run: 'echo deploy {{ who }} {{ once }} >> log'",
    );
    // What has ended has ended, whatever is said of it now.
    change(
        &space,
        "build: echo build {{ once }} >> log",
        "build: {run: [echo build >> log, echo more >> log]}",
    );
    let resumed = space.run(&["resume", "--use-current"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert!(
        resumed.err().contains("goes on as run"),
        "{}",
        resumed.err()
    );
    let log = space.read("log").expect("it ran");
    let value = log.split_whitespace().nth(1).expect("a value").to_owned();
    assert_eq!(
        log,
        format!("build {value}\none\ntwo 7\ndeploy ada {value}\n")
    );
    assert_eq!(space.read("evaluated").as_deref(), Some("once\n"));
    let records = space.records();
    let ends: Vec<RunStage> = records.iter().map(|record| record.state.stage()).collect();
    let ended = |end| RunStage::Finished(end);
    assert_eq!(ends, [ended(RunEnd::Cancelled), ended(RunEnd::Completed)]);
    let linked = matches!(&records[1].facts[0].fact, Fact::RunCreated { retry_of, .. }
        if retry_of.as_ref() == Some(&records[0].run));
    assert!(linked);
    assert_eq!(space.run(&["verify", "--all"]).code, 0);
    let again = space.run(&["resume", records[0].run.as_str()]);
    assert_eq!(again.code, 4, "{}", again.err());
}

#[test]
fn a_task_that_says_something_else_now_begins_anew() {
    let space = killed();
    change(&space, "run: exit 3", "run: echo deploy >> log");
    change(
        &space,
        "run: echo one >> log; echo",
        "run: echo uno >> log; echo",
    );
    let resumed = space.run(&["resume", "--use-current", "-q"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    let log = space.read("log").expect("it ran");
    assert!(log.ends_with("one\nuno\ntwo 7\ndeploy\n"), "{log}");
}

#[test]
fn what_has_ended_must_still_be_there() {
    let space = killed();
    change(&space, "depends_on: [build]", "desc: x");
    change(&space, "  build: echo build {{ once }} >> log\n", "");
    let refused = space.run(&["resume", "--use-current"]);
    assert_eq!(refused.code, 2, "{}", refused.err());
    let words = "the task 'build', which has ended, is not in the file any more";
    assert!(refused.err().contains(words), "{}", refused.err());
    // Nothing has happened: it goes on with the file as it was.
    assert_eq!(space.records().len(), 1);
    let resumed = space.run(&["resume", "-q"]);
    assert_eq!(resumed.code, 1, "{}", resumed.err());
    assert!(space.read("log").expect("it ran").ends_with("one\ntwo 7\n"));
    assert_eq!(
        space.run(&["resume", "--use-current", "latest"]).code,
        1,
        "it has failed"
    );
}

#[test]
fn what_must_not_be_made_again_is_not() {
    let space = Space::with(
        "tasks: {once: {on_lost: fail, run: 'touch began; sleep 600'}, after: {depends_on: [once], run: 'true'}}\n",
    );
    let mut flow = space.start(&["after"]);
    wait_for("it to begin", || space.has("began"));
    let pid = i32::try_from(flow.id()).expect("a process id");
    signal(pid, Signal::KILL);
    flow.wait().expect("it is ours");
    let refused = space.run(&["resume", "--use-current"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err().contains("'on_lost: fail'"),
        "{}",
        refused.err()
    );
    assert_eq!(space.run(&["resume"]).code, 1);
}
