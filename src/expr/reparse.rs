//! Programs that parse their arguments again: shells, `eval`, `ssh`, and what evaluates arithmetic.
//!
//! The promise about values is one about the shell that flow starts. These hand what they get to another one, and so a
//! value is refused there unless `| quote` stands where the other shell will see one word. The list can't be complete:
//! any program may do such things with its arguments. It knows words, and neither values nor what a task is.

use std::collections::{HashMap, HashSet};

use super::Problem;
use super::holders::{self, Given, Holders, POSITIONAL, assigned};
use super::placing::refusal;
use super::shell::{self, Command, How, Scan, Why, Word};

/// How many shells within shells are looked into.
const DEPTH_MAX: usize = 4;

/// The values that are refused, with why.
pub(super) fn refused(scan: &Scan, quoted: &[bool]) -> Vec<(usize, Problem)> {
    within(scan, quoted, 0, &Holders::default())
}

/// The same within a script that is handed to another shell, whose variables hold what `known` says.
fn within(scan: &Scan, quoted: &[bool], depth: usize, known: &Holders) -> Vec<(usize, Problem)> {
    let mut found = Vec::new();
    if scan.spots.is_empty() && known.all().next().is_none() {
        return found;
    }
    let (holders, given) = Holders::of(scan, known);
    let aliases = scan.commands.iter();
    let aliases = aliases.filter(|command| holders::is_called(command, |name| name == b"alias"));
    let aliases: Vec<&Word> = aliases.flat_map(|command| &command.words).collect();
    for command in &scan.commands {
        let before = found.len();
        let mut look = Look {
            scan,
            quoted,
            holders: &holders,
            aliases: &aliases,
            command,
            depth,
            found: &mut found,
        };
        look.command();
        if found.len() > before {
            say_by_way_of_what(command, &holders, &mut found[before..]);
        }
    }
    for name in &scan.evaluated {
        let held = holders.held(name);
        found.extend(held.map(|one| (one, evaluated(name))));
    }
    let kinds = kinds(scan);
    for Given { name, values, text } in &given {
        let kind = kinds.iter().find(|(known, _)| known == name);
        match kind.map(|(_, kind)| *kind).or_else(|| special(name)) {
            Some(Kind::Number) => {
                let names = shell::variables(text);
                let held = names.iter().flat_map(|name| holders.held(name));
                let all = held.chain(values.iter().copied());
                found.extend(all.map(|one| (one, refusal(Why::Arithmetic))));
            }
            Some(Kind::Code) => {
                found.extend(values.iter().map(|one| (*one, parsed_again("the shell"))));
            }
            None => {}
        }
    }
    if depth < DEPTH_MAX {
        for script in &scan.backquoted {
            let inner = shell::scan(script);
            let known = holders.known_to(&inner, |one| one);
            let known = known.with(POSITIONAL, holders.held(POSITIONAL).collect());
            found.extend(within(&inner, &[], depth + 1, &known));
        }
    }
    found
}

/// What a shell makes of the value of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number, by evaluating it.
    Number,
    /// Something that it expands or runs.
    Code,
}

/// Variables that are special to a shell: of bash(1), ksh(1), mksh(1), zshparam(1), yash(1).
fn special(name: &[u8]) -> Option<Kind> {
    Some(match name {
        b"RANDOM"
        | b"SECONDS"
        | b"SRANDOM"
        | b"OPTIND"
        | b"HISTCMD"
        | b"LINENO"
        | b"BASHPID"
        | b"COLUMNS"
        | b"LINES"
        | b"PGRP"
        | b"TMOUT"
        | b"USER_ID"
        | b"EUID"
        | b"UID"
        | b"PPID"
        | b"GID"
        | b"EGID"
        | b"KSHGID"
        | b"KSHUID"
        | b"KSHEGID"
        | b"HISTSIZE"
        | b"SAVEHIST"
        | b"LISTMAX"
        | b"LOGCHECK"
        | b"MAILCHECK"
        | b"KEYTIMEOUT"
        | b"BAUD"
        | b"DIRSTACKSIZE"
        | b"FUNCNEST"
        | b"SHLVL"
        | b"ERRNO"
        | b"TRY_BLOCK_ERROR"
        | b"TRY_BLOCK_INTERRUPT" => Kind::Number,
        b"PS0"
        | b"PS1"
        | b"PS2"
        | b"PS3"
        | b"PS4"
        | b"PROMPT"
        | b"PROMPT2"
        | b"PROMPT3"
        | b"PROMPT4"
        | b"RPROMPT"
        | b"RPS1"
        | b"prompt"
        | b"PROMPT_COMMAND"
        | b"ENV"
        | b"BASH_ENV"
        | b"functions"
        | b"aliases"
        | b"galiases"
        | b"saliases"
        | b"dis_functions"
        | b"BASH_ALIASES"
        | b"BASH_CMDS"
        | b"commands"
        | b"YASH_AFTER_CD"
        | b"COMMAND_NOT_FOUND_HANDLER"
        | b"HISTCMDS" => Kind::Code,
        _ => return None,
    })
}

