//! The plain reporter: commands as they start, output as its mode has it, failures with all that one needs to know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::failure::{Evaluated, Failure};
use super::level::Level;
use super::screen::Screen;
use super::style::{visible, visible_lines};
use super::summary::{all_up_to_date, empty_loops, nothing_to_do, summary};
use super::{Mode, Output, Settings, Source};
use crate::core::RunState;
use crate::core::fact::{Exit, Fact, Outcome, Why};
use crate::core::observer::{Observer, Seen, Signal, Stream};
use crate::core::state::RunStage;
use crate::model::id::NodeId;
use crate::model::listed::listed;
use crate::model::plan::Kind;
use crate::model::time::human_fine;

/// The plain reporter.
pub struct Lines {
    settings: Settings,
    screen: Screen,
    output: Box<dyn Output>,
    several: bool,
    failures: Vec<Failure>,
    /// The commands under way that were evaluated.
    evaluated: BTreeMap<NodeId, Evaluated>,
    /// Which try comes next, of what is tried again.
    next_try: BTreeMap<NodeId, u32>,
    /// The command that has the terminal to itself.
    at_terminal: Option<NodeId>,
    /// The tasks of which anything was restored from the cache.
    restored: BTreeSet<NodeId>,
    /// The labels that were shown, each with its task or item.
    labels: BTreeSet<(NodeId, String)>,
}

impl Lines {
    /// Whether something of this level is said.
    fn says(&self, level: Level) -> bool {
        self.settings.level.says(level)
    }

    /// A reporter that shows output in this way.
    pub fn new(settings: Settings, screen: Screen, output: Box<dyn Output>, several: bool) -> Self {
        debug_assert!(
            settings.mode != Mode::Json,
            "facts have a reporter of their own"
        );
        Self {
            settings,
            screen,
            output,
            several,
            failures: Vec::new(),
            evaluated: BTreeMap::new(),
            next_try: BTreeMap::new(),
            at_terminal: None,
            restored: BTreeSet::new(),
            labels: BTreeSet::new(),
        }
    }

    fn started(&mut self, state: &RunState, node: NodeId) {
        let Kind::Work(work) = &state.spec(node).kind else {
            return;
        };
        if state.rules(node).interactive {
            // What there is to be seen of its task comes before it, and what others say after it.
            self.output
                .make_room(&mut self.screen, &source(state, node));
            self.at_terminal = Some(node);
            self.screen.hold();
        }
        // What is evaluated is told when it is.
        let labelled = state.rules(node).label.is_some();
        if !labelled
            && state.plan().contexts[work.context() as usize]
                .scope
                .is_none()
        {
            self.show_command(state, node, &work.written());
        }
    }

    fn show_command(&mut self, state: &RunState, node: NodeId, command: &str) {
        self.show_start(state, node, &shortened(command));
    }

    /// A label in the place of a command; that of a task with several commands is shown once.
    fn show_label(&mut self, state: &RunState, node: NodeId, label: &str) {
        let of = state.source_of(node).0;
        let words = visible(label.trim()).into_owned();
        if self.labels.insert((of, words.clone())) {
            self.show_start(state, node, &words);
        }
    }

    fn show_start(&mut self, state: &RunState, node: NodeId, words: &str) {
        if !self.says(Level::Info) || state.rules(node).silent {
            return;
        }
        let words = self.settings.style.dim(words).into_owned();
        let from = source(state, node);
        if self.at_terminal == Some(node) {
            let name = if self.several {
                format!("[{}] ", from.name)
            } else {
                String::new()
            };
            let line = format!("{name}{words}\n");
            self.screen.write_through(Stream::Stderr, line.as_bytes());
        } else {
            self.output.say(&mut self.screen, &from, &words);
        }
    }

    fn ended(&mut self, seen: &Seen<'_>, node: NodeId, outcome: Outcome, exit: &Exit) {
        if !seen.state.spec(node).is_leaf() {
            return;
        }
        let from = source(seen.state, node);
        if self.at_terminal == Some(node) {
            self.at_terminal = None;
            self.screen.release();
        }
        self.output.command_ended(&mut self.screen, &from);
        if !exit.left.is_empty() && self.says(Level::Warning) {
            let left = exit.left.iter();
            let left: Vec<String> = left
                .map(|one| format!("{} (process {})", visible(&one.program), one.pid))
                .collect();
            let words = format!("left running: {}", left.join(", "));
            self.output.say(&mut self.screen, &from, &words);
        }
        let evaluated = self.evaluated.remove(&node);
        if !outcome.is_failure() {
            return;
        }
        let took = seen
            .state
            .node(node)
            .began_at
            .map(|began| seen.record.at.since(began))
            .unwrap_or_default();
        let failure = Failure {
            node,
            outcome,
            exit: exit.clone(),
            took,
            evaluated,
        };
        let ignored = ignored_by(seen.state, node);
        if let Some(by) = ignored {
            let left = left_out(seen.state, node, by);
            let remark = failure.ignored(&self.settings, left);
            self.output.say(&mut self.screen, &from, &remark);
        } else if self.several {
            let remark = failure.remark(&self.settings);
            self.output.say(&mut self.screen, &from, &remark);
        }
        self.keep(failure);
    }

