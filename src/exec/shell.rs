//! Whether a command needs a shell, and which program it names if it does not.
//!
//! Starting `sh` costs more than starting most commands. A command is executed directly only where a POSIX shell would
//! do exactly the same with it: plain words, no character that a shell looks at, and a first word that is no builtin or
//! keyword of any common shell. Anything else, and whatever can't be found or executed, goes to the shell, so that its
//! messages and exit codes are always the shell's own.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::spawn::Start;
use crate::model::shell::{BUILT_IN, RESERVED};

/// The shell of a command that does not name one.
pub const SHELL: &str = "/bin/sh";

/// What makes a command more than plain words: quoting, expansion, redirection, control operators, comments, history.
const SPECIAL: &[char] = &[
    '|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', ']', '#', '~',
    '=', '%', '{', '}', '!', '^', '\n', '\r',
];

/// First words that only zsh or dash treat themselves, beside those that all shells do.
const OF_SOME_SHELLS: [&str; 10] = [
    "autoload", "chdir", "noglob", "rehash", "repeat", "setopt", "unsetopt", "where", "which",
    "zmodload",
];

/// Whether a shell treats a command that begins with this word itself.
fn is_of_shells(word: &str) -> bool {
    let mut all = BUILT_IN.iter().chain(&RESERVED).chain(&OF_SOME_SHELLS);
    all.any(|known| *known == word)
}

/// The words of a command that needs no shell.
pub fn plain_words(command: &str) -> Option<Vec<&str>> {
    if command.contains(SPECIAL) || command.contains('\0') {
        return None;
    }
    let words: Vec<&str> = command
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let first = words.first()?;
    (!is_of_shells(first)).then_some(words)
}

/// Finds programs as `execvp` does and remembers where they are, and knows what all of them are started with.
#[derive(Clone, Debug)]
pub struct Programs {
    path: Option<OsString>,
    found: HashMap<OsString, Option<PathBuf>>,
    /// Shells are handed functions by the environment, which could have the name of any program.
    functions: bool,
    pub(super) start: Start,
}

impl Programs {
    /// For the environment that commands inherit.
    pub fn new(variables: Vec<(OsString, OsString)>) -> Self {
        let path = variables
            .iter()
            .find(|(name, _)| name == "PATH")
            .map(|(_, value)| value.clone());
        let functions = variables
            .iter()
            .any(|(name, _)| name.as_encoded_bytes().starts_with(b"BASH_FUNC_"));
        Self {
            path,
            found: HashMap::new(),
            functions,
            start: Start::new(variables),
        }
    }

    /// For the environment of this process.
    pub fn of_this_process() -> Self {
        Self::new(std::env::vars_os().collect())
    }

    /// The program and the words of a command that needs no shell, its name first.
    ///
    /// `path` is the child's own `PATH`, when it has another than flow, and `dir` its folder.
    pub fn direct<'a>(
        &mut self,
        command: &'a str,
        dir: &Path,
        path: Option<&OsStr>,
    ) -> Option<(PathBuf, Vec<&'a str>)> {
        if self.functions {
            return None;
        }
        let words = plain_words(command)?;
        let name = *words.first()?;
        Some((self.find(OsStr::new(name), dir, path)?, words))
    }

    /// Where a program is: with a `/` from the folder of the command, else in the folders of `PATH`.
    pub fn find(&mut self, name: &OsStr, dir: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
        if name.as_encoded_bytes().contains(&b'/') {
            executable(dir.join(name))
        } else if let Some(path) = path {
            search(path, name)
        } else if let Some(found) = self.found.get(name) {
            found.clone()
        } else {
            let found = self.path.as_deref().and_then(|own| search(own, name));
            self.found.insert(name.to_owned(), found.clone());
            found
        }
    }
}

/// The first executable of this name in the folders of `path`; relative folders are left to the shell.
fn search(path: &OsStr, name: &OsStr) -> Option<PathBuf> {
    let mut found = None;
    for folder in std::env::split_paths(path) {
        if !folder.is_absolute() {
            return None;
        }
        found = found.or_else(|| executable(folder.join(name)));
    }
    found
}

fn executable(path: PathBuf) -> Option<PathBuf> {
    let runs = rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok();
    (runs && path.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_commands_need_no_shell() {
        assert_eq!(
            plain_words("cargo build  --release"),
            Some(vec!["cargo", "build", "--release"])
        );
        assert_eq!(plain_words(" true "), Some(vec!["true"]));
        assert_eq!(
            plain_words("./run.sh a/b,c:d@e+f"),
            Some(vec!["./run.sh", "a/b,c:d@e+f"])
        );
    }

    #[test]
    fn all_else_goes_to_the_shell() {
        let commands = [
            "",
            "  ",
            "a | b",
            "a && b",
            "a; b",
            "a > f",
            "$X",
            "a `b`",
            "a \\",
            "'a b'",
            "\"a\"",
            "ls *",
            "ls ?",
            "[ -f x ]",
            "# x",
            "~/x",
            "A=1 b",
            "a\nb",
            "a {b,c}",
            "! a",
            "cd x",
            "echo -e x",
            "test -f x",
            "time make",
            "if",
            "exit 3",
            "kill 1",
        ];
        for command in commands {
            assert_eq!(plain_words(command), None, "{command:?}");
        }
    }
}
