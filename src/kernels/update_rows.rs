//! The step of the tables' touched rows: each unique row is written once, in no other order that matters.

use super::encode::{items, word};
use super::update::ADAGRAD_EPSILON;
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Gpu, GpuError, Handle, shaders};
use crate::backend::{Floats, Matrix, ShardedRows, SparseBatch};

/// How a touched row steps along its gradient g with rate η.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// p −= η·g
    Sgd,
    /// s += g²; p −= η·g / (√s + ε), element by element; `sum` is cut like the tables
    Adagrad {
        /// (Σn, width)
        sum: ShardedRows,
    },
    /// s += mean(g²) of the row; p −= η·g / (√s + ε); `sum` is cut at the same rows, one column (stride 4)
    RowwiseAdagrad {
        /// (Σn, 1)
        sum: ShardedRows,
    },
}

/// One step of the touched rows, over all shards.
#[derive(Debug, Clone)]
pub struct UpdateRows {
    /// The rule
    pub rule: Rule,
    /// (Σn, width), touched rows read and written
    pub tables: ShardedRows,
    /// Which rows
    pub batch: SparseBatch,
    /// (capacity, width), one row a unique row
    pub grad: Matrix,
    /// (4), travels with the batch
    pub scalars: Floats,
    /// Which of the scalars is η
    pub rate: usize,
}

impl UpdateRows {
    /// The CPU twin of `sgd`, `adagrad` and `rowwise_adagrad`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let rate = memory.floats(self.scalars)[self.rate];
        for (s, shard) in self.tables.shards.iter().enumerate() {
            let mut table = memory.take(shard.buffer);
            let sum = self.rule.sum().map(|sum| sum.shards[s].buffer);
            let mut sums = sum.map(|sum| memory.take(sum)).unwrap_or_default();
            let bounds = &memory.ints(self.batch.shard_start)[s..s + 2];
            let rows = &memory.ints(self.batch.unique_rows)[..bounds[1] as usize];
            let grads = memory.floats(self.grad.buffer);
            let stride = self.grad.stride();
            for u in bounds[0] as usize..bounds[1] as usize {
                let row = rows[u] as usize - shard.first_row;
                let parameter = &mut table[row * stride..(row + 1) * stride];
                let grad = &grads[u * stride..(u + 1) * stride];
                self.step(parameter, grad, row, &mut sums, rate);
            }
            memory.put(shard.buffer, table);
            if let Some(sum) = sum {
                memory.put(sum, sums);
            }
        }
    }

    /// One row's step; `sums` is its shard's state.
    fn step<T: Real>(&self, parameter: &mut [T], grad: &[T], row: usize, sums: &mut [T], rate: T) {
        let epsilon = T::from_f64(ADAGRAD_EPSILON);
        match &self.rule {
            Rule::Sgd => {
                for (p, &g) in parameter.iter_mut().zip(grad) {
                    *p -= rate * g;
                }
            }
            Rule::Adagrad { sum } => {
                let sums = &mut sums[row * sum.stride()..(row + 1) * sum.stride()];
                for ((p, s), &g) in parameter.iter_mut().zip(sums).zip(grad) {
                    *s += g * g;
                    *p -= rate * g / (Real::sqrt(*s) + epsilon);
                }
            }
            Rule::RowwiseAdagrad { sum } => {
                let squares: T = grad.iter().map(|&g| g * g).sum();
                let s = &mut sums[row * sum.stride()];
                *s += squares / T::from_f64(self.tables.cols as f64);
                let rate = rate / (Real::sqrt(*s) + epsilon);
                for (p, &g) in parameter.iter_mut().zip(grad) {
                    *p -= rate * g;
                }
            }
        }
    }
}

impl Rule {
    /// The state beside the tables.
    pub fn sum(&self) -> Option<&ShardedRows> {
        match self {
            Self::Sgd => None,
            Self::Adagrad { sum } | Self::RowwiseAdagrad { sum } => Some(sum),
        }
    }
}

impl UpdateRows {
    /// The dispatches of `sgd`, `adagrad` or `rowwise_adagrad`, one a shard.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let width4 = self.tables.stride() / 4;
        let (entry, items_a_row) = match self.rule {
            Rule::Sgd => ("sgd", width4),
            Rule::Adagrad { .. } => ("adagrad", width4),
            Rule::RowwiseAdagrad { .. } => ("rowwise_adagrad", 1),
        };
        let shards = self.tables.shards.iter().enumerate();
        let dispatches = shards.map(|(index, shard)| {
            let mut buffers: Vec<(u32, Handle)> = vec![
                (1, shard.buffer.into()),
                (2, self.batch.unique_rows.into()),
                (3, self.batch.shard_start.into()),
                (4, self.grad.buffer.into()),
                (5, self.scalars.into()),
            ];
            buffers.extend(self.rule.sum().map(|sum| (6, sum.shards[index].buffer.into())));
            gpu.dispatch(&Call {
                shader: &shaders::UPDATE_ROWS,
                entry,
                constants: &[],
                parameters: &[index, shard.first_row, width4, self.tables.cols, self.rate].map(word),
                buffers: &buffers,
                workgroups: items(self.batch.capacity.min(shard.rows) * items_a_row),
            })
        });
        dispatches.collect()
    }
}
