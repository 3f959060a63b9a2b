//! Ends processes.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::process;

/// Rv6 has no signals: every one means the end.
const USAGE: &str = "kill [-SIGNAL] PID...";

#[posix::main]
fn main() -> ExitCode {
    let arguments: Vec<String> = posix::env::args().skip(1).collect();
    let pids: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if pids.is_empty() {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    }
    // Signal 0 only asks whether the process is there.
    let asks = arguments[0] == "-0" || arguments.starts_with(&["-s".into(), "0".into()]);
    let pids = if arguments[0] == "-s" {
        &pids[1..]
    } else {
        &pids[..]
    };
    let mut all_went_well = true;
    for text in pids {
        let result = match text.parse() {
            Ok(pid) if asks => match is_there(pid) {
                Ok(true) => Ok(()),
                Ok(false) => Err("No such process".into()),
                Err(error) => Err(error.to_string()),
            },
            Ok(pid) => process::kill(pid).map_err(|error| error.to_string()),
            Err(_) => Err("not a process number".into()),
        };
        if let Err(reason) = result {
            complain!("{text}: {reason}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn is_there(pid: u32) -> posix::io::Result<bool> {
    Ok(process::processes()?.iter().any(|found| found.pid == pid))
}
