//! The state of a run: the fold of its facts.
//!
//! Every node, task or command, goes through the same stages:
//!
//! ```text
//!          ┌────────────────────────────── RetryScheduled ◄─ Tried ◄─┐ again
//!          ▼                                                         │
//! Idle ─► Asking ─► Gate ─► Deciding ─► Locking ─► Ready ─► Active ──┴─► Ending ─► Done
//!          if, items        approval     locks     a slot   the work     handlers
//! ```
//!
//! A stage that a node does not have is passed over. Composite nodes are never `Ready`: they become `Active` when their
//! turn comes, and their children begin the same walk. The map from node to stage is the truth; the sorted sets in
//! `Views` are indexes over it, kept by the one function through which every change of stage passes
//! (`RunState::set_stage`), so that a turn never has to look at all nodes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fact::{Outcome, RunEnd, Triggered};
use crate::model::id::NodeId;
use crate::model::plan::{Kind, Need, Node, On, Plan, Rules, Task, Turns};
use crate::model::time::Timestamp;

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Its turn has not come.
    Idle,
    /// Its question is being answered: a condition, its items, whether it is up to date.
    Asking,
    /// Somebody will have to agree.
    Gate,
    /// Somebody was asked.
    Deciding,
    /// They said no, or nobody needs to say anything any more.
    Refused,
    /// It waits for its locks.
    Locking,
    /// It may start.
    Ready,
    /// It is being worked on; for a composite node, its children are.
    Active,
    /// A try failed and there will be another.
    Tried,
    /// It waits for the time of its next try.
    Backoff,
    /// Its handlers run; this is how its last try ended.
    Ending(Outcome),
    /// It has ended.
    Done(Outcome),
}

/// How binding it is to go on with a node when nothing new may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Part of a handler: runs also after a cancel.
    Handler,
    /// Part of a task of which a step has begun, or one that waits for a failure: runs also after a failure.
    Begun,
    /// Anything else.
    New,
}

/// How a node was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What it will have come to.
    pub outcome: Outcome,
    /// The signal to pass on to what runs; `None` for SIGTERM.
    pub signal: Option<i32>,
    /// Kill at once, handlers too.
    pub now: bool,
}

/// The state of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// The node of the plan that it is, or is an instance of.
    pub spec: NodeId,
    pub(super) parent: Option<NodeId>,
    /// Which item of its loop it is, counted from 0, if it is the body of one.
    pub(super) item: Option<u32>,
    /// Where it stands.
    pub stage: Stage,
    /// The tries begun so far, over the whole run.
    pub attempt: u32,
    /// The tries that do not count against the limit: of earlier rounds, lost and interrupted ones.
    pub uncounted: u32,
    /// How often its turn came: an answer to an earlier question does not fit a later one.
    pub round: u32,
    /// When its timer fires, in a stage that has one.
    pub until: Option<Timestamp>,
    /// When its last try began.
    pub began_at: Option<Timestamp>,
    /// It has been told to stop.
    pub stop: Option<Stop>,
    /// A fact has said something of it in this round, so that another must end it.
    pub begun: bool,
    /// A command of it has started.
    pub worked: bool,
    /// It holds its locks.
    pub locked: bool,
    /// Its last try is lost and somebody must say whether there is another.
    pub doubtful: bool,
    /// Who has agreed at its gate.
    pub approvals: Vec<String>,
    /// Why it has come to this, where that is known.
    pub reason: Option<String>,
    /// The exit code of its last try, or of the child that made it fail.
    pub exit_code: Option<i32>,
    /// Its children, in a composite node.
    pub children: Children,
}

/// The children of a composite node, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Children {
    /// The first instance and the number of them, once a loop is expanded.
    pub(super) instances: Option<(NodeId, u32)>,
    /// The branch taken.
    pub(super) branch: Option<u32>,
    /// How many have had their turn.
    pub(super) entered: u32,
    /// How many have ended.
    pub(super) done: u32,
    /// How many of them ended in a way that counts as success.
    pub(super) ok: u32,
    /// How many of them really succeeded.
    pub(super) won: u32,
    /// How the first of them ended that was not skipped.
    pub(super) first_ok: Option<bool>,
    /// How many have begun and not ended, handlers included.
    pub(super) live: u32,
    /// The handler whose turn it is.
    pub(super) handler: Option<NodeId>,
}

