//! What lies where in the state of a project: every name below `.flow` that flow uses, in one list.
//!
//! ```text
//! .flow/.gitignore              keeps all of it out of git
//! .flow/mark                    whose it is (the module `trust`)
//! .flow/runs/ID.facts           the facts of a run, a line each; a lock on the file is ownership
//!     …/ID.facts.gz             the same of a run that was archived
//! .flow/runs/ID.requests        a pipe to the process that works on a run, once that has taken a moment
//! .flow/logs/ID/NODE.TRY.log    what a try printed, from its first byte on; with `.gz` once it was archived
//! .flow/plans/HASH.json         the plans that runs follow
//! .flow/heads                   a line each time a run begins or is removed, or flow ends its work on one
//! .flow/trash/SECONDS/…         runs that were removed at that time without being asked for, until the next time
//! .flow/pruned                  old runs were looked for when this was last written
//! .flow/signing.key             the key by which the ends of records are signed, if there is one
//! .flow/secrets.key             the key by which records tell secrets apart that runs were given, once one was
//! .flow/index.sqlite            the index over all runs, with the files that SQLite has beside it and a lock
//! .flow/fingerprints            what tasks were made of
//! .flow/notes/HASH              by what files a call was decided
//! .flow/builds/HASH             who makes the files of a task at the moment
//! .flow/locks/HASH.SLOT         who holds a lock; who waits, below `waiting`
//! .flow/triggers/journal        the facts of triggers; `server`, `model` and `said` beside it
//! .flow/token                   the token of the API
//! ```

/// Whose it is.
pub const MARK: &str = "mark";
/// Keeps all of it out of git.
pub const GITIGNORE: &str = ".gitignore";
/// The records of runs.
pub const RUNS: &str = "runs";
/// What runs printed.
pub const LOGS: &str = "logs";
/// What runs follow.
pub const PLANS: &str = "plans";
/// The list of what happens to runs.
pub const HEADS: &str = "heads";
/// What was removed the last time, by when that was.
pub const TRASH: &str = "trash";
/// When old runs were last looked for.
pub const PRUNED: &str = "pruned";
/// The key by which ends of records are signed.
pub const SIGNING_KEY: &str = "signing.key";
/// The key by which secrets are told apart.
pub const SECRETS_KEY: &str = "secrets.key";
/// The index over all runs.
pub const INDEX: &str = "index.sqlite";
/// What tasks were made of.
pub const FINGERPRINTS: &str = "fingerprints";
/// By what files calls were decided.
pub const NOTES: &str = "notes";
/// Who makes the files of a task.
pub const BUILDS: &str = "builds";
/// Who holds locks.
pub const LOCKS: &str = "locks";
/// Who waits for locks, below them.
pub const WAITING: &str = "waiting";
/// What happened to triggers.
pub const TRIGGERS: &str = "triggers";
/// The token of the API.
pub const TOKEN: &str = "token";
