//! Throughput over time while the driver is killed each second.
//!
//! Beside the rows it writes the curves to `target/bench/recovery-MACHINE.csv`
//! and `.svg`.

use std::fs;

use measure::POINT_MARK;

use super::BenchError;
use super::plot::{self, Line, Lines};
use super::rows::Row;
use super::system::System;
use crate::cli::Machine;
use crate::error::ToolError;
use crate::tree::Tree;

/// Name of the benchmark and of its files.
const NAME: &str = "recovery";

/// Runs it; the rows.
///
/// # Errors
/// Any [`ToolError`] of builds and runs, and [`BenchError`].
pub fn measure(tree: &Tree, machine: Machine) -> Result<Vec<Row>, ToolError> {
    let log = System::build(tree, NAME, machine)?.log()?;
    let bad_row = |line: &str| BenchError::BadRow {
        name: NAME.to_owned(),
        machine: machine.name(),
        line: line.to_owned(),
    };
    let mut rows = Row::find(&log).map_err(bad_row)?;
    let lost: Vec<Row> = rows.iter().filter_map(|row| loss(row, &rows)).collect();
    rows.extend(lost);
    let curves = curves(&log).map_err(bad_row)?;
    write(tree, machine, curves)?;
    Ok(rows)
}

/// What a disturbed row lost against its baseline, in per cent.
fn loss(row: &Row, all: &[Row]) -> Option<Row> {
    let baseline = all
        .iter()
        .find(|other| Some(&other.name) == row.baseline.as_ref())?;
    let kind = row.name.split(',').next()?;
    let lost = 100.0 * (1.0 - row.median / baseline.median);
    Some(Row::single(&format!("{kind}, lost"), "percent", lost))
}

/// The curves that a log holds.
///
/// # Errors
/// The first line that has the mark of a point and cannot be read.
fn curves(log: &str) -> Result<Vec<Line>, &str> {
    let mut curves: Vec<Line> = Vec::new();
    for line in log.lines() {
        let Some((_, point)) = line.split_once(POINT_MARK) else {
            continue;
        };
        let mut words = point.trim().splitn(3, ' ');
        let mut number = || words.next().and_then(|word| word.parse::<f64>().ok());
        let (time_ms, value) = (number().ok_or(line)?, number().ok_or(line)?);
        let name = words.next().ok_or(line)?;
        let point = (time_ms / 1_000.0, value);
        match curves.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Line {
                name: name.to_owned(),
                points: vec![point],
            }),
        }
    }
    Ok(curves)
}

fn write(tree: &Tree, machine: Machine, curves: Vec<Line>) -> Result<(), ToolError> {
    let folder = tree.make_target("bench")?;
    let path = folder.join(format!("{NAME}-{}.csv", machine.name()));
    fs::write(&path, csv(&curves)).map_err(ToolError::file("write", &path))?;
    eprintln!("redleaf: the curves are in {}", path.display());
    let path = path.with_extension("svg");
    let plot = Lines {
        title: format!("Requests of 64 KiB per second, {}", machine.name()),
        across: "seconds; the driver is killed at 0.5".to_owned(),
        has_ideal: false,
        lines: curves,
    };
    plot::lines(&path, &plot)
}

fn csv(curves: &[Line]) -> String {
    let mut text = "curve,seconds,requests_per_second\n".to_owned();
    for curve in curves {
        for (seconds, value) in &curve.points {
            text += &format!("\"{}\",{seconds},{value}\n", curve.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_read_and_written() {
        let log = "[1] x: bench-point 100 5.5 reads, calm\n[2] x: hello\n\
                   [3] x: bench-point 200 6 reads, calm\n[4] x: bench-point 100 1 writes";
        let curves = curves(log).unwrap();
        assert_eq!(curves.len(), 2);
        assert_eq!(curves[0].points, [(0.1, 5.5), (0.2, 6.0)]);
        let text = csv(&curves);
        assert!(text.contains("\"reads, calm\",0.2,6\n"), "{text}");
    }

    #[test]
    fn a_damaged_point_is_an_error() {
        for line in [
            "bench-point",
            "bench-point 1",
            "bench-point a 1 x",
            "bench-point 1 2",
        ] {
            assert!(
                curves(&format!("{line} ")).is_err() || line == "bench-point",
                "{line}"
            );
        }
    }

    #[test]
    fn a_loss_is_a_share_of_the_undisturbed_run() {
        let calm = Row::single("reads, undisturbed", "per_second", 200.0);
        let mut killed = Row::single("reads, driver killed", "per_second", 190.0);
        killed.baseline = Some(calm.name.clone());
        let rows = [calm, killed];
        let lost = loss(&rows[1], &rows).unwrap();
        assert_eq!(lost.name, "reads, lost");
        assert!((lost.median - 5.0).abs() < 1e-9);
        assert_eq!(loss(&rows[0], &rows), None);
    }
}
