//! The dispatches, for families that have a shader of it.

use super::{Backward, Forward};
use crate::backend::gpu::{Call, Dispatch, Family, Gpu, GpuError, Handle, shaders};
use crate::backend::{Floats, Matrix, SparseBatch};
use crate::kernels::encode::word;
use crate::kernels::rule::Rule;
use crate::kernels::{Operation, dispatches, factor, update_rows};

impl Forward {
    /// The dispatch of `forward`; those of the parts on a CPU driver.
    pub fn gpu(&self, gpu: &mut Gpu) -> Result<Vec<Dispatch>, GpuError> {
        if gpu.family() != Family::Tiled {
            return dispatches(gpu, &self.parts());
        }
        let (tables, factor) = (&self.gather.tables, &self.factor);
        let shard = tables.shards[0];
        let product = Product {
            entry: "forward",
            batch: &factor.batch,
            left: Matrix {
                buffer: shard.buffer,
                rows: shard.rows,
                cols: tables.cols,
            },
            right: factor.weight,
            result: factor.y,
            kept: shard.buffer,
            rate: 0,
        };
        let copy = copy_of(gpu, factor.weight)?;
        let made = product.dispatch(gpu, &[(8, factor.x.buffer), (10, copy.buffer)])?;
        Ok(vec![made])
    }
}

impl Backward {
    /// The dispatch of `both_sgd`; or that of `backward_…` and the factor's own, where W steps otherwise; or those of the parts on a
    /// CPU driver, and where a row's step depends on its whole gradient.
    pub fn gpu(&self, gpu: &mut Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let entry = match self.rows.rule {
            _ if gpu.family() != Family::Tiled => return dispatches(gpu, &self.parts()),
            update_rows::Rule::RowwiseAdagrad { .. } => return dispatches(gpu, &self.parts()),
            update_rows::Rule::Sgd => "backward_sgd",
            update_rows::Rule::Adagrad { .. } => "backward_adagrad",
        };
        if let Some(step) = self.weight
            && entry == "backward_sgd"
            && step.rule == Rule::Sgd
            && step.parts(gpu) == 1
            && step.weight.cols <= self.rows.tables.cols
        // the grid is as wide as the rows are
        {
            let copy = copy_of(gpu, self.input.weight)?;
            let more = [(10, step.weight.buffer)];
            return Ok(vec![
                self.product("both_sgd", copy)
                    .dispatch(gpu, &[&more[..], &self.stepped()].concat())?,
            ]);
        }
        let mut made = vec![self.product(entry, self.input.weight).dispatch(gpu, &self.stepped())?];
        // W steps last: the rows' step reads it as it was, and its own gradient reads a copy of the rows.
        let step = self.weight.map(Operation::FactorBackwardWeight);
        made.extend(dispatches(gpu, step.as_slice())?);
        Ok(made)
    }

    fn product(&self, entry: &'static str, weight: Matrix) -> Product<'_> {
        let tables = &self.rows.tables;
        Product {
            entry,
            batch: &self.input.batch,
            left: self.input.grad_y,
            right: weight,
            result: Matrix {
                buffer: tables.shards[0].buffer,
                rows: self.input.batch.capacity,
                cols: tables.cols,
            },
            kept: self.weight.map_or(self.input.grad_y.buffer, |step| step.x.buffer),
            rate: self.rows.rate,
        }
    }

    /// What the rows' step needs beside the product.
    fn stepped(&self) -> Vec<(u32, Floats)> {
        let sum = self.rows.rule.sum().map(|sum| (7, sum.shards[0].buffer));
        std::iter::once((6, self.rows.scalars)).chain(sum).collect()
    }
}

/// W as it was in the forward pass.
fn copy_of(gpu: &mut Gpu, weight: Matrix) -> Result<Matrix, GpuError> {
    let buffer = gpu.copy_of(weight.buffer, weight.padded_len())?;
    Ok(Matrix { buffer, ..weight })
}

/// A product of the unique rows with their tables' factors.
struct Product<'a> {
    entry: &'static str,
    batch: &'a SparseBatch,
    left: Matrix,
    right: Matrix,
    result: Matrix,
    /// x as the forward pass left it; where it is not read, any buffer that is.
    kept: Floats,
    rate: usize,
}

impl Product<'_> {
    fn dispatch(&self, gpu: &Gpu, more: &[(u32, Floats)]) -> Result<Dispatch, GpuError> {
        let (blocks, row_blocks) = factor::blocks_by_table(gpu, self.batch, self.result);
        let [left4, right4, result4] = [self.left, self.right, self.result].map(|matrix| matrix.stride() / 4);
        let tables = self.batch.num_tables;
        let (block, cols, inner) = (self.right.rows / tables, self.result.cols, self.left.cols);
        let weight_blocks = match self.entry {
            "both_sgd" => tables * block.div_ceil(blocks.rows),
            _ => 0,
        };
        let more = more.iter().map(|&(at, floats)| (at, floats.into()));
        let buffers: Vec<(u32, Handle)> = [
            (1, self.left.buffer.into()),
            (2, self.right.buffer.into()),
            (3, self.result.buffer.into()),
            (4, self.batch.table_start.into()),
            (5, self.batch.unique_rows.into()),
            (9, self.kept.into()),
        ]
        .into_iter()
        .chain(more)
        .collect();
        let forward = f64::from(self.entry == "forward");
        let constants = [("TABLES", tables as f64), ("FORWARD", forward)];
        gpu.dispatch(&Call {
            shader: &shaders::EMBEDDING_TILED,
            entry: self.entry,
            constants: &[blocks.constants(), &constants].concat(),
            parameters: &[block, cols, inner, left4, right4, result4, self.rate, row_blocks].map(word),
            buffers: &buffers,
            workgroups: blocks.grid(row_blocks + weight_blocks),
        })
    }
}
