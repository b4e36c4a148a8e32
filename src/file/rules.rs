//! Reading what may be said of tasks and steps alike: conditions, checks, durations, retries, shells.

use std::time::Duration;

use super::conditions;
use super::keys::Scope;
use super::raw::Owner;
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::rules::Backoff;
use crate::model::language::rules::wrong_lock_name;
use crate::model::language::{Check, Condition, Expr, Lock, LockHold, Retry, Setting, Text};
use crate::model::time::parse_span;

const CONDITION: &str =
    "write an expression that is true or false, such as \"env.CI == 'true'\", or {sh: command}";
const LOCK: &str = "write a name such as db, or a map: {name: db, slots: 2}";

/// More of one lock are no limit.
const LOCK_SLOTS_MAX: u32 = 1000;

const DURATION: &str = "write a number with a unit: 500ms, 5s, 10m, 1h30m";

impl Reader<'_, '_> {
    /// `if`, `until`: an expression, or a command that succeeds.
    pub(super) fn condition(&mut self, at: At, owner: &Owner, what: &str) -> Option<Condition> {
        let Value::Map(entries) = self.walk.open(at) else {
            return self.bool_expression(at, owner, what).map(Condition::Expr);
        };
        match entries.as_slice() {
            [entry] if self.name(entry) == "sh" => self.condition_command(entry.value, owner),
            _ => {
                self.wrong_type(at, &format!("{what} is a condition"), CONDITION);
                None
            }
        }
    }

    fn bool_expression(&mut self, at: At, owner: &Owner, what: &str) -> Option<Expr> {
        if self.is_null(at) {
            self.wrong_type(at, &format!("{what} is a condition"), CONDITION);
            return None;
        }
        let wanted = format!("{what} is a condition");
        let written = match self.walk.open(at) {
            Value::Scalar(scalar) if conditions::may_be_foreign(&scalar.text) => &scalar.text,
            // `[ "$X" = true ]` without quotes.
            Value::List(_) => self.tree().text().get(self.span(at)).unwrap_or_default(),
            _ => return self.expression(at, owner, &wanted),
        };
        if let Some(slip) = conditions::of_another_tool(written) {
            let found = Diagnostic::error("foreign-condition", slip.message);
            self.report(at, found.help(slip.help));
            // A condition is there, so nothing more is said of one that is missing.
            return Some(Expr(Text::plain(written, self.place(at))));
        }
        self.expression(at, owner, &wanted)
    }

    fn condition_command(&mut self, at: At, owner: &Owner) -> Option<Condition> {
        let command = self.script(
            at,
            owner,
            "'sh' is a command",
            "write a command that succeeds when it holds",
        )?;
        Some(Condition::Sh(command))
    }

    /// `preconditions`, `verify`: one check or several.
    pub(super) fn checks(&mut self, at: At, owner: &Owner, what: &str) -> Vec<Check> {
        let items = self.one_or_many(at);
        items
            .into_iter()
            .filter_map(|item| self.check(item, owner, what))
            .collect()
    }

    fn check(&mut self, at: At, owner: &Owner, what: &str) -> Option<Check> {
        let Value::Map(entries) = self.walk.open(at) else {
            let condition = Condition::Expr(self.bool_expression(at, owner, what)?);
            return Some(Check {
                condition,
                message: None,
            });
        };
        let (mut condition, mut message) = (None, None);
        let mut read = false;
        for entry in &entries {
            match self.name(entry) {
                "if" | "sh" if read => self.two(entry.key, "a check has one condition"),
                "if" => {
                    read = true;
                    condition = self
                        .bool_expression(entry.value, owner, "'if'")
                        .map(Condition::Expr);
                }
                "sh" => {
                    read = true;
                    condition = self.condition_command(entry.value, owner);
                }
                "message" => {
                    message = self.template(
                        entry.value,
                        owner,
                        "'message' is a text",
                        "write what to say when it does not hold",
                    );
                }
                _ => {
                    self.unknown_key(Scope::Condition, entry);
                }
            }
        }
        if !read {
            self.wrong_type(at, &format!("{what} has conditions"), CONDITION);
        }
        Some(Check {
            condition: condition?,
            message,
        })
    }

    pub(super) fn two(&mut self, at: At, message: &str) {
        self.report(
            at,
            Diagnostic::error("two-values", message).help("remove one of them"),
        );
    }

