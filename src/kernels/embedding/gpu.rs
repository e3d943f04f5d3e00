//! The dispatches, for families that have a shader of it.

use super::{Backward, Forward};
use crate::backend::gpu::{Call, Dispatch, Family, Gpu, GpuError, Handle, shaders};
use crate::backend::{Floats, Matrix, SparseBatch};
use crate::kernels::encode::word;
use crate::kernels::{Operation, dispatches, factor, update_rows};

impl Forward {
    /// The dispatch of `forward`; those of the parts on a CPU driver.
    pub fn gpu(&self, gpu: &mut Gpu) -> Result<Vec<Dispatch>, GpuError> {
        if gpu.family() != Family::Tiled {
            return dispatches(gpu, &self.parts());
        }
        let (tables, factor) = (&self.gather.tables, &self.factor);
        let shard = tables.shards[0];
        let rows = Matrix {
            buffer: shard.buffer,
            rows: shard.rows,
            cols: tables.cols,
        };
        let product = Product {
            entry: "forward",
            left: rows,
            right: factor.weight,
            result: factor.y,
            rate: 0,
        };
        product.dispatch(gpu, &factor.batch, &[(8, factor.x.buffer)])
    }
}

impl Backward {
    /// The dispatches of `backward_…` and of the factor's step; those of the parts on a CPU driver, and where a row's step
    /// depends on its whole gradient.
    pub fn gpu(&self, gpu: &mut Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let (entry, sum) = match &self.rows.rule {
            update_rows::Rule::Sgd => ("backward_sgd", None),
            update_rows::Rule::Adagrad { sum } => ("backward_adagrad", Some(sum.shards[0].buffer)),
            update_rows::Rule::RowwiseAdagrad { .. } => return dispatches(gpu, &self.parts()),
        };
        if gpu.family() != Family::Tiled {
            return dispatches(gpu, &self.parts());
        }
        let (tables, input) = (&self.rows.tables, &self.input);
        let shard = tables.shards[0];
        let product = Product {
            entry,
            left: input.grad_y,
            right: input.weight,
            result: Matrix {
                buffer: shard.buffer,
                rows: input.batch.capacity,
                cols: tables.cols,
            },
            rate: self.rows.rate,
        };
        let mut more = vec![(6, self.rows.scalars)];
        more.extend(sum.map(|sum| (7, sum)));
        let mut made = product.dispatch(gpu, &input.batch, &more)?;
        // W steps last: the rows' step reads it as it was, and its own gradient reads a copy of the rows.
        let weight = self.weight.map(Operation::FactorBackwardWeight);
        made.extend(dispatches(gpu, weight.as_slice())?);
        Ok(made)
    }
}

/// A product of the unique rows with their tables' factors.
struct Product {
    entry: &'static str,
    left: Matrix,
    right: Matrix,
    result: Matrix,
    rate: usize,
}

impl Product {
    fn dispatch(&self, gpu: &Gpu, batch: &SparseBatch, more: &[(u32, Floats)]) -> Result<Vec<Dispatch>, GpuError> {
        let (blocks, count) = factor::blocks_by_table(gpu, batch, self.result);
        let [left4, right4, result4] = [self.left, self.right, self.result].map(|matrix| matrix.stride() / 4);
        let block = self.right.rows / batch.num_tables;
        let (cols, inner) = (self.result.cols, self.left.cols);
        let more = more.iter().map(|&(at, floats)| (at, floats.into()));
        let buffers: Vec<(u32, Handle)> = [
            (1, self.left.buffer.into()),
            (2, self.right.buffer.into()),
            (3, self.result.buffer.into()),
            (4, batch.table_start.into()),
            (5, batch.unique_rows.into()),
        ]
        .into_iter()
        .chain(more)
        .collect();
        let forward = f64::from(self.entry == "forward");
        let constants = [("TABLES", batch.num_tables as f64), ("FORWARD", forward)];
        let made = gpu.dispatch(&Call {
            shader: &shaders::EMBEDDING_TILED,
            entry: self.entry,
            constants: &[blocks.constants(), &constants].concat(),
            parameters: &[block, cols, inner, left4, right4, result4, self.rate].map(word),
            buffers: &buffers,
            workgroups: blocks.grid(count),
        })?;
        Ok(vec![made])
    }
}