/// Variables that the script makes integers, or other names for variables.
fn kinds(scan: &Scan) -> Vec<(Vec<u8>, Kind)> {
    let mut kinds = Vec::new();
    for command in &scan.commands {
        let words = &command.words;
        let declares = |name: &[u8]| {
            matches!(
                name,
                b"declare" | b"typeset" | b"local" | b"export" | b"readonly"
            )
        };
        let parses =
            |word: &Word| is_option(word) && word.text.iter().any(|byte| b"inEF".contains(byte));
        let is_number = |name: &[u8]| matches!(name, b"integer" | b"float" | b"nameref");
        if holders::is_called(command, is_number)
            || words.iter().any(parses) && holders::is_called(command, declares)
        {
            for word in words.iter().filter(|word| !is_option(word)) {
                let name = assigned(word).map_or(word.text.as_slice(), |(name, _)| name);
                kinds.push((name.to_vec(), Kind::Number));
            }
        }
    }
    kinds
}

/// A variable holds a value, and the shell evaluates it.
fn evaluated(name: &[u8]) -> Problem {
    let message = format!(
        "{} holds this value, and the shell evaluates it as arithmetic or as a name",
        called(name)
    );
    Problem::new("data-in-code", message).help("make a number of it: `{{ x | int }}`")
}

fn called(name: &[u8]) -> String {
    match name {
        POSITIONAL => "a positional parameter".to_owned(),
        name => format!("the variable {}", String::from_utf8_lossy(name)),
    }
}

/// Names the variable by which a command gets a value that does not stand in it.
fn say_by_way_of_what(command: &Command, holders: &Holders, found: &mut [(usize, Problem)]) {
    let words = || command.words.iter().chain(&command.stdin);
    let inner = words().flat_map(|word| word.inner.iter().map(|(_, value)| *value));
    let own: HashSet<usize> = words()
        .flat_map(|word| word.data.iter().copied())
        .chain(inner)
        .collect();
    let mut by_name: HashMap<usize, &[u8]> = HashMap::new();
    for word in words() {
        let names = word.names.iter().map(|(_, name)| name).chain([&word.text]);
        for name in names {
            for value in holders.held(name) {
                by_name.entry(value).or_insert(name);
            }
        }
    }
    for (one, problem) in found {
        if let Some(name) = by_name.get(one).filter(|_| !own.contains(one)) {
            problem.message = format!("{} holds this value: {}", called(name), problem.message);
        }
    }
}

struct Look<'a> {
    scan: &'a Scan,
    quoted: &'a [bool],
    holders: &'a Holders,
    /// The words of the commands that make aliases.
    aliases: &'a [&'a Word],
    command: &'a Command,
    depth: usize,
    found: &'a mut Vec<(usize, Problem)>,
}

/// Shells, by the last part of their path.
fn is_shell(name: &str) -> bool {
    matches!(
        name,
        "sh" | "bash"
            | "dash"
            | "ash"
            | "ksh"
            | "mksh"
            | "zsh"
            | "fish"
            | "rbash"
            | "yash"
            | "ksh93"
            | "rksh"
            | "lksh"
            | "oksh"
            | "loksh"
            | "posh"
            | "csh"
            | "tcsh"
            | "nu"
            | "$SHELL"
            | "${SHELL}"
            | "$BASH"
            | "${BASH}"
    )
}

/// Programs that run the program that their arguments name.
fn runs_another(name: &str) -> bool {
    matches!(
        name,
        "busybox"
            | "builtin"
            | "chroot"
            | "command"
            | "coproc"
            | "noglob"
            | "nocorrect"
            | "-"
            | "-p"
            | "doas"
            | "env"
            | "exec"
            | "flock"
            | "ionice"
            | "nice"
            | "nohup"
            | "nsenter"
            | "parallel"
            | "setpriv"
            | "setsid"
            | "stdbuf"
            | "strace"
            | "sudo"
            | "time"
            | "timeout"
            | "toybox"
            | "unshare"
            | "xargs"
    )
}

/// Options after which other languages read a program from the next argument.
fn program_option(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "perl" => &["-e", "-E"],
        "ruby" | "Rscript" | "julia" => &["-e"],
        "tclsh" | "wish" => &[],
        "expect" => &["-c"],
        _ if name.starts_with("lua") => &["-e"],
        "node" | "deno" | "bun" => &["-e", "-p", "--eval", "--print"],
        "php" => &["-r", "--run"],
        _ if name.starts_with("python") => &["-c"],
        _ => return None,
    })
}

/// The program that a word names, without its folder; none when a value is part of it.
fn name(word: &Word) -> Option<&str> {
    let text = std::str::from_utf8(&word.text).ok()?;
    word.data
        .is_empty()
        .then(|| text.rsplit('/').next().unwrap_or(text))
}

fn is_option(word: &Word) -> bool {
    word.text.len() > 1 && word.text[0] == b'-'
}

/// An option among whose letters is `c`: `-c`, `-euc`.
fn is_command_option(word: &Word) -> bool {
    is_option(word) && word.text[1] != b'-' && word.text[1..].contains(&b'c')
}

/// Words that a shell reads as more than words, wherever a command begins with them.
fn is_sensitive(name: &str) -> bool {
    is_shell(name)
        || matches!(
            name,
            "eval" | "source" | "." | "trap" | "alias" | "let" | "declare" | "typeset"
        )
}

/// Builtins whose operand is a number, which some shells evaluate.
fn takes_a_number(name: &str) -> bool {
    matches!(
        name,
        "exit" | "return" | "break" | "continue" | "shift" | "ulimit" | "logout" | "bye"
    )
}

