//! The step of the tables' touched rows: each unique row is written once, in no other order that matters.

use super::encode::{items_at_most, parts, word};
use super::rule;
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

/// Unique rows that one task steps.
const ROWS: usize = 128;

/// Some unique rows of one shard, and the part of the shard, from global row `first_row` on, in which they lie.
pub(super) struct Part<'a, T> {
    pub first_row: usize,
    pub rows: &'a [u32],
    /// (rows, width), with padding that holds anything
    pub grads: &'a [T],
    pub table: &'a mut [T],
    pub sums: &'a mut [T],
}

impl UpdateRows {
    /// The CPU twin of `sgd`, `adagrad` and `rowwise_adagrad`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let rate = memory.floats(self.scalars)[self.rate];
        let stride = self.grad.stride();
        for (s, shard) in self.tables.shards.iter().enumerate() {
            let bounds = &memory.ints(self.batch.shard_start)[s..s + 2];
            let unique = bounds[0] as usize..bounds[1] as usize;
            let mut table = memory.take(shard.buffer);
            let sum = self.rule.sum().map(|sum| sum.shards[s].buffer);
            let mut sums = sum.map(|sum| memory.take(sum)).unwrap_or_default();
            self.steps(
                Part {
                    first_row: shard.first_row,
                    rows: &memory.ints(self.batch.unique_rows)[unique.clone()],
                    grads: &memory.floats(self.grad.buffer)[unique.start * stride..unique.end * stride],
                    table: &mut table,
                    sums: &mut sums,
                },
                rate,
            );
            memory.put(shard.buffer, table);
            if let Some(sum) = sum {
                memory.put(sum, sums);
            }
        }
    }

    /// The rows ascend, so a cut between two of them cuts the table and its sums in two: one part a thread.
    fn steps<T: Real>(&self, part: Part<'_, T>, rate: T) {
        let stride = self.grad.stride();
        if part.rows.len() <= ROWS {
            return self.step_rows(part, rate);
        }
        let middle = part.rows.len() / 2;
        let (rows, rows_behind) = part.rows.split_at(middle);
        let (grads, grads_behind) = part.grads.split_at(middle * stride);
        let cut = rows_behind[0] as usize - part.first_row;
        let (table, table_behind) = part.table.split_at_mut(cut * stride);
        let (sums, sums_behind) = part.sums.split_at_mut(cut * self.sum_stride());
        let before = Part {
            first_row: part.first_row,
            rows,
            grads,
            table,
            sums,
        };
        let behind = Part {
            first_row: part.first_row + cut,
            rows: rows_behind,
            grads: grads_behind,
            table: table_behind,
            sums: sums_behind,
        };
        rayon::join(|| self.steps(before, rate), || self.steps(behind, rate));
    }

    /// Distance between the sums of two rows; 0 where there are none.
    pub(super) fn sum_stride(&self) -> usize {
        self.rule.sum().map_or(0, ShardedRows::stride)
    }

    /// Row by row.
    pub(super) fn step_rows<T: Real>(&self, part: Part<'_, T>, rate: T) {
        for (&row, grad) in part.rows.iter().zip(part.grads.chunks_exact(self.tables.stride())) {
            let row = row as usize - part.first_row;
            self.step_row(part.table, part.sums, row, &grad[..self.tables.cols], rate);
        }
    }

    /// The step of row `row` of a table and of its sums.
    fn step_row<T: Real>(&self, table: &mut [T], sums: &mut [T], row: usize, grad: &[T], rate: T) {
        let (stride, sum_stride) = (self.tables.stride(), self.sum_stride());
        let parameter = &mut table[row * stride..(row + 1) * stride];
        let sums = &mut sums[row * sum_stride..(row + 1) * sum_stride];
        match &self.rule {
            Rule::Sgd => rule::sgd(parameter, grad, rate),
            Rule::Adagrad { .. } => rule::adagrad(parameter, sums, grad, rate),
            Rule::RowwiseAdagrad { .. } => {
                let squares: T = grad.iter().map(|&g| g * g).sum();
                sums[0] += squares / T::from_f64(self.tables.cols as f64);
                let rate = rate / (Real::sqrt(sums[0]) + T::from_f64(rule::ADAGRAD_EPSILON));
                rule::sgd(parameter, grad, rate);
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
        let (entry, parts) = match self.rule {
            Rule::Sgd => ("sgd", parts(gpu, width4)),
            Rule::Adagrad { .. } => ("adagrad", parts(gpu, width4)),
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
                constants: &[("WIDTH4", width4 as f64), ("PARTS", parts as f64)],
                parameters: &[index, shard.first_row, self.tables.cols, self.rate].map(word),
                buffers: &buffers,
                workgroups: items_at_most(gpu, self.batch.capacity.min(shard.rows) * parts),
            })
        });
        dispatches.collect()
    }
}
