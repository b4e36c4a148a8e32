//! The commands that run for answers: who waits for them, for how long, and when nobody does any more.
//!
//! They are in the same book as the commands of steps (`exec::stops`), which stops them in the same way: when the core does not ask
//! their question any more (a cancel, a signal, a timeout of what the question is part of), and when the time for it is over.
//!
//! **How long a question may take.** What a node may take is its timeout, and that of all that it is part of. From the first step on
//! these are timers of the core. Before it, where nothing of a node has begun, its questions have the same time for themselves, all
//! of them together.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::desk::{Asker, Key, Limit, Order, Reply, Waiter};
use super::going::{Going, how};
use super::questions::Query;
use crate::core::action::Signal as HowToStop;
use crate::core::state::Stage;
use crate::disk::Folder;
use crate::exec::{CommandId, Job, Said, family};
use crate::model::id::NodeId;
use crate::model::plan::{About, Kind};

/// How long the last look may take of a wait whose time is over.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// The commands that run for answers.
#[derive(Debug, Default)]
pub(super) struct Asked {
    running: HashMap<u64, Running>,
    /// How long the questions of nodes of which nothing has begun have taken, by the number of the try.
    spent: HashMap<(NodeId, u32), Duration>,
    /// The tries whose commands have been evaluated, so that starting them runs no other command.
    pub(super) prepared: HashSet<(NodeId, u32)>,
}

#[derive(Debug)]
struct Running {
    key: Option<Key>,
    waiters: Vec<Waiter>,
}

impl Asked {
    /// How many of them there are.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Whoever waits for one of them waits no longer.
    pub(super) fn give_up(&mut self) {
        self.running.clear();
    }
}

