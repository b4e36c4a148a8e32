//! What a command needs of its surroundings: the folder, the file, the environment, the terminal.

use std::cell::OnceCell;
use std::io::IsTerminal;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::PlaceArgs;
use super::{Exit, Trouble, standing};
use crate::disk::Folder;
use crate::disk::trust::{self, Standing, User};
use crate::file::{self, Loaded};
use crate::incremental;
use crate::model::language::Workflow;
use crate::report::failure::{folder_from_here, shown_path};
use crate::report::screen;
use crate::report::style::Style;
use crate::store::files::Files;

/// The folder of flow's own data, beside the file.
pub(super) const STATE: &str = ".flow";

/// The surroundings of a command.
#[derive(Debug)]
pub(super) struct Context {
    named: Option<PathBuf>,
    /// `-f` and `-C` as they were given, for commands that are shown.
    pub(super) options: String,
    /// The folder that flow was called in, and the path of the file, once they have been asked for.
    current: OnceCell<PathBuf>,
    path: OnceCell<PathBuf>,
    /// Who calls, the folder of flow's own data, and whether that is theirs.
    user: Arc<User>,
    state: OnceCell<Folder>,
    standing: OnceCell<Standing>,
    /// A process that ends need not take a large file to pieces.
    loaded: OnceCell<ManuallyDrop<Loaded>>,
}

impl Context {
    /// Goes to the folder that was asked for.
    pub(super) fn new(place: &PlaceArgs) -> Result<Self, Trouble> {
        let mut options = String::new();
        if let Some(folder) = &place.directory {
            std::env::set_current_dir(folder).map_err(|error| {
                Trouble::call(
                    format!("can't go to the folder {}: {error}", folder.display()),
                    "-C names the folder to start in",
                )
            })?;
            options = format!("-C {} ", quoted(folder));
        }
        if let Some(file) = &place.file {
            options.push_str(&format!("-f {} ", quoted(file)));
        }
        let user = Arc::new(standing::user());
        standing::check(&user)?;
        Ok(Self {
            named: place.file.clone(),
            options,
            current: OnceCell::new(),
            path: OnceCell::new(),
            user,
            state: OnceCell::new(),
            standing: OnceCell::new(),
            loaded: OnceCell::new(),
        })
    }

    /// The same place, of whose file nothing has been read yet.
    pub(super) fn anew(&self) -> Self {
        Self {
            named: self.named.clone(),
            options: self.options.clone(),
            current: self.current.clone(),
            path: self.path.clone(),
            user: Arc::clone(&self.user),
            state: self.state.clone(),
            standing: OnceCell::new(),
            loaded: OnceCell::new(),
        }
    }

    /// The path of the Workflowfile.
    pub(super) fn path(&self) -> Result<PathBuf, Trouble> {
        if let Some(path) = self.path.get() {
            return Ok(path.clone());
        }
        let current = self.called_in()?;
        let path = match &self.named {
            Some(named) => current.join(named),
            None => file::find(&current).ok_or_else(|| {
                Trouble::call(
                    "there is no Workflowfile.yml in this folder or any above it",
                    "write one, or name another file with -f FILE; it begins with `tasks:` and a line `build: make`",
                )
            })?,
        };
        // The record is JSON, which has no way to say other bytes.
        if path.to_str().is_none() {
            let what = format!("the path {} is not UTF-8", path.display());
            return Err(Trouble::call(what, "rename the folder or the file"));
        }
        Ok(self.path.get_or_init(|| path).clone())
    }

    /// The file, read and checked. Warnings are for `flow validate`.
    pub(super) fn workflow(&self) -> Result<&Workflow, Trouble> {
        if self.loaded.get().is_none() {
            let colour = colour_wanted(true);
            let path = self.path()?;
            let name = shown_path(&path);
            let loaded = file::load_kept(&name, &path, || self.models());
            let loaded = loaded.map_err(|errors| Trouble {
                exit: Exit::Wrong,
                words: errors.render(colour),
            })?;
            // It was empty a moment ago, and nobody else has it.
            let _ = self.loaded.set(ManuallyDrop::new(loaded));
        }
        Ok(&self.loaded.get().expect("it was just read").workflow)
    }

    /// Whether the file has a task of this name; no file has none, and one that can't be read none that is known.
    pub(super) fn declares(&self, word: &str) -> bool {
        let known = || {
            Some(
                file::load(&self.path().ok()?)
                    .ok()?
                    .workflow
                    .find(word)
                    .is_some(),
            )
        };
        match self.loaded.get() {
            Some(loaded) => loaded.workflow.find(word).is_some(),
            None => known().unwrap_or(false),
        }
    }

    /// The folder that flow was called in, after `-C`.
    pub(super) fn called_in(&self) -> Result<PathBuf, Trouble> {
        if let Some(current) = self.current.get() {
            return Ok(current.clone());
        }
        let current = std::env::current_dir().map_err(|error| {
            Trouble::call(
                format!("can't tell the current folder: {error}"),
                "-C names a folder to start in",
            )
        })?;
        Ok(self.current.get_or_init(|| current).clone())
    }

