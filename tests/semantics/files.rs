//! Random programs, and the Workflowfile that says the same.

use fastrand::Rng;
use serde_json::{Map, Value as Json, json};

/// What is called: the tasks, and how flow is called with them.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) tasks: Vec<Task>,
    pub(crate) asked: Vec<usize>,
    pub(crate) mode: Mode,
    pub(crate) only: bool,
    /// The named ones run beside one another.
    pub(crate) parallel: bool,
    pub(crate) jobs: usize,
    /// Each call has a name that its commands log, so that no two calls log the same.
    pub(crate) named: bool,
}

/// What happens after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Stop,
    KeepGoing,
    FailFast,
}

/// What a dependency waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Success,
    Failure,
    Done,
}

/// A task; its name is `t` and its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Task {
    pub(crate) callable: bool,
    pub(crate) deps: Vec<(usize, On)>,
    /// What it comes after.
    pub(crate) after: Vec<usize>,
    pub(crate) cond: Option<Cond>,
    pub(crate) each: Option<Each>,
    pub(crate) preconditions: Vec<Cond>,
    pub(crate) run: Vec<Step>,
    pub(crate) retry: usize,
    pub(crate) ignore_error: bool,
    pub(crate) verify: Vec<Cond>,
    pub(crate) on_success: Vec<Step>,
    pub(crate) on_failure: Vec<Step>,
    pub(crate) finally: Vec<Step>,
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Cond {
    Literal(bool),
    Sh(Command),
    /// The status of a task is, or is not, this word.
    Task(usize, &'static str, bool),
    /// The status of the step with this number is, or is not, this word.
    Step(usize, &'static str, bool),
    /// The exit code of the step with this number.
    ExitCode(usize, i32),
    /// The output of the `set` with this number.
    Output(usize, i32),
}

/// A loop.
#[derive(Clone, Debug)]
pub(crate) struct Each {
    /// The name of its item.
    pub(crate) name: String,
    pub(crate) items: Vec<String>,
    pub(crate) range: bool,
    pub(crate) parallel: Parallel,
    pub(crate) stop: Option<bool>,
    /// Commands log the index too.
    pub(crate) index: bool,
}

/// How many at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parallel {
    No,
    All,
    Some(usize),
}

/// A step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) id: usize,
    pub(crate) named: bool,
    pub(crate) cond: Option<Cond>,
    pub(crate) each: Option<Each>,
    pub(crate) retry: usize,
    pub(crate) ignore_error: bool,
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Run(Command),
    Then(Vec<Step>, Vec<Step>),
    Group(Group),
    Call(usize),
    Set(i32),
}

/// Steps at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) members: Vec<Step>,
    pub(crate) wait_for: WaitFor,
    pub(crate) stop: bool,
    pub(crate) max: Option<usize>,
}

/// Who decides in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    All,
    Any,
    First,
}

/// A command that logs its number.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) id: usize,
    pub(crate) fate: Fate,
    /// It takes a while, and logs its end too.
    pub(crate) slow: bool,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Good,
    Exit(i32),
    /// It fails the first times.
    FailFirst(usize),
    /// It ends only when it is stopped.
    Sleeps,
}

/// What surrounds the part that is made.
#[derive(Clone, Copy)]
struct Place<'a> {
    depth: usize,
    loops: usize,
    /// Commands behave the same each time.
    steady: bool,
    /// Tasks that may be called.
    calls: &'a [usize],
    /// Those of them that depend on nothing, nor do those that they call.
    simple_calls: &'a [usize],
    /// Tasks whose status may be read.
    read: &'a [usize],
    races: bool,
    named: bool,
}

struct Maker {
    rng: Rng,
    next: usize,
}

