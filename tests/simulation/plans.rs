//! Random plans: every kind of node, every rule, small enough that thousands of runs fit in a second.

use std::path::PathBuf;

use fastrand::Rng;
use flow::model::id::NodeId;
use flow::model::language::{Place, Text};
use flow::model::plan::{
    Context, Gate, Given, Group, Handlers, Kind, LockName, Locks, Need, Node, On, OnFailure,
    OnLost, OnReject, Plan, Retry, Rules, Surroundings, Task, WaitFor, Work,
};

/// What a plan may contain.
#[derive(Clone, Copy)]
pub(crate) struct Taste {
    /// Only what has one right outcome, whatever the order of things: no races, timeouts or rejections.
    pub(crate) certain: bool,
}

const NOWHERE: Place = Place {
    file: 0,
    line: 1,
    column: 1,
};

pub(crate) fn random(rng: &mut Rng, taste: Taste) -> Plan {
    let mut maker = Maker {
        rng,
        taste,
        nodes: Vec::new(),
    };
    let count = maker.rng.usize(1..=8);
    let mut tasks = Vec::new();
    for number in 0..count {
        let needs = maker.needs(&tasks);
        let after = maker.after(&tasks);
        let id = maker.composite(None, 2);
        let ask_first = !needs.is_empty() && maker.one_in(6);
        let node = &mut maker.nodes[id.index()];
        node.task = Some(Box::new(Task {
            name: format!("t{number}"),
            identity: String::new(),
            place: NOWHERE,
            internal: false,
            hands_on: ask_first && maker.rng.u8(0..3) > 0,
            needs,
            after,
            ask_first,
            elsewhere: None,
            first: None,
            left_out: Vec::new(),
        }));
        // Some only stand for what they need.
        if maker.one_in(6) {
            maker.nodes.truncate(id.index() + 1);
            let node = &mut maker.nodes[id.index()];
            node.kind = Kind::Group(Group::sequence(Vec::new()));
            node.rules = None;
        }
        tasks.push(id);
    }
    let asked = tasks
        .iter()
        .copied()
        .filter(|_| maker.rng.bool())
        .collect::<Vec<_>>();
    let asked = if asked.is_empty() {
        vec![tasks[count - 1]]
    } else {
        asked
    };
    let on_failure = match maker.rng.u8(0..6) {
        _ if taste.certain => OnFailure::KeepGoing,
        0 | 1 => OnFailure::KeepGoing,
        2 => OnFailure::Stop,
        _ => OnFailure::Finish,
    };
    let late = !taste.certain && maker.one_in(8);
    let timeout_micros = late.then(|| maker.rng.u64(0..20_000));
    let contexts = vec![Context {
        dir: PathBuf::from("/"),
        env: Vec::new(),
        scope: None,
    }];
    let locks = maker.one_in(5).then(|| Locks {
        names: vec![lock("of the run")],
        wait_micros: None,
    });
    Plan {
        project: flow::model::plan::Project::default(),
        locks,
        given: Given::default(),
        up_to_date: 0,
        durable: false,
        confirms: Vec::new(),
        timeout_micros,
        results: Vec::new(),
        file: PathBuf::from("/Workflowfile.yml"),
        asked,
        in_order: maker.rng.bool(),
        on_failure,
        contexts,
        scopes: Vec::new(),
        surroundings: Surroundings::default(),
        nodes: maker.nodes,
    }
}

fn lock(name: &str) -> LockName {
    LockName {
        text: Text::plain(name, Place::default()),
        slots: 1,
        scope: None,
    }
}

struct Maker<'a> {
    rng: &'a mut Rng,
    taste: Taste,
    nodes: Vec<Node>,
}

