//! `flow verify`: whether records are what was written.

use std::collections::HashSet;

use serde_json::json;

use clap::Args;

use super::context::Context;
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::index::Index;
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::record::verify;
use crate::report::screen;
use crate::store::files::Files;
use crate::store::signature::{self, PublicKey};
use crate::store::{Error, Head, Kind, Store};

/// Check that nobody has changed the records of runs
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The run: an id or a prefix of one, `latest` or `latest:TASK` [default: latest]
    #[arg(value_name = "RUN", conflicts_with = "all")]
    pub(super) run: Option<String>,
    /// Check all runs
    #[arg(long)]
    pub(super) all: bool,
    /// Require that each finished run is signed with this public key, or the key in this file
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,
    /// Create a key that signs all runs of the project from now on, and print its public half
    #[arg(long, conflicts_with_all = ["run", "all", "key", "json"])]
    pub(super) new_key: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(super) json: bool,
}

impl Verb for VerifyArgs {
    const NAME: &'static str = "verify";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        verify(context, self)
    }
}

/// Verifies a run, or all.
pub(super) fn verify(context: &Context, args: &VerifyArgs) -> Result<Exit, Trouble> {
    if args.new_key {
        return new_key(&context.store()?);
    }
    let store = context.history()?;
    let key = key(&store, args)?;
    let heads = store.heads().map_err(|error| unread(&error))?;
    let mut runs = match &args.run {
        None if args.all => store.runs().map_err(|error| unread(&error))?,
        word => vec![runs::find(
            context,
            &store,
            word.as_deref().unwrap_or("latest"),
        )?],
    };
    runs.reverse();
    let index = index(context, &store)?;
    let mut wrong = 0;
    for run in &runs {
        let own: Vec<Head> = heads
            .iter()
            .filter(|head| head.run == *run)
            .cloned()
            .collect();
        let found = verify::run(&store, run, &own, key.as_ref(), args.key.is_some());
        let found = found.and_then(|sound| fits(index.as_ref(), &store, run).map(|()| sound));
        let Some(found) = verify::unless_removed(&store, run, found).transpose() else {
            // It was removed while others were looked at.
            continue;
        };
        wrong += u32::from(found.is_err());
        let text = match (&found, args.json) {
            (Ok(sound), true) => json!({
                "run": run, "sound": true, "facts": sound.facts, "logs": sound.logs,
                "head": sound.head, "over": sound.is_over, "signed": sound.is_signed,
            })
            .to_string(),
            (Err(error), true) => {
                json!({"run": run, "sound": false, "error": error.to_string()}).to_string()
            }
            (Ok(sound), false) => format!(
                "{run}  sound: {} facts, {} logs{}{}; head {}",
                sound.facts,
                sound.logs,
                if sound.is_over { "" } else { ", not ended" },
                if sound.is_signed { ", signed" } else { "" },
                sound.head
            ),
            (Err(error), false) => format!("{run}  NOT SOUND: {error}"),
        };
        super::show(&format!("{text}\n"))?;
    }
    wrong += missing(&store, &runs, &heads, args)?;
    if wrong > 0 {
        let words = format!(
            "error: {wrong} of {} records are not what was written\n",
            runs.len()
        );
        return Err(Trouble {
            exit: Exit::Record,
            words,
        });
    }
    if runs.is_empty() {
        let _ = screen::print("", "no runs are recorded here yet\n");
    }
    Ok(Exit::Done)
}

/// The key by which signatures are verified: the one that was given, or that of the project.
fn key(store: &Files, args: &VerifyArgs) -> Result<Option<PublicKey>, Trouble> {
    let Some(word) = &args.key else {
        return signature::public_key(store.signing_key()).map_err(|error| unread(&error));
    };
    let text = std::fs::read_to_string(word).unwrap_or_else(|_| word.clone());
    let wrong = || {
        let what = format!("{word:?} is no public key");
        Trouble::call(
            what,
            "give the 64 digits that `flow verify --new-key` printed, or a file with them",
        )
    };
    PublicKey::parse(&text).map(Some).ok_or_else(wrong)
}

/// Makes a key for the project, by which the ends of its runs are signed from now on.
fn new_key(store: &Files) -> Result<Exit, Trouble> {
    store.make_folders().map_err(|error| unread(&error))?;
    let made = signature::make_key(store.signing_key());
    let public = made.map_err(|error| match error.kind {
        Kind::Exists => {
            let what = format!(
                "there is a key already: {}",
                store.signing_key().path().display()
            );
            Trouble::call(
                what,
                "move it away first; what it has signed is verified with its public key",
            )
        }
        _ => unread(&error),
    })?;
    let words = format!(
        "{} signs the ends of runs from now on; this is its public key:\n",
        store.signing_key().path().display()
    );
    let _ = screen::print("", &words);
    super::show(&format!("{public}\n"))
}

/// The index, if there is one.
fn index(context: &Context, store: &Files) -> Result<Option<Index>, Trouble> {
    if context.doubt()?.is_some() || !Index::exists(&context.state()?) {
        return Ok(None);
    }
    let mut index = runs::index(context, store)?;
    let brought_up = index.stamps(Timestamp::from_micros(0)).and_then(|stamps| {
        // A record that was put back from a copy is what it was.
        index.look_again(store, &stamps, Clock::system().now())
    });
    brought_up.map_err(|error| runs::unindexed(&error))?;
    Ok(Some(index))
}

/// Whether the index says the same of a run.
fn fits(index: Option<&Index>, store: &Files, run: &RunId) -> Result<(), Error> {
    match index.map(|index| index.is_wrong(store, run)).transpose()? {
        // It was removed in between.
        Some(Some(_)) if !store.path_of(run).exists() => Ok(()),
        Some(Some(wrong)) => Err(Error::new(
            Kind::Damaged,
            format!("trust the index: run {run} {wrong}; `flow doctor` rebuilds it"),
        )),
        Some(None) | None => Ok(()),
    }
}

/// Tells the runs of which there is a head and no record.
fn missing(
    store: &Files,
    runs: &[RunId],
    heads: &[Head],
    args: &VerifyArgs,
) -> Result<u32, Trouble> {
    if !args.all {
        return Ok(0);
    }
    // What was removed since the heads were read is said in them by now.
    let removed = store.removed().map_err(|error| unread(&error))?;
    let removed: HashSet<&RunId> = removed.iter().map(|(run, _)| run).collect();
    let there: HashSet<&RunId> = runs.iter().collect();
    let mut gone: Vec<&RunId> = heads
        .iter()
        .map(|head| &head.run)
        .filter(|run| !there.contains(run) && !removed.contains(run))
        .collect();
    gone.sort_unstable();
    gone.dedup();
    for run in &gone {
        let text = if args.json {
            json!({"run": run, "sound": false, "error": "its record is gone"}).to_string()
        } else {
            format!("{run}  NOT SOUND: its record is gone")
        };
        super::show(&format!("{text}\n"))?;
    }
    Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
}
