//! Whose state it is: what lies beside a Workflowfile may have come with it, from somebody else.
//!
//! The folder with flow's state is believed when it belongs to the user, nobody else may write to it, and it carries a mark
//! that is also noted in the user's own folder (`~/.local/state/flow/marks`), as git has it with `safe.directory`. A folder that was
//! copied from elsewhere has a mark that nobody has noted, or one that was noted for another place. Where there is no home,
//! a key in a file (`FLOW_STATE_KEY`) takes its place: the mark then follows from the key.
//!
//! What the user's cache holds carries a seal made with a key that lies in the user's own folder.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::Mode;
use rustix::rand::{GetRandomFlags, getrandom};

use super::{Folder, How, draft_name, key, layout, read_regular};
use crate::model::hex;

/// The user: where flow keeps what belongs to a person and not to a project.
#[derive(Debug, Default)]
pub struct User {
    folder: Option<Folder>,
    /// A key that was named instead.
    key_file: Option<PathBuf>,
    /// The user for whom root does this, if it is that.
    behind: Option<u32>,
    key: OnceLock<Option<Key>>,
}

/// Whether a state may be believed.
#[derive(Debug)]
pub enum Standing {
    /// The user's own.
    Ours,
    /// There is none yet.
    Absent,
    /// Somebody else's, or it can't be told.
    Foreign(Why),
}

/// Why a state is not believed.
#[derive(Debug)]
pub enum Why {
    /// There is no folder that could be opened.
    Unreadable(io::Error),
    /// It belongs to the user with this number.
    Of(u32),
    /// Others may write to it.
    Open,
    /// It has no mark.
    Unmarked,
    /// Its mark is not known here.
    Unknown,
    /// It is a copy of the one at this path.
    Copy(PathBuf),
    /// There is no place where a mark could have been noted.
    Nowhere,
}

/// A key that never leaves the machine.
#[derive(Clone, Copy)]
pub struct Key([u8; 32]);

/// The name of the user's key.
const KEY: &str = "key";
/// The folder of the marks that were noted.
const MARKS: &str = "marks";
/// The folder for the work in projects whose state is not believed.
const PROJECTS: &str = "projects";
/// How long a mark is, in bytes.
const MARK_BYTES: usize = 16;
/// No file of this module is larger, in bytes.
const SMALL: u64 = 16 * 1024;
/// When there are more marks than this, those of folders that are gone are removed.
const MARKS_MAX: usize = 4096;
/// A file that somebody else is just writing is waited for so often, a millisecond each.
const LOOKS_MAX: u32 = 100;

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The seal of these bytes, for this purpose.
    pub fn seal(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        let own = blake3::keyed_hash(&self.0, purpose.as_bytes());
        *blake3::keyed_hash(own.as_bytes(), bytes).as_bytes()
    }

    /// Whether this is their seal; the time that it takes tells nothing.
    pub fn is_seal(&self, purpose: &str, bytes: &[u8], seal: &[u8; 32]) -> bool {
        blake3::Hash::from(self.seal(purpose, bytes)) == blake3::Hash::from(*seal)
    }
}

impl User {
    /// With this folder of their own, if they have one, and this file with a key, if they have named one.
    pub fn new(folder: Option<PathBuf>, key_file: Option<PathBuf>) -> Self {
        Self {
            folder: folder.map(Folder::from),
            key_file,
            behind: None,
            key: OnceLock::new(),
        }
    }

    /// The same for root, who does this for the user with this number (`SUDO_UID` of sudo(8)): what belongs to that one is not
    /// foreign.
    #[must_use]
    pub fn behind(self, uid: Option<u32>) -> Self {
        let is_root = rustix::process::geteuid().is_root();
        Self {
            behind: uid.filter(|_| is_root),
            ..self
        }
    }

    /// Whether this number is theirs.
    fn is(&self, uid: u32) -> bool {
        uid == rustix::process::geteuid().as_raw() || Some(uid) == self.behind
    }

    /// The key, made when it is first asked for; `None` where it can't be had.
    pub fn key(&self) -> Option<Key> {
        *self.key.get_or_init(|| {
            if self.key_file.is_some() {
                return self.named_key().ok().flatten();
            }
            let folder = self.folder.as_ref()?;
            let key = key::read_or_make(folder, KEY);
            folder.let_go();
            key.ok().flatten().map(Key)
        })
    }

    /// Whether the file with the key that was named, if one was, has a key.
    ///
    /// # Errors
    ///
    /// Why it has none.
    pub fn check(&self) -> io::Result<()> {
        self.named_key().map(drop)
    }

