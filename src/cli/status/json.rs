//! `flow status --json`: the same for programs, with the steps.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::Seen;
use crate::core::fact::{Fact, Outcome, RunEnd};
use crate::core::state::RunStage;
use crate::eval::kept;
use crate::model::id::NodeId;
use crate::model::plan::Kind;

impl Seen {
    /// All of it.
    pub(super) fn as_json(&self) -> Json {
        let tails = self.tails();
        let tasks = self.recorded.plan.tasks();
        let tasks: Vec<Json> = tasks
            .map(|(id, task)| self.task(id, &task.name, &tails))
            .collect();
        let current = self.recorded.plan.tasks().filter(|(id, _)| {
            let node = self.state.node(*id);
            node.worked && node.outcome().is_none()
        });
        let current: Vec<&str> = current.map(|(_, task)| task.name.as_str()).collect();
        let ended = match self.state.stage() {
            RunStage::Finished(RunEnd::Completed | RunEnd::Failed | RunEnd::Cancelled) => {
                Some(self.last)
            }
            _ => None,
        };
        json!({
            "run": self.recorded.run,
            "status": self.word,
            "asked": self.recorded.asked(),
            "given": self.recorded.given(),
            "file": self.recorded.plan.file,
            "plan": self.recorded.plan_hash(),
            "started_at": self.recorded.began_at(),
            "ended_at": ended,
            "last_fact_at": self.last_fact_at(),
            "facts": self.state.seq(),
            "reason": self.reason(),
            "retry_of": self.recorded.retry_of(),
            "trigger": self.recorded.trigger(),
            "notes": self.notes().map(|(at, by, text, event)| {
                json!({"at": at, "by": by, "text": text, "event": event})
            }).collect::<Vec<_>>(),
            "up_to_date_before": self.recorded.plan.up_to_date,
            "current": current,
            "tasks": tasks,
        })
    }

    fn task(&self, id: NodeId, name: &str, tails: &HashMap<NodeId, &str>) -> Json {
        let node = self.state.node(id);
        let span = self.spans.get(&id);
        let steps = self.state.subtree(id).into_iter();
        let steps: Vec<NodeId> = steps
            .filter(|step| self.state.spec(*step).is_leaf() && self.spans.contains_key(step))
            .collect();
        let failed = steps.iter().find(|step| {
            let outcome = self.state.node(**step).outcome();
            outcome.is_some_and(|outcome| {
                outcome.is_failure() && !self.state.counts_as_ok(**step, outcome)
            })
        });
        let failed = failed.filter(|_| node.outcome().is_some_and(Outcome::is_failure));
        json!({
            "task": name,
            "status": self.word_of(id),
            "started_at": span.map(|span| span.from),
            "ended_at": span.filter(|_| node.outcome().is_some()).map(|span| span.to),
            "seconds": span.map(|span| span.length().as_secs_f64()),
            "tries": span.map_or(0, |span| span.tries),
            "exit_code": node.exit_code,
            "reason": node.reason,
            "error": self.error(id),
            "failed_step": failed.map(|step| self.step_name(*step)),
            "outputs": self.outputs(id),
            "steps": steps.iter().map(|step| self.step(*step, tails)).collect::<Vec<_>>(),
        })
    }

    fn step(&self, id: NodeId, tails: &HashMap<NodeId, &str>) -> Json {
        json!({
            "name": self.step_name(id),
            "status": self.word_of(id),
            "exit_code": self.state.node(id).exit_code,
            "error": self.error(id),
            "tail": tails.get(&id),
        })
    }

    fn step_name(&self, id: NodeId) -> String {
        let address = self.state.address(id);
        format!("{}{}", address.step, address.items)
    }

    /// Why it came to no good end.
    fn error(&self, id: NodeId) -> Option<String> {
        let outcome = self.state.node(id).outcome();
        let bad = outcome.is_some_and(|outcome| !outcome.is_ok());
        bad.then(|| self.cause(id)).flatten()
    }

    /// The last lines that each step printed.
    fn tails(&self) -> HashMap<NodeId, &str> {
        let records = self.recorded.records.iter();
        let records = records.take_while(|record| record.seq <= self.state.seq());
        let tails = records.filter_map(|record| match &record.fact {
            Fact::AttemptFinished { node, exit, .. } => {
                Some((*node, exit.log.as_ref()?.tail.as_str()))
            }
            _ => None,
        });
        tails.collect()
    }

    /// What a task has handed on, as far as it was kept; the items of a loop have their own.
    fn outputs(&self, task: NodeId) -> Json {
        if matches!(self.state.spec(task).kind, Kind::Loop { .. }) {
            return Json::Object(Map::new());
        }
        let mut outputs = Map::new();
        let records = self.recorded.records.iter();
        for record in records.take_while(|record| record.seq <= self.state.seq()) {
            let Fact::ValueKept {
                node: Some(node),
                name,
                value,
            } = &record.fact
            else {
                continue;
            };
            if self.state.task_of(*node).0 != task {
                continue;
            }
            let entries = match name.as_str() {
                "result" => value.get("outputs"),
                "set" | "outputs" => Some(value),
                _ => None,
            };
            for entry in entries.and_then(Json::as_array).into_iter().flatten() {
                if let (Some(name), Some(value)) = (entry[0].as_str(), entry.get(1)) {
                    outputs.insert(name.to_owned(), kept::plain(value));
                }
            }
        }
        Json::Object(outputs)
    }
}
