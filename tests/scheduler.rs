//! The scheduler under a clock of the tests: no time is lost, none comes twice, whatever restarts and changes of the clock there are
//! (T1 to T5, T7), held against a count of every minute.

pub mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use fastrand::Rng;
use flow::model::language::{CatchUp, Overlap, Place, Trigger, When};
use flow::model::time::Timestamp;
use flow::trigger::fact::{End, Fact, Record, Skip, State};
use flow::trigger::scheduler::{CATCH_UP_MAX, QUEUE_MAX, Scheduler};
use jiff::tz::TimeZone;
use support::effort::rounds;
use support::every_minute::{ZONES, count, minutes};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_micros(time.as_micros() + seconds * 1_000_000)
}

fn cron(name: &str, expression: &str, zone: &str) -> Trigger {
    Trigger {
        name: name.to_owned(),
        place: Place::default(),
        desc: None,
        when: When::Cron {
            expression: expression.to_owned(),
            zone: Some(zone.to_owned()),
        },
        run: "task".to_owned(),
        values: Vec::new(),
        overlap: Overlap::Allow,
        catch_up: CatchUp::All,
        jitter: Duration::ZERO,
        enabled: true,
    }
}

fn every(name: &str, seconds: u64) -> Trigger {
    Trigger {
        when: When::Every(Duration::from_secs(seconds)),
        ..cron(name, "* * * * *", "UTC")
    }
}

/// A daemon without a process: its scheduler, and what it has written down.
struct Daemon {
    triggers: Vec<Trigger>,
    scheduler: Scheduler,
    journal: Vec<Record>,
    /// What was written down before the journal was made shorter.
    before: Vec<Record>,
}

impl Daemon {
    fn new(triggers: Vec<Trigger>, now: Timestamp) -> Self {
        let mut daemon = Self {
            triggers,
            scheduler: Scheduler::new(State::default(), TimeZone::UTC),
            journal: Vec::new(),
            before: Vec::new(),
        };
        daemon.set(now);
        daemon
    }

    fn set(&mut self, now: Timestamp) {
        let facts = self
            .scheduler
            .set(self.triggers.clone(), now)
            .expect("they can be read");
        self.journal.extend(facts);
    }

    /// It is killed, and begins again with what it has written down.
    fn restart(&mut self, now: Timestamp) {
        let lines: Vec<String> = self
            .journal
            .iter()
            .map(|record| serde_json::to_string(record).expect("it can be written"))
            .collect();
        let read = lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("it can be read"));
        let records: Vec<Record> = read.collect();
        assert_eq!(records, self.journal);
        let state = State::fold(&records);
        assert_eq!(
            &state,
            self.scheduler.state(),
            "what is in memory is the fold of what is written"
        );
        let shorter = Record {
            at: now,
            fact: Fact::State(Box::new(state.clone())),
        };
        self.before.append(&mut self.journal);
        self.journal.push(shorter);
        self.scheduler = Scheduler::new(state, TimeZone::UTC);
        self.set(now);
    }

    fn due(&mut self, now: Timestamp) -> Vec<Fact> {
        let facts = self.scheduler.due(now);
        self.journal.extend(facts.clone());
        facts.into_iter().map(|record| record.fact).collect()
    }

    fn end(&mut self, fire: u64, now: Timestamp) {
        let facts = self.scheduler.ended(fire, End::Completed, None, now);
        self.journal.extend(facts);
    }

    /// All that is open ends.
    fn end_all(&mut self, now: Timestamp) {
        for fire in self.scheduler.begin(usize::MAX) {
            self.end(fire.fire, now);
        }
    }

    fn fired(&self, name: &str) -> Vec<Timestamp> {
        let scheduled = |record: &Record| match &record.fact {
            Fact::Fired(fire) if fire.trigger == name => fire.scheduled,
            _ => None,
        };
        let all = self.before.iter().chain(&self.journal);
        all.filter_map(scheduled).collect()
    }
}

fn names(facts: &[Fact]) -> Vec<String> {
    let name = |fact: &Fact| match fact {
        Fact::Fired(fire) => format!("fired {}", fire.fire),
        Fact::Skipped {
            why: Skip::Overlap, ..
        } => "skipped".to_owned(),
        Fact::Skipped {
            why: Skip::QueueFull,
            ..
        } => "queue full".to_owned(),
        Fact::Missed { count, .. } => format!("missed {count:?}"),
        Fact::Ended { fire, end, .. } => format!("ended {fire} {}", end.word()),
        other => format!("{other:?}"),
    };
    facts.iter().map(name).collect()
}

