//! A helper that outlives flow: it ends what a run has started when flow is gone without having ended it.
//!
//! No program can do anything about SIGKILL, so this one is another. It waits at a pipe that only flow writes to. flow tells it of
//! each process that it starts, and that all is well at the end; when the pipe closes without that, the helper looks for what is
//! left. It is flow itself, started under another name, and costs a run a few milliseconds and a megabyte: so only runs that have
//! to be safe have one.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::remains::Started;
use crate::core::fact::Process;
use crate::model::id::RunId;

/// The name under which flow is started as a helper.
pub const NAME: &str = "flow-keeper";

/// The last line that it is told.
const ALL_IS_WELL: &str = "all is well\n";

/// The helper of a run, as flow has it.
#[derive(Debug)]
pub struct Keeper(Child);

impl Keeper {
    /// Starts the helper of a run; `logs` is where the output of the project's runs is, `program` is flow.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub fn start(program: &Path, run: &RunId, logs: &Path) -> std::io::Result<Self> {
        let child = Command::new(program)
            .arg0(NAME)
            .arg(run.as_str())
            .arg(logs)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    /// Tells it of a process. One that is gone can't be told.
    pub fn tell(&mut self, process: &Process) {
        let line = serde_json::to_string(process).unwrap_or_default();
        self.say(&format!("{line}\n"));
    }

    fn say(&mut self, line: &str) {
        if let Some(pipe) = &mut self.0.stdin {
            let _ = pipe.write_all(line.as_bytes());
        }
    }

    /// Lets it go: what is left from now on, flow ends itself.
    pub fn dismiss(mut self) {
        self.say(ALL_IS_WELL);
        drop(self.0.stdin.take());
        // Who has reaped it with the orphans has done the same.
        let _ = self.0.wait();
    }
}

/// What the helper has been told when flow is gone.
#[derive(Debug)]
pub struct Left {
    /// The run.
    pub run: RunId,
    /// Where the output of the project's runs is.
    pub logs: PathBuf,
    /// The processes that were started in it.
    pub started: Started,
}

/// Whether flow was started as a helper, by its arguments: then with which run and folder.
pub fn is_called(args: &[OsString]) -> Option<(RunId, PathBuf)> {
    match args {
        [name, run, logs] if name == NAME => Some((RunId::parse(run.to_str()?)?, logs.into())),
        _ => None,
    }
}

/// Waits until flow is gone; nothing when all is well. What asks a run to end is for flow, and not for its helper.
pub fn wait(run: RunId, logs: PathBuf, from: impl Read) -> Option<Left> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        // Where it can't be caught the helper ends with flow.
        let _ = signal_hook::flag::register(signal, std::sync::Arc::default());
    }
    let (mut processes, mut line) = (Vec::new(), String::new());
    let mut from = BufReader::new(from);
    while let Ok(1..) = from.read_line(&mut line) {
        if line == ALL_IS_WELL {
            return None;
        }
        processes.extend(serde_json::from_str::<Process>(&line).ok());
        line.clear();
    }
    let dir = logs.ancestors().nth(2).unwrap_or(&logs).to_owned();
    let started = Started { dir, processes };
    Some(Left { run, logs, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(text: &str) -> Option<Vec<i32>> {
        let run = RunId::parse("0abc").expect("an id");
        let left = wait(run, PathBuf::new(), text.as_bytes())?;
        Some(
            left.started
                .processes
                .iter()
                .map(|process| process.pid)
                .collect(),
        )
    }

    #[test]
    fn it_knows_what_was_started_unless_all_is_well() {
        let line = |pid| {
            format!("{{\"pid\":{pid},\"session\":1,\"flow\":2,\"alive_ms\":5,\"boot\":\"b\"}}\n")
        };
        let lines = [line(7), line(8)].concat();
        assert_eq!(waited(&lines), Some(vec![7, 8]));
        assert_eq!(waited(&format!("{lines}{ALL_IS_WELL}")), None);
        // flow died in the midst of a line.
        assert_eq!(waited(&format!("{lines}{{\"pid\":9")), Some(vec![7, 8]));
        assert_eq!(waited(""), Some(Vec::new()));
    }
}
