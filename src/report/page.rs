//! The one self-contained HTML file.

use serde::Serialize;

use super::plots::{
    GRID, INK, Kind, Line, MUTED, OverviewRow, Plot, PlotError, SERIES, SpectraPlot, hex, overview, spectra,
};
use super::record::{Feature, Model, Report, Spectrum};
use super::words::{Paragraph, sentence, summary, thousands, three_digits};

/// Features beyond this many are left out of the overview plot, smallest first; each still has its own plot.
const OVERVIEW: usize = 26;
/// With more models than this, plots show only what the tables are in the end.
const BESIDES: usize = 3;

/// A plot with the name of its PNG file (without the extension).
pub struct NamedPlot {
    /// File stem, of letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The plot.
    pub plot: Plot,
}

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

/// All plots of a report: the overview first, then one a feature in the order of [`Report::feature_names`].
///
/// `progress` is called with the number of plots done and to do.
///
/// # Errors
/// [`PlotError`] from the drawing library.
pub fn plots(report: &Report, progress: &mut dyn FnMut(usize, usize)) -> Result<Vec<NamedPlot>, PlotError> {
    let names = report.feature_names();
    let models: Vec<&str> = report.models.iter().map(|m| m.name.as_str()).collect();
    let rows: Vec<OverviewRow> = names
        .iter()
        .take(OVERVIEW)
        .map(|name| overview_row(report, name))
        .collect();
    let mut made = vec![NamedPlot {
        name: "overview".into(),
        plot: overview(&models, &rows)?,
    }];
    for (done, name) in names.iter().enumerate() {
        progress(done, names.len());
        let plot = spectra(&SpectraPlot {
            title: name,
            models: &models,
            lines: lines(report, name),
            tau: report.taus.first().copied().unwrap_or(0.01),
            min_frequency: report.min_frequency,
        })?;
        made.push(NamedPlot {
            name: file_name(name, &made),
            plot,
        });
    }
    progress(names.len(), names.len());
    Ok(made)
}

fn share(spectrum: &Spectrum) -> f64 {
    spectrum.measures.effective_rank / spectrum.singular_values.len().max(1) as f64
}

fn overview_row(report: &Report, name: &str) -> OverviewRow {
    let shares = report
        .of_feature(name)
        .map(|(place, _, f)| (place, share(&f.spectrum), f.initial.as_ref().map(share)));
    OverviewRow {
        name: name.into(),
        shares: shares.collect(),
    }
}

/// Starts below, frequent rows above them, the tables themselves on top.
fn lines(report: &Report, name: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let besides = report.models.len() <= BESIDES;
    for kind in [Kind::Start, Kind::Frequent, Kind::End] {
        for (model, _, feature) in report.of_feature(name) {
            let spectrum = match kind {
                Kind::End => Some(&feature.spectrum),
                Kind::Start => feature.initial.as_ref().filter(|_| besides),
                // All rows again would lie on the line of the table.
                Kind::Frequent => feature
                    .frequent
                    .as_ref()
                    .map(|f| &f.spectrum)
                    .filter(|s| besides && s.rows > 0 && s.rows < feature.n),
            };
            if let Some(spectrum) = spectrum {
                lines.push(Line {
                    model,
                    kind,
                    sigma: spectrum.singular_values.clone(),
                });
            }
        }
    }
    lines
}

/// A file name that any system takes and that no earlier plot has.
fn file_name(feature: &str, earlier: &[NamedPlot]) -> String {
    let safe: String = feature
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(80)
        .collect();
    let safe = if safe.starts_with('.') || safe.is_empty() {
        format!("_{safe}")
    } else {
        safe
    };
    // Compared without case: two files on some systems, one on others.
    let taken = |name: &str| earlier.iter().any(|p| p.name.eq_ignore_ascii_case(name));
    let mut name = safe.clone();
    let mut count = 2;
    while taken(&name) {
        name = format!("{safe}-{count}");
        count += 1;
    }
    name
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

/// The page, with the plots of [`plots`] in it.
///
/// # Errors
/// [`PageError::Template`], which would be a fault of this program.
pub fn page(report: &Report, plots: &[NamedPlot]) -> Result<String, PageError> {
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
        title: title(report),
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
    cells.push(Cell::of(m.ranks_at.first().map_or(0, |r| r.1), directions));
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
