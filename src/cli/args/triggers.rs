//! The verbs about what runs by itself.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{LevelArg, duration};

/// Show what runs by itself and when; or change that
///
/// Without options it lists all triggers, of the Workflowfile and of schedules/. With --cron, --every or --at it writes one into
/// schedules/, which `flow serve` runs.
#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleArgs {
    /// With --cron, --every or --at the task, and NAME=VALUE for its values; else the triggers that are meant
    #[arg(value_name = "TASK | NAME=VALUE | TRIGGER")]
    pub(in crate::cli) words: Vec<String>,
    /// Run the task at these times, as in cron(5), such as "0 2 * * *" for two o'clock every night
    #[arg(long, value_name = "EXPRESSION", group = "when")]
    pub(in crate::cli) cron: Option<String>,
    /// Run the task again and again after this long, such as 10s or 1h30m
    #[arg(long, value_name = "DURATION", group = "when")]
    pub(in crate::cli) every: Option<String>,
    /// Run the task once, such as at "2026-12-24 18:00"
    #[arg(long, value_name = "TIME", group = "when")]
    pub(in crate::cli) at: Option<String>,
    /// What the trigger is called [default: the name of the task]
    #[arg(long, value_name = "NAME", requires = "when")]
    pub(in crate::cli) name: Option<String>,
    /// The time zone of the times, such as Europe/Berlin [default: that of the machine that runs them]
    #[arg(long, value_name = "ZONE", requires = "when")]
    pub(in crate::cli) timezone: Option<String>,
    /// What happens when the run before has not ended [default: skip]
    #[arg(long, value_name = "WHAT", requires = "when")]
    pub(in crate::cli) overlap: Option<OverlapArg>,
    /// What happens with times at which no `flow serve` was running [default: last]
    #[arg(long, value_name = "WHICH", requires = "when")]
    pub(in crate::cli) catch_up: Option<CatchUpArg>,
    /// Start up to this much later, which spreads the starts of several triggers
    #[arg(long, value_name = "DURATION", requires = "when")]
    pub(in crate::cli) jitter: Option<String>,
    /// Show the next N times of each trigger
    #[arg(long, value_name = "N", conflicts_with = "when")]
    pub(in crate::cli) next: Option<usize>,
    /// The times after this moment, such as 2026-12-24 or "2026-12-24 18:00" [default: now]
    #[arg(long, value_name = "MOMENT", requires = "next")]
    pub(in crate::cli) from: Option<String>,
    /// Remove a trigger from schedules/
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) remove: Option<String>,
    /// Let a trigger start nothing until it is resumed
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) pause: Option<String>,
    /// Let a trigger that was paused count again
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) resume: Option<String>,
    /// Print what makes the system start the triggers instead of `flow serve`
    #[arg(long, value_name = "FOR", conflicts_with_all = ["when", "next", "change"])]
    pub(in crate::cli) export: Option<ExportArg>,
    /// As JSON, one object a line
    #[arg(long, conflicts_with_all = ["when", "change", "export"])]
    pub(in crate::cli) json: bool,
}

/// What happens when the run before has not ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum OverlapArg {
    /// Nothing; that is recorded
    Skip,
    /// It starts when the other has ended
    Queue,
    /// The other is cancelled, then it starts
    Cancel,
    /// It starts beside the other
    Allow,
}

/// What happens with times at which nobody was there.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum CatchUpArg {
    /// Nothing
    None,
    /// The last of them is made up for
    Last,
    /// All of them are, a thousand at most
    All,
}

/// What starts the triggers instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportArg {
    /// Units: a service and a timer for each trigger
    Systemd,
    /// Lines for crontab
    Crontab,
}

/// Run what is to run by itself, until it is told to stop
///
/// It runs the triggers of the Workflowfile and of schedules/, each run in a process of its own, and reads the files again when
/// they change. SIGTERM and Ctrl-C stop it; SIGHUP, where there is no terminal, lets it read the files again.
#[derive(Debug, Args)]
pub(in crate::cli) struct ServeArgs {
    /// The address of its API; others than those of this machine take the token of .flow/token
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8008")]
    pub(in crate::cli) listen: SocketAddr,
    /// The port of its API; 0 takes a free one, which is said
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) port: Option<u16>,
    /// At most N runs at the same time; others wait [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) max_parallel: Option<u16>,
    /// How long runs have to end when it is told to stop; then they are interrupted, and resumed at the next start
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(in crate::cli) grace: Duration,
    /// How it says what it does, on stderr
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(in crate::cli) log: LogArg,
    /// How much it says [env: FLOW_LOG] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(in crate::cli) log_level: Option<LevelArg>,
}

/// The form of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogArg {
    /// Lines for people
    Text,
    /// A JSON object a line
    Json,
}
