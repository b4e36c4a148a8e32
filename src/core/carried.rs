//! What a new run takes over from one that has ended: what was done there and need not be done again.
//!
//! It speaks of nodes by their addresses, because the numbers of those that loops make are another run's own.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Outcome, Record};
use super::state::RunState;
use crate::model::id::{NodeId, RunId};
use crate::model::plan::{Kind, WaitFor};

/// What is taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// From this run.
    pub run: RunId,
    /// What was done, and the values that came of it, by their names.
    pub done: BTreeMap<String, Vec<(String, serde_json::Value)>>,
    /// What consists of such, and ended well: it begins without being asked about; a choice with its branch.
    pub open: BTreeMap<String, Option<u32>>,
    /// The items of loops that go on.
    pub items: BTreeMap<String, serde_json::Value>,
}

/// The name under which the items of a loop are kept.
pub const ITEMS: &str = "items";

/// A node in words: its task, which item of it, and the step. By numbers, which records of every version have.
pub fn address(state: &RunState, node: NodeId) -> String {
    let address = state.numbered(node);
    format!("{}{} {}", address.task, address.items, address.step)
}

impl Carried {
    /// What was done in a run that goes on as another one, and the tasks of which anything is left to do.
    pub fn of_interrupted(
        run: &RunId,
        state: &RunState,
        records: &[Record],
    ) -> (Self, Vec<NodeId>) {
        Self::found(run, state, records, None, true)
    }

    /// What was done in a run that is tried once more, and the tasks of which anything is left to do; with `from`, without this task
    /// or `TASK/STEP` and what comes after it. A task whose handlers have tidied up, or undone it, begins at its first step.
    pub fn of(
        run: &RunId,
        state: &RunState,
        records: &[Record],
        from: Option<&str>,
    ) -> (Self, Vec<NodeId>) {
        Self::found(run, state, records, from, false)
    }

    fn found(
        run: &RunId,
        state: &RunState,
        records: &[Record],
        from: Option<&str>,
        goes_on: bool,
    ) -> (Self, Vec<NodeId>) {
        let mut finder = Finder {
            state,
            values: values(state, records),
            again: from.map_or_else(HashSet::new, |from| again(state, from)),
            goes_on,
            carried: Self {
                run: run.clone(),
                done: BTreeMap::new(),
                open: BTreeMap::new(),
                items: BTreeMap::new(),
            },
        };
        let mut left: Vec<NodeId> = Vec::new();
        let turns = state.plan().turns();
        let mut last_turn = usize::MAX;
        for (id, task) in state.plan().tasks() {
            // Tasks stand after those that they need, and those of a turn before what comes after that: `clean` undoes what
            // was built when it runs again.
            let follows =
                turns.of(id) > last_turn || task.needs.iter().any(|need| left.contains(&need.task));
            if follows || !finder.visit(id) {
                left.push(id);
                last_turn = last_turn.min(turns.of(id));
            }
        }
        (finder.carried, left)
    }

    /// Nothing of a task is taken over.
    pub fn forget(&mut self, task: &str) {
        self.done.retain(|address, _| task_of(address) != task);
        self.open.retain(|address, _| task_of(address) != task);
        self.items.retain(|address, _| task_of(address) != task);
    }

    /// A task that has ended is taken over with what it handed on, and not by its parts.
    pub fn take_as_a_whole(&mut self, state: &RunState, records: &[Record], task: NodeId) {
        self.forget(state.address(task).task);
        let mut finder = Finder {
            state,
            values: values(state, records),
            again: HashSet::new(),
            goes_on: false,
            carried: self.clone(),
        };
        finder.done(task);
        *self = finder.carried;
    }
}

/// The task of an address: what stands before the last space, without its items.
fn task_of(address: &str) -> &str {
    let task = address.rfind(' ').map_or(address, |at| &address[..at]);
    task.find('[').map_or(task, |at| &task[..at])
}

/// Whether a run has a task of this name, of its own or called, or a step, which is `TASK/STEP`.
pub fn has_task(state: &RunState, name: &str) -> bool {
    !again(state, name).is_empty()
}

/// The nodes of a task, wherever it stands, or of one step of it, which is `TASK/STEP`.
fn again(state: &RunState, name: &str) -> HashSet<NodeId> {
    let is_meant = |id: &NodeId| {
        let spec = state.spec(*id);
        let own = spec.task.as_ref().map(|task| task.name.as_str());
        let called = spec.called.as_ref().map(ToString::to_string);
        own == Some(name) || called.as_deref() == Some(name)
    };
    let nodes = || (0..state.node_count()).map(NodeId::at);
    let found: HashSet<NodeId> = nodes().filter(is_meant).collect();
    match name.rsplit_once('/') {
        // A task may have a name with a stroke in it.
        Some((task, step)) if found.is_empty() => {
            let is_step = |id: &NodeId| {
                let (named, numbered) = (state.address(*id), state.numbered(*id));
                named.task == task && (named.step == step || numbered.step == step)
            };
            // What a step is made of has its name, too.
            let above = |id: &NodeId| !state.parent(*id).is_some_and(|parent| is_step(&parent));
            nodes().filter(|id| is_step(id) && above(id)).collect()
        }
        _ => found,
    }
}

/// What was evaluated for each node in its last try.
fn values(
    state: &RunState,
    records: &[Record],
) -> HashMap<NodeId, Vec<(String, serde_json::Value)>> {
    let mut values: HashMap<NodeId, Vec<(String, serde_json::Value)>> = HashMap::new();
    for record in records {
        match &record.fact {
            Fact::ValueKept {
                node: Some(node),
                name,
                value,
            } => {
                let of_node = values.entry(*node).or_default();
                of_node.push((name.clone(), value.clone()));
            }
            Fact::AttemptFinished {
                node, again: true, ..
            } => {
                for node in state.subtree(*node) {
                    values.remove(&node);
                }
            }
            _ => {}
        }
    }
    values
}