impl Program {
    /// The program of this seed.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        loop {
            let program = Maker {
                rng: rng.fork(),
                next: 0,
            }
            .program();
            if program.cost() <= 40 {
                return program;
            }
        }
    }

    /// About how many commands it runs.
    fn cost(&self) -> usize {
        let mut costs: Vec<usize> = Vec::new();
        for task in &self.tasks {
            costs.push(task.cost(&costs));
        }
        costs.iter().sum()
    }

    /// The arguments of flow.
    pub(crate) fn args(&self) -> Vec<String> {
        let mut args = vec![format!("-j{}", self.jobs)];
        match self.mode {
            Mode::Stop => {}
            Mode::KeepGoing => args.push("-k".to_owned()),
            Mode::FailFast => args.push("--fail-fast".to_owned()),
        }
        if self.only {
            args.push("--only".to_owned());
        }
        if self.parallel {
            args.push("-p".to_owned());
        }
        args.extend(self.asked.iter().map(|task| format!("t{task}")));
        args
    }

    /// The Workflowfile, a line for each task.
    pub(crate) fn file(&self) -> String {
        let tasks = self.tasks.iter().enumerate();
        let lines = tasks.map(|(number, task)| format!("  t{number}: {}\n", self.task(task)));
        format!("tasks:\n{}", lines.collect::<String>())
    }

    fn task(&self, task: &Task) -> Json {
        let who = self.named && task.callable;
        let shown = Shown {
            names: Vec::new(),
            index: false,
            who,
            named: self.named,
        };
        let mut map = Map::new();
        if who {
            map.insert("params".into(), json!({"who": {"default": "top"}}));
        }
        let deps: Vec<Json> = task
            .deps
            .iter()
            .map(|(dep, on)| depends(*dep, *on))
            .collect();
        put_list(&mut map, "depends_on", deps);
        let after = task.after.iter().map(|other| json!(format!("t{other}")));
        put_list(&mut map, "after", after.collect());
        if let Some(cond) = &task.cond {
            map.insert("if".into(), shown.cond(cond));
        }
        let inner = shown.inside(task.each.as_ref());
        if let Some(each) = &task.each {
            map.insert("for".into(), each.json());
        }
        put_list(&mut map, "preconditions", inner.conds(&task.preconditions));
        put_list(&mut map, "run", inner.steps(&task.run));
        if task.retry > 1 {
            map.insert("retry".into(), task.retry.into());
        }
        if task.ignore_error {
            map.insert("ignore_error".into(), true.into());
        }
        put_list(&mut map, "verify", inner.conds(&task.verify));
        put_list(&mut map, "on_success", inner.steps(&task.on_success));
        put_list(&mut map, "on_failure", inner.steps(&task.on_failure));
        put_list(&mut map, "finally", inner.steps(&task.finally));
        Json::Object(map)
    }
}

fn depends(dep: usize, on: On) -> Json {
    let task = format!("t{dep}");
    match on {
        On::Success => json!(task),
        On::Failure => json!({"task": task, "on": "failure"}),
        On::Done => json!({"task": task, "on": "done"}),
    }
}

fn put_list(map: &mut Map<String, Json>, key: &str, list: Vec<Json>) {
    if !list.is_empty() {
        map.insert(key.into(), Json::Array(list));
    }
}

impl Task {
    fn cost(&self, costs: &[usize]) -> usize {
        let list = |steps: &[Step]| steps.iter().map(|step| step.cost(costs)).sum::<usize>();
        let tries = list(&self.run) + self.verify.len();
        let handlers = list(&self.on_success) + list(&self.on_failure) + list(&self.finally);
        let items = self.each.as_ref().map_or(1, |each| each.items.len());
        items * (tries * self.retry + handlers + self.preconditions.len() + 1)
    }

    /// Whether what its steps read is there.
    pub(crate) fn is_sound(&self) -> bool {
        let named: Vec<usize> = self.run.iter().map(|step| step.id).collect();
        let cond = match &self.cond {
            Some(Cond::Task(task, ..)) => self.deps.iter().any(|(dep, _)| dep == task),
            _ => true,
        };
        cond && self
            .run
            .iter()
            .all(|step| step.is_sound(&named, &self.deps))
    }

