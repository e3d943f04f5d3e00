//! What a raw reader is: rows of label, dense values and categories, one at a time or in blocks that any thread can parse.

use std::path::Path;

use super::schema::{Schema, SourceInfo};

mod block;
mod example;

pub use block::{Block, Examples};
pub use example::RawExample;

/// The columns that a source yields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawFeatures {
    /// Names of the dense features.
    pub dense: Vec<String>,
    /// The categorical features.
    pub categorical: Vec<RawCategorical>,
}

/// One categorical column of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCategorical {
    /// Its name.
    pub name: String,
    /// Whether an example has a bag of categories rather than exactly one.
    pub is_bag: bool,
}

impl RawFeatures {
    /// Dense features and plain (not bag) categorical ones, by name.
    pub fn plain<D: Into<String>, C: Into<String>>(
        dense: impl IntoIterator<Item = D>,
        categorical: impl IntoIterator<Item = C>,
    ) -> RawFeatures {
        let plain = |name: C| RawCategorical {
            name: name.into(),
            is_bag: false,
        };
        RawFeatures {
            dense: dense.into_iter().map(Into::into).collect(),
            categorical: categorical.into_iter().map(plain).collect(),
        }
    }
}

/// How rows come into their splits. Weights are those of train, validation, test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitRule {
    /// By [`RawExample::hash`], with these probabilities.
    Random([u32; 3]),
    /// In the order of the rows: the first share trains, the next validates, the last tests.
    InOrder([u32; 3]),
    /// Every example says it itself: [`RawExample::split`].
    Given,
}

/// A raw row that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, {unit} {line}, column {column}: {reason}")]
pub struct BadRow {
    /// The file's name (`-` for standard input).
    pub file: String,
    /// What `line` counts: `line` of a text, `row` of a table.
    pub unit: &'static str,
    /// Number of the line or row, from 1.
    pub line: u64,
    /// Number (from 1) or name of the column, or both: `3 (I2)`.
    pub column: String,
    /// What is wrong there.
    pub reason: String,
    /// The row as it stood in the file.
    pub raw: Vec<u8>,
}

/// A failure after which a source cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The input could not be read on: I/O, or a broken compressed stream.
    #[error("{file}, after line {line}")]
    Read {
        /// The file's name.
        file: String,
        /// The last line that was read whole.
        line: u64,
        /// What the system or the decompressor said.
        source: std::io::Error,
    },
    /// The input, or a file that describes it, could not be opened.
    #[error("{file}")]
    Open {
        /// The file's name.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The input is not of the expected kind at all (a wrong header, a missing column).
    #[error("{file}: {message}")]
    Format {
        /// The file's name.
        file: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// Anything else, already worded.
    #[error("{0}")]
    Other(String),
}

/// Why [`Source::next`] did not yield an example.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// This row is bad; the source can go on behind it.
    #[error(transparent)]
    Bad(Box<BadRow>),
    /// The source cannot go on.
    #[error(transparent)]
    Fatal(#[from] SourceError),
}

impl From<BadRow> for RowError {
    fn from(row: BadRow) -> RowError {
        RowError::Bad(Box::new(row))
    }
}

/// How far a source is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceProgress {
    /// Bytes (or rows, for a source without a file) read.
    pub done: u64,
    /// Out of how many, if known.
    pub total: Option<u64>,
}

/// A raw click log.
pub trait Source: Send {
    /// The kind, as it is written into `dataset.toml`: `criteo-kaggle`, `avazu`, …
    fn kind(&self) -> &'static str;

    /// The columns. The same from the start to the end.
    fn features(&self) -> &RawFeatures;

    /// How rows come into their splits.
    fn split_rule(&self) -> SplitRule;

    /// Fills `example` (clearing it first) with the next row; `false` at the end.
    ///
    /// # Errors
    /// [`RowError::Bad`] for a row that can be skipped, [`RowError::Fatal`] when there is no going on.
    fn next(&mut self, example: &mut RawExample) -> Result<bool, RowError>;

    /// Reads on: the next rows, parsed or not; `None` at the end. All rows come in the order of the input, and a failure
    /// where it belongs among them, as the last thing of its block. Use this or [`Source::next`], not both.
    fn read(&mut self) -> Option<Box<dyn Block>> {
        Examples::collect(|example| self.next(example)).map(|examples| Box::new(examples) as Box<dyn Block>)
    }

    /// How far it is.
    fn progress(&self) -> SourceProgress;

    /// Name, size and hash of the input; called once, after the last row.
    ///
    /// # Errors
    /// If the rest of the input cannot be read.
    fn info(&mut self) -> Result<SourceInfo, SourceError>;

    /// Writes what else belongs to the data set into its directory (a planted teacher); called last, before the directory
    /// gets its name.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write_extras(&mut self, _directory: &Path, _schema: &Schema) -> Result<(), SourceError> {
        Ok(())
    }
}
