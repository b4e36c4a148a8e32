//! The numbers of many runs are those of their facts.

pub mod support;

use std::time::Duration;

use flow::index::Index;
use flow::index::stats::{self, By, Counts, Numbers};
use flow::model::time::Timestamp;
use flow::store::files::Files;
use support::Space;

const WORK: &str = "
tasks:
  good: {run: ['true', 'true']}
  bad: {depends_on: [good], run: ['true', 'exit 3']}
  again: {retry: 2, run: 'test -e second || { touch second; exit 1; }'}
  fresh: {sources: [x], run: 'true'}
  skipped: {if: 'false', run: 'true'}
  all: {depends_on: [again, fresh, skipped]}
";

fn of(space: &Space, steps: bool, vars: bool) -> stats::Stats {
    let (store, epoch) = (Files::new(space.state()), Timestamp::from_micros(0));
    let index = Index::in_memory(&store, epoch, &mut |_| {}).expect("it can be made");
    stats::of(&index, epoch, By { steps, vars }).expect("it can be read")
}

fn row<'s>(stats: &'s stats::Stats, task: &str, step: &str) -> &'s Numbers {
    let found = stats
        .rows
        .iter()
        .find(|row| row.task == task && row.step == step);
    found.unwrap_or_else(|| panic!("{task} {step}: {stats:#?}"))
}

#[test]
fn they_count_what_happened() {
    let space = Space::with(WORK);
    space.write("x", "");
    for (task, code) in [("bad", 1), ("bad", 1), ("good", 0), ("all", 0), ("all", 0)] {
        assert_eq!(space.run(&["-q", task]).code, code);
    }
    let stats = of(&space, true, false);
    assert_eq!(
        (stats.completed, stats.failed, stats.cancelled, stats.open),
        (3, 2, 0, 0)
    );
    let good = row(&stats, "good", "");
    assert_eq!(
        (
            good.counts.runs,
            good.counts.completed,
            good.counts.times.len()
        ),
        (3, 3, 3)
    );
    let bad = row(&stats, "bad", "");
    assert_eq!(
        (bad.counts.runs, bad.counts.completed, bad.retries),
        (2, 0, 0)
    );
    assert_eq!(
        (
            row(&stats, "bad", "1").counts.completed,
            row(&stats, "bad", "2").counts.completed
        ),
        (2, 0)
    );
    let again = row(&stats, "again", "");
    assert_eq!(
        (again.counts.runs, again.counts.completed, again.retries),
        (2, 2, 1)
    );
    let fresh = row(&stats, "fresh", "");
    assert_eq!((fresh.counts.runs, fresh.spared), (1, 1));
    let skipped = row(&stats, "skipped", "");
    assert_eq!(
        (skipped.counts.runs, skipped.spared, skipped.counts.mean()),
        (0, 2, Duration::ZERO)
    );
    let totals: Vec<Duration> = stats.rows.iter().map(|row| row.counts.total()).collect();
    assert!(totals.is_sorted_by(|one, other| one >= other));
    assert!(
        of(&space, false, false)
            .rows
            .iter()
            .all(|row| row.step.is_empty())
    );
}

#[test]
fn what_they_are_made_of_can_be_chosen() {
    let space = Space::with(WORK);
    assert!(space.run(&["stats"]).out().starts_with("no runs since 30d"));
    space.run(&["-q", "good"]);
    let shown = space.run(&["stats"]);
    assert!(
        shown.out().contains("runs since 30d: 1 completed") && shown.out().contains("100 %"),
        "{}",
        shown.out()
    );
    assert!(space.run(&["stats", "--steps"]).out().contains("good 2 "));
    assert_eq!(space.run(&["stats", "bad"]).code, 2);
    assert_eq!(space.run(&["stats", "--since", "soon"]).code, 2);
    let later = space.run(&["stats", "--since", "2100-01-01"]);
    assert!(later.out().starts_with("no runs since"), "{}", later.out());
    let json: serde_json::Value =
        serde_json::from_str(&space.run(&["stats", "--json"]).out()).expect("it is JSON");
    assert_eq!(json["runs"]["completed"], 1);
    assert_eq!(json["tasks"][0]["task"], "good");
}

#[test]
fn a_percentile_is_one_of_the_times() {
    let numbers = |count: u64| Counts {
        times: (1..=count).map(Duration::from_secs).collect(),
        ..Counts::default()
    };
    for (count, percent, expected) in [
        (1, 95, 1),
        (2, 50, 1),
        (2, 95, 2),
        (20, 95, 19),
        (100, 95, 95),
        (100, 100, 100),
        (0, 95, 0),
    ] {
        assert_eq!(
            numbers(count).percentile(percent),
            Duration::from_secs(expected),
            "{count} {percent}"
        );
    }
    assert_eq!(numbers(4).mean(), Duration::from_millis(2500));
}

