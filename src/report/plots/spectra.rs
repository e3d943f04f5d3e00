//! σᵢ/σ₁ of one feature on a logarithmic scale: models in colours; the end, the start and the frequent rows as strokes.

use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

use super::{Canvas, Drawing, GRID, INK, MUTED, Plot, PlotError, decade, fitted, render, series, ticks, width_of};

/// What a line shows of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The table as it is.
    End,
    /// The table before training.
    Start,
    /// The rows used often in training.
    Frequent,
}

/// One spectrum in a plot.
#[derive(Debug, Clone)]
pub struct Line {
    /// The model's place, which sets the colour.
    pub model: usize,
    /// What of the model it shows.
    pub kind: Kind,
    /// Singular values, descending.
    pub sigma: Vec<f64>,
}

/// All that one plot shows.
#[derive(Debug, Clone)]
pub struct SpectraPlot<'a> {
    /// The feature, for messages.
    pub title: &'a str,
    /// Names of the models by place. A single one is not named in the legend.
    pub models: &'a [&'a str],
    /// Drawn in order, later ones on top.
    pub lines: Vec<Line>,
    /// Where the guide line of `rank_at` lies.
    pub tau: f64,
    /// From how many uses a row counts as frequent.
    pub min_frequency: u64,
}

/// Ratios below this are left away: they are rounding noise of any stored float but f64.
const FLOOR: f64 = 1e-8;
const WIDTH: f64 = 360.0;
const LEFT: f64 = 42.0;
const RIGHT: f64 = 352.0;
const PLOT_HEIGHT: f64 = 180.0;
const LEGEND_ROW: f64 = 19.0;
const LABEL: f64 = 12.0;

/// Draws the spectra of one feature. Values that are zero or below 10⁻⁸ of the greatest end their line.
///
/// # Errors
/// [`PlotError`] from the drawing library.
pub fn spectra(plot: &SpectraPlot<'_>) -> Result<Plot, PlotError> {
    let legend = legend(plot);
    let top = 8.0 + LEGEND_ROW * legend.iter().map(|e| e.row + 1).max().unwrap_or(0) as f64 + 26.0;
    let bottom = top + PLOT_HEIGHT;
    let count = plot.lines.iter().map(|l| l.sigma.len()).max().unwrap_or(0).max(1);
    // The guide line is always in sight, so that plots have the same scale where they can.
    let smallest = plot
        .lines
        .iter()
        .flat_map(|l| ratios(&l.sigma))
        .fold(plot.tau, f64::min);
    let floor = smallest.log10() - 0.15;
    let frame = Frame {
        plot,
        legend,
        top,
        bottom,
        count,
        floor,
    };
    render(plot.title, (WIDTH, bottom + 40.0), &frame)
}

/// σᵢ/σ₁ for as long as it can be drawn.
fn ratios(sigma: &[f64]) -> impl Iterator<Item = f64> + '_ {
    let first = sigma.first().copied().unwrap_or(0.0);
    sigma.iter().map(move |s| s / first).take_while(|r| *r >= FLOOR)
}

/// One entry of the legend.
struct Entry {
    row: usize,
    x: f64,
    text: String,
    color: RGBColor,
    kind: Kind,
}

/// Models in their colours, then strokes in ink; a single model's strokes in its own colour.
fn legend(plot: &SpectraPlot<'_>) -> Vec<Entry> {
    let mut wanted: Vec<(String, RGBColor, Kind)> = Vec::new();
    let single = plot.models.len() < 2;
    if !single {
        for (place, name) in plot.models.iter().enumerate() {
            if plot.lines.iter().any(|l| l.model == place) {
                wanted.push((fitted(name, LABEL, 0.42 * WIDTH), series(place), Kind::End));
            }
        }
    }
    let color = if single { series(0) } else { INK };
    let first_stroke = wanted.len();
    for (kind, text) in [
        (Kind::End, "trained".to_string()),
        (Kind::Start, "start".to_string()),
        (Kind::Frequent, format!("rows seen ≥ {}×", plot.min_frequency)),
    ] {
        if plot.lines.iter().any(|l| l.kind == kind) {
            wanted.push((text, color, kind));
        }
    }
    if wanted.len() == first_stroke + 1 {
        wanted.pop(); // one kind of stroke needs no key
    }
    let (mut row, mut x) = (0, 6.0);
    wanted
        .into_iter()
        .enumerate()
        .map(|(i, (text, color, kind))| {
            let width = 24.0 + width_of(&text, LABEL) + 13.0;
            if x > 6.0 && (x + width > WIDTH + 12.0 || (i == first_stroke && !single)) {
                (row, x) = (row + 1, 6.0);
            }
            let entry = Entry {
                row,
                x,
                text,
                color,
                kind,
            };
            x += width;
            entry
        })
        .collect()
}

