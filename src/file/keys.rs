//! All keys of the language in one table, and what other tools call them.
//!
//! The reader, the schema and the documentation are made from it, so a key that is not here does not exist. It says where
//! a key stands and which part of flow builds it; it refuses to know what the values look like.

/// A kind of map that has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The file itself.
    File,
    /// `defaults`
    Defaults,
    /// A task.
    Task,
    /// A step that is a map.
    Step,
    /// An item of `depends_on` that is a map.
    Dependency,
    /// An item of `includes` that is a map.
    Include,
    /// An item of `params` that is a map.
    Param,
    /// A var whose value is worked out.
    Value,
    /// An item of `secrets`.
    Secret,
    /// An item of `profiles`.
    Profile,
    /// `for`
    Loop,
    /// An item of `preconditions` or `verify` that is a map.
    Condition,
    /// `retry`
    Retry,
    /// `wait`
    Wait,
    /// An item of `sources` that is a map.
    Source,
    /// An item of `locks` that is a map.
    Lock,
    /// `approval`
    Approval,
    /// `rollback`
    Rollback,
    /// `service`
    Service,
    /// An item of `triggers`.
    Trigger,
}

/// The part of flow that builds a key; until then using it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Tasks with commands and dependencies.
    Core,
    /// The whole shape of the file, and expressions.
    File,
    /// Everything around running a step.
    Execution,
    /// What is up to date, and the cache.
    Incremental,
    /// What survives a crash.
    Durable,
    /// What starts by itself.
    Triggers,
    /// Whatever comes after that.
    Later,
}

/// The parts that this version has.
pub const BUILT: &[Part] = &[
    Part::Core,
    Part::File,
    Part::Execution,
    Part::Incremental,
    Part::Durable,
    Part::Triggers,
];

/// Whether this version has what a key stands for.
pub fn is_built(key: &Key) -> bool {
    BUILT.contains(&key.part)
}

/// A key of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Where it stands.
    pub scope: Scope,
    /// The part that builds it.
    pub part: Part,
    /// What its value looks like; none as long as the part that builds it is not there.
    pub shape: Option<Shape>,
    /// What holds without it; empty where nothing does.
    pub default: &'static str,
    /// A value, in YAML.
    pub example: &'static str,
    /// What it is for, in a line.
    pub meaning: &'static str,
}

/// What the value of a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The version of the format.
    Version,
    /// A text; numbers and booleans as they are written.
    Text,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A text or a list of texts.
    Texts,
    /// A pattern of files or a list of them.
    Patterns,
    /// A name of a task or a list of them.
    Names,
    /// A step or a list of steps.
    Steps,
    /// Names with values of any type, or with `sh` or `ref`.
    Vars,
    /// Names with texts.
    Env,
    /// Patterns of files, or maps with one that need not match.
    Sources,
    /// Locks: names, or maps.
    Locks,
    /// Names with texts that are never templates.
    Meta,
    /// A list of texts.
    Words,
    /// The name of a task.
    TaskName,
    /// A list of steps.
    StepList,
    /// An expression, or `{sh: command}`.
    Condition,
    /// An expression.
    Expression,
    /// A check or a list of them: expressions, or maps with a condition and a message.
    Checks,
    /// A number with its unit: `500ms`, `5s`, `1h30m`.
    Duration,
    /// A whole number of at least this.
    Count(u32),
    /// A whole number from 0 to 255, or a list of them.
    ExitCodes,
    /// `fixed`, `linear`, `exponential`, or a factor.
    Backoff,
    /// `true`, `false`, or how many.
    Parallel,
    /// A number of tries, or a map.
    Retry,
    /// A list, an expression that gives one, or a map.
    Loop,
    /// A duration, or a map with `until`.
    Wait,
    /// Two numbers, or templates for them.
    Range,
    /// Names with lists, or expressions that give one.
    Axes,
    /// Maps with values.
    Combinations,
    /// Names with expressions.
    Outputs,
    /// Names with values of any type.
    Datas,
    /// Any value.
    Any,
    /// A map with these keys.
    Object(Scope),
    /// Names with values that have these keys, or their short forms.
    Map(Scope),
}

/// A key of another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// As other tools write it, with `_` between its parts.
    pub word: &'static str,
    /// Where it would stand.
    pub scope: Scope,
    /// Our key for it, which stands at the same place; empty where none does.
    pub ours: &'static str,
    /// What to write, where that is more than our key.
    pub write: &'static str,
}

/// The key of this name at this place.
pub fn find(scope: Scope, name: &str) -> Option<&'static Key> {
    KEYS.iter()
        .find(|key| key.scope == scope && key.name == name)
}

/// Our key for what another tool calls so; `workingDirectory` and `working-directory` are the same word.
pub fn translate(scope: Scope, word: &str) -> Option<&'static Key> {
    find(scope, foreign(scope, word)?.ours)
}

/// What is known of a word of another tool.
pub fn foreign(scope: Scope, word: &str) -> Option<&'static Word> {
    let word = snake(word);
    FOREIGN
        .iter()
        .find(|entry| entry.scope == scope && entry.word == word)
}

fn snake(word: &str) -> String {
    let mut snake = String::with_capacity(word.len());
    let mut lower = false;
    for c in word.chars() {
        if lower && c.is_ascii_uppercase() {
            snake.push('_');
        }
        lower = c.is_ascii_lowercase();
        snake.push(if c == '-' {
            '_'
        } else {
            c.to_ascii_lowercase()
        });
    }
    snake
}

/// Whether a key at the top of the file is free for anchors and for other programs.
pub fn is_free(name: &str) -> bool {
    name.starts_with("x-") || name.starts_with('.')
}

const fn built(
    name: &'static str,
    scope: Scope,
    part: Part,
    shape: Shape,
    default: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        name,
        scope,
        part,
        shape: Some(shape),
        default,
        example,
        meaning,
    }
}

const fn later(name: &'static str, scope: Scope, part: Part, meaning: &'static str) -> Key {
    Key {
        name,
        scope,
        part,
        shape: None,
        default: "",
        example: "",
        meaning,
    }
}

const fn word(word: &'static str, scope: Scope, ours: &'static str) -> Word {
    Word {
        word,
        scope,
        ours,
        write: "",
    }
}

/// A word that stands for something else than a key of ours by its name alone.
const fn as_written(
    word: &'static str,
    scope: Scope,
    ours: &'static str,
    write: &'static str,
) -> Word {
    Word {
        word,
        scope,
        ours,
        write,
    }
}

