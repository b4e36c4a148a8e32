//! Random programs run for real, against a small model of what the specification says of them.
//!
//! `FLOW_SEMANTICS_RUNS` sets how many, `FLOW_SEMANTICS_SEED` the first seed; a failure names its seed.

#![expect(clippy::print_stderr, reason = "a test tells what it covered")]

#[path = "../support/mod.rs"]
pub mod support;

mod files;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use files::{Action, Cond, Mode, On, Parallel, Program, Step, Task, WaitFor};
use model::{Expected, Line, Status, Trace, Way};
use support::{Record, Space, rounds};

/// How many programs run.
const PROGRAMS: usize = 2_000;
/// How often a program that fails is run while it is made smaller.
const SHRINKS: usize = 400;

/// How many disagreements are told at once.
const TOLD: usize = 4;

/// What was seen of a run.
struct Seen {
    code: i32,
    log: Vec<String>,
    statuses: BTreeMap<usize, Status>,
    short: Vec<String>,
    errors: String,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_programs_do_what_the_specification_says() {
    let first = number("FLOW_SEMANTICS_SEED").unwrap_or(0);
    let runs = number("FLOW_SEMANTICS_RUNS").unwrap_or(rounds(PROGRAMS) as u64);
    let covered: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    let told: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (covered, told) = (&covered, &told);
            scope.spawn(move || {
                let mut mine: BTreeMap<&str, usize> = BTreeMap::new();
                for seed in (first..first + runs).filter(|seed| seed % 2 == half) {
                    let program = Program::random(seed);
                    if let Err(wrong) = check(&program) {
                        let text = smallest(seed, program.clone(), wrong);
                        let mut all = told.lock().expect("nobody panics with it");
                        all.push(text);
                    }
                    if told.lock().expect("nobody panics with it").len() >= TOLD {
                        break;
                    }
                    for feature in features(&program) {
                        *mine.entry(feature).or_default() += 1;
                    }
                }
                let mut all = covered.lock().expect("nobody panics with it");
                for (feature, count) in mine {
                    *all.entry(feature).or_default() += count;
                }
            });
        }
    });
    let covered = covered.into_inner().expect("nobody panics with it");
    eprintln!("{runs} programs: {covered:?}");
    let told = told.into_inner().expect("nobody panics with it");
    assert!(told.is_empty(), "{}", told.join("\n\n"));
}

/// The smallest program found that still disagrees.
fn smallest(seed: u64, mut program: Program, mut wrong: String) -> String {
    let kind = |wrong: &str| -> String {
        let line = wrong.lines().next().unwrap_or_default();
        line.chars()
            .rev()
            .take_while(char::is_ascii_alphabetic)
            .collect()
    };
    let whole = kind(&wrong);
    if whole == "panicked" {
        return format!("seed {seed}: {wrong}");
    }
    let mut left = SHRINKS;
    'again: loop {
        for smaller in smaller(&program) {
            if left == 0 {
                break 'again;
            }
            left -= 1;
            // What depends on luck is looked at more than once.
            let found = (0..3).find_map(|_| check(&smaller).err());
            if let Some(found) = found
                && kind(&found) == whole
            {
                (program, wrong) = (smaller, found);
                continue 'again;
            }
        }
        break;
    }
    format!("seed {seed}, made smaller: {wrong}")
}

/// Runs a program; the error says in what it is not as expected.
fn check(program: &Program) -> Result<(), String> {
    let checked = catch_unwind(AssertUnwindSafe(|| agrees(program)));
    checked.unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned().unwrap_or_default();
        Err(format!(
            "panicked\n{text}\nflow {}\n{}",
            program.args().join(" "),
            program.file()
        ))
    })
}

fn agrees(program: &Program) -> Result<(), String> {
    let space = Space::with(&program.file());
    let args = program.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = space.run(&args);
    let log = space.read("log").unwrap_or_default();
    let records = Record::all(&space.state());
    let first = records.as_ref().ok().and_then(|all| all.first());
    let short = first.map_or_else(Vec::new, |one| one.short.clone());
    space.assert_nobody_left();
    let seen = Seen {
        code: ended.code,
        log: log.lines().map(str::to_owned).collect(),
        statuses: statuses(program, &short),
        short,
        errors: ended.err(),
    };
    let expected = model::expected(program);
    if let Err(wrong) = records {
        return Err(told(program, &expected, &seen, &wrong));
    }
    compare(program, &expected, &seen).map_err(|wrong| told(program, &expected, &seen, &wrong))
}

