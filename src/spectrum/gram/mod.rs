//! Gram matrices AᵀA of tall matrices, in one pass over the rows, with a bound on what rounding did to them.

pub mod certify;
mod double;
pub mod exact;
mod kernel;

use crate::spectrum::table::Factor;
use faer::Mat;
use kernel::{AddRows, BLOCK_ROWS, padded};
use rayon::prelude::*;
use std::ops::Range;

/// Blocks that are summed before their sum is added to the range's: a sum of sums rounds less often.
const BLOCKS: usize = 64;
/// Most row ranges that are summed side by side. Fixed, so that the result does not depend on the number of threads.
const RANGES: usize = 64;

/// Ĝ ≈ AᵀA for an n×d matrix A whose entries are taken as stored, and how far off it can be.
///
/// `|Ĝ − AᵀA|ᵢⱼ ≤ γ·Σₚ|aₚᵢ·aₚⱼ|` with γ from [`Gram::gamma`]. Grams of the parts of a table add up to the table's.
#[derive(Debug, Clone, PartialEq)]
pub struct Gram {
    /// n: rows that went in.
    pub rows: u64,
    /// d.
    pub cols: usize,
    /// d×d, row-major, symmetric to the bit.
    pub entries: Vec<f64>,
    /// Most roundings on the way from the stored numbers to any one entry.
    pub roundings: u64,
}

impl Gram {
    /// The Gram matrix of no row.
    pub fn empty(cols: usize) -> Self {
        Self {
            rows: 0,
            cols,
            entries: vec![0.0; cols * cols],
            roundings: 0,
        }
    }

    /// The Gram matrix of a factor, in parallel over fixed ranges of rows; memory does not grow with the rows.
    ///
    /// The entries may overflow or be NaN: see [`Gram::is_finite`].
    pub fn of(factor: &Factor) -> Self {
        Self::of_rows(factor, None, Change::default())
    }

    /// The Gram matrix of `factor · right`, `right` (columns of the factor × d) finite. What rounding did to the product is not
    /// among the [`Gram::roundings`]: an entry of row p is off by at most `γ·Σ_k|a_pk·right_kj|`, γ of as many roundings as the
    /// factor has columns, and one.
    pub fn of_product(factor: &Factor, right: &Mat<f64>) -> Self {
        Self::of_rows(factor, Some(right), Change::default())
    }

    /// The Gram matrix of the rows as `change` says, each then multiplied by `right`, where given, a matrix of powers of two on its
    /// diagonal (what rounding does to any other is not among the [`Gram::roundings`]).
    pub fn of_changed(factor: &Factor, right: Option<&Mat<f64>>, change: Change<'_>) -> Self {
        Self::of_rows(factor, right, change)
    }

    fn of_rows(factor: &Factor, right: Option<&Mat<f64>>, change: Change<'_>) -> Self {
        let rows = factor.rows();
        let cols = right.map_or(factor.cols(), Mat::ncols);
        let ranges = rows.div_ceil(BLOCKS * BLOCK_ROWS).min(RANGES);
        let stride = padded(cols);
        let right = right.map(|right| {
            let mut padded = vec![0.0; right.nrows() * stride];
            for (i, row) in padded.chunks_exact_mut(stride).enumerate() {
                (0..cols).for_each(|j| row[j] = right[(i, j)]);
            }
            padded
        });
        let bound = |i: usize| (i as u128 * rows as u128 / ranges as u128) as usize;
        let parts: Vec<Vec<f64>> = (0..ranges)
            .into_par_iter()
            .map(|i| of_range(factor, bound(i)..bound(i + 1), right.as_deref(), cols, change))
            .collect();
        let mut sum = vec![0.0; stride * stride];
        for part in &parts {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        let entry = |i: usize, j: usize| sum[i.min(j) * stride + i.max(j)];
        Self {
            rows: rows as u64,
            cols,
            entries: (0..cols * cols).map(|at| entry(at / cols, at % cols)).collect(),
            roundings: roundings(rows, ranges) + change.roundings(),
        }
    }

    /// The Gram matrix of the rows of both.
    #[must_use]
    pub fn and(mut self, other: &Gram) -> Self {
        self.rows += other.rows;
        self.roundings = self.roundings.max(other.roundings) + 1;
        self.entries
            .iter_mut()
            .zip(&other.entries)
            .for_each(|(mine, other)| *mine += other);
        self
    }

    /// γ_m = m·u/(1 − m·u) of the m roundings (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.1).
    pub fn gamma(&self) -> f64 {
        let mu = self.roundings as f64 * f64::EPSILON / 2.0;
        mu / (1.0 - mu)
    }

    /// Whether every entry is finite; else an entry of the matrix is not, or too great for its square.
    pub fn is_finite(&self) -> bool {
        self.entries.iter().all(|x| x.is_finite())
    }

    /// Entry (i, j).
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.entries[i * self.cols + j]
    }
}