/// Every key: name, place, part, and for those that are built shape, default and example; what it means.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    built("version", Scope::File, Part::Core, Shape::Version, "1", "1", "the version of the file format: 1"),
    built("name", Scope::File, Part::Core, Shape::Text, "", "shop", "the name of the project"),
    built("desc", Scope::File, Part::Core, Shape::Text, "", "All that the shop needs", "what the file is for"),
    built("tasks", Scope::File, Part::Core, Shape::Map(Scope::Task), "", "{build: cargo build}", "the tasks, by name"),
    built("includes", Scope::File, Part::File, Shape::Map(Scope::Include), "none", "{web: web}", "other files whose tasks are used under a namespace"),
    built("root", Scope::File, Part::File, Shape::Text, "the folder of this file", "..", "in a file that another includes: the folder of that one, which keeps the record, the locks and the fingerprints of both"),
    built("vars", Scope::File, Part::File, Shape::Vars, "none", "{image: shop, version: {sh: git describe}}", "values that tasks can read"),
    built("meta", Scope::File, Part::File, Shape::Meta, "none", "{purpose: \"the shop's backend\", owner: ada}", "what else people and programs should know of it"),
    built("env", Scope::File, Part::File, Shape::Env, "none", "{RUST_LOG: info}", "environment variables of all tasks"),
    built("dotenv", Scope::File, Part::File, Shape::Texts, "none", ".env", "files with environment variables"),
    built("profiles", Scope::File, Part::File, Shape::Map(Scope::Profile), "none", "{staging: {vars: {image: shop-staging}}}", "named sets of vars and env"),
    built("secrets", Scope::File, Part::File, Shape::Map(Scope::Secret), "none", "{TOKEN: {env: REGISTRY_TOKEN}}", "values that are masked wherever they would be shown"),
    built("defaults", Scope::File, Part::File, Shape::Object(Scope::Defaults), "none", "{}", "task keys that hold for every task"),
    built("triggers", Scope::File, Part::Triggers, Shape::Map(Scope::Trigger), "none", "{nightly: {cron: 0 2 * * *, run: backup}}", "what starts runs by itself: times and changed files"),
    later("hooks", Scope::File, Part::Later, "steps around every run"),
    later("notify", Scope::File, Part::Later, "who is notified when a run ends"),
    later("alerts", Scope::File, Part::Later, "conditions that are reported"),
    later("agents", Scope::File, Part::Later, "the agents that steps can ask"),
    later("store", Scope::File, Part::Later, "where runs are recorded"),
    built("shell", Scope::Defaults, Part::Execution, Shape::Text, "sh -e", "bash -euo pipefail", "the shell of all tasks"),
    built("timeout", Scope::Defaults, Part::Execution, Shape::Duration, "none", "10m", "how long one attempt of a task may take"),
    built("retry", Scope::Defaults, Part::Execution, Shape::Retry, "1", "2", "how often a failed task is tried"),
    built("interactive", Scope::Defaults, Part::Execution, Shape::Bool, "false", "true", "whether tasks have the terminal to themselves"),
    built("require", Scope::Defaults, Part::File, Shape::Texts, "none", "[desc, verify]", "task keys that every task with `run` is to have; `flow validate` warns of those that lack one"),
    built("cache", Scope::Defaults, Part::Incremental, Shape::Bool, "false", "true", "whether tasks that generate files keep them in the cache"),
    later("output", Scope::Defaults, Part::Later, "how output is shown"),
    built("on_lost", Scope::Defaults, Part::Durable, Shape::Word(&["retry", "fail"]), "retry", "fail", "what resume does with a command that ran when flow was killed: retry or fail"),
    later("rollback", Scope::Defaults, Part::Later, "steps that undo a task"),
    built("desc", Scope::Task, Part::Core, Shape::Text, "", "Build the image", "what the task is for; the first line is shown in lists"),
    built("run", Scope::Task, Part::Core, Shape::Steps, "", "[cargo build, cargo doc]", "the work: a step or a list of steps"),
    built("depends_on", Scope::Task, Part::Core, Shape::Names, "none", "[build, \"test:*\"]", "the tasks that must have happened before"),
    built("after", Scope::Task, Part::Execution, Shape::Names, "none", "[migrate, \"test:*\"]", "the tasks that it waits for when they are part of the run: order, and nothing more"),
    built("dir", Scope::Task, Part::Core, Shape::Text, "the folder of the file", "web", "the folder the steps run in, relative to the file"),
    built("env", Scope::Task, Part::Core, Shape::Env, "none", "{CI: 1}", "environment variables of the steps"),
    built("params", Scope::Task, Part::File, Shape::Map(Scope::Param), "none", "{tag: {default: latest}}", "typed arguments"),
    built("vars", Scope::Task, Part::File, Shape::Vars, "none", "{flags: --release}", "values that the task can read"),
    built("dotenv", Scope::Task, Part::File, Shape::Texts, "none", "[.env.test]", "files with environment variables"),
    built("platforms", Scope::Task, Part::File, Shape::Texts, "everywhere", "[linux, macos/aarch64]", "the systems that the task runs on"),
    built("aliases", Scope::Task, Part::File, Shape::Names, "none", "[b]", "other names of the task"),
    built("internal", Scope::Task, Part::File, Shape::Bool, "false", "true", "whether the task is hidden and can only be used by others"),
    built("hidden", Scope::Task, Part::File, Shape::Bool, "false", "true", "whether it is left out of lists; it can be called all the same"),
    built("meta", Scope::Task, Part::File, Shape::Meta, "none", "{owner: ops, last_audited: 2026-11-01}", "what else people and programs should know of it"),
    built("group", Scope::Task, Part::File, Shape::Text, "", "Release", "the heading that it is listed below"),
    later("output", Scope::Task, Part::Later, "how its output is shown"),
    built("shell", Scope::Task, Part::Execution, Shape::Text, "sh -e", "bash -euo pipefail", "the shell of its commands"),
    built("if", Scope::Task, Part::Execution, Shape::Condition, "", "\"env.CI == 'true'\"", "when false the task is skipped"),
    built("for", Scope::Task, Part::Execution, Shape::Loop, "", "[linux, macos]", "one instance for each item"),
    built("preconditions", Scope::Task, Part::Execution, Shape::Checks, "none", "[{sh: which docker, message: install docker}]", "what must hold before its steps"),
    built("timeout", Scope::Task, Part::Execution, Shape::Duration, "none", "10m", "how long one attempt may take"),
    built("retry", Scope::Task, Part::Execution, Shape::Retry, "1", "{attempts: 3, delay: 1s, backoff: exponential}", "how often it is tried"),
    built("ignore_error", Scope::Task, Part::Execution, Shape::Bool, "false", "true", "whether a failure counts as success for others"),
    built("confirm", Scope::Task, Part::Execution, Shape::Text, "", "Deploy to production?", "a question asked before anything runs"),
    built("verify", Scope::Task, Part::Execution, Shape::Checks, "none", "{sh: test -s dist/app}", "checks after the steps"),
    built("on_success", Scope::Task, Part::Execution, Shape::Steps, "none", "echo it worked", "steps after it has succeeded"),
    built("on_failure", Scope::Task, Part::Execution, Shape::Steps, "none", "\"echo {{ error.message }}\"", "steps after its last attempt has failed"),
    built("finally", Scope::Task, Part::Execution, Shape::Steps, "none", "rm -rf tmp", "steps that run in any case"),
    built("outputs", Scope::Task, Part::Execution, Shape::Outputs, "none", "{digest: steps.push.stdout}", "values that others can read"),
    built("interactive", Scope::Task, Part::Execution, Shape::Bool, "false", "true", "whether it has flow's stdin and the terminal to itself"),
    built("stdin", Scope::Task, Part::Execution, Shape::Bool, "false", "true", "whether its commands read flow's stdin, one after another"),
    built("silent", Scope::Task, Part::Execution, Shape::Bool, "false", "true", "whether its commands are not shown"),
    built("label", Scope::Task, Part::Execution, Shape::Text, "", "send {{ message }}", "what is shown, once, in the place of its commands"),
    built("sources", Scope::Task, Part::Incremental, Shape::Sources, "", "[\"src/**/*.c\", \"!src/gen/**\"]", "the files it reads: it runs when they have changed"),
    built("generates", Scope::Task, Part::Incremental, Shape::Texts, "none", "dist/app", "the files it makes: it runs when they are not as it left them"),
    built("status", Scope::Task, Part::Incremental, Shape::Texts, "none", "test -d node_modules", "commands that all succeed when it need not run"),
    built("depfile", Scope::Task, Part::Incremental, Shape::Text, "none", "obj/main.d", "a rule in make's syntax that its commands write: the files that it names are sources too"),
    built("cache", Scope::Task, Part::Incremental, Shape::Bool, "false", "true", "whether what it generates is kept in the cache, and restored from there"),
    built("on_lost", Scope::Task, Part::Durable, Shape::Word(&["retry", "fail"]), "retry", "fail", "what resume does with a command that ran when flow was killed: retry or fail"),
    built("locks", Scope::Task, Part::Durable, Shape::Locks, "", "[db]", "what it must have for itself while it runs, in all runs of the project: names, or maps"),
    built("durable", Scope::Task, Part::Durable, Shape::Bool, "false", "true", "whether each fact of the run is on the disk before the next thing begins"),
    built("watch", Scope::Task, Part::Triggers, Shape::Patterns, "none", "[\"web/**/*.html\"]", "further files: when one changes, `flow watch` runs the task again"),
    later("approval", Scope::Task, Part::Later, "who must agree before its steps"),
    later("rollback", Scope::Task, Part::Later, "steps that undo it"),
    later("service", Scope::Task, Part::Later, "a process that keeps running for others"),
    built("run", Scope::Step, Part::Execution, Shape::Text, "", "cargo test", "a command or script"),
    built("argv", Scope::Step, Part::Execution, Shape::Words, "", "[git, commit, -m, \"{{ message }}\"]", "a program and its arguments, without a shell"),
    built("task", Scope::Step, Part::Execution, Shape::TaskName, "", "build", "another task, called now"),
    built("then", Scope::Step, Part::Execution, Shape::Steps, "", "echo yes", "steps when the condition holds"),
    built("else", Scope::Step, Part::Execution, Shape::Steps, "none", "echo no", "steps when it does not"),
    built("parallel", Scope::Step, Part::Execution, Shape::StepList, "", "[make web, make api]", "steps at the same time"),
    built("wait", Scope::Step, Part::Execution, Shape::Wait, "", "{until: {sh: curl -sf localhost}, timeout: 1m}", "a duration, or a condition to wait for"),
    built("set", Scope::Step, Part::Execution, Shape::Datas, "", "{version: \"1.2\"}", "outputs to set"),
    built("name", Scope::Step, Part::Execution, Shape::Text, "", "push", "the name of the step"),
    built("desc", Scope::Step, Part::File, Shape::Text, "", "Send it to the registry", "what the step is for; `flow help TASK` shows it"),
    built("if", Scope::Step, Part::Execution, Shape::Condition, "", "os == 'linux'", "when false the step is skipped"),
    built("for", Scope::Step, Part::Execution, Shape::Loop, "", "{glob: \"data/*.json\", parallel: 4}", "one step for each item"),
    built("vars", Scope::Step, Part::Execution, Shape::Vars, "none", "{port: 80}", "values that the step can read"),
    built("env", Scope::Step, Part::Execution, Shape::Env, "none", "{CI: 1}", "environment variables of the step"),
    built("dir", Scope::Step, Part::Execution, Shape::Text, "that of the task", "web", "the folder it runs in"),
    built("shell", Scope::Step, Part::Execution, Shape::Text, "that of the task", "python3", "the shell of its command"),
    built("timeout", Scope::Step, Part::Execution, Shape::Duration, "none", "30s", "how long one try may take"),
    built("retry", Scope::Step, Part::Execution, Shape::Retry, "1", "3", "how often it is tried"),
    built("ignore_error", Scope::Step, Part::Execution, Shape::Bool, "false", "true", "whether a failure is passed over"),
    built("silent", Scope::Step, Part::Execution, Shape::Bool, "that of the task", "true", "whether its command is not shown"),
    built("label", Scope::Step, Part::Execution, Shape::Text, "that of the task", "send {{ message }}", "what is shown in the place of its command"),
    built("leave_running", Scope::Step, Part::Execution, Shape::Bool, "false", "true", "whether processes that it leaves behind go on after the run"),
    built("wait_for", Scope::Step, Part::Execution, Shape::Word(&["all", "any", "first"]), "all", "any", "which of the parallel steps decide: all, any or first"),
    built("max_parallel", Scope::Step, Part::Execution, Shape::Count(1), "all", "4", "how many parallel steps run at once"),
    built("stop_on_failure", Scope::Step, Part::Execution, Shape::Bool, "false", "true", "whether a failure ends the others"),
    built("on_lost", Scope::Step, Part::Durable, Shape::Word(&["retry", "fail"]), "that of the task", "fail", "what resume does when flow was killed while it ran: retry or fail"),
    later("http", Scope::Step, Part::Later, "a request"),
    later("health_check", Scope::Step, Part::Later, "a check that a service is well"),
    later("monitor", Scope::Step, Part::Later, "a check over some time"),
    later("notify", Scope::Step, Part::Later, "a message"),
    later("approval", Scope::Step, Part::Later, "a decision by a person"),
    later("agent", Scope::Step, Part::Later, "work for an agent"),
    later("decide", Scope::Step, Part::Later, "a decision by an agent"),
    later("docker", Scope::Step, Part::Later, "a container"),
    later("database", Scope::Step, Part::Later, "a statement for a database"),
    later("process", Scope::Step, Part::Later, "a process to start or stop"),
    later("workflow", Scope::Step, Part::Later, "a run of another file"),
    built("task", Scope::Dependency, Part::Execution, Shape::TaskName, "", "build", "the task"),
    built("vars", Scope::Dependency, Part::Execution, Shape::Vars, "none", "{os: linux}", "its vars for this use"),
    built("for", Scope::Dependency, Part::Execution, Shape::Loop, "", "[x, y]", "one dependency for each item, which `vars` can read"),
    built("on", Scope::Dependency, Part::Execution, Shape::Word(&["success", "failure", "done"]), "success", "failure", "what must have happened: success, failure or done"),
    built("file", Scope::Include, Part::File, Shape::Text, "", "services/api", "the file or folder"),
    built("with", Scope::Include, Part::File, Shape::Vars, "none", "{port: 80}", "the vars it gets"),
    built("optional", Scope::Include, Part::File, Shape::Bool, "false", "true", "whether it may be missing; what needs it can't run then"),
    built("flatten", Scope::Include, Part::File, Shape::Bool, "false", "true", "whether its tasks stand among those of this file, under their own names"),
    built("excludes", Scope::Include, Part::File, Shape::Texts, "none", "[default, \"test:*\"]", "names or globs of its tasks that do not come along"),
    built("dir", Scope::Include, Part::File, Shape::Text, "the folder of its file", ".", "the folder its tasks run in, relative to this file"),
    built("type", Scope::Param, Part::File, Shape::Word(&["string", "int", "float", "bool", "list", "map", "path"]), "string", "int", "string, int, float, bool, list, map or path"),
    built("default", Scope::Param, Part::File, Shape::Any, "none: it must be given", "8080", "the value when none is given"),
    built("required", Scope::Param, Part::File, Shape::Bool, "true without a default", "true", "whether it must be given"),
    built("enum", Scope::Param, Part::File, Shape::Any, "all of its type", "[dev, prod]", "the values it may have"),
    built("pattern", Scope::Param, Part::File, Shape::Text, "", "\"[0-9]+\"", "what its text must match"),
    built("desc", Scope::Param, Part::File, Shape::Text, "", "which port", "what it is for"),
    built("sh", Scope::Value, Part::File, Shape::Text, "", "git describe", "the output of a command"),
    built("ref", Scope::Value, Part::File, Shape::Text, "", "services | length", "the value of an expression"),
    built("env", Scope::Secret, Part::File, Shape::Text, "", "REGISTRY_TOKEN", "read from an environment variable"),
    built("file", Scope::Secret, Part::File, Shape::Text, "", "/run/secrets/token", "read from a file"),
    built("sh", Scope::Secret, Part::File, Shape::Text, "", "pass show registry", "the output of a command"),
    built("vars", Scope::Profile, Part::File, Shape::Vars, "none", "{image: shop-staging}", "vars of this profile"),
    built("env", Scope::Profile, Part::File, Shape::Env, "none", "{RUST_LOG: debug}", "environment variables of this profile"),
    built("in", Scope::Loop, Part::Execution, Shape::Expression, "", "services", "an expression that gives a list"),
    built("as", Scope::Loop, Part::Execution, Shape::Text, "item", "service", "the name of the item"),
    built("glob", Scope::Loop, Part::Execution, Shape::Texts, "", "\"data/*.json\"", "a pattern of files"),
    built("sh", Scope::Loop, Part::Execution, Shape::Text, "", "git diff --name-only", "a command whose lines are the items"),
    built("range", Scope::Loop, Part::Execution, Shape::Range, "", "[1, 10]", "the first and the last number"),
    built("matrix", Scope::Loop, Part::Execution, Shape::Axes, "", "{os: [linux, macos], arch: [x86_64, aarch64]}", "all combinations of several lists"),
    built("exclude", Scope::Loop, Part::Execution, Shape::Combinations, "none", "[{os: macos, arch: x86_64}]", "combinations to leave out"),
    built("include", Scope::Loop, Part::Execution, Shape::Combinations, "none", "[{os: windows, arch: x86_64}]", "combinations to add"),
    built("parallel", Scope::Loop, Part::Execution, Shape::Parallel, "false", "4", "how many at the same time"),
    built("stop_on_failure", Scope::Loop, Part::Execution, Shape::Bool, "true unless parallel", "false", "whether a failure ends the others"),
    built("if", Scope::Condition, Part::Execution, Shape::Expression, "", "\"port > 1024\"", "an expression"),
    built("sh", Scope::Condition, Part::Execution, Shape::Text, "", "which docker", "a command that must succeed"),
    built("message", Scope::Condition, Part::Execution, Shape::Text, "", "install docker", "what to say when it does not hold"),
    built("attempts", Scope::Retry, Part::Execution, Shape::Count(1), "", "3", "how many tries in all"),
    built("delay", Scope::Retry, Part::Execution, Shape::Duration, "0s; 1s where it grows", "5s", "the time between tries"),
    built("backoff", Scope::Retry, Part::Execution, Shape::Backoff, "fixed", "exponential", "how the delay grows"),
    built("max_delay", Scope::Retry, Part::Execution, Shape::Duration, "none", "1m", "the longest delay"),
    built("jitter", Scope::Retry, Part::Execution, Shape::Duration, "0s", "500ms", "how much the delay varies"),
    built("on_exit_codes", Scope::Retry, Part::Execution, Shape::ExitCodes, "all", "[75]", "the exit codes that are tried again"),
    built("until", Scope::Wait, Part::Execution, Shape::Condition, "", "{sh: curl -sf localhost}", "the condition"),
    built("interval", Scope::Wait, Part::Execution, Shape::Duration, "1s", "500ms", "the time between looks"),
    built("timeout", Scope::Wait, Part::Execution, Shape::Duration, "none", "1m", "how long at most"),
    built("optional", Scope::Source, Part::Incremental, Shape::Texts, "", "Cargo.lock", "files that need not be there"),
    built("name", Scope::Lock, Part::Durable, Shape::Text, "", "db", "its name"),
    built("slots", Scope::Lock, Part::Durable, Shape::Count(1), "1", "3", "how many may have it at once"),
    built("wait", Scope::Lock, Part::Durable, Shape::Duration, "for ever", "10m", "how long to wait for it; then the task fails"),
    built("hold", Scope::Lock, Part::Durable, Shape::Word(&["task", "run"]), "task", "run", "how long it is held: while the task runs, or from the start of the run to its end"),
    later("message", Scope::Approval, Part::Later, "what is asked"),
    later("approvers", Scope::Approval, Part::Later, "who may answer"),
    later("count", Scope::Approval, Part::Later, "how many must agree"),
    later("risk", Scope::Approval, Part::Later, "how risky it is"),
    later("auto_approve_if", Scope::Approval, Part::Later, "when nobody needs to be asked"),
    later("timeout", Scope::Approval, Part::Later, "how long to wait"),
    later("on_timeout", Scope::Approval, Part::Later, "the answer when nobody answers"),
    later("on_reject", Scope::Approval, Part::Later, "what a rejection does"),
    later("steps", Scope::Rollback, Part::Later, "what undoes the task"),
    later("automatic", Scope::Rollback, Part::Later, "what starts it"),
    later("ready", Scope::Service, Part::Later, "when others may use it"),
    later("restart", Scope::Service, Part::Later, "when it is started again"),
    later("stop_signal", Scope::Service, Part::Later, "the signal that stops it"),
    later("stop_timeout", Scope::Service, Part::Later, "how long it has to stop"),
    built("desc", Scope::Trigger, Part::Triggers, Shape::Text, "", "Back up the database", "what it is for"),
    built("cron", Scope::Trigger, Part::Triggers, Shape::Text, "", "0 2 * * *", "the times, as in cron(5)"),
    built("every", Scope::Trigger, Part::Triggers, Shape::Duration, "", "10s", "again and again after this long, counted from 1970"),
    built("at", Scope::Trigger, Part::Triggers, Shape::Text, "", "2026-12-24 18:00", "one time"),
    built("watch", Scope::Trigger, Part::Triggers, Shape::Patterns, "", "[\"src/**/*.rs\", \"!src/gen/**\"]", "files whose change starts it"),
    built("timezone", Scope::Trigger, Part::Triggers, Shape::Text, "the machine's", "Europe/Berlin", "the time zone of the times"),
    built("run", Scope::Trigger, Part::Triggers, Shape::TaskName, "", "backup", "the task"),
    built("vars", Scope::Trigger, Part::Triggers, Shape::Env, "none", "{target: s3}", "values for the task, as NAME=VALUE on the command line"),
    built("overlap", Scope::Trigger, Part::Triggers, Shape::Word(&["skip", "queue", "cancel", "allow"]), "skip; queue with `watch` and with `catch_up: all`", "queue", "what happens when the run before has not ended"),
    built("catch_up", Scope::Trigger, Part::Triggers, Shape::Word(&["none", "last", "all"]), "last", "all", "what happens with times at which no `flow serve` was running"),
    built("jitter", Scope::Trigger, Part::Triggers, Shape::Duration, "0s", "30s", "up to how much later it starts, which spreads the starts of several; for one trigger always the same"),
    built("debounce", Scope::Trigger, Part::Triggers, Shape::Duration, "50ms", "1s", "how long files must be quiet"),
    built("enabled", Scope::Trigger, Part::Triggers, Shape::Bool, "true", "false", "whether it starts anything"),
    later("webhook", Scope::Trigger, Part::Later, "a path for requests"),
    later("secret", Scope::Trigger, Part::Later, "the key of the signature"),
];

