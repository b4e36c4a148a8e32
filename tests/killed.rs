//! flow itself is killed: what its commands have made of their environment hides none of them, and where a run has to be safe they
//! are ended without anybody asking.

pub mod support;

use std::process::Child;

use rustix::process::Signal;
use support::processes::{is_alive, signal};
use support::{Space, wait_for};

/// A process that nobody can tell by its environment. It ends with the test.
struct Hidden(i32);

impl Hidden {
    /// Of the process that has written its id to this file.
    fn named_in(space: &Space, name: &str) -> Self {
        let pid = || space.read(name)?.trim().parse().ok();
        wait_for("the process to say who it is", || pid().is_some());
        Self(pid().expect("it has said so"))
    }

    fn is_alive(&self) -> bool {
        is_alive(self.0)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        signal(self.0, Signal::KILL);
    }
}

fn kill(flow: &mut Child) {
    flow.kill().expect("it can be killed");
    flow.wait().expect("it has ended");
}

/// Ways in which a command hides what it starts; each writes its process id to `pid` and waits.
const HIDES: [&str; 4] = [
    "exec env -i sh -c 'echo $$ > pid; exec sleep 600'",
    "env -i sh -c 'echo $$ > pid; exec sleep 600'",
    "env -i setsid sh -c 'echo $$ > pid; exec sleep 600' & wait",
    "env -i sh -c '(setsid sh -c \"echo \\$\\$ > pid; exec sleep 600\"; wait) & sleep 600'",
];

fn workflow(hides: &str, more: &str) -> String {
    let script =
        format!("test -e go && {{ echo again >> log; exit; }}\necho first >> log\n{hides}");
    format!("tasks:\n  hide: {{{more}run: {script:?}}}\n")
}

#[test]
fn who_hides_is_ended_before_the_run_goes_on() {
    for hides in HIDES {
        let space = Space::with(&workflow(hides, ""));
        let mut flow = space.start(&["hide"]);
        let hidden = Hidden::named_in(&space, "pid");
        wait_for("the fact", || space.record().count("process_started") > 0);
        kill(&mut flow);
        assert!(hidden.is_alive(), "nobody has ended it: {hides}");
        space.write("go", "");
        let resumed = space.run(&["resume"]);
        assert_eq!(resumed.code, 0, "{hides}\n{}", resumed.err());
        assert!(
            !hidden.is_alive(),
            "it goes on beside the second one: {hides}"
        );
        assert_eq!(space.read("log").as_deref(), Some("first\nagain\n"));
    }
}

#[test]
fn in_a_durable_run_who_hides_ends_with_flow() {
    for hides in HIDES {
        let space = Space::with(&workflow(hides, "durable: true, "));
        let mut flow = space.start(&["hide"]);
        let hidden = Hidden::named_in(&space, "pid");
        wait_for("the fact", || space.record().count("process_started") > 0);
        kill(&mut flow);
        wait_for("what is left to be ended", || !hidden.is_alive());
    }
}

#[test]
fn what_asks_for_an_answer_is_found_too() {
    let workflow = "
tasks:
  hide:
    vars: {x: {sh: \"test -e go || exec env -i sh -c 'echo $$ > pid; exec sleep 600'\"}}
    run: echo {{ x }} done
";
    let space = Space::with(workflow);
    let mut flow = space.start(&["hide"]);
    let hidden = Hidden::named_in(&space, "pid");
    wait_for("the fact", || space.record().count("process_started") > 0);
    kill(&mut flow);
    space.write("go", "");
    let resumed = space.run(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert!(!hidden.is_alive());
}

/// The process id of the helper of a run of this space.
fn helper(space: &Space) -> Option<i32> {
    let here = space.work().display().to_string();
    let is_helper = |pid: &i32| {
        let call = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        call.starts_with("flow-keeper") && call.contains(&here)
    };
    let all = std::fs::read_dir("/proc").expect("it is there").flatten();
    let mut names = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    names.find(is_helper)
}

/// What a helper does late must not meet those who went on in the meantime, even where they have hidden.
#[test]
fn who_goes_on_with_a_run_is_not_what_is_left_of_it() {
    for hides in [":", HIDES[0], HIDES[2]] {
        let space = Space::with(&workflow(
            &format!(
                "{}; echo $$ > pid; exec sleep 600",
                hides.replace("600", "601")
            ),
            "durable: true, ",
        ));
        let mut flow = space.start(&["hide"]);
        let first = Hidden::named_in(&space, "pid");
        wait_for("the fact", || space.record().count("process_started") > 0);
        let helper = helper(&space).expect("a durable run has one");
        signal(helper, Signal::STOP);
        kill(&mut flow);
        std::fs::remove_file(space.work().join("pid")).expect("it is there");
        let mut resumed = space.start(&["resume"]);
        let second = Hidden::named_in(&space, "pid");
        wait_for("the fact", || space.record().count("process_started") > 1);
        assert!(!first.is_alive());
        signal(helper, Signal::CONT);
        wait_for("the first helper to end", || !is_alive(helper));
        assert!(second.is_alive(), "{hides}");
        kill(&mut resumed);
        wait_for("the second helper", || !second.is_alive());
    }
}

#[test]
fn a_durable_run_ends_its_helper() {
    let space = Space::with("tasks: {t: {durable: true, run: [':', 'echo $PPID > flow']}}\n");
    let ended = space.run(&["t"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    assert_eq!(helper(&space), None);
}

#[test]
fn signals_that_nobody_expects_end_a_run_as_others_do() {
    let workflow = "
tasks:
  t:
    run: |
      touch ready
      exec sleep 600
    finally: touch tidy
";
    let rare = [
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGXCPU,
        libc::SIGIO,
        libc::SIGPWR,
    ];
    for number in rare {
        let space = Space::with(workflow);
        let flow = space.start(&["t"]);
        wait_for("the task", || space.has("ready"));
        let named = Signal::from_named_raw(number).expect("it has a name");
        signal(i32::try_from(flow.id()).expect("it is small"), named);
        let ended = space.finish(flow);
        assert_eq!(ended.code, 128 + number, "{}", ended.err());
        assert!(space.has("tidy"), "finally has run");
        space.assert_nobody_left();
        let fact = format!("cancel_requested signal {number}");
        assert!(space.record().says(&fact));
    }
}

#[test]
fn a_file_that_may_not_grow_is_an_error_that_is_said() {
    let workflow =
        "tasks: {t: {run: ['head -c 200000 /dev/zero | tr \"\\\\0\" x', 'touch after']}}\n";
    let space = Space::with(workflow);
    let mut limited = space.command("sh");
    let call = format!("ulimit -f 8; exec {} t", env!("CARGO_BIN_EXE_flow"));
    limited.args(["-c", &call]);
    let ended = space.finish(limited.spawn().expect("there is a shell"));
    assert_eq!(ended.code, 5, "{}", ended.err());
    assert!(ended.err().contains("File too large"), "{}", ended.err());
    assert!(!space.has("after"));
    space.assert_nobody_left();
}
