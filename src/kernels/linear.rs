//! A fully connected layer: y = act(x·wᵀ + b), with w (out, in) as in PyTorch.

use super::encode::{self, word};
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Family, Gpu, GpuError, Handle, shaders};
use crate::backend::product::{Form, View, product};
use crate::backend::{Floats, Matrix};
use rayon::prelude::*;

/// Rows of a batch that one task computes. Fixed: the bits must not depend on the number of threads.
const BATCH_ROWS: usize = 32;
/// Rows of a weight's gradient that one task computes.
const WEIGHT_ROWS: usize = 64;

/// y = act(x·wᵀ + b).
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// (B, in)
    pub x: Matrix,
    /// (out, in)
    pub weight: Matrix,
    /// (out)
    pub bias: Floats,
    /// (B, out), written
    pub y: Matrix,
    /// act = max(0, ·), else the identity
    pub relu: bool,
}

impl Forward {
    /// The CPU twin of `forward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut y = memory.take(self.y.buffer);
        let (x, weight, bias) = (
            memory.floats(self.x.buffer),
            memory.floats(self.weight.buffer),
            memory.floats(self.bias),
        );
        let weight = View::rows_of(weight, 0..self.weight.rows, self.weight.cols, self.weight.stride());
        let (cols, stride) = (self.y.cols, self.y.stride());
        y.par_chunks_mut(BATCH_ROWS * stride)
            .enumerate()
            .for_each(|(chunk, y)| {
                let first = chunk * BATCH_ROWS;
                let x = View::rows_of(x, first..first + y.len() / stride, self.x.cols, self.x.stride());
                product(y, cols, stride, Form::RightTransposed, x, weight);
                for row in y.chunks_exact_mut(stride) {
                    for (value, &bias) in row[..cols].iter_mut().zip(bias) {
                        *value += bias;
                        if self.relu {
                            *value = Real::max(*value, T::zero());
                        }
                    }
                }
            });
        memory.put(self.y.buffer, y);
    }
}

/// `grad_y ⊙= [y > 0]`, in place: what passes back through a ReLU.
#[derive(Debug, Clone, Copy)]
pub struct BackwardActivation {
    /// (B, out), the layer's output
    pub y: Matrix,
    /// (B, out), read and written
    pub grad_y: Matrix,
}

impl BackwardActivation {
    /// The CPU twin of `backward_activation`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut grad_y = memory.take(self.grad_y.buffer);
        for (grad, &y) in grad_y.iter_mut().zip(memory.floats(self.y.buffer)) {
            if y <= T::zero() {
                *grad = T::zero();
            }
        }
        memory.put(self.grad_y.buffer, grad_y);
    }
}

/// grad_x = grad_y·w.
#[derive(Debug, Clone, Copy)]
pub struct BackwardInput {
    /// (B, out)
    pub grad_y: Matrix,
    /// (out, in)
    pub weight: Matrix,
    /// (B, in), written
    pub grad_x: Matrix,
}

impl BackwardInput {
    /// The CPU twin of `backward_input`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut grad_x = memory.take(self.grad_x.buffer);
        let (grad_y, weight) = (memory.floats(self.grad_y.buffer), memory.floats(self.weight.buffer));
        let weight = View::rows_of(weight, 0..self.weight.rows, self.weight.cols, self.weight.stride());
        let (cols, stride) = (self.grad_x.cols, self.grad_x.stride());
        grad_x
            .par_chunks_mut(BATCH_ROWS * stride)
            .enumerate()
            .for_each(|(chunk, grad_x)| {
                let first = chunk * BATCH_ROWS;
                let range = first..first + grad_x.len() / stride;
                let grad_y = View::rows_of(grad_y, range, self.grad_y.cols, self.grad_y.stride());
                product(grad_x, cols, stride, Form::Plain, grad_y, weight);
            });
        memory.put(self.grad_x.buffer, grad_x);
    }
}

/// grad_w = grad_yᵀ·x and grad_b = Σ_b grad_y.
#[derive(Debug, Clone, Copy)]
pub struct BackwardWeight {
    /// (B, out)
    pub grad_y: Matrix,
    /// (B, in)
    pub x: Matrix,
    /// (out, in), written
    pub grad_weight: Matrix,
    /// (out), written
    pub grad_bias: Floats,
}

