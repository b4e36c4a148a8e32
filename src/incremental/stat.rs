//! What is known of a file without reading it, and what it holds.
//!
//! A file whose times lie so close to the moment at which it was read that a later change could leave them as they are is
//! read again the next time, as git does it ("racy git" in its documentation).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How far apart two changes of a file may lie with the same times, in nanoseconds: more than a tick of any kernel's clock;
/// and where the file system seems to keep whole seconds.
const TICK_NANOS: i128 = 20_000_000;
const SECOND_NANOS: i128 = 2_500_000_000;

/// What tells whether a file may have changed: device, inode, size and both of its times (`stat(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat([u64; 5]);

/// How long a stat is in a row of the table, in bytes.
pub(super) const STAT_BYTES: usize = 40;

impl Stat {
    #[expect(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "these types differ from system to system"
    )]
    pub(super) fn of(stat: &rustix::fs::Stat) -> Self {
        let nanos = |seconds: i64, nanos: u64| {
            (seconds as u64)
                .wrapping_mul(1_000_000_000)
                .wrapping_add(nanos)
        };
        Self([
            stat.st_dev.into(),
            stat.st_ino.into(),
            stat.st_size as u64,
            nanos(stat.st_mtime.into(), stat.st_mtime_nsec as u64),
            nanos(stat.st_ctime.into(), stat.st_ctime_nsec as u64),
        ])
    }

    /// One that no file has.
    pub(super) const NONE: Self = Self([0; 5]);

    pub(super) fn to_bytes(self) -> [u8; STAT_BYTES] {
        let mut bytes = [0; STAT_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; STAT_BYTES]) -> Self {
        let mut words = [0; 5];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
        Self(words)
    }

    /// Whether the file was changed after this time, in nanoseconds since 1970.
    pub(super) fn is_after(&self, at: i128) -> bool {
        let [.., mtime, ctime] = self.0.map(i128::from);
        mtime.max(ctime) > at
    }

    /// Whether a change after `now` shows in it for sure; nanoseconds since 1970.
    fn is_settled(&self, now: i128) -> bool {
        let [.., mtime, ctime] = self.0.map(i128::from);
        let whole = |nanos: i128| nanos % 1_000_000_000 == 0;
        let apart = if whole(mtime) && whole(ctime) {
            SECOND_NANOS
        } else {
            TICK_NANOS
        };
        now - mtime.max(ctime) > apart
    }
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    /// A pipe, a socket, a device: nothing that has a content.
    Other,
}

/// What a path is and its stat; `None` when nothing is there.
pub(super) fn look(path: &Path) -> Option<(Kind, Stat)> {
    let stat = rustix::fs::lstat(path).ok()?;
    Some((Kind::of(&stat), Stat::of(&stat)))
}

impl Kind {
    pub(super) fn of(stat: &rustix::fs::Stat) -> Self {
        match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::RegularFile => Self::File,
            rustix::fs::FileType::Directory => Self::Folder,
            rustix::fs::FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

/// A content by its hash.
pub(super) type Content = [u8; 32];

/// What a file held, and the stat by which that can be seen to be so still; `Stat::NONE` where it can't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    pub(super) stat: Stat,
    pub(super) content: Content,
}

/// Reads a file that a task makes.
pub(super) fn read_made(path: &Path, now: i128) -> io::Result<Print> {
    let mut print = read(path, now)?;
    if let Ok(file) = fs::metadata(path)
        && file.is_file()
    {
        print.content = as_made(print.content, file.permissions().mode());
    }
    Ok(print)
}

/// The content of a file that a task makes: whether it can be executed is a part of it. Of a source it is not, as a check-out or a
/// copy may change it.
pub(super) fn as_made(content: Content, mode: u32) -> Content {
    if mode & 0o100 == 0 {
        return content;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"executable\0").update(&content);
    *hasher.finalize().as_bytes()
}

/// Reads a file, or what a link says and leads to. `now` is the time before that.
pub(super) fn read(path: &Path, now: i128) -> io::Result<Print> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let (kind, before) = look(path).ok_or_else(gone)?;
    let mut hasher = blake3::Hasher::new();
    if kind == Kind::Link {
        hasher.update(b"link\0");
        hasher.update(fs::read_link(path)?.as_os_str().as_bytes());
        hasher.update(b"\0");
    }
    match File::open(path) {
        Ok(mut file) if file.metadata()?.is_file() => {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => drop(hasher.update(&buffer[..count])),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        // A link to a folder, or to nothing, is what it says.
        Ok(_) if kind == Kind::Link => {}
        // Only of one that is empty it is asked what it holds.
        Ok(_) if kind == Kind::Folder => drop(hasher.update(b"folder\0")),
        Ok(_) => return Err(gone()),
        Err(error) if kind == Kind::Link && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let (_, after) = look(path).ok_or_else(gone)?;
    // What a link leads to may change without it.
    let settled = kind != Kind::Link && before == after && after.is_settled(now);
    Ok(Print {
        stat: if settled { after } else { Stat::NONE },
        content: *hasher.finalize().as_bytes(),
    })
}
