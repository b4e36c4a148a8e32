//! Scripts made from the grammar of shells, with data in every kind of place: whatever flow accepts, no shell runs the data.
//!
//! This knows nothing of how flow scans a script. It only starts each accepted script in each shell and looks whether the
//! value has left its mark. `FLOW_GRAMMAR_SCRIPTS` says how many scripts are made.

pub mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::{PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use flow::expr::{self, Names, Problem, Script, Value};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

/// The shells that may be `sh`, each with its arguments before `-c`.
const SHELLS: [&[&str]; 9] = [
    &["dash"],
    &["bash"],
    &["bash", "--posix"],
    &["busybox", "sh"],
    &["mksh"],
    &["zsh"],
    &["ksh93"],
    &["yash"],
    &["posh"],
];

/// How many scripts are made where nothing else is said; this takes half a minute.
const SCRIPTS: usize = 1_200;

/// When a script is killed, with what it has left behind.
const DEADLINE: Duration = Duration::from_secs(3);

/// A program that leaves the mark; the values run it, or do the same. No redirection makes a folder.
const CANARY: &str = "#!/bin/sh\nmkdir pwned\n";

/// Every so many accepted scripts each shell is asked whether it can parse them.
const ASKED: usize = 8;

/// Builtins whose operand is the name of what they run, as the script says itself.
const RUNNERS: [&str; 7] = [
    ".", "source", "exec", "command", "builtin", "coproc", "noglob",
];

/// Words before which no prefix of a simple command stands.
const KEYWORDS: [&str; 16] = [
    "(", "{", "[[", "case", "for", "select", "if", "while", "until", "function", "time", "!",
    "f()", "coproc", "((", "foreach",
];

/// The tables of the grammar, by name.
fn table(name: &str) -> &'static [String] {
    static TABLES: OnceLock<HashMap<&str, Vec<String>>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        let sections = include_str!("shell_grammar/tables.txt").split("\n== ");
        sections.skip(1).map(section).collect()
    });
    tables
        .get(name)
        .unwrap_or_else(|| panic!("no table {name}"))
}

fn section(text: &'static str) -> (&'static str, Vec<String>) {
    let mut lines = text.lines();
    let name = lines.next().expect("a table has a name");
    let entries = lines.filter(|line| !line.is_empty() && !line.starts_with("%% "));
    let entries = entries.map(|line| line.replace('⏎', "\n").replace('⇥', "\t"));
    (name, entries.collect())
}

#[derive(Debug)]
struct Scope(Value);

impl Names for Scope {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        Ok((name == "v").then(|| self.0.clone()))
    }

    fn known(&self) -> Vec<String> {
        vec!["v".to_owned()]
    }
}

/// What is tried with a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    /// All values.
    All,
    /// Those that are no command as they stand: the script says itself that the word is a program.
    Run,
    /// The values for shells and interpreters.
    Interpreters,
    /// The values for other programs, of which nothing is promised.
    Programs,
}

/// A script with a value in it.
#[derive(Clone, Debug)]
struct Place {
    kind: String,
    /// How the value gets there, of many ways.
    by: String,
    source: String,
    tried: Tried,
}

impl Place {
    fn new(kind: &str, by: &str, source: &str, tried: Tried) -> Self {
        Self {
            kind: kind.to_owned(),
            by: by.to_owned(),
            source: source.to_owned(),
            tried,
        }
    }

    /// A place that is a kind of its own.
    fn alone(source: &str, tried: Tried) -> Self {
        Self::new(source, "", source, tried)
    }

    /// The values to try, the most telling first.
    fn values(&self) -> Vec<&'static str> {
        let tables: &[&str] = match self.tried {
            Tried::All => &["values", "plain"],
            Tried::Run => &["values"],
            Tried::Interpreters | Tried::Programs => &["program values", "values"],
        };
        // A word that is split and then run is a command by what the script says.
        let split = |value: &&str| self.tried == Tried::Run && value.trim() == "mkdir pwned";
        let all = tables.iter().flat_map(|name| table(name));
        all.map(String::as_str)
            .filter(|value| !split(value))
            .collect()
    }
}