impl Going<'_> {
    /// The commands that were handed in and are to be started.
    pub(super) fn take_orders(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        while let Some(order) = self.desk.next() {
            let Order { job, key, waiter } = order;
            let CommandId::Question(id) = job.id else {
                continue;
            };
            if self.how_to_stop(waiter.asker.query).is_some() {
                waiter.tell(Reply::Stopped);
            } else if let Some(said) = self.desk.known(key.as_ref()) {
                waiter.tell(Reply::Said(said));
            } else if let Some(running) = self.same(key.as_ref()) {
                running.waiters.push(waiter);
            } else if !self.may_ask() {
                self.desk.put_back(Order { job, key, waiter });
                break;
            } else {
                self.stops.insert(job.id, job.attempt, false);
                let waiters = vec![waiter];
                self.asked.running.insert(id, Running { key, waiters });
                jobs.push(job);
            }
        }
        jobs
    }

    /// The same command, if it runs and is not being stopped.
    fn same(&mut self, key: Option<&Key>) -> Option<&mut Running> {
        let key = key?;
        let mut running = self.asked.running.iter_mut();
        let stops = &self.stops;
        running
            .find(|(id, running)| {
                running.key.as_ref() == Some(key) && !stops.was_told(CommandId::Question(**id))
            })
            .map(|(_, running)| running)
    }

    /// A command that ran for an answer has ended.
    pub(super) fn answered(&mut self, question: u64, said: &Said) {
        let Some(Running { key, waiters }) = self.asked.running.remove(&question) else {
            return;
        };
        if waiters
            .iter()
            .any(|waiter| waiter.asker.expired().is_none())
        {
            self.desk.learn(key, said);
        }
        for waiter in waiters {
            let reply = match waiter.asker.expired() {
                Some(limit) => Reply::Late(limit),
                None => Reply::Said(said.clone()),
            };
            waiter.tell(reply);
        }
    }

    /// Whoever does not ask any more, or whose time is over, waits no longer; a command that nobody waits for is stopped, and its
    /// last waiter waits for its end.
    pub(super) fn mind_asked(&mut self, now: Instant) {
        if self.asked.running.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.asked.running);
        for (id, running) in &mut all {
            let mut told = None;
            let mut at = 0;
            while let Some(waiter) = running.waiters.get(at) {
                let stop = self.how_to_stop(waiter.asker.query);
                let late = waiter.asker.expires(now).filter(|_| stop.is_none());
                let Some(stop) = stop.or(late.map(|_| HowToStop::Terminate)) else {
                    at += 1;
                    continue;
                };
                if running.waiters.len() > 1 {
                    let waiter = running.waiters.swap_remove(at);
                    waiter.tell(late.map_or(Reply::Stopped, Reply::Late));
                } else {
                    told = Some(stop);
                    at += 1;
                }
            }
            if let Some(stop) = told {
                self.stops.stop(CommandId::Question(*id), how(stop), now);
            }
        }
        self.asked.running = all;
    }

    /// When the time of somebody who waits for a command is over.
    pub(super) fn asked_deadline(&self) -> Option<Instant> {
        let waiters = self
            .asked
            .running
            .values()
            .flat_map(|running| &running.waiters);
        let waiting = waiters.filter(|waiter| waiter.asker.expired().is_none());
        waiting
            .filter_map(|waiter| Some(waiter.asker.limit?.at))
            .min()
    }

    /// How the commands of a question are told to stop; `None` as long as it is asked.
    fn how_to_stop(&self, query: Query) -> Option<HowToStop> {
        let (node, asks) = match query {
            Query::Begin { node, round } => (Some(node), self.state.asks(node, round)),
            Query::Locks { node, round } => (Some(node), self.state.locks(node, round)),
            Query::Prepare { node, attempt } => {
                let goes_on = self.state.stopped(node).is_none();
                (Some(node), goes_on && self.stops.has(node, attempt))
            }
            Query::RunLocks => {
                let killed = self.state.stop().is_some_and(|stop| stop.now);
                (None, self.state.lacks_locks() && !killed)
            }
        };
        if asks {
            return None;
        }
        let stop = node.map_or(self.state.stop(), |node| self.state.stopped(node));
        Some(stop.map_or(HowToStop::Terminate, HowToStop::of))
    }

    /// Who asks a question that is taken up now.
    pub(super) fn asker(&self, query: Query, now: Instant) -> Asker {
        let (node, about) = match query {
            Query::Begin { node, .. } => {
                let first = self.state.asks_first(node);
                let ask = self.state.spec(node).ask.as_ref().filter(|_| !first);
                (Some(node), ask.map(|ask| &ask.about))
            }
            Query::Locks { node, .. } | Query::Prepare { node, .. } => (Some(node), None),
            Query::RunLocks => (None, None),
        };
        let mut limit = node.and_then(|node| self.limit(node, now));
        if let Some(About::Until {
            timeout_micros: Some(micros),
            ..
        }) = about
        {
            let timeout = Duration::from_micros(*micros);
            let since = self.asked_since.get(&query).copied().unwrap_or(now);
            let of_wait = Limit {
                // The last look may begin when the time is over.
                at: (since + timeout).max(now + LAST_LOOK),
                timeout,
                of_wait: true,
            };
            limit = earlier(limit, of_wait);
        }
        Asker::new(query, limit, self.marks(node))
    }

    /// Until when a question of a node may be asked, by the timeouts of those nodes of which nothing has begun; the others have
    /// timers.
    fn limit(&self, node: NodeId, now: Instant) -> Option<Limit> {
        let timed = self.timed_by_questions(node).into_iter();
        timed
            .map(|(key, timeout)| {
                let spent = self.asked.spent.get(&key).copied().unwrap_or_default();
                Limit {
                    at: now + timeout.saturating_sub(spent),
                    timeout,
                    of_wait: false,
                }
            })
            .fold(None, earlier)
    }

    /// The nodes whose timeouts bound a question and that have no timers for it, with these timeouts.
    fn timed_by_questions(&self, node: NodeId) -> Vec<((NodeId, u32), Duration)> {
        let mut timed = Vec::new();
        let mut at = Some(node);
        while let Some(id) = at {
            let known = self.state.node(id);
            let spec = self.state.spec(id);
            // What bounds each item of a loop bounds the question for its items too.
            let rules = match &spec.kind {
                Kind::Loop { body, .. } if id == node => self.state.plan().node(*body).rules(),
                _ => spec.rules(),
            };
            let untimed = known.began_at.is_none() && !matches!(known.stage, Stage::Ending(_));
            if let Some(micros) = rules.timeout_micros.filter(|_| untimed) {
                timed.push(((id, known.attempt), Duration::from_micros(micros)));
            }
            at = self.state.parent(id);
        }
        timed
    }

    /// A question of a node has been asked for so long.
    pub(super) fn spend(&mut self, query: Query, took: Duration) {
        let (Query::Begin { node, .. } | Query::Prepare { node, .. }) = query else {
            return;
        };
        for (key, _) in self.timed_by_questions(node) {
            *self.asked.spent.entry(key).or_default() += took;
        }
    }

    /// The variables by which a command is known as one of this run.
    fn marks(&self, node: Option<NodeId>) -> Vec<(String, Vec<u8>)> {
        let task = node.map(|node| self.task_name(node)).unwrap_or_default();
        // It hands nothing on. The folder is what tells this run from one of the same id in another project.
        let output = self.logs.as_ref().and_then(Folder::above).map_or_else(
            || Path::new("/dev/null").to_owned(),
            |(folder, run)| folder.path_of(&format!("{run}{ASKED}")),
        );
        let mark = |name: &str, value: Vec<u8>| (name.to_owned(), value);
        vec![
            mark("FLOW_RUN_ID", self.run.to_string().into_bytes()),
            mark(family::FLOW_PID, family::flow_pid()),
            mark("FLOW_TASK", task.into_bytes()),
            mark("FLOW_OUTPUT", output.into_os_string().into_vec()),
        ]
    }
}

fn earlier(one: Option<Limit>, other: Limit) -> Option<Limit> {
    Some(one.filter(|one| one.at <= other.at).unwrap_or(other))
}

/// What a command wrote that ran for an answer, where a step hands something on, is nobody's.
pub(super) fn forget_handed_on(logs: &Folder) {
    if let Some((folder, run)) = logs.above() {
        // Most write nothing.
        let _ = folder.remove(&format!("{run}{ASKED}"));
    }
}

/// What stands behind the id of a run in the name of the file that such a command would write to.
const ASKED: &str = ".asked";
