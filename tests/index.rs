//! The index says what the records say, whatever becomes of it (R7, R18, R19).

pub mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Child;

use fastrand::Rng;
use flow::index::{Filter, Index, Row};
use flow::model::time::Timestamp;
use flow::store::files::Files;
use rusqlite::Connection;
use rusqlite::types::Value;
use rustix::process::Signal;
use support::effort::rounds;
use support::processes::signal;
use support::{Ended, Space};

const WORK: &str = "
tasks:
  good: 'true'
  bad: {depends_on: [good], run: 'echo boom >&2; exit 3'}
  slow: {run: [sleep 0.03, 'true'], finally: 'true'}
  loop: {for: [a, b], locks: 'of {{ item }}', run: 'echo {{ item }}'}
  fresh: {sources: [], run: 'true'}
";

fn path(space: &Space) -> PathBuf {
    space.state().join("index.sqlite")
}

/// Later than anything: a run that has left no record has left none for good.
fn late() -> Timestamp {
    Timestamp::from_micros(i64::MAX)
}

fn all(index: &Index) -> Vec<Row> {
    index
        .page(&Filter::default(), 10_000)
        .expect("it can be read")
}

/// The index as it grew is the one that is made of the records now.
fn assert_true(space: &Space) {
    let store = Files::new(space.state());
    let grown =
        Index::open(&space.state().into(), &store, late(), &mut |_| {}).expect("it can be opened");
    let made = Index::in_memory(&store, late(), &mut |_| {}).expect("it can be made");
    // Of a run that is open only its end matters.
    let ended = |rows: Vec<Row>| -> Vec<Row> {
        let open = |row: &Row| row.status == flow::index::Status::Open;
        rows.into_iter().filter(|row| !open(row)).collect()
    };
    assert_eq!(ended(all(&grown)), ended(all(&made)));
    assert_eq!(all(&grown).len(), all(&made).len());
    for row in all(&grown) {
        let wrong = grown.is_wrong(&store, &row.run).expect("it can be read");
        assert_eq!(wrong, None, "{row:?}");
    }
}

fn kill(mut flow: Child) {
    let pid = i32::try_from(flow.id()).expect("a process id");
    signal(pid, Signal::KILL);
    flow.wait().expect("it is ours");
}

#[test]
fn it_follows_whatever_happens_to_runs() {
    let space = Space::with(WORK);
    let mut rng = Rng::with_seed(3);
    for round in 0..rounds(40) {
        match rng.u8(0..10) {
            0..4 => {
                let task = ["good", "bad", "loop", "fresh"][rng.usize(0..4)];
                let code = space.run(&["-q", task]).code;
                assert_eq!(code, i32::from(task == "bad"));
            }
            4..6 => {
                let flow = space.start(&["-q", "slow"]);
                std::thread::sleep(std::time::Duration::from_micros(rng.u64(0..50_000)));
                kill(flow);
            }
            6 => drop(space.run(&["-q", "resume"])),
            7 => drop(space.run(&["cancel"])),
            8 => drop(space.run(&["prune", "--older-than", "0s", "--keep", "3"])),
            _ => drop(space.run(&["history"])),
        }
        if round % 4 == 0 {
            assert_true(&space);
        }
    }
    assert_true(&space);
    assert_eq!(space.run(&["verify", "--all"]).code, 0);
}

#[test]
fn many_at_once_never_meet_a_locked_database() {
    let space = Space::with(WORK);
    let mut flows = Vec::new();
    for number in 0..20 {
        flows.push(space.start(&["-q", ["good", "loop", "slow"][number % 3]]));
        flows.push(space.start(&["history"]));
        flows.push(space.start(&["stats"]));
    }
    for flow in flows {
        let ended = space.finish(flow);
        assert_eq!(ended.code, 0, "{}", ended.err());
        assert!(!ended.err().contains("locked"), "{}", ended.err());
    }
    let listed = space.run(&["history", "-n", "100"]);
    assert_eq!(listed.out().lines().count(), 21);
    assert_true(&space);
}