/// What only tasks of the graph have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskState {
    /// How many of its needs have not ended.
    pub(super) waiting: u32,
    /// It is counted as open.
    pub(super) open: bool,
    /// Somebody needs it.
    pub(super) wanted: bool,
    /// Its early condition has been answered.
    pub(super) asked: bool,
    /// How many of those that it comes after have ended, counted from the first of them.
    pub(super) passed: u32,
    /// What it needs in the place of those that were skipped.
    pub(super) handed: Vec<Need>,
    /// The tasks that need it in the place of those that were skipped.
    pub(super) heirs: Vec<Need>,
    /// A need that failed.
    pub(super) broken_by: Option<NodeId>,
    /// A need that ended in another way than it waits for.
    pub(super) unmet_by: Option<NodeId>,
    /// It runs although a task has failed, because it waits for that or is needed by one that does.
    pub(super) exempt: bool,
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStage {
    /// It has not started.
    Pending,
    /// It goes on.
    Running,
    /// It waits for a decision only.
    Paused,
    /// It has ended.
    Finished(RunEnd),
}

/// Sorted indexes over the stages; see `RunState::set_stage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Views {
    pub(super) asking: BTreeSet<(Class, NodeId)>,
    pub(super) gate: BTreeSet<(Class, NodeId)>,
    pub(super) deciding: BTreeSet<(Class, NodeId)>,
    pub(super) locking: BTreeSet<(Class, NodeId)>,
    pub(super) ready: BTreeSet<(Class, NodeId)>,
    /// Work that may start once nobody else has the terminal.
    pub(super) for_terminal: BTreeSet<(Class, NodeId)>,
    /// Waits and child runs that may start; they take no slot.
    pub(super) free: BTreeSet<(Class, NodeId)>,
    pub(super) tried: BTreeSet<(Class, NodeId)>,
    pub(super) backoff: BTreeSet<(Class, NodeId)>,
    pub(super) work: BTreeSet<(Class, NodeId)>,
    /// Waits and child runs that are under way.
    pub(super) aside: BTreeSet<(Class, NodeId)>,
    pub(super) ending: BTreeSet<(Class, NodeId)>,
}

impl Views {
    /// The set that such a node is in at this stage.
    pub(super) fn of(
        &mut self,
        stage: Stage,
        spec: &Node,
    ) -> Option<&mut BTreeSet<(Class, NodeId)>> {
        Some(match (stage, &spec.kind) {
            (Stage::Asking, _) => &mut self.asking,
            (Stage::Gate, _) => &mut self.gate,
            (Stage::Deciding, _) => &mut self.deciding,
            (Stage::Locking, _) => &mut self.locking,
            (Stage::Ready, Kind::Work(_)) if spec.rules().interactive => &mut self.for_terminal,
            (Stage::Ready, Kind::Work(_)) => &mut self.ready,
            (Stage::Ready, _) => &mut self.free,
            (Stage::Tried, _) => &mut self.tried,
            (Stage::Backoff, _) => &mut self.backoff,
            (Stage::Active, Kind::Work(_)) => &mut self.work,
            (Stage::Active, Kind::Wait { .. } | Kind::Child) => &mut self.aside,
            (Stage::Ending(_), _) => &mut self.ending,
            (Stage::Idle | Stage::Refused | Stage::Active | Stage::Done(_), _) => return None,
        })
    }

    /// The sets of those nodes that wait for something, without the running work and the open gates.
    pub(super) fn going(&self) -> [&BTreeSet<(Class, NodeId)>; 9] {
        [
            &self.asking,
            &self.gate,
            &self.locking,
            &self.ready,
            &self.for_terminal,
            &self.free,
            &self.tried,
            &self.backoff,
            &self.aside,
        ]
    }
}

