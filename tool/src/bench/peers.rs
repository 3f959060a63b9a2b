//! What Linux takes for comparable things, natively beside the `hosted` machine.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use measure::Samples;

use super::rows::Row;
use super::{BenchError, exists};
use crate::cli::BenchName;
use crate::error::ToolError;

/// Samples of each row, after one that is left out.
const SAMPLES: usize = 200;

/// Measures the peers of a benchmark.
pub fn measure(name: BenchName) -> Result<Vec<Row>, ToolError> {
    match name {
        BenchName::Crossing => Ok(vec![
            system_call(),
            pipe_round_trip().map_err(failed("a pipe"))?,
            socket_round_trip().map_err(failed("a Unix socket"))?,
        ]),
        BenchName::Domain => Ok(vec![process().map_err(failed("fork and exec"))?]),
        BenchName::Nvme | BenchName::Boot => Ok(Vec::new()),
    }
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
            // `getppid` is never answered from a cache in the process.
            std::hint::black_box(rustix::process::getppid());
            Ok(())
        });
        // The closure above cannot fail.
        sample.into_iter().for_each(|sample| samples.add(sample));
    }
    Row::of(&samples.row("Linux getppid", "ns", None))
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
    Ok(Row::of(&samples.row(name, "ns", None)))
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
            for row in measure(name).unwrap() {
                assert!(row.median > 0.0 && row.p99 >= row.median, "{row:?}");
            }
        }
    }
}