    /// All tasks that it calls.
    pub(crate) fn calls(&self) -> Vec<usize> {
        let mut found = Vec::new();
        for steps in [&self.run, &self.on_success, &self.on_failure, &self.finally] {
            steps.iter().for_each(|step| step.calls(&mut found));
        }
        found
    }
}

impl Step {
    fn cost(&self, costs: &[usize]) -> usize {
        let list = |steps: &[Step]| steps.iter().map(|step| step.cost(costs)).sum::<usize>();
        let once = match &self.action {
            Action::Run(_) | Action::Set(_) => 1,
            Action::Then(yes, no) => list(yes).max(list(no)),
            Action::Group(group) => list(&group.members),
            Action::Call(task) => costs[*task],
        };
        once * self.retry * self.each.as_ref().map_or(1, |each| each.items.len())
    }

    fn sleeps(&self) -> bool {
        matches!(&self.action, Action::Run(command) if command.fate == Fate::Sleeps)
    }

    /// Whether what it reads is there: steps of this list, tasks that it depends on.
    fn is_sound(&self, named: &[usize], deps: &[(usize, On)]) -> bool {
        let sound = |step: &Self| step.is_sound(named, deps);
        let inner = match &self.action {
            Action::Then(yes, no) => yes.iter().chain(no).all(sound),
            // Somebody has to end a race.
            Action::Group(group) => group.members.iter().all(sound) && !group.members[0].sleeps(),
            _ => true,
        };
        inner
            && match &self.cond {
                Some(Cond::Step(step, ..) | Cond::ExitCode(step, _) | Cond::Output(step, _)) => {
                    named.contains(step)
                }
                Some(Cond::Task(task, ..)) => deps.iter().any(|(dep, _)| dep == task),
                _ => true,
            }
    }

    fn calls(&self, found: &mut Vec<usize>) {
        match &self.action {
            Action::Run(_) | Action::Set(_) => {}
            Action::Then(yes, no) => yes.iter().chain(no).for_each(|step| step.calls(found)),
            Action::Group(group) => group.members.iter().for_each(|step| step.calls(found)),
            Action::Call(task) => found.push(*task),
        }
    }
}

impl Each {
    fn json(&self) -> Json {
        let plain = self.parallel == Parallel::No
            && self.stop.is_none()
            && self.name == "item"
            && !self.range;
        if plain {
            return json!(self.items);
        }
        let mut map = Map::new();
        if self.range {
            map.insert("range".into(), json!([1, self.items.len()]));
        } else {
            let items: Vec<String> = self.items.iter().map(|item| format!("'{item}'")).collect();
            map.insert("in".into(), format!("[{}]", items.join(", ")).into());
        }
        if self.name != "item" {
            map.insert("as".into(), self.name.as_str().into());
        }
        match self.parallel {
            Parallel::No => {}
            Parallel::All => drop(map.insert("parallel".into(), true.into())),
            Parallel::Some(count) => drop(map.insert("parallel".into(), count.into())),
        }
        if let Some(stop) = self.stop {
            map.insert("stop_on_failure".into(), stop.into());
        }
        Json::Object(map)
    }

    /// Whether a failing item ends the others.
    pub(crate) fn stops(&self) -> bool {
        self.stop.unwrap_or(self.parallel == Parallel::No)
    }
}

/// What commands log beside their number.
#[derive(Clone)]
struct Shown {
    names: Vec<String>,
    index: bool,
    who: bool,
    named: bool,
}

impl Shown {
    fn inside(&self, each: Option<&Each>) -> Self {
        let mut inner = self.clone();
        if let Some(each) = each {
            inner.names.push(each.name.clone());
            inner.index = each.index;
        }
        inner
    }

    fn marks(&self) -> String {
        let mut text = String::new();
        for name in &self.names {
            text.push_str(&format!(".{{{{ {name} }}}}"));
        }
        if self.index {
            text.push_str(".{{ index }}");
        }
        if self.who {
            text.push_str("@{{ who }}");
        }
        text
    }

