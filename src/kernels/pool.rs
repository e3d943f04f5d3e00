//! Bags: a categorical feature is a bag of rows, summed (DLRM's EmbeddingBag). A plain category is a bag of length one; an
//! empty bag is zero.

use super::encode::{items, word};
use crate::backend::ahead;
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Call, Dispatch, Family, Gpu, GpuError, grid, shaders};
use crate::backend::layout::UNIQUE;
use crate::backend::{Matrix, SparseBatch};
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;

/// Rows that one task computes.
const ROWS: usize = 1024;
/// `SEGMENTS` of shaders/common/pool_together.wgsl.
const TOGETHER: usize = 64;
/// How many entries ahead their rows are asked for.
const AHEAD: usize = 32;

/// `pooled[bag] = Σ_{entries of the bag} y[entry]`.
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// Bags and their entries
    pub batch: SparseBatch,
    /// (capacity, d): one row a unique row
    pub y: Matrix,
    /// (B·F, d), written
    pub pooled: Matrix,
}

impl Forward {
    /// The CPU twin of `forward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let (offsets, entries) = (self.batch.bag_offsets, self.batch.bag_entries);
        sum_segments(memory, offsets, entries, self.y, self.pooled, self.batch.num_bags);
    }
}

/// `grad_y[u] = Σ_{bags that use u} grad_pooled[bag]`, in ascending order of bags.
#[derive(Debug, Clone, Copy)]
pub struct Backward {
    /// Rows and their uses
    pub batch: SparseBatch,
    /// (B·F, d)
    pub grad_pooled: Matrix,
    /// (capacity, d), written up to the number of unique rows
    pub grad_y: Matrix,
}

impl Backward {
    /// The CPU twin of `backward`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let unique = memory.ints(self.batch.counts)[UNIQUE] as usize;
        let (offsets, uses) = (self.batch.use_offsets, self.batch.uses);
        sum_segments(memory, offsets, uses, self.grad_pooled, self.grad_y, unique);
    }
}

/// out[i] = Σ_{e in offsets[i]..offsets[i+1]} rows[entries[e]], for i < count, each segment in its order.
fn sum_segments<T: Real>(
    memory: &mut Memory<T>,
    offsets: crate::backend::Ints,
    entries: crate::backend::Ints,
    rows: Matrix,
    out: Matrix,
    count: usize,
) {
    let mut values = memory.take(out.buffer);
    let (offsets, entries) = (memory.ints(offsets), memory.ints(entries));
    let entries = &entries[..offsets[count] as usize]; // behind them lies what an earlier batch left
    let rows = memory.floats(rows.buffer);
    let stride = out.stride();
    values[..count * stride]
        .par_chunks_mut(ROWS * stride)
        .enumerate()
        .for_each(|(chunk, values)| {
            let offsets = &offsets[chunk * ROWS..][..values.len() / stride + 1];
            Arch::new().dispatch(|| match offsets.windows(2).all(|ends| ends[1] - ends[0] == 1) {
                true => copy(values, &entries[offsets[0] as usize..], rows, stride),
                false => sum(values, offsets, entries, rows, stride),
            });
        });
    memory.put(out.buffer, values);
}

/// Segments of any length.
#[inline(always)]
fn sum<T: Real>(values: &mut [T], offsets: &[u32], entries: &[u32], rows: &[T], stride: usize) {
    for (sum, ends) in values.chunks_exact_mut(stride).zip(offsets.windows(2)) {
        sum.fill(T::zero());
        let range = ends[0] as usize..ends[1] as usize;
        ask(entries, range.clone(), rows, stride);
        for &entry in &entries[range] {
            let row = &rows[entry as usize * stride..][..stride];
            for (sum, &value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

/// Segments of one entry each.
#[inline(always)]
fn copy<T: Real>(values: &mut [T], entries: &[u32], rows: &[T], stride: usize) {
    for (i, (sum, &entry)) in values.chunks_exact_mut(stride).zip(entries).enumerate() {
        ask(entries, i..i + 1, rows, stride);
        let row = &rows[entry as usize * stride..][..stride];
        for (sum, &value) in sum.iter_mut().zip(row) {
            *sum = T::zero() + value; // as the sum has it: −0 becomes 0
        }
    }
}

/// Asks for the rows of the entries that come [`AHEAD`] of some, as far as there are any.
#[inline(always)]
fn ask<T>(entries: &[u32], some: Range<usize>, rows: &[T], stride: usize) {
    let ahead = (some.start + AHEAD).min(entries.len())..(some.end + AHEAD).min(entries.len());
    ahead::ask_rows(rows, stride, entries[ahead].iter().map(|&entry| entry as usize));
}

impl Forward {
    /// The dispatch of `forward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let width4 = self.y.stride() / 4;
        gpu.dispatch(&Call {
            shader: shader(gpu),
            entry: "forward",
            constants: &[("WIDTH4", width4 as f64)],
            parameters: &[word(self.batch.num_bags)],
            buffers: &[
                (1, self.y.buffer.into()),
                (2, self.batch.bag_offsets.into()),
                (3, self.batch.bag_entries.into()),
                (4, self.pooled.buffer.into()),
            ],
            workgroups: items(self.batch.num_bags * width4),
        })
        .map(|made| vec![made])
    }
}

impl Backward {
    /// The dispatch of `backward`.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let width4 = self.grad_y.stride() / 4;
        let segments = self.batch.capacity;
        gpu.dispatch(&Call {
            shader: shader(gpu),
            entry: "backward",
            constants: &[("WIDTH4", width4 as f64)],
            parameters: &[word(segments)],
            buffers: &[
                (1, self.grad_pooled.buffer.into()),
                (2, self.batch.use_offsets.into()),
                (3, self.batch.uses.into()),
                (4, self.grad_y.buffer.into()),
                (5, self.batch.counts.into()),
            ],
            workgroups: match gpu.family() {
                Family::Tiled => grid(segments.div_ceil(TOGETHER), 1),
                Family::Rows | Family::Lanes => items(segments * width4),
            },
        })
        .map(|made| vec![made])
    }
}

fn shader(gpu: &Gpu) -> &'static shaders::Shader {
    match gpu.family() {
        Family::Tiled => &shaders::POOL_TOGETHER,
        Family::Rows | Family::Lanes => &shaders::POOL_ITEMS,
    }
}
