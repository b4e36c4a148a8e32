//! Patterns of files held against one path at a time, for those who are told of changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::stat::{self, Print, Stat};
use super::task::{made_by, read_by};
use super::walk::{Pattern, Seen, Shape, Tree};

/// Some patterns of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs {
    pub(super) patterns: Vec<Pattern>,
    /// What each of them means.
    shapes: Vec<Shape>,
}

impl Globs {
    fn of(patterns: Vec<Pattern>) -> Self {
        Self {
            shapes: patterns.iter().map(Pattern::shape).collect(),
            patterns,
        }
    }

    /// Files that are read, as `sources` says it: `!` takes some out, and what git ignores is left out.
    pub fn read(folder: &Path, texts: &[String]) -> Self {
        Self::of(read_by(folder, texts, &[]))
    }

    /// Files that are made, as `generates` says it.
    pub fn made(folder: &Path, texts: &[String]) -> Self {
        Self::of(made_by(folder, texts).collect())
    }

    /// Files by their paths.
    pub fn named(paths: &[PathBuf]) -> Self {
        Self::of(
            paths
                .iter()
                .filter_map(|path| Pattern::of_file(path))
                .collect(),
        )
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.patterns.extend(others.patterns);
        self.shapes.extend(others.shapes);
        self
    }

    /// Whether all of them are names, and none a pattern of many.
    pub fn are_names(&self) -> bool {
        self.patterns.iter().all(Pattern::is_name)
    }

    /// Whether a file could be matched by both, be there one or not; in doubt, yes.
    pub fn meet(&self, other: &Self) -> bool {
        let letters =
            |globs: &Self| -> Vec<Vec<Letter>> { globs.patterns.iter().map(letters_of).collect() };
        let others = letters(other);
        letters(self)
            .iter()
            .any(|one| others.iter().any(|other| could_meet(one, other)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl Print {
    /// Whether both held the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.content == other.content
    }

    /// What the file at `path` holds, which is read unless it is seen to be as it was; `None` when there is none.
    /// `now` is nanoseconds since 1970.
    pub fn of(path: &Path, known: Option<&Self>, now: i128) -> Option<Self> {
        let (kind, seen) = stat::look(path)?;
        if !matches!(kind, stat::Kind::File | stat::Kind::Link) {
            return None;
        }
        if let Some(known) = known.filter(|known| known.stat == seen) {
            return Some(*known);
        }
        match stat::read(path, now) {
            Ok(print) => Some(print),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            // Nobody can say what is in it, but that it is there.
            Err(_) => Some(Self {
                stat: Stat::NONE,
                content: [0; 32],
            }),
        }
    }
}

/// A letter of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letter {
    /// This one.
    One(char),
    /// Any within a name.
    Any,
    /// Any number within a name.
    Name,
    /// Any number, over folders too.
    All,
}

impl Letter {
    const fn is_many(self) -> bool {
        matches!(self, Self::Name | Self::All)
    }

    /// Whether both can stand for the same letter.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::One(one), Self::One(other)) => one == other,
            (Self::All, _) | (_, Self::All) => true,
            (Self::One(one), _) | (_, Self::One(one)) => one != '/',
            _ => true,
        }
    }
}

/// The letters of the paths that a pattern matches. What is in a folder that it matches belongs to it.
fn letters_of(pattern: &Pattern) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::new();
    let folder = pattern.folder.to_string_lossy();
    letters.extend(folder.chars().chain(['/']).map(Letter::One));
    let text = pattern.text.trim_end_matches('/');
    let mut rest = text.strip_prefix("./").unwrap_or(text).chars().peekable();
    while let Some(letter) = rest.next() {
        letters.push(match letter {
            '\\' => Letter::One(rest.next().unwrap_or('\\')),
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                // Between folders it may stand for none.
                rest.next_if_eq(&'/');
                Letter::All
            }
            '*' => Letter::Name,
            '?' => Letter::Any,
            '[' => {
                let _ = rest.by_ref().find(|letter| *letter == ']');
                Letter::Any
            }
            '{' => {
                let _ = rest.by_ref().find(|letter| *letter == '}');
                Letter::Name
            }
            other => Letter::One(other),
        });
    }
    letters
}

