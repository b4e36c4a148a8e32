//! A folder of its own for each test, and flow called in it.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use flow::disk::Folder;
use flow::disk::trust::User;
use tempfile::TempDir;

use super::processes::{self, MARK, marked};
use super::record::Record;

/// When a test gives up on something that does not happen. Nothing takes this long that works.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A folder for a test, with a home beside it, and a mark that all its processes carry.
#[derive(Debug)]
pub struct Space {
    _folder: TempDir,
    root: PathBuf,
    mark: String,
}

/// How a command ended, and what it printed.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; 128 and the number of the signal that ended it.
    pub code: i32,
    /// Its stdout.
    pub stdout: Vec<u8>,
    /// Its stderr.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// Its stdout as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its stderr as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let signal = output.status.signal().map(|number| 128 + number);
        Self {
            code: output.status.code().or(signal).expect("it has ended"),
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }
}

impl Space {
    /// An empty folder.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::Builder::new()
            .prefix("flow-test-")
            .tempdir()
            .expect("there is room for a folder");
        let root = folder.path().canonicalize().expect("it was just made");
        for name in ["work", "home", "bin"] {
            fs::create_dir(root.join(name)).expect("the folder is ours");
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_flow"), root.join("bin/flow"))
            .expect("the folder is ours");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            _folder: folder,
            root,
            mark: format!("{}.{number}", std::process::id()),
        }
    }

    /// An empty folder with this Workflowfile.
    pub fn with(workflow: &str) -> Self {
        let space = Self::new();
        space.write("Workflowfile.yml", workflow);
        space
    }

    /// The folder that commands run in.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The home folder of commands.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The value of the variable that marks all processes of this test.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Writes a file in the folder.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.work().join(name), text).expect("the folder is ours");
    }

    /// A file of the folder, when it is there.
    pub fn read(&self, name: &str) -> Option<String> {
        let bytes = fs::read(self.work().join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether this file is there.
    pub fn has(&self, name: &str) -> bool {
        self.work().join(name).exists()
    }

    /// A program in the folder, in a group of its own, with an environment in which nothing surprises.
    pub fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        let path = format!("{}:{path}", self.root.join("bin").display());
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home())
            .env("USER", "tester")
            .env(MARK, &self.mark)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// flow with these arguments.
    pub fn flow(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_flow"));
        command.args(args);
        command
    }

    /// Starts flow with these arguments.
    pub fn start(&self, args: &[&str]) -> Child {
        self.flow(args).spawn().expect("flow starts")
    }

    /// Runs flow with these arguments to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        self.finish(self.start(args))
    }

    /// Waits for a child and for the end of its output. One that hangs is a failed test, not a hanging one.
    pub fn finish(&self, child: Child) -> Ended {
        let (ended, waits) = channel::<()>();
        let mark = self.mark.clone();
        let watchdog = std::thread::spawn(move || {
            let hangs = waits.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout);
            let seen = if hangs { marked(&mark) } else { Vec::new() };
            if hangs {
                processes::kill_marked(&mark);
            }
            hangs.then_some(seen)
        });
        let output = child.wait_with_output().expect("its pipes can be read");
        drop(ended);
        let hung = watchdog.join().expect("the watchdog does not panic");
        let ended = Ended::from(output);
        assert_eq!(hung, None, "it hung, with these alive: {}", ended.err());
        ended
    }

    /// flow's own folder.
    pub fn state(&self) -> PathBuf {
        self.work().join(".flow")
    }

    /// The same, made as flow makes it for who owns the home of this test: it is believed.
    pub fn own_state(&self) -> Folder {
        let user = User::new(Some(self.home().join(".local/state/flow")), None);
        let state = Folder::of_state(self.state(), Arc::new(user));
        state.make().expect("the folder is ours");
        state
    }

    /// All records of the folder, the oldest first; each of them is checked.
    pub fn records(&self) -> Vec<Record> {
        Record::all(&self.state()).unwrap_or_else(|wrong| panic!("a record is wrong: {wrong}"))
    }

    /// The only record.
    pub fn record(&self) -> Record {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "there is one record");
        records.remove(0)
    }

    /// Asserts that nobody is alive of what this test started.
    pub fn assert_nobody_left(&self) {
        assert_eq!(marked(&self.mark), [], "some are still alive");
    }
}

impl Default for Space {
    fn default() -> Self {
        Self::new()
    }
}

/// A test leaves nobody behind, whatever becomes of it.
impl Drop for Space {
    fn drop(&mut self) {
        processes::kill_marked(&self.mark);
    }
}

/// Looks again and again until it is so.
pub fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// All files below a folder, as paths relative to it, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                folders.push(entry.path());
            } else {
                found.extend(entry.path().strip_prefix(folder).map(Path::to_owned));
            }
        }
    }
    found.sort();
    found
}
