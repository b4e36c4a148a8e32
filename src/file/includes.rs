//! Reading a file with all that it includes: which file an include means, how many there may be, what is a circle.
//!
//! It knows paths and reads files; what stands in a file is read by `read`.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::names::whole;
use super::raw::{Include, Raw};
use super::{find, read, text};
use crate::diagnostic::{Diagnostic, Source};
use crate::model::language::{Absent, FileIndex, Var};
use crate::model::path::clean;

/// How many files there may be in all.
const FILES_MAX: usize = 1_000;
/// How deep includes may go.
const DEPTH_MAX: usize = 32;
/// How large all files may be together, in bytes.
const BYTES_MAX: usize = 50_000_000;

/// A file in the tree of includes.
pub(super) struct Node {
    pub(super) raw: Raw,
    pub(super) namespace: String,
    pub(super) parent: Option<FileIndex>,
    pub(super) with: Vec<Var>,
    /// What is added to the names of its tasks by the file that includes it; nothing when they stand among that file's own.
    pub(super) part: String,
    /// Names and globs of tasks that do not come along, and where the including file says so.
    pub(super) excludes: Vec<(String, Range<usize>)>,
    /// The folder that its paths are relative to.
    pub(super) base: PathBuf,
}

/// The root file and all that it includes, each after the one that includes it.
pub(super) struct Nodes {
    pub(super) list: Vec<Node>,
    /// Files that were looked for and are not there, which is no error.
    pub(super) absent: Vec<(PathBuf, Absent)>,
    bytes: usize,
}

impl Nodes {
    /// Begins with the root file, whose text is known, and reads what it includes.
    pub(super) fn read(source: Source, path: &Path) -> Self {
        let bytes = source.text.len();
        let root = Node {
            raw: read::read(source, path, 0),
            namespace: String::new(),
            parent: None,
            with: Vec::new(),
            part: String::new(),
            excludes: Vec::new(),
            base: path.parent().unwrap_or(path).to_path_buf(),
        };
        let mut nodes = Self {
            list: vec![root],
            absent: Vec::new(),
            bytes,
        };
        let mut next = 0;
        while next < nodes.list.len() {
            let includes = std::mem::take(&mut nodes.list[next].raw.includes);
            for include in includes {
                nodes.include(next, include);
            }
            next += 1;
        }
        nodes
    }

    fn include(&mut self, parent: usize, include: Include) {
        let (span, optional) = (include.span.clone(), include.optional);
        let absent = Absent {
            namespace: self.namespace(parent, &include),
            flatten: include.flatten,
            name: include.name.clone(),
            file: include.file.clone(),
        };
        match self.open(parent, include) {
            Ok(node) => self.list.push(node),
            Err(Wrong {
                missing: Some(path),
                ..
            }) if optional => self.absent.push((path, absent)),
            Err(wrong) => self.list[parent]
                .raw
                .found
                .push(wrong.diagnostic.at(span, "")),
        }
    }

    /// What the names of an include's tasks begin with.
    fn namespace(&self, parent: usize, include: &Include) -> String {
        let above = &self.list[parent].namespace;
        if include.flatten {
            return above.clone();
        }
        whole(above, &include.name)
    }

    fn open(&mut self, parent: usize, include: Include) -> Result<Node, Wrong> {
        if include.file.contains("://") {
            let diagnostic = Diagnostic::error(
                "remote-include",
                "an include is a local file, and this is an address",
            );
            return Err(diagnostic
                .help("copy the file into the repository, or bring it by a git submodule")
                .into());
        }
        let path = meant(&self.list[parent].raw.dir.join(&include.file));
        self.check_place(parent, &path)?;
        let bytes = bytes_of(&path).map_err(|error| unreadable(&include, &path, &error))?;
        self.bytes += bytes.len();
        if self.bytes > BYTES_MAX {
            let message = format!(
                "all files together are larger than {} MB",
                BYTES_MAX / 1_000_000
            );
            return Err(Diagnostic::error("too-large", message)
                .help("include fewer files")
                .into());
        }
        let name = shown(&self.list[parent].raw, &include.file, &path);
        let file = FileIndex::try_from(self.list.len()).unwrap_or(FileIndex::MAX);
        let raw = match text::decode(bytes) {
            Ok(text) => read::read(Source { name, text }, &path, file),
            Err((refused, text)) => {
                let mut raw = read::nothing(Source { name, text }, &path);
                raw.found.push(*refused);
                raw
            }
        };
        let base = match &include.dir {
            Some(dir) => clean(&self.list[parent].base.join(dir)),
            None => raw.dir.clone(),
        };
        Ok(Node {
            raw,
            namespace: self.namespace(parent, &include),
            parent: FileIndex::try_from(parent).ok(),
            part: match include.flatten {
                true => String::new(),
                false => include.name,
            },
            with: include.with,
            excludes: include.excludes,
            base,
        })
    }

