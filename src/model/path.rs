//! Paths as text, without asking a file system.

use std::path::{Component, Path, PathBuf};

/// The path without `.`, and without `..` and what stands before it.
pub fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            other => clean.push(other),
        }
    }
    clean
}
