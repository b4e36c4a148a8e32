//! Whether the `.flow` beside the file may be believed, and what is done where it may not.
//!
//! What lies there may have come with the project, from somebody else. Then it can be looked at, and nothing else: no run that it says was
//! interrupted goes on, no model of a file is followed, nothing counts as up to date, and nothing is written there.

use std::sync::Once;

use super::context::{Context, folder_in};
use super::doctor::DoctorArgs;
use super::{Exit, Trouble};
use crate::disk::Folder;
use crate::disk::trust::{self, Standing, User, Why};
use crate::file::compiled::Models;
use crate::report::failure::shown_path;
use crate::report::screen;
use crate::store::files::Files;

/// The variable that names a file with a key, which takes the place of a home.
const STATE_KEY: &str = "FLOW_STATE_KEY";

/// Who runs this, by their own folder (XDG Base Directory Specification).
pub(super) fn user() -> User {
    let state = folder_in("XDG_STATE_HOME");
    let state = state.or_else(|| Some(folder_in("HOME")?.join(".local/state")));
    let key = std::env::var_os(STATE_KEY).filter(|key| !key.is_empty());
    let behind = std::env::var("SUDO_UID")
        .ok()
        .and_then(|uid| uid.parse().ok());
    User::new(state.map(|state| state.join("flow")), key.map(Into::into)).behind(behind)
}

/// Somebody's own cache, with the key that its entries are sealed by; none where it could be written by others.
pub(super) fn cache(context: &Context, name: &str) -> Option<(Folder, trust::Key)> {
    let cache = folder_in("XDG_CACHE_HOME").or_else(|| Some(folder_in("HOME")?.join(".cache")));
    let cache = Folder::from(cache?.join("flow"));
    if !trust::is_private(&cache) {
        return None;
    }
    Some((cache.below(name), context.user().key()?))
}

impl Context {
    /// Where models of large files are kept: in the user's cache, because asking about a project changes nothing in it.
    pub(super) fn models(&self) -> Option<Models> {
        let (folder, key) = cache(self, "models")?;
        Some(Models { folder, key })
    }

    /// Why what lies in `.flow` is not believed; `None` when it is, or when there is none.
    pub(super) fn doubt(&self) -> Result<Option<&Why>, Trouble> {
        match self.standing()? {
            Standing::Foreign(why) => Ok(Some(why)),
            Standing::Ours | Standing::Absent => Ok(None),
        }
    }

    /// Whether runs can be recorded; where not, it is said once.
    pub(super) fn records(&self) -> Result<bool, Trouble> {
        let why = match self.doubt()? {
            None => return Ok(true),
            // It is no folder, which is no question of whose it is.
            Some(Why::Unreadable(error)) => {
                return Err(Trouble {
                    exit: Exit::Record,
                    words: format!(
                        "error: {} can't be used: {error}\n  help: remove it; --no-record runs without a record\n",
                        shown_path(self.state()?.path()),
                    ),
                });
            }
            Some(why) => why,
        };
        static ONCE: Once = Once::new();
        let words = format!(
            "warning: {} is not believed: {why}; nothing in it is used, and this run is not recorded\n  help: {}\n",
            shown_path(self.state()?.path()),
            self.way_out(why),
        );
        // That there is nobody to read it is no error.
        ONCE.call_once(|| drop(screen::print("", &words)));
        Ok(false)
    }

    /// The state for work in the project: `.flow`, or a folder of the user's own where that is not believed.
    pub(super) fn workplace(&self) -> Result<Folder, Trouble> {
        let state = self.state()?;
        Ok(match self.doubt()? {
            None => state,
            // Nothing can be written there, and nothing is there.
            Some(_) => self
                .user()
                .elsewhere(state.path())
                .unwrap_or_else(|| Folder::from(std::path::Path::new("/dev/null"))),
        })
    }

    /// The record of runs, to be gone on with or changed.
    pub(super) fn store(&self) -> Result<Files, Trouble> {
        match self.doubt()? {
            None => self.history(),
            Some(why) => Err(Trouble::call(
                format!(
                    "{} is not believed: {why}",
                    shown_path(self.state()?.path())
                ),
                format!("`flow history` shows what is in it; {}", self.way_out(why)),
            )),
        }
    }

    /// What can be done about it.
    pub(super) fn way_out(&self, why: &Why) -> String {
        let options = &self.options;
        match why {
            Why::Unreadable(_) => "remove it".to_owned(),
            Why::Of(_) => "remove it, or have it given to you (chown)".to_owned(),
            Why::Nowhere => format!(
                "name a file with a key in {STATE_KEY}, and then `flow {options}doctor --adopt`"
            ),
            Why::Open | Why::Unmarked | Why::Unknown | Why::Copy(_) => {
                format!("`flow {options}doctor --adopt` makes it yours, or remove it")
            }
        }
    }
}

/// `flow doctor --adopt`: asks, and makes the state the user's own.
pub(super) fn adopt(context: &Context, args: &DoctorArgs) -> Result<Exit, Trouble> {
    let state = context.state()?;
    let shown = shown_path(state.path());
    let why = match context.standing()? {
        Standing::Absent => {
            return super::show(&format!("{shown} is not there yet: nothing has run\n"));
        }
        Standing::Ours => return super::show(&format!("{shown} is yours\n")),
        Standing::Foreign(why) => why,
    };
    let question = format!(
        "{shown} is not believed: {why}\nFrom now on flow goes on with the runs in it, and takes for done what it says is done. Adopt it?"
    );
    if !args.yes && !super::confirm::ask(&question)? {
        return Ok(Exit::Cancelled);
    }
    trust::adopt(&state, context.user()).map_err(|error| {
        Trouble::call(
            format!("{shown} can't be adopted: {error}"),
            context.way_out(why),
        )
    })?;
    super::show(&format!("{shown} is yours now\n"))
}

/// Sees to it that a key that was named is one.
pub(super) fn check(user: &User) -> Result<(), Trouble> {
    user.check().map_err(|error| {
        Trouble::call(
            format!("the file that {STATE_KEY} names can't be used: {error}"),
            "write random bytes to it, once, as by `openssl rand -hex 32`",
        )
    })
}
