//! Keys in files that only their owner may read: bytes in hex, on one line.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Error, Kind};
use crate::model::hex;

/// The key in a file, if there is that file. `reading` is what is being done, `using` what can't be done with something else.
pub(super) fn read(path: &Path, reading: &str, using: &str) -> Result<Option<[u8; 32]>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        // Where the folder itself is missing or none, others have more to say.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io(reading, path, error)),
    };
    let key = hex::decode_exactly(text.trim());
    key.map(Some).ok_or_else(|| Error {
        path: Some(path.to_owned()),
        ..Error::new(Kind::Damaged, using)
    })
}

/// Puts these bytes into a file that was not there.
///
/// # Errors
///
/// When there is such a file, or it can't be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(format!("{}\n", hex::encode(bytes)).as_bytes())?;
    file.sync_all()
}
