//! 4 KiB reads and writes: in the driver's domain, over a crossing, from a
//! process, and by Linux on the same drive.

use super::BenchError;
use super::linux::{self, Guest};
use super::rows::{self, Row};
use super::system::{System, last_lines, prepare, run_to_end};
use crate::cli::Machine;
use crate::error::ToolError;
use crate::progress::Step;
use crate::run::RunFolder;
use crate::run::session::Ending;
use crate::tree::Tree;

/// Rounds in which everything on the drive takes its turn.
const ROUNDS: usize = 3;

/// As [`ROUNDS`], behind an IOMMU, where rates are to be told apart by less.
const GUARDED_ROUNDS: usize = 5;

/// What a process does: random reads and writes in a file that the block cache
/// holds an eighth of.
const PROCESS: &str = "iorate -s 128M -c 4000 /tmp/measured";

/// All rows for a machine.
pub fn measure(tree: &Tree, machine: Machine) -> Result<Vec<Row>, ToolError> {
    let mut rows = match machine {
        Machine::Hosted => System::build(tree, "nvme", machine)?.run()?,
        Machine::Pc => on_pc(tree)?,
    };
    rows.extend(process(tree, machine)?);
    Ok(rows)
}

/// On QEMU: rounds of our driver, behind a crossing and linked, and of Linux;
/// then one run that counts instructions.
fn on_pc(tree: &Tree) -> Result<Vec<Row>, ToolError> {
    let crossing = System::build(tree, "nvme", Machine::Pc)?;
    let linked = System::build(tree, "driver", Machine::Pc)?;
    let guest = Guest::prepare(tree)
        .inspect_err(|why| eprintln!("redleaf: Linux's rows are left out: {why}"))
        .ok();
    let step = Step::start("the drive: our driver, and Linux's if there is one, in turns");
    let (mut ours, mut linux) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        step.detail(&format!("round {} of {ROUNDS}", round + 1));
        let mut rows = linked.run_once()?;
        rows.extend(crossing.run_once()?);
        ours.push(rows);
        match guest.as_ref().map(Guest::run) {
            Some(Ok(rows)) => linux.push(rows),
            Some(Err(why)) => eprintln!("redleaf: a round without Linux: {why}"),
            None => {}
        }
    }
    drop(step);
    let mut rows = rows::medians(&ours);
    // The clock of these runs is real; their cycle counter means little.
    rows.retain(|row| row.unit != "cycles");
    let linux = rows::medians(&linux);
    for peer in &linux {
        compare(&mut rows, peer);
    }
    rows.extend(linux);
    for system in [&linked, &crossing] {
        let counted = system.count()?;
        // Waiting is counted in the others.
        rows.extend(
            counted
                .into_iter()
                .filter(|row| row.unit == "per_request" || row.name.ends_with(", per request")),
        );
    }
    Ok(rows)
}

/// Our driver without an IOMMU and with one in both modes, in turns.
pub fn guarded(tree: &Tree) -> Result<Vec<Row>, ToolError> {
    let plain = System::build(tree, "nvme", Machine::Pc)?;
    let guarded = [
        System::behind_iommu(tree, "nvme-leased")?,
        System::behind_iommu(tree, "nvme-strict")?,
        System::behind_iommu(tree, "nvme-open")?,
    ];
    let step = Step::start("the drive without an IOMMU, and with one, in turns");
    let mut rounds = Vec::new();
    for round in 0..GUARDED_ROUNDS {
        step.detail(&format!("round {} of {GUARDED_ROUNDS}", round + 1));
        let mut rows = plain.run_once()?;
        for system in &guarded {
            rows.extend(system.run_once()?);
        }
        rounds.push(rows);
    }
    drop(step);
    let mut rows = rows::medians(&rounds);
    // The clock of these runs is real; their cycle counter means little.
    rows.retain(|row| row.unit != "cycles" && row.unit != "ns" && !row.name.ends_with("doorbells"));
    for system in [&plain].into_iter().chain(&guarded) {
        let counted = system.count()?.into_iter();
        rows.extend(counted.filter(|row| row.name.ends_with(", per request")));
    }
    for row in &mut rows {
        row.baseline = without(&row.name).filter(|_| row.unit != "per_1000_requests");
    }
    Ok(rows)
}

