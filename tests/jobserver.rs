//! flow under make's jobserver: together no more commands run than make was told to, and all tokens are back at the end.
//!
//! The jobserver is the test's own, a pipe or a named pipe with bytes in it; where there is `make`, it is made by that too.

pub mod support;

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command};

use rustix::process::Signal;
use support::processes::signal;
use support::{Ended, Space, wait_for};

/// A jobserver with this many tokens.
struct Jobserver {
    reader: PipeReader,
    writer: PipeWriter,
    tokens: usize,
}

impl Jobserver {
    fn with(tokens: usize) -> Self {
        let (reader, mut writer) = std::io::pipe().expect("there are pipes");
        let bytes: Vec<u8> = (b'a'..).take(tokens).collect();
        writer.write_all(&bytes).expect("there is room");
        Self {
            reader,
            writer,
            tokens,
        }
    }

    /// A command that inherits it.
    fn start(&self, command: &mut Command) -> Child {
        let ends = [self.reader.as_fd(), self.writer.as_fd()];
        for end in ends {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::empty()).expect("it is open");
        }
        let [reader, writer] = ends.map(|end| end.as_raw_fd());
        let jobs = self.tokens + 1;
        let flags = format!(" -j{jobs} --jobserver-auth={reader},{writer} -- X=1");
        let child = command.env("MAKEFLAGS", flags).spawn();
        for end in ends {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).expect("it is open");
        }
        child.expect("it starts")
    }

    /// How many tokens are there at the moment.
    fn left(&self) -> usize {
        let left = rustix::io::ioctl_fionread(&self.reader).expect("it is a pipe");
        usize::try_from(left).expect("they are few")
    }

    /// All of them are back, each as it was, and the pipe blocks as it did.
    fn assert_whole(&self) {
        assert_eq!(self.left(), self.tokens, "some tokens are not back");
        let flags = rustix::fs::fcntl_getfl(&self.reader).expect("it is open");
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "{flags:?}");
        let mut bytes = vec![0; self.tokens];
        (&self.reader)
            .read_exact(&mut bytes)
            .expect("they are there");
        bytes.sort_unstable();
        let expected: Vec<u8> = (b'a'..).take(self.tokens).collect();
        assert_eq!(bytes, expected);
        (&self.writer).write_all(&bytes).expect("there is room");
    }
}

/// Nine tasks that ask, run and check. Each command counts how many there are, and the first ones wait for one another, so that as
/// many as may be are there at once.
fn many(at_once: usize) -> String {
    let mut file = String::from("tasks:\n");
    let names: Vec<String> = (1..=9).map(|number| format!("t{number}")).collect();
    for name in &names {
        file.push_str(&format!(
            "  {name}: {{if: {{sh: ./count}}, vars: {{v: {{sh: './count # {name}'}}}}, run: ['./count {{{{ v }}}}', ./count], verify: {{sh: ./count}}}}\n",
        ));
    }
    file.push_str(&format!("  all: {{depends_on: [{}]}}\n", names.join(", ")));
    file.push_str(&format!(
        "  meet: {{for: {{range: [1, {at_once}], parallel: true}}, run: ./meet}}\n"
    ));
    file
}

const COUNT: &str = "#!/bin/sh
mkdir running/$$
ls running | wc -l >> counts
sleep 0.01
rmdir running/$$
";

fn meet(at_once: usize) -> String {
    format!(
        "#!/bin/sh
touch here.$$
until [ $(ls here.* | wc -l) = {at_once} ]; do sleep 0.01; done
"
    )
}

fn space(at_once: usize) -> Space {
    let space = Space::with(&many(at_once));
    std::fs::create_dir(space.work().join("running")).expect("the folder is ours");
    for (name, text) in [("count", COUNT), ("meet", &meet(at_once))] {
        space.write(name, text);
        let path = space.work().join(name);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("the file is ours");
    }
    space
}

/// No more than this many ran at once.
fn assert_counts(space: &Space, at_most: usize) {
    let counts = space.read("counts").expect("they have counted");
    let counts = counts.lines().map(|line| line.trim().parse::<usize>());
    for count in counts {
        assert!(count.expect("a number") <= at_most, "too many at once");
    }
}

fn assert_good(ended: &Ended) {
    assert_eq!(ended.code, 0, "{}{}", ended.out(), ended.err());
    assert!(!ended.err().contains("jobserver"), "{}", ended.err());
}

#[test]
fn no_more_run_than_there_are_tokens() {
    for tokens in [0, 1, 2, 4] {
        let space = space(tokens + 1);
        let jobserver = Jobserver::with(tokens);
        let ended = space.finish(jobserver.start(&mut space.flow(&["all"])));
        assert_good(&ended);
        assert_counts(&space, tokens + 1);
        jobserver.assert_whole();
        // As many as there may be are there, whatever the number of cores.
        let ended = space.finish(jobserver.start(&mut space.flow(&["meet"])));
        assert_good(&ended);
        jobserver.assert_whole();
        let ended = space.finish(jobserver.start(&mut space.flow(&["-j2", "--force", "all"])));
        assert_good(&ended);
        jobserver.assert_whole();
    }
}

#[test]
fn tokens_that_come_later_are_used() {
    let space = space(3);
    let jobserver = Jobserver::with(2);
    let mut taken = [0; 2];
    (&jobserver.reader)
        .read_exact(&mut taken)
        .expect("they are there");
    let flow = jobserver.start(&mut space.flow(&["meet"]));
    wait_for("the first command", || {
        support::space::files_below(&space.work())
            .iter()
            .any(|file| file.to_string_lossy().starts_with("here."))
    });
    (&jobserver.writer)
        .write_all(&taken)
        .expect("there is room");
    assert_good(&space.finish(flow));
    jobserver.assert_whole();
}

