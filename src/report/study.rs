//! A study's results on disk: tables, plots, and the page that sets them before the spectra.

use serde::Serialize;
use std::path::{Path, PathBuf};

use super::page::{PageError, Preface};
use super::plots::{ArmPoint, Plot, SERIES, arms};
use super::record::Report;
use super::run::{self, Options, Progress, ReportError, measure, replace};
use super::study_ranks::Ranks;
use crate::data::schema::Split;
use crate::study::metric::{Measure, Metric};
use crate::study::table::{self, Table};
use crate::study::{Results, words};

/// What is drawn: a plot each.
const PLOTTED: [(Split, Measure); 4] = [
    (Split::Validation, Measure::LogLoss),
    (Split::Test, Measure::LogLoss),
    (Split::Validation, Measure::Auc),
    (Split::Test, Measure::Auc),
];

/// The spectra of a study's runs, a report a seed.
pub type Spectra = Vec<(u64, Report)>;

/// Writes `results.csv`, `results_by_frequency.csv`, `results.json` and `results.md` into `out`, each beside its place and
/// then renamed over it.
///
/// # Errors
/// [`ReportError::Write`].
pub fn write_results(results: &Results, out: &Path) -> Result<(), ReportError> {
    write_csv(&out.join("results.csv"), results.csv())?;
    write_csv(&out.join("results_by_frequency.csv"), results.by_frequency_csv())?;
    replace(&out.join("results.json"), results.json().as_bytes())?;
    replace(&out.join("results.md"), table::document(results).as_bytes())
}

pub(super) fn write_csv(path: &Path, text: Result<String, csv::Error>) -> Result<(), ReportError> {
    let text = text.map_err(|error| ReportError::Write {
        path: path.to_path_buf(),
        source: std::io::Error::other(error),
    })?;
    replace(path, text.as_bytes())
}

