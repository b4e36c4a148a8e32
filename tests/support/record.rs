//! The record of a run, read and checked as anybody could who has the files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use flow::core::fact::{Exit, Fact, Log, Outcome, Why};
use flow::core::state::RunStage;
use flow::core::{Record as Entry, RunState, legal};
use flow::model::id::{NodeId, RunId};
use flow::model::plan::Plan;
use flow::store::Store;
use flow::store::files::Files;
use flow::store::line::Chain;
use serde_json::Value;

/// The record of a run whose chain, numbers, plan, order of facts and logs are in order.
#[derive(Debug)]
pub struct Record {
    /// The run.
    pub run: RunId,
    /// The whole lines of its facts.
    pub lines: Vec<String>,
    /// The facts.
    pub facts: Vec<Entry>,
    /// What they come to.
    pub state: RunState,
    /// The facts, a short line each.
    pub short: Vec<String>,
}

impl Record {
    /// All records of a store, the oldest first.
    pub fn all(folder: &Path) -> Result<Vec<Self>, String> {
        let runs = Files::new(folder)
            .runs()
            .map_err(|error| error.to_string())?;
        let read = |run: &RunId| Self::read(folder, run).map_err(|wrong| format!("{run}: {wrong}"));
        runs.iter().rev().map(read).collect()
    }

    /// Reads a record; the error says what is wrong with it.
    pub fn read(folder: &Path, run: &RunId) -> Result<Self, String> {
        let store = Files::new(folder);
        let text = store.read(run).map_err(|error| error.to_string())?;
        let facts = Chain::new(run)
            .open(&text)
            .map_err(|error| error.to_string())?;
        let plan = plan_of(&store, run, &facts)?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut state = RunState::new(Arc::new(plan));
        let mut short = Vec::new();
        for (line, entry) in lines.iter().zip(&facts) {
            fold(&mut state, entry).map_err(|wrong| format!("{wrong}: {line}"))?;
            check_words(&state, entry, line)?;
            short.push(shortened(&state, &entry.fact));
        }
        check_logs(&folder.join("logs").join(run.as_str()), &facts)?;
        Ok(Self {
            run: run.clone(),
            lines,
            facts,
            state,
            short,
        })
    }

    /// Whether it says how it ended: finished, or interrupted with nothing under way.
    pub fn is_over(&self) -> bool {
        match self.state.stage() {
            RunStage::Finished(_) => true,
            _ => self.state.is_interrupted() && self.state.is_quiet(),
        }
    }

    /// Whether this is among its short lines.
    pub fn says(&self, line: &str) -> bool {
        self.short.iter().any(|one| one == line)
    }

    /// How many of its short lines begin so.
    pub fn count(&self, start: &str) -> usize {
        self.short
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }
}

/// The plan that the first fact names, whose text has the hash of its name.
fn plan_of(store: &Files, run: &RunId, facts: &[Entry]) -> Result<Plan, String> {
    let first = facts.first().map(|entry| &entry.fact);
    let Some(Fact::RunCreated {
        run: named, plan, ..
    }) = first
    else {
        return Err(format!("the first fact is {first:?}"));
    };
    if named != run {
        return Err(format!("the first fact is of the run {named}"));
    }
    let text = store.plan(plan).map_err(|error| error.to_string())?;
    if blake3::hash(&text).to_hex().as_str() != plan {
        return Err(format!("the plan {plan} has another hash"));
    }
    serde_json::from_slice(&text).map_err(|error| format!("the plan can't be read: {error}"))
}

fn fold(state: &mut RunState, entry: &Entry) -> Result<(), String> {
    if entry.seq != state.seq() + 1 {
        return Err(format!("number {} follows {}", entry.seq, state.seq()));
    }
    legal::check(state, &entry.fact)?;
    state.apply(entry);
    Ok(())
}

