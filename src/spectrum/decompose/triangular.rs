//! The triangular factor of a tall matrix, row block by row block.
//!
//! faer's own `qr_in_place` drops a column whose remainder is below `16·m·ε` of its norm: an error of 10⁻¹¹ for blocks of a
//! few thousand rows, which would hide the small end of a spectrum stored in f64. The panels of [`super::qr()`] keep every column.

use std::ops::Range;

use faer::{Mat, MatMut};
use rayon::prelude::*;

use super::qr::factor_in_place;

/// Most row ranges that are reduced side by side. Fixed, so that the result does not depend on the number of threads.
const RANGES: usize = 32;

/// The triangular factor of the `n`×`c` matrix whose rows `read` writes, never holding more than one block a range.
///
/// `read(rows, out)` writes the rows asked for into `out` (rows × c). The result is min(n, c)×c.
pub(crate) fn triangular_factor<F>(n: usize, c: usize, read: F) -> Mat<f64>
where
    F: Fn(Range<usize>, MatMut<'_, f64>) + Sync,
{
    let block = (3 * c).max(256);
    let ranges = (n / (8 * block)).clamp(1, RANGES);
    let bound = |i: usize| (i as u128 * n as u128 / ranges as u128) as usize;
    let parts: Vec<Mat<f64>> = (0..ranges)
        .into_par_iter()
        .map(|i| reduce_range(bound(i)..bound(i + 1), c, block, &read))
        .collect();
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap_or_else(|| Mat::zeros(0, c));
    parts.fold(first, |upper, lower| {
        stacked(upper.nrows() + lower.nrows(), c, &upper, |mut rest| {
            rest.copy_from(&lower)
        })
    })
}

/// Reduces one range of rows, `block` rows at a time, each stacked under the R of those before.
fn reduce_range<F>(rows: Range<usize>, c: usize, block: usize, read: &F) -> Mat<f64>
where
    F: Fn(Range<usize>, MatMut<'_, f64>),
{
    let mut r = Mat::<f64>::zeros(0, c);
    let mut start = rows.start;
    while start < rows.end {
        let end = rows.end.min(start + block);
        r = stacked(r.nrows() + end - start, c, &r, |rest| read(start..end, rest));
        start = end;
    }
    r
}

/// R of `[upper; rest]`, `rest` written by `fill`: min(m, c)×c.
fn stacked(m: usize, c: usize, upper: &Mat<f64>, fill: impl FnOnce(MatMut<'_, f64>)) -> Mat<f64> {
    let mut a = Mat::<f64>::zeros(m, c);
    let (mut top, rest) = a.as_mut().split_at_row_mut(upper.nrows());
    top.copy_from(upper);
    fill(rest);
    if m <= c {
        return a; // nothing to reduce yet
    }
    factor_in_place(a.as_mut());
    Mat::from_fn(c, c, |i, j| if i <= j { a[(i, j)] } else { 0.0 })
}
