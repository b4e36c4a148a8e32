//! Whatever is done to the files of a project, once, twice, undone and done again: exactly what has to run runs, all files hold
//! what they should, and `why`, `list --status`, `-n` and `--explain` say the same as the run.
//!
//! The projects have what goes wrong by itself in a fingerprint: two tasks that make files in one folder, links, names that look
//! like patterns, loops, an include that two includes share. The oracle knows contents only: a task has to run when the files
//! that it reads, or those that it made, hold something else than when it last succeeded.
//!
//! `FLOW_INCREMENTAL_STEPS` says how many steps, `FLOW_INCREMENTAL_SEED` repeats one project. A failing sequence is shortened.

pub mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use support::Space;

/// How many disturbances one project lives through.
const STEPS: usize = 30;

/// The files that there can be. Some have names that would be patterns if anybody read them so.
const SOURCES: [&str; 8] = [
    "src/a/0.txt",
    "src/a/[2].txt",
    "src/a/{4,5}.txt",
    "src/a/*6.txt",
    "src/b/1.txt",
    "src/b/3 3.txt",
    "src/b/!5.txt",
    "src/b/7\\.txt",
];

/// Where the link leads.
const LED_TO: [&str; 2] = ["src/a", "src/b"];

/// What is made, apart from the files of the loop.
const MADE: [&str; 8] = [
    "out/t0.txt",
    "out/t1.txt",
    "out/folder.txt",
    "dist/s0.txt",
    "dist/s1.txt",
    "inc/common/made.txt",
    "inc/a/made.txt",
    "inc/b/made.txt",
];

const FOLDERS: [&str; 4] = ["out", "out/each", "dist", "src/b"];

const GOALS: [&str; 11] = [
    "all", "all", "all", "t0", "t1", "each", "folder", "s0", "s1", "a:main", "b:main",
];

/// What a path holds: a text, for a link behind what it says.
type Files = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit {
    Write(String, u8),
    /// Another content of the same size, with the time that the file had.
    Slip(String, u8),
    Touch(String),
    Mode(String),
    Remove(String),
    RemoveFolder(String),
    Rename(usize, usize),
    /// A link to a copy takes the place of the file.
    Link(String),
    /// The link to a folder leads elsewhere.
    Swap,
    /// All files as they were before the last edit, with new times.
    Undo,
    Nothing,
}

/// A task, or one item of the loop, as the oracle sees it.
struct Unit {
    name: String,
    task: &'static str,
    reads: Vec<String>,
    makes: String,
    needs: Vec<&'static str>,
}

struct Project {
    space: Space,
    /// What each unit read and made when it last succeeded.
    known: BTreeMap<String, (Vec<(String, String)>, String)>,
    before: Files,
    led_before: usize,
    copies: usize,
}

fn workflow(root: &Path) -> String {
    let script = |name: &str, to: &str, read: &str| {
        format!(
            "\n      echo '{name}' >> {ran}; mkdir -p $(dirname '{to}')\n      {{ echo '{name}'; cat {read} /dev/null 2>/dev/null || true; }} > '{to}'",
            ran = root.join("ran").display()
        )
    };
    let mut text = String::from(
        "includes: {a: inc/a, b: inc/b}\ntasks:\n  all: {depends_on: [t1, each, folder, s0, s1, \"a:main\", \"b:main\"]}\n",
    );
    let mut task = |name: &str, keys: &str, script: String| {
        text.push_str(&format!("  {name}:\n{keys}    run: |{script}\n"));
    };
    task(
        "t0",
        "    sources: [\"src/a/*.txt\"]\n    generates: out/t0.txt\n",
        script("t0", "out/t0.txt", "src/a/*.txt"),
    );
    task(
        "t1",
        "    depends_on: [t0]\n    sources: [\"src/**/*.txt\"]\n    generates: out/t1.txt\n",
        script("t1", "out/t1.txt", "src/a/*.txt src/b/*.txt out/t0.txt"),
    );
    task(
        "each",
        "    for: {glob: \"src/a/*.txt\"}\n    sources: [\"{{ item }}\"]\n    generates: \"out/each/{{ item | basename }}\"\n",
        format!(
            "\n      echo \"each \"{{{{ item }}}} >> {}; mkdir -p out/each\n      {{ echo \"each \"{{{{ item }}}}; cat {{{{ item }}}}; }} > out/each/{{{{ item | basename }}}}",
            root.join("ran").display()
        ),
    );
    task(
        "folder",
        "    sources: [link]\n    generates: out/folder.txt\n",
        script("folder", "out/folder.txt", "link/*.txt"),
    );
    task(
        "s0",
        "    sources: [{optional: src/a/0.txt}]\n    generates: [\"dist/**\"]\n",
        script("s0", "dist/s0.txt", "src/a/0.txt"),
    );
    task(
        "s1",
        "    sources: [{optional: src/b/1.txt}]\n    generates: [\"dist/**\"]\n",
        script("s1", "dist/s1.txt", "src/b/1.txt"),
    );
    text
}

