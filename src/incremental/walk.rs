//! The folders of a project as they are at one moment, each read once, and the files in them that a pattern matches.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::gitignore::Ignore;
use super::stat::{self, Kind, Stat};
use crate::eval::recipe::name_as_pattern;
use crate::model::path::clean;

/// How deep folders are looked into.
const FOLDERS_MAX: usize = 100;

/// The folders, as far as they have been looked at.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    folders: Mutex<HashMap<PathBuf, Arc<Listing>>>,
}

#[derive(Debug)]
struct Listing {
    entries: Vec<Entry>,
    ignore: Ignore,
}

#[derive(Debug)]
struct Entry {
    name: OsString,
    kind: Kind,
    ignored: bool,
    stat: OnceLock<Option<(Kind, Stat)>>,
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Absolute.
    pub(super) path: PathBuf,
    pub(super) stat: Stat,
}

/// Who is told what is seen on a walk.
pub(super) trait Seen {
    /// Whether files are looked for.
    const WANTS_FILES: bool;

    /// A folder that is looked into, or would be if it were there.
    fn folder(&mut self, path: &Path);

    /// A file that matches, or an empty folder that does where such are looked for.
    fn file(&mut self, path: PathBuf, stat: Stat);
}

impl Seen for Vec<Found> {
    const WANTS_FILES: bool = true;

    fn folder(&mut self, _: &Path) {}

    fn file(&mut self, path: PathBuf, stat: Stat) {
        self.push(Found { path, stat });
    }
}

/// What a pattern of many files means: where they are, how deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The folder that the walk begins in, and how the texts of paths in it begin.
    start: PathBuf,
    below: Vec<u8>,
    /// How many folders deep.
    folders: usize,
    /// It names hidden files.
    hidden: bool,
    /// It is a name: of a file, or of a folder and all that is in it.
    is_name: bool,
    /// What the texts are held against.
    pattern: Pattern,
}

/// A pattern and what it leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern {
    /// The folder that it is relative to, absolute.
    pub(super) folder: Arc<Path>,
    pub(super) text: String,
    /// Patterns of files that are left out.
    pub(super) without: Arc<[String]>,
    /// What git ignores is left out, unless the pattern names it.
    pub(super) ignores: bool,
    /// Folders that match and hold nothing count as files do: somebody made them.
    pub(super) empty: bool,
}

impl Pattern {
    /// Of the file at an absolute path, and no other; `None` where the path is no text.
    pub(super) fn of_file(path: &Path) -> Option<Self> {
        Some(Self {
            folder: path.parent()?.into(),
            text: name_as_pattern(path.file_name()?.to_str()?),
            without: Arc::new([]),
            ignores: false,
            empty: false,
        })
    }

    /// Whether it is a name, and not a pattern of many.
    pub(super) fn is_name(&self) -> bool {
        is_name(&self.text)
    }

    /// The path of the file or the folder that it names.
    pub(super) fn named(&self) -> PathBuf {
        clean(&self.folder.join(literal(&self.text)))
    }

    /// Whether it means one file, be it there or not: a name that is not that of a folder.
    pub(super) fn is_of_one(&self) -> bool {
        self.is_name() && !self.names_folder()
    }

    /// Whether all that is in a folder counts, as the pattern names it.
    pub(super) fn names_folder(&self) -> bool {
        self.is_name() && self.named().is_dir()
    }

    pub(super) fn shape(&self) -> Shape {
        if self.is_name() {
            return self.of_folder(self.named());
        }
        let base = self.text[..special(&self.text)]
            .rfind('/')
            .map_or(0, |slash| slash + 1);
        let whole = self.text.trim_end_matches('/');
        let (base, rest) = whole.split_at(base);
        let deep = rest.contains("**") || rest.contains('{');
        let text = whole.strip_prefix("./").unwrap_or(whole);
        let base = literal(base);
        let base_text = base.strip_prefix("./").unwrap_or(&base);
        Shape {
            start: clean(&self.folder.join(&base)),
            below: base_text.as_bytes().to_vec(),
            folders: if deep {
                FOLDERS_MAX
            } else {
                rest.matches('/').count()
            },
            hidden: rest.split('/').any(|part| part.starts_with('.')),
            is_name: false,
            pattern: Self {
                // A `!` at the start would turn the meaning around.
                text: if text.starts_with('!') {
                    format!("\\{text}")
                } else {
                    text.to_owned()
                },
                ..self.clone()
            },
        }
    }

