//! What must happen, worked out from the program alone.
//!
//! A task that runs does one known thing, given how its dependencies ended. Which tasks run can depend on what is
//! faster when one fails, so all ways are looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{
    Action, Command, Cond, Each, Fate, Group, Mode, On, Parallel, Program, Step, Task, WaitFor,
};

/// How a task of the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Status {
    /// Nobody has asked for it so far.
    Unknown,
    /// Its `if` is to be asked before its dependencies.
    Asking,
    /// It waits, and when it never begins nothing is said of it.
    Waiting,
    Running,
    Completed,
    Failed,
    /// It failed, which counts as success.
    Ignored,
    Skipped,
    Blocked,
    Cancelled,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed | Self::Ignored => "failed",
            Self::Skipped => "skipped",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
            Self::Unknown | Self::Asking | Self::Waiting | Self::Running => "",
        }
    }

    /// Whether it is known how it ended.
    pub(crate) fn is_over(self) -> bool {
        !matches!(
            self,
            Self::Unknown | Self::Asking | Self::Waiting | Self::Running
        )
    }

    fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Blocked | Self::Cancelled)
    }
}

/// Commands in their order.
#[derive(Clone, Debug)]
pub(crate) enum Trace {
    One(Line),
    /// One after another.
    Row(Vec<Trace>),
    /// In any order; at most so many at the same time.
    Beside(Vec<Trace>, Option<usize>),
}

/// A command that runs once.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) key: String,
    pub(crate) must: bool,
    pub(crate) slow: bool,
    /// It is no step but a condition.
    pub(crate) asks: bool,
    /// Others log the same.
    pub(crate) shared: bool,
}

impl Trace {
    fn nothing() -> Self {
        Self::Row(Vec::new())
    }

    /// The same, where each may be left out.
    pub(crate) fn perhaps(mut self) -> Self {
        self.each_mut(&mut |line| line.must = false);
        self
    }

    fn each_mut(&mut self, change: &mut impl FnMut(&mut Line)) {
        match self {
            Self::One(line) => change(line),
            Self::Row(all) | Self::Beside(all, _) => {
                all.iter_mut().for_each(|one| one.each_mut(change));
            }
        }
    }

    /// What is asked before the first step; whether a step follows.
    fn questions(&self, into: &mut Vec<Trace>) -> bool {
        match self {
            Self::One(line) if line.asks => {
                into.push(self.clone());
                false
            }
            Self::One(_) => true,
            Self::Row(all) => all.iter().any(|one| one.questions(into)),
            Self::Beside(all, _) => {
                let followed: Vec<bool> = all.iter().map(|one| one.questions(into)).collect();
                followed.contains(&true)
            }
        }
    }

    /// All lines.
    pub(crate) fn lines<'a>(&'a self, into: &mut Vec<&'a Line>) {
        match self {
            Self::One(line) => into.push(line),
            Self::Row(all) | Self::Beside(all, _) => all.iter().for_each(|one| one.lines(into)),
        }
    }
}

/// One way in which a run can go.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) statuses: BTreeMap<usize, Status>,
    /// What was asked before the dependencies, by task.
    pub(crate) asked: BTreeMap<usize, Trace>,
    /// What ran, by task.
    pub(crate) ran: BTreeMap<usize, Trace>,
}

/// All that can happen.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) ways: Vec<Way>,
    /// What waits for what.
    pub(crate) waits: BTreeMap<usize, Vec<(usize, On)>>,
    /// What runs in each turn.
    pub(crate) turns: Vec<BTreeSet<usize>>,
}

/// What is expected of a program.
pub(crate) fn expected(program: &Program) -> Expected {
    let model = Model { program };
    let waits = model.graph();
    let mut search = Search {
        model: &model,
        waits: &waits,
        seen: BTreeSet::new(),
        ends: BTreeSet::new(),
        known: BTreeMap::new(),
    };
    let mut first: Statuses = waits.keys().map(|task| (*task, Status::Unknown)).collect();
    model.take_turns(&mut first, &waits);
    search.go(first);
    let ends = std::mem::take(&mut search.ends);
    let ways = ends.into_iter().map(|statuses| model.way(statuses));
    Expected {
        ways: ways.collect(),
        waits: waits.clone(),
        turns: model.turns().into_iter().map(|(_, all)| all).collect(),
    }
}

