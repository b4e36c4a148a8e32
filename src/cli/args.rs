//! What can be typed. The comments here are the help texts.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::Trouble;
use crate::report::Mode;

/// flow runs the tasks of a Workflowfile.yml
#[derive(Debug, Parser)]
#[command(
    name = "flow",
    version,
    disable_help_subcommand = true,
    subcommand_required = true
)]
#[command(
    override_usage = "flow [OPTIONS] [TASK]...\n       flow VERB [OPTIONS]",
    subcommand_value_name = "VERB"
)]
#[command(subcommand_help_heading = "Verbs")]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// Where the Workflowfile is.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// Use this Workflowfile instead of looking for one here and in the folders above
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(super) file: Option<PathBuf>,
    /// Start in this folder
    #[arg(short = 'C', long, value_name = "DIR", global = true)]
    pub(super) directory: Option<PathBuf>,
}

/// What flow can do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run tasks and all that they depend on
    Run(RunArgs),
    /// List the tasks of the file
    List(ListArgs),
    /// List the recorded runs, the newest first
    History(HistoryArgs),
}

/// Run tasks and all that they depend on
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The tasks to run; without any, the task `default`
    #[arg(value_name = "TASK")]
    pub(super) tasks: Vec<String>,
    /// Run at most N commands at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// After a failure, still run all that does not depend on it
    #[arg(short, long)]
    pub(super) keep_going: bool,
    /// Show what would run, in order, and run nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// Keep no record of this run
    #[arg(long)]
    pub(super) no_record: bool,
    /// How to show the output of tasks
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub(super) output: OutputArg,
    /// Show only the output of tasks, and failures
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Also say what is left out otherwise: the id of the run, a summary for a single task
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Arguments for the tasks named on the command line
    #[arg(last = true, value_name = "ARGS", hide = true)]
    pub(super) args: Vec<OsString>,
}

/// How to show the output of tasks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OutputArg {
    /// `stream` for one task; for several `prefix` on a terminal, else `group`
    Auto,
    /// As it comes, never half a line of two tasks mixed
    Stream,
    /// Each line with the name of its task
    Prefix,
    /// All of a task together, when it has ended
    Group,
    /// The facts of the run, one JSON object a line
    Json,
}

impl From<OutputArg> for Mode {
    fn from(arg: OutputArg) -> Self {
        match arg {
            OutputArg::Auto => Self::Auto,
            OutputArg::Stream => Self::Stream,
            OutputArg::Prefix => Self::Prefix,
            OutputArg::Group => Self::Group,
            OutputArg::Json => Self::Json,
        }
    }
}

/// List the tasks of the file
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// List the recorded runs, the newest first
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Show at most N runs
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
    /// As JSON, one object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// Verbs that no task can take the place of.
const UNSHADOWED: [&str; 3] = ["run", "list", "help"];

/// The options that take a value, as far as they may stand before the first word.
const VALUED: [&str; 4] = ["--file", "--directory", "--jobs", "--output"];
const VALUED_SHORT: [u8; 3] = [b'f', b'C', b'j'];

/// What was called.
#[derive(Debug)]
pub(super) struct Called {
    /// The arguments with the verb spelled out.
    pub(super) args: Vec<OsString>,
    /// The first word that is no option.
    pub(super) word: Option<String>,
    /// The word is a verb and the file may have a task of that name, which wins.
    pub(super) may_be_task: bool,
}

/// Finds the verb: `flow build` is `flow run build`, and `flow @list` is always the verb.
pub(super) fn find_verb(
    args: &[OsString],
    is_verb: impl Fn(&str) -> bool,
) -> Result<Called, Trouble> {
    let place = first_word(args);
    let word = place
        .and_then(|place| args[place].to_str())
        .map(str::to_owned);
    let mut spelled = args.to_vec();
    let mut may_be_task = false;
    match word.as_deref() {
        Some(word) if word.starts_with('@') => {
            let verb = &word[1..];
            if !is_verb(verb) {
                return Err(Trouble::call(
                    format!("there is no verb {verb:?}"),
                    "`flow --help` lists the verbs",
                ));
            }
            spelled[place.unwrap_or(1)] = verb.into();
        }
        Some(word) if is_verb(word) || UNSHADOWED.contains(&word) => {
            may_be_task = !UNSHADOWED.contains(&word)
        }
        None if asks_for_help(args) => {}
        _ => spelled = as_run(spelled),
    }
    Ok(Called {
        args: spelled,
        word,
        may_be_task,
    })
}

