//! A simulated world: processes, locks, people and the clock, and an engine that does in it what the state asks for.
//!
//! It keeps books of its own, from the actions and never from the state, so that it notices when the core breaks a promise.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use fastrand::Rng;
use flow::core::action::{Action, Signal, actions};
use flow::core::decide::{Answer, Input};
use flow::core::fact::{Decision, Exit, Fact, Outcome, Record, RunEnd, Why};
use flow::core::state::RunStage;
use flow::core::{RunState, legal, turn};
use flow::model::id::{NodeId, RunId};
use flow::model::plan::{Kind, LockName, On, OnFailure, Plan};
use flow::model::time::Timestamp;

use crate::books::{Books, place};

/// How unkind the world is.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    /// One in so many turns ends in a crash; zero for never.
    pub(crate) crash_one_in: u32,
    /// Whether somebody may cancel, and signals may come.
    pub(crate) stops: bool,
    /// Whether people may say no.
    pub(crate) rejections: bool,
}

/// What one run came to, for the statistics.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) facts: usize,
    pub(crate) crashes: usize,
    pub(crate) executions: usize,
    pub(crate) cancels: usize,
    pub(crate) interrupts: usize,
    pub(crate) kinds: BTreeSet<String>,
}

/// How the leaves and questions of a plan turn out: the same for the same place, whatever the order of things.
pub(crate) struct Fates {
    seed: u64,
    certain: bool,
}

impl Fates {
    pub(crate) fn new(seed: u64, certain: bool) -> Self {
        Self { seed, certain }
    }

    fn rng(&self, place: &str, salt: u64) -> Rng {
        let hash = place.bytes().fold(self.seed ^ salt, |hash, byte| {
            (hash ^ u64::from(byte))
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(17)
        });
        Rng::with_seed(hash)
    }

    /// How many executions fail before one succeeds.
    pub(crate) fn failures(&self, place: &str) -> u32 {
        match self.rng(place, 1).u8(0..10) {
            0..7 => 0,
            7 => 1,
            8 => 2,
            _ => 99,
        }
    }

    pub(crate) fn child(&self, place: &str) -> RunEnd {
        match self.rng(place, 2).u8(0..8) {
            0 => RunEnd::Failed,
            1 if !self.certain => RunEnd::Cancelled,
            _ => RunEnd::Completed,
        }
    }

    pub(crate) fn answer(&self, place: &str, kind: &Kind) -> Answer {
        let mut rng = self.rng(place, 3);
        match (rng.u8(0..10), kind) {
            (0, Kind::Group(_) | Kind::Work(_) | Kind::Loop { .. } | Kind::Choice { .. }) => {
                Answer::Skip("no".to_owned())
            }
            (1, _) => Answer::Fail("bad".to_owned()),
            (2, Kind::Group(_)) => Answer::UpToDate,
            (_, Kind::Loop { .. }) => {
                Answer::Items((0..rng.u32(0..=3)).map(|item| item.to_string()).collect())
            }
            (_, Kind::Choice { children }) => {
                Answer::Branch(rng.u32(0..u32::try_from(children.len()).expect("few")))
            }
            _ => Answer::Go,
        }
    }

    pub(crate) fn first_answer(&self, place: &str) -> Answer {
        match self.rng(place, 4).u8(0..3) {
            0 => Answer::Skip("not now".to_owned()),
            _ => Answer::Go,
        }
    }
}

/// Something that will happen in the world.
#[derive(Clone, Debug)]
enum Event {
    Exit { node: NodeId, attempt: u32 },
    Say(Input),
    Cancel,
    Change,
    Signal,
}

struct Process {
    /// Died without anybody to see it.
    silent: bool,
    exit: Exit,
    stopping: bool,
}

