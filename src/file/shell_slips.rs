//! Commands that are good shell and hardly mean what they say: steps that only change a shell which ends with them, and
//! variables of make, names of the file that the shell is to read.

use std::ops::Range;

use super::tree::{At, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::step::is_posix;

/// Variables that every shell has.
const INHERITED: [&str; 8] = [
    "HOME", "LANG", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "USER",
];

const OWN_SHELL: &str = "each step has its own shell: this changes nothing for the other steps";

impl Reader<'_, '_> {
    /// Warns of a step among others that only changes its own shell.
    pub(super) fn check_own_shell(&mut self, at: At) {
        let posix = |text: &str| is_posix(text);
        if self
            .shell_of_task
            .as_ref()
            .is_some_and(|shell| !posix(&shell.text))
        {
            return;
        }
        let at = match self.walk.open(at) {
            Value::Scalar(_) => at,
            Value::Map(entries) => match entries.as_slice() {
                [only] if self.name(only) == "run" => only.value,
                _ => return,
            },
            _ => return,
        };
        let Value::Scalar(scalar) = self.walk.open(at) else {
            return;
        };
        if let Some(help) = only_changes_its_shell(&scalar.text) {
            self.report(at, Diagnostic::warning("own-shell", OWN_SHELL).help(help));
        }
    }

    /// Warns of what make would have replaced.
    pub(super) fn check_make_variables(&mut self, at: At, command: &str) {
        let Some((span, message, help)) = of_make(command) else {
            return;
        };
        let place = self.located(at, &span);
        let warning = Diagnostic::warning("make-variable", message).help(help);
        self.report_part(self.walk.follow(at), place, warning);
    }

    /// Warns of a param or a var that is read as a variable of the shell, which has none of that name.
    pub(super) fn check_shell_variables(&mut self, at: At, command: &str) {
        let names = self.names_of_task.iter().chain(&self.locals);
        let set = |name: &&String| {
            INHERITED.contains(&name.as_str())
                || self.env_of_task.contains(name)
                || self.env_of_file.contains(name)
                || gets_value(command, name)
        };
        let mut read = names.filter_map(|name| {
            let span = read_by_shell(command, name)?;
            (!set(&name)).then(|| (name.clone(), span))
        });
        let Some((name, span)) = read.next() else {
            return;
        };
        let place = self.located(at, &span);
        let message = format!(
            "'${name}' is a variable of the shell, and the file does not set it: '{name}' is a name of the file"
        );
        let help = format!(
            "write {{{{ {name} }}}}; or hand it over: env: {{{name}: \"{{{{ {name} }}}}\"}}"
        );
        let warning = Diagnostic::warning("shell-variable", message).help(help);
        self.report_part(self.walk.follow(at), place, warning);
    }
}

/// Where a script reads a variable of this name.
fn read_by_shell(script: &str, name: &str) -> Option<Range<usize>> {
    at_dollars(script, |at| {
        let rest = &script[at + 1..];
        let inner = rest.strip_prefix('{').unwrap_or(rest);
        let after = inner.strip_prefix(name)?;
        let end = at + 1 + (rest.len() - inner.len()) + name.len();
        (!after.starts_with(is_name_letter)).then_some(at..end)
    })
}

/// The first thing that is found at a `$` which the shell takes for one: not in single quotes, not after a backslash, not the second
/// of `$$`.
fn at_dollars<T>(script: &str, find: impl Fn(usize) -> Option<T>) -> Option<T> {
    let bytes = script.as_bytes();
    let (mut at, mut single, mut double) = (0, false, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if !single => at += 1,
            b'\'' if !double => single = !single,
            b'"' if !single => double = !double,
            b'$' if !single => {
                if let Some(found) = find(at) {
                    return Some(found);
                }
                at += usize::from(bytes.get(at + 1) == Some(&b'$'));
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether a script may set a variable of this name: `x=`, `for x`, `read x`, `export x`; or has a script in it that does.
fn gets_value(script: &str, name: &str) -> bool {
    let mut words = script.split(|char: char| !is_name_letter(char) && char != '=' && char != '-');
    let assigns = |word: &str| {
        let rest = word.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('='))
    };
    let taken = [
        "for", "read", "export", "local", "declare", "typeset", "eval", "getopts", "source",
    ];
    if words.clone().any(|word| taken.contains(&word)) {
        return words
            .any(|word| word == name || assigns(word) || word == "eval" || word == "source");
    }
    words.any(assigns)
}

fn is_name_letter(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// What to write instead of a command that does nothing but change its shell.
fn only_changes_its_shell(command: &str) -> Option<&'static str> {
    let parts = command.split(['\n', ';']).flat_map(|part| part.split("&&"));
    let parts = parts.map(str::trim);
    let mut help = None;
    for part in parts.filter(|part| !part.is_empty() && !part.starts_with('#')) {
        let one = change(part)?;
        help.get_or_insert(one);
    }
    help
}

fn change(part: &str) -> Option<&'static str> {
    if part.contains(['|', '&', '`']) || part.contains("$(") {
        return None;
    }
    let mut words = part.split_ascii_whitespace();
    let program = words.next()?;
    let first = words.next();
    let sets = |word: &str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(super::vars::is_var_name)
    };
    match (program, first) {
        ("cd" | "pushd" | "popd", _) => Some(
            "write 'dir' in the task or in a step, or put the commands into one step, below 'run: |'",
        ),
        ("export" | "declare" | "readonly", Some(word)) if word != "-p" => {
            Some("write 'env' in the task, or put the commands into one step, below 'run: |'")
        }
        ("unset", Some(_)) => Some("put the commands into one step, below 'run: |'"),
        ("set", Some(word)) if word.starts_with(['-', '+']) => Some(
            "commands run by 'sh -e'; for other options write 'shell: bash -euo pipefail' in the task or in 'defaults'",
        ),
        ("shopt", Some("-s" | "-u")) => Some("write 'shell: bash -O NAME' in the task"),
        ("source" | ".", Some(_)) => Some(
            "put it into the step that needs it, below 'run: |'; for variables alone write 'dotenv'",
        ),
        ("alias" | "umask" | "ulimit" | "trap", Some(_)) => {
            Some("put it into the step that needs it, below 'run: |'")
        }
        (word, None) if sets(word) => Some(
            "write 'env' or 'vars' in the task, or put the commands into one step, below 'run: |'",
        ),
        _ => None,
    }
}

/// The first variable of make in a command: its bytes, what is wrong with it and what to write.
fn of_make(command: &str) -> Option<(Range<usize>, &'static str, &'static str)> {
    at_dollars(command, |at| make_variable(command, at))
}

fn make_variable(command: &str, at: usize) -> Option<(Range<usize>, &'static str, &'static str)> {
    let rest = &command[at + 1..];
    let next = rest.chars().next()?;
    match next {
        '<' | '^' => Some((
            at..at + 2,
            "'$<' and '$^' are make's: the shell does not know them",
            "name the file, or write {{ item }} in a task with 'for'",
        )),
        '@' if !has_positions(command) => Some((
            at..at + 2,
            "'$@' is make's name of the target: in this shell it is empty",
            "name the file; for the arguments after -- write {{ args }}",
        )),
        '$' if rest[1..]
            .starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '(' | '{' | '_')) =>
        {
            Some((
                at..at + 2,
                "'$$' is how make writes one '$': the shell takes it for the number of its process",
                "write one '$'",
            ))
        }
        '(' => {
            let name = rest[1..].split(')').next()?;
            let is_variable = name.starts_with(|c: char| c.is_ascii_uppercase())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            (is_variable && rest[1..].len() > name.len()).then_some((
                at..at + name.len() + 3,
                "'$(NAME)' is a variable of make: the shell runs a command of that name",
                "write {{ NAME }} for a var, ${NAME} for an environment variable",
            ))
        }
        _ => None,
    }
}

