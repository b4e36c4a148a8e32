//! Flow's stdin, which can be read once: by one task of a run, whose commands read it one after another.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;

use super::includes::Node;
use super::names;
use super::raw::Written;
use crate::diagnostic::Diagnostic;
use crate::model::language::{Action, Place, Retry, Setting, Step, Task, TaskIndex};

const ONCE: &str =
    "stdin can be read once: write what is read to a file in a task of its own, and read that file";

/// Reports tasks that read stdin where it would be read twice, or by several at the same time.
pub(super) fn check(tasks: &[Task], raws: &[(usize, Written)], nodes: &mut [Node]) {
    if !tasks.iter().any(|task| task.rules().stdin) {
        return;
    }
    let readers = Readers::of(tasks);
    for (index, (number, raw)) in raws.iter().enumerate() {
        let raw_file = &mut nodes[*number].raw;
        let mut found = Vec::new();
        if let Some(why) = own_mistake(&tasks[index]) {
            found.push((raw.name_span.clone(), why));
        }
        for (place, why) in readers.repeated_calls(&tasks[index]) {
            found.push((word_at(&raw_file.source.text, place), why));
        }
        if found.is_empty()
            && let Some(why) = readers.several(index)
        {
            found.push((raw.name_span.clone(), why));
        }
        for (span, why) in found {
            raw_file.found.push(why.at(span, ""));
        }
    }
}

/// The task that reads stdin in a run of this one, if there is one.
pub(super) fn reader(tasks: &[Task], index: TaskIndex) -> Option<&Task> {
    names::first_of_run(tasks, index, |task| task.rules().stdin)
}

/// What of a task can't stand beside `stdin`.
fn own_mistake(task: &Task) -> Option<Diagnostic> {
    let rules = task.rules();
    if !rules.stdin {
        return None;
    }
    let mut commands = false;
    let mut beside = repeats(rules.retry.as_ref(), rules.each.is_some());
    task.each_step(&mut |step| {
        commands |= matches!(step.action, Action::Run(_) | Action::Argv(_));
        beside = beside.or_else(|| step_repeats(step));
    });
    if rules.interactive {
        let message = "'interactive' has flow's stdin already";
        return Some(
            Diagnostic::error("stdin", message).help("take out one of 'interactive' and 'stdin'"),
        );
    }
    if let Some(key) = beside {
        let message = format!(
            "'{key}' can't stand beside 'stdin' in the task '{}'",
            task.name
        );
        return Some(Diagnostic::error("stdin", message).help(ONCE));
    }
    if !commands {
        let message = format!(
            "the task '{}' has no command that could read stdin",
            task.name
        );
        let help = "write 'stdin: true' at the task whose commands read it";
        return Some(Diagnostic::error("stdin", message).help(help));
    }
    None
}

/// The key by which something happens more than once, or beside itself.
fn repeats(retry: Option<&Retry>, each: bool) -> Option<&'static str> {
    let again = |retry: &Retry| !matches!(retry.attempts, Setting::Fixed(0 | 1));
    if retry.is_some_and(again) {
        Some("retry")
    } else {
        each.then_some("for")
    }
}

fn step_repeats(step: &Step) -> Option<&'static str> {
    let rules = step.rules.as_deref();
    let each = rules.is_some_and(|rules| rules.each.is_some());
    let parallel = matches!(step.action, Action::Parallel { .. });
    repeats(rules.and_then(|rules| rules.retry.as_ref()), each).or(parallel.then_some("parallel"))
}

/// Which tasks read stdin, or have some other read it.
struct Readers<'a> {
    tasks: &'a [Task],
    /// How often each reads it by its own commands and by those of the tasks that it calls; 2 for more than once.
    calls: Vec<u8>,
    /// Whether each is, depends on, or calls one that reads it.
    reaches: Vec<bool>,
}

impl<'a> Readers<'a> {
    fn of(tasks: &'a [Task]) -> Self {
        let mut readers = Self {
            tasks,
            calls: vec![0; tasks.len()],
            reaches: tasks.iter().map(|task| task.rules().stdin).collect(),
        };
        // A call may be of a task that stands below; circles, which are refused elsewhere, come to an end all the same.
        let mut changed = true;
        while changed {
            changed = false;
            for (index, task) in tasks.iter().enumerate() {
                let calls = readers.reads_of(task);
                let reaches = readers.reaches[index] || readers.needs_reader(task);
                changed |= calls != readers.calls[index] || reaches != readers.reaches[index];
                (readers.calls[index], readers.reaches[index]) = (calls, reaches);
            }
        }
        readers
    }

    fn needs_reader(&self, task: &Task) -> bool {
        let mut reaches = task.depends_on.iter().any(|need| self.reaches[need.task]);
        task.each_call(&mut |call| reaches |= self.reaches[call.task]);
        reaches
    }

