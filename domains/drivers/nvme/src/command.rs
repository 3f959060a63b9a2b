//! Commands and completions (NVMe 1.4, sections 4.2, 4.6, 5 and 6).

use interfaces::block::BlockError;

/// 64-bit words of a submission queue entry.
pub const COMMAND_WORDS: usize = 8;
/// 64-bit words of a completion queue entry.
pub const COMPLETION_WORDS: usize = 2;

/// Opcodes of admin commands (5, figure 139).
pub mod admin {
    /// Create I/O submission queue (5.4).
    pub const CREATE_SUBMISSION_QUEUE: u8 = 0x01;
    /// Create I/O completion queue (5.3).
    pub const CREATE_COMPLETION_QUEUE: u8 = 0x05;
    /// Identify (5.15).
    pub const IDENTIFY: u8 = 0x06;
    /// Set features (5.21).
    pub const SET_FEATURES: u8 = 0x09;
}

/// Opcodes of NVM commands (6, figure 346).
pub mod nvm {
    /// Flush (6.8).
    pub const FLUSH: u8 = 0x00;
    /// Write (6.15).
    pub const WRITE: u8 = 0x01;
    /// Read (6.9).
    pub const READ: u8 = 0x02;
}

/// What identify is to return (CNS, figure 244).
pub mod identify {
    /// A namespace.
    pub const NAMESPACE: u32 = 0x00;
    /// The controller.
    pub const CONTROLLER: u32 = 0x01;
    /// Numbers of the active namespaces.
    pub const ACTIVE_NAMESPACES: u32 = 0x02;
}

/// Feature: number of queues (5.21.1.7).
pub const FEATURE_NUMBER_OF_QUEUES: u32 = 0x07;

/// A submission queue entry (4.2), without its command identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    /// Opcode.
    pub opcode: u8,
    /// Namespace, 0 if none.
    pub namespace: u32,
    /// Where the data is (4.3).
    pub prps: Prps,
    /// Command dwords 10 to 12; 13 to 15 are zero in every command used here.
    pub dwords: [u32; 3],
}

/// Physical region page entries 1 and 2 (4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prps(pub u64, pub u64);

impl Command {
    /// Read or write of `sectors` (1 to 65,536) from `first` on.
    #[must_use]
    pub const fn transfer(
        opcode: u8,
        namespace: u32,
        first: u64,
        sectors: u32,
        prps: Prps,
    ) -> Self {
        Self {
            opcode,
            namespace,
            prps,
            dwords: [first as u32, (first >> 32) as u32, sectors - 1],
        }
    }

    /// Flush of a namespace.
    #[must_use]
    pub const fn flush(namespace: u32) -> Self {
        Self {
            opcode: nvm::FLUSH,
            namespace,
            prps: Prps(0, 0),
            dwords: [0; 3],
        }
    }

    /// The entry's words, with this command identifier.
    #[inline]
    #[must_use]
    pub const fn words(&self, identifier: u16) -> [u64; COMMAND_WORDS] {
        let [ten, eleven, twelve] = self.dwords;
        [
            self.opcode as u64 | (identifier as u64) << 16 | (self.namespace as u64) << 32,
            0,
            0,
            self.prps.0,
            self.prps.1,
            ten as u64 | (eleven as u64) << 32,
            twelve as u64,
            0,
        ]
    }
}

/// A completion queue entry (4.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    /// Dword 0, by command.
    pub result: u32,
    /// The command's identifier.
    pub identifier: u16,
    /// The submission queue it came by.
    pub queue: u16,
    /// Its outcome.
    pub status: Status,
}

/// Phase tag in the second word of a completion (4.6, dword 3 bit 16).
pub const PHASE: u64 = 1 << 48;

impl Completion {
    /// Decodes the two words of an entry.
    #[inline]
    #[must_use]
    pub const fn from_words(first: u64, second: u64) -> Self {
        Self {
            result: first as u32,
            identifier: (second >> 32) as u16,
            queue: (second >> 16) as u16,
            status: Status((second >> 49) as u16),
        }
    }
}

/// Status field of a completion (4.6.1): code in bits 7:0, its type in 10:8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(pub u16);

impl Status {
    /// Success.
    pub const SUCCESS: Self = Self(0);

    /// Status code (SC).
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0 as u8
    }

    /// Status code type (SCT).
    #[must_use]
    pub const fn kind(self) -> u8 {
        (self.0 >> 8) as u8 & 7
    }

    /// The outcome as a block device reports it.
    ///
    /// # Errors
    /// By figures 127 to 131 of the specification.
    #[inline]
    pub const fn outcome(self) -> Result<(), BlockError> {
        if self.0 & 0x7FF == 0 {
            return Ok(());
        }
        Err(match (self.kind(), self.code()) {
            // LBA out of range; capacity exceeded.
            (0, 0x80 | 0x81) => BlockError::OutOfRange,
            // Namespace is write protected; attempted write to read-only range.
            (0, 0x20) | (1, 0x82) => BlockError::ReadOnly,
            // Media and data integrity errors.
            (2, _) => BlockError::Media,
            _ => BlockError::Device,
        })
    }
}
