//! The texts by which a secret may be recognised in output: itself, and what base64, hex, URLs, JSON, HTML, Python and shells make
//! of it, as it is and as it looks when the blanks around it or within are lost.
//!
//! It is bytes in, bytes out. It refuses to know where a secret comes from and what is done with its forms (`mask`).
//!
//! In base64 a value has no text of its own when something stands before or behind it: at each of three alignments its
//! middle is always the same, and a character at either end shares bits with its neighbours. The middle is a form, and so
//! is the middle with the end of the encoding behind it. Of a value in the middle, up to four bits at either end stay.
//! Base64 and hex that are wrapped into lines are known where the value begins them, at the widths that tools wrap at.

use std::collections::BTreeSet;

/// Below this a value is too common to be looked for inside of words, in bytes.
pub const SHORT_BYTES: usize = 4;

/// Longer values are taken in pieces of this size, each with its own forms, in bytes: it bounds what is held back.
pub const PIECE_BYTES_MAX: usize = 4096;

/// How wide base64 is wrapped: by MIME and `base64`, and by PEM and `openssl`.
const WRAPPED_AT: [usize; 2] = [76, 64];

/// How many bytes stand on a line of hex: of `xxd -p`, and of `od`, `hexdump` and `xxd`; those two with gaps after one and two.
const HEX_LINES: [(usize, usize); 3] = [(30, 30), (16, 1), (16, 2)];

/// What is left of a value for the last line of hex says too little to be looked for when it is shorter, in bytes.
const HEX_BYTES_MIN: usize = 8;

/// The same for a line of base64, in characters.
const WRAPPED_BYTES_MIN: usize = 8;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What encoders of URLs leave as it is beside letters and digits: RFC 3986, paths, JavaScript, forms.
const UNRESERVED: [&[u8]; 4] = [b"-_.~", b"-_.~/", b"-_.~!*'()", b"*-._"];

/// The forms of secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// Those that are masked wherever they stand.
    pub anywhere: BTreeSet<Vec<u8>>,
    /// Those of short values: masked only where they stand alone.
    pub alone: BTreeSet<Vec<u8>>,
}

impl Forms {
    /// Adds all forms of a value. Newlines at its end are no part of it, and one of nothing but white space is none.
    pub fn add(&mut self, value: &[u8]) {
        let value = without_newlines(value);
        if value.trim_ascii().is_empty() {
            return;
        }
        if value.len() < SHORT_BYTES {
            self.alone.extend(short(value));
            return;
        }
        for value in [vec![value.to_vec()], without_blanks(value)].concat() {
            self.anywhere.extend(pieces(&value).flat_map(escaped));
            self.anywhere.extend(pieces(&value).flat_map(encoded));
        }
        if value.contains(&b'\n') {
            self.add_lines(value);
        }
    }

    /// The lines of a key or a certificate are shown by themselves too: indented, quoted, cut off.
    fn add_lines(&mut self, value: &[u8]) {
        let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for line in lines.filter(|line| line.len() >= SHORT_BYTES) {
            self.anywhere.extend(pieces(line).flat_map(escaped));
        }
    }
}

fn without_newlines(value: &[u8]) -> &[u8] {
    let last = value.iter().rposition(|byte| !b"\r\n".contains(byte));
    &value[..last.map_or(0, |last| last + 1)]
}

/// The value without the blanks around it, which `xargs` and `read` lose, and with one blank for several, as `echo $SECRET` shows it.
/// Of several lines each is a form of its own.
fn without_blanks(value: &[u8]) -> Vec<Vec<u8>> {
    let words = value.split(u8::is_ascii_whitespace);
    let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
    let mut forms = vec![value.trim_ascii().to_vec()];
    if !value.contains(&b'\n') {
        forms.push(words.join(&b' '));
    }
    forms.retain(|form| form != value && form.len() >= SHORT_BYTES);
    forms
}

