//! What becomes of a run and of its processes when signals arrive, seen from outside (P1, P2, P4, P5, P6).
//!
//! Nothing here waits for a time to pass: tasks say by files what they have come to, and `wait_for` looks for those.

pub mod support;

use std::fs;
use std::process::Child;

use rustix::process::Signal;
use support::processes::{is_alive, signal};
use support::{Ended, Record, Space, wait_for};

/// A run that a test sends signals to.
struct Going {
    space: Space,
    flow: Child,
}

impl Going {
    /// Starts flow and waits until its tasks have made these files.
    fn start(workflow: &str, args: &[&str], ready: &[&str]) -> Self {
        let space = Space::with(workflow);
        let flow = space.start(args);
        let going = Self { space, flow };
        ready.iter().for_each(|file| going.wait_for_file(file));
        going
    }

    fn wait_for_file(&self, name: &str) {
        wait_for(&format!("the file {name}"), || self.space.has(name));
    }

    /// Waits until the record has a fact that begins so.
    fn wait_for_fact(&self, start: &str) {
        wait_for(&format!("the fact {start}"), || {
            self.space.record().count(start) > 0
        });
    }

    fn send(&self, number: Signal) {
        signal(pid(&self.flow), number);
    }

    fn finish(self) -> (Space, Ended) {
        let ended = self.space.finish(self.flow);
        (self.space, ended)
    }
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).expect("process ids are small")
}

/// The process id that a task has written to a file.
fn written_pid(space: &Space, name: &str) -> i32 {
    let text = space.read(name).unwrap_or_default();
    text.trim().parse().expect("a task wrote its process id")
}

/// Asserts what every interrupted run has in common.
fn assert_interrupted(space: &Space, number: Signal) -> Record {
    space.assert_nobody_left();
    let record = space.record();
    assert!(record.is_over(), "{:#?}", record.short);
    let asked = format!("cancel_requested signal {}", number.as_raw());
    assert!(record.says(&asked), "{:#?}", record.short);
    assert!(
        record
            .lines
            .iter()
            .any(|line| line.contains("\"actor\":\"tester\",\"kind\":\"cancel_requested\"")),
        "it is put down to who asked"
    );
    assert_eq!(record.count("run_finished"), 0, "it can be resumed");
    assert_eq!(
        record.count("attempt_started"),
        record.count("attempt_finished"),
        "each try has an end"
    );
    let history = space.run(&["history"]);
    assert!(history.out().contains(" interrupted "), "{}", history.out());
    record
}

/// `counts` writes each signal down and ends when it is told to, `quick` ends by the signal.
const TWO: &str = "
tasks:
  quick: |
    touch quick-ready
    while :; do sleep 0.01; done
  counts: |
    set +e # a trap in the midst of a list can end dash otherwise
    trap 'echo INT >> signals' INT
    trap 'echo TERM >> signals' TERM
    trap 'echo HUP >> signals' HUP
    touch counts-ready
    until test -e go; do sleep 0.01 || true; done
";

fn table(number: Signal, name: &str, code: i32) {
    let going = Going::start(
        TWO,
        &["-j2", "-p", "quick", "counts"],
        &["quick-ready", "counts-ready"],
    );
    going.send(number);
    // The end of the one is a turn of the engine in which the other must not be signalled again.
    going.wait_for_fact("attempt_finished quick 1");
    going.wait_for_file("signals");
    going.space.write("go", "");
    let (space, ended) = going.finish();
    assert_eq!(ended.code, code, "{}", ended.err());
    assert_eq!(
        space.read("signals"),
        Some(format!("{name}\n")),
        "it got the signal once"
    );
    let record = assert_interrupted(&space, number);
    let quick = format!(
        "attempt_finished quick 1 interrupted signal {}",
        number.as_raw()
    );
    assert!(record.says(&quick), "{:#?}", record.short);
    // It did its work in spite of the signal, and need not do it again.
    assert!(
        record.says("task_finished counts succeeded"),
        "{:#?}",
        record.short
    );
    let summary = "interrupted: 1 interrupted, 1 succeeded\ngo on with it: flow resume ";
    assert!(ended.err().contains(summary), "{}", ended.err());
}

#[test]
fn sigint_ends_with_130() {
    table(Signal::INT, "INT", 130);
}

