//! What becomes of signals: how flow was started to take them, and how what it starts takes them.
//!
//! Ignored and blocked signals are inherited over `exec` (POSIX, 2.14 and `exec`), so whoever starts flow decides for it without
//! meaning to: with SIGCHLD ignored no end of a command can be seen, with SIGTERM blocked nobody can end it.

use std::io;
use std::sync::OnceLock;

/// Signals that whoever starts a program may want it not to be ended by: `nohup` ignores the first, a shell without job control
/// the others for what runs in the background.
const MAY_BE_IGNORED: [i32; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT];

/// Sets what flow itself relies on, however it was started: nothing is blocked, ends of children are told, and it can be asked to end.
///
/// To be called once, before there is a second thread: the mask is that of a thread.
#[expect(unsafe_code, reason = "no safe interface sets the mask of signals")]
pub fn set() {
    // SAFETY: the set is initialised before it is read, and both calls only change what this process does with signals; no handler
    // of ours is there yet.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        for signal in [libc::SIGCHLD, libc::SIGTERM] {
            if is_ignored(signal) {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        // A file that may not grow any more is an error of the write then, which is said; setrlimit(2).
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Whether a signal is ignored.
#[expect(
    unsafe_code,
    reason = "no safe interface asks for a signal's disposition without changing it"
)]
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: a null `act` makes sigaction(2) only write the current action to `old`, which is a valid, zeroed struct.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0
            && old.sa_sigaction == libc::SIG_IGN
    }
}

/// The signals that a command begins with as by default: all but those that flow was started to ignore, as by `nohup`.
#[expect(unsafe_code, reason = "sets of signals have no safe interface")]
pub(super) fn of_commands() -> io::Result<libc::sigset_t> {
    // Asked once, before anything of ours is caught for long: what is ignored then stays so.
    static IGNORED: OnceLock<Vec<i32>> = OnceLock::new();
    let ignored = IGNORED.get_or_init(|| {
        let all = MAY_BE_IGNORED.into_iter();
        all.filter(|signal| is_ignored(*signal)).collect()
    });
    // SAFETY: the set is initialised by sigfillset before it is changed and copied.
    unsafe {
        let mut set = std::mem::zeroed();
        if libc::sigfillset(&raw mut set) != 0 {
            return Err(io::Error::last_os_error());
        }
        for signal in ignored {
            libc::sigdelset(&raw mut set, *signal);
        }
        Ok(set)
    }
}

/// No signal at all, as a mask.
#[expect(unsafe_code, reason = "sets of signals have no safe interface")]
pub(super) fn none() -> libc::sigset_t {
    // SAFETY: the set is initialised by sigemptyset.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        set
    }
}