pub(crate) struct World<'a> {
    rng: &'a mut Rng,
    fates: &'a Fates,
    weather: Weather,
    slots: usize,
    plan: Arc<Plan>,
    pub(crate) state: RunState,
    pub(crate) log: Vec<Record>,
    now: Timestamp,
    events: BTreeMap<(Timestamp, u64), Event>,
    number: u64,
    processes: HashMap<(NodeId, u32), Process>,
    executed: BTreeSet<(NodeId, u32)>,
    /// What this engine has already been asked to do.
    doing: BTreeSet<(NodeId, u32)>,
    asked: BTreeSet<(&'static str, NodeId, u32)>,
    locks: HashMap<String, NodeId>,
    /// Nodes that have got their locks and will hear of it.
    granting: BTreeSet<NodeId>,
    /// The run is about to have the locks that it lacks.
    granting_run: bool,
    /// Executions that count, by address.
    counted: HashMap<String, u32>,
    cancelled: bool,
    signals: u32,
    books: Books,
    pub(crate) tally: Tally,
}

impl<'a> World<'a> {
    pub(crate) fn new(rng: &'a mut Rng, fates: &'a Fates, weather: Weather, plan: Plan) -> Self {
        let plan = Arc::new(plan);
        let slots = rng.usize(1..=4);
        let mut world = Self {
            rng,
            fates,
            weather,
            slots,
            state: RunState::new(Arc::clone(&plan)),
            books: Books::new(Arc::clone(&plan)),
            plan,
            log: Vec::new(),
            now: Timestamp::from_micros(1_000_000),
            events: BTreeMap::new(),
            number: 0,
            processes: HashMap::new(),
            executed: BTreeSet::new(),
            doing: BTreeSet::new(),
            asked: BTreeSet::new(),
            locks: HashMap::new(),
            granting: BTreeSet::new(),
            granting_run: false,
            counted: HashMap::new(),
            cancelled: false,
            signals: 0,
            tally: Tally::default(),
        };
        while weather.stops && world.rng.u8(0..4) == 0 {
            let at = world.rng.u64(0..6000);
            world.later(at, Event::Cancel);
        }
        while weather.stops && world.rng.u8(0..4) == 0 {
            let at = world.rng.u64(0..6000);
            world.later(at, Event::Change);
        }
        while weather.stops && world.rng.u8(0..3) == 0 {
            let at = world.rng.u64(0..6000);
            world.later(at, Event::Signal);
        }
        world
    }

    fn later(&mut self, micros: u64, event: Event) {
        self.number += 1;
        let at = self.now.plus(std::time::Duration::from_micros(micros));
        self.events.insert((at, self.number), event);
    }

    fn soon(&mut self, event: Event) {
        let micros = self.rng.u64(0..800);
        self.later(micros, event);
    }

    /// Runs until the run has ended, through crashes and pauses.
    pub(crate) fn run(&mut self) {
        let start = self.start();
        self.take(start);
        for _ in 0..20_000 {
            if let RunStage::Finished(end) = self.state.stage() {
                return self.check_end(end);
            }
            if self.state.is_quiet() {
                self.after_quiet();
                continue;
            }
            self.step();
        }
        panic!("the run does not end");
    }

    /// The engine left: the run is paused or was interrupted. Somebody takes it up again.
    fn after_quiet(&mut self) {
        assert!(
            self.processes.values().all(|process| process.silent),
            "something runs in a quiet run"
        );
        if self.state.stage() == RunStage::Paused {
            let gates: Vec<NodeId> = actions(&self.state).iter().filter_map(gate).collect();
            assert!(!gates.is_empty(), "a run is paused without a gate");
            let node = gates[self.rng.usize(0..gates.len())];
            let input = self.decision(node);
            return self.take(vec![input]);
        }
        self.resume();
    }

