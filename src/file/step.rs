//! Reading steps: a command, or a map with one action and what holds for it.

use super::keys::{self, Scope};
use super::raw::{Owner, RawNeed};
use super::syntax::quoted;
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::step::{has_interpreter, is_posix};
use crate::model::language::{
    Action, Call, Condition, OnLost, Setting, Step, StepRules, Text, Var, Wait, WaitFor,
};

const COMMAND: &str = "a step is a command or a map";
const WRITE_COMMAND: &str = "write the command here, such as 'cargo test'";

/// The keys that say what a step does.
const ACTIONS: [&str; 8] = [
    "run", "argv", "task", "then", "else", "parallel", "wait", "set",
];

/// The keys that only go with some actions.
const ONLY_WITH: [(&str, &[&str]); 10] = [
    ("wait_for", &["parallel"]),
    ("max_parallel", &["parallel"]),
    ("stop_on_failure", &["parallel"]),
    ("env", &["run", "argv"]),
    ("dir", &["run", "argv"]),
    ("shell", &["run"]),
    ("silent", &["run", "argv"]),
    ("label", &["run", "argv"]),
    ("on_lost", &["run", "argv"]),
    ("leave_running", &["run", "argv"]),
];

impl Reader<'_, '_> {
    pub(super) fn steps(&mut self, at: At, owner: &Owner) -> Vec<Step> {
        match self.walk.open(at) {
            Value::List(items) => {
                if items.len() > 1 {
                    items.iter().for_each(|item| self.check_own_shell(*item));
                }
                items
                    .into_iter()
                    .filter_map(|item| self.step(item, owner))
                    .collect()
            }
            _ => self.step(at, owner).into_iter().collect(),
        }
    }

    pub(super) fn step(&mut self, at: At, owner: &Owner) -> Option<Step> {
        match self.walk.open(at) {
            Value::Map(entries) => self.step_map(at, &entries, owner),
            Value::Scalar(scalar) if self.is_number(at) => {
                let help = format!(
                    "put quotes around it if that is a command: {}",
                    quoted(&scalar.text)
                );
                self.wrong_type(at, COMMAND, &help);
                None
            }
            _ => self.command(at, owner, None).map(Step::command),
        }
    }

    /// `true` and `false` are commands too.
    fn is_number(&self, at: At) -> bool {
        matches!(
            self.tree().resolve(at.node),
            Resolved::Int(_) | Resolved::Float(_)
        )
    }

    /// A command for the shell; of a shell that is not POSIX's, where given.
    fn command(&mut self, at: At, owner: &Owner, shell: Option<&Text>) -> Option<Text> {
        let text = self.text(at, COMMAND, WRITE_COMMAND)?;
        let own = shell.is_none() && has_interpreter(text);
        let shell = shell.or(self.shell_of_task.as_ref());
        let posix = !own && shell.is_none_or(|shell| is_posix(&shell.text));
        let command = self.checked(at, text, owner, posix)?;
        if command.text.trim().is_empty() {
            let diagnostic = Diagnostic::error("empty-command", "this command is empty");
            self.report(at, diagnostic.help("write a command, or remove it"));
            return None;
        }
        if posix {
            self.unspaced_dash(at, &command.text);
            self.check_make_variables(at, &command.text);
            self.check_shell_variables(at, &command.text);
        }
        Some(command)
    }

    /// `-cargo test` in a place where a list was meant: no program begins with a dash.
    fn unspaced_dash(&mut self, at: At, command: &str) {
        let mut letters = command.chars();
        if letters.next() == Some('-') && letters.next().is_some_and(char::is_alphabetic) {
            let message = "this command begins with '-': in a list a space stands after it";
            let first = command[1..].lines().next().unwrap_or_default();
            let help = format!(
                "write '- {first}'; to pass over a failure: {{run: …, ignore_error: true}}"
            );
            self.report(at, Diagnostic::error("unspaced-dash", message).help(help));
        }
    }

