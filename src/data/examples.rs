//! The examples of one split: random access over a mapped file.

use std::path::{Path, PathBuf};

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, RecordBatch};
use arrow_buffer::ScalarBuffer;
use rayon::prelude::*;

use super::arrow_file;
use super::dataset::DatasetError;
use super::schema::Schema;

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
    num_dense: usize,
    num_features: usize,
    batches: Vec<Batch>,
}

/// The typed columns of one record batch.
#[derive(Debug, Clone)]
struct Batch {
    labels: ScalarBuffer<f32>,
    dense: Vec<ScalarBuffer<f32>>,
    bags: Vec<Bags>,
}

/// One categorical column of one record batch.
#[derive(Debug, Clone)]
enum Bags {
    /// One row number an example.
    Plain(ScalarBuffer<u32>),
    /// Example i has `rows[offsets[i]..offsets[i + 1]]`.
    List {
        offsets: ScalarBuffer<i32>,
        rows: ScalarBuffer<u32>,
    },
}

impl Bags {
    #[inline]
    fn bag(&self, index: usize) -> &[u32] {
        match self {
            Bags::Plain(rows) => std::slice::from_ref(&rows[index]),
            Bags::List { offsets, rows } => &rows[offsets[index] as usize..offsets[index + 1] as usize],
        }
    }
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
        let batches: Result<_, _> = file
            .batches
            .iter()
            .map(|batch| Batch::new(path, batch, schema))
            .collect();
        let examples = Examples {
            path: path.to_owned(),
            len: counts.iter().sum(),
            num_dense: schema.dense.len(),
            num_features: schema.categorical.len(),
            batches: batches?,
        };
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
        for (column, values) in dense.iter().enumerate().filter(|(_, values)| values.len() != len) {
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
        let (num_dense, num_features) = (dense.len(), bags.len());
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
        Ok(Examples {
            batches: batches.collect(),
            path,
            len,
            num_dense,
            num_features,
        })
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
        self.num_dense
    }

    /// Number of categorical features, F.
    pub fn num_features(&self) -> usize {
        self.num_features
    }

    /// The label of an example: 0 or 1.
    ///
    /// # Panics
    /// As all accessors: if `row ≥ len()`.
    #[inline]
    pub fn label(&self, row: usize) -> f32 {
        let (batch, index) = self.locate(row);
        batch.labels[index]
    }

    /// A dense value of an example.
    #[inline]
    pub fn dense(&self, row: usize, column: usize) -> f32 {
        let (batch, index) = self.locate(row);
        batch.dense[column][index]
    }

    /// The bag of an example: rows of the feature's table. A plain category is a bag of length one.
    #[inline]
    pub fn bag(&self, row: usize, feature: usize) -> &[u32] {
        let (batch, index) = self.locate(row);
        batch.bags[feature].bag(index)
    }

    #[inline]
    fn locate(&self, row: usize) -> (&Batch, usize) {
        (&self.batches[row >> BATCH_SHIFT], row & (BATCH_ROWS - 1))
    }

