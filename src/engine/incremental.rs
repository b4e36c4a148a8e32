//! Whether tasks have to run: the questions about it, the look ahead before a run, and what is kept when one has succeeded.
//!
//! `eval` says what a task is made of, `incremental` what of it has changed. What is in between, which belongs to one run, is here.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::past;

use crate::disk::layout::BUILDS;
use crate::disk::{self, Folder, How};
use crate::eval::Evaluator;
use crate::eval::here::Here;
use crate::exec::family;
use crate::incremental::{
    Begun, Call, Checked, Described, Incremental, Made, Note, Reason, Restored, Task, Verdict,
};
use crate::model::id::{NodeId, RunId};
use crate::model::plan::{
    About, Incremental as PlannedIncremental, Kind, On, Plan, Task as PlannedTask,
};
use crate::store::files::Files;

/// How large the cache is when it is pruned by itself, in bytes.
pub const CACHE_BYTES_MAX: u64 = 5 << 30;

/// Larger files are not looked through for secrets, in bytes.
const LOOKED_THROUGH_MAX: u64 = 32 << 20;

/// How often it is.
const PRUNED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of the tasks of one run.
#[derive(Debug)]
pub struct Freshness {
    plan: Arc<Plan>,
    evaluator: Arc<Evaluator>,
    incremental: Incremental,
    /// Where the locks of tasks are that make files.
    builds: Folder,
    /// The records of runs.
    runs: Files,
    /// Nothing is restored from the cache.
    no_cache: bool,
    /// Something was kept in the cache.
    cached: AtomicBool,
    under_way: Mutex<HashMap<NodeId, UnderWay>>,
}

/// A task that has begun.
#[derive(Debug)]
struct UnderWay {
    begun: Begun,
    made: Option<Made>,
    /// A command of it has started.
    started: bool,
    /// Its results are kept in the cache.
    cached: bool,
    /// Nobody else makes its files as long as this is held.
    _lock: Option<BuildLock>,
}

/// The name of the file that is locked by who makes the files of a task.
fn lock_name(task: &str) -> String {
    blake3::hash(task.as_bytes()).to_hex().to_string()
}

/// What stands in it is not longer, in bytes.
const OWNER_BYTES_MAX: u64 = 4096;

/// The right to make the files of a task. As long as it is held its file says who has it, by process and run.
#[derive(Debug)]
struct BuildLock(File);

impl Drop for BuildLock {
    fn drop(&mut self) {
        // What stays is taken for that of a flow that died.
        let _ = self.0.set_len(0);
    }
}

/// Ends what is left of the run of a flow that died while it made the files of a task: it would go on writing to them.
fn end_left(owner: &str, runs: &Files) {
    let Some((pid, run)) = owner.split_once(' ') else {
        return;
    };
    let (Ok(pid), Some(run)) = (pid.parse(), RunId::parse(run)) else {
        return;
    };
    if !family::is_alive(pid) {
        // One that can't be ended keeps nobody from building.
        let _ = past::end_left(&run, runs, || Clock::system().instant());
    }
}

/// What came of asking about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It need not run.
    UpToDate,
    /// It need not run: what it makes was restored.
    Restored(Restored),
    /// It has to, for this reason; these patterns of its sources match nothing.
    Runs(Reason, Vec<String>),
    /// Another flow makes its files at the moment.
    Busy,
    /// It can't be told, for this reason.
    Failed(String),
}

/// What is known before anything runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// The tasks that are up to date with all that they need, in the order of the plan.
    pub up_to_date: Vec<NodeId>,
    /// That is all there is to do.
    pub is_all: bool,
    /// All tasks of the plan in its order, when files alone have decided about each; otherwise none.
    pub by_files: Vec<Described>,
}

/// How it was decided which tasks may have to run.
#[derive(Clone, Copy, Debug)]
pub enum DecidedBy<'a> {
    /// By looking at all of them.
    All(&'a [Described]),
    /// By a note of an earlier call.
    Note(&'a Note),
}

/// What can be said of a task without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It would not run.
    UpToDate,
    /// It would, for this reason.
    Runs(Reason),
    /// That is only known in a run, for this reason.
    Unknown(String),
    /// It only stands for what it needs.
    Nothing,
}

/// What would not run as things are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    /// These tasks.
    pub tasks: HashSet<NodeId>,
    /// These items of tasks that are loops, by their numbers.
    pub items: HashSet<(NodeId, u32)>,
}

