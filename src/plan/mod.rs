//! From what a file means to what one run will do.
//!
//! It selects the tasks that are asked for and all that they need, puts them in an order in which everything comes after
//! what it needs, and numbers them. Values are not evaluated here: a command in which nothing is to be evaluated gets its
//! folder and its environment at once, any other a scope. It reads no file and runs nothing.

mod given;
pub mod identity;
mod instances;
mod locks;
mod nodes;
mod scopes;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use self::instances::{Instance, Instances};
use self::nodes::Planner;
use self::scopes::Scopes;
use crate::model::id::NodeId;
use crate::model::language::{Data, Platform, Profile, Task, TaskIndex, Var, Workflow};
use crate::model::plan::{Called, Context, Given, OnFailure, Plan, Project, Surroundings};

/// What a run is to do.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The tasks to run.
    pub tasks: Vec<TaskIndex>,
    /// They run one after another.
    pub in_order: bool,
    /// What a failure means for the rest.
    pub on_failure: OnFailure,
    /// The name of the profile, if one was asked for.
    pub profile: Option<String>,
    /// `NAME=VALUE`, in the order given.
    pub values: Vec<(String, String)>,
    /// What followed `--`.
    pub args: Vec<String>,
    /// The folder that flow was called in.
    pub called_in: PathBuf,
    /// The tasks alone, without what they need.
    pub only: bool,
    /// The longest that the run may take.
    pub timeout: Option<Duration>,
    /// The named tasks run whether they have to or not.
    pub force: bool,
    /// And so does all that they need.
    pub force_all: bool,
    /// It is one of the runs of a watch, which looks at more files.
    pub watch: bool,
    /// Which tasks may have to run, where that is known of all.
    pub stale: Option<Stale>,
}

/// The tasks that may have to run, and all that need one of them; what else there is stays out of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    /// These tasks.
    pub tasks: HashSet<TaskIndex>,
    /// How many there are beside them that are up to date.
    pub up_to_date: u32,
}

impl Request {
    /// Whether a task stays out of the plan of those that need it.
    fn leaves_out(&self, task: TaskIndex) -> bool {
        let fresh = |stale: &Stale| !stale.tasks.contains(&task);
        self.only || self.stale.as_ref().is_some_and(fresh)
    }
}

/// Tasks that wait for one another: each needs the one after it, the last one the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<TaskIndex>);

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Tasks wait for one another.
    Cycle(Cycle),
    /// There is no profile of this name.
    Profile {
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Nobody declares a name that was set.
    Unknown {
        /// The name.
        name: String,
        /// The names that could have been set.
        known: Vec<String>,
    },
    /// Values are wrong or missing.
    Values {
        /// All that is wrong with them.
        faults: Faults,
        /// The tasks asked for.
        asked: Vec<String>,
        /// What was given.
        given: Vec<(String, String)>,
    },
    /// A task can't run as the files are.
    Unusable(TaskIndex),
    /// The items of a dependency are not known before the run.
    Items {
        /// The task that depends on them.
        of: String,
        /// What it depends on.
        needed: String,
    },
    /// Nothing reads what followed `--`.
    Args,
    /// The run would be larger than makes sense; what is too large, as a sentence.
    TooLarge(String),
}

/// What is wrong with the values of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The values that are not what they have to be.
    pub wrong: Vec<Wrong>,
    /// The params that have to be given.
    pub missing: Vec<Missing>,
}

/// A value that is not what it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The name.
    pub name: String,
    /// What is wrong, as the end of a sentence.
    pub what: String,
    /// What to write.
    pub help: String,
}

/// A param that has to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The task.
    pub task: String,
    /// The param.
    pub param: String,
    /// What it is for.
    pub desc: Option<String>,
}

impl Faults {
    /// Notes each param of a task that nothing gives a value.
    fn check_params(
        &mut self,
        task: &Task,
        given: &[(String, Data)],
        call: Option<&Called>,
        profile: Option<&Profile>,
    ) {
        let has = |vars: &[Var], name: &str| vars.iter().any(|var| var.name == name);
        let profile = profile.filter(|_| task.place.file == 0);
        for param in task.params.iter().filter(|param| param.required) {
            let name = &param.name;
            let is_given = call.is_some_and(|call| has(&call.vars, name))
                || given.iter().any(|(known, _)| known == name)
                || profile.is_some_and(|profile| has(&profile.vars, name));
            let missing = Missing {
                task: task.name.clone(),
                param: name.clone(),
                desc: param.desc.clone(),
            };
            if !is_given && !self.missing.contains(&missing) {
                self.missing.push(missing);
            }
        }
    }

    fn and(mut self, other: Self) -> Self {
        let wrong = other.wrong.into_iter();
        let wrong: Vec<Wrong> = wrong.filter(|one| !self.wrong.contains(one)).collect();
        self.wrong.extend(wrong);
        let missing = other.missing.into_iter();
        let missing: Vec<_> = missing.filter(|one| !self.missing.contains(one)).collect();
        self.missing.extend(missing);
        self
    }

