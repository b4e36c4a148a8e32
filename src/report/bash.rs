//! Words of bash in a script that `sh` has run: what to write instead, when it failed for them.

use crate::model::plan::Work;

/// Commands and keywords that POSIX shells don't know.
const WORDS: [&str; 9] = [
    "[[", "source", "function", "declare", "typeset", "shopt", "pushd", "popd", "mapfile",
];

/// What stands in words that POSIX shells don't know: arrays, substitutions of processes, here-strings, both streams at once.
const PARTS: [&str; 9] = [
    "=(", "[@]", "[*]", "<(", "<<<", "&>", "${!", "pipefail", "{RANDOM",
];

/// The exit codes of a shell that has not understood its script, or not found a command.
const CODES: [i32; 2] = [2, 127];

/// The first word of bash in a script for `sh` that ended with this code, if one may be the reason.
pub fn word_in(work: &Work, code: Option<i32>) -> Option<&'static str> {
    let Work::Shell { command, shell, .. } = work else {
        return None;
    };
    let is_sh = shell.as_deref().is_none_or(|shell| {
        let program = shell.split_whitespace().next().unwrap_or_default();
        matches!(program.rsplit('/').next(), Some("sh" | "dash"))
    });
    if !is_sh || command.starts_with("#!") || !code.is_some_and(|code| CODES.contains(&code)) {
        return None;
    }
    let ends = |c: char| c.is_whitespace() || ";|&(){}`\"'".contains(c);
    let words = || command.split(ends);
    let word = WORDS
        .into_iter()
        .find(|known| words().any(|word| word == *known));
    word.or_else(|| PARTS.into_iter().find(|part| command.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::language::Place;

    fn of(command: &str, shell: Option<&str>) -> Option<&'static str> {
        let place = Place {
            file: 0,
            line: 1,
            column: 1,
        };
        let work = Work::Shell {
            command: command.to_owned(),
            reads: crate::model::language::Reads::default(),
            context: 0,
            place,
            shell: shell.map(Into::into),
        };
        word_in(&work, Some(2))
    }

    #[test]
    fn words_of_bash_are_seen_where_sh_ran_them() {
        assert_eq!(of("source .env\nmake", None), Some("source"));
        assert_eq!(of("if [[ -f x ]]; then :; fi", Some("sh")), Some("[["));
        assert_eq!(of("a=(1 2); echo ${a[@]}", None), Some("=("));
        assert_eq!(
            of("set -euo pipefail\nmake", Some("/bin/sh -e")),
            Some("pipefail")
        );
        assert_eq!(of("source .env", Some("bash")), None);
        assert_eq!(of("#!/bin/bash\nsource .env", None), None);
        assert_eq!(of("make resources; cat sources", None), None);
    }
}
