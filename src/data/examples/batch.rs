//! The typed columns of one record batch.

use std::path::Path;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;

use crate::data::dataset::DatasetError;
use crate::data::schema::Schema;

/// The typed columns of one record batch.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub labels: ScalarBuffer<f32>,
    pub dense: Vec<ScalarBuffer<f32>>,
    pub bags: Vec<Bags>,
}

/// One categorical column of one record batch.
#[derive(Debug, Clone)]
pub(super) enum Bags {
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
    pub fn bag(&self, index: usize) -> &[u32] {
        match self {
            Bags::Plain(rows) => std::slice::from_ref(&rows[index]),
            Bags::List { offsets, rows } => &rows[offsets[index] as usize..offsets[index + 1] as usize],
        }
    }
}

impl Batch {
    /// Downcasts the columns of a record batch that has the schema's.
    pub fn new(path: &Path, batch: &RecordBatch, schema: &Schema) -> Result<Batch, DatasetError> {
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
    pub fn first_bad_value(&self, schema: &Schema) -> Option<(usize, String, String)> {
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
pub(super) fn check_columns(
    path: &Path,
    found: &arrow_schema::Schema,
    expected: &arrow_schema::Schema,
) -> Result<(), DatasetError> {
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
