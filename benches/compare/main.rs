//! `cargo bench --bench compare`: the same work for flow and for the other runners that are installed.
//!
//! Figures of two runs on two days do not compare, so every tool does each piece of work in turns, round by round, and
//! what counts is the ratio to make within the same run. `benches/README.md` says how to read it.

#![expect(clippy::print_stdout, reason = "a benchmark reports to the terminal")]
#![expect(
    clippy::print_stderr,
    reason = "progress and errors must not mix with the report"
)]

mod builds;
mod machine;
mod measure;
mod options;
mod report;
mod targets;
mod tools;
mod works;

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::measure::{Run, run_once};
use crate::options::{Mode, Options};
use crate::report::Report;
use crate::targets::Target;
use crate::tools::{Contender, Kind, Tool};
use crate::works::{Plan, Work, WorkName};

/// What one contender did in each round of one piece of work.
pub(crate) struct Row {
    /// The tool and its flags, for people.
    pub(crate) label: String,
    /// One entry a round; none in rounds that came after a failure.
    pub(crate) runs: Vec<Option<Run>>,
    /// Why it could not be measured.
    pub(crate) failure: Option<String>,
}

impl Row {
    fn of(contender: &Contender<'_>) -> Self {
        Self {
            label: contender.label(),
            runs: Vec::new(),
            failure: None,
        }
    }
}

/// Everything measured about one piece of work.
pub(crate) struct Outcome {
    /// The work.
    pub(crate) work: Work,
    /// How many tasks it really had.
    pub(crate) tasks: usize,
    /// Its contenders, in the order of the report.
    pub(crate) rows: Vec<Row>,
}

/// The temporary folder of this process, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("flow-compare-{}", std::process::id()));
        fs::create_dir(&path)?;
        let folder = Self(path);
        fs::create_dir(folder.0.join("home"))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("compare: {} is left behind: {error}", self.0.display());
        }
    }
}