/// How the tasks of the run ended, by its facts.
fn statuses(program: &Program, short: &[String]) -> BTreeMap<usize, Status> {
    let task = |word: &str| word.strip_prefix('t')?.parse::<usize>().ok();
    let mut found = BTreeMap::new();
    for line in short {
        let words: Vec<&str> = line.split(' ').collect();
        let Some(number) = words.get(1).and_then(|word| task(word)) else {
            continue;
        };
        let status = match (words[0], words.get(2).copied()) {
            ("task_blocked", _) => {
                let names = words[1..].iter().map_while(|word| task(word));
                found.extend(names.map(|number| (number, Status::Blocked)));
                continue;
            }
            ("task_skipped", None) => Status::Skipped,
            ("task_finished", Some("succeeded")) => Status::Completed,
            ("task_finished", Some("cancelled")) => Status::Cancelled,
            ("task_finished", Some("failed")) => {
                let task = &program.tasks[number];
                match task.ignore_error && task.each.is_none() {
                    true => Status::Ignored,
                    false => Status::Failed,
                }
            }
            _ => continue,
        };
        found.insert(number, status);
    }
    found
}

fn compare(program: &Program, expected: &Expected, seen: &Seen) -> Result<(), String> {
    let mut wrong = "no way of it has these statuses".to_owned();
    for way in &expected.ways {
        // A run in which nothing had to be done has no record.
        let unknown = seen.short.is_empty() && seen.code == 0;
        if !unknown && !same(program, &way.statuses, &seen.statuses) {
            continue;
        }
        match fits(program, expected, way, seen) {
            Ok(()) => return Ok(()),
            Err(reason) => wrong = reason,
        }
    }
    Err(wrong)
}

/// Whether the statuses are as they have to be.
fn same(program: &Program, way: &BTreeMap<usize, Status>, seen: &BTreeMap<usize, Status>) -> bool {
    way.iter().all(|(number, status)| {
        let task = &program.tasks[*number];
        match (status, seen.get(number)) {
            // One that was stopped in a handler may have failed before.
            (Status::Cancelled, Some(Status::Failed | Status::Ignored)) => {
                [&task.on_success, &task.on_failure, &task.finally]
                    .iter()
                    .any(|handler| !handler.is_empty())
                    || !task.calls().is_empty()
            }
            (status, seen) => seen == Some(status).filter(|status| status.is_over()),
        }
    })
}

/// Whether a run went this way.
fn fits(program: &Program, expected: &Expected, way: &Way, seen: &Seen) -> Result<(), String> {
    let failed = way
        .statuses
        .values()
        .any(|status| *status == Status::Failed);
    if seen.code != i32::from(failed) {
        return Err(format!("{} is the wrong exit code", seen.code));
    }
    let mut lines = Vec::new();
    for trace in way.asked.values().chain(way.ran.values()) {
        trace.lines(&mut lines);
    }
    let places = Places::new(&lines, &seen.log)?;
    for (task, trace) in &way.ran {
        let span = places.span(trace)?;
        for (dep, _) in &expected.waits[task] {
            let before = way
                .ran
                .get(dep)
                .map(|trace| places.span(trace))
                .transpose()?
                .flatten();
            if let (Some(span), Some(before)) = (span, before)
                && before.1 >= span.0
            {
                return Err(format!("t{task} began before t{dep} had ended"));
            }
        }
        // After a failure what is held back holds nobody up.
        let free = failed && program.mode != Mode::KeepGoing;
        let turn = expected.turns.iter().position(|turn| turn.contains(task));
        for before in expected.turns[..turn.unwrap_or(0)].iter().flatten() {
            let (Some(span), Some(trace)) = (span, way.ran.get(before).filter(|_| !free)) else {
                continue;
            };
            if places.span(trace)?.is_some_and(|before| before.1 >= span.0) {
                return Err(format!(
                    "t{task} ran before its turn, which comes after t{before}"
                ));
            }
        }
        let free = free || program.only;
        for before in &program.tasks[*task].after {
            let (Some(span), Some(trace)) = (span, way.ran.get(before).filter(|_| !free)) else {
                continue;
            };
            if places.span(trace)?.is_some_and(|before| before.1 >= span.0) {
                return Err(format!("t{task} did not come after t{before}"));
            }
        }
    }
    at_once(program.jobs, &lines, &seen.log)
}

/// No more commands than jobs at the same time.
fn at_once(jobs: usize, lines: &[&Line], log: &[String]) -> Result<(), String> {
    let of = |key: &str| lines.iter().find(|line| line.key == key);
    // One that is stopped never logs its end.
    if lines.iter().any(|line| line.slow && !line.must) {
        return Ok(());
    }
    let mut open = 0_usize;
    for entry in log {
        if entry.ends_with('!') {
            open -= 1;
            continue;
        }
        let Some(line) = of(entry) else { continue };
        if line.asks {
            continue;
        }
        if open + 1 > jobs {
            return Err(format!("{entry} is one too many at the same time"));
        }
        open += usize::from(line.slow);
    }
    Ok(())
}