    /// All of them as one reason why there is no plan, if there are any.
    fn refuse(mut self, workflow: &Workflow, request: &Request) -> Result<(), Refused> {
        // What is given and wrong is not missing too.
        let is_given = |name: &str| request.values.iter().any(|(given, _)| given == name);
        self.missing.retain(|missing| !is_given(&missing.param));
        if self == Self::default() {
            return Ok(());
        }
        let name = |index: &TaskIndex| workflow.tasks[*index].name.clone();
        Err(Refused::Values {
            faults: self,
            asked: request.tasks.iter().map(name).collect(),
            given: request.values.clone(),
        })
    }
}

/// The plan for a request.
pub fn plan(workflow: &Workflow, request: &Request) -> Result<Plan, Refused> {
    let profile = profile(workflow, request)?;
    let mut faults = Faults::default();
    let given = given::of_root(workflow, &request.values, &mut faults.wrong);
    let mut scopes = Scopes::new(workflow, profile);
    let surroundings = Surroundings {
        files: Vec::new(),
        profile: profile.cloned(),
        given,
        args: request.args.clone(),
        called_in: request.called_in.clone(),
    };
    let lazily = || Surroundings {
        files: workflow.files.clone(),
        ..surroundings.clone()
    };
    let instances = Instances::of(workflow, request, &mut scopes, &lazily)?;
    check_names(workflow, request, &instances)?;
    check_args(workflow, request)?;
    let mut planner = Planner::new(workflow, request, scopes, &instances);
    for number in &instances.order {
        planner.add(&instances, *number)?;
    }
    let of_calls = std::mem::take(&mut planner.faults);
    let faults = faults.and(instances.faults.clone()).and(of_calls);
    faults.refuse(workflow, request)?;
    // A command may read by itself what is a secret.
    let secrets = workflow.files.iter().any(|file| !file.secrets.is_empty());
    let surroundings = if planner.scopes.list.is_empty() && !secrets {
        Surroundings::default()
    } else {
        lazily()
    };
    let mut asked: Vec<NodeId> = Vec::new();
    for index in &request.tasks {
        let number = instances.named(*index);
        let id = number.and_then(|number| planner.of_instance[number]);
        asked.extend(id.filter(|id| !asked.contains(id)));
    }
    let mut plan = Plan {
        file: root(workflow).path.clone(),
        project: project(workflow, &request.tasks),
        asked,
        in_order: request.in_order,
        on_failure: request.on_failure,
        timeout_micros: request.timeout.map(nodes::micros),
        contexts: planner.contexts.list,
        scopes: planner.scopes.list,
        results: planner.results,
        surroundings,
        confirms: planner.confirms,
        durable: planner.durable,
        locks: planner.locks,
        given: Given {
            values: request.values.clone(),
            args: request.args.clone(),
            profile: request.profile.clone(),
            only: request.only,
        },
        up_to_date: request.stale.as_ref().map_or(0, |stale| stale.up_to_date),
        nodes: planner.nodes,
    };
    nodes::keep_printed(&mut plan);
    Ok(plan)
}

/// A plan without any work whose only scope is that of the one task asked for, to look at its values.
pub fn of_one_scope(workflow: &Workflow, request: &Request) -> Result<Plan, Refused> {
    check_known(workflow, request, request.tasks.iter().copied())?;
    let profile = profile(workflow, request)?;
    let mut scopes = Scopes::new(workflow, profile);
    let mut faults = Faults::default();
    let of_root = given::of_root(workflow, &request.values, &mut faults.wrong);
    for index in &request.tasks {
        let task = &workflow.tasks[*index];
        let seen = Instance {
            given: given::of_task(task, &request.values, &mut faults.wrong),
            named: true,
            ..Instance::alone(*index, task)
        };
        scopes.of_step(&seen, None);
    }
    faults.refuse(workflow, request)?;
    Ok(Plan {
        file: root(workflow).path.clone(),
        project: project(workflow, &[]),
        asked: Vec::new(),
        in_order: false,
        on_failure: request.on_failure,
        timeout_micros: None,
        contexts: Vec::new(),
        scopes: scopes.list,
        results: Vec::new(),
        confirms: Vec::new(),
        up_to_date: 0,
        durable: false,
        locks: None,
        given: Given::default(),
        surroundings: Surroundings {
            files: workflow.files.clone(),
            profile: profile.cloned(),
            given: of_root,
            args: request.args.clone(),
            called_in: request.called_in.clone(),
        },
        nodes: Vec::new(),
    })
}

/// A plan without any work, in which the files stand that values come from.
pub fn of_files(workflow: &Workflow) -> Plan {
    Plan {
        file: root(workflow).path.clone(),
        project: project(workflow, &[]),
        surroundings: Surroundings {
            files: workflow.files.clone(),
            ..Surroundings::default()
        },
        ..Plan::default()
    }
}