/// Who of a run a question is about.
#[derive(Clone, Debug)]
pub(super) struct Who {
    /// The node, and the node of the plan that it is or is an instance of.
    pub(super) id: NodeId,
    pub(super) spec: NodeId,
    /// What tells it from all other tasks of the project.
    pub(super) name: String,
}

impl Told {
    /// What can be said of a loop, of whose items this can be said, with one more.
    fn and(self, item: &str, told: Self) -> Self {
        match (self, told) {
            (Self::Runs(Reason::Always), _) | (_, Self::Runs(Reason::Always)) => {
                Self::Runs(Reason::Always)
            }
            (Self::Runs(Reason::Item { item, why, more }), Self::Runs(_)) => {
                Self::Runs(Reason::Item {
                    item,
                    why,
                    more: more + 1,
                })
            }
            (runs @ Self::Runs(_), _) => runs,
            (_, Self::Runs(why)) => Self::Runs(Reason::Item {
                item: item.to_owned(),
                why: Box::new(why),
                more: 0,
            }),
            (unknown @ Self::Unknown(_), _) | (_, unknown @ Self::Unknown(_)) => unknown,
            (_, last) => last,
        }
    }
}

impl Freshness {
    /// For a plan, with what is known of the project; `state` is the folder for what flow keeps.
    pub fn new(
        plan: Arc<Plan>,
        evaluator: Arc<Evaluator>,
        incremental: Incremental,
        state: &Folder,
        no_cache: bool,
    ) -> Self {
        Self {
            plan,
            evaluator,
            incremental,
            builds: state.below(BUILDS),
            runs: Files::new(state.clone()),
            no_cache,
            cached: AtomicBool::new(false),
            under_way: Mutex::default(),
        }
    }

    /// For another plan of the same project, with what is known already.
    pub fn of(self, plan: Arc<Plan>, evaluator: Arc<Evaluator>) -> Self {
        Self {
            plan,
            evaluator,
            ..self
        }
    }

    /// Whether there is anything in a plan that need not run.
    pub fn matters(plan: &Plan) -> bool {
        plan.nodes.iter().any(|node| node.incremental.is_some())
    }

    /// Which tasks have nothing to do, as far as that is known before anything runs.
    pub fn look_ahead(&self) -> Ahead {
        let mut asked: Vec<NodeId> = Vec::new();
        let mut tasks: Vec<Task> = Vec::new();
        let mut others = 0;
        for (id, _) in self.plan.tasks() {
            others += usize::from(!self.is_empty(id));
            if self.is_simple(id)
                && let Ok(task) = self.task(id, self.identity(id), &Here::default())
            {
                asked.push(id);
                tasks.push(task);
            }
        }
        let checked = self.incremental.check(&tasks);
        let fresh =
            |(_, checked): &(&NodeId, Checked)| matches!(checked.verdict, Verdict::UpToDate(_));
        let fresh = asked.iter().zip(checked).filter(fresh);
        let mut fresh: HashMap<NodeId, Verdict> =
            fresh.map(|(id, checked)| (*id, checked.verdict)).collect();
        let mut quiet: HashSet<NodeId> = HashSet::with_capacity(fresh.len());
        let mut up_to_date = Vec::new();
        let turns = self.plan.turns();
        for turn in 0..turns.asked.len() {
            let mut all = true;
            let of_turn = |(id, _): &(NodeId, &PlannedTask)| turns.of(*id) == turn;
            for (id, task) in self.plan.tasks().filter(of_turn) {
                let met = task
                    .needs
                    .iter()
                    .all(|need| need.on != On::Failure && quiet.contains(&need.task));
                // What runs before it may change what it is made of.
                let met = met && task.after.iter().all(|before| quiet.contains(before));
                if !met {
                    all = false;
                } else if let Some(Verdict::UpToDate(values)) = fresh.remove(&id) {
                    self.hand_back(id, values.as_deref());
                    up_to_date.push(id);
                    quiet.insert(id);
                } else if self.is_empty(id) {
                    quiet.insert(id);
                } else {
                    all = false;
                }
            }
            // What comes in a later turn is asked about then.
            if !all {
                break;
            }
        }
        let is_all = !up_to_date.is_empty() && self.plan.asked.iter().all(|id| quiet.contains(id));
        let simple = self.plan.scopes.is_empty() && others == tasks.len();
        Ahead {
            by_files: if simple {
                self.described(asked.into_iter().zip(tasks).collect(), &quiet)
            } else {
                Vec::new()
            },
            up_to_date,
            is_all,
        }
    }

