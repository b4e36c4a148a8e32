//! The options of the benchmark, read by hand: cargo adds arguments of its own, and `cargo test` sends those of the
//! standard test harness.

use std::path::PathBuf;
use std::str::FromStr;

use crate::tools::Kind;
use crate::works::WorkName;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
usage: cargo bench --bench compare -- [OPTIONS]

  --only NAME[,NAME]   startup, independent, chain, layers, record, memory,
                       list, relist, dry
  --rounds N           rounds of each piece of work
  --scale N            size of the work in percent (default 100)
  --flow PATH          the flow to measure (default: the one cargo built)
  --tools NAME[,NAME]  the others: make, ninja, just, task, xargs, dagu
  -j N                 how many at a time (default 2)
  --keep-record        do not remove what a tool left behind between rounds
  --json               one JSON object instead of tables
  --check              exit 1 when a target is missed or could not be measured";

/// What this process is to do.
pub(crate) enum Mode {
    /// Measure and report.
    Measure(Options),
    /// Run under `cargo test`: a tiny pass.
    Smoke,
    /// A test runner asks for the names of tests: there are none.
    List,
    /// Print the help.
    Help,
}

/// The options of a measurement.
#[derive(Clone)]
pub(crate) struct Options {
    /// The pieces of work; all when empty.
    pub(crate) only: Vec<WorkName>,
    /// Rounds, instead of each work's own number.
    pub(crate) rounds: Option<usize>,
    /// Size of the work in percent.
    pub(crate) scale: usize,
    /// The flow to measure.
    pub(crate) flow: Option<PathBuf>,
    /// The tools to measure.
    pub(crate) tools: Vec<Kind>,
    /// How many tasks at a time.
    pub(crate) jobs: usize,
    /// Leave records and logs of tools in place between rounds.
    pub(crate) keep_record: bool,
    /// Report as JSON.
    pub(crate) json: bool,
    /// Missed targets are an error.
    pub(crate) check: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            only: Vec::new(),
            rounds: None,
            scale: 100,
            flow: built_here(),
            tools: Kind::ALL.to_vec(),
            jobs: 2,
            keep_record: false,
            json: false,
            check: false,
        }
    }
}

/// The flow that cargo built together with this benchmark.
pub(crate) fn built_here() -> Option<PathBuf> {
    option_env!("CARGO_BIN_EXE_flow").map(PathBuf::from)
}

/// Reads the arguments after the program's name. Only `cargo bench` sends `--bench`.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Mode, String> {
    let arguments: Vec<String> = arguments.collect();
    let has = |names: &[&str]| {
        arguments
            .iter()
            .any(|argument| names.contains(&argument.as_str()))
    };
    if has(&["--bench"]) {
        return if has(&["--help", "-h"]) {
            Ok(Mode::Help)
        } else {
            measure(&arguments).map(Mode::Measure)
        };
    }
    Ok(if has(&["--list"]) {
        Mode::List
    } else {
        Mode::Smoke
    })
}

fn measure(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, inline) = split(argument);
        let mut value = || {
            let next = inline.map(str::to_owned).or_else(|| rest.next().cloned());
            next.ok_or_else(|| format!("{name} needs a value"))
        };
        match name {
            "--only" => options.only = list(&value()?)?,
            "--rounds" => options.rounds = Some(count(name, &value()?)?),
            "--scale" => options.scale = count(name, &value()?)?,
            "--flow" => options.flow = Some(program(&value()?)?),
            "--tools" => options.tools = with_flow(list(&value()?)?),
            "-j" | "--jobs" => options.jobs = count(name, &value()?)?,
            "--keep-record" => options.keep_record = true,
            "--json" => options.json = true,
            "--check" => options.check = true,
            "--bench" => {}
            _ => return Err(format!("unknown argument `{argument}`")),
        }
    }
    Ok(options)
}

/// `--name=value` and `-j4` in their two parts.
fn split(argument: &str) -> (&str, Option<&str>) {
    match (argument.split_once('='), argument.strip_prefix("-j")) {
        (Some((name, value)), _) if name.starts_with("--") => (name, Some(value)),
        (_, Some(value)) if !value.is_empty() => ("-j", Some(value)),
        _ => (argument, None),
    }
}

fn count(name: &str, text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("{name} needs a number above 0, not `{text}`"))
}

fn program(text: &str) -> Result<PathBuf, String> {
    PathBuf::from(text)
        .canonicalize()
        .map_err(|error| format!("--flow {text}: {error}"))
}

fn list<T: FromStr<Err = String>>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(str::trim).map(str::parse).collect()
}

/// flow is always measured; the list says beside whom.
fn with_flow(mut tools: Vec<Kind>) -> Vec<Kind> {
    if !tools.contains(&Kind::Flow) {
        tools.insert(0, Kind::Flow);
    }
    tools
}
