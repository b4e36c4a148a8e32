//! Reading all of a record, which somebody may have made to be endless.
//!
//! A record consists of lines of JSON. So no zero byte stands in it, but for what a power cut may have left at its end; no line is
//! endless; and as each line has a hash of its own, it can't be packed to a tiny part of itself.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::whole_lines;

/// No line is longer, in bytes.
const LINE_BYTES_MAX: usize = 256 << 20;
/// No more than this is behind the first zero byte, in bytes.
const TORN_BYTES_MAX: usize = 16 << 20;
/// A record is packed to more than one of so many bytes.
const PACKED_MAX: u64 = 400;
/// Unless it is smaller than this, in bytes.
const SMALL: u64 = 64 << 20;
/// So much is read at once, in bytes, and so much at first where a line is looked for.
const CHUNK: u64 = 1 << 20;
const FIRST: u64 = 4096;

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
        if zero.is_some_and(|at| bytes.len() - at > TORN_BYTES_MAX) {
            return Err(zeros());
        }
        if bytes.len() - line > LINE_BYTES_MAX {
            return Err(endless());
        }
        let most = packed.map(|packed| SMALL.max(packed.saturating_mul(PACKED_MAX)));
        if most.is_some_and(|most| bytes.len() as u64 > most) {
            let wrong = "it becomes too large when it is unpacked";
            return Err(io::Error::new(ErrorKind::InvalidData, wrong));
        }
    }
}

/// The first line, if it has an end.
pub(super) fn first_line(from: &mut impl Read) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut piece = FIRST;
    loop {
        let start = bytes.len();
        let read = from.by_ref().take(piece).read_to_end(&mut bytes)?;
        if let Some(end) = bytes[start..].iter().position(|byte| *byte == b'\n') {
            bytes.truncate(start + end);
            return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
        }
        if read == 0 || bytes[start..].contains(&0) {
            return Ok(None);
        }
        if bytes.len() > LINE_BYTES_MAX {
            return Err(endless());
        }
        piece = CHUNK;
    }
}

/// The last line with an end, found from the back; there is one.
pub(super) fn last_line(file: &mut (impl Read + Seek)) -> io::Result<String> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut window = FIRST;
    loop {
        let from = size.saturating_sub(window);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.by_ref().take(window).read_to_end(&mut bytes)?;
        let has_zeros = bytes.contains(&0);
        bytes.truncate(whole_lines(&bytes).saturating_sub(1));
        let start = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map(|end| end + 1);
        if let Some(start) = start.or((from == 0).then_some(0)) {
            return Ok(String::from_utf8_lossy(&bytes[start..]).into_owned());
        }
        if window > TORN_BYTES_MAX as u64 && has_zeros {
            return Err(zeros());
        }
        if window > LINE_BYTES_MAX as u64 {
            return Err(endless());
        }
        window *= 4;
    }
}

fn endless() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "a line of it has no end")
}

fn zeros() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "it is full of zero bytes")
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
