//! Measures what crossings cost, beside plain calls.
//!
//! The kinds of call take turns, a short batch of each at a time, so that what
//! slows the machine down slows all of them down alike; medians over the
//! batches leave out what hit one of them.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use core::hint::black_box;

use exchange::{Proxy, RRef, RpcResult};
use interfaces::bench::{ECHO_BATCH, Echo, EchoBatch};
use interfaces::block::BlockDevice;
use measure::{Row, Samples};
use runtime::time::{Instant, cycles};
use runtime::{DomainControl, Options, StartError, domain};

/// Calls in one batch.
const CALLS: u32 = 500;

/// Bytes lent in a call.
const BYTES: usize = 4096;

/// The kinds of call, in the order of the table.
const NAMES: [&str; 10] = [
    "plain call",
    "dyn call",
    "null crossing",
    "crossing + RRef",
    "crossing + batch of 32",
    "crossing + slice",
    "RRef allocate + free",
    "crossing to a block device",
    "crossing through a shadow",
    "via shadow + RRef",
];

/// What everything else is compared with.
const BASELINE: usize = 1;

/// What a shadow's crossing is compared with: the same call without it.
const UNGUARDED: usize = 7;
const UNGUARDED_REFERENCE: usize = 3;

/// Measures, reports and powers off. Options: `batches`, 1000 unless given;
/// `single`, calls timed one by one, 100,000 unless given.
#[domain]
fn bench_crossing(
    echo: Proxy<dyn Echo>,
    shadow: Proxy<dyn Echo>,
    device: Proxy<dyn BlockDevice>,
    guarded: Proxy<dyn BlockDevice>,
    control: DomainControl,
    options: Options,
) -> Result<(), StartError> {
    let batches = usize::try_from(options.number("batches", 1000)?)?;
    let single = usize::try_from(options.number("single", 100_000)?)?;
    let mut bench = Bench::new(echo, shadow, device, guarded);
    let mut samples = NAMES.map(|_| Samples::with_room(batches));
    let (began, first) = (Instant::now(), cycles());
    // The first round only warms caches up.
    bench.round()?;
    for batch in 0..batches {
        let round = at_depth(batch % DEPTHS, &mut || bench.round())?;
        for (samples, value) in samples.iter_mut().zip(round) {
            samples.add(value);
        }
    }
    let ticks = cycles().wrapping_sub(first) as f64;
    let rate = ticks * 1e9 / (began.elapsed().as_nanos() as f64).max(1.0);
    let counter = Row {
        name: "cycle counter",
        unit: "per_second",
        median: rate,
        p99: rate,
        baseline: None,
    };
    runtime::log::info!("{counter}");
    for (index, (name, samples)) in NAMES.iter().zip(&samples).enumerate() {
        let baseline = match index {
            BASELINE => None,
            8 => Some(NAMES[UNGUARDED]),
            9 => Some(NAMES[UNGUARDED_REFERENCE]),
            _ => Some(NAMES[BASELINE]),
        };
        runtime::log::info!("{}", samples.row(name, "cycles", baseline));
    }
    bench.report_tails(single)?;
    control.power_off(0)
}

/// Runs something further down the stack: how that lies to other data, in the low bits
/// of the addresses, makes a difference of up to a cycle, which is nobody's merit.
#[inline(never)]
fn at_depth<R>(depth: usize, run: &mut dyn FnMut() -> R) -> R {
    if depth == 0 {
        return run();
    }
    let frame = black_box([0_u8; 48]);
    let result = at_depth(depth - 1, run);
    black_box(&frame);
    result
}

/// An object of this domain, to be called without a crossing.
struct Local;

impl Local {
    #[inline(never)]
    fn plain(&self) -> RpcResult<()> {
        black_box(Ok(()))
    }
}

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

/// Depths of the stack that rounds take turns at.
const DEPTHS: usize = 16;

