//! How far a computed factorisation is from the matrix, in the units of LAPACK's own test programs.
//!
//! Every ratio is `‖residual‖₁ / (size·u·‖matrix‖₁)`, u the unit roundoff of the matrix's type (LAPACK's DDRVBD divides by 2u: the
//! thresholds here are twice as strict for the SVD). The matrix is scaled by a power of two first, so that nothing overflows,
//! and the residual is computed in f64. For f32 that is exact for all purposes. For f64 the residual `A − X·Y` has itself an
//! error of up to (r + 1)·u·‖|X|·|Y|‖₁, r the inner length: for the orthogonal factors here at most r^1.5·u·‖A‖₁, which is the
//! size that a ratio of √r has; LAPACK's programs live with the same.
//!
//! What a factor loses where its entries become subnormal, half the smallest number each, is allowed for: u·‖matrix‖₁ stands for
//! u·‖matrix‖₁ + the smallest number. That matters only where all of the matrix lies at the end of the range.

use super::floating::{Floating, norm_1, scaled, unit_roundoff, widened};
use super::number::{Matrix, Number};
use crate::spectrum::decompose::Svd;

/// DQRT01's and the factorisation's threshold (LAPACK's `dtest.in`).
pub const QR_THRESHOLD: f64 = 30.0;

/// DDRVBD's threshold (LAPACK's `svd.in`).
pub const SVD_THRESHOLD: f64 = 50.0;

/// `‖W − W₁⋯W_N‖₁ / (max(n, d)·u·‖W‖₁)`; ∞ where the shapes do not fit.
pub fn factorisation<T: Floating>(w: &Matrix<T>, factors: &[Matrix<T>]) -> f64 {
    let fits = factors.windows(2).all(|pair| pair[0].ncols() == pair[1].nrows());
    let (Some(first), Some(last)) = (factors.first(), factors.last()) else {
        return f64::INFINITY;
    };
    if !fits || (first.nrows(), last.ncols()) != w.shape() {
        return f64::INFINITY;
    }
    let mut exponent = 0;
    let mut product: Option<Matrix<f64>> = None;
    for factor in factors {
        let factor = scaled(factor);
        exponent += factor.exponent;
        product = Some(product.map_or_else(|| factor.matrix.clone(), |left| left * &factor.matrix));
    }
    product.map_or(f64::INFINITY, |product| against(w, product, exponent))
}

/// `‖A − UΣVᵀ‖₁ / (max(m, n)·u·‖A‖₁)` of a thin decomposition.
pub fn svd<T: Floating>(a: &Matrix<T>, svd: &Svd<T>) -> f64 {
    let r = svd.sigma.len();
    if (svd.u.nrows(), svd.v.nrows(), svd.u.ncols(), svd.v.ncols()) != (a.nrows(), a.ncols(), r, r) {
        return f64::INFINITY;
    }
    let exponent = scaled(a).exponent;
    let sigma: Vec<f64> = svd.sigma.iter().map(|&x| libm::ldexp(x.into(), -exponent)).collect();
    let left = Matrix::from_fn(a.nrows(), r, |i, j| Into::<f64>::into(svd.u[(i, j)]) * sigma[j]);
    let right = Matrix::from_fn(r, a.ncols(), |i, j| svd.v[(j, i)].into());
    against(a, left * right, exponent)
}

/// `‖I − QᵀQ‖₁ / (m·u)` of Q (m×r) with orthonormal columns.
pub fn orthogonality<T: Floating>(q: &Matrix<T>) -> f64 {
    let q = widened(q);
    let defect = Matrix::identity(q.ncols(), q.ncols()) - q.transpose() * &q;
    norm_1(&defect) / (q.nrows() as f64 * unit_roundoff::<T>())
}

/// `max|σᵢ − σ'ᵢ| / (r·u·σ₁)`: the same singular values computed in two ways; ∞ where their numbers differ.
pub fn values<T: Floating>(sigma: &[T], other: &[T]) -> f64 {
    if sigma.len() != other.len() || sigma.is_empty() {
        return f64::INFINITY;
    }
    let rows = |values: &[T]| Matrix::from_row_slice(1, values.len(), values);
    let (one, two) = (scaled(&rows(sigma)), widened(&rows(other)));
    let apart = (&one.matrix - two.map(|x| libm::ldexp(x, -one.exponent))).map(f64::abs);
    let unit = sigma.len() as f64 * allowance::<T>(one.matrix[0].abs(), one.exponent);
    // Not max, or a NaN would be passed over.
    apart.iter().fold(0.0, |m, &x| if x / unit <= m { m } else { x / unit })
}

/// ‖W − P·2^exponent‖₁ in units of max(n, d)·u·‖W‖₁, P of the order of 1.
fn against<T: Floating>(w: &Matrix<T>, product: Matrix<f64>, exponent: i32) -> f64 {
    let w = widened(w).map(|x| libm::ldexp(x, -exponent));
    let size = w.nrows().max(w.ncols()) as f64;
    let unit = size * allowance::<T>(norm_1(&w), exponent);
    norm_1(&(w - product)) / unit
}

/// u·norm and the smallest number, for a norm that was scaled by 2^−exponent. At least f64's own smallest, so that 0/0 is 0.
fn allowance<T: Floating>(norm: f64, exponent: i32) -> f64 {
    let smallest = libm::ldexp(<T as Number>::SMALLEST, -exponent);
    unit_roundoff::<T>() * norm + smallest.max(f64::MIN_POSITIVE)
}
