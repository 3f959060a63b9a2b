//! The formatting of `printf`.
//!
//! The format is used again while arguments are left. Floating-point conversions are
//! not supported: `printf` says so rather than printing something else.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::escape::{self, Place, Sequence};
use crate::number;

/// Bytes printed at most: the output is made before it is written.
const OUTPUT_LIMIT: usize = 4 << 20;

/// Complaints at most.
const COMPLAINTS: usize = 100;

/// What `printf` prints, complains of, and ends with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formatted {
    /// For standard output.
    pub output: Vec<u8>,
    /// For standard error, each a line.
    pub complaints: Vec<String>,
}

impl Formatted {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> i32 {
        i32::from(!self.complaints.is_empty())
    }
}

/// Formats arguments.
#[must_use]
pub fn format(format: &str, arguments: &[&str]) -> Formatted {
    let mut printer = Printer {
        formatted: Formatted::default(),
        arguments,
        next: 0,
        is_over: false,
    };
    loop {
        let before = printer.next;
        printer.pass(format);
        let is_used = printer.next > before;
        if printer.is_over || !is_used || printer.next >= arguments.len() {
            return printer.formatted;
        }
    }
}

/// A conversion specification, without its letter.
#[derive(Clone, Debug, Default)]
struct Specification {
    is_left: bool,
    has_sign: bool,
    has_blank: bool,
    is_alternate: bool,
    is_zero_padded: bool,
    width: usize,
    precision: Option<usize>,
}

struct Printer<'a> {
    formatted: Formatted,
    arguments: &'a [&'a str],
    next: usize,
    is_over: bool,
}

