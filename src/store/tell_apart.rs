//! The key by which secrets are told apart in records: two runs that were given the same one show the same hash, and nobody
//! without the key can try values out.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::rand::{GetRandomFlags, getrandom};

use super::files::Files;
use super::{Error, Kind};
use crate::model::hex;

/// The name of the file in the folder of the store: 64 hexadecimal digits.
const FILE: &str = "secrets.key";

/// How much of a hash is shown, in bytes: enough to tell, too little to be taken for something else.
const SHOWN_BYTES: usize = 8;

/// A key of one project, or of one run that has no project.
#[derive(Clone, Copy)]
pub struct TellApart([u8; 32]);

impl TellApart {
    /// The key of a store; it is made when it is first asked for, once, however many ask at the same time.
    ///
    /// # Errors
    ///
    /// When it can't be read or made, or is none.
    pub fn of(store: &Files) -> Result<Self, Error> {
        let path = store.root().join(FILE);
        if let Some(key) = read(&path)? {
            return Ok(key);
        }
        store.make_folders()?;
        let made = make(&path).map_err(|error| Error::io("make a key", &path, error))?;
        // Somebody may have been faster; theirs counts.
        Ok(read(&path)?.unwrap_or(made))
    }

    /// One that serves no other run.
    ///
    /// # Errors
    ///
    /// When the system has no random bytes.
    pub fn for_once() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        Ok(Self(bytes))
    }

    /// What is recorded of a secret: 16 hexadecimal digits of BLAKE3 with this key.
    pub fn hash(&self, secret: &[u8]) -> String {
        let hash = blake3::keyed_hash(&self.0, secret);
        hex::encode(&hash.as_bytes()[..SHOWN_BYTES])
    }
}

impl std::fmt::Debug for TellApart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TellApart")
    }
}

fn read(path: &Path) -> Result<Option<TellApart>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read a key", path, error)),
    };
    match hex::decode_exactly(text.trim()) {
        Some(bytes) => Ok(Some(TellApart(bytes))),
        None => Err(Error {
            path: Some(path.to_owned()),
            ..Error::new(
                Kind::Damaged,
                "use this key, which is not 64 hexadecimal digits: remove it, and a new one is made",
            )
        }),
    }
}

/// Puts a new key where none is: whole, or not at all.
fn make(path: &Path) -> io::Result<TellApart> {
    let key = TellApart::for_once()?;
    let draft = draft(path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(format!("{}\n", hex::encode(&key.0)).as_bytes())?;
            file.sync_all()
        });
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    // It is there under its own name now, or of no use.
    let _ = fs::remove_file(&draft);
    linked.map(|()| key)
}

/// A name that nobody else uses at the same time.
fn draft(path: &Path) -> PathBuf {
    path.with_extension(format!("key.{}", std::process::id()))
}