const EXPRESSIONS: [&str; 6] = [
    "30 2 * * *",
    "0 0 * * *",
    "15,45 0,1,2,3 * * *",
    "*/20 * * * *",
    "*/7 1-3 * * *",
    "0 */6 1-7 * 1",
];

/// Each time of a year, in twelve zones, with a daemon that comes late, is killed, and is away for minutes or days.
#[test]
fn a_year_in_twelve_zones_loses_nothing_and_doubles_nothing() {
    for (round, (name, from)) in ZONES.into_iter().enumerate() {
        let mut rng = Rng::with_seed(round as u64);
        let zone = TimeZone::get(name).expect("it is a zone");
        let start: jiff::Timestamp = format!("{from}T00:00:00Z").parse().expect("a time");
        let minutes = minutes(start, 366, &zone);
        let end = Timestamp::from_micros(minutes.last().expect("a year").0.as_microsecond());
        let triggers = EXPRESSIONS.map(|expression| {
            cron(
                &expression.replace([' ', '*', '/', ','], "_"),
                expression,
                name,
            )
        });
        let mut now = Timestamp::from_micros(start.as_microsecond());
        let mut daemon = Daemon::new(triggers.to_vec(), now);
        while let Some(next) = daemon.scheduler.next_at().filter(|next| *next <= end) {
            // It is woken at its time, or a little later; now and then it was away.
            let away = match rng.u32(..400) {
                0 => rng.i64(60..3 * 86_400),
                1..20 => rng.i64(0..120),
                _ => 0,
            };
            now = after(next.max(now), away);
            if away > 60 || rng.u32(..200) == 0 {
                daemon.restart(now);
            }
            daemon.due(now);
            daemon.end_all(now);
        }
        for (trigger, expression) in triggers.iter().zip(EXPRESSIONS) {
            let counted = count(expression, &minutes);
            let mut fired = daemon.fired(&trigger.name);
            // What came while it was away over the end.
            fired.retain(|at| *at <= end);
            let counted: Vec<Timestamp> = counted
                .iter()
                .map(|at| Timestamp::from_micros(at.as_microsecond()))
                .collect();
            assert_eq!(fired.len(), counted.len(), "{name} {expression}");
            assert_eq!(fired, counted, "{name} {expression}");
        }
    }
}

/// What fires in one instant has ids that sort as it fired, as lists of runs do.
#[test]
fn ids_sort_as_fires_do_within_one_instant_too() {
    let start = at("2026-03-28T20:00:00Z");
    let triggers = (0..50).map(|number| every(&format!("t{number}"), 10));
    let mut daemon = Daemon::new(triggers.collect(), start);
    let mut now = start;
    for round in 0..4 {
        now = after(now, 10);
        daemon.due(now);
        // What is open keeps its id over a restart.
        daemon.restart(now);
        if round % 2 == 1 {
            daemon.end_all(now);
        }
    }
    let fires = daemon.before.iter().chain(&daemon.journal);
    let ids = fires.filter_map(|record| match &record.fact {
        Fact::Fired(fire) => Some(&fire.run),
        _ => None,
    });
    let ids: Vec<_> = ids.collect();
    assert!(ids.len() >= 100, "{}", ids.len());
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
}

/// Wherever the journal ends, whoever goes on with it fires what is missing and nothing again.
#[test]
fn killed_after_any_fact_each_time_has_one_fire() {
    let start = at("2026-03-28T20:00:00Z");
    let triggers = vec![
        cron("night", "30 2 * * *", "Europe/Berlin"),
        cron("often", "*/10 * * * *", "Europe/Berlin"),
        Trigger {
            overlap: Overlap::Queue,
            ..every("minutely", 90)
        },
    ];
    let run = |daemon: &mut Daemon, mut now: Timestamp, end: Timestamp| {
        while now < end {
            daemon.due(now);
            for fire in daemon.scheduler.begin(2) {
                daemon.end(fire.fire, now);
            }
            now = daemon
                .scheduler
                .next_at()
                .expect("there is always a next")
                .max(after(now, 1));
        }
        daemon.due(end);
    };
    let end = after(start, 12 * 3600);
    let mut whole = Daemon::new(triggers.clone(), start);
    run(&mut whole, start, end);
    assert!(whole.journal.len() > 500);
    for cut in (1..whole.journal.len()).step_by(7) {
        let journal = whole.journal[..cut].to_vec();
        let now = after(journal[cut - 1].at, 3);
        let mut daemon = Daemon {
            triggers: triggers.clone(),
            scheduler: Scheduler::new(State::fold(&journal), TimeZone::UTC),
            journal,
            before: Vec::new(),
        };
        daemon.restart(now);
        run(&mut daemon, now, end);
        for trigger in &triggers {
            assert_eq!(
                daemon.fired(&trigger.name),
                whole.fired(&trigger.name),
                "cut after {cut}"
            );
        }
    }
}

