//! One file as it was read: names are not resolved yet, and nothing of YAML is left but the bytes to underline.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use crate::diagnostic::{Diagnostic, Found, Source};
use crate::model::language::{
    EnvVar, Loop, On, OnLost, Place, Profile, Retry, Secret, Setting, Task, Text, Trigger, Var,
};

/// A file, with what was found wrong in it so far.
pub(super) struct Raw {
    pub(super) source: Source,
    pub(super) found: Found,
    pub(super) path: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) name: Option<String>,
    pub(super) desc: Option<String>,
    pub(super) meta: Vec<(String, String)>,
    pub(super) vars: Vec<Var>,
    pub(super) env: Vec<EnvVar>,
    pub(super) dotenv: Vec<Text>,
    pub(super) secrets: Vec<Secret>,
    pub(super) profiles: Vec<Profile>,
    pub(super) includes: Vec<Include>,
    pub(super) tasks: Vec<RawTask>,
    pub(super) triggers: Vec<RawTrigger>,
    pub(super) reads: Vec<Read>,
    pub(super) placed: Vec<Placed>,
}

/// An entry of `includes`.
pub(super) struct Include {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) span: Range<usize>,
    pub(super) with: Vec<Var>,
    pub(super) optional: bool,
    /// Its tasks stand among those of the file that includes it.
    pub(super) flatten: bool,
    /// Names and globs of tasks that do not come along, and where they stand.
    pub(super) excludes: Vec<(String, Range<usize>)>,
    /// The folder that its tasks run in, relative to the file that includes it.
    pub(super) dir: Option<String>,
}

/// A task whose dependencies are names.
pub(super) struct RawTask {
    /// All that is known; `name` and `aliases` are those of the file.
    pub(super) task: Box<Task>,
    pub(super) written: Written,
}

/// A trigger whose task is a name.
pub(super) struct RawTrigger {
    /// All that is known; `name` is that of the file.
    pub(super) trigger: Trigger,
    pub(super) name_span: Range<usize>,
    /// Where its values stand.
    pub(super) value_spans: Vec<Range<usize>>,
    /// The task.
    pub(super) run: RawNeed,
}

/// What a task says of names, and where.
pub(super) struct Written {
    pub(super) name_span: Range<usize>,
    pub(super) alias_spans: Vec<Range<usize>>,
    pub(super) needs: Vec<RawNeed>,
    /// The tasks that it comes after.
    pub(super) after: Vec<RawNeed>,
    /// The tasks that its steps call; the calls among the steps have their numbers here.
    pub(super) calls: Vec<RawNeed>,
    /// Where its locks stand.
    pub(super) lock_spans: Vec<Range<usize>>,
}

/// A name of another task, in `depends_on` or in a step.
#[derive(Clone)]
pub(super) struct RawNeed {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    /// Where the alias or the merge key stands that brings it in.
    pub(super) used: Option<Range<usize>>,
    pub(super) place: Place,
    pub(super) on: On,
    pub(super) vars: Vec<Var>,
    pub(super) each: Option<Loop>,
}

/// What holds for tasks that don't say otherwise.
#[derive(Default)]
pub(super) struct Defaults {
    pub(super) shell: Option<Text>,
    pub(super) timeout: Option<Setting<Duration>>,
    pub(super) retry: Option<Retry>,
    pub(super) interactive: bool,
    pub(super) on_lost: OnLost,
    /// The keys that every task with steps is to have.
    pub(super) require: Vec<&'static str>,
    /// Of tasks that generate files.
    pub(super) cache: Option<bool>,
}

/// A name that a template or an expression reads.
pub(super) struct Read {
    /// `["env", "HOME"]`, as far as it is known.
    pub(super) path: Vec<String>,
    /// Its bytes in the file.
    pub(super) span: Range<usize>,
    /// Where the alias or the merge key stands that brings it in.
    pub(super) used: Option<Range<usize>>,
    pub(super) owner: Owner,
    /// The var that it is part of.
    pub(super) var: Option<String>,
    /// Text of it may become part of what is made.
    pub(super) flows: bool,
}

/// A value in a command, with what there is to say if it is text from outside.
pub(super) struct Placed {
    /// Its bytes in the file.
    pub(super) span: Range<usize>,
    /// Where the alias or the merge key stands that brings it in.
    pub(super) used: Option<Range<usize>>,
    pub(super) owner: Owner,
    /// The names whose text may stand there.
    pub(super) names: Vec<String>,
    /// Why no text from outside can stand there.
    pub(super) refused: Option<Diagnostic>,
    /// It is a name alone, outside quotes.
    pub(super) bare: bool,
}

/// Where a text stands, which decides what it sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// The file.
    File,
    /// `with` of an include, which sees what the file sees.
    With,
    /// A profile.
    Profile,
    /// The task with this number in the file.
    Task(usize),
}

impl Raw {
    /// Takes tasks out; what is known of the others is found by their new numbers.
    pub(super) fn remove_tasks(&mut self, out: &[bool]) {
        let mut next = 0;
        let numbers: Vec<Option<usize>> = out
            .iter()
            .map(|out| {
                (!out).then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        let mut stays = out.iter().map(|out| !out);
        self.tasks.retain(|_| stays.next().unwrap_or(true));
        let renumber = |owner: &mut Owner| match owner {
            Owner::Task(number) => match numbers.get(*number).copied() {
                Some(Some(new)) => {
                    *number = new;
                    true
                }
                Some(None) => false,
                None => true,
            },
            _ => true,
        };
        self.reads.retain_mut(|read| renumber(&mut read.owner));
        self.placed.retain_mut(|placed| renumber(&mut placed.owner));
    }
}
