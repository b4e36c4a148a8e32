//! What can be typed after the verbs about recorded runs.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{ShowArgs, duration, size};

/// List the recorded runs, the newest first
#[derive(Debug, Args)]
pub(in crate::cli) struct HistoryArgs {
    /// Only runs in this state: completed, failed, cancelled, interrupted, running
    #[arg(long, value_name = "STATUS", value_parser = ["completed", "failed", "cancelled", "interrupted", "running", "paused"])]
    pub(in crate::cli) status: Option<String>,
    /// Only runs that were asked for this task
    #[arg(long, value_name = "TASK")]
    pub(in crate::cli) task: Option<String>,
    /// Only runs that began since then: a time, or a duration such as 2h for so long ago
    #[arg(long, value_name = "MOMENT")]
    pub(in crate::cli) since: Option<String>,
    /// Only runs in which this text stands: names, reasons, errors, the last lines of what failed, notes
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) text: Option<String>,
    /// Only runs that began before this one
    #[arg(long, value_name = "RUN")]
    pub(in crate::cli) before: Option<String>,
    /// Show at most N runs
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(in crate::cli) limit: usize,
    /// As JSON, one object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Show how a run stands, task by task
#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    /// The run: its id or the beginning of it, `latest` (which is the default), `latest:TASK`
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// As it was then: the number of a fact, a time, or a duration such as 10m for so long ago
    #[arg(long, value_name = "MOMENT", conflicts_with = "follow")]
    pub(in crate::cli) at: Option<String>,
    /// Go on until the run ends, without one with all that run; -f behind the verb is the same
    #[arg(long)]
    pub(in crate::cli) follow: bool,
    /// As JSON; with -f in a line each time that something changes
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Print what the commands of a run printed
#[derive(Debug, Args)]
pub(in crate::cli) struct LogsArgs {
    /// The run: its id or the beginning of it, `latest` (which is the default), `latest:TASK`
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Only this task, byte for byte; without one each command has a line on stderr that names it
    #[arg(value_name = "TASK")]
    pub(in crate::cli) task: Option<String>,
    /// Go on until the run ends; -f behind the verb is the same
    #[arg(long)]
    pub(in crate::cli) follow: bool,
}

/// Show the facts of a run, of which all else follows
#[derive(Debug, Args)]
pub(in crate::cli) struct EventsArgs {
    /// The run: its id or the beginning of it, `latest` (which is the default), `latest:TASK`
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Only facts of this kind, such as attempt_finished; may be given several times
    #[arg(long, value_name = "KIND")]
    pub(in crate::cli) kind: Vec<String>,
    /// At most N facts
    #[arg(short = 'n', long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    /// Leave out the first N of them
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(in crate::cli) offset: usize,
    /// Of each tenth fact its number, for `flow status --at`, its time, and the hash of all facts up to it
    #[arg(long, conflicts_with = "kind")]
    pub(in crate::cli) snapshots: bool,
    /// Go on until the run ends; -f behind the verb is the same
    #[arg(long)]
    pub(in crate::cli) follow: bool,
    /// As they are stored: JSON, one object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What the numbers are told apart by
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StatsBy {
    /// By the values that were given
    Vars,
}

/// Show how often runs and tasks ran, how they ended and how long they took; those that took most time first
#[derive(Debug, Args)]
pub(in crate::cli) struct StatsArgs {
    /// Only this task
    #[arg(value_name = "TASK")]
    pub(in crate::cli) task: Option<String>,
    /// Of the runs that began since then: a time, or a duration such as 7d for so long ago
    #[arg(long, value_name = "MOMENT", default_value = "30d")]
    pub(in crate::cli) since: String,
    /// Of each step, too
    #[arg(long)]
    pub(in crate::cli) steps: bool,
    /// A row for each set of values that was given (NAME=VALUE), too
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(in crate::cli) by: Option<StatsBy>,
    /// As JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Check that records are what was written: facts, order, plan, output, end
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The run: its id or the beginning of it, `latest` (which is the default), `latest:TASK`
    #[arg(value_name = "RUN", conflicts_with = "all")]
    pub(in crate::cli) run: Option<String>,
    /// All runs
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Demand that the end of each run that has ended is signed, by the owner of this public key or the one in this file
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) key: Option<String>,
    /// Make a key for the project, by which the ends of its runs are signed from now on, and print its public half
    #[arg(long, conflicts_with_all = ["run", "all", "key", "json"])]
    pub(in crate::cli) new_key: bool,
    /// As JSON, one object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Go on with a run that was interrupted, with the file as it was, unless --use-current says otherwise
#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeArgs {
    /// The run: its id or the beginning of it, `latest`, `latest:TASK`; without one, the newest that was interrupted
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Go on with the file as it is now: as a new run, which takes over what was done
    #[arg(long)]
    pub(in crate::cli) use_current: bool,
    /// Run at most N commands at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) jobs: Option<u16>,
    /// End with the exit code of the command that failed, the first of several, instead of 1
    #[arg(short = 'x', long)]
    pub(in crate::cli) exit_code: bool,
    #[command(flatten)]
    pub(in crate::cli) show: ShowArgs,
}

