//! Asks Rv6 for more than there is, wherever a process can choose a size.
//!
//! Every request is answered, nobody ends: `greedy` prints what it was told.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use interfaces::process::{ARG_MAX, Authority, DescriptorMap};
use interfaces::supervisor::{CrashCause, Supervisor, SupervisorError};
use posix::fs::{self, File};
use posix::prelude::*;
use posix::process::{self, Command, Errno};
use posix::time::{self, Duration};
use posix::{io, system};

const MIB: usize = 1 << 20;

/// Twice as much, with a copy of it, is less than the process may have, and more than
/// Rv6 could afford with its own.
const HUGE: usize = 24 * MIB;

/// Processes that make pipes at once, each as many as it may have descriptors for.
const PIPERS: usize = 12;

/// Lines of the log that would end a program.
const NOISE: usize = 40_000;

/// Processes that observe at once.
const OBSERVERS: u32 = 45;

/// Processes that take all memory: 16 MiB each, of a machine with 128 MiB.
const EATERS: usize = 12;
/// Bytes they take at a time, which come from the kernel.
const PIECE: usize = 33 << 10;
/// What they are to keep from coming back.
const SERVICES: [&str; 5] = ["rv6", "ext2fs", "nvme", "filedisk", "rv6"];

const SWITCHES: Switches = Switches::new("", "greedy WAY");

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&SWITCHES);
    let [way] = options.operands() else {
        options.usage()
    };
    match way.as_str() {
        "arguments" => arguments(),
        "programs" => return programs(),
        "paths" => paths(),
        "depth" => depth(),
        "descriptors" => descriptors(),
        "pipes" => return pipes(),
        "piper" => piper(),
        "random" => return random(),
        "noise" => return noise(),
        "observers" => return observers(),
        "observer" => return observer(),
        "famine" => return famine(),
        "eater" => eater(),
        _ => options.usage(),
    }
    Ok(())
}

fn say<T>(what: &str, answer: Result<T, impl Into<io::Error>>) {
    match answer {
        Ok(_) => println!("{what}: ok"),
        Err(error) => println!("{what}: {}", error.into()),
    }
}

/// The answer of a system call. That Rv6 died of it would be one, too.
fn flat<T, E>(answer: Result<Result<T, Errno>, E>) -> Result<T, Errno> {
    answer.unwrap_or(Err(Errno::EIO))
}

fn start(arguments: &[u8], environment: &[u8]) -> Result<(), Errno> {
    let pid = flat(system().spawn(
        b"/bin/true",
        arguments,
        environment,
        &[],
        Authority::Observe,
    ))?;
    process::wait(pid).map(drop).map_err(|_| Errno::ECHILD)
}

fn arguments() {
    let mut huge = vec![b'a'; HUGE];
    huge[HUGE - 1] = 0;
    for _ in 0..10 {
        let refused = start(&huge, &[]);
        assert_eq!(refused, Err(Errno::E2BIG));
    }
    say("24 MiB of arguments", start(&huge, &[]));
    say("24 MiB of environment", start(b"true\0", &huge));
    let half = &huge[HUGE - ARG_MAX / 2..];
    say("as much as there may be", start(half, half));
    say("a byte more", start(half, &huge[HUGE - ARG_MAX / 2 - 1..]));
    say("a million words", start(&vec![0; MIB], &[]));
}

fn programs() -> io::Result<()> {
    for (name, head) in [
        ("a sparse program", &b"\x7fELF"[..]),
        ("a sparse text", b"text"),
        ("a sparse script", b"#!/bin/true\n"),
    ] {
        let path = "/tmp/sparse";
        let file = File::create(path)?;
        file.write_at(head, 0)?;
        file.set_len(1 << 30)?;
        fs::set_permissions(path, 0o755)?;
        let started = || Command::new(path).status();
        let answers: Vec<_> = (0..10).map(|_| started()).collect();
        assert!(answers.iter().all(|one| one.is_ok() == answers[0].is_ok()));
        say(name, started());
        fs::remove_file(path)?;
    }
    Ok(())
}

fn paths() {
    let huge = vec![b'/'; HUGE];
    let text = String::from_utf8_lossy(&huge);
    say("open", File::open(&text));
    say("create", File::create(&text));
    say("stat", fs::metadata(&text));
    say(
        "start",
        flat(system().spawn(&huge, &[], &[], &[], Authority::Observe)),
    );
    say("rename", fs::rename("/tmp", &text));
    say("symlink", fs::symlink(&text, "/tmp/link"));
    say(
        "readlink",
        flat(system().readlink(b"/tmp", &mut vec![0; HUGE])),
    );
}

