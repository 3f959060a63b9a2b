//! Integers as `strtol` reads them: sign, `0x` and `0` prefixes, or a quote.

/// An integer, and whether the whole text was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) value: i128,
    pub(crate) is_whole: bool,
}

/// Reads as much of a text as is an integer constant; a quote in front gives the
/// code of the character behind it.
pub(crate) fn parse(text: &str) -> Parsed {
    if let Some(quoted) = text.strip_prefix(['\'', '"']) {
        let value = quoted
            .chars()
            .next()
            .map_or(0, |first| i128::from(u32::from(first)));
        return Parsed {
            value,
            is_whole: true,
        };
    }
    let trimmed = text.trim_start();
    let (is_negative, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (radix, digits) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(digits) => (16, digits),
        None if digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let end = digits
        .find(|character: char| !character.is_digit(radix))
        .unwrap_or(digits.len());
    let magnitude = i128::from_str_radix(&digits[..end], radix);
    Parsed {
        value: magnitude.map_or(0, |value| if is_negative { -value } else { value }),
        is_whole: end == digits.len() && end > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants() {
        let value = |text| (parse(text).value, parse(text).is_whole);
        assert_eq!(value("12"), (12, true));
        assert_eq!(value("-0x1F"), (-31, true));
        assert_eq!(value("010"), (8, true));
        assert_eq!(value("+0"), (0, true));
        assert_eq!(value("12x"), (12, false));
        assert_eq!(value("x"), (0, false));
        assert_eq!(value(""), (0, false));
        assert_eq!(value("'A"), (65, true));
        assert_eq!(value(" 5"), (5, true));
    }
}