/// Try a run once more: a new run takes over what was done in it, and begins at what failed
#[derive(Debug, Args)]
pub(in crate::cli) struct RetryArgs {
    /// The run: its id or the beginning of it, `latest` (which is the default), `latest:TASK`
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Begin at this task, or at this step of it, whatever became of it
    #[arg(long, value_name = "TASK[/STEP]")]
    pub(in crate::cli) from: Option<String>,
    /// Try at most N times, with a wait of 2s, 4s, 8s … in between
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) max_retries: u32,
    /// Run at most N commands at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) jobs: Option<u16>,
    /// End with the exit code of the command that failed, the first of several, instead of 1
    #[arg(short = 'x', long)]
    pub(in crate::cli) exit_code: bool,
    #[command(flatten)]
    pub(in crate::cli) show: ShowArgs,
}

/// End a run: what runs is stopped, its `finally` steps run, and it can't be resumed
#[derive(Debug, Args)]
pub(in crate::cli) struct CancelArgs {
    /// The run: its id or the beginning of it, `latest` (which is the default), `latest:TASK`
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Who asks for it [default: you]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) by: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) show: ShowArgs,
}

/// Show who holds which lock and who waits for it, or give one away
#[derive(Debug, Args)]
pub(in crate::cli) struct LocksArgs {
    /// Take this lock from the run that holds it; the run goes on without, and the record says so
    #[arg(long, value_name = "LOCK", conflicts_with = "json")]
    pub(in crate::cli) release: Option<String>,
    /// Of this run, where several hold one
    #[arg(long, value_name = "RUN", requires = "release")]
    pub(in crate::cli) run: Option<String>,
    /// Who takes it [default: you]
    #[arg(long, value_name = "NAME", requires = "release")]
    pub(in crate::cli) by: Option<String>,
    /// As JSON, a line for each lock
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Add a note to the record of a run, also of one that has ended; `flow history --text` finds it
#[derive(Debug, Args)]
pub(in crate::cli) struct AnnotateArgs {
    /// The run: its id or the beginning of it, `latest` (which is the default), `latest:TASK`
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// What there is to say
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) comment: String,
    /// The fact that it is about, by its number
    #[arg(long, value_name = "N")]
    pub(in crate::cli) event: Option<u64>,
    /// Who says it [default: you]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) by: Option<String>,
}

/// Look whether what flow keeps here is sound: the folder, the records, the index over them, which is made anew when it is not, and
/// processes that outlived their flow
#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    /// Make the index anew in any case
    #[arg(long)]
    pub(in crate::cli) rebuild: bool,
    /// Say instead which programs the steps of the file begin with, and where they are; exit code 1 when one is not there
    #[arg(long, conflicts_with = "rebuild")]
    pub(in crate::cli) tools: bool,
    /// Make a .flow that came from elsewhere yours, after asking: flow then believes what is in it
    #[arg(long, visible_alias = "trust", conflicts_with_all = ["rebuild", "tools"])]
    pub(in crate::cli) adopt: bool,
    /// Answer with yes
    #[arg(short = 'y', long, requires = "adopt")]
    pub(in crate::cli) yes: bool,
    /// As JSON, a line for each finding
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Pack runs that have ended, with their output; every verb looks at them as before
#[derive(Debug, Args)]
pub(in crate::cli) struct ArchiveArgs {
    /// The runs: their ids or the beginnings of them, `latest`, `latest:TASK`
    #[arg(value_name = "RUN", required_unless_present = "older_than")]
    pub(in crate::cli) runs: Vec<String>,
    /// All in which nothing has happened for so long
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "runs")]
    pub(in crate::cli) older_than: Option<Duration>,
    /// Say what would be packed, and do nothing
    #[arg(short = 'n', long)]
    pub(in crate::cli) dry_run: bool,
    /// As JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Remove old runs of this project, or results from the cache, which all projects share
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(in crate::cli) struct PruneArgs {
    /// Runs that have ended, in which nothing has happened for so long, such as 30d; their output too
    #[arg(long, value_name = "DURATION", value_parser = duration, group = "what")]
    pub(in crate::cli) older_than: Option<Duration>,
    /// Leave the newest N runs, whatever their age
    #[arg(long, value_name = "N", default_value_t = 0, requires = "older_than")]
    pub(in crate::cli) keep: usize,
    /// The cache of results: what was not used for longest
    #[arg(long, group = "what")]
    pub(in crate::cli) cache: bool,
    /// Leave at most this much of it, such as 500MB or 2GiB; 0 removes all of it
    #[arg(long, value_name = "SIZE", default_value = "5GiB", value_parser = size, requires = "cache")]
    pub(in crate::cli) max_size: u64,
    /// Say what would be removed of the runs, and remove nothing
    #[arg(short = 'n', long, conflicts_with = "cache")]
    pub(in crate::cli) dry_run: bool,
    /// Of runs, as JSON
    #[arg(long, conflicts_with = "cache")]
    pub(in crate::cli) json: bool,
}
