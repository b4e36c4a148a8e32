//! Nothing runs twice, and nothing that has to run is left out: random projects and random edits, against a model of its own.
//!
//! A step is an edit and a run. The model knows what each task was made of when it last succeeded, by the contents of files, and
//! so which tasks have to run and what all files hold afterwards. `FLOW_INCREMENTAL_STEPS` says how many steps, `FLOW_INCREMENTAL_SEED`
//! repeats one project. A failing sequence of edits is made as short as it goes.

pub mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use support::Space;

const FILES: usize = 8;
const TASKS: usize = 6;
const BRANCHES: usize = 3;
/// How many steps one project lives through.
const STEPS: usize = 40;

/// A task of a project.
#[derive(Clone, Debug)]
struct Task {
    /// Patterns of files; `None` for a task that always runs.
    sources: Option<Vec<&'static str>>,
    makes: bool,
    needs: Vec<usize>,
    /// It reads the value `v`.
    reads: bool,
    env: u32,
    revision: u32,
}

/// What is done to a project before it is run.
#[derive(Clone, Debug)]
enum Edit {
    Write(usize, u8),
    /// Another content of the same size, with the times that it had.
    Slip(usize, u8),
    Touch(usize),
    Mode(usize),
    Delete(usize),
    Rename(usize, usize),
    Copy(usize, usize),
    Damage(usize),
    Unmake(usize),
    Env(usize),
    Revise(usize),
    Value(u8),
    Fail(usize),
    Mend(usize),
    Branch(usize),
    Force(usize),
    Nothing,
}

type Files = BTreeMap<String, String>;

/// What a task was made of: its text, and each file that it reads.
type Inputs = (String, Vec<(String, String)>);

/// The files that there can be, in two folders.
fn file(number: usize) -> String {
    format!("src/{}{}.txt", ["a/", "b/"][number % 2], number)
}

fn out(task: usize) -> String {
    format!("out/t{task}.txt")
}

fn tasks(rng: &mut fastrand::Rng) -> Vec<Task> {
    let patterns = [
        "src/a/*.txt",
        "src/**/*.txt",
        "src/b/1.txt",
        "src/a/0.txt",
        "src/b/[35].txt",
        "src/b/7.txt",
    ];
    (0..TASKS)
        .map(|task| {
            let sources = (0..rng.usize(0..3)).map(|_| patterns[rng.usize(0..patterns.len())]);
            let sources: BTreeSet<&'static str> = sources.collect();
            Task {
                sources: (rng.u8(0..6) > 0).then(|| sources.into_iter().collect()),
                makes: rng.u8(0..4) > 0,
                needs: (0..task).filter(|_| rng.u8(0..3) == 0).collect(),
                reads: rng.u8(0..3) == 0,
                env: 0,
                revision: 0,
            }
        })
        .collect()
}

fn edit(rng: &mut fastrand::Rng) -> Edit {
    let (file, task) = (rng.usize(0..FILES), rng.usize(0..TASKS));
    match rng.u8(0..20) {
        0..=3 => Edit::Write(file, rng.u8(0..4)),
        4 | 5 => Edit::Slip(file, rng.u8(0..4)),
        6 => Edit::Touch(file),
        7 => Edit::Mode(file),
        8 => Edit::Delete(file),
        9 => Edit::Rename(file, rng.usize(0..FILES)),
        10 => Edit::Damage(task),
        11 => Edit::Unmake(task),
        12 => Edit::Env(task),
        13 => Edit::Revise(task),
        14 => Edit::Value(rng.u8(0..3)),
        15 => Edit::Fail(task),
        16 => Edit::Mend(task),
        17 => Edit::Branch(rng.usize(0..BRANCHES)),
        18 => match rng.bool() {
            true => Edit::Force(task),
            false => Edit::Copy(file, rng.usize(0..FILES)),
        },
        _ => Edit::Nothing,
    }
}

/// A project with the model of it.
struct Project {
    space: Space,
    tasks: Vec<Task>,
    value: u8,
    /// What each task was made of, and what it made, when it last succeeded.
    known: BTreeMap<usize, (Inputs, Option<String>)>,
    failing: BTreeSet<usize>,
    branch: usize,
    branches: Vec<Files>,
    /// What came of what, as the cache has it; none for projects that use none.
    cache: Option<Vec<(Inputs, Option<String>)>>,
}