    fn step(&mut self) {
        let next_event = self.events.keys().next().copied();
        let next_timer = self.state.next_timer();
        let inputs = match (next_event, next_timer) {
            (Some(key), timer) if timer.is_none_or(|timer| key.0 <= timer) => {
                self.now = self.now.max(key.0);
                let event = self.events.remove(&key).expect("it was just seen");
                self.happen(event)
            }
            (_, Some(timer)) => {
                self.now = self.now.max(timer);
                vec![Input::Tick]
            }
            _ if self.someone_can_decide() => {
                let gates: Vec<NodeId> = actions(&self.state).iter().filter_map(gate).collect();
                let node = gates[self.rng.usize(0..gates.len())];
                vec![self.decision(node)]
            }
            _ => panic!("the run is stuck: {:?}", self.state.stage()),
        };
        self.take(inputs);
    }

    fn someone_can_decide(&self) -> bool {
        actions(&self.state)
            .iter()
            .any(|action| gate(action).is_some())
    }

    fn happen(&mut self, event: Event) -> Vec<Input> {
        match event {
            Event::Say(input) => {
                match input {
                    Input::Locked { node, .. } => {
                        self.granting.remove(&node);
                    }
                    Input::RunLocked { .. } => self.retake_locks(),
                    // One that came when it could not begin is named again when it can.
                    Input::ChildNamed { node, .. } => {
                        let round = self.state.node(node).round;
                        self.asked.remove(&("name", node, round));
                    }
                    _ => {}
                }
                vec![input]
            }
            Event::Cancel => {
                self.tally.cancels += 1;
                vec![Input::Cancel {
                    by: None,
                    reason: None,
                }]
            }
            Event::Change => {
                let tasks: Vec<NodeId> = self.plan.tasks().map(|(id, _)| id).collect();
                let count = self.rng.usize(0..3);
                let some = (0..count).map(|_| tasks[self.rng.usize(0..tasks.len())]);
                vec![Input::Outdated {
                    tasks: some.collect(),
                    what: "a file has changed".to_owned(),
                }]
            }
            Event::Signal => {
                self.signals += 1;
                self.tally.interrupts += 1;
                vec![Input::Interrupt { signal: 2 }]
            }
            Event::Exit { node, attempt } => match self.processes.get(&(node, attempt)) {
                Some(process) if process.silent => Vec::new(),
                Some(process) => {
                    let exit = process.exit.clone();
                    self.processes.remove(&(node, attempt));
                    vec![
                        begun(node, attempt),
                        Input::Exited {
                            node,
                            attempt,
                            exit,
                        },
                    ]
                }
                // The answer of a process that a dead engine had started.
                None => vec![
                    begun(node, attempt),
                    Input::Exited {
                        node,
                        attempt,
                        exit: Exit::code(0),
                    },
                ],
            },
        }
    }

    /// One turn: facts, then the log, then the acts. It may crash after any fact is written.
    fn take(&mut self, inputs: Vec<Input>) {
        let before = self.state.clone();
        let records = turn(&mut self.state, inputs, self.slots, self.now);
        let crash =
            self.weather.crash_one_in > 0 && self.rng.u32(0..self.weather.crash_one_in) == 0;
        let written = if crash {
            self.rng.usize(0..=records.len())
        } else {
            records.len()
        };
        self.check_turn(before, &records[..written]);
        self.log.extend_from_slice(&records[..written]);
        if crash {
            self.crash();
        } else {
            self.check_through();
            self.act();
        }
    }

    /// Nothing more follows for one who knows the facts alone: the core has not forgotten to look at something.
    fn check_through(&self) {
        let mut folded = RunState::fold(Arc::clone(&self.plan), &self.log);
        // A time that is over as soon as something has begun, such as a timeout of nothing, is over in the next turn.
        let over = folded.next_timer() == Some(self.now);
        let now = Timestamp::from_micros(self.now.as_micros() - i64::from(over));
        let more = turn(&mut folded, Vec::new(), self.slots, now);
        assert!(
            more.is_empty(),
            "it was not seen that this follows: {more:?}"
        );
    }

