//! Prepared examples → batches: each batch's row numbers sorted once per table into unique rows and their uses
//! (docs/architecture.md, "A batch"). Everything is in an order that depends on the data alone.

use crate::data::examples::Examples;

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
    /// Scratch: (row, entry) of one table, to sort.
    keys: Vec<u64>,
    /// Scratch: the bag of each entry.
    entry_bag: Vec<u32>,
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
            keys: Vec::with_capacity(capacity),
            entry_bag: vec![0; capacity],
        }
    }

    /// Bytes of an empty batch of that size, before there is one.
    pub fn bytes(batch_size: usize, num_dense: usize, layout: &RowLayout, capacity: usize) -> u64 {
        let bags = batch_size * (layout.base.len() - 1);
        let fixed =
            batch_size * (num_dense.next_multiple_of(4) + 1) + bags + layout.base.len() + layout.shard_first.len();
        // Scalars, counts and the ends of three lists; six lists of words, and the keys of two words each.
        4 * (fixed + 11 + 8 * capacity) as u64
    }

    /// Fills the batch with the examples `rows`, in their order; fewer than the batch size are padded with zero dense rows
    /// and empty bags.
    pub fn fill(
        &mut self,
        examples: &Examples,
        rows: impl ExactSizeIterator<Item = usize>,
        layout: &RowLayout,
    ) -> Result<(), LoaderError> {
        self.counts[0] = rows.len() as u32;
        self.copy_examples(examples, rows, layout)?;
        self.number_unique_rows(layout);
        let unique = self.counts[1] as usize;
        for (start, &first) in self.shard_start.iter_mut().zip(&layout.shard_first) {
            *start = self.unique_rows[..unique].partition_point(|&row| (row as usize) < first) as u32;
        }
        if let Some(last) = self.shard_start.last_mut() {
            *last = unique as u32;
        }
        Ok(())
    }

    /// Labels, dense features and bags; `bag_entries` holds global rows for now.
    fn copy_examples(
        &mut self,
        examples: &Examples,
        rows: impl ExactSizeIterator<Item = usize>,
        layout: &RowLayout,
    ) -> Result<(), LoaderError> {
        let (batch_size, count, num_tables) = (self.label.len(), rows.len(), layout.base.len() - 1);
        let num_dense = examples.num_dense();
        let stride = self.dense.len() / batch_size;
        let mut entries = 0;
        for (b, row) in rows.enumerate() {
            self.label[b] = examples.label(row);
            for (column, value) in self.dense[b * stride..b * stride + num_dense].iter_mut().enumerate() {
                *value = examples.dense(row, column);
            }
            for feature in 0..num_tables {
                let bag = examples.bag(row, feature);
                let num_embeddings = layout.base[feature + 1] - layout.base[feature];
                let i = b * num_tables + feature;
                self.bag_offsets[i] = entries as u32;
                if entries + bag.len() > self.bag_entries.len() {
                    let capacity = self.bag_entries.len();
                    return Err(LoaderError::Capacity { capacity });
                }
                for &row in bag {
                    if row as usize >= num_embeddings {
                        return Err(LoaderError::Row {
                            feature,
                            row,
                            num_embeddings,
                        });
                    }
                    self.bag_entries[entries] = layout.base[feature] as u32 + row;
                    self.entry_bag[entries] = i as u32;
                    entries += 1;
                }
            }
        }
        self.label[count..].fill(0.0);
        self.dense[count * stride..].fill(0.0);
        self.bag_offsets[count * num_tables..].fill(entries as u32);
        Ok(())
    }

    /// Sorts each table's entries by row, numbers the unique rows, and lists every row's uses in ascending order of bags.
    fn number_unique_rows(&mut self, layout: &RowLayout) {
        let num_tables = layout.base.len() - 1;
        let bags = self.bag_offsets.len() - 1;
        let (mut unique, mut uses) = (0, 0);
        for table in 0..num_tables {
            self.table_start[table] = unique as u32;
            self.keys.clear();
            for bag in (table..bags).step_by(num_tables) {
                for entry in self.bag_offsets[bag]..self.bag_offsets[bag + 1] {
                    let row = self.bag_entries[entry as usize];
                    self.keys.push((u64::from(row) << 32) | u64::from(entry));
                }
            }
            self.keys.sort_unstable(); // the keys are distinct: the order is total
            let mut last = None;
            for &key in &self.keys {
                let (row, entry) = ((key >> 32) as u32, (key & 0xffff_ffff) as usize);
                if last != Some(row) {
                    self.unique_rows[unique] = row;
                    self.unique_table[unique] = table as u32;
                    self.use_offsets[unique] = uses as u32;
                    unique += 1;
                    last = Some(row);
                }
                self.bag_entries[entry] = unique as u32 - 1;
                self.uses[uses] = self.entry_bag[entry];
                uses += 1;
            }
        }
        self.table_start[num_tables] = unique as u32;
        self.use_offsets[unique] = uses as u32;
        self.counts[1] = unique as u32;
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
        let rows = [
            &self.unique_rows,
            &self.unique_table,
            &self.bag_entries,
            &self.uses,
            &self.entry_bag,
        ];
        let ints: usize = starts.iter().chain(&rows).map(|list| list.len()).sum();
        let floats = self.dense.len() + self.label.len() + self.scalars.len() + self.counts.len();
        4 * (floats + ints + 2 * self.keys.capacity()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two examples, two tables of 5 and 3 rows; the second feature is a bag.
    fn batch() -> Batch {
        let bags = vec![(vec![0, 1, 2], vec![4, 4]), (vec![0, 3, 3], vec![2, 0, 2])];
        let examples = Examples::from_memory(vec![1.0, 0.0], vec![vec![0.5, 0.25]], bags).unwrap();
        let layout = RowLayout {
            base: vec![0, 5, 8],
            shard_first: vec![0, 4, 6],
        };
        let mut batch = Batch::new(3, 1, &layout, 16);
        batch.fill(&examples, 0..2, &layout).unwrap();
        batch
    }

    #[test]
    fn rows_are_numbered_once_and_know_their_uses() {
        let batch = batch();
        assert_eq!(batch.counts, [2, 3, 0, 0]);
        assert_eq!(batch.unique_rows[..3], [4, 5, 7]);
        assert_eq!(batch.unique_table[..3], [0, 1, 1]);
        assert_eq!(batch.table_start, [0, 1, 3]);
        assert_eq!(batch.use_offsets[..4], [0, 2, 3, 5]);
        assert_eq!(batch.uses[..5], [0, 2, 1, 1, 1]); // bags b·F+f: row 4 by bags 0 and 2; the bag of three by itself
        assert_eq!(batch.bag_offsets, [0, 1, 4, 5, 5, 5, 5]); // the second example's bag and the padded example are empty
        assert_eq!(batch.bag_entries[..5], [0, 2, 1, 2, 0]);
    }

    #[test]
    fn shards_split_the_unique_rows() {
        assert_eq!(batch().shard_start, [0, 0, 2, 3]);
    }

    #[test]
    fn what_a_longer_batch_left_behind_is_gone() {
        let bags = vec![(vec![0, 1], vec![1]), (vec![0, 0], vec![])];
        let examples = Examples::from_memory(vec![1.0], vec![vec![3.0]], bags).unwrap();
        let layout = RowLayout {
            base: vec![0, 5, 8],
            shard_first: vec![0],
        };
        let mut reused = Batch::new(3, 1, &layout, 16);
        let mut other = batch();
        other.shard_start = vec![0, 0];
        other.fill(&examples, 0..1, &layout).unwrap();
        reused.fill(&examples, 0..1, &layout).unwrap();
        assert_eq!((other.dense, other.label), (reused.dense, reused.label));
        assert_eq!(
            (other.bag_offsets, other.table_start),
            (reused.bag_offsets, reused.table_start)
        );
    }

    #[test]
    fn a_row_beyond_its_table_is_an_error() {
        let examples = Examples::from_memory(vec![1.0], vec![], vec![(vec![0, 1], vec![9])]).unwrap();
        let layout = RowLayout {
            base: vec![0, 5],
            shard_first: vec![0],
        };
        let error = Batch::new(1, 0, &layout, 4).fill(&examples, 0..1, &layout).unwrap_err();
        assert!(matches!(error, LoaderError::Row { row: 9, .. }));
    }
}
