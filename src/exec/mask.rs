//! Secrets are replaced with `***` wherever output goes, also where one is cut in two by how it was read.
//!
//! ```text
//!   what was held back + what came ─► find all forms of all secrets ─► cut before what may be the beginning of one
//!                                                                         │ shown          │ held back
//! ```
//!
//! It knows values and bytes; it refuses to know where secrets come from, what the bytes are and where they go.
//!
//! All forms (`forms`) that are found count, overlapping ones too: what is covered by any of them is not shown, and what
//! is covered without a gap is one `***`. The leftmost or longest alone would show the end of a secret whose beginning is
//! the end of another. So what is shown depends on the output alone and not on how it came in pieces.
//!
//! A value of fewer than four bytes would be found everywhere. It is masked only where it stands alone, between bytes that
//! belong to no word: `42` in `pin: 42.`, not in `port 4242`. A value of nothing but white space is not masked at all, and
//! `***` itself is never looked at again: a secret that contains it is as secret as its neighbours make it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::forms::Forms;

/// What is shown in place of a secret.
pub const MASKED: &str = "***";

/// All secrets of a run: a set that grows and is shared by all who show something.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    forms: Forms,
    /// Made when it is first needed after something was added.
    patterns: Option<Arc<Patterns>>,
}

/// Nothing of them, whoever asks.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Masks this value from now on, and all its forms.
    pub fn add(&self, value: &[u8]) {
        let mut known = self.lock();
        known.forms.add(value);
        known.patterns = None;
    }

    /// A message or the tail of an output without secrets.
    pub fn masked(&self, text: &str) -> String {
        if self.patterns().is_none() {
            return text.to_owned();
        }
        let mut mask = Mask::new(self.clone());
        let mut bytes = mask.feed(text.as_bytes()).into_owned();
        bytes.extend(mask.flush());
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// What to look for; `None` when there are no secrets.
    fn patterns(&self) -> Option<Arc<Patterns>> {
        let mut known = self.lock();
        if known.patterns.is_none() && known.forms != Forms::default() {
            known.patterns = Some(Arc::new(Patterns::new(&known.forms)));
        }
        known.patterns.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A set of forms that a panic left unfinished still masks those that it has.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The forms, ready to be found.
struct Patterns {
    finder: AhoCorasick,
    anywhere: Vec<Vec<u8>>,
    alone: Vec<Vec<u8>>,
    /// Which two bytes a form may begin with: most places in an output are looked at no further.
    begins: Vec<bool>,
    longest: usize,
}

impl Patterns {
    fn new(forms: &Forms) -> Self {
        let all = || forms.anywhere.iter().chain(&forms.alone);
        // The other kinds take several times the memory and time to make; a key of 4 KB is too much for them.
        let finder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(all())
            .expect("forms are far fewer than an automaton can hold");
        let mut begins = vec![false; 1 << 16];
        for pair in all().filter_map(|form| pair(form)) {
            begins[pair] = true;
        }
        Self {
            finder,
            anywhere: forms.anywhere.iter().cloned().collect(),
            alone: forms.alone.iter().cloned().collect(),
            begins,
            longest: all().map(Vec::len).max().unwrap_or(0),
        }
    }

    /// What of the text is secret, in order and without overlaps; `known` is what was covered before at its beginning.
    fn covered(&self, text: Text<'_>, known: usize) -> Vec<Range<usize>> {
        let mut covered = Vec::new();
        if known > 0 {
            covered.push(0..known);
        }
        for found in self.finder.find_overlapping_iter(text.bytes) {
            let anywhere = found.pattern().as_usize() < self.anywhere.len();
            if anywhere || text.stands_alone(found.range()) {
                cover(&mut covered, found.range());
            }
        }
        covered
    }

    /// Where the first thing begins that may become a form with what comes next.
    fn undecided(&self, text: Text<'_>) -> usize {
        let end = text.bytes.len();
        let mut starts = end.saturating_sub(self.longest)..end;
        starts
            .find(|start| self.may_begin(text, *start))
            .unwrap_or(end)
    }

    /// Also what is complete: one that must stand alone needs the byte after it.
    fn may_begin(&self, text: Text<'_>, start: usize) -> bool {
        let rest = &text.bytes[start..];
        pair(rest).is_none_or(|pair| self.begins[pair])
            && (begins_one(&self.anywhere, rest)
                || !is_word(text.before(start)) && begins_one(&self.alone, rest))
    }
}

fn pair(bytes: &[u8]) -> Option<usize> {
    let pair = bytes.first_chunk::<2>()?;
    Some(usize::from(u16::from_ne_bytes(*pair)))
}

/// Whether one of the sorted forms begins like this, or is this.
fn begins_one(forms: &[Vec<u8>], beginning: &[u8]) -> bool {
    let first = forms.partition_point(|form| form.as_slice() < beginning);
    forms
        .get(first)
        .is_some_and(|form| form.starts_with(beginning))
}

/// Adds a range that ends where the last one does or behind it.
fn cover(covered: &mut Vec<Range<usize>>, mut range: Range<usize>) {
    while let Some(last) = covered.pop_if(|last| last.end > range.start) {
        range = last.start.min(range.start)..last.end.max(range.end);
    }
    covered.push(range);
}

/// A part of an output.
#[derive(Clone, Copy)]
struct Text<'a> {
    bytes: &'a [u8],
    /// The byte before it.
    before: u8,
    /// Whether nothing comes after it.
    last: bool,
}

impl Text<'_> {
    fn before(self, at: usize) -> u8 {
        at.checked_sub(1).map_or(self.before, |at| self.bytes[at])
    }

    /// What ends where the text does stands alone only if nothing comes after it; otherwise it is looked at again.
    fn stands_alone(self, range: Range<usize>) -> bool {
        let after = self.bytes.get(range.end);
        !is_word(self.before(range.start)) && after.map_or(self.last, |byte| !is_word(*byte))
    }
}

