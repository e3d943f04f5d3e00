//! The singular values of one feature over the steps of training, on a logarithmic scale: a line a value, the greatest strongest.

use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

use super::{Canvas, Drawing, GRID, MUTED, Plot, PlotError, decade, render, series, ticks};
use crate::report::words::thousands;

/// All that one plot shows.
#[derive(Debug, Clone)]
pub struct HistoryPlot<'a> {
    /// The feature, for messages.
    pub title: &'a str,
    /// The model's place, which sets the colour.
    pub model: usize,
    /// Steps done, ascending, and the singular values then, descending.
    pub snapshots: Vec<(u64, &'a [f64])>,
}

/// Values below this share of the greatest of all are left away, as in the plot of the spectra.
const FLOOR: f64 = 1e-8;
const WIDTH: f64 = 360.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 352.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 206.0;
const LABEL: f64 = 12.0;

/// Draws σ over steps. A line ends where its value is zero or below 10⁻⁸ of the greatest; a single snapshot is a column of dots.
///
/// # Errors
/// [`PlotError`] from the drawing library.
pub fn history(plot: &HistoryPlot<'_>) -> Result<Plot, PlotError> {
    let values = || plot.snapshots.iter().flat_map(|(_, sigma)| sigma.iter().copied());
    let greatest = values()
        .filter(|s| s.is_finite())
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE / FLOOR);
    let shown = |s: f64| s.is_finite() && s >= FLOOR * greatest;
    let least = values().filter(|&s| shown(s)).fold(greatest, f64::min);
    // A twentieth of the height is left free at either end, and a flat history still has a height.
    let span = (greatest / least).log10().max(0.3);
    let frame = Frame {
        plot,
        low: least.log10() - 0.05 * span,
        high: least.log10() + 1.05 * span,
        first: plot.snapshots.first().map_or(0, |s| s.0) as f64,
        last: plot.snapshots.last().map_or(1, |s| s.0) as f64,
    };
    render(plot.title, (WIDTH, BOTTOM + 40.0), &frame)
}

struct Frame<'a> {
    plot: &'a HistoryPlot<'a>,
    /// log₁₀ of the value at the bottom.
    low: f64,
    /// And at the top.
    high: f64,
    first: f64,
    last: f64,
}

impl Frame<'_> {
    fn x(&self, step: f64) -> f64 {
        let share = if self.last > self.first {
            (step - self.first) / (self.last - self.first)
        } else {
            0.5
        };
        LEFT + 8.0 + (RIGHT - LEFT - 28.0) * share
    }

    /// None where the value is not shown.
    fn y(&self, sigma: f64) -> Option<f64> {
        let height = (sigma.log10() - self.low) / (self.high - self.low);
        (height >= 0.0 && sigma.is_finite()).then_some(BOTTOM - (BOTTOM - TOP) * height)
    }

    /// Values on the scale with their labels: powers of ten, and 2 and 5 between them where there are fewer than two.
    fn marks(&self) -> Vec<(f64, String)> {
        let (lowest, highest) = (self.low.floor() as i32, self.high.ceil() as i32);
        let inside = |v: f64| (self.low..=self.high).contains(&v.log10());
        let decades: Vec<i32> = (lowest..=highest).filter(|&e| inside(10f64.powi(e))).collect();
        if decades.len() >= 2 {
            let every = decades.len().div_ceil(6) as i32;
            let kept = decades.into_iter().filter(|e| e.rem_euclid(every) == 0);
            return kept.map(|e| (10f64.powi(e), decade(e))).collect();
        }
        let all = (lowest - 1..=highest).flat_map(|e| [1, 2, 5].map(|m| (m, e)));
        let label = |m: i32, e: i32| match (m, e) {
            (1, e) => decade(e),
            (m, e) if (-3..=3).contains(&e) => format!("{:.*}", (-e).max(0) as usize, f64::from(m) * 10f64.powi(e)),
            (m, e) => format!("{m}·{}", decade(e)),
        };
        all.map(|(m, e)| (f64::from(m) * 10f64.powi(e), label(m, e)))
            .filter(|(v, _)| inside(*v))
            .collect()
    }

    fn axes<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        for (value, label) in self.marks() {
            let Some(y) = self.y(value) else { continue };
            c.line(&[(LEFT, y), (RIGHT, y)], GRID, 1.0, 1.0)?;
            c.text(&label, (LEFT - 7.0, y), LABEL, MUTED, (HPos::Right, VPos::Center))?;
        }
        c.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], MUTED, 1.0, 0.6)?;
        c.text("σᵢ", (6.0, TOP - 10.0), LABEL, MUTED, (HPos::Left, VPos::Bottom))?;
        let (numbers, _) = ticks(self.first, self.last.max(self.first + 1.0), 5);
        for step in numbers.into_iter().filter(|s| (self.first..=self.last).contains(s)) {
            let at = (self.x(step), BOTTOM + 7.0);
            c.text(&thousands(step as usize), at, LABEL, MUTED, (HPos::Center, VPos::Top))?;
        }
        let at = (RIGHT, BOTTOM + 24.0);
        c.text("steps", at, LABEL, MUTED, (HPos::Right, VPos::Top))
    }

    /// Value `i` over the steps, in pieces where it cannot be shown.
    fn value<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>, i: usize, color: RGBColor) -> Result<(), String> {
        let points = self.plot.snapshots.iter().map(|(step, sigma)| {
            let y = sigma.get(i).and_then(|&s| self.y(s))?;
            Some((self.x(*step as f64), y))
        });
        let points: Vec<Option<(f64, f64)>> = points.collect();
        let (width, opacity) = if i == 0 { (2.2, 1.0) } else { (1.4, 0.6) };
        for piece in points.split(Option::is_none) {
            let piece: Vec<(f64, f64)> = piece.iter().copied().flatten().collect();
            match piece[..] {
                [] => {}
                [alone] => c.dot(alone, 2.0, color.mix(opacity).filled())?,
                _ => c.line(&piece, color, width, opacity)?,
            }
        }
        Ok(())
    }
}

impl Drawing for Frame<'_> {
    fn draw<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        self.axes(c)?;
        let count = self.plot.snapshots.iter().map(|(_, sigma)| sigma.len()).max();
        let color = series(self.plot.model);
        // The greatest last, on top of the others.
        (0..count.unwrap_or(0)).rev().try_for_each(|i| self.value(c, i, color))
    }
}
