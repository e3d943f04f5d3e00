//! Examples as growing columns, on their way to a record batch.

use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt8Type, UInt32Type};
use arrow_array::{Array, ArrayRef, Float32Array, ListArray, PrimitiveArray, RecordBatch, UInt8Array, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use rayon::prelude::*;

use super::tables::Table;
use crate::data::examples::BATCH_ROWS;
use crate::data::schema::{Split, arrow_schema, list_item};
use crate::data::source::RawFeatures;

/// Labels, dense values, splits and numbered categories of some examples.
#[derive(Debug)]
pub(super) struct Columns {
    pub labels: Vec<f32>,
    pub dense: Vec<Vec<f32>>,
    pub bags: Vec<BagColumn>,
    /// A code of [`split_code`] for each example. Only the spool keeps it.
    pub splits: Vec<u8>,
}

/// One categorical column.
#[derive(Debug)]
pub(super) enum BagColumn {
    /// One number an example.
    Plain(Vec<u32>),
    /// The number of categories of each example, and all of them behind one another.
    List { lengths: Vec<usize>, entries: Vec<u32> },
}

/// The splits as bytes: their place in [`Split::ALL`], or 3 where the order of the rows decides later.
pub(super) fn split_code(split: Option<Split>) -> u8 {
    split
        .and_then(|split| Split::ALL.iter().position(|&other| other == split))
        .unwrap_or(Split::ALL.len()) as u8
}

/// The schema of the record batches: that of the splits, with `extra` at the end for the spool.
pub(super) fn batch_schema(features: &RawFeatures, with_splits: bool) -> Schema {
    let categorical = features
        .categorical
        .iter()
        .map(|feature| (feature.name.as_str(), feature.is_bag));
    let schema = arrow_schema(features.dense.iter().map(String::as_str), categorical);
    if !with_splits {
        return schema;
    }
    let split = Arc::new(Field::new("", DataType::UInt8, false));
    Schema::new(schema.fields().iter().cloned().chain([split]).collect::<Vec<_>>())
}

impl BagColumn {
    fn new(is_bag: bool) -> BagColumn {
        if is_bag {
            BagColumn::List {
                lengths: Vec::new(),
                entries: Vec::new(),
            }
        } else {
            BagColumn::Plain(Vec::with_capacity(BATCH_ROWS))
        }
    }

    /// Appends the rows `picked` of `column`, with every number looked up in `renumber` if there is one.
    fn append(&mut self, column: &BagSlices<'_>, picked: &[u32], renumber: Option<&[u32]>) {
        let new_number = |old: u32| renumber.map_or(old, |numbers| numbers[old as usize]);
        match (self, column) {
            (BagColumn::Plain(numbers), BagSlices::Plain(column)) => {
                numbers.extend(picked.iter().map(|&row| new_number(column[row as usize])));
            }
            (
                BagColumn::List { lengths, entries },
                BagSlices::List {
                    offsets,
                    entries: column,
                },
            ) => {
                for &row in picked {
                    let bag = offsets[row as usize] as usize..offsets[row as usize + 1] as usize;
                    lengths.push(bag.len());
                    entries.extend(column[bag].iter().map(|&old| new_number(old)));
                }
            }
            _ => unreachable!("both are made from the same features"),
        }
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            BagColumn::Plain(numbers) => Arc::new(UInt32Array::from(take_full(numbers))),
            BagColumn::List { lengths, entries } => Arc::new(ListArray::new(
                list_item(),
                OffsetBuffer::from_lengths(std::mem::take(lengths)),
                Arc::new(UInt32Array::from(std::mem::take(entries))),
                None,
            )),
        }
    }
}

/// Takes a column away and leaves an empty one with room for a batch.
fn take_full<T>(column: &mut Vec<T>) -> Vec<T> {
    std::mem::replace(column, Vec::with_capacity(BATCH_ROWS))
}