/// Fixed times come once, however the clock is set within three hours.
#[test]
fn a_clock_that_is_set_doubles_no_fixed_time() {
    for seed in 0..rounds(50) as u64 {
        let mut rng = Rng::with_seed(seed);
        let mut now = at("2026-03-01T00:00:00Z");
        let end = at("2026-04-15T00:00:00Z");
        let mut daemon = Daemon::new(vec![cron("night", "30 2 * * *", "Europe/Berlin")], now);
        let mut latest = now;
        while now < end {
            let step = match rng.u32(..10) {
                0 => -rng.i64(0..10_000),
                1 => rng.i64(0..86_400 * 2),
                _ => rng.i64(0..7_200),
            };
            // Steps back add up to less than the three hours of a correction.
            now = after(now, step).max(after(latest, -10_000));
            if step < 0 {
                let facts = daemon.scheduler.clock_changed(now);
                daemon.journal.extend(facts);
            }
            if rng.u32(..20) == 0 {
                daemon.restart(now);
            }
            daemon.due(now);
            daemon.end_all(now);
            latest = latest.max(now);
        }
        let fired = daemon.fired("night");
        let days: BTreeSet<Timestamp> = fired.iter().copied().collect();
        assert_eq!(days.len(), fired.len(), "seed {seed}: none comes twice");
        let passed = latest.since(at("2026-03-01T00:00:00Z")).as_secs() / 86_400;
        assert!(
            fired.len() as u64 + 1 >= passed,
            "seed {seed}: none is lost"
        );
    }
}

#[test]
fn a_clock_that_was_wrong_by_years_is_set_right() {
    let wrong = at("2031-01-01T00:00:00Z");
    let mut daemon = Daemon::new(
        vec![cron("night", "30 2 * * *", "UTC"), every("often", 60)],
        wrong,
    );
    daemon.due(after(wrong, 86_400));
    daemon.end_all(after(wrong, 86_400));
    let right = at("2026-11-22T00:00:00Z");
    let facts = daemon.scheduler.clock_changed(right);
    assert!(matches!(&facts[0].fact, Fact::ClockSetBack { triggers } if triggers.len() == 2));
    daemon.journal.extend(facts);
    daemon.restart(right);
    assert_eq!(
        daemon.scheduler.next_of("often"),
        Some(at("2026-11-22T00:01:00Z"))
    );
    assert_eq!(
        daemon.scheduler.next_of("night"),
        Some(at("2026-11-22T02:30:00Z"))
    );
}

/// A machine that begins with a clock of long ago, which is set right then, runs nothing twice.
#[test]
fn a_clock_that_is_set_back_and_right_again_doubles_nothing() {
    let now = at("2026-11-22T12:00:00Z");
    let all = || vec![cron("night", "30 2 * * *", "UTC"), every("often", 600)];
    let mut daemon = Daemon::new(all(), now);
    daemon.due(after(now, 86_400));
    daemon.end_all(after(now, 86_400));
    let fired = |daemon: &Daemon| (daemon.fired("night"), daemon.fired("often"));
    let before = fired(&daemon);
    for long_ago in [at("1970-01-01T00:00:10Z"), after(now, 40_000)] {
        daemon.restart(long_ago);
        daemon.due(long_ago);
        let right = after(now, 86_500);
        let facts = daemon.scheduler.clock_changed(right);
        daemon.journal.extend(facts);
        assert!(daemon.due(right).is_empty());
        assert_eq!(fired(&daemon), before);
    }
    // Time goes on as before.
    daemon.due(after(now, 87_000));
    assert_eq!(daemon.fired("often").len(), before.1.len() + 1);
}

