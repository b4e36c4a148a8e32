//! Files in their packed form: gzip (RFC 1952), with `.gz` behind the name, as `zcat` reads it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Where the packed form of a file is.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// A file from a position on, packed or not; `None` when it is there in neither form.
pub(super) fn open(path: &Path, from: u64) -> io::Result<Option<Box<dyn Read>>> {
    let plain = || -> io::Result<Option<Box<dyn Read>>> {
        let Some(mut file) = existing(path)? else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(from))?;
        Ok(Some(Box::new(file)))
    };
    if let Some(file) = plain()? {
        return Ok(Some(file));
    }
    let Some(packed) = existing(&beside(path))? else {
        // It may have been unpacked in between.
        return plain();
    };
    let mut unpacked = GzDecoder::new(io::BufReader::new(packed));
    io::copy(&mut unpacked.by_ref().take(from), &mut io::sink())?;
    Ok(Some(Box::new(unpacked)))
}

/// A file, if it is there.
fn existing(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Packs a file, which is gone afterwards; how many bytes it had and has. At every moment it is there in one form at least.
pub(super) fn pack(path: &Path) -> io::Result<(u64, u64)> {
    let packed = beside(path);
    let draft = packed.with_extension("draft");
    let written: io::Result<_> = (|| {
        let mut plain = File::open(path)?;
        let file = private(&draft)?;
        let mut encoder = GzEncoder::new(file, Compression::default());
        let before = io::copy(&mut plain, &mut encoder)?;
        let file = encoder.finish()?;
        file.sync_all()?;
        let after = file.metadata()?.len();
        fs::rename(&draft, &packed)?;
        Ok((before, after))
    })();
    if written.is_err() {
        // The error to tell is the first one.
        let _ = fs::remove_file(&draft);
    }
    let sizes = written?;
    fs::remove_file(path)?;
    Ok(sizes)
}

/// Makes a packed file a plain one again, unless another process does so; nothing when it is not packed.
pub(super) fn unpack(path: &Path) -> io::Result<()> {
    let packed = beside(path);
    let Some(file) = existing(&packed)? else {
        return Ok(());
    };
    file.lock()?;
    if path.exists() {
        return Ok(());
    }
    let draft = path.with_extension("draft");
    let written: io::Result<_> = (|| {
        let mut plain = private(&draft)?;
        io::copy(&mut GzDecoder::new(io::BufReader::new(&file)), &mut plain)?;
        plain.sync_all()?;
        fs::rename(&draft, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written?;
    fs::remove_file(&packed)
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}
