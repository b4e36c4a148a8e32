//! The token: what whoever wants something of the API has to show, a secret that is as good as the right to read a file.

use std::fs;
use std::io;
use std::path::Path;

use crate::store::key_file;

/// How long it is, in bytes before they are written in hexadecimal.
const BYTES: usize = 32;

/// The token of a project, made when there is none. Nobody else makes one at the same time: there is one server.
pub(super) fn of(state: &Path) -> io::Result<String> {
    let path = state.join("token");
    match fs::read_to_string(&path) {
        Ok(token) if token.trim().len() >= BYTES => return Ok(token.trim().to_owned()),
        Ok(_) => {
            let what = format!("{} is too short to be a token; remove it", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; BYTES];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    let token = crate::model::hex::encode(&bytes);
    let draft = state.join("token.draft");
    // One that was left half written, by somebody who was killed.
    let _ = fs::remove_file(&draft);
    key_file::write_new(&draft, &bytes)?;
    fs::rename(&draft, &path)?;
    Ok(token)
}

/// Whether two tokens are the same, in a time that tells nothing of where they differ.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    // Hashes are compared in constant time.
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}