    fn step_map(&mut self, at: At, entries: &[Entry], owner: &Owner) -> Option<Step> {
        if entries.is_empty() {
            self.wrong_type(at, COMMAND, WRITE_COMMAND);
            return None;
        }
        let knows = |name: &str| {
            keys::find(Scope::Step, name).is_some() || keys::foreign(Scope::Step, name).is_some()
        };
        if let [only] = entries
            && !knows(self.name(only))
            && self.nearest_key(Scope::Step, self.name(only)).is_none()
        {
            self.unquoted_colon(at);
            return None;
        }
        let before = self.found.len();
        let (depth, set) = (self.locals.len(), self.env_of_task.len());
        let mut rules = StepRules::default();
        // What brings names into scope comes first, wherever it stands.
        for entry in entries {
            match self.name(entry) {
                "for" => {
                    rules.each = self.each(entry.value, owner);
                    self.locals.extend(
                        rules
                            .each
                            .iter()
                            .flat_map(crate::model::language::Loop::names),
                    );
                }
                "shell" => rules.shell = self.shell(entry.value),
                "env" => {
                    let names = self.names_of(entry.value);
                    self.env_of_task.extend(names);
                }
                _ => {}
            }
        }
        if let Some(entry) = entries.iter().find(|entry| self.name(entry) == "vars") {
            if entries.iter().any(|entry| self.name(entry) == "task") {
                rules.vars = self.arguments(entry.value, owner);
            } else {
                let names = self.names_of(entry.value);
                self.locals.extend(names);
                rules.vars = self.vars(entry.value, owner);
            }
        }
        for entry in entries {
            self.step_field(entry, &mut rules, owner);
        }
        let action = self.action(at, entries, &mut rules, owner, before);
        self.locals.truncate(depth);
        self.env_of_task.truncate(set);
        let rules = (rules != StepRules::default()).then(|| Box::new(rules));
        Some(Step {
            place: self.place(at),
            action: action?,
            rules,
        })
    }

