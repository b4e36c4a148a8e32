//! Disks of the tests' own, in a namespace of their own: full ones, read-only ones.

use super::{Ended, Space, skipped};

/// Runs a script that may mount what it likes; `None`, said aloud, where the system lets nobody do that.
pub fn mounted(space: &Space, script: &str) -> Option<Ended> {
    let inside = ["--user", "--map-root-user", "--mount"];
    let mut probe = space.command("unshare");
    probe
        .args(inside)
        .args(["sh", "-c", "mkdir -p probe && mount -t tmpfs none probe"]);
    if !probe.status().is_ok_and(|status| status.success()) {
        skipped("a full or a read-only disk, because this system lets nobody mount one");
        return None;
    }
    let mut command = space.command("unshare");
    command.args(inside).args(["sh", "-c", script]);
    command.env("FLOW", env!("CARGO_BIN_EXE_flow"));
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    Some(space.finish(command.spawn().expect("there is unshare")))
}
