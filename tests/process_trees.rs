//! Trees of processes of many shapes, ended in every way that a run ends one: nobody is alive afterwards, and `finally` ran once.

pub mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use support::processes::signal;
use support::{Space, wait_for};

/// What a task does before it says that it is ready, and then for ever.
const SHAPES: [(&str, &str); 10] = [
    ("plain", "touch ready; exec sleep 1000"),
    ("a child", "touch ready; sleep 1000; true"),
    ("a pipeline", "touch ready; sleep 1000 | cat | cat"),
    ("in the background", "sleep 1000 & touch ready; wait"),
    (
        "a double fork",
        "(sh -c 'sleep 1000 & sleep 1000' &) ; touch ready; sleep 1000",
    ),
    (
        "holds the pipes",
        "sleep 1000 & sh -c 'sleep 1000 &' ; touch ready; sleep 1000",
    ),
    (
        "a group of its own",
        "bash -mc 'sleep 1000 & touch ready; wait'",
    ),
    (
        "a session of its own",
        "setsid sh -c 'touch ready; sleep 1000' & wait",
    ),
    (
        "a daemon",
        "(setsid sh -c 'sh -c \"touch ready; sleep 1000\" & exit' </dev/null >/dev/null 2>&1 &); sleep 1000",
    ),
    (
        "ignores signals",
        "trap '' TERM INT HUP; sh -c \"trap '' TERM; touch ready; while :; do sleep 1; done\"",
    ),
];

/// What ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Timeout,
    Signal(Signal),
    FailFast,
    LostRace,
}

const WAYS: [Way; 5] = [
    Way::Timeout,
    Way::Signal(Signal::INT),
    Way::Signal(Signal::TERM),
    Way::FailFast,
    Way::LostRace,
];

/// How many runs go on at the same time; those that ignore signals wait for the grace time.
const THREADS: usize = 10;

#[test]
fn nobody_survives_and_finally_runs_once() {
    let all: Vec<(&str, &str, Way)> = SHAPES
        .iter()
        // The slow ones first.
        .rev()
        .flat_map(|(name, script)| WAYS.map(|way| (*name, *script, way)))
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((name, script, way)) = all.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    check(name, script, *way);
                }
            });
        }
    });
}

fn check(name: &str, script: &str, way: Way) {
    let what = format!("{name}, {way:?}");
    let quoted = serde_json::to_string(script).expect("text is JSON");
    let until_ready = "until test -e ready; do sleep 0.01; done";
    let work = match way {
        Way::LostRace => format!("[{{parallel: [{quoted}, \"{until_ready}\"], wait_for: any}}]"),
        _ => format!("[{quoted}]"),
    };
    let timeout = if way == Way::Timeout {
        "timeout: 1s, "
    } else {
        ""
    };
    let space = Space::with(&format!(
        "tasks:\n  tree: {{{timeout}run: {work}, finally: echo once >> finally}}\n  \
         fails: {until_ready}; exit 3\n  both: {{depends_on: [tree, fails]}}\n"
    ));
    let asked = if way == Way::FailFast { "both" } else { "tree" };
    let mut args = vec!["-j4", asked];
    if way == Way::FailFast {
        args.push("--fail-fast");
    }
    let flow = space.start(&args);
    if let Way::Signal(number) = way {
        wait_for(&format!("{what} to be ready"), || space.has("ready"));
        signal(i32::try_from(flow.id()).expect("ids are small"), number);
    }
    let ended = space.finish(flow);
    let code = match way {
        Way::Timeout | Way::FailFast => 1,
        Way::Signal(number) => 128 + number.as_raw(),
        Way::LostRace => 0,
    };
    assert_eq!(ended.code, code, "{what}: {}", ended.err());
    space.assert_nobody_left();
    assert_eq!(
        space.read("finally").as_deref(),
        Some("once\n"),
        "{what}: {}",
        ended.err()
    );
}
