//! Moving about in the tree of nodes: whose child is whose, whose turn it is, who has ended.
//!
//! These are the steps that `apply` is made of. They follow from the structure of the plan alone; whatever is a
//! decision (is there another try? is the group settled?) came with the fact.

use std::collections::HashSet;

use super::fact::Outcome;
use super::state::{Children, Class, NodeState, RunState, Stage};
use crate::model::id::NodeId;
use crate::model::plan::{Kind, Need, On, OnFailure, WaitFor};
use crate::model::time::Timestamp;

impl RunState {
    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut NodeState {
        &mut self.nodes[id.index()]
    }

    pub(super) fn task_state(&self, id: NodeId) -> Option<&super::state::TaskState> {
        self.tasks.get(id.index())?.as_deref()
    }

    /// The one door for changes of stage: it keeps the views.
    pub(super) fn set_stage(&mut self, id: NodeId, stage: Stage) {
        let class = self.class_of(id);
        self.set_stage_in(id, stage, class);
    }

    fn set_stage_in(&mut self, id: NodeId, stage: Stage, class: Class) {
        let node = &mut self.nodes[id.index()];
        let spec = &self.plan.nodes[node.spec.index()];
        let before = std::mem::replace(&mut node.stage, stage);
        if let Some(view) = self.views.of(before, spec) {
            for class in [Class::Handler, Class::Begun, Class::New] {
                if view.remove(&(class, id)) {
                    break;
                }
            }
        }
        if let Some(view) = self.views.of(stage, spec) {
            view.insert((class, id));
        }
    }

    pub(super) fn set_timer(&mut self, id: NodeId, until: Option<Timestamp>) {
        let before = std::mem::replace(&mut self.nodes[id.index()].until, until);
        if let Some(at) = before {
            self.timers.remove(&(at, id));
        }
        if let Some(at) = until {
            self.timers.insert((at, id));
        }
    }

    /// How binding it is to go on with this node.
    pub(super) fn class_of(&self, id: NodeId) -> Class {
        let mut at = id;
        while let Some(parent) = self.node(at).parent {
            if self.is_handler(at, parent) {
                return Class::Handler;
            }
            at = parent;
        }
        let exempt = self.task_state(at).is_some_and(|task| task.exempt);
        if self.node(at).worked || exempt {
            Class::Begun
        } else {
            Class::New
        }
    }

    fn is_handler(&self, id: NodeId, parent: NodeId) -> bool {
        let spec = Some(self.node(id).spec);
        let handlers = &self.rules(parent).handlers;
        handlers.finally == spec || handlers.on_failure == spec || handlers.on_success == spec
    }

    /// The stop that holds for a node: its own, or that of the nearest node above it.
    ///
    /// A handler is not stopped with the node that it tidies up after, unless it must end at once.
    pub fn stopped(&self, id: NodeId) -> Option<super::state::Stop> {
        if let Some(stop) = self.stop.filter(|stop| stop.now) {
            return Some(stop);
        }
        let mut in_handler = false;
        let mut at = id;
        loop {
            let node = self.node(at);
            if let Some(stop) = node.stop.filter(|stop| !in_handler || stop.now) {
                return Some(stop);
            }
            let Some(parent) = node.parent else {
                return self.stop.filter(|stop| !in_handler || stop.now);
            };
            in_handler = in_handler || self.is_handler(at, parent);
            at = parent;
        }
    }

    /// The same without its own: whether what is above it stops it.
    pub(super) fn stopped_from_above(&self, id: NodeId) -> Option<super::state::Stop> {
        match self.node(id).parent {
            Some(parent) if self.is_handler(id, parent) => {
                self.stopped(parent).filter(|stop| stop.now)
            }
            Some(parent) => self.stopped(parent),
            None => self.stop,
        }
    }

    /// The size of one instance of a loop's body.
    pub(super) fn instance_size(&self, looped: NodeId) -> u32 {
        match self.spec(looped).kind {
            Kind::Loop { body, .. } => self.plan.subtree_end(body).0 - body.0,
            _ => 1,
        }
    }

    /// How many children a composite node has in this round; `None` for a loop that is not expanded.
    pub(super) fn child_count(&self, id: NodeId) -> Option<u32> {
        let children = &self.node(id).children;
        match &self.spec(id).kind {
            Kind::Loop { .. } => children.instances.map(|(_, count)| count),
            Kind::Choice { .. } => Some(1),
            Kind::Group(group) => Some(u32::try_from(group.children.len()).unwrap_or(u32::MAX)),
            _ => Some(0),
        }
    }

