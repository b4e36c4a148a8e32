//! `flow prune`: less of what is kept.

use super::args::PruneArgs;
use super::context::{self, Context};
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::incremental;
use crate::report::table::bytes;

/// Removes what was not used for longest from the cache.
pub(super) fn prune(_: &Context, args: &PruneArgs) -> Result<Exit, Trouble> {
    let folder = context::results_folder().ok_or_else(|| {
        Trouble::call(
            "there is no cache: neither XDG_CACHE_HOME nor HOME is set",
            "",
        )
    })?;
    let size = incremental::prune_cache(&folder, args.max_size, Clock::wall())
        .map_err(|error| Trouble::call(format!("can't prune {}: {error}", folder.display()), ""))?;
    super::show(&format!(
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
