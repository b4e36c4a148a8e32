//! From a Workflowfile to a checked [`Workflow`], or to everything that is wrong with it at once.
//!
//! ```text
//! bytes ─ text ─→ text ─ yaml ─→ tree with spans ─ read, task, values ─→ Workflow
//!                           └──────────── diagnostics ────────────┘
//! ```
//!
//! [`yaml`] is the only file that knows the YAML parser; the readers know only the tree. They match on its shape, report
//! what they don't like and go on, so nothing hides behind a first error. What a key *does* is not known here: a
//! [`Workflow`] is all that leaves, and there is none as long as anything is wrong. No file but the one that was asked
//! for is opened, nothing is run, no environment is read.

pub mod find;
pub mod keys;
pub mod locate;
mod map;
mod read;
mod syntax;
mod task;
pub mod text;
pub mod tree;
mod values;
pub mod yaml;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

pub use find::find;

use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::model::workflow::Workflow;

/// A file that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means.
    pub workflow: Workflow,
    /// What its author should know all the same; usually nothing. It also has the text of the file.
    pub warnings: Diagnostics,
}

/// Reads and checks a Workflowfile; the error has all that is wrong with it.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    load_as(&path.display().to_string(), path)
}

/// The same; `name` is how the diagnostics call the file.
pub fn load_as(name: &str, path: &Path) -> Result<Loaded, Diagnostics> {
    match read_bytes(path) {
        Ok(bytes) => from_bytes(name, bytes, path),
        Err(error) => {
            let (name, text) = (name.to_owned(), String::new());
            let unreadable = unreadable(&name, path, &error);
            Err(Diagnostics::one(Source { name, text }, unreadable))
        }
    }
}

/// Checks the bytes of a Workflowfile as if they had been read from `path`, which is not opened; `name` is how the
/// diagnostics call it.
pub fn from_bytes(name: &str, bytes: Vec<u8>, path: &Path) -> Result<Loaded, Diagnostics> {
    let name = name.to_owned();
    let text = match text::decode(bytes) {
        Ok(text) => text,
        Err((refused, text)) => return Err(Diagnostics::one(Source { name, text }, *refused)),
    };
    let (workflow, found) = read::read(&text, &absolute(path));
    let all = Diagnostics::new(Source { name, text }, found);
    match workflow {
        Some(workflow) if !all.has_errors() => Ok(Loaded {
            workflow,
            warnings: all,
        }),
        _ => Err(all),
    }
}

/// The bytes of a regular file, and at most one more than may be read.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before it is opened, because opening a pipe waits for somebody to write.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(text::BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(shown: &str, path: &Path, error: &io::Error) -> Diagnostic {
    match error.kind() {
        io::ErrorKind::NotFound => Diagnostic::error("no-such-file", format!("there is no file '{shown}'"))
            .help("check the path; without one, flow looks for a Workflowfile.yml here and in the folders above"),
        io::ErrorKind::InvalidInput if path.is_dir() => {
            Diagnostic::error("not-a-file", format!("'{shown}' is a folder, not a file"))
                .help(format!("name the file in it: {}", path.join(find::NAMES[0]).display()))
        }
        io::ErrorKind::InvalidInput => Diagnostic::error("not-a-file", format!("'{shown}' is not a regular file"))
            .help("a Workflowfile is read from a regular file only, not from a pipe or a device"),
        _ => Diagnostic::error("cannot-read", format!("'{shown}' can't be read: {error}"))
            .help("check who may read the file and the folders above it"),
    }
}

/// The path from the root on, without `.` and `..`, and without asking the file system.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
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
