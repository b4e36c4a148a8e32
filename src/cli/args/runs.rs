//! What can be typed after the verbs about recorded runs.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{ShowArgs, duration, size};

/// List recorded runs, newest first
#[derive(Debug, Args)]
pub(in crate::cli) struct HistoryArgs {
    /// Only runs with this status
    #[arg(long, value_name = "STATUS", value_parser = ["completed", "failed", "cancelled", "interrupted", "running", "paused"])]
    pub(in crate::cli) status: Option<String>,
    /// Only runs of this task
    #[arg(long, value_name = "TASK")]
    pub(in crate::cli) task: Option<String>,
    /// Only runs that started after this time, or within this age (2h = the last two hours)
    #[arg(long, value_name = "MOMENT")]
    pub(in crate::cli) since: Option<String>,
    /// Only runs that contain this text in a name, a reason, an error, the last lines of a failure or a note
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) text: Option<String>,
    /// Only runs that started before this run
    #[arg(long, value_name = "RUN")]
    pub(in crate::cli) before: Option<String>,
    /// Show at most N runs
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(in crate::cli) limit: usize,
    /// Print JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Show the state of a run, task by task
#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Show the run as of a fact number, a time, or an age (10m = ten minutes ago)
    #[arg(long, value_name = "MOMENT", conflicts_with = "follow")]
    pub(in crate::cli) at: Option<String>,
    /// Follow the run until it ends, or all active runs if none is given; -f after the verb is the same
    #[arg(long)]
    pub(in crate::cli) follow: bool,
    /// Print JSON; with -f, one line for each change
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Print the output of a run
#[derive(Debug, Args)]
pub(in crate::cli) struct LogsArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Only this task, byte for byte; without a task, a line on stderr names each command
    #[arg(value_name = "TASK")]
    pub(in crate::cli) task: Option<String>,
    /// Follow the run until it ends; -f after the verb is the same
    #[arg(long)]
    pub(in crate::cli) follow: bool,
}

/// Show the event log of a run: its facts, in order
#[derive(Debug, Args)]
pub(in crate::cli) struct EventsArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Only facts of this kind, such as attempt_finished; can be repeated
    #[arg(long, value_name = "KIND")]
    pub(in crate::cli) kind: Vec<String>,
    /// Show at most N facts
    #[arg(short = 'n', long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    /// Skip the first N facts
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(in crate::cli) offset: usize,
    /// Show only every tenth fact: its number (for `flow status --at`), its time and the hash of the chain up to it
    #[arg(long, conflicts_with = "kind")]
    pub(in crate::cli) snapshots: bool,
    /// Follow the run until it ends; -f after the verb is the same
    #[arg(long)]
    pub(in crate::cli) follow: bool,
    /// Print the facts as stored: JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What to group by
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StatsBy {
    /// The values given as NAME=VALUE
    Vars,
}

/// Show counts, outcomes and durations of runs and tasks, slowest first
#[derive(Debug, Args)]
pub(in crate::cli) struct StatsArgs {
    /// Only this task
    #[arg(value_name = "TASK")]
    pub(in crate::cli) task: Option<String>,
    /// Count runs that started after this time, or within this age (7d = the last seven days)
    #[arg(long, value_name = "MOMENT", default_value = "30d")]
    pub(in crate::cli) since: String,
    /// Show the steps of each task too
    #[arg(long)]
    pub(in crate::cli) steps: bool,
    /// Also show a row for each set of values (NAME=VALUE)
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(in crate::cli) by: Option<StatsBy>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Check that nobody has changed the records of runs: facts, order, plan, output, end
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN", conflicts_with = "all")]
    pub(in crate::cli) run: Option<String>,
    /// Check all runs
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Require that each finished run is signed with this public key, or the key in this file
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) key: Option<String>,
    /// Create a key that signs all runs of the project from now on, and print its public half
    #[arg(long, conflicts_with_all = ["run", "all", "key", "json"])]
    pub(in crate::cli) new_key: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Continue an interrupted run, with the Workflowfile as it was when the run started
#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: the newest interrupted run]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Continue with the current Workflowfile, as a new run that reuses the finished work
    #[arg(long)]
    pub(in crate::cli) use_current: bool,
    /// Run at most N commands at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) jobs: Option<u16>,
    /// Exit with the exit code of the first command that failed, not with 1
    #[arg(short = 'x', long)]
    pub(in crate::cli) exit_code: bool,
    #[command(flatten)]
    pub(in crate::cli) show: ShowArgs,
}