/// Each word in each command.
fn words() -> Vec<Place> {
    let mut places = Vec::new();
    for host in table("hosts") {
        for word in table("words") {
            let tried = match host.starts_with('(') {
                true => Tried::Run,
                false => Tried::All,
            };
            let (kind, script) = (format!("the word {word}"), host.replace("WORD", word));
            places.push(Place::new(&kind, host, &script, tried));
        }
    }
    places
}

/// Each builtin with each kind of operand.
fn builtins() -> Vec<Place> {
    let mut places = Vec::new();
    for builtin in table("builtins") {
        for operand in table("operands") {
            let tried = match RUNNERS.contains(&builtin.as_str()) {
                true => Tried::Run,
                false => Tried::All,
            };
            let kind = format!("operand of {builtin}");
            let script = format!("{builtin} {operand}");
            places.push(Place::new(&kind, operand, &script, tried));
        }
    }
    for source in table("options").iter().chain(table("more")) {
        places.push(Place::alone(source, tried_alone(source)));
    }
    places
}

fn tried_alone(source: &str) -> Tried {
    match table("runs").iter().any(|run| run == source) {
        true => Tried::Run,
        false => Tried::All,
    }
}

/// Each operator of `test`, with the value on each side.
fn tests() -> Vec<Place> {
    let mut places = Vec::new();
    for (open, close) in [("[", " ]"), ("test", ""), ("[[", " ]]")] {
        let mut add = |inner: String| {
            let source = format!("{open} {inner}{close}");
            places.push(Place::alone(&source, Tried::All));
        };
        for operator in table("unary") {
            let operator = operator.replace("(nothing)", "");
            add(format!("{operator} {{{{ v }}}}"));
            add(format!("{operator} \"x[{{{{ v }}}}]\""));
        }
        for operator in table("binary") {
            add(format!("{{{{ v }}}} {operator} 1"));
            add(format!("1 {operator} {{{{ v }}}}"));
            add(format!("a = b -o 1 {operator} '{{{{ v }}}}'"));
        }
    }
    places
}

/// Each variable that is special, with each way to assign it.
fn specials() -> Vec<Place> {
    let mut places = Vec::new();
    for special in table("specials") {
        let parts: Vec<&str> = special.split('¦').map(str::trim).collect();
        let (before, name, read) = (parts[0], parts[1], parts[2]);
        for assignment in table("assignments") {
            let (first, rest) = name.split_at(1);
            let script = assignment.replace("NA\\\nME", &format!("{first}\\\n{rest}"));
            let script = script.replace("NAME", name).replace("READ", read);
            let kind = format!("the variable {name} {before}");
            let script = format!("{before}\n{script}");
            let script = script.trim_start();
            places.push(Place::new(&kind, assignment, script, Tried::All));
        }
    }
    places
}

/// Each place that is evaluated again, with each way by which a value gets there.
fn indirect() -> Vec<Place> {
    let mut places = Vec::new();
    for sink in table("sinks").iter().chain(table("sinks more")) {
        let kind = format!("n in {sink}");
        for source in table("sources") {
            let script = source.replace("CODE", sink);
            places.push(Place::new(&kind, source, &script, tried_alone(sink)));
        }
        if sink.contains("$n") {
            let script = format!("set -- {{{{ v }}}}\n{}", sink.replace("$n", "$1"));
            places.push(Place::new(&kind, "$1", &script, tried_alone(sink)));
        }
    }
    places
}

/// Programs that run what they are handed, and the filter `quote` for them.
fn programs() -> Vec<Place> {
    let mut places = Vec::new();
    for source in table("quoted") {
        let source = source.replace("QUOTED", "{{ v | quote }}");
        places.push(Place::alone(&source, Tried::All));
    }
    for source in table("interpreters") {
        places.push(Place::alone(source, Tried::Interpreters));
    }
    for source in table("programs") {
        places.push(Place::alone(source, Tried::Programs));
    }
    places
}

