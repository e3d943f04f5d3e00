//! Milliseconds a step, an arm a row.

use plotters::backend::DrawingBackend;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Canvas, Drawing, GRID, INK, MUTED, Plot, PlotError, fitted, render, series, ticks, width_of};

/// One arm of a study of time, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct TimePoint {
    /// The arm.
    pub name: String,
    /// Half of the steps took less.
    pub median: f64,
    /// A tenth took less.
    pub p10: f64,
    /// Nine tenths took less.
    pub p90: f64,
    /// What the products alone would take at the machine's best.
    pub floor: f64,
}

const WIDTH: f64 = 620.0;
const ROW: f64 = 34.0;
const LABEL: f64 = 13.5;
const TOP: f64 = 40.0;

/// Draws one row an arm, in the order given, from zero: a bar from the 10th to the 90th percentile, the median as a dot with
/// its number, the floor as an upright mark.
///
/// # Errors
/// [`PlotError`] from the drawing library.
pub fn times(title: &str, points: &[TimePoint]) -> Result<Plot, PlotError> {
    let high = points
        .iter()
        .map(|p| p.p90.max(p.floor))
        .filter(|x| x.is_finite())
        .fold(0.0, f64::max);
    let (numbers, digits) = ticks(0.0, if high > 0.0 { high } else { 1.0 }, 6);
    let longest = points.iter().map(|p| width_of(&p.name, LABEL)).fold(60.0, f64::max);
    let drawing = Times {
        points,
        title,
        numbers,
        digits,
        left: (longest + 18.0).min(0.4 * WIDTH),
    };
    render(title, (WIDTH, TOP + ROW * points.len() as f64 + 50.0), &drawing)
}

struct Times<'a> {
    points: &'a [TimePoint],
    title: &'a str,
    numbers: Vec<f64>,
    digits: usize,
    left: f64,
}

impl Drawing for Times<'_> {
    fn draw<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        // Room for the number of the longest bar.
        let right = WIDTH - 58.0;
        let high = self.numbers[self.numbers.len() - 1];
        let x = |value: f64| self.left + 8.0 + (right - self.left - 8.0) * value / high;
        let bottom = TOP + ROW * self.points.len() as f64;
        let title = fitted(self.title, 15.0, WIDTH - 12.0);
        c.text(&title, (6.0, 8.0), 15.0, INK, (HPos::Left, VPos::Top))?;
        for &number in &self.numbers {
            c.line(&[(x(number), TOP), (x(number), bottom)], GRID, 1.0, 1.0)?;
            let text = format!("{number:.*}", self.digits);
            let below = (x(number), bottom + 6.0);
            c.text(&text, below, LABEL - 1.0, MUTED, (HPos::Center, VPos::Top))?;
        }
        let below = (x(high), bottom + 26.0);
        c.text("ms a step", below, LABEL, MUTED, (HPos::Right, VPos::Top))?;
        for (row, point) in self.points.iter().enumerate() {
            let y = TOP + ROW * (row as f64 + 0.5);
            let name = fitted(&point.name, LABEL, self.left - 12.0);
            c.text(&name, (self.left - 6.0, y), LABEL, INK, (HPos::Right, VPos::Center))?;
            if ![point.median, point.p10, point.p90].iter().all(|x| x.is_finite()) {
                continue;
            }
            let color = series(row);
            if point.floor.is_finite() {
                let floor = x(point.floor);
                c.line(&[(floor, y - 9.0), (floor, y + 9.0)], MUTED, 2.0, 1.0)?;
            }
            let (a, b) = (x(point.p10), x(point.p90));
            c.line(&[(a, y), (b, y)], color, 2.0, 0.6)?;
            for end in [a, b] {
                c.line(&[(end, y - 5.0), (end, y + 5.0)], color, 2.0, 0.6)?;
            }
            c.dot((x(point.median), y), 5.0, color.filled())?;
            let digits = match point.median {
                10.0.. => 1,
                1.0.. => 2,
                _ => 3,
            };
            let text = format!("{:.digits$}", point.median);
            let beside = (b.max(x(point.median) + 5.0) + 8.0, y);
            c.text(&text, beside, LABEL, INK, (HPos::Left, VPos::Center))?;
        }
        Ok(())
    }
}