/// Builtins of zsh that parse what they are given.
fn parses_all(name: &str) -> bool {
    matches!(
        name,
        "private"
            | "getln"
            | "zparseopts"
            | "zstyle"
            | "zformat"
            | "sched"
            | "zle"
            | "vared"
            | "autoload"
            | "zmodload"
            | "functions"
            | "emulate"
    )
}

impl Look<'_> {
    fn command(&mut self) {
        let words: Vec<&Word> = self.command.words.iter().filter(|word| !word.fed).collect();
        let begins = holders::begins(&words);
        let last = begins.last().copied().unwrap_or(words.len());
        for word in words[..last].iter().filter(|word| is_assignment(word)) {
            self.assignment(word);
        }
        if self.command.condition {
            self.comparison(&words);
        }
        for from in begins {
            self.named(&words[from..]);
        }
    }

    /// A command, which its first word names.
    fn named(&mut self, words: &[&Word]) {
        let Some(word) = words.first() else {
            return;
        };
        if word
            .names
            .iter()
            .any(|(_, name)| matches!(name.as_slice(), b"SHELL" | b"BASH"))
        {
            self.shell("sh", &words[1..]);
        }
        // A name that is worked out: what it could be is looked at.
        let worked_out = !word.names.is_empty()
            || !word.hidden.is_empty()
            || !word.data.is_empty()
            || word.text.is_empty();
        if worked_out || word.text.contains(&b'{') || word.text.contains(&b'[') {
            self.worked_out(word, &words[1..]);
        }
        let first = name(word).unwrap_or_default();
        if first == "coproc"
            && words
                .iter()
                .any(|word| name(word).is_some_and(is_sensitive))
        {
            // It is given whatever is written to it later.
            let all = self.scan.commands.iter().flat_map(|command| &command.words);
            let all: Vec<&Word> = all.collect();
            self.refuse_words(&all, || parsed_again("coproc"));
        }
        self.other_name(word, &words[1..]);
        let others = runs_another(first);
        for at in 0..words.len() {
            let Some(program) = name(words[at]) else {
                continue;
            };
            let rest = &words[at + 1..];
            let shell =
                is_shell(program) && rest.first().is_some_and(|next| is_command_option(next));
            if at == 0 || others || shell {
                self.program(program, rest);
            }
        }
    }

    /// A command whose name is an alias that was made here, or a file that was written here.
    fn other_name(&mut self, word: &Word, rest: &[&Word]) {
        let written = self.holders.written(&word.text);
        self.each_as_code("the shell", &written.iter().collect::<Vec<_>>());
        let aliases = self.aliases.iter();
        let texts: Vec<Vec<u8>> = aliases
            .filter_map(|alias| {
                let (name, from) = assigned(alias)?;
                (name == word.text).then(|| alias.text[from..].to_vec())
            })
            .collect();
        let mut words = texts
            .iter()
            .flat_map(|text| text.split(u8::is_ascii_whitespace));
        if words.any(|word| std::str::from_utf8(word).is_ok_and(is_sensitive)) {
            self.refuse_words(rest, || parsed_again("the shell"));
        }
    }

    /// A command whose name is made by expansions: `$e`, `${e:-eval}`, `$(echo eval)`, `{eval,…}`.
    fn worked_out(&mut self, word: &Word, rest: &[&Word]) {
        let mut could_be = word.hidden.clone();
        let whole: Vec<u8> = word
            .text
            .iter()
            .filter(|byte| !b"[]".contains(byte))
            .copied()
            .collect();
        could_be.push(whole);
        could_be.extend(
            word.text
                .split(|byte| b"{},[]".contains(byte))
                .map(<[u8]>::to_vec),
        );
        if word.names.iter().any(|(_, name)| name == POSITIONAL) {
            let sets = |command: &&Command| {
                holders::is_called(command, |name| {
                    name == b"set" || self.scan.functions.iter().any(|one| one == name)
                })
            };
            let words = self
                .scan
                .commands
                .iter()
                .filter(sets)
                .flat_map(|command| &command.words);
            could_be.extend(words.map(|word| word.text.clone()));
        }
        for (given, from) in holders::given_to(self.scan, word) {
            let text = given.text[from..].split(u8::is_ascii_whitespace);
            could_be.extend(text.map(<[u8]>::to_vec));
            could_be.extend(given.hidden.iter().cloned());
        }
        for one in could_be {
            let Ok(text) = std::str::from_utf8(&one) else {
                continue;
            };
            let program = text.rsplit('/').next().unwrap_or(text);
            if is_sensitive(program) {
                let all = rest.iter().flat_map(|word| self.holders.within(word));
                let all: Vec<usize> = all.chain(self.holders.within(word)).collect();
                for data in all {
                    self.refuse(data, parsed_again(program));
                }
            }
        }
    }

    /// An assignment; the subscript of one to an item of an array is looked at.
    fn assignment(&mut self, word: &Word) {
        let equals = word.text.iter().position(|byte| *byte == b'=').unwrap_or(0);
        let target = &word.text[..equals];
        if target.contains(&b'[') {
            let within = target.iter().filter(|byte| **byte == 0).count();
            self.refuse_all(&word.data[..within.min(word.data.len())], Why::Subscript);
            let inner: Vec<usize> = word
                .inner
                .iter()
                .filter(|(at, _)| *at <= equals)
                .map(|(_, one)| *one)
                .collect();
            self.refuse_all(&inner, Why::Subscript);
            let names = word.names.iter().filter(|(at, _)| *at <= equals);
            let held: Vec<usize> = names
                .flat_map(|(_, name)| self.holders.held(name))
                .collect();
            self.refuse_all(&held, Why::Subscript);
        }
        // `x=( [ … ]=… )`: a substitution hides the subscript.
        if word.text.ends_with(b"=") && word.hidden.iter().any(|one| one.is_empty()) {
            let inner: Vec<usize> = word.inner.iter().map(|(_, one)| *one).collect();
            self.refuse_all(&inner, Why::Subscript);
        }
    }

    fn program(&mut self, program: &str, rest: &[&Word]) {
        match program {
            "eval" => self.code("eval", rest, &[]),
            "watch" => self.code("watch", &operands(rest, "dn"), &[]),
            "trap" => {
                let operands = operands(rest, "");
                self.code("trap", &operands[..operands.len().min(1)], &[]);
            }
            "alias" | "bind" | "compgen" | "complete" | "enable" | "hash" => {
                self.refuse_words(rest, || parsed_again(program));
                for word in rest.iter().filter(|_| program == "alias") {
                    let text = assigned(word).map(|(_, from)| word.text[from..].to_vec());
                    let text = text.unwrap_or_default();
                    let code = Word {
                        text,
                        ..Word::default()
                    };
                    if !code.text.contains(&0) {
                        self.code(program, &[&code], &[]);
                    }
                }
            }
            _ if parses_all(program) => self.refuse_words(rest, || parsed_again(program)),
            _ if takes_a_number(program) => self.refuse_words(rest, || refusal(Why::Arithmetic)),
            "git" => {
                let after = rest.windows(2).filter(|pair| pair[0].text == b"-c");
                let texts: Vec<&Word> = after.map(|pair| pair[1]).collect();
                texts.iter().for_each(|text| self.program_text("git", text));
            }
            "let" => {
                self.refuse_words(rest, || refusal(Why::Arithmetic));
                let names = rest.iter().flat_map(|word| shell::variables(&word.text));
                let held: Vec<usize> = names
                    .flat_map(|name| self.holders.held(&name).collect::<Vec<_>>())
                    .collect();
                self.refuse_all(&held, Why::Arithmetic);
            }
            "test" | "[" | "[[" => self.comparison(rest),
            "su" | "runuser" | "script" | "sg" | "flock" => self.by_option(program, rest),
            "ssh" => self.ssh(rest),
            "awk" | "gawk" | "mawk" | "nawk" => self.awk(rest),
            "env" => self.env(rest),
            "xargs" | "parallel" => self.xargs(rest),
            "unset" | "read" | "mapfile" | "readarray" | "getopts" => {
                if matches!(program, "mapfile" | "readarray") {
                    self.option_code("-C", rest);
                }
                rest.iter().for_each(|word| self.variable(word));
            }
            "declare" | "typeset" | "local" | "readonly" | "integer" | "export" | "nameref"
            | "float" => self.declared(program, rest),
            "printf" | "print" => {
                self.after("-v", rest);
                self.numbers(rest);
            }
            "set" => self.after("-A", rest),
            "wait" => self.after("-p", rest),
            "." | "source" => self.sourced(program, rest),
            _ if is_shell(program) => self.shell(program, rest),
            _ => self.language(program, rest),
        }
    }

    /// All values in these words, by whatever way they get there.
    fn refuse_words(&mut self, words: &[&Word], problem: impl Fn() -> Problem) {
        for one in words.iter().flat_map(|word| self.holders.within(word)) {
            self.found.push((one, problem()));
        }
    }

    /// `env -S TEXT` splits the text into words, and the first is a program. What begins with a value could set any variable.
    fn env(&mut self, rest: &[&Word]) {
        for (at, word) in rest.iter().enumerate() {
            let splits = is_option(word) && word.text[1] != b'-' && word.text.contains(&b'S')
                || word.text.starts_with(b"--split-string");
            if splits {
                self.refuse_words(&rest[at..], || parsed_again("env -S"));
            }
        }
        let begins = |word: &&&Word| {
            is_option(word) || assigned(word).is_some() || word.text.first() == Some(&0)
        };
        let count = rest.iter().take_while(begins).count();
        let sets = |word: &&&Word| word.text.first() == Some(&0) && assigned(word).is_none();
        let sets: Vec<&Word> = rest[..count].iter().filter(sets).copied().collect();
        // Without a program behind it, the value names that.
        let names_program = rest
            .get(count)
            .is_some_and(|word| name(word).is_some_and(is_sensitive));
        if names_program {
            self.refuse_words(&sets, || parsed_again("env"));
        }
    }

    /// What `xargs` is fed stands behind the command, or in the place of `{}`.
    fn xargs(&mut self, rest: &[&Word]) {
        let Some(at) = rest
            .iter()
            .position(|word| name(word).is_some_and(|name| is_shell(name) || name == "eval"))
        else {
            return;
        };
        let replaces = rest[..at].iter().any(|word| {
            word.text.starts_with(b"-I")
                || word.text.starts_with(b"-i")
                || word.text.starts_with(b"--replace")
                || word.text == b"-J"
        });
        let after = operands(&rest[at + 1..], "oO");
        if replaces || after.is_empty() {
            let fed = self.holders.fed(self.scan, self.command);
            for one in fed {
                self.refuse(one, parsed_again("the shell of xargs"));
            }
        }
    }

    /// A script that is read into the shell: from its input, a process, or a file that was written before.
    fn sourced(&mut self, program: &str, rest: &[&Word]) {
        if let Some(file) = operands(rest, "").first() {
            self.file(program, file);
        }
    }

    /// A file that a shell reads its commands from.
    fn file(&mut self, program: &str, file: &Word) {
        if file.process {
            let values = self.holders.expanded(file);
            values
                .into_iter()
                .for_each(|one| self.refuse(one, parsed_again(program)));
        }
        let text = file.text.as_slice();
        if !file.names.is_empty() {
            let held: Vec<usize> = self.holders.held(holders::STDIN).collect();
            held.into_iter()
                .for_each(|one| self.refuse(one, parsed_again(program)));
        }
        if is_stdin(text) {
            self.stdin(program);
        }
        let written = self.holders.written(text);
        self.each_as_code(program, &written.iter().collect::<Vec<_>>());
    }

    /// The text that follows this option is code.
    fn option_code(&mut self, option: &str, rest: &[&Word]) {
        for pair in rest
            .windows(2)
            .filter(|pair| pair[0].text == option.as_bytes())
        {
            self.code(option, &pair[1..], &[]);
        }
    }

    fn refuse(&mut self, data: usize, problem: Problem) {
        self.found.push((data, problem));
    }

    fn refuse_all(&mut self, data: &[usize], why: Why) {
        data.iter().for_each(|one| self.refuse(*one, refusal(why)));
    }

    /// Words that another shell will parse, joined by spaces, with its positional parameters.
    fn code(&mut self, program: &str, words: &[&Word], args: &[&Word]) {
        // What is expanded before the other shell gets it is a part of its script.
        for one in words.iter().flat_map(|word| self.holders.expanded(word)) {
            self.refuse(one, parsed_again(program));
        }
        // `eval "y=\$$x"` reads a variable whose name is worked out.
        let names_one = |word: &&&Word| {
            let mut names = word.names.iter();
            names.any(|(at, _)| {
                at.checked_sub(1)
                    .is_some_and(|before| word.text.get(before) == Some(&b'$'))
            })
        };
        if words.iter().any(|word| names_one(&word)) {
            let all: Vec<usize> = self.holders.all().collect();
            all.into_iter()
                .for_each(|one| self.refuse(one, parsed_again(program)));
        }
        let texts: Vec<&[u8]> = words.iter().map(|word| word.text.as_slice()).collect();
        let data: Vec<usize> = words
            .iter()
            .flat_map(|word| word.data.iter().copied())
            .collect();
        // `echo {{ v }} | eval "$(cat)"`
        let fed = self.fed();
        if words.iter().any(|word| !word.hidden.is_empty()) {
            fed.iter()
                .for_each(|one| self.refuse(*one, parsed_again(program)));
        }
        if data.is_empty()
            && self.holders.all().next().is_none()
            && args.is_empty()
            && fed.is_empty()
        {
            return;
        }
        let inner = shell::scan(&texts.join(&b' '));
        let refused = match self.depth < DEPTH_MAX {
            true => self.within(program, &inner, data.len(), args),
            false => Vec::new(),
        };
        let again: HashSet<usize> = refused.iter().map(|(number, _)| *number).collect();
        for (place, one) in data.iter().enumerate() {
            let outer = self.scan.spots.get(*one).map(|spot| spot.how);
            let quoted = self.quoted.get(*one) == Some(&true) && outer != Some(How::Bare);
            let a_word = inner
                .spots
                .get(place)
                .is_some_and(|spot| spot.how == How::Bare && !spot.dollar);
            let again = again.contains(&place);
            if !quoted || !a_word || again || self.depth >= DEPTH_MAX {
                self.refuse(*one, parsed_again(program));
            }
        }
        // What its variables and parameters hold has numbers behind those that stand in it.
        for (number, problem) in refused {
            if let Some(one) = number.checked_sub(data.len()) {
                self.refuse(one, problem);
            }
        }
    }

    /// What is refused in a script that has so many values of its own; numbers beyond those are values of this one.
    fn within(
        &self,
        program: &str,
        inner: &Scan,
        own: usize,
        args: &[&Word],
    ) -> Vec<(usize, Problem)> {
        let args = args.iter().flat_map(|word| self.holders.within(word));
        // `-c` begins with parameters of its own.
        let is_here = matches!(program, "eval" | "trap" | "alias");
        let args = args.chain(self.holders.held(POSITIONAL).filter(|_| is_here));
        let behind = |one: usize| one + own;
        let known = self
            .holders
            .known_to(inner, behind)
            .with(POSITIONAL, args.map(behind).collect())
            .with(holders::STDIN, self.fed().into_iter().map(behind).collect());
        within(inner, &vec![true; own], self.depth + 1, &known)
    }

    fn shell(&mut self, program: &str, rest: &[&Word]) {
        // `+x` is an option as `-x` is.
        let plus = |word: &&&Word| word.text.len() > 1 && word.text[0] == b'+';
        let rest: Vec<&Word> = rest.iter().filter(|word| !plus(word)).copied().collect();
        for pair in rest.windows(2) {
            if pair[0].text == b"--rcfile" || pair[0].text == b"--init-file" {
                self.file(program, pair[1]);
            }
        }
        let rest = without_long_options(&rest);
        let rest = rest.as_slice();
        let operands = operands(rest, "oO");
        let options = &rest[..rest.len() - operands.len()];
        let has = |letter: u8| {
            options
                .iter()
                .any(|word| is_option(word) && word.text[1] != b'-' && word.text.contains(&letter))
        };
        // `sh $c TEXT`: what is worked out could be `-c`.
        let worked_out = |word: &&Word| {
            word.data.is_empty()
                && (!word.names.is_empty() || !word.hidden.is_empty())
                && !word.process
                && (word.text.is_empty() || word.text[0] == b'$')
        };
        if has(b'c') {
            let (text, args) = operands.split_at(operands.len().min(1));
            self.code(program, text, args);
        } else if let Some(first) = operands.first()
            && (worked_out(first) || first.text.contains(&b'{'))
        {
            self.refuse_words(&operands[1..], || parsed_again(program));
            if first.text.contains(&b'{') || matches!(first.text.as_slice(), b"$@" | b"$*") {
                self.refuse_words(&operands[..1], || parsed_again(program));
            }
        } else if operands.is_empty() || has(b's') {
            self.stdin(program);
        } else {
            self.file(program, operands[0]);
        }
    }

    /// The values in what a command is fed.
    fn fed(&self) -> Vec<usize> {
        self.holders.fed(self.scan, self.command)
    }

    /// What a shell is fed is its script. Where nothing feeds it directly, what feeds a group or the whole shell does.
    fn stdin(&mut self, program: &str) {
        let words = holders::fed(self.scan, self.command);
        if words.len() >= holders::FEEDS_MAX {
            // There may be more of them, which nobody has looked at.
            self.refuse_words(&words, || parsed_again(program));
        }
        self.each_as_code(program, &words);
        for file in &self.command.sources {
            let written = self.holders.written(&file.text);
            self.each_as_code(program, &written.iter().collect::<Vec<_>>());
        }
        if words.is_empty() || self.command.piped.is_some() {
            let held: Vec<usize> = self.holders.held(holders::STDIN).collect();
            held.into_iter()
                .for_each(|one| self.refuse(one, parsed_again(program)));
        }
    }

    fn each_as_code(&mut self, program: &str, words: &[&Word]) {
        for word in words {
            if !self.holders.within(word).is_empty() {
                self.code(program, &[word], &[]);
            }
        }
    }

    /// `su -c COMMAND`.
    fn by_option(&mut self, program: &str, rest: &[&Word]) {
        for (at, word) in rest.iter().enumerate() {
            if word.text.starts_with(b"--command=") || word.text.starts_with(b"--session-command=")
            {
                self.code(program, &rest[at..=at], &[]);
            } else if is_command_option(word) || word.text == b"--command" {
                let text = &rest[(at + 1).min(rest.len())..(at + 2).min(rest.len())];
                self.code(program, text, &[]);
                // `script -cTEXT`
                self.refuse_words(&rest[at..=at], || parsed_again(program));
            }
        }
    }

    fn ssh(&mut self, rest: &[&Word]) {
        let operands = operands(rest, "BbcDEeFIiJLlmOoPpQRSWw");
        let command = operands.get(1..).unwrap_or_default();
        if let Some(host) = operands.first()
            && host.text.first() == Some(&0)
            && !rest.iter().any(|word| word.text == b"--")
        {
            for one in &host.data {
                let message = "`ssh` takes a value that begins with '-' for an option, and one of them runs a command";
                let problem = Problem::new("data-in-code", message);
                self.refuse(*one, problem.help("write `ssh -- {{ host }} …`"));
            }
        }
        let after = rest.windows(2).filter(|pair| pair[0].text == b"-o");
        let after = after
            .map(|pair| pair[1])
            .filter(|word| names_option(&word.text));
        let joined = rest.iter().copied().filter(|word| {
            let text = word.text.strip_prefix(b"-o");
            text.is_some_and(|text| !text.is_empty() && names_option(text))
        });
        let options: Vec<&Word> = after.chain(joined).collect();
        self.refuse_words(&options, || parsed_again("ssh"));
        for word in rest.iter().filter(|word| names_command(word)) {
            self.refuse_words(&[word], || parsed_again("ssh"));
        }
        self.code("ssh", command, &[]);
        let text: Vec<&[u8]> = command.iter().map(|word| word.text.as_slice()).collect();
        if text.is_empty() || reads_code(&text.join(&b' ')) {
            self.stdin("ssh");
        }
    }

    fn awk(&mut self, rest: &[&Word]) {
        let mut has_file = false;
        for (at, word) in rest.iter().enumerate() {
            if let Some(file) = word.text.strip_prefix(b"-f") {
                has_file = true;
                let next = rest.get(at + 1).filter(|_| file.is_empty());
                self.program_file("awk", next.unwrap_or(word));
            }
        }
        if has_file {
            return;
        }
        if let Some(program) = operands(rest, "Fv").first() {
            self.program_text("awk", program);
            let runs = [&b"system("[..], b"system (", b"| getline", b"|getline"];
            if runs
                .iter()
                .any(|call| program.text.windows(call.len()).any(|part| part == *call))
            {
                let data = rest.iter().flat_map(|word| self.holders.within(word));
                let data: Vec<usize> = data.chain(self.fed()).collect();
                self.program_data("awk", &data);
            }
        }
    }

    fn language(&mut self, program: &str, rest: &[&Word]) {
        let Some(options) = program_option(program) else {
            return;
        };
        let own = rest.iter().take_while(|word| is_option(word)).count();
        let is_code = |word: &&Word| {
            options
                .iter()
                .any(|option| is_this(option, &word.text, program))
        };
        // `perl -eTEXT`
        let with_text: Vec<&Word> = rest[..own]
            .iter()
            .filter(|word| is_code(word))
            .copied()
            .collect();
        for word in with_text {
            self.program_text(program, word);
        }
        if program == "perl" {
            // The program stands behind `-e`.
            let files = own + usize::from(own > 0 && is_code(&rest[own - 1]));
            self.opened_by_perl(&rest[..own], rest.get(files..).unwrap_or_default());
        }
        for at in 0..own {
            // `--eval=TEXT` has it in itself.
            let is_whole = rest[at].text.starts_with(b"--") && rest[at].text.contains(&b'=');
            if let Some(text) = rest.get(at + 1)
                && !is_whole
                && is_code(&rest[at])
            {
                self.program_text(program, text);
                let runs = [&b"eval"[..], b"exec", b"system"];
                if runs
                    .iter()
                    .any(|call| text.text.windows(call.len()).any(|part| part == *call))
                {
                    let data = rest[at + 1..]
                        .iter()
                        .flat_map(|word| self.holders.within(word));
                    let data: Vec<usize> = data.collect();
                    self.program_data(program, &data);
                }
            }
        }
        // Without a script what it is fed is its program.
        let script = rest[own..].iter().find(|word| word.text != b"-");
        if !rest[..own].iter().any(is_code) {
            match script {
                Some(script) => self.program_file(program, script),
                None => {
                    let data = self.fed();
                    self.program_data(program, &data);
                }
            }
        }
    }

    /// A file that another language reads its program from.
    fn program_file(&mut self, program: &str, file: &Word) {
        let mut data = self.holders.in_file(&file.text);
        if is_stdin(file.text.strip_prefix(b"-f").unwrap_or(&file.text)) {
            data.extend(self.fed());
        }
        if file.process {
            data.extend(self.holders.expanded(file));
        }
        self.program_data(program, &data);
    }

    /// What `perl -n` and `-p` read: a name that begins or ends with `|` is a command (perlop, "I/O Operators"); `-i` takes it as it is.
    fn opened_by_perl(&mut self, options: &[&Word], rest: &[&Word]) {
        let has = |letter: &u8| {
            let mut letters = options.iter().filter(|word| !word.text.starts_with(b"--"));
            letters.any(|word| word.text.contains(letter))
        };
        if (has(&b'n') || has(&b'p')) && !has(&b'i') {
            for one in rest.iter().flat_map(|word| self.holders.within(word)) {
                let message = "`perl -n` and `-p` take a file's name that begins or ends with '|' for a command";
                let problem = Problem::new("data-in-code", message);
                self.refuse(
                    one,
                    problem.help("let it read the file: `perl -ne '…' < {{ file }}`"),
                );
            }
        }
    }

    fn program_text(&mut self, program: &str, word: &Word) {
        let data = self.holders.within(word);
        self.program_data(program, &data);
    }

    fn program_data(&mut self, program: &str, data: &[usize]) {
        for one in data {
            let message = format!("`{program}` would take this value for a part of its program");
            let problem = Problem::new("data-in-code", message);
            self.refuse(
                *one,
                problem.help("pass it on by `env`, or as an argument of the program"),
            );
        }
    }

    /// Operands of `-eq` and the like, which some shells evaluate as arithmetic.
    fn comparison(&mut self, words: &[&Word]) {
        for (at, word) in words.iter().enumerate() {
            if matches!(
                word.text.as_slice(),
                b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge"
            ) {
                let before = at.checked_sub(1).and_then(|before| words.get(before));
                for side in [before, words.get(at + 1)].into_iter().flatten() {
                    let mut held = self.holders.within(side);
                    // `[[ n -eq 1 ]]`
                    held.extend(self.holders.held(&side.text));
                    self.refuse_all(&held, Why::Arithmetic);
                }
            }
        }
        self.after("-v", words);
        self.after("-R", words);
        for pair in words.windows(2).filter(|pair| pair[0].text == b"-t") {
            self.refuse_words(&pair[1..], || refusal(Why::Arithmetic));
        }
    }

    /// What a format makes numbers of is evaluated by zsh and ksh93.
    fn numbers(&mut self, rest: &[&Word]) {
        let format = rest.iter().position(|word| makes_numbers(&word.text));
        if let Some(at) = format {
            self.refuse_words(&rest[at + 1..], || refusal(Why::Arithmetic));
        }
    }

    /// The name of a variable after this option.
    fn after(&mut self, option: &str, words: &[&Word]) {
        for pair in words.windows(2) {
            if pair[0].text == option.as_bytes() {
                self.variable(pair[1]);
            }
        }
    }

    /// A word that names a variable, or an item of one.
    fn variable(&mut self, word: &Word) {
        if !is_option(word) {
            let held = self.holders.within(word);
            self.refuse_all(&held, Why::Subscript);
        }
    }

    fn declared(&mut self, program: &str, rest: &[&Word]) {
        // Integers, lists and references: what they are given is parsed.
        let parses = |byte: &u8| b"iaAn".contains(byte);
        let whole = |word: &&Word| is_option(word) && word.text.iter().any(parses);
        let whole = matches!(program, "integer" | "float" | "nameref") || rest.iter().any(whole);
        let options: Vec<&Word> = rest
            .iter()
            .filter(|word| is_option(word))
            .copied()
            .collect();
        self.refuse_words(&options, || refusal(Why::Arithmetic));
        for word in rest.iter().filter(|word| !is_option(word)) {
            let Some((_, from)) = assigned(word) else {
                // A name, or what becomes one.
                let held = self.holders.within(word);
                self.refuse_all(&held, Why::Subscript);
                continue;
            };
            self.assignment(word);
            let name = &word.text[..from];
            let within = name.iter().filter(|byte| **byte == 0).count();
            let (name, value) = word.data.split_at(within.min(word.data.len()));
            self.refuse_all(name, Why::Subscript);
            if whole {
                self.refuse_all(value, Why::Arithmetic);
                let held = self.holders.expanded(word);
                self.refuse_all(&held, Why::Arithmetic);
            }
        }
    }
}