impl BackwardWeight {
    /// The CPU twin of `backward_weight`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut grad_weight = memory.take(self.grad_weight.buffer);
        let mut grad_bias = memory.take(self.grad_bias);
        let (grad_y, x) = (memory.floats(self.grad_y.buffer), memory.floats(self.x.buffer));
        let x = View::rows_of(x, 0..self.x.rows, self.x.cols, self.x.stride());
        let (cols, stride) = (self.grad_weight.cols, self.grad_weight.stride());
        grad_weight
            .par_chunks_mut(WEIGHT_ROWS * stride)
            .enumerate()
            .for_each(|(chunk, grad_weight)| {
                // The columns `first..` of grad_y: its rows keep their distance, only the start moves.
                let grad_y = View {
                    data: &grad_y[chunk * WEIGHT_ROWS..],
                    rows: self.grad_y.rows,
                    cols: grad_weight.len() / stride,
                    stride: self.grad_y.stride(),
                };
                product(grad_weight, cols, stride, Form::LeftTransposed, grad_y, x);
            });
        grad_bias.fill(T::zero());
        for row in grad_y.chunks_exact(self.grad_y.stride()) {
            for (sum, &grad) in grad_bias.iter_mut().zip(row) {
                *sum += grad;
            }
        }
        memory.put(self.grad_weight.buffer, grad_weight);
        memory.put(self.grad_bias, grad_bias);
    }
}

impl Forward {
    /// The dispatch of `forward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let relu = [("RELU", f64::from(self.relu))];
        let buffers = [self.x.buffer, self.weight.buffer, self.y.buffer, self.bias];
        let inner = self.x.cols;
        dispatch(gpu, "forward", &relu, self.x, self.weight, self.y, inner, &buffers).map(|made| vec![made])
    }
}

impl BackwardActivation {
    /// The dispatch of `backward_activation`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let count = self.grad_y.padded_len() / 4;
        gpu.dispatch(&Call {
            shader: shader(gpu),
            entry: "backward_activation",
            constants: &[],
            parameters: &[0, 0, 0, 0, 0, 0, word(count)],
            buffers: &[(1, self.y.buffer.into()), (3, self.grad_y.buffer.into())],
            workgroups: encode::items(count),
        })
        .map(|made| vec![made])
    }
}

impl BackwardInput {
    /// The dispatch of `backward_input`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let buffers = [self.grad_y.buffer, self.weight.buffer, self.grad_x.buffer];
        let inner = self.grad_y.cols;
        let (left, right, result) = (self.grad_y, self.weight, self.grad_x);
        dispatch(gpu, "backward_input", &[], left, right, result, inner, &buffers).map(|made| vec![made])
    }
}

impl BackwardWeight {
    /// The dispatches of `backward_weight` and `backward_bias`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let buffers = [self.grad_y.buffer, self.x.buffer, self.grad_weight.buffer];
        let inner = self.grad_y.rows;
        let (left, right, result) = (self.grad_y, self.x, self.grad_weight);
        let weight = dispatch(gpu, "backward_weight", &[], left, right, result, inner, &buffers)?;
        let width4 = self.grad_y.stride() / 4;
        let bias = gpu.dispatch(&Call {
            shader: shader(gpu),
            entry: "backward_bias",
            constants: &[],
            parameters: &[0, 0, word(inner), word(width4)],
            buffers: &[(1, self.grad_y.buffer.into()), (3, self.grad_bias.into())],
            workgroups: [word(width4.div_ceil(8)), 1, 1],
        })?;
        Ok(vec![weight, bias])
    }
}

fn shader(gpu: &Gpu) -> &'static shaders::Shader {
    match gpu.family() {
        Family::Tiled => &shaders::LINEAR_TILED,
        Family::Rows => &shaders::LINEAR_ROWS,
    }
}

/// One of the three products, `buffers` in the order of the shader's bindings.
#[expect(clippy::too_many_arguments, reason = "three matrices and what is done with them")]
fn dispatch(
    gpu: &Gpu,
    entry: &str,
    constants: &[(&str, f64)],
    left: Matrix,
    right: Matrix,
    result: Matrix,
    inner: usize,
    buffers: &[Floats],
) -> Result<Dispatch, GpuError> {
    let width4 = result.stride() / 4;
    let blocks = encode::Blocks::new(gpu.family(), width4);
    let sizes = [
        result.rows,
        result.cols,
        inner,
        left.stride() / 4,
        right.stride() / 4,
        width4,
        0,
    ];
    let buffers: Vec<(u32, Handle)> = (1..).zip(buffers.iter().map(|&buffer| buffer.into())).collect();
    gpu.dispatch(&Call {
        shader: shader(gpu),
        entry,
        constants: &[constants, &[blocks.lanes()]].concat(),
        parameters: &sizes.map(word),
        buffers: &buffers,
        workgroups: blocks.grid(result.rows.div_ceil(blocks.rows)),
    })
}
