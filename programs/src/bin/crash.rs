//! Makes a domain crash, to see the system go on.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::supervisor::{DomainStatus, Supervisor, SupervisorError};

#[path = "../cause.rs"]
mod cause;

const SWITCHES: Switches = Switches::new(
    "c:w:",
    "crash [--cause panic|null|stack|loop|kill|illegal|write|memory|completion|interrupt] \
     [--wait SECONDS] DOMAIN",
)
.long(&[("cause", 'c'), ("wait", 'w')]);

/// How long to wait for a successor when nothing else is said.
const RESTART_SECONDS: u64 = 5;

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let [name] = options.operands() else {
        options.usage()
    };
    let cause = match cause::parse(options.value('c').unwrap_or("panic")) {
        Ok(cause) => cause::crash_cause(cause),
        Err(wrong) => {
            complain!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let supervisor = match posix::supervisor() {
        Ok(supervisor) => supervisor,
        Err(error) => {
            complain!("no supervisor: {error}");
            return ExitCode::FAILURE;
        }
    };
    let name = full_name(&supervisor, name);
    let mut result = supervisor.crash(&name, cause);
    // A supervised domain comes back: what is typed next should find it there.
    if let Ok(Ok(())) = &result {
        let seconds = options.number('w').unwrap_or(RESTART_SECONDS);
        let waited = supervisor.wait_running(&name, seconds.saturating_mul(1_000_000_000));
        if options.number('w').is_some() {
            result = waited;
        }
    }
    let reason = match result {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(SupervisorError::NotFound)) => "no such domain",
        Ok(Err(SupervisorError::NotAllowed)) => "Operation not permitted",
        Ok(Err(SupervisorError::NoSuchDevice)) => "it has no device that could fail so",
        Ok(Err(SupervisorError::TimedOut)) => "it did not happen in time",
        Ok(Err(_)) => "the kernel refused; see dmesg",
        Err(_) => "the supervisor does not answer",
    };
    complain!("{name}: {reason}");
    ExitCode::FAILURE
}

/// Processes are domains with their number behind the program's name: `cat`
/// means `cat.7` if there is no domain `cat`.
fn full_name(supervisor: &impl Supervisor, name: &str) -> String {
    let mut list = vec![DomainStatus::default(); 256];
    let count = supervisor.domains(&mut list).unwrap_or(0);
    list.truncate(usize::try_from(count).unwrap_or(0));
    let names = list.iter().map(|one| {
        let length = one
            .name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(one.name.len());
        String::from_utf8_lossy(&one.name[..length]).into_owned()
    });
    let mut process = None;
    for full in names {
        if full == name {
            return full;
        }
        let number = full
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'));
        if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
            process = Some(full);
        }
    }
    process.unwrap_or_else(|| name.into())
}