    /// All that is in a folder that it names.
    fn of_folder(&self, path: PathBuf) -> Shape {
        Shape {
            pattern: Self {
                folder: path.as_path().into(),
                text: "**".to_owned(),
                ..self.clone()
            },
            start: path,
            below: Vec::new(),
            folders: FOLDERS_MAX,
            hidden: true,
            is_name: true,
        }
    }

    fn leaves_out(&self, below: &[u8]) -> bool {
        self.without.iter().any(|pattern| {
            let pattern = pattern.trim_end_matches('/');
            let parts = (0..below.len())
                .filter(|at| below[*at] == b'/')
                .chain([below.len()]);
            // What is in a folder that is left out is left out.
            parts
                .into_iter()
                .any(|end| fast_glob::glob_match(pattern, &below[..end]))
        })
    }
}

/// Whether a pattern is a name, and not one of many.
pub(super) fn is_name(pattern: &str) -> bool {
    special(pattern) == pattern.len()
}

/// Where the first letter stands that makes a text a pattern of many; its length where there is none.
fn special(pattern: &str) -> usize {
    let mut letters = pattern.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '*' | '?' | '[' | '{' => return at,
            _ => {}
        }
    }
    pattern.len()
}

/// A pattern that is a name, as the name: what is escaped in it stands for itself.
pub(super) fn literal(pattern: &str) -> String {
    let mut name = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        let escaped = (letter == '\\').then(|| letters.next()).flatten();
        name.push(escaped.unwrap_or(letter));
    }
    name
}

/// Where a walk is.
struct Depth {
    /// How the texts of paths begin in this folder.
    below: Vec<u8>,
    /// How many folders deeper it may go.
    folders: usize,
    /// The folder itself matches, so all that is in it counts.
    all: bool,
}

impl Depth {
    /// In a folder that counts as a whole.
    const fn whole(below: Vec<u8>) -> Self {
        Self {
            below,
            folders: FOLDERS_MAX,
            all: true,
        }
    }

    /// In the folder of this name.
    fn within(mut self) -> Self {
        self.below.push(b'/');
        self
    }
}

impl Shape {
    /// The folder that the walk begins in.
    pub(super) fn start(&self) -> &Path {
        &self.start
    }

    /// The folder that it names, which is more than the one that it is relative to.
    fn named(&self) -> Option<&Path> {
        (self.start != *self.pattern.folder).then_some(&self.start)
    }

    /// Whether it matches a text, or a folder that this is in.
    fn matches_within(&self, text: &[u8]) -> bool {
        let own = self.below.len();
        let ends = (own..text.len()).filter(|at| text[*at] == b'/');
        ends.chain([text.len()])
            .enumerate()
            .take_while(|(folders, _)| *folders <= self.folders)
            .any(|(_, end)| fast_glob::glob_match(&self.pattern.text, &text[..end]))
    }
}