    /// Of a step that is tried several times the last failure counts.
    fn keep(&mut self, failure: Failure) {
        self.failures.retain(|known| known.node != failure.node);
        self.failures.push(failure);
    }

    /// Another try follows.
    fn again(&mut self, state: &RunState, node: NodeId, wait: Duration) {
        if !self.says(Level::Warning) {
            return;
        }
        let rules = state.rules(node);
        let next = self.next_try.remove(&node).unwrap_or_default();
        let when = if wait.is_zero() {
            String::new()
        } else {
            format!(" in {}", human_fine(wait))
        };
        let words = format!("try {next} of {}{when}", rules.retry.attempts);
        let words = self.settings.style.dim(&words).into_owned();
        self.output
            .say(&mut self.screen, &source(state, node), &words);
    }

    /// What did not have to run, and why.
    fn skipped(&mut self, state: &RunState, node: NodeId, reason: &str) {
        if !self.says(Level::Info) {
            return;
        }
        let address = state.address(node);
        let step = match address.step.as_str() {
            "" => String::new(),
            step => format!("step {step} "),
        };
        let words = format!("{step}skipped: {}", visible(reason));
        let words = self.settings.style.dim(&words).into_owned();
        self.output
            .say(&mut self.screen, &source(state, node), &words);
    }

    /// What failed before there was anything to run; a failure of something within is told by itself.
    fn not_begun(&mut self, state: &RunState, node: NodeId, outcome: Outcome, reason: &str) {
        let failure = Failure {
            node,
            outcome,
            exit: Exit {
                error: Some(reason.to_owned()),
                ..Exit::default()
            },
            took: Duration::ZERO,
            evaluated: None,
        };
        let from = source(state, node);
        if let Some(by) = ignored_by(state, node) {
            let remark = failure.ignored(&self.settings, left_out(state, node, by));
            self.output.say(&mut self.screen, &from, &remark);
        } else if self.several {
            let remark = failure.remark(&self.settings);
            self.output.say(&mut self.screen, &from, &remark);
        }
        self.keep(failure);
    }

    fn task_ended(&mut self, state: &RunState, node: NodeId) {
        let from = source(state, node);
        if state.node(node).outcome().is_some() && from.task == node.0 {
            self.output.task_ended(&mut self.screen, &from);
        }
    }

    fn blocked(&mut self, state: &RunState, nodes: &[NodeId], cause: NodeId) {
        if !self.says(Level::Info) {
            return;
        }
        let names: Vec<&str> = nodes
            .iter()
            .take(5)
            .map(|node| state.address(*node).task)
            .collect();
        let more = if nodes.len() > names.len() {
            format!(" and {} more", nodes.len() - names.len())
        } else {
            String::new()
        };
        let what = if nodes.len() == 1 { "does" } else { "do" };
        let cause = state.address(cause).task;
        self.screen.say(&format!(
            "{}{more} {what} not run: {cause} failed",
            names.join(", ")
        ));
    }
}

