//! The batch's unique rows out of the tables: `x[u] = W1[unique_rows[u]]`.

use super::encode::{items, word};
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Gpu, GpuError, shaders};
use crate::backend::{Matrix, ShardedRows, SparseBatch};

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
        let rows = memory.ints(self.batch.unique_rows);
        let shard_start = memory.ints(self.batch.shard_start);
        let stride = self.tables.stride();
        for (shard, bounds) in self.tables.shards.iter().zip(shard_start.windows(2)) {
            let table = memory.floats(shard.buffer);
            for u in bounds[0] as usize..bounds[1] as usize {
                let row = rows[u] as usize - shard.first_row;
                x[u * stride..(u + 1) * stride].copy_from_slice(&table[row * stride..(row + 1) * stride]);
            }
        }
        memory.put(self.x.buffer, x);
    }
}

impl Forward {
    /// The dispatches of `forward`, one a shard.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let width4 = self.tables.stride() / 4;
        let shards = self.tables.shards.iter().enumerate();
        let dispatches = shards.map(|(index, shard)| {
            gpu.dispatch(&Call {
                shader: &shaders::GATHER,
                entry: "forward",
                constants: &[],
                parameters: &[index, shard.first_row, width4].map(word),
                buffers: &[
                    (1, shard.buffer.into()),
                    (2, self.batch.unique_rows.into()),
                    (3, self.batch.shard_start.into()),
                    (4, self.x.buffer.into()),
                ],
                workgroups: items(self.batch.capacity.min(shard.rows) * width4),
            })
        });
        dispatches.collect()
    }
}
