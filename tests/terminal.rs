//! What happens at a terminal: who has it, Ctrl-C, Ctrl-Z and `fg`. A shell with job control runs flow at a pseudo-terminal,
//! and the test types.

pub mod support;

use support::terminal::Terminal;
use support::wait_for;

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const CTRL_Z: &str = "\u{1a}";

#[test]
fn an_interactive_task_has_the_terminal_and_what_others_say_waits() {
    let workflow = r#"
tasks:
  ask:
    interactive: true
    run: |
      until [ -e said ]; do sleep 0.01; done
      for stream in 0 1 2; do test -t $stream && echo "stream $stream is a terminal"; done
      printf 'name? '; read name; echo "hello $name"
  other: "echo early; touch said"
  both: {depends_on: [ask, other]}
"#;
    let mut terminal = Terminal::run(workflow, "flow -j 2 both; echo \"code $?\"");
    terminal.wait_for("name? ");
    terminal.type_in("Ann\n");
    let text = terminal.end();
    let place = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("no {what:?}: {text}"))
    };
    for stream in 0..3 {
        place(&format!("stream {stream} is a terminal"));
    }
    assert!(place("hello Ann") < place("| early"), "others wait: {text}");
    place("code 0");
}

#[test]
fn who_asks_where_nobody_can_answer_is_told_of_the_key() {
    let workflow = "tasks: {ask: \"printf 'name? '; read name\", fails: exit 1}";
    let text = Terminal::run(workflow, "flow ask; flow fails; echo \"code $?\"").end();
    assert_eq!(text.matches("`interactive: true`").count(), 1, "{text}");
}

#[test]
fn one_at_a_time_has_the_terminal() {
    let workflow = r#"
defaults: {interactive: true}
tasks:
  one: "mkdir alone; sleep 0.05; rmdir alone"
  two: "mkdir alone; sleep 0.05; rmdir alone"
  three: {interactive: false, run: "test ! -t 1"}
  all: {depends_on: [one, two, three]}
"#;
    let text = Terminal::run(workflow, "flow -j 4 all; echo \"code $?\"").end();
    assert!(text.contains("code 0"), "{text}");
}

#[test]
fn ctrl_z_suspends_and_fg_goes_on() {
    let workflow = "tasks: {cat: {interactive: true, run: cat}}";
    let script = "flow cat; echo \"stopped $?\"; fg; echo \"ended $?\"";
    let mut terminal = Terminal::run(workflow, script);
    terminal.wait_for("$ cat\n");
    terminal.type_in("one\n");
    terminal.wait_for("one\none\n");
    terminal.type_in(CTRL_Z);
    terminal.wait_for("stopped ");
    terminal.wait_for("flow cat\n");
    terminal.type_in("two\n");
    terminal.wait_for("two\ntwo\n");
    terminal.type_in(CTRL_D);
    let text = terminal.end();
    assert!(text.contains("ended 0"), "{text}");
}

#[test]
fn ctrl_z_suspends_what_has_no_terminal_too() {
    let workflow = r#"
tasks:
  count: "i=0; until [ -e enough ]; do i=$((i + 1)); echo $i > count; sleep 0.01; done; echo counted"
"#;
    let script = "flow count; echo \"stopped $?\"; touch seen; until [ -e go ]; do sleep 0.01; done; fg; echo \"ended $?\"";
    let mut terminal = Terminal::run(workflow, script);
    terminal.wait_for_file("count");
    terminal.type_in(CTRL_Z);
    terminal.wait_for_file("seen");
    // All of it is stopped: nobody is left who could write.
    let stopped = || {
        let alive = support::processes::marked(terminal.space.mark());
        let own = alive.iter().filter(|one| one.program != "sleep");
        own.filter(|one| state_of(one.pid) == Some('T')).count() >= 2
    };
    wait_for("flow and its command to be stopped", stopped);
    terminal.space.write("enough", "");
    terminal.space.write("go", "");
    let text = terminal.end();
    assert!(text.contains("counted"), "{text}");
    assert!(text.contains("ended 0"), "{text}");
}

