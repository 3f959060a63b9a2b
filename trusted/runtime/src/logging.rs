//! The `log` crate's macros write to the kernel log.

use alloc::format;

use exchange::thread::services;
use log::{LevelFilter, Log, Metadata, Record};

struct KernelLog;

impl Log for KernelLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{}", record.args());
        // SAFETY: every domain may log; the kernel adds who it was. The text
        // lives for the call.
        unsafe { (services().log)(record.level() as u32, line.as_ptr(), line.len()) }
    }

    fn flush(&self) {
        // SAFETY: every domain may have the log shown.
        unsafe { (services().log_flush)() }
    }
}

/// Sends what the `log` macros write to the kernel log.
pub(crate) fn install() {
    // A second call, in a host test, finds the logger installed.
    if log::set_logger(&KernelLog).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
