//! The inner loop of a Gram matrix: `G += XᵀX` over a block of rows, in f64.

use crate::spectrum::table::Entries;
use pulp::{Arch, Simd, WithSimd};

/// Rows that are converted and multiplied at a time: a block of 64 columns in f64 stays in the second-level cache.
pub(super) const BLOCK_ROWS: usize = 128;
/// Rows of G that one tile holds in registers.
const TALL: usize = 4;
/// Vectors of G's columns that one tile holds in registers.
const WIDE: usize = 2;
/// Columns are padded to this: two of the widest vectors there are.
const PADDING: usize = 16;

/// Columns of a padded block and of a padded Gram matrix.
pub(super) fn padded(cols: usize) -> usize {
    cols.next_multiple_of(PADDING)
}

/// The upper triangle of XᵀX, tile by tile, of all rows in `entries`.
///
/// Every entry of G is a sum over the rows in their order, with one rounding a row where the product is exact (f32, f16, bf16: a
/// product of two 24-bit significands fits in 53) and two otherwise; after each block of [`BLOCK_ROWS`] rows the block's sum is
/// added to `gram`. So the bits do not depend on the width of the machine's vectors.
pub(super) struct AddRows<'a> {
    /// The rows.
    pub entries: Entries<'a>,
    /// Their columns.
    pub cols: usize,
    /// Where given, cols × padded(width), row-major: every row is multiplied by it first, so that X is the product.
    pub right: Option<&'a [f64]>,
    /// Columns of X.
    pub width: usize,
    /// Where given, a number a column that is taken off every row first.
    pub shift: Option<&'a [f64]>,
    /// Where given, a number a row that it is multiplied by.
    pub scales: Option<&'a [f64]>,
    /// Padded × padded, row-major.
    pub gram: &'a mut [f64],
}

impl AddRows<'_> {
    /// Runs on the widest vectors of this machine.
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            entries,
            cols,
            right,
            width,
            shift,
            scales,
            gram,
        } = self;
        let (stride, out_stride) = (padded(cols), padded(width));
        let rows = entries.len() / cols;
        let mut block = vec![0.0f64; BLOCK_ROWS * stride];
        let mut product = vec![0.0f64; if right.is_some() { BLOCK_ROWS * out_stride } else { 0 }];
        let mut start = 0;
        while start < rows {
            let end = rows.min(start + BLOCK_ROWS);
            let block = &mut block[..(end - start) * stride];
            convert(entries.range(start * cols..end * cols), cols, stride, block);
            if let Some(shift) = shift {
                for row in block.chunks_exact_mut(stride) {
                    row.iter_mut().zip(shift).for_each(|(x, shift)| *x -= shift);
                }
            }
            if let Some(scales) = scales {
                for (row, scale) in block.chunks_exact_mut(stride).zip(&scales[start..end]) {
                    row.iter_mut().for_each(|x| *x *= scale);
                }
            }
            match right {
                None => gram_of(simd, block, stride, gram),
                Some(right) => {
                    let product = &mut product[..(end - start) * out_stride];
                    multiply(simd, block, (stride, cols), right, product, out_stride);
                    gram_of(simd, product, out_stride, gram);
                }
            }
            start = end;
        }
    }
}

#[inline(always)]
fn convert(entries: Entries<'_>, cols: usize, stride: usize, block: &mut [f64]) {
    #[inline(always)]
    fn each<T: Copy>(from: &[T], cols: usize, stride: usize, block: &mut [f64], f64_of: impl Fn(T) -> f64) {
        for (from, to) in from.chunks_exact(cols).zip(block.chunks_exact_mut(stride)) {
            for (from, to) in from.iter().zip(to) {
                *to = f64_of(*from);
            }
        }
    }
    match entries {
        Entries::F32(x) => each(x, cols, stride, block, f64::from),
        Entries::F64(x) => each(x, cols, stride, block, |x| x),
        Entries::F16(x) => each(x, cols, stride, block, half::f16::to_f64),
        Entries::Bf16(x) => each(x, cols, stride, block, half::bf16::to_f64),
    }
}

/// Adds the block's XᵀX to the tiles of `gram` that touch its upper triangle.
#[inline(always)]
fn gram_of<S: Simd>(simd: S, block: &[f64], stride: usize, gram: &mut [f64]) {
    let width = WIDE * S::F64_LANES;
    for j in (0..stride).step_by(width) {
        for i in (0..(j + width).min(stride)).step_by(TALL) {
            let mut sums = [[simd.splat_f64s(0.0); WIDE]; TALL];
            for row in block.chunks_exact(stride) {
                let (right, _) = S::as_simd_f64s(&row[j..j + width]);
                let left = &row[i..i + TALL];
                for (sums, &x) in sums.iter_mut().zip(left) {
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

/// `out = block·right`, row by row; every entry is a sum over the columns in their order.
#[inline(always)]
fn multiply<S: Simd>(
    simd: S,
    block: &[f64],
    (stride, cols): (usize, usize),
    right: &[f64],
    out: &mut [f64],
    width: usize,
) {
    let vectors = width / S::F64_LANES;
    for (row, out) in block.chunks_exact(stride).zip(out.chunks_exact_mut(width)) {
        let (out, _) = S::as_mut_simd_f64s(out);
        for start in (0..vectors).step_by(WIDE) {
            let mut sums = [simd.splat_f64s(0.0); WIDE];
            for (&x, right) in row[..cols].iter().zip(right.chunks_exact(width)) {
                let x = simd.splat_f64s(x);
                let (right, _) = S::as_simd_f64s(right);
                for (sum, &y) in sums.iter_mut().zip(&right[start..start + WIDE]) {
                    *sum = simd.mul_add_e_f64s(x, y, *sum);
                }
            }
            out[start..start + WIDE].copy_from_slice(&sums);
        }
    }
}
