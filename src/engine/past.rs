//! Taking up a run whose process has died: what happened before, and whoever is left of it.
//!
//! The state is the fold of the facts, as always. What was evaluated then serves again, and what commands had handed on is known
//! again, in the order in which it was written down. A command that was under way is ended before anything goes on, so that it
//! never runs twice at the same time.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal as Number;

use super::going::Going;
use crate::core::carried::Carried;
use crate::core::fact::{Fact, Record, Triggered};
use crate::core::state::RunStage;
use crate::core::{Input, RunState};
use crate::eval::here::Here;
use crate::eval::kept::Kept;
use crate::exec::family;
use crate::exec::remains::{self, Started};
use crate::model::id::{NodeId, RunId};
use crate::model::time::Timestamp;
use crate::store;
use crate::store::files::Files;
use crate::store::line::Chain;

/// What has happened in a run before it is taken up.
#[derive(Debug)]
pub struct Past {
    /// The facts.
    pub records: Vec<Record>,
    /// The chain of their lines.
    pub chain: Chain,
}

impl Past {
    /// The trigger that started it.
    pub fn trigger(&self) -> Option<&Triggered> {
        match &self.records.first()?.fact {
            Fact::RunCreated { trigger, .. } => trigger.as_ref(),
            _ => None,
        }
    }

    /// When the run began.
    pub fn began_at(&self) -> Option<Timestamp> {
        self.records.first().map(|record| record.at)
    }
}

impl Going<'_> {
    /// Takes in what happened before.
    pub(super) fn take_up(&mut self, past: Past) {
        self.chain = past.chain;
        for record in past.records {
            self.state.apply(&record);
            if let Fact::ValueKept { node, name, value } = record.fact.clone() {
                self.recall(Kept { node, name, value });
            } else {
                self.remember(std::slice::from_ref(&record));
            }
        }
    }

    /// Takes over what was done in another run, which is written down first of all: a run that is taken up later has it too.
    pub(super) fn take_over(&mut self, carried: Carried, values: Vec<Kept>) -> Vec<Input> {
        let value = serde_json::to_value(&carried).unwrap_or_default();
        self.carried = Some(Arc::new(carried));
        let own = Kept {
            node: None,
            name: TAKEN_OVER.to_owned(),
            value,
        };
        for kept in &values {
            self.evaluator.recall(kept, &Here::default());
        }
        let all = std::iter::once(own).chain(values);
        all.map(|Kept { node, name, value }| Input::Keep { node, name, value })
            .collect()
    }

    fn recall(&mut self, kept: Kept) {
        if kept.name == TAKEN_OVER {
            self.carried = serde_json::from_value(kept.value).ok().map(Arc::new);
            return;
        }
        match kept.node {
            Some(node) if node.index() >= self.state.node_count() => {}
            Some(node) if kept.name == crate::eval::RESULT => {
                self.recalled.insert(node, kept.value);
            }
            node => {
                let here = node.map_or_else(Here::default, |node| self.here(node));
                self.evaluator.recall(&kept, &here);
            }
        }
    }
}

/// The name under which it is kept what a run takes over from another.
const TAKEN_OVER: &str = "taken over";

/// How a run goes on that was taken up: it begins after all, or what was under way when its process died is lost.
pub(super) fn first(state: &RunState, start: Input) -> Vec<Input> {
    if state.stage() == RunStage::Pending {
        return vec![start];
    }
    let lost = |node: NodeId| Input::Lost {
        node,
        attempt: state.node(node).attempt,
    };
    let mut inputs = vec![Input::Resume];
    inputs.extend(state.running().map(lost));
    inputs
}

/// How long processes that were left are waited for after they were asked to end, and after they were killed. A flow among them
/// gives its own commands ten seconds.
const GRACE: Duration = Duration::from_secs(12);
const GAVE_UP: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How often nobody has to be there in a row: in the midst of its `exec` a process has no environment to know it by.
const LOOKS: u32 = 2;

/// A process that could not be ended.
#[derive(Debug)]
pub struct Undying(pub family::Left);

/// What the record of a run says of its processes.
pub fn started(store: &Files, run: &RunId) -> Started {
    let mut started = Started::default();
    for fact in store::processes(store, run) {
        match fact {
            Fact::RunCreated {
                project: Some(project),
                ..
            } => started.dir = project.dir.into(),
            Fact::ProcessStarted { process, .. } => started.processes.push(process),
            _ => {}
        }
    }
    started
}

/// Ends the processes that were left of a run whose flow has died, and waits until they are gone; who they were.
///
/// # Errors
///
/// One that is still there.
pub fn end_left(
    run: &RunId,
    store: &Files,
    now: impl Fn() -> Instant,
) -> Result<Vec<family::Left>, Undying> {
    end_processes(run, store.logs().path(), &started(store, run), now)
}

/// The same for who knows what the record says of its processes; `logs` is where the output of the project's runs is.
///
/// # Errors
///
/// One that is still there.
pub fn end_processes(
    run: &RunId,
    logs: &Path,
    started: &Started,
    now: impl Fn() -> Instant,
) -> Result<Vec<family::Left>, Undying> {
    let (mut told, mut ended) = (HashSet::new(), Vec::new());
    let (began, mut nobody) = (now(), 0);
    loop {
        let left = remains::of_run(run, logs, started);
        let Some(first) = left.first().cloned() else {
            nobody += 1;
            if nobody == LOOKS {
                return Ok(ended);
            }
            std::thread::sleep(LOOK_AGAIN);
            continue;
        };
        nobody = 0;
        let kill = now() >= began + GRACE;
        if now() >= began + GRACE + GAVE_UP {
            return Err(Undying(first));
        }
        for left in left {
            if told.insert(left.pid) {
                family::signal(&left, Number::TERM);
                ended.push(left);
            } else if kill {
                family::signal(&left, Number::KILL);
            }
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
