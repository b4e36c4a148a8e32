//! `flow -n TASK…`: what would run, with all that is known without running anything.

use std::collections::HashMap;
use std::sync::Arc;

use super::Trouble;
use super::context::Context;
use super::needed;
use crate::engine::incremental::{Freshness, Quiet};
use crate::engine::outside::World;
use crate::eval::here::Here;
use crate::eval::{self, Evaluator};
use crate::exec::mask::Secrets;
use crate::model::id::NodeId;
use crate::model::language::{Place, Task as Written, Workflow};
use crate::model::plan::{Kind, Plan, Task, Work};
use crate::report::dry::{Item, Known, Step, plan as shown};

/// The plan, for people.
pub(super) fn text(context: &Context, workflow: &Workflow, plan: Plan) -> Result<String, Trouble> {
    let plan = Arc::new(plan);
    let evaluator = |world| Evaluator::new(Arc::clone(&plan), std::env::vars_os(), Box::new(world));
    let sure = evaluator(World::without_commands(Secrets::default()));
    let quiet = if Freshness::matters(&plan) {
        needed::looked_at(context, &plan, &sure)?.quiet()
    } else {
        Quiet::default()
    };
    let tells = |task: &&Written| task.desc.is_some() || task.rules().confirm.is_some();
    let tasks = workflow.tasks.iter().filter(tells);
    let tasks = tasks.map(|task| (task.place, task));
    let looked = Looked {
        evaluator: evaluator(World::at_rest(Secrets::default())),
        sure,
        quiet,
        tasks: tasks.collect(),
        plan: Arc::clone(&plan),
    };
    let text = shown(&plan, &looked);
    // A process that ends need not take a large plan to pieces.
    std::mem::forget((looked, plan));
    Ok(text)
}

/// What is known before a run, by two who evaluate: one that says only what is sure, and one for whom a value that is not known
/// yet stands for itself.
struct Looked<'w> {
    plan: Arc<Plan>,
    sure: Arc<Evaluator>,
    evaluator: Arc<Evaluator>,
    quiet: Quiet,
    /// The tasks that say what they are for, or ask something, by where they stand.
    tasks: HashMap<Place, &'w Written>,
}

impl Known for Looked<'_> {
    /// The body of the loop, and where its item is.
    type Place = (NodeId, Here);

    fn desc(&self, task: &Task) -> Option<String> {
        self.tasks.get(&task.place)?.desc.clone()
    }

    fn asks(&self, task: &Task) -> Option<String> {
        let name = &self.tasks.get(&task.place)?.name;
        let mut asked = self.plan.confirms.iter();
        let confirm = asked.find(|confirm| confirm.task == *name)?;
        let evaluator = &self.evaluator;
        let text = evaluator.text(confirm.scope, &confirm.text, &Here::default());
        Some(text.map_or_else(
            |_| confirm.text.text.to_string(),
            |text| evaluator.hidden(&eval::written(&text)),
        ))
    }

    fn is_up_to_date(&self, task: NodeId) -> bool {
        self.quiet.tasks.contains(&task)
    }

    fn items(&self, looped: NodeId, place: Option<&Self::Place>) -> Option<Vec<Item<Self::Place>>> {
        let Kind::Loop { body, .. } = self.plan.node(looped).kind else {
            return None;
        };
        if place.is_some() {
            return None;
        }
        self.sure.expand(looped).ok()?;
        let places = self.evaluator.expand(looped).ok()?;
        let names = self.sure.item_names(looped);
        let items = (0..).zip(names).zip(places);
        let item = |((index, name), here)| Item {
            name,
            place: (body, here),
            up_to_date: self.quiet.items.contains(&(looped, index)),
        };
        Some(items.map(item).collect())
    }

    fn step(&self, node: NodeId, work: &Work, place: Option<&Self::Place>) -> Result<Step, String> {
        let here = match place {
            Some((body, here)) => here.below(&self.plan, *body, node),
            None => Here::default(),
        };
        let evaluator = &self.evaluator;
        let rendered = evaluator.command(work, &here);
        let rendered = rendered.map_err(|problem| evaluator.told(&problem))?;
        let text = |(name, value): &(String, Vec<u8>)| {
            let shown = evaluator.hidden(&String::from_utf8_lossy(value));
            // What the shell gets beside its command is shown in its place.
            (!name.starts_with("FLOW_D")).then(|| (name.clone(), shown))
        };
        Ok(Step {
            command: rendered.shown.clone(),
            dir: evaluator.hidden(&rendered.dir.to_string_lossy()).into(),
            env: rendered.env.iter().filter_map(text).collect(),
        })
    }
}
