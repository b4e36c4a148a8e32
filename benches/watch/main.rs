//! `cargo bench --bench watch`: how long it takes from a change of a file to the first effect of the command that is run for it, in
//! `flow watch` and in other tools, and whether any change is missed or told twice.
//!
//! Every change is one that people and their tools make: saves as editors do them, new files and folders, a checkout. The command
//! writes a byte to a pipe, whose other end waits for it. `floor` is nothing but inotify and a spawn, for a folder without others in it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark tells its figures, and stops where it can't measure"
)]

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

/// How long nothing may happen before a change counts as missed, and how long it is waited for more than there should be.
const MISSED: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_millis(120);

const HELP: &str = "\
cargo bench --bench watch -- [OPTIONS]

  --flow PATH      the flow to measure  [default: target/release/flow]
  --changes N      how many changes     [default: 300]
  --tools NAMES    of flow, floor, watchexec, entr  [default: those that are there]";

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--test") || !args.iter().any(|arg| arg == "--bench") {
        // Under `cargo test` it only shows that it is there.
        return Ok(());
    }
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    if args.iter().any(|arg| arg == "--help") {
        println!("{HELP}");
        return Ok(());
    }
    let flow = value("--flow").unwrap_or_else(|| "target/release/flow".to_owned());
    let flow = fs::canonicalize(flow)?;
    let changes = value("--changes").map_or(300, |text| text.parse().unwrap());
    let tools = value("--tools").unwrap_or_else(|| "flow,floor,watchexec,entr".to_owned());
    for tool in tools.split(',') {
        let folder = tempfile::tempdir()?;
        match Watched::start(tool, &flow, folder.path())? {
            Some(mut watched) => watched.measure(tool, changes)?,
            None => eprintln!("!!! skipped: {tool} is not installed"),
        }
    }
    Ok(())
}

/// A folder that a tool watches.
struct Watched {
    src: PathBuf,
    pipe: File,
    tool: Option<Child>,
    number: u32,
    /// It watches single files, or one folder alone.
    flat: bool,
    /// The other branch is checked out.
    other: bool,
}

/// What is done, and how many effects it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Append,
    Draft,
    Vim,
    New,
    Remove,
    Folder,
    FolderAgain,
    Checkout,
    Touch,
    Same,
    Ignored,
}

const FLAT: [Kind; 6] = [
    Kind::Write,
    Kind::Append,
    Kind::Draft,
    Kind::Vim,
    Kind::New,
    Kind::Remove,
];
const ALL: [Kind; 12] = [
    Kind::Write,
    Kind::Append,
    Kind::Draft,
    Kind::Vim,
    Kind::New,
    Kind::Remove,
    Kind::Folder,
    Kind::FolderAgain,
    Kind::Checkout,
    Kind::Touch,
    Kind::Same,
    Kind::Ignored,
];

impl Kind {
    fn has_effect(self) -> bool {
        !matches!(self, Self::Touch | Self::Same | Self::Ignored)
    }
}