/// A long value in pieces. The last one overlaps the one before it, as a short one would be found everywhere.
fn pieces(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let size = value.len().min(PIECE_BYTES_MAX);
    let starts = (0..value.len()).step_by(PIECE_BYTES_MAX);
    starts.map(move |start| &value[start.min(value.len() - size)..][..size])
}

/// The forms of a short value: the alignments of base64 would leave almost nothing of it to recognise.
fn short(value: &[u8]) -> Vec<Vec<u8>> {
    let whole = [STANDARD, URL_SAFE].into_iter().flat_map(|alphabet| {
        let text = base64(value, alphabet);
        [padded(text.clone()), text]
    });
    let mut forms: Vec<_> = whole.chain(hex(value)).chain(escaped(value)).collect();
    forms.retain(|form| form.len() >= SHORT_BYTES || form == value);
    forms
}

/// The value with some of its bytes escaped, as in JSON, a shell or a URL; the value itself is the one with none.
fn escaped(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![
        value.to_vec(),
        json(value, b""),
        json(value, b"<>&"),
        json(value, b"/"),
        replaced(value, |byte| (byte == b'\'').then(|| b"'\\''".to_vec())),
        replaced(value, |byte| (byte == b'\'').then(|| b"'\"'\"'".to_vec())),
        // The filter `quote`.
        replaced(value, |byte| match byte {
            b'\'' => Some(b"'\\''".to_vec()),
            b'\\' => Some(b"'\\\\'".to_vec()),
            _ => None,
        }),
        replaced(value, |byte| backslashed(byte, b"\"$`\\")),
        replaced(value, |byte| backslashed(byte, QUOTED_BY_SHELLS)),
    ];
    forms.extend(json_in_ascii(value));
    forms.extend(HTML_QUOTES.map(|quotes| html(value, quotes)));
    forms.extend(repr(value));
    for kept in UNRESERVED {
        forms.push(percent(value, kept, b"0123456789ABCDEF"));
        forms.push(percent(value, kept, b"0123456789abcdef"));
    }
    forms
}

/// The value in hex and in base64.
fn encoded(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = hex(value).to_vec();
    forms.extend(hex_lines(value));
    // `echo "$SECRET" | base64` encodes a newline with it.
    for value in [value.to_vec(), [value, b"\n"].concat()] {
        for alphabet in [STANDARD, URL_SAFE] {
            for before in 0..3 {
                forms.extend(base64_behind(before, &value, alphabet));
            }
            forms.extend(wrapped(&base64(&value, alphabet)));
        }
    }
    forms
}

fn hex(value: &[u8]) -> [Vec<u8>; 2] {
    let lower: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    [lower.to_uppercase().into_bytes(), lower.into_bytes()]
}

/// The lines of hex as tools wrap it, and hex with colons.
fn hex_lines(value: &[u8]) -> Vec<Vec<u8>> {
    let joined = |bytes: &[u8], size: usize, with: u8| {
        let groups: Vec<&[u8]> = bytes.chunks(2 * size).collect();
        groups.join(&with)
    };
    let [upper, lower] = hex(value);
    let mut forms = vec![joined(&upper, 1, b':'), joined(&lower, 1, b':')];
    for (on_line, size) in HEX_LINES {
        let lines = lower.chunks(2 * on_line);
        forms.extend(lines.map(|line| joined(line, size, b' ')));
    }
    // `hexdump -C` has a wider gap in the middle of a line.
    forms.extend(lower.chunks(16).map(|half| joined(half, 1, b' ')));
    // Lists of numbers look like this too, so less than half a line is none.
    forms.retain(|line| line.len() > HEX_BYTES_MIN.min(value.len()) * 2);
    forms
}

/// Base64 without padding.
fn base64(value: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len().div_ceil(3) * 4);
    for group in value.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = [18, 12, 6, 0].map(|shift| alphabet[(bits >> shift) as usize & 63]);
        text.extend_from_slice(&digits[..=group.len()]);
    }
    text
}