    /// The child of a composite node with this place.
    pub(super) fn child(&self, id: NodeId, place: u32) -> Option<NodeId> {
        let children = &self.node(id).children;
        match &self.spec(id).kind {
            Kind::Loop { .. } => {
                let (first, _) = children.instances?;
                Some(NodeId(first.0 + place * self.instance_size(id)))
            }
            Kind::Choice { children: branches } => branches
                .get(children.branch? as usize)
                .map(|spec| self.instance_of(id, *spec)),
            Kind::Group(group) => group
                .children
                .get(place as usize)
                .map(|spec| self.instance_of(id, *spec)),
            _ => None,
        }
    }

    /// The node that stands to `spec` as `near` does to the node it is an instance of.
    pub(super) fn instance_of(&self, near: NodeId, spec: NodeId) -> NodeId {
        NodeId(spec.0 + (near.0 - self.node(near).spec.0))
    }

    pub(super) fn handler(&self, id: NodeId, spec: Option<NodeId>) -> Option<NodeId> {
        spec.map(|spec| self.instance_of(id, spec))
    }

    /// The handlers that run after `outcome`, in order.
    pub(super) fn handlers_after(&self, id: NodeId, outcome: Outcome) -> Vec<NodeId> {
        let handlers = &self.rules(id).handlers;
        let by_outcome = match outcome {
            Outcome::Succeeded => handlers.on_success,
            outcome if outcome.is_failure() => handlers.on_failure,
            _ => None,
        };
        let finally = handlers.finally.filter(|_| self.node(id).worked);
        [by_outcome, finally]
            .into_iter()
            .filter_map(|spec| self.handler(id, spec))
            .collect()
    }

    /// A node's turn has come.
    pub(super) fn enter(&mut self, id: NodeId) {
        self.node_mut(id).round += 1;
        let stage = if self.rules(id).ask || matches!(self.spec(id).kind, Kind::Check) {
            Some(Stage::Asking)
        } else {
            None
        };
        match stage {
            Some(stage) => self.set_stage(id, stage),
            None => self.after_asking(id),
        }
    }

    pub(super) fn after_asking(&mut self, id: NodeId) {
        if self.rules(id).gate.is_some() {
            self.set_stage(id, Stage::Gate);
        } else {
            self.after_gate(id);
        }
    }

    pub(super) fn after_gate(&mut self, id: NodeId) {
        if self.rules(id).locks.is_some() && !self.node(id).locked {
            self.set_stage(id, Stage::Locking);
            self.review.insert(id);
        } else {
            self.open(id);
        }
    }

    /// It may start: a leaf waits for its slot, a composite hands on to its children.
    pub(super) fn open(&mut self, id: NodeId) {
        if self.spec(id).is_leaf() {
            self.set_stage(id, Stage::Ready);
        } else {
            self.set_stage(id, Stage::Active);
            self.enter_next(id);
            self.review.insert(id);
        }
    }

    /// Lets those children have their turn that may be under way at the same time.
    pub(super) fn enter_next(&mut self, id: NodeId) {
        let (Some(count), Some(group)) = (self.child_count(id), self.spec(id).group()) else {
            return;
        };
        let parallel_max = group.parallel_max.unwrap_or(u32::MAX);
        let stop_on_failure = group.stop_on_failure && group.wait_for == WaitFor::All;
        loop {
            let children = &self.node(id).children;
            let failed = children.done > children.ok;
            let under_way = children.entered - children.done;
            if children.entered == count || under_way >= parallel_max || failed && stop_on_failure {
                return;
            }
            let place = children.entered;
            self.node_mut(id).children.entered += 1;
            if let Some(child) = self.child(id, place) {
                self.enter(child);
            }
        }
    }

    /// A fact has been recorded of this node: it and all above it have begun.
    pub(super) fn begin(&mut self, id: NodeId) {
        let mut at = id;
        while !std::mem::replace(&mut self.node_mut(at).begun, true) {
            match self.node(at).parent {
                Some(parent) => {
                    self.node_mut(parent).children.live += 1;
                    at = parent;
                }
                None => {
                    self.live += 1;
                    self.review.insert(at);
                    return;
                }
            }
        }
    }

