//! Files of flow's own, reached by handle: the state beside a Workflowfile, and the user's cache.
//!
//! Whoever hands a person a folder with a `.flow` in it decides what lies there. So nothing in it is reached by a path of more
//! than one name, no link is followed (openat2(2): `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS`), a pipe, a device or a folder where a
//! file belongs is an error and nobody waits for it, and what is read whole has a size that it can't exceed.
//! [`trust`] says whether what is found may be believed.
//!
//! A [`Folder`] is opened when it is first needed. One that was removed and made again in the meantime is found again.

pub mod key;
pub mod layout;
mod odd;
pub mod trust;
mod walk;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use self::odd::odd;
use self::trust::User;

/// A folder of flow's own, and the way to what is in it.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<Root>,
    /// From the root on; empty for the root itself.
    within: Arc<str>,
    path: Arc<Path>,
}

/// Where a folder begins: the only one that is reached by a path.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// Whose mark it gets when it is made.
    user: Option<Arc<User>>,
    handle: Mutex<Option<Handle>>,
}

/// An open folder.
#[derive(Clone, Debug)]
struct Handle {
    folder: Arc<OwnedFd>,
    /// Which one it is: device and inode.
    id: (u64, u64),
}

/// What is done with a file that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is read.
    Read,
    /// It is read and written.
    Write,
    /// It is read, and written at its end.
    Append,
    /// It is read and written; made where it is not there.
    Make,
    /// It is written at its end; made where it is not there.
    AppendOrMake,
    /// It is read, and written at its end; it must not be there.
    New,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// In bytes.
    pub size: u64,
    /// Which file it is (the inode).
    pub inode: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: i128,
    /// When it last changed in any way: seconds since 1970, and nanoseconds.
    pub changed: (i64, i64),
    /// It is a file, and no link, folder, pipe or device.
    pub is_file: bool,
}

impl From<PathBuf> for Folder {
    fn from(path: PathBuf) -> Self {
        Self::root(Root {
            path,
            user: None,
            handle: Mutex::default(),
        })
    }
}

impl From<&Path> for Folder {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

impl Folder {
    fn root(root: Root) -> Self {
        Self {
            within: "".into(),
            path: root.path.as_path().into(),
            root: Arc::new(root),
        }
    }

    /// The state of a project: it gets the mark of this user when it is made.
    pub fn of_state(path: PathBuf, user: Arc<User>) -> Self {
        Self::root(Root {
            path,
            user: Some(user),
            handle: Mutex::default(),
        })
    }