/// Whole runs come first, by what was asked for; then the tasks, each once, whatever it was given, unless that is asked for.
#[test]
fn what_was_asked_for_comes_first() {
    let space = Space::with(
        "
secrets: {KEY: {env: KEY}}
tasks:
  deploy: {depends_on: [build], params: {to: {default: test}, key: {default: ''}}, run: 'test {{ to }} != broken'}
  build: 'true'
",
    );
    let given: [&[&str]; 6] = [
        &["deploy"],
        &["deploy", "to=prod"],
        &["deploy", "to=prod"],
        &["deploy", "to=broken"],
        &["build", "deploy"],
        &["deploy", "key=hunter2-secret"],
    ];
    for words in given {
        let mut command = space.flow(words);
        command.env("KEY", "hunter2-secret");
        let code = command.output().expect("flow runs").status.code();
        assert_eq!(
            code,
            Some(i32::from(words.contains(&"to=broken"))),
            "{words:?}"
        );
    }
    let asked = |vars| {
        let stats = of(&space, false, vars);
        let row = |row: &stats::Asked| {
            let given = flow::record::given::call(&row.tasks.join(" "), &row.given);
            (given, row.counts.runs, row.counts.completed)
        };
        let mut rows: Vec<(String, usize, usize)> = stats.asked.iter().map(row).collect();
        rows.sort();
        (rows, stats.rows.len())
    };
    let row = |name: &str, runs, completed| (name.to_owned(), runs, completed);
    let (rows, tasks) = asked(false);
    assert_eq!(rows, [row("build deploy", 1, 1), row("deploy", 5, 4)]);
    assert_eq!(tasks, 2);
    let (rows, tasks) = asked(true);
    let (secret, others): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.0.contains("key=***"));
    assert_eq!(secret.len(), 1);
    let expected = [
        row("build deploy", 1, 1),
        row("deploy", 1, 1),
        row("deploy to=broken", 1, 0),
        row("deploy to=prod", 2, 2),
    ];
    assert_eq!(others, expected);
    assert_eq!(tasks, 8);
    let out = space.run(&["stats", "build"]).out();
    assert!(!out.contains("\ndeploy"), "{out}");
    assert!(out.contains("\nbuild deploy "), "{out}");
}

/// Of five runs or more, a tenth has failed or a fifth was tried again; a task with steps is not named beside its step.
#[test]
fn a_bottleneck_is_a_step_that_holds_people_up() {
    let space = Space::with(
        "
tasks:
  alone: {params: {code: {default: '0'}}, run: 'exit {{ code | int }}'}
  steps: {params: {code: {default: '0'}}, run: ['true', {name: push, run: 'exit {{ code | int }}'}]}
  again: {retry: 2, run: 'test -e second && rm second || { touch second; exit 1; }'}
  good: 'true'
  rare: 'false'
",
    );
    let run = |words: &[&str], times: usize| {
        for _ in 0..times {
            space.run(&[&["-q"][..], words].concat());
        }
    };
    run(&["alone"], 3);
    run(&["alone", "code=1"], 1);
    run(&["rare"], 4);
    assert_eq!(of(&space, false, false).bottlenecks, []);
    run(&["alone"], 1);
    run(&["steps"], 9);
    run(&["steps", "code=2"], 1);
    run(&["again"], 5);
    run(&["good"], 6);
    let found = of(&space, false, false).bottlenecks;
    let found: Vec<_> = found
        .iter()
        .map(|one| (&*one.task, &*one.step, one.runs, one.failed, one.retried))
        .collect();
    assert_eq!(
        found,
        [
            ("again", "", 5, 0, 5),
            ("alone", "1", 5, 1, 0),
            ("steps", "push", 10, 1, 0),
        ]
    );
    run(&["steps"], 1);
    assert_eq!(of(&space, false, false).bottlenecks.len(), 2);
}

/// A call with nothing to do leaves no run, whatever has looked at the list of them before.
#[test]
fn what_had_nothing_to_do_was_no_run() {
    let space = Space::with(
        "tasks:\n  t: {sources: [x], run: 'echo t'}\n  u: {status: ['test -f x'], run: 'echo u'}\n",
    );
    space.write("x", "1");
    assert_eq!(space.run(&["-q", "t"]).code, 0);
    for task in ["t", "u"] {
        for _ in 0..2 {
            assert_eq!(space.run(&["stats"]).code, 0);
            assert_eq!(space.run(&["-q", task]).code, 0);
            let first = space.run(&["stats"]).out();
            assert_eq!(
                first.lines().next(),
                Some("runs since 30d: 1 completed"),
                "{task}"
            );
            assert_eq!(space.run(&["history"]).out().lines().count(), 2, "{task}");
        }
    }
    for verb in [
        "status", "logs", "events", "resume", "retry", "cancel", "verify", "archive",
    ] {
        let ended = space.run(&[verb, ""]);
        assert_eq!(ended.code, 2, "{verb}: {}", ended.out());
        assert!(ended.err().contains("an empty word names no run"), "{verb}");
    }
}