impl Tree {
    /// For a project, of which nothing is known yet.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folders: Mutex::default(),
        }
    }

    /// The files that a pattern matches, sorted; of a folder that is named, all that is in it.
    pub(super) fn find(&self, pattern: &Pattern) -> Vec<Found> {
        let mut found = Vec::new();
        self.visit(pattern, &mut found);
        if !pattern.is_name() {
            found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        }
        found
    }

    /// The same for anybody, in any order.
    pub(super) fn visit(&self, pattern: &Pattern, seen: &mut impl Seen) {
        if pattern.is_name() {
            let path = pattern.named();
            seen.folder(path.parent().unwrap_or(&path));
            match stat::look(&path) {
                // A link that is named is followed: it stands for the folder that it leads to.
                Some((Kind::Link, _)) if path.is_dir() => self.visit_all(pattern, path, seen),
                Some((Kind::File | Kind::Link, stat)) => seen.file(path, stat),
                Some((Kind::Folder, _)) => self.visit_all(pattern, path, seen),
                Some((Kind::Other, _)) | None => {}
            }
            return;
        }
        let shape = pattern.shape();
        let at = Depth {
            below: shape.below.clone(),
            folders: shape.folders,
            all: false,
        };
        self.walk(&shape, &shape.start, at, seen);
    }

    /// All that is in a folder that a pattern names.
    fn visit_all(&self, pattern: &Pattern, path: PathBuf, seen: &mut impl Seen) {
        let shape = pattern.of_folder(path);
        self.walk(&shape, &shape.start, Depth::whole(Vec::new()), seen);
    }

    /// The same for what is in a folder, with that folder itself.
    pub(super) fn visit_beneath(
        &self,
        (pattern, shape): (&Pattern, &Shape),
        folder: &Path,
        seen: &mut impl Seen,
    ) {
        let Ok(rest) = folder.strip_prefix(&shape.start) else {
            // All that the pattern reaches may be in there.
            if shape.start.starts_with(folder) {
                self.visit(pattern, seen);
            }
            return;
        };
        let depth = rest.iter().count();
        let mut below = shape.below.clone();
        let mut all = false;
        if depth > 0 {
            below.extend_from_slice(rest.as_os_str().as_bytes());
            let private = |part: &std::ffi::OsStr| {
                matches!(part.as_bytes(), b".git" | b".flow")
                    || !shape.hidden && part.as_bytes().starts_with(b".")
            };
            let ignored = || shape.pattern.ignores && self.ignores(shape, folder);
            all = shape.matches_within(&below);
            if depth > shape.folders && !all
                || rest.iter().any(private)
                || shape.pattern.leaves_out(&below)
                || ignored()
            {
                return;
            }
            below.push(b'/');
        }
        let at = match all {
            true => Depth::whole(below),
            false => Depth {
                below,
                folders: shape.folders - depth,
                all,
            },
        };
        if stat::look(folder).is_some_and(|(kind, _)| kind == Kind::Folder) {
            self.walk(shape, folder, at, seen);
        }
    }

    /// Whatever was known of a folder, and of what is in it, is so no more.
    pub(super) fn forget(&self, folder: &Path) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.retain(|path, _| !path.starts_with(folder) && Some(&**path) != folder.parent());
    }

    /// Whether a pattern of this shape matches a path, be there a file or not.
    pub(super) fn matches(&self, shape: &Shape, path: &Path) -> bool {
        if shape.is_name && shape.start == path {
            return true;
        }
        let Ok(rest) = path.strip_prefix(&shape.start) else {
            return false;
        };
        let parts: Vec<&[u8]> = rest.iter().map(OsStrExt::as_bytes).collect();
        let Some((_, folders)) = parts.split_last() else {
            return false;
        };
        let private = |part: &&[u8]| matches!(*part, b".git" | b".flow");
        let mut text = shape.below.clone();
        text.extend_from_slice(rest.as_os_str().as_bytes());
        let hidden = !shape.hidden && parts.iter().any(|part| part.starts_with(b"."));
        if hidden || folders.iter().any(private) || shape.pattern.leaves_out(&text) {
            return false;
        }
        let ignored = || shape.pattern.ignores && self.ignores(shape, path);
        shape.matches_within(&text) && !ignored()
    }

    /// Whether git ignores a path, or a folder between `start` and it.
    fn ignores(&self, shape: &Shape, path: &Path) -> bool {
        let mut at = path;
        let within = |parent: &&Path| parent.starts_with(&shape.start);
        while let Some(parent) = at.parent().filter(within) {
            let is_folder = at != path || at.is_dir();
            let ignore = &self.folder(parent).ignore;
            if ignore.ignores_within(at, is_folder, shape.named()) {
                return true;
            }
            at = parent;
        }
        false
    }

    fn walk<S: Seen>(&self, shape: &Shape, folder: &Path, at: Depth, seen: &mut S) {
        let (pattern, hidden) = (&shape.pattern, shape.hidden);
        let Depth {
            below,
            folders,
            all,
        } = at;
        seen.folder(folder);
        let entries = self.folder(folder);
        if S::WANTS_FILES && pattern.empty && all && entries.entries.is_empty() {
            if let Some((_, stat)) = stat::look(folder) {
                seen.file(folder.to_owned(), stat);
            }
            return;
        }
        for entry in &entries.entries {
            let name = entry.name.as_bytes();
            let is_folder = entry.kind == Kind::Folder;
            if name.starts_with(b".") && !hidden {
                continue;
            }
            let ignored = || {
                let path = folder.join(&entry.name);
                let named = shape.named();
                named.is_none() || entries.ignore.ignores_within(&path, is_folder, named)
            };
            if pattern.ignores && entry.ignored && ignored() {
                continue;
            }
            let mut text = below.clone();
            text.extend_from_slice(name);
            if is_folder && (name == b".git" || name == b".flow") {
                continue;
            }
            if !pattern.without.is_empty() && pattern.leaves_out(&text) {
                continue;
            }
            let matches = || all || fast_glob::glob_match(&pattern.text, &text);
            if is_folder {
                // A folder that matches stands for all that is in it.
                let at = match matches() {
                    true => Depth::whole(text),
                    false if folders == 0 => continue,
                    false => Depth {
                        below: text,
                        folders: folders - 1,
                        all,
                    },
                };
                let folder = folder.join(&entry.name);
                self.walk(shape, &folder, at.within(), seen);
            } else if S::WANTS_FILES && entry.kind != Kind::Other && matches() {
                let path = folder.join(&entry.name);
                let stat = entry.stat.get_or_init(|| stat::look(&path));
                if let Some((Kind::File | Kind::Link, stat)) = *stat {
                    seen.file(path, stat);
                }
            }
        }
    }

    fn folder(&self, path: &Path) -> Arc<Listing> {
        let known = |path: &Path| {
            let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.get(path).cloned()
        };
        if let Some(folder) = known(path) {
            return folder;
        }
        let above = path.parent().and_then(known);
        let ignore = match above {
            Some(above) => above.ignore.within(path),
            None => Ignore::of(path, &self.root),
        };
        let entry = |entry: fs::DirEntry| {
            let kind = entry.file_type().ok()?;
            let kind = if kind.is_dir() {
                Kind::Folder
            } else if kind.is_file() {
                Kind::File
            } else if kind.is_symlink() {
                Kind::Link
            } else {
                Kind::Other
            };
            let ignored = ignore.ignores(&entry.path(), kind == Kind::Folder);
            Some(Entry {
                name: entry.file_name(),
                kind,
                ignored,
                stat: OnceLock::new(),
            })
        };
        // What can't be read matches nothing, as in a shell.
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let entries = entries.filter_map(entry).collect();
        let folder = Arc::new(Listing { entries, ignore });
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(folders.entry(path.to_owned()).or_insert(folder))
    }
}

