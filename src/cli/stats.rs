//! `flow stats`: how often tasks ran, how they ended, how long they took.

use serde_json::json;

use super::args::StatsArgs;
use super::context::Context;
use super::runs;
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::index::stats::{self, Numbers, Stats};
use crate::index::{Index, Status};
use crate::model::time::{Timestamp, human};
use crate::report::table;
use crate::store;
use crate::store::files::Files;

/// Shows the numbers of many runs.
pub(super) fn stats(context: &Context, args: &StatsArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let since = runs::time(&args.since)?;
    let mut index = runs::index(context, &store)?;
    let mut stats =
        numbers(&mut index, &store, since, args.steps).map_err(|error| runs::unindexed(&error))?;
    if let Some(task) = &args.task {
        stats.rows.retain(|row| row.task == *task);
        if stats.rows.is_empty() {
            let what = format!("no run of the task {task:?} began since then");
            return Err(Trouble::call(
                what,
                "`flow stats` shows all tasks; --since goes further back",
            ));
        }
    }
    let shown = super::show(&if args.json {
        format!("{:#}\n", as_json(&stats))
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
    steps: bool,
) -> Result<Stats, store::Error> {
    let stamps = index.stamps(since)?;
    index.look_again(store, &stamps, Clock::system().now())?;
    stats::of(index, since, steps)
}

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
    let head = [
        "TASK", "RUNS", "GOOD", "MEAN", "P95", "MIN", "MAX", "TOTAL", "SPARED", "RETRIES",
    ];
    let head = head.map(str::to_owned).to_vec();
    let rows = stats.rows.iter().map(row);
    format!(
        "runs since {since}: {}\n\n{}",
        told.join(", "),
        table::aligned(std::iter::once(head).chain(rows))
    )
}

fn row(row: &Numbers) -> Vec<String> {
    let name = match row.step.as_str() {
        "" => row.task.clone(),
        step => format!("{} {step}", row.task),
    };
    let counted = |count: usize| match count {
        0 => String::new(),
        count => count.to_string(),
    };
    if row.runs == 0 {
        let mut cells = vec![String::new(); 9];
        cells.insert(0, name);
        cells[8] = counted(row.spared);
        return cells;
    }
    let good = row.succeeded * 100 / row.runs;
    let longest = row.times.last().copied().unwrap_or_default();
    let shortest = row.times.first().copied().unwrap_or_default();
    vec![
        name,
        row.runs.to_string(),
        format!("{good} %"),
        human(row.mean()),
        human(row.percentile(95)),
        human(shortest),
        human(longest),
        human(row.total()),
        counted(row.spared),
        counted(row.retries),
    ]
}

fn as_json(stats: &Stats) -> serde_json::Value {
    let rows = stats.rows.iter().map(|row| {
        json!({
            "task": row.task,
            "step": if row.step.is_empty() { None } else { Some(&row.step) },
            "runs": row.runs,
            "succeeded": row.succeeded,
            "spared": row.spared,
            "retries": row.retries,
            "seconds": {
                "mean": row.mean().as_secs_f64(),
                "min": row.times.first().map(std::time::Duration::as_secs_f64),
                "max": row.times.last().map(std::time::Duration::as_secs_f64),
                "p95": row.percentile(95).as_secs_f64(),
                "total": row.total().as_secs_f64(),
            },
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
        "tasks": rows.collect::<Vec<_>>(),
    })
}
