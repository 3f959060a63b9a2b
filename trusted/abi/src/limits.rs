//! What a domain may use at most. Taking more ends it.

/// Limits of a domain, as `domain_start` takes them. 0 stands for the default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Limits {
    /// Most bytes of private memory.
    pub memory_bytes: u64,
    /// Most bytes of exchange objects that it owns.
    pub exchange_bytes: u64,
    /// Longest time in one call, in nanoseconds; by default there is no limit.
    pub watchdog_ns: u64,
    /// Most threads that it made. The stacks of all of them have at most
    /// 256 KiB for each that it may make.
    pub threads: u32,
    /// Most proxies that it holds, and most objects that it exports.
    pub handles: u32,
    /// Lines it may log in a second; further ones are left out.
    pub log_lines: u32,
    /// Most CPU time in a second, in percent of one CPU; by default there is no
    /// limit.
    pub cpu_percent: u32,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        memory_bytes: 0,
        exchange_bytes: 0,
        watchdog_ns: 0,
        threads: 0,
        handles: 0,
        log_lines: 0,
        cpu_percent: 0,
    };
}