impl Project {
    fn new(tasks: Vec<Task>, cached: bool) -> Self {
        let space = Space::new();
        for folder in ["src/a", "src/b", "out"] {
            fs::create_dir_all(space.work().join(folder)).expect("the folder is ours");
        }
        for number in 0..FILES / 2 {
            space.write(&file(number), "first\n");
        }
        Self {
            space,
            tasks,
            value: 0,
            known: BTreeMap::new(),
            failing: BTreeSet::new(),
            branch: 0,
            branches: vec![Files::new(); BRANCHES],
            cache: cached.then(Vec::new),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.space.work().join(name)
    }

    fn write_workflow(&self) {
        let mut text = String::from("vars: {v: 0}\ntasks:\n");
        for (number, task) in self.tasks.iter().enumerate() {
            text.push_str(&format!(
                "  t{number}:\n    env: {{E: \"{}\"}}\n    run: |\n",
                task.env
            ));
            for line in self.script(number).lines() {
                text.push_str(&format!("      {line}\n"));
            }
            if let Some(sources) = &task.sources {
                let source = |pattern: &&str| match pattern.contains(['*', '[']) {
                    true => format!("{pattern:?}"),
                    // It comes and goes.
                    false => format!("{{optional: {pattern}}}"),
                };
                let sources: Vec<String> = sources.iter().map(source).collect();
                text.push_str(&format!("    sources: [{}]\n", sources.join(", ")));
            }
            if task.makes {
                text.push_str(&format!("    generates: {}\n", out(number)));
                if self.cache.is_some() {
                    text.push_str("    cache: true\n");
                }
            }
            if !task.needs.is_empty() {
                let needs: Vec<String> = task.needs.iter().map(|need| format!("t{need}")).collect();
                text.push_str(&format!("    depends_on: [{}]\n", needs.join(", ")));
            }
        }
        // One that is as it was is left alone, as people do.
        if self.space.read("Workflowfile.yml").as_ref() != Some(&text) {
            self.space.write("Workflowfile.yml", &text);
        }
    }

    fn script(&self, number: usize) -> String {
        let task = &self.tasks[number];
        let value = if task.reads { "{{ v }}" } else { "-" };
        let to = if task.makes {
            out(number)
        } else {
            "/dev/null".to_owned()
        };
        let mut read: Vec<String> = task
            .sources
            .iter()
            .flatten()
            .map(|text| (*text).replace("**/", "*/"))
            .collect();
        read.extend(
            task.needs
                .iter()
                .filter(|need| self.tasks[**need].makes)
                .map(|need| out(*need)),
        );
        format!(
            "echo t{number} >> ran; test ! -e fail{number}\n{{ echo {} \"$E\" {value}; cat {} /dev/null 2>/dev/null || true; }} > {to}\n",
            task.revision,
            read.join(" ")
        )
    }

    fn files(&self) -> Files {
        let mut files = Files::new();
        for number in 0..FILES {
            if let Ok(text) = fs::read_to_string(self.path(&file(number))) {
                files.insert(file(number), text);
            }
        }
        for number in 0..TASKS {
            if let Ok(text) = fs::read_to_string(self.path(&out(number))) {
                files.insert(out(number), text);
            }
        }
        files
    }

    /// Does an edit; whether a task is forced.
    fn edit(&mut self, edit: &Edit) -> Option<usize> {
        let path = |number: usize| self.path(&file(number));
        // What is not there can't be edited.
        match edit {
            Edit::Write(number, text) => {
                let _ = fs::remove_file(path(*number));
                self.space.write(&file(*number), &format!("text {text}\n"));
            }
            Edit::Slip(number, text) => {
                if let Ok(metadata) = fs::metadata(path(*number)) {
                    let time = metadata.modified().expect("it has a time");
                    let size = usize::try_from(metadata.len()).expect("it is small");
                    let text = format!("{}\n", text.to_string().repeat(size.saturating_sub(1)));
                    fs::write(path(*number), text).expect("it is ours");
                    set_time(&path(*number), time);
                }
            }
            Edit::Touch(number) => {
                if path(*number).exists() {
                    set_time(&path(*number), SystemTime::now() + Duration::from_secs(5));
                }
            }
            Edit::Mode(number) => {
                if path(*number).exists() {
                    use std::os::unix::fs::PermissionsExt;
                    fs::set_permissions(path(*number), fs::Permissions::from_mode(0o755))
                        .expect("it is ours");
                }
            }
            Edit::Delete(number) => drop(fs::remove_file(path(*number))),
            Edit::Rename(from, to) => drop(fs::rename(path(*from), path(*to))),
            Edit::Copy(from, to) => {
                let text = fs::read_to_string(path(*to));
                if let (Ok(text), true) = (text, from != to) {
                    let _ = fs::remove_file(path(*from));
                    self.space.write(&file(*from), &text);
                }
            }
            Edit::Damage(task) => {
                if self.tasks[*task].makes && self.path(&out(*task)).exists() {
                    self.space.write(&out(*task), "damaged\n");
                }
            }
            Edit::Unmake(task) => drop(fs::remove_file(self.path(&out(*task)))),
            Edit::Env(task) => self.tasks[*task].env += 1,
            Edit::Revise(task) => self.tasks[*task].revision += 1,
            Edit::Value(value) => self.value = *value,
            Edit::Fail(task) => {
                self.failing.insert(*task);
                self.space.write(&format!("fail{task}"), "");
            }
            Edit::Mend(task) => {
                self.failing.remove(task);
                let _ = fs::remove_file(self.path(&format!("fail{task}")));
            }
            Edit::Branch(branch) => self.switch(*branch),
            Edit::Force(task) => return Some(*task),
            Edit::Nothing => {}
        }
        None
    }

    /// Another state of all sources, as git would check it out: with new times.
    fn switch(&mut self, branch: usize) {
        let own = self.files().into_iter();
        self.branches[self.branch] = own.filter(|(name, _)| name.starts_with("src")).collect();
        self.branch = branch;
        let wanted = self.branches[branch].clone();
        for number in 0..FILES {
            let name = file(number);
            match wanted.get(&name) {
                Some(text) if self.space.read(&name).as_ref() != Some(text) => {
                    let _ = fs::remove_file(self.path(&name));
                    self.space.write(&name, text);
                }
                Some(_) => {}
                None => drop(fs::remove_file(self.path(&name))),
            }
        }
    }

    fn matched<'f>(
        pattern: &'static str,
        files: &'f Files,
    ) -> impl Iterator<Item = (&'f String, &'f String)> {
        files.iter().filter(move |(name, _)| match pattern {
            "src/a/*.txt" => name.starts_with("src/a/"),
            "src/**/*.txt" => name.starts_with("src/"),
            "src/b/[35].txt" => ["src/b/3.txt", "src/b/5.txt"].contains(&name.as_str()),
            name_of_one => name.as_str() == name_of_one,
        })
    }

