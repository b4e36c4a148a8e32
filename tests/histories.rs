//! Runs that were recorded by released versions: this version reads them to the same state, from any number of their facts.
//!
//! `histories/VERSION/NAME` has the facts and the plan of a run as they were written, and the state that they come to. They are never
//! changed: what was recorded once has to be read for ever. `FLOW_HISTORIES=accept` writes the state of a history that has none.

pub mod support;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flow::core::fact::Fact;
use flow::core::{Record, RunState, legal};
use flow::model::id::RunId;
use flow::model::plan::Plan;
use flow::store::line::{Chain, parse};

struct History {
    path: PathBuf,
    run: RunId,
    lines: String,
    records: Vec<Record>,
    plan: Arc<Plan>,
}

fn histories() -> Vec<History> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).expect("it is there");
        let mut folders: Vec<PathBuf> = entries
            .map(|entry| entry.expect("it can be read").path())
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        folders
    };
    let all = folders(&root)
        .into_iter()
        .flat_map(|version| folders(&version));
    let all: Vec<History> = all.map(read).collect();
    assert!(all.len() >= 8);
    all
}

fn read(path: PathBuf) -> History {
    let text = |name: &str| fs::read_to_string(path.join(name)).expect("it is there");
    let run = RunId::parse(text("run").trim()).expect("it is an id");
    let lines = text("facts");
    let records = Chain::new(&run)
        .open(&lines)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let plan = text("plan.json");
    let Some(Fact::RunCreated { plan: hash, .. }) = records.first().map(|record| &record.fact)
    else {
        panic!("{}: it is not created", path.display());
    };
    assert_eq!(
        blake3::hash(plan.as_bytes()).to_hex().as_str(),
        hash,
        "{}",
        path.display()
    );
    let plan =
        serde_json::from_str(&plan).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    History {
        run,
        lines,
        records,
        plan: Arc::new(plan),
        path,
    }
}

/// A state in words that later versions have too.
fn told(state: &RunState) -> String {
    let mut text = format!("{:?}\n", state.stage());
    for index in 0..state.node_count() {
        let id = flow::model::id::NodeId(u32::try_from(index).expect("few"));
        let node = state.node(id);
        let address = state.address(id);
        let _ = writeln!(
            text,
            "{index} {}{} {}: {:?}, try {}, exit code {:?}{}",
            address.task,
            address.items,
            address.step,
            node.stage,
            node.attempt,
            node.exit_code,
            node.reason
                .as_ref()
                .map_or(String::new(), |reason| format!(", {reason}")),
        );
    }
    text
}

#[test]
fn they_come_to_what_they_came_to() {
    for history in histories() {
        let state = RunState::fold(Arc::clone(&history.plan), &history.records);
        let path = history.path.join("state");
        let told = told(&state);
        if std::env::var("FLOW_HISTORIES").is_ok_and(|what| what == "accept") && !path.exists() {
            fs::write(&path, &told).expect("it can be written");
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(told, known, "{}", history.path.display());
    }
}

#[test]
fn each_fact_may_follow_and_any_prefix_folds() {
    for history in histories() {
        let mut state = RunState::new(Arc::clone(&history.plan));
        for (count, record) in history.records.iter().enumerate() {
            legal::check(&state, &record.fact).unwrap_or_else(|rule| {
                panic!("{} fact {}: {rule}", history.path.display(), record.seq)
            });
            state.apply(record);
            let folded = RunState::fold(Arc::clone(&history.plan), &history.records[..=count]);
            assert!(
                folded == state,
                "{}: the fold of {} facts",
                history.path.display(),
                count + 1
            );
        }
    }
}

#[test]
fn facts_of_a_later_kind_do_no_harm() {
    for history in histories() {
        let plain = told(&RunState::fold(Arc::clone(&history.plan), &history.records));
        let later = history.lines.lines().flat_map(|line| {
            let record = parse(line).expect("it is a fact");
            let more = format!(
                "{{\"seq\":{},\"at\":\"{}\",\"actor\":\"flow\",\"kind\":\"mood_changed\",\"node\":7,\"mood\":{{\"good\":true}}}}",
                record.seq, record.at
            );
            [parse(&more).expect("a kind that is not known is a fact"), record]
        });
        let later: Vec<Record> = later.collect();
        assert!(later.iter().any(|record| record.fact == Fact::Unknown));
        let with = told(&RunState::fold(Arc::clone(&history.plan), &later));
        assert_eq!(with, plain, "{}", history.path.display());
    }
}

#[test]
fn the_verbs_read_them() {
    for history in histories() {
        let space = support::Space::with("tasks: {x: echo x}\n");
        assert_eq!(space.run(&["-q", "x"]).code, 0, "there is a store");
        let own = space.record().run;
        let state = space.state();
        fs::remove_file(state.join(format!("runs/{own}.facts"))).expect("it is ours");
        fs::write(
            state.join(format!("runs/{}.facts", history.run)),
            &history.lines,
        )
        .expect("it is ours");
        let Fact::RunCreated { plan, .. } = &history.records[0].fact else {
            unreachable!()
        };
        let text = fs::read(history.path.join("plan.json")).expect("it is there");
        fs::write(state.join(format!("plans/{plan}.json")), text).expect("it is ours");
        for verb in [
            &["status"][..],
            &["events"],
            &["history"],
            &["status", "--at", "3"],
            &["status", "--json"],
        ] {
            let shown = space.run(verb);
            assert_eq!(
                (shown.code, shown.out().is_empty()),
                (0, false),
                "{verb:?}: {}",
                shown.err()
            );
        }
    }
}
