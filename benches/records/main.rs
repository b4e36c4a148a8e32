//! What it takes to look at many runs, and at a long one: `cargo bench --bench records -- --runs 1000000 --facts 1000000`.
//!
//! The records are made by the core and the store, without commands; then the flow that was built looks at them, each verb in
//! a process of its own. There is nothing to compare with, so these are times, of the machine that the head names.

#![expect(clippy::print_stdout, reason = "a benchmark reports to the terminal")]
#![expect(clippy::print_stderr, reason = "errors must not mix with the report")]

#[path = "../compare/machine.rs"]
mod machine;
#[path = "../compare/measure.rs"]
mod measure;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::core::action::{Action, actions};
use flow::core::decide::Answer;
use flow::core::fact::{Exit, Record};
use flow::core::{Input, RunState, turn};
use flow::model::id::RunId;
use flow::model::plan::{Kind, Plan};
use flow::model::time::Timestamp;
use flow::store::Store;
use flow::store::files::Files;
use flow::store::line::Chain;

const HELP: &str = "\
Usage: cargo bench --bench records -- [--runs N] [--facts N] [--rounds N]

  --runs N     how many runs there are in the history [default: 100000]; 1,000,000 need 5 GB and five minutes
  --facts N    how many facts the long run has [default: 1000000]
  --rounds N   how often each verb is measured [default: 9]
";

struct Options {
    runs: u32,
    facts: u32,
    rounds: usize,
}

fn main() -> ExitCode {
    let mut options = Options {
        runs: 100_000,
        facts: 1_000_000,
        rounds: 9,
    };
    let mut args = env::args().skip(1);
    // cargo says --bench when it measures; `cargo test` only wants to see that it works.
    let mut measures = false;
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|value| value.parse().ok());
        let taken = match arg.as_str() {
            "--bench" => {
                measures = true;
                Some(())
            }
            "--runs" => number().map(|number| options.runs = number),
            "--facts" => number().map(|number| options.facts = number),
            "--rounds" => number().map(|number| options.rounds = number as usize),
            _ => None,
        };
        if taken.is_none() {
            print!("{HELP}");
            return ExitCode::from(u8::from(arg != "--help") * 2);
        }
    }
    if !measures {
        options = Options {
            runs: 20,
            facts: 300,
            rounds: 1,
        };
    }
    let folder = env::temp_dir().join(format!("flow-records-{}", std::process::id()));
    let done = look(&folder, &options);
    let _ = fs::remove_dir_all(&folder);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("records: {error}");
            ExitCode::FAILURE
        }
    }
}

fn look(folder: &Path, options: &Options) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let machine = machine::look(folder)?;
    println!(
        "{}, {} threads, kernel {}, {}, load {}",
        machine.cpu, machine.cpus, machine.kernel, machine.file_system, machine.load
    );
    many_runs(&folder.join("many"), options)?;
    long_run(&folder.join("long"), options)
}

/// A history of many runs of two tasks, a tenth of which failed.
fn many_runs(folder: &Path, options: &Options) -> io::Result<()> {
    let plan = planned(
        folder,
        "tasks:\n  build: 'true'\n  test: {depends_on: [build], run: 'false'}\n",
    )?;
    let store = Files::new(folder.join(".flow"));
    let hash = put(&store, &plan)?;
    // The newest began a moment ago, one every ten seconds.
    let began = now_micros() - i64::from(options.runs) * 10_000_000;
    let made = Instant::now();
    for number in 0..options.runs {
        let at = Timestamp::from_micros(began + i64::from(number) * 10_000_000);
        let run = RunId::new(at);
        let fails = number % 10 == 0;
        let records = simulate(&plan, &run, &hash, at, (0, fails));
        write(&store, &run, &plan, &records)?;
    }
    let size = size_of(folder)?;
    println!(
        "\n{} runs, {} facts each, {:.0} MB, made in {:.0} s\n",
        options.runs,
        simulate(
            &plan,
            &RunId::new(Timestamp::from_micros(0)),
            &hash,
            Timestamp::from_micros(0),
            (0, false)
        )
        .len(),
        size as f64 / 1e6,
        made.elapsed().as_secs_f64()
    );
    let task = ["history", "--task", "test"];
    head();
    row(folder, "the index is made", 1, &["history"])?;
    row(folder, "first page", options.rounds, &["history"])?;
    row(
        folder,
        "first page of failed",
        options.rounds,
        &["history", "--status", "failed"],
    )?;
    row(folder, "first page of a task", options.rounds, &task)?;
    let middle = began + i64::from(options.runs / 2) * 10_000_000;
    let middle = RunId::new(Timestamp::from_micros(middle));
    let page = ["history", "--before", middle.as_str()];
    row(folder, "a page in the midst", options.rounds, &page)?;
    let text = ["history", "--text", "nobody wrote this"];
    row(
        folder,
        "a text that is nowhere",
        options.rounds.min(3),
        &text,
    )?;
    row(folder, "status latest", options.rounds, &["status"])?;
    row(
        folder,
        "stats of 30 days",
        options.rounds.min(3),
        &["stats"],
    )?;
    // One more has ended since the index was last read.
    let at = Timestamp::from_micros(now_micros());
    let run = RunId::new(at);
    write(
        &store,
        &run,
        &plan,
        &simulate(&plan, &run, &hash, at, (0, false)),
    )?;
    row(folder, "first page after a run", 1, &["history"])
}