fn main() -> ExitCode {
    let done = match options::parse(env::args().skip(1)) {
        Ok(Mode::Help) => {
            println!("{}", options::HELP);
            Ok(true)
        }
        Ok(Mode::List) => Ok(true),
        Ok(Mode::Smoke) => smoke(),
        Ok(Mode::Measure(options)) => compare(&options),
        Err(message) => {
            eprintln!("compare: {message}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports; false when `--check` was given and a target was missed.
fn compare(options: &Options) -> io::Result<bool> {
    let folder = Folder::new()?;
    let (tools, missing) = tools::find_all(options);
    let mut report = Report {
        machine: machine::look(&folder.0)?,
        floor_mb: None,
        tools: &tools,
        missing: &missing,
        options,
        outcomes: Vec::new(),
    };
    if !options.json {
        print!("{}", report.head());
    }
    for work in works::selected(options) {
        let outcome = measure_work(work, &tools, options, &folder.0)?;
        if !options.json {
            print!("{}", report.table(&outcome));
            io::stdout().flush()?;
        }
        report.outcomes.push(outcome);
    }
    report.floor_mb = peak_floor(&folder.0);
    let rest = if options.json {
        report.json()
    } else {
        report.targets()
    };
    print!("{rest}");
    let targets = targets::judge(options, &report.outcomes);
    Ok(!options.check || targets.iter().all(Target::is_met))
}

/// Under `cargo test` the bench only shows that flow still takes its files; it measures nothing.
fn smoke() -> io::Result<bool> {
    let options = Options {
        scale: 0,
        rounds: Some(1),
        tools: vec![Kind::Flow],
        ..Options::default()
    };
    let (tools, _) = tools::find_all(&options);
    if tools.is_empty() {
        println!("compare: skipped, there is no flow to run");
        return Ok(true);
    }
    let folder = Folder::new()?;
    let mut good = true;
    for work in works::selected(&options) {
        let outcome = measure_work(work, &tools, &options, &folder.0)?;
        for row in &outcome.rows {
            let Some(failure) = &row.failure else {
                continue;
            };
            eprintln!(
                "compare: {}: `{}` failed: {failure}",
                outcome.work.name(),
                row.label
            );
            good = false;
        }
    }
    if good {
        println!("compare: smoke pass ok; `cargo bench --bench compare` measures");
    }
    Ok(good)
}

/// All rounds of one piece of work; its files are removed again, so that they never pile up.
fn measure_work(work: Work, tools: &[Tool], options: &Options, root: &Path) -> io::Result<Outcome> {
    let plan = work.plan(options.scale);
    let folder = root.join(work.name());
    let contenders = work.contenders(tools);
    let mut rows: Vec<Row> = contenders.iter().map(Row::of).collect();
    for (contender, row) in contenders.iter().zip(&mut rows) {
        if let Some((tasks, sources)) = builds::size(work.0, options.scale) {
            let home = works::home(&folder, contender.tool);
            builds::write(tasks, sources, contender.tool, &home)?;
            progress(&format!("{}: {} makes its files", work.name(), row.label));
            // Files that are this young are looked at more closely, by flow as by others; three runs are a day's work.
            for _ in 0..3 {
                turn(work, contender, row, &plan, options, root)?;
            }
        } else {
            works::write_files(&plan, contender.tool, &folder)?;
        }
    }
    let (warmups, rounds) = (work.warmups(options), work.rounds(options));
    for round in 0..warmups + rounds {
        for index in order(contenders.len(), round, work.rotates()) {
            let (contender, row) = (&contenders[index], &mut rows[index]);
            progress(&format!(
                "{}: {} of {}: {}",
                work.name(),
                round + 1,
                warmups + rounds,
                row.label
            ));
            if work.0 == WorkName::Changed {
                builds::change(round, plan.len(), &works::home(&folder, contender.tool))?;
            }
            let run = turn(work, contender, row, &plan, options, root)?;
            if round >= warmups {
                row.runs.push(run);
            }
        }
    }
    progress("");
    fs::remove_dir_all(&folder)?;
    Ok(Outcome {
        work,
        tasks: plan.len(),
        rows,
    })
}

/// One turn of one contender, with what it leaves behind removed outside of the timed part.
fn turn(
    work: Work,
    contender: &Contender<'_>,
    row: &mut Row,
    plan: &Plan,
    options: &Options,
    root: &Path,
) -> io::Result<Option<Run>> {
    if row.failure.is_some() {
        return Ok(None);
    }
    let home = works::home(&root.join(work.name()), contender.tool);
    let user = root.join("home");
    // The start of one task is that of a day's hundredth, in a folder that has been used, not of the first one ever.
    if !options.keep_record && plan.len() > 1 && !work.builds() {
        works::clean(&home, contender.tool)?;
    }
    if work.forgets() {
        fs::remove_dir_all(&user)?;
        fs::create_dir(&user)?;
    }
    let command = || contender.command(work.asked(), plan.goal(), options.jobs, &home, &user);
    match run_once(&mut command()?) {
        Ok(run) => Ok(Some(run)),
        Err(failure) => {
            row.failure = Some(measure::explain(&failure, &mut command()?));
            Ok(None)
        }
    }
}

/// Who goes in which turn: each round another one begins, and every second round goes backwards, so that nobody
/// always comes after the same neighbour. Pairs stay A B A B.
fn order(count: usize, round: usize, rotates: bool) -> Vec<usize> {
    if !rotates {
        return (0..count).collect();
    }
    let turn = |index| {
        if round.is_multiple_of(2) {
            round + index
        } else {
            round + count - index
        }
    };
    (0..count).map(|index| turn(index) % count).collect()
}

/// The least peak that can be measured here: a new process starts from the peak of the one that started it, and this
/// one is at its largest at the end. By its path: std forks a program that it has to look for, which
/// counts less.
fn peak_floor(folder: &Path) -> Option<f64> {
    let mut command = Command::new(tools::on_path("true").first()?);
    let run = run_once(tools::isolate(&mut command, folder, folder));
    run.ok().map(|run| run.peak_mb())
}

/// One line that replaces itself, only where a person looks.
fn progress(line: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
    }
}
