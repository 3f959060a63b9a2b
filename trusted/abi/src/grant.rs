//! Capabilities handed to a domain when it starts.

/// One parameter of a domain's entry function, as the starter passes it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Grant {
    /// What it is, a [`GrantKind`].
    pub kind: u32,
    /// Reserved, zero.
    pub reserved: u32,
    /// Fingerprint of the interface, for a proxy; else 0.
    pub fingerprint: u64,
    /// First word; see [`GrantKind`].
    pub first: u64,
    /// Second word; see [`GrantKind`].
    pub second: u64,
}

/// Kinds of capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum GrantKind {
    /// The parameter is optional and was not given.
    Absent = 0,
    /// `first`: address of a [`crate::exchange::ProxyObject`], moved to the domain.
    Proxy = 1,
    /// UTF-8 text: `first` address, `second` length; borrowed for the start call.
    Text = 2,
    /// `first`: a PCI function, as [`crate::device::PciAddress`] packs it; `second`: how
    /// its device is guarded, a [`crate::device::DmaMode`].
    PciFunction = 3,
    /// The right to start, list and end domains, and to power off.
    DomainControl = 4,
    /// The right to read and write the console.
    Console = 5,
    /// `first`: number of a file of the host (machine `hosted` only).
    HostFile = 6,
    /// The right to read the boot archive.
    BootArchive = 7,
    /// Bytes: `first` address, `second` length; borrowed for the start call.
    Bytes = 8,
}

impl GrantKind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Absent,
            1 => Self::Proxy,
            2 => Self::Text,
            3 => Self::PciFunction,
            4 => Self::DomainControl,
            5 => Self::Console,
            6 => Self::HostFile,
            7 => Self::BootArchive,
            8 => Self::Bytes,
            _ => return None,
        })
    }
}

/// Entry point of every image, the ELF entry symbol `redleaf_entry`.
///
/// Runs inside a crossing into the new domain. It decodes the grants, calls
/// the domain's function and fills in `result`.
pub type Entry = unsafe extern "sysv64" fn(start: *mut StartFrame);

/// What kernel and entry point exchange.
#[repr(C)]
pub struct StartFrame {
    /// Grants, in the order of the image's parameters.
    pub grants: *const Grant,
    /// Number of grants.
    pub grant_count: usize,
    /// Filled in by the entry: a [`StartResult`].
    pub result: u32,
    /// Exit status when `result` is `Exited`.
    pub exit_status: i32,
    /// The object the domain provides ([`crate::exchange::ProxyObject`]),
    /// owned by the new domain, when `result` is `Provides`; else null.
    pub object: *mut (),
    /// Bytes of `error` in use.
    pub error_length: usize,
    /// One line that says why the domain could not start.
    pub error: [u8; 160],
}

/// Outcome of a domain's entry function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum StartResult {
    /// The entry has not returned.
    Running = 0,
    /// The domain lives on and provides an object.
    Provides = 1,
    /// The domain lives on and provides nothing (its threads work).
    Stays = 2,
    /// The domain is done; `exit_status` holds its status. The kernel ends it.
    Exited = 3,
    /// The domain cannot work; `error` says why. The kernel ends it.
    Failed = 4,
}
