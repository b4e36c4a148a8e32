//! What starts runs by itself: when it is time, what of that is a run, and that each time is one run and no more.
//!
//! ```text
//! triggers of files ─► times: when is it time ─┐
//! journal of fires ──► scheduler: what follows ─┴─► facts: fired, skipped, missed ─► journal ─► a run
//! ```
//!
//! [`scheduler`] is pure: the time is handed in, facts come out, and its state is the fold over them. [`journal`] is the file that
//! they are kept in. What a run is, and how one begins, is not known here.

pub mod cron;
pub mod export;
pub mod fact;
pub mod journal;
pub mod scheduler;
pub mod times;
pub mod words;

use self::cron::Wrong;

/// Whether a trigger can be called so; its name is also that of a file and of a unit of systemd.
///
/// # Errors
///
/// When it can't.
pub fn check_name(name: &str) -> Result<(), Wrong> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(fits) && name.starts_with(begins) && name.len() <= 100 {
        return Ok(());
    }
    let help = "a name has letters, digits, '_', '-' and '.', begins with a letter, a digit or '_', and has 100 characters at most";
    Err(Wrong {
        what: format!("'{name}' can't be the name of a trigger"),
        help: help.to_owned(),
    })
}