    /// All tasks of the plan, of which those that have files are given; none when one waits for the failure of another.
    fn described(
        &self,
        mut tasks: HashMap<NodeId, Task>,
        quiet: &HashSet<NodeId>,
    ) -> Vec<Described> {
        let mut numbers: HashMap<NodeId, u32> = HashMap::new();
        let mut all = Vec::new();
        for (number, (id, planned)) in (0..).zip(self.plan.tasks()) {
            numbers.insert(id, number);
            if planned.needs.iter().any(|need| need.on == On::Failure) {
                return Vec::new();
            }
            let needs = planned.needs.iter().map(|need| &need.task);
            let needs = needs.chain(&planned.after);
            all.push(Described {
                task: tasks.remove(&id).unwrap_or_else(|| Task {
                    name: planned.name.clone(),
                    ..Task::default()
                }),
                needs: needs.map(|before| numbers[before]).collect(),
                stale: !quiet.contains(&id),
            });
        }
        all
    }

    /// What can be said of each task of the plan. Values are evaluated for it, and commands of `status` run; nothing is kept.
    pub fn tell(&self) -> Vec<(NodeId, Told)> {
        let mut told = Vec::new();
        for (id, _) in self.plan.tasks() {
            told.push((id, self.tell_one(id)));
        }
        told
    }

    /// What would not run as things are: nothing has changed of it, and nothing that runs before it could change that.
    pub fn quiet(&self) -> Quiet {
        let mut quiet = Quiet::default();
        // Tasks that only stand for what they need.
        let mut nothing: HashSet<NodeId> = HashSet::new();
        let turns = self.plan.turns();
        for turn in 0..turns.asked.len() {
            let mut all = true;
            for (id, task) in self.plan.tasks().filter(|(id, _)| turns.of(*id) == turn) {
                let is_quiet = |id: &NodeId| quiet.tasks.contains(id) || nothing.contains(id);
                let needs = task.needs.iter();
                let needs = needs.map(|need| Some(need.task).filter(|_| need.on != On::Failure));
                let mut before = needs.chain(task.after.iter().copied().map(Some));
                if !before.all(|id| id.as_ref().is_some_and(is_quiet)) {
                    all = false;
                } else if self.is_empty(id) {
                    nothing.insert(id);
                } else {
                    all &= self.look_at(id, &mut quiet);
                }
            }
            // What comes in a later turn is asked about then.
            if !all {
                break;
            }
        }
        quiet
    }

    /// Notes what of a task would not run; whether none of it would.
    fn look_at(&self, id: NodeId, quiet: &mut Quiet) -> bool {
        let body = self.body(id);
        let forced = self.plan.node(body).incremental.as_ref();
        let forced = forced.is_none_or(|incremental| incremental.forced);
        let Ok(places) = self.places(id) else {
            return false;
        };
        let mut all = !forced && !places.is_empty();
        for (index, (item, here)) in (0..).zip(places.iter().filter(|_| !forced)) {
            if self.tell_at(body, self.item_identity(id, item), here) == Told::UpToDate {
                quiet.items.insert((id, index));
            } else {
                all = false;
            }
        }
        if all {
            quiet.tasks.insert(id);
        }
        all
    }

    fn tell_one(&self, id: NodeId) -> Told {
        if self.is_empty(id) {
            return Told::Nothing;
        }
        let places = match self.places(id) {
            Ok(places) => places,
            Err(why) => return Told::Unknown(why),
        };
        let Kind::Loop { .. } = self.plan.node(id).kind else {
            return self.tell_at(id, self.identity(id), &Here::default());
        };
        let mut all = Told::Nothing;
        for (item, here) in &places {
            let told = self.tell_at(self.body(id), self.item_identity(id, item), here);
            all = all.and(item, told);
        }
        all
    }

    /// The same of a task, or of one item of it.
    fn tell_at(&self, id: NodeId, identity: String, here: &Here) -> Told {
        let node = self.plan.node(id);
        let Some(incremental) = node
            .incremental
            .as_deref()
            .filter(|incremental| incremental.sources.is_some() || !incremental.status.is_empty())
        else {
            return Told::Runs(Reason::Always);
        };
        if incremental.stdin {
            return Told::Runs(Reason::Stdin);
        }
        let task = match self.task(id, identity, here) {
            Ok(task) => task,
            Err(why) => return Told::Unknown(why),
        };
        let verdict = self.check(task).verdict;
        match self.with_status(incremental, verdict, here) {
            Ok(Verdict::UpToDate(_)) => Told::UpToDate,
            Ok(Verdict::Stale(reason)) => Told::Runs(reason),
            Err(why) => Told::Unknown(why),
        }
    }

