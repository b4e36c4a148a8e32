//! From files with names to one workflow: which task a name means, globs, aliases, and names that stand twice.
//!
//! A name in a file is the file's own; `:name` is one of the root file. A namespace alone means its `default`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::includes::Node;
use super::missing::Missing;
use super::raw::{Raw, RawNeed, RawTask, Written};
use super::values::used_here;
use crate::diagnostic::{Diagnostic, Found};
use crate::model::language::{
    Absent, Dependency, File, On, Profile, Task, TaskIndex, Unusable, Var, VarValue, Workflow,
};
use crate::suggest::Suggest;

/// All whole names, tasks and aliases, with their tasks.
type Names = HashMap<String, TaskIndex>;

/// A task that another waits for, and the bytes that say so.
struct Edge {
    task: TaskIndex,
    span: Range<usize>,
    /// The task becomes part of the run by it.
    brings: bool,
}

/// Puts the files together. What is wrong is added to what was found in each.
pub(super) fn resolve(nodes: &mut [Node], missing: &mut Missing) -> Workflow {
    leave_out(nodes);
    let mut tasks: Vec<Task> = Vec::new();
    let mut raws: Vec<(usize, Written)> = Vec::new();
    for (number, node) in nodes.iter_mut().enumerate() {
        for RawTask { mut task, written } in std::mem::take(&mut node.raw.tasks) {
            task.name = whole(&node.namespace, &task.name);
            for alias in &mut task.aliases {
                *alias = whole(&node.namespace, alias);
            }
            tasks.push(*task);
            raws.push((number, written));
        }
    }
    let names = names(&tasks, &raws, nodes);
    let mut help = Help {
        suggest: Suggest::new(),
        matches_left: MATCHES_MAX,
        missing,
        unusable: None,
        order_only: false,
    };
    // What each task waits for: its dependencies, the tasks that its steps call, those that it comes after.
    let mut edges: Vec<Vec<Edge>> = Vec::with_capacity(raws.len());
    for (index, (number, raw)) in raws.iter().enumerate() {
        let of_need = |(need, span): &(Dependency, Range<usize>)| Edge {
            task: need.task,
            span: span.clone(),
            brings: true,
        };
        let node = &mut nodes[*number];
        let needs = needs(&tasks, &names, index, &raw.needs, node, &mut help);
        let mut waits: Vec<Edge> = needs.iter().map(of_need).collect();
        tasks[index].depends_on = needs.into_iter().map(|(need, _)| need).collect();
        help.order_only = true;
        let after = self::needs(&tasks, &names, index, &raw.after, node, &mut help);
        help.order_only = false;
        waits.extend(after.iter().map(|need| Edge {
            brings: false,
            ..of_need(need)
        }));
        if !after.is_empty() {
            let rules = tasks[index].rules.get_or_insert_default();
            rules.after = after.into_iter().map(|(need, _)| need.task).collect();
        }
        let called = calls(&tasks, &names, index, raw, node, &mut help);
        tasks[index].each_call_mut(&mut |call| {
            // A name that is not there has been reported.
            call.task = called[call.task].unwrap_or(index);
        });
        tasks[index].unusable = help.unusable.take().map(Box::new);
        let calls = called.into_iter().zip(&raw.calls);
        waits.extend(calls.filter_map(|(task, call)| {
            Some(Edge {
                task: task?,
                span: call.span.clone(),
                brings: true,
            })
        }));
        edges.push(waits);
    }
    for (index, (number, raw)) in raws.iter().enumerate() {
        check_arguments(&tasks, index, raw, &mut nodes[*number], &mut help.suggest);
    }
    let profiles = std::mem::take(&mut nodes[0].raw.profiles);
    check_profiles(&tasks, &profiles, &mut nodes[0].raw);
    nodes[0].raw.profiles = profiles;
    super::locks::check(&tasks, &raws, nodes);
    super::stdin::check(&tasks, &raws, nodes);
    super::leaves::check(&tasks, &raws, nodes);
    for (task, edge, circle) in circles(&tasks, &edges) {
        let found = &mut nodes[raws[task].0].raw.found;
        found.push(circle.at(edges[task][edge].span.clone(), ""));
    }
    for index in unreachable(&tasks, &edges) {
        let (number, raw) = &raws[index];
        let message = format!(
            "nothing depends on '{}', and it is internal: it never runs",
            tasks[index].name
        );
        let warning = Diagnostic::warning("unreachable-task", message);
        let warning = warning.help("remove 'internal', or the task");
        nodes[*number]
            .raw
            .found
            .push(warning.at(raw.name_span.clone(), ""));
    }
    spread(&mut tasks, &edges);
    let absent = help.missing.absent().cloned().collect();
    workflow(nodes, tasks, absent)
}