fn padded(mut text: Vec<u8>) -> Vec<u8> {
    text.resize(text.len().next_multiple_of(4), b'=');
    text
}

/// What is always the same of a value that so many bytes stand before in a group of three: with anything behind it, and at
/// the end of the encoding, padded and not.
fn base64_behind(before: usize, value: &[u8], alphabet: &[u8; 64]) -> [Vec<u8>; 3] {
    let all = [&[0; 2][..before], value].concat();
    let text = base64(&all, alphabet);
    let first = (before * 8).div_ceil(6);
    let last = all.len() * 8 / 6;
    let middle = text[first..last].to_vec();
    let end = text[first..].to_vec();
    [middle, end, padded(text)[first..].to_vec()]
}

/// The lines of a text that is wrapped.
fn wrapped(text: &[u8]) -> Vec<Vec<u8>> {
    let widths = WRAPPED_AT.into_iter().filter(|width| text.len() > *width);
    let lines = widths.flat_map(|width| text.chunks(width));
    let lines = lines.filter(|line| line.len() >= WRAPPED_BYTES_MIN);
    lines.map(<[u8]>::to_vec).collect()
}

/// What `printf %q` puts a backslash before.
const QUOTED_BY_SHELLS: &[u8] = b" \t!\"#$&'()*,;<>?[\\]^`{|}~";

fn replaced(value: &[u8], with: impl Fn(u8) -> Option<Vec<u8>>) -> Vec<u8> {
    let bytes = value.iter();
    bytes
        .flat_map(|byte| with(*byte).unwrap_or_else(|| vec![*byte]))
        .collect()
}

fn backslashed(byte: u8, which: &[u8]) -> Option<Vec<u8>> {
    which.contains(&byte).then(|| vec![b'\\', byte])
}

/// The inside of a JSON string; some encoders escape more than they must.
fn json(value: &[u8], also: &[u8]) -> Vec<u8> {
    replaced(value, |byte| json_escape(byte, also))
}

fn json_escape(byte: u8, also: &[u8]) -> Option<Vec<u8>> {
    match byte {
        b'"' | b'\\' => Some(vec![b'\\', byte]),
        b'\n' => Some(b"\\n".to_vec()),
        b'\r' => Some(b"\\r".to_vec()),
        b'\t' => Some(b"\\t".to_vec()),
        0x08 => Some(b"\\b".to_vec()),
        0x0c => Some(b"\\f".to_vec()),
        b'/' if also.contains(&b'/') => Some(b"\\/".to_vec()),
        _ if byte < b' ' || also.contains(&byte) => Some(format!("\\u{byte:04x}").into_bytes()),
        _ => None,
    }
}

/// The inside of a JSON string of nothing but ASCII, if the value is text that has more.
fn json_in_ascii(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let mut form = Vec::new();
    for letter in text.chars() {
        if letter.is_ascii() {
            form.extend(json(letter.encode_utf8(&mut [0; 4]).as_bytes(), b""));
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                form.extend(format!("\\u{unit:04x}").bytes());
            }
        }
    }
    Some(form)
}

/// What HTML has for the double and the single quote: Python, Go, JavaScript's libraries; text that is no attribute has them as they are.
const HTML_QUOTES: [[&[u8]; 2]; 5] = [
    [b"&quot;", b"&#x27;"],
    [b"&quot;", b"&#39;"],
    [b"&#34;", b"&#39;"],
    [b"&quot;", b"'"],
    [b"\"", b"'"],
];

fn html(value: &[u8], [double, single]: [&[u8]; 2]) -> Vec<u8> {
    replaced(value, |byte| {
        Some(match byte {
            b'&' => b"&amp;".to_vec(),
            b'<' => b"&lt;".to_vec(),
            b'>' => b"&gt;".to_vec(),
            b'"' => double.to_vec(),
            b'\'' => single.to_vec(),
            _ => return None,
        })
    })
}

