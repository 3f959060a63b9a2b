//! How `sort` compares lines: keys, and what is looked at in them.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::numeric;

/// How a key is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each option")]
pub struct Style {
    /// As numbers (`n`).
    pub is_numeric: bool,
    /// Backwards (`r`).
    pub is_reversed: bool,
    /// Small letters as large ones (`f`).
    pub folds_case: bool,
    /// Letters, digits and blanks only (`d`).
    pub is_dictionary: bool,
    /// Printable bytes only (`i`).
    pub is_printable: bool,
    /// Without the blanks in front of its start (`b`).
    pub skips_blanks: bool,
}

impl Style {
    /// Adds what a letter stands for; whether it is one.
    pub fn add(&mut self, letter: char) -> bool {
        let switch = match letter {
            'n' => &mut self.is_numeric,
            'r' => &mut self.is_reversed,
            'f' => &mut self.folds_case,
            'd' => &mut self.is_dictionary,
            'i' => &mut self.is_printable,
            'b' => &mut self.skips_blanks,
            _ => return false,
        };
        *switch = true;
        true
    }

    fn compare(self, one: &[u8], other: &[u8]) -> Ordering {
        let order = if self.is_numeric {
            numeric::compare(one, other)
        } else if self.folds_case || self.is_dictionary || self.is_printable {
            self.seen(one).cmp(self.seen(other))
        } else {
            one.cmp(other)
        };
        if self.is_reversed {
            order.reverse()
        } else {
            order
        }
    }

    fn seen(self, text: &[u8]) -> impl Iterator<Item = u8> {
        let bytes = text.iter().filter(move |byte| {
            let is_word = byte.is_ascii_alphanumeric() || is_blank(byte);
            (is_word || !self.is_dictionary)
                && ((b' '..=b'~').contains(*byte) || !self.is_printable)
        });
        bytes.map(move |byte| match self.folds_case {
            true => byte.to_ascii_uppercase(),
            false => *byte,
        })
    }
}

/// A field and a byte in it, both from 1; byte 0: the field's end.
type Position = (usize, usize);

/// A part of a line that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    start: Position,
    /// None: the line's end.
    end: Option<Position>,
    start_skips_blanks: bool,
    end_skips_blanks: bool,
    /// Its own; a key without letters takes the order's.
    style: Option<Style>,
}

impl Key {
    /// Reads `F[.C][letters][,F[.C][letters]]`; none if it is not that.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (start, end) = match text.split_once(',') {
            Some((start, end)) => (start, Some(end)),
            None => (text, None),
        };
        let mut style = Style::default();
        let (start, start_skips_blanks) = position(start, 1, &mut style)?;
        let end = match end {
            Some(end) => Some(position(end, 0, &mut style)?),
            None => None,
        };
        if start.1 == 0 {
            return None;
        }
        let end_skips_blanks = end.is_some_and(|(_, skips)| skips);
        let has_letters = style != Style::default() || start_skips_blanks || end_skips_blanks;
        Some(Self {
            start,
            end: end.map(|(end, _)| end),
            start_skips_blanks,
            end_skips_blanks,
            style: has_letters.then_some(style),
        })
    }
}

/// Reads `F[.C][letters]`: the position, and whether `b` is among the letters.
fn position(text: &str, default: usize, style: &mut Style) -> Option<(Position, bool)> {
    let end = text.find(|character: char| character.is_ascii_alphabetic());
    let (numbers, letters) = text.split_at(end.unwrap_or(text.len()));
    let (field, byte) = match numbers.split_once('.') {
        Some((field, byte)) => (field.parse().ok()?, byte.parse().ok()?),
        None => (numbers.parse().ok()?, default),
    };
    let mut skips_blanks = false;
    for letter in letters.chars() {
        match letter {
            'b' => skips_blanks = true,
            other if style.add(other) => {}
            _ => return None,
        }
    }
    (field > 0).then_some(((field, byte), skips_blanks))
}

/// How lines are compared.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Of lines, and of keys that have none of their own.
    pub style: Style,
    /// What is compared, the first that differs deciding; none: the line.
    pub keys: Vec<Key>,
    /// Between fields; none: where blanks begin.
    pub separator: Option<u8>,
    /// Equal keys are not told apart by the whole line.
    pub is_stable: bool,
}

