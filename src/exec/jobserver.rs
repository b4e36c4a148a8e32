//! make's jobserver: several programs that together run no more commands at a time than one of them was told to.
//!
//! A program that make calls has the right to run one command. For each further one it takes a token, a byte, from a pipe that
//! make names in `MAKEFLAGS`, and gives the same byte back when the command has ended (GNU make's manual, "POSIX Jobserver
//! Interaction"). flow is a client: it takes part in a jobserver that it is given, and hands it on to its commands.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many commands may run at the same time where only the tokens say it.
const JOBS_MAX: usize = 512;

/// The variables that name a jobserver: that of make, and the one in which cargo passes its own on.
const VARIABLES: [&str; 2] = ["MAKEFLAGS", "CARGO_MAKEFLAGS"];

/// What there is of a jobserver.
#[derive(Debug)]
pub enum Found {
    /// None.
    None,
    /// One that flow takes part in.
    Client(Jobserver),
    /// One was named that can't be reached, as in a rule of make without `+`.
    Unreachable,
}

/// A jobserver that flow takes part in. The tokens that it has are given back when it goes.
#[derive(Debug)]
pub struct Jobserver {
    /// Opened anew: what flow sets on it (that it does not block) does not hold for make.
    reader: Arc<File>,
    writer: File,
    /// The descriptors by which the commands of flow get it; none where it has a name in the file system.
    inherited: Vec<i32>,
    /// Each is given back as it was taken.
    tokens: Vec<u8>,
    jobs: usize,
}

/// Where a jobserver is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Two descriptors, to read and to write.
    Descriptors(i32, i32),
    /// A named pipe (GNU make 4.4).
    Fifo(PathBuf),
}

impl Found {
    /// That of the environment of this process. Before flow opens or closes descriptors of its own for a run.
    pub fn of_this_process() -> Self {
        VARIABLES
            .iter()
            .filter_map(std::env::var_os)
            .find_map(|flags| named(&flags))
            .map_or(Self::None, |(place, jobs)| {
                let jobs = jobs.unwrap_or(JOBS_MAX);
                Jobserver::open(&place, jobs).map_or(Self::Unreachable, Self::Client)
            })
    }
}

/// The jobserver that flags of make name, the last one of several, and how many commands it is for.
fn named(flags: &OsStr) -> Option<(Place, Option<usize>)> {
    let flags = flags.to_str()?;
    // What follows are variables.
    let words = || flags.split(' ').take_while(|word| *word != "--");
    let place = words().filter_map(|word| {
        let place = word
            .strip_prefix("--jobserver-auth=")
            .or_else(|| word.strip_prefix("--jobserver-fds="))?;
        if let Some(path) = place.strip_prefix("fifo:") {
            return Some(Place::Fifo(path.into()));
        }
        let (reader, writer) = place.split_once(',')?;
        Some(Place::Descriptors(
            reader.parse().ok()?,
            writer.parse().ok()?,
        ))
    });
    let jobs = words().filter_map(|word| word.strip_prefix("-j")?.parse().ok());
    Some((place.last()?, jobs.last()))
}

impl Jobserver {
    /// `None` when there is nothing of that kind at this place.
    fn open(place: &Place, jobs: usize) -> Option<Self> {
        let options = |read: bool, write: bool| {
            let mut options = File::options();
            options
                .read(read)
                .write(write)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            options
        };
        let (reader, writer, inherited) = match place {
            Place::Fifo(path) => {
                if !is_fifo(path) {
                    return None;
                }
                // For both, so that it has always somebody who writes.
                let reader = options(true, true).open(path).ok()?;
                let writer = reader.try_clone().ok()?;
                (reader, writer, Vec::new())
            }
            Place::Descriptors(read, write) => {
                let paths = [read, write].map(|fd| PathBuf::from(format!("/proc/self/fd/{fd}")));
                let [from, to] = &paths;
                if !is_open_for(*read, libc::O_RDONLY)
                    || !is_open_for(*write, libc::O_WRONLY)
                    || !is_fifo(from)
                    || identity(from) != identity(to)
                {
                    return None;
                }
                let reader = options(true, false).open(from).ok()?;
                let writer = options(false, true).open(to).ok()?;
                (reader, writer, vec![*read, *write])
            }
        };
        Some(Self {
            reader: Arc::new(reader),
            writer,
            inherited,
            tokens: Vec::new(),
            jobs: jobs.max(1),
        })
    }

