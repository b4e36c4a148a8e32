//! What can be typed. The comments here are the help texts; [`runs`] has those of the verbs about recorded runs.

mod runs;
mod triggers;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, ValueEnum};

pub(super) use self::runs::*;
pub(super) use self::triggers::*;
use super::Trouble;
use crate::model::listed::listed;
use crate::model::time::parse_span;
use crate::report::Mode;
use crate::report::level::Level;
use crate::suggest::Suggest;

/// One verb with its arguments. Only the verb that was called is ever described to clap: the description of all of them
/// would cost each start more, the more verbs there are.
#[derive(Debug, Parser)]
#[command(name = "flow", version, about = None, long_about = None)]
pub(super) struct Call<A: Args> {
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    #[command(flatten)]
    pub(super) verb: A,
}

/// Where the Workflowfile is.
#[derive(Debug, Default, Args)]
pub(super) struct PlaceArgs {
    /// Use this Workflowfile; by default flow searches this folder and the folders above
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Start in this folder
    #[arg(short = 'C', long, value_name = "DIR")]
    pub(super) directory: Option<PathBuf>,
}

/// Run tasks and everything they depend on
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Tasks to run [default: the task `default`]; NAME=VALUE sets a var or a param
    #[arg(value_name = "TASK | NAME=VALUE")]
    pub(super) tasks: Vec<String>,
    /// Run at most N commands at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// Run the named tasks in parallel, not one after another
    #[arg(short, long)]
    pub(super) parallel: bool,
    /// After a failure, still run every task that does not depend on it
    #[arg(short, long)]
    pub(super) keep_going: bool,
    /// After a failure, also stop the tasks that are running
    #[arg(long, conflicts_with = "keep_going")]
    pub(super) fail_fast: bool,
    /// Run only the named tasks, not their dependencies
    #[arg(long)]
    pub(super) only: bool,
    /// Run the named tasks even if they are up to date
    #[arg(long)]
    pub(super) force: bool,
    /// Run the named tasks and all their dependencies even if they are up to date
    #[arg(long)]
    pub(super) force_all: bool,
    /// Do not restore outputs from the cache
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Explain why each task runs
    #[arg(long)]
    pub(super) explain: bool,
    /// Stop the run after this time (e.g. 10m) and mark it failed
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub(super) timeout: Option<Duration>,
    /// Exit with the exit code of the first command that failed, not with 1
    #[arg(short = 'x', long)]
    pub(super) exit_code: bool,
    /// Answer yes to all confirmations
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Use the vars and the environment of this profile
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Run again when a source changes, like `flow watch`
    #[arg(short, long, conflicts_with = "dry_run")]
    pub(super) watch: bool,
    /// Show what would run, in order, without running it
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// Do not record this run
    #[arg(long)]
    pub(super) no_record: bool,
    /// The fire of a trigger to start; used by `flow serve`
    #[arg(long, value_name = "NUMBER", hide = true, conflicts_with_all = ["tasks", "watch", "dry_run", "no_record", "args"])]
    pub(super) fire: Option<u64>,
    #[command(flatten)]
    pub(super) show: ShowArgs,
    /// Arguments for the named tasks, which read them as {{ args }}
    #[arg(last = true, value_name = "ARGS")]
    pub(super) args: Vec<OsString>,
}

/// Run tasks, and run them again when their files change
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Poll the files at this interval, e.g. on network drives [default: 500ms]
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, value_parser = duration)]
    pub(super) poll: Option<Option<Duration>>,
}

/// What of a run is shown, and how
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// How to show the output of tasks
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub(super) output: OutputArg,
    /// Print the facts of the run as JSON lines; same as --output json
    #[arg(long, conflicts_with = "output")]
    pub(super) json: bool,
    /// Show only failures and the output of tasks; same as --log-level error
    #[arg(short, long, conflicts_with_all = ["verbose", "log_level"])]
    quiet: bool,
    /// Show more, such as the id of the run; same as --log-level debug
    #[arg(short, long, conflicts_with = "log_level")]
    verbose: bool,
    /// How much to print besides the output of tasks [env: FLOW_LOG] [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LevelArg>,
}

