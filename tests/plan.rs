//! Plans: everything after what it needs, each task once, cycles by their path, and no trouble with large graphs.

use std::path::PathBuf;

use fastrand::Rng;
use flow::core::decide::Input;
use flow::core::fact::Exit;
use flow::core::state::RunStage;
use flow::core::{RunState, turn};
use flow::model::id::{NodeId, RunId};
use flow::model::language::{Dependency, File, On, Place, Step, Task, Text, Workflow};
use flow::model::plan::Plan;
use flow::model::time::Timestamp;
use flow::plan::{Cycle, Refused, Request, pin, plan};

/// A workflow of so many tasks with one command each; `needs` says what each depends on.
fn workflow(count: usize, needs: impl Fn(usize) -> Vec<usize>) -> Workflow {
    let need = |task: usize| Dependency {
        task,
        place: Place::default(),
        on: On::Success,
        vars: Vec::new(),
        each: None,
    };
    let task = |index: usize| Task {
        name: format!("t{index}"),
        depends_on: needs(index).into_iter().map(need).collect(),
        steps: vec![Step::command(Text::plain("true", Place::default()))],
        ..Task::default()
    };
    Workflow {
        files: vec![File {
            path: PathBuf::from("/Workflowfile.yml"),
            dir: PathBuf::from("/"),
            namespace: String::new(),
            parent: None,
            with: Vec::new(),
            vars: Vec::new(),
            env: Vec::new(),
            dotenv: Vec::new(),
            secrets: Vec::new(),
        }],
        meta: Vec::new(),
        name: None,
        desc: None,
        profiles: Vec::new(),
        tasks: (0..count).map(task).collect(),
        triggers: Vec::new(),
        absent: Vec::new(),
    }
}

fn asked(tasks: Vec<usize>) -> Request {
    Request {
        tasks,
        ..Request::default()
    }
}

#[test]
fn a_plan_has_what_is_needed_once_and_in_order() {
    for seed in 0..2_000 {
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(1..30);
        let edges: Vec<Vec<usize>> = (0..count)
            .map(|task| (0..task).filter(|_| rng.u8(0..5) == 0).collect())
            .collect();
        let workflow = workflow(count, |task| edges[task].clone());
        let root = rng.usize(0..count);
        let plan = plan(&workflow, &asked(vec![root])).expect("edges go to smaller numbers only");
        let names: Vec<&str> = plan.tasks().map(|(_, task)| task.name.as_str()).collect();
        let mut needed = vec![false; count];
        needed[root] = true;
        for task in (0..count).rev().filter(|task| *task <= root) {
            if needed[task] {
                edges[task].iter().for_each(|need| needed[*need] = true);
            }
        }
        let expected = (0..count).filter(|task| needed[*task]).count();
        assert_eq!(
            names.len(),
            expected,
            "seed {seed}: each needed task once, no other"
        );
        for (id, task) in plan.tasks() {
            assert!(
                task.needs.iter().all(|need| need.task < id),
                "seed {seed}: {} before what it needs",
                task.name
            );
        }
    }
}

#[test]
fn a_cycle_is_shown_as_its_path() {
    let workflow = workflow(6, |task| vec![[1, 2, 3, 4, 2, 0][task]]);
    let cycle = plan(&workflow, &asked(vec![5])).expect_err("2 needs 3 needs 4 needs 2");
    assert_eq!(cycle, Refused::Cycle(Cycle(vec![2, 3, 4])));
    let own = plan(&super_self(), &asked(vec![0])).expect_err("it needs itself");
    assert_eq!(own, Refused::Cycle(Cycle(vec![0])));
}

fn super_self() -> Workflow {
    workflow(1, |_| vec![0])
}