    fn check(&self, task: Task) -> Checked {
        let checked = self.incremental.check(&[task]).pop();
        checked.expect("one was asked about")
    }

    /// What the commands of `status` make of a verdict.
    fn with_status(
        &self,
        incremental: &PlannedIncremental,
        verdict: Verdict,
        here: &Here,
    ) -> Result<Verdict, String> {
        let matters = incremental.sources.is_none() || matches!(verdict, Verdict::UpToDate(_));
        if incremental.status.is_empty() || !matters {
            return Ok(verdict);
        }
        match self.evaluator.status(incremental, here) {
            Ok(None) => Ok(match verdict {
                Verdict::Stale(_) => Verdict::UpToDate(None),
                fresh => fresh,
            }),
            Ok(Some(said)) => Ok(Verdict::Stale(Reason::Status(said))),
            Err(problem) => Err(self.evaluator.told(&problem)),
        }
    }

    /// Whether it can be told without running anything whether a task is up to date.
    fn is_simple(&self, id: NodeId) -> bool {
        let node = self.plan.node(id);
        let Some(incremental) = &node.incremental else {
            return false;
        };
        let task = node.task.as_deref();
        let conditional = task.is_none_or(|task| task.ask_first)
            || node.ask.as_ref().is_some_and(|ask| {
                matches!(
                    &ask.about,
                    About::Begin {
                        condition: Some(_),
                        ..
                    }
                )
            });
        incremental.sources.is_some()
            && incremental.status.is_empty()
            && !incremental.slow
            && !incremental.forced
            && !incremental.stdin
            && !conditional
    }

    /// Whether a task only stands for what it needs.
    fn is_empty(&self, id: NodeId) -> bool {
        let node = self.plan.node(id);
        let nothing = matches!(&node.kind, Kind::Group(group) if group.children.is_empty());
        let task = node.task.as_deref();
        nothing && !node.rules().ask && task.is_some_and(|task| !task.ask_first)
    }

    /// The node of the plan that does the work of a task, for each item where it is a loop.
    fn body(&self, id: NodeId) -> NodeId {
        match &self.plan.node(id).kind {
            Kind::Loop { body, .. } => *body,
            _ => id,
        }
    }

    /// The items of a task of the graph by their names, each with its place; one without a name where it is no loop.
    fn places(&self, id: NodeId) -> Result<Vec<(String, Here)>, String> {
        let Kind::Loop { .. } = self.plan.node(id).kind else {
            return Ok(vec![(String::new(), Here::default())]);
        };
        let items = self.evaluator.expand(id);
        let items = items.map_err(|problem| self.evaluator.told(&problem))?;
        let named = |(index, here)| (self.evaluator.item_name(id, index), here);
        Ok((0..).zip(items).map(named).collect())
    }

    /// The same of one of its items, where it is a loop.
    fn item_identity(&self, id: NodeId, item: &str) -> String {
        match self.plan.node(id).kind {
            Kind::Loop { .. } => format!("{}[{item}]", self.identity(id)),
            _ => self.identity(id),
        }
    }

    /// What tells a task of the graph from all others.
    fn identity(&self, id: NodeId) -> String {
        let task = self.plan.node(id).task.as_deref();
        task.map_or_else(String::new, |task| task.identity(&self.plan.file))
    }

    /// What a task is made of.
    fn task(&self, spec: NodeId, identity: String, here: &Here) -> Result<Task, String> {
        let told = |problem| self.evaluator.told(&problem);
        let recipe = self.evaluator.recipe(spec, here).map_err(told)?;
        let root = self.plan.root_of(spec);
        let planned = self.plan.node(root).task.as_deref();
        let planned = planned.filter(|_| recipe.files.sources.is_some());
        let mut made = Vec::new();
        for need in planned.iter().flat_map(|task| &task.needs) {
            let at = self.body(need.task);
            let makes = self.plan.node(at).incremental.as_ref();
            if makes.is_none_or(|makes| makes.generates.is_empty()) {
                continue;
            }
            // Items that are not known yet have made nothing.
            for (_, here) in self.places(need.task).unwrap_or_default() {
                made.extend(self.evaluator.makes(at, &here).ok());
            }
        }
        for (context, generates) in planned.iter().flat_map(|task| &task.left_out) {
            made.extend(self.evaluator.made_in(*context, generates).ok());
        }
        // It makes no difference which of them are part of the run.
        made.sort_unstable();
        made.dedup();
        let root = self.plan.node(root).task.as_deref();
        Ok(Task {
            name: root.map_or_else(String::new, |task| task.name.clone()),
            identity,
            folder: recipe.files.folder,
            sources: recipe.files.sources,
            optional_sources: recipe.files.optional_sources,
            depfile: recipe.files.depfile,
            generates: recipe.files.generates,
            parts: recipe.parts,
            needs: made,
            is_read: self.evaluator.keeps(spec),
            is_secret: recipe.is_secret,
        })
    }

