//! What of a call has to run: told by the note of an earlier call, or by looking at all of its tasks.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::context::Context;
use super::run::RunArgs;
use super::{Trouble, run, standing};
use crate::disk::Folder;
use crate::disk::layout::NOTES;
use crate::disk::trust::Key;
use crate::engine::clock::Clock;
use crate::engine::desk::Desk;
use crate::engine::incremental::{Ahead, DecidedBy, Freshness, Told};
use crate::engine::outside::World;
use crate::eval::Evaluator;
use crate::exec::mask::Secrets;
use crate::file;
use crate::incremental::{self, Call, Incremental, Note};
use crate::model::id::NodeId;
use crate::model::language::Workflow;
use crate::model::plan::Plan;
use crate::plan::{self, Request, Stale};
use crate::report;

/// What evaluates, and what is hidden of it.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) secrets: Secrets,
    pub(super) evaluator: Arc<Evaluator>,
    /// Where it hands in commands that run for its answers.
    pub(super) desk: Arc<Desk>,
}

impl Values {
    fn of(plan: &Arc<Plan>) -> Self {
        let secrets = Secrets::default();
        let desk = Arc::new(Desk::default());
        let world = Box::new(World::new(Arc::clone(&desk), secrets.clone()));
        let evaluator = Evaluator::new(Arc::clone(plan), std::env::vars_os(), world);
        Self {
            secrets,
            desk,
            evaluator,
        }
    }
}

/// Where it is written down by what files a call was decided.
#[derive(Debug)]
pub(super) struct Notes {
    call: Call,
    /// The folder for what flow keeps, and the project.
    state: Folder,
    root: PathBuf,
}

/// What is known of the files of the project, being read beside other work.
#[derive(Debug)]
pub(super) struct Reading(JoinHandle<Incremental>);

impl Notes {
    /// Of a call; `None` for calls in which more is to be said or done.
    pub(super) fn of(context: &Context, args: &RunArgs) -> Result<Option<Self>, Trouble> {
        let json = args.show.mode() == report::Mode::Json;
        if args.force || args.force_all || args.dry_run || json {
            return Ok(None);
        }
        let state = context.workplace()?;
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &[u8]| {
            hasher
                .update(&(text.len() as u64).to_le_bytes())
                .update(text);
        };
        add(file::compiled::BUILD.as_bytes());
        add(context.path()?.as_os_str().as_encoded_bytes());
        add(context.called_in()?.as_os_str().as_encoded_bytes());
        add(args.profile.as_deref().unwrap_or_default().as_bytes());
        let flags = [args.only, args.profile.is_some(), args.parallel];
        add(&flags.map(u8::from));
        args.tasks.iter().for_each(|task| add(task.as_bytes()));
        add(b"--");
        args.args.iter().for_each(|arg| add(arg.as_encoded_bytes()));
        let name = hasher.finalize().to_hex();
        let call = Call {
            notes: state.below(NOTES),
            name: name[..32].to_owned(),
        };
        Ok(Some(Self {
            call,
            state,
            root: root(context)?,
        }))
    }

    /// The note, if there is one that tells anything.
    pub(super) fn read(&self) -> Option<Note> {
        incremental::noted(&self.call, &self.root, &self.state, cores, &Clock::of_files)
    }

    /// Begins to read what is known of the files, which takes a while in a project of many.
    pub(super) fn read_on(&self, context: &Context) -> Reading {
        let (root, state, cache) = (
            self.root.clone(),
            self.state.clone(),
            standing::cache(context, RESULTS),
        );
        Reading(std::thread::spawn(move || open(root, state, cache)))
    }
}

/// What is known of the files of a project.
pub(super) fn known(context: &Context) -> Result<Incremental, Trouble> {
    let cache = standing::cache(context, RESULTS);
    Ok(open(root(context)?, context.workplace()?, cache))
}

fn open(root: PathBuf, state: Folder, cache: Option<(Folder, Key)>) -> Incremental {
    let incremental = Incremental::open(root, state, Clock::of_files, cores());
    match cache {
        Some((folder, key)) => incremental.with_cache(folder, key),
        None => incremental,
    }
}

/// The folder that the paths of a project begin at.
fn root(context: &Context) -> Result<PathBuf, Trouble> {
    let state = context.state()?;
    let path = state.path();
    Ok(path.parent().unwrap_or(path).to_owned())
}

/// The folder of the user's cache with results of tasks, of all checkouts of all projects.
pub(super) const RESULTS: &str = "results";

/// What a note says of the tasks of a file.
pub(super) fn noted(workflow: &Workflow, request: &Request, note: &Note) -> Option<Stale> {
    stale(workflow, request, note.stale(), note.up_to_date())
}

/// A plan for these tasks alone. Not where tasks are left out already, and where values and arguments are held against all tasks.
fn stale<'n>(
    workflow: &Workflow,
    request: &Request,
    names: impl Iterator<Item = &'n str>,
    up_to_date: usize,
) -> Option<Stale> {
    if request.only || !request.values.is_empty() || !request.args.is_empty() {
        return None;
    }
    let tasks: Option<HashSet<_>> = names.map(|name| workflow.find(name)).collect();
    Some(Stale {
        tasks: tasks?,
        up_to_date: u32::try_from(up_to_date).unwrap_or(u32::MAX),
    })
}

/// A plan, with what is known about what of it has to run.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) plan: Arc<Plan>,
    pub(super) values: Values,
    /// `None` when all of it runs each time.
    pub(super) freshness: Option<Arc<Freshness>>,
    pub(super) ahead: Ahead,
}

