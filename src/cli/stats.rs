//! `flow stats`: how often runs, tasks and steps ran, how they ended, how long they took.

use serde_json::{Value as Json, json};

use clap::{Args, ValueEnum};

use super::context::Context;
use super::runs;
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::core::fact::Given;
use crate::engine::clock::Clock;
use crate::index::stats::{self, Asked, Bottleneck, By, Counts, Numbers, Stats};
use crate::index::{Index, Status};
use crate::model::time::{Timestamp, human};
use crate::record::given;
use crate::report::table;
use crate::store;
use crate::store::files::Files;

/// Show counts, outcomes and durations of tasks
#[derive(Debug, Args)]
pub(super) struct StatsArgs {
    /// Only this task
    #[arg(value_name = "TASK")]
    pub(super) task: Option<String>,
    /// Count runs that started after this time, or within this age (7d = the last seven days)
    #[arg(long, value_name = "MOMENT", default_value = "30d")]
    pub(super) since: String,
    /// Show the steps of each task too
    #[arg(long)]
    pub(super) steps: bool,
    /// Also show a row for each set of values (NAME=VALUE)
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(super) by: Option<StatsBy>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What to group by
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StatsBy {
    /// The values given as NAME=VALUE
    Vars,
}

impl Verb for StatsArgs {
    const NAME: &'static str = "stats";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        stats(context, self)
    }
}

/// Shows the numbers of many runs.
pub(super) fn stats(context: &Context, args: &StatsArgs) -> Result<Exit, Trouble> {
    let store = context.history()?;
    let since = runs::time(&args.since)?;
    let mut index = runs::index(context, &store)?;
    let by = By {
        steps: args.steps,
        vars: args.by == Some(StatsBy::Vars),
    };
    let mut stats =
        numbers(&mut index, &store, since, by).map_err(|error| runs::unindexed(&error))?;
    if let Some(task) = &args.task {
        stats.asked.retain(|row| row.tasks.contains(task));
        stats.rows.retain(|row| row.task == *task);
        stats.bottlenecks.retain(|one| one.task == *task);
        if stats.rows.is_empty() && stats.asked.is_empty() {
            let what = format!("no run of the task {task:?} began since then");
            return Err(Trouble::call(
                what,
                "`flow stats` shows all tasks; --since goes further back",
            ));
        }
    }
    let shown = super::show(&if args.json {
        format!("{:#}\n", as_json(&stats, by))
    } else {
        as_text(&stats, &args.since)
    })?;
    let damaged = index.with_status(Status::Damaged, since);
    runs::check_damaged(&damaged.map_err(|error| runs::unindexed(&error))?)?;
    let denied = index.with_status(Status::Denied, since);
    let denied = denied.map_err(|error| runs::unindexed(&error))?;
    runs::say_denied(&store, &denied.iter().collect::<Vec<_>>());
    Ok(shown)
}

/// The numbers of runs that are what their records say.
fn numbers(
    index: &mut Index,
    store: &Files,
    since: Timestamp,
    by: By,
) -> Result<Stats, store::Error> {
    let stamps = index.stamps(since)?;
    index.look_again(store, &stamps, Clock::system().now())?;
    stats::of(index, since, by)
}

/// What stands above the numbers of runs, and of tasks.
const HEAD: [&str; 7] = ["RUNS", "GOOD", "MEAN", "P95", "MIN", "MAX", "TOTAL"];

fn as_text(stats: &Stats, since: &str) -> String {
    let words = [
        (stats.completed, "completed"),
        (stats.failed, "failed"),
        (stats.cancelled, "cancelled"),
        (stats.open, "not ended"),
        (stats.damaged, "damaged"),
        (stats.denied, "unreadable"),
    ];
    let all: usize = words.iter().map(|(count, _)| count).sum();
    let told: Vec<String> = words
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if all == 0 {
        return format!("no runs since {since}\n");
    }
    let mut text = format!("runs since {since}: {}\n", told.join(", "));
    let mut part = |head: Vec<String>, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            text.push('\n');
            text.push_str(&table::aligned(std::iter::once(head).chain(rows)));
        }
    };
    part(
        head("ASKED", &[]),
        stats.asked.iter().map(of_asked).collect(),
    );
    let head = head("TASK", &["SPARED", "RETRIES"]);
    part(head, stats.rows.iter().map(of_task).collect());
    let head = ["BOTTLENECK", "RUNS", "FAILED", "RETRIED"];
    let rows = stats.bottlenecks.iter().map(of_bottleneck).collect();
    part(head.map(str::to_owned).to_vec(), rows);
    text
}