/// A few runs of different kinds, and the index over them.
fn recorded() -> Space {
    let space = Space::with(WORK);
    for (task, code) in [("good", 0), ("bad", 1), ("loop", 0)] {
        assert_eq!(space.run(&["-q", task]).code, code);
    }
    assert_eq!(space.run(&["history"]).code, 0);
    space
}

fn is_told(ended: &Ended) {
    assert_eq!(ended.code, 5, "{}", ended.err());
    assert!(ended.err().contains("flow doctor"), "{}", ended.err());
}

#[test]
fn lost_it_is_made_anew_and_damaged_it_is_told() {
    let space = recorded();
    let expected = space.run(&["history", "--json"]).out();
    fs::remove_file(path(&space)).expect("it is there");
    assert_eq!(space.run(&["history", "--json"]).out(), expected);
    let whole = fs::read(path(&space)).expect("it is there");
    let mut told = 0;
    let step = whole.len() / rounds(60);
    for length in (0..whole.len()).step_by(step.max(1)) {
        fs::write(path(&space), &whole[..length]).expect("it can be written");
        let history = space.run(&["history", "--json"]);
        if history.code == 0 {
            assert_eq!(history.out(), expected, "cut at {length}");
            continue;
        }
        told += 1;
        is_told(&history);
        // A run is found all the same.
        assert_eq!(
            space.run(&["status", "latest:bad"]).code,
            0,
            "cut at {length}"
        );
        let doctor = space.run(&["doctor"]);
        assert_eq!(doctor.code, 0, "{}", doctor.out());
        assert!(doctor.out().contains("mended  index"), "{}", doctor.out());
        assert_eq!(space.run(&["history", "--json"]).out(), expected);
    }
    assert!(told > 5, "{told}");
    // Something else altogether, and what another version made.
    fs::write(
        path(&space),
        "not a database, but long enough to look at as one",
    )
    .expect("written");
    is_told(&space.run(&["history"]));
    fs::remove_file(path(&space)).expect("it is there");
    let other = Connection::open(path(&space)).expect("a database");
    other
        .execute_batch("CREATE TABLE mine (x)")
        .expect("it can be written");
    drop(other);
    is_told(&space.run(&["history"]));
    assert_eq!(space.run(&["doctor"]).code, 0);
    let other = Connection::open(path(&space)).expect("a database");
    other
        .execute_batch("PRAGMA user_version = 99; DROP TABLE asked")
        .expect("it can be written");
    drop(other);
    assert_eq!(space.run(&["history", "--json"]).out(), expected);
    assert_true(&space);
}

/// Each value of each row is changed in turn: `verify` says that the index does not fit, and `doctor` mends it.
#[test]
fn whatever_is_changed_in_it_is_found() {
    let space = recorded();
    assert_eq!(space.run(&["verify", "--all"]).code, 0);
    let whole = fs::read(path(&space)).expect("it is there");
    let mut cells: Vec<(&str, &str, i64)> = Vec::new();
    let database = Connection::open(path(&space)).expect("a database");
    for (table, columns) in [
        (
            "runs",
            &[
                "id", "status", "began", "last", "seq", "hash", "plan", "asked", "given", "words",
            ][..],
        ),
        ("asked", &["task", "run"]),
        (
            "work",
            &["run", "task", "step", "outcome", "micros", "retries"],
        ),
    ] {
        let count: i64 = database
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .expect("a number");
        for column in columns {
            cells.extend((0..count).map(|row| (table, *column, row)));
        }
    }
    drop(database);
    assert!(cells.len() > 40, "{cells:?}");
    for (table, column, row) in cells {
        fs::write(path(&space), &whole).expect("it can be written");
        let database = Connection::open(path(&space)).expect("a database");
        let keys = match table {
            "runs" => "id",
            "asked" => "task || run",
            _ => "run || number",
        };
        let at =
            format!("{keys} = (SELECT {keys} FROM {table} ORDER BY {keys} LIMIT 1 OFFSET {row})");
        let value: Value = database
            .query_row(
                &format!("SELECT {column} FROM {table} WHERE {at}"),
                [],
                |row| row.get(0),
            )
            .expect("a value");
        let other = match value {
            Value::Integer(number) => Value::Integer(number + 1),
            Value::Text(text) if column == "status" => Value::Text(
                if text == "failed" {
                    "completed"
                } else {
                    "failed"
                }
                .to_owned(),
            ),
            Value::Text(text) if column == "outcome" => {
                Value::Text(if text == "lost" { "failed" } else { "lost" }.to_owned())
            }
            Value::Text(text) if column == "asked" => Value::Text(text.replace('"', "\"x")),
            Value::Text(text) => Value::Text(format!("{text}0")),
            _ => Value::Integer(7),
        };
        database
            .execute(
                &format!("UPDATE {table} SET {column} = ?1 WHERE {at}"),
                [other],
            )
            .expect("it can be written");
        drop(database);
        let verified = space.run(&["verify", "--all"]);
        assert_eq!(
            verified.code,
            5,
            "{table}.{column} {row}: {}",
            verified.out()
        );
        assert!(verified.out().contains("the index"), "{}", verified.out());
        let doctor = space.run(&["doctor"]);
        assert!(
            doctor.out().contains("mended  index"),
            "{table}.{column} {row}: {}",
            doctor.out()
        );
        assert_eq!(space.run(&["verify", "--all"]).code, 0);
    }
}

