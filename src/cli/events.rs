//! `flow events`: the facts of a run.

use std::time::Duration;

use serde_json::{Value as Json, json};

use clap::Args;

use super::context::Context;
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::core::fact::{Fact, KINDS};
use crate::model::time::Timestamp;
use crate::record::{given, whole};
use crate::report::{screen, style::visible};
use crate::store::Store;
use crate::store::line;
use crate::suggest::Suggest;

/// Show the event log of a run: its facts, in order
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// Only facts of this kind, such as attempt_finished; can be repeated
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Vec<String>,
    /// Show at most N facts
    #[arg(short = 'n', long, value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Skip the first N facts
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) offset: usize,
    /// Show only every tenth fact: its number (for `flow status --at`), its time and the hash of the chain up to it
    #[arg(long, conflicts_with = "kind")]
    pub(super) snapshots: bool,
    /// Follow the run until it ends; -f after the verb is the same
    #[arg(long)]
    pub(super) follow: bool,
    /// Print the facts as stored: JSON lines
    #[arg(long)]
    pub(super) json: bool,
}

impl Verb for EventsArgs {
    const NAME: &'static str = "events";
    const FOLLOWS: bool = true;

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        events(context, self)
    }
}

/// How often it is looked whether there is more.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Shows facts.
pub(super) fn events(context: &Context, args: &EventsArgs) -> Result<Exit, Trouble> {
    for kind in &args.kind {
        if !KINDS.contains(&kind.as_str()) {
            let near = Suggest::new().nearest(kind, KINDS.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are: {}", KINDS.join(", ")),
            };
            return Err(Trouble::call(format!("there are no events {kind:?}"), help));
        }
    }
    let store = context.history()?;
    let run = runs::find(context, &store, args.run.as_deref().unwrap_or("latest"))?;
    let (mut seen, mut skipped, mut shown) = (0, 0, 0);
    let mut day = String::new();
    loop {
        // Asked first: what is written by an owner that goes now is there when it is read.
        let owned = store.is_owned(&run).map_err(|error| unread(&error))?;
        let lines = whole::read(&store, &run).map_err(|error| unread(&error))?;
        let lines = lines.text;
        let mut text = String::new();
        let mut over = !owned;
        for line in lines.lines().skip(seen) {
            seen += 1;
            let Some(parsed) = parse(line) else {
                let words = format!("error: line {seen} of the record of run {run} is no fact\n");
                return Err(Trouble {
                    exit: Exit::Record,
                    words,
                });
            };
            let ends = parsed.kind == "run_finished";
            let is_wanted = match args.snapshots {
                true => parsed.seq % SNAPSHOT_EVERY == 0,
                false => args.kind.is_empty() || args.kind.contains(&parsed.kind),
            };
            if is_wanted {
                if skipped < args.offset {
                    skipped += 1;
                } else if args.limit.is_none_or(|limit| shown < limit) {
                    shown += 1;
                    text.push_str(&match (args.snapshots, args.json) {
                        (true, true) => parsed.snapshot_as_json(),
                        (true, false) => parsed.snapshot_as_text(),
                        (false, true) => format!("{line}\n"),
                        (false, false) => parsed.as_text(&mut day),
                    });
                }
            }
            over |= ends;
        }
        let read = screen::print_data(text.as_bytes()).map_err(|error| Trouble {
            exit: Exit::TaskFailed,
            words: format!("error: could not write: {error}\n"),
        })?;
        // A reader that has gone wants no more.
        over |= !read;
        if !args.follow || over || args.limit.is_some_and(|limit| shown >= limit) {
            return Ok(Exit::Done);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// A moment to go back to is shown at each fact with a number of which this is a divisor.
const SNAPSHOT_EVERY: u64 = 10;

struct Parsed {
    seq: u64,
    at: Timestamp,
    actor: String,
    kind: String,
    /// Whom it is about: the task and the step.
    place: String,
    /// The hash of the chain up to it.
    hash: String,
    /// What else it says.
    rest: Vec<(String, Json)>,
}

/// The members of a line that are shown elsewhere, or that only programs can read.
const NOT_SHOWN: [&str; 8] = ["seq", "at", "actor", "kind", "node", "task", "step", "hash"];

fn parse(line: &str) -> Option<Parsed> {
    let record = line::parse(line)?;
    let Ok(Json::Object(members)) = serde_json::from_str(line) else {
        return None;
    };
    let text = |name: &str| members.get(name).and_then(Json::as_str).unwrap_or_default();
    let words: Vec<&str> = [text("task"), text("step")]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    // Hashes of plans are long and tell people nothing; what the file says of itself is in the file.
    let created = matches!(record.fact, Fact::RunCreated { .. });
    let left_out =
        |name: &str| NOT_SHOWN.contains(&name) || created && matches!(name, "plan" | "project");
    let rest = members.iter().filter(|(name, _)| !left_out(name));
    Some(Parsed {
        seq: record.seq,
        at: record.at,
        actor: text("actor").to_owned(),
        kind: text("kind").to_owned(),
        place: words.join(" "),
        hash: text("hash").to_owned(),
        rest: rest
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    })
}

impl Parsed {
    /// Its number, by which `flow status --at` shows how the run stood, its time, and the hash of all up to it.
    fn snapshot_as_text(&self) -> String {
        let (date, time) = self.at.local_precise();
        format!("{:>5}  {date} {time}  {}\n", self.seq, self.hash)
    }

    fn snapshot_as_json(&self) -> String {
        let line = json!({"seq": self.seq, "at": self.at, "hash": self.hash});
        format!("{line}\n")
    }

    /// A line; before it the day, when that is another one than the last.
    fn as_text(&self, day: &mut String) -> String {
        let (date, time) = self.at.local_precise();
        let mut text = String::new();
        if *day != date {
            text.push_str(&format!("{date}\n"));
            *day = date;
        }
        let mut words = vec![format!("{:>5}  {time}  {}", self.seq, self.kind)];
        words.extend(Some(self.place.clone()).filter(|place| !place.is_empty()));
        // How something ended matters most.
        let ends = |name: &str| matches!(name, "outcome" | "status");
        let (first, rest): (Vec<_>, Vec<_>) = self.rest.iter().partition(|(name, _)| ends(name));
        for (name, value) in first.into_iter().chain(rest) {
            words.extend(self.said(name, value));
        }
        if self.actor != "flow" {
            words.push(format!("by {}", self.actor));
        }
        text.push_str(&visible(&words.join("  ")).replace('\n', " "));
        text.push('\n');
        text
    }

    fn said(&self, name: &str, value: &Json) -> Option<String> {
        Some(match value {
            Json::Object(log) if name == "log" => {
                let bytes = log.get("bytes").and_then(Json::as_u64).unwrap_or(0);
                format!("printed {}", crate::report::table::bytes(bytes))
            }
            // The hash of a command tells people nothing.
            Json::String(text) if self.kind == "value_kept" && name == "name" => {
                text.split(' ').next().unwrap_or_default().to_owned()
            }
            Json::String(text) if matches!(name, "outcome" | "status") => text.replace('_', " "),
            Json::Number(attempt) if name == "attempt" => {
                let more = attempt.as_u64().filter(|attempt| *attempt > 1)?;
                format!("try {more}")
            }
            Json::Number(code) if name == "exit_code" => format!("exit code {code}"),
            Json::Array(names) if name == "asked" => {
                let names = names.iter().filter_map(Json::as_str);
                names.collect::<Vec<_>>().join(" ")
            }
            Json::Object(_) if name == "given" => {
                let given = serde_json::from_value(value.clone()).unwrap_or_default();
                given::words(&given).join(" ")
            }
            Json::Number(pid) if self.kind == "process_started" && name == "pid" => {
                format!("process {pid}")
            }
            // By the others it is only known whether that is still the same one.
            _ if self.kind == "process_started" => return None,
            // It is asked for by this very name.
            _ if self.kind == "run_created" && name == "run" => return None,
            Json::String(text) => format!("{name}={text}"),
            value => format!("{name}={value}"),
        })
    }
}