/// A run of many facts: loops of commands.
fn long_run(folder: &Path, options: &Options) -> io::Result<()> {
    let items = options.facts.div_ceil(12).max(1);
    let tasks: String = (0..4)
        .map(|number| format!("  t{number}: {{for: {{range: [1, {items}]}}, run: 'true'}}\n"))
        .collect();
    let plan = planned(
        folder,
        &format!("tasks:\n  all: {{depends_on: ['t*']}}\n{tasks}"),
    )?;
    let store = Files::new(folder.join(".flow"));
    let hash = put(&store, &plan)?;
    let at = Timestamp::from_micros(now_micros());
    let run = RunId::new(at);
    let records = simulate(&plan, &run, &hash, at, (items, false));
    write(&store, &run, &plan, &records)?;
    println!(
        "\na run of {} facts, {:.0} MB\n",
        records.len(),
        size_of(folder)? as f64 / 1e6
    );
    let begin = Instant::now();
    let state = RunState::fold(Arc::clone(&plan), &records);
    println!(
        "{:28} {:9.1} ms",
        "the fold alone",
        begin.elapsed().as_secs_f64() * 1000.0
    );
    assert_eq!(state.seq(), records.len() as u64, "all of it is folded");
    drop((state, records));
    head();
    let (rounds, id) = (options.rounds.min(3), run.as_str());
    let middle = (options.facts / 2).to_string();
    row(folder, "status", rounds, &["status", id])?;
    row(
        folder,
        "status --at its midst",
        rounds,
        &["status", id, "--at", &middle],
    )?;
    row(
        folder,
        "events, the last ten",
        rounds,
        &["events", id, "-n", "10"],
    )?;
    row(folder, "verify", rounds, &["verify", id])?;
    row(folder, "history, into the index", 1, &["history"])
}

fn head() {
    println!("{:28} {:>12} {:>9}", "", "median", "peak");
}

/// Measures a call of flow and prints the median of some rounds.
fn row(folder: &Path, what: &str, rounds: usize, args: &[&str]) -> io::Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow"));
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut runs = Vec::new();
    for _ in 0..rounds.max(1) {
        match measure::run_once(&mut command) {
            Ok(run) => runs.push(run),
            Err(failure) => {
                let why = measure::explain(&failure, &mut command);
                return Err(io::Error::other(format!("{what}: {why}")));
            }
        }
    }
    runs.sort_by_key(|run| run.time);
    let middle = &runs[runs.len() / 2];
    println!(
        "{what:28} {:9.1} ms {:6.0} MB",
        middle.millis(),
        middle.peak_mb()
    );
    Ok(())
}

fn planned(folder: &Path, workflow: &str) -> io::Result<Arc<Plan>> {
    fs::create_dir_all(folder)?;
    let path = folder.join("Workflowfile.yml");
    fs::write(&path, workflow)?;
    let loaded = flow::file::load(&path).map_err(|_| io::Error::other("the file is wrong"))?;
    let tasks = (0..loaded.workflow.tasks.len()).collect();
    let request = flow::plan::Request {
        tasks,
        ..flow::plan::Request::default()
    };
    let plan = flow::plan::plan(&loaded.workflow, &request);
    plan.map(Arc::new)
        .map_err(|_| io::Error::other("the plan is refused"))
}

fn put(store: &Files, plan: &Plan) -> io::Result<String> {
    let (hash, text) = flow::plan::pin(plan);
    store.put_plan(&hash, &text).map_err(io::Error::other)?;
    Ok(hash)
}

/// The facts of a run of which every command takes a millisecond, and every loop has so many items.
fn simulate(
    plan: &Arc<Plan>,
    run: &RunId,
    hash: &str,
    at: Timestamp,
    (items, fails): (u32, bool),
) -> Vec<Record> {
    let mut state = RunState::new(Arc::clone(plan));
    let mut inputs = vec![Input::Start {
        run: run.clone(),
        plan: hash.to_owned(),
        parent: None,
        retry_of: None,
        trigger: None,
        given: std::collections::BTreeMap::new(),
    }];
    let (mut records, mut now) = (Vec::new(), at);
    while !inputs.is_empty() {
        records.extend(turn(&mut state, std::mem::take(&mut inputs), 64, now));
        now = now.plus(Duration::from_millis(1));
        for action in actions(&state) {
            inputs.push(match action {
                Action::Run { node, attempt } => Input::Exited {
                    node,
                    attempt,
                    exit: Exit::code(i32::from(fails && node.0 > 1)),
                },
                Action::Ask { node, round } => Input::Answered {
                    node,
                    round,
                    answer: match state.spec(node).kind {
                        Kind::Loop { .. } => {
                            Answer::Items((0..items).map(|item| item.to_string()).collect())
                        }
                        _ => Answer::Go,
                    },
                },
                other => unreachable!("the plan has nothing of the kind: {other:?}"),
            });
        }
    }
    records
}

fn write(store: &Files, run: &RunId, plan: &Arc<Plan>, records: &[Record]) -> io::Result<()> {
    let mut journal = store.create(run).map_err(io::Error::other)?;
    let (mut chain, mut lines) = (Chain::new(run), String::new());
    let mut state = RunState::new(Arc::clone(plan));
    for record in records {
        state.apply(record);
        let address = record.fact.node().map(|node| state.address(node));
        chain.seal(record, "flow", address.as_ref(), &mut lines);
    }
    journal.append(&lines).map_err(io::Error::other)?;
    let head = chain.head(run, state.seq());
    journal.keep_head(&head).map_err(io::Error::other)
}

fn now_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

fn size_of(folder: &Path) -> io::Result<u64> {
    let (mut size, mut folders) = (0, vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file = entry.metadata()?;
            if file.is_dir() {
                folders.push(entry.path());
            }
            size += file.len();
        }
    }
    Ok(size)
}