/// A clock that is set back by an hour lets what follows the passing time go on, and a second or two change nothing.
#[test]
fn intervals_go_on_when_the_clock_is_set_back() {
    let now = at("2026-11-22T12:00:00Z");
    let mut daemon = Daemon::new(vec![every("often", 10)], now);
    daemon.due(after(now, 10));
    assert!(daemon.scheduler.clock_changed(after(now, 9)).is_empty());
    assert_eq!(daemon.scheduler.next_of("often"), Some(after(now, 20)));
    assert_eq!(daemon.scheduler.clock_changed(after(now, -3_600)).len(), 1);
    assert_eq!(daemon.scheduler.next_of("often"), Some(after(now, -3_590)));
}

#[test]
fn what_was_missed_is_made_up_for_as_the_trigger_says() {
    let now = at("2026-11-22T12:00:00Z");
    let with = |catch_up, overlap| Trigger {
        catch_up,
        overlap,
        ..every("often", 600)
    };
    let after_an_hour = |trigger: Trigger| {
        let mut daemon = Daemon::new(vec![trigger], now);
        daemon.restart(after(now, 3_700));
        let facts = daemon.due(after(now, 3_700));
        assert!(daemon.due(after(now, 3_700)).is_empty(), "once");
        names(&facts)
    };
    assert_eq!(
        after_an_hour(with(CatchUp::Last, Overlap::Skip)),
        ["missed Some(5)", "fired 1"]
    );
    assert_eq!(
        after_an_hour(with(CatchUp::None, Overlap::Skip)),
        ["missed Some(6)"]
    );
    let all: Vec<String> = (1..=6).map(|number| format!("fired {number}")).collect();
    assert_eq!(after_an_hour(with(CatchUp::All, Overlap::Queue)), all);
    // Late by less than a minute is not missed.
    let mut daemon = Daemon::new(vec![with(CatchUp::None, Overlap::Skip)], now);
    assert_eq!(names(&daemon.due(after(now, 659))), ["fired 1"]);
}

#[test]
fn there_are_bounds() {
    let now = at("2026-11-22T12:00:00Z");
    let all = Trigger {
        overlap: Overlap::Queue,
        ..every("often", 1)
    };
    // A year of seconds: the last thousand, at once.
    let mut daemon = Daemon::new(vec![all.clone()], now);
    let facts = daemon.due(after(now, 366 * 86_400));
    assert_eq!(names(&facts[..1]), ["missed None"]);
    assert_eq!(facts.len(), 1 + CATCH_UP_MAX);
    assert_eq!(
        daemon.fired("often").last(),
        Some(&after(now, 366 * 86_400))
    );
    // As many wait already, so what comes now is left out, which is recorded.
    assert_eq!(QUEUE_MAX, CATCH_UP_MAX);
    assert_eq!(
        names(&daemon.due(after(now, 366 * 86_400 + 1))),
        ["queue full"]
    );
    let known = &daemon.scheduler.state().triggers["often"];
    assert_eq!(known.left_out, 2);
    // One that begins makes room when it has ended.
    daemon.end_all(after(now, 366 * 86_400 + 1));
    assert_eq!(daemon.due(after(now, 366 * 86_400 + 2)).len(), 1);
    // A minutely job over a year is no work either.
    let mut daemon = Daemon::new(
        vec![Trigger {
            catch_up: CatchUp::Last,
            ..cron("m", "* * * * *", "UTC")
        }],
        now,
    );
    assert_eq!(
        names(&daemon.due(after(now, 366 * 86_400))),
        ["missed None", "fired 1"]
    );
}

