//! A run that is tried once more begins at what failed and repeats nothing else (R14), also across a crash.

pub mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use fastrand::Rng;
use flow::core::fact::{Fact, Outcome, RunEnd};
use flow::core::state::RunStage;
use flow::model::id::RunId;
use flow::store::Store;
use flow::store::files::Files;
use rustix::process::Signal;
use support::effort::rounds;
use support::json_schema::wrong;
use support::processes::signal;
use support::{Record, Space};

/// A random project. Each command notes its name; some fail as long as there is no file `ok`.
struct Program {
    text: String,
    /// The tasks that each task needs.
    needs: Vec<Vec<usize>>,
    /// How many commands each has, by the names that they note.
    commands: Vec<BTreeSet<String>>,
}

impl Program {
    fn random(rng: &mut Rng, fails: bool) -> Self {
        let mut program = Self {
            text: String::from("vars: {once: {sh: 'echo once >> evaluated; date +%N'}}\ntasks:\n"),
            needs: Vec::new(),
            commands: Vec::new(),
        };
        for task in 0..rng.usize(3..8) {
            let needs: Vec<usize> = (0..task).filter(|_| rng.u8(0..3) == 0).collect();
            let names: Vec<String> = needs.iter().map(|need| format!("t{need}")).collect();
            let mut commands = BTreeSet::new();
            let mut command = |rng: &mut Rng, name: String, items: &[&str]| {
                for item in items {
                    commands.insert(format!("{name}{item}"));
                }
                let item = if items.len() > 1 { "{{ item }}" } else { "" };
                let test = if fails && rng.u8(0..5) == 0 {
                    "; test -e ok"
                } else {
                    ""
                };
                format!("'echo {name}{item} {{{{ once }}}} >> log{test}'")
            };
            let text = &mut program.text;
            writeln!(text, "  t{task}:\n    depends_on: [{}]", names.join(", ")).expect("text");
            match rng.u8(0..6) {
                0 => {
                    let parallel = ["", ", parallel: true"][rng.usize(0..2)];
                    writeln!(
                        text,
                        "    for: {{in: ['.a', '.b', '.c']{parallel}}}\n    run:"
                    )
                    .expect("text");
                    for step in 0..rng.usize(1..3) {
                        let step = command(rng, format!("t{task}.{step}"), &[".a", ".b", ".c"]);
                        writeln!(text, "      - {step}").expect("text");
                    }
                }
                1 => {
                    let (one, two) = (
                        command(rng, format!("t{task}.0"), &[""]),
                        command(rng, format!("t{task}.1"), &[""]),
                    );
                    let last = command(rng, format!("t{task}.2"), &[""]);
                    writeln!(text, "    run:\n      - parallel: [{{run: {one}}}, {{run: {two}}}]\n      - {last}").expect("text");
                }
                2 => {
                    let then = command(rng, format!("t{task}.0"), &[""]);
                    let last = command(rng, format!("t{task}.1"), &[""]);
                    writeln!(text, "    run:\n      - {{if: 'true', then: [{{run: {then}}}], else: [exit 9]}}\n      - {last}").expect("text");
                }
                3 => {
                    let (one, two) = (
                        command(rng, format!("t{task}.c0"), &[""]),
                        command(rng, format!("t{task}.c1"), &[""]),
                    );
                    let last = command(rng, format!("t{task}.2"), &[""]);
                    writeln!(text, "    run: [{{task: c{task}}}, {{run: {last}}}]\n  c{task}: {{locks: c, run: [{{run: {one}}}, {{run: {two}}}]}}").expect("text");
                }
                _ => {
                    writeln!(text, "    run:").expect("text");
                    for step in 0..rng.usize(1..5) {
                        let step = command(rng, format!("t{task}.{step}"), &[""]);
                        writeln!(text, "      - {step}").expect("text");
                    }
                    if rng.bool() {
                        let good = command(rng, format!("t{task}.good"), &[""]);
                        writeln!(text, "    on_success: {good}").expect("text");
                    }
                }
            }
            program.needs.push(needs);
            program.commands.push(commands);
        }
        let all: Vec<String> = (0..program.needs.len())
            .map(|task| format!("t{task}"))
            .collect();
        writeln!(program.text, "  all: {{depends_on: [{}]}}", all.join(", ")).expect("text");
        program
    }

    fn all(&self) -> BTreeSet<String> {
        self.commands.iter().flatten().cloned().collect()
    }

    /// A task and all that come after it.
    fn following(&self, task: usize) -> BTreeSet<usize> {
        let mut following = BTreeSet::from([task]);
        for (other, needs) in self.needs.iter().enumerate() {
            if needs.iter().any(|need| following.contains(need)) {
                following.insert(other);
            }
        }
        following
    }
}

