//! A raw source → a prepared data set.
//!
//! Two passes, with memory bounded by the vocabularies. The first reads the source, numbers the categories by first
//! appearance and writes the numbered columns into a scratch file; the second knows how many rows there are and how often
//! each category is used in the training split, and writes the splits. Both happen in a temporary directory beside the
//! target, which gets the target's name at the very end.

mod columns;
mod number;
mod numbering;
mod output;
mod rejected;
mod rows;
mod split_file;
mod spool;
mod staging;
mod tables;
mod values;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::dataset::DatasetError;
use super::schema::{CategoricalFeature, FORMAT, Schema};
use super::source::{BadRow, RawFeatures, Source, SourceError, SourceProgress, SplitRule};
use values::Values;

/// What `mlet prepare` may be asked for besides the source.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Seed of the random split.
    pub seed: u64,
    /// Categories used fewer times than this in the training split share a row.
    pub min_count: Option<u64>,
    /// The largest table; the most frequent categories keep a row of their own.
    pub max_rows_per_table: Option<usize>,
    /// What becomes of bad rows.
    pub bad_rows: BadRows,
    /// Replace a data set that stands in the target's place.
    pub replace: bool,
}

/// What becomes of a raw row that cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BadRows {
    /// It ends the preparation; nothing is left behind.
    #[default]
    Fail,
    /// It goes to `rejected.tsv`, with the reason, and is counted.
    Skip,
}

/// Which part of the work is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading the source: bytes.
    Read,
    /// Writing the splits: rows.
    Write,
}

/// How far a preparation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The part.
    pub phase: Phase,
    /// Bytes or rows done, and out of how many if that is known.
    pub work: SourceProgress,
    /// Rows read.
    pub rows: u64,
}

/// Called between chunks of rows; `Break` ends the preparation with [`PrepareError::Interrupted`].
pub type OnProgress<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// Why a data set could not be prepared. Nothing is left of it then.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A bad row, under [`BadRows::Fail`].
    #[error("{0} (--bad-rows skip leaves such rows out)")]
    BadRow(Box<BadRow>),
    /// The source could not be read on.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file could not be written, or something stands in the way.
    #[error("{}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the data set could not be written.
    #[error("{}", path.display())]
    Arrow {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: arrow_schema::ArrowError,
    },
    /// A vocabulary could not be written.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Something stands where the data set should be.
    #[error("{} exists: {advice}", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// The progress callback asked for the end.
    #[error("interrupted; nothing was written")]
    Interrupted,
    /// The source has no (good) row.
    #[error("{name}: no row could be used ({rejected} were rejected)")]
    Empty {
        /// The source's name.
        name: String,
        /// Rows left out as bad.
        rejected: u64,
    },
    /// The columns cannot become those of a data set.
    #[error("column {name:?}: {message}")]
    Feature {
        /// The column.
        name: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Prepares `source` into the new directory `target` and returns what `dataset.toml` now says.
///
/// The same input, options and seed give the same bytes.
///
/// # Errors
/// Whatever goes wrong; nothing is left behind then.
pub fn prepare(
    source: &mut dyn Source,
    target: &Path,
    options: &Options,
    on_progress: &mut OnProgress<'_>,
) -> Result<Schema, PrepareError> {
    let features = source.features().clone();
    check_features(&features)?;
    let staging = staging::Staging::create(target, options.replace)?;
    let read = number::number(source, &features, options, &staging, on_progress)?;
    let info = source.info()?;
    if read.rows == 0 {
        return Err(PrepareError::Empty {
            name: info.name,
            rejected: read.rejected,
        });
    }
    let rule = source.split_rule();
    let written = output::write(&staging, &features, &read, rule, options, on_progress)?;
    let schema = Schema {
        format: FORMAT,
        kind: source.kind().to_owned(),
        seed: options.seed,
        split_rule: describe(rule, options.seed),
        min_count: options.min_count,
        max_rows_per_table: options.max_rows_per_table,
        rejected: read.rejected,
        dense: features.dense.clone(),
        rows: written.rows,
        positives: written.positives,
        source: info,
        categorical: categorical(&features, &read, &written.tables),
    };
    let path = staging.output().join("dataset.toml");
    let text = toml::to_string(&schema).map_err(|error| PrepareError::Io {
        path: path.clone(),
        source: std::io::Error::other(error),
    })?;
    std::fs::write(&path, text).map_err(|source| PrepareError::Io { path, source })?;
    source.write_extras(&staging.output(), &schema)?;
    staging.publish()?;
    Ok(schema)
}

fn categorical(features: &RawFeatures, read: &number::Read, tables: &[tables::Table]) -> Vec<CategoricalFeature> {
    let columns = features.categorical.iter().zip(&read.longest_bags).zip(tables);
    let feature =
        |((raw, &longest), table): ((&super::source::RawCategorical, &usize), &tables::Table)| CategoricalFeature {
            name: raw.name.clone(),
            num_embeddings: table.len(),
            bag: raw.is_bag,
            max_bag: longest.max(1),
            rare_row: table.rare_row,
        };
    columns.map(feature).collect()
}

/// Names must differ (also as file names where case is not told apart), and there must be a label's worth of columns.
fn check_features(features: &RawFeatures) -> Result<(), PrepareError> {
    let mut seen = std::collections::HashMap::from([("label".to_owned(), "label")]);
    let names = features
        .dense
        .iter()
        .chain(features.categorical.iter().map(|feature| &feature.name));
    for name in names {
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            let message = format!("there is another one called {other:?}, and names must differ in more than case");
            return Err(PrepareError::Feature {
                name: name.clone(),
                message,
            });
        }
    }
    Ok(())
}

/// The split rule in words.
fn describe(rule: SplitRule, seed: u64) -> String {
    let share = |weights: [u32; 3]| {
        let [train, validation, test] = weights;
        format!("train : validation : test = {train} : {validation} : {test}")
    };
    match rule {
        SplitRule::Random(weights) => format!(
            "random by xxh3_64 of the row's number, label and categories with seed {seed}; {}",
            share(weights)
        ),
        SplitRule::InOrder(weights) => format!("in the order of the rows; {}", share(weights)),
        SplitRule::Given => "given by the source".to_owned(),
    }
}

/// Appends the raw value of a table's row to `text`, for the vocabulary.
fn append_value(categories: &Values, table: &tables::Table, row: usize, text: &mut Vec<u8>) {
    match &table.originals {
        _ if table.rare_row == u32::try_from(row).ok() => text.extend_from_slice(super::schema::RARE.as_bytes()),
        Some(originals) => categories.append_to(originals[row] as usize, text),
        None => categories.append_to(row, text),
    }
}
