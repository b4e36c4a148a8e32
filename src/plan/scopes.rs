//! What a step sees: its folder and its environment at once where nothing is to be evaluated, a scope where something is.

use std::path::{Component, Path, PathBuf};

use crate::model::language::{
    Action, Data, EnvVar, File, Profile, SecretFrom, Step, Task, Text, Var, VarValue, Workflow,
};
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

    /// The context of a step, and its scope where it needs one.
    pub(super) fn of_step(
        &mut self,
        task: &Task,
        step: &Step,
        command: &Text,
        given: &[(String, Data)],
        named: bool,
    ) -> Scoped {
        let number = task.place.file as usize;
        let file = &self.workflow.files[number];
        let dir = step.dir().or(task.dir.as_ref());
        let closed = !self.open[number]
            && task.dotenv.is_empty()
            && !any_template(&task.env)
            && !any_template(step.env())
            && !dir.is_some_and(Text::is_template)
            && !command.is_template();
        if closed {
            let dir = dir.map_or_else(|| file.dir.clone(), |dir| clean(&file.dir.join(&dir.text)));
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
        let mut vars = step.vars().to_vec();
        vars.extend(
            task.vars
                .iter()
                .filter(|var| !step.vars().iter().any(|own| own.name == var.name))
                .cloned(),
        );
        let slow = self.slow[number]
            || any_slow(&vars)
            || reads_git(command)
            || task
                .env
                .iter()
                .chain(step.env())
                .any(|variable| reads_git(&variable.value));
        let scope = Scope {
            task: task.name.clone(),
            file: task.place.file,
            given: given.to_vec(),
            params: task.params.clone(),
            vars,
            env: [step.env(), &task.env]
                .into_iter()
                .filter(|env| !env.is_empty())
                .map(<[EnvVar]>::to_vec)
                .collect(),
            dotenv: task.dotenv.clone(),
            dir: dir.cloned(),
            named,
        };
        let context = Context {
            dir: file.dir.clone(),
            env: Vec::new(),
            scope: Some(self.number(scope)),
        };
        Scoped {
            context,
            asks: slow,
        }
    }

    /// The scope of a task, whatever there is to evaluate in it.
    pub(super) fn of_task(&mut self, task: &Task, given: &[(String, Data)]) {
        let scope = Scope {
            task: task.name.clone(),
            file: task.place.file,
            given: given.to_vec(),
            params: task.params.clone(),
            vars: task.vars.clone(),
            env: vec![task.env.clone()],
            dotenv: task.dotenv.clone(),
            dir: task.dir.clone(),
            named: true,
        };
        self.number(scope);
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
                env.push((variable.name.clone(), variable.value.text.clone()));
            }
        }
        env
    }
}

/// Whether anything that a task may read mentions `args`.
pub(super) fn reads_args(workflow: &Workflow, task: &Task) -> bool {
    let file = workflow.file_of(task);
    let mentions = |text: &Text| text.is_template() && text.text.contains("args");
    let var = |var: &Var| match &var.value {
        VarValue::Data(data) => data_has(data, &mentions),
        VarValue::Sh(text) => mentions(text),
        VarValue::Ref(expression) => expression.text.contains("args"),
    };
    let command = |step: &Step| match &step.action {
        Action::Run(text) => mentions(text),
        _ => true,
    };
    let in_step = |step: &Step| {
        command(step)
            || step.vars().iter().any(var)
            || step.env().iter().any(|variable| mentions(&variable.value))
    };
    task.steps.iter().any(in_step)
        || task.vars.iter().chain(&file.vars).any(var)
        || task
            .env
            .iter()
            .chain(&file.env)
            .any(|variable| mentions(&variable.value))
        || task.dir.as_ref().is_some_and(mentions)
}

fn any_template(variables: &[EnvVar]) -> bool {
    variables
        .iter()
        .any(|variable| variable.value.is_template())
}

/// Whether a value of these may come from a command.
fn any_slow(vars: &[Var]) -> bool {
    vars.iter().any(|var| match &var.value {
        VarValue::Sh(_) => true,
        VarValue::Ref(expression) => expression.text.contains("git"),
        VarValue::Data(data) => data_reads_git(data),
    })
}

fn data_reads_git(data: &Data) -> bool {
    data_has(data, &reads_git)
}

fn data_has(data: &Data, wanted: &impl Fn(&Text) -> bool) -> bool {
    match data {
        Data::Text(text) => wanted(text),
        Data::List(items) => items.iter().any(|item| data_has(item, wanted)),
        Data::Map(entries) => entries.iter().any(|(_, value)| data_has(value, wanted)),
        _ => false,
    }
}

/// `git.…` is read by running git. A text that only looks like it is asked about for nothing.
fn reads_git(text: &Text) -> bool {
    text.is_template() && text.text.contains("git")
}

/// Without `.` and `..`, and without asking the file system.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            other => clean.push(other),
        }
    }
    clean
}
