//! DLRM's dot interaction (Naumov et al. 2019, section 2.1.3): the F+1 vectors v₀ = bottom MLP's output, v₁… = the pooled
//! features; all products ⟨vᵢ, vⱼ⟩ with i > j, row-major, behind v₀.

use super::encode::{Joined, items};
use crate::backend::Matrix;
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Gpu, GpuError, shaders};
use rayon::prelude::*;

/// Examples that one task computes.
const EXAMPLES: usize = 16;

/// Number of products of `features` vectors beside the dense one: F(F+1)/2.
pub const fn num_products(features: usize) -> usize {
    features * (features + 1) / 2
}

/// `out[b] = [v₀, ⟨v₁,v₀⟩, ⟨v₂,v₀⟩, ⟨v₂,v₁⟩, …]`.
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// (B, d)
    pub bottom: Matrix,
    /// (B·F, d)
    pub pooled: Matrix,
    /// (B, d + F(F+1)/2), written
    pub out: Matrix,
}

impl Forward {
    /// The CPU twin of `forward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let mut out = memory.take(self.out.buffer);
        let (bottom, pooled) = (memory.floats(self.bottom.buffer), memory.floats(self.pooled.buffer));
        let (d, stride) = (self.bottom.cols, self.bottom.stride());
        let features = self.pooled.rows / self.bottom.rows;
        let vector = |b: usize, i: usize| vector(bottom, pooled, stride, features, b, i);
        out.par_chunks_mut(EXAMPLES * self.out.stride())
            .enumerate()
            .for_each(|(chunk, out)| {
                for (b, out) in out.chunks_exact_mut(self.out.stride()).enumerate() {
                    let b = chunk * EXAMPLES + b;
                    let (head, products) = out.split_at_mut(d);
                    head.copy_from_slice(&vector(b, 0)[..d]);
                    let mut products = products.iter_mut();
                    for i in 1..=features {
                        for (j, out) in (0..i).zip(&mut products) {
                            *out = dot(vector(b, i), vector(b, j));
                        }
                    }
                }
            });
        memory.put(self.out.buffer, out);
    }
}

/// grad_vᵢ = Σ_{j ≠ i} g_{ij}·vⱼ, and the head of grad_out to grad_v₀.
#[derive(Debug, Clone, Copy)]
pub struct Backward {
    /// (B, d)
    pub bottom: Matrix,
    /// (B·F, d)
    pub pooled: Matrix,
    /// (B, d + F(F+1)/2)
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
        let (bottom, pooled) = (memory.floats(self.bottom.buffer), memory.floats(self.pooled.buffer));
        let grad_out = memory.floats(self.grad_out.buffer);
        let (d, stride) = (self.bottom.cols, self.bottom.stride());
        let features = self.pooled.rows / self.bottom.rows;
        let examples = grad_bottom
            .par_chunks_mut(stride)
            .zip(grad_pooled.par_chunks_mut(features * stride))
            .zip(grad_out.par_chunks(self.grad_out.stride()));
        examples
            .with_min_len(EXAMPLES)
            .enumerate()
            .for_each(|(b, ((grad_bottom, grad_pooled), grad_out))| {
                grad_bottom.fill(T::zero());
                grad_bottom[..d].copy_from_slice(&grad_out[..d]);
                grad_pooled.fill(T::zero());
                let mut products = grad_out[d..].iter();
                for i in 1..=features {
                    for (j, &g) in (0..i).zip(&mut products) {
                        let (below, from) = grad_pooled.split_at_mut((i - 1) * stride);
                        let grad_j = if j == 0 {
                            &mut *grad_bottom
                        } else {
                            &mut below[(j - 1) * stride..j * stride]
                        };
                        axpy(g, vector(bottom, pooled, stride, features, b, i), grad_j);
                        let v_j = vector(bottom, pooled, stride, features, b, j);
                        axpy(g, v_j, &mut from[..stride]);
                    }
                }
            });
        memory.put(self.grad_bottom.buffer, grad_bottom);
        memory.put(self.grad_pooled.buffer, grad_pooled);
    }
}

/// vᵢ of example b, padding included.
fn vector<'a, T>(bottom: &'a [T], pooled: &'a [T], stride: usize, features: usize, b: usize, i: usize) -> &'a [T] {
    let (from, row) = match i {
        0 => (bottom, b),
        _ => (pooled, b * features + i - 1),
    };
    &from[row * stride..(row + 1) * stride]
}

/// ⟨a, b⟩ in four interleaved sums, which vectorises; the order is fixed.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::zero(); 4];
    for (a, b) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// y += a·x.
fn axpy<T: Real>(a: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

impl Forward {
    /// The dispatch of `forward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        joined(self.bottom, self.pooled, self.out).forward(gpu, &shaders::INTERACTION)
    }
}

impl Backward {
    /// The dispatch of `backward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        gpu.dispatch(&Call {
            shader: &shaders::INTERACTION,
            entry: "backward",
            constants: &[],
            parameters: &joined(self.bottom, self.pooled, self.grad_out).parameters(),
            buffers: &[
                (1, self.bottom.buffer.into()),
                (2, self.pooled.buffer.into()),
                (4, self.grad_out.buffer.into()),
                (5, self.grad_bottom.buffer.into()),
                (6, self.grad_pooled.buffer.into()),
            ],
            workgroups: items((self.bottom.padded_len() + self.pooled.padded_len()) / 4),
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
        lanes: 4,
    }
}
