//! The table of system-call tests, each with the reclaim audit around it.
//!
//! A test works in a directory of its own and says in a [`Failure`] what did
//! not hold. After it the kernel's counts of objects, threads, mappings,
//! domains and exports have to be what they were before. If they are not, the
//! test runs once more, since the first time may have filled a cache; then they
//! have to be.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod audit;
mod children;
mod failure;
mod files;
mod names;
mod pipes;
mod processes;
mod slow;
mod threads;

use posix::prelude::*;
use posix::process::{self, Command};
use posix::time::Instant;
use posix::{env, fs};

use crate::failure::{Failure, Outcome};

const SWITCHES: Switches = Switches::new(
    "sj:lo:",
    "usertests [--slow] [--jobs N] [--list] [FILTER...]",
)
.long(&[("slow", 's'), ("jobs", 'j'), ("list", 'l'), ("only", 'o')]);

/// The program's own path, for tests that need another process.
pub const PROGRAM: &str = "/bin/usertests";

/// Tests that look at what all processes share, or at the time something takes:
/// with others beside them they would find something else.
const ALONE: &[&str] = &["file-unlinked", "kill", "death-loop", "slow-full-disk"];

/// One test.
pub struct Test {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub run: fn() -> Outcome,
}

#[posix::main]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if arguments
        .get(1)
        .is_some_and(|first| first == children::OPTION)
    {
        return children::run(&arguments[2..]);
    }
    let options = Options::parse(&SWITCHES);
    if let Some(name) = options.value('o') {
        return ExitCode::from(all().find(|test| test.name == name).is_some_and(|test| {
            let outcome = run_in_own_directory(test);
            report(test.name, &outcome);
            outcome.is_ok()
        }));
    }
    let is_wanted = |test: &&'static Test| {
        let filters = options.operands();
        filters.is_empty()
            || filters
                .iter()
                .any(|filter| test.name.contains(filter.as_str()))
    };
    let tests: Vec<&'static Test> = match options.has('s') {
        true => all().filter(is_wanted).collect(),
        false => quick().filter(is_wanted).collect(),
    };
    if tests.is_empty() {
        complain!("no test has such a name; usertests -l lists them");
        return ExitCode::from(2);
    }
    if options.has('l') {
        tests.iter().for_each(|test| println!("{}", test.name));
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let passed = match options.number('j').unwrap_or(1) {
        0 | 1 => tests.iter().filter(|test| run_audited(test)).count(),
        jobs => run_in_parallel(&tests, jobs),
    };
    let failed = tests.len() - passed;
    println!(
        "{passed} passed, {failed} failed in {} ms",
        start.elapsed().as_millis()
    );
    ExitCode::from(failed == 0)
}

fn quick() -> impl Iterator<Item = &'static Test> {
    files::TESTS
        .iter()
        .chain(names::TESTS)
        .chain(pipes::TESTS)
        .chain(processes::TESTS)
        .chain(threads::TESTS)
}

fn all() -> impl Iterator<Item = &'static Test> {
    quick().chain(slow::TESTS)
}

fn report(name: &str, outcome: &Outcome) {
    match outcome {
        Ok(()) => println!("ok      {name}"),
        Err(failure) => println!("FAILED  {name}: {failure}"),
    }
}

/// Runs a test with the audit around it; whether it passed.
fn run_audited(test: &Test) -> bool {
    let mut outcome = Ok(());
    for is_last in [false, true] {
        // Remains of an earlier test make the first count too large at times.
        let before = if is_last {
            audit::settled()
        } else {
            audit::take()
        };
        outcome = run_in_own_directory(test);
        if outcome.is_err() {
            break;
        }
        match audit::compare(before) {
            Ok(()) => break,
            Err(failure) if is_last => outcome = Err(failure),
            Err(_) => {}
        }
    }
    report(test.name, &outcome);
    outcome.is_ok()
}

/// Runs each test as a process, some at a time; how many passed.
fn run_in_parallel(tests: &[&Test], jobs: u64) -> usize {
    let before = audit::settled();
    let mut passed = 0;
    let mut running = 0;
    let is_alone = |test: &&&Test| ALONE.contains(&test.name);
    let mut waiting = tests.iter().filter(|test| !is_alone(test)).peekable();
    let mut alone = tests.iter().filter(is_alone);
    loop {
        while let Some(test) = match (waiting.peek(), running) {
            (Some(_), _) if running < jobs => waiting.next(),
            (None, 0) => alone.next(),
            _ => None,
        } {
            match Command::new(PROGRAM).args(["--only", test.name]).spawn() {
                Ok(_) => running += 1,
                Err(error) => println!("FAILED  {}: cannot be started: {error}", test.name),
            }
        }
        if running == 0 {
            break;
        }
        passed += usize::from(process::wait(0).is_ok_and(|ended| ended.success()));
        running -= 1;
    }
    if let Err(failure) = audit::compare(before) {
        println!("FAILED  audit: {failure}");
        return 0;
    }
    passed
}

fn run_in_own_directory(test: &Test) -> Outcome {
    let directory = format!("/tmp/usertests.{}", process::id());
    let before = env::current_dir()?;
    fs::create_dir_all(&directory)?;
    env::set_current_dir(&directory)?;
    let outcome = (test.run)();
    env::set_current_dir(&before)?;
    let removed = remove_all(&directory);
    outcome.and(removed)
}

/// Removes a directory and what is in it.
pub fn remove_all(directory: &str) -> Outcome {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.push(String::from(entry?.file_name()));
    }
    for name in names {
        let path = posix::path::join(directory, &name);
        match fs::symlink_metadata(&path)?.is_dir() {
            true => remove_all(&path)?,
            false => fs::remove_file(&path)?,
        }
    }
    fs::remove_dir(directory).map_err(Failure::from)
}
