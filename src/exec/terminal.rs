//! The controlling terminal, and the one command that it is lent to.
//!
//! Each command runs in a process group of its own, and a terminal is for one group at a time: what others read from it stops
//! them (`termios(3)`, SIGTTIN). So a command that is to have the terminal gets it with its group, and flow takes it back when
//! the command has ended, with the modes that it had before, or when it is suspended. Whoever was stopped because it wants the
//! terminal, as for a password, gets it in the same way.

use std::cell::OnceCell;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

use super::family::own_group;

/// Flow's controlling terminal, if there is one.
#[derive(Debug, Default)]
pub struct Terminal {
    /// Opened when it is first wanted.
    device: OnceCell<Option<File>>,
    lent: Option<Lent>,
}

#[derive(Debug)]
struct Lent {
    group: Pid,
    /// How the terminal was set before.
    modes: Option<Termios>,
}

impl Terminal {
    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.device().is_some()
    }

    /// Lends it to a group, if there is one that is flow's to lend: in the background it is not. Says whether it did.
    pub fn lend(&mut self, group: Pid) -> bool {
        let Some(device) = self.device() else {
            return false;
        };
        let ours = tcgetpgrp(device).is_ok_and(|group| Some(group) == own_group());
        let modes = tcgetattr(device).ok();
        if self.lent.is_some() || !ours || give(device, group).is_err() {
            return false;
        }
        self.lent = Some(Lent { group, modes });
        true
    }

    /// Takes it back from whoever it is lent to.
    pub fn take_back(&mut self) {
        if let (Some(lent), Some(device)) = (self.lent.take(), self.device()) {
            // The terminal may be gone, and then there is nothing to take back.
            let _ = own_group().map(|group| give(device, group));
            if let Some(modes) = lent.modes {
                let _ = tcsetattr(device, OptionalActions::Drain, &modes);
            }
        }
    }

    /// Whether a group has it.
    pub fn is_lent_to(&self, group: Pid) -> bool {
        self.lent.as_ref().is_some_and(|lent| lent.group == group)
    }

    /// Whether somebody has it whom flow did not lend it to: flow is in the background.
    pub fn is_elsewhere(&self) -> bool {
        let others = |device| tcgetpgrp(device).is_ok_and(|group| Some(group) != own_group());
        self.lent.is_none() && self.device().is_some_and(others)
    }

    fn device(&self) -> Option<&File> {
        let open = || {
            let mut options = File::options();
            options.read(true).write(true).custom_flags(libc::O_NOCTTY);
            options.open("/dev/tty").ok()
        };
        self.device.get_or_init(open).as_ref()
    }
}

fn give(device: &File, group: Pid) -> rustix::io::Result<()> {
    with_sigttou_blocked(|| tcsetpgrp(device, group))
}

/// Whatever becomes of flow, its shell finds the terminal as it was.
impl Drop for Terminal {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// By which signal a child has been stopped since this was last asked.
pub fn was_stopped(child: Pid) -> Option<Signal> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::Pid(child), options).ok().flatten()?;
    Signal::from_named_raw(status.stopping_signal()?)
}

/// Stops all of flow's own process group, as Ctrl-Z does; flow itself gets the signal too.
pub fn suspend_own_group() {
    if let Some(group) = own_group() {
        suspend(group);
    }
}

/// Suspends a group.
pub fn suspend(group: Pid) {
    // A group that is gone needs no signal.
    let _ = kill_process_group(group, Signal::TSTP);
}

/// Lets a group go on.
pub fn resume(group: Pid) {
    let _ = kill_process_group(group, Signal::CONT);
}

/// Who changes the group of a terminal from the background is stopped for it, unless that signal is blocked (`tcsetpgrp(3)`).
#[expect(
    unsafe_code,
    reason = "there is no safe interface to the signal mask of a thread"
)]
fn with_sigttou_blocked<T>(act: impl FnOnce() -> T) -> T {
    // SAFETY: the sets are initialised by sigemptyset and by pthread_sigmask, which only change this thread's mask; it is set
    // back as it was after `act`, whose panic would end the process.
    unsafe {
        let mut blocked = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigemptyset(&raw mut blocked);
        libc::sigaddset(&raw mut blocked, libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, &raw mut before);
        let result = act();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        result
    }
}
