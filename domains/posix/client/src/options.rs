//! Command lines as POSIX's utility conventions have them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::process;
use crate::{complain, eprintln};

/// Options and operands of a program.
///
/// Single letters behind one dash can stand together; an option's value can be
/// joined to it or follow it; `--` ends the options; long options are mapped to
/// letters. Operands may stand before options, as GNU programs allow.
#[derive(Clone, Debug)]
pub struct Options {
    usage: &'static str,
    usage_status: i32,
    given: Vec<(char, Option<String>)>,
    operands: Vec<String>,
}

/// Which options a program has.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    /// Letters; one with a value is followed by a colon, as in `getopt`.
    pub letters: &'static str,
    /// Long names and the letters they stand for.
    pub long: &'static [(&'static str, char)],
    /// Options end at the first operand.
    pub stops_at_operand: bool,
    /// The letter that `-5` is short for the value of.
    pub digits: Option<char>,
    /// What is printed behind `usage: `.
    pub usage: &'static str,
    /// What `--help` prints behind `example: `; nothing if it is empty.
    pub example: &'static str,
    /// Status of a program whose command line is wrong.
    pub usage_status: i32,
}

impl Switches {
    /// Letters only.
    #[must_use]
    pub const fn new(letters: &'static str, usage: &'static str) -> Self {
        Self {
            letters,
            long: &[],
            stops_at_operand: false,
            digits: None,
            usage,
            example: "",
            usage_status: 2,
        }
    }

    /// With a command line that shows what the program is for.
    #[must_use]
    pub const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// With another status than 2 for a wrong command line.
    #[must_use]
    pub const fn usage_status(self, usage_status: i32) -> Self {
        Self {
            usage_status,
            ..self
        }
    }

    /// With long names.
    #[must_use]
    pub const fn long(self, long: &'static [(&'static str, char)]) -> Self {
        Self { long, ..self }
    }

    /// With `-5` for `-n 5`, where `n` is `letter`.
    #[must_use]
    pub const fn digits(self, letter: char) -> Self {
        Self {
            digits: Some(letter),
            ..self
        }
    }

    /// With options only before the operands.
    #[must_use]
    pub const fn stopping(self) -> Self {
        Self {
            stops_at_operand: true,
            ..self
        }
    }

    fn takes_value(&self, letter: char) -> Option<bool> {
        let mut rest = self.letters.chars();
        loop {
            if rest.next()? == letter && letter != ':' {
                return Some(rest.next() == Some(':'));
            }
        }
    }
}

/// What is wrong with a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Unknown(String),
    NeedsValue(String),
}

impl Options {
    /// Reads the program's own command line. A wrong one ends the program with
    /// the status for that and one message, `--help` with status 0 and the usage.
    #[must_use]
    pub fn parse(switches: &Switches) -> Self {
        let arguments: Vec<String> = crate::env::args().skip(1).collect();
        if arguments.first().is_some_and(|first| first == "--help") {
            crate::println!("usage: {}", switches.usage);
            if !switches.example.is_empty() {
                crate::println!("example: {}", switches.example);
            }
            process::exit(0);
        }
        match Self::read(switches, arguments) {
            Ok(options) => options,
            Err(wrong) => {
                let usage = switches.usage;
                match wrong {
                    Wrong::Unknown(option) => complain!("unknown option {option}; usage: {usage}"),
                    Wrong::NeedsValue(option) => {
                        complain!("option {option} needs a value; usage: {usage}");
                    }
                }
                process::exit(switches.usage_status);
            }
        }
    }