#[test]
fn equal_plans_have_equal_hashes_and_others_others() {
    let two = |needs: fn(usize) -> Vec<usize>| {
        plan(&workflow(2, needs), &asked(vec![0, 1])).expect("no cycle")
    };
    let (one, same, other) = (
        two(|_| Vec::new()),
        two(|_| Vec::new()),
        two(|task| vec![0; task]),
    );
    assert_eq!(pin(&one), pin(&same));
    assert_ne!(pin(&one).0, pin(&other).0);
    let read: Plan = serde_json::from_slice(&pin(&other).1).expect("a pinned plan can be read");
    assert_eq!(read, other);
}

/// Runs a plan in a world where every command succeeds at once; returns how many commands ran.
fn run(plan: Plan, slots: usize) -> usize {
    let mut state = RunState::new(std::sync::Arc::new(plan));
    let now = Timestamp::from_micros(1);
    let run = RunId::parse("0000000000").expect("an id");
    let mut inputs = vec![Input::Start {
        run,
        plan: String::new(),
        parent: None,
        retry_of: None,
        trigger: None,
        given: std::collections::BTreeMap::new(),
    }];
    let mut executions = 0;
    while state.stage() == RunStage::Pending || state.stage() == RunStage::Running {
        turn(&mut state, inputs, slots, now);
        let running: Vec<NodeId> = state.running().collect();
        executions += running.len();
        let exited = |node: NodeId| Input::Exited {
            node,
            attempt: state.node(node).attempt,
            exit: Exit::code(0),
        };
        inputs = running.into_iter().map(exited).collect();
    }
    executions
}

/// Deep, wide and dense: with a step that is quadratic, or recursion, none of these would end.
#[test]
fn a_hundred_thousand_tasks_are_no_trouble() {
    const MANY: usize = 100_000;
    let chain = workflow(MANY, |task| task.checked_sub(1).into_iter().collect());
    assert_eq!(
        run(plan(&chain, &asked(vec![MANY - 1])).expect("no cycle"), 4),
        MANY
    );
    let wide = workflow(MANY, |task| {
        if task == MANY - 1 {
            (0..task).collect()
        } else {
            Vec::new()
        }
    });
    assert_eq!(
        run(plan(&wide, &asked(vec![MANY - 1])).expect("no cycle"), 64),
        MANY
    );
    let layers = workflow(MANY, |task| {
        (1..=5)
            .filter_map(|back| task.checked_sub(back * 97))
            .collect()
    });
    let all = (0..MANY).collect();
    assert_eq!(run(plan(&layers, &asked(all)).expect("no cycle"), 16), MANY);
}

#[test]
fn folders_are_made_absolute_without_asking_the_disk() {
    let dir = |text: &str| {
        let mut workflow = workflow(1, |_| Vec::new());
        workflow.files[0].dir = PathBuf::from("/w");
        workflow.tasks[0].dir = Some(Text::plain(text, Place::default()));
        let plan = plan(&workflow, &asked(vec![0])).expect("it is right");
        plan.contexts[0].dir.display().to_string()
    };
    assert_eq!(
        ["a/./b/../c", "../../../x", "/abs/", "."].map(dir),
        ["/w/a/c", "/x", "/abs", "/w"]
    );
}

/// A file in which `<<<<<<<<<<<<` stands within texts that are what they are: literals of expressions, and what is no template.
const LITERALS: &str = r#"
vars: {note: "see <<<<<<<<<<<<", loud: "{{ '<<<<<<<<<<<<' | upper }}"}
env: {SAID: "<<<<<<<<<<<<"}
tasks:
  dep: {outputs: {x: "{{ 1 }}"}, run: echo <<<<<<<<<<<<}
  first: {if: "env.MODE == '<<<<<<<<<<<<'", depends_on: [dep], run: "echo {{ '<<<<<<<<<<<<' }}"}
  looped: {for: {in: [1, 2], as: i}, if: "env.MODE == '<<<<<<<<<<<<'", depends_on: [dep], run: "echo {{ loud }}"}
  made: {vars: {v: "{{ '<<<<<<<<<<<<' }}"}, if: "v == '<<<<<<<<<<<<'", sources: "<<<<<<<<<<<<.c", depends_on: [dep], run: [echo a, echo <<<<<<<<<<<<]}
  late: {if: "tasks.dep.outputs.x != '<<<<<<<<<<<<'", depends_on: [dep], run: "echo {{ tasks.dep.stdout }}"}
  all: {depends_on: [first, looped, made, late], run: "echo {{ env.SAID }} <<<<<<<<<<<<"}