#[test]
fn tokens_are_given_back_whatever_happens() {
    let workflow = "
tasks:
  three: {for: {in: '[1, 2, 3]', parallel: true}, run: 'touch ready.{{ item }}; exec sleep 100'}
  asks: {for: {in: '[1, 2, 3]', parallel: true}, run: [{if: {sh: 'touch ready.{{ item }}; exec sleep 100'}, run: echo}]}
  waits: {run: [{parallel: [true, true, true]}, touch ready.1, touch ready.2, touch ready.3, {wait: 100s}]}
  late: {timeout: 50ms, for: {in: '[1, 2, 3]', parallel: true}, run: exec sleep 100}
  fails: {for: {in: '[1, 2, 3]', parallel: true}, run: exit 3}
";
    let space = Space::with(workflow);
    let jobserver = Jobserver::with(4);
    for args in [&["late"][..], &["fails"], &["--timeout", "50ms", "three"]] {
        let ended = space.finish(jobserver.start(&mut space.flow(args)));
        assert_eq!(ended.code, 1, "{args:?}: {}", ended.err());
        jobserver.assert_whole();
    }
    for task in ["three", "asks", "waits"] {
        for number in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
            let ready = ["ready.1", "ready.2", "ready.3"];
            let flow = jobserver.start(&mut space.flow(&[task]));
            for file in ready {
                wait_for(file, || space.has(file));
            }
            // What waits for a time needs no token for that.
            let used = if task == "waits" { 0 } else { 2 };
            wait_for("its tokens", || jobserver.left() == 4 - used);
            signal(i32::try_from(flow.id()).expect("it is small"), number);
            let ended = space.finish(flow);
            assert_eq!(ended.code, 128 + number.as_raw(), "{}", ended.err());
            jobserver.assert_whole();
            for file in ready {
                std::fs::remove_file(space.work().join(file)).expect("it is there");
            }
        }
    }
    space.assert_nobody_left();
}

#[test]
fn commands_get_it_too() {
    let workflow = r#"
tasks:
  t: |
    auth=${MAKEFLAGS#*auth=}
    auth=${auth%% *}
    ls -l /proc/self/fd/${auth%,*} /proc/self/fd/${auth#*,} > links
"#;
    let space = Space::with(workflow);
    let jobserver = Jobserver::with(1);
    let ended = space.finish(jobserver.start(&mut space.flow(&["t"])));
    assert_good(&ended);
    let links = space.read("links").expect("both are open");
    assert_eq!(links.matches("pipe:").count(), 2, "{links}");
    jobserver.assert_whole();
}

#[test]
fn a_named_pipe_is_one_too() {
    let space = space(3);
    let path = space.work().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
        .expect("it can be made");
    let mut make = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .expect("it is there");
    make.write_all(b"++").expect("there is room");
    for task in ["all", "meet"] {
        let mut flow = space.flow(&[task]);
        let flags = format!(" -j3 --jobserver-auth=fifo:{}", path.display());
        let flow = flow.env("MAKEFLAGS", flags).spawn().expect("flow starts");
        assert_good(&space.finish(flow));
    }
    assert_counts(&space, 3);
    let left = rustix::io::ioctl_fionread(&make).expect("it is a pipe");
    assert_eq!(left, 2, "all tokens are back");
}

#[test]
fn what_is_broken_breaks_no_run() {
    let space = Space::with("tasks: {t: {run: [{parallel: [echo a, echo b]}]}}\n");
    let warns = [
        " -j4 --jobserver-auth=97,98",
        " -j4 --jobserver-auth=-2,-2",
        " -j4 --jobserver-auth=0,1",
        " -j4 --jobserver-fds=1,2",
        " -j4 --jobserver-auth=fifo:/nowhere",
        " -j4 --jobserver-auth=fifo:/dev/zero",
    ];
    let silent = [
        "",
        "k",
        " -j4",
        "--jobserver-auth=",
        "--jobserver-auth=x",
        "-- --jobserver-auth=97,98",
    ];
    for flags in warns.iter().chain(&silent) {
        let flow = space.flow(&["t"]).env("MAKEFLAGS", flags).spawn();
        let ended = space.finish(flow.expect("flow starts"));
        assert_eq!(ended.code, 0, "{flags:?}: {}", ended.err());
        let warned = ended.err().contains("jobserver unavailable: using -j1");
        assert_eq!(warned, warns.contains(flags), "{flags:?}: {}", ended.err());
    }
}

#[test]
fn under_make_itself() {
    let makefile = "
with: ; +@flow all
without: ; @flow all
nested: ; +@flow nested
a b c: ; @sleep 0.01
";
    let space = space(3);
    space.write("Makefile", makefile);
    let file = space.read("Workflowfile.yml").expect("it is there");
    let nested = "  nested: {for: {in: '[1, 2, 3, 4]', parallel: true}, run: make a b c}\n";
    space.write("Workflowfile.yml", &format!("{file}{nested}"));
    let make = |target: &str| {
        let mut make = space.command("make");
        make.args(["-j3", target]);
        space.finish(make.spawn().expect("there is make"))
    };
    let probe = space.command("make").arg("--version").status();
    if !probe.is_ok_and(|status| status.success()) {
        support::skipped("flow under make, because there is none");
        return;
    }
    for target in ["with", "nested"] {
        let ended = make(target);
        assert_eq!(ended.code, 0, "{}{}", ended.out(), ended.err());
        // make counts its tokens at its end.
        assert!(!ended.err().contains("jobserver"), "{}", ended.err());
    }
    assert_counts(&space, 3);
    let ended = make("without");
    assert_eq!(ended.code, 0, "{}{}", ended.out(), ended.err());
}
