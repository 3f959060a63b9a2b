//! Measures what a reader and a writer lose when the driver dies each second.
//!
//! Stretches without and with deaths take turns, so that what slows the machine
//! down slows both down. Every answer must be a success: a death that a caller
//! notices ends the benchmark.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use exchange::Proxy;
use interfaces::block::BlockDevice;
use measure::{POINT_MARK, Row, Samples};
use runtime::thread::{Priority, sleep, sleep_until, spawn};
use runtime::time::{Duration, Instant};
use runtime::{
    DeathCause, DomainControl, DomainState, Options, StartError, domain, log, name_text,
};

/// Bytes of one request.
const REQUEST_BYTES: usize = 64 << 10;
/// Part of the device that is used, from its start.
const AREA_BYTES: u64 = 64 << 20;
/// Time between two points of the curve.
const POINT: Duration = Duration::from_millis(50);
/// Points of one stretch: a second, the time from death to death. Longer ones
/// would take turns too seldom to share the machine's good and bad moments.
const POINTS: usize = 20;
/// Point after which the driver is killed.
const DEATH: usize = POINTS / 2;

/// Reads or writes all the time.
struct Worker {
    requests: AtomicU64,
    /// When the driver was last killed, in nanoseconds since boot, until the next
    /// answer; then 0.
    killed_ns: AtomicU64,
    /// How long that answer took.
    recovery_ns: AtomicU64,
    is_over: AtomicBool,
    has_ended: AtomicBool,
    has_failed: AtomicBool,
}

/// What stretches of one kind came to.
#[derive(Default)]
struct Curve {
    requests: u64,
    time: Duration,
    /// Requests in each [`POINT`], summed over all stretches.
    points: [u64; POINTS],
}

/// Option: `rounds`, stretches of each kind, 10 unless given; `driver`, name of
/// the domain to end.
#[domain]
fn bench_recovery(
    device: Proxy<dyn BlockDevice>,
    control: DomainControl,
    options: Options,
) -> Result<(), StartError> {
    let rounds = options.number("rounds", 10)?;
    let driver = String::from(options.text("driver").unwrap_or("disk"));
    spawn("bench", Priority::High, move || {
        let mut samples = Samples::new();
        let is_good = [("reads", false), ("writes", true)]
            .iter()
            .all(|(name, is_write)| {
                let device = device.try_clone();
                device.is_ok_and(|device| {
                    measure(
                        name,
                        *is_write,
                        device,
                        &control,
                        &driver,
                        rounds,
                        &mut samples,
                    )
                })
            });
        let recovery = samples.row("from death to the next answer", "ns", None);
        log::info!("{recovery}");
        control.power_off(i32::from(!is_good))
    })
    .map_err(|_| StartError::new("no memory for a thread"))?;
    Ok(())
}

/// Measures one kind of request; false if one failed.
fn measure(
    name: &str,
    is_write: bool,
    device: Proxy<dyn BlockDevice>,
    control: &DomainControl,
    driver: &str,
    rounds: u64,
    samples: &mut Samples,
) -> bool {
    let Some(worker) = Worker::start(device, is_write) else {
        return false;
    };
    let (mut calm, mut killed) = (Curve::default(), Curve::default());
    let mut stretch_killed = |killed: &mut Curve| {
        killed.stretch(&worker, || {
            worker.take_recovery(samples);
            kill(&worker, control, driver);
        });
        worker.take_recovery(samples);
    };
    // The first stretch warms caches up; then each kind goes first in turn.
    Curve::default().stretch(&worker, || {});
    for round in 0..rounds {
        if round % 2 == 1 {
            stretch_killed(&mut killed);
        }
        calm.stretch(&worker, || {});
        if round % 2 == 0 {
            stretch_killed(&mut killed);
        }
    }
    worker.is_over.store(true, Ordering::Relaxed);
    while !worker.has_ended.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(1));
    }
    let calm_name = alloc::format!("{name}, undisturbed");
    let killed_name = alloc::format!("{name}, driver killed each second");
    calm.report(&calm_name, None);
    killed.report(&killed_name, Some(&calm_name));
    !worker.has_failed.load(Ordering::Relaxed)
}

