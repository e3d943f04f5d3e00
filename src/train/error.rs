//! What can go wrong with a run.

use super::engine::EngineError;
use super::memory::TooMuch;
use crate::data::dataset::DatasetError;
use crate::data::loader::LoaderError;
use crate::model::checkpoint::CheckpointError;
use crate::model::config::ConfigError;
use crate::spectrum::decompose::DecomposeError;
use crate::theory::velocity::VelocityError;
use std::path::{Path, PathBuf};

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data set.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A batch.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The backend.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The memory does not suffice.
    #[error(transparent)]
    Memory(#[from] TooMuch),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file
        path: PathBuf,
        /// Why
        source: std::io::Error,
    },
    /// The folder already holds a run.
    #[error("{0} already holds a run: choose another --out, or go on with --resume {0}")]
    Exists(PathBuf),
    /// The run was made on other data.
    #[error("{run} was trained on a data set with source hash {expected}, but {data} has {found}")]
    OtherData {
        /// The run
        run: PathBuf,
        /// The data set
        data: PathBuf,
        /// Hash in the checkpoint
        expected: String,
        /// Hash of the data set
        found: String,
    },
    /// Balanced factors could not be made.
    #[error("the balanced factors of `{feature}`: {source}")]
    Initialize {
        /// The feature whose table it is
        feature: String,
        /// Why
        source: DecomposeError,
    },
    /// There is nothing to collapse.
    #[error("{0} is collapsed already")]
    AlreadyCollapsed(PathBuf),
    /// There is no table to train.
    #[error("{0} has no categorical feature, so there is no table to train")]
    NoTables(PathBuf),
    /// A feature that the data set has not.
    #[error("there is no feature {feature} in the data set; there are {known}")]
    NoFeature {
        /// The name
        feature: String,
        /// The data set's features
        known: String,
    },
    /// The factors are gone.
    #[error("{0} is a collapsed model: its factors are gone; give the folder of the run it was made from")]
    Collapsed(PathBuf),
    /// A checkpoint without its run.
    #[error("{0} is a file: give the folder of the run, whose config.toml says where the data set lies")]
    NotAFolder(PathBuf),
    /// One factor, or more than two.
    #[error("{run} has tables of {depth} factor(s); the statements checked are about two: train with --inner-dim K")]
    NotTwoLayers {
        /// The run
        run: PathBuf,
        /// N
        depth: usize,
    },
    /// NaN or ±∞ in a checkpoint.
    #[error(
        "{path}: tensor {tensor} holds {value} at row {row}, column {column} (both counted from 0): did training diverge?"
    )]
    NotFinite {
        /// The file
        path: PathBuf,
        /// Its name
        tensor: String,
        /// What lies there
        value: f32,
        /// Row, from 0
        row: usize,
        /// Column, from 0
        column: usize,
    },
    /// How singular values move cannot be said.
    #[error("the dynamics of {feature} at step {step}: {source}")]
    Dynamics {
        /// The feature
        feature: String,
        /// Steps done
        step: u64,
        /// Why
        source: VelocityError,
    },
    /// A table's singular values cannot be had.
    #[error(
        "the table of {feature} holds numbers that are not finite after {step} steps: training diverged; try a smaller --learning-rate"
    )]
    TableNotFinite {
        /// The feature
        feature: String,
        /// Steps done
        step: u64,
    },
    /// Row numbers do not fit 32 bits.
    #[error("{data}: {what} is {size}, more than the 4,294,967,295 that 32-bit numbers count: {remedy}")]
    TooLarge {
        /// The data set
        data: PathBuf,
        /// What is too large
        what: &'static str,
        /// How large it is
        size: u64,
        /// What to do
        remedy: &'static str,
    },
    /// The training split has no rows.
    #[error("{0} has no training examples")]
    Empty(PathBuf),
    /// The loss is not a number any more.
    #[error(
        "the loss is {loss} at step {step}: lower optimizer.learning_rate (now {rate}) or optimizer.embedding_lr_scale"
    )]
    Diverged {
        /// What it is
        loss: f64,
        /// Since when
        step: u64,
        /// η
        rate: f64,
    },
}

impl TrainError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}
