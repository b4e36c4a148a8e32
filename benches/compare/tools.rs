//! Which tools are there, which build of each, and how each is asked to do the work.
//!
//! Version managers put shims before the tools on the `PATH`: shell scripts that take longer than much of the work
//! here. A shim is therefore followed to the tool that it would start.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use crate::options::{Options, built_here};

/// The tools that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// flow itself.
    Flow,
    /// GNU make, whom the others are measured by.
    Make,
    /// ninja.
    Ninja,
    /// just.
    Just,
    /// Task, of taskfile.dev.
    Task,
    /// xargs, which knows no graph: what the bare spawning costs.
    Xargs,
    /// dagu, which records each step durably.
    Dagu,
}

impl Kind {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 7] = [
        Self::Flow,
        Self::Make,
        Self::Ninja,
        Self::Just,
        Self::Task,
        Self::Xargs,
        Self::Dagu,
    ];

    /// Its name in options and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Make => "make",
            Self::Ninja => "ninja",
            Self::Just => "just",
            Self::Task => "task",
            Self::Xargs => "xargs",
            Self::Dagu => "dagu",
        }
    }

    /// The file that it finds its work in.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Flow => "Workflowfile.yml",
            Self::Make => "Makefile",
            Self::Ninja => "build.ninja",
            Self::Just => "justfile",
            Self::Task => "Taskfile.yml",
            Self::Xargs => "arguments",
            Self::Dagu => "dag.yaml",
        }
    }

    /// What its program may be called.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Flow => &["flow"],
            Self::Make => &["make", "gmake"],
            Self::Ninja => &["ninja", "ninja-build"],
            Self::Just => &["just"],
            Self::Task => &["task", "go-task"],
            Self::Xargs => &["xargs"],
            Self::Dagu => &["dagu"],
        }
    }

    /// What tells it from others of the same name: the time tracker `task`, makes other than GNU's.
    fn sign(self) -> &'static str {
        match self {
            Self::Make => "GNU Make",
            Self::Task => "Taskfile",
            _ => "",
        }
    }

    /// An option that only newer versions have and that the comparison is fairer with.
    fn newer_flag(self) -> Option<&'static str> {
        match self {
            Self::Ninja => Some("--quiet"),
            Self::Just => Some("--jobs"),
            _ => None,
        }
    }

    /// The package that brings it on PyPI, as its metadata folder is called.
    fn pypi_name(self) -> Option<&'static str> {
        match self {
            Self::Ninja => Some("ninja"),
            Self::Just => Some("rust_just"),
            Self::Task => Some("go_task_bin"),
            _ => None,
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("there is no tool `{text}`"))
    }
}

/// A tool that is installed.
pub(crate) struct Tool {
    /// Which one.
    pub(crate) kind: Kind,
    /// The program itself, with links and shims followed.
    pub(crate) path: PathBuf,
    /// What it says its version is.
    pub(crate) version: String,
    /// Where this build comes from, as far as its path tells.
    pub(crate) origin: &'static str,
    /// Whether it has its newer flag, see [`Kind::newer_flag`].
    pub(crate) has_flag: bool,
}

impl Tool {
    fn at(kind: Kind, path: PathBuf) -> Option<Self> {
        let asks = if kind == Kind::Dagu {
            "version"
        } else {
            "--version"
        };
        let version = ask(&path, &[asks])?;
        let help = ask(&path, &["--help"]).unwrap_or_default();
        if !version.contains(kind.sign()) && !help.contains(kind.sign()) {
            return None;
        }
        Some(Self {
            kind,
            version: version
                .lines()
                .next()
                .unwrap_or("version unknown")
                .trim()
                .to_owned(),
            origin: origin(kind, &path),
            has_flag: kind.newer_flag().is_some_and(|flag| help.contains(flag)),
            path,
        })
    }

    /// How it runs the command `true`; the tools are not equal in this.
    pub(crate) fn way(&self) -> &'static str {
        match (self.kind, self.has_flag) {
            (Kind::Flow | Kind::Make | Kind::Xargs | Kind::Dagu, _) => "starts `true` itself",
            (Kind::Ninja, _) => "starts `/bin/sh -c true`",
            (Kind::Just, true) => "starts `sh -cu true`",
            (Kind::Just, false) => "starts `sh -cu true`, one at a time",
            (Kind::Task, _) => "starts nothing: `true` is a builtin of its own shell",
        }
    }
}

/// What a tool is asked to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The goal.
    Run,
    /// A list of all tasks.
    List,
    /// What it would do for the goal.
    Dry,
    /// The goal, or a loop with as many items as it has tasks.
    Loop,
}

/// A tool with one set of flags.
pub(crate) struct Contender<'a> {
    /// The tool.
    pub(crate) tool: &'a Tool,
    variant: Variant,
}