/// What the root file says of itself and of these tasks.
fn project(workflow: &Workflow, tasks: &[TaskIndex]) -> Project {
    let meta = |index: &TaskIndex| {
        let task = &workflow.tasks[*index];
        let meta = &task.rules().meta;
        (!meta.is_empty()).then(|| (task.name.clone(), meta.clone()))
    };
    Project {
        name: workflow.name.clone(),
        desc: workflow.desc.clone(),
        meta: workflow.meta.clone(),
        tasks: tasks.iter().filter_map(meta).collect(),
    }
}

/// The text of a plan and its hash, as the store keeps them.
pub fn pin(plan: &Plan) -> (String, Vec<u8>) {
    let text = serde_json::to_vec(plan).expect("a plan has only text, numbers and lists");
    (blake3::hash(&text).to_hex().to_string(), text)
}

fn root(workflow: &Workflow) -> &crate::model::language::File {
    workflow.files.first().expect("a workflow has a root file")
}

fn profile<'a>(workflow: &'a Workflow, request: &Request) -> Result<Option<&'a Profile>, Refused> {
    let Some(name) = &request.profile else {
        return Ok(None);
    };
    let found = workflow
        .profiles
        .iter()
        .find(|profile| profile.name == *name);
    found.map(Some).ok_or_else(|| Refused::Profile {
        name: name.clone(),
        known: workflow
            .profiles
            .iter()
            .map(|profile| profile.name.clone())
            .collect(),
    })
}

/// Every name that is set is declared by somebody: a task that runs, one that is called, the root file.
fn check_names(
    workflow: &Workflow,
    request: &Request,
    instances: &Instances<'_>,
) -> Result<(), Refused> {
    if request.values.is_empty() {
        return Ok(());
    }
    let mut tasks: Vec<TaskIndex> = instances.list.iter().map(|seen| seen.index).collect();
    let mut known: HashSet<TaskIndex> = tasks.iter().copied().collect();
    let mut next = 0;
    while let Some(index) = tasks.get(next).copied() {
        next += 1;
        workflow.tasks[index].each_call(&mut |call| {
            if known.insert(call.task) {
                tasks.push(call.task);
            }
        });
    }
    check_known(workflow, request, tasks.into_iter())
}

fn check_known(
    workflow: &Workflow,
    request: &Request,
    tasks: impl Iterator<Item = TaskIndex>,
) -> Result<(), Refused> {
    let of_root = root(workflow).vars.iter().map(|var| &var.name);
    let of_tasks = tasks.flat_map(|index| {
        let task = &workflow.tasks[index];
        let params = task.params.iter().map(|param| &param.name);
        params.chain(task.vars.iter().map(|var| &var.name))
    });
    // The tasks that were asked for can be asked for some of their items.
    let asked = request.tasks.iter().map(|index| &workflow.tasks[*index]);
    let loops = asked.filter_map(|task| task.rules().each.as_ref());
    let of_items: Vec<String> = loops.flat_map(|each| each.values()).collect();
    let known: Vec<&String> = of_root.chain(of_tasks).chain(&of_items).collect();
    match request
        .values
        .iter()
        .find(|(name, _)| !known.contains(&name))
    {
        None => Ok(()),
        Some((name, _)) => {
            let mut known: Vec<String> = known.into_iter().cloned().collect();
            known.sort_unstable();
            known.dedup();
            Err(Refused::Unknown {
                name: name.clone(),
                known,
            })
        }
    }
}

/// Arguments that nobody reads were meant for something.
fn check_args(workflow: &Workflow, request: &Request) -> Result<(), Refused> {
    let reads = |index: &TaskIndex| scopes::reads_args(workflow, &workflow.tasks[*index]);
    if request.args.is_empty() || request.tasks.iter().any(reads) {
        Ok(())
    } else {
        Err(Refused::Args)
    }
}

/// Why a task has nothing to do on this system, if it hasn't.
pub fn elsewhere(task: &Task) -> Option<String> {
    let fits = |platform: &Platform| {
        platform
            .os
            .as_deref()
            .is_none_or(|os| os == std::env::consts::OS)
            && platform
                .arch
                .as_deref()
                .is_none_or(|arch| arch == std::env::consts::ARCH)
    };
    if task.platforms.is_empty() || task.platforms.iter().any(fits) {
        return None;
    }
    let name = |platform: &Platform| {
        let parts = [platform.os.as_deref(), platform.arch.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    };
    let names: Vec<String> = task.platforms.iter().map(name).collect();
    Some(format!("it is for {}", names.join(" and ")))
}

/// Folders and environments, each once.
#[derive(Default)]
struct Contexts {
    list: Vec<Context>,
    numbers: HashMap<Context, u32>,
}

impl Contexts {
    fn number(&mut self, context: Context) -> u32 {
        let next =
            u32::try_from(self.list.len()).expect("a plan has fewer contexts than u32 counts");
        let list = &mut self.list;
        *self.numbers.entry(context).or_insert_with_key(|context| {
            list.push(context.clone());
            next
        })
    }
}
