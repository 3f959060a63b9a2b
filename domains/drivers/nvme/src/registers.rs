//! NVMe controller registers, by NVM Express Base Specification 1.4, 3.1.

/// Controller capabilities (3.1.1), 64 bits, read-only.
pub const CAP: usize = 0x00;
/// Version (3.1.2), read-only.
pub const VS: usize = 0x08;
/// Controller configuration (3.1.5).
pub const CC: usize = 0x14;
/// Controller status (3.1.6), read-only.
pub const CSTS: usize = 0x1C;
/// Admin queue attributes (3.1.8).
pub const AQA: usize = 0x24;
/// Admin submission queue base address (3.1.9), 64 bits.
pub const ASQ: usize = 0x28;
/// Admin completion queue base address (3.1.10), 64 bits.
pub const ACQ: usize = 0x30;
/// First doorbell (3.1.24).
const DOORBELLS: usize = 0x1000;

/// Controller capabilities (3.1.1).
#[derive(Clone, Copy, Debug)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Most entries in a queue (MQES, stored less one).
    #[must_use]
    pub const fn max_queue_entries(self) -> u32 {
        (self.0 & 0xFFFF) as u32 + 1
    }

    /// Longest time from a change of CC.EN to that of CSTS.RDY (TO).
    #[must_use]
    pub const fn ready_timeout_ns(self) -> u64 {
        (self.0 >> 24 & 0xFF) * 500_000_000
    }

    /// Bytes from one doorbell to the next (DSTRD).
    #[must_use]
    pub const fn doorbell_stride(self) -> usize {
        4 << (self.0 >> 32 & 0xF)
    }

    /// Whether it executes the NVM command set (CSS, bit 0).
    #[must_use]
    pub const fn has_nvm_commands(self) -> bool {
        self.0 >> 37 & 1 != 0
    }

    /// Smallest memory page it works with, in bytes (MPSMIN).
    #[must_use]
    pub const fn min_page_bytes(self) -> usize {
        1 << (12 + (self.0 >> 48 & 0xF))
    }

    /// Offset of a submission queue's tail doorbell (3.1.24).
    #[must_use]
    pub const fn tail_doorbell(self, queue: u16) -> usize {
        DOORBELLS + 2 * queue as usize * self.doorbell_stride()
    }

    /// Offset of a completion queue's head doorbell (3.1.25).
    #[must_use]
    pub const fn head_doorbell(self, queue: u16) -> usize {
        DOORBELLS + (2 * queue as usize + 1) * self.doorbell_stride()
    }
}

/// CC with the controller enabled: NVM command set, 4 KiB pages, round-robin
/// arbitration, submission entries of 2^6 and completion entries of 2^4 bytes.
pub const CC_ENABLED: u32 = CC_EN | 6 << 16 | 4 << 20;
/// CC.EN: enable.
pub const CC_EN: u32 = 1 << 0;
/// CSTS.RDY: ready.
pub const CSTS_RDY: u32 = 1 << 0;
/// CSTS.CFS: controller fatal status.
pub const CSTS_CFS: u32 = 1 << 1;

/// AQA for admin queues of `entries` entries each.
#[must_use]
pub const fn admin_attributes(entries: u16) -> u32 {
    (entries as u32 - 1) << 16 | (entries as u32 - 1)
}