impl ShowArgs {
    /// How much is said.
    pub(super) fn level(&self) -> Level {
        match (self.quiet, self.verbose) {
            (true, _) => Level::Error,
            (_, true) => Level::Debug,
            _ => level(self.log_level),
        }
    }

    /// Whether something of this level is said.
    pub(super) fn says(&self, level: Level) -> bool {
        self.level().says(level)
    }

    /// How the output of tasks is shown.
    pub(super) fn mode(&self) -> Mode {
        match self.json {
            true => Mode::Json,
            false => self.output.into(),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let help = "write a number with its unit: 500ms, 5s, 10m, 1h30m";
    parse_span(text).ok_or_else(|| help.to_owned())
}

/// A duration that something may take.
fn limit(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => {
            Err("nothing can be done in no time; leave the option out for no limit".to_owned())
        }
        limit => Ok(limit),
    }
}

fn size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" if number == "0" => 1,
        "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err("write a number with its unit: 500MB, 2GiB".to_owned()),
    };
    let number = number
        .parse::<u64>()
        .map_err(|_| "write a number with its unit: 500MB, 2GiB")?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "that is more than there can be".to_owned())
}

/// How to show the output of tasks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OutputArg {
    /// `stream` for one task; for several `prefix` on a terminal, else `group`
    Auto,
    /// As it comes, line by line
    Stream,
    /// Each line after the name of its task
    Prefix,
    /// All output of a task at once, when the task has ended
    Group,
    /// The facts of the run as JSON lines
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

/// How much to say.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LevelArg {
    /// Errors and failures
    Error,
    /// Warnings too
    #[value(alias = "warn")]
    Warning,
    /// Progress too
    Info,
    /// Details for debugging too
    Debug,
}

/// The level that was asked for, here or by `FLOW_LOG`.
pub(super) fn level(asked: Option<LevelArg>) -> Level {
    // A wrong one has been refused.
    let by_environment = || level_of_environment().ok().flatten();
    match asked.or_else(by_environment) {
        Some(LevelArg::Error) => Level::Error,
        Some(LevelArg::Warning) => Level::Warning,
        Some(LevelArg::Info) | None => Level::Info,
        Some(LevelArg::Debug) => Level::Debug,
    }
}

/// What `FLOW_LOG` says; nothing where it is not set or empty.
pub(super) fn level_of_environment() -> Result<Option<LevelArg>, Trouble> {
    let Some(word) = std::env::var_os("FLOW_LOG").filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    let word = word.to_string_lossy();
    LevelArg::from_str(&word, true).map(Some).map_err(|_| {
        let help = "set it to error, warning, info or debug, or unset it";
        Trouble::call(format!("FLOW_LOG is {word:?}"), help)
    })
}

/// List the tasks of the file
#[derive(Debug, Default, Args)]
pub(super) struct ListArgs {
    /// List all tasks: also hidden and internal ones, and those without a description
    #[arg(short, long)]
    pub(super) all: bool,
    /// Show whether each task would run, and why
    #[arg(long)]
    pub(super) status: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Check the Workflowfile and its includes without running anything
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Print errors and warnings as JSON lines
    #[arg(long)]
    pub(super) json: bool,
    /// Treat warnings as errors (exit code 2)
    #[arg(long)]
    pub(super) strict: bool,
}

/// Print the JSON Schema of a Workflowfile, for editors
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {}

/// Show this help, or the description, params, dependencies and steps of a task
#[derive(Debug, Args)]
pub(super) struct HelpArgs {
    /// The task [default: the help of flow itself]
    #[arg(value_name = "TASK")]
    pub(super) task: Option<String>,
}

