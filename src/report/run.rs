//! From paths to a report on disk.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::page::{self, PageError, Preface};
use super::record::{Feature, Model, Report};
use super::{exact, history};
use crate::spectrum::SpectrumError;
use crate::spectrum::sources::{self, LeftOut, Source, SourceError};

/// What to report, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// From how many uses in training a row counts as frequent.
    pub min_frequency: u64,
    /// The τ of `rank_at`, the one shown first.
    pub taus: Vec<f64>,
    /// Which tensors are tables, beside the rule.
    pub tables: sources::Options,
    /// Whether counts that the intervals leave open are decided over the integers.
    pub exact: bool,
    /// Whether to look at the rows of each table too.
    pub row_statistics: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            min_frequency: 20,
            taus: vec![0.01],
            tables: sources::Options::default(),
            exact: false,
            row_statistics: true,
        }
    }
}

/// What is being done, for a progress bar.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Reading an input.
    Reading(PathBuf),
    /// Decomposing a table of the model named: done, of how many, the feature.
    Measuring(String, usize, usize, String),
    /// Drawing: done, of how many.
    Drawing(usize, usize),
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// An input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A table has no spectrum.
    #[error("{}: feature `{feature}`", path.display())]
    Spectrum {
        /// The input.
        path: PathBuf,
        /// The feature.
        feature: String,
        /// What is wrong with it.
        source: SpectrumError,
    },
    /// Two inputs would have the same name.
    #[error("two inputs are called `{name}`: name each with --name")]
    SameName {
        /// The name.
        name: String,
    },
    /// The page cannot be made.
    #[error(transparent)]
    Page(#[from] PageError),
    /// A file cannot be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Reads and measures every input: (path, name in the report or none for the file's own).
///
/// # Errors
/// [`ReportError`].
pub fn measure(
    inputs: &[(PathBuf, Option<String>)],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, ReportError> {
    let mut models: Vec<Model> = Vec::new();
    let names = names(inputs)?;
    for ((path, _), name) in inputs.iter().zip(names) {
        progress(Progress::Reading(path.clone()));
        let source = sources::open_with(path, &options.tables)?;
        models.push(model(source, name, options, progress)?);
    }
    Ok(Report {
        models,
        taus: options.taus.clone(),
        min_frequency: options.min_frequency,
    })
}

/// Distinct names: as given, or the file's stem, or as much of the path as tells it from the others.
fn names(inputs: &[(PathBuf, Option<String>)]) -> Result<Vec<String>, ReportError> {
    let parts: Vec<Vec<String>> = inputs
        .iter()
        .map(|(path, _)| {
            let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
            let whole = if whole.is_dir() {
                whole
            } else {
                whole.with_extension("")
            };
            whole
                .components()
                .map(|c| c.as_os_str().to_string_lossy().into_owned())
                .collect()
        })
        .collect();
    let tail = |i: usize, depth: usize| parts[i][parts[i].len().saturating_sub(depth)..].join("/");
    let mut names: Vec<String> = Vec::new();
    for (i, (_, given)) in inputs.iter().enumerate() {
        let deepest = parts[i].len().max(1);
        let clash =
            |depth| (0..inputs.len()).any(|j| j != i && inputs[j].1.is_none() && tail(j, depth) == tail(i, depth));
        let own = (1..=deepest).find(|&depth| !clash(depth)).unwrap_or(deepest);
        names.push(given.clone().unwrap_or_else(|| tail(i, own)));
    }
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            return Err(ReportError::SameName { name: name.clone() });
        }
    }
    Ok(names)
}