    /// A folder in it.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let within = match &*self.within {
            "" => name.to_owned(),
            within => format!("{within}/{name}"),
        };
        Self {
            root: Arc::clone(&self.root),
            path: self.path.join(name).into(),
            within: within.into(),
        }
    }

    /// The folder that it is in, and its name there; `None` for one that is reached by a path.
    pub fn above(&self) -> Option<(Self, &str)> {
        let (within, name) = match self.within.rsplit_once('/') {
            Some((within, name)) => (within, name),
            None if self.within.is_empty() => return None,
            None => ("", &*self.within),
        };
        let above = Self {
            root: Arc::clone(&self.root),
            path: self.path.parent()?.into(),
            within: within.into(),
        };
        Some((above, name))
    }

    /// Its path, for messages and for what people are shown; nothing is opened by it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it, for messages.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Lets the handle go, which is opened again when it is next needed.
    pub fn let_go(&self) {
        *self.root.handle() = None;
    }

    /// Whether it is there and can be reached.
    pub fn exists(&self) -> bool {
        self.stat().is_ok()
    }

    /// Sees to it that it is there, with those that it is in; only its owner may look into what is made.
    ///
    /// # Errors
    ///
    /// When it can't be made, or something else is in its place.
    pub fn make(&self) -> io::Result<()> {
        self.root.make()?;
        let mut made = String::new();
        for part in self.within.split('/').filter(|part| !part.is_empty()) {
            let above = made.clone();
            if !made.is_empty() {
                made.push('/');
            }
            made.push_str(part);
            self.root.at(|root| {
                let made = match &*above {
                    "" => rustix::fs::mkdirat(root, part, Mode::RWXU),
                    above => rustix::fs::mkdirat(walk::folder(root, above)?, part, Mode::RWXU),
                };
                match made {
                    Err(Errno::EXIST) => Ok(()),
                    made => made,
                }
            })?;
        }
        // What was there may be something else.
        self.stat().map(drop)
    }

    /// Opens a file in it.
    ///
    /// # Errors
    ///
    /// When it can't be, and when what has that name is no file.
    pub fn open(&self, name: &str, how: How) -> io::Result<File> {
        let flags = how.flags() | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.opened(name, flags, Mode::RUSR | Mode::WUSR)?);
        if how != How::New {
            let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
            if kind != FileType::RegularFile {
                return Err(odd(kind));
            }
        }
        Ok(file)
    }

    /// The same, with the folder made where it is not there.
    ///
    /// # Errors
    ///
    /// As of [`Self::open`] and [`Self::make`].
    pub fn open_made(&self, name: &str, how: How) -> io::Result<File> {
        match self.open(name, how) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make()?;
                self.open(name, how)
            }
            opened => opened,
        }
    }

    /// Opens a pipe in it, without waiting for anybody at its other end.
    ///
    /// # Errors
    ///
    /// When it can't be opened, and when what has that name is no pipe.
    pub fn open_pipe(&self, name: &str, also_read: bool) -> io::Result<File> {
        let flags = if also_read {
            OFlags::RDWR
        } else {
            OFlags::WRONLY
        };
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.opened(name, flags, Mode::empty())?);
        match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
            FileType::Fifo => Ok(file),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Makes a pipe.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn make_pipe(&self, name: &str) -> io::Result<()> {
        self.change(name, |folder| {
            rustix::fs::mknodat(folder, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        })
    }

    /// All of a file that is at most so large, in bytes.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is larger.
    pub fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        whole(&self.open(name, How::Read)?, max)
    }

    /// The same as text.
    ///
    /// # Errors
    ///
    /// As of [`Self::read`], and when it is not UTF-8.
    pub fn read_text(&self, name: &str, max: u64) -> io::Result<String> {
        let text = String::from_utf8(self.read(name, max)?);
        text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
    }

    /// Replaces a file by one with this in it: there is always the old one or the new one.
    ///
    /// # Errors
    ///
    /// When it can't be written; then it is as it was.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_with(name, |file| file.write_all(bytes))
    }

    /// The same for what is written by a function.
    ///
    /// # Errors
    ///
    /// When it can't be written; then it is as it was.
    pub fn replace_with<T>(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> io::Result<T> {
        let draft = draft_name();
        let mut file = self.open(&draft, How::New)?;
        let written = write(&mut file).and_then(|written| {
            self.rename(&draft, name)?;
            Ok(written)
        });
        if written.is_err() {
            // The error to tell is the first one.
            let _ = self.remove(&draft);
        }
        written
    }

    /// Gives a file another name, in the place of what has that.
    ///
    /// # Errors
    ///
    /// When it can't be.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check(from)?;
        self.change(to, |folder| rustix::fs::renameat(folder, from, folder, to))
    }

    /// Moves what has a name to a folder of the same state, under the same name, where nothing has that.
    ///
    /// # Errors
    ///
    /// When it can't be.
    pub fn move_to(&self, name: &str, other: &Self) -> io::Result<()> {
        check(name)?;
        self.root.at(|root| {
            let (from, to) = (
                walk::folder_or_root(root, &self.within)?,
                walk::folder_or_root(root, &other.within)?,
            );
            match rustix::fs::statat(&to, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => rustix::fs::renameat(&from, name, &to, name),
                Ok(_) => Err(Errno::EXIST),
                Err(error) => Err(error),
            }
        })
    }

    /// Gives a file another name that nothing has.
    ///
    /// # Errors
    ///
    /// When it can't be.
    pub fn link(&self, from: &str, to: &str) -> io::Result<()> {
        check(from)?;
        self.change(to, |folder| {
            rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())
        })
    }

    /// Removes a file, or whatever else has its name but a folder; of a link the link.
    ///
    /// # Errors
    ///
    /// When it can't be removed, or is not there.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.change(name, |folder| {
            rustix::fs::unlinkat(folder, name, AtFlags::empty())
        })
    }

    /// Removes a folder in it with all that is in that; of a link the link.
    ///
    /// # Errors
    ///
    /// When not all of it can be removed.
    pub fn remove_all(&self, name: &str) -> io::Result<()> {
        self.change(name, |folder| walk::remove(folder, name))
    }

    /// What is in it, by name, in no order; nothing where there is no such folder.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let names = self.root.at(|root| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = walk::open(root, self.name_or_dot(), flags, Mode::empty())?;
            walk::names(&folder)
        });
        match names {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names,
        }
    }

    /// What is known of something in it; of a link the link.
    ///
    /// # Errors
    ///
    /// When that can't be told.
    pub fn seen(&self, name: &str) -> io::Result<Seen> {
        check(name)?;
        self.root.at(|root| {
            let stat = if self.within.is_empty() {
                rustix::fs::statat(root, name, AtFlags::SYMLINK_NOFOLLOW)?
            } else {
                let folder = walk::folder(root, &self.within)?;
                rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?
            };
            Ok(Seen::of(&stat))
        })
    }

    /// Marks a file as written at this moment.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it can't be.
    pub fn touch(&self, name: &str) -> io::Result<()> {
        const NOW: rustix::fs::Timespec = rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        let now = rustix::fs::Timestamps {
            last_access: NOW,
            last_modification: NOW,
        };
        self.change(name, |folder| {
            let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(Errno::NOENT);
            }
            rustix::fs::utimensat(folder, name, &now, AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Returns once the names in it are on the disk.
    ///
    /// # Errors
    ///
    /// When they can't be brought there.
    pub fn sync(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = self
            .root
            .at(|root| walk::open(root, self.name_or_dot(), flags, Mode::empty()))?;
        File::from(folder).sync_all()
    }

    /// The same for the name of the state in the folder that it lies in.
    ///
    /// # Errors
    ///
    /// As for [`Self::sync`]. Who may not read that folder has not made anything in it.
    pub fn sync_above(&self) -> io::Result<()> {
        let Some(above) = self.root.path.parent() else {
            return Ok(());
        };
        match File::open(above).and_then(|above| above.sync_all()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        }
    }

    /// What is known of the folder itself.
    pub(crate) fn stat(&self) -> io::Result<rustix::fs::Stat> {
        self.root.at(|root| match &*self.within {
            "" => rustix::fs::fstat(root),
            within => rustix::fs::fstat(walk::folder(root, within)?),
        })
    }

    fn name_or_dot(&self) -> &str {
        if self.within.is_empty() {
            "."
        } else {
            &self.within
        }
    }

    fn opened(&self, name: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        check(name)?;
        let flags = flags | OFlags::CLOEXEC;
        self.root.at(|root| match &*self.within {
            "" => walk::open(root, name, flags, mode),
            within => walk::open(root, &format!("{within}/{name}"), flags, mode),
        })
    }

    fn change(
        &self,
        name: &str,
        act: impl Fn(std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        check(name)?;
        self.root.at(|root| {
            if self.within.is_empty() {
                return act(root.as_fd());
            }
            act(walk::folder(root, &self.within)?.as_fd())
        })
    }
}

impl Root {
    /// Does something with the handle. Where something is missing the folder itself may have been removed and made again.
    fn at<T>(&self, act: impl Fn(&OwnedFd) -> rustix::io::Result<T>) -> io::Result<T> {
        let root = self.opened()?;
        match act(&root.folder) {
            Err(Errno::NOENT) => match self.opened_again(&root) {
                Some(root) => act(&root.folder).map_err(odd::told),
                None => Err(Errno::NOENT.into()),
            },
            done => done.map_err(odd::told),
        }
    }

    fn opened(&self) -> io::Result<Handle> {
        let mut handle = self.handle();
        if let Some(root) = &*handle {
            return Ok(root.clone());
        }
        let root = self.open().map_err(odd::told)?;
        *handle = Some(root.clone());
        Ok(root)
    }

    /// The folder that is at the path now, if that is another one than this.
    fn opened_again(&self, root: &Handle) -> Option<Handle> {
        let now = rustix::fs::statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if (now.st_dev, now.st_ino) == root.id {
            return None;
        }
        let new = self.open().ok()?;
        *self.handle() = Some(new.clone());
        Some(new)
    }

    fn open(&self) -> rustix::io::Result<Handle> {
        let flags = walk::FOLDER | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&self.path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&folder)?;
        Ok(Handle {
            folder: Arc::new(folder),
            id: (stat.st_dev, stat.st_ino),
        })
    }

    fn make(&self) -> io::Result<()> {
        match self.opened() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map(drop),
        }
        match &self.user {
            Some(user) => trust::make(&self.path, user),
            None => private(&self.path),
        }
    }

    fn handle(&self) -> MutexGuard<'_, Option<Handle>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl How {
    fn flags(self) -> OFlags {
        match self {
            Self::Read => OFlags::RDONLY,
            Self::Write => OFlags::RDWR,
            Self::Append => OFlags::RDWR | OFlags::APPEND,
            Self::Make => OFlags::RDWR | OFlags::CREATE,
            Self::AppendOrMake => OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE,
            Self::New => OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL,
        }
    }
}

impl Seen {
    /// How long ago it was written; `None` for one from the future.
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        now.duration_since(self.written_at()?).ok()
    }

    /// When it was last written; `None` for a time before 1970.
    pub fn written_at(&self) -> Option<SystemTime> {
        let nanoseconds = u64::try_from(self.modified).ok()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds))
    }

    fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            inode: stat.st_ino,
            modified: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec as i64),
            is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        }
    }
}

