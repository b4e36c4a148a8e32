//! Where commands are handed in that have to run for an answer, and where those who asked wait for them.
//!
//! A thread that answers a question can't follow a command: it would hear of no signal and of no cancel. So it hands the command
//! in here, the loop runs it as it runs the commands of steps, and stops it when nobody asks any more or the time of whoever asks
//! is over. Several who ask the same wait for one command, each as long as its own time lasts.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::inbox::Knocker;
use super::questions::Query;
use crate::exec::{CommandId, Job, Said};

/// By what one command that is run for a value is known from others: its text, its folder, its environment.
pub type Key = (String, PathBuf, Vec<(String, Vec<u8>)>);

/// The desk of one run.
#[derive(Debug, Default)]
pub struct Desk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    orders: VecDeque<Order>,
    /// How many commands were handed in.
    count: u64,
    /// What came of those that are known by their keys.
    known: HashMap<Key, Said>,
}

#[derive(Debug, Default)]
enum Mode {
    /// There is no loop: whoever asks follows its command itself.
    #[default]
    Alone,
    /// A loop takes what is handed in.
    Open(Knocker),
    /// Nothing is started any more.
    Closed,
}

/// A command that is to run for an answer.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) job: Job,
    /// What others would know it by; `None` for one that is never shared.
    pub(super) key: Option<Key>,
    pub(super) waiter: Waiter,
}

/// Somebody who waits for a command.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) asker: Asker,
    reply: SyncSender<Reply>,
}

impl Waiter {
    pub(super) fn tell(self, reply: Reply) {
        // Whoever has gone away does not wait.
        let _ = self.reply.send(reply);
    }
}

/// What becomes of a command that was handed in.
#[derive(Debug)]
pub(super) enum Reply {
    /// It has ended.
    Said(Said),
    /// It was stopped because the time of whoever asked is over.
    Late(Limit),
    /// It was stopped, or not started, because nobody asks any more.
    Stopped,
}

/// Who asks: for what, for how long, and with which marks in the environment.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) query: Query,
    pub(super) limit: Option<Limit>,
    /// Variables by which its commands are known as those of this run.
    pub(super) marks: Vec<(String, Vec<u8>)>,
    expired: Arc<AtomicBool>,
}

/// Until when somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) at: Instant,
    /// The timeout that it follows from.
    pub(super) timeout: Duration,
    /// It is that of a wait, which says by itself for what it waited.
    pub(super) of_wait: bool,
}

impl Asker {
    pub(super) fn new(query: Query, limit: Option<Limit>, marks: Vec<(String, Vec<u8>)>) -> Self {
        let expired = Arc::default();
        Self {
            query,
            limit,
            marks,
            expired,
        }
    }

    /// The limit that has ended one of its commands, if one has.
    pub(super) fn expired(&self) -> Option<Limit> {
        self.limit.filter(|_| self.expired.load(Ordering::Relaxed))
    }

    /// Whether its time is over, which is remembered.
    pub(super) fn expires(&self, now: Instant) -> Option<Limit> {
        let limit = self.limit.filter(|limit| limit.at <= now)?;
        self.expired.store(true, Ordering::Relaxed);
        Some(limit)
    }
}

thread_local! {
    /// For whom this thread evaluates.
    static ASKER: RefCell<Option<Asker>> = const { RefCell::new(None) };
}

/// Evaluates for somebody: commands that have to run for it are handed in with its name.
pub(super) fn asking<T>(asker: &Asker, evaluate: impl FnOnce() -> T) -> T {
    ASKER.set(Some(asker.clone()));
    let result = evaluate();
    ASKER.set(None);
    result
}

/// What comes of handing in a command.
pub(super) enum Handed {
    /// A loop runs it; what becomes of it comes by this.
    In(Receiver<Reply>),
    /// It is known.
    Known(Said),
    /// Whoever asks has to run it, with these marks.
    Back(Job),
    /// Nothing is started any more.
    Refused,
}

impl Desk {
    /// Hands in a command; `key` where others may wait for the same one.
    pub(super) fn hand_in(&self, mut job: Job, key: Option<&Key>) -> Handed {
        let mut state = self.state();
        if let Some(said) = key.and_then(|key| state.known.get(key)) {
            return Handed::Known(said.clone());
        }
        let asker = ASKER.with_borrow(Clone::clone);
        job.id = CommandId::Question(state.count);
        state.count += 1;
        match (&state.mode, asker) {
            (Mode::Closed, _) => Handed::Refused,
            (Mode::Open(knocker), Some(asker)) => {
                // One place, so that nobody waits for whoever waits.
                let (reply, replies) = sync_channel(1);
                job.env.extend(asker.marks.iter().cloned());
                knocker.knock();
                let (key, waiter) = (key.cloned(), Waiter { asker, reply });
                state.orders.push_back(Order { job, key, waiter });
                Handed::In(replies)
            }
            // Who has no loop, or is the loop.
            _ => Handed::Back(job),
        }
    }

    /// From now on a loop takes what is handed in, which is woken by this.
    pub(super) fn open(&self, knocker: Knocker) {
        self.state().mode = Mode::Open(knocker);
    }

    /// Starts nothing any more; whoever waits for what was not taken is told.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.mode = Mode::Closed;
        state.orders.clear();
    }

    /// What was handed in first.
    pub(super) fn next(&self) -> Option<Order> {
        self.state().orders.pop_front()
    }

    /// It can't be started yet.
    pub(super) fn put_back(&self, order: Order) {
        self.state().orders.push_front(order);
    }

    /// Whether something was handed in that nobody has taken.
    pub(super) fn waits(&self) -> bool {
        !self.state().orders.is_empty()
    }

    /// What is known of a command.
    pub(super) fn known(&self, key: Option<&Key>) -> Option<Said> {
        self.state().known.get(key?).cloned()
    }

    /// This came of a command.
    pub(super) fn learn(&self, key: Option<Key>, said: &Said) {
        if let Some(key) = key {
            self.state().known.insert(key, said.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
