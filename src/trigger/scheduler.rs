//! When it is time, what follows: the pure part of `flow serve`.
//!
//! The time is handed in and facts come out, which whoever asked writes down before anything is done about them. What was fired,
//! skipped or missed moves the cursor of its trigger, and a time that is not after the cursor is never looked at again: that is why
//! no time is run twice, over whatever restarts and clock changes, and why none is lost.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::cron::Wrong;
use super::fact::{End, Fact, Fire, Record, Skip, State};
use super::times::Times;
use crate::model::id::RunId;
use crate::model::language::{CatchUp, Overlap, Trigger, When};
use crate::model::time::Timestamp;

/// With `catch_up: none`, a time that has passed for less than this is not missed but late.
pub const LATE: Duration = Duration::from_secs(60);

/// How many times of a trigger are made up for at once; more than that are missed.
pub const CATCH_UP_MAX: usize = 1_000;

/// How many runs of a trigger wait at most.
pub const QUEUE_MAX: usize = 1_000;

/// A clock that is set back by this or more was wrong before, and fixed times count again (cron(8)).
pub const CORRECTION: Duration = Duration::from_secs(3 * 60 * 60);

/// A clock that is set back by less than this is only being adjusted.
const ADJUSTED: Duration = Duration::from_secs(60);

/// What triggers say and what has become of it.
#[derive(Debug)]
pub struct Scheduler {
    state: State,
    triggers: Vec<Live>,
    by_name: HashMap<String, usize>,
    /// When each trigger is next looked at. An entry that is not its trigger's own any more is passed over.
    queue: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// The fires whose runs are being worked on by somebody.
    working: BTreeSet<u64>,
    machine: TimeZone,
}

/// A trigger that starts something.
#[derive(Debug)]
struct Live {
    trigger: Trigger,
    times: Times,
    offset: Duration,
    /// When it is due.
    next: Option<Timestamp>,
}

/// What tells the times of a trigger from others.
pub fn definition(trigger: &Trigger) -> String {
    let text = serde_json::to_vec(&(&trigger.when, trigger.enabled)).unwrap_or_default();
    blake3::hash(&text).to_hex()[..16].to_owned()
}

/// By how much later a trigger starts than its times say: up to its jitter, for one trigger of a project always the same.
pub fn offset(trigger: &Trigger, seed: u64) -> Duration {
    let Some(most) = u64::try_from(trigger.jitter.as_millis())
        .ok()
        .filter(|most| *most > 0)
    else {
        return Duration::ZERO;
    };
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&seed.to_le_bytes())
        .update(trigger.name.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    Duration::from_millis(u64::from_le_bytes(bytes) % most.saturating_add(1))
}

