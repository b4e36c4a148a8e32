//! The tokens of make's jobserver in a run: how many commands may run, and when there is one too few.

use std::fs::File;
use std::sync::Arc;

use super::going::Going;
use crate::core::fact::Record;
use crate::core::schedule::next_start;
use crate::core::{Input, turn};

impl Going<'_> {
    /// Decides what these inputs mean and what starts. With a jobserver no more starts than there are tokens for.
    pub(super) fn decide(&mut self, inputs: Vec<Input>) -> Vec<Record> {
        let now = self.clock.now();
        let slots = self.slots_now();
        let mut records = turn(&mut self.state, inputs, slots, now);
        while self.lacks_token() && self.take_token() {
            let slots = self.slots_now();
            records.extend(turn(&mut self.state, Vec::new(), slots, now));
        }
        records
    }

    /// How many steps may run at the moment.
    fn slots_now(&self) -> usize {
        match &self.jobserver {
            None => self.slots,
            Some(jobserver) => {
                let left = jobserver.may_run().saturating_sub(self.asked.running());
                self.slots.min(left)
            }
        }
    }

    /// Whether a command for an answer may be started; a token is taken for it.
    pub(super) fn may_ask(&mut self) -> bool {
        let busy = self.busy();
        match &mut self.jobserver {
            None => true,
            Some(jobserver) => busy < jobserver.may_run() || jobserver.take(),
        }
    }

    /// How many commands run.
    fn busy(&self) -> usize {
        self.state.running().len() + self.asked.running()
    }

    fn take_token(&mut self) -> bool {
        self.jobserver
            .as_mut()
            .is_some_and(|jobserver| jobserver.take())
    }

    /// Whether something waits for nothing but a token.
    fn lacks_token(&self) -> bool {
        self.jobserver.is_some()
            && (next_start(&self.state, self.slots).is_some() || self.desk.waits())
    }

    /// Gives back the tokens that nothing needs. What waits for one is to be woken.
    pub(super) fn mind_tokens(&mut self) {
        let (busy, lacks) = (self.busy(), self.lacks_token());
        if let Some(jobserver) = &mut self.jobserver
            && !lacks
        {
            jobserver.keep_for(busy);
        }
    }

    /// What can be read from when there may be a token that something waits for.
    pub(super) fn wanted_tokens(&self) -> Option<Arc<File>> {
        let jobserver = self.jobserver.as_ref()?;
        self.lacks_token().then(|| jobserver.reader())
    }
}