    fn crash(&mut self) {
        self.tally.crashes += 1;
        self.state = RunState::fold(Arc::clone(&self.plan), &self.log);
        for process in self.processes.values_mut() {
            process.silent |= self.rng.bool();
        }
        match self.state.stage() {
            RunStage::Pending => {
                self.log.clear();
                self.books = Books::new(Arc::clone(&self.plan));
                self.state = RunState::new(Arc::clone(&self.plan));
                let start = self.start();
                self.take(start);
            }
            RunStage::Finished(_) => self.locks.clear(),
            RunStage::Running | RunStage::Paused => self.resume(),
        }
    }

    /// A run begins, of which some tasks may be known to have nothing to do.
    fn start(&mut self) -> Vec<Input> {
        let start = Input::Start {
            run: RunId::parse("0000000000").expect("an id"),
            plan: "hash".to_owned(),
            parent: None,
            retry_of: None,
            trigger: None,
            given: std::collections::BTreeMap::new(),
        };
        if !self.fates.certain && self.rng.u8(0..3) == 0 {
            let tasks: Vec<NodeId> = self.plan.tasks().map(|(id, _)| id).collect();
            let nodes = tasks.into_iter().filter(|_| self.rng.bool()).collect();
            return vec![start, Input::UpToDate { nodes }];
        }
        vec![start]
    }

    /// Another engine takes the run up: what it finds running it ends, and says so.
    fn resume(&mut self) {
        self.asked.clear();
        self.doing.clear();
        self.locks.clear();
        self.granting.clear();
        self.granting_run = false;
        if self.weather.stops && self.signals > 0 {
            self.signals = 0;
        }
        let late = self.number.is_multiple_of(3);
        self.events.retain(|_, event| match event {
            Event::Say(Input::Locked { .. } | Input::RunLocked { .. }) => false,
            Event::Say(_) => late,
            _ => true,
        });
        let running: Vec<(NodeId, u32)> = self
            .state
            .running()
            .map(|node| (node, self.state.node(node).attempt))
            .collect();
        let mut inputs = vec![Input::Resume];
        self.processes.clear();
        inputs.extend(
            running
                .into_iter()
                .map(|(node, attempt)| Input::Lost { node, attempt }),
        );
        self.take(inputs);
    }

    /// What the run lacks: nobody else has taken any of it, so what it held it can have again.
    fn retake_locks(&mut self) {
        self.granting_run = false;
        if !self.state.lacks_locks() {
            return;
        }
        for index in 0..self.state.node_count() {
            let node = NodeId::at(index);
            if self.state.node(node).locked {
                for name in lock_names(&self.state, node) {
                    let before = self.locks.insert(name, node);
                    let free = before.is_none_or(|before| before == node);
                    assert!(free, "a lock is held twice by {node}");
                }
            }
        }
    }

    fn act(&mut self) {
        let held: Vec<NodeId> = self.locks.values().copied().collect();
        for node in held {
            if !self.state.node(node).locked && !self.granting.contains(&node) {
                self.locks.retain(|_, holder| *holder != node);
            }
        }
        let list = actions(&self.state);
        let running = list
            .iter()
            .filter(|action| matches!(action, Action::Run { .. } | Action::Stop { .. }))
            .count();
        assert!(
            running <= self.slots,
            "{running} processes in {} slots",
            self.slots
        );
        for action in list {
            self.books.check_action(&self.state, &action);
            self.do_action(action);
        }
    }

