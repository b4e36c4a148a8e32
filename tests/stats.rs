//! The numbers of many runs are those of their facts.

pub mod support;

use std::time::Duration;

use flow::index::Index;
use flow::index::stats::{self, Numbers};
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

fn of(space: &Space, steps: bool) -> stats::Stats {
    let (store, epoch) = (Files::new(space.state()), Timestamp::from_micros(0));
    let index = Index::in_memory(&store, epoch, &mut |_| {}).expect("it can be made");
    stats::of(&index, epoch, steps).expect("it can be read")
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
    let stats = of(&space, true);
    assert_eq!(
        (stats.completed, stats.failed, stats.cancelled, stats.open),
        (3, 2, 0, 0)
    );
    let good = row(&stats, "good", "");
    assert_eq!((good.runs, good.succeeded, good.times.len()), (3, 3, 3));
    let bad = row(&stats, "bad", "");
    assert_eq!((bad.runs, bad.succeeded, bad.retries), (2, 0, 0));
    assert_eq!(
        (
            row(&stats, "bad", "1").succeeded,
            row(&stats, "bad", "2").succeeded
        ),
        (2, 0)
    );
    let again = row(&stats, "again", "");
    assert_eq!((again.runs, again.succeeded, again.retries), (2, 2, 1));
    let fresh = row(&stats, "fresh", "");
    assert_eq!((fresh.runs, fresh.spared), (1, 1));
    let skipped = row(&stats, "skipped", "");
    assert_eq!(
        (skipped.runs, skipped.spared, skipped.mean()),
        (0, 2, Duration::ZERO)
    );
    let totals: Vec<Duration> = stats.rows.iter().map(Numbers::total).collect();
    assert!(totals.is_sorted_by(|one, other| one >= other));
    assert!(of(&space, false).rows.iter().all(|row| row.step.is_empty()));
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
    let numbers = |count: u64| Numbers {
        times: (1..=count).map(Duration::from_secs).collect(),
        ..Numbers::default()
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