    fn command(&self, command: &Command) -> String {
        let key = format!("c{}{}", command.id, self.marks());
        let mut text = format!("echo {key} >> log");
        if command.slow {
            text.push_str(&format!("; sleep 0.02; echo {key}! >> log"));
        }
        match command.fate {
            Fate::Good => {}
            Fate::Exit(code) => text.push_str(&format!("; exit {code}")),
            Fate::FailFirst(count) => {
                text.push_str(&format!("; test $(grep -cx '{key}' log) -gt {count}"));
            }
            Fate::Sleeps => text.push_str("; exec sleep 100"),
        }
        text
    }

    fn cond(&self, cond: &Cond) -> Json {
        let is = |holds: &bool| if *holds { "==" } else { "!=" };
        match cond {
            Cond::Literal(true) => json!("1 < 2"),
            Cond::Literal(false) => json!("1 > 2"),
            Cond::Sh(command) => json!({"sh": self.command(command)}),
            Cond::Task(task, word, holds) => {
                json!(format!("tasks.t{task}.status {} '{word}'", is(holds)))
            }
            Cond::Step(step, word, holds) => {
                json!(format!("steps.s{step}.status {} '{word}'", is(holds)))
            }
            Cond::ExitCode(step, code) => json!(format!("steps.s{step}.exit_code == {code}")),
            Cond::Output(step, value) => json!(format!("outputs.o{step} == {value}")),
        }
    }

    fn conds(&self, conds: &[Cond]) -> Vec<Json> {
        conds.iter().map(|cond| self.cond(cond)).collect()
    }

    fn steps(&self, steps: &[Step]) -> Vec<Json> {
        steps.iter().map(|step| self.step(step)).collect()
    }

    fn step(&self, step: &Step) -> Json {
        let plain = !step.named
            && step.cond.is_none()
            && step.each.is_none()
            && step.retry == 1
            && !step.ignore_error;
        let inner = self.inside(step.each.as_ref());
        if let (Action::Run(command), true) = (&step.action, plain) {
            return json!(inner.command(command));
        }
        let mut map = Map::new();
        if step.named {
            map.insert("name".into(), format!("s{}", step.id).into());
        }
        if let Some(cond) = &step.cond {
            map.insert("if".into(), self.cond(cond));
        }
        if let Some(each) = &step.each {
            map.insert("for".into(), each.json());
        }
        if step.retry > 1 {
            map.insert("retry".into(), step.retry.into());
        }
        if step.ignore_error {
            map.insert("ignore_error".into(), true.into());
        }
        match &step.action {
            Action::Run(command) => drop(map.insert("run".into(), inner.command(command).into())),
            Action::Then(yes, no) => {
                map.insert("then".into(), inner.steps(yes).into());
                put_list(&mut map, "else", inner.steps(no));
            }
            Action::Group(group) => inner.group(&mut map, group),
            Action::Call(task) => {
                map.insert("task".into(), format!("t{task}").into());
                if self.named {
                    let outer = if self.who { "{{ who }}." } else { "" };
                    let marks = Self {
                        who: false,
                        ..inner.clone()
                    };
                    let who = format!("{outer}{}{}", step.id, marks.marks());
                    map.insert("vars".into(), json!({"who": who}));
                }
            }
            Action::Set(value) => {
                let name = format!("o{}", step.id);
                map.insert("set".into(), json!({name: value}));
            }
        }
        Json::Object(map)
    }

    fn group(&self, map: &mut Map<String, Json>, group: &Group) {
        map.insert("parallel".into(), self.steps(&group.members).into());
        match group.wait_for {
            WaitFor::All => {}
            WaitFor::Any => drop(map.insert("wait_for".into(), "any".into())),
            WaitFor::First => drop(map.insert("wait_for".into(), "first".into())),
        }
        if group.stop {
            map.insert("stop_on_failure".into(), true.into());
        }
        if let Some(max) = group.max {
            map.insert("max_parallel".into(), max.into());
        }
    }
}