/// How often each command has run, and the values that they saw.
fn ran(space: &Space) -> (BTreeMap<String, usize>, BTreeSet<String>) {
    let (mut counts, mut values) = (BTreeMap::new(), BTreeSet::new());
    for line in space.read("log").unwrap_or_default().lines() {
        let (name, value) = line.split_once(' ').expect("a name and a value");
        *counts.entry(name.to_owned()).or_default() += 1;
        values.insert(value.to_owned());
    }
    (counts, values)
}

/// How many tries of commands failed or were lost.
fn spoiled(record: &Record) -> usize {
    let bad = |fact: &Fact| match fact {
        Fact::AttemptFinished { node, outcome, .. } => {
            let leaf = record.state.spec(*node).is_leaf();
            leaf && *outcome != Outcome::Succeeded
        }
        _ => false,
    };
    record.facts.iter().filter(|entry| bad(&entry.fact)).count()
}

fn completed(record: &Record) -> bool {
    record.state.stage() == RunStage::Finished(RunEnd::Completed)
}

#[test]
fn it_begins_at_what_failed_and_repeats_nothing_else() {
    let mut tried = 0;
    for seed in 0..rounds(40) as u64 {
        let mut rng = Rng::with_seed(seed);
        let program = Program::random(&mut rng, true);
        let space = Space::with(&program.text);
        let first = space.run(if rng.bool() {
            &["-q", "all"]
        } else {
            &["-qk", "all"]
        });
        if first.code == 0 {
            continue;
        }
        assert_eq!(first.code, 1, "{seed}: {}", first.err());
        tried += 1;
        let (before, _) = ran(&space);
        space.write("ok", "");
        let failed = spoiled(&space.record());
        let retried = space.run(&["retry", "-q"]);
        assert_eq!(
            retried.code,
            0,
            "{seed}: {}\n{}",
            retried.err(),
            program.text
        );
        let (after, values) = ran(&space);
        assert_eq!(
            after.keys().cloned().collect::<BTreeSet<_>>(),
            program.all(),
            "{seed}"
        );
        let again: usize = after.values().map(|count| count - 1).sum();
        assert_eq!(
            again, failed,
            "{seed}: {before:?} {after:?}\n{}",
            program.text
        );
        // What was evaluated serves again.
        assert_eq!(values.len(), 1, "{seed}: {values:?}");
        assert_eq!(space.run(&["verify", "--all"]).code, 0, "{seed}");
        let nothing = space.run(&["retry"]);
        assert_eq!(nothing.code, 0);
        assert!(
            nothing.err().contains("completed; --from TASK"),
            "{}",
            nothing.err()
        );
    }
    assert!(tried > rounds(40) / 2, "{tried}");
}

#[test]
fn from_a_task_on_it_repeats_that_and_what_follows() {
    for seed in 100..100 + rounds(25) as u64 {
        let mut rng = Rng::with_seed(seed);
        let program = Program::random(&mut rng, false);
        let space = Space::with(&program.text);
        let first = space.run(&["-q", "all"]);
        assert_eq!(first.code, 0, "{seed}: {}", first.err());
        let task = rng.usize(0..program.needs.len());
        let retried = space.run(&["retry", "-q", "--from", &format!("t{task}")]);
        assert_eq!(retried.code, 0, "{seed}: {}", retried.err());
        let following = program.following(task);
        for (number, commands) in program.commands.iter().enumerate() {
            let expected = 1 + usize::from(following.contains(&number));
            for command in commands {
                let count = ran(&space).0[command];
                assert_eq!(
                    count, expected,
                    "{seed}: {command} from t{task}\n{}",
                    program.text
                );
            }
        }
    }
}

/// The records of runs, the oldest first, without those that were killed before their first fact.
fn begun(space: &Space) -> Vec<Record> {
    let store = Files::new(space.state());
    let mut runs = store.runs().expect("they can be listed");
    runs.reverse();
    runs.retain(|run| store.edges(run).expect("it can be read").is_some());
    let read = |run: &RunId| Record::read(&space.state(), run);
    let records = runs.iter().map(read).collect::<Result<_, _>>();
    records.unwrap_or_else(|wrong| panic!("a record is wrong: {wrong}"))
}

/// It is killed, resumed, fails once more, is retried: what was done once is never done again.
#[test]
fn also_across_crashes_and_more_tries() {
    for seed in 200..200 + rounds(25) as u64 {
        let mut rng = Rng::with_seed(seed);
        let program = Program::random(&mut rng, true);
        let space = Space::with(&program.text);
        space.run(&["-qk", "all"]);
        for number in 0..20 {
            let record = begun(&space).pop().expect("there is one");
            if completed(&record) {
                break;
            }
            if number == 3 {
                space.write("ok", "");
            }
            let verb = if record.is_over() && !record.state.is_interrupted() {
                "retry"
            } else {
                "resume"
            };
            let mut flow = space.start(&[verb, "-q", record.run.as_str()]);
            if rng.bool() {
                std::thread::sleep(Duration::from_micros(rng.u64(0..40_000)));
                let pid = i32::try_from(flow.id()).expect("a process id");
                signal(pid, Signal::KILL);
                flow.wait().expect("it is ours");
            } else {
                space.finish(flow);
            }
        }
        let records = begun(&space);
        assert!(records.iter().any(completed), "{seed}: {}", program.text);
        let spoiled: usize = records.iter().map(spoiled).sum();
        let (after, values) = ran(&space);
        assert_eq!(
            after.keys().cloned().collect::<BTreeSet<_>>(),
            program.all(),
            "{seed}"
        );
        let again: usize = after.values().map(|count| count - 1).sum();
        // A command may be lost before it has noted anything.
        assert!(
            again <= spoiled,
            "{seed}: {again} {spoiled} {after:?}\n{}",
            program.text
        );
        assert!(values.len() <= 1, "{seed}: {values:?}");
        assert_eq!(space.run(&["verify", "--all"]).code, 0, "{seed}");
    }
}

