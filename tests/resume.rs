//! Whatever kills flow, the run goes on where it was: no finished step runs again, none runs twice at a time (R1 to R5, R23).

pub mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Child;

use fastrand::Rng;
use flow::core::fact::{Fact, Outcome, RunEnd};
use flow::core::state::RunStage;
use flow::store::files::Files;
use flow::store::{Kind, Store};
use rustix::process::Signal;
use support::effort::rounds;
use support::mounts::mounted;
use support::processes::signal;
use support::{Ended, Record, Space, wait_for};

/// Two hundred steps in twenty tasks. Each notes that it began and ended, and that nobody else was at it at the same time.
fn long() -> String {
    let mut text = String::from(
        "vars: {once: {sh: \"echo evaluated >> evaluated; date +%N\"}}\ntasks:\n  all: {depends_on: [\"t*\"]}\n",
    );
    for task in 0..20 {
        let needs: Vec<String> = (1..=2)
            .filter(|back| task >= back * 3)
            .map(|back| format!("t{}", task - back * 3))
            .collect();
        text.push_str(&format!(
            "  t{task}:\n    depends_on: [{}]\n",
            needs.join(", ")
        ));
        match task % 5 {
            4 => text.push_str(&format!(
                "    for: {{range: [1, 10], parallel: 3}}\n    run: {}\n",
                step(&format!("{task}.{{{{ item }}}}"))
            )),
            _ => {
                text.push_str("    run:\n");
                for number in 1..=10 {
                    text.push_str(&format!("      - {}\n", step(&format!("{task}.{number}"))));
                }
            }
        }
    }
    text
}

fn step(name: &str) -> String {
    format!(
        "exec 9>lock.{name}; ! command -v flock > /dev/null || flock -n 9 || echo {name} >> overlap; echo {name} {{{{ once }}}} >> began; echo {name} >> ended"
    )
}

fn kill(flow: &mut Child, how: Signal) {
    // It may have ended in the meantime.
    signal(i32::try_from(flow.id()).expect("a process id"), how);
    flow.wait().expect("it is ours");
}

fn facts_file(space: &Space) -> Option<PathBuf> {
    let runs = Files::new(space.state())
        .runs()
        .expect("the store can be read");
    Some(space.state().join(format!("runs/{}.facts", runs.first()?)))
}

/// Starts or resumes a run, and ends flow after some facts; whether it was done before that.
fn go_on(space: &Space, rng: &mut Rng, how: Signal) -> bool {
    let args: &[&str] = match facts_file(space) {
        None => &["--output", "json", "-j3", "all"],
        Some(_) => &["resume", "latest", "--output", "json", "-j3"],
    };
    let mut flow = space.start(args);
    let mut shown = BufReader::new(flow.stdout.take().expect("it has a pipe"));
    let mut lines = Vec::new();
    for _ in 0..rng.usize(0..60) {
        if shown
            .read_until(b'\n', &mut lines)
            .expect("the pipe can be read")
            == 0
        {
            break;
        }
    }
    kill(&mut flow, how);
    let mut more = Vec::new();
    shown.read_to_end(&mut more).expect("the pipe can be read");
    lines.extend(more);
    if let Some(path) = facts_file(space) {
        let stored = fs::read(path).expect("the record is there");
        let stored = String::from_utf8(stored).expect("it is text");
        for line in String::from_utf8_lossy(&lines)
            .lines()
            .filter(|line| line.ends_with('}'))
        {
            assert!(stored.contains(line), "what was shown is kept: {line}");
        }
    }
    let finished = |record: &Record| matches!(record.state.stage(), RunStage::Finished(_));
    let over = space.records().first().is_some_and(finished);
    wait_for("the lock of a killed run", || {
        let store = Files::new(space.state());
        let runs = store.runs().expect("the store can be read");
        !matches!(runs.first().map(|run| store.open(run)), Some(Err(error)) if error.kind == Kind::Owned)
    });
    over
}