/// Takes out the tasks that an include, or one further up, excludes.
fn leave_out(nodes: &mut [Node]) {
    if nodes.iter().all(|node| node.excludes.is_empty()) {
        return;
    }
    // Which patterns of which file have met a task.
    let mut met: Vec<Vec<bool>> = nodes
        .iter()
        .map(|node| vec![false; node.excludes.len()])
        .collect();
    for number in 0..nodes.len() {
        let out: Vec<bool> = nodes[number]
            .raw
            .tasks
            .iter()
            .map(|task| is_excluded(nodes, number, &task.task.name, &mut met))
            .collect();
        nodes[number].raw.remove_tasks(&out);
    }
    for (number, met) in met.iter().enumerate() {
        let spans = nodes[number]
            .excludes
            .iter()
            .zip(met)
            .filter(|(_, met)| !**met);
        let wrong: Vec<_> = spans.map(|(exclude, _)| exclude.clone()).collect();
        let Some(parent) = nodes[number].parent else {
            continue;
        };
        for (name, span) in wrong {
            let message = format!("no task of that file is '{name}'");
            let help = "write the names as they stand in the included file, or take this one out";
            let diagnostic = Diagnostic::error("no-match", message).help(help);
            nodes[parent as usize]
                .raw
                .found
                .push(diagnostic.at(span, ""));
        }
    }
}

/// Whether a task of this file stays out, by its own include or one above; notes the pattern that says so.
fn is_excluded(nodes: &[Node], number: usize, name: &str, met: &mut [Vec<bool>]) -> bool {
    let (mut at, mut name) = (Some(number), name.to_owned());
    let mut excluded = false;
    while let Some(number) = at {
        let node = &nodes[number];
        for (index, (pattern, _)) in node.excludes.iter().enumerate() {
            if matches(pattern.as_bytes(), name.as_bytes()) {
                met[number][index] = true;
                excluded = true;
            }
        }
        name = whole(&node.part, &name);
        at = node.parent.map(|parent| parent as usize);
    }
    excluded
}

/// What needs a task that can't run can't run either.
fn spread(tasks: &mut [Task], edges: &[Vec<Edge>]) {
    let mut left: Vec<TaskIndex> = (0..tasks.len())
        .filter(|index| tasks[*index].unusable.is_some())
        .collect();
    if left.is_empty() {
        return;
    }
    let mut needed_by: Vec<Vec<TaskIndex>> = vec![Vec::new(); tasks.len()];
    for (index, edges) in edges.iter().enumerate() {
        for edge in edges.iter().filter(|edge| edge.brings) {
            needed_by[edge.task].push(index);
        }
    }
    while let Some(index) = left.pop() {
        for by in std::mem::take(&mut needed_by[index]) {
            if tasks[by].unusable.is_none() {
                tasks[by].unusable = tasks[index].unusable.clone();
                left.push(by);
            }
        }
    }
}

/// Internal tasks that no other task needs.
fn unreachable(tasks: &[Task], edges: &[Vec<Edge>]) -> Vec<TaskIndex> {
    let mut needed = vec![false; tasks.len()];
    for edge in edges.iter().flatten().filter(|edge| edge.brings) {
        needed[edge.task] = true;
    }
    let all = tasks.iter().enumerate();
    let unreachable = all.filter(|(index, task)| task.internal && !needed[*index]);
    unreachable.map(|(index, _)| index).collect()
}

