//! What can go wrong when a model is compressed.

use crate::model::checkpoint::CheckpointError;
use crate::spectrum::SpectrumError;
use crate::spectrum::advice::TooSmall;
use crate::spectrum::sources::SourceError;
use crate::spectrum::table::Table;
use crate::train::error::TrainError;
use std::path::PathBuf;

/// Why there is no compressed model.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// The model cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The file cannot be read as a checkpoint, or not be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A table has no spectrum.
    #[error("table `{table}`: {source}")]
    Table {
        /// The table.
        table: String,
        /// Why.
        source: SpectrumError,
    },
    /// The budget is below the least.
    #[error(transparent)]
    Budget(#[from] TooSmall),
    /// A rank for a feature that is not there.
    #[error("there is no feature `{feature}`; there are {known} (put quotes round a name with dots)")]
    NoFeature {
        /// The name.
        feature: String,
        /// Those there are.
        known: String,
    },
    /// A rank that the table cannot have.
    #[error("feature `{feature}`: a {rows}×{cols} table has no rank {rank}: give 1 to {}", rows.min(cols))]
    Rank {
        /// The feature.
        feature: String,
        /// What was asked for.
        rank: usize,
        /// n.
        rows: usize,
        /// d.
        cols: usize,
    },
    /// A matrix of an mlet model that is no embedding.
    #[error("`{0}` is no embedding table of this model: leave it out of --include")]
    NotATable(String),
    /// A number that the stored type cannot hold.
    #[error(
        "table `{0}`: its truncation has numbers too great for the type it is stored in: leave it out with --exclude"
    )]
    Overflow(String),
    /// The file to be written is one that is read.
    #[error("{0} is the model itself: choose another --out")]
    Same(PathBuf),
    /// The quality of a model that mlet cannot run.
    #[error(
        "{0} was not written by mlet: how its tables meet is not known, so its LogLoss cannot be measured (leave out --data)"
    )]
    Foreign(PathBuf),
    /// The model cannot be evaluated.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Ctrl-C.
    #[error("stopped: nothing was written")]
    Stopped,
}

impl CompressError {
    pub(super) fn table(table: &Table, source: SpectrumError) -> Self {
        Self::Table {
            table: table.name.clone(),
            source,
        }
    }
}