/// How a tool takes part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// As it comes.
    Usual,
    /// flow without its record.
    NoRecord,
    /// flow with tasks instead of a loop.
    Tasks,
}

impl<'a> Contender<'a> {
    /// The label of flow without its record.
    pub(crate) const NO_RECORD: &'static str = "flow --no-record";
    /// The label of flow with tasks instead of a loop.
    pub(crate) const TASKS: &'static str = "flow, tasks";

    /// The contenders of one tool: two for flow.
    pub(crate) fn of(tool: &'a Tool) -> impl Iterator<Item = Self> {
        let without = (tool.kind == Kind::Flow).then_some(Self {
            tool,
            variant: Variant::NoRecord,
        });
        let usual = Self {
            tool,
            variant: Variant::Usual,
        };
        [usual].into_iter().chain(without)
    }

    /// flow with a loop, and flow with tasks.
    pub(crate) fn of_loop(tool: &'a Tool) -> impl Iterator<Item = Self> {
        [Variant::Usual, Variant::Tasks]
            .into_iter()
            .map(move |variant| Self { tool, variant })
    }

    /// Its name in reports.
    pub(crate) fn label(&self) -> String {
        match self.variant {
            Variant::Usual => self.tool.kind.name().to_owned(),
            Variant::NoRecord => Self::NO_RECORD.to_owned(),
            Variant::Tasks => Self::TASKS.to_owned(),
        }
    }

    /// Whether it keeps its record; all but flow do what they do.
    pub(crate) fn records(&self) -> bool {
        self.variant != Variant::NoRecord
    }

    /// The command that does what is asked of the file in `home`.
    pub(crate) fn command(
        &self,
        asked: Asked,
        goal: &str,
        jobs: usize,
        home: &Path,
        user: &Path,
    ) -> io::Result<Command> {
        let jobs = jobs.to_string();
        let mut command = Command::new(&self.tool.path);
        isolate(&mut command, home, user);
        let words: &[&str] = match (asked, self.tool.kind) {
            (Asked::List, Kind::Flow) => &["list", "--all"],
            (Asked::List, Kind::Ninja) => &["-t", "targets", "all"],
            (Asked::List, Kind::Just) => &["--list", "--unsorted"],
            (Asked::List, Kind::Task) => &["--list-all"],
            (Asked::Dry, Kind::Flow | Kind::Make | Kind::Ninja) => &["-n", goal],
            (Asked::Dry, Kind::Just) => &["--dry-run", goal],
            (Asked::Dry, Kind::Task) => &["--dry", goal],
            _ => &[],
        };
        if !words.is_empty() {
            command.args(words);
            return Ok(command);
        }
        match (self.tool.kind, self.tool.has_flag) {
            (Kind::Flow, _) if asked == Asked::Loop && self.variant == Variant::Usual => {
                command.args(["-j", &jobs, "loop"])
            }
            (Kind::Flow, _) if self.records() => command.args(["-j", &jobs, goal]),
            (Kind::Flow, _) => command.args(["-j", &jobs, "--no-record", goal]),
            (Kind::Make, _) => command.args(["-s", "-j", &jobs, goal]),
            (Kind::Ninja, true) => command.args(["--quiet", "-j", &jobs, goal]),
            (Kind::Ninja, false) => command.args(["-j", &jobs, goal]),
            (Kind::Just, true) => command.args(["--jobs", &jobs, goal]),
            (Kind::Just, false) => command.arg(goal),
            (Kind::Task, _) => command.args(["--silent", "--concurrency", &jobs, goal]),
            (Kind::Dagu, _) => command.args(["start", "--quiet", self.tool.kind.file()]),
            (Kind::Xargs, _) => {
                let arguments = File::open(home.join(self.tool.kind.file()))?;
                command
                    .args(["-P", &jobs, "-n", "1", "true"])
                    .stdin(arguments)
            }
        };
        Ok(command)
    }
}

/// The same surroundings for every tool: no configuration of the user, and nothing of what cargo sets for the bench,
/// whose `LD_LIBRARY_PATH` slows the start of every program.
pub(crate) fn isolate<'a>(command: &'a mut Command, folder: &Path, user: &Path) -> &'a mut Command {
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("HOME", user)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

/// The tools that the options ask for: those that are there, and those that are missing.
pub(crate) fn find_all(options: &Options) -> (Vec<Tool>, Vec<Kind>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for kind in Kind::ALL
        .into_iter()
        .filter(|kind| options.tools.contains(kind))
    {
        match find(kind, options.flow.as_deref()) {
            Some(tool) => found.push(tool),
            None => missing.push(kind),
        }
    }
    (found, missing)
}