fn workflow(nodes: &mut [Node], tasks: Vec<Task>, absent: Vec<Absent>) -> Workflow {
    let root = &mut nodes[0].raw;
    let (name, desc) = (root.name.take(), root.desc.take());
    let meta = std::mem::take(&mut root.meta);
    let profiles = std::mem::take(&mut root.profiles);
    let file = |node: &mut Node| File {
        path: node.raw.path.clone(),
        dir: node.base.clone(),
        namespace: node.namespace.clone(),
        parent: node.parent,
        with: std::mem::take(&mut node.with),
        vars: std::mem::take(&mut node.raw.vars),
        env: std::mem::take(&mut node.raw.env),
        dotenv: std::mem::take(&mut node.raw.dotenv),
        secrets: std::mem::take(&mut node.raw.secrets),
    };
    Workflow {
        files: nodes.iter_mut().map(file).collect(),
        name,
        desc,
        meta,
        profiles,
        tasks,
        triggers: Vec::new(),
        absent,
    }
}

pub(super) fn whole(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}:{name}")
    }
}

/// Each whole name with its task. Names that stand twice are reported at the later place.
fn names(tasks: &[Task], raws: &[(usize, Written)], nodes: &mut [Node]) -> Names {
    let mut names: Names = HashMap::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        // Within one file that is a key that stands twice, which has been said.
        if let Some(other) = names.insert(task.name.clone(), index)
            && tasks[other].place.file != task.place.file
        {
            let span = raws[index].1.name_span.clone();
            let other = shown_place(nodes, &tasks[other]);
            let found = &mut nodes[raws[index].0].raw.found;
            twice(found, &task.name, &other, span);
        }
    }
    for (index, task) in tasks.iter().enumerate() {
        let (number, raw) = &raws[index];
        for (alias, span) in task.aliases.iter().zip(&raw.alias_spans) {
            match names.get(alias) {
                Some(other) => {
                    let other = shown_place(nodes, &tasks[*other]);
                    twice(&mut nodes[*number].raw.found, alias, &other, span.clone());
                }
                None => drop(names.insert(alias.clone(), index)),
            }
        }
    }
    names
}

/// A task with its place, for people.
fn shown_place(nodes: &[Node], task: &Task) -> String {
    let file = &nodes[task.place.file as usize].raw.source.name;
    let (name, place) = (&task.name, task.place);
    format!("'{name}' at {file}:{}:{}", place.line, place.column)
}

fn twice(found: &mut Found, name: &str, other: &str, span: Range<usize>) {
    let message = format!("the name '{name}' is taken by the task {other}");
    found.push(
        Diagnostic::error("name-taken", message)
            .at(span, "")
            .help("write another name"),
    );
}

/// How many names are held against globs in all: 20 million take about half a second.
const MATCHES_MAX: usize = 20_000_000;

/// What is limited for all files together.
struct Help<'m> {
    suggest: Suggest,
    matches_left: usize,
    missing: &'m mut Missing,
    /// Why the task that is being looked at can't run.
    unusable: Option<Unusable>,
    /// The names are those of `after`: what is not there is not part of the run.
    order_only: bool,
}

fn too_many_matches(span: Range<usize>) -> Diagnostic {
    let message = format!(
        "the globs in 'depends_on' and 'after' are held against more than {MATCHES_MAX} names"
    );
    Diagnostic::error("too-many-matches", message)
        .at(span, "")
        .help("gather the tasks in one that stands for them, and depend on that")
}

fn needs(
    tasks: &[Task],
    names: &Names,
    own: TaskIndex,
    written: &[RawNeed],
    node: &mut Node,
    help: &mut Help<'_>,
) -> Vec<(Dependency, Range<usize>)> {
    if written.is_empty() {
        return Vec::new();
    }
    let mut needs = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for need in written {
        let wanted = wanted(need, node);
        let found = if wanted.contains('*') {
            let Some(left) = help.matches_left.checked_sub(tasks.len()) else {
                node.raw.found.push(too_many_matches(need.span.clone()));
                break;
            };
            help.matches_left = left;
            glob(tasks, &wanted, own)
        } else {
            find(names, &wanted).into_iter().collect()
        };
        if found.is_empty() {
            not_there(tasks, own, need, &wanted, node, help);
        }
        for task in found {
            let plain = need.on == On::Success && need.vars.is_empty();
            if !plain || seen.insert(task) {
                let dependency = Dependency {
                    task,
                    place: need.place,
                    on: need.on,
                    vars: need.vars.clone(),
                    each: need.each.clone(),
                };
                needs.push((dependency, need.span.clone()));
            }
        }
    }
    needs
}

