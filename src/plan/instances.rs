//! Which tasks a run has: each that is asked for or needed, once for each set of values it is called with.
//!
//! What a called task depends on has happened before the first step of the task that calls it (docs/decisions/0006): so the
//! needs of a task are its own and those of all that its steps call.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::identity::Identities;
use super::scopes::Scopes;
use super::{Cycle, Faults, Refused, Request, given};
use crate::eval;
use crate::model::id::NodeId;
use crate::model::language::{
    Action, Data, Dependency, On, Profile, Step, Task, TaskIndex, Text, Var, VarValue, Workflow,
};
use crate::model::plan::{Called, Surroundings, as_typed};

/// A task as it is to run: with what it was given and called with.
#[derive(Clone)]
pub(super) struct Instance<'a> {
    pub(super) index: TaskIndex,
    pub(super) task: &'a Task,
    /// What was set for it on the command line.
    pub(super) given: Vec<(String, Data)>,
    /// The item of a dependency that is looked at.
    pub(super) item: Vec<(String, Data)>,
    /// The values of its items that were asked for on the command line; all of them when it says nothing.
    pub(super) picked: Vec<(String, String)>,
    /// It was named on the command line.
    pub(super) named: bool,
    pub(super) call: Option<Called>,
    /// What it was called with, for people: ` os=linux`.
    pub(super) shown: String,
    /// The loops of it that are being planned, the innermost first.
    pub(super) loops: Vec<NodeId>,
    pub(super) results: Option<u32>,
    /// The numbers of the instances that must have ended before it begins, and how.
    pub(super) needs: Vec<(usize, On)>,
    /// The numbers of those that it comes after.
    pub(super) after: Vec<usize>,
    /// The tasks that it needs and that stay out of the plan.
    pub(super) left_out: Vec<TaskIndex>,
}

impl<'a> Instance<'a> {
    /// A task by itself, given nothing and needing nothing.
    pub(super) const fn alone(index: TaskIndex, task: &'a Task) -> Self {
        Self {
            index,
            task,
            given: Vec::new(),
            item: Vec::new(),
            picked: Vec::new(),
            named: false,
            call: None,
            shown: String::new(),
            loops: Vec::new(),
            results: None,
            needs: Vec::new(),
            after: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

/// What makes two calls of a task the same: the task and the values.
type Identity = (TaskIndex, String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// On the path that is being followed.
    Open,
    Placed,
}

/// The instances of a run.
pub(super) struct Instances<'a> {
    workflow: &'a Workflow,
    request: &'a Request,
    /// All, in the order they were met.
    pub(super) list: Vec<Instance<'a>>,
    /// Their order: each after what it needs.
    pub(super) order: Vec<usize>,
    known: HashMap<Identity, usize>,
    /// What is wrong with the values that tasks get.
    pub(super) faults: Faults,
    profile: Option<&'a Profile>,
    marks: Vec<Mark>,
    /// How many calls with values were followed.
    calls: usize,
    /// A task that is reached by several ways is one.
    pub(super) identities: Identities,
}

/// A need of a task, with the scope that its values are read in when there are any.
struct Edge<'a> {
    need: &'a Dependency,
    /// The calls that lead to the task whose need it is.
    through: Vec<&'a crate::model::language::Call>,
    /// The item that it is for, where the need is a loop.
    item: Vec<(String, Data)>,
}

impl<'a> Instances<'a> {
    /// The tasks asked for and all that they need.
    pub(super) fn of(
        workflow: &'a Workflow,
        request: &'a Request,
        scopes: &mut Scopes<'a>,
        surroundings: &dyn Fn() -> Surroundings,
    ) -> Result<Self, Refused> {
        let mut instances = Self {
            workflow,
            request,
            // Few tasks are called in several ways; what is not filled costs nothing.
            list: Vec::with_capacity(workflow.tasks.len()),
            order: Vec::new(),
            known: HashMap::new(),
            faults: Faults::default(),
            profile: scopes.profile(),
            marks: Vec::new(),
            calls: 0,
            identities: Identities::of(workflow),
        };
        for index in &request.tasks {
            let index = instances.identities.first(*index);
            let fresh = !request.only && request.leaves_out(index);
            if !fresh && !instances.known.contains_key(&(index, String::new())) {
                instances.follow(index, scopes, surroundings)?;
            }
        }
        if !request.only {
            instances.line_up()?;
        }
        instances.refuse_picked_needs();
        Ok(instances)
    }

