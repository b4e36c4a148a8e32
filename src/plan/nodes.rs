//! From tasks and steps to the nodes of a plan: what runs in which order, what is asked before, what holds for it.

use std::collections::HashSet;
use std::time::Duration;

use super::identity::{self, Identities};
use super::instances::{CALLS_MAX, Instance, Instances};
use super::scopes::Scopes;
use super::{Contexts, Refused, Request, elsewhere, given, locks};
use crate::model::id::NodeId;
use crate::model::language::builtin::has_result;
use crate::model::language::rules::Backoff;
use crate::model::language::step::has_interpreter;
use crate::model::language::task::{as_identifier, relative};
use crate::model::language::{
    Action, BuiltIn, Condition, File, Loop, On as WrittenOn, OnLost as WrittenOnLost, Profile,
    Reads, Retry as WrittenRetry, Setting, Step, StepRules, Task, TaskIndex, TaskRules, Text, Var,
    Wait, WaitFor as WrittenWaitFor, Workflow,
};
use crate::model::plan::{
    About, Ask, Called, Confirm, Group, Handlers, Incremental, Kind, Label, Locks, Need, Node, On,
    OnLost, Plan, Results, Retry, Rules, Task as PlannedTask, WaitFor, Work,
};

/// How many nodes a plan may have.
const NODES_MAX: usize = 2_000_000;
/// The time between two looks of a wait, where none is given.
const INTERVAL: Duration = Duration::from_secs(1);
/// The delay of a retry whose backoff grows, where none is given.
const DELAY: Duration = Duration::from_secs(1);

pub(super) struct Planner<'a> {
    pub(super) workflow: &'a Workflow,
    pub(super) request: &'a Request,
    pub(super) nodes: Vec<Node>,
    pub(super) contexts: Contexts,
    pub(super) scopes: Scopes<'a>,
    pub(super) results: Vec<Results>,
    pub(super) confirms: Vec<Confirm>,
    /// A task of it wants each fact on the disk.
    pub(super) durable: bool,
    /// What the run holds from its start to its end.
    pub(super) locks: Option<Locks>,
    /// The names of locks that are held by runs.
    of_runs: HashSet<&'a str>,
    /// The nodes of the instances, by their numbers.
    pub(super) of_instance: Vec<Option<NodeId>>,
    /// The first node of each task of the graph.
    first: Vec<Option<NodeId>>,
    identities: Identities,
    /// The tasks that are being planned, called by one another.
    calls: Vec<TaskIndex>,
    /// The tasks that have surely happened when the handlers of the task come up that is being planned.
    happened: HashSet<TaskIndex>,
    /// The handler that is being planned.
    in_handler: Option<InHandler>,
    /// What is wrong with the values that called tasks get.
    pub(super) faults: super::Faults,
}

/// A handler that is being planned. What a call in it depends on happens when the call comes up, and not before the task whose
/// handler it is: a `teardown` may depend on what stops the database.
#[derive(Clone)]
struct InHandler {
    /// What has surely happened so far, with what the call has made happen.
    happened: HashSet<TaskIndex>,
    /// How deep the call of a task is whose handler it is.
    depth: usize,
}

/// Where a node is put.
#[derive(Clone, Copy)]
struct At {
    parent: Option<NodeId>,
    step: u32,
}

impl At {
    const fn in_node(parent: NodeId, step: u32) -> Self {
        Self {
            parent: Some(parent),
            step,
        }
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        workflow: &'a Workflow,
        request: &'a Request,
        scopes: Scopes<'a>,
        instances: &Instances<'a>,
    ) -> Self {
        let identities = instances.identities.clone();
        let instances = instances.list.len();
        Self {
            workflow,
            request,
            nodes: Vec::with_capacity(instances * 2),
            contexts: Contexts::default(),
            scopes,
            results: Vec::new(),
            confirms: Vec::new(),
            durable: false,
            locks: None,
            of_runs: locks::of_runs(workflow),
            of_instance: vec![None; instances],
            first: vec![None; workflow.tasks.len()],
            identities,
            calls: Vec::new(),
            happened: HashSet::new(),
            in_handler: None,
            faults: super::Faults::default(),
        }
    }

