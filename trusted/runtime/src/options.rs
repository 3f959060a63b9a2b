//! Options of a domain: the text its manifest entry gives.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// Options from the system manifest, one `key=value` per line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    text: String,
}

/// An option that cannot be used. Displays as one line that says why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OptionError {
    /// It is missing.
    Missing {
        /// Its key.
        key: &'static str,
    },
    /// It is not what was expected.
    Invalid {
        /// Its key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl fmt::Display for OptionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => write!(formatter, "option `{key}` is missing"),
            Self::Invalid {
                key,
                value,
                expected,
            } => {
                write!(
                    formatter,
                    "option `{key}` is `{value}`, expected {expected}"
                )
            }
        }
    }
}

impl core::error::Error for OptionError {}

impl Options {
    /// Options from text, one `key=value` per line.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self { text }
    }

    /// The text as given.
    #[must_use]
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            Some((key.trim(), value.trim()))
        })
    }

    /// The value of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(found, _)| *found == key)
            .map(|(_, value)| value)
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// [`OptionError::Missing`].
    pub fn required(&self, key: &'static str) -> Result<&str, OptionError> {
        self.text(key).ok_or(OptionError::Missing { key })
    }

    /// A value of a type that can be read from text; `default` if the key is
    /// missing. `expected` says in the error what it should have been.
    ///
    /// # Errors
    /// [`OptionError::Invalid`].
    pub fn parse<T: FromStr>(
        &self,
        key: &'static str,
        default: T,
        expected: &'static str,
    ) -> Result<T, OptionError> {
        let Some(value) = self.text(key) else {
            return Ok(default);
        };
        value.parse().map_err(|_| OptionError::Invalid {
            key,
            value: value.into(),
            expected,
        })
    }

    /// A number.
    ///
    /// # Errors
    /// [`OptionError::Invalid`].
    pub fn number(&self, key: &'static str, default: u64) -> Result<u64, OptionError> {
        self.parse(key, default, "a number")
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`OptionError::Invalid`].
    pub fn flag(&self, key: &'static str, default: bool) -> Result<bool, OptionError> {
        self.parse(key, default, "true or false")
    }

    /// A size in bytes: a number, with `K`, `M` or `G` for powers of 1,024.
    ///
    /// # Errors
    /// [`OptionError::Invalid`].
    pub fn size(&self, key: &'static str, default: u64) -> Result<u64, OptionError> {
        let Some(value) = self.text(key) else {
            return Ok(default);
        };
        let (digits, unit) = match value.as_bytes().last() {
            Some(b'K') => (&value[..value.len() - 1], 1 << 10),
            Some(b'M') => (&value[..value.len() - 1], 1 << 20),
            Some(b'G') => (&value[..value.len() - 1], 1 << 30),
            _ => (value, 1),
        };
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
            .ok_or_else(|| OptionError::Invalid {
                key,
                value: value.into(),
                expected: "a size such as 64M",
            })
    }
}
