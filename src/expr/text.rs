//! Texts that know of each part whether it is code, data or a secret.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::Problem;
use super::fuel::{Fuel, TEXT_BYTES_MAX};

/// A text in parts, each of which is code or data. Copies share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// In order; no two neighbours are both code.
    pub parts: Arc<Vec<Part>>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// From a file that the author wrote.
    Code(String),
    /// From anywhere else.
    Data(Data),
}

/// A part that is data; may be any bytes but NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// It is a secret, or made from one.
    pub secret: bool,
    /// `| quote`: to be put in single quotes wherever it does not stand bare in a command. No value that has left its expression has it.
    pub(super) quote: bool,
}

/// Where a value comes from, as far as a text made from it is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) data: bool,
    pub(super) secret: bool,
}

impl Origin {
    /// From anywhere but the file.
    pub(super) const DATA: Self = Self {
        data: true,
        secret: false,
    };

    /// Of what is made from both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            data: self.data || other.data,
            secret: self.secret || other.secret,
        }
    }
}

impl Data {
    /// The bytes, in single quotes when that was asked for.
    pub(super) fn written(&self) -> Vec<u8> {
        if self.quote {
            quoted(&self.bytes)
        } else {
            self.bytes.clone()
        }
    }
}

/// Bytes as one word in single quotes, as POSIX shells read them, and fish too: a backslash stands outside, since fish takes it for one
/// that quotes.
pub(super) fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut word = vec![b'\''];
    for &byte in bytes {
        match byte {
            b'\'' => word.extend_from_slice(br"'\''"),
            b'\\' => word.extend_from_slice(br"'\\'"),
            other => word.push(other),
        }
    }
    word.push(b'\'');
    word
}

impl Text {
    /// Code as a text.
    pub fn code(text: impl Into<String>) -> Self {
        Self::of(Part::Code(text.into()))
    }

    /// Data as a text.
    pub fn data(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Part::data(bytes, false))
    }

    /// A secret as a text.
    pub fn secret(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Part::data(bytes, true))
    }

    fn of(part: Part) -> Self {
        Self::from_iter([part])
    }

    /// The bytes of all parts.
    pub fn bytes(&self) -> Vec<u8> {
        let bytes = self.parts.iter().map(Part::written);
        bytes.fold(Vec::new(), |mut all, bytes| {
            all.extend_from_slice(&bytes);
            all
        })
    }

    /// All parts as a pattern of files, in which only code can be special: data stands for itself.
    pub fn pattern(&self) -> Vec<u8> {
        let part = |part: &Part| match part {
            Part::Code(text) => text.as_bytes().to_vec(),
            Part::Data(data) => super::glob::literal(&data.bytes),
        };
        self.parts.iter().flat_map(part).collect()
    }

    /// All parts as one string; an error when that is no UTF-8.
    pub fn string(&self) -> Result<String, Problem> {
        String::from_utf8(self.bytes()).map_err(|_| {
            Problem::new("not-utf8", "this value is not UTF-8 text")
                .help("such bytes can only be passed on to a command, by `env` or in its text")
        })
    }

    /// How many bytes it has, before anything is quoted.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.bytes().len()).sum()
    }

    /// Where it comes from.
    pub(super) fn origin(&self) -> Origin {
        let parts = self.parts.iter().map(Part::origin);
        parts.fold(Origin::default(), Origin::and)
    }

    /// Whether `| quote` was asked for.
    pub(super) fn asks_quotes(&self) -> bool {
        let asks = |part: &Part| matches!(part, Part::Data(data) if data.quote);
        self.parts.iter().any(asks)
    }

    /// With what `| quote` asked for done.
    pub(super) fn quoted(&self) -> Self {
        let done = |part: &Part| match part {
            Part::Data(data) => Part::data(data.written(), data.secret),
            Part::Code(_) => part.clone(),
        };
        self.parts.iter().map(done).collect()
    }
}

/// Code after code is one part, and no code is none.
impl FromIterator<Part> for Text {
    fn from_iter<I: IntoIterator<Item = Part>>(all: I) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for part in all {
            match (parts.last_mut(), part) {
                (_, Part::Code(more)) if more.is_empty() => {}
                (Some(Part::Code(before)), Part::Code(more)) => before.push_str(&more),
                (_, part) => parts.push(part),
            }
        }
        Self {
            parts: Arc::new(parts),
        }
    }
}

impl Part {
    /// A part that is data.
    pub fn data(bytes: impl Into<Vec<u8>>, secret: bool) -> Self {
        Self::Data(Data {
            bytes: bytes.into(),
            secret,
            quote: false,
        })
    }

    /// The bytes of this part, before it is quoted.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Code(text) => text.as_bytes(),
            Self::Data(data) => &data.bytes,
        }
    }

    fn origin(&self) -> Origin {
        match self {
            Self::Code(_) => Origin::default(),
            Self::Data(data) => Origin {
                data: true,
                secret: data.secret,
            },
        }
    }

    fn written(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Data(data) if data.quote => data.written().into(),
            part => part.bytes().into(),
        }
    }
}

/// A text that is being written out, limited.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) all: Vec<Part>,
    /// For each piece of `all`, the bytes of the template that it was made by.
    pub(super) from: Vec<Range<usize>>,
    /// The bytes of the template that are being written out.
    pub(super) place: Range<usize>,
    bytes: usize,
}

impl Written {
    /// What has been written.
    pub(super) fn text(self) -> Text {
        Text {
            parts: Arc::new(self.all),
        }
    }

    pub(super) fn push(&mut self, piece: Part, fuel: &mut Fuel) -> Result<(), Problem> {
        let more = piece.bytes().len();
        self.bytes += more;
        if self.bytes > TEXT_BYTES_MAX {
            fuel.text(self.bytes)?;
        }
        fuel.text(more)?;
        match (self.all.last_mut(), piece) {
            (_, Part::Code(text)) if text.is_empty() => {}
            (Some(Part::Code(before)), Part::Code(text)) => before.push_str(&text),
            (_, piece) => {
                self.all.push(piece);
                self.from.push(self.place.clone());
            }
        }
        Ok(())
    }
}
