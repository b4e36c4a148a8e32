//! The token: what whoever wants something of the API has to show, a secret that is as good as the right to read a file.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How long it is, in bytes before they are written in hexadecimal.
const BYTES: usize = 32;

/// The token of a project, made when there is none.
pub(super) fn of(state: &Path) -> io::Result<String> {
    let path = state.join("token");
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match made {
        Ok(mut file) => {
            let mut bytes = [0; BYTES];
            rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
            let token = crate::model::hex::encode(&bytes);
            file.write_all(format!("{token}\n").as_bytes())?;
            file.sync_all()?;
            Ok(token)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut token = String::new();
            OpenOptions::new()
                .read(true)
                .open(&path)?
                .read_to_string(&mut token)?;
            let token = token.trim().to_owned();
            if token.len() < BYTES {
                let what = format!("{} is too short to be a token; remove it", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            Ok(token)
        }
        Err(error) => Err(error),
    }
}

/// Whether two tokens are the same, in a time that tells nothing of where they differ.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    // Hashes are compared in constant time.
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}