/// All of a file that is at most so large, in bytes.
///
/// # Errors
///
/// When it can't be read, or is larger.
pub fn whole(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let size = check_size(file, max)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(odd::too_large(bytes.len() as u64, max));
    }
    Ok(bytes)
}

/// How large a file is, in bytes, which is to be no more than this.
///
/// # Errors
///
/// When it is more, or can't be told.
pub fn check_size(file: &File, max: u64) -> io::Result<u64> {
    let size = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
    if size > max {
        return Err(odd::too_large(size, max));
    }
    Ok(size)
}

/// All of a file that is not flow's own, such as one with a secret or git's rules: no pipe, at which it would wait for ever, no
/// device, which may have no end, and at most so large, in bytes.
///
/// # Errors
///
/// When it can't be read, is larger, or is no file.
pub fn read_regular(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(odd::no_file(kind));
    }
    whole(&file, max)
}

/// Sees to it that there is a folder at this path, with those that it is in; only its owner may look into what is made.
fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// What is in a folder has one name, which leads nowhere else.
fn check(name: &str) -> io::Result<()> {
    let leads = matches!(name, "" | "." | "..") || name.contains(['/', '\0']);
    if leads {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is no name of a file"),
        ));
    }
    Ok(())
}

/// A name that no other thread or process uses.
pub fn draft_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        ".{}.{}.draft",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