#[test]
fn overlap() {
    let now = at("2026-11-22T12:00:00Z");
    let daemon_with = |overlap| {
        let trigger = Trigger {
            overlap,
            ..every("often", 60)
        };
        let mut daemon = Daemon::new(vec![trigger], now);
        assert_eq!(names(&daemon.due(after(now, 60))), ["fired 1"]);
        assert_eq!(daemon.scheduler.begin(9).len(), 1);
        daemon
    };
    let begun = |daemon: &mut Daemon| -> Vec<u64> {
        daemon
            .scheduler
            .begin(9)
            .iter()
            .map(|fire| fire.fire)
            .collect()
    };

    let mut daemon = daemon_with(Overlap::Skip);
    assert_eq!(names(&daemon.due(after(now, 120))), ["skipped"]);
    daemon.end(1, after(now, 130));
    assert_eq!(names(&daemon.due(after(now, 180))), ["fired 2"]);

    let mut daemon = daemon_with(Overlap::Queue);
    assert_eq!(names(&daemon.due(after(now, 180))), ["fired 2", "fired 3"]);
    assert!(begun(&mut daemon).is_empty());
    daemon.end(1, after(now, 181));
    assert_eq!(begun(&mut daemon), [2]);
    assert!(begun(&mut daemon).is_empty());

    let mut daemon = daemon_with(Overlap::Allow);
    assert_eq!(names(&daemon.due(after(now, 120))), ["fired 2"]);
    assert_eq!(begun(&mut daemon), [2]);

    let mut daemon = daemon_with(Overlap::Cancel);
    assert!(daemon.scheduler.outdated().is_empty());
    assert_eq!(names(&daemon.due(after(now, 120))), ["fired 2"]);
    assert_eq!(daemon.scheduler.outdated(), [1]);
    assert!(
        begun(&mut daemon).is_empty(),
        "not before the other has ended"
    );
    assert_eq!(
        names(&daemon.due(after(now, 180))),
        ["ended 2 cancelled", "fired 3"]
    );
    daemon.end(1, after(now, 181));
    assert_eq!(begun(&mut daemon), [3]);
}

#[test]
fn no_more_run_at_once_than_may() {
    let now = at("2026-11-22T12:00:00Z");
    let triggers: Vec<Trigger> = (0..10)
        .map(|number| every(&format!("t{number}"), 60))
        .collect();
    let mut daemon = Daemon::new(triggers, now);
    daemon.due(after(now, 180));
    assert_eq!(daemon.scheduler.state().open.len(), 30);
    let mut order = Vec::new();
    let mut working: Vec<u64> = Vec::new();
    while !daemon.scheduler.state().open.is_empty() {
        working.extend(daemon.scheduler.begin(3).iter().map(|fire| fire.fire));
        assert!(working.len() <= 3);
        let first = working.remove(0);
        order.push(first);
        daemon.end(first, after(now, 181));
    }
    assert_eq!(
        order,
        (1..=30).collect::<Vec<u64>>(),
        "in the order in which they were fired"
    );
}

#[test]
fn jitter_is_stable_and_spreads() {
    let now = at("2026-11-22T12:00:00Z");
    let jittered = |name: &str| Trigger {
        jitter: Duration::from_secs(600),
        ..cron(name, "0 * * * *", "UTC")
    };
    let triggers: Vec<Trigger> = (0..100)
        .map(|number| jittered(&format!("t{number}")))
        .collect();
    let mut daemon = Daemon::new(triggers.clone(), now);
    let hour = at("2026-11-22T13:00:00Z");
    let offsets = |daemon: &Daemon| -> Vec<Duration> {
        triggers
            .iter()
            .map(|trigger| {
                daemon
                    .scheduler
                    .next_of(&trigger.name)
                    .expect("a next")
                    .since(hour)
            })
            .collect()
    };
    let first = offsets(&daemon);
    assert!(
        first
            .iter()
            .all(|offset| *offset <= Duration::from_secs(600))
    );
    let spread: BTreeSet<u64> = first.iter().map(|offset| offset.as_secs() / 60).collect();
    assert!(spread.len() >= 9, "{spread:?}");
    daemon.restart(after(now, 60));
    assert_eq!(offsets(&daemon), first);
    // Late by its jitter, each fires for the whole hour, once.
    daemon.due(after(hour, 600));
    for trigger in &triggers {
        assert_eq!(daemon.fired(&trigger.name), [hour]);
    }
}