    /// What a task is made of, with these files.
    fn inputs(&self, number: usize, files: &Files) -> Inputs {
        let task = &self.tasks[number];
        let value = if task.reads { self.value } else { 0 };
        let mut read = Vec::new();
        for pattern in task.sources.iter().flatten() {
            read.push((format!("pattern {pattern}"), String::new()));
            read.extend(
                Self::matched(pattern, files).map(|(name, text)| (name.clone(), text.clone())),
            );
        }
        for need in task.needs.iter().filter(|need| self.tasks[**need].makes) {
            read.push((
                out(*need),
                files.get(&out(*need)).cloned().unwrap_or_default(),
            ));
        }
        (
            format!("{} {} {value}", self.script(number), task.env),
            read,
        )
    }

    /// What the task writes, with these files.
    fn made(&self, number: usize, files: &Files) -> String {
        let task = &self.tasks[number];
        let value = if task.reads {
            self.value.to_string()
        } else {
            "-".to_owned()
        };
        let mut text = format!("{} {} {value}\n", task.revision, task.env);
        for pattern in task.sources.iter().flatten() {
            // In the order of a shell: by name, of both folders in turn.
            text.extend(Self::matched(pattern, files).map(|(_, text)| text.as_str()));
        }
        for need in task.needs.iter().filter(|need| self.tasks[**need].makes) {
            text.push_str(files.get(&out(*need)).map_or("", String::as_str));
        }
        text
    }