    /// A step starts: the try of each node above it has begun with it.
    pub(super) fn work(&mut self, id: NodeId, now: Timestamp) {
        self.begin(id);
        let mut at = Some(id);
        while let Some(node) = at {
            let first = self.node(node).began_at.is_none();
            let parent = self.node(node).parent;
            if !std::mem::replace(&mut self.node_mut(node).worked, true) && parent.is_none() {
                self.reclass(node);
            }
            if first {
                self.node_mut(node).began_at = Some(now);
                let ending = matches!(self.node(node).stage, Stage::Ending(_));
                if !ending && self.stopped(node).is_none() {
                    let timeout = self.rules(node).timeout_micros;
                    let until =
                        timeout.map(|micros| now.plus(std::time::Duration::from_micros(micros)));
                    self.set_timer(node, until);
                }
            }
            at = parent;
        }
    }

    /// A node has ended.
    pub(super) fn finish(&mut self, id: NodeId, outcome: Outcome, reason: Option<String>) {
        self.withdraw_children(id);
        self.set_stage(id, Stage::Done(outcome));
        self.set_timer(id, None);
        let node = self.node_mut(id);
        node.stop = None;
        node.reason = reason;
        let (begun, parent) = (node.begun, node.parent);
        self.review.insert(id);
        match parent {
            Some(parent) => self.child_ended(parent, id, outcome, begun),
            None => self.task_ended(id, outcome, begun),
        }
    }

    fn child_ended(&mut self, parent: NodeId, child: NodeId, outcome: Outcome, begun: bool) {
        let ok = self.counts_as_ok(child, outcome);
        let handler = self.is_handler(child, parent);
        let children = &mut self.node_mut(parent).children;
        children.live -= u32::from(begun);
        if !handler {
            children.done += 1;
            children.ok += u32::from(ok);
            children.won += u32::from(outcome.is_ok() && outcome != Outcome::Skipped);
            if outcome != Outcome::Skipped {
                children.first_ok.get_or_insert(ok);
            }
            if self.node(parent).stage == Stage::Active && self.may_enter(parent) {
                self.enter_next(parent);
            }
        } else {
            self.handler_ended(parent, child, ok);
        }
        if !ok && !handler {
            self.node_mut(parent).exit_code = self.node(child).exit_code;
        }
        self.review.insert(parent);
        if self.is_interrupted() {
            self.review_above(parent);
        }
    }

    fn handler_ended(&mut self, parent: NodeId, handler: NodeId, ok: bool) {
        let finally = self.handler(parent, self.rules(parent).handlers.finally);
        let next = finally.filter(|finally| *finally != handler && self.node(parent).worked);
        self.node_mut(parent).children.handler = next;
        match (self.node(parent).stage, next) {
            (Stage::Ending(Outcome::Succeeded), _) if !ok => {
                self.set_stage(parent, Stage::Ending(Outcome::Failed))
            }
            (Stage::Ending(Outcome::Interrupted), _) => self.review_above(parent),
            _ => {}
        }
        if let Some(next) = next {
            self.enter(next);
        }
    }

    /// All that `id` is part of is to be looked at again.
    pub(super) fn review_above(&mut self, id: NodeId) {
        let mut at = Some(id);
        while let Some(node) = at {
            self.review.insert(node);
            at = self.node(node).parent;
        }
    }

    /// Whether children of this node may still have their turn: not when it is to stop for good.
    fn may_enter(&self, id: NodeId) -> bool {
        let group = self.spec(id).group();
        let children = &self.node(id).children;
        let settled = group.is_some_and(|group| match group.wait_for {
            WaitFor::All => false,
            WaitFor::Any => children.won > 0,
            WaitFor::First => children.first_ok.is_some(),
        });
        !settled
            && self
                .stopped(id)
                .is_none_or(|stop| stop.outcome == Outcome::Interrupted)
    }

    /// Whether what waits for this node's success may begin.
    pub fn counts_as_ok(&self, id: NodeId, outcome: Outcome) -> bool {
        outcome.is_ok() || outcome.is_failure() && self.rules(id).ignore_error
    }