/// Every place, by its kind; the order of the kinds and of their places is one in which every beginning is a fair choice.
fn kinds() -> &'static [Vec<Place>] {
    static KINDS: OnceLock<Vec<Vec<Place>>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let all = [
            words(),
            builtins(),
            tests(),
            specials(),
            indirect(),
            programs(),
        ];
        let mut kinds: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        for place in all.concat() {
            kinds.entry(place.kind.clone()).or_default().push(place);
        }
        let mut random = fastrand::Rng::with_seed(11);
        let mut kinds: Vec<Vec<Place>> = kinds.into_values().collect();
        kinds.iter_mut().for_each(|places| random.shuffle(places));
        random.shuffle(&mut kinds);
        kinds
    })
}

/// What is done to a script to make a longer one.
#[derive(Clone, Debug)]
enum Step {
    Before(&'static str),
    After(&'static str),
    Around(&'static str),
    Noise(&'static str),
    /// A line that is continued, somewhere.
    Cut(usize),
}

impl Step {
    fn apply(&self, source: &str) -> String {
        match self {
            Self::Before(prefix) if prefix.ends_with(['\\', '\n']) => format!("{prefix}{source}"),
            Self::Before(prefix) => format!("{prefix} {source}"),
            Self::After(suffix) => match source.split_once('\n') {
                Some((first, rest)) => format!("{first} {suffix}\n{rest}"),
                None => format!("{source} {suffix}"),
            },
            Self::Around(wrapper) => wrapper.replace("CODE", &format!("{source}\n")),
            Self::Noise(noise) => format!("{noise}\n{source}"),
            Self::Cut(at) => cut(source, *at),
        }
    }

    fn random(random: &mut fastrand::Rng) -> Self {
        let chosen = random.usize(..10);
        let mut one = |name| one_of(table(name), random).as_str();
        match chosen {
            0..=1 => Self::Before(one("prefixes")),
            2 => Self::After(one("suffixes")),
            3..=5 => Self::Around(one("wrappers")),
            6..=7 => Self::Noise(one("noise")),
            _ => Self::Cut(random.usize(..)),
        }
    }

    /// Whether it makes sense with this script.
    fn fits(&self, source: &str) -> bool {
        let word = source.split_whitespace().next().unwrap_or_default();
        let compound = KEYWORDS.iter().any(|keyword| word.starts_with(keyword));
        // What goes on in the next line has no end where the first one has.
        let goes_on = source
            .lines()
            .next()
            .is_some_and(|line| line.ends_with('\\'));
        !(compound && matches!(self, Self::Before(_)) || goes_on && matches!(self, Self::After(_)))
    }
}

fn one_of<'a, T>(all: &'a [T], random: &mut fastrand::Rng) -> &'a T {
    &all[random.usize(..all.len())]
}

/// The script with a line that is continued at one of its bytes that isn't in a template.
fn cut(source: &str, at: usize) -> String {
    let mut inside = false;
    let free = |(at, _): &(usize, char)| {
        inside = (inside || source[*at..].starts_with("{{ v")) && !source[..*at].ends_with("}}");
        !inside
    };
    let free: Vec<usize> = source
        .char_indices()
        .filter(free)
        .map(|(at, _)| at)
        .collect();
    let at = free.get(at % free.len().max(1)).copied().unwrap_or(0);
    format!("{}\\\n{}", &source[..at], &source[at..])
}

/// A script to try: a place, what is done to it, and a value.
#[derive(Clone, Debug)]
struct Case {
    place: &'static Place,
    steps: Vec<Step>,
    value: &'static str,
}

impl Case {
    fn source(&self) -> String {
        let apply = |source: String, step: &Step| step.apply(&source);
        self.steps.iter().fold(self.place.source.clone(), apply)
    }

    /// What flow makes of it, where it is not refused.
    fn script(&self) -> Option<Script> {
        let scope = Scope(Value::data(self.value));
        expr::command(&self.source(), &scope).ok()
    }

    fn random(random: &mut fastrand::Rng) -> Self {
        let kind: &Vec<Place> = one_of(kinds(), random);
        let place = one_of(kind, random);
        let values = place.values();
        let (one, other) = (random.usize(..values.len()), random.usize(..values.len()));
        let value = values[one.min(other)];
        let mut steps = Vec::new();
        let mut source = place.source.clone();
        for _ in 0..random.usize(1..5) {
            let step = Step::random(random);
            if step.fits(&source) {
                source = step.apply(&source);
                steps.push(step);
            }
        }
        Self {
            place,
            steps,
            value,
        }
    }
}

/// Place by place with value by value: in each turn the next of each kind, and no more than are wanted.
fn listed(wanted: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let next = |places: &'static Vec<Place>, turn: usize| {
        let place = &places[turn % places.len()];
        let value = place.values().get(turn / places.len()).copied()?;
        let steps = Vec::new();
        Some(Case {
            place,
            steps,
            value,
        })
    };
    for turn in 0.. {
        let before = cases.len();
        cases.extend(kinds().iter().filter_map(|places| next(places, turn)));
        if cases.len() == before || cases.len() >= wanted {
            break;
        }
    }
    cases.truncate(wanted);
    cases
}

/// As many scripts as are wanted: half of them from the list, half of them made of several parts.
fn cases(wanted: usize) -> Vec<Case> {
    let mut cases = listed(wanted.div_ceil(2));
    let mut random = fastrand::Rng::with_seed(12);
    let composed = (cases.len()..wanted).map(|_| Case::random(&mut random));
    cases.extend(composed);
    cases
}

/// A shell of this machine.
#[derive(Debug)]
struct Shell {
    name: String,
    program: PathBuf,
    args: &'static [&'static str],
}

