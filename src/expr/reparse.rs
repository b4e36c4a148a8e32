//! Programs that parse their arguments again: shells, `eval`, `ssh`, and what evaluates arithmetic.
//!
//! The promise about values is one about the shell that flow starts. These hand what they get to another one, and so a
//! value is refused there unless `| quote` stands where the other shell will see one word. The list can't be complete:
//! any program may do such things with its arguments. It knows words, and neither values nor what a task is.

use super::Problem;
use super::placing::refusal;
use super::shell::{self, Command, How, Scan, Why, Word, is_name};

/// How many shells within shells are looked into.
const DEPTH_MAX: usize = 4;

/// The values that are refused, with why.
pub(super) fn refused(scan: &Scan, quoted: &[bool]) -> Vec<(usize, Problem)> {
    within(scan, quoted, 0)
}

fn within(scan: &Scan, quoted: &[bool], depth: usize) -> Vec<(usize, Problem)> {
    let mut found = Vec::new();
    for command in scan.commands.iter().filter(|command| has_data(command)) {
        let mut look = Look {
            scan,
            quoted,
            command,
            depth,
            found: &mut found,
        };
        look.command();
    }
    found
}

fn has_data(command: &Command) -> bool {
    !command.stdin.is_empty()
        || command.piped.is_some()
        || command.words.iter().any(|word| !word.data.is_empty())
}

struct Look<'a> {
    scan: &'a Scan,
    quoted: &'a [bool],
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
        "ruby" | "lua" | "Rscript" => &["-e"],
        "node" | "deno" | "bun" => &["-e", "-p", "--eval", "--print"],
        "php" => &["-r"],
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