fn model(
    source: Source,
    name: String,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Model, ReportError> {
    let Source {
        path,
        mut tables,
        left_out,
        ..
    } = source;
    // A folder may also be a set of shards.
    let (mut notes, snapshots) = if path.join("checkpoint.safetensors").is_file() {
        (history::join(&path, &mut tables), history::snapshots(&path))
    } else {
        (Vec::new(), Vec::new())
    };
    let count = tables.len();
    let mut features = Vec::with_capacity(count);
    let (mut failed, mut first) = (Vec::new(), None);
    for (done, table) in tables.into_iter().enumerate() {
        progress(Progress::Measuring(name.clone(), done, count, table.name.clone()));
        let mut feature = Feature::of(&table, options.min_frequency, &options.taus);
        if options.row_statistics {
            feature = feature.and_then(|feature| feature.with_rows(&table, &options.taus));
        }
        match feature {
            Ok(mut feature) => {
                let looks = snapshots.iter().filter(|look| look.feature == feature.name);
                feature.history = Some(looks.cloned().collect()).filter(|looks: &Vec<_>| !looks.is_empty());
                if options.exact {
                    notes.extend(exact::decide(&mut feature, &table, options.min_frequency));
                }
                features.push(feature);
            }
            Err(error) => {
                let reason = error.to_string();
                notes.push(format!("`{}` is not measured: {reason}", table.name));
                failed.push(LeftOut {
                    name: table.name.clone(),
                    reason,
                });
                first.get_or_insert((table.name, error));
            }
        }
    }
    // One bad table does not hide the others; nothing but bad tables is no report.
    if let (true, Some((feature, source))) = (features.is_empty(), first) {
        return Err(ReportError::Spectrum { path, feature, source });
    }
    features.sort_by(|a, b| b.size().cmp(&a.size()).then(a.name.cmp(&b.name)));
    Ok(Model {
        name,
        features,
        left_out,
        failed,
        notes,
    })
}

/// Writes `spectrum.json`, `spectrum.csv`, `singular_values.csv`, `spectrum.parquet`, `report.html` and `plots/*.png` into `out`, each beside its place and then
/// renamed over it. The page comes last: where it stands, all that it refers to stands too. Gives its path.
///
/// # Errors
/// [`ReportError::Page`], [`ReportError::Write`].
pub fn write(report: &Report, out: &Path, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, ReportError> {
    write_with(report, None, out, progress)
}

/// As [`write()`], with something said before the spectra.
///
/// # Errors
/// As [`write()`].
pub fn write_with(
    report: &Report,
    preface: Option<&Preface>,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, ReportError> {
    let folder = out.join("plots");
    std::fs::create_dir_all(&folder).map_err(|source| ReportError::Write {
        path: folder.clone(),
        source,
    })?;
    let plots =
        page::plots(report, &mut |done, all| progress(Progress::Drawing(done, all))).map_err(PageError::from)?;
    for plot in plots.all() {
        replace(&folder.join(format!("{}.png", plot.name)), &plot.plot.png)?;
    }
    replace(&out.join("spectrum.json"), report.json().as_bytes())?;
    for (name, text) in [
        ("spectrum.csv", report.csv()),
        ("singular_values.csv", report.singular_values_csv()),
    ] {
        let path = out.join(name);
        let text = text.map_err(|e| ReportError::Write {
            path: path.clone(),
            source: std::io::Error::other(e),
        })?;
        replace(&path, text.as_bytes())?;
    }
    let parquet = out.join("spectrum.parquet");
    let bytes = super::parquet::parquet(report).map_err(|e| ReportError::Write {
        path: parquet.clone(),
        source: std::io::Error::other(e),
    })?;
    replace(&parquet, &bytes)?;
    let page = out.join("report.html");
    replace(&page, page::page(report, &plots, preface)?.as_bytes())?;
    Ok(page)
}

/// Writes a file beside its place and renames it over.
///
/// # Errors
/// [`ReportError::Write`].
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let attempt = || -> std::io::Result<()> {
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut beside = tempfile::NamedTempFile::new_in(folder)?;
        beside.write_all(bytes)?;
        crate::model::publish(beside, path)
    };
    attempt().map_err(|source| ReportError::Write {
        path: path.to_path_buf(),
        source,
    })
}