#[test]
fn sigterm_ends_with_143() {
    table(Signal::TERM, "TERM", 143);
}

#[test]
fn sighup_ends_with_129() {
    table(Signal::HUP, "HUP", 129);
}

const STUBBORN: &str = "
tasks:
  stubborn: |
    trap '' INT TERM HUP
    touch ready
    while :; do sleep 1; done
";

/// P4: the second signal, of whatever kind, kills at once what ignored the first.
#[test]
fn a_second_signal_kills() {
    for (second, code) in [(Signal::INT, 130), (Signal::TERM, 130)] {
        let going = Going::start(STUBBORN, &["stubborn"], &["ready"]);
        going.send(Signal::INT);
        going.wait_for_fact("cancel_requested signal 2");
        going.send(second);
        let (space, ended) = going.finish();
        assert_eq!(
            ended.code,
            code,
            "the first signal decides: {}",
            ended.err()
        );
        let record = assert_interrupted(&space, Signal::INT);
        let killed = "attempt_finished stubborn 1 interrupted signal 9";
        assert!(record.says(killed), "{:#?}", record.short);
        let now = format!("cancel_requested signal {} now", second.as_raw());
        assert!(record.says(&now), "{:#?}", record.short);
    }
}

/// A task that has stopped itself (or was stopped) gets the signal all the same.
#[test]
fn a_stopped_task_is_woken_and_ended() {
    let going = Going::start(
        "tasks: {stopped: 'echo $$ > pid; kill -STOP $$'}",
        &["stopped"],
        &[],
    );
    wait_for("the task to stop", || {
        let pid = going.space.read("pid").unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        status.is_ok_and(|status| status.contains(") T "))
    });
    going.send(Signal::TERM);
    let (space, ended) = going.finish();
    assert_eq!(ended.code, 143);
    assert_interrupted(&space, Signal::TERM);
}

/// A daemon as they make themselves: a session of its own, no parent, no pipe of ours.
const DAEMON: &str = "(setsid sh -c 'echo $$ > daemon; exec sleep 1000' > /dev/null 2>&1 &)
    until test -s daemon && test \"$(cat /proc/$(cat daemon)/comm)\" = sleep; do sleep 0.01; done";

/// P1, P2: whoever left group and session is ended too, and named.
#[test]
fn a_daemon_is_gone_after_a_signal() {
    let workflow = format!(
        "tasks:\n  serve: |\n    {DAEMON}\n    touch ready\n    while :; do sleep 0.01; done\n"
    );
    let going = Going::start(&workflow, &["serve"], &["ready"]);
    let daemon = written_pid(&going.space, "daemon");
    assert!(is_alive(daemon));
    going.send(Signal::INT);
    let (space, ended) = going.finish();
    assert_eq!(ended.code, 130, "{}", ended.err());
    assert!(!is_alive(daemon));
    assert_interrupted(&space, Signal::INT);
    let warning = "warning: ended sleep, which serve left running\n";
    assert!(ended.err().contains(warning), "{}", ended.err());
}