/// Whether a format has a conversion of a number; printf(1p).
fn makes_numbers(format: &[u8]) -> bool {
    let mut parts = format.split(|byte| *byte == b'%').skip(1);
    parts.any(|part| {
        let flags = part
            .iter()
            .take_while(|byte| b"-+ #0123456789.*'hlLjzt".contains(byte));
        let kind = part.get(flags.count());
        kind.is_some_and(|kind| b"diouxXeEfFgGaA".contains(kind)) || part.starts_with(b"*")
    })
}

fn is_assignment(word: &Word) -> bool {
    assigned(word).is_some()
}

/// Whether a value stands in what names an option of ssh.
fn names_option(text: &[u8]) -> bool {
    let ends = |byte: &u8| *byte == b'=' || *byte == b' ';
    let name = text.split(ends).next().unwrap_or(text);
    name.contains(&0)
}

/// `-o ProxyCommand=…`.
fn names_command(word: &Word) -> bool {
    let text = word.text.to_ascii_lowercase();
    let text = text.strip_prefix(b"-o").unwrap_or(&text);
    [
        &b"proxycommand"[..],
        b"localcommand",
        b"knownhostscommand",
        b"match",
    ]
    .iter()
    .any(|name| text.starts_with(name))
}

/// Whether a file is what a program is fed.
fn is_stdin(name: &[u8]) -> bool {
    name == b"-"
        || [&b"/dev/stdin"[..], b"/dev/fd/", b"/proc/self/fd/"]
            .iter()
            .any(|path| name.starts_with(path))
}

