//! What a task is made of, and the patterns of its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::walk::{Pattern, is_name};
use crate::eval::recipe::Part;

/// What a task is made of, and what it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// What tells it from all other tasks of the project: its name, its item.
    pub name: String,
    /// The folder that its patterns are relative to, absolute.
    pub folder: PathBuf,
    /// The files that it reads; a pattern that begins with `!` takes some out. `None` when it does not say.
    pub sources: Option<Vec<String>>,
    /// The files that it makes.
    pub generates: Vec<String>,
    /// What else it is made of.
    pub parts: Vec<Part>,
    /// What the tasks make that it needs: their folders and their `generates`.
    pub needs: Vec<(PathBuf, Vec<String>)>,
    /// Others read values of it, which therefore have to be known.
    pub is_read: bool,
    /// A secret is part of what it is made of: its results are kept in no cache.
    pub is_secret: bool,
}

impl Task {
    /// The patterns of what it reads.
    pub(super) fn inputs(&self) -> Vec<Pattern> {
        let sources = self.sources.as_deref().unwrap_or_default();
        let mut patterns = read_by(&self.folder, sources, &self.generates);
        for (folder, generates) in &self.needs {
            patterns.extend(made_by(folder, generates));
        }
        patterns
    }

    pub(super) fn outputs(&self) -> Vec<Pattern> {
        made_by(&self.folder, &self.generates).collect()
    }
}

/// The patterns of files that are read, without what is made there.
pub(super) fn read_by(folder: &Path, sources: &[String], makes: &[String]) -> Vec<Pattern> {
    let folder: Arc<Path> = folder.into();
    let taken_out = sources.iter().filter_map(|text| text.strip_prefix('!'));
    // What it makes itself is no source of it.
    let makes = makes.iter().filter(|text| !text.starts_with('!'));
    let without: Arc<[String]> = taken_out.map(str::to_owned).chain(makes.cloned()).collect();
    let none: Arc<[String]> = Arc::new([]);
    let own = sources
        .iter()
        .filter(|text| !text.starts_with('!'))
        .map(|text| Pattern {
            folder: Arc::clone(&folder),
            text: text.clone(),
            without: if is_name(text) {
                Arc::clone(&none)
            } else {
                Arc::clone(&without)
            },
            ignores: !is_name(text),
        });
    own.collect()
}

pub(super) fn made_by(
    folder: &Path,
    generates: &[String],
) -> impl Iterator<Item = Pattern> + use<> {
    let folder: Arc<Path> = folder.into();
    let without: Arc<[String]> = generates
        .iter()
        .filter_map(|text| text.strip_prefix('!'))
        .map(str::to_owned)
        .collect();
    let made = generates.iter().filter(|text| !text.starts_with('!'));
    let made: Vec<String> = made.cloned().collect();
    made.into_iter().map(move |text| Pattern {
        folder: Arc::clone(&folder),
        text,
        without: Arc::clone(&without),
        ignores: false,
    })
}
