//! Rows of a benchmark: read from a log, shown as a table, written as JSON.

use measure::{PHASE_MARK, ROW_MARK, Samples};
use serde::{Deserialize, Serialize};

use super::published;

/// In the line by which QEMU traces a doorbell write of an NVMe controller.
const DOORBELL_EVENT: &str = "pci_nvme_mmio_doorbell_";

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// `cycles`, `instructions`, `ns`, `per_second`, `bytes`.
    pub unit: String,
    /// Half of the samples are not larger.
    pub median: f64,
    /// 99 of 100 samples are not worse.
    pub p99: f64,
    /// The row this one is compared with.
    pub baseline: Option<String>,
    /// This median over the baseline's.
    #[serde(default)]
    pub ratio: Option<f64>,
}

impl Row {
    /// The row that a line of a log holds, if it holds one.
    ///
    /// # Errors
    /// When it has the mark of a row and cannot be read.
    pub fn parse(line: &str) -> Result<Option<Self>, serde_json::Error> {
        let Some((_, row)) = line.split_once(ROW_MARK) else {
            return Ok(None);
        };
        serde_json::from_str(row.trim()).map(Some)
    }

    /// The rows that a machine's log holds.
    ///
    /// # Errors
    /// The first line that has the mark of a row or phase and cannot be read.
    pub fn find(log: &str) -> Result<Vec<Self>, &str> {
        let mut rows = Vec::new();
        let mut doorbells = 0_u32;
        for line in log.lines() {
            if line.contains(DOORBELL_EVENT) {
                doorbells += 1;
            } else if let Some((_, phase)) = line.split_once(PHASE_MARK) {
                rows.extend(Self::of_phase(phase.trim(), doorbells).map_err(|_| line)?);
                doorbells = 0;
            } else {
                rows.extend(Self::parse(line).map_err(|_| line)?);
            }
        }
        Ok(rows)
    }

    /// What the machine counted in a phase of so many requests, if it counted.
    fn of_phase(phase: &str, doorbells: u32) -> Result<Option<Self>, std::num::ParseIntError> {
        let (requests, name) = phase.split_once(' ').unwrap_or((phase, ""));
        let requests: u32 = requests.parse()?;
        if doorbells == 0 || requests == 0 {
            return Ok(None);
        }
        let each = f64::from(doorbells) / f64::from(requests);
        Ok(Some(Self::single(name, "per_request", each)))
    }

    /// A row of samples taken by the tool itself.
    pub fn of(row: &measure::Row<'_>) -> Self {
        Self {
            name: row.name.to_owned(),
            unit: row.unit.to_owned(),
            median: row.median,
            p99: row.p99,
            baseline: row.baseline.map(str::to_owned),
            ratio: None,
        }
    }

    /// A row of one value.
    pub fn single(name: &str, unit: &str, value: f64) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            median: value,
            p99: value,
            baseline: None,
            ratio: None,
        }
    }

    /// Turns a row of nanoseconds into one of cycles of a counter.
    pub fn count_cycles(&mut self, rate_per_second: f64) {
        if self.unit == "ns" {
            "cycles".clone_into(&mut self.unit);
            self.median *= rate_per_second / 1e9;
            self.p99 *= rate_per_second / 1e9;
        }
    }

    /// Names the unit of a guest whose clock counts instructions: one each
    /// nanosecond, and one each cycle.
    pub fn count_instructions(&mut self) {
        if matches!(self.unit.as_str(), "cycles" | "ns") {
            "instructions".clone_into(&mut self.unit);
        }
    }
}

/// A benchmark on one machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name of the benchmark.
    pub bench: String,
    /// Name of the machine.
    pub machine: String,
    /// What was measured.
    pub rows: Vec<Row>,
}

impl Report {
    /// A report; ratios follow from the rows.
    pub fn new(bench: &str, machine: &str, mut rows: Vec<Row>) -> Self {
        let medians: Vec<(String, f64)> = rows
            .iter()
            .map(|row| (row.name.clone(), row.median))
            .collect();
        for row in &mut rows {
            let baseline = row.baseline.as_ref();
            let base = medians.iter().find(|(name, _)| Some(name) == baseline);
            row.ratio = base
                .filter(|(_, median)| *median > 0.0)
                .map(|(_, median)| (row.median / median * 100.0).round() / 100.0);
        }
        Self {
            bench: bench.to_owned(),
            machine: machine.to_owned(),
            rows,
        }
    }

