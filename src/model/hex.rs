//! Bytes as hexadecimal text, two small digits a byte.

/// The text of bytes.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    let pairs = bytes.iter().map(|byte| [digit(byte >> 4), digit(*byte)]);
    pairs.flatten().collect()
}

/// The bytes of a text; `None` when it is none. Capitals are digits too.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let byte = |[high, low]: &[u8; 2]| u8::try_from(value(*high)? << 4 | value(*low)?).ok();
    pairs.iter().map(byte).collect()
}

/// As many bytes as there have to be.
pub fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let all: Vec<u8> = (0..=255).collect();
        let text = encode(&all);
        assert!(text.starts_with("000102") && text.ends_with("fdfeff"));
        assert_eq!(decode(&text), Some(all.clone()));
        assert_eq!(decode(&text.to_uppercase()), Some(all));
        assert_eq!(decode_exactly::<2>("0aff"), Some([10, 255]));
        for wrong in ["0", "0g", "+1", " 1", "é", "0a0"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
        assert_eq!(decode_exactly::<2>("0aff00"), None);
    }
}