    /// The tasks that have to run, and what all files hold afterwards; what is remembered of them.
    fn expected(&mut self, goal: usize, forced: bool) -> (Vec<String>, Files) {
        let mut files = self.files();
        let mut wanted = BTreeSet::from([goal]);
        for number in (0..TASKS).rev() {
            if wanted.contains(&number) {
                wanted.extend(&self.tasks[number].needs);
            }
        }
        let (mut ran, mut broken) = (Vec::new(), BTreeSet::new());
        for number in wanted {
            let task = self.tasks[number].clone();
            if task.needs.iter().any(|need| broken.contains(need)) {
                broken.insert(number);
                continue;
            }
            let inputs = self.inputs(number, &files);
            let output = files.get(&out(number)).cloned().filter(|_| task.makes);
            let same = self
                .known
                .get(&number)
                .is_some_and(|(known, made)| *known == inputs && *made == output);
            if task.sources.is_some() && same && !(forced && number == goal) {
                continue;
            }
            let cached = self
                .cache
                .iter()
                .flatten()
                .find(|(known, _)| *known == inputs);
            let usable = task.makes && task.sources.is_some() && !(forced && number == goal);
            if let Some((_, Some(made))) = cached.filter(|_| usable).cloned() {
                files.insert(out(number), made.clone());
                self.known.insert(number, (inputs, Some(made)));
                continue;
            }
            ran.push(format!("t{number}"));
            self.known.remove(&number);
            if self.failing.contains(&number) {
                broken.insert(number);
                continue;
            }
            let made = task.makes.then(|| self.made(number, &files));
            if let Some(made) = &made {
                files.insert(out(number), made.clone());
            }
            if let Some(cache) = self.cache.as_mut().filter(|_| task.sources.is_some()) {
                cache.push((inputs.clone(), made.clone()));
            }
            self.known.insert(number, (inputs, made));
        }
        (ran, files)
    }

    /// An edit and a run; what is not as the model has it.
    fn step(&mut self, edit: &Edit, goal: usize) -> Result<(), String> {
        let forced = self.edit(edit);
        let goal = forced.unwrap_or(goal);
        self.write_workflow();
        let _ = fs::remove_file(self.path("ran"));
        let before = self.known.clone();
        let (mut expected, files) = self.expected(goal, forced.is_some());
        let (goal, value) = (format!("t{goal}"), format!("v={}", self.value));
        let mut args = vec!["-q", "-k", "-j", "2", "--explain", &goal];
        if self.value != 0 {
            args.push(&value);
        }
        if forced.is_some() {
            args.push("--force");
        }
        if self.cache.is_none() {
            args.push("--no-cache");
        }
        let ended = self.space.run(&args);
        let ran = self.space.read("ran").unwrap_or_default();
        let mut ran: Vec<String> = ran.lines().map(str::to_owned).collect();
        ran.sort();
        expected.sort();
        if ran != expected {
            return Err(format!(
                "{ran:?} ran, and not {expected:?}\n{}\n{}\nknown: {before:#?}",
                ended.err(),
                self.space.read("Workflowfile.yml").unwrap_or_default()
            ));
        }
        if self.files() != files {
            return Err(format!(
                "the files are others: {:#?}, and not {files:#?}",
                self.files()
            ));
        }
        Ok(())
    }
}

fn set_time(path: &std::path::Path, time: SystemTime) {
    let file = fs::File::options()
        .write(true)
        .open(path)
        .expect("it is ours");
    file.set_modified(time).expect("it is ours");
}

/// Runs a sequence of edits from an empty project on.
fn live(tasks: &[Task], edits: &[(Edit, usize)], cached: bool) -> Result<(), String> {
    let mut project = Project::new(tasks.to_vec(), cached);
    for (number, (edit, goal)) in edits.iter().enumerate() {
        project
            .step(edit, *goal)
            .map_err(|wrong| format!("after edit {number}, {edit:?}: {wrong}"))?;
    }
    Ok(())
}

