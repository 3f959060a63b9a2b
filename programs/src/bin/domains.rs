//! Lists the domains of the running system.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::supervisor::{DomainStatus, Supervisor};

const SWITCHES: Switches = Switches::new("a", "domains [-a]");

/// Number of the state "dead" (`abi::services::DomainState`).
const DEAD: u32 = 4;

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let list = match posix::supervisor().map(|supervisor| list(&supervisor)) {
        Ok(Some(list)) => list,
        Ok(None) => {
            complain!("the supervisor does not answer");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            complain!("no supervisor: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "{:>10} {:<16} {:<8} {:>7} {:>9} {:>9} {:>10} {:>8} {:>8}",
        "ID", "NAME", "STATE", "THREADS", "MEMORY", "EXCHANGE", "CALLS", "CPU-MS", "RESTARTS"
    );
    for one in list
        .iter()
        .filter(|one| one.state != DEAD || options.has('a'))
    {
        println!(
            "{:>10x} {:<16} {:<8} {:>7} {:>8}K {:>8}K {:>10} {:>8} {:>8}",
            one.id,
            name(one),
            state(one.state),
            one.threads,
            one.private_bytes.div_ceil(1024),
            one.exchange_bytes.div_ceil(1024),
            one.calls,
            one.cpu_ns / 1_000_000,
            match one.supervised {
                0 => "-".into(),
                _ => one.restarts.to_string(),
            },
        );
    }
    ExitCode::SUCCESS
}

fn list(supervisor: &impl Supervisor) -> Option<Vec<DomainStatus>> {
    const EMPTY: DomainStatus = DomainStatus {
        id: 0,
        name: [0; 32],
        state: 0,
        threads: 0,
        private_bytes: 0,
        exchange_bytes: 0,
        calls: 0,
        cpu_ns: 0,
        restarts: 0,
        supervised: 0,
    };
    let mut list = vec![EMPTY; 64];
    loop {
        let count = usize::try_from(supervisor.domains(&mut list).ok()?).ok()?;
        if count <= list.len() {
            list.truncate(count);
            return Some(list);
        }
        list.resize(count + 8, EMPTY);
    }
}

fn name(one: &DomainStatus) -> &str {
    let length = one
        .name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(one.name.len());
    core::str::from_utf8(&one.name[..length]).unwrap_or("?")
}

const fn state(number: u32) -> &'static str {
    match number {
        1 => "starting",
        2 => "running",
        3 => "dying",
        4 => "dead",
        _ => "?",
    }
}