/// The first one on the `PATH` that is what its name says; for flow, the one that was given.
fn find(kind: Kind, flow: Option<&Path>) -> Option<Tool> {
    if let (Kind::Flow, Some(path)) = (kind, flow) {
        return Tool::at(kind, path.canonicalize().ok()?);
    }
    let names = kind.programs().iter();
    names
        .flat_map(|name| on_path(name))
        .filter_map(|path| Tool::at(kind, real(&path)?))
        .next()
}

/// Every program of this name on the `PATH`.
pub(crate) fn on_path(name: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .filter(|file| is_program(file))
        .collect()
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The program behind links and shims. A shim that leads nowhere is none.
fn real(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    let name = path.file_name()?;
    let manager = if is_shim(path) {
        manager_of(path, &real)
    } else {
        None
    };
    match manager {
        Some((manager, root)) => chosen(&manager, name)
            .or_else(|| newest(&root, name))?
            .canonicalize()
            .ok(),
        None => Some(real),
    }
}

fn is_shim(path: &Path) -> bool {
    path.parent()
        .is_some_and(|folder| folder.ends_with("shims"))
}

/// The version manager of a shim, and the folder that it keeps the versions in.
fn manager_of(shim: &Path, real: &Path) -> Option<(PathBuf, PathBuf)> {
    let root = shim.parent()?.parent()?.to_owned();
    if real.file_name() != shim.file_name() {
        return Some((real.to_owned(), root)); // a link to the manager, which looks at how it is called
    }
    let script = fs::read_to_string(real).ok()?;
    let name = ["pyenv", "asdf", "mise"]
        .into_iter()
        .find(|name| script.contains(name))?;
    let own = root.join("bin").join(name);
    Some((
        if is_program(&own) {
            own
        } else {
            PathBuf::from(name)
        },
        root,
    ))
}

/// The program that the manager would start here.
fn chosen(manager: &Path, name: &OsStr) -> Option<PathBuf> {
    let output = Command::new(manager)
        .arg("which")
        .arg(name)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (output.status.success() && is_program(&path)).then_some(path)
}

/// The program of the newest version that has it, when none is chosen here.
fn newest(root: &Path, name: &OsStr) -> Option<PathBuf> {
    let below = |folder: PathBuf| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let versions = below(root.join("versions")).chain(below(root.join("installs")).flat_map(below));
    let programs = versions
        .map(|version| version.join("bin").join(name))
        .filter(|file| is_program(file));
    programs.max_by_key(|file| fs::metadata(file).and_then(|data| data.modified()).ok())
}

/// What a tool prints to both outputs; nothing when it cannot be run.
fn ask(path: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = if output.status.success() {
        [output.stdout, output.stderr].concat()
    } else {
        Vec::new()
    };
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn origin(kind: Kind, path: &Path) -> &'static str {
    if kind == Kind::Flow {
        let own = built_here().and_then(|built| built.canonicalize().ok());
        return if own.is_some_and(|own| own == path) {
            "built for this run"
        } else {
            "given"
        };
    }
    let begins = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    let holds = |part: &str| {
        path.components()
            .any(|component| component.as_os_str() == part)
    };
    match () {
        () if is_from_pypi(kind, path) => "PyPI build",
        () if is_script(path) => "a script, not the program itself",
        () if holds(".cargo") => "built by cargo",
        () if holds("Cellar") || holds("linuxbrew") => "Homebrew",
        () if begins(&["/nix"]) => "Nix",
        () if begins(&["/snap"]) => "snap",
        () if begins(&["/usr/local", "/opt"]) => "installed by hand",
        () if begins(&["/usr", "/bin"]) => "of the system",
        () => "of unknown origin",
    }
}

/// Whether the environment that the program is in has its package from PyPI.
fn is_from_pypi(kind: Kind, path: &Path) -> bool {
    let Some((package, root)) = kind.pypi_name().zip(path.parent().and_then(Path::parent)) else {
        return false;
    };
    let below = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let named = |name: &OsStr| {
        name.to_str()
            .is_some_and(|name| is_metadata_of(package, name))
    };
    below(root.join("lib"))
        .flat_map(|python| {
            ["site-packages", "dist-packages"].map(|folder| python.path().join(folder))
        })
        .flat_map(below)
        .any(|entry| named(&entry.file_name()))
}

/// `rust_just-1.59.0.dist-info` is of `rust_just`.
fn is_metadata_of(package: &str, folder: &str) -> bool {
    let version = folder
        .strip_prefix(package)
        .and_then(|rest| rest.strip_prefix('-'));
    version.is_some_and(|version| version.ends_with(".dist-info"))
}

fn is_script(path: &Path) -> bool {
    let mut begin = [0; 2];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut begin))
        .is_ok()
        && begin == *b"#!"
}
