//! Takes out of a text what differs from run to run: ids, times, durations, hashes, folders.

/// The texts that are known to differ, with their placeholders; the longest come first.
#[derive(Clone, Debug, Default)]
pub struct Known(Vec<(String, &'static str)>);

impl Known {
    /// Adds a text.
    pub fn add(&mut self, text: impl Into<String>, placeholder: &'static str) {
        self.0.push((text.into(), placeholder));
        self.0
            .sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    fn replace(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (known, placeholder)| {
                text.replace(known, placeholder)
            })
    }
}

/// A pattern: how many bytes at the beginning of a text fit.
type Fits = fn(&str) -> Option<usize>;

const PATTERNS: [(Fits, &str); 9] = [
    (hash, "<hash>"),
    (instant, "<time>"),
    (duration, "<dur>"),
    (|text| millis(text, "in "), "in <dur>"),
    (|text| millis(text, "after "), "after <dur>"),
    (run, "run <id>"),
    (seconds, "\"seconds\":<dur>"),
    (process, "process <pid>"),
    (process_as_json, "\"pid\":<pid>,<of this machine>"),
];

/// The lines of an output, normalised: `<id>`, `<time>`, `<dur>`, `<hash>`, `<dir>`, `<home>`; what is no text is made visible.
pub fn lines(bytes: &[u8], known: &Known) -> Vec<String> {
    let text = known.replace(&visible(bytes));
    let mut lines: Vec<String> = text
        .split('\n')
        .map(|line| squeezed(&line_of(line)))
        .collect();
    match lines.pop() {
        Some(rest) if !rest.is_empty() => {
            lines.extend([rest, super::script::NO_NEWLINE.to_owned()])
        }
        _ => {}
    }
    lines
}

/// Text as it is; bytes that are no text, and characters that do something to a terminal, as `\xff`.
fn visible(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for one in chunk.valid().chars() {
            if is_hidden(one) {
                text.push_str(&escaped(one.encode_utf8(&mut [0; 4]).as_bytes()));
            } else {
                text.push(one);
            }
        }
        text.push_str(&escaped(chunk.invalid()));
    }
    text
}

fn is_hidden(one: char) -> bool {
    let steers =
        matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    steers || one.is_control() && one != '\n'
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

fn line_of(line: &str) -> String {
    let mut done = String::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let inside = done
            .chars()
            .next_back()
            .is_some_and(|last| last.is_ascii_alphanumeric());
        let found = PATTERNS
            .iter()
            .filter(|_| !inside)
            .find_map(|(fits, placeholder)| fits(rest).map(|length| (length, *placeholder)));
        let (length, text) =
            found.map_or((next.len_utf8(), &rest[..next.len_utf8()]), |found| found);
        done.push_str(text);
        rest = &rest[length..];
    }
    done
}

/// `process 4711`
fn process(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("process ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then_some("process ".len() + digits)
}

/// `"pid":4711,"session":4000,"flow":4001,"alive_ms":86400123,"boot":"0f1c…"`
fn process_as_json(text: &str) -> Option<usize> {
    let boot = text
        .starts_with("\"pid\":")
        .then(|| text.find("\"boot\":\""))??;
    let value = boot + "\"boot\":\"".len();
    let end = text[value..].find('"')?;
    Some(value + end + 1)
}

/// A character a hundred times or more in a row is `<x 100 times>`.
fn squeezed(line: &str) -> String {
    let mut done = String::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let after = rest.trim_start_matches(next);
        let count = (rest.len() - after.len()) / next.len_utf8();
        if count < 100 {
            done.push_str(&rest[..rest.len() - after.len()]);
        } else {
            done.push_str(&format!("<{next} {count} times>"));
        }
        rest = after;
    }
    done
}

/// Whether the text begins in this shape, where `0` stands for a digit; the length of the shape.
fn shape(text: &str, shape: &str) -> Option<usize> {
    let fits = |(one, wanted): (u8, u8)| match wanted {
        b'0' => one.is_ascii_digit(),
        other => one == other,
    };
    let long = text.len() >= shape.len();
    (long && text.bytes().zip(shape.bytes()).all(fits)).then_some(shape.len())
}

fn ends_here(text: &str, length: usize) -> Option<usize> {
    let next = text[length..].chars().next();
    (!next.is_some_and(|next| next.is_ascii_alphanumeric())).then_some(length)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn hash(text: &str) -> Option<usize> {
    let length = text
        .bytes()
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        .count();
    (length == 64).then_some(length)
}

fn instant(text: &str) -> Option<usize> {
    let shapes = [
        "0000-00-00T00:00:00.000000Z",
        "0000-00-00 00:00:00.000",
        "0000-00-00 00:00:00",
        "0000-00-00",
        "00:00:00.000",
    ];
    shapes.into_iter().find_map(|one| shape(text, one))
}

/// `0.42s`, `12.3s`, `4m05s`, `2h03m`.
fn duration(text: &str) -> Option<usize> {
    let shapes = ["0.00s", "00.0s", "0m00s", "00m00s", "0h00m", "00h00m"];
    let length = shapes.into_iter().find_map(|one| shape(text, one))?;
    ends_here(text, length)
}

/// `after 420ms`: what took less than a second, where a sentence says how long.
fn millis(text: &str, before: &str) -> Option<usize> {
    let number = text.strip_prefix(before)?;
    let length = digits(number);
    let ends = number[length..].strip_prefix("ms")?;
    let whole = !ends.starts_with(|next: char| next.is_alphanumeric());
    (length > 0 && whole).then_some(before.len() + length + 2)
}

fn run(text: &str) -> Option<usize> {
    let id = text.strip_prefix("run ")?;
    let fits =
        |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() && !b"ilou".contains(byte);
    let length = id.bytes().take_while(fits).count();
    (length == 10 && id.starts_with(|first: char| first.is_ascii_digit())).then_some(14)
}

fn seconds(text: &str) -> Option<usize> {
    let key = "\"seconds\":";
    let number = text.strip_prefix(key)?;
    let key = text.len() - number.trim_start().len();
    let number = number.trim_start();
    let whole = digits(number);
    let fraction = number[whole..]
        .strip_prefix('.')
        .map_or(0, |rest| 1 + digits(rest));
    (whole > 0).then_some(key + whole + fraction)
}
