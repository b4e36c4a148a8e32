//! What is said of things that do not belong where they are.

use std::io;

use rustix::fs::FileType;
use rustix::io::Errno;

/// Something that is no file is where one belongs.
pub(super) fn odd(kind: FileType) -> io::Error {
    if kind == FileType::Symlink {
        return link();
    }
    io::Error::other(format!(
        "it is {} where flow has a file: remove it",
        name(kind)
    ))
}

/// A person has named something that is no file.
pub(super) fn no_file(kind: FileType) -> io::Error {
    io::Error::other(format!("it is {} and no file", name(kind)))
}

const fn name(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    }
}

/// What the system says, where flow knows better what it means.
pub(super) fn told(error: Errno) -> io::Error {
    match error {
        Errno::LOOP => link(),
        Errno::NXIO => odd(FileType::Fifo),
        Errno::ISDIR => odd(FileType::Directory),
        _ => error.into(),
    }
}

fn link() -> io::Error {
    io::Error::other("it is a link, and flow follows none among its own files: remove it")
}

pub(super) fn too_large(size: u64, max: u64) -> io::Error {
    io::Error::other(format!(
        "it has {size} bytes, and flow never makes it larger than {max}: remove it"
    ))
}