    /// The folder of flow's own data: beside the file, or beside the one that its `root` names.
    pub(super) fn state(&self) -> Result<Folder, Trouble> {
        if let Some(state) = self.state.get() {
            return Ok(state.clone());
        }
        let path = file::root::folder(&self.path()?).join(STATE);
        let state = Folder::of_state(path, Arc::clone(&self.user));
        Ok(self.state.get_or_init(|| state).clone())
    }

    /// Who calls.
    pub(super) fn user(&self) -> &User {
        &self.user
    }

    /// Whether the folder of flow's own data is theirs. It is asked once: what flow makes is.
    pub(super) fn standing(&self) -> Result<&Standing, Trouble> {
        if self.standing.get().is_none() {
            // It was empty a moment ago, and nobody else has it.
            let _ = self
                .standing
                .set(trust::standing(&self.state()?, &self.user));
        }
        Ok(self.standing.get().expect("it was just set"))
    }

    /// Says that a file which another one includes is about to get a record of its own. It is said once, because later
    /// the record is there.
    pub(super) fn tell_of_own_record(&self) -> Result<(), Trouble> {
        let (path, state) = (self.path()?, self.state()?);
        let own = path.parent().unwrap_or(Path::new("/"));
        if state.exists() || state.path().parent() != Some(own) {
            return Ok(());
        }
        if let Some(above) = file::root::included_by(&path) {
            let folder = above.parent().unwrap_or(Path::new("/"));
            let up = own
                .strip_prefix(folder)
                .map_or(1, |below| below.components().count());
            let name = above.file_name().unwrap_or_default().to_string_lossy();
            let words = format!(
                "{}/{name} includes this file, and this run is recorded beside this one: `root: {}` at its top makes one record of both\n",
                folder_from_here(folder),
                vec![".."; up].join("/"),
            );
            // That there is nobody to read it is no error.
            let _ = screen::print("", &style().dim(&words));
        }
        Ok(())
    }

    /// The record of runs, to be looked at.
    pub(super) fn history(&self) -> Result<Files, Trouble> {
        let files = Files::new(self.state()?);
        Ok(match std::env::var_os("FLOW_SIGNING_KEY") {
            Some(key) if !key.is_empty() => files.signed_with(key.into()),
            _ => files,
        })
    }
}

/// Says to those who look at files what git looks at for this user.
pub(super) fn say_user() {
    incremental::of_user(incremental::User {
        home: folder_in("HOME"),
        config: folder_in("XDG_CONFIG_HOME"),
    });
}

/// The folder that a variable names, absolute.
pub(super) fn folder_in(variable: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os(variable)?);
    folder.is_absolute().then_some(folder)
}

/// A path as a shell would need it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-/+:@".contains(&byte));
    if plain {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Whether to use colours on stderr, or stdout: <https://no-color.org>, <https://bixense.com/clicolors>.
pub(super) fn colour_wanted(stderr: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let forced = |name: &str| set(name) && std::env::var_os(name).is_some_and(|value| value != "0");
    let terminal = || {
        if stderr {
            std::io::stderr().is_terminal()
        } else {
            std::io::stdout().is_terminal()
        }
    };
    let dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let off = || std::env::var_os("CLICOLOR").is_some_and(|value| value == "0");
    if set("NO_COLOR") {
        return false;
    }
    forced("FORCE_COLOR") || forced("CLICOLOR_FORCE") || !off() && terminal() && !dumb()
}

/// The colours for flow's own words.
pub(super) fn style() -> Style {
    Style {
        colour: colour_wanted(true),
    }
}

/// Whether stdout is a terminal on which more can be done than writing lines.
pub(super) fn can_draw() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stdout().is_terminal() && !dumb
}

/// The same for data on stdout.
pub(super) fn style_of_stdout() -> Style {
    Style {
        colour: colour_wanted(false),
    }
}

/// The zone of this machine, where the environment names one (tzset(3)): a name that nobody knows would be read as UTC.
pub(super) fn check_zone() -> Result<(), Trouble> {
    let Some(named) = std::env::var_os("TZ").filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let shown = named.to_string_lossy();
    let name = shown.strip_prefix(':').unwrap_or(&shown);
    let is_known = name.is_empty()
        || name.starts_with('/') && Path::new(name).exists()
        || jiff::tz::TimeZone::get(name).is_ok()
        || jiff::tz::TimeZone::posix(name).is_ok();
    if is_known {
        return Ok(());
    }
    Err(Trouble::call(
        format!("there is no time zone {name:?}, which TZ names"),
        "set TZ to a name of the tz database, such as Europe/Berlin or UTC, or unset it",
    ))
}

/// The name of a user of this machine, or the number of one that has none (passwd(5)).
pub(super) fn user(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut users = users.lines().map(|line| line.split(':'));
    let name = users.find_map(|mut words| {
        let name = words.next()?;
        (words.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

/// Who runs this, by the environment.
pub(super) fn person() -> String {
    let name = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