impl<'a> Printer<'a> {
    /// Uses the format once.
    fn pass(&mut self, format: &str) {
        let mut rest = format;
        while !rest.is_empty() && !self.is_over {
            let plain = rest.find(['\\', '%']).unwrap_or(rest.len());
            self.push(&rest.as_bytes()[..plain]);
            rest = &rest[plain..];
            if rest.starts_with('\\') {
                let length = self.backslash(rest);
                rest = &rest[length..];
            } else if let Some(behind) = rest.strip_prefix("%%") {
                self.push(b"%");
                rest = behind;
            } else if !rest.is_empty() {
                rest = self.conversion(&rest[1..]);
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.has_room(bytes.len()) {
            self.formatted.output.extend_from_slice(bytes);
        }
    }

    /// Whether there is room for so much more output; if not, it is over.
    fn has_room(&mut self, more: usize) -> bool {
        let has_room = self.formatted.output.len() + more <= OUTPUT_LIMIT;
        if !has_room && !self.is_over {
            self.is_over = true;
            let complaint = format!("the output is too long: more than {OUTPUT_LIMIT} bytes");
            self.formatted.complaints.push(complaint);
        }
        has_room
    }

    fn complain(&mut self, complaint: String) {
        // Each argument may be wrong, and nobody reads that many lines.
        if self.formatted.complaints.len() < COMPLAINTS {
            self.formatted.complaints.push(complaint);
        }
    }

    /// Prints what a backslash begins; how many bytes that is.
    fn backslash(&mut self, rest: &str) -> usize {
        match escape::one(rest, Place::Format) {
            Some(Sequence::Byte(byte, length)) => {
                self.push(&[byte]);
                length
            }
            _ => {
                self.push(b"\\");
                1
            }
        }
    }

    fn take(&mut self) -> Option<&'a str> {
        let argument = self.arguments.get(self.next).copied();
        // Counted also where there is none: the format asked for it.
        self.next += 1;
        argument
    }

    /// One conversion; the format behind it.
    fn conversion<'f>(&mut self, format: &'f str) -> &'f str {
        let (specification, rest) = self.specification(format);
        let Some(letter) = rest.chars().next() else {
            self.complain("%: a conversion is missing behind it".into());
            self.is_over = true;
            return "";
        };
        match letter {
            's' => {
                let text = self.take().unwrap_or_default();
                self.text(text.as_bytes(), &specification);
            }
            'b' => {
                let text = self.take().unwrap_or_default();
                let (bytes, is_end) = escape::expand(text, Place::Argument);
                self.text(&bytes, &specification);
                self.is_over = is_end;
            }
            'c' => {
                let text = self.take().unwrap_or_default();
                let end = text.chars().next().map_or(0, char::len_utf8);
                self.text(&text.as_bytes()[..end], &specification);
            }
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => self.integer(letter, &specification),
            _ => {
                self.complain(format!("%{letter}: not a supported conversion"));
                self.is_over = true;
            }
        }
        &rest[letter.len_utf8()..]
    }

    fn specification<'f>(&mut self, format: &'f str) -> (Specification, &'f str) {
        let mut specification = Specification::default();
        let flags_end = format
            .find(|character| !"-+ #0".contains(character))
            .unwrap_or(format.len());
        for flag in format[..flags_end].chars() {
            match flag {
                '-' => specification.is_left = true,
                '+' => specification.has_sign = true,
                ' ' => specification.has_blank = true,
                '#' => specification.is_alternate = true,
                _ => specification.is_zero_padded = true,
            }
        }
        let (width, mut rest) = self.length(&format[flags_end..]);
        if let Some(width) = width {
            specification.is_left |= width < 0;
            specification.width = bounded(width.unsigned_abs());
        }
        if let Some(behind) = rest.strip_prefix('.') {
            let (precision, behind) = self.length(behind);
            let precision = precision.unwrap_or(0);
            specification.precision = (precision >= 0).then(|| bounded(precision.unsigned_abs()));
            rest = behind;
        }
        (specification, rest)
    }

    /// A width or precision: digits, or `*` for an argument.
    fn length<'f>(&mut self, format: &'f str) -> (Option<i64>, &'f str) {
        if let Some(rest) = format.strip_prefix('*') {
            let value = self.number();
            return (Some(i64::try_from(value).unwrap_or(0)), rest);
        }
        let end = format
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(format.len());
        (format[..end].parse().ok(), &format[end..])
    }

    /// The next argument as an integer; a wrong one is complained of.
    fn number(&mut self) -> i128 {
        let Some(text) = self.take() else { return 0 };
        let parsed = number::parse(text);
        if !parsed.is_whole {
            let complaint = match parsed.value == 0 && !text.starts_with(['0', '-', '+']) {
                true => format!("{text}: expected a number"),
                false => format!("{text}: not completely a number"),
            };
            self.complain(complaint);
        }
        parsed.value
    }

    fn text(&mut self, bytes: &[u8], specification: &Specification) {
        let shown = &bytes[..bytes
            .len()
            .min(specification.precision.unwrap_or(bytes.len()))];
        let padding = specification.width.saturating_sub(shown.len());
        if !specification.is_left {
            self.pad(b' ', padding);
        }
        self.push(shown);
        if specification.is_left {
            self.pad(b' ', padding);
        }
    }

    fn pad(&mut self, byte: u8, count: usize) {
        if self.has_room(count) {
            let length = self.formatted.output.len() + count;
            self.formatted.output.resize(length, byte);
        }
    }

    fn integer(&mut self, letter: char, specification: &Specification) {
        let is_signed = matches!(letter, 'd' | 'i');
        let value = self.in_range(is_signed);
        // An unsigned conversion shows the bits of a negative number.
        let bits = i64::try_from(value).map_or_else(
            |_| u64::try_from(value).unwrap_or(u64::MAX),
            i64::cast_unsigned,
        );
        let mut digits = match letter {
            'd' | 'i' => value.unsigned_abs().to_string(),
            'u' => bits.to_string(),
            'o' => format!("{bits:o}"),
            'x' => format!("{bits:x}"),
            _ => format!("{bits:X}"),
        };
        if specification.precision == Some(0) && value == 0 {
            digits.clear();
        }
        if let Some(precision) = specification.precision {
            digits.insert_str(0, &"0".repeat(precision.saturating_sub(digits.len())));
        }
        let prefix = match letter {
            'd' | 'i' if value < 0 => "-",
            'd' | 'i' if specification.has_sign => "+",
            'd' | 'i' if specification.has_blank => " ",
            'o' if specification.is_alternate && !digits.starts_with('0') => "0",
            'x' if specification.is_alternate && value != 0 => "0x",
            'X' if specification.is_alternate && value != 0 => "0X",
            _ => "",
        };
        self.padded(prefix, &digits, specification);
    }

    fn in_range(&mut self, is_signed: bool) -> i128 {
        let value = self.number();
        let most = i128::from(if is_signed {
            i64::MAX.cast_unsigned()
        } else {
            u64::MAX
        });
        let bounded = value.clamp(i128::from(i64::MIN), most);
        if bounded != value {
            self.complain(format!("{value}: too large"));
        }
        bounded
    }

    fn padded(&mut self, prefix: &str, digits: &str, specification: &Specification) {
        let length = prefix.len() + digits.len();
        let padding = specification.width.saturating_sub(length);
        let has_zeros = specification.is_zero_padded
            && !specification.is_left
            && specification.precision.is_none();
        if !specification.is_left && !has_zeros {
            self.pad(b' ', padding);
        }
        self.push(prefix.as_bytes());
        if has_zeros {
            self.pad(b'0', padding);
        }
        self.push(digits.as_bytes());
        if specification.is_left {
            self.pad(b' ', padding);
        }
    }
}