impl Project {
    fn new() -> Self {
        let space = Space::new();
        let root = space.work();
        for folder in [
            "src/a",
            "src/b",
            "inc/a",
            "inc/b",
            "inc/common",
            "elsewhere",
        ] {
            fs::create_dir_all(root.join(folder)).expect("the folder is ours");
        }
        for name in SOURCES {
            space.write(name, "first\n");
        }
        symlink(LED_TO[0], root.join("link")).expect("the folder is ours");
        space.write("Workflowfile.yml", &workflow(&root));
        let ran = root.join("ran");
        let ran = ran.display();
        for name in ["a", "b"] {
            space.write(
                &format!("inc/{name}/Workflowfile.yml"),
                &format!(
                    "includes: {{common: ../common}}\ntasks:\n  main:\n    depends_on: [\"common:install\"]\n    sources: []\n    generates: made.txt\n    run: |\n      echo {name}:main >> {ran}; {{ echo {name}:main; cat ../common/made.txt; }} > made.txt\n"
                ),
            );
        }
        space.write(
            "inc/common/Workflowfile.yml",
            &format!(
                "tasks:\n  install:\n    sources: [\"../../src/b/*.txt\"]\n    generates: made.txt\n    run: |\n      echo install >> {ran}; {{ echo install; cat ../../src/b/*.txt /dev/null 2>/dev/null || true; }} > made.txt\n"
            ),
        );
        let mut project = Self {
            space,
            known: BTreeMap::new(),
            before: Files::new(),
            led_before: 0,
            copies: 0,
        };
        project.before = project.files();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.space.work().join(name)
    }

    fn led_to(&self) -> usize {
        let target = fs::read_link(self.path("link")).expect("it is a link");
        usize::from(target == Path::new(LED_TO[1]))
    }

    /// All files that count.
    fn files(&self) -> Files {
        let root = self.space.work();
        let mut files = Files::new();
        for folder in ["src", "out", "dist", "inc"] {
            for path in support::space::files_below(&root.join(folder)) {
                let name = format!("{folder}/{}", path.to_str().expect("UTF-8"));
                if name.ends_with(".yml") {
                    continue;
                }
                let text = self.space.read(&name).unwrap_or_default();
                let text = match fs::read_link(root.join(&name)) {
                    Ok(target) => format!("-> {}\n{text}", target.display()),
                    Err(_) => text,
                };
                files.insert(name, text);
            }
        }
        files
    }

    fn units(&self, files: &Files) -> Vec<Unit> {
        let in_folder = |folder: &str| -> Vec<String> {
            let names = files.keys().filter(|name| name.starts_with(folder));
            names
                .filter(|name| name.ends_with(".txt"))
                .cloned()
                .collect()
        };
        let unit =
            |name: &str, task, reads: Vec<String>, makes: &str, needs: &[&'static str]| Unit {
                name: name.to_owned(),
                task,
                reads,
                makes: makes.to_owned(),
                needs: needs.to_vec(),
            };
        let (a, b) = (in_folder("src/a/"), in_folder("src/b/"));
        let mut t1 = [a.clone(), b.clone()].concat();
        t1.push("out/t0.txt".to_owned());
        let mut units = vec![
            unit("t0", "t0", a.clone(), "out/t0.txt", &[]),
            unit("t1", "t1", t1, "out/t1.txt", &["t0"]),
        ];
        for item in &a {
            let name = item.strip_prefix("src/a/").expect("it is in there");
            units.push(unit(
                &format!("each {item}"),
                "each",
                vec![item.clone()],
                &format!("out/each/{name}"),
                &[],
            ));
        }
        let led_to = if self.led_to() == 0 { a } else { b.clone() };
        let one = |name: &str| {
            files
                .keys()
                .filter(|known| *known == name)
                .cloned()
                .collect()
        };
        units.extend([
            unit("folder", "folder", led_to, "out/folder.txt", &[]),
            unit("s0", "s0", one("src/a/0.txt"), "dist/s0.txt", &[]),
            unit("s1", "s1", one("src/b/1.txt"), "dist/s1.txt", &[]),
            unit("install", "a:common:install", b, "inc/common/made.txt", &[]),
        ]);
        for (name, makes) in [("a:main", "inc/a/made.txt"), ("b:main", "inc/b/made.txt")] {
            let common = vec!["inc/common/made.txt".to_owned()];
            units.push(unit(name, name, common, makes, &["a:common:install"]));
        }
        units
    }

