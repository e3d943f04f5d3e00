//! How things lie in a backend's memory: matrices, tables in shards, the buffers of a batch.

use super::{Floats, Ints};

/// The distance between the rows of a row-major matrix: its width rounded up to a multiple of 4.
pub const fn stride(cols: usize) -> usize {
    cols.next_multiple_of(4)
}

/// A row-major matrix in a buffer of its own. The padding columns `cols..stride()` are zero, always:
/// who writes a matrix writes zeros there, so that a product may run over the padded width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Matrix {
    /// Where it lies; it starts at the buffer's first element.
    pub buffer: Floats,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns that count.
    pub cols: usize,
}

impl Matrix {
    /// Distance between rows, in elements.
    pub const fn stride(&self) -> usize {
        stride(self.cols)
    }

    /// Elements of its buffer, padding included.
    pub const fn padded_len(&self) -> usize {
        self.rows * stride(self.cols)
    }
}

/// Consecutive global rows in one buffer, because a binding has a greatest size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard {
    /// Where the rows lie, the first at the buffer's start.
    pub buffer: Floats,
    /// Global number of the first row.
    pub first_row: usize,
    /// Number of rows.
    pub rows: usize,
}

/// All tables behind one another, (Σn) × cols, cut into shards at any row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardedRows {
    /// The shards, in order; together they hold every row once.
    pub shards: Vec<Shard>,
    /// Number of columns that count; rows lie `stride(cols)` apart.
    pub cols: usize,
}

impl ShardedRows {
    /// Distance between rows, in elements.
    pub const fn stride(&self) -> usize {
        stride(self.cols)
    }

    /// The row ranges of shards that hold at most `max_elements` elements each.
    pub fn cut(total_rows: usize, cols: usize, max_elements: usize) -> Vec<std::ops::Range<usize>> {
        let rows = (max_elements / stride(cols)).max(1);
        (0..total_rows)
            .step_by(rows)
            .map(|first| first..(first + rows).min(total_rows))
            .collect()
    }
}

/// `counts[BATCH]`: the true number of examples in the batch.
pub const BATCH: usize = 0;
/// `counts[UNIQUE]`: the number of unique rows.
pub const UNIQUE: usize = 1;
/// `counts[SLOT]`: where in `losses` this step's loss goes.
pub const SLOT: usize = 2;

/// The buffers that describe which rows a batch uses (docs/architecture.md, "A batch").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SparseBatch {
    /// F, the number of tables.
    pub num_tables: usize,
    /// B·F, the number of bags.
    pub num_bags: usize,
    /// The greatest number of unique rows, and of bag entries.
    pub capacity: usize,
    /// (4): see [`BATCH`], [`UNIQUE`], [`SLOT`].
    pub counts: Ints,
    /// (F+1): unique rows of table t are `table_start[t]..table_start[t+1]`.
    pub table_start: Ints,
    /// (S+1): unique rows of shard s are `shard_start[s]..shard_start[s+1]`.
    pub shard_start: Ints,
    /// (capacity): global row numbers, ascending.
    pub unique_rows: Ints,
    /// (capacity): the table of each unique row.
    pub unique_table: Ints,
    /// (B·F+1): bag i holds `bag_entries[bag_offsets[i]..bag_offsets[i+1]]`.
    pub bag_offsets: Ints,
    /// (capacity): positions in `unique_rows`.
    pub bag_entries: Ints,
    /// (capacity+1): unique row u is used by `uses[use_offsets[u]..use_offsets[u+1]]`.
    pub use_offsets: Ints,
    /// (capacity): bag numbers, ascending within a segment.
    pub uses: Ints,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_hold_every_row_once() {
        let ranges = ShardedRows::cut(10, 5, 24);
        assert_eq!(ranges, vec![0..3, 3..6, 6..9, 9..10]);
    }

    #[test]
    fn a_row_wider_than_a_shard_still_gets_one() {
        assert_eq!(ShardedRows::cut(2, 64, 8), vec![0..1, 1..2]);
    }
}
