//! The texts of a task, of a value, of a loop: templates, expressions, commands. What each of them reads stands in it.

use super::rules::{Check, Condition, Setting};
use super::step::{Action, Axis, Items, Loop, Step, Wait};
use super::task::Task;
use super::value::{Data, EnvVar, Text, Var, VarValue};

/// What is called with each text.
type Visit<'v, 'a> = &'v mut dyn FnMut(&'a Text);

impl Task {
    /// Whether a text of it reads such a name, with such members.
    pub fn reads(&self, is_it: impl Fn(&str, &[String]) -> bool) -> bool {
        let mut found = false;
        self.each_text(&mut |text| found |= text.reads.any(&is_it));
        found
    }

    /// Calls `visit` with every text of the task and its steps.
    pub fn each_text<'a>(&'a self, visit: Visit<'_, 'a>) {
        vars(&self.vars, visit);
        env(&self.env, visit);
        self.depends_on.iter().for_each(|need| {
            need.each.iter().for_each(|one| each(one, visit));
            vars(&need.vars, visit);
        });
        let defaults = self
            .params
            .iter()
            .filter_map(|param| param.default.as_ref());
        defaults.for_each(|default| data(default, visit));
        self.dotenv.iter().chain(&self.dir).for_each(&mut *visit);
        self.each_step(&mut |one| step(one, visit));
        if let Some(rules) = self.rules.as_deref() {
            rules.condition.iter().for_each(|one| condition(one, visit));
            rules.each.iter().for_each(|one| each(one, visit));
            let checks = rules.preconditions.iter().chain(&rules.verify);
            checks.for_each(|one| check(one, visit));
            rules.outputs.iter().for_each(|(_, value)| visit(value));
            let locks = rules.locks.iter();
            locks.for_each(|lock| visit(&lock.name));
            let asked = rules.confirm.iter().chain(&rules.label);
            asked.for_each(&mut *visit);
            let files = rules.sources.iter().flatten().chain(&rules.generates);
            files
                .chain(&rules.optional_sources)
                .chain(&rules.depfile)
                .chain(&rules.watch)
                .chain(&rules.status)
                .for_each(&mut *visit);
        }
    }
}

fn step<'a>(step: &'a Step, visit: Visit<'_, 'a>) {
    match &step.action {
        Action::Run(text) => visit(text),
        Action::Argv(args) => args.iter().for_each(&mut *visit),
        Action::Task(call) => vars(&call.vars, visit),
        Action::Branch { condition: one, .. } => condition(one, visit),
        Action::Wait(Wait::Until { condition: one, .. }) => condition(one, visit),
        Action::Set(outputs) => outputs.iter().for_each(|(_, value)| data(value, visit)),
        Action::Parallel { .. } | Action::Wait(Wait::For(_)) => {}
    }
    let Some(rules) = step.rules.as_deref() else {
        return;
    };
    rules.condition.iter().for_each(|one| condition(one, visit));
    rules.each.iter().for_each(|one| each(one, visit));
    vars(&rules.vars, visit);
    env(&rules.env, visit);
    rules.dir.iter().for_each(&mut *visit);
    rules.label.iter().for_each(&mut *visit);
}

fn vars<'a>(vars: &'a [Var], visit: Visit<'_, 'a>) {
    vars.iter().for_each(|var| var.each_text(visit));
}

impl Var {
    /// Calls `visit` with each of its texts.
    pub fn each_text<'a>(&'a self, visit: Visit<'_, 'a>) {
        match &self.value {
            VarValue::Data(value) => data(value, visit),
            VarValue::Sh(text) => visit(text),
            VarValue::Ref(expression) => visit(expression),
        }
    }

    /// Whether a text of it reads such a name, with such members.
    pub fn reads(&self, is_it: impl Fn(&str, &[String]) -> bool) -> bool {
        let mut found = false;
        self.each_text(&mut |text| found |= text.reads.any(&is_it));
        found
    }
}

impl Data {
    /// Calls `visit` with each text in it.
    pub fn each_text<'a>(&'a self, visit: Visit<'_, 'a>) {
        data(self, visit);
    }
}

fn env<'a>(env: &'a [EnvVar], visit: Visit<'_, 'a>) {
    env.iter().for_each(|variable| visit(&variable.value));
}

fn data<'a>(value: &'a Data, visit: Visit<'_, 'a>) {
    match value {
        Data::Text(text) => visit(text),
        Data::List(items) => items.iter().for_each(|item| data(item, visit)),
        Data::Map(entries) => entries.iter().for_each(|(_, value)| data(value, visit)),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Number(_) => {}
    }
}

fn condition<'a>(condition: &'a Condition, visit: Visit<'_, 'a>) {
    visit(condition.as_text());
}

fn check<'a>(check: &'a Check, visit: Visit<'_, 'a>) {
    condition(&check.condition, visit);
    check.message.iter().for_each(&mut *visit);
}

fn each<'a>(each: &'a Loop, visit: Visit<'_, 'a>) {
    each.items.each_text(visit);
}

impl Items {
    /// Calls `visit` with each text that the items are made from.
    pub fn each_text<'a>(&'a self, visit: Visit<'_, 'a>) {
        match self {
            Items::List(items) => items.iter().for_each(|item| data(item, visit)),
            Items::In(expression) => visit(expression),
            Items::Glob(patterns) => patterns.iter().for_each(&mut *visit),
            Items::Sh(text) => visit(text),
            Items::Range(first, last) => {
                for bound in [first, last] {
                    if let Setting::Template(text) = bound {
                        visit(text);
                    }
                }
            }
            Items::Matrix {
                axes,
                exclude,
                include,
            } => {
                for (_, axis) in axes {
                    match axis {
                        Axis::List(items) => items.iter().for_each(|item| data(item, visit)),
                        Axis::In(expression) => visit(expression),
                    }
                }
                let more = exclude.iter().chain(include).flatten();
                more.for_each(|(_, value)| data(value, visit));
            }
        }
    }
}
