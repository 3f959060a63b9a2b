//! Administers the system without having been asked to.
//!
//! It ends the supervisor, the personality and a driver, replaces domains, traces,
//! powers off, and hands on what it does not have. `usurper` prints what it was told.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::administration::{self, Administration};
use posix::prelude::*;
use posix::process::{Authority, Command};
use posix::supervisor::{CrashCause, Injection, Supervisor, SupervisorError};
use posix::{Proxy, fs, io};

const SWITCHES: Switches = Switches::new("", "usurper [all|supervisor|crash|child]");

type Answer<T, E> = Result<Result<T, SupervisorError>, E>;

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&SWITCHES);
    let system = Administration::new()?;
    match options.operands() {
        [] => attack(&system),
        [way] => match way.as_str() {
            "supervisor" => {
                kill(&system, system.supervisor(), "init");
                say("crash init", crash(system.supervisor(), "init"));
                say("crash kernel", crash(system.supervisor(), "kernel"));
                Ok(())
            }
            "crash" => {
                say("crash keeper", crash(system.supervisor(), "keeper"));
                Ok(())
            }
            // What it was given does not go on by itself.
            "child" => Command::new("/bin/usurper").arg("crash").status().map(drop),
            "grandchild" => start("child", Authority::HandOn),
            _ => options.usage(),
        },
        _ => options.usage(),
    }
}

fn start(way: &str, authority: Authority) -> io::Result<()> {
    let command = Command::new("/bin/usurper").arg(way).authority(authority);
    command.status().map(drop)
}

fn say<T, E>(what: &str, answer: Answer<T, E>) {
    match answer {
        Ok(Ok(_)) => println!("{what}: done"),
        Ok(Err(error)) => println!("{what}: {error:?}"),
        Err(_) => println!("{what}: no answer"),
    }
}

fn crash(supervisor: &Proxy<dyn Supervisor>, name: &str) -> Answer<(), impl Sized> {
    supervisor.crash(name, CrashCause::Kill)
}

fn kill(system: &Administration, supervisor: &Proxy<dyn Supervisor>, name: &str) {
    let domains = system.domains().unwrap_or_default();
    let found = domains.iter().find(|one| administration::name(one) == name);
    let id = found.map_or(0, |one| one.id);
    say(&format!("kill {name}"), supervisor.kill(id));
}

fn attack(system: &Administration) -> io::Result<()> {
    let supervisor = system.supervisor();
    for name in ["init", "rv6", "ext2fs", "keeper"] {
        kill(system, supervisor, name);
    }
    say("crash rv6", crash(supervisor, "rv6"));
    let injection = Injection {
        cause: CrashCause::Panic,
        reserved: 0,
        within_ns: 0,
        seed: 0,
    };
    say("inject", supervisor.inject("ext2fs", injection));
    let program = fs::read("/bin/echo")?;
    say(
        "upgrade to a program",
        supervisor.upgrade("ext2fs", &program),
    );
    let archived = supervisor.upgrade_from_archive("ext2fs", "keeper");
    say("upgrade to another service", archived);
    let again = supervisor.upgrade_from_archive("keeper", "keeper");
    say("upgrade to itself", again);
    say("sampling", supervisor.set_sampling(1));
    say("trace", supervisor.start_trace(""));
    say("power off", supervisor.power_off(9));
    say(
        "another observer",
        supervisor.observer().map(|answer| answer.map(drop)),
    );
    let calls = supervisor.finish_trace().unwrap_or(u64::MAX);
    println!("calls traced: {calls}");
    match start("crash", Authority::HandOn) {
        Ok(()) => println!("hand on: done"),
        Err(error) => println!("hand on: {error}"),
    }
    start("crash", Authority::HandOnIfAny)?;
    println!("domains seen: {}", system.domains()?.len() > 3);
    Ok(())
}
