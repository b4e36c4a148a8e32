//! Questions that the core asks before a node begins, and their answers.
//!
//! A question is taken from the run under its lock and answered without it, because a command may have to run for it. What is
//! waited for is asked again and again, without a fact for each look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::desk::Asker;
use super::going::Going;
use super::incremental::{Asked, Freshness, Who};
use super::locking::{Answered, LockQuestion, Locking};
use crate::core::Input;
use crate::core::carried::{self, ITEMS};
use crate::core::decide::Answer;
use crate::eval::Evaluator;
use crate::eval::here::Here;
use crate::eval::questions::{Answer as Evaluated, with_words};
use crate::incremental::{Reason, Restored};
use crate::model::id::{NodeId, RunId};
use crate::model::plan::{About, Ask, Kind, Work};

/// What the core wants to know or to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Query {
    /// Whether a node begins, in this round.
    Begin { node: NodeId, round: u32 },
    /// The locks of a node, in this round.
    Locks { node: NodeId, round: u32 },
    /// The locks of the run.
    RunLocks,
    /// The values of a command that is about to start: of one that is tried again, or of a run that was taken up.
    Prepare { node: NodeId, attempt: u32 },
}

/// What is taken from the run, to be answered without it.
pub(super) enum Open {
    /// What is asked about a node.
    Begin(Box<Question>),
    /// Locks.
    Locks(LockQuestion),
    /// What a command is made of.
    Prepare(Box<Preparation>),
}

/// A command whose values are to be there when it starts.
pub(super) struct Preparation {
    node: NodeId,
    attempt: u32,
    work: Option<Work>,
    here: Here,
}

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
    /// The task whose files it is about, and where that is.
    about_files: Option<(Who, Here)>,
    /// What is known of it from the run that this one takes over from.
    known: Option<Known>,
    /// It is asked before its needs.
    first: bool,
}

/// What is known of a node from the run that this one takes over from.
enum Known {
    /// It was done, with these values.
    Done(RunId, Vec<(String, serde_json::Value)>),
    /// What it consists of was done; which branch.
    Open(Option<u32>),
    /// The items of a loop.
    Items(serde_json::Value),
}

/// How often it is looked whether another flow still makes the files of a task.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What comes of asking whether a task begins.
enum Begin {
    Evaluated(Evaluated),
    UpToDate,
    Restored(Restored),
    Runs(Evaluated, Reason, Vec<String>),
    Busy,
}

/// What is to be told of a task about to begin.
pub(super) enum Notice {
    /// It runs, for this reason, though these patterns of its sources match nothing.
    Runs(Reason, Vec<String>),
    /// It need not: what it makes was restored.
    Restored(Restored),
    /// It waits: for another flow that makes its files, for a lock.
    Waits(String),
}

/// What is told, and of which node; of the run when of none.
pub(super) type Told = (Option<NodeId>, Notice);

/// What comes of a question.
pub(super) enum Outcome {
    /// An answer, and what is to be told of the task.
    Answered(Input, Option<Told>),
    /// It is to be asked again at this time, and what is to be told of that.
    Again(Instant, Query, Option<Told>),
    /// This try can start.
    Prepared(NodeId, u32),
}