    /// Adds a task of the graph; all that it needs has been added.
    pub(super) fn add(&mut self, instances: &Instances<'a>, number: usize) -> Result<(), Refused> {
        let mut seen = instances.list[number].clone();
        let task = seen.task;
        let needs = seen.needs.iter().filter_map(|(need, on)| {
            let task = self.of_instance[*need]?;
            Some(Need {
                task,
                on: on_of(*on),
            })
        });
        let needs: Vec<Need> = needs.collect();
        seen.results = self.results_of(task);
        self.happened = self.happened_before(instances, number);
        let (first, late) = self.conditions(&seen);
        let other = elsewhere(task);
        let after = seen.after.iter();
        let mut planned = PlannedTask {
            name: format!("{}{}", task.name, seen.shown),
            identity: match task.place.file {
                // What the plan says already.
                0 => String::new(),
                _ => format!("{}{}", identity::name(self.workflow, task), seen.shown),
            },
            place: task.place,
            internal: task.internal,
            hands_on: other.is_none() && first.is_some() && !needs.is_empty(),
            needs,
            after: after
                .filter_map(|number| self.of_instance[*number])
                .collect(),
            ask_first: other.is_some() || first.is_some(),
            elsewhere: other,
            first,
            left_out: Vec::new(),
        };
        let nowhere = At {
            parent: None,
            step: 0,
        };
        let id = self.task(nowhere, &seen, late)?;
        let asks = |node: &Node| node.incremental.is_some();
        if !seen.left_out.is_empty() && self.nodes[id.index()..].iter().any(asks) {
            planned.left_out = self.made_by(&seen.left_out);
        }
        self.nodes[id.index()].task = Some(Box::new(planned));
        self.of_instance[number] = Some(id);
        self.first[seen.index].get_or_insert(id);
        Ok(())
    }

    /// The condition that is asked before the needs, and the one that is asked after them: what reads no result of a task
    /// can be asked first.
    fn conditions(&mut self, seen: &Instance<'_>) -> (Option<Box<Ask>>, Option<Condition>) {
        let rules = seen.task.rules();
        let Some(condition) = &rules.condition else {
            return (None, None);
        };
        let reached = self.reached(seen.task, &condition.as_text().reads);
        let names = rules.each.iter().flat_map(Loop::names);
        let reads_item = names.into_iter().any(|name| reached.contains(&*name));
        let reads_results = reached.iter().any(|name| is_result(name));
        if reads_results || reads_item {
            return (None, Some(condition.clone()));
        }
        let about = About::Begin {
            condition: Some(condition.clone()),
            preconditions: Vec::new(),
        };
        let scope = self.scopes.of_step(seen, None);
        (Some(Box::new(Ask { scope, about })), None)
    }

    /// A task with all its instances, if it is a loop.
    fn task(
        &mut self,
        at: At,
        seen: &Instance<'a>,
        condition: Option<Condition>,
    ) -> Result<NodeId, Refused> {
        let task = seen.task;
        self.durable |= task.rules().durable;
        if let Some(text) = &task.rules().confirm {
            let scope = self.scopes.of_step(seen, None);
            let confirm = Confirm {
                task: task.name.clone(),
                scope,
                text: text.clone(),
            };
            if !self.confirms.contains(&confirm) {
                self.confirms.push(confirm);
            }
        }
        let id = match &task.rules().each {
            None => self.once(at, seen, condition)?,
            Some(each) => self.looped(at, seen, None, each, |planner, at, seen| {
                planner.once(at, seen, condition)
            })?,
        };
        if let Some(results) = seen.results {
            self.name_tasks(task, results as usize);
        }
        Ok(id)
    }

