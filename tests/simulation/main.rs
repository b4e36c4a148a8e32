//! The core against random plans in a simulated world: crashes after every append, late answers, silent deaths.
//!
//! `FLOW_SIMULATION_RUNS` sets how many runs, `FLOW_SIMULATION_SEED` the first seed; a failure names its seed.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test tells its seeds and its numbers"
)]

mod books;
mod oracle;
mod plans;
mod world;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;
use plans::Taste;
use world::{Fates, Tally, Weather, World};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Runs `run` for many seeds; when one fails, says which.
fn for_each_seed(name: &str, runs: u64, run: impl Fn(u64) -> Tally) {
    let first = number("FLOW_SIMULATION_SEED", 0);
    let runs = number("FLOW_SIMULATION_RUNS", runs);
    let mut sum = Tally::default();
    for seed in first..first + runs {
        let tally = catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|cause| {
            eprintln!("{name}: FLOW_SIMULATION_SEED={seed} FLOW_SIMULATION_RUNS=1 shows it again");
            resume_unwind(cause)
        });
        sum.facts += tally.facts;
        sum.crashes += tally.crashes;
        sum.executions += tally.executions;
        sum.cancels += tally.cancels;
        sum.interrupts += tally.interrupts;
        sum.kinds.extend(tally.kinds);
    }
    println!(
        "{name}: {runs} runs, {} facts of {} kinds, {} executions, {} crashes, {} cancels, {} signals",
        sum.facts,
        sum.kinds.len(),
        sum.executions,
        sum.crashes,
        sum.cancels,
        sum.interrupts
    );
    let expected: BTreeSet<&str> = [
        "TaskExpanded",
        "GateDecided",
        "LockReleased",
        "TimerFired",
        "ChildFinished",
    ]
    .into();
    assert!(
        runs < 1000 || expected.iter().all(|kind| sum.kinds.contains(*kind)),
        "some kind of fact never came up"
    );
}

#[test]
fn every_run_ends_and_keeps_the_rules() {
    for_each_seed("anything", 50_000, |seed| {
        let mut rng = Rng::with_seed(seed);
        let plan = plans::random(&mut rng, Taste { certain: false });
        let fates = Fates::new(seed, false);
        let crash_one_in = [0, 5, 20][rng.usize(0..3)];
        let weather = Weather {
            crash_one_in,
            stops: rng.bool(),
            rejections: true,
        };
        let mut world = World::new(&mut rng, &fates, weather, plan);
        world.run();
        std::mem::take(&mut world.tally)
    });
}

#[test]
fn what_is_certain_comes_out_as_computed() {
    for_each_seed("certain", 20_000, |seed| {
        let mut rng = Rng::with_seed(seed ^ 0x5eed);
        let plan = plans::random(&mut rng, Taste { certain: true });
        let fates = Fates::new(seed, true);
        let expected = oracle::outcomes(&plan, &fates);
        let crash_one_in = [0, 5, 20][rng.usize(0..3)];
        let weather = Weather {
            crash_one_in,
            stops: false,
            rejections: false,
        };
        let mut world = World::new(&mut rng, &fates, weather, plan.clone());
        world.run();
        for (id, task) in plan.tasks() {
            let outcome = world.state.node(id).outcome();
            assert_eq!(outcome, expected[&id], "{} came out otherwise", task.name);
        }
        std::mem::take(&mut world.tally)
    });
}
