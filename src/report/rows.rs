//! The rows of a feature's table: statistics, the spectrum without their mean, and the spectrum as training uses them.

use super::record::{Feature, Spectrum};
use crate::spectrum::rows::{centred_values, count_rows, weighted_values};
use crate::spectrum::table::Table;
use crate::spectrum::{CertifiedSpectrum, SpectrumError};

impl Feature {
    /// Adds what the rows of its table are like.
    ///
    /// # Errors
    /// [`SpectrumError`], which names the tensor.
    pub fn with_rows(mut self, table: &Table, taus: &[f64]) -> Result<Self, SpectrumError> {
        let spectrum = |values: CertifiedSpectrum, rows: usize| {
            Spectrum::of_values(values, (rows, table.embedding_dim()), table.epsilon(), taus)
        };
        let counts = count_rows(table)?;
        self.row_statistics = Some(counts.statistics(&table.factors)?);
        // Sums of rows above the range of f64 have no mean; the table still has its other numbers.
        self.centred = match centred_values(&table.factors, &counts) {
            Err(SpectrumError::Overflow { .. }) => None,
            values => Some(spectrum(values?, table.num_embeddings())),
        };
        let frequencies = table.frequencies.as_ref().filter(|f| f.len() == table.num_embeddings());
        self.weighted = match frequencies {
            None => None,
            Some(frequencies) => {
                let (used, values) = weighted_values(&table.factors, frequencies)?;
                Some(spectrum(values, used))
            }
        };
        Ok(self)
    }

    /// Names and values of the columns of the CSV file that its rows fill.
    pub(super) fn row_cells(&self) -> Vec<(String, String)> {
        let rows = self.row_statistics.as_ref();
        let whole = |value: Option<u64>| value.map(|x| x.to_string()).unwrap_or_default();
        let number = |value: Option<f64>| value.map(|x| x.to_string()).unwrap_or_default();
        let mut cells: Vec<(String, String)> = crate::spectrum::rows::SHARES
            .iter()
            .enumerate()
            .map(|(i, share)| {
                let norm = rows.and_then(|rows| rows.norms.get(i)).map(|quantile| quantile.norm);
                (format!("row_norm_{share}"), number(norm))
            })
            .collect();
        let mut put = |name: &str, value: String| cells.push((name.into(), value));
        put("zero_rows", whole(rows.map(|rows| rows.zero_rows)));
        put("initial_rows", whole(rows.and_then(|rows| rows.initial_rows)));
        put("unused_rows", whole(rows.and_then(|rows| rows.unused_rows)));
        put(
            "unused_initial_rows",
            whole(rows.and_then(|rows| rows.unused_initial_rows)),
        );
        let duplicates = rows.map(|rows| rows.duplicates);
        put("distinct_rows", whole(duplicates.map(|d| d.distinct_rows)));
        put("repeated_rows", whole(duplicates.map(|d| d.repeated_rows)));
        put(
            "repeated_rows_standard_error",
            number(duplicates.map(|d| d.standard_error)),
        );
        put("largest_group", whole(duplicates.and_then(|d| d.largest_group)));
        put("centre_norm", number(rows.map(|rows| rows.centre_norm)));
        put("centre_share", number(rows.and_then(|rows| rows.centre_share)));
        cells
    }
}
