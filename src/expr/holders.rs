//! Which variables of a script hold values from outside, and so what a shell that evaluates a variable would evaluate.
//!
//! `n={{ v }}` is harmless and `echo "$n"` too; `$((n))` is not. Assignments of every kind are followed, to the end: what is given a
//! variable that holds a value holds it as well. It knows words, and neither values nor programs.

use std::collections::{BTreeSet, HashMap};

use super::shell::{Command, Piped, Scan, Word, is_name};

/// The positional parameters, all of them as one.
pub(super) const POSITIONAL: &[u8] = b"@";

/// What variables hold: the numbers of values.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    variables: HashMap<Vec<u8>, BTreeSet<usize>>,
    /// The files that are written in the script, and what the commands that write them are given, as words.
    files: Vec<(Vec<u8>, Vec<Word>)>,
}

/// What the script is fed as a whole, where another one hands it over: no name of a variable.
pub(super) const STDIN: &[u8] = b"<";

/// Programs that print what they read.
const PRINTS_INPUT: [&[u8]; 10] = [
    b"cat", b"head", b"tail", b"tac", b"sed", b"sort", b"uniq", b"tr", b"cut", b"tee",
];

/// A variable and what it is given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) name: Vec<u8>,
    pub(super) values: Vec<usize>,
    /// What is written there, which a shell that makes a number of it evaluates.
    pub(super) text: Vec<u8>,
}

impl Holders {
    /// Of a script that begins with these, and all that is given to variables in it.
    pub(super) fn of(scan: &Scan, known: &Self) -> (Self, Vec<Given>) {
        let mut holders = known.clone();
        holders.files = files(scan);
        loop {
            let given = holders.given(scan);
            let before = holders.count();
            for Given { name, values, .. } in &given {
                if !values.is_empty() {
                    holders
                        .variables
                        .entry(name.clone())
                        .or_default()
                        .extend(values);
                }
            }
            if holders.count() == before {
                return (holders, given);
            }
        }
    }

    /// A variable that holds these.
    pub(super) fn with(mut self, name: &[u8], values: Vec<usize>) -> Self {
        if !values.is_empty() {
            self.variables
                .entry(name.to_vec())
                .or_default()
                .extend(values);
        }
        self
    }

    /// All but this variable.
    pub(super) fn without(mut self, name: &[u8]) -> Self {
        self.variables.remove(name);
        self
    }

    /// The same with other numbers.
    pub(super) fn renumbered(&self, number: impl Fn(usize) -> usize) -> Self {
        let renumbered = |(name, values): (&Vec<u8>, &BTreeSet<usize>)| {
            (
                name.clone(),
                values.iter().map(|one| number(*one)).collect(),
            )
        };
        Self {
            variables: self.variables.iter().map(renumbered).collect(),
            files: Vec::new(),
        }
    }

