//! A shell with job control at a pseudo-terminal, at which the test types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{Space, wait_for};

/// A shell at a terminal of its own.
pub struct Terminal {
    /// The folder of the shell.
    pub space: Space,
    shell: Child,
    master: File,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Runs this script, with job control, in a folder with this Workflowfile.
    pub fn run(workflow: &str, script: &str) -> Self {
        let space = Space::with(workflow);
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let name = name.into_string().expect("it is ASCII");
        let open = || {
            let file = File::options().read(true).write(true).open(&name);
            Stdio::from(OwnedFd::from(file.expect("the terminal is there")))
        };
        let mut command = space.command("sh");
        command.args(["-m", "-c", script]).env("TERM", "dumb");
        command.stdin(open()).stdout(open()).stderr(open());
        lead_session(&mut command);
        let shell = command.spawn().expect("there is a shell");
        drop(command);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let master = File::from(master);
        let reader = {
            let (shown, mut master) = (Arc::clone(&shown), master.try_clone().expect("a copy"));
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                // The last one who closes its end of a terminal makes reading from the other an error.
                while let Ok(count @ 1..) = master.read(&mut buffer) {
                    let mut shown = shown.lock().expect("no panic");
                    shown.extend_from_slice(&buffer[..count]);
                }
            })
        };
        Self {
            space,
            shell,
            master,
            shown,
            reader: Some(reader),
        }
    }

    /// All that was shown so far, a terminal's line ends as plain ones.
    pub fn text(&self) -> String {
        let shown = self.shown.lock().expect("no panic");
        String::from_utf8_lossy(&shown).replace('\r', "")
    }

    /// Waits until this was shown.
    pub fn wait_for(&self, what: &str) {
        wait_for(&format!("{what:?} at the terminal"), || {
            self.text().contains(what)
        });
    }

    /// Waits until this file is there.
    pub fn wait_for_file(&self, name: &str) {
        wait_for(&format!("the file {name}"), || self.space.has(name));
    }

    /// Types.
    pub fn type_in(&mut self, keys: &str) {
        self.master
            .write_all(keys.as_bytes())
            .expect("the terminal is there");
    }

    /// Waits for the end of the script; returns all that was shown.
    pub fn end(mut self) -> String {
        wait_for("the end of the script", || {
            self.shell.try_wait().expect("it is our child").is_some()
        });
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no panic");
        }
        self.space.assert_nobody_left();
        self.text()
    }
}

/// The shell gets a session of its own with its stdin as the terminal, as from a terminal window.
#[expect(unsafe_code, reason = "there is no safe way to act in a forked child")]
fn lead_session(command: &mut std::process::Command) {
    command.process_group(0);
    // SAFETY: both calls are plain system calls, which are allowed between fork and exec. A group's leader can't lead a new
    // session, so the child leaves its group first.
    unsafe {
        command.pre_exec(|| {
            let parent = rustix::process::getpgid(rustix::process::getppid())?;
            rustix::process::setpgid(None, Some(parent))?;
            rustix::process::setsid()?;
            Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
        });
    }
}
