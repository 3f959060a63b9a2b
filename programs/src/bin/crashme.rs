//! Crashes by itself, in a way of one's choice.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::time::{self, Duration};

const SWITCHES: Switches = Switches::new("", "crashme panic|stack|loop|memory|divide|sleep|exit");

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let [cause] = options.operands() else {
        options.usage()
    };
    match cause.as_str() {
        "panic" => panic!("crashme was asked to panic"),
        "stack" => println!("{}", descend(0)),
        "loop" => loop {
            core::hint::spin_loop();
        },
        "memory" => println!("{}", fill_memory()),
        "divide" => println!("{}", 1 / core::hint::black_box(0_u32)),
        "sleep" => time::sleep(Duration::from_secs(1_000_000)),
        "exit" => {}
        _ => options.usage(),
    }
    ExitCode::SUCCESS
}

/// Calls itself until the stack ends.
fn descend(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        return 0;
    }
    descend(depth + 1) + frame[core::hint::black_box(7)]
}

/// Allocates until the quota ends.
fn fill_memory() -> usize {
    let mut blocks = Vec::new();
    loop {
        blocks.push(core::hint::black_box(vec![1_u8; 1 << 20]));
        if blocks.len() == usize::MAX {
            return blocks.len();
        }
    }
}
