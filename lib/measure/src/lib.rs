//! Samples of a measurement, and the line a benchmark reports them with.
//!
//! Benchmark domains write [`Row`]s to the kernel's log, one line each, after
//! [`ROW_MARK`]; the host tool reads them there. Host-side measurements of the
//! tool are summed up by the same [`Samples`], so that rows compare.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::fmt;

/// Stands in front of a row in a log line.
pub const ROW_MARK: &str = "bench-row ";

/// Stands in front of a phase in a log line: the number of requests made since
/// the mark before, and the name of a row for what the machine counted
/// meanwhile, per request. The number 0 and no name begin a phase.
pub const PHASE_MARK: &str = "bench-phase ";

/// Stands in front of a point of a curve in a log line: milliseconds, a value,
/// and the curve's name.
pub const POINT_MARK: &str = "bench-point ";

/// Measured values of one thing, in one unit.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    values: Vec<f64>,
}

impl Samples {
    /// No samples yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: Vec::new() }
    }

    /// No samples yet, and room for `count` of them: adding them allocates
    /// nothing while something is measured.
    #[must_use]
    pub fn with_room(count: usize) -> Self {
        Self {
            values: Vec::with_capacity(count),
        }
    }

    /// Adds a sample.
    pub fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The smallest value that at least `percent` per cent of the samples do
    /// not exceed (nearest rank); 0 if there are none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        self.per_mille(percent * 10)
    }

    /// The smallest value that at least so many thousandths of the samples do
    /// not exceed (nearest rank); 0 if there are none.
    #[must_use]
    pub fn per_mille(&self, thousandths: usize) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = (sorted.len() * thousandths.min(1000)).div_ceil(1000);
        sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    /// The row of these samples, and two for the slowest of them: the value that
    /// 999 of 1,000 do not exceed, and the largest. `report` gets each.
    pub fn tail(&self, name: &str, unit: &str, mut report: impl FnMut(Row<'_>)) {
        report(self.row(name, unit, None));
        for (what, thousandths) in [("p99.9", 999), ("max", 1000)] {
            let value = self.per_mille(thousandths);
            report(Row {
                name: &alloc::format!("{name}, {what}"),
                unit,
                median: value,
                p99: value,
                baseline: Some(name),
            });
        }
    }

    /// The row of these samples.
    #[must_use]
    pub fn row<'a>(&self, name: &'a str, unit: &'a str, baseline: Option<&'a str>) -> Row<'a> {
        Row {
            name,
            unit,
            median: self.percentile(50),
            p99: self.percentile(99),
            baseline,
        }
    }

    /// The row of a rate, from samples of nanoseconds per event. Its `p99` is
    /// the rate that 99 of 100 samples reach.
    #[must_use]
    pub fn rate<'a>(&self, name: &'a str, baseline: Option<&'a str>) -> Row<'a> {
        let per_second = |ns: f64| if ns > 0.0 { 1e9 / ns } else { 0.0 };
        Row {
            name,
            unit: "per_second",
            median: per_second(self.percentile(50)),
            p99: per_second(self.percentile(99)),
            baseline,
        }
    }
}

/// One result of a benchmark. Displays as the line that stands in the log.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row<'a> {
    /// What was measured, in plain ASCII.
    pub name: &'a str,
    /// Unit of the values.
    pub unit: &'a str,
    /// Half of the samples are not larger.
    pub median: f64,
    /// 99 of 100 samples are not worse.
    pub p99: f64,
    /// Name of the row this one is compared with.
    pub baseline: Option<&'a str>,
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rust's and JSON's quoting agree on plain ASCII.
        write!(
            f,
            "{ROW_MARK}{{\"name\":{:?},\"unit\":{:?},\"median\":{},\"p99\":{},\"baseline\":",
            self.name,
            self.unit,
            tenths(self.median),
            tenths(self.p99),
        )?;
        match self.baseline {
            Some(baseline) => write!(f, "{baseline:?}}}"),
            None => f.write_str("null}"),
        }
    }
}

/// A tenth is as fine as anything here is measured.
struct Tenths(f64);

const fn tenths(value: f64) -> Tenths {
    Tenths(value)
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_finite() {
            write!(f, "{:.1}", self.0)
        } else {
            f.write_str("0")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn samples(values: impl IntoIterator<Item = u32>) -> Samples {
        let mut samples = Samples::new();
        for value in values {
            samples.add(f64::from(value));
        }
        samples
    }

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let hundred = samples((1..=100).rev());
        assert_eq!(hundred.percentile(50), 50.0);
        assert_eq!(hundred.percentile(99), 99.0);
        assert_eq!(hundred.percentile(0), 1.0);
        assert_eq!(hundred.percentile(100), 100.0);
        assert_eq!(samples([7]).percentile(50), 7.0);
        assert_eq!(samples([3, 1, 2]).percentile(50), 2.0);
        assert_eq!(Samples::new().percentile(50), 0.0);
    }

    #[test]
    fn the_tail_is_what_few_samples_exceed() {
        let mut rows = Vec::new();
        samples(1..=2000).tail("x", "ns", |row| {
            rows.push((row.name.to_string(), row.median))
        });
        let expected = [("x", 1000.0), ("x, p99.9", 1998.0), ("x, max", 2000.0)];
        for ((name, value), (expected, expected_value)) in rows.iter().zip(expected) {
            assert_eq!((name.as_str(), *value), (expected, expected_value));
        }
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn a_rate_is_worst_where_events_took_longest() {
        let row = samples([1000; 98].into_iter().chain([2000; 2])).rate("reads", None);
        assert_eq!((row.median, row.p99), (1e6, 5e5));
        assert_eq!(Samples::new().rate("none", None).median, 0.0);
    }

    #[test]
    fn a_row_is_one_line_of_json() {
        let row = samples([2, 4, 6]).row("null crossing", "cycles", Some("dyn call"));
        assert_eq!(
            row.to_string(),
            "bench-row {\"name\":\"null crossing\",\"unit\":\"cycles\",\
             \"median\":4.0,\"p99\":6.0,\"baseline\":\"dyn call\"}"
        );
        let alone = Row {
            median: f64::NAN,
            baseline: None,
            ..row
        };
        assert!(
            alone
                .to_string()
                .ends_with("\"median\":0,\"p99\":6.0,\"baseline\":null}")
        );
    }
}
