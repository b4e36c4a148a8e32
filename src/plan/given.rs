//! `NAME=VALUE` on the command line: whose name it is, and the value as its type.
//!
//! It sets the name in the root file's vars and in every task of the run that declares it. A value is data: it is read
//! as the type that the name has, never as a template.

use super::Wrong;
use crate::model::language::{Data, Misfit, Param, ParamKind, Task, Var, VarValue, Workflow};

/// The names and their values, in the order given; a name that is repeated makes a list.
pub(super) type Values = [(String, String)];

/// Names with what was given for them.
pub(super) type Given = Vec<(String, Data)>;

/// The type that a name has.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Param(&'a Param),
    Var(&'a Var),
}

/// The values that are set for the vars of the root file; those that are wrong go to `wrong`.
pub(super) fn of_root(workflow: &Workflow, values: &Values, wrong: &mut Vec<Wrong>) -> Given {
    let vars = workflow.files.first().map_or(&[][..], |file| &file.vars);
    read(values, wrong, |name| {
        vars.iter().find(|var| var.name == name).map(Kind::Var)
    })
}

/// The values that are set for a task; those that are wrong go to `wrong`.
pub(super) fn of_task(task: &Task, values: &Values, wrong: &mut Vec<Wrong>) -> Given {
    read(values, wrong, |name| {
        let param = task.params.iter().find(|param| param.name == name);
        let var = task.vars.iter().find(|var| var.name == name);
        param.map(Kind::Param).or(var.map(Kind::Var))
    })
}

/// The items of a looped task that are asked for by their values: each name that its `for` brings into scope, where nothing else
/// of the task or the root file has that name.
pub(super) fn of_items(workflow: &Workflow, task: &Task, values: &Values) -> Vec<(String, String)> {
    let Some(each) = &task.rules().each else {
        return Vec::new();
    };
    let names = each.values();
    let vars = workflow.files.first().map_or(&[][..], |file| &file.vars);
    let declared = |name: &str| {
        let mut vars = vars.iter().chain(&task.vars);
        task.params.iter().any(|param| param.name == name) || vars.any(|var| var.name == name)
    };
    let picks = values.iter();
    let picks = picks.filter(|(name, _)| names.contains(name) && !declared(name));
    picks.cloned().collect()
}

fn read<'a>(
    values: &Values,
    wrong: &mut Vec<Wrong>,
    kind_of: impl Fn(&str) -> Option<Kind<'a>>,
) -> Given {
    let mut read: Given = Vec::new();
    for (at, (name, _)) in values.iter().enumerate() {
        if values[..at].iter().any(|(known, _)| known == name) {
            continue;
        }
        let Some(kind) = kind_of(name) else {
            continue;
        };
        let all = values.iter().filter(|(other, _)| other == name);
        let texts: Vec<&str> = all.map(|(_, text)| text.as_str()).collect();
        match typed(name, kind, &texts) {
            Ok(value) => read.push((name.clone(), value)),
            Err(Misfit { what, help }) => {
                let name = name.clone();
                let one = Wrong { name, what, help };
                if !wrong.contains(&one) {
                    wrong.push(one);
                }
            }
        }
    }
    read
}

fn typed(name: &str, kind: Kind<'_>, texts: &[&str]) -> Result<Data, Misfit> {
    match kind {
        Kind::Param(param) => param.read_texts(texts),
        Kind::Var(var) => kind_in_file(&var.value).of_texts(name, texts),
    }
}

/// A var keeps the type it has in the file; what is only known later is a text.
const fn kind_in_file(value: &VarValue) -> ParamKind {
    match value {
        VarValue::Data(Data::Int(_)) => ParamKind::Int,
        VarValue::Data(Data::Float(_) | Data::Number(_)) => ParamKind::Float,
        VarValue::Data(Data::Bool(_)) => ParamKind::Bool,
        VarValue::Data(Data::List(_)) => ParamKind::List,
        VarValue::Data(Data::Map(_)) => ParamKind::Map,
        _ => ParamKind::String,
    }
}
