//! The layers of docs/architecture.md, as a test: who may know whom, and who may touch the world.
//!
//! It reads the text of `src` a line at a time, without its comments. Imports that it can't see through in one line
//! (`use crate::{` and no end) are against the rules.

use std::path::Path;

/// The top-level modules, and which others they may know: only ones that stand before them.
const MAY_KNOW: &[(&str, &str)] = &[
    ("model", ""),
    ("suggest", ""),
    ("disk", "model"),
    ("core", "model"),
    ("trigger", "model disk core"),
    ("diagnostic", "model"),
    ("expr", "model suggest"),
    ("file", "model disk suggest diagnostic expr trigger"),
    ("eval", "model expr"),
    ("plan", "model suggest diagnostic eval"),
    ("incremental", "model disk eval"),
    ("watch", "incremental"),
    ("store", "model disk core"),
    ("lock", "model disk"),
    ("record", "model core store"),
    ("index", "model disk core store record"),
    ("exec", "model disk core"),
    ("report", "model diagnostic core"),
    (
        "engine",
        "model disk eval incremental watch core store lock exec",
    ),
    (
        "serve",
        "model disk incremental watch core trigger store record report engine",
    ),
    (
        "cli",
        "model suggest diagnostic disk expr trigger file eval plan incremental watch core store lock record index exec report engine serve",
    ),
    ("lib", ""),
    ("main", "cli"),
];

/// What touches the world, and the only places (beginnings of paths in `src`) where it may stand.
const ONLY_IN: &[(&str, &str)] = &[
    ("print! println! eprint! eprintln!", "report/"),
    ("stdout() stderr()", "report/ exec/process.rs"),
    ("SystemTime::now Timestamp::now", "engine/clock.rs"),
    ("Instant::now elapsed()", "engine/ serve/"),
    ("tokio:: axum::", "serve/"),
    // What lies in `.flow` is reached by handle: by `disk` alone. What else may open a path reads and writes files of the project.
    (
        "fs::read fs::write fs::copy fs::rename fs::metadata fs::symlink_metadata fs::hard_link fs::remove_file fs::remove_dir_all fs::read_to_string fs::create_dir_all fs::read_dir fs::open fs::openat fs::unlinkat OpenOptions DirBuilder File::open File::create File::create_new File::options",
        "disk/ file/ expr/glob.rs incremental/ watch/ exec/ engine/ report/ cli/ main.rs",
    ),
    (
        "std::env",
        "exec/ cli/ report/failure.rs report/spool.rs main.rs",
    ),
    (
        "std::fs std::net std::process std::thread rustix",
        "disk/ file/ trigger/journal.rs expr/glob.rs incremental/ watch/ store/ lock/ record/ index/ exec/ report/ engine/ serve/ cli/ main.rs",
    ),
];

/// Who may ask whether stdout or stderr is a terminal, which writes nothing.
const MAY_ASK: &str = "cli/serve/mod.rs cli/context.rs cli/running.rs cli/watch/keys.rs";

/// What `line` of the file at `path` (in `src`) does against the tables.
fn broken(path: &str, line: &str) -> Vec<String> {
    let line = code(line);
    let own = path.split(['/', '.']).next().expect("split has a first");
    let Some((_, known)) = MAY_KNOW.iter().find(|(name, _)| *name == own) else {
        return vec![format!(
            "`{own}` is a new module: give it a place in the table"
        )];
    };
    let root = if own == "main" { "flow::" } else { "crate::" };
    let mut broken: Vec<String> = words(line, root)
        .flat_map(|(_, rest)| modules(rest))
        .filter(|module| module != own && !lists(known, module))
        .map(|module| format!("`{own}` may not know `{module}`"))
        .collect();
    let asks = line.contains(".is_terminal()") && within(path, MAY_ASK);
    let line = &line.replace("std::env::consts", "");
    for (needles, places) in ONLY_IN.iter().filter(|(_, places)| !within(path, places)) {
        for needle in needles.split(' ').filter(|_| !asks) {
            if words(line, needle).next().is_some() {
                broken.push(format!("`{needle}` may only stand in {places}"));
            }
        }
    }
    broken
}

