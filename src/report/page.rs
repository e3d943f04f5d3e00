//! The one self-contained HTML file.

use serde::Serialize;

use super::plots::{GRID, INK, MUTED, PlotError, SERIES, hex};
use super::record::{Feature, Model, Report};
use super::words::{Paragraph, proof_of_all, summary};
use extras::at_99;
use gallery::OVERVIEW;
use multiples::{Small, multiples};
use section::{Section, section};
use table::{Difference, Row, Shown, columns, difference_columns, differences, rows};

mod extras;
mod gallery;
mod multiples;
mod section;
mod table;

pub use gallery::{FeaturePlots, Gallery, NamedPlot, plots};

/// The page and what it includes.
const TEMPLATES: [(&str, &str); 3] = [
    ("report.html", include_str!("report.html")),
    ("style.css", include_str!("page/style.css")),
    ("script.js", include_str!("page/script.js")),
];

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
    proved: Option<String>,
    several: bool,
    first: &'a str,
    models: Vec<&'a str>,
    starts: bool,
    frequents: bool,
    columns: Vec<String>,
    rows: Vec<Row<'a>>,
    difference_columns: Vec<&'static str>,
    differences: Vec<Difference<'a>>,
    multiples: Vec<Small<'a>>,
    num_features: usize,
    sections: Vec<Section<'a>>,
    overview: Option<&'a str>,
    overview_left: usize,
    min_frequency: u64,
    notes: Vec<String>,
    left_out: Vec<String>,
    paints: Vec<Paint>,
    num_series: usize,
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
pub fn page(report: &Report, plots: &Gallery, preface: Option<&Preface>) -> Result<String, PageError> {
    let names = report.feature_names();
    let several = report.models.len() > 1;
    let has = |test: fn(&Feature) -> bool| report.models.iter().flat_map(|m| &m.features).any(test);
    let shown = Shown {
        starts: has(|f| f.initial.is_some()),
        frequents: has(|f| f.frequent.is_some()),
        savings: has(|f| at_99(f).is_some()),
    };
    let sections = names.iter().zip(&plots.features).enumerate();
    let sections = sections
        .map(|(i, (name, plots))| section(report, i, name, plots))
        .collect();
    let view = minijinja::Value::from(minijinja::value::Serde(View {
        title: preface.map_or_else(|| title(report), |preface| preface.title.clone()),
        preface,
        summary: summary(report),
        proved: proof_of_all(report),
        several,
        first: report.models.first().map_or("", |m| m.name.as_str()),
        models: report.models.iter().map(|m| m.name.as_str()).collect(),
        starts: shown.starts,
        frequents: shown.frequents,
        columns: columns(report, shown),
        rows: rows(report, &names, shown),
        difference_columns: difference_columns(shown),
        differences: differences(report, &names, shown),
        multiples: if names.len() > 1 {
            multiples(report, &names)
        } else {
            Vec::new()
        },
        num_features: names.len(),
        sections,
        overview: Some(plots.overview.plot.svg.as_str()).filter(|_| names.len() > 1),
        overview_left: names.len().saturating_sub(OVERVIEW),
        min_frequency: report.min_frequency,
        notes: notes(report),
        left_out: left_out(report),
        paints: paints(),
        num_series: SERIES.len(),
        version: env!("CARGO_PKG_VERSION"),
    }));
    let mut environment = minijinja::Environment::new();
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment.get_template("report.html")?.render(view)?)
}

/// A page of a preface alone.
///
/// # Errors
/// [`PageError::Template`], which would be a fault of this program.
pub fn alone(preface: &Preface) -> Result<String, PageError> {
    let view = minijinja::context! {
        preface => minijinja::value::Serde(preface),
        paints => minijinja::value::Serde(paints()),
        version => env!("CARGO_PKG_VERSION"),
    };
    let mut environment = minijinja::Environment::new();
    for (name, text) in [("alone.html", include_str!("alone.html")), TEMPLATES[1]] {
        environment.add_template(name, text)?;
    }
    Ok(environment.get_template("alone.html")?.render(view)?)
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