impl Shell {
    /// Where it is in the `PATH`: a program that is named by its path is started without a copy of this process.
    fn find(words: &'static [&'static str]) -> Option<Self> {
        let name = words.join(" ");
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let mut programs = std::env::split_paths(&folders).map(|folder| folder.join(words[0]));
        let program = programs.find(|program| program.is_file());
        if program.is_none() {
            support::skipped(&format!("scripts in '{name}': it is not installed"));
        }
        Some(Self {
            name,
            program: program?,
            args: &words[1..],
        })
    }

    /// The shell in this folder, with nothing inherited but the path, in a group of its own.
    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(self.args)
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir)
            .env("SHELL", "/bin/sh")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Runs a script to its end, and to the end of all that it leaves behind; tells whether it had to be killed.
    fn run(&self, script: &Script, dir: &Path) -> bool {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let env = script.env.iter();
        let env = env.map(|(name, value)| (name, OsString::from_vec(value.clone())));
        let args = script.args.iter().cloned().map(OsString::from_vec);
        let child = self
            .command(dir)
            .args(["-c", &script.text])
            .args((!script.args.is_empty()).then_some("sh"))
            .args(args)
            .envs(env)
            .stdout(writer.try_clone().expect("the pipe"))
            .stderr(writer)
            .spawn();
        wait(&mut child.expect("the shell starts"), reader)
    }

    /// Whether it can parse a script, without running it; there are some that a shell never comes to the end of.
    fn parses(&self, script: &Script, dir: &Path) -> bool {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut child = self
            .command(dir)
            .args(["-n", "-c", &script.text])
            .stdout(writer.try_clone().expect("the pipe"))
            .stderr(writer)
            .spawn()
            .expect("the shell starts");
        !wait(&mut child, reader) && child.wait().expect("it is our child").success()
    }
}

