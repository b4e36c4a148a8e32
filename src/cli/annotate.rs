//! `flow annotate`: a note in the record of a run, which stays what it is.

use clap::Args;

use super::context::{self, Context};
use super::reach::{self, Reach};
use super::running::unrecorded;
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::core::Record;
use crate::core::fact::Fact;
use crate::engine::clock::Clock;
use crate::record::{self, whole};
use crate::report::screen;
use crate::store::Kind;
use crate::store::request::Request;

/// Add a note to the record of a run
///
/// `flow history --text` finds notes.
#[derive(Debug, Args)]
pub(super) struct AnnotateArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// The text of the note
    #[arg(long, value_name = "TEXT")]
    pub(super) comment: String,
    /// The number of the fact that the note is about
    #[arg(long, value_name = "N")]
    pub(super) event: Option<u64>,
    /// The author [default: you]
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
}

impl Verb for AnnotateArgs {
    const NAME: &'static str = "annotate";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        annotate(context, self)
    }
}

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
    reach::check_words([&by, &text], "names and comments")?;
    let reach = Reach::new();
    loop {
        let (mut journal, lines) = match whole::take(&store, &run) {
            Ok(taken) => taken,
            Err(error) if error.kind == Kind::Owned => {
                let request = Request::Annotate {
                    text: text.clone(),
                    by: by.clone(),
                    event: args.event,
                };
                let sent = reach.send(&store, &run, &request);
                if sent.map_err(|error| unrecorded(&error))? {
                    return noted(&run);
                }
                continue;
            }
            Err(error) => return Err(unread(&error)),
        };
        let recorded = runs::with_plan(&store, &run, lines)?;
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
            at: Clock::system().now(),
            fact: Fact::NoteAdded {
                text,
                by: by.clone(),
                event: args.event,
            },
        };
        record::add(&mut *journal, &run, &mut chain, &[record], &by, None)
            .map_err(|error| unrecorded(&error))?;
        return noted(&run);
    }
}

fn noted(run: &crate::model::id::RunId) -> Result<Exit, Trouble> {
    let _ = screen::print("", &format!("noted in run {run}\n"));
    Ok(Exit::Done)
}
