//! The verbs. Each is a file with its arguments, whose comments are its help, and with what it does; the list of all is here.

use std::ffi::OsString;

use clap::{Args, Command, CommandFactory, FromArgMatches};

use super::args::Call;
use super::context::{self, Context};
use super::{Exit, Trouble, show};
use crate::report::screen;

/// The arguments of a verb.
pub(super) trait Verb: Args {
    /// What is typed for it.
    const NAME: &'static str;
    /// Whether a task of the same name wins over it.
    const YIELDS: bool = true;
    /// Whether `-f` after it is `--follow`, as for tail(1). Before the verb it names the file, as for all verbs.
    const FOLLOWS: bool = false;

    /// Does it.
    fn call(&self, context: &Context) -> Result<Exit, Trouble>;
}

/// A verb in the list of all.
pub(super) struct Row {
    /// What is typed for it.
    pub(super) name: &'static str,
    /// Whether a task of the same name wins over it.
    pub(super) yields: bool,
    /// Whether `-f` after it is `--follow`.
    pub(super) follows: bool,
    /// Its arguments, as clap knows them. This is built for one verb only, unless help on all of them is asked for: it would cost each
    /// start more, the more verbs there are.
    pub(super) command: fn() -> Command,
    /// Parses its arguments and does it.
    pub(super) call: fn(&Context, Vec<OsString>) -> Result<Exit, Trouble>,
}

/// All verbs, in the order of the help.
pub(super) static VERBS: [Row; 25] = [
    row::<super::run::RunArgs>(),
    row::<super::watch::WatchArgs>(),
    row::<super::schedule::ScheduleArgs>(),
    row::<super::serve::ServeArgs>(),
    row::<super::list::ListArgs>(),
    row::<super::graph::GraphArgs>(),
    row::<super::validate::ValidateArgs>(),
    row::<super::schema::SchemaArgs>(),
    row::<super::vars::VarsArgs>(),
    row::<super::why::WhyArgs>(),
    row::<super::history::HistoryArgs>(),
    row::<super::status::StatusArgs>(),
    row::<super::stats::StatsArgs>(),
    row::<super::logs::LogsArgs>(),
    row::<super::events::EventsArgs>(),
    row::<super::verify::VerifyArgs>(),
    row::<super::resume::ResumeArgs>(),
    row::<super::retry::RetryArgs>(),
    row::<super::cancel::CancelArgs>(),
    row::<super::locks::LocksArgs>(),
    row::<super::annotate::AnnotateArgs>(),
    row::<super::archive::ArchiveArgs>(),
    row::<super::doctor::DoctorArgs>(),
    row::<super::prune::PruneArgs>(),
    row::<super::help::HelpArgs>(),
];

const fn row<V: Verb>() -> Row {
    Row {
        name: V::NAME,
        yields: V::YIELDS,
        follows: V::FOLLOWS,
        command: command::<V>,
        call: call::<V>,
    }
}

fn command<V: Verb>() -> Command {
    Call::<V>::command().bin_name(format!("flow {}", V::NAME))
}

/// The verb of this name.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    VERBS.iter().find(|row| row.name == name)
}

/// The row of a verb.
pub(super) const fn named<V: Verb>() -> &'static Row {
    const { &row::<V>() }
}

/// The names of all verbs.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|row| row.name)
}

/// The names of the verbs that win over a task of the same name.
pub(super) fn names_that_win() -> impl Iterator<Item = &'static str> {
    VERBS.iter().filter(|row| !row.yields).map(|row| row.name)
}

fn call<V: Verb>(context: &Context, args: Vec<OsString>) -> Result<Exit, Trouble> {
    match parse::<V>(args) {
        Ok(verb) => verb.call(context),
        Err(exit) => Ok(exit),
    }
}

/// The arguments of a verb as clap reads them; its own messages are printed here.
pub(super) fn parse<V: Verb>(args: Vec<OsString>) -> Result<V, Exit> {
    let parsed = command::<V>()
        .try_get_matches_from(args)
        .and_then(|matches| Call::<V>::from_arg_matches(&matches));
    parsed.map(|call| call.verb).map_err(|mut error| {
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