/// Where each command stands in the log, as far as that is clear.
struct Places {
    found: BTreeMap<*const Line, (usize, usize)>,
}

impl Places {
    fn new(lines: &[&Line], log: &[String]) -> Result<Self, String> {
        let mut by_key: BTreeMap<String, Vec<&Line>> = BTreeMap::new();
        for line in lines {
            by_key.entry(line.key.clone()).or_default().push(line);
            if line.slow {
                by_key
                    .entry(format!("{}!", line.key))
                    .or_default()
                    .push(line);
            }
        }
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, entry) in log.iter().enumerate() {
            places.entry(entry).or_default().push(place);
        }
        if let Some(entry) = places.keys().find(|entry| !by_key.contains_key(**entry)) {
            return Err(format!("{entry} must not run"));
        }
        let mut found: BTreeMap<*const Line, (usize, usize)> = BTreeMap::new();
        for (key, all) in &by_key {
            let there = places.get(key.as_str()).map_or(&[][..], Vec::as_slice);
            let least = all.iter().filter(|line| line.must).count();
            if there.len() < least || there.len() > all.len() {
                let count = there.len();
                let most = all.len();
                return Err(format!(
                    "{count} of {key}, not {least} to {most}, were logged"
                ));
            }
            let clear = all.len() == 1 || there.len() == all.len() && !all[0].shared;
            if clear {
                for (line, place) in all.iter().zip(there) {
                    let span = found
                        .entry(*line as *const Line)
                        .or_insert((*place, *place));
                    *span = (span.0.min(*place), span.1.max(*place));
                }
            }
        }
        Ok(Self { found })
    }

    /// From where to where something ran; the error names what is not in order.
    fn span(&self, trace: &Trace) -> Result<Option<(usize, usize)>, String> {
        match trace {
            Trace::One(line) => Ok(self.found.get(&std::ptr::from_ref(line)).copied()),
            Trace::Row(all) => {
                let mut whole: Option<(usize, usize)> = None;
                for one in all {
                    let Some(next) = self.span(one)? else {
                        continue;
                    };
                    if let Some((_, end)) = whole
                        && next.0 < end
                    {
                        return Err(format!("line {} of the log is not in order", next.0 + 1));
                    }
                    whole = Some((whole.map_or(next.0, |span| span.0), next.1));
                }
                Ok(whole)
            }
            Trace::Beside(all, max) => {
                let mut spans = Vec::new();
                for one in all {
                    spans.extend(self.span(one)?);
                }
                spans.sort_unstable();
                let overlap = spans.windows(2).find(|two| two[1].0 < two[0].1);
                if let (Some(two), Some(1)) = (overlap, max) {
                    return Err(format!("line {} of the log: one at a time", two[1].0 + 1));
                }
                let end = spans.iter().map(|span| span.1).max();
                Ok(spans.first().map(|span| span.0).zip(end))
            }
        }
    }
}

/// All that is worth knowing of a disagreement.
fn told(program: &Program, expected: &Expected, seen: &Seen, wrong: &str) -> String {
    let mut text = format!(
        "{wrong}\n\nflow {}\n{}",
        program.args().join(" "),
        program.file()
    );
    let _ = writeln!(
        text,
        "\nexit code {}, log: {}",
        seen.code,
        seen.log.join(" ")
    );
    let _ = writeln!(text, "statuses: {:?}", seen.statuses);
    if seen.short.is_empty() {
        let _ = writeln!(text, "{}", seen.errors);
    }
    let _ = writeln!(text, "facts:\n    {}", seen.short.join("\n    "));
    let _ = writeln!(text, "{} ways, among them:", expected.ways.len());
    for way in expected.ways.iter().take(4) {
        let mut lines = Vec::new();
        for trace in way.asked.values().chain(way.ran.values()) {
            trace.lines(&mut lines);
        }
        let mark = |line: &&Line| if line.must { "" } else { "?" };
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("{}{}", line.key, mark(line)))
            .collect();
        let _ = writeln!(text, "    {:?}: {}", way.statuses, lines.join(" "));
    }
    text
}

