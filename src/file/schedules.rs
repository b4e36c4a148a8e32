//! The folder `schedules` beside a Workflowfile: files of triggers, read when triggers matter and not before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::includes::bytes_of;
use super::read::{self, Holds};
use super::text;
use super::triggers::Known;
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::model::language::{Trigger, Workflow};

/// The name of the folder.
pub const FOLDER: &str = "schedules";

/// All triggers of a project.
#[derive(Clone, Debug, Default)]
pub struct Schedules {
    /// They, with the files they stand in: those of the Workflowfile and its includes first.
    pub triggers: Vec<(PathBuf, Trigger)>,
    /// What their author should know all the same.
    pub warnings: Diagnostics,
}

/// The triggers of a Workflowfile that has been read, and of the folder beside it. `shown` is how the folder is called.
///
/// # Errors
///
/// All that is wrong with the files.
pub fn load(workflow: &Workflow, shown: &Path) -> Result<Schedules, Diagnostics> {
    load_changed(workflow, shown, None)
}

/// A file of the folder as it is about to be.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'c> {
    /// The file.
    pub path: &'c Path,
    /// Its text; `None` when it will be gone.
    pub text: Option<&'c str>,
}

/// The same as if a file of the folder had been changed.
///
/// # Errors
///
/// All that would be wrong with the files.
pub fn load_changed(
    workflow: &Workflow,
    shown: &Path,
    changed: Option<&Changed<'_>>,
) -> Result<Schedules, Diagnostics> {
    let root = &workflow.files[0];
    let own = workflow.triggers.iter().cloned();
    let path = |trigger: &Trigger| workflow.files[trigger.place.file as usize].path.clone();
    let mut triggers: Vec<_> = own.map(|trigger| (path(&trigger), trigger)).collect();
    let mut known = Known::of(workflow);
    let mut warnings = Diagnostics::default();
    let folder = root.dir.join(FOLDER);
    let mut files = files(&folder).map_err(|error| {
        let name = shown.display().to_string();
        let message = format!("the folder '{name}' can't be read: {error}");
        let found = Diagnostic::error("cannot-read", message).help("check who may read it");
        let text = String::new();
        Diagnostics::one(Source { name, text }, found)
    })?;
    if let Some(changed) = changed {
        files.retain(|path| path != changed.path);
        files.extend(changed.text.map(|_| changed.path.to_owned()));
        files.sort();
    }
    for path in files {
        let new = changed.filter(|changed| changed.path == path);
        let new = new.and_then(|changed| changed.text);
        let name = path.file_name().unwrap_or_default();
        let name = shown.join(name).display().to_string();
        let bytes = match new {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => bytes_of(&path),
        };
        let decoded = match bytes {
            Ok(bytes) => text::decode(bytes),
            Err(error) => {
                let message = format!("'{name}' can't be read: {error}");
                let found = Diagnostic::error("cannot-read", message);
                let found = found.help("check who may read the file, or take it out of the folder");
                Err((Box::new(found), String::new()))
            }
        };
        let mut raw = match decoded {
            Ok(text) => read::read_as(Holds::Triggers, Source { name, text }, &path, 0),
            Err((refused, text)) => {
                let mut raw = read::nothing(Source { name, text }, &path);
                raw.found.push(*refused);
                raw
            }
        };
        let raws = std::mem::take(&mut raw.triggers);
        let found = known.resolve(raws, workflow, "", &mut raw);
        triggers.extend(found.into_iter().map(|one| (path.clone(), one)));
        warnings.append(Diagnostics::new(raw.source, raw.found));
    }
    if warnings.has_errors() {
        return Err(warnings);
    }
    Ok(Schedules { triggers, warnings })
}

/// The files of the folder, by their names; none where there is no folder. Those that begin with a dot are of editors.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let end = path.extension().unwrap_or_default();
        if !name.starts_with('.') && (end == "yml" || end == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