/// The inside of what Python shows of a text (`repr`) and of bytes, in single quotes; in double ones it only lacks the backslash
/// before a single quote.
fn repr(value: &[u8]) -> [Vec<u8>; 4] {
    let shown = |quote: &'static [u8], is_bytes: bool| {
        replaced(value, |byte| match byte {
            b'\\' => Some(b"\\\\".to_vec()),
            b'\n' => Some(b"\\n".to_vec()),
            b'\r' => Some(b"\\r".to_vec()),
            b'\t' => Some(b"\\t".to_vec()),
            _ if quote.contains(&byte) => Some(vec![b'\\', byte]),
            _ if byte < b' ' || byte == 0x7f || is_bytes && !byte.is_ascii() => {
                Some(format!("\\x{byte:02x}").into_bytes())
            }
            _ => None,
        })
    };
    [(&b""[..], false), (b"'", false), (b"", true), (b"'", true)]
        .map(|(quote, is_bytes)| shown(quote, is_bytes))
}

fn percent(value: &[u8], kept: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let is_form = !kept.contains(&b'~');
    replaced(value, |byte| match byte {
        b' ' if is_form => Some(b"+".to_vec()),
        _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => None,
        _ => {
            let digit = |at: u8| digits[usize::from(at)];
            Some(vec![b'%', digit(byte >> 4), digit(byte & 15)])
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(value: &str) -> Forms {
        let mut forms = Forms::default();
        forms.add(value.as_bytes());
        forms
    }

    #[track_caller]
    fn has(value: &str, expected: &[&str]) {
        let forms = forms(value);
        for form in expected {
            let found = forms.anywhere.contains(form.as_bytes());
            assert!(found, "{value:?} has no form {form:?}");
        }
    }

    #[test]
    fn encodings_are_those_of_the_tools() {
        // What coreutils, Python, Node, Go and `printf %q` of bash make of these.
        has("hunter2", &["hunter2", "aHVudGVyMg==", "aHVudGVyMg"]);
        has(
            "hunter2",
            &["aHVudGVyMgo=", "68756e74657232", "68756E74657232"],
        );
        has("k>>>?~\u{ff}", &["az4+Pj9+w78=", "az4-Pj9-w78"]);
        has(
            "a b/c+d",
            &["a%20b%2Fc%2Bd", "a%20b%2fc%2bd", "a+b%2Fc%2Bd"],
        );
        has("a b/c+d", &["a%20b/c%2Bd", "a\\ b/c+d"]);
        has("it's\"\\\t\u{1}", &["it's\\\"\\\\\\t\\u0001"]);
        has("it's$x", &["it'\\''s$x", "it'\"'\"'s$x", "it\\'s\\$x"]);
        has("<a&b>/é😀", &["\\u003ca\\u0026b\\u003e/é😀", "<a&b>\\/é😀"]);
        has("<a&b>/é😀", &["<a&b>/\\u00e9\\ud83d\\ude00"]);
    }

    #[test]
    fn what_loses_its_blanks_is_known() {
        has(
            "  two  words\t",
            &["two  words", "two words", "two%20words", "dHdvIHdvcmRz"],
        );
        has(" some\n\nlines ", &["some\n\nlines", "some", "lines"]);
        // What is left says too little.
        assert!(!forms("   ab   ").anywhere.contains(&b"ab"[..]));
    }

    #[test]
    fn pages_and_programs_show_it_in_their_way() {
        // html.escape of Python, html.EscapeString of Go, `repr` of a text and of bytes.
        has(
            "<a>&\"b'",
            &[
                "&lt;a&gt;&amp;&quot;b&#x27;",
                "&lt;a&gt;&amp;&#34;b&#39;",
                "&lt;a&gt;&amp;\"b'",
            ],
        );
        has(
            "it's\\a\t\u{1}é",
            &[
                "it's\\\\a\\t\\x01é",
                "it\\'s\\\\a\\t\\x01é",
                "it's\\\\a\\t\\x01\\xc3\\xa9",
            ],
        );
    }

    #[test]
    fn hex_is_known_as_tools_write_it() {
        // xxd -p, od -An -tx1, hexdump -C, xxd, openssl.
        has(
            "hunter2!",
            &[
                "68 75 6e 74 65 72 32 21",
                "6875 6e74 6572 3221",
                "68:75:6e:74:65:72:32:21",
                "68:75:6E:74:65:72:32:21",
            ],
        );
        let long = "0123456789".repeat(4);
        has(
            &long,
            &["303132333435363738393031323334353637383930313233343536373839"],
        );
        has(
            &long,
            &[
                "30 31 32 33 34 35 36 37 38 39 30 31 32 33 34 35",
                "30 31 32 33 34 35 36 37",
            ],
        );
    }

    #[test]
    fn base64_is_known_at_every_alignment() {
        let value = b"correct horse";
        let mut forms = Forms::default();
        forms.add(value);
        for before in 0..7 {
            for behind in 0..4 {
                let all = [&b"~~~~~~~"[..before], value, &b"~~~"[..behind]].concat();
                let text = base64(&all, STANDARD);
                let longest = forms.anywhere.iter().filter(|form| {
                    text.windows(form.len())
                        .any(|window| window == form.as_slice())
                });
                let longest = longest.map(Vec::len).max().unwrap_or(0);
                // 13 bytes are 17 characters and a bit; at most two of them are shared with each neighbour.
                assert!(longest >= 15, "{before} {behind}: {longest}");
            }
        }
    }

    #[test]
    fn wrapped_base64_is_known_by_its_lines() {
        let value = "0123456789".repeat(12);
        let forms = forms(&value);
        let text = base64(value.as_bytes(), STANDARD);
        for width in WRAPPED_AT {
            for line in text.chunks(width) {
                assert!(forms.anywhere.contains(line));
            }
        }
    }

    #[test]
    fn the_lines_of_a_key_are_forms_and_its_indentation_is_not() {
        let key = "-----BEGIN KEY-----\r\n    MIIEabcd/+\r\n    \r\n}\r\n-----END KEY-----\r\n";
        has(key, &["MIIEabcd/+", "-----END KEY-----", "MIIEabcd%2F%2B"]);
        let forms = forms(key).anywhere;
        assert!(!forms.contains(&b"}"[..]) && !forms.contains(&b"    "[..]));
        assert!(forms.contains(key.trim_end().as_bytes()));
    }

    #[test]
    fn short_values_have_short_lists_and_nothing_has_none() {
        let short = forms("a/b\n");
        assert!(short.anywhere.is_empty());
        let expected = ["a/b", "YS9i", "612f62", "612F62", "a%2Fb", "a%2fb", "a\\/b"];
        assert_eq!(
            short.alone,
            expected.map(|form| form.as_bytes().to_vec()).into()
        );
        for nothing in ["", "\n", " \t\r\n\n", "     "] {
            assert_eq!(forms(nothing), Forms::default(), "{nothing:?}");
        }
    }

    #[test]
    fn long_values_come_in_pieces() {
        let value: String = ('a'..='z').cycle().take(3 * PIECE_BYTES_MAX + 2).collect();
        let forms = forms(&value).anywhere;
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        let shortest = forms.iter().map(Vec::len).min().unwrap_or(0);
        assert!(longest <= 3 * PIECE_BYTES_MAX && shortest >= WRAPPED_BYTES_MIN);
        assert!(forms.contains(&value.as_bytes()[PIECE_BYTES_MAX..][..PIECE_BYTES_MAX]));
        assert!(forms.contains(&value.as_bytes()[value.len() - PIECE_BYTES_MAX..]));
    }
}