/// The state of a run.
#[derive(Clone, Debug)]
pub struct RunState {
    pub(super) plan: Arc<Plan>,
    pub(super) seed: u64,
    /// The trigger that started it.
    pub(super) trigger: Option<Triggered>,
    pub(super) seq: u64,
    pub(super) stage: RunStage,
    pub(super) stop: Option<Stop>,
    /// What the run will have come to once all has stopped.
    pub(super) verdict: Option<RunEnd>,
    pub(super) rejected: bool,
    pub(super) halted: bool,
    /// What it is made of has changed while it went on.
    pub(super) outdated: bool,
    pub(super) failed: u32,
    pub(super) live: u32,
    /// How many turns of the tasks that were asked for have begun.
    pub(super) turn: usize,
    /// How many tasks somebody needs, or may need, that have not ended.
    pub(super) open: u32,
    pub(super) nodes: Vec<NodeState>,
    /// By the number of the task's node; `None` for nodes that are no task of the graph.
    pub(super) tasks: Vec<Option<Box<TaskState>>>,
    /// What the items of the loops that have been expanded are called.
    pub(super) item_names: BTreeMap<NodeId, Arc<[String]>>,
    pub(super) views: Views,
    pub(super) timers: BTreeSet<(Timestamp, NodeId)>,
    pub(super) started_at: Option<Timestamp>,
    /// When it started, or was last taken up again: the time in which nothing ran does not count.
    pub(super) goes_on_since: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    /// It has to have locks before anything goes on: its own, and when it was taken up those of what was under way.
    pub(super) lacks_locks: bool,
    /// Nodes that `settle` has to look at again. A hint and no state: what it finds there follows from the rest.
    pub(super) review: BTreeSet<NodeId>,
    /// Tasks whose early condition is being asked: whether what they need is part of the run is not known yet.
    pub(super) undecided: BTreeSet<NodeId>,
    /// Tasks that wait for nothing any more but for those that they come after.
    pub(super) lined_up: BTreeSet<NodeId>,
    /// The tasks that wait for each task, by node number; follows from the plan.
    pub(super) dependents: Arc<Dependents>,
    /// The tasks that come after each task, likewise.
    pub(super) followers: Arc<Dependents>,
    /// The tasks that were asked for, by their turns, likewise.
    pub(super) turns: Arc<Turns>,
}

/// Two states are equal when the same facts may follow; what is only a hint or follows from the plan does not count.
impl PartialEq for RunState {
    fn eq(&self, other: &Self) -> bool {
        (self.seq, self.stage, self.stop, self.rejected)
            == (other.seq, other.stage, other.stop, other.rejected)
            && (self.seed, &self.trigger) == (other.seed, &other.trigger)
            && (self.verdict, self.halted) == (other.verdict, other.halted)
            && self.outdated == other.outdated
            && (self.failed, self.live) == (other.failed, other.live)
            && (self.turn, self.open) == (other.turn, other.open)
            && (self.started_at, self.finished_at) == (other.started_at, other.finished_at)
            && self.goes_on_since == other.goes_on_since
            && self.lacks_locks == other.lacks_locks
            && self.nodes == other.nodes
            && self.tasks == other.tasks
            && (&self.views, &self.item_names) == (&other.views, &other.item_names)
            && self.timers == other.timers
            && (&self.undecided, &self.lined_up) == (&other.undecided, &other.lined_up)
    }
}

impl Eq for RunState {}

/// For each task the tasks that wait for it, and how it must have ended for them, as one flat list.
#[derive(Debug)]
pub(super) struct Dependents {
    starts: Vec<u32>,
    list: Vec<Need>,
}

impl Dependents {
    /// The tasks that need each task.
    fn of(plan: &Plan) -> Self {
        Self::by(plan, |task| task.needs.iter().copied())
    }

    /// The tasks that come after each task.
    fn after(plan: &Plan) -> Self {
        Self::by(plan, |task| {
            let on = On::Done;
            task.after.iter().map(move |task| Need { task: *task, on })
        })
    }

