//! What verbs print with `--json` is what `docs/reference/outputs.schema.json` says, and each definition there is printed by one.

pub mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::space::files_below;
use support::{Space, json_schema, wait_for};

const WORK: &str = "
tasks:
  good: {run: echo good, locks: [a]}
  bad: {depends_on: [good], retry: 2, run: exit 3}
  skipped: {if: 'false', run: 'true'}
  all: {depends_on: [skipped, good]}
  slow: {locks: [a], run: 'touch began; sleep 600'}
triggers:
  nightly: {cron: '0 2 * * *', run: good}
";

fn schema() -> Value {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/outputs.schema.json");
    let text = std::fs::read_to_string(path).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Each object that a call prints fits the definition of its verb.
fn check(space: &Space, args: &[&str], seen: &mut BTreeSet<String>) {
    let schema = schema();
    let name = if args.contains(&"--tools") {
        "tools"
    } else {
        args[0]
    };
    let ended = space.run(args);
    assert!([0, 5].contains(&ended.code), "{args:?}: {}", ended.err());
    let out = ended.out();
    let values: Vec<Value> = serde_json::Deserializer::from_str(&out)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{args:?}: {error}: {out}"));
    assert!(!values.is_empty(), "{args:?}");
    for value in values {
        let rule = &schema["$defs"][name];
        let wrong = json_schema::wrong(&schema, rule, &value);
        wrong.unwrap_or_else(|wrong| panic!("{args:?}: {wrong}\n{value:#}"));
    }
    seen.insert(name.to_owned());
}

#[test]
fn every_output_fits() {
    let space = Space::with(WORK);
    let mut seen = BTreeSet::new();
    assert_eq!(space.run(&["-q", "all"]).code, 0);
    assert_eq!(space.run(&["-q", "bad"]).code, 1);
    assert_eq!(
        space
            .run(&["annotate", "--comment", "so it is", "--event", "2"])
            .code,
        0
    );
    assert_eq!(space.run(&["retry", "-q"]).code, 1);
    let slow = space.start(&["slow"]);
    wait_for("it to begin", || space.has("began"));
    let waits = space.start(&["good"]);
    wait_for("one to wait", || {
        space.run(&["locks"]).out().contains("waits")
    });
    for args in [
        &["history", "--json"][..],
        &["status", "--json"],
        &["status", "latest:bad", "--json"],
        &["status", "latest:bad", "--at", "3", "--json"],
        &["stats", "--json"],
        &["stats", "--steps", "--json"],
        &["verify", "--all", "--json"],
        &["locks", "--json"],
        &["schedule", "--json"],
        &["schedule", "--next", "2", "--json"],
        &["doctor", "--json"],
        &["doctor", "--tools", "--json"],
        &["prune", "--older-than", "0s", "-n", "--json"],
        &["archive", "--older-than", "0s", "--json"],
    ] {
        check(&space, args, &mut seen);
    }
    let packed = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".facts.gz");
    let path = files_below(&space.state())
        .into_iter()
        .find(packed)
        .expect("one is packed");
    std::fs::write(space.state().join(path), "damaged").expect("it is there");
    check(&space, &["verify", "--all", "--json"], &mut seen);
    check(&space, &["doctor", "--json"], &mut seen);
    check(&space, &["history", "--json"], &mut seen);
    check(
        &space,
        &["prune", "--older-than", "0s", "--keep", "3", "--json"],
        &mut seen,
    );
    assert_eq!(space.run(&["cancel", "latest:slow"]).code, 0);
    space.finish(slow);
    space.finish(waits);
    let schema = schema();
    let all = schema["$defs"].as_object().expect("an object").keys();
    let parts = [
        "time",
        "run",
        "seconds",
        "numbers",
        "retry",
        "who",
        "trigger",
        "trigger_time",
    ];
    let verbs: BTreeSet<String> = all
        .filter(|name| !parts.contains(&name.as_str()))
        .cloned()
        .collect();
    assert_eq!(seen, verbs);
}
