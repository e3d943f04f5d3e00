//! Prepared examples → batches: each batch's row numbers sorted once per table into unique rows and their uses
//! (docs/architecture.md, "A batch"). Everything is in an order that depends on the data alone.
//!
//! Examples lie column by column and come in a shuffled order: a batch goes through them column by column, so that the
//! pages of one are enough for many reads, and no read waits for another.

mod keys;
mod number;

use crate::data::examples::Examples;
use keys::Keys;

/// Where the tables lie behind one another, and where the shards begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLayout {
    /// (F+1): table t holds the global rows `base[t]..base[t+1]`.
    pub base: Vec<usize>,
    /// (S): first global row of each shard.
    pub shard_first: Vec<usize>,
}

/// One batch, ready for a backend. The buffers keep their length from batch to batch; only what `counts`, the offsets and
/// the starts name is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// (B, M) with a stride of M rounded up to 4.
    pub dense: Vec<f32>,
    /// (B).
    pub label: Vec<f32>,
    /// (4): learning rate of the MLPs, of the tables, 0, 0.
    pub scalars: [f32; 4],
    /// (4): true batch size, unique rows, loss slot, 0.
    pub counts: [u32; 4],
    /// (F+1).
    pub table_start: Vec<u32>,
    /// (S+1).
    pub shard_start: Vec<u32>,
    /// (capacity), the first `counts[1]` valid.
    pub unique_rows: Vec<u32>,
    /// (capacity), the first `counts[1]` valid.
    pub unique_table: Vec<u32>,
    /// (B·F+1).
    pub bag_offsets: Vec<u32>,
    /// (capacity).
    pub bag_entries: Vec<u32>,
    /// (capacity+1).
    pub use_offsets: Vec<u32>,
    /// (capacity).
    pub uses: Vec<u32>,
}

/// What filling a batch needs besides: one for all the batches that a thread fills.
#[derive(Debug)]
pub struct Scratch {
    /// The examples.
    rows: Vec<usize>,
    /// (M, B): the dense features as they come.
    dense: Vec<f32>,
    /// The entries of one table: their rows, the same sorted, the bag of each.
    entries: Vec<u32>,
    keys: Keys,
    bags: Vec<u32>,
    /// The place of an entry's row among the unique rows: of one table, or (F, B) of all where every bag has one entry.
    places: Vec<u32>,
}

impl Scratch {
    /// For batches of `batch_size` examples, `dense` numbers and at most `capacity` entries.
    fn new(batch_size: usize, dense: usize, capacity: usize) -> Self {
        Self {
            rows: Vec::with_capacity(batch_size),
            dense: vec![0.0; dense],
            entries: Vec::with_capacity(capacity),
            keys: Keys::new(capacity),
            bags: Vec::with_capacity(capacity),
            places: vec![0; capacity],
        }
    }

    /// Its bytes for [`Batch::new`]'s sizes, before there is one.
    pub fn bytes(batch_size: usize, num_dense: usize, capacity: usize) -> u64 {
        let examples = batch_size * (size_of::<usize>() + 4 * num_dense.next_multiple_of(4));
        (examples + 12 * capacity) as u64 + Keys::bytes(capacity)
    }
}

/// A batch needs more room than its buffers have.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// More bag entries than the schema's longest bags allow.
    #[error(
        "a batch of the data set has more bag entries than max_bag in dataset.toml allows ({capacity}): prepare it again"
    )]
    Capacity {
        /// Entries that the buffers hold
        capacity: usize,
    },
    /// A row number beyond its table.
    #[error("feature {feature}: row {row} of a table of {num_embeddings}: dataset.toml does not fit the split files")]
    Row {
        /// Index of the feature
        feature: usize,
        /// The row
        row: u32,
        /// n
        num_embeddings: usize,
    },
}

impl Batch {
    /// An empty batch for `batch_size` examples with `num_dense` dense features, F tables and at most `capacity` entries.
    pub fn new(batch_size: usize, num_dense: usize, layout: &RowLayout, capacity: usize) -> Self {
        let num_tables = layout.base.len() - 1;
        Self {
            dense: vec![0.0; batch_size * num_dense.next_multiple_of(4)],
            label: vec![0.0; batch_size],
            scalars: [0.0; 4],
            counts: [0; 4],
            table_start: vec![0; num_tables + 1],
            shard_start: vec![0; layout.shard_first.len() + 1],
            unique_rows: vec![0; capacity],
            unique_table: vec![0; capacity],
            bag_offsets: vec![0; batch_size * num_tables + 1],
            bag_entries: vec![0; capacity],
            use_offsets: vec![0; capacity + 1],
            uses: vec![0; capacity],
        }
    }

