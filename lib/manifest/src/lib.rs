//! The plan of a system: which domains run, and what each of them is handed.
//!
//! The host tool compiles `systems/NAME.toml` for one machine into a
//! [`SystemPlan`], having checked every wire against the images. The
//! supervisor decodes it from the boot archive and carries it out. This crate
//! is the plan's types and its bytes; it neither parses TOML nor knows what a
//! domain does.
//!
//! Two orders carry meaning, so that the supervisor needs no search: domains
//! stand in start order (a domain after everything it is handed), and a
//! domain's grants stand in the order of its image's parameters.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// First bytes of an encoded plan; the last is the version of the format.
const MAGIC: [u8; 8] = *b"RLPLAN\x00\x04";

/// One bootable composition of domains, for one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemPlan {
    /// Name of the system, the stem of its manifest's file name.
    pub name: String,
    /// The domains in start order.
    pub domains: Vec<DomainPlan>,
}

/// One domain of a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainPlan {
    /// Name, unique in the system.
    pub name: String,
    /// Name of its image: `images/NAME` in the boot archive.
    pub image: String,
    /// What each parameter of the image is given, in the image's order.
    pub grants: Vec<GrantPlan>,
    /// What the supervisor does when it dies.
    pub on_death: DeathPolicy,
    /// Its callers may rely on a successor: they wait for one where a call may be
    /// made twice.
    pub is_promised: bool,
    /// What it may use.
    pub limits: LimitsPlan,
    /// Longest time until its entry comes back, in nanoseconds; 0: the supervisor's
    /// default.
    pub start_ns: u64,
    /// Priority of its threads; 0: the kernel's default.
    pub priority: u32,
    /// When it stays dead, the system has failed and powers off.
    pub is_essential: bool,
}

/// What a domain may use: taking more ends it. 0 stands for the kernel's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsPlan {
    /// Most bytes of private memory. Default: 64 MiB.
    pub memory_bytes: u64,
    /// Most bytes of exchange objects that it owns. Default: 64 MiB.
    pub exchange_bytes: u64,
    /// Longest time in one call in nanoseconds. Default: unlimited.
    pub watchdog_ns: u64,
    /// Most threads, in [`THREADS`]. Default: 64.
    pub threads: u32,
    /// Most proxies held, and most objects exported, in [`HANDLES`]. Default:
    /// 1,024.
    pub handles: u32,
    /// Lines logged in a second, in [`LOG_LINES`]. Default: 500.
    pub log_lines: u32,
    /// CPU time in a second, in percent of one CPU, in [`CPU_PERCENT`]. Default:
    /// unlimited.
    pub cpu_percent: u32,
}

/// What [`LimitsPlan::memory_bytes`] and its sibling may be: 64 KiB to 1 TiB.
pub const BYTES: RangeInclusive<u64> = 64 << 10..=1 << 40;

/// What [`LimitsPlan::watchdog_ns`] may be, in milliseconds: to an hour.
pub const WATCHDOG_MS: RangeInclusive<u64> = 1..=3_600_000;

/// What [`DomainPlan::start_ns`] may be, in milliseconds: to an hour.
pub const START_MS: RangeInclusive<u64> = 1..=3_600_000;

/// What [`LimitsPlan::threads`] may be.
pub const THREADS: RangeInclusive<u64> = 1..=16_384;

/// What [`LimitsPlan::handles`] may be.
pub const HANDLES: RangeInclusive<u64> = 16..=1_048_576;

/// What [`LimitsPlan::log_lines`] may be.
pub const LOG_LINES: RangeInclusive<u64> = 1..=1_000_000;

/// What [`LimitsPlan::cpu_percent`] may be: up to 64 CPUs.
pub const CPU_PERCENT: RangeInclusive<u64> = 1..=6_400;

/// What one parameter of a domain is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantPlan {
    /// Name of the parameter.
    pub parameter: String,
    /// Where the capability comes from.
    pub source: GrantSource,
}

/// Where a capability comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantSource {
    /// The parameter is optional and gets nothing.
    Absent,
    /// The object another domain provides.
    Domain {
        /// Index in [`SystemPlan::domains`], less than that of this domain.
        index: u32,
    },
    /// A PCI function.
    Pci(PciSelector),
    /// The console.
    Console,
    /// The right to start, list and end domains, and to power off.
    DomainControl,
    /// The right to read the boot archive.
    BootArchive,
    /// A file of the host, by the name it has on the kernel's command line.
    HostFile {
        /// `disk` for the file given by `--disk`.
        name: String,
    },
    /// Text: options of the domain.
    Text(String),
    /// The supervisor itself, as an object of its interface.
    Supervisor,
    /// The domain's link to those before and after it in its place.
    Succession,
}

