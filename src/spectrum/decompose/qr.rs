//! Householder QR panel by panel, that keeps every column; faer's reflectors and block updates do the arithmetic.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_on_the_left_in_place_scratch as scratch,
    apply_block_householder_on_the_left_in_place_with_conj as apply,
    apply_block_householder_transpose_on_the_left_in_place_scratch as transpose_scratch,
    apply_block_householder_transpose_on_the_left_in_place_with_conj as apply_transpose, make_householder_in_place,
    upgrade_householder_factor,
};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Conj, Mat, MatMut, MatRef, Par};

use super::{DecomposeError, Real, scale};

/// Columns of one panel.
const PANEL: usize = 16;

/// `A = QR` of an m×n matrix, r = min(m, n).
#[derive(Debug, Clone, PartialEq)]
pub struct Qr<T: Real> {
    /// Orthonormal columns: m×r, or m×m from [`super::qr_full`].
    pub q: Mat<T>,
    /// Zero below its diagonal: r×n, or m×n from [`super::qr_full`]. Its diagonal may have either sign.
    pub r: Mat<T>,
}

/// QR of `a` with `width` columns of Q, min(m, n) ≤ `width` ≤ m.
pub(super) fn factor<T: Real>(a: MatRef<'_, T>, width: usize) -> Result<Qr<T>, DecomposeError> {
    let (m, n) = (a.nrows(), a.ncols());
    let (mut scaled, exponent) = scale::normalised(a)?;
    let Some(exponent) = exponent else {
        return Ok(Qr {
            q: Mat::identity(m, width),
            r: Mat::zeros(width, n),
        });
    };
    let factors = factor_in_place(scaled.as_mut());
    let q = orthonormal(&scaled, &factors, width);
    let mut r = Mat::from_fn(width, n, |i, j| if i <= j { scaled[(i, j)] } else { T::zero() });
    for column in r.col_iter_mut() {
        scale::back(column.iter_mut(), exponent)?;
    }
    Ok(Qr { q, r })
}

/// Columns that are orthonormal already, as the first of `width` orthonormal columns.
pub(super) fn complete<T: Real>(known: Mat<T>, width: usize) -> Mat<T> {
    let rank = known.ncols();
    if rank == width {
        return known;
    }
    let mut reflectors = known.clone();
    let factors = factor_in_place(reflectors.as_mut());
    let mut all = orthonormal(&reflectors, &factors, width);
    all.get_mut(.., ..rank).copy_from(&known); // the same up to signs and rounding
    all
}

/// Overwrites the upper triangle of `a` (m×n) by R of `a = QR`, and what lies below its diagonal by the reflectors; gives the
/// triangular factor of each panel's reflectors. Entries should be of the order of 1.
pub(super) fn factor_in_place<T: Real>(mut a: MatMut<'_, T>) -> Vec<Mat<T>> {
    let (m, n) = (a.nrows(), a.ncols());
    let mut memory = MemBuffer::new(transpose_scratch::<T>(m, PANEL, n));
    let mut factors = Vec::new();
    for start in (0..m.min(n)).step_by(PANEL) {
        let width = PANEL.min(m.min(n) - start);
        let (left, mut right) = a.rb_mut().get_mut(start.., start..).split_at_col_mut(width);
        let (left, factor) = factor_panel(left);
        if right.ncols() > 0 {
            let stack = MemStack::new(&mut memory);
            apply_transpose(left.rb(), factor.as_ref(), Conj::No, right.rb_mut(), Par::Seq, stack);
        }
        factors.push(factor);
    }
    factors
}

/// Householder QR of one panel, at least as tall as wide. Gives the panel back with the reflectors below its diagonal, and
/// their triangular factor.
fn factor_panel<T: Real>(mut panel: MatMut<'_, T>) -> (MatMut<'_, T>, Mat<T>) {
    let width = panel.ncols();
    let mut factor = Mat::<T>::zeros(width, width);
    for j in 0..width {
        let (top, bottom) = panel.rb_mut().split_at_row_mut(j + 1);
        let (mut top_left, mut top_right) = top.split_at_col_mut(j + 1);
        let (bottom_left, bottom_right) = bottom.split_at_col_mut(j + 1);
        let mut essential = bottom_left.col_mut(j);
        let tau = make_householder_in_place(&mut top_left[(j, j)], essential.rb_mut()).tau;
        factor[(j, j)] = tau;
        let tau_inv = tau.recip(); // 0 where the column is already zero below the diagonal (tau = ∞)
        for (i, mut tail) in bottom_right.col_iter_mut().enumerate() {
            let head = &mut top_right[(j, i)];
            let dot = *head + essential.rb().transpose() * tail.rb();
            let k = -dot * tau_inv;
            *head += k;
            for (x, v) in tail.rb_mut().iter_mut().zip(essential.rb().iter()) {
                *x += k * *v;
            }
        }
    }
    upgrade_householder_factor(factor.as_mut(), panel.rb(), width, 1, Par::Seq);
    (panel, factor)
}

/// The first `width` columns of the Q that [`factor_in_place`] left in `reflectors` and `factors`.
fn orthonormal<T: Real>(reflectors: &Mat<T>, factors: &[Mat<T>], width: usize) -> Mat<T> {
    let m = reflectors.nrows();
    let mut q = Mat::<T>::identity(m, width);
    let mut memory = MemBuffer::new(scratch::<T>(m, PANEL, width));
    for (i, factor) in factors.iter().enumerate().rev() {
        let start = i * PANEL;
        let basis = reflectors.get(start.., start..start + factor.ncols());
        let stack = MemStack::new(&mut memory);
        apply(
            basis,
            factor.as_ref(),
            Conj::No,
            q.get_mut(start.., start..),
            Par::Seq,
            stack,
        );
    }
    q
}
