//! What a plan without races and accidents comes to, computed straight from its structure: no queue, no time, no facts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flow::core::decide::Answer;
use flow::core::fact::{Outcome, RunEnd};
use flow::model::id::NodeId;
use flow::model::plan::{Group, Kind, Need, On, Plan};

use crate::world::Fates;

/// How each task ends; `None` for one that nobody needs.
pub(crate) fn outcomes(plan: &Plan, fates: &Fates) -> BTreeMap<NodeId, Option<Outcome>> {
    let mut oracle = Oracle {
        plan,
        fates,
        executions: HashMap::new(),
        ends: BTreeMap::new(),
        not_asked_for: BTreeSet::new(),
    };
    for asked in &plan.asked {
        oracle.demand(*asked);
    }
    let tasks = plan.tasks().map(|(id, _)| id);
    tasks
        .map(|id| (id, oracle.ends.get(&id).copied()))
        .collect()
}

struct Oracle<'a> {
    plan: &'a Plan,
    fates: &'a Fates,
    executions: HashMap<String, u32>,
    ends: BTreeMap<NodeId, Outcome>,
    /// Tasks that were skipped before anything was run for their sake.
    not_asked_for: BTreeSet<NodeId>,
}

/// Where a node stands, as `t1[0]/2/finally`.
#[derive(Clone)]
struct Place(String);

impl Place {
    fn step(&self, step: &str) -> Self {
        Self(format!("{}/{step}", self.0))
    }

    fn item(&self, index: u32) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl<'a> Oracle<'a> {
    fn needs(&self, id: NodeId) -> &'a [Need] {
        &self.plan.node(id).task.as_ref().expect("a task").needs
    }

    /// Somebody needs this task; how it ends.
    fn demand(&mut self, id: NodeId) -> Outcome {
        if let Some(end) = self.ends.get(&id) {
            return *end;
        }
        let task = self.plan.node(id).task.as_ref().expect("a task");
        let end = if task.ask_first && self.fates.first_answer(&task.name) != Answer::Go {
            self.not_asked_for.insert(id);
            Outcome::Skipped
        } else {
            self.task(id)
        };
        self.ends.insert(id, end);
        end
    }

    fn task(&mut self, id: NodeId) -> Outcome {
        let needs = self.needs(id);
        for need in needs {
            self.demand(need.task);
        }
        // In the place of what was skipped.
        let nothing = |kind: &Kind| matches!(kind, Kind::Group(group) if group.children.is_empty());
        let mut level = match nothing(&self.plan.node(id).kind) {
            true => Vec::new(),
            false => needs.to_vec(),
        };
        let mut known = needs.to_vec();
        while !level.is_empty() {
            let (mut left, mut handed) = (level, Vec::new());
            while let Some(need) = left.pop() {
                let other = self.plan.node(need.task);
                let hands_on = other.task.as_ref().is_some_and(|task| task.hands_on);
                let skipped = hands_on && self.not_asked_for.contains(&need.task);
                if need.on == On::Failure || !(skipped || nothing(&other.kind)) {
                    continue;
                }
                for one in self
                    .needs(need.task)
                    .iter()
                    .filter(|one| one.on != On::Failure)
                {
                    let on = if need.on == On::Done {
                        On::Done
                    } else {
                        one.on
                    };
                    let one = Need { on, ..*one };
                    if !skipped {
                        left.push(one);
                    } else if !known.contains(&one) {
                        known.push(one);
                        handed.push(one);
                    }
                }
            }
            for one in &handed {
                self.demand(one.task);
            }
            level = handed;
        }
        if let Some(end) = self.held_back(&known) {
            return end;
        }
        let place = Place(
            self.plan
                .node(id)
                .task
                .as_ref()
                .expect("a task")
                .name
                .clone(),
        );
        self.node(id, &place)
    }

    /// How a task ends whose needs, all of which have ended, did not end as it wants.
    fn held_back(&self, needs: &[Need]) -> Option<Outcome> {
        let ok = |need: &Need| self.ok(need.task, self.ends[&need.task]);
        if needs.iter().any(|need| need.on == On::Success && !ok(need)) {
            return Some(Outcome::Blocked);
        }
        let unmet = needs.iter().any(|need| need.on == On::Failure && ok(need));
        unmet.then_some(Outcome::Skipped)
    }

