//! "Did you mean": the nearest of the names that would have been right.
//!
//! It compares words and knows nothing about them. How much it compares is limited, so that a file full of mistakes is
//! still answered at once.

/// How many comparisons are made for one file.
const COMPARISONS_MAX: usize = 200_000;
/// The longest word that is worth a comparison, in bytes.
const WORD_BYTES_MAX: usize = 64;

/// Finds near names until its budget is spent.
#[derive(Debug)]
pub struct Suggest {
    left: usize,
}

impl Default for Suggest {
    fn default() -> Self {
        Self::new()
    }
}

impl Suggest {
    /// With a budget for one file.
    pub fn new() -> Self {
        Self {
            left: COMPARISONS_MAX,
        }
    }

    /// The candidate that is most like this word, if one is like it at all.
    pub fn nearest<'c>(
        &mut self,
        word: &str,
        candidates: impl Iterator<Item = &'c str>,
    ) -> Option<&'c str> {
        if word.len() > WORD_BYTES_MAX {
            return None;
        }
        let wanted = folded(word);
        let allowed = (wanted.chars().count() / 3).min(4);
        let mut best: Option<(usize, &str)> = None;
        for candidate in candidates
            .filter(|c| c.len().abs_diff(word.len()) <= allowed * 2 && c.len() <= WORD_BYTES_MAX)
        {
            self.left = self.left.checked_sub(1)?;
            let distance = strsim::osa_distance(&wanted, &folded(candidate));
            if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
    }
}

/// Differences in case and between `-` and `_` are none.
fn folded(word: &str) -> String {
    word.chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c == '-' { '_' } else { c })
        .collect()
}
