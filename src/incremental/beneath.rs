//! Writing below a folder and nowhere else, whatever a path says and whatever links lie on its way.
//!
//! Every folder on the way is opened by itself, without following links (`openat(2)`, O_NOFOLLOW). What is written is a draft
//! beside its place until all of it is there, so that either all files are replaced or none is.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags};
use sha2::{Digest as _, Sha256};

/// Whether a path names something below the folder that it is relative to, without any detour.
pub(super) fn is_inside(path: &str) -> bool {
    let parts = || Path::new(path).components();
    let own = [".git", ".flow"];
    !path.is_empty()
        && !path.contains('\0')
        && parts().all(|part| matches!(part, Component::Normal(_)))
        && parts()
            .next()
            .is_some_and(|first| !own.iter().any(|own| first.as_os_str() == *own))
        && parts()
            .map(|part| part.as_os_str().len() + 1)
            .sum::<usize>()
            == path.len() + 1
}

/// Files that are written and not in their places yet. Those that are not kept are removed.
#[derive(Debug)]
pub(super) struct Drafts {
    root: OwnedFd,
    written: Vec<Draft>,
}

#[derive(Debug)]
struct Draft {
    folder: OwnedFd,
    draft: String,
    name: String,
}

impl Drafts {
    /// Below this folder.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self {
            root: rustix::fs::open(root, flags, Mode::empty())?,
            written: Vec::new(),
        })
    }

    /// Drafts a file with a content; returns the SHA-256 of what was written.
    pub(super) fn file(&mut self, path: &str, content: &File, mode: u32) -> io::Result<[u8; 32]> {
        let (folder, name) = self.place(path)?;
        let draft = draft_name();
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, &draft, flags, Mode::from_raw_mode(0o600))?;
        self.written.push(Draft {
            folder,
            draft,
            name,
        });
        let mut file = File::from(file);
        let sha = copy(content, &mut file)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o777))?;
        Ok(sha)
    }

    /// Drafts a link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        let draft = draft_name();
        rustix::fs::symlinkat(target, &folder, &draft)?;
        self.written.push(Draft {
            folder,
            draft,
            name,
        });
        Ok(())
    }

    /// Puts all of them in their places.
    pub(super) fn keep(mut self) -> io::Result<()> {
        for draft in std::mem::take(&mut self.written) {
            rustix::fs::renameat(&draft.folder, &draft.draft, &draft.folder, &draft.name)?;
        }
        Ok(())
    }

    /// The folder of a path, made where it is not there, and the last name of the path.
    fn place(&self, path: &str) -> io::Result<(OwnedFd, String)> {
        place(&self.root, path)
    }
}

/// Sees to it that a folder below `root` is there, with these permissions.
pub(super) fn make_folder(root: &Path, path: &str, mode: u32) -> io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    // What is in it does not matter: the folder of anything in it is this one.
    let (folder, _) = place(&root, &format!("{path}/x"))?;
    Ok(rustix::fs::fchmod(
        &folder,
        Mode::from_raw_mode(mode & 0o777),
    )?)
}

/// The folder of a path below `root`, made where it is not there, and the last name of the path.
fn place(root: &OwnedFd, path: &str) -> io::Result<(OwnedFd, String)> {
    if !is_inside(path) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut at = root.try_clone()?;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |at: &OwnedFd| rustix::fs::openat(at, part, flags, Mode::empty());
        at = match open(&at) {
            Err(rustix::io::Errno::NOENT) => {
                match rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                open(&at)?
            }
            opened => opened?,
        };
    }
    Ok((at, name.to_owned()))
}

impl Drop for Drafts {
    fn drop(&mut self) {
        for draft in &self.written {
            // It may not have come to be.
            let _ = rustix::fs::unlinkat(&draft.folder, &draft.draft, AtFlags::empty());
        }
    }
}

/// A name that no other draft has.
fn draft_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".flow-{}-{number}.draft", std::process::id())
}

/// Copies a content, sharing its blocks where the file system can (`ioctl_ficlone(2)`); returns the SHA-256 of the copy.
pub(super) fn copy(from: &File, to: &mut File) -> io::Result<[u8; 32]> {
    use std::io::Seek;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    #[cfg(target_os = "linux")]
    let cloned = rustix::fs::ioctl_ficlone(&*to, from).is_ok();
    #[cfg(not(target_os = "linux"))]
    let cloned = false;
    let mut source: &File = if cloned { &to.try_clone()? } else { from };
    source.rewind()?;
    loop {
        match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                if !cloned {
                    to.write_all(&buffer[..count])?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_folder() {
        for path in [
            "",
            "/etc/x",
            "../x",
            "a/../x",
            "./a",
            "a//b",
            "a/",
            "a/./b",
            ".git/hooks/x",
            ".flow/x",
            "a\0b",
            ".",
        ] {
            assert!(!is_inside(path), "{path}");
        }
        let outer = tempfile::tempdir().expect("a folder");
        let root = outer.path().join("project");
        std::fs::create_dir_all(root.join("real")).expect("it is ours");
        std::os::unix::fs::symlink("..", root.join("up")).expect("it is ours");
        std::os::unix::fs::symlink("../victim", root.join("real/file")).expect("it is ours");
        std::fs::write(outer.path().join("victim"), "whole").expect("it is ours");
        std::fs::write(outer.path().join("content"), "new").expect("it is ours");
        let content = File::open(outer.path().join("content")).expect("it is there");
        let mut drafts = Drafts::new(&root).expect("it is there");
        assert!(
            drafts.file("up/x", &content, 0o644).is_err(),
            "no link is followed on the way"
        );
        drafts
            .file("real/file", &content, 0o755)
            .expect("it is written");
        drafts
            .file("made/deep/file", &content, 0o644)
            .expect("it is written");
        drafts.keep().expect("they get their places");
        let read = |path: &Path| std::fs::read_to_string(path).expect("it is there");
        assert_eq!(
            read(&outer.path().join("victim")),
            "whole",
            "a link is replaced, not written through"
        );
        assert_eq!(read(&root.join("real/file")), "new");
        assert_eq!(read(&root.join("made/deep/file")), "new");
        assert!(!outer.path().join("x").exists());
        let mut drafts = Drafts::new(&root).expect("it is there");
        drafts
            .file("made/other", &content, 0o644)
            .expect("it is written");
        drop(drafts);
        let left = std::fs::read_dir(root.join("made"))
            .expect("it is there")
            .count();
        assert_eq!(left, 1, "what is not kept leaves nothing behind");
    }
}
