//! Questions that the core asks before a node begins, and their answers.
//!
//! A question is taken from the run under its lock and answered without it, because a command may have to run for it. What is
//! waited for is asked again and again, without a fact for each look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::going::Going;
use crate::core::Input;
use crate::core::decide::Answer;
use crate::eval::Evaluator;
use crate::eval::here::Here;
use crate::eval::questions::Answer as Evaluated;
use crate::model::id::NodeId;
use crate::model::plan::{About, Ask, Kind, Work};

/// What is asked about a node.
pub(super) struct Question {
    pub(super) node: NodeId,
    pub(super) round: u32,
    here: Here,
    /// It has nothing to do on this system, and why.
    elsewhere: Option<String>,
    ask: Option<Box<Ask>>,
    /// How many branches there are to choose from.
    branches: usize,
    /// The command that is to be evaluated ahead.
    work: Option<Work>,
    /// When it was first asked.
    since: Instant,
}

/// What comes of a question.
pub(super) enum Outcome {
    /// An answer.
    Answered(Input),
    /// It is to be asked again at this time.
    Again(Instant, NodeId, u32),
}

impl Going<'_> {
    /// The question that has waited longest.
    pub(super) fn next_question(&mut self) -> Option<Question> {
        let (node, round) = loop {
            let (node, round) = self.questions.pop_front()?;
            if self.state.asks(node, round) {
                break (node, round);
            }
        };
        let now = self.clock.instant();
        let since = *self.asked.entry((node, round)).or_insert(now);
        let spec = self.state.spec(node);
        let first = self.state.asks_first(node);
        let task = spec.task.as_deref().filter(|_| first);
        let work = match &spec.kind {
            Kind::Work(work) => Some(work.clone()),
            _ => None,
        };
        Some(Question {
            node,
            round,
            here: self.here(node),
            elsewhere: task.and_then(|task| task.elsewhere.clone()),
            ask: match task {
                Some(task) => task.first.clone(),
                None if first => None,
                None => spec.ask.clone(),
            },
            branches: spec.children().len(),
            work,
            since,
        })
    }
}

impl Question {
    /// Answers it. What was evaluated is remembered by the evaluator, so that the command starts at once.
    pub(super) fn answer(self, evaluator: &Arc<Evaluator>, now: Instant) -> Outcome {
        let answered = match &self.ask {
            _ if self.elsewhere.is_some() => {
                Evaluated::Skip(self.elsewhere.clone().unwrap_or_default())
            }
            Some(ask) => evaluator.answer(ask, &self.here, self.branches),
            None => Evaluated::Go,
        };
        let answer = match answered {
            Evaluated::Go => self.ahead(evaluator),
            Evaluated::Branch(branch) => Answer::Branch(branch),
            Evaluated::Items(items) => Answer::Items(items),
            Evaluated::Skip(reason) => Answer::Skip(reason),
            Evaluated::Fail(reason) => Answer::Fail(reason),
            Evaluated::NotYet => match self.again(now) {
                Ok(at) => return Outcome::Again(at, self.node, self.round),
                Err(reason) => Answer::Fail(evaluator.hidden(&reason)),
            },
        };
        Outcome::Answered(Input::Answered {
            node: self.node,
            round: self.round,
            answer,
        })
    }

    /// Commands that run for a value of a command run before it takes its slot.
    fn ahead(&self, evaluator: &Arc<Evaluator>) -> Answer {
        match self
            .work
            .as_ref()
            .map(|work| evaluator.command(work, &self.here))
        {
            None | Some(Ok(_)) => Answer::Go,
            Some(Err(problem)) => Answer::Fail(evaluator.told(&problem)),
        }
    }

    /// When what is waited for is looked at again; why it is not any more.
    fn again(&self, now: Instant) -> Result<Instant, String> {
        let Some(About::Until {
            condition,
            interval_micros,
            timeout_micros,
        }) = self.ask.as_ref().map(|ask| &ask.about)
        else {
            return Ok(now);
        };
        let next = now + Duration::from_micros(*interval_micros);
        let Some(timeout) = timeout_micros.map(Duration::from_micros) else {
            return Ok(next);
        };
        let end = self.since + timeout;
        if now >= end {
            let after = crate::model::time::human(timeout);
            return Err(format!(
                "it waited {after} for this: {}",
                condition.written()
            ));
        }
        Ok(next.min(end))
    }
}
