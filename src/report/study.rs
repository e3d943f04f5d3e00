//! A study's results on disk.

use super::run::{ReportError, replace};
use crate::study::{Results, table};
use std::path::Path;

/// Writes `results.csv`, `results_by_frequency.csv`, `results.json` and `results.md` into `out`, each beside its place and
/// then renamed over it.
///
/// # Errors
/// [`ReportError::Write`].
pub fn write_results(results: &Results, out: &Path) -> Result<(), ReportError> {
    let text = |name: &str, csv: Result<String, csv::Error>| {
        csv.map_err(|error| ReportError::Write {
            path: out.join(name),
            source: std::io::Error::other(error),
        })
    };
    let files = [
        ("results.csv", text("results.csv", results.csv())?),
        (
            "results_by_frequency.csv",
            text("results_by_frequency.csv", results.by_frequency_csv())?,
        ),
        ("results.json", results.json()),
        ("results.md", table::document(results)),
    ];
    for (name, text) in files {
        replace(&out.join(name), text.as_bytes())?;
    }
    Ok(())
}