    /// Whether a task is up to date that is about to begin. One that is not is under way from now on.
    pub(super) fn ask(&self, who: &Who, here: &Here) -> Asked {
        let Some(incremental) = self.plan.node(who.spec).incremental.as_deref() else {
            return Asked::Runs(Reason::Always, Vec::new());
        };
        let lock = if incremental.generates.is_empty() {
            None
        } else {
            match self.lock(&who.name) {
                Ok(Some(lock)) => Some(lock),
                Ok(None) if self.is_made_above(&who.name) => {
                    return Asked::Failed(
                        "the flow that has started this one makes its files at the moment; call it as a step with 'task' instead"
                            .to_owned(),
                    );
                }
                Ok(None) => return Asked::Busy,
                // A folder that can't be written has nobody who writes.
                Err(_) => None,
            }
        };
        if lock.is_some() {
            self.incremental.refresh();
        }
        let task = match self.task(who.spec, who.name.clone(), here) {
            Ok(task) => task,
            Err(why) => return Asked::Failed(why),
        };
        let cached = incremental.cached && !task.is_secret;
        let Checked {
            verdict,
            mut begun,
            unmatched,
        } = self.check(task);
        if let Verdict::Stale(Reason::Missing(name)) = &verdict {
            return Asked::Failed(format!(
                "its source {name} is not there; if it may be missing, write {{optional: {name}}}"
            ));
        }
        let mut verdict = match self.with_status(incremental, verdict, here) {
            Ok(verdict) => verdict,
            Err(why) => return Asked::Failed(why),
        };
        if incremental.forced {
            verdict = Verdict::Stale(Reason::Forced);
        } else if incremental.stdin {
            verdict = Verdict::Stale(Reason::Stdin);
        }
        match verdict {
            Verdict::UpToDate(values) => {
                self.hand_back(who.id, values.as_deref());
                Asked::UpToDate
            }
            Verdict::Stale(why) => {
                let may = cached && !incremental.forced && !incremental.stdin && !self.no_cache;
                match may
                    .then(|| self.incremental.restore(&mut begun))
                    .transpose()
                {
                    Ok(None | Some(None)) => {}
                    Ok(Some(Some(restored))) => {
                        self.hand_back(who.id, restored.values.as_deref());
                        return Asked::Restored(restored);
                    }
                    Err(error) => return Asked::Failed(self.unwritten(&error)),
                }
                if let Err(error) = self.incremental.begin(&mut begun) {
                    return Asked::Failed(self.unwritten(&error));
                }
                let under_way = UnderWay {
                    begun,
                    made: None,
                    started: false,
                    cached,
                    _lock: lock,
                };
                self.under_way().insert(who.id, under_way);
                Asked::Runs(why, unmatched)
            }
        }
    }

    fn unwritten(&self, error: &io::Error) -> String {
        format!("can't write {}: {error}", self.incremental.path().display())
    }

