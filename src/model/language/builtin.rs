//! The names that expressions can read without anybody declaring them, in one table: the reader of files checks names by it,
//! `eval` gives each its value, and docs/reference/names.md is made from it.

/// A built-in name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum BuiltIn {
    Arch,
    Args,
    Cpus,
    Env,
    Error,
    File,
    Flow,
    Git,
    Os,
    Outputs,
    Project,
    Run,
    Secrets,
    Steps,
    Tasks,
}

/// A member of a name, and what it is.
pub type Member = (&'static str, &'static str);

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// Which it is.
    pub is: BuiltIn,
    /// What it is called.
    pub name: &'static str,
    /// Its members, where every file has the same.
    pub members: &'static [Member],
    /// What it is, or what its members are.
    pub meaning: &'static str,
    /// Where it can be read, if not everywhere.
    pub only_in: Option<&'static str>,
}

/// All of them.
pub static BUILT_IN: [Row; 15] = [
    row(
        BuiltIn::Arch,
        "arch",
        &[],
        "the processor of this machine: `x86_64`, `aarch64`",
    ),
    row(
        BuiltIn::Args,
        "args",
        &[],
        "the list of what follows `--` on the command line, for the tasks named there",
    ),
    row(
        BuiltIn::Cpus,
        "cpus",
        &[],
        "how many commands this machine can run at once",
    ),
    row(
        BuiltIn::Env,
        "env",
        &[],
        "environment variables: `env.HOME`",
    ),
    Row {
        only_in: Some("in 'on_failure' and 'finally'"),
        ..row(
            BuiltIn::Error,
            "error",
            &[
                ("message", "what went wrong"),
                (
                    "exit_code",
                    "the exit status of the command, if it was one that failed",
                ),
                ("task", "the task that failed"),
                ("step", "the step that failed"),
            ],
            "what went wrong; none when nothing did",
        )
    },
    row(
        BuiltIn::File,
        "file",
        &[
            ("path", "the path of the Workflowfile"),
            ("dir", "its folder"),
        ],
        "the Workflowfile that it is read in",
    ),
    row(
        BuiltIn::Flow,
        "flow",
        &[],
        "the built-in names, also where the file has another of that name: `flow.os`",
    ),
    row(
        BuiltIn::Git,
        "git",
        &[
            ("sha", "the commit"),
            ("short_sha", "the commit, shortened"),
            ("branch", "the branch; empty when none is checked out"),
            ("tag", "the tag of the commit; empty when it has none"),
            ("dirty", "whether there is something to commit"),
        ],
        "the git repository that the file is in",
    ),
    row(
        BuiltIn::Os,
        "os",
        &[],
        "the operating system: `linux`, `macos`",
    ),
    row(
        BuiltIn::Outputs,
        "outputs",
        &[],
        "what the task has handed on so far: `outputs.version`",
    ),
    row(
        BuiltIn::Project,
        "project",
        &[
            ("name", "its name; without one that of its folder"),
            ("desc", "what it is"),
            ("dir", "its folder"),
            ("meta", "what 'meta' says: `project.meta.owner`"),
        ],
        "what the root file says of itself",
    ),
    row(
        BuiltIn::Run,
        "run",
        &[
            ("id", "its id"),
            ("started_at", "when it began, RFC 3339 in UTC"),
            ("cwd", "the folder in which flow was called"),
            (
                "trigger",
                "the [trigger](../triggers.md) that started it; empty without one",
            ),
            (
                "scheduled_at",
                "the time that it is for, RFC 3339 in UTC; empty where no time started it",
            ),
        ],
        "this run",
    ),
    row(
        BuiltIn::Secrets,
        "secrets",
        &[],
        "the secrets of the file: `secrets.TOKEN`",
    ),
    row(
        BuiltIn::Steps,
        "steps",
        &[],
        "the result of a step of this task that has ended: `steps.NAME.outputs.X`",
    ),
    row(
        BuiltIn::Tasks,
        "tasks",
        &[],
        "the result of a task that has surely run before: `tasks.NAME.outputs.X`",
    ),
];

/// The members of `steps.NAME` and `tasks.NAME`.
pub const RESULT: [Member; 7] = [
    (
        "status",
        "`completed`, `failed`, `skipped`, `up_to_date`, `blocked`, `cancelled` or `interrupted`",
    ),
    ("exit_code", "the exit status of its last command"),
    (
        "stdout",
        "what its last command printed, without the newlines at the end",
    ),
    ("stderr", "the same for stderr"),
    ("outputs", "what it handed on: `tasks.NAME.outputs.X`"),
    ("duration", "how long it took, in seconds"),
    (
        "runs",
        "of a task with 'for': the list of these for each item, each with its `item`",
    ),
];

const fn row(
    is: BuiltIn,
    name: &'static str,
    members: &'static [Member],
    meaning: &'static str,
) -> Row {
    Row {
        is,
        name,
        members,
        meaning,
        only_in: None,
    }
}

impl BuiltIn {
    /// The row of this name.
    pub fn row(name: &str) -> Option<&'static Row> {
        BUILT_IN.iter().find(|row| row.name == name)
    }

    /// The name itself, if it is one.
    pub fn of(name: &str) -> Option<Self> {
        Self::row(name).map(|row| row.is)
    }

    /// Whether it is what steps or tasks have handed on or come to.
    pub const fn is_result(self) -> bool {
        matches!(self, Self::Steps | Self::Tasks | Self::Outputs)
    }

    /// Whether it is another in each run, or made by the task that reads it.
    pub const fn is_of_this_run(self) -> bool {
        matches!(self, Self::Steps | Self::Outputs | Self::Error | Self::Run)
    }
}

/// Whether a result has such a member.
pub fn has_result(member: &str) -> bool {
    RESULT.iter().any(|(known, _)| *known == member)
}
