//! Shows the resources the kernel has handed out.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::prelude::*;
use posix::supervisor::{AuditReport, Supervisor};

const SWITCHES: Switches = Switches::new("s:c:", "audit [--save FILE | --compare FILE]")
    .long(&[("save", 's'), ("compare", 'c')]);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if !options.operands().is_empty() {
        options.usage();
    }
    let report = match posix::supervisor().map(|supervisor| supervisor.audit()) {
        Ok(Ok(report)) => report,
        Ok(Err(_)) => {
            complain!("the supervisor does not answer");
            return ExitCode::from(2);
        }
        Err(error) => {
            complain!("no supervisor: {error}");
            return ExitCode::from(2);
        }
    };
    let rows = rows(&report);
    if let Some(file) = options.value('s') {
        let lines: Vec<String> = rows
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        if let Err(error) = fs::write(file, lines.join("\n") + "\n") {
            complain!("{file}: {error}");
            return ExitCode::from(2);
        }
        return ExitCode::SUCCESS;
    }
    let before = match options.value('c') {
        None => None,
        Some(file) => match fs::read_to_string(file) {
            Ok(text) => Some(text),
            Err(error) => {
                complain!("{file}: {error}");
                return ExitCode::from(2);
            }
        },
    };
    ExitCode::from(print(&rows, before.as_deref()))
}

fn rows(report: &AuditReport) -> [(&'static str, u64); 8] {
    [
        ("frames", report.frames),
        ("exchange-objects", report.exchange_objects),
        ("threads", report.threads),
        ("interrupts", report.interrupts),
        ("mappings", report.mappings),
        ("domains", report.domains),
        ("exports", report.exports),
        ("kernel-heap-bytes", report.kernel_heap_bytes),
    ]
}

/// Prints the counts, with the difference to `before`; whether there is none.
/// Frames and kernel heap come and go with caches, so they only inform.
fn print(rows: &[(&str, u64)], before: Option<&str>) -> bool {
    let mut is_equal = true;
    for (name, count) in rows {
        let Some(before) = before else {
            println!("{name:<18} {count:>10}");
            continue;
        };
        let line = before
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let old: u64 = line.and_then(|number| number.parse().ok()).unwrap_or(0);
        let difference = i128::from(*count) - i128::from(old);
        let is_informative = matches!(*name, "frames" | "kernel-heap-bytes");
        is_equal &= difference == 0 || is_informative;
        println!("{name:<18} {old:>10} {count:>10} {difference:>+8}");
    }
    is_equal
}
