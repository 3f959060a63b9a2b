//! Records the calls into and out of a domain for a viewer of traces.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;

use posix::administration::{self, Administration};
use posix::io::{BufWriter, Write};
use posix::prelude::*;
use posix::supervisor::{Supervisor, SupervisorError, TracedCall};
use posix::time::{self, Duration};
use posix::{fs, io};

extern crate alloc;

const SWITCHES: Switches = Switches::new(
    "t:o:",
    "trace [-t SECONDS] [-o FILE] [NAME]\n\
     \x20 records calls into and out of domain NAME, or all, for SECONDS (1) and\n\
     \x20 writes them to FILE (trace.json) as trace events: Perfetto, speedscope and\n\
     \x20 chrome://tracing open it. Example: trace -t 2 -o /tmp/t.json ext2fs",
);

#[posix::main]
fn main() -> io::Result<ExitCode> {
    let options = Options::parse(&SWITCHES);
    let seconds = options.number('t').unwrap_or(1);
    let path = options.value('o').unwrap_or("trace.json");
    let name = match options.operands() {
        [] => "",
        [name] => name.as_str(),
        [_, further, ..] => {
            complain!("one domain at a time, `{further}` is too much");
            return Ok(ExitCode::from(2));
        }
    };
    let system = Administration::new()?;
    match system.supervisor().start_trace(name) {
        Ok(Ok(())) => {}
        Ok(Err(SupervisorError::NotAllowed)) => {
            complain!("Operation not permitted");
            return Ok(ExitCode::FAILURE);
        }
        Ok(Err(SupervisorError::NotFound)) => {
            complain!("no domain is named {name}; `domains` lists them");
            return Ok(ExitCode::FAILURE);
        }
        _ => {
            complain!("no memory for the trace");
            return Ok(ExitCode::FAILURE);
        }
    }
    let mut names = Names::default();
    names.learn(&system)?;
    time::sleep(Duration::from_secs(seconds));
    let mut calls = system.finish_trace()?;
    names.learn(&system)?;
    calls.sort_unstable_by_key(|call| call.start_ns);
    let file = fs::File::create(path)?;
    write(&mut BufWriter::new(file), &calls, &names)?;
    println!(
        "{} calls of {} ms, {} of them errors, written to {path}",
        calls.len(),
        span_ns(&calls) / 1_000_000,
        calls.iter().filter(|call| call.failed != 0).count()
    );
    Ok(ExitCode::SUCCESS)
}

/// From the first start to the last end, in nanoseconds: less than was asked
/// for if a ring was full and the oldest calls were given up.
fn span_ns(calls: &[TracedCall]) -> u64 {
    let first = calls.first().map_or(0, |call| call.start_ns);
    let last = calls.iter().map(|call| call.end_ns).max();
    last.unwrap_or(0).saturating_sub(first)
}

/// Names of domains by id, also of some that have died since.
#[derive(Default)]
struct Names(BTreeMap<u64, String>);

impl Names {
    fn learn(&mut self, system: &Administration) -> io::Result<()> {
        for domain in system.domains()? {
            self.0.insert(domain.id, administration::name(&domain));
        }
        Ok(())
    }

    fn of(&self, id: u64) -> String {
        match self.0.get(&id) {
            Some(name) => name.clone(),
            None => format!("domain {id:x}"),
        }
    }
}

/// Writes the calls as events that viewers of traces know.
fn write(file: &mut impl Write, calls: &[TracedCall], names: &Names) -> io::Result<()> {
    write!(file, "{}", trace_events::HEAD)?;
    for (index, call) in calls.iter().enumerate() {
        let event = trace_events::Call {
            caller: &names.of(call.caller),
            callee: &names.of(call.callee),
            thread: call.thread,
            cpu: call.cpu,
            start_ns: call.start_ns,
            end_ns: call.end_ns,
            is_error: call.failed != 0,
        };
        let separator = match index {
            0 => "",
            _ => trace_events::SEPARATOR,
        };
        write!(file, "{separator}{event}")?;
    }
    write!(file, "{}", trace_events::TAIL)?;
    file.flush()
}