/// What a run that was ended again and again has left: each step as often as the record says, and done once.
fn check(space: &Space, what: &str) {
    let records = space.records();
    let record = &records[0];
    assert_eq!(
        record.state.stage(),
        RunStage::Finished(RunEnd::Completed),
        "{what}"
    );
    assert!(!space.has("overlap"), "{what}: {:?}", space.read("overlap"));
    let (mut tries, mut lost, mut done) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for fact in &record.facts {
        match fact.fact {
            Fact::AttemptStarted { node, .. } => {
                assert!(
                    !done.contains_key(&node),
                    "{what}: {node} began after it was done"
                );
                *tries.entry(node).or_insert(0) += 1;
            }
            Fact::AttemptFinished {
                node,
                outcome: Outcome::Lost | Outcome::Interrupted,
                ..
            } => {
                *lost.entry(node).or_insert(0) += 1;
            }
            Fact::AttemptFinished {
                node,
                outcome: Outcome::Succeeded,
                ..
            } => {
                *done.entry(node).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    assert_eq!(done.len(), 200, "{what}");
    for (node, tries) in tries {
        let lost = lost.get(&node).copied().unwrap_or(0);
        assert_eq!((done[&node], tries), (1, lost + 1), "{what}: {node}");
    }
    let ended = space.read("ended").unwrap_or_default();
    let began = space.read("began").unwrap_or_default();
    let mut names: Vec<&str> = ended.lines().collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 200, "{what}: all have ended");
    // A step in flight may have begun or not, and may even have ended.
    let all_lost: i32 = lost.values().sum();
    let more = began.lines().count() - 200;
    assert!(
        i32::try_from(more).expect("few") <= all_lost,
        "{what}: {more} > {all_lost}"
    );
    let mut values: Vec<&str> = began
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(
        values.len(),
        1,
        "{what}: a value is the same in the whole run"
    );
}

fn end_again_and_again(how: Signal, kills: usize, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut killed = 0;
    while killed < kills {
        let space = Space::with(&long());
        while !go_on(&space, &mut rng, how) {
            killed += 1;
        }
        check(&space, &format!("seed {seed}, after {killed}"));
        let before = space.read("began");
        let again = space.run(&["resume", "latest"]);
        assert_eq!(again.code, 0, "{}", again.err());
        assert_eq!(
            space.read("began"),
            before,
            "nothing runs for a finished run"
        );
        space.assert_nobody_left();
    }
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    std::thread::scope(|scope| {
        for seed in 0..2 {
            scope.spawn(move || end_again_and_again(Signal::KILL, rounds(50), seed));
        }
    });
}

#[test]
fn interrupted_at_any_moment_it_goes_on() {
    end_again_and_again(Signal::TERM, rounds(20), 7);
}

/// Two runs of a task that waits for a file to come.
const WAITS: &str = "
tasks:
  build: {run: 'echo built >> log'}
  wait: {depends_on: [build], run: 'echo waits >> log; test -e go || exec sleep 600'}
";

fn interrupted(workflow: &str, task: &str, until: &str) -> Space {
    let space = Space::with(workflow);
    let mut flow = space.start(&[task]);
    wait_for("the step to wait", || {
        space.read("log").is_some_and(|log| log.ends_with(until))
    });
    // Its command is the one that waits, and will not look for `go` any more.
    wait_for("the command to wait", || {
        let alive = support::processes::marked(space.mark());
        alive.iter().any(|alive| alive.program == "sleep")
    });
    kill(&mut flow, Signal::KILL);
    space
}

#[test]
fn of_several_resumes_one_goes_on() {
    let space = interrupted(WAITS, "wait", "waits\n");
    space.write("go", "");
    let all: Vec<Child> = (0..4).map(|_| space.start(&["resume"])).collect();
    let ended: Vec<Ended> = all.into_iter().map(|flow| space.finish(flow)).collect();
    assert!(ended.iter().any(|ended| ended.code == 0));
    for ended in ended {
        let err = ended.err();
        // The others come too early, or too late.
        let told = [
            "in another process",
            "there is nothing to go on with",
            "no run was interrupted",
        ];
        let told = told.iter().any(|words| err.contains(words));
        assert!(
            ended.code == 0 || ended.code == 2 && told,
            "{} {err}",
            ended.code
        );
    }
    assert_eq!(space.read("log").as_deref(), Some("built\nwaits\nwaits\n"));
    space.assert_nobody_left();
}

#[test]
fn what_is_left_of_the_dead_run_is_ended_and_told() {
    let space = interrupted(WAITS, "wait", "waits\n");
    space.write("go", "");
    let resumed = space.run(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert!(
        resumed
            .err()
            .contains("ended sleep, which wait had left running"),
        "{}",
        resumed.err()
    );
    space.assert_nobody_left();
}

#[test]
fn a_step_that_must_not_run_twice_has_failed() {
    let workflow = WAITS.replace("wait: {", "wait: {on_lost: fail, ");
    let space = interrupted(&workflow, "wait", "waits\n");
    space.write("go", "");
    let resumed = space.run(&["resume"]);
    assert_eq!(resumed.code, 1, "{}", resumed.err());
    assert!(
        resumed
            .err()
            .contains("wait lost: flow was killed while it ran"),
        "{}",
        resumed.err()
    );
    assert_eq!(space.read("log").as_deref(), Some("built\nwaits\n"));
    let again = space.run(&["resume", "latest"]);
    assert_eq!(
        (again.code, again.err().contains("failed at")),
        (1, true),
        "{}",
        again.err()
    );
}

#[test]
fn the_time_in_which_nothing_ran_is_no_part_of_a_timeout() {
    let space = Space::with(&WAITS.replace("wait: {", "wait: {timeout: 30s, "));
    let mut flow = space.start(&["--timeout", "30s", "wait"]);
    wait_for("the step to wait", || {
        space
            .read("log")
            .is_some_and(|log| log.ends_with("waits\n"))
    });
    kill(&mut flow, Signal::KILL);
    // As if it had begun an hour ago: the chain is made anew, as nobody else has to.
    let path = facts_file(&space).expect("there is a run");
    let text = fs::read_to_string(&path).expect("it is there");
    let records = space.records();
    let mut chain = flow::store::line::Chain::new(&records[0].run);
    let mut lines = String::new();
    for (entry, line) in records[0].facts.iter().zip(text.lines()) {
        let hour = 3600 * 1_000_000;
        let at = flow::model::time::Timestamp::from_micros(entry.at.as_micros() - hour);
        let value: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
        let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let (task, step) = (word("task"), word("step"));
        let address = flow::core::state::Address {
            task: &task,
            items: String::new(),
            step,
        };
        let record = flow::core::Record {
            at,
            ..entry.clone()
        };
        let address = entry.fact.node().map(|_| &address);
        chain.seal(&record, &word("actor"), address, &mut lines);
    }
    fs::write(&path, lines).expect("it is ours");
    space.write("go", "");
    let resumed = space.run(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
}

/// A copy of a project has runs of the same ids, but what still runs of them belongs to the first.
#[test]
fn a_copy_of_a_project_ends_nobody_of_the_first() {
    let space = interrupted(WAITS, "wait", "waits\n");
    let copy = Space::new();
    let mut cp = copy.command("cp");
    cp.arg("-r").arg(space.work().join(".")).arg(copy.work());
    assert!(cp.status().expect("there is cp").success());
    // Its plan has the paths of the first.
    space.write("go", "");
    let refused = copy.run(&["resume"]);
    assert_eq!(refused.code, 2, "{}", refused.err());
    assert!(
        refused.err().contains("is not believed"),
        "{}",
        refused.err()
    );
    assert_eq!(copy.run(&["doctor", "--adopt", "--yes"]).code, 0);
    let resumed = copy.run(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert!(!resumed.err().contains("ended sleep"), "{}", resumed.err());
    let resumed = space.run(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert!(resumed.err().contains("ended sleep"), "{}", resumed.err());
}

#[test]
fn it_follows_the_file_as_it_was() {
    let space = interrupted(WAITS, "wait", "waits\n");
    space.write("go", "");
    space.write("Workflowfile.yml", "tasks: {wait: 'echo other >> log'}\n");
    // A file's time is that of the kernel's last tick, which may lie before the run.
    let file = fs::File::options()
        .append(true)
        .open(space.work().join("Workflowfile.yml"));
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    file.expect("it is there")
        .set_modified(later)
        .expect("it is ours");
    let resumed = space.run(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert!(
        resumed.err().contains("was changed since"),
        "{}",
        resumed.err()
    );
    assert_eq!(space.read("log").as_deref(), Some("built\nwaits\nwaits\n"));
}

#[test]
fn what_was_evaluated_serves_again_and_secrets_are_read_anew() {
    let space = Space::with(
        "
secrets: {TOKEN: {env: TOKEN}}
vars:
  once: {sh: 'echo evaluated >> count; echo once'}
  quiet: {sh: 'echo secret >> count; echo {{ secrets.TOKEN }}-more'}
tasks:
  make:
    run:
      - name: first
        run: 'echo out-{{ once }}; echo part=1 >> $FLOW_OUTPUT; echo {{ quiet }} | wc -c >> log'
      - set: {both: \"{{ once }}+{{ steps.first.stdout }}\"}
    outputs: {part: outputs.part, both: outputs.both}
  each:
    depends_on: [make]
    for: {sh: 'echo evaluated >> count; echo a; echo b'}
    run: 'test {{ item }} = a || test -e go || { echo waits >> log; exec sleep 600; }; echo {{ item }} {{ tasks.make.outputs.both }} {{ tasks.make.outputs.part }} >> log'
  all: {depends_on: [each], run: 'echo {{ quiet }} | wc -c >> log; echo {{ once }} >> log'}
",
    );
    let start = |args: &[&str], token: &str| {
        let mut command = space.flow(args);
        command
            .env("TOKEN", token)
            .stdout(std::process::Stdio::piped());
        command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("flow starts")
    };
    let mut flow = start(&["-j1", "all"], "hush-hush");
    wait_for("the second item", || {
        space
            .read("log")
            .is_some_and(|log| log.ends_with("waits\n"))
    });
    kill(&mut flow, Signal::KILL);
    space.write("go", "");
    let resumed = space.finish(start(&["resume"], "another-token"));
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    let log = space.read("log").unwrap_or_default();
    let lines: Vec<&str> = log.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "15",
            "a once+out-once 1",
            "waits",
            "b once+out-once 1",
            "19",
            "once"
        ]
    );
    assert_eq!(
        space.read("count").as_deref(),
        Some("evaluated\nsecret\nevaluated\nsecret\n")
    );
    let facts =
        fs::read_to_string(facts_file(&space).expect("there is a run")).expect("it is text");
    assert!(!facts.contains("hush") && !facts.contains("another-token"));
}

#[test]
fn what_came_from_an_earlier_run_serves_again() {
    let space = Space::with(
        "
tasks:
  make:
    sources: [x]
    generates: out
    run: [{name: say, run: 'echo made >> count; cp x out; echo said'}]
    outputs: {said: steps.say.stdout}
  use:
    depends_on: [make]
    run: ['echo waits >> log; test -e go || exec sleep 600', 'echo {{ tasks.make.outputs.said }} >> log']
",
    );
    space.write("x", "1");
    space.write("go", "");
    assert_eq!(space.run(&["-q", "use"]).code, 0);
    for name in ["go", "log"] {
        fs::remove_file(space.work().join(name)).expect("it is there");
    }
    let mut flow = space.start(&["use"]);
    wait_for("the step to wait", || space.has("log"));
    kill(&mut flow, Signal::KILL);
    // The next run would make it anew; this one has what it began with.
    space.write("x", "2");
    space.write("go", "");
    let resumed = space.run(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err());
    assert_eq!(space.read("log").as_deref(), Some("waits\nwaits\nsaid\n"));
    assert_eq!(space.read("count").as_deref(), Some("made\n"));
}

#[test]
fn a_record_cut_anywhere_goes_on_or_says_why_not() {
    let made =
        Space::with("tasks: {a: 'echo a >> log', b: {depends_on: [a], run: 'echo b >> log'}}\n");
    assert_eq!(made.run(&["-q", "b"]).code, 0);
    let path = facts_file(&made).expect("there is a run");
    let whole = fs::read(&path).expect("it is there");
    let lengths: Vec<usize> = (0..whole.len()).collect();
    let steps: Vec<usize> = lengths
        .into_iter()
        .step_by(if rounds(1) > 1 { 1 } else { 3 })
        .collect();
    for length in steps {
        fs::write(&path, &whole[..length]).expect("it is ours");
        let _ = fs::remove_file(made.work().join("log"));
        // What a crash cuts has no end that was noted.
        let _ = fs::remove_file(made.state().join("heads"));
        let resumed = made.run(&["resume", "latest", "-q"]);
        let lines = whole[..length]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        if lines == 0 {
            assert_eq!(resumed.code, 2, "{length}: {}", resumed.err());
            assert!(
                resumed.err().contains("before anything of it was recorded"),
                "{}",
                resumed.err()
            );
            continue;
        }
        assert_eq!(resumed.code, 0, "{length}: {}", resumed.err());
        assert_eq!(
            made.record().state.stage(),
            RunStage::Finished(RunEnd::Completed)
        );
    }
    // One that was changed is refused, and left as it is; without its last line it has not ended.
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let ends = (0..last).filter(|at| whole[*at] == b'\n');
    for at in (0..last).step_by(37).chain(ends) {
        let mut changed = whole[..last].to_vec();
        changed[at] ^= 1;
        fs::write(&path, &changed).expect("it is ours");
        let resumed = made.run(&["resume", "latest", "-q"]);
        assert_eq!(resumed.code, 5, "{at}: {}", resumed.err());
        // Without the end of its last line what is there is no line at all.
        let named = match at + 1 == last {
            true => "was not written by flow",
            false => "line",
        };
        assert!(resumed.err().contains(named), "{at}: {}", resumed.err());
    }
}

/// Runs with ever less room, then with room again; what came of each on a line.
const FULL: &str = r#"
mkdir -p .flow
for pages in $(seq 0 24); do
  mount -t tmpfs -o size=$((pages * 4096 + 262144)),mode=700 none .flow
  "$FLOW" history > out 2> err
  head -c 262144 /dev/zero > .flow/ballast
  : > log
  "$FLOW" -q all > out 2> err
  code=$?
  began=$(grep -c . log)
  if [ $code = 5 ] && ! grep -q "No space left" err; then echo "pages $pages: $(cat err)"; fi
  rm .flow/ballast
  again=$code
  if [ $code != 0 ]; then "$FLOW" resume latest > out 2> err; again=$?; fi
  "$FLOW" verify --all > out 2>> err
  echo "$pages $code $began $again $? $(sort log | uniq -d | wc -l) $(sort -u log | wc -l)"
  umount .flow
done
"#;

#[test]
fn with_a_full_disk_nothing_starts_that_is_not_recorded() {
    let steps: Vec<String> = (1..=20)
        .map(|step| format!("'echo {step} >> log; printf %1500s x'"))
        .collect();
    let space = Space::with(&format!(
        "tasks: {{all: {{run: [{}]}}}}\n",
        steps.join(", ")
    ));
    let Some(ended) = mounted(&space, FULL) else {
        return;
    };
    assert_eq!(ended.code, 0, "{}", ended.err());
    let out = ended.out();
    let mut failed = 0;
    for line in out.lines() {
        let words: Vec<i32> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let &[_, code, began, again, verified, twice, all] = &words[..] else {
            panic!("{out}{}", ended.err());
        };
        assert!(code == 0 || code == 5, "{line}\n{out}");
        failed += i32::from(code == 5);
        // Without a record there is nothing to go on with, and nothing has begun.
        let nothing = again == 2 && began == 0;
        assert!(
            again == 0 && all == 20 || nothing,
            "{line}\n{out}{}",
            ended.err()
        );
        assert!(verified == 0 && twice <= 1, "{line}\n{out}{}", ended.err());
    }
    assert!(failed > 3, "{out}");
}

/// A run that has ended and one that was killed, on a disk that is read-only from then on, and writable again.
const READ_ONLY: &str = r#"
mkdir -p .flow
mount -t tmpfs none .flow
"$FLOW" -q done || exit 1
"$FLOW" -q wait & flow=$!
until test -s waits; do :; done
kill -9 $flow; wait $flow
mount -o remount,bind,ro .flow || exit 1
"$FLOW" -q done; echo "run $?"
"$FLOW" resume; echo "resume $?"
"$FLOW" cancel; echo "cancel $?"
for verb in "history" "status" "status latest:done" "events" "logs" "verify --all"; do
  "$FLOW" $verb > /dev/null; echo "$verb $?"
done
mount -o remount,bind,rw .flow || exit 1
: > go
"$FLOW" resume -q; echo "resume $?"
"$FLOW" verify --all > /dev/null; echo "verify $?"
umount .flow
"#;

#[test]
fn on_a_read_only_disk_nothing_runs_and_all_can_be_read() {
    let space = Space::with(
        "tasks: {done: echo done, wait: 'echo waits > waits; test -e go || exec sleep 600'}\n",
    );
    let Some(ended) = mounted(&space, READ_ONLY) else {
        return;
    };
    let out = ended.out();
    let told: Vec<&str> = out.lines().filter(|line| *line != "done").collect();
    let expected = [
        "run 5",
        "resume 5",
        "cancel 5",
        "history 0",
        "status 0",
        "status latest:done 0",
        "events 0",
        "logs 0",
        "verify --all 0",
        "resume 0",
        "verify 0",
    ];
    assert_eq!(told, expected, "{}", ended.err());
    assert!(
        ended.err().contains("Read-only file system"),
        "{}",
        ended.err()
    );
    space.assert_nobody_left();
}
