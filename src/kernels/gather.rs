//! The batch's unique rows out of the tables: `x[u] = W1[unique_rows[u]]`.

use super::encode::{items_at_most, parts, word};
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Gpu, GpuError, shaders};
use crate::backend::layout::UNIQUE;
use crate::backend::{Matrix, ShardedRows, SparseBatch};
use rayon::prelude::*;

/// Rows that one task copies: enough reads in flight to hide the way to memory.
const ROWS: usize = 256;

/// `x[u] = W1[unique_rows[u]]`, over all shards.
#[derive(Debug, Clone)]
pub struct Forward {
    /// (Σn, width)
    pub tables: ShardedRows,
    /// Which rows
    pub batch: SparseBatch,
    /// (capacity, width); rows up to the number of unique rows are written
    pub x: Matrix,
}

impl Forward {
    /// The CPU twin of `forward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut x = memory.take(self.x.buffer);
        let unique = memory.ints(self.batch.counts)[UNIQUE] as usize;
        let stride = self.tables.stride();
        x[..unique * stride]
            .par_chunks_mut(ROWS * stride)
            .enumerate()
            .for_each(|(chunk, x)| self.copy_rows(memory, chunk * ROWS, x));
        memory.put(self.x.buffer, x);
    }

    /// The unique rows from `first` on that fit into `x`.
    pub(super) fn copy_rows<T: Real>(&self, memory: &Memory<T>, first: usize, x: &mut [T]) {
        let stride = self.tables.stride();
        let rows = &memory.ints(self.batch.unique_rows)[first..];
        let mut shards = self.tables.shards.iter();
        let Some(mut shard) = shards.next() else { return };
        for (&row, x) in rows.iter().zip(x.chunks_exact_mut(stride)) {
            while row as usize >= shard.first_row + shard.rows {
                let Some(next) = shards.next() else { return };
                shard = next;
            }
            let at = (row as usize - shard.first_row) * stride;
            x.copy_from_slice(&memory.floats(shard.buffer)[at..at + stride]);
        }
    }
}

impl Forward {
    /// The dispatches of `forward`, one a shard.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let width4 = self.tables.stride() / 4;
        let parts = parts(gpu, width4);
        let shards = self.tables.shards.iter().enumerate();
        let dispatches = shards.map(|(index, shard)| {
            gpu.dispatch(&Call {
                shader: &shaders::GATHER,
                entry: "forward",
                constants: &[("WIDTH4", width4 as f64), ("PARTS", parts as f64)],
                parameters: &[index, shard.first_row].map(word),
                buffers: &[
                    (1, shard.buffer.into()),
                    (2, self.batch.unique_rows.into()),
                    (3, self.batch.shard_start.into()),
                    (4, self.x.buffer.into()),
                ],
                workgroups: items_at_most(gpu, self.batch.capacity.min(shard.rows) * parts),
            })
        });
        dispatches.collect()
    }
}
