//! One child process: started as the leader of a group of its own, with two pipes and an empty stdin, or with flow's own.
//!
//! It is started without a fork (`spawn`), so a flow with a large heap starts processes as fast as a small one.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use super::Job;
use super::shell::{Programs, SHELL};
use super::spawn::{Streams, c_string};
use crate::core::fact::Exit;
use crate::model::plan::Program;

/// A started child.
#[derive(Debug)]
pub struct Process {
    /// Its process id, which is also that of its group.
    pub pid: Pid,
    /// Can be read from, for a poll, once it has ended.
    pub end: OwnedFd,
    /// The reading ends of its stdout and its stderr, which don't block.
    pub pipes: [Option<PipeReader>; 2],
    /// The writing ends stay open until the process has ended. Otherwise its end would wake the poll twice, when the pipes
    /// close and a moment later when it can be waited for, and waking is what costs most.
    writers: [Option<PipeWriter>; 2],
    /// What its interpreter reads, which has to be there as long as it runs.
    _script: Option<File>,
}

/// What there still is of a process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Some of it lives.
    Alive,
    /// None of it that could be told.
    Gone,
}

impl Process {
    /// Starts the command of a job.
    pub fn start(job: &Job, programs: &mut Programs) -> io::Result<Self> {
        let path = job
            .env
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH")
            .map(|(_, value)| OsStr::from_bytes(value));
        match &job.program {
            Program::Script {
                shell: None,
                text,
                args,
            } => Self::script(text, args, job, path, programs),
            Program::Script {
                shell: Some(shell),
                text,
                args,
            } => {
                let mut words: Vec<Vec<u8>> = shell.split_whitespace().map(Into::into).collect();
                let name = words.first().cloned().unwrap_or_default();
                words.push(how_to_hand_over(shell).into());
                words.push(text.as_bytes().to_vec());
                if !args.is_empty() {
                    // What stands before them is `$0`, as it is without any.
                    words.extend(std::iter::once(&name).chain(args).cloned());
                }
                Self::direct(&words, job, path, programs)
            }
            Program::File(text) => Self::file(text, job, programs),
            Program::Direct(words) => Self::direct(words, job, path, programs),
        }
    }

    /// A script for `sh -e`, started without it where that makes no difference.
    fn script(
        text: &str,
        own: &[Vec<u8>],
        job: &Job,
        path: Option<&OsStr>,
        programs: &mut Programs,
    ) -> io::Result<Self> {
        if own.is_empty()
            && let Some((program, words)) = programs.direct(text, &job.dir, path)
        {
            let program = c_string(program.into_os_string().into_vec())?;
            let args = words
                .into_iter()
                .map(c_string)
                .collect::<io::Result<Vec<_>>>()?;
            match Self::spawn(&program, &args, job, programs) {
                Err(error) if is_for_the_shell(&error) => {}
                started => return started,
            }
        }
        let mut args = ["sh", "-e", "-c", text]
            .map(c_string)
            .into_iter()
            .collect::<io::Result<Vec<_>>>()?;
        if !own.is_empty() {
            args.push(c_string("sh")?);
            for arg in own {
                args.push(c_string(arg.clone())?);
            }
        }
        Self::spawn(&c_string(SHELL)?, &args, job, programs)
    }

    /// A script that the system starts as it starts an executable file: in a file without a name.
    fn file(text: &str, job: &Job, programs: &mut Programs) -> io::Result<Self> {
        let mut written = File::from(memfd_create(c"flow-script", MemfdFlags::CLOEXEC)?);
        written.write_all(text.as_bytes())?;
        let path = |file: &File| format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        // Nobody may have it open for writing while it is executed.
        let script = File::open(path(&written))?;
        drop(written);
        let program = c_string(path(&script))?;
        let mut process = Self::spawn(&program, std::slice::from_ref(&program), job, programs)
            .map_err(|error| without_interpreter(text, error))?;
        process._script = Some(script);
        Ok(process)
    }

    /// A program with its arguments, found as `execvp` finds it.
    fn direct(
        words: &[Vec<u8>],
        job: &Job,
        path: Option<&OsStr>,
        programs: &mut Programs,
    ) -> io::Result<Self> {
        let name = OsStr::from_bytes(words.first().map_or(&[][..], Vec::as_slice));
        let program = programs.find(name, &job.dir, path).ok_or_else(|| {
            let what = format!("there is no program {}", name.display());
            io::Error::new(io::ErrorKind::NotFound, what)
        })?;
        let program = c_string(program.into_os_string().into_vec())?;
        let args = words
            .iter()
            .map(|word| c_string(word.clone()))
            .collect::<io::Result<Vec<_>>>()?;
        Self::spawn(&program, &args, job, programs)
    }