impl Observer for Lines {
    fn see(&mut self, seen: &Seen<'_>) {
        match &seen.record.fact {
            Fact::AttemptStarted { node, .. } => self.started(seen.state, *node),
            Fact::AttemptFinished {
                node,
                attempt,
                outcome,
                again,
                exit,
            } => {
                if *again {
                    // What failed in it before belongs to a try that does not count any more.
                    self.failures
                        .retain(|failure| !is_below(seen.state, failure.node, *node));
                    let uncounted = seen.state.node(*node).uncounted;
                    let next = attempt.saturating_sub(uncounted) + 1;
                    self.next_try.insert(*node, next);
                }
                self.ended(seen, *node, *outcome, exit);
            }
            Fact::TaskFinished {
                node,
                outcome,
                reason,
            } => {
                let limit = seen.state.rules(*node).timeout_micros;
                let late = limit
                    .filter(|_| *outcome == Outcome::TimedOut)
                    .map(|micros| {
                        let limit = human_fine(Duration::from_micros(micros));
                        format!("it took longer than {limit}, its timeout")
                    });
                let reason = reason.clone().filter(|_| outcome.is_failure());
                if let Some(reason) = reason.or(late) {
                    self.not_begun(seen.state, *node, *outcome, &reason);
                }
                self.task_ended(seen.state, *node);
            }
            Fact::TaskSkipped { node, reason } => {
                self.skipped(seen.state, *node, reason);
                self.task_ended(seen.state, *node);
            }
            // What came from the cache has been shown.
            Fact::TaskUpToDate { nodes, .. } => {
                for node in nodes {
                    self.task_ended(seen.state, *node);
                }
            }
            Fact::RetryScheduled { node, until } => {
                self.again(seen.state, *node, until.since(seen.record.at));
            }
            Fact::TaskBlocked { nodes, cause } => self.blocked(seen.state, nodes, *cause),
            // It could not begin, or go on, and why is nowhere else.
            Fact::CancelRequested {
                node: None,
                why: Why::Failure,
                reason: Some(reason),
                ..
            } => {
                let words = format!("the run fails: {}", visible(reason));
                self.screen.say(&words);
            }
            Fact::CancelRequested {
                node: None,
                now: false,
                why,
                by,
                reason,
            } if *why == Why::Timeout
                || self.says(Level::Warning) && seen.state.running().len() > 0 =>
            {
                let words = match (why, by) {
                    (Why::Signal(_), _) => "stopping what runs; once more kills it".to_owned(),
                    (Why::Timeout, _) => {
                        "the run has taken as long as it may; stopping what runs".to_owned()
                    }
                    (Why::Outdated, _) => {
                        let what = reason.as_deref().unwrap_or("a file has changed");
                        format!("{}; stopping what that affects", visible(what))
                    }
                    (Why::Cancelled, Some(by)) => {
                        let reason = reason.as_ref().map(|reason| format!(": {reason}"));
                        let words = format!("cancelled by {by}{}", reason.unwrap_or_default());
                        format!("{}; stopping what runs", visible(&words))
                    }
                    _ => "stopping what runs".to_owned(),
                };
                self.screen.say(&words);
            }
            _ => {}
        }
    }

    fn notice(&mut self, state: &RunState, signal: &Signal<'_>) {
        match signal {
            Signal::Output {
                node,
                stream,
                bytes,
            } => {
                if self.at_terminal == Some(*node) {
                    self.screen.write_through(*stream, bytes);
                } else {
                    self.output
                        .print(&mut self.screen, &source(state, *node), *stream, bytes);
                }
            }
            Signal::Command {
                node,
                text,
                label,
                several_words,
            } => {
                match label {
                    Some(label) => self.show_label(state, *node, label),
                    None => self.show_command(state, *node, text),
                }
                let evaluated = Evaluated {
                    command: (*text).to_owned(),
                    several_words: several_words.to_vec(),
                };
                self.evaluated.insert(*node, evaluated);
            }
            Signal::Runs { node, why } => {
                let words = format!("runs because {}", visible(why));
                let words = self.settings.style.dim(&words).into_owned();
                self.output
                    .say(&mut self.screen, &source(state, *node), &words);
            }
            Signal::Waits { node, what } if self.says(Level::Info) => {
                let words = format!("waits: {}", visible(what));
                let words = self.settings.style.dim(&words).into_owned();
                match node {
                    Some(node) => {
                        let source = source(state, *node);
                        self.output.announce(&mut self.screen, &source, &words);
                    }
                    None => self.screen.say(&words),
                }
            }
            Signal::Waits { .. } => {}
            Signal::Restored { node, output } => {
                self.restored.insert(state.task_of(*node).0);
                let from = source(state, *node);
                if self.says(Level::Info) {
                    let words = self.settings.style.dim("restored from the cache");
                    self.output.say(&mut self.screen, &from, &words);
                }
                self.output
                    .print(&mut self.screen, &from, Stream::Stdout, output);
                self.output.command_ended(&mut self.screen, &from);
            }
            Signal::Unmatched { node, patterns } => {
                let patterns = patterns.iter().map(|one| visible(one).into_owned());
                let patterns = patterns.collect::<Vec<_>>().join(", ");
                let words = format!("warning: no file matches its 'sources': {patterns}");
                self.output
                    .say(&mut self.screen, &source(state, *node), &words);
            }
            Signal::LeftBehind { program, task } => {
                let program = visible(program);
                let words = format!(
                    "warning: ended {program}, which {} left running",
                    visible(task)
                );
                self.screen.say(&words);
            }
        }
    }

