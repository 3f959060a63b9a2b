//! Why a controller could not be started or stopped.

use core::fmt;

use crate::command::Status;

/// Why a controller cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartFailure {
    /// The function has no registers, or too few.
    NoRegisters,
    /// It reads as all ones: it is gone.
    Gone,
    /// It does not execute the NVM command set.
    NoCommandSet,
    /// Its smallest memory page, in bytes, is more than 4 KiB.
    PageSize(usize),
    /// CSTS.RDY did not become this in the time CAP.TO allows.
    NotReady(bool),
    /// It reports a fatal error (CSTS.CFS).
    Fatal,
    /// An admin command, by opcode, was not answered.
    TimedOut(u8),
    /// An admin command, by opcode, failed.
    Command(u8, Status),
    /// No memory for its queues.
    NoMemory,
    /// It has no active namespace.
    NoNamespace,
    /// The namespace has this many bytes of metadata with each sector.
    Metadata(u16),
    /// The namespace's sectors have 2 to this power bytes.
    SectorSize(u8),
}

impl fmt::Display for StartFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRegisters => formatter.write_str("no controller registers behind BAR 0"),
            Self::Gone => formatter.write_str("the controller does not answer"),
            Self::NoCommandSet => formatter.write_str("no NVM command set"),
            Self::PageSize(bytes) => write!(formatter, "pages of {bytes} bytes, expected 4096"),
            Self::NotReady(ready) => {
                let wanted = if *ready { "ready" } else { "stopped" };
                write!(formatter, "the controller did not get {wanted} in time")
            }
            Self::Fatal => formatter.write_str("the controller reports a fatal error"),
            Self::TimedOut(opcode) => write!(formatter, "admin command {opcode:#04x} timed out"),
            Self::Command(opcode, status) => write!(
                formatter,
                "admin command {opcode:#04x} failed: status type {}, code {:#04x}",
                status.kind(),
                status.code()
            ),
            Self::NoMemory => formatter.write_str("no memory for the queues"),
            Self::NoNamespace => formatter.write_str("no active namespace"),
            Self::Metadata(bytes) => {
                write!(
                    formatter,
                    "{bytes} bytes of metadata per sector, expected 0"
                )
            }
            Self::SectorSize(power) => {
                write!(
                    formatter,
                    "sectors of 2^{power} bytes, expected 512 or 4096"
                )
            }
        }
    }
}

impl core::error::Error for StartFailure {}
