//! What compressing a model did: `….compress.json`, and its quality against bytes as CSV and plot.

use super::plots::{PlotError, QualityLine, quality};
use crate::train::compress::quality::{Point, Way};
use crate::train::compress::{Choice, Compressed};
use crate::train::metrics::Quality;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// LogLoss, AUC … of one split, before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BeforeAfter {
    /// The split measured.
    pub split: &'static str,
    /// The model as it was.
    pub before: Quality,
    /// The file written.
    pub after: Quality,
}

/// All that is said of a compression.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// The model as it was given.
    pub model: PathBuf,
    /// The goal as it was given: `--energy 0.99`, ….
    pub goal: String,
    /// Bytes of all tables before.
    pub stored_bytes: u64,
    /// Bytes of all tables written.
    pub bytes: u64,
    /// `Σ_t Σ_{i>d'} σ²/n_t` over `Σ_t Σσ²/n_t`: what is minimised under a budget.
    pub loss: f64,
    /// Under a budget: no choice within it loses less.
    pub least_loss: Option<f64>,
    /// A table each.
    pub tables: Vec<Compressed>,
    /// The quality, where data were given.
    pub quality: Option<BeforeAfter>,
    /// The quality at other sizes, on the validation split.
    pub curve: Vec<Point>,
}

impl Record {
    /// A record without quality.
    pub fn new(model: &Path, goal: String, stored_bytes: u64, choice: &Choice, tables: Vec<Compressed>) -> Self {
        Self {
            model: model.into(),
            goal,
            stored_bytes,
            bytes: choice.bytes,
            loss: choice.loss,
            least_loss: choice.least_loss,
            tables,
            quality: None,
            curve: Vec::new(),
        }
    }
}

/// Why the record could not be written.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// The file system said no.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The plot.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The CSV writer ran out of memory.
    #[error(transparent)]
    Csv(#[from] csv::Error),
}

/// Writes `<stem>.compress.json` beside the compressed model `out`, and, where there is a curve, `<stem>.quality.csv`, `.svg` and
/// `.png`; `before` is the uncompressed model's LogLoss on the curve's split. Returns the files written.
///
/// # Errors
/// [`QualityError`].
pub fn write(record: &Record, before: Option<f64>, out: &Path) -> Result<Vec<PathBuf>, QualityError> {
    let mut files = Vec::new();
    let mut put = |extension: &str, bytes: &[u8]| {
        let path = out.with_extension(extension);
        let written = std::fs::write(&path, bytes);
        written.map_err(|source| QualityError::Write {
            path: path.clone(),
            source,
        })?;
        files.push(path);
        Ok::<_, QualityError>(())
    };
    // Strings and numbers: nothing that JSON cannot hold.
    let json = serde_json::to_string_pretty(record).expect("a record of strings and numbers") + "\n";
    put("compress.json", json.as_bytes())?;
    if let (Some(before), false) = (before, record.curve.is_empty()) {
        put("quality.csv", &csv(&record.curve)?)?;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let line = |way: Way, name: &str| {
            let points = record.curve.iter().filter(|point| point.way == way);
            let mut points: Vec<(f64, f64)> = points.map(|p| (megabytes(p.bytes), p.quality.log_loss)).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            QualityLine {
                name: name.into(),
                points,
            }
        };
        let lines = [
            line(Way::Energy, "every table alike"),
            line(Way::Budget, "one budget for all"),
        ];
        let title = "LogLoss on the validation split against the size of the tables";
        let plot = quality(title, (megabytes(record.stored_bytes), before), &lines)?;
        put("quality.svg", plot.svg.as_bytes())?;
        put("quality.png", &plot.png)?;
    }
    Ok(files)
}

fn csv(points: &[Point]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["way", "energy", "bytes", "log_loss", "auc"])?;
    for point in points {
        let way = match point.way {
            Way::Energy => "energy",
            Way::Budget => "budget",
        };
        let auc = point.quality.auc.map(|auc| auc.to_string()).unwrap_or_default();
        let loss = point.quality.log_loss.to_string();
        writer.write_record([way, &point.energy.to_string(), &point.bytes.to_string(), &loss, &auc])?;
    }
    writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))
}
