//! Numbers compared by their digits, of any length, as `sort -n` wants it.

use core::cmp::Ordering;

/// A number at the beginning of a text: sign, digits, fraction.
struct Number<'a> {
    is_negative: bool,
    /// Without zeros in front.
    whole: &'a [u8],
    /// Without zeros at the end.
    fraction: &'a [u8],
}

/// Compares the numbers two texts begin with; no number is 0.
#[must_use]
pub fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let (one, other) = (Number::parse(one), Number::parse(other));
    match (one.is_negative, other.is_negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => one.compare_size(&other),
        (true, true) => other.compare_size(&one),
    }
}

impl<'a> Number<'a> {
    fn parse(text: &'a [u8]) -> Self {
        let text = &text[count(text, |byte| matches!(byte, b' ' | b'\t' | b'\n'))..];
        let (has_sign, digits) = match text.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, rest) = digits.split_at(count(digits, |byte| byte.is_ascii_digit()));
        let fraction = rest.strip_prefix(b".").unwrap_or_default();
        let fraction = &fraction[..count(fraction, |byte| byte.is_ascii_digit())];
        let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0');
        let fraction = &fraction[..fraction.len() - zeros.count()];
        let whole = &whole[count(whole, |byte| byte == b'0')..];
        Self {
            // There is no negative zero.
            is_negative: has_sign && !(whole.is_empty() && fraction.is_empty()),
            whole,
            fraction,
        }
    }

    fn compare_size(&self, other: &Self) -> Ordering {
        let lengths = self.whole.len().cmp(&other.whole.len());
        let whole = lengths.then_with(|| self.whole.cmp(other.whole));
        whole.then_with(|| self.fraction.cmp(other.fraction))
    }
}

/// How many bytes at the beginning are such.
fn count(text: &[u8], is_such: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_such(**byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length() {
        let less = [
            ("9007199254740992", "9007199254740993"),
            ("10.0.0.1", "10.1"),
            ("9", "10.0.0.1"),
            ("-2", "-1"),
            ("-1", "x"),
            ("0.10", "0.2"),
            ("99999999999999999999998", "99999999999999999999999"),
        ];
        for (one, other) in less {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            assert_eq!(compare(one, other), Ordering::Less);
            assert_eq!(compare(other, one), Ordering::Greater);
        }
        for (one, other) in [("-0", "0"), ("x", ""), ("1.50", "01.5"), (" 7", "7z")] {
            assert_eq!(compare(one.as_bytes(), other.as_bytes()), Ordering::Equal);
        }
    }
}