    /// A duration with its unit.
    pub(super) fn duration(&mut self, at: At, what: &str) -> Option<Setting<Duration>> {
        let wanted = format!("{what} is a duration");
        let text = self.text(at, &wanted, DURATION)?;
        if self.is_template_here(at, text, what) {
            return None;
        }
        if let Resolved::Int(_) | Resolved::Float(_) =
            self.tree().resolve(self.walk.follow(at).node)
        {
            let message = format!("{text} of what? {wanted} with its unit");
            let help = format!("write {text}s for seconds, or {text}ms for thousandths of them");
            self.report(at, Diagnostic::error("duration", message).help(help));
            return None;
        }
        match parse_span(text) {
            Some(span) => Some(Setting::Fixed(span)),
            None => {
                let message = format!("{wanted}, but this is '{text}'");
                self.report(at, Diagnostic::error("duration", message).help(DURATION));
                None
            }
        }
    }

    /// A duration that something may take: more than nothing, in which nothing can be done.
    pub(super) fn limit(&mut self, at: At, what: &str) -> Option<Setting<Duration>> {
        let limit = self.duration(at, what)?;
        if limit == Setting::Fixed(Duration::ZERO) {
            let message = format!("{what} is longer than nothing, in which nothing can be done");
            let help = "write how long it may take, or take the key out for no limit";
            self.report(at, Diagnostic::error("duration", message).help(help));
            return None;
        }
        Some(limit)
    }

    /// Whether a template stands where this version takes none, which is reported.
    pub(super) fn is_template_here(&mut self, at: At, text: &str, what: &str) -> bool {
        let is = text.contains("{{") || text.contains("{%");
        if is {
            let message = format!("a template in {what} is not in this version of flow");
            let diagnostic = Diagnostic::error("not-in-this-version", message);
            self.report(at, diagnostic.help("write the value itself"));
        }
        is
    }

    /// A whole number of at least `least`.
    pub(super) fn count(&mut self, at: At, what: &str, least: u32) -> Option<u32> {
        let help = format!("write a whole number, {least} or more");
        if let Value::Scalar(scalar) = self.walk.open(at) {
            let (node, text) = (self.walk.follow(at).node, scalar.text.to_string());
            if let Resolved::Int(value) = self.tree().resolve(node)
                && let Some(value) = u32::try_from(value).ok().filter(|value| *value >= least)
            {
                return Some(value);
            }
            if self.is_template_here(at, &text, what) {
                return None;
            }
        }
        self.wrong_type(at, &format!("{what} is a number"), &help);
        None
    }

    /// `shell`: a program and its options.
    pub(super) fn shell(&mut self, at: At) -> Option<Text> {
        let help = "write a program, such as 'bash -euo pipefail' or python3";
        let text = self.text(at, "'shell' is a program", help)?;
        if self.is_template_here(at, text, "'shell'") {
            return None;
        }
        if text.trim().is_empty() {
            self.report(
                at,
                Diagnostic::error("empty-shell", "'shell' is empty").help(help),
            );
            return None;
        }
        Some(Text::plain(text.trim(), self.place(at)))
    }

    /// `locks`: one or several, each a name or a map.
    pub(super) fn locks(&mut self, at: At, owner: &Owner) -> Vec<Lock> {
        let items = self.one_or_many(at);
        let mut locks: Vec<Lock> = Vec::new();
        for item in items {
            let Some(lock) = self.lock(item, owner) else {
                continue;
            };
            if locks.iter().any(|one| one.name.text == lock.name.text) {
                let message = format!("the lock '{}' stands here twice", lock.name.text);
                let found = Diagnostic::error("lock-twice", message).help("remove one of them");
                self.report(item, found);
                continue;
            }
            locks.push(lock);
            self.lock_spans.push(self.span(item));
        }
        locks
    }

    fn lock(&mut self, at: At, owner: &Owner) -> Option<Lock> {
        let Value::Map(entries) = self.walk.open(at) else {
            return Some(Lock {
                name: self.lock_name(at, owner)?,
                slots: 1,
                wait: None,
                hold: LockHold::Task,
            });
        };
        let before = self.found.len();
        let (mut name, mut slots, mut wait) = (None, 1, None);
        let mut hold = LockHold::Task;
        for entry in &entries {
            match self.name(entry) {
                "name" => name = self.lock_name(entry.value, owner),
                "slots" => slots = self.count(entry.value, "'slots'", 1).unwrap_or(1),
                "wait" => wait = self.duration(entry.value, "'wait'"),
                "hold" => hold = self.hold(entry.value).unwrap_or_default(),
                _ => {
                    self.unknown_key(Scope::Lock, entry);
                }
            }
        }
        if name.is_none() && self.found.len() == before {
            let message = "a lock has a name";
            let found = Diagnostic::error("no-name", message).help(LOCK);
            self.report(at, found);
        }
        if slots > LOCK_SLOTS_MAX {
            let message = format!("a lock has {LOCK_SLOTS_MAX} slots at most");
            let found = Diagnostic::error("slots", message).help("write a smaller number");
            self.report(at, found);
        }
        Some(Lock {
            name: name?,
            slots,
            wait,
            hold,
        })
    }