/// What other tools call them; never a key of ours at the same place.
#[rustfmt::skip]
pub static FOREIGN: &[Word] = &[
    word("jobs", Scope::File, "tasks"),
    word("recipes", Scope::File, "tasks"),
    word("targets", Scope::File, "tasks"),
    word("task", Scope::File, "tasks"),
    word("rules", Scope::File, "tasks"),
    word("pipeline", Scope::File, "tasks"),
    word("stages", Scope::File, "tasks"),
    word("scripts", Scope::File, "tasks"),
    word("steps", Scope::File, "tasks"),
    word("commands", Scope::File, "tasks"),
    word("variables", Scope::File, "vars"),
    word("var", Scope::File, "vars"),
    word("let", Scope::File, "vars"),
    word("constants", Scope::File, "vars"),
    word("params", Scope::File, "vars"),
    word("parameters", Scope::File, "vars"),
    word("environment", Scope::File, "env"),
    word("env_file", Scope::File, "dotenv"),
    word("env_files", Scope::File, "dotenv"),
    word("include", Scope::File, "includes"),
    word("imports", Scope::File, "includes"),
    word("import", Scope::File, "includes"),
    word("extends", Scope::File, "includes"),
    as_written("on", Scope::File, "triggers", "write 'triggers: {NAME: {cron: \"0 2 * * *\", run: TASK}}'"),
    as_written("schedule", Scope::File, "triggers", "write 'triggers: {NAME: {cron: \"0 2 * * *\", run: TASK}}'"),
    word("schedules", Scope::File, "triggers"),
    as_written("cron", Scope::File, "triggers", "write 'triggers: {NAME: {cron: \"0 2 * * *\", run: TASK}}'"),
    word("events", Scope::File, "triggers"),
    word("description", Scope::File, "desc"),
    word("summary", Scope::File, "desc"),
    word("about", Scope::File, "desc"),
    word("title", Scope::File, "name"),
    word("project", Scope::File, "name"),
    as_written("default", Scope::File, "defaults", "for keys of all tasks write 'defaults'; the task that a bare 'flow' runs is the one named 'default'"),
    word("settings", Scope::File, "defaults"),
    word("options", Scope::File, "defaults"),
    word("notifications", Scope::File, "notify"),
    word("secret", Scope::File, "secrets"),
    word("environments", Scope::File, "profiles"),
    word("profile", Scope::File, "profiles"),
    word("cmds", Scope::Task, "run"),
    word("cmd", Scope::Task, "run"),
    word("script", Scope::Task, "run"),
    word("scripts", Scope::Task, "run"),
    word("command", Scope::Task, "run"),
    word("commands", Scope::Task, "run"),
    word("steps", Scope::Task, "run"),
    word("step", Scope::Task, "run"),
    word("exec", Scope::Task, "run"),
    word("actions", Scope::Task, "run"),
    word("action", Scope::Task, "run"),
    word("recipe", Scope::Task, "run"),
    word("deps", Scope::Task, "depends_on"),
    word("dep", Scope::Task, "depends_on"),
    word("needs", Scope::Task, "depends_on"),
    word("need", Scope::Task, "depends_on"),
    word("dependencies", Scope::Task, "depends_on"),
    word("dependency", Scope::Task, "depends_on"),
    as_written("requires", Scope::Task, "params", "for values that must be given write 'params: {NAME: string}'; for tasks write 'depends_on'"),
    word("prerequisites", Scope::Task, "depends_on"),
    word("prereqs", Scope::Task, "depends_on"),
    word("depends", Scope::Task, "depends_on"),
    as_written("before", Scope::Task, "depends_on", "for what has to happen first write 'depends_on' here; for what comes later write it there"),
    word("when", Scope::Task, "if"),
    word("condition", Scope::Task, "if"),
    word("only_if", Scope::Task, "if"),
    word("conditions", Scope::Task, "if"),
    word("loop", Scope::Task, "for"),
    word("foreach", Scope::Task, "for"),
    word("for_each", Scope::Task, "for"),
    word("with_items", Scope::Task, "for"),
    as_written("matrix", Scope::Task, "for", "write 'for: {matrix: {os: [linux, macos]}}'; each axis is a name: {{ os }}"),
    word("each", Scope::Task, "for"),
    word("items", Scope::Task, "for"),
    as_written("strategy", Scope::Task, "for", "write 'for: {matrix: {os: [linux, macos]}}'; each axis is a name: {{ os }}"),
    word("description", Scope::Task, "desc"),
    word("summary", Scope::Task, "desc"),
    word("help", Scope::Task, "desc"),
    word("doc", Scope::Task, "desc"),
    word("docs", Scope::Task, "desc"),
    word("comment", Scope::Task, "desc"),
    word("environment", Scope::Task, "env"),
    word("envs", Scope::Task, "env"),
    word("env_file", Scope::Task, "dotenv"),
    word("env_files", Scope::Task, "dotenv"),
    word("cwd", Scope::Task, "dir"),
    word("working_directory", Scope::Task, "dir"),
    word("workdir", Scope::Task, "dir"),
    word("working_dir", Scope::Task, "dir"),
    word("directory", Scope::Task, "dir"),
    word("folder", Scope::Task, "dir"),
    word("path", Scope::Task, "dir"),
    as_written("retries", Scope::Task, "retry", "write 'retry'; it counts every try, so what others call 2 retries is 'retry: 3'"),
    word("attempts", Scope::Task, "retry"),
    word("max_attempts", Scope::Task, "retry"),
    as_written("max_retries", Scope::Task, "retry", "write 'retry'; it counts every try, so what others call 2 retries is 'retry: 3'"),
    as_written("inputs", Scope::Task, "sources", "for files write 'sources', for values from the command line 'params'"),
    word("input", Scope::Task, "sources"),
    word("srcs", Scope::Task, "sources"),
    word("src", Scope::Task, "sources"),
    word("source", Scope::Task, "sources"),
    word("outs", Scope::Task, "generates"),
    word("output_files", Scope::Task, "generates"),
    word("artifacts", Scope::Task, "generates"),
    word("products", Scope::Task, "generates"),
    word("produces", Scope::Task, "generates"),
    word("creates", Scope::Task, "generates"),
    word("parameters", Scope::Task, "params"),
    as_written("args", Scope::Task, "params", "for values from the command line write 'params'; for a program with arguments a step {argv: [git, status]}"),
    as_written("arguments", Scope::Task, "params", "for values from the command line write 'params'; for a program with arguments a step {argv: [git, status]}"),
    word("variables", Scope::Task, "vars"),
    word("var", Scope::Task, "vars"),
    as_written("timeout_minutes", Scope::Task, "timeout", "write 'timeout' with a unit: 'timeout: 10m'"),
    as_written("timeout_seconds", Scope::Task, "timeout", "write 'timeout' with a unit: 'timeout: 30s'"),
    as_written("time_limit", Scope::Task, "timeout", "write 'timeout' with a unit: 'timeout: 10m'"),
    word("ignore_errors", Scope::Task, "ignore_error"),
    word("continue_on_error", Scope::Task, "ignore_error"),
    word("allow_failure", Scope::Task, "ignore_error"),
    word("ignore_failure", Scope::Task, "ignore_error"),
    word("on_error", Scope::Task, "on_failure"),
    as_written("catch", Scope::Task, "on_failure", "write 'on_failure'; the task has failed all the same, unless it has 'ignore_error: true'"),
    as_written("rescue", Scope::Task, "on_failure", "write 'on_failure'; the task has failed all the same, unless it has 'ignore_error: true'"),
    word("on_fail", Scope::Task, "on_failure"),
    word("always", Scope::Task, "finally"),
    word("ensure", Scope::Task, "finally"),
    as_written("defer", Scope::Task, "finally", "write 'finally': its steps run in any case, in the order written"),
    word("after_script", Scope::Task, "finally"),
    word("cleanup", Scope::Task, "finally"),
    word("precondition", Scope::Task, "preconditions"),
    word("requirements", Scope::Task, "preconditions"),
    word("assert", Scope::Task, "preconditions"),
    word("lock", Scope::Task, "locks"),
    word("mutex", Scope::Task, "locks"),
    as_written("concurrency", Scope::Task, "locks", "write 'locks: [NAME]': tasks with one lock never run at the same time"),
    as_written("concurrency_group", Scope::Task, "locks", "write 'locks: [NAME]': tasks with one lock never run at the same time"),
    word("prompt", Scope::Task, "confirm"),
    as_written("hide", Scope::Task, "hidden", "write 'hidden: true': it can be called and is not listed; 'internal: true' is for tasks that only others use"),
    as_written("private", Scope::Task, "hidden", "write 'hidden: true': it can be called and is not listed; 'internal: true' is for tasks that only others use"),
    word("alias", Scope::Task, "aliases"),
    word("quiet", Scope::Task, "silent"),
    word("platform", Scope::Task, "platforms"),
    word("os", Scope::Task, "platforms"),
    as_written("runs_on", Scope::Task, "platforms", "write 'platforms: [linux]'; everything runs on this machine"),
    word("manual", Scope::Task, "approval"),
    word("approve", Scope::Task, "approval"),
    word("persistent", Scope::Task, "service"),
    word("daemon", Scope::Task, "service"),
    word("background", Scope::Task, "service"),
    word("checks", Scope::Task, "verify"),
    word("interpreter", Scope::Task, "shell"),
    word("executable", Scope::Task, "shell"),
    word("undo", Scope::Task, "rollback"),
    word("revert", Scope::Task, "rollback"),
    word("exports", Scope::Task, "outputs"),
    word("returns", Scope::Task, "outputs"),
    word("cmds", Scope::Step, "run"),
    word("cmd", Scope::Step, "run"),
    word("script", Scope::Step, "run"),
    word("command", Scope::Step, "run"),
    word("commands", Scope::Step, "run"),
    word("exec", Scope::Step, "run"),
    word("sh", Scope::Step, "run"),
    word("bash", Scope::Step, "run"),
    word("when", Scope::Step, "if"),
    word("condition", Scope::Step, "if"),
    word("only_if", Scope::Step, "if"),
    word("loop", Scope::Step, "for"),
    word("foreach", Scope::Step, "for"),
    word("for_each", Scope::Step, "for"),
    word("with_items", Scope::Step, "for"),
    as_written("matrix", Scope::Step, "for", "write 'for: {matrix: {os: [linux, macos]}}'; each axis is a name: {{ os }}"),
    word("each", Scope::Step, "for"),
    word("items", Scope::Step, "for"),
    word("call", Scope::Step, "task"),
    as_written("uses", Scope::Step, "", "there are no actions: write the commands, or {task: NAME} for a task of this file"),
    word("job", Scope::Step, "task"),
    word("id", Scope::Step, "name"),
    word("title", Scope::Step, "name"),
    word("description", Scope::Step, "desc"),
    word("environment", Scope::Step, "env"),
    word("envs", Scope::Step, "env"),
    word("cwd", Scope::Step, "dir"),
    word("working_directory", Scope::Step, "dir"),
    word("workdir", Scope::Step, "dir"),
    word("working_dir", Scope::Step, "dir"),
    word("directory", Scope::Step, "dir"),
    as_written("retries", Scope::Step, "retry", "write 'retry'; it counts every try, so what others call 2 retries is 'retry: 3'"),
    word("attempts", Scope::Step, "retry"),
    as_written("sleep", Scope::Step, "wait", "write a step {wait: 5s}"),
    as_written("delay", Scope::Step, "wait", "write a step {wait: 5s} before it"),
    as_written("pause", Scope::Step, "wait", "write a step {wait: 5s}"),
    word("ignore_errors", Scope::Step, "ignore_error"),
    word("continue_on_error", Scope::Step, "ignore_error"),
    word("allow_failure", Scope::Step, "ignore_error"),
    word("variables", Scope::Step, "vars"),
    word("with", Scope::Step, "vars"),
    word("concurrent", Scope::Step, "parallel"),
    as_written("export", Scope::Step, "env", "for its commands write 'env'; for what later steps read {set: {NAME: value}}"),
    word("outputs", Scope::Step, "set"),
    word("quiet", Scope::Step, "silent"),
    as_written("timeout_minutes", Scope::Step, "timeout", "write 'timeout' with a unit: 'timeout: 30s'"),
    as_written("handler_on", Scope::File, "", "write 'on_success', 'on_failure' and 'finally' in the task"),
    as_written("method", Scope::File, "", "leave it out: files are compared by what is in them"),
    as_written("failfast", Scope::File, "", "leave it out, and call 'flow --fail-fast'"),
    as_written("shopt", Scope::File, "", "write 'defaults: {shell: bash -O globstar}'"),
    as_written("set", Scope::File, "", "write 'defaults: {shell: bash -euo pipefail}'"),
    as_written("silent", Scope::File, "", "write 'silent: true' in a task, or call 'flow -q'"),
    as_written("shell", Scope::File, "", "write 'defaults: {shell: bash -euo pipefail}'"),
    as_written("timeout", Scope::File, "", "write 'defaults: {timeout: 10m}', or call 'flow --timeout 10m'"),
    as_written("retry", Scope::File, "", "write 'defaults: {retry: 2}'"),
    as_written("interval", Scope::File, "", "write 'debounce' in a trigger with 'watch'"),
    as_written("depends_post", Scope::Task, "finally", "write 'finally: {task: NAME}', or 'on_success: {task: NAME}' for after a success alone"),
    as_written("wait_for", Scope::Task, "", "write 'depends_on'; for order alone, where both are part of a run, 'after'"),
    as_written("continue_on", Scope::Task, "ignore_error", "write 'ignore_error: true'"),
    as_written("retry_policy", Scope::Task, "retry", "write 'retry: {attempts: 3, delay: 5s}'; 'attempts' counts the first try too"),
    as_written("repeat_policy", Scope::Task, "", "to wait for something write a step {wait: {until: CONDITION, interval: 5s}}; to do it several times write 'for: {range: [1, 10]}'"),
    as_written("timeout_sec", Scope::Task, "timeout", "write 'timeout' with a unit: 'timeout: 30s'"),
    as_written("handler_on", Scope::Task, "", "write 'on_success', 'on_failure' and 'finally'"),
    as_written("method", Scope::Task, "", "leave it out: 'sources' are compared by what is in them; a task without 'sources' always runs"),
    as_written("failfast", Scope::Task, "", "call 'flow --fail-fast'; beside 'parallel' steps write 'stop_on_failure: true'"),
    as_written("extends", Scope::Task, "", "write '<<: *NAME' here, and '&NAME' at the map whose keys it takes"),
    as_written("shopt", Scope::Task, "shell", "write 'shell: bash -O globstar'"),
    as_written("set", Scope::Task, "shell", "write 'shell: bash -euo pipefail'; outputs are set by a step {set: {NAME: value}}"),
    as_written("uses", Scope::Task, "", "there are no actions: write the commands in 'run', or {task: NAME} for a task of this file"),
    as_written("before_script", Scope::Task, "", "write these commands at the beginning of 'run'"),
    as_written("tags", Scope::Task, "", "write 'group: NAME', which lists tasks together"),
    word("category", Scope::Task, "group"),
    word("section", Scope::Task, "group"),
    word("precond", Scope::Task, "preconditions"),
    word("on_pass", Scope::Task, "on_success"),
    word("on_exit", Scope::Task, "finally"),
    word("post", Scope::Task, "finally"),
    word("tty_input", Scope::Task, "interactive"),
    as_written("depends", Scope::Step, "", "steps run one after another; for what has to happen first write 'depends_on' in the task, or a step {task: NAME}"),
    as_written("depends_on", Scope::Step, "", "steps run one after another; for what has to happen first write 'depends_on' in the task, or a step {task: NAME}"),
    as_written("deps", Scope::Step, "", "steps run one after another; for what has to happen first write 'depends_on' in the task, or a step {task: NAME}"),
    as_written("needs", Scope::Step, "", "steps run one after another; for what has to happen first write 'depends_on' in the task, or a step {task: NAME}"),
    as_written("defer", Scope::Step, "", "write it in 'finally' of the task, which runs in any case"),
    as_written("finally", Scope::Step, "", "write 'finally' in the task; for one step alone make it a task, and call that: {task: NAME}"),
    as_written("max_retries", Scope::Step, "retry", "write 'retry'; it counts every try, so what others call 2 retries is 'retry: 3'"),
    as_written("timeout_sec", Scope::Step, "timeout", "write 'timeout' with a unit: 'timeout: 30s'"),
    as_written("timeout_seconds", Scope::Step, "timeout", "write 'timeout' with a unit: 'timeout: 30s'"),
    as_written("continue_on", Scope::Step, "ignore_error", "write 'ignore_error: true'"),
    as_written("retry_policy", Scope::Step, "retry", "write 'retry: {attempts: 3, delay: 5s}'; 'attempts' counts the first try too"),
    as_written("repeat_policy", Scope::Step, "wait", "write {wait: {until: CONDITION, interval: 5s}}, or 'for: {range: [1, 10]}'"),
    as_written("handler_on", Scope::Step, "", "write 'on_success', 'on_failure' and 'finally' in the task"),
    as_written("failfast", Scope::Step, "stop_on_failure", "beside 'parallel' write 'stop_on_failure: true'"),
    as_written("fail_fast", Scope::Step, "stop_on_failure", "beside 'parallel' write 'stop_on_failure: true'"),
    as_written("shopt", Scope::Step, "shell", "write 'shell: bash -O globstar'"),
    word("loop", Scope::Dependency, "for"),
    word("each", Scope::Dependency, "for"),
    word("name", Scope::Dependency, "task"),
    word("job", Scope::Dependency, "task"),
    word("target", Scope::Dependency, "task"),
    word("with", Scope::Dependency, "vars"),
    word("params", Scope::Dependency, "vars"),
    word("args", Scope::Dependency, "vars"),
    word("arguments", Scope::Dependency, "vars"),
    word("variables", Scope::Dependency, "vars"),
    as_written("if", Scope::Dependency, "", "write 'if' in the task that it names, or 'on: failure' for how it must have ended"),
    as_written("when", Scope::Dependency, "on", "write 'on: success', 'failure' or 'done'"),
    word("condition", Scope::Dependency, "on"),
    word("status", Scope::Dependency, "on"),
    as_written("silent", Scope::Dependency, "", "write 'silent: true' in the task that it names"),
    word("taskfile", Scope::Include, "file"),
    word("path", Scope::Include, "file"),
    word("src", Scope::Include, "file"),
    word("vars", Scope::Include, "with"),
    word("variables", Scope::Include, "with"),
    word("params", Scope::Include, "with"),
    word("exclude", Scope::Include, "excludes"),
    word("skip", Scope::Include, "excludes"),
    word("without", Scope::Include, "excludes"),
    word("cwd", Scope::Include, "dir"),
    word("directory", Scope::Include, "dir"),
    word("working_directory", Scope::Include, "dir"),
    word("workdir", Scope::Include, "dir"),
    word("flat", Scope::Include, "flatten"),
    word("inline", Scope::Include, "flatten"),
    as_written("namespace", Scope::Include, "", "the name of the include is the namespace: 'includes: {NAME: folder}'"),
    as_written("as", Scope::Include, "", "the name of the include is the namespace: 'includes: {NAME: folder}'"),
    as_written("internal", Scope::Include, "", "write 'internal: true' or 'hidden: true' in its tasks"),
    as_written("aliases", Scope::Include, "", "write a second include of the same file under that name"),
    word("choices", Scope::Param, "enum"),
    word("choice", Scope::Param, "enum"),
    word("options", Scope::Param, "enum"),
    word("values", Scope::Param, "enum"),
    word("allowed", Scope::Param, "enum"),
    word("one_of", Scope::Param, "enum"),
    word("description", Scope::Param, "desc"),
    word("help", Scope::Param, "desc"),
    word("summary", Scope::Param, "desc"),
    word("regex", Scope::Param, "pattern"),
    word("regexp", Scope::Param, "pattern"),
    word("match", Scope::Param, "pattern"),
    word("matches", Scope::Param, "pattern"),
    word("kind", Scope::Param, "type"),
    word("value", Scope::Param, "default"),
    as_written("optional", Scope::Param, "required", "write 'required: false', or a 'default'"),
    word("variable", Scope::Secret, "env"),
    word("env_var", Scope::Secret, "env"),
    word("from_env", Scope::Secret, "env"),
    word("path", Scope::Secret, "file"),
    word("from_file", Scope::Secret, "file"),
    word("command", Scope::Secret, "sh"),
    word("cmd", Scope::Secret, "sh"),
    word("run", Scope::Secret, "sh"),
    word("variables", Scope::Profile, "vars"),
    word("environment", Scope::Profile, "env"),
    as_written("var", Scope::Loop, "in", "write 'in' with an expression that gives a list: {in: \"{{ FILES | split }}\"}"),
    as_written("split", Scope::Loop, "in", "write 'in' with a filter: {in: \"{{ FILES | split(',') }}\"}"),
    word("items", Scope::Loop, "in"),
    word("list", Scope::Loop, "in"),
    word("values", Scope::Loop, "in"),
    word("each", Scope::Loop, "in"),
    word("files", Scope::Loop, "glob"),
    word("pattern", Scope::Loop, "glob"),
    word("command", Scope::Loop, "sh"),
    word("cmd", Scope::Loop, "sh"),
    word("run", Scope::Loop, "sh"),
    word("name", Scope::Loop, "as"),
    word("item", Scope::Loop, "as"),
    word("loop_var", Scope::Loop, "as"),
    word("concurrency", Scope::Loop, "parallel"),
    word("max_parallel", Scope::Loop, "parallel"),
    as_written("fail_fast", Scope::Loop, "stop_on_failure", "write 'stop_on_failure: true'"),
    word("msg", Scope::Condition, "message"),
    word("error", Scope::Condition, "message"),
    word("fail_msg", Scope::Condition, "message"),
    word("cmd", Scope::Condition, "sh"),
    word("command", Scope::Condition, "sh"),
    word("run", Scope::Condition, "sh"),
    word("test", Scope::Condition, "sh"),
    word("expr", Scope::Condition, "if"),
    word("that", Scope::Condition, "if"),
    word("assert", Scope::Condition, "if"),
    word("when", Scope::Condition, "if"),
    word("condition", Scope::Condition, "if"),
    as_written("retries", Scope::Retry, "attempts", "write 'attempts'; it counts every try, so what others call 2 retries is 'attempts: 3'"),
    as_written("limit", Scope::Retry, "attempts", "write 'attempts'; it counts every try, so what others call 2 retries is 'attempts: 3'"),
    as_written("max_retries", Scope::Retry, "attempts", "write 'attempts'; it counts every try, so what others call 2 retries is 'attempts: 3'"),
    as_written("max", Scope::Retry, "attempts", "write 'attempts'; it counts every try, so what others call 2 retries is 'attempts: 3'"),
    word("count", Scope::Retry, "attempts"),
    word("tries", Scope::Retry, "attempts"),
    word("times", Scope::Retry, "attempts"),
    word("max_attempts", Scope::Retry, "attempts"),
    as_written("interval_sec", Scope::Retry, "delay", "write 'delay' with a unit: 'delay: 5s'"),
    word("interval", Scope::Retry, "delay"),
    word("wait", Scope::Retry, "delay"),
    word("sleep", Scope::Retry, "delay"),
    word("initial_delay", Scope::Retry, "delay"),
    word("factor", Scope::Retry, "backoff"),
    word("multiplier", Scope::Retry, "backoff"),
    word("strategy", Scope::Retry, "backoff"),
    word("max_interval", Scope::Retry, "max_delay"),
    word("max_wait", Scope::Retry, "max_delay"),
    word("max_backoff", Scope::Retry, "max_delay"),
    word("exit_codes", Scope::Retry, "on_exit_codes"),
    word("exit_code", Scope::Retry, "on_exit_codes"),
    word("when", Scope::Retry, "on_exit_codes"),
    word("on", Scope::Retry, "on_exit_codes"),
    word("condition", Scope::Wait, "until"),
    word("for", Scope::Wait, "until"),
    word("if", Scope::Wait, "until"),
    word("every", Scope::Wait, "interval"),
    word("delay", Scope::Wait, "interval"),
    word("max", Scope::Wait, "timeout"),
    word("limit", Scope::Wait, "timeout"),
    word("key", Scope::Lock, "name"),
    word("id", Scope::Lock, "name"),
    word("group", Scope::Lock, "name"),
    word("limit", Scope::Lock, "slots"),
    word("count", Scope::Lock, "slots"),
    word("max", Scope::Lock, "slots"),
    word("size", Scope::Lock, "slots"),
    word("timeout", Scope::Lock, "wait"),
    word("task", Scope::Trigger, "run"),
    word("job", Scope::Trigger, "run"),
    word("runs", Scope::Trigger, "run"),
    word("schedule", Scope::Trigger, "cron"),
    word("crontab", Scope::Trigger, "cron"),
    word("tz", Scope::Trigger, "timezone"),
    word("time_zone", Scope::Trigger, "timezone"),
    word("cron_tz", Scope::Trigger, "timezone"),
    word("interval", Scope::Trigger, "every"),
    word("paths", Scope::Trigger, "watch"),
    word("files", Scope::Trigger, "watch"),
    word("path", Scope::Trigger, "watch"),
    word("with", Scope::Trigger, "vars"),
    word("params", Scope::Trigger, "vars"),
    word("args", Scope::Trigger, "vars"),
    word("inputs", Scope::Trigger, "vars"),
    word("concurrency", Scope::Trigger, "overlap"),
    word("concurrency_policy", Scope::Trigger, "overlap"),
    word("overlap_policy", Scope::Trigger, "overlap"),
    word("description", Scope::Trigger, "desc"),
    as_written("env", Scope::Trigger, "vars", "write 'vars', and read them in the 'env' of the task"),
    as_written("skip_if_successful", Scope::Trigger, "", "write 'if' in the task"),
    as_written("env", Scope::Defaults, "", "write 'env' at the top of the file, beside 'tasks'"),
    as_written("vars", Scope::Defaults, "", "write 'vars' at the top of the file, beside 'tasks'"),
    as_written("dir", Scope::Defaults, "", "write 'dir' in each task; a file that is included may have it in the include"),
    as_written("dotenv", Scope::Defaults, "", "write 'dotenv' at the top of the file, beside 'tasks'"),
    as_written("cwd", Scope::Defaults, "", "write 'dir' in each task; a file that is included may have it in the include"),
    word("attempts", Scope::Defaults, "retry"),
    word("time_limit", Scope::Defaults, "timeout"),
    word("required", Scope::Defaults, "require"),
    word("requires", Scope::Defaults, "require"),
    as_written("task", Scope::Task, "run", "a map is a task, and its steps stand in 'run': {run: [{task: NAME}]}"),
    as_written("argv", Scope::Task, "run", "a map is a task, and its steps stand in 'run': {run: [{argv: [git, status]}]}"),
    as_written("parallel", Scope::Task, "run", "a map is a task, and its steps stand in 'run': {run: [{parallel: [make web, make api]}]}"),
    as_written("then", Scope::Task, "run", "a map is a task, and its steps stand in 'run': {run: [{if: CONDITION, then: STEPS}]}"),
    as_written("else", Scope::Task, "run", "a map is a task, and its steps stand in 'run': {run: [{if: CONDITION, then: STEPS, else: STEPS}]}"),
    as_written("wait", Scope::Task, "run", "a map is a task, and its steps stand in 'run': {run: [{wait: 5s}]}"),
];
