//! What a step leaves running on purpose goes on after the run, and nothing else does.

pub mod support;

use support::Space;
use support::processes::is_alive;

const FILE: &str = "
tasks:
  start:
    run:
      - run: |
          sleep 100 & echo $! > kept
          (setsid sleep 100 & echo $! > kept-in-a-session)
          env > env
        leave_running: true
      - sleep 100 & echo $! > ended
  again: {depends_on: [start], run: 'sleep 100 & echo $! > ended-too'}
  tried: {retry: 2, run: [{run: 'sleep 100 & echo $! > kept.$FLOW_ATTEMPT; test $FLOW_ATTEMPT = 2', leave_running: true, retry: 2}]}
";

fn pid(space: &Space, name: &str) -> i32 {
    let text = space.read(name).unwrap_or_default();
    text.trim().parse().expect("a task wrote its process id")
}

#[test]
fn it_goes_on_after_the_run() {
    let space = Space::with(FILE);
    let mut before: Vec<i32> = Vec::new();
    // The second run leaves alone what the first one has left.
    for _ in 0..2 {
        let mut flow = space.flow(&["again"]);
        let ended = space.finish(flow.env("FLOW_RUN_ID", "0abc").spawn().expect("it starts"));
        assert_eq!(ended.code, 0, "{}", ended.err());
        let kept = ["kept", "kept-in-a-session"].map(|name| pid(&space, name));
        before.extend(kept);
        assert!(before.iter().all(|pid| is_alive(*pid)), "{}", ended.err());
        for name in ["ended", "ended-too"] {
            assert!(!is_alive(pid(&space, name)), "{name}: {}", ended.err());
        }
        let env = space.read("env").expect("it was written");
        assert!(!env.contains("FLOW_RUN_ID="), "{env}");
        assert!(env.contains("FLOW_TASK=start\n"), "{env}");
        assert!(ended.err().contains("left running: "), "{}", ended.err());
        let records = space.records();
        let record = records.last().expect("there is one");
        for pid in kept {
            let named = format!("{{\"pid\":{pid},\"program\":\"sleep\"}}");
            let lines = record.lines.iter();
            let lines = lines.filter(|line| line.contains(&named));
            assert_eq!(lines.count(), 1, "{named}: {:#?}", record.lines);
        }
    }
}

#[test]
fn each_try_names_its_own() {
    let space = Space::with(FILE);
    let ended = space.run(&["tried"]);
    assert_eq!(ended.code, 0, "{}", ended.err());
    for attempt in [1, 2] {
        let pid = pid(&space, &format!("kept.{attempt}"));
        assert!(is_alive(pid));
        let named = format!("\"left\":[{{\"pid\":{pid},\"program\":\"sleep\"}}]");
        let record = space.record();
        let lines = record.lines.iter();
        assert!(
            lines.clone().any(|line| line.contains(&named)),
            "{named}: {:#?}",
            record.lines
        );
    }
}