    fn reads(unit: &Unit, files: &Files) -> Vec<(String, String)> {
        let mut reads: Vec<_> = unit
            .reads
            .iter()
            .filter_map(|name| {
                // A link to a folder shows its files under other names; which folder it is makes no difference by itself.
                let shown = if unit.task == "folder" {
                    name.rsplit('/').next().unwrap_or_default().to_owned()
                } else {
                    name.clone()
                };
                Some((shown, files.get(name)?.clone()))
            })
            .collect();
        reads.sort();
        reads
    }

    fn is_stale(&self, unit: &Unit, files: &Files) -> bool {
        let made = files.get(&unit.makes);
        self.known.get(&unit.name).is_none_or(|(reads, before)| {
            *reads != Self::reads(unit, files) || made != Some(before)
        })
    }

    /// The units of a task and of all that it needs, in an order in which they can run.
    fn wanted(goal: &str, units: &[Unit]) -> BTreeSet<usize> {
        let mut wanted = BTreeSet::new();
        for (number, unit) in units.iter().enumerate().rev() {
            let is_needed = |wanted: &BTreeSet<usize>| {
                let needs = |other: &usize| units[*other].needs.contains(&unit.task);
                wanted.iter().any(needs)
            };
            if goal == "all" || unit.task == goal || is_needed(&wanted) {
                wanted.insert(number);
            }
        }
        wanted
    }

    /// What has to run, in the order of names, and what all files hold afterwards.
    fn expected(&mut self, goal: &str) -> (Vec<String>, Files) {
        let mut files = self.files();
        let units = self.units(&files);
        let mut ran = Vec::new();
        for number in Self::wanted(goal, &units) {
            let unit = &units[number];
            if !self.is_stale(unit, &files) {
                continue;
            }
            ran.push(unit.name.clone());
            let mut text = format!("{}\n", unit.name);
            for name in &unit.reads {
                let read = files.get(name).map_or("", String::as_str);
                text.push_str(behind_link(read).1);
            }
            let link = files
                .get(&unit.makes)
                .map_or("", |made| behind_link(made).0);
            let made = format!("{link}{text}");
            files.insert(unit.makes.clone(), made.clone());
            let reads = Self::reads(unit, &files);
            self.known.insert(unit.name.clone(), (reads, made));
        }
        ran.sort();
        (ran, files)
    }

    fn edit(&mut self, edit: &Edit) {
        let (now, led_now) = (self.files(), self.led_to());
        let path = |name: &str| self.path(name);
        match edit {
            Edit::Write(name, text) => {
                if path(name).parent().is_some_and(Path::is_dir) {
                    let _ = fs::remove_file(path(name));
                    self.space.write(name, &format!("text {text}\n"));
                }
            }
            Edit::Slip(name, text) => {
                if let Ok(metadata) = fs::metadata(path(name)) {
                    let size = usize::try_from(metadata.len()).expect("it is small");
                    let text = format!("{}\n", text.to_string().repeat(size.saturating_sub(1)));
                    fs::write(path(name), text).expect("it is ours");
                    set_time(&path(name), metadata.modified().expect("it has a time"));
                }
            }
            Edit::Touch(name) => {
                if path(name).exists() {
                    set_time(&path(name), SystemTime::now() + Duration::from_secs(5));
                }
            }
            Edit::Mode(name) => {
                // That of what is made counts: the case output-mode.
                if path(name).exists() && name.starts_with("src/") {
                    fs::set_permissions(path(name), fs::Permissions::from_mode(0o755))
                        .expect("it is ours");
                }
            }
            // What is not there can't be removed or renamed.
            Edit::Remove(name) => drop(fs::remove_file(path(name))),
            Edit::RemoveFolder(name) => {
                let _ = fs::remove_dir_all(path(name));
                if name.starts_with("src") {
                    fs::create_dir(path(name)).expect("it was just removed");
                }
            }
            Edit::Rename(from, to) => drop(fs::rename(path(SOURCES[*from]), path(SOURCES[*to]))),
            Edit::Link(name) => {
                if let Ok(text) = fs::read(path(name)) {
                    self.copies += 1;
                    let copy = self.space.work().join(format!("elsewhere/{}", self.copies));
                    fs::write(&copy, text).expect("it is ours");
                    fs::remove_file(self.path(name)).expect("it is ours");
                    symlink(copy, self.path(name)).expect("it is ours");
                }
            }
            Edit::Swap => self.lead_to(1 - led_now),
            Edit::Undo => {
                let (before, led_before) = (self.before.clone(), self.led_before);
                self.lead_to(led_before);
                for name in now.keys().filter(|name| !before.contains_key(*name)) {
                    fs::remove_file(self.path(name)).expect("it is ours");
                }
                for (name, text) in &before {
                    if now.get(name) != Some(text) {
                        let _ = fs::remove_file(self.path(name));
                        let folder = self.path(name);
                        fs::create_dir_all(folder.parent().expect("it has one"))
                            .expect("it is ours");
                        let (link, text) = behind_link(text);
                        let target = link.strip_prefix("-> ").map(str::trim_end);
                        match target {
                            Some(target) => {
                                fs::write(target, text).expect("it is ours");
                                symlink(target, self.path(name)).expect("it is ours");
                            }
                            None => self.space.write(name, text),
                        }
                    }
                }
            }
            Edit::Nothing => {}
        }
        (self.before, self.led_before) = (now, led_now);
    }