    fn do_action(&mut self, action: Action) {
        match action {
            Action::Run { node, attempt } => self.start_process(node, attempt),
            Action::Stop {
                node,
                attempt,
                signal,
            } => self.stop_process(node, attempt, signal),
            Action::Ask { node, round } if self.asked.insert(("ask", node, round)) => {
                let answer = self.answer(node);
                self.soon(Event::Say(Input::Answered {
                    node,
                    round,
                    answer,
                }));
            }
            Action::Lock { node, round } => self.lock(node, round),
            Action::LockRun if !std::mem::replace(&mut self.granting_run, true) => {
                self.soon(Event::Say(Input::RunLocked { names: Vec::new() }));
            }
            Action::Approve { node } if self.rng.u8(0..3) == 0 => {
                let input = self.decision(node);
                self.soon(Event::Say(input));
            }
            Action::NameChild { node }
                if self
                    .asked
                    .insert(("name", node, self.state.node(node).round)) =>
            {
                let run =
                    RunId::parse("child").unwrap_or_else(|| RunId::parse("c").expect("an id"));
                self.soon(Event::Say(Input::ChildNamed { node, run }));
            }
            Action::FollowChild { node, stop } => {
                let what = if stop { "stop" } else { "follow" };
                if self.asked.insert((what, node, self.state.node(node).round)) {
                    let status = if stop {
                        RunEnd::Cancelled
                    } else {
                        self.fates.child(&self.place(node))
                    };
                    self.soon(Event::Say(Input::ChildEnded { node, status }));
                }
            }
            _ => {}
        }
    }

    fn place(&self, node: NodeId) -> String {
        place(&self.state, node)
    }

    fn answer(&self, node: NodeId) -> Answer {
        let early = self
            .plan
            .node(node_spec(&self.state, node))
            .task
            .as_ref()
            .is_some_and(|task| task.ask_first);
        let place = self.place(node);
        if early && self.state.node(node).round == 1 {
            self.fates.first_answer(&place)
        } else {
            self.fates.answer(&place, &self.state.spec(node).kind)
        }
    }

    fn decision(&mut self, node: NodeId) -> Input {
        let by = ["ann", "bob", "cleo"][self.rng.usize(0..3)].to_owned();
        let approve = !self.weather.rejections || self.rng.u8(0..4) > 0;
        Input::Decided { node, approve, by }
    }

    fn lock(&mut self, node: NodeId, round: u32) {
        let names = lock_names(&self.state, node);
        if self.granting.contains(&node) || names.iter().any(|name| self.locks.contains_key(name)) {
            return;
        }
        for name in names {
            self.locks.insert(name, node);
        }
        self.granting.insert(node);
        let names = Vec::new();
        self.soon(Event::Say(Input::Locked { node, round, names }));
    }

    fn start_process(&mut self, node: NodeId, attempt: u32) {
        if !self.doing.insert((node, attempt)) {
            return;
        }
        assert!(
            !self.stop_asked(node),
            "something starts after it was told to stop"
        );
        self.tally.executions += 1;
        self.executed.insert((node, attempt));
        let place = self.place(node);
        let counted = self.counted.entry(place.clone()).or_default();
        *counted += 1;
        let fails = *counted <= self.fates.failures(&place);
        let code = if fails {
            [1, 2, 3][(*counted % 3) as usize]
        } else {
            0
        };
        let process = Process {
            silent: false,
            exit: Exit::code(code),
            stopping: false,
        };
        let twice = self.processes.keys().any(|(other, _)| *other == node);
        assert!(!twice, "a node runs twice at the same time");
        self.processes.insert((node, attempt), process);
        self.soon(Event::Exit { node, attempt });
    }

    fn stop_process(&mut self, node: NodeId, attempt: u32, signal: Signal) {
        let kill = signal == Signal::Kill;
        let obeys = kill || self.rng.u8(0..3) > 0;
        let Some(process) = self.processes.get_mut(&(node, attempt)) else {
            return;
        };
        if process.stopping && !kill || !obeys {
            return;
        }
        process.stopping = true;
        process.exit = Exit {
            signal: Some(15),
            ..Exit::default()
        };
        let place = self.place(node);
        self.uncount(&place);
        self.later(1, Event::Exit { node, attempt });
    }

    fn uncount(&mut self, place: &str) {
        if let Some(counted) = self.counted.get_mut(place) {
            *counted = counted.saturating_sub(1);
        }
    }

