//! `flow locks`: who holds which lock, who waits for it; and giving one away by hand.

use std::time::Duration;

use serde_json::{Value, json};

use clap::Args;

use super::context::{self, Context};
use super::reach::{self, Reach};
use super::runs::unread;
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::disk::layout::LOCKS;
use crate::engine::clock::Clock;
use crate::lock::{Holder, Listed, Locks, Who};
use crate::report::{screen, table};
use crate::store::Kind;
use crate::store::request::Request;
use crate::suggest::Suggest;

/// Show who holds or waits for locks, or release one
#[derive(Debug, Args)]
pub(super) struct LocksArgs {
    /// Release this lock; the run that holds it continues without it, which is recorded
    #[arg(long, value_name = "LOCK", conflicts_with = "json")]
    pub(super) release: Option<String>,
    /// The run to take the lock from, if several hold it
    #[arg(long, value_name = "RUN", requires = "release")]
    pub(super) run: Option<String>,
    /// Who releases it [default: you]
    #[arg(long, value_name = "NAME", requires = "release")]
    pub(super) by: Option<String>,
    /// Print JSON lines, one for each lock
    #[arg(long)]
    pub(super) json: bool,
}

impl Verb for LocksArgs {
    const NAME: &'static str = "locks";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        locks(context, self)
    }
}

/// How long it takes at most until a run that was reached has answered.
const ANSWERED_AFTER: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Lists the locks, or gives one away.
pub(super) fn locks(context: &Context, args: &LocksArgs) -> Result<Exit, Trouble> {
    let locks = Locks::new(context.workplace()?.below(LOCKS));
    let list = || {
        let listed = locks.list();
        listed.map_err(|error| Trouble::call(format!("can't read the locks: {error}"), ""))
    };
    let listed = list()?;
    if let Some(name) = &args.release {
        let holder = chosen(&listed, name, args.run.as_deref())?;
        return release(context, args, &holder, list);
    }
    if args.json {
        let lines: String = listed
            .iter()
            .map(|one| format!("{}\n", as_json(one)))
            .collect();
        return super::show(&lines);
    }
    if listed.is_empty() {
        // Whoever closed stderr does not want to know.
        let _ = screen::print("", "nobody holds a lock\n");
        return Ok(Exit::Done);
    }
    super::show(&as_table(&listed))
}

/// Who is to give a lock away.
fn chosen(listed: &[Listed], name: &str, run: Option<&str>) -> Result<Holder, Trouble> {
    let held = || listed.iter().filter(|one| !one.holders.is_empty());
    let Some(lock) = held().find(|one| one.lock.name == name) else {
        let near = Suggest::new().nearest(name, held().map(|one| one.lock.name.as_str()));
        let help = near.map_or_else(
            || "`flow locks` lists those that are held".to_owned(),
            |near| format!("did you mean {near:?}?"),
        );
        return Err(Trouble::call(
            format!("nobody holds the lock {name:?}"),
            help,
        ));
    };
    let of_run = |holder: &&Holder| run.is_none_or(|run| holder.who.run.as_str().starts_with(run));
    let mut runs: Vec<&Holder> = lock.holders.iter().filter(of_run).collect();
    runs.dedup_by_key(|holder| &holder.who.run);
    match runs[..] {
        [holder] => Ok(holder.clone()),
        [] => Err(Trouble::call(
            format!(
                "run {:?} does not hold the lock {name:?}",
                run.unwrap_or_default()
            ),
            "`flow locks` says who does",
        )),
        _ => {
            let names: Vec<&str> = runs.iter().map(|holder| holder.who.run.as_str()).collect();
            Err(Trouble::call(
                format!("{} runs hold the lock {name:?}", names.len()),
                format!("say which: --run {}", names.join(", --run ")),
            ))
        }
    }
}

/// Asks the run that holds a lock to give it away, which is a fact of that run, and waits until it has.
fn release(
    context: &Context,
    args: &LocksArgs,
    holder: &Holder,
    list: impl Fn() -> Result<Vec<Listed>, Trouble>,
) -> Result<Exit, Trouble> {
    let (store, run, name) = (context.store()?, &holder.who.run, &holder.lock.name);
    let by = args.by.clone().unwrap_or_else(context::person);
    reach::check_words([&by], "names")?;
    let request = Request::Release {
        name: name.clone(),
        by,
    };
    let clock = Clock::system();
    let (reach, began, mut sent) = (Reach::new(), clock.instant(), false);
    loop {
        let still = |one: &Listed| one.lock.name == *name && one.holders.contains(holder);
        if !list()?.iter().any(still) {
            let words = format!("run {run} has given the lock {name:?} away\n");
            let _ = screen::print("", &words);
            return Ok(Exit::Done);
        }
        if !sent {
            match reach.send(&store, run, &request) {
                Ok(now) => sent = now,
                Err(error) if error.kind == Kind::Missing => {
                    let pid = holder.who.pid;
                    return Err(Trouble::call(
                        format!("run {run}, which holds the lock, can't be reached"),
                        format!("it is process {pid}; when that ends, the lock is free"),
                    ));
                }
                Err(error) => return Err(unread(&error)),
            }
        }
        if clock.instant() >= began + ANSWERED_AFTER {
            let what = format!("run {run} does not answer");
            return Err(Trouble::call(what, format!("flow cancel {run} ends it")));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn as_table(listed: &[Listed]) -> String {
    let head = ["LOCK", "STATE", "TASK", "RUN", "SINCE", "WHO"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for one in listed {
        let held = one.holders.iter().map(|one| ("held", &one.who, one.since));
        let waits = one.waiters.iter().map(|one| ("waits", &one.who, one.since));
        for (number, (state, who, since)) in held.chain(waits).enumerate() {
            let name = if number == 0 {
                one.lock.name.clone()
            } else {
                String::new()
            };
            let (task, run) = (who.task.clone(), who.run.to_string());
            let task = task.unwrap_or_else(|| "(the run)".to_owned());
            rows.push(vec![
                name,
                state.to_owned(),
                task,
                run,
                since.local(),
                who.by.clone(),
            ]);
        }
    }
    table::aligned(rows)
}

fn as_json(listed: &Listed) -> Value {
    let who = |who: &Who, since| {
        json!({
            "run": who.run, "task": who.task, "node": who.node, "pid": who.pid, "by": who.by,
            "since": since,
        })
    };
    let holders = listed.holders.iter().map(|one| who(&one.who, one.since));
    let waiters = listed.waiters.iter().map(|one| who(&one.who, one.since));
    json!({
        "name": listed.lock.name, "slots": listed.lock.slots,
        "holders": holders.collect::<Vec<_>>(), "waiters": waiters.collect::<Vec<_>>(),
    })
}
