//! What Linux takes for comparable things, beside the `hosted` machine.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use measure::Samples;
use rustix::thread::CpuSet;

use super::rows::{Row, total_time};
use super::system::{RUNS, failed};
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
        BenchName::Hash => hash_table().map_err(failed("a hash table in C"))?,
        BenchName::Scaling
        | BenchName::Nvme
        | BenchName::Recovery
        | BenchName::Boot
        | BenchName::Size => Vec::new(),
    };
    if let Some(rate) = counter_rate {
        for row in &mut rows {
            row.count_cycles(rate);
        }
    }
    Ok(rows)
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

/// Both threads run on one processor, where a message travels fastest: none
/// has to be woken up that sleeps.
fn round_trip(
    name: &'static str,
    near_reads: impl Read + Send + 'static,
    near_writes: impl Write + Send + 'static,
    far_reads: impl Read + Send + 'static,
    far_writes: impl Write + Send + 'static,
) -> io::Result<Row> {
    let measuring = thread::spawn(move || {
        bind_to_first()?;
        exchange(near_reads, near_writes, far_reads, far_writes)
    });
    let samples = measuring.join().map_err(|_| io::ErrorKind::Other)??;
    Ok(Row::of(&samples.row(name, "ns", CROSSING)))
}

/// Sends bytes to a thread that sends them back; nanoseconds of each round trip.
fn exchange(
    mut near_reads: impl Read,
    mut near_writes: impl Write,
    mut far_reads: impl Read + Send + 'static,
    mut far_writes: impl Write + Send + 'static,
) -> io::Result<Samples> {
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
    Ok(samples)
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

/// A static program that does nothing, from its start to its end.
fn process() -> io::Result<Row> {
    let folder = PeerFolder::make()?;
    let program = folder.compile("nothing", NOTHING, "-static")?;
    let starter = folder.compile("starter", FORK_EXEC, "-O3")?;
    let mut command = Command::new(starter);
    command.arg(program).arg(SAMPLES.to_string());
    let output = command.stdin(Stdio::null()).output()?;
    let mut samples = Samples::with_room(SAMPLES);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        line.parse().into_iter().for_each(|ns| samples.add(ns));
    }
    if !output.status.success() || samples.is_empty() {
        return Err(io::Error::other("a process could not be started"));
    }
    let row = samples.row("Linux fork + exec + wait", "ns", Some("load + start + end"));
    Ok(Row::of(&row))
}

/// The hash table in C: a row for each operation and size, of the least
/// disturbed run, as for those it is compared with.
fn hash_table() -> io::Result<Vec<Row>> {
    let folder = PeerFolder::make()?;
    let program = folder.compile("table", HASH_TABLE, "-O3")?;
    let mut best = hash_table_once(&program)?;
    for _ in 1..RUNS {
        let rows = hash_table_once(&program)?;
        if total_time(&rows) < total_time(&best) {
            best = rows;
        }
    }
    Ok(best)
}

fn hash_table_once(program: &Path) -> io::Result<Vec<Row>> {
    let output = Command::new(program).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other("the table in C lost a key"));
    }
    let mut passes: BTreeMap<String, Samples> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let [operation, bits, cycles] = words[..]
            && let Ok(cycles) = cycles.parse()
        {
            let name = format!("C, {operation}, 2^{bits} slots");
            passes.entry(name).or_default().add(cycles);
        }
    }
    let row = |(name, samples): (&String, &Samples)| Row::of(&samples.row(name, "cycles", None));
    Ok(passes.iter().map(row).collect())
}

/// A program of the host that ends at once.
const NOTHING: &str = "int main(void) { return 0; }\n";

/// A program that starts another again and again.
const FORK_EXEC: &str = include_str!("../../peers/fork_exec.c");

/// The hash table in C.
const HASH_TABLE: &str = include_str!("../../peers/hash_table.c");

/// A folder for compiled peers, removed at its end.
struct PeerFolder(PathBuf);

impl PeerFolder {
    fn make() -> io::Result<Self> {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("redleaf-peer-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Compiles a program of one file.
    fn compile(&self, name: &str, source: &str, option: &str) -> io::Result<PathBuf> {
        let program = self.0.join(name);
        let (file, linked) = (
            program.with_extension("c"),
            program.with_extension("linked"),
        );
        fs::write(&file, source)?;
        let mut command = Command::new("gcc");
        command.arg(option).arg("-o").arg(&linked).arg(&file);
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("gcc: {}", errors.trim())));
        }
        // A linker makes its file executable when it is done, which tests may not: what
        // is confined changes no modes. A copy is made so.
        let mut options = OpenOptions::new();
        let mut copy = options
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&program)?;
        io::copy(&mut File::open(&linked)?, &mut copy)?;
        Ok(program)
    }
}

impl Drop for PeerFolder {
    fn drop(&mut self) {
        // What cannot be removed stays among temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_take_time() {
        for name in [BenchName::Crossing, BenchName::Domain, BenchName::Hash] {
            for row in measure(name, Some(1e9)).unwrap() {
                assert!(row.median > 0.0 && row.p99 >= row.median, "{row:?}");
                assert_eq!(row.unit, "cycles");
            }
        }
    }
}