    /// How many commands it is for.
    pub const fn jobs(&self) -> usize {
        self.jobs
    }

    /// The descriptors that commands have to inherit.
    pub fn inherited(&self) -> &[i32] {
        &self.inherited
    }

    /// How many commands may run with the tokens that there are: one needs none.
    pub fn may_run(&self) -> usize {
        1 + self.tokens.len()
    }

    /// Can be read from, for a poll, when there may be a token.
    pub fn reader(&self) -> Arc<File> {
        Arc::clone(&self.reader)
    }

    /// Takes a token if there is one at the moment; somebody else may have been faster.
    pub fn take(&mut self) -> bool {
        let mut token = [0];
        let taken = matches!((&*self.reader).read(&mut token), Ok(1));
        if taken {
            self.tokens.extend(token);
        }
        taken
    }

    /// Gives back what so many commands do not need.
    pub fn keep_for(&mut self, commands: usize) {
        while self.may_run() > commands.max(1) {
            if let Some(token) = self.tokens.pop() {
                // A jobserver that is gone wants nothing back.
                let _ = self.writer.write(&[token]);
            }
        }
    }
}

impl Drop for Jobserver {
    fn drop(&mut self) {
        self.keep_for(1);
    }
}

fn is_fifo(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Whether a descriptor is one that flow was started with (those of its own are closed on exec) and that is open in this way.
fn is_open_for(fd: i32, mode: i32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| {
        let access = flags & libc::O_ACCMODE;
        flags & libc::O_CLOEXEC == 0 && (access == mode || access == libc::O_RDWR)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(flags: &str) -> Option<(Place, Option<usize>)> {
        named(OsStr::new(flags))
    }

    #[test]
    fn the_flags_of_make_name_it() {
        let pipe = Place::Descriptors(3, 4);
        for (flags, expected) in [
            (" -j4 --jobserver-auth=3,4", Some((pipe.clone(), Some(4)))),
            (
                "kw -j8 --jobserver-fds=3,4 -- X=1",
                Some((pipe.clone(), Some(8))),
            ),
            (
                "-j --jobserver-fds=9,9 --jobserver-auth=3,4",
                Some((pipe, None)),
            ),
            (
                " -j2 --jobserver-auth=fifo:/tmp/GMfifo7",
                Some((Place::Fifo("/tmp/GMfifo7".into()), Some(2))),
            ),
            ("", None),
            ("-j4", None),
            ("--jobserver-auth=", None),
            ("--jobserver-auth=x,y", None),
            ("--jobserver-auth=3", None),
            ("k -- --jobserver-auth=3,4", None),
            ("X=--jobserver-auth=3,4", None),
        ] {
            assert_eq!(of(flags), expected, "{flags:?}");
        }
    }

    #[test]
    fn what_is_no_jobserver_is_not_taken_for_one() {
        for place in [
            Place::Descriptors(-2, -2),
            Place::Descriptors(0, 1_000_000),
            Place::Fifo("/nowhere/at/all".into()),
            Place::Fifo("/dev/null".into()),
            Place::Fifo("/".into()),
        ] {
            assert!(Jobserver::open(&place, 4).is_none(), "{place:?}");
        }
        // A pipe of our own is not one that we were given.
        let (reader, writer) = std::io::pipe().expect("there are pipes");
        use std::os::fd::AsRawFd;
        let own = Place::Descriptors(reader.as_raw_fd(), writer.as_raw_fd());
        assert!(Jobserver::open(&own, 4).is_none());
    }

    #[test]
    fn tokens_are_given_back_as_they_were() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("it can be made");
        let mut make = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .expect("it is there");
        make.write_all(b"ab").expect("it has room");
        let mut jobserver = Jobserver::open(&Place::Fifo(path), 3).expect("it is one");
        assert_eq!(jobserver.may_run(), 1);
        assert!(jobserver.take() && jobserver.take() && !jobserver.take());
        assert_eq!(jobserver.may_run(), 3);
        jobserver.keep_for(2);
        assert_eq!(jobserver.may_run(), 2);
        drop(jobserver);
        let mut back = [0; 2];
        make.read_exact(&mut back).expect("both are back");
        back.sort_unstable();
        assert_eq!(&back, b"ab");
    }
}
