//! What a prepared data set holds: `dataset.toml`.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};

/// The layout written by this version; [`super::dataset::Dataset::open`] refuses any other.
pub const FORMAT: u32 = 1;

/// The value under which the rare categories of a feature share a row.
pub const RARE: &str = "<rare>";

/// One of the three parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What the model learns from.
    Train,
    /// What choices are made on.
    Validation,
    /// What is reported.
    Test,
}

impl Split {
    /// All three, in the order of [`PerSplit`].
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// `train`, `validation` or `test`: the stem of its file.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A count for each split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerSplit {
    /// Of [`Split::Train`].
    pub train: u64,
    /// Of [`Split::Validation`].
    pub validation: u64,
    /// Of [`Split::Test`].
    pub test: u64,
}

impl PerSplit {
    /// The count of one split.
    pub fn get(&self, split: Split) -> u64 {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    /// The count of one split, to be changed.
    pub fn get_mut(&mut self, split: Split) -> &mut u64 {
        match split {
            Split::Train => &mut self.train,
            Split::Validation => &mut self.validation,
            Split::Test => &mut self.test,
        }
    }

    /// The sum over the splits.
    pub fn total(&self) -> u64 {
        self.train + self.validation + self.test
    }
}

/// Where the rows came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// File name without its directory, `-` for standard input, or what the source says of itself.
    pub name: String,
    /// SHA-256 of the bytes as they were read (of the compressed file, if it was), in lower-case hexadecimal.
    pub sha256: String,
    /// The number of those bytes.
    pub bytes: u64,
}

/// A categorical feature and the size of its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoricalFeature {
    /// The column's name.
    pub name: String,
    /// Rows of the table, n.
    pub num_embeddings: usize,
    /// Whether an example has a bag of categories (summed) rather than exactly one.
    pub bag: bool,
    /// The longest bag in any split; 1 for a plain category.
    pub max_bag: usize,
    /// The row that categories too rare for one of their own share, if there are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rare_row: Option<u32>,
}

/// The content of `dataset.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Version of the layout, [`FORMAT`].
    pub format: u32,
    /// The kind of source: `criteo-kaggle`, `avazu`, `parquet`, `flights`, `planted`.
    pub kind: String,
    /// Seed of the random split (and of a generator).
    pub seed: u64,
    /// In words, how a row came into its split.
    pub split_rule: String,
    /// Categories used less often than this in the training split share a row, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_count: Option<u64>,
    /// The largest table allowed, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows_per_table: Option<usize>,
    /// Raw rows left out by `--bad-rows skip`.
    pub rejected: u64,
    /// Names of the dense features, in column order.
    pub dense: Vec<String>,
    /// Rows of each split.
    pub rows: PerSplit,
    /// Rows of each split with label 1.
    pub positives: PerSplit,
    /// Where the rows came from.
    pub source: SourceInfo,
    /// The categorical features, in column order.
    pub categorical: Vec<CategoricalFeature>,
}

impl Schema {
    /// The Arrow schema of the split files: `label`, the dense features, the categorical ones.
    pub fn arrow(&self) -> arrow_schema::Schema {
        let plain = self
            .categorical
            .iter()
            .map(|feature| (feature.name.as_str(), feature.bag));
        arrow_schema(self.dense.iter().map(String::as_str), plain)
    }

    /// The place of a categorical feature among the categorical ones.
    pub fn categorical_index(&self, name: &str) -> Option<usize> {
        self.categorical.iter().position(|feature| feature.name == name)
    }

    /// Rows of all tables together.
    pub fn total_embeddings(&self) -> u64 {
        self.categorical
            .iter()
            .map(|feature| feature.num_embeddings as u64)
            .sum()
    }
}

/// `label` Float32, dense Float32, then UInt32 or List<UInt32> by (name, is a bag).
pub(super) fn arrow_schema<'a>(
    dense: impl Iterator<Item = &'a str>,
    categorical: impl Iterator<Item = (&'a str, bool)>,
) -> arrow_schema::Schema {
    let mut fields = vec![Field::new("label", DataType::Float32, false)];
    fields.extend(dense.map(|name| Field::new(name, DataType::Float32, false)));
    fields.extend(categorical.map(|(name, bag)| {
        let kind = if bag {
            DataType::List(list_item())
        } else {
            DataType::UInt32
        };
        Field::new(name, kind, false)
    }));
    arrow_schema::Schema::new(fields)
}

/// The item field of a bag column.
pub(super) fn list_item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::UInt32, false))
}