/// Programs that are a little smaller.
fn smaller(program: &Program) -> Vec<Program> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Program)| {
        let mut copy = program.clone();
        change(&mut copy);
        found.push(copy);
    };
    for at in 0..program.asked.len() {
        if program.asked.len() > 1 {
            with(&|copy| {
                copy.asked.remove(at);
            });
        }
    }
    if program.jobs != 64 {
        with(&|copy| copy.jobs = 64);
    }
    for (number, task) in program.tasks.iter().enumerate() {
        for at in 0..task.deps.len() {
            with(&|copy| {
                copy.tasks[number].deps.remove(at);
            });
        }
        for at in 0..task.after.len() {
            with(&|copy| {
                copy.tasks[number].after.remove(at);
            });
        }
        for change in [
            (|task| task.cond = None) as fn(&mut Task),
            |task| task.each = None,
            |task| task.preconditions.clear(),
            |task| task.verify.clear(),
            |task| task.retry = 1,
            |task| task.ignore_error = false,
        ] {
            with(&|copy| change(&mut copy.tasks[number]));
        }
        for list in 0..4 {
            for path in paths(lists(&mut task.clone())[list]) {
                let last = list == 0 && task.run.len() == 1 && path.len() == 1;
                if !last {
                    with(&|copy| remove(lists(&mut copy.tasks[number])[list], &path));
                }
                with(&|copy| plain(lists(&mut copy.tasks[number])[list], &path));
            }
        }
    }
    let size = |program: &Program| program.file().len() + program.args().concat().len();
    let before = size(program);
    found.retain(|copy| size(copy) < before || copy.jobs != program.jobs);
    found.retain(|copy| copy.tasks.iter().all(Task::is_sound));
    found
}

fn lists(task: &mut Task) -> [&mut Vec<Step>; 4] {
    [
        &mut task.run,
        &mut task.on_success,
        &mut task.on_failure,
        &mut task.finally,
    ]
}

/// Where the steps of a list are, the inner ones too.
fn paths(steps: &mut [Step]) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for (at, step) in steps.iter_mut().enumerate() {
        found.push(vec![at]);
        if let Some(inner) = inner(step) {
            let below = paths(inner).into_iter();
            found.extend(below.map(|path| [vec![at], path].concat()));
        }
    }
    found
}

fn inner(step: &mut Step) -> Option<&mut Vec<Step>> {
    match &mut step.action {
        Action::Then(yes, _) => Some(yes),
        Action::Group(group) => Some(&mut group.members),
        _ => None,
    }
}

fn remove(steps: &mut Vec<Step>, path: &[usize]) {
    if let [at] = path {
        steps.remove(*at);
    } else if let Some(inner) = inner(&mut steps[path[0]])
        && (path.len() > 2 || inner.len() > 1)
    {
        remove(inner, &path[1..]);
    }
}

/// Takes from a step all that is beside its action.
fn plain(steps: &mut [Step], path: &[usize]) {
    let step = &mut steps[path[0]];
    if path.len() > 1 {
        inner(step)
            .into_iter()
            .for_each(|inner| plain(inner, &path[1..]));
        return;
    }
    if !matches!(step.action, Action::Then(..)) {
        step.cond = None;
    }
    step.retry = 1;
    step.each = None;
}

/// What a program tries.
fn features(program: &Program) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut add = |name: &'static str, so: bool| {
        if so {
            found.insert(name);
        }
    };
    add("-k", program.mode == Mode::KeepGoing);
    add("--fail-fast", program.mode == Mode::FailFast);
    add("--only", program.only);
    add("-j1", program.jobs == 1);
    add("two asked", program.asked.len() > 1);
    add("-p", program.parallel && program.asked.len() > 1);
    for task in &program.tasks {
        add(
            "on: failure|done",
            task.deps.iter().any(|(_, on)| *on != On::Success),
        );
        add("after", !task.after.is_empty());
        add("task if", task.cond.is_some());
        add(
            "if with a status",
            matches!(task.cond, Some(Cond::Task(..))),
        );
        add("task for", task.each.is_some());
        add("preconditions", !task.preconditions.is_empty());
        add("verify", !task.verify.is_empty());
        add("task retry", task.retry > 1);
        add("task ignore_error", task.ignore_error);
        add("on_success", !task.on_success.is_empty());
        add("on_failure", !task.on_failure.is_empty());
        add("finally", !task.finally.is_empty());
        let lists = [&task.run, &task.on_success, &task.on_failure, &task.finally];
        let mut left: Vec<&Step> = lists.into_iter().flatten().collect();
        while let Some(step) = left.pop() {
            add("step for", step.each.is_some());
            let each = step.each.as_ref();
            add(
                "parallel for",
                each.is_some_and(|each| each.parallel != Parallel::No),
            );
            add("step retry", step.retry > 1);
            add("step ignore_error", step.ignore_error);
            add("step if", step.cond.is_some());
            let reads = matches!(
                step.cond,
                Some(Cond::Step(..) | Cond::ExitCode(..) | Cond::Output(..))
            );
            add("if with a step", reads);
            match &step.action {
                Action::Run(_) => {}
                Action::Then(yes, no) => {
                    add("then", true);
                    left.extend(yes.iter().chain(no));
                }
                Action::Group(group) => {
                    add("parallel", true);
                    add("stop_on_failure", group.stop);
                    add("any, first", group.wait_for != WaitFor::All);
                    left.extend(&group.members);
                }
                Action::Call(_) => add("call", true),
                Action::Set(_) => add("set", true),
            }
        }
    }
    found
}
