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
    println!("{} calls written to {path}", calls.len());
    Ok(ExitCode::SUCCESS)
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

/// Writes complete events of the trace event format, times in microseconds.
fn write(file: &mut impl Write, calls: &[TracedCall], names: &Names) -> io::Result<()> {
    writeln!(file, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    for (index, call) in calls.iter().enumerate() {
        let length_ns = call.end_ns.saturating_sub(call.start_ns);
        writeln!(
            file,
            "{{\"ph\":\"X\",\"name\":{},\"cat\":{},\"pid\":1,\"tid\":{},\"ts\":{}.{:03},\"dur\":{}.{:03},\
             \"args\":{{\"caller\":{},\"cpu\":{},\"died\":{}}}}}{}",
            json(&names.of(call.callee)),
            json(&names.of(call.caller)),
            call.thread,
            call.start_ns / 1000,
            call.start_ns % 1000,
            length_ns / 1000,
            length_ns % 1000,
            json(&names.of(call.caller)),
            call.cpu,
            call.failed != 0,
            if index + 1 == calls.len() { "" } else { "," }
        )?;
    }
    writeln!(file, "]}}")?;
    file.flush()
}

/// A JSON string.
fn json(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control < ' ' => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
