//! `umask`, `ulimit` and `times`.

use posix::administration::Administration;
use posix::prelude::*;
use posix::process;

use super::{Answer, operands};

/// Descriptors a process may have open, as Rv6 has it.
const DESCRIPTORS: &str = "256";

/// The value of what has no limit.
const UNLIMITED: &str = "unlimited";

/// Letter, name and value of each limit that can be asked for.
const LIMITS: [(char, &str, &str); 4] = [
    ('c', "coredump(blocks)", "0"),
    ('f', "file(blocks)", UNLIMITED),
    ('n', "nofiles", DESCRIPTORS),
    ('t', "time(seconds)", UNLIMITED),
];

/// `umask`.
pub fn umask(arguments: &[String]) -> Answer {
    match operands(arguments) {
        [] => println!("0022"),
        [symbolic] if symbolic == "-S" => println!("u=rwx,g=rx,o=rx"),
        [mask] if matches!(mask.as_str(), "022" | "0022" | "22") => {}
        [mask, ..] => return Err(format!("{mask}: the mask is 0022 and cannot be changed")),
    }
    Ok(0)
}

/// `ulimit`: shows the limits there are. They belong to the system's configuration, so
/// no process changes them.
pub fn ulimit(arguments: &[String]) -> Answer {
    let mut wanted = 'f';
    let mut rest = operands(arguments);
    while let [option, others @ ..] = rest
        && let Some(letters) = option.strip_prefix('-')
    {
        for letter in letters.chars().filter(|letter| !"HS".contains(*letter)) {
            wanted = letter;
        }
        rest = others;
    }
    if wanted == 'a' {
        for (letter, name, value) in LIMITS {
            println!("-{letter}: {name:<20} {value}");
        }
        return Ok(0);
    }
    let found = LIMITS.iter().find(|(letter, ..)| *letter == wanted);
    let Some((_, name, value)) = found else {
        return Err(format!("-{wanted}: not a limit of this system"));
    };
    match rest.first() {
        None => println!("{value}"),
        Some(new) if new == value => {}
        Some(new) => return Err(format!("{name} is {value} and cannot be {new}")),
    }
    Ok(0)
}

/// `times`: CPU time of the shell, which has all of it as user time. Rv6 does not add
/// up what its children had.
pub fn times() -> Answer {
    let own = own_cpu_ns().unwrap_or(0);
    let shown = |time_ns: u64| {
        let hundredths = time_ns / 10_000_000;
        let seconds = hundredths / 100;
        format!("{}m{}.{:02}s", seconds / 60, seconds % 60, hundredths % 100)
    };
    println!("{} {}", shown(own), shown(0));
    println!("{} {}", shown(0), shown(0));
    Ok(0)
}

fn own_cpu_ns() -> Option<u64> {
    let processes = process::processes().ok()?;
    let own = processes.iter().find(|one| one.pid == process::id())?;
    let domains = Administration::new().ok()?.domains().ok()?;
    let domain = domains.iter().find(|domain| domain.id == own.domain)?;
    Some(domain.cpu_ns)
}