/// How deep loops are within this one.
fn loops_in(outside: usize, each: Option<&Each>) -> usize {
    match each {
        None => outside,
        Some(_) => outside + 1,
    }
}

impl Maker {
    fn one_in(&mut self, count: usize) -> bool {
        self.rng.usize(0..count) == 0
    }

    fn id(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn program(&mut self) -> Program {
        let mode = match self.rng.usize(0..10) {
            0..6 => Mode::Stop,
            6..9 => Mode::KeepGoing,
            _ => Mode::FailFast,
        };
        let only = self.one_in(12);
        let jobs = [1, 4, 64][self.rng.usize(0..3)];
        let named = !self.one_in(4);
        let count = self.rng.usize(1..=8);
        let mut tasks: Vec<Task> = Vec::new();
        for number in 0..count {
            let calls: Vec<usize> = (0..number).filter(|one| tasks[*one].callable).collect();
            let task = self.task(number, &tasks, &calls, (mode, only, jobs, named));
            tasks.push(task);
        }
        let mut asked = vec![count - 1];
        if !only && count > 1 && self.one_in(3) {
            asked.push(self.rng.usize(0..count - 1));
        }
        Program {
            tasks,
            asked,
            mode,
            only,
            parallel: self.one_in(2),
            jobs,
            named,
        }
    }

    fn task(
        &mut self,
        number: usize,
        tasks: &[Task],
        calls: &[usize],
        (mode, only, jobs, named): (Mode, bool, usize, bool),
    ) -> Task {
        let callable = self.one_in(3);
        let mut deps: Vec<(usize, On)> = Vec::new();
        for dep in (0..number).rev() {
            let wanted = if dep + 1 == number { 2 } else { 4 };
            if deps.len() < 3 && self.one_in(wanted) {
                let plain = callable || mode == Mode::FailFast || !self.one_in(3);
                let on = match plain {
                    true => On::Success,
                    false if self.one_in(2) => On::Done,
                    false => On::Failure,
                };
                deps.push((dep, on));
            }
        }
        let mut after: Vec<usize> = Vec::new();
        for other in 0..number {
            if after.len() < 3 && !callable && self.one_in(6) {
                after.push(other);
            }
        }
        let read: Vec<usize> = match only {
            true => Vec::new(),
            false => deps
                .iter()
                .map(|(dep, _)| *dep)
                .filter(|dep| tasks[*dep].each.is_none())
                .collect(),
        };
        let mut simple: Vec<usize> = Vec::new();
        for call in calls {
            let called = tasks[*call].calls();
            if tasks[*call].deps.is_empty() && called.iter().all(|one| simple.contains(one)) {
                simple.push(*call);
            }
        }
        let place = Place {
            depth: 0,
            loops: 0,
            steady: callable && !named,
            calls,
            simple_calls: &simple,
            read: &read,
            races: jobs == 64,
            named,
        };
        let cond = self.one_in(6).then(|| self.cond(&place, &[], true));
        let each = match &cond {
            Some(Cond::Sh(_)) => None,
            _ => self.one_in(7).then(|| self.each(0)),
        };
        let inner = Place {
            loops: loops_in(0, each.as_ref()),
            steady: place.steady
                || each
                    .as_ref()
                    .is_some_and(|each| each.parallel != Parallel::No && each.stops()),
            ..place
        };
        let preconditions = self.checks(&inner, 10, true);
        let count = self.rng.usize(1..=3);
        let run = self.steps(&inner, count);
        let retry = if self.one_in(5) {
            self.rng.usize(2..=3)
        } else {
            1
        };
        let finally = self.handler(&inner, 5);
        Task {
            callable,
            deps,
            after,
            cond,
            each,
            preconditions,
            run,
            retry,
            ignore_error: self.one_in(10),
            verify: self.checks(&inner, 8, false),
            on_success: self.handler(&inner, 8),
            on_failure: self.handler(&inner, 5),
            finally,
        }
    }

    fn checks(&mut self, place: &Place<'_>, rare: usize, mostly: bool) -> Vec<Cond> {
        if !self.one_in(rare) {
            return Vec::new();
        }
        let count = self.rng.usize(1..=2);
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(match self.rng.usize(0..4) {
                0 => Cond::Literal(mostly || !self.one_in(3)),
                _ => Cond::Sh(self.plain_command(place)),
            });
        }
        list
    }

