//! A report of a table that was measured in parts, without its rows.

use super::record::{Feature, Model, Spectrum};
use super::run::{Options, ReportError};
use crate::spectrum::advice;
use crate::spectrum::partial::{Partial, PartialTable};
use crate::spectrum::sources::LeftOut;
use crate::spectrum::{SpectrumError, table::Factor};
use std::path::Path;

/// The model that parts add up to; `path` names them in errors.
///
/// # Errors
/// [`ReportError::Spectrum`] where no table can be measured.
pub fn model(partial: Partial, name: String, path: &Path, options: &Options) -> Result<Model, ReportError> {
    let mut notes = vec![format!(
        "Added up from {} parts, which hold sums over the rows and no row: what needs the rows themselves is not known (statistics of \
         rows, the spectra without the mean and weighted by use, the table before training, frequent rows). `mlet spectrum` on \
         the whole table has it.",
        partial.parts.len()
    )];
    let (mut features, mut failed) = (Vec::new(), partial.failed);
    for LeftOut { name, reason } in &failed {
        notes.push(format!("`{name}` is not measured: {reason}"));
    }
    let mut first = None;
    for table in &partial.tables {
        match feature(table, &options.taus) {
            Ok(feature) => features.push(feature),
            Err(error) => {
                let reason = error.to_string();
                notes.push(format!("`{}` is not measured: {reason}", table.name));
                failed.push(LeftOut {
                    name: table.name.clone(),
                    reason,
                });
                first.get_or_insert((table.name.clone(), error));
            }
        }
    }
    if let (true, Some((feature, source))) = (features.is_empty(), first) {
        let path = path.to_path_buf();
        return Err(ReportError::Spectrum { path, feature, source });
    }
    features.sort_by(|a, b| b.size().cmp(&a.size()).then(a.name.cmp(&b.name)));
    Ok(Model {
        name,
        features,
        left_out: partial.left_out,
        failed,
        notes,
    })
}

fn feature(table: &PartialTable, taus: &[f64]) -> Result<Feature, SpectrumError> {
    let size = table.size();
    let epsilon = table
        .rest
        .iter()
        .map(|factor| factor.epsilon)
        .fold(table.epsilon, f64::max);
    let spectrum = Spectrum::of_values(table.values()?, (size.rows, size.cols), epsilon, taus);
    Ok(Feature {
        name: table.name.clone(),
        n: size.rows,
        d: size.cols,
        inner_dim: (!table.rest.is_empty()).then_some(table.gram.cols),
        depth: 1 + table.rest.len(),
        parameters: size.rows.saturating_mul(table.gram.cols) + table.rest.iter().map(Factor::len).sum::<usize>(),
        advice: advice::advice(&spectrum.singular_values, &size, &advice::SHARES),
        spectrum,
        initial: None,
        frequent: None,
        // A part keeps no rows.
        row_statistics: None,
        centred: None,
        weighted: None,
        history: None,
    })
}