/// The row of the same work without an IOMMU.
fn without(name: &str) -> Option<String> {
    let mode = [", leased", ", strict", ", open"];
    let mode = mode.into_iter().find(|mode| name.contains(mode))?;
    Some(name.replacen(mode, "", 1))
}

/// Makes a row of Linux what ours of the same kind are compared with.
fn compare(rows: &mut [Row], peer: &Row) {
    for verb in ["read", "write"] {
        for depth in [1, 32] {
            if peer.name != linux::row_name(verb, depth) {
                continue;
            }
            let of_kind = format!(", depth {depth}");
            for row in rows.iter_mut() {
                if row.name.starts_with(verb) && row.name.ends_with(&of_kind) {
                    row.baseline = Some(peer.name.clone());
                }
            }
        }
    }
}

/// From a process of Rv6, through its descriptors, the file system and the
/// block cache.
fn process(tree: &Tree, machine: Machine) -> Result<Vec<Row>, ToolError> {
    let folder = RunFolder::make(tree)?;
    let boot = prepare(tree, "rv6", machine, Some(PROCESS), &folder)?;
    let step = Step::start(&format!("a process reads and writes on {}", machine.name()));
    let mut runs = Vec::new();
    for _ in 0..ROUNDS {
        let (ending, console, log) = run_to_end(boot.command())?;
        let rows = rows_of_process(&console);
        if ending != Ending::Status(0) || rows.is_empty() {
            return Err(BenchError::Failed {
                name: "nvme".to_owned(),
                machine: machine.name(),
                ending,
                log: last_lines(&(log + &console)),
            }
            .into());
        }
        runs.push(rows);
    }
    drop(step);
    Ok(rows::medians(&runs))
}

/// Reads `read: 1234 per second, 50 % in 20 us, 99 % in 40 us`.
fn rows_of_process(console: &str) -> Vec<Row> {
    let row = |line: &str| {
        let (verb, rest) = line.trim().split_once(": ")?;
        let verb = ["read", "write"].into_iter().find(|known| *known == verb)?;
        let rate = rest.split(' ').next()?.parse().ok()?;
        let slow = rest.rsplit_once("99 % in ")?.1.strip_suffix(" us")?;
        let slow: f64 = slow.parse().ok()?;
        let name = format!("{verb} 4 KiB of a file, from a process");
        Some(Row {
            p99: 1e6 / slow.max(0.001),
            ..Row::single(&name, "per_second", rate)
        })
    };
    console.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rows::Report;
    use super::*;

    #[test]
    fn what_a_process_prints_becomes_rows() {
        let console = "read: 1234 per second, 50 % in 20.0 us, 99 % in 400.0 us\r\n\
                       write: 10 per second, 50 % in 1.0 us, 99 % in 2.0 us\nother: 1 per second\n";
        let rows = rows_of_process(console);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].median, rows[0].p99), (1234.0, 2500.0));
        assert_eq!(rows[1].name, "write 4 KiB of a file, from a process");
    }

    #[test]
    fn what_an_iommu_costs_is_compared_with_the_same_without() {
        let row = "read 4 KiB, depth 32";
        assert_eq!(
            without("read 4 KiB, leased, depth 32"),
            Some(row.to_owned())
        );
        assert_eq!(
            without("read 4 KiB, strict, depth 32"),
            Some(row.to_owned())
        );
        assert_eq!(without(row), None);
    }

    #[test]
    fn rows_are_compared_with_linux_at_the_same_depth() {
        let mut rows = vec![
            Row::single("read 4 KiB, depth 1", "per_second", 8.0),
            Row::single(
                "read 4 KiB, in the driver's domain, depth 32",
                "per_second",
                8.0,
            ),
            Row::single("read 4 KiB, depth 1, per request", "instructions", 8.0),
        ];
        let peer = Row::single(&linux::row_name("read", 1), "per_second", 2.0);
        compare(&mut rows, &peer);
        rows.push(peer);
        let report = Report::new("nvme", "pc", rows);
        let ratios: Vec<_> = report.rows.iter().map(|row| row.ratio).collect();
        assert_eq!(ratios, [Some(4.0), None, None, None]);
    }
}
