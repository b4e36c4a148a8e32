//! The verbs about what runs by itself.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{LevelArg, duration};

/// List and edit triggers
///
/// Without options it lists all triggers in the Workflowfile and in schedules/. With --cron, --every or --at it adds a trigger to
/// schedules/. `flow serve` runs the triggers.
#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleArgs {
    /// With --cron, --every or --at: the task and its NAME=VALUE; otherwise: the triggers to list
    #[arg(value_name = "TASK | NAME=VALUE | TRIGGER")]
    pub(in crate::cli) words: Vec<String>,
    /// Run the task at these times, as in cron(5), e.g. "0 2 * * *" for two o'clock every night
    #[arg(long, value_name = "EXPRESSION", group = "when")]
    pub(in crate::cli) cron: Option<String>,
    /// Run the task at this interval, e.g. 10s or 1h30m
    #[arg(long, value_name = "DURATION", group = "when")]
    pub(in crate::cli) every: Option<String>,
    /// Run the task once at this time, e.g. "2026-12-24 18:00"
    #[arg(long, value_name = "TIME", group = "when")]
    pub(in crate::cli) at: Option<String>,
    /// The name of the trigger [default: the name of the task]
    #[arg(long, value_name = "NAME", requires = "when")]
    pub(in crate::cli) name: Option<String>,
    /// The time zone, e.g. Europe/Berlin [default: the zone of the machine that runs `flow serve`]
    #[arg(long, value_name = "ZONE", requires = "when")]
    pub(in crate::cli) timezone: Option<String>,
    /// What to do if the previous run is still active [default: skip]
    #[arg(long, value_name = "WHAT", requires = "when")]
    pub(in crate::cli) overlap: Option<OverlapArg>,
    /// What to do about times missed while no `flow serve` was running [default: last]
    #[arg(long, value_name = "WHICH", requires = "when")]
    pub(in crate::cli) catch_up: Option<CatchUpArg>,
    /// Delay each start by a random time up to this, to spread the load
    #[arg(long, value_name = "DURATION", requires = "when")]
    pub(in crate::cli) jitter: Option<String>,
    /// Show the next N times of each trigger
    #[arg(long, value_name = "N", conflicts_with = "when")]
    pub(in crate::cli) next: Option<usize>,
    /// Show the times after this moment, e.g. 2026-12-24 or "2026-12-24 18:00" [default: now]
    #[arg(long, value_name = "MOMENT", requires = "next")]
    pub(in crate::cli) from: Option<String>,
    /// Remove a trigger from schedules/
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) remove: Option<String>,
    /// Pause a trigger until it is resumed
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) pause: Option<String>,
    /// Resume a paused trigger
    #[arg(long, value_name = "TRIGGER", group = "change", conflicts_with_all = ["when", "next", "words"])]
    pub(in crate::cli) resume: Option<String>,
    /// Print the configuration for systemd or cron to start the triggers instead of `flow serve`
    #[arg(long, value_name = "FOR", conflicts_with_all = ["when", "next", "change"])]
    pub(in crate::cli) export: Option<ExportArg>,
    /// Print JSON lines
    #[arg(long, conflicts_with_all = ["when", "change", "export"])]
    pub(in crate::cli) json: bool,
}

/// What happens when the run before has not ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum OverlapArg {
    /// Skip the new run, and record that
    Skip,
    /// Start the new run when the previous one has ended
    Queue,
    /// Cancel the previous run, then start the new one
    Cancel,
    /// Run both at the same time
    Allow,
}

/// What happens with times at which nobody was there.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum CatchUpArg {
    /// Skip missed times
    None,
    /// Run once for the last missed time
    Last,
    /// Run once for each missed time, at most 1000
    All,
}

/// What starts the triggers instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportArg {
    /// systemd units: a service and a timer for each trigger
    Systemd,
    /// Lines for crontab
    Crontab,
}

/// Run all triggers until stopped
///
/// It runs the triggers in the Workflowfile and in schedules/, each run in its own process, and reloads the files when they
/// change. SIGTERM and Ctrl-C stop it. Without a terminal, SIGHUP reloads the files.
#[derive(Debug, Args)]
pub(in crate::cli) struct ServeArgs {
    /// API address; on addresses other than localhost, clients need the token in .flow/token
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8008")]
    pub(in crate::cli) listen: SocketAddr,
    /// API port; 0 picks a free port and prints it
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) port: Option<u16>,
    /// Run at most N runs at the same time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) max_parallel: Option<u16>,
    /// Time for runs to end on shutdown; runs that take longer are interrupted, and resumed at the next start
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(in crate::cli) grace: Duration,
    /// The log format on stderr
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(in crate::cli) log: LogArg,
    /// How much to log [env: FLOW_LOG] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(in crate::cli) log_level: Option<LevelArg>,
}

/// The form of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogArg {
    /// Lines for people
    Text,
    /// JSON lines
    Json,
}
