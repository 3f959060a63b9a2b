//! What Linux takes for comparable things, natively beside the `hosted` machine.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use measure::Samples;
use rustix::thread::CpuSet;

use super::rows::Row;
use super::{BenchError, exists};
use crate::cli::BenchName;
use crate::error::ToolError;

/// What calls are compared with.
const CROSSING: Option<&str> = Some("null crossing");

/// Samples of each row, after one that is left out.
const SAMPLES: usize = 200;

/// Measures the peers of a benchmark. Times are given in cycles of a counter
/// with this rate per second, if there is one, else in nanoseconds.
pub fn measure(name: BenchName, counter_rate: Option<f64>) -> Result<Vec<Row>, ToolError> {
    let mut rows = match name {
        BenchName::Crossing => vec![
            system_call(),
            pipe_round_trip().map_err(failed("a pipe"))?,
            socket_round_trip().map_err(failed("a Unix socket"))?,
            thread_switch().map_err(failed("a thread switch"))?,
        ],
        BenchName::Domain => vec![process().map_err(failed("fork and exec"))?],
        BenchName::Nvme | BenchName::Boot => Vec::new(),
    };
    if let Some(rate) = counter_rate {
        for row in &mut rows {
            row.count_cycles(rate);
        }
    }
    Ok(rows)
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> ToolError {
    move |source| BenchError::Peer { what, source }.into()
}

/// Nanoseconds per call of a batch.
fn time(calls: u32, mut call: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let before = Instant::now();
    for _ in 0..calls {
        call()?;
    }
    Ok(before.elapsed().as_secs_f64() * 1e9 / f64::from(calls))
}

fn system_call() -> Row {
    let mut samples = Samples::with_room(SAMPLES);
    for _ in 0..SAMPLES {
        let sample = time(1000, || {
            std::hint::black_box(rustix::process::getpid());
            Ok(())
        });
        // The closure above cannot fail.
        sample.into_iter().for_each(|sample| samples.add(sample));
    }
    Row::of(&samples.row("Linux getpid", "ns", CROSSING))
}

/// A byte to another thread and back, through two pipes.
fn pipe_round_trip() -> io::Result<Row> {
    let (near_reads, far_writes) = io::pipe()?;
    let (far_reads, near_writes) = io::pipe()?;
    round_trip(
        "Linux pipe round trip",
        near_reads,
        near_writes,
        far_reads,
        far_writes,
    )
}

/// A byte to another thread and back, through a pair of sockets.
fn socket_round_trip() -> io::Result<Row> {
    let (near, far) = UnixStream::pair()?;
    let (near_writes, far_writes) = (near.try_clone()?, far.try_clone()?);
    round_trip(
        "Linux Unix-socket round trip",
        near,
        near_writes,
        far,
        far_writes,
    )
}

fn round_trip(
    name: &str,
    mut near_reads: impl Read,
    mut near_writes: impl Write,
    mut far_reads: impl Read + Send + 'static,
    mut far_writes: impl Write + Send + 'static,
) -> io::Result<Row> {
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while far_reads.read_exact(&mut byte).is_ok() && byte[0] != 0 {
            if far_writes.write_all(&byte).is_err() {
                return;
            }
        }
    });
    let mut samples = Samples::with_room(SAMPLES);
    let mut byte = [1];
    for round in 0..=SAMPLES {
        let sample = time(20, || {
            near_writes.write_all(&byte)?;
            near_reads.read_exact(&mut byte)
        })?;
        if round > 0 {
            samples.add(sample);
        }
    }
    near_writes.write_all(&[0])?;
    // It ends with the zero just written.
    let _ = echo.join();
    Ok(Row::of(&samples.row(name, "ns", CROSSING)))
}

/// To another thread on the same processor and back.
fn thread_switch() -> io::Result<Row> {
    let is_over = Arc::new(AtomicBool::new(false));
    let partner_is_over = Arc::clone(&is_over);
    let (ready, partner_ready) = mpsc::channel();
    // Both threads are bound to one processor, and this one dies afterwards, so
    // that the tool itself stays free to run anywhere.
    let main = thread::spawn(move || {
        bind_to_first()?;
        let partner = thread::spawn(move || {
            let bound = bind_to_first();
            let _ = ready.send(());
            while bound.is_ok() && !partner_is_over.load(Ordering::Relaxed) {
                rustix::thread::sched_yield();
            }
            bound
        });
        let _ = partner_ready.recv();
        let mut samples = Samples::with_room(SAMPLES);
        for round in 0..=SAMPLES {
            let sample = time(100, || {
                rustix::thread::sched_yield();
                Ok(())
            })?;
            if round > 0 {
                samples.add(sample);
            }
        }
        is_over.store(true, Ordering::Relaxed);
        partner.join().map_err(|_| io::ErrorKind::Other)??;
        Ok(samples)
    });
    let samples: io::Result<Samples> = main.join().map_err(|_| io::ErrorKind::Other)?;
    Ok(Row::of(&samples?.row(
        "Linux thread switch ×2",
        "ns",
        CROSSING,
    )))
}

/// Binds the thread to the first processor it may run on.
fn bind_to_first() -> io::Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu));
    let mut only = CpuSet::new();
    only.set(first.unwrap_or_default());
    Ok(rustix::thread::sched_setaffinity(None, &only)?)
}

/// A process that does nothing, from its start to its end.
fn process() -> io::Result<Row> {
    let program = ["/bin/true", "/usr/bin/true"]
        .into_iter()
        .find(|path| exists(path))
        .ok_or(io::ErrorKind::NotFound)?;
    let mut samples = Samples::with_room(SAMPLES);
    for round in 0..=SAMPLES {
        let sample = time(1, || {
            let mut child = Command::new(program)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()?;
            child.wait().map(drop)
        })?;
        if round > 0 {
            samples.add(sample);
        }
    }
    let row = samples.row("Linux fork + exec + wait", "ns", Some("load + start + end"));
    Ok(Row::of(&row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_take_time() {
        for name in [BenchName::Crossing, BenchName::Domain] {
            for row in measure(name, Some(1e9)).unwrap() {
                assert!(row.median > 0.0 && row.p99 >= row.median, "{row:?}");
                assert_eq!(row.unit, "cycles");
            }
        }
    }
}