    /// The key in the file that was named.
    fn named_key(&self) -> io::Result<Option<Key>> {
        let Some(path) = &self.key_file else {
            return Ok(None);
        };
        let bytes = read_regular(path, SMALL)?;
        if bytes.trim_ascii().len() < MARK_BYTES {
            return Err(io::Error::other(format!(
                "it is too short to be a key: {MARK_BYTES} bytes at least, such as those of `openssl rand -hex 32`"
            )));
        }
        let key = blake3::derive_key("flow 2026-11 FLOW_STATE_KEY", bytes.trim_ascii());
        Ok(Some(Key(key)))
    }

    /// Where work is done in a project whose state is not believed.
    pub fn elsewhere(&self, state: &Path) -> Option<Folder> {
        let hash = blake3::hash(state.as_os_str().as_encoded_bytes()).to_hex();
        Some(self.folder.as_ref()?.below(PROJECTS).below(&hash[..32]))
    }

    /// A mark for a state at this path, noted; `None` where there is no place for it.
    fn mark(&self, state: &Path) -> Option<String> {
        if self.key_file.is_some() {
            return Some(self.key()?.mark());
        }
        let mut bytes = [0; MARK_BYTES];
        getrandom(&mut bytes, GetRandomFlags::empty()).ok()?;
        let mark = hex::encode(&bytes);
        self.note(&mark, state).ok()?;
        Some(mark)
    }

    fn note(&self, mark: &str, state: &Path) -> io::Result<()> {
        let folder = self.folder.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let marks = folder.below(MARKS);
        marks.make()?;
        make_room(&marks);
        marks.replace(mark, state.as_os_str().as_encoded_bytes())
    }

    /// The place that a mark was noted for.
    fn noted(&self, mark: &str) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let folder = self.folder.as_ref()?.below(MARKS);
        let path = folder.read(mark, SMALL);
        folder.let_go();
        let path = path.ok()?;
        Some(std::ffi::OsString::from_vec(path).into())
    }
}

impl Key {
    fn mark(&self) -> String {
        hex::encode(&self.seal("mark", b"")[..MARK_BYTES])
    }
}

/// Whether a state may be believed.
pub fn standing(state: &Folder, user: &User) -> Standing {
    let stat = match state.stat() {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Standing::Absent,
        Err(error) => return Standing::Foreign(Why::Unreadable(error)),
    };
    if !user.is(stat.st_uid) {
        return Standing::Foreign(Why::Of(stat.st_uid));
    }
    let is_empty = || state.names().is_ok_and(|names| names.is_empty());
    if is_open(&stat) && !(is_empty() && close(state, &stat).is_ok()) {
        return Standing::Foreign(Why::Open);
    }
    let first = mark_of(state);
    // Nothing is in it that anybody could believe: it was made for flow, as a volume is.
    if first.is_none() && is_empty() {
        return match set_mark(state, user) {
            Some(_) => Standing::Ours,
            None => Standing::Foreign(Why::Nowhere),
        };
    }
    // Somebody else may just have done so: the mark is the first thing that comes into it.
    let mark = match first.or_else(|| mark_of(state)) {
        Some(mark) => mark,
        None if user.folder.is_none() && user.key_file.is_none() => {
            return Standing::Foreign(Why::Nowhere);
        }
        None => return Standing::Foreign(Why::Unmarked),
    };
    if user.key_file.is_some() {
        let own = user.key().map(|key| key.mark());
        return if own.as_ref() == Some(&mark) {
            Standing::Ours
        } else {
            Standing::Foreign(Why::Unknown)
        };
    }
    let Some(noted) = user.noted(&mark) else {
        return Standing::Foreign(match user.folder {
            Some(_) => Why::Unknown,
            None => Why::Nowhere,
        });
    };
    if noted == state.path() {
        return Standing::Ours;
    }
    // It was moved, or is reached by another way, unless another one with this mark is where it was.
    let other = Folder::from(noted.clone());
    let is_it = other
        .stat()
        .is_ok_and(|other| (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino));
    if is_it {
        return Standing::Ours;
    }
    if mark_of(&other).as_ref() == Some(&mark) {
        return Standing::Foreign(Why::Copy(noted));
    }
    // Where it can't be noted, it is asked the next time.
    let _ = user.note(&mark, state.path());
    Standing::Ours
}

