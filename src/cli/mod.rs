//! The command line: what was typed becomes a call of the library, its answer an exit code.
//!
//! Verbs are thin. None of them spawns, writes a record or formats a time; what two of them share belongs to the library.

mod annotate;
mod archive;
mod args;
mod cancel;
mod confirm;
mod context;
mod doctor;
mod dotenvs;
mod dry;
mod events;
mod graph;
mod help;
mod history;
mod list;
mod locks;
mod logs;
mod needed;
mod patterns;
mod prune;
mod reach;
mod reference;
mod resume;
mod retry;
mod run;
mod running;
mod runs;
mod schedule;
mod schema;
mod serve;
mod standing;
mod stats;
mod status;
mod stdin;
mod tools;
mod use_current;
mod validate;
mod vars;
mod verb;
mod verify;
mod watch;
mod why;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use self::args::Called;
use self::context::Context;
use self::help::HelpArgs;
pub use self::reference::reference;
use self::run::RunArgs;
use self::validate::ValidateArgs;
use self::verb::Verb;
use crate::diagnostic::visible;
use crate::engine::clock::Clock;
use crate::engine::past;
use crate::exec::{dispositions, keeper};
use crate::model::id::RunId;
use crate::report::screen;
use crate::report::style::harmless;

/// How a command ended, by SPEC's table of exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All that was asked for succeeded.
    Done,
    /// A task failed.
    TaskFailed,
    /// A task failed, and this is the exit code of its command.
    Command(u8),
    /// The call or the file is wrong; nothing ran.
    Wrong,
    /// It waits for an approval.
    Paused,
    /// It was refused or cancelled.
    Cancelled,
    /// The record can't be kept.
    Record,
    /// A signal ended it.
    Signal(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::TaskFailed => 1,
            Exit::Command(code) => code,
            Exit::Wrong => 2,
            Exit::Paused => 3,
            Exit::Cancelled => 4,
            Exit::Record => 5,
            Exit::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        })
    }
}

/// Why a command could not do its work: its exit code and what to tell, whole lines.
#[derive(Debug)]
struct Trouble {
    exit: Exit,
    words: String,
}

impl Trouble {
    /// The call is wrong: what, and what to do about it.
    fn call(what: impl AsRef<str>, help: impl AsRef<str>) -> Self {
        let help = help.as_ref();
        let help = if help.is_empty() {
            String::new()
        } else {
            format!("  help: {}\n", visible(help))
        };
        Self {
            exit: Exit::Wrong,
            words: format!("error: {}\n{help}", visible(what.as_ref())),
        }
    }
}

/// Runs the command line with these arguments, the first of which is the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    dispositions::set();
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some((run, logs)) = keeper::is_called(&args) {
        return keep(run, logs);
    }
    match run_args(args) {
        Ok(exit) => said_all(exit).into(),
        Err(trouble) => {
            // Without stderr there is nobody to tell; the exit code still does.
            let words = harmless(&trouble.words, context::colour_wanted(true));
            let _ = screen::print("", &words);
            trouble.exit.into()
        }
    }
}

/// Waits as the helper of a run, and ends what it has left when its flow is gone.
fn keep(run: RunId, logs: PathBuf) -> ExitCode {
    if let Some(left) = keeper::wait(run, logs, std::io::stdin()) {
        let now = || Clock::system().instant();
        // Who can't be ended here is named by who goes on with the run.
        let _ = past::end_processes(&left.run, &left.logs, &left.started, now);
    }
    ExitCode::SUCCESS
}

/// What was asked for has ended so; but who does not get all that was said of it must not take it for good.
fn said_all(exit: Exit) -> Exit {
    let Some((stream, error)) = screen::lost() else {
        return exit;
    };
    let name = stream.word();
    let words = format!("error: could not write to {name}, a part is missing there: {error}\n");
    let _ = screen::print("", &words);
    match exit {
        Exit::Done => Exit::TaskFailed,
        exit => exit,
    }
}

fn run_args(args: Vec<OsString>) -> Result<Exit, Trouble> {
    args::level_of_environment()?;
    let called = args::find_verb(&args)?;
    if let Some(word) = &called.maybe_task {
        let context = Context::new(&args::place(&called.args))?;
        if context.declares(word) {
            return (verb::named::<RunArgs>().call)(&context, args);
        }
        return call(&context, called);
    }
    if called.verb.name == HelpArgs::NAME && args::is_alone(&called.args) {
        if called.hides.is_some()
            && let Ok(context) = Context::new(&args::place(&called.args))
        {
            say_hidden(&context, &called);
        }
        return show(&args::help());
    }
    let context = Context::new(&args::place(&called.args))?;
    if args::is_bare(&args) {
        context::say_user();
        return match verb::parse::<RunArgs>(called.args) {
            Ok(args) => run::run(&context, &args, true),
            Err(exit) => Ok(exit),
        };
    }
    call(&context, called)
}

/// Does what was called.
fn call(context: &Context, called: Called) -> Result<Exit, Trouble> {
    context::say_user();
    say_hidden(context, &called);
    (called.verb.call)(context, called.args)
}

/// Says so when what was typed is a task too, which the verb wins over.
fn say_hidden(context: &Context, called: &Called) {
    let Some(word) = called.hides else {
        return;
    };
    // `flow validate` says so itself, and of a file that can't be read the verb does.
    let alone = called.verb.name != RunArgs::NAME || args::is_alone(&called.args);
    if !alone || called.verb.name == ValidateArgs::NAME {
        return;
    }
    let workflow = context.workflow();
    if workflow.is_ok_and(|workflow| workflow.find(word).is_some()) {
        let words =
            format!("`flow {word}` is a verb; `flow run {word}` is the task of that name\n");
        // That there is nobody to read it is no error.
        let _ = screen::print("", &words);
    }
}

/// Prints data. A reader that has gone wants no more of it; any other trouble with it is an error.
fn show(text: &str) -> Result<Exit, Trouble> {
    match screen::print(text, "") {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Trouble {
            exit: Exit::TaskFailed,
            words: format!("error: could not write: {error}\n"),
        }),
    }
}
