//! The order of tasks: everything after what it needs, without recursion, so that a chain of any length has one.

use super::Cycle;
use crate::model::language::{TaskIndex, Workflow};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the path that is being followed.
    Open,
    Placed,
}

/// The tasks asked for and all that they need, each after what it needs, otherwise in the order asked for and written.
pub(super) fn order(workflow: &Workflow, asked: &[TaskIndex]) -> Result<Vec<TaskIndex>, Cycle> {
    let mut marks = vec![Mark::New; workflow.tasks.len()];
    let mut order = Vec::new();
    for root in asked {
        if marks[*root] == Mark::New {
            follow(workflow, *root, &mut marks, &mut order)?;
        }
    }
    Ok(order)
}

/// Depth first from `root`; the path holds each task with how many of its needs have been followed.
fn follow(
    workflow: &Workflow,
    root: TaskIndex,
    marks: &mut [Mark],
    order: &mut Vec<TaskIndex>,
) -> Result<(), Cycle> {
    let mut path = vec![(root, 0)];
    marks[root] = Mark::Open;
    while let Some((task, next)) = path.last_mut() {
        let need = workflow.tasks[*task].depends_on.get(*next);
        let (task, need) = (*task, need.map(|need| need.task));
        *next += 1;
        match need {
            None => {
                path.pop();
                marks[task] = Mark::Placed;
                order.push(task);
            }
            Some(need) => match marks[need] {
                Mark::Placed => {}
                Mark::New => {
                    marks[need] = Mark::Open;
                    path.push((need, 0));
                }
                Mark::Open => return Err(cycle(&path, need)),
            },
        }
    }
    Ok(())
}

fn cycle(path: &[(TaskIndex, usize)], start: TaskIndex) -> Cycle {
    let from = path
        .iter()
        .position(|(task, _)| *task == start)
        .expect("an open task is on the path");
    Cycle(path[from..].iter().map(|(task, _)| *task).collect())
}