    fn task_ended(&mut self, id: NodeId, outcome: Outcome, begun: bool) {
        self.live -= u32::from(begun);
        self.lined_up.remove(&id);
        if let Some(task) = self.tasks[id.index()].as_deref_mut() {
            self.open -= u32::from(std::mem::take(&mut task.open));
        }
        let ok = self.counts_as_ok(id, outcome);
        if outcome.is_failure() && !ok {
            self.failed += 1;
            if self.plan.on_failure != OnFailure::KeepGoing {
                self.halt();
            }
        }
        let dependents = std::sync::Arc::clone(&self.dependents);
        if self.has_handed_on(id) {
            let handed = self.hand_on(id);
            self.want(handed);
        }
        // What it has handed on is part of the run by now.
        self.is_decided(id);
        let heirs = self
            .task_state(id)
            .map_or_else(Vec::new, |task| task.heirs.clone());
        for dependent in dependents.of_task(id).iter().chain(&heirs) {
            self.need_ended(dependent.task, id, dependent.on, ok);
        }
        let followers = std::sync::Arc::clone(&self.followers);
        for follower in followers.of_task(id) {
            if self.lined_up.contains(&follower.task) {
                self.enter_if_due(follower.task);
            }
        }
        self.next_turn();
    }

    /// When all of one turn has ended, the tasks asked for in the next one have theirs.
    pub(super) fn next_turn(&mut self) {
        while self.open == 0 && self.wants_turn() {}
    }

    /// The tasks asked for in the next turn are wanted, if there is one.
    fn wants_turn(&mut self) -> bool {
        let Some(asked) = self.turns.asked.get(self.turn).cloned() else {
            return false;
        };
        self.turn += 1;
        self.want(asked);
        true
    }

    /// Its early condition is not asked any more: what it needs is part of the run by now, or not for its sake.
    fn is_decided(&mut self, id: NodeId) {
        let last = self.undecided.remove(&id) && self.undecided.is_empty();
        if last || self.class_limit() != Some(Class::New) {
            self.look_along_the_line();
        }
    }

    /// What those wait for that are lined up may not come any more.
    pub(super) fn look_along_the_line(&mut self) {
        let all = self.lined_up.iter().copied().collect();
        self.enter_those_due(all);
    }

    /// Whether what comes after this task waits for it: it is part of the run, or may become so, and will end.
    pub(super) fn is_awaited(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let limit = self.class_limit();
        if node.outcome().is_some() {
            return false;
        }
        if !self.task_state(id).is_some_and(|task| task.wanted) {
            let mut undecided = self.undecided.iter();
            return undecided.any(|other| Some(self.class_of(*other)) <= limit);
        }
        Some(self.class_of(id)) <= limit || node.begun && !self.is_interrupted()
    }

    /// Whether a task that nothing else is in the way of waits for one that it comes after.
    fn is_held_in_line(&mut self, id: NodeId) -> bool {
        let plan = std::sync::Arc::clone(&self.plan);
        let after = plan
            .node(id)
            .task
            .as_deref()
            .map_or(&[][..], |task| &task.after);
        let Some(mut passed) = self.task_state(id).map(|task| task.passed as usize) else {
            return false;
        };
        while after
            .get(passed)
            .is_some_and(|one| self.node(*one).outcome().is_some())
        {
            passed += 1;
        }
        if let Some(task) = self.tasks[id.index()].as_deref_mut() {
            task.passed = u32::try_from(passed).unwrap_or(u32::MAX);
        }
        let left = &after[passed..];
        // What may not go on itself keeps its place: it may when the run is taken up.
        !left.is_empty()
            && (Some(self.class_of(id)) > self.class_limit()
                || left.iter().any(|one| self.is_awaited(*one)))
    }

    /// Nothing new starts; what has begun without a step of it having run is to be looked at again, and open gates.
    pub(super) fn halt(&mut self) {
        if std::mem::replace(&mut self.halted, true) {
            return;
        }
        let waiting = |node: &NodeState| {
            node.stage == Stage::Deciding || node.parent.is_none() && node.begun && !node.worked
        };
        let numbered = self.nodes.iter().enumerate();
        let waiting = numbered
            .filter(|(_, node)| waiting(node))
            .map(|(index, _)| NodeId::at(index));
        self.review.extend(waiting);
        // Nothing new begins, so that nobody waits for a turn; what waits for the failure goes on.
        while self.wants_turn() {}
        self.look_along_the_line();
    }

