//! Measures crossings and exchange objects on several processors at once.
//!
//! As many threads as the machine has processors do the same thing as fast as
//! they can. Each counts for itself, in a cache line of its own; a sample is what
//! all of them did in a window of time. Each also times its own batches: their
//! medians, added up, leave out what the host took away from the threads. Calls
//! within the domain are measured alike, to tell what the host is capable of.
//! The number of threads is what the host
//! tool passes for the shell of other systems: `exec` in the archive's `boot`.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use exchange::{Proxy, RRef, RpcResult};
use interfaces::bench::{Echo, EchoBatch};
use measure::{Row, Samples};
use runtime::sync::Mutex;
use runtime::thread::{self, Priority};
use runtime::time::{Duration, Instant};
use runtime::{BootArchive, DomainControl, Options, ServiceError, StartError, domain};
use tar_no_std::TarArchiveRef;

/// Things in a batch: a thread does so many between two looks at the clock.
const STEP: u64 = 1000;

/// Most batches of which a thread keeps the time.
const BATCHES: usize = 50_000;

/// Length of a window.
const WINDOW: Duration = Duration::from_millis(20);

/// Time for all threads to get going.
const WARM_UP: Duration = Duration::from_millis(50);

/// A thread's count, on cache lines nobody else writes to.
#[repr(align(128))]
#[derive(Default)]
struct Count(AtomicU64);

/// What the threads of one measurement share.
struct Shared {
    echo: Arc<Proxy<dyn Echo>>,
    counts: Vec<Count>,
    is_over: AtomicBool,
    has_failed: AtomicBool,
    /// Times of batches in nanoseconds, of each thread that has ended.
    batches: Mutex<Vec<Samples>>,
}

/// What was measured with so many threads.
struct Measured {
    /// Nanoseconds that one thing takes all threads together, by windows.
    windows: Samples,
    batches: Vec<Samples>,
}

/// An object of this domain.
struct Local;

impl Echo for Local {
    #[inline(never)]
    fn null(&self) -> RpcResult<()> {
        black_box(Ok(()))
    }

    fn reference(&self, object: RRef<u64>) -> RpcResult<RRef<u64>> {
        Ok(object)
    }

    fn batch(&self, batch: EchoBatch) -> RpcResult<EchoBatch> {
        Ok(batch)
    }

    fn slice(&self, bytes: &[u8]) -> RpcResult<u64> {
        Ok(bytes.len() as u64)
    }
}

/// What a thread does again and again.
type Work = fn(&dyn Echo) -> RpcResult<()>;

/// Measures, reports and powers off. Option: `windows`, 25 unless given.
#[domain]
fn bench_scaling(
    echo: Proxy<dyn Echo>,
    archive: BootArchive,
    control: DomainControl,
    options: Options,
) -> Result<(), StartError> {
    let windows = usize::try_from(options.number("windows", 25)?)?;
    let threads = threads(&archive)?;
    let echo = Arc::new(echo);
    let works: [(&str, Work); 3] = [
        ("dyn calls", |_| black_box(&Local as &dyn Echo).null()),
        ("null crossings", |echo| echo.null()),
        ("RRef allocate + free", |_| {
            drop(black_box(RRef::new(7_u64)));
            Ok(())
        }),
    ];
    for (what, work) in works {
        let measured = measure(Arc::clone(&echo), threads, windows, work)?;
        let name = row_name(what, threads);
        let single = row_name(what, 1);
        let baseline = (threads != 1).then_some(single.as_str());
        runtime::log::info!("{}", measured.windows.rate(&name, baseline));
        let what = alloc::format!("{what} undisturbed");
        let name = row_name(&what, threads);
        let single = row_name(&what, 1);
        let baseline = (threads != 1).then_some(single.as_str());
        runtime::log::info!("{}", measured.undisturbed(&name, baseline));
    }
    control.power_off(0)
}

fn row_name(what: &str, threads: usize) -> alloc::string::String {
    let processors = if threads == 1 { "CPU" } else { "CPUs" };
    alloc::format!("{what}, {threads} {processors}")
}