/// Whether something in the command may give it arguments of its own.
fn has_positions(command: &str) -> bool {
    let words = [
        "()",
        "set ",
        "sh -c",
        "bash -c",
        "-c '",
        "function ",
        "eval",
        "{{",
        "{%",
    ];
    words.iter().any(|word| command.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{gets_value, of_make, only_changes_its_shell, read_by_shell};

    #[test]
    fn a_step_that_only_changes_its_shell_is_seen() {
        let only = [
            "cd sub",
            "export X=1",
            "X=1",
            "set -e",
            "set -euo pipefail",
            "source x",
            ". ./x",
            "alias a=b",
            "cd sub && export X=1",
            "cd a\ncd b\n",
            "umask 077",
            "shopt -s globstar",
            "unset X",
        ];
        for command in only {
            assert!(only_changes_its_shell(command).is_some(), "{command}");
        }
        let more = [
            "cd sub && make",
            "X=1 make",
            "export -p",
            "set",
            "alias",
            "echo cd",
            "cd sub || exit 1",
            "(cd sub; make)",
            "export X=$(make)",
            "cd sub\nmake",
            "make; cd sub",
            "# cd",
            "",
        ];
        for command in more {
            assert!(only_changes_its_shell(command).is_none(), "{command}");
        }
    }

    #[test]
    fn a_name_of_the_file_that_the_shell_is_to_read_is_seen() {
        for script in ["echo $x", "echo \"${x}y\"", "echo $y$x", "a=${x:-1}"] {
            assert!(read_by_shell(script, "x").is_some(), "{script}");
            assert!(!gets_value(script, "x"), "{script}");
        }
        for script in [
            "echo $xy",
            "echo '$x'",
            "echo \\$x",
            "echo {{ x }}",
            "echo $$x",
            "x",
        ] {
            assert!(read_by_shell(script, "x").is_none(), "{script}");
        }
        for script in [
            "x=1; echo $x",
            "for x in a b; do echo $x; done",
            "read -r x; echo $x",
            "x=$(date)\necho $x",
            ". ./x; eval \"$y\"; echo $x",
        ] {
            assert!(gets_value(script, "x"), "{script}");
        }
    }

    #[test]
    fn variables_of_make_are_seen() {
        let cases = [
            ("cc -c $< -o x", Some("$<")),
            ("cat $^", Some("$^")),
            ("cc -o $@ x.c", Some("$@")),
            ("$(CC) -c x.c", Some("$(CC)")),
            ("for i in a; do echo $$i; done", Some("$$")),
            ("echo \"$<\"", Some("$<")),
            ("set -- a; echo \"$@\"", None),
            ("f() { echo \"$@\"; }; f a", None),
            ("sh -c 'echo \"$@\"' x a", None),
            ("perl -ne 'print $<'", None),
            ("echo \\$<", None),
            ("echo $$", None),
            ("kill -0 $$ && echo $(pwd)", None),
            ("echo $(PATH", None),
            ("echo ${X} $1 $?", None),
        ];
        for (command, expected) in cases {
            let found = of_make(command).map(|(span, ..)| &command[span]);
            assert_eq!(found, expected, "{command}");
        }
    }
}