#[test]
fn where_nothing_can_be_written_it_is_made_in_memory() {
    let space = recorded();
    let expected = space.run(&["history", "--json"]).out();
    if rustix::process::getuid().is_root() {
        // Nothing is forbidden to the superuser; a folder in its place can't be opened by anybody.
        fs::remove_file(path(&space)).expect("it is there");
        fs::remove_file(path(&space).with_extension("lock")).expect("it is there");
        fs::create_dir(path(&space).with_extension("lock")).expect("it can be made");
    } else {
        let closed = fs::Permissions::from_mode(0o500);
        fs::remove_file(path(&space)).expect("it is there");
        fs::set_permissions(space.state(), closed).expect("it is ours");
    }
    let history = space.run(&["history", "--json"]);
    let open = fs::Permissions::from_mode(0o700);
    fs::set_permissions(space.state(), open).expect("it is ours");
    assert_eq!(
        (history.code, history.out()),
        (0, expected),
        "{}",
        history.err()
    );
}

#[test]
fn pages_and_filters_are_those_of_the_whole_list() {
    let space = Space::with(WORK);
    let mut rng = Rng::with_seed(11);
    for _ in 0..rounds(30) {
        let ended = space.run(&["-q", ["good", "bad", "loop"][rng.usize(0..3)]]);
        assert!(ended.code < 2, "{}", ended.err());
    }
    let whole = space.run(&["history", "--json", "-n", "1000"]).out();
    let whole: Vec<&str> = whole.lines().collect();
    let mut paged: Vec<String> = Vec::new();
    loop {
        let last = paged.last().map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            value["run"].as_str().expect("an id").to_owned()
        });
        let mut args = vec!["history", "--json", "-n", "7"];
        if let Some(last) = &last {
            args.extend(["--before", last]);
        }
        let page = space.run(&args).out();
        if page.is_empty() {
            break;
        }
        paged.extend(page.lines().map(str::to_owned));
    }
    assert_eq!(paged, whole);
    for (filter, part) in [
        (["--status", "failed"], "\"failed\""),
        (["--task", "loop"], "[\"loop\"]"),
        (["--text", "BOOM"], "\"failed\""),
        (["--text", "of b"], "[\"loop\"]"),
        (["--text", "nobody_said%this"], "nobody"),
    ] {
        let args = [&["history", "--json", "-n", "1000"][..], &filter].concat();
        let expected: Vec<&&str> = whole.iter().filter(|line| line.contains(part)).collect();
        let found = space.run(&args).out();
        assert_eq!(
            found.lines().collect::<Vec<_>>().iter().collect::<Vec<_>>(),
            expected,
            "{filter:?}"
        );
    }
}