struct Model<'a> {
    program: &'a Program,
}

type Statuses = BTreeMap<usize, Status>;
type Waits = BTreeMap<usize, Vec<(usize, On)>>;

/// Whether it reads no result, so that it is asked before the dependencies, and what it is then.
fn early(task: &Task) -> Option<bool> {
    match task.cond.as_ref()? {
        Cond::Literal(holds) => Some(*holds),
        Cond::Sh(command) => Some(command.fate == Fate::Good),
        _ => None,
    }
}

impl Model<'_> {
    /// The tasks of the run, and what they wait for.
    fn graph(&self) -> Waits {
        let mut waits = Waits::new();
        let mut left = self.program.asked.clone();
        while let Some(number) = left.pop() {
            if waits.contains_key(&number) {
                continue;
            }
            let task = &self.program.tasks[number];
            let mut list = Vec::new();
            if early(task) != Some(false) {
                list = self.deps(number);
                list.extend(self.handed(number));
            }
            left.extend(list.iter().map(|(dep, _)| *dep));
            waits.insert(number, list);
        }
        waits
    }

    /// What a task says that it waits for, itself and in those that it calls.
    fn deps(&self, number: usize) -> Vec<(usize, On)> {
        let mut list = Vec::new();
        if !self.program.only {
            list.extend(self.program.tasks[number].deps.iter().copied());
            self.called(number, &mut list);
        }
        list
    }

    /// What it waits for in the place of those that are skipped before anything is run for their sake.
    fn handed(&self, number: usize) -> Vec<(usize, On)> {
        let mut found = Vec::new();
        let mut left = match early(&self.program.tasks[number]) {
            Some(false) => Vec::new(),
            _ => self.deps(number),
        };
        while let Some((skipped, on)) = left.pop() {
            if on == On::Failure || early(&self.program.tasks[skipped]) != Some(false) {
                continue;
            }
            for (dep, of_it) in self.deps(skipped) {
                let on = if on == On::Done { On::Done } else { of_it };
                if of_it != On::Failure && !found.contains(&(dep, on)) {
                    found.push((dep, on));
                    left.push((dep, on));
                }
            }
        }
        found
    }

    /// The tasks that are named for each turn, and all that may run in it.
    fn turns(&self) -> Vec<(Vec<usize>, BTreeSet<usize>)> {
        let program = self.program;
        let mut turns: Vec<(Vec<usize>, BTreeSet<usize>)> = Vec::new();
        for asked in &program.asked {
            let (mut all, mut left) = (BTreeSet::new(), vec![*asked]);
            while let Some(number) = left.pop() {
                if turns.iter().any(|(_, before)| before.contains(&number)) || !all.insert(number) {
                    continue;
                }
                let mut needs = Vec::new();
                if !program.only {
                    needs.extend(program.tasks[number].deps.iter().copied());
                    self.called(number, &mut needs);
                }
                left.extend(needs.iter().map(|(dep, _)| *dep));
            }
            turns.push((vec![*asked], all));
        }
        let (first, second) = match &turns[..] {
            [(_, first), (_, second)] => (first, second),
            _ => return turns,
        };
        let after = |number: &usize| &program.tasks[*number].after;
        let against = !program.only
            && first
                .iter()
                .flat_map(after)
                .any(|before| second.contains(before));
        if program.parallel || against {
            let all = turns.iter().flat_map(|(_, all)| all).copied().collect();
            return vec![(program.asked.clone(), all)];
        }
        turns
    }

    /// Those are asked for whose turn has come: when all before has ended, or a failure keeps the rest from beginning.
    fn take_turns(&self, now: &mut Statuses, waits: &Waits) {
        let failed = now.values().any(|status| *status == Status::Failed);
        let halted = failed && self.program.mode != Mode::KeepGoing;
        for (asked, _) in self.turns() {
            let rests = |status: &Status| status.is_over() || *status == Status::Unknown;
            if !halted && !now.values().all(rests) {
                return;
            }
            for task in asked {
                self.wake(now, task, waits);
            }
        }
    }

    /// Somebody asks for this task.
    fn wake(&self, now: &mut Statuses, number: usize, waits: &Waits) {
        if now[&number] != Status::Unknown {
            return;
        }
        if early(&self.program.tasks[number]).is_some() {
            now.insert(number, Status::Asking);
        } else {
            now.insert(number, Status::Waiting);
            self.wake_all(now, number, waits);
        }
    }

    /// It asks for what it waits for.
    fn wake_all(&self, now: &mut Statuses, number: usize, waits: &Waits) {
        let own = self.deps(number);
        for (dep, _) in &waits[&number] {
            // What a skipped task hands on is known once that has been skipped.
            let handed_on = || {
                let skipped = now.iter().filter(|(_, status)| **status == Status::Skipped);
                skipped.into_iter().any(|(by, _)| {
                    let needs = self.deps(*by);
                    needs.iter().any(|(need, _)| need == dep)
                })
            };
            if own.iter().any(|(need, _)| need == dep) || handed_on() {
                self.wake(now, *dep, waits);
            }
        }
    }

    /// What the tasks that it calls depend on.
    fn called(&self, number: usize, list: &mut Vec<(usize, On)>) {
        for callee in self.program.tasks[number].calls() {
            for dep in &self.program.tasks[callee].deps {
                if !list.contains(dep) {
                    list.push(*dep);
                }
            }
            self.called(callee, list);
        }
    }

    fn way(&self, statuses: Statuses) -> Way {
        let mut asked = BTreeMap::new();
        let mut ran = BTreeMap::new();
        for (number, status) in &statuses {
            let task = &self.program.tasks[*number];
            let began = matches!(
                status,
                Status::Completed | Status::Failed | Status::Ignored | Status::Cancelled
            );
            if let (Some(Cond::Sh(command)), true) = (&task.cond, *status != Status::Unknown) {
                let mut run = Run::new(self, &statuses);
                let trace = run.ask(command, &Scope::top(self.program, *number)).0;
                let sure = *status != Status::Asking;
                asked.insert(*number, if sure { trace } else { trace.perhaps() });
            }
            if began {
                let trace = Run::new(self, &statuses).task(*number, "top", true).0;
                let stopped = *status == Status::Cancelled;
                ran.insert(*number, if stopped { trace.perhaps() } else { trace });
            } else if *status == Status::Waiting {
                // It may have been about to begin.
                let trace = Run::new(self, &statuses).task(*number, "top", true).0;
                let mut row = Vec::new();
                trace.questions(&mut row);
                ran.insert(*number, Trace::Row(row).perhaps());
            }
        }
        Way {
            statuses,
            asked,
            ran,
        }
    }
}