/// The shortest sequence that still fails which leaving out edits one by one finds.
fn shortest(tasks: &[Task], edits: &[(Edit, usize)], cached: bool) -> (Vec<(Edit, usize)>, String) {
    let mut edits = edits.to_vec();
    let mut wrong = live(tasks, &edits, cached).err().unwrap_or_default();
    let mut at = edits.len();
    while at > 0 {
        at -= 1;
        let mut fewer = edits.clone();
        fewer.remove(at);
        if let Err(still) = live(tasks, &fewer, cached) {
            (edits, wrong) = (fewer, still);
        }
    }
    (edits, wrong)
}

/// Makes a project one in which files alone decide and the same is called again and again, so that the notes of earlier calls count.
fn of_files_alone(tasks: &mut [Task], edits: &mut [(Edit, usize)], rng: &mut fastrand::Rng) {
    for task in tasks {
        task.reads = false;
        task.sources.get_or_insert_default();
    }
    for (edit, goal) in edits {
        *goal = TASKS - 1 - usize::from(rng.u8(0..6) == 0);
        if matches!(edit, Edit::Value(_) | Edit::Env(_) | Edit::Revise(_)) && rng.u8(0..4) > 0 {
            *edit = Edit::Write(rng.usize(0..FILES), rng.u8(0..4));
        }
    }
}

#[test]
fn exactly_what_has_to_run_runs() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let steps = number("FLOW_INCREMENTAL_STEPS").unwrap_or(2000);
    let only = number("FLOW_INCREMENTAL_SEED");
    let projects = steps.div_ceil(STEPS as u64);
    let seeds: Vec<u64> = only.map_or_else(|| (0..projects).collect(), |seed| vec![seed]);
    let run = |seed: &u64| {
        let mut rng = fastrand::Rng::with_seed(*seed);
        let mut tasks = tasks(&mut rng);
        let mut edits: Vec<(Edit, usize)> = (0..STEPS)
            .map(|_| (edit(&mut rng), rng.usize(0..TASKS)))
            .collect();
        if seed % 4 >= 2 {
            of_files_alone(&mut tasks, &mut edits, &mut rng);
        }
        let cached = seed % 2 == 1;
        if live(&tasks, &edits, cached).is_err() {
            let (edits, wrong) = shortest(&tasks, &edits, cached);
            panic!("FLOW_INCREMENTAL_SEED={seed}, {edits:#?}\n{wrong}");
        }
    };
    let half = seeds.len().div_ceil(2);
    std::thread::scope(|scope| {
        for seeds in seeds.chunks(half.max(1)) {
            scope.spawn(move || seeds.iter().for_each(run));
        }
    });
}

/// A chain with a fan: each task makes a file of its source and of what it needs.
fn fan(space: &Space) {
    let mut text = String::from("tasks:\n");
    for number in 0..8_usize {
        let need = number
            .checked_sub(2)
            .map(|need| format!("out/{need}"))
            .unwrap_or_default();
        text.push_str(&format!(
            "  t{number}:\n    sources: src/{number}\n    generates: out/{number}\n    run: |\n      echo t{number} >> ran\n      cat src/{number} {need} > out/{number}\n"
        ));
        if !need.is_empty() {
            text.push_str(&format!("    depends_on: [t{}]\n", number - 2));
        }
        space.write(&format!("src/{number}"), &format!("{number}\n"));
    }
    text.push_str("  all: {depends_on: [\"t*\"]}\n");
    space.write("Workflowfile.yml", &text);
}

fn fan_space() -> Space {
    let space = Space::new();
    for folder in ["src", "out"] {
        fs::create_dir(space.work().join(folder)).expect("the folder is ours");
    }
    fan(&space);
    space
}

fn is_made(space: &Space) {
    for number in 0..8_usize {
        let mut wanted = String::new();
        let mut at = Some(number);
        while let Some(task) = at {
            wanted.push_str(&space.read(&format!("src/{task}")).expect("it is there"));
            at = task.checked_sub(2);
        }
        assert_eq!(
            space.read(&format!("out/{number}")),
            Some(wanted),
            "out/{number}"
        );
    }
}

