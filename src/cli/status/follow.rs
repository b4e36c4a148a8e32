//! `flow status -f`: a run, or all that run, as they go on.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use super::{Seen, StatusArgs};
use crate::cli::context::{self, Context};
use crate::cli::runs::{self, unread};
use crate::cli::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::model::id::{NodeId, RunId};
use crate::model::time::human;
use crate::record::items::Items;
use crate::report::frame::Frame;
use crate::report::style::{Style, visible};
use crate::report::{screen, table};
use crate::store::files::Files;
use crate::store::{Kind, Store};

/// How often it is looked whether there is more.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Shows a run until it ends, or all that run until somebody has seen enough.
pub(super) fn follow(context: &Context, store: &Files, args: &StatusArgs) -> Result<Exit, Trouble> {
    let wanted = match &args.run {
        Some(word) => Some(runs::find(context, store, word)?),
        None => None,
    };
    let mut eye = Eye {
        context,
        store,
        runs: BTreeMap::new(),
    };
    let mut shown = match (args.json, context::can_draw()) {
        (true, _) => Shown::Json,
        (false, true) => Shown::Drawn(Frame::default()),
        (false, false) => Shown::Lines,
    };
    loop {
        let changes = eye.look(wanted.as_ref())?;
        let over = wanted.is_some() && eye.runs.is_empty();
        if !shown.show(&eye, &changes, wanted.is_some())? {
            // A reader that has gone wants no more.
            return Ok(Exit::Done);
        }
        if over {
            return Ok(Exit::Done);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The runs that go on, as they were seen last.
struct Eye<'c> {
    context: &'c Context,
    store: &'c Files,
    runs: BTreeMap<RunId, Known>,
}

struct Known {
    /// What changes when something is added to its record.
    stamp: Option<String>,
    seen: Rc<Seen>,
    /// How its tasks stood.
    words: HashMap<NodeId, &'static str>,
}

/// A run of which something is new.
struct Change {
    seen: Rc<Seen>,
    /// It was not known before.
    began: bool,
    /// The tasks that stand otherwise than before: name, state, how long it took, why.
    tasks: Vec<Vec<String>>,
    /// It does not go on.
    over: bool,
}

impl Eye<'_> {
    /// Looks at this run, or at all that run, and says what is new.
    fn look(&mut self, wanted: Option<&RunId>) -> Result<Vec<Change>, Trouble> {
        let mut all = match wanted {
            Some(run) => vec![run.clone()],
            None => runs::running(self.context, self.store)?,
        };
        // Those that have just ended are looked at once more.
        all.extend(
            self.runs
                .keys()
                .filter(|run| !all.contains(run))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let mut changes = Vec::new();
        for run in all {
            changes.extend(self.look_at(&run)?);
        }
        Ok(changes)
    }

    fn look_at(&mut self, run: &RunId) -> Result<Option<Change>, Trouble> {
        // Asked first: what is written by an owner that goes now is there when it is read.
        let owned = match self.store.is_owned(run) {
            // What has left no record, as nothing was done in it, or has been removed.
            Err(error) if error.kind == Kind::Missing => {
                self.runs.remove(run);
                return Ok(None);
            }
            owned => owned.map_err(|error| unread(&error))?,
        };
        let stamp = self.store.stamp(run);
        if let Some(known) = self.runs.get_mut(run)
            && owned
            && stamp.is_some()
            && known.stamp == stamp
        {
            // Nobody else has it by now.
            if let Some(seen) = Rc::get_mut(&mut known.seen) {
                seen.grow_older(Clock::system().now());
            }
            return Ok(None);
        }
        if self.store.edges(run).is_ok_and(|edges| edges.is_none()) {
            // Its first fact is about to be written, or never will be.
            return Ok(None);
        }
        let seen = Rc::new(Seen::of(self.store, run, None)?);
        let before = self.runs.remove(run);
        let words = words(&seen);
        let known = before.as_ref().map(|known| &known.words);
        let is_new = |id: &NodeId| {
            let word = words[id];
            known.map_or(word != "pending", |known| known.get(id) != Some(&word))
        };
        let mut tasks: Vec<NodeId> = words.keys().copied().filter(is_new).collect();
        tasks.sort_unstable();
        let tasks = tasks
            .into_iter()
            .map(|id| seen.row(id, 0).cells())
            .collect();
        let over = seen.word != "running";
        if !over {
            let known = Known {
                stamp,
                seen: Rc::clone(&seen),
                words,
            };
            self.runs.insert(run.clone(), known);
        }
        let change = Change {
            began: before.is_none(),
            seen,
            tasks,
            over,
        };
        Ok((change.began || change.over || !change.tasks.is_empty()).then_some(change))
    }
}

/// How each task stands.
fn words(seen: &Seen) -> HashMap<NodeId, &'static str> {
    let tasks = seen.recorded.plan.tasks();
    tasks.map(|(id, _)| (id, seen.word_of(id))).collect()
}

/// Where and how it is shown.
enum Shown {
    /// In one place of a terminal.
    Drawn(Frame),
    /// A line for each change, for files and pipes.
    Lines,
    /// How a run stands, whenever something has changed, in a line.
    Json,
}

impl Shown {
    /// Whether there is still somebody who reads it.
    fn show(&mut self, eye: &Eye<'_>, changes: &[Change], one: bool) -> Result<bool, Trouble> {
        let shown = match self {
            Self::Json => {
                let lines = changes
                    .iter()
                    .map(|change| format!("{}\n", change.seen.as_json()));
                screen::print_data(lines.collect::<String>().as_bytes())
            }
            Self::Lines => {
                let lines = changes.iter().flat_map(|change| lines(change, one));
                screen::print_data(lines.collect::<String>().as_bytes())
            }
            Self::Drawn(frame) if one => {
                let known = eye.runs.values().next();
                match (known, changes.first()) {
                    (Some(known), _) => frame.draw("", &of_one(&known.seen, eye.context)),
                    (None, Some(change)) => frame.draw(&change.seen.as_text(eye.context), &[]),
                    (None, None) => Ok(true),
                }
            }
            Self::Drawn(frame) => {
                let style = context::style_of_stdout();
                let ended = changes.iter().filter(|change| change.over);
                let said: String = ended.map(|change| ended_line(change, style)).collect();
                frame.draw(&said, &of_all(eye, style))
            }
        };
        shown.map_err(|error| Trouble {
            exit: Exit::TaskFailed,
            words: format!("error: could not write: {error}\n"),
        })
    }
}

/// A line for each thing that is new; of several runs with the id of theirs.
fn lines(change: &Change, one: bool) -> Vec<String> {
    let seen = &change.seen;
    let at = seen.last_fact_at().local_precise().1;
    let run = if one {
        String::new()
    } else {
        format!("{}  ", seen.recorded.run)
    };
    let line = |words: &[&str]| {
        let words = words.iter().filter(|word| !word.is_empty());
        let words: Vec<&str> = words.copied().collect();
        format!(
            "{at}  {run}{}\n",
            visible(&words.join("  ")).replace('\n', " ")
        )
    };
    let whole = format!("run of {}", seen.asked());
    let mut lines = Vec::new();
    if change.began && !change.over {
        lines.push(line(&[&whole, seen.word]));
    }
    for cells in &change.tasks {
        lines.push(line(&cells.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    if change.over {
        let took = seen.took();
        lines.push(line(&[&whole, seen.word, &took]));
    }
    lines
}

/// A run that goes on: all of its tasks where there is room, else those that are under way or have not ended well.
fn of_one(seen: &Seen, context: &Context) -> Vec<String> {
    let text = seen.as_text(context);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let room = Frame::room();
    if lines.len() <= room {
        return lines;
    }
    let head = lines.iter().take_while(|line| !line.is_empty()).cloned();
    let mut lines: Vec<String> = head.collect();
    let tasks = seen.recorded.plan.tasks().map(|(id, _)| id);
    let tasks: Vec<NodeId> = tasks.collect();
    let done = |id: &&NodeId| seen.state.node(**id).outcome().is_some();
    lines.push(format!(
        "{} of {} tasks are done",
        tasks.iter().filter(done).count(),
        tasks.len()
    ));
    let quiet = |word: &str| matches!(word, "completed" | "pending" | "skipped" | "up to date");
    let rows = tasks.into_iter().filter(|id| !quiet(seen.word_of(*id)));
    let rows = rows.map(|id| {
        let mut cells = seen.row(id, 0).cells();
        cells[0].insert_str(0, "  ");
        cells
    });
    lines.extend(table::aligned(rows).lines().map(str::to_owned));
    at_most(lines, room)
}

/// The runs that go on, a line each.
fn of_all(eye: &Eye<'_>, style: Style) -> Vec<String> {
    if eye.runs.is_empty() {
        return vec![style.dim("nothing runs; Ctrl-C ends this").into_owned()];
    }
    let head = ["RUN", "TASKS", "TOOK", "NOW"].map(str::to_owned).to_vec();
    let rows = eye.runs.values().map(|known| {
        let seen = &known.seen;
        let took = seen.took();
        vec![seen.recorded.run.to_string(), seen.asked(), took, now(seen)]
    });
    let text = table::aligned(std::iter::once(head).chain(rows));
    at_most(text.lines().map(str::to_owned).collect(), Frame::room())
}

/// What is under way in a run.
fn now(seen: &Seen) -> String {
    let tasks = seen.recorded.plan.tasks();
    let tasks = tasks.filter_map(|(id, task)| {
        let word = seen.word_of(id);
        let took = || {
            let span = seen.spans.get(&id)?;
            Some(human(span.length()))
        };
        let items = || match Items::of(&seen.state, id) {
            Items { all: 0, .. } => None,
            Items { ended, all } => Some(format!("({ended} of {all})")),
        };
        let words = match word {
            "running" => [Some(task.name.clone()), took(), items()],
            waits if waits.starts_with("waiting") => {
                [Some(task.name.clone()), Some(waits.to_owned()), None]
            }
            _ => return None,
        };
        Some(words.into_iter().flatten().collect::<Vec<_>>().join(" "))
    });
    visible(&tasks.collect::<Vec<_>>().join(", ")).into_owned()
}

/// A run that has ended, for the lines above.
fn ended_line(change: &Change, style: Style) -> String {
    let seen = &change.seen;
    let took = seen.took();
    let word = match seen.word {
        "completed" => style.good(seen.word),
        word => style.bad(word),
    };
    format!(
        "{}  {}  {word} in {took}\n",
        seen.recorded.run,
        visible(&seen.asked())
    )
}

/// The lines that there is room for, and how many more there are.
fn at_most(mut lines: Vec<String>, room: usize) -> Vec<String> {
    if lines.len() > room {
        let more = lines.len() - room.saturating_sub(1);
        lines.truncate(room.saturating_sub(1));
        lines.push(format!("… and {more} more"));
    }
    lines
}