/// Looks at all ways in which tasks can begin and end.
struct Search<'a> {
    model: &'a Model<'a>,
    waits: &'a Waits,
    seen: BTreeSet<Statuses>,
    ends: BTreeSet<Statuses>,
    known: BTreeMap<(usize, Vec<Status>), Status>,
}

impl Search<'_> {
    fn go(&mut self, first: Statuses) {
        let mut left = vec![first];
        while let Some(now) = left.pop() {
            if !self.seen.insert(now.clone()) {
                continue;
            }
            let (next, is_end) = self.next(&now);
            if is_end {
                self.ends.insert(now);
            }
            left.extend(next);
        }
    }

    /// What can come next, and whether nothing has to.
    fn next(&mut self, now: &Statuses) -> (Vec<Statuses>, bool) {
        let mode = self.model.program.mode;
        let failed = now.values().any(|status| *status == Status::Failed);
        let wanted = match failed && mode != Mode::KeepGoing {
            true => self.wanted(now),
            false => now.keys().copied().collect(),
        };
        let (model, waits) = (self.model, self.waits);
        let with = |number: usize, status: Status| {
            let mut after = now.clone();
            after.insert(number, status);
            if status == Status::Waiting {
                model.wake_all(&mut after, number, waits);
            }
            if status == Status::Skipped {
                let waiting = now.iter().filter(|(_, status)| **status == Status::Waiting);
                for (waiting, _) in waiting {
                    model.wake_all(&mut after, *waiting, waits);
                }
            }
            model.take_turns(&mut after, waits);
            after
        };
        let mut found = Vec::new();
        let mut is_end = true;
        for (number, status) in now {
            let mut options = Vec::new();
            match status {
                Status::Asking => {
                    // What was about to be asked when another failed may still be asked.
                    is_end &= !wanted.contains(number);
                    options.push(match early(&model.program.tasks[*number]) {
                        Some(false) => Status::Skipped,
                        _ => Status::Waiting,
                    });
                }
                Status::Waiting => {
                    options = self.begin(*number, now, wanted.contains(number));
                    is_end &= options.is_empty();
                    let ready = options == [Status::Running];
                    if ready && model.program.jobs == 64 && self.is_prompt(*number) {
                        return (vec![with(*number, Status::Running)], false);
                    }
                }
                Status::Running => {
                    is_end = false;
                    options.push(self.end(*number, now));
                    if failed && mode == Mode::FailFast {
                        options.push(Status::Cancelled);
                    }
                }
                _ => {}
            }
            found.extend(options.into_iter().map(|status| with(*number, status)));
            // With -k all ways lead to the same end, but for what has two reasons.
            if mode == Mode::KeepGoing && !found.is_empty() {
                break;
            }
        }
        (found, is_end)
    }

    /// Whether nothing has to be asked before the first command of a task.
    fn is_prompt(&self, number: usize) -> bool {
        let task = &self.model.program.tasks[number];
        let first = &task.run[0];
        matches!(first.action, Action::Run(_))
            && task.after.is_empty()
            && first.cond.is_none()
            && first.each.is_none()
            && task.cond.is_none()
            && task.each.is_none()
            && task.preconditions.is_empty()
    }

    /// What a waiting task can become.
    fn begin(&self, number: usize, now: &Statuses, wanted: bool) -> Vec<Status> {
        let mut options = BTreeSet::new();
        let mut ready = true;
        for (dep, on) in &self.waits[&number] {
            let status = now[dep];
            if !status.is_over() {
                ready = false;
                continue;
            }
            match on {
                On::Success if status == Status::Cancelled => ready = false,
                On::Success if status.is_bad() => drop(options.insert(Status::Blocked)),
                On::Failure if !status.is_bad() => drop(options.insert(Status::Skipped)),
                _ => {}
            }
        }
        if ready && options.is_empty() && wanted {
            options.insert(Status::Running);
        }
        // With -k all else ends too, so that both reasons are seen.
        if self.model.program.mode == Mode::KeepGoing && !ready {
            options.clear();
        }
        options.into_iter().collect()
    }

    /// What waits for a failure that is there, with what that depends on.
    fn wanted(&self, now: &Statuses) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let waits_for_it = |(dep, on): &(usize, On)| *on != On::Success && now[dep].is_bad();
        let mut left: Vec<usize> = self.waits.keys().copied().collect();
        left.retain(|number| {
            matches!(now[number], Status::Waiting | Status::Asking)
                && self.waits[number].iter().any(waits_for_it)
        });
        while let Some(number) = left.pop() {
            if found.insert(number) {
                left.extend(self.waits[&number].iter().map(|(dep, _)| *dep));
            }
        }
        found
    }

    /// How a task ends that runs.
    fn end(&mut self, number: usize, now: &Statuses) -> Status {
        let deps = self.model.program.tasks[number].deps.iter();
        let seen = deps
            .map(|(dep, _)| now.get(dep).copied().unwrap_or(Status::Waiting))
            .collect();
        let model = self.model;
        let end = || Run::new(model, now).task(number, "top", true).1;
        *self.known.entry((number, seen)).or_insert_with(end)
    }
}