/// Measures the tables of the first seed's runs, and where the truth is known those of all seeds. Arms without a run are
/// left out.
///
/// # Errors
/// [`ReportError`].
pub fn spectra(results: &Results, out: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Spectra, ReportError> {
    let seeds = if results.truth.is_some() {
        results.seeds.len()
    } else {
        1
    };
    let mut spectra = Vec::new();
    for &seed in results.seeds.iter().take(seeds) {
        let of_seed = results.runs().filter(|(_, run)| run.seed == seed);
        let inputs: Vec<_> = of_seed
            .map(|(arm, run)| (out.join(&run.folder), Some(arm.name.clone())))
            .collect();
        if !inputs.is_empty() {
            spectra.push((seed, measure(&inputs, &Options::default(), progress)?));
        }
    }
    Ok(spectra)
}

/// Writes `report.html`, `plots/*.png`, `spectrum.json` and `spectrum.csv` of the first seed and, where the truth is known,
/// `ranks.csv` and `ranks.md`. Gives the page's path; `None` where no run could be measured.
///
/// # Errors
/// [`ReportError`].
pub fn write_page(
    results: &Results,
    spectra: &Spectra,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<PathBuf>, ReportError> {
    let Some((seed, report)) = spectra.first() else {
        return Ok(None);
    };
    let folder = out.join("plots");
    std::fs::create_dir_all(&folder).map_err(|source| ReportError::Write {
        path: folder.clone(),
        source,
    })?;
    let plots = plots(results)?;
    for (metric, plot) in &plots {
        replace(&out.join(png(*metric)), &plot.png)?;
    }
    let ranks = Ranks::of(results, spectra);
    if let Some(ranks) = &ranks {
        ranks.write(out)?;
    }
    let preface = Preface {
        title: results.title.clone(),
        html: html(results, &plots, ranks.as_ref())?,
        heading: format!("The tables' spectra, seed {seed}"),
    };
    run::write_with(report, Some(&preface), out, progress).map(Some)
}

/// Where a metric's plot lies.
fn png(metric: Metric) -> String {
    format!("plots/study-{}-{}.png", metric.split, metric.measure.key())
}

/// The metrics that every arm has at least once, drawn.
fn plots(results: &Results) -> Result<Vec<(Metric, Plot)>, ReportError> {
    let mut plots = Vec::new();
    for (split, measure) in PLOTTED {
        let metric = Metric { split, measure };
        let point = |arm: &crate::study::results::ArmResults| {
            let sample = results.sample(arm, metric);
            ArmPoint {
                name: arm.name.clone(),
                mean: sample.map_or(f64::NAN, |sample| sample.mean),
                sd: sample.and_then(|sample| sample.sd).unwrap_or(0.0),
            }
        };
        let points: Vec<ArmPoint> = results.arms.iter().map(point).collect();
        if points.iter().any(|point| point.mean.is_finite()) {
            let plot = arms(&metric.label(), &points, measure.label()).map_err(PageError::from)?;
            plots.push((metric, plot));
        }
    }
    Ok(plots)
}

/// What the template sees.
#[derive(Serialize)]
pub(super) struct View<'a> {
    pub question: &'a str,
    pub sentences: Vec<String>,
    pub parts: Vec<Part>,
    pub plots: Vec<Drawn<'a>>,
    pub num_series: usize,
    /// Where the rest is: HTML.
    pub closing: &'static str,
}

/// A table with what is said above and beneath it.
#[derive(Serialize)]
pub(super) struct Part {
    title: String,
    /// Whether a row is an arm: it then has the arm's colour, and the plots follow.
    arms: bool,
    before: Vec<String>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    after: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Drawn<'a> {
    pub title: String,
    pub sentence: String,
    pub svg: &'a str,
    pub png: String,
}

pub(super) fn part(title: &str, arms: bool, table: Table, before: Vec<String>, after: Vec<String>) -> Part {
    let (header, rows) = (table.header, table.rows);
    Part {
        title: title.into(),
        arms,
        before,
        header,
        rows,
        after,
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn html(results: &Results, plots: &[(Metric, Plot)], ranks: Option<&Ranks>) -> Result<String, PageError> {
    let mut parts = vec![part(
        "The arms",
        true,
        Table::of(results),
        Vec::new(),
        words::remarks(results),
    )];
    if let Some(pairs) = table::pairs(results) {
        let said = "The row's arm less the column's, by seed, with the 95 % interval.".to_owned();
        parts.push(part("Every pair", false, pairs, Vec::new(), vec![said]));
    }
    if let Some(ranks) = ranks {
        let after = vec![super::study_ranks::READING.to_owned()];
        parts.push(part(
            "Planted and recovered ranks",
            false,
            ranks.table(),
            ranks.sentences(),
            after,
        ));
    }
    let drawn = plots.iter().map(|(metric, plot)| Drawn {
        title: capitalised(&metric.label()),
        sentence: format!(
            "Mean ± standard deviation over the seeds: {}.",
            words::extremes(results, *metric)
        ),
        svg: &plot.svg,
        png: png(*metric),
    });
    preface(View {
        question: &results.question,
        sentences: words::sentences(results),
        parts,
        plots: drawn.collect(),
        num_series: SERIES.len(),
        closing: "Every run is in <a href=\"results.csv\">results.csv</a>, with the groups of examples by how often their \
                  rarest category was seen in <a href=\"results_by_frequency.csv\">results_by_frequency.csv</a>; arms, \
                  settings and runs together in <a href=\"results.json\">results.json</a>.",
    })
}

/// What a study's page begins with, as HTML.
pub(super) fn preface(view: View<'_>) -> Result<String, PageError> {
    let mut environment = minijinja::Environment::new();
    environment.add_template("study.html", include_str!("study.html"))?;
    let view = minijinja::Value::from(minijinja::value::Serde(view));
    Ok(environment.get_template("study.html")?.render(view)?)
}
