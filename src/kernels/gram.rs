//! The Gram matrix of a table where it lies: `G = PᵀP`, `P = A·X` (or A itself), A the table's rows over all its shards, so that
//! of a table of any height only m×m numbers are read.
//!
//! The products a·x are computed in the memory's own type. The CPU then sums in f64 and leaves G in two numbers an entry, which
//! hold 48 bits of it; the GPU sums in f32, in blocks, and leaves one. [`Gram::roundings_cpu`] and [`Gram::roundings_gpu`] say
//! what that costs.

use super::encode::word;
use crate::backend::cpu::{Memory, Real};
use crate::backend::gpu::{Blocks, Call, Dispatch, Gpu, GpuError, Handle, grid, shaders};
use crate::backend::product::{Form, View, columns_of, product};
use crate::backend::{Floats, Matrix, stride};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that are multiplied at a time, on the CPU and on a GPU's block: their Gram matrix is added to the others' as one.
const BLOCK_ROWS: usize = 64;
/// Least rows of a range that one task of the CPU sums.
const RANGE_ROWS: usize = 4096;
/// Most ranges of a piece. Fixed, as the ranges are: the bits must not depend on the number of threads.
const RANGES: usize = 64;
/// Strips that `add` sums beside each other (`STRIPS` of the shader).
const STRIPS: usize = 64;
/// Elements of either scratch buffer, unless a single block needs more.
const SCRATCH: usize = 1 << 22;

/// Consecutive rows in one buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The buffer.
    pub buffer: Floats,
    /// The rows in it.
    pub rows: Range<usize>,
}

/// Room for what a GPU holds of a chunk of rows; tables may share it. The CPU needs none.
#[derive(Debug, Clone, Copy)]
pub struct Scratch {
    /// Rows of a chunk, a multiple of 64.
    pub rows: usize,
    /// (rows, m)
    pub projected: Floats,
    /// (rows/64 · m, m)
    pub partial: Floats,
}

impl Scratch {
    /// Rows of a chunk for tables of at most `rows` rows and results of `cols` columns.
    pub fn rows_for(rows: usize, cols: usize) -> usize {
        let most = (SCRATCH / stride(cols)).min(SCRATCH / (cols * stride(cols)) * BLOCK_ROWS);
        (most / BLOCK_ROWS * BLOCK_ROWS).clamp(BLOCK_ROWS, rows.next_multiple_of(BLOCK_ROWS).max(BLOCK_ROWS))
    }

    /// Elements of `projected` and of `partial`.
    pub fn lens(rows: usize, cols: usize) -> [usize; 2] {
        let blocks = rows / BLOCK_ROWS;
        [rows * stride(cols), blocks * cols * stride(cols)]
    }
}

/// `G[t] = PᵀP`, `P = A·X[t]`, A the rows of table t.
#[derive(Debug, Clone)]
pub struct Gram {
    /// t: which block of `right`, `gram`, `low` and `squares` is this table's
    pub table: usize,
    /// Where A (n, k) lies, its rows `stride(k)` apart
    pub pieces: Vec<Piece>,
    /// k
    pub cols: usize,
    /// X (F·k, m); absent: P is A, and m is k
    pub right: Option<Matrix>,
    /// G (F·m, m), block t written
    pub gram: Matrix,
    /// (F·m, m): what G lost when it was rounded to the memory's type; the GPU leaves it as it is
    pub low: Matrix,
    /// (F, 4), row t written where there is an X: Σ a² of the columns 0, 4, 8, …, of 1, 5, …, of 2, … and of 3, …
    pub squares: Matrix,
    /// For a GPU
    pub scratch: Option<Scratch>,
}

impl Gram {
    fn rows(&self) -> usize {
        self.pieces.iter().map(|piece| piece.rows.len()).sum()
    }