    /// Whether the run was cancelled and this is not a handler's work.
    fn stop_asked(&self, node: NodeId) -> bool {
        let address = self.place(node);
        let handler = ["finally", "on_failure", "on_success"]
            .iter()
            .any(|name| address.contains(name));
        self.cancelled && !handler
    }

    fn check_turn(&mut self, before: RunState, records: &[Record]) {
        let mut state = before;
        for record in records {
            assert_eq!(
                record.seq,
                state.seq() + 1,
                "facts are numbered without gaps"
            );
            assert_eq!(
                legal::check(&state, &record.fact),
                Ok(()),
                "illegal: {:?}",
                record.fact
            );
            state.apply(record);
            self.books.note(&state, record);
            self.account(&record.fact);
        }
        if records.len() as u64 + 1 > 0 && state.seq() == self.state.seq() {
            assert!(state == self.state, "the fold differs from the live state");
        }
    }

    fn account(&mut self, fact: &Fact) {
        self.tally.facts += 1;
        let kind = format!("{fact:?}");
        self.tally
            .kinds
            .insert(kind.split([' ', '{']).next().unwrap_or_default().to_owned());
        if let Fact::AttemptFinished {
            node,
            attempt,
            outcome: Outcome::Lost,
            ..
        } = fact
            && self.executed.remove(&(*node, *attempt))
        {
            let place = self.place(*node);
            self.uncount(&place);
        }
        if matches!(fact, Fact::CancelRequested { node: None, why, .. } if !matches!(why, Why::Signal(_) | Why::Outdated))
        {
            self.cancelled = true;
        }
        if let Fact::GateDecided {
            decision: Decision::Closed,
            node,
            ..
        } = fact
        {
            assert!(
                self.state.node(*node).outcome() != Some(Outcome::Succeeded),
                "a closed gate was passed"
            );
        }
    }

    fn check_end(&mut self, end: RunEnd) {
        let folded = RunState::fold(Arc::clone(&self.plan), &self.log);
        assert!(
            folded == self.state,
            "the fold of the whole log differs from the live state"
        );
        assert!(
            actions(&self.state).is_empty(),
            "a finished run wants something"
        );
        self.granting.clear();
        self.act();
        assert!(self.locks.is_empty(), "a finished run holds locks");
        let failed = self.plan.tasks().any(|(id, _)| {
            let outcome = self.state.node(id).outcome();
            outcome.is_some_and(Outcome::is_failure) && !self.state.rules(id).ignore_error
        });
        match end {
            RunEnd::Completed => assert!(!failed, "a run with a failed task is completed"),
            RunEnd::Failed => assert!(
                failed || self.cancelled && self.plan.timeout_micros.is_some(),
                "a run failed without a failed task"
            ),
            RunEnd::Cancelled => {
                let ended = self.cancelled || self.state.is_outdated();
                assert!(ended, "a run is cancelled that nobody cancelled")
            }
        }
        let good = |id: &NodeId| {
            let outcome = self.state.node(*id).outcome();
            outcome.is_some_and(|outcome| {
                outcome.is_ok() || outcome.is_failure() && self.state.rules(*id).ignore_error
            })
        };
        assert!(
            end != RunEnd::Completed || self.plan.asked.iter().all(good),
            "a completed run lacks something that was asked for"
        );
        self.check_tidied();
        self.check_order();
        self.check_after();
        self.check_all_ran();
    }

    /// Of what was asked for nothing is left out that a failure does not hold back: what waits for it is not.
    fn check_all_ran(&self) {
        let failed = |id: NodeId| {
            let outcome = self.state.node(id).outcome();
            outcome.is_some_and(|outcome| {
                !(outcome.is_ok() || outcome.is_failure() && self.state.rules(id).ignore_error)
            })
        };
        for id in self.plan.asked.iter().filter(|_| !self.books.is_stopped()) {
            let task = self.plan.node(*id).task.as_ref().expect("a task");
            let mut needs = task.needs.iter();
            let waits = needs.any(|need| need.on != On::Success && failed(need.task));
            let due = waits && !task.ask_first || self.plan.on_failure == OnFailure::KeepGoing;
            assert!(
                !due || self.state.node(*id).outcome().is_some(),
                "a task was left out"
            );
        }
    }

