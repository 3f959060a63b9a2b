//! Bounds on what one image may take: time, while it runs, and memory.

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time for one image; a busy machine takes seconds in a debug build.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Memory that the images may add, one after the other: copies of one, a cache of
/// 256 KiB, names.
const KIB_MAX: u64 = 32 * 1024;

/// The image that is at work, and since when.
type Current = Arc<Mutex<Option<(String, Instant)>>>;

/// Ends the process when an image takes too long; a thread cannot be ended.
pub struct Watch {
    current: Current,
    slowest: Cell<Duration>,
    /// Memory in use before the first image.
    before_kib: u64,
    largest_kib: Cell<u64>,
}

impl Watch {
    pub fn new() -> Self {
        let current = Current::default();
        let watched = Arc::downgrade(&current);
        std::thread::spawn(move || {
            while let Some(current) = watched.upgrade() {
                let current = current.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((what, start)) = &*current
                    && start.elapsed() > TIME_MAX
                {
                    // Not by a macro, whose output the harness keeps to itself.
                    let line = format!("still running after {TIME_MAX:?}: {what}\n");
                    let _ = std::io::stderr().write_all(line.as_bytes());
                    std::process::abort();
                }
                drop(current);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Self {
            current,
            slowest: Cell::default(),
            before_kib: status_kib("VmRSS:"),
            largest_kib: Cell::default(),
        }
    }

    /// Runs the work on one image within the bounds.
    pub fn over(&self, what: &str, work: impl FnOnce() -> bool) -> bool {
        let start = Instant::now();
        *self.lock() = Some((what.to_owned(), start));
        let named = Named(what);
        let result = work();
        *self.lock() = None;
        let grown = status_kib("VmHWM:").saturating_sub(self.before_kib);
        assert!(grown < KIB_MAX, "{grown} KiB more");
        drop(named);
        self.slowest.set(self.slowest.get().max(start.elapsed()));
        self.largest_kib.set(self.largest_kib.get().max(grown));
        result
    }

    /// Says how near the bounds it came.
    pub fn report(&self) {
        println!(
            "slowest {:?}, largest {} KiB",
            self.slowest.get(),
            self.largest_kib.get()
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(String, Instant)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names the image when the work on it fails.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed: {}", self.0);
        }
    }
}

/// A line of `/proc/self/status`, see proc(5): the resident set or its peak, in KiB.
fn status_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().split(' ').next());
    number
        .and_then(|number| number.parse().ok())
        .expect("the line is a number of KiB")
}
