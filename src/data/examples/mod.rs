//! The examples of one split: random access over a mapped file.

mod batch;
mod column;

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;
use rayon::prelude::*;

use super::arrow_file;
use super::dataset::DatasetError;
use super::schema::Schema;
use batch::{Bags, Batch, check_columns};
use column::Columns;
pub use column::{BagColumn, Column, ListColumn};

/// log₂ of [`BATCH_ROWS`].
const BATCH_SHIFT: u32 = 16;

/// Rows of every record batch of a split file but the last, so that row r is row `r & 0xffff` of batch `r >> 16`.
pub const BATCH_ROWS: usize = 1 << BATCH_SHIFT;

/// Labels, dense values and bags of one split, as columns that point into a mapped file (or into memory).
///
/// `Send` and `Sync`: every thread may read.
#[derive(Debug, Clone)]
pub struct Examples {
    path: PathBuf,
    len: usize,
    batches: Vec<Batch>,
    /// The same, column by column.
    columns: Columns,
}

impl Examples {
    /// Maps a split file and checks it against `schema`.
    ///
    /// # Errors
    /// If it cannot be read, a column is missing or of another type, a record batch but the last has not
    /// [`BATCH_ROWS`] rows, or [`Examples::check`] finds a bad value.
    pub fn open(path: &Path, schema: &Schema) -> Result<Examples, DatasetError> {
        let file = arrow_file::open(path, None)?;
        check_columns(path, &file.schema, &schema.arrow())?;
        let counts: Vec<usize> = file.batches.iter().map(RecordBatch::num_rows).collect();
        if let Some((last, full)) = counts.split_last()
            && (full.iter().any(|&rows| rows != BATCH_ROWS) || *last > BATCH_ROWS)
        {
            let message = format!("a record batch but the last has not exactly {BATCH_ROWS} rows");
            return Err(DatasetError::Inconsistent {
                path: path.to_owned(),
                message,
            });
        }
        let batches: Result<Vec<Batch>, _> = file
            .batches
            .iter()
            .map(|batch| Batch::new(path, batch, schema))
            .collect();
        let shape = [schema.dense.len(), schema.categorical.len()];
        let examples = Self::new(path.to_owned(), counts.iter().sum(), shape, batches?);
        examples.check(schema)?;
        Ok(examples)
    }

    /// Examples from columns in memory: `labels` (B), `dense` M columns of B values, and for each feature
    /// `(offsets, rows)`, where example i has the bag `rows[offsets[i]..offsets[i + 1]]` (so B + 1 offsets from 0).
    ///
    /// # Errors
    /// If a column has another length than the labels, or offsets do not rise from 0 to the number of rows.
    pub fn from_memory(
        labels: Vec<f32>,
        dense: Vec<Vec<f32>>,
        bags: Vec<(Vec<u32>, Vec<u32>)>,
    ) -> Result<Examples, DatasetError> {
        let path = PathBuf::from("(memory)");
        let len = labels.len();
        let wrong = |message| DatasetError::Inconsistent {
            path: path.clone(),
            message,
        };
        if let Some((column, values)) = dense.iter().enumerate().find(|(_, values)| values.len() != len) {
            return Err(wrong(format!(
                "dense column {column} has {} values for {len} labels",
                values.len()
            )));
        }
        for (feature, (offsets, rows)) in bags.iter().enumerate() {
            let sound = offsets.len() == len + 1
                && offsets[0] == 0
                && offsets.is_sorted()
                && offsets[len] as usize == rows.len()
                && i32::try_from(rows.len()).is_ok();
            if !sound {
                return Err(wrong(format!(
                    "the offsets of feature {feature} do not fit {len} labels"
                )));
            }
        }
        let shape = [dense.len(), bags.len()];
        let labels = ScalarBuffer::from(labels);
        let dense: Vec<_> = dense.into_iter().map(ScalarBuffer::from).collect();
        let bags: Vec<(ScalarBuffer<i32>, ScalarBuffer<u32>)> = bags
            .into_iter()
            .map(|(offsets, rows)| (offsets.into_iter().map(|offset| offset as i32).collect(), rows.into()))
            .collect();
        let batches = (0..len).step_by(BATCH_ROWS).map(|start| {
            let rows = BATCH_ROWS.min(len - start);
            Batch {
                labels: labels.slice(start, rows),
                dense: dense.iter().map(|column| column.slice(start, rows)).collect(),
                bags: bags
                    .iter()
                    .map(|(offsets, all)| Bags::List {
                        offsets: offsets.slice(start, rows + 1),
                        rows: all.clone(),
                    })
                    .collect(),
            }
        });
        Ok(Self::new(path, len, shape, batches.collect()))
    }