/// The line without its comment; a `//` after an odd number of quotes is in a text.
fn code(line: &str) -> &str {
    let quotes = |at: usize| line[..at].replace("\\\"", "").matches('"').count();
    let comment = line
        .match_indices("//")
        .find(|(at, _)| quotes(*at).is_multiple_of(2));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// Where `needle` begins a word in `line` (not as `stderr()` in `use_stderr()`), and what comes after it.
fn words<'a>(line: &'a str, needle: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let found = line.match_indices(needle);
    let found = found.filter(move |(at, _)| begins(*at));
    found.map(move |(at, _)| (at, &line[at + needle.len()..]))
}

/// The modules at the beginning of a path: one, or those in braces.
fn modules(rest: &str) -> Vec<String> {
    let name = |text: &str| {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    match rest.strip_prefix('{').map(|list| list.split_once('}')) {
        None => vec![name(rest)],
        Some(Some((list, _))) if !list.contains('{') => list.split(',').map(name).collect(),
        Some(_) => vec!["{".to_owned()],
    }
}

fn lists(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

fn within(path: &str, places: &str) -> bool {
    places.split(' ').any(|place| path.starts_with(place))
}

/// A file to its tests, which stand at its end and may do what they like.
fn check(path: &str, text: &str, found: &mut Vec<String>) {
    let lines = text.lines().take_while(|line| *line != "mod tests {");
    for (number, line) in lines.enumerate() {
        for what in broken(path, line) {
            found.push(format!("src/{path}:{}: {what}", number + 1));
        }
    }
}

fn check_folder(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            check_folder(root, &path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(root).expect("it is in src");
            let text = std::fs::read_to_string(&path).expect("it is text");
            check(&name.to_string_lossy(), &text, found);
        }
    }
}

#[test]
fn modules_know_what_they_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    check_folder(&root, &root, &mut found);
    assert!(
        found.is_empty(),
        "against docs/architecture.md:\n{}",
        found.join("\n")
    );
}

#[test]
fn imports_go_one_way() {
    for (at, (name, known)) in MAY_KNOW.iter().enumerate() {
        let stands_before = |other: &str| MAY_KNOW[..at].iter().any(|(name, _)| *name == other);
        let mut known = known.split(' ').filter(|known| !known.is_empty());
        assert!(
            known.all(stands_before),
            "{name} knows what stands after it"
        );
    }
}

#[test]
fn the_scanner_finds_what_is_planted() {
    let bad = [
        ("core/decide.rs", "use crate::store::Store;"),
        ("model/id.rs", "    crate::core::turn(); // fine?"),
        ("exec/mod.rs", "pub(crate) use crate::report::Output;"),
        ("plan/mod.rs", "use crate::{model, exec};"),
        ("cli/mod.rs", "use crate::{"),
        ("cli/mod.rs", "use crate::{core::{fact, state}};"),
        ("main.rs", "    flow::engine::start()"),
        ("webhook/mod.rs", ""),
        ("exec/runner.rs", "    eprintln!(\"x\");"),
        ("cli/mod.rs", "    std::io::stdout().write_all(b\"x\")"),
        ("cli/run.rs", "    writeln!(io::stderr(), \"x\")"),
        ("exec/mod.rs", "    io::stderr().is_terminal()"),
        ("store/line.rs", "    (\"http://x\", std::env::var(\"X\"))"),
        ("cli/run.rs", "    SystemTime::now()"),
        ("exec/runner.rs", "    Instant::now()"),
        ("store/files.rs", "    let file = File::open(path)?;"),
        ("serve/token.rs", "    std::fs::rename(draft, path)?;"),
        ("core/settle.rs", "use std::fs;"),
    ];
    for (path, line) in bad {
        assert_eq!(broken(path, line).len(), 1, "{path}: {line}");
    }
    let good = [
        ("core/decide.rs", "// use crate::store::Store;"),
        ("core/decide.rs", "use crate::model::id; // crate::store"),
        ("plan/mod.rs", "use crate::{diagnostic::Source, model};"),
        ("cli/mod.rs", "    if error.use_stderr() {"),
        ("cli/context.rs", "    std::io::stderr().is_terminal()"),
        ("engine/clock.rs", "    (SystemTime::now(), Instant::now())"),
        ("report/screen.rs", "    rustix::stdio::stdout()"),
    ];
    for (path, line) in good {
        assert_eq!(broken(path, line), Vec::<String>::new(), "{path}: {line}");
    }
    let mut found = Vec::new();
    check("model/id.rs", "//\n\nuse crate::cli::Exit;\n", &mut found);
    assert_eq!(found, ["src/model/id.rs:3: `model` may not know `cli`"]);
}
