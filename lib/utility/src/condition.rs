//! The conditions of `test` and `[`.

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;

/// What conditions ask of files.
pub trait Files {
    /// Whether the unary `operator`, such as `'f'` for `-f`, holds for a path.
    fn has(&self, operator: char, path: &str) -> bool;
    /// How two files' times of modification compare; a file that is not there is older
    /// than any. `None`: neither is there.
    fn compare_age(&self, left: &str, right: &str) -> Option<Ordering>;
    /// Whether two paths lead to one file.
    fn are_same(&self, left: &str, right: &str) -> bool;
    /// Whether a descriptor is a terminal.
    fn is_terminal(&self, descriptor: u32) -> bool;
}

/// Why a condition makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Something follows where nothing can.
    Unexpected(String),
    /// Something is missing behind this.
    Missing(String),
    /// This should be a number.
    NotNumber(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(word) => write!(formatter, "{word}: unexpected"),
            Self::Missing(word) => write!(formatter, "{word}: something is missing behind it"),
            Self::NotNumber(word) => write!(formatter, "{word}: not a number"),
        }
    }
}

/// Whether a condition holds.
///
/// # Errors
/// [`Wrong`] if the words are no condition.
pub fn evaluate(words: &[&str], files: &dyn Files) -> Result<bool, Wrong> {
    Evaluator { files }.evaluate(words)
}

struct Evaluator<'f> {
    files: &'f dyn Files,
}

impl Evaluator<'_> {
    fn evaluate(&self, words: &[&str]) -> Result<bool, Wrong> {
        // POSIX decides short ones by their length, so that any word can be tested.
        match words {
            [] => return Ok(false),
            [word] => return Ok(!word.is_empty()),
            ["!", word] => return Ok(word.is_empty()),
            [operator, operand] if is_unary(operator) => return self.unary(operator, operand),
            ["(", word, ")"] => return Ok(!word.is_empty()),
            ["!", rest @ ..] if rest.len() == 3 => return self.evaluate(rest).map(|holds| !holds),
            ["(", left, right, ")"] => return self.evaluate(&[left, right]),
            [left, operator, right] if is_binary(operator) => {
                return self.binary(left, operator, right);
            }
            _ => {}
        }
        let mut rest = words;
        let result = self.any(&mut rest)?;
        match rest.first() {
            None => Ok(result),
            Some(word) => Err(Wrong::Unexpected((*word).into())),
        }
    }

    fn any(&self, rest: &mut &[&str]) -> Result<bool, Wrong> {
        let mut result = self.all(rest)?;
        while let ["-o", others @ ..] = rest {
            *rest = others;
            result |= self.all(rest)?;
        }
        Ok(result)
    }

    fn all(&self, rest: &mut &[&str]) -> Result<bool, Wrong> {
        let mut result = self.one(rest)?;
        while let ["-a", others @ ..] = rest {
            *rest = others;
            result &= self.one(rest)?;
        }
        Ok(result)
    }

    fn one(&self, rest: &mut &[&str]) -> Result<bool, Wrong> {
        match **rest {
            ["!", ..] => {
                *rest = &rest[1..];
                self.one(rest).map(|result| !result)
            }
            ["(", ..] => {
                *rest = &rest[1..];
                let result = self.any(rest)?;
                match rest.first() {
                    Some(&")") => *rest = &rest[1..],
                    Some(word) => return Err(Wrong::Unexpected((*word).into())),
                    None => return Err(Wrong::Missing("(".into())),
                }
                Ok(result)
            }
            [left, operator, right, ..] if is_binary(operator) => {
                *rest = &rest[3..];
                self.binary(left, operator, right)
            }
            [operator, operand, ..] if is_unary(operator) => {
                *rest = &rest[2..];
                self.unary(operator, operand)
            }
            [word, ..] => {
                *rest = &rest[1..];
                Ok(!word.is_empty())
            }
            [] => Err(Wrong::Missing("test".into())),
        }
    }

    fn binary(&self, left: &str, operator: &str, right: &str) -> Result<bool, Wrong> {
        let compared = |wanted: Ordering| self.files.compare_age(left, right) == Some(wanted);
        Ok(match operator {
            "=" | "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            ">" => left > right,
            "-eq" => number(left)? == number(right)?,
            "-ne" => number(left)? != number(right)?,
            "-lt" => number(left)? < number(right)?,
            "-le" => number(left)? <= number(right)?,
            "-gt" => number(left)? > number(right)?,
            "-ge" => number(left)? >= number(right)?,
            "-nt" => compared(Ordering::Greater),
            "-ot" => compared(Ordering::Less),
            _ => self.files.are_same(left, right),
        })
    }

    fn unary(&self, operator: &str, operand: &str) -> Result<bool, Wrong> {
        Ok(match operator {
            "-n" => !operand.is_empty(),
            "-z" => operand.is_empty(),
            "-t" => {
                let descriptor = u32::try_from(number(operand)?);
                descriptor.is_ok_and(|descriptor| self.files.is_terminal(descriptor))
            }
            _ => {
                let letter = operator.chars().nth(1);
                letter.is_some_and(|letter| self.files.has(letter, operand))
            }
        })
    }
}

fn number(text: &str) -> Result<i64, Wrong> {
    let trimmed = text.trim();
    trimmed.parse().map_err(|_| Wrong::NotNumber(text.into()))
}

fn is_binary(word: &str) -> bool {
    const OPERATORS: [&str; 14] = [
        "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
    ];
    OPERATORS.contains(&word)
}

fn is_unary(word: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|letter| letter.len() == 1 && "bcdefghLnprsStwxz".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `d` is a directory, `f` an empty file, newer than `d`.
    struct Two;

    impl Files for Two {
        fn has(&self, operator: char, path: &str) -> bool {
            matches!((operator, path), ('e', "d" | "f") | ('d', "d") | ('f', "f"))
        }

        fn compare_age(&self, left: &str, right: &str) -> Option<Ordering> {
            Some(left.cmp(right))
        }

        fn are_same(&self, left: &str, right: &str) -> bool {
            left == right
        }

        fn is_terminal(&self, descriptor: u32) -> bool {
            descriptor == 0
        }
    }

    fn holds(words: &str) -> bool {
        let words: alloc::vec::Vec<&str> = words.split(' ').collect();
        evaluate(&words, &Two).expect("a condition")
    }

    #[test]
    fn short_ones_are_decided_by_their_length() {
        assert_eq!(evaluate(&[], &Two), Ok(false));
        assert!(holds("-f") && !holds("! !") && holds("= = ="));
        assert!(holds("( -n )") && holds("-n = -n") && !holds("! = x"));
    }

    #[test]
    fn files_and_terminals() {
        assert!(holds("-d d") && holds("-f f") && !holds("-f d") && !holds("-e x"));
        assert!(holds("f -nt d") && holds("d -ot f") && holds("d -ef d"));
        assert!(holds("-t 0") && !holds("-t 1"));
    }

    #[test]
    fn connected() {
        assert!(holds("-d d -a ! -f d") && holds("a = b -o 1 -lt 2"));
        assert!(holds("! ( a = b -o c = d )"));
    }

    #[test]
    fn what_is_no_condition() {
        assert_eq!(
            evaluate(&["a", "-eq", "1"], &Two),
            Err(Wrong::NotNumber("a".into()))
        );
        assert!(evaluate(&["a", "b", "c"], &Two).is_err());
        assert!(evaluate(&["-t", "x"], &Two).is_err());
    }
}