    fn by<'p, I: Iterator<Item = Need>>(plan: &'p Plan, of: impl Fn(&'p Task) -> I) -> Self {
        let mut starts = vec![0_u32; plan.nodes.len() + 1];
        let edges = || {
            plan.tasks()
                .flat_map(|(id, task)| of(task).map(move |need| (need, id)))
        };
        for (need, _) in edges() {
            starts[need.task.index() + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let nobody = Need {
            task: NodeId(0),
            on: On::Done,
        };
        let mut list = vec![nobody; starts.last().copied().unwrap_or(0) as usize];
        for (need, dependent) in edges() {
            let place = &mut next[need.task.index()];
            list[*place as usize] = Need {
                task: dependent,
                on: need.on,
            };
            *place += 1;
        }
        Self { starts, list }
    }

    pub(super) fn of_task(&self, task: NodeId) -> &[Need] {
        match self.starts.get(task.index()..task.index() + 2) {
            Some(&[from, to]) => &self.list[from as usize..to as usize],
            _ => &[],
        }
    }
}

impl NodeState {
    pub(super) fn new(spec: NodeId, parent: Option<NodeId>) -> Self {
        Self {
            spec,
            parent,
            item: None,
            stage: Stage::Idle,
            attempt: 0,
            uncounted: 0,
            round: 0,
            until: None,
            began_at: None,
            stop: None,
            begun: false,
            worked: false,
            locked: false,
            doubtful: false,
            approvals: Vec::new(),
            reason: None,
            exit_code: None,
            children: Children::default(),
        }
    }

    /// How it ended, if it has.
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.stage {
            Stage::Done(outcome) => Some(outcome),
            _ => None,
        }
    }
}

impl RunState {
    /// The state before the first fact.
    pub fn new(plan: Arc<Plan>) -> Self {
        let numbered = plan.nodes.iter().enumerate();
        let nodes = numbered
            .map(|(index, node)| NodeState::new(NodeId::at(index), node.parent))
            .collect();
        let task = |node: &Node| {
            let waiting = u32::try_from(node.task.as_deref()?.needs.len()).unwrap_or(u32::MAX);
            Some(Box::new(TaskState {
                waiting,
                ..TaskState::default()
            }))
        };
        Self {
            seed: 0,
            trigger: None,
            seq: 0,
            stage: RunStage::Pending,
            stop: None,
            verdict: None,
            rejected: false,
            halted: false,
            outdated: false,
            failed: 0,
            live: 0,
            turn: 0,
            open: 0,
            nodes,
            tasks: plan.nodes.iter().map(task).collect(),
            item_names: BTreeMap::new(),
            views: Views::default(),
            timers: BTreeSet::new(),
            started_at: None,
            goes_on_since: None,
            lacks_locks: false,
            finished_at: None,
            review: BTreeSet::new(),
            undecided: BTreeSet::new(),
            lined_up: BTreeSet::new(),
            dependents: Arc::new(Dependents::of(&plan)),
            followers: Arc::new(Dependents::after(&plan)),
            turns: Arc::new(plan.turns()),
            plan,
        }
    }

    /// What makes the random part of delays another one in each run.
    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    /// The trigger that started it.
    pub const fn trigger(&self) -> Option<&Triggered> {
        self.trigger.as_ref()
    }

    /// The plan that it follows.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The number of the last fact; zero before the first.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether it goes on.
    pub const fn stage(&self) -> RunStage {
        self.stage
    }

    /// How it was told to stop, if it was.
    pub const fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// When it started.
    pub const fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// When it finished.
    pub const fn finished_at(&self) -> Option<Timestamp> {
        self.finished_at
    }

    /// The state of a node.
    pub fn node(&self, id: NodeId) -> &NodeState {
        &self.nodes[id.index()]
    }

    /// How many nodes there are, instances of loops included.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The node of the plan behind a node.
    pub fn spec(&self, id: NodeId) -> &Node {
        self.plan.node(self.node(id).spec)
    }

    /// What the plan says of a node beyond what it does.
    pub fn rules(&self, id: NodeId) -> &Rules {
        self.spec(id).rules()
    }

    /// The work that runs at the moment.
    pub fn running(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.views.work.iter().map(|(_, node)| *node)
    }

    /// The work that has the terminal to itself at the moment.
    pub fn at_terminal(&self) -> Option<NodeId> {
        self.running().find(|node| self.rules(*node).interactive)
    }

    /// When the next timer fires.
    pub fn next_timer(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        timer.into_iter().chain(self.deadline()).min()
    }

    /// When the run has taken as long as it may, unless it is being stopped already.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let counts = self.stop.is_none() && !self.lacks_locks;
        let micros = self.plan.timeout_micros.filter(|_| counts)?;
        Some(
            // The time in which nothing ran does not count.
            self.goes_on_since?
                .plus(std::time::Duration::from_micros(micros)),
        )
    }

    /// Whether nothing more will happen in this process: it is finished, or paused, or was interrupted and all that ran has
    /// ended.
    pub fn is_quiet(&self) -> bool {
        match self.stage {
            RunStage::Pending => false,
            RunStage::Finished(_) | RunStage::Paused => true,
            RunStage::Running => {
                self.is_interrupted() && self.views.work.is_empty() && !self.handlers_pending()
            }
        }
    }

