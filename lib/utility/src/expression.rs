//! What `expr` evaluates: integers, comparisons, and texts.

use alloc::string::{String, ToString};

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A word is missing at the end, or one is too many.
    Syntax,
    /// An operand of arithmetic is no number.
    NotANumber,
    /// Division by zero.
    DivisionByZero,
    /// A number does not fit.
    Overflow,
    /// A regular expression is none.
    Pattern,
}

/// Finds a pattern at the beginning of a text: the first group, or else the length;
/// none if it is no pattern.
pub trait Matcher {
    /// What `TEXT : PATTERN` is.
    fn match_start(&self, text: &str, pattern: &str) -> Option<String>;
}

/// Evaluates an expression.
///
/// # Errors
/// [`Wrong`].
pub fn evaluate(words: &[&str], matcher: &dyn Matcher) -> Result<String, Wrong> {
    let mut parser = Parser {
        words,
        matcher,
        depth: 0,
    };
    let value = parser.binary(0)?;
    match parser.words {
        [] => Ok(value),
        _ => Err(Wrong::Syntax),
    }
}

/// Whether a value counts as false.
#[must_use]
pub fn is_null(value: &str) -> bool {
    value.is_empty() || value.parse::<i128>().is_ok_and(|number| number == 0)
}

/// Operators, those that bind least first.
const LEVELS: [&[&str]; 6] = [
    &["|"],
    &["&"],
    &["<", "<=", "=", "==", "!=", ">=", ">"],
    &["+", "-"],
    &["*", "/", "%"],
    &[":"],
];

/// Parentheses in each other.
const DEEPEST: usize = 100;

struct Parser<'a> {
    words: &'a [&'a str],
    matcher: &'a dyn Matcher,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Result<&'a str, Wrong> {
        let (first, rest) = self.words.split_first().ok_or(Wrong::Syntax)?;
        self.words = rest;
        Ok(first)
    }

    fn binary(&mut self, level: usize) -> Result<String, Wrong> {
        let Some(operators) = LEVELS.get(level) else {
            return self.operand();
        };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.words.first().filter(|word| operators.contains(*word)) {
            self.words = &self.words[1..];
            let right = self.binary(level + 1)?;
            left = self.apply(&left, operator, &right)?;
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<String, Wrong> {
        match self.next()? {
            "(" => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(Wrong::Syntax);
                }
                let value = self.binary(0)?;
                self.depth -= 1;
                match self.next()? {
                    ")" => Ok(value),
                    _ => Err(Wrong::Syntax),
                }
            }
            ")" => Err(Wrong::Syntax),
            "+" if !self.words.is_empty() => self.next().map(String::from),
            "length" if !self.words.is_empty() => Ok(self.operand()?.len().to_string()),
            "match" if self.words.len() > 1 => {
                let (text, pattern) = (self.operand()?, self.operand()?);
                self.apply(&text, ":", &pattern)
            }
            "index" if self.words.len() > 1 => {
                let (text, set) = (self.operand()?, self.operand()?);
                let found = text.chars().position(|one| set.contains(one));
                Ok(found.map_or(0, |at| at + 1).to_string())
            }
            "substr" if self.words.len() > 2 => {
                let (text, start) = (self.operand()?, self.operand()?);
                let length = self.operand()?;
                Ok(substring(&text, &start, &length).unwrap_or_default())
            }
            word => Ok(word.into()),
        }
    }

    fn apply(&self, left: &str, operator: &str, right: &str) -> Result<String, Wrong> {
        match operator {
            "|" if !is_null(left) => Ok(left.into()),
            "|" if !is_null(right) => Ok(right.into()),
            "|" => Ok("0".into()),
            "&" if is_null(left) || is_null(right) => Ok("0".into()),
            "&" => Ok(left.into()),
            ":" => self.matcher.match_start(left, right).ok_or(Wrong::Pattern),
            "+" | "-" | "*" | "/" | "%" => calculate(left, operator, right),
            _ => Ok(u8::from(compare(left, operator, right)).to_string()),
        }
    }
}

fn substring(text: &str, start: &str, length: &str) -> Option<String> {
    let start: usize = start.parse().ok()?;
    let length: usize = length.parse().ok()?;
    let from = text.chars().skip(start.checked_sub(1)?);
    Some(from.take(length).collect())
}

fn calculate(left: &str, operator: &str, right: &str) -> Result<String, Wrong> {
    let number = |text: &str| text.parse::<i128>().map_err(|_| Wrong::NotANumber);
    let (left, right) = (number(left)?, number(right)?);
    let result = match operator {
        "/" | "%" if right == 0 => return Err(Wrong::DivisionByZero),
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    result.map(|value| value.to_string()).ok_or(Wrong::Overflow)
}

/// As numbers if both are, else as texts.
fn compare(left: &str, operator: &str, right: &str) -> bool {
    let order = match (left.parse::<i128>(), right.parse::<i128>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        _ => left.cmp(right),
    };
    match operator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "!=" => order.is_ne(),
        _ => order.is_eq(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Prefix;

    impl Matcher for Prefix {
        fn match_start(&self, text: &str, pattern: &str) -> Option<String> {
            let length = text.strip_prefix(pattern).map_or(0, |_| pattern.len());
            Some(length.to_string())
        }
    }

    fn value(text: &str) -> Result<String, Wrong> {
        let words: alloc::vec::Vec<&str> = text.split(' ').collect();
        evaluate(&words, &Prefix)
    }

    #[test]
    fn values() {
        let cases = [
            ("1 + 2 * 3", "7"),
            ("( 1 + 2 ) * 3", "9"),
            ("7 - 2 - 1", "4"),
            ("-7 / 2", "-3"),
            ("10 > 9", "1"),
            ("a < b", "1"),
            ("0 | x", "x"),
            ("x & 0", "0"),
            ("abc : ab", "2"),
            ("length abc", "3"),
            ("substr hello 2 3", "ell"),
            ("index hello l", "3"),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_ones() {
        assert_eq!(value("1 +"), Err(Wrong::Syntax));
        assert_eq!(value("1 2"), Err(Wrong::Syntax));
        assert_eq!(value("( 1"), Err(Wrong::Syntax));
        assert_eq!(value("a + 1"), Err(Wrong::NotANumber));
        assert_eq!(value("1 / 0"), Err(Wrong::DivisionByZero));
    }
}
