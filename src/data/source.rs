//! What a raw reader is: rows of label, dense values and categories, one at a time.

use std::path::Path;

use super::schema::{Schema, SourceInfo, Split};

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

/// One raw example; the reader of a source fills the same one again and again.
///
/// Categories are kept as bytes in one buffer. They must be UTF-8: a source reports others as a bad row.
#[derive(Debug, Clone, Default)]
pub struct RawExample {
    /// The label.
    pub label: bool,
    /// One finite value for each of [`RawFeatures::dense`], already transformed.
    pub dense: Vec<f32>,
    /// The split, if the source itself decides ([`SplitRule::Given`]).
    pub split: Option<Split>,
    bytes: Vec<u8>,
    /// End in `bytes` of each value.
    value_ends: Vec<usize>,
    /// End in `value_ends` of each bag.
    bag_ends: Vec<usize>,
}

impl RawExample {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.label = false;
        self.split = None;
        self.dense.clear();
        self.bytes.clear();
        self.value_ends.clear();
        self.bag_ends.clear();
    }

    /// Appends the next feature, a plain one: a bag of this one category.
    pub fn push_category(&mut self, category: &[u8]) {
        self.push_to_bag(category);
        self.end_bag();
    }

    /// Adds a category to the bag of the next feature. The bag is complete with [`RawExample::end_bag`].
    pub fn push_to_bag(&mut self, category: &[u8]) {
        self.bytes.extend_from_slice(category);
        self.value_ends.push(self.bytes.len());
    }

    /// Ends the bag of the next feature; with nothing pushed before, an empty one.
    pub fn end_bag(&mut self) {
        self.bag_ends.push(self.value_ends.len());
    }

    /// Number of features pushed so far.
    pub fn num_features(&self) -> usize {
        self.bag_ends.len()
    }

    /// The categories of a feature.
    ///
    /// # Panics
    /// If `feature ≥ num_features()`.
    pub fn bag(&self, feature: usize) -> impl ExactSizeIterator<Item = &[u8]> {
        let first = if feature == 0 { 0 } else { self.bag_ends[feature - 1] };
        (first..self.bag_ends[feature]).map(|value| self.value(value))
    }

    fn value(&self, value: usize) -> &[u8] {
        let start = if value == 0 { 0 } else { self.value_ends[value - 1] };
        &self.bytes[start..self.value_ends[value]]
    }

    /// A hash (xxh3, 64 bits) of the label, the categories and `row`, with `seed`: what decides a random split.
    ///
    /// It sees the parsed values, so that the same rows in another container fall into the same splits; and not the dense
    /// values, so that no rounding of a transformation can move a row.
    pub fn hash(&self, row: u64, seed: u64) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(seed);
        hasher.update(&row.to_le_bytes());
        hasher.update(&[u8::from(self.label)]);
        for feature in 0..self.num_features() {
            let bag = self.bag(feature);
            hasher.update(&(bag.len() as u64).to_le_bytes());
            for category in bag {
                hasher.update(&(category.len() as u64).to_le_bytes());
                hasher.update(category);
            }
        }
        hasher.digest()
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

    /// How far it is.
    fn progress(&self) -> SourceProgress;

    /// Name, size and hash of the input; called once, after [`Source::next`] returned `false`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bags_come_back_as_pushed() {
        let mut example = RawExample::default();
        for _ in 0..2 {
            example.clear();
            example.push_category(b"a");
            example.push_category(b"");
            example.end_bag();
            example.push_to_bag(b"xy");
            example.push_to_bag(b"z");
            example.end_bag();
            let bags: Vec<Vec<&[u8]>> = (0..4).map(|feature| example.bag(feature).collect()).collect();
            assert_eq!(bags, [vec![&b"a"[..]], vec![b""], vec![], vec![b"xy", b"z"]]);
        }
    }

    #[test]
    fn hash_tells_apart_what_concatenates_alike() {
        let mut one = RawExample::default();
        one.push_category(b"ab");
        one.push_category(b"");
        let mut other = RawExample::default();
        other.push_category(b"a");
        other.push_category(b"b");
        assert_ne!(one.hash(0, 0), other.hash(0, 0));
        assert_ne!(one.hash(0, 0), one.hash(1, 0));
        assert_ne!(one.hash(0, 0), one.hash(0, 1));
        assert_eq!(one.hash(5, 7), one.clone().hash(5, 7));
    }
}
