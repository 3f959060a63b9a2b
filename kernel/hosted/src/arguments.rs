//! The command line of `kernel-hosted`.

use core::ffi::CStr;
use core::fmt;

/// Most host files (`--disk`).
pub const MAX_DISKS: usize = 8;

const MEBIBYTE: u64 = 1 << 20;
const MEMORY_DEFAULT: u64 = 256 * MEBIBYTE;
const MEMORY_LEAST: u64 = 16 * MEBIBYTE;
const MEMORY_MOST: u64 = 64 << 30;

pub const USAGE: &str = "usage: kernel-hosted --archive FILE [--disk FILE]... \
    [--cpus N] [--memory SIZE] [--options 'KEY=VALUE ...']\n";

/// What to start.
#[derive(Debug)]
pub struct Arguments {
    /// The boot archive, a tar file.
    pub archive: &'static CStr,
    /// Host files 0, 1, …; the first `None` ends them.
    pub disks: [Option<&'static CStr>; MAX_DISKS],
    /// CPUs, 1 to 64.
    pub cpus: usize,
    /// Bytes of RAM, a multiple of the page size.
    pub memory: u64,
    /// Options for kernel and system, `key=value` separated by spaces.
    pub options: &'static str,
}

/// What is wrong with a command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentError {
    /// `--help`: not an error, but nothing to start either.
    Help,
    Unknown(&'static CStr),
    NoValue(&'static str),
    NoArchive,
    TooManyDisks,
    BadCpus,
    BadMemory,
    NotUtf8,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help => formatter.write_str(USAGE.trim_end()),
            Self::Unknown(argument) => {
                write!(
                    formatter,
                    "unknown argument {argument:?}; {}",
                    USAGE.trim_end()
                )
            }
            Self::NoValue(name) => write!(formatter, "{name} needs a value"),
            Self::NoArchive => formatter.write_str("--archive FILE is missing"),
            Self::TooManyDisks => write!(formatter, "at most {MAX_DISKS} --disk are possible"),
            Self::BadCpus => formatter.write_str("--cpus takes a number from 1 to 64"),
            Self::BadMemory => formatter.write_str(
                "--memory takes a size from 16M to 64G, like 256M (a plain number counts MiB)",
            ),
            Self::NotUtf8 => formatter.write_str("--options takes UTF-8 text"),
        }
    }
}

impl Arguments {
    /// Reads the arguments after the program's name.
    pub fn parse(
        mut arguments: impl Iterator<Item = &'static CStr>,
    ) -> Result<Self, ArgumentError> {
        let mut archive = None;
        let mut disks = [None; MAX_DISKS];
        let mut disk_count = 0;
        let mut cpus = 1;
        let mut memory = MEMORY_DEFAULT;
        let mut options = "";
        while let Some(name) = arguments.next() {
            let mut value = |name| arguments.next().ok_or(ArgumentError::NoValue(name));
            match name.to_bytes() {
                b"--archive" => archive = Some(value("--archive")?),
                b"--disk" => {
                    let disk = disks
                        .get_mut(disk_count)
                        .ok_or(ArgumentError::TooManyDisks)?;
                    *disk = Some(value("--disk")?);
                    disk_count += 1;
                }
                b"--cpus" => cpus = parse_cpus(value("--cpus")?)?,
                b"--memory" => memory = parse_memory(value("--memory")?)?,
                b"--options" => {
                    let value = value("--options")?;
                    options = value.to_str().map_err(|_| ArgumentError::NotUtf8)?;
                }
                b"--help" | b"-h" => return Err(ArgumentError::Help),
                _ => return Err(ArgumentError::Unknown(name)),
            }
        }
        Ok(Self {
            archive: archive.ok_or(ArgumentError::NoArchive)?,
            disks,
            cpus,
            memory,
            options,
        })
    }

    /// The value of `key` in the options.
    pub fn option(&self, key: &str) -> Option<&'static str> {
        self.options
            .split_ascii_whitespace()
            .filter_map(|option| option.split_once('='))
            .find_map(|(name, value)| (name == key).then_some(value))
    }
}

fn parse_cpus(value: &CStr) -> Result<usize, ArgumentError> {
    let count = value.to_str().ok().and_then(|text| text.parse().ok());
    count
        .filter(|count| (1..=64).contains(count))
        .ok_or(ArgumentError::BadCpus)
}

fn parse_memory(value: &CStr) -> Result<u64, ArgumentError> {
    let text = value.to_str().map_err(|_| ArgumentError::BadMemory)?;
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "K" | "k" => 1 << 10,
        "" | "M" | "m" => MEBIBYTE,
        "G" | "g" => 1 << 30,
        _ => return Err(ArgumentError::BadMemory),
    };
    let number: Option<u64> = digits.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| (MEMORY_LEAST..=MEMORY_MOST).contains(bytes))
        .map(|bytes| bytes / abi::PAGE_SIZE as u64 * abi::PAGE_SIZE as u64)
        .ok_or(ArgumentError::BadMemory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&'static CStr]) -> Result<Arguments, ArgumentError> {
        Arguments::parse(arguments.iter().copied())
    }

    #[test]
    fn takes_every_argument() {
        let arguments = parse(&[
            c"--archive",
            c"a.tar",
            c"--disk",
            c"one",
            c"--disk",
            c"two",
            c"--cpus",
            c"4",
            c"--memory",
            c"1G",
            c"--options",
            c"no_timer=1 exec=ls",
        ])
        .expect("the line is right");
        assert_eq!(arguments.archive, c"a.tar");
        assert_eq!(arguments.disks[..3], [Some(c"one"), Some(c"two"), None]);
        assert_eq!((arguments.cpus, arguments.memory), (4, 1 << 30));
        assert_eq!(arguments.option("no_timer"), Some("1"));
        assert_eq!(arguments.option("timer"), None);
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong = |arguments: &[&'static CStr]| parse(arguments).expect_err("the line is wrong");
        assert_eq!(wrong(&[]), ArgumentError::NoArchive);
        assert_eq!(wrong(&[c"-x"]), ArgumentError::Unknown(c"-x"));
        assert_eq!(wrong(&[c"--disk"]), ArgumentError::NoValue("--disk"));
        for cpus in [c"0", c"65", c"-1", c"two", c""] {
            assert_eq!(wrong(&[c"--cpus", cpus]), ArgumentError::BadCpus);
        }
        for memory in [
            c"15M",
            c"65G",
            c"1T",
            c"M",
            c"",
            c"99999999999999999999",
            c"-5G",
            c"1GM",
        ] {
            assert_eq!(wrong(&[c"--memory", memory]), ArgumentError::BadMemory);
        }
        assert_eq!(parse_memory(c"16384K"), Ok(16 << 20));
        assert_eq!(parse_memory(c"64"), Ok(64 << 20));
        let disks = [c"--disk", c"d"].repeat(MAX_DISKS + 1);
        assert_eq!(wrong(&disks), ArgumentError::TooManyDisks);
    }
}
