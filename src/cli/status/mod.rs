//! `flow status`: how a run stands, or stood at some moment.

mod follow;
mod json;

use std::collections::HashMap;

use clap::Args;

use super::context::{self, Context};
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::core::RunState;
use crate::core::fact::{Fact, Outcome, Triggered};
use crate::core::state::{RunStage, Stage};
use crate::engine::clock::Clock;
use crate::model::id::{NodeId, RunId};
use crate::model::time::{Timestamp, human};
use crate::record::items::Items;
use crate::record::spans::{self, Span};
use crate::record::{Moment, Recorded, causes, given};
use crate::report::failure::shown_path;
use crate::report::style::{cut, visible};
use crate::report::table;
use crate::store::Store;
use crate::store::files::Files;

/// Show the state of a run, now or at an earlier time
#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Option<String>,
    /// Show the run as of a fact number, a time, or an age (10m = ten minutes ago)
    #[arg(long, value_name = "MOMENT", conflicts_with = "follow")]
    pub(in crate::cli) at: Option<String>,
    /// Follow the run until it ends, or all active runs if none is given; -f after the verb is the same
    #[arg(long)]
    pub(in crate::cli) follow: bool,
    /// Print JSON; with -f, one line for each change
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

impl Verb for StatusArgs {
    const NAME: &'static str = "status";
    const FOLLOWS: bool = true;

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        status(context, self)
    }
}

/// Shows how a run stands, or how runs go on.
pub(super) fn status(context: &Context, args: &StatusArgs) -> Result<Exit, Trouble> {
    let store = context.history()?;
    if args.follow {
        return follow::follow(context, &store, args);
    }
    let run = runs::find(context, &store, args.run.as_deref().unwrap_or("latest"))?;
    let moment = args.at.as_deref().map(moment).transpose()?;
    let seen = Seen::of(&store, &run, moment)?;
    super::show(&if args.json {
        format!("{:#}\n", seen.as_json())
    } else {
        seen.as_text(context)
    })
}

/// A moment as it is written: the number of a fact, or a time.
fn moment(text: &str) -> Result<Moment, Trouble> {
    if let Ok(seq) = text.parse() {
        return Ok(Moment::Fact(seq));
    }
    runs::time(text).map(Moment::Time)
}

/// How a run stands, or stood.
struct Seen {
    recorded: Recorded,
    state: RunState,
    /// The state of the run in a word.
    word: &'static str,
    spans: HashMap<NodeId, Span>,
    /// Why its parts ended as they did.
    causes: HashMap<NodeId, String>,
    /// When something was last recorded; now, in a run that goes on.
    last: Timestamp,
    moment: Option<Moment>,
}

impl Seen {
    /// A run as it is, or as it was at a moment.
    fn of(store: &Files, run: &RunId, moment: Option<Moment>) -> Result<Self, Trouble> {
        // Asked first: what is written by an owner that goes now is there when it is read.
        let owned = store.is_owned(run);
        let recorded = runs::read(store, run)?;
        let records = moment.map_or(&recorded.records[..], |moment| recorded.until(moment));
        if records.is_empty() {
            let began = recorded.began_at().local();
            let what = format!("run {run} had not begun then");
            return Err(Trouble::call(what, format!("it was created at {began}")));
        }
        let state = match moment {
            Some(moment) => recorded.state_at(moment),
            None => recorded.state(),
        };
        let word = match moment {
            // Whether somebody owned it then is not recorded.
            Some(_) => runs::status(&state, || Ok(true)),
            None => runs::status(&state, || owned),
        };
        let word = word.map_err(|error| unread(&error))?;
        // What comes after the end are notes.
        let last = state.finished_at().unwrap_or_else(|| {
            let last = records.last();
            last.map_or(recorded.began_at(), |record| record.at)
        });
        let mut seen = Self {
            word,
            causes: causes::of(records, &state),
            spans: spans::of(records, &state),
            last,
            state,
            moment,
            recorded,
        };
        if moment.is_none() {
            seen.grow_older(Clock::system().now());
        }
        Ok(seen)
    }

