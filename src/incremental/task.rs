//! What a task is made of, and the patterns of its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::walk::{Pattern, is_name};
use crate::eval::recipe::Part;
use crate::model::path::clean;

/// What a task is made of, and what it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// What it is called.
    pub name: String,
    /// What tells it from all other tasks of the project: where it is defined, its values, its item.
    pub identity: String,
    /// The folder that its patterns are relative to, absolute.
    pub folder: PathBuf,
    /// The files that it reads; a pattern that begins with `!` takes some out. `None` when it does not say.
    pub sources: Option<Vec<String>>,
    /// Files that it reads and that need not be there.
    pub optional_sources: Vec<String>,
    /// The file in which its commands name what else they have read.
    pub depfile: Option<String>,
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
        let mut patterns = self.own();
        let optional = self.with_exclusions(&self.optional_sources);
        patterns.extend(read_by(&self.folder, &optional, &self.generates));
        for (folder, generates) in &self.needs {
            patterns.extend(made_by(folder, generates));
        }
        patterns
    }

    /// The patterns of what it says that it reads, and that has to be there.
    pub(super) fn own(&self) -> Vec<Pattern> {
        let sources = self.sources.as_deref().unwrap_or_default();
        read_by(&self.folder, sources, &self.generates)
    }

    /// These patterns, with those that take files out of its sources.
    fn with_exclusions(&self, patterns: &[String]) -> Vec<String> {
        let sources = self.sources.iter().flatten();
        let without = sources.filter(|text| text.starts_with('!'));
        patterns.iter().chain(without).cloned().collect()
    }

    pub(super) fn outputs(&self) -> Vec<Pattern> {
        let mut outputs: Vec<Pattern> = made_by(&self.folder, &self.generates).collect();
        outputs.extend(self.depfile_path().and_then(|path| Pattern::of_file(&path)));
        outputs
    }

    /// Where its commands name what else they have read.
    pub(super) fn depfile_path(&self) -> Option<PathBuf> {
        let depfile = self.depfile.as_ref()?;
        Some(clean(&self.folder.join(depfile)))
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
            empty: false,
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
        empty: true,
    })
}
