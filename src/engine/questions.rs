//! Questions that the core asks before a node begins, and their answers.
//!
//! A question is taken from the run under its lock and answered without it, because a command may have to run for it.

use std::sync::Arc;

use super::going::Going;
use crate::core::Input;
use crate::core::decide::Answer;
use crate::eval::Evaluator;
use crate::model::id::NodeId;
use crate::model::plan::{Kind, Work};

/// What is asked about a node.
pub(super) struct Question {
    node: NodeId,
    round: u32,
    about: About,
}

enum About {
    /// Whether it has anything to do on this system, with the reason if it hasn't.
    Platform(Option<String>),
    /// What the texts of a command come to.
    Command(Work),
    /// Nothing.
    Nothing,
}

impl Going<'_> {
    /// The question that has waited longest.
    pub(super) fn next_question(&mut self) -> Option<Question> {
        let (node, round) = self.questions.pop_front()?;
        let spec = self.state.spec(node);
        let about = match (&spec.task, &spec.kind) {
            (Some(task), _) => About::Platform(task.elsewhere.clone()),
            (None, Kind::Work(work)) => About::Command(work.clone()),
            _ => About::Nothing,
        };
        Some(Question { node, round, about })
    }
}

impl Question {
    /// Answers it. What was evaluated is remembered by the evaluator, so that the command starts at once.
    pub(super) fn answer(self, evaluator: &Arc<Evaluator>) -> Input {
        let answer = match self.about {
            About::Platform(Some(reason)) => Answer::Skip(reason),
            About::Platform(None) | About::Nothing => Answer::Go,
            About::Command(work) => match evaluator.command(&work) {
                Ok(_) => Answer::Go,
                Err(problem) => Answer::Fail(evaluator.told(&problem)),
            },
        };
        Input::Answered {
            node: self.node,
            round: self.round,
            answer,
        }
    }
}