    /// What a variable holds.
    pub(super) fn held(&self, name: &[u8]) -> impl Iterator<Item = usize> + '_ {
        self.variables.get(name).into_iter().flatten().copied()
    }

    /// All that any variable holds.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> + '_ {
        self.variables.values().flatten().copied()
    }

    fn count(&self) -> usize {
        self.variables.values().map(BTreeSet::len).sum()
    }

    /// The values in what a word expands, but for those that stand in it themselves.
    pub(super) fn expanded(&self, word: &Word) -> Vec<usize> {
        let inner = word.inner.iter().map(|(_, value)| *value);
        let names = word.names.iter().flat_map(|(_, name)| self.held(name));
        let mut all: Vec<usize> = inner.chain(names).collect();
        all.extend(self.substituted(word));
        all
    }

    /// The values that commands in a word may have read and print: `$(cat)`, `$(cat file)`, `$(<file)`.
    fn substituted(&self, word: &Word) -> Vec<usize> {
        let prints = |name: &&Vec<u8>| PRINTS_INPUT.contains(&name.as_slice());
        if word.hidden.len() > 1 && word.hidden.iter().filter(prints).count() == 0 {
            return Vec::new();
        }
        let files = word.hidden.iter().flat_map(|name| self.in_file(name));
        let stdin = self.held(STDIN).filter(|_| !word.hidden.is_empty());
        stdin.chain(files).collect()
    }

    /// The values in a file that the script has written.
    pub(super) fn in_file(&self, name: &[u8]) -> Vec<usize> {
        let written = self.files.iter().filter(|(file, _)| file == plain(name));
        let words = written.flat_map(|(_, words)| words);
        // What was written from a file goes no further.
        let direct = |word: &Word| {
            let inner = word.inner.iter().map(|(_, value)| *value);
            let names = word.names.iter().flat_map(|(_, name)| self.held(name));
            word.data
                .iter()
                .copied()
                .chain(inner)
                .chain(names)
                .collect::<Vec<_>>()
        };
        words.flat_map(direct).collect()
    }

    /// The words that were written to a file.
    pub(super) fn written(&self, name: &[u8]) -> Vec<Word> {
        let written = self.files.iter().filter(|(file, _)| file == plain(name));
        written.flat_map(|(_, words)| words.clone()).collect()
    }

    /// All values in a word.
    pub(super) fn within(&self, word: &Word) -> Vec<usize> {
        let mut all = self.expanded(word);
        all.extend(&word.data);
        all
    }

    /// What a command is fed: by here-documents, and by those before it in a pipe.
    pub(super) fn fed(&self, scan: &Scan, command: &Command) -> Vec<usize> {
        let words = fed(scan, command);
        let mut values: Vec<usize> = words.iter().flat_map(|word| self.within(word)).collect();
        let files = command.sources.iter();
        values.extend(files.flat_map(|file| self.in_file(&file.text)));
        if words.is_empty() {
            values.extend(self.held(STDIN));
        }
        values
    }

    fn given(&self, scan: &Scan) -> Vec<Given> {
        let mut all = Vec::new();
        for (name, from) in &scan.defaulted {
            let values = from.iter().flat_map(|name| self.held(name)).collect();
            all.push(Given {
                name: name.clone(),
                values,
                text: Vec::new(),
            });
        }
        for command in &scan.commands {
            self.given_by(scan, command, &mut all);
        }
        all
    }

    fn given_by(&self, scan: &Scan, command: &Command, all: &mut Vec<Given>) {
        let words: Vec<&Word> = command.words.iter().filter(|word| !word.fed).collect();
        // Also behind `export` and `env`: what looks like an assignment is one.
        for word in &words {
            if let Some((name, from)) = assigned(word) {
                all.push(Given {
                    name: name.to_vec(),
                    values: self.after(word, from),
                    text: word.text[from..].to_vec(),
                });
            }
        }
        if let Some(last) = words.last() {
            all.push(Given {
                name: b"_".to_vec(),
                values: self.within(last),
                text: Vec::new(),
            });
        }
        let begin = words
            .iter()
            .take_while(|word| assigned(word).is_some() || is_wrapper(word))
            .count();
        let Some((first, rest)) = words[begin..].split_first() else {
            return;
        };
        let plain = |word: &&&Word| !word.text.starts_with(b"-");
        let among = |words: &[&Word]| {
            words
                .iter()
                .flat_map(|word| self.within(word))
                .collect::<Vec<_>>()
        };
        let mut give = |name: &[u8], values: Vec<usize>| {
            let name = name
                .split(|byte| *byte == b'[')
                .next()
                .unwrap_or(name)
                .to_vec();
            all.push(Given {
                name,
                values,
                text: Vec::new(),
            });
        };
        if command.condition {
            for name in [&b"BASH_REMATCH"[..], b"MATCH", b"match"] {
                give(name, among(&words));
            }
        }
        match first.text.as_slice() {
            b"for" | b"select" | b"foreach" => {
                if let Some((name, items)) = rest.split_first() {
                    let mut values = among(items);
                    if items.is_empty() {
                        values.extend(self.held(POSITIONAL));
                    }
                    give(&name.text, values);
                }
            }
            b"read" | b"mapfile" | b"readarray" | b"vared" | b"getln" => {
                let fed = self.fed(scan, command);
                for word in rest.iter().filter(plain) {
                    give(&word.text, fed.clone());
                    for name in literals(scan, word) {
                        give(&name, fed.clone());
                    }
                }
                for name in [&b"REPLY"[..], b"MAPFILE"] {
                    give(name, fed.clone());
                }
            }
            b"getopts" => {
                let mut values = among(rest);
                values.extend(self.held(POSITIONAL));
                give(b"OPTARG", values.clone());
                rest.iter()
                    .for_each(|word| give(&word.text, values.clone()));
            }
            b"printf" | b"print" => {
                let after = rest.windows(2).find(|pair| pair[0].text == b"-v");
                if let Some([_, name]) = after {
                    give(&name.text, among(rest));
                }
            }
            b"set" => {
                let array = rest.windows(2).find(|pair| pair[0].text.ends_with(b"A"));
                give(array.map_or(POSITIONAL, |pair| &pair[1].text), among(rest));
            }
            name if scan.functions.iter().any(|function| function == name) => {
                give(POSITIONAL, among(rest));
            }
            _ => {}
        }
    }

    /// The values behind this place of a word.
    fn after(&self, word: &Word, from: usize) -> Vec<usize> {
        let before = word.text[..from].iter().filter(|byte| **byte == 0).count();
        let data = word.data.iter().skip(before).copied();
        let inner = word
            .inner
            .iter()
            .filter(|(at, _)| *at >= from)
            .map(|(_, value)| *value);
        let names = word.names.iter().filter(|(at, _)| *at >= from);
        let names = names.flat_map(|(_, name)| self.held(name));
        let mut all: Vec<usize> = data.chain(inner).chain(names).collect();
        all.extend(self.substituted(word));
        all
    }
}

/// The variable that a word assigns to, if it does, and where its value begins.
pub(super) fn assigned(word: &Word) -> Option<(&[u8], usize)> {
    let equals = word.text.iter().position(|byte| *byte == b'=')?;
    let target = &word.text[..equals];
    let target = target.strip_suffix(b"+").unwrap_or(target);
    let open = target.iter().position(|byte| *byte == b'[');
    let name = open.map_or(target, |open| &target[..open]);
    is_name(name).then_some((name, equals + 1))
}

