//! Signatures of the ends of records: Ed25519 (RFC 8032), by a key that the project has or is given.
//!
//! What is signed is the text `flow head 1 RUN FACTS HASH`. As each line of a record is part of the hash of the next, that is the whole
//! record. Keys and signatures are written in hex, on one line.

use std::io::ErrorKind;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rustix::rand::{GetRandomFlags, getrandom};

use super::{Error, Head, Kind};
use crate::disk::key::KeyFile;
use crate::model::hex;

/// A key that shows who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key with this text: 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        VerifyingKey::from_bytes(&hex::decode_exactly(text.trim())?)
            .ok()
            .map(Self)
    }

    /// Whether the owner of this key has signed a head.
    pub fn has_signed(&self, head: &Head) -> bool {
        let signature = head
            .signature
            .as_deref()
            .and_then(hex::decode_exactly::<64>);
        let signature = signature.map(|bytes| Signature::from_bytes(&bytes));
        signature.is_some_and(|signature| {
            self.0
                .verify_strict(message(head).as_bytes(), &signature)
                .is_ok()
        })
    }
}

/// As [`PublicKey::parse`] takes it.
impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

/// The key in a file, if there is that file.
///
/// # Errors
///
/// When it can't be read, or is no key.
pub(super) fn key(file: &KeyFile) -> Result<Option<SigningKey>, Error> {
    let found = file
        .read()
        .map_err(|error| Error::io("read the signing key", &file.path(), error))?;
    let wrong = || Error {
        path: Some(file.path()),
        ..Error::new(
            Kind::Damaged,
            "sign with this key, which is not 64 hexadecimal digits",
        )
    };
    found
        .map(|bytes| Ok(SigningKey::from_bytes(&bytes.ok_or_else(wrong)?)))
        .transpose()
}

/// Signs a head.
pub(super) fn sign(key: &SigningKey, head: &Head) -> String {
    hex::encode(&key.sign(message(head).as_bytes()).to_bytes())
}

/// The public half of the key in a file.
///
/// # Errors
///
/// When there is none, or it is no key.
pub fn public_key(file: &KeyFile) -> Result<Option<PublicKey>, Error> {
    Ok(key(file)?.map(|key| PublicKey(key.verifying_key())))
}

/// Makes a new key and puts it into a file that only its owner may read, and that was not there.
///
/// # Errors
///
/// When there is such a file, or it can't be written.
pub fn make_key(file: &KeyFile) -> Result<PublicKey, Error> {
    let path = file.path();
    let mut bytes = [0; 32];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|error| Error::io("make a key", &path, error.into()))?;
    let key = SigningKey::from_bytes(&bytes);
    file.write_new(&bytes).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Error {
            path: Some(path.clone()),
            ..Error::new(Kind::Exists, "make a key")
        },
        _ => Error::io("make a key", &path, error),
    })?;
    Ok(PublicKey(key.verifying_key()))
}

fn message(head: &Head) -> String {
    format!("flow head 1 {} {} {}", head.run, head.seq, head.hash)
}
