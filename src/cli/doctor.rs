//! `flow doctor`: whether flow's own data is sound, and what it can do about it.

use serde_json::json;

use clap::Args;

use super::context::Context;
use super::runs::{self, unread};
use super::verb::Verb;
use super::{Exit, Trouble, standing};
use crate::engine::clock::Clock;
use crate::engine::past;
use crate::exec::remains;
use crate::index::{Filter, Index, Row, Status};
use crate::model::id::RunId;
use crate::record::verify;
use crate::store::files::Files;
use crate::store::{Head, Kind, Store};

/// Check flow's data and repair it
///
/// It checks the folder, the records and their index, and finds processes left by a dead flow. It rebuilds an index that is wrong.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Rebuild the index even if it is sound
    #[arg(long)]
    pub(super) rebuild: bool,
    /// Check instead that the programs used in the Workflowfile are installed; exit code 1 if one is missing
    #[arg(long, conflicts_with = "rebuild")]
    pub(super) tools: bool,
    /// Trust a .flow that came from another machine or user, after a confirmation
    #[arg(long, visible_alias = "trust", conflicts_with_all = ["rebuild", "tools"])]
    pub(super) adopt: bool,
    /// Answer yes to the confirmation
    #[arg(short = 'y', long, requires = "adopt")]
    pub(super) yes: bool,
    /// Print JSON lines, one for each finding
    #[arg(long)]
    pub(super) json: bool,
}

impl Verb for DoctorArgs {
    const NAME: &'static str = "doctor";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        doctor(context, self)
    }
}

/// How something was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Mended,
    /// It works, and there is something to know.
    Note,
    Bad,
}

/// What was found about one thing.
struct Finding {
    what: &'static str,
    state: State,
    words: String,
    help: String,
}

/// Looks at everything.
pub(super) fn doctor(context: &Context, args: &DoctorArgs) -> Result<Exit, Trouble> {
    if args.adopt {
        return standing::adopt(context, args);
    }
    if args.tools {
        return super::tools::tools(context, args.json);
    }
    let store = context.history()?;
    let mut findings = vec![folder(context)?];
    findings.extend(records(&store)?);
    if context.doubt()?.is_none() {
        findings.push(index(context, &store, args.rebuild)?);
        findings.extend(left(&store)?);
    }
    let text: String = if args.json {
        findings.iter().map(as_json).collect()
    } else {
        findings.iter().map(as_text).collect()
    };
    let shown = super::show(&text)?;
    if findings.iter().any(|finding| finding.state == State::Bad) {
        return Ok(Exit::Record);
    }
    Ok(shown)
}

fn good(what: &'static str, words: impl Into<String>) -> Finding {
    Finding {
        what,
        state: State::Good,
        words: words.into(),
        help: String::new(),
    }
}

/// The folder: whether it can be written, and lies where locks work.
fn folder(context: &Context) -> Result<Finding, Trouble> {
    let state = context.state()?;
    let shown = state.path().display();
    if let Some(why) = context.doubt()? {
        return Ok(Finding {
            what: "folder",
            state: State::Bad,
            words: format!("{shown} is not believed: {why}"),
            help: context.way_out(why),
        });
    }
    if !state.exists() {
        return Ok(good(
            "folder",
            format!("{shown} is not there yet: nothing has run"),
        ));
    }
    let mut finding = good("folder", format!("{shown}"));
    let magic = rustix::fs::statfs(state.path()).map(|at| i128::from(at.f_type));
    if magic.is_ok_and(|magic| REMOTE.contains(&magic)) {
        finding.state = State::Bad;
        finding.words =
            format!("{shown} is on another machine's disk, where locks can't be relied on");
        finding.help = "keep the project on a disk of this machine".to_owned();
    } else if rustix::fs::access(state.path(), rustix::fs::Access::WRITE_OK).is_err() {
        finding.state = State::Note;
        finding.words = format!(
            "{shown} can't be written; runs can be looked at, and with --no-record be made"
        );
    }
    Ok(finding)
}

/// File systems of networks, by their numbers (statfs(2)): NFS, SMB, CIFS, SMB2, AFS, 9P, Ceph, FUSE is not among them.
const REMOTE: [i128; 7] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x5346_414f,
    0x0102_1997,
    0x00c3_6400,
];

