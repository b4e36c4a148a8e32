//! Where the Workflowfile is: in this folder or the nearest one above.
//!
//! It looks at names only; what is in the file, and whether it can be read, is found out by reading it.

use std::path::{Path, PathBuf};

/// The names that a Workflowfile may have, the first one wins.
pub const NAMES: [&str; 3] = ["Workflowfile.yml", "Workflowfile.yaml", "Workflowfile.json"];

/// The Workflowfile of this folder, or of the nearest parent that has one, as an absolute path.
pub fn find(start: &Path) -> Option<PathBuf> {
    let start = std::path::absolute(start).ok()?;
    start.ancestors().find_map(in_folder)
}

/// The Workflowfile in this folder.
pub(super) fn in_folder(folder: &Path) -> Option<PathBuf> {
    // A dangling link or a pipe of that name is found too: reading it says what is wrong, looking elsewhere would hide it.
    NAMES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()))
}
