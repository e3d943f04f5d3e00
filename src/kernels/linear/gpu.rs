//! The dispatches.

use super::{BackwardInput, BackwardWeight, Forward};
use crate::backend::gpu::{Blocks, Call, Dispatch, Gpu, GpuError, Handle, shaders};
use crate::backend::{Allocate, Floats, Matrix};
use crate::kernels::encode::{items, word};

impl Forward {
    /// The dispatch of `forward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let relu = [("RELU", f64::from(self.relu))];
        let buffers = [
            (1, self.x.buffer),
            (2, self.weight.buffer),
            (3, self.y.buffer),
            (4, self.bias),
        ];
        let sizes = Sizes::new(self.x, self.weight, self.y, self.x.cols);
        let blocks = blocks(gpu, self.y);
        Ok(vec![dispatch(gpu, "forward", &relu, &sizes, &blocks, &buffers)?])
    }
}

impl BackwardInput {
    /// The dispatch of `backward_input`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let gated = [("GATED", f64::from(self.gate.is_some()))];
        // An entry point's bindings are fixed: without a gate, any buffer that is read stands in for it.
        let gate = self.gate.map_or(self.weight.buffer, |x| x.buffer);
        let buffers = [
            (1, self.grad_y.buffer),
            (2, self.weight.buffer),
            (3, self.grad_x.buffer),
            (5, gate),
        ];
        let sizes = Sizes::new(self.grad_y, self.weight, self.grad_x, self.grad_y.cols);
        let blocks = blocks(gpu, self.grad_x);
        Ok(vec![dispatch(
            gpu,
            "backward_input",
            &gated,
            &sizes,
            &blocks,
            &buffers,
        )?])
    }
}

impl BackwardWeight {
    /// The dispatch of `backward_weight_…`; for a long batch those of `gradient_part` and `step_parts_…`.
    pub fn gpu(&self, gpu: &mut Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let terms = self.grad_y.rows;
        let (blocks, parts) = Blocks::of_sum(gpu.family(), self.weight.rows, self.weight.stride() / 4, terms);
        let mut sizes = Sizes::new(self.grad_y, self.x, self.weight, terms);
        (sizes.rate, sizes.parts) = (self.rate, parts);
        let [left, right] = [(1, self.grad_y.buffer), (2, self.x.buffer)];
        if parts == 1 {
            let buffers = [&[left, right][..], &self.stepped()].concat();
            let entry = self.weight_rule.entry("backward_weight_sgd", "backward_weight_adagrad");
            return Ok(vec![dispatch(gpu, entry, &[], &sizes, &blocks, &buffers)?]);
        }
        let part = self.weight.padded_len() + self.weight.rows.next_multiple_of(4);
        let scratch = gpu.allocate_floats(parts * part)?;
        let gradient = dispatch(gpu, "gradient_part", &[], &sizes, &blocks, &[left, right, (3, scratch)])?;
        let step = gpu.dispatch(&Call {
            shader: shader(gpu),
            entry: self.weight_rule.entry("step_parts_sgd", "step_parts_adagrad"),
            constants: &[],
            parameters: &sizes.words(),
            buffers: &handles(&[&[(1, scratch)][..], &self.stepped()].concat()),
            workgroups: items(part / 4),
        })?;
        Ok(vec![gradient, step])
    }

    /// What steps, and what it needs beside the gradient.
    fn stepped(&self) -> Vec<(u32, Floats)> {
        let mut buffers = vec![(3, self.weight.buffer), (6, self.scalars), (8, self.bias)];
        buffers.extend(self.weight_rule.sum().map(|sum| (7, sum)));
        buffers.extend(self.bias_rule.sum().map(|sum| (9, sum)));
        buffers
    }
}

fn shader(gpu: &Gpu) -> &'static shaders::Shader {
    let family = gpu.family();
    family.of(&shaders::LINEAR_TILED, &shaders::LINEAR_ROWS, &shaders::LINEAR_LANES)
}

/// What a product works on: the shader's parameter block.
struct Sizes {
    result: Matrix,
    inner: usize,
    left4: usize,
    right4: usize,
    rate: usize,
    parts: usize,
}

impl Sizes {
    fn new(left: Matrix, right: Matrix, result: Matrix, inner: usize) -> Self {
        Self {
            result,
            inner,
            left4: left.stride() / 4,
            right4: right.stride() / 4,
            rate: 0,
            parts: 1,
        }
    }

    fn words(&self) -> [u32; 9] {
        let Self {
            result, inner, parts, ..
        } = *self;
        let distances = [self.left4, self.right4, result.stride() / 4];
        let [left4, right4, result4] = distances;
        let length = inner.div_ceil(parts);
        [
            result.rows,
            result.cols,
            inner,
            left4,
            right4,
            result4,
            self.rate,
            parts,
            length,
        ]
        .map(word)
    }
}

/// One of the products.
fn dispatch(
    gpu: &Gpu,
    entry: &str,
    constants: &[(&str, f64)],
    sizes: &Sizes,
    blocks: &Blocks,
    buffers: &[(u32, Floats)],
) -> Result<Dispatch, GpuError> {
    gpu.dispatch(&Call {
        shader: shader(gpu),
        entry,
        constants: &[constants, blocks.constants()].concat(),
        parameters: &sizes.words(),
        buffers: &handles(buffers),
        workgroups: blocks.grid(sizes.parts * sizes.result.rows.div_ceil(blocks.rows)),
    })
}

/// The blocks of a result that every term adds to at once.
fn blocks(gpu: &Gpu, result: Matrix) -> Blocks {
    Blocks::new(gpu.family(), result.rows, result.stride() / 4)
}

fn handles(buffers: &[(u32, Floats)]) -> Vec<(u32, Handle)> {
    buffers.iter().map(|&(at, buffer)| (at, buffer.into())).collect()
}