impl Work {
    pub(super) fn of(
        context: &Context,
        plan: Arc<Plan>,
        reading: Option<Reading>,
        args: &RunArgs,
    ) -> Result<Self, Trouble> {
        let values = Values::of(&plan);
        let matters = Freshness::matters(&plan);
        if matters && args.no_record {
            // Where it can't be made nothing is kept, and so nothing is up to date.
            let _ = context.workplace()?.make();
        }
        let freshness = matters
            .then(|| freshness(context, &plan, &values, reading, args.no_cache))
            .transpose()?;
        let ahead = freshness.as_ref().map(Freshness::look_ahead);
        Ok(Self {
            plan,
            values,
            freshness: freshness.map(Arc::new),
            ahead: ahead.unwrap_or_default(),
        })
    }

    /// For a run that is taken up: each task is asked about when its turn comes.
    pub(super) fn taken_up(context: &Context, plan: Arc<Plan>) -> Result<Self, Trouble> {
        let values = Values::of(&plan);
        let freshness = Freshness::matters(&plan)
            .then(|| freshness(context, &plan, &values, None, false))
            .transpose()?;
        Ok(Self {
            plan,
            values,
            freshness: freshness.map(Arc::new),
            ahead: Ahead::default(),
        })
    }

    /// Makes the plan one of the tasks that may have to run, where files alone have decided which these are.
    pub(super) fn leave_out_the_rest(
        &mut self,
        workflow: &Workflow,
        mut request: Request,
    ) -> Result<(), Trouble> {
        let tasks = &self.ahead.by_files;
        if request.in_order
            || tasks.is_empty()
            || self.ahead.up_to_date.is_empty()
            || self.ahead.is_all
        {
            return Ok(());
        }
        let names = tasks.iter().filter(|described| described.stale);
        let names = names.map(|described| &*described.task.name);
        request.stale = stale(workflow, &request, names, self.ahead.up_to_date.len());
        if request.stale.is_none() {
            return Ok(());
        }
        let plan =
            plan::plan(workflow, &request).map_err(|refused| run::trouble(workflow, &refused))?;
        let plan = Arc::new(plan);
        let values = Values::of(&plan);
        if let Some(freshness) = self.freshness.take().and_then(Arc::into_inner) {
            let evaluator = Arc::clone(&values.evaluator);
            self.freshness = Some(Arc::new(freshness.of(Arc::clone(&plan), evaluator)));
        }
        self.ahead.up_to_date.clear();
        // It may be large, and taking it to pieces takes time.
        std::mem::forget(std::mem::replace(&mut self.plan, plan));
        std::mem::forget(std::mem::replace(&mut self.values, values));
        Ok(())
    }

    /// Writes down what was found out about files, for those who come later.
    pub(super) fn keep_fingerprints(&self) {
        if let Some(freshness) = &self.freshness {
            // What could not be kept is found out again.
            let _ = freshness.keep();
        }
    }

    /// How many tasks are up to date, also of those that the plan leaves out.
    pub(super) fn up_to_date(&self) -> usize {
        self.ahead.up_to_date.len() + self.plan.up_to_date as usize
    }

    /// Writes down what was found out, and by what files, now that all is up to date. What could not be kept is found out again
    /// the next time.
    pub(super) fn keep(&self, workflow: &Workflow, notes: Option<&Notes>, note: Option<&Note>) {
        let Some(freshness) = &self.freshness else {
            return;
        };
        let _ = freshness.keep();
        let decided_by = match note {
            Some(note) => DecidedBy::Note(note),
            None if self.ahead.by_files.is_empty() => return,
            None => DecidedBy::All(&self.ahead.by_files),
        };
        if let (Some(notes), [file]) = (notes, &workflow.files[..]) {
            let _ = freshness.keep_note(&notes.call, &file.path, decided_by);
        }
    }
}
/// What can be said of each task of a plan.
type AllTold = Vec<(NodeId, Told)>;

/// The plan of a request, and what can be said of each of its tasks without running it.
pub(super) fn tell(
    context: &Context,
    workflow: &Workflow,
    request: &Request,
) -> Result<(Arc<Plan>, AllTold), Trouble> {
    let plan = plan::plan(workflow, request).map_err(|refused| run::trouble(workflow, &refused))?;
    let plan = Arc::new(run::with_items_that_are_there(plan)?);
    let values = Values::of(&plan);
    let told = freshness(context, &plan, &values, None, true)?.tell();
    Ok((plan, told))
}

/// What is known of the files of the project, for a plan of which nothing is to run.
pub(super) fn looked_at(
    context: &Context,
    plan: &Arc<Plan>,
    evaluator: &Arc<Evaluator>,
) -> Result<Freshness, Trouble> {
    let state = context.workplace()?;
    let (plan, evaluator) = (Arc::clone(plan), Arc::clone(evaluator));
    Ok(Freshness::new(
        plan,
        evaluator,
        known(context)?,
        &state,
        true,
    ))
}

/// What is known of the files of the project.
fn freshness(
    context: &Context,
    plan: &Arc<Plan>,
    values: &Values,
    reading: Option<Reading>,
    no_cache: bool,
) -> Result<Freshness, Trouble> {
    let state = context.workplace()?;
    let incremental = match reading {
        Some(Reading(reading)) => reading.join().expect("reading a table does not panic"),
        None => known(context)?,
    };
    Ok(Freshness::new(
        Arc::clone(plan),
        Arc::clone(&values.evaluator),
        incremental,
        &state,
        no_cache,
    ))
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
