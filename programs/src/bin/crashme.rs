//! Crashes by itself, in a way of one's choice, or takes more than it may.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use core::fmt;

use posix::prelude::*;
use posix::process::{self, Command};
use posix::time::{self, Duration, Instant};
// What a program has little use for, and can misuse.
use runtime::sync::Mutex;
use runtime::thread::{self, Priority};

const SWITCHES: Switches = Switches::new(
    "",
    "crashme WAY [DEPTH]; ways: panic nested endless drop stack depth loop memory divide sleep \
     exit fork log threads stacks proxies greedy hungry locks; crashme end PID says how long a \
     process takes to its end",
);

/// A way to crash, by its name.
type Way = (&'static str, fn(u64));

/// Ways that take no more than a line.
const WAYS: [Way; 17] = [
    ("nested", |_| panic!("{}", PanicsWhenShown)),
    ("endless", |_| panic!("{}", PanicsForEver)),
    ("drop", |_| {
        let _first = PanicsWhenDropped("first");
        let _second = PanicsWhenDropped("second");
        panic!("crashme dies with two objects that panic when dropped")
    }),
    ("drops", |_| drop(PanicsWhenDropped("dropped"))),
    ("stack", |_| println!("{}", descend(0))),
    ("depth", |depth| println!("{}", descend_to(depth))),
    ("loop", |_| {
        loop {
            core::hint::spin_loop();
        }
    }),
    ("memory", |_| println!("{}", fill_memory())),
    ("divide", |_| {
        println!("{}", 1 / core::hint::black_box(0_u32))
    }),
    ("sleep", |_| time::sleep(Duration::from_secs(1_000_000))),
    ("fork", |_| fork()),
    ("log", |_| {
        loop {
            runtime::log::info!("crashme logs for ever");
        }
    }),
    ("greedy", take_all_time),
    ("hungry", |_| ask_for_everything()),
    ("threads", |_| make_threads(0)),
    ("stacks", |_| make_threads(16 << 20)),
    ("proxies", |_| {
        loop {
            core::mem::forget(posix::supervisor());
        }
    }),
];

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let (way, depth) = match options.operands() {
        [way] => (way, 0),
        [way, depth] => match depth.parse() {
            Ok(depth) => (way, depth),
            Err(_) => options.usage(),
        },
        _ => options.usage(),
    };
    match way.as_str() {
        "panic" => panic!("crashme was asked to panic"),
        "exit" => {}
        "locks" => hold_locks(depth),
        "end" => return end(depth),
        _ => match WAYS.iter().find(|(name, _)| name == way) {
            Some((_, crash)) => crash(depth),
            None => options.usage(),
        },
    }
    ExitCode::SUCCESS
}

/// Panics while a panic's message is written.
struct PanicsWhenShown;

impl fmt::Display for PanicsWhenShown {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("crashme panics in a panic")
    }
}

/// Panics while its own panic's message is written.
struct PanicsForEver;

impl fmt::Display for PanicsForEver {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("{}", Self)
    }
}

struct PanicsWhenDropped(&'static str);

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("crashme panics in drop: {}", self.0)
    }
}

/// Calls itself until the stack ends.
fn descend(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        return 0;
    }
    descend(depth + 1) + frame[core::hint::black_box(7)]
}

