//! From a Workflowfile and all that it includes to a checked [`Workflow`], or to everything that is wrong with them at once.
//!
//! ```text
//! bytes ─ text ─→ text ─ yaml ─→ tree with spans ─ read, task, vars … ─→ Raw, a file by itself ─ includes ─→ all of them
//!                                                                         ─ names, expressions ─→ Workflow
//! ```
//!
//! [`yaml`] is the only file that knows the YAML parser; the readers know only the tree. They match on its shape, report
//! what they don't like and go on, so nothing hides behind a first error. What a key *does* is not known here: a
//! [`Workflow`] is all that leaves, and there is none as long as anything is wrong. Nothing is run, no environment is read,
//! no expression is evaluated.

pub mod compiled;
mod conditions;
mod expressions;
pub mod find;
mod from_outside;
mod includes;
pub mod keys;
mod leaves;
pub mod locate;
mod locks;
mod loops;
mod map;
mod missing;
mod names;
mod params;
mod raw;
mod read;
pub mod root;
mod rules;
pub mod schedules;
pub mod schema;
mod shell_slips;
mod stdin;
mod step;
mod syntax;
mod task;
pub mod text;
pub mod tree;
mod triggers;
mod values;
mod vars;
pub mod yaml;

use std::io;
use std::path::{Path, PathBuf};

pub use find::find;

use self::includes::{Nodes, absolute, bytes_of};
use self::missing::Missing;
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::model::language::Workflow;

/// A file that can be used, with all that it includes.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means.
    pub workflow: Workflow,
    /// What its author should know all the same, with the texts of the files; not when the kept model was used.
    pub warnings: Diagnostics,
    /// All files that had a part in it, also those that were looked for and are not there.
    pub files: Vec<PathBuf>,
}

/// Reads and checks a Workflowfile; the error has all that is wrong with it.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    load_as(&path.display().to_string(), path)
}

/// The same; `name` is how the diagnostics call the file.
pub fn load_as(name: &str, path: &Path) -> Result<Loaded, Diagnostics> {
    match bytes_of(path) {
        Ok(bytes) => from_bytes(name, bytes, path),
        Err(error) => {
            let (name, text) = (name.to_owned(), String::new());
            let unreadable = unreadable(&name, path, &error);
            Err(Diagnostics::one(Source { name, text }, unreadable))
        }
    }
}

/// The same, with the model of a large file kept in a folder: while nothing has changed it is not read again.
pub fn load_kept(
    name: &str,
    path: &Path,
    models: impl FnOnce() -> Option<compiled::Models>,
) -> Result<Loaded, Diagnostics> {
    let path = absolute(path);
    let large = path
        .metadata()
        .is_ok_and(|meta| meta.len() >= compiled::BYTES_MIN);
    if !large {
        return load_as(name, &path);
    }
    let Some(models) = models() else {
        return load_as(name, &path);
    };
    if let Some(workflow) = models.find(&path) {
        return Ok(Loaded {
            workflow,
            warnings: Diagnostics::default(),
            files: Vec::new(),
        });
    }
    let loaded = load_as(name, &path)?;
    if let Some(contents) = compiled::contents(&loaded.files)
        && loaded.is_still(&contents)
    {
        models.keep(&path, contents, &loaded.workflow);
    }
    Ok(loaded)
}

impl Loaded {
    /// Whether the files hold what was read from them; they may have changed in between.
    fn is_still(&self, contents: &compiled::Contents) -> bool {
        let texts = self.warnings.sources().map(|source| &source.text);
        contents.are(texts.map(String::as_bytes))
    }
}

/// Checks the bytes of a Workflowfile as if they had been read from `path`, which is not opened; `name` is how the
/// diagnostics call it. What it includes is read.
pub fn from_bytes(name: &str, bytes: Vec<u8>, path: &Path) -> Result<Loaded, Diagnostics> {
    let name = name.to_owned();
    let text = match text::decode(bytes) {
        Ok(text) => text,
        Err((refused, text)) => return Err(Diagnostics::one(Source { name, text }, *refused)),
    };
    let mut nodes = Nodes::read(Source { name, text }, &absolute(path));
    let mut missing = Missing::new(std::mem::take(&mut nodes.absent), absolute(path));
    let mut workflow = names::resolve(&mut nodes.list, &mut missing);
    triggers::resolve(&mut nodes.list, &mut workflow);
    expressions::check(&mut nodes.list, &workflow);
    from_outside::check(&mut nodes.list, &workflow);
    let mut all = Diagnostics::default();
    for node in nodes.list {
        all.append(Diagnostics::new(node.raw.source, node.raw.found));
    }
    if all.has_errors() {
        return Err(all);
    }
    let files = workflow.files.iter().map(|file| file.path.clone());
    let files = files.chain(missing.files()).collect();
    Ok(Loaded {
        workflow,
        warnings: all,
        files,
    })
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