/// Whether a folder belongs to the user and nobody else may write to it; one that is not there is nobody's.
pub fn is_private(folder: &Folder) -> bool {
    match folder.stat() {
        Ok(stat) => stat.st_uid == rustix::process::geteuid().as_raw() && !is_open(&stat),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Makes a state the user's own from now on.
///
/// # Errors
///
/// When it belongs to somebody else, or the mark can't be written.
pub fn adopt(state: &Folder, user: &User) -> io::Result<()> {
    let stat = state.stat()?;
    if !user.is(stat.st_uid) {
        let what = format!("it belongs to the user with the number {}", stat.st_uid);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    close(state, &stat)?;
    // The mark stays for those who know it; a copy gets one of its own.
    if let Some(mark) = mark_of(state).filter(|_| user.key_file.is_none())
        && user.noted(&mark).is_none()
        && user.note(&mark, state.path()).is_ok()
    {
        return Ok(());
    }
    let mark = user.mark(state.path()).ok_or_else(|| {
        io::Error::other(
            "there is no folder of yours to note it in: HOME is not set, or can't be written",
        )
    })?;
    state.replace(layout::MARK, format!("{mark}\n").as_bytes())
}

/// The right of others than the owner to write.
const OTHERS_WRITE: Mode = Mode::WGRP.union(Mode::WOTH);

/// Whether others than its owner may write to it.
fn is_open(stat: &rustix::fs::Stat) -> bool {
    Mode::from_raw_mode(stat.st_mode).intersects(OTHERS_WRITE)
}

/// Keeps all others from writing to a folder.
fn close(state: &Folder, stat: &rustix::fs::Stat) -> io::Result<()> {
    if !is_open(stat) {
        return Ok(());
    }
    let closed = Mode::from_raw_mode(stat.st_mode) - OTHERS_WRITE;
    Ok(rustix::fs::chmod(state.path(), closed)?)
}

/// Makes the folder of a state with its mark in it: nobody ever finds it without.
pub(super) fn make(path: &Path, user: &User) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(draft_name());
    let draft = PathBuf::from(draft);
    let made = fs::DirBuilder::new().mode(0o700).create(&draft);
    made.and_then(|()| {
        let folder = Folder::from(draft.clone());
        if let Some(mark) = user.mark(path) {
            folder.replace(layout::MARK, format!("{mark}\n").as_bytes())?;
        }
        match fs::rename(&draft, path) {
            // Somebody else was faster.
            Err(_) if path.is_dir() => Ok(()),
            renamed => renamed,
        }
    })
    .inspect_err(|_| discard(&draft))?;
    discard(&draft);
    Ok(())
}

/// Removes a draft that is not in its place, if there is one.
fn discard(draft: &Path) {
    let _ = fs::remove_file(draft.join(layout::MARK));
    let _ = fs::remove_dir(draft);
}

/// The mark of a state; `None` when it has none.
fn mark_of(state: &Folder) -> Option<String> {
    for _ in 0..LOOKS_MAX {
        let text = state.read_text(layout::MARK, SMALL).ok()?;
        let mark = text.trim_end();
        if hex::decode_exactly::<MARK_BYTES>(mark).is_some() {
            return Some(mark.to_ascii_lowercase());
        }
        if !text.is_empty() {
            return None;
        }
        // It is being written.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    None
}

/// Gives an empty folder a mark, or finds the one that somebody else has just given it.
fn set_mark(state: &Folder, user: &User) -> Option<String> {
    let mark = user.mark(state.path())?;
    match state.open(layout::MARK, How::New) {
        Ok(mut file) => {
            io::Write::write_all(&mut file, format!("{mark}\n").as_bytes()).ok()?;
            Some(mark)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            mark_of(state).filter(|mark| user.noted(mark).is_some() || user.key_file.is_some())
        }
        Err(_) => None,
    }
}

/// Removes the marks of folders that are gone, when there are very many.
fn make_room(marks: &Folder) {
    use std::os::unix::ffi::OsStrExt;
    let Ok(names) = marks.names() else { return };
    if names.len() < MARKS_MAX {
        return;
    }
    for name in names {
        let path = marks.read(&name, SMALL).unwrap_or_default();
        let path = Path::new(std::ffi::OsStr::from_bytes(&path));
        if !path.exists() {
            // Somebody else may have removed it.
            let _ = marks.remove(&name);
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "it can't be used: {error}"),
            Self::Of(uid) => write!(f, "it belongs to the user with the number {uid}"),
            Self::Open => write!(f, "others than its owner may write to it"),
            Self::Unmarked => write!(f, "it was not made by flow on this machine"),
            Self::Unknown => write!(f, "it was not made by you on this machine"),
            Self::Copy(of) => write!(f, "it is a copy of {}", of.display()),
            Self::Nowhere => write!(
                f,
                "flow can't tell that it is yours, because you have no home where it could have noted it"
            ),
        }
    }
}