struct Finder<'a> {
    state: &'a RunState,
    values: HashMap<NodeId, Vec<(String, serde_json::Value)>>,
    /// What is to run again whatever became of it.
    again: HashSet<NodeId>,
    /// It goes on in its midst, whatever its handlers have done.
    goes_on: bool,
    carried: Carried,
}

impl Finder<'_> {
    /// Takes over what was done at a node and below it; whether that is all of it.
    fn visit(&mut self, id: NodeId) -> bool {
        if self.is_tidied(id) {
            return false;
        }
        let Some(outcome) = self.state.node(id).outcome() else {
            // Its last try was interrupted or given up in its midst.
            self.parts(id);
            return false;
        };
        let good = self.state.counts_as_ok(id, outcome);
        if self.again.contains(&id) {
            return false;
        }
        let is_call = self.state.spec(id).called.is_some();
        match outcome {
            // The condition is asked again, and says the same of the same values.
            Outcome::Skipped => true,
            Outcome::UpToDate => self.done(id),
            _ if good && (self.is_plain(id) || is_call && !self.runs_again_below(id)) => {
                self.parts(id);
                true
            }
            _ if good && !self.runs_again_below(id) => self.done(id),
            _ => {
                self.parts(id);
                false
            }
        }
    }

    /// Whether a node came to no good end and its handlers have run: what its steps had done may be undone. A step that was named to
    /// begin with says otherwise.
    fn is_tidied(&self, id: NodeId) -> bool {
        let outcome = self.state.node(id).outcome();
        let good = outcome.is_some_and(|outcome| self.state.counts_as_ok(id, outcome));
        if self.goes_on || good || self.runs_again_below(id) {
            return false;
        }
        let handlers = &self.state.rules(id).handlers;
        let handlers = [handlers.on_failure, handlers.finally].into_iter();
        handlers
            .filter_map(|spec| self.state.handler(id, spec))
            .any(|handler| self.state.node(handler).begun || self.state.node(handler).worked)
    }

    /// Whether all below a node ended well, so that it can be gone through part by part.
    fn is_plain(&self, id: NodeId) -> bool {
        let is_good = |id: &NodeId| {
            let node = self.state.node(*id);
            match node.outcome() {
                Some(outcome) => self.state.counts_as_ok(*id, outcome) && outcome.is_ok(),
                // A branch that was not taken, a handler that did not run.
                None => node.attempt == 0,
            }
        };
        !self.runs_again_below(id) && self.state.subtree(id).iter().all(is_good)
    }

    fn runs_again_below(&self, id: NodeId) -> bool {
        !self.again.is_empty()
            && self
                .state
                .subtree(id)
                .iter()
                .any(|id| self.again.contains(id))
    }

    fn done(&mut self, id: NodeId) -> bool {
        let address = address(self.state, id);
        let mut values = Vec::new();
        for node in self.state.subtree(id) {
            values.extend(self.values.remove(&node).unwrap_or_default());
        }
        values.retain(|(name, _)| name != ITEMS);
        self.carried.done.insert(address, values);
        true
    }

    /// What is below a node, as far as it goes on from there.
    fn parts(&mut self, id: NodeId) {
        let good = self.state.node(id).outcome().is_some_and(Outcome::is_ok);
        let address = address(self.state, id);
        match &self.state.spec(id).kind {
            Kind::Loop { .. } => {
                let items = self.values.get(&id).into_iter().flatten();
                let mut items = items
                    .filter(|(name, _)| name == ITEMS)
                    .map(|(_, items)| items);
                let Some(items) = items.next_back().cloned() else {
                    return;
                };
                self.carried.items.insert(address, items);
                // One item has nothing to do with another.
                for child in self.state.instances(id) {
                    self.visit(child);
                }
                if good {
                    self.handlers(id);
                }
            }
            Kind::Choice { .. } => {
                let branch = self.state.node(id).children.branch;
                if let (true, Some(branch)) = (good, branch) {
                    self.carried.open.insert(address, Some(branch));
                }
                if let Some(child) = self.state.child(id, 0) {
                    self.visit(child);
                }
                if good {
                    self.handlers(id);
                }
            }
            Kind::Group(group) if group.wait_for == WaitFor::All => {
                let in_turn = group.parallel_max == Some(1);
                if good {
                    self.carried.open.insert(address, None);
                }
                let count = u32::try_from(group.children.len()).unwrap_or(u32::MAX);
                for child in (0..count).filter_map(|place| self.state.child(id, place)) {
                    let all = self.visit(child);
                    // What comes after what runs again may depend on it.
                    if in_turn && !all {
                        return;
                    }
                }
                if good {
                    self.handlers(id);
                }
            }
            // The winner of a race is not known before it has run.
            Kind::Group(_) | Kind::Child | Kind::Work(_) | Kind::Check | Kind::Wait { .. } => {
                if good {
                    self.done(id);
                }
            }
        }
    }

    /// What came after a node that ended well.
    fn handlers(&mut self, id: NodeId) {
        let handlers = &self.state.rules(id).handlers;
        let specs = [handlers.on_success, handlers.finally];
        for handler in specs
            .into_iter()
            .filter_map(|spec| self.state.handler(id, spec))
        {
            if self.state.node(handler).outcome().is_some() {
                self.visit(handler);
            }
        }
    }
}
