//! The dispatches.

use super::{BackwardInput, BackwardWeight, Forward};
use crate::backend::gpu::{Blocks, Call, Dispatch, Gpu, GpuError, Handle, shaders};
use crate::backend::{Allocate, Matrix, SparseBatch};
use crate::kernels::encode::{items, word};

impl Forward {
    /// The dispatch of `forward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        rows_by_table(gpu, "forward", &self.batch, self.x, self.weight, self.y)
    }
}

impl BackwardInput {
    /// The dispatch of `backward_input`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        rows_by_table(
            gpu,
            "backward_input",
            &self.batch,
            self.grad_y,
            self.weight,
            self.grad_x,
        )
    }
}

/// Blocks of rows of one table each, and how many: at most one begun block a table more than the rows fill.
pub(in crate::kernels) fn blocks_by_table(gpu: &Gpu, batch: &SparseBatch, result: Matrix) -> (Blocks, usize) {
    let blocks = Blocks::new(gpu.family(), batch.capacity, result.stride() / 4);
    let count = batch.capacity / blocks.rows + batch.num_tables.min(batch.capacity);
    (blocks, count)
}

fn rows_by_table(
    gpu: &Gpu,
    entry: &str,
    batch: &SparseBatch,
    left: Matrix,
    weight: Matrix,
    result: Matrix,
) -> Result<Vec<Dispatch>, GpuError> {
    let (blocks, count) = blocks_by_table(gpu, batch, result);
    let product = Product {
        batch,
        sizes: [weight.rows / batch.num_tables, 0, result.cols, left.cols],
        matrices: [left, weight, result],
        rate: 0,
        parts: [1, 0],
    };
    Ok(vec![product.dispatch(gpu, entry, &blocks, count, &[])?])
}

impl BackwardWeight {
    /// The dispatch of `backward_weight_…`; where tables may have many unique rows those of `gradient_part` and `step_parts_…`.
    pub fn gpu(&self, gpu: &mut Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let (weight, batch) = (self.weight, &self.batch);
        let rows = weight.rows / batch.num_tables;
        let (blocks, parts) = self.blocks(gpu);
        let mut product = Product {
            batch,
            sizes: [rows, rows, weight.cols, 0],
            matrices: [self.x, self.grad_y, weight],
            rate: self.rate,
            parts: [parts, self.terms().div_ceil(parts)],
        };
        let count = parts * rows.div_ceil(blocks.rows) * batch.num_tables;
        let mut stepped: Vec<(u32, Handle)> = vec![(5, self.scalars.into())];
        stepped.extend(self.rule.sum().map(|sum| (6, sum.into())));
        if parts == 1 {
            let entry = self.rule.entry("backward_weight_sgd", "backward_weight_adagrad");
            return Ok(vec![product.dispatch(gpu, entry, &blocks, count, &stepped)?]);
        }
        let scratch = gpu.allocate_floats(parts * weight.padded_len())?;
        product.matrices[2].buffer = scratch;
        let gradient = product.dispatch(gpu, "gradient_part", &blocks, count, &[])?;
        stepped.extend([(1, scratch.into()), (3, weight.buffer.into())]);
        let step = gpu.dispatch(&Call {
            shader: shader(gpu),
            entry: self.rule.entry("step_parts_sgd", "step_parts_adagrad"),
            constants: &[("TABLES", batch.num_tables as f64)],
            parameters: &product.words(),
            buffers: &stepped,
            workgroups: items(weight.padded_len() / 4),
        })?;
        Ok(vec![gradient, step])
    }

    /// In how many parts the gradient's sums are added up.
    pub(in crate::kernels) fn parts(&self, gpu: &Gpu) -> usize {
        self.blocks(gpu).1
    }

    fn blocks(&self, gpu: &Gpu) -> (Blocks, usize) {
        let (rows, width4) = (self.weight.rows, self.weight.stride() / 4);
        Blocks::of_sum(gpu.family(), rows, width4, self.terms())
    }

    /// Unique rows that a table may have, as a rule.
    fn terms(&self) -> usize {
        self.batch.capacity / self.batch.num_tables
    }
}

fn shader(gpu: &Gpu) -> &'static shaders::Shader {
    let family = gpu.family();
    family.of(&shaders::FACTOR_TILED, &shaders::FACTOR_ROWS, &shaders::FACTOR_LANES)
}

/// What a product works on.
struct Product<'a> {
    batch: &'a SparseBatch,
    /// block, rows, cols, inner of the shader's parameter block
    sizes: [usize; 4],
    /// left, right, result
    matrices: [Matrix; 3],
    rate: usize,
    /// Of the sums, and the terms of each
    parts: [usize; 2],
}

impl Product<'_> {
    fn words(&self) -> Vec<u32> {
        let strides = self.matrices.map(|matrix| matrix.stride() / 4);
        let all = [&self.sizes[..], &strides, &[self.rate], &self.parts].concat();
        all.into_iter().map(word).collect()
    }

    fn dispatch(
        &self,
        gpu: &Gpu,
        entry: &str,
        blocks: &Blocks,
        count: usize,
        more: &[(u32, Handle)],
    ) -> Result<Dispatch, GpuError> {
        let [left, right, result] = self.matrices.map(|matrix| matrix.buffer.into());
        let buffers = [(1, left), (2, right), (3, result), (4, self.batch.table_start.into())];
        gpu.dispatch(&Call {
            shader: shader(gpu),
            entry,
            constants: &[blocks.constants(), &[("TABLES", self.batch.num_tables as f64)]].concat(),
            parameters: &self.words(),
            buffers: &[&buffers, more].concat(),
            workgroups: blocks.grid(count),
        })
    }
}