    /// Each instance comes after all of those that its task says, or a task that its steps call.
    fn line_up(&mut self) -> Result<(), Refused> {
        // Few files say it of any task.
        if self
            .workflow
            .tasks
            .iter()
            .all(|task| task.rules().after.is_empty())
        {
            return Ok(());
        }
        let mut of_task: HashMap<TaskIndex, Vec<usize>> = HashMap::new();
        for (number, seen) in self.list.iter().enumerate() {
            of_task.entry(seen.index).or_default().push(number);
        }
        let mut any = false;
        for number in 0..self.list.len() {
            let mut after: Vec<usize> = Vec::new();
            let mut seen: HashSet<usize> =
                self.list[number].needs.iter().map(|(n, _)| *n).collect();
            for index in self.comes_after(self.list[number].index) {
                let index = self.identities.first(index);
                let all = of_task.get(&index).into_iter().flatten();
                after.extend(all.copied().filter(|other| seen.insert(*other)));
            }
            any |= !after.is_empty();
            self.list[number].after = after;
        }
        if any { self.sort() } else { Ok(()) }
    }

    /// The tasks that one comes after: what it says itself, and what those say that its steps call.
    fn comes_after(&self, index: TaskIndex) -> Vec<TaskIndex> {
        let mut after = Vec::new();
        let (mut called, mut next) = (vec![index], 0);
        while let Some(index) = called.get(next).copied() {
            next += 1;
            let task = &self.workflow.tasks[index];
            after.extend(&task.rules().after);
            let mut call = |step: &Step| {
                if let Action::Task(call) = &step.action
                    && !called.contains(&call.task)
                {
                    called.push(call.task);
                }
            };
            // What tidies up comes up when it has to, whatever else goes on.
            task.steps.iter().for_each(|step| step.each(&mut call));
        }
        after
    }

    /// Puts the instances in an order in which each comes after what it needs and what it comes after.
    fn sort(&mut self) -> Result<(), Refused> {
        let mut marks: Vec<Option<Mark>> = vec![None; self.list.len()];
        let mut order = Vec::with_capacity(self.order.len());
        for root in self.order.clone() {
            let mut path = vec![(root, 0)];
            while let Some((number, next)) = path.last_mut() {
                let (number, place) = (*number, *next);
                *next += 1;
                let seen = &self.list[number];
                let needs = seen.needs.iter().map(|(need, _)| *need);
                match needs.chain(seen.after.iter().copied()).nth(place) {
                    _ if marks[number] == Some(Mark::Placed) => drop(path.pop()),
                    Some(before) if marks[before] == Some(Mark::Open) => {
                        let from = path.iter().position(|(open, _)| *open == before);
                        let around = path[from.unwrap_or(0)..].iter();
                        let names = around.map(|(open, _)| self.list[*open].index);
                        return Err(Refused::Cycle(Cycle(names.collect())));
                    }
                    Some(before) => {
                        marks[number] = Some(Mark::Open);
                        path.push((before, 0));
                    }
                    None => {
                        marks[number] = Some(Mark::Placed);
                        order.push(number);
                        path.pop();
                    }
                }
            }
        }
        self.order = order;
        Ok(())
    }

    /// What needs a loop needs all its items.
    fn refuse_picked_needs(&mut self) {
        for seen in &self.list {
            let needed = seen.needs.iter().map(|(need, _)| &self.list[*need]);
            for need in needed.filter(|need| !need.picked.is_empty()) {
                let (name, _) = &need.picked[0];
                self.faults.wrong.push(super::Wrong {
                    name: name.clone(),
                    what: format!(
                        "it picks items of '{}', and '{}' needs all of them",
                        need.task.name, seen.task.name
                    ),
                    help: format!("run '{}' in a call of its own", seen.task.name),
                });
            }
        }
    }

    fn is_named(&self, index: TaskIndex) -> bool {
        let mut named = self.request.tasks.iter();
        named.any(|named| self.identities.first(*named) == index)
    }

    /// The number of the instance of a task that was named.
    pub(super) fn named(&self, index: TaskIndex) -> Option<usize> {
        let index = self.identities.first(index);
        self.known.get(&(index, String::new())).copied()
    }