/// A path as it is kept: from the root of the project where it is below it.
pub(super) fn kept(path: &Path, root: &Path) -> Vec<u8> {
    path.strip_prefix(root)
        .unwrap_or(path)
        .as_os_str()
        .as_bytes()
        .to_vec()
}

/// The path that is meant by one that was kept.
pub(super) fn meant(kept: &[u8], root: &Path) -> PathBuf {
    root.join(OsString::from_vec(kept.to_vec()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn files(root: &Path, names: &[(&str, &str)]) {
        for (name, text) in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a folder is made");
            fs::write(path, text).expect("a file is written");
        }
    }

    /// A folder with files of all kinds, and its path.
    pub(in crate::incremental) fn ground() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        files(
            &root,
            &[
                (".gitignore", "*.o\n/build/\n"),
                ("src/a.c", ""),
                ("src/x/b.c", ""),
                ("src/x/b.o", ""),
                ("src/.hidden.c", ""),
                ("build/out/a.txt", ""),
                ("vendor/v.c", ""),
                (".flow/x.c", ""),
            ],
        );
        (folder, root)
    }

    #[test]
    fn patterns_find_files() {
        let (_folder, root) = ground();
        let find = |text: &str, without: &[&str], ignores: bool| {
            let pattern = Pattern {
                folder: root.as_path().into(),
                text: text.to_owned(),
                without: without.iter().map(|text| (*text).to_owned()).collect(),
                ignores,
                empty: false,
            };
            let found = Tree::new(&root).find(&pattern);
            let names = found
                .iter()
                .map(|found| String::from_utf8(kept(&found.path, &root)).expect("ASCII"));
            names.collect::<Vec<_>>().join(" ")
        };
        for (text, without, ignores, names) in [
            ("**/*.c", &[][..], true, "src/a.c src/x/b.c vendor/v.c"),
            ("**/*.c", &["vendor", "src/x/*"], true, "src/a.c"),
            ("**/*.c", &["vendor/"], true, "src/a.c src/x/b.c"),
            ("./src/**", &[], true, "src/a.c src/x/b.c"),
            ("src/**", &[], false, "src/a.c src/x/b.c src/x/b.o"),
            ("src/x/b.o", &[], true, "src/x/b.o"),
            ("src/*.c", &[], true, "src/a.c"),
            ("src/.*.c", &[], true, "src/.hidden.c"),
            // The pattern names the folder.
            ("build/**", &[], true, "build/out/a.txt"),
            ("build", &[], false, "build/out/a.txt"),
            ("src", &[], true, "src/.hidden.c src/a.c src/x/b.c"),
            ("nothing/*", &[], true, ""),
            ("nothing", &[], true, ""),
            ("src/../vendor/*.c", &[], true, "vendor/v.c"),
            // A folder that matches stands for what is in it.
            ("s*", &[], true, "src/a.c src/x/b.c"),
            ("src/*", &[], true, "src/a.c src/x/b.c"),
            ("src/*/", &[], true, "src/a.c src/x/b.c"),
            ("src/x/", &[], false, "src/x/b.c src/x/b.o"),
        ] {
            let mut found: Vec<String> = find(text, without, ignores)
                .split(' ')
                .map(str::to_owned)
                .collect();
            found.sort();
            assert_eq!(found.join(" "), names, "{text} without {without:?}");
        }
    }

    #[test]
    fn what_is_escaped_stands_for_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        files(
            &root,
            &[
                ("[a]/c.c", ""),
                ("[a]/\\*.c", ""),
                ("a/c.c", ""),
                ("!b", ""),
            ],
        );
        for (text, without, names) in [
            ("\\[a\\]/*.c", "", "[a]/\\*.c [a]/c.c"),
            ("\\[a\\]/\\\\\\*.c", "", "[a]/\\*.c"),
            ("\\[a\\]", "", "[a]/\\*.c [a]/c.c"),
            ("\\[a\\]/*", "\\[a\\]/\\\\*", "[a]/c.c"),
            ("[a]/*", "", "a/c.c"),
            ("\\!b", "", "!b"),
        ] {
            let pattern = Pattern {
                folder: root.as_path().into(),
                text: text.to_owned(),
                without: [without.to_owned()].into(),
                ignores: false,
                empty: false,
            };
            let mut found: Vec<String> = Tree::new(&root)
                .find(&pattern)
                .iter()
                .map(|found| String::from_utf8(kept(&found.path, &root)).expect("ASCII"))
                .collect();
            found.sort();
            assert_eq!(found.join(" "), names, "{text}");
        }
    }
}