    /// Of every node that worked and has ended, `finally` has run, unless it was killed.
    fn check_tidied(&self) {
        let killed = self
            .log
            .iter()
            .any(|record| matches!(record.fact, Fact::CancelRequested { now: true, .. }));
        for index in 0..self.state.node_count() {
            let id = NodeId::at(index);
            let node = self.state.node(id);
            let Some(finally) = self.state.rules(id).handlers.finally else {
                continue;
            };
            let finally = NodeId(finally.0 + (id.0 - node.spec.0));
            let begun_alone = node.outcome() == Some(Outcome::Cancelled) && node.attempt == 0;
            if node.worked && node.outcome().is_some() && !killed && !begun_alone {
                let tidied = self.state.node(finally).outcome().is_some();
                assert!(tidied, "{} did not tidy up", self.place(id));
            }
        }
    }

    /// Read from the log alone: no work of a task lies before the end of what the task needs.
    fn check_order(&self) {
        let mut ended = BTreeSet::new();
        for record in &self.log {
            match &record.fact {
                Fact::AttemptStarted { node, .. } => {
                    let task = self.task_of(*node);
                    let needs = &self.plan.node(task).task.as_ref().expect("a task").needs;
                    assert!(
                        needs.iter().all(|need| ended.contains(&need.task)),
                        "a task started before its needs ended"
                    );
                    assert!(!ended.contains(&task), "a task works after its end");
                }
                Fact::TaskFinished { node, .. } | Fact::TaskSkipped { node, .. } => {
                    _ = ended.insert(*node)
                }
                Fact::TaskUpToDate { nodes, .. } | Fact::TaskBlocked { nodes, .. } => {
                    ended.extend(nodes)
                }
                _ => {}
            }
        }
    }

    /// Read from the log alone: no task begins before one that it comes after and that is still to do something. After a failure
    /// the others may be held back, and what waits for it goes on without them.
    fn check_after(&self) {
        let mut last = HashMap::new();
        let mut skips = false;
        let mut first = BTreeMap::new();
        let mut held_back = u64::MAX;
        for record in &self.log {
            let seq = record.seq;
            skips |= matches!(record.fact, Fact::TaskUpToDate { .. });
            if let Some(node) = record.fact.node() {
                let task = self.task_of(node);
                last.insert(task, seq);
                skips |= matches!(record.fact, Fact::TaskSkipped { .. });
                if let Fact::AttemptStarted { .. } | Fact::ChildStarted { .. } = record.fact {
                    first.entry(task).or_insert(seq);
                }
            }
            let fails = match &record.fact {
                Fact::TaskFinished { node, outcome, .. } => {
                    let task = self.state.spec(*node).task.is_some();
                    task && outcome.is_failure() && self.plan.on_failure != OnFailure::KeepGoing
                }
                Fact::CancelRequested { why, .. } => *why == Why::Outdated,
                _ => false,
            };
            held_back = if fails { held_back.min(seq) } else { held_back };
        }
        // One that was blocked has done nothing, whatever it was asked before.
        for record in &self.log {
            if let Fact::TaskBlocked { nodes, .. } = &record.fact {
                last.retain(|task, _| !nodes.contains(task));
            }
        }
        // What is skipped in one turn may hand on to a later one what it needs.
        // One that is skipped or up to date at once asks for nothing of what it needs, which then runs when a later one asks for it.
        let hands_on = self.plan.tasks().any(|(_, task)| task.hands_on);
        let late = self.plan.in_order && (hands_on || skips);
        let turns = self.turns();
        for (task, begun) in first
            .into_iter()
            .filter(|(_, seq)| *seq < held_back && !late)
        {
            let after = &self.plan.node(task).task.as_ref().expect("a task").after;
            for before in after {
                let works = last.get(before).is_some_and(|seq| *seq > begun);
                assert!(!works, "a task began before one that it comes after");
            }
            let turn = turns.iter().position(|turn| turn.contains(&task));
            for before in turns[..turn.unwrap_or(0)].iter().flatten() {
                let works = last.get(before).is_some_and(|seq| *seq > begun);
                assert!(!works, "a task began before its turn");
            }
        }
    }