/// Words without long options of shells, and what two of them take.
fn without_long_options<'w>(words: &[&'w Word]) -> Vec<&'w Word> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        let is_long = word.text.len() > 2 && word.text.starts_with(b"--");
        if !is_option(word) {
            kept.extend(&words[at..]);
            break;
        }
        if !is_long {
            kept.push(*word);
        }
        at += 1 + usize::from(word.text == b"--rcfile" || word.text == b"--init-file");
    }
    kept
}

/// Whether a word is this option; some take it among other letters, as in `-pe`.
fn is_this(option: &str, word: &[u8], program: &str) -> bool {
    let letter = option.as_bytes()[option.len() - 1];
    let bundles = matches!(program, "perl" | "ruby" | "node") || program.starts_with("python");
    let among = bundles
        && option.len() == 2
        && word.len() > 1
        && word[0] == b'-'
        && word[1] != b'-'
        && word[1..].contains(&letter);
    let with_text = || word.strip_prefix(option.as_bytes());
    among
        || word == option.as_bytes()
        || option.starts_with("--") && with_text().is_some_and(|text| text.starts_with(b"="))
}

/// The words that are no options; the letters in `with` take the word after them.
fn operands<'w>(words: &[&'w Word], with: &str) -> Vec<&'w Word> {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| is_option(word)) {
        if word.text == b"--" {
            at += 1;
            break;
        }
        let last = word.text[word.text.len() - 1];
        at += 1 + usize::from(with.as_bytes().contains(&last));
    }
    let rest = words.get(at..).unwrap_or_default();
    rest.to_vec()
}