/// What a line says in words is what it says in numbers.
fn check_words(state: &RunState, entry: &Entry, line: &str) -> Result<(), String> {
    let line: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let said = ["task", "step"].map(|key| line[key].as_str().unwrap_or_default().to_owned());
    let address = entry.fact.node().map(|node| state.address(node));
    let meant = address.map_or_else(Default::default, |address| {
        [format!("{}{}", address.task, address.items), address.step]
    });
    if said == meant {
        Ok(())
    } else {
        Err(format!("a fact of {meant:?} says that it is of {said:?}"))
    }
}

/// Each log that facts name has the size and the hash that they say; once nothing runs there are no others.
fn check_logs(folder: &Path, facts: &[Entry]) -> Result<(), String> {
    for entry in facts {
        let Fact::AttemptFinished { exit, .. } = &entry.fact else {
            continue;
        };
        match &exit.log {
            Some(log) if !log.file.is_empty() => check_log(folder, log)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_log(folder: &Path, log: &Log) -> Result<(), String> {
    let bytes =
        fs::read(folder.join(&log.file)).map_err(|error| format!("{}: {error}", log.file))?;
    if bytes.len() as u64 != log.bytes {
        return Err(format!(
            "{} has {} bytes, not {}",
            log.file,
            bytes.len(),
            log.bytes
        ));
    }
    if blake3::hash(&bytes).to_hex().as_str() != log.hash {
        return Err(format!("{} has another hash", log.file));
    }
    Ok(())
}

/// A fact in a short line: its kind, whom it is about, what is worth knowing of it.
fn shortened(state: &RunState, fact: &Fact) -> String {
    let words = match fact {
        Fact::RunCreated { asked, parent, .. } => {
            let parent = parent.as_ref().map(|_| "with a parent".to_owned());
            words([Some(asked.join(" ")), parent])
        }
        Fact::RunFinished { status } => snake(status),
        Fact::CancelRequested {
            node, why, now, by, ..
        } => words([
            node.map(|node| name(state, node)),
            Some(match why {
                Why::Signal(number) => format!("signal {number}"),
                other => snake(other),
            }),
            now.then(|| "now".to_owned()),
            by.clone().map(|by| format!("by {by}")),
        ]),
        Fact::TaskBlocked { nodes, cause } => {
            let names: Vec<String> = nodes.iter().map(|node| name(state, *node)).collect();
            format!("{} because of {}", names.join(" "), name(state, *cause))
        }
        Fact::TaskFinished {
            node,
            outcome,
            reason,
        } => words([Some(ended(state, *node, *outcome)), reason.clone()]),
        Fact::AttemptStarted { node, attempt } => {
            words([Some(name(state, *node)), again(*attempt)])
        }
        Fact::AttemptFinished {
            node,
            attempt,
            outcome,
            exit,
            ..
        } => words([
            Some(ended(state, *node, *outcome)),
            again(*attempt),
            Some(how(exit)),
        ]),
        other => other
            .node()
            .map(|node| name(state, node))
            .unwrap_or_default(),
    };
    format!("{} {words}", kind(fact)).trim_end().to_owned()
}

fn words<const N: usize>(parts: [Option<String>; N]) -> String {
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" ")
}

fn again(attempt: u32) -> Option<String> {
    (attempt > 1).then(|| format!("try {attempt}"))
}

fn ended(state: &RunState, node: NodeId, outcome: Outcome) -> String {
    format!("{} {}", name(state, node), outcome.word())
}

/// `exit 3`, `signal 9`, `error`, and how much it printed.
fn how(exit: &Exit) -> String {
    words([
        exit.exit_code
            .filter(|code| *code != 0)
            .map(|code| format!("exit {code}")),
        exit.signal.map(|number| format!("signal {number}")),
        exit.error.clone(),
        exit.log.as_ref().map(|log| format!("{} bytes", log.bytes)),
    ])
}

fn name(state: &RunState, node: NodeId) -> String {
    let address = state.address(node);
    words([
        Some(format!("{}{}", address.task, address.items)),
        Some(address.step),
    ])
}

fn kind(fact: &Fact) -> String {
    let value = serde_json::to_value(fact).expect("a fact becomes JSON");
    value["kind"]
        .as_str()
        .expect("each fact has a kind")
        .to_owned()
}

fn snake(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).expect("it becomes JSON");
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
