//! What `flow status` says of a run: causes, how far it is, all of it for programs.

pub mod support;

use std::fs;

use serde_json::Value;
use support::{Space, wait_for};

fn status(space: &Space, run: &str) -> Value {
    let shown = space.run(&["status", run, "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.err());
    serde_json::from_str(&shown.out()).expect("JSON")
}

/// The row of a task or step in the table.
fn row(space: &Space, name: &str) -> String {
    let shown = space.run(&["status"]).out();
    let row = shown
        .lines()
        .find(|line| line.trim_start().starts_with(name));
    row.unwrap_or_else(|| panic!("no {name} in {shown}"))
        .to_owned()
}

const WORK: &str = "
tasks:
  fin: {run: echo hi, finally: exit 4}
  timed: {run: [echo a, sleep 600], timeout: 100ms}
  step: {run: [{run: sleep 600, timeout: 100ms}]}
  blocked: {depends_on: [fin], run: echo blocked}
  far: {depends_on: [blocked], run: echo far}
  slow: {run: ['touch began', 'sleep 600'], finally: echo tidied}
  also: {run: ['while ! test -f began; do sleep 0.01; done; exit 3']}
  fast: {depends_on: [slow, also]}
  called: {run: [{task: fin}]}
  items: {for: [1, 2, 3], run: 'test {{ item }} != 3 || { touch began; sleep 600; }'}
  outputs: {run: ['echo x=1 >> $FLOW_OUTPUT', {set: {y: [1, {a: b}]}}], outputs: {z: 1 + 1, s: secrets.S}}
  reads: {depends_on: [outputs], run: 'echo {{ tasks.outputs.outputs.x }}'}
secrets: {S: {sh: echo hunter2}}
";

/// The arguments of a call, and what becomes of tasks by it.
type Case<'c> = (&'c [&'c str], &'c [(&'c str, &'c str)]);

#[test]
fn each_end_has_its_cause() {
    let space = Space::with(WORK);
    let cases: [Case<'_>; 6] = [
        (&["fin"], &[("fin", "step finally.1: exit code 4")]),
        (
            &["timed"],
            &[
                ("timed", "its timeout had passed"),
                ("step 2", "the timeout of timed had passed"),
            ],
        ),
        (
            &["step"],
            &[
                ("step ", "step 1: timed out"),
                ("step 1", "its timeout had passed"),
            ],
        ),
        (
            &["far"],
            &[("blocked", "fin failed"), ("far", "fin failed")],
        ),
        (&["called"], &[("called", "finally.1: exit code 4")]),
        (
            &["--fail-fast", "fast"],
            &[
                ("slow", "another task failed"),
                ("also", "exit code 3"),
                ("fast", "also failed"),
            ],
        ),
    ];
    for (call, causes) in cases {
        let _ = fs::remove_file(space.work().join("began"));
        let call = [&["-q"], call].concat();
        assert_eq!(space.run(&call).code, 1, "{call:?}");
        for (name, cause) in causes {
            let row = row(&space, name);
            assert!(row.contains(cause), "{call:?}: {row}");
        }
    }
    // One that was cancelled.
    let _ = fs::remove_file(space.work().join("began"));
    let child = space.start(&["-q", "slow"]);
    wait_for("its command", || space.has("began"));
    let cancelled = space.run(&["cancel", "--by", "kim", "--reason", "wrong"]);
    assert_eq!(cancelled.code, 0, "{}", cancelled.err());
    assert_eq!(space.finish(child).code, 4);
    assert!(row(&space, "slow").contains("cancelled by kim: wrong"));
    let task = &status(&space, "latest")["tasks"][0];
    assert_eq!(task["error"], "cancelled by kim: wrong");
}

#[test]
fn what_goes_on_counts_its_items_and_its_time_until_now() {
    let space = Space::with(WORK);
    let child = space.start(&["-q", "items"]);
    wait_for("the last item", || space.has("began"));
    let first = status(&space, "latest");
    let second = status(&space, "latest");
    assert_eq!(
        (&first["status"], &first["current"][0]),
        (&"running".into(), &"items".into())
    );
    let seconds = |status: &Value| status["tasks"][0]["seconds"].as_f64().expect("a time");
    assert!(seconds(&first) < seconds(&second), "{first}\n{second}");
    assert!(row(&space, "items").contains("2 of 3 items"));
    let mut child = child;
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    wait_for("its end", || row(&space, "items").contains("interrupted"));
    assert!(row(&space, "items").contains("2 of 3 items"));
    let resumed = space.start(&["resume"]);
    fs::remove_file(space.work().join("began")).expect("it is there");
    wait_for("the last item once more", || space.has("began"));
    let cancelled = space.run(&["cancel"]);
    assert_eq!(cancelled.code, 0, "{}", cancelled.err());
    let words = space.finish(resumed).err();
    assert!(
        words.contains("0 of 1 tasks and 2 of 3 items have ended"),
        "{words}"
    );
    space.assert_nobody_left();
}

#[test]
fn programs_get_steps_errors_and_outputs() {
    let space = Space::with(WORK);
    assert_eq!(space.run(&["-q", "reads"]).code, 0);
    let good = status(&space, "latest");
    let task = &good["tasks"][0];
    assert_eq!(
        (&task["task"], &task["status"]),
        (&"outputs".into(), &"completed".into())
    );
    let outputs = serde_json::json!({"x": "1", "y": [1, {"a": "b"}], "z": 2, "s": "***"});
    assert_eq!(task["outputs"], outputs);
    assert!(task["ended_at"].is_string() && task["error"].is_null());
    assert_eq!(space.run(&["-q", "timed"]).code, 1);
    let bad = status(&space, "latest");
    let task = &bad["tasks"][0];
    assert_eq!(task["error"], "its timeout had passed");
    assert_eq!(space.run(&["-q", "fin"]).code, 1);
    let bad = status(&space, "latest");
    let task = &bad["tasks"][0];
    assert_eq!(task["error"], "step finally.1: exit code 4");
    assert_eq!(task["failed_step"], "finally.1");
    assert_eq!(
        task["steps"][0],
        serde_json::json!({
            "name": "1", "status": "completed", "exit_code": 0, "error": null, "tail": "hi"
        })
    );
    assert_eq!(task["steps"][1]["error"], "exit code 4");
}

/// A task that removes the record of its own run is told of, twice the same.
#[test]
fn a_record_that_a_task_removes_is_missed() {
    let space = Space::with("tasks:\n  t: rm -rf .flow\n  u: 'rm -f .flow/runs/*.facts'\n");
    for task in ["t", "u", "t", "u"] {
        let ended = space.run(&[task]);
        assert_eq!(ended.code, 5, "{task}: {}", ended.err());
        assert!(
            ended.err().contains("it is gone"),
            "{task}: {}",
            ended.err()
        );
        assert!(
            ended.err().contains("has removed it while the run went on"),
            "{task}"
        );
    }
}

/// Times of triggers are those that their author wrote, and a zone that nobody knows is no UTC.
#[test]
fn times_are_in_the_zone_of_their_trigger() {
    let space = Space::with(
        "
tasks: {a: 'true'}
triggers:
  there: {cron: '0 2 1 1 *', timezone: Asia/Tokyo, run: a}
  local: {cron: '0 2 1 1 *', run: a}
",
    );
    for verb in [
        &["validate"][..],
        &["schedule"],
        &["schedule", "--next", "1"],
    ] {
        let shown = space.run(verb);
        assert_eq!(shown.code, 0, "{}", shown.err());
        let line = |name: &str| {
            let out = shown.out();
            let line = out
                .lines()
                .find(|line| line.contains(name))
                .map(str::to_owned);
            line.unwrap_or_else(|| panic!("no {name}: {out}"))
        };
        assert!(
            line("there").contains("-01-01 02:00"),
            "{verb:?}: {}",
            line("there")
        );
        assert!(
            line("there").contains("+09:00"),
            "{verb:?}: {}",
            line("there")
        );
        assert!(!line("local").contains("+0"), "{verb:?}: {}", line("local"));
        for zone in ["Mars/Olympus", "nonsense", ":nonsense"] {
            let child = space.flow(verb).env("TZ", zone).spawn();
            let ended = space.finish(child.expect("it starts"));
            assert_eq!(ended.code, 2, "{verb:?} {zone}: {}", ended.out());
            assert!(
                ended.err().contains("there is no time zone"),
                "{}",
                ended.err()
            );
        }
        for zone in [
            "",
            "UTC",
            "Europe/Berlin",
            ":Europe/Berlin",
            "CET-1CEST,M3.5.0,M10.5.0/3",
        ] {
            let child = space.flow(verb).env("TZ", zone).spawn();
            let ended = space.finish(child.expect("it starts"));
            assert_eq!(ended.code, 0, "{verb:?} {zone}: {}", ended.err());
        }
    }
}

/// flow with these arguments, whose stdout goes to a file of the folder.
fn into_file(space: &Space, args: &[&str], name: &str) -> std::process::Child {
    let file = fs::File::create(space.work().join(name)).expect("the folder is ours");
    space.flow(args).stdout(file).spawn().expect("flow starts")
}

const HELD: &str = "
tasks:
  held: {params: {to: {default: a}}, run: ['touch began', 'until test -e go; do sleep 0.01; done']}
  bad: {depends_on: [held], run: exit 4}
";

/// `-f` says what changes until the run ends.
#[test]
fn a_run_can_be_followed() {
    let space = Space::with(HELD);
    let run = space.start(&["-q", "bad", "to=prod"]);
    wait_for("the run", || space.has("began"));
    let lines = into_file(&space, &["status", "latest", "-f"], "lines");
    let json = into_file(&space, &["status", "-f", "--json", "latest:bad"], "json");
    let said = |name: &str| space.read(name).unwrap_or_default();
    wait_for("a line", || said("lines").contains("held  running"));
    wait_for("a line", || said("json").contains('\n'));
    space.write("go", "");
    assert_eq!(space.finish(run).code, 1);
    assert_eq!(space.finish(lines).code, 0);
    assert_eq!(space.finish(json).code, 0);
    let words: Vec<String> = said("lines")
        .lines()
        .map(|line| line.split("  ").skip(1).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(words[0], "run of bad to=prod running");
    assert!(words[1].starts_with("held running"), "{words:?}");
    assert!(words[2].starts_with("held completed"), "{words:?}");
    assert!(words[3].starts_with("bad failed"), "{words:?}");
    assert!(words[3].ends_with("exit code 4"), "{words:?}");
    assert!(
        words[4].starts_with("run of bad to=prod failed"),
        "{words:?}"
    );
    assert_eq!(words.len(), 5, "{words:?}");
    let json = said("json");
    let all: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let last = all.last().expect("a line");
    assert_eq!(last["status"], "failed");
    assert!(all[0]["status"] == "running" && all.len() > 1, "{json}");
}

/// Without a run it is all that run, also those that begin later, and it does not end by itself.
#[test]
fn all_that_run_can_be_followed() {
    let space = Space::with(HELD);
    let mut all = into_file(&space, &["status", "-f"], "lines");
    let said = || space.read("lines").unwrap_or_default();
    let one = space.start(&["-q", "held", "to=one"]);
    wait_for("the first", || {
        said().contains("run of held to=one  running")
    });
    let two = space.start(&["-q", "held", "to=two"]);
    wait_for("the second", || {
        said().contains("run of held to=two  running")
    });
    space.write("go", "");
    assert_eq!(space.finish(one).code, 0);
    assert_eq!(space.finish(two).code, 0);
    wait_for("their ends", || said().matches("run of held").count() == 4);
    assert_eq!(said().matches("  completed").count(), 4, "{}", said());
    assert!(all.try_wait().expect("it is ours").is_none(), "it goes on");
    all.kill().expect("it is ours");
    space.finish(all);
    let refused = space.run(&["status", "-f", "--at", "3"]);
    assert_eq!(refused.code, 2);
}