    /// The rows as a table to read.
    pub fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max();
        let width = width.unwrap_or(0).max(24);
        let mut text = format!(
            "{} on {}\n  {:width$}  {:>13}  {:>13}  {:12}  ratio\n",
            self.bench, self.machine, "", "median", "p99", "unit"
        );
        for row in &self.rows {
            let (median, p99) = (number(row.median), number(row.p99));
            let line = format!(
                "  {:width$}  {median:>13}  {p99:>13}  {:12}  {}",
                row.name,
                row.unit,
                row.comparison()
            );
            text += line.trim_end();
            text.push('\n');
            for figure in published::beside(&self.bench, &self.machine, &row.name) {
                let value = number(figure.value);
                let who = format!("  {}", figure.who);
                text += &format!("  {who:width$}  {value:>13}  {:>13}  {}\n", "", figure.unit);
            }
        }
        text
    }

    /// The rows as a table in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "## {} on {}\n\n| | median | p99 | unit | ratio | others |\n|---|---:|---:|---|---|---|\n",
            self.bench, self.machine
        );
        for row in &self.rows {
            let others: Vec<String> = published::beside(&self.bench, &self.machine, &row.name)
                .map(|figure| format!("{}: {} {}", figure.who, number(figure.value), figure.unit))
                .collect();
            text += &format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                row.name,
                number(row.median),
                number(row.p99),
                row.unit,
                row.comparison(),
                others.join("; ")
            );
        }
        text + "\n"
    }
}

impl Row {
    /// The ratio and what it is one to, as text.
    fn comparison(&self) -> String {
        match (self.ratio, &self.baseline) {
            (Some(ratio), Some(baseline)) => format!("{ratio:.2} × {baseline}"),
            _ => String::new(),
        }
    }
}

/// Row by row the median of several runs' medians, and of their p99. Rows that
/// are missing in the first run are left out.
pub fn medians(runs: &[Vec<Row>]) -> Vec<Row> {
    let Some((first, _)) = runs.split_first() else {
        return Vec::new();
    };
    let middle = |name: &str, value: fn(&Row) -> f64| {
        let found = runs.iter().flatten().filter(|row| row.name == name);
        let mut samples = Samples::new();
        found.for_each(|row| samples.add(value(row)));
        samples.percentile(50)
    };
    let of_row = |row: &Row| Row {
        median: middle(&row.name, |row| row.median),
        p99: middle(&row.name, |row| row.p99),
        ..row.clone()
    };
    first.iter().map(of_row).collect()
}

/// What all rows of a run take together: the less, the less it was disturbed.
pub fn total_time(rows: &[Row]) -> f64 {
    let time = |row: &Row| match row.unit.as_str() {
        "cycles" | "ns" => row.median,
        "per_second" if row.median > 0.0 => 1e9 / row.median,
        _ => 0.0,
    };
    rows.iter().map(time).sum()
}

/// The reports as JSON: the first as an object, those after it in its `more`.
pub fn json(reports: &[Report]) -> String {
    let Some((first, more)) = reports.split_first() else {
        return "{}\n".to_owned();
    };
    // Strings and finite numbers can always be written.
    let text = serde_json::to_string_pretty(&Several { first, more });
    text.unwrap_or_default() + "\n"
}

/// A report that others follow.
#[derive(Serialize)]
struct Several<'a> {
    #[serde(flatten)]
    first: &'a Report,
    #[serde(skip_serializing_if = "<[Report]>::is_empty")]
    more: &'a [Report],
}