    fn need_ended(&mut self, id: NodeId, need: NodeId, on: On, ok: bool) {
        let Some(task) = self.tasks[id.index()].as_deref_mut() else {
            return;
        };
        task.waiting -= 1;
        match on {
            On::Success if !ok => task.broken_by = task.broken_by.or(Some(need)),
            On::Failure if ok => task.unmet_by = task.unmet_by.or(Some(need)),
            _ => {}
        }
        // That something was stopped to be made anew is no failure to tidy up after.
        let wants_failure = on != On::Success && !ok && !self.outdated;
        if wants_failure {
            self.exempt(id);
        }
        self.enter_if_due(id);
    }

    /// A task waits for this failure: it and what it needs run although nothing else new does.
    fn exempt(&mut self, id: NodeId) {
        let mut list = vec![id];
        while let Some(id) = list.pop() {
            let Some(task) = self.tasks[id.index()].as_deref_mut() else {
                continue;
            };
            if !std::mem::replace(&mut task.exempt, true) {
                self.reclass(id);
                let plan = std::sync::Arc::clone(&self.plan);
                let needs = plan
                    .node(id)
                    .task
                    .as_deref()
                    .map_or(&[][..], |task| &task.needs);
                let handed = self.task_state(id).map_or(&[][..], |task| &task.handed);
                list.extend(
                    needs
                        .iter()
                        .chain(handed)
                        .map(|need| need.task)
                        .filter(|need| self.node(*need).outcome().is_none()),
                );
            }
        }
        self.look_along_the_line();
    }

    /// Somebody needs these tasks, and so all that they need.
    pub(super) fn want(&mut self, tasks: Vec<NodeId>) {
        let wanted = self.mark_wanted(tasks);
        // Only now it is known which of them come after one another.
        self.enter_those_due(wanted);
    }

    /// Marks these tasks and all that they need as wanted; those are returned of which that is new.
    fn mark_wanted(&mut self, tasks: Vec<NodeId>) -> Vec<NodeId> {
        let plan = std::sync::Arc::clone(&self.plan);
        let (mut list, mut wanted) = (tasks, Vec::new());
        list.reverse();
        while let Some(id) = list.pop() {
            let (Some(spec), Some(task)) = (
                plan.node(id).task.as_deref(),
                self.tasks[id.index()].as_deref_mut(),
            ) else {
                continue;
            };
            let asked = task.asked || !spec.ask_first;
            let ended = matches!(self.nodes[id.index()].stage, Stage::Done(_));
            if !ended && !std::mem::replace(&mut task.open, true) {
                self.open += 1;
            }
            if asked && !task.wanted {
                task.wanted = true;
                list.extend(spec.needs.iter().rev().map(|need| need.task));
                list.extend(self.inherit(id));
                wanted.push(id);
            } else if !asked && self.node(id).stage == Stage::Idle {
                self.node_mut(id).round += 1;
                self.set_stage(id, Stage::Asking);
                self.undecided.insert(id);
            }
        }
        wanted
    }

    /// Lets those of these tasks begin that nothing is in the way of.
    fn enter_those_due(&mut self, tasks: Vec<NodeId>) {
        for id in tasks {
            self.enter_if_due(id);
        }
    }

    fn is_due(&self, id: NodeId) -> bool {
        self.task_state(id).is_some_and(|task| {
            task.wanted && task.waiting == 0 && task.broken_by.is_none() && task.unmet_by.is_none()
        })
    }

    fn enter_if_due(&mut self, id: NodeId) {
        self.review.insert(id);
        if !self.is_due(id) || self.node(id).stage != Stage::Idle {
            return;
        }
        if self.is_held_in_line(id) {
            self.lined_up.insert(id);
        } else {
            self.lined_up.remove(&id);
            self.enter(id);
        }
    }

    /// Whether a task does something itself, and does not only stand for others.
    fn does_something(&self, id: NodeId) -> bool {
        !matches!(&self.spec(id).kind, Kind::Group(group) if group.children.is_empty())
    }

    /// Whether a task was skipped before anything was run for its sake, and hands on what it needs.
    fn has_handed_on(&self, id: NodeId) -> bool {
        let task = self.spec(id).task.as_deref();
        task.is_some_and(|task| task.hands_on)
            && self.node(id).outcome() == Some(Outcome::Skipped)
            && self.task_state(id).is_some_and(|task| !task.asked)
    }