/// The records: whether they are what was written.
fn records(store: &Files) -> Result<Vec<Finding>, Trouble> {
    let heads = store.heads().map_err(|error| unread(&error))?;
    let mut by_run: std::collections::HashMap<&RunId, Vec<Head>> = std::collections::HashMap::new();
    for head in &heads {
        by_run.entry(&head.run).or_default().push(head.clone());
    }
    let all = store.runs().map_err(|error| unread(&error))?;
    let (mut sound, mut findings) = (0, Vec::new());
    let mut denied: Vec<&RunId> = Vec::new();
    let removed = || store.removed().map_err(|error| unread(&error));
    for run in &all {
        let own = by_run.remove(run).unwrap_or_default();
        let found = verify::run(store, run, &own, None, false);
        match verify::unless_removed(store, run, found) {
            Ok(Some(_)) => sound += 1,
            // While others were looked at.
            Ok(None) => {}
            Err(error) if error.is_denied() => denied.push(run),
            Err(error) => findings.push(Finding {
                what: "record",
                state: State::Bad,
                words: error.to_string(),
                help: "nothing is removed; what is left of it: flow events".to_owned()
                    + &format!(" {run}"),
            }),
        }
    }
    if let Some(run) = denied.first() {
        findings.push(Finding {
            what: "record",
            state: State::Bad,
            words: format!(
                "{} of {} can't be read, as run {run}",
                denied.len(),
                all.len()
            ),
            help: runs::of_another(&store.path_of(run)).unwrap_or_default(),
        });
    }
    // What was removed since the heads were read is said in them by now.
    let removed = removed()?;
    by_run.retain(|run, _| !removed.iter().any(|(one, _)| one == *run));
    let mut gone: Vec<&&RunId> = by_run.keys().collect();
    gone.sort();
    findings.extend(gone.into_iter().map(|run| Finding {
        what: "record",
        state: State::Bad,
        words: format!("the record of run {run} is gone"),
        help: "it was not removed by flow".to_owned(),
    }));
    findings.insert(
        0,
        good("records", format!("{sound} of {} are sound", all.len())),
    );
    Ok(findings)
}

/// The index: made anew where it is not what the records say.
fn index(context: &Context, store: &Files, rebuild: bool) -> Result<Finding, Trouble> {
    let (state, now) = (context.state()?, Clock::system().now());
    let was_there = Index::exists(&state);
    let failed = |error: crate::store::Error| unread(&error);
    let found = Index::check(&state).and_then(|()| {
        let index = Index::open(&state, store, now, &mut runs::told)?;
        // It is nobody's again when this returns.
        Ok((index.count()?, wrong_row(&index, store)?))
    });
    let why = match found {
        Ok((count, None)) if !rebuild => return Ok(good("index", format!("{count} runs"))),
        Ok((_, None)) => "it was asked for".to_owned(),
        Ok((_, Some(run))) => format!("its row of run {run} was not what the record says"),
        Err(error) if error.kind == Kind::Damaged => error.to_string(),
        Err(error) if error.is_denied() => {
            let help = error.path.as_deref().and_then(runs::of_another);
            return Ok(Finding {
                what: "index",
                state: State::Bad,
                words: error.to_string(),
                help: help.unwrap_or_default(),
            });
        }
        Err(error) => return Err(failed(error)),
    };
    let index = Index::rebuild(&state, store, now, &mut runs::told).map_err(failed)?;
    let count = index.count().map_err(failed)?;
    Ok(Finding {
        what: "index",
        state: if was_there {
            State::Mended
        } else {
            State::Good
        },
        words: format!("rebuilt from the records of {count} runs: {why}"),
        help: String::new(),
    })
}

/// The first run of which the index does not say what its record does.
fn wrong_row(index: &Index, store: &Files) -> Result<Option<RunId>, crate::store::Error> {
    let mut rows = index.count()?;
    for run in store.runs()? {
        match index.is_wrong(store, &run)? {
            Some(_) => return Ok(Some(run)),
            None => rows -= usize::from(index.row(&run)?.is_some()),
        }
    }
    // One that is open may be about to have its record.
    let mut filter = Filter::default();
    if rows == 0 {
        return Ok(None);
    }
    loop {
        let page = index.page(&filter, 1000)?;
        let gone = |row: &&Row| row.status != Status::Open && store.is_owned(&row.run).is_err();
        if let Some(row) = page.iter().find(gone) {
            return Ok(Some(row.run.clone()));
        }
        match page.last() {
            Some(last) => filter.before = Some(last.run.clone()),
            None => return Ok(None),
        }
    }
}

/// Processes of runs whose flow is dead.
fn left(store: &Files) -> Result<Vec<Finding>, Trouble> {
    let mut findings = Vec::new();
    for run in store.runs().map_err(|error| unread(&error))? {
        // Of a record that can't be read it was told above.
        let over = crate::record::end(store, &run).map_or(true, |end| end.is_some());
        if over || store.is_owned(&run).map_err(|error| unread(&error))? {
            continue;
        }
        for left in remains::of_run(&run, store.logs().path(), &past::started(store, &run)) {
            findings.push(Finding {
                what: "process",
                state: State::Note,
                words: format!(
                    "{} (process {}) of the task {} is still running, but its flow is gone",
                    left.program,
                    left.pid.as_raw_nonzero(),
                    left.task
                ),
                help: format!("flow resume {run}, or flow cancel {run}, ends it first"),
            });
        }
    }
    Ok(findings)
}

const fn word(state: State) -> &'static str {
    match state {
        State::Good => "good",
        State::Mended => "mended",
        State::Note => "note",
        State::Bad => "bad",
    }
}

fn as_text(finding: &Finding) -> String {
    let Finding {
        what,
        state,
        words,
        help,
    } = finding;
    let help = match help.as_str() {
        "" => String::new(),
        help => format!("        {help}\n"),
    };
    format!("{:6}  {what}: {words}\n{help}", word(*state))
}

fn as_json(finding: &Finding) -> String {
    let value = json!({
        "what": finding.what, "state": word(finding.state), "words": finding.words,
        "help": Some(&finding.help).filter(|help| !help.is_empty()),
    });
    format!("{value}\n")
}
