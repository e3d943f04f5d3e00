//! Quality against bytes: what a compressed model loses.

use plotters::backend::DrawingBackend;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Canvas, Drawing, GRID, INK, MUTED, Plot, PlotError, fitted, render, series, ticks, width_of};

/// One way of choosing ranks, at several sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityLine {
    /// What it is called.
    pub name: String,
    /// (megabytes, LogLoss), ascending.
    pub points: Vec<(f64, f64)>,
}

const SIZE: (f64, f64) = (620.0, 360.0);
const LABEL: f64 = 13.0;
const BOX: (f64, f64, f64, f64) = (74.0, 58.0, 600.0, 306.0);

/// Draws LogLoss over the megabytes of the tables; `before` is the uncompressed model's (megabytes, LogLoss), a dot and a guide.
/// Numbers that are not finite are left out.
///
/// # Errors
/// [`PlotError`] from the drawing library.
pub fn quality(title: &str, before: (f64, f64), lines: &[QualityLine]) -> Result<Plot, PlotError> {
    let all = lines
        .iter()
        .flat_map(|line| &line.points)
        .chain([&before])
        .filter(finite);
    let (mut x, mut y) = ((f64::INFINITY, 0.0f64), (f64::INFINITY, f64::NEG_INFINITY));
    for &(bytes, loss) in all {
        (x.0, x.1) = (x.0.min(bytes), x.1.max(bytes));
        (y.0, y.1) = (y.0.min(loss), y.1.max(loss));
    }
    if y.0 > y.1 {
        (x, y) = ((0.0, 1.0), (0.0, 1.0));
    }
    // Equal values still need a scale around them.
    let pad = |(low, high): (f64, f64)| if high > low { 0.0 } else { (low.abs() * 0.01).max(1e-9) };
    let (xs, ys) = (
        ticks(0.0, x.1 + pad((0.0, x.1)), 6),
        ticks(y.0 - pad(y), y.1 + pad(y), 5),
    );
    let drawing = Quality {
        title,
        before,
        lines,
        xs,
        ys,
    };
    render(title, SIZE, &drawing)
}

fn finite(point: &&(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

struct Quality<'a> {
    title: &'a str,
    before: (f64, f64),
    lines: &'a [QualityLine],
    xs: (Vec<f64>, usize),
    ys: (Vec<f64>, usize),
}

impl Quality<'_> {
    fn at(&self, (bytes, loss): (f64, f64)) -> (f64, f64) {
        let part = |ticks: &[f64], value: f64| (value - ticks[0]) / (ticks[ticks.len() - 1] - ticks[0]);
        let (left, top, right, bottom) = BOX;
        let (x, y) = (part(&self.xs.0, bytes), part(&self.ys.0, loss));
        (left + (right - left) * x, bottom - (bottom - top) * y)
    }

    fn frame<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        let (left, top, right, bottom) = BOX;
        let title = fitted(self.title, 15.0, SIZE.0 - 12.0);
        c.text(&title, (6.0, 8.0), 15.0, INK, (HPos::Left, VPos::Top))?;
        for &tick in &self.xs.0 {
            let x = self.at((tick, self.ys.0[0])).0;
            c.line(&[(x, top), (x, bottom)], GRID, 1.0, 1.0)?;
            let text = format!("{tick:.*}", self.xs.1);
            c.text(&text, (x, bottom + 6.0), LABEL - 1.0, MUTED, (HPos::Center, VPos::Top))?;
        }
        for &tick in &self.ys.0 {
            let y = self.at((self.xs.0[0], tick)).1;
            c.line(&[(left, y), (right, y)], GRID, 1.0, 1.0)?;
            let text = format!("{tick:.*}", self.ys.1);
            c.text(&text, (left - 6.0, y), LABEL - 1.0, MUTED, (HPos::Right, VPos::Center))?;
        }
        let below = (right, bottom + 26.0);
        c.text("MB of tables", below, LABEL, MUTED, (HPos::Right, VPos::Top))?;
        c.text("LogLoss", (6.0, top - 10.0), LABEL, MUTED, (HPos::Left, VPos::Bottom))
    }
}

impl Drawing for Quality<'_> {
    fn draw<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        self.frame(c)?;
        let mut key = BOX.0;
        for (place, line) in self.lines.iter().enumerate() {
            let color = series(place);
            let points: Vec<(f64, f64)> = line.points.iter().filter(finite).map(|&p| self.at(p)).collect();
            if points.len() > 1 {
                c.line(&points, color, 2.0, 0.7)?;
            }
            for &point in &points {
                c.dot(point, 3.5, color.filled())?;
            }
            let at = (key, BOX.1 - 14.0);
            c.dot((at.0 + 4.0, at.1), 4.0, color.filled())?;
            c.text(&line.name, (at.0 + 13.0, at.1), LABEL, INK, (HPos::Left, VPos::Center))?;
            key += width_of(&line.name, LABEL) + 32.0;
        }
        if finite(&&self.before) {
            let (x, y) = self.at(self.before);
            c.dashes(&[(BOX.0, y), (BOX.2, y)], MUTED, 1.0, (2.0, 3.0))?;
            c.dot((x, y), 4.5, INK.filled())?;
            c.dot((key + 4.0, BOX.1 - 14.0), 4.5, INK.filled())?;
            c.text(
                "as stored",
                (key + 13.0, BOX.1 - 14.0),
                LABEL,
                INK,
                (HPos::Left, VPos::Center),
            )?;
        }
        Ok(())
    }
}
