//! Lists of names and numbers in sentences, which nobody wants to scroll through.

/// How many names are written out.
const NAMES_MAX: usize = 50;

/// Names one after another, and how many more there are: `a, b, … and 99,950 more`.
pub fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    joined(names, ", ")
}

/// The same with something else between two names.
pub fn joined<T: AsRef<str>>(names: impl IntoIterator<Item = T>, between: &str) -> String {
    let mut names = names.into_iter();
    let mut text = String::new();
    for (number, name) in names.by_ref().take(NAMES_MAX).enumerate() {
        if number > 0 {
            text.push_str(between);
        }
        text.push_str(name.as_ref());
    }
    match names.count() {
        0 => text,
        more => format!("{text} and {} more", grouped(more)),
    }
}

/// A number with its thousands apart: `99,950`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_counted_instead() {
        let names = |count: usize| (1..=count).map(|n| n.to_string());
        assert_eq!(listed(names(3)), "1, 2, 3");
        assert!(listed(names(50)).ends_with("49, 50"));
        assert!(listed(names(100_000)).ends_with("49, 50 and 99,950 more"));
        assert_eq!(listed(names(0)), "");
        assert_eq!(joined(names(2), " -> "), "1 -> 2");
        let numbers = [0, 999, 1000, 99_950, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "99,950", "1,234,567"]);
    }
}
