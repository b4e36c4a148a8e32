//! A folder of our own among the temporary ones, for a run that keeps no record. It goes with the run.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder that nobody else may look into.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// For a run; its id makes the name.
    pub fn new(run: &str) -> io::Result<Self> {
        let base = std::env::temp_dir();
        let process = std::process::id();
        let mut last = None;
        for number in 0..100 {
            let path = base.join(format!("flow-{run}-{process}-{number}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed is the system's to remove, as all in that folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
