//! Where in a run something is evaluated: which item of which loop, in which call, after which failure.

use std::sync::Arc;

use crate::model::id::NodeId;
use crate::model::plan::{Kind, Plan};

/// A node and all that it is part of, the innermost first. Empty where nothing runs.
#[derive(Clone, Debug, Default)]
pub struct Here {
    levels: Arc<[Level]>,
    /// How many of the innermost levels are hidden, because what is evaluated stands further out.
    hidden: usize,
    /// What went wrong before the handlers that this is in, each with the place of its handler in `levels`.
    errors: Arc<[(usize, Failure)]>,
}

/// One node on the way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The node.
    pub id: NodeId,
    /// The node of the plan that it is, or is an instance of.
    pub spec: NodeId,
    /// Which item it is, counted from 0, if it is the body of a loop.
    pub index: Option<u32>,
}

/// What is known of a failure, for the handlers after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// What happened, as a sentence.
    pub message: String,
    /// The exit code, if a process had one.
    pub exit_code: Option<i32>,
    /// The task.
    pub task: String,
    /// The step of the task, such as `2` or `2.1`.
    pub step: String,
}

impl Here {
    /// The place of a node, given with all that it is part of, the innermost first.
    ///
    /// `errors` is what went wrong before the handlers among them, by their places.
    pub fn new(levels: Vec<Level>, errors: Vec<(usize, Failure)>) -> Self {
        Self {
            levels: levels.into(),
            hidden: 0,
            errors: errors.into(),
        }
    }

    /// The place of a node of the plan as if the run were there, in no item of any loop.
    pub(super) fn at_rest(plan: &Plan, node: NodeId) -> Self {
        let mut levels = Vec::new();
        let mut at = Some(node);
        while let Some(id) = at {
            levels.push(Level {
                id,
                spec: id,
                index: None,
            });
            at = plan.node(id).parent;
        }
        Self::new(levels, Vec::new())
    }

    /// The places of the items of the loop that is here, whose body is this node of the plan. Their numbers are ones that no node
    /// of the plan has.
    pub(super) fn items(&self, plan: &Plan, body: NodeId, count: u32) -> Vec<Self> {
        let size = plan.subtree_end(body).0 - body.0;
        let first = u32::try_from(plan.nodes.len()).unwrap_or(u32::MAX);
        let item = |index: u32| {
            let own = Level {
                id: NodeId(first.saturating_add(index.saturating_mul(size))),
                spec: body,
                index: Some(index),
            };
            Self::new([&[own], self.shown()].concat(), Vec::new())
        };
        (0..count).map(item).collect()
    }

    /// What went wrong before the innermost handler that this is in.
    pub(super) fn error(&self) -> Option<&Failure> {
        let errors = self.errors.iter();
        let mut shown = errors.filter(|(at, _)| *at >= self.hidden);
        shown.next().map(|(_, error)| error)
    }

    fn shown(&self) -> &[Level] {
        &self.levels[self.hidden.min(self.levels.len())..]
    }

    /// The node itself.
    pub(super) fn node(&self) -> Option<NodeId> {
        self.shown().first().map(|level| level.id)
    }

    /// The instance of a loop that this is in, and which item of it.
    pub(super) fn item(&self, looped: NodeId) -> Option<(NodeId, u32)> {
        let levels = self.shown();
        let at = levels.iter().position(|level| level.spec == looped)?;
        Some((levels[at].id, levels.get(at.checked_sub(1)?)?.index?))
    }

    /// The task that this is in: a task of the graph, one that was called, or the item of such a one.
    pub(super) fn task(&self, plan: &Plan) -> Option<NodeId> {
        self.boundary(plan).map(|at| self.shown()[at].id)
    }

    /// What the outputs of this belong to: itself and all that it is part of, up to its task.
    pub(super) fn up_to_task(&self, plan: &Plan) -> Vec<NodeId> {
        let end = self.boundary(plan).map_or(0, |at| at + 1);
        let levels = self.shown().iter().take(end);
        levels.map(|level| level.id).collect()
    }

    /// The node and all that it is part of.
    pub(super) fn all(&self) -> Vec<NodeId> {
        self.shown().iter().map(|level| level.id).collect()
    }

    fn boundary(&self, plan: &Plan) -> Option<usize> {
        let levels = self.shown();
        // What is evaluated at a call itself, its condition and its values, belongs to the caller.
        let at = levels.iter().enumerate().position(|(at, level)| {
            let node = plan.node(level.spec);
            node.parent.is_none() || at > 0 && node.called.is_some()
        })?;
        // Of a task that is a loop each item has outputs of its own.
        let root = if plan.node(levels[at].spec).called.is_some() {
            at.checked_sub(1)
        } else {
            Some(at)
        };
        let looped =
            root.filter(|root| matches!(plan.node(levels[*root].spec).kind, Kind::Loop { .. }));
        Some(looped.and_then(|root| root.checked_sub(1)).unwrap_or(at))
    }

    /// Where the task was called.
    pub(super) fn caller(&self, plan: &Plan) -> Self {
        let call = self
            .shown()
            .iter()
            .enumerate()
            .position(|(at, level)| at > 0 && plan.node(level.spec).called.is_some());
        // The call itself is a step of the caller; what called a task of the graph is not running any more.
        let hidden = call.map_or(self.levels.len(), |at| self.hidden + at);
        Self {
            levels: Arc::clone(&self.levels),
            hidden,
            errors: Arc::clone(&self.errors),
        }
    }

    /// The place of a node of the plan below the one that is here, whose node of the plan is `of`; nowhere in a run if this is
    /// not in one.
    pub fn below(&self, plan: &Plan, of: NodeId, spec: NodeId) -> Self {
        let Some(own) = self.shown().first() else {
            return self.clone();
        };
        let shift = own.id.0 - own.spec.0;
        let mut levels = Vec::new();
        let mut at = spec;
        while at != of {
            levels.push(Level {
                id: NodeId(at.0 + shift),
                spec: at,
                index: None,
            });
            let Some(parent) = plan.node(at).parent else {
                break;
            };
            at = parent;
        }
        levels.extend_from_slice(self.shown());
        Self::new(levels, Vec::new())
    }

    /// The node that stands to `spec` as this does to the nodes of the plan: the one of the same item.
    pub(super) fn instance(&self, plan: &Plan, spec: NodeId) -> NodeId {
        for level in self.shown() {
            let within = level.spec <= spec && spec < plan.subtree_end(level.spec);
            if level.index.is_some() && within {
                return NodeId(spec.0 + (level.id.0 - level.spec.0));
            }
        }
        // Below an instance all nodes are shifted alike; above every loop nothing is.
        spec
    }
}