#[test]
fn it_is_tried_as_often_as_it_may_be() {
    let space = Space::with(
        "tasks:
  done: echo done >> log
  flaky: {depends_on: [done], run: 'echo try >> log; test $(grep -c try log) -ge 4'}
",
    );
    assert_eq!(space.run(&["-q", "flaky"]).code, 1);
    let once = space.run(&["retry"]);
    assert_eq!(once.code, 1);
    assert!(
        once.err().contains("1 of 2 tasks are done; to do: flaky"),
        "{}",
        once.err()
    );
    let often = space.run(&["retry", "--max-retries", "3", "--json"]);
    assert_eq!(often.code, 0, "{}", often.err());
    let out = often.out();
    let lines = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let lines: Vec<serde_json::Value> = lines.collect();
    let waits = lines.iter().find(|line| line["status"] == "retrying");
    let waits = waits.expect("it says that it waits");
    let schema = include_str!("../docs/reference/outputs.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).expect("JSON");
    assert_eq!(wrong(&schema, &schema["$defs"]["retry"], waits), Ok(()));
    let said = ["task", "retry_attempt", "max_retries", "backoff_delay"].map(|name| &waits[name]);
    assert_eq!(
        serde_json::json!(said),
        serde_json::json!(["flaky", 2, 3, 2.0])
    );
    assert!(
        lines.iter().any(|line| line["run"] == waits["run"]),
        "{out}"
    );
    assert!(
        lines.iter().any(|line| line["retry_of"] == waits["run"]),
        "{out}"
    );
    assert_eq!(
        space.read("log").as_deref(),
        Some("done\ntry\ntry\ntry\ntry\n")
    );
    assert_eq!(space.run(&["retry", "--from", "nobody"]).code, 2);
    let unknown = space.run(&["retry", "--from", "flakky"]);
    assert!(
        unknown.err().contains("did you mean \"flaky\"?"),
        "{}",
        unknown.err()
    );
}

/// What a handler has tidied up or undone is not there any more: such a task begins at its first step.
#[test]
fn a_task_whose_handlers_ran_begins_at_its_first_step() {
    let space = Space::with(
        "
tasks:
  undone: {run: [echo first >> log, 'test -f fixed'], on_failure: echo undo >> log}
  tidied: {run: [echo first >> log, 'test -f fixed'], finally: echo tidy >> log}
  plain: {run: [echo first >> log, 'test -f fixed']}
  called: {run: [echo zero >> log, {task: undone}]}
  loop: {for: [1, 2], run: ['echo first {{ item }} >> log', \"test -f fixed -o {{ item }} = 1\"], finally: 'echo tidy {{ item }} >> log'}
  needs: {depends_on: [undone], run: echo last >> log}
",
    );
    let cases: [(&str, &[&str], &str); 9] = [
        ("undone", &[], "first\n"),
        ("tidied", &[], "first\ntidy\n"),
        ("plain", &[], ""),
        ("called", &[], "first\n"),
        ("needs", &[], "first\nlast\n"),
        ("loop", &[], "first 2\ntidy 2\n"),
        ("undone", &["--from", "undone/2"], ""),
        ("tidied", &["--from", "tidied/2"], "tidy\n"),
        ("plain", &["--from", "plain/1"], "first\n"),
    ];
    for (task, options, log) in cases {
        // Tried twice in vain, so that a retry of a retry does the same.
        let _ = fs::remove_file(space.work().join("fixed"));
        assert_eq!(space.run(&["-q", task]).code, 1, "{task}");
        assert_eq!(
            space.run(&[&["retry", "-q"], options].concat()).code,
            1,
            "{task}"
        );
        space.write("fixed", "");
        space.write("log", "");
        let retried = space.run(&[&["retry", "-q"], options].concat());
        assert_eq!(retried.code, 0, "{task}: {}", retried.err());
        assert_eq!(
            space.read("log").as_deref(),
            Some(log),
            "{task} {options:?}"
        );
    }
    let wrong = space.run(&["retry", "--from", "plain/7"]);
    assert_eq!(wrong.code, 2, "{}", wrong.err());
    assert!(wrong.err().contains("has no step \"7\""), "{}", wrong.err());
}
