//! Makes domains fail one after the other while a workload checks itself.
//!
//! Workers ([`work`]) write files and read them back, make and rename files,
//! start programs and talk to them through pipes, and report every round
//! ([`report`]). The conductor ([`conduct`]) injects a fault, waits until each
//! worker has completed a round that began afterwards, and writes down what
//! became of it. `./redleaf campaign` runs this and counts.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

#[path = "../../cause.rs"]
mod cause;
mod conduct;
mod files;
mod names;
mod report;
mod starts;
mod threads;
mod victim;
mod work;

use campaign::{Cause, Kind, Target};
use posix::prelude::*;

use crate::conduct::Order;

const SWITCHES: Switches = Switches::new(
    "c:n:s:w:",
    "campaign [--faults N] [--seed X] [--causes CAUSE,...] DOMAIN[:driver]... [victim:program]\n\
     Injects N faults (100) into the domains, chosen by X (1), while files are written\n\
     and checked in /campaign; a line for each says what became of it.\n\
     Example: campaign --faults 20 --causes panic,loop ext2fs",
)
.long(&[
    ("causes", 'c'),
    ("faults", 'n'),
    ("seed", 's'),
    ("worker", 'w'),
]);

/// The program's own path, for its workers.
const PROGRAM: &str = "/bin/campaign";

/// Where the workers' files are.
const DIRECTORY: &str = "/campaign";

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if let Some(name) = options.value('w') {
        return work::run(name);
    }
    let order = match order(&options) {
        Ok(order) => order,
        Err(wrong) => {
            complain!("{wrong}");
            return ExitCode::from(2);
        }
    };
    match conduct::run(&order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            complain!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

fn order(options: &Options) -> Result<Order, String> {
    let causes = match options.value('c') {
        None => Cause::ALL.to_vec(),
        Some(names) => names
            .split(',')
            .map(cause::parse)
            .collect::<Result<_, _>>()?,
    };
    let targets: Vec<Target> = options
        .operands()
        .iter()
        .map(|word| target(word))
        .collect::<Result<_, _>>()?;
    if targets.is_empty() {
        return Err("no domain to inject faults into".into());
    }
    let faults = options.number('n').unwrap_or(100);
    Ok(Order {
        targets,
        causes,
        faults: usize::try_from(faults).unwrap_or(usize::MAX),
        seed: options.number('s').unwrap_or(1),
    })
}

fn target(word: &str) -> Result<Target, String> {
    let (name, kind) = match word.split_once(':') {
        None => (word, Kind::Service),
        Some((name, "driver")) => (name, Kind::Driver),
        Some((victim::NAME, "program")) => (victim::NAME, Kind::Program),
        Some(_) => {
            return Err(format!(
                "{word}: expected NAME, NAME:driver or victim:program"
            ));
        }
    };
    Ok(Target {
        name: name.into(),
        kind,
    })
}
