//! Writes what was measured to `target/bench/`: JSON, a table, plots.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::plot::{self, Bar, Bars, Line, Lines};
use super::published;
use super::rows::{self, Report};
use crate::error::ToolError;
use crate::tree::Tree;

/// Writes everything; the folder.
///
/// # Errors
/// When a file cannot be written.
pub fn write(tree: &Tree, reports: &[Report]) -> Result<PathBuf, ToolError> {
    let folder = tree.make_target("bench")?;
    for report in reports {
        let name = format!("{}-{}.json", report.bench, report.machine);
        save(
            &folder.join(name),
            &rows::json(std::slice::from_ref(report)),
        )?;
    }
    let mut text = format!(
        "# Benchmarks\n\n{}. How each is measured, and its noise: docs/benchmarks.md.\n\
         RedLeaf 2020 is V. Narayanan et al., \"RedLeaf: Isolation and Communication in a Safe \
         Operating System\", OSDI 2020.\n\n",
        machine()
    );
    let plots = draw(&folder, reports)?;
    for report in reports {
        text += &report.markdown();
    }
    text += "## Plots\n\n";
    for (file, title) in plots {
        text += &format!("![{title}]({file})\n\n");
    }
    save(&folder.join("bench.md"), &text)?;
    Ok(folder)
}

fn save(path: &Path, text: &str) -> Result<(), ToolError> {
    fs::write(path, text).map_err(ToolError::file("write", path))
}

/// The host: processor, number of them, load.
fn machine() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let count = thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').nth(1).unwrap_or("unknown").to_owned();
    format!("{count} × {model}; load average over five minutes: {load}")
}

/// Draws every plot there are rows for: file names and titles.
fn draw(folder: &Path, reports: &[Report]) -> Result<Vec<(String, String)>, ToolError> {
    let find = |bench: &str, machine: &str| {
        reports
            .iter()
            .find(|report| report.bench == bench && report.machine == machine)
    };
    let mut drawn = Vec::new();
    let mut bars = |file: &str, bars: Bars| -> Result<(), ToolError> {
        if bars.bars.len() > 1 {
            plot::bars(&folder.join(file), &bars)?;
            drawn.push((file.to_owned(), bars.title));
        }
        Ok(())
    };
    if let Some(report) = find("crossing", "hosted") {
        bars("crossing.svg", crossing(report))?;
        bars("tails.svg", tails(report))?;
    }
    if let Some(report) = find("domain", "hosted") {
        bars(
            "domain.svg",
            of_unit(report, "Start and end of a domain", "ns", ""),
        )?;
    }
    if let Some(report) = find("hash", "hosted") {
        let title = "Hash table, cycles per operation";
        bars("hash.svg", of_unit(report, title, "cycles", ""))?;
    }
    if let Some(report) = find("nvme", "pc") {
        for (file, depth) in [
            ("nvme-depth-1.svg", "depth 1"),
            ("nvme-depth-32.svg", "depth 32"),
        ] {
            let title = format!("4 KiB on QEMU's null drive, {depth}, per second");
            bars(file, of_unit(report, &title, "per_second", depth))?;
        }
    }
    for machine in ["hosted", "pc"] {
        if let Some(report) = find("scaling", machine) {
            let lines = scaling(report);
            if lines.lines.iter().any(|line| line.points.len() > 1) {
                let file = format!("scaling-{machine}.svg");
                plot::lines(&folder.join(&file), &lines)?;
                drawn.push((file, lines.title));
            }
        }
    }
    Ok(drawn)
}

/// Crossings beside calls and beside what others need.
fn crossing(report: &Report) -> Bars {
    let mut bars = Vec::new();
    for row in &report.rows {
        if row.unit == "cycles" && !row.name.contains("timed alone") {
            bars.push(Bar::new(
                &row.name,
                row.median,
                !row.name.starts_with("Linux"),
            ));
        }
        for figure in published::beside(&report.bench, &report.machine, &row.name) {
            let name = format!("{}: {}", figure.who, figure.row);
            bars.push(Bar::new(&name, figure.value, false));
        }
    }
    Bars {
        title: "Calls between components, cycles".to_owned(),
        bars,
    }
}

/// The slowest of crossings.
fn tails(report: &Report) -> Bars {
    let rows = report
        .rows
        .iter()
        .filter(|row| row.name.contains("timed alone"));
    let mut bars = Vec::new();
    for row in rows {
        bars.push(Bar::new(&row.name, row.median, true));
        if row.p99 > row.median {
            bars.push(Bar::new(&format!("{}, p99", row.name), row.p99, true));
        }
    }
    Bars {
        title: "Single crossings, cycles with those of the counter".to_owned(),
        bars,
    }
}

/// All rows of a unit whose name ends so.
fn of_unit(report: &Report, title: &str, unit: &str, end: &str) -> Bars {
    let rows = report
        .rows
        .iter()
        .filter(|row| row.unit == unit && row.name.ends_with(end));
    let is_ours = |name: &str| !name.starts_with("Linux") && !name.starts_with("C, ");
    Bars {
        title: title.to_owned(),
        bars: rows
            .map(|row| Bar::new(&row.name, row.median, is_ours(&row.name)))
            .collect(),
    }
}

/// Rates over the number of processors, relative to one.
fn scaling(report: &Report) -> Lines {
    let mut lines: Vec<Line> = Vec::new();
    for row in &report.rows {
        let Some((what, count)) = row.name.split_once(", ") else {
            continue;
        };
        let Some(Ok(count)) = count.split(' ').next().map(str::parse::<f64>) else {
            continue;
        };
        let point = (count, row.ratio.unwrap_or(1.0));
        match lines.iter_mut().find(|line| line.name == what) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name: what.to_owned(),
                points: vec![point],
            }),
        }
    }
    Lines {
        title: format!("Times the rate of one processor, {}", report.machine),
        across: "processors".to_owned(),
        has_ideal: true,
        lines,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Row;
    use super::*;

    #[test]
    fn everything_measured_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let crossing = vec![
            Row::single("dyn call", "cycles", 4.0),
            Row::single("null crossing", "cycles", 13.0),
            Row::single("null crossing, timed alone", "cycles", 60.0),
            Row::single("null crossing, timed alone, max", "cycles", 9000.0),
        ];
        let mut two = Row::single("null crossings, 2 CPUs", "per_second", 19.0);
        two.baseline = Some("null crossings, 1 CPU".to_owned());
        let scaling = vec![
            Row::single("null crossings, 1 CPU", "per_second", 10.0),
            two,
        ];
        let reports = [
            Report::new("crossing", "hosted", crossing),
            Report::new("scaling", "pc", scaling),
        ];
        let drawn = draw(folder.path(), &reports).unwrap();
        let files: Vec<_> = drawn.iter().map(|(file, _)| file.as_str()).collect();
        assert_eq!(files, ["crossing.svg", "tails.svg", "scaling-pc.svg"]);
        let text = fs::read_to_string(folder.path().join("crossing.svg")).unwrap();
        assert!(text.starts_with("<svg") && text.contains("RedLeaf 2020: null crossing"));
        assert!(!text.contains("NaN"));
    }

    #[test]
    fn the_curve_starts_at_one() {
        let rows = vec![Row::single("x, 1 CPU", "per_second", 3.0)];
        let lines = scaling(&Report::new("scaling", "pc", rows));
        assert_eq!(lines.lines[0].points, [(1.0, 1.0)]);
    }
}