struct Frame<'a> {
    plot: &'a SpectraPlot<'a>,
    legend: Vec<Entry>,
    top: f64,
    bottom: f64,
    /// Directions on the x axis.
    count: usize,
    /// log₁₀ of the ratio at the bottom.
    floor: f64,
}

impl Frame<'_> {
    fn x(&self, i: usize) -> f64 {
        let share = if self.count > 1 {
            i as f64 / (self.count - 1) as f64
        } else {
            0.5
        };
        LEFT + 10.0 + (RIGHT - LEFT - 20.0) * share
    }

    fn y(&self, ratio: f64) -> f64 {
        self.top + (self.bottom - self.top) * (ratio.log10() / self.floor).clamp(0.0, 1.0)
    }

    fn axes<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        let lowest = self.floor.ceil() as i32;
        let every = (4 - lowest) / 5;
        for e in (lowest..=0).filter(|e| e % every.max(1) == 0) {
            let y = self.y(10f64.powi(e));
            c.line(&[(LEFT, y), (RIGHT, y)], GRID, 1.0, 1.0)?;
            c.text(&decade(e), (LEFT - 7.0, y), LABEL, MUTED, (HPos::Right, VPos::Center))?;
        }
        c.line(&[(LEFT, self.bottom), (RIGHT, self.bottom)], MUTED, 1.0, 0.6)?;
        c.text(
            "σᵢ / σ₁",
            (6.0, self.top - 12.0),
            LABEL,
            MUTED,
            (HPos::Left, VPos::Bottom),
        )?;
        let tau = self.y(self.plot.tau);
        c.dashes(&[(LEFT, tau), (RIGHT, tau)], MUTED, 1.0, (2.0, 3.0))?;
        let label = format!("{} % of σ₁", 100.0 * self.plot.tau);
        c.text(
            &label,
            (RIGHT, tau - 3.0),
            LABEL - 1.5,
            MUTED,
            (HPos::Right, VPos::Bottom),
        )?;
        let (numbers, _) = ticks(1.0, self.count as f64, 7);
        let count = self.count;
        let mut marked: Vec<usize> = numbers
            .iter()
            .map(|&t| t as usize)
            .filter(|t| (1..=count).contains(t))
            .collect();
        marked.extend([1, count]);
        marked.sort_unstable();
        marked.dedup();
        // Round numbers too near an end make room for it.
        let room = |a: usize, b: usize| (self.x(a - 1) - self.x(b - 1)).abs() >= 24.0;
        marked.retain(|&t| t == 1 || t == count || (room(t, 1) && room(t, count)));
        for t in marked {
            c.text(
                &t.to_string(),
                (self.x(t - 1), self.bottom + 7.0),
                LABEL,
                MUTED,
                (HPos::Center, VPos::Top),
            )?;
        }
        c.text(
            "direction i",
            (RIGHT, self.bottom + 24.0),
            LABEL,
            MUTED,
            (HPos::Right, VPos::Top),
        )
    }

    fn stroke<DB: DrawingBackend>(
        &self,
        c: &Canvas<'_, DB>,
        points: &[(f64, f64)],
        color: RGBColor,
        kind: Kind,
    ) -> Result<(), String> {
        match kind {
            Kind::End => c.line(points, color, 2.0, 1.0),
            Kind::Start => c.line(points, color, 2.0, 0.4),
            Kind::Frequent => c.dashes(points, color, 1.6, (5.0, 3.5)),
        }
    }
}

impl Drawing for Frame<'_> {
    fn draw<DB: DrawingBackend>(&self, c: &Canvas<'_, DB>) -> Result<(), String> {
        self.axes(c)?;
        for line in &self.plot.lines {
            let color = series(line.model);
            let points: Vec<_> = ratios(&line.sigma)
                .enumerate()
                .map(|(i, r)| (self.x(i), self.y(r)))
                .collect();
            if points.len() > 1 {
                self.stroke(c, &points, color, line.kind)?;
            }
            // Many dots would be a band; a single point needs one to be seen.
            let radius = if line.kind == Kind::End { 2.6 } else { 2.0 };
            if self.count <= 32 && line.kind == Kind::End || points.len() == 1 {
                for &p in &points {
                    c.dot(p, radius, color.filled())?;
                }
            }
        }
        for entry in &self.legend {
            let y = 8.0 + LEGEND_ROW * (entry.row as f64 + 0.5);
            let (a, b) = ((entry.x, y), (entry.x + 19.0, y));
            self.stroke(c, &[a, b], entry.color, entry.kind)?;
            if entry.kind == Kind::End && self.count <= 32 {
                c.dot((entry.x + 9.5, y), 2.6, entry.color.filled())?;
            }
            c.text(&entry.text, (entry.x + 24.0, y), LABEL, INK, (HPos::Left, VPos::Center))?;
        }
        Ok(())
    }
}