    /// Circles, and trees that are too large.
    fn check_place(&self, parent: usize, path: &Path) -> Result<(), Wrong> {
        let mut above = vec![path];
        let mut at = Some(parent);
        while let Some(index) = at {
            let node = &self.list[index];
            above.push(&node.raw.path);
            if node.raw.path == path {
                let names: Vec<String> =
                    above.iter().rev().map(|path| self.relative(path)).collect();
                let message = format!("files include one another: {}", names.join(" -> "));
                return Err(Diagnostic::error("include-cycle", message)
                    .help("take one of these includes out")
                    .into());
            }
            at = node.parent.map(|parent| parent as usize);
        }
        if above.len() > DEPTH_MAX {
            let message = format!("includes go more than {DEPTH_MAX} deep");
            return Err(Diagnostic::error("too-deep", message)
                .help("include the file further up")
                .into());
        }
        if self.list.len() >= FILES_MAX {
            let message = format!("there are more than {FILES_MAX} files");
            return Err(Diagnostic::error("too-many-files", message)
                .help("include fewer files")
                .into());
        }
        Ok(())
    }

    fn relative(&self, path: &Path) -> String {
        let root = &self.list[0].raw.dir;
        path.strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// Why a file was not included.
struct Wrong {
    diagnostic: Diagnostic,
    /// The file that is not there.
    missing: Option<PathBuf>,
}

impl From<Diagnostic> for Wrong {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostic,
            missing: None,
        }
    }
}

/// The file that a path means: itself, or the Workflowfile in a folder.
fn meant(path: &Path) -> PathBuf {
    let path = absolute(path);
    if !path.is_dir() {
        return path;
    }
    find::in_folder(&path).unwrap_or_else(|| path.join(find::NAMES[0]))
}

/// How the file is called in messages: as the including file's author would call it.
fn shown(parent: &Raw, written: &str, path: &Path) -> String {
    let folder = Path::new(&parent.source.name)
        .parent()
        .unwrap_or(Path::new(""));
    let mut shown = folder.join(written);
    if path.file_name() != shown.file_name()
        && let Some(name) = path.file_name()
    {
        shown.push(name);
    }
    shown
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect::<PathBuf>()
        .display()
        .to_string()
}

fn unreadable(include: &Include, path: &Path, error: &io::Error) -> Wrong {
    let written = &include.file;
    let diagnostic = match error.kind() {
        io::ErrorKind::NotFound => Diagnostic::error(
            "no-such-file",
            format!("there is no file '{written}' to include"),
        )
        .help(format!(
            "it was looked for at {}; 'optional: true' lets it be missing",
            path.display()
        )),
        io::ErrorKind::InvalidInput => {
            Diagnostic::error("not-a-file", format!("'{written}' is not a regular file"))
                .help("include a regular file, or a folder with a Workflowfile.yml in it")
        }
        _ => Diagnostic::error("cannot-read", format!("'{written}' can't be read: {error}"))
            .help("check who may read the file and the folders above it"),
    };
    let missing = (error.kind() == io::ErrorKind::NotFound).then(|| path.to_path_buf());
    Wrong {
        diagnostic,
        missing,
    }
}

/// The bytes of a regular file, and at most one more than may be read.
pub(super) fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
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

/// The path from the root on, without `.` and `..`, and without asking the file system.
pub(super) fn absolute(path: &Path) -> PathBuf {
    clean(&std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()))
}
