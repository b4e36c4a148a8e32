//! The schema of facts against facts: examples of every kind, sealed as the engine seals them, and lines that are none.
//!
//! The schema is for readers in other languages, so what it promises has to be what is written, field for field.

pub mod support;

use std::collections::BTreeMap;

use flow::core::fact::{
    Decision, Exit, Fact, LeftRunning, Log, Outcome, Process, Project, Record, RunEnd, Triggered,
    Value, Why,
};
use flow::core::state::Address;
use flow::model::id::{NodeId, RunId};
use flow::model::time::Timestamp;
use flow::store::line::{Chain, parse};
use serde_json::{Map, Value as Json, json};
use support::json_schema::wrong;

const SCHEMA: &str = include_str!("../docs/reference/facts.schema.json");
const NODE: NodeId = NodeId(1);
const LATER: Timestamp = Timestamp::from_micros(1_795_226_400_000_042);

/// The kinds with their examples. A kind that is missing here doesn't compile: the match has no arm for it.
macro_rules! kinds {
    ($($kind:ident: [$($example:expr),+ $(,)?],)+) => {
        fn kind(fact: &Fact) -> &'static str {
            match fact { $(Fact::$kind { .. } => stringify!($kind)),+ }
        }

        fn examples() -> Vec<(&'static str, Fact)> {
            vec![$($((stringify!($kind), $example)),+),+]
        }
    };
}

kinds! {
    RunCreated: [created(None), created(Some(run("0parent1")))],
    RunStarted: [Fact::RunStarted {}],
    RunPaused: [Fact::RunPaused {}],
    RunResumed: [Fact::RunResumed {}],
    CancelRequested: [
        cancel(Why::Cancelled, None, false),
        cancel(Why::Failure, None, false),
        cancel(Why::Rejected, Some(NODE), false),
        cancel(Why::Timeout, None, false),
        cancel(Why::Outdated, Some(NODE), false),
        cancel(Why::Signal(2), None, true),
        cancel(Why::Decided(Outcome::Succeeded), Some(NODE), true),
    ],
    RunFinished: [
        Fact::RunFinished { status: RunEnd::Completed },
        Fact::RunFinished { status: RunEnd::Failed },
        Fact::RunFinished { status: RunEnd::Cancelled },
    ],
    TaskSkipped: [Fact::TaskSkipped { node: NODE, reason: "if: \"false\"\n".to_owned() }],
    TaskUpToDate: [
        Fact::TaskUpToDate {
            nodes: vec![NODE, NodeId(u32::MAX)],
            from: None,
        },
        Fact::TaskUpToDate {
            nodes: vec![NODE],
            from: RunId::parse("0abc"),
        },
    ],
    TaskBlocked: [Fact::TaskBlocked { nodes: vec![], cause: NODE }],
    TaskExpanded: [Fact::TaskExpanded { node: NODE, items: 1, names: vec!["a".to_owned()] }],
    TaskFinished: [finished(Outcome::Failed, Some("too late")), finished(Outcome::UpToDate, None)],
    AttemptStarted: [Fact::AttemptStarted { node: NodeId(0), attempt: 1 }],
    ProcessStarted: [
        Fact::ProcessStarted { node: Some(NODE), attempt: Some(1), process: process() },
        Fact::ProcessStarted { node: None, attempt: None, process: process() },
    ],
    AttemptFinished: [
        tried(Outcome::Succeeded, Exit::code(0)),
        tried(Outcome::Failed, everything()),
        tried(Outcome::Skipped, Exit::default()),
        tried(Outcome::TimedOut, Exit::code(-1)),
        tried(Outcome::Lost, Exit::default()),
        tried(Outcome::Cancelled, Exit { signal: Some(9), ..Exit::default() }),
        tried(Outcome::Interrupted, Exit { log: Some(no_log()), ..Exit::default() }),
        tried(Outcome::Blocked, Exit { error: Some("ünmöglich".to_owned()), ..Exit::default() }),
    ],
    RetryScheduled: [Fact::RetryScheduled { node: NODE, until: LATER }],
    GateOpened: [Fact::GateOpened { node: NODE }],
    GateDecided: [
        decided(Decision::Approved, Some("ada".to_owned())),
        decided(Decision::Rejected, None),
        decided(Decision::Closed, None),
    ],
    LockAcquired: [
        Fact::LockAcquired {
            node: Some(NODE),
            names: vec!["db".to_owned()],
        },
        Fact::LockAcquired {
            node: None,
            names: Vec::new(),
        },
    ],
    LockReleased: [
        Fact::LockReleased {
            node: Some(NODE),
            name: None,
            by: None,
        },
        Fact::LockReleased {
            node: None,
            name: Some("db".to_owned()),
            by: Some("ann".to_owned()),
        },
    ],
    TimerSet: [Fact::TimerSet { node: NODE, until: LATER }],
    TimerFired: [Fact::TimerFired { node: NODE }],
    ChildStarted: [Fact::ChildStarted { node: NODE, run: run("0chxd") }],
    ChildFinished: [Fact::ChildFinished { node: NODE, outcome: Outcome::Succeeded }],
    ValueSet: [
        Fact::ValueSet { node: NODE, value: Value::Go },
        Fact::ValueSet { node: NODE, value: Value::Branch(2) },
    ],
    ValueKept: [
        Fact::ValueKept { node: None, name: "printed 00".to_owned(), value: json!("v1") },
        Fact::ValueKept { node: Some(NODE), name: "items".to_owned(), value: json!([[["item", {"code": "x"}]]]) },
    ],
    NoteAdded: [
        Fact::NoteAdded { text: "so be it".to_owned(), by: "ada".to_owned(), event: None },
        Fact::NoteAdded { text: "here".to_owned(), by: "ada".to_owned(), event: Some(7) },
    ],
    Unknown: [Fact::Unknown],
}

