//! A metric per arm of a study: a dot and its standard deviation.

use plotters::backend::DrawingBackend;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Canvas, Drawing, GRID, INK, MUTED, Plot, PlotError, fitted, render, series, ticks, width_of};

/// One arm of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmPoint {
    /// The arm.
    pub name: String,
    /// The mean over its seeds.
    pub mean: f64,
    /// The standard deviation over its seeds; 0 where there is one seed.
    pub sd: f64,
}

const WIDTH: f64 = 560.0;
const ROW: f64 = 34.0;
const LABEL: f64 = 13.5;
const TOP: f64 = 34.0;

/// Draws one row an arm, in the order given: the mean as a dot, mean ± sd as a bar, the first arm's mean as a guide line.
/// Numbers that are not finite are left out.
///
/// # Errors
/// [`PlotError`] from the drawing library.
pub fn arms(title: &str, points: &[ArmPoint], y_label: &str) -> Result<Plot, PlotError> {
    let spread = |p: &ArmPoint| if p.sd.is_finite() { p.sd } else { 0.0 };
    let ends = points
        .iter()
        .filter(|p| p.mean.is_finite())
        .flat_map(|p| [p.mean - spread(p), p.mean + spread(p)]);
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    // Equal values still need a scale around them.
    let pad = if high > low {
        0.0
    } else {
        (low.abs() * 0.01).max(f64::MIN_POSITIVE * 1e10)
    };
    let (numbers, digits) = ticks(low - pad, high + pad, 5);
    let longest = points.iter().map(|p| width_of(&p.name, LABEL)).fold(60.0, f64::max);
    let left = (longest + 18.0).min(0.42 * WIDTH);
    let drawing = Arms {
        points,
        title,
        y_label,
        numbers,
        digits,
        left,
    };
    render(title, (WIDTH, TOP + ROW * points.len() as f64 + 48.0), &drawing)
}

struct Arms<'a> {
    points: &'a [ArmPoint],
    title: &'a str,
    y_label: &'a str,
    numbers: Vec<f64>,
    digits: usize,
    left: f64,
}

impl Drawing for Arms<'_> {
    fn draw<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        let right = WIDTH - 24.0;
        let (low, high) = (self.numbers[0], self.numbers[self.numbers.len() - 1]);
        let x = |value: f64| self.left + 8.0 + (right - self.left - 8.0) * (value - low) / (high - low);
        let bottom = TOP + ROW * self.points.len() as f64;
        c.text(
            &fitted(self.title, 15.0, WIDTH - 12.0),
            (6.0, 8.0),
            15.0,
            INK,
            (HPos::Left, VPos::Top),
        )?;
        for &number in &self.numbers {
            c.line(&[(x(number), TOP), (x(number), bottom)], GRID, 1.0, 1.0)?;
            let text = format!("{number:.*}", self.digits);
            c.text(
                &text,
                (x(number), bottom + 6.0),
                LABEL - 1.0,
                MUTED,
                (HPos::Center, VPos::Top),
            )?;
        }
        c.text(
            self.y_label,
            (right, bottom + 25.0),
            LABEL,
            MUTED,
            (HPos::Right, VPos::Top),
        )?;
        if let Some(first) = self.points.first().filter(|p| p.mean.is_finite()) {
            c.dashes(&[(x(first.mean), TOP), (x(first.mean), bottom)], MUTED, 1.0, (2.0, 3.0))?;
        }
        for (row, point) in self.points.iter().enumerate() {
            let y = TOP + ROW * (row as f64 + 0.5);
            let name = fitted(&point.name, LABEL, self.left - 12.0);
            c.text(&name, (self.left - 6.0, y), LABEL, INK, (HPos::Right, VPos::Center))?;
            if !point.mean.is_finite() {
                continue;
            }
            let color = series(row);
            if point.sd.is_finite() && point.sd > 0.0 {
                let (a, b) = (x(point.mean - point.sd), x(point.mean + point.sd));
                c.line(&[(a, y), (b, y)], color, 2.0, 0.6)?;
                for end in [a, b] {
                    c.line(&[(end, y - 5.0), (end, y + 5.0)], color, 2.0, 0.6)?;
                }
            }
            c.dot((x(point.mean), y), 5.0, color.filled())?;
        }
        Ok(())
    }
}
