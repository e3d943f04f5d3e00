//! One column of a split, over all its record batches.

use arrow_buffer::{ArrowNativeType, ScalarBuffer};

use super::batch::{Bags, Batch};
use super::{BATCH_ROWS, BATCH_SHIFT};

/// A column's values, a buffer a record batch.
#[derive(Debug, Clone)]
pub struct Column<T: ArrowNativeType>(Vec<ScalarBuffer<T>>);

impl<T: ArrowNativeType> Column<T> {
    /// The value of an example.
    ///
    /// # Panics
    /// If there is no such example.
    #[inline]
    pub fn get(&self, row: usize) -> T {
        self.0[row >> BATCH_SHIFT][row & (BATCH_ROWS - 1)]
    }

    /// The values of some examples, in their order. Nothing but the reads, so that many are under way at once.
    pub fn gather(&self, rows: &[usize], out: &mut [T]) {
        let batches = self.0.as_slice();
        for (out, &row) in out.iter_mut().zip(rows) {
            *out = batches[row >> BATCH_SHIFT][row & (BATCH_ROWS - 1)];
        }
    }
}

/// A categorical column.
#[derive(Debug, Clone)]
pub enum BagColumn {
    /// One row number an example.
    Plain(Column<u32>),
    /// A bag an example.
    Lists(ListColumn),
}

/// A column of bags.
#[derive(Debug, Clone)]
pub struct ListColumn {
    offsets: Vec<ScalarBuffer<i32>>,
    rows: Vec<ScalarBuffer<u32>>,
}

impl ListColumn {
    /// The bag of an example.
    ///
    /// # Panics
    /// If there is no such example.
    #[inline]
    pub fn bag(&self, row: usize) -> &[u32] {
        let (batch, index) = (row >> BATCH_SHIFT, row & (BATCH_ROWS - 1));
        let offsets = &self.offsets[batch];
        &self.rows[batch][offsets[index] as usize..offsets[index + 1] as usize]
    }
}

impl BagColumn {
    /// Whether every bag has length one because the column is no list.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// The bag of an example: a plain category is a bag of length one.
    #[inline]
    pub fn bag(&self, row: usize) -> &[u32] {
        match self {
            Self::Plain(column) => std::slice::from_ref(&column.0[row >> BATCH_SHIFT][row & (BATCH_ROWS - 1)]),
            Self::Lists(lists) => lists.bag(row),
        }
    }
}

/// The columns of a split.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub labels: Column<f32>,
    pub dense: Vec<Column<f32>>,
    pub bags: Vec<BagColumn>,
}

impl Columns {
    /// Of record batches that all have the same columns: the first one says which these are.
    pub fn new(batches: &[Batch], num_dense: usize, num_features: usize) -> Self {
        let floats = |of: &dyn Fn(&Batch) -> ScalarBuffer<f32>| Column(batches.iter().map(of).collect());
        Self {
            labels: floats(&|batch| batch.labels.clone()),
            dense: (0..num_dense)
                .map(|column| floats(&|batch| batch.dense[column].clone()))
                .collect(),
            bags: (0..num_features).map(|feature| bag_column(batches, feature)).collect(),
        }
    }
}

fn bag_column(batches: &[Batch], feature: usize) -> BagColumn {
    let bags = batches.iter().map(|batch| &batch.bags[feature]);
    let plain = bags.clone().map(|bags| match bags {
        Bags::Plain(rows) => Some(rows.clone()),
        Bags::List { .. } => None,
    });
    if let Some(plain) = plain.collect() {
        return BagColumn::Plain(Column(plain));
    }
    let lists = bags.filter_map(|bags| match bags {
        Bags::List { offsets, rows } => Some((offsets.clone(), rows.clone())),
        Bags::Plain(_) => None,
    });
    let (offsets, rows) = lists.unzip();
    BagColumn::Lists(ListColumn { offsets, rows })
}