/// P2: a daemon lives as long as the run, not as long as its task, and ends with it.
#[test]
fn a_daemon_of_a_task_that_succeeded_ends_with_the_run() {
    let workflow = format!(
        "tasks:\n  serve: |\n    {DAEMON}\n  uses: {{depends_on: [serve], run: kill -0 $(cat daemon)}}\n"
    );
    let space = Space::with(&workflow);
    let ended = space.run(&["uses"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    space.assert_nobody_left();
    let warning = "warning: ended sleep, which serve left running\n";
    assert!(ended.err().contains(warning), "{}", ended.err());
    assert!(space.record().says("run_finished completed"));
}

/// P1, P6: a process in the background that holds the pipes of a task that failed.
#[test]
fn a_failed_task_leaves_nobody_behind() {
    let space = Space::with("tasks: {fails: 'sleep 1000 & exit 3'}");
    let ended = space.run(&["fails"]);
    assert_eq!(ended.code, 1, "{}", ended.err());
    space.assert_nobody_left();
    let warning = "warning: ended sleep, which fails left running\n";
    assert!(ended.err().contains(warning), "{}", ended.err());
    assert!(
        space
            .record()
            .says("attempt_finished fails 1 failed exit 3")
    );
}

/// P6: what holds the pipes of an interrupted task and ignores all but SIGKILL is killed by the second signal.
#[test]
fn a_background_process_that_ignores_signals_is_killed() {
    let workflow = "
tasks:
  task: |
    sh -c \"trap '' INT TERM HUP; touch ready; while :; do sleep 1; done\" &
    wait
";
    let going = Going::start(workflow, &["task"], &["ready"]);
    going.send(Signal::HUP);
    going.wait_for_fact("cancel_requested signal 1");
    going.send(Signal::HUP);
    let (space, ended) = going.finish();
    assert_eq!(ended.code, 129, "{}", ended.err());
    assert_interrupted(&space, Signal::HUP);
}

/// Nothing starts after a signal, also when what ran took it for a reason to succeed.
#[test]
fn nothing_starts_after_a_signal() {
    let workflow = "
tasks:
  first:
    run:
      - |
        trap 'exit 0' TERM
        touch ready
        while :; do sleep 0.01 || true; done
      - touch step-ran
  second: {depends_on: [first], run: touch second-ran}
  other: touch other-ran
";
    let going = Going::start(workflow, &["-k", "-j1", "second", "other"], &["ready"]);
    going.send(Signal::TERM);
    let (space, ended) = going.finish();
    assert_eq!(ended.code, 143, "{}", ended.err());
    let record = assert_interrupted(&space, Signal::TERM);
    assert_eq!(record.count("attempt_started"), 1);
    for file in ["step-ran", "second-ran", "other-ran"] {
        assert!(!space.has(file), "{file}");
    }
}

/// As under `nohup`: a signal that flow was started to ignore stays ignored, and others don't.
#[test]
fn an_ignored_signal_stays_ignored() {
    let workflow = "tasks: {task: 'touch ready; until test -e go; do sleep 0.01; done; echo done'}";
    for (number, code) in [(Signal::INT, 0), (Signal::TERM, 143)] {
        let space = Space::with(workflow);
        let mut shell = space.command("sh");
        shell.args(["-c", "trap '' INT; exec flow task"]);
        let flow = shell.spawn().expect("the shell starts");
        let going = Going { space, flow };
        going.wait_for_file("ready");
        going.send(number);
        if code == 0 {
            going.space.write("go", "");
        }
        let (space, ended) = going.finish();
        assert_eq!(ended.code, code, "{}", ended.err());
        space.assert_nobody_left();
        assert_eq!(
            space.record().count("cancel_requested"),
            usize::from(code != 0)
        );
    }
}

/// A run without a record is ended as one with it.
#[test]
fn a_run_without_a_record_is_ended_too() {
    let going = Going::start(TWO, &["--no-record", "quick"], &["quick-ready"]);
    going.send(Signal::TERM);
    let (space, ended) = going.finish();
    assert_eq!(ended.code, 143, "{}", ended.err());
    space.assert_nobody_left();
    assert!(!space.has(".flow"));
}

/// A signal to the whole group, as a terminal sends it, reaches the tasks once: they are in groups of their own.
#[test]
fn a_flow_in_a_flow_is_interrupted_once() {
    let workflow = "
tasks:
  outer: flow inner
  inner: |
    set +e
    trap 'echo INT >> signals' INT
    touch ready
    until test -s signals; do sleep 0.01 || true; done
";
    let going = Going::start(workflow, &["outer"], &["ready"]);
    going.send(Signal::INT);
    let (space, ended) = going.finish();
    assert_eq!(ended.code, 130, "{}", ended.err());
    space.assert_nobody_left();
    assert_eq!(space.read("signals").as_deref(), Some("INT\n"));
    let records = space.records();
    assert_eq!(records.len(), 2);
    assert!(
        records
            .iter()
            .all(|record| record.is_over() && record.state.is_interrupted())
    );
}

#[test]
fn sigquit_ends_a_run_as_sigterm_does() {
    let workflow = "
tasks:
  t:
    run: |
      touch ready
      exec sleep 100
    finally: touch tidy
";
    let going = Going::start(workflow, &["t"], &["ready"]);
    going.send(Signal::QUIT);
    let (space, ended) = going.finish();
    assert_eq!(ended.code, 131, "{}", ended.err());
    assert!(space.has("tidy"), "finally has run");
    space.assert_nobody_left();
    let record = space.record();
    assert!(
        record.says("cancel_requested signal 3"),
        "{:#?}",
        record.short
    );
    assert_eq!(record.count("run_finished"), 0, "it can be resumed");
}

#[test]
fn a_signal_that_all_commands_handle_interrupts_the_run() {
    let workflow = "
tasks:
  t: |
    trap 'exit 0' INT
    touch ready
    while :; do sleep 0.01; done
";
    let going = Going::start(workflow, &["t"], &["ready"]);
    going.send(Signal::INT);
    let (space, ended) = going.finish();
    assert_eq!(ended.code, 130, "{}", ended.err());
    assert!(
        ended.err().contains("interrupted: 1 succeeded"),
        "{}",
        ended.err()
    );
    let record = assert_interrupted(&space, Signal::INT);
    assert!(
        record.says("task_finished t succeeded"),
        "{:#?}",
        record.short
    );
    // There is nothing left to do, and it ends well.
    let ended = space.run(&["resume"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    assert!(space.record().says("run_finished completed"));
}

/// Whatever asks is ended with the run by a signal, and its processes with it; so it is when it is taken up again.
#[test]
fn what_asks_is_ended_by_a_signal() {
    // A signal that comes before the inner shell has put the traps back is lost to it, which would have to be killed later.
    let asks = "trap 'touch told; exit 1' TERM HUP; (touch ready; sleep 100 & sleep 100) & wait";
    let workflow = format!(
        "
vars: {{v: {{sh: {asks:?}}}}}
secrets: {{S: {{sh: {asks:?}}}}}
tasks:
  condition: {{if: {{sh: {asks:?}}}, run: echo x}}
  status: {{status: [{asks:?}], run: echo x}}
  precondition: {{preconditions: [{{sh: {asks:?}}}], run: echo x}}
  verify: {{run: echo x, verify: [{{sh: {asks:?}}}]}}
  until: {{run: [{{wait: {{until: {{sh: {asks:?}}}}}}}]}}
  items: {{for: {{sh: {asks:?}}}, run: echo x}}
  var: echo {{{{ v }}}}
  secret: echo {{{{ secrets.S }}}}
  outputs: {{run: echo x, outputs: {{a: v}}}}
  lock: {{locks: ['{{{{ v }}}}'], run: echo x}}
"
    );
    let tasks = [
        "condition",
        "status",
        "precondition",
        "verify",
        "until",
        "items",
        "var",
        "secret",
        "outputs",
        "lock",
    ];
    for task in tasks {
        for number in [Signal::TERM, Signal::HUP] {
            let going = Going::start(&workflow, &[task], &["ready"]);
            going.send(number);
            let (space, ended) = going.finish();
            let code = 128 + number.as_raw();
            assert_eq!(ended.code, code, "{task}: {}", ended.err());
            assert!(space.has("told"), "{task}: it is asked to end first");
            space.assert_nobody_left();
            // The second time as the first.
            fs::remove_file(space.work().join("ready")).expect("it is there");
            let going = Going {
                flow: space.start(&["resume"]),
                space,
            };
            going.wait_for_file("ready");
            going.send(number);
            let (space, ended) = going.finish();
            assert_eq!(ended.code, code, "{task}: {}", ended.err());
            space.assert_nobody_left();
        }
    }
}

/// A verb that runs nothing but what it asks for ends with it.
#[test]
fn a_verb_that_asks_is_ended_by_a_signal() {
    let workflow = "
vars: {v: {sh: touch ready; sleep 100 & sleep 100}}
tasks:
  t: {status: [touch ready; sleep 100 & sleep 100], run: 'echo {{ v }}'}
";
    for verb in ["vars", "why"] {
        let going = Going::start(workflow, &[verb, "t"], &["ready"]);
        going.send(Signal::TERM);
        let (space, ended) = going.finish();
        assert_eq!(ended.code, 143, "{verb}: {}", ended.err());
        space.assert_nobody_left();
    }
}

/// Each starts the next in a session of its own and ends.
#[test]
fn who_is_born_in_the_clean_up_is_ended_too() {
    let chain = "test -e stop || setsid sh ./chain & sleep 0.01";
    let space = Space::with("tasks: {t: 'setsid sh ./chain & true'}\n");
    space.write("chain", chain);
    let ended = space.run(&["t"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    space.write("stop", "");
    space.assert_nobody_left();
    assert!(ended.err().lines().count() < 30, "{}", ended.err());
}