    /// The right to make the files of a task; `None` while another flow has it.
    fn lock(&self, name: &str) -> io::Result<Option<BuildLock>> {
        let file = self.builds.open_made(&lock_name(name), How::Make)?;
        match file.try_lock() {
            Ok(()) => {
                let before = disk::whole(&file, OWNER_BYTES_MAX).unwrap_or_default();
                end_left(&String::from_utf8_lossy(&before), &self.runs);
                file.set_len(0)?;
                let owner = format!("{} {}", std::process::id(), self.evaluator.run_id());
                file.write_all_at(owner.as_bytes(), 0)?;
                Ok(Some(BuildLock(file)))
            }
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether the files of a task are being made by a flow that this one was started by, which would wait for this one.
    fn is_made_above(&self, name: &str) -> bool {
        let holder = self.builds.read_text(&lock_name(name), OWNER_BYTES_MAX);
        let holder = holder.unwrap_or_default();
        let pid = holder.split(' ').next().unwrap_or_default();
        pid.parse().is_ok_and(family::is_ancestor)
    }

    /// Whether what a task was to make is there.
    pub(super) fn made(&self, who: &Who, here: &Here) -> Result<(), String> {
        let known = self
            .under_way()
            .get(&who.id)
            .map(|under_way| under_way.begun.clone());
        let begun = match known {
            Some(begun) => begun,
            None => {
                let task = self.task(who.spec, who.name.clone(), here)?;
                self.check(task).begun
            }
        };
        let made = self.incremental.made(&begun);
        let made = made.map_err(|why| self.evaluator.hidden(&why))?;
        if let Some(under_way) = self.under_way().get_mut(&who.id) {
            under_way.made = Some(made);
        }
        Ok(())
    }

    /// A command has ended: what was seen of files may not be so any more.
    pub(super) fn changed(&self) {
        self.incremental.changed();
    }

    /// A command starts that is part of these nodes: what there was before it is known better now than when its task was asked about.
    pub(super) fn starts(&self, nodes: impl Iterator<Item = NodeId>) {
        let mut under_way = self.under_way();
        if under_way.is_empty() {
            return;
        }
        for id in nodes {
            if let Some(under_way) = under_way.get_mut(&id).filter(|one| !one.started) {
                under_way.started = true;
                self.incremental.starts(&mut under_way.begun);
            }
        }
    }

    /// Whether what a task printed is wanted when it has succeeded.
    pub(super) fn wants_output(&self, id: NodeId) -> bool {
        self.under_way()
            .get(&id)
            .is_some_and(|under_way| under_way.cached)
    }

    /// A task has ended, and printed this.
    pub(super) fn ended(
        &self,
        id: NodeId,
        spec: NodeId,
        succeeded: bool,
        output: Option<&[u8]>,
    ) -> io::Result<()> {
        let Some(UnderWay {
            begun,
            made: Some(made),
            cached,
            _lock,
            ..
        }) = self.under_way().remove(&id)
        else {
            return Ok(());
        };
        if !succeeded {
            return Ok(());
        }
        let values = if self.evaluator.keeps(spec) {
            match self.evaluator.kept_values(id) {
                Some(values) => Some(values),
                // What must not be written down is made again each time.
                None => return Ok(()),
            }
        } else {
            None
        };
        let done = self.incremental.done(&begun, &made, values.clone())?;
        if cached {
            // A file that is too large to be looked through may have one in it.
            let refuse = |path: &Path| {
                disk::read_regular(path, LOOKED_THROUGH_MAX)
                    .map_or(true, |text| self.evaluator.has_secret(&text))
            };
            let refuse: Option<&dyn Fn(&Path) -> bool> = self
                .evaluator
                .has_secrets()
                .then_some(&refuse as &dyn Fn(&Path) -> bool);
            let kept =
                self.incremental
                    .keep_results(&begun, &done, output, values.as_deref(), refuse);
            // A cache that can't be written costs only time.
            self.cached
                .fetch_or(kept.unwrap_or(false), Ordering::Relaxed);
        }
        Ok(())
    }

    fn hand_back(&self, id: NodeId, values: Option<&[u8]>) {
        if let Some(values) = values {
            self.evaluator.hand_back(id, values);
        }
    }

    /// By what a call was decided, all tasks of which are up to date now; see [`Incremental::keep_note`].
    ///
    /// # Errors
    ///
    /// When it can't be written down.
    pub fn keep_note(
        &self,
        call: &Call,
        described_in: &Path,
        decided_by: DecidedBy<'_>,
    ) -> io::Result<()> {
        match decided_by {
            DecidedBy::All(tasks) => {
                let described_in = [described_in.to_owned()];
                self.incremental.keep_note(call, &described_in, tasks)
            }
            DecidedBy::Note(note) => {
                let mut stale = Vec::new();
                for (id, _) in self.plan.tasks().filter(|(id, _)| !self.is_empty(*id)) {
                    match self.task(id, self.identity(id), &Here::default()) {
                        Ok(task) => stale.push(task),
                        Err(_) => return Ok(()),
                    }
                }
                self.incremental.renew_note(call, note, &stale)
            }
        }
    }

    /// Keeps what was found out; now and then what the cache has too much goes.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn keep(&self) -> io::Result<()> {
        if self.cached.load(Ordering::Relaxed) {
            // A cache that can't be pruned is pruned by another run.
            let _ = self
                .incremental
                .prune(CACHE_BYTES_MAX, Clock::wall(), PRUNED_EVERY);
        }
        self.incremental.keep()
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<NodeId, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