/// The whole name that a name in a file means.
fn wanted(need: &RawNeed, node: &Node) -> String {
    match need.name.strip_prefix(':') {
        Some(name) => name.to_owned(),
        None => whole(&node.namespace, &need.name),
    }
}

/// A name that no task has: it is wrong, or it stands in a file that is not there.
fn not_there(
    tasks: &[Task],
    own: TaskIndex,
    need: &RawNeed,
    wanted: &str,
    node: &mut Node,
    help: &mut Help<'_>,
) {
    if wanted.contains('*') && help.missing.could_match(wanted) {
        return;
    }
    let Some(unusable) = help.missing.reason(&tasks[own].name, &need.name, wanted) else {
        let (namespace, suggest) = (&node.namespace, &mut help.suggest);
        let left_out =
            |(pattern, _): &(String, _)| matches(pattern.as_bytes(), need.name.as_bytes());
        if node.excludes.iter().any(left_out) {
            let message = format!(
                "'{}' does not come along: the include excludes it",
                need.name
            );
            let diagnostic = Diagnostic::error("unknown-task", message)
                .help("take it out of 'excludes', or exclude what needs it too");
            let diagnostic = diagnostic.at(need.span.clone(), "");
            return node
                .raw
                .found
                .push(used_here(diagnostic, need.used.clone()));
        }
        return unknown(tasks, need, wanted, &mut node.raw, namespace, suggest);
    };
    if help.order_only {
        return;
    }
    let message = format!("{}: it can't run", unusable.why);
    let warning = Diagnostic::warning("unusable-task", message).help(unusable.help.clone());
    let warning = warning.at(need.span.clone(), "");
    node.raw.found.push(used_here(warning, need.used.clone()));
    help.unusable.get_or_insert(unusable);
}

/// The tasks that the steps of a task call, by the numbers of the calls.
fn calls(
    tasks: &[Task],
    names: &Names,
    own: TaskIndex,
    raw: &Written,
    node: &mut Node,
    help: &mut Help<'_>,
) -> Vec<Option<TaskIndex>> {
    let mut called = Vec::with_capacity(raw.calls.len());
    for call in &raw.calls {
        let wanted = wanted(call, node);
        let found = find(names, &wanted);
        if found.is_none() {
            not_there(tasks, own, call, &wanted, node, help);
        }
        called.push(found);
    }
    called
}

/// What a task is called with has to be a param or a var of it.
fn check_arguments(
    tasks: &[Task],
    index: TaskIndex,
    raw: &Written,
    node: &mut Node,
    suggest: &mut Suggest,
) {
    let mut called: Vec<(TaskIndex, &[Var])> = Vec::new();
    tasks[index].each_call(&mut |call| called.push((call.task, &call.vars)));
    let needs = tasks[index].depends_on.iter();
    called.extend(needs.map(|need| (need.task, &need.vars[..])));
    let given = raw
        .calls
        .iter()
        .chain(&raw.needs)
        .flat_map(|need| &need.vars);
    if given.count() == 0 {
        return;
    }
    for (task, vars) in called {
        let task = &tasks[task];
        let params = task.params.iter().map(|param| param.name.as_str());
        let known: Vec<&str> = params
            .chain(task.vars.iter().map(|var| var.name.as_str()))
            .collect();
        for var in vars
            .iter()
            .filter(|var| !known.contains(&var.name.as_str()))
        {
            let message = format!(
                "the task '{}' has no param or var '{}'",
                task.name, var.name
            );
            let help = match suggest.nearest(&var.name, known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("declare it there: 'params: {{{}: string}}'", var.name),
            };
            let diagnostic = Diagnostic::error("unknown-name", message).help(help);
            let span = word_at(&node.raw.source.text, var);
            node.raw.found.push(diagnostic.at(span, ""));
        }
        for var in vars {
            if let Some(diagnostic) = misfit(task, var) {
                let span = word_at(&node.raw.source.text, var);
                node.raw.found.push(diagnostic.at(span, ""));
            }
        }
    }
}

/// Why a value that is written out can't be that of the param of a task.
fn misfit(task: &Task, var: &Var) -> Option<Diagnostic> {
    let VarValue::Data(data) = &var.value else {
        return None;
    };
    let param = task.params.iter().find(|param| param.name == var.name)?;
    let misfit = param.read(data).err()?;
    let message = format!(
        "the value of '{}' for the task '{}': {}",
        var.name, task.name, misfit.what
    );
    Some(Diagnostic::error("param-value", message).help(misfit.help))
}

