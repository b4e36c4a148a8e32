//! Numbers as they are written: `3.10`, `012`, `0x1f`, `1e3`.
//!
//! As text a number is what stands in the file. As a number it is exactly that, or nothing: a version or an identifier that
//! looks like a number must not become another one.

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
}

/// The number of a text, written as YAML 1.2 knows it; `None` when it is no number, or none that 64 bits hold exactly.
pub fn exact(text: &str) -> Option<Number> {
    let (negative, digits) = unsigned(text);
    if let Some(based) = based(digits) {
        // A sign does not stand before these.
        return based
            .filter(|_| digits.len() == text.len())
            .map(Number::Int);
    }
    if is_digits(digits) {
        let whole = text.parse().ok();
        return whole.map(Number::Int);
    }
    let number: f64 = text.parse().ok()?;
    let shown = format!("{:e}", number.abs());
    let same = number.is_finite() && decimal(digits)? == decimal(&shown)?;
    debug_assert!(!same || negative == number.is_sign_negative());
    same.then_some(Number::Float(number))
}

/// Whether a text is written as a whole number, however large.
pub fn is_whole(text: &str) -> bool {
    let (_, digits) = unsigned(text);
    is_digits(digits) || based(text).is_some() || is_based(text)
}

/// Whether a text is written as a number, however large.
pub fn is_number(text: &str) -> bool {
    is_whole(text) || decimal(unsigned(text).1).is_some()
}

/// A number as flow writes it: as in YAML.
pub fn written(number: Number) -> String {
    match number {
        Number::Int(number) => number.to_string(),
        Number::Float(number) => format!("{number:?}"),
    }
}

fn unsigned(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_based(text: &str) -> bool {
    let digits = |prefix: &str, base: u32| {
        let digits = text.strip_prefix(prefix)?;
        Some(!digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base)))
    };
    digits("0o", 8)
        .or_else(|| digits("0x", 16))
        .unwrap_or(false)
}

/// `0o17` and `0x1f`; none inside when it is too large.
fn based(text: &str) -> Option<Option<i64>> {
    let base = match text.get(..2)? {
        "0o" => 8,
        "0x" => 16,
        _ => return None,
    };
    is_based(text).then(|| i64::from_str_radix(&text[2..], base).ok())
}

/// The digits of a decimal number without zeros around them, and by what power of ten they count; `None` when it is none.
fn decimal(text: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let sign = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if !is_digits(&digits) || !is_digits(sign) {
        return None;
    }
    let places = i64::try_from(fraction.len()).ok()?;
    let exponent: i64 = exponent.parse().ok()?;
    let trimmed = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - trimmed.len()).ok()?;
    let trimmed = trimmed.trim_start_matches('0');
    match trimmed.is_empty() {
        true => Some((String::new(), 0)),
        false => Some((
            trimmed.to_owned(),
            exponent.checked_sub(places)?.checked_add(zeros)?,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_exact_or_none() {
        let whole = [
            ("0", 0),
            ("-0", 0),
            ("+7", 7),
            ("012345678901", 12_345_678_901),
            ("0x1f", 31),
            ("0o17", 15),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ];
        for (text, expected) in whole {
            assert_eq!(exact(text), Some(Number::Int(expected)), "{text}");
            assert!(is_whole(text) && is_number(text), "{text}");
        }
        let others = [
            ("3.10", 3.1),
            (".5", 0.5),
            ("1.", 1.0),
            ("1e3", 1000.0),
            ("-1.50E-2", -0.015),
            ("0.1", 0.1),
            ("0.0", 0.0),
            ("100.0e2", 10_000.0),
        ];
        for (text, expected) in others {
            assert_eq!(exact(text), Some(Number::Float(expected)), "{text}");
            assert!(!is_whole(text) && is_number(text), "{text}");
        }
        for text in [
            "18446744073709551615",
            "0xffffffffffffffff",
            "1e400",
            "3.14159265358979323846",
            "0.1e-400",
            "1e99999999999999999999",
        ] {
            assert_eq!(exact(text), None, "{text}");
        }
        for text in [
            "", "-", ".", "e3", "1_000", "0x", "0o8", "-0x1f", "1e", "1.2.3", ".inf", "nan", "inf",
        ] {
            assert_eq!(exact(text), None, "{text}");
            assert!(!is_number(text) && !is_whole(text), "{text}");
        }
    }

    #[test]
    fn what_flow_writes_is_what_it_reads() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..10_000 {
            let number = match random.bool() {
                true => Number::Int(random.i64(..)),
                false => Number::Float(f64::from_bits(random.u64(..))),
            };
            if matches!(number, Number::Float(number) if !number.is_finite()) {
                continue;
            }
            assert_eq!(exact(&written(number)), Some(number));
        }
    }
}
