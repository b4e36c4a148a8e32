//! Which files git does not look at, by the rules of `gitignore(5)`: the `.gitignore` files of a project, `info/exclude` of its
//! repository, and the file that the user has for all repositories (`core.excludesFile`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::disk;

/// The rules that hold in a folder: those of its own file, then those of the folders above it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignore(Option<Arc<Level>>);

#[derive(Debug)]
struct Level {
    folder: PathBuf,
    /// The last one that matches counts.
    rules: Vec<Rule>,
    above: Ignore,
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    /// It matches what is not ignored.
    negated: bool,
    only_folders: bool,
    /// It is for paths from the folder of the file; else for names below it.
    anchored: bool,
}

impl Ignore {
    /// The rules for a folder with all that is above it, up to the folder that holds the repository, or else to `root`.
    pub(super) fn of(folder: &Path, root: &Path) -> Self {
        let repository = folder.ancestors().find(|above| above.join(".git").exists());
        let top = repository.unwrap_or(root);
        let mut rules = Self::default();
        if let Some(repository) = repository {
            let git = git_folder(repository);
            for file in [excludes_file(&git), Some(git.join("info/exclude"))] {
                let text = file.and_then(|file| read(&file));
                rules = rules.with(top, &text.unwrap_or_default());
            }
        }
        let mut path: Vec<&Path> = folder
            .ancestors()
            .take_while(|above| above.starts_with(top))
            .collect();
        path.reverse();
        path.into_iter()
            .fold(rules, |rules, folder| rules.within(folder))
    }

    /// The rules for a folder in one that these are for.
    pub(super) fn within(&self, folder: &Path) -> Self {
        match read(&folder.join(".gitignore")) {
            Some(text) => self.with(folder, &text),
            None => self.clone(),
        }
    }

    /// With these rules more, for a folder.
    fn with(&self, folder: &Path, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let rules: Vec<Rule> = text.lines().filter_map(Rule::of).collect();
        if rules.is_empty() {
            return self.clone();
        }
        Self(Some(Arc::new(Level {
            folder: folder.to_owned(),
            rules,
            above: self.clone(),
        })))
    }

    /// Whether a path in the folder is ignored. What is in an ignored folder is too, which is for the caller to see to.
    pub(super) fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        self.ignores_within(path, is_folder, None)
    }

    /// The same for one who has named a folder: that all in it is ignored (`/content/*`) does not count then.
    pub(super) fn ignores_within(
        &self,
        path: &Path,
        is_folder: bool,
        named: Option<&Path>,
    ) -> bool {
        let mut level = self.0.as_deref();
        while let Some(Level {
            folder,
            rules,
            above,
        }) = level
        {
            if let Ok(below) = path.strip_prefix(folder) {
                let text = below.as_os_str().as_encoded_bytes();
                let name = below
                    .file_name()
                    .map_or(text, |name| name.as_encoded_bytes());
                let named = named.and_then(|named| named.strip_prefix(folder).ok());
                let fits = |rule: &&Rule| {
                    (is_folder || !rule.only_folders)
                        && !named.is_some_and(|named| rule.is_all_in(named))
                        && fast_glob::glob_match(
                            &rule.pattern,
                            if rule.anchored { text } else { name },
                        )
                };
                if let Some(rule) = rules.iter().rev().find(fits) {
                    return !rule.negated;
                }
            }
            level = above.0.as_deref();
        }
        false
    }
}

/// Where the user keeps what git is to know, for all repositories.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// The home folder.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, where it is set.
    pub config: Option<PathBuf>,
}

static USER: OnceLock<User> = OnceLock::new();

/// Says once for this process where the user keeps what git is to know.
pub fn of_user(user: User) {
    // There is one user.
    let _ = USER.set(user);
}

/// The folder of the repository at `top`: in a further work tree, the one that all of them share.
fn git_folder(top: &Path) -> PathBuf {
    let git = top.join(".git");
    let Some(text) = read_text(&git) else {
        return git;
    };
    let own = text.trim().strip_prefix("gitdir:").map(str::trim);
    let own = top.join(own.unwrap_or_default());
    match read_text(&own.join("commondir")) {
        Some(common) => own.join(common.trim()),
        None => own,
    }
}

