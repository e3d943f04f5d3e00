//! What a spectrum report says, before it is written in any form. The JSON schema is in docs/spectrum.md.

use serde::Serialize;

use super::exact::Exact;
use crate::spectrum::advice::{self, Advice, Size};
use crate::spectrum::gram::certify::Interval;
use crate::spectrum::measures::Measures;
use crate::spectrum::rows::RowStatistics;
use crate::spectrum::sources::LeftOut;
use crate::spectrum::table::{Factor, Table};
use crate::spectrum::{Accuracy, CertifiedSpectrum, Route, SpectrumError, certified_values};
use crate::train::spectra::Snapshot;

/// One spectrum: of a table, of its start, or of some of its rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spectrum {
    /// Rows measured.
    pub rows: usize,
    /// Descending, min(rows, d) of them.
    pub singular_values: Vec<f64>,
    /// An interval a value, which is proved to hold the exact singular value of the stored numbers.
    pub intervals: Vec<Interval>,
    /// How the values were had.
    pub route: Route,
    /// Every measure of [`crate::spectrum::measures`].
    #[serde(flatten)]
    pub measures: Measures,
    /// With `--exact`: what was decided over the integers.
    #[serde(flatten)]
    pub exact: Option<Exact>,
}

impl Spectrum {
    /// Measures the product of `factors`; `epsilon` is the spacing of 1.0 in the type it was stored in.
    ///
    /// # Errors
    /// [`SpectrumError`], as [`certified_values`].
    pub fn of(factors: &[Factor], epsilon: f64, taus: &[f64]) -> Result<Self, SpectrumError> {
        let n = factors.first().map_or(0, Factor::rows);
        let d = factors.last().map_or(0, Factor::cols);
        let certified = certified_values(factors, Accuracy::default())?;
        Ok(Self::of_values(certified, (n, d), epsilon, taus))
    }

    /// The measures of an n×d table's values.
    pub fn of_values(certified: CertifiedSpectrum, (n, d): (usize, usize), epsilon: f64, taus: &[f64]) -> Self {
        let CertifiedSpectrum {
            sigma,
            intervals,
            route,
        } = certified;
        Spectrum {
            rows: n,
            measures: Measures::new(&sigma, n, d, epsilon, taus).certified(&intervals),
            singular_values: sigma,
            intervals,
            route,
            exact: None,
        }
    }
}

/// The spectrum of the rows used often in training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frequent {
    /// A row belongs to it if training used it at least so many times.
    pub min_frequency: u64,
    /// Share of all uses in training that fell on these rows, 0 to 1.
    pub share_of_uses: f64,
    /// Their spectrum.
    #[serde(flatten)]
    pub spectrum: Spectrum,
}

/// One embedding table of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Feature {
    /// The categorical feature, or the tensor.
    pub name: String,
    /// `num_embeddings`.
    pub n: usize,
    /// `embedding_dim`.
    pub d: usize,
    /// `inner_dim` k; null for a plain table.
    pub inner_dim: Option<usize>,
    /// Number of factors N.
    pub depth: usize,
    /// Stored numbers, over all factors.
    pub parameters: usize,
    /// The table as it is.
    #[serde(flatten)]
    pub spectrum: Spectrum,
    /// The table before training; null where not known.
    pub initial: Option<Spectrum>,
    /// The rows used often in training; null where frequencies are not known.
    pub frequent: Option<Frequent>,
    /// What its rows are like; null where not asked for.
    pub row_statistics: Option<RowStatistics>,
    /// The table without its mean row; null where not asked for, or where there is no mean in f64.
    pub centred: Option<Spectrum>,
    /// The rows that training uses, weighted by their use; null where not asked for, or where frequencies are not known.
    pub weighted: Option<Spectrum>,
    /// For each of [`advice::SHARES`] the least d' that keeps it, and the bytes that saves.
    pub advice: Vec<Advice>,
    /// How its singular values moved while it was trained (`mlet train --spectrum-every`); null where nobody looked.
    pub history: Option<Vec<Snapshot>>,
}