#[test]
fn paused_and_edited() {
    let now = at("2026-11-22T12:00:00Z");
    let mut daemon = Daemon::new(vec![every("often", 60)], now);
    let hear = |daemon: &mut Daemon, at: Timestamp, fact: Fact| {
        let record = Record { at, fact };
        daemon.scheduler.heard(&record);
        daemon.journal.push(record);
    };
    let (trigger, by) = ("often".to_owned(), "tester".to_owned());
    hear(
        &mut daemon,
        after(now, 30),
        Fact::Paused {
            trigger: trigger.clone(),
            by: by.clone(),
        },
    );
    assert_eq!(daemon.scheduler.next_at(), None);
    daemon.restart(after(now, 300));
    assert!(daemon.due(after(now, 300)).is_empty());
    hear(&mut daemon, after(now, 310), Fact::Resumed { trigger, by });
    assert!(
        daemon.due(after(now, 310)).is_empty(),
        "what came while it was paused is over"
    );
    assert_eq!(daemon.scheduler.next_at(), Some(after(now, 360)));
    // Other times count from when they are seen.
    daemon.triggers = vec![every("often", 100)];
    daemon.set(after(now, 361));
    assert!(daemon.due(after(now, 361)).is_empty());
    assert_eq!(
        daemon.scheduler.next_of("often"),
        Some(at("2026-11-22T12:06:40Z"))
    );
    // One that goes and comes back has missed nothing.
    daemon.triggers.clear();
    daemon.set(after(now, 400));
    assert_eq!(daemon.scheduler.next_at(), None);
    daemon.triggers = vec![every("often", 100)];
    daemon.set(after(now, 4_000));
    assert!(daemon.due(after(now, 4_000)).is_empty());
    // One that is not enabled starts nothing, and has missed nothing when it is.
    daemon.triggers[0].enabled = false;
    daemon.set(after(now, 4_010));
    assert_eq!(daemon.scheduler.next_at(), None);
    daemon.triggers[0].enabled = true;
    daemon.set(after(now, 9_000));
    assert!(daemon.due(after(now, 9_000)).is_empty());
}

#[test]
fn changed_files_wait_for_one_run() {
    let now = at("2026-11-22T12:00:00Z");
    let watch = Trigger {
        when: When::Watch {
            patterns: vec!["*.rs".to_owned()],
            debounce: Duration::ZERO,
        },
        overlap: Overlap::Queue,
        ..every("saved", 1)
    };
    let mut daemon = Daemon::new(vec![watch], now);
    assert_eq!(daemon.scheduler.next_at(), None);
    assert_eq!(daemon.scheduler.changed("saved", "a.rs", now).len(), 1);
    assert_eq!(daemon.scheduler.begin(1).len(), 1);
    assert_eq!(
        daemon.scheduler.changed("saved", "a.rs", now).len(),
        1,
        "it began before this change"
    );
    assert_eq!(
        daemon.scheduler.changed("saved", "b.rs", now).len(),
        0,
        "the one that waits sees it"
    );
    assert_eq!(daemon.scheduler.changed("other", "b.rs", now).len(), 0);
}

/// Many triggers over a day: each at its times, and only what is due is looked at.
#[test]
fn many_triggers() {
    let now = at("2026-11-22T00:00:30Z");
    let mut rng = Rng::with_seed(20_000);
    let triggers: Vec<Trigger> = (0..20_000)
        .map(|number| {
            let expression = format!("{} {} * * *", rng.u32(..60), rng.u32(..24));
            cron(&format!("t{number}"), &expression, "UTC")
        })
        .collect();
    let mut daemon = Daemon::new(triggers, now);
    let (mut wakes, end) = (0, at("2026-11-23T00:00:30Z"));
    let mut fired: HashMap<String, u32> = HashMap::new();
    while let Some(next) = daemon.scheduler.next_at().filter(|next| *next <= end) {
        wakes += 1;
        for record in daemon.scheduler.due(next) {
            if let Fact::Fired(fire) = record.fact {
                *fired.entry(fire.trigger).or_default() += 1;
                daemon
                    .scheduler
                    .ended(fire.fire, End::Completed, None, next);
            }
        }
    }
    assert!(
        wakes <= 1_440,
        "it wakes once for each minute in which something is due"
    );
    assert_eq!(fired.len(), 20_000);
    assert!(fired.values().all(|count| *count == 1));
}

/// Facts of a later version are passed over, and what is not known stands in nobody's way.
#[test]
fn facts_of_later_versions() {
    let line = r#"{"at":"2026-11-22T00:00:00.000000Z","kind":"dreamt","of":{"sheep":3}}"#;
    let record: Record = serde_json::from_str(line).expect("it can be read");
    assert_eq!(record.fact, Fact::Unknown);
    let state = State::fold([&record]);
    assert_eq!(state, State::default());
    let line = serde_json::to_string(&Record {
        at: record.at,
        fact: Fact::State(Box::new(State {
            seed: 5,
            fires: 7,
            triggers: BTreeMap::new(),
            open: BTreeMap::new(),
        })),
    });
    let read: Record = serde_json::from_str(&line.expect("JSON")).expect("it can be read");
    assert_eq!(State::fold([&read]).fires, 7);
}
