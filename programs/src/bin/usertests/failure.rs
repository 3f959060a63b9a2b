//! What a test says when something does not hold.

use core::fmt;

use posix::io;
use posix::prelude::*;
use posix::process::Errno;

/// What a test comes to.
pub type Outcome = Result<(), Failure>;

/// What did not hold.
#[derive(Debug)]
pub enum Failure {
    /// A system call failed.
    Call(io::Error),
    /// A condition, as written, with its line.
    Condition(u32, &'static str),
    /// Two values differ: line, found, expected.
    Different(u32, String, String),
    /// A count of the kernel's changed: name, before, after.
    Leak(&'static str, u64, u64),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Call(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => write!(formatter, "{error}"),
            Self::Condition(line, text) => write!(formatter, "line {line}: not so: {text}"),
            Self::Different(line, found, expected) => {
                write!(formatter, "line {line}: found {found}, expected {expected}")
            }
            Self::Leak(name, before, after) => {
                write!(formatter, "audit: {name} were {before}, are {after}")
            }
        }
    }
}

/// The error number of a call that is to fail.
pub fn errno<T>(result: io::Result<T>) -> Option<Errno> {
    result.err().and_then(|error| error.errno())
}

/// Fails the test unless a condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            return Err($crate::failure::Failure::Condition(
                line!(),
                stringify!($condition),
            ));
        }
    };
}

/// Fails the test unless two values are equal.
#[macro_export]
macro_rules! same {
    ($found:expr, $expected:expr) => {
        match ($found, $expected) {
            (found, expected) if found == expected => {}
            (found, expected) => {
                return Err($crate::failure::Failure::Different(
                    line!(),
                    ::posix::format!("{found:?}"),
                    ::posix::format!("{expected:?}"),
                ));
            }
        }
    };
}

/// Fails the test unless a call fails with this error number.
#[macro_export]
macro_rules! fails {
    ($call:expr, $errno:ident) => {
        $crate::same!(
            $crate::failure::errno($call),
            Some(posix::process::Errno::$errno)
        )
    };
}
