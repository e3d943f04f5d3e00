//! The `cat` interaction: the feature vectors side by side, the bottom MLP's output first.

use super::encode::{Joined, items};
use super::linear::pass;
use crate::backend::Matrix;
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Gpu, GpuError, shaders};

/// `out[b] = [bottom[b], pooled[b·F], …, pooled[b·F + F−1]]`.
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// (B, d)
    pub bottom: Matrix,
    /// (B·F, d)
    pub pooled: Matrix,
    /// (B, (F+1)·d), written
    pub out: Matrix,
}

impl Forward {
    /// The CPU twin of `forward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut out = memory.take(self.out.buffer);
        let (bottom, pooled) = (memory.floats(self.bottom.buffer), memory.floats(self.pooled.buffer));
        let (d, stride) = (self.bottom.cols, self.bottom.stride());
        let features = self.pooled.rows / self.bottom.rows;
        for (b, out) in out.chunks_exact_mut(self.out.stride()).enumerate() {
            out[..d].copy_from_slice(&bottom[b * stride..b * stride + d]);
            for (f, out) in out[d..(features + 1) * d].chunks_exact_mut(d).enumerate() {
                let row = (b * features + f) * stride;
                out.copy_from_slice(&pooled[row..row + d]);
            }
        }
        memory.put(self.out.buffer, out);
    }
}

/// The same cut apart again; the bottom MLP's output is that of a ReLU, through which its part passes back.
#[derive(Debug, Clone, Copy)]
pub struct Backward {
    /// (B, d)
    pub bottom: Matrix,
    /// (B, (F+1)·d)
    pub grad_out: Matrix,
    /// (B, d), written
    pub grad_bottom: Matrix,
    /// (B·F, d), written
    pub grad_pooled: Matrix,
}

impl Backward {
    /// The CPU twin of `backward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut grad_bottom = memory.take(self.grad_bottom.buffer);
        let mut grad_pooled = memory.take(self.grad_pooled.buffer);
        let (grad_out, bottom) = (memory.floats(self.grad_out.buffer), memory.floats(self.bottom.buffer));
        let (d, stride) = (self.grad_bottom.cols, self.grad_bottom.stride());
        let features = self.grad_pooled.rows / self.grad_bottom.rows;
        for (b, grad_out) in grad_out.chunks_exact(self.grad_out.stride()).enumerate() {
            grad_bottom[b * stride..b * stride + d].copy_from_slice(&grad_out[..d]);
            for (f, grad_out) in grad_out[d..(features + 1) * d].chunks_exact(d).enumerate() {
                let row = (b * features + f) * stride;
                grad_pooled[row..row + d].copy_from_slice(grad_out);
            }
        }
        pass(&mut grad_bottom, bottom);
        memory.put(self.grad_bottom.buffer, grad_bottom);
        memory.put(self.grad_pooled.buffer, grad_pooled);
    }
}

impl Forward {
    /// The dispatch of `forward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        joined(self.bottom, self.pooled, self.out).forward(gpu, &shaders::CONCAT, items(self.out.padded_len()))
    }
}

impl Backward {
    /// The dispatch of `backward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let joined = joined(self.grad_bottom, self.grad_pooled, self.grad_out);
        gpu.dispatch(&Call {
            shader: &shaders::CONCAT,
            entry: "backward",
            constants: &joined.constants(),
            parameters: &joined.parameters(),
            buffers: &[
                (1, self.bottom.buffer.into()),
                (4, self.grad_out.buffer.into()),
                (5, self.grad_bottom.buffer.into()),
                (6, self.grad_pooled.buffer.into()),
            ],
            workgroups: items(self.grad_bottom.padded_len() + self.grad_pooled.padded_len()),
        })
        .map(|made| vec![made])
    }
}

/// As the shader takes them.
fn joined(bottom: Matrix, pooled: Matrix, out: Matrix) -> Joined {
    Joined {
        bottom,
        pooled,
        out,
        lanes: 1,
    }
}
