//! Where the figures come from: they mean little without the machine, its load and the file system of the record.

use std::fs;
use std::io;
use std::path::Path;
use std::thread::available_parallelism;

/// The circumstances of a measurement.
pub(crate) struct Machine {
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The processor's name for itself.
    pub(crate) cpu: String,
    /// How many threads may run at once.
    pub(crate) cpus: usize,
    /// The load of the last minute, before the first round.
    pub(crate) load: String,
    /// The file system that the work, and flow's record, is on.
    pub(crate) file_system: &'static str,
}

/// Looks at the machine; what the system does not tell stays `unknown`.
pub(crate) fn look(folder: &Path) -> io::Result<Machine> {
    let unknown = || "unknown".to_owned();
    Ok(Machine {
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
        cpu: read("/proc/cpuinfo")
            .and_then(|text| model_name(&text))
            .unwrap_or_else(unknown),
        cpus: available_parallelism()?.get(),
        load: read("/proc/loadavg")
            .and_then(|text| Some(text.split(' ').next()?.to_owned()))
            .unwrap_or_else(unknown),
        file_system: file_system(folder)?,
    })
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn model_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The names of the file systems that matter here, by the magic numbers of `statfs(2)`.
fn file_system(folder: &Path) -> io::Result<&'static str> {
    Ok(match rustix::fs::statfs(folder)?.f_type {
        0xEF53 => "ext4",
        0x0102_1994 => "tmpfs",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x794C_7630 => "overlayfs",
        0x2FC1_2FC1 => "zfs",
        _ => "another file system",
    })
}