/// Which PCI function is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciSelector {
    /// What must match.
    pub pattern: PciPattern,
    /// Which of the functions that match, in bus order from 0.
    pub index: u32,
    /// How an IOMMU, where there is one, guards against it.
    pub dma: Dma,
}

/// How long a device reaches what its driver was lent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dma {
    /// Until it is freed.
    #[default]
    Leased,
    /// Until the driver has it back.
    Strict,
    /// It reaches all memory, always.
    Open,
}

/// What a PCI function must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PciPattern {
    /// Class, subclass and programming interface, as `0x00ccsspp`.
    Class(u32),
    /// Vendor and device.
    Device {
        /// Vendor identity.
        vendor: u16,
        /// Device identity.
        device: u16,
    },
}

impl PciPattern {
    /// Whether a function with these registers matches; `vendor_device` has the
    /// vendor in its low half, `class` is `0x00ccsspp`.
    #[must_use]
    pub const fn matches(self, vendor_device: u32, class: u32) -> bool {
        match self {
            Self::Class(wanted) => wanted == class,
            Self::Device { vendor, device } => {
                vendor_device == (device as u32) << 16 | vendor as u32
            }
        }
    }
}

/// What the supervisor does when a domain dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeathPolicy {
    /// Nothing: it stays dead, and who calls it gets `DomainDead`.
    Stop,
    /// Starts it again and hands the new object to those that hold the old one.
    Restart(RestartLimit),
    /// As `Restart`, behind a shadow that hides the death from callers.
    Transparent(RestartLimit),
}

/// How often and how fast a domain is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartLimit {
    /// Pause before the second restart in a row, doubled with each that
    /// follows; the first comes at once.
    pub backoff_ns: u64,
    /// Most restarts in a row; then the domain stays dead.
    pub limit: u32,
    /// A domain that has lived this long works: its death begins a new row.
    pub settle_ns: u64,
    /// Most restarts within [`BUDGET_NS`], in a row or not.
    pub budget: u32,
}

/// Time that [`RestartLimit::budget`] is for: 10 seconds.
pub const BUDGET_NS: u64 = 10_000_000_000;

impl SystemPlan {
    /// The plan as bytes.
    ///
    /// # Errors
    /// [`PlanError::Encode`] if the plan cannot be written; plans built from
    /// the types above always can.
    pub fn encode(&self) -> Result<Vec<u8>, PlanError> {
        postcard::to_extend(self, Vec::from(MAGIC)).map_err(|_| PlanError::Encode)
    }

    /// Reads a plan and checks its inner references.
    ///
    /// # Errors
    /// A [`PlanError`] for bytes that are no plan or one that refers to nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlanError> {
        let body = bytes.strip_prefix(&MAGIC).ok_or(PlanError::NotAPlan)?;
        let (plan, rest) =
            postcard::take_from_bytes::<Self>(body).map_err(|_| PlanError::Malformed)?;
        if !rest.is_empty() {
            return Err(PlanError::Malformed);
        }
        plan.check_order()?;
        Ok(plan)
    }

    /// The domain with this name.
    #[must_use]
    pub fn domain(&self, name: &str) -> Option<&DomainPlan> {
        self.index_of(name).map(|index| &self.domains[index])
    }

    /// Where the domain with this name stands in the start order.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.domains.iter().position(|domain| domain.name == name)
    }

    /// Checks that every domain stands after what it is handed.
    fn check_order(&self) -> Result<(), PlanError> {
        for (position, domain) in self.domains.iter().enumerate() {
            for grant in &domain.grants {
                if let GrantSource::Domain { index } = grant.source
                    && usize::try_from(index).map_or(true, |index| index >= position)
                {
                    return Err(PlanError::Order);
                }
            }
        }
        Ok(())
    }
}

/// Why bytes are not a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The first bytes are not those of a plan of this version.
    NotAPlan,
    /// The bytes end early, go on too long, or hold an unknown value.
    Malformed,
    /// A domain is handed something that starts after it.
    Order,
    /// The plan cannot be written.
    Encode,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPlan => "not a system plan of this version",
            Self::Malformed => "the system plan is damaged",
            Self::Order => "the system plan hands a domain something that starts after it",
            Self::Encode => "the system plan cannot be written",
        })
    }
}

impl core::error::Error for PlanError {}

#[cfg(test)]
mod tests;
