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
pub const BUILT: &[Part] = &[Part::Core, Part::File];

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
    /// What it is for, in a line.
    pub meaning: &'static str,
}

/// A key of another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// As other tools write it, with `_` between its parts.
    pub word: &'static str,
    /// Where it would stand.
    pub scope: Scope,
    /// Our key for it, which stands at the same place.
    pub ours: &'static str,
}

/// The key of this name at this place.
pub fn find(scope: Scope, name: &str) -> Option<&'static Key> {
    KEYS.iter()
        .find(|key| key.scope == scope && key.name == name)
}

/// Our key for what another tool calls so; `workingDirectory` and `working-directory` are the same word.
pub fn translate(scope: Scope, word: &str) -> Option<&'static Key> {
    let word = snake(word);
    let ours = |entry: &&Word| entry.scope == scope && entry.word == word;
    FOREIGN
        .iter()
        .find(ours)
        .and_then(|entry| find(scope, entry.ours))
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

const fn key(name: &'static str, scope: Scope, part: Part, meaning: &'static str) -> Key {
    Key {
        name,
        scope,
        part,
        meaning,
    }
}

const fn word(word: &'static str, scope: Scope, ours: &'static str) -> Word {
    Word { word, scope, ours }
}

/// Every key.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    key("version", Scope::File, Part::Core, "the version of the file format: 1"),
    key("name", Scope::File, Part::Core, "the name of the project"),
    key("desc", Scope::File, Part::Core, "what the file is for"),
    key("tasks", Scope::File, Part::Core, "the tasks, by name"),
    key("includes", Scope::File, Part::File, "other files whose tasks are used under a namespace"),
    key("vars", Scope::File, Part::File, "values that tasks can read"),
    key("env", Scope::File, Part::File, "environment variables of all tasks"),
    key("dotenv", Scope::File, Part::File, "files with environment variables"),
    key("profiles", Scope::File, Part::File, "named sets of vars and env"),
    key("secrets", Scope::File, Part::File, "values that are masked wherever they would be shown"),
    key("defaults", Scope::File, Part::File, "task keys that hold for every task"),
    key("triggers", Scope::File, Part::Triggers, "what starts runs by itself: times and changed files"),
    key("hooks", Scope::File, Part::Later, "steps around every run"),
    key("notify", Scope::File, Part::Later, "who is told how a run ended"),
    key("alerts", Scope::File, Part::Later, "conditions that are reported"),
    key("agents", Scope::File, Part::Later, "the agents that steps can ask"),
    key("store", Scope::File, Part::Later, "where runs are recorded"),
    key("shell", Scope::Defaults, Part::Execution, "the shell of all tasks"),
    key("timeout", Scope::Defaults, Part::Execution, "how long one attempt of a task may take"),
    key("retry", Scope::Defaults, Part::Execution, "how often a failed task is tried"),
    key("interactive", Scope::Defaults, Part::Execution, "whether tasks have the terminal"),
    key("output", Scope::Defaults, Part::Execution, "how output is shown"),
    key("on_lost", Scope::Defaults, Part::Durable, "what resume does with a step in flight when flow died"),
    key("rollback", Scope::Defaults, Part::Later, "steps that undo a task"),
    key("desc", Scope::Task, Part::Core, "what the task is for; the first line is shown in lists"),
    key("run", Scope::Task, Part::Core, "the work: a step or a list of steps"),
    key("depends_on", Scope::Task, Part::Core, "the tasks that must have happened before"),
    key("dir", Scope::Task, Part::Core, "the folder the steps run in, relative to the file"),
    key("env", Scope::Task, Part::Core, "environment variables of the steps"),
    key("params", Scope::Task, Part::File, "typed arguments"),
    key("vars", Scope::Task, Part::File, "values that the task can read"),
    key("dotenv", Scope::Task, Part::File, "files with environment variables"),
    key("platforms", Scope::Task, Part::File, "the systems that the task runs on"),
    key("aliases", Scope::Task, Part::File, "other names of the task"),
    key("internal", Scope::Task, Part::File, "whether the task is hidden and can only be used by others"),
    key("output", Scope::Task, Part::Execution, "how its output is shown"),
    key("shell", Scope::Task, Part::Execution, "the shell of its commands"),
    key("if", Scope::Task, Part::Execution, "when false the task is skipped"),
    key("for", Scope::Task, Part::Execution, "one instance for each item"),
    key("preconditions", Scope::Task, Part::Execution, "what must hold before its steps"),
    key("timeout", Scope::Task, Part::Execution, "how long one attempt may take"),
    key("retry", Scope::Task, Part::Execution, "how often it is tried"),
    key("ignore_error", Scope::Task, Part::Execution, "whether a failure counts as success for others"),
    key("confirm", Scope::Task, Part::Execution, "a question asked before anything runs"),
    key("verify", Scope::Task, Part::Execution, "checks after the steps"),
    key("on_success", Scope::Task, Part::Execution, "steps after it has succeeded"),
    key("on_failure", Scope::Task, Part::Execution, "steps after its last attempt has failed"),
    key("finally", Scope::Task, Part::Execution, "steps that run in any case"),
    key("outputs", Scope::Task, Part::Execution, "values that others can read"),
    key("interactive", Scope::Task, Part::Execution, "whether it has the terminal to itself"),
    key("silent", Scope::Task, Part::Execution, "whether its commands are not shown"),
    key("sources", Scope::Task, Part::Incremental, "the files it reads"),
    key("generates", Scope::Task, Part::Incremental, "the files it makes"),
    key("status", Scope::Task, Part::Incremental, "commands that say whether it is up to date"),
    key("cache", Scope::Task, Part::Incremental, "whether what it generates is kept and restored"),
    key("on_lost", Scope::Task, Part::Durable, "what resume does with a step in flight when flow died"),
    key("locks", Scope::Task, Part::Durable, "what it must have for itself"),
    key("durable", Scope::Task, Part::Durable, "whether each fact is synced to disk at once"),
    key("watch", Scope::Task, Part::Triggers, "further files for watch mode"),
    key("approval", Scope::Task, Part::Later, "who must agree before its steps"),
    key("rollback", Scope::Task, Part::Later, "steps that undo it"),
    key("service", Scope::Task, Part::Later, "a process that keeps running for others"),
    key("run", Scope::Step, Part::Execution, "a command or script"),
    key("argv", Scope::Step, Part::Execution, "a program and its arguments, without a shell"),
    key("task", Scope::Step, Part::Execution, "another task, called now"),
    key("then", Scope::Step, Part::Execution, "steps when the condition holds"),
    key("else", Scope::Step, Part::Execution, "steps when it does not"),
    key("parallel", Scope::Step, Part::Execution, "steps at the same time"),
    key("wait", Scope::Step, Part::Execution, "a duration, or a condition to wait for"),
    key("set", Scope::Step, Part::Execution, "outputs to set"),
    key("name", Scope::Step, Part::Execution, "the name of the step"),
    key("if", Scope::Step, Part::Execution, "when false the step is skipped"),
    key("for", Scope::Step, Part::Execution, "one step for each item"),
    key("vars", Scope::Step, Part::Execution, "values that the step can read"),
    key("env", Scope::Step, Part::Execution, "environment variables of the step"),
    key("dir", Scope::Step, Part::Execution, "the folder it runs in"),
    key("shell", Scope::Step, Part::Execution, "the shell of its command"),
    key("timeout", Scope::Step, Part::Execution, "how long one try may take"),
    key("retry", Scope::Step, Part::Execution, "how often it is tried"),
    key("ignore_error", Scope::Step, Part::Execution, "whether a failure is passed over"),
    key("silent", Scope::Step, Part::Execution, "whether its command is not shown"),
    key("wait_for", Scope::Step, Part::Execution, "which of the parallel steps decide: all, any or first"),
    key("max_parallel", Scope::Step, Part::Execution, "how many parallel steps run at once"),
    key("stop_on_failure", Scope::Step, Part::Execution, "whether a failure ends the others"),
    key("on_lost", Scope::Step, Part::Durable, "what resume does when flow died during the step"),
    key("http", Scope::Step, Part::Later, "a request"),
    key("health_check", Scope::Step, Part::Later, "a check that a service is well"),
    key("monitor", Scope::Step, Part::Later, "a check over some time"),
    key("notify", Scope::Step, Part::Later, "a message"),
    key("approval", Scope::Step, Part::Later, "a decision by a person"),
    key("agent", Scope::Step, Part::Later, "work for an agent"),
    key("decide", Scope::Step, Part::Later, "a decision by an agent"),
    key("docker", Scope::Step, Part::Later, "a container"),
    key("database", Scope::Step, Part::Later, "a statement for a database"),
    key("process", Scope::Step, Part::Later, "a process to start or stop"),
    key("workflow", Scope::Step, Part::Later, "a run of another file"),
    key("task", Scope::Dependency, Part::Execution, "the task"),
    key("vars", Scope::Dependency, Part::Execution, "its vars for this use"),
    key("on", Scope::Dependency, Part::Execution, "what must have happened: success, failure or done"),
    key("file", Scope::Include, Part::File, "the file or folder"),
    key("with", Scope::Include, Part::File, "the vars it gets"),
    key("optional", Scope::Include, Part::File, "whether it may be missing"),
    key("type", Scope::Param, Part::File, "string, int, float, bool, list or path"),
    key("default", Scope::Param, Part::File, "the value when none is given"),
    key("required", Scope::Param, Part::File, "whether it must be given"),
    key("enum", Scope::Param, Part::File, "the values it may have"),
    key("pattern", Scope::Param, Part::File, "what its text must match"),
    key("desc", Scope::Param, Part::File, "what it is for"),
    key("sh", Scope::Value, Part::File, "the output of a command"),
    key("ref", Scope::Value, Part::File, "the value of an expression"),
    key("env", Scope::Secret, Part::File, "read from an environment variable"),
    key("file", Scope::Secret, Part::File, "read from a file"),
    key("sh", Scope::Secret, Part::File, "the output of a command"),
    key("vars", Scope::Profile, Part::File, "vars of this profile"),
    key("env", Scope::Profile, Part::File, "environment variables of this profile"),
    key("in", Scope::Loop, Part::Execution, "an expression that gives a list"),
    key("as", Scope::Loop, Part::Execution, "the name of the item"),
    key("glob", Scope::Loop, Part::Execution, "a pattern of files"),
    key("sh", Scope::Loop, Part::Execution, "a command whose lines are the items"),
    key("range", Scope::Loop, Part::Execution, "the first and the last number"),
    key("matrix", Scope::Loop, Part::Execution, "all combinations of several lists"),
    key("exclude", Scope::Loop, Part::Execution, "combinations to leave out"),
    key("include", Scope::Loop, Part::Execution, "combinations to add"),
    key("parallel", Scope::Loop, Part::Execution, "how many at the same time"),
    key("stop_on_failure", Scope::Loop, Part::Execution, "whether a failure ends the others"),
    key("if", Scope::Condition, Part::Execution, "an expression"),
    key("sh", Scope::Condition, Part::Execution, "a command that must succeed"),
    key("message", Scope::Condition, Part::Execution, "what to say when it does not hold"),
    key("attempts", Scope::Retry, Part::Execution, "how many tries in all"),
    key("delay", Scope::Retry, Part::Execution, "the time between tries"),
    key("backoff", Scope::Retry, Part::Execution, "how the delay grows"),
    key("max_delay", Scope::Retry, Part::Execution, "the longest delay"),
    key("jitter", Scope::Retry, Part::Execution, "how much the delay varies"),
    key("on_exit_codes", Scope::Retry, Part::Execution, "the exit codes that are tried again"),
    key("until", Scope::Wait, Part::Execution, "the condition"),
    key("interval", Scope::Wait, Part::Execution, "the time between looks"),
    key("timeout", Scope::Wait, Part::Execution, "how long at most"),
    key("name", Scope::Lock, Part::Durable, "its name"),
    key("slots", Scope::Lock, Part::Durable, "how many may have it at once"),
    key("wait", Scope::Lock, Part::Durable, "how long to wait for it"),
    key("hold", Scope::Lock, Part::Durable, "until the end of the task or of the run"),
    key("message", Scope::Approval, Part::Later, "what is asked"),
    key("approvers", Scope::Approval, Part::Later, "who may answer"),
    key("count", Scope::Approval, Part::Later, "how many must agree"),
    key("risk", Scope::Approval, Part::Later, "how risky it is"),
    key("auto_approve_if", Scope::Approval, Part::Later, "when nobody needs to be asked"),
    key("timeout", Scope::Approval, Part::Later, "how long to wait"),
    key("on_timeout", Scope::Approval, Part::Later, "the answer when nobody answers"),
    key("on_reject", Scope::Approval, Part::Later, "what a rejection does"),
    key("steps", Scope::Rollback, Part::Later, "what undoes the task"),
    key("automatic", Scope::Rollback, Part::Later, "what starts it"),
    key("ready", Scope::Service, Part::Later, "when others may use it"),
    key("restart", Scope::Service, Part::Later, "when it is started again"),
    key("stop_signal", Scope::Service, Part::Later, "the signal that stops it"),
    key("stop_timeout", Scope::Service, Part::Later, "how long it has to stop"),
    key("cron", Scope::Trigger, Part::Triggers, "the times, as in cron(5)"),
    key("every", Scope::Trigger, Part::Triggers, "an interval"),
    key("at", Scope::Trigger, Part::Triggers, "one time"),
    key("watch", Scope::Trigger, Part::Triggers, "files whose change starts it"),
    key("timezone", Scope::Trigger, Part::Triggers, "the time zone of the times"),
    key("run", Scope::Trigger, Part::Triggers, "the task"),
    key("vars", Scope::Trigger, Part::Triggers, "its vars"),
    key("overlap", Scope::Trigger, Part::Triggers, "what happens when it still runs"),
    key("catch_up", Scope::Trigger, Part::Triggers, "what happens with missed times"),
    key("jitter", Scope::Trigger, Part::Triggers, "a delay that spreads the starts"),
    key("debounce", Scope::Trigger, Part::Triggers, "how long files must be quiet"),
    key("webhook", Scope::Trigger, Part::Later, "a path for requests"),
    key("secret", Scope::Trigger, Part::Later, "the key of the signature"),
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
    word("on", Scope::File, "triggers"),
    word("schedule", Scope::File, "triggers"),
    word("schedules", Scope::File, "triggers"),
    word("cron", Scope::File, "triggers"),
    word("events", Scope::File, "triggers"),
    word("description", Scope::File, "desc"),
    word("summary", Scope::File, "desc"),
    word("about", Scope::File, "desc"),
    word("title", Scope::File, "name"),
    word("project", Scope::File, "name"),
    word("default", Scope::File, "defaults"),
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
    word("requires", Scope::Task, "depends_on"),
    word("prerequisites", Scope::Task, "depends_on"),
    word("prereqs", Scope::Task, "depends_on"),
    word("depends", Scope::Task, "depends_on"),
    word("before", Scope::Task, "depends_on"),
    word("when", Scope::Task, "if"),
    word("condition", Scope::Task, "if"),
    word("only_if", Scope::Task, "if"),
    word("conditions", Scope::Task, "if"),
    word("loop", Scope::Task, "for"),
    word("foreach", Scope::Task, "for"),
    word("for_each", Scope::Task, "for"),
    word("with_items", Scope::Task, "for"),
    word("matrix", Scope::Task, "for"),
    word("each", Scope::Task, "for"),
    word("items", Scope::Task, "for"),
    word("strategy", Scope::Task, "for"),
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
    word("retries", Scope::Task, "retry"),
    word("attempts", Scope::Task, "retry"),
    word("max_attempts", Scope::Task, "retry"),
    word("max_retries", Scope::Task, "retry"),
    word("inputs", Scope::Task, "sources"),
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
    word("args", Scope::Task, "params"),
    word("arguments", Scope::Task, "params"),
    word("variables", Scope::Task, "vars"),
    word("var", Scope::Task, "vars"),
    word("timeout_minutes", Scope::Task, "timeout"),
    word("timeout_seconds", Scope::Task, "timeout"),
    word("time_limit", Scope::Task, "timeout"),
    word("ignore_errors", Scope::Task, "ignore_error"),
    word("continue_on_error", Scope::Task, "ignore_error"),
    word("allow_failure", Scope::Task, "ignore_error"),
    word("ignore_failure", Scope::Task, "ignore_error"),
    word("on_error", Scope::Task, "on_failure"),
    word("catch", Scope::Task, "on_failure"),
    word("rescue", Scope::Task, "on_failure"),
    word("on_fail", Scope::Task, "on_failure"),
    word("always", Scope::Task, "finally"),
    word("ensure", Scope::Task, "finally"),
    word("defer", Scope::Task, "finally"),
    word("after_script", Scope::Task, "finally"),
    word("cleanup", Scope::Task, "finally"),
    word("precondition", Scope::Task, "preconditions"),
    word("requirements", Scope::Task, "preconditions"),
    word("assert", Scope::Task, "preconditions"),
    word("lock", Scope::Task, "locks"),
    word("mutex", Scope::Task, "locks"),
    word("concurrency", Scope::Task, "locks"),
    word("concurrency_group", Scope::Task, "locks"),
    word("prompt", Scope::Task, "confirm"),
    word("hidden", Scope::Task, "internal"),
    word("hide", Scope::Task, "internal"),
    word("private", Scope::Task, "internal"),
    word("alias", Scope::Task, "aliases"),
    word("quiet", Scope::Task, "silent"),
    word("platform", Scope::Task, "platforms"),
    word("os", Scope::Task, "platforms"),
    word("runs_on", Scope::Task, "platforms"),
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
    word("matrix", Scope::Step, "for"),
    word("each", Scope::Step, "for"),
    word("items", Scope::Step, "for"),
    word("call", Scope::Step, "task"),
    word("uses", Scope::Step, "task"),
    word("job", Scope::Step, "task"),
    word("id", Scope::Step, "name"),
    word("title", Scope::Step, "name"),
    word("label", Scope::Step, "name"),
    word("desc", Scope::Step, "name"),
    word("description", Scope::Step, "name"),
    word("environment", Scope::Step, "env"),
    word("envs", Scope::Step, "env"),
    word("cwd", Scope::Step, "dir"),
    word("working_directory", Scope::Step, "dir"),
    word("workdir", Scope::Step, "dir"),
    word("working_dir", Scope::Step, "dir"),
    word("directory", Scope::Step, "dir"),
    word("retries", Scope::Step, "retry"),
    word("attempts", Scope::Step, "retry"),
    word("sleep", Scope::Step, "wait"),
    word("delay", Scope::Step, "wait"),
    word("pause", Scope::Step, "wait"),
    word("ignore_errors", Scope::Step, "ignore_error"),
    word("continue_on_error", Scope::Step, "ignore_error"),
    word("allow_failure", Scope::Step, "ignore_error"),
    word("variables", Scope::Step, "vars"),
    word("with", Scope::Step, "vars"),
    word("concurrent", Scope::Step, "parallel"),
    word("export", Scope::Step, "set"),
    word("outputs", Scope::Step, "set"),
    word("quiet", Scope::Step, "silent"),
    word("timeout_minutes", Scope::Step, "timeout"),
];
