//! Powers the system off.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::supervisor::Supervisor;
use posix::{Proxy, io, process};

const SWITCHES: Switches = Switches::new("", "halt [STATUS]");

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let status = match options.operands() {
        [] => 0,
        [status] => match status.parse::<u8>() {
            Ok(status) => status,
            Err(_) => {
                complain!("{status}: not a status from 0 to 255");
                return ExitCode::from(2);
            }
        },
        _ => options.usage(),
    };
    match posix::supervisor() {
        // Asked before anything is ended.
        Ok(supervisor) => match supervisor.authorize() {
            Ok(Err(_)) => complain!("Operation not permitted"),
            _ => power_off(&supervisor, status),
        },
        Err(error) => complain!("no supervisor: {error}"),
    }
    ExitCode::FAILURE
}

fn power_off(supervisor: &Proxy<dyn Supervisor>, status: u8) {
    if let Err(error) = end_others().and_then(|()| posix::fs::sync()) {
        complain!("{error}");
    }
    if let Ok(Err(_)) = supervisor.power_off(u32::from(status)) {
        complain!("Operation not permitted");
    }
}

/// Ends every process but the first and this one.
fn end_others() -> io::Result<()> {
    for other in process::processes()? {
        if other.pid != 1 && other.pid != process::id() && !other.has_ended {
            // It may have ended by itself meanwhile.
            let _ = process::kill(other.pid);
        }
    }
    Ok(())
}