/// The values of profiles, which are stronger than the defaults of the params of the root file's tasks.
fn check_profiles(tasks: &[Task], profiles: &[Profile], root: &mut Raw) {
    for var in profiles.iter().flat_map(|profile| &profile.vars) {
        let mut of_root = tasks.iter().filter(|task| task.place.file == 0);
        if let Some(diagnostic) = of_root.find_map(|task| misfit(task, var)) {
            let span = word_at(&root.source.text, var);
            root.found.push(diagnostic.at(span, ""));
        }
    }
}

/// The bytes of a var's name in the text that it was read from.
fn word_at(text: &str, var: &Var) -> Range<usize> {
    let line = var.place.line.saturating_sub(1) as usize;
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let column = var.place.column.saturating_sub(1) as usize;
    let line = &text[before..];
    let start = line
        .char_indices()
        .nth(column)
        .map_or(line.len(), |(at, _)| at);
    let end = crate::diagnostic::floor(text, (before + start + var.name.len()).min(text.len()));
    before + start..end
}

/// Tasks that wait for one another, each circle once: the task and the number of its dependency that closes it.
///
/// Depth first, without recursion: the path holds each task with how many of its dependencies have been followed.
fn circles(tasks: &[Task], edges: &[Vec<Edge>]) -> Vec<(TaskIndex, usize, Diagnostic)> {
    let mut found = Vec::new();
    let (mut done, mut open) = (vec![false; tasks.len()], vec![false; tasks.len()]);
    for root in 0..tasks.len() {
        let mut path: Vec<(TaskIndex, usize)> = Vec::new();
        if !done[root] {
            path.push((root, 0));
            open[root] = true;
        }
        while let Some((task, next)) = path.last_mut() {
            let (task, number) = (*task, *next);
            *next += 1;
            match edges[task].get(number).map(|edge| edge.task) {
                None => {
                    path.pop();
                    (done[task], open[task]) = (true, false);
                }
                Some(need) if open[need] => {
                    if found.len() < CIRCLES_MAX {
                        found.push((task, number, circle(tasks, &path, need)));
                    }
                }
                Some(need) if !done[need] => {
                    open[need] = true;
                    path.push((need, 0));
                }
                Some(_) => {}
            }
        }
    }
    found
}

/// How many circles are told.
const CIRCLES_MAX: usize = 100;
/// How many names of a circle are told.
const NAMES_MAX: usize = 20;

fn circle(tasks: &[Task], path: &[(TaskIndex, usize)], start: TaskIndex) -> Diagnostic {
    let from = path
        .iter()
        .position(|(task, _)| *task == start)
        .unwrap_or(0);
    let around = path[from..].iter().map(|(task, _)| *task).chain([start]);
    let mut names: Vec<&str> = around.map(|task| tasks[task].name.as_str()).collect();
    if names.len() > NAMES_MAX {
        names.truncate(NAMES_MAX);
        names.push("…");
    }
    let message = format!("tasks wait for one another: {}", names.join(" -> "));
    Diagnostic::error("task-cycle", message).help("take one of these dependencies out")
}

/// The task that a whole name means; a namespace alone is its `default`.
fn find(names: &Names, name: &str) -> Option<TaskIndex> {
    names
        .get(name)
        .or_else(|| names.get(&format!("{name}:default")))
        .copied()
}

/// `*` stays within a part between colons, `**` crosses them. A task is never meant by its own glob.
fn glob(tasks: &[Task], pattern: &str, own: TaskIndex) -> Vec<TaskIndex> {
    let numbered = tasks.iter().enumerate();
    let matching = numbered
        .filter(|(index, task)| *index != own && matches(pattern.as_bytes(), task.name.as_bytes()));
    matching.map(|(index, _)| index).collect()
}

