//! Files that chance wrote: whatever they are, they are read or refused with places, and nothing panics.
//!
//! Good files and bad ones are cut, mixed and garbled. `flow fuzz` (the task of this repository) tries many more.

pub mod support;

use std::fs;
use std::path::Path;

use flow::diagnostic::Diagnostics;

/// What is put into the midst of a file.
const PIECES: [&str; 48] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{{ x }}",
    "{{ env.HOME }}",
    "{{ secrets.A }}",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "? ",
    "- ",
    ": ",
    "\n",
    "\n  ",
    "\n    ",
    "\t",
    "'",
    "\"",
    "|",
    "|\n",
    ">-\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "---\n",
    "%YAML 1.2\n",
    "run:",
    "depends_on: [a, b]",
    "vars: {x: {sh: ls}}",
    "params: {n: int}",
    "includes: {w: w}",
    "tasks:",
    "x-a: 1",
    "\u{feff}",
    "\u{85}",
    "\u{0}",
    "\\",
    "é",
    "😀",
    "null",
    "~",
    "1e999",
    "0x1F",
];

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = Vec::new();
    for page in fs::read_dir(root.join("tests/mistakes"))
        .expect("the pages")
        .flatten()
    {
        let text = fs::read_to_string(page.path()).expect("a page");
        let blocks = text.split("```yaml\n").skip(1);
        corpus.extend(
            blocks
                .filter_map(|block| block.split("```").next())
                .map(str::to_owned),
        );
    }
    for case in fs::read_dir(root.join("tests/cases"))
        .expect("the cases")
        .flatten()
    {
        corpus.extend(fs::read_to_string(case.path().join("Workflowfile.yml")));
    }
    corpus.push(fs::read_to_string(root.join("Workflowfile.yml")).expect("our own file"));
    corpus.sort(); // not in the order of the folder
    corpus
}

/// One change at a place that chance chooses.
fn changed(bytes: &mut Vec<u8>, corpus: &[String], random: &mut fastrand::Rng) {
    let at = random.usize(0..=bytes.len());
    let end = (at + random.usize(0..12)).min(bytes.len());
    match random.usize(0..7) {
        0 => drop(bytes.drain(at..end)),
        1 => bytes.truncate(at),
        2 => {
            let part = bytes[at..end].to_vec();
            let to = random.usize(0..=bytes.len());
            bytes.splice(to..to, part);
        }
        3 => {
            let other = corpus[random.usize(..corpus.len())].as_bytes();
            let from = random.usize(0..=other.len());
            let to = (from + random.usize(0..60)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        4 if at < bytes.len() => bytes[at] = random.u8(..),
        _ => {
            let piece = PIECES[random.usize(..PIECES.len())];
            bytes.splice(at..at, piece.bytes());
        }
    }
}

fn check(bytes: &[u8], path: &Path) {
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    let found: Diagnostics = match flow::file::from_bytes("Workflowfile.yml", bytes.to_vec(), path)
    {
        Ok(loaded) => loaded.warnings,
        Err(errors) => {
            assert!(
                errors.has_errors(),
                "refused without a reason:\n{}",
                shown()
            );
            errors
        }
    };
    for (source, one) in found.iter() {
        assert!(
            !one.message.is_empty() && !one.code.is_empty(),
            "{one:?}:\n{}",
            shown()
        );
        for label in &one.labels {
            let place = source.text.get(label.span.clone());
            assert!(place.is_some(), "{one:?} is at no place:\n{}", shown());
        }
    }
    let rendered = found.render(false);
    let control = rendered.chars().any(|c| c.is_control() && c != '\n');
    assert!(
        !control,
        "a control character is shown:\n{rendered:?}\n{}",
        shown()
    );
    for line in found.to_json().lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
    }
}

#[test]
fn whatever_a_file_holds_it_is_read_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("Workflowfile.yml");
    let corpus = corpus();
    assert!(
        corpus.len() > 150,
        "only {} files to begin with",
        corpus.len()
    );
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..support::rounds(8_000) {
        let mut bytes = corpus[random.usize(..corpus.len())].clone().into_bytes();
        for _ in 0..random.usize(1..6) {
            changed(&mut bytes, &corpus, &mut random);
        }
        check(&bytes, &path);
    }
}