/// Callees and what is passed to them.
struct Bench {
    local: Local,
    object: Box<dyn Echo>,
    echo: Proxy<dyn Echo>,
    /// The same behind a shadow that lends what it passes on.
    shadow: Proxy<dyn Echo>,
    /// A RAM disk, whose flush does nothing.
    device: Proxy<dyn BlockDevice>,
    /// Another one, behind a shadow.
    guarded: Proxy<dyn BlockDevice>,
    reference: Option<RRef<u64>>,
    batch: Option<EchoBatch>,
    bytes: [u8; BYTES],
}

impl Bench {
    fn new(
        echo: Proxy<dyn Echo>,
        shadow: Proxy<dyn Echo>,
        device: Proxy<dyn BlockDevice>,
        guarded: Proxy<dyn BlockDevice>,
    ) -> Self {
        let mut batch = EchoBatch::new();
        for number in 0..ECHO_BATCH as u64 {
            // There is room for all of them.
            let _ = batch.push_back(RRef::new(number));
        }
        Self {
            local: Local,
            object: Box::new(Local),
            echo,
            shadow,
            device,
            guarded,
            reference: Some(RRef::new(1)),
            batch: Some(batch),
            bytes: [7; BYTES],
        }
    }

    /// Times calls one by one, to see the slowest. Reading the counter before
    /// and after, which takes longer than a crossing, is in these rows; a row of
    /// its own says how long it takes.
    fn report_tails(&self, count: usize) -> RpcResult<()> {
        let mut nothing = Samples::with_room(count);
        let mut crossing = Samples::with_room(count);
        for _ in 0..count {
            let first = cycles();
            let second = cycles();
            self.echo.null()?;
            let third = cycles();
            nothing.add(second.wrapping_sub(first) as f64);
            crossing.add(third.wrapping_sub(second) as f64);
        }
        let report = |row: Row<'_>| runtime::log::info!("{row}");
        nothing.tail("nothing, timed alone", "cycles", report);
        crossing.tail("null crossing, timed alone", "cycles", report);
        Ok(())
    }

    /// Cycles per call of each kind, measured once.
    fn round(&mut self) -> RpcResult<[f64; NAMES.len()]> {
        let (local, echo) = (&self.local, &self.echo);
        let object = black_box(&*self.object);
        let bytes = black_box(&self.bytes[..]);
        let (plain, ()) = time((), |()| black_box(local).plain())?;
        let (dynamic, ()) = time((), |()| object.null())?;
        let (null, ()) = time((), |()| echo.null())?;
        // A crossing that fails ends the measurement, so both are always there.
        let one = self.reference.take().unwrap_or_else(|| RRef::new(1));
        let (reference, one) = time(one, |one| echo.reference(one))?;
        self.reference = Some(one);
        let many = self.batch.take().unwrap_or_default();
        let (batch, many) = time(many, |many| echo.batch(many))?;
        self.batch = Some(many);
        let (slice, _) = time(0, |sum| Ok(sum + echo.slice(bytes)?))?;
        let (heap, ()) = time((), |()| {
            drop(black_box(RRef::new(7)));
            Ok(())
        })?;
        let flush = |device: &Proxy<dyn BlockDevice>| black_box(device.flush()).map(drop);
        let (direct, ()) = time((), |()| flush(&self.device))?;
        let (shadow, ()) = time((), |()| flush(&self.guarded))?;
        let one = self.reference.take().unwrap_or_else(|| RRef::new(1));
        let (lent, one) = time(one, |one| self.shadow.reference(one))?;
        self.reference = Some(one);
        Ok([
            plain, dynamic, null, reference, batch, slice, heap, direct, shadow, lent,
        ])
    }
}

/// Cycles per call, over one batch; what is passed goes from call to call.
#[inline(always)]
fn time<S>(mut state: S, call: impl Fn(S) -> RpcResult<S>) -> RpcResult<(f64, S)> {
    let before = cycles();
    for _ in 0..CALLS {
        state = call(state)?;
    }
    let after = cycles();
    Ok((
        after.wrapping_sub(before) as f64 / f64::from(CALLS),
        black_box(state),
    ))
}