    fn reads_of(&self, task: &Task) -> u8 {
        let rules = task.rules();
        let ends = self
            .reads_in(&rules.on_success)
            .max(self.reads_in(&rules.on_failure));
        let all = u8::from(rules.stdin)
            + self.reads_in(&task.steps)
            + ends
            + self.reads_in(&rules.finally);
        all.min(2)
    }

    fn reads_in(&self, steps: &[Step]) -> u8 {
        let of_step = |step: &Step| match &step.action {
            Action::Task(call) => self.calls[call.task],
            Action::Branch {
                then, otherwise, ..
            } => self.reads_in(then).max(self.reads_in(otherwise)),
            Action::Parallel { steps, .. } => self.reads_in(steps),
            _ => 0,
        };
        steps
            .iter()
            .fold(0, |sum, step| (sum + of_step(step)).min(2))
    }

    /// Calls of tasks that read stdin where they are made more than once, or beside others.
    fn repeated_calls(&self, task: &Task) -> Vec<(Place, Diagnostic)> {
        let rules = task.rules();
        let mut found = Vec::new();
        let of_task = repeats(rules.retry.as_ref(), rules.each.is_some());
        for step in task.step_lists().flatten() {
            self.repeated_in(step, of_task, &mut found);
        }
        found
    }

    fn repeated_in(
        &self,
        step: &Step,
        above: Option<&'static str>,
        found: &mut Vec<(Place, Diagnostic)>,
    ) {
        let key = above.or_else(|| step_repeats(step));
        if let (Action::Task(call), Some(key)) = (&step.action, key)
            && self.calls[call.task] > 0
        {
            let name = &self.tasks[call.task].name;
            let message = format!("'{name}' reads stdin, so it can't be called under '{key}'");
            found.push((step.place, Diagnostic::error("stdin", message).help(ONCE)));
        }
        step.inner()
            .for_each(|step| self.repeated_in(step, key, found));
    }

    /// More than one reader in a run of this task, unless that is so of what it needs already.
    fn several(&self, index: TaskIndex) -> Option<Diagnostic> {
        let readers = self.readers_of(index);
        let [first, second, ..] = &readers[..] else {
            return None;
        };
        let task = &self.tasks[index];
        let mut within = false;
        task.each_call(&mut |call| within |= self.readers_of(call.task).len() > 1);
        let mut needs = task.depends_on.iter();
        if within || needs.any(|need| self.readers_of(need.task).len() > 1) {
            return None;
        }
        let message = if first == second {
            format!("a run of '{}' reads stdin twice, in '{first}'", task.name)
        } else {
            format!(
                "two tasks read stdin in a run of '{}': '{first}' and '{second}'",
                task.name
            )
        };
        Some(Diagnostic::error("stdin", message).help(ONCE))
    }

    /// The tasks that read stdin in a run of this one. What a called task depends on belongs to the graph of the run; what it reads
    /// itself counts where it is called.
    fn readers_of(&self, index: TaskIndex) -> Vec<&str> {
        let (mut seen, mut left, mut readers) = (
            HashSet::from([(index, true)]),
            VecDeque::from([(index, true)]),
            Vec::new(),
        );
        while let Some((index, in_graph)) = left.pop_front() {
            let task = &self.tasks[index];
            if in_graph {
                readers.extend((0..self.calls[index]).map(|_| self.name_in(index)));
            }
            let mut next = |index, in_graph| {
                if self.reaches[index] && seen.insert((index, in_graph)) {
                    left.push_back((index, in_graph));
                }
            };
            task.depends_on
                .iter()
                .for_each(|need| next(need.task, true));
            task.each_call(&mut |call| next(call.task, false));
        }
        readers
    }

    /// The task that reads it when this one runs, itself or one that it calls.
    fn name_in(&self, index: TaskIndex) -> &str {
        let task = &self.tasks[index];
        let mut name = task.name.as_str();
        if !task.rules().stdin {
            task.each_call(&mut |call| {
                if self.calls[call.task] > 0 {
                    name = &self.tasks[call.task].name;
                }
            });
        }
        name
    }
}

/// The bytes of the word that stands at a place.
fn word_at(text: &str, place: Place) -> Range<usize> {
    let lines = text.split_inclusive('\n');
    let before: usize = lines
        .take(place.line.saturating_sub(1) as usize)
        .map(str::len)
        .sum();
    let rest = &text[before..];
    let column = place.column.saturating_sub(1) as usize;
    let start = rest
        .char_indices()
        .nth(column)
        .map_or(rest.len(), |(at, _)| at);
    let length = rest[start..]
        .find(['\n', ':', ',', '}'])
        .unwrap_or(rest.len() - start);
    before + start..before + start + length
}
