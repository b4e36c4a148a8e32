//! Which files git does not look at: the `.gitignore` files of a project, by the rules of `gitignore(5)`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let mut path: Vec<&Path> = folder
            .ancestors()
            .take_while(|above| above.starts_with(top))
            .collect();
        path.reverse();
        path.into_iter()
            .fold(Self::default(), |rules, folder| rules.within(folder))
    }

    /// The rules for a folder in one that these are for.
    pub(super) fn within(&self, folder: &Path) -> Self {
        let Ok(text) = fs::read(folder.join(".gitignore")) else {
            return self.clone();
        };
        let text = String::from_utf8_lossy(&text);
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
                let fits = |rule: &&Rule| {
                    (is_folder || !rule.only_folders)
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

impl Rule {
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
}