/// What is asked of one task, as it would be run: `flow vars`, `flow why`
#[derive(Debug, Args)]
pub(super) struct OfTaskArgs {
    /// The task, with NAME=VALUE as in `flow run`
    #[arg(value_name = "TASK | NAME=VALUE", required = true)]
    pub(super) words: Vec<String>,
    /// Use the vars and the environment of this profile
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Show the dependency graph
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// Show these tasks and their dependencies [default: all tasks]
    #[arg(value_name = "TASK")]
    pub(super) tasks: Vec<String>,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: GraphFormat,
}

/// The form of a graph.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum GraphFormat {
    /// A tree for each task that nothing depends on
    Text,
    /// For Graphviz
    Dot,
    /// For Mermaid, as in Markdown
    Mermaid,
    /// Tasks and edges
    Json,
}

/// A verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// `flow run`
    Run,
    /// `flow watch`
    Watch,
    /// `flow schedule`
    Schedule,
    /// `flow serve`
    Serve,
    /// `flow list`
    List,
    /// `flow graph`
    Graph,
    /// `flow validate`
    Validate,
    /// `flow schema`
    Schema,
    /// `flow vars`
    Vars,
    /// `flow why`
    Why,
    /// `flow prune`
    Prune,
    /// `flow history`
    History,
    /// `flow status`
    Status,
    /// `flow stats`
    Stats,
    /// `flow logs`
    Logs,
    /// `flow events`
    Events,
    /// `flow verify`
    Verify,
    /// `flow resume`
    Resume,
    /// `flow cancel`
    Cancel,
    /// `flow retry`
    Retry,
    /// `flow locks`
    Locks,
    /// `flow doctor`
    Doctor,
    /// `flow annotate`
    Annotate,
    /// `flow archive`
    Archive,
    /// `flow help`
    Help,
}

/// All verbs, with what the help says of them, and whether a task of the same name wins.
const VERBS: &[(&str, Verb, bool, &str)] = &[
    (
        "run",
        Verb::Run,
        false,
        "Run tasks and their dependencies; same as `flow TASK`",
    ),
    (
        "watch",
        Verb::Watch,
        true,
        "Run tasks, and run them again when their files change",
    ),
    ("schedule", Verb::Schedule, false, "List and edit triggers"),
    ("serve", Verb::Serve, true, "Run all triggers until stopped"),
    ("list", Verb::List, false, "List the tasks of the file"),
    ("graph", Verb::Graph, true, "Show the dependency graph"),
    (
        "validate",
        Verb::Validate,
        false,
        "Check the Workflowfile and its includes",
    ),
    (
        "schema",
        Verb::Schema,
        true,
        "Print the JSON Schema of a Workflowfile, for editors",
    ),
    (
        "vars",
        Verb::Vars,
        true,
        "Show the values of a task and where they come from",
    ),
    (
        "why",
        Verb::Why,
        true,
        "Explain whether a task would run, and why",
    ),
    (
        "history",
        Verb::History,
        true,
        "List recorded runs, newest first",
    ),
    (
        "status",
        Verb::Status,
        true,
        "Show the state of a run, now or at an earlier time",
    ),
    (
        "stats",
        Verb::Stats,
        true,
        "Show counts, outcomes and durations of tasks",
    ),
    ("logs", Verb::Logs, true, "Print the output of a run"),
    ("events", Verb::Events, true, "Show the event log of a run"),
    (
        "verify",
        Verb::Verify,
        true,
        "Check that nobody has changed the records of runs",
    ),
    ("resume", Verb::Resume, true, "Continue an interrupted run"),
    (
        "retry",
        Verb::Retry,
        true,
        "Run the failed part of a run again",
    ),
    (
        "cancel",
        Verb::Cancel,
        true,
        "Cancel a run, whichever process executes it",
    ),
    (
        "locks",
        Verb::Locks,
        true,
        "Show who holds or waits for locks, or release one",
    ),
    (
        "annotate",
        Verb::Annotate,
        true,
        "Add a note to the record of a run",
    ),
    (
        "archive",
        Verb::Archive,
        true,
        "Compress old runs; they stay readable",
    ),
    (
        "doctor",
        Verb::Doctor,
        true,
        "Check flow's data and repair it",
    ),
    (
        "prune",
        Verb::Prune,
        true,
        "Remove old runs or cached outputs",
    ),
    (
        "help",
        Verb::Help,
        false,
        "Show this help, or the help of a task",
    ),
];

