//! `flow archive`: records that take less room, and can be looked at as before.

use serde_json::json;

use std::time::Duration;

use clap::Args;

use super::args::duration;
use super::context::Context;
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::model::id::RunId;
use crate::record::prune::{self, Packed};
use crate::record::{self, verify};
use crate::report::table::bytes;
use crate::store::files::Files;
use crate::store::{Kind, Store};

/// Compress old runs; they stay readable
#[derive(Debug, Args)]
pub(super) struct ArchiveArgs {
    /// The runs: ids or prefixes, `latest`, `latest:TASK`
    #[arg(value_name = "RUN", required_unless_present = "older_than")]
    pub(super) runs: Vec<String>,
    /// All runs idle for at least this long
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "runs")]
    pub(super) older_than: Option<Duration>,
    /// Show what would be compressed, without doing it
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Verb for ArchiveArgs {
    const NAME: &'static str = "archive";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        archive(context, self)
    }
}

/// Packs runs.
pub(super) fn archive(context: &Context, args: &ArchiveArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let packed = match args.older_than {
        Some(age) => {
            let now = Clock::system().now();
            let done = prune::archive(&store, age, now, args.dry_run);
            done.map_err(|error| unread(&error))?
        }
        None => named(context, &store, args)?,
    };
    let shown = show(&packed, args)?;
    runs::check_damaged(&packed.damaged)?;
    Ok(shown)
}

fn show(packed: &Packed, args: &ArchiveArgs) -> Result<Exit, Trouble> {
    let Packed {
        runs,
        before,
        after,
        ..
    } = packed;
    let (before, after) = (*before, *after);
    if args.json {
        let value = json!({"runs": runs, "bytes_before": before, "bytes_after": after});
        return super::show(&format!("{value}\n"));
    }
    let count = match runs.len() {
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    };
    super::show(&if args.dry_run {
        let runs: String = runs
            .iter()
            .map(|run| format!("would pack run {run}\n"))
            .collect();
        format!("{runs}{count} would be packed\n")
    } else if before == 0 {
        format!("packed {count}\n")
    } else {
        format!(
            "packed {count}, {} of {} left\n",
            bytes(after),
            bytes(before)
        )
    })
}

/// The runs that were named: all of them have ended, before any is packed.
fn named(context: &Context, store: &Files, args: &ArchiveArgs) -> Result<Packed, Trouble> {
    let mut runs: Vec<RunId> = Vec::new();
    for word in &args.runs {
        let run = runs::find(context, store, word)?;
        let heads = store.heads_of(&run).map_err(|error| unread(&error))?;
        verify::run(store, &run, &heads, None, false).map_err(|error| unread(&error))?;
        if record::end(store, &run)
            .map_err(|error| unread(&error))?
            .is_none()
        {
            let what = format!("run {run} has not ended");
            return Err(Trouble::call(
                what,
                format!("flow resume {run} goes on with it"),
            ));
        }
        if !store.is_archived(&run) {
            runs.push(run);
        }
    }
    runs.sort();
    runs.dedup();
    let mut packed = Packed::default();
    for run in runs {
        match if args.dry_run {
            Ok(None)
        } else {
            store.archive(&run)
        } {
            Ok(sizes) => {
                let (before, after) = sizes.unwrap_or_default();
                packed.before += before;
                packed.after += after;
                packed.runs.push(run);
            }
            // It was there a moment ago.
            Err(error) if error.kind == Kind::Missing => {
                return Err(runs::find(context, store, run.as_str())
                    .err()
                    .unwrap_or_else(|| unread(&error)));
            }
            Err(error) if error.kind == Kind::Owned => {
                let what = format!("somebody is working on run {run}");
                return Err(Trouble::call(what, "try again in a moment"));
            }
            Err(error) => return Err(unread(&error)),
        }
    }
    Ok(packed)
}
