//! Whatever is done to a record, `verify` finds it (R20).

pub mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flow::model::id::RunId;
use flow::record::verify;
use flow::store::files::Files;
use flow::store::{Head, Store};
use support::Space;
use support::space::files_below;

const WORK: &str = "
vars: {v: {sh: echo value}}
tasks:
  a: {run: ['echo a', 'echo {{ v }} >&2']}
  b: {for: [1, 2], depends_on: [a], run: 'echo b {{ item }}; echo x=1 >> $FLOW_OUTPUT'}
  c: {depends_on: [b], run: 'exit 3', ignore_error: true}
";

fn two_runs() -> (Space, Vec<RunId>) {
    let space = Space::with(WORK);
    for _ in 0..2 {
        assert_eq!(space.run(&["-q", "c"]).code, 0);
    }
    let mut runs = Files::new(space.state()).runs().expect("it can be read");
    runs.reverse();
    (space, runs)
}

/// What is found in a run, with the heads that are in the store.
fn found(folder: &Path, run: &RunId) -> Result<verify::Sound, String> {
    let store = Files::new(folder);
    let heads = store.heads().map_err(|error| error.to_string())?;
    let own: Vec<Head> = heads.into_iter().filter(|head| head.run == *run).collect();
    verify::run(&store, run, &own, None, false).map_err(|error| error.to_string())
}

fn facts(folder: &Path, run: &RunId) -> PathBuf {
    folder.join(format!("runs/{run}.facts"))
}

#[test]
fn what_was_written_is_sound() {
    let (space, runs) = two_runs();
    for run in &runs {
        let sound = found(&space.state(), run).expect("nobody has touched it");
        assert!(
            sound.is_over && sound.facts > 10 && sound.logs == 4,
            "{sound:?}"
        );
    }
    let all = space.run(&["verify", "--all"]);
    assert_eq!(
        (all.code, all.out().lines().count()),
        (0, 2),
        "{}",
        all.err()
    );
}

#[test]
fn another_byte_anywhere_is_found() {
    let (space, runs) = two_runs();
    let state = space.state();
    // A name of a person and the like is part of a fact, too; the folder's own .gitignore and locks of builds are no record.
    let recorded = ["runs/", "logs/", "plans/"];
    for path in files_below(&state) {
        let name = path.to_string_lossy().into_owned();
        if !recorded.iter().any(|folder| name.starts_with(folder)) || name.ends_with(".out") {
            continue;
        }
        let path = state.join(path);
        let whole = fs::read(&path).expect("it is there");
        for at in (0..whole.len()).step_by(1 + whole.len() / 400) {
            let mut changed = whole.clone();
            changed[at] ^= 0x01;
            fs::write(&path, &changed).expect("it is ours");
            let wrong = runs.iter().any(|run| found(&state, run).is_err());
            assert!(wrong, "{name}: another byte at {at}");
        }
        fs::write(&path, &whole).expect("it is ours");
    }
    assert!(runs.iter().all(|run| found(&state, run).is_ok()));
}

#[test]
fn lines_that_are_gone_swapped_or_from_elsewhere_are_found() {
    let (space, runs) = two_runs();
    let state = space.state();
    let (path, other) = (facts(&state, &runs[0]), facts(&state, &runs[1]));
    let text = fs::read_to_string(&path).expect("it is there");
    let lines: Vec<&str> = text.lines().collect();
    let strange = fs::read_to_string(&other).expect("it is there");
    let strange: Vec<&str> = strange.lines().collect();
    let check = |lines: &[&str], what: String| {
        fs::write(&path, lines.join("\n") + "\n").expect("it is ours");
        assert!(found(&state, &runs[0]).is_err(), "{what}");
    };
    for at in 0..lines.len() {
        let mut less = lines.clone();
        less.remove(at);
        check(&less, format!("without line {at}"));
        check(&lines[..at], format!("cut before line {at}"));
        check(&lines[at + 1..], format!("cut behind line {at}"));
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        check(&twice, format!("line {at} twice"));
        let mut replaced = lines.clone();
        replaced[at] = strange[at];
        check(&replaced, format!("line {at} of another run"));
        for with in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, with);
            check(&swapped, format!("lines {at} and {with} swapped"));
        }
    }
    check(&strange, "the record of another run".to_owned());
    fs::write(&path, &text).expect("it is ours");
    found(&state, &runs[0]).expect("it is as it was");
    fs::remove_file(&path).expect("it is ours");
    let all = space.run(&["verify", "--all"]);
    assert_eq!(all.code, 5);
    assert!(all.out().contains("its record is gone"), "{}", all.out());
}

#[test]
fn output_that_is_gone_or_swapped_is_found() {
    let (space, runs) = two_runs();
    let state = space.state();
    let folder = state.join("logs").join(runs[0].as_str());
    let logs: BTreeMap<PathBuf, Vec<u8>> = files_below(&folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .map(|path| folder.join(path))
        .map(|path| (path.clone(), fs::read(path).expect("it is there")))
        .collect();
    assert_eq!(logs.len(), 4);
    for (path, text) in &logs {
        fs::remove_file(path).expect("it is ours");
        let wrong = found(&state, &runs[0]).expect_err("it is gone");
        assert!(
            wrong.contains("not there") && wrong.contains(&*path.to_string_lossy()),
            "{wrong}"
        );
        for other in logs.values().filter(|other| *other != text) {
            fs::write(path, other).expect("it is ours");
            assert!(found(&state, &runs[0]).is_err());
        }
        fs::write(path, text).expect("it is ours");
    }
}
