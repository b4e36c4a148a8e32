//! The files that a pattern matches, for the filter `glob`: the one place where expressions look at a disk.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How many entries of folders are looked at.
const ENTRIES_MAX: usize = 200_000;
/// How deep folders are looked into.
const FOLDERS_MAX: usize = 64;

/// The files below `folder` that match, relative to it and sorted. `*` and `?` do not match `/`, `**/` matches any folders;
/// hidden names are looked at when a part of the pattern begins with a point, and links to folders are not followed.
pub(super) fn paths(folder: &Path, pattern: &str) -> Result<Vec<Vec<u8>>, String> {
    let wanted = pattern.strip_prefix("./").unwrap_or(pattern);
    if wanted.starts_with('/') || wanted.split('/').any(|part| part == "..") {
        return Err("a pattern is relative to the folder, and stays in it".to_owned());
    }
    closed(wanted)?;
    let (base, rest) = literal_folders(wanted);
    let mut walk = Walk {
        // A `!` at the start would turn the meaning around.
        pattern: if wanted.starts_with('!') {
            format!("\\{wanted}")
        } else {
            wanted.to_owned()
        },
        hidden: wanted.split('/').any(|part| part.starts_with('.')),
        folders: if rest.contains("**") || rest.contains('{') {
            FOLDERS_MAX
        } else {
            rest.matches('/').count()
        },
        left: ENTRIES_MAX,
        found: Vec::new(),
    };
    walk.folder(&folder.join(base), base.as_bytes(), 0)?;
    walk.found.sort();
    Ok(walk.found)
}

/// A text from outside as part of a pattern: nothing in it is special.
pub fn literal(text: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(text.len());
    for byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'{' | b'}' | b'\\' | b'!') {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern
}

/// The folders at the beginning that are names, with their last `/`, and what follows.
fn literal_folders(pattern: &str) -> (&str, &str) {
    // What is escaped is left to the walk.
    let special = pattern
        .find(['*', '?', '[', '{', '\\'])
        .unwrap_or(pattern.len());
    let end = pattern[..special].rfind('/').map_or(0, |slash| slash + 1);
    pattern.split_at(end)
}

/// Whether each bracket is closed.
pub(super) fn closed(pattern: &str) -> Result<(), String> {
    let mut open = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match (letter, open.last()) {
            ('\\', _) => drop(letters.next()),
            (']', Some('[')) | ('}', Some('{')) => drop(open.pop()),
            (_, Some('[')) => {}
            ('[' | '{', _) => open.push(letter),
            ('}', _) => return Err("there is no `{` for this `}`".to_owned()),
            _ => {}
        }
    }
    match open.last() {
        Some(bracket) => Err(format!("the bracket `{bracket}` is not closed")),
        None => Ok(()),
    }
}

struct Walk {
    pattern: String,
    hidden: bool,
    /// How deep it looks below the first folder.
    folders: usize,
    left: usize,
    found: Vec<Vec<u8>>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, prefix: &[u8], depth: usize) -> Result<(), String> {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Ok(()); // what can't be read matches nothing, as in a shell
        };
        for entry in entries.flatten() {
            let left = self.left.checked_sub(1);
            self.left = left.ok_or_else(|| format!("there are more than {ENTRIES_MAX} files"))?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".") && !self.hidden {
                continue;
            }
            let mut path = prefix.to_vec();
            path.extend_from_slice(name.as_bytes());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if depth < self.folders {
                    path.push(b'/');
                    self.folder(&entry.path(), &path, depth + 1)?;
                }
            } else if fast_glob::glob_match(&self.pattern, &path) {
                self.found.push(path);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "a.c",
            "b.c",
            ".h.c",
            "src/c.c",
            "src/x/d.c",
            "src/.g/e.c",
            "!k.c",
            "src/[y].c",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder is made");
            std::fs::write(path, "").expect("a file is written");
        }
        let found = |pattern: &str| -> String {
            let found = paths(folder.path(), pattern).expect("a good pattern");
            let names = found
                .iter()
                .map(|name| String::from_utf8_lossy(name).into_owned());
            names.collect::<Vec<_>>().join(" ")
        };
        for (pattern, names) in [
            ("*.c", "!k.c a.c b.c"),
            ("./?.c", "a.c b.c"),
            ("**/*.c", "!k.c a.c b.c src/[y].c src/c.c src/x/d.c"),
            ("src/*.c", "src/[y].c src/c.c"),
            ("src/*/*.c", "src/x/d.c"),
            ("src/**/d.c", "src/x/d.c"),
            ("{a,src/c}.c", "a.c src/c.c"),
            ("[ab].c", "a.c b.c"),
            ("[!a].c", "b.c"),
            (".*.c", ".h.c"),
            ("src/.g/*", "src/.g/e.c"),
            ("!k.c", "!k.c"),
            ("src/\\[y\\].c", "src/[y].c"),
            ("nothing/*", ""),
            ("a.c", "a.c"),
            ("", ""),
        ] {
            assert_eq!(found(pattern), names, "{pattern}");
        }
        for pattern in ["/etc/*", "../*", "a/../../b", "[a", "{a,b", "a}"] {
            assert!(paths(folder.path(), pattern).is_err(), "{pattern}");
        }
    }
}
