//! Which programs a script starts, as far as its words tell.

use std::collections::BTreeSet;

use super::shell::{self, Command, is_name};
use super::{jinja, outline};
use crate::model::shell::{BUILT_IN, RESERVED};

/// Words before a command that are no command (POSIX, 2.4, and bash's `time` and `coproc`), and commands that run the one after them.
const BEFORE: [&[u8]; 15] = [
    b"!", b"{", b"(", b"if", b"then", b"elif", b"else", b"while", b"until", b"do", b"time",
    b"coproc", b"exec", b"command", b"builtin",
];

/// The programs that the commands of a script for a POSIX shell begin with, each once. A template is read as the script that it
/// would be, without what its values are. Nothing of a text that is no template.
pub fn programs(source: &str) -> Vec<String> {
    let Ok(tree) = jinja::parse(source) else {
        return Vec::new();
    };
    let mut programs = BTreeSet::new();
    for text in outline::texts(&tree) {
        let scan = shell::scan(&text);
        let own: Vec<&[u8]> = scan.functions.iter().map(Vec::as_slice).collect();
        let begun = scan.commands.iter().filter_map(program);
        programs.extend(
            begun
                .filter(|name| !own.contains(&name.as_bytes()))
                .map(str::to_owned),
        );
    }
    programs.into_iter().collect()
}

/// The program that a command begins with; none where that is a part of the shell, or depends on a value.
fn program(command: &Command) -> Option<&str> {
    if command.condition {
        return None;
    }
    let mut words = command.words.iter().filter(|word| !word.fed);
    let first = words.find(|word| {
        let text = &word.text[..];
        !BEFORE.contains(&text) && !is_assignment(text)
    })?;
    let name = std::str::from_utf8(&first.text).ok()?;
    let is_known = first.data.is_empty() && !name.is_empty();
    // `-` is an option of what stood before, and `$x`, `~`, globs and the ends of `case` are worked out by the shell.
    let is_plain = !name.starts_with(['-', '~', '#', ']'])
        && !name.contains(['$', '*', '?', '(', ')', '`', '{', '}', '[']);
    let mut of_shell = BUILT_IN.iter().chain(&RESERVED).chain(&["true", "false"]);
    let is_program = is_known && is_plain && !of_shell.any(|known| *known == name);
    is_program.then_some(name)
}

fn is_assignment(text: &[u8]) -> bool {
    let equals = text.iter().position(|byte| *byte == b'=');
    equals.is_some_and(|at| is_name(text[..at].strip_suffix(b"+").unwrap_or(&text[..at])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_begin_with_is_found() {
        let cases: [(&str, &[&str]); 18] = [
            ("cargo build --release", &["cargo"]),
            ("cd web && npm ci; npm run build", &["npm"]),
            ("FOO=1 BAR=x make -j4 | tee log", &["make", "tee"]),
            ("if command -v jq >/dev/null; then jq . x; fi", &["jq"]),
            ("for f in *.c; do cc -c \"$f\"; done", &["cc"]),
            (
                "while ! curl -sf $URL; do sleep 1; done",
                &["curl", "sleep"],
            ),
            ("echo $(git rev-parse HEAD) `date`", &["git"]),
            ("$CC -o x x.c", &[]),
            ("./do it {{ now }}", &["./do"]),
            ("{{ tool }} x", &[]),
            (
                "{% if x %}docker build{% else %}podman build{% endif %} .",
                &["docker", "podman"],
            ),
            ("cat <<END | wc\nrm -rf /\nEND", &["cat", "wc"]),
            ("helper() { grep x; }\nhelper y", &["grep"]),
            ("function helper { grep x; }\nhelper y", &["grep"]),
            ("helper ()\n{ grep x; }\nhelper y", &["grep"]),
            ("case $1 in a) ls;; esac", &["ls"]),
            ("( cd x && tar c . ) | ssh host", &["ssh", "tar"]),
            ("# make nothing\ntrue", &[]),
        ];
        for (script, expected) in cases {
            assert_eq!(programs(script), expected, "{script}");
        }
    }
}