    /// Examples from columns in memory, every category a plain one: `labels` (B), `dense` M columns and `rows` F columns of B
    /// values.
    ///
    /// # Errors
    /// If a column has another length than the labels.
    pub fn plain(labels: Vec<f32>, dense: Vec<Vec<f32>>, rows: Vec<Vec<u32>>) -> Result<Examples, DatasetError> {
        let len = labels.len();
        let lengths = dense.iter().map(Vec::len).chain(rows.iter().map(Vec::len));
        if let Some(wrong) = lengths.into_iter().find(|&length| length != len) {
            return Err(DatasetError::Inconsistent {
                path: PathBuf::from("(memory)"),
                message: format!("a column has {wrong} values for {len} labels"),
            });
        }
        let shape = [dense.len(), rows.len()];
        let labels = ScalarBuffer::from(labels);
        let dense: Vec<_> = dense.into_iter().map(ScalarBuffer::from).collect();
        let rows: Vec<_> = rows.into_iter().map(ScalarBuffer::from).collect();
        let batches = (0..len).step_by(BATCH_ROWS).map(|start| {
            let count = BATCH_ROWS.min(len - start);
            Batch {
                labels: labels.slice(start, count),
                dense: dense.iter().map(|column| column.slice(start, count)).collect(),
                bags: rows
                    .iter()
                    .map(|column| Bags::Plain(column.slice(start, count)))
                    .collect(),
            }
        });
        Ok(Self::new(PathBuf::from("(memory)"), len, shape, batches.collect()))
    }

    fn new(path: PathBuf, len: usize, [num_dense, num_features]: [usize; 2], batches: Vec<Batch>) -> Examples {
        Examples {
            path,
            len,
            columns: Columns::new(&batches, num_dense, num_features),
            batches,
        }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of dense features, M.
    pub fn num_dense(&self) -> usize {
        self.columns.dense.len()
    }

    /// Number of categorical features, F.
    pub fn num_features(&self) -> usize {
        self.columns.bags.len()
    }

    /// The labels: 0 or 1.
    pub fn labels(&self) -> &Column<f32> {
        &self.columns.labels
    }

    /// The dense columns.
    pub fn dense_columns(&self) -> &[Column<f32>] {
        &self.columns.dense
    }

    /// The categorical columns.
    pub fn bag_columns(&self) -> &[BagColumn] {
        &self.columns.bags
    }

    /// The label of an example: 0 or 1.
    ///
    /// # Panics
    /// As all accessors: if `row ≥ len()`.
    #[inline]
    pub fn label(&self, row: usize) -> f32 {
        self.columns.labels.get(row)
    }

    /// A dense value of an example.
    #[inline]
    pub fn dense(&self, row: usize, column: usize) -> f32 {
        self.columns.dense[column].get(row)
    }

    /// The bag of an example: rows of the feature's table. A plain category is a bag of length one.
    #[inline]
    pub fn bag(&self, row: usize, feature: usize) -> &[u32] {
        self.columns.bags[feature].bag(row)
    }

    /// Its features and behind them those of as many other examples.
    #[cfg(test)]
    pub(crate) fn beside(mut self, other: &Examples) -> Examples {
        assert_eq!(self.len, other.len);
        self.columns.bags.extend_from_slice(&other.columns.bags);
        self
    }

    /// Scans every value once: labels are 0 or 1, dense values finite, row numbers below `num_embeddings`, bags no
    /// longer than `max_bag`.
    ///
    /// # Errors
    /// The first value in file order that is none of this, with its row and column.
    pub fn check(&self, schema: &Schema) -> Result<(), DatasetError> {
        if self.num_dense() != schema.dense.len() || self.num_features() != schema.categorical.len() {
            let message = format!(
                "{} dense and {} categorical columns where the schema has {} and {}",
                self.num_dense(),
                self.num_features(),
                schema.dense.len(),
                schema.categorical.len()
            );
            return Err(DatasetError::Inconsistent {
                path: self.path.clone(),
                message,
            });
        }
        let first = self.batches.par_iter().enumerate().filter_map(|(number, batch)| {
            batch
                .first_bad_value(schema)
                .map(|(index, column, message)| DatasetError::Value {
                    path: self.path.clone(),
                    row: (number << BATCH_SHIFT) + index,
                    column,
                    message,
                })
        });
        first.find_first(|_| true).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
