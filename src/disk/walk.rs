//! From an open folder to what is below it, through no link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

/// How a folder is opened that is only gone through.
#[cfg(target_os = "linux")]
pub(super) const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::PATH);
#[cfg(not(target_os = "linux"))]
pub(super) const FOLDER: OFlags = OFlags::DIRECTORY;

/// Folders in folders are removed to this depth.
const DEPTH_MAX: usize = 64;

/// The system has no openat2(2), or forbids it.
static IS_OLD: AtomicBool = AtomicBool::new(cfg!(not(target_os = "linux")));

/// Opens what is at a path below a folder.
pub(super) fn open(root: &OwnedFd, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    #[cfg(target_os = "linux")]
    if !IS_OLD.load(Ordering::Relaxed) {
        use rustix::fs::ResolveFlags;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // A file that is not made has no mode to be given (EINVAL).
        let mode = if flags.contains(OFlags::CREATE) {
            mode
        } else {
            Mode::empty()
        };
        match rustix::fs::openat2(root, path, flags, mode, resolve) {
            Err(Errno::NOSYS | Errno::PERM) => IS_OLD.store(true, Ordering::Relaxed),
            // A name in it was changed at that moment.
            Err(Errno::AGAIN) => {}
            opened => return opened,
        }
    }
    by_parts(root, path, flags, mode)
}

/// The same, a name at a time.
fn by_parts(root: &OwnedFd, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut at: Option<OwnedFd> = None;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        let above = at.as_ref().unwrap_or(root);
        let flags = FOLDER | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = rustix::fs::openat(above, part, flags, Mode::empty());
        at = Some(next.map_err(|error| behind(above, part, error))?);
    }
    let above = at.as_ref().unwrap_or(root);
    rustix::fs::openat(above, name, flags, mode).map_err(|error| behind(above, name, error))
}

/// Of a link that should be a folder the system says only that it is none.
fn behind(folder: &OwnedFd, name: &str, error: Errno) -> Errno {
    let is_link = || {
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    };
    if error == Errno::NOTDIR && is_link() {
        Errno::LOOP
    } else {
        error
    }
}

/// A folder below a folder.
pub(super) fn folder(root: &OwnedFd, path: &str) -> Result<OwnedFd> {
    open(root, path, FOLDER, Mode::empty())
}

/// A folder below a folder, or another handle of that itself.
pub(super) fn folder_or_root(root: &OwnedFd, path: &str) -> Result<OwnedFd> {
    match path {
        "" => rustix::io::fcntl_dupfd_cloexec(root, 0),
        path => folder(root, path),
    }
}

/// The names in a folder; such as are not UTF-8 are none of flow's.
pub(super) fn names(folder: &OwnedFd) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        if let Ok(name) = entry?.file_name().to_str()
            && !matches!(name, "." | "..")
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Removes what has a name in a folder, with all that is in it; a link is removed and not followed.
pub(super) fn remove(folder: BorrowedFd<'_>, name: &str) -> Result<()> {
    removed(folder, name.as_bytes(), DEPTH_MAX)
}

fn removed(folder: BorrowedFd<'_>, name: &[u8], depth: usize) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let own = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(own) => own,
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return rustix::fs::unlinkat(folder, name, AtFlags::empty());
        }
        Err(error) => return Err(error),
    };
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Errno::NAMETOOLONG);
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(&own)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_owned());
        }
    }
    for name in names {
        match removed(own.as_fd(), &name, depth) {
            // Somebody else was faster.
            Err(Errno::NOENT) => {}
            removed => removed?,
        }
    }
    rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}
