//! What can be typed: which verb it is, and the arguments that several verbs have. The comments of arguments are their help.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, ValueEnum};

use super::Trouble;
use super::help::HelpArgs;
use super::run::RunArgs;
use super::verb::{self, Row, VERBS};
use crate::model::listed::listed;
use crate::model::time::parse_span;
use crate::report::Mode;
use crate::report::level::Level;
use crate::suggest::Suggest;

// One verb with its arguments. What is said of it is what its arguments' comment says, so this one is no doc comment.
#[derive(Debug, Parser)]
#[command(name = "flow", version)]
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

/// How a recorded run goes on
#[derive(Debug, Args)]
pub(super) struct GoOnArgs {
    /// Run at most N commands at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// Exit with the exit code of the first command that failed, not with 1
    #[arg(short = 'x', long)]
    pub(super) exit_code: bool,
    #[command(flatten)]
    pub(super) show: ShowArgs,
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

/// A duration with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let help = "write a number with its unit: 500ms, 5s, 10m, 1h30m";
    parse_span(text).ok_or_else(|| help.to_owned())
}

/// A duration that something may take.
pub(super) fn limit(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => {
            Err("nothing can be done in no time; leave the option out for no limit".to_owned())
        }
        limit => Ok(limit),
    }
}

/// A size in bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
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
pub(super) struct Called {
    /// The verb.
    pub(super) verb: &'static Row,
    /// The arguments without it, the program's name first.
    pub(super) args: Vec<OsString>,
    /// The name of a task that wins over the verb, if the file has it.
    pub(super) maybe_task: Option<String>,
    /// The name of a task that the verb wins over, if the file has it.
    pub(super) hides: Option<&'static str>,
}

/// Finds the verb: `flow build` is `flow run build`, and `flow @list` is always the verb.
pub(super) fn find_verb(args: &[OsString]) -> Result<Called, Trouble> {
    let without_verb = |verb| Called {
        verb,
        args: args.to_vec(),
        maybe_task: None,
        hides: None,
    };
    let run = || without_verb(verb::named::<RunArgs>());
    let Some(place) = first_word(args) else {
        return Ok(match asks_for_help(args) {
            true => without_verb(verb::named::<HelpArgs>()),
            false => run(),
        });
    };
    let Some(word) = args[place].to_str() else {
        return Ok(run());
    };
    let (name, explicit) = word
        .strip_prefix('@')
        .map_or((word, false), |name| (name, true));
    match verb::find(name) {
        Some(verb) => {
            let mut args = args.to_vec();
            args.remove(place);
            if verb.follows {
                let follows = |arg: &&mut OsString| **arg == "-f";
                args[place..]
                    .iter_mut()
                    .filter(follows)
                    .for_each(|arg| *arg = "--follow".into());
            }
            Ok(Called {
                verb,
                args,
                maybe_task: (verb.yields && !explicit).then(|| word.to_owned()),
                hides: (!verb.yields && !explicit).then_some(verb.name),
            })
        }
        None if explicit => Err(Trouble::call(
            format!("there is no verb {name:?}"),
            nearest(name),
        )),
        None => Ok(run()),
    }
}

fn nearest(name: &str) -> String {
    match Suggest::new().nearest(name, verb::names()) {
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

/// The help of flow itself: what it is called with, its verbs, and the options of `run`, which need no verb.
pub(super) fn help() -> String {
    let run = Call::<RunArgs>::command().render_help().to_string();
    let run = run.replace(" (see more with '--help')", "");
    let options = run
        .split_once("Options:\n")
        .map_or("", |(_, options)| options);
    let line = |verb: &Row| {
        let about = (verb.command)().get_about().map(ToString::to_string);
        format!("  {:8} {}\n", verb.name, about.unwrap_or_default())
    };
    let verbs: String = VERBS.iter().map(line).collect();
    format!(
        "flow runs the tasks of a Workflowfile.yml\n\n\
         Usage: flow [OPTIONS] [TASK]...\n\
         \x20      flow VERB [OPTIONS]\n\n\
         Verbs:\n{}\nOptions:\n{options}\n\
         A task wins over a verb of the same name, except {}. `flow @VERB`\n\
         is always the verb, `flow run TASK` always the task. `flow VERB --help` shows the options of a verb.\n",
        verbs,
        listed(verb::names_that_win()),
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
        format!("{}{task}: {}", called.verb.name, words[1..].join(" "))
    }

    #[test]
    fn tasks_need_no_verb() {
        assert_eq!(spelled("flow build"), "run: build");
        assert_eq!(spelled("flow -kj 4 list"), "list: -kj 4");
        assert_eq!(spelled("flow -kj4 build -q"), "run: -kj4 build -q");
        assert_eq!(spelled("flow -C list build"), "run: -C list build");
        assert_eq!(spelled("flow --timeout 10m list"), "list: --timeout 10m");
        assert_eq!(spelled("flow --timeout=10m list"), "list: --timeout=10m");
        assert_eq!(spelled("flow history -n 3"), "history or task: -n 3");
        assert_eq!(spelled("flow @history"), "history: ");
        assert_eq!(spelled("flow"), "run: ");
        assert_eq!(spelled("flow --help"), "help: --help");
        assert_eq!(spelled("flow build --help"), "run: build --help");
        assert_eq!(spelled("flow run list"), "run: list");
        assert_eq!(spelled("flow -- list"), "run: -- list");
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
                    format!("list: --{long} serve"),
                )
            } else {
                (format!("flow --{long} list"), format!("list: --{long}"))
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
        VERBS
            .iter()
            .for_each(|verb| (verb.command)().debug_assert());
    }
}
