//! Shows what the domains do, again and again.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use core::cmp::Reverse;

use posix::administration::{self, Administration};
use posix::prelude::*;
use posix::supervisor::DomainStatus;
use posix::time::{self, Duration, Instant};
use posix::{env, io};

extern crate alloc;

const SWITCHES: Switches = Switches::new(
    "bn:d:s:",
    "top [-b] [-n ROUNDS] [-d SECONDS] [-s cpu|memory|calls|name]\n\
     \x20 -b  one table after the other, for a file or a pipe\n\
     \x20 -n  how many rounds; without it until Ctrl-C (1 with -b)\n\
     \x20 -d  seconds between rounds, 1 unless given\n\
     \x20 -s  what the rows are sorted by, cpu unless given",
);

/// Number of the state "dead" (`abi::services::DomainState`).
const DEAD: u32 = 4;

/// Lines of a terminal that does not say how many it has.
const LINES: usize = 24;

/// Lines above the rows.
const HEAD: usize = 3;

#[posix::main]
fn main() -> io::Result<ExitCode> {
    let options = Options::parse(&SWITCHES);
    let is_batch = options.has('b');
    let order = match options.value('s').unwrap_or("cpu") {
        "cpu" => Order::Cpu,
        "memory" => Order::Memory,
        "calls" => Order::Calls,
        "name" => Order::Name,
        other => {
            complain!("cannot sort by {other}: expected cpu, memory, calls or name");
            return Ok(ExitCode::from(2));
        }
    };
    let rounds = options
        .number('n')
        .unwrap_or(if is_batch { 1 } else { u64::MAX });
    let pause = Duration::from_secs(options.number('d').unwrap_or(1).max(1));
    let system = Administration::new()?;
    let mut before = Look::take(&system)?;
    for _ in 0..rounds {
        time::sleep(pause);
        let now = Look::take(&system)?;
        if !is_batch {
            // Clears the screen, cursor to the upper left corner.
            print!("\x1b[2J\x1b[H");
        }
        let lines = if is_batch { usize::MAX } else { screen_lines() };
        show(&before, &now, order, lines);
        before = now;
    }
    Ok(ExitCode::SUCCESS)
}

fn screen_lines() -> usize {
    let lines = env::var("LINES");
    lines.and_then(|text| text.parse().ok()).unwrap_or(LINES)
}

#[derive(Clone, Copy)]
enum Order {
    Cpu,
    Memory,
    Calls,
    Name,
}

/// All domains at one moment.
struct Look {
    at: Instant,
    domains: Vec<DomainStatus>,
}

impl Look {
    fn take(system: &Administration) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            domains: system.domains()?,
        })
    }
}

struct Row {
    name: String,
    /// In tenths of a percent of one CPU.
    cpu: u64,
    memory: u64,
    calls_per_second: u64,
    threads: u32,
    restarts: u32,
}

fn show(before: &Look, now: &Look, order: Order, lines: usize) {
    let mut rows = rows(before, now);
    match order {
        Order::Cpu => rows.sort_by_key(|row| Reverse(row.cpu)),
        Order::Memory => rows.sort_by_key(|row| Reverse(row.memory)),
        Order::Calls => rows.sort_by_key(|row| Reverse(row.calls_per_second)),
        Order::Name => rows.sort_by(|one, other| one.name.cmp(&other.name)),
    }
    let sum = |value: fn(&Row) -> u64| rows.iter().map(value).sum::<u64>();
    let cpu = sum(|row| row.cpu);
    println!(
        "up {} s, {} domains, {}.{} % of a CPU, {} calls/s, {} KiB",
        now.at.since_boot().as_secs(),
        rows.len(),
        cpu / 10,
        cpu % 10,
        sum(|row| row.calls_per_second),
        sum(|row| row.memory) / 1024
    );
    println!(
        "\n{:<20} {:>7} {:>9} {:>10} {:>8} {:>8}",
        "DOMAIN", "CPU %", "MEMORY", "CALLS/S", "THREADS", "RESTARTS"
    );
    for row in rows.iter().take(lines.saturating_sub(HEAD + 1)) {
        println!(
            "{:<20} {:>5}.{} {:>8}K {:>10} {:>8} {:>8}",
            row.name,
            row.cpu / 10,
            row.cpu % 10,
            row.memory / 1024,
            row.calls_per_second,
            row.threads,
            row.restarts
        );
    }
}

fn rows(before: &Look, now: &Look) -> Vec<Row> {
    let known: BTreeMap<u64, &DomainStatus> =
        before.domains.iter().map(|one| (one.id, one)).collect();
    let passed_ns = (now.at.since_boot() - before.at.since_boot())
        .as_nanos()
        .max(1) as u64;
    let living = now.domains.iter().filter(|one| one.state != DEAD);
    living
        .map(|one| {
            let (cpu_ns, calls) = known
                .get(&one.id)
                .map_or((0, 0), |old| (old.cpu_ns, old.calls));
            Row {
                name: administration::name(one),
                cpu: one.cpu_ns.saturating_sub(cpu_ns) * 1000 / passed_ns,
                memory: one.private_bytes + one.exchange_bytes,
                calls_per_second: one.calls.saturating_sub(calls) * 1_000_000_000 / passed_ns,
                threads: one.threads,
                restarts: one.restarts,
            }
        })
        .collect()
}
