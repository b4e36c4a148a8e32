//! `flow archive`: records that take less room, and can be looked at as before.

use serde_json::json;

use super::args::ArchiveArgs;
use super::context::Context;
use super::running::unrecorded;
use super::runs::{self, unread};
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::model::id::RunId;
use crate::record::{self, prune};
use crate::report::table::bytes;
use crate::store::{Kind, Store};

/// Packs runs.
pub(super) fn archive(context: &Context, args: &ArchiveArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let (runs, before, after) = match args.older_than {
        Some(age) => {
            let now = Clock::system().now();
            let done = prune::archive(&store, age, now, args.dry_run);
            done.map_err(|error| unrecorded(&error))?
        }
        None => named(context, &store, args)?,
    };
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
fn named(
    context: &Context,
    store: &dyn Store,
    args: &ArchiveArgs,
) -> Result<(Vec<RunId>, u64, u64), Trouble> {
    let mut runs = Vec::new();
    for word in &args.runs {
        let run = runs::find(context, &context.store()?, word)?;
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
    let (mut before, mut after) = (0, 0);
    for run in runs.iter().filter(|_| !args.dry_run) {
        match store.archive(run) {
            Ok(sizes) => {
                let (had, has) = sizes.unwrap_or_default();
                (before, after) = (before + had, after + has);
            }
            Err(error) if error.kind == Kind::Owned => {
                let what = format!("somebody is working on run {run}");
                return Err(Trouble::call(what, "try again in a moment"));
            }
            Err(error) => return Err(unrecorded(&error)),
        }
    }
    Ok((runs, before, after))
}
