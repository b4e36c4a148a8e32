//! What the texts of a task read: its templates, its expressions, its commands.

use super::rules::{Check, Condition, Setting};
use super::step::{Action, Axis, Items, Loop, Step, Wait};
use super::task::Task;
use super::value::{Data, EnvVar, Reads, Var, VarValue};

/// What is called with what each text reads.
type Visit<'v, 'a> = &'v mut dyn FnMut(&'a Reads);

impl Task {
    /// Whether a text of it reads such a name, with such members.
    pub fn reads(&self, is_it: impl Fn(&str, &[String]) -> bool) -> bool {
        let mut found = false;
        self.each_reads(&mut |reads| found |= reads.any(&is_it));
        found
    }

    /// Calls `visit` with what every text of the task and its steps reads.
    pub fn each_reads<'a>(&'a self, visit: Visit<'_, 'a>) {
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
        self.dotenv
            .iter()
            .chain(&self.dir)
            .for_each(|text| visit(&text.reads));
        self.each_step(&mut |one| step(one, visit));
        if let Some(rules) = self.rules.as_deref() {
            rules.condition.iter().for_each(|one| condition(one, visit));
            rules.each.iter().for_each(|one| each(one, visit));
            let checks = rules.preconditions.iter().chain(&rules.verify);
            checks.for_each(|one| check(one, visit));
            rules
                .outputs
                .iter()
                .for_each(|(_, value)| visit(&value.reads));
            let locks = rules.locks.iter();
            locks.for_each(|lock| visit(&lock.name.reads));
            let asked = rules.confirm.iter().chain(&rules.label);
            asked.for_each(|text| visit(&text.reads));
            let files = rules.sources.iter().flatten().chain(&rules.generates);
            files
                .chain(&rules.optional_sources)
                .chain(&rules.depfile)
                .chain(&rules.watch)
                .chain(&rules.status)
                .for_each(|text| visit(&text.reads));
        }
    }
}

fn step<'a>(step: &'a Step, visit: Visit<'_, 'a>) {
    match &step.action {
        Action::Run(text) => visit(&text.reads),
        Action::Argv(args) => args.iter().for_each(|arg| visit(&arg.reads)),
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
    rules.dir.iter().for_each(|text| visit(&text.reads));
    rules.label.iter().for_each(|text| visit(&text.reads));
}

fn vars<'a>(vars: &'a [Var], visit: Visit<'_, 'a>) {
    vars.iter().for_each(|var| var.each_reads(visit));
}

impl Var {
    /// Calls `visit` with what each of its texts reads.
    pub fn each_reads<'a>(&'a self, visit: Visit<'_, 'a>) {
        match &self.value {
            VarValue::Data(value) => data(value, visit),
            VarValue::Sh(text) => visit(&text.reads),
            VarValue::Ref(expression) => visit(&expression.reads),
        }
    }

    /// Whether a text of it reads such a name, with such members.
    pub fn reads(&self, is_it: impl Fn(&str, &[String]) -> bool) -> bool {
        let mut found = false;
        self.each_reads(&mut |reads| found |= reads.any(&is_it));
        found
    }
}

impl Data {
    /// Calls `visit` with what each text in it reads.
    pub fn each_reads<'a>(&'a self, visit: Visit<'_, 'a>) {
        data(self, visit);
    }
}

fn env<'a>(env: &'a [EnvVar], visit: Visit<'_, 'a>) {
    env.iter().for_each(|variable| visit(&variable.value.reads));
}

fn data<'a>(value: &'a Data, visit: Visit<'_, 'a>) {
    match value {
        Data::Text(text) => visit(&text.reads),
        Data::List(items) => items.iter().for_each(|item| data(item, visit)),
        Data::Map(entries) => entries.iter().for_each(|(_, value)| data(value, visit)),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Number(_) => {}
    }
}

fn condition<'a>(condition: &'a Condition, visit: Visit<'_, 'a>) {
    visit(condition.reads());
}

fn check<'a>(check: &'a Check, visit: Visit<'_, 'a>) {
    condition(&check.condition, visit);
    check.message.iter().for_each(|text| visit(&text.reads));
}

fn each<'a>(each: &'a Loop, visit: Visit<'_, 'a>) {
    match &each.items {
        Items::List(items) => items.iter().for_each(|item| data(item, visit)),
        Items::In(expression) => visit(&expression.reads),
        Items::Glob(patterns) => patterns.iter().for_each(|pattern| visit(&pattern.reads)),
        Items::Sh(text) => visit(&text.reads),
        Items::Range(first, last) => {
            for bound in [first, last] {
                if let Setting::Template(text) = bound {
                    visit(&text.reads);
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
                    Axis::In(expression) => visit(&expression.reads),
                }
            }
            let more = exclude.iter().chain(include).flatten();
            more.for_each(|(_, value)| data(value, visit));
        }
    }
}
