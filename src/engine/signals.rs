//! The descriptors that flow was started with, and how it is suspended.

/// From now on the descriptors that flow was started with, but for the first three and these, don't reach what it starts.
#[expect(
    unsafe_code,
    reason = "there is no safe interface to descriptors that nobody here owns"
)]
pub fn keep_descriptors(but: &[i32]) {
    const CLOSE_ON_EXEC: libc::c_uint = 4;
    // SAFETY: close_range(2) with CLOSE_RANGE_CLOEXEC takes three numbers and only sets a flag on open descriptors; called
    // by number because older C libraries have no function for it. Older kernels refuse, and all stays as it was. F_SETFD
    // takes two numbers and fails for what is no open descriptor.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3 as libc::c_uint,
            libc::c_uint::MAX,
            CLOSE_ON_EXEC,
        );
        for descriptor in but {
            libc::fcntl(*descriptor, libc::F_SETFD, 0);
        }
    }
}

/// Suspends this process as Ctrl-Z does; returns when it goes on. In a group that nobody could let go on (`setpgid(2)`,
/// orphaned) it returns at once.
#[expect(
    unsafe_code,
    reason = "no safe interface sets a signal back to what it does by itself for a moment"
)]
pub fn suspend() {
    // SAFETY: both structs are valid; the action is set back as it was, and raise(3) is for this thread, so the signal has
    // come before it returns.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        if libc::sigaction(libc::SIGTSTP, &raw const default, &raw mut before) == 0 {
            libc::raise(libc::SIGTSTP);
            libc::sigaction(libc::SIGTSTP, &raw const before, std::ptr::null_mut());
        }
    }
}