impl Order {
    /// Compares two lines by their keys.
    #[must_use]
    pub fn compare_keys(&self, one: &[u8], other: &[u8]) -> Ordering {
        if self.keys.is_empty() {
            let whole = |line| match self.style.skips_blanks {
                true => without_blanks(line),
                false => line,
            };
            return self.style.compare(whole(one), whole(other));
        }
        let orders = self.keys.iter().map(|key| {
            let style = key.style.unwrap_or(self.style);
            style.compare(self.part(one, key), self.part(other, key))
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }

    /// Compares two lines; those with equal keys in the order of all their bytes, as
    /// POSIX wants.
    #[must_use]
    pub fn compare(&self, one: &[u8], other: &[u8]) -> Ordering {
        let order = self.compare_keys(one, other);
        if self.is_stable || order != Ordering::Equal {
            return order;
        }
        match self.style.is_reversed {
            true => other.cmp(one),
            false => one.cmp(other),
        }
    }

    fn part<'a>(&self, line: &'a [u8], key: &Key) -> &'a [u8] {
        let inherits = key.style.is_none() && self.style.skips_blanks;
        let (field, byte) = key.start;
        let mut start = self.field_start(line, field);
        if key.start_skips_blanks || inherits {
            start += blanks(&line[start..]);
        }
        let start = start.saturating_add(byte - 1).min(line.len());
        let end = match key.end {
            None => line.len(),
            Some((field, 0)) => self.field_end(line, field),
            Some((field, byte)) => {
                let mut end = self.field_start(line, field);
                if key.end_skips_blanks || inherits {
                    end += blanks(&line[end..]);
                }
                end.saturating_add(byte).min(line.len())
            }
        };
        &line[start..end.max(start)]
    }

    /// Where a field begins; without a separator, with the blanks before it.
    fn field_start(&self, line: &[u8], field: usize) -> usize {
        if field == 1 {
            return 0;
        }
        let end = self.field_end(line, field - 1);
        match self.separator {
            Some(_) if end < line.len() => end + 1,
            _ => end,
        }
    }

    fn field_end(&self, line: &[u8], field: usize) -> usize {
        let mut end = 0;
        for number in 1..=field {
            let skipped = match self.separator {
                Some(_) => usize::from(number > 1),
                None => blanks(&line[end..]),
            };
            let rest = line[end..].iter().skip(skipped);
            let length = match self.separator {
                Some(separator) => rest.take_while(|byte| **byte != separator).count(),
                None => rest.take_while(|byte| !is_blank(byte)).count(),
            };
            end = (end + skipped + length).min(line.len());
            if end == line.len() {
                break;
            }
        }
        end
    }
}

const fn is_blank(byte: &u8) -> bool {
    matches!(*byte, b' ' | b'\t')
}

/// How many blanks a text begins with.
fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_blank(byte)).count()
}

fn without_blanks(text: &[u8]) -> &[u8] {
    &text[blanks(text)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(keys: &[&str], separator: Option<u8>) -> Order {
        Order {
            keys: keys
                .iter()
                .map(|key| Key::parse(key).expect("a key"))
                .collect(),
            separator,
            ..Order::default()
        }
    }

    fn part<'a>(key: &str, separator: Option<u8>, line: &'a str) -> &'a [u8] {
        let order = order(&[key], separator);
        order.part(line.as_bytes(), &order.keys[0])
    }

    #[test]
    fn parts() {
        assert_eq!(part("2", Some(b':'), "a:b:c"), b"b:c");
        assert_eq!(part("2,2", Some(b':'), "a:b:c"), b"b");
        assert_eq!(part("2.2,2.3", Some(b':'), "a:bcde:f"), b"cd");
        assert_eq!(part("2", None, "a  b c"), b"  b c");
        assert_eq!(part("2b,2", None, "a  b c"), b"b");
        assert_eq!(part("9", None, "a b"), b"");
        assert_eq!(part("1.9", None, "ab"), b"");
        assert_eq!(part("2,1", Some(b':'), "a:b"), b"");
    }

    #[test]
    fn no_keys() {
        for text in ["", "0", "x", "1x", "1,", "1.0", "-1"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }

    #[test]
    fn later_keys_decide_ties() {
        let order = order(&["1,1", "2n"], None);
        assert_eq!(order.compare(b"a 10", b"a 9"), Ordering::Greater);
        assert_eq!(order.compare(b"a 10", b"b 9"), Ordering::Less);
    }
}