impl Watched {
    fn start(tool: &str, flow: &Path, folder: &Path) -> io::Result<Option<Self>> {
        let folder = folder.canonicalize()?;
        let (src, fifo) = (folder.join("src"), folder.join("fifo"));
        fs::create_dir(&src)?;
        for number in 0..20 {
            fs::write(src.join(format!("f{number}")), "0")?;
        }
        fs::write(folder.join(".gitignore"), "/src/ignored\n")?;
        let made = Command::new("mkfifo").arg(&fifo).status()?;
        assert!(made.success(), "a pipe is made");
        let pipe = File::options().read(true).write(true).open(&fifo)?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let script = format!("echo x > {}", fifo.display());
        let workflow = format!("tasks: {{t: {{watch: ['src/**'], run: '{script}'}}}}");
        fs::write(folder.join("Workflowfile.yml"), workflow)?;
        let mut flat = false;
        if matches!(tool, "flow" | "watchexec") {
            branches(&folder)?;
        }
        let mut command = match tool {
            "flow" => {
                let mut command = Command::new(flow);
                command.args(["watch", "t"]);
                command
            }
            "watchexec" => {
                let mut command = Command::new("watchexec");
                command.args(["-w", "src", "--shell=sh", "--", &script]);
                command
            }
            "entr" => {
                flat = true;
                let mut command = Command::new("sh");
                command.args(["-c", &format!("ls src/* | entr -n -s '{script}'")]);
                command
            }
            "floor" => {
                let folder = src.clone();
                std::thread::spawn(move || floor(&folder, &script));
                let mut watched = Self {
                    src,
                    pipe,
                    tool: None,
                    number: 0,
                    flat: true,
                    other: false,
                };
                watched.settle()?;
                return Ok(Some(watched));
            }
            _ => return Ok(None),
        };
        command.current_dir(&folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let tool = match command.spawn() {
            Ok(tool) => tool,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut watched = Self {
            src,
            pipe,
            tool: Some(tool),
            number: 0,
            flat,
            other: false,
        };
        watched.settle()?;
        Ok(Some(watched))
    }

    /// The first run, where there is one, and whatever comes after it.
    fn settle(&mut self) -> io::Result<()> {
        std::thread::sleep(Duration::from_secs(1));
        while self.effect(QUIET)? {}
        Ok(())
    }

    /// Waits for an effect.
    fn effect(&mut self, wait: Duration) -> io::Result<bool> {
        let fd = PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN);
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        if poll(&mut [fd], Some(&wait))? == 0 {
            return Ok(false);
        }
        // One line of two bytes for each.
        let mut bytes = [0; 2];
        self.pipe.read_exact(&mut bytes)?;
        Ok(true)
    }

    fn measure(&mut self, tool: &str, changes: usize) -> io::Result<()> {
        let kinds = if self.flat { &FLAT[..] } else { &ALL[..] };
        let mut rng = fastrand::Rng::with_seed(7);
        let mut found: Vec<(Kind, Vec<f64>, u32, u32)> =
            kinds.iter().map(|kind| (*kind, Vec::new(), 0, 0)).collect();
        for number in 0..changes {
            let (kind, times, missed, extra) = &mut found[number % kinds.len()];
            self.act(*kind, &mut rng)?;
            let since = Instant::now();
            if kind.has_effect() {
                if self.effect(MISSED)? {
                    times.push(since.elapsed().as_secs_f64() * 1e3);
                } else {
                    *missed += 1;
                }
            }
            while self.effect(QUIET)? {
                *extra += 1;
            }
        }
        println!("{tool}: {changes} changes, from the last write to the first effect");
        let all: Vec<f64> = found
            .iter()
            .flat_map(|(_, times, ..)| times)
            .copied()
            .collect();
        for (kind, times, missed, extra) in &found {
            println!(
                "  {:12} {}",
                format!("{kind:?}"),
                line(times, *missed, *extra)
            );
        }
        let missed = found.iter().map(|(.., missed, _)| missed).sum();
        let extra = found.iter().map(|(.., extra)| extra).sum();
        println!("  {:12} {}\n", "all", line(&all, missed, extra));
        Ok(())
    }

    fn text(&mut self) -> String {
        self.number += 1;
        self.number.to_string()
    }

    fn act(&mut self, kind: Kind, rng: &mut fastrand::Rng) -> io::Result<()> {
        let path = self.src.join(format!("f{}", rng.usize(0..20)));
        let text = self.text();
        let folder = self.src.join("x/y");
        match kind {
            Kind::Write => fs::write(path, text),
            Kind::Append => {
                let mut file = File::options().append(true).create(true).open(path)?;
                io::Write::write_all(&mut file, text.as_bytes())
            }
            Kind::Draft => {
                let draft = self.src.parent().unwrap().join("draft");
                fs::write(&draft, text)?;
                fs::rename(draft, path)
            }
            Kind::Vim => {
                let backup = self.src.join(".backup~");
                fs::rename(&path, &backup).or_else(|_| fs::write(&backup, "0"))?;
                fs::write(&path, text)?;
                fs::remove_file(backup)
            }
            Kind::New => fs::write(self.src.join("new"), text),
            Kind::Remove => fs::remove_file(self.src.join("new")),
            Kind::Folder => {
                fs::create_dir_all(&folder)?;
                fs::write(folder.join("f"), text)
            }
            Kind::FolderAgain => {
                fs::remove_dir_all(self.src.join("x"))?;
                fs::create_dir_all(&folder)?;
                fs::write(folder.join("f"), text)
            }
            Kind::Checkout => {
                self.other = !self.other;
                let branch = if self.other { "two" } else { "one" };
                git(self.src.parent().unwrap(), &["checkout", "-q", branch])
            }
            Kind::Touch => {
                let file = File::options().append(true).open(self.src.join("f0"));
                file.or_else(|_| File::create(self.src.join("f0")))?
                    .set_modified(std::time::SystemTime::now())
            }
            Kind::Same => {
                let path = self.src.join("f1");
                let same = fs::read(&path)?;
                fs::write(path, same)
            }
            Kind::Ignored => {
                let ignored = self.src.join("ignored/deep");
                fs::create_dir_all(&ignored)?;
                fs::write(ignored.join("f"), text)
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(mut tool) = self.tool.take() {
            let _ = Command::new("kill").arg(tool.id().to_string()).status();
            let _ = tool.wait();
        }
    }
}

/// A repository with two branches, between which 5,000 files differ.
fn branches(folder: &Path) -> io::Result<()> {
    git(folder, &["init", "-q", "-b", "one"])?;
    for branch in ["one", "two"] {
        if branch == "two" {
            git(folder, &["checkout", "-qb", "two"])?;
        }
        for number in 0..5000 {
            let folder = folder.join(format!("src/many/{}", number % 50));
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("{number}")), branch)?;
        }
        git(folder, &["add", "src/many"])?;
        git(
            folder,
            &[
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "commit",
                "-qm",
                branch,
            ],
        )?;
    }
    git(folder, &["checkout", "-q", "one"])
}

fn git(folder: &Path, args: &[&str]) -> io::Result<()> {
    let done = Command::new("git")
        .current_dir(folder)
        .args(args)
        .status()?;
    assert!(done.success(), "git {args:?}");
    Ok(())
}

fn line(times: &[f64], missed: u32, extra: u32) -> String {
    let mut times = times.to_vec();
    times.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| {
        let index = (times.len() as f64 * part) as usize;
        times.get(index.min(times.len().saturating_sub(1)))
    };
    let shown = |time: Option<&f64>| time.map_or("     -".to_owned(), |time| format!("{time:6.2}"));
    format!(
        "median {} ms  p95 {} ms  most {} ms  missed {missed}  extra {extra}",
        shown(at(0.5)),
        shown(at(0.95)),
        shown(times.last())
    )
}

/// What nothing that watches and spawns can be faster than.
fn floor(src: &Path, script: &str) -> io::Result<()> {
    let flags = inotify::WatchFlags::CLOSE_WRITE
        | inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::DELETE;
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&fd, src, flags)?;
    let mut events = [0; 4096];
    loop {
        rustix::io::read(&fd, &mut events)?;
        let status = Command::new("sh").args(["-c", script]).status()?;
        assert!(status.success(), "the command runs");
    }
}