    /// What a task needs from now on in the place of those that were skipped; of these, those are returned that have not ended.
    ///
    /// Those that only stand for others are looked through: what they stand for was to happen before it, too.
    fn inherit(&mut self, id: NodeId) -> Vec<NodeId> {
        let plan = std::sync::Arc::clone(&self.plan);
        let of = |id: NodeId| plan.node(id).task.as_deref();
        let needs = |id: NodeId| of(id).map_or(&[][..], |task| &task.needs);
        let passes = |need: &Need| {
            need.on != On::Failure
                && (self.has_handed_on(need.task) || !self.does_something(need.task))
        };
        if !self.does_something(id) || !needs(id).iter().any(passes) {
            return Vec::new();
        }
        let handed = self.task_state(id).map_or(&[][..], |task| &task.handed);
        let mut known: HashSet<Need> = needs(id).iter().chain(handed).copied().collect();
        let mut left: Vec<Need> = known.iter().copied().filter(passes).collect();
        left.sort_unstable_by_key(|need| (need.task, need.on != On::Success));
        let (mut seen, mut new) = (HashSet::new(), Vec::new());
        while let Some(need) = left.pop() {
            if !seen.insert(need) {
                continue;
            }
            let skipped = self.has_handed_on(need.task);
            for one in needs(need.task).iter().filter(|one| one.on != On::Failure) {
                let on = if need.on == On::Success {
                    one.on
                } else {
                    On::Done
                };
                let one = Need { on, ..*one };
                left.extend(Some(one).filter(passes));
                if skipped && known.insert(one) {
                    new.push(one);
                }
            }
        }
        let new = new.into_iter();
        new.filter_map(|need| self.hand(id, need)).collect()
    }

    /// A task was skipped: those that wait for it and do something themselves need what it needs. What is new of that is returned.
    fn hand_on(&mut self, id: NodeId) -> Vec<NodeId> {
        let dependents = std::sync::Arc::clone(&self.dependents);
        let (mut left, mut seen, mut handed) = (vec![id], HashSet::new(), Vec::new());
        while let Some(at) = left.pop() {
            let heirs = self.task_state(at).map_or(&[][..], |task| &task.heirs);
            let all: Vec<Need> = dependents
                .of_task(at)
                .iter()
                .chain(heirs)
                .copied()
                .collect();
            for dependent in all.into_iter().filter(|one| seen.insert(one.task)) {
                let heir = dependent.task;
                if !self.does_something(heir) || self.has_handed_on(heir) {
                    left.push(heir);
                } else if self.task_state(heir).is_some_and(|task| task.wanted) {
                    handed.extend(self.inherit(heir));
                }
            }
        }
        handed
    }

    /// A task needs another in the place of one that was skipped; that is returned when it has not ended.
    fn hand(&mut self, id: NodeId, need: Need) -> Option<NodeId> {
        let outcome = self.node(need.task).outcome();
        let ok = outcome.is_some_and(|outcome| self.counts_as_ok(need.task, outcome));
        let task = self.tasks[id.index()].as_deref_mut()?;
        task.handed.push(need);
        let exempt = task.exempt;
        if outcome.is_some() {
            if need.on == On::Success && !ok {
                task.broken_by = task.broken_by.or(Some(need.task));
            }
            return None;
        }
        task.waiting += 1;
        let heir = Need {
            task: id,
            on: need.on,
        };
        self.tasks[need.task.index()]
            .as_deref_mut()?
            .heirs
            .push(heir);
        if exempt {
            self.exempt(need.task);
        }
        Some(need.task)
    }

    /// Its early condition was answered with yes: now its needs are run for its sake.
    pub(super) fn asked_first(&mut self, id: NodeId) {
        self.set_stage(id, Stage::Idle);
        if let Some(task) = self.tasks[id.index()].as_deref_mut() {
            task.asked = true;
        }
        self.want(vec![id]);
        self.is_decided(id);
    }

    /// Whether the question that is being answered is the one before the needs.
    pub fn asks_first(&self, id: NodeId) -> bool {
        let early = self
            .plan
            .node(self.node(id).spec)
            .task
            .as_deref()
            .is_some_and(|task| task.ask_first);
        early && self.task_state(id).is_some_and(|task| !task.asked)
    }