impl Look<'_> {
    fn command(&mut self) {
        let words: Vec<&Word> = self.command.words.iter().filter(|word| !word.fed).collect();
        let assigned = words
            .iter()
            .take_while(|word| self.assignment(word))
            .count();
        let words = &words[assigned..];
        if self.command.condition {
            self.comparison(words);
        }
        let Some(first) = words.first().and_then(|word| name(word)) else {
            return;
        };
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

    /// Whether a word is an assignment; one to an item of an array is looked at.
    fn assignment(&mut self, word: &Word) -> bool {
        let Some(equals) = word.text.iter().position(|byte| *byte == b'=') else {
            return false;
        };
        let target = word.text[..equals]
            .strip_suffix(b"+")
            .unwrap_or(&word.text[..equals]);
        let open = target.iter().position(|byte| *byte == b'[');
        let variable = open.map_or(target, |open| &target[..open]);
        if open.is_some() && is_name(variable) {
            let within = target.iter().filter(|byte| **byte == 0).count();
            self.refuse_all(&word.data[..within], Why::Subscript);
        }
        let within = word.text[..equals]
            .iter()
            .filter(|byte| **byte == 0)
            .count();
        let value = &word.data[within.min(word.data.len())..];
        match variable {
            // Integers of bash, ksh and zsh.
            b"RANDOM" | b"SECONDS" | b"SRANDOM" | b"OPTIND" | b"HISTCMD" | b"LINENO" => {
                self.refuse_all(value, Why::Arithmetic);
            }
            // What the shell expands, or runs, by itself.
            b"PS0" | b"PS1" | b"PS2" | b"PS3" | b"PS4" | b"PROMPT_COMMAND" | b"ENV"
            | b"BASH_ENV" => {
                for one in value {
                    self.refuse(*one, parsed_again("the shell"));
                }
            }
            _ => {}
        }
        is_name(variable)
    }

    fn program(&mut self, program: &str, rest: &[&Word]) {
        match program {
            "eval" => self.code("eval", rest),
            "watch" => self.code("watch", &operands(rest, "dn")),
            "trap" => {
                let operands = operands(rest, "");
                self.code("trap", &operands[..operands.len().min(1)]);
            }
            "alias" | "bind" | "compgen" | "complete" | "enable" | "hash" => {
                for one in rest.iter().flat_map(|word| &word.data) {
                    self.refuse(*one, parsed_again(program));
                }
            }
            "git" => {
                let after = rest.windows(2).filter(|pair| pair[0].text == b"-c");
                let texts: Vec<&Word> = after.map(|pair| pair[1]).collect();
                texts.iter().for_each(|text| self.program_text("git", text));
            }
            "let" => rest
                .iter()
                .for_each(|word| self.refuse_all(&word.data, Why::Arithmetic)),
            "test" | "[" | "[[" => self.comparison(rest),
            "su" | "runuser" | "script" | "sg" | "flock" => self.by_option(program, rest),
            "ssh" => self.ssh(rest),
            "awk" | "gawk" | "mawk" | "nawk" => self.awk(rest),
            "unset" | "read" | "mapfile" | "readarray" | "getopts" => {
                rest.iter().for_each(|word| self.variable(word));
            }
            "declare" | "typeset" | "local" | "readonly" | "integer" => {
                self.declared(program, rest)
            }
            "printf" => self.after("-v", rest),
            "wait" => self.after("-p", rest),
            _ if is_shell(program) => self.shell(program, rest),
            _ => self.language(program, rest),
        }
    }

    fn refuse(&mut self, data: usize, problem: Problem) {
        self.found.push((data, problem));
    }

    fn refuse_all(&mut self, data: &[usize], why: Why) {
        data.iter().for_each(|one| self.refuse(*one, refusal(why)));
    }

    /// Words that another shell will parse, joined by spaces.
    fn code(&mut self, program: &str, words: &[&Word]) {
        let texts: Vec<&[u8]> = words.iter().map(|word| word.text.as_slice()).collect();
        let data: Vec<usize> = words
            .iter()
            .flat_map(|word| word.data.iter().copied())
            .collect();
        if data.is_empty() {
            return;
        }
        let inner = shell::scan(&texts.join(&b' '));
        let all_quoted = vec![true; data.len()];
        let refused = match self.depth < DEPTH_MAX {
            true => within(&inner, &all_quoted, self.depth + 1),
            false => Vec::new(),
        };
        for (place, one) in data.iter().enumerate() {
            let outer = self.scan.spots[*one].how;
            let quoted = self.quoted[*one] && outer != How::Bare;
            let a_word = inner
                .spots
                .get(place)
                .is_some_and(|spot| spot.how == How::Bare && !spot.dollar);
            let again = refused.iter().any(|(number, _)| *number == place);
            if !quoted || !a_word || again || self.depth >= DEPTH_MAX {
                self.refuse(*one, parsed_again(program));
            }
        }
    }

    fn shell(&mut self, program: &str, rest: &[&Word]) {
        // `+x` is an option as `-x` is.
        let plus = |word: &&&Word| word.text.len() > 1 && word.text[0] == b'+';
        let rest: Vec<&Word> = rest.iter().filter(|word| !plus(word)).copied().collect();
        let rest = rest.as_slice();
        let operands = operands(rest, "oO");
        let options = &rest[..rest.len() - operands.len()];
        let has = |letter: u8| {
            options
                .iter()
                .any(|word| is_option(word) && word.text[1] != b'-' && word.text.contains(&letter))
        };
        if has(b'c') {
            self.code(program, &operands[..operands.len().min(1)]);
        } else if operands.is_empty() || has(b's') {
            self.stdin(program);
        }
    }

    /// The values in what the command reads: here-documents, `<<<`, and what those before it in a pipe are given.
    fn fed(&self) -> Vec<usize> {
        let fed = self.command.words.iter().filter(|word| word.fed);
        let own = fed.flat_map(|word| &word.data).chain(&self.command.stdin);
        let mut data: Vec<usize> = own.copied().collect();
        let mut piped = self.command.piped;
        while let Some(before) = piped.and_then(|number| self.scan.commands.get(number)) {
            data.extend(before.words.iter().flat_map(|word| &word.data));
            data.extend(&before.stdin);
            // A command stands behind the one that feeds it.
            piped = before.piped;
        }
        data
    }

    /// Values in what a shell is fed.
    fn stdin(&mut self, program: &str) {
        let data = self.fed().into_iter().filter(|one| !self.quoted[*one]);
        let data: Vec<usize> = data.collect();
        data.iter()
            .for_each(|one| self.refuse(*one, parsed_again(program)));
    }

    /// `su -c COMMAND`.
    fn by_option(&mut self, program: &str, rest: &[&Word]) {
        for (at, word) in rest.iter().enumerate() {
            if word.text.starts_with(b"--command=") || word.text.starts_with(b"--session-command=")
            {
                self.code(program, &rest[at..=at]);
            } else if is_command_option(word) || word.text == b"--command" {
                self.code(
                    program,
                    &rest[(at + 1).min(rest.len())..(at + 2).min(rest.len())],
                );
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
        self.code("ssh", command);
        let text: Vec<&[u8]> = command.iter().map(|word| word.text.as_slice()).collect();
        if text.is_empty() || reads_code(&text.join(&b' ')) {
            self.stdin("ssh");
        }
    }

    fn awk(&mut self, rest: &[&Word]) {
        if rest.iter().any(|word| word.text.starts_with(b"-f")) {
            return;
        }
        if let Some(program) = operands(rest, "Fv").first() {
            self.program_text("awk", program);
        }
    }

    fn language(&mut self, program: &str, rest: &[&Word]) {
        let options = program_option(program).unwrap_or_default();
        let own = rest.iter().take_while(|word| is_option(word)).count();
        for at in 0..own {
            if let Some(text) = rest.get(at + 1)
                && options
                    .iter()
                    .any(|option| is_this(option, &rest[at].text, program))
            {
                self.program_text(program, text);
            }
        }
        // Without a script what it is fed is its program.
        let reads = !options.is_empty() && rest[own..].iter().all(|word| word.text == b"-");
        if reads
            && !rest.iter().any(|word| {
                options
                    .iter()
                    .any(|option| is_this(option, &word.text, program))
            })
        {
            let data = self.fed();
            self.program_data(program, &data);
        }
    }

    fn program_text(&mut self, program: &str, word: &Word) {
        self.program_data(program, &word.data);
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
                    self.refuse_all(&side.data, Why::Arithmetic);
                }
            }
        }
        self.after("-v", words);
        self.after("-R", words);
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
            self.refuse_all(&word.data, Why::Subscript);
        }
    }

    fn declared(&mut self, program: &str, rest: &[&Word]) {
        // Integers, lists and references: what they are given is parsed.
        let parses = |byte: &u8| b"iaAn".contains(byte);
        let whole = |word: &&Word| is_option(word) && word.text.iter().any(parses);
        let whole = program == "integer" || rest.iter().any(whole);
        for word in rest {
            let equals = word.text.iter().position(|byte| *byte == b'=');
            let name = &word.text[..equals.unwrap_or(word.text.len())];
            let within = name.iter().filter(|byte| **byte == 0).count();
            let (name, value) = word.data.split_at(within.min(word.data.len()));
            self.refuse_all(name, Why::Subscript);
            if whole {
                self.refuse_all(value, Why::Arithmetic);
            }
        }
    }
}

/// Whether a word is this option; perl and ruby take it among other letters, as in `-pe`.
fn is_this(option: &str, word: &[u8], program: &str) -> bool {
    let letter = option.as_bytes()[option.len() - 1];
    let among = matches!(program, "perl" | "ruby")
        && word.len() > 1
        && word[0] == b'-'
        && word[1] != b'-'
        && word[1..].contains(&letter);
    among || word == option.as_bytes()
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
    let message = format!("`{program}` parses this value as code once more");
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
