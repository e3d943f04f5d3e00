//! The one self-contained HTML file.

use serde::Serialize;

use super::plots::{GRID, INK, MUTED, PlotError, SERIES, hex};
use super::record::{Feature, Model, Report};
use super::words::{Paragraph, sentence, summary, thousands, three_digits};
use crate::spectrum::measures::Count;
use gallery::{OVERVIEW, share};

mod gallery;

pub use gallery::{NamedPlot, plots};

/// Why a page could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A plot failed.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The embedded template failed: a fault of this program.
    #[error("the page's template failed")]
    Template(#[from] minijinja::Error),
}

/// A cell that is shown as text and sorted by number; −1 sorts what is not known behind everything.
#[derive(Serialize)]
struct Cell {
    text: String,
    sort: f64,
}

impl Cell {
    fn count(x: usize) -> Self {
        Cell {
            text: thousands(x),
            sort: x as f64,
        }
    }

    fn real(x: Option<f64>) -> Self {
        Cell {
            text: x.map_or("–".into(), three_digits),
            sort: x.unwrap_or(-1.0),
        }
    }

    fn of(part: usize, whole: usize) -> Self {
        Cell {
            text: format!("{} of {}", thousands(part), thousands(whole)),
            sort: part as f64,
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    anchor: usize,
    feature: &'a str,
    model: &'a str,
    place: usize,
    n: Cell,
    d: Cell,
    parameters: Cell,
    /// Percent of the directions, for the bar.
    used: f64,
    started: Option<f64>,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Card<'a> {
    anchor: usize,
    feature: &'a str,
    shape: String,
    sentences: Vec<Said<'a>>,
    svg: String,
    png: String,
}

#[derive(Serialize)]
struct Said<'a> {
    model: Option<&'a str>,
    place: usize,
    text: String,
}

#[derive(Serialize)]
struct Paint {
    hex: String,
    variable: String,
    light: String,
    dark: String,
}

/// What the template sees.
#[derive(Serialize)]
struct View<'a> {
    title: String,
    preface: Option<&'a Preface>,
    summary: Vec<Paragraph>,
    several: bool,
    starts: bool,
    frequents: bool,
    columns: Vec<String>,
    rows: Vec<Row<'a>>,
    cards: Vec<Card<'a>>,
    overview: Option<&'a str>,
    overview_left: usize,
    min_frequency: u64,
    notes: Vec<String>,
    left_out: Vec<String>,
    paints: Vec<Paint>,
    version: &'static str,
}

/// What a page says before the spectra.
#[derive(Debug, Clone, Serialize)]
pub struct Preface {
    /// The page's title.
    pub title: String,
    /// What follows it: HTML, already escaped.
    pub html: String,
    /// The heading of the spectra.
    pub heading: String,
}

/// The page, with the plots of [`plots`] in it, and with a preface if there is one.
///
/// # Errors
/// [`PageError::Template`], which would be a fault of this program.
pub fn page(report: &Report, plots: &[NamedPlot], preface: Option<&Preface>) -> Result<String, PageError> {
    let names = report.feature_names();
    let several = report.models.len() > 1;
    let has = |test: fn(&Feature) -> bool| report.models.iter().flat_map(|m| &m.features).any(test);
    let (starts, frequents) = (has(|f| f.initial.is_some()), has(|f| f.frequent.is_some()));
    let tau = report.taus.first().copied().unwrap_or(0.01);
    let mut columns: Vec<String> = vec!["Effective rank".into()];
    if starts {
        columns.push("at the start".into());
    }
    if frequents {
        columns.push(format!("in rows seen\u{a0}≥\u{a0}{}", report.min_frequency));
        columns.push("such rows".into());
    }
    columns.push(format!("σ > {}\u{a0}%", 100.0 * tau));
    columns.extend(["99\u{a0}% of energy", "Stable rank", "Condition"].map(String::from));
    let mut rows = Vec::new();
    for (anchor, name) in names.iter().enumerate() {
        rows.extend(
            report
                .of_feature(name)
                .map(|(place, model, f)| row(anchor, place, model, f, starts, frequents)),
        );
    }
    let cards: Vec<Card<'_>> = names
        .iter()
        .zip(plots.iter().skip(1))
        .enumerate()
        .map(|(i, (name, plot))| card(report, i, name, plot))
        .collect();
    let mut environment = minijinja::Environment::new();
    environment.add_template("report.html", include_str!("report.html"))?;
    let view = minijinja::Value::from(minijinja::value::Serde(View {
        title: preface.map_or_else(|| title(report), |preface| preface.title.clone()),
        preface,
        summary: summary(report),
        several,
        starts,
        frequents,
        columns,
        rows,
        cards,
        overview: plots.first().map(|p| p.plot.svg.as_str()).filter(|_| names.len() > 1),
        overview_left: names.len().saturating_sub(OVERVIEW),
        min_frequency: report.min_frequency,
        notes: notes(report),
        left_out: left_out(report),
        paints: paints(),
        version: env!("CARGO_PKG_VERSION"),
    }));
    Ok(environment.get_template("report.html")?.render(view)?)
}