"#;

/// The plan of a task of this file.
fn plan_of(source: &str, task: &str) -> Plan {
    let path = PathBuf::from("/w/Workflowfile.yml");
    let loaded = flow::file::from_bytes("Workflowfile.yml", source.into(), &path);
    let loaded = loaded.unwrap_or_else(|wrong| panic!("{source}: {wrong}"));
    let task = loaded.workflow.find(task).expect("it is there");
    plan(&loaded.workflow, &asked(vec![task])).expect("it can be planned")
}

/// What letters a literal has is no matter of the plan: names are read by expressions, and not searched for in texts.
#[test]
fn letters_in_a_literal_never_change_a_plan() {
    let planned = |word: &str| {
        let word = format!("{word:z^12}");
        let plan = plan_of(&LITERALS.replace("<<<<<<<<<<<<", &word), "all");
        let shown = serde_json::to_string_pretty(&plan).expect("it can be written");
        shown.replace(&word, "<<<<<<<<<<<<")
    };
    let plain = planned("q");
    let words = [
        "tasks",
        "steps",
        "outputs",
        "item",
        "i",
        "args",
        "git",
        "stderr",
        "env",
        "dep",
        "x",
        "v",
        "loud",
        "note",
        "SAID",
        "tasks.dep",
        "secrets",
        "run",
        "loop",
    ];
    for word in words {
        assert!(
            planned(word) == plain,
            "the plan is another one with {word:?}:\n{}",
            planned(word)
        );
    }
    let mut rng = Rng::with_seed(1);
    for _ in 0..200 {
        let word: String = (0..rng.usize(1..12)).map(|_| rng.alphanumeric()).collect();
        assert!(
            planned(&word) == plain,
            "the plan is another one with {word:?}"
        );
    }
}

/// A condition is asked before the needs of its task unless it reads what they made, or an item, by whatever way.
#[test]
fn a_condition_is_asked_first_unless_it_reads_results() {
    let cases = [
        ("if: \"env.HOME == '1'\"", true),
        (
            "if: \"x == '1'\", vars: {x: '1', y: '{{ tasks.dep.stdout }}'}",
            true,
        ),
        ("if: \"tasks.dep.stdout == '1'\"", false),
        (
            "if: \"x == '1'\", vars: {x: '{{ y }}', y: '{{ tasks.dep.stdout }}'}",
            false,
        ),
        (
            "if: \"x == '1'\", params: {x: {default: '{{ tasks.dep.stdout }}'}}",
            false,
        ),
        (
            "if: \"env.X == '1'\", env: {X: '{{ tasks.dep.stdout }}'}",
            false,
        ),
        (
            "if: \"env.X == '1'\", env: {Y: '{{ tasks.dep.stdout }}'}",
            true,
        ),
        ("if: \"of_file == '1'\"", false),
        ("for: {in: [1], as: i}, if: \"env.X == 'i'\"", true),
        ("for: {in: [1], as: i}, if: \"i == 1\"", false),
        (
            "for: {in: [1], as: i}, vars: {x: '{{ i }}'}, if: \"x == '1'\"",
            false,
        ),
    ];
    for (keys, first) in cases {
        let source = format!(
            "vars: {{of_file: '{{{{ tasks.dep.stdout }}}}'}}\ntasks:\n  dep: echo 1\n  a: {{depends_on: [dep], {keys}, run: echo a}}\n"
        );
        let plan = plan_of(&source, "a");
        let (_, task) = plan
            .tasks()
            .find(|(_, task)| task.name == "a")
            .expect("it is planned");
        assert_eq!(task.ask_first, first, "{keys}");
    }
}
