//! The command line: what was typed becomes a call of the library, its answer an exit code.
//!
//! Verbs are thin. None of them spawns, writes a record or formats a time; what two of them share belongs to the library.

mod args;
mod context;
mod history;
mod list;
mod run;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::args::{Cli, Verb};
use self::context::Context;
use crate::diagnostic::visible;
use crate::report::screen;

/// How a command ended, by SPEC's table of exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All that was asked for succeeded.
    Done,
    /// A task failed.
    TaskFailed,
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
    let args: Vec<OsString> = args.into_iter().collect();
    match run_args(args) {
        Ok(exit) => exit.into(),
        Err(trouble) => {
            // Without stderr there is nobody to tell; the exit code still does.
            screen::print("", &trouble.words);
            trouble.exit.into()
        }
    }
}

fn run_args(args: Vec<OsString>) -> Result<Exit, Trouble> {
    let called = args::find_verb(&args, |word| Cli::command().find_subcommand(word).is_some())?;
    let cli = match parse(called.args) {
        Ok(cli) => cli,
        Err(exit) => return Ok(exit),
    };
    let context = Context::new(&cli.place)?;
    match cli.verb {
        Verb::Run(args) => run::run(&context, &args),
        verb if called.may_be_task && context.declares(called.word.as_deref())? => {
            let words = args::as_run(args);
            drop(verb);
            match parse(words) {
                Ok(Cli {
                    verb: Verb::Run(args),
                    ..
                }) => run::run(&context, &args),
                Ok(_) => unreachable!("the word `run` was put first"),
                Err(exit) => Ok(exit),
            }
        }
        Verb::List(args) => list::list(&context, &args),
        Verb::History(args) => history::history(&context, &args),
    }
}

/// What clap makes of the arguments; its own messages are printed here.
fn parse(args: Vec<OsString>) -> Result<Cli, Exit> {
    if args
        .get(1)
        .is_some_and(|word| word == "--help" || word == "-h" || word == "help")
        && args.len() == 2
    {
        screen::print(&args::help(), "");
        return Err(Exit::Done);
    }
    Cli::try_parse_from(args).map_err(|error| {
        let text = error.render();
        let text = if context::colour_wanted(error.use_stderr()) {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        let (stdout, stderr) = if error.use_stderr() {
            ("", text.as_str())
        } else {
            (text.as_str(), "")
        };
        screen::print(stdout, stderr);
        if error.use_stderr() {
            Exit::Wrong
        } else {
            Exit::Done
        }
    })
}
