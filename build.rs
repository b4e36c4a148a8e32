//! Links the unwinder into the binary where that is possible, which starts it about a tenth faster, and tells builds apart whose
//! models differ.
//!
//! Rust's standard library takes its unwinder from `libgcc_s.so`, whose constructor asks the processor for its features; on a
//! virtual machine each of these questions leaves the guest (measured: 0.2 ms of a start of 2 ms). The same unwinder comes
//! with every gcc as `libgcc_eh.a`. Where it isn't found, nothing changes.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=FLOW_MODEL={:016x}", model());
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let native = std::env::var("HOST") == std::env::var("TARGET");
    if target("OS") == "linux"
        && target("ENV") == "gnu"
        && native
        && let Some(folder) = unwinder()
    {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static:+whole-archive,-bundle=gcc_eh");
    }
}

/// A number for the shape of the model, so that one that an earlier build has kept is not taken for one of this build.
fn model() -> u64 {
    let folder = Path::new("src/model/language");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    let texts = files.iter().filter_map(|file| std::fs::read(file).ok());
    // FNV-1a: `DefaultHasher` may differ from one Rust to the next.
    texts.flatten().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The folder of the C compiler's own `libgcc_eh.a`.
fn unwinder() -> Option<PathBuf> {
    let output = Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (path.is_absolute() && path.is_file()).then(|| path.parent().map(Path::to_owned))?
}
