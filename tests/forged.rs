//! Records and plans that somebody has forged, with chains and hashes that are right: every verb answers, and none panics.

pub mod support;

use std::fs;

use fastrand::Rng;
use flow::core::fact::{Fact, Record};
use flow::core::state::Address;
use flow::model::id::RunId;
use flow::store::files::Files;
use flow::store::line::{self, Chain};
use flow::store::{Journal, Store};
use serde_json::Value;
use support::{Space, rounds};

const WORK: &str = "
tasks:
  a: {run: [{name: one, run: 'echo one'}, {for: [x, y], run: 'echo {{ item }}'}], finally: echo tidied}
  b: {depends_on: [a], retry: 1, if: \"1 < 2\", run: [{parallel: [echo p, echo q]}, 'exit 3'], on_failure: echo failed}
  c: {depends_on: [b], ignore_error: true, run: exit 1}
";

/// Those that run a plan are none of these: one that was forged may wait for years.
const VERBS: &[&[&str]] = &[
    &["history"],
    &["status", "0f"],
    &["status", "0f", "--json"],
    &["events", "0f"],
    &["events", "0f", "--snapshots"],
    &["logs", "0f"],
    &["stats"],
    &["verify", "--all"],
    &["doctor"],
    &["cancel", "0f"],
];

/// A run that is recorded, its facts, and its plan.
fn recorded(space: &Space) -> (Vec<Record>, Value) {
    assert_eq!(space.run(&["-q", "c"]).code, 1);
    let store = Files::new(space.state());
    let run = store.runs().expect("they can be read").remove(0);
    let text = store.read(&run).expect("it can be read");
    let records: Vec<Record> = text
        .lines()
        .map(|text| {
            let line = line::parse(text).expect("a fact");
            Record {
                seq: line.seq,
                at: line.at,
                fact: line.fact,
            }
        })
        .collect();
    let Fact::RunCreated { plan, .. } = &records[0].fact else {
        panic!("it is created first");
    };
    let plan = store.plan(plan).expect("it is there");
    let plan = serde_json::from_slice(&plan).expect("it is JSON");
    fs::remove_dir_all(space.state().join("runs")).expect("it is ours");
    fs::remove_file(space.state().join("heads")).expect("it is ours");
    (records, plan)
}

/// Puts a run there with these facts, all that is to be sealed done right.
fn forge(space: &Space, records: &[Record], plan: &Value) {
    let store = Files::new(space.state());
    let text = serde_json::to_vec(plan).expect("it is JSON");
    let hash = blake3::hash(&text).to_hex().to_string();
    store.put_plan(&hash, &text).expect("it can be written");
    let run = RunId::parse("0f").expect("an id");
    let path = store.path_of(&run);
    let _ = fs::remove_file(path);
    // What an earlier one had come to says nothing of this one.
    let _ = fs::remove_file(space.state().join("heads"));
    let mut journal: Box<dyn Journal> = store.create(&run).expect("it is new");
    let (mut chain, mut lines) = (Chain::new(&run), String::new());
    for record in records {
        let mut record = record.clone();
        if let Fact::RunCreated { run: id, plan, .. } = &mut record.fact {
            (*id, *plan) = (run.clone(), hash.clone());
        }
        let address = Address {
            task: "a",
            items: String::new(),
            step: String::new(),
        };
        let address = record.fact.node().map(|_| &address);
        chain.seal(&record, "ann", address, &mut lines);
    }
    journal.append(&lines).expect("it can be written");
}

/// Where the numbers of a value are, as paths (RFC 6901).
fn numbers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(at.to_owned()),
        Value::Array(all) => {
            for (index, value) in all.iter().enumerate() {
                numbers(value, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(all) => {
            for (name, value) in all {
                numbers(value, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

/// Another number somewhere in it: most of them are those of nodes.
fn change(value: &mut Value, rng: &mut Rng) {
    let mut found = Vec::new();
    numbers(value, "", &mut found);
    if found.is_empty() {
        return;
    }
    let at = &found[rng.usize(0..found.len())];
    let others = [0, 1, 2, 3, 5, 7, 11, 100, 4_294_967_295_u64, u64::MAX];
    *value.pointer_mut(at).expect("it is there") = others[rng.usize(0..others.len())].into();
}

fn answers(space: &Space, what: &str) {
    for verb in VERBS {
        let ended = space.run(verb);
        let words = ended.err();
        assert!(
            ended.code <= 7 && !words.contains("panicked"),
            "{verb:?} of {what}: {} {words}",
            ended.code
        );
    }
}

#[test]
fn each_verb_answers_whatever_a_record_says() {
    let space = Space::with(WORK);
    let (records, plan) = recorded(&space);
    // As it was written all can be read.
    forge(&space, &records, &plan);
    assert_eq!(space.run(&["status", "0f"]).code, 0);
    assert_eq!(
        space.run(&["verify", "0f"]).code,
        5,
        "its output is another's"
    );
    let mut rng = Rng::with_seed(17);
    let mut changed = 0;
    for round in 0..rounds(150) {
        let (mut records, mut plan) = (records.clone(), plan.clone());
        let what = if rng.bool() {
            change(&mut plan, &mut rng);
            format!("plan {plan}")
        } else {
            let at = rng.usize(0..records.len());
            let mut fact = serde_json::to_value(&records[at].fact).expect("it is JSON");
            change(&mut fact, &mut rng);
            let what = format!("fact {at}: {fact}");
            match rng.u8(0..6) {
                0 => drop(records.remove(at)),
                1 => records.truncate(at + 1),
                _ => {}
            }
            // What is no fact can't be one of a record.
            let Ok(fact) = serde_json::from_value(fact) else {
                continue;
            };
            if let Some(record) = records.get_mut(at) {
                record.fact = fact;
            }
            what
        };
        forge(&space, &records, &plan);
        changed += 1;
        answers(&space, &format!("round {round}, {what}"));
    }
    assert!(changed > 100, "{changed}");
}
