//! Theorem 2.1 in floating point: the construction, and how far what it gives is from W.

use super::check::Check;
use super::error::{TheoryError, finite};
use super::floating::{Floating, named, view, widened};
use super::ledger::{Arithmetic, Expected, Row};
use super::matrices::{self, Case};
use super::number::Matrix;
use super::residuals::{self, QR_THRESHOLD};
use super::search::{self, Budget, Found};
use crate::spectrum::decompose::{Qr, qr_full};

/// Theorem 2.1 in f32.
pub const F32: Row = Row {
    id: "T2.1-f32",
    claim: "for k ≥ d, factorize_qr(W, k) gives W = W₁·W₂ to rounding in f32, with Wᵀ = QR and QᵀQ = I",
    arithmetic: Arithmetic::Floating,
    unit: "‖residual‖₁/(max(n, d)·u·‖W‖₁), ‖I − QᵀQ‖₁/(d·u); LAPACK's DQRT01",
    expected: Expected::Holds,
    run: run::<f32>,
};

/// Theorem 2.1 in f64.
pub const F64: Row = Row {
    id: "T2.1-f64",
    claim: "for k ≥ d, factorize_qr(W, k) gives W = W₁·W₂ to rounding in f64, with Wᵀ = QR and QᵀQ = I",
    run: run::<f64>,
    ..F32
};

fn run<T: Floating>(budget: Budget) -> Found {
    let special = matrices::special(|_, d| vec![d, d + 1, 2 * d]);
    let check = |case: &Case| check::<T>(&case.matrix(), case.k);
    search::each(special, check).and(search::random(budget, matrices::random_wide(), check))
}

/// The factors of Theorem 2.1 for `W` (n×d) and k ≥ d: `Wᵀ = QR` (Q d×d orthogonal, R d×n upper triangular), W₁ = Rᵀ·I_dk
/// (n×k), W₂ = I_dkᵀ·Qᵀ (k×d), I_dk = [I_d 0]. So `W₁·W₂ = RᵀQᵀ = W`.
///
/// # Errors
/// [`TheoryError`]: `W` empty or not finite, k = 0, k < d, or a row of W so long that R overflows.
pub fn factorize_qr<T: Floating>(w: &Matrix<T>, k: usize) -> Result<(Matrix<T>, Matrix<T>), TheoryError> {
    finite("W", w)?;
    let (n, d) = w.shape();
    if k == 0 {
        return Err(TheoryError::NoInnerDim { matrix: "W".into() });
    }
    if k < d {
        return Err(TheoryError::TooNarrow {
            matrix: "W".into(),
            inner_dim: k,
            embedding_dim: d,
        });
    }
    // The full Q and the d×n R: where n < d, faer's own R is n×n and does not multiply with it.
    let Qr { q, r } = qr_full(view(w).transpose()).map_err(|error| named("W", w, &error))?;
    let zero = T::round_from(0.0);
    let w1 = Matrix::from_fn(n, k, |i, j| if j < d { r[(j, i)] } else { zero });
    let w2 = Matrix::from_fn(k, d, |i, j| if i < d { q[(j, i)] } else { zero });
    Ok((w1, w2))
}

/// Theorem 2.1 on `W` and k ≥ d.
///
/// # Errors
/// As [`factorize_qr`].
pub fn check<T: Floating>(w: &Matrix<T>, k: usize) -> Result<Check, TheoryError> {
    let (w1, w2) = factorize_qr(w, k)?;
    Ok(check_factors(w, k, &w1, &w2))
}

/// Whether factors are those of Theorem 2.1: their product is W, W₁ = [L 0] with L lower triangular, W₂ = [Qᵀ; 0] with
/// QᵀQ = I.
pub fn check_factors<T: Floating>(w: &Matrix<T>, k: usize, w1: &Matrix<T>, w2: &Matrix<T>) -> Check {
    let (n, d) = w.shape();
    if w1.shape() != (n, k) || w2.shape() != (k, d) || k < d {
        let shapes = format!(
            "W₁ is {:?} and W₂ {:?}, for W {:?} and k = {k}",
            w1.shape(),
            w2.shape(),
            w.shape()
        );
        return Check::failed(QR_THRESHOLD, shapes);
    }
    let q = w2.rows(0, d).transpose();
    let (wide_1, wide_2) = (widened(w1), widened(w2));
    let triangular = (0..n).all(|i| (i + 1..k).all(|j| wide_1[(i, j)] == 0.0));
    let padded = wide_1
        .columns(d, k - d)
        .iter()
        .chain(wide_2.rows(d, k - d).iter())
        .all(|&x| x == 0.0);
    if !triangular || !padded {
        return Check::failed(
            QR_THRESHOLD,
            "W₁ = Rᵀ·I_dk, W₂ = I_dkᵀ·Qᵀ have zeros that these factors do not".into(),
        );
    }
    let product = residuals::factorisation(w, &[w1.clone(), w2.clone()]);
    let orthogonality = residuals::orthogonality(&q);
    Check::ratio("‖W − W₁W₂‖₁/(max(n, d)·u·‖W‖₁)", product, QR_THRESHOLD).worse(Check::ratio(
        "‖I − QᵀQ‖₁/(d·u)",
        orthogonality,
        QR_THRESHOLD,
    ))
}