/// Whether the byte can be part of a word; of what is not ASCII it is assumed.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Masks one stream, as it comes.
#[derive(Debug)]
pub struct Mask {
    secrets: Secrets,
    /// What may be the beginning of a secret, or the rest of one.
    held: Held,
    /// How much of the beginning of `held` is covered by the `***` that was shown last.
    covered: usize,
    /// The byte before `held`.
    before: u8,
}

/// Bytes that nobody should see by way of `Debug`.
#[derive(Default)]
struct Held(Vec<u8>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Mask {
    /// For a stream that begins.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            held: Held::default(),
            covered: 0,
            before: b'\n',
        }
    }

    /// What can be shown now that this has come. Only what may be the beginning of a secret is held back.
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.pass(bytes, false)
    }

    /// What was held back; nothing more comes.
    pub fn flush(&mut self) -> Vec<u8> {
        let rest = self.pass(b"", true).into_owned();
        *self = Self::new(self.secrets.clone());
        rest
    }

    fn pass<'a>(&mut self, bytes: &'a [u8], last: bool) -> Cow<'a, [u8]> {
        let Some(patterns) = self.secrets.patterns() else {
            // The byte before what comes next matters should the first secret become known then.
            self.before = bytes.last().copied().unwrap_or(self.before);
            return Cow::Borrowed(bytes);
        };
        let mut held = std::mem::take(&mut self.held.0);
        if held.is_empty() {
            let shown = self.shown(&patterns, bytes, last);
            return shown.map_or_else(|cut| Cow::Borrowed(&bytes[..cut]), Cow::Owned);
        }
        held.extend_from_slice(bytes);
        let shown = self.shown(&patterns, &held, last);
        Cow::Owned(shown.unwrap_or_else(|cut| {
            held.truncate(cut);
            held
        }))
    }

    /// The text up to what is held back, which is put aside; `Err` with its length when it is shown as it is.
    fn shown(&mut self, patterns: &Patterns, bytes: &[u8], last: bool) -> Result<Vec<u8>, usize> {
        let text = Text {
            bytes,
            before: self.before,
            last,
        };
        let covered = patterns.covered(text, self.covered);
        let cut = if last {
            bytes.len()
        } else {
            patterns.undecided(text)
        };
        let was_shown = std::mem::take(&mut self.covered) > 0;
        let gone = covered.iter().take_while(|range| range.start <= cut);
        self.covered = gone.last().map_or(0, |range| range.end.saturating_sub(cut));
        self.before = text.before(cut);
        self.held.0.extend_from_slice(&bytes[cut..]);
        if covered.first().is_none_or(|first| first.start > cut) {
            return Err(cut);
        }
        Ok(without(&bytes[..cut], &covered, was_shown))
    }
}

