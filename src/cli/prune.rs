//! `flow prune`: less of what is kept.

use serde_json::json;

use std::time::Duration;

use clap::Args;

use super::args::{duration, size};
use super::context::Context;
use super::needed::RESULTS;
use super::runs::{check_damaged, unread};
use super::verb::Verb;
use super::{Exit, Trouble, standing};
use crate::engine::clock::Clock;
use crate::incremental;
use crate::record::prune::{self, Policy, Pruned};
use crate::report::table::bytes;

/// Remove old runs or cached outputs
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct PruneArgs {
    /// Remove finished runs idle for at least this long, e.g. 30d, with their output
    #[arg(long, value_name = "DURATION", value_parser = duration, group = "what")]
    pub(super) older_than: Option<Duration>,
    /// Keep the newest N runs, whatever their age
    #[arg(long, value_name = "N", default_value_t = 0, requires = "older_than")]
    pub(super) keep: usize,
    /// Remove the least recently used outputs from the cache
    #[arg(long, group = "what")]
    pub(super) cache: bool,
    /// Keep at most this much in the cache, e.g. 500MB; 0 removes everything
    #[arg(long, value_name = "SIZE", default_value = "5GiB", value_parser = size, requires = "cache")]
    pub(super) max_size: u64,
    /// Show which runs would be removed, without removing them
    #[arg(short = 'n', long, conflicts_with = "cache")]
    pub(super) dry_run: bool,
    /// Print the removed runs as JSON
    #[arg(long, conflicts_with = "cache")]
    pub(super) json: bool,
}

impl Verb for PruneArgs {
    const NAME: &'static str = "prune";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        prune(context, self)
    }
}

/// Removes old runs, or what was not used for longest from the cache.
pub(super) fn prune(context: &Context, args: &PruneArgs) -> Result<Exit, Trouble> {
    let (mut text, mut damaged) = (String::new(), Vec::new());
    if let Some(older_than) = args.older_than {
        let keep = args.keep;
        let pruned = runs(context, Policy { older_than, keep }, args)?;
        text.push_str(&as_text(&pruned, args));
        damaged = pruned.damaged;
    }
    if args.cache {
        text.push_str(&cache(context, args.max_size)?);
    }
    let shown = super::show(&text)?;
    check_damaged(&damaged)?;
    Ok(shown)
}

fn runs(context: &Context, policy: Policy, args: &PruneArgs) -> Result<Pruned, Trouble> {
    let store = context.store()?;
    let now = Clock::system().now();
    let pruned = prune::prune(&store, policy, now, Clock::wall(), args.dry_run);
    pruned.map_err(|error| unread(&error))
}

fn as_text(pruned: &Pruned, args: &PruneArgs) -> String {
    if args.json {
        let value = json!({"runs": pruned.runs, "bytes": pruned.bytes, "left": pruned.left});
        return format!("{value}\n");
    }
    let count = pruned.runs.len();
    let left = pruned.left;
    match args.dry_run {
        true => {
            let runs = pruned.runs.iter();
            let runs = runs.map(|run| format!("would remove run {run}\n"));
            format!(
                "{}{} would go, {left} stay\n",
                runs.collect::<String>(),
                of(count)
            )
        }
        false => format!(
            "removed {}, {}; {left} left\n",
            of(count),
            bytes(pruned.bytes)
        ),
    }
}

fn of(runs: usize) -> String {
    match runs {
        1 => "1 run".to_owned(),
        _ => format!("{runs} runs"),
    }
}

fn cache(context: &Context, max_size: u64) -> Result<String, Trouble> {
    let (folder, key) = standing::cache(context, RESULTS).ok_or_else(|| {
        Trouble::call(
            "there is no cache of yours: neither XDG_CACHE_HOME nor HOME names a folder that belongs to you and that nobody else can write to",
            "",
        )
    })?;
    let size =
        incremental::prune_cache(&folder, key, max_size, Clock::wall()).map_err(|error| {
            let what = format!("can't prune {}: {error}", folder.path().display());
            Trouble::call(what, "")
        })?;
    Ok(format!(
        "removed {} in {} of results; {} in {} are left\n",
        bytes(size.bytes_removed),
        counted(size.entries_removed),
        bytes(size.bytes),
        counted(size.entries),
    ))
}

fn counted(tasks: usize) -> String {
    match tasks {
        1 => "1 set".to_owned(),
        _ => format!("{tasks} sets"),
    }
}