/// The names that commands log.
#[derive(Clone, Debug)]
struct Scope {
    items: Vec<(String, String)>,
    index: Option<usize>,
    /// The name of the call, where tasks that are called have one.
    who: Option<String>,
    /// Others log the same.
    shared: bool,
}

impl Scope {
    fn new(program: &Program, number: usize, who: &str) -> Self {
        let callable = program.tasks[number].callable;
        Self {
            items: Vec::new(),
            index: None,
            who: (callable && program.named).then(|| who.to_owned()),
            shared: callable && !program.named,
        }
    }

    fn top(program: &Program, number: usize) -> Self {
        Self::new(program, number, "top")
    }

    fn inside(&self, each: &Each, index: usize) -> Self {
        let mut inner = self.clone();
        inner
            .items
            .push((each.name.clone(), each.items[index].clone()));
        inner.index = each.index.then_some(index);
        inner
    }

    fn marks(&self) -> String {
        let mut text = String::new();
        for (name, item) in &self.items {
            // An inner loop hides the item of an outer one.
            let last = self.items.iter().rev().find(|(other, _)| other == name);
            let item = last.map_or(item, |(_, item)| item);
            text.push_str(&format!(".{item}"));
        }
        if let Some(index) = self.index {
            text.push_str(&format!(".{index}"));
        }
        text
    }

