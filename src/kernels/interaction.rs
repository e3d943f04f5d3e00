//! DLRM's dot interaction (Naumov et al. 2019, section 2.1.3): the F+1 vectors v₀ = bottom MLP's output, v₁… = the pooled
//! features; all products ⟨vᵢ, vⱼ⟩ with i > j, row-major, behind v₀.

use super::encode::{Joined, items};
use super::linear::pass;
use crate::backend::Matrix;
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Family, Gpu, GpuError, grid, shaders};
use crate::backend::lanes::MOST;
use crate::backend::product::{Form, PANEL, View, columns_of, pack, packed_len, product, product_packed};
use pulp::{Arch, Simd, WithSimd};
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
        let vectors = Vectors::of(memory, self.bottom, self.pooled);
        let (d, stride, count) = (self.bottom.cols, self.bottom.stride(), vectors.count());
        let width = count.next_multiple_of(PANEL);
        let sizes = [count * stride, packed_len(count, d), count * width];
        out.par_chunks_mut(EXAMPLES * self.out.stride())
            .enumerate()
            .for_each(|(chunk, out)| {
                T::with_scratch(sizes.iter().sum(), |scratch| {
                    let (own, scratch) = scratch.split_at_mut(sizes[0]);
                    let (panels, all) = scratch.split_at_mut(sizes[1]);
                    for (b, out) in out.chunks_exact_mut(self.out.stride()).enumerate() {
                        vectors.copy(chunk * EXAMPLES + b, own);
                        let own = View::rows_of(own, 0..count, d, stride);
                        pack(panels, own);
                        // ⟨vᵢ, vⱼ⟩ for all j < i, and a few more.
                        for first in (0..count).step_by(MOST) {
                            let rows = first..count.min(first + MOST);
                            let all = &mut all[rows.start * width..rows.end * width];
                            let rows = View::rows_of(own.data, rows, d, stride);
                            product_packed(columns_of(all, first + MOST, width), rows, panels);
                        }
                        out[..d].copy_from_slice(&own.data[..d]);
                        let out = &mut out[d..d + num_products(vectors.features)];
                        Arch::new().dispatch(Triangle { out, all, width });
                    }
                });
            });
        memory.put(self.out.buffer, out);
    }
}

/// Takes the strict lower triangle out of a matrix, row behind row.
struct Triangle<'a, T> {
    /// (count·(count − 1)/2)
    out: &'a mut [T],
    /// (count, width)
    all: &'a [T],
    width: usize,
}

impl<T: Real> WithSimd for Triangle<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = T::lanes::<S>();
        let mut below = 0;
        for (i, row) in self.all.chunks_exact(self.width).enumerate() {
            let whole = i.next_multiple_of(lanes);
            // What is copied past a row's end is overwritten by the next one: so few numbers that calls of `memcpy` would cost
            // more.
            match self.out.get_mut(below..below + whole) {
                Some(out) if whole <= self.width => {
                    for (to, from) in out.chunks_exact_mut(lanes).zip(row.chunks_exact(lanes)) {
                        T::store(simd, to, T::load(simd, from));
                    }
                }
                _ => self.out[below..below + i].copy_from_slice(&row[..i]),
            }
            below += i;
        }
    }
}

