//! The locks of a run: which ones a node needs, whether they can be had, when they are given back.
//!
//! Locks stand in one another like tasks and the tasks that they call. A task takes what it needs from whoever is nearest above
//! it and holds it, a caller or the run, and from the project ([`crate::lock`]) what nobody above it holds. Among those beneath
//! one holder a lock is had by one at a time. A task that would have to wait for the project while a task above it holds
//! anything fails instead, so that nobody ever waits while holding what another waits for.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::going::Going;
use super::past;
use super::questions::Query;
use crate::core::{Input, RunState, carried};
use crate::eval::here::Here;
use crate::eval::{Evaluator, written};
use crate::exec::family;
use crate::lock::{Busy, Held, Holder, Locks, Place, Taken, Wanted, Who};
use crate::model::id::{NodeId, RunId};
use crate::model::language::rules::wrong_lock_name;
use crate::model::plan::{Kind, LockName};
use crate::model::time::human_fine;
use crate::store::files::Files;

/// The locks of one run.
#[derive(Debug)]
pub struct Locking {
    locks: Locks,
    run: RunId,
    by: String,
    clock: Clock,
    /// Where the output of the project's runs is.
    runs: Files,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What nodes and the run (`None`) have from the project.
    held: HashMap<Option<NodeId>, Vec<Held>>,
    /// What nodes have from those above them: the name and from whom.
    lent: HashMap<NodeId, Vec<(String, Option<NodeId>)>>,
    /// Who has a place in the queue of the project.
    places: HashMap<Query, Place>,
    /// Of whom it was told that they wait.
    told: HashSet<Query>,
}

/// Locks that are asked for.
pub(super) struct LockQuestion {
    pub(super) query: Query,
    /// Those who ask: a node or the run; after an interruption also the tasks that were under way.
    sets: Vec<Set>,
    /// How long they are waited for, where the core does not mind that.
    wait: Option<Duration>,
    /// When it was first asked.
    since: Instant,
}

/// What one node asks for.
struct Set {
    node: Option<NodeId>,
    task: Option<String>,
    /// The nodes above it, the nearest first.
    above: Vec<NodeId>,
    names: Vec<Name>,
}

/// A lock, and what its name is evaluated in.
struct Name {
    lock: LockName,
    /// `None` for one that is no template, and for one of a task that is not known yet.
    here: Option<Here>,
    /// The asking node has it in its own right, and not for a task that it calls.
    own: bool,
}

/// What comes of asking.
pub(super) enum Answered {
    /// This is told to the core.
    Input(Input),
    /// It is asked again then; the first time with something to tell.
    Again(Instant, Option<String>),
}

/// What is missing for a set of locks.
enum Missing {
    /// Somebody has one of them, or has asked before.
    Busy(Box<Busy>),
    /// A task of this run beside the asking one has it.
    Lent(String),
    /// They can't ever be had.
    Never(String),
}

/// How often it is looked again at first, and at last.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(100);