    fn end(&mut self, state: &RunState) {
        let tasks: Vec<NodeId> = state.plan().tasks().map(|(id, _)| id).collect();
        for id in tasks {
            for item in state.instances(id) {
                self.output
                    .task_ended(&mut self.screen, &source(state, item));
            }
            self.output.task_ended(&mut self.screen, &source(state, id));
        }
        if let Some(tasks) = all_up_to_date(state).filter(|_| self.failures.is_empty()) {
            let restored = self.restored.len();
            if self.says(Level::Info) {
                self.screen.say(&nothing_to_do(tasks, restored));
            }
            return;
        }
        let empty = empty_loops(state);
        if !empty.is_empty() && self.says(Level::Info) {
            let words = format!("nothing to do: there are no items for {}", listed(empty));
            self.screen.say(&words);
            return;
        }
        self.failures.retain(|failure| matters(state, failure.node));
        for (number, failure) in self.failures.iter().enumerate() {
            let gap = if number == 0 && !self.says(Level::Info) {
                ""
            } else {
                "\n"
            };
            // On a terminal the last words of one task alone stand right above.
            let tail = self.several || !self.settings.terminal;
            let story = failure.story(state, &self.settings, tail);
            self.screen.say(&format!("{gap}{story}"));
        }
        let alone = !self.several && self.failures.is_empty() && state.stop().is_none();
        if self.says(Level::Info) && !alone || self.says(Level::Debug) {
            let gap = if self.failures.is_empty() { "" } else { "\n" };
            self.screen
                .say(&format!("{gap}{}", summary(state, &self.settings)));
        }
        let open = !matches!(state.stage(), RunStage::Finished(_));
        if let Some(resume) = self.settings.resume.as_ref().filter(|_| open) {
            let words = format!("go on with it: {}", visible(resume));
            self.screen.say(&self.settings.style.dim(&words));
        }
    }
}

/// Whether a failure made anything else fail: not when it was ignored, tried again with success, or a race that another won.
pub(super) fn matters(state: &RunState, node: NodeId) -> bool {
    let mut at = Some(node);
    while let Some(id) = at {
        let outcome = state.node(id).outcome();
        if state.rules(id).ignore_error || outcome.is_some_and(Outcome::is_ok) {
            return false;
        }
        at = state.parent(id);
    }
    true
}

/// What says that the failure of a node is to be ignored, where it is not tried again.
fn ignored_by(state: &RunState, node: NodeId) -> Option<NodeId> {
    let mut at = Some(node);
    while let Some(id) = at {
        let rules = state.rules(id);
        let one = state.node(id);
        let tried = one.attempt.saturating_sub(one.uncounted);
        if tried < rules.retry.attempts && rules.retry.attempts > 1 {
            return None;
        }
        if rules.ignore_error {
            return Some(id);
        }
        at = state.parent(id);
    }
    None
}

/// How many steps do not run because a node failed, up to where that is ignored.
fn left_out(state: &RunState, node: NodeId, by: NodeId) -> usize {
    let (mut at, mut left) = (node, 0);
    while at != by
        && let Some(parent) = state.parent(at)
    {
        let spec = state.spec(parent);
        if spec
            .group()
            .is_some_and(|group| group.parallel_max == Some(1))
        {
            let offset = parent.0 - state.node(parent).spec.0;
            let later = spec
                .children()
                .iter()
                .filter(|child| child.0 + offset > at.0);
            let steps =
                later.filter(|child| !matches!(state.plan().node(**child).kind, Kind::Check));
            left += steps.count();
        }
        at = parent;
    }
    left
}

fn is_below(state: &RunState, node: NodeId, above: NodeId) -> bool {
    let mut at = state.parent(node);
    while let Some(id) = at {
        if id == above {
            return true;
        }
        at = state.parent(id);
    }
    false
}

fn source(state: &RunState, node: NodeId) -> Source<'_> {
    let (task, name) = state.source_of(node);
    Source {
        task: task.0,
        name,
        node: node.0,
    }
}

/// A command in a line: the first of its lines, and how many there are more.
fn shortened(command: &str) -> String {
    let text = visible_lines(command.trim());
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    match lines.count() {
        0 => format!("$ {first}"),
        1 => format!("$ {first} (and 1 more line)"),
        more => format!("$ {first} (and {more} more lines)"),
    }
}
