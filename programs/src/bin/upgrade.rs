//! Replaces a running domain by a newer image, while others use it.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::prelude::*;
use posix::supervisor::{Supervisor, SupervisorError};

const SWITCHES: Switches = Switches::new("", "upgrade DOMAIN IMAGE");

/// Largest image that is read, 16 MiB.
const LARGEST: usize = 16 << 20;

/// An image with a slash in its name is a file; others are in the boot archive.
#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let [name, image] = options.operands() else {
        options.usage()
    };
    let supervisor = match posix::supervisor() {
        Ok(supervisor) => supervisor,
        Err(error) => {
            complain!("no supervisor: {error}");
            return ExitCode::FAILURE;
        }
    };
    let answer = if image.contains('/') {
        match fs::read(image) {
            Ok(bytes) if bytes.len() <= LARGEST => supervisor.upgrade(name, &bytes),
            Ok(bytes) => {
                complain!("{image}: {} bytes, expected at most {LARGEST}", bytes.len());
                return ExitCode::FAILURE;
            }
            Err(error) => {
                complain!("{image}: {error}");
                return ExitCode::FAILURE;
            }
        }
    } else {
        supervisor.upgrade_from_archive(name, image)
    };
    let reason = match answer {
        Ok(Ok(report)) => {
            let pause_us = report.pause_ns / 1_000;
            if report.is_cut_off != 0 {
                println!("{name}: calls under way were cut off");
            }
            if report.is_rolled_back == 0 {
                println!("{name}: runs {image}; calls waited {pause_us} us");
                return ExitCode::SUCCESS;
            }
            complain!("{name}: {image} does not work; the old image runs again (see dmesg)");
            return ExitCode::FAILURE;
        }
        Ok(Err(SupervisorError::NotAllowed)) => "Operation not permitted",
        Ok(Err(SupervisorError::NotFound)) => "no such supervised domain",
        Ok(Err(SupervisorError::BadImage)) => "no such image, or it was refused; see dmesg",
        Ok(Err(SupervisorError::Busy)) => "it does not run, or is being replaced already",
        Ok(Err(SupervisorError::OtherInterface)) => "the image provides another interface",
        Ok(Err(SupervisorError::OtherRole)) => "the image is signed for another role",
        Ok(Err(SupervisorError::OlderVersion)) => "the image is older than the one that runs",
        Ok(Err(SupervisorError::DoesNotStart)) => "neither image starts; see dmesg",
        Ok(Err(_)) => "the supervisor could not; see dmesg",
        Err(_) => "the supervisor does not answer",
    };
    complain!("{name}: {reason}");
    ExitCode::FAILURE
}