#[test]
fn ctrl_c_at_an_interactive_task_interrupts_the_run() {
    let workflow = r#"
tasks:
  ask:
    interactive: true
    run: [cat, touch never]
    finally: echo x >> tidied
"#;
    let mut terminal = Terminal::run(workflow, "flow ask; echo \"code $?\"");
    terminal.wait_for("$ cat\n");
    terminal.type_in("one\n");
    terminal.wait_for("one\none\n");
    terminal.type_in(CTRL_C);
    terminal.wait_for("code 130");
    assert_eq!(terminal.space.read("tidied").as_deref(), Some("x\n"));
    assert!(!terminal.space.has("never"));
    let record = terminal.space.record();
    assert!(
        record.says("cancel_requested signal 2"),
        "{:#?}",
        record.short
    );
    terminal.end();
}

#[test]
fn who_handles_ctrl_c_goes_on() {
    let workflow = r#"
tasks:
  ask:
    interactive: true
    run: |
      read first
      trap 'echo caught' INT
      echo ready; read line || true; read line; echo "read $line"
"#;
    let mut terminal = Terminal::run(workflow, "flow ask; echo \"code $?\"");
    // Who reads from the terminal has it.
    terminal.type_in("first\n");
    terminal.wait_for("\nready\n");
    terminal.type_in(CTRL_C);
    terminal.wait_for("caught\n");
    terminal.type_in("one\ntwo\n");
    let text = terminal.end();
    assert!(text.contains("code 0"), "{text}");
}

#[test]
fn who_asks_the_terminal_for_a_password_gets_it() {
    let workflow = r#"
tasks:
  one: "exec < /dev/tty; printf 'first? ' > /dev/tty; read word; echo \"one got $word\""
  two: "exec < /dev/tty; printf 'second? ' > /dev/tty; read word; echo \"two got $word\""
  both: {depends_on: [one, two]}
"#;
    let mut terminal = Terminal::run(workflow, "flow -j 2 both; echo \"code $?\"");
    terminal.wait_for("first? ");
    terminal.wait_for("second? ");
    terminal.type_in("word\n");
    terminal.wait_for(" got word");
    terminal.type_in("word\n");
    let text = terminal.end();
    assert_eq!(text.matches(" got word").count(), 2, "{text}");
    assert!(text.contains("code 0"), "{text}");
}

#[test]
fn in_the_background_it_waits_for_fg() {
    let workflow = "tasks: {cat: {interactive: true, run: cat}}";
    let script = "flow cat & until jobs > jobs && grep -q Stopped jobs; do sleep 0.01; done; echo waits; fg; echo \"ended $?\"";
    let mut terminal = Terminal::run(workflow, script);
    terminal.wait_for("waits");
    terminal.type_in("one\n");
    terminal.wait_for("one\none\n");
    terminal.type_in(CTRL_D);
    let text = terminal.end();
    assert!(text.contains("ended 0"), "{text}");
}

#[test]
fn a_task_that_dies_leaves_the_terminal_as_it_was() {
    let workflow = r#"
tasks:
  raw: {interactive: true, run: "stty raw -echo; stty -a > during; kill -9 $$"}
"#;
    let script = "stty -a > before; flow raw; echo \"code $?\"; stty -a > after";
    let terminal = Terminal::run(workflow, script);
    terminal.wait_for_file("after");
    terminal.wait_for("code 1");
    let read = |name: &str| terminal.space.read(name).expect("it was written");
    assert_ne!(read("before"), read("during"));
    wait_for("the settings", || read("before") == read("after"));
    terminal.end();
}

/// `T` for a stopped process; the third field of `proc_pid_stat(5)`.
fn state_of(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn a_run_is_drawn_in_its_place() {
    let workflow = "tasks: {held: [touch began, 'until test -e go; do sleep 0.01; done']}";
    let script = "export TERM=xterm; flow -q held & until test -e began; do sleep 0.01; done
        flow status -f latest; echo \"code $?\"";
    let terminal = Terminal::run(workflow, script);
    terminal.wait_for("running");
    terminal.space.write("go", "");
    let text = terminal.end();
    assert!(text.contains("\u{1b}[J"), "it is drawn again: {text:?}");
    assert!(text.contains("completed"), "{text:?}");
    assert!(text.contains("code 0"), "{text:?}");
}