/// The options whose value may be the next argument, as far as they may stand before the first word: those of `run`.
struct Valued {
    long: Vec<String>,
    short: Vec<u8>,
}

impl Valued {
    /// As clap knows them. It is asked only when there is an option, because that costs a little.
    fn known() -> &'static Self {
        static KNOWN: LazyLock<Valued> = LazyLock::new(|| {
            let command = Call::<RunArgs>::command();
            let next = |arg: &&clap::Arg| {
                arg.get_action().takes_values()
                    && !arg.is_positional()
                    && !arg.is_require_equals_set()
            };
            let (mut long, mut short) = (Vec::new(), Vec::new());
            for arg in command.get_arguments().filter(next) {
                let names = arg.get_long_and_visible_aliases().unwrap_or_default();
                long.extend(names.iter().map(|name| format!("--{name}")));
                let letters = arg.get_short_and_visible_aliases().unwrap_or_default();
                short.extend(
                    letters
                        .iter()
                        .filter_map(|letter| u8::try_from(*letter).ok()),
                );
            }
            Valued { long, short }
        });
        &KNOWN
    }
}

/// Whether there is no word, so that nothing but flow itself can be meant.
pub(super) fn is_alone(args: &[OsString]) -> bool {
    first_word(args).is_none()
}

/// Whether nothing is said but where the file is.
pub(super) fn is_bare(args: &[OsString]) -> bool {
    let mut left = args.iter().skip(1);
    while let Some(arg) = left.next() {
        let bytes = arg.as_encoded_bytes();
        let is_place = [&b"-f"[..], b"-C", b"--file", b"--directory"]
            .iter()
            .any(|option| bytes.starts_with(option));
        if !is_place {
            return false;
        }
        if takes_next(arg) {
            left.next();
        }
    }
    true
}

/// What was called.
#[derive(Debug)]
pub(super) struct Called {
    /// The verb.
    pub(super) verb: Verb,
    /// The arguments without it, the program's name first.
    pub(super) args: Vec<OsString>,
    /// The name of a task that wins over the verb, if the file has it.
    pub(super) maybe_task: Option<String>,
    /// The name of a task that the verb wins over, if the file has it.
    pub(super) hides: Option<&'static str>,
}

/// Finds the verb: `flow build` is `flow run build`, and `flow @list` is always the verb.
pub(super) fn find_verb(args: &[OsString]) -> Result<Called, Trouble> {
    let run = Called {
        verb: Verb::Run,
        args: args.to_vec(),
        maybe_task: None,
        hides: None,
    };
    let Some(place) = first_word(args) else {
        let verb = if asks_for_help(args) {
            Verb::Help
        } else {
            Verb::Run
        };
        return Ok(Called { verb, ..run });
    };
    let Some(word) = args[place].to_str() else {
        return Ok(run);
    };
    let (name, explicit) = word
        .strip_prefix('@')
        .map_or((word, false), |name| (name, true));
    match VERBS.iter().find(|(known, ..)| *known == name) {
        Some((known, verb, yields, _)) => {
            let mut args = args.to_vec();
            args.remove(place);
            if matches!(verb, Verb::Logs | Verb::Events | Verb::Status) {
                // As for tail(1). Before the verb it names the file, as for all verbs.
                let follows = |arg: &&mut OsString| **arg == "-f";
                args[place..]
                    .iter_mut()
                    .filter(follows)
                    .for_each(|arg| *arg = "--follow".into());
            }
            Ok(Called {
                verb: *verb,
                args,
                maybe_task: (*yields && !explicit).then(|| word.to_owned()),
                hides: (!*yields && !explicit).then_some(*known),
            })
        }
        None if explicit => Err(Trouble::call(
            format!("there is no verb {name:?}"),
            nearest(name),
        )),
        None => Ok(run),
    }
}

