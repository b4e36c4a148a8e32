//! Reading all of a record, which somebody may have made to be endless.
//!
//! A record consists of lines of JSON. So no zero byte stands in it, but for what a power cut may have left at its end; no line is
//! endless; and as each line has a hash of its own, it can't be packed to a tiny part of itself.

use std::io::{self, ErrorKind, Read};

/// No line is longer, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 256 << 20;
/// No more than this is behind the first zero byte, in bytes.
const TORN_BYTES_MAX: usize = 16 << 20;
/// A record is packed to more than one of so many bytes.
const PACKED_MAX: u64 = 400;
/// Unless it is smaller than this, in bytes.
const SMALL: u64 = 64 << 20;
/// So much is read at once, in bytes.
const CHUNK: u64 = 1 << 20;

/// All that there is; `packed` is how large its packed form is, if it has one.
pub(super) fn read(mut from: impl Read, packed: Option<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Where the line begins that goes on at the end, and where the first zero is.
    let (mut line, mut zero) = (0, None);
    loop {
        let start = bytes.len();
        if from.by_ref().take(CHUNK).read_to_end(&mut bytes)? == 0 {
            return Ok(bytes);
        }
        let chunk = &bytes[start..];
        if let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') {
            line = start + end + 1;
        }
        if zero.is_none() {
            zero = chunk
                .iter()
                .position(|byte| *byte == 0)
                .map(|at| start + at);
        }
        let wrong = if zero.is_some_and(|at| bytes.len() - at > TORN_BYTES_MAX) {
            "it is full of zero bytes"
        } else if bytes.len() - line > LINE_BYTES_MAX {
            "a line of it has no end"
        } else if packed
            .is_some_and(|packed| bytes.len() as u64 > SMALL.max(packed.saturating_mul(PACKED_MAX)))
        {
            "it becomes too large when it is unpacked"
        } else {
            continue;
        };
        return Err(io::Error::new(ErrorKind::InvalidData, wrong));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_not_read_to_it() {
        let fails =
            |from: &mut dyn Read, packed| read(from, packed).expect_err("endless").to_string();
        assert_eq!(fails(&mut io::repeat(0), None), "it is full of zero bytes");
        assert_eq!(
            fails(&mut io::repeat(b'{'), None),
            "a line of it has no end"
        );
        let packed = Some(1 << 20);
        assert_eq!(
            fails(&mut io::repeat(b'\n'), packed),
            "it becomes too large when it is unpacked"
        );
        let torn = [b"{}\n".repeat(500_000), vec![0; 5 << 20]].concat();
        assert!(read(&torn[..], None).expect("a power cut may leave that") == torn);
    }
}
