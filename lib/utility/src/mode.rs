//! Modes as `chmod` takes them: octal, or `u+x,go=rX`.

/// Bits a mode can have.
const ALL: u32 = 0o7777;

/// A file whose mode is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its mode.
    pub mode: u32,
    /// It is a directory: `X` means `x`, and special bits stay.
    pub is_directory: bool,
    /// The process's mask, for clauses without `ugoa`.
    pub mask: u32,
}

/// The bits a mode's text makes of a file's; none if it is not a mode.
#[must_use]
pub fn apply(text: &str, subject: Subject) -> Option<u32> {
    if text.bytes().next()?.is_ascii_digit() {
        let bits = u32::from_str_radix(text, 8)
            .ok()
            .filter(|bits| *bits <= ALL)?;
        // GNU leaves a directory's special bits unless all five digits are given.
        let kept = match subject.is_directory && text.len() < 5 {
            true => subject.mode & 0o6000,
            false => 0,
        };
        return Some(bits | kept);
    }
    let mut bits = subject.mode & ALL;
    for clause in text.split(',') {
        bits = apply_clause(clause, bits, subject)?;
    }
    Some(bits)
}

fn apply_clause(clause: &str, mode: u32, subject: Subject) -> Option<u32> {
    let at = clause.find(['+', '-', '='])?;
    let mut who = 0;
    for letter in clause[..at].chars() {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => ALL,
            _ => return None,
        };
    }
    let (who, mask) = if who == 0 {
        (ALL, subject.mask)
    } else {
        (who, 0)
    };
    let mut mode = mode;
    let mut rest = &clause[at..];
    while let Some(operator) = rest.chars().next() {
        let end = rest[1..]
            .find(['+', '-', '='])
            .map_or(rest.len(), |at| at + 1);
        let what = bits(&rest[1..end], mode, subject.is_directory)? & who & !mask;
        mode = match operator {
            '+' => mode | what,
            '-' => mode & !what,
            _ => {
                let kept = if subject.is_directory {
                    mode & who & 0o6000
                } else {
                    0
                };
                mode & !(who & !mask) | what | kept
            }
        };
        rest = &rest[end..];
    }
    Some(mode)
}

/// The bits of permissions, for everybody: of letters, or a copy of one's.
fn bits(letters: &str, mode: u32, is_directory: bool) -> Option<u32> {
    let copied = |shift: u32| Some((mode >> shift & 0o7) * 0o111);
    match letters {
        "u" => return copied(6),
        "g" => return copied(3),
        "o" => return copied(0),
        _ => {}
    }
    let mut bits = 0;
    for letter in letters.chars() {
        bits |= match letter {
            'r' => 0o444,
            'w' => 0o222,
            'x' => 0o111,
            'X' if is_directory || mode & 0o111 != 0 => 0o111,
            'X' => 0,
            's' => 0o6000,
            't' => 0o1000,
            _ => return None,
        };
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, mode: u32, is_directory: bool) -> Option<u32> {
        let mask = 0o022;
        apply(
            text,
            Subject {
                mode,
                is_directory,
                mask,
            },
        )
    }

    #[test]
    fn modes() {
        let cases = [
            ("600", 0o644, 0o600),
            ("u+x", 0o644, 0o744),
            ("go-r", 0o644, 0o600),
            ("a=r", 0o751, 0o444),
            ("+x", 0o644, 0o755),
            ("+w", 0o444, 0o644),
            ("u=rwx,g=rx,o=", 0o644, 0o750),
            ("g=u", 0o640, 0o660),
            ("a+X", 0o644, 0o644),
            ("a+X", 0o744, 0o755),
            ("u+s", 0o755, 0o4755),
            ("u=rw-w", 0o000, 0o400),
        ];
        for (text, mode, expected) in cases {
            assert_eq!(changed(text, mode, false), Some(expected), "{text}");
        }
        assert_eq!(changed("a+X", 0o644, true), Some(0o755));
        assert_eq!(changed("755", 0o2700, true), Some(0o2755));
    }

    #[test]
    fn no_modes() {
        for text in ["", "999", "z+x", "u", "u+q", "77777", "u+x,"] {
            assert_eq!(changed(text, 0o644, false), None, "{text}");
        }
    }
}
