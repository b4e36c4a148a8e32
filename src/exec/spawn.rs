//! Starting a program: the call to `posix_spawn(3)`.
//!
//! `std::process::Command` makes the same call. It copies the whole environment into a map and back for each start that adds a
//! variable, and opens `/dev/null` again, which is a twentieth of the time of a short command (docs/decisions/0003). Here the
//! environment is laid out once and what a command adds is laid over it.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use rustix::process::Pid;

use super::dispositions;

/// What every command is started with: the inherited environment, and an empty stdin.
#[derive(Clone, Debug)]
pub struct Start {
    /// `NAME=value`, as a C program gets it, with the length of the name.
    inherited: Arc<[(usize, CString)]>,
    nothing: Option<Arc<File>>,
}

/// The streams of a program.
#[derive(Clone, Copy, Debug)]
pub struct Streams<'a> {
    /// Its stdin; `None` for an empty one.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Its stdout.
    pub stdout: BorrowedFd<'a>,
    /// Its stderr.
    pub stderr: BorrowedFd<'a>,
}

impl Start {
    /// With these inherited variables.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let entry = |(name, value): (OsString, OsString)| {
            let mut text = name.into_vec();
            let length = text.len();
            text.push(b'=');
            text.extend(value.into_vec());
            Some((length, CString::new(text).ok()?))
        };
        Self {
            inherited: variables.into_iter().filter_map(entry).collect(),
            nothing: None,
        }
    }

    /// Starts a program as the leader of a process group of its own.
    ///
    /// `program` is a path, `args` begins with the name that it is told, `env` wins over what is inherited, of which it
    /// does not get `without`, `dir` is where it runs if that is not here. All descriptors but its streams have to be closed on exec.
    pub fn spawn(
        &mut self,
        program: &CStr,
        args: &[CString],
        (env, without): (&[(String, Vec<u8>)], &[&str]),
        dir: Option<&CStr>,
        streams: Streams<'_>,
    ) -> io::Result<Pid> {
        let stdin = match streams.stdin {
            Some(stdin) => stdin.as_raw_fd(),
            None => self.nothing()?.as_raw_fd(),
        };
        let own = own_entries(env)?;
        let own_names = env.iter().map(|(name, _)| name.as_bytes());
        let hidden = without.iter().map(|name| name.as_bytes());
        let names: HashSet<&[u8]> = own_names.chain(hidden).collect();
        let kept = self
            .inherited
            .iter()
            .filter(|(length, entry)| !names.contains(&entry.as_bytes()[..*length]));
        let environment: Vec<&CStr> = kept
            .chain(&own)
            .map(|(_, entry)| entry.as_c_str())
            .collect();
        let args: Vec<&CStr> = args.iter().map(CString::as_c_str).collect();
        call(
            program,
            &args,
            &environment,
            dir,
            [
                stdin,
                streams.stdout.as_raw_fd(),
                streams.stderr.as_raw_fd(),
            ],
        )
    }

    fn nothing(&mut self) -> io::Result<&File> {
        if self.nothing.is_none() {
            self.nothing = Some(Arc::new(File::open("/dev/null")?));
        }
        Ok(self.nothing.as_deref().expect("it was just opened"))
    }
}

/// Of a name that is set twice the last value counts.
fn own_entries(env: &[(String, Vec<u8>)]) -> io::Result<Vec<(usize, CString)>> {
    let last: HashMap<&str, usize> = env
        .iter()
        .enumerate()
        .map(|(place, (name, _))| (name.as_str(), place))
        .collect();
    let kept = env
        .iter()
        .enumerate()
        .filter(|(place, (name, _))| last.get(name.as_str()) == Some(place));
    let entry = |name: &str, value: &[u8]| c_string([name.as_bytes(), b"=", value].concat());
    kept.map(|(_, (name, value))| Ok((name.len(), entry(name, value)?)))
        .collect()
}

/// Text for a C program; a NUL in it is an error.
pub fn c_string(text: impl Into<Vec<u8>>) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it has a NUL byte"))
}

#[expect(
    unsafe_code,
    reason = "posix_spawn(3) has no safe interface that takes an environment as it is"
)]
fn call(
    program: &CStr,
    args: &[&CStr],
    environment: &[&CStr],
    dir: Option<&CStr>,
    streams: [i32; 3],
) -> io::Result<Pid> {
    let pointers = |list: &[&CStr]| -> Vec<*mut libc::c_char> {
        let list = list.iter().map(|text| text.as_ptr().cast_mut());
        list.chain(std::iter::once(std::ptr::null_mut())).collect()
    };
    let (args, environment) = (pointers(args), pointers(environment));
    let mut pid = 0;
    // SAFETY: `actions` and `attributes` are initialised before they are used and destroyed once, also when a call in between
    // fails. All pointers are to C strings and null-terminated lists that live until after the call, which only reads them.
    let result = unsafe {
        let mut actions = std::mem::zeroed();
        let mut attributes = std::mem::zeroed();
        check(libc::posix_spawn_file_actions_init(&raw mut actions))?;
        if let Err(error) = check(libc::posix_spawnattr_init(&raw mut attributes)) {
            libc::posix_spawn_file_actions_destroy(&raw mut actions);
            return Err(error);
        }
        let result = prepare(&mut actions, &mut attributes, dir, streams).and_then(|()| {
            let (program, args, environment) =
                (program.as_ptr(), args.as_ptr(), environment.as_ptr());
            check(libc::posix_spawn(
                &raw mut pid,
                program,
                &raw const actions,
                &raw const attributes,
                args,
                environment,
            ))
        });
        libc::posix_spawnattr_destroy(&raw mut attributes);
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        result
    };
    result?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("the system gave no process id"))
}

/// The streams, the folder, a process group of its own, and signals as programs expect them: Rust's runtime ignores SIGPIPE in flow.
#[expect(unsafe_code, reason = "part of the call above")]
fn prepare(
    actions: &mut libc::posix_spawn_file_actions_t,
    attributes: &mut libc::posix_spawnattr_t,
    dir: Option<&CStr>,
    streams: [i32; 3],
) -> io::Result<()> {
    let signals = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
    let flags = libc::POSIX_SPAWN_SETPGROUP | signals;
    let (default, mask) = (dispositions::of_commands()?, dispositions::none());
    let flags = libc::c_short::try_from(flags).expect("the flags of posix_spawn fit its type");
    // SAFETY: both structs were initialised by their init functions; `dir` and the sets of signals are copied.
    unsafe {
        if let Some(dir) = dir {
            check(libc::posix_spawn_file_actions_addchdir_np(
                actions,
                dir.as_ptr(),
            ))?;
        }
        for (stream, fd) in (0..).zip(streams) {
            check(libc::posix_spawn_file_actions_adddup2(actions, fd, stream))?;
        }
        check(libc::posix_spawnattr_setsigdefault(
            attributes,
            &raw const default,
        ))?;
        check(libc::posix_spawnattr_setsigmask(
            attributes,
            &raw const mask,
        ))?;
        check(libc::posix_spawnattr_setpgroup(attributes, 0))?;
        check(libc::posix_spawnattr_setflags(attributes, flags))
    }
}

/// These functions return the number of an error instead of setting it.
fn check(error: i32) -> io::Result<()> {
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}