/// Whether some text is matched by both, or is in a folder that one of them matches.
fn could_meet(one: &[Letter], other: &[Letter]) -> bool {
    let width = other.len() + 1;
    let mut seen = vec![false; (one.len() + 1) * width];
    let mut left = vec![(0, 0)];
    while let Some((at, there)) = left.pop() {
        if std::mem::replace(&mut seen[at * width + there], true) {
            continue;
        }
        match (one.get(at), other.get(there)) {
            (None, None) => return true,
            // The rest of the other is in a folder that this one names.
            (None, Some(Letter::One('/'))) | (Some(Letter::One('/')), None) => return true,
            (own, its) => {
                let own_many = own.is_some_and(|letter| letter.is_many());
                let its_many = its.is_some_and(|letter| letter.is_many());
                left.extend(own_many.then_some((at + 1, there)));
                left.extend(its_many.then_some((at, there + 1)));
                if let (Some(own), Some(its)) = (own, its)
                    && own.meets(*its)
                {
                    left.push((at + usize::from(!own_many), there + usize::from(!its_many)));
                }
            }
        }
    }
    false
}

/// The folders of a project as they are at one moment.
#[derive(Debug)]
pub struct Ground(Tree);

impl Ground {
    /// Of the project at `root`.
    pub fn new(root: &Path) -> Self {
        Self(Tree::new(root))
    }

    /// Whether patterns match a path, be there a file or not.
    pub fn matches(&self, globs: &Globs, path: &Path) -> bool {
        globs.shapes.iter().any(|shape| self.0.matches(shape, path))
    }

    /// The folders in which files are that patterns match, or would be.
    pub fn folders(&self, globs: &Globs) -> BTreeSet<PathBuf> {
        let mut folders = Folders::default();
        for pattern in &globs.patterns {
            self.0.visit(pattern, &mut folders);
        }
        folders.0
    }

    /// The folders and the files of the patterns in a folder alone, of which nothing is known any more.
    pub fn look_beneath(
        &self,
        globs: &Globs,
        folder: &Path,
    ) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
        self.0.forget(folder);
        let mut both = Both::default();
        for one in globs.patterns.iter().zip(&globs.shapes) {
            self.0.visit_beneath(one, folder, &mut both);
        }
        (both.folders.0, both.files)
    }

    /// Whether patterns match any file.
    pub fn has_files(&self, globs: &Globs) -> bool {
        let mut patterns = globs.patterns.iter();
        patterns.any(|pattern| pattern.names_folder() || !self.0.find(pattern).is_empty())
    }

    /// The files that patterns match.
    pub fn files(&self, globs: &Globs) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        for pattern in &globs.patterns {
            files.extend(self.0.find(pattern).into_iter().map(|found| found.path));
        }
        files
    }
}

#[derive(Default)]
struct Folders(BTreeSet<PathBuf>);

impl Seen for Folders {
    const WANTS_FILES: bool = false;

    fn folder(&mut self, path: &Path) {
        // Where nothing is yet something can come from above.
        let there = path.ancestors().find(|above| above.is_dir());
        self.0.extend(there.map(Path::to_owned));
    }

    fn file(&mut self, _: PathBuf, _: Stat) {}
}

#[derive(Default)]
struct Both {
    folders: Folders,
    files: BTreeSet<PathBuf>,
}

impl Seen for Both {
    const WANTS_FILES: bool = true;

    fn folder(&mut self, path: &Path) {
        self.folders.folder(path);
    }

    fn file(&mut self, path: PathBuf, _: Stat) {
        self.files.insert(path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::walk::tests::ground;
    use super::*;

    fn texts(list: &str) -> Vec<String> {
        list.split(' ').map(str::to_owned).collect()
    }

    /// What is found in the folders is what matches, and nothing else.
    #[test]
    fn a_path_matches_when_it_would_be_found() {
        let (_folder, root) = ground();
        let ground = Ground::new(&root);
        let mut all = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("it is there") {
                let path = entry.expect("it is there").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    all.push(path);
                }
            }
        }
        for patterns in [
            "**/*.c",
            "**/*.c !vendor !src/x/*",
            "./src/**",
            "src/x/b.o",
            "src/*.c",
            "src/.*.c",
            "build/**",
            "build",
            "src",
            "*",
            "**",
            "nothing/*",
            "nothing",
            "src/../vendor/*.c",
        ] {
            for globs in [
                Globs::read(&root, &texts(patterns)),
                Globs::made(&root, &texts(patterns)),
            ] {
                let found = ground.files(&globs);
                for path in &all {
                    let matches = ground.matches(&globs, path);
                    assert_eq!(matches, found.contains(path), "{patterns}: {path:?}");
                }
            }
        }
    }