fn nearest(name: &str) -> String {
    match Suggest::new().nearest(name, verb_names()) {
        Some(verb) => format!("did you mean @{verb}?"),
        None => "`flow --help` lists the verbs".to_owned(),
    }
}

fn asks_for_help(args: &[OsString]) -> bool {
    let asks = |arg: &OsString| arg == "-h" || arg == "--help";
    args.iter().skip(1).take_while(|arg| *arg != "--").any(asks)
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
        return Valued::known()
            .long
            .iter()
            .any(|option| arg == option.as_str());
    }
    let valued = first_valued(bytes);
    valued.is_some_and(|place| place + 1 == bytes.len())
}

/// The place of the first letter that takes a value, in `-kf`.
fn first_valued(letters: &[u8]) -> Option<usize> {
    let known = &Valued::known().short;
    letters.iter().position(|byte| known.contains(byte))
}

/// Where the file is, whatever else stands among the arguments; what is wrong with them is found when they are parsed.
pub(super) fn place(args: &[OsString]) -> PlaceArgs {
    let mut place = PlaceArgs::default();
    let mut args = args.iter().skip(1).take_while(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        let bytes = arg.as_encoded_bytes();
        let (option, value) = if bytes.starts_with(b"--") {
            let equals = bytes.iter().position(|byte| *byte == b'=');
            let option = &bytes[..equals.unwrap_or(bytes.len())];
            let known = &Valued::known().long;
            let valued = known.iter().any(|known| known.as_bytes() == option);
            (
                option,
                equals
                    .map(|at| &bytes[at + 1..])
                    .or((!valued).then_some(&[])),
            )
        } else if is_option(arg) {
            let Some(at) = first_valued(bytes) else {
                continue;
            };
            (
                &bytes[at..=at],
                Some(&bytes[at + 1..]).filter(|value| !value.is_empty()),
            )
        } else {
            continue;
        };
        let value = match value {
            Some(value) => PathBuf::from(OsStr::from_bytes(value)),
            None => args.next().map(PathBuf::from).unwrap_or_default(),
        };
        match option {
            b"f" | b"--file" => place.file = Some(value),
            b"C" | b"--directory" => place.directory = Some(value),
            _ => {}
        }
    }
    place
}

/// Whether a task of this name wins over a verb; `None` when there is no such verb.
pub(super) fn is_hidden(name: &str) -> Option<bool> {
    let verb = VERBS.iter().find(|(known, ..)| *known == name);
    verb.map(|(_, _, task_wins, _)| *task_wins)
}

/// The verbs that win over a task of the same name.
pub(super) fn verbs_that_win() -> impl Iterator<Item = &'static str> {
    let win = VERBS.iter().filter(|(_, _, yields, _)| !yields);
    win.map(|(name, ..)| *name)
}

/// The names of all verbs.
pub(super) fn verb_names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|(name, ..)| *name)
}

/// What is typed for a verb.
pub(super) fn full_name(verb: Verb) -> String {
    let name = VERBS
        .iter()
        .find(|(_, known, ..)| *known == verb)
        .map_or("", |(name, ..)| name);
    format!("flow {name}")
}

/// What the help says of a verb.
pub(super) fn about(verb: Verb) -> &'static str {
    VERBS
        .iter()
        .find(|(_, known, ..)| *known == verb)
        .map_or("", |(.., about)| about)
}

