//! Commands whose output is a value: `sh` vars, secrets from a command, git.
//!
//! Unlike the commands of steps they have no log and no pseudo-terminal, and whoever asks waits. They run in groups of their
//! own, so that Ctrl-C at a terminal doesn't end them behind flow's back.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use super::family;
use super::shell::SHELL;

/// The longest output that is taken as a value, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// How much of what a failed command said on stderr is told, in characters.
const STDERR_CHARS_MAX: usize = 500;

/// The commands that run at the moment.
#[derive(Debug, Default)]
pub struct Helpers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Vec<Pid>,
    stopped: bool,
}

impl Helpers {
    /// What a script for `sh -e` prints, without the newlines at its end; else why there is nothing, as a part of a sentence.
    pub fn output(
        &self,
        script: &str,
        dir: &Path,
        env: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Vec<u8>, String> {
        self.run(script, dir, env, read)
    }

    /// Whether a script for `sh -e` succeeds; else why it could not be run.
    pub fn succeeds(
        &self,
        script: &str,
        dir: &Path,
        env: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<bool, String> {
        self.run(script, dir, env, ended)
    }

    fn run<T>(
        &self,
        script: &str,
        dir: &Path,
        env: impl IntoIterator<Item = (String, Vec<u8>)>,
        follow: impl FnOnce(&duct::ReaderHandle) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut command = duct::cmd(SHELL, ["-e", "-c", script])
            .dir(dir)
            .stdin_null()
            .stderr_capture()
            .unchecked()
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            });
        for (name, value) in env {
            command = command.env(name, OsString::from_vec(value));
        }
        // Whoever stops all waits for the lock, so nothing starts behind its back.
        let reader = {
            let mut state = self.state();
            if state.stopped {
                return Err("it was stopped".to_owned());
            }
            let mut others = family::others();
            let reader = command
                .reader()
                .map_err(|error| format!("it could not be started: {error}"))?;
            others.extend(group(&reader));
            state.running.extend(group(&reader));
            reader
        };
        let result = follow(&reader);
        let leader = group(&reader);
        self.state().running.retain(|pid| Some(*pid) != leader);
        drop(reader);
        family::others().retain(|pid| Some(*pid) != leader);
        result
    }

    /// Ends all of them, and starts no more.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        for pid in &state.running {
            // One that has ended needs no signal.
            let _ = kill_process_group(*pid, Signal::KILL);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn group(reader: &duct::ReaderHandle) -> Option<Pid> {
    let pid = reader.pids().first().copied()?;
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn read(reader: &duct::ReaderHandle) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut limited = reader.take(OUTPUT_BYTES_MAX as u64 + 1);
    let read = limited.read_to_end(&mut bytes);
    if bytes.len() > OUTPUT_BYTES_MAX {
        if let Some(pid) = group(reader) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        return Err("it printed more than 1 MiB; write it to a file".to_owned());
    }
    read.map_err(|error| format!("its output could not be read: {error}"))?;
    let output = match reader.try_wait() {
        Ok(Some(output)) => output,
        Ok(None) => return Err("it closed its output and went on".to_owned()),
        Err(error) => return Err(format!("its end was not seen: {error}")),
    };
    if !output.status.success() {
        return Err(failed(output));
    }
    while bytes
        .last()
        .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
    {
        bytes.pop();
    }
    if bytes.contains(&0) {
        return Err("it printed a NUL, which no value can hold".to_owned());
    }
    Ok(bytes)
}

/// Whether it succeeded; what it prints is passed over.
fn ended(mut reader: &duct::ReaderHandle) -> Result<bool, String> {
    std::io::copy(&mut reader, &mut std::io::sink())
        .map_err(|error| format!("its output could not be read: {error}"))?;
    match reader.try_wait() {
        Ok(Some(output)) => Ok(output.status.success()),
        Ok(None) => Err("it closed its output and went on".to_owned()),
        Err(error) => Err(format!("its end was not seen: {error}")),
    }
}

fn failed(output: &std::process::Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let words: String = stderr.trim().chars().take(STDERR_CHARS_MAX).collect();
    let how = match output.status.code() {
        Some(code) => format!("it failed with exit code {code}"),
        None => "it was killed".to_owned(),
    };
    if words.is_empty() {
        how
    } else {
        format!("{how}: {words}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(script: &str) -> Result<String, String> {
        let helpers = Helpers::default();
        let env = [("NAME".to_owned(), b"a b".to_vec())];
        let bytes = helpers.output(script, Path::new("/"), env)?;
        Ok(String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn output_is_a_value() {
        assert_eq!(output("echo \"$NAME\"; pwd; echo"), Ok("a b\n/".to_owned()));
    }

    #[test]
    fn a_failure_says_why() {
        let why = output("echo half; echo oh no >&2; exit 3");
        assert_eq!(why, Err("it failed with exit code 3: oh no".to_owned()));
        assert!(
            output("false; echo x").is_err(),
            "sh -e ends at the first failure"
        );
        assert!(output("yes").is_err_and(|why| why.contains("1 MiB")));
    }

    #[test]
    fn a_stop_ends_what_runs_and_starts_nothing() {
        let helpers = std::sync::Arc::new(Helpers::default());
        let (done, ended) = std::sync::mpsc::channel();
        let running = std::sync::Arc::clone(&helpers);
        let thread = std::thread::spawn(move || {
            let _ = done.send(running.output("sleep 1000", Path::new("/"), []));
        });
        while helpers.state().running.is_empty() {
            std::thread::yield_now();
        }
        helpers.stop();
        assert!(ended.recv().expect("it ends").is_err());
        thread.join().expect("no panic");
        assert!(helpers.output("echo", Path::new("/"), []).is_err());
    }
}