    /// The names in a map: of vars, so that they can read one another, of params, of environment variables.
    pub(super) fn names_of(&mut self, at: At) -> Vec<String> {
        match self.walk.open(at) {
            Value::Map(entries) => entries
                .iter()
                .map(|entry| self.name(entry).to_owned())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// `label`: what is shown in the place of a command.
    pub(super) fn label(&mut self, at: At, owner: &Owner) -> Option<Text> {
        let help = "write what it does, such as 'compile {{ item }}'";
        self.template(at, owner, "'label' is a text", help)
    }

    fn step_field(&mut self, entry: &Entry, rules: &mut StepRules, owner: &Owner) {
        let value = entry.value;
        match self.name(entry) {
            "name" => rules.name = self.step_name(value),
            "desc" => rules.desc = self.desc(value),
            "if" => rules.condition = self.condition(value, owner, "'if'"),
            "env" => rules.env = self.env(value, owner),
            "dir" => rules.dir = self.dir(value, owner),
            "timeout" => rules.timeout = self.limit(value, "'timeout'"),
            "retry" => rules.retry = self.retry(value),
            "ignore_error" => {
                rules.ignore_error = self.boolean(value, "'ignore_error'").unwrap_or_default()
            }
            "silent" => rules.silent = self.boolean(value, "'silent'"),
            "label" => rules.label = self.label(value, owner),
            "on_lost" => rules.on_lost = self.on_lost(value),
            "leave_running" => {
                rules.leave_running = self.boolean(value, "'leave_running'").unwrap_or_default()
            }
            "for" | "shell" | "vars" | "wait_for" | "max_parallel" | "stop_on_failure" => {}
            name if ACTIONS.contains(&name) => {}
            _ => {
                self.unknown_key(Scope::Step, entry);
            }
        }
    }

    /// What resume does with a command that ran when flow was killed.
    pub(super) fn on_lost(&mut self, at: At) -> Option<OnLost> {
        let help = "write retry or fail";
        match self.text(at, "'on_lost' is a word", help)? {
            "retry" => Some(OnLost::Retry),
            "fail" => Some(OnLost::Fail),
            other => {
                let (message, help) = match other {
                    "ask" => (
                        "'on_lost: ask' is not in this version of flow".to_owned(),
                        "write retry, or fail and look yourself",
                    ),
                    other => (
                        format!("'on_lost' is retry or fail, but this is '{other}'"),
                        help,
                    ),
                };
                self.report(at, Diagnostic::error("on-lost", message).help(help));
                None
            }
        }
    }

    fn step_name(&mut self, at: At) -> Option<String> {
        let help = "write a name of letters, digits, '_' and '-'";
        let name = self
            .text(at, "'name' is the name of the step", help)?
            .to_owned();
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '/');
        if !name.is_empty() && name.chars().all(fits) {
            return Some(name);
        }
        let message = format!("'{name}' can't be the name of a step");
        self.report(at, Diagnostic::error("step-name", message).help(help));
        None
    }

    /// The one thing that the step does.
    fn action(
        &mut self,
        at: At,
        entries: &[Entry],
        rules: &mut StepRules,
        owner: &Owner,
        before: usize,
    ) -> Option<Action> {
        let found = |reader: &Self, name: &str| {
            entries
                .iter()
                .find(|entry| reader.name(entry) == name)
                .copied()
        };
        let mut actions = entries
            .iter()
            .filter(|entry| ACTIONS.contains(&self.name(entry)));
        let first = actions.next().copied();
        let Some(first) = first else {
            // A key that was refused may well have been the action.
            if self.found.len() == before {
                let message = "this step does nothing";
                let help = "write what it does: run, argv, task, then, parallel, wait or set";
                self.report(at, Diagnostic::error("no-work", message).help(help));
            }
            return None;
        };
        let kind = self.name(&first);
        let branches = |name: &str| matches!(name, "then" | "else");
        let second = actions
            .find(|entry| !(branches(kind) && branches(self.name(entry))))
            .copied();
        if let Some(second) = second {
            let message = format!(
                "a step does one thing, and this one has '{kind}' and '{}'",
                self.name(&second)
            );
            let help = "make two steps of it";
            self.report(
                second.key,
                Diagnostic::error("two-actions", message).help(help),
            );
            return None;
        }
        for (key, with) in ONLY_WITH {
            if let Some(entry) = found(self, key)
                && !with.contains(&kind)
            {
                let message = format!("'{key}' has no meaning in a step with '{kind}'");
                let help = format!("it goes with {}; remove it", with.join(" and "));
                self.report(
                    entry.key,
                    Diagnostic::error("no-meaning", message).help(help),
                );
            }
        }
        let value = first.value;
        match kind {
            "run" => {
                let shell = rules.shell.clone();
                self.command(value, owner, shell.as_ref()).map(Action::Run)
            }
            "argv" => self.argv(value, owner),
            "task" => self.call(value, &mut rules.vars),
            "parallel" => self.parallel_steps(value, owner, |reader, name| found(reader, name)),
            "wait" => self.wait(value, owner).map(Action::Wait),
            "set" => self.set(value, owner),
            _ => {
                let condition = rules.condition.take();
                let (then, otherwise) = (found(self, "then"), found(self, "else"));
                self.branch(at, condition, then, otherwise, owner)
            }
        }
    }

    fn argv(&mut self, at: At, owner: &Owner) -> Option<Action> {
        let help = "write a program and its arguments: [git, commit, -m, \"{{ message }}\"]";
        let Value::List(items) = self.walk.open(at) else {
            self.wrong_type(at, "'argv' is a list", help);
            return None;
        };
        if items.is_empty() {
            self.report(
                at,
                Diagnostic::error("empty-command", "'argv' is empty").help(help),
            );
            return None;
        }
        let word = |item| self.template(item, owner, "an argument is a text", "write a text");
        items
            .into_iter()
            .map(word)
            .collect::<Option<_>>()
            .map(Action::Argv)
    }

    /// A call: the task's name, its vars are those of the step.
    fn call(&mut self, at: At, vars: &mut Vec<Var>) -> Option<Action> {
        let name = self.task_name(at, "'task' is the name of a task")?;
        let number = self.calls.len();
        let vars = std::mem::take(vars);
        self.calls.push(RawNeed {
            vars: vars.clone(),
            ..name
        });
        Some(Action::Task(Call { task: number, vars }))
    }

    /// The name of a task, which is known before anything runs.
    pub(super) fn task_name(&mut self, at: At, wanted: &str) -> Option<RawNeed> {
        let name = self.text(at, wanted, "write the name of a task")?;
        if name.contains("{{") {
            let message =
                "the names of tasks are no templates: the graph is known before anything runs";
            let diagnostic = Diagnostic::error("template-in-name", message);
            self.report(at, diagnostic.help("write the name of the task"));
            return None;
        }
        Some(RawNeed {
            name: name.to_owned(),
            span: self.span(at),
            used: self.used(at),
            place: self.place(at),
            on: crate::model::language::On::Success,
            vars: Vec::new(),
            each: None,
        })
    }

    fn parallel_steps(
        &mut self,
        at: At,
        owner: &Owner,
        found: impl Fn(&Self, &str) -> Option<Entry>,
    ) -> Option<Action> {
        let help = "write a list of steps";
        let Value::List(items) = self.walk.open(at) else {
            self.wrong_type(at, "'parallel' is a list of steps", help);
            return None;
        };
        let steps: Vec<Step> = items
            .into_iter()
            .filter_map(|item| self.step(item, owner))
            .collect();
        let mut wait_for = WaitFor::All;
        if let Some(entry) = found(self, "wait_for") {
            let help = "write all, any or first";
            wait_for = match self.text(entry.value, "'wait_for' is a word", help)? {
                "all" => WaitFor::All,
                "any" => WaitFor::Any,
                "first" => WaitFor::First,
                other => {
                    let message = format!("'wait_for' is all, any or first, but this is '{other}'");
                    self.report(
                        entry.value,
                        Diagnostic::error("wait-for", message).help(help),
                    );
                    WaitFor::All
                }
            };
        }
        let stop_on_failure = match found(self, "stop_on_failure") {
            Some(entry) => self
                .boolean(entry.value, "'stop_on_failure'")
                .unwrap_or_default(),
            None => false,
        };
        let parallel_max = match found(self, "max_parallel") {
            Some(entry) => Some(Setting::Fixed(self.count(
                entry.value,
                "'max_parallel'",
                1,
            )?)),
            None => None,
        };
        Some(Action::Parallel {
            steps,
            wait_for,
            stop_on_failure,
            parallel_max,
        })
    }

    fn wait(&mut self, at: At, owner: &Owner) -> Option<Wait> {
        let Value::Map(entries) = self.walk.open(at) else {
            return self.duration(at, "'wait'").map(Wait::For);
        };
        let (mut until, mut interval, mut timeout) = (None, None, None);
        let before = self.found.len();
        for entry in &entries {
            match self.name(entry) {
                "until" => until = self.condition(entry.value, owner, "'until'"),
                "interval" => interval = self.duration(entry.value, "'interval'"),
                "timeout" => timeout = self.limit(entry.value, "'timeout'"),
                _ => {
                    self.unknown_key(Scope::Wait, entry);
                }
            }
        }
        if until.is_none() && self.found.len() == before {
            let help = "write a duration, or {until: condition, interval: 1s, timeout: 5m}";
            self.wrong_type(at, "'wait' is a duration or has an 'until'", help);
        }
        Some(Wait::Until {
            condition: until?,
            interval,
            timeout,
        })
    }

    fn set(&mut self, at: At, owner: &Owner) -> Option<Action> {
        let help = "write each output as 'name: value'";
        let entries = self.entries(at, "'set' is a map of names and values", help);
        let mut outputs = Vec::new();
        for entry in &entries {
            let name = self.var_name(entry, "an output")?;
            outputs.push((name, self.data(entry.value, owner)?));
        }
        (!outputs.is_empty()).then_some(Action::Set(outputs))
    }

    fn branch(
        &mut self,
        at: At,
        condition: Option<Condition>,
        then: Option<Entry>,
        otherwise: Option<Entry>,
        owner: &Owner,
    ) -> Option<Action> {
        let then_steps = then.map_or_else(Vec::new, |entry| self.steps(entry.value, owner));
        let else_steps = otherwise.map_or_else(Vec::new, |entry| self.steps(entry.value, owner));
        let missing = match (&condition, then) {
            (None, _) => "'then' and 'else' need an 'if'",
            (_, None) => "'else' needs a 'then'",
            _ => {
                return Some(Action::Branch {
                    condition: condition?,
                    then: then_steps,
                    otherwise: else_steps,
                });
            }
        };
        let help = "write 'if: condition' and 'then: steps'";
        self.report(at, Diagnostic::error("no-condition", missing).help(help));
        None
    }

    fn unquoted_colon(&mut self, at: At) {
        let span = self.tree().span(self.walk.follow(at).node);
        let written = self.tree().text().get(span).unwrap_or_default();
        let first = written.lines().next().unwrap_or_default().trim_end();
        let help = format!("put quotes around the whole command: {}", quoted(first));
        let message = "this step is a map, not a command, because of the ': ' in it";
        self.report(at, Diagnostic::error("unquoted-colon", message).help(help));
    }
}
