//! Old runs go, all others stay, and what is left is sound.

pub mod support;

use std::fs;
use std::time::Duration;

use flow::core::fact::{Fact, Record, RunEnd};
use flow::model::id::RunId;
use flow::model::time::Timestamp;
use flow::record::prune::{self, DEFAULT, Policy, Pruned};
use flow::store::files::Files;
use flow::store::line::Chain;
use flow::store::{Kind, Store};
use support::{Space, wait_for};

const WORK: &str = "
tasks:
  a: echo a
  b: {run: ['echo b', 'exit 3']}
  wait: 'echo waits > waits; sleep 600'
";

fn policy(days: u64, keep: usize) -> Policy {
    let older_than = Duration::from_secs(days * 24 * 60 * 60);
    Policy { older_than, keep }
}

/// Prunes as if it were so many days later.
fn later(space: &Space, days: u64, policy: Policy, dry: bool) -> Pruned {
    let span = Duration::from_secs(days * 24 * 60 * 60);
    let wall = std::time::SystemTime::now() + span;
    let micros = wall
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is later")
        .as_micros();
    let now = Timestamp::from_micros(i64::try_from(micros).expect("it fits"));
    prune::prune(&Files::new(space.state()), policy, now, wall, dry).expect("it can be pruned")
}

fn count(space: &Space, folder: &str) -> usize {
    fs::read_dir(space.state().join(folder))
        .expect("it is there")
        .count()
}