    fn key(&self, id: usize) -> String {
        let who = self.who.as_ref().map(|who| format!("@{who}"));
        format!("c{id}{}{}", self.marks(), who.unwrap_or_default())
    }

    /// The name of a call from here.
    fn call(&self, step: usize) -> String {
        let outer = self.who.as_ref().map(|who| format!("{who}."));
        format!("{}{step}{}", outer.unwrap_or_default(), self.marks())
    }
}

/// A task as it runs.
struct Run<'a> {
    model: &'a Model<'a>,
    statuses: &'a Statuses,
    /// How often each command ran.
    counts: BTreeMap<String, usize>,
    /// Whether a step of the task began.
    began: bool,
    steps: BTreeMap<usize, (Status, i32)>,
}

impl<'a> Run<'a> {
    fn new(model: &'a Model<'a>, statuses: &'a Statuses) -> Self {
        Self {
            model,
            statuses,
            counts: BTreeMap::new(),
            began: false,
            steps: BTreeMap::new(),
        }
    }

    fn line(&mut self, command: &Command, scope: &Scope, asks: bool) -> (Trace, i32) {
        let key = scope.key(command.id);
        let count = self.counts.entry(key.clone()).or_default();
        *count += 1;
        let code = match command.fate {
            Fate::Good => 0,
            Fate::Exit(code) => code,
            Fate::FailFirst(times) => i32::from(*count <= times),
            Fate::Sleeps => 143,
        };
        let line = Line {
            key,
            must: true,
            slow: command.slow,
            asks,
            shared: scope.shared,
        };
        (Trace::One(line), code)
    }

    /// What a step came to; one that has not run can't be read, and flow refuses the file.
    fn seen(&self, step: usize) -> (Status, i32) {
        self.steps
            .get(&step)
            .copied()
            .unwrap_or((Status::Waiting, 0))
    }

    fn of(&self, task: usize) -> Status {
        self.statuses.get(&task).copied().unwrap_or(Status::Waiting)
    }

    fn ask(&mut self, command: &Command, scope: &Scope) -> (Trace, bool) {
        let (trace, code) = self.line(command, scope, true);
        (trace, code == 0)
    }

    fn cond(&mut self, cond: &Cond, scope: &Scope) -> (Trace, bool) {
        let holds = match cond {
            Cond::Literal(holds) => *holds,
            Cond::Sh(command) => return self.ask(command, scope),
            Cond::Task(task, word, holds) => (self.of(*task).word() == *word) == *holds,
            Cond::Step(step, word, holds) => (self.seen(*step).0.word() == *word) == *holds,
            Cond::ExitCode(step, code) => self.seen(*step).1 == *code,
            Cond::Output(step, value) => self.seen(*step).1 == *value,
        };
        (Trace::nothing(), holds)
    }

