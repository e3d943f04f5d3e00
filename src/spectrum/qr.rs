//! The triangular factor of a tall matrix, row block by row block.
//!
//! faer's own `qr_in_place` drops a column whose remainder is below `16·m·ε` of its norm: an error of 10⁻¹¹ for blocks of a
//! few thousand rows, which would hide the small end of a spectrum stored in f64. The panels here keep every column; faer's
//! reflectors and block updates do the arithmetic.

use std::ops::Range;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_transpose_on_the_left_in_place_scratch as scratch,
    apply_block_householder_transpose_on_the_left_in_place_with_conj as apply_transpose, make_householder_in_place,
    upgrade_householder_factor,
};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Conj, Mat, MatMut, Par};
use rayon::prelude::*;

/// Columns of one panel.
const PANEL: usize = 16;
/// Most row ranges that are reduced side by side. Fixed, so that the result does not depend on the number of threads.
const RANGES: usize = 32;

/// Overwrites the upper triangle of `a` (m×c, m ≥ c) by R of `a = QR`; what lies below it is scratch.
fn factor_in_place(mut a: MatMut<'_, f64>) {
    let (m, c) = (a.nrows(), a.ncols());
    let mut memory = MemBuffer::new(scratch::<f64>(m, PANEL, c));
    let mut start = 0;
    while start < c {
        let width = PANEL.min(c - start);
        let (left, mut right) = a.rb_mut().get_mut(start.., start..).split_at_col_mut(width);
        let (left, factor) = factor_panel(left);
        if right.ncols() > 0 {
            let stack = MemStack::new(&mut memory);
            apply_transpose(left.rb(), factor.as_ref(), Conj::No, right.rb_mut(), Par::Seq, stack);
        }
        start += width;
    }
}

/// Householder QR of one panel. Gives the panel back with the reflectors below its diagonal, and their triangular factor.
fn factor_panel(mut panel: MatMut<'_, f64>) -> (MatMut<'_, f64>, Mat<f64>) {
    let (m, width) = (panel.nrows(), panel.ncols());
    let mut factor = Mat::<f64>::zeros(width, width);
    for j in 0..width.min(m) {
        let (top, bottom) = panel.rb_mut().split_at_row_mut(j + 1);
        let (mut top_left, mut top_right) = top.split_at_col_mut(j + 1);
        let (bottom_left, bottom_right) = bottom.split_at_col_mut(j + 1);
        let mut essential = bottom_left.col_mut(j);
        let info = make_householder_in_place(&mut top_left[(j, j)], essential.rb_mut());
        factor[(j, j)] = info.tau;
        let tau_inv = info.tau.recip(); // 0 where the column is already zero below the diagonal (tau = ∞)
        for (i, mut tail) in bottom_right.col_iter_mut().enumerate() {
            let head = &mut top_right[(j, i)];
            let dot = *head + essential.rb().transpose() * tail.rb();
            let k = -dot * tau_inv;
            *head += k;
            for (x, v) in tail.rb_mut().iter_mut().zip(essential.rb().iter()) {
                *x += k * v;
            }
        }
    }
    upgrade_householder_factor(factor.as_mut(), panel.rb(), width, 1, Par::Seq);
    (panel, factor)
}

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
