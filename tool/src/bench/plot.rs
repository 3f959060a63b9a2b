//! Plots as SVG files: bars side by side, lines over a number.

use std::path::Path;

use plotters::prelude::*;

use super::BenchError;
use super::rows::number;
use crate::error::ToolError;

/// A value to be shown as a bar.
pub struct Bar {
    name: String,
    value: f64,
    is_ours: bool,
}

impl Bar {
    /// A bar; others than ours have another colour.
    pub fn new(name: &str, value: f64, is_ours: bool) -> Self {
        Self {
            name: name.to_owned(),
            value,
            is_ours,
        }
    }
}

/// Bars below each other, on a logarithmic scale.
pub struct Bars {
    /// What all of them show, with the unit.
    pub title: String,
    /// From the top down.
    pub bars: Vec<Bar>,
}

/// Values over a number.
pub struct Line {
    /// What it shows.
    pub name: String,
    /// Numbers and values, in order.
    pub points: Vec<(f64, f64)>,
}

/// Lines in one plot.
pub struct Lines {
    /// What all of them show.
    pub title: String,
    /// What they are drawn over.
    pub across: String,
    /// Value and number should be the same: a line shows that.
    pub has_ideal: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

const WIDTH: i32 = 960;
const BAR_HEIGHT: i32 = 22;
const TITLE_HEIGHT: i32 = 40;
/// Width left to names of bars and, right of the longest bar, to its value.
const NAME_WIDTH: i32 = 380;
const VALUE_WIDTH: i32 = 110;

const OURS: RGBColor = RGBColor(178, 34, 34);
const OTHERS: RGBColor = RGBColor(128, 128, 128);
const LINES: [RGBColor; 6] = [
    OURS,
    RGBColor(31, 90, 160),
    RGBColor(46, 125, 50),
    RGBColor(120, 70, 150),
    RGBColor(200, 120, 20),
    RGBColor(0, 130, 140),
];

/// Draws bars into an SVG file.
///
/// # Errors
/// [`BenchError::Plot`].
pub fn bars(path: &Path, plot: &Bars) -> Result<(), ToolError> {
    draw_bars(path, plot).map_err(|error| failed(path, error))
}

/// Draws lines into an SVG file.
///
/// # Errors
/// [`BenchError::Plot`].
pub fn lines(path: &Path, plot: &Lines) -> Result<(), ToolError> {
    draw_lines(path, plot).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: impl std::fmt::Display) -> ToolError {
    BenchError::Plot {
        path: path.to_owned(),
        message: error.to_string(),
    }
    .into()
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw_bars(path: &Path, plot: &Bars) -> Drawn {
    let count = i32::try_from(plot.bars.len())?;
    let height = TITLE_HEIGHT + BAR_HEIGHT * count + 10;
    let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{} (logarithmic)", plot.title);
    area.draw(&Text::new(title, (10, 10), ("sans-serif", 18)))?;
    let values = || plot.bars.iter().map(|bar| bar.value.max(f64::MIN_POSITIVE));
    let largest = values().fold(f64::MIN_POSITIVE, f64::max);
    // The smallest bar is a tenth of a decade long.
    let smallest = values().fold(largest, f64::min) / 1.26;
    let decades = (largest / smallest).log10().max(0.1);
    let room = f64::from(WIDTH - NAME_WIDTH - VALUE_WIDTH);
    for (index, bar) in plot.bars.iter().enumerate() {
        let top = TITLE_HEIGHT + BAR_HEIGHT * i32::try_from(index)?;
        let share = (bar.value.max(smallest) / smallest).log10() / decades;
        let end = NAME_WIDTH + (share * room).round() as i32;
        let colour = if bar.is_ours { OURS } else { OTHERS };
        area.draw(&Text::new(
            bar.name.clone(),
            (10, top + 4),
            ("sans-serif", 13),
        ))?;
        area.draw(&Rectangle::new(
            [(NAME_WIDTH, top + 3), (end, top + BAR_HEIGHT - 3)],
            colour.filled(),
        ))?;
        let value = number(bar.value);
        area.draw(&Text::new(value, (end + 6, top + 4), ("sans-serif", 13)))?;
    }
    area.present()?;
    Ok(())
}

fn draw_lines(path: &Path, plot: &Lines) -> Drawn {
    let area = SVGBackend::new(path, (720, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let points = || plot.lines.iter().flat_map(|line| &line.points);
    let most = points().map(|(across, _)| *across).fold(1.0, f64::max);
    let least = if plot.has_ideal { most } else { 0.0 };
    let largest = points().map(|(_, value)| *value).fold(least, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption(&plot.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..most * 1.05, 0.0..largest * 1.05)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc(&plot.across)
        .draw()?;
    if plot.has_ideal {
        let ideal = LineSeries::new([(0.0, 0.0), (most, most)], OTHERS);
        chart
            .draw_series(ideal)?
            .label("ideal")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], OTHERS));
    }
    for (line, colour) in plot.lines.iter().zip(LINES.into_iter().cycle()) {
        let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2));
        chart
            .draw_series(series.point_size(4))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(if plot.has_ideal {
            SeriesLabelPosition::UpperLeft
        } else {
            SeriesLabelPosition::LowerLeft
        })
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}