#[test]
fn of_flows_at_once_one_makes_each_file() {
    let space = fan_space();
    for round in 0..6 {
        let flows: Vec<_> = (0..8)
            .map(|_| space.start(&["-q", "-j", "2", "all"]))
            .collect();
        for flow in flows {
            let ended = space.finish(flow);
            assert_eq!(ended.code, 0, "{}", ended.err());
        }
        is_made(&space);
        let ran = space.read("ran").expect("some ran");
        let mut ran: Vec<&str> = ran.lines().collect();
        ran.sort_unstable();
        let expected: Vec<String> = if round == 0 {
            (0..8).map(|task| format!("t{task}")).collect()
        } else {
            [1, 3, 5, 7].iter().map(|task| format!("t{task}")).collect()
        };
        assert_eq!(ran, expected, "round {round}");
        fs::remove_file(space.work().join("ran")).expect("it is ours");
        space.write("src/1", &format!("round {round}\n"));
    }
}

#[test]
fn killed_at_any_moment_nothing_is_wrongly_up_to_date() {
    let space = fan_space();
    let mut rng = fastrand::Rng::with_seed(5);
    for round in 0..12 {
        space.write(
            &format!("src/{}", rng.usize(0..8)),
            &format!("round {round}\n"),
        );
        let mut flows: Vec<_> = (0..20)
            .map(|_| space.start(&["-q", "-j", "2", "all"]))
            .collect();
        for flow in &mut flows {
            if rng.u8(0..3) > 0 {
                std::thread::sleep(Duration::from_micros(rng.u64(0..3000)));
                // It may have ended already.
                let _ = flow.kill();
            }
        }
        for flow in flows {
            let ended = space.finish(flow);
            assert!(
                [0, 137].contains(&ended.code),
                "{} {}",
                ended.code,
                ended.err()
            );
        }
        // What the killed ones had started goes on, and may still write.
        support::wait_for("the commands to end", || {
            support::processes::marked(space.mark()).is_empty()
        });
        let ended = space.run(&["-q", "all"]);
        assert_eq!(ended.code, 0, "{}", ended.err());
        is_made(&space);
    }
    space.assert_nobody_left();
}

/// The command of a flow that was killed would write to the file that the next one makes, and to what is kept of it.
#[test]
fn what_a_killed_flow_has_left_of_a_task_is_ended_before_it_is_made_again() {
    let space = Space::with(
        "tasks: {a: {sources: x, generates: out, run: 'echo begun >> log; test -e go || { : > out; sleep 600; }; cat x > out'}}\n",
    );
    space.write("x", "right\n");
    let mut flow = space.start(&["a"]);
    support::wait_for("the step to begin", || space.read("out").is_some());
    flow.kill().expect("it is ours");
    flow.wait().expect("it was killed");
    assert!(
        !support::processes::marked(space.mark()).is_empty(),
        "its command goes on"
    );
    space.write("go", "");
    let ended = space.run(&["-q", "a"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    space.assert_nobody_left();
    assert_eq!(space.read("out").as_deref(), Some("right\n"));
    assert_eq!(space.read("log").as_deref(), Some("begun\nbegun\n"));
}

#[test]
fn a_flow_within_the_task_that_it_needs_is_told_so() {
    let space = Space::with("tasks: {a: {sources: x, generates: y, run: [flow a]}}\n");
    space.write("x", "");
    let ended = space.run(&["a"]);
    assert_eq!(ended.code, 1, "{}", ended.err());
    let told = "the flow that has started this one makes its files";
    assert!(ended.err().contains(told), "{}", ended.err());
}

#[test]
fn who_waits_for_another_flow_says_so() {
    let space = Space::with(
        "tasks: {a: {sources: [], generates: y, run: 'touch begun; until [ -e go ]; do sleep 0.01; done; touch y'}}\n",
    );
    let first = space.start(&["a"]);
    support::wait_for("it to begin", || space.has("begun"));
    let log = std::fs::File::create(space.work().join("second")).expect("it is ours");
    let mut second = space.flow(&["a"]);
    second.stderr(log);
    let second = second.spawn().expect("flow starts");
    support::wait_for("the second one to say that it waits", || {
        let said = space.read("second").unwrap_or_default();
        said.contains("waits: another flow makes its files")
    });
    space.write("go", "");
    assert_eq!(space.finish(first).code, 0);
    assert_eq!(space.finish(second).code, 0);
    let said = space.read("second").unwrap_or_default();
    assert!(said.contains("nothing to do"), "{said}");
}