impl Feature {
    /// Measures a table, its start and its frequent rows.
    ///
    /// # Errors
    /// [`SpectrumError`], which names the tensor.
    pub fn of(table: &Table, min_frequency: u64, taus: &[f64]) -> Result<Self, SpectrumError> {
        let epsilon = table.epsilon();
        let initial = table
            .initial
            .as_ref()
            .map(|factors| Spectrum::of(factors, epsilon, taus))
            .transpose()?;
        let frequent = match (table.frequent_rows(min_frequency), &table.frequencies) {
            (Some(rows), Some(counts)) => {
                let spectrum = Spectrum::of(&table.select_rows(&rows), epsilon, taus)?;
                let total: u64 = counts.iter().sum();
                let used: u64 = rows.iter().map(|&i| counts[i]).sum();
                let share_of_uses = if total > 0 { used as f64 / total as f64 } else { 0.0 };
                Some(Frequent {
                    min_frequency,
                    share_of_uses,
                    spectrum,
                })
            }
            _ => None,
        };
        let spectrum = Spectrum::of(&table.factors, epsilon, taus)?;
        Ok(Feature {
            name: table.name.clone(),
            n: table.num_embeddings(),
            d: table.embedding_dim(),
            inner_dim: table.inner_dim(),
            depth: table.factors.len(),
            parameters: table.parameters(),
            advice: advice::advice(&spectrum.singular_values, &Size::of(table), &advice::SHARES),
            spectrum,
            initial,
            frequent,
            row_statistics: None,
            centred: None,
            weighted: None,
            history: None,
        })
    }

    /// n·d: what the report sorts by.
    pub fn size(&self) -> usize {
        self.n.saturating_mul(self.d)
    }
}

/// The tables of one input.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Model {
    /// What it is called in the report.
    pub name: String,
    /// The features, largest n·d first.
    pub features: Vec<Feature>,
    /// Tensors that belong to no table.
    pub left_out: Vec<LeftOut>,
    /// Tables that could not be measured, for example because an entry is not finite.
    pub failed: Vec<LeftOut>,
    /// What could not be found out, and why.
    pub notes: Vec<String>,
}

/// A whole report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The models compared; their names are distinct.
    pub models: Vec<Model>,
    /// The τ of `rank_at`; the first is the one shown.
    pub taus: Vec<f64>,
    /// From how many uses in training a row counts as frequent.
    pub min_frequency: u64,
}

impl Report {
    /// Names of all features of all models, the largest n·d first.
    pub fn feature_names(&self) -> Vec<&str> {
        let mut names: Vec<(usize, &str)> = Vec::new();
        for feature in self.models.iter().flat_map(|m| &m.features) {
            match names.iter_mut().find(|(_, name)| *name == feature.name) {
                Some((size, _)) => *size = (*size).max(feature.size()),
                None => names.push((feature.size(), &feature.name)),
            }
        }
        names.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// Each model that has the feature, by its place in [`Report::models`].
    pub fn of_feature<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (usize, &'a Model, &'a Feature)> {
        self.models
            .iter()
            .enumerate()
            .filter_map(move |(i, m)| m.features.iter().find(|f| f.name == name).map(|f| (i, m, f)))
    }

    /// The text of `spectrum.json`.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct One<'a> {
            model: &'a str,
            min_frequency: u64,
            features: &'a [Feature],
            left_out: &'a [LeftOut],
            failed: &'a [LeftOut],
            notes: &'a [String],
        }
        #[derive(Serialize)]
        struct Several<'a> {
            min_frequency: u64,
            models: &'a [Model],
        }
        let min_frequency = self.min_frequency;
        let text = match self.models.as_slice() {
            [
                Model {
                    name,
                    features,
                    left_out,
                    failed,
                    notes,
                },
            ] => serde_json::to_string_pretty(&One {
                model: name,
                min_frequency,
                features,
                left_out,
                failed,
                notes,
            }),
            models => serde_json::to_string_pretty(&Several { min_frequency, models }),
        };
        // No map with keys that are not strings, no number that is not finite: nothing that JSON cannot hold.
        text.expect("a report of strings and finite numbers") + "\n"
    }
}