fn head(of: &str, more: &[&str]) -> Vec<String> {
    [&[of], &HEAD[..], more]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// A task, or a step of it, with what was given.
fn name(task: &str, step: &str, given: &Given) -> String {
    let name = match step {
        "" => task.to_owned(),
        step => format!("{task} {step}"),
    };
    given::call(&name, given)
}

fn of_asked(row: &Asked) -> Vec<String> {
    let name = name(&row.tasks.join(" "), "", &row.given);
    std::iter::once(name).chain(cells(&row.counts)).collect()
}

fn of_task(row: &Numbers) -> Vec<String> {
    let counted = |count: usize| match count {
        0 => String::new(),
        count => count.to_string(),
    };
    std::iter::once(name(&row.task, &row.step, &row.given))
        .chain(cells(&row.counts))
        .chain([counted(row.spared), counted(row.retries)])
        .collect()
}

fn of_bottleneck(one: &Bottleneck) -> Vec<String> {
    let of_hundred = |count: usize| format!("{} %", count * 100 / one.runs);
    vec![
        name(&one.task, &one.step, &Given::new()),
        one.runs.to_string(),
        of_hundred(one.failed),
        of_hundred(one.retried),
    ]
}

/// How often, how well and how long; nothing where nothing ran.
fn cells(counts: &Counts) -> [String; 7] {
    if counts.runs == 0 {
        return Default::default();
    }
    let good = counts.completed * 100 / counts.runs;
    let longest = counts.times.last().copied().unwrap_or_default();
    let shortest = counts.times.first().copied().unwrap_or_default();
    [
        counts.runs.to_string(),
        format!("{good} %"),
        human(counts.mean()),
        human(counts.percentile(95)),
        human(shortest),
        human(longest),
        human(counts.total()),
    ]
}

fn as_json(stats: &Stats, by: By) -> Json {
    let given = |given: &Given| by.vars.then(|| json!(given));
    let asked = stats.asked.iter().map(|row| {
        json!({
            "tasks": row.tasks,
            "given": given(&row.given),
            "runs": row.counts.runs,
            "completed": row.counts.completed,
            "seconds": seconds(&row.counts),
        })
    });
    let rows = stats.rows.iter().map(|row| {
        json!({
            "task": row.task,
            "step": if row.step.is_empty() { None } else { Some(&row.step) },
            "given": given(&row.given),
            "runs": row.counts.runs,
            "completed": row.counts.completed,
            "spared": row.spared,
            "retries": row.retries,
            "seconds": seconds(&row.counts),
        })
    });
    let bottlenecks = stats.bottlenecks.iter().map(|one| {
        json!({
            "task": one.task,
            "step": if one.step.is_empty() { None } else { Some(&one.step) },
            "runs": one.runs,
            "failed": one.failed,
            "retried": one.retried,
        })
    });
    json!({
        "runs": {
            "completed": stats.completed,
            "failed": stats.failed,
            "cancelled": stats.cancelled,
            "not_ended": stats.open,
            "damaged": stats.damaged,
            "unreadable": stats.denied,
        },
        "asked": asked.collect::<Vec<_>>(),
        "tasks": rows.collect::<Vec<_>>(),
        "bottlenecks": bottlenecks.collect::<Vec<_>>(),
    })
}

fn seconds(counts: &Counts) -> Json {
    json!({
        "mean": counts.mean().as_secs_f64(),
        "min": counts.times.first().map(std::time::Duration::as_secs_f64),
        "max": counts.times.last().map(std::time::Duration::as_secs_f64),
        "p95": counts.percentile(95).as_secs_f64(),
        "total": counts.total().as_secs_f64(),
    })
}