    /// What is under way takes as long as until now.
    fn grow_older(&mut self, now: Timestamp) {
        if self.word != "running" {
            return;
        }
        self.last = self.last.max(now);
        let (state, last) = (&self.state, self.last);
        let going = self.spans.iter_mut();
        let going = going.filter(|(id, _)| state.node(**id).outcome().is_none());
        going.for_each(|(_, span)| span.to = last);
    }

    /// What was asked for, with what was given.
    fn asked(&self) -> String {
        given::call(&self.recorded.asked().join(" "), self.recorded.given())
    }

    /// How long it took, or has taken.
    fn took(&self) -> String {
        human(self.last.since(self.recorded.began_at()))
    }

    fn as_text(&self, context: &Context) -> String {
        let style = context::style_of_stdout();
        let (run, state) = (&self.recorded.run, &self.state);
        let word = match self.word {
            "completed" => style.good(self.word),
            "failed" | "cancelled" | "interrupted" => style.bad(self.word),
            word => word.into(),
        };
        let began = self.recorded.began_at();
        let took = self.took();
        let when = match self.moment {
            None => String::new(),
            Some(_) => format!(", as of fact {} at {}", state.seq(), self.last.local()),
        };
        let asked = self.asked();
        let mut text = format!(
            "run {run} of {}: {word}{when}\n{}{}started {}, {} facts in {took}, {}\n\n",
            visible(&asked),
            match self.recorded.retry_of() {
                Some(before) => format!("retry of run {before}, "),
                None => String::new(),
            },
            self.recorded.trigger().map(by_trigger).unwrap_or_default(),
            began.local(),
            state.seq(),
            shown_path(&self.recorded.plan.file),
        );
        let head = ["TASK", "STATUS", "TOOK", "WHY"].map(str::to_owned);
        let rows = self.rows().into_iter().map(Row::cells);
        text.push_str(&table::aligned(std::iter::once(head.to_vec()).chain(rows)));
        if self.recorded.plan.up_to_date > 0 {
            let more = self.recorded.plan.up_to_date;
            text.push_str(&format!("{more} more were up to date before it began\n"));
        }
        if let Some(reason) = self.reason() {
            text.push_str(&format!("\n{}: {}\n", self.word, cut(reason)));
        }
        for (at, by, note, event) in self.notes() {
            let about = event.map_or(String::new(), |event| format!(" on fact {event}"));
            let (by, note) = (visible(by), visible(note));
            text.push_str(&format!("\nnote{about} by {by}, {}: {note}\n", at.local()));
        }
        if self.word == "failed" && self.moment.is_none() {
            text.push_str(&format!(
                "\ntry it once more: flow {}retry {run}\n",
                context.options
            ));
        }
        if self.word == "interrupted" && self.moment.is_none() {
            let resume = format!("\ngo on with it: flow {}resume {run}\n", context.options);
            text.push_str(&resume);
        }
        text
    }

    /// Why it was ended, where somebody said so.
    fn reason(&self) -> Option<&str> {
        let until = self.state.seq();
        let records = self.recorded.records.iter().rev();
        let mut reasons = records
            .filter(|record| record.seq <= until)
            .filter_map(|record| match &record.fact {
                Fact::CancelRequested {
                    node: None,
                    reason: Some(reason),
                    ..
                } => Some(&**reason),
                _ => None,
            });
        reasons.next()
    }

    /// When something was last recorded.
    fn last_fact_at(&self) -> Timestamp {
        let records = &self.recorded.records;
        let count = records.partition_point(|record| record.seq <= self.state.seq());
        let last = count.checked_sub(1).and_then(|last| records.get(last));
        match self.state.finished_at() {
            Some(at) => at,
            None => last.map_or(self.recorded.began_at(), |record| record.at),
        }
    }

    /// What people had to say until then: when, who, what, about which fact.
    fn notes(&self) -> impl Iterator<Item = (Timestamp, &str, &str, Option<u64>)> {
        let until = self.state.seq();
        let records = self.recorded.records.iter();
        records
            .filter(move |record| record.seq <= until)
            .filter_map(|record| match &record.fact {
                Fact::NoteAdded { text, by, event } => Some((record.at, &**by, &**text, *event)),
                _ => None,
            })
    }

