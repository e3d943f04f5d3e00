//! `spectrum.csv`, one line a feature and model, and `singular_values.csv`, one line a singular value.

use super::exact::Exact;
use super::record::{Feature, Model, Report, Spectrum};
use crate::spectrum::advice::Advice;
use crate::spectrum::gram::certify::Interval;
use crate::spectrum::measures::Measures;

impl Report {
    /// The text of `spectrum.csv`: a header, then one line a feature and model. Empty where not known or undefined.
    ///
    /// # Errors
    /// Only what the csv writer reports for memory, which is never.
    pub fn csv(&self) -> Result<String, ::csv::Error> {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        for (at, model) in self.models.iter().enumerate() {
            for (place, feature) in model.features.iter().enumerate() {
                let cells = csv_cells(model, feature, &self.taus);
                if at == 0 && place == 0 {
                    writer.write_record(cells.iter().map(|(name, _)| name))?;
                }
                writer.write_record(cells.iter().map(|(_, value)| value))?;
            }
        }
        text(writer)
    }
    /// The text of `singular_values.csv`: every value of every spectrum with its interval, in long form. `step` is empty but for
    /// the values during training, whose intervals are what their rounding leaves.
    ///
    /// # Errors
    /// As [`Report::csv`].
    pub fn singular_values_csv(&self) -> Result<String, ::csv::Error> {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        let header = [
            "model",
            "feature",
            "spectrum",
            "step",
            "i",
            "singular_value",
            "lo",
            "hi",
        ];
        writer.write_record(header)?;
        for (model, feature) in self.models.iter().flat_map(|m| m.features.iter().map(move |f| (m, f))) {
            for (name, spectrum) in spectra(feature) {
                let values = spectrum.singular_values.iter().zip(&spectrum.intervals);
                for (i, (value, Interval { lo, hi })) in values.enumerate() {
                    let cells = [model.name.as_str(), feature.name.as_str(), name, ""];
                    writer.serialize((cells, i + 1, value, lo, hi))?;
                }
            }
            for look in feature.history.iter().flatten() {
                for (i, (value, error)) in look.singular_values.iter().zip(&look.errors).enumerate() {
                    let cells = [model.name.as_str(), feature.name.as_str(), "training"];
                    let [lo, hi] = [(value - error).max(0.0), value + error];
                    writer.serialize((cells, look.step, i + 1, value, lo, hi))?;
                }
            }
        }
        text(writer)
    }
}

/// A feature's spectra by name.
fn spectra(feature: &Feature) -> impl Iterator<Item = (&'static str, &Spectrum)> {
    let besides = [
        ("initial", feature.initial.as_ref()),
        ("frequent", feature.frequent.as_ref().map(|f| &f.spectrum)),
        ("centred", feature.centred.as_ref()),
        ("weighted", feature.weighted.as_ref()),
    ];
    let known = besides
        .into_iter()
        .filter_map(|(name, spectrum)| Some((name, spectrum?)));
    std::iter::once(("table", &feature.spectrum)).chain(known)
}

fn text(writer: ::csv::Writer<Vec<u8>>) -> Result<String, ::csv::Error> {
    let bytes = writer.into_inner().map_err(|e| ::csv::Error::from(e.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Names and values of one line of the CSV file.
fn csv_cells(model: &Model, feature: &Feature, taus: &[f64]) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        value => value.to_string(),
    };
    let mut cells = vec![
        ("model".to_string(), model.name.clone()),
        ("feature".to_string(), feature.name.clone()),
        ("n".to_string(), feature.n.to_string()),
        ("d".to_string(), feature.d.to_string()),
        (
            "inner_dim".to_string(),
            feature.inner_dim.map(|k| k.to_string()).unwrap_or_default(),
        ),
        ("depth".to_string(), feature.depth.to_string()),
        ("parameters".to_string(), feature.parameters.to_string()),
        (
            "largest_singular_value".to_string(),
            feature
                .spectrum
                .singular_values
                .first()
                .map(f64::to_string)
                .unwrap_or_default(),
        ),
    ];
    cells.extend(
        feature
            .spectrum
            .measures
            .fields()
            .iter()
            .map(|(name, value)| (name.clone(), text(value))),
    );
    cells.extend(Exact::cells(feature.spectrum.exact.as_ref()).map(|(name, value)| (name.to_string(), value)));
    // The columns are there for every line, whether the values are known or not.
    let names = Measures::new(&[], 0, 0, 0.0, taus).fields();
    for (prefix, spectrum) in [
        ("initial", feature.initial.as_ref()),
        ("frequent", feature.frequent.as_ref().map(|f| &f.spectrum)),
        ("centred", feature.centred.as_ref()),
        ("weighted", feature.weighted.as_ref()),
    ] {
        cells.push((
            format!("{prefix}_rows"),
            spectrum.map(|s| s.rows.to_string()).unwrap_or_default(),
        ));
        match spectrum {
            Some(s) => cells.extend(
                s.measures
                    .fields()
                    .iter()
                    .map(|(n, v)| (format!("{prefix}_{n}"), text(v))),
            ),
            None => cells.extend(names.iter().map(|(n, _)| (format!("{prefix}_{n}"), String::new()))),
        }
    }
    cells.extend(feature.advice.iter().flat_map(Advice::cells));
    cells.extend(feature.row_cells());
    cells
}
