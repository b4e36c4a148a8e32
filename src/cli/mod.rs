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
mod resume;
mod retry;
mod run;
mod running;
mod runs;
mod schedule;
mod serve;
mod standing;
mod stats;
mod status;
mod stdin;
mod tools;
mod use_current;
mod validate;
mod vars;
mod verify;
mod watch;
mod why;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use self::args::{Call, Called, Verb};
use self::context::Context;
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
            return call_in(&context, args, Verb::Run, |context, args| {
                run::run(context, args, false)
            });
        }
        return verb(&context, called, false);
    }
    let bare = args::is_bare(&args);
    match called.verb {
        Verb::Help if args::is_alone(&called.args) => {
            if called.hides.is_some()
                && let Ok(context) = Context::new(&args::place(&called.args))
            {
                say_hidden(&context, &called);
            }
            show(&args::help())
        }
        _ => {
            let context = Context::new(&args::place(&called.args))?;
            verb(&context, called, bare)
        }
    }
}

/// Does what was called; a bare call says at most where the file is.
fn verb(context: &Context, called: Called, bare: bool) -> Result<Exit, Trouble> {
    context::say_user();
    say_hidden(context, &called);
    let (name, args) = (called.verb, called.args);
    match name {
        Verb::Run => call_in(context, args, name, |context, args| {
            run::run(context, args, bare)
        }),
        Verb::Schedule => call_in(context, args, name, schedule::schedule),
        Verb::Serve => call_in(context, args, name, serve::serve),
        Verb::Watch => call_in(context, args, name, watch::watch_args),
        Verb::List => call_in(context, args, name, list::list),
        Verb::Help => call_in(context, args, name, help::help),
        Verb::Graph => call_in(context, args, name, graph::graph),
        Verb::Validate => call_in(context, args, name, validate::validate),
        Verb::Schema => call_in(context, args, name, schema),
        Verb::Vars => call_in(context, args, name, vars::vars),
        Verb::Prune => call_in(context, args, name, prune::prune),
        Verb::Why => call_in(context, args, name, why::why),
        Verb::Status => call_in(context, args, name, status::status),
        Verb::Stats => call_in(context, args, name, stats::stats),
        Verb::Logs => call_in(context, args, name, logs::logs),
        Verb::Events => call_in(context, args, name, events::events),
        Verb::Verify => call_in(context, args, name, verify::verify),
        Verb::Retry => call_in(context, args, name, retry::retry),
        Verb::Cancel => call_in(context, args, name, cancel::cancel),
        Verb::Annotate => call_in(context, args, name, annotate::annotate),
        Verb::Archive => call_in(context, args, name, archive::archive),
        Verb::Doctor => call_in(context, args, name, doctor::doctor),
        Verb::Locks => call_in(context, args, name, locks::locks),
        Verb::Resume => call_in(context, args, name, resume::resume),
        Verb::History => call_in(context, args, name, history::history),
    }
}

/// Says so when what was typed is a task too, which the verb wins over.
fn say_hidden(context: &Context, called: &Called) {
    let Some(word) = called.hides else {
        return;
    };
    // `flow validate` says so itself, and of a file that can't be read the verb does.
    let alone = called.verb != Verb::Run || args::is_alone(&called.args);
    if !alone || called.verb == Verb::Validate {
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

/// Parses the arguments of a verb and does it.
fn call_in<A: clap::Args>(
    context: &Context,
    args: Vec<OsString>,
    name: Verb,
    verb: impl FnOnce(&Context, &A) -> Result<Exit, Trouble>,
) -> Result<Exit, Trouble> {
    match parse::<A>(args, name) {
        Ok(call) => verb(context, &call.verb),
        Err(exit) => Ok(exit),
    }
}

/// What clap makes of the arguments; its own messages are printed here.
fn parse<A: clap::Args>(args: Vec<OsString>, verb: Verb) -> Result<Call<A>, Exit> {
    let command = Call::<A>::command()
        .about(args::about(verb))
        .bin_name(args::full_name(verb));
    let parsed = command
        .try_get_matches_from(args)
        .and_then(|matches| Call::from_arg_matches(&matches));
    parsed.map_err(|mut error| {
        // It would say that the option may follow `--`, where only arguments for tasks may stand.
        error.remove(clap::error::ContextKind::Suggested);
        let text = error.render();
        let text = if context::colour_wanted(error.use_stderr()) {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        if !error.use_stderr() {
            return show(&text).unwrap_or(Exit::TaskFailed);
        }
        let _ = screen::print("", &text);
        Exit::Wrong
    })
}

/// `flow schema`
fn schema(_: &Context, _: &args::SchemaArgs) -> Result<Exit, Trouble> {
    show(&format!("{:#}\n", crate::file::schema::schema()))
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