    /// Scans every value once: labels are 0 or 1, dense values finite, row numbers below `num_embeddings`, bags no
    /// longer than `max_bag`.
    ///
    /// # Errors
    /// The first value in file order that is none of this, with its row and column.
    pub fn check(&self, schema: &Schema) -> Result<(), DatasetError> {
        if self.num_dense != schema.dense.len() || self.num_features != schema.categorical.len() {
            let message = format!(
                "{} dense and {} categorical columns where the schema has {} and {}",
                self.num_dense,
                self.num_features,
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

impl Batch {
    fn new(path: &Path, batch: &RecordBatch, schema: &Schema) -> Result<Batch, DatasetError> {
        let column = |index: usize| (batch.column(index), schema_name(batch, index));
        let bad = |array: &ArrayRef, name: &str| DatasetError::Column {
            path: path.to_owned(),
            column: name.to_owned(),
            message: format!("{} with {} nulls cannot be read", array.data_type(), array.null_count()),
        };
        let floats = |index: usize| {
            let (array, name) = column(index);
            let typed = array.as_any().downcast_ref::<PrimitiveArray<Float32Type>>();
            typed
                .filter(|a| a.null_count() == 0)
                .map(|a| a.values().clone())
                .ok_or_else(|| bad(array, name))
        };
        let bags = |index: usize| {
            let (array, name) = column(index);
            Bags::new(array).ok_or_else(|| bad(array, name))
        };
        let first_bag = 1 + schema.dense.len();
        Ok(Batch {
            labels: floats(0)?,
            dense: (1..first_bag).map(floats).collect::<Result<_, _>>()?,
            bags: (first_bag..first_bag + schema.categorical.len())
                .map(bags)
                .collect::<Result<_, _>>()?,
        })
    }

    /// (index, column, what is wrong) of the first column that holds a bad value.
    fn first_bad_value(&self, schema: &Schema) -> Option<(usize, String, String)> {
        if let Some(index) = self.labels.iter().position(|&label| label != 0.0 && label != 1.0) {
            return Some((
                index,
                "label".to_owned(),
                format!("{} is not 0 or 1", self.labels[index]),
            ));
        }
        for (values, name) in self.dense.iter().zip(&schema.dense) {
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                return Some((index, name.clone(), format!("{} is not finite", values[index])));
            }
        }
        for (bags, feature) in self.bags.iter().zip(&schema.categorical) {
            if let Some(index) = bags.first_bad(self.labels.len(), feature.num_embeddings, feature.max_bag) {
                let (bag, n, longest) = (bags.bag(index), feature.num_embeddings, feature.max_bag);
                let message = match bag.iter().find(|&&row| row as usize >= n) {
                    Some(row) => format!("row {row} of a table with {n} rows"),
                    None => format!("a bag of {} where dataset.toml says at most {longest}", bag.len()),
                };
                return Some((index, feature.name.clone(), message));
            }
        }
        None
    }
}

impl Bags {
    fn new(array: &ArrayRef) -> Option<Bags> {
        if let Some(plain) = array.as_any().downcast_ref::<PrimitiveArray<UInt32Type>>() {
            return (plain.null_count() == 0).then(|| Bags::Plain(plain.values().clone()));
        }
        let list = array.as_any().downcast_ref::<ListArray>()?;
        let rows = list.values().as_any().downcast_ref::<PrimitiveArray<UInt32Type>>()?;
        (list.null_count() == 0 && rows.null_count() == 0).then(|| Bags::List {
            offsets: list.offsets().inner().clone(),
            rows: rows.values().clone(),
        })
    }

    /// The first of `len` examples with a row number ≥ `num_embeddings` or a bag longer than `max_bag`.
    fn first_bad(&self, len: usize, num_embeddings: usize, max_bag: usize) -> Option<usize> {
        let all = match self {
            Bags::Plain(rows) => rows,
            Bags::List { rows, .. } => rows,
        };
        // the greatest first: that is a vector loop, and nearly always the end of it
        let greatest = all.iter().copied().max().unwrap_or(0) as usize;
        let in_range = all.is_empty() || greatest < num_embeddings;
        match self {
            Bags::Plain(_) if in_range && max_bag >= 1 => None,
            _ => (0..len).find(|&index| {
                let bag = self.bag(index);
                bag.len() > max_bag || (!in_range && bag.iter().any(|&row| row as usize >= num_embeddings))
            }),
        }
    }
}

fn schema_name(batch: &RecordBatch, index: usize) -> &str {
    batch.schema_ref().field(index).name()
}

/// Names and types must be those of the schema; whether a column may hold nulls is looked at in the data.
fn check_columns(
    path: &Path,
    found: &arrow_schema::Schema,
    expected: &arrow_schema::Schema,
) -> Result<(), DatasetError> {
    use arrow_schema::DataType;
    if found.fields().len() != expected.fields().len() {
        let message = format!(
            "{} columns where dataset.toml says {}",
            found.fields().len(),
            expected.fields().len()
        );
        return Err(DatasetError::Inconsistent {
            path: path.to_owned(),
            message,
        });
    }
    for (found, expected) in found.fields().iter().zip(expected.fields()) {
        let same_type = match (found.data_type(), expected.data_type()) {
            (DataType::List(found), DataType::List(expected)) => found.data_type() == expected.data_type(),
            (found, expected) => found == expected,
        };
        if found.name() != expected.name() || !same_type {
            return Err(DatasetError::Column {
                path: path.to_owned(),
                column: expected.name().clone(),
                message: format!("{:?} of type {} stands in its place", found.name(), found.data_type()),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "examples_tests.rs"]
mod tests;
