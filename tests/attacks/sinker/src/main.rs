//! Calls others with less and less of its stack left, down to nothing.
//!
//! A call is executed on the caller's stack. Whoever is called must not die of how
//! little its caller has left: the call is refused, or the caller ends.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use core::hint::black_box;

use exchange::Proxy;
use interfaces::process::Authority;
use interfaces::supervisor::{DomainStatus, Supervisor};
use posix::fs::{self, File};
use posix::prelude::*;
use posix::{io, system};
use runtime::thread::stack_left;

/// Bytes of stack, more or less, that each step takes.
const STEP: usize = 64;

/// Bytes above the place where calls are refused from which on it calls.
const ABOVE: usize = 24 << 10;

/// A call or two; whether they were answered.
type Way = fn(&Place) -> bool;

/// What each step asks for: who answers is another one each time, or calls others.
const WAYS: [(&str, Way); 12] = [
    ("domains", |place| {
        let mut list = [DomainStatus::default(); 2];
        place.supervisor.domains(&mut list).is_ok()
    }),
    ("edges", |place| place.supervisor.edges(&mut []).is_ok()),
    ("audit", |place| place.supervisor.audit().is_ok()),
    ("record", |place| {
        place.supervisor.crash_record(0, &mut [0; 64]).is_ok()
    }),
    ("running", |place| {
        place.supervisor.wait_running("ext2fs", 1).is_ok()
    }),
    ("observe", |_| posix::supervisor().is_ok()),
    ("stat", |_| system().stat(b"/tmp/none/none").is_ok()),
    ("directories", |_| {
        fs::create_dir("/tmp/sunk").is_ok() && fs::remove_dir("/tmp/sunk").is_ok()
    }),
    ("write", |place| {
        place.file.write_at(b"as deep as this", 0).is_ok() && place.file.sync_all().is_ok()
    }),
    ("rename", |_| {
        File::create("/tmp/one").is_ok() && fs::rename("/tmp/one", "/tmp/two").is_ok()
    }),
    ("processes", |_| system().processes(&mut []).is_ok()),
    ("spawn", |_| {
        let spawned = system().spawn(b"/bin/true", b"true\0", &[], &[], Authority::Observe);
        matches!(spawned, Ok(Ok(pid)) if posix::process::wait(pid).is_ok())
    }),
];

/// What is held on the way down.
struct Place {
    supervisor: Proxy<dyn Supervisor>,
    file: File,
}

const SWITCHES: Switches = Switches::new("", "sinker WAY");

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&SWITCHES);
    let [word] = options.operands() else {
        options.usage()
    };
    let Some((_, way)) = WAYS.iter().find(|(name, _)| name == word) else {
        options.usage()
    };
    let place = Place {
        supervisor: posix::supervisor()?,
        file: File::create("/tmp/sinker")?,
    };
    assert!(way(&place), "on a whole stack it is answered");
    sink(*way, &place);
    Ok(())
}

/// Goes down until the stack ends, and this process with it.
#[inline(never)]
fn sink(way: Way, place: &Place) {
    let step = black_box([0_u8; STEP]);
    if stack_left() < ABOVE {
        black_box(way(place));
    }
    if !black_box(step).is_empty() {
        sink(way, place);
    }
    black_box(&step);
}