/// Run the failed part of a run again, as a new run that reuses the finished work
#[derive(Debug, Args)]
pub(in crate::cli) struct RetryArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Start at this task or step, even if it succeeded
    #[arg(long, value_name = "TASK[/STEP]")]
    pub(in crate::cli) from: Option<String>,
    /// Try at most N times, waiting 2s, 4s, 8s … between tries
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) max_retries: u32,
    /// Run at most N commands at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) jobs: Option<u16>,
    /// Exit with the exit code of the first command that failed, not with 1
    #[arg(short = 'x', long)]
    pub(in crate::cli) exit_code: bool,
    #[command(flatten)]
    pub(in crate::cli) show: ShowArgs,
}

/// Cancel a run: stop its commands and run its `finally` steps; it can't be resumed
#[derive(Debug, Args)]
pub(in crate::cli) struct CancelArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Who cancels it [default: you]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) by: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) show: ShowArgs,
}

/// Show who holds or waits for locks, or release one
#[derive(Debug, Args)]
pub(in crate::cli) struct LocksArgs {
    /// Release this lock; the run that holds it continues without it, which is recorded
    #[arg(long, value_name = "LOCK", conflicts_with = "json")]
    pub(in crate::cli) release: Option<String>,
    /// The run to take the lock from, if several hold it
    #[arg(long, value_name = "RUN", requires = "release")]
    pub(in crate::cli) run: Option<String>,
    /// Who releases it [default: you]
    #[arg(long, value_name = "NAME", requires = "release")]
    pub(in crate::cli) by: Option<String>,
    /// Print JSON lines, one for each lock
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Add a note to the record of a run; `flow history --text` finds it
#[derive(Debug, Args)]
pub(in crate::cli) struct AnnotateArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// The text of the note
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) comment: String,
    /// The number of the fact that the note is about
    #[arg(long, value_name = "N")]
    pub(in crate::cli) event: Option<u64>,
    /// The author [default: you]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) by: Option<String>,
}

/// Check flow's data and repair it: the folder, the records, their index, and processes left by a dead flow
#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    /// Rebuild the index even if it is sound
    #[arg(long)]
    pub(in crate::cli) rebuild: bool,
    /// Check instead that the programs used in the Workflowfile are installed; exit code 1 if one is missing
    #[arg(long, conflicts_with = "rebuild")]
    pub(in crate::cli) tools: bool,
    /// Trust a .flow that came from another machine or user, after a confirmation
    #[arg(long, visible_alias = "trust", conflicts_with_all = ["rebuild", "tools"])]
    pub(in crate::cli) adopt: bool,
    /// Answer yes to the confirmation
    #[arg(short = 'y', long, requires = "adopt")]
    pub(in crate::cli) yes: bool,
    /// Print JSON lines, one for each finding
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Compress finished runs with their output; they stay readable
#[derive(Debug, Args)]
pub(in crate::cli) struct ArchiveArgs {
    /// The runs: ids or prefixes, `latest`, `latest:TASK`
    #[arg(value_name = "RUN", required_unless_present = "older_than")]
    pub(in crate::cli) runs: Vec<String>,
    /// All runs idle for at least this long
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "runs")]
    pub(in crate::cli) older_than: Option<Duration>,
    /// Show what would be compressed, without doing it
    #[arg(short = 'n', long)]
    pub(in crate::cli) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Remove old runs of this project, or cached outputs of all projects
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(in crate::cli) struct PruneArgs {
    /// Remove finished runs idle for at least this long, e.g. 30d, with their output
    #[arg(long, value_name = "DURATION", value_parser = duration, group = "what")]
    pub(in crate::cli) older_than: Option<Duration>,
    /// Keep the newest N runs, whatever their age
    #[arg(long, value_name = "N", default_value_t = 0, requires = "older_than")]
    pub(in crate::cli) keep: usize,
    /// Remove the least recently used outputs from the cache
    #[arg(long, group = "what")]
    pub(in crate::cli) cache: bool,
    /// Keep at most this much in the cache, e.g. 500MB; 0 removes everything
    #[arg(long, value_name = "SIZE", default_value = "5GiB", value_parser = size, requires = "cache")]
    pub(in crate::cli) max_size: u64,
    /// Show which runs would be removed, without removing them
    #[arg(short = 'n', long, conflicts_with = "cache")]
    pub(in crate::cli) dry_run: bool,
    /// Print the removed runs as JSON
    #[arg(long, conflicts_with = "cache")]
    pub(in crate::cli) json: bool,
}
