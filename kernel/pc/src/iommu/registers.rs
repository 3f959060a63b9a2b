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
    pub const INTERRUPT_TABLE: usize = 0xb8;
}

/// Global command and status; sections 11.4.4.1 and 11.4.4.2.
pub mod command {
    /// Bits of the status that a command repeats; the others are done once.
    pub const LASTING: u32 = 0x96ff_ffff;
    pub const TRANSLATE: u32 = 1 << 31;
    pub const SET_ROOT: u32 = 1 << 30;
    pub const FLUSH_WRITES: u32 = 1 << 27;
    pub const QUEUE: u32 = 1 << 26;
    pub const REMAP_INTERRUPTS: u32 = 1 << 25;
    pub const SET_INTERRUPT_TABLE: u32 = 1 << 24;
    /// Messages that name no entry pass unchecked.
    pub const PASS_COMPATIBLE: u32 = 1 << 23;
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

    /// The most levels; what passes through untranslated is noted with these (9.3).
    pub const fn most_levels(capability: u64) -> u32 {
        match capability >> 8 & 0b1110 {
            widths if widths & 0b1000 != 0 => 5,
            widths if widths & 0b100 != 0 => 4,
            _ => 3,
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
    /// Extended: it remaps interrupts.
    pub const REMAPS_INTERRUPTS: u64 = 1 << 3;
    /// Extended: it lets functions have all memory.
    pub const PASS_THROUGH: u64 = 1 << 6;
    /// Extended: to CPUs with 32-bit ids.
    pub const WIDE_IDS: u64 = 1 << 4;
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
    /// Reasons by which it refused an interrupt; section 7.1.3, table 25.
    pub const INTERRUPTS: core::ops::RangeInclusive<u8> = 0x20..=0x26;

    /// Upper half: why.
    pub const fn reason(upper: u64) -> u8 {
        (upper >> 32) as u8
    }

    /// Upper half: which function.
    pub const fn source(upper: u64) -> u16 {
        upper as u16
    }

    /// Lower half, of a refused interrupt: the entry that its message named.
    pub const fn interrupt(lower: u64) -> u16 {
        (lower >> 48) as u16
    }

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

    /// Interrupts: one entry.
    pub const fn interrupt(index: u16) -> [u64; 2] {
        [4 | 1 << 4 | (index as u64) << 32, 0]
    }

    /// Interrupts: all entries.
    pub const ALL_INTERRUPTS: [u64; 2] = [4, 0];

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

    /// Lower half of a context entry: addresses are not translated.
    pub const PASS_THROUGH: u64 = 0b10 << 2;

    /// Upper half of a context entry: a domain with tables of so many levels.
    pub const fn upper(domain: u16, levels: u32) -> u64 {
        (domain as u64) << 8 | (levels as u64 - 2)
    }
}

/// The register that says where entries for interrupts are; section 11.4.11.
pub mod interrupt_table {
    /// Entries name CPUs by 32 bits.
    pub const WIDE_IDS: u64 = 1 << 11;
    /// `log2` of the number of entries, less one: 256.
    pub const SIZE: u64 = 7;
}

/// Entries for interrupts, lower and upper half; section 9.10.
pub mod interrupt {
    pub const PRESENT: u64 = 1;
    pub const LEVEL: u64 = 1 << 4;
    pub const VECTOR_SHIFT: u32 = 16;
    /// The CPU, by 32 bits.
    pub const WIDE_ID_SHIFT: u32 = 32;
    /// The CPU, by 8 bits.
    pub const ID_SHIFT: u32 = 40;
    /// Upper half: all bits of the source are compared.
    pub const CHECK_SOURCE: u64 = 1 << 18;
}

/// Messages that name an entry; section 5.1.2.2.
pub mod message {
    /// Where messages are written to.
    pub const RANGE: u64 = 0xfee0_0000;
    /// It names an entry.
    pub const REMAPPED: u64 = 1 << 4;
    /// The entry, without its highest bit.
    pub const ENTRY_SHIFT: u32 = 5;
    /// The CPU of a message that names none, and where the upper bits of its id go.
    pub const ID_SHIFT: u32 = 12;
    pub const UPPER_ID_SHIFT: u32 = 32;
}

/// Upper half of an I/O APIC's redirection entry that names an entry; section 5.1.5.1.
pub mod redirection {
    pub const REMAPPED: u32 = 1 << 16;
    pub const ENTRY_SHIFT: u32 = 17;
}