    fn add(
        &mut self,
        identity: Identity,
        call: Option<Called>,
        shown: String,
    ) -> Result<usize, Refused> {
        let index = identity.0;
        let task = &self.workflow.tasks[index];
        if task.unusable.is_some() {
            return Err(Refused::Unusable(index));
        }
        let values = &self.request.values;
        let given = given::of_task(task, values, &mut self.faults.wrong);
        let faults = &mut self.faults;
        faults.check_params(task, &given, call.as_ref(), self.profile);
        if call.is_some() {
            self.spend(1)?;
        }
        let number = self.list.len();
        let named = call.is_none() && self.is_named(index);
        let picked = named.then(|| given::of_items(self.workflow, task, values));
        self.list.push(Instance {
            given,
            picked: picked.unwrap_or_default(),
            named,
            call,
            shown,
            ..Instance::alone(index, task)
        });
        self.marks.push(Mark::Open);
        self.known.insert(identity, number);
        Ok(number)
    }

    /// Depth first, without recursion; the path holds each instance with its edges and how many have been followed.
    fn follow(
        &mut self,
        root: TaskIndex,
        scopes: &mut Scopes<'a>,
        surroundings: &dyn Fn() -> Surroundings,
    ) -> Result<(), Refused> {
        let number = self.add((root, String::new()), None, String::new())?;
        let edges = self.edges(number, root, scopes, surroundings)?;
        let mut path = vec![(number, edges, 0, HashSet::new())];
        while let Some((number, edges, next, met)) = path.last_mut() {
            let number = *number;
            let Some(edge) = edges.get(*next) else {
                self.marks[number] = Mark::Placed;
                self.order.push(number);
                path.pop();
                continue;
            };
            *next += 1;
            let index = self.identities.first(edge.need.task);
            if self.request.leaves_out(index) {
                // With values of its own it makes something else.
                if edge.need.vars.is_empty() {
                    self.list[number].left_out.push(index);
                }
                continue;
            }
            let (call, key, shown) = self.called(number, edge, scopes, surroundings);
            let on = edge.need.on;
            let identity = (index, key);
            match self.known.get(&identity).copied() {
                Some(known) if self.marks[known] == Mark::Placed => {
                    if met.insert((known, on)) {
                        self.list[number].needs.push((known, on));
                    }
                }
                Some(known) => {
                    let from = path
                        .iter()
                        .position(|(open, ..)| *open == known)
                        .unwrap_or(0);
                    let names = path[from..].iter().map(|(open, ..)| self.list[*open].index);
                    return Err(Refused::Cycle(Cycle(names.collect())));
                }
                None => {
                    let new = self.add(identity, call, shown)?;
                    met.insert((new, on));
                    self.list[number].needs.push((new, on));
                    let edges = self.edges(new, index, scopes, surroundings)?;
                    path.push((new, edges, 0, HashSet::new()));
                }
            }
        }
        Ok(())
    }

    /// What must have happened before a task begins: what it needs, for each item where that is a loop, and what those need that its
    /// steps call.
    fn edges(
        &mut self,
        by: usize,
        index: TaskIndex,
        scopes: &mut Scopes<'a>,
        surroundings: &dyn Fn() -> Surroundings,
    ) -> Result<Vec<Edge<'a>>, Refused> {
        let edges = self.needs_of(index)?;
        if edges.iter().all(|edge| edge.need.each.is_none()) {
            return Ok(edges);
        }
        let mut all = Vec::new();
        for edge in edges {
            let Some(each) = &edge.need.each else {
                all.push(edge);
                continue;
            };
            let seen = self.seen_through(by, &edge, scopes);
            let scope = scopes.of_step(&seen, None);
            let items = eval::fixed_items(surroundings(), &scopes.list, scope, each);
            let items = items.ok_or_else(|| Refused::Items {
                of: self.workflow.tasks[index].name.clone(),
                needed: self.workflow.tasks[edge.need.task].name.clone(),
            })?;
            all.extend(items.into_iter().map(|item| Edge {
                need: edge.need,
                through: edge.through.clone(),
                item,
            }));
        }
        Ok(all)
    }

    /// Calls with values of their own may double at each step of the way: what is made of them has an end.
    fn spend(&mut self, calls: usize) -> Result<(), Refused> {
        self.calls += calls;
        if self.calls > CALLS_IN_ALL_MAX {
            return Err(Refused::TooLarge(format!(
                "its tasks call one another with more than {CALLS_IN_ALL_MAX} sets of values"
            )));
        }
        Ok(())
    }