    /// Most roundings to f64 on the way from the numbers of P to an entry of G: the product, the rows of a block, the blocks of a
    /// range, the ranges, and 32 for the rounding to two f32, which is 2⁻⁴⁸.
    pub fn roundings_cpu(&self) -> usize {
        let of = |piece: &Piece| {
            let ranges = ranges(piece.rows.len());
            piece.rows.len().div_ceil(ranges).div_ceil(BLOCK_ROWS) + ranges
        };
        33 + BLOCK_ROWS + self.pieces.iter().map(of).sum::<usize>()
    }

    /// Most roundings to f32 on the way from the numbers of P to an entry of G: the product, the rows of a block, the blocks of a
    /// strip, the strips, the chunks.
    pub fn roundings_gpu(&self) -> usize {
        let Some(scratch) = self.scratch else { return usize::MAX };
        let chunks: usize = self
            .pieces
            .iter()
            .map(|piece| piece.rows.len().div_ceil(scratch.rows))
            .sum();
        let blocks = scratch.rows.min(self.rows()).div_ceil(BLOCK_ROWS);
        1 + BLOCK_ROWS + blocks.div_ceil(STRIPS) + STRIPS.ilog2() as usize + chunks
    }
}

/// Ranges of a piece of so many rows.
fn ranges(rows: usize) -> usize {
    rows.div_ceil(RANGE_ROWS).clamp(1, RANGES)
}

impl Gram {
    /// The CPU twin of `project`, `partial`, `squares` and `add`.
    pub fn cpu<T: Real>(&self, memory: &mut Memory<T>) {
        let m = self.gram.cols;
        let right = self.right.map(|right| {
            let rows = self.table * self.cols..(self.table + 1) * self.cols;
            View::rows_of(memory.floats(right.buffer), rows, m, right.stride())
        });
        let mut sum = Sums::zero(m);
        for piece in &self.pieces {
            let values = memory.floats(piece.buffer);
            let (rows, count) = (piece.rows.len(), ranges(piece.rows.len()));
            let bound = |i: usize| piece.rows.start + (i as u128 * rows as u128 / count as u128) as usize;
            let parts: Vec<Sums> = (0..count)
                .into_par_iter()
                .map(|i| {
                    let rows = View::rows_of(values, bound(i)..bound(i + 1), self.cols, stride(self.cols));
                    let mut sums = Sums::zero(m);
                    let sums_of = AddRows {
                        rows,
                        right,
                        m,
                        sums: &mut sums,
                    };
                    Arch::new().dispatch(sums_of);
                    sums
                })
                .collect();
            parts.iter().for_each(|part| sum.add(part));
        }
        self.store(&sum, memory);
    }

    /// G from its upper triangle, each entry in two numbers.
    fn store<T: Real>(&self, sum: &Sums, memory: &mut Memory<T>) {
        let (m, wide) = (self.gram.cols, padded(self.gram.cols));
        let distance = self.gram.stride();
        for i in 0..m {
            for j in 0..m {
                let entry = sum.gram[i.min(j) * wide + i.max(j)];
                let at = (self.table * m + i) * distance + j;
                let high = T::from_f64(entry);
                memory.floats_mut(self.gram.buffer)[at] = high;
                memory.floats_mut(self.low.buffer)[at] = T::from_f64(entry - high.to_f64());
            }
        }
        if self.right.is_some() {
            let at = self.table * self.squares.stride();
            let squares = &mut memory.floats_mut(self.squares.buffer)[at..at + 4];
            for (to, &from) in squares.iter_mut().zip(&sum.squares) {
                *to = T::from_f64(from);
            }
        }
    }
}

/// Columns of a block in f64: two of the widest vectors there are, or one for a narrow matrix.
fn padded(cols: usize) -> usize {
    cols.next_multiple_of(16)
}

/// What a range of rows adds up to.
struct Sums {
    /// Padded × padded; the upper triangle counts.
    gram: Vec<f64>,
    squares: [f64; 4],
}

impl Sums {
    fn zero(m: usize) -> Self {
        Self {
            gram: vec![0.0; padded(m) * padded(m)],
            squares: [0.0; 4],
        }
    }