impl Maker<'_> {
    fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(0..n) == 0
    }

    /// All of one kind: a task that waits for a success and for a failure may be blocked or skipped, whichever is first.
    fn needs(&mut self, tasks: &[NodeId]) -> Vec<Need> {
        let on = match self.rng.u8(0..8) {
            0 => On::Failure,
            1 => On::Done,
            _ => On::Success,
        };
        let mixed = !self.taste.certain && self.one_in(4);
        let mut needs = Vec::new();
        for task in tasks {
            if self.one_in(3) {
                let other = [On::Success, On::Failure, On::Done][self.rng.usize(0..3)];
                needs.push(Need {
                    task: *task,
                    on: if mixed { other } else { on },
                });
            }
        }
        needs
    }

    /// Order only, beside what it needs.
    fn after(&mut self, tasks: &[NodeId]) -> Vec<NodeId> {
        if !self.one_in(3) {
            return Vec::new();
        }
        let all = tasks.iter().copied();
        all.filter(|_| self.rng.bool()).collect()
    }

    fn add(&mut self, parent: Option<NodeId>, kind: Kind) -> NodeId {
        self.nodes.push(Node::plain(parent, kind));
        NodeId::at(self.nodes.len() - 1)
    }

    fn node(&mut self, parent: NodeId, depth: u32) -> NodeId {
        if depth > 0 && self.one_in(3) {
            self.composite(Some(parent), depth - 1)
        } else {
            self.leaf(parent)
        }
    }

    fn leaf(&mut self, parent: NodeId) -> NodeId {
        let command = Work::Shell {
            shell: None,
            command: String::new(),
            reads: flow::model::language::Reads::default(),
            context: 0,
            place: NOWHERE,
        };
        let kind = match self.rng.u8(0..12) {
            0 => Kind::Wait {
                micros: self.rng.u64(0..2000),
            },
            1 => Kind::Check,
            2 => Kind::Child,
            _ => Kind::Work(command),
        };
        let works = matches!(kind, Kind::Work(_));
        let id = self.add(Some(parent), kind);
        let mut rules = Rules {
            ignore_error: self.one_in(8),
            ..Rules::default()
        };
        rules.ask = self.one_in(8);
        if works {
            rules.retry = self.retry();
            rules.timeout_micros = self.timeout();
            rules.interactive = self.one_in(8);
            let certain = self.taste.certain;
            rules.on_lost = match self.rng.u8(0..4) {
                0 if !certain => OnLost::Fail,
                1 if !certain => OnLost::Ask,
                _ => OnLost::Retry,
            };
        }
        self.give(id, rules);
        id
    }

    fn retry(&mut self) -> Retry {
        let attempts = if self.one_in(3) {
            self.rng.u32(2..=3)
        } else {
            1
        };
        let on_exit_codes = if !self.taste.certain && self.one_in(4) {
            vec![1, 3]
        } else {
            Vec::new()
        };
        Retry {
            attempts,
            delay_micros: self.rng.u64(0..500),
            jitter_micros: if self.rng.bool() {
                0
            } else {
                self.rng.u64(0..300)
            },
            factor_permille: 2000,
            on_exit_codes,
            ..Retry::default()
        }
    }

    fn timeout(&mut self) -> Option<u64> {
        let timed = !self.taste.certain && self.one_in(5);
        // Also one that is over before anything has begun.
        timed.then(|| match self.one_in(4) {
            true => self.rng.u64(0..2),
            false => self.rng.u64(1..1500),
        })
    }

    fn group(&mut self) -> Group {
        let wait_for = match self.rng.u8(0..6) {
            0 if !self.taste.certain => WaitFor::Any,
            1 if !self.taste.certain => WaitFor::First,
            _ => WaitFor::All,
        };
        let parallel_max = match self.rng.u32(0..4) {
            0 => None,
            1 => Some(2),
            _ => Some(1),
        };
        let in_order = parallel_max == Some(1);
        let stop_on_failure = if self.taste.certain && !in_order {
            false
        } else {
            self.rng.bool()
        };
        Group {
            children: Vec::new(),
            parallel_max,
            wait_for,
            stop_on_failure,
        }
    }

    fn composite(&mut self, parent: Option<NodeId>, depth: u32) -> NodeId {
        let id = self.add(parent, Kind::Check);
        let mut rules = Rules {
            ignore_error: self.one_in(10),
            ask: self.one_in(8),
            ..Rules::default()
        };
        let kind = match self.rng.u8(0..6) {
            0 => {
                rules.ask = true;
                let count = self.rng.usize(1..=3);
                Kind::Choice {
                    children: self.children(id, count, depth),
                }
            }
            1 => {
                rules.ask = true;
                let group = self.group();
                Kind::Loop {
                    body: self.node(id, depth),
                    group,
                }
            }
            _ => {
                let mut group = self.group();
                let count = self.rng.usize(0..=3);
                group.children = self.children(id, count, depth);
                Kind::Group(group)
            }
        };
        rules.handlers = self.handlers(id);
        rules.retry = if self.one_in(3) {
            self.retry()
        } else {
            Retry::default()
        };
        rules.timeout_micros = self.timeout();
        if self.one_in(6) {
            rules.gate = Some(self.gate());
        }
        if parent.is_none() && self.one_in(4) {
            rules.locks = Some(self.locks());
        }
        self.nodes[id.index()].kind = kind;
        self.give(id, rules);
        id
    }

    fn children(&mut self, parent: NodeId, count: usize, depth: u32) -> Vec<NodeId> {
        let mut children = Vec::new();
        for step in 0..count {
            let child = self.node(parent, depth);
            self.nodes[child.index()].step = u32::try_from(step).expect("few children") + 1;
            children.push(child);
        }
        children
    }

    fn handlers(&mut self, parent: NodeId) -> Handlers {
        let mut handlers = Handlers::default();
        if self.one_in(5) {
            handlers.on_success = Some(self.node(parent, 0));
        }
        if self.one_in(5) {
            handlers.on_failure = Some(self.node(parent, 1));
        }
        if self.one_in(4) {
            handlers.finally = Some(self.node(parent, 1));
        }
        handlers
    }

    fn gate(&mut self) -> Gate {
        let timeout_micros = (!self.taste.certain && self.one_in(3)).then(|| self.rng.u64(0..2000));
        let on_reject = [OnReject::Cancel, OnReject::Fail, OnReject::Skip][self.rng.usize(0..3)];
        Gate {
            count: self.rng.u32(1..=2),
            timeout_micros,
            timeout_approves: self.rng.bool(),
            on_reject,
        }
    }

    fn locks(&mut self) -> Locks {
        let names = ["a", "b", "c"]
            .into_iter()
            .filter(|_| self.rng.bool())
            .map(lock)
            .collect();
        let wait_micros = (!self.taste.certain && self.one_in(3)).then(|| self.rng.u64(0..1500));
        Locks { names, wait_micros }
    }

    fn give(&mut self, id: NodeId, rules: Rules) {
        if rules != Rules::default() {
            self.nodes[id.index()].rules = Some(Box::new(rules));
        }
    }
}
