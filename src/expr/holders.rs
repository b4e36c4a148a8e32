//! Which variables of a script hold values from outside, and so what a shell that evaluates a variable would evaluate.
//!
//! `n={{ v }}` is harmless and `echo "$n"` too; `$((n))` is not. Assignments of every kind are followed, to the end: what is given a
//! variable that holds a value holds it as well. It knows words, and neither values nor programs.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::shell::{Command, ENDS_GROUP, Piped, Scan, Word, is_name, variables};

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

/// How many values of a variable are known: one is enough to refuse what evaluates it.
const VALUES_MAX: usize = 64;

/// How often assignments are followed: chains of variables that are given in the order in which they stand need one.
const PASSES_MAX: usize = 40;

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
        for pass in 0.. {
            let before = holders.count();
            let mut given = holders.given(scan);
            if pass == PASSES_MAX {
                // Nobody writes such a thing: whatever is given to a variable may be any value.
                let all: Vec<usize> = (0..scan.spots.len())
                    .chain(holders.all())
                    .take(VALUES_MAX)
                    .collect();
                given.iter_mut().for_each(|one| one.values.clone_from(&all));
            }
            for Given { name, values, .. } in &given {
                holders.give(name, values);
            }
            if holders.count() == before || pass == PASSES_MAX {
                return (holders, given);
            }
        }
        unreachable!("the last pass returns")
    }

    fn give(&mut self, name: &[u8], values: &[usize]) {
        if values.is_empty() {
            return;
        }
        let held = self.variables.entry(name.to_vec()).or_default();
        let room = VALUES_MAX.saturating_sub(held.len());
        held.extend(values.iter().take(room));
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

    /// What is known of the variables that a script reads, with other numbers for their values; its parameters are its own.
    pub(super) fn known_to(&self, scan: &Scan, number: impl Fn(usize) -> usize) -> Self {
        let words = scan
            .commands
            .iter()
            .flat_map(|command| command.words.iter().chain(&command.stdin));
        let mut names: HashSet<Vec<u8>> = scan.evaluated.iter().cloned().collect();
        for word in words {
            names.extend(word.names.iter().map(|(_, name)| name.clone()));
            // `[[ n -eq 1 ]]`
            names.extend(variables(&word.text));
        }
        for script in &scan.backquoted {
            names.extend(variables(script));
        }
        names.remove(POSITIONAL);
        let known = names.into_iter().filter_map(|name| {
            let values = self
                .variables
                .get(&name)?
                .iter()
                .map(|one| number(*one))
                .collect();
            Some((name, values))
        });
        Self {
            variables: known.collect(),
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
        if command.condition {
            let values: Vec<usize> = words.iter().flat_map(|word| self.within(word)).collect();
            all.extend(
                [&b"BASH_REMATCH"[..], b"MATCH", b"match"].map(|name| Given {
                    name: name.to_vec(),
                    values: values.clone(),
                    text: Vec::new(),
                }),
            );
        }
        for begin in begins(&words) {
            self.given_by_words(scan, command, &words[begin..], all);
        }
    }

    /// What a command gives to variables whose name is the first of these words.
    fn given_by_words(
        &self,
        scan: &Scan,
        command: &Command,
        words: &[&Word],
        all: &mut Vec<Given>,
    ) {
        let Some((first, rest)) = words.split_first() else {
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
                    for (named, from) in given_to(scan, word) {
                        give(&named.text[from..], fed.clone());
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
            // `() { …; } ARGUMENTS`, a function without a name, of zsh.
            b"}" => give(POSITIONAL, among(rest)),
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

/// The places in a command at which its name may stand: at the first word that assigns nothing, and behind each that changes what
/// becomes of a command or may expand to nothing.
pub(super) fn begins(words: &[&Word]) -> Vec<usize> {
    let (mut begins, mut at) = (Vec::new(), 0);
    // Whether the name has come.
    let mut named = false;
    while let Some(word) = words.get(at) {
        named &= !word.may_begin;
        if !named && assigned(word).is_none() {
            begins.push(at);
            // `command -p`, `exec --`
            let is_option = at > 0 && word.text.starts_with(b"-");
            if word.text == b"repeat" {
                // How often, to zsh.
                at += 1;
            } else if !is_option && !is_wrapper(word) && !may_vanish(word) {
                named = true;
            }
        }
        at += 1;
    }
    begins
}

/// Whether the name of a command may be this.
pub(super) fn is_called(command: &Command, is_it: impl Fn(&[u8]) -> bool) -> bool {
    let words: Vec<&Word> = command.words.iter().filter(|word| !word.fed).collect();
    begins(&words).iter().any(|at| is_it(&words[*at].text))
}

/// Words before a command that change what becomes of it, and not what it is.
fn is_wrapper(word: &Word) -> bool {
    let wrappers: [&[u8]; 17] = [
        b"if",
        b"then",
        b"elif",
        b"else",
        b"while",
        b"until",
        b"do",
        b"!",
        b"command",
        b"builtin",
        b"coproc",
        b"noglob",
        b"nocorrect",
        b"-",
        b"time",
        b"exec",
        b"{",
    ];
    wrappers.contains(&word.text.as_slice())
}

/// Whether a word is nothing but expansions, and none when those are empty.
fn may_vanish(word: &Word) -> bool {
    let positional = matches!(word.names.as_slice(), [(_, name)] if name == POSITIONAL);
    let name = word.text.strip_prefix(b"$").unwrap_or(&word.text);
    let is_expansion = word.text.is_empty() && word.substituted || word.names.len() == 1;
    let whole = name.is_empty()
        || name.len() < word.text.len()
            && name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_@*".contains(byte));
    word.data.is_empty() && whole && is_expansion && (!word.quoted || positional)
}

/// The assignments of a script to the variables that are expanded in a word, each with the place where its value begins.
pub(super) fn given_to<'s>(scan: &'s Scan, word: &Word) -> impl Iterator<Item = (&'s Word, usize)> {
    let is_expanded = |name: &[u8]| word.names.iter().any(|(_, expanded)| expanded == name);
    let words = scan.commands.iter().flat_map(|command| &command.words);
    words.filter_map(move |word| {
        let (name, from) = assigned(word)?;
        is_expanded(name).then_some((word, from))
    })
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
        let is_tee = is_called(command, |name| name == b"tee");
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
    let (mut words, inherits) = chain(scan, command);
    if words.is_empty() && command.piped.is_none() && command.sources.is_empty() {
        words = feeds(scan, &feeding(scan).all);
    } else if inherits {
        words.extend(feeds(scan, &feeding(scan).groups));
    }
    words
}

/// The commands that feed more than themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Feeding {
    /// Those whose input groups, functions, the whole shell or what stands behind them may read.
    all: Vec<usize>,
    /// Those among them that certainly feed others: groups, functions, `exec`.
    groups: Vec<usize>,
}

/// How many words that feed others are looked at.
pub(super) const FEEDS_MAX: usize = 64;

fn feeding(scan: &Scan) -> &Feeding {
    scan.feeding.get_or_init(|| {
        let mut feeding = Feeding::default();
        for (number, command) in scan.commands.iter().enumerate() {
            let is_named = |text: &[u8]| {
                let ends = ENDS_GROUP.contains(&text) || text == b"exec";
                ends || scan.functions.iter().any(|function| function == text)
            };
            let is_group =
                command.words.iter().all(|word| word.fed) || is_called(command, is_named);
            let feeds = (is_group || command.piped.is_some())
                && chain(scan, command).0.iter().any(|word| carries(word));
            if feeds {
                feeding.all.push(number);
            }
            if feeds && is_group {
                feeding.groups.push(number);
            }
        }
        feeding
    })
}

fn feeds<'s>(scan: &'s Scan, commands: &[usize]) -> Vec<&'s Word> {
    let words = commands
        .iter()
        .flat_map(|number| chain(scan, &scan.commands[*number]).0);
    words.filter(|word| carries(word)).take(FEEDS_MAX).collect()
}

/// Whether there is anything in a word that may be a value.
fn carries(word: &Word) -> bool {
    !(word.data.is_empty()
        && word.inner.is_empty()
        && word.names.is_empty()
        && word.hidden.is_empty())
}

/// The words that a command is fed by itself and by those before it in a pipe, and whether the first of those reads what is fed to a
/// group that it stands in.
fn chain<'s>(scan: &'s Scan, command: &'s Command) -> (Vec<&'s Word>, bool) {
    let own = command.words.iter().filter(|word| word.fed);
    let mut words: Vec<&Word> = own.chain(&command.stdin).collect();
    let (mut piped, mut inherits) = (command.piped, false);
    while let Some(by) = piped {
        let Piped::By(number) = by else {
            // Whatever stands in the group.
            let all = scan
                .commands
                .iter()
                .flat_map(|command| command.words.iter().chain(&command.stdin));
            words.extend(all.filter(|word| carries(word)).take(FEEDS_MAX));
            break;
        };
        let Some(before) = scan.commands.get(number) else {
            break;
        };
        inherits = before.piped.is_none() && before.stdin.is_empty() && before.sources.is_empty();
        words.extend(before.words.iter().chain(&before.stdin));
        // A command stands behind the one that feeds it. A function prints what its commands do.
        let first = before.words.first();
        piped = match first.is_some_and(|first| scan.functions.contains(&first.text)) {
            true => Some(Piped::ByGroup),
            false => before.piped,
        };
    }
    (words, inherits)
}