/// A number as fine as it means something, thousands apart.
pub fn number(value: f64) -> String {
    if value.abs() < 1.0 {
        return format!("{value:.3}");
    }
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, median: f64, baseline: Option<&str>) -> Row {
        Row::of(&measure::Row {
            name,
            unit: "cycles",
            median,
            p99: median * 2.0,
            baseline,
        })
    }

    #[test]
    fn rows_are_found_in_a_log() {
        let line = measure::Row {
            name: "null crossing",
            unit: "cycles",
            median: 18.25,
            p99: 20.0,
            baseline: Some("dyn call"),
        };
        let line = format!("[    0.123456] bench: {line}");
        let found = Row::parse(&line).unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.p99), ("null crossing", 20.0));
        assert_eq!(found.baseline.as_deref(), Some("dyn call"));
        assert_eq!(Row::parse("[    0.1] hello").unwrap(), None);
    }

    #[test]
    fn damaged_rows_are_errors_and_not_left_out() {
        for line in [
            "bench-row",
            "bench-row {}",
            "bench-row {\"name\":\"x\"",
            "bench-row {\"name\":\"x\",\"unit\":\"ns\",\"median\":1,\"p99\":1,\"baseline\":null,\"more\":1}",
        ] {
            let is_row = Row::parse(line);
            assert!(is_row.is_err() || line == "bench-row", "{line}");
        }
    }

    #[test]
    fn doorbells_are_counted_between_phases() {
        let log = "pci_nvme_mmio_doorbell_sq before\n\
                   [    0.1] bench: bench-phase 0\n\
                   pci_nvme_mmio_doorbell_sq sqid 1\n\
                   pci_nvme_mmio_doorbell_cq cqid 1\n\
                   [    0.2] bench: bench-phase 32 read, doorbells\n\
                   [    0.2] bench: bench-phase 0\n\
                   [    0.3] bench: bench-phase 32 uncounted, doorbells\n";
        let rows = Row::find(log).unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0].name, "read, doorbells");
        assert_eq!(
            (rows[0].median, rows[0].unit.as_str()),
            (0.0625, "per_request")
        );
        assert_eq!(Row::find("bench-phase many x"), Err("bench-phase many x"));
        assert_eq!(Row::find("ok\nbench-row {"), Err("bench-row {"));
    }

    #[test]
    fn ratios_follow_from_the_baseline() {
        let rows = vec![
            row("dyn call", 6.0, None),
            row("null crossing", 18.0, Some("dyn call")),
            row("other", 1.0, Some("missing")),
        ];
        let report = Report::new("crossing", "hosted", rows);
        let ratios: Vec<_> = report.rows.iter().map(|row| row.ratio).collect();
        assert_eq!(ratios, [None, Some(3.0), None]);
        assert!(report.table().contains("3.00 × dyn call"));
    }

    #[test]
    fn json_has_the_fields_scripts_rely_on() {
        let report = Report::new("crossing", "pc", vec![row("dyn call", 6.0, None)]);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let value = read(&json(std::slice::from_ref(&report)));
        assert_eq!(value["bench"], "crossing");
        assert_eq!(value["machine"], "pc");
        assert_eq!(value["rows"][0]["name"], "dyn call");
        assert_eq!(value["rows"][0]["p99"], 12.0);
        assert!(value["rows"][0]["baseline"].is_null());
        assert!(value["rows"][0]["ratio"].is_null());
        assert!(value.get("more").is_none());
        let value = read(&json(&[report, Report::new("boot", "hosted", Vec::new())]));
        assert_eq!(value["bench"], "crossing");
        assert_eq!(value["more"][0]["bench"], "boot");
    }

    #[test]
    fn counted_guests_report_instructions() {
        let mut counted = row("x", 1.0, None);
        counted.count_instructions();
        assert_eq!(counted.unit, "instructions");
        "per_second".clone_into(&mut counted.unit);
        counted.count_instructions();
        assert_eq!(counted.unit, "per_second");
    }

    #[test]
    fn a_disturbed_run_takes_longer() {
        let mut rate = row("reads", 1000.0, None);
        "per_second".clone_into(&mut rate.unit);
        let mut memory = row("memory", 1e9, None);
        "bytes".clone_into(&mut memory.unit);
        let rows = [row("call", 5.0, None), rate, memory];
        assert_eq!(total_time(&rows), 1e6 + 5.0);
        assert_eq!(total_time(&[]), 0.0);
    }

    #[test]
    fn runs_meet_in_the_middle() {
        let run = |value| vec![row("a", value, None), row("b", 1.0, Some("a"))];
        let merged = medians(&[run(3.0), run(9.0), run(1.0)]);
        assert_eq!((merged[0].median, merged[0].p99), (3.0, 6.0));
        assert_eq!(merged[1].baseline.as_deref(), Some("a"));
        assert_eq!(merged.len(), 2);
        assert!(medians(&[]).is_empty());
    }

    #[test]
    fn published_figures_stand_beside_ours() {
        let report = Report::new("crossing", "hosted", vec![row("null crossing", 14.0, None)]);
        let (table, markdown) = (report.table(), report.markdown());
        assert!(
            table.contains("RedLeaf 2020") && table.contains("124.0"),
            "{table}"
        );
        assert!(
            markdown.contains("RedLeaf 2020: 124.0 cycles"),
            "{markdown}"
        );
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(number(0.0625), "0.062");
        assert_eq!(number(18.26), "18.3");
        assert_eq!(number(1_526_000.4), "1,526,000");
        assert_eq!(number(1000.0), "1,000");
    }
}
