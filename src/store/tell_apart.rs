//! The key by which secrets are told apart in records: two runs that were given the same one show the same hash, and nobody
//! without the key can try values out.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use super::files::{Files, draft_name};
use super::{Error, key_file};
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
    let wrong =
        "use this key, which is not 64 hexadecimal digits: remove it, and a new one is made";
    let bytes = key_file::read(path, "read a key", wrong)?;
    Ok(bytes.map(TellApart))
}

/// Puts a new key where none is: whole, or not at all.
fn make(path: &Path) -> io::Result<TellApart> {
    let key = TellApart::for_once()?;
    let draft = path.with_file_name(draft_name());
    // One that was left half written, by somebody who was killed and had our number.
    let _ = fs::remove_file(&draft);
    let made = key_file::write_new(&draft, &key.0).and_then(|()| {
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // A file system without links: of several at the same time the last one's key counts.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::Unsupported
                ) =>
            {
                fs::rename(&draft, path)
            }
            linked => linked,
        }
    });
    // It is there under its own name now, or of no use.
    let _ = fs::remove_file(&draft);
    made.map(|()| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_ask_at_the_same_time_get_the_same_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Files::new(folder.path().join(".flow"));
        let hash = || TellApart::of(&store).map(|key| key.hash(b"secret"));
        let hashes: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(hash)).collect();
            all.into_iter()
                .map(|one| one.join().expect("no panic").expect("it is ours"))
                .collect()
        });
        assert_eq!(hashes, vec![hash().expect("it is there"); 8]);
        let left = fs::read_dir(store.root()).expect("it is ours").flatten();
        assert!(
            left.into_iter()
                .all(|one| one.path().extension().is_none_or(|kind| kind != "draft"))
        );
        assert_ne!(
            TellApart::for_once().expect("bytes").hash(b"secret"),
            hashes[0]
        );
    }
}
