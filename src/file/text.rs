//! Bytes to text: what is refused before any parser sees it.
//!
//! A Workflowfile is a text of bounded size; this file knows nothing else about it.

use crate::diagnostic::Diagnostic;

/// The largest file that is read.
pub const BYTES_MAX: usize = 10_000_000;

/// The text of a file; for one that is not text, what is wrong with it and the text as far as it can be shown.
///
/// The second part of the error is what its labels refer to.
pub fn decode(bytes: Vec<u8>) -> Result<String, (Box<Diagnostic>, String)> {
    if bytes.len() > BYTES_MAX {
        return Err((too_large(), String::new()));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text)),
        Err(error) => {
            let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
            Err((
                not_utf8(at, bytes),
                String::from_utf8_lossy(bytes).into_owned(),
            ))
        }
    }
}

/// Whether a text may be parsed.
pub(super) fn check(text: &str) -> Result<(), Box<Diagnostic>> {
    if text.len() > BYTES_MAX {
        return Err(too_large());
    }
    match text
        .bytes()
        .position(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'))
    {
        Some(at) => Err(control(text.as_bytes()[at], at)),
        None => Ok(()),
    }
}

fn too_large() -> Box<Diagnostic> {
    let message = format!("the file is larger than {} MB", BYTES_MAX / 1_000_000);
    Box::new(
        Diagnostic::error("too-large", message)
            .help("is this the right file? A Workflowfile is written by hand"),
    )
}

fn not_utf8(at: usize, bytes: &[u8]) -> Box<Diagnostic> {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let message = if utf16 {
        "the file is UTF-16, not UTF-8"
    } else {
        "the file is not UTF-8"
    };
    let label = format!("the byte 0x{:02x} begins no character", bytes[at]);
    Box::new(
        Diagnostic::error("not-utf8", message)
            // In the text that is shown, U+FFFD stands for it.
            .at(at..at + '\u{fffd}'.len_utf8(), label)
            .help("save it as UTF-8"),
    )
}

fn control(byte: u8, at: usize) -> Box<Diagnostic> {
    let name = if byte == 0 {
        "NUL character".into()
    } else {
        format!("control character 0x{byte:02x}")
    };
    let help = "remove it; in double quotes it can be written as an escape such as \"\\x1b\"";
    Box::new(
        Diagnostic::error("control-character", format!("the file contains a {name}"))
            .at(at..at + 1, "")
            .help(help),
    )
}
