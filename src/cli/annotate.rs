//! `flow annotate`: a note in the record of a run, which stays what it is.

use std::time::Duration;

use super::args::AnnotateArgs;
use super::context::{self, Context};
use super::running::unrecorded;
use super::runs;
use super::{Exit, Trouble};
use crate::core::Record;
use crate::core::fact::Fact;
use crate::engine::clock::Clock;
use crate::report::screen;
use crate::store::request::{Request, WORDS_MAX};
use crate::store::{Kind, Store};

/// How long it takes at most until a run that has just begun can be reached.
const REACHED_AFTER: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Adds a note to a run: by its process, when it goes on; here, when it does not.
pub(super) fn annotate(context: &Context, args: &AnnotateArgs) -> Result<Exit, Trouble> {
    let store = context.store()?;
    let run = runs::find(context, &store, args.run.as_deref().unwrap_or("latest"))?;
    let by = args.by.clone().unwrap_or_else(context::person);
    let text = args.comment.trim().to_owned();
    if text.is_empty() {
        return Err(Trouble::call(
            "there is nothing to note",
            "--comment says what",
        ));
    }
    for words in [&by, &text] {
        if words.len() > WORDS_MAX {
            let what = format!("names and comments have at most {WORDS_MAX} bytes");
            return Err(Trouble::call(what, "say it in fewer words"));
        }
    }
    let clock = Clock::system();
    let until = clock.instant() + REACHED_AFTER;
    loop {
        let mut journal = match store.open(&run) {
            Ok(journal) => journal,
            Err(error) if error.kind == Kind::Owned => {
                let request = Request::Annotate {
                    text: text.clone(),
                    by: by.clone(),
                    event: args.event,
                };
                match store.send(&run, &request) {
                    Ok(()) => return noted(&run),
                    // It has just begun, or is just ending.
                    Err(error) if error.kind == Kind::Missing && clock.instant() < until => {
                        std::thread::sleep(LOOK_AGAIN);
                        continue;
                    }
                    Err(error) => return Err(unrecorded(&error)),
                }
            }
            Err(error) => return Err(unrecorded(&error)),
        };
        let recorded = runs::read(&store, &run)?;
        let (seq, mut chain) = (recorded.records.len() as u64, recorded.chain);
        if let Some(event) = args.event.filter(|event| *event == 0 || *event > seq) {
            let what = format!("run {run} has no fact {event}");
            return Err(Trouble::call(
                what,
                format!("it has facts 1 to {seq}: flow events {run}"),
            ));
        }
        let record = Record {
            seq: seq + 1,
            at: clock.now(),
            fact: Fact::NoteAdded {
                text,
                by: by.clone(),
                event: args.event,
            },
        };
        let mut line = String::new();
        chain.seal(&record, &by, None, &mut line);
        let head = chain.head(&run, record.seq);
        journal
            .append(&line)
            .and_then(|()| journal.sync())
            .and_then(|()| journal.keep_head(&head))
            .map_err(|error| unrecorded(&error))?;
        return noted(&run);
    }
}

fn noted(run: &crate::model::id::RunId) -> Result<Exit, Trouble> {
    let _ = screen::print("", &format!("noted in run {run}\n"));
    Ok(Exit::Done)
}