/// Ends the driver, if it runs. The worker notes when it has its next answer: to
/// look for it would take the CPU from those who are to give it.
fn kill(worker: &Worker, control: &DomainControl, driver: &str) {
    let domains = control.list().unwrap_or_default();
    let running = domains.iter().find(|domain| {
        name_text(&domain.name) == driver && domain.state == DomainState::Running as u32
    });
    if let Some(running) = running {
        let began_ns = Instant::now().nanoseconds();
        // It lived just now; should it have died, that is the death.
        let _ = control.kill(running.id, DeathCause::Killed);
        worker.killed_ns.store(began_ns, Ordering::Relaxed);
    }
}

impl Worker {
    fn start(device: Proxy<dyn BlockDevice>, is_write: bool) -> Option<Arc<Self>> {
        let worker = Arc::new(Self {
            requests: AtomicU64::new(0),
            killed_ns: AtomicU64::new(0),
            recovery_ns: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        });
        let shared = Arc::clone(&worker);
        let run = move || {
            shared.work(&device, is_write);
            shared.has_ended.store(true, Ordering::Relaxed);
        };
        spawn("worker", Priority::Normal, run).ok()?;
        Some(worker)
    }

    /// After an answer: if it was the first since a death, how long that took.
    fn note_recovery(&self) {
        let killed_ns = self.killed_ns.load(Ordering::Relaxed);
        if killed_ns != 0 {
            let took_ns = Instant::now().nanoseconds() - killed_ns;
            self.recovery_ns.store(took_ns, Ordering::Relaxed);
            self.killed_ns.store(0, Ordering::Relaxed);
        }
    }

    /// Adds the nanoseconds from the last death to the next answer, if known.
    fn take_recovery(&self, samples: &mut Samples) {
        let took_ns = self.recovery_ns.swap(0, Ordering::Relaxed);
        if took_ns != 0 {
            samples.add(took_ns as f64);
        }
    }

    fn work(&self, device: &Proxy<dyn BlockDevice>, is_write: bool) {
        let sector_bytes = device.geometry().map(|geometry| geometry.sector_bytes);
        let sectors = (REQUEST_BYTES as u64) / u64::from(sector_bytes.unwrap_or(512));
        let places = AREA_BYTES / REQUEST_BYTES as u64;
        let mut buffer = vec![0x5A; REQUEST_BYTES];
        let mut number = 0x9E37_79B9_7F4A_7C15_u64;
        while !self.is_over.load(Ordering::Relaxed) {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            let sector = number % places * sectors;
            let answer = if is_write {
                device.write(sector, &buffer)
            } else {
                device.read(sector, &mut buffer)
            };
            if !matches!(answer, Ok(Ok(()))) {
                log::error!("a caller noticed a death: {answer:?}");
                self.has_failed.store(true, Ordering::Relaxed);
                return;
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.note_recovery();
        }
    }
}

impl Curve {
    /// Watches the worker for one stretch; `disturb` is called in its middle.
    fn stretch(&mut self, worker: &Worker, disturb: impl FnOnce()) {
        let began = Instant::now();
        let before = worker.requests.load(Ordering::Relaxed);
        let before = self.watch(worker, before, began, 0..DEATH);
        disturb();
        self.watch(worker, before, began, DEATH..POINTS);
        self.time += began.elapsed();
    }

    /// Counts the worker's requests from `before` up to each of some points; how
    /// many it has made by then.
    fn watch(
        &mut self,
        worker: &Worker,
        mut before: u64,
        began: Instant,
        points: Range<usize>,
    ) -> u64 {
        for point in points {
            sleep_until(began + POINT * (point as u32 + 1));
            let now = worker.requests.load(Ordering::Relaxed);
            self.points[point] += now - before;
            self.requests += now - before;
            before = now;
        }
        before
    }

    fn report(&self, name: &str, baseline: Option<&str>) {
        let rate = self.requests as f64 * 1e9 / (self.time.as_nanos() as f64).max(1.0);
        let row = Row {
            name,
            unit: "per_second",
            median: rate,
            p99: rate,
            baseline,
        };
        log::info!("{row}");
        let stretches = self.time.as_nanos() as f64 / (POINT.as_nanos() as f64 * POINTS as f64);
        let points: Vec<_> = self.points.iter().copied().enumerate().collect();
        for (index, requests) in points {
            let time_ms = (index as u128 + 1) * POINT.as_millis();
            let each = requests as f64 / stretches.max(1.0);
            let per_second = each * 1e9 / POINT.as_nanos() as f64;
            log::info!("{POINT_MARK}{time_ms} {per_second:.1} {name}");
        }
    }
}