/// Words before a command that change what becomes of it, and not what it is.
pub(super) fn is_wrapper(word: &Word) -> bool {
    let wrappers: [&[u8]; 7] = [
        b"command",
        b"builtin",
        b"noglob",
        b"nocorrect",
        b"-",
        b"time",
        b"exec",
    ];
    wrappers.contains(&word.text.as_slice())
}

/// What a script gives the variables that are expanded in a word, as it is written.
pub(super) fn literals(scan: &Scan, word: &Word) -> Vec<Vec<u8>> {
    let is_expanded = |name: &[u8]| word.names.iter().any(|(_, expanded)| expanded == name);
    let words = scan.commands.iter().flat_map(|command| &command.words);
    let given = words.filter_map(|word| {
        let (name, from) = assigned(word)?;
        is_expanded(name).then(|| word.text[from..].to_vec())
    });
    given.collect()
}

/// The name of a file without what says that it is here.
fn plain(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"./").unwrap_or(name)
}

/// The files that commands of a script write, with all that those are given.
fn files(scan: &Scan) -> Vec<(Vec<u8>, Vec<Word>)> {
    let mut files = Vec::new();
    for command in &scan.commands {
        let fed = fed(scan, command).into_iter().cloned();
        let is_tee = command
            .words
            .first()
            .is_some_and(|first| first.text == b"tee");
        let named = command.words.iter().skip(1).filter(|_| is_tee);
        let targets: Vec<&Word> = command.targets.iter().chain(named).collect();
        if targets.is_empty() {
            continue;
        }
        let words: Vec<Word> = command.words.iter().cloned().chain(fed).collect();
        let is_named = |target: &&Word| !target.text.is_empty() && !target.text.contains(&0);
        for target in targets.into_iter().filter(is_named) {
            files.push((plain(&target.text).to_vec(), words.clone()));
        }
    }
    files
}

/// The words that a command is fed: by itself, by those before it in a pipe, or else by what feeds a group, a function or the whole shell.
pub(super) fn fed<'s>(scan: &'s Scan, command: &'s Command) -> Vec<&'s Word> {
    let mut words = piped(scan, command);
    if words.is_empty() && command.piped.is_none() && command.sources.is_empty() {
        words = scan
            .commands
            .iter()
            .flat_map(|other| feeds(scan, other))
            .collect();
    }
    words
}

/// What a group or a function is fed by the one command before it.
fn feeds_once<'s>(scan: &'s Scan, command: &'s Command) -> Vec<&'s Word> {
    let first = command.words.iter().find(|word| !word.fed);
    let is_group = first.is_none_or(|word| {
        matches!(
            word.text.as_slice(),
            b"}" | b"fi" | b"done" | b"esac" | b"exec"
        ) || scan.functions.contains(&word.text)
    });
    if !is_group {
        return Vec::new();
    }
    let own = command
        .words
        .iter()
        .filter(|word| word.fed)
        .chain(&command.stdin);
    let by = match command.piped {
        Some(Piped::By(number)) => scan.commands.get(number),
        _ => None,
    };
    own.chain(by.into_iter().flat_map(|by| &by.words)).collect()
}

/// The words that feed what follows a command, or stands in it: those that a group, a function, `exec` or what begins a group is fed.
fn feeds<'s>(scan: &'s Scan, command: &'s Command) -> Vec<&'s Word> {
    let first = command.words.iter().find(|word| !word.fed);
    let first = first.map(|word| word.text.as_slice());
    let is_more = match first {
        None | Some(b"}" | b"fi" | b"done" | b"esac" | b"exec") => true,
        Some(name) => command.piped.is_some() || scan.functions.iter().any(|one| one == name),
    };
    if is_more {
        piped(scan, command)
    } else {
        Vec::new()
    }
}

fn piped<'s>(scan: &'s Scan, command: &'s Command) -> Vec<&'s Word> {
    let own = command.words.iter().filter(|word| word.fed);
    let mut words: Vec<&Word> = own.chain(&command.stdin).collect();
    let mut piped = command.piped;
    while let Some(by) = piped {
        let Piped::By(number) = by else {
            // Whatever stands in the group.
            words.extend(
                scan.commands
                    .iter()
                    .flat_map(|command| command.words.iter().chain(&command.stdin)),
            );
            break;
        };
        let Some(before) = scan.commands.get(number) else {
            break;
        };
        if before.piped.is_none() && before.stdin.is_empty() && before.sources.is_empty() {
            // It reads what the group is fed that it stands in.
            words.extend(
                scan.commands
                    .iter()
                    .filter(|other| !std::ptr::eq(*other, before))
                    .flat_map(|other| feeds_once(scan, other)),
            );
        }
        let first = before.words.first().map(|word| word.text.as_slice());
        words.extend(before.words.iter().chain(&before.stdin));
        // A command stands behind the one that feeds it. A function prints what its commands do.
        piped = match first.is_some_and(|name| scan.functions.iter().any(|one| one == name)) {
            true => Some(Piped::ByGroup),
            false => before.piped,
        };
    }
    words
}