/// The number of threads, from the archive's settings of this run.
fn threads(archive: &BootArchive) -> Result<usize, StartError> {
    let bytes = archive
        .bytes()
        .map_err(|error| StartError::new(format_args!("no archive: {error:?}")))?;
    let tar = TarArchiveRef::new(bytes)
        .map_err(|_| StartError::new("the boot archive is no tar file"))?;
    let boot = tar
        .entries()
        .find(|entry| entry.filename().as_str() == Ok("boot"))
        .ok_or_else(|| StartError::new("the boot archive has no settings"))?;
    let text = core::str::from_utf8(boot.data()).unwrap_or_default();
    let number = text.lines().find_map(|line| line.strip_prefix("exec="));
    number
        .and_then(|number| number.trim().parse().ok())
        .filter(|threads| (1..=64).contains(threads))
        .ok_or_else(|| StartError::new("exec= is not a number of threads from 1 to 64"))
}

impl Measured {
    /// The rates of all threads added up, each from the times of its batches.
    fn undisturbed<'a>(&self, name: &'a str, baseline: Option<&'a str>) -> Row<'a> {
        let rate = |percent| {
            let of_thread =
                |times: &Samples| STEP as f64 * 1e9 / times.percentile(percent).max(1.0);
            self.batches.iter().map(of_thread).sum()
        };
        Row {
            name,
            unit: "per_second",
            median: rate(50),
            p99: rate(99),
            baseline,
        }
    }
}

/// Lets threads work for some windows of time.
fn measure(
    echo: Arc<Proxy<dyn Echo>>,
    threads: usize,
    windows: usize,
    work: Work,
) -> Result<Measured, StartError> {
    let shared = Arc::new(Shared {
        echo,
        counts: (0..threads).map(|_| Count::default()).collect(),
        is_over: AtomicBool::new(false),
        has_failed: AtomicBool::new(false),
        batches: Mutex::new(Vec::new()),
    });
    for number in 0..threads {
        let shared = Arc::clone(&shared);
        thread::spawn("works", Priority::Normal, move || {
            shared.run(number, work);
        })
        .map_err(no_thread)?;
    }
    thread::sleep(WARM_UP);
    let mut samples = Samples::with_room(windows);
    for _ in 0..windows {
        let (before, first) = (Instant::now(), shared.total());
        thread::sleep(WINDOW);
        let done = shared.total() - first;
        let spent_ns = before.elapsed().as_nanos() as f64;
        samples.add(spent_ns / (done as f64).max(1.0));
    }
    shared.is_over.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(5);
    while shared.batches.lock().len() != threads {
        if Instant::now() > deadline {
            return Err(StartError::new("a thread does not end"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    if shared.has_failed.load(Ordering::Relaxed) {
        return Err(StartError::new("a crossing failed"));
    }
    let batches = core::mem::take(&mut *shared.batches.lock());
    Ok(Measured {
        windows: samples,
        batches,
    })
}

fn no_thread(error: ServiceError) -> StartError {
    StartError::new(format_args!("no thread: {error:?}"))
}

impl Shared {
    fn run(&self, number: usize, work: Work) {
        let count = &self.counts[number].0;
        let mut times = Samples::with_room(BATCHES);
        let mut before = Instant::now();
        while !self.is_over.load(Ordering::Relaxed) {
            for _ in 0..STEP {
                if work(&*self.echo).is_err() {
                    self.has_failed.store(true, Ordering::Relaxed);
                    self.is_over.store(true, Ordering::Relaxed);
                    break;
                }
            }
            // Nobody else writes to it.
            count.store(count.load(Ordering::Relaxed) + STEP, Ordering::Relaxed);
            let after = Instant::now();
            if times.len() < BATCHES {
                times.add((after - before).as_nanos() as f64);
            }
            before = after;
        }
        self.batches.lock().push(times);
    }

    fn total(&self) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| count.0.load(Ordering::Relaxed)).sum()
    }
}
