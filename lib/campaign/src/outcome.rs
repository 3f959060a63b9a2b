//! What became of a fault, as a line of text.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::{FromStr, SplitAsciiWhitespace};

use crate::Cause;

/// First word of an outcome's line.
const KEYWORD: &str = "fault";

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The fault's number.
    pub number: u32,
    /// Name of the domain.
    pub target: String,
    /// What went wrong.
    pub cause: Cause,
    /// It happened: the domain, or its device, can fail that way.
    pub is_injected: bool,
    /// It happened while a thread executed in the domain, at whatever
    /// instruction, or while the device was at work.
    pub was_at_work: bool,
    /// Number of the `abi::death::DeathCause` the domain died of, if it died.
    pub death: Option<u32>,
    /// Other domains of the system that died meanwhile.
    pub others_died: u32,
    /// It runs again.
    pub runs_again: bool,
    /// From the death until callers reached the successor, in nanoseconds.
    pub recovery_ns: u64,
    /// What the kernel still held for the dead domain.
    pub leftovers: u64,
    /// Operations of clients that failed.
    pub errors: u64,
    /// Bytes that clients had been told were written and did not find again.
    pub lost_bytes: u64,
    /// The longest operation of a client meanwhile, in nanoseconds.
    pub pause_ns: u64,
}

impl Outcome {
    /// Whether the domain ended as it must, and nothing else did.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        let ended_well = match self.cause.death() {
            Some(death) => self.death == Some(death),
            None => true,
        };
        self.others_died == 0 && (ended_well || !self.is_injected)
    }

    /// Whether clients noticed nothing but a pause.
    #[must_use]
    pub const fn is_transparent(&self) -> bool {
        (self.runs_again || self.death.is_none()) && self.errors == 0 && self.lost_bytes == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{KEYWORD} {} {} {} {} {} {} {} {} {} {} {} {} {}",
            self.number,
            self.target,
            self.cause.name(),
            u8::from(self.is_injected),
            u8::from(self.was_at_work),
            // None died of 0, the proper end.
            self.death.unwrap_or(0),
            self.others_died,
            u8::from(self.runs_again),
            self.recovery_ns,
            self.leftovers,
            self.errors,
            self.lost_bytes,
            self.pause_ns,
        )
    }
}

/// A line is no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine;

impl FromStr for Outcome {
    type Err = BadLine;

    fn from_str(line: &str) -> Result<Self, BadLine> {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some(KEYWORD) {
            return Err(BadLine);
        }
        let outcome = Self {
            number: number(&mut words)?,
            target: words.next().ok_or(BadLine)?.to_owned(),
            cause: words.next().and_then(Cause::from_name).ok_or(BadLine)?,
            is_injected: flag(&mut words)?,
            was_at_work: flag(&mut words)?,
            death: Some(number(&mut words)?).filter(|death| *death != 0),
            others_died: number(&mut words)?,
            runs_again: flag(&mut words)?,
            recovery_ns: number(&mut words)?,
            leftovers: number(&mut words)?,
            errors: number(&mut words)?,
            lost_bytes: number(&mut words)?,
            pause_ns: number(&mut words)?,
        };
        words.next().is_none().then_some(outcome).ok_or(BadLine)
    }
}

fn number<T: FromStr>(words: &mut SplitAsciiWhitespace<'_>) -> Result<T, BadLine> {
    words.next().ok_or(BadLine)?.parse().map_err(|_| BadLine)
}

fn flag(words: &mut SplitAsciiWhitespace<'_>) -> Result<bool, BadLine> {
    match words.next() {
        Some("0") => Ok(false),
        Some("1") => Ok(true),
        _ => Err(BadLine),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            number: 17,
            target: "nvme".into(),
            cause: Cause::WrongCompletion,
            is_injected: true,
            was_at_work: true,
            death: Some(1),
            others_died: 0,
            runs_again: true,
            recovery_ns: 123_456,
            leftovers: 0,
            errors: 0,
            lost_bytes: 0,
            pause_ns: 1_234_567,
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for cause in Cause::ALL {
            let outcome = Outcome { cause, ..outcome() };
            assert_eq!(outcome.to_string().parse(), Ok(outcome));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        let line = outcome().to_string();
        let cut = &line[..line.rfind(' ').expect("has words")];
        for bad in ["", "fault", "ls: no such file", cut] {
            assert_eq!(bad.parse::<Outcome>(), Err(BadLine), "{bad}");
        }
        assert_eq!((line.clone() + " 1").parse::<Outcome>(), Err(BadLine));
        assert_eq!(
            line.replace("completion 1", "completion 2")
                .parse::<Outcome>(),
            Err(BadLine)
        );
    }

    #[test]
    fn a_fault_is_contained_if_the_domain_alone_dies_of_it() {
        assert!(outcome().is_contained());
        let panic = Outcome {
            cause: Cause::Panic,
            ..outcome()
        };
        assert!(panic.is_contained());
        let spread = [
            Outcome {
                others_died: 1,
                ..outcome()
            },
            Outcome {
                death: Some(2),
                ..panic.clone()
            },
            Outcome {
                death: None,
                ..panic.clone()
            },
        ];
        assert!(spread.iter().all(|outcome| !outcome.is_contained()));
        let survived = Outcome {
            death: None,
            ..outcome()
        };
        assert!(survived.is_contained());
    }

    #[test]
    fn what_clients_saw_is_not_transparent() {
        assert!(outcome().is_transparent());
        let seen = [
            Outcome {
                errors: 1,
                ..outcome()
            },
            Outcome {
                lost_bytes: 1,
                ..outcome()
            },
            Outcome {
                runs_again: false,
                ..outcome()
            },
        ];
        assert!(seen.iter().all(|outcome| !outcome.is_transparent()));
    }
}