/// How large a file of rules may be, in bytes: git reads no larger ones either.
const BYTES_MAX: u64 = 100 << 20;

/// A file of git's; one that can't be read counts as one that is not there.
fn read(path: &Path) -> Option<Vec<u8>> {
    disk::read_regular(path, BYTES_MAX).ok()
}

fn read_text(path: &Path) -> Option<String> {
    String::from_utf8(read(path)?).ok()
}

/// The file that `core.excludesFile` names, else the one that git takes without it (git-config(1)).
fn excludes_file(git: &Path) -> Option<PathBuf> {
    let user = USER.get()?;
    let home = user.home.as_deref();
    let config = user.config.clone();
    let config = config.or_else(|| Some(home?.join(".config")));
    let config = config.map(|config| config.join("git"));
    // The strongest first.
    let files = [
        Some(git.join("config")),
        home.map(|home| home.join(".gitconfig")),
        config.as_ref().map(|config| config.join("config")),
        Some(PathBuf::from("/etc/gitconfig")),
    ];
    let texts = files
        .into_iter()
        .flatten()
        .filter_map(|file| read_text(&file));
    let mut named = texts.filter_map(|text| excludes_in(&text));
    match named.next() {
        Some(path) => match (path.strip_prefix("~/"), home) {
            (Some(below), Some(home)) => Some(home.join(below)),
            _ => Some(PathBuf::from(path)),
        },
        None => config.map(|config| config.join("ignore")),
    }
}

/// The last `excludesFile` of a section `[core]`.
fn excludes_in(config: &str) -> Option<String> {
    let mut core = false;
    let mut found = None;
    for line in config.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            core = section
                .trim_end_matches(']')
                .trim()
                .eq_ignore_ascii_case("core");
            continue;
        }
        if let Some((name, value)) = line.split_once('=').filter(|_| core)
            && name.trim().eq_ignore_ascii_case("excludesfile")
        {
            found = Some(value.trim().trim_matches('"').to_owned());
        }
    }
    found
}

impl Rule {
    /// Whether it says that all in a folder is ignored, and not the folder.
    fn is_all_in(&self, named: &Path) -> bool {
        let folder = self.pattern.strip_suffix("/**");
        let folder = folder.or_else(|| self.pattern.strip_suffix("/*"));
        let folder = folder.filter(|_| self.anchored && !self.negated);
        let named = named.as_os_str().as_encoded_bytes();
        !named.is_empty() && folder.is_some_and(|folder| fast_glob::glob_match(folder, named))
    }

    fn of(line: &str) -> Option<Self> {
        let mut text = without_spaces(line);
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let negated = text.starts_with('!');
        text = text.strip_prefix('!').unwrap_or(text);
        let only_folders = text.ends_with('/');
        text = text.strip_suffix('/').unwrap_or(text);
        let anchored = text.contains('/');
        text = text.strip_prefix('/').unwrap_or(text);
        if text.is_empty() {
            return None;
        }
        // Braces mean nothing to git, and a `!` that was escaped at the beginning means itself.
        let mut pattern = String::with_capacity(text.len() + 2);
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => pattern.extend(['\\', letters.next()?]),
                '{' | '}' => pattern.extend(['\\', letter]),
                _ => pattern.push(letter),
            }
        }
        Some(Self {
            pattern,
            negated,
            only_folders,
            anchored,
        })
    }
}