/// Greedy with one way back for each kind of star, so that no pattern takes more than quadratic time.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the pattern goes on after a star, and from where in the name.
    let mut star: Option<(usize, usize)> = None;
    let mut stars: Option<(usize, usize)> = None;
    loop {
        if pattern[p..].starts_with(b"**") {
            p += 2;
            (stars, star) = (Some((p, n)), None);
        } else if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, n));
        } else if n < name.len() && pattern.get(p) == Some(&name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if n == name.len() && p == pattern.len() {
            return true;
        } else if let Some((after, from)) =
            star.filter(|(_, from)| name.get(*from).is_some_and(|byte| *byte != b':'))
        {
            star = Some((after, from + 1));
            (p, n) = (after, from + 1);
        } else if let Some((after, from)) = stars.filter(|(_, from)| *from < name.len()) {
            (stars, star) = (Some((after, from + 1)), None);
            (p, n) = (after, from + 1);
        } else {
            return false;
        }
    }
}

pub(super) fn unknown(
    tasks: &[Task],
    need: &RawNeed,
    wanted: &str,
    raw: &mut Raw,
    namespace: &str,
    suggest: &mut Suggest,
) {
    let written = &need.name;
    let mut report = |diagnostic: Diagnostic| {
        let diagnostic = diagnostic.at(need.span.clone(), "");
        raw.found.push(used_here(diagnostic, need.used.clone()));
    };
    if wanted.contains('*') {
        let message = format!("no task matches '{written}'");
        let help =
            "'*' stands for any letters within a part between colons, '**' also crosses them";
        return report(Diagnostic::error("no-match", message).help(help));
    }
    let all = tasks
        .iter()
        .flat_map(|task| task.aliases.iter().chain([&task.name]));
    let near = suggest.nearest(wanted, all.map(String::as_str));
    let own = |name: &str| match name
        .strip_prefix(namespace)
        .and_then(|name| name.strip_prefix(':'))
    {
        Some(own) => own.to_owned(),
        None if namespace.is_empty() => name.to_owned(),
        None => format!(":{name}"),
    };
    let of_root = !namespace.is_empty() && tasks.iter().any(|task| task.name == *written);
    let help = match near {
        _ if of_root => format!("the root file has one: write ':{written}'"),
        Some(near) => format!("did you mean '{}'?", own(near)),
        None => "write the name of a task of this file".to_owned(),
    };
    let message = format!("there is no task '{written}'");
    report(Diagnostic::error("unknown-task", message).help(help));
}

/// The first task of this kind in a run of a task: itself, what it depends on, and what its steps call.
pub(super) fn first_of_run(
    tasks: &[Task],
    index: TaskIndex,
    is_meant: impl Fn(&Task) -> bool,
) -> Option<&Task> {
    let mut seen = HashSet::from([index]);
    let mut left = vec![index];
    while let Some(index) = left.pop() {
        let task = &tasks[index];
        if is_meant(task) {
            return Some(task);
        }
        let mut next = |index| left.extend(seen.insert(index).then_some(index));
        task.depends_on.iter().for_each(|need| next(need.task));
        task.each_call(&mut |call| next(call.task));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::matches;

    /// The same by trying everything.
    fn slowly(pattern: &[u8], name: &[u8]) -> bool {
        match pattern {
            [] => name.is_empty(),
            [b'*', b'*', rest @ ..] => (0..=name.len()).any(|from| slowly(rest, &name[from..])),
            [b'*', rest @ ..] => (0..=name.len())
                .take_while(|from| !name[..*from].contains(&b':'))
                .any(|from| slowly(rest, &name[from..])),
            [byte, rest @ ..] => name.first() == Some(byte) && slowly(rest, &name[1..]),
        }
    }

    #[test]
    fn stars_stay_within_a_part_and_two_of_them_do_not() {
        let cases = [
            ("test:*", "test:a", true),
            ("test:*", "test:a:b", false),
            ("test:**", "test:a:b", true),
            ("*", "a", true),
            ("*", "a:b", false),
            ("**", "a:b", true),
            ("*:lint", "web:lint", true),
            ("*t", "test", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn it_is_as_trying_everything() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut word = |letters: &[u8], length| -> Vec<u8> {
                (0..rng.usize(0..length))
                    .map(|_| letters[rng.usize(0..letters.len())])
                    .collect()
            };
            let (pattern, name) = (word(b"ab:***", 8), word(b"aab:", 8));
            assert_eq!(
                matches(&pattern, &name),
                slowly(&pattern, &name),
                "{:?} {:?}",
                String::from_utf8_lossy(&pattern),
                String::from_utf8_lossy(&name)
            );
        }
    }
}