/// A width or precision as far as it may go: more is no formatting but an attack.
fn bounded(length: u64) -> usize {
    const MOST: usize = 1 << 20;
    usize::try_from(length).map_or(MOST, |length| length.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(specification: &str, arguments: &[&str]) -> String {
        let formatted = format(specification, arguments);
        assert_eq!(formatted.complaints, [] as [String; 0]);
        String::from_utf8(formatted.output).expect("tests print text")
    }

    #[test]
    fn strings() {
        assert_eq!(text("%s-%s\\n", &["a", "b"]), "a-b\n");
        assert_eq!(
            text("[%5s][%-5s][%.2s]", &["ab", "cd", "efg"]),
            "[   ab][cd   ][ef]"
        );
        assert_eq!(text("[%*s][%-*s]", &["4", "a", "3", "b"]), "[   a][b  ]");
        assert_eq!(text("%b|%c", &["a\\tb", "xyz"]), "a\tb|x");
        assert_eq!(text("100%%", &[]), "100%");
    }

    #[test]
    fn integers() {
        assert_eq!(text("%d %i %u", &["-5", "0x10", "7"]), "-5 16 7");
        assert_eq!(
            text("%5d|%-5d|%05d|%+d|% d", &["1", "2", "3", "4", "5"]),
            "    1|2    |00003|+4| 5"
        );
        assert_eq!(
            text("%x %X %o %#x %#o", &["255", "255", "8", "255", "8"]),
            "ff FF 10 0xff 010"
        );
        assert_eq!(text("%.3d %d", &["7", "'A"]), "007 65");
        assert_eq!(text("%x", &["-1"]), "ffffffffffffffff");
    }

    #[test]
    fn the_format_is_used_again() {
        assert_eq!(text("%s,", &["a", "b", "c"]), "a,b,c,");
        assert_eq!(text("%s=%d;", &["a", "1", "b"]), "a=1;b=0;");
        assert_eq!(text("x", &["a", "b"]), "x");
        assert_eq!(text("[%s]", &[]), "[]");
    }

    #[test]
    fn an_end_ends_everything() {
        assert_eq!(text("%b-%s", &["a\\cb", "c"]), "a");
    }

    #[test]
    fn wrong_numbers_are_printed_and_complained_of() {
        let formatted = format("%d,%d;", &["abc", "12x"]);
        assert_eq!(formatted.output, b"0,12;");
        assert_eq!(formatted.complaints.len(), 2);
        assert_eq!(formatted.status(), 1);
        assert_eq!(
            format("%d", &["99999999999999999999"]).output,
            b"9223372036854775807"
        );
        assert_eq!(format("%f", &["1"]).status(), 1);
    }

    #[test]
    fn output_and_complaints_are_bounded() {
        let wide = "%1000000d".repeat(100);
        for formatted in [
            format(&wide, &["1"; 100]),
            format("%1000000s", &["x"; 100]),
            format("%.1000000x", &["1"; 100]),
            format("%-1000000d", &["1"; 100]),
            format("%b", &[&*"x".repeat(OUTPUT_LIMIT), "y"]),
            format("%s", &["x".repeat(1000).as_str(); 10_000]),
        ] {
            assert!(formatted.output.len() <= OUTPUT_LIMIT);
            assert!(formatted.output.len() > OUTPUT_LIMIT / 2);
            assert_eq!(formatted.complaints.len(), 1);
            assert_eq!(formatted.status(), 1);
        }
        let wrong = format("%d", &["x"; 10_000]);
        assert_eq!(wrong.complaints.len(), COMPLAINTS);
        assert_eq!(wrong.output, b"0".repeat(10_000));
    }

    #[test]
    fn a_huge_width_is_bounded() {
        assert_eq!(format("%999999999999s", &["a"]).output.len(), 1 << 20);
    }
}
