//! Long lists in a script: its positional parameters, so that the script stays short.
//!
//! Each other value is a variable of its own with a reference in the script, and the system takes no script of more than 128 KiB.
//! The shell is handed the items of the list instead, and `"$@"` stands for them, where the script has no use of its own for
//! its positional parameters. It knows pieces of text; it runs nothing.

use std::ops::RangeInclusive;

use super::shell::{How, Spot};
use super::text::{Part, Written};

/// What stands for all of them.
pub(super) const ALL: &[u8] = b"\"$@\"";

/// From how many items on a list is long.
const ITEMS_MIN: usize = 200;

/// Words after which the positional parameters are others.
const CHANGES: [&[u8]; 5] = [b"shift", b"function", b".", b"source", b"eval"];

/// The pieces that become positional parameters: items, with a space between each two. The same list may stand several times.
#[derive(Debug)]
pub(super) struct Lists(Vec<RangeInclusive<usize>>);

/// What a piece is to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The first item of a list; the shell has to be handed it, or has it already from where the list stood before.
    First {
        /// It stands here for the first time.
        new: bool,
    },
    /// A later item, or what is between two.
    Later {
        /// It stands here for the first time.
        new: bool,
    },
}

impl Lists {
    /// What a piece is; `None` when it is no part of them.
    pub(super) fn part(&self, piece: usize) -> Option<Item> {
        let (number, list) = self
            .0
            .iter()
            .enumerate()
            .find(|(_, list)| list.contains(&piece))?;
        let new = number == 0;
        Some(match *list.start() == piece {
            true => Item::First { new },
            false => Item::Later { new },
        })
    }
}

/// The longest list among the pieces of a script, wherever it stands, if it is long and can be handed over so.
pub(super) fn lists(outline: &[u8], pieces: &Written, spots: &[Spot]) -> Option<Lists> {
    if spots.len() < ITEMS_MIN || uses_its_own(outline) {
        return None;
    }
    let all = in_rows(pieces, spots);
    let longest = all
        .iter()
        .max_by_key(|list| list.end() - list.start())?
        .clone();
    if (longest.end() - longest.start()) / 2 + 1 < ITEMS_MIN {
        return None;
    }
    let first = &pieces.all[longest];
    let same = |list: &RangeInclusive<usize>| &pieces.all[list.clone()] == first;
    Some(Lists(all.into_iter().filter(same).collect()))
}

/// The rows of words, each an item and nothing else.
fn in_rows(pieces: &Written, spots: &[Spot]) -> Vec<RangeInclusive<usize>> {
    let mut spots = spots.iter();
    let mut rows: Vec<RangeInclusive<usize>> = Vec::new();
    for (number, piece) in pieces.all.iter().enumerate() {
        let Part::Data(data) = piece else {
            continue;
        };
        let bare = spots.next().is_some_and(|spot| spot.how == How::Bare);
        // What everybody sees in the list of processes is no secret.
        if !bare || data.secret || !ends_before(pieces, number) {
            continue;
        }
        let between = |code: &Part| matches!(code, Part::Code(code) if code == " ");
        match rows.last_mut() {
            Some(row) if row.end() + 2 == number && between(&pieces.all[number - 1]) => {
                *row = *row.start()..=number;
            }
            _ if begins_after(pieces, number) => rows.push(number..=number),
            _ => {}
        }
    }
    rows
}

/// Whether a word begins with this piece, and is no target of a redirection.
fn begins_after(pieces: &Written, number: usize) -> bool {
    match number.checked_sub(1).map(|before| &pieces.all[before]) {
        None => true,
        Some(Part::Code(code)) => {
            let text = code.trim_end_matches([' ', '\t']);
            text.len() < code.len() && !text.ends_with(['<', '>', '&', '|', '\\'])
                || code.ends_with('\n') && !code.ends_with("\\\n")
        }
        Some(Part::Data(_)) => false,
    }
}

/// Whether the word ends with this piece.
fn ends_before(pieces: &Written, number: usize) -> bool {
    match pieces.all.get(number + 1) {
        None => true,
        Some(Part::Code(code)) => code.starts_with([' ', '\t', '\n', ';', '|', '&', ')']),
        Some(Part::Data(_)) => false,
    }
}

/// Whether a command is a `set` of more than options.
fn sets(command: &[u8]) -> bool {
    let words = command.split(|byte| byte.is_ascii_whitespace() || b"\"'".contains(byte));
    let mut words = words
        .filter(|word| !word.is_empty())
        .skip_while(|word| *word != b"set")
        .skip(1);
    let is_option = |word: &[u8]| word.len() > 1 && b"-+".contains(&word[0]) && word != b"--";
    while let Some(word) = words.next() {
        if !is_option(word) {
            return true;
        }
        if word.ends_with(b"o") {
            words.next();
        }
    }
    false
}

/// Whether a script reads or changes its positional parameters, or may.
fn uses_its_own(outline: &[u8]) -> bool {
    let reads = |pair: &[u8]| {
        pair[0] == b'$'
            && (b"@*#".contains(&pair[1]) || pair[1].is_ascii_digit() && pair[1] != b'0')
    };
    let braced = |triple: &[u8]| {
        triple.starts_with(b"${") && (b"@*#!".contains(&triple[2]) || triple[2].is_ascii_digit())
    };
    let function = |at: usize| {
        let behind = outline[at + 1..]
            .iter()
            .find(|byte| !matches!(byte, b' ' | b'\t'));
        outline[at] == b'(' && behind == Some(&b')')
    };
    outline.windows(2).any(reads)
        || (0..outline.len()).any(function)
        || outline.windows(3).any(braced)
        || outline.split(|byte| b"\n;&|(){}`".contains(byte)).any(sets)
        || outline
            .split(|byte| byte.is_ascii_whitespace() || b";&|(){}`\"'\0".contains(byte))
            .any(|word| CHANGES.contains(&word))
}
