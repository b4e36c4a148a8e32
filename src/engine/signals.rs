//! How flow was started to treat signals.

/// Whether a signal is ignored, as `nohup` does with SIGHUP and a script's shell with SIGINT of background jobs.
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