/// The arguments as those of the verb `run`.
pub(super) fn as_run(mut args: Vec<OsString>) -> Vec<OsString> {
    args.insert(args.len().min(1), "run".into());
    args
}

fn asks_for_help(args: &[OsString]) -> bool {
    let asks = |arg: &&OsString| {
        ["-h", "--help", "-V", "--version"]
            .iter()
            .any(|known| *arg == known)
    };
    args.iter()
        .skip(1)
        .take_while(|arg| *arg != "--")
        .any(|arg| asks(&arg))
}

/// The place of the first argument that is neither an option nor the value of one.
fn first_word(args: &[OsString]) -> Option<usize> {
    let mut place = 1;
    while let Some(arg) = args.get(place) {
        if arg == "--" {
            return None;
        }
        if !is_option(arg) {
            return Some(place);
        }
        place += if takes_next(arg) { 2 } else { 1 };
    }
    None
}

fn is_option(arg: &OsStr) -> bool {
    let bytes = arg.as_encoded_bytes();
    bytes.len() > 1 && bytes[0] == b'-'
}

/// Whether the value of this option is the next argument: `-f FILE`, `-kf FILE`, `--file FILE`, not `-fFILE`.
fn takes_next(arg: &OsStr) -> bool {
    let bytes = arg.as_encoded_bytes();
    if bytes.starts_with(b"--") {
        return VALUED.iter().any(|option| arg == *option);
    }
    let valued = bytes.iter().position(|byte| VALUED_SHORT.contains(byte));
    valued.is_some_and(|place| place + 1 == bytes.len())
}

/// The help of flow itself: what it is called with, its verbs, and the options of `run`, which need no verb.
pub(super) fn help() -> String {
    let mut command = Cli::command();
    let whole = command.render_help().to_string();
    let head = whole.split("\nOptions:").next().unwrap_or_default();
    let run = command
        .find_subcommand_mut("run")
        .map(|run| run.render_help().to_string())
        .unwrap_or_default();
    let options = run
        .split_once("Options:\n")
        .map_or("", |(_, options)| options);
    format!(
        "{head}\nOptions for running tasks:\n{options}\n\
         Options for finding the file:\n\
         \x20 -f, --file <FILE>      Use this Workflowfile instead of looking for one here and above\n\
         \x20 -C, --directory <DIR>  Start in this folder\n\
         \x20 -V, --version          Print version\n\n\
         A task wins over a verb of the same name; `flow @VERB` is always the verb, `flow run TASK`\n\
         always the task. `flow VERB --help` says more of a verb.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let called = find_verb(&args, |word| ["run", "list", "history"].contains(&word))
            .expect("a good call");
        let words: Vec<&str> = called
            .args
            .iter()
            .map(|arg| arg.to_str().expect("text"))
            .collect();
        words.join(" ")
    }

    #[test]
    fn tasks_need_no_verb() {
        assert_eq!(spelled("flow build"), "flow run build");
        assert_eq!(spelled("flow -kj 4 list"), "flow -kj 4 list");
        assert_eq!(spelled("flow -kj4 build -q"), "flow run -kj4 build -q");
        assert_eq!(spelled("flow -C list build"), "flow run -C list build");
        assert_eq!(spelled("flow @history"), "flow history");
        assert_eq!(spelled("flow"), "flow run");
        assert_eq!(spelled("flow --help"), "flow --help");
        assert_eq!(spelled("flow build --help"), "flow run build --help");
        assert_eq!(spelled("flow -- list"), "flow run -- list");
    }

    #[test]
    fn an_unknown_verb_after_the_sign_is_refused() {
        let args = ["flow".into(), "@lst".into()];
        assert!(find_verb(&args, |_| false).is_err());
    }

    #[test]
    fn clap_finds_no_fault_with_the_definitions() {
        Cli::command().debug_assert();
    }
}
