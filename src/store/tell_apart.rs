//! The key by which secrets are told apart in records: two runs that were given the same one show the same hash, and nobody
//! without the key can try values out.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

use super::files::Files;
use super::{Error, Kind};
use crate::disk::key;
use crate::disk::layout::SECRETS_KEY;
use crate::model::hex;

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
        let path = store.root().path_of(SECRETS_KEY);
        let key = key::read_or_make(store.root(), SECRETS_KEY)
            .map_err(|error| Error::io("read or make a key", &path, error))?;
        key.map(Self).ok_or_else(|| Error {
            path: Some(path),
            ..Error::new(
                Kind::Damaged,
                "use this key, which is not 64 hexadecimal digits: remove it, and a new one is made",
            )
        })
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