impl Locking {
    /// For a run of this person, with the locks of its project and the records of its runs.
    pub fn new(locks: Locks, runs: Files, run: RunId, by: String, clock: Clock) -> Self {
        Self {
            runs,
            locks,
            run,
            by,
            clock,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back all that a node has.
    pub(super) fn release(&self, node: Option<NodeId>) {
        let mut inner = self.inner();
        inner.held.remove(&node);
        if let Some(node) = node {
            inner.lent.remove(&node);
        }
    }

    /// Who of this run has a lock from the project; the run itself is `None`.
    pub(super) fn holder(&self, name: &str) -> Option<Option<NodeId>> {
        let inner = self.inner();
        let mut all = inner.held.iter();
        let holder = all.find(|(_, held)| held.iter().any(|held| held.name == name));
        holder.map(|(node, _)| *node)
    }

    /// Gives one lock of a node away; it goes on without.
    fn give_away(&self, node: Option<NodeId>, name: &str) {
        if let Some(held) = self.inner().held.get_mut(&node) {
            held.retain(|held| held.name != name);
        }
    }

    /// Nobody asks this any more.
    pub(super) fn forget(&self, query: Query) {
        self.inner().places.remove(&query);
    }

    /// Tries to have what is asked for.
    pub(super) fn answer(&self, question: &LockQuestion, evaluator: &Arc<Evaluator>) -> Answered {
        let now = self.clock.instant();
        let waited = now.saturating_duration_since(question.since);
        let missing = match self.take(question, evaluator) {
            Ok(()) => {
                self.forget(question.query);
                return Answered::Input(question.taken(evaluator));
            }
            Err(Missing::Never(why)) => {
                self.forget(question.query);
                return Answered::Input(question.refused(evaluator.hidden(&why)));
            }
            Err(missing) => missing,
        };
        if let Some(wait) = question.wait.filter(|wait| waited >= *wait) {
            self.forget(question.query);
            let waited = match wait.is_zero() {
                true => "it does not wait".to_owned(),
                false => format!("it waited {}", human_fine(wait)),
            };
            let why = format!("{waited} for {}", missing.told());
            return Answered::Input(question.refused(evaluator.hidden(&why)));
        }
        // It is told once, and not of what is over in a moment.
        let pause = (waited / 8).clamp(LOOK_AGAIN, LOOK_AGAIN_MAX);
        let tells = waited >= TOLD_AFTER && self.inner().told.insert(question.query);
        Answered::Again(now + pause, tells.then(|| missing.told()))
    }

    fn take(&self, question: &LockQuestion, evaluator: &Arc<Evaluator>) -> Result<(), Missing> {
        // Names may have to be evaluated, for which commands may run: before anything is locked.
        let sets = question.sets.iter().map(|set| set.wanted(evaluator));
        let sets = sets
            .collect::<Result<Vec<_>, _>>()
            .map_err(Missing::Never)?;
        let mut inner = self.inner();
        let mut lent: HashMap<NodeId, Vec<(String, Option<NodeId>)>> = HashMap::new();
        let mut from_project: Vec<(usize, Vec<Wanted>)> = Vec::new();
        for (number, (set, wanted)) in question.sets.iter().zip(sets).enumerate() {
            let mut others = Vec::new();
            for lock in wanted {
                // The sets of an interrupted run stand in one another too.
                let earlier = |node: &Option<NodeId>| {
                    let mut earlier = from_project.iter();
                    earlier.any(|(at, locks): &(usize, Vec<Wanted>)| {
                        question.sets[*at].node == *node
                            && locks.iter().any(|one| one.name == lock.name)
                    })
                };
                match inner.nearest(set, &lock.name, earlier) {
                    None => others.push(lock),
                    Some(from) => {
                        if inner.is_lent(from, &lock.name) {
                            return Err(Missing::Lent(lock.name));
                        }
                        if let Some(node) = set.node {
                            lent.entry(node).or_default().push((lock.name, from));
                        }
                    }
                }
            }
            let holds = |node: &NodeId| {
                inner.held.contains_key(&Some(*node)) || inner.lent.contains_key(node)
            };
            if !others.is_empty() && set.above.iter().any(holds) && question.sets.len() == 1 {
                let (name, task) = (&others[0].name, set.task.as_deref().unwrap_or("it"));
                return Err(Missing::Never(format!(
                    "{task} needs the lock '{name}', of which its caller could not know when it took its own: locks are taken \
                     together, so that nobody waits for one with another in hand; give the caller this one too, or none"
                )));
            }
            from_project.push((number, others));
        }
        let all: Vec<Wanted> = from_project
            .iter()
            .flat_map(|(_, locks)| locks.clone())
            .collect();
        if !all.is_empty() {
            let held = self.take_from_project(&mut inner, question, &all)?;
            let nodes: Vec<NodeId> = lent.keys().copied().collect();
            inner.lent.extend(std::mem::take(&mut lent));
            // Not under the lock: it may take as long as the commands of the dead take to end.
            drop(inner);
            let held = end_left(held, &self.run, &self.runs, &self.clock);
            inner = self.inner();
            let held = held.inspect_err(|_| {
                inner.lent.retain(|node, _| !nodes.contains(node));
            })?;
            let mut owners: HashMap<String, Vec<Option<NodeId>>> = HashMap::new();
            for (number, locks) in &from_project {
                let node = question.sets[*number].node;
                for lock in locks {
                    owners.entry(lock.name.clone()).or_default().push(node);
                }
            }
            for held in held {
                // Several have one slot each of the same lock.
                let node = owners.get_mut(&held.name).and_then(Vec::pop).flatten();
                inner.held.entry(node).or_default().push(held);
            }
        }
        inner.lent.extend(lent);
        Ok(())
    }

    /// Takes locks from the project, or a place in its queue.
    fn take_from_project(
        &self,
        inner: &mut Inner,
        question: &LockQuestion,
        all: &[Wanted],
    ) -> Result<Vec<Held>, Missing> {
        let failed =
            |error: std::io::Error| Missing::Never(format!("can't take its locks: {error}"));
        let set = &question.sets[0];
        let who = Who {
            run: self.run.clone(),
            node: set.node,
            task: set.task.clone(),
            pid: std::process::id(),
            by: self.by.clone(),
        };
        let now = self.clock.now();
        let place = inner.places.get(&question.query);
        let busy = match self.locks.take(all, &who, now, place).map_err(failed)? {
            Taken::All(held) => return Ok(held),
            Taken::None(busy) => busy,
        };
        let above = |holder: &Holder| {
            let pid = i32::try_from(holder.who.pid).unwrap_or(0);
            holder.who.run != self.run && family::is_ancestor(pid)
        };
        if let Some(holder) = busy.holder.as_ref().filter(|holder| above(holder)) {
            return Err(Missing::Never(format!(
                "the run {} holds the lock '{}' and waits for this one, which it has started; call the task as a step with 'task' instead",
                holder.who.run, busy.name
            )));
        }
        if place.is_none() {
            let place = self.locks.queue(all, &who, now).map_err(failed)?;
            inner.places.insert(question.query, place);
        }
        Err(Missing::Busy(Box::new(busy)))
    }
}

/// When it is told that a node waits.
const TOLD_AFTER: Duration = Duration::from_millis(50);

/// Ends what those have left that died with one of these locks.
fn end_left(
    held: Vec<Held>,
    own: &RunId,
    runs: &Files,
    clock: &Clock,
) -> Result<Vec<Held>, Missing> {
    let mut ended: Vec<&RunId> = Vec::new();
    for left in held.iter().filter_map(|held| held.left_by.as_ref()) {
        if left == own || ended.contains(&left) {
            continue;
        }
        ended.push(left);
        if let Err(past::Undying(process)) = past::end_left(left, runs, || clock.instant()) {
            return Err(Missing::Never(format!(
                "process {} ({}) of the dead run {left}, which held its lock, can't be ended",
                process.pid.as_raw_nonzero(),
                process.program
            )));
        }
    }
    Ok(held)
}

impl Inner {
    /// Who is nearest above and holds a lock, or has it from another.
    fn nearest(
        &self,
        set: &Set,
        name: &str,
        earlier: impl Fn(&Option<NodeId>) -> bool,
    ) -> Option<Option<NodeId>> {
        let has = |node: &Option<NodeId>| {
            let held = self.held.get(node).into_iter().flatten();
            let lent = node
                .and_then(|node| self.lent.get(&node))
                .into_iter()
                .flatten();
            held.map(|held| held.name.as_str())
                .chain(lent.map(|(name, _)| name.as_str()))
                .any(|known| known == name)
                || earlier(node)
        };
        // The run is above all its nodes, and above the run is nobody.
        let run = set.node.map(|_| None);
        set.above.iter().copied().map(Some).chain(run).find(has)
    }

    /// Whether somebody has a lock from its holder.
    fn is_lent(&self, from: Option<NodeId>, name: &str) -> bool {
        let mut all = self.lent.values().flatten();
        all.any(|(known, holder)| known == name && *holder == from)
    }
}

impl Missing {
    fn what(&self) -> String {
        match self {
            Self::Busy(busy) => format!("the lock '{}'", busy.name),
            Self::Lent(name) => format!("the lock '{name}'"),
            Self::Never(why) => why.clone(),
        }
    }

    /// For people.
    fn told(&self) -> String {
        let Self::Busy(busy) = self else {
            return format!("{}, which another task of this run has", self.what());
        };
        let of = busy.holder.as_ref().map(|holder| {
            let whose = holder.who.task.as_ref();
            let whose = whose.map_or(String::new(), |task| format!("'{task}' of "));
            let since = holder.since.local();
            format!("{whose}run {} has since {since}", holder.who.run)
        });
        let ahead = match busy.ahead {
            0 => None,
            1 => Some("one has asked before".to_owned()),
            many => Some(format!("{many} have asked before")),
        };
        match (of, ahead) {
            (Some(of), None) => format!("{}, which {of}", self.what()),
            (Some(of), Some(ahead)) => format!("{}, which {of}; {ahead}", self.what()),
            (None, Some(ahead)) => format!("{}: {ahead}", self.what()),
            (None, None) => self.what(),
        }
    }
}

impl Set {
    /// What is wanted, as far as it can be known: what a called task needs may follow from what is not there yet.
    fn wanted(&self, evaluator: &Arc<Evaluator>) -> Result<Vec<Wanted>, String> {
        let mut all = Vec::new();
        for name in &self.names {
            match name.wanted(evaluator) {
                Ok(wanted) => all.push(wanted),
                Err(why) if name.own => return Err(why),
                Err(_) => {}
            }
        }
        all.sort();
        all.dedup_by(|one: &mut Wanted, other| one.name == other.name);
        Ok(all)
    }
}

impl Name {
    fn wanted(&self, evaluator: &Arc<Evaluator>) -> Result<Wanted, String> {
        let LockName { text, slots, scope } = &self.lock;
        let wanted = |name: String| Wanted {
            name,
            slots: *slots,
        };
        let Some((_, scope)) = scope else {
            return Ok(wanted(text.text.to_string()));
        };
        let here = self.here.as_ref().ok_or("it is not known yet")?;
        let value = evaluator.text(*scope, text, here);
        let value = value.map_err(|problem| evaluator.told(&problem))?;
        let name = written(&value);
        // What is made from a secret is hidden in the name already, so the name alone does not show it.
        if value.has_secret() || evaluator.has_secret(name.as_bytes()) {
            let why = "the name of a lock is written down, and this one has a secret in it";
            return Err(why.to_owned());
        }
        if let Some(wrong) = wrong_lock_name(&name) {
            return Err(format!("{wrong}, but '{}' is {name:?}", text.text));
        }
        Ok(wanted(name))
    }
}

impl LockQuestion {
    fn names(&self, evaluator: &Arc<Evaluator>) -> Vec<String> {
        let sets = self
            .sets
            .iter()
            .filter_map(|set| set.wanted(evaluator).ok());
        let mut names: Vec<String> = sets.flatten().map(|lock| lock.name).collect();
        names.sort();
        names.dedup();
        names
    }

    fn taken(&self, evaluator: &Arc<Evaluator>) -> Input {
        let names = self.names(evaluator);
        match self.query {
            Query::Locks { node, round } => Input::Locked { node, round, names },
            _ => Input::RunLocked { names },
        }
    }

    fn refused(&self, reason: String) -> Input {
        match self.query {
            Query::Locks { node, round } => Input::Unlockable {
                node,
                round,
                reason,
            },
            _ => Input::RunUnlockable { reason },
        }
    }
}

impl Going<'_> {
    /// What a node asks for, or the run.
    pub(super) fn lock_question(&mut self, query: Query) -> LockQuestion {
        let now = self.clock.instant();
        let since = *self.asked_since.entry(query).or_insert(now);
        let (sets, wait_micros) = match query {
            Query::Locks { node, .. } if self.is_done_before(node) => (Vec::new(), None),
            Query::Locks { node, .. } => (vec![self.set_of(node)], None),
            _ => {
                let plan = Arc::clone(self.state.plan());
                let of_run = plan.locks.as_ref();
                let names = of_run.into_iter().flat_map(|locks| &locks.names);
                let here = |node: NodeId| Some(self.here(node));
                let own = Set {
                    node: None,
                    task: None,
                    above: Vec::new(),
                    names: names
                        .map(|lock| Name {
                            lock: lock.clone(),
                            here: lock.scope.and_then(|(node, _)| here(node)),
                            own: true,
                        })
                        .collect(),
                };
                let holders: Vec<NodeId> = self.state.holders().collect();
                let sets = holders.into_iter().map(|node| self.set_of(node));
                let sets = std::iter::once(own).chain(sets).collect();
                (sets, of_run.and_then(|locks| locks.wait_micros))
            }
        };
        LockQuestion {
            query,
            sets,
            wait: wait_micros.map(Duration::from_micros),
            since,
        }
    }

    /// Whether nothing of a node is to be done, as it was done in the run that this one takes over from.
    fn is_done_before(&self, node: NodeId) -> bool {
        let open = self.carried.as_ref().map(|carried| &carried.open);
        open.is_some_and(|open| open.contains_key(&carried::address(&self.state, node)))
    }

    fn set_of(&self, node: NodeId) -> Set {
        let locks = self.state.rules(node).locks.as_ref();
        let names = locks.into_iter().flat_map(|locks| &locks.names);
        let spec = self.state.node(node).spec;
        let name = |lock: &LockName| {
            let at = lock.scope.map(|(at, _)| at);
            Name {
                lock: lock.clone(),
                here: at
                    .and_then(|at| beneath(&self.state, node, at))
                    .map(|at| self.here(at)),
                own: at.is_none_or(|at| at == spec),
            }
        };
        let mut above = Vec::new();
        let mut at = self.state.parent(node);
        while let Some(parent) = at {
            above.push(parent);
            at = self.state.parent(parent);
        }
        Set {
            node: Some(node),
            task: Some(self.task_name(node)),
            above,
            names: names.map(name).collect(),
        }
    }

    /// What nodes have that ended, or never came to hold it, is given back; what was taken from them is given away.
    pub(super) fn give_back(&self, inputs: &[Input], records: &[crate::core::Record]) {
        use crate::core::fact::Fact;
        let Some(locking) = &self.locking else {
            return;
        };
        for input in inputs {
            match input {
                Input::Locked { node, .. } if !self.state.node(*node).locked => {
                    locking.release(Some(*node));
                }
                _ => {}
            }
        }
        for record in records {
            match &record.fact {
                Fact::LockReleased {
                    node,
                    name: Some(name),
                    ..
                } => locking.give_away(*node, name),
                Fact::LockReleased { node, .. } => locking.release(*node),
                _ => {}
            }
        }
    }
}

/// The node that stands beneath another as a node of the plan does; `None` for what is in a loop that has no items yet.
fn beneath(state: &RunState, node: NodeId, spec: NodeId) -> Option<NodeId> {
    let top = state.node(node).spec;
    let mut at = spec;
    while at != top {
        at = state.plan().node(at).parent?;
        if at != top && matches!(state.plan().node(at).kind, Kind::Loop { .. }) {
            return None;
        }
    }
    state.instance_beneath(node, spec)
}