    /// What each task asked for needs that none before it does, where they run one after another. Where something comes after
    /// what a later one needs, they don't.
    fn turns(&self) -> Vec<BTreeSet<NodeId>> {
        let mut turns: Vec<BTreeSet<NodeId>> = Vec::new();
        if !self.plan.in_order {
            return turns;
        }
        let of = |id: NodeId| self.plan.node(id).task.as_ref().expect("a task");
        for asked in &self.plan.asked {
            let (mut turn, mut left) = (BTreeSet::new(), vec![*asked]);
            while let Some(id) = left.pop() {
                if !turns.iter().any(|before| before.contains(&id)) && turn.insert(id) {
                    left.extend(of(id).needs.iter().map(|need| need.task));
                }
            }
            turns.push(turn);
        }
        let number = |id: NodeId| turns.iter().position(|turn| turn.contains(&id));
        let against = |id: NodeId| {
            of(id)
                .after
                .iter()
                .any(|before| number(*before) > number(id))
        };
        match turns.iter().flatten().any(|id| against(*id)) {
            true => Vec::new(),
            false => turns,
        }
    }

    fn task_of(&self, node: NodeId) -> NodeId {
        let name = self.state.address(node).task;
        let found = self.plan.tasks().find(|(_, task)| task.name == name);
        found.expect("every node belongs to a task").0
    }

    fn story(&self) -> String {
        let line = |record: &Record| format!("{} {:?}\n", record.seq, record.fact);
        let nodes = (0..self.state.node_count()).map(|index| {
            let id = NodeId::at(index);
            let node = self.state.node(id);
            if node.stage == flow::core::state::Stage::Idle {
                return String::new();
            }
            let (kind, rules) = (&self.state.spec(id).kind, &self.state.spec(id).rules);
            format!(
                "{index} {} {:?} {:?} begun {} {kind:?} {rules:?}\n",
                self.place(id),
                node.stage,
                node.stop,
                node.begun
            )
        });
        let tasks = self.plan.tasks().map(|(id, task)| {
            let (needs, after) = (&task.needs, &task.after);
            format!("{id:?} {} {needs:?} after {after:?}\n", task.name)
        });
        let nodes: String = tasks.chain(nodes).collect();
        self.log.iter().map(line).collect::<String>() + &nodes
    }
}

/// A failing run tells its story.
impl Drop for World<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.story());
        }
    }
}

fn node_spec(state: &RunState, node: NodeId) -> NodeId {
    state.node(node).spec
}

fn lock_names(state: &RunState, node: NodeId) -> Vec<String> {
    let locks = state.rules(node).locks.as_ref();
    locks
        .map(|locks| {
            let name = |lock: &LockName| lock.text.text.to_string();
            locks.names.iter().map(name).collect()
        })
        .unwrap_or_default()
}

fn gate(action: &Action) -> Option<NodeId> {
    match action {
        Action::Approve { node } => Some(*node),
        _ => None,
    }
}

/// A process of this try is there.
fn begun(node: NodeId, attempt: u32) -> Input {
    let process = flow::core::fact::Process {
        pid: 4_711,
        session: 4_000,
        flow: 4_000,
        alive_ms: 1,
        boot: String::new(),
    };
    Input::Begun {
        of: Some((node, attempt)),
        process,
    }
}