    fn lock_name(&mut self, at: At, owner: &Owner) -> Option<Text> {
        let name = self.template(at, owner, "a lock is a name or a map", LOCK)?;
        if !name.is_template()
            && let Some(wrong) = wrong_lock_name(&name.text)
        {
            let found = Diagnostic::error("lock-name", wrong).help(LOCK);
            self.report(at, found);
            return None;
        }
        Some(name)
    }

    fn hold(&mut self, at: At) -> Option<LockHold> {
        let help = "write task or run";
        match self.text(at, "'hold' is task or run", help)? {
            "task" => Some(LockHold::Task),
            "run" => Some(LockHold::Run),
            other => {
                let message = format!("'hold' is task or run, but this is '{other}'");
                self.report(at, Diagnostic::error("hold", message).help(help));
                None
            }
        }
    }

    /// `retry`: the number of tries, or a map.
    pub(super) fn retry(&mut self, at: At) -> Option<Retry> {
        let mut retry = Retry {
            attempts: Setting::Fixed(3),
            delay: None,
            backoff: Backoff::Fixed,
            delay_max: None,
            jitter: None,
            on_exit_codes: Vec::new(),
        };
        let Value::Map(entries) = self.walk.open(at) else {
            if self.is_zero(at) {
                return None;
            }
            retry.attempts = Setting::Fixed(self.count(at, "'retry'", 1)?);
            return Some(retry);
        };
        let before = self.found.len();
        let mut counted = false;
        for entry in &entries {
            self.retry_field(&mut retry, entry);
            counted |= self.name(entry) == "attempts";
        }
        if !counted && self.found.len() == before {
            let message = "'retry' has no 'attempts'";
            let help = "write how often it is tried in all: attempts: 3";
            self.report(at, Diagnostic::error("no-attempts", message).help(help));
        }
        Some(retry)
    }

    /// Whether a number of tries is 0, which is reported: other tools count the tries after the first one.
    fn is_zero(&mut self, at: At) -> bool {
        let zero = match self.walk.open(at) {
            Value::Scalar(_) => {
                matches!(
                    self.tree().resolve(self.walk.follow(at).node),
                    Resolved::Int(0)
                )
            }
            _ => false,
        };
        if zero {
            let message = "a number of tries counts the first one too, so it is 1 or more";
            let help = "leave it out for one try; 2 tries once more after a failure";
            self.report(at, Diagnostic::error("no-tries", message).help(help));
        }
        zero
    }

    fn retry_field(&mut self, retry: &mut Retry, entry: &Entry) {
        let value = entry.value;
        match self.name(entry) {
            "attempts" => {
                if !self.is_zero(value)
                    && let Some(count) = self.count(value, "'attempts'", 1)
                {
                    retry.attempts = Setting::Fixed(count);
                }
            }
            "delay" => retry.delay = self.duration(value, "'delay'"),
            "max_delay" => retry.delay_max = self.duration(value, "'max_delay'"),
            "jitter" => retry.jitter = self.duration(value, "'jitter'"),
            "backoff" => retry.backoff = self.backoff(value).unwrap_or_default(),
            "on_exit_codes" => retry.on_exit_codes = self.exit_codes(value),
            _ => {
                self.unknown_key(Scope::Retry, entry);
            }
        }
    }

    fn backoff(&mut self, at: At) -> Option<Backoff> {
        let help = "write fixed, linear, exponential, or a factor such as 1.5";
        let text = self.text(at, "'backoff' is a word or a factor", help)?;
        let factor = match self.tree().resolve(self.walk.follow(at).node) {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a factor of more than 2^52 is refused below"
            )]
            Resolved::Int(value) => Some(value as f64),
            Resolved::Float(value) => Some(value),
            _ => None,
        };
        match (text, factor) {
            ("fixed", _) => Some(Backoff::Fixed),
            ("linear", _) => Some(Backoff::Linear),
            ("exponential", _) => Some(Backoff::Factor(2.0)),
            (_, Some(factor)) if (1.0..=1000.0).contains(&factor) => Some(Backoff::Factor(factor)),
            _ => {
                let message = "'backoff' is fixed, linear, exponential, or a factor from 1 to 1000";
                self.report(at, Diagnostic::error("backoff", message).help(help));
                None
            }
        }
    }

    fn exit_codes(&mut self, at: At) -> Vec<i32> {
        let items = self.one_or_many(at);
        let mut codes = Vec::new();
        for item in items {
            let code = self.count(item, "an exit code", 0);
            if let Some(code) = code.and_then(|code| i32::try_from(code).ok()) {
                if code > 255 {
                    let message = "an exit code is a number from 0 to 255";
                    self.report(
                        item,
                        Diagnostic::error("exit-code", message).help("write 75, say"),
                    );
                } else {
                    codes.push(code);
                }
            }
        }
        codes
    }
}
