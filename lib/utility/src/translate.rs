//! The sets of bytes of `tr`: ranges, classes, repetitions, escapes.

use alloc::vec::Vec;

/// Bytes there are.
const BYTES: usize = 256;

/// What is wrong with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetError {
    /// A range whose end lies before its start.
    Backwards,
    /// A class that is not known.
    Class,
    /// There is nothing in a set that has to fill another.
    Empty,
}

/// A set, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    bytes: Vec<u8>,
    /// Where `[x*]` stands, which fills the set up, and what it repeats.
    filler: Option<(usize, u8)>,
}

impl Set {
    /// Reads a set.
    ///
    /// # Errors
    /// [`SetError`].
    pub fn parse(text: &[u8]) -> Result<Self, SetError> {
        let mut set = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(behind) = set.read_bracket(rest)? {
                rest = behind;
                continue;
            }
            let (first, behind) = character(rest);
            rest = behind;
            match rest {
                [b'-', end @ ..] if !end.is_empty() => {
                    let (last, behind) = character(end);
                    if last < first {
                        return Err(SetError::Backwards);
                    }
                    set.bytes.extend(first..=last);
                    rest = behind;
                }
                _ => set.bytes.push(first),
            }
        }
        Ok(set)
    }

    /// Reads `[:class:]`, `[=x=]`, `[x*]` or `[x*n]`; what stands behind it.
    fn read_bracket<'a>(&mut self, text: &'a [u8]) -> Result<Option<&'a [u8]>, SetError> {
        if let Some(rest) = text.strip_prefix(b"[:")
            && let Some(end) = rest.windows(2).position(|pair| pair == b":]")
        {
            let test = class(&rest[..end]).ok_or(SetError::Class)?;
            self.bytes.extend((0..=u8::MAX).filter(test));
            return Ok(Some(&rest[end + 2..]));
        }
        if let [b'[', b'=', byte, b'=', b']', rest @ ..] = text {
            self.bytes.push(*byte);
            return Ok(Some(rest));
        }
        let Some(rest) = text.strip_prefix(b"[").filter(|rest| !rest.is_empty()) else {
            return Ok(None);
        };
        let (byte, rest) = character(rest);
        let Some(rest) = rest.strip_prefix(b"*") else {
            return Ok(None);
        };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some(behind) = rest[digits..].strip_prefix(b"]") else {
            return Ok(None);
        };
        let radix = if rest.first() == Some(&b'0') { 8 } else { 10 };
        let number = core::str::from_utf8(&rest[..digits]).unwrap_or_default();
        match usize::from_str_radix(number, radix).unwrap_or(0) {
            0 => self.filler = Some((self.bytes.len(), byte)),
            // More than there are bytes is of no use.
            count => self
                .bytes
                .extend(core::iter::repeat_n(byte, count.min(BYTES))),
        }
        Ok(Some(behind))
    }

    /// The bytes, in ascending order, that the set does not have.
    #[must_use]
    pub fn complement(&self) -> Self {
        let bytes = (0..=u8::MAX).filter(|byte| !self.bytes.contains(byte));
        Self {
            bytes: bytes.collect(),
            filler: None,
        }
    }

    /// For each byte whether the set has it.
    #[must_use]
    pub fn members(&self) -> [bool; BYTES] {
        let mut members = [false; BYTES];
        for byte in &self.bytes {
            members[usize::from(*byte)] = true;
        }
        members
    }

    /// What each byte becomes when this set's are replaced by `other`'s; the last
    /// of those goes on, or, if `truncates`, what has no partner stays.
    ///
    /// # Errors
    /// [`SetError::Empty`].
    pub fn map_to(&self, other: &Self, truncates: bool) -> Result<[u8; BYTES], SetError> {
        let mut targets = other.bytes.clone();
        if let Some((at, byte)) = other.filler {
            let missing = self.bytes.len().saturating_sub(targets.len());
            targets.splice(at..at, core::iter::repeat_n(byte, missing));
        }
        let mut map = core::array::from_fn(|byte| u8::try_from(byte).unwrap_or_default());
        for (index, byte) in self.bytes.iter().enumerate() {
            let target = match targets.get(index) {
                Some(target) => *target,
                None if truncates => continue,
                None => *targets.last().ok_or(SetError::Empty)?,
            };
            map[usize::from(*byte)] = target;
        }
        Ok(map)
    }
}

/// The first character of a text that has one, an escape resolved.
fn character(text: &[u8]) -> (u8, &[u8]) {
    let [b'\\', escaped, rest @ ..] = text else {
        return (text[0], &text[1..]);
    };
    let byte = match escaped {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'v' => 0x0b,
        b'0'..=b'7' => {
            let digits = &text[1..];
            let count = digits
                .iter()
                .take(3)
                .take_while(|digit| (b'0'..=b'7').contains(digit));
            let mut count = count.count();
            let value = |count: usize| {
                let digits = digits[..count].iter();
                digits.fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'))
            };
            if value(count) > u32::from(u8::MAX) {
                count -= 1;
            }
            let byte = u8::try_from(value(count)).unwrap_or(u8::MAX);
            return (byte, &digits[count..]);
        }
        other => *other,
    };
    (byte, rest)
}

fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| (b' '..=b'~').contains(byte),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | 0x09..=0x0d),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        Set::parse(text.as_bytes()).expect("a set").bytes
    }

    #[test]
    fn sets() {
        assert_eq!(bytes("a-cx"), b"abcx");
        assert_eq!(bytes("[:digit:]"), b"0123456789");
        assert_eq!(bytes(r"\n\t\101\\"), b"\n\tA\\");
        assert_eq!(bytes("a-"), b"a-");
        assert_eq!(bytes("[x*3]y"), b"xxxy");
        assert_eq!(bytes("[a-b]"), b"[ab]");
        assert_eq!(bytes("[=q=]"), b"q");
        assert_eq!(bytes(r"\400"), [0o40, b'0']);
    }

    #[test]
    fn wrong_sets() {
        assert_eq!(Set::parse(b"z-a"), Err(SetError::Backwards));
        assert_eq!(Set::parse(b"[:none:]"), Err(SetError::Class));
    }

    #[test]
    fn maps() {
        let map = |from: &str, to: &str, truncates| {
            let (from, to) = (from.as_bytes(), to.as_bytes());
            let (from, to) = (Set::parse(from).unwrap(), Set::parse(to).unwrap());
            from.map_to(&to, truncates)
        };
        let shown = |map: [u8; BYTES]| [b'a', b'b', b'c'].map(|byte| map[usize::from(byte)]);
        assert_eq!(map("abc", "xy", false).map(shown), Ok(*b"xyy"));
        assert_eq!(map("abc", "xy", true).map(shown), Ok(*b"xyc"));
        assert_eq!(map("abc", "x[y*]z", false).map(shown), Ok(*b"xyz"));
        assert_eq!(map("abc", "", false), Err(SetError::Empty));
    }
}