/// grad_vᵢ = Σ_{j ≠ i} g_{ij}·vⱼ, and the head of grad_out to grad_v₀; v₀ is the output of a ReLU, through which it passes
/// back: `grad_v₀ ⊙= [v₀ > 0]`.
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
        let vectors = Vectors::of(memory, self.bottom, self.pooled);
        let grad_out = memory.floats(self.grad_out.buffer);
        let (d, stride, count) = (self.bottom.cols, self.bottom.stride(), vectors.count());
        let sizes = [count * stride, count * count];
        let examples = grad_bottom
            .par_chunks_mut(stride)
            .zip(grad_pooled.par_chunks_mut(vectors.features * stride))
            .zip(grad_out.par_chunks(self.grad_out.stride()));
        examples
            .with_min_len(EXAMPLES)
            .enumerate()
            .for_each(|(b, ((grad_bottom, grad_pooled), grad_out))| {
                T::with_scratch(sizes.iter().sum(), |scratch| {
                    let (own, pairs) = scratch.split_at_mut(sizes[0]);
                    vectors.copy(b, own);
                    symmetric(pairs, count, &grad_out[d..]);
                    // Over the padding too: it is zero in every vector.
                    let own = View::rows_of(own, 0..count, stride, stride);
                    let of = |rows| View::rows_of(pairs, rows, count, count);
                    product(columns_of(grad_bottom, stride, stride), Form::Plain, of(0..1), own);
                    product(columns_of(grad_pooled, stride, stride), Form::Plain, of(1..count), own);
                    for (grad, &head) in grad_bottom.iter_mut().zip(&grad_out[..d]) {
                        *grad += head;
                    }
                    pass(grad_bottom, own.data);
                });
            });
        memory.put(self.grad_bottom.buffer, grad_bottom);
        memory.put(self.grad_pooled.buffer, grad_pooled);
    }
}

/// g_{ij} = g_{ji} out of the strict lower triangle, zeros on the diagonal: (count, count).
fn symmetric<T: Real>(pairs: &mut [T], count: usize, triangle: &[T]) {
    let mut triangle = triangle.iter();
    for i in 0..count {
        pairs[i * count + i] = T::zero();
        for (j, &g) in (0..i).zip(&mut triangle) {
            pairs[i * count + j] = g;
            pairs[j * count + i] = g;
        }
    }
}

/// The F+1 vectors of every example.
struct Vectors<'a, T> {
    bottom: &'a [T],
    pooled: &'a [T],
    stride: usize,
    features: usize,
}

impl<'a, T: Real> Vectors<'a, T> {
    fn of(memory: &'a Memory<T>, bottom: Matrix, pooled: Matrix) -> Self {
        Self {
            bottom: memory.floats(bottom.buffer),
            pooled: memory.floats(pooled.buffer),
            stride: bottom.stride(),
            features: pooled.rows / bottom.rows,
        }
    }

    /// F+1.
    fn count(&self) -> usize {
        self.features + 1
    }

    /// Those of example b behind one another, padding included.
    fn copy(&self, b: usize, into: &mut [T]) {
        let (first, others) = into.split_at_mut(self.stride);
        let length = self.features * self.stride;
        first.copy_from_slice(&self.bottom[b * self.stride..(b + 1) * self.stride]);
        others.copy_from_slice(&self.pooled[b * length..(b + 1) * length]);
    }
}

impl Forward {
    /// The dispatch of `forward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let (shader, workgroups) = shader(gpu, self.bottom.rows, self.out.padded_len());
        joined(self.bottom, self.pooled, self.out).forward(gpu, shader, workgroups)
    }
}

impl Backward {
    /// The dispatch of `backward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let joined = joined(self.bottom, self.pooled, self.grad_out);
        let vec4s = (self.bottom.padded_len() + self.pooled.padded_len()) / 4;
        let (shader, workgroups) = shader(gpu, self.bottom.rows, vec4s);
        gpu.dispatch(&Call {
            shader,
            entry: "backward",
            constants: &joined.constants(),
            parameters: &joined.parameters(),
            buffers: &[
                (1, self.bottom.buffer.into()),
                (2, self.pooled.buffer.into()),
                (4, self.grad_out.buffer.into()),
                (5, self.grad_bottom.buffer.into()),
                (6, self.grad_pooled.buffer.into()),
            ],
            workgroups,
        })
        .map(|made| vec![made])
    }
}

/// The shader and its grid: an invocation an item, or a subgroup an example.
fn shader(gpu: &Gpu, examples: usize, count: usize) -> (&'static shaders::Shader, [u32; 3]) {
    match gpu.family() {
        Family::Lanes => (&shaders::INTERACTION_LANES, grid(examples, 1)),
        Family::Tiled | Family::Rows => (&shaders::INTERACTION_ITEMS, items(count)),
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