fn process() -> Process {
    Process {
        pid: 4_711,
        session: 4_000,
        flow: 4_001,
        alive_ms: 86_400_123,
        boot: "0f1c5a3e-0000-4000-8000-000000000000".to_owned(),
    }
}

fn run(text: &str) -> RunId {
    RunId::parse(text).expect("all of it are digits of ids")
}

fn created(parent: Option<RunId>) -> Fact {
    Fact::RunCreated {
        run: run("0abc"),
        plan: "ab".repeat(32),
        file: "/w/Workflowfile.yml".to_owned(),
        asked: vec!["build".to_owned(), "\"test\"".to_owned()],
        flow: "0.1.0".to_owned(),
        retry_of: parent.clone(),
        trigger: parent.is_some().then(|| Triggered {
            name: "nightly".to_owned(),
            fire: 7,
            scheduled_at: Some(Timestamp::from_micros(1)),
            fired_at: Timestamp::from_micros(2),
            changed: Some("src/a.rs".to_owned()),
        }),
        given: [("to".to_owned(), "prod".into())]
            .into_iter()
            .filter(|_| parent.is_some())
            .collect(),
        project: parent.is_some().then(project),
        parent,
    }
}

fn project() -> Box<Project> {
    let meta: BTreeMap<_, _> = [("owner".to_owned(), "ada".to_owned())].into();
    Box::new(Project {
        name: "shop".to_owned(),
        dir: "/w".to_owned(),
        desc: Some("All of it".to_owned()),
        meta: meta.clone(),
        tasks: [("build".to_owned(), meta)].into(),
    })
}

fn cancel(why: Why, node: Option<NodeId>, now: bool) -> Fact {
    let by = now.then(|| "ada".to_owned());
    let reason = now.then(|| "wrong branch".to_owned());
    Fact::CancelRequested {
        node,
        why,
        now,
        by,
        reason,
    }
}

fn finished(outcome: Outcome, reason: Option<&str>) -> Fact {
    let reason = reason.map(str::to_owned);
    Fact::TaskFinished {
        node: NODE,
        outcome,
        reason,
    }
}

fn tried(outcome: Outcome, exit: Exit) -> Fact {
    Fact::AttemptFinished {
        node: NODE,
        attempt: 2,
        outcome,
        again: outcome == Outcome::Failed,
        exit,
    }
}

fn everything() -> Exit {
    Exit {
        exit_code: Some(3),
        signal: Some(15),
        error: Some("its \"log\",\"hash\":\"is lost\"".to_owned()),
        log: Some(Log {
            file: "1.2.log".to_owned(),
            bytes: u64::MAX,
            hash: "cd".repeat(32),
            tail: "\u{1b}[31mline\u{2028}\r\n".to_owned(),
        }),
        left: vec![LeftRunning {
            pid: 7,
            program: "gradle".to_owned(),
        }],
    }
}

fn no_log() -> Log {
    Log {
        file: String::new(),
        bytes: 1,
        hash: String::new(),
        tail: String::new(),
    }
}

fn decided(decision: Decision, by: Option<String>) -> Fact {
    Fact::GateDecided {
        node: NODE,
        decision,
        by,
    }
}

/// The line of a fact, without its end.
fn line(fact: &Fact) -> String {
    let record = Record {
        seq: 1,
        at: LATER,
        fact: fact.clone(),
    };
    let address = fact.node().map(|_| Address {
        task: "test",
        items: "[3]".to_owned(),
        step: "2.1".to_owned(),
    });
    let mut text = String::new();
    Chain::new(&run("0abc")).seal(&record, "ada \"the\" admin", address.as_ref(), &mut text);
    let read = Chain::new(&run("0abc"))
        .open(&text)
        .expect("own lines are read");
    assert_eq!(read, [record], "{text}");
    text.trim_end().to_owned()
}

fn object(fact: &Fact) -> Map<String, Json> {
    serde_json::from_str(&line(fact)).expect("a line is an object")
}

