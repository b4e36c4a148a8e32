//! Files in their packed form: gzip (RFC 1952), with `.gz` behind the name, as `zcat` reads it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::disk::{Folder, How};

/// The name of the packed form of a file.
pub(super) fn beside(name: &str) -> String {
    format!("{name}.gz")
}

/// A file from a position on, packed or not; `None` when it is there in neither form.
pub(super) fn open(folder: &Folder, name: &str, from: u64) -> io::Result<Option<Box<dyn Read>>> {
    let plain = || -> io::Result<Option<Box<dyn Read>>> {
        let Some(mut file) = existing(folder, name)? else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(from))?;
        Ok(Some(Box::new(file)))
    };
    if let Some(file) = plain()? {
        return Ok(Some(file));
    }
    let Some(packed) = existing(folder, &beside(name))? else {
        // It may have been unpacked in between.
        return plain();
    };
    let mut unpacked = GzDecoder::new(io::BufReader::new(packed));
    io::copy(&mut unpacked.by_ref().take(from), &mut io::sink())?;
    Ok(Some(Box::new(unpacked)))
}

/// A file, if it is there.
pub(super) fn existing(folder: &Folder, name: &str) -> io::Result<Option<File>> {
    match folder.open(name, How::Read) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Packs a file, which is gone afterwards; how many bytes it had and has. At every moment it is there in one form at least.
pub(super) fn pack(folder: &Folder, name: &str) -> io::Result<(u64, u64)> {
    let mut plain = folder.open(name, How::Read)?;
    let sizes = folder.replace_with(&beside(name), |file| {
        let mut encoder = GzEncoder::new(file, Compression::default());
        let before = io::copy(&mut plain, &mut encoder)?;
        let file = encoder.finish()?;
        file.sync_all()?;
        Ok((before, file.metadata()?.len()))
    })?;
    folder.remove(name)?;
    Ok(sizes)
}

/// Makes a packed file a plain one again, unless another process does so; nothing when it is not packed.
pub(super) fn unpack(folder: &Folder, name: &str) -> io::Result<()> {
    let packed = beside(name);
    let Some(file) = existing(folder, &packed)? else {
        return Ok(());
    };
    file.lock()?;
    if folder.seen(name).is_ok() {
        return Ok(());
    }
    folder.replace_with(name, |plain| {
        let packed_bytes = file.metadata()?.len();
        let bytes = super::bounded::read(
            GzDecoder::new(io::BufReader::new(&file)),
            Some(packed_bytes),
        )?;
        io::Write::write_all(plain, &bytes)?;
        plain.sync_all()
    })?;
    folder.remove(&packed)
}