    fn plain_command(&mut self, place: &Place<'_>) -> Command {
        let mut command = self.command(place);
        command.slow = false;
        if let Fate::FailFirst(_) = command.fate {
            command.fate = Fate::Exit(1);
        }
        command
    }

    fn handler(&mut self, place: &Place<'_>, rare: usize) -> Vec<Step> {
        if !self.one_in(rare) {
            return Vec::new();
        }
        // What a task depends on that a handler calls has a test of its own.
        let place = Place {
            depth: 1,
            read: &[],
            calls: place.simple_calls,
            ..*place
        };
        let count = self.rng.usize(1..=2);
        self.steps(&place, count)
    }

    fn command(&mut self, place: &Place<'_>) -> Command {
        let fate = match self.rng.usize(0..20) {
            0..14 => Fate::Good,
            14..17 => Fate::Exit(self.rng.i32(1..=9)),
            _ if place.steady => Fate::Good,
            _ => Fate::FailFirst(self.rng.usize(1..=2)),
        };
        Command {
            id: self.id(),
            fate,
            slow: self.one_in(12),
        }
    }

    fn each(&mut self, loops: usize) -> Each {
        let range = self.one_in(4);
        let count = self.rng.usize(0..=3);
        let count = if range { count.max(1) } else { count };
        let letters = ["x", "y", "z"];
        let items = (0..count).map(|index| match range {
            true => (index + 1).to_string(),
            false => letters[index].to_owned(),
        });
        let parallel = match self.rng.usize(0..5) {
            0..3 => Parallel::No,
            3 => Parallel::All,
            _ => Parallel::Some(self.rng.usize(1..=2)),
        };
        let stop = self.one_in(3).then(|| self.rng.bool());
        let name = match loops {
            0 if self.rng.bool() => "item".to_owned(),
            _ => format!("v{}", self.id()),
        };
        Each {
            name,
            items: items.collect(),
            range,
            parallel,
            stop,
            index: self.one_in(4),
        }
    }

    /// A condition; `before` is what steps before it can be read.
    fn cond(&mut self, place: &Place<'_>, before: &[Step], sh: bool) -> Cond {
        let named: Vec<&Step> = before.iter().filter(|step| step.named).collect();
        match self.rng.usize(0..8) {
            0..3 if !named.is_empty() => {
                let step = named[self.rng.usize(0..named.len())];
                let exit = match &step.action {
                    Action::Run(command) if step.cond.is_none() && step.each.is_none() => {
                        Some(command.fate)
                    }
                    _ => None,
                };
                match (&step.action, exit) {
                    (Action::Set(value), _) if step.cond.is_none() => {
                        Cond::Output(step.id, value + self.rng.i32(0..2))
                    }
                    (_, Some(Fate::Exit(code))) if self.rng.bool() => {
                        Cond::ExitCode(step.id, code - self.rng.i32(0..2))
                    }
                    (_, Some(Fate::Good)) if self.rng.bool() => {
                        Cond::ExitCode(step.id, self.rng.i32(0..2))
                    }
                    _ => Cond::Step(step.id, self.word(), self.rng.bool()),
                }
            }
            3..6 if !place.read.is_empty() => {
                let task = place.read[self.rng.usize(0..place.read.len())];
                Cond::Task(task, self.word(), self.rng.bool())
            }
            6 | 7 if sh => Cond::Sh(self.plain_command(place)),
            _ => Cond::Literal(!self.one_in(3)),
        }
    }

