//! Keys in files that only their owner may read: bytes in hex, on one line.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::rand::{GetRandomFlags, getrandom};

use super::{Folder, How, draft_name, read_regular};
use crate::model::hex;

/// No such file is larger, in bytes.
const BYTES_MAX: u64 = 4096;

/// Where a key is.
#[derive(Clone, Debug)]
pub enum KeyFile {
    /// In a folder of flow's own, under this name.
    Own(Folder, &'static str),
    /// Where a person has said.
    Named(PathBuf),
}

impl KeyFile {
    /// The path, for messages.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Own(folder, name) => folder.path_of(name),
            Self::Named(path) => path.clone(),
        }
    }

    /// The key; `None` where there is none, and `Some(None)` where there is something else.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn read<const N: usize>(&self) -> io::Result<Option<Option<[u8; N]>>> {
        let bytes = match self {
            Self::Own(folder, name) => folder.read(name, BYTES_MAX),
            Self::Named(path) => read_regular(path, BYTES_MAX),
        };
        match bytes {
            Ok(bytes) => {
                let text = str::from_utf8(&bytes).unwrap_or_default();
                Ok(Some(hex::decode_exactly(text.trim())))
            }
            // Where the folder itself is missing or none, others have more to say.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Puts these bytes into a file that was not there.
    ///
    /// # Errors
    ///
    /// When there is such a file, or it can't be written.
    pub fn write_new(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = match self {
            Self::Own(folder, name) => folder.open_made(name, How::New)?,
            Self::Named(path) => File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?,
        };
        write(&mut file, bytes)
    }
}

/// The key of this name, which is made when it is first asked for: once, however many ask at the same time. `None` where there is something
/// else under the name.
///
/// # Errors
///
/// When it can't be read or made.
pub fn read_or_make<const N: usize>(
    folder: &Folder,
    name: &'static str,
) -> io::Result<Option<[u8; N]>> {
    let own = KeyFile::Own(folder.clone(), name);
    if let Some(found) = own.read()? {
        return Ok(found);
    }
    let mut bytes = [0; N];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    folder.make()?;
    let draft = draft_name();
    // One that was left half written, by somebody who was killed and had our number.
    let _ = folder.remove(&draft);
    let made = folder
        .open(&draft, How::New)
        .and_then(|mut file| write(&mut file, &bytes))
        .and_then(|()| match folder.link(&draft, name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // A file system without links: of several at the same time the last one's key counts.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::Unsupported
                ) =>
            {
                folder.rename(&draft, name)
            }
            linked => linked,
        });
    // It is there under its own name now, or of no use.
    let _ = folder.remove(&draft);
    made?;
    // Somebody may have been faster; theirs counts.
    Ok(own.read()?.unwrap_or(Some(bytes)))
}

fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(format!("{}\n", hex::encode(bytes)).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_ask_at_the_same_time_get_the_same_key() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::from(place.path().join("own"));
        let ask = || {
            read_or_make::<32>(&folder, "key")
                .expect("it is ours")
                .expect("a key")
        };
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            all.into_iter()
                .map(|one| one.join().expect("no panic"))
                .collect()
        });
        assert_eq!(keys, vec![ask(); 8]);
        assert_eq!(folder.names().expect("it is ours"), ["key"]);
    }
}