    fn spawn(
        program: &CStr,
        args: &[CString],
        job: &Job,
        programs: &mut Programs,
    ) -> io::Result<Self> {
        let own = job.own_streams.unwrap_or_default();
        let (stdout, to_stdout) = pipe_unless(own.stdout)?;
        let (stderr, to_stderr) = pipe_unless(own.stderr)?;
        let dir = (!is_current(&job.dir))
            .then(|| c_string(job.dir.as_os_str().as_bytes()))
            .transpose()?;
        let streams = Streams {
            stdin: (job.stdin || job.own_streams.is_some()).then(rustix::stdio::stdin),
            stdout: to_stdout
                .as_ref()
                .map_or(rustix::stdio::stdout(), AsFd::as_fd),
            stderr: to_stderr
                .as_ref()
                .map_or(rustix::stdio::stderr(), AsFd::as_fd),
        };
        let pid = programs.start.spawn(
            program,
            args,
            (&job.env, job.without),
            dir.as_deref(),
            streams,
        )?;
        let end = pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| {
            // Nobody could tell when it ends, so it must not go on.
            let _ = kill_process_group(pid, Signal::KILL);
        })?;
        Ok(Self {
            pid,
            end,
            pipes: [stdout, stderr],
            writers: [to_stdout, to_stderr],
            _script: None,
        })
    }

    /// Closes our own writing ends: from now on the pipes end when nobody else holds them.
    pub fn close_writers(&mut self) {
        self.writers = [None, None];
    }

    /// How it ended, if it has. It is not to be asked again then.
    pub fn ended(&self) -> Option<Exit> {
        let status = rustix::io::retry_on_intr(|| {
            waitid(
                WaitId::Pid(self.pid),
                WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
            )
        });
        match status {
            Ok(None) => None,
            Ok(Some(status)) => Some(Exit {
                exit_code: status.exit_status(),
                signal: status.terminating_signal(),
                ..Exit::default()
            }),
            Err(error) => Some(Exit {
                error: Some(format!("its end was not seen: {error}")),
                ..Exit::default()
            }),
        }
    }

    /// What there is of its group after the process itself has ended; ends zombies among it.
    ///
    /// Only our own children can be told: with [`super::family::adopt_orphans`] that is all of the group whose parents are gone.
    pub fn group(&self) -> Group {
        loop {
            match waitid(
                WaitId::Pgid(Some(self.pid)),
                WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
            ) {
                Ok(None) => return Group::Alive,
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Group::Gone,
            }
        }
    }
}

/// A pipe whose reading end does not block; none for a stream that is flow's own.
fn pipe_unless(own: bool) -> io::Result<(Option<PipeReader>, Option<PipeWriter>)> {
    if own {
        return Ok((None, None));
    }
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    Ok((Some(reader), Some(writer)))
}

/// Sends a signal to a process group that still has its leader, or members that are our children.
pub fn signal_group(leader: Pid, signal: Signal) {
    // A group that is gone needs no signal, and one that may not be signalled has changed its user on purpose.
    let _ = kill_process_group(leader, signal);
    if signal != Signal::KILL {
        let _ = kill_process_group(leader, Signal::CONT);
    }
}

/// The option by which an interpreter takes a script from the command line.
fn how_to_hand_over(shell: &str) -> &'static str {
    let program = shell.split_whitespace().next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
        "node" | "nodejs" | "bun" | "ruby" | "perl" | "lua" | "Rscript" | "elixir" => "-e",
        "php" => "-r",
        "pwsh" | "powershell" => "-Command",
        "deno" => "eval",
        _ => "-c",
    }
}

/// What is not there is not the script.
fn without_interpreter(text: &str, error: io::Error) -> io::Error {
    let line = text.lines().next().unwrap_or_default();
    let named = line.trim_start_matches("#!").split_whitespace().next();
    match (error.kind(), named) {
        (io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied, Some(name)) => {
            let what = format!("there is no program {name}, which its first line names");
            io::Error::new(error.kind(), what)
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            io::Error::other(
                "its first line names no program; write such as #!/usr/bin/env python3",
            )
        }
        _ => error,
    }
}

/// Errors on which the shell has the better words.
fn is_for_the_shell(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    ) || error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error())
}

/// A job in flow's own folder need not change it.
fn is_current(dir: &Path) -> bool {
    static CURRENT: std::sync::OnceLock<Option<std::path::PathBuf>> = std::sync::OnceLock::new();
    CURRENT
        .get_or_init(|| std::env::current_dir().ok())
        .as_deref()
        == Some(dir)
}
