//! Every folder of `tests/cases` is a behaviour: files, commands, what they print and what is recorded of them.
//!
//! `tests/cases/README.md` explains the format. `FLOW_CASES_ONLY=name` runs some of them, `FLOW_CASES=accept` writes
//! down what happened as what is expected.

pub mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flow::model::id::RunId;
use support::matching::{Expected, difference, matches};
use support::normal::{Known, lines};
use support::script::{Head, Item, given, parse, print, written};
use support::space::files_below;
use support::{Ended, Record, Space};

/// How many cases run at the same time.
const THREADS: usize = 2;

#[test]
fn cases() {
    let names = names();
    let accept = std::env::var_os("FLOW_CASES").is_some_and(|value| value == "accept");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(wrong) = check(name, accept) {
                        failures.lock().expect("no thread panics").push(wrong);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics");
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} of {} cases differ\n\n{}",
        failures.len(),
        names.len(),
        failures.join("\n")
    );
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// The cases to run, sorted.
fn names() -> Vec<String> {
    let only = std::env::var("FLOW_CASES_ONLY").unwrap_or_default();
    let wanted = |name: &String| only.is_empty() || only.split(',').any(|part| name.contains(part));
    let entries = fs::read_dir(folder()).expect("the cases are there");
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(wanted)
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no case is called {only:?}");
    names
}

/// Runs a case; the error is what to tell of it.
fn check(name: &str, accept: bool) -> Result<(), String> {
    let path = folder().join(name).join("case.txt");
    let tell = |wrong: String| format!("case {name}: {wrong}");
    let text =
        fs::read_to_string(&path).map_err(|error| tell(format!("{}: {error}", path.display())))?;
    let mut case = Case::new(name, parse(&text).map_err(tell)?);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.run()));
    result
        .map_err(|_| tell("it panicked, see above".to_owned()))?
        .map_err(tell)?;
    if accept && case.wrong.is_empty() {
        return fs::write(&path, print(&case.done)).map_err(|error| tell(error.to_string()));
    }
    if accept || case.differences.is_empty() && case.wrong.is_empty() {
        return case
            .wrong
            .first()
            .cloned()
            .map_or(Ok(()), |wrong| Err(tell(wrong)));
    }
    let how = format!(
        "  to accept it: FLOW_CASES=accept FLOW_CASES_ONLY={name} cargo test --test cases\n"
    );
    Err(tell(format!(
        "{}\n{}{how}",
        case.wrong.concat(),
        case.differences.concat()
    )))
}

/// A case as it runs.
struct Case {
    space: Space,
    items: Vec<Item>,
    /// The items as they would be right.
    done: Vec<Item>,
    /// What is not as expected, and could be accepted.
    differences: Vec<String>,
    /// What is wrong whatever was expected.
    wrong: Vec<String>,
    known: Known,
    seen: BTreeSet<PathBuf>,
}

/// A command with what is expected of it.
struct Step<'a> {
    command: &'a str,
    items: &'a [Item],
}

