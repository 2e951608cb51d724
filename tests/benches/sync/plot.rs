//! A picture of what was measured: bytes over differences, and time on the processor over the size of the sets.
//!
//! Leaves to others: measuring. Always true: both axes are logarithmic, so that what grows alike looks alike.

use std::{error::Error, path::Path};

use plotters::prelude::*;

use super::{Cost, Measured};

/// Of the whole picture, in pixels.
const SIZE: (u32, u32) = (1_100, 480);
/// For how many differences the second picture is.
const DIFFER: usize = 100;

const OURS: RGBColor = RGBColor(0x1b, 0x7f, 0x5c);
const THEIRS: RGBColor = RGBColor(0xb5, 0x4a, 0x2a);

/// A line: its name, whose it is, and its points.
type Line = (String, RGBColor, Vec<(f64, f64)>);

/// What is drawn of a measurement.
type Of = fn(&Cost) -> f64;

/// Draws both pictures side by side into an SVG file.
pub(super) fn draw(measured: &[Measured], file: &Path) -> Result<(), Box<dyn Error>> {
    let whole = SVGBackend::new(file, SIZE).into_drawing_area();
    whole.fill(&WHITE)?;
    let (left, right) = whole.split_horizontally(SIZE.0 / 2);
    let largest = measured.iter().map(|one| one.size).max().unwrap_or_default();
    let bytes: Of = |cost| cost.bytes as f64;
    let of_largest: Vec<&Measured> = measured.iter().filter(|one| one.size == largest).collect();
    let differ = |one: &Measured| one.differ as f64;
    let lines = [
        line("sketches", OURS, &of_largest, differ, |one| bytes(&one.sketches)),
        line("negentropy", THEIRS, &of_largest, differ, |one| bytes(&one.ranges)),
    ];
    chart(&left, &format!("bytes, {largest} ids a side"), "ids that differ", &lines)?;
    let of_hundred: Vec<&Measured> = measured.iter().filter(|one| one.differ == DIFFER).collect();
    let size = |one: &Measured| one.size as f64;
    let lines = [
        line("sketches", OURS, &of_hundred, size, |one| one.sketches.side_ms()),
        line("negentropy", THEIRS, &of_hundred, size, |one| one.ranges.side_ms()),
    ];
    chart(&right, &format!("CPU of one side in ms, {DIFFER} ids differ"), "ids a side", &lines)?;
    whole.present()?;
    Ok(())
}

fn line(
    name: &str,
    color: RGBColor,
    of: &[&Measured],
    x: impl Fn(&Measured) -> f64,
    y: impl Fn(&Measured) -> f64,
) -> Line {
    (name.to_owned(), color, of.iter().map(|one| (x(one), y(one))).collect())
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    under: &str,
    lines: &[Line],
) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|(_, _, points)| points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let low = points().map(of).fold(f64::INFINITY, f64::min);
        let high = points().map(of).fold(0.0, f64::max);
        (low * 0.7..high * 1.5).log_scale()
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
    let plain = |number: &f64| number.to_string();
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(under).light_line_style(WHITE).label_style(("sans-serif", 13));
    mesh.x_label_formatter(&plain).y_label_formatter(&plain).draw()?;
    for (name, color, points) in lines {
        let color = *color;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 14))
        .draw()?;
    Ok(())
}
