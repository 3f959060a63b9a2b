//! Lists the domains of the running system, or the graph of their calls.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;

use posix::administration::{self, Administration};
use posix::io;
use posix::prelude::*;
use posix::supervisor::{DomainStatus, EdgeStatus, STATE_WAITING, SupervisorError};
use posix::time::{self, Duration, Instant};

extern crate alloc;

const SWITCHES: Switches = Switches::new(
    "agdi:s:",
    "domains [-a] | domains --graph [-i SECONDS] | domains --dot [-i SECONDS] |\n\
     \x20 domains --sample N\n\
     \x20 -a, --all       dead slots too\n\
     \x20 -g, --graph     who calls whom: calls, calls per second, errors, time of a call\n\
     \x20 -d, --dot       the same for Graphviz: domains --dot > /tmp/graph.dot\n\
     \x20 -i, --interval  seconds over which rates are taken, 1 unless given\n\
     \x20 -s, --sample    from now on time one call in so many, a power of two; 0: none\n\
     \x20                 (1024 since boot; a call that is timed takes longer)",
)
.long(&[
    ("all", 'a'),
    ("graph", 'g'),
    ("dot", 'd'),
    ("interval", 'i'),
    ("sample", 's'),
]);

/// Number of the state "dead" (`abi::services::DomainState`).
const DEAD: u32 = 4;

#[posix::main]
fn main() -> io::Result<ExitCode> {
    let options = Options::parse(&SWITCHES);
    if !options.operands().is_empty() {
        options.usage();
    }
    let system = Administration::new()?;
    if let Some(one_in) = options.number('s') {
        return set_sampling(&system, one_in);
    }
    if !options.has('g') && !options.has('d') {
        list(&system.domains()?, options.has('a'));
        return Ok(ExitCode::SUCCESS);
    }
    let seconds = options.number('i').unwrap_or(1).max(1);
    let graph = Graph::watch(&system, Duration::from_secs(seconds))?;
    if options.has('d') {
        graph.print_dot();
    } else {
        graph.print();
    }
    Ok(ExitCode::SUCCESS)
}

fn set_sampling(system: &Administration, one_in: u64) -> io::Result<ExitCode> {
    let answer = match u32::try_from(one_in) {
        Ok(one_in) => system.set_sampling(one_in)?,
        Err(_) => Err(SupervisorError::Failed),
    };
    if answer == Err(SupervisorError::NotAllowed) {
        complain!("Operation not permitted");
        return Ok(ExitCode::FAILURE);
    }
    if answer.is_err() {
        complain!("cannot time one call in {one_in}: expected 0 or a power of two below 2^32");
        return Ok(ExitCode::from(2));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(domains: &[DomainStatus], with_dead: bool) {
    println!(
        "{:>10} {:<16} {:<8} {:>7} {:>9} {:>9} {:>10} {:>8} {:>8} {:>8}",
        "ID",
        "NAME",
        "STATE",
        "THREADS",
        "MEMORY",
        "EXCHANGE",
        "CALLS",
        "CPU-MS",
        "RESTARTS",
        "BOUNCES"
    );
    for one in domains.iter().filter(|one| with_dead || one.state != DEAD) {
        println!(
            "{:>10x} {:<16} {:<8} {:>7} {:>8}K {:>8}K {:>10} {:>8} {:>8} {:>8}",
            one.id,
            administration::name(one),
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
            one.bounces,
        );
    }
}

const fn state(number: u32) -> &'static str {
    match number {
        1 => "starting",
        2 => "running",
        3 => "dying",
        4 => "dead",
        STATE_WAITING => "waiting",
        _ => "?",
    }
}

/// Calls from one domain to another, over all proxies.
#[derive(Clone, Copy, Default)]
struct Calls {
    all: u64,
    per_second: u64,
    errors: u64,
    median_ns: u64,
    p99_ns: u64,
}

struct Graph {
    /// By names of caller and callee.
    edges: BTreeMap<(String, String), Calls>,
}

impl Graph {
    /// Looks at the edges twice.
    fn watch(system: &Administration, length: Duration) -> io::Result<Self> {
        let (before, start) = (system.edges()?, Instant::now());
        time::sleep(length);
        let (after, taken) = (system.edges()?, start.elapsed());
        let names: BTreeMap<u64, String> = system
            .domains()?
            .iter()
            .map(|one| (one.id, administration::name(one)))
            .collect();
        let name = |id: u64| match names.get(&id) {
            Some(name) => name.clone(),
            None if id == 0 => "(dead)".into(),
            None => "kernel".into(),
        };
        let mut edges: BTreeMap<_, Calls> = BTreeMap::new();
        for edge in &after {
            let calls = edges.entry((name(edge.caller), name(edge.callee)));
            add(calls.or_default(), edge);
        }
        let milliseconds = taken.as_millis().max(1) as u64;
        for calls in edges.values_mut() {
            calls.per_second = calls.all;
        }
        for edge in &before {
            if let Some(calls) = edges.get_mut(&(name(edge.caller), name(edge.callee))) {
                calls.per_second = calls.per_second.saturating_sub(edge.calls);
            }
        }
        for calls in edges.values_mut() {
            calls.per_second = calls.per_second * 1000 / milliseconds;
        }
        Ok(Self { edges })
    }

    fn print(&self) {
        println!(
            "{:<18} {:<20} {:>10} {:>9} {:>7} {:>9} {:>9}",
            "CALLER", "CALLEE", "CALLS", "PER-SEC", "ERRORS", "MEDIAN", "P99"
        );
        let mut last = "";
        for ((caller, callee), calls) in &self.edges {
            println!(
                "{:<18} {:<20} {:>10} {:>9} {:>7} {:>9} {:>9}",
                if caller == last { "" } else { caller },
                format!("-> {callee}"),
                calls.all,
                calls.per_second,
                calls.errors,
                length(calls.median_ns),
                length(calls.p99_ns)
            );
            last = caller;
        }
    }

    fn print_dot(&self) {
        println!("digraph domains {{\n  rankdir = LR;\n  node [shape = box];");
        for ((caller, callee), calls) in &self.edges {
            println!(
                "  {} -> {} [label = \"{} calls, {}/s{}{}\"];",
                quoted(caller),
                quoted(callee),
                calls.all,
                calls.per_second,
                match calls.errors {
                    0 => String::new(),
                    errors => format!(", {errors} errors"),
                },
                match calls.p99_ns {
                    0 => String::new(),
                    p99 => format!(", 99 % in {}", length(p99)),
                }
            );
        }
        println!("}}");
    }
}

fn add(calls: &mut Calls, edge: &EdgeStatus) {
    calls.all += edge.calls;
    calls.errors += edge.errors;
    calls.median_ns = calls.median_ns.max(edge.median_ns);
    calls.p99_ns = calls.p99_ns.max(edge.p99_ns);
}

fn length(ns: u64) -> String {
    match ns {
        0 => "-".into(),
        1..10_000 => format!("{ns}ns"),
        10_000..10_000_000 => format!("{}us", ns / 1000),
        _ => format!("{}ms", ns / 1_000_000),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