    /// Whether it was told to stop in a way that it can be resumed from.
    pub fn is_interrupted(&self) -> bool {
        self.stop
            .is_some_and(|stop| stop.outcome == Outcome::Interrupted)
    }

    /// Whether what it is made of has changed, so that nothing new begins.
    pub fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// Whether this question is still to be answered.
    pub fn asks(&self, id: NodeId, round: u32) -> bool {
        let node = self.node(id);
        (node.stage, node.round) == (Stage::Asking, round) && self.stopped(id).is_none()
    }

    /// Whether a node waits for its locks, as it did when it asked for them in this round.
    pub fn locks(&self, id: NodeId, round: u32) -> bool {
        let node = self.node(id);
        (node.stage, node.round) == (Stage::Locking, round) && self.stopped(id).is_none()
    }

    /// Whether the run has to have locks before anything goes on: its own, and when it was taken up those of what was under way.
    pub const fn lacks_locks(&self) -> bool {
        self.lacks_locks
    }

    /// The nodes that hold locks, or did when the run was interrupted.
    pub fn holders(&self) -> impl Iterator<Item = NodeId> + '_ {
        let holds = |(_, node): &(usize, &NodeState)| node.locked;
        let nodes = self.nodes.iter().enumerate().filter(holds);
        nodes.map(|(index, _)| NodeId::at(index))
    }

    /// The node that stands beneath another as a node of the plan does beneath the one behind it.
    pub fn instance_beneath(&self, near: NodeId, spec: NodeId) -> Option<NodeId> {
        let instance = self.instance_of(near, spec);
        (instance.index() < self.nodes.len()).then_some(instance)
    }

    /// The node that a node is part of.
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.node(id).parent
    }

    /// Which item of its loop a node is, counted from 0, if it is the body of one.
    pub fn item_index(&self, id: NodeId) -> Option<u32> {
        self.node(id).item
    }

    /// The instances of a loop that has been expanded, in the order of its items.
    pub fn instances(&self, id: NodeId) -> Vec<NodeId> {
        let Some((first, count)) = self.node(id).children.instances else {
            return Vec::new();
        };
        let size = self.instance_size(id);
        (0..count)
            .map(|place| NodeId(first.0 + place * size))
            .collect()
    }

    /// All nodes that a node is made of, itself first, those of expanded loops too.
    pub fn subtree(&self, id: NodeId) -> Vec<NodeId> {
        let shift = id.0 - self.node(id).spec.0;
        let end = self.plan.subtree_end(self.node(id).spec).0 + shift;
        let mut all: Vec<NodeId> = Vec::new();
        let mut left = vec![(id.0, end)];
        while let Some((from, to)) = left.pop() {
            for node in (from..to).map(NodeId) {
                all.push(node);
                let size = self.instance_size(node);
                if let Some((first, count)) = self.node(node).children.instances {
                    left.push((first.0, first.0 + count * size));
                }
            }
        }
        all
    }

    /// What made a node fail: the innermost step below it that did.
    pub fn failed_below(&self, id: NodeId) -> NodeId {
        let mut at = id;
        loop {
            let children =
                (0..self.node(at).children.entered).filter_map(|place| self.child(at, place));
            let failed = |child: &NodeId| {
                let outcome = self.node(*child).outcome();
                outcome.is_some_and(|outcome| {
                    outcome.is_failure() && !self.counts_as_ok(*child, outcome)
                })
            };
            let mut children = children.filter(failed);
            match children.next() {
                Some(child) => at = child,
                None => return at,
            }
        }
    }

    fn handlers_pending(&self) -> bool {
        let handler = |set: &BTreeSet<(Class, NodeId)>| {
            set.first()
                .is_some_and(|(class, _)| *class == Class::Handler)
        };
        let may = !self.lacks_locks && !self.stop.is_some_and(|stop| stop.now);
        may && self.views.going().into_iter().any(handler)
    }

    /// Which classes may go on at the moment: those up to the one returned.
    pub(super) fn open_class(&self) -> Option<Class> {
        self.class_limit().filter(|_| !self.lacks_locks)
    }

    /// The same, whatever locks the run still has to get.
    pub(super) fn class_limit(&self) -> Option<Class> {
        match self.stop {
            Some(stop) if stop.now => None,
            Some(_) => Some(Class::Handler),
            None if self.halted => Some(Class::Begun),
            None => Some(Class::New),
        }
    }

    /// The name of the item that a node is of, where its task is a loop and the record has names.
    pub fn item_name_of(&self, id: NodeId) -> Option<&str> {
        let (node, _) = self.source_of(id);
        let names = self.item_names.get(&self.node(node).parent?)?;
        Some(names.get(self.node(node).item? as usize)?)
    }

    /// What the output of a node is shown under: its task, or the item where the task is a loop.
    pub fn source_of(&self, id: NodeId) -> (NodeId, Cow<'_, str>) {
        let (mut at, mut item) = (id, None);
        while let Some(parent) = self.node(at).parent {
            item = self.node(at).item.map(|item| (at, parent, item));
            at = parent;
        }
        let task = self.spec(at).task.as_deref();
        let name = task.map_or("", |task| &task.name);
        match item {
            Some((node, parent, item)) => (
                node,
                Cow::Owned(format!("{name}{}", self.item(parent, item))),
            ),
            None => (at, Cow::Borrowed(name)),
        }
    }

    /// The first node of a view that may go on.
    pub(super) fn first_open(&self, view: &BTreeSet<(Class, NodeId)>) -> Option<NodeId> {
        let (class, node) = view.first()?;
        (Some(*class) <= self.open_class()).then_some(*node)
    }

    /// The task of the graph that a node belongs to, with its name.
    pub fn task_of(&self, id: NodeId) -> (NodeId, &str) {
        let mut at = id;
        while let Some(parent) = self.node(at).parent {
            at = parent;
        }
        (
            at,
            self.spec(at).task.as_deref().map_or("", |task| &task.name),
        )
    }

    /// What people call a node: its task, the item where the task is a loop, and the step: `build`, `build 2`, `test(unit) deploy.1`.
    pub fn address(&self, id: NodeId) -> Address<'_> {
        self.addressed(id, &|loop_node, item| self.item(loop_node, item), true)
    }

    /// The same by numbers alone, as in records of every version: `build 2`, `test[3] 2.1`.
    pub fn numbered(&self, id: NodeId) -> Address<'_> {
        self.addressed(id, &|_, item| format!("[{item}]"), false)
    }

    /// An item as people know it, in brackets: by its name, by its number where the record has no names.
    fn item(&self, loop_node: NodeId, item: u32) -> String {
        let names = self.item_names.get(&loop_node);
        match names.and_then(|names| names.get(item as usize)) {
            Some(name) => format!("({name})"),
            None => format!("[{item}]"),
        }
    }

    fn addressed(
        &self,
        id: NodeId,
        item_name: &dyn Fn(NodeId, u32) -> String,
        named: bool,
    ) -> Address<'_> {
        let mut steps = Vec::new();
        let mut items = String::new();
        let mut at = id;
        loop {
            let node = self.node(at);
            let task = self.plan.node(node.spec).task.as_deref();
            let (None, Some(parent)) = (task, node.parent) else {
                steps.reverse();
                return Address {
                    task: task.map_or("", |task| &task.name),
                    items,
                    step: steps.join("."),
                };
            };
            match node.item {
                Some(item) => items = item_name(parent, item) + &items,
                None => {
                    let step = self.step_name(parent, node.spec, named);
                    steps.push(step + &std::mem::take(&mut items));
                }
            }
            at = parent;
        }
    }

    fn step_name(&self, parent: NodeId, child: NodeId, named: bool) -> String {
        let handlers = &self.rules(parent).handlers;
        let child_node = self.plan.node(child);
        if let Some(name) = child_node.name.as_ref().filter(|_| named) {
            return name.to_string();
        }
        match child_node.step {
            0 if handlers.finally == Some(child) => "finally".to_owned(),
            0 if handlers.on_failure == Some(child) => "on_failure".to_owned(),
            0 => "on_success".to_owned(),
            number => number.to_string(),
        }
    }
}

/// What people call a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The name of its task.
    pub task: &'a str,
    /// Which item of a task that is a loop, as `(main.c)`, or `[3]` where the record has no names; empty for other tasks.
    pub items: String,
    /// Which step of the task, by its name or its number counted from 1, with the steps inside after dots and the items of
    /// loops in brackets (`2(main.c).link`); empty for the task itself.
    pub step: String,
}