    fn read(switches: &Switches, arguments: Vec<String>) -> Result<Self, Wrong> {
        let mut options = Self {
            usage: switches.usage,
            usage_status: switches.usage_status,
            given: Vec::new(),
            operands: Vec::new(),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                break;
            }
            if let Some(long) = argument.strip_prefix("--") {
                options.read_long(switches, long, &mut arguments)?;
            } else if let Some(letters) = argument.strip_prefix('-').filter(|rest| !rest.is_empty())
            {
                options.read_letters(switches, letters, &mut arguments)?;
            } else {
                options.operands.push(argument);
                if switches.stops_at_operand {
                    break;
                }
            }
        }
        options.operands.extend(arguments);
        Ok(options)
    }

    fn read_long(
        &mut self,
        switches: &Switches,
        long: &str,
        rest: &mut dyn Iterator<Item = String>,
    ) -> Result<(), Wrong> {
        let unknown = || Wrong::Unknown(alloc::format!("--{long}"));
        let (name, joined) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (long, None),
        };
        let found = switches.long.iter().find(|(known, _)| *known == name);
        let letter = found.map(|(_, letter)| *letter).ok_or_else(unknown)?;
        let value = match (switches.takes_value(letter), joined) {
            (Some(true), None) => Some(
                rest.next()
                    .ok_or_else(|| Wrong::NeedsValue(alloc::format!("--{long}")))?,
            ),
            (Some(true), joined) => joined,
            (_, None) => None,
            (_, Some(_)) => return Err(unknown()),
        };
        self.given.push((letter, value));
        Ok(())
    }

    fn read_letters(
        &mut self,
        switches: &Switches,
        letters: &str,
        rest: &mut dyn Iterator<Item = String>,
    ) -> Result<(), Wrong> {
        if let Some(letter) = switches.digits
            && letters.bytes().all(|byte| byte.is_ascii_digit())
        {
            self.given.push((letter, Some(letters.to_string())));
            return Ok(());
        }
        for (at, letter) in letters.char_indices() {
            let Some(takes_value) = switches.takes_value(letter) else {
                return Err(Wrong::Unknown(alloc::format!("-{letter}")));
            };
            if !takes_value {
                self.given.push((letter, None));
                continue;
            }
            let joined = &letters[at + letter.len_utf8()..];
            let value = if joined.is_empty() {
                rest.next()
            } else {
                Some(joined.to_string())
            };
            let value = value.ok_or_else(|| Wrong::NeedsValue(alloc::format!("-{letter}")))?;
            self.given.push((letter, Some(value)));
            break;
        }
        Ok(())
    }

    /// Whether an option was given.
    #[must_use]
    pub fn has(&self, letter: char) -> bool {
        self.given.iter().any(|(given, _)| *given == letter)
    }

    /// The value of an option, the last one given.
    #[must_use]
    pub fn value(&self, letter: char) -> Option<&str> {
        let mut given = self.given.iter().rev();
        given
            .find(|(given, _)| *given == letter)
            .and_then(|(_, value)| value.as_deref())
    }

    /// All values of an option, in their order.
    pub fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        let given = self.given.iter();
        given
            .filter(move |(given, _)| *given == letter)
            .filter_map(|(_, value)| value.as_deref())
    }

    /// The options given and their values, in their order.
    pub fn given(&self) -> impl Iterator<Item = (char, &str)> {
        let given = self.given.iter();
        given.map(|(letter, value)| (*letter, value.as_deref().unwrap_or_default()))
    }

    /// The value of an option as a number; a wrong one ends the program.
    #[must_use]
    pub fn number(&self, letter: char) -> Option<u64> {
        let value = self.value(letter)?;
        match value.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                complain!("-{letter} needs a number, not {value}");
                process::exit(self.usage_status);
            }
        }
    }

    /// What is not an option.
    #[must_use]
    pub fn operands(&self) -> &[String] {
        &self.operands
    }

    /// Ends the program with the usage line and the status of a wrong one.
    pub fn usage(&self) -> ! {
        eprintln!("usage: {}", self.usage);
        process::exit(self.usage_status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCHES: Switches = Switches::new("an:v", "x")
        .long(&[("lines", 'n'), ("all", 'a')])
        .digits('n');

    fn read(line: &str) -> Result<Options, Wrong> {
        Options::read(
            &SWITCHES,
            line.split_whitespace().map(String::from).collect(),
        )
    }

    #[test]
    fn letters_values_operands() {
        let options = read("-av x -n5 y --lines=7 -- -v").unwrap();
        assert!(options.has('a') && options.has('v'));
        assert_eq!(options.value('n'), Some("7"));
        assert_eq!(options.operands(), ["x", "y", "-v"]);
        assert_eq!(read("-n 5 -").unwrap().operands(), ["-"]);
        assert_eq!(read("-12 x").unwrap().value('n'), Some("12"));
        assert_eq!(read("--lines 3").unwrap().value('n'), Some("3"));
    }

    #[test]
    fn wrong_command_lines() {
        assert_eq!(read("-x").unwrap_err(), Wrong::Unknown("-x".into()));
        assert_eq!(
            read("--nothing").unwrap_err(),
            Wrong::Unknown("--nothing".into())
        );
        assert_eq!(
            read("--all=1").unwrap_err(),
            Wrong::Unknown("--all=1".into())
        );
        assert_eq!(read("-an").unwrap_err(), Wrong::NeedsValue("-n".into()));
    }
}
