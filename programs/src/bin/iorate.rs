//! Reads and writes at random places in a file, and says how fast.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{self, File, OpenOptions};
use posix::io;
use posix::prelude::*;
use posix::time::Instant;

const SWITCHES: Switches = Switches::new(
    "b:c:ks:",
    "iorate [-k] [-b BYTES] [-c COUNT] [-s SIZE] FILE\n\
     Reads, then writes COUNT blocks at random places of FILE, which is made SIZE\n\
     bytes long (K, M or G) and removed afterwards unless -k is given.\n\
     Example: iorate -s 64M -c 10000 /tmp/measured",
)
.long(&[("block", 'b'), ("count", 'c'), ("keep", 'k'), ("size", 's')]);

/// Bytes written at once while the file is made.
const PIECE: usize = 256 << 10;

struct Job {
    path: String,
    block: usize,
    count: u64,
    size: u64,
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let Some(job) = job(&options) else {
        complain!("expected one FILE, and numbers such as 4096, 64K or 1M");
        options.usage();
    };
    let outcome = run(&job);
    if !options.has('k') {
        // A file that could not be made cannot be removed either.
        let _ = fs::remove_file(&job.path);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("{}: {error}", job.path);
            ExitCode::FAILURE
        }
    }
}

fn job(options: &Options) -> Option<Job> {
    let [path] = options.operands() else {
        return None;
    };
    let number = |letter, default| match options.value(letter) {
        None => Some(default),
        Some(text) => size(text),
    };
    let block = usize::try_from(number('b', 4096)?).ok()?;
    let size = number('s', 64 << 20)?;
    Some(Job {
        path: path.clone(),
        block,
        count: number('c', 10_000)?,
        size,
    })
    .filter(|job| job.count != 0 && job.block != 0 && job.size >= job.block as u64)
}

/// Reads `4096`, `64K`, `1M`, `2G`.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn run(job: &Job) -> io::Result<()> {
    let file = make(job)?;
    let mut buffer = vec![0x5a; job.block];
    let mut places = Places::new(job);
    let read = measure(job, || file.read_at(&mut buffer, places.next()).map(drop))?;
    print("read", &read);
    let mut places = Places::new(job);
    let write = measure(job, || file.write_at(&buffer, places.next()).map(drop))?;
    print("write", &write);
    Ok(())
}

/// A file of the wanted size, on the disk.
fn make(job: &Job) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .open(&job.path)?;
    let piece = vec![0xa5; PIECE];
    let mut at = 0;
    while at < job.size {
        let length = piece
            .len()
            .min(usize::try_from(job.size - at).unwrap_or(PIECE));
        at += file.write_at(&piece[..length], at)? as u64;
    }
    file.sync_all()?;
    Ok(file)
}

/// Places of whole blocks, by xorshift.
struct Places {
    state: u64,
    blocks: u64,
    block: u64,
}

impl Places {
    const fn new(job: &Job) -> Self {
        Self {
            state: 0x9e37_79b9_7f4a_7c15,
            blocks: job.size / job.block as u64,
            block: job.block as u64,
        }
    }

    const fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % self.blocks * self.block
    }
}

/// Microseconds of each request, smallest first.
fn measure(job: &Job, mut act: impl FnMut() -> io::Result<()>) -> io::Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..job.count {
        let before = Instant::now();
        act()?;
        times.push(before.elapsed().as_nanos() as f64 / 1000.0);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times)
}

/// Times are sorted, and there is at least one.
fn print(verb: &str, times: &[f64]) {
    let total: f64 = times.iter().sum();
    let rate = times.len() as f64 * 1e6 / total.max(0.001);
    let within = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    let (half, most) = (within(50), within(99));
    println!("{verb}: {rate:.0} per second, 50 % in {half:.1} us, 99 % in {most:.1} us");
}