    fn add(&mut self, other: &Self) {
        self.gram
            .iter_mut()
            .zip(&other.gram)
            .for_each(|(sum, part)| *sum += part);
        self.squares
            .iter_mut()
            .zip(&other.squares)
            .for_each(|(sum, part)| *sum += part);
    }
}

/// Adds a range of rows to its sums.
struct AddRows<'a, T> {
    rows: View<'a, T>,
    right: Option<View<'a, T>>,
    m: usize,
    sums: &'a mut Sums,
}

impl<T: Real> WithSimd for AddRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, right, m, sums } = self;
        let (wide, distance) = (padded(m), stride(m));
        let mut projected = vec![T::zero(); if right.is_some() { BLOCK_ROWS * distance } else { 0 }];
        let mut block = vec![0.0f64; BLOCK_ROWS * wide];
        for start in (0..rows.rows).step_by(BLOCK_ROWS) {
            let part = View::rows_of(
                rows.data,
                start..rows.rows.min(start + BLOCK_ROWS),
                rows.cols,
                rows.stride,
            );
            let block = &mut block[..part.rows * wide];
            match right {
                None => widen(part.data, distance, m, block, wide),
                Some(right) => {
                    squares(part.data, &mut sums.squares);
                    let projected = &mut projected[..part.rows * distance];
                    product(columns_of(projected, m, distance), Form::Plain, part, right);
                    widen(projected, distance, m, block, wide);
                }
            }
            add_gram(simd, block, wide, &mut sums.gram);
        }
    }
}

/// Rows to f64, into wider rows whose further columns stay zero.
#[inline(always)]
fn widen<T: Real>(from: &[T], distance: usize, m: usize, to: &mut [f64], wide: usize) {
    for (from, to) in from.chunks_exact(distance).zip(to.chunks_exact_mut(wide)) {
        for (from, to) in from[..m].iter().zip(to) {
            *to = from.to_f64();
        }
    }
}

/// Adds Σ a² by column mod 4; the rows lie a multiple of 4 apart.
#[inline(always)]
fn squares<T: Real>(rows: &[T], sums: &mut [f64; 4]) {
    let mut lanes = [T::zero(); 16];
    let chunks = rows.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &a) in lanes.iter_mut().zip(chunk) {
            *lane += a * a;
        }
    }
    for (lane, &a) in lanes.iter_mut().zip(rest) {
        *lane += a * a;
    }
    for (at, lane) in lanes.iter().enumerate() {
        sums[at % 4] += lane.to_f64();
    }
}

/// Rows of G that one tile holds in registers.
const TALL: usize = 4;
/// Vectors of G's columns that one tile holds in registers.
const WIDE: usize = 2;

/// Adds the block's PᵀP to the tiles of `gram` that touch its upper triangle.
#[inline(always)]
fn add_gram<S: Simd>(simd: S, block: &[f64], stride: usize, gram: &mut [f64]) {
    let width = WIDE * S::F64_LANES;
    for j in (0..stride).step_by(width) {
        for i in (0..(j + width).min(stride)).step_by(TALL) {
            let mut sums = [[simd.splat_f64s(0.0); WIDE]; TALL];
            for row in block.chunks_exact(stride) {
                let (right, _) = S::as_simd_f64s(&row[j..j + width]);
                for (sums, &x) in sums.iter_mut().zip(&row[i..i + TALL]) {
                    let x = simd.splat_f64s(x);
                    for (sum, &y) in sums.iter_mut().zip(right) {
                        *sum = simd.mul_add_e_f64s(x, y, *sum);
                    }
                }
            }
            for (p, sums) in sums.iter().enumerate() {
                let (out, _) = S::as_mut_simd_f64s(&mut gram[(i + p) * stride + j..][..width]);
                for (out, &sum) in out.iter_mut().zip(sums) {
                    *out = simd.add_f64s(*out, sum);
                }
            }
        }
    }
}