/// The text with `***` for what is covered; the first was shown before if `was_shown`. A range may begin at the end.
fn without(text: &[u8], covered: &[Range<usize>], was_shown: bool) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len());
    let mut at = 0;
    for (number, range) in covered.iter().enumerate() {
        if range.start > text.len() {
            break;
        }
        shown.extend_from_slice(&text[at..range.start]);
        if number > 0 || !was_shown {
            shown.extend_from_slice(MASKED.as_bytes());
        }
        at = range.end.min(text.len());
    }
    shown.extend_from_slice(&text[at..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        for value in values {
            secrets.add(value.as_bytes());
        }
        secrets
    }

    /// What is shown after each of these pieces, and at the end.
    fn shown(values: &[&str], pieces: &[&str]) -> Vec<String> {
        let mut mask = Mask::new(secrets(values));
        let mut shown: Vec<_> = pieces
            .iter()
            .map(|piece| mask.feed(piece.as_bytes()).into_owned())
            .collect();
        shown.push(mask.flush());
        let text = |bytes| String::from_utf8(bytes).expect("the tests are in ASCII");
        shown.into_iter().map(text).collect()
    }

    #[test]
    fn secrets_are_masked_across_pieces_and_nothing_else_waits() {
        let values = ["hunter2", "hunter2-longer", "tiger"];
        let cases: &[(&[&str], &[&str])] = &[
            (&["a hunter2 b"], &["a *** b", ""]),
            (&["Password: "], &["Password: ", ""]),
            (&["Token hunter2"], &["Token ***", ""]),
            (&["hunter2", "-long", "er!"], &["***", "", "!", ""]),
            (&["hunter2", "-long!"], &["***", "-long!", ""]),
            (&["hunter2", "-long"], &["***", "", "-long"]),
            (&["x hun", "ter", "2y"], &["x ", "", "***y", ""]),
            (&["x hun", "gry"], &["x ", "hungry", ""]),
            (&["hunterhunter2"], &["hunter***", ""]),
            (&["hunter2hunter2"], &["******", ""]),
            (&["ti", "", "ger"], &["", "", "***", ""]),
            (&["x tige"], &["x ", "tige"]),
        ];
        for (pieces, expected) in cases {
            assert_eq!(&shown(&values, pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn overlapping_secrets_are_covered_together() {
        assert_eq!(
            shown(&["abcdef", "defghi"], &["<abcdefghi>"]).concat(),
            "<***>"
        );
        assert_eq!(
            shown(&["abcdef", "cdef"], &["abcdef cdef"]).concat(),
            "*** ***"
        );
        let pieces = ["<abc", "def", "g", "hi>"];
        assert_eq!(shown(&["abcdef", "defghi"], &pieces).concat(), "<***>");
    }

    #[test]
    fn short_secrets_are_masked_where_they_stand_alone() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["pin: 42."], &["pin: ***.", ""]),
            (&["port 4242 42"], &["port 4242 ", "***"]),
            (&["42", "\n"], &["", "***\n", ""]),
            (&["42", "4"], &["", "424", ""]),
            (&["x", "42 _42 42é"], &["x", "42 _42 42é", ""]),
            (&["-", "42-42,4"], &["-", "***-***,", "4"]),
            (&["NDI= 3432"], &["*** ", "***"]),
        ];
        for (pieces, expected) in cases {
            assert_eq!(&shown(&["42"], pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn without_secrets_nothing_is_copied() {
        let mut mask = Mask::new(Secrets::default());
        assert!(matches!(mask.feed(b"anything"), Cow::Borrowed(b"anything")));
        let mut mask = Mask::new(secrets(&["hunter2", "", "\n", "  "]));
        assert!(matches!(mask.feed(b"anything"), Cow::Borrowed(b"anything")));
        assert!(matches!(mask.feed(b"some hu"), Cow::Borrowed(b"some ")));
        assert_eq!(mask.flush(), b"hu");
    }

    #[test]
    fn a_secret_may_become_known_while_output_comes() {
        let secrets = Secrets::default();
        let mut mask = Mask::new(secrets.clone());
        assert_eq!(&*mask.feed(b"tiger x"), b"tiger x");
        secrets.clone().add(b"tiger");
        secrets.add(b"42");
        assert_eq!(&*mask.feed(b"42 tig"), b"42 ");
        secrets.add(b"igel");
        assert_eq!(&*mask.feed(b"elger tiger"), b"t***ger ***");
    }

    #[test]
    fn messages_are_masked_and_debug_says_nothing() {
        let secrets = secrets(&["hunter2", "42"]);
        assert_eq!(
            secrets.masked("no such file: /x/hunter2é"),
            "no such file: /x/***é"
        );
        assert_eq!(secrets.masked("exit 42"), "exit ***");
        assert_eq!(secrets.masked("aHVudGVyMg== hunte"), "*** hunte");
        let mut mask = Mask::new(secrets.clone());
        mask.feed(b"hunter");
        assert!(!format!("{secrets:?} {mask:?}").contains("hunter"));
    }

    /// The same by brute force, of the whole output at once.
    fn expected(forms: &Forms, output: &[u8]) -> Vec<u8> {
        let text = Text {
            bytes: output,
            before: b'\n',
            last: true,
        };
        let mut covered = Vec::new();
        for end in 1..=output.len() {
            let ends = |form: &&Vec<u8>| output[..end].ends_with(form);
            let anywhere = forms.anywhere.iter().filter(ends);
            let alone = forms.alone.iter().filter(ends);
            let alone = alone.filter(|form| text.stands_alone(end - form.len()..end));
            if let Some(longest) = anywhere.chain(alone).map(Vec::len).max() {
                cover(&mut covered, end - longest..end);
            }
        }
        without(output, &covered, false)
    }

    fn random_bytes(random: &mut fastrand::Rng, alphabet: &[u8], length: Range<usize>) -> Vec<u8> {
        (0..random.usize(length))
            .map(|_| *random.choice(alphabet).expect("there are letters"))
            .collect()
    }

    /// Random secrets of few letters, so that they overlap and begin like one another, with what must be escaped.
    fn random_secrets(random: &mut fastrand::Rng) -> (Secrets, Forms) {
        let (secrets, mut forms) = (Secrets::default(), Forms::default());
        let alphabets: [&[u8]; 4] = [
            b"ab",
            b"ab '\"\n/\\",
            b"abcdefgh0123-_",
            b"\x00\x7f\xc3\xa9\xff%",
        ];
        for _ in 0..random.usize(1..4) {
            let alphabet = random.choice(alphabets).expect("there are some");
            let value = random_bytes(random, alphabet, 0..14);
            secrets.add(&value);
            forms.add(&value);
        }
        (secrets, forms)
    }

    fn random_output(random: &mut fastrand::Rng, forms: &Forms) -> Vec<u8> {
        let known: Vec<&Vec<u8>> = forms.anywhere.iter().chain(&forms.alone).collect();
        let mut output = Vec::new();
        for _ in 0..random.usize(0..12) {
            match random.choice(&known) {
                Some(form) if random.bool() => {
                    let part = if random.bool() {
                        0
                    } else {
                        random.usize(0..form.len())
                    };
                    output.extend_from_slice(&form[part..]);
                }
                _ => output.extend(random_bytes(random, b"ab \n='0YWJ", 0..9)),
            }
        }
        output
    }

    fn in_random_pieces(random: &mut fastrand::Rng, secrets: &Secrets, output: &[u8]) -> Vec<u8> {
        let mut mask = Mask::new(secrets.clone());
        let (mut shown, mut rest) = (Vec::new(), output);
        let most = random.usize(1..20);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.usize(0..=most.min(rest.len())));
            shown.extend_from_slice(&mask.feed(piece));
            let longest = mask.secrets.patterns().map_or(0, |all| all.longest);
            assert!(mask.held.0.len() <= longest);
            rest = after;
        }
        shown.extend(mask.flush());
        assert!(mask.held.0.is_empty() && mask.flush().is_empty());
        shown
    }

    #[test]
    fn whatever_the_pieces_exactly_the_secrets_are_masked() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (secrets, forms) = random_secrets(&mut random);
            let output = random_output(&mut random, &forms);
            let expected = expected(&forms, &output);
            for form in &forms.anywhere {
                let found = expected
                    .windows(form.len())
                    .any(|window| window == form.as_slice());
                assert!(!found, "seed {seed}: {form:?}");
            }
            for _ in 0..8 {
                let shown = in_random_pieces(&mut random, &secrets, &output);
                assert_eq!(
                    shown.escape_ascii().to_string(),
                    expected.escape_ascii().to_string(),
                    "seed {seed}: {}",
                    output.escape_ascii()
                );
            }
        }
    }
}
