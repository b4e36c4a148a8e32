//! What a step sees: its folder and its environment at once where nothing is to be evaluated, a scope where something is.

use super::instances::Instance;
use crate::model::language::{
    Action, EnvVar, File, Profile, SecretFrom, Step, Task, Text, Var, VarValue, Workflow,
};
use crate::model::path::clean;
use crate::model::plan::{Context, Scope};

/// What a step sees.
pub(super) struct Scoped {
    pub(super) context: Context,
    /// Evaluating it may take a while: a command is run for a value.
    pub(super) asks: bool,
}

/// The scopes of a plan.
pub(super) struct Scopes<'a> {
    workflow: &'a Workflow,
    profile: Option<&'a Profile>,
    /// Whether evaluating anything in a file may run a command, by the file's number.
    slow: Vec<bool>,
    /// Whether the environment of a file is to be evaluated.
    open: Vec<bool>,
    pub(super) list: Vec<Scope>,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(workflow: &'a Workflow, profile: Option<&'a Profile>) -> Self {
        let mut scopes = Self {
            workflow,
            profile,
            slow: Vec::new(),
            open: Vec::new(),
            list: Vec::new(),
        };
        // A file comes after the one that includes it.
        for (number, file) in workflow.files.iter().enumerate() {
            let (slow, open) = (scopes.is_slow(number, file), scopes.is_open(number, file));
            scopes.slow.push(slow);
            scopes.open.push(open);
        }
        scopes
    }

    /// The profile that was chosen.
    pub(super) const fn profile(&self) -> Option<&'a Profile> {
        self.profile
    }

    fn profile_of(&self, file: usize) -> Option<&'a Profile> {
        self.profile.filter(|_| file == 0)
    }

    fn is_slow(&self, number: usize, file: &File) -> bool {
        let parent = file.parent.is_some_and(|parent| self.slow[parent as usize]);
        let profile = self.profile_of(number);
        let secret = file
            .secrets
            .iter()
            .any(|secret| matches!(secret.from, SecretFrom::Sh(_)));
        parent
            || secret
            || any_slow(&file.vars)
            || any_slow(&file.with)
            || file.env.iter().any(|variable| reads_git(&variable.value))
            || profile.is_some_and(|profile| any_slow(&profile.vars))
    }

    fn is_open(&self, number: usize, file: &File) -> bool {
        let parent = file.parent.is_some_and(|parent| self.open[parent as usize]);
        let profile = self
            .profile_of(number)
            .is_some_and(|profile| any_template(&profile.env));
        parent || profile || any_template(&file.env) || !file.dotenv.is_empty()
    }

    /// The context of a command, and its scope where it needs one; `texts` are those of the command itself.
    pub(super) fn of_work(&mut self, seen: &Instance<'_>, step: &Step, texts: &[&Text]) -> Scoped {
        let task = seen.task;
        let number = task.place.file as usize;
        let file = &self.workflow.files[number];
        let dir = step.dir().or(task.dir.as_ref());
        let closed = !self.open[number]
            && task.dotenv.is_empty()
            && !any_template(&task.env)
            && !any_template(step.env())
            && !dir.is_some_and(Text::is_template)
            && !texts.iter().any(|text| text.is_template());
        if closed {
            let dir = dir.map_or_else(|| file.dir.clone(), |dir| clean(&file.dir.join(&*dir.text)));
            let context = Context {
                dir,
                env: self.environment(number, task, step),
                scope: None,
            };
            return Scoped {
                context,
                asks: false,
            };
        }
        let called = seen.call.as_ref();
        let slow = self.slow[number]
            || any_slow(step.vars())
            || any_slow(&task.vars)
            || called.is_some_and(|call| any_slow(&call.vars))
            || texts.iter().any(|text| reads_git(text))
            || task
                .env
                .iter()
                .chain(step.env())
                .any(|variable| reads_git(&variable.value));
        let context = Context {
            dir: file.dir.clone(),
            env: Vec::new(),
            scope: Some(self.of_step(seen, Some(step))),
        };
        Scoped {
            context,
            asks: slow,
        }
    }

    /// The context of the files that a task reads and makes, and of the commands that say whether it has to run.
    pub(super) fn of_files(&mut self, seen: &Instance<'_>, texts: &[&Text]) -> Scoped {
        let none = Text::plain("", seen.task.place);
        self.of_work(seen, &Step::command(none), texts)
    }

    /// The scope of a task, or of one step of it.
    pub(super) fn of_step(&mut self, seen: &Instance<'_>, step: Option<&Step>) -> u32 {
        let task = seen.task;
        let own = step.filter(|step| !matches!(step.action, Action::Task(_)));
        let mut vars = own.map_or_else(Vec::new, |step| step.vars().to_vec());
        let hidden: Vec<String> = vars.iter().map(|var| var.name.clone()).collect();
        let of_task = task.vars.iter().filter(|var| !hidden.contains(&var.name));
        vars.extend(of_task.cloned());
        let env = [step.map_or(&[][..], Step::env), &task.env];
        let dir = step.and_then(Step::dir).or(task.dir.as_ref());
        let scope = Scope {
            task: task.name.clone(),
            file: task.place.file,
            given: seen.given.clone(),
            item: seen.item.clone(),
            params: task.params.clone(),
            vars,
            env: env
                .into_iter()
                .filter(|env| !env.is_empty())
                .map(<[EnvVar]>::to_vec)
                .collect(),
            dotenv: task.dotenv.clone(),
            dir: dir.cloned(),
            named: seen.named,
            call: seen.call.clone(),
            loops: seen.loops.clone(),
            results: seen.results,
        };
        self.number(scope)
    }

    /// The steps of a task usually see the same.
    fn number(&mut self, scope: Scope) -> u32 {
        if self.list.last() != Some(&scope) {
            self.list.push(scope);
        }
        u32::try_from(self.list.len() - 1).expect("a plan has fewer scopes than u32 counts")
    }

    /// The environment where nothing of it is to be evaluated: of a name the strongest counts.
    fn environment(&self, file: usize, task: &Task, step: &Step) -> Vec<(String, String)> {
        let mut levels: Vec<&[EnvVar]> = vec![step.env(), &task.env];
        let mut at = Some(file);
        while let Some(number) = at {
            let file = &self.workflow.files[number];
            levels.extend(self.profile_of(number).map(|profile| &profile.env[..]));
            levels.push(&file.env);
            at = file.parent.map(|parent| parent as usize);
        }
        let mut env: Vec<(String, String)> = Vec::new();
        for variable in levels.into_iter().flatten() {
            if !env.iter().any(|(name, _)| *name == variable.name) {
                env.push((variable.name.clone(), variable.value.text.to_string()));
            }
        }
        env
    }
}

/// Whether anything that a task may read reads `args`.
pub(super) fn reads_args(workflow: &Workflow, task: &Task) -> bool {
    let file = workflow.file_of(task);
    let is_args = |name: &str, _: &[String]| name == "args";
    file.vars.iter().any(|var| var.reads(is_args))
        || file
            .env
            .iter()
            .any(|variable| variable.value.reads.any(is_args))
        || task.reads(is_args)
}

fn any_template(variables: &[EnvVar]) -> bool {
    variables
        .iter()
        .any(|variable| variable.value.is_template())
}

/// Whether a value of these may come from a command.
fn any_slow(vars: &[Var]) -> bool {
    vars.iter()
        .any(|var| matches!(var.value, VarValue::Sh(_)) || var.reads(is_git))
}

/// `git.…` is read by running git.
fn is_git(name: &str, _: &[String]) -> bool {
    name == "git"
}

fn reads_git(text: &Text) -> bool {
    text.reads.any(is_git)
}