/// Calls itself, in small steps, and panics `depth` calls deep, however little
/// stack is left there.
fn descend_to(depth: u64) -> u64 {
    assert!(depth != 0, "crashme is deep enough");
    core::hint::black_box(descend_to(depth - 1)) + 1
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

/// Starts itself twice, and so on. One that cannot start another goes on trying.
fn fork() {
    let mut children = Vec::new();
    loop {
        if let Ok(child) = Command::new("/bin/crashme").arg("fork").spawn() {
            children.push(child);
        }
        if children.len() >= 2 {
            time::sleep(Duration::from_millis(1));
            children.clear();
        }
    }
}

/// Starts threads that do nothing, for ever.
fn make_threads(stack_bytes: usize) {
    loop {
        let made = thread::spawn_with_stack("idle", Priority::Normal, stack_bytes, || {
            thread::sleep(Duration::from_secs(1_000_000));
        });
        if made.is_err() {
            time::sleep(Duration::from_millis(1));
        }
    }
}

/// Takes as much CPU time as it can get: with urgent threads that go on for ever, and
/// every other one rests for a moment just before it would count as such. So many, or 8.
fn take_all_time(threads: u64) {
    let ways: [fn(); 2] = [core::hint::spin_loop, || {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(7) {
            core::hint::spin_loop();
        }
        thread::sleep(Duration::from_nanos(1));
    }];
    let count = if threads == 0 { 8 } else { threads as usize };
    for way in ways.into_iter().cycle().take(count) {
        let made = thread::spawn("greedy", Priority::High, move || {
            loop {
                way();
            }
        });
        assert!(made.is_ok(), "a process may have some threads");
    }
    time::sleep(Duration::from_secs(1_000_000));
}

/// Asks the kernel for everything for which it needs memory, and dies if that is
/// refused. With the kernel's option `starve=crashme` it is, once or from then on.
fn ask_for_everything() {
    for round in 0..4 {
        let made = thread::spawn("hungry", Priority::Normal, || {
            thread::sleep(Duration::from_millis(2));
        });
        assert!(made.is_ok(), "no memory for a thread");
        drop(core::hint::black_box(vec![1_u8; 200_000 << round]));
        drop(core::hint::black_box(posix::supervisor()));
        let bytes = posix::fs::read("/etc/motd").map_or(0, |bytes| bytes.len());
        runtime::log::info!("hungry: {bytes} bytes");
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(3));
    println!("hungry had everything");
}

/// Ends a process and says how long that took.
fn end(pid: u64) -> ExitCode {
    let started = Instant::now();
    let is_there = || {
        let all = process::processes().unwrap_or_default();
        let is_meant = |one: &process::ProcessInfo| u64::from(one.pid) == pid;
        all.iter().any(|one| is_meant(one) && !one.has_ended)
    };
    let killed = u32::try_from(pid).is_ok_and(|pid| process::kill(pid).is_ok());
    if !killed {
        return ExitCode::FAILURE;
    }
    while is_there() {
        time::sleep(Duration::from_millis(1));
    }
    println!("ended after {} ms", started.elapsed().as_millis());
    ExitCode::SUCCESS
}

/// Everything that threads of a process can lock.
struct Locks {
    outer: Mutex<u64>,
    inner: Mutex<Vec<u64>>,
}

static LOCKS: Locks = Locks {
    outer: Mutex::new(0),
    inner: Mutex::new(Vec::new()),
};

/// Dies after `delay_us` while its threads hold, and wait for, every lock there
/// is: their own, the heap's, those of output, and the kernel's behind threads,
/// proxies, timers and the log.
fn hold_locks(delay_us: u64) {
    let workers: [fn(); 6] = [
        || LOCKS.inner.lock().push(*LOCKS.outer.lock()),
        || drop(core::hint::black_box(vec![0_u8; 40_000])),
        || drop(core::hint::black_box(posix::supervisor())),
        || thread::sleep(Duration::from_nanos(1)),
        || {
            let _ = thread::spawn("brief", Priority::Normal, || {});
            thread::yield_now();
        },
        || drop(core::hint::black_box(vec![0_u8; 100])),
    ];
    let outer = LOCKS.outer.lock();
    for work in workers {
        let made = thread::spawn("worker", Priority::Normal, move || {
            loop {
                work();
            }
        });
        assert!(made.is_ok(), "a process may have some threads");
    }
    thread::sleep(Duration::from_micros(delay_us));
    panic!("crashme dies with locks {}", *outer);
}