impl Going<'_> {
    /// The question that has waited longest.
    pub(super) fn next_question(&mut self) -> Option<(Open, Asker)> {
        loop {
            let query = self.questions.pop_front()?;
            let open = match query {
                Query::Begin { node, round } if self.state.asks(node, round) => {
                    Some(Open::Begin(Box::new(self.question(node, round))))
                }
                Query::Locks { node, round } if self.state.locks(node, round) => {
                    Some(Open::Locks(self.lock_question(query)))
                }
                Query::RunLocks if self.state.lacks_locks() => {
                    Some(Open::Locks(self.lock_question(query)))
                }
                Query::Prepare { node, attempt } => Some(Open::Prepare(Box::new(Preparation {
                    node,
                    attempt,
                    work: self.work_of(node),
                    here: self.here(node),
                }))),
                _ => None,
            };
            match open {
                Some(open) => return Some((open, self.asker(query, self.clock.instant()))),
                None => {
                    if let Some(locking) = &self.locking {
                        locking.forget(query);
                    }
                }
            }
        }
    }

    fn work_of(&self, node: NodeId) -> Option<Work> {
        match &self.state.spec(node).kind {
            Kind::Work(work) => Some(work.clone()),
            _ => None,
        }
    }

    fn question(&mut self, node: NodeId, round: u32) -> Question {
        let now = self.clock.instant();
        let query = Query::Begin { node, round };
        let since = *self.asked_since.entry(query).or_insert(now);
        let spec = self.state.spec(node);
        let first = self.state.asks_first(node);
        let task = spec.task.as_deref().filter(|_| first);
        let work = self.work_of(node);
        if work.is_some() && !first {
            let attempt = self.state.node(node).attempt + 1;
            self.asked.prepared.insert((node, attempt));
        }
        let spec = self.state.spec(node);
        Question {
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
            about_files: self.about_files(node, first),
            known: self.known(node),
            first,
        }
    }

    fn known(&self, node: NodeId) -> Option<Known> {
        let carried = self.carried.as_ref()?;
        let address = carried::address(&self.state, node);
        if let Some(values) = carried.done.get(&address) {
            return Some(Known::Done(carried.run.clone(), values.clone()));
        }
        let items = carried.items.get(&address).cloned().map(Known::Items);
        items.or_else(|| carried.open.get(&address).copied().map(Known::Open))
    }

    /// The task whose files a question is about: the node itself when it is about to begin, or the one that it is the last step
    /// of.
    fn about_files(&self, node: NodeId, first: bool) -> Option<(Who, Here)> {
        self.freshness.as_ref().filter(|_| !first)?;
        let spec = self.state.spec(node);
        let made = spec
            .ask
            .as_ref()
            .is_some_and(|ask| matches!(ask.about, About::Made(_)));
        let of = if made { self.state.parent(node)? } else { node };
        let incremental = self.state.spec(of).incremental.as_ref()?;
        let asks = made || incremental.sources.is_some() || !incremental.status.is_empty();
        asks.then(|| (self.who(of), self.here(of)))
    }
}

impl Open {
    /// Answers it.
    pub(super) fn answer(
        self,
        evaluator: &Arc<Evaluator>,
        freshness: Option<&Freshness>,
        locking: Option<&Locking>,
        asker: &Asker,
        clock: Clock,
    ) -> Outcome {
        let now = clock.instant();
        let (question, locking) = match (self, locking) {
            (Self::Begin(question), _) => {
                return question.answer(evaluator, freshness, asker, clock);
            }
            (Self::Prepare(one), _) => {
                // What is wrong with it is found again, and told, when it is to start.
                let _ = one
                    .work
                    .as_ref()
                    .map(|work| evaluator.command(work, &one.here));
                return Outcome::Prepared(one.node, one.attempt);
            }
            (Self::Locks(question), Some(locking)) => (question, locking),
            (Self::Locks(question), None) => return Outcome::Again(now, question.query, None),
        };
        match locking.answer(&question, evaluator) {
            Answered::Input(input) => Outcome::Answered(input, None),
            Answered::Again(at, told) => {
                let node = match question.query {
                    Query::Locks { node, .. } => Some(node),
                    _ => None,
                };
                let told = told.map(|what| (node, Notice::Waits(what)));
                Outcome::Again(at, question.query, told)
            }
        }
    }
}

impl Question {
    /// Answers it. What was evaluated is remembered by the evaluator, so that the command starts at once.
    pub(super) fn answer(
        self,
        evaluator: &Arc<Evaluator>,
        freshness: Option<&Freshness>,
        asker: &Asker,
        clock: Clock,
    ) -> Outcome {
        let now = clock.instant();
        if let Some(known) = &self.known {
            return self.answered(self.as_before(known, evaluator), None);
        }
        let mut why = None;
        let answered = match (&self.ask, freshness, &self.about_files) {
            _ if self.elsewhere.is_some() => {
                Evaluated::Skip(self.elsewhere.clone().unwrap_or_default())
            }
            (Some(ask), Some(freshness), Some((who, here)))
                if matches!(ask.about, About::Made(_)) =>
            {
                match freshness.made(who, here) {
                    Ok(()) => Evaluated::Go,
                    Err(why) => Evaluated::Fail(why),
                }
            }
            (ask, Some(freshness), Some((who, here))) => {
                match self.begin(evaluator, ask.as_deref(), || freshness.ask(who, here)) {
                    Begin::Evaluated(answer) => answer,
                    Begin::UpToDate => return self.answered(Answer::UpToDate, None),
                    Begin::Restored(restored) => {
                        let notice = Notice::Restored(restored);
                        return self.answered(Answer::UpToDate, Some((Some(self.node), notice)));
                    }
                    Begin::Runs(answer, reason, unmatched) => {
                        why = Some((Some(self.node), Notice::Runs(reason, unmatched)));
                        answer
                    }
                    Begin::Busy => {
                        // Once is enough.
                        let first = now < self.since + LOOK_AGAIN;
                        let waits = || Notice::Waits("another flow makes its files".to_owned());
                        let notice = first.then(|| (Some(self.node), waits()));
                        return Outcome::Again(now + LOOK_AGAIN, self.query(), notice);
                    }
                }
            }
            (Some(ask), ..) => evaluator.answer(ask, &self.here, self.branches),
            (None, ..) => Evaluated::Go,
        };
        let answer = match answered {
            Evaluated::Go => self.ahead(evaluator),
            Evaluated::Branch(branch) => Answer::Branch(branch),
            Evaluated::Items(names) => Answer::Items(names),
            Evaluated::Skip(reason) => Answer::Skip(reason),
            Evaluated::Fail(reason) => Answer::Fail(reason),
            // The command may have taken a while.
            Evaluated::NotYet(said) => match self.again(clock.instant(), &said) {
                Ok(at) => return Outcome::Again(at, self.query(), None),
                Err(reason) => Answer::Fail(evaluator.hidden(&reason)),
            },
        };
        let answer = match (answer, asker.expired()) {
            (Answer::Fail(_), Some(limit)) if limit.of_wait => {
                Answer::Fail(evaluator.hidden(&self.waited(limit.timeout, "")))
            }
            (Answer::Fail(reason), Some(_)) => Answer::TimedOut(reason),
            (answer, _) => answer,
        };
        self.answered(answer, why)
    }