    fn ok(&self, id: NodeId, outcome: Outcome) -> bool {
        let ignored = outcome == Outcome::Failed && self.plan.node(id).rules().ignore_error;
        matches!(
            outcome,
            Outcome::Succeeded | Outcome::Skipped | Outcome::UpToDate
        ) || ignored
    }

    fn node(&mut self, id: NodeId, place: &Place) -> Outcome {
        let node = self.plan.node(id);
        let mut answer = Answer::Go;
        if node.rules().ask || node.kind == Kind::Check {
            answer = self.fates.answer(&place.0, &node.kind);
        }
        match answer {
            Answer::Skip(_) => return Outcome::Skipped,
            Answer::UpToDate => return Outcome::UpToDate,
            Answer::Fail(_) => return Outcome::Failed,
            _ => {}
        }
        let mut outcome = Outcome::Failed;
        for _ in 0..node.rules().retry.attempts {
            outcome = self.once(id, place, &answer);
            if outcome == Outcome::Succeeded || !matches!(outcome, Outcome::Failed) {
                break;
            }
        }
        self.handlers(id, place, outcome)
    }

    fn handlers(&mut self, id: NodeId, place: &Place, outcome: Outcome) -> Outcome {
        let handlers = &self.plan.node(id).rules().handlers;
        let (name, first) = match outcome {
            Outcome::Succeeded => ("on_success", handlers.on_success),
            _ => ("on_failure", handlers.on_failure),
        };
        let mut end = outcome;
        for (name, handler) in [(name, first), ("finally", handlers.finally)] {
            let worked = self.worked(place);
            let Some(handler) = handler.filter(|_| name != "finally" || worked) else {
                continue;
            };
            let handled = self.node(handler, &place.step(name));
            if !self.ok(handler, handled) {
                end = Outcome::Failed;
            }
        }
        end
    }

    /// Whether a step of it has run: commands, waits and child runs count, questions don't.
    fn worked(&self, place: &Place) -> bool {
        let below = |key: &String| {
            key.strip_prefix(&place.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
        };
        self.executions.keys().any(below)
    }

    fn once(&mut self, id: NodeId, place: &Place, answer: &Answer) -> Outcome {
        let key = place.0.clone();
        match &self.plan.node(id).kind {
            Kind::Work(_) => {
                let executions = self.executions.entry(key.clone()).or_default();
                *executions += 1;
                if *executions <= self.fates.failures(&key) {
                    Outcome::Failed
                } else {
                    Outcome::Succeeded
                }
            }
            Kind::Wait { .. } => {
                self.executions.insert(key, 1);
                Outcome::Succeeded
            }
            Kind::Check => Outcome::Succeeded,
            Kind::Child => {
                let end = self.fates.child(&key);
                self.executions.insert(key, 1);
                if end == RunEnd::Completed {
                    Outcome::Succeeded
                } else {
                    Outcome::Failed
                }
            }
            Kind::Choice { children } => {
                let Answer::Branch(branch) = answer else {
                    unreachable!("a choice was answered with {answer:?}")
                };
                let step = (branch + 1).to_string();
                let child = children[*branch as usize];
                let outcome = self.node(child, &place.step(&step));
                if self.ok(child, outcome) {
                    Outcome::Succeeded
                } else {
                    Outcome::Failed
                }
            }
            Kind::Loop { body, group } => {
                let Answer::Items(items) = answer else {
                    unreachable!("a loop was answered with {answer:?}")
                };
                let count = u32::try_from(items.len()).expect("few items");
                let children = (0..count).map(|item| (*body, place.item(item))).collect();
                self.children(children, group)
            }
            Kind::Group(group) => {
                let numbered = group.children.iter().enumerate();
                let children = numbered
                    .map(|(index, child)| (*child, place.step(&(index + 1).to_string())))
                    .collect();
                self.children(children, group)
            }
        }
    }

    fn children(&mut self, children: Vec<(NodeId, Place)>, group: &Group) -> Outcome {
        let mut end = Outcome::Succeeded;
        for (child, place) in children {
            let outcome = self.node(child, &place);
            if !self.ok(child, outcome) {
                end = Outcome::Failed;
                if group.stop_on_failure {
                    break;
                }
            }
        }
        end
    }
}