/// Spaces at the end do not count, unless one is escaped.
fn without_spaces(line: &str) -> &str {
    let trimmed = line.trim_end_matches([' ', '\r']);
    let escaped = trimmed.ends_with('\\')
        && line.len() > trimmed.len()
        && line[trimmed.len()..].starts_with(' ');
    if escaped {
        &line[..=trimmed.len()]
    } else {
        trimmed
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use std::fs;

    use super::*;

    /// Random rules and paths, against git itself.
    #[test]
    fn git_agrees() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        let git = |args: &[&str]| {
            let mut command = Command::new("git");
            command.current_dir(&root).args(args);
            command
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_NOSYSTEM", "1");
            command
        };
        assert!(
            git(&["init", "-q"])
                .status()
                .expect("there is git")
                .success()
        );
        let names = ["a", "b", "a.o", "[x]", "a b", "!k"];
        let mut rng = fastrand::Rng::with_seed(11);
        let mut some = |parts: &[&str]| parts[rng.usize(0..parts.len())].to_owned();
        for _ in 0..300 {
            let mut rules = String::new();
            for _ in 0..4 {
                let parts = [
                    "a", "b", "*.o", "*", "**", "?", "[ab]", "a b", "\\!k", "\\[x]", "a*",
                ];
                let rule = match some(&["1", "2", "3"]).as_str() {
                    "1" => some(&parts),
                    "2" => format!("{}/{}", some(&parts), some(&parts)),
                    _ => format!("{}/{}/{}", some(&parts), some(&parts), some(&parts)),
                };
                let (before, after) = (some(&["", "", "!", "/"]), some(&["", "", "/", "  "]));
                rules.push_str(&format!("{before}{rule}{after}\n"));
            }
            let in_folder = some(&["", "a/", "a/b/"]);
            for name in ["a", "a/a", "a/b", "b"] {
                fs::create_dir_all(root.join(name)).expect("a folder is made");
            }
            fs::write(root.join(&in_folder).join(".gitignore"), &rules).expect("it is written");
            let mut paths: Vec<String> = Vec::new();
            for folder in ["", "a/", "a/a/", "a/b/", "b/"] {
                for name in names {
                    let path = format!("{folder}{name}");
                    if !root.join(&path).is_dir() {
                        fs::write(root.join(&path), "").expect("it is written");
                    }
                    paths.push(path);
                }
            }
            let ignored = |path: &str| {
                let mut rules = Ignore::of(&root, &root);
                let mut at = root.clone();
                let parts: Vec<&str> = path.split('/').collect();
                for (number, part) in parts.iter().enumerate() {
                    at.push(part);
                    let is_folder = at.is_dir();
                    if rules.ignores(&at, is_folder) {
                        return true;
                    }
                    if number + 1 < parts.len() {
                        rules = rules.within(&at);
                    }
                }
                false
            };
            fs::write(root.join(".git/paths"), paths.join("\0")).expect("it is written");
            let mut check = git(&["check-ignore", "--no-index", "-z", "--stdin"]);
            check.stdin(fs::File::open(root.join(".git/paths")).expect("it is there"));
            let output = check.output().expect("git runs");
            let output = String::from_utf8(output.stdout).expect("text");
            let told: Vec<&str> = output.split_terminator('\0').collect();
            let own: Vec<&str> = paths
                .iter()
                .map(String::as_str)
                .filter(|path| ignored(path))
                .collect();
            assert_eq!(own, told, "{in_folder}.gitignore:\n{rules}");
            fs::remove_file(root.join(&in_folder).join(".gitignore")).expect("it is ours");
        }
    }

    #[test]
    fn rules_of_the_repository_and_of_the_user_count() {
        let text =
            "[user]\n\texcludesfile = no\n[core]\n\tExcludesFile = \"~/mine\"\n[alias]\n\tx = y\n";
        assert_eq!(excludes_in(text).as_deref(), Some("~/mine"));
        assert_eq!(excludes_in("[core]\nbare = false\n"), None);
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        fs::create_dir_all(root.join(".git/info")).expect("a folder is made");
        fs::write(root.join(".git/info/exclude"), "*.o\n").expect("it is written");
        fs::write(root.join(".gitignore"), "!keep.o\n/content/*\n").expect("it is written");
        let rules = Ignore::of(root, root);
        let ignores = |name: &str| rules.ignores(&root.join(name), false);
        assert!(ignores("a.o") && !ignores("keep.o") && !ignores("a.c"));
        let named = root.join("content");
        let within = |name: &str| rules.ignores_within(&root.join(name), false, Some(&named));
        assert!(ignores("content/a.c") && !within("content/a.c"));
        assert!(
            within("content/a.o"),
            "what else is ignored is so there too"
        );
        let tree = tempfile::tempdir().expect("a folder");
        fs::write(
            tree.path().join(".git"),
            format!("gitdir: {}\n", root.join(".git").display()),
        )
        .expect("it is written");
        assert!(Ignore::of(tree.path(), tree.path()).ignores(&tree.path().join("a.o"), false));
    }
}