impl Columns {
    pub fn new(features: &RawFeatures) -> Columns {
        Columns {
            labels: Vec::with_capacity(BATCH_ROWS),
            dense: features.dense.iter().map(|_| Vec::with_capacity(BATCH_ROWS)).collect(),
            bags: features
                .categorical
                .iter()
                .map(|feature| BagColumn::new(feature.is_bag))
                .collect(),
            splits: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Empties the columns into a record batch; `schema` is one of [`batch_schema`].
    pub fn take(&mut self, schema: &Arc<Schema>) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Float32Array::from(take_full(&mut self.labels)))];
        columns.extend(
            self.dense
                .iter_mut()
                .map(|dense| Arc::new(Float32Array::from(take_full(dense))) as ArrayRef),
        );
        columns.extend(self.bags.iter_mut().map(BagColumn::take));
        if columns.len() < schema.fields().len() {
            columns.push(Arc::new(UInt8Array::from(take_full(&mut self.splits))));
        }
        RecordBatch::try_new(schema.clone(), columns)
    }

    /// Appends the rows `picked` of a spooled batch; `tables` has the new numbers by feature where they changed.
    pub fn append(&mut self, from: &BatchSlices<'_>, picked: &[u32], tables: &[Table]) {
        self.labels.extend(picked.iter().map(|&row| from.labels[row as usize]));
        for (dense, column) in self.dense.iter_mut().zip(&from.dense) {
            dense.extend(picked.iter().map(|&row| column[row as usize]));
        }
        let bags = self.bags.par_iter_mut().zip(&from.bags).zip(tables);
        let append = |((bags, column), table): ((&mut BagColumn, _), &Table)| {
            bags.append(column, picked, table.renumber.as_deref());
        };
        bags.with_min_len(8).for_each(append);
    }
}

/// The columns of a spooled record batch.
pub(super) struct BatchSlices<'a> {
    pub labels: &'a [f32],
    pub dense: Vec<&'a [f32]>,
    pub bags: Vec<BagSlices<'a>>,
    pub splits: &'a [u8],
}

/// One categorical column of a spooled record batch.
pub(super) enum BagSlices<'a> {
    Plain(&'a [u32]),
    List {
        offsets: &'a ScalarBuffer<i32>,
        entries: &'a [u32],
    },
}

impl BagSlices<'_> {
    /// The categories of one example.
    pub fn bag(&self, row: usize) -> &[u32] {
        match self {
            BagSlices::Plain(entries) => &entries[row..=row],
            BagSlices::List { offsets, entries } => &entries[offsets[row] as usize..offsets[row + 1] as usize],
        }
    }
}

impl<'a> BatchSlices<'a> {
    /// Views a batch of the spool's schema with `num_dense` dense columns; `None` if it is something else.
    pub fn new(batch: &'a RecordBatch, num_dense: usize) -> Option<BatchSlices<'a>> {
        let (splits, columns) = batch.columns().split_last()?;
        let (labels, columns) = columns.split_first()?;
        let (dense, bags) = columns.split_at_checked(num_dense)?;
        Some(BatchSlices {
            labels: floats(labels)?,
            dense: dense.iter().map(floats).collect::<Option<_>>()?,
            bags: bags.iter().map(bag_slices).collect::<Option<_>>()?,
            splits: splits.as_any().downcast_ref::<PrimitiveArray<UInt8Type>>()?.values(),
        })
    }
}

fn floats(array: &ArrayRef) -> Option<&[f32]> {
    Some(array.as_any().downcast_ref::<PrimitiveArray<Float32Type>>()?.values())
}

fn numbers(array: &ArrayRef) -> Option<&[u32]> {
    Some(array.as_any().downcast_ref::<PrimitiveArray<UInt32Type>>()?.values())
}

fn bag_slices(array: &ArrayRef) -> Option<BagSlices<'_>> {
    if let Some(plain) = numbers(array) {
        return Some(BagSlices::Plain(plain));
    }
    let list = array.as_any().downcast_ref::<ListArray>()?;
    Some(BagSlices::List {
        offsets: list.offsets().inner(),
        entries: numbers(list.values())?,
    })
}
