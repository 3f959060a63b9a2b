//! `$((…))`: 64-bit signed integers with C's operators and precedence.

use alloc::string::{String, ToString};
use core::fmt;

use crate::environment::Environment;
use crate::error::shortened;
use crate::expand::ExpandError;

/// Why an arithmetic expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArithmeticError {
    /// The right side of `/` or `%` is zero.
    DivisionByZero,
    /// Digits that are no number, or one beyond 64 bits.
    BadNumber(String),
    /// The variable is set, but not to a number.
    NotANumber {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
    },
    /// Something else stands where this was expected.
    Unexpected {
        /// The rest of the text.
        found: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// Parentheses and signs are nested too deeply.
    TooDeep,
}

impl fmt::Display for ArithmeticError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArithmeticError::DivisionByZero => formatter.write_str("division by zero"),
            ArithmeticError::BadNumber(text) => write!(formatter, "{text}: not a 64-bit number"),
            ArithmeticError::NotANumber { name, value } => {
                write!(formatter, "{name} is {value:?}, not a number")
            }
            ArithmeticError::Unexpected { found, expected } if found.is_empty() => {
                write!(formatter, "expected {expected} at the end")
            }
            ArithmeticError::Unexpected { found, expected } => {
                write!(formatter, "expected {expected} at {found:?}")
            }
            ArithmeticError::TooDeep => formatter.write_str("nested too deeply"),
        }
    }
}

impl core::error::Error for ArithmeticError {}

/// Operators and how tightly they bind; two-character ones first.
const BINARY_OPERATORS: [(&str, u8); 18] = [
    ("||", 1),
    ("&&", 2),
    ("==", 6),
    ("!=", 6),
    ("<=", 7),
    (">=", 7),
    ("<<", 8),
    (">>", 8),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

const ASSIGNMENT_OPERATORS: [&str; 11] = [
    "<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "=",
];

const DEPTH_LIMIT: u32 = 100;

/// The value of an expression; of an empty one, zero. Overflow wraps.
pub(crate) fn evaluate(text: &str, environment: &mut dyn Environment) -> Result<i64, ExpandError> {
    let mut evaluator = Evaluator {
        rest: text,
        environment,
        depth: 0,
    };
    evaluator.skip_blanks();
    if evaluator.rest.is_empty() {
        return Ok(0);
    }
    let value = evaluator.conditional(true)?;
    if !evaluator.rest.is_empty() {
        return Err(evaluator.unexpected("an operator"));
    }
    Ok(value)
}

struct Evaluator<'a> {
    rest: &'a str,
    environment: &'a mut dyn Environment,
    depth: u32,
}