    fn word(&mut self) -> &'static str {
        ["completed", "failed", "skipped"][self.rng.usize(0..3)]
    }

    fn steps(&mut self, place: &Place<'_>, count: usize) -> Vec<Step> {
        let mut list: Vec<Step> = Vec::new();
        for _ in 0..count {
            let step = self.step(place, &list);
            list.push(step);
        }
        list
    }

    fn step(&mut self, place: &Place<'_>, before: &[Step]) -> Step {
        let each = (place.loops < 2 && self.one_in(9)).then(|| self.each(place.loops));
        let retry = if self.one_in(9) {
            self.rng.usize(2..=3)
        } else {
            1
        };
        let stops = each
            .as_ref()
            .is_some_and(|each| each.parallel != Parallel::No && each.stops());
        let inner = Place {
            depth: place.depth + 1,
            loops: loops_in(place.loops, each.as_ref()),
            steady: place.steady || stops,
            ..*place
        };
        let kind = self.rng.usize(0..20);
        let action = match kind {
            12 | 13 if place.depth < 2 => {
                let count = self.rng.usize(1..=2);
                let yes = self.steps(&inner, count);
                let count = self.rng.usize(0..=1);
                Action::Then(yes, self.steps(&inner, count))
            }
            14 | 15 if place.depth < 2 => Action::Group(self.group(&inner)),
            16..19 if !(place.calls.is_empty() || place.steady && place.named) => {
                Action::Call(place.calls[self.rng.usize(0..place.calls.len())])
            }
            19 if each.is_none() && place.depth == 0 => Action::Set(self.rng.i32(0..3)),
            _ => Action::Run(self.command(&inner)),
        };
        let is_call = matches!(action, Action::Call(_));
        let is_set = matches!(action, Action::Set(_));
        let is_branch = matches!(action, Action::Then(..));
        let wanted = is_branch || self.one_in(7);
        let sh = each.is_none() && retry == 1;
        let cond = wanted.then(|| self.cond(place, before, sh));
        Step {
            id: self.id(),
            named: place.depth == 0 && each.is_none() && !is_call && !is_branch && self.one_in(3),
            cond,
            each,
            retry: if is_set { 1 } else { retry },
            ignore_error: !is_set && self.one_in(8),
            action,
        }
    }

    fn group(&mut self, place: &Place<'_>) -> Group {
        let wait_for = match self.rng.usize(0..6) {
            0 => WaitFor::Any,
            1 if place.races => WaitFor::First,
            _ => WaitFor::All,
        };
        let count = self.rng.usize(1..=3);
        if wait_for != WaitFor::All {
            return self.race(place, wait_for, count);
        }
        let stop = self.one_in(3);
        let inner = Place {
            steady: place.steady || stop,
            ..*place
        };
        Group {
            members: self.steps(&inner, count),
            wait_for,
            stop,
            max: self.one_in(4).then(|| self.rng.usize(1..=2)),
        }
    }

    /// A race that can end in one way only.
    fn race(&mut self, place: &Place<'_>, wait_for: WaitFor, count: usize) -> Group {
        let mut members = Vec::new();
        for number in 0..count {
            let mut command = self.command(place);
            command.slow = false;
            let sleeps =
                number > 0 && place.races && (wait_for == WaitFor::First || self.rng.bool());
            command.fate = match command.fate {
                _ if sleeps => Fate::Sleeps,
                Fate::FailFirst(_) => Fate::Good,
                fate => fate,
            };
            members.push(Step {
                id: self.id(),
                named: false,
                cond: None,
                each: None,
                retry: 1,
                ignore_error: false,
                action: Action::Run(command),
            });
        }
        let sleeps =
            |step: &Step| matches!(&step.action, Action::Run(one) if one.fate == Fate::Sleeps);
        if members.iter().any(sleeps)
            && wait_for == WaitFor::Any
            && let Action::Run(first) = &mut members[0].action
        {
            first.fate = Fate::Good;
        }
        Group {
            members,
            wait_for,
            stop: false,
            max: None,
        }
    }
}
