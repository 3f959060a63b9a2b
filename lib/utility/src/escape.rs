//! Backslash sequences of `echo`, of `printf`'s format and of its `%b`.

use alloc::vec::Vec;

/// Where a text with backslashes stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A format: octal numbers as `\ddd`; `\c` is nothing special.
    Format,
    /// An argument of `echo` or `%b`: octal numbers as `\0ddd`; `\c` ends the output.
    Argument,
}

/// What a text stands for; `true` if `\c` ended it and all output.
#[must_use]
pub fn expand(text: &str, place: Place) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        match one(rest, place) {
            Some(Sequence::Byte(byte, length)) => {
                bytes.push(byte);
                rest = &rest[length..];
            }
            Some(Sequence::End) => return (bytes, true),
            None => {
                bytes.push(b'\\');
                rest = &rest[1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    (bytes, false)
}

/// What a backslash begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// A byte, written with so many characters.
    Byte(u8, usize),
    /// The end of all output.
    End,
}

/// What the backslash at the start of `text` begins; `None` if it is only itself.
pub(crate) fn one(text: &str, place: Place) -> Option<Sequence> {
    let bytes = text.as_bytes();
    let byte = match *bytes.get(1)? {
        b'\\' => b'\\',
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'c' if place == Place::Argument => return Some(Sequence::End),
        b'0' if place == Place::Argument => return Some(octal(&bytes[2..], 2)),
        b'0'..=b'7' => return Some(octal(&bytes[1..], 1)),
        _ => return None,
    };
    Some(Sequence::Byte(byte, 2))
}

/// Up to three octal digits, behind `before` other characters.
fn octal(bytes: &[u8], before: usize) -> Sequence {
    let digits = bytes.iter().take(3);
    let digits = digits.take_while(|digit| matches!(digit, b'0'..=b'7'));
    let (value, count) = digits.fold((0_u16, 0), |(value, count), digit| {
        (value * 8 + u16::from(digit - b'0'), count + 1)
    });
    Sequence::Byte(value.to_le_bytes()[0], before + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(text: &str) -> (Vec<u8>, bool) {
        expand(text, Place::Argument)
    }

    #[test]
    fn letters_and_octal_numbers() {
        assert_eq!(argument(r"a\tb\n"), (b"a\tb\n".to_vec(), false));
        assert_eq!(argument(r"\0101\012x"), (b"A\nx".to_vec(), false));
        assert_eq!(expand(r"\101\60", Place::Format), (b"A0".to_vec(), false));
        assert_eq!(argument(r"\0400"), (vec![0], false));
    }

    #[test]
    fn other_backslashes_are_themselves() {
        assert_eq!(argument(r"\q\"), (br"\q\".to_vec(), false));
        assert_eq!(argument("\\\u{e9}"), ("\\\u{e9}".into(), false));
    }

    #[test]
    fn an_end() {
        assert_eq!(argument(r"ab\cd"), (b"ab".to_vec(), true));
        assert_eq!(expand(r"a\c", Place::Format), (br"a\c".to_vec(), false));
    }

    use alloc::vec;
}