fn title(report: &Report) -> String {
    let names: Vec<&str> = report.models.iter().map(|m| m.name.as_str()).collect();
    match names.as_slice() {
        [] => "Spectra".into(),
        [one] => format!("Spectra of {one}"),
        [first, second] => format!("Spectra of {first} and {second}"),
        [first, ..] => format!("Spectra of {first} and {} others", names.len() - 1),
    }
}

fn row<'a>(anchor: usize, place: usize, model: &'a Model, f: &'a Feature, starts: bool, frequents: bool) -> Row<'a> {
    let m = &f.spectrum.measures;
    let directions = f.spectrum.singular_values.len();
    let mut cells = Vec::new();
    if starts {
        cells.push(Cell::real(f.initial.as_ref().map(|s| s.measures.effective_rank)));
    }
    if frequents {
        let known = f.frequent.as_ref().filter(|s| s.spectrum.rows > 0);
        cells.push(Cell::real(known.map(|s| s.spectrum.measures.effective_rank)));
        cells.push(
            f.frequent
                .as_ref()
                .map_or(Cell::real(None), |s| Cell::count(s.spectrum.rows)),
        );
    }
    let count = m.ranks_at.first().map_or(Count::decided(0), |r| r.1);
    cells.push(Cell {
        text: format!("{count} of {}", thousands(directions)),
        sort: count.most as f64,
    });
    cells.push(Cell::of(m.energy_dim_99, directions));
    cells.push(Cell::real(Some(m.stable_rank)));
    let mut condition = Cell::real(m.condition_number);
    if m.condition_number.is_none() && m.effective_rank > 0.0 {
        condition = Cell {
            text: "∞".into(),
            sort: f64::MAX,
        };
    }
    cells.push(condition);
    Row {
        anchor,
        feature: &f.name,
        model: &model.name,
        place: place % SERIES.len(),
        n: Cell::count(f.n),
        d: Cell::count(f.d),
        parameters: Cell::count(f.parameters),
        used: 100.0 * share(&f.spectrum),
        started: f.initial.as_ref().map(|s| 100.0 * share(s)),
        cells: std::iter::once(Cell::real(Some(m.effective_rank)))
            .chain(cells)
            .collect(),
    }
}

fn card<'a>(report: &'a Report, anchor: usize, name: &'a str, plot: &NamedPlot) -> Card<'a> {
    let several = report.models.len() > 1;
    let mut shapes: Vec<String> = Vec::new();
    let mut sentences = Vec::new();
    for (place, model, f) in report.of_feature(name) {
        let factors = match (f.inner_dim, f.depth) {
            (Some(k), 2) => format!("{} × {k} · {k} × {}", thousands(f.n), f.d),
            (Some(k), depth) => format!("{} × {} in {depth} factors of width {k}", thousands(f.n), f.d),
            (None, _) => format!("{} × {}", thousands(f.n), f.d),
        };
        if !shapes.contains(&factors) {
            shapes.push(factors);
        }
        sentences.push(Said {
            model: several.then_some(model.name.as_str()),
            place: place % SERIES.len(),
            text: sentence(f),
        });
    }
    // Read aloud, the plot is its sentences.
    let spoken: Vec<String> = sentences
        .iter()
        .map(|s| s.model.map_or(s.text.clone(), |m| format!("{m}: {}", s.text)))
        .collect();
    let label = spoken
        .join(" ")
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    let svg = plot
        .plot
        .svg
        .replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1);
    Card {
        anchor,
        feature: name,
        shape: shapes.join("; "),
        sentences,
        svg,
        png: format!("plots/{}.png", plot.name),
    }
}

/// The report's notes, each with its model where there are several.
fn notes(report: &Report) -> Vec<String> {
    let several = report.models.len() > 1;
    let of = |m: &Model| {
        let name = if several {
            format!("{}: ", m.name)
        } else {
            String::new()
        };
        m.notes.iter().map(|note| format!("{name}{note}")).collect::<Vec<_>>()
    };
    report.models.iter().flat_map(of).collect()
}

/// What was left out, reasons once.
fn left_out(report: &Report) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for tensor in report.models.iter().flat_map(|m| &m.left_out) {
        match reasons.iter_mut().find(|(reason, _)| *reason == tensor.reason) {
            Some((_, names)) if names.contains(&tensor.name.as_str()) => {}
            Some((_, names)) => names.push(&tensor.name),
            None => reasons.push((tensor.reason.clone(), vec![&tensor.name])),
        }
    }
    let listed = |names: &[&str]| match names.len() {
        0..=8 => names.join(", "),
        more => format!("{} and {} more", names[..8].join(", "), more - 8),
    };
    reasons
        .iter()
        .map(|(reason, names)| format!("{} ({reason})", listed(names)))
        .collect()
}

/// What a plot's colours become on the page: a variable each, with a light and a dark value.
fn paints() -> Vec<Paint> {
    let paint = |name: &str, color, dark: &str| Paint {
        hex: hex(color),
        variable: name.into(),
        light: hex(color),
        dark: dark.into(),
    };
    let mut paints = vec![
        paint("plot-ink", INK, "#E4E7EA"),
        paint("plot-muted", MUTED, "#98A2AD"),
        paint("plot-grid", GRID, "#343B43"),
    ];
    for (i, (light, dark)) in SERIES.into_iter().enumerate() {
        paints.push(paint(&format!("series-{i}"), light, &hex(dark)));
    }
    paints
}