/// The shells of this machine.
fn shells() -> &'static [Shell] {
    static FOUND: OnceLock<Vec<Shell>> = OnceLock::new();
    FOUND.get_or_init(|| SHELLS.into_iter().filter_map(Shell::find).collect())
}

/// Waits until nobody can write into the pipe any more, or until it took too long.
fn wait(child: &mut Child, mut reader: PipeReader) -> bool {
    let since = Instant::now();
    let left = || DEADLINE.saturating_sub(since.elapsed());
    let mut buffer = [0; 4096];
    loop {
        let timeout = Timespec::try_from(left()).expect("some seconds");
        let mut polled = [PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN)];
        let ready = poll(&mut polled, Some(&timeout));
        if ready == Ok(0) || !matches!(reader.read(&mut buffer), Ok(1..)) {
            break;
        }
    }
    while !left().is_zero() {
        if child.try_wait().expect("it is our child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    end_group(child);
    child.wait().expect("it is our child");
    true
}

fn end_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // What has ended already needs no end.
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
}

/// Makes the folder what it is for each script, unless what a script has left behind interferes.
fn clean(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)?.flatten() {
        let path = entry.path();
        match path.is_dir() && !path.is_symlink() {
            true => fs::remove_dir_all(&path)?,
            false => fs::remove_file(&path)?,
        }
    }
    fs::write(dir.join("f"), "1\n")?;
    let canary = dir.join("canary");
    fs::write(&canary, CANARY)?;
    fs::set_permissions(canary, fs::Permissions::from_mode(0o755))
}

fn is_clean(dir: &Path) -> bool {
    let holds =
        |name: &str, text: &str| fs::read(dir.join(name)).is_ok_and(|it| it == text.as_bytes());
    let entries = fs::read_dir(dir).expect("the folder").count();
    entries == 2 && holds("f", "1\n") && holds("canary", CANARY)
}

/// What became of a script.
#[derive(Debug)]
struct Ran {
    /// The shells that ran what is in the value.
    by: Vec<&'static str>,
    /// How many shells had to be killed.
    hung: usize,
}

impl Ran {
    fn of(script: &Script, shells: &'static [Shell], dir: &Path) -> Self {
        let mut ran = Self {
            by: Vec::new(),
            hung: 0,
        };
        for shell in shells {
            support::wait_for("a clean folder", || {
                is_clean(dir) || (clean(dir).is_ok() && is_clean(dir))
            });
            ran.hung += usize::from(shell.run(script, dir));
            if dir.join("pwned").is_dir() {
                ran.by.push(&shell.name);
            }
        }
        ran
    }
}

/// The same hole with as few steps as it takes in this shell.
fn smallest(case: &Case, shell: &str, dir: &Path) -> Case {
    let at = shells().iter().position(|one| one.name == shell);
    let shell = at.map_or(shells(), |at| &shells()[at..=at]);
    let runs = |case: &Case| {
        let script = case.script();
        script.is_some_and(|script| !Ran::of(&script, shell, dir).by.is_empty())
    };
    let mut case = case.clone();
    let steps = std::mem::take(&mut case.steps);
    if steps.is_empty() || runs(&case) {
        return case;
    }
    case.steps = steps;
    for at in (0..case.steps.len()).rev() {
        let mut less = case.clone();
        less.steps.remove(at);
        if runs(&less) {
            case = less;
        }
    }
    case
}

/// A kind of place in which a value was run, with the shortest script of it.
#[derive(Debug, Default)]
struct Hole {
    source: String,
    value: &'static str,
    shells: BTreeSet<&'static str>,
    by: BTreeSet<String>,
    times: usize,
}

/// What has come out.
#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    runs: usize,
    hung: usize,
    executed: usize,
    by_programs: usize,
    parsed: BTreeMap<&'static str, (usize, usize)>,
    holes: BTreeMap<String, Hole>,
}

