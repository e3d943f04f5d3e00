//! The plots of a report, with the names of their files.

use crate::report::plots::{
    HistoryPlot, Kind, Line, OverviewRow, Plot, PlotError, SpectraPlot, history, overview, spectra,
};
use crate::report::record::{Report, Spectrum};

/// Features beyond this many are left out of the overview plot, smallest first; each still has its own plot.
pub(super) const OVERVIEW: usize = 26;
/// With more models than this, plots show only what the tables are in the end.
const BESIDES: usize = 3;

/// A plot with the name of its PNG file (without the extension).
pub struct NamedPlot {
    /// File stem, of letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The plot.
    pub plot: Plot,
}

/// All plots of a report.
pub struct Gallery {
    /// Every feature's share of its directions in use.
    pub overview: NamedPlot,
    /// In the order of [`Report::feature_names`].
    pub features: Vec<FeaturePlots>,
}

/// The plots of one feature.
pub struct FeaturePlots {
    /// The spectra of all models.
    pub spectra: NamedPlot,
    /// σ over the steps of training, with the model's place: one a model that was watched.
    pub histories: Vec<(usize, NamedPlot)>,
}

impl Gallery {
    /// Each plot, in the order of the page.
    pub fn all(&self) -> impl Iterator<Item = &NamedPlot> {
        let features = self.features.iter();
        let of_features =
            features.flat_map(|f| std::iter::once(&f.spectra).chain(f.histories.iter().map(|(_, plot)| plot)));
        std::iter::once(&self.overview).chain(of_features)
    }
}

/// Draws all plots of a report.
///
/// `progress` is called with the number of plots done and to do.
///
/// # Errors
/// [`PlotError`] from the drawing library.
pub fn plots(report: &Report, progress: &mut dyn FnMut(usize, usize)) -> Result<Gallery, PlotError> {
    let names = report.feature_names();
    let models: Vec<&str> = report.models.iter().map(|m| m.name.as_str()).collect();
    let rows: Vec<OverviewRow> = names
        .iter()
        .take(OVERVIEW)
        .map(|name| overview_row(report, name))
        .collect();
    let mut made = Gallery {
        overview: NamedPlot {
            name: "overview".into(),
            plot: overview(&models, &rows)?,
        },
        features: Vec::with_capacity(names.len()),
    };
    for (done, name) in names.iter().enumerate() {
        progress(done, names.len());
        let plot = spectra(&SpectraPlot {
            title: name,
            models: &models,
            lines: lines(report, name),
            tau: report.taus.first().copied().unwrap_or(0.01),
            min_frequency: report.min_frequency,
        })?;
        let spectra = NamedPlot {
            name: file_name(name, &made),
            plot,
        };
        made.features.push(FeaturePlots {
            spectra,
            histories: Vec::new(),
        });
        for (place, plot) in histories(report, name)? {
            let name = file_name(&format!("{name}.history"), &made);
            made.features[done].histories.push((place, NamedPlot { name, plot }));
        }
    }
    progress(names.len(), names.len());
    Ok(made)
}

/// One a model that was watched while it trained.
fn histories(report: &Report, feature: &str) -> Result<Vec<(usize, Plot)>, PlotError> {
    let mut made = Vec::new();
    for (place, _, f) in report.of_feature(feature) {
        let Some(looks) = &f.history else { continue };
        let plot = history(&HistoryPlot {
            title: feature,
            model: place,
            snapshots: looks
                .iter()
                .map(|look| (look.step, &look.singular_values[..]))
                .collect(),
        })?;
        made.push((place, plot));
    }
    Ok(made)
}

pub(super) fn share(spectrum: &Spectrum) -> f64 {
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
fn file_name(feature: &str, earlier: &Gallery) -> String {
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
    let taken = |name: &str| earlier.all().any(|p| p.name.eq_ignore_ascii_case(name));
    let mut name = safe.clone();
    let mut count = 2;
    while taken(&name) {
        name = format!("{safe}-{count}");
        count += 1;
    }
    name
}