    /// A loop: its items are asked for, its body stands once.
    fn looped(
        &mut self,
        at: At,
        seen: &Instance<'a>,
        step: Option<&Step>,
        each: &Loop,
        body: impl FnOnce(&mut Self, At, &Instance<'a>) -> Result<NodeId, Refused>,
    ) -> Result<NodeId, Refused> {
        let id = self.push(at, Kind::Check)?;
        let scope = self.scopes.of_step(seen, step);
        let mut inner = seen.clone();
        inner.loops.insert(0, id);
        let body = body(self, At::in_node(id, 0), &inner)?;
        let group = Group {
            children: Vec::new(),
            parallel_max: each.parallel_max.as_ref().map(fixed),
            wait_for: WaitFor::All,
            stop_on_failure: each.stop_on_failure,
        };
        let of_task = step.is_none() && at.parent.is_none();
        let items = About::Items {
            items: each.items.clone(),
            name: each.name.clone(),
            only: if of_task {
                seen.picked.clone()
            } else {
                Vec::new()
            },
        };
        let node = &mut self.nodes[id.index()];
        node.kind = Kind::Loop { body, group };
        node.ask = Some(Box::new(Ask {
            scope,
            about: items,
        }));
        node.rules = Some(Box::new(Rules {
            ask: true,
            ..Rules::default()
        }));
        Ok(id)
    }

    /// The work of a task for one item, or for all there is.
    fn once(
        &mut self,
        at: At,
        seen: &Instance<'a>,
        condition: Option<Condition>,
    ) -> Result<NodeId, Refused> {
        let (task, rules) = (seen.task, seen.task.rules());
        let id = self.push(at, Kind::Check)?;
        let mut children = self.list(id, seen, &task.steps)?;
        let mut check = |planner: &mut Self, about| -> Result<(), Refused> {
            let number = u32::try_from(children.len() + 1).unwrap_or(u32::MAX);
            let scope = match about {
                // It reads nothing.
                About::Made(_) => 0,
                _ => planner.scopes.of_step(seen, None),
            };
            let check = planner.push(At::in_node(id, number), Kind::Check)?;
            planner.nodes[check.index()].ask = Some(Box::new(Ask { scope, about }));
            children.push(check);
            Ok(())
        };
        if !rules.outputs.is_empty() {
            check(self, About::Outputs(rules.outputs.clone()))?;
        }
        for one in &rules.verify {
            check(self, About::Verify(one.clone()))?;
        }
        if !rules.generates.is_empty() || rules.is_incremental() {
            let place = rules
                .generates
                .first()
                .map_or(task.place, |text| text.place);
            check(self, About::Made(place))?;
        }
        let handlers = Handlers {
            on_success: self.handler(id, seen, &rules.on_success)?,
            on_failure: self.handler(id, seen, &rules.on_failure)?,
            finally: self.handler(id, seen, &rules.finally)?,
        };
        let incremental = self.incremental(id, seen);
        let locks = self.locks(id, seen);
        let questions = condition.is_some() || !rules.preconditions.is_empty();
        let asks = questions || rules.is_incremental();
        let ask = questions.then(|| {
            let about = About::Begin {
                condition,
                preconditions: rules.preconditions.clone(),
            };
            let scope = self.scopes.of_step(seen, None);
            Box::new(Ask { scope, about })
        });
        let node = &mut self.nodes[id.index()];
        node.kind = Kind::Group(Group::sequence(children));
        node.rules = boxed(Rules {
            locks,
            ..of_task(rules, handlers, asks)
        });
        node.ask = ask;
        node.incremental = incremental;
        Ok(id)
    }

    /// The locks of a task, and of those that it calls, all of which have been added; what the run holds is put down too.
    fn locks(&mut self, id: NodeId, seen: &Instance<'a>) -> Option<Locks> {
        let own = &seen.task.rules().locks;
        let scopes = &mut self.scopes;
        let beneath = &self.nodes[id.index() + 1..];
        let all = locks::of_task(own, id, || scopes.of_step(seen, None), beneath);
        for lock in own {
            if locks::is_of_run(lock, &self.of_runs) {
                let scope = scopes.of_step(seen, None);
                let name = locks::one(lock, id, scope);
                locks::add(&mut self.locks, name, locks::wait_micros(lock));
            }
        }
        // Whoever takes a lock must be known to have it, whatever happens to the machine.
        self.durable |= all.is_some();
        all
    }

    /// By what a task is told whether it has to run; all its steps have been added.
    fn incremental(&mut self, id: NodeId, seen: &Instance<'a>) -> Option<Box<Incremental>> {
        let rules = seen.task.rules();
        let watch = if self.request.watch {
            &rules.watch[..]
        } else {
            &[]
        };
        if !rules.is_incremental() && rules.generates.is_empty() && watch.is_empty() {
            return None;
        }
        let texts = rules.sources.iter().flatten().chain(&rules.generates);
        let texts = texts.chain(&rules.optional_sources).chain(&rules.depfile);
        let texts: Vec<&Text> = texts.chain(&rules.status).chain(watch).collect();
        let scoped = self.scopes.of_files(seen, &texts);
        let asks = |node: &Node| node.rules().ask || node.ask.is_some();
        let steps = &self.nodes[id.index() + 1..];
        // Whether it has made what it was to make is a question without a command.
        let steps = steps.iter().filter(|node| {
            let about = node.ask.as_ref().map(|ask| &ask.about);
            !matches!(about, Some(About::Made(_)))
        });
        let slow = scoped.asks || !rules.status.is_empty() || steps.clone().any(asks);
        let stdin = steps.clone().any(|node| node.rules().stdin);
        Some(Box::new(Incremental {
            sources: rules.sources.clone(),
            optional_sources: rules.optional_sources.clone(),
            depfile: rules.depfile.clone(),
            generates: rules.generates.clone(),
            status: rules.status.clone(),
            watch: watch.to_vec(),
            context: self.contexts.number(scoped.context),
            slow,
            cached: rules.sources.is_some()
                && rules.status.is_empty()
                && !rules.interactive
                && !stdin
                && rules.cache.unwrap_or_default(),
            forced: self.request.force_all || self.request.force && seen.named,
            stdin,
        }))
    }

    /// What tasks make that are left out of the plan: their contexts and their patterns.
    fn made_by(&mut self, tasks: &[TaskIndex]) -> Vec<(u32, Vec<Text>)> {
        let mut makes = Vec::new();
        for index in tasks {
            let other = &self.workflow.tasks[*index];
            let generates = &other.rules().generates;
            if generates.is_empty() {
                continue;
            }
            let seen = Instance::alone(*index, other);
            let texts: Vec<&Text> = generates.iter().collect();
            let scoped = self.scopes.of_files(&seen, &texts);
            let context = self.contexts.number(scoped.context);
            makes.push((context, generates.clone()));
        }
        makes
    }

    fn handler(
        &mut self,
        of: NodeId,
        seen: &Instance<'a>,
        steps: &'a [Step],
    ) -> Result<Option<NodeId>, Refused> {
        if steps.is_empty() {
            return Ok(None);
        }
        let outside = self.in_handler.clone();
        if outside.is_none() {
            self.in_handler = Some(InHandler {
                happened: self.happened.clone(),
                depth: self.calls.len(),
            });
        }
        let id = self.sequence(At::in_node(of, 0), seen, steps)?;
        self.in_handler = outside;
        if let Kind::Group(group) = &mut self.nodes[id.index()].kind {
            // What one step could not tidy up is no reason to leave the rest.
            group.stop_on_failure = false;
        }
        Ok(Some(id))
    }

    /// Steps one after another.
    fn sequence(
        &mut self,
        at: At,
        seen: &Instance<'a>,
        steps: &'a [Step],
    ) -> Result<NodeId, Refused> {
        let id = self.push(at, Kind::Check)?;
        let children = self.list(id, seen, steps)?;
        self.nodes[id.index()].kind = Kind::Group(Group::sequence(children));
        Ok(id)
    }

    fn list(
        &mut self,
        parent: NodeId,
        seen: &Instance<'a>,
        steps: &'a [Step],
    ) -> Result<Vec<NodeId>, Refused> {
        let numbered = (1..).zip(steps);
        numbered
            .map(|(number, step)| self.step(At::in_node(parent, number), seen, step))
            .collect()
    }

    fn step(&mut self, at: At, seen: &Instance<'a>, step: &'a Step) -> Result<NodeId, Refused> {
        let each = step.rules.as_ref().and_then(|rules| rules.each.as_ref());
        let id = match each {
            None => self.plain(at, seen, step)?,
            Some(each) => self.looped(at, seen, Some(step), each, |planner, at, seen| {
                planner.plain(at, seen, step)
            })?,
        };
        self.nodes[id.index()].name = step.name().map(Into::into);
        if let (Some(name), Some(results)) = (step.name(), seen.results) {
            let steps = &mut self.results[results as usize].steps;
            steps.push((as_identifier(name), id));
        }
        Ok(id)
    }

    fn plain(&mut self, at: At, seen: &Instance<'a>, step: &'a Step) -> Result<NodeId, Refused> {
        static NONE: std::sync::LazyLock<StepRules> = std::sync::LazyLock::new(StepRules::default);
        let rules = step.rules.as_deref().unwrap_or(&NONE);
        let (id, slow) = match &step.action {
            Action::Run(command) => {
                let of_task = seen.task.rules().shell.as_ref();
                let of_task = of_task.filter(|_| !has_interpreter(&command.text));
                let shell = rules.shell.as_ref().or(of_task);
                self.command(at, seen, step, &[command], |context| Work::Shell {
                    command: command.text.to_string(),
                    reads: command.reads.clone(),
                    context,
                    place: command.place,
                    shell: shell.map(|shell| shell.text.clone()),
                })?
            }
            Action::Argv(args) => {
                let texts: Vec<&Text> = args.iter().collect();
                self.command(at, seen, step, &texts, |context| Work::Argv {
                    args: args.clone(),
                    context,
                    place: args.first().map_or(step.place, |program| program.place),
                })?
            }
            Action::Task(call) => (
                self.call(at, seen, Some(step), (call.task, &call.vars))?,
                false,
            ),
            Action::Branch {
                condition,
                then,
                otherwise,
            } => {
                let id = self.push(at, Kind::Check)?;
                let mut children = vec![self.sequence(At::in_node(id, 1), seen, then)?];
                if !otherwise.is_empty() {
                    children.push(self.sequence(At::in_node(id, 2), seen, otherwise)?);
                }
                self.nodes[id.index()].kind = Kind::Choice { children };
                self.ask(id, seen, step, About::Branch(condition.clone()));
                (id, true)
            }
            Action::Parallel {
                steps,
                wait_for,
                stop_on_failure,
                parallel_max,
            } => {
                let id = self.push(at, Kind::Check)?;
                let children = self.list(id, seen, steps)?;
                self.nodes[id.index()].kind = Kind::Group(Group {
                    children,
                    parallel_max: parallel_max.as_ref().map(fixed),
                    wait_for: match wait_for {
                        WrittenWaitFor::All => WaitFor::All,
                        WrittenWaitFor::Any => WaitFor::Any,
                        WrittenWaitFor::First => WaitFor::First,
                    },
                    stop_on_failure: *stop_on_failure,
                });
                (id, false)
            }
            Action::Wait(Wait::For(time)) => {
                let micros = micros(fixed(time));
                (self.push(at, Kind::Wait { micros })?, false)
            }
            Action::Wait(Wait::Until {
                condition,
                interval,
                timeout,
            }) => {
                let about = About::Until {
                    condition: condition.clone(),
                    interval_micros: micros(interval.as_ref().map_or(INTERVAL, fixed)),
                    timeout_micros: timeout.as_ref().map(|timeout| micros(fixed(timeout))),
                };
                (self.begun_question(at, seen, step, about)?, false)
            }
            Action::Set(outputs) => {
                let about = About::Set(outputs.clone());
                (self.begun_question(at, seen, step, about)?, false)
            }
        };
        let mut made = of_step(rules);
        made.ask = slow;
        made.silent = rules.silent.unwrap_or(seen.task.rules().silent);
        let on_lost = rules.on_lost.unwrap_or(seen.task.rules().on_lost);
        made.on_lost = match on_lost {
            WrittenOnLost::Retry => OnLost::Retry,
            WrittenOnLost::Fail => OnLost::Fail,
            WrittenOnLost::Ask => OnLost::Ask,
        };
        let is_command = matches!(step.action, Action::Run(_) | Action::Argv(_));
        made.interactive = seen.task.rules().interactive && is_command;
        made.stdin = seen.task.rules().stdin && is_command;
        let label = rules.label.as_ref().or(seen.task.rules().label.as_ref());
        made.label = label.filter(|_| is_command).map(|text| {
            let scope = match text.is_template() {
                true => self.scopes.of_step(seen, Some(step)),
                false => 0,
            };
            let text = text.clone();
            Box::new(Label { text, scope })
        });
        if let Some(condition) = &rules.condition {
            made.ask = true;
            return Ok(self.conditioned(id, seen, step, condition, made));
        }
        self.nodes[id.index()].rules = boxed(made);
        Ok(id)
    }

    /// A step with a condition, which no step asks beside a question of its own.
    fn conditioned(
        &mut self,
        id: NodeId,
        seen: &Instance<'a>,
        step: &Step,
        condition: &Condition,
        rules: Rules,
    ) -> NodeId {
        let about = About::Begin {
            condition: Some(condition.clone()),
            preconditions: Vec::new(),
        };
        debug_assert!(self.nodes[id.index()].ask.is_none(), "it asks one question");
        self.ask(id, seen, step, about);
        self.nodes[id.index()].rules = boxed(rules);
        id
    }

    fn question(
        &mut self,
        at: At,
        seen: &Instance<'a>,
        step: &Step,
        about: About,
    ) -> Result<NodeId, Refused> {
        let id = self.push(at, Kind::Check)?;
        self.ask(id, seen, step, about);
        Ok(id)
    }

    /// A step that is a question. The wait for nothing before it is its beginning: from then on timeouts count, and `finally`
    /// will run.
    fn begun_question(
        &mut self,
        at: At,
        seen: &Instance<'a>,
        step: &Step,
        about: About,
    ) -> Result<NodeId, Refused> {
        let id = self.push(at, Kind::Check)?;
        let begin = self.push(At::in_node(id, 1), Kind::Wait { micros: 0 })?;
        let question = self.question(At::in_node(id, 2), seen, step, about)?;
        self.nodes[id.index()].kind = Kind::Group(Group::sequence(vec![begin, question]));
        Ok(id)
    }

    fn ask(&mut self, id: NodeId, seen: &Instance<'a>, step: &Step, about: About) {
        let scope = self.scopes.of_step(seen, Some(step));
        self.nodes[id.index()].ask = Some(Box::new(Ask { scope, about }));
    }

    /// A command; whether a question has to be asked first because evaluating it may take a while.
    fn command(
        &mut self,
        at: At,
        seen: &Instance<'a>,
        step: &Step,
        texts: &[&Text],
        work: impl FnOnce(u32) -> Work,
    ) -> Result<(NodeId, bool), Refused> {
        let scoped = self.scopes.of_work(seen, step, texts);
        let context = self.contexts.number(scoped.context);
        Ok((self.push(at, Kind::Work(work(context)))?, scoped.asks))
    }

    /// Another task, now: an instance of its own.
    fn call(
        &mut self,
        at: At,
        seen: &Instance<'a>,
        step: Option<&Step>,
        (index, vars): (TaskIndex, &'a [Var]),
    ) -> Result<NodeId, Refused> {
        if self.calls.len() >= CALLS_MAX {
            return Err(Refused::TooLarge(format!(
                "tasks call one another more than {CALLS_MAX} deep"
            )));
        }
        let task = &self.workflow.tasks[index];
        let scope = self.scopes.of_step(seen, step);
        let called = Called {
            scope,
            vars: vars.to_vec(),
        };
        let given = given::of_task(task, &self.request.values, &mut self.faults.wrong);
        let profile = self.scopes.profile();
        let faults = &mut self.faults;
        faults.check_params(task, &given, Some(&called), profile);
        let inner = Instance {
            given,
            call: Some(called),
            results: self.results_of(task),
            ..Instance::alone(index, task)
        };
        let before = self.in_handler.clone();
        self.calls.push(index);
        let id = self.push(at, Kind::Check)?;
        self.nodes[id.index()].called = Some(task.name.as_str().into());
        let condition = task.rules().condition.clone();
        let child = match elsewhere(task) {
            Some(_) => self.push(At::in_node(id, 1), Kind::Group(Group::sequence(Vec::new())))?,
            None => {
                let mut children = self.needs_now(id, &inner)?;
                let number = u32::try_from(children.len() + 1).unwrap_or(u32::MAX);
                let own = self.task(At::in_node(id, number), &inner, condition)?;
                children.push(own);
                self.nodes[id.index()].kind = Kind::Group(Group::sequence(children));
                own
            }
        };
        if let Kind::Check = self.nodes[id.index()].kind {
            self.nodes[id.index()].kind = Kind::Group(Group::sequence(vec![child]));
        }
        self.calls.pop();
        if before
            .as_ref()
            .is_some_and(|one| one.depth == self.calls.len())
        {
            // Of several steps of a handler any may not have run.
            self.in_handler = before;
        }
        if let Some(results) = seen.results {
            let namespace = &self.workflow.file_of(seen.task).namespace;
            let tasks = &mut self.results[results as usize].tasks;
            tasks.push((as_identifier(relative(&task.name, namespace)), id));
        }
        Ok(id)
    }

    /// What a task depends on that is called in a handler, where that has not happened yet: it happens now. Else nothing, because it
    /// happens before the task that calls.
    fn needs_now(&mut self, call: NodeId, inner: &Instance<'a>) -> Result<Vec<NodeId>, Refused> {
        let mut children = Vec::new();
        for need in &inner.task.depends_on {
            let first = self.identities.first(need.task);
            let Some(handler) = &mut self.in_handler else {
                return Ok(children);
            };
            let plain = need.vars.is_empty() && need.each.is_none();
            let known = plain && !handler.happened.insert(first);
            if known || self.request.only || need.on == WrittenOn::Failure {
                continue;
            }
            let number = u32::try_from(children.len() + 1).unwrap_or(u32::MAX);
            let at = At::in_node(call, number);
            let called = (need.task, &need.vars[..]);
            children.push(match &need.each {
                None => self.call(at, inner, None, called)?,
                Some(each) => self.looped(at, inner, None, each, |planner, at, seen| {
                    planner.call(at, seen, None, called)
                })?,
            });
        }
        Ok(children)
    }

    /// The task itself and all that has surely happened before its steps, where a handler may have to know.
    fn happened_before(&self, instances: &Instances<'_>, number: usize) -> HashSet<TaskIndex> {
        let mut happened = HashSet::new();
        if !calls_in_handlers(self.workflow, instances.list[number].index) {
            return happened;
        }
        let (mut left, mut seen) = (vec![number], HashSet::from([number]));
        while let Some(number) = left.pop() {
            let one = &instances.list[number];
            if one.call.is_none() {
                happened.insert(one.index);
            }
            let needs = one.needs.iter().filter(|(_, on)| *on != WrittenOn::Failure);
            left.extend(
                needs
                    .map(|(need, _)| *need)
                    .filter(|need| seen.insert(*need)),
            );
        }
        happened
    }

    fn push(&mut self, at: At, kind: Kind) -> Result<NodeId, Refused> {
        if self.nodes.len() >= NODES_MAX {
            return Err(Refused::TooLarge(format!(
                "the run has more than {NODES_MAX} steps"
            )));
        }
        let id = NodeId::at(self.nodes.len());
        self.nodes.push(Node {
            step: at.step,
            ..Node::plain(at.parent, kind)
        });
        Ok(id)
    }

    /// All names that are read where a text of a task reads these: those, and what the vars and variables among them read.
    fn reached(&self, task: &'a Task, first: &'a Reads) -> HashSet<&'a str> {
        let file = self.workflow.file_of(task);
        let profile = self.scopes.profile().filter(|_| task.place.file == 0);
        let of_profile = |all: fn(&'a Profile) -> &'a [Var]| profile.map_or(&[][..], all);
        let vars = || {
            task.vars
                .iter()
                .chain(&file.vars)
                .chain(of_profile(|profile| &profile.vars))
        };
        let of_profile = profile.map_or(&[][..], |profile| &profile.env);
        let env = || task.env.iter().chain(&file.env).chain(of_profile);
        let (mut reached, mut seen, mut left) = (HashSet::new(), HashSet::new(), vec![first]);
        while let Some(reads) = left.pop() {
            for (root, members) in reads.names().filter(|name| seen.insert(*name)) {
                reached.insert(root);
                if root == "env" {
                    // Which one is read may only be known when it is.
                    let is_read = |name: &String| members.first().is_none_or(|one| one == name);
                    let read = env().filter(|variable| is_read(&variable.name));
                    left.extend(read.map(|variable| &variable.value.reads));
                    continue;
                }
                for var in vars().filter(|var| var.name == root) {
                    var.each_text(&mut |text| left.push(&text.reads));
                }
                let defaults = task.params.iter().filter(|param| param.name == root);
                for default in defaults.filter_map(|param| param.default.as_ref()) {
                    default.each_text(&mut |text| left.push(&text.reads));
                }
            }
        }
        reached
    }

    /// A place for what a task can read of others, if it reads anything.
    fn results_of(&mut self, task: &Task) -> Option<u32> {
        let file = self.workflow.file_of(task);
        let of_others = |name: &str, _: &[String]| is_result(name);
        if !reads(file, task, of_others) {
            return None;
        }
        self.results.push(Results {
            stderr: reads(file, task, reads_stderr),
            ..Results::default()
        });
        u32::try_from(self.results.len() - 1).ok()
    }

    /// The tasks that have surely run before the steps of this one: those that it needs, and what they need.
    fn name_tasks(&mut self, task: &Task, results: usize) {
        let namespace = &self.workflow.file_of(task).namespace;
        let mut seen: HashSet<TaskIndex> = HashSet::new();
        let mut left: Vec<TaskIndex> = task.depends_on.iter().map(|need| need.task).collect();
        while let Some(index) = left.pop() {
            if !seen.insert(index) {
                continue;
            }
            let other = &self.workflow.tasks[index];
            let name = as_identifier(relative(&other.name, namespace));
            let first = self.first[self.identities.first(index)];
            let file = self.workflow.file_of(task);
            // Without members it is only known later which one is read.
            let is_it = |of: &str, members: &[String]| {
                let task = members.first();
                of == "tasks" && task.is_none_or(|task| as_identifier(task) == name)
            };
            let is_read = || reads(file, task, is_it);
            if let Some(id) = first.filter(|_| is_read()) {
                self.results[results].tasks.push((name, id));
            }
            left.extend(other.depends_on.iter().map(|need| need.task));
            other.each_call(&mut |call| left.push(call.task));
        }
    }
}

/// Whether a handler of a task, or of one that its steps call, calls a task.
fn calls_in_handlers(workflow: &Workflow, index: TaskIndex) -> bool {
    let mut any = false;
    workflow.tasks[index].each_call(&mut |_| any = true);
    if !any {
        return false;
    }
    let (mut left, mut seen) = (vec![index], HashSet::from([index]));
    while let Some(index) = left.pop() {
        let task = &workflow.tasks[index];
        let (mut all, mut own) = (0, 0);
        task.each_call(&mut |_| all += 1);
        task.each_call_of_steps(&mut |call| {
            own += 1;
            left.extend(seen.insert(call.task).then_some(call.task));
        });
        if all > own {
            return true;
        }
    }
    false
}

/// Marks the commands whose output is read by somebody.
pub(super) fn keep_printed(plan: &mut Plan) {
    for results in std::mem::take(&mut plan.results) {
        for (_, id) in results.steps.iter().chain(&results.tasks) {
            let end = plan.subtree_end(*id);
            for node in &mut plan.nodes[id.index()..end.index()] {
                if matches!(node.kind, Kind::Work(_)) {
                    let rules = node.rules.get_or_insert_default();
                    rules.keeps_stdout = true;
                    rules.keeps_stderr |= results.stderr;
                }
            }
        }
        plan.results.push(results);
    }
}

/// Whether a text of a task, or a var of its file, reads such a name, with such members.
fn reads(file: &File, task: &Task, is_it: impl Fn(&str, &[String]) -> bool) -> bool {
    task.reads(&is_it) || file.vars.iter().any(|var| var.reads(&is_it))
}

/// Whether it is the name of what steps or tasks have come to.
fn is_result(name: &str) -> bool {
    BuiltIn::of(name).is_some_and(BuiltIn::is_result)
}

/// Whether the stderr of a result may be read: `steps.NAME.stderr`.
fn reads_stderr(name: &str, members: &[String]) -> bool {
    // Which member is read may only be known when it is.
    let is_another = |member: &String| member != "stderr" && has_result(member);
    matches!(name, "steps" | "tasks") && members.get(1).is_none_or(|member| !is_another(member))
}

fn on_of(on: crate::model::language::On) -> On {
    match on {
        crate::model::language::On::Success => On::Success,
        crate::model::language::On::Failure => On::Failure,
        crate::model::language::On::Done => On::Done,
    }
}

fn fixed<T: Copy>(setting: &Setting<T>) -> T {
    match setting {
        Setting::Fixed(value) => *value,
        Setting::Template(_) => unreachable!("the reader lets no template stand here"),
    }
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn boxed(rules: Rules) -> Option<Box<Rules>> {
    (rules != Rules::default()).then(|| Box::new(rules))
}

fn of_task(rules: &TaskRules, handlers: Handlers, ask: bool) -> Rules {
    Rules {
        ask,
        retry: rules.retry.as_ref().map(retry).unwrap_or_default(),
        timeout_micros: rules.timeout.as_ref().map(|time| micros(fixed(time))),
        ignore_error: rules.ignore_error,
        handlers,
        ..Rules::default()
    }
}

fn of_step(rules: &StepRules) -> Rules {
    Rules {
        retry: rules.retry.as_ref().map(retry).unwrap_or_default(),
        timeout_micros: rules.timeout.as_ref().map(|time| micros(fixed(time))),
        ignore_error: rules.ignore_error,
        leave_running: rules.leave_running,
        ..Rules::default()
    }
}

fn retry(retry: &WrittenRetry) -> Retry {
    let grows = retry.backoff != Backoff::Fixed;
    let delay = retry.delay.as_ref().map(fixed);
    let delay = micros(delay.unwrap_or(if grows { DELAY } else { Duration::ZERO }));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a factor is from 1 to 1000"
    )]
    let (factor_permille, step_micros) = match retry.backoff {
        Backoff::Fixed => (1000, 0),
        Backoff::Linear => (1000, delay),
        Backoff::Factor(factor) => ((factor * 1000.0) as u64, 0),
    };
    Retry {
        attempts: fixed(&retry.attempts),
        delay_micros: delay,
        factor_permille,
        step_micros,
        delay_max_micros: retry
            .delay_max
            .as_ref()
            .map_or(u64::MAX, |time| micros(fixed(time))),
        jitter_micros: retry.jitter.as_ref().map_or(0, |time| micros(fixed(time))),
        on_exit_codes: retry.on_exit_codes.clone(),
    }
}