    /// What filling batches of this size needs besides.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(self.label.len(), self.dense.len(), self.uses.len())
    }

    /// Bytes of an empty batch of that size, before there is one.
    pub fn bytes(batch_size: usize, num_dense: usize, layout: &RowLayout, capacity: usize) -> u64 {
        let bags = batch_size * (layout.base.len() - 1);
        let fixed =
            batch_size * (num_dense.next_multiple_of(4) + 1) + bags + layout.base.len() + layout.shard_first.len();
        // Scalars, counts and the ends of three lists; five lists of words.
        4 * (fixed + 11 + 5 * capacity) as u64
    }

    /// Fills the batch with the examples `rows`, in their order; fewer than the batch size are padded with zero dense rows
    /// and empty bags. Of many batches, [`Batch::fill_with`] fills each without allocating.
    pub fn fill(
        &mut self,
        examples: &Examples,
        rows: impl ExactSizeIterator<Item = usize>,
        layout: &RowLayout,
    ) -> Result<(), LoaderError> {
        let mut scratch = self.scratch();
        self.fill_with(examples, rows, layout, &mut scratch)
    }

    /// [`Batch::fill`] with scratch memory that is at hand.
    pub fn fill_with(
        &mut self,
        examples: &Examples,
        rows: impl ExactSizeIterator<Item = usize>,
        layout: &RowLayout,
        scratch: &mut Scratch,
    ) -> Result<(), LoaderError> {
        scratch.rows.clear();
        scratch.rows.extend(rows);
        self.counts[0] = scratch.rows.len() as u32;
        self.fill_dense(examples, scratch);
        self.fill_bags(examples, layout, scratch)?;
        let unique = self.counts[1] as usize;
        for (start, &first) in self.shard_start.iter_mut().zip(&layout.shard_first) {
            *start = self.unique_rows[..unique].partition_point(|&row| (row as usize) < first) as u32;
        }
        if let Some(last) = self.shard_start.last_mut() {
            *last = unique as u32;
        }
        Ok(())
    }

    /// Labels and dense features.
    fn fill_dense(&mut self, examples: &Examples, scratch: &mut Scratch) {
        let (count, stride) = (scratch.rows.len(), self.dense.len() / self.label.len());
        examples.labels().gather(&scratch.rows, &mut self.label[..count]);
        let columns = examples.dense_columns();
        for (column, values) in columns.iter().zip(scratch.dense.chunks_exact_mut(count.max(1))) {
            column.gather(&scratch.rows, values);
        }
        interleave(&scratch.dense[..columns.len() * count], count, &mut self.dense, stride);
        self.label[count..].fill(0.0);
        self.dense[count * stride..].fill(0.0);
    }
}

/// Examples whose lines of a block of columns fit into the nearest cache.
const BLOCK: usize = 16;

/// Columns of `count` values → rows `stride` apart.
fn interleave<T: Copy>(columns: &[T], count: usize, rows: &mut [T], stride: usize) {
    if columns.is_empty() {
        return;
    }
    for (block, rows) in rows[..count * stride].chunks_mut(BLOCK * stride).enumerate() {
        for (place, column) in columns.chunks_exact(count).enumerate() {
            let places = rows.iter_mut().skip(place).step_by(stride);
            for (to, &value) in places.zip(&column[block * BLOCK..]) {
                *to = value;
            }
        }
    }
}

#[cfg(test)]
impl Batch {
    /// Bytes of its lists, for the test of what is counted before.
    pub(crate) fn held_bytes(&self) -> u64 {
        let starts = [
            &self.table_start,
            &self.shard_start,
            &self.bag_offsets,
            &self.use_offsets,
        ];
        let rows = [&self.unique_rows, &self.unique_table, &self.bag_entries, &self.uses];
        let ints: usize = starts.iter().chain(&rows).map(|list| list.len()).sum();
        let floats = self.dense.len() + self.label.len() + self.scalars.len() + self.counts.len();
        4 * (floats + ints) as u64
    }
}

#[cfg(test)]
impl Scratch {
    /// Bytes of its lists.
    pub(crate) fn held_bytes(&self) -> u64 {
        let words = [
            self.entries.capacity(),
            self.bags.capacity(),
            self.places.len(),
            self.dense.len(),
        ];
        let words = 4 * words.iter().sum::<usize>() + size_of::<usize>() * self.rows.capacity();
        words as u64 + self.keys.held_bytes()
    }
}

#[cfg(test)]
mod tests;