/// A working directory whose path has no end: Rv6 goes there, and cannot say its name.
fn depth() {
    let name = "d".repeat(250);
    say("the beginning", posix::env::set_current_dir("/tmp"));
    for _ in 0..2_000 {
        let down = fs::create_dir(&name).and_then(|()| posix::env::set_current_dir(&name));
        if down.is_err() {
            return say("deeper and deeper", down);
        }
    }
    println!("deeper and deeper: ok");
    say("where that is", posix::env::current_dir());
}

fn descriptors() {
    let maps = vec![
        DescriptorMap {
            parent: 0,
            child: 0
        };
        MIB
    ];
    let started = system().spawn(b"/bin/true", b"true\0", &[], &maps, Authority::Observe);
    say("a million descriptors to inherit", flat(started));
}

/// Makes as many pipes as possible, with something in each.
fn pipes() -> io::Result<()> {
    let mut children = Vec::new();
    for _ in 0..PIPERS {
        children.push(Command::new("/bin/greedy").arg("piper").spawn()?);
    }
    for child in &children {
        child.wait()?;
    }
    // They were given back.
    say("a pipe afterwards", process::pipe());
    Ok(())
}

/// One of those. It says how it ended up if it was not for itself.
fn piper() {
    let piece = [0; 4_096];
    let mut all = Vec::new();
    loop {
        match process::pipe() {
            Ok((reader, mut writer)) => {
                let written = writer.write_all(&piece);
                assert!(written.is_ok(), "a page fits into each pipe");
                all.push((reader, writer));
            }
            Err(error) => {
                // Others have theirs meanwhile.
                time::sleep(Duration::from_millis(300));
                println!("{error}");
                return;
            }
        }
    }
}

fn random() -> io::Result<()> {
    let mut bytes = vec![0; HUGE];
    let count = File::open("/dev/random")?.read(&mut bytes)?;
    println!("random bytes at once: {count}");
    Ok(())
}

/// As many observers of the system as the supervisor could not have handles for, each
/// its own.
fn observers() -> io::Result<()> {
    let mut children = Vec::new();
    for _ in 0..OBSERVERS {
        children.push(Command::new("/bin/greedy").arg("observer").spawn()?);
    }
    let mut lived = 0;
    for child in &children {
        lived += u32::from(child.wait()?.success());
    }
    println!("observers: {}", lived == OBSERVERS);
    Ok(())
}

/// One of those: takes a few more than it needs, and keeps them while others do.
fn observer() -> io::Result<()> {
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(posix::supervisor()?);
    }
    let is_refused = posix::supervisor()?
        .observer()
        .is_ok_and(|answer| answer.is_err());
    assert!(is_refused, "an observer makes no other");
    time::sleep(Duration::from_millis(500));
    Ok(())
}

/// Has all memory taken while each service dies that has to come back.
fn famine() -> io::Result<()> {
    let supervisor = posix::supervisor()?;
    let eater = |_| Command::new("/bin/greedy").arg("eater").spawn();
    // The last ones may find nothing left to begin with.
    let eaters: Vec<_> = (0..EATERS)
        .filter_map(|number| eater(number).ok())
        .collect();
    println!("eaters: {}", eaters.len() > 2);
    time::sleep(Duration::from_secs(3));
    for name in SERVICES {
        match supervisor.crash(name, CrashCause::Kill) {
            // Which one drives the disk depends on the machine.
            Ok(Err(SupervisorError::NotFound)) => {}
            Ok(Ok(())) => {
                let is_back = supervisor.wait_running(name, 20_000_000_000);
                println!("{name} is back: {}", is_back == Ok(Ok(())));
            }
            refused => println!("{name} is not ended: {refused:?}"),
        }
    }
    println!("files are there: {}", fs::metadata("/bin/greedy").is_ok());
    let ended = eaters.iter().filter(|eater| eater.kill().is_err()).count();
    println!("eaters that were ended: {ended}");
    Ok(())
}

/// Takes memory as long as there is some, and waits for more.
fn eater() {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(PIECE).is_err() || all.try_reserve(1).is_err() {
            time::sleep(Duration::from_millis(1));
            continue;
        }
        all.push(piece);
    }
}

/// Starts what is no image, so often that who says so says too much.
fn noise() -> io::Result<()> {
    fs::write("/tmp/noise", [b"\x7fELF".as_slice(), &[0; 60]].concat())?;
    fs::set_permissions("/tmp/noise", 0o755)?;
    let refused = (0..NOISE).filter(|_| Command::new("/tmp/noise").spawn().is_err());
    println!("refused: {}", refused.count() == NOISE);
    Ok(())
}