    /// The answer that follows from what is known of the run before, whose values serve again.
    fn as_before(&self, known: &Known, evaluator: &Arc<Evaluator>) -> Answer {
        match known {
            // What is asked before the needs is asked again after them.
            _ if self.first => Answer::Go,
            Known::Done(run, values) => {
                for (name, value) in values {
                    evaluator.take_over(self.node, name, value, &self.here);
                }
                Answer::TakenOver(run.clone())
            }
            Known::Open(None) => Answer::Go,
            Known::Open(Some(branch)) => Answer::Branch(*branch),
            Known::Items(items) => {
                evaluator.take_over(self.node, ITEMS, items, &self.here);
                Answer::Items(evaluator.item_names(self.node))
            }
        }
    }

    const fn query(&self) -> Query {
        let (node, round) = (self.node, self.round);
        Query::Begin { node, round }
    }

    fn answered(&self, answer: Answer, why: Option<Told>) -> Outcome {
        let input = Input::Answered {
            node: self.node,
            round: self.round,
            answer,
        };
        Outcome::Answered(input, why)
    }

    /// A task that may not have to run: its condition first, then whether it has to, and only then what must hold for it.
    fn begin(
        &self,
        evaluator: &Arc<Evaluator>,
        ask: Option<&Ask>,
        fresh: impl FnOnce() -> Asked,
    ) -> Begin {
        let part = |keep: &dyn Fn(&mut Ask)| {
            let mut ask = ask?.clone();
            keep(&mut ask);
            Some(evaluator.answer(&ask, &self.here, self.branches))
                .filter(|answer| *answer != Evaluated::Go)
        };
        let without_checks = |ask: &mut Ask| {
            if let About::Begin { preconditions, .. } = &mut ask.about {
                preconditions.clear();
            }
        };
        let without_condition = |ask: &mut Ask| {
            if let About::Begin { condition, .. } = &mut ask.about {
                *condition = None;
            }
        };
        if let Some(answer) = part(&without_checks) {
            return Begin::Evaluated(answer);
        }
        match fresh() {
            Asked::UpToDate => Begin::UpToDate,
            Asked::Restored(restored) => Begin::Restored(restored),
            Asked::Busy => Begin::Busy,
            Asked::Failed(why) => Begin::Evaluated(Evaluated::Fail(why)),
            Asked::Runs(why, unmatched) => {
                let answer = part(&without_condition).unwrap_or(Evaluated::Go);
                Begin::Runs(answer, why, unmatched)
            }
        }
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
    fn again(&self, now: Instant, said: &str) -> Result<Instant, String> {
        let Some(About::Until {
            interval_micros,
            timeout_micros,
            ..
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
            return Err(self.waited(timeout, said));
        }
        Ok(next.min(end))
    }

    /// What to say of something that was waited for and has not come.
    fn waited(&self, timeout: Duration, said: &str) -> String {
        let condition = match self.ask.as_ref().map(|ask| &ask.about) {
            Some(About::Until { condition, .. }) => condition.written(),
            _ => String::new(),
        };
        let after = crate::model::time::human(timeout);
        let what = format!("it waited {after} for this: {condition}");
        with_words(&what, said)
    }
}