    /// Each task; and of those that are under way or have not ended well, the steps that worked.
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (id, _) in self.recorded.plan.tasks() {
            rows.push(self.row(id, 0));
            let well = self.state.node(id).outcome().is_some_and(Outcome::is_ok);
            if well {
                continue;
            }
            let steps = self.state.subtree(id).into_iter();
            let steps = steps
                .filter(|step| self.state.spec(*step).is_leaf() && self.spans.contains_key(step));
            rows.extend(steps.map(|step| self.row(step, 1)));
        }
        rows
    }

    fn row(&self, id: NodeId, depth: usize) -> Row {
        let node = self.state.node(id);
        let address = self.state.address(id);
        let name = match depth {
            0 => address.task.to_owned(),
            _ => format!("  step {}{}", address.step, address.items),
        };
        let code = node.exit_code.filter(|code| *code != 0);
        let failed = node.outcome().is_some_and(Outcome::is_failure);
        let code = code
            .filter(|_| failed)
            .map(|code| format!("exit code {code}"));
        let tried = (node.attempt > 1).then(|| format!("try {}", node.attempt));
        let why = [tried, self.items(id, depth), self.cause(id).or(code)];
        Row {
            name,
            status: self.word_of(id),
            span: self.spans.get(&id).copied(),
            why: why.into_iter().flatten().collect::<Vec<_>>().join(", "),
        }
    }

    /// Why it ended as it did, or waits.
    fn cause(&self, id: NodeId) -> Option<String> {
        let node = self.state.node(id);
        let cause = self.causes.get(&id);
        let code = node.exit_code.filter(|code| *code != 0);
        let own = || node.reason.clone().filter(|reason| !reason.is_empty());
        // The exit code of a task is that of the step that failed.
        let plain = code.map(|code| format!("exit code {code}"));
        let plain = plain.filter(|_| node.outcome() == Some(Outcome::Failed));
        own().or(plain).or_else(|| cause.cloned())
    }

    /// How far its loops have come, as long as it is not over.
    fn items(&self, id: NodeId, depth: usize) -> Option<String> {
        let node = self.state.node(id);
        if depth > 0 || node.outcome().is_some_and(Outcome::is_ok) {
            return None;
        }
        match Items::of(&self.state, id) {
            Items { all: 0, .. } => None,
            Items { ended, all } => Some(format!("{ended} of {all} items")),
        }
    }

    fn word_of(&self, id: NodeId) -> &'static str {
        let node = self.state.node(id);
        let open = self.word == "interrupted";
        match node.stage {
            Stage::Done(Outcome::Succeeded) => "completed",
            Stage::Done(outcome) => outcome.word(),
            // Its handlers are left.
            Stage::Ending(_) if self.word == "running" => "running",
            Stage::Ending(_) if open => "interrupted",
            Stage::Ending(outcome) => outcome.word(),
            Stage::Gate | Stage::Deciding => "waiting for a decision",
            _ if matches!(self.state.stage(), RunStage::Finished(_)) && !node.worked => {
                "not started"
            }
            Stage::Locking => "waiting for a lock",
            Stage::Tried | Stage::Backoff => "waiting to be tried again",
            _ if node.worked && open => "interrupted",
            _ if node.worked => "running",
            _ if matches!(self.state.stage(), RunStage::Finished(_)) => "not started",
            _ => "pending",
        }
    }
}

/// What started it.
fn by_trigger(trigger: &Triggered) -> String {
    let name = visible(&trigger.name);
    match (trigger.scheduled_at, &trigger.changed) {
        (Some(at), _) => format!("by the trigger {name} for {}, ", at.local()),
        (None, Some(path)) => format!("by the trigger {name}, because {} changed, ", visible(path)),
        (None, None) => format!("by the trigger {name}, "),
    }
}

/// What is said of a task, or of a step.
struct Row {
    name: String,
    status: &'static str,
    span: Option<Span>,
    why: String,
}

impl Row {
    /// Its name, how it stands, how long it took, and why.
    fn cells(self) -> Vec<String> {
        let took = self.span.map(|span| human(span.length()));
        vec![
            self.name,
            self.status.to_owned(),
            took.unwrap_or_default(),
            self.why,
        ]
    }
}