impl Scheduler {
    /// From the facts so far.
    pub fn new(state: State, machine: TimeZone) -> Self {
        Self {
            state,
            triggers: Vec::new(),
            by_name: HashMap::new(),
            queue: BinaryHeap::new(),
            working: BTreeSet::new(),
            machine,
        }
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The triggers that there are from now on.
    ///
    /// # Errors
    ///
    /// When the times of one can't be read; then all is as it was.
    pub fn set(&mut self, triggers: Vec<Trigger>, now: Timestamp) -> Result<Vec<Record>, Wrong> {
        let mut live = Vec::with_capacity(triggers.len());
        for trigger in triggers {
            let times = Times::of(&trigger.when, &self.machine)?;
            let offset = offset(&trigger, self.state.seed);
            live.push(Live {
                trigger,
                times,
                offset,
                next: None,
            });
        }
        let mut new = BTreeMap::new();
        for Live { trigger, .. } in &live {
            let definition = definition(trigger);
            let known = self.state.triggers.get(&trigger.name);
            if known.is_none_or(|known| known.definition != definition) {
                new.insert(trigger.name.clone(), definition);
            }
        }
        let names: HashSet<&str> = live.iter().map(|one| &*one.trigger.name).collect();
        for (name, known) in &self.state.triggers {
            // One that comes back counts from then on.
            if !known.definition.is_empty() && !names.contains(name.as_str()) {
                new.insert(name.clone(), String::new());
            }
        }
        let names = live.iter().enumerate();
        self.by_name = names
            .map(|(index, live)| (live.trigger.name.clone(), index))
            .collect();
        self.triggers = live;
        let mut facts = Vec::new();
        if !new.is_empty() {
            self.add(now, Fact::Known { triggers: new }, &mut facts);
        }
        self.clock_set(now, &mut facts);
        self.look_anew();
        Ok(facts)
    }

    /// A fact that somebody else has written.
    pub fn heard(&mut self, record: &Record) {
        self.state.apply(record);
        if let Fact::Paused { trigger, .. } | Fact::Resumed { trigger, .. } = &record.fact
            && let Some(index) = self.by_name.get(trigger).copied()
        {
            self.plan(index);
        }
    }

    /// When there is something to do, if nothing happens before.
    pub fn next_at(&mut self) -> Option<Timestamp> {
        while let Some(Reverse((at, index))) = self.queue.peek().copied() {
            if self.triggers[index].next == Some(at) {
                return Some(at);
            }
            self.queue.pop();
        }
        None
    }

    /// When a trigger starts next, if it does.
    pub fn next_of(&self, name: &str) -> Option<Timestamp> {
        self.triggers[*self.by_name.get(name)?].next
    }

    /// All that is due.
    pub fn due(&mut self, now: Timestamp) -> Vec<Record> {
        let mut facts = Vec::new();
        while let Some(at) = self.next_at().filter(|at| *at <= now) {
            if let Some(Reverse((_, index))) = self.queue.pop() {
                debug_assert_eq!(self.triggers[index].next, Some(at));
                self.fall_due(index, now, &mut facts);
                self.plan(index);
            }
        }
        facts
    }

    /// The clock of the machine was set: triggers whose times have been dealt with as far as into what is the future now.
    pub fn clock_changed(&mut self, now: Timestamp) -> Vec<Record> {
        let mut facts = Vec::new();
        self.clock_set(now, &mut facts);
        self.look_anew();
        facts
    }

    /// Files have changed that a trigger watches.
    pub fn changed(&mut self, name: &str, path: &str, now: Timestamp) -> Vec<Record> {
        let mut facts = Vec::new();
        let Some(index) = self.by_name.get(name).copied() else {
            return facts;
        };
        let is_paused = self
            .state
            .triggers
            .get(name)
            .is_some_and(|known| known.paused.is_some());
        if is_paused || !self.triggers[index].trigger.enabled {
            return facts;
        }
        // One that has not begun sees this change, too.
        let waits = |fire: &&Fire| {
            fire.trigger == name && !fire.begun && !self.working.contains(&fire.fire)
        };
        if !self.state.open.values().any(|fire| waits(&fire)) {
            self.fire(index, None, Some(path.to_owned()), now, &mut facts);
        }
        facts
    }

    /// The runs that can be worked on from now on, when no more than so many may be at once, in the order of their fires.
    pub fn begin(&mut self, most: usize) -> Vec<Fire> {
        let mut begin = Vec::new();
        let mut busy: BTreeSet<&str> = BTreeSet::new();
        for fire in self.state.open.values() {
            let first = busy.insert(&fire.trigger);
            if self.working.contains(&fire.fire) || !(first || fire.beside_others) {
                continue;
            }
            if self.working.len() + begin.len() >= most {
                break;
            }
            begin.push(fire.clone());
        }
        self.working.extend(begin.iter().map(|fire| fire.fire));
        begin
    }

    /// A fire that is not over.
    pub fn open(&self, fire: u64) -> Option<&Fire> {
        self.state.open.get(&fire)
    }

    /// Nobody works on a run any more that is not over.
    pub fn left(&mut self, fire: u64) {
        self.working.remove(&fire);
    }

    /// How many are worked on, and how many wait.
    pub fn counts(&self) -> (usize, usize) {
        let working = self.working.len();
        (working, self.state.open.len().saturating_sub(working))
    }

    /// A run is over, or there will be none.
    pub fn ended(
        &mut self,
        fire: u64,
        end: End,
        error: Option<String>,
        now: Timestamp,
    ) -> Vec<Record> {
        let mut facts = Vec::new();
        self.working.remove(&fire);
        if self.state.open.contains_key(&fire) {
            self.add(now, Fact::Ended { fire, end, error }, &mut facts);
        }
        facts
    }

    /// The fires whose runs are to be cancelled, because a later one of a trigger that says so takes their place.
    pub fn outdated(&self) -> Vec<u64> {
        let cancels = |name: &str| {
            let index = self.by_name.get(name);
            index.is_some_and(|index| self.triggers[*index].trigger.overlap == Overlap::Cancel)
        };
        let mut last: HashMap<&str, u64> = HashMap::new();
        for fire in self.state.open.values() {
            last.insert(&fire.trigger, fire.fire);
        }
        let open = self.state.open.values();
        let outdated = open.filter(|fire| last[fire.trigger.as_str()] != fire.fire);
        outdated
            .filter(|fire| self.working.contains(&fire.fire) && cancels(&fire.trigger))
            .map(|fire| fire.fire)
            .collect()
    }

    fn add(&mut self, at: Timestamp, fact: Fact, facts: &mut Vec<Record>) {
        let record = Record { at, fact };
        self.state.apply(&record);
        facts.push(record);
    }

    /// When a trigger is next looked at.
    fn plan(&mut self, index: usize) {
        let live = &mut self.triggers[index];
        let known = self.state.triggers.get(&live.trigger.name);
        let cursor = known.filter(|known| known.paused.is_none() && live.trigger.enabled);
        let next = cursor.and_then(|known| live.times.next_after(known.cursor));
        live.next = next.map(|next| next.plus(live.offset));
        if let Some(next) = live.next {
            self.queue.push(Reverse((next, index)));
        }
    }

    fn look_anew(&mut self) {
        self.queue.clear();
        for index in 0..self.triggers.len() {
            self.plan(index);
        }
    }

    fn clock_set(&mut self, now: Timestamp, facts: &mut Vec<Record>) {
        let (mut back, mut right) = (Vec::new(), Vec::new());
        for live in &self.triggers {
            let name = &live.trigger.name;
            let Some(known) = self.state.triggers.get(name) else {
                continue;
            };
            let least = if live.times.is_elapsed() {
                ADJUSTED
            } else {
                CORRECTION
            };
            if known.cursor.since(now) >= least {
                back.push(name.clone());
            } else if known.before.is_some_and(|before| before <= now) {
                right.push(name.clone());
            }
        }
        if !back.is_empty() {
            self.add(now, Fact::ClockSetBack { triggers: back }, facts);
        }
        if !right.is_empty() {
            self.add(now, Fact::ClockSetRight { triggers: right }, facts);
        }
    }

    /// The times of a trigger that have come since it was last looked at.
    fn fall_due(&mut self, index: usize, now: Timestamp, facts: &mut Vec<Record>) {
        let live = &self.triggers[index];
        let name = live.trigger.name.clone();
        let catch_up = live.trigger.catch_up;
        let Some(known) = self.state.triggers.get(&name) else {
            return;
        };
        let late = i64::try_from(live.offset.as_micros()).unwrap_or(i64::MAX);
        let until = Timestamp::from_micros(now.as_micros().saturating_sub(late));
        // Of the times that have come, the last ones are made up for, as many as the trigger says.
        let (mut times, whole) = live.times.last(known.cursor, until, CATCH_UP_MAX + 1);
        let kept = match catch_up {
            CatchUp::All => CATCH_UP_MAX,
            CatchUp::None if times.last().is_none_or(|time| until.since(*time) >= LATE) => 0,
            CatchUp::None | CatchUp::Last => 1,
        };
        let missed: Vec<Timestamp> = times.drain(..times.len().saturating_sub(kept)).collect();
        if let Some(until) = missed.last().copied() {
            let count = whole.then(|| u64::try_from(missed.len()).unwrap_or(u64::MAX));
            let trigger = name;
            self.add(
                now,
                Fact::Missed {
                    trigger,
                    until,
                    count,
                },
                facts,
            );
        }
        for time in times {
            self.fire(index, Some(time), None, now, facts);
        }
    }

    /// A run, or that there is none.
    fn fire(
        &mut self,
        index: usize,
        scheduled: Option<Timestamp>,
        changed: Option<String>,
        now: Timestamp,
        facts: &mut Vec<Record>,
    ) {
        let trigger = &self.triggers[index].trigger;
        let overlap = trigger.overlap;
        let name = trigger.name.clone();
        let (task, values) = (trigger.run.clone(), trigger.values.clone());
        let of_it = |fire: &&Fire| fire.trigger == name;
        let open: Vec<u64> = self
            .state
            .open
            .values()
            .filter(of_it)
            .map(|fire| fire.fire)
            .collect();
        let why = match overlap {
            Overlap::Skip if !open.is_empty() => Some(Skip::Overlap),
            _ if open.len() >= QUEUE_MAX => Some(Skip::QueueFull),
            _ => None,
        };
        if let Some(why) = why {
            let scheduled = scheduled.unwrap_or(now);
            let trigger = name;
            return self.add(
                now,
                Fact::Skipped {
                    trigger,
                    scheduled,
                    why,
                },
                facts,
            );
        }
        if overlap == Overlap::Cancel {
            for fire in open {
                let begun = self.state.open.get(&fire).is_some_and(|fire| fire.begun);
                if !begun && !self.working.contains(&fire) {
                    let (end, error) = (End::Cancelled, None);
                    self.add(now, Fact::Ended { fire, end, error }, facts);
                }
            }
        }
        let run = self.new_id(now);
        let fire = Fire {
            fire: self.state.fires + 1,
            trigger: name,
            run,
            scheduled,
            fired_at: now,
            task,
            values,
            changed,
            beside_others: overlap == Overlap::Allow,
            begun: false,
        };
        self.add(now, Fact::Fired(Box::new(fire)), facts);
    }

    /// An id behind those of all open fires, so that ids sort as they fired; only that of no other one, when the clock was set back.
    fn new_id(&self, now: Timestamp) -> RunId {
        let ids = || self.state.open.values().map(|fire| &fire.run);
        let mut run = RunId::new(now);
        let soon = RunId::new(now.plus(Duration::from_secs(1)));
        if let Some(last) = ids().max().filter(|last| run <= **last && **last < soon) {
            run = last.next();
        }
        while ids().any(|one| *one == run) {
            run = run.next();
        }
        run
    }

    /// The triggers that start something.
    pub fn enabled(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers
            .iter()
            .map(|live| &live.trigger)
            .filter(|trigger| trigger.enabled)
    }

    /// How many there are, and how many of them are paused.
    pub fn enabled_and_paused(&self) -> (usize, usize) {
        let paused = |name: &str| {
            self.state
                .triggers
                .get(name)
                .is_some_and(|known| known.paused.is_some())
        };
        let paused = self
            .enabled()
            .filter(|trigger| paused(&trigger.name))
            .count();
        (self.enabled().count(), paused)
    }

    /// What watches files: their triggers' names, patterns and how long files must be quiet.
    pub fn watches(&self) -> impl Iterator<Item = (&Trigger, &[String], Duration)> {
        self.triggers
            .iter()
            .filter_map(|live| match &live.trigger.when {
                When::Watch { patterns, debounce } if live.trigger.enabled => {
                    Some((&live.trigger, &patterns[..], *debounce))
                }
                _ => None,
            })
    }
}