/// In each method, `is_live` is false in a part that `&&`, `||` or `?:` skips:
/// it is read, but assigns nothing and cannot divide by zero.
impl Evaluator<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else {
            return false;
        };
        self.rest = rest;
        self.skip_blanks();
        true
    }

    fn unexpected(&self, expected: &'static str) -> ExpandError {
        ExpandError::Arithmetic(ArithmeticError::Unexpected {
            found: shortened(self.rest).to_string(),
            expected,
        })
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<i64, ExpandError>,
    ) -> Result<i64, ExpandError> {
        if self.depth == DEPTH_LIMIT {
            return Err(ArithmeticError::TooDeep.into());
        }
        self.depth += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    fn conditional(&mut self, is_live: bool) -> Result<i64, ExpandError> {
        self.nested(|this| {
            let condition = this.binary(1, is_live)?;
            if !this.take("?") {
                return Ok(condition);
            }
            let if_true = this.conditional(is_live && condition != 0)?;
            if !this.take(":") {
                return Err(this.unexpected("`:`"));
            }
            let if_false = this.conditional(is_live && condition == 0)?;
            Ok(if condition != 0 { if_true } else { if_false })
        })
    }

    fn binary(&mut self, minimum: u8, is_live: bool) -> Result<i64, ExpandError> {
        let mut left = self.unary(is_live)?;
        loop {
            let next = BINARY_OPERATORS
                .into_iter()
                .find(|(operator, _)| self.rest.starts_with(operator));
            let Some((operator, precedence)) = next.filter(|(_, own)| *own >= minimum) else {
                return Ok(left);
            };
            self.take(operator);
            let is_right_live = is_live
                && match operator {
                    "&&" => left != 0,
                    "||" => left == 0,
                    _ => true,
                };
            let right = self.nested(|this| this.binary(precedence + 1, is_right_live))?;
            left = apply(operator, left, right, is_live)?;
        }
    }

    fn unary(&mut self, is_live: bool) -> Result<i64, ExpandError> {
        for operator in ["-", "+", "!", "~"] {
            if self.take(operator) {
                let value = self.nested(|this| this.unary(is_live))?;
                return Ok(match operator {
                    "-" => value.wrapping_neg(),
                    "!" => i64::from(value == 0),
                    "~" => !value,
                    _ => value,
                });
            }
        }
        self.primary(is_live)
    }

    fn primary(&mut self, is_live: bool) -> Result<i64, ExpandError> {
        if self.take("(") {
            let value = self.conditional(is_live)?;
            return if self.take(")") {
                Ok(value)
            } else {
                Err(self.unexpected("`)`"))
            };
        }
        let length = self
            .rest
            .find(|character: char| !(character == '_' || character.is_ascii_alphanumeric()))
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(length);
        match text.bytes().next() {
            None => Err(self.unexpected("a number, name or `(`")),
            Some(b'0'..=b'9') => {
                let value = parse_number(text)
                    .ok_or_else(|| ArithmeticError::BadNumber(shortened(text).to_string()))?;
                self.rest = rest;
                self.skip_blanks();
                Ok(value)
            }
            Some(_) => {
                self.rest = rest;
                self.skip_blanks();
                self.variable(text, is_live)
            }
        }
    }

    fn variable(&mut self, name: &str, is_live: bool) -> Result<i64, ExpandError> {
        let assignment = ASSIGNMENT_OPERATORS
            .into_iter()
            .find(|operator| self.rest.starts_with(operator))
            .filter(|_| !self.rest.starts_with("=="));
        let Some(assignment) = assignment else {
            return self.value_of(name, is_live);
        };
        self.take(assignment);
        let mut value = self.conditional(is_live)?;
        let operator = assignment.trim_end_matches('=');
        if !operator.is_empty() {
            let old = self.value_of(name, is_live)?;
            value = apply(operator, old, value, is_live)?;
        }
        if is_live {
            self.environment.set_variable(name, &value.to_string())?;
        }
        Ok(value)
    }

    fn value_of(&self, name: &str, is_live: bool) -> Result<i64, ExpandError> {
        let value = self.environment.variable(name).unwrap_or_default();
        let text = value.trim();
        if text.is_empty() || !is_live {
            return Ok(0);
        }
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        match parse_number(digits) {
            Some(number) if is_negative => Ok(number.wrapping_neg()),
            Some(number) => Ok(number),
            // The one number whose digits alone are too large.
            None if text == "-9223372036854775808" => Ok(i64::MIN),
            None => Err(ArithmeticError::NotANumber {
                name: shortened(name).to_string(),
                value: shortened(&value).to_string(),
            }
            .into()),
        }
    }
}

/// Decimal, `0x` hexadecimal or `0` octal, without sign.
fn parse_number(text: &str) -> Option<i64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if !digits.starts_with(|character: char| character.is_digit(radix)) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok()
}

fn apply(operator: &str, left: i64, right: i64, is_live: bool) -> Result<i64, ArithmeticError> {
    if matches!(operator, "/" | "%") && right == 0 {
        return if is_live {
            Err(ArithmeticError::DivisionByZero)
        } else {
            Ok(0)
        };
    }
    // As the processor does it: only the low six bits count.
    let shift = (right & 63) as u32;
    Ok(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<" => i64::from(left < right),
        "<=" => i64::from(left <= right),
        ">" => i64::from(left > right),
        ">=" => i64::from(left >= right),
        "<<" => left.wrapping_shl(shift),
        ">>" => left.wrapping_shr(shift),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" => left.wrapping_div(right),
        _ => left.wrapping_rem(right),
    })
}