impl Gram {
    /// The dispatches of `project`, `partial`, `squares` and `add`, a chunk of rows after the other.
    pub fn gpu(&self, gpu: &Gpu) -> Result<Vec<Dispatch>, GpuError> {
        let Some(scratch) = self.scratch else {
            return Ok(Vec::new());
        };
        let mut dispatches = Vec::new();
        let mut onto = false;
        for piece in &self.pieces {
            for first in piece.rows.clone().step_by(scratch.rows) {
                let rows = first..piece.rows.end.min(first + scratch.rows);
                self.chunk(gpu, scratch, piece.buffer, rows, onto, &mut dispatches)?;
                onto = true;
            }
        }
        Ok(dispatches)
    }

    fn chunk(
        &self,
        gpu: &Gpu,
        scratch: Scratch,
        table: Floats,
        rows: Range<usize>,
        onto: bool,
        out: &mut Vec<Dispatch>,
    ) -> Result<(), GpuError> {
        let m = self.gram.cols;
        let (k4, m4) = (stride(self.cols) / 4, self.gram.stride() / 4);
        let tiles = Blocks::new(gpu.family(), rows.len(), m4);
        let blocks = rows.len().div_ceil(BLOCK_ROWS);
        let length = m * m4;
        let (own, scratched) = ([rows.start, k4], [0, m4]); // first row and distance of the rows in either buffer
        let parameters = |[first, left4]: [usize; 2], result: usize, length: usize| {
            let right = self.table * self.cols * m4;
            let sizes = [first, rows.len(), self.cols, m, left4, m4, m4, right, result];
            [&sizes[..], &[BLOCK_ROWS, tiles.rows, length, onto.into()]].concat()
        };
        let mut call =
            |entry: &str, parameters: Vec<usize>, left: Floats, right: Option<Floats>, result: Floats, workgroups| {
                let family = gpu.family();
                let shader = family.of(&shaders::GRAM_TILED, &shaders::GRAM_ROWS, &shaders::GRAM_LANES);
                let mut buffers: Vec<(u32, Handle)> = vec![(1, left.into()), (3, result.into())];
                buffers.extend(right.map(|right| (2, right.into())));
                out.push(gpu.dispatch(&Call {
                    shader,
                    entry,
                    constants: if right.is_some() { tiles.constants() } else { &[] },
                    parameters: &parameters.into_iter().map(word).collect::<Vec<_>>(),
                    buffers: &buffers,
                    workgroups,
                })?);
                Ok(())
            };
        let (partial, one_each) = (scratch.partial, grid(blocks, 1));
        let of_blocks = tiles.grid(m.div_ceil(tiles.rows) * blocks);
        let gram_at = self.table * length;
        match self.right {
            Some(x) => {
                let projected = scratch.projected;
                let of_rows = tiles.grid(rows.len().div_ceil(tiles.rows));
                call(
                    "project",
                    parameters(own, 0, 0),
                    table,
                    Some(x.buffer),
                    projected,
                    of_rows,
                )?;
                call(
                    "partial",
                    parameters(scratched, 0, 0),
                    projected,
                    Some(projected),
                    partial,
                    of_blocks,
                )?;
                call(
                    "add",
                    parameters(scratched, gram_at, length),
                    partial,
                    None,
                    self.gram.buffer,
                    grid(length, 1),
                )?;
                call("squares", parameters(own, 0, 0), table, None, partial, one_each)?;
                let squares = self.squares.buffer;
                call(
                    "add",
                    parameters(scratched, self.table, 1),
                    partial,
                    None,
                    squares,
                    [1, 1, 1],
                )
            }
            None => {
                call("partial", parameters(own, 0, 0), table, Some(table), partial, of_blocks)?;
                call(
                    "add",
                    parameters(own, gram_at, length),
                    partial,
                    None,
                    self.gram.buffer,
                    grid(length, 1),
                )
            }
        }
    }
}
