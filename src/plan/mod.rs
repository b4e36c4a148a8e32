//! From what a file means to what one run will do.
//!
//! It selects the tasks that are asked for and all that they need, puts them in an order in which everything comes after
//! what it needs, and numbers them. It reads no file and runs nothing.

mod graph;

use std::collections::HashMap;

use crate::model::id::NodeId;
use crate::model::plan::{
    Context, Group, Kind, Need, Node, On, OnFailure, Plan, Task as PlannedTask, Work,
};
use crate::model::workflow::{Task, TaskIndex, Workflow};

/// What a run is to do.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The tasks to run.
    pub tasks: Vec<TaskIndex>,
    /// What a failure means for the rest.
    pub on_failure: OnFailure,
}

/// Tasks that wait for one another: each needs the one after it, the last one the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<TaskIndex>);

/// The plan for a request.
pub fn plan(workflow: &Workflow, request: &Request) -> Result<Plan, Cycle> {
    let order = graph::order(workflow, &request.tasks)?;
    let mut planner = Planner {
        workflow,
        nodes: Vec::with_capacity(order.len() * 2),
        numbers: vec![None; workflow.tasks.len()],
        contexts: Contexts::default(),
    };
    for index in order {
        planner.add(index);
    }
    let mut asked: Vec<NodeId> = Vec::new();
    for id in request
        .tasks
        .iter()
        .filter_map(|index| planner.numbers[*index])
    {
        if !asked.contains(&id) {
            asked.push(id);
        }
    }
    Ok(Plan {
        file: workflow.file.clone(),
        asked,
        on_failure: request.on_failure,
        contexts: planner.contexts.list,
        nodes: planner.nodes,
    })
}

/// The text of a plan and its hash, as the store keeps them.
pub fn pin(plan: &Plan) -> (String, Vec<u8>) {
    let text = serde_json::to_vec(plan).expect("a plan has only text, numbers and lists");
    (blake3::hash(&text).to_hex().to_string(), text)
}

struct Planner<'a> {
    workflow: &'a Workflow,
    nodes: Vec<Node>,
    numbers: Vec<Option<NodeId>>,
    contexts: Contexts,
}

impl Planner<'_> {
    fn add(&mut self, index: TaskIndex) {
        let task = &self.workflow.tasks[index];
        let id = NodeId::at(self.nodes.len());
        self.numbers[index] = Some(id);
        let context = self.contexts.number(task);
        let children = (1..=task.steps.len())
            .map(|step| NodeId::at(id.index() + step))
            .collect();
        let needs = task
            .depends_on
            .iter()
            .filter_map(|need| self.numbers[*need]);
        let needs = needs
            .map(|task| Need {
                task,
                on: On::Success,
            })
            .collect();
        let planned = PlannedTask {
            name: task.name.clone(),
            place: task.place,
            needs,
            ask_first: false,
        };
        let group = Node::plain(None, Kind::Group(Group::sequence(children)));
        self.nodes.push(Node {
            task: Some(Box::new(planned)),
            ..group
        });
        for (number, step) in (1..).zip(&task.steps) {
            let work = Work::Shell {
                command: step.command.clone(),
                context,
                place: step.place,
            };
            self.nodes.push(Node {
                step: number,
                ..Node::plain(Some(id), Kind::Work(work))
            });
        }
    }
}

/// Folders and environments, each once.
#[derive(Default)]
struct Contexts {
    list: Vec<Context>,
    numbers: HashMap<Context, u32>,
}

impl Contexts {
    fn number(&mut self, task: &Task) -> u32 {
        let context = Context {
            dir: task.dir.clone(),
            env: task.env.clone(),
        };
        let next =
            u32::try_from(self.list.len()).expect("a plan has fewer contexts than u32 counts");
        let list = &mut self.list;
        *self.numbers.entry(context).or_insert_with_key(|context| {
            list.push(context.clone());
            next
        })
    }
}