impl Case {
    fn new(name: &str, items: Vec<Item>) -> Self {
        let space = Space::new();
        copy(&folder().join(name), &space.work());
        let mut known = Known::default();
        known.add(space.work().to_string_lossy(), "<dir>");
        known.add(space.home().to_string_lossy(), "<home>");
        known.add(env!("CARGO_BIN_EXE_flow"), "<flow>");
        let version = concat!("\"flow\":\"", env!("CARGO_PKG_VERSION"), "\"");
        known.add(version, "\"flow\":\"<version>\"");
        Self {
            space,
            items,
            done: Vec::new(),
            differences: Vec::new(),
            wrong: Vec::new(),
            known,
            seen: BTreeSet::new(),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        let items = std::mem::take(&mut self.items);
        let is_command = |item: &Item| matches!(item, Item::Command(_));
        let first = items
            .iter()
            .position(is_command)
            .ok_or("it has no command")?;
        self.set_up(&items[..first])?;
        self.done.extend_from_slice(&items[..first]);
        let mut rest = &items[first..];
        while let [Item::Command(command), more @ ..] = rest {
            let end = more.iter().position(is_command).unwrap_or(more.len());
            let step = Step {
                command,
                items: &more[..end],
            };
            self.step(&step)?;
            rest = &more[end..];
        }
        Ok(())
    }

    fn set_up(&mut self, items: &[Item]) -> Result<(), String> {
        for item in items {
            let Item::Section(Head::Setup, lines) = item else {
                continue;
            };
            let mut shell = self.space.command("sh");
            shell.args(["-e", "-c", &given(lines)]);
            let ended = self
                .space
                .finish(shell.spawn().map_err(|error| error.to_string())?);
            if ended.code != 0 {
                return Err(format!("its setup failed: {}", ended.err()));
            }
        }
        for (_, run) in self.new_runs() {
            self.known.add(run.as_str(), "<id>");
        }
        Ok(())
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let ended = self.call(step)?;
        let records = self.new_records(step);
        for record in &records {
            self.known.add(record.run.as_str(), "<id>");
        }
        self.done.push(Item::Command(step.command.to_owned()));
        self.compare_code(step, ended.code);
        for item in step.items {
            let item = self.compare(step, item, &ended, &records);
            self.done.extend(item);
        }
        Ok(())
    }

    fn call(&self, step: &Step<'_>) -> Result<Ended, String> {
        let mut shell = self.space.command("sh");
        shell.args(["-c", step.command]);
        let mut input = None;
        for item in step.items {
            match item {
                Item::Env(name, value) => drop(shell.env(name, value)),
                Item::Section(Head::Stdin, lines) => input = Some(given(lines)),
                _ => {}
            }
        }
        if input.is_some() {
            shell.stdin(Stdio::piped());
        }
        let mut child = shell.spawn().map_err(|error| error.to_string())?;
        if let Some((input, mut pipe)) = input.zip(child.stdin.take()) {
            // A program that does not read its input is no error.
            let _ = pipe.write_all(input.as_bytes());
        }
        Ok(self.space.finish(child))
    }

    /// The runs whose records were not there before, with the folders that they are in.
    fn new_runs(&mut self) -> Vec<(PathBuf, RunId)> {
        let mut runs = Vec::new();
        for path in files_below(&self.space.work()) {
            let name = path.file_name().and_then(|name| name.to_str());
            let run = name.and_then(|name| RunId::parse(name.strip_suffix(".facts")?));
            let folder = path.parent().and_then(Path::parent).map(Path::to_owned);
            if let Some((run, folder)) = run.zip(folder)
                && folder.ends_with(".flow")
                && self.seen.insert(path)
            {
                runs.push((self.space.work().join(folder), run));
            }
        }
        runs
    }

    /// Their records; each of them must be in order and say how the run ended.
    fn new_records(&mut self, step: &Step<'_>) -> Vec<Record> {
        let mut records = Vec::new();
        for (folder, run) in self.new_runs() {
            match Record::read(&folder, &run) {
                Ok(record) if record.is_over() => records.push(record),
                Ok(record) => {
                    self.fault(step, &format!("run {run} has no end: {:#?}", record.short));
                }
                Err(wrong) => {
                    self.fault(step, &format!("the record of run {run} is wrong: {wrong}"))
                }
            }
        }
        records
    }

    fn fault(&mut self, step: &Step<'_>, what: &str) {
        self.wrong
            .push(format!("  $ {}\n    {what}\n", step.command));
    }

    fn compare_code(&mut self, step: &Step<'_>, code: i32) {
        let wanted = step.items.iter().find_map(|item| match item {
            Item::Exit(code) => Some(*code),
            _ => None,
        });
        if code != 0 {
            self.done.push(Item::Exit(code));
        }
        if code != wanted.unwrap_or(0) {
            let text = format!("exit code {code}, not {}", wanted.unwrap_or(0));
            self.differences
                .push(format!("  $ {}\n    {text}\n", step.command));
        }
    }

    /// Compares one item; what it should be is returned.
    fn compare(
        &mut self,
        step: &Step<'_>,
        item: &Item,
        ended: &Ended,
        records: &[Record],
    ) -> Option<Item> {
        let (head, expected) = match item {
            Item::Exit(_) => return None,
            Item::NoFile(name) if self.space.has(name) => {
                self.fault(step, &format!("the file {name} is there"));
                return Some(item.clone());
            }
            Item::Section(head, expected) => (head, expected),
            _ => return Some(item.clone()),
        };
        let Some(actual) = self.actual(head, ended, records) else {
            return Some(item.clone());
        };
        if matches(expected, &actual) {
            return Some(item.clone());
        }
        let show = |lines: &[Expected]| -> Vec<String> { lines.iter().map(written).collect() };
        let actual: Vec<Expected> = actual.into_iter().map(Expected::Line).collect();
        let shown = difference(&show(expected), &show(&actual));
        self.differences
            .push(format!("  $ {}\n  {}\n{shown}", step.command, head.text()));
        Some(Item::Section(head.clone(), actual))
    }

    /// What there is to compare with a section.
    fn actual(&self, head: &Head, ended: &Ended, records: &[Record]) -> Option<Vec<String>> {
        Some(match head {
            Head::Setup | Head::Stdin => return None,
            Head::Stdout => lines(&ended.stdout, &self.known),
            Head::Stderr => lines(&ended.stderr, &self.known),
            Head::Facts => {
                // Which process it was is another one each time, and in every record.
                let told = |fact: &&String| !fact.starts_with("process_started");
                let facts = records.iter().flat_map(|record| &record.short).filter(told);
                let text: String = facts.map(|fact| format!("{fact}\n")).collect();
                lines(text.as_bytes(), &self.known)
            }
            Head::File(name) => match fs::read(self.space.work().join(name)) {
                Ok(bytes) => lines(&bytes, &self.known),
                Err(error) => vec![format!("({})", error.kind())],
            },
        })
    }
}

/// Copies the files of a case, but for its own description.
fn copy(from: &Path, to: &Path) {
    for path in files_below(from) {
        if path == Path::new("case.txt") {
            continue;
        }
        let target = to.join(&path);
        fs::create_dir_all(target.parent().expect("it is below the folder"))
            .expect("there is room");
        fs::copy(from.join(&path), target).expect("there is room");
    }
}