    #[test]
    fn patterns_meet_where_a_file_could_be_matched_by_both() {
        let root = Path::new("/p");
        let made = |text: &str| Globs::made(root, &texts(text));
        for (one, other, meet) in [
            ("dist/**", "dist/**", true),
            ("dist/**", "dist/a.js", true),
            ("dist", "dist/a.js", true),
            ("dist/*.js", "dist/*.d.ts", false),
            ("dist/*.js", "dist/a.*", true),
            ("dist/*", "dist/deep/a", true),
            ("dist/*.js", "dist/deep/a.js", false),
            ("**/*.js", "out/deep/a.js", true),
            ("out", "output", false),
            ("out/a", "out/b", false),
            ("a\\*", "ab", false),
            ("./a", "a", true),
        ] {
            assert_eq!(made(one).meet(&made(other)), meet, "{one} {other}");
            assert_eq!(made(other).meet(&made(one)), meet, "{other} {one}");
        }
    }

    #[test]
    fn a_file_that_is_gone_matches_too() {
        let (_folder, root) = ground();
        let ground = Ground::new(&root);
        let globs = Globs::read(&root, &texts("src/**/*.c gone"));
        for (path, matches) in [
            ("src/new.c", true),
            ("src/new/deep/new.c", true),
            ("src/new.o", false),
            ("src/.new.c", false),
            ("gone", true),
            ("gone/deep/x", true),
            ("other/new.c", false),
        ] {
            assert_eq!(ground.matches(&globs, &root.join(path)), matches, "{path}");
        }
    }

    #[test]
    fn folders_are_those_that_git_looks_at() {
        let (_folder, root) = ground();
        let ground = Ground::new(&root);
        let folders = |patterns: &str| -> Vec<String> {
            let globs = Globs::read(&root, &texts(patterns));
            let folders = ground.folders(&globs);
            let below = |path: &PathBuf| {
                let below = path.strip_prefix(&root).expect("it is in the project");
                below.to_str().expect("ASCII").to_owned()
            };
            folders.iter().map(below).collect()
        };
        assert_eq!(folders("**/*.c"), ["", "src", "src/x", "vendor"]);
        assert_eq!(folders("src/*.c"), ["src"]);
        assert_eq!(folders("src/x/b.c"), ["src/x"]);
        assert_eq!(folders("nothing/at/all.c"), [""]);
        assert_eq!(folders("build"), ["", "build", "build/out"]);
    }

    /// What is seen in a folder is what is seen of it from above.
    #[test]
    fn a_folder_alone_has_what_it_has_in_all() {
        let (_folder, root) = ground();
        for patterns in [
            "**/*.c",
            "src/*.c",
            "src/**",
            "*/x/*.c",
            "build",
            "src/x/b.c",
            "vendor",
            "**/*.c !src/x",
        ] {
            let globs = Globs::read(&root, &texts(patterns));
            let ground = Ground::new(&root);
            let (all_folders, all_files) = (ground.folders(&globs), ground.files(&globs));
            for folder in [
                "",
                "src",
                "src/x",
                "build",
                "build/out",
                "vendor",
                ".flow",
                "gone",
            ] {
                let folder = root.join(folder);
                let within = |paths: &BTreeSet<PathBuf>| -> BTreeSet<PathBuf> {
                    let beneath = paths.iter().filter(|path| path.starts_with(&folder));
                    beneath.cloned().collect()
                };
                let (folders, files) = ground.look_beneath(&globs, &folder);
                assert_eq!(
                    within(&files),
                    within(&all_files),
                    "{patterns} in {folder:?}"
                );
                assert_eq!(
                    within(&folders),
                    within(&all_folders),
                    "{patterns} in {folder:?}"
                );
            }
        }
    }

    #[test]
    fn a_path_is_no_pattern() {
        let (_folder, root) = ground();
        let ground = Ground::new(&root);
        let globs = Globs::named(&[root.join("odd[1].c")]);
        assert!(ground.matches(&globs, &root.join("odd[1].c")));
        assert!(!ground.matches(&globs, &root.join("odd1.c")));
        assert_eq!(
            ground.folders(&globs).into_iter().collect::<Vec<_>>(),
            [root]
        );
    }
}
