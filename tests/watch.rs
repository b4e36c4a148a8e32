//! `flow watch`: what starts a run and what does not, what becomes of one that goes on, the keys.

pub mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use fastrand::Rng;
use flow::core::fact::{Fact, RunEnd};
use flow::core::state::RunStage;
use rustix::process::Signal;
use support::processes::{is_alive, signal};
use support::terminal::Terminal;
use support::{Space, rounds, wait_for};

/// A flow that watches, killed when a test gives up on it.
struct Watching {
    space: Space,
    flow: Option<Child>,
}

impl Watching {
    fn start(space: Space, args: &[&str]) -> Self {
        let mut command = space.flow(args);
        let file = |name: &str| fs::File::create(space.work().join(name)).expect("it is ours");
        command.stdout(file("flow.out")).stderr(file("flow.err"));
        let flow = command.spawn().expect("flow starts");
        Self {
            space,
            flow: Some(flow),
        }
    }

    fn err(&self) -> String {
        self.space.read("flow.err").unwrap_or_default()
    }

    fn wait_for_err(&self, what: &str) {
        wait_for(&format!("{what:?} in\n{}", self.err()), || {
            self.err().contains(what)
        });
    }

    fn wait_until_idle(&self) {
        wait_for("the run to end", || {
            let last = self.err().lines().last().map(str::to_owned);
            last.is_some_and(|last| last.starts_with("waiting for changes"))
        });
    }

    /// Ends it with a signal; returns its exit code.
    fn end(mut self, number: Signal) -> (i32, Space) {
        let mut flow = self.flow.take().expect("it goes on");
        signal(i32::try_from(flow.id()).expect("a process id"), number);
        let status = flow.wait().expect("it is our child");
        self.space.assert_nobody_left();
        let space = std::mem::take(&mut self.space);
        (status.code().expect("it ended by itself"), space)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(mut flow) = self.flow.take() {
            let _ = flow.kill();
            let _ = flow.wait();
        }
    }
}

/// A watched tree of files, and what it should hold.
struct Tree {
    watching: Watching,
    src: PathBuf,
    files: BTreeMap<String, String>,
    /// How often what was written is another thing.
    number: u32,
}

const LAST: &str = r#"
tasks:
  show:
    watch: ["src/**/*.c", "!src/no/**"]
    run: |
      for file in $(find src -name '*.c' -not -path 'src/no/*' | LC_ALL=C sort); do
        echo "$file: $(cat $file 2> err)"
      done > last.tmp
      echo x >> log
      mv last.tmp last
"#;

impl Tree {
    fn watched(args: &[&str]) -> Self {
        let space = Space::with(LAST);
        let src = space.work().join("src");
        fs::create_dir_all(src.join("no")).expect("it is ours");
        space.write(".gitignore", "/src/ignored/\n*.tmp\n");
        let mut files = BTreeMap::new();
        for name in ["a.c", "b.c"] {
            fs::write(src.join(name), "0").expect("it is ours");
            files.insert(name.to_owned(), "0".to_owned());
        }
        let args = [&["watch", "show"], args].concat();
        let tree = Self {
            watching: Watching::start(space, &args),
            src,
            files,
            number: 0,
        };
        tree.wait_for_last();
        tree.watching.wait_for_err("waiting for changes of 2 files");
        tree
    }

    fn expected(&self) -> String {
        let line = |(name, text): (&String, &String)| format!("src/{name}: {text}\n");
        self.files.iter().map(line).collect()
    }

    fn wait_for_last(&self) {
        let expected = self.expected();
        wait_for(&format!("a run that sees\n{expected}"), || {
            self.watching.space.read("last").as_deref() == Some(&expected)
        });
    }

    fn runs(&self) -> usize {
        let log = self.watching.space.read("log").unwrap_or_default();
        log.lines().count()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.src.join(name)
    }

    fn new_text(&mut self) -> String {
        self.number += 1;
        self.number.to_string()
    }

