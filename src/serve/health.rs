//! How the server stands, for those who ask over the API.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::model::time::Timestamp;
use crate::trigger::scheduler::Scheduler;

/// What is told. The loop sets it, the API reads it.
#[derive(Clone, Debug)]
pub(super) struct Health(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    pid: u32,
    since: Timestamp,
    triggers: usize,
    paused: usize,
    running: usize,
    queued: usize,
    next: Option<Timestamp>,
    stopping: bool,
    /// What is wrong with the file, when the one before is still used.
    file: Option<String>,
    /// Why nothing can be begun.
    trouble: Option<String>,
}

impl Health {
    pub(super) fn new(pid: u32, since: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            pid,
            since,
            triggers: 0,
            paused: 0,
            running: 0,
            queued: 0,
            next: None,
            stopping: false,
            file: None,
            trouble: None,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, scheduler: &mut Scheduler, stopping: bool) {
        let mut inner = self.inner();
        (inner.running, inner.queued) = scheduler.counts();
        inner.next = scheduler.next_at();
        inner.stopping = stopping;
    }

    /// How many triggers there are, and how many of them are paused.
    pub(super) fn triggers(&self, (triggers, paused): (usize, usize)) {
        let mut inner = self.inner();
        (inner.triggers, inner.paused) = (triggers, paused);
    }

    /// What is wrong with the file.
    pub(super) fn file(&self, wrong: Option<String>) {
        self.inner().file = wrong;
    }

    /// Why nothing can be begun.
    pub(super) fn trouble(&self, trouble: Option<String>) {
        self.inner().trouble = trouble;
    }

    /// Whether all is well, and the rest of it.
    pub(super) fn told(&self) -> (bool, Value) {
        let inner = self.inner();
        let status = match &*inner {
            Inner { stopping: true, .. } => "stopping",
            Inner {
                trouble: Some(_), ..
            } => "failing",
            Inner { file: Some(_), .. } => "degraded",
            _ => "ok",
        };
        let told = json!({
            "status": status,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": inner.pid,
            "since": inner.since,
            "triggers": inner.triggers,
            "paused": inner.paused,
            "running": inner.running,
            "queued": inner.queued,
            "next": inner.next,
            "file_error": inner.file,
            "error": inner.trouble,
        });
        (matches!(status, "ok" | "degraded"), told)
    }
}