    /// Checks, up to the first that does not hold.
    fn checks(&mut self, checks: &[Cond], scope: &Scope) -> (Trace, bool) {
        let mut row = Vec::new();
        for check in checks {
            let (trace, holds) = self.cond(check, scope);
            row.push(trace);
            if !holds {
                return (Trace::Row(row), false);
            }
        }
        (Trace::Row(row), true)
    }

    /// A task, for all its items. Of a task of the graph, what is asked before the dependencies is not in the trace.
    fn task(&mut self, number: usize, who: &str, root: bool) -> (Trace, Status) {
        let task = &self.model.program.tasks[number];
        let scope = Scope::new(self.model.program, number, who);
        let Some(each) = &task.each else {
            return self.item(task, &scope, root);
        };
        if matches!(task.cond, Some(Cond::Literal(false))) {
            return (Trace::nothing(), Status::Skipped);
        }
        let (trace, good) = self.each(each, &scope, |run, scope| {
            let (trace, status) = run.item(task, scope, root);
            (trace, status != Status::Failed)
        });
        let status = if good {
            Status::Completed
        } else {
            Status::Failed
        };
        (trace, status)
    }

    fn item(&mut self, task: &Task, scope: &Scope, root: bool) -> (Trace, Status) {
        let outer = std::mem::take(&mut self.steps);
        let began = std::mem::replace(&mut self.began, false);
        let (trace, status) = self.body(task, scope, root);
        self.steps = outer;
        self.began |= began;
        (trace, status)
    }

    fn body(&mut self, task: &Task, scope: &Scope, root: bool) -> (Trace, Status) {
        let bad = match task.ignore_error {
            true => Status::Ignored,
            false => Status::Failed,
        };
        let mut row = Vec::new();
        let known = root && early(task).is_some();
        if let (Some(cond), false) = (&task.cond, known) {
            let (trace, holds) = self.cond(cond, scope);
            row.push(trace);
            if !holds {
                return (Trace::Row(row), Status::Skipped);
            }
        }
        let (trace, holds) = self.checks(&task.preconditions, scope);
        row.push(trace);
        if !holds {
            return (Trace::Row(row), bad);
        }
        let mut good = false;
        for _ in 0..task.retry {
            let (trace, ran) = self.list(&task.run, scope);
            row.push(trace);
            good = ran;
            if ran {
                let (trace, holds) = self.checks(&task.verify, scope);
                row.push(trace);
                good = holds;
            }
            if good {
                break;
            }
        }
        let handler = if good {
            &task.on_success
        } else {
            &task.on_failure
        };
        let (trace, handled) = self.all(handler, scope);
        row.push(trace);
        let mut cleaned = true;
        if self.began {
            let (trace, good) = self.all(&task.finally, scope);
            row.push(trace);
            cleaned = good;
        }
        let status = match good && handled && cleaned {
            true => Status::Completed,
            false => bad,
        };
        (Trace::Row(row), status)
    }

    fn list(&mut self, steps: &[Step], scope: &Scope) -> (Trace, bool) {
        let mut row = Vec::new();
        for step in steps {
            let (trace, good) = self.step(step, scope);
            row.push(trace);
            if !good {
                return (Trace::Row(row), false);
            }
        }
        (Trace::Row(row), true)
    }

    /// The steps of a handler: each of them, whatever came of those before.
    fn all(&mut self, steps: &[Step], scope: &Scope) -> (Trace, bool) {
        let (mut row, mut all) = (Vec::new(), true);
        for step in steps {
            let (trace, good) = self.step(step, scope);
            row.push(trace);
            all &= good;
        }
        (Trace::Row(row), all)
    }

    fn step(&mut self, step: &Step, scope: &Scope) -> (Trace, bool) {
        match &step.each {
            None => self.one(step, scope),
            Some(each) => self.each(each, scope, |run, scope| run.one(step, scope)),
        }
    }