fn schema() -> Json {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

fn check(value: &Json) -> Result<(), String> {
    let schema = schema();
    wrong(&schema, &schema, value)
}

#[test]
fn every_kind_fits() {
    for (name, fact) in examples() {
        assert_eq!(kind(&fact), name, "an example stands with its kind");
        let line = line(&fact);
        let value = serde_json::from_str(&line).expect("a line is JSON");
        check(&value).unwrap_or_else(|wrong| panic!("{line}\n{wrong}"));
    }
}

#[test]
fn all_kinds_are_listed() {
    let mut kinds: Vec<String> = examples()
        .iter()
        .filter(|(name, _)| *name != "Unknown")
        .map(|(_, fact)| {
            object(fact)["kind"]
                .as_str()
                .expect("a kind is text")
                .to_owned()
        })
        .collect();
    kinds.dedup();
    assert_eq!(kinds, flow::core::fact::KINDS);
}

/// `additionalProperties` lets everything through, so this is what holds the schema to be complete.
#[test]
fn every_field_is_described_and_written() {
    let schema = schema();
    let mut described = 0;
    let mut written = std::collections::BTreeSet::new();
    for (name, fact) in examples() {
        let object = object(&fact);
        let kind = object["kind"].as_str().expect("a kind is text").to_owned();
        let Some(own) = schema["$defs"].get(&kind) else {
            assert_eq!((name, kind.as_str()), ("Unknown", "unknown"));
            continue;
        };
        for field in object.keys() {
            let known = |part: &Json| part["properties"].get(field).is_some();
            assert!(
                known(own) || known(&schema),
                "{kind}.{field} isn't described"
            );
            written.insert(format!("{kind}.{field}"));
        }
    }
    for branch in schema["oneOf"].as_array().expect("the kinds") {
        let kind = &branch["$ref"].as_str().expect("a $ref")["#/$defs/".len()..];
        for field in schema["$defs"][kind]["properties"]
            .as_object()
            .expect("fields")
            .keys()
        {
            let known = kind == "later" || written.contains(&format!("{kind}.{field}"));
            assert!(known, "no example has {kind}.{field}");
            described += 1;
        }
    }
    assert!(described > 70, "the schema has fields: {described}");
}

/// The schema requires what flow's own reader needs, and what is always there: `actor`, and the `hash` that chains need.
#[test]
fn required_is_what_the_reader_needs() {
    for (name, fact) in examples() {
        let whole = object(&fact);
        for field in whole.keys() {
            let mut less = whole.clone();
            less.remove(field);
            let less = Json::Object(less);
            let read = parse(&less.to_string()).is_some() && field != "actor" && field != "hash";
            assert_eq!(check(&less).is_ok(), read, "{name} without {field}: {less}");
        }
    }
}

/// What the reader takes for a wrong value, the schema does too.
#[test]
fn types_are_what_the_reader_takes() {
    let odd = [
        json!(-1),
        json!(1.5),
        json!("odd"),
        json!([]),
        json!({}),
        json!(null),
    ];
    for (name, fact) in examples() {
        let whole = object(&fact);
        for (field, odd) in whole
            .keys()
            .flat_map(|field| odd.iter().map(move |odd| (field, odd)))
        {
            let mut other = whole.clone();
            other.insert(field.clone(), odd.clone());
            let other = Json::Object(other);
            if parse(&other.to_string()).is_none() {
                assert!(
                    check(&other).is_err(),
                    "{name}.{field} may not be {odd}: {other}"
                );
            }
        }
    }
}

#[test]
fn a_later_kind_and_a_later_field_fit() {
    let mut later = object(&Fact::RunStarted {});
    later.insert("mood".to_owned(), json!({"good": true}));
    check(&Json::Object(later.clone())).expect("fields are added");
    later.insert("kind".to_owned(), json!("run_admired"));
    check(&Json::Object(later.clone())).expect("kinds are added");
    let read = parse(&Json::Object(later).to_string()).expect("it is read");
    assert_eq!(read.fact, Fact::Unknown);
}

#[test]
fn what_is_no_fact_does_not_fit() {
    let good = object(&tried(Outcome::Failed, everything()));
    let with = |field: &str, value: Json| {
        let mut bad = good.clone();
        bad.insert(field.to_owned(), value);
        Json::Object(bad)
    };
    check(&with("seq", json!(2))).expect("the rest of it is good");
    let bad = [
        with("seq", json!(-1)),
        with("seq", json!(0)),
        with("seq", json!("1")),
        with("at", json!(1_795_226_400)),
        with("actor", json!(null)),
        with("kind", json!(null)),
        with("hash", json!("cd")),
        with("node", json!(-1)),
        with("node", json!(4_294_967_296_u64)),
        with("attempt", json!(-2)),
        with("attempt", json!(0)),
        with("outcome", json!("exploded")),
        with("outcome", json!("Failed")),
        with("again", json!("yes")),
        with("exit_code", json!("3")),
        with("log", json!({"file": "1.2.log"})),
        with("log", json!({"bytes": -5})),
        json!([]),
        json!("run_started"),
    ];
    for bad in bad {
        assert!(check(&bad).is_err(), "{bad}");
    }
    for why in [
        json!("signal"),
        json!({"signal": "INT"}),
        json!({"decided": "odd"}),
        json!({}),
    ] {
        let mut bad = object(&cancel(Why::Cancelled, None, false));
        bad.insert("why".to_owned(), why);
        assert!(check(&Json::Object(bad.clone())).is_err(), "{bad:?}");
    }
}