    /// Tasks with all that need them, directly or not, each once.
    pub(super) fn with_dependents(&self, tasks: &[NodeId]) -> Vec<NodeId> {
        let mut all: Vec<NodeId> = Vec::new();
        let mut seen = HashSet::new();
        let known = |id: &NodeId| self.plan.nodes.get(id.index()).is_some();
        all.extend(
            tasks
                .iter()
                .copied()
                .filter(known)
                .filter(|id| seen.insert(*id)),
        );
        let mut next = 0;
        while let Some(at) = all.get(next).copied() {
            next += 1;
            let heirs = self.task_state(at).map_or(&[][..], |task| &task.heirs);
            let dependents = self.dependents.of_task(at).iter().chain(heirs);
            all.extend(dependents.map(|one| one.task).filter(|id| seen.insert(*id)));
        }
        all
    }

    /// The nodes below `id` that have had their turn and not ended, itself first; handlers only when one is under way.
    pub(super) fn under_way(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = vec![id];
        let mut next = 0;
        if self.spec(id).is_leaf() {
            return found;
        }
        while let Some(at) = found.get(next).copied() {
            next += 1;
            let entered = self.node(at).children.entered;
            let children = (0..entered).filter_map(|place| self.child(at, place));
            let ending = self.node(at).children.handler;
            let open = |id: &NodeId| !matches!(self.node(*id).stage, Stage::Done(_) | Stage::Idle);
            found.extend(children.chain(ending).filter(open));
        }
        found
    }

    /// Puts the nodes of a task into the views again, after its class has changed.
    fn reclass(&mut self, task: NodeId) {
        for id in self.under_way(task) {
            let stage = self.node(id).stage;
            self.set_stage(id, stage);
        }
    }

    /// Children that had their turn and of which nothing is recorded are as if they had never had it.
    pub(super) fn withdraw_children(&mut self, id: NodeId) {
        let children = &self.node(id).children;
        if children.entered == children.done && children.handler.is_none() {
            return;
        }
        for child in self.under_way(id).into_iter().skip(1) {
            self.withdraw(child);
        }
    }

    /// The same for those only that the stop of the node holds for: handlers that wait for their slot are spared.
    pub(super) fn withdraw_stopped(&mut self, id: NodeId) {
        for child in self.under_way(id).into_iter().skip(1) {
            if self.stopped(child).is_some() {
                self.withdraw(child);
            }
        }
    }

    fn withdraw(&mut self, id: NodeId) {
        if !self.node(id).begun {
            self.set_stage(id, Stage::Idle);
            self.set_timer(id, None);
        }
    }

    /// Makes all below a node new, for its next try; the answer to its own question stays.
    pub(super) fn reset_children(&mut self, id: NodeId) {
        let mut list = vec![id];
        while let Some(at) = list.pop() {
            let entered = self.node(at).children.entered;
            list.extend((0..entered).filter_map(|place| self.child(at, place)));
            let handlers = &self.rules(at).handlers;
            let handlers = [handlers.on_success, handlers.on_failure, handlers.finally];
            list.extend(
                handlers
                    .into_iter()
                    .filter_map(|spec| self.handler(at, spec)),
            );
            let before = std::mem::take(&mut self.node_mut(at).children);
            if at == id {
                let (instances, branch) = (before.instances, before.branch);
                self.node_mut(at).children = Children {
                    instances,
                    branch,
                    ..Children::default()
                };
            } else {
                self.reset(at);
            }
        }
    }

    pub(super) fn reset(&mut self, id: NodeId) {
        self.set_stage(id, Stage::Idle);
        self.set_timer(id, None);
        let node = self.node_mut(id);
        node.uncounted = node.attempt;
        node.stop = None;
        node.begun = false;
        node.worked = false;
        node.began_at = None;
        node.locked = false;
        node.doubtful = false;
        node.approvals = Vec::new();
        node.reason = None;
        node.exit_code = None;
    }

    /// Makes the instances of a loop's body.
    pub(super) fn expand(&mut self, id: NodeId, count: u32) {
        let Kind::Loop { body, .. } = self.spec(id).kind else {
            return;
        };
        let first = NodeId::at(self.nodes.len());
        let size = self.instance_size(id);
        for item in 0..count {
            let shift = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX) - body.0;
            for spec in body.0..body.0 + size {
                let parent = match self.plan.nodes[spec as usize].parent {
                    Some(parent) if spec != body.0 => Some(NodeId(parent.0 + shift)),
                    _ => Some(id),
                };
                let mut node = NodeState::new(NodeId(spec), parent);
                node.item = (spec == body.0).then_some(item);
                self.nodes.push(node);
            }
        }
        self.node_mut(id).children.instances = Some((first, count));
    }
}