#[test]
fn old_runs_go_with_their_output_and_plans() {
    let space = Space::with(WORK);
    for (task, code) in [("a", 0), ("b", 1), ("a", 0), ("b", 1)] {
        assert_eq!(space.run(&["-q", task]).code, code);
    }
    assert_eq!(later(&space, 29, policy(30, 0), false).runs, []);
    let dry = later(&space, 31, policy(30, 1), true);
    assert_eq!((dry.runs.len(), dry.left, count(&space, "runs")), (3, 1, 4));
    let done = later(&space, 31, policy(30, 1), false);
    assert_eq!(done.runs, dry.runs);
    assert_eq!(
        (
            count(&space, "runs"),
            count(&space, "logs"),
            count(&space, "plans")
        ),
        (1, 1, 1)
    );
    let verified = space.run(&["verify", "--all"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out(), verified.err());
    assert_eq!(
        space.run(&["-q", "a"]).code,
        0,
        "a plan that is gone is made anew"
    );
}

#[test]
fn what_can_go_on_or_nobody_can_read_stays() {
    let space = Space::with(WORK);
    let mut flow = space.start(&["wait"]);
    wait_for("the step to wait", || space.has("waits"));
    assert_eq!(
        later(&space, 1000, policy(1, 0), false).runs,
        [],
        "it goes on"
    );
    flow.kill().expect("it is ours");
    flow.wait().expect("it was killed");
    assert_eq!(
        later(&space, 1000, policy(1, 0), false).runs,
        [],
        "it can go on"
    );
    assert_eq!(space.run(&["cancel"]).code, 0);
    let run = Files::new(space.state())
        .runs()
        .expect("it can be read")
        .remove(0);
    let path = space.state().join(format!("runs/{run}.facts"));
    let text = fs::read_to_string(&path).expect("it is there");
    fs::write(&path, text.replace("run_finished\"", "run_finished")).expect("it is ours");
    assert_eq!(
        later(&space, 1000, policy(1, 0), false).runs,
        [],
        "nobody can read it"
    );
    fs::write(&path, text).expect("it is ours");
    assert_eq!(later(&space, 1000, policy(1, 0), false).runs.len(), 1);
}

#[test]
fn it_happens_by_itself_once_a_day() {
    let space = Space::with(WORK);
    assert_eq!(space.run(&["-q", "a"]).code, 0);
    let marker = space.state().join("pruned");
    let first = fs::metadata(&marker)
        .and_then(|file| file.modified())
        .expect("it was looked");
    assert_eq!(space.run(&["-q", "a"]).code, 0);
    let second = fs::metadata(&marker)
        .and_then(|file| file.modified())
        .expect("it is there");
    assert_eq!(first, second);
    assert_eq!(later(&space, 89, DEFAULT, true).runs, []);
    assert_eq!(
        later(&space, 1000, DEFAULT, true).runs,
        [],
        "the newest hundred stay"
    );
}

#[test]
fn the_verb_says_what_it_does() {
    let space = Space::with(WORK);
    assert_eq!(space.run(&["-q", "a"]).code, 0);
    let dry = space.run(&["prune", "--older-than", "0s", "-n"]);
    assert!(
        dry.out().contains("would remove run") && dry.out().contains("1 run would go, 0 stay"),
        "{}",
        dry.out()
    );
    let done = space.run(&["prune", "--older-than", "0s"]);
    assert!(
        done.out().starts_with("removed 1 run, ") && done.out().ends_with("; 0 left\n"),
        "{}",
        done.out()
    );
    assert_eq!(space.run(&["prune"]).code, 2);
    assert_eq!(
        space
            .run(&["prune", "--older-than", "30d", "--keep", "5"])
            .code,
        0
    );
    let history = space.run(&["history"]);
    assert!(
        history.err().contains("no runs are recorded"),
        "{}",
        history.err()
    );
}

#[test]
fn history_can_be_filtered() {
    let space = Space::with(WORK);
    for task in ["a", "b", "a"] {
        space.run(&["-q", task]);
    }
    let lines = |args: &[&str]| {
        let shown = space.run(&[&["history", "--json"], args].concat());
        assert_eq!(shown.code, 0, "{}", shown.err());
        shown.out().lines().count()
    };
    assert_eq!(lines(&[]), 3);
    assert_eq!(lines(&["--status", "failed"]), 1);
    assert_eq!(lines(&["--task", "a"]), 2);
    assert_eq!(lines(&["--task", "a", "-n", "1"]), 1);
    assert_eq!(lines(&["--task", "a", "--status", "failed"]), 0);
    assert_eq!(lines(&["--since", "1h"]), 3);
    assert_eq!(lines(&["--since", "2100-01-01"]), 0);
    assert_eq!(space.run(&["history", "--since", "soon"]).code, 2);
    assert_eq!(space.run(&["history", "--status", "odd"]).code, 2);
}

/// A run that flow has removed was not tampered with: who asks for it is told when it was removed.
#[test]
fn a_run_that_was_removed_is_no_damaged_one() {
    let space = Space::with("tasks: {t: 'echo t'}\n");
    for _ in 0..2 {
        assert_eq!(space.run(&["-q", "t"]).code, 0);
    }
    let runs = Files::new(space.state()).runs().expect("they can be read");
    let old = runs[1].as_str();
    // The index has seen it, or has not.
    for verbs in [&["history"][..], &["stats"]] {
        assert_eq!(space.run(verbs).code, 0);
    }
    let pruned = space.run(&["prune", "--older-than", "0s", "--keep", "1"]);
    assert_eq!(pruned.code, 0, "{}", pruned.err());
    for _ in 0..2 {
        for verb in [
            "verify", "status", "logs", "events", "retry", "resume", "cancel", "archive",
        ] {
            for word in [old, &old[..9]] {
                let ended = space.run(&[verb, word]);
                let said = ended.err();
                assert_eq!(ended.code, 2, "{verb} {word}: {said}");
                assert!(
                    said.contains("was removed by flow on 20"),
                    "{verb} {word}: {said}"
                );
            }
        }
        assert_eq!(space.run(&["verify", "--all"]).code, 0);
        assert_eq!(space.run(&["doctor"]).code, 0);
        assert_eq!(
            space.run(&["stats"]).out().lines().next(),
            Some("runs since 30d: 1 completed")
        );
    }
}

/// Several who tidy up at the same time, and one who looks: nobody reports what another one has done.
#[test]
fn tidying_up_beside_one_another_is_no_trouble() {
    let space = Space::with("tasks: {t: 'echo t'}\n");
    for _ in 0..30 {
        assert_eq!(space.run(&["-q", "t"]).code, 0);
    }
    let verbs: [&[&str]; 6] = [
        &["prune", "--older-than", "0s", "--keep", "1"],
        &["prune", "--older-than", "0s", "--keep", "0"],
        &["archive", "--older-than", "0s"],
        &["verify", "--all"],
        &["doctor"],
        &["history"],
    ];
    std::thread::scope(|scope| {
        for verb in verbs {
            let space = &space;
            scope.spawn(move || {
                let ended = space.run(verb);
                assert_eq!(ended.code, 0, "{verb:?}: {}{}", ended.out(), ended.err());
            });
        }
    });
    assert_eq!(
        space
            .run(&["prune", "--older-than", "0s", "--keep", "0"])
            .code,
        0
    );
    let left = Files::new(space.state()).runs().expect("they can be read");
    assert_eq!(left, [], "what was removed stays so");
}

/// A run that has ended at this time, with a line of output.
fn ended_at(space: &Space, at: Timestamp) -> RunId {
    let store = Files::new(space.own_state());
    let mut run = RunId::new(at);
    let mut journal = loop {
        match store.create(&run) {
            Err(error) if error.kind == Kind::Exists => run = run.next(),
            created => break created.expect("it can be made"),
        }
    };
    let facts = [
        Fact::RunCreated {
            run: run.clone(),
            plan: "ab".repeat(8),
            file: "/w/Workflowfile.yml".to_owned(),
            asked: vec!["a".to_owned()],
            flow: "0.1.0".to_owned(),
            parent: None,
            retry_of: None,
            given: std::collections::BTreeMap::new(),
            project: None,
            trigger: None,
        },
        Fact::RunStarted {},
        Fact::RunFinished {
            status: RunEnd::Completed,
        },
    ];
    let (mut chain, mut lines) = (Chain::new(&run), String::new());
    for (fact, seq) in facts.into_iter().zip(1..) {
        chain.seal(&Record { seq, at, fact }, "ann", None, &mut lines);
    }
    journal.append(&lines).expect("it can be written");
    let logs = space.state().join("logs").join(run.as_str());
    fs::create_dir_all(&logs).expect("it is ours");
    fs::write(logs.join("1.1.log"), "a\n").expect("it is ours");
    run
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a run does at its end by a clock that says so many days after the first.
fn day(space: &Space, number: u32) -> usize {
    let wall = std::time::UNIX_EPOCH + 20_000 * DAY + number * DAY;
    let now = wall.duration_since(std::time::UNIX_EPOCH).expect("later");
    let now = Timestamp::from_micros(i64::try_from(now.as_micros()).expect("it fits"));
    let run = ended_at(space, now);
    let store = Files::new(space.state());
    // The file says by the clock of this machine when that was done.
    let _ = fs::remove_file(space.state().join("pruned"));
    prune::if_due(&store, &run, now, now, wall).expect("it can be pruned");
    store.runs().expect("they can be read").len()
}

/// Nothing is lost because the clock was wrong: not by one wrong run, and by two not before a day has gone by as well.
#[test]
fn a_clock_that_was_ahead_removes_nothing_for_good() {
    let space = Space::with(WORK);
    for number in 0..150 {
        day(&space, number / 10);
    }
    // A year ahead, once, and right again.
    assert_eq!(day(&space, 380), 151);
    assert_eq!(day(&space, 16), 152);
    // Once more: what is old by then is set aside, and is back when the clock is right.
    assert_eq!(day(&space, 381), 100);
    let store = Files::new(space.state());
    assert_eq!(store.removed().expect("it can be read").len(), 53);
    assert_eq!(day(&space, 17), 154);
    assert_eq!(store.removed().expect("it can be read").len(), 0);
    let logs = fs::read_dir(space.state().join("logs")).expect("it is there");
    assert_eq!(logs.count(), 154);
}

/// By a clock that is right all that is old goes, a day after it was set aside, and no more than so many at a time.
#[test]
fn what_is_set_aside_goes_the_next_time() {
    let space = Space::with(WORK);
    let first = Timestamp::from_micros(20_000 * 86_400_000_000);
    for number in 0..1200 {
        ended_at(&space, first.plus(Duration::from_millis(number)));
    }
    assert_eq!(day(&space, 200), 1201);
    // The newest hundred stay.
    assert_eq!(day(&space, 201), 202);
    let trash = || {
        let folders = fs::read_dir(space.state().join("trash")).expect("it is there");
        folders
            .map(|folder| {
                fs::read_dir(folder.expect("it is ours").path())
                    .expect("it is ours")
                    .count()
            })
            .sum::<usize>()
    };
    assert_eq!(trash(), 2000, "records and output");
    assert_eq!(day(&space, 202), 103 - 3);
    assert_eq!(trash(), 2 * 103);
    assert_eq!(day(&space, 203), 101 - 1);
    assert_eq!(trash(), 2);
    // Who asks for it has it at once.
    let later = later(&space, 0, policy(1, 50), false);
    assert_eq!((later.left, trash()), (50, 0));
}