    /// A step for one item.
    fn one(&mut self, step: &Step, scope: &Scope) -> (Trace, bool) {
        let mut row = Vec::new();
        let mut holds = true;
        if let Some(cond) = &step.cond {
            let (trace, so) = self.cond(cond, scope);
            row.push(trace);
            holds = so;
        }
        if !holds && !matches!(step.action, Action::Then(..)) {
            self.steps.insert(step.id, (Status::Skipped, 0));
            return (Trace::Row(row), true);
        }
        let mut good = false;
        let mut code = 0;
        for _ in 0..step.retry {
            let trace;
            (trace, good, code) = self.action(step, holds, scope);
            row.push(trace);
            if good {
                break;
            }
        }
        let status = if good {
            Status::Completed
        } else {
            Status::Failed
        };
        self.steps.insert(step.id, (status, code));
        (Trace::Row(row), good || step.ignore_error)
    }

    fn action(&mut self, step: &Step, holds: bool, scope: &Scope) -> (Trace, bool, i32) {
        match &step.action {
            Action::Run(command) => {
                self.began = true;
                let (trace, code) = self.line(command, scope, false);
                (trace, code == 0, code)
            }
            Action::Set(value) => {
                self.began = true;
                (Trace::nothing(), true, *value)
            }
            Action::Then(yes, no) => {
                let (trace, good) = self.list(if holds { yes } else { no }, scope);
                (trace, good, 0)
            }
            Action::Group(group) => {
                let (trace, good) = self.group(group, scope);
                (trace, good, 0)
            }
            Action::Call(callee) => {
                let (trace, status) = self.task(*callee, &scope.call(step.id), false);
                (trace, status != Status::Failed, 0)
            }
        }
    }

    fn each(
        &mut self,
        each: &Each,
        scope: &Scope,
        mut one: impl FnMut(&mut Self, &Scope) -> (Trace, bool),
    ) -> (Trace, bool) {
        let scopes = (0..each.items.len()).map(|index| scope.inside(each, index));
        if each.parallel != Parallel::No {
            let all = scopes.map(|scope| one(self, &scope)).collect();
            let max = match each.parallel {
                Parallel::Some(max) => Some(max),
                _ => None,
            };
            return beside(all, each.stops(), max);
        }
        let mut row = Vec::new();
        let mut good = true;
        for scope in scopes {
            let (trace, so) = one(self, &scope);
            row.push(trace);
            good &= so;
            if !so && each.stops() {
                break;
            }
        }
        (Trace::Row(row), good)
    }

    fn group(&mut self, group: &Group, scope: &Scope) -> (Trace, bool) {
        let members = group.members.iter();
        let all: Vec<(Trace, bool)> = members.map(|step| self.step(step, scope)).collect();
        match group.wait_for {
            WaitFor::All => beside(all, group.stop, group.max),
            WaitFor::Any if all.iter().all(|(_, good)| !good) => {
                let traces = all.into_iter().map(|(trace, _)| trace).collect();
                (Trace::Beside(traces, group.max), false)
            }
            WaitFor::Any => (decided(all, |good| good, group.max), true),
            WaitFor::First => {
                // Only the first of them ends by itself.
                let good = all[0].1;
                let rest = all.into_iter().enumerate();
                let traces = rest.map(|(index, (trace, _))| match index {
                    0 => trace,
                    _ => trace.perhaps(),
                });
                (Trace::Beside(traces.collect(), group.max), good)
            }
        }
    }
}

/// Where one decides and the others are stopped: who decides has run, when it is clear who that is.
fn decided(all: Vec<(Trace, bool)>, decides: fn(bool) -> bool, max: Option<usize>) -> Trace {
    let count = all.iter().filter(|(_, good)| decides(*good)).count();
    let traces = all
        .into_iter()
        .map(|(trace, good)| match decides(good) && count == 1 {
            true => trace,
            false => trace.perhaps(),
        });
    Trace::Beside(traces.collect(), max)
}

fn beside(all: Vec<(Trace, bool)>, stops: bool, max: Option<usize>) -> (Trace, bool) {
    let good = all.iter().all(|(_, good)| *good);
    if !good && stops {
        return (decided(all, |good| !good, max), false);
    }
    let traces = all.into_iter().map(|(trace, _)| trace).collect();
    (Trace::Beside(traces, max), good)
}