/// The help of flow itself: what it is called with, its verbs, and the options of `run`, which need no verb.
pub(super) fn help() -> String {
    let run = Call::<RunArgs>::command().render_help().to_string();
    let run = run.replace(" (see more with '--help')", "");
    let options = run
        .split_once("Options:\n")
        .map_or("", |(_, options)| options);
    let verbs: Vec<String> = VERBS
        .iter()
        .map(|(name, _, _, about)| format!("  {name:8} {about}\n"))
        .collect();
    format!(
        "flow runs the tasks of a Workflowfile.yml\n\n\
         Usage: flow [OPTIONS] [TASK]...\n\
         \x20      flow VERB [OPTIONS]\n\n\
         Verbs:\n{}\nOptions:\n{options}\n\
         A task wins over a verb of the same name, except {}. `flow @VERB`\n\
         is always the verb, `flow run TASK` always the task. `flow VERB --help` shows the options of a verb.\n",
        verbs.concat(),
        listed(verbs_that_win()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let called = find_verb(&args).expect("a good call");
        let words: Vec<&str> = called
            .args
            .iter()
            .map(|arg| arg.to_str().expect("text"))
            .collect();
        let task = if called.maybe_task.is_some() {
            " or task"
        } else {
            ""
        };
        format!("{:?}{task}: {}", called.verb, words[1..].join(" "))
    }

    #[test]
    fn tasks_need_no_verb() {
        assert_eq!(spelled("flow build"), "Run: build");
        assert_eq!(spelled("flow -kj 4 list"), "List: -kj 4");
        assert_eq!(spelled("flow -kj4 build -q"), "Run: -kj4 build -q");
        assert_eq!(spelled("flow -C list build"), "Run: -C list build");
        assert_eq!(spelled("flow --timeout 10m list"), "List: --timeout 10m");
        assert_eq!(spelled("flow --timeout=10m list"), "List: --timeout=10m");
        assert_eq!(spelled("flow history -n 3"), "History or task: -n 3");
        assert_eq!(spelled("flow @history"), "History: ");
        assert_eq!(spelled("flow"), "Run: ");
        assert_eq!(spelled("flow --help"), "Help: --help");
        assert_eq!(spelled("flow build --help"), "Run: build --help");
        assert_eq!(spelled("flow run list"), "Run: list");
        assert_eq!(spelled("flow -- list"), "Run: -- list");
    }

    #[test]
    fn the_value_of_an_option_is_no_verb() {
        let command = Call::<RunArgs>::command();
        for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
            let Some(long) = arg.get_long() else {
                continue;
            };
            let (line, expected) = if arg.get_action().takes_values() {
                (
                    format!("flow --{long} serve list"),
                    format!("List: --{long} serve"),
                )
            } else {
                (format!("flow --{long} list"), format!("List: --{long}"))
            };
            assert_eq!(spelled(&line), expected);
        }
    }

    #[test]
    fn bare_is_a_call_that_says_at_most_where_the_file_is() {
        let is = |line: &str| is_bare(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "flow",
            "flow -f x",
            "flow -fx -C d",
            "flow --file=x",
            "flow --directory d",
        ] {
            assert!(is(line), "{line}");
        }
        for line in [
            "flow run",
            "flow -k",
            "flow -- x",
            "flow -f x b=1",
            "flow -C d run",
            "flow -j 4",
        ] {
            assert!(!is(line), "{line}");
        }
    }

    #[test]
    fn the_file_is_found_among_all_that_is_said() {
        for (line, file, folder) in [
            ("flow where -f a", "a", ""),
            ("flow list --all -fa -C b", "a", "b"),
            ("flow -kf a --output json --file=b x", "b", ""),
            ("flow -j f -k x --directory d", "", "d"),
            ("flow --profile -f x -j4", "", ""),
            ("flow x -- -f a", "", ""),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let place = place(&args);
            assert_eq!(
                place.file.unwrap_or_default(),
                PathBuf::from(file),
                "{line}"
            );
            assert_eq!(
                place.directory.unwrap_or_default(),
                PathBuf::from(folder),
                "{line}"
            );
        }
    }

    #[test]
    fn an_unknown_verb_after_the_sign_is_refused() {
        assert!(find_verb(&["flow".into(), "@lst".into()]).is_err());
    }

    #[test]
    fn clap_finds_no_fault_with_the_definitions() {
        Call::<RunArgs>::command().debug_assert();
        Call::<ListArgs>::command().debug_assert();
        Call::<HistoryArgs>::command().debug_assert();
    }
}
