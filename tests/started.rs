//! However flow is started, with whatever signals ignored or blocked: what it runs ends as it ends, and it can be asked to end.

pub mod support;

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::Signal;
use support::processes::signal;
use support::{Space, wait_for};

const WORK: &str = "
tasks:
  counted: {retry: 3, run: 'echo ran >> count; true'}
  piped: 'yes | head -1'
  asks: {vars: {x: {sh: 'echo v'}}, if: {sh: 'true'}, run: 'echo {{ x }}'}
  states: \"sed -n 's/^Sig\\\\(Blk\\\\|Ign\\\\):[[:space:]]*//p' /proc/self/status\"
  slow: 'touch began; sleep 600'
";

/// Signals that are ignored, and those that are blocked, when flow is started.
type Start = (&'static [i32], &'static [i32]);

const STARTS: [Start; 7] = [
    (&[], &[]),
    (&[libc::SIGCHLD], &[]),
    (&[libc::SIGHUP], &[]),
    (
        &[libc::SIGTERM, libc::SIGPIPE, libc::SIGUSR1, libc::SIGALRM],
        &[],
    ),
    (&[], &[libc::SIGTERM, libc::SIGCHLD]),
    (&[], &ALL),
    (&ALL, &ALL),
];

const ALL: [i32; 31] = {
    let mut all = [0; 31];
    let mut at = 0;
    while at < 31 {
        all[at] = at as i32 + 1;
        at += 1;
    }
    all
};

/// Starts a program so.
#[expect(unsafe_code, reason = "there is no safe way to act in a forked child")]
fn started_so(command: &mut Command, (ignored, blocked): Start) {
    // SAFETY: signal(2) and sigprocmask(2) are plain system calls, which are allowed between fork and exec; the set is initialised.
    unsafe {
        command.pre_exec(move || {
            for signal in ignored {
                libc::signal(*signal, libc::SIG_IGN);
            }
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in blocked {
                libc::sigaddset(&raw mut set, *signal);
            }
            libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
            Ok(())
        });
    }
}

#[test]
fn it_runs_and_ends_as_ever() {
    for start in STARTS {
        let space = Space::with(WORK);
        let run = |task: &str| {
            let mut command = space.flow(&["-q", task]);
            started_so(&mut command, start);
            let ended = space.finish(command.spawn().expect("flow starts"));
            assert_eq!(ended.code, 0, "{start:?} {task}: {}", ended.err());
            assert_eq!(ended.err(), "", "{start:?} {task}");
            ended.out()
        };
        run("counted");
        assert_eq!(space.read("count").as_deref(), Some("ran\n"), "{start:?}");
        assert_eq!(run("piped"), "y\n", "{start:?}");
        assert_eq!(run("asks"), "v\n", "{start:?}");
        // What `nohup` and shells ask for stays: SIGHUP, SIGINT and SIGQUIT; the C library keeps two for itself.
        let kept = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT].into_iter();
        let kept: u64 = kept
            .filter(|one| start.0.contains(one))
            .map(|one| 1 << (one - 1))
            .sum();
        let states = run("states");
        let masks: Vec<u64> = states
            .lines()
            .map(|line| u64::from_str_radix(line, 16).expect("a mask"))
            .collect();
        let of_library = (1 << 31) | (1 << 32);
        assert_eq!(
            [masks[0] & !of_library, masks[1] & !of_library],
            [0, kept],
            "{start:?}"
        );
        let mut command = space.flow(&["-q", "slow"]);
        started_so(&mut command, start);
        let slow = command.spawn().expect("flow starts");
        wait_for("the task", || space.has("began"));
        signal(slow.id().cast_signed(), Signal::TERM);
        let ended = space.finish(slow);
        assert_eq!(ended.code, 143, "{start:?}: {}", ended.err());
        space.assert_nobody_left();
    }
}