impl Tally {
    fn hole(&mut self, case: &Case, shells: &[&'static str]) {
        let promised = case.place.tried != Tried::Programs;
        match promised {
            true => self.executed += shells.len(),
            false => self.by_programs += shells.len(),
        }
        let mark = if promised { "" } else { "(not promised) " };
        let steps = match case.steps.is_empty() {
            true => "",
            false => " in something",
        };
        let kind = format!("{mark}{}{steps}", case.place.kind);
        let hole = self.holes.entry(kind).or_default();
        let source = case.source();
        if hole.times == 0 || source.len() < hole.source.len() {
            (hole.source, hole.value) = (source, case.value);
        }
        hole.times += shells.len();
        hole.by.insert(case.place.by.clone());
        hole.shells.extend(shells);
    }

    fn asked(&mut self, shell: &'static str, parses: bool) {
        let (parsed, asked) = self.parsed.entry(shell).or_default();
        *parsed += usize::from(parses);
        *asked += 1;
    }
}

/// Tries one script in all shells.
fn try_case(case: &Case, dir: &Path, tally: &Mutex<Tally>) {
    let Some(script) = case.script() else {
        tally.lock().expect("no panic").refused += 1;
        return;
    };
    let ran = Ran::of(&script, shells(), dir);
    let found = (!ran.by.is_empty()).then(|| smallest(case, ran.by[0], dir));
    let mut all = tally.lock().expect("no panic");
    all.accepted += 1;
    all.runs += shells().len();
    all.hung += ran.hung;
    if let Some(case) = found {
        all.hole(&case, &ran.by);
    }
    let asked = all.accepted % ASKED == 1;
    drop(all);
    for shell in shells().iter().filter(|_| asked) {
        let parses = shell.parses(&script, dir);
        tally.lock().expect("no panic").asked(&shell.name, parses);
    }
}

/// All scripts, two at a time.
fn try_all(cases: &[Case]) -> Tally {
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let dir = tempfile::tempdir().expect("a folder");
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    try_case(case, dir.path(), &tally);
                }
            });
        }
    });
    tally.into_inner().expect("no panic")
}

/// Each kind of hole, with the shortest script for it.
fn report(tally: &Tally) -> String {
    let mut report = String::new();
    for (kind, hole) in &tally.holes {
        let shells: Vec<&str> = hole.shells.iter().copied().collect();
        report.push_str(&format!(
            "{kind}: {} times, by {:?}\n  {:?}\n  with {:?} in {}\n",
            hole.times,
            hole.by,
            hole.source,
            hole.value,
            shells.join(", "),
        ));
    }
    report
}

/// One line of what was done.
fn summary(cases: &[Case], tally: &Tally) -> String {
    let values: BTreeSet<&str> = cases.iter().map(|case| case.value).collect();
    let parsed = tally.parsed.iter();
    let parsed = parsed.map(|(shell, (parsed, asked))| format!("{shell} {parsed}/{asked}"));
    let parsed: Vec<String> = parsed.collect();
    format!(
        "{} scripts, {} accepted, {} refused, {} values, {} shells, {} runs, {} of them killed, {} executed, {} executed by other programs; parsed: {}",
        cases.len(),
        tally.accepted,
        tally.refused,
        values.len(),
        shells().len(),
        tally.runs,
        tally.hung,
        tally.executed,
        tally.by_programs,
        parsed.join(", "),
    )
}

#[test]
fn no_shell_runs_what_is_in_a_value() {
    let wanted = std::env::var("FLOW_GRAMMAR_SCRIPTS").ok();
    let wanted = wanted.and_then(|wanted| wanted.parse().ok());
    let cases = cases(wanted.unwrap_or(SCRIPTS));
    let tally = try_all(&cases);
    let summary = summary(&cases, &tally);
    // Past what captures the output of tests; nothing to do about it when there is no stderr.
    let _ = std::io::stderr().write_all(format!("\n{summary}\n").as_bytes());
    assert_eq!(tally.executed, 0, "{summary}\n{}", report(&tally));
}
