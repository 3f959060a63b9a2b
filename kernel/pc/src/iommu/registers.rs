//! Registers, queue entries and tables of VT-d (specification 4.1, chapter 11).

/// Offsets of registers; section 11.4.
pub mod register {
    pub const CAPABILITY: usize = 0x08;
    pub const EXTENDED_CAPABILITY: usize = 0x10;
    pub const COMMAND: usize = 0x18;
    pub const STATUS: usize = 0x1c;
    pub const ROOT_TABLE: usize = 0x20;
    pub const FAULT_STATUS: usize = 0x34;
    pub const FAULT_CONTROL: usize = 0x38;
    pub const FAULT_DATA: usize = 0x3c;
    pub const FAULT_ADDRESS: usize = 0x40;
    pub const FAULT_UPPER_ADDRESS: usize = 0x44;
    pub const QUEUE_TAIL: usize = 0x88;
    pub const QUEUE_ADDRESS: usize = 0x90;
}

/// Global command and status; sections 11.4.4.1 and 11.4.4.2.
pub mod command {
    pub const TRANSLATE: u32 = 1 << 31;
    pub const SET_ROOT: u32 = 1 << 30;
    pub const FLUSH_WRITES: u32 = 1 << 27;
    pub const QUEUE: u32 = 1 << 26;
}

/// Capabilities; sections 11.4.2 and 11.4.3.
pub mod capability {
    /// Domain numbers have 4 bits and twice this many more.
    pub const fn domain_bits(capability: u64) -> u32 {
        4 + 2 * (capability & 7) as u32
    }

    /// Writes to tables wait in a buffer that software flushes.
    pub const fn has_write_buffer(capability: u64) -> bool {
        capability & 1 << 4 != 0
    }

    /// Levels of second-level tables: 3 or 4, the fewer the better.
    pub const fn levels(capability: u64) -> Option<u32> {
        match capability >> 8 & 0b110 {
            0 => None,
            widths if widths & 0b10 != 0 => Some(3),
            _ => Some(4),
        }
    }

    /// Bits of a device address.
    pub const fn address_bits(capability: u64) -> u32 {
        (capability >> 16 & 0x3f) as u32 + 1
    }

    /// Offset of the fault records.
    pub const fn fault_records(capability: u64) -> usize {
        (capability >> 24 & 0x3ff) as usize * 16
    }

    /// How many there are.
    pub const fn fault_record_count(capability: u64) -> usize {
        (capability >> 40 & 0xff) as usize + 1
    }

    /// Extended: the unit sees what is in processors' caches.
    pub const COHERENT: u64 = 1;
    /// Extended: it has an invalidation queue.
    pub const QUEUED: u64 = 1 << 1;
}

/// Fault status, control and records; sections 11.4.7.1, 11.4.7.2 and 11.4.14.
pub mod fault {
    /// Records were lost.
    pub const OVERFLOW: u32 = 1;
    /// Upper half of a record: there is a fault in it.
    pub const PRESENT: u64 = 1 << 63;
    /// Upper half: the device read.
    pub const READ: u64 = 1 << 62;
    /// Lower half: the page.
    pub const PAGE: u64 = !0xfff;
    /// Bytes of a record.
    pub const RECORD_BYTES: usize = 16;
}

/// Entries of the invalidation queue; section 6.5.2.
pub mod queue {
    /// Context cache: one function.
    pub const fn context(function: u16, domain: u16) -> [u64; 2] {
        [
            1 | 3 << 4 | (domain as u64) << 16 | (function as u64) << 32,
            0,
        ]
    }

    /// Context cache: all.
    pub const ALL_CONTEXTS: [u64; 2] = [1 | 1 << 4, 0];

    /// Translations: all of a domain; reads and writes under way are drained.
    pub const fn domain(domain: u16) -> [u64; 2] {
        [2 | 2 << 4 | DRAIN | (domain as u64) << 16, 0]
    }

    /// Translations: all.
    pub const ALL_DOMAINS: [u64; 2] = [2 | 1 << 4 | DRAIN, 0];

    /// Writes `value` to `address` once all before it is done.
    pub const fn wait(address: u64, value: u32) -> [u64; 2] {
        [5 | 1 << 5 | (value as u64) << 32, address]
    }

    const DRAIN: u64 = 1 << 6 | 1 << 7;
    /// Bytes of an entry.
    pub const ENTRY_BYTES: usize = 16;
    /// Entries in a queue of one page, which is its smallest size.
    pub const ENTRIES: usize = 256;
}

/// Root and context tables; sections 9.1 and 9.3.
pub mod table {
    pub const PRESENT: u64 = 1;
    /// The table that an entry points to.
    pub const ADDRESS: u64 = !0xfff;

    /// Upper half of a context entry: a domain with tables of so many levels.
    pub const fn upper(domain: u16, levels: u32) -> u64 {
        (domain as u64) << 8 | (levels as u64 - 2)
    }
}
