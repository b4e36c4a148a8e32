//! The token: what whoever wants something of the API has to show, a secret that is as good as the right to read a file.

use std::io;

use crate::disk::Folder;
use crate::disk::key;
use crate::disk::layout::TOKEN;
use crate::model::hex;

/// How long it is, in bytes before they are written in hexadecimal.
const BYTES: usize = 32;

/// The token of a project, made when there is none.
pub(super) fn of(state: &Folder) -> io::Result<String> {
    match key::read_or_make::<BYTES>(state, TOKEN)? {
        Some(bytes) => Ok(hex::encode(&bytes)),
        None => {
            let path = state.path_of(TOKEN);
            let what = format!(
                "{} is no token, which has {} hexadecimal digits; remove it, and a new one is made",
                path.display(),
                2 * BYTES
            );
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        }
    }
}

/// Whether two tokens are the same, in a time that tells nothing of where they differ.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    // Hashes are compared in constant time.
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}
