//! The effective rank of every table at one glance: one row a feature, one dot a model, a ring where it started.

use plotters::backend::DrawingBackend;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Canvas, Drawing, GRID, INK, MUTED, Plot, PlotError, fitted, render, series, width_of};

/// One feature: for each model that has it, its place, the share of its directions in use, and the share at the start.
#[derive(Debug, Clone)]
pub struct OverviewRow {
    /// The feature.
    pub name: String,
    /// (model, share after training, share at the start); shares are effective_rank/min(n, d), 0 to 1.
    pub shares: Vec<(usize, f64, Option<f64>)>,
}

const WIDTH: f64 = 480.0;
const LABEL: f64 = 12.5;

/// Draws the rows in the order given.
///
/// # Errors
/// [`PlotError`] from the drawing library.
pub fn overview(models: &[&str], rows: &[OverviewRow]) -> Result<Plot, PlotError> {
    let longest = rows.iter().map(|r| width_of(&r.name, LABEL)).fold(40.0, f64::max);
    let left = (longest + 18.0).min(0.36 * WIDTH);
    // Each model has a lane of its own within a row, so that arrows do not lie on one another.
    let lane = if models.len() > 1 { 11.0 } else { 20.0 };
    let row = lane * models.len().max(1) as f64 + 8.0;
    let drawing = Overview {
        models,
        rows,
        left,
        lane,
        row,
    };
    render(
        "effective ranks",
        (WIDTH, drawing.top() + row * rows.len() as f64 + 46.0),
        &drawing,
    )
}

struct Overview<'a> {
    models: &'a [&'a str],
    rows: &'a [OverviewRow],
    left: f64,
    lane: f64,
    row: f64,
}

impl Overview<'_> {
    fn starts(&self) -> bool {
        self.rows.iter().flat_map(|r| &r.shares).any(|s| s.2.is_some())
    }

    /// Legend entries: text, width with its mark, colour; the last is the start's ring.
    fn legend(&self) -> Vec<(String, Option<usize>, (usize, f64))> {
        let mut wanted: Vec<(String, Option<usize>)> = Vec::new();
        if self.models.len() > 1 {
            wanted.extend(
                self.models
                    .iter()
                    .enumerate()
                    .map(|(i, m)| (fitted(m, LABEL, 0.4 * WIDTH), Some(i))),
            );
        }
        if self.starts() {
            wanted.push(("at the start".into(), None));
        }
        let (mut line, mut x) = (0, 8.0);
        let place = |(text, model): (String, Option<usize>)| {
            let width = 16.0 + width_of(&text, LABEL) + 18.0;
            if x > 8.0 && x + width > WIDTH {
                (line, x) = (line + 1, 8.0);
            }
            let at = (line, x);
            x += width;
            (text, model, at)
        };
        wanted.into_iter().map(place).collect()
    }

    fn top(&self) -> f64 {
        12.0 + 20.0 * self.legend().last().map_or(0, |e| e.2.0 + 1) as f64
    }
}

impl Drawing for Overview<'_> {
    fn draw<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        let right = WIDTH - 26.0;
        let (top, bottom) = (self.top(), self.top() + self.row * self.rows.len() as f64);
        let x = |share: f64| self.left + (right - self.left) * share.clamp(0.0, 1.0);
        for percent in [0, 25, 50, 75, 100] {
            let at = x(f64::from(percent) / 100.0);
            c.line(&[(at, top), (at, bottom)], GRID, 1.0, 1.0)?;
            c.text(
                &format!("{percent} %"),
                (at, bottom + 6.0),
                LABEL,
                MUTED,
                (HPos::Center, VPos::Top),
            )?;
        }
        c.text(
            "effective rank ÷ min(n, d)",
            (right + 15.0, bottom + 24.0),
            LABEL,
            MUTED,
            (HPos::Right, VPos::Top),
        )?;
        for (text, model, (line, at)) in self.legend() {
            let y = 8.0 + 20.0 * (line as f64 + 0.5);
            match model {
                Some(model) => c.dot((at + 5.0, y), 4.5, series(model).filled())?,
                None => c.dot((at + 5.0, y), 3.6, c.pen(MUTED, 1.6, 1.0))?,
            }
            c.text(&text, (at + 15.0, y), LABEL, INK, (HPos::Left, VPos::Center))?;
        }
        for (place, row) in self.rows.iter().enumerate() {
            let middle = top + self.row * (place as f64 + 0.5);
            let name = fitted(&row.name, LABEL, self.left - 12.0);
            c.text(
                &name,
                (self.left - 10.0, middle),
                LABEL,
                INK,
                (HPos::Right, VPos::Center),
            )?;
            for &(model, end, start) in &row.shares {
                let y = middle + self.lane * (model as f64 - 0.5 * (self.models.len() as f64 - 1.0));
                let color = series(model);
                if let Some(start) = start {
                    c.line(&[(x(start), y), (x(end), y)], color, 1.6, 0.42)?;
                    c.dot((x(start), y), 3.4, c.pen(color, 1.6, 1.0))?;
                }
                c.dot((x(end), y), 4.5, color.filled())?;
            }
        }
        Ok(())
    }
}
