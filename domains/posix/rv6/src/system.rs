//! What Rv6 needs from below: clock, console, threads, domains.
//!
//! The image implements it with the runtime's capabilities, the tests with
//! threads of the host.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use interfaces::process::ARG_MAX;

use crate::errno::{Errno, Outcome};
use crate::process::ProcessState;

/// A verified image, ready to be started. Only the [`System`] that made it
/// knows what is in it.
pub type ImageHandle = Arc<dyn Any + Send + Sync>;

/// How a program came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned or exited with this status.
    Exited(i32),
    /// It died of the cause with this number (`abi::death::DeathCause`).
    Died(u32),
    /// It was never run; the reason in one line.
    NotStarted(String),
}

/// Services of the kernel and of other domains.
pub trait System: Send + Sync {
    /// Nanoseconds since boot.
    fn clock_ns(&self) -> u64;
    /// Nanoseconds since 1970 UTC.
    fn wall_clock_ns(&self) -> u64;
    /// Fills `buffer` with random bytes; whether there is a source of them.
    fn random(&self, buffer: &mut [u8]) -> bool;
    /// Writes to the console.
    fn console_write(&self, text: &[u8]);
    /// Writes beside the console, where the system's log goes.
    fn console_write_error(&self, text: &[u8]);
    /// Reads at least one byte from the console; 0: the input has ended. `position`
    /// is how many bytes were taken since boot, and becomes that of the first byte:
    /// what a predecessor read and did not take is given again.
    fn console_read(&self, position: &mut u64, into: &mut [u8]) -> usize;
    /// Adds a line to the kernel log.
    fn log(&self, line: &str);
    /// Runs `work` on a thread of its own; whether there was one to be had.
    fn spawn_thread(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> bool;
    /// As [`Self::spawn_thread`], before threads of processes get their turn.
    fn spawn_urgent(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> bool;
    /// Verifies an image.
    ///
    /// # Errors
    /// One line that says which check failed.
    fn open_image(&self, bytes: &[u8]) -> Result<ImageHandle, String>;
    /// Starts a program on a thread of its own, which this domain may die under;
    /// the id of its domain.
    ///
    /// # Errors
    /// Why it will never run, in one line.
    fn start(
        &self,
        image: &ImageHandle,
        process: &Arc<ProcessState>,
        start: &ProgramStart,
    ) -> Result<u64, String>;
    /// Waits until a domain has ended, the `after`-th since boot or a later one.
    fn next_end(&self, after: u64) -> DomainEnd;
    /// How a domain ended; `None` while it lives.
    fn end_of(&self, domain: u64) -> Option<Ended>;
    /// Leads a program that a predecessor started to its process's new object;
    /// whether that succeeded.
    fn adopt(&self, process: &Arc<ProcessState>) -> bool;
    /// Names of all domains, with their ids.
    fn domains(&self) -> Vec<(String, u64)>;
    /// The domains that are ending.
    fn dying_domains(&self) -> Vec<u64>;
    /// Begins the end of a domain, for the cause with this number, if it lives.
    fn kill(&self, domain: u64, cause: u32);
}

/// A domain has ended.
pub struct DomainEnd {
    /// Number of its end since boot.
    pub number: u64,
    /// Its id.
    pub domain: u64,
    /// How it ended.
    pub ended: Ended,
    /// When it began to, in nanoseconds since boot.
    pub began_ns: u64,
    /// The domain on whose thread it died; 0: on none of another's.
    pub caller: u64,
}

/// What a program is started with, as it gets it: the length of the arguments as four
/// bytes, least significant first, the arguments, the environment.
pub struct ProgramStart {
    bytes: Vec<u8>,
    environment: usize,
}

/// Bytes of the length.
const LENGTH: usize = size_of::<u32>();

impl ProgramStart {
    /// From arguments in two parts and the environment, each string of them ended by
    /// a zero byte.
    ///
    /// # Errors
    /// `E2BIG` beyond [`ARG_MAX`]; `ENOMEM`.
    pub fn new(first: &[u8], arguments: &[u8], environment: &[u8]) -> Outcome<Self> {
        let length = first.len() + arguments.len();
        if length + environment.len() > ARG_MAX {
            return Err(Errno::E2BIG);
        }
        let mut bytes = Vec::new();
        let size = LENGTH + length + environment.len();
        bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        let number = u32::try_from(length).map_err(|_| Errno::E2BIG)?;
        bytes.extend_from_slice(&number.to_le_bytes());
        for part in [first, arguments, environment] {
            bytes.extend_from_slice(part);
        }
        Ok(Self {
            bytes,
            environment: LENGTH + length,
        })
    }

    /// Its arguments.
    #[must_use]
    pub fn arguments(&self) -> &[u8] {
        self.bytes.get(LENGTH..self.environment).unwrap_or(&[])
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