    fn needs_of(&mut self, index: TaskIndex) -> Result<Vec<Edge<'a>>, Refused> {
        let mut edges = Vec::new();
        let mut left = vec![(index, Vec::new())];
        let mut seen: HashSet<TaskIndex> = HashSet::new();
        while let Some((index, through)) = left.pop() {
            let task = &self.workflow.tasks[index];
            let of_need = |need: &'a Dependency| Edge {
                need,
                through: through.clone(),
                item: Vec::new(),
            };
            edges.extend(task.depends_on.iter().map(of_need));
            let mut calls = Vec::new();
            // What a call in a handler depends on happens when that comes up.
            task.each_call_of_steps(&mut |call| calls.push(call));
            for call in calls {
                if !seen.insert(call.task) && call.vars.is_empty() {
                    continue;
                }
                // A circle of calls is an error of the file.
                if through.len() < CALLS_MAX {
                    if !call.vars.is_empty() {
                        self.spend(1)?;
                    }
                    left.push((call.task, [&through[..], &[call]].concat()));
                }
            }
        }
        Ok(edges)
    }

    /// The task whose need it is, as it is called by the instance `by`.
    fn seen_through(&self, by: usize, edge: &Edge<'a>, scopes: &mut Scopes<'a>) -> Instance<'a> {
        let mut seen = self.list[by].clone();
        for call in &edge.through {
            let scope = scopes.of_step(&seen, None);
            seen = Instance {
                index: call.task,
                task: &self.workflow.tasks[call.task],
                named: false,
                call: Some(Called {
                    scope,
                    vars: call.vars.clone(),
                }),
                ..seen
            };
        }
        seen.item.clone_from(&edge.item);
        seen
    }

    /// What a needed task is called with, what makes that the same as another call, and how it is shown.
    fn called(
        &self,
        by: usize,
        edge: &Edge<'a>,
        scopes: &mut Scopes<'a>,
        surroundings: &dyn Fn() -> Surroundings,
    ) -> (Option<Called>, String, String) {
        let need = edge.need;
        if need.vars.is_empty() {
            return (None, String::new(), String::new());
        }
        let seen = self.seen_through(by, edge, scopes);
        let scope = scopes.of_step(&seen, None);
        let task = &self.workflow.tasks[need.task];
        let (mut key, mut shown) = (BTreeMap::new(), String::new());
        for var in &need.vars {
            let value =
                known(var).or_else(|| eval::fixed(surroundings(), &scopes.list, scope, var));
            let is_default = value.is_some() && value == default_of(task, &var.name);
            let text = match &value {
                Some(value) => format!("{value:?}"),
                // Known later: it is another one for each that asks.
                None => format!(
                    "{by} {}",
                    serde_json::to_string(&var.value).unwrap_or_default()
                ),
            };
            if !is_default {
                let words =
                    value.map_or_else(|| "…".to_owned(), |value| as_typed(&value.written()));
                shown.push_str(&format!(" {}={words}", var.name));
                key.insert(var.name.as_str(), text);
            }
        }
        if key.is_empty() {
            return (None, String::new(), String::new());
        }
        let call = Called {
            scope,
            vars: need.vars.clone(),
        };
        (Some(call), format!("{key:?}"), shown)
    }
}

/// How deep calls may stand in each other.
pub(super) const CALLS_MAX: usize = 100;

/// How many calls with values of their own a run may have, each counted for whom it is a need of.
const CALLS_IN_ALL_MAX: usize = 50_000;

/// A value in which nothing is to be evaluated, without its places.
fn known(var: &Var) -> Option<Data> {
    match &var.value {
        VarValue::Data(data) => plain(data),
        VarValue::Sh(_) | VarValue::Ref(_) => None,
    }
}

fn plain(data: &Data) -> Option<Data> {
    Some(match data {
        Data::Text(text) if text.is_template() => return None,
        Data::Text(text) => Data::Text(Text::plain(
            text.text.clone(),
            crate::model::language::Place::default(),
        )),
        Data::List(items) => Data::List(items.iter().map(plain).collect::<Option<_>>()?),
        Data::Map(entries) => {
            let entry = |(name, value): &(String, Data)| Some((name.clone(), plain(value)?));
            Data::Map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}

fn default_of(task: &Task, name: &str) -> Option<Data> {
    let param = task.params.iter().find(|param| param.name == name);
    let var = task.vars.iter().find(|var| var.name == name);
    param
        .and_then(|param| plain(param.default.as_ref()?))
        .or_else(|| known(var?))
}