    fn lead_to(&self, number: usize) {
        fs::remove_file(self.path("link")).expect("it is ours");
        symlink(LED_TO[number], self.path("link")).expect("it is ours");
    }

    /// What `why` and `list --status` say, against what is so.
    fn ask(&self, goal: &str) -> Result<(), String> {
        let files = self.files();
        let units = self.units(&files);
        let stale = |task: &str| {
            let mut own = units.iter().filter(|unit| unit.task == task);
            own.any(|unit| self.is_stale(unit, &files))
        };
        let ended = self.space.run(&["why", goal, "--json"]);
        let told: serde_json::Value = serde_json::from_slice(&ended.stdout)
            .map_err(|_| format!("flow why {goal}: {}", ended.err()))?;
        let mut would: BTreeSet<&str> = BTreeSet::new();
        let needs = told["needs"].as_array().into_iter().flatten();
        for one in needs.chain([&told]) {
            if one["runs"] == true {
                would.insert(one["task"].as_str().unwrap_or_default());
            }
            if one["runs"].is_null() {
                return Err(format!("flow why {goal} does not know: {told}"));
            }
        }
        let wanted = Self::wanted(goal, &units);
        let wanted: BTreeSet<&str> = wanted.iter().map(|number| units[*number].task).collect();
        let expected: BTreeSet<&str> = wanted.into_iter().filter(|task| stale(task)).collect();
        if would != expected {
            return Err(format!(
                "flow why {goal} says that {would:?} would run, and not {expected:?}: {told}"
            ));
        }
        let ended = self.space.run(&["list", "--status", "--all", "--json"]);
        let told: serde_json::Value = serde_json::from_slice(&ended.stdout)
            .map_err(|_| format!("flow list: {}", ended.err()))?;
        for task in told["tasks"].as_array().into_iter().flatten() {
            let name = task["name"].as_str().unwrap_or_default();
            // It is the same task by whatever way.
            let name = if name == "b:common:install" {
                "a:common:install"
            } else {
                name
            };
            if name != "all" && task["up_to_date"] != !stale(name) {
                return Err(format!("flow list --status says of {name}: {task}"));
            }
        }
        let ended = self.space.run(&["-n", goal]);
        let shown = ended.out();
        let tasks = shown.lines().filter(|line| !line.starts_with(' '));
        for line in tasks {
            let name = line.split("  ").next().unwrap_or_default();
            let name = if name == "b:common:install" {
                "a:common:install"
            } else {
                name
            };
            // Also what only depends on a task that would run is not called up to date.
            let quiet = Self::wanted(name, &units)
                .iter()
                .all(|number| !self.is_stale(&units[*number], &files));
            if name != "all" && line.ends_with("  # up to date") != quiet {
                return Err(format!("flow -n {goal} says of {name}: {shown}"));
            }
        }
        Ok(())
    }

    fn step(&mut self, edit: &Edit, goal: &str, asks: bool) -> Result<(), String> {
        self.edit(edit);
        if asks {
            self.ask(goal)?;
        }
        let _ = fs::remove_file(self.path("ran"));
        let (expected, files) = self.expected(goal);
        let ended = self.space.run(&["-q", "-j", "1", "--explain", goal]);
        let ran = self.space.read("ran").unwrap_or_default();
        let mut ran: Vec<String> = ran.lines().map(str::to_owned).collect();
        ran.sort();
        if ended.code != 0 || ran != expected {
            return Err(format!(
                "{ran:?} ran, and not {expected:?}\n{}{}",
                ended.out(),
                ended.err()
            ));
        }
        let explained = ended.err().matches("runs because").count();
        if explained != ran.len() {
            return Err(format!("{ran:?} ran, and --explain says: {}", ended.err()));
        }
        let now = self.files();
        if now != files {
            return Err(format!("the files are {now:#?}, and not {files:#?}"));
        }
        Ok(())
    }
}

