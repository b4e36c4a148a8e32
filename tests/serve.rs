//! `flow serve`: what is to run by itself runs, once for each time, whatever becomes of the server (T1 to T5).

pub mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use fastrand::Rng;
use flow::core::fact::{Fact, RunEnd, Triggered};
use flow::model::id::RunId;
use flow::model::time::Timestamp;
use flow::trigger::fact::{End, Fact as Fired, Fire, Record};
use flow::trigger::journal::Journal;
use rustix::process::Signal;
use serde_json::Value;
use support::effort::rounds;
use support::processes::signal;
use support::space::DEADLINE;
use support::{Space, wait_for};

/// A server, and what it says.
struct Server {
    child: Child,
    said: Receiver<Value>,
    address: String,
}

impl Server {
    fn start(space: &Space, args: &[&str]) -> Self {
        Self::with(space, args, &[])
    }

    fn with(space: &Space, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = space.flow(&["serve", "--log", "json"]);
        if !args.contains(&"--listen") {
            command.args(["--port", "0"]);
        }
        command
            .args(args)
            .envs(env.iter().copied())
            .stdout(Stdio::null());
        let mut child = command.spawn().expect("flow starts");
        let lines = BufReader::new(child.stderr.take().expect("it has a pipe")).lines();
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut server = Self {
            child,
            said,
            address: String::new(),
        };
        let hello = server.wait_for("listening");
        server.address = hello["address"].as_str().expect("an address").to_owned();
        server
    }

    /// The next thing of this kind that it says.
    fn wait_for(&self, event: &str) -> Value {
        let mut before = Vec::new();
        loop {
            let said = self.said.recv_timeout(DEADLINE);
            let said =
                said.unwrap_or_else(|_| panic!("waited in vain for {event:?} after {before:?}"));
            if said["event"] == event {
                return said;
            }
            before.push(said.to_string());
        }
    }

    fn signal(&self, how: Signal) {
        signal(i32::try_from(self.child.id()).expect("a process id"), how);
    }

    fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("it is ours");
    }

    /// Stops it as it is to be stopped; what it has said since.
    fn stop(mut self) -> Vec<Value> {
        self.signal(Signal::TERM);
        let status = self.child.wait().expect("it is ours");
        assert!(status.success(), "{status}");
        self.said.iter().collect()
    }

    fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        Self::get_by(stream, path, headers)
    }

    fn get_by(mut stream: TcpStream, path: &str, headers: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .expect("it can be asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    fn health(&self) -> Value {
        let (status, body) = self.get("/health", "Host: localhost\r\n");
        let mut health: Value = serde_json::from_str(&body).expect("JSON");
        health["code"] = status.into();
        health
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn journal(space: &Space) -> Vec<Record> {
    Journal::of(&space.own_state())
        .records()
        .expect("it can be read")
}

/// Writes a fire of the trigger `t` into the journal, as a server would that is killed then.
fn fired_by_hand(space: &Space, fire: u64, run: RunId, scheduled: Option<Timestamp>, task: &str) {
    let at = Timestamp::from_micros(0);
    let fire = Fire {
        fire,
        trigger: "t".to_owned(),
        run,
        scheduled,
        fired_at: at,
        task: task.to_owned(),
        values: Vec::new(),
        changed: None,
        beside_others: false,
        begun: false,
    };
    let fact = Fired::Fired(Box::new(fire));
    let written = Journal::of(&space.own_state()).add(&[Record { at, fact }]);
    written.expect("it can be written");
}

/// The fires of a trigger with their times.
fn fires(space: &Space, name: &str) -> Vec<(u64, Timestamp)> {
    let fire = |record: Record| match record.fact {
        Fired::Fired(fire) if fire.trigger == name => Some((fire.fire, fire.scheduled?)),
        _ => None,
    };
    journal(space).into_iter().filter_map(fire).collect()
}

fn ends(space: &Space) -> BTreeMap<u64, End> {
    let end = |record: Record| match record.fact {
        Fired::Ended { fire, end, .. } => Some((fire, end)),
        _ => None,
    };
    journal(space).into_iter().filter_map(end).collect()
}

/// The triggers of all runs, with how each of them ended.
fn triggered(space: &Space) -> Vec<(Triggered, Option<RunEnd>)> {
    let of = |record: support::Record| {
        let facts = record.facts.iter().map(|record| &record.fact);
        let end = facts.clone().find_map(|fact| match fact {
            Fact::RunFinished { status } => Some(*status),
            _ => None,
        });
        let trigger = facts.clone().find_map(|fact| match fact {
            Fact::RunCreated { trigger, .. } => trigger.clone(),
            _ => None,
        });
        trigger.map(|trigger| (trigger, end))
    };
    space.records().into_iter().filter_map(of).collect()
}

/// Each second from the first to the last has one run, and all of them have ended.
fn assert_each_second_once(space: &Space, name: &str) {
    let runs: Vec<_> = triggered(space)
        .into_iter()
        .filter(|(trigger, _)| trigger.name == name)
        .collect();
    let mut times: BTreeMap<Timestamp, u32> = BTreeMap::new();
    for (trigger, end) in &runs {
        assert_eq!(*end, Some(RunEnd::Completed), "{trigger:?}");
        *times
            .entry(trigger.scheduled_at.expect("a time"))
            .or_default() += 1;
    }
    assert!(times.values().all(|count| *count == 1), "{times:?}");
    let (first, last) = (
        times.keys().next().expect("some"),
        times.keys().last().expect("some"),
    );
    let seconds = last.since(*first).as_secs() + 1;
    assert_eq!(times.len() as u64, seconds, "from {first} to {last}");
    let numbers: BTreeSet<u64> = runs.iter().map(|(trigger, _)| trigger.fire).collect();
    assert_eq!(numbers.len(), runs.len());
}

/// The server is killed at random moments, and so are the runs, while one begins each second and others are going on.
#[test]
fn killed_at_random_moments_each_time_has_one_run() {
    let space = Space::with(
        "tasks:\n  tick: echo $FLOW_SCHEDULED_AT >> ticks\n  long: {run: [sleep 0.3, echo $FLOW_SCHEDULED_AT >> longs]}\ntriggers:\n  tick: {every: 1s, run: tick, catch_up: all}\n  long: {every: 1s, run: long, catch_up: all, overlap: allow}\n",
    );
    let mut rng = Rng::with_seed(50);
    for round in 0..rounds(8) {
        let server = Server::start(&space, &[]);
        let wanted = fires(&space, "tick").len() + 1;
        if rng.u32(..4) > 0 {
            wait_for("a fire", || fires(&space, "tick").len() >= wanted);
        }
        // Somewhere in the next few milliseconds, in which runs begin and end.
        let busy = rng.u32(..60_000);
        (0..busy).for_each(|number| _ = std::hint::black_box(number));
        if round % 3 == 2 {
            // All of it, as when the machine goes down.
            server.kill();
            support::processes::kill_marked(space.mark());
        } else {
            server.kill();
        }
    }
    let server = Server::start(&space, &["--max-parallel", "4"]);
    let all_ended = || {
        let ends = ends(&space);
        let fires = [fires(&space, "tick"), fires(&space, "long")].concat();
        fires.len() > 4
            && fires
                .iter()
                .rev()
                .take(2)
                .all(|(fire, _)| ends.contains_key(fire))
    };
    wait_for("what was missed", all_ended);
    for name in ["tick", "long"] {
        let paused = space.run(&["schedule", "--pause", name]);
        assert_eq!(paused.code, 0, "{}", paused.err());
    }
    let state = || {
        Journal::of(&space.own_state())
            .state()
            .expect("it can be read")
    };
    wait_for("all to end", || state().open.is_empty());
    server.stop();
    assert_each_second_once(&space, "tick");
    assert_each_second_once(&space, "long");
    space.assert_nobody_left();
}

/// A run that ended while nobody was there is in nobody's way; one of which the record is gone is not run again.
#[test]
fn what_ended_meanwhile_is_seen_first() {
    let space = Space::with(
        "tasks: {job: {run: [touch began, \"while [ ! -e go ]; do sleep 0.01; done\", echo x >> done]}}\ntriggers:\n  job: {every: 1s, run: job}\n",
    );
    let server = Server::start(&space, &[]);
    wait_for("the run", || space.has("began"));
    server.kill();
    space.write("go", "");
    wait_for("it to end", || space.read("done").is_some());
    wait_for("its end to be recorded", || {
        triggered(&space)
            .first()
            .is_some_and(|(_, end)| end.is_some())
    });
    let first = fires(&space, "job").len();
    let server = Server::start(&space, &[]);
    wait_for("the next", || fires(&space, "job").len() > first);
    let journal = journal(&space);
    let ended = journal
        .iter()
        .position(|record| matches!(record.fact, Fired::Ended { .. }));
    let started = |record: &&Record| matches!(record.fact, Fired::Fired(_));
    let later = journal
        .iter()
        .skip(ended.expect("it is there"))
        .filter(started);
    assert!(later.count() >= 1, "{journal:?}");
    let skipped = journal.iter().skip(ended.expect("it is there"));
    let skipped = skipped.take_while(|record| !started(record));
    assert!(
        !skipped
            .into_iter()
            .any(|record| matches!(record.fact, Fired::Skipped { .. }))
    );
    server.stop();
}

/// A server on a disk that is full for a while; each second, with how often its run began and ended.
const FULL: &str = r#"
mkdir -p .flow
mount -t tmpfs -o size=2m,mode=700 none .flow
"$FLOW" serve --port 0 --log json 2> log & server=$!
until [ "$(grep -c '"ended"' log)" -ge 2 ]; do :; done
head -c 4m /dev/zero > .flow/ballast 2> /dev/null
until grep -qE '"(delayed|journal_unwritten)"' log; do :; done
rm .flow/ballast
full=$(grep -c '"fired"' log)
until [ "$(grep -c '"ended"' log)" -ge $((full + 2)) ]; do :; done
kill $server; wait $server; echo "server $?"
sort ticks | uniq -c
"$FLOW" verify --all > /dev/null; echo "verify $?"
umount .flow
"#;

#[test]
fn a_full_disk_delays_runs_and_loses_none() {
    let space = Space::with(
        "tasks: {t: {run: [echo a $FLOW_SCHEDULED_AT >> ticks, echo b $FLOW_SCHEDULED_AT >> ticks]}}\ntriggers:\n  t: {every: 1s, run: t, catch_up: all}\n",
    );
    let Some(ended) = support::mounts::mounted(&space, FULL) else {
        return;
    };
    let out = ended.out();
    let log = space.read("log").unwrap_or_default();
    assert!(
        out.contains("server 0") && out.contains("verify 0"),
        "{out}{log}"
    );
    let mut times: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for line in out.lines() {
        if let [count, step, at] = line.split_whitespace().collect::<Vec<_>>()[..] {
            assert_eq!(count, "1", "{out}");
            times
                .entry(step)
                .or_default()
                .push(at.parse().expect("a time"));
        }
    }
    for (step, times) in &times {
        let last = times.last().expect("some");
        let seconds = last.since(times[0]).as_secs() + 1;
        assert_eq!(times.len() as u64, seconds, "{step}: {out}");
    }
    assert_eq!(times["a"], times["b"], "{log}");
}

/// What runs when it is told to stop is interrupted, and goes on at the next start; no finished step runs again.
#[test]
fn a_stop_interrupts_and_the_next_start_goes_on() {
    let space = Space::with(
        "tasks:\n  job: {run: [echo first >> done, \"while [ ! -e go ]; do sleep 0.01; done\", echo last >> done]}\ntriggers:\n  job: {every: 1s, run: job}\n",
    );
    let server = Server::start(&space, &["--grace", "1ms"]);
    wait_for("the first step", || space.read("done").is_some());
    let said = server.stop();
    assert!(
        said.iter().any(|said| said["event"] == "stopped"),
        "{said:?}"
    );
    space.assert_nobody_left();
    let status = space.run(&["status", "latest"]);
    assert!(status.out().contains("interrupted"), "{}", status.out());
    assert!(
        status.out().contains("by the trigger job for "),
        "{}",
        status.out()
    );
    let server = Server::start(&space, &[]);
    let first = fires(&space, "job")[0].0;
    space.write("go", "");
    wait_for("the run to end", || ends(&space).contains_key(&first));
    assert_eq!(ends(&space)[&first], End::Completed);
    let done = space.read("done").expect("it is there");
    assert!(done.starts_with("first\nlast\n"), "{done}");
    server.stop();
}

/// In the time that it has, what runs ends by itself.
#[test]
fn a_stop_lets_runs_end_in_their_time() {
    let space = Space::with(
        "tasks:\n  job: {run: [touch began, \"while [ ! -e go ]; do sleep 0.01; done\", touch ended]}\ntriggers:\n  job: {every: 1s, run: job}\n",
    );
    let server = Server::start(&space, &["--grace", "1h"]);
    wait_for("the run", || space.has("began"));
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    assert_eq!(server.health()["status"], "stopping");
    space.write("go", "");
    assert_eq!(server.wait_for("ended")["status"], "completed");
    server.wait_for("stopped");
    assert!(space.has("ended"));
}

#[test]
fn the_file_is_read_again_when_it_changes() {
    let file = |task: &str| {
        format!(
            "tasks:\n  a: echo a >> said\n  b: echo b >> said\ntriggers:\n  t: {{every: 1s, run: {task}}}\n"
        )
    };
    let space = Space::with(&file("a"));
    let server = Server::start(&space, &[]);
    wait_for("a", || {
        space.read("said").is_some_and(|said| said.contains('a'))
    });
    space.write("Workflowfile.yml", &file("b"));
    server.wait_for("reloaded");
    wait_for("b", || {
        space.read("said").is_some_and(|said| said.contains('b'))
    });
    // One that can't be used changes nothing, and is said.
    space.write("Workflowfile.yml", &file("nobody"));
    let failed = server.wait_for("reload_failed");
    let words = failed["message"].as_str().expect("words");
    assert!(
        words.contains("there is no task 'nobody'") && words.contains("Workflowfile.yml:5"),
        "{words}"
    );
    let health = server.health();
    assert_eq!(
        (&health["status"], &health["code"]),
        (&"degraded".into(), &200.into())
    );
    assert!(
        health["file_error"]
            .as_str()
            .is_some_and(|error| error.contains("nobody"))
    );
    // Its runs go on as the file said before.
    let before = fires(&space, "t").len();
    wait_for("more fires", || fires(&space, "t").len() > before + 1);
    let first = fires(&space, "t")[before].0;
    wait_for("one to end", || ends(&space).contains_key(&first));
    assert_eq!(ends(&space)[&first], End::Completed);
    // Mended, and a file of schedules beside it.
    space.write(
        "Workflowfile.yml",
        "tasks: {a: echo a >> said, c: echo c >> said}\n",
    );
    server.wait_for("reloaded");
    assert_eq!(server.health()["status"], "ok");
    let made = space.run(&["schedule", "--every", "1s", "c"]);
    assert_eq!(made.code, 0, "{}", made.err());
    assert!(
        made.err()
            .contains("wrote schedules/c.yml: c runs every 1s, next at "),
        "{}",
        made.err()
    );
    assert!(!made.err().contains("no `flow serve`"), "{}", made.err());
    wait_for("c", || {
        space.read("said").is_some_and(|said| said.contains('c'))
    });
    let removed = space.run(&["schedule", "--remove", "c"]);
    assert_eq!(removed.err(), "removed schedules/c.yml\n");
    wait_for("no triggers", || server.health()["triggers"] == 0);
    server.stop();
}

#[test]
fn pausing_takes_effect_at_once() {
    let space = Space::with("tasks: {a: \"true\"}\ntriggers:\n  t: {every: 1s, run: a}\n");
    let server = Server::start(&space, &[]);
    wait_for("a fire", || !fires(&space, "t").is_empty());
    assert_eq!(space.run(&["schedule", "--pause", "t"]).code, 0);
    server.wait_for("paused");
    let health = server.health();
    assert_eq!(
        (&health["paused"], &health["next"]),
        (&1.into(), &Value::Null)
    );
    let list = space.run(&["schedule"]);
    assert!(list.out().contains("paused"), "{}", list.out());
    assert_eq!(space.run(&["schedule", "--resume", "t"]).code, 0);
    server.wait_for("resumed");
    server.wait_for("fired");
    server.stop();
}

#[test]
fn files_that_change_start_runs() {
    let space = Space::with(
        "tasks:\n  build:\n    sources: [\"src/*.c\"]\n    generates: src/made.c\n    run: [cat src/a.c >> built, echo made > src/made.c]\ntriggers:\n  saved: {watch: [\"src/*.c\", \"!src/not.c\"], run: build, debounce: 1ms}\n",
    );
    fs::create_dir(space.work().join("src")).expect("a folder");
    space.write("src/a.c", "one\n");
    let server = Server::start(&space, &[]);
    space.write("src/not.c", "");
    space.write("src/a.c", "two\n");
    let fired = server.wait_for("fired");
    assert_eq!(fired["trigger"], "saved");
    server.wait_for("ended");
    space.write("src/a.c", "three\n");
    server.wait_for("ended");
    assert_eq!(space.read("built").as_deref(), Some("two\nthree\n"));
    let triggers: Vec<_> = triggered(&space)
        .into_iter()
        .map(|(trigger, _)| trigger.changed)
        .collect();
    assert_eq!(
        triggers,
        [Some("src/a.c".to_owned()), Some("src/a.c".to_owned())],
        "what it makes starts nothing"
    );
    server.stop();
}

#[test]
fn a_run_that_cannot_begin_is_told() {
    let space = Space::with("tasks: {a: \"true\"}\ntriggers:\n  t: {every: 1s, run: a}\n");
    let server = Server::start(&space, &[]);
    // The plan can't be kept where a file stands in the way.
    wait_for("a fire", || !ends(&space).is_empty());
    server.kill();
    space.write(
        "Workflowfile.yml",
        "tasks: {a: \"true\"}\ntriggers:\n  t: {cron: \"0 0 1 1 *\", run: a}\n",
    );
    fired_by_hand(
        &space,
        10_000,
        RunId::parse("0000000001").expect("an id"),
        None,
        "gone",
    );
    let server = Server::start(&space, &[]);
    let ended = server.wait_for("ended");
    assert_eq!(ended["status"], "refused");
    assert!(
        ended["message"]
            .as_str()
            .is_some_and(|words| words.contains("\"gone\"")),
        "{ended}"
    );
    let list = space.run(&["schedule"]);
    assert!(
        list.out().contains("refused") && list.err().contains("t could not begin at"),
        "{}{}",
        list.out(),
        list.err()
    );
    server.stop();
}

/// An id that another run has taken in the meantime: the fire gets another one, and its run is still one.
#[test]
fn an_id_that_is_taken() {
    let space =
        Space::with("tasks: {a: \"true\"}\ntriggers:\n  t: {cron: \"0 0 1 1 *\", run: a}\n");
    assert_eq!(space.run(&["a"]).code, 0);
    let taken = space.record().run;
    fired_by_hand(
        &space,
        1,
        taken.clone(),
        Some(Timestamp::from_micros(1)),
        "a",
    );
    let server = Server::start(&space, &[]);
    let ended = server.wait_for("ended");
    assert_eq!(ended["status"], "completed");
    assert_ne!(ended["run"], taken.as_str());
    // Whoever comes for the same fire finds that it is over.
    let again = space.run(&["run", "--fire", "1"]);
    assert_eq!(
        (again.code, again.err().as_str()),
        (0, "fire 1 is over, or there was none\n")
    );
    server.stop();
    assert_eq!(triggered(&space).len(), 1);
}

/// Many who are to begin the same fire at the same moment begin one run.
#[test]
fn one_fire_is_one_run_for_twenty_at_once() {
    let space = Space::with("tasks: {a: echo a >> said}\n");
    for round in 1..=5 {
        fired_by_hand(
            &space,
            round,
            RunId::parse(&format!("000000000{round}")).expect("an id"),
            None,
            "a",
        );
        let number = round.to_string();
        let all: Vec<Child> = (0..20)
            .map(|_| space.start(&["run", "--fire", &number, "-q"]))
            .collect();
        for child in all {
            let ended = space.finish(child);
            assert_eq!(ended.code, 0, "{}", ended.err());
        }
    }
    assert_eq!(space.read("said").as_deref(), Some("a\na\na\na\na\n"));
    assert_eq!(triggered(&space).len(), 5);
}

/// Who removes `.flow` beside a server takes its lock away: another may begin, so the first one ends before it starts anything.
#[test]
fn a_server_whose_folder_is_gone_ends() {
    let space = Space::with("tasks: {a: 'true'}\ntriggers:\n  t: {cron: '0 0 1 1 *', run: a}\n");
    let mut first = Server::start(&space, &[]);
    fs::remove_dir_all(space.state()).expect("it is ours");
    let second = Server::start(&space, &[]);
    first.signal(Signal::HUP);
    let status = first.child.wait().expect("it is ours");
    assert_eq!(status.code(), Some(5));
    let said: Vec<String> = first.said.iter().map(|said| said.to_string()).collect();
    assert!(
        said.iter()
            .any(|said| said.contains("was removed while this server used it")),
        "{said:?}"
    );
    assert_eq!(second.health()["status"], "ok");
    second.stop();
}

/// Connections that say nothing, or not all, keep nobody waiting; each new one has a place at once.
#[test]
fn health_waits_for_nobody_who_says_nothing() {
    let space = Space::with("tasks: {a: 'true'}\ntriggers:\n  t: {cron: '0 0 1 1 *', run: a}\n");
    let server = Server::start(&space, &[]);
    let connect = || TcpStream::connect(&server.address).expect("it listens");
    for half in ["", "GET /health HTTP/1.1\r\nHost: loc"] {
        let mut idle = Vec::new();
        for _ in 0..3 {
            for _ in 0..100 {
                let mut stream = connect();
                // One whose place was taken may be gone already.
                let _ = stream.write_all(half.as_bytes());
                idle.push(stream);
            }
            let stream = connect();
            // Before the change it was answered when those before it had ended, after half a minute or more.
            let patience = Some(Duration::from_secs(15));
            stream.set_read_timeout(patience).expect("it can be set");
            let (status, _) = Server::get_by(stream, "/health", "Host: localhost\r\n");
            assert_eq!(status, 200, "{half:?}");
        }
        drop(idle);
    }
}

#[test]
fn health_is_told_to_this_machine_alone() {
    let space =
        Space::with("tasks: {a: \"true\"}\ntriggers:\n  t: {cron: \"0 0 1 1 *\", run: a}\n");
    let server = Server::start(&space, &[]);
    let health = server.health();
    assert_eq!(
        (&health["status"], &health["code"], &health["triggers"]),
        (&"ok".into(), &200.into(), &1.into())
    );
    assert_eq!(health["pid"], server.child.id());
    for (host, code) in [
        ("Host: 127.0.0.1:8008\r\n", 200),
        ("Host: [::1]:8008\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Host: 127.0.0.1.evil.example:80\r\n", 403),
        ("", 400),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
        ("Host: localhost\r\nOrigin: http://localhost\r\n", 200),
        (
            "Host: localhost:8008\r\nOrigin: http://localhost:8008\r\n",
            200,
        ),
        (
            "Host: localhost:8008\r\nOrigin: http://localhost:9\r\n",
            403,
        ),
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: null\r\n", 403),
        (
            "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n",
            403,
        ),
    ] {
        assert_eq!(server.get("/health", host).0, code, "{host}");
    }
    assert_eq!(server.get("/", "Host: localhost\r\n").0, 404);
    let elsewhere = "http://evil.example/health";
    assert_eq!(server.get(elsewhere, "Host: localhost\r\n").0, 400);
    let token = space.state().join("token");
    let mode = fs::metadata(&token)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        fs::read_to_string(&token)
            .expect("it can be read")
            .trim()
            .len(),
        64
    );
    // A second one is told who is there, and nothing is done twice.
    let second = space.run(&["serve", "--port", "0"]);
    assert_eq!(second.code, 2);
    let words = format!(
        "error: process {} runs the triggers of this project already\n",
        server.child.id()
    );
    assert!(second.err().starts_with(&words), "{}", second.err());
    // Another project can't have the same port.
    let other = Space::with("tasks: {a: \"true\"}\n");
    let port = server
        .address
        .rsplit_once(':')
        .expect("a port")
        .1
        .to_owned();
    let refused = other.run(&["serve", "--port", &port]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err().contains("--port 0 takes a free port"),
        "{}",
        refused.err()
    );
    server.stop();
}

#[test]
fn other_addresses_take_the_token() {
    let space = Space::with("tasks: {a: \"true\"}\n");
    let mut server = Server::start(&space, &["--listen", "0.0.0.0:0"]);
    let port = server
        .address
        .rsplit_once(':')
        .expect("a port")
        .1
        .to_owned();
    server.address = format!("127.0.0.1:{port}");
    let token = fs::read_to_string(space.state().join("token")).expect("it is there");
    let with = |token: &str| format!("Host: somewhere\r\nAuthorization: Bearer {token}\r\n");
    assert_eq!(server.get("/health", "Host: localhost\r\n").0, 401);
    assert_eq!(server.get("/health", &with("wrong")).0, 401);
    assert_eq!(server.get("/health", &with("")).0, 401);
    assert_eq!(server.get("/health", &with(token.trim())).0, 200);
    server.stop();
}

/// systemd is told that we are ready, alive, reloading and stopping (sd_notify(3)).
#[test]
fn the_manager_is_told() {
    let space =
        Space::with("tasks: {a: \"true\"}\ntriggers:\n  t: {cron: \"0 0 1 1 *\", run: a}\n");
    let path = space.home().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket
        .set_read_timeout(Some(DEADLINE))
        .expect("it can be set");
    let path = path.to_str().expect("UTF-8").to_owned();
    let env = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "40000")];
    let server = Server::with(&space, &[], &env);
    let next = || {
        let mut words = [0; 200];
        let length = socket.recv(&mut words).expect("it says something");
        String::from_utf8_lossy(&words[..length]).into_owned()
    };
    assert_eq!(next(), "READY=1");
    assert_eq!(
        (next(), next()),
        ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned())
    );
    server.signal(Signal::HUP);
    let mut told = next();
    while told == "WATCHDOG=1" {
        told = next();
    }
    assert!(told.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told}");
    assert_eq!(next(), "READY=1");
    server.signal(Signal::TERM);
    let mut told = next();
    while told == "WATCHDOG=1" {
        told = next();
    }
    assert_eq!(told, "STOPPING=1");
    server.wait_for("stopped");
}

/// With a thousand triggers that are not due nothing wakes it.
#[test]
fn idle_it_sleeps() {
    let mut text = String::from("tasks: {a: \"true\"}\ntriggers:\n");
    for number in 0..1_000 {
        text.push_str(&format!(
            "  t{number}: {{cron: \"{} {} 29 2 *\", run: a}}\n",
            number % 60,
            number % 24
        ));
    }
    let space = Space::with(&text);
    let server = Server::start(&space, &[]);
    assert_eq!(server.health()["triggers"], 1_000);
    let switches = || -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.child.id())).expect("it is alive");
        let of = |status: String| -> u64 {
            let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
            lines
                .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
                .sum()
        };
        tasks
            .flatten()
            .map(|task| of(fs::read_to_string(task.path().join("status")).unwrap_or_default()))
            .sum()
    };
    let before = switches();
    // Something else of about a second, by the same clock for all machines.
    assert_eq!(
        space
            .finish(space.command("sleep").arg("1").spawn().expect("it starts"))
            .code,
        0
    );
    let woken = switches() - before;
    assert!(woken <= 20, "it was woken {woken} times");
    server.stop();
}
