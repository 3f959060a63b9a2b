//! What the system manifest can choose.

use core::str::FromStr;

use runtime::{OptionError, Options};

/// Least and most commands under way.
pub const QUEUE_DEPTH: core::ops::RangeInclusive<u64> = 4..=1024;

/// Least and most pairs of queues.
const QUEUES: core::ops::RangeInclusive<u64> = 1..=64;

/// How the end of a command is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// By interrupt only.
    Interrupt,
    /// By looking at the queue only.
    Polled,
    /// By looking for a while, then by interrupt.
    Adaptive,
}

impl FromStr for Waiting {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "interrupt" => Ok(Self::Interrupt),
            "polled" => Ok(Self::Polled),
            "adaptive" => Ok(Self::Adaptive),
            _ => Err(()),
        }
    }
}

/// The driver's options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `queue_depth`: most commands under way on a pair of queues, 4 to 1,024.
    pub queue_depth: u16,
    /// `queues`: most pairs of queues, 1 to 64; there is one for each CPU if the
    /// controller has so many.
    pub queues: u16,
    /// `completion`: how the end of a command is noticed.
    pub waiting: Waiting,
    /// `spin`: looks at the queue before anything slower.
    pub spin: u32,
    /// `timeout_ms`: time after which the controller is reset.
    pub timeout_ns: u64,
    /// `namespace`: its number; the first active one if not given.
    pub namespace: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_depth: 128,
            queues: 64,
            waiting: Waiting::Adaptive,
            spin: 1_000,
            timeout_ns: 5_000_000_000,
            namespace: None,
        }
    }
}

impl Settings {
    /// Reads the options.
    ///
    /// # Errors
    /// [`OptionError`] for one that cannot be used.
    pub fn parse(options: &Options) -> Result<Self, OptionError> {
        let default = Self::default();
        let depth = options.number("queue_depth", default.queue_depth.into())?;
        if !QUEUE_DEPTH.contains(&depth) {
            return Err(invalid(options, "queue_depth", "a number from 4 to 1024"));
        }
        let queues = options.number("queues", default.queues.into())?;
        if !QUEUES.contains(&queues) {
            return Err(invalid(options, "queues", "a number from 1 to 64"));
        }
        let expected = "interrupt, polled or adaptive";
        let waiting = options.parse("completion", default.waiting, expected)?;
        let spin = match waiting {
            Waiting::Interrupt => 0,
            Waiting::Polled => 20_000,
            Waiting::Adaptive => default.spin,
        };
        let timeout_ms = options.number("timeout_ms", default.timeout_ns / 1_000_000)?;
        if !(1..=3_600_000).contains(&timeout_ms) {
            return Err(invalid(options, "timeout_ms", "1 to 3600000 milliseconds"));
        }
        let namespace = options.parse("namespace", 0, "the number of a namespace")?;
        Ok(Self {
            queue_depth: depth as u16,
            queues: queues as u16,
            waiting,
            spin: options.parse("spin", spin, "a number of looks")?,
            timeout_ns: timeout_ms * 1_000_000,
            namespace: (namespace != 0).then_some(namespace),
        })
    }
}

fn invalid(options: &Options, key: &'static str, expected: &'static str) -> OptionError {
    OptionError::Invalid {
        key,
        value: options.text(key).unwrap_or_default().into(),
        expected,
    }
}
