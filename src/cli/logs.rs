//! `flow logs`: what the commands of a run printed.

use std::collections::HashMap;
use std::io::Read;
use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::core::RunState;
use crate::model::id::NodeId;
use crate::record::{Printed, Recorded};
use crate::report::screen;
use crate::store::Store;
use crate::suggest::Suggest;

/// Print the output of a run
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// Only this task, byte for byte; without a task, a line on stderr names each command
    #[arg(value_name = "TASK")]
    pub(super) task: Option<String>,
    /// Follow the run until it ends; -f after the verb is the same
    #[arg(long)]
    pub(super) follow: bool,
}

impl Verb for LogsArgs {
    const NAME: &'static str = "logs";
    const FOLLOWS: bool = true;

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        logs(context, self)
    }
}

/// How often it is looked whether there is more.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How much of a file is read at once, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Prints output.
pub(super) fn logs(context: &Context, args: &LogsArgs) -> Result<Exit, Trouble> {
    let store = context.history()?;
    let run = runs::find(context, &store, args.run.as_deref().unwrap_or("latest"))?;
    let mut shown: HashMap<(NodeId, u32), u64> = HashMap::new();
    let mut last = None;
    loop {
        // Asked first: what is written by an owner that goes now is there when it is read.
        let owned = store.is_owned(&run).map_err(|error| unread(&error))?;
        let recorded = runs::read(&store, &run)?;
        let state = recorded.state();
        check_task(&recorded, &state, args.task.as_deref())?;
        for printed in recorded.printed() {
            let wanted = args.task.as_deref();
            if wanted.is_some_and(|task| !is_of(&state, printed.node, task)) {
                continue;
            }
            let from = shown.entry((printed.node, printed.attempt)).or_default();
            let head = (args.task.is_none() && last != Some((printed.node, printed.attempt)))
                .then(|| head(&state, &printed));
            let file = format!("{}.{}.log", printed.node, printed.attempt);
            let before = *from;
            let Some(log) = store
                .log(&run, &file, *from)
                .map_err(|error| unread(&error))?
            else {
                // It printed nothing.
                continue;
            };
            let whole =
                print(log, from, head.as_deref()).map_err(|error| match screen::lost() {
                    Some(_) => Trouble {
                        exit: Exit::TaskFailed,
                        words: format!("error: could not write: {error}\n"),
                    },
                    None => Trouble {
                        exit: Exit::Record,
                        words: format!("error: can't show {file} of run {run}: {error}\n"),
                    },
                })?;
            if !whole {
                // A reader that has gone wants no more.
                return Ok(Exit::Done);
            }
            if *from > before {
                last = Some((printed.node, printed.attempt));
            }
        }
        if !args.follow || !owned {
            return Ok(Exit::Done);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Whether a node is of this task, or of this item of a task that is a loop.
fn is_of(state: &RunState, node: NodeId, task: &str) -> bool {
    state.task_of(node).1 == task || state.source_of(node).1 == task
}

fn check_task(recorded: &Recorded, state: &RunState, task: Option<&str>) -> Result<(), Trouble> {
    let Some(task) = task else {
        return Ok(());
    };
    let mut nodes = (0..state.node_count()).map(NodeId::at);
    if nodes.any(|node| is_of(state, node, task)) {
        return Ok(());
    }
    let names = recorded.plan.tasks().map(|(_, task)| task.name.as_str());
    let help = match Suggest::new().nearest(task, names) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("`flow status {}` shows its tasks", recorded.run),
    };
    let what = format!("run {} has no task {task:?}", recorded.run);
    Err(Trouble::call(what, help))
}

fn head(state: &RunState, printed: &Printed) -> String {
    let address = state.address(printed.node);
    let tried = match printed.attempt {
        1 => String::new(),
        attempt => format!(", try {attempt}"),
    };
    let step = match address.step.as_str() {
        "" => String::new(),
        step => format!(" {step}"),
    };
    format!("== {}{}{step}{tried}\n", address.task, address.items)
}

/// Prints what is left of a file, after a line for people on stderr; whether there is still a reader.
fn print(mut file: impl Read, from: &mut u64, head: Option<&str>) -> std::io::Result<bool> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut head = head;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(true);
        }
        if let Some(head) = head.take() {
            // Whoever closed stderr does not want to know.
            let _ = screen::print("", head);
        }
        if !screen::print_data(&piece[..count])? {
            return Ok(false);
        }
        *from += count as u64;
    }
}