    /// A save that is one event: exactly one run.
    fn save_at_once(&mut self, name: &str) {
        let text = self.new_text();
        let draft = self.watching.space.work().join("draft.tmp");
        fs::write(&draft, &text).expect("it is ours");
        fs::rename(draft, self.path(name)).expect("it is ours");
        self.files.insert(name.to_owned(), text);
        self.wait_for_last();
        self.watching.wait_until_idle();
    }

    /// Something that changes nothing: no run comes of it.
    fn nothing(&mut self, what: &str, act: impl FnOnce(&Self)) {
        let before = self.runs();
        act(self);
        self.save_at_once("a.c");
        assert_eq!(self.runs(), before + 1, "{what}:\n{}", self.watching.err());
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
    fs::write(path, text).expect("it is ours");
}

#[test]
fn what_changes_nothing_runs_nothing() {
    let mut tree = Tree::watched(&[]);
    tree.nothing("nothing", |_| {});
    tree.nothing("a read", |tree| {
        fs::read(tree.path("a.c")).expect("it is there");
    });
    tree.nothing("a touch", |tree| {
        let file = fs::File::options().append(true).open(tree.path("b.c"));
        let now = std::time::SystemTime::now();
        file.expect("it is there")
            .set_modified(now)
            .expect("it is ours");
    });
    tree.nothing("the same once more", |tree| {
        let draft = tree.watching.space.work().join("draft.tmp");
        fs::write(&draft, &tree.files["b.c"]).expect("it is ours");
        fs::rename(draft, tree.path("b.c")).expect("it is ours");
    });
    tree.nothing("another kind of file", |tree| write(&tree.path("c.h"), "1"));
    tree.nothing("a file that git ignores", |tree| {
        write(&tree.path("ignored/deep/a.c"), "1");
        fs::remove_dir_all(tree.path("ignored")).expect("it is there");
    });
    tree.nothing("a file that is left out", |tree| {
        write(&tree.path("no/deep/a.c"), "1");
        fs::remove_dir_all(tree.path("no/deep")).expect("it is there");
    });
    tree.nothing("a folder", |tree| {
        fs::create_dir_all(tree.path("empty/deep")).expect("it is ours");
        fs::rename(tree.path("empty"), tree.path("moved")).expect("it is ours");
        fs::remove_dir_all(tree.path("moved")).expect("it is ours");
    });
    let (code, space) = tree.watching.end(Signal::INT);
    assert_eq!(code, 130);
    let ends = space
        .records()
        .into_iter()
        .map(|record| record.state.stage());
    let all: Vec<RunStage> = ends.collect();
    assert!(
        all.iter()
            .all(|stage| *stage == RunStage::Finished(RunEnd::Completed)),
        "{all:?}"
    );
}

/// A folder that takes the place of another one is another one, whatever number the system gives it.
#[test]
fn a_folder_that_is_made_anew_is_watched_like_the_one_before() {
    let mut tree = Tree::watched(&[]);
    let names = ["x/a.c", "x/y/a.c"];
    for round in 0..rounds(5) {
        let text = tree.new_text();
        let _ = fs::remove_dir_all(tree.path("x"));
        for name in names {
            write(&tree.path(name), &text);
            tree.files.insert(name.to_owned(), text.clone());
        }
        tree.wait_for_last();
        for name in names {
            tree.save_at_once(name);
        }
        if round % 2 == 0 {
            fs::rename(tree.path("x"), tree.path("old")).expect("it is there");
            fs::remove_dir_all(tree.path("old")).expect("it is there");
            tree.files.retain(|name, _| !name.starts_with("x/"));
            tree.wait_for_last();
        }
    }
}

/// Whatever is done to the tree, and however fast: in the end a run has seen it as it is.
fn random_changes(args: &[&str], seed: u64, steps: usize) {
    let mut tree = Tree::watched(args);
    let mut rng = Rng::with_seed(seed);
    for step in 0..steps {
        for _ in 0..rng.usize(1..4) {
            change(&mut tree, &mut rng);
        }
        if rng.u8(0..3) > 0 {
            tree.wait_for_last();
        }
        if step % 10 == 9 {
            tree.save_at_once("a.c");
        }
    }
    tree.save_at_once("a.c");
    let (code, _) = tree.watching.end(Signal::TERM);
    assert_eq!(code, 143);
}

fn change(tree: &mut Tree, rng: &mut Rng) {
    let names = ["a.c", "b.c", "c.c", "x/a.c", "x/b.c", "x/y/a.c", "z/a.c"];
    let name = names[rng.usize(0..names.len())].to_owned();
    let path = tree.path(&name);
    let text = tree.new_text();
    let folder = ["x", "x/y", "z"][rng.usize(0..3)];
    match rng.u8(0..12) {
        0..=2 => {
            write(&path, &text);
            tree.files.insert(name, text);
        }
        // As vim saves.
        3 if path.exists() => {
            let backup = path.with_extension("c~");
            fs::rename(&path, &backup).expect("it is there");
            write(&path, &text);
            fs::remove_file(backup).expect("it is there");
            tree.files.insert(name, text);
        }
        // As others do.
        4 => {
            let draft = path.with_extension("c.new");
            write(&draft, &text);
            fs::rename(draft, &path).expect("it is ours");
            tree.files.insert(name, text);
        }
        5 if path.exists() => {
            fs::remove_file(&path).expect("it is there");
            tree.files.remove(&name);
        }
        6 if path.exists() => {
            let mut file = fs::File::options()
                .append(true)
                .open(&path)
                .expect("it is there");
            std::io::Write::write_all(&mut file, text.as_bytes()).expect("it is ours");
            tree.files.entry(name).or_default().push_str(&text);
        }
        // A folder with all that is in it.
        7 if tree.path(folder).exists() => {
            fs::remove_dir_all(tree.path(folder)).expect("it is there");
            tree.files
                .retain(|name, _| !name.starts_with(&format!("{folder}/")));
        }
        8 if tree.path(folder).exists() => {
            let (from, to) = (tree.path(folder), tree.path("w"));
            let _ = fs::remove_dir_all(&to);
            fs::rename(from, &to).expect("it is there");
            tree.files.retain(|name, _| !name.starts_with("w/"));
            let moved = |(name, text): (String, String)| {
                let below = name
                    .strip_prefix(&format!("{folder}/"))
                    .map(|below| format!("w/{below}"));
                (below.unwrap_or(name), text)
            };
            tree.files = std::mem::take(&mut tree.files)
                .into_iter()
                .map(moved)
                .collect();
        }
        // A folder that was filled elsewhere.
        9 if !tree.path("new").exists() => {
            let elsewhere = tree.watching.space.work().join("elsewhere");
            write(&elsewhere.join("deep/a.c"), &text);
            fs::rename(elsewhere, tree.path("new")).expect("it is ours");
            tree.files.insert("new/deep/a.c".to_owned(), text);
        }
        10 => {
            let _ = fs::remove_dir_all(tree.path("new"));
            tree.files.retain(|name, _| !name.starts_with("new/"));
        }
        // A checkout.
        _ => {
            for number in 0..rng.usize(0..200) {
                let name = format!("many/{}/{number}.c", number % 7);
                write(&tree.path(&name), &text);
                tree.files.insert(name, text.clone());
            }
        }
    }
}

#[test]
fn every_change_is_seen_in_the_end() {
    for seed in 0..2 {
        random_changes(&[], seed, rounds(20));
    }
}

#[test]
fn every_change_is_seen_by_looking_too() {
    random_changes(&["--poll=20ms"], 7, rounds(8));
}

#[test]
fn branches_are_switched() {
    let mut tree = Tree::watched(&[]);
    let git = |tree: &Tree, args: &[&str]| {
        let mut command = Command::new("git");
        let identity = [
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "-c",
            "core.autocrlf=false",
        ];
        command
            .current_dir(tree.watching.space.work())
            .args(identity)
            .args(args);
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().expect("there is git");
        assert!(output.status.success(), "{output:?}");
    };
    git(&tree, &["init", "-q", "-b", "main"]);
    git(&tree, &["add", "src"]);
    git(&tree, &["commit", "-qm", "one"]);
    git(&tree, &["checkout", "-qb", "other"]);
    let main = tree.files.clone();
    for number in 0..rounds(500) {
        let name = format!("many/{}/{number}.c", number % 20);
        write(&tree.path(&name), "2");
        tree.files.insert(name, "2".to_owned());
    }
    tree.wait_for_last();
    git(&tree, &["add", "src"]);
    git(&tree, &["commit", "-qm", "two"]);
    let other = tree.files.clone();
    for files in [&main, &other, &main] {
        let branch = if files.len() == main.len() {
            "main"
        } else {
            "other"
        };
        tree.files.clone_from(files);
        git(&tree, &["checkout", "-q", branch]);
        tree.wait_for_last();
    }
}

const MIDST: &str = r#"
tasks:
  one:
    sources: [one.c]
    run: |
      if [ -e pid ] && kill -0 $(cat pid) 2> err; then echo overlap >> log; fi
      echo $$ > pid
      echo "one $(cat one.c)" >> log
      until [ -e go ]; do sleep 0.01; done
  two:
    sources: [two.c]
    run: |
      echo two >> log
      until [ -e two.go ]; do sleep 0.01; done
  after: {depends_on: [one], run: echo after >> log}
  all: {depends_on: [after, two]}
"#;

fn midst() -> Watching {
    let space = Space::with(MIDST);
    space.write("one.c", "1");
    space.write("two.c", "1");
    Watching::start(space, &["watch", "-j", "2", "all"])
}

fn log(watching: &Watching) -> Vec<String> {
    let log = watching.space.read("log").unwrap_or_default();
    let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_change_in_the_midst_stops_what_it_affects_and_the_rest_goes_on() {
    let watching = midst();
    wait_for("both to begin", || log(&watching) == ["one 1", "two"]);
    watching.space.write("one.c", "2");
    watching.wait_for_err("one.c has changed; stopping what that affects");
    let pid: i32 = watching
        .space
        .read("pid")
        .expect("it is there")
        .trim()
        .parse()
        .expect("a number");
    wait_for("the old one to be gone", || !is_alive(pid));
    // The other one is waited for, and then is up to date.
    assert_eq!(log(&watching), ["one 1", "two"]);
    watching.space.write("two.go", "");
    wait_for("the new one", || {
        log(&watching) == ["one 1", "one 2", "two"]
    });
    watching.space.write("go", "");
    wait_for("the end", || {
        log(&watching) == ["after", "one 1", "one 2", "two"]
    });
    watching.wait_for_err("waiting for changes");
    let (code, space) = watching.end(Signal::INT);
    assert_eq!(code, 130);
    let ends: Vec<RunStage> = space
        .records()
        .iter()
        .map(|record| record.state.stage())
        .collect();
    let ended = [RunEnd::Cancelled, RunEnd::Completed].map(RunStage::Finished);
    assert_eq!(ends, ended);
}

#[test]
fn a_changed_file_is_read_again_and_a_broken_one_waited_for() {
    let space = Space::with("tasks: {t: {watch: [a], run: echo one >> log}}");
    space.write("a", "");
    let watching = Watching::start(space, &["watch", "t"]);
    let log = || watching.space.read("log").unwrap_or_default();
    watching.wait_for_err("waiting for changes");
    watching.space.write(
        "Workflowfile.yml",
        "tasks: {t: {watch: [a], run: echo two >> log}}",
    );
    wait_for("the new command", || log() == "one\ntwo\n");
    watching.space.write(
        "Workflowfile.yml",
        "tasks: {t: {watch: [a], runs: echo three >> log}}",
    );
    watching.wait_for_err("unknown key 'runs'");
    watching.wait_for_err("waiting for the file to be mended");
    watching.space.write(
        "Workflowfile.yml",
        "tasks: {t: {watch: [b], run: echo four >> log}}",
    );
    wait_for("the mended one", || log() == "one\ntwo\nfour\n");
    watching.space.write("b", "");
    wait_for("a run for the other file", || {
        log() == "one\ntwo\nfour\nfour\n"
    });
    assert_eq!(watching.end(Signal::HUP).0, 129);
}

#[test]
fn what_a_run_makes_does_not_start_another() {
    let space = Space::with(
        "tasks: {t: {sources: ['*.txt'], generates: [made.txt], run: 'date +%N > made.txt; echo x >> log'}}",
    );
    space.write("a.txt", "0");
    let watching = Watching::start(space, &["watch", "t"]);
    for number in 1..10 {
        wait_for("a run", || {
            watching
                .space
                .read("log")
                .is_some_and(|log| log.lines().count() == number)
        });
        watching.wait_until_idle();
        let draft = watching.space.work().join("draft");
        fs::write(&draft, number.to_string()).expect("it is ours");
        fs::rename(draft, watching.space.work().join("a.txt")).expect("it is ours");
    }
    wait_for("a run", || {
        watching
            .space
            .read("log")
            .is_some_and(|log| log.lines().count() == 10)
    });
}

/// It goes round, but neither fast nor without a word, and it stops nothing half way.
#[test]
fn a_task_that_writes_what_it_is_watched_for_goes_round_slowly() {
    let space = Space::with(
        "tasks: {t: {watch: ['*.txt'], run: 'date +%N > made.txt; echo x >> begun; sleep 0.1; echo x >> ended'}}",
    );
    space.write("a.txt", "1");
    let watching = Watching::start(space, &["watch", "t"]);
    watching.wait_for_err("made.txt has changed in each of the last 10 runs");
    let count = |name: &str| {
        watching
            .space
            .read(name)
            .unwrap_or_default()
            .lines()
            .count()
    };
    let ended = count("ended");
    // What somebody else writes is not waited for.
    watching.space.write("a.txt", "2");
    wait_for("a run to its end", || count("ended") > ended);
    assert_eq!(watching.end(Signal::INT).0, 130);
}

#[test]
fn the_keys_at_a_terminal() {
    let workflow = "tasks: {t: {watch: [a], run: 'echo run >> log; echo ran'}}";
    let mut terminal = Terminal::run(
        workflow,
        "touch a; stty > before; flow watch t; echo \"code $?\"; stty > after",
    );
    let runs = |terminal: &Terminal| {
        terminal
            .space
            .read("log")
            .unwrap_or_default()
            .lines()
            .count()
    };
    terminal.wait_for("r runs again");
    terminal.type_in("r");
    wait_for("a second run", || runs(&terminal) == 2);
    terminal.type_in("?");
    terminal.wait_for("clear the screen");
    terminal.type_in("c");
    terminal.wait_for("\u{1b}[2J");
    terminal.type_in("xr");
    wait_for("a third run", || runs(&terminal) == 3);
    terminal.type_in("q");
    terminal.wait_for("code 0");
    let space = terminal.space.work();
    let text = terminal.end();
    let read = |name: &str| fs::read_to_string(space.join(name)).ok();
    assert_eq!(read("before"), read("after"), "{text}");
}

#[test]
fn q_and_r_stop_what_runs() {
    let workflow = "tasks: {t: {watch: [a], run: 'echo $$ >> log; exec sleep 600'}}";
    let mut terminal = Terminal::run(workflow, "touch a; flow watch t; echo \"code $?\"");
    let pids = |terminal: &Terminal| -> Vec<i32> {
        let log = terminal.space.read("log").unwrap_or_default();
        log.lines()
            .map(|line| line.parse().expect("a number"))
            .collect()
    };
    wait_for("a run", || pids(&terminal).len() == 1);
    terminal.type_in("r");
    wait_for("a second run", || pids(&terminal).len() == 2);
    assert!(
        !is_alive(pids(&terminal)[0]),
        "the first one is still there"
    );
    terminal.type_in("q");
    terminal.wait_for("code 0");
    assert!(
        !is_alive(pids(&terminal)[1]),
        "the second one is still there"
    );
    let text = terminal.end();
    assert!(!text.contains("flow resume"), "{text}");
}

/// What tidies up has its time: only a second key insists.
#[test]
fn finally_runs_after_q_also_when_more_changes_come() {
    let workflow = "tasks: {t: {watch: ['a*'], run: 'echo begun >> log; exec sleep 600', finally: 'until [ -e go ]; do sleep 0.01; done; echo finally >> log'}}";
    let mut terminal = Terminal::run(workflow, "touch a; flow watch t; echo \"code $?\"");
    wait_for("a run", || terminal.space.has("log"));
    terminal.type_in("q");
    terminal.wait_for("stopping what runs");
    for number in 0..5 {
        terminal.space.write(&format!("a{number}"), "");
        terminal.type_in("?");
    }
    terminal.space.write("go", "");
    terminal.wait_for("code 0");
    assert_eq!(
        terminal.space.read("log").as_deref(),
        Some("begun\nfinally\n")
    );
    terminal.end();
}

#[test]
fn what_can_t_be_watched_is_refused() {
    for (workflow, args, what) in [
        (
            "tasks: {t: echo}",
            &["watch", "t"][..],
            "there is nothing to watch for t",
        ),
        (
            "tasks: {t: {for: {glob: '*.c'}, sources: ['{{ item }}'], run: echo}}",
            &["watch", "t"],
            "there is nothing to watch: no file is there that t is made of",
        ),
        (
            "tasks: {t: {watch: [a], confirm: sure?, run: echo}}",
            &["watch", "-y", "t"],
            "asks to be confirmed",
        ),
        (
            "tasks: {t: {watch: [a], run: echo}}",
            &["watch", "-n", "t"],
            "--dry-run runs nothing",
        ),
        (
            "tasks: {t: {watch: [a], run: echo}}",
            &["-w", "-n", "t"],
            "cannot be used with",
        ),
        (
            "tasks: {t: {watch: [a], run: echo}}",
            &["watch"],
            "say what to watch",
        ),
        (
            "tasks: {t: {watch: ['{a'], run: echo}}",
            &["watch", "t"],
            "no pattern of files",
        ),
    ] {
        let ended = Space::with(workflow).run(args);
        assert_eq!(ended.code, 2, "{}", ended.err());
        assert!(ended.err().contains(what), "{what}: {}", ended.err());
    }
}

#[test]
fn facts_say_why_a_run_was_stopped() {
    let watching = midst();
    wait_for("both to begin", || log(&watching) == ["one 1", "two"]);
    watching.space.write("two.go", "");
    watching.space.write("one.c", "2");
    wait_for("the new one", || {
        log(&watching).contains(&"one 2".to_owned())
    });
    let (_, space) = watching.end(Signal::INT);
    let first = space.records().into_iter().next().expect("there are runs");
    let told = |fact: &Fact| matches!(fact, Fact::CancelRequested { reason: Some(reason), .. } if reason == "one.c has changed");
    assert!(
        first.facts.iter().any(|entry| told(&entry.fact)),
        "{:#?}",
        first.lines
    );
}

/// What lies behind a link is followed to where that leads now, again and again: a link to a folder, one that leads to another link in
/// a folder where nothing else is watched, a link to a file.
#[test]
fn a_link_that_is_swapped_is_followed() {
    let file = "
tasks:
  show:
    watch: [current/**, far/**, file]
    run: cat current/x far/x file > last.tmp; mv last.tmp last
";
    let space = Space::with(file);
    space.write(".gitignore", "*.tmp\n");
    let work = space.work();
    let outside = work.with_file_name("outside");
    for folder in [
        work.join("v1"),
        work.join("v2"),
        outside.join("v1"),
        outside.join("v2"),
    ] {
        fs::create_dir_all(&folder).expect("it is ours");
        fs::write(folder.join("x"), "old\n").expect("it is ours");
    }
    let link = |to: &str, at: PathBuf| {
        let draft = at.with_extension("tmp");
        std::os::unix::fs::symlink(to, &draft).expect("it is ours");
        fs::rename(draft, at).expect("it is ours");
    };
    link("v1", work.join("current"));
    link("v1", outside.join("latest"));
    link("../outside/latest", work.join("far"));
    link("v1/x", outside.join("file"));
    link("../outside/file", work.join("file"));
    let watching = Watching::start(space, &["watch", "show"]);
    let wait = |texts: [&str; 3]| {
        let expected = texts.map(|text| format!("{text}\n")).concat();
        wait_for(&format!("a run that sees {texts:?}"), || {
            watching.space.read("last").as_deref() == Some(&expected)
        });
    };
    wait(["old", "old", "old"]);
    watching.wait_until_idle();
    for round in 0..2 {
        // What is changed behind a link, and then another link, and what is changed behind that.
        let (here, there) = if round == 0 {
            ("v1", "v2")
        } else {
            ("v2", "v1")
        };
        let text = |what: &str| format!("{what} {round}");
        let write =
            |path: PathBuf, text: &str| fs::write(path, format!("{text}\n")).expect("it is ours");
        write(work.join(there).join("x"), &text("a"));
        write(work.join(here).join("x"), &text("b"));
        write(outside.join(here).join("x"), &text("c"));
        wait([&text("b"), &text("c"), &text("c")]);
        link(there, work.join("current"));
        write(outside.join(there).join("x"), &text("d"));
        wait([&text("a"), &text("c"), &text("c")]);
        link(there, outside.join("latest"));
        wait([&text("a"), &text("d"), &text("c")]);
        link(&format!("{there}/x"), outside.join("file"));
        wait([&text("a"), &text("d"), &text("d")]);
        write(work.join(there).join("x"), &text("e"));
        wait([&text("e"), &text("d"), &text("d")]);
        write(outside.join(there).join("x"), &text("f"));
        wait([&text("e"), &text("f"), &text("f")]);
        // Removed and made again.
        fs::remove_file(work.join("current")).expect("it is ours");
        link(here, work.join("current"));
        write(work.join(here).join("x"), &text("g"));
        wait([&text("g"), &text("f"), &text("f")]);
        link(there, work.join("current"));
        wait([&text("e"), &text("f"), &text("f")]);
    }
    assert_eq!(watching.end(Signal::TERM).0, 143);
}

/// Of a loop with depfiles each item is watched by itself: for its file and for what its commands have named, also since the last run.
#[test]
fn what_a_depfile_names_is_watched() {
    let space = Space::with(
        r#"
tasks:
  obj:
    for: {glob: "*.c"}
    sources: ["{{ item }}"]
    depfile: "{{ item }}.d"
    generates: "{{ item }}.o"
    run: |
      echo {{ item }} >> log
      cat {{ item }} $(cat {{ item }}) > {{ item }}.o
      echo "x: $(cat {{ item }} | tr '\n' ' ')" > {{ item }}.d
"#,
    );
    for (name, text) in [
        ("a.c", "a.h\n"),
        ("b.c", "b.h\n"),
        ("a.h", "1"),
        ("b.h", "1"),
        ("c.h", "1"),
    ] {
        space.write(name, text);
    }
    let watching = Watching::start(space, &["watch", "obj"]);
    let read = |name: &str| watching.space.read(name).unwrap_or_default();
    let runs = |what: &str, log: &str| {
        wait_for(what, || read("log") == log);
        watching.wait_until_idle();
        fs::remove_file(watching.space.work().join("log")).expect("it is ours");
    };
    runs("both", "a.c\nb.c\n");
    watching.wait_for_err("waiting for changes of 4 files");
    // Nobody reads these; if they started a run, the next one would not be what it is.
    watching.space.write("c.h", "2");
    watching.space.write("d.txt", "2");
    watching.space.write("a.h", "2");
    runs("that of the header", "a.c\n");
    assert!(read("a.c.o").ends_with('2'));
    watching.space.write("b.c", "b.h\nc.h\n");
    runs("that of the file", "b.c\n");
    watching.wait_for_err("waiting for changes of 5 files");
    watching.space.write("c.h", "3");
    runs("that of the header that is new to it", "b.c\n");
    watching.space.write("e.c", "");
    runs("that of a new file", "e.c\n");
    assert_eq!(watching.end(Signal::INT).0, 130);
}