/// What is done to each row of a factor before its products are summed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// A number a column that is taken off.
    pub shift: Option<&'a [f64]>,
    /// A number f a row, which is multiplied by √f.
    pub weights: Option<&'a [u64]>,
}

impl Change<'_> {
    /// Roundings in a product of two changed entries: one each for the difference; for √f that of f (half as much in the root, so
    /// one for both), that of the root, and that of the product with it.
    fn roundings(self) -> u64 {
        2 * u64::from(self.shift.is_some()) + 6 * u64::from(self.weights.is_some())
    }
}

/// Most roundings on the way to an entry: the product, the rows of a block, the blocks of a part, the parts of a range, the ranges.
fn roundings(rows: usize, ranges: usize) -> u64 {
    let blocks = rows.div_ceil(BLOCK_ROWS);
    let parts = rows.div_ceil(ranges.max(1)).div_ceil(BLOCKS * BLOCK_ROWS);
    (1 + rows.min(BLOCK_ROWS) + blocks.min(BLOCKS) + parts + ranges) as u64
}

/// The padded Gram matrix of a range of rows; only its upper triangle counts.
fn of_range(factor: &Factor, rows: Range<usize>, right: Option<&[f64]>, width: usize, change: Change<'_>) -> Vec<f64> {
    let cols = factor.cols();
    let stride = padded(width);
    let mut sum = vec![0.0; stride * stride];
    let mut part = vec![0.0; stride * stride];
    let mut start = rows.start;
    while start < rows.end && cols > 0 {
        let end = rows.end.min(start + BLOCKS * BLOCK_ROWS);
        part.fill(0.0);
        let gram = &mut part[..];
        let scales: Option<Vec<f64>> = change
            .weights
            .map(|weights| weights[start..end].iter().map(|&f| (f as f64).sqrt()).collect());
        factor.with_rows(start..end, |entries| {
            AddRows {
                entries,
                cols,
                right,
                width,
                shift: change.shift,
                scales: scales.as_deref(),
                gram,
            }
            .run();
        });
        sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
        start = end;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum::table::Values;
    use ndarray::Array2;
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use num_traits::{Signed, ToPrimitive, Zero};

    fn factor(n: usize, d: usize) -> Factor {
        let entry = |(i, j): (usize, usize)| {
            (((i * 7919 + j * 104_729 + i * j * 31) % 1009) as f32 / 1009.0 - 0.4) * 0.3f32.powi(j as i32 % 9)
        };
        Factor::f32("w", Array2::from_shape_fn((n, d), entry))
    }

    /// Every entry against exact rational arithmetic, within γ·Σ|terms|.
    #[test]
    fn every_entry_keeps_its_bound() {
        for (n, d) in [(1, 1), (3, 5), (127, 17), (129, 16), (8300, 3)] {
            let factor = factor(n, d);
            let gram = Gram::of(&factor);
            let Values::F32(values) = &factor.values else {
                unreachable!()
            };
            let exact =
                |x: f32| BigRational::from_float(x).unwrap_or_else(|| BigRational::from_integer(BigInt::from(0)));
            for i in 0..d {
                for j in 0..d {
                    let (mut sum, mut magnitude) = (BigRational::zero(), BigRational::zero());
                    for row in values.outer_iter() {
                        let term = exact(row[i]) * exact(row[j]);
                        magnitude += term.abs();
                        sum += term;
                    }
                    let apart = (BigRational::from_float(gram.at(i, j)).unwrap() - sum)
                        .abs()
                        .to_f64()
                        .unwrap();
                    let bound = gram.gamma() * magnitude.to_f64().unwrap();
                    assert!(apart <= bound, "{n}×{d}, ({i}, {j}): off by {apart:e}, bound {bound:e}");
                }
            }
        }
    }

    #[test]
    fn parts_add_up() {
        let whole = factor(20_000, 7);
        let rows: Vec<usize> = (0..20_000).collect();
        let (a, b) = rows.split_at(12_345);
        let sum = Gram::of(&whole.select_rows(a)).and(&Gram::of(&whole.select_rows(b)));
        let whole = Gram::of(&whole);
        assert_eq!(sum.rows, whole.rows);
        for (x, y) in sum.entries.iter().zip(&whole.entries) {
            let bound = (sum.gamma() + whole.gamma()) * 20_000.0;
            assert!((x - y).abs() <= bound, "{x} and {y}");
        }
    }
}