/// What a link says, with the end of its line, and what is behind it.
fn behind_link(text: &str) -> (&str, &str) {
    match text.starts_with("-> ") {
        true => text.split_at(text.find('\n').map_or(text.len(), |end| end + 1)),
        false => ("", text),
    }
}

fn set_time(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_modified(time))
        .expect("it is ours");
}

fn edit(rng: &mut fastrand::Rng) -> Edit {
    let source = SOURCES[rng.usize(0..SOURCES.len())].to_owned();
    let made = match rng.usize(0..MADE.len() + 2) {
        number if number < MADE.len() => MADE[number].to_owned(),
        number => format!(
            "out/each/{}",
            SOURCES[number - MADE.len()]
                .rsplit('/')
                .next()
                .expect("a name")
        ),
    };
    let any = if rng.bool() {
        source.clone()
    } else {
        made.clone()
    };
    match rng.u8(0..14) {
        0..=2 => Edit::Write(source, rng.u8(0..3)),
        3 => Edit::Write(made, 9),
        4 => Edit::Slip(any, rng.u8(0..3)),
        5 => Edit::Touch(any),
        6 => Edit::Mode(any),
        7 | 8 => Edit::Remove(if rng.u8(0..3) == 0 { source } else { made }),
        9 => Edit::RemoveFolder(FOLDERS[rng.usize(0..FOLDERS.len())].to_owned()),
        10 => Edit::Rename(rng.usize(0..SOURCES.len()), rng.usize(0..SOURCES.len())),
        11 => Edit::Link(any),
        12 => Edit::Swap,
        _ => Edit::Nothing,
    }
}

/// Each disturbance once, twice in a row, or undone and done again; the goal is the same all the while.
fn edits(rng: &mut fastrand::Rng) -> Vec<(Edit, &'static str)> {
    let mut all = Vec::new();
    while all.len() < STEPS {
        let (edit, goal) = (edit(rng), GOALS[rng.usize(0..GOALS.len())]);
        let again: &[bool] = match rng.u8(0..4) {
            0 => &[true],
            1 => &[true, true],
            2 => &[true, true, true],
            _ => &[true, false, true, false],
        };
        for forth in again {
            let edit = if *forth { edit.clone() } else { Edit::Undo };
            all.push((edit, goal));
        }
    }
    all
}

fn live(edits: &[(Edit, &'static str)], asks: bool) -> Result<(), String> {
    let mut project = Project::new();
    for (number, (edit, goal)) in edits.iter().enumerate() {
        project
            .step(edit, goal, asks)
            .map_err(|wrong| format!("after edit {number}, {edit:?}, flow {goal}: {wrong}"))?;
    }
    Ok(())
}

/// The shortest sequence that still fails which leaving out edits one by one finds.
fn shortest(edits: &[(Edit, &'static str)], asks: bool) -> String {
    let mut edits = edits.to_vec();
    let mut wrong = live(&edits, asks).err().unwrap_or_default();
    let mut at = edits.len();
    while at > 0 {
        at -= 1;
        let mut fewer = edits.clone();
        fewer.remove(at);
        if let Err(still) = live(&fewer, asks) {
            (edits, wrong) = (fewer, still);
        }
    }
    format!("{edits:#?}\n{wrong}")
}

#[test]
fn whatever_is_done_to_files_what_has_to_run_runs_and_all_agree() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let steps = number("FLOW_INCREMENTAL_STEPS").unwrap_or(900);
    let only = number("FLOW_INCREMENTAL_SEED");
    let projects = steps.div_ceil(STEPS as u64);
    let seeds: Vec<u64> = only.map_or_else(|| (0..projects).collect(), |seed| vec![seed]);
    let run = |seed: &u64| {
        let mut rng = fastrand::Rng::with_seed(*seed);
        let edits = edits(&mut rng);
        // Asking looks at files, too, and so may hide what a run alone gets wrong.
        let asks = seed.is_multiple_of(2);
        if live(&edits, asks).is_err() {
            panic!(
                "FLOW_INCREMENTAL_SEED={seed}, asks: {asks}, {}",
                shortest(&edits, asks)
            );
        }
    };
    let half = seeds.len().div_ceil(2);
    std::thread::scope(|scope| {
        for seeds in seeds.chunks(half.max(1)) {
            scope.spawn(move || seeds.iter().for_each(run));
        }
    });
}