/// Whether a command is a shell that takes its script from its input.
fn reads_code(command: &[u8]) -> bool {
    let scan = shell::scan(command);
    scan.commands.iter().any(|command| {
        let mut words = command.words.iter();
        let shell = words.any(|word| name(word).is_some_and(is_shell));
        shell && words.all(is_option)
    })
}

fn parsed_again(program: &str) -> Problem {
    let who = match program {
        "the shell" | "the shell of xargs" => program.to_owned(),
        program => format!("`{program}`"),
    };
    let message = format!("{who} parses this value as code once more");
    let help = match program {
        "ssh" => "quote it for the other shell: `ssh host \"rm {{ p | quote }}\"`".to_owned(),
        "alias" | "bind" | "compgen" | "complete" | "enable" | "hash" | "the shell" => {
            "hand it over by `env`, and read the variable where it is needed".to_owned()
        }
        "eval" => "leave out `eval`; or quote it: `eval \"rm {{ p | quote }}\"`".to_owned(),
        _ if is_shell(program) => {
            format!(
                "hand it over as an argument, `{program} -c '… \"$1\"' {program} {{{{ p }}}}`, or quote it, `\"… {{{{ p | quote }}}}\"`"
            )
        }
        _ => "quote it for the other shell, within quotes: `\"… {{ p | quote }}\"`".to_owned(),
    };
    Problem::new("data-in-code", message).help(help)
}
